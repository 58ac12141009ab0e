"""The brief of a plan for several futures: the first decisions, in all or some futures, and survival."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optimizer.horizon import windowed
from optimizer.instance.derived import display_name, has_floors
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.brief.content import (
    FLOORS_NOTE,
    MOST_CHANGES,
    NO_RANGES,
    baseline_shortage_note,
    make_brief,
    of_kind,
)
from optimizer.report.brief.plan_parts import (
    EXISTING_SUPPORT,
    IF_LATE,
    LATE_EFFECT,
    NOT_COMPUTED,
    ORDERED,
    Brief,
    BriefPart,
    amounts_note,
    committed_sentence,
    confidence_part,
    damage_of,
    delay_text,
    missing_words,
    new_money_part,
    new_money_word,
    on_line_words,
    order_sums,
    years_with_money,
)
from optimizer.report.brief.survival_parts import (
    event_window,
    may_fail_words,
    not_all_unserved,
    unserved_part,
    worst_event,
    worst_part,
)
from optimizer.report.format import (
    all_of,
    between,
    changed_words,
    discounting,
    in_millions,
    list_names,
    plural,
    proven_cost,
    under_same_rules,
)
from optimizer.report.narrative import survived_words
from optimizer.report.tables.futures import futures_headline, futures_with_gaps
from optimizer.report.tables.futures_study import worth_headline
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.results.saved import list_commitments
from optimizer.studies.alternatives_result import Alternatives
from optimizer.studies.futures.study_result import FuturesStudy
from optimizer.studies.purchases import (
    MOST_ORDERS,
    Delay,
    DelaysByFuture,
    Order,
    first_year_of_all,
    options_of,
    orders_of,
    purchases,
    support_of_existing,
)
from optimizer.studies.shocks import hardest_future, most_unserved, shown_gap
from optimizer.tolerances import SHOWN_SHARE
from optimizer.units import si

# Largest number of futures that fit on one page.
MOST_FUTURE_ROWS = 10


@dataclass(frozen=True)
class _FutureView:
    """One future, its instance, and its decisions of the first year."""

    future: FutureResult
    instance: Instance
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True)
class _FutureDelay:
    """The effect of a delay in a future."""

    view: _FutureView
    delay: Delay


# The key of the delay of all decisions together, beside the names of options.
_TOGETHER = ""


def make_futures_brief(
    instance: Instance,
    result: FuturesResult,
    warnings: Sequence[str] = (),
    comments: Sequence[Mapping[str, Any]] = (),
    delays: DelaysByFuture | None = None,
    studies: Iterable[Any] = (),
) -> Brief:
    """Return the brief of a plan for several futures, with the value of waiting if `studies` include it."""
    horizon, views = instance.horizon, _views(result)
    year = first_year_of_all((view.instance, view.future.result) for view in views) if views else horizon.start
    views = [replace(view, orders=orders_of(view.instance, view.future.result, year)) for view in views]
    changed = changed_words(result.changes, MOST_CHANGES)
    headline, span = futures_headline(result), windowed(horizon.label(0), horizon.label(horizon.periods[-1]))
    return Brief(
        instance=instance,
        title=result.title,
        about=f"{span}. Money in {result.currency}; t: metric tonnes. {changed}".rstrip(),
        survives=result.survives,
        verdict=headline.partition(":")[0],
        sentence=_sentence(instance, result, year) if views else f"{headline}.",
        parts=tuple(_parts(instance, result, views, year, comments, delays or {}, studies)) if views else (),
        warnings=tuple(warnings),
        notes=tuple(_notes(views)),
    )


def _notes(views: Sequence[_FutureView]) -> Iterator[str]:
    """Yield the notes beside the answer: the meaning of a gap, unspent budgets, and shortages without any shock."""
    if any(view.future.result.shocks for view in views):
        yield FLOORS_NOTE
    yield from _unspent(views)
    yield from _short_without_shock(views)


def _unspent(views: Sequence[_FutureView]) -> Iterator[str]:
    """Yield the unspent budget in all or some futures; nothing if it is spent in all of them."""
    budgets = [(view.instance.policy.budget, view.future.result) for view in views]
    left = [
        budget - result.outlay
        for budget, result in budgets
        if budget is not None and budget - result.outlay > SHOWN_SHARE * budget
    ]
    if left:
        where = "" if len(left) == len(views) else f" in {len(left):,} of {plural(len(views), 'future')}"
        yield f"{_range_text(left, budgets[0][1].money)} of the budget is left{where}."


def _short_without_shock(views: Sequence[_FutureView]) -> Iterator[str]:
    """Yield the shortage without any shock in the worst future, and the number of futures with one."""
    short = [view for view in views if view.future.result.lacks]
    if not short:
        return
    shares = [max(lack.share for lack in view.future.result.lacks.values()) for view in short]
    worst = short[shares.index(max(shares))]
    where = _most_in(worst.future.name, shares)
    if len(views) > 1:
        yield f"In {len(short):,} of {plural(len(views), 'future')} demand goes unserved without a shock{where}."
    yield from baseline_shortage_note(worst.instance, worst.future.result)


def _sentence(instance: Instance, result: FuturesResult, year: int) -> str:
    """Return the answer: the first commitments, the cost, and the shocks survived."""
    first = _range_text([each.result.outlays.get(str(year), 0.0) for each in result.futures], result.money)
    spent = _range_text([each.result.outlay for each in result.futures], result.money)
    whole = "which is all" if first == spent else f"{spent} over all years"
    text = f"With {first} of outlay in {year}, {whole}, {_floors_kept(result)}"
    more = result.price_of_survival or 0.0
    if more > 0:
        than = f"the cheapest plan of a world without shocks{under_same_rules(result.data)}"
        text += f"; in all, outlay included, the plan is expected to cost {si(more, result.money)} more than {than}"
    text += f" (present value, {discounting(instance)}, {result.currency})."
    return f"Not proven, for the search was stopped: {text}" if result.status == "stopped" else text


def _floors_kept(result: FuturesResult) -> str:
    failed = [each for each in result.futures if not each.result.survives]
    if not failed:
        return _all_kept(result)
    worst = max(failed, key=lambda each: each.result.survival_gap)
    in_future = _most_in(worst.name, [each.result.survival_gap for each in failed])
    count = f"{sum(each.fails for each in worst.result.shocks):,} of {plural(len(worst.result.shocks), 'shock')}"
    gap = f", the worst with a survival gap of {si(worst.result.worst_gap, result.money)}"
    where = f"{len(failed)} of {plural(len(result.futures), 'future')}"
    return f"survival floors fail in {where}{in_future}: {count} there{gap}"


def _all_kept(result: FuturesResult) -> str:
    if not has_floors(instance_of(result)):
        return "no shock has a survival floor, so none can fail"
    if len(result.futures) == 1:
        return f"every survival floor holds in {survived_words(result.futures[0].result)}"
    but = ", but for samples that may fail" if any(may_fail_words(each.result) for each in result.futures) else ""
    return f"every survival floor holds in {all_of(len(result.futures), 'futures')}{but}"


def _most_in(name: str, amounts: Sequence[float]) -> str:
    """Return the future with the largest of some amounts: as the only one, the worst, or one of several alike."""
    alike = sum(math.isclose(amount, max(amounts), rel_tol=SHOWN_SHARE) for amount in amounts)
    word = "" if len(amounts) == 1 else "most " if alike == 1 else "for example "
    return f", {word}in {name}" if name else ""


def _range_text(amounts: Sequence[float], money: str) -> str:
    return between(min(amounts), max(amounts), money)


def _views(result: FuturesResult) -> list[_FutureView]:
    return [_FutureView(each, instance_of(each.result)) for each in result.futures]


def _parts(
    instance: Instance,
    result: FuturesResult,
    views: Sequence[_FutureView],
    year: int,
    comments: Sequence[Mapping[str, Any]],
    delays: DelaysByFuture,
    studies: Iterable[Any],
) -> Iterator[BriefPart]:
    several = len(views) > 1
    if several:
        yield _orders_part(result, views, year, delays)
        yield _money_part(result)
        yield _survival_part(result, views)
        if any(view.future.result.shocks for view in views):
            yield _worst_part(views)
            yield _unserved_part(views)
    else:
        ((_, own),) = make_each_brief(result, delays)
        yield from own.parts
    which = "take one future by {one_future} and add" if several else "add"
    nearly_as_cheap = f"Plans nearly as cheap: {which} {{alternatives}}."
    yield _alternatives_part(nearly_as_cheap, studies) if several else _near_part(result, nearly_as_cheap, studies)
    missing_hint, missing_note = f"Not computed: {which} {{sensitivity}}.", "Not computed."
    if not instance.uncertain:
        missing_hint = missing_note = NO_RANGES
    yield BriefPart("figures", "The numbers that decide", missing_hint=missing_hint, missing_note=missing_note)
    yield _confidence_part(result, comments, views)


def _alternatives_part(nearly_as_cheap: str, studies: Iterable[Any]) -> BriefPart:
    """Return the part with the value of deciding later from a study, or with what was not computed."""
    found = of_kind(FuturesStudy, studies)
    if found is not None:
        missing_note, sentences = "Plans nearly as cheap are not computed.", (f"{worth_headline(found)}.",)
        return BriefPart(
            "alternatives", "Alternatives", sentences, missing_hint=nearly_as_cheap, missing_note=missing_note
        )
    return BriefPart(
        "alternatives",
        "Alternatives",
        missing_hint=f"What deciding later is worth: add {{futures}}. {nearly_as_cheap}",
        missing_note="What deciding later is worth, and plans nearly as cheap, are not computed.",
    )


def _near_part(result: FuturesResult, nearly_as_cheap: str, studies: Iterable[Any]) -> BriefPart:
    """Return the part with the common purchases of near-optimal plans, for a file without questions."""
    found = of_kind(Alternatives, studies)
    if found is None:
        note = "Plans nearly as cheap are not computed."
        return BriefPart("alternatives", "Alternatives", missing_hint=nearly_as_cheap, missing_note=note)
    instance, vital = _views(result)[0].instance, [each.option for each in found.ranges if each.verdict == "must-have"]
    common = list_names([display_name(instance, o) for o in vital], MOST_ORDERS)
    common = common or "no option that is known to be in all of them"
    by = "Plans" if result.measure == "expected cost" else f"By expected cost, not by {result.measure}: plans"
    said = f"{by} that cost up to {si(found.extra_cost, result.money)} more than the cheapest have in common: {common}."
    return BriefPart("alternatives", "Alternatives", (said,))


def make_each_brief(
    result: FuturesResult, delays: DelaysByFuture | None = None
) -> Iterator[tuple[FutureResult, Brief]]:
    """Yield each future with the brief of its plan alone, without figures of the joint plan."""
    for view in _views(result):
        own = replace(view.future.result, given=None)
        made = make_brief(view.instance, own, delays=(delays or {}).get(view.future.name))
        parts = tuple(part for part in made.parts if part.name not in ("alternatives", "figures", "confidence"))
        yield view.future, replace(made, title=f"{result.title}: {view.future.name}", parts=parts)


def _orders_part(result: FuturesResult, views: Sequence[_FutureView], year: int, delays: DelaysByFuture) -> BriefPart:
    """Return the part with the decisions of the first year, in all or some futures, and the worst effect of a delay."""
    found: dict[str, list[Order]] = {}
    for view in views:
        for order in view.orders:
            found.setdefault(order.option, []).append(order)
    ordered = sorted(found.values(), key=lambda some: (-len(some), -max(order.money for order in some)))
    title = f"Decisions of {year}"
    if not ordered:
        return BriefPart("orders", title, ("Nothing is bought in any future.",))
    found_delays = _worst_delays(views, delays)
    texts = _delay_texts(found_delays)
    later = [*_later_row(views, year), *_support_row(views, year)]
    rows = [*_order_rows(views, ordered, texts), *later]
    strong = (len(rows) - 1 - len(later),) if _has_sum(views, ordered) else ()
    columns = (
        FrameColumn("order", "Decide", is_index=True),
        FrameColumn("money", f"In {year}, M {result.money}"),
        FrameColumn("total", f"All years, M {result.money}"),
        FrameColumn("when", ORDERED, form="period"),
        FrameColumn("on_line", "On line"),
        FrameColumn("futures", "In"),
        FrameColumn("slip", IF_LATE),
    )
    missing_hint, missing_note, note = "", "", _orders_note(views, found, found_delays.values())
    if not texts:
        missing_hint, missing_note = missing_words(f"{LATE_EFFECT} is", is_stopped=bool(delays))
    frame = Frame.of_rows("orders", title, columns, rows, note).without_empty("slip")
    return BriefPart("orders", title, (), frame, missing_hint, strong=strong, missing_note=missing_note)


def _orders_note(views: Sequence[_FutureView], options: Iterable[str], delays: Iterable[_FutureDelay]) -> str:
    """Return the note on money, dates and, if examined, delays."""
    where = list(dict.fromkeys(each.view.future.name for each in delays))
    which = f"in the future {where[0]}" if len(where) == 1 else "in the future that is named"
    note, late = amounts_note(views[0].instance, options), f" A year later: {which}; nothing is bought in its place."
    return f"{note} Money and sizes: the least and the most of the futures that buy it.{late if where else ''}"


def _order_rows(
    views: Sequence[_FutureView], ordered: Sequence[Sequence[Order]], texts: Mapping[str, str]
) -> Iterator[tuple[Any, ...]]:
    """Yield rows of the first decisions, the remaining ones, and their sum; the last cell is the delay's effect."""
    unknown = NOT_COMPUTED if texts else None
    for some in ordered[:MOST_ORDERS]:
        yield *_order_row(some, len(views)), texts.get(some[0].option, unknown)
    if len(ordered) > MOST_ORDERS:
        yield f"and {plural(len(ordered) - MOST_ORDERS, 'more decision')}", *[None] * 6
    if _has_sum(views, ordered):
        sums, totals = zip(*(order_sums(view.orders) for view in views), strict=True)
        name = f"Together ({len(ordered)})"
        yield name, _amounts(sums), _amounts(totals), None, None, None, texts.get(_TOGETHER, unknown)


def _has_sum(views: Sequence[_FutureView], ordered: Sequence[Sequence[Order]]) -> bool:
    """Return whether the sum adds information: there are several orders, or not all futures make the only one."""
    return len(ordered) > 1 or len(ordered[0]) < len(views)


def _later_row(views: Sequence[_FutureView], first: int) -> Iterator[tuple[Any, ...]]:
    """Yield a row on the decisions after the first year, if any future has some."""
    later = [list(_later_moves(view, first)) for view in views]
    years = [year for some in later for year, _ in some]
    if years:
        spent = _amounts([math.fsum(amount for _, amount in some) for some in later])
        yield f"Later decisions, from {min(years)} on", None, spent, None, None, None, None


def _support_row(views: Sequence[_FutureView], first: int) -> Iterator[tuple[Any, ...]]:
    existing = [support_of_existing(view.instance, view.future.result) for view in views]
    if any(existing):
        sums = [math.fsum(each.values()) for each in existing]
        yield EXISTING_SUPPORT, _amounts([each.get(first, 0.0) for each in existing]), _amounts(sums), *[None] * 4


def _later_moves(view: _FutureView, first: int) -> Iterator[tuple[int, float]]:
    """Yield year and outlay of decisions after the first year."""
    for move in purchases(view.instance, view.future.result):
        if (year := view.instance.horizon.year(move.t)) != first:
            yield year, move.outlay


def _worst_delays(views: Sequence[_FutureView], delays: DelaysByFuture) -> dict[str, _FutureDelay]:
    """Return by option, and for all together, the worst delay over the futures that decide it in the first year.

    In other futures the same option may be ordered later: that is another order.
    """
    found: dict[str, _FutureDelay] = {}
    for view in views:
        of_all, own = options_of(view.orders), {delay.options: delay for delay in delays.get(view.future.name, ())}
        keys = [((o,), o) for o in of_all] + ([(of_all, _TOGETHER)] if of_all else [])
        for options, key in keys:
            delay = own.get(options)
            if delay is not None and (key not in found or damage_of(delay) > damage_of(found[key].delay)):
                found[key] = _FutureDelay(view, delay)
    return found


def _delay_texts(delays: Mapping[str, _FutureDelay]) -> dict[str, str]:
    """Return the effect of each delay, with its future unless that is the same for all."""
    names = {each.view.future.name for each in delays.values()}
    where = {name: f"{name}: " if len(names) > 1 else "" for name in names}
    return {
        key: where[each.view.future.name] + delay_text(each.view.instance, each.view.future.result, each.delay)
        for key, each in delays.items()
    }


def _amounts(amounts: Sequence[float]) -> str:
    low, high = in_millions(min(amounts)), in_millions(max(amounts))
    return high if low == high else f"{low} to {high}"


def _order_row(some: Sequence[Order], count: int) -> tuple[Any, ...]:
    sizes = list(dict.fromkeys(order.size for order in sorted(some, key=lambda order: order.total)))
    size = sizes[0] if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    whens, ends = (list(dict.fromkeys(getattr(order, key) for order in some)) for key in ("when", "on_line"))
    on_line = windowed(min(ends), max(ends))
    where = "every future" if len(some) == count else f"{len(some)} of {plural(count, 'future')}"
    name = f"{some[0].name}, {size}"
    return (
        name,
        _amounts([order.money for order in some]),
        _amounts([order.total for order in some]),
        min(whens),
        on_line_words(on_line, is_stock=some[0].is_stock),
        where,
    )


def _money_part(result: FuturesResult) -> BriefPart:
    """Return the part with money by year: least and most over the futures, and money already committed by others."""
    commitments = list_commitments(result.data)
    new = new_money_word(commitments)
    columns = [
        FrameColumn("year", form="word", is_index=True),
        FrameColumn("least", f"{new}, least", result.money, "millions"),
        FrameColumn("new", f"{new}, most", result.money, "millions"),
        FrameColumn("committed", "Committed", result.money, "millions"),
    ]
    years = years_with_money([each.result.outlays for each in result.futures], commitments)
    rows = [(year, min(spent) or None, max(spent) or None, committed) for year, spent, committed in years]
    said = [f"{new}, undiscounted: {_range_text([each.result.outlay for each in result.futures], result.money)}."]
    said.append("The least and the most of each year can be of different futures, and do not add up to this.")
    said += committed_sentence(commitments, result.money)
    return new_money_part(columns, rows, tuple(said))


def _survival_part(result: FuturesResult, views: Sequence[_FutureView]) -> BriefPart:
    """Return the part with the futures, by the largest gap, then by the largest loss."""
    ordered = sorted(
        views, key=lambda view: (-shown_gap(view.future.result), -_most_unserved(view), -view.future.probability)
    )
    title = "What is survived, and what is not"
    columns = (
        FrameColumn("future", is_index=True),
        FrameColumn("probability", unit="share", form="percent"),
        FrameColumn("floors", "Shocks survived"),
        FrameColumn("worst_gap", "Worst survival gap", result.money, "millions"),
        FrameColumn("shortage_cost", "Largest loss", result.money, "millions"),
    )
    kept = sum(view.future.result.survives for view in views)
    said = [f"{kept:,} of {plural(len(views), 'future')} survived."]
    if not result.are_probabilities_given:
        said.append("The file gives no probabilities: futures count alike.")
    if len(ordered) > MOST_FUTURE_ROWS:
        left = plural(len(ordered) - MOST_FUTURE_ROWS, "more future")
        said.append(f"{left} not shown: none leaves a larger survival gap.")
    rows = [_future_row(view) for view in ordered[:MOST_FUTURE_ROWS]]
    note = "Largest loss: in one shock, all that goes unserved, above floors as well, at shortage cost."
    lines = (not_all_unserved(view.instance, view.future.result.shocks) for view in views)
    note = " ".join([note, *next(filter(None, lines), ())])
    return BriefPart("survival", title, tuple(said), Frame.of_rows("survival", title, columns, rows, note))


def _future_row(view: _FutureView) -> tuple[Any, ...]:
    found = view.future.result
    kept, may = len(found.shocks_survived), may_fail_words(found)
    floors = f"{'✓' if found.survives else '✗'} {kept:,} of {len(found.shocks):,}{may}"
    return view.future.name, view.future.probability, floors, found.worst_gap, _most_unserved(view)


def _most_unserved(view: _FutureView) -> float:
    return most_unserved(view.instance, view.future.result)


def _worst_part(views: Sequence[_FutureView]) -> BriefPart:
    hardest = hardest_future((view.future, view.instance) for view in views)
    view = next(view for view in views if view.future is hardest)
    found = worst_part(view.instance, view.future.result)
    where = event_window(view.instance, worst_event(view.instance, view.future.result))
    return replace(found, sentences=(f"{where}, in the future {view.future.name}.", *found.sentences[1:]))


def _unserved_part(views: Sequence[_FutureView]) -> BriefPart:
    view = max(views, key=_most_unserved)
    found = unserved_part(view.instance, view.future.result)
    if found.frame is None:
        return found
    where = f"In the future {view.future.name}, where most goes unserved."
    return replace(found, sentences=(where, *found.sentences))


def _confidence_part(
    result: FuturesResult, comments: Sequence[Mapping[str, Any]], views: Sequence[_FutureView]
) -> BriefPart:
    spent: dict[str, float] = {}
    for view in views:
        for move in purchases(view.instance, view.future.result):
            spent[move.option] = spent.get(move.option, 0.0) + view.future.probability * move.outlay
    proven = proven_cost(result, futures_with_gaps(instance_of(result), result))
    return confidence_part(result, comments, f"{result.measure} {proven}", spent)
