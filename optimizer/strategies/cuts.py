"""Where every shock counts: expected cost, and the least total gap, by cuts on the plan.

    expected cost   floors are kept, by writing out the shocks that bite; costs are estimated (`master`)
    least gap       floors cannot all be kept: the sum of all gaps is estimated
    cost under it   then least cost with that gap held; shocks that have a probability and fail are written out

Each round: the master proposes a plan; every shock answers it with value and slope (`recourse`); the master learns.
First without integers, until bound and value meet; then with them. Once the integers of a plan are proposed they are
fixed, and what is left is a linear programme that learns as before: few integer programmes are needed. The bound is
always the master's, the value is always that of a plan that every shock was asked about.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from optimizer.errors import CrewError
from optimizer.instance.schema import Instance
from optimizer.solver import Answer, Clock, Settings, Vector
from optimizer.strategies.answering import Task
from optimizer.strategies.base import Listener, Priced, Solved
from optimizer.strategies.choice import worst
from optimizer.strategies.master import Groups, Kind, Master
from optimizer.strategies.recourse import Responder, Slopes
from optimizer.strategies.rounds import Rounds
from optimizer.strategies.whole import HELD, Run

# How near bound and value come before the integers are asked for, relative.
RELAXED = 1e-4
# Groups of shocks that share an estimate: more learn faster, fewer keep the master small.
GROUPS = 200
EXACT = 1e-9
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

    def least_gap(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> Solved:
        """The plan with the least gap, where it is known that the floors cannot all be kept."""
        return self._search(instance, settings, clock, listener).least_gap()

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
        bites: by number, the shocks that have to be written out, with their gaps.
    """

    value: float
    gap: float = 0.0
    is_sound: bool = True
    bites: dict[int, float] = field(default_factory=dict)


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

    def least_gap(self) -> Solved:
        """The least total gap, then the least cost with that gap held."""
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
        phase = _Phase(self, "cost", self._floors_kept, self._look_at_costs)
        if phase.run():
            return self._finished(phase, 0.0, 0.0)
        return self._stopped() if self.clock.is_over else self._least_gap()

    def _least_gap(self) -> Solved:
        if self.phase == "cost under the gap" and self.resumed:
            gap, bound = float(self.resumed.facts["gap"]), float(self.resumed.facts["gap_bound"])
            return self._cheapest(gap, bound, None)
        self.written = set()
        phase = _Phase(self, "gap", self._gaps_free, self._look_at_gaps)
        if not phase.run():
            return self._stopped() if self.clock.is_over else Solved("infeasible", phase.master.stage)
        assert phase.best is not None
        self.written = {n for n in phase.best.look.bites if self.probability[n] > 0}
        return self._cheapest(phase.best.look.gap, max(0.0, phase.bound), phase.best)

    def _cheapest(self, gap: float, bound: float, least: Best | None) -> Solved:
        """The least cost with a gap held."""
        limit = gap * (1.0 + max(HELD, self.settings.gap / 10)) + self.grain
        facts = {"gap": gap, "gap_bound": bound}

        def look(master: Master, values: Vector) -> Look:
            return self._look_at_both(master, values, limit)

        phase = _Phase(self, "cost under the gap", lambda: self._gap_held(gap), look, facts)
        return self._finished(phase, gap, bound, least) if phase.run() else self._stopped()

    # The masters.

    def _groups(self, kind: Kind, *, all_of_them: bool) -> list[Groups]:
        """Shocks in groups of like ones: all, or those that are not written out."""
        weights = np.ones(len(self.probability)) if kind == "gap" else self.probability
        left = weights > 0
        if not all_of_them:
            left[list(self.written)] = False
        ordered = [number for part in self.responder.slices for number in part.events.tolist() if left[number]]
        if not ordered:
            return []
        count = min(GROUPS, len(ordered))
        of = np.full(len(weights), -1, dtype=np.intp)
        of[ordered] = np.arange(len(ordered)) * count // len(ordered)
        least = np.zeros(count)
        if kind == "cost":
            np.add.at(least, of[ordered], weights[ordered] * self.responder.least_costs()[ordered])
        return [Groups(kind, of, weights, least)]

    def _master(self, groups: list[Groups], *, counts: bool) -> Master:
        settings = replace(self.settings, gap=self.settings.gap / 2)
        return Master(self.instance, self.shocks(), settings, self.clock, self.hear, groups=groups, counts=counts)

    def _floors_kept(self) -> Master:
        master = self._master(self._groups("cost", all_of_them=True), counts=False)
        master.floors(0.0, 0.0)
        return master

    def _gaps_free(self) -> Master:
        master = self._master(self._groups("gap", all_of_them=False), counts=True)
        master.floors(np.inf, np.inf)
        master.model.minimise(master.shortfall)
        return master

    def _gap_held(self, gap: float) -> Master:
        groups = [*self._groups("gap", all_of_them=False), *self._groups("cost", all_of_them=False)]
        master = self._master(groups, counts=True)
        master.floors(np.inf, gap / master.ration.unit * (1.0 + HELD))
        return master

    # What the shocks say.

    def _look_at_costs(self, master: Master, values: Vector) -> Look:
        bites: dict[int, float] = {}
        value = master.cost.value(values.tolist())
        needless = set(np.flatnonzero(self.responder.dominators >= 0).tolist()) | self.written
        for groups in master.groups:
            found = self._slopes("slopes of costs", groups, values)
            value += float(found.value.sum() - master.estimated("cost", values).sum())
            master.learn("cost", values, found, values)
            bites |= {int(n): float(found.gap[n]) for n in np.flatnonzero(found.fails) if int(n) not in self.written}
            needless |= set(np.flatnonzero(groups.of >= 0).tolist())
        if len(needless) < len(self.instance.events):
            gaps = self.responder.gaps(values, self.clock, needless)
            bites |= {int(n): float(gaps.gap[n]) for n in np.flatnonzero(gaps.fails)}
        return Look(value, is_sound=not bites, bites=bites)

    def _look_at_gaps(self, master: Master, values: Vector) -> Look:
        (groups,) = master.groups
        found = self._slopes("slopes of gaps", groups, values)
        master.learn("gap", values, found, values)
        total = float(found.value.sum())
        bites = {int(n): float(found.gap[n]) for n in np.flatnonzero(found.fails)}
        return Look(total, total, bites=bites)

    def _look_at_both(self, master: Master, values: Vector, limit: float) -> Look:
        plain = values.tolist()
        gap, value, bites = master.shortfall.value(plain), master.cost.value(plain), dict[int, float]()
        for groups in master.groups:
            found = self._slopes(TASKS[groups.kind], groups, values)
            change = float(found.value.sum() - master.estimated(groups.kind, values).sum())
            gap, value = (gap + change, value) if groups.kind == "gap" else (gap, value + change)
            master.learn(groups.kind, values, found, values)
            failing = np.flatnonzero(found.fails & (self.probability > 0))
            bites |= {int(n): float(found.gap[n]) for n in failing}
        return Look(value, max(0.0, gap), gap <= limit and not bites, bites)

    def _slopes(self, task: Task, groups: Groups, values: Vector) -> Slopes:
        return self.responder.slopes(values, self.clock, task, groups.of, groups.weights, groups.outside)

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
        build: makes the master for the shocks that are written out now.
        look: asks all shocks about a plan and lets the master learn.
        facts: what a resumed search has to know beside the cuts.
    """

    def __init__(
        self,
        search: _Search,
        name: str,
        build: Callable[[], Master],
        look: Callable[[Master, Vector], Look],
        facts: Mapping[str, float] | None = None,
    ) -> None:
        self.search, self.name, self.build, self.look, self.facts = search, name, build, look, facts or {}
        search.phases.append(self)
        is_resumed = search.resumed is not None and search.phase == name
        if is_resumed:
            search.written = search.rewritten()
        self.master = build()
        self.best: Best | None = None
        self.bound, self.is_proven, self.is_relaxed = float("-inf"), False, False
        if is_resumed and search.resumed:
            self.master.restore(search.resumed.arrays)
            self.is_relaxed = bool(search.resumed.facts["relaxed"])

    def run(self) -> bool:
        """Whether a plan with whole numbers was found; then `best` holds it."""
        return (self.is_relaxed or self.relax()) and self.integers()

    def relax(self) -> bool:
        """Whether the relaxation has an answer; then bound and value are near each other."""
        while not self.search.clock.is_over:
            answer = self.master.model.solve(relaxed=True)
            if answer.values is None:
                return False
            look = self.look(self.master, answer.values)
            self.bound = max(self.bound, answer.objective)
            self.search.note(f"{self.name}, relaxation", look.value, answer.objective, look.bites)
            if not self._grow(look):
                self.is_relaxed = self._is_near(look.value, answer.objective, RELAXED if look.is_sound else 0.0)
            self._save()
            if self.is_relaxed:
                return True
        return False

    def integers(self) -> bool:
        """Whether there is a plan with whole numbers; then `best` holds it."""
        tolerance = self.search.settings.gap
        while not self.search.clock.is_over:
            answer = self.master.ask(self.name)
            if answer.values is None:
                return self.best is not None
            self.bound = max(self.bound, answer.bound)
            self._settle(answer)
            self.is_proven = self.best is not None and self._is_near(self.best.look.value, self.bound, tolerance)
            if self.is_proven:
                return True
        return self.best is not None

    def _settle(self, proposed: Answer) -> None:
        """Fix the integers that are proposed, and let the rest learn until nothing is left to learn."""
        master = self.master
        answer = master.polished(proposed)
        while answer.values is not None:
            look = self.look(master, answer.values)
            self.search.note(self.name, look.value, self.bound, look.bites)
            is_better = self.best is None or look.value < self.best.look.value
            if look.is_sound and is_better:
                self.best = Best(answer, look, master)
            is_near = self._is_near(look.value, answer.objective, self.search.settings.gap / 4)
            has_grown = self._grow(look)
            self._save()
            if has_grown or (is_near and look.is_sound) or self.search.clock.is_over:
                break
            answer = master.untimed()
        master.unfix()

    def _grow(self, look: Look) -> bool:
        """Write out the worst of the shocks that bite, if any do, in a new master that keeps what was learned."""
        if look.is_sound or not look.bites:
            return False
        search, before = self.search, self.master
        search.written |= set(worst(search.instance.events, look.bites, search.add))
        self.master = self.build()
        if not before.counts:
            self.master.recall(before)
        return True

    def _save(self) -> None:
        self.search.save(self.name, {"relaxed": self.is_relaxed, **self.facts}, self.master.state())

    def _is_near(self, value: float, bound: float, tolerance: float) -> bool:
        return value - bound <= max(tolerance, EXACT) * abs(value) + self.search.grain
