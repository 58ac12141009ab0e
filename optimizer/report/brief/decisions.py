"""The parts of the brief on what is decided: the orders of the first year, what a slip does, money by year."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report.brief.structure import BriefPart
from optimizer.report.format import in_full, plural
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.plan import CommittedMoney, list_commitments
from optimizer.results.result import Result
from optimizer.solver import Settings
from optimizer.studies.purchases import Purchase, purchases
from optimizer.studies.slips import Slip, find_slips
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
        yield f"Committed already, by whomever, in no cost here: {si(total, money, 4)}{of_which}."
