"""Few shocks bind: solve with those only, check all the others against the plan, add the worst, repeat.

    relaxation   integers dropped, from no shock at all until no shock is violated; the first shocks to be written out
                 are those that are worst where nothing is built
    integers     the same with integers, from the shocks that the relaxation needed: by a few branches (`branching`)
                 where these suffice

The optimum is that of the whole model: with fewer shocks the model is a relaxation, so its bound is a bound, and a plan
that every other shock survives is feasible for all. Where the floors cannot all be kept, or shocks have probabilities,
every shock counts, and cuts take over.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.algorithms.base import Solved, Strategy
from optimizer.algorithms.benders import FEW, Benders
from optimizer.algorithms.branching import Branching
from optimizer.algorithms.extensive_form import ExtensiveForm, ScenarioModel
from optimizer.algorithms.question import LEAST_COST, Question
from optimizer.algorithms.reading import integers_of, plan_values, read_no_shock, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.search import Search
from optimizer.algorithms.separation.listed import paths_with_dual_values, select_most_violated
from optimizer.instance.schema import Instance
from optimizer.progress import Listener
from optimizer.results.plan import NoShockPlan, Plan
from optimizer.solver import Clock, Settings, SolveResult, Vector
from optimizer.solver.base import StrategyName

# Where more of the written shocks than this are needed, a new model would cost more than it saves.
MOSTLY = 0.8


@dataclass(frozen=True)
class ConstraintGeneration:
    """Add only the shocks that bite.

    Attributes:
        add: how many are added in a round.
        evaluator: one that is already warm; its answers are the same.
        first: names of shocks to begin with.
        few: for `Benders`, which take over where floors fail.
        question: what is asked of the plans that keep the floors. Another than least cost has no answer where they
            cannot be kept: the status is ``infeasible`` then.
        plan: one to start from, which bounds the search.
    """

    add: int = 4
    evaluator: RecourseEvaluator | None = field(default=None, compare=False, repr=False)
    first: frozenset[str] = frozenset()
    few: int = FEW
    question: Question = LEAST_COST
    plan: Plan | None = field(default=None, compare=False, repr=False)

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> Solved:
        """Find the cheapest plan that survives, or the one with the least gap."""
        evaluator = self.evaluator or RecourseEvaluator(instance)
        likely = {shock.name for shock in instance.events if shock.probability > 0}
        if likely and self.question.is_usual:
            return Benders(self.add, evaluator, self.few).run(instance, settings, clock, listener)
        search = _Search(instance, settings, clock, listener, evaluator, self.add, self.few)
        search.question, search.plan = self.question, self.plan
        search.write(n for n, shock in enumerate(instance.events) if shock.name in self.first | likely)
        if self.question.allowed > 0:
            search.write(np.flatnonzero(evaluator.idle(clock).gap > 0.0).tolist())
        return search.solved()


class _Search(Search):
    """One run: its `written` shocks are those that the model holds."""

    question = LEAST_COST
    plan: Plan | None = None
    no_shock: NoShockPlan | None = None
    # The last relaxation.
    loose: SolveResult | None = None
    # The shocks that were violated when they were last asked: the next to be asked.
    suspects = frozenset[int]()

    def solved(self) -> Solved:
        """Relaxation first, then integers; the least gap where floors fail."""
        self.best: Solved | None = None
        self.written = self.rewritten() or self.written
        self.suspects = frozenset(self.resumed.facts.get("suspects", ())) if self.resumed else self.suspects
        self.run = self._run()
        if self.phase not in ("", "relaxation", "integers"):
            return self._least_gap()
        if not self.phase and not self.written:
            self._begin()
        loose = self.run.relaxed() if self.phase == "integers" else self._relaxation()
        if loose is None or loose.status == "infeasible":
            return self._stopped(self.run.given_up(self.loose)) if self.clock.is_over else self._least_gap()
        solved = self._by_branches(loose, self.question.name) or self._without_the_idle(loose)
        while True:
            if solved is None or solved.status == "infeasible":
                return self._least_gap()
            if solved.values is None or (solved.status == "stopped" and self.clock.is_over):
                return self._stopped(solved)
            plan = read_plan(self.instance, solved.stage, solved.values.tolist())
            violated = self._violated(plan_values(self.instance, plan, self.evaluator.subproblems.plan))
            self.note("integers", solved.cost, solved.bound, violated)
            self.best = solved
            if not violated:
                return replace(solved, no_shock=self.no_shock, history=tuple(self.history))
            self.plan, self.run.start = plan, solved.values[self.run.model.integers]
            self._write_out(select_most_violated(self.instance.events, violated, 2 * self.add))
            self._save("integers")
            solved = self._by_branches(self.run.relaxed(), self.question.name) or self.run.kept()

    def _begin(self) -> None:
        """Without any shock; then with those that are worst where nothing is built, as little is at first."""
        answer = self.run.relaxed()
        if answer.values is None:
            return
        self.loose = answer
        if self.question.is_usual and not self.instance.rules:
            start, self.run.start = self.run.start, None
            calm = self._by_branches(answer, None)
            if calm is not None and calm.values is not None and calm.status == "optimal":
                self.no_shock = read_no_shock(self.instance, calm.stage, calm.values.tolist(), calm.cost)
            self.run.start = start
        violated = self.evaluator.idle(self.clock).violated
        self.note("relaxation", answer.objective, answer.bound, violated)
        if violated:
            self._write_out(select_most_violated(self.instance.events, violated, self.add))
            self._save("relaxation")

    def _relaxation(self) -> SolveResult | None:
        """The relaxation with the shocks that it needs; None where it cannot keep all floors, or the time is over."""
        while not self.clock.is_over:
            answer = self.run.relaxed()
            if answer.values is None:
                return None
            self.loose = answer
            violated = self._violated(answer.values, self.add)
            self.note("relaxation", answer.objective, answer.bound, violated)
            if not violated:
                self._save("integers")
                return answer
            self._write_out(select_most_violated(self.instance.events, violated, self.add))
            self._save("relaxation")
        return None

    def _by_branches(self, loose: SolveResult, phase: str | None) -> Solved | None:
        """The plan that the relaxation leads to, if a few branches prove it; else the search begins with it."""
        if loose.status != "optimal" or loose.values is None:
            return None
        branching = Branching(self.run, loose, phase)
        if branching.best is None:
            return None
        if branching.bound > -math.inf:
            return self.run.made(branching.best, "optimal", branching.bound)
        if self.clock.is_over:
            return self.run.made(branching.best, "stopped", loose.objective)
        self.run.start = branching.integers
        return None

    def _save(self, phase: str) -> None:
        self.save(phase, {"suspects": sorted(self.suspects)}, {})

    def _write_out(self, numbers: Sequence[int]) -> None:
        had = len(self.written)
        self.write(numbers)
        self.run.grow(self.shocks()[had:])

    def _run(self) -> ScenarioModel:
        run = ScenarioModel(
            self.instance, self.shocks(), self.settings, self.clock, self.hear, self.writer, self.question
        )
        if self.plan is not None:
            run.start = np.array(integers_of(self.instance, self.plan, run.stage.columns))
        return run

    def _without_the_idle(self, loose: SolveResult) -> Solved | None:
        """The integers without the shocks whose rows have no price, if they are many: that is easier to prove.

        One that has a probability counts even so, for what it costs.
        """
        priced, events = paths_with_dual_values(self.run.stage, loose), self.instance.events
        needed = [number for number in self.written if events[number].name in priced or events[number].probability > 0]
        if len(needed) < MOSTLY * len(self.written):
            start, self.written = self.run.start, needed
            self.run = self._run()
            self.run.start, self.run.loose = start, loose
        return self.run.kept()

    def _least_gap(self) -> Solved:
        if not self.question.is_usual:
            return Solved("infeasible", self.run.stage, history=tuple(self.history))
        cuts = Benders(self.add, self.evaluator, self.few)
        solved = cuts.least_gap(self.instance, self.settings, self.clock, self.hear, self.written, self.history)
        if solved.status != "stopped" or (self.best is None and self.loose is None):
            return solved
        best = self._best_of(solved, self.best or self.run.given_up(self.loose))
        return replace(best, history=solved.history)

    def _stopped(self, solved: Solved) -> Solved:
        """The time ran out: the plan is only known to survive the shocks that are written out."""
        left, solved = len(self.instance.events) - len(self.written), self._best_of(solved, self.best)
        still = f"while {left} shocks were not yet part of the search; the table shows how they fare"
        note = f"Stopped {still if left else 'before the proof'}."
        return replace(solved, no_shock=self.no_shock, history=tuple(self.history), notes=(*solved.notes, note))

    def _best_of(self, solved: Solved, other: Solved | None) -> Solved:
        """Of two plans the one with the least gap in all shocks, then the cheaper one; it is not proven."""
        plans = [self._checked(each) for each in (solved, other) if each is not None and each.values is not None]
        best = min(plans, key=lambda each: (each.gap, each.cost), default=solved)
        return replace(best, status="stopped")

    def _checked(self, solved: Solved) -> Solved:
        """With the gap that it leaves in all shocks, not only in those that the model holds."""
        if solved.values is None:
            return solved
        plan = read_plan(self.instance, solved.stage, solved.values.tolist())
        survived = np.flatnonzero(self.evaluator.idle(self.clock).gap <= 0.0).tolist()
        gaps = self.evaluator.gaps(
            plan_values(self.instance, plan, self.evaluator.subproblems.plan), self.clock, survived
        )
        left = math.fsum(gaps.violated.values())
        return replace(solved, gap=max(solved.gap, left), gap_bound=min(solved.gap_bound, left)) if left > 0 else solved

    def _violated(self, plan: Sequence[float] | Vector, enough: int = 0) -> dict[int, float]:
        """By number, the gap in money of the shocks that are not written out and that the plan does not survive.

        Those that survive anyway, or if another one does, are not asked; nor are those that were survived the last
        time, where the others leave `enough` to write out.
        """
        everyone, violated = frozenset(range(len(self.instance.events))), dict[int, float]()
        others = everyone.difference(self.needless, self.written)
        for some in (others & self.suspects, others - self.suspects):
            if not enough or len(select_most_violated(self.instance.events, violated, enough)) < enough:
                violated |= self.evaluator.gaps(plan, self.clock, everyone - some).violated
        self.suspects = frozenset(violated)
        return violated


# Up to so many shocks the whole model is small.
HANDFUL = 8
# With probabilities, or where floors fail, every shock counts: the whole model is no larger than its shocks make it.
PERIODS = 60


def choose_strategy(
    name: StrategyName,
    instance: Instance,
    evaluator: RecourseEvaluator | None = None,
    first: frozenset[str] = frozenset(),
    plan: Plan | None = None,
) -> Strategy:
    """The strategy of a name.

    `first` are shocks that are known to bite, `plan` is one to start from: those of a question that was asked before.

    ``auto`` takes the whole model for a handful of shocks, or for shocks with probabilities that last few periods in
    all; else scenarios, which turn to cuts where every shock counts.
    """
    if name == "whole" or (name == "auto" and _is_small(instance)):
        return ExtensiveForm()
    return (
        Benders(evaluator=evaluator)
        if name == "cuts"
        else ConstraintGeneration(evaluator=evaluator, first=first, plan=plan)
    )


def _is_small(instance: Instance) -> bool:
    events = instance.events
    if any(shock.probability > 0 for shock in events):
        return sum(len(shock.periods) for shock in events) <= PERIODS
    return len(events) <= HANDFUL
