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
from optimizer.expression import Expression
from optimizer.formulation import Ration, hold, write_path
from optimizer.instance.schema import Instance
from optimizer.levers import Sized
from optimizer.plan import NEGLIGIBLE
from optimizer.shocks import Shock
from optimizer.solver import Answer, Clock, Model, Settings, Vector
from optimizer.strategies.base import Listener, Priced, Solved, Step
from optimizer.strategies.question import LEAST_COST, Question
from optimizer.strategies.reading import DUST

HELD = 1e-7
# An integer nearer to a whole number than this is whole.
WHOLE = 1e-6
Aim = Literal["cost", "gap"]


@dataclass
class Run:
    """The model of an instance with some of its shocks written out."""

    instance: Instance
    shocks: Sequence[Shock]
    settings: Settings
    clock: Clock
    listener: Listener
    writer: formulation.Writer | None = None
    question: Question = LEAST_COST
    history: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.perf_counter()
        self.shocks = tuple(self.shocks)
        self.stage = (self.writer or formulation.Writer(self.instance)).whole_stage(self.shocks)
        for write in self.question.rows:
            write(self.stage, self.instance, self.shocks)
        self.ration = Ration((), 1.0)
        self.start: Vector | None = None
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

    def result(self) -> Solved:
        """The cheapest plan that keeps all floors; where there is none, the one with the least gap."""
        solved = self.kept()
        return self.least_gap() if solved is None else solved

    def keep_floors(self) -> None:
        """Bound what floors may be missed by, as far as the question asks for it."""
        if self.question.allowed > 0:
            self.floors(math.inf, self.question.allowed)
        else:
            self.floors(0.0)

    def relaxed(self) -> Answer:
        """The least cost with all floors kept, without integers."""
        self.unfix()
        self.keep_floors()
        self.minimise("cost")
        return self.model.solve(relaxed=True)

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

    def ask(self, phase: str, cutoff: float = math.inf) -> Answer:
        """Solve with integers, telling every step; what is not cheaper than a cutoff is not looked for."""
        self.tell(phase, math.inf, -math.inf)
        tolerance = self.settings.tolerance if self.aim == "cost" else None
        answer = self.model.solve(listener=partial(self.tell, phase), cutoff=cutoff, tolerance=tolerance)
        if answer.values is not None:
            self.tell(phase, answer.objective, answer.bound)
        return answer

    def tell(self, phase: str, best: float, bound: float) -> None:
        """Keep a step of the search with integers, and pass it on."""
        step = Step(phase, time.perf_counter() - self.began, best, bound, len(self.shocks))
        self.history.append(step)
        self.listener(step)

    def rounded(self, values: Vector) -> Answer | None:
        """The best with the nearest whole numbers, or where they leave too little with the next larger ones.

        The integers stay fixed. They are the first columns' alone: a stage that has grown since will do.
        """
        integers = self.model.integers
        for whole in (np.round(values[integers]), np.ceil(values[integers] - WHOLE)):
            self.model.bound(integers, whole, whole)
            answer = self.untimed()
            if answer.values is not None:
                return answer
        return None

    def given_up(self, loose: Answer | None) -> Solved:
        """The time ran out before the integers: the plan that a relaxation rounds to, or nothing at all."""
        self.keep_floors()
        self.minimise("cost")
        if loose is not None and loose.values is not None:
            best = self.rounded(loose.values)
            if best is not None:
                return self.made(best, "stopped", loose.objective)
        self.unfix()
        return self.fall_back()

    def made(self, best: Answer, status: Literal["optimal", "stopped"], bound: float) -> Solved:
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

    def _at_hand(self, gap: float) -> Answer | None:
        """With the integers that are fixed, the least cost at which a gap is held."""
        self.minimise("cost")
        for slack in (HELD, 10 * HELD):
            self.floors(np.inf, gap * (1.0 + slack))
            answer = self.untimed()
            if answer.values is not None:
                return replace(answer, bound=-math.inf)
        return None

    def started(self) -> Answer | None:
        """The best with the integers to start from, if there are any and they fit."""
        if self.start is None or not len(self.model.integers):
            return None
        self.model.bound(self.model.integers, self.start, self.start)
        answer = self.untimed()
        return None if answer.values is None else replace(answer, bound=-math.inf)

    def _better_than(self, at_hand: Answer | None, phase: str) -> Answer:
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
        """The time ran out before any plan was found: the one that is always there is to do nothing."""
        self.notes.append("The run was stopped before any plan was found; this one does nothing.")
        plan = [
            j for j, column in enumerate(self.stage.columns) if not column.mark.path and column.mark.what != "stock"
        ]
        is_bought = [column.mark.owner in self.instance.options for column in self.stage.columns]
        plan = [j for j in plan if is_bought[j] and j not in self.ration.columns]
        self.model.clock = Clock()
        self.floors(np.inf)
        self.model.bound(plan, 0.0, 0.0)
        self.minimise("gap")
        answer = self.model.solve(relaxed=True)
        if answer.values is None:
            return Solved("stopped", self.stage, history=tuple(self.history), notes=tuple(self.notes))
        gap = max(0.0, self.shortfall.value(answer.values.tolist()))
        self.floors(np.inf, gap * (1.0 + HELD))
        self.minimise("cost")
        cheapest = self.model.solve(relaxed=True)
        answer = answer if cheapest.values is None else cheapest
        stopped = replace(answer, status="stopped", bound=-math.inf)
        return self._solved(stopped, gap, 0.0, None, is_loose=True)

    def proposed(self, answer: Answer) -> Answer:
        """Another model's answer with its integers where they stand here; both begin with the plan's columns."""
        assert answer.values is not None
        values = np.zeros(len(self.stage.columns))
        values[self.model.integers] = answer.values[self.model.integers]
        return replace(answer, values=values, prices=None)

    def polished(self, answer: Answer) -> Answer:
        """The same integers, fixed and whole; the rest again by linear programming, with prices."""
        again = self.fixed(answer)
        if again is None:
            self.notes.append("The integers could not be fixed exactly; prices are left out.")
        return again or answer

    def fixed(self, answer: Answer) -> Answer | None:
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
            dust = self._dust(again.values)
            if not dust:
                break
            values = again.values.copy()
            values[dust] = 0.0
        return again

    def untimed(self) -> Answer:
        """Solve what is left once the integers are fixed, whatever the clock says."""
        clock, self.model.clock = self.model.clock, Clock()
        try:
            return self.model.solve(relaxed=True)
        finally:
            clock.solving += self.model.clock.solving
            self.model.clock = clock

    def _dust(self, values: Vector) -> list[int]:
        """The integers of options that are opened at size 0 though nothing open requires them."""
        found, options = self.stage.found(), self.instance.options
        lumpy = {o: option for o, option in options.items() if isinstance(option, Sized) and option.is_lumpy}
        by = {o: list(found.get(("", o, "by"), {}).values()) for o in lumpy}
        opened = {o for o in lumpy if any(values[column] > 0.5 for column in by[o])}
        needed = {required for o in opened for required in lumpy[o].requires}
        sizes = {o: max(values[column] for column in found["", o, "size"].values()) for o in opened}
        empty = [o for o in opened - needed if sizes[o] <= DUST * lumpy[o].max_size]
        return [column for o in empty for column in by[o]]

    def unfix(self) -> None:
        """Let the integers move again."""
        columns = self.stage.columns
        upper = [columns[j].upper for j in self.model.integers]
        self.model.bound(self.model.integers, 0.0, np.array(upper))

    def _finish(self, answer: Answer, gap: float, gap_bound: float, least: Priced | None) -> Solved:
        """Fix the integers of an answer; `least` are the prices of the gap, where floors fail."""
        bound = answer.bound if least is None or answer.status == "optimal" else -math.inf
        polished = replace(self.polished(answer), status=answer.status, bound=bound)
        return self._solved(
            polished, gap, gap_bound, least or Priced.of(self.stage, polished), is_loose=least is not None
        )

    def _solved(self, answer: Answer, gap: float, gap_bound: float, priced: Priced | None, *, is_loose: bool) -> Solved:
        assert answer.values is not None
        values = answer.values.tolist()
        cost = self.cost.value(values)
        status: Literal["optimal", "stopped"] = "optimal" if answer.status == "optimal" else "stopped"
        if self._negligible(values):
            gap, gap_bound, is_loose = 0.0, 0.0, False
        return Solved(
            status, self.stage, answer.values, cost, min(answer.bound, cost), gap, gap_bound,
            priced, tuple(self.history), tuple(self.notes), is_loose=is_loose,
        )  # fmt: skip

    def _negligible(self, values: Sequence[float]) -> bool:
        """Whether no segment falls short by as much as a millionth of its demand."""
        asked = {shock.name: self.instance.path(shock) for shock in self.shocks}
        for (path, segment, t), below in self.stage.accounts("below").items():
            if below.value(values) > NEGLIGIBLE * asked[str(path)].demanded(str(segment), int(t)):
                return False
        return True
