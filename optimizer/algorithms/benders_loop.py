"""One objective whose shocks are estimated: relaxation and integers, until bound and value meet.

Each round: the master proposes a plan; every shock answers it with value and slope (`recourse`); the master learns.
First without integers; then with them. Integers are asked of a **slim** master that has the cuts, but not the shocks
that are written out, by a few branches where these suffice. Once they are proposed they are fixed in the other one,
and what is left is a linear programme that learns as before: few integer programmes are needed. The bound is always a
master's, the value is always that of a plan that every shock was asked about.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.algorithms.benders_master import MasterProblem, packed, unpacked
from optimizer.algorithms.branching import Branching
from optimizer.algorithms.search import Search
from optimizer.algorithms.separation.listed import select_most_violated
from optimizer.model.builder import Stage
from optimizer.solver import SolveResult, Vector
from optimizer.tolerances import RELAXATION_GAP, ROUNDING, STALLED_GAP

# How far from the best plan so far towards the one that is proposed the shocks are asked.
STEP = 0.95
# So many rounds in which neither bound nor value gets better: what is still learned is a solver's last digit.
IDLE = 30


@dataclass(frozen=True)
class Evaluation:
    """What all shocks say of a plan.

    Attributes:
        value: of the objective, with the truth in place of the estimates.
        gap: the total gap, where it was asked for.
        is_sound: whether the plan may be taken.
        bites: by number, the shocks that are not survived, with their gaps.
        learned: how many cuts were new to the master.
        wanted: by number, the shocks that are worth writing out and how much; those that bite, unless told.
    """

    value: float
    gap: float = 0.0
    is_sound: bool = True
    bites: dict[int, float] = field(default_factory=dict)
    learned: int = 0
    wanted: Mapping[int, float] | None = None


@dataclass(frozen=True)
class Incumbent:
    """The best plan so far: the master's answer with its integers fixed, its stage then, and the truth about it."""

    answer: SolveResult
    look: Evaluation
    stage: Stage


class BendersLoop:
    """One objective: relaxation and integers, until bound and value meet.

    Args:
        search: whose it is.
        name: for the history.
        build: makes a master in which some shocks are written out.
        look: asks all shocks about a plan and lets the master learn, given what the master proposes.
        most: how many shocks may be written out.
        needs_all: whether those that are have to be there when integers are asked for.
        tolerance: how near bound and value have to come, relative; left out, what the settings ask of costs.
        grain: money that is nothing.
        facts: what a resumed search has to know beside the cuts.
    """

    def __init__(
        self,
        search: Search,
        name: str,
        build: Callable[[Collection[int]], MasterProblem],
        look: Callable[[MasterProblem, Vector, Vector], Evaluation],
        *,
        grain: float,
        tolerance: float | None = None,
        facts: Mapping[str, float] | None = None,
        most: float = float("inf"),
        needs_all: bool = False,
    ) -> None:
        self.search, self.name, self.build, self.look, self.facts = search, name, build, look, facts or {}
        self.grain = grain
        self.tolerance, self.began = tolerance, math.inf
        self.most, self.needs_all, self.value = most, needs_all, float("inf")
        is_resumed = search.resumed is not None and search.phase == name
        if is_resumed:
            search.written = search.rewritten()
        self.master = build(search.written)
        self.slim, self.settled = self.master, set[bytes]()
        self.best: Incumbent | None = None
        # The last plan with whole numbers, sound or not, and the last relaxation: for a search that is stopped.
        self.latest: Vector | None = None
        self.loose: Vector | None = None
        self.known: SolveResult | None = None
        self.bound, self.is_proven, self.is_relaxed = float("-inf"), False, False
        if is_resumed and search.resumed:
            self.master.recall(unpacked(search.resumed.arrays))
            self.is_relaxed = bool(search.resumed.facts["relaxed"])

    def run(self) -> bool:
        """Whether a plan with whole numbers was found; then `best` holds it."""
        return (self.is_relaxed or self.relax()) and self.integers()

    @property
    def in_hand(self) -> Vector | None:
        """The best plan with whole numbers, else the latest; None where there is none."""
        return self.latest if self.best is None else self.best.answer.values

    def begin(self, known: SolveResult) -> None:
        """Start from a plan that is known to be sound, as it is; its integers are the first to be settled."""
        assert known.values is not None
        master = self.master
        answer = master.as_planned(known.values)
        if answer.values is not None:
            look = self.look(master, answer.values, answer.values)
            self.search.note(self.name, look.value, self.bound, look.bites)
            if look.is_sound:
                self.best = Incumbent(answer, look, master.stage)
        self.known = known

    def relax(self) -> bool:
        """Whether the relaxation has an answer; then bound and value are near each other."""
        centre: Vector | None = None
        progress = _Progress()
        while not self.search.clock.is_over:
            answer = self.master.model.solve(relaxed=True)
            if answer.values is None:
                return False
            self.loose = answer.values
            point, look = self._look(answer.values, centre)
            self.bound = max(self.bound, answer.objective)
            value = look.value
            if look.is_sound and value <= self.value:
                self.value, centre = value, point
            self.search.note(f"{self.name}, relaxation", self.value, answer.objective, look.bites)
            if self._grow(look):
                centre = None
            else:
                stuck = (not look.is_sound and not look.learned) or progress.is_over(answer.objective, self.value)
                self.is_relaxed = stuck or self._is_near(self.value, answer.objective, RELAXATION_GAP * abs(self.value))
            self._save()
            if self.is_relaxed or self._is_enough():
                return True
        return False

    def _look(self, values: Vector, centre: Vector | None) -> tuple[Vector, Evaluation]:
        """Ask on the way from the best plan so far, which teaches more; there itself, if that taught nothing."""
        if centre is not None:
            point = STEP * values + (1.0 - STEP) * centre
            look = self.look(self.master, point, values)
            if look.learned or not look.is_sound:
                return point, look
        return values, self.look(self.master, values, values)

    def integers(self) -> bool:
        """Whether there is a plan with whole numbers; then `best` holds it."""
        self.began = time.perf_counter()
        self.is_proven = self._is_enough()
        if self.known is not None and not self.is_proven:
            self.slim = self.master
            self._settle(self.known)
            self.is_proven = self._is_enough()
        self.slim, progress = self._slimmed(), _Progress()
        while not self.is_proven and not self.search.clock.is_over:
            answer = self._proposed()
            if answer.status == "infeasible" and self.best is not None:
                # Nothing is better than the best by more than the gap.
                self.bound = max(self.bound, self._cutoff())
                self.is_proven = True
                break
            if answer.values is None and answer.status == "optimal":
                # The solver's patience ended before anything better was found: what it proved counts.
                self.bound = max(self.bound, answer.bound)
                self.is_proven = self._is_enough()
            if answer.values is None:
                break
            self.bound = max(self.bound, answer.bound)
            has_learned = self._settle(answer)
            has_learned &= not progress.is_over(self.bound, self._reached)
            # With nothing new to learn the next proposal would be the same: what is left is the solver's tolerance.
            self.is_proven = self._is_enough(0.0 if has_learned else STALLED_GAP)
            if not has_learned:
                break
        return self.best is not None

    def _proposed(self) -> SolveResult:
        """The slim master's own best plan with whole numbers, if that is noticeably better than the best so far."""
        self.slim.unfix()
        loose = self.slim.model.solve(relaxed=True)
        found = None
        if loose.status == "optimal":
            found = Branching(self.slim, loose, self.name, self._cutoff()).answer
        return found or self.slim.ask(self.name, self._cutoff())

    @property
    def _reached(self) -> float:
        """The value of the best plan so far."""
        return math.inf if self.best is None else self.best.look.value

    def _is_enough(self, least: float = 0.0) -> bool:
        """Whether the best plan is proven to the gap that is asked for, or to `least` where that is more."""
        if self.best is None:
            return False
        value = self.best.look.value
        return self._is_near(value, self.bound, max(self._slack(value), least * abs(value)))

    def _slack(self, value: float) -> float:
        """By how much a value may miss the least one, money."""
        if self.tolerance is not None:
            return self.tolerance * abs(value)
        return self.search.settings.slack(value, time.perf_counter() - self.began)

    def _cutoff(self) -> float:
        """What a plan has to be cheaper than to be noticeably better than the best so far."""
        if self.best is None:
            return float("inf")
        return self.best.look.value - self._slack(self.best.look.value)

    def _slimmed(self) -> MasterProblem:
        """The master that is asked for integers: where cuts say enough, without the shocks that are written out."""
        if self.needs_all:
            return self.master
        slim = self.build(())
        slim.recall(self.master.cuts)
        return slim

    def _settle(self, proposed: SolveResult) -> bool:
        """Fix the integers that are proposed and let the rest learn all there is; whether anything was new."""
        assert proposed.values is not None
        master, has_learned = self.master, False
        if self.slim is not master:
            has_learned = self._teach(proposed.values)
            master.followers = [(self.slim, proposed.values)]
        key = np.round(proposed.values[master.model.integers]).tobytes()
        if key in self.settled and self.slim is not master:
            return has_learned
        self.settled.add(key)
        answer = master.fixed(master.proposed(proposed))
        centre, progress = self._centre(key), _Progress()
        while answer is not None and answer.values is not None:
            self.latest = answer.values
            point, look = self._look(answer.values, centre)
            has_learned |= look.learned > 0
            self.search.note(self.name, look.value, self.bound, look.bites)
            is_better = self.best is None or look.value < self.best.look.value
            if look.is_sound and is_better:
                self.best = Incumbent(replace(answer, values=point), look, master.stage)
                centre = None if centre is None else point
            is_near = self._is_near(look.value, answer.objective, self._slack(look.value) / 4)
            has_grown = self._grow(look)
            self._save()
            has_learned |= has_grown
            is_idle = progress.is_over(answer.objective, self._reached)
            is_done = (is_near and look.is_sound) or not look.learned or is_idle
            if (is_done and not has_grown) or self.search.clock.is_over:
                break
            answer = master.untimed()
        master.unfix()
        master.followers = []
        return has_learned

    def _centre(self, key: bytes) -> Vector | None:
        """The best plan so far, if it has these integers: plans between it and another of them have them too."""
        values = None if self.best is None else self.best.answer.values
        if values is None or np.round(values[self.master.model.integers]).tobytes() != key:
            return None
        return values if len(values) == len(self.master.stage.columns) else None

    def _teach(self, values: Vector) -> bool:
        """Let the slim master learn about its own proposal, half-way to the best plan so far where that teaches."""
        if self.best is not None and self.best.answer.values is not None:
            point, size = values.copy(), self.slim.size
            point[:size] = 0.5 * (values[:size] + self.best.answer.values[:size])
            if self.look(self.slim, point, values).learned:
                return True
        return self.look(self.slim, values, values).learned > 0

    def _grow(self, look: Evaluation) -> bool:
        """Write out the shocks that are wanted most, if any are; what was learned stays."""
        search, had = self.search, len(self.search.written)
        wanted = look.bites if look.wanted is None else look.wanted
        left = {n: gap for n, gap in wanted.items() if n not in search.written}
        if not left or had >= self.most:
            return False
        count = search.add if self.needs_all else 2 * search.add
        search.write(select_most_violated(search.instance.events, left, count))
        self.master.grow(search.instance.events[n] for n in search.written[had:])
        return True

    def _save(self) -> None:
        self.search.save(self.name, {"relaxed": self.is_relaxed, **self.facts}, packed(self.master.cuts))

    def _is_near(self, value: float, bound: float, slack: float) -> bool:
        return math.isfinite(value) and value - bound <= max(slack, ROUNDING * abs(value)) + self.grain


class _Progress:
    """Counts the rounds in which nothing gets better."""

    def __init__(self) -> None:
        self._bound, self._value, self._idle = -math.inf, math.inf, 0

    def is_over(self, bound: float, value: float) -> bool:
        """Whether neither a bound nor a value has got better for long."""
        is_higher = bound > self._bound + ROUNDING * abs(self._bound)
        is_better = is_higher or value < self._value - ROUNDING * abs(self._value)
        self._idle = 0 if is_better or not math.isfinite(self._bound) else self._idle + 1
        self._bound, self._value = max(self._bound, bound), min(self._value, value)
        return self._idle >= IDLE
