"""The parts of the brief of one plan: what is decided, what a slip does, money by year, and what is survived or not."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.horizon import windowed
from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report.brief.structure import BriefPart
from optimizer.report.format import in_full, in_percent, list_names, percent, plural
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import CommittedMoney, Outcome, list_commitments
from optimizer.results.ranking import hardest_of
from optimizer.results.result import Result
from optimizer.solver import Settings
from optimizer.studies.outcomes import Folded, fold_outcomes, folds, urgency
from optimizer.studies.purchases import Purchase, purchases
from optimizer.studies.slips import Slip, find_slips, unserved_money, unserved_tonnes
from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import si

# Orders that are listed: more do not fit on one page.
MOST_ORDERS = 7


@dataclass(frozen=True)
class Order:
    """What is decided of one option in a year.

    Attributes:
        option, name: which.
        when: label of the period of the first decision of the year.
        on_line: label of the period in which it works, or of the last purchase of a stockpile.
        size: with its unit.
        money: what it takes of the budget in that year, undiscounted.
        is_stock: whether it is bought in parts.
    """

    option: str
    name: str
    when: str
    on_line: str
    size: str
    money: float
    is_stock: bool


def first_year(instance: Instance, result: Result) -> int:
    """The calendar year of the first decisions: that in which the horizon starts, where something is decided in it."""
    return min((instance.horizon.year(move.t) for move in purchases(instance, result)), default=instance.horizon.start)


def orders_of(instance: Instance, result: Result, year: int) -> tuple[Order, ...]:
    """What is decided in a year, the most money first."""
    horizon = instance.horizon
    due = [move for move in purchases(instance, result) if horizon.year(move.t) == year]
    found = [
        Order(move.option, move.name, move.decided, move.on_line, move.size_words,
              _spent_in(instance, move, year), bool(move.purchases))
        for move in due
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda order: -order.money))


def _spent_in(instance: Instance, move: Purchase, year: int) -> float:
    """The budget's part of what a purchase costs in a year."""
    if not move.purchases:
        return move.counted
    stock = instance.stocks[move.option]
    fills = [fill if instance.horizon.year(t) == year else 0.0 for t, fill in enumerate(move.purchases)]
    return stock.budget_share * stock.paid(instance.horizon, fills)


def slip_groups(orders: Sequence[Order]) -> tuple[tuple[str, ...], ...]:
    """The options whose slips the brief shows: those of all orders together, then of each order that it lists."""
    options = _options(orders)
    if len(options) < 2:
        return (options,) if options else ()
    return (options, *((each,) for each in _options(orders[:MOST_ORDERS])))


def find_brief_slips(
    instance: Instance,
    result: Result,
    settings: Settings,
    task: Callable[[str], None] = lambda name: None,
    *,
    is_each: bool = True,
) -> tuple[Slip, ...]:
    """What slips by a year do, for the brief; none of a plan against an adversary, nor where nothing is bought.

    Args:
        instance, result: the plan, in its instance.
        settings: solver.
        task: hears what is looked at.
        is_each: whether each decision is looked at besides all of them together.
    """
    if result.adversary is not None or result.baseline is None or not result.shocks:
        return ()
    year = first_year(instance, result)
    groups = slip_groups(orders_of(instance, result, year))[: None if is_each else 1]

    def step(options: Sequence[str]) -> None:
        task(f"a slip of {display_name(instance, options[0]) if len(options) == 1 else 'all decisions'}")

    return find_slips(instance, result, groups, year, settings, step)


def orders_part(instance: Instance, result: Result, slips: Sequence[Slip]) -> BriefPart:
    """What is decided in the first year, and what happens if it slips by a year."""
    year = first_year(instance, result)
    orders, title = orders_of(instance, result, year), f"Decisions due in {year}"
    if not orders:
        return BriefPart("orders", title, ("Nothing is bought.",))
    rows = list(_order_rows(instance, result, orders, {slip.options: slip for slip in slips}))
    columns = [
        FrameColumn("order", "Decide", is_index=True),
        FrameColumn("money", f"Money in {year}", result.money, "amount"),
        FrameColumn("when", "Decide by", form="period"),
        FrameColumn("on_line", "On line"),
        FrameColumn("slip", "If it slips by a year"),
    ]
    note = "Money: outlay of the year, undiscounted. On line: of a stock, its last purchase."
    missing = ""
    if slips:
        note += " Slip: nothing is bought in its place; the shock is that of the last row where none is named."
    else:
        columns, rows = columns[:-1], [row[:-1] for row in rows]
        missing = "" if result.adversary is not None else "What a slip by a year does: leave out --quick."
    frame = Frame.of_rows("orders", title, columns, rows, note)
    return BriefPart("orders", title, (), frame, missing, strong=(len(rows) - 1,) if len(orders) > 1 else ())


def _order_rows(
    instance: Instance, result: Result, orders: Sequence[Order], slips: Mapping[tuple[str, ...], Slip]
) -> Iterator[tuple[Any, ...]]:
    """The largest orders, how much the others are, and all of them together."""
    together = slips.get(_options(orders))
    for order in orders[:MOST_ORDERS]:
        yield _order_row(instance, result, order, slips.get((order.option,)), together)
    rest = orders[MOST_ORDERS:]
    if rest:
        yield f"and {plural(len(rest), 'more decision')}", _sum(rest), None, None, None
    if len(orders) > 1:
        text = None if together is None else slip_text(instance, result, together)
        yield f"All decisions ({len(orders)})", _sum(orders), None, None, text


def _options(orders: Iterable[Order]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(order.option for order in orders))


def _order_row(
    instance: Instance, result: Result, order: Order, slip: Slip | None, together: Slip | None
) -> tuple[Any, ...]:
    known = together.shock if together is not None else None
    text = None if slip is None else slip_text(instance, result, slip, known)
    on_line = f"to {order.on_line}" if order.is_stock else order.on_line
    return f"{order.name}, {order.size}", order.money, order.when, on_line, text


def _sum(orders: Iterable[Order]) -> float:
    return math.fsum(order.money for order in orders)


def slip_text(instance: Instance, result: Result, slip: Slip, known: str | None = None) -> str:
    """What a slip does: shocks that fail besides, the gap that grows most, or what more goes unserved.

    The shock is named unless it is `known`.
    """
    if slip.shock is None:
        more = f"; it costs {si(slip.cost, result.money)} more" if slip.cost > 0 else ""
        return f"nothing more goes unserved{more}"
    where = "" if slip.shock == known else f" in {in_full(instance, instance.event(slip.shock))}"
    if slip.gap > NEGLIGIBLE * max(1.0, slip.shortage_cost):
        text = f"{si(slip.below_floor, 't')} more below floors, {si(slip.gap, result.money)}{where}"
    else:
        text = f"{si(slip.shortage, 't')} more unserved above floors, {si(slip.shortage_cost, result.money)}{where}"
    if slip.failed:
        text += f"; {plural(len(slip.failed), 'more shock')} {'fails' if len(slip.failed) == 1 else 'fail'}"
    return f"{text}; against {plural(len(slip.rules), 'rule')} of the file" if slip.rules else text


def money_part(instance: Instance, result: Result) -> BriefPart:
    """Money by calendar year: the outlay of the plan, and what others have committed already."""
    commitments = list_commitments(result.data)
    columns = [
        FrameColumn("year", form="word", is_index=True),
        FrameColumn("new", "New", result.money, "amount"),
        FrameColumn("committed", "Committed", result.money, "amount"),
    ]
    years = years_with_money([result.outlays], commitments)
    rows: list[tuple[Any, ...]] = [(year, spent[0] or None, committed) for year, spent, committed in years]
    if not commitments:
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    sentences = tuple(_money_sentences(instance, result, commitments))
    frame = Frame.of_rows("money", "Money by year", columns, rows, "Years without money are left out.")
    return BriefPart("money", "Money by year", sentences, frame if rows else None, bars=("new", "committed"))


def years_with_money(
    outlays: Sequence[Mapping[str, float]], commitments: Sequence[CommittedMoney]
) -> Iterator[tuple[str, list[float], float | None]]:
    """The calendar years in which money is spent, or committed: each with the outlay of every plan, and the latter.

    What is committed without a year comes last.
    """
    committed: dict[int | None, float] = {}
    for each in commitments:
        committed[each.year] = committed.get(each.year, 0.0) + each.amount
    spent = {int(year) for each in outlays for year in each if each[year] > 0}
    for year in sorted(spent.union(filter(None, committed))):
        yield str(year), [each.get(str(year), 0.0) for each in outlays], committed.get(year)
    if None in committed:
        yield "undated", [0.0 for _ in outlays], committed[None]


def _money_sentences(instance: Instance, result: Result, commitments: Sequence[CommittedMoney]) -> Iterator[str]:
    budget, money = instance.policy.budget, result.money
    of_budget = "" if budget is None else f", of a budget of {si(budget, money, 4)}"
    yield f"New: {si(result.outlay, money, 4)} in all, undiscounted{of_budget}."
    yield from committed_sentence(commitments, money)


def committed_sentence(commitments: Sequence[CommittedMoney], money: str) -> Iterator[str]:
    """How much others have committed already; none without any."""
    if commitments:
        total = math.fsum(each.amount for each in commitments)
        conditional = math.fsum(each.amount for each in commitments if each.conditional)
        of_which = f", of which {si(conditional, digits=4)} is conditional" if conditional > 0 else ""
        yield f"Committed already, by any party, in no cost here: {si(total, money, 4)}{of_which}."


# Rows at most: more do not fit on one page.
MOST_SHOCKS, MOST_SEGMENTS = 6, 5


def survival_part(instance: Instance, result: Result) -> BriefPart:
    """The entries of the file with shocks, those that fail first: what is below floors, and all that goes unserved."""
    rows = fold_outcomes(folds(instance, [each.name for each in result.shocks]), result)
    ordered = sorted(rows, key=lambda row: (row.survives, urgency(row.worst)))
    outcomes = {each.name: each for each in result.shocks}
    shown, rest = ordered[:MOST_SHOCKS], ordered[MOST_SHOCKS:]
    columns = (
        FrameColumn("shock", is_index=True),
        FrameColumn("verdict", "Floors"),
        FrameColumn("below_floor", "Below floors", "t", "amount"),
        FrameColumn("gap", "Survival gap", result.money, "amount"),
        FrameColumn("shortage", "Unserved in all", "t", "amount"),
        FrameColumn("shortage_cost", "Value", result.money, "amount"),
    )
    frame_rows = [_shock_row(instance, row, [outcomes[name] for name in row.fold.members if name in outcomes])
                  for row in shown]  # fmt: skip
    failed = sum(outcome.fails for outcome in result.shocks)
    kept = len(result.shocks) - failed
    said = [f"{kept:,} of {plural(len(result.shocks), 'shock')} survived."]
    if rest:
        which = "all survived" if all(row.survives for row in rest) else "some of them not survived"
        said.append(f"{plural(len(rest), 'more entry')} not shown, {which}.".replace("entrys", "entries"))
    note = "Floor: the share of demand that has to be served in a shock. Of a family the worst shock. Unserved in all: "
    note += "above floors as well. Gap and value: at shortage cost."
    title = "What is survived, and what is not"
    return BriefPart("survival", title, tuple(said), Frame.of_rows("survival", title, columns, frame_rows, note))


def _shock_row(instance: Instance, row: Folded, outcomes: Sequence[Outcome]) -> tuple[Any, ...]:
    """A row of the shocks of an entry: the gap of its worst, and the most that goes unserved in one of them."""
    worst = row.worst
    name = in_full(instance, instance.event(worst.name))
    if row.fold.is_many:
        lost = row.failed + row.excused
        verdict = f"✗ {row.count_text}" if row.failed else f"✓ {row.count_text if lost else 'all held'}"
        name += f", worst of {len(row.fold.members):,}"
    else:
        verdict = "✓ held" if row.survives else "✗ missed"
    most = max(outcomes, key=lambda each: unserved_money(instance, each))
    below = sum(each.below_floor for each in worst.segments.values())
    return name, verdict, below, worst.gap, unserved_tonnes(most), unserved_money(instance, most)


def worst_event(instance: Instance, result: Result) -> Outcome:
    """The shock with the largest gap; where no floor fails, the one in which most goes unserved, at shortage cost."""
    hardest = hardest_of(result.shocks)[0]
    return hardest if hardest.fails else max(result.shocks, key=lambda each: unserved_money(instance, each))


def worst_part(instance: Instance, result: Result) -> BriefPart:
    """The worst shock, and the one that leaves most unserved where that is another."""
    worst, money = worst_event(instance, result), result.money
    where = f"{in_full(instance, instance.event(worst.name))} ({windowed(worst.first, worst.last)})"
    said = [f"{where}."]
    below = sum(each.below_floor for each in worst.segments.values())
    if worst.gap > 0 or below > 0:
        said.append(f"{si(below, 't')} of demand below survival floors, a gap of {si(worst.gap, money)}.")
    if unserved_tonnes(worst) > 0:
        said.append(
            f"In all {si(unserved_tonnes(worst), 't')} go unserved, {si(unserved_money(instance, worst), money)}."
        )
        d, service = max(worst.segments.items(), key=lambda item: (item[1].gap, _value(instance, *item)))
        served, floor = in_percent(service.worst_service, service.floor)
        against = f"a floor of {floor} %, {'missed' if service.first_failure else 'held'}"
        where = f"{served} % served in {service.worst_period} against {against}"
        said.append(f"Hardest hit: {display_name(instance, d)}, {where}.")
    else:
        said.append("All demand is served in it.")
    most = max(result.shocks, key=lambda each: unserved_money(instance, each))
    if unserved_money(instance, most) > unserved_money(instance, worst):
        amount = f"{si(unserved_tonnes(most), 't')}, {si(unserved_money(instance, most), money)}"
        held = ", though floors hold" if most.survives else ""
        said.append(f"Most goes unserved in {in_full(instance, instance.event(most.name))}: {amount}{held}.")
    return BriefPart("worst", "The worst single event", tuple(said))


def _value(instance: Instance, d: str, service: Any) -> float:
    return float(instance.demands[d].shortage_cost * service.shortage)


def unserved_part(instance: Instance, result: Result) -> BriefPart:
    """By segment the shock in which most of it goes unserved."""
    hardest: dict[str, tuple[Outcome, Any]] = {}
    for outcome in result.shocks:
        for d, service in outcome.segments.items():
            if service.shortage > 0 and service.shortage > hardest.get(d, (None, _NONE))[1].shortage:
                hardest[d] = outcome, service
    ordered = sorted(hardest, key=lambda d: -_value(instance, d, hardest[d][1]))
    title = "Who goes short, even where floors hold"
    said = [*_baseline_lacks(instance, result)]
    if not ordered:
        return BriefPart("unserved", title, (*said, "In no shock does any demand go unserved."))
    rows = [_segment_row(instance, d, *hardest[d]) for d in ordered[:MOST_SEGMENTS]]
    if len(ordered) > MOST_SEGMENTS:
        said.append(f"{plural(len(ordered) - MOST_SEGMENTS, 'more segment')} go short of less.")
    columns = (
        FrameColumn("segment", is_index=True),
        FrameColumn("served", "Served", "share"),
        FrameColumn("floor", "Floor", "share"),
        FrameColumn("shortage", "Unserved", "t", "amount"),
        FrameColumn("shortage_cost", "Value", result.money, "amount"),
        FrameColumn("shock", "In"),
    )
    note = "Each segment in the shock that leaves most of it unserved; served: % of demand in its weakest period."
    return BriefPart("unserved", title, tuple(said), Frame.of_rows("unserved", title, columns, rows, note))


class _NoService:
    shortage = 0.0


_NONE = _NoService()


def _segment_row(instance: Instance, d: str, outcome: Outcome, service: Any) -> tuple[Any, ...]:
    served, floor = in_percent(service.worst_service, service.floor)
    mark = "✗" if service.first_failure else "✓"
    against = f"{floor} % {mark}" if service.floor > NEGLIGIBLE else "none"
    where = in_full(instance, instance.event(outcome.name))
    return display_name(instance, d), f"{served} %", against, service.shortage, _value(instance, d, service), where


def _baseline_lacks(instance: Instance, result: Result) -> Iterator[str]:
    if result.lacks:
        worst = sorted(result.lacks.items(), key=lambda item: -item[1].share)
        names = [f"{display_name(instance, d)} (up to {percent(lack.share)})" for d, lack in worst]
        yield f"Short even without a shock: {list_names(names, 3)}."
