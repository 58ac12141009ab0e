"""Benders decomposition, where every shock counts: expected cost or another measure, and the least total gap.

    cost            floors are kept, by adding violated shocks with their recourse; cuts approximate costs of shocks
    largest gap     floors cannot all be kept, and the measure is the largest cost or regret: that of a future
    least gap       cuts approximate the sum of all gaps
    cost at it      then least cost with that gap as a limit; cuts approximate the costs of shocks with a probability
    expected cost   then, where the measure is another one, the least expected cost with the measure as a limit

What a plan is worth is never read from the estimates: every shock is solved under it, and the measure is that of the
costs found (`risk.measured_cost`). With shortages free, recourse is feasible for every plan: there are no feasibility
cuts.

How lower and upper bound of one of these objectives meet is in `benders_loop`, the cuts are in `benders_master`.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.batches import RecourseTask
from optimizer.algorithms.benders_loop import BendersLoop, Evaluation, Incumbent, Objective
from optimizer.algorithms.benders_master import CutPool, EstimateKind, MasterProblem, ShockGroups, group_shocks
from optimizer.algorithms.extensive_form import GAP_ROOM, ScenarioModel
from optimizer.algorithms.joint_recourse import evaluator_of
from optimizer.algorithms.measured_model import Aim, is_worst_case, negligible_gap
from optimizer.algorithms.problem import LEAST_COST, ProblemVariant
from optimizer.algorithms.recourse import RecourseEvaluator, Subgradients
from optimizer.algorithms.search import ADDED, FEW_SHOCKS, Search
from optimizer.algorithms.separation import select_most_violated
from optimizer.algorithms.strategy import DualValues, SearchResult
from optimizer.disruptions.shock import Shock
from optimizer.instance.derived import free_floors
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, Progress
from optimizer.risk import expected_cost, measured_cost
from optimizer.solver import Clock, Integers, Settings, SolveResult, Vector
from optimizer.tolerances import HELD_GAP, HELD_IN_SHOCK, MISESTIMATED

# Shocks that a master may hold beside the estimates of gaps: the worst ones improve the bound most.
MOST_HELD = 48
LARGEST_GAP, AT_GAP, NEXT_EXPECTED = "largest gap", "cost under the gap", "expected cost"
TASKS: dict[EstimateKind, RecourseTask] = {"gap": "subgradients of gaps", "cost": "subgradients of costs"}


@dataclass(frozen=True)
class Benders:
    """The strategy that estimates the value of every shock by cuts.

    Attributes:
        add: how many violated shocks are added in a round.
        evaluator: one that is already warm; its results are the same.
        few: where floors fail and no more shocks than this count at all, one model holds them all without cuts.
        problem: least cost; it has the least costs of the futures alone, for regret.
    """

    add: int = ADDED
    evaluator: RecourseEvaluator | None = field(default=None, compare=False, repr=False)
    few: int = FEW_SHOCKS
    problem: ProblemVariant = LEAST_COST

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
        search = _Search(instance, settings, clock, listener, evaluator, self.add, self.few)
        search.problem = self.problem
        return search


class _Search(Search):
    """One run: one loop, or several where floors fail or the measure is another one than expected cost.

    `worst_gap` is what the largest gap of a future is held to, money.
    """

    problem, worst_gap = LEAST_COST, math.inf

    def run(self) -> SearchResult:
        """Least expected cost with all floors kept; the least gap where that cannot be."""
        if self.phase in (LARGEST_GAP, "gap", AT_GAP):
            return self.minimise_gap()
        loop = self._start(Objective("cost", self._master_with_floors, self._evaluate_costs, needs_shocks=True))
        if loop.run():
            return self._conclude(loop, cheapest=self._cheapest_expected(loop))
        return self._stopped() if self.clock.is_over else self.minimise_gap()

    def minimise_gap(self) -> SearchResult:
        """The least total gap, then the least cost with that gap held."""
        if self.resumed:
            self.worst_gap = float(self.resumed.facts.get("worst_gap", math.inf))
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
        names = [LARGEST_GAP] if is_worst_case(self.instance) and self.phase != "gap" else []
        for name in [*names, "gap"]:
            loop = self._start(self._objective_of_gaps(name))
            if name == "gap" and names:
                loop.start_from(self._best_of(self.loops[-2]).result)
            if not loop.run():
                return self._stopped() if self.clock.is_over else SearchResult("infeasible", loop.master.builder)
            if name == LARGEST_GAP:
                self.worst_gap = self._best_of(loop).evaluation.value
        best = self._best_of(loop)
        return self._minimise_cost_at(best.evaluation.gap, max(0.0, loop.bound), best)

    def _objective_of_gaps(self, name: str) -> Objective:
        """The largest gap of a future, or the sum of all."""
        tolerance = (1.0 - GAP_ROOM) * self.settings.gap
        build = partial(self._master_of_gaps, aim="worst gap" if name == LARGEST_GAP else "gap")
        return Objective(name, build, self._evaluate_gaps, MOST_HELD, tolerance=tolerance, facts=self._facts)

    @property
    def _facts(self) -> dict[str, float]:
        return {"worst_gap": self.worst_gap} if math.isfinite(self.worst_gap) else {}

    def _best_of(self, loop: BendersLoop) -> Incumbent:
        assert loop.incumbent is not None
        return loop.incumbent

    def _held(self, gap: float) -> float:
        """What a gap may be that is held: more than its master's limit, since bounds meet to a tolerance."""
        return gap * (1.0 + max(HELD_GAP, GAP_ROOM * self.settings.gap)) + self.negligible

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
        limit = self._held(gap)
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
        return self._conclude(loop, gap, bound, least, self._cheapest_expected(loop))

    def _cheapest_expected(self, loop: BendersLoop) -> Incumbent | None:
        """Of the plans with the measure of an incumbent, the one with the least expected cost; None for the same."""
        if self.instance.policy.objective.kind == "expected" or self.clock.is_over:
            return None
        best = self._best_of(loop)
        slack = HELD_GAP * abs(best.evaluation.expected)

        def build(shocks: Sequence[Shock]) -> MasterProblem:
            master = loop.objective.build(shocks)
            most = best.evaluation.measured + 0.5 * slack
            master.model.bound(list(master.measure_limit.terms), -np.inf, most / master.unit)
            master.most_measured = best.evaluation.measured + slack
            master.minimise("expected cost")
            return master

        again = BendersLoop(
            self, replace(loop.objective, name=NEXT_EXPECTED, build=build, is_saved=False), self.negligible
        )
        again.master.add_pool(loop.master.pool)
        again.start_from(best.result)
        again.is_relaxed = True
        return again.incumbent if again.run() else None

    def _cost_at(self, gap: float, bound: float, limit: float, survived: frozenset[int]) -> Objective:
        names = frozenset(self.tree.events[n].name for n in survived)

        def build(shocks: Sequence[Shock]) -> MasterProblem:
            return self._master_at_gap(shocks, gap, names)

        def evaluate(master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
            return self._evaluate_costs_at_gap(master, point, values, limit)

        facts = {"gap": gap, "gap_bound": bound, **self._facts}
        return Objective(AT_GAP, build, evaluate, most=0, needs_shocks=True, facts=facts)

    def _failing_by_slack(self, loop: BendersLoop, slack: float, least: Incumbent | None) -> frozenset[int]:
        """Shocks that fail by no more than the slack with which the gap is held, though the least gap survives them."""
        values = self._best_of(loop).result.values
        assert values is not None
        found = self.evaluator.gaps(values, self.clock)
        small = set(np.flatnonzero(found.fails & (found.gap > 0.0) & (self._shares * found.gap <= slack)).tolist())
        failing = set() if least is None else self.listed.numbers([each.shock for each in least.evaluation.violated])
        return frozenset(small.difference(failing))

    def _with_survived(self, loop: BendersLoop, objective: Objective, survived: Collection[int]) -> BendersLoop:
        """A loop that goes on from another one, with some shocks held whose floors are kept."""
        self.resumed = None
        self.shocks = []
        self.note_shock_numbers(sorted(survived))
        again = BendersLoop(self, objective, self.negligible)
        again.master.add_pool(loop.master.pool)
        again.first, again.bound, again.is_relaxed = self._best_of(loop).result, loop.bound, True
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
        order = [n for part in self.evaluator.slices for n in part.events.tolist()]
        are_alone = kind == "cost" and self.instance.policy.objective.kind == "cvar"
        groups = group_shocks(kind, order, alone, weights, least, self._owners, are_alone=are_alone)
        return {kind: groups} if groups.size else {}

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
        return MasterProblem(
            self.instance, shocks, settings, self.clock, self.report, self.writer, self.problem, groups=groups
        )

    def _master_with_floors(self, shocks: Sequence[Shock]) -> MasterProblem:
        master = self._master(shocks, self._groups("cost"))
        master.allow_shortages(0.0)
        return master

    def _master_of_gaps(self, shocks: Sequence[Shock], aim: Aim) -> MasterProblem:
        master = self._master(shocks, self._groups("gap"))
        master.allow_shortages(np.inf)
        self._limit_largest_gap(master)
        master.minimise(aim)
        return master

    def _limit_largest_gap(self, master: MasterProblem) -> None:
        if math.isfinite(self.worst_gap):
            column = list(master.future_gaps[-1].terms)
            master.model.bound(column, 0.0, self.worst_gap * (1.0 + HELD_GAP) / master.unit)

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
        self._limit_largest_gap(master)
        return master

    # Evaluations.

    def _subgradients(self, groups: ShockGroups, point: Vector, gap_limits: Vector | None = None) -> Subgradients:
        task, by_shock = TASKS[groups.kind], (groups.group_of, groups.weights, groups.outside)
        return self.evaluator.subgradients(point, self.clock, task, *by_shock, gap_limits)

    def _measured(self, master: MasterProblem, point: Vector, costs: Vector) -> tuple[float, float, float]:
        """What a plan is worth where shocks cost so much: by the master's objective, by the measure, in expectation."""
        found = master.future_costs(point, costs)
        measured = measured_cost(self.instance.policy.objective, found, self.problem.least_costs)
        expected = expected_cost(found)
        return expected if master.aim == "expected cost" else measured, measured, expected

    def _evaluate_costs(self, master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
        """The measure, and the violated shocks; costs are cut, and shocks without probability only separated."""
        costs, cuts, violated = np.zeros(len(self.probability)), 0, dict[int, float]()
        held = self.listed.numbers(self.shocks)
        known = set(self.listed.redundant.union(held))
        for kind, groups in master.groups.items():
            found = self._subgradients(groups, point)
            costs, cuts = found.cost, master.add_cuts(kind, point, found, values)
            violated |= {n: float(found.gap[n]) for n in np.flatnonzero(found.fails).tolist() if n not in held}
            known |= set(np.flatnonzero(groups.group_of >= 0).tolist())
        if len(known) < len(self.tree.events):
            left = self.evaluator.gaps(point, self.clock, known)
            violated |= {n: float(left.gap[n]) for n in np.flatnonzero(left.fails).tolist()}
        worth = self._measured(master, point, costs)
        is_feasible = not violated and worth[1] <= master.most_measured
        return Evaluation(*worth, is_feasible=is_feasible, violated=self.listed.violations(violated), new_cuts=cuts)

    def _evaluate_gaps(self, master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
        """The gaps of the futures; the value is the largest one, or the sum of all."""
        if "gap" not in master.groups:
            return Evaluation(0.0)
        groups = master.groups["gap"]
        found = self._subgradients(groups, point)
        gaps = master.by_future("gap", found.value)
        below, gap = master.cut_violation("gap", point, found, values), master.weighted(gaps)
        cuts = master.add_cuts("gap", point, found, values)
        violated = {n: float(found.gap[n]) for n in np.flatnonzero(found.fails).tolist()}
        # Holding the shocks whose estimates are worst improves the bound most.
        weights = {n: float(below[groups.group_of[n]]) for n in violated}
        to_hold = self.listed.violations({n: off for n, off in weights.items() if off > MISESTIMATED * gap})
        value = max(gaps) if master.aim == "worst gap" else gap
        is_feasible = max(gaps) <= self._held(self.worst_gap)
        return Evaluation(
            value,
            gap=gap,
            is_feasible=is_feasible,
            violated=self.listed.violations(violated),
            new_cuts=cuts,
            to_hold=to_hold,
        )

    def _evaluate_costs_at_gap(self, master: MasterProblem, point: Vector, values: Vector, limit: float) -> Evaluation:
        """Gap and cost; each shock that may fail is allowed its least gap, and what the master estimates above it."""
        costs, cuts, gaps = np.zeros(len(self.probability)), 0, [0.0]
        violated, gap_limits = dict[int, float](), None
        if "gap" in master.groups:
            of_gaps = self._subgradients(master.groups["gap"], point)
            cuts += master.add_cuts("gap", point, of_gaps, values)
            gap_limits, gaps = self._allowed_gaps(master, point, of_gaps, limit)
        if "cost" in master.groups:
            of_costs = self._subgradients(master.groups["cost"], point, gap_limits)
            costs, cuts = of_costs.cost, cuts + master.add_cuts("cost", point, of_costs, values)
            violated = {n: float(of_costs.gap[n]) for n in np.flatnonzero(of_costs.fails).tolist()}
        worth = self._measured(master, point, costs)
        gap = master.weighted(gaps) if "gap" in master.groups else 0.0
        is_feasible = not violated and gap <= limit and max(gaps) <= self._held(self.worst_gap)
        return Evaluation(
            *worth,
            gap=gap,
            is_feasible=is_feasible and worth[1] <= master.most_measured,
            violated=self.listed.violations(violated),
            new_cuts=cuts,
        )

    def _allowed_gaps(
        self, master: MasterProblem, point: Vector, found: Subgradients, limit: float
    ) -> tuple[Vector, list[float]]:
        """By shock, the gap that it may leave, nan where its floors are kept; and all gaps of each future."""
        groups, gaps = master.groups["gap"], np.array(master.by_future("gap", found.value))
        gap_limits = np.full(len(self.probability), np.nan)
        alone = np.flatnonzero(self._can_fail & (self.probability > 0.0))
        more = np.maximum(master.estimated("gap", point)[groups.group_of[alone]] - found.gap[alone], 0.0)
        # What is left of the limit is shared out; the least itself needs some room for the solver's tolerance.
        room = max(0.0, limit - master.weighted(gaps.tolist()))
        added = float(self._shares[alone] @ more)
        more *= min(1.0, room / added) if added > 0 else 0.0
        gap_limits[alone] = (found.gap[alone] + more) * (1.0 + HELD_IN_SHOCK) + HELD_IN_SHOCK
        return gap_limits, (gaps + np.bincount(self._owners[alone], more, len(gaps))).tolist()

    # Results.

    def _conclude(
        self,
        loop: BendersLoop,
        gap: float = 0.0,
        gap_bound: float = 0.0,
        least: Incumbent | None = None,
        cheapest: Incumbent | None = None,
    ) -> SearchResult:
        """The incumbent of a loop as a result, or the `cheapest` of the plans that its measure has."""
        best = cheapest or self._best_of(loop)
        gap = max(gap, best.evaluation.gap) if gap else 0.0
        priced = least or (self._best_of(loop) if gap == 0 else None)
        return SearchResult(
            status="optimal" if loop.is_proven else "stopped",
            builder=best.builder,
            values=best.result.values,
            cost=best.evaluation.measured,
            bound=min(loop.bound, best.evaluation.measured),
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
            if loop.incumbent is not None and loop.objective.name not in (LARGEST_GAP, "gap"):
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
        model = ScenarioModel(
            self.instance, self.shocks, self.settings, self.clock, self.report, self.writer, self.problem
        )
        best = self._best_known()
        model.start = None if best is None else best[model.model.integers]
        relaxation = next((loop.relaxation for loop in reversed(self.loops) if loop.relaxation is not None), None)
        if relaxation is not None:
            model.relaxation = SolveResult("optimal", relaxation, -math.inf, -math.inf, None)
        return model

    def _evaluate_purchases(self, values: Vector | None, note: str) -> SearchResult:
        """A plan by its purchases, or the do-nothing plan: its cost with the cheapest baseline, and its gap."""
        master, history = self._master((), {}), tuple(self.history)
        master.minimise("expected cost")
        result = master.solve_with_purchases(np.zeros(master.size) if values is None else values)
        if result.values is None:
            return SearchResult("stopped", master.builder, history=history, notes=(note,))
        costs, likely = np.zeros(len(self.probability)), self.probability > 0
        if likely.any():
            replies = self.evaluator.operate_batches(result.values, self.clock, {}, likely, flows=True)
            costs = self.evaluator.costs(replies)
        cost = self._measured(master, result.values, costs)[1]
        gap = float(self._shares @ self.evaluator.gaps(result.values, self.clock).gap)
        return SearchResult("stopped", master.builder, result.values, cost, gap=gap, history=history, notes=(note,))
