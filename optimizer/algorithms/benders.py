"""Benders decomposition, where every shock counts: expected cost, and the least total gap.

    expected cost   floors are kept, by adding violated shocks with their recourse; cuts approximate costs of shocks
    least gap       floors cannot all be kept: cuts approximate the sum of all gaps
    cost at it      then least cost with that gap as a limit; cuts approximate the costs of shocks with a probability

With shortages free, recourse is feasible for every plan: there are no feasibility cuts.

How lower and upper bound of one of these objectives meet is in `benders_loop`, the cuts are in `benders_master`.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.batches import RecourseTask
from optimizer.algorithms.benders_loop import BendersLoop, Evaluation, Incumbent, Objective
from optimizer.algorithms.benders_master import CutPool, EstimateKind, MasterProblem, ShockGroups
from optimizer.algorithms.extensive_form import GAP_ROOM, ScenarioModel
from optimizer.algorithms.joint_recourse import evaluator_of
from optimizer.algorithms.measured_model import negligible_gap
from optimizer.algorithms.recourse import RecourseEvaluator, Subgradients
from optimizer.algorithms.search import ADDED, FEW_SHOCKS, Search
from optimizer.algorithms.separation import select_most_violated
from optimizer.algorithms.strategy import DualValues, SearchResult
from optimizer.disruptions.shock import Shock
from optimizer.instance.derived import free_floors
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, Progress
from optimizer.solver import Clock, Integers, Settings, SolveResult, Vector
from optimizer.tolerances import HELD_GAP, HELD_IN_SHOCK, MISESTIMATED

# Groups of shocks that share a θ: more make better cuts, fewer keep the master small.
MOST_GROUPS = 400
# Shocks that a master may hold beside the estimates of gaps: the worst ones improve the bound most.
MOST_HELD = 48
AT_GAP = "cost under the gap"
TASKS: dict[EstimateKind, RecourseTask] = {"gap": "subgradients of gaps", "cost": "subgradients of costs"}


@dataclass(frozen=True)
class Benders:
    """The strategy that estimates the value of every shock by cuts.

    Attributes:
        add: how many violated shocks are added in a round.
        evaluator: one that is already warm; its results are the same.
        few: where floors fail and no more shocks than this count at all, one model holds them all without cuts.
    """

    add: int = ADDED
    evaluator: RecourseEvaluator | None = field(default=None, compare=False, repr=False)
    few: int = FEW_SHOCKS

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> SearchResult:
        """Find the cheapest plan that survives, or the one with the least gap."""
        return self._search(instance, settings, clock, listener).run()

    def minimise_gap(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        shocks: Iterable[Shock],
        history: Iterable[Progress],
    ) -> SearchResult:
        """The plan with the least gap, where floors are known to fail in some shocks, after some rounds."""
        search = self._search(instance, settings, clock, listener)
        search.shocks, search.history = list(shocks), search.history or list(history)
        return search.minimise_gap()

    def _search(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> "_Search":
        evaluator = self.evaluator or evaluator_of(instance)
        return _Search(instance, settings, clock, listener, evaluator, self.add, self.few)


class _Search(Search):
    """One run: one loop, or two where floors fail."""

    def run(self) -> SearchResult:
        """Least expected cost with all floors kept; the least gap where that cannot be."""
        if self.phase in ("gap", AT_GAP):
            return self.minimise_gap()
        objective = Objective("cost", self._master_with_floors, self._evaluate_costs, needs_shocks=True)
        loop = self._start(objective)
        if loop.run():
            return self._conclude(loop)
        return self._stopped() if self.clock.is_over else self.minimise_gap()

    def minimise_gap(self) -> SearchResult:
        """The least total gap, then the least cost with that gap held."""
        if self.phase == AT_GAP and self.resumed:
            gap, bound = float(self.resumed.facts["gap"]), float(self.resumed.facts["gap_bound"])
            return self._minimise_cost_at(gap, bound, None)
        gaps = self.evaluator.do_nothing(self.clock).gap
        counting = np.flatnonzero((gaps > 0.0) | (self.probability > 0.0)).tolist()
        if len(counting) <= self.few:
            return self._solve_extensive_form(counting)
        worst = self.listed.violations({int(n): float(gaps[n]) for n in np.flatnonzero(gaps)})
        held = {shock.name for shock in self.shocks}
        new = [each for each in worst if each.shock.name not in held]
        self.note_shocks(select_most_violated(new, max(0, 2 * self.add - len(held))))
        tolerance = (1.0 - GAP_ROOM) * self.settings.gap
        loop = self._start(Objective("gap", self._master_of_gaps, self._evaluate_gaps, MOST_HELD, tolerance=tolerance))
        if not loop.run():
            return self._stopped() if self.clock.is_over else SearchResult("infeasible", loop.master.builder)
        assert loop.incumbent is not None
        return self._minimise_cost_at(loop.incumbent.evaluation.gap, max(0.0, loop.bound), loop.incumbent)

    def _solve_extensive_form(self, counting: Sequence[int]) -> SearchResult:
        """All other shocks cost nothing, and every plan survives them."""
        self.shocks = []
        self.note_shock_numbers(counting)
        model = self._model()
        found = model.minimise_gap()
        if found.values is None:
            return found
        gaps = ScenarioModel.shock_gaps(model, found.values.tolist())
        left = {n: gaps.get(self.tree.events[n].name, 0.0) for n in counting}
        violated = self.listed.violations({n: gap for n, gap in left.items() if gap > self.negligible})
        self.report_round(AT_GAP, found.cost, found.bound, violated)
        return replace(found, history=tuple(self.history))

    def _minimise_cost_at(self, gap: float, bound: float, least: Incumbent | None) -> SearchResult:
        """The least cost with a gap held, without failures that only the slack of the gap permits."""
        limit = gap * (1.0 + max(HELD_GAP, GAP_ROOM * self.settings.gap)) + self.negligible
        pool: CutPool = self.loops[-1].master.pool if self.loops and not self.probability.any() else {}
        # The cost of the gap is estimated from a plan that is known to leave no more; holding shocks would have the
        # same effect at a higher price.
        self.shocks = []
        loop = self._start(self._cost_at(gap, bound, limit, frozenset()))
        loop.master.add_pool(pool)
        if least is not None:
            loop.start_from(least.result)
        if not loop.run():
            return self._stopped()
        survived = frozenset[int]()
        while new := self._failing_by_slack(loop, limit - gap, least) - survived:
            survived |= new
            again = self._with_survived(loop, self._cost_at(gap, bound, limit, survived), survived)
            if self.clock.is_over or not again.run():
                break
            loop = again
        return self._conclude(loop, gap, bound, least)

    def _cost_at(self, gap: float, bound: float, limit: float, survived: frozenset[int]) -> Objective:
        names = frozenset(self.tree.events[n].name for n in survived)

        def build(shocks: Sequence[Shock]) -> MasterProblem:
            return self._master_at_gap(shocks, gap, names)

        def evaluate(master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
            return self._evaluate_costs_at_gap(master, point, values, limit)

        facts = {"gap": gap, "gap_bound": bound}
        return Objective(AT_GAP, build, evaluate, most=0, needs_shocks=True, facts=facts)

    def _failing_by_slack(self, loop: BendersLoop, slack: float, least: Incumbent | None) -> frozenset[int]:
        """Shocks that fail by no more than the slack with which the gap is held, though the least gap survives them."""
        assert loop.incumbent is not None
        assert loop.incumbent.result.values is not None
        found = self.evaluator.gaps(loop.incumbent.result.values, self.clock)
        small = set(np.flatnonzero(found.fails & (found.gap > 0.0) & (self._shares * found.gap <= slack)).tolist())
        failing = set() if least is None else self.listed.numbers([each.shock for each in least.evaluation.violated])
        return frozenset(small.difference(failing))

    def _with_survived(self, loop: BendersLoop, objective: Objective, survived: Collection[int]) -> BendersLoop:
        """A loop that goes on from another one, with some shocks held whose floors are kept."""
        assert loop.incumbent is not None
        self.resumed = None
        self.shocks = []
        self.note_shock_numbers(sorted(survived))
        again = BendersLoop(self, objective, self.negligible)
        again.master.add_pool(loop.master.pool)
        again.first, again.bound, again.is_relaxed = loop.incumbent.result, loop.bound, True
        return again

    def _start(self, objective: Objective) -> BendersLoop:
        self.loops.append(BendersLoop(self, objective, self.negligible))
        return self.loops[-1]

    @cached_property
    def loops(self) -> list[BendersLoop]:
        """The loops so far."""
        return []

    @cached_property
    def negligible(self) -> float:
        """Money below which differences do not count."""
        return negligible_gap(self.instance)

    # Masters.

    @cached_property
    def probability(self) -> Vector:
        """By shock, over the horizon."""
        return np.array([shock.probability for shock in self.tree.events])

    @cached_property
    def _can_fail(self) -> npt.NDArray[np.bool_]:
        """By shock, whether it may fail: any may where some floor is free to miss; else as under do nothing."""
        has_free_floors = any(free_floors(future.instance) for future in self.tree.futures)
        return np.asarray(has_free_floors | (self.evaluator.do_nothing(self.clock).gap > 0.0))

    @cached_property
    def _least_costs(self) -> Vector:
        return self.evaluator.least_costs()

    def _groups(self, kind: EstimateKind, alone: Collection[int] = ()) -> dict[EstimateKind, ShockGroups]:
        """Shocks that count, like ones in one group; those that are to be alone come first, each in its own group."""
        weights, least = self._weights(kind)
        singles, apart = [n for n in alone if weights[n] > 0], frozenset(alone)
        counting = (n for part in self.evaluator.slices for n in part.events.tolist() if weights[n] > 0)
        ordered = [n for n in counting if n not in apart]
        if not singles and not ordered:
            return {}
        group_of = np.full(len(weights), -1, dtype=np.intp)
        group_of[singles] = np.arange(len(singles))
        shared = np.arange(len(ordered)) * min(MOST_GROUPS, len(ordered)) // max(1, len(ordered))
        group_of[ordered] = len(singles) + shared
        group_of, owners = self._apart_by_future(group_of)
        return {kind: ShockGroups(kind, group_of, weights, least, owners)}

    def _apart_by_future(self, group_of: Integers) -> tuple[Integers, Integers]:
        """Groups of which none holds shocks of two futures, in the same order; and by group its future."""
        pairs = np.stack([group_of, self._owners], axis=1)
        kept = group_of >= 0
        found, places = np.unique(pairs[kept], axis=0, return_inverse=True)
        result = np.full(len(group_of), -1, dtype=np.intp)
        result[kept] = places.reshape(-1)
        return result, found[:, 1]

    @cached_property
    def _owners(self) -> Integers:
        """By shock, the number of its future."""
        return np.array([self.tree.locate(shock)[0] for shock in self.tree.events], dtype=np.intp)

    @cached_property
    def _shares(self) -> Vector:
        """By shock, the probability of its future."""
        return np.array([future.probability for future in self.tree.futures])[self._owners]

    def _weights(self, kind: EstimateKind) -> tuple[Vector, Vector]:
        """By shock, the weight of its gap or cost, and a lower bound on it."""
        if kind == "gap":
            return np.where(self._can_fail, 1.0, 0.0), np.zeros(len(self.probability))
        return self.probability, self._least_costs

    def _master(self, shocks: Sequence[Shock], groups: dict[EstimateKind, ShockGroups]) -> MasterProblem:
        tolerance = None if self.settings.tolerance is None else self.settings.tolerance / 2
        settings = replace(self.settings, gap=self.settings.gap / 2, tolerance=tolerance)
        return MasterProblem(self.instance, shocks, settings, self.clock, self.report, self.writer, groups=groups)

    def _master_with_floors(self, shocks: Sequence[Shock]) -> MasterProblem:
        master = self._master(shocks, self._groups("cost"))
        master.allow_shortages(0.0)
        return master

    def _master_of_gaps(self, shocks: Sequence[Shock]) -> MasterProblem:
        master = self._master(shocks, self._groups("gap"))
        master.allow_shortages(np.inf)
        master.minimise("gap")
        return master

    def _master_at_gap(self, shocks: Sequence[Shock], gap: float, survived: frozenset[str]) -> MasterProblem:
        """The cost of a shock that may fail depends on the gap that it may leave: it is alone in its groups."""
        fragile = np.flatnonzero(self._can_fail & (self.probability > 0.0)).tolist()
        of_gaps, of_costs = self._groups("gap", fragile), self._groups("cost", fragile)
        if of_costs:
            gaps = np.full(of_costs["cost"].size, -1, dtype=np.intp)
            gaps[: len(fragile)] = np.arange(len(fragile))
            of_costs = {"cost": replace(of_costs["cost"], gaps=gaps)}
        master = self._master(shocks, of_gaps | of_costs)
        master.survived = survived
        master.allow_shortages(np.inf, gap * (1.0 + HELD_GAP))
        return master

    # Evaluations.

    def _subgradients(self, groups: ShockGroups, point: Vector, gap_limits: Vector | None = None) -> Subgradients:
        task = TASKS[groups.kind]
        return self.evaluator.subgradients(
            point, self.clock, task, groups.group_of, groups.weights, groups.outside, gap_limits
        )

    def _evaluate_costs(self, master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
        """Expected cost, and the violated shocks; costs are cut, and shocks without probability only separated."""
        value, cuts, violated = master.cost.value(point.tolist()), 0, dict[int, float]()
        held = self.listed.numbers(self.shocks)
        known = set(self.listed.redundant.union(held))
        for kind, groups in master.groups.items():
            found = self._subgradients(groups, point)
            value += float(master.shares(kind) @ (found.value - master.estimated(kind, point)))
            cuts += master.add_cuts(kind, point, found, values)
            violated |= {n: float(found.gap[n]) for n in np.flatnonzero(found.fails).tolist() if n not in held}
            known |= set(np.flatnonzero(groups.group_of >= 0).tolist())
        if len(known) < len(self.tree.events):
            left = self.evaluator.gaps(point, self.clock, known)
            violated |= {n: float(left.gap[n]) for n in np.flatnonzero(left.fails).tolist()}
        return Evaluation(value, 0.0, not violated, self.listed.violations(violated), cuts)

    def _evaluate_gaps(self, master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
        if "gap" not in master.groups:
            return Evaluation(0.0)
        groups = master.groups["gap"]
        found = self._subgradients(groups, point)
        below, gap = master.cut_violation("gap", point, found, values), float(master.shares("gap") @ found.value)
        cuts = master.add_cuts("gap", point, found, values)
        violated = {n: float(found.gap[n]) for n in np.flatnonzero(found.fails).tolist()}
        # Holding the shocks whose estimates are worst improves the bound most.
        weights = {n: float(below[groups.group_of[n]]) for n in violated}
        to_hold = self.listed.violations({n: off for n, off in weights.items() if off > MISESTIMATED * gap})
        return Evaluation(gap, gap, True, self.listed.violations(violated), cuts, to_hold)

    def _evaluate_costs_at_gap(self, master: MasterProblem, point: Vector, values: Vector, limit: float) -> Evaluation:
        """Gap and cost; each shock that may fail is allowed its least gap, and what the master estimates above it."""
        value, cuts, gap = master.cost.value(point.tolist()), 0, 0.0
        violated, gap_limits = dict[int, float](), None
        if "gap" in master.groups:
            of_gaps = self._subgradients(master.groups["gap"], point)
            cuts += master.add_cuts("gap", point, of_gaps, values)
            gap_limits, gap = self._allowed_gaps(master, point, of_gaps, limit)
        if "cost" in master.groups:
            of_costs = self._subgradients(master.groups["cost"], point, gap_limits)
            cuts += master.add_cuts("cost", point, of_costs, values)
            value += float(master.shares("cost") @ (of_costs.value - master.estimated("cost", point)))
            violated = {n: float(of_costs.gap[n]) for n in np.flatnonzero(of_costs.fails).tolist()}
        return Evaluation(value, gap, gap <= limit and not violated, self.listed.violations(violated), cuts)

    def _allowed_gaps(
        self, master: MasterProblem, point: Vector, found: Subgradients, limit: float
    ) -> tuple[Vector, float]:
        """By shock, the gap that it may leave, nan where its floors are kept; and all gaps together."""
        groups, gap = master.groups["gap"], float(master.shares("gap") @ found.value)
        gap_limits = np.full(len(self.probability), np.nan)
        alone = np.flatnonzero(self._can_fail & (self.probability > 0.0))
        more = np.maximum(master.estimated("gap", point)[groups.group_of[alone]] - found.gap[alone], 0.0)
        # What is left of the limit is shared out; the least itself needs some room for the solver's tolerance.
        room = max(0.0, limit - gap)
        added = float(self._shares[alone] @ more)
        more *= min(1.0, room / added) if added > 0 else 0.0
        gap_limits[alone] = (found.gap[alone] + more) * (1.0 + HELD_IN_SHOCK) + HELD_IN_SHOCK
        return gap_limits, gap + float(self._shares[alone] @ more)

    # Results.

    def _conclude(
        self, loop: BendersLoop, gap: float = 0.0, gap_bound: float = 0.0, least: Incumbent | None = None
    ) -> SearchResult:
        best = loop.incumbent
        assert best is not None
        gap = max(gap, best.evaluation.gap) if gap else 0.0
        priced = least or (best if gap == 0 else None)
        return SearchResult(
            status="optimal" if loop.is_proven else "stopped",
            builder=best.builder,
            values=best.result.values,
            cost=best.evaluation.value,
            bound=min(loop.bound, best.evaluation.value),
            gap=gap,
            gap_bound=min(gap, gap_bound),
            duals=DualValues.from_result(priced.builder, priced.result) if priced else None,
            history=tuple(self.history),
            notes=tuple(loop.master.notes),
            allows_shortages=loop.objective.name != "cost",
        )

    def _stopped(self) -> SearchResult:
        """The time ran out: the incumbent of the last loop that has one; else the do-nothing plan."""
        for loop in reversed(self.loops):
            if loop.incumbent is not None and loop.objective.name != "gap":
                found = self._conclude(loop, loop.incumbent.evaluation.gap, 0.0)
                return replace(found, status="stopped", bound=-math.inf, gap_bound=0.0)
        values, note = self._best_known(), "The search was stopped before the cost of this plan was minimised."
        if values is None:
            found_before = self._model().best_known()
            values = None if found_before is None else found_before.values
        if values is None:
            note = "The run was stopped before any plan was found; this one does nothing."
        return self._evaluate_purchases(values, note)

    def _best_known(self) -> Vector | None:
        return next((loop.best_known for loop in reversed(self.loops) if loop.best_known is not None), None)

    def _model(self) -> ScenarioModel:
        """A model of the shocks held that knows the plans found so far, to fall back on."""
        model = ScenarioModel(self.instance, self.shocks, self.settings, self.clock, self.report, self.writer)
        best = self._best_known()
        model.start = None if best is None else best[model.model.integers]
        relaxation = next((loop.relaxation for loop in reversed(self.loops) if loop.relaxation is not None), None)
        if relaxation is not None:
            model.relaxation = SolveResult("optimal", relaxation, -math.inf, -math.inf, None)
        return model

    def _evaluate_purchases(self, values: Vector | None, note: str) -> SearchResult:
        """A plan by its purchases, or the do-nothing plan: its cost with the cheapest baseline, and its gap."""
        master, history = self._master((), {}), tuple(self.history)
        result = master.solve_with_purchases(np.zeros(master.size) if values is None else values)
        if result.values is None:
            return SearchResult("stopped", master.builder, history=history, notes=(note,))
        cost, likely = result.objective, self.probability > 0
        if likely.any():
            replies = self.evaluator.operate_batches(result.values, self.clock, {}, likely, flows=True)
            cost += float((self._shares * self.probability) @ self.evaluator.costs(replies))
        gap = float(self._shares @ self.evaluator.gaps(result.values, self.clock).gap)
        return SearchResult("stopped", master.builder, result.values, cost, gap=gap, history=history, notes=(note,))
