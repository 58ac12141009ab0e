"""The HiGHS back end: HiGHS holds the model that PuLP built and keeps its basis between solves."""

import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pulp
from highspy import HighsBasisStatus, HighsModelStatus, HighsVarType, kHighsIInf

from optimizer.errors import SOLVER_THREAD, SolverError, UnboundedError
from optimizer.model import Sense
from optimizer.solver.base import (
    BoundsListener,
    Clock,
    Indices,
    RawResult,
    Settings,
    SolveRequest,
    Vector,
    Verdict,
    quiet,
)
from optimizer.tolerances import (
    FEASIBILITY,
    IGNORED_COEFFICIENT,
    INTEGERS_IN_SEARCH,
    LOOSER_FEASIBILITY,
    REPORTED_OBJECTIVE,
    SMALLEST_COEFFICIENT,
)

OPTIMAL_STATUSES = (HighsModelStatus.kOptimal, HighsModelStatus.kModelEmpty)
_VERDICTS: dict[Any, Verdict] = {
    **dict.fromkeys(OPTIMAL_STATUSES, "optimal"),
    HighsModelStatus.kInfeasible: "infeasible",
    HighsModelStatus.kUnboundedOrInfeasible: "infeasible",
    HighsModelStatus.kObjectiveBound: "infeasible",
    HighsModelStatus.kTimeLimit: "stopped",
    HighsModelStatus.kInterrupt: "stopped",
    HighsModelStatus.kIterationLimit: "stopped",
    HighsModelStatus.kSolutionLimit: "stopped",
    HighsModelStatus.kMemoryLimit: "stopped",
    HighsModelStatus.kObjectiveTarget: "stopped",
}
# Values of HiGHS's option `simplex_strategy`: dual simplex (its default) and primal simplex.
DUAL, PRIMAL = 1, 4
# Values of its option for the edge weights of the dual simplex method: HiGHS's choice (as a rule steepest edge), Devex.
CHOSEN_BY_HIGHS, DEVEX = -1, 1
# Restarts and sub-MIP heuristics. With a tight relaxation they cost more than they find, since rounding finds good
# plans and branching closes the remaining gap; with a weak relaxation they are needed.
COSTLY_OPTIONS = (
    "mip_allow_restart",
    "mip_heuristic_run_rens",
    "mip_heuristic_run_rins",
    "mip_heuristic_run_root_reduced_cost",
)
# Simplex iterations per row allowed from a doubtful basis; beyond that, presolve and a fresh start take less time. A
# small model may always take the second number of iterations.
DOUBTFUL_SHARE, DOUBTFUL_LEAST = 0.025, 200
# From a basis, HiGHS 1.16 can cycle between phases of the simplex method without iterating or ending. It is restarted
# from scratch after this multiple of the seconds of the longest LP solved from scratch, but not before the second
# number of seconds.
MOST_TIMES, LEAST_LP_SECONDS = 3.0, 5.0
# No model of this package is unbounded unless its figures are wrong: from some bases HiGHS reports it by mistake.
UNDECIDED_STATUSES = (
    HighsModelStatus.kUnknown,
    HighsModelStatus.kSolveError,
    HighsModelStatus.kNotset,
    HighsModelStatus.kUnbounded,
)
Solved = tuple[SolveRequest, RawResult]


class HighsBackEnd:
    """HiGHS behind PuLP: PuLP builds the model once, then bounds, costs and integrality change in place."""

    def __init__(self, problem: pulp.LpProblem, settings: Settings) -> None:
        self._settings, self._ignored = settings, IGNORED_COEFFICIENT
        options: dict[str, Any] = {
            "small_matrix_value": SMALLEST_COEFFICIENT,
            "primal_feasibility_tolerance": FEASIBILITY,
            "dual_feasibility_tolerance": FEASIBILITY,
            "mip_feasibility_tolerance": INTEGERS_IN_SEARCH,
        }
        if settings.seed is not None:
            options["random_seed"] = settings.seed
        # `msg=False` turns log_to_console off; output_flag stays on: without it HiGHS calls no callback.
        solver = pulp.HiGHS(
            msg=False, gapRel=settings.mip_gap, gapAbs=0.0, threads=settings.threads, timeLimit=None, **options
        )
        # A placeholder objective over all columns: PuLP would leave out columns that are used nowhere.
        problem.setObjective(pulp.lpSum_vars(problem.variables()))
        with quiet():
            solver.createAndConfigureSolver(problem)
        solver.buildSolverModel(problem)
        self._highs = problem.solverModel
        self._lower_coefficient_limit(np.array(self._highs.getLp().a_matrix_.value_))
        if self._highs.getNumRow() != len(problem.constraints()):
            # HiGHS then drops all rows and would report the rest as optimal.
            raise SolverError("HiGHS refuses the model: after scaling, a coefficient is 1e15 or larger")
        # Start time and request of the running search with integers if it may end early after `patience`; else None.
        self._timed: tuple[float, SolveRequest] | None = None
        if settings.patience is not None:
            # Registered before the handlers of Ctrl-C, so that those are called last.
            self._highs.cbMipInterrupt += _weak_callback(self._end_early)
            self._highs.cbSimplexInterrupt += _weak_callback(self._clear_interrupt)
            self._highs.cbIpmInterrupt += _weak_callback(self._clear_interrupt)
        self._highs.HandleUserInterrupt = True
        # Its handler of Ctrl-C refers to itself.
        weakref.finalize(self, setattr, self._highs, "HandleUserInterrupt", False)
        self._all = np.arange(len(problem.variables()), dtype=np.int32)
        # Cost, bounds and integrality of each column as passed to HiGHS; nan before the first time.
        self._passed = np.full((4, len(self._all)), np.nan)
        self._listener: BoundsListener | None = None
        self._has_ended_early = False
        # The basis of the LP before integrality was set; whether that basis may be far from the next optimum; and
        # whether the last growth added columns or rows rather than cuts.
        self._basis: Any = None
        self._is_doubtful = self._has_grown = False
        # Seconds of the longest LP solved from scratch.
        self._longest = 0.0
        # Whether the next solve is shorter than Ctrl-C may wait; then it runs without a thread, whose start takes
        # longer.
        self._is_short = False
        # The last LP and its solution; None before the first LP, and after the model has grown.
        self._last: Solved | None = None
        self._highs.cbMipLogging += _weak_callback(self._log)
        # By name, a stored basis with its LP and solution; None in place of the latter two once cuts were added.
        self._stored: dict[str, tuple[Any, Solved | None]] = {}

    def _lower_coefficient_limit(self, coefficients: Vector) -> None:
        """Lower the limit below which HiGHS ignores coefficients, if some are smaller; see `IGNORED_COEFFICIENT`."""
        smallest = float(np.abs(coefficients[coefficients != 0.0]).min(initial=math.inf))
        self._ignored = max(SMALLEST_COEFFICIENT, min(self._ignored, smallest / 2.0))
        self._highs.setOptionValue("small_matrix_value", self._ignored)

    def grow(self, upper: Vector, rows: Sequence[tuple[Sense, float, Indices, Vector]]) -> None:
        """Append columns and rows; see `BackEnd.grow`."""
        self._discard_bases()
        self._has_grown = True
        zeros, none = np.zeros(len(upper)), np.zeros(0, dtype=np.int32)
        self._highs.addCols(len(upper), zeros, zeros, upper, 0, none, none, np.zeros(0))
        self._all = np.arange(len(self._all) + len(upper), dtype=np.int32)
        self._passed = np.hstack([self._passed, np.full((4, len(upper)), np.nan)])
        if not rows:
            return
        lower = np.array([-math.inf if sense == "<=" else rhs for sense, rhs, _, _ in rows])
        most = np.array([math.inf if sense == ">=" else rhs for sense, rhs, _, _ in rows])
        sizes = np.array([len(columns) for _, _, columns, _ in rows])
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        columns = np.concatenate([columns for _, _, columns, _ in rows])
        values = np.concatenate([values for _, _, _, values in rows])
        self._lower_coefficient_limit(values)
        self._highs.addRows(len(rows), lower, most, len(values), starts, columns, values)

    def add_cuts(self, columns: Indices, coefficients: Vector, rhs: Vector) -> None:
        """Append cuts ``coefficients · columns ≤ rhs``, one per entry of `rhs`, and extend the stored bases by them."""
        stored = self._stored
        self._discard_bases()
        self._has_grown = False
        for name, (basis, _) in stored.items():
            basis.row_status = [*basis.row_status, *[HighsBasisStatus.kBasic] * len(rhs)]
            self._stored[name] = basis, None
        rows, places = np.nonzero(coefficients)
        starts = np.searchsorted(rows, np.arange(len(rhs))).astype(np.int32)
        lower = np.full(len(rhs), -math.inf)
        self._highs.addRows(len(rhs), lower, rhs, len(rows), starts, columns[places], coefficients[rows, places])

    def revise(
        self, settings: Settings, lower: Vector, upper: Vector, entries: Iterable[tuple[int, int, float]]
    ) -> None:
        """Change the bounds of all rows, the coefficients in `entries`, and the settings with their gaps.

        Each entry is (row, column, value). Stored bases are discarded.
        """
        self._settings = settings
        rows = np.arange(len(lower), dtype=np.int32)
        self._highs.changeRowsBounds(len(rows), rows, lower, upper)
        for row, column, value in entries:
            self._highs.changeCoeff(row, column, value)
        self._last, self._stored = None, {}

    def set_stored_basis(self, name: str) -> None:
        """Set the basis stored under `name` at once, so that HiGHS extends it by the columns and rows added next."""
        if name in self._stored:
            self._highs.setBasis(self._stored[name][0])
            self._basis = None

    def _discard_bases(self) -> None:
        """Discard the stored bases and the last solution, which do not fit a model with new columns or rows."""
        self._basis = self._last = None
        self._stored = {}

    def store_basis(self, name: str) -> None:
        """Store the basis of the last LP under `name` until columns are added."""
        basis = self._highs.getBasis()
        if basis.valid and self._last is not None:
            self._stored[name] = (basis, self._last)

    def restore_basis(self, name: str) -> None:
        """Start the next LP from the basis stored under `name`, if there is one."""
        if name in self._stored:
            self._basis, self._last = self._stored[name]

    def allow_fresh_start(self) -> None:
        """Let the next LP restart from scratch, with presolve, if its starting basis is far from the optimum."""
        self._is_doubtful = True

    def _log(self, event: Any) -> None:
        if self._listener is not None:
            self._listener(float(event.data_out.mip_primal_bound), float(event.data_out.mip_dual_bound))

    def _end_early(self, event: Any) -> None:
        """Interrupt a search with integers once the settings' patience is over and the relative gap is reached."""
        event.interrupt(False)
        if self._timed is None or self._settings.patience is None:
            return
        began, request = self._timed
        # The cutoff lies one tolerance below the cost of a known solution.
        known = min(float(event.data_out.mip_primal_bound), request.cutoff + (request.tolerance or 0.0))
        distance, allowed = known - float(event.data_out.mip_dual_bound), self._settings.mip_gap * abs(known)
        is_near = math.isfinite(known) and distance <= allowed
        if is_near and time.perf_counter() - began > self._settings.patience:
            event.interrupt()
            self._has_ended_early = True

    def _clear_interrupt(self, event: Any) -> None:
        """Clear the interrupt flag, which HiGHS keeps after a search and which would end the next LP as well."""
        event.interrupt(False)

    def run(self, request: SolveRequest, clock: Clock, listener: BoundsListener) -> RawResult:
        """Minimise the requested objective; see `BackEnd.run`."""
        is_mip = len(request.integers) > 0
        if (known := self._repeated_result(request)) is not None:
            return known
        self._pass_request(request, clock)
        self._choose_basis(is_mip=is_mip)
        self._choose_method(request)
        self._listener = listener if is_mip else None
        self._has_ended_early = False
        self._timed = (time.perf_counter(), request) if is_mip and request.tolerance is not None else None
        try:
            self._run_or_restart(clock, is_mip=is_mip, is_doubtful=self._is_doubtful)
            raw = self._search_finely(clock, self._read(is_mip=is_mip), request)
            self._store_lp(request, raw)
            if raw.values is not None and not self._agrees(raw.values, request.costs):
                raise SolverError("HiGHS reports an objective that is not that of its solution.")
            return self._with_cutoff(raw, request) if is_mip else raw
        finally:
            self._listener, self._timed = None, None

    def _search_finely(self, clock: Clock, coarse: RawResult, request: SolveRequest) -> RawResult:
        """Search again with a finer integrality tolerance if the integers found are not integral to `FEASIBILITY`.

        Return `coarse` if it has no values, if its integers are integral, or if no time is left.
        """
        if coarse.values is None or _are_whole(coarse.values[request.integers]) or clock.is_over:
            return coarse
        self._highs.clearSolver()
        self._limit_seconds(clock.left, is_mip=True)
        self._highs.setOptionValue("mip_feasibility_tolerance", FEASIBILITY)
        try:
            self._run(clock)
            fine = self._read(is_mip=True)
            return coarse if fine.values is None and fine.status == "stopped" else fine
        finally:
            self._highs.setOptionValue("mip_feasibility_tolerance", INTEGERS_IN_SEARCH)

    def _choose_basis(self, *, is_mip: bool) -> None:
        """Store the basis before a search with integers, and restore it for the LP after it."""
        if is_mip:
            basis = self._highs.getBasis()
            self._basis = basis if basis.valid else self._basis
            # HiGHS 1.16 may start from a solution that it holds, misplace its objective by a constant in the presolved
            # space, and report it as optimal: clear the solver first.
            self._highs.clearSolver()
        elif self._basis is not None:
            # With the integers fixed, the basis that was optimal before the search is a better start than none.
            self._highs.setBasis(self._basis)
            self._basis = None

    def _repeated_result(self, request: SolveRequest) -> RawResult | None:
        """Return the result of the last LP if the request is the same LP, else None."""
        if len(request.integers) or self._last is None:
            return None
        before, result = self._last
        pairs = ((request.costs, before.costs), (request.lower, before.lower), (request.upper, before.upper))
        return result if all(np.array_equal(*pair) for pair in pairs) else None

    def _choose_method(self, request: SolveRequest) -> None:
        """Select the primal simplex method if the costs changed and the basis is primal feasible, else the dual one.

        After columns or rows were added, use Devex weights: steepest-edge weights would take longer to compute for the
        basis than they save.
        """
        is_primal = not len(request.integers) and self._is_feasible(request)
        self._highs.setOptionValue("simplex_strategy", PRIMAL if is_primal else DUAL)
        is_devex = not len(request.integers) and self._has_grown and self._highs.getBasis().valid
        self._highs.setOptionValue("simplex_dual_edge_weight_strategy", DEVEX if is_devex else CHOSEN_BY_HIGHS)

    def _store_lp(self, request: SolveRequest, raw: RawResult) -> None:
        """Store the result of an LP; a search with integers stores nothing."""
        if not len(request.integers):
            self._last, self._is_doubtful = None if raw.values is None else (request, raw), False

    def _is_feasible(self, request: SolveRequest) -> bool:
        """Return whether the costs changed and the last solution keeps the new bounds: the basis is primal feasible."""
        if self._last is None or not self._highs.getBasis().valid:
            return False
        before, values = self._last[0], self._last[1].values
        assert values is not None
        is_within = np.all(values >= request.lower - FEASIBILITY) and np.all(values <= request.upper + FEASIBILITY)
        return bool(is_within) and not np.array_equal(before.costs, request.costs)

    def _pass_request(self, request: SolveRequest, clock: Clock) -> None:
        """Pass options to HiGHS, and the costs, bounds and integrality that changed."""
        highs, is_mip = self._highs, len(request.integers) > 0
        is_integer = np.zeros(len(self._all))
        is_integer[request.integers] = 1.0
        before, self._passed = self._passed, np.array([request.costs, request.lower, request.upper, is_integer])
        is_new = self._passed != before
        if len(columns := self._all[is_new[0]]):
            highs.changeColsCost(len(columns), columns, request.costs[columns])
        if len(columns := self._all[is_new[1] | is_new[2]]):
            highs.changeColsBounds(len(columns), columns, request.lower[columns], request.upper[columns])
        if len(columns := self._all[is_new[3]]):
            kinds = np.full(len(columns), HighsVarType.kContinuous)
            kinds[is_integer[columns] > 0] = HighsVarType.kInteger
            highs.changeColsIntegrality(len(columns), columns, kinds)
        self._limit_seconds(clock.left, is_mip=is_mip)
        # For an LP this option would end the dual simplex method early.
        highs.setOptionValue("objective_bound", request.cutoff if is_mip else math.inf)
        highs.setOptionValue("objective_target", request.enough if is_mip else -math.inf)
        highs.setOptionValue("mip_rel_gap", self._settings.mip_gap if request.tolerance is None else 0.0)
        highs.setOptionValue("mip_abs_gap", request.tolerance or 0.0)
        for option in COSTLY_OPTIONS:
            highs.setOptionValue(option, request.is_weak)

    def _with_cutoff(self, raw: RawResult, request: SolveRequest) -> RawResult:
        """Return the result with a bound that is valid for all solutions, not only for those below the cutoff.

        HiGHS discards solutions above the cutoff, and its bound ignores them. A solution above the cutoff may not be
        the best.
        """
        if self._has_ended_early and raw.status == "stopped":
            raw = replace(raw, status="optimal")
        if raw.status == "infeasible":
            return raw
        is_above = raw.values is None or float(raw.values @ request.costs) > request.cutoff
        return replace(raw, bound=min(raw.bound, request.cutoff)) if is_above else raw

    def _agrees(self, values: Vector, costs: Vector) -> bool:
        """Return whether the objective that HiGHS reports matches the objective of its solution."""
        reported, sizes = float(self._highs.getInfo().objective_function_value), np.abs(values * costs)
        return abs(float(values @ costs) - reported) <= REPORTED_OBJECTIVE * max(1.0, float(sizes.sum()))

    @property
    def highs(self) -> Any:
        """The `Highs` object."""
        return self._highs

    def for_small_lps(self) -> Any:
        """Switch off callbacks and presolve, which slow down thousands of small LPs; return the `Highs` object."""
        self._highs.HandleUserInterrupt = False
        for option, value in (("output_flag", False), ("presolve", "off"), ("solver", "simplex")):
            self._highs.setOptionValue(option, value)
        return self._highs

    def _run(self, clock: Clock) -> None:
        """Run HiGHS, and again by other methods while it ends without a verdict."""
        self._attempt(clock)
        self.retry_undecided(clock)

    def _run_or_restart(self, clock: Clock, *, is_mip: bool, is_doubtful: bool) -> None:
        """Run HiGHS; restart an LP from scratch if its starting basis does not soon lead to the optimum."""
        highs, began = self._highs, time.perf_counter()
        if is_mip or not highs.getBasis().valid:
            self._run(clock)
            self._longest = self._longest if is_mip else max(self._longest, time.perf_counter() - began)
            return
        limit = max(DOUBTFUL_LEAST, int(DOUBTFUL_SHARE * highs.getNumRow())) if is_doubtful else kHighsIInf
        most = max(LEAST_LP_SECONDS, MOST_TIMES * self._longest)
        is_hurried = clock.left is not None and clock.left <= most
        self._limit_seconds(clock.left if is_hurried else most)
        highs.setOptionValue("simplex_iteration_limit", limit)
        self._attempt(clock)
        highs.setOptionValue("simplex_iteration_limit", kHighsIInf)
        self._limit_seconds(clock.left)
        status = highs.getModelStatus()
        if status == HighsModelStatus.kIterationLimit or (status == HighsModelStatus.kTimeLimit and not is_hurried):
            highs.clearSolver()
            highs.setOptionValue("simplex_strategy", DUAL)
            self._run(clock)
        else:
            self.retry_undecided(clock)

    def _limit_seconds(self, seconds: float | None, *, is_mip: bool = False) -> None:
        """Limit the next run to `seconds`; None for no limit."""
        # HiGHS 1.16 counts the seconds of all its runs for an LP, but only those of the current run with integers.
        spent = 0.0 if is_mip else self._highs.getRunTime()
        self._highs.setOptionValue("time_limit", math.inf if seconds is None else seconds + spent)

    def retry_undecided(self, clock: Clock) -> None:
        """Solve again with other methods, then with looser tolerances, while HiGHS ends without a verdict."""
        highs = self._highs
        if self._is_undecided() or highs.getModelStatus() == HighsModelStatus.kUnboundedOrInfeasible:
            # Presolve cannot always distinguish infeasible from unbounded: solve again from scratch without it. Where
            # coefficients differ by orders of magnitude, the primal simplex method may succeed where the dual one
            # fails.
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
        # The tight tolerances may be out of reach.
        for tolerance in LOOSER_FEASIBILITY:
            if self._is_undecided():
                highs.clearSolver()
                self._set_tolerances(tolerance)
                self._attempt(clock)
                self._set_tolerances(FEASIBILITY)
                highs.setOptionValue("mip_feasibility_tolerance", INTEGERS_IN_SEARCH)

    def _is_undecided(self) -> bool:
        """Return whether HiGHS ended without a verdict, or optimal but without a solution."""
        status = self._highs.getModelStatus()
        is_empty = status == HighsModelStatus.kOptimal and not self._highs.getSolution().value_valid
        return status in UNDECIDED_STATUSES or is_empty

    def _set_tolerances(self, size: float) -> None:
        for kind in ("primal", "dual", "mip"):
            self._highs.setOptionValue(f"{kind}_feasibility_tolerance", size)

    def _attempt(self, clock: Clock) -> None:
        """Run HiGHS once; from the main thread in a thread of its own, so that Ctrl-C stops it with its incumbent."""
        if self._is_short or threading.current_thread() is not threading.main_thread():
            self._highs.run()
            return
        self._highs.startSolve().name = SOLVER_THREAD
        is_cancelled = False
        while not self._highs.wait(0.1)[0]:
            if clock.interrupted and not is_cancelled:
                self._highs.cancelSolve()
                is_cancelled = True
        if is_cancelled:
            # HiGHS 1.16 keeps the interrupt flag and would stop every later run while it listens for interrupts.
            self._highs.HandleUserInterrupt = False

    def _verdict(self) -> Verdict:
        if (verdict := _VERDICTS.get(self._highs.getModelStatus())) is None:
            raise no_verdict_error(self._highs)
        return verdict

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


def _weak_callback(method: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a callback that holds `method`'s object weakly, so that an unused model and its memory are freed."""
    reference = weakref.WeakMethod(method)

    def call(event: Any) -> None:
        if (known := reference()) is not None:
            known(event)

    return call


def no_verdict_error(highs: Any) -> SolverError:
    """Return the error to raise where HiGHS ends without a verdict."""
    status = highs.modelStatusToString(highs.getModelStatus())
    kind = UnboundedError if highs.getModelStatus() == HighsModelStatus.kUnbounded else SolverError
    return kind(
        f"HiGHS ended with status {status!r}: the figures of this model may differ by too many powers of ten. "
        "`diversify check` names figures that stand out; look for a wrong unit."
    )


def _are_whole(integers: Vector) -> bool:
    return bool((np.abs(integers - np.round(integers)) <= FEASIBILITY).all())
