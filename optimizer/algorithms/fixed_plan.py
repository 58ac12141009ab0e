"""A plan that is given: its cheapest operation, and the cheapest plan within it.

Sizes, openings and purchases are fixed. In the baseline that is a linear programme; in each shock the recourse LP:
least gap, then least cost. Where gaps have a price, all of it is one linear programme: least cost with the price of the
gaps. Rules of the policy and forced running may be beyond a plan that was made elsewhere: `rules_out_of_reach` names
those.

Within another plan nothing is bought that the other does not buy, and no shock fares worse:

    n[o,a] ≤ size and f[o,t] ≤ purchase of the other plan; integers likewise
    floors                 of every shock that the other plan survives
    gap_s ≤ gap_s(other)   of every shock that it does not survive

Constraint generation: shocks enter the model once a proposal fares worse in them. Shocks with a probability are in it
from the start, for their cost counts.

Of several futures, each with its plan, the expected cost is minimised. A purchase that futures share stays one: it is
done without only where no future needs it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer import formulation
from optimizer.algorithms.conflict import Rule, rule_of
from optimizer.algorithms.problem import Rows, SearchResult, negligible_gap
from optimizer.algorithms.reading import integers_of, joint_integers, plan_values, read_joint_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import (
    Excuses,
    excused_samples,
    failing_beyond_allowed,
    survival_shares,
)
from optimizer.algorithms.subproblems import ShockGaps
from optimizer.disruptions.shock import Shock
from optimizer.errors import SolverError
from optimizer.instance.derived import free_floors
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder, Scope
from optimizer.model.expressions import Expression, total
from optimizer.results.plan import Plan
from optimizer.solver.base import Clock, Listener, Progress, Settings, SolveResult, Vector
from optimizer.solver.model import Model
from optimizer.tolerances import HELD_VALUE, POSITIVE

# Purchases among the columns of the plan; all else follows from these and from the integers.
PURCHASED_COLUMNS = ("size", "fill")


class FixedPlan:
    """The baseline of an instance, and some shocks, beside a plan that keeps its rules of buying.

    Args:
        plan: what is bought.
        clock: where the solver's seconds are counted; it never stops this.
        shocks: those that are part of the programme.
    """

    def __init__(
        self, instance: Instance, plan: Plan, settings: Settings, clock: Clock, shocks: Iterable[Shock] = ()
    ) -> None:
        self.instance, self.plan, self.settings, self.clock = instance, plan, settings, clock
        written, self._excuses = tuple(shocks), Excuses(instance.tree)
        self.builder = formulation.extensive_form_model(instance, written, Scope(has_valid_inequalities=False))
        self._excuses.write(self.builder, written)
        self._rows = self.builder.rows
        self.rules = list(dict.fromkeys(rule for row in self._rows if (rule := rule_of(row)) is not None))

    def operate(self, broken: Collection[Rule] = ()) -> tuple[ModelBuilder, SolveResult]:
        """The cheapest operation that satisfies all rules but some."""
        builder = self.builder.copy()
        builder.rows = [row for row in self._rows if rule_of(row) not in broken]
        cost = formulation.cost(builder, self.instance, self.instance.events)
        if (price := self.instance.policy.gap_price) is not None:
            cost = cost + price * formulation.gap(builder, self.instance)
        model = Model(builder, cost, replace(self.settings, mip_gap=0.0), Clock())
        model.bound(*self._fixed(builder))
        result = model.solve(relaxed=True)
        if self._excuses.is_used and result.values is not None:
            result = self._with_whole_excuses(model)
        self.clock.solving += model.clock.solving
        return builder, result

    def _with_whole_excuses(self, model: Model) -> SolveResult:
        """The same, where it also decides which samples may fail."""
        found = model.solve()
        assert found.values is not None
        columns = [j for chosen in self._excuses.columns for j in chosen.values()]
        whole = np.round(found.values[columns])
        model.bound(columns, whole, whole)
        return model.solve(relaxed=True)

    def with_plan(self, plan: Plan) -> "FixedPlan":
        """The same programme beside another plan."""
        other = copy(self)
        other.plan = plan
        other.__dict__.pop("operated", None)
        return other

    @cached_property
    def operated(self) -> tuple[ModelBuilder, SolveResult]:
        """The cheapest operation that satisfies all rules; there may be none."""
        return self.operate()

    def _fixed(self, builder: ModelBuilder) -> tuple[list[int], list[float], list[float]]:
        """The columns of the purchases and the plan's integers, and their values twice: lower and upper bounds."""
        values = plan_values(self.instance, self.plan, builder)
        whole = integers_of(self.instance, self.plan, builder.columns)
        for j, value in whole.items():
            values[j] = value
        columns = list(whole) + [
            j
            for j, column in enumerate(builder.columns)
            if not column.mark.path and column.mark.owner in self.instance.options
            and column.mark.what in PURCHASED_COLUMNS
        ]  # fmt: skip
        at = [values[j] for j in columns]
        return columns, at, at

    def rules_out_of_reach(self) -> list[Rule]:
        """Rules that no operation of the plan satisfies: none, or so many that all others can be satisfied together.

        Where rules contradict each other, those that come later are broken: forced running comes first, then the
        policy in the order of its rows.
        """
        if self.operated[1].status != "infeasible":
            return []
        ordered, broken = sorted(self.rules, key=lambda rule: rule[1] != "run"), list(self.rules)
        for rule in ordered:
            fewer = [other for other in broken if other != rule]
            if self.operate(fewer)[1].status != "infeasible":
                broken = fewer
        return broken


def evaluate_fixed_plan(
    instance: Instance,
    plan: Plan,
    evaluator: RecourseEvaluator,
    settings: Settings,
    clock: Clock,
    fixed: FixedPlan | None = None,
) -> SearchResult:
    """The cheapest operation of a plan that keeps all rules: its expected cost, and the gap that it leaves.

    Nothing is proven of other plans: there are no bounds. `fixed` is its baseline, where that was operated before.

    Raises:
        SolverError: a rule of the instance is out of reach of the plan.
    """
    if instance.policy.gap_price is not None:
        return _with_priced_gaps(instance, plan, settings, clock, instance.policy.gap_price)
    builder, result = _operated(fixed or FixedPlan(instance, plan, settings, clock))
    assert result.values is not None
    gaps, probability = evaluator.gaps(result.values, clock), np.array([each.probability for each in instance.events])
    fails = bool(failing_beyond_allowed(instance, gaps.gap, gaps.fails).any())
    # As in a search: where some floor fails, those that cost nothing to miss are free to miss.
    limits = _limits(instance, POSITIVE if fails else 0.0) if not fails or free_floors(instance) else {}
    costs, _ = _operated_in(evaluator, result.values, clock, limits, probability > 0)
    choice = _choose_excused(instance, evaluator, result.values, clock, gaps, costs)
    left = {instance.events[n].name: max(POSITIVE, float(choice.left[n])) for n in np.flatnonzero(choice.counts)}
    return SearchResult(
        "optimal",
        builder,
        result.values,
        result.objective + float(probability @ np.where(choice.counts, choice.costs, costs)),
        gap=float(gaps.gap[~choice.excused].sum()) if fails else 0.0,
        gap_bound=float("-inf"),
        allows_shortages=fails,
        gap_left=limits | left if choice.has_costs else None,
    )


def _limits(instance: Instance, limit: float) -> dict[str, float]:
    """The same limit of the gap for every shock."""
    return dict.fromkeys((event.name for event in instance.events), limit)


def _operated_in(
    evaluator: RecourseEvaluator, plan: Vector, clock: Clock, limits: Mapping[str, float], some: npt.NDArray[np.bool_]
) -> tuple[Vector, Vector]:
    """Some shocks at their least cost under limits of their gaps: by shock the cost, and the gap that it leaves."""
    replies = evaluator.operate_batches(plan, clock, limits, some) if some.any() else []
    gap = np.zeros(len(some))
    for reply in replies:
        gap[reply.events] = reply.gap
    return evaluator.costs(replies), gap


@dataclass(frozen=True)
class _Excused:
    """Which samples a plan lets fail, by shock, and what they cost and leave then."""

    excused: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.bool_]  # those of them that have a probability
    costs: Vector
    left: Vector  # gap, in money
    has_costs: bool  # whether there are samples with a probability that may fail


def _choose_excused(
    instance: Instance, evaluator: RecourseEvaluator, plan: Vector, clock: Clock, gaps: ShockGaps, costs: Vector
) -> _Excused:
    """Of each ensemble the samples with the largest gaps; then those that cost most with their floors kept, `costs`.

    A sample that may fail may miss any floor; its gap does not count, its cost does.
    """
    shares = [share for share in survival_shares(instance) if share.allowed > 0]
    probability, zeros = np.array([event.probability for event in instance.events]), np.zeros(len(costs))
    likely = np.isin(np.arange(len(costs)), [n for share in shares for n in share.numbers]) & (probability > 0)
    if not likely.any():
        return _Excused(excused_samples(shares, gaps.gap, gaps.fails), likely, zeros, zeros, has_costs=False)
    least, left = _operated_in(evaluator, plan, clock, _limits(instance, np.inf), likely)
    saved = np.where(likely, probability * (costs - least), 0.0)
    excused = excused_samples(shares, gaps.gap, gaps.fails, saved)
    return _Excused(excused, excused & likely, least, left, has_costs=True)


def _operated(fixed: FixedPlan) -> tuple[ModelBuilder, SolveResult]:
    builder, result = fixed.operated
    if result.values is None:
        title = fixed.instance.title
        raise SolverError(f"the plan has no operation that satisfies the rules of {title}: {result.status}")
    return builder, result


def _with_priced_gaps(instance: Instance, plan: Plan, settings: Settings, clock: Clock, price: float) -> SearchResult:
    """The same where all shocks are in one programme."""
    builder, result = _operated(FixedPlan(instance, plan, settings, clock, instance.events))
    assert result.values is not None
    gap = max(0.0, formulation.gap(builder, instance).value(result.values.tolist()))
    fails = gap > negligible_gap(instance)
    return SearchResult(
        "optimal",
        builder,
        result.values,
        result.objective - price * gap,
        gap=gap if fails else 0.0,
        gap_bound=float("-inf"),
        allows_shortages=fails,
    )


# Shocks that enter the model in a round.
MOST_ADDED = 8


class PlanReduction:
    """The search for the cheapest plan that buys no more than a given one, and under which no shock fares worse.

    Args:
        instance: whose rules the plan keeps.
        plans: what may be bought at most, by future; one where there are no futures.
        evaluator: of the instance.
        settings: solver, and relative gap.
        tolerance: money to which the saving is proven.
        clock: a deadline.
        listener: receives a step for each round.
    """

    def __init__(
        self,
        instance: Instance,
        plans: Sequence[Plan],
        evaluator: RecourseEvaluator,
        settings: Settings,
        tolerance: float,
        clock: Clock,
        listener: Listener,
    ) -> None:
        self.instance, self.plans, self.evaluator = instance, tuple(plans), evaluator
        self.tree, self._events = instance.tree, instance.tree.events
        self.settings, self.tolerance, self.clock, self.listener = settings, tolerance, clock, listener
        self._writer = formulation.Writer(instance)
        self._before = self._gaps(self.plans)
        self._shocks_held: list[Shock] = [event for event in self._events if event.probability > 0]

    def _gaps(self, plans: Sequence[Plan]) -> ShockGaps:
        return self.evaluator.gaps(self.evaluator.plan_values(plans), self.clock)

    def run(self) -> tuple[Plan, ...] | None:
        """The reduced plans, by future; None where the time ran out before they were found."""
        while not self.clock.is_over:
            self.listener(Progress(task="what the plan could do without"))
            found = self._solve()
            if found is None:
                return None
            worse = self._worse(found)
            if not len(worse):
                return found
            self._shocks_held += [self._events[number] for number in worse]
        return None

    def _worse(self, plans: Sequence[Plan]) -> Sequence[int]:
        """Shocks outside the model in which plans fare worse than the first ones, the worst of them first."""
        after, before = self._gaps(plans), self._before
        more = after.gap - before.gap * (1.0 + 10 * HELD_VALUE) - negligible_gap(self.instance)
        held = {shock.name for shock in self._shocks_held}
        outside = np.array([event.name not in held for event in self._events], dtype=bool)
        worse = np.flatnonzero(outside & ((after.fails & ~before.fails) | (before.fails & (more > 0))))
        return worse[np.argsort(-more[worse], kind="stable")][:MOST_ADDED].tolist()  # type: ignore[no-any-return]

    def _solve(self) -> tuple[Plan, ...] | None:
        builder = self._writer.extensive_form_model(self._shocks_held).copy()
        failing = {self._events[number].name for number in np.flatnonzero(self._before.fails)}
        self._limit_gaps(builder, failing)
        cost = total(
            future.probability * formulation.cost(submodel, future.instance, future.instance.events)
            for future, submodel in zip(self.tree.futures, builder.submodels, strict=True)
        )
        model = Model(builder, cost, self.settings, self.clock)
        kept = [
            j for j, each in enumerate(builder.columns) if each.mark.what == "below" and each.mark.path not in failing
        ]
        model.bound(kept, 0.0, 0.0)
        columns, most = self._most(builder)
        model.bound(columns, 0.0, most)
        result = model.solve(tolerance=self.tolerance)
        return None if result.values is None else read_joint_plan(self.tree, builder, result.values.tolist())

    def _limit_gaps(self, builder: ModelBuilder, failing: set[str]) -> None:
        """gap_s ≤ gap_s(plan), in tonnes of the segment that is the dearest to leave short."""
        limits = {event.name: gap for event, gap in zip(self._events, self._before.gap, strict=True)}
        for number, (future, submodel) in enumerate(zip(self.tree.futures, builder.submodels, strict=True)):
            for own, gap in formulation.gaps(submodel, future.instance).items():
                name, money_unit = self.tree.name(number, own), max(gap.terms.values(), default=0.0)
                if name in failing and money_unit > 0:
                    limit = float(limits[name]) * (1.0 + HELD_VALUE)
                    builder.require(
                        "survival", f"limit_{name}", None, (1.0 / money_unit) * gap, "<=", limit / money_unit
                    )

    def _most(self, builder: ModelBuilder) -> tuple[list[int], list[float]]:
        """The columns of purchases, and what the first plans buy there."""
        columns = [j for j, column in enumerate(builder.columns) if column.integer]
        most = dict(zip(columns, joint_integers(self.tree, self.plans, builder).tolist(), strict=True))
        for future, submodel, plan in zip(self.tree.futures, builder.submodels, self.plans, strict=True):
            values = plan_values(future.instance, plan, submodel)
            for o, option in future.instance.options.items():
                bought = submodel.column_index().get(("", o, option.purchase_column), {}).values()
                most |= {j: values[j] for j in bought}
        return list(most), list(most.values())


def including(plans: Sequence[Plan]) -> Rows:
    """Rows that keep all that plans buy, by future: n[o,a] ≥ size, f[o,t] ≥ purchase."""

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        # Futures share the columns of what they cannot but buy alike: one row for each.
        kept = set[int]()
        for future, submodel, plan in zip(instance.tree.futures, builder.submodels, plans, strict=True):
            values, found = plan_values(future.instance, plan, submodel), submodel.column_index()
            for o, option in future.instance.options.items():
                for t, column in found.get(("", o, option.purchase_column), {}).items():
                    if values[column] > 0 and column not in kept:
                        kept.add(column)
                        what, bought = f"kept_{column}", Expression({column: 1.0})
                        builder.require(o, what, t, bought, ">=", values[column], unit=option.scaling_unit)

    return write
