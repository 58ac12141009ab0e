"""One desk that answers for shocks (`jobs`): it keeps a programme for each window length, and works through batches."""

import time
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.batches import BatchAnswer, BatchQuestion, ShockBatch, batches
from optimizer.algorithms.reading import read_many
from optimizer.algorithms.window import TechnologyMatrix, WindowProgramme
from optimizer.errors import SolverError
from optimizer.formulation import plan_stage
from optimizer.instance.schema import Instance
from optimizer.results.plan import ManyFlows
from optimizer.solver import Basis, Batch, BatchResult, Integers, Vector, WarmProgramme
from optimizer.tolerances import HELD_IN_SHOCK, VIOLATED


class SubproblemSolver:
    """Answers jobs about one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.plan = plan_stage(instance)
        self.offers = TechnologyMatrix(instance, self.plan)
        self._numbers: dict[int, Integers] = {}
        for length in {len(shock.periods) for shock in instance.events}:
            numbers = [n for n, shock in enumerate(instance.events) if len(shock.periods) == length]
            self._numbers[length] = np.array(numbers, dtype=np.intp)
        self._kept: dict[int, tuple[WindowProgramme, WarmProgramme]] = {}
        self._started: tuple[tuple[int, str, bytes] | None, Basis | None] = (None, None)

    @cached_property
    def slices(self) -> list[ShockBatch]:
        """The instance's shocks in batches."""
        return batches(self.instance)

    def window(self, length: int) -> WindowProgramme:
        """The window of a length, written at its first use."""
        return self._pair(length)[0]

    def _pair(self, length: int) -> tuple[WindowProgramme, WarmProgramme]:
        if length not in self._kept:
            shocks = [self.instance.events[n] for n in self._numbers[length]]
            window = WindowProgramme(self.instance, shocks, self.plan, self.offers, self.instance.shared(length))
            self._kept[length] = window, WarmProgramme(window.skeleton)
        return self._kept[length]

    def answer(self, job: BatchQuestion) -> BatchAnswer:
        """Answer a job."""
        if job.basis is None:
            job = replace(job, basis=self._start(job))
        return self._question(job).answer()

    def _start(self, job: BatchQuestion) -> Basis:
        """Where a batch starts that was never asked: from the answer to the first shock of its window length."""
        length = len(self.instance.events[job.events[0]].periods)
        key = (length, job.task, job.offered.tobytes())
        if self._started[0] != key:
            first = self._numbers[length][:1]
            alone = replace(job, events=first, granted=job.granted[:1], groups=job.groups[:1], weights=job.weights[:1])
            self._started = key, self._question(alone).answer().basis
        basis = self._started[1]
        assert basis is not None
        return basis

    def priced(self, job: BatchQuestion) -> BatchResult:
        """The least gaps of a job's shocks, with every price."""
        return self._question(job).priced()

    def _question(self, job: BatchQuestion) -> "_Question":
        length = len(self.instance.events[job.events[0]].periods)
        return _Question(job, *self._pair(length), np.searchsorted(self._numbers[length], job.events))


class _Question:
    """One job at the desk: its shocks, by their places in the window."""

    def __init__(self, job: BatchQuestion, window: WindowProgramme, warm: WarmProgramme, which: Integers) -> None:
        self.job, self.window, self.warm, self.which = job, window, warm, which
        self.batch, self.is_tight = window.batch(which, job.offered)
        self.basis, self.seconds = job.basis, 0.0

    def answer(self) -> BatchAnswer:
        """What the task asks for."""
        if self.job.task in ("best", "served"):
            return self.best()
        return self.slopes() if self.job.task != "gaps" else self.gaps()

    def gaps(self) -> BatchAnswer:
        found = self._ask(self.batch, values=True)
        if not found.feasible.all():
            raise SolverError(
                "without floors every shock can be answered, but the solver finds nothing; check the units"
            )
        self._spare(found, np.arange(len(self.which)))
        reply = self._reply(np.maximum(found.objective, 0.0), found.values)
        return replace(reply, unserved=self._unserved(found.values)) if self.job.flows else reply

    def best(self) -> BatchAnswer:
        """Least gap, then least cost: at once where the floors are known to hold.

        The cost is that of operating and going short, or where it is asked what serves most, of going short alone.
        """
        granted = self.job.granted
        values, costs = self._least_cost(np.arange(len(self.which)), np.zeros(len(self.which)), granted == 0.0)
        left = np.flatnonzero(np.isnan(costs))
        if len(left):
            least = self._ask(self._some(left), values=True)
            values[left] = least.values
            most = np.fmax(least.objective, granted[left])
            # What costs nothing to miss is kept where it can be, if all the rest is.
            for slack, is_strict in ((HELD_IN_SHOCK, True), (HELD_IN_SHOCK, False), (100 * HELD_IN_SHOCK, False)):
                again, cost = self._least_cost(left, most * (1.0 + slack), np.isnan(costs[left]), is_strict=is_strict)
                is_new = ~np.isnan(cost)
                values[left[is_new]], costs[left[is_new]] = again[is_new], cost[is_new]
        reply = self._reply(np.maximum(values @ self.window.shortage, 0.0), values)
        costs = np.sum(values * self._prices(self.which), axis=1)
        reply = replace(reply, cost=costs, unserved=self._unserved(values))
        return replace(reply, flows=self._read(values)) if self.job.flows else reply

    def _read(self, values: Vector) -> ManyFlows:
        shocks = [self.window.shocks[place] for place in self.which]
        return read_many(self.window.instance, self.window.columns, self.window.whole(values), shocks)

    def _unserved(self, values: Vector) -> Vector:
        return self.window.whole(values)[:, self.window.unserved]

    def _least_cost(
        self, some: Integers, most: Vector, wanted: npt.NDArray[np.bool_], *, is_strict: bool = True
    ) -> tuple[Vector, Vector]:
        """Values and costs of some shocks that may leave a gap of `most`; nan where it cannot be, or is not wanted.

        Where that is 0, what costs nothing to miss is kept as well, if `is_strict`.
        """
        values, costs = np.zeros((len(some), self.batch.upper.shape[1])), np.full(len(some), np.nan)
        chosen = np.flatnonzero(wanted)
        if len(chosen):
            batch = self._some(some[chosen], self._prices(self.which[some[chosen]]))
            kept = self.window.below if is_strict else self.window.below[self.window.free[self.window.below] == 0.0]
            batch.upper[np.ix_(most[chosen] == 0.0, kept)] = 0.0
            batch.upper[:, self.window.allowed] = (most[chosen] / self.window.unit)[:, None]
            found = self._ask(batch, values=True)
            values[chosen] = found.values
            costs[chosen] = np.where(found.feasible, found.objective, np.nan)
        return values, costs

    def _prices(self, which: Integers) -> Vector:
        return self.window.going_short if self.job.task == "served" else self.window.costs(which)

    def priced(self) -> BatchResult:
        """The least gaps as the solver finds them."""
        return self._ask(self.batch, values=True, prices=True)

    def slopes(self) -> BatchAnswer:
        """Gaps or costs with their slopes in the offers, summed by group.

        Costs are those of keeping the floors or the gap that is granted; without either where that cannot be, which
        `fails` tells.
        """
        is_gap = self.job.task == "slopes of gaps"
        found, kept = (self._ask(self.batch, values=True, prices=True), None) if is_gap else self._costs()
        slopes = self.window.slopes(self.which, self.is_tight, found.prices, found.reduced)
        if is_gap:
            self._spare(found, np.arange(len(self.which)))
        cuts = {}
        for group in np.unique(self.job.groups).tolist():
            weight = np.where(self.job.groups == group, self.job.weights, 0.0)
            cuts[group] = (float(weight @ found.objective), weight @ slopes)
        gap = np.maximum(found.values @ self.window.shortage, 0.0)
        reply = replace(self._reply(gap, found.values), cost=found.objective, cuts=cuts)
        if kept is None or not len(self.job.granted):
            return reply
        by_gap = np.minimum(found.reduced[:, self.window.allowed].sum(axis=1), 0.0) / self.window.unit
        return replace(reply, fails=~kept, by_gap=np.where(kept & ~np.isnan(self.job.granted), by_gap, 0.0))

    def _costs(self) -> tuple[BatchResult, npt.NDArray[np.bool_]]:
        """The least costs, and in which shocks the floors or the gap granted could be kept."""
        batch = replace(self.batch, costs=self.window.costs(self.which), upper=self.batch.upper.copy())
        granted = self.job.granted if len(self.job.granted) else np.full(len(self.which), np.nan)
        strict = np.isnan(granted)
        batch.upper[np.ix_(strict, self.window.below)] = 0.0
        batch.upper[:, self.window.allowed] = (np.where(strict, 0.0, granted) / self.window.unit)[:, None]
        found = self._ask(batch, values=True, prices=True)
        self._pardon(found, batch.costs, granted)
        kept = found.feasible.copy()
        free = np.flatnonzero(~kept)
        if len(free):
            self._put(found, free, self._some(free, batch.costs[free]))
        return found, kept

    def _pardon(self, found: BatchResult, costs: Vector, granted: Vector) -> None:
        """What is missed by a solver's tolerance is kept: it is granted what is missing.

        Left to itself it would be far too cheap: where the floors do not hold, all that is dear to serve goes unserved.
        """
        left = np.flatnonzero(~found.feasible)
        if not len(left):
            return
        least = self._ask(self._some(left), values=True)
        self._spare(least, left)
        short = least.values[:, self.window.below] > VIOLATED * self.window.asked(self.which[left])
        is_strict, most = np.isnan(granted[left]), np.fmax(least.objective, granted[left])
        is_near = np.where(is_strict, ~short.any(axis=1), most <= granted[left] * (1.0 + VIOLATED))
        near, most = left[is_near], most[is_near]
        for slack in (HELD_IN_SHOCK, 100 * HELD_IN_SHOCK):
            again = ~found.feasible[near]
            if again.any():
                batch = self._some(near[again], costs[near[again]])
                batch.upper[:, self.window.allowed] = (most[again] * (1.0 + slack) / self.window.unit)[:, None]
                self._put(found, near[again], batch)

    def _put(self, found: BatchResult, places: Integers, batch: Batch) -> None:
        """The answers to a batch in the places of others."""
        answers = self._ask(batch, values=True, prices=True)
        for name in ("objective", "values", "prices", "reduced", "feasible"):
            getattr(found, name)[places] = getattr(answers, name)

    def _some(self, chosen: Integers, costs: Vector | None = None) -> Batch:
        batch = self.batch
        return Batch(batch.costs if costs is None else costs, batch.upper[chosen], batch.right[chosen])

    def _ask(self, batch: Batch, *, values: bool = False, prices: bool = False) -> BatchResult:
        began = time.perf_counter()
        found = self.warm.ask(batch, self.basis, values=values, prices=prices)
        if values:
            self.window.part(found.values, batch.upper)
        self.seconds += time.perf_counter() - began
        self.basis = found.basis
        return found

    def _spare(self, least: BatchResult, some: Integers) -> None:
        """Under the least gaps, miss as little as can be of the floors that are free to miss."""
        if not self.window.free.any():
            return
        batch = self._some(some, self.window.free)
        batch.upper[:, self.window.allowed] = (
            np.maximum(least.objective, 0.0) * (1.0 + HELD_IN_SHOCK) / self.window.unit
        )[:, None]
        again = self._ask(batch, values=True)
        least.values[again.feasible] = again.values[again.feasible]

    def _reply(self, gap: Vector, values: Vector) -> BatchAnswer:
        assert self.basis is not None
        short = values[:, self.window.below] > VIOLATED * self.window.asked(self.which)
        return BatchAnswer(self.job.events, gap, short.any(axis=1), self.basis, self.seconds)
