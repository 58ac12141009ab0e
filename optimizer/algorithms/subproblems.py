"""Subproblems: the recourse LPs of an instance, one per window length, kept warm to solve batches of shocks.

The batches are determined by the instance, and each starts from a basis sent with the request, so that every worker
finds the same numbers, in whatever order it solves.
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
from optimizer.algorithms.workers import give_back_memory
from optimizer.errors import SolverError
from optimizer.formulation import first_stage_model
from optimizer.instance.schema import Instance
from optimizer.results.plan import ManyFlows
from optimizer.solver.base import Batch, Integers, Vector
from optimizer.solver.kept import Basis, BatchResult, WarmProgramme
from optimizer.tolerances import HELD_IN_SHOCK, POSITIVE, ROUNDING, VIOLATED

RecourseTask = Literal[
    "gaps",
    "cost",
    "served",
    "subgradients of gaps",
    "subgradients of costs",
    "subgradients of gaps, without valid rows",
]
# Number of shocks in a batch: large enough for the first shock, which starts from another plan's basis, to count
# little.
BATCH_SIZE = 128
# Lock for building LPs and solvers: neither PuLP nor file descriptors are safe for several threads.
WRITING = threading.RLock()
# Tasks solved without valid inequalities: those that report an operation, some optimal ones of which strong linking
# excludes, and those whose dual values must belong to rows of the model.
WITHOUT_VALID: tuple[RecourseTask, ...] = ("cost", "served", "subgradients of gaps, without valid rows")


@dataclass(frozen=True)
class ShockBatch:
    """A batch of shocks of one window length, by their indices among all events of the instance."""

    length: int
    events: Integers


@dataclass(frozen=True)
class BatchRequest:
    """A request to solve the recourse of a batch."""

    batch: int  # index of the batch
    # Compute least gaps, the operation of least cost, the operation that serves most, or gaps or costs with their
    # subgradients in the linking terms.
    task: RecourseTask
    events: Integers  # the shocks of the batch to solve, by index among all events
    linking: Vector  # the linking terms under the plan, from `LinkingMatrix.linking_terms`
    basis: Basis | None = None  # the starting basis; None for that of the first shock of its window length
    future: int = 0  # index of the future of the shocks
    # By shock, the gap in money that it may leave. ``cost`` and ``served`` use the least gap if that is larger, or if
    # this is nan; 0 tries to keep all floors first. For ``subgradients of costs``, nan or an empty array keeps the
    # floors, and a shock whose least gap is larger fails.
    gap_limits: Vector = field(default_factory=lambda: np.zeros(0))
    # By shock, the group in which its value and subgradient are summed.
    groups: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    weights: Vector = field(default_factory=lambda: np.zeros(0))  # by shock, weight of its value and subgradient
    # Whether ``cost`` returns all flows rather than unserved demand only, and whether ``gaps`` returns unserved demand.
    flows: bool = False


@dataclass(frozen=True)
class BatchResponse:
    """The response to a request, in the order of its shocks."""

    events: Integers
    gap: Vector  # in money
    fails: npt.NDArray[np.bool_]  # whether some segment falls noticeably below its floor
    basis: Basis  # basis from which to start the batch next time
    seconds: float  # time in the solver
    # Discounted operating and shortage cost of the window. For ``served`` the undiscounted shortage cost, with low
    # costs raised to a thousandth of the largest; for ``subgradients of gaps`` the gap. Empty if not requested.
    cost: Vector = field(default_factory=lambda: np.zeros(0))
    # Unserved demand in t, by shock, segment and period of the window; empty if not requested.
    unserved: Vector = field(default_factory=lambda: np.zeros((0, 0, 0)))
    flows: ManyFlows | None = None  # all flows; None if not requested
    # By group, its value and its subgradient in the linking terms.
    cuts: dict[int, tuple[float, Vector]] = field(default_factory=dict)
    # By shock, the derivative of its cost in its gap limit; empty without limits.
    by_gap: Vector = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class ShockGaps:
    """The gap and failure of every shock under a plan, in the order of the events; 0 and False if not solved."""

    gap: Vector  # in money
    fails: npt.NDArray[np.bool_]  # whether some segment falls noticeably below its floor

    @property
    def violated(self) -> dict[int, float]:
        """The gap of each failing shock by index, positive even if the shortfall costs nothing."""
        return {int(n): max(float(self.gap[n]), POSITIVE) for n in np.flatnonzero(self.fails)}


@dataclass(frozen=True)
class Subgradients:
    """The gaps or costs of groups of shocks at a plan, with their subgradients in the plan.

    ``value + subgradient · (x − plan)`` never exceeds the group's value at a plan x with integral openings. At
    fractional openings it may, if valid inequalities (strong linking) are part of the subproblem.
    """

    value: Vector  # by group, in money
    subgradient: Vector  # by group and column of `first_stage_model`, in money per unit of the column
    # By shock, as in `ShockGaps`; cost is discounted and not weighted by probability, for gaps it repeats the gap.
    gap: Vector
    fails: npt.NDArray[np.bool_]
    cost: Vector
    gap_limit: Vector  # by group, the gap that its shock may leave
    by_gap: Vector  # by group, the derivative of its value in that gap

    def plus(self, other: "Subgradients") -> "Subgradients":
        """Return the sum with values of other shocks at the same plan."""
        return Subgradients(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def batches(instance: Instance) -> list[ShockBatch]:
    """Partition the shocks into batches of one window length, with similar shocks adjacent to reuse their bases.

    Shocks are sorted by what they cut, then by start.
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
    """The solver of the recourse LPs of one instance.

    Attributes:
        plan: the instance's `first_stage_model`.
        linking_matrix: its linking terms.
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
        self._drop_solvers()

    def _drop_solvers(self, threads: int | None = None) -> None:
        """Drop the warm solvers; new ones use `threads` threads each."""
        self._warm: dict[int, WarmProgramme] = {}
        self._threads = threads
        self._started: tuple[tuple[int, str, bytes] | None, Basis | None] = (None, None)

    def for_thread(self) -> Self:
        """Return a solver with the same LPs but its own HiGHS objects, for another thread; results are the same."""
        other = copy.copy(self)
        other._drop_solvers(threads=1)
        return other

    @cached_property
    def batches(self) -> list[ShockBatch]:
        """The instance's shocks in batches."""
        return batches(self.instance)

    def window(self, length: int) -> WindowProgramme:
        """Return the LP of a window length, built at its first use."""
        with WRITING:
            if length not in self._windows:
                shocks = [self.instance.events[n] for n in self._numbers[length]]
                self._windows[length] = WindowProgramme(
                    self.instance, shocks, self.plan, self.linking_matrix, self.instance.shared(length)
                )
                give_back_memory(len(shocks))
            return self._windows[length]

    def warm(self, length: int) -> WarmProgramme:
        """Return the warm solver of a window length, built at its first use."""
        if length not in self._warm:
            with WRITING:
                self._warm[length] = WarmProgramme(self.window(length).skeleton, self._threads)
        return self._warm[length]

    def solve(self, request: BatchRequest) -> BatchResponse:
        """Solve the shocks of a request."""
        if request.basis is None:
            request = replace(request, basis=self._first_basis(request))
        return self._batch(request).respond()

    def _first_basis(self, request: BatchRequest) -> Basis:
        """Return the first basis of a batch: that of the first shock of its window length."""
        length = len(self.instance.events[request.events[0]].periods)
        key = (length, request.task, request.linking.tobytes())
        if self._started[0] != key:
            first = self._numbers[length][:1]
            parts = {name: getattr(request, name)[:1] for name in ("gap_limits", "groups", "weights")}
            alone = replace(request, events=first, **parts)
            self._started = key, self._batch(alone).respond().basis
        basis = self._started[1]
        assert basis is not None
        return basis

    def gaps_with_duals(self, request: BatchRequest) -> BatchResult:
        """Return the least gaps of a request's shocks, with all dual values."""
        return self._batch(request, without_valid_inequalities=True).gaps_with_duals()

    def _batch(self, request: BatchRequest, *, without_valid_inequalities: bool = False) -> "_BatchSolver":
        length = len(self.instance.events[request.events[0]].periods)
        which = np.searchsorted(self._numbers[length], request.events)
        return _BatchSolver(
            request,
            self.window(length),
            self.warm(length),
            which,
            without_valid_inequalities=without_valid_inequalities,
        )


class _BatchSolver:
    """The solver of one request; `which` are the positions of its shocks in the window."""

    def __init__(
        self,
        request: BatchRequest,
        window: WindowProgramme,
        warm: WarmProgramme,
        which: Integers,
        *,
        without_valid_inequalities: bool = False,
    ) -> None:
        self.request, self.window, self.warm, self.which = request, window, warm, which
        self.batch, self.is_tight = window.batch(
            which,
            request.linking,
            without_valid_inequalities=without_valid_inequalities or request.task in WITHOUT_VALID,
        )
        self.basis, self.seconds = request.basis, 0.0

    def respond(self) -> BatchResponse:
        """Solve the request's task."""
        if self.request.task in ("cost", "served"):
            return self.operate()
        return self.subgradients() if self.request.task != "gaps" else self.gaps()

    def gaps(self) -> BatchResponse:
        found = self._solve(self.batch, values=True)
        if not found.feasible.all():
            raise SolverError("Without floors every shock has a solution, but the solver finds none. Check the units.")
        self._serve_free_floors(found, np.arange(len(self.which)))
        response = self._response(found.values, np.maximum(found.objective, 0.0))
        return replace(response, unserved=self._unserved(found.values)) if self.request.flows else response

    def operate(self) -> BatchResponse:
        """Minimise the cost within the allowed gap; if the floors are to be kept, try that first.

        The cost is that of operation and shortage, or for the task ``served`` that of shortage alone.
        """
        gap_limits = self.request.gap_limits
        values, costs = self._least_cost(np.arange(len(self.which)), np.zeros(len(self.which)), gap_limits == 0.0)
        left = np.flatnonzero(np.isnan(costs))
        if len(left):
            least = self._solve(self._rows(left), values=True)
            values[left] = least.values
            most = np.fmax(least.objective, gap_limits[left])
            # Try without slack first: gaps from a model include some slack already, and more slack would buy what is
            # expensive in one segment with almost free gaps in another. Floors with a shortage cost of 0 are kept if
            # they can be when all others are, or if a rounding error of the plan is all that they miss.
            slacks = ((0.0, 0.0), (HELD_IN_SHOCK, 0.0), (HELD_IN_SHOCK, ROUNDING), (HELD_IN_SHOCK, 1.0))
            for slack, missed in (*slacks, (100 * HELD_IN_SHOCK, 1.0)):
                again, cost = self._least_cost(left, most * (1.0 + slack), np.isnan(costs[left]), missed)
                is_new = ~np.isnan(cost)
                values[left[is_new]], costs[left[is_new]] = again[is_new], cost[is_new]
        response = self._response(values)
        costs = np.sum(values * self._prices(self.which), axis=1)
        response = replace(response, cost=costs, unserved=self._unserved(values))
        return replace(response, flows=self._read(values)) if self.request.flows else response

    def _read(self, values: Vector) -> ManyFlows:
        shocks = [self.window.shocks[place] for place in self.which]
        return read_many(self.window.instance, self.window.columns, self.window.join_unserved(values), shocks)

    def _unserved(self, values: Vector) -> Vector:
        return self.window.join_unserved(values)[:, self.window.unserved]

    def _least_cost(
        self, some: Integers, most: Vector, is_chosen: npt.NDArray[np.bool_], missed: float = 0.0
    ) -> tuple[Vector, Vector]:
        """Return values and costs of the shocks in `some` with gap limits `most`; nan where infeasible or not chosen.

        Where the limit is 0, floors with a shortage cost of 0 are kept as well, up to the share `missed` of demand.
        """
        values, costs = np.zeros((len(some), self.batch.upper.shape[1])), np.full(len(some), np.nan)
        chosen = np.flatnonzero(is_chosen)
        if len(chosen):
            which, below = self.which[some[chosen]], self.window.below
            batch = self._rows(some[chosen], self._prices(which))
            room = np.where(self.window.free[below] == 0.0, 0.0, missed * self.window.demand(which))
            is_kept = (most[chosen] == 0.0)[:, None]
            batch.upper[:, below] = np.where(is_kept, np.minimum(batch.upper[:, below], room), batch.upper[:, below])
            batch.upper[:, self.window.gap_limit_columns] = (most[chosen] / self.window.money_unit)[:, None]
            found = self._solve(batch, values=True)
            values[chosen] = found.values
            costs[chosen] = np.where(found.feasible, found.objective, np.nan)
        return values, costs

    def _prices(self, which: Integers) -> Vector:
        return self.window.shortage_costs if self.request.task == "served" else self.window.costs(which)

    def gaps_with_duals(self) -> BatchResult:
        """Return the least gaps as the solver finds them."""
        return self._solve(self.batch, values=True, with_duals=True)

    def subgradients(self) -> BatchResponse:
        """Return gaps or costs with their subgradients in the linking terms, summed by group.

        Gaps may be solved with the valid inequalities of the LP or without; without, the dual value of a limit is
        entirely that of its own row. Costs are least costs with the floors kept, or within the allowed gap; where that
        is infeasible, they are those without either, and `fails` is True.
        """
        is_gap = self.request.task != "subgradients of costs"
        found, kept = (self._solve(self.batch, values=True, with_duals=True), None) if is_gap else self._costs()
        subgradients = self.window.subgradients(self.which, self.is_tight, found.duals, found.reduced_costs)
        if is_gap:
            self._serve_free_floors(found, np.arange(len(self.which)))
        cuts = {}
        for group in np.unique(self.request.groups).tolist():
            own = self.request.groups == group
            weight = self.request.weights[own]
            # No matrix product: its threads take more time than they save.
            cuts[group] = float(np.sum(weight * found.objective[own])), np.einsum("i,ij->j", weight, subgradients[own])
        response = replace(self._response(found.values), cost=found.objective, cuts=cuts)
        if kept is None or not len(self.request.gap_limits):
            return response
        by_gap = (
            np.minimum(found.reduced_costs[:, self.window.gap_limit_columns].sum(axis=1), 0.0) / self.window.money_unit
        )
        return replace(response, fails=~kept, by_gap=np.where(kept & ~np.isnan(self.request.gap_limits), by_gap, 0.0))

    def _costs(self) -> tuple[BatchResult, npt.NDArray[np.bool_]]:
        """Return the least costs, and by shock whether the floors or the allowed gap are kept."""
        batch = replace(self.batch, costs=self.window.costs(self.which), upper=self.batch.upper.copy())
        gap_limits = self.request.gap_limits if len(self.request.gap_limits) else np.full(len(self.which), np.nan)
        strict = np.isnan(gap_limits)
        batch.upper[np.ix_(strict, self.window.below)] = 0.0
        batch.upper[:, self.window.gap_limit_columns] = (np.where(strict, 0.0, gap_limits) / self.window.money_unit)[
            :, None
        ]
        if strict.all():
            # With every floor kept there is no shortage, so values are not needed.
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
        """Solve `batch` and write its results into `found` at `places`."""
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
        """Minimise the shortage below floors without a shortage cost, at the least gaps."""
        if not self.window.free.any():
            return
        batch = self._rows(some, self.window.free)
        gap_limits = np.maximum(least.objective, 0.0) * (1.0 + HELD_IN_SHOCK)
        batch.upper[:, self.window.gap_limit_columns] = (gap_limits / self.window.money_unit)[:, None]
        again = self._solve(batch, values=True)
        least.values[again.feasible] = again.values[again.feasible]

    def _response(self, values: Vector, gap: Vector | None = None) -> BatchResponse:
        assert self.basis is not None
        gap = np.maximum(np.einsum("ij,j->i", values, self.window.gap_costs), 0.0) if gap is None else gap
        short = values[:, self.window.below] > VIOLATED * self.window.demand(self.which)
        return BatchResponse(self.request.events, gap, short.any(axis=1), self.basis, self.seconds)
