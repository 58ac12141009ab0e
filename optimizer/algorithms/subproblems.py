"""Subproblems: the recourse LPs of an instance, one per window length, kept warm; they solve batches of shocks.

A batch is fixed by the instance and starts from a basis that comes with the request: every worker, in whatever order,
finds the same numbers.
"""

import copy
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.reading import read_many
from optimizer.algorithms.window import LinkingMatrix, WindowProgramme
from optimizer.errors import SolverError
from optimizer.formulation import first_stage_model
from optimizer.instance.schema import Instance
from optimizer.results.plan import ManyFlows
from optimizer.solver.base import Batch, Integers, Vector
from optimizer.solver.kept import Basis, BatchResult, WarmProgramme
from optimizer.tolerances import HELD_IN_SHOCK, POSITIVE, VIOLATED

RecourseTask = Literal[
    "gaps",
    "best",
    "served",
    "subgradients of gaps",
    "subgradients of costs",
    "subgradients of gaps, without valid rows",
]
# Shocks in a batch: enough to make the first, which starts from another plan's basis, count for little.
BATCH_SIZE = 128
# Held by the thread that writes a programme or makes a solver: neither PuLP nor file descriptors are made for two.
WRITING = threading.RLock()
# Tasks whose dual values are those of the other rows alone.
WITHOUT_VALID: tuple[RecourseTask, ...] = ("best", "served", "subgradients of gaps, without valid rows")


@dataclass(frozen=True)
class ShockBatch:
    """A batch: some of the shocks of one window length, by their numbers among all events of the instance."""

    length: int
    events: Integers


@dataclass(frozen=True)
class BatchRequest:
    """A request to solve the recourse of a batch."""

    batch: int  # its number
    # Least gaps; the best operation, the one that serves most, or gaps or costs with their subgradients in the linking
    # terms.
    task: RecourseTask
    events: Integers  # which of its shocks, by number among all events
    linking: Vector  # the linking terms under the plan, as `LinkingMatrix.linking_terms` gives them
    basis: Basis | None = None  # where to start
    future: int = 0  # the number of the future whose shocks they are
    # By shock, the gap in money that it may leave. ``best`` and ``served`` take its least gap where that is larger, or
    # where this is nan; 0 tries to keep all floors first. For ``subgradients of costs``, nan, and where it is left out,
    # keeps the floors; a shock whose least gap is larger fails.
    gap_limits: Vector = field(default_factory=lambda: np.zeros(0))
    # By shock, the group whose subgradients are summed.
    groups: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    weights: Vector = field(default_factory=lambda: np.zeros(0))  # by shock, of its value and subgradients
    # Whether ``best`` returns all operation, not the unserved demand alone; for ``gaps``, whether it returns unserved
    # demand.
    flows: bool = False


@dataclass(frozen=True)
class BatchResponse:
    """The response to a request, in the order of its shocks."""

    events: Integers
    gap: Vector  # in money
    fails: npt.NDArray[np.bool_]  # whether some segment falls noticeably below its floor
    basis: Basis  # for the next time
    seconds: float  # in the solver
    # Discounted operating and shortage cost of the window, in ``served`` that of going short alone; empty where it was
    # not requested.
    cost: Vector = field(default_factory=lambda: np.zeros(0))
    # T, by shock, segment and period of the window; empty where it was not requested.
    unserved: Vector = field(default_factory=lambda: np.zeros((0, 0, 0)))
    flows: ManyFlows | None = None  # all operation; None where it was not requested
    # By group, its value and its subgradient in the linking terms.
    cuts: dict[int, tuple[float, Vector]] = field(default_factory=dict)
    # By shock, the derivative of its cost in its gap limit; empty where none is.
    by_gap: Vector = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class ShockGaps:
    """Every shock under a plan, in the order of the events; 0 and False where it was not solved."""

    gap: Vector  # in money
    fails: npt.NDArray[np.bool_]  # whether some segment falls noticeably below its floor

    @property
    def violated(self) -> dict[int, float]:
        """By number, the gap of each shock that fails; above 0 even where a shortfall costs nothing."""
        return {int(n): max(float(self.gap[n]), POSITIVE) for n in np.flatnonzero(self.fails)}


@dataclass(frozen=True)
class Subgradients:
    """What shocks cost or leave unserved at a plan, by group, and how that changes with the plan.

    ``value + subgradient · (x − plan)`` is never above the group's true value at any plan x.
    """

    value: Vector  # by group, in money
    subgradient: Vector  # by group and column of `first_stage_model`, in money per unit of the column
    # By shock, as in `ShockGaps`; cost is discounted and without probability.
    gap: Vector
    fails: npt.NDArray[np.bool_]
    cost: Vector
    gap_limit: Vector  # by group, the gap that its shock may leave
    by_gap: Vector  # the derivative of the group's value in it

    def plus(self, other: "Subgradients") -> "Subgradients":
        """With those of other shocks at the same plan."""
        return Subgradients(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def batches(instance: Instance) -> list[ShockBatch]:
    """The shocks in batches of one window length; like beside like, so that a basis serves the next.

    Alike are shocks that strike the same, then those that begin at the same time.
    """
    by_length: dict[int, list[int]] = {}
    for number, shock in enumerate(instance.events):
        by_length.setdefault(len(shock.periods), []).append(number)
    return [
        ShockBatch(length, part) for length, events in sorted(by_length.items()) for part in _parts(instance, events)
    ]


def _parts(instance: Instance, events: list[int]) -> Iterator[Integers]:
    def like(number: int) -> tuple[Any, ...]:
        event = instance.events[number]
        aims = [
            (each.region or (), each.stage or (), each.process or (), each.commodity or ()) for each in event.spec.cuts
        ]
        return aims, event.periods.start, [max(cut.severity) for cut in event.spec.cuts], number

    ordered = sorted(events, key=like)
    for first in range(0, len(ordered), BATCH_SIZE):
        yield np.array(ordered[first : first + BATCH_SIZE], dtype=np.intp)


class SubproblemSolver:
    """The recourse LPs of one instance.

    Attributes:
        plan: its `first_stage_model`. linking_matrix: its linking terms.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.plan = first_stage_model(instance)
        self.linking_matrix = LinkingMatrix(instance, self.plan)
        self._numbers: dict[int, Integers] = {}
        for length in {len(shock.periods) for shock in instance.events}:
            numbers = [n for n, shock in enumerate(instance.events) if len(shock.periods) == length]
            self._numbers[length] = np.array(numbers, dtype=np.intp)
        self._windows: dict[int, WindowProgramme] = {}
        self._forget()

    def _forget(self, threads: int | None = None) -> None:
        """Begin without warm solvers; each of them will have so many threads of its own."""
        self._warm: dict[int, WarmProgramme] = {}
        self._threads = threads
        self._started: tuple[tuple[int, str, bytes] | None, Basis | None] = (None, None)

    def for_thread(self) -> Self:
        """The same programmes with solvers of their own, for another thread: it finds the same numbers."""
        other = copy.copy(self)
        other._forget(threads=1)
        return other

    @cached_property
    def batches(self) -> list[ShockBatch]:
        """The instance's shocks in batches."""
        return batches(self.instance)

    def window(self, length: int) -> WindowProgramme:
        """The programme of a window length, written at its first use."""
        with WRITING:
            if length not in self._windows:
                shocks = [self.instance.events[n] for n in self._numbers[length]]
                self._windows[length] = WindowProgramme(
                    self.instance, shocks, self.plan, self.linking_matrix, self.instance.shared(length)
                )
            return self._windows[length]

    def warm(self, length: int) -> WarmProgramme:
        """The solver of a window length, made at its first use."""
        if length not in self._warm:
            with WRITING:
                self._warm[length] = WarmProgramme(self.window(length).skeleton, self._threads)
        return self._warm[length]

    def answer(self, request: BatchRequest) -> BatchResponse:
        """Solve the shocks of a request."""
        if request.basis is None:
            request = replace(request, basis=self._start(request))
        return self._batch(request).answer()

    def _start(self, request: BatchRequest) -> Basis:
        """The first basis of a batch: that of the first shock of its window length."""
        length = len(self.instance.events[request.events[0]].periods)
        key = (length, request.task, request.linking.tobytes())
        if self._started[0] != key:
            first = self._numbers[length][:1]
            parts = {name: getattr(request, name)[:1] for name in ("gap_limits", "groups", "weights")}
            alone = replace(request, events=first, **parts)
            self._started = key, self._batch(alone).answer().basis
        basis = self._started[1]
        assert basis is not None
        return basis

    def priced(self, request: BatchRequest) -> BatchResult:
        """The least gaps of a request's shocks, with all dual values."""
        return self._batch(request, needs_duals=True).priced()

    def _batch(self, request: BatchRequest, *, needs_duals: bool = False) -> "_BatchSolver":
        length = len(self.instance.events[request.events[0]].periods)
        which = np.searchsorted(self._numbers[length], request.events)
        return _BatchSolver(request, self.window(length), self.warm(length), which, needs_duals=needs_duals)


class _BatchSolver:
    """One request: its shocks, by their places in the window."""

    def __init__(
        self,
        request: BatchRequest,
        window: WindowProgramme,
        warm: WarmProgramme,
        which: Integers,
        *,
        needs_duals: bool = False,
    ) -> None:
        self.request, self.window, self.warm, self.which = request, window, warm, which
        self.batch, self.is_tight = window.batch(
            which, request.linking, needs_duals=needs_duals or request.task in WITHOUT_VALID
        )
        self.basis, self.seconds = request.basis, 0.0

    def answer(self) -> BatchResponse:
        """The answer, by task."""
        if self.request.task in ("best", "served"):
            return self.best()
        return self.subgradients() if self.request.task != "gaps" else self.gaps()

    def gaps(self) -> BatchResponse:
        found = self._solve(self.batch, values=True)
        if not found.feasible.all():
            raise SolverError("Without floors every shock has a solution, but the solver finds none. Check the units.")
        self._serve_free_floors(found, np.arange(len(self.which)))
        answer = self._answer(found.values, np.maximum(found.objective, 0.0))
        return replace(answer, unserved=self._unserved(found.values)) if self.request.flows else answer

    def best(self) -> BatchResponse:
        """Least cost with the gap allowed; where floors are to be kept, at once if they can be.

        The cost is that of operation and shortage, or for the task ``served`` that of shortage alone.
        """
        gap_limits = self.request.gap_limits
        values, costs = self._least_cost(np.arange(len(self.which)), np.zeros(len(self.which)), gap_limits == 0.0)
        left = np.flatnonzero(np.isnan(costs))
        if len(left):
            least = self._solve(self._rows(left), values=True)
            values[left] = least.values
            most = np.fmax(least.objective, gap_limits[left])
            # No slack where that will do: what a model holds already has some, and more of it would buy what is dear in
            # one segment with gaps that cost next to nothing in another. Floors that are free to miss are kept where
            # they can be, if all others are.
            slacks = ((0.0, True), (HELD_IN_SHOCK, True), (HELD_IN_SHOCK, False), (100 * HELD_IN_SHOCK, False))
            for slack, is_strict in slacks:
                again, cost = self._least_cost(left, most * (1.0 + slack), np.isnan(costs[left]), is_strict=is_strict)
                is_new = ~np.isnan(cost)
                values[left[is_new]], costs[left[is_new]] = again[is_new], cost[is_new]
        answer = self._answer(values)
        costs = np.sum(values * self._prices(self.which), axis=1)
        answer = replace(answer, cost=costs, unserved=self._unserved(values))
        return replace(answer, flows=self._read(values)) if self.request.flows else answer

    def _read(self, values: Vector) -> ManyFlows:
        shocks = [self.window.shocks[place] for place in self.which]
        return read_many(self.window.instance, self.window.columns, self.window.join_unserved(values), shocks)

    def _unserved(self, values: Vector) -> Vector:
        return self.window.join_unserved(values)[:, self.window.unserved]

    def _least_cost(
        self, some: Integers, most: Vector, is_chosen: npt.NDArray[np.bool_], *, is_strict: bool = True
    ) -> tuple[Vector, Vector]:
        """Values and costs of chosen shocks that may leave a gap of `most`; nan where infeasible, or not chosen.

        Where that is 0, floors that are free to miss are kept as well, if `is_strict`.
        """
        values, costs = np.zeros((len(some), self.batch.upper.shape[1])), np.full(len(some), np.nan)
        chosen = np.flatnonzero(is_chosen)
        if len(chosen):
            batch = self._rows(some[chosen], self._prices(self.which[some[chosen]]))
            kept = self.window.below if is_strict else self.window.below[self.window.free[self.window.below] == 0.0]
            batch.upper[np.ix_(most[chosen] == 0.0, kept)] = 0.0
            batch.upper[:, self.window.gap_limit_columns] = (most[chosen] / self.window.money_unit)[:, None]
            found = self._solve(batch, values=True)
            values[chosen] = found.values
            costs[chosen] = np.where(found.feasible, found.objective, np.nan)
        return values, costs

    def _prices(self, which: Integers) -> Vector:
        return self.window.shortage_only if self.request.task == "served" else self.window.costs(which)

    def priced(self) -> BatchResult:
        """The least gaps as the solver finds them."""
        return self._solve(self.batch, values=True, with_duals=True)

    def subgradients(self) -> BatchResponse:
        """Gaps or costs with their subgradients in the linking terms, summed by group.

        Gaps are so with the valid rows of the programme, or without: then all of a limit shows in its own row.
        Costs are least costs with the floors kept, or the gap allowed; without either where that is infeasible: then
        `fails` is True.
        """
        is_gap = self.request.task != "subgradients of costs"
        found, kept = (self._solve(self.batch, values=True, with_duals=True), None) if is_gap else self._costs()
        subgradients = self.window.subgradients(self.which, self.is_tight, found.duals, found.reduced_costs)
        if is_gap:
            self._serve_free_floors(found, np.arange(len(self.which)))
        cuts = {}
        for group in np.unique(self.request.groups).tolist():
            weight = np.where(self.request.groups == group, self.request.weights, 0.0)
            # Not by a matrix product: its threads take more time than they save.
            cuts[group] = float(np.sum(weight * found.objective)), np.einsum("i,ij->j", weight, subgradients)
        answer = replace(self._answer(found.values), cost=found.objective, cuts=cuts)
        if kept is None or not len(self.request.gap_limits):
            return answer
        by_gap = (
            np.minimum(found.reduced_costs[:, self.window.gap_limit_columns].sum(axis=1), 0.0) / self.window.money_unit
        )
        return replace(answer, fails=~kept, by_gap=np.where(kept & ~np.isnan(self.request.gap_limits), by_gap, 0.0))

    def _costs(self) -> tuple[BatchResult, npt.NDArray[np.bool_]]:
        """The least costs, and in which shocks the floors or the gap allowed are kept."""
        batch = replace(self.batch, costs=self.window.costs(self.which), upper=self.batch.upper.copy())
        gap_limits = self.request.gap_limits if len(self.request.gap_limits) else np.full(len(self.which), np.nan)
        strict = np.isnan(gap_limits)
        batch.upper[np.ix_(strict, self.window.below)] = 0.0
        batch.upper[:, self.window.gap_limit_columns] = (np.where(strict, 0.0, gap_limits) / self.window.money_unit)[
            :, None
        ]
        if strict.all():
            # Where every floor is kept, nothing falls short: other values are not asked for.
            found = replace(self._solve(batch, with_duals=True), values=np.zeros(batch.upper.shape))
        else:
            found = self._solve(batch, values=True, with_duals=True)
        self._accept_tolerance(found, batch.costs, gap_limits)
        kept = found.feasible.copy()
        free = np.flatnonzero(~kept)
        if len(free):
            self._replace(found, free, self._rows(free, batch.costs[free]))
        return found, kept

    def _accept_tolerance(self, found: BatchResult, costs: Vector, gap_limits: Vector) -> None:
        """Accept shortages within the solver's tolerance as kept floors, and solve for the least cost again.

        Otherwise these shocks would count as failures, and their cost would be underestimated: where floors may be
        missed, demand that is expensive to serve goes unserved.
        """
        left = np.flatnonzero(~found.feasible)
        if not len(left):
            return
        least = self._solve(self._rows(left), values=True)
        self._serve_free_floors(least, left)
        short = least.values[:, self.window.below] > VIOLATED * self.window.demand(self.which[left])
        is_strict, most = np.isnan(gap_limits[left]), np.fmax(least.objective, gap_limits[left])
        is_near = np.where(is_strict, ~short.any(axis=1), most <= gap_limits[left] * (1.0 + VIOLATED))
        near, most = left[is_near], most[is_near]
        for slack in (HELD_IN_SHOCK, 100 * HELD_IN_SHOCK):
            again = ~found.feasible[near]
            if again.any():
                batch = self._rows(near[again], costs[near[again]])
                batch.upper.T[self.window.gap_limit_columns] = most[again] * (1.0 + slack) / self.window.money_unit
                self._replace(found, near[again], batch)

    def _replace(self, found: BatchResult, places: Integers, batch: Batch) -> None:
        """Solve a batch and put its results in the places of others."""
        new = self._solve(batch, values=True, with_duals=True)
        for name in ("objective", "values", "duals", "reduced_costs", "feasible"):
            getattr(found, name)[places] = getattr(new, name)

    def _rows(self, chosen: Integers, costs: Vector | None = None) -> Batch:
        batch = self.batch
        return Batch(batch.costs if costs is None else costs, batch.upper[chosen], batch.rhs[chosen])

    def _solve(self, batch: Batch, *, values: bool = False, with_duals: bool = False) -> BatchResult:
        began = time.perf_counter()
        found = self.warm.solve(batch, self.basis, values=values, with_duals=with_duals)
        if values:
            self.window.split_unserved(found.values, batch.upper)
        self.seconds += time.perf_counter() - began
        self.basis = found.basis
        return found

    def _serve_free_floors(self, least: BatchResult, some: Integers) -> None:
        """Under the least gaps, minimise the shortage below floors that are free to miss."""
        if not self.window.free.any():
            return
        batch = self._rows(some, self.window.free)
        gap_limits = np.maximum(least.objective, 0.0) * (1.0 + HELD_IN_SHOCK)
        batch.upper[:, self.window.gap_limit_columns] = (gap_limits / self.window.money_unit)[:, None]
        again = self._solve(batch, values=True)
        least.values[again.feasible] = again.values[again.feasible]

    def _answer(self, values: Vector, gap: Vector | None = None) -> BatchResponse:
        assert self.basis is not None
        gap = np.maximum(np.einsum("ij,j->i", values, self.window.shortage), 0.0) if gap is None else gap
        short = values[:, self.window.below] > VIOLATED * self.window.demand(self.which)
        return BatchResponse(self.request.events, gap, short.any(axis=1), self.basis, self.seconds)
