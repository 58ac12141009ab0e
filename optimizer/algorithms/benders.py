"""Where every shock counts: expected cost, and the least total gap, by cuts on the plan.

    expected cost   floors are kept, by writing out the shocks that bite; costs are estimated (`master`)
    least gap       floors cannot all be kept: the sum of all gaps is estimated
    cost under it   then least cost with that gap held; shocks that have a probability and fail are written out

How bound and value of one of these objectives are brought together is said in `phase`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.base import Priced, Solved
from optimizer.algorithms.batches import Quantity
from optimizer.algorithms.benders_loop import EXACT, BendersLoop, Evaluation, Incumbent
from optimizer.algorithms.benders_master import EstimateKind, MasterProblem, ShockGroups
from optimizer.algorithms.extensive_form import HELD, ScenarioModel
from optimizer.algorithms.recourse import RecourseEvaluator, Subgradients
from optimizer.algorithms.search import Search
from optimizer.algorithms.separation.listed import select_most_violated
from optimizer.algorithms.subproblems import SLACK
from optimizer.formulation import gaps
from optimizer.instance.derived import free_floors
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression
from optimizer.progress import Listener, Progress
from optimizer.solver import Clock, Settings, SolveResult, Vector

# Groups of shocks that share an estimate: more learn faster, fewer keep the master small.
GROUPS = 400
# Shocks that are written out beside the estimates of gaps, since the worst ones teach the most.
WRITTEN = 48
# Up to so many shocks are all written out, where floors fail.
FEW = 32
# What is misjudged by less than this share of the total is left to cuts.
MISJUDGED = 1e-6
# The share of the gap asked for by which the cheapest plan may leave more than the least gap.
ROOM = 0.1
TASKS: dict[EstimateKind, Quantity] = {"gap": "slopes of gaps", "cost": "slopes of costs"}


@dataclass(frozen=True)
class Benders:
    """Learn what all shocks cost.

    `add` is how many shocks whose floors bite are written out in a round. Where floors fail and no more than `few`
    shocks count at all, they are all written out and nothing has to be learned.

    A evaluator that is already warm may be given; its answers are the same.
    """

    add: int = 4
    evaluator: RecourseEvaluator | None = field(default=None, compare=False, repr=False)
    few: int = FEW

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> Solved:
        """Find the cheapest plan that survives, or the one with the least gap."""
        return self._search(instance, settings, clock, listener).solved()

    def least_gap(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        written: Iterable[int],
        history: Iterable[Progress],
    ) -> Solved:
        """The plan with the least gap, where floors are known to fail in the shocks `written`, after some rounds."""
        return self._search(instance, settings, clock, listener).least_gap(written, history)

    def _search(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> "_Search":
        evaluator = self.evaluator or RecourseEvaluator(instance)
        return _Search(instance, settings, clock, listener, evaluator, self.add, self.few)


class _Search(Search):
    """One run: a phase, or two where floors fail."""

    def solved(self) -> Solved:
        """Expected cost with all floors kept; the least gap where that cannot be."""
        return self._searched(self._expected)

    def least_gap(self, written: Iterable[int], history: Iterable[Progress]) -> Solved:
        """The least total gap, then the least cost with that gap held."""
        self.written, self.history = list(written), self.history or list(history)
        return self._searched(self._least_gap)

    def _searched(self, search: Callable[[], Solved]) -> Solved:
        """Run a search from nothing."""
        self.probability = np.array([shock.probability for shock in self.instance.events])
        sizes = (demand.shortage_cost * max(demand.quantity.values) for demand in self.instance.demands.values())
        self.grain = EXACT * max(1.0, *sizes)
        self.phases: list[BendersLoop] = []
        return search()

    def _expected(self) -> Solved:
        if self.phase in ("gap", "cost under the gap"):
            return self._least_gap()
        phase = self._phase("cost", self._floors_kept, self._look_at_costs, needs_all=True)
        if phase.run():
            return self._finished(phase, 0.0, 0.0)
        return self._stopped() if self.clock.is_over else self._least_gap()

    def _least_gap(self) -> Solved:
        if self.phase == "cost under the gap" and self.resumed:
            gap, bound = float(self.resumed.facts["gap"]), float(self.resumed.facts["gap_bound"])
            return self._cheapest(gap, bound, None)
        idle = self.evaluator.idle(self.clock).gap
        counted = np.flatnonzero((idle > 0.0) | (self.probability > 0.0))
        if len(counted) <= self.few:
            return self._written_out(counted.tolist())
        left = {int(n): float(idle[n]) for n in np.flatnonzero(idle) if int(n) not in self.written}
        self.write(select_most_violated(self.instance.events, left, max(0, 2 * self.add - len(self.written))))
        near = (1.0 - ROOM) * self.settings.gap
        phase = self._phase("gap", self._gaps_free, self._look_at_gaps, most=WRITTEN, tolerance=near)
        if not phase.run():
            return self._stopped() if self.clock.is_over else Solved("infeasible", phase.master.stage)
        assert phase.best is not None
        return self._cheapest(phase.best.look.gap, max(0.0, phase.bound), phase.best)

    def _written_out(self, counted: list[int]) -> Solved:
        """All others cost nothing, and are survived whatever is built."""
        self.written = counted
        solved = self._run().least_gap()
        if solved.values is None:
            return solved
        left, values = gaps(solved.stage, self.instance), solved.values.tolist()
        of = {n: left.get(self.instance.events[n].name, Expression()).value(values) for n in counted}
        bites = {n: gap for n, gap in of.items() if gap > self.grain}
        self.note("cost under the gap", solved.cost, solved.bound, bites)
        return replace(solved, history=tuple(self.history))

    def _cheapest(self, gap: float, bound: float, least: Incumbent | None) -> Solved:
        """The least cost with a gap held."""
        limit = gap * (1.0 + max(HELD, ROOM * self.settings.gap)) + self.grain
        facts = {"gap": gap, "gap_bound": bound}

        def look(master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
            return self._look_at_both(master, point, values, limit)

        known = self.phases[-1].master.cuts if self.phases and not self.probability.any() else {}
        # What the gap costs is learned from a plan that is known to leave no more; writing shocks out would say the
        # same at a higher price.
        self.written = []
        phase = self._phase(
            "cost under the gap", lambda some: self._gap_held(some, gap), look, facts=facts, most=0, needs_all=True
        )
        phase.master.recall(known)
        if least is not None:
            phase.begin(least.answer)
        return self._finished(phase, gap, bound, least) if phase.run() else self._stopped()

    def _phase(
        self,
        name: str,
        build: Callable[[Collection[int]], MasterProblem],
        look: Callable[[MasterProblem, Vector, Vector], Evaluation],
        **more: Any,
    ) -> BendersLoop:
        phase = BendersLoop(self, name, build, look, grain=self.grain, **more)
        self.phases.append(phase)
        return phase

    def _groups(self, kind: EstimateKind, alone: Collection[int] = ()) -> dict[EstimateKind, ShockGroups]:
        """Shocks that count, in groups of like ones; those that are to be alone first, each in a group of its own."""
        size = len(self.probability)
        if kind == "gap":
            weights, least = np.where(self._fragile, 1.0, 0.0), np.zeros(size)
        else:
            weights, least = self.probability, self._least_costs
        singles = [n for n in alone if weights[n] > 0]
        ordered = [n for part in self.evaluator.slices for n in part.events.tolist() if weights[n] > 0]
        ordered = [n for n in ordered if n not in set(singles)]
        if not singles and not ordered:
            return {}
        of = np.full(size, -1, dtype=np.intp)
        of[singles] = np.arange(len(singles))
        of[ordered] = len(singles) + np.arange(len(ordered)) * min(GROUPS, len(ordered)) // max(1, len(ordered))
        return {kind: ShockGroups(kind, of, weights, least)}

    @cached_property
    def _fragile(self) -> npt.NDArray[np.bool_]:
        """By shock, whether a floor may be missed in it: in any, where that is free; else as where nothing is built."""
        return np.asarray(bool(free_floors(self.instance)) | (self.evaluator.idle(self.clock).gap > 0.0))

    @cached_property
    def _least_costs(self) -> Vector:
        return self.evaluator.least_costs()

    def _master(self, written: Collection[int], groups: dict[EstimateKind, ShockGroups]) -> MasterProblem:
        tolerance = None if self.settings.tolerance is None else self.settings.tolerance / 2
        settings = replace(self.settings, gap=self.settings.gap / 2, tolerance=tolerance)
        shocks = [self.instance.events[n] for n in dict.fromkeys(written)]
        return MasterProblem(self.instance, shocks, settings, self.clock, self.hear, self.writer, groups=groups)

    def _floors_kept(self, written: Collection[int]) -> MasterProblem:
        master = self._master(written, self._groups("cost"))
        master.floors(0.0)
        return master

    def _gaps_free(self, written: Collection[int]) -> MasterProblem:
        master = self._master(written, self._groups("gap"))
        master.floors(np.inf)
        master.minimise("gap")
        return master

    def _gap_held(self, written: Collection[int], gap: float) -> MasterProblem:
        """What a shock costs that can fail depends on the gap that it is granted: it is alone in its groups."""
        fragile = np.flatnonzero(self._fragile & (self.probability > 0.0)).tolist()
        of_gaps, of_costs = self._groups("gap", fragile), self._groups("cost", fragile)
        if of_costs:
            gaps = np.full(of_costs["cost"].size, -1, dtype=np.intp)
            gaps[: len(fragile)] = np.arange(len(fragile))
            of_costs = {"cost": replace(of_costs["cost"], gaps=gaps)}
        master = self._master(written, of_gaps | of_costs)
        master.floors(np.inf, gap * (1.0 + HELD))
        return master

    def _look_at_costs(self, master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
        """Expected cost, and the shocks that fail; costs are learned, and shocks without probability only checked."""
        value, learned, bites = master.cost.value(point.tolist()), 0, dict[int, float]()
        needless = set(self.needless.union(self.written))
        for kind, groups in master.groups.items():
            found = self._slopes(groups, point)
            value += float(found.value.sum() - master.estimated(kind, point).sum())
            learned += master.learn(kind, point, found, values)
            bites |= {int(n): float(found.gap[n]) for n in np.flatnonzero(found.fails) if int(n) not in self.written}
            needless |= set(np.flatnonzero(groups.of >= 0).tolist())
        if len(needless) < len(self.instance.events):
            left = self.evaluator.gaps(point, self.clock, needless)
            bites |= {int(n): float(left.gap[n]) for n in np.flatnonzero(left.fails)}
        return Evaluation(value, 0.0, not bites, bites, learned)

    def _look_at_gaps(self, master: MasterProblem, point: Vector, values: Vector) -> Evaluation:
        if "gap" not in master.groups:
            return Evaluation(0.0)
        groups = master.groups["gap"]
        found = self._slopes(groups, point)
        missed, total = master.missed("gap", point, found, values), float(found.value.sum())
        learned = master.learn("gap", point, found, values)
        bites = {int(n): float(found.gap[n]) for n in np.flatnonzero(found.fails)}
        # The worst judged shocks teach most where they are written out.
        wanted = {n: float(missed[groups.of[n]]) for n in bites if missed[groups.of[n]] > MISJUDGED * total}
        return Evaluation(total, total, True, bites, learned, wanted)

    def _look_at_both(self, master: MasterProblem, point: Vector, values: Vector, limit: float) -> Evaluation:
        """Gap and cost: each shock that can fail is granted the least gap, and what the master estimates above it."""
        value, learned, bites = master.cost.value(point.tolist()), 0, dict[int, float]()
        total, granted = 0.0, None
        if "gap" in master.groups:
            of_gaps = self._slopes(master.groups["gap"], point)
            learned += master.learn("gap", point, of_gaps, values)
            total = float(of_gaps.value.sum())
            granted, total = self._granted(master, point, of_gaps, limit)
        if "cost" in master.groups:
            of_costs = self._slopes(master.groups["cost"], point, granted)
            learned += master.learn("cost", point, of_costs, values)
            value += float(of_costs.value.sum() - master.estimated("cost", point).sum())
            bites = {int(n): float(of_costs.gap[n]) for n in np.flatnonzero(of_costs.fails)}
        return Evaluation(value, total, total <= limit and not bites, bites, learned)

    def _granted(self, master: MasterProblem, point: Vector, found: Subgradients, limit: float) -> tuple[Vector, float]:
        """By shock, the gap that it may leave, nan where its floors are kept; and all gaps together."""
        groups, total = master.groups["gap"], float(found.value.sum())
        granted = np.full(len(self.probability), np.nan)
        alone = np.flatnonzero(self._fragile & (self.probability > 0.0))
        more = np.maximum(master.estimated("gap", point)[groups.of[alone]] - found.gap[alone], 0.0)
        # What is left of the limit is shared out; the least itself needs some room for the solver's tolerance.
        room = max(0.0, limit - total)
        more *= min(1.0, room / more.sum()) if more.any() else 0.0
        granted[alone] = (found.gap[alone] + more) * (1.0 + SLACK) + SLACK
        return granted, total + float(more.sum())

    def _slopes(self, groups: ShockGroups, point: Vector, granted: Vector | None = None) -> Subgradients:
        task = TASKS[groups.kind]
        return self.evaluator.slopes(point, self.clock, task, groups.of, groups.weights, groups.outside, granted)

    def _finished(self, phase: BendersLoop, gap: float, gap_bound: float, least: Incumbent | None = None) -> Solved:
        best = phase.best
        assert best is not None
        assert best.answer.values is not None
        status: Literal["optimal", "stopped"] = "optimal" if phase.is_proven else "stopped"
        gap = max(gap, best.look.gap) if gap else 0.0
        priced = least or (best if gap == 0 else None)
        return Solved(
            status=status,
            stage=best.stage,
            values=best.answer.values,
            cost=best.look.value,
            bound=min(phase.bound, best.look.value),
            gap=gap,
            gap_bound=min(gap, gap_bound),
            priced=Priced.of(priced.stage, priced.answer) if priced else None,
            history=tuple(self.history),
            notes=tuple(phase.master.notes),
            is_loose=phase.name != "cost",
        )

    def _stopped(self) -> Solved:
        """The time ran out: the best plan of the last phase that has one; else to do nothing."""
        for phase in reversed(self.phases):
            if phase.best is not None and phase.name != "gap":
                found = self._finished(phase, phase.best.look.gap, 0.0)
                return replace(found, status="stopped", bound=float("-inf"), gap_bound=0.0)
        values, note = self._in_hand(), "The search was stopped before the cost of this plan was minimised."
        if values is None:
            solved = self._run().in_hand()
            values = None if solved is None else solved.values
        if values is None:
            note = "The run was stopped before any plan was found; this one does nothing."
        return self._as_planned(values, note)

    def _in_hand(self) -> Vector | None:
        return next((phase.in_hand for phase in reversed(self.phases) if phase.in_hand is not None), None)

    def _run(self) -> ScenarioModel:
        """A model of the written shocks that knows what was found so far, should it be stopped."""
        run = ScenarioModel(self.instance, self.shocks(), self.settings, self.clock, self.hear, self.writer)
        whole, loose = self._in_hand(), next((p.loose for p in reversed(self.phases) if p.loose is not None), None)
        run.start = None if whole is None else whole[run.model.integers]
        run.loose = None if loose is None else SolveResult("optimal", loose, float("-inf"), float("-inf"), None)
        return run

    def _as_planned(self, best: Vector | None, note: str) -> Solved:
        """A plan of which only the gap was asked, or none: what it costs with the cheapest baseline."""
        master, history = self._master((), {}), tuple(self.history)
        answer = master.as_planned(np.zeros(master.size) if best is None else best)
        if answer.values is None:
            return Solved("stopped", master.stage, history=history, notes=(note,))
        cost, likely = answer.objective, self.probability > 0
        if likely.any():
            replies = self.evaluator.best(answer.values, self.clock, {}, likely, flows=True)
            cost += float(self.probability @ self.evaluator.costs(replies))
        gap = float(self.evaluator.gaps(answer.values, self.clock).gap.sum())
        return Solved("stopped", master.stage, answer.values, cost, gap=gap, history=history, notes=(note,))
