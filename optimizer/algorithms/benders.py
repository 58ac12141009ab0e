"""Benders decomposition for problems in which every shock counts: expected costs, risk measures, the least total gap.

    cost            floors are kept by adding violated shocks with their recourse; cuts approximate the costs of
                    shocks; with a price of gaps, cuts approximate gaps and costs at once, and of the objectives
                    below only the last follows
    largest gap     if floors cannot all be kept and the measure is the largest cost or regret: the gap of a future
    least gap       cuts approximate the sum of all gaps, of several futures its expected value
    cost at it      then the least cost with that gap as a limit; cuts approximate the costs of shocks with a
                    probability
    expected cost   then, if the measure is another one, the least expected cost with the measure as a limit

Plans are never valued by the estimates: every shock is solved under the plan, and the measure is that of the resulting
costs (`risk.measured_cost`). Once floors may be missed, recourse is feasible for every plan (relatively
complete recourse). While they must be kept, a shock in which a plan fails enters the master with its recourse. The
rounds need no feasibility cuts.

`benders_loop` closes the gap between lower and upper bound of one of these objectives, `benders_cuts` defines groups of
shocks and their cuts, and `benders_evaluation` evaluates plans.
"""

import contextlib
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import product

import numpy as np

from optimizer.algorithms.benders_cuts import EstimateKind, Evaluation, ShockGroups
from optimizer.algorithms.benders_evaluation import RecourseEstimates, cuts_of_relaxation
from optimizer.algorithms.benders_loop import HALF_WAY, IN_OUT_STEP, BendersLoop, Incumbent, Objective
from optimizer.algorithms.benders_master import MasterProblem
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import Aim, DualValues, SearchResult, is_worst_case
from optimizer.algorithms.relaxed_floors import with_duals_of_lower_floors
from optimizer.algorithms.separation import select_most_violated
from optimizer.disruptions.shock import Shock
from optimizer.instance.derived import free_floors
from optimizer.solver.base import AT_GAP, Progress, SolveResult, Vector
from optimizer.tolerances import HELD_VALUE, MIP_GAP_ROOM

# Shocks are added to a master that estimates gaps until it holds this many or more: the worst raise its bound most.
ENOUGH_HELD = 48
LARGEST_GAP, NEXT_EXPECTED = "largest gap", "expected cost"


class BendersSearch(RecourseEstimates):
    """A search by Benders decomposition: one loop per objective that has to be minimised in turn."""

    def run(self) -> SearchResult:
        """Minimise the cost with all floors kept, else the gap and then the cost; with a gap price, both at once."""
        with self._drop_loops():
            if self.has_priced_gaps:
                return self._minimise_priced()
            if self.phase in (LARGEST_GAP, "gap", AT_GAP):
                return self.minimise_gap()
            build = partial(self._master, groups=self._groups("cost"))
            keep_floors = partial(MasterProblem.allow_shortfalls, most=0.0)
            loop = self._start(Objective("cost", build, self._evaluate_costs, prepare=keep_floors))
            if loop.run():
                return self._conclude(loop, duals=self._dual_values(loop), cheapest=self._cheapest_expected(loop))
            return self._stopped() if self.clock.is_over else self.minimise_gap()

    def continue_from(self, shocks: Iterable[Shock], history: Iterable[Progress]) -> SearchResult:
        """Minimise the gap, then the cost, after rounds of another search showed that floors fail in `shocks`."""
        self.shocks, self.history = list(shocks), self.history or list(history)
        with self._drop_loops():
            return self.minimise_gap()

    @contextlib.contextmanager
    def _drop_loops(self) -> Iterator[None]:
        """Drop the loops after the block: reference cycles with the search would keep their masters in memory."""
        try:
            yield
        finally:
            self.loops.clear()

    def _minimise_priced(self) -> SearchResult:
        """Minimise the cost including gaps at their price."""
        build = partial(self._master, groups=self._groups_of_gaps_and_costs())
        allow_gaps = partial(MasterProblem.allow_shortfalls, most=math.inf)
        objective = Objective("cost", build, self._evaluate_costs_at_gap, adds_below=0, prepare=allow_gaps)
        loop = self._start(objective)
        if not loop.run():
            return self._stopped() if self.clock.is_over else SearchResult("infeasible", loop.master.builder)
        duals = self._dual_values(loop)
        best = self._cheapest_expected(loop) or self._incumbent_of(loop)
        gap = best.evaluation.gap if best.evaluation.gap > self.negligible else 0.0
        return self._conclude(loop, gap, gap, duals, best)

    def minimise_gap(self) -> SearchResult:
        """Minimise the total gap, then the cost subject to that gap."""
        if self.resumed:
            self.largest_future_gap = float(self.resumed.facts.get("largest_future_gap", math.inf))
            if self.phase == AT_GAP:
                gap, bound = float(self.resumed.facts["gap"]), float(self.resumed.facts["gap_bound"])
                return self._minimise_cost_at(gap, bound)
        gaps = self.evaluator.do_nothing(self.clock).gap
        counting = np.flatnonzero(self.evaluator.can_leave_gap(self.clock) | (self.probability > 0.0)).tolist()
        if self._rows(counting) <= self.few_rows:
            return self._solve_extensive_form(counting)
        self._hold_worst(gaps)
        loop = self._start(self._objective_of_gaps("gap" if self._is_largest_gap_known else LARGEST_GAP))
        has_plan = loop.run()
        if has_plan and loop.objective.name == LARGEST_GAP:
            first = self._incumbent_of(loop)
            self.largest_future_gap = first.evaluation.value
            loop = self._start(self._objective_of_gaps("gap"), loop.master)
            loop.start_from(first.result)
            has_plan = loop.run()
        if not has_plan:
            return self._stopped() if self.clock.is_over else SearchResult("infeasible", loop.master.builder)
        best, duals = self._incumbent_of(loop), self._dual_values(loop)
        return self._minimise_cost_at(best.evaluation.gap, max(0.0, loop.bound), best, duals)

    @property
    def _is_largest_gap_known(self) -> bool:
        """Whether the largest gap of a future does not count, or a resumed search has minimised it."""
        return not is_worst_case(self.instance) or self.phase == "gap"

    def _hold_worst(self, gaps: Vector) -> None:
        """Add the shocks of the largest `gaps`, in money by shock, to those that the first master holds."""
        worst = self.listed.violations({int(n): float(gaps[n]) for n in np.flatnonzero(gaps)})
        held = {shock.name for shock in self.shocks}
        new = [each for each in worst if each.shock.name not in held]
        self.enter_shocks(select_most_violated(new, max(0, 2 * self.added_a_round - len(held))))

    def _rows(self, counting: Sequence[int]) -> int:
        """Return the number of rows that the recourse of the given shocks has in one model."""
        located = (self.tree.locate(self.tree.events[n]) for n in counting)
        return sum(self.evaluator.futures[number].rows(shock) for number, shock in located)

    def _objective_of_gaps(self, name: str) -> Objective:
        """Return the objective of the largest gap of a future, or of the sum of all gaps, by `name`."""
        aim: Aim = "largest future gap" if name == LARGEST_GAP else "gap"

        def prepare(master: MasterProblem) -> None:
            master.allow_shortfalls(np.inf)
            self._limit_largest_future_gap(master)
            master.minimise(aim)

        tolerance = (1.0 - MIP_GAP_ROOM) * self.settings.mip_gap
        build = partial(self._master, groups=self._groups("gap"))
        return Objective(
            name,
            build,
            self._evaluate_gaps,
            ENOUGH_HELD,
            cuts_of_relaxation,
            tolerance=tolerance,
            facts=self._facts,
            prepare=prepare,
        )

    @property
    def _facts(self) -> dict[str, float]:
        return {"largest_future_gap": self.largest_future_gap} if math.isfinite(self.largest_future_gap) else {}

    def _incumbent_of(self, loop: BendersLoop) -> Incumbent:
        assert loop.incumbent is not None
        return loop.incumbent

    def _solve_extensive_form(self, counting: Sequence[int]) -> SearchResult:
        """Minimise gap and cost in one model of the shocks that count; every plan survives the others at no cost."""
        self.shocks = []
        self.enter_shock_numbers(counting)
        model = self._model()
        found = model.minimise_gap()
        if found.values is None:
            return found
        gaps = model.shock_gaps(found.values.tolist())
        left = {n: gaps.get(self.tree.events[n].name, 0.0) for n in counting}
        violated = self.listed.violations({n: gap for n, gap in left.items() if gap > self.negligible})
        self.report_round(AT_GAP, found.objective, found.bound, violated)
        return replace(found, history=tuple(self.history))

    def _minimise_cost_at(
        self, gap: float, bound: float, least: Incumbent | None = None, duals: DualValues | None = None
    ) -> SearchResult:
        """Minimise the cost subject to a gap; `least` and `duals` are the plan of least gap and its dual values.

        Shocks that fail only because the limit on the gap has some slack are then required to be survived.
        """
        limit = self._gap_limit_with_room(gap)
        # Where no shock has a probability, this master estimates the same gaps as the last one, and no costs.
        known = self.loops[-1].master if self.loops and not self.probability.any() else None
        self._drop_many_held(known)
        loop = self._start(self._cost_at(gap, bound, limit, frozenset()), known)
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
        duals = duals if gap else self._dual_values(loop)
        return self._conclude(loop, gap, bound, duals, self._cheapest_expected(loop))

    def _drop_many_held(self, known: MasterProblem | None) -> None:
        """Hold no shocks in a new master that would hold many: the plan of least gap is an in-point for cuts alone."""
        if known is None and self._rows(self.listed.numbers(self.shocks)) > self.most_held_rows:
            self.shocks = []

    def _cheapest_expected(self, loop: BendersLoop) -> Incumbent | None:
        """Return the plan of least expected cost among those with the incumbent's measure.

        None if the measure is the expected cost, if the time is over, or if the loop finds no plan.
        """
        if self.instance.policy.objective.kind == "expected" or self.clock.is_over:
            return None
        best = self._incumbent_of(loop)
        slack = HELD_VALUE * abs(best.evaluation.expected)
        # Slack would be used up, and a size that the measure requires would fall slightly short. Without it the master
        # can have no plan, where its bound exceeds the measure of the incumbent by the solver's tolerance.
        return self._cheapest_within(loop, best, 0.0, slack) or self._cheapest_within(loop, best, slack, slack)

    def _cheapest_within(self, loop: BendersLoop, best: Incumbent, room: float, slack: float) -> Incumbent | None:
        """Return the plan of least expected cost; its measure is that of `best`, the master's up to `room` more."""

        def prepare(master: MasterProblem) -> None:
            most = (best.evaluation.measure + room) / master.money_unit
            master.solver.bound(list(master.measure_limit.terms), -np.inf, most)
            master.most_measured = best.evaluation.measure + slack
            master.minimise("expected cost")

        objective = replace(loop.objective, name=NEXT_EXPECTED, prepare=prepare, is_saved=False)
        if not objective.needs_shocks:
            # The loop continues with the reduced master, to which shocks would be added in vain.
            objective = replace(objective, cuts_by_duals=None, adds_below=0)
        again = BendersLoop(self, objective, self.negligible, loop.reduced)
        again.start_from(best.result)
        again.has_solved_relaxation = True
        again.leaves = [each for each in loop.leaves if each.bound <= best.evaluation.measure + slack]
        return again.incumbent if again.run() else None

    def _cost_at(self, gap: float, bound: float, limit: float, survived: frozenset[int]) -> Objective:
        names = [self.tree.events[n].name for n in survived]
        floors = frozenset(product(names, self.instance.demands))

        def prepare(master: MasterProblem) -> None:
            master.must_hold = floors
            master.allow_shortfalls(np.inf, gap * (1.0 + HELD_VALUE))
            self._limit_largest_future_gap(master)
            master.minimise("objective")

        def evaluate(master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
            return self._evaluate_costs_at_gap(master, point, values, limit)

        build = partial(self._master, groups=self._groups_of_gaps_and_costs())
        facts = {"gap": gap, "gap_bound": bound, **self._facts}
        has_cuts_alone = self.probability.any() and not self.shocks
        most, cuts = (0, None) if survived or has_cuts_alone else (ENOUGH_HELD, cuts_of_relaxation)
        step = HALF_WAY if has_cuts_alone and self.instance.policy.objective.kind == "expected" else IN_OUT_STEP
        return Objective(AT_GAP, build, evaluate, most, cuts, facts=facts, step=step, prepare=prepare)

    def _failing_by_slack(self, loop: BendersLoop, slack: float, least: Incumbent | None) -> frozenset[int]:
        """Return the shocks that fail only by the slack in the limit on the gap and are survived at the least gap."""
        values = self._incumbent_of(loop).result.values
        assert values is not None
        found = self.evaluator.gaps(values, self.clock)
        # A gap that uses all of the slack may exceed it by the solver's tolerance.
        is_small = (found.gap > 0.0) & (self._future_probability * found.gap <= 2.0 * slack)
        small = set(np.flatnonzero(found.fails & is_small).tolist())
        failing = set() if least is None else self.listed.numbers([each.shock for each in least.evaluation.violated])
        return frozenset(small.difference(failing))

    def _with_survived(self, loop: BendersLoop, objective: Objective, survived: Collection[int]) -> BendersLoop:
        """Return a loop that continues another one while it holds the shocks in `survived`, with their floors kept."""
        self.resumed = None
        self.shocks = []
        self.enter_shock_numbers(sorted(survived))
        again = BendersLoop(self, objective, self.negligible)
        again.master.add_pool(loop.master.pool)
        again.first, again.bound, again.has_solved_relaxation = self._incumbent_of(loop).result, loop.bound, True
        return again

    def _start(self, objective: Objective, known: MasterProblem | None = None) -> BendersLoop:
        self.loops.append(BendersLoop(self, objective, self.negligible, known))
        return self.loops[-1]

    @cached_property
    def loops(self) -> list[BendersLoop]:
        """The loops started so far."""
        return []

    # Results.

    def _dual_values(self, loop: BendersLoop) -> DualValues | None:
        """Return the dual values of a loop's incumbent with every floor slightly lower, or as it is once time is over.

        The master holds the shocks whose floors matter; the other shocks have a part in them by their cuts.
        """
        best, master = self._incumbent_of(loop), loop.master
        restricted = None if self.clock.is_over else master.solve_restricted(master.with_integers_of(best.result))
        if restricted is None:
            return DualValues.from_result(best.builder, best.result)
        lowered = with_duals_of_lower_floors(master, restricted)
        master.release_integers()
        return DualValues.from_result(master.builder, lowered)

    def _conclude(
        self,
        loop: BendersLoop,
        gap: float = 0.0,
        gap_bound: float = 0.0,
        duals: DualValues | None = None,
        cheapest: Incumbent | None = None,
    ) -> SearchResult:
        """Return the result of a loop: its incumbent, or `cheapest`, the least expected cost at the same measure."""
        best = cheapest or self._incumbent_of(loop)
        found = best.evaluation
        gap = max(gap, found.gap) if gap else 0.0
        return SearchResult(
            status="optimal" if loop.is_proven else "stopped",
            builder=best.builder,
            values=best.result.values,
            objective=found.measure_without_gaps,
            bound=found.measure_without_gaps - max(0.0, found.measure - loop.bound),
            priced_gaps=found.measure - found.measure_without_gaps,
            gap=gap,
            gap_bound=min(gap, gap_bound),
            duals=duals,
            history=tuple(self.history),
            notes=tuple(loop.master.notes),
            may_miss_floors=self._may_miss(gap) if self.has_priced_gaps else loop.objective.name != "cost",
            gap_left=self._gap_left(found.gap_left),
        )

    def _may_miss(self, gap: float) -> bool:
        """Return whether a plan with priced gaps misses floors, or may miss a floor whose shortage cost is 0."""
        return gap > 0 or any(free_floors(future.instance) for future in self.tree.futures)

    def _gap_left(self, gaps: Vector | None) -> dict[str, float] | None:
        """Return the gaps by shock name, for shocks whose cost was computed with a gap."""
        if gaps is None:
            return None
        return {self.tree.events[n].name: float(gaps[n]) for n in np.flatnonzero(~np.isnan(gaps)).tolist()}

    def _stopped(self) -> SearchResult:
        """Return the result of a stopped search: the latest incumbent, the best plan known, or the do-nothing plan."""
        for loop in reversed(self.loops):
            if loop.incumbent is not None and loop.objective.name not in (LARGEST_GAP, "gap"):
                found = self._conclude(loop, loop.incumbent.evaluation.gap, self._least_gap_bound)
                return replace(found, status="stopped", bound=-math.inf)
        values, note = self._best_known(), "The search was stopped before the cost of this plan was minimised."
        if values is None:
            found_before = self._model().best_known()
            values = None if found_before is None else found_before.values
        if values is None:
            note = "The run was stopped before any plan was found; this one does nothing."
        return self._evaluate_purchases(values, note)

    @property
    def _least_gap_bound(self) -> float:
        """The proven lower bound on the least total gap; 0 where none is known."""
        known = (
            loop.bound if loop.objective.name == "gap" else loop.objective.facts.get("gap_bound", 0.0)
            for loop in self.loops
        )
        return max([0.0, *known])

    def _best_known(self) -> Vector | None:
        return next((loop.best_known for loop in reversed(self.loops) if loop.best_known is not None), None)

    def _model(self) -> ShockModel:
        """Build a model of the shocks held that starts from the best plan found so far, as a fallback."""
        model = ShockModel(
            self.instance,
            self.shocks,
            self.settings,
            self.clock,
            self.report,
            self.writer,
            self.problem,
            pseudo_costs=self.pseudo_costs,
        )
        best = self._best_known()
        model.start = None if best is None else best[model.solver.integers]
        relaxation = next((loop.relaxation for loop in reversed(self.loops) if loop.relaxation is not None), None)
        if relaxation is not None:
            model.relaxation = SolveResult("optimal", relaxation, -math.inf, -math.inf, None)
        return model

    def _evaluate_purchases(self, values: Vector | None, note: str) -> SearchResult:
        """Evaluate a plan by its purchases, or the do-nothing plan for None.

        The result has the cost with the cheapest baseline, the gap, and the note; without a plan, none of them.
        """
        master, history = self._master((), {}), tuple(self.history)
        master.minimise("expected cost")
        result = master.solve_with_purchases(np.zeros(master.plan_size) if values is None else values)
        if result.values is None:
            return SearchResult("stopped", master.builder, history=history)
        costs, likely = np.zeros(len(self.probability)), self.probability > 0
        if likely.any():
            responses = self.evaluator.operate_batches(result.values, self.clock, {}, likely, flows=True)
            costs = self.evaluator.costs(responses)
        cost = self._measures(master, result.values, costs)[-1]
        gap = float(self._future_probability @ self.evaluator.gaps(result.values, self.clock).gap)
        bound = min(gap, self._least_gap_bound)
        return SearchResult(
            "stopped", master.builder, result.values, cost, gap=gap, gap_bound=bound, history=history, notes=(note,)
        )

    # Masters.

    def _master(self, shocks: Sequence[Shock], groups: dict[EstimateKind, ShockGroups]) -> MasterProblem:
        tolerance = None if self.settings.tolerance is None else self.settings.tolerance / 2
        settings = replace(self.settings, mip_gap=self.settings.mip_gap / 2, tolerance=tolerance)
        return MasterProblem(
            self.instance, shocks, settings, self.clock, self.report, self.writer, self.problem, groups=groups
        )

    def _limit_largest_future_gap(self, master: MasterProblem) -> None:
        if math.isfinite(self.largest_future_gap):
            column = list(master.future_gaps[-1].terms)
            master.solver.bound(column, 0.0, self.largest_future_gap * (1.0 + HELD_VALUE) / master.money_unit)
