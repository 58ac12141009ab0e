"""A model with some shocks written out, and the two questions asked of it.

    cost    all floors kept, least cost
    gap     where that cannot be: least survival gap, then least cost with that gap held

Integers are proven first; then they are fixed and the linear programme is solved again, so that what is reported
satisfies its rows exactly and has prices. More shocks may be written out between two questions; the model stays.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.base import Priced, Solved
from optimizer.algorithms.question import LEAST_COST, Question
from optimizer.algorithms.reading import is_negligible, opened_at_zero
from optimizer.disruptions.shock import Shock
from optimizer.formulation import Ration, hold, write_path
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression
from optimizer.progress import Listener, Progress
from optimizer.solver import Clock, Model, Settings, SolveResult, Vector
from optimizer.tolerances import HELD_GAP, INTEGRALITY

Aim = Literal["cost", "gap"]


@dataclass
class ScenarioModel:
    """The model of an instance with some of its shocks written out."""

    instance: Instance
    shocks: Sequence[Shock]
    settings: Settings
    clock: Clock
    listener: Listener
    writer: formulation.Writer | None = None
    question: Question = LEAST_COST
    history: list[Progress] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.perf_counter()
        self.shocks = tuple(self.shocks)
        self.stage = (self.writer or formulation.Writer(self.instance)).whole_stage(self.shocks)
        for write in self.question.rows:
            write(self.stage, self.instance, self.shocks)
        self.ration = Ration((), 1.0)
        self.start: Vector | None = None
        self.loose: SolveResult | None = None
        self.aim: Aim = "cost"
        self._count()
        self.model = Model(self.stage, self.cost, self.settings, self.clock)

    def _count(self) -> None:
        """What is minimised, and where floors may be missed; once the shocks of the stage are known."""
        self.cost, self.shortfall = self._objectives()
        self.below = [j for j, column in enumerate(self.stage.columns) if column.mark.what == "below"]

    def _objectives(self) -> tuple[Expression, Expression]:
        """What is minimised: what the question says, and where floors fail the gap."""
        cost = self.question.objective(self.stage, self.instance, self.shocks)
        return cost, formulation.gap(self.stage, self.instance)

    def grow(self, shocks: Iterable[Shock]) -> None:
        """Write out more shocks. A stage that somebody was given stays as it was."""
        self.stage, more = self.stage.copy(), tuple(shocks)
        for shock in more:
            write_path(self.stage, self.instance, self.instance.path(shock))
        self.shocks = (*self.shocks, *more)
        self._count()
        self._pass_on()
        self.floors(self.most, self.allowed)

    def _pass_on(self) -> None:
        self.model.grow(self.stage, self.cost)
        self.minimise(self.aim)

    def minimise(self, aim: Aim) -> None:
        """Choose what is asked for."""
        self.aim = aim
        self.model.minimise(self.cost if aim == "cost" else self.shortfall)

    def floors(self, most: float, allowed: float = math.inf) -> None:
        """Let each floor be missed by `most`, t, and all together by `allowed`, in money."""
        self.most, self.allowed = most, allowed
        if most > 0 and math.isfinite(allowed) and not self.ration.columns:
            self.stage = self.stage.copy()
            self.ration = hold(self.stage, "survival", self.shortfall)
            if self.ration.columns:
                self._pass_on()
        self.model.bound(self.below, 0.0, most)
        self.model.bound(self.ration.columns, 0.0, allowed / self.ration.unit)

    def keep_floors(self) -> None:
        """Bound what floors may be missed by, as far as the question asks for it."""
        if self.question.allowed > 0:
            self.floors(math.inf, self.question.allowed)
        else:
            self.floors(0.0)

    def relaxed(self) -> SolveResult:
        """The least cost with all floors kept, without integers."""
        self.unfix()
        self.keep_floors()
        self.minimise("cost")
        answer = self.model.solve(relaxed=True)
        self.loose = self.loose if answer.values is None else answer
        return answer

    def kept(self) -> Solved | None:
        """The cheapest plan that keeps all floors; None where there is none, but might be one that does not."""
        self.keep_floors()
        self.minimise("cost")
        at_hand = self.started()
        answer = self._better_than(at_hand, self.question.name)
        if answer.status == "infeasible" and not self.below:
            return Solved("infeasible", self.stage, history=tuple(self.history))
        if answer.status == "infeasible":
            return None
        if answer.values is None:
            return self.fall_back()
        return self._finish(answer, 0.0, 0.0, None)

    def ask(self, phase: str, cutoff: float = math.inf) -> SolveResult:
        """Solve with integers, telling every step; what is not cheaper than a cutoff is not looked for."""
        self.tell(phase, math.inf, -math.inf)
        tolerance = self.settings.tolerance if self.aim == "cost" else None
        answer = self.model.solve(listener=partial(self.tell, phase), cutoff=cutoff, tolerance=tolerance)
        if answer.values is not None:
            self.tell(phase, answer.objective, answer.bound)
        return answer

    def tell(self, phase: str, best: float, bound: float) -> None:
        """Keep a step of the search with integers, and pass it on."""
        step = Progress(phase, time.perf_counter() - self.began, best, bound, len(self.shocks))
        self.history.append(step)
        self.listener(step)

    def rounded(self, values: Vector) -> SolveResult | None:
        """The best with the nearest whole numbers, or where they leave too little with the next larger ones.

        The integers stay fixed. They are the first columns' alone: a stage that has grown since will do.
        """
        integers = values[self.model.integers]
        return self._first_of((np.round(integers), np.ceil(integers - INTEGRALITY)))

    def _first_of(self, proposals: Iterable[Vector]) -> SolveResult | None:
        """The best with the first integers that fit; they stay fixed."""
        for whole in proposals:
            self.model.bound(self.model.integers, whole, whole)
            answer = self.untimed()
            if answer.values is not None:
                return answer
        return None

    def given_up(self, loose: SolveResult | None) -> Solved:
        """The time ran out before the integers: the plan that a relaxation rounds to, or another one in hand."""
        self.loose = loose or self.loose
        return self.fall_back()

    def made(self, best: SolveResult, status: Literal["optimal", "stopped"], bound: float) -> Solved:
        """A plan that keeps all floors, with whole numbers, as what was found."""
        return self._finish(replace(best, status=status, bound=bound), 0.0, 0.0, None)

    def least_gap(self) -> Solved:
        """Floors cannot all be kept: least gap first, then least cost with that gap held."""
        self.unfix()
        self.floors(np.inf)
        self.minimise("gap")
        answer = self.ask("gap")
        if answer.status == "infeasible":
            return Solved("infeasible", self.stage, history=tuple(self.history))
        if answer.values is None:
            return self.fall_back()
        least = self.polished(answer)
        priced = Priced.of(self.stage, least)
        gap_bound = max(0.0, min(answer.bound, least.objective))
        at_hand = self._at_hand(least.objective)
        if answer.status == "stopped" or self.clock.is_over:
            return self._finish(replace(at_hand or least, status="stopped"), least.objective, gap_bound, priced)
        answer = self._better_than(at_hand, "cost under the gap")
        if answer.values is None:
            answer = replace(least, status="stopped", bound=-math.inf)
        return self._finish(answer, least.objective, gap_bound, priced)

    def _at_hand(self, gap: float) -> SolveResult | None:
        """With the integers that are fixed, the least cost at which a gap is held."""
        self.minimise("cost")
        for slack in (HELD_GAP, 10 * HELD_GAP):
            self.floors(np.inf, gap * (1.0 + slack))
            answer = self.untimed()
            if answer.values is not None:
                return replace(answer, bound=-math.inf)
        return None

    def started(self) -> SolveResult | None:
        """The best with the integers to start from, if there are any and they fit."""
        if self.start is None or not len(self.model.integers):
            return None
        self.model.bound(self.model.integers, self.start, self.start)
        answer = self.untimed()
        return None if answer.values is None else replace(answer, bound=-math.inf)

    def _better_than(self, at_hand: SolveResult | None, phase: str) -> SolveResult:
        """Where a plan is at hand, only one that is noticeably better is looked for."""
        self.unfix()
        cutoff = math.inf
        if at_hand is not None:
            cutoff = at_hand.objective - self.settings.slack(at_hand.objective)
        answer = self.ask(phase, cutoff)
        if answer.values is None and at_hand is not None:
            bound = -math.inf if answer.status == "stopped" else min(answer.bound, cutoff)
            return replace(at_hand, status="stopped" if answer.status == "stopped" else "optimal", bound=bound)
        if at_hand is not None and answer.objective > at_hand.objective:
            return replace(at_hand, status=answer.status, bound=min(answer.bound, cutoff))
        return answer

    def fall_back(self) -> Solved:
        """The time ran out before the solver had a plan: the one in hand; where there is none, to do nothing."""
        solved = self.in_hand() or self._nothing()
        self.unfix()
        return solved

    def in_hand(self) -> Solved | None:
        """The plan of the integers to start from, or of what the last relaxation rounds to.

        The cheapest that keeps all floors; where none does, the one with the least gap.
        """
        proposals: list[tuple[Vector, ...]] = [] if self.start is None else [(self.start,)]
        bound = -math.inf
        if self.loose is not None and self.loose.values is not None:
            integers, bound = self.loose.values[self.model.integers], self.loose.objective
            proposals.append((np.round(integers), np.ceil(integers - INTEGRALITY)))
        self.keep_floors()
        self.minimise("cost")
        found = [answer for each in proposals if (answer := self._first_of(each)) is not None]
        if found:
            return self.made(min(found, key=lambda answer: answer.objective), "stopped", bound)
        if not proposals or not self.question.is_usual:
            return None
        self.floors(np.inf)
        self.minimise("gap")
        wholes = [whole for each in proposals for whole in each]
        gaps = [math.inf if (answer := self._first_of([each])) is None else answer.objective for each in wholes]
        gap, whole = max(0.0, min(gaps)), wholes[gaps.index(min(gaps))]
        self.model.bound(self.model.integers, whole, whole)
        at_hand = self._at_hand(gap) if math.isfinite(gap) else None
        if at_hand is None:
            return None
        return self._solved(replace(at_hand, status="stopped"), gap, 0.0, None, is_loose=True)

    def _nothing(self) -> Solved:
        """Nothing is bought: that plan is always there."""
        self.unfix()
        self.notes.append("The run was stopped before any plan was found; this one does nothing.")
        marks = [column.mark for column in self.stage.columns]
        plan = [j for j, m in enumerate(marks) if m.owner in self.instance.options and not m.path and m.what != "stock"]
        self.floors(np.inf)
        self.model.bound(plan, 0.0, 0.0)
        self.minimise("gap")
        answer = self.untimed()
        if answer.values is None:
            return Solved("stopped", self.stage, history=tuple(self.history), notes=tuple(self.notes))
        gap = max(0.0, self.shortfall.value(answer.values.tolist()))
        self.floors(np.inf, gap * (1.0 + HELD_GAP))
        self.minimise("cost")
        cheapest = self.untimed()
        answer = answer if cheapest.values is None else cheapest
        stopped = replace(answer, status="stopped", bound=-math.inf)
        return self._solved(stopped, gap, 0.0, None, is_loose=True)

    def polished(self, answer: SolveResult) -> SolveResult:
        """The same integers, fixed and whole; the rest again by linear programming, with prices."""
        again = self.fixed(answer)
        if again is None:
            self.notes.append("The integers could not be fixed exactly; prices are left out.")
        return again or answer

    def fixed(self, answer: SolveResult) -> SolveResult | None:
        """The same; None where nothing fits the integers. They stay fixed."""
        assert answer.values is not None
        if not len(self.model.integers) and answer.prices is not None:
            return answer
        values = answer.values.copy()
        for _ in range(3):
            fixed = np.round(values[self.model.integers])
            self.model.bound(self.model.integers, fixed, fixed)
            again = self.untimed()
            if again.values is None:
                return None
            dust = opened_at_zero(self.instance, self.stage, again.values)
            if not dust:
                break
            values = again.values.copy()
            values[dust] = 0.0
        return again

    def untimed(self) -> SolveResult:
        """Solve what is left once the integers are fixed, whatever the clock says."""
        clock, self.model.clock = self.model.clock, Clock()
        try:
            return self.model.solve(relaxed=True)
        finally:
            clock.solving += self.model.clock.solving
            self.model.clock = clock

    def unfix(self) -> None:
        """Let the integers move again."""
        columns = self.stage.columns
        upper = [columns[j].upper for j in self.model.integers]
        self.model.bound(self.model.integers, 0.0, np.array(upper))

    def _finish(self, answer: SolveResult, gap: float, gap_bound: float, least: Priced | None) -> Solved:
        """Fix the integers of an answer; `least` are the prices of the gap, where floors fail."""
        bound = answer.bound if least is None or answer.status == "optimal" else -math.inf
        polished = replace(self.polished(answer), status=answer.status, bound=bound)
        return self._solved(
            polished, gap, gap_bound, least or Priced.of(self.stage, polished), is_loose=least is not None
        )

    def _solved(
        self, answer: SolveResult, gap: float, gap_bound: float, priced: Priced | None, *, is_loose: bool
    ) -> Solved:
        assert answer.values is not None
        values = answer.values.tolist()
        cost = self.cost.value(values)
        status: Literal["optimal", "stopped"] = "optimal" if answer.status == "optimal" else "stopped"
        if is_negligible(self.instance, self.stage, self.shocks, values):
            gap, gap_bound, is_loose = 0.0, 0.0, False
        return Solved(
            status, self.stage, answer.values, cost, min(answer.bound, cost), gap, gap_bound,
            priced, tuple(self.history), tuple(self.notes), is_loose=is_loose,
        )  # fmt: skip


@dataclass(frozen=True)
class ExtensiveForm:
    """The strategy that writes every shock out."""

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> Solved:
        """Find the cheapest plan that survives, or the one with the least gap."""
        run = ScenarioModel(instance, instance.events, settings, clock, listener)
        return run.kept() or run.least_gap()
