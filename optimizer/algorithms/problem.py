"""The problem to solve: its objective, futures, hints for the search, and the result of a search.

The default is the plan of least cost that keeps every floor. A `ProblemVariant` may change it:

    objective        the quantity to minimise: cost, outlay, the size of an option …
    rows             rows in addition to those of the instance: a limit on cost, the exclusion of an option …
    gap_limit        where floors cannot all be kept, the survival gap that a plan may leave
    objective_limit  an upper limit on the objective; for cost, including gaps at their price if they have one

Rows are written once, when the model is built, and not again when shocks are added.

A `MeasuredModel` has the expressions of the objectives: a measure of the costs of the futures, or their survival gaps.
They are updated when shocks are added to the model. A measure other than the expected cost is written only once, since
all its terms, including shocks with a probability, are in the model from the start; gaps that count in it are columns,
which are linked to further shocks as these are added.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from optimizer import formulation, risk
from optimizer.algorithms.relaxed_floors import Excuses, Shortfalls
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Future, Instance, Policy
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.network.process import Demand
from optimizer.results.plan import NoShockPlan, Plan
from optimizer.risk import FutureCosts, measured_cost, write_gap_rows, write_gaps, write_limit, write_measure
from optimizer.solver.base import (
    Clock,
    Listener,
    Progress,
    PseudoCosts,
    PseudoCostsByObjective,
    Settings,
    SolveResult,
    Vector,
)
from optimizer.tolerances import NEGLIGIBLE, NEGLIGIBLE_GAP, VIOLATED

if TYPE_CHECKING:
    from optimizer.solver.kept import ModelKeeper

# The floor of a segment in a shock: the names of both.
Floor = tuple[str, str]
Aim = Literal["objective", "expected cost", "gap", "largest future gap"]


@dataclass(frozen=True)
class DualValues:
    """The dual values of the rows and the reduced costs of the columns of a solved LP."""

    builder: ModelBuilder
    values: Vector  # by column
    duals: Vector  # by row: change of the objective per unit of its right-hand side
    reduced_costs: Vector  # by column: change of the objective per unit of its active bound

    @classmethod
    def from_result(cls, builder: ModelBuilder, result: SolveResult) -> DualValues | None:
        """Return the dual values of a result; None if it has none."""
        if result.values is None or result.duals is None or result.reduced_costs is None:
            return None
        return cls(builder, result.values, result.duals, result.reduced_costs)


@dataclass(frozen=True)
class SearchResult:
    """The result of a search for a plan."""

    # ``optimal`` (proven), ``stopped`` (incumbent), ``infeasible`` (rules conflict or,
    # for a problem other than least cost, no plan keeps the floors).
    status: Literal["optimal", "stopped", "infeasible"]
    builder: ModelBuilder  # the model's columns and rows
    values: Vector | None = None  # by column; None if no plan was found
    # The problem's objective at `values`, in its own unit: money for cost and outlay, t for a size. Priced gaps are not
    # in it, as results report cost; `bound` is a proven lower bound on objective and priced gaps, less `priced_gaps`.
    objective: float = float("inf")
    bound: float = float("-inf")
    # The part of the objective that prices the gaps at `values`, of shocks that the model holds.
    priced_gaps: float = 0.0
    # The survival gap of the plan and a proven lower bound on the least one; 0 where every floor is kept. With a price
    # of gaps the bound equals the gap and proves nothing; for a given plan it is −∞.
    gap: float = 0.0
    gap_bound: float = 0.0
    duals: DualValues | None = None  # of cost, or of gap where floors fail; None where the time ran out
    history: tuple[Progress, ...] = ()  # the rounds and the steps within them
    notes: tuple[str, ...] = ()  # notes for the user
    # The no-shock plan: the cheapest plan without shocks and rules about surviving; None if the search did not find it.
    no_shock: NoShockPlan | None = None
    # Whether floors may be missed; if so, also floors without a shortage cost that could be kept.
    may_miss_floors: bool = False
    # By shock, the gap in money that it leaves at the reported cost, if the model does not hold the shocks; None if it
    # holds them, or if each leaves its least gap.
    gap_left: Mapping[str, float] | None = None

    @property
    def paths(self) -> frozenset[str]:
        """The keys of the paths that own columns: shocks, the baseline, survival rules, and the plan's empty one."""
        return frozenset(path for path, _, _ in self.builder.column_index())

    def bound_of_cost(self, gap: float, priced: float | None) -> float | None:
        """Return the bound on the cost of plans that leave no larger gap than `gap`, that of the plan in all shocks.

        Gaps cost `priced` over all shocks, not only over those in the model; None if they have no price. Returns None
        for an infinite bound, and for that of a stopped search over plans that keep all floors if its plan does not.
        """
        keeps_floors = priced is None and self.status == "stopped" and self.gap <= 0
        bound = self.bound if priced is None else self.bound + self.priced_gaps - priced
        return None if (keeps_floors and gap > 0) or not math.isfinite(bound) else bound


ObjectiveBuilder = Callable[[ModelBuilder, Instance, Sequence[Shock]], Expression]
Rows = Callable[[ModelBuilder, Instance, Sequence[Shock]], None]


@dataclass(frozen=True)
class ProblemVariant:
    """An objective with additional rows and limits; `name` is its name in progress events.

    `gap_limit` is in money. If it is positive, every shock that can fail is put into the model, so it is meant for
    instances with few of these. `least_costs` are the least costs of the futures by themselves, from which regret
    counts. `prices_gaps` says that an objective other than cost includes the price of gaps, and `is_money` that its
    values are in money.
    """

    objective: ObjectiveBuilder = risk.cost
    rows: tuple[Rows, ...] = ()
    name: str = "cost"
    gap_limit: float = 0.0
    objective_limit: float = math.inf
    least_costs: tuple[float, ...] = field(default=(), compare=False)
    prices_gaps: bool = False
    is_money: bool = True

    @property
    def is_least_cost(self) -> bool:
        """Whether this is the default problem: least cost, or the least gap where floors fail."""
        return self == LEAST_COST

    @property
    def counts_gaps(self) -> bool:
        """Whether priced gaps count in the objective; if not, every floor is kept."""
        return self.prices_gaps or self.objective is risk.cost


LEAST_COST = ProblemVariant()


@dataclass(frozen=True)
class Hints:
    """Facts about a problem that are known before it is solved and shorten the search."""

    shocks: frozenset[str] = frozenset()  # names of shocks that are likely to be violated, with which the search begins
    # One starting plan per future, which together bound the search; empty if none are known.
    plans: tuple[Plan, ...] = ()
    alone: tuple[Plan, ...] = ()  # the best plan of each future by itself
    bound: float = -math.inf  # a lower bound on the objective that was proven before
    # Keeps the solver's model from one what-if to the next; None where each has its own model.
    keeper: ModelKeeper | None = None


NOTHING_KNOWN = Hints()


def outlay(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    """Return the undiscounted money that counts towards the budget."""
    return total(builder.booked("outlay", year) for year in instance.horizon.years)


LEAST_OUTLAY = ProblemVariant(objective=outlay, name="outlay")


def option_size(option: str, factor: float = 1.0) -> ObjectiveBuilder:
    """Return an objective: `factor` times the purchases of an option over all years.

    For a stockpile these are its purchases in t, for other options their size.
    """

    def measured(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
        return factor * formulation.amount_bought(builder, instance, option)

    return measured


def at_most(objective: ObjectiveBuilder, bound: float, what: str) -> Rows:
    """Return rows that limit an amount of money to at most `bound`."""

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        builder.require("question", what, None, objective(builder, instance, shocks), "<=", bound, unit="money")

    return write


def leaving_out(options: Iterable[str]) -> Rows:
    """Return rows that exclude options from being bought."""
    names = tuple(options)

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        for option in names:
            bought = option_size(option)(builder, instance, shocks)
            if bought.terms:
                builder.require("question", f"without_{option}", None, bought, "<=", 0.0)

    return write


def not_before(option: str, point: int) -> Rows:
    """Return rows that exclude buying an option, or opening it at size 0, before the period `point`."""

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        bought, opened = formulation.purchase_columns(builder, instance, option), _opening_columns(builder, option)
        for what, columns in (("not_before", bought), ("closed_before", opened)):
            early = [Expression({column: 1.0}) for t, column in columns.items() if t < point]
            if early:
                builder.require("question", f"{option}_{what}", None, total(early), "<=", 0.0)

    return write


def opened_as_in(plan: Plan) -> Rows:
    """Return rows that keep each opening of a plan in its period, including openings at size 0."""

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        for build in plan.builds:
            by = _opening_columns(builder, build.option) if build.opened else {}
            for t, column in by.items():
                opened = Expression({column: 1.0})
                builder.require("question", f"{build.option}_opened", t, opened, "==", float(t >= build.t), unit="1")

    return write


def exactly(plan: Plan, besides: str = "") -> Rows:
    """Return rows that fix every purchase of a plan but those of the option `besides`.

    The tolerance is a millionth of the largest purchase of the option.
    """

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        for o in (o for o in instance.options if o != besides):
            planned = {build.t: build.size for build in plan.builds if build.option == o}
            planned |= dict(enumerate(plan.fills.get(o, ())))
            near = NEGLIGIBLE * max(planned.values(), default=0.0)
            for t, column in formulation.purchase_columns(builder, instance, o).items():
                size, bought = planned.get(t, 0.0), Expression({column: 1.0})
                builder.require("question", f"{o}_at_most", t, bought, "<=", size + near if size > 0 else 0.0)
                if size > 0:
                    builder.require("question", f"{o}_at_least", t, bought, ">=", size - near)

    return write


def _opening_columns(builder: ModelBuilder, option: str) -> dict[int, int]:
    """Return the columns that say whether an option is open by a period; none if it has no fixed charge."""
    return dict(builder.column_index().get(("", option, "by"), {}))


def generate_constraints[T, V](
    solve: Callable[[], T | None],
    separate: Callable[[T], Sequence[V]],
    add: Callable[[Sequence[V]], None],
    clock: Clock,
) -> T | None:
    """Solve, separate and add constraints until nothing is violated.

    Args:
        solve: returns the optimum under the constraints so far; None ends the loop.
        separate: returns the constraints that a solution violates.
        add: adds some or all of these constraints.
        clock: ends the loop once its time is over.

    Returns:
        The solution that violates nothing; None if there is none, or if the loop was ended before.
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


def negligible_gap(instance: Instance) -> float:
    """Return the survival gap in money up to which it is the solver's rounding error."""
    sizes = (demand.shortage_cost * max(demand.quantity.values) for demand in _demands(instance))
    return NEGLIGIBLE_GAP * max([1.0, *sizes])


def median_shortage_cost(instance: Instance) -> float:
    """Return the money per tonne by which rows in money are divided, to be scaled like rows in tonnes."""
    costs = [demand.shortage_cost for demand in _demands(instance) if demand.shortage_cost > 0]
    return risk.median_cost(costs)


def is_worst_case(instance: Instance) -> bool:
    """Return whether the largest gap of a future is minimised before the expected gap."""
    return instance.policy.objective.kind in ("worst", "regret") and not instance.tree.is_single


def _demands(instance: Instance) -> Iterator[Demand]:
    for future in instance.tree.futures:
        yield from future.instance.demands.values()


@dataclass
class MeasuredModel:
    """The columns, rows and objectives of a model that holds some or all of an instance's shocks.

    Attributes:
        may_excuse: whether samples may fail of ensembles of which only a share has to be survived; if not, every sample
            held must be survived.
        shortfalls: shortfalls of samples that may fail under the do-nothing plan, where known.
        pseudo_costs: pseudo-costs of similar models, by objective; None where none is kept.
        keeper: keeps the solver's model from one what-if to the next; None where each has its own model.
        builder: its columns and rows.
        objective: the objective of the problem, as a linear expression.
        gap: the expected survival gap, as a linear expression.
        expected: the expected cost; with gaps at their price if they have one.
        below: the columns of shortage below floors.
        aim: the objective that is minimised now.
        future_gaps: columns of the futures' gaps and, last, of the largest one, in money; empty where they do not
            count.
        excuses: the samples that may fail, of ensembles of which a share has to be survived.
        measure_limit: a column whose upper bound, times `money_unit`, limits a measure other than expected cost.
    """

    instance: Instance
    shocks: Sequence[Shock]
    settings: Settings
    clock: Clock
    listener: Listener
    writer: formulation.ModelWriter | None = None
    problem: ProblemVariant = LEAST_COST
    may_excuse: bool = True
    shortfalls: Shortfalls = field(default_factory=dict, repr=False)
    pseudo_costs: PseudoCostsByObjective | None = field(default=None, repr=False)
    keeper: ModelKeeper | None = field(default=None, repr=False)

    @property
    def own_pseudo_costs(self) -> PseudoCosts | None:
        """The pseudo-costs for the current objective; None where none is kept."""
        if self.pseudo_costs is None:
            return None
        shared = self.pseudo_costs.setdefault("", PseudoCosts()).gains
        return self.pseudo_costs.setdefault((self.problem.objective, self.aim), PseudoCosts(shared))

    def __post_init__(self) -> None:
        self.shocks, self.tree = tuple(self.shocks), self.instance.tree
        self.aim: Aim = "objective"
        self.excuses = Excuses(self.tree, None if self.may_excuse else (), self.shortfalls)
        self.builder = (self.writer or formulation.ModelWriter(self.instance)).extensive_form_model(self.shocks)
        for write in self.problem.rows:
            write(self.builder, self.instance, self.shocks)
        self.money_unit = median_shortage_cost(self.instance)
        self._measured: Expression | None = None
        self.expected = Expression()
        self.future_gaps: list[Expression] = []
        self.update_expressions()
        if math.isfinite(self.problem.objective_limit):
            most = self.problem.objective_limit
            self.builder.require("question", "cost", None, self.objective, "<=", most, unit="money")

    def update_expressions(self) -> None:
        """Rebuild objectives, shortage columns and excuses for the shocks that the builder now holds."""
        self.excuses.write(self.builder, self.shocks)
        gaps = self.gaps()
        self.gap = total(future.probability * gap for future, gap in zip(self.tree.futures, gaps, strict=True))
        self.objective = self._objective(gaps)
        self.below = [j for j, column in enumerate(self.builder.columns) if column.mark.what == "below"]

    @property
    def aims(self) -> Mapping[Aim, Expression]:
        """The objectives that may be minimised, by aim."""
        largest = self.future_gaps[-1] if self.future_gaps else self.gap
        return {
            "objective": self.objective,
            "expected cost": self.expected,
            "gap": self.gap,
            "largest future gap": largest,
        }

    def noticeable(self, objective: float) -> float:
        """Return by how much a plan's objective may miss the optimum, in the unit of the objective."""
        return self.settings.mip_gap * abs(objective) if "gap" in self.aim else self.settings.slack(objective)

    @property
    def submodels(self) -> Iterable[tuple[Future, ModelBuilder]]:
        """Each future with its part of the model."""
        return zip(self.tree.futures, self.builder.submodels, strict=True)

    @property
    def policy(self) -> Policy:
        """The policy, which is common to all futures and sets the measure."""
        return self.instance.policy

    def _objective(self, gaps: Sequence[Expression]) -> Expression:
        """Return the objective of the problem; write one other than the expected cost only the first time."""
        if self.problem.objective is not risk.cost:
            return self.problem.objective(self.builder, self.instance, self.shocks)
        if self._measured is None or self.policy.objective.kind == "expected":
            self._write_measure()
        if self.future_gaps:
            write_gap_rows(self.builder, self.future_gaps, gaps, self.money_unit)
        assert self._measured is not None
        return self._measured

    def _write_measure(self) -> None:
        """Write the measure of the futures' costs, with columns for gaps that have a price or whose largest counts."""
        measure, price = self.policy.objective, self.policy.gap_price
        if not self.future_gaps and (price is not None or self.is_worst_case):
            self.future_gaps = write_gaps(self.builder, len(self.tree.futures), self.money_unit)
        costs = self.costs()
        if price is not None:
            costs = [each.plus(price * gap) for each, gap in zip(costs, self.future_gaps[:-1], strict=True)]
        self.expected = total(each.probability * each.expected for each in costs)
        self._measured = write_measure(self.builder, measure, costs, self.money_unit, self.problem.least_costs)
        if measure.kind != "expected":
            self.measure_limit = write_limit(self.builder, self._measured, self.money_unit)

    @property
    def is_worst_case(self) -> bool:
        """Whether the largest gap of a future is minimised before the expected gap."""
        return is_worst_case(self.instance)

    def gaps(self) -> list[Expression]:
        """Return the survival gap of each future over the shocks of the model, in money."""
        return [formulation.gap(submodel, future.instance) for future, submodel in self.submodels]

    def weighted(self, amounts: Iterable[float]) -> float:
        """Return the expectation of amounts by future."""
        return math.fsum(each.probability * amount for each, amount in zip(self.tree.futures, amounts, strict=True))

    def gap_values(self, values: Sequence[float]) -> list[float]:
        """Return the survival gap of each future at `values`, in money."""
        return [gap.value(values) for gap in self.gaps()]

    def costs(self) -> list[FutureCosts[Expression]]:
        """Return the costs of each future in present value, as expressions."""
        own = self.tree.own_shocks(self.shocks)
        return [
            FutureCosts(
                future.probability,
                risk.cost(submodel, future.instance, shocks),
                risk.cost_outcomes(submodel, future, shocks) if self.policy.objective.needs_outcomes else (),
            )
            for (future, submodel), shocks in zip(self.submodels, own, strict=True)
        ]

    def shock_gaps(self, values: Sequence[float]) -> dict[str, float]:
        """Return the gap of each shock of the model at `values` in money, by name."""
        return {
            self.tree.name(number, own): gap.value(values)
            for number, (future, submodel) in enumerate(self.submodels)
            for own, gap in formulation.gaps(submodel, future.instance).items()
        }

    def missed_floors(self, values: Vector, share: float = VIOLATED, *, only_free: bool = False) -> dict[Floor, float]:
        """Return the gaps, in money, of floors that are missed by more than `share` of demand in some period.

        With `only_free`, only floors with a shortage cost of 0 count.
        """
        paths, numbers = {shock.name: self.tree.path(shock) for shock in self.shocks}, values.tolist()
        gaps, missed = defaultdict[Floor, float](float), set[Floor]()
        for number, submodel in enumerate(self.builder.submodels):
            demands = self.tree.futures[number].instance.demands
            for (own, segment, t), below in submodel.accounts("below").items():
                floor, cost = (self.tree.name(number, str(own)), str(segment)), demands[str(segment)].shortage_cost
                if floor[0] not in paths or (only_free and cost > 0):
                    continue
                amount = below.value(numbers)
                gaps[floor] += cost * amount
                if amount > share * paths[floor[0]].demand_at(floor[1], int(t)):
                    missed.add(floor)
        return {floor: gaps[floor] for floor in missed}

    def reported_cost_and_objective(self, values: Vector) -> tuple[float, float]:
        """Return the cost that a result reports, without the price of gaps, and the objective, which includes it."""
        numbers = values.tolist()
        is_cost = self.problem.objective is risk.cost
        if not is_cost or (self.policy.objective.kind == "expected" and not self.future_gaps):
            cost = self.objective.value(numbers)
            return cost, cost
        costs = [each.at(numbers) for each in self.costs()]
        priced = costs
        if self.policy.gap_price is not None:
            gaps = [self.policy.gap_price * gap for gap in self.gap_values(numbers)]
            priced = [each.plus(gap) for each, gap in zip(costs, gaps, strict=True)]
        measure, least = self.policy.objective, self.problem.least_costs
        return measured_cost(measure, costs, least), measured_cost(measure, priced, least)
