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

import numpy as np

from optimizer.instance.schema import Instance
from optimizer.shocks import Shock
from optimizer.solver import Answer, Clock, Settings, Vector
from optimizer.stage import Stage
from optimizer.strategies.base import Listener, Solved, Step
from optimizer.strategies.reading import plan_values, read_plan
from optimizer.strategies.recourse import Responder
from optimizer.strategies.whole import Run, Whole

# A price below this, in money per t, is none.
IDLE = 1e-6


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
        self.active: set[int] = set()
        self.history: list[Step] = []
        self.responder = responder
        self.dominated = frozenset(np.flatnonzero(responder.dominators >= 0).tolist())

    def solved(self) -> Solved:
        """Relaxation first, then integers; the whole model where floors fail or the time runs out."""
        if not self._relaxation():
            return self._whole()
        while True:
            run = Run(self.instance, self._written(), self.settings, self.clock, self._hear)
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
            run = Run(self.instance, self._written(), self.settings, self.clock, self._hear)
            answer = run.relaxed()
            if answer.values is None:
                return False
            violated = self._violated(answer.values)
            self._note("relaxation", answer.objective, answer.bound, violated)
            if not violated:
                self._drop_the_idle(run.stage, answer)
                return True
            self._add(violated, at_most=self.strategy.add)
        return False

    def _written(self) -> list[Shock]:
        return [self.instance.events[number] for number in sorted(self.active)]

    def _drop_the_idle(self, stage: Stage, answer: Answer) -> None:
        """Forget the shocks whose rows have no price: the integers are easier to prove without them."""
        if answer.prices is None:
            return
        busy = {row.mark.path for row, price in zip(stage.rows, answer.prices, strict=True) if abs(price) > IDLE}
        self.active = {number for number in self.active if self.instance.events[number].name in busy}

    def _whole(self) -> Solved:
        solved = Whole().run(self.instance, self.settings, self.clock, self._hear)
        return replace(solved, history=(*self.history, *solved.history))

    def _stopped(self, solved: Solved) -> Solved:
        """The time ran out: the plan is only known to survive the shocks that are written out."""
        left = len(self.instance.events) - len(self.active)
        note = f"Stopped while {left} shocks were not yet part of the search; the table shows how they fare."
        return replace(solved, history=tuple(self.history), notes=(*solved.notes, note))

    def _violated(self, plan: Sequence[float] | Vector) -> dict[int, float]:
        """By number, the gap in money of the shocks that are not written out and that the plan does not survive.

        Those that another dominates are not asked: they survive if it does.
        """
        checked = self.responder.gaps(plan, self.clock, self.active | self.dominated)
        return {int(n): max(float(checked.gap[n]), 1e-300) for n in np.flatnonzero(checked.fails)}

    def _add(self, violated: dict[int, float], at_most: int) -> None:
        """The worst violators; of near-copies (one entry of the file, windows that overlap) only the worst."""
        chosen: list[int] = []
        events = self.instance.events
        for number in sorted(violated, key=lambda number: -violated[number]):
            if not any(_alike(events[number], events[other]) for other in chosen):
                chosen.append(number)
            if len(chosen) == at_most:
                break
        self.active |= set(chosen)

    def _hear(self, step: Step) -> None:
        self.listener(replace(step, seconds=time.perf_counter() - self.began))

    def _note(self, phase: str, best: float, bound: float, violated: dict[int, float]) -> None:
        seconds, worst = time.perf_counter() - self.began, max(violated.values(), default=0.0)
        step = Step(phase, seconds, best, bound, len(self.active), len(self.history) + 1, len(violated), worst)
        self.history.append(step)
        self.listener(step)


def _alike(one: Shock, other: Shock) -> bool:
    return one.spec is other.spec and one.periods.start < other.periods.stop and other.periods.start < one.periods.stop


def chosen(name: str, shocks: Sequence[Shock], responder: Responder | None = None) -> Whole | Scenarios:
    """The strategy of a name; ``auto`` takes scenarios where there are more than a handful of shocks."""
    if name == "whole" or (name == "auto" and len(shocks) <= 8):
        return Whole()
    return Scenarios(responder=responder)
