"""The only door to a solver: PuLP builds and passes the model, HiGHS is kept warm behind it, or PuLP runs CBC.

What is asked in the units of the file is answered in the units of the file; scales stay in here. Statuses are read
here and nowhere else:

    optimal      proven within the gap asked for
    stopped      a time limit or Ctrl-C came first; `values` is the best found, or None
    infeasible   no values satisfy the rows
"""

import contextlib
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pulp
from highspy import HighsModelStatus, HighsVarType, kHighsInf

from optimizer.errors import SolverError
from optimizer.stage import Expression, Stage

Vector = npt.NDArray[np.float64]
SolverName = Literal["highs", "cbc"]
Listener = Callable[[float, float], None]


@dataclass
class Clock:
    """A deadline shared by several solves, the seconds spent in them, and whether Ctrl-C was pressed."""

    limit: float | None = None
    started: float = field(default_factory=time.perf_counter)
    solving: float = 0.0
    interrupted: bool = False

    @property
    def left(self) -> float | None:
        """Seconds left before the deadline; None where there is none."""
        return None if self.limit is None else max(0.0, self.limit - (time.perf_counter() - self.started))

    @property
    def is_over(self) -> bool:
        """Whether there is no time left, or the user has asked to stop."""
        return self.interrupted or (self.left is not None and self.left <= 0)


@dataclass(frozen=True)
class Settings:
    """How to solve.

    Attributes:
        solver: ``highs``, or ``cbc`` through PuLP where the extra is installed.
        gap: relative gap to which integers are proven.
        time_limit: seconds for the whole question; None for no limit.
        threads: None leaves it to the solver.
        seed: of the solver's own choices.
    """

    solver: SolverName = "highs"
    gap: float = 1e-4
    time_limit: float | None = None
    threads: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Answer:
    """What a solve found, in the units of the file.

    Attributes:
        status: see the module.
        values: by column; None where nothing was found.
        objective: of `values`.
        bound: proven lower bound on the objective.
        prices: by row, the change of the objective per unit of the row's right-hand side; None with integers.
        reduced: by column, the change of the objective per unit of the bound it rests on; None with integers.
    """

    status: Literal["optimal", "stopped", "infeasible"]
    values: Vector | None
    objective: float
    bound: float
    prices: Vector | None
    reduced: Vector | None = None


class Model:
    """A stage in the hands of a solver: objectives, bounds and right-hand sides may change between solves."""

    def __init__(self, stage: Stage, objective: Expression, settings: Settings, clock: Clock | None = None) -> None:
        self.stage = stage
        self.settings = settings
        self.clock = clock or Clock(settings.time_limit)
        columns, rows = stage.scales()
        self._column_scale, self._row_scale = np.array(columns), np.array(rows)
        self.lower = np.array([column.lower for column in stage.columns])
        self.upper = np.array([column.upper for column in stage.columns])
        self.integers = np.array([j for j, column in enumerate(stage.columns) if column.integer], dtype=np.int32)
        self._problem = stage.problem("diversify", columns, rows)
        back_ends: dict[str, Callable[[], _Highs | _Cold]] = {
            "highs": lambda: _Highs(self._problem, settings),
            "cbc": lambda: _Cold(self._problem, settings),
        }
        self._objective = Expression()
        self._money = 1.0
        self._set(objective)
        self._back = back_ends[settings.solver]()

    def _set(self, objective: Expression) -> None:
        """The objective in a unit of money chosen so that its middle coefficient is near 1."""
        self._objective = objective
        sizes = {j: value * self._column_scale[j] for j, value in objective.terms.items()}
        logs = [math.log10(abs(value)) for value in sizes.values() if value]
        self._money = 10.0 ** round(float(np.median(logs))) if logs else 1.0
        if logs:
            self._money = max(self._money, 10.0 ** (round(max(logs)) - 6))
        self._costs = np.zeros(len(self._column_scale))
        for j, value in sizes.items():
            self._costs[j] = value / self._money

    def minimise(self, objective: Expression) -> None:
        """Change what is minimised."""
        self._set(objective)

    def bound(self, columns: Sequence[int] | npt.NDArray[np.int32], lower: Any, upper: Any) -> None:
        """Change the bounds of columns, in their own units."""
        chosen = np.asarray(columns, dtype=np.int32)
        self.lower[chosen], self.upper[chosen] = lower, upper

    def solve(self, *, relaxed: bool = False, listener: Listener | None = None) -> Answer:
        """Solve; `relaxed` drops the integers, `listener` hears (incumbent, bound)."""
        began = time.perf_counter()
        with np.errstate(invalid="ignore"):
            lower, upper = self.lower / self._column_scale, self.upper / self._column_scale
        offset = self._objective.constant

        def hear(incumbent: float, bound: float) -> None:
            if listener is not None:
                listener(incumbent * self._money + offset, bound * self._money + offset)

        integers = self.integers if not relaxed else self.integers[:0]
        raw = self._back.run(self._costs, lower, upper, integers, self.clock, hear)
        self.clock.solving += time.perf_counter() - began
        return self._answer(raw, has_integers=len(integers) > 0)

    def _answer(self, raw: "_Raw", *, has_integers: bool) -> Answer:
        if raw.values is None:
            return Answer(raw.status, None, math.inf, raw.bound * self._money + self._objective.constant, None)
        values = raw.values * self._column_scale
        objective = self._objective.value(values.tolist())
        bound = objective if raw.status == "optimal" and not has_integers else raw.bound * self._money
        if has_integers:
            bound = min(bound + self._objective.constant, objective)
        prices = None if has_integers or raw.duals is None else raw.duals * self._money / self._row_scale
        reduced = None if prices is None or raw.reduced is None else raw.reduced * self._money / self._column_scale
        return Answer(raw.status, values, objective, bound, prices, reduced)


@dataclass(frozen=True)
class _Raw:
    """An answer in the solver's own units."""

    status: Literal["optimal", "stopped", "infeasible"]
    values: Vector | None
    bound: float
    duals: Vector | None
    reduced: Vector | None = None


class _Highs:
    """HiGHS behind PuLP: PuLP makes the model once, then bounds, costs and integrality change in place."""

    def __init__(self, problem: pulp.LpProblem, settings: Settings) -> None:
        self._settings = settings
        options: dict[str, Any] = {
            "primal_feasibility_tolerance": 1e-9,
            "dual_feasibility_tolerance": 1e-9,
            "mip_feasibility_tolerance": 1e-9,
        }
        if settings.seed is not None:
            options["random_seed"] = settings.seed
        solver = pulp.HiGHS(
            msg=False, gapRel=settings.gap, gapAbs=0.0, threads=settings.threads, timeLimit=None, **options
        )
        # Any objective will do here, so long as no column is left out for want of a use.
        problem.setObjective(pulp.lpSum_vars(problem.variables()))
        with _quiet():
            solver.createAndConfigureSolver(problem)
        solver.buildSolverModel(problem)
        self._highs = problem.solverModel
        self._highs.setOptionValue("output_flag", False)
        self._highs.HandleUserInterrupt = True
        self._all = np.arange(len(problem.variables()), dtype=np.int32)
        self._listener: Listener | None = None
        self._highs.cbMipLogging += self._heard

    def _heard(self, event: Any) -> None:
        if self._listener is not None:
            self._listener(float(event.data_out.mip_primal_bound), float(event.data_out.mip_dual_bound))

    def run(
        self,
        costs: Vector,
        lower: Vector,
        upper: Vector,
        integers: npt.NDArray[np.int32],
        clock: Clock,
        listener: Listener,
    ) -> _Raw:
        highs, size = self._highs, len(self._all)
        highs.changeColsCost(size, self._all, costs)
        highs.changeColsBounds(size, self._all, lower, np.where(np.isinf(upper), kHighsInf, upper))
        kinds = np.full(size, HighsVarType.kContinuous)
        kinds[integers] = HighsVarType.kInteger
        highs.changeColsIntegrality(size, self._all, kinds)
        highs.setOptionValue("time_limit", math.inf if clock.left is None else clock.left + highs.getRunTime())
        if len(integers):
            # HiGHS 1.16 may take a solution that it already holds for a start, misplace its objective by a constant
            # in the presolved space, and call it optimal: it has to begin from nothing.
            highs.clearSolver()
        self._listener = listener if len(integers) else None
        try:
            self._run(clock)
            raw = self._read(is_mip=len(integers) > 0)
            if raw.values is not None and not self._agrees(raw.values, costs):
                raise SolverError("HiGHS reports an objective that its own solution does not have")
            return raw
        finally:
            self._listener = None

    def _agrees(self, values: Vector, costs: Vector) -> bool:
        """Whether the objective that HiGHS reports is that of its solution."""
        reported, sizes = float(self._highs.getInfo().objective_function_value), np.abs(values * costs)
        return abs(float(values @ costs) - reported) <= 1e-6 * max(1.0, float(sizes.sum()))

    def _run(self, clock: Clock) -> None:
        """Run in a thread of its own, so that Ctrl-C reaches us and stops HiGHS with the best it has."""
        highs = self._highs
        self._attempt(clock)
        if highs.getModelStatus() in (HighsModelStatus.kUnknown, HighsModelStatus.kUnboundedOrInfeasible):
            # Tight tolerances can be out of reach, and presolve cannot always tell the two apart: once more, from
            # nothing, without presolve.
            highs.clearSolver()
            highs.setOptionValue("presolve", "off")
            self._attempt(clock)
            highs.setOptionValue("presolve", "choose")
        if highs.getModelStatus() == HighsModelStatus.kUnknown:
            self._tolerances(1e-7)
            self._attempt(clock)
            self._tolerances(1e-9)

    def _tolerances(self, size: float) -> None:
        for kind in ("primal", "dual", "mip"):
            self._highs.setOptionValue(f"{kind}_feasibility_tolerance", size)

    def _attempt(self, clock: Clock) -> None:
        if threading.current_thread() is not threading.main_thread():
            self._highs.run()
            return
        self._highs.startSolve()
        finished = False
        while not finished:
            try:
                finished = self._highs.wait(0.2)[0]
            except KeyboardInterrupt:
                if clock.interrupted:
                    raise
                clock.interrupted = True
                self._highs.cancelSolve()

    def _read(self, *, is_mip: bool) -> _Raw:
        highs, status = self._highs, self._highs.getModelStatus()
        info = highs.getInfo()
        bound = float(info.mip_dual_bound) if is_mip else -math.inf
        if status in (HighsModelStatus.kInfeasible, HighsModelStatus.kUnboundedOrInfeasible):
            return _Raw("infeasible", None, math.inf, None)
        stopped = (
            HighsModelStatus.kTimeLimit,
            HighsModelStatus.kInterrupt,
            HighsModelStatus.kIterationLimit,
            HighsModelStatus.kSolutionLimit,
            HighsModelStatus.kMemoryLimit,
        )
        if status not in (HighsModelStatus.kOptimal, HighsModelStatus.kModelEmpty, *stopped):
            raise SolverError(f"HiGHS ended with status {highs.modelStatusToString(status)!r}")
        solution = highs.getSolution()
        has_point = status not in stopped or (is_mip and int(info.primal_solution_status) == 2)
        values = np.array(solution.col_value) if has_point else None
        if status in stopped or is_mip:
            return _Raw("stopped" if status in stopped else "optimal", values, bound, None)
        return _Raw("optimal", values, bound, np.array(solution.row_dual), np.array(solution.col_dual))


class _Cold:
    """Any other solver through PuLP: the model is written out for every solve."""

    def __init__(self, problem: pulp.LpProblem, settings: Settings) -> None:
        self._problem, self._settings = problem, settings
        if not pulp.COIN_CMD(msg=False).available():
            raise SolverError('CBC is not installed; install the extra: pip install "optimizer[cbc]"')

    def run(
        self,
        costs: Vector,
        lower: Vector,
        upper: Vector,
        integers: npt.NDArray[np.int32],
        clock: Clock,
        listener: Listener,
    ) -> _Raw:
        problem, variables = self._problem, self._problem.variables()
        whole = set(integers.tolist())
        for j, variable in enumerate(variables):
            variable.bounds(float(lower[j]), None if math.isinf(upper[j]) else float(upper[j]))
            variable.cat = pulp.const.LpInteger if j in whole else pulp.const.LpContinuous
        problem.setObjective(pulp.lpSum_vars_coefs([(variables[j], float(costs[j])) for j in np.flatnonzero(costs)]))
        settings = self._settings
        solver = pulp.COIN_CMD(
            msg=False,
            gapRel=settings.gap,
            gapAbs=0.0,
            timeLimit=clock.left,
            threads=settings.threads,
            randomSeed=settings.seed,
            options=["primalTolerance 1e-9", "dualTolerance 1e-9", "integerTolerance 1e-9"],
        )
        stats = problem.solve(solver)
        return self._read(stats, variables, is_mip=bool(whole))

    def _read(self, stats: Any, variables: Sequence[Any], *, is_mip: bool) -> _Raw:
        status = pulp.const.LpSolveStatus
        if stats.status == status.Infeasible:
            return _Raw("infeasible", None, math.inf, None)
        if not stats.has_solution:
            return _Raw("stopped", None, -math.inf, None)
        solved = stats.status in (status.Optimal, status.GapLimit)
        values = np.array([variable.varValue or 0.0 for variable in variables])
        bound = self._bound(stats, solved)
        if is_mip or not solved:
            return _Raw("optimal" if solved else "stopped", values, bound, None)
        duals = np.array([row.pi or 0.0 for row in self._problem.constraints()])
        return _Raw("optimal", values, bound, duals, np.array([variable.dj or 0.0 for variable in variables]))

    def _bound(self, stats: Any, solved: bool) -> float:
        if stats.best_bound is not None:
            return float(stats.best_bound)
        if not solved:
            return -math.inf
        objective = float(pulp.value(self._problem.objective))
        return objective - self._settings.gap * abs(objective)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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


def write_model(stage: Stage, objective: Expression, path: FilePath) -> None:
    """Write a stage as MPS or LP by the path's suffix, in the units of the file; whole or not at all."""
    problem = stage.problem("diversify", [1.0] * len(stage.columns), [1.0] * len(stage.rows))
    variables = problem.variables()
    cost = pulp.lpSum_vars_coefs([(variables[j], value) for j, value in objective.terms.items()])
    cost.constant = objective.constant
    problem.setObjective(cost)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export") as folder:
        beside = FilePath(folder) / f"model{path.suffix}"
        if path.suffix == ".lp":
            problem.writeLP(str(beside), max_length=255)
        else:
            problem.writeMPS(str(beside), with_objsense=True)
        beside.replace(path)


def versions() -> Mapping[str, str]:
    """The versions of PuLP and HiGHS."""
    return {"pulp": version("pulp"), "highspy": version("highspy")}
