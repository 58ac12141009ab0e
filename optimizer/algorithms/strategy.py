"""What algorithms share: what is minimised, what is known before and found, the loop of rounds, and batches of shocks.

Of the plans that keep every floor the one of least cost is found, unless a `ProblemVariant` says otherwise:

    objective   what is minimised: cost, outlay, the size of an option …
    rows        rows beside those of the instance: a limit on cost, an option that is left out …
    gap_limit   where floors cannot all be kept, the survival gap that a plan may leave
    cost_limit  what a plan may cost, with the price of its gaps where they have one

Rows are written once, before any shock without a probability is added.

The recourse of shocks is solved in batches. A batch is fixed by the instance and starts from a basis that comes with
the request: every worker, in whatever order, finds the same numbers.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer import formulation
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.progress import Progress
from optimizer.results.plan import ManyFlows, NoShockPlan, Plan
from optimizer.solver import Basis, Clock, Integers, SolveResult, Vector
from optimizer.solver.kept import ModelKeeper


@dataclass(frozen=True)
class DualValues:
    """A solved linear programme: dual values of its rows, reduced costs of its columns."""

    builder: ModelBuilder
    values: Vector
    duals: Vector
    reduced_costs: Vector

    @classmethod
    def from_result(cls, builder: ModelBuilder, result: SolveResult) -> "DualValues | None":
        """Those of a result; None where it has none."""
        if result.values is None or result.duals is None or result.reduced_costs is None:
            return None
        return cls(builder, result.values, result.duals, result.reduced_costs)


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        status: ``optimal`` (proven), ``stopped`` (best so far), ``infeasible`` (rules contradict each other).
        builder: the model's columns and rows.
        values: by column; None where there is no plan.
        cost, bound: total cost of `values` and its proven lower bound.
        gap, gap_bound: the least survival gap and its proven lower bound; 0 where every floor is kept.
        duals: of cost, or of gap where floors fail; None where the time ran out.
        history: the rounds, and the steps within.
        notes: for the user.
        no_shock: the cheapest plan without shocks and rules about surviving; None where the search did not find it.
        granted: by shock, the gap that it leaves at the cost that was found, money, where the model does not hold the
            shocks; None where the model has them, or each leaves its least gap.
        allows_shortages: whether floors may be missed; then also one that is free to miss, though it could be kept.
    """

    status: Literal["optimal", "stopped", "infeasible"]
    builder: ModelBuilder
    values: Vector | None = None
    cost: float = float("inf")
    bound: float = float("-inf")
    gap: float = 0.0
    gap_bound: float = 0.0
    duals: DualValues | None = None
    history: tuple[Progress, ...] = ()
    notes: tuple[str, ...] = ()
    no_shock: NoShockPlan | None = None
    allows_shortages: bool = False
    granted: Mapping[str, float] | None = None


ObjectiveBuilder = Callable[[ModelBuilder, Instance, Sequence[Shock]], Expression]
Rows = Callable[[ModelBuilder, Instance, Sequence[Shock]], None]


@dataclass(frozen=True)
class ProblemVariant:
    """What is minimised, and the rows that are added; `name` is what progress calls it.

    `gap_limit` is in money. Above 0, every shock that can fail is in the model: for instances in which these are few.
    `least_costs` are those of the futures alone, from which regret counts. `prices_gaps` says that an objective other
    than cost counts the price of gaps.
    """

    objective: ObjectiveBuilder = formulation.cost
    rows: tuple[Rows, ...] = ()
    name: str = "cost"
    gap_limit: float = 0.0
    cost_limit: float = math.inf
    least_costs: tuple[float, ...] = field(default=(), compare=False)
    prices_gaps: bool = False

    @property
    def is_default(self) -> bool:
        """Whether it is least cost, or the least gap where floors fail."""
        return self == LEAST_COST

    @property
    def counts_gaps(self) -> bool:
        """Whether gaps that have a price count in what is minimised; where they do not, every floor is kept."""
        return self.prices_gaps or self.objective is formulation.cost


LEAST_COST = ProblemVariant()


@dataclass(frozen=True)
class Hints:
    """What is known of a problem before it is solved: it makes the search shorter.

    Attributes:
        shocks: names of those that are likely to be violated, with which the search begins.
        plans: by future one to start from; together they bound the search. None where none are known.
        alone: by future its best plan by itself.
        bound: a lower bound on the objective that was proven before.
        keeper: of the model that the solver keeps from one question to the next; None where each has its own.
    """

    shocks: frozenset[str] = frozenset()
    plans: tuple[Plan, ...] = ()
    alone: tuple[Plan, ...] = ()
    bound: float = -math.inf
    keeper: ModelKeeper | None = None


NOTHING_KNOWN = Hints()


def outlay(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    """Undiscounted money that counts towards the budget."""
    return total(builder.booked("outlay", year) for year in instance.horizon.years)


LEAST_OUTLAY = ProblemVariant(objective=outlay, name="outlay")


def size(option: str, factor: float = 1.0) -> ObjectiveBuilder:
    """`factor` times what is bought of an option over all years: its size, or what a stockpile buys in t."""

    def measured(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
        return factor * formulation.bought(builder, instance, option)

    return measured


def at_most(objective: ObjectiveBuilder, bound: float, what: str) -> Rows:
    """A row that keeps an amount of money at or below a bound."""

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        builder.require("question", what, None, objective(builder, instance, shocks), "<=", bound, unit="money")

    return write


def leaving_out(options: Iterable[str]) -> Rows:
    """Rows that keep options from being bought."""
    names = tuple(options)

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        for option in names:
            bought = size(option)(builder, instance, shocks)
            if bought.terms:
                builder.require("question", f"without_{option}", None, bought, "<=", 0.0)

    return write


def generate_constraints[T, V](
    solve: Callable[[], T | None],
    separate: Callable[[T], Sequence[V]],
    add: Callable[[Sequence[V]], None],
    clock: Clock,
) -> T | None:
    """The loop: solve, separate, add, until nothing is violated.

    Args:
        solve: the best solution for the constraints so far; None ends the loop.
        separate: what it violates.
        add: adds constraints for some of that.
        clock: ends the loop where it is over.

    Returns:
        The solution that violates nothing; None where there is none, or the loop was ended before.
    """
    while not clock.is_over:
        found = solve()
        if found is None:
            return None
        violated = separate(found)
        if not violated:
            return found
        add(violated)
    return None


RecourseTask = Literal[
    "gaps", "best", "served", "subgradients of gaps", "subgradients of costs", "subgradients without valid rows"
]
# Shocks in a batch: enough to make the first, which starts from another plan's basis, count for little.
BATCH_SIZE = 64


@dataclass(frozen=True)
class ShockBatch:
    """A batch: some of the shocks of one window length, by their numbers among all events of the instance."""

    length: int
    events: Integers


@dataclass(frozen=True)
class BatchRequest:
    """A request to solve the recourse of a batch.

    Attributes:
        batch: its number.
        task: least gaps; the best operation, the one that serves most, or gaps or costs with their subgradients in the
            linking terms.
        events: which of its shocks, by number among all events.
        linking: the linking terms under the plan, as `TechnologyMatrix.linking_terms` gives them.
        gap_limits: by shock, a gap in money that is known to be attainable, for ``best`` and ``served``; 0 where all
            floors are kept, nan to have it found. For ``subgradients of costs``, the gap that the shock may leave;
            nan, and where it is left out, to keep its floors.
        basis: where to start.
        future: the number of the future whose shocks they are.
        groups: by shock, the group whose subgradients are summed.
        weights: by shock, of its value and subgradients.
        flows: whether ``best`` returns all operation, not the unserved demand alone; for ``gaps``, whether it returns
            unserved demand.
    """

    batch: int
    task: RecourseTask
    events: Integers
    linking: Vector
    basis: Basis | None = None
    future: int = 0
    gap_limits: Vector = field(default_factory=lambda: np.zeros(0))
    groups: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    weights: Vector = field(default_factory=lambda: np.zeros(0))
    flows: bool = False


@dataclass(frozen=True)
class BatchResponse:
    """The response to a request, in the order of its shocks.

    Attributes:
        gap: in money.
        fails: whether some segment falls noticeably below its floor.
        cost: discounted operating and shortage cost of the window, in ``served`` that of going short alone; empty where
            it was not requested.
        unserved: t, by shock, segment and period of the window; empty where it was not requested.
        flows: all operation; None where it was not requested.
        cuts: by group, its value and its subgradient in the linking terms.
        by_gap: by shock, the derivative of its cost in its gap limit; empty where none is.
        basis: for the next time.
        seconds: in the solver.
    """

    events: Integers
    gap: Vector
    fails: npt.NDArray[np.bool_]
    basis: Basis
    seconds: float
    cost: Vector = field(default_factory=lambda: np.zeros(0))
    unserved: Vector = field(default_factory=lambda: np.zeros((0, 0, 0)))
    flows: ManyFlows | None = None
    cuts: dict[int, tuple[float, Vector]] = field(default_factory=dict)
    by_gap: Vector = field(default_factory=lambda: np.zeros(0))


def batches(instance: Instance) -> list[ShockBatch]:
    """The shocks in batches of one window length; like beside like, so that a basis serves the next.

    Alike are shocks that strike the same, then those that begin at the same time.
    """
    by_length: dict[int, list[int]] = {}
    for number, shock in enumerate(instance.events):
        by_length.setdefault(len(shock.periods), []).append(number)
    return [
        ShockBatch(length, part) for length, events in sorted(by_length.items()) for part in _parts(instance, events)
    ]


def _parts(instance: Instance, events: list[int]) -> Iterator[Integers]:
    def like(number: int) -> tuple[Any, ...]:
        event = instance.events[number]
        aims = [
            (each.region or (), each.stage or (), each.process or (), each.commodity or ()) for each in event.spec.cuts
        ]
        return aims, event.periods.start, [max(cut.severity) for cut in event.spec.cuts], number

    ordered = sorted(events, key=like)
    for first in range(0, len(ordered), BATCH_SIZE):
        yield np.array(ordered[first : first + BATCH_SIZE], dtype=np.intp)
