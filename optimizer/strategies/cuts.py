"""Where every shock counts: expected cost, and the least total gap, by cuts on the plan.

    expected cost   floors are kept, by writing out the shocks that bite; costs are estimated (`master`)
    least gap       floors cannot all be kept: the sum of all gaps is estimated
    cost under it   then least cost with that gap held; shocks that have a probability and fail are written out

Each round: the master proposes a plan; every shock answers it with value and slope (`recourse`); the master learns.
First without integers, until bound and value meet; then with them. Once the integers of a plan are proposed they are
fixed, and what is left is a linear programme that learns as before: few integer programmes are needed. The bound is
always the master's, the value is always that of a plan that every shock was asked about.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from optimizer.errors import CrewError
from optimizer.instance.schema import Instance
from optimizer.solver import Answer, Clock, Settings, Vector
from optimizer.strategies.answering import Task
from optimizer.strategies.base import Listener, Priced, Solved
from optimizer.strategies.choice import worst
from optimizer.strategies.master import Groups, Kind, Master, packed, unpacked
from optimizer.strategies.recourse import Responder, Slopes
from optimizer.strategies.rounds import Rounds
from optimizer.strategies.whole import HELD, Run

# How near bound and value come before the integers are asked for, relative.
RELAXED = 1e-4
# Groups of shocks that share an estimate: more learn faster, fewer keep the master small.
GROUPS = 400
EXACT = 1e-9
# Shocks that are written out beside the estimates of gaps, since the worst ones teach the most.
WRITTEN = 16
# How far from the best plan so far towards the one that is proposed the shocks are asked.
STEP = 0.85
TASKS: dict[Kind, Task] = {"gap": "slopes of gaps", "cost": "slopes of costs"}


@dataclass(frozen=True)
class Cuts:
    """Learn what all shocks cost. `add` is how many shocks whose floors bite are written out in a round.

    A responder that is already warm may be given; its answers are the same.
    """

    add: int = 4
    responder: Responder | None = field(default=None, compare=False, repr=False)

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> Solved:
        """Find the cheapest plan that survives, or the one with the least gap."""
        return self._search(instance, settings, clock, listener).solved()

    def least_gap(
        self, instance: Instance, settings: Settings, clock: Clock, listener: Listener, written: Iterable[int] = ()
    ) -> Solved:
        """The plan with the least gap, where it is known that the floors cannot all be kept in the shocks `written`."""
        return self._search(instance, settings, clock, listener).least_gap(written)

    def _search(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> "_Search":
        responder = self.responder or Responder(instance)
        return _Search(instance, settings, clock, listener, responder, self.add)


@dataclass(frozen=True)
class Look:
    """What all shocks say of a plan.

    Attributes:
        value: of the objective, with the truth in place of the estimates.
        gap: the total gap, where it was asked for.
        is_sound: whether the plan may be taken.
        bites: by number, the shocks that are not survived, with their gaps.
        learned: how many cuts were new to the master.
    """

    value: float
    gap: float = 0.0
    is_sound: bool = True
    bites: dict[int, float] = field(default_factory=dict)
    learned: int = 0


@dataclass(frozen=True)
class Best:
    """The best plan so far: the master's answer with its integers fixed, and the truth about it."""

    answer: Answer
    look: Look
    master: Master


class _Search(Rounds):
    """One run: a phase, or two where floors fail."""

    def solved(self) -> Solved:
        """Expected cost with all floors kept; the least gap where that cannot be."""
        return self._guarded(self._expected)

    def least_gap(self, written: Iterable[int]) -> Solved:
        """The least total gap, then the least cost with that gap held."""
        self.written = set(written)
        return self._guarded(self._least_gap)

    def _guarded(self, search: Callable[[], Solved]) -> Solved:
        """Run a search; where the crew fails, the best plan so far."""
        self.probability = np.array([shock.probability for shock in self.instance.events])
        sizes = (demand.shortage_cost * max(demand.quantity.values) for demand in self.instance.demands.values())
        self.grain = EXACT * max(1.0, *sizes)
        self.phases: list[_Phase] = []
        try:
            return search()
        except CrewError as error:
            self.responder.alone()
            return self.ended_by(error, self._stopped())

    def _expected(self) -> Solved:
        if self.phase in ("gap", "cost under the gap"):
            return self._least_gap()
        phase = _Phase(self, "cost", self._floors_kept, self._look_at_costs, needs_all=True)
        if phase.run():
            return self._finished(phase, 0.0, 0.0)
        return self._stopped() if self.clock.is_over else self._least_gap()

    def _least_gap(self) -> Solved:
        if self.phase == "cost under the gap" and self.resumed:
            gap, bound = float(self.resumed.facts["gap"]), float(self.resumed.facts["gap_bound"])
            return self._cheapest(gap, bound, None)
        idle = self.responder.idle(self.clock).gap
        left = {int(n): float(idle[n]) for n in np.flatnonzero(idle) if int(n) not in self.written}
        self.written |= set(worst(self.instance.events, left, max(0, 2 * self.add - len(self.written))))
        phase = _Phase(self, "gap", self._gaps_free, self._look_at_gaps, most=WRITTEN)
        if not phase.run():
            return self._stopped() if self.clock.is_over else Solved("infeasible", phase.master.stage)
        assert phase.best is not None
        self.written |= {n for n in phase.best.look.bites if self.probability[n] > 0}
        return self._cheapest(phase.best.look.gap, max(0.0, phase.bound), phase.best)

    def _cheapest(self, gap: float, bound: float, least: Best | None) -> Solved:
        """The least cost with a gap held."""
        limit = gap * (1.0 + max(HELD, self.settings.gap / 10)) + self.grain
        facts = {"gap": gap, "gap_bound": bound}

        def look(master: Master, point: Vector, values: Vector) -> Look:
            return self._look_at_both(master, point, values, limit)

        phase = _Phase(self, "cost under the gap", lambda written: self._gap_held(written, gap), look, facts)
        if least is not None:
            phase.master.recall(least.master.cuts)
        return self._finished(phase, gap, bound, least) if phase.run() else self._stopped()

    # The masters.

    def _groups(self, kind: Kind, without: Collection[int] = ()) -> dict[Kind, Groups]:
        """Shocks that count, in groups of like ones."""
        size = len(self.probability)
        if kind == "gap":
            weights, least = np.ones(size), np.zeros(size)
            weights[self.responder.idle(self.clock).gap <= 0.0] = 0.0
        else:
            weights, least = self.probability, self._least_costs
        ordered = [n for part in self.responder.slices for n in part.events.tolist() if weights[n] > 0]
        ordered = [n for n in ordered if n not in without]
        if not ordered:
            return {}
        of = np.full(size, -1, dtype=np.intp)
        of[ordered] = np.arange(len(ordered)) * min(GROUPS, len(ordered)) // len(ordered)
        return {kind: Groups(kind, of, weights, least)}

    @cached_property
    def _least_costs(self) -> Vector:
        return self.responder.least_costs()

    def _master(self, written: Collection[int], groups: dict[Kind, Groups], loose: Iterable[int] = ()) -> Master:
        settings = replace(self.settings, gap=self.settings.gap / 2)
        shocks = [self.instance.events[n] for n in sorted(written)]
        names = frozenset(self.instance.events[n].name for n in loose)
        return Master(self.instance, shocks, settings, self.clock, self.hear, groups=groups, loose=names)

    def _floors_kept(self, written: Collection[int]) -> Master:
        master = self._master(written, self._groups("cost"))
        master.floors(0.0, 0.0)
        return master

    def _gaps_free(self, written: Collection[int]) -> Master:
        master = self._master(written, self._groups("gap"))
        master.floors(np.inf, np.inf)
        master.model.minimise(master.shortfall)
        return master

    def _gap_held(self, written: Collection[int], gap: float) -> Master:
        """Shocks that have a probability and fail are loose: what they cost depends on who goes short."""
        loose = self.loose()
        master = self._master({*written, *loose}, self._groups("gap") | self._groups("cost", loose), loose)
        master.floors(np.inf, gap / master.ration.unit * (1.0 + HELD))
        return master

    def loose(self) -> set[int]:
        """The written shocks whose cost is counted as it is, where floors fail."""
        return {n for n in self.written if self.probability[n] > 0}

    # What the shocks say.

    def _look_at_costs(self, master: Master, point: Vector, values: Vector) -> Look:
        """Expected cost, and the shocks that fail; costs are learned, and shocks without probability only checked."""
        value, learned, bites = master.cost.value(point.tolist()), 0, dict[int, float]()
        needless = set(self.spared() | self.written)
        for kind, groups in master.groups.items():
            found = self._slopes(groups, point)
            value += float(found.value.sum() - master.estimated(kind, point).sum())
            learned += master.learn(kind, point, found, values)
            bites |= {int(n): float(found.gap[n]) for n in np.flatnonzero(found.fails) if int(n) not in self.written}
            needless |= set(np.flatnonzero(groups.of >= 0).tolist())
        if len(needless) < len(self.instance.events):
            gaps = self.responder.gaps(point, self.clock, needless)
            bites |= {int(n): float(gaps.gap[n]) for n in np.flatnonzero(gaps.fails)}
        return Look(value, 0.0, not bites, bites, learned)

    def _look_at_gaps(self, master: Master, point: Vector, values: Vector) -> Look:
        if "gap" not in master.groups:
            return Look(0.0)
        found = self._slopes(master.groups["gap"], point)
        learned, total = master.learn("gap", point, found, values), float(found.value.sum())
        return Look(total, total, True, {int(n): float(found.gap[n]) for n in np.flatnonzero(found.fails)}, learned)

    def _look_at_both(self, master: Master, point: Vector, values: Vector, limit: float) -> Look:
        gap, value, learned, bites = 0.0, master.cost.value(point.tolist()), 0, dict[int, float]()
        for kind, groups in master.groups.items():
            found = self._slopes(groups, point)
            learned += master.learn(kind, point, found, values)
            if kind == "gap":
                gap = float(found.value.sum())
            else:
                value += float(found.value.sum() - master.estimated(kind, point).sum())
                bites |= {int(n): float(found.gap[n]) for n in np.flatnonzero(found.fails)}
        return Look(value, gap, gap <= limit and not bites, bites, learned)

    def _slopes(self, groups: Groups, point: Vector) -> Slopes:
        task = TASKS[groups.kind]
        return self.responder.slopes(point, self.clock, task, groups.of, groups.weights, groups.outside)

    # Ending.

    def _finished(self, phase: "_Phase", gap: float, gap_bound: float, least: Best | None = None) -> Solved:
        best = phase.best
        assert best is not None
        assert best.answer.values is not None
        status: Literal["optimal", "stopped"] = "optimal" if phase.is_proven else "stopped"
        gap = max(gap, best.look.gap) if gap else 0.0
        priced = least or (best if gap == 0 else None)
        return Solved(
            status=status,
            stage=best.master.stage,
            values=best.answer.values,
            cost=best.look.value,
            bound=min(phase.bound, best.look.value),
            gap=gap,
            gap_bound=min(gap, gap_bound),
            priced=Priced.of(priced.master.stage, priced.answer) if priced else None,
            history=tuple(self.history),
            notes=tuple(best.master.notes),
        )

    def _stopped(self) -> Solved:
        """The time ran out: the best plan of the last phase that has one; else to do nothing."""
        for phase in reversed(self.phases):
            if phase.best is not None:
                found = self._finished(phase, phase.best.look.gap, 0.0)
                return replace(found, status="stopped", bound=float("-inf"), gap_bound=0.0)
        run = Run(self.instance, (), self.settings, self.clock, self.hear)
        return replace(run.fall_back(), history=tuple(self.history))


class _Phase:
    """One objective: relaxation and integers, until bound and value meet.

    Args:
        search: whose it is.
        name: for the history.
        build: makes a master in which some shocks are written out.
        look: asks all shocks about a plan and lets the master learn, given what the master proposes.
        most: how many shocks may be written out.
        needs_all: whether those that are have to be there when integers are asked for.
        facts: what a resumed search has to know beside the cuts.
    """

    def __init__(
        self,
        search: _Search,
        name: str,
        build: Callable[[Collection[int]], Master],
        look: Callable[[Master, Vector, Vector], Look],
        facts: Mapping[str, float] | None = None,
        most: float = float("inf"),
        needs_all: bool = False,
    ) -> None:
        self.search, self.name, self.build, self.look, self.facts = search, name, build, look, facts or {}
        self.most, self.needs_all, self.value = most, needs_all, float("inf")
        search.phases.append(self)
        is_resumed = search.resumed is not None and search.phase == name
        if is_resumed:
            search.written = search.rewritten()
        self.master = build(search.written)
        self.best: Best | None = None
        self.bound, self.is_proven, self.is_relaxed = float("-inf"), False, False
        if is_resumed and search.resumed:
            self.master.recall(unpacked(search.resumed.arrays))
            self.is_relaxed = bool(search.resumed.facts["relaxed"])

    def run(self) -> bool:
        """Whether a plan with whole numbers was found; then `best` holds it."""
        return (self.is_relaxed or self.relax()) and self.integers()

    def relax(self) -> bool:
        """Whether the relaxation has an answer; then bound and value are near each other."""
        centre: Vector | None = None
        while not self.search.clock.is_over:
            answer = self.master.model.solve(relaxed=True)
            if answer.values is None:
                return False
            point, look = self._look(answer.values, centre)
            self.bound = max(self.bound, answer.objective)
            value = look.value
            if look.is_sound and value <= self.value:
                self.value, centre = value, point
            self.search.note(f"{self.name}, relaxation", self.value, answer.objective, look.bites)
            if self._grow(look):
                centre = None
            else:
                stuck = not look.is_sound and not look.learned
                self.is_relaxed = stuck or self._is_near(self.value, answer.objective, RELAXED)
            self._save()
            if self.is_relaxed:
                return True
        return False

    def _look(self, values: Vector, centre: Vector | None) -> tuple[Vector, Look]:
        """Ask half-way to the best plan so far, which teaches more; there itself, if that taught nothing."""
        if centre is not None:
            point = STEP * values + (1.0 - STEP) * centre
            look = self.look(self.master, point, values)
            if look.learned or not look.is_sound:
                return point, look
        return values, self.look(self.master, values, values)

    def integers(self) -> bool:
        """Whether there is a plan with whole numbers; then `best` holds it."""
        tolerance = self.search.settings.gap
        self.slim, self.settled = self._slimmed(), set[bytes]()
        while not self.search.clock.is_over:
            answer = self.slim.ask(self.name)
            if answer.values is None:
                return self.best is not None
            self.bound = max(self.bound, answer.bound)
            self._settle(answer)
            self.is_proven = self.best is not None and self._is_near(self.best.look.value, self.bound, tolerance)
            if self.is_proven:
                return True
        return self.best is not None

    def _slimmed(self) -> Master:
        """The master that is asked for integers: where cuts say enough, without the shocks that are written out."""
        if self.needs_all:
            return self.master
        slim = self.build(())
        slim.recall(self.master.cuts)
        return slim

    def _settle(self, proposed: Answer) -> None:
        """Fix the integers that are proposed, and let the rest learn until nothing is left to learn."""
        assert proposed.values is not None
        master = self.master
        if self.slim is not master:
            self._teach(proposed.values)
            master.followers = [(self.slim, proposed.values)]
        key = np.round(proposed.values[master.model.integers]).tobytes()
        if key in self.settled and self.slim is not master:
            return
        self.settled.add(key)
        answer = master.polished(master.proposed(proposed))
        while answer.values is not None and answer.prices is not None:
            look = self.look(master, answer.values, answer.values)
            self.search.note(self.name, look.value, self.bound, look.bites)
            is_better = self.best is None or look.value < self.best.look.value
            if look.is_sound and is_better:
                self.best = Best(answer, look, master)
            is_near = self._is_near(look.value, answer.objective, self.search.settings.gap / 4)
            has_grown = self._grow(look)
            self._save()
            if has_grown or (is_near and look.is_sound) or not look.learned or self.search.clock.is_over:
                break
            answer = master.untimed()
        master.unfix()
        master.followers = []
        if self.master is not master:
            self.slim = self._slimmed()

    def _teach(self, values: Vector) -> None:
        """Let the slim master learn about its own proposal, half-way to the best plan so far where that teaches."""
        if self.best is not None and self.best.answer.values is not None:
            point, size = values.copy(), self.slim.size
            point[:size] = 0.5 * (values[:size] + self.best.answer.values[:size])
            if self.look(self.slim, point, values).learned:
                return
        self.look(self.slim, values, values)

    def _grow(self, look: Look) -> bool:
        """Write out the worst of the shocks that bite, if any do, in a new master that keeps what was learned."""
        search, before = self.search, self.master
        left = {n: gap for n, gap in look.bites.items() if n not in search.written}
        if not left or len(search.written) >= self.most:
            return False
        count = search.add if self.needs_all else 2 * search.add
        search.written |= set(worst(search.instance.events, left, count))
        self.master = self.build(search.written)
        same = {kind: cuts for kind, cuts in before.cuts.items() if _alike(before.groups, self.master.groups, kind)}
        self.master.recall(same)
        return True

    def _save(self) -> None:
        self.search.save(self.name, {"relaxed": self.is_relaxed, **self.facts}, packed(self.master.cuts))

    def _is_near(self, value: float, bound: float, tolerance: float) -> bool:
        return value - bound <= max(tolerance, EXACT) * abs(value) + self.search.grain


def _alike(one: Mapping[Kind, Groups], other: Mapping[Kind, Groups], kind: Kind) -> bool:
    return kind in one and kind in other and np.array_equal(one[kind].of, other[kind].of)
