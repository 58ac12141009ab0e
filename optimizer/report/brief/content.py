"""What the brief says: a sentence, and parts, each with sentences, a frame, and how to get what was not computed.

All writers draw what `Brief.to_dict` gives, so each says the same; it is in the JSON of the report under `brief`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.horizon import windowed
from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report import narrative
from optimizer.report.brief.structure import Brief, BriefPart
from optimizer.report.brief.studied import alternatives_part, figures_part
from optimizer.report.format import audit_text, in_full, in_percent, list_names, percent, plural
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import Outcome, list_commitments
from optimizer.results.ranking import hardest_of
from optimizer.results.result import Result
from optimizer.solver import Settings
from optimizer.studies.folding import Folded, fold_outcomes, folds, urgency
from optimizer.studies.frontier import Frontier
from optimizer.studies.purchases import Purchase, purchases
from optimizer.studies.slips import Slip, find_slips, unserved_money, unserved_tonnes
from optimizer.studies.sourcing import BasisShares, basis_of, find_numbers, weighted_basis
from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import si

# Rows of a part at most: more do not fit on one page.
MOST_ORDERS, MOST_SHOCKS, MOST_SEGMENTS = 7, 6, 5


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
    options = tuple(dict.fromkeys(order.option for order in orders))
    if len(options) < 2:
        return (options,) if options else ()
    return (options, *((each,) for each in dict.fromkeys(order.option for order in orders[:MOST_ORDERS])))


def find_brief_slips(
    instance: Instance, result: Result, settings: Settings, task: Callable[[str], None] = lambda name: None
) -> tuple[Slip, ...]:
    """What slips by a year do, for the brief; none of a plan against an adversary, nor where nothing is bought.

    Args:
        instance, result: the plan, in its instance.
        settings: solver.
        task: hears what is looked at.
    """
    if result.adversary is not None or result.baseline is None or not result.shocks:
        return ()
    year = first_year(instance, result)
    groups = slip_groups(orders_of(instance, result, year))

    def step(options: Sequence[str]) -> None:
        task(f"a slip of {display_name(instance, options[0]) if len(options) == 1 else 'all decisions'}")

    return find_slips(instance, result, groups, year, settings, step)


def make_brief(
    instance: Instance,
    result: Result,
    *,
    frontier: Frontier | None = None,
    slips: Sequence[Slip] = (),
    studies: Mapping[str, Mapping[str, Any]] | None = None,
    warnings: Sequence[str] = (),
) -> Brief:
    """The brief of a plan.

    Args:
        instance: the instance of the plan.
        frontier: plans of other budgets, where they were searched for.
        slips: of decisions of the first year, as `slip_groups` names them.
        studies: by name, the JSON of studies that were carried out beside it.
        warnings: what has to be said first.
    """
    horizon = instance.horizon
    about = f"{horizon.label(0)} to {horizon.label(horizon.periods[-1])}. Money in {result.currency}, tonnes metric."
    parts = tuple(_parts(instance, result, frontier, slips, studies or {})) if result.baseline is not None else ()
    return Brief(
        instance=instance,
        title=result.instance,
        about=about,
        survives=result.survives,
        verdict=narrative.short_verdict(result),
        sentence=narrative.sentence(instance, result),
        parts=parts,
        warnings=tuple(warnings),
    )


def _parts(
    instance: Instance,
    result: Result,
    frontier: Frontier | None,
    slips: Sequence[Slip],
    studies: Mapping[str, Mapping[str, Any]],
) -> Iterator[BriefPart]:
    yield _orders_part(instance, result, slips)
    yield _money_part(instance, result)
    if result.shocks:
        yield _survival_part(instance, result)
        yield _worst_part(instance, result)
        yield _unserved_part(instance, result)
    yield alternatives_part(instance, result, frontier, studies.get("alternatives"))
    yield figures_part(instance, result, studies.get("sensitivity"))
    yield _confidence_part(instance, result)


# Decisions.


def _orders_part(instance: Instance, result: Result, slips: Sequence[Slip]) -> BriefPart:
    year = first_year(instance, result)
    orders, money = orders_of(instance, result, year), result.money
    title = f"Decisions due in {year}"
    if not orders:
        return BriefPart("orders", title, ("Nothing is bought.",))
    by_options = {slip.options: slip for slip in slips}
    together = by_options.get(tuple(dict.fromkeys(order.option for order in orders)))
    shown, rest = orders[:MOST_ORDERS], orders[MOST_ORDERS:]
    rows = [_order_row(instance, result, each, by_options.get((each.option,)), together) for each in shown]
    if rest:
        rows.append((f"and {plural(len(rest), 'more decision')}", _sum(rest), None, None, None))
    if len(orders) > 1:
        text = None if together is None else slip_text(instance, result, together)
        rows.append((f"All decisions ({len(orders)})", _sum(orders), None, None, text))
    columns = [
        FrameColumn("order", "Decide", is_index=True),
        FrameColumn("money", f"Money in {year}", money, "amount"),
        FrameColumn("when", "Decide by", form="period"),
        FrameColumn("on_line", "On line"),
        FrameColumn("slip", "If it slips by a year"),
    ]
    note = "Money: outlay of the year, undiscounted. On line: of a stock, its last purchase."
    missing = "What a slip by a year does: leave out --quick." if not slips and result.adversary is None else ""
    if slips:
        note += " Slip: nothing is bought in its place; the shock is that of the last row where none is named."
    else:
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return BriefPart(
        "orders",
        title,
        (),
        Frame.of_rows("orders", title, columns, rows, note),
        missing,
        strong=(len(rows) - 1,) if len(orders) > 1 else (),
    )


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
    if not slip.failed:
        return text
    return f"{text}; {plural(len(slip.failed), 'more shock')} {'fails' if len(slip.failed) == 1 else 'fail'}"


# Money.


def _money_part(instance: Instance, result: Result) -> BriefPart:
    committed: dict[int | None, float] = {}
    for each in list_commitments(result.data):
        committed[each.year] = committed.get(each.year, 0.0) + each.amount
    dated = [year for year in committed if year is not None]
    years = range(min([instance.horizon.start, *dated]), max([instance.horizon.end, *dated]) + 1)
    rows: list[tuple[str, float | None, float | None]] = [
        (str(year), result.outlays.get(str(year)) or None, committed.get(year)) for year in years
    ]
    rows = [row for row in rows if row[1] or row[2]]
    if None in committed:
        rows.append(("undated", None, committed[None]))
    columns = [
        FrameColumn("year", form="word", is_index=True),
        FrameColumn("new", "New", result.money, "amount"),
        FrameColumn("committed", "Committed", result.money, "amount"),
    ]
    if not committed:
        columns, rows = columns[:-1], [row[:-1] for row in rows]  # type: ignore[misc]
    said = [f"New: {si(result.outlay, result.money, 4)} in all, undiscounted"]
    if instance.policy.budget is not None:
        said[0] += f", of a budget of {si(instance.policy.budget, result.money, 4)}"
    if committed:
        total = math.fsum(committed.values())
        conditional = math.fsum(each.amount for each in list_commitments(result.data) if each.conditional)
        of_which = f", of which {si(conditional, digits=4)} is conditional" if conditional > 0 else ""
        said.append(f"Committed already, by whomever, in no cost here: {si(total, result.money, 4)}{of_which}")
    sentences = tuple(f"{each}." for each in said)
    frame = Frame.of_rows("money", "Money by year", columns, rows, "Years without money are left out." if rows else "")
    return BriefPart("money", "Money by year", sentences, frame if rows else None, bars=("new", "committed"))


# Survival.


def _survival_part(instance: Instance, result: Result) -> BriefPart:
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
    note = "Of a family the worst shock. Unserved in all: above floors as well. Gap and value: at shortage cost."
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


def _worst_part(instance: Instance, result: Result) -> BriefPart:
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
        name, against = display_name(instance, d), "missed" if service.first_failure else "held"
        said.append(f"Hardest hit: {name}, {served} % served in {service.worst_period}, floor {floor} % {against}.")
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


def _unserved_part(instance: Instance, result: Result) -> BriefPart:
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


# Confidence.


def _confidence_part(instance: Instance, result: Result) -> BriefPart:
    title = "How sure this is"
    proven = narrative.proof(result).strip("()")
    said = [f"Total cost {si(result.total_cost, result.money, 4)}: {proven}. Audit: {audit_text(result.audit)}."]
    numbers = find_numbers(result.data, result.comments)
    if not result.comments and not any(each.basis == "source" for each in numbers):
        missing = "Sources: the plan holds no comments of its file; name it by --instance."
        return BriefPart("confidence", title, tuple(said), None, missing)
    spent: dict[str, float] = {}
    for move in purchases(instance, result):
        spent[move.option] = spent.get(move.option, 0.0) + move.counted
    rows = [_basis_row(f"All {len(numbers):,} numbers of the file", basis_of(numbers))]
    if any(amount > 0 for amount in spent.values()):
        bought = weighted_basis(numbers, spent)
        rows.append(_basis_row(f"The {bought.numbers:,} of what is bought, by its money", bought))
    columns = (
        FrameColumn("of", "Rests on", is_index=True),
        FrameColumn("source", "a source", "share", "percent"),
        FrameColumn("derived", "other numbers", "share", "percent"),
        FrameColumn("assumption", "assumptions", "share", "percent"),
        FrameColumn("unexplained", "nothing written", "share", "percent"),
        FrameColumn("ranged", "has a range", "share", "percent"),
    )
    note = "A number that cites a source and assumes something as well counts as an assumption."
    return BriefPart("confidence", title, tuple(said), Frame.of_rows("confidence", title, columns, rows, note))


def _basis_row(name: str, basis: BasisShares) -> tuple[Any, ...]:
    return name, basis.source, basis.derived, basis.assumption, basis.unexplained, basis.ranged
