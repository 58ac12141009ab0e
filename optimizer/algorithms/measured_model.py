"""What a model of futures minimises: a measure of their costs, or their survival gaps.

Expressions follow the shocks that the model holds. A measure is written once, for all that it needs is there from the
start, shocks with a probability among it; gaps that count in it are columns, linked to more shocks as these come.

Of the LP relaxation of a model: how near it is to plans, and what brings it nearer. Valid inequalities are rows that
every plan with whole numbers keeps; they are held where a relaxation violates them.

A model holds few of them: most say nothing at its optimum, and each costs the solver time. Once the integers are fixed
none is needed; then a slack that they share lets go of all at once, so that dual values are those of the other rows.

Diving goes from an LP relaxation to whole numbers, a few integers at a time, each step the same linear programme, warm:

    nearly opened      all that are, next larger whole number
    barely opened      where none is: all that are, next smaller one
    else               the integer with the largest fraction, next larger one

Where a step leaves no solution, the largest fraction alone moves, then that one the other way. For the least survival
gap of a budget this leads near the best plan: rounding all integers at once buys more than the budget allows. A search
with integers that begins with it proves the gap sooner.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from optimizer import formulation
from optimizer.algorithms.shares import Excuses, Shortfalls
from optimizer.algorithms.strategy import LEAST_COST, ProblemVariant
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance, Policy
from optimizer.model.builder import Mark, ModelBuilder, Row
from optimizer.model.expressions import Expression, total
from optimizer.network.process import Demand
from optimizer.progress import Listener
from optimizer.risk import FutureCosts, link_gaps, measured_cost, write_gaps, write_limit, write_measure
from optimizer.solver import BranchingHistories, BranchingHistory, Clock, Integers, Model, Settings, SolveResult, Vector
from optimizer.solver.kept import ModelKeeper
from optimizer.tolerances import INTEGRALITY, NEGLIGIBLE_GAP, VIOLATED

Aim = Literal["cost", "expected cost", "gap", "worst gap"]


def negligible_gap(instance: Instance) -> float:
    """The survival gap, money, that is the solver's rounding error."""
    sizes = (demand.shortage_cost * max(demand.quantity.values) for demand in _demands(instance))
    return NEGLIGIBLE_GAP * max(1.0, *sizes)


def median_shortage_cost(instance: Instance) -> float:
    """Money per tonne by which rows in money are divided, so that they are scaled like rows in tonnes."""
    costs = sorted(demand.shortage_cost for demand in _demands(instance) if demand.shortage_cost > 0)
    return costs[len(costs) // 2] if costs else 1.0


def is_worst_case(instance: Instance) -> bool:
    """Whether the largest gap of a future comes before the expected gap."""
    return instance.policy.objective.kind in ("worst", "regret") and not instance.tree.is_single


def _demands(instance: Instance) -> Iterator[Demand]:
    for future in instance.tree.futures:
        yield from future.instance.demands.values()


@dataclass
class MeasuredModel:
    """The columns, rows and objectives of a model that holds some of an instance's shocks, or all.

    Attributes:
        may_excuse: whether samples may fail of which only a share has to be survived; else each that it holds counts.
        shortfalls: of samples that may fail, under the do-nothing plan, where they are known.
        histories: what branching gained in similar models, by what they minimised; None where none is kept.
        keeper: of the model that the solver keeps from one question to the next; None where each has its own.
        builder: its columns and rows. cost, gap: what is minimised, as linear expressions.
        expected: the expected cost, of a measure over futures; with the price of gaps where they have one.
        below: the columns of shortage below floors.
        aim: what is minimised now.
        future_gaps: columns of the futures' gaps and, last, of the largest, in money; empty where they do not count.
        excuses: the samples that may fail, of ensembles of which a share has to be survived.
        measure_limit: a column whose upper bound, times `unit`, limits a measure other than expected cost.
    """

    instance: Instance
    shocks: Sequence[Shock]
    settings: Settings
    clock: Clock
    listener: Listener
    writer: formulation.Writer | None = None
    problem: ProblemVariant = LEAST_COST
    may_excuse: bool = True
    shortfalls: Shortfalls = field(default_factory=dict, repr=False)
    histories: BranchingHistories | None = field(default=None, repr=False)
    keeper: ModelKeeper | None = field(default=None, repr=False)

    @property
    def branching_history(self) -> BranchingHistory | None:
        """What branching gained with what is minimised now; None where none is kept."""
        if self.histories is None:
            return None
        shared = self.histories.setdefault("", BranchingHistory()).gains
        return self.histories.setdefault((self.problem.objective, self.aim), BranchingHistory(shared))

    def __post_init__(self) -> None:
        self.shocks, self.tree = tuple(self.shocks), self.instance.tree
        self.aim: Aim = "cost"
        self.excuses = Excuses(self.tree, None if self.may_excuse else (), self.shortfalls)
        self.builder = (self.writer or formulation.Writer(self.instance)).extensive_form_model(self.shocks)
        for write in self.problem.rows:
            write(self.builder, self.instance, self.shocks)
        self.unit = median_shortage_cost(self.instance)
        self._measured: Expression | None = None
        self.expected = Expression()
        self.future_gaps: list[Expression] = []
        self.update_expressions()
        if math.isfinite(self.problem.cost_limit):
            self.builder.require("question", "cost", None, self.cost, "<=", self.problem.cost_limit, unit="money")

    def update_expressions(self) -> None:
        """Objectives and shortage columns, once the shocks of the builder are known; and which of them may fail."""
        self.excuses.write(self.builder, self.shocks)
        gaps = self.gaps()
        self.gap = total(future.probability * gap for future, gap in zip(self.tree.futures, gaps, strict=True))
        self.cost = self._objective(gaps)
        self.below = [j for j, column in enumerate(self.builder.columns) if column.mark.what == "below"]

    @property
    def aims(self) -> Mapping[Aim, Expression]:
        """What may be minimised."""
        worst = self.future_gaps[-1] if self.future_gaps else self.gap
        return {"cost": self.cost, "expected cost": self.expected, "gap": self.gap, "worst gap": worst}

    def noticeable(self, objective: float) -> float:
        """By how much the objective of a plan may miss the least one, money."""
        return self.settings.gap * abs(objective) if "gap" in self.aim else self.settings.slack(objective)

    @property
    def policy(self) -> Policy:
        """The policy that says what is minimised: that of all futures."""
        return self.instance.policy

    def _objective(self, gaps: Sequence[Expression]) -> Expression:
        """The objective of the problem; a measure over the futures is written once, as all that it needs is there."""
        if self.problem.objective is not formulation.cost:
            return self.problem.objective(self.builder, self.instance, self.shocks)
        if self._measured is None or self.policy.objective.kind == "expected":
            self._write_measure()
        if self.future_gaps:
            link_gaps(self.builder, self.future_gaps, gaps, self.unit)
        assert self._measured is not None
        return self._measured

    def _write_measure(self) -> None:
        """The measure of the futures' costs; columns for their gaps where these have a price, or the largest counts."""
        measure, price = self.policy.objective, self.policy.gap_price
        if not self.future_gaps and (price is not None or self.is_worst_case):
            self.future_gaps = write_gaps(self.builder, len(self.tree.futures), self.unit)
        costs = self.costs()
        if price is not None:
            costs = [each.plus(price * gap) for each, gap in zip(costs, self.future_gaps[:-1], strict=True)]
        self.expected = total(each.probability * each.expected for each in costs)
        self._measured = write_measure(self.builder, measure, costs, self.unit, self.problem.least_costs)
        if measure.kind != "expected":
            self.measure_limit = write_limit(self.builder, self._measured, self.unit)

    @property
    def is_worst_case(self) -> bool:
        """Whether the largest of all gaps comes before their expectation."""
        return is_worst_case(self.instance)

    def gaps(self) -> list[Expression]:
        """The survival gap of each future over the shocks of the model, money."""
        parts = zip(self.tree.futures, self.builder.members, strict=True)
        return [formulation.gap(member, future.instance) for future, member in parts]

    def weighted(self, amounts: Iterable[float]) -> float:
        """Amounts by future, each with its probability."""
        return math.fsum(each.probability * amount for each, amount in zip(self.tree.futures, amounts, strict=True))

    def gap_values(self, values: Sequence[float]) -> list[float]:
        """The survival gap that each future has, money."""
        return [gap.value(values) for gap in self.gaps()]

    def costs(self) -> list[FutureCosts[Expression]]:
        """What each future costs, present value."""
        own = self.tree.own_shocks(self.shocks)
        parts = zip(self.tree.futures, self.builder.members, own, strict=True)
        return [
            FutureCosts(
                future.probability,
                formulation.cost(member, future.instance, shocks),
                formulation.cost_outcomes(member, future, shocks) if self.policy.objective.kind == "cvar" else (),
            )
            for future, member, shocks in parts
        ]

    def shock_gaps(self, values: Sequence[float]) -> dict[str, float]:
        """By name, the gap that each shock of the model leaves, money."""
        parts = enumerate(zip(self.tree.futures, self.builder.members, strict=True))
        return {
            self.tree.name(number, own): gap.value(values)
            for number, (future, member) in parts
            for own, gap in formulation.gaps(member, future.instance).items()
        }

    def failing(self, values: Vector, share: float = VIOLATED) -> set[str]:
        """Shocks in which a segment falls below its floor by more than a share of its demand."""
        paths, numbers = {shock.name: self.tree.path(shock) for shock in self.shocks}, values.tolist()
        result = set[str]()
        for number, member in enumerate(self.builder.members):
            for (own, segment, t), below in member.accounts("below").items():
                path = self.tree.name(number, str(own))
                if path in paths and below.value(numbers) > share * paths[path].demanded(str(segment), int(t)):
                    result.add(path)
        return result

    def measured(self, values: Vector) -> tuple[float, float]:
        """What a result reports as its cost: without the price of gaps. And the objective, with it."""
        numbers = values.tolist()
        is_cost = self.problem.objective is formulation.cost
        if not is_cost or (self.policy.objective.kind == "expected" and not self.future_gaps):
            cost = self.cost.value(numbers)
            return cost, cost
        costs = [each.at(numbers) for each in self.costs()]
        priced = costs
        if self.policy.gap_price is not None:
            gaps = [self.policy.gap_price * gap for gap in self.gap_values(numbers)]
            priced = [each.plus(gap) for each, gap in zip(costs, gaps, strict=True)]
        measure, least = self.policy.objective, self.problem.least_costs
        return measured_cost(measure, costs, least), measured_cost(measure, priced, least)


# A relaxation is far from a plan where this share of the plan's cost lies between them.
WIDE_RELAXATION = 0.3
# What the basis of a relaxation is kept under.
RELAXATION = "relaxation"
# Fractions from which an integer counts as nearly opened, and up to which it counts as barely opened.
NEARLY, BARELY = 0.7, 0.05
# So many linear programmes are solved at most.
MOST_SOLVES = 40

# Places among the integers, and whether they go up.
DiveStep = tuple[npt.NDArray[np.intp], bool]


def is_wide(
    model: Model, relaxation: SolveResult, cutoff: float, solve_rounded: Callable[[Vector], SolveResult | None]
) -> bool:
    """Whether a relaxation is far from the best plan known, and from the one that it rounds to.

    Args:
        model: its bounds are the same before and after.
        cutoff: what the best plan known costs, money; infinite where none is known.
        solve_rounded: the plan with the whole numbers nearest to some values.
    """
    if relaxation.values is None or not len(model.integers) or not _is_far(relaxation.objective, cutoff):
        return False
    lower, upper = model.lower.copy(), model.upper.copy()
    model.keep(RELAXATION)
    model.doubt_basis()
    rounded = solve_rounded(relaxation.values)
    model.recall(RELAXATION)
    model.lower, model.upper = lower, upper
    known = cutoff if rounded is None else min(cutoff, rounded.objective)
    return math.isfinite(known) and _is_far(relaxation.objective, known)


def _is_far(relaxation: float, cost: float) -> bool:
    return math.isinf(cost) or cost - relaxation > WIDE_RELAXATION * abs(cost)


class ValidInequalities:
    """Those of one model.

    Args:
        builder: offers them, and gets the column of their slack.
    """

    def __init__(self, builder: ModelBuilder) -> None:
        (self._slack,) = builder.variable("valid", "slack", 0, upper=0.0).terms
        self._held = np.zeros(0, dtype=bool)
        self._rows: Integers = np.zeros(0, dtype=np.intp)
        self._columns: Integers = np.zeros(0, dtype=np.intp)
        self._values: Vector = np.zeros(0)
        self._rhs: Vector = np.zeros(0)

    def solve(self, model: Model, builder: ModelBuilder) -> SolveResult:
        """The LP relaxation, with those that it would violate."""
        result = model.solve(relaxed=True)
        while result.values is not None and self.add_violated(model, builder, result.values):
            result = model.solve(relaxed=True)
        return result

    def add_violated(self, model: Model, builder: ModelBuilder, values: Vector) -> int:
        """Pass those to the solver that some values violate noticeably. Returns how many."""
        self._read(builder)
        left = np.bincount(self._rows, self._values * values[self._columns], len(self._rhs)) - self._rhs
        size = np.bincount(self._rows, np.abs(self._values * values[self._columns]), len(self._rhs))
        new = np.flatnonzero(~self._held & (left > VIOLATED * size) & (left > VIOLATED * model.mass))
        self._held[new] = True
        if len(new):
            model.add_rows([self._with_slack(builder.valid[n]) for n in new])
        return len(new)

    def hold_again(self, builder: ModelBuilder, marks: Collection[Mark]) -> list[Row]:
        """Those with some marks, as the solver holds them: it has had them from a similar model."""
        self._read(builder)
        self._held = np.array([row.mark in marks for row in builder.valid], dtype=bool)
        return [self._with_slack(builder.valid[n]) for n in np.flatnonzero(self._held)]

    def _read(self, builder: ModelBuilder) -> None:
        """Keep the rows that are new as arrays."""
        first = len(self._rhs)
        more = builder.valid[first:]
        if not more:
            return
        sizes = [len(row.terms) for row in more]
        self._rows = np.concatenate([self._rows, first + np.repeat(np.arange(len(more)), sizes)])
        self._columns = np.concatenate([self._columns, *(np.fromiter(row.terms, dtype=np.intp) for row in more)])
        self._values = np.concatenate([self._values, *(np.fromiter(row.terms.values(), float) for row in more)])
        self._rhs = np.concatenate([self._rhs, [row.rhs for row in more]])
        self._held = np.concatenate([self._held, np.zeros(len(more), dtype=bool)])

    def _with_slack(self, row: Row) -> Row:
        return replace(row, terms={**row.terms, self._slack: -1.0})

    def hold(self, model: Model) -> None:
        """Hold those that were passed on."""
        model.bound([self._slack], 0.0, 0.0)

    def release(self, model: Model) -> None:
        """Let go of all."""
        if not self._held.any():
            return
        model.bound([self._slack], 0.0, np.inf)


def dive(model: Model, solve: Callable[[], SolveResult], relaxation: SolveResult) -> Vector | None:
    """Whole numbers that a relaxation leads to.

    Args:
        model: its integers are free between their bounds; they are left bounded as at the end of the dive.
        solve: the LP relaxation of the model as it is bounded.
        relaxation: the one to begin with.

    Returns:
        The values of the integers, in their order; None where the dive leads nowhere.
    """
    places, found, left = model.integers, relaxation, MOST_SOLVES
    while found.values is not None:
        values = found.values[places]
        fractions = values - np.floor(values + INTEGRALITY)
        if fractions.max(initial=0.0) <= INTEGRALITY:
            return np.round(values)
        lower, upper = model.lower[places], model.upper[places]
        for chosen, is_up in _steps(fractions):
            if left == 0:
                return None
            left -= 1
            low, high = lower.copy(), upper.copy()
            if is_up:
                low[chosen] = np.ceil(values[chosen] - INTEGRALITY)
            else:
                high[chosen] = np.floor(values[chosen] + INTEGRALITY)
            model.bound(places, low, high)
            found = solve()
            if found.values is not None:
                break
    return None


def _steps(fractions: Vector) -> Iterator[DiveStep]:
    """What to move, and what else where that leaves no solution."""
    largest = np.array([np.argmax(fractions)])
    nearly = np.flatnonzero(fractions >= NEARLY)
    barely = np.flatnonzero((fractions > INTEGRALITY) & (fractions <= BARELY))
    if len(nearly) > 1:
        yield nearly, True
    elif not len(nearly) and len(barely):
        yield barely, False
    yield largest, True
    yield largest, False
