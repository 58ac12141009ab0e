"""Few shocks bind: solve with those only, check all the others against the plan, add the worst, repeat.

    relaxation   integers dropped, from no shock at all until no shock is violated
    integers     the same with integers, from the shocks that the relaxation needed

The optimum is that of the whole model: with fewer shocks the model is a relaxation, so its bound is a bound, and a plan
that every other shock survives is feasible for all. Where the floors cannot all be kept, or shocks have probabilities,
every shock counts, and the whole model is solved.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from optimizer.instance.schema import Instance
from optimizer.plan import Flows
from optimizer.shocks import Shock
from optimizer.solver import Clock, Settings
from optimizer.strategies.base import Listener, Solved, Step
from optimizer.strategies.reading import plan_values, read_plan
from optimizer.strategies.recourse import Responder
from optimizer.strategies.whole import Run, Whole

# A shock counts as violated above this share of a segment's demand: ten times finer than what a result calls a failure.
VIOLATION = 1e-7


@dataclass(frozen=True)
class Scenarios:
    """Add only the shocks that bite. `add` is how many are added in a round.

    A responder that is already warm may be given; its answers are the same.
    """

    add: int = 4
    responder: Responder | None = field(default=None, compare=False, repr=False)

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> Solved:
        """Find the cheapest plan that survives, or the one with the least gap."""
        if any(shock.probability > 0 for shock in instance.events) or len(instance.events) <= self.add:
            return Whole().run(instance, settings, clock, listener)
        responder = self.responder or Responder(instance)
        return _Rounds(self, instance, settings, clock, listener, responder).solved()


class _Rounds:
    """One run: the shocks that are written out so far, and the steps taken."""

    def __init__(
        self,
        strategy: Scenarios,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        responder: Responder,
    ) -> None:
        self.strategy, self.instance, self.settings, self.clock = strategy, instance, settings, clock
        self.listener = listener
        self.began = time.perf_counter()
        self.active: list[Shock] = []
        self.history: list[Step] = []
        self.responder = responder

    def solved(self) -> Solved:
        """Relaxation first, then integers; the whole model where floors fail or the time runs out."""
        if not self._relaxation():
            return self._whole()
        while True:
            run = Run(self.instance, self.active, self.settings, self.clock, self._hear)
            solved = run.kept()
            if solved is None or solved.status == "infeasible":
                return self._whole()
            if solved.values is None or (solved.status == "stopped" and self.clock.is_over):
                return self._stopped(solved)
            plan = read_plan(self.instance, run.stage, solved.values.tolist())
            violated = self._violated(plan_values(self.instance, plan))
            self._note("integers", solved.cost, solved.bound, violated)
            if not violated:
                return replace(solved, history=tuple(self.history))
            self._add(violated, at_most=2 * self.strategy.add)

    def _relaxation(self) -> bool:
        """Whether the relaxation keeps all floors; then `active` holds the shocks that it needed."""
        while not self.clock.is_over:
            run = Run(self.instance, self.active, self.settings, self.clock, self._hear)
            answer = run.relaxed()
            if answer.values is None:
                return False
            violated = self._violated(answer.values.tolist())
            self._note("relaxation", answer.objective, answer.bound, violated)
            if not violated:
                return True
            self._add(violated, at_most=self.strategy.add)
        return False

    def _whole(self) -> Solved:
        solved = Whole().run(self.instance, self.settings, self.clock, self._hear)
        return replace(solved, history=(*self.history, *solved.history))

    def _stopped(self, solved: Solved) -> Solved:
        """The time ran out: the plan is only known to survive the shocks that are written out."""
        left = len(self.instance.events) - len(self.active)
        note = f"Stopped while {left} shocks were not yet part of the search; the table shows how they fare."
        return replace(solved, history=tuple(self.history), notes=(*solved.notes, note))

    def _violated(self, plan: Sequence[float]) -> dict[str, float]:
        """By shock, the gap in money of those that are not written out and that the plan does not survive.

        The plan is the first columns of `plan`, as every stage begins with them.
        """
        written = frozenset(shock.name for shock in self.active)
        answers = self.responder.gaps(plan, self.clock, written)
        return {
            shock.name: max(answers[shock.name].gap, 1e-300)
            for shock in self.instance.events
            if shock.name not in written and self._fails(shock, answers[shock.name].flows)
        }

    def _fails(self, shock: Shock, flows: Flows) -> bool:
        path = self.instance.path(shock)
        return any(
            unserved - (1.0 - path.floor_at(d, t)) * path.demanded(d, t) > VIOLATION * path.demanded(d, t)
            for d, row in flows.unserved.items()
            for t, unserved in zip(shock.periods, row, strict=True)
        )

    def _add(self, violated: dict[str, float], at_most: int) -> None:
        """The worst violators; of near-copies (one entry of the file, windows that overlap) only the worst."""
        chosen: list[Shock] = []
        by_name = {shock.name: shock for shock in self.instance.events}
        for name in sorted(violated, key=lambda name: -violated[name]):
            if len(chosen) < at_most and not any(_alike(by_name[name], other) for other in chosen):
                chosen.append(by_name[name])
        written = {shock.name for shock in [*self.active, *chosen]}
        self.active = [shock for shock in self.instance.events if shock.name in written]

    def _hear(self, step: Step) -> None:
        self.listener(replace(step, seconds=time.perf_counter() - self.began))

    def _note(self, phase: str, best: float, bound: float, violated: dict[str, float]) -> None:
        seconds, worst = time.perf_counter() - self.began, max(violated.values(), default=0.0)
        step = Step(phase, seconds, best, bound, len(self.active), len(self.history) + 1, len(violated), worst)
        self.history.append(step)
        self.listener(step)


def _alike(one: Shock, other: Shock) -> bool:
    overlap = one.periods.start < other.periods.stop and other.periods.start < one.periods.stop
    return one.entry == other.entry and overlap


def chosen(name: str, shocks: Sequence[Shock], responder: Responder | None = None) -> Whole | Scenarios:
    """The strategy of a name; ``auto`` takes scenarios where there are more than a handful of shocks."""
    if name == "whole" or (name == "auto" and len(shocks) <= 8):
        return Whole()
    return Scenarios(responder=responder)
