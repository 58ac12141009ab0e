"""The estimates of Benders decomposition and the evaluation of plans by the recourse of all shocks.

The cost of a shock with a probability that may leave a gap depends on the gap that it is allowed, so this shock is
alone in its groups. It is allowed the gap that the master estimates, or its least gap if that is more.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.benders_cuts import (
    ESTIMATE_KINDS,
    BendersCut,
    CutPool,
    EstimateKind,
    Evaluation,
    ShockGroups,
    group_shocks,
)
from optimizer.algorithms.problem import negligible_gap
from optimizer.algorithms.search import Search
from optimizer.algorithms.separation import Violation
from optimizer.algorithms.subproblems import RecourseTask, ShockGaps, Subgradients
from optimizer.instance.derived import free_floors
from optimizer.risk import expected_cost, measured_cost
from optimizer.solver.base import Integers, SolveResult, Vector
from optimizer.tolerances import HELD_IN_SHOCK, HELD_VALUE, MIP_GAP_ROOM, MISESTIMATED, NEGLIGIBLE_DUAL, ROUNDING

if TYPE_CHECKING:
    from optimizer.algorithms.benders_master import MasterProblem

TASKS: dict[EstimateKind, RecourseTask] = {"gap": "subgradients of gaps", "cost": "subgradients of costs"}


def _failing_gaps(found: Subgradients | ShockGaps, but: Collection[int] = ()) -> dict[int, float]:
    """Return the gap of each failing shock by its index, without those in `but`."""
    return {n: float(found.gap[n]) for n in np.flatnonzero(found.fails).tolist() if n not in but}


@dataclass(frozen=True)
class _EvaluatedPlan:
    """The recourse solved so far under one plan."""

    groups: ShockGroups
    plan: Vector
    solved: npt.NDArray[np.bool_]  # by shock, whether its subproblem is solved
    found: Subgradients  # values and subgradients of the shocks solved

    def is_of(self, groups: ShockGroups, point: Vector) -> bool:
        """Return whether `point` is this plan up to rounding, and the shocks are grouped alike."""
        parts = ((self.groups.group_of, groups.group_of), (self.groups.weights, groups.weights))
        is_like = all(np.array_equal(own, other) for own, other in parts)
        largest = max(1.0, np.abs(self.plan).max(initial=0.0))
        return is_like and np.allclose(point[: len(self.plan)], self.plan, ROUNDING, ROUNDING * largest)

    def at(self, point: Vector) -> Subgradients:
        """Return the same cuts for a point that is this plan up to rounding.

        Groups of unsolved shocks have the value −∞, and unsolved shocks their lower bound as cost.
        """
        left_out = (self.groups.group_of >= 0) & ~self.solved
        value = self.found.value + self.found.subgradient @ (point[: len(self.plan)] - self.plan)
        value[self.groups.group_of[left_out]] = -np.inf
        return replace(self.found, value=value, cost=np.where(left_out, self.groups.lower, self.found.cost))


def cuts_of_relaxation(master: MasterProblem, relaxation: SolveResult) -> CutPool:
    """Return cuts with which a master without shocks attains the bound of an LP of one that holds some.

    The subproblem of a shock held minimises its gap and cost at their weights D in this LP; the dual values of its rows
    there are optimal for the dual of that subproblem. Where that dual has several solutions, the subproblem itself may
    find another one at this plan. So with V the values of the groups and π = −Σ dual · (coefficient of x):

        Σ D·V(x) ≥ Σ D·V + π·(x − plan)

    Both sums have one term, or two where the cost of a shock depends on the gap that it may leave.
    """
    if relaxation.values is None or relaxation.duals is None or relaxation.added_duals is None:
        return {}
    weights = {kind: np.zeros(groups.size) for kind, groups in master.groups.items()}
    for row, dual in zip(master.builder.rows, relaxation.duals.tolist(), strict=True):
        if row.mark in master.held_rows:
            kind, group = master.held_rows[row.mark]
            weights[kind][group] += dual / master.money_unit
    slopes = _slopes(master, relaxation.duals, relaxation.added_duals)
    return _cuts_of_slopes(master, relaxation.values, weights, slopes)


def _slopes(master: MasterProblem, duals: Vector, added_duals: Vector) -> dict[int, Vector]:
    """Return π by the index of each shock held: minus its dual values times the coefficients of the plan."""
    rows, every = [*master.builder.rows, *master.inequalities.in_solver], np.concatenate([duals, added_duals])
    slopes = {shock.name: np.zeros(master.plan_size) for shock in master.shocks}
    for k in np.flatnonzero(every).tolist():
        if (path := rows[k].mark.path) in slopes:
            bought = {j: value for j, value in rows[k].terms.items() if j < master.plan_size}
            slopes[path][list(bought)] -= every[k] * np.fromiter(bought.values(), float, len(bought))
    return {n: slopes[shock.name] for n, shock in enumerate(master.tree.events) if shock.name in slopes}


def _cuts_of_slopes(
    master: MasterProblem, values: Vector, weights: Mapping[EstimateKind, Vector], slopes: dict[int, Vector]
) -> CutPool:
    """Build the cuts of `cuts_of_relaxation` from the weights D by group and from π by shock index."""
    result: CutPool = {}
    plan = np.maximum(values[: master.plan_size], 0.0)
    for kind in reversed(ESTIMATE_KINDS):
        if kind not in weights:
            continue
        groups, least = master.groups[kind], NEGLIGIBLE_DUAL * weights[kind].max(initial=0.0)
        sums = dict[int, Vector]()
        for number in [n for n in slopes if (g := groups.group_of[n]) >= 0 and weights[kind][g] > least]:
            group = int(groups.group_of[number])
            sums[group] = sums.get(group, 0.0) + slopes.pop(number)
        new = np.array(sorted(sums), dtype=np.intp)
        if len(new):
            by_gap, limit = np.zeros(len(new)), np.full(len(new), np.nan)
            tied = np.flatnonzero(groups.gap_groups[new] >= 0) if len(groups.gap_groups) else new[:0]
            gaps = groups.gap_groups[new[tied]]
            limit[tied] = master.estimated("gap", values)[gaps]
            by_gap[tied] = -weights["gap"][gaps] / weights[kind][new[tied]]
            slope = np.array([sums[g] for g in new.tolist()]) / weights[kind][new, None]
            result[kind] = [BendersCut(plan, master.estimated(kind, values)[new], slope, new, limit, by_gap)]
    return result


class RecourseEstimates(Search):
    """A search that estimates the recourse of groups of shocks in its masters, and evaluates plans.

    `largest_future_gap` is the limit on the largest gap of a future, in money.
    """

    largest_future_gap = math.inf

    @cached_property
    def negligible(self) -> float:
        """Money below which differences do not count."""
        return negligible_gap(self.instance)

    def _gap_limit_with_room(self, gap: float) -> float:
        """Return the limit for a gap that is held.

        It exceeds the master's limit, since lower and upper bound meet only to a tolerance.
        """
        return gap * (1.0 + max(HELD_VALUE, MIP_GAP_ROOM * self.settings.mip_gap)) + self.negligible

    # Groups.

    @cached_property
    def probability(self) -> Vector:
        """The probability of each shock over the horizon."""
        return np.array([shock.probability for shock in self.tree.events])

    @cached_property
    def _can_fail(self) -> npt.NDArray[np.bool_]:
        """Whether each shock may fail.

        Any shock may if some floor has a shortage cost of 0. Otherwise those may in which some plan leaves a gap and,
        with a price of gaps, those with a probability.
        """
        has_free_floors = any(free_floors(future.instance) for future in self.tree.futures)
        can_leave_gap = self.evaluator.can_leave_gap(self.clock)
        # With a price of gaps, a floor that can be kept may still be missed where keeping it costs more than the gap.
        return np.asarray(has_free_floors | can_leave_gap | (self.has_priced_gaps & (self.probability > 0.0)))

    @property
    def has_priced_gaps(self) -> bool:
        """Whether gaps have a price, so that they count in the cost of a plan."""
        return self.instance.policy.gap_price is not None

    @cached_property
    def _cost_lower_bounds(self) -> Vector:
        return self.evaluator.cost_lower_bounds()

    def _groups(self, kind: EstimateKind, alone: Collection[int] = ()) -> dict[EstimateKind, ShockGroups]:
        """Return the groups of `kind`, with similar shocks together and each shock in `alone` first and on its own."""
        weights, lower = self._weights(kind)
        order = [n for part in self.evaluator.batches for n in part.events.tolist()]
        are_all_single = kind == "cost" and self.instance.policy.objective.needs_outcomes
        groups = group_shocks(kind, order, alone, weights, lower, self._owners, are_all_single=are_all_single)
        return {kind: groups} if groups.size else {}

    @cached_property
    def _owners(self) -> Integers:
        """The index of each shock's future."""
        return np.array([self.tree.locate(shock)[0] for shock in self.tree.events], dtype=np.intp)

    @cached_property
    def _future_probability(self) -> Vector:
        """The probability of each shock's future."""
        return np.array([future.probability for future in self.tree.futures])[self._owners]

    def _weights(self, kind: EstimateKind) -> tuple[Vector, Vector]:
        """Return by shock the weight of its gap or cost, and a lower bound on the gap or cost."""
        if kind == "gap":
            return np.where(self._can_fail, 1.0, 0.0), np.zeros(len(self.probability))
        return self.probability, self._cost_lower_bounds

    def _groups_of_gaps_and_costs(self) -> dict[EstimateKind, ShockGroups]:
        """Return the groups of gaps and of costs.

        A shock with a probability that may fail is alone in its groups, since its cost depends on the gap that it may
        leave.
        """
        fragile = np.flatnonzero(self._can_fail & (self.probability > 0.0)).tolist()
        of_gaps, of_costs = self._groups("gap", fragile), self._groups("cost", fragile)
        if of_costs:
            gaps = np.full(of_costs["cost"].size, -1, dtype=np.intp)
            gaps[: len(fragile)] = np.arange(len(fragile))
            of_costs = {"cost": replace(of_costs["cost"], gap_groups=gaps)}
        return of_gaps | of_costs

    # Evaluations.

    @cached_property
    def _last_evaluated(self) -> dict[EstimateKind, _EvaluatedPlan]:
        """The last evaluated plan, by kind of estimate."""
        return {}

    def _subgradients(
        self, groups: ShockGroups, point: Vector, gap_limits: Vector | None = None, left_out: Collection[int] = ()
    ) -> Subgradients:
        """Return values and subgradients of the groups at a plan, solving only shocks not yet solved at it.

        Shocks that are alone in their groups may be left out: their values are −∞, and add no cut.
        """
        to_solve = groups.group_of >= 0
        to_solve[list(left_out)] = False

        def solve(plan: Vector, some: npt.NDArray[np.bool_]) -> Subgradients:
            by_shock = groups.group_of, groups.weights, np.flatnonzero(~some).tolist()
            return self.evaluator.subgradients(plan, self.clock, TASKS[groups.kind], *by_shock, gap_limits)

        if gap_limits is not None:
            return solve(point, to_solve)
        known = self._last_evaluated.get(groups.kind)
        if known is None or not known.is_of(groups, point):
            found = solve(point, to_solve)
            known = _EvaluatedPlan(groups, point[: found.subgradient.shape[1]].copy(), to_solve, found)
        elif (missing := to_solve & ~known.solved).any():
            found = known.found.plus(solve(known.plan, missing))
            known = replace(known, solved=known.solved | to_solve, found=found)
        self._last_evaluated[groups.kind] = known
        return known.at(point)

    def _measures(
        self, master: MasterProblem, point: Vector, costs: Vector, gaps: Sequence[float] = ()
    ) -> tuple[float, float, float, float]:
        """Return objective, measure, expected cost and measure without gaps of a plan, given the costs of all shocks.

        The first three include the price of the futures' gaps, if gaps have one. The objective is the expected cost
        where the master minimises that, else the measure.
        """
        measure, found = self.instance.policy.objective, master.future_costs(point, costs)
        without_gaps = with_gaps = measured_cost(measure, found, self.problem.least_costs)
        if (price := self.instance.policy.gap_price) is not None and gaps:
            found = [each.plus(price * gap) for each, gap in zip(found, gaps, strict=True)]
            with_gaps = measured_cost(measure, found, self.problem.least_costs)
        expected = expected_cost(found)
        return expected if master.aim == "expected cost" else with_gaps, with_gaps, expected, without_gaps

    def _evaluate_costs(
        self, master: MasterProblem, point: Vector, values: Vector, *, is_complete: bool = False
    ) -> Evaluation:
        """Evaluate the measure of a plan, add cuts of costs, and separate violated shocks.

        If only the tail counts, shocks far from it are left out unless `is_complete`. If the first plan of all violates
        shocks that have no estimate, its costs are not evaluated, and its value is infinite.
        """
        left_out = () if is_complete else master.far_from_tail
        is_complete = not left_out
        costs, cuts, held = np.zeros(len(self.probability)), 0, self.listed.numbers(self.shocks)
        violated = self._violated_elsewhere(master, point, held)
        if not (held or master.pool) and (first := self.listed.violations(violated)):
            return Evaluation(math.inf, is_feasible=False, violated=first)
        if (groups := master.groups.get("cost")) is not None:
            found = self._subgradients(groups, point, left_out=left_out)
            is_complete = not np.isneginf(found.value).any()
            costs, cuts = found.cost, master.add_cuts("cost", point, found, values)
            violated |= _failing_gaps(found, held)
        measures = self._measures(master, point, costs)
        is_feasible = not violated and measures[1] <= master.most_measured
        if is_feasible and is_complete:
            master.update_tail(point, costs)
        rest = None if is_complete else partial(self._evaluate_costs, master, point, values, is_complete=True)
        return Evaluation(
            *measures, is_feasible=is_feasible, violated=self.listed.violations(violated), new_cuts=cuts, rest=rest
        )

    def _violated_elsewhere(self, master: MasterProblem, point: Vector, held: Collection[int]) -> dict[int, float]:
        """Return by index the gap of each violated shock that the master neither holds nor estimates."""
        estimated = (np.flatnonzero(groups.group_of >= 0).tolist() for groups in master.groups.values())
        known = self.listed.redundant.union(held, *estimated)
        if len(known) == len(self.tree.events):
            return {}
        return _failing_gaps(self.evaluator.gaps(point, self.clock, known))

    def _evaluate_gaps(self, master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
        """Evaluate the gaps of the futures; the value is the largest gap or the sum of all, by the master's aim."""
        if "gap" not in master.groups:
            return Evaluation(0.0)
        groups = master.groups["gap"]
        found = self._subgradients(groups, point)
        gaps = master.gaps_by_future(found.value)
        gap, to_hold = master.weighted(gaps), self._underestimated(master, point, found, values)
        cuts = master.add_cuts("gap", point, found, values)
        value = max(gaps) if master.aim == "largest future gap" else gap
        is_feasible = max(gaps) <= self._gap_limit_with_room(self.largest_future_gap)
        return Evaluation(
            value,
            gap=gap,
            is_feasible=is_feasible,
            violated=self.listed.violations(_failing_gaps(found)),
            new_cuts=cuts,
            to_hold=to_hold,
        )

    def _underestimated(
        self, master: MasterProblem, point: Vector, found: Subgradients, values: Vector
    ) -> Sequence[Violation]:
        """Return the shocks whose gaps are underestimated: adding them to the master raises the bound most."""
        groups, below = master.groups["gap"], master.cut_violation("gap", point, found, values)
        least = MISESTIMATED * master.weighted(master.gaps_by_future(found.value))
        weights = {n: float(below[groups.group_of[n]]) for n in _failing_gaps(found)}
        return self.listed.violations({n: off for n, off in weights.items() if off > least})

    def _evaluate_costs_at_gap(
        self, master: MasterProblem, point: Vector, values: Vector, limit: float = math.inf
    ) -> Evaluation:
        """Evaluate gap and cost of a plan.

        Each shock with a probability that may fail is allowed its least gap, or the gap that the master estimates if
        that is larger, within the limit on all gaps.
        """
        costs, cuts, gaps, gap_left = np.zeros(len(self.probability)), 0, [0.0] * len(self.tree.futures), None
        violated, gap_limits, to_hold = dict[int, float](), None, None
        if "gap" in master.groups:
            of_gaps = self._subgradients(master.groups["gap"], point)
            to_hold = self._underestimated(master, point, of_gaps, values)
            cuts += master.add_cuts("gap", point, of_gaps, values)
            gap_limits, gaps = self._allowed_gaps(master, point, of_gaps, limit)
        if "cost" in master.groups:
            of_costs = self._subgradients(master.groups["cost"], point, gap_limits)
            costs, cuts = of_costs.cost, cuts + master.add_cuts("cost", point, of_costs, values)
            violated = _failing_gaps(of_costs)
            if gap_limits is not None:
                # Each shock counts with the gap that it leaves at that cost, which may be less than it is allowed.
                alone = ~np.isnan(gap_limits)
                gap_left = np.where(alone, of_costs.gap, np.nan)
                if self.has_priced_gaps:
                    left = np.where(alone, of_costs.gap, of_gaps.gap)
                    gaps = np.bincount(self._owners, left, len(self.tree.futures)).tolist()
        measures = self._measures(master, point, costs, gaps)
        gap = master.weighted(gaps) if "gap" in master.groups else 0.0
        is_feasible = not violated and gap <= limit and max(gaps) <= self._gap_limit_with_room(self.largest_future_gap)
        return Evaluation(
            *measures,
            gap=gap,
            is_feasible=is_feasible and measures[1] <= master.most_measured,
            violated=self.listed.violations(violated),
            new_cuts=cuts,
            to_hold=to_hold,
            gap_left=gap_left,
        )

    def _allowed_gaps(
        self, master: MasterProblem, point: Vector, found: Subgradients, limit: float
    ) -> tuple[Vector, list[float]]:
        """Return by shock the gap that it may leave, nan where its floors are kept, and the sum by future."""
        groups, gaps = master.groups["gap"], np.array(master.gaps_by_future(found.value))
        gap_limits = np.full(len(self.probability), np.nan)
        alone = np.flatnonzero(self._can_fail & (self.probability > 0.0))
        more = np.maximum(master.estimated("gap", point)[groups.group_of[alone]] - found.gap[alone], 0.0)
        # Share out what the least gaps leave of the limit; they need some room themselves for the solver's tolerance.
        room = max(0.0, limit - master.weighted(gaps.tolist()))
        added = float(self._future_probability[alone] @ more)
        more *= min(1.0, room / added) if added > 0 else 0.0
        gap_limits[alone] = (found.gap[alone] + more) * (1.0 + HELD_IN_SHOCK) + HELD_IN_SHOCK
        return gap_limits, (gaps + np.bincount(self._owners[alone], more, len(gaps))).tolist()
