"""A fixed plan: its cheapest operation, and the cheapest plan within it.

Sizes, openings and purchases are fixed. The baseline is then an LP; each shock has its recourse LP: least gap, then
least cost. If gaps have a price, there is a single LP that minimises cost including the price of the gaps. A plan from
elsewhere may violate rules of the policy and forced running: `rules_out_of_reach` names these.

A plan within another plan buys nothing that the other does not buy, and fares no worse in any shock:

    n[o,a] ≤ size and f[o,t] ≤ purchase of the other plan; integers likewise; openings in their period or never
    floors                 of every shock that the other plan survives
    gap_s ≤ gap_s(other)   of every shock that it does not survive

It is found by constraint generation: shocks enter the model once a proposal fares worse in them. Shocks with a
probability are in the model from the start, since their cost counts.

For several futures, each with its plan, the expected cost is minimised. A purchase that futures share stays common: it
is dropped only if no future needs it.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from optimizer import formulation, risk
from optimizer.algorithms.conflict import Rule, rule_of
from optimizer.algorithms.problem import Rows, SearchResult, negligible_gap
from optimizer.algorithms.reading import integers_of, joint_integers, plan_values, read_joint_plan
from optimizer.algorithms.recourse import Evaluator, RecourseEvaluator
from optimizer.algorithms.relaxed_floors import Excuses, excused_samples, failing_beyond_allowed, survival_shares
from optimizer.algorithms.subproblems import ShockGaps
from optimizer.disruptions.shock import Shock
from optimizer.errors import SolverError
from optimizer.instance.derived import free_floors
from optimizer.instance.schema import Instance
from optimizer.levers.base import Lever
from optimizer.model.builder import ModelBuilder, Scope
from optimizer.model.expressions import Expression, total
from optimizer.results.plan import Plan
from optimizer.solver.base import Clock, Listener, Progress, Settings, SolveResult, Vector
from optimizer.solver.model import Model
from optimizer.tolerances import FINE_ROUNDING, HELD_VALUE, NEGLIGIBLE, POSITIVE


class FixedPlan:
    """The operation of an instance in the baseline and in some shocks, under a fixed plan.

    Args:
        instance: its rules of buying are satisfied by the plan.
        plan: the fixed plan.
        settings: solver settings.
        clock: counts the solver's seconds; it never stops the solve.
        shocks: shocks that are part of the model.
    """

    def __init__(
        self, instance: Instance, plan: Plan, settings: Settings, clock: Clock, shocks: Iterable[Shock] = ()
    ) -> None:
        self.instance, self.plan, self.settings, self.clock = instance, plan, settings, clock
        written, self._excuses = tuple(shocks), Excuses(instance.tree)
        self.builder = formulation.extensive_form_model(instance, written, Scope(has_valid_inequalities=False))
        self._excuses.write(self.builder, written)
        decided = set(self._fixed(self.builder)[0])
        # The plan keeps the rules of buying; beside a small demand, rounding errors of their rows would break them.
        self._rows = [row for row in self.builder.rows if rule_of(row) or not decided.issuperset(row.terms)]
        self.rules = list(dict.fromkeys(rule for row in self._rows if (rule := rule_of(row)) is not None))

    def operate(self, broken: Collection[Rule] = ()) -> tuple[ModelBuilder, SolveResult]:
        """Minimise the cost of operation subject to all rules but `broken`; return the model and its result."""
        builder = self.builder.copy()
        builder.rows = [row for row in self._rows if rule_of(row) not in broken]
        cost = risk.cost(builder, self.instance, self.instance.events)
        if (price := self.instance.policy.gap_price) is not None:
            cost = cost + price * formulation.gap(builder, self.instance)
        model = Model(builder, cost, replace(self.settings, mip_gap=0.0), Clock())
        fixed = self._fixed(builder)
        model.bound(*fixed)
        result = model.solve(relaxed=True)
        free = sorted({j for j, column in enumerate(builder.columns) if column.integer}.difference(fixed[0]))
        if free and result.values is not None:
            # Which samples may fail, and integers specific to a lever: the model decides them, and they are fixed last.
            found = model.solve()
            assert found.values is not None
            whole = np.round(found.values[free])
            model.bound(free, whole, whole)
            result = model.solve(relaxed=True)
        self.clock.solving += model.clock.solving
        return builder, result

    def with_plan(self, plan: Plan) -> "FixedPlan":
        """Return the same model for another plan."""
        other = copy(self)
        other.plan = plan
        other.__dict__.pop("operated", None)
        return other

    @cached_property
    def operated(self) -> tuple[ModelBuilder, SolveResult]:
        """The cheapest operation that satisfies all rules, which may be infeasible."""
        return self.operate()

    def _fixed(self, builder: ModelBuilder) -> tuple[list[int], list[float], list[float]]:
        """Return the columns of purchases, openings, stocks and integers, with their values as both bounds."""
        values = plan_values(self.instance, self.plan, builder)
        whole = integers_of(self.instance, self.plan, builder.columns)
        for j, value in whole.items():
            values[j] = value
        # These determine all other columns of the plan.
        found, options = builder.column_index(), self.instance.options
        bought = (formulation.purchase_columns(builder, self.instance, o).values() for o in options)
        other = (found.get(("", o, what), {}).values() for o in options for what in ("open", "stock"))
        columns = [*whole, *chain.from_iterable([*bought, *other])]
        at = [values[j] for j in columns]
        return columns, at, at

    def rules_out_of_reach(self) -> list[Rule]:
        """Return rules to break so that some operation of the plan satisfies all others; none if no rule is violated.

        If rules contradict each other, later ones are broken: forced running comes first, then the policy in the order
        of its rows.
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
    """Return the cheapest operation of a plan that keeps all rules, its expected cost, and the gap that it leaves.

    Nothing is proven about other plans, so there are no bounds. `fixed` is the plan's baseline if it was operated
    before.

    Raises:
        SolverError: the plan cannot satisfy a rule of the instance.
    """
    if instance.policy.gap_price is not None:
        return _with_priced_gaps(instance, plan, settings, clock, instance.policy.gap_price)
    builder, result = _require_operation(fixed or FixedPlan(instance, plan, settings, clock))
    assert result.values is not None
    gaps, probability = evaluator.gaps(result.values, clock), np.array([each.probability for each in instance.events])
    fails = bool(failing_beyond_allowed(instance, gaps.gap, gaps.fails).any())
    # As in a search, once some floor fails, floors without a shortage cost may be missed where that saves cost.
    limits = _limits(instance, POSITIVE if fails else 0.0) if not fails or free_floors(instance) else {}
    costs, _ = _operate_shocks(evaluator, result.values, clock, limits, probability > 0)
    choice = _choose_excused(instance, evaluator, result.values, clock, gaps, costs)
    left = {instance.events[n].name: max(POSITIVE, float(choice.left[n])) for n in np.flatnonzero(choice.counts)}
    return SearchResult(
        "optimal",
        builder,
        result.values,
        result.objective + float(probability @ np.where(choice.counts, choice.costs, costs)),
        gap=float(gaps.gap[~choice.excused].sum()) if fails else 0.0,
        gap_bound=float("-inf"),
        may_miss_floors=fails,
        gap_left=limits | left if choice.has_costs else None,
    )


def _limits(instance: Instance, limit: float) -> dict[str, float]:
    """Return the same gap limit for every shock whose cost counts, and 0 for the others, by name."""
    return {event.name: limit if event.probability > 0 else 0.0 for event in instance.events}


def _operate_shocks(
    evaluator: RecourseEvaluator, plan: Vector, clock: Clock, limits: Mapping[str, float], some: npt.NDArray[np.bool_]
) -> tuple[Vector, Vector]:
    """Return by shock the least cost within gap limits and the gap that it leaves, for the shocks in `some`."""
    responses = evaluator.operate_batches(plan, clock, limits, some) if some.any() else []
    gap = np.zeros(len(some))
    for response in responses:
        gap[response.events] = response.gap
    return evaluator.costs(responses), gap


@dataclass(frozen=True)
class _Excused:
    """By shock, whether a plan lets it fail as an excused sample, and its cost and gap then."""

    excused: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.bool_]  # excused samples with a probability
    costs: Vector
    left: Vector  # gap in money
    has_costs: bool  # whether samples with a probability may fail


def _choose_excused(
    instance: Instance, evaluator: RecourseEvaluator, plan: Vector, clock: Clock, gaps: ShockGaps, costs: Vector
) -> _Excused:
    """Excuse in each ensemble the samples with the largest gaps, then those that save most by giving up their floors.

    `costs` are the costs with floors kept. An excused sample may miss any floor; its gap does not count, its cost does.
    """
    shares = [share for share in survival_shares(instance) if share.allowed > 0]
    probability, zeros = np.array([event.probability for event in instance.events]), np.zeros(len(costs))
    likely = np.isin(np.arange(len(costs)), [n for share in shares for n in share.numbers]) & (probability > 0)
    if not likely.any():
        return _Excused(excused_samples(shares, gaps.gap, gaps.fails), likely, zeros, zeros, has_costs=False)
    least, left = _operate_shocks(evaluator, plan, clock, _limits(instance, np.inf), likely)
    saved = np.where(likely, probability * (costs - least), 0.0)
    excused = excused_samples(shares, gaps.gap, gaps.fails, saved)
    return _Excused(excused, excused & likely, least, left, has_costs=True)


def _require_operation(fixed: FixedPlan) -> tuple[ModelBuilder, SolveResult]:
    builder, result = fixed.operated
    if result.values is None:
        title = fixed.instance.title
        raise SolverError(f"the plan has no operation that satisfies the rules of {title}: {result.status}")
    return builder, result


def _with_priced_gaps(instance: Instance, plan: Plan, settings: Settings, clock: Clock, price: float) -> SearchResult:
    """Return the result of `evaluate_fixed_plan` for priced gaps, from one LP with all shocks."""
    builder, result = _require_operation(FixedPlan(instance, plan, settings, clock, instance.events))
    assert result.values is not None
    values = result.values.tolist()
    gap = max(0.0, formulation.gap(builder, instance).value(values))
    fails = gap > negligible_gap(instance)
    return SearchResult(
        "optimal",
        builder,
        result.values,
        result.objective - price * gap,
        gap=gap if fails else 0.0,
        gap_bound=float("-inf"),
        may_miss_floors=fails or _misses_free_floor(instance, builder, values),
    )


def _misses_free_floor(instance: Instance, builder: ModelBuilder, values: Sequence[float]) -> bool:
    """Check whether a floor without a shortage cost is missed in a shock with a probability, where that saves money."""
    likely = {event.name: instance.path(event) for event in instance.events if event.probability > 0}
    free = free_floors(instance)
    return any(
        below.value(values) > NEGLIGIBLE * likely[str(path)].demand_at(str(d), int(t))
        for (path, d, t), below in builder.accounts("below").items()
        if path in likely and d in free
    )


# Number of shocks that enter the model in a round.
MOST_ADDED = 8


class PlanReduction:
    """The search for the cheapest plan that buys no more than a given one, and under which no shock fares worse.

    Args:
        instance: the plan keeps its rules.
        plans: upper limits on purchases, one plan per future.
        evaluator: evaluates the recourse of the instance, of all futures jointly where there are several.
        settings: solver, and relative gap.
        tolerance: absolute gap in money to which the saving is proven; 0, of purchases that are free: as by `settings`.
        clock: a deadline.
        listener: receives an event for each round.
    """

    def __init__(
        self,
        instance: Instance,
        plans: Sequence[Plan],
        evaluator: Evaluator,
        settings: Settings,
        tolerance: float,
        clock: Clock,
        listener: Listener,
    ) -> None:
        self.instance, self.plans, self.evaluator = instance, tuple(plans), evaluator
        self.tree, self._events = instance.tree, instance.tree.events
        self.settings, self.tolerance, self.clock, self.listener = settings, tolerance, clock, listener
        self._writer = formulation.ModelWriter(instance)
        self._before = self._gaps(self.plans)
        self._shocks_held: list[Shock] = [event for event in self._events if event.probability > 0]

    def _gaps(self, plans: Sequence[Plan]) -> ShockGaps:
        return self.evaluator.gaps(self.evaluator.plan_values(plans), self.clock)

    def run(self) -> tuple[Plan, ...] | None:
        """Return the reduced plans by future; None if the time ran out before they were found."""
        while not self.clock.is_over:
            self.listener(Progress(task="purchases that the plan could do without"))
            found = self._solve()
            if found is None:
                return None
            worse = self._worse(found)
            if not len(worse):
                return found
            self._shocks_held += [self._events[number] for number in worse]
        return None

    def _worse(self, plans: Sequence[Plan]) -> Sequence[int]:
        """Return the shocks outside the model in which plans fare worse than the given ones, the worst first."""
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
        self._hold_openings(builder)
        cost = total(
            future.probability * risk.cost(submodel, future.instance, future.instance.events)
            for future, submodel in zip(self.tree.futures, builder.submodels, strict=True)
        )
        model = Model(builder, cost, self.settings, self.clock)
        kept = [
            j for j, each in enumerate(builder.columns) if each.mark.what == "below" and each.mark.path not in failing
        ]
        model.bound(kept, 0.0, 0.0)
        columns, most = self._most(builder)
        model.bound(columns, 0.0, most)
        result = model.solve(tolerance=self.tolerance or None)
        return None if result.values is None else read_joint_plan(self.tree, builder, result.values.tolist())

    def _limit_gaps(self, builder: ModelBuilder, failing: set[str]) -> None:
        """Limit the gap of each failing shock to that of the given plans.

        The rows are in tonnes of the segment with the highest shortage cost.
        """
        limits = {event.name: gap for event, gap in zip(self._events, self._before.gap, strict=True)}
        for number, (future, submodel) in enumerate(zip(self.tree.futures, builder.submodels, strict=True)):
            for own, gap in formulation.gaps(submodel, future.instance).items():
                name, money_unit = self.tree.name(number, own), max(gap.terms.values(), default=0.0)
                if name in failing and money_unit > 0:
                    limit = float(limits[name]) * (1.0 + HELD_VALUE)
                    builder.require(
                        "survival", f"limit_{name}", None, (1.0 / money_unit) * gap, "<=", limit / money_unit
                    )

    def _hold_openings(self, builder: ModelBuilder) -> None:
        """Open each option when the given plans do, or never: one that another requires could be opened later."""
        for number, (submodel, plan) in enumerate(zip(builder.submodels, self.plans, strict=True)):
            for build in (each for each in plan.builds if each.opened):
                opened = submodel.linked(build.option, "by")
                later = opened[max(opened)] - opened[build.t]
                builder.require(build.option, f"opened_later_{number}", None, later, "==", unit="1")

    def _most(self, builder: ModelBuilder) -> tuple[list[int], list[float]]:
        """Return the columns of purchases and integers, and their values in given plans, at least `min_size`."""
        columns = [j for j, column in enumerate(builder.columns) if column.integer]
        most = dict(zip(columns, joint_integers(self.tree, self.plans, builder).tolist(), strict=True))
        for future, submodel, plan in zip(self.tree.futures, builder.submodels, self.plans, strict=True):
            values = plan_values(future.instance, plan, submodel)
            for o in future.instance.options:
                bought = formulation.purchase_columns(submodel, future.instance, o)
                most |= {j: values[j] for j in bought.values()}
            for build in plan.builds:
                j = formulation.purchase_columns(submodel, future.instance, build.option)[build.t]
                most[j] = max(most[j], future.instance.sized[build.option].min_size)
        return list(most), list(most.values())


def including(plans: Sequence[Plan]) -> Rows:
    """Return rows that keep all purchases of plans, by future: n[o,a] ≥ size, f[o,t] ≥ purchase."""

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        # Futures share the columns of decisions that they must take alike: one row for each.
        kept = dict[int, float]()
        for future, submodel, plan in zip(instance.tree.futures, builder.submodels, plans, strict=True):
            values, options = plan_values(future.instance, plan, submodel), future.instance.options
            for o in options:
                for j in formulation.purchase_columns(submodel, future.instance, o).values():
                    amount = _within_limits(options[o], plan, values[j], float(builder.columns[j].upper))
                    kept[j] = min(amount, kept.get(j, amount))
        for j, amount in kept.items():
            column = builder.columns[j]
            if amount > 0:
                builder.require(
                    column.mark.owner, f"kept_{j}", column.t, Expression({j: 1.0}), ">=", amount, unit=column.unit
                )

    return write


def _within_limits(option: Lever, plan: Plan, amount: float, most: float) -> float:
    """Return an amount that a plan buys without the rounding error by which the plan exceeds a limit of the option.

    `most` is the limit of a single purchase.
    """
    bought = math.fsum(build.size for build in plan.builds if build.option == option.id)
    reached, limit = max(bought, *plan.stocks.get(option.id, (0.0,))), (1.0 - FINE_ROUNDING) * option.largest
    return min(amount * (limit / reached if reached > limit else 1.0), (1.0 - FINE_ROUNDING) * most)
