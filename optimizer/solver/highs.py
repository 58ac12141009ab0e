"""HiGHS, kept warm behind the model that PuLP made."""

import contextlib
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pulp
from highspy import HighsBasisStatus, HighsModelStatus, HighsVarType, kHighsIInf, kHighsInf

from optimizer.errors import SolverError
from optimizer.model import Sense
from optimizer.solver.base import BoundsListener, Clock, Indices, RawResult, Settings, SolveRequest, Vector, Verdict
from optimizer.tolerances import FEASIBILITY, INTEGERS_IN_SEARCH, LOOSER_FEASIBILITY, REPORTED_OBJECTIVE

INFEASIBLE_STATUSES = (
    HighsModelStatus.kInfeasible,
    HighsModelStatus.kUnboundedOrInfeasible,
    HighsModelStatus.kObjectiveBound,
)
OPTIMAL_STATUSES = (HighsModelStatus.kOptimal, HighsModelStatus.kModelEmpty)
STOPPED_STATUSES = (
    HighsModelStatus.kTimeLimit,
    HighsModelStatus.kInterrupt,
    HighsModelStatus.kIterationLimit,
    HighsModelStatus.kSolutionLimit,
    HighsModelStatus.kMemoryLimit,
    HighsModelStatus.kObjectiveTarget,
)
# HiGHS's numbers for the simplex method: the dual one, which is its default, and the primal one.
DUAL, PRIMAL = 1, 4
# And for the edge weights of the dual one: what it chooses itself, steepest edge as a rule, and Devex.
CHOSEN_BY_HIGHS, DEVEX = -1, 1
# Restarts, and smaller integer programmes inside the search. Where the relaxation is near the optimum they cost more
# than they find, for rounding finds good plans and branching closes what is left; where it is far, they are needed.
COSTLY = (
    "mip_allow_restart",
    "mip_heuristic_run_rens",
    "mip_heuristic_run_rins",
    "mip_heuristic_run_root_reduced_cost",
)
# So many simplex iterations by row may lead from a doubtful basis to the optimum; presolve and a fresh start take less
# time than more of them. In a small model this many are always allowed.
DOUBTFUL_SHARE, DOUBTFUL_LEAST = 0.025, 200
# HiGHS 1.16 can be caught between phases of the simplex method, without an iteration and without an end, if it goes on
# from a basis: after so many times the seconds of the longest linear programme from nothing, and at least so many
# seconds, it begins from nothing.
MOST_TIMES, LEAST_LP_SECONDS = 3.0, 5.0
# No programme of ours is unbounded unless its figures are wrong: a run from another basis may say so by mistake.
UNDECIDED = (
    HighsModelStatus.kUnknown,
    HighsModelStatus.kSolveError,
    HighsModelStatus.kNotset,
    HighsModelStatus.kUnbounded,
)
Solved = tuple[SolveRequest, RawResult]


class HighsBackEnd:
    """HiGHS behind PuLP: PuLP makes the model once, then bounds, costs and integrality change in place."""

    def __init__(self, problem: pulp.LpProblem, settings: Settings) -> None:
        self._settings = settings
        options: dict[str, Any] = {
            "primal_feasibility_tolerance": FEASIBILITY,
            "dual_feasibility_tolerance": FEASIBILITY,
            "mip_feasibility_tolerance": INTEGERS_IN_SEARCH,
        }
        if settings.seed is not None:
            options["random_seed"] = settings.seed
        # `msg=False` turns log_to_console off; output_flag stays on: without it HiGHS is silent to its callbacks.
        solver = pulp.HiGHS(
            msg=False, gapRel=settings.mip_gap, gapAbs=0.0, threads=settings.threads, timeLimit=None, **options
        )
        # Any objective will do here, so long as no column is left out for want of a use.
        problem.setObjective(pulp.lpSum_vars(problem.variables()))
        with quiet():
            solver.createAndConfigureSolver(problem)
        solver.buildSolverModel(problem)
        self._highs = problem.solverModel
        if self._highs.getNumRow() != len(problem.constraints()):
            # HiGHS leaves out all rows then, and would call the rest optimal.
            raise SolverError("HiGHS refuses the model: after scaling, a coefficient is 1e15 or larger")
        # When the search with integers began that may end early, and what is asked; None where none may.
        self._timed: tuple[float, SolveRequest] | None = None
        if settings.patience is not None:
            # Before the handlers of Ctrl-C, which have the last word.
            self._highs.cbMipInterrupt += _weak(self._end_early)
            self._highs.cbSimplexInterrupt += _weak(self._go_on)
            self._highs.cbIpmInterrupt += _weak(self._go_on)
        self._highs.HandleUserInterrupt = True
        # Its handler of Ctrl-C refers to itself.
        weakref.finalize(self, setattr, self._highs, "HandleUserInterrupt", False)
        self._all = np.arange(len(problem.variables()), dtype=np.int32)
        # What was passed on: by column its cost, bounds, and whether it is an integer; nan where nothing was.
        self._passed = np.full((4, len(self._all)), np.nan)
        self._listener: BoundsListener | None = None
        self._has_ended_early = False
        # That of the linear programme before the integers; and whether it may be far from what comes next.
        # Then whether columns were the last to come, not cuts.
        self._basis: Any = None
        self._is_doubtful = self._has_grown = False
        # Seconds of the longest linear programme that began from nothing.
        self._longest = 0.0
        # Whether what comes next takes less time than Ctrl-C may wait: a thread of its own takes longer than most.
        self._is_short = False
        # The last linear programme and its solution; None without one, or since the model has grown.
        self._last: Solved | None = None
        self._highs.cbMipLogging += _weak(self._log)
        # By name a basis, and its linear programme with its solution; None where rows came after it.
        self._kept: dict[str, tuple[Any, Solved | None]] = {}

    def grow(self, upper: Vector, rows: Sequence[tuple[Sense, float, Indices, Vector]]) -> None:
        """New columns, 0 or more, and rows behind those that are there: sense, right-hand side, columns, values."""
        none, nothing = np.zeros(0, dtype=np.int32), np.zeros(0)
        self._forget()
        self._has_grown = True
        zeros, upper = np.zeros(len(upper)), np.where(np.isinf(upper), kHighsInf, upper)
        self._highs.addCols(len(upper), zeros, zeros, upper, 0, none, none, nothing)
        self._all = np.arange(len(self._all) + len(upper), dtype=np.int32)
        self._passed = np.hstack([self._passed, np.full((4, len(upper)), np.nan)])
        lower = np.array([-kHighsInf if sense == "<=" else rhs for sense, rhs, _, _ in rows])
        most = np.array([kHighsInf if sense == ">=" else rhs for sense, rhs, _, _ in rows])
        sizes = np.array([len(columns) for _, _, columns, _ in rows])
        if not rows:
            return
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        columns = np.concatenate([columns for _, _, columns, _ in rows])
        values = np.concatenate([values for _, _, _, values in rows])
        self._highs.addRows(len(rows), lower, most, len(values), starts, columns, values)

    def add_cuts(self, columns: Indices, coefficients: Vector, rhs: Vector) -> None:
        """New rows ``coefficients · columns ≤ rhs``, one for each number of `rhs`; bases that were kept get them."""
        kept = self._kept
        self._forget()
        self._has_grown = False
        for name, (basis, _) in kept.items():
            basis.row_status = [*basis.row_status, *[HighsBasisStatus.kBasic] * len(rhs)]
            self._kept[name] = basis, None
        rows, places = np.nonzero(coefficients)
        starts = np.searchsorted(rows, np.arange(len(rhs))).astype(np.int32)
        lower = np.full(len(rhs), -kHighsInf)
        self._highs.addRows(len(rhs), lower, rhs, len(rows), starts, columns[places], coefficients[rows, places])

    def revise(
        self, settings: Settings, lower: Vector, upper: Vector, entries: Iterable[tuple[int, int, float]]
    ) -> None:
        """Change the bounds of all rows, some coefficients (row, column, value), and how near answers are proven."""
        self._settings = settings
        rows = np.arange(len(lower), dtype=np.int32)
        least, most = np.where(np.isinf(lower), -kHighsInf, lower), np.where(np.isinf(upper), kHighsInf, upper)
        self._highs.changeRowsBounds(len(rows), rows, least, most)
        for row, column, value in entries:
            self._highs.changeCoeff(row, column, value)
        self._last, self._kept = None, {}

    def resume(self, name: str) -> None:
        """Take up a basis that was kept, at once: what grows now grows with it."""
        if name in self._kept:
            self._highs.setBasis(self._kept[name][0])
            self._basis = None

    def _forget(self) -> None:
        """Where the model gets columns, no basis that was kept is one any more."""
        self._basis = self._last = None
        self._kept = {}

    def keep(self, name: str) -> None:
        """Keep the basis of the last linear programme, until the model gets columns."""
        basis = self._highs.getBasis()
        if basis.valid and self._last is not None:
            self._kept[name] = (basis, self._last)

    def recall(self, name: str) -> None:
        """Let the next linear programme start from a basis that was kept, if it was."""
        if name in self._kept:
            self._basis, self._last = self._kept[name]

    def doubt_basis(self) -> None:
        """Let the next linear programme start from nothing, by presolve, where the basis does not lead to it soon."""
        self._is_doubtful = True

    def _log(self, event: Any) -> None:
        if self._listener is not None:
            self._listener(float(event.data_out.mip_primal_bound), float(event.data_out.mip_dual_bound))

    def _end_early(self, event: Any) -> None:
        """End a search after the patience of the settings, once the relative gap is reached."""
        event.interrupt(False)
        if self._timed is None or self._settings.patience is None:
            return
        began, request = self._timed
        # The cutoff comes from a solution of this cost.
        known = min(float(event.data_out.mip_primal_bound), request.cutoff + (request.tolerance or 0.0))
        distance, allowed = known - float(event.data_out.mip_dual_bound), self._settings.mip_gap * abs(known)
        is_near = math.isfinite(known) and distance <= allowed
        if is_near and time.perf_counter() - began > self._settings.patience:
            event.interrupt()
            self._has_ended_early = True

    def _go_on(self, event: Any) -> None:
        """Clear the interrupt: HiGHS keeps it after a search, and would end the next linear programme as well."""
        event.interrupt(False)

    def run(self, request: SolveRequest, clock: Clock, listener: BoundsListener) -> RawResult:
        """Minimise."""
        is_mip = len(request.integers) > 0
        if (known := self._known(request)) is not None:
            return known
        self._pass_on(request, clock)
        self._choose_basis(is_mip=is_mip)
        self._choose_method(request)
        self._listener = listener if is_mip else None
        self._has_ended_early = False
        self._timed = (time.perf_counter(), request) if is_mip and request.tolerance is not None else None
        try:
            self._run_soon(clock, is_mip=is_mip, is_doubtful=self._is_doubtful)
            raw = self._search_finely(clock, self._read(is_mip=is_mip), request)
            self._remember(request, raw)
            if raw.values is not None and not self._agrees(raw.values, request.costs):
                raise SolverError("HiGHS reports an objective that is not that of its solution.")
            return self._with_cutoff(raw, request) if is_mip else raw
        finally:
            self._listener, self._timed = None, None

    def _search_finely(self, clock: Clock, coarse: RawResult, request: SolveRequest) -> RawResult:
        """Search again where integers are not as whole as all else is feasible; `coarse` where there is no time."""
        if coarse.values is None or _are_whole(coarse.values[request.integers]) or clock.is_over:
            return coarse
        self._highs.clearSolver()
        self._allow(clock.left, is_mip=True)
        self._highs.setOptionValue("mip_feasibility_tolerance", FEASIBILITY)
        try:
            self._run(clock)
            fine = self._read(is_mip=True)
            return coarse if fine.values is None and fine.status == "stopped" else fine
        finally:
            self._highs.setOptionValue("mip_feasibility_tolerance", INTEGERS_IN_SEARCH)

    def _choose_basis(self, *, is_mip: bool) -> None:
        """Keep the basis before integers, and take it up after them."""
        if is_mip:
            basis = self._highs.getBasis()
            self._basis = basis if basis.valid else self._basis
            # HiGHS 1.16 may take a solution that it already holds for a start, misplace its objective by a constant
            # in the presolved space, and call it optimal: it has to begin from nothing.
            self._highs.clearSolver()
        elif self._basis is not None:
            # With the integers fixed, the basis that was optimal before them is a better start than none.
            self._highs.setBasis(self._basis)
            self._basis = None

    def _known(self, request: SolveRequest) -> RawResult | None:
        """The result of the last linear programme, where this is the same."""
        if len(request.integers) or self._last is None:
            return None
        before, result = self._last
        pairs = ((request.costs, before.costs), (request.lower, before.lower), (request.upper, before.upper))
        return result if all(np.array_equal(*pair) for pair in pairs) else None

    def _choose_method(self, request: SolveRequest) -> None:
        """The dual simplex method; the primal one where the basis is feasible and something else is minimised.

        Where the model has grown, steepest-edge weights of the basis would take longer to compute than they save.
        """
        is_primal = not len(request.integers) and self._is_feasible(request)
        self._highs.setOptionValue("simplex_strategy", PRIMAL if is_primal else DUAL)
        is_devex = not len(request.integers) and self._has_grown and self._highs.getBasis().valid
        self._highs.setOptionValue("simplex_dual_edge_weight_strategy", DEVEX if is_devex else CHOSEN_BY_HIGHS)

    def _remember(self, request: SolveRequest, raw: RawResult) -> None:
        """Keep what a linear programme found."""
        if not len(request.integers):
            self._last, self._is_doubtful = None if raw.values is None else (request, raw), False

    def _is_feasible(self, request: SolveRequest) -> bool:
        """Whether something else is minimised, and the last solution keeps the bounds: its basis is primal feasible."""
        if self._last is None or not self._highs.getBasis().valid:
            return False
        before, values = self._last[0], self._last[1].values
        assert values is not None
        is_within = np.all(values >= request.lower - FEASIBILITY) and np.all(values <= request.upper + FEASIBILITY)
        return bool(is_within) and not np.array_equal(before.costs, request.costs)

    def _pass_on(self, request: SolveRequest, clock: Clock) -> None:
        """Pass options to HiGHS, and what has changed of costs, bounds and integers."""
        highs, is_mip = self._highs, len(request.integers) > 0
        upper, is_integer = np.where(np.isinf(request.upper), kHighsInf, request.upper), np.zeros(len(self._all))
        is_integer[request.integers] = 1.0
        before, self._passed = self._passed, np.array([request.costs, request.lower, upper, is_integer])
        is_new = self._passed != before
        if len(columns := self._all[is_new[0]]):
            highs.changeColsCost(len(columns), columns, request.costs[columns])
        if len(columns := self._all[is_new[1] | is_new[2]]):
            highs.changeColsBounds(len(columns), columns, request.lower[columns], upper[columns])
        if len(columns := self._all[is_new[3]]):
            kinds = np.full(len(columns), HighsVarType.kContinuous)
            kinds[is_integer[columns] > 0] = HighsVarType.kInteger
            highs.changeColsIntegrality(len(columns), columns, kinds)
        self._allow(clock.left, is_mip=is_mip)
        # For a linear programme this option would end the dual simplex method early.
        highs.setOptionValue("objective_bound", request.cutoff if is_mip else math.inf)
        highs.setOptionValue("objective_target", request.enough if is_mip else -math.inf)
        highs.setOptionValue("mip_rel_gap", self._settings.mip_gap if request.tolerance is None else 0.0)
        highs.setOptionValue("mip_abs_gap", request.tolerance or 0.0)
        for option in COSTLY:
            highs.setOptionValue(option, request.is_weak)

    def _with_cutoff(self, raw: RawResult, request: SolveRequest) -> RawResult:
        """The result with a bound that holds for all solutions.

        HiGHS discards solutions above the cutoff, and its bound ignores them. One above the cutoff may not be the best.
        """
        if self._has_ended_early and raw.status == "stopped":
            raw = replace(raw, status="optimal")
        if raw.status == "infeasible":
            return raw
        is_above = raw.values is None or float(raw.values @ request.costs) > request.cutoff
        return replace(raw, bound=min(raw.bound, request.cutoff)) if is_above else raw

    def _agrees(self, values: Vector, costs: Vector) -> bool:
        """Whether the objective that HiGHS reports is that of its solution."""
        reported, sizes = float(self._highs.getInfo().objective_function_value), np.abs(values * costs)
        return abs(float(values @ costs) - reported) <= REPORTED_OBJECTIVE * max(1.0, float(sizes.sum()))

    @property
    def highs(self) -> Any:
        """The solver itself."""
        return self._highs

    def silent(self) -> Any:
        """The solver itself, without callbacks and presolve, for thousands of small linear programmes."""
        self._highs.HandleUserInterrupt = False
        for option, value in (("output_flag", False), ("presolve", "off"), ("solver", "simplex")):
            self._highs.setOptionValue(option, value)
        return self._highs

    def _run(self, clock: Clock) -> None:
        """Run in a thread of its own, so that Ctrl-C reaches this one and stops HiGHS with its best solution."""
        self._attempt(clock)
        self.persist(clock)

    def _run_soon(self, clock: Clock, *, is_mip: bool, is_doubtful: bool) -> None:
        """Run; from nothing where a basis does not lead to the optimum soon."""
        highs, began = self._highs, time.perf_counter()
        if is_mip or not highs.getBasis().valid:
            self._run(clock)
            self._longest = self._longest if is_mip else max(self._longest, time.perf_counter() - began)
            return
        limit = max(DOUBTFUL_LEAST, int(DOUBTFUL_SHARE * highs.getNumRow())) if is_doubtful else kHighsIInf
        most = max(LEAST_LP_SECONDS, MOST_TIMES * self._longest)
        is_hurried = clock.left is not None and clock.left <= most
        self._allow(clock.left if is_hurried else most)
        highs.setOptionValue("simplex_iteration_limit", limit)
        self._attempt(clock)
        highs.setOptionValue("simplex_iteration_limit", kHighsIInf)
        self._allow(clock.left)
        status = highs.getModelStatus()
        if status == HighsModelStatus.kIterationLimit or (status == HighsModelStatus.kTimeLimit and not is_hurried):
            highs.clearSolver()
            highs.setOptionValue("simplex_strategy", DUAL)
            self._run(clock)
        else:
            self.persist(clock)

    def _allow(self, seconds: float | None, *, is_mip: bool = False) -> None:
        """So many seconds for the next run; None for any."""
        # HiGHS 1.16 counts the seconds of all its runs for a linear programme, but of this run alone with integers.
        spent = 0.0 if is_mip else self._highs.getRunTime()
        self._highs.setOptionValue("time_limit", math.inf if seconds is None else seconds + spent)

    def persist(self, clock: Clock) -> None:
        """Solve again where HiGHS ended without a verdict."""
        highs = self._highs
        if self._is_undecided() or highs.getModelStatus() == HighsModelStatus.kUnboundedOrInfeasible:
            # Presolve cannot always distinguish the two: solve again from nothing without it. Where coefficients differ
            # by orders of magnitude, the primal simplex method may succeed where the dual one fails.
            _, presolve = highs.getOptionValue("presolve")
            highs.setOptionValue("presolve", "off")
            highs.setOptionValue("simplex_strategy", DUAL)
            highs.clearSolver()
            self._attempt(clock)
            if self._is_undecided():
                highs.clearSolver()
                highs.setOptionValue("simplex_strategy", PRIMAL)
                self._attempt(clock)
                highs.setOptionValue("simplex_strategy", DUAL)
            highs.setOptionValue("presolve", presolve)
        # Tight tolerances can be out of reach.
        for tolerance in LOOSER_FEASIBILITY:
            if self._is_undecided():
                highs.clearSolver()
                self._tolerances(tolerance)
                self._attempt(clock)
                self._tolerances(FEASIBILITY)
                highs.setOptionValue("mip_feasibility_tolerance", INTEGERS_IN_SEARCH)

    def _is_undecided(self) -> bool:
        """Whether HiGHS ended without a verdict, or without values for it."""
        status = self._highs.getModelStatus()
        is_empty = status == HighsModelStatus.kOptimal and not self._highs.getSolution().value_valid
        return status in UNDECIDED or is_empty

    def _tolerances(self, size: float) -> None:
        for kind in ("primal", "dual", "mip"):
            self._highs.setOptionValue(f"{kind}_feasibility_tolerance", size)

    def _attempt(self, clock: Clock) -> None:
        if self._is_short or threading.current_thread() is not threading.main_thread():
            self._highs.run()
            return
        self._highs.startSolve()
        is_cancelled = False
        while not self._highs.wait(0.1)[0]:
            if clock.interrupted and not is_cancelled:
                self._highs.cancelSolve()
                is_cancelled = True
        if is_cancelled:
            # HiGHS 1.16 remembers an interrupt and would stop every later run as well, as long as it listens for one.
            self._highs.HandleUserInterrupt = False

    def _verdict(self) -> Verdict:
        status = self._highs.getModelStatus()
        if status in INFEASIBLE_STATUSES:
            return "infeasible"
        if status in STOPPED_STATUSES:
            return "stopped"
        if status in OPTIMAL_STATUSES:
            return "optimal"
        raise undecided(self._highs)

    def _read(self, *, is_mip: bool) -> RawResult:
        verdict, info, solution = self._verdict(), self._highs.getInfo(), self._highs.getSolution()
        if verdict == "infeasible":
            return RawResult("infeasible", None, math.inf, None)
        bound = float(info.mip_dual_bound) if is_mip else -math.inf
        has_point = verdict == "optimal" or (is_mip and int(info.primal_solution_status) == 2)
        values = np.array(solution.col_value) if has_point else None
        if verdict == "stopped" or is_mip or not solution.dual_valid:
            return RawResult(verdict, values, bound, None)
        return RawResult("optimal", values, bound, np.array(solution.row_dual), np.array(solution.col_dual))


def _weak(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """A callback that does not keep its object: a model is gone, with all its memory, once nobody uses it."""
    reference = weakref.WeakMethod(method)

    def call(event: Any) -> None:
        if (known := reference()) is not None:
            known(event)

    return call


def undecided(highs: Any) -> SolverError:
    """What is raised where HiGHS ends without a verdict."""
    status = highs.modelStatusToString(highs.getModelStatus())
    return SolverError(
        f"HiGHS ended with status {status!r}: the figures of this model may differ by too many powers of ten. "
        "`diversify check` names figures that stand out; look for a wrong unit."
    )


def _are_whole(integers: Vector) -> bool:
    return bool((np.abs(integers - np.round(integers)) <= FEASIBILITY).all())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what a C library writes to file descriptor 1: HiGHS prints a banner there when it is first made."""
    try:
        saved = os.dup(1)
    except OSError:
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(sink)
        os.close(saved)
