"""What a plan decides in a year, and what comes of it where some of that slips by a year: values of `slips`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optimizer.errors import Finding
from optimizer.instance.schema import Instance
from optimizer.results.futures import FutureResult
from optimizer.results.plan import Outcome
from optimizer.results.result import Result
from optimizer.studies.purchases import Purchase, purchases

# Orders that the brief lists: more do not fit on one page.
MOST_ORDERS = 7


@dataclass(frozen=True)
class Order:
    """What is decided of one option in a year."""

    option: str
    name: str
    when: str  # label of the period of the first decision of the year
    on_line: str  # label of the period in which it works, or of the last purchase of a stockpile
    size: str  # with its unit
    money: float  # what it takes of the budget in that year, undiscounted
    total: float  # in all years
    is_stock: bool  # whether it is bought in parts


def first_year(instance: Instance, result: Result) -> int:
    """The calendar year of the first decisions: that in which the horizon starts, where something is decided in it."""
    return min((instance.horizon.year(move.t) for move in purchases(instance, result)), default=instance.horizon.start)


def orders_of(instance: Instance, result: Result, year: int) -> tuple[Order, ...]:
    """What is decided in a year, the most money first."""
    horizon = instance.horizon
    due = [move for move in purchases(instance, result) if horizon.year(move.t) == year]
    found = [
        Order(move.option, move.name, move.decided, move.on_line, move.size_words,
              _spent_in(instance, move, year), move.counted, bool(move.purchases))
        for move in due
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda order: -order.money))


def _spent_in(instance: Instance, move: Purchase, year: int) -> float:
    """The budget's part of what a purchase costs in a year."""
    if not move.purchases:
        return move.counted
    return instance.stocks[move.option].budget_share * move.spent_in(instance, year)


def slip_groups(orders: Sequence[Order]) -> tuple[tuple[str, ...], ...]:
    """The options whose slips the brief shows: those of all orders together, then of each order that it lists."""
    options = options_of(orders)
    if len(options) < 2:
        return (options,) if options else ()
    return (options, *((each,) for each in options_of(orders[:MOST_ORDERS])))


def options_of(orders: Iterable[Order]) -> tuple[str, ...]:
    """The options of some orders, each once."""
    return tuple(dict.fromkeys(order.option for order in orders))


@dataclass(frozen=True)
class Slip:
    """What comes of some decisions a year later."""

    options: tuple[str, ...]  # those whose decisions of the year slip
    # Names of the shocks that are not survived then and are with the plan, the largest gap first.
    failed: tuple[str, ...]
    # The shock whose gap grows most; where no gap grows, the one in which most more goes unserved; None where nothing
    # more goes unserved.
    shock: str | None
    gap: float  # by how much its gap grows, money
    below_floor: float  # t
    # By how much what it leaves unserved grows, t, and at shortage cost.
    shortage: float
    shortage_cost: float
    cost: float  # what the plan costs more, present value, money; less where it is negative
    broken_rules: tuple[Finding, ...] = ()  # those of the instance that the plan breaks then


def unserved_tonnes(outcome: Outcome) -> float:
    """What a shock leaves unserved, t, whether floors hold or not; of a line, of the segments that it names."""
    return sum(each.shortage for each in outcome.segments.values())


def unserved_money(instance: Instance, outcome: Outcome) -> float:
    """The same at shortage cost, money."""
    return sum(instance.demands[d].shortage_cost * each.shortage for d, each in outcome.segments.items())


def most_unserved(instance: Instance, result: Result) -> float:
    """What goes unserved in the worst shock, at shortage cost, money."""
    return max((unserved_money(instance, each) for each in result.shocks), default=0.0)


def shown_gap(result: Result) -> float:
    """The worst gap as it reads: those that differ by less are alike."""
    return float(f"{result.worst_gap:.3g}")


def hardest_future(futures: Iterable[tuple[FutureResult, Instance]]) -> FutureResult:
    """The future with the worst shock: of those that fail the largest gap, else where most goes unserved."""
    there = [(future, instance) for future, instance in futures if future.result.shocks]
    return max(there, key=lambda pair: (shown_gap(pair[0].result), most_unserved(pair[1], pair[0].result)))[0]


# By the name of a future, the slips that were looked at in it.
SlipsByFuture = Mapping[str, Sequence[Slip]]
