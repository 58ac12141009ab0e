"""A model held by a solver, HiGHS or CBC through PuLP, and the export of a model to a file."""

import math
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pulp

from optimizer.errors import MissingExtraError
from optimizer.model import Sense
from optimizer.model.builder import LONGEST_NAME, ModelBuilder, Row
from optimizer.model.expressions import Expression
from optimizer.solver.base import (
    BackEnd,
    BoundsListener,
    Clock,
    Indices,
    Integers,
    PseudoCosts,
    RawResult,
    Settings,
    SolveRequest,
    SolveResult,
    SolverName,
    Vector,
)
from optimizer.solver.highs_tree import TreeBackEnd
from optimizer.tolerances import FINE_ROUNDING


class CbcBackEnd:
    """CBC through PuLP, which writes the model to a file for every solve."""

    def __init__(self, problem: pulp.LpProblem, settings: Settings) -> None:
        self._problem, self._settings = problem, settings
        if not pulp.COIN_CMD(msg=False).available():
            raise MissingExtraError("the solver cbc needs CBC; in the project's folder run: pip install '.[cbc]'")

    def run(self, request: SolveRequest, clock: Clock, listener: BoundsListener) -> RawResult:
        """Minimise the requested objective; the cutoff is not passed on, which does not change what CBC finds."""
        problem, variables, costs = self._problem, self._problem.variables(), request.costs
        whole = set(request.integers.tolist())
        for j, variable in enumerate(variables):
            upper = request.upper[j]
            variable.bounds(float(request.lower[j]), None if math.isinf(upper) else float(upper))
            variable.cat = pulp.const.LpInteger if j in whole else pulp.const.LpContinuous
        problem.setObjective(pulp.lpSum_vars_coefs([(variables[j], float(costs[j])) for j in np.flatnonzero(costs)]))
        settings = self._settings
        solver = pulp.COIN_CMD(
            msg=False,
            gapRel=settings.mip_gap if request.tolerance is None else 0.0,
            gapAbs=request.tolerance or 0.0,
            timeLimit=clock.left,
            threads=settings.threads,
            randomSeed=settings.seed,
            options=["primalTolerance 1e-9", "dualTolerance 1e-9", "integerTolerance 1e-9"],
        )
        stats = problem.solve(solver)
        return self._read(stats, variables, request.tolerance, is_mip=bool(whole))

    def grow(self, upper: Vector, rows: Sequence[tuple[Sense, float, Indices, Vector]]) -> None:
        """Append columns and rows; see `BackEnd.grow`."""
        problem, senses = self._problem, {"<=": pulp.const.LpConstraintLE, ">=": pulp.const.LpConstraintGE}
        for bound in upper:
            name = f"new{len(problem.variables())}"
            problem.add_variable(name, 0, None if math.isinf(bound) else float(bound))
        variables = problem.variables()
        for sense, rhs, columns, values in rows:
            left = pulp.lpSum_vars_coefs([(variables[j], float(v)) for j, v in zip(columns, values, strict=True)])
            left.constant, left.sense = -rhs, senses.get(sense, pulp.const.LpConstraintEQ)
            problem.addConstraint(left, f"new{len(problem.constraints())}")

    def store_basis(self, name: str) -> None:
        """Do nothing: CBC keeps no basis."""

    def restore_basis(self, name: str) -> None:
        """Do nothing: CBC keeps no basis."""

    def allow_fresh_start(self) -> None:
        """Do nothing: CBC starts every LP from scratch."""

    def add_cuts(self, columns: Indices, coefficients: Vector, rhs: Vector) -> None:
        """Append cuts, rows ``coefficients · columns ≤ rhs``, one per entry of `rhs`."""
        variables = self._problem.variables()
        for row, bound in zip(coefficients, rhs, strict=True):
            left = pulp.lpSum_vars_coefs([(variables[columns[i]], float(row[i])) for i in np.flatnonzero(row)])
            left.constant, left.sense = -float(bound), pulp.const.LpConstraintLE
            self._problem.addConstraint(left, f"cut{len(self._problem.constraints())}")

    def _read(self, stats: Any, variables: Sequence[Any], tolerance: float | None, *, is_mip: bool) -> RawResult:
        status = pulp.const.LpSolveStatus
        if stats.status == status.Infeasible:
            return RawResult("infeasible", None, math.inf, None)
        if not stats.has_solution:
            return RawResult("stopped", None, -math.inf, None)
        solved = stats.status in (status.Optimal, status.GapLimit)
        values = _as_array(variable.varValue for variable in variables)
        bound = self._bound(stats, solved, tolerance)
        if is_mip or not solved:
            return RawResult("optimal" if solved else "stopped", values, bound, None)
        duals = _as_array(row.pi for row in self._problem.constraints())
        return RawResult("optimal", values, bound, duals, _as_array(variable.dj for variable in variables))

    def _bound(self, stats: Any, solved: bool, tolerance: float | None) -> float:
        if stats.best_bound is not None:
            return float(stats.best_bound)
        if not solved:
            return -math.inf
        # PuLP has no value for an objective without columns.
        objective = float(pulp.value(self._problem.objective) or 0.0)
        return objective - (self._settings.mip_gap * abs(objective) if tolerance is None else tolerance)


def _as_array(values: Iterable[float | None]) -> Vector:
    """Return PuLP's values as an array, with 0 for None, the value of a column that the solver left out."""
    return np.array([value or 0.0 for value in values])


class ImpliedBounds:
    """Rows of two columns that reduce to a bound while one of the two columns is fixed, in the units of the file.

        a·u + b·v ≤ r,  a > 0 > b    with v fixed:    u ≤ (r − b·v) / a

    A survival floor that must be kept is such a row. As a bound it costs the simplex method almost nothing, while a row
    enlarges the basis. The row stays in the model, and its dual value is recovered from the reduced cost of the bound.
    """

    def __init__(self, rows: Sequence[Row] = (), first: int = 0) -> None:
        found = [
            (first + r, *sorted(row.terms.items(), key=lambda term: -term[1]), row.rhs)
            for r, row in enumerate(rows)
            if len(row.terms) == 2 and row.sense == "<=" and min(row.terms.values()) < 0 < max(row.terms.values())
        ]
        self._row = np.array([r for r, _, _, _ in found], dtype=np.intp)
        self._u = np.array([u for _, (u, _), _, _ in found], dtype=np.intp)
        self._v = np.array([v for _, _, (v, _), _ in found], dtype=np.intp)
        self._a = np.array([a for _, (_, a), _, _ in found], dtype=np.float64)
        self._b = np.array([b for _, _, (_, b), _ in found], dtype=np.float64)
        self._rhs = np.array([rhs for _, _, _, rhs in found], dtype=np.float64)

    def with_rows(self, rows: Sequence[Row], first: int) -> "ImpliedBounds":
        """Return the implied bounds extended by appended `rows`, of which `first` is the index of the first."""
        more, result = ImpliedBounds(rows, first), ImpliedBounds()
        for name, own in vars(self).items():
            setattr(result, name, np.concatenate([own, getattr(more, name)]))
        return result

    def upper(self, lower: Vector, upper: Vector) -> Vector:
        """Return the upper bounds tightened by the rows whose other column is now fixed."""
        result = upper.copy()
        limits = self._limits(lower, upper)
        np.minimum.at(result, self._u, np.where(limits >= lower[self._u], limits, np.inf))
        return result

    def restore_duals(self, lower: Vector, upper: Vector, duals: Vector, reduced_costs: Vector) -> None:
        """Move the reduced costs of active implied bounds to the duals of their rows, in place."""
        limits = self._limits(lower, upper)
        # If several rows bound one column, only the tightest has a non-zero dual.
        order = np.argsort(limits, kind="stable")
        leaders = order[np.unique(self._u[order], return_index=True)[1]]
        u, limits = self._u[leaders], limits[leaders]
        is_bound = (limits >= lower[u]) & (limits < upper[u]) & (reduced_costs[u] < 0)
        rows, u = leaders[is_bound], u[is_bound]
        more = reduced_costs[u] / self._a[rows]
        duals[self._row[rows]] += more
        np.subtract.at(reduced_costs, self._v[rows], more * self._b[rows])
        reduced_costs[u] = 0.0

    def _limits(self, lower: Vector, upper: Vector) -> Vector:
        """Return for each row the bound on its column u; infinite where column v is not fixed."""
        fixed = lower[self._v]
        return np.where(fixed == upper[self._v], (self._rhs - self._b * fixed) / self._a, np.inf)


class Model:
    """A model held by a solver: objective, bounds and right-hand sides may change between solves.

    Attributes:
        lower, upper: bounds of its columns.
        integers: indices of the integer columns.
        mass: tonnes per scaled unit of mass.
    """

    def __init__(
        self, builder: ModelBuilder, objective: Expression, settings: Settings, clock: Clock | None = None
    ) -> None:
        self.builder = builder
        self.settings = settings
        self.clock = clock or Clock(settings.time_limit)
        columns, rows = builder.scales()
        self.mass = max(
            (c for c, column in zip(columns, builder.columns, strict=True) if column.unit == "t"), default=1.0
        )
        self._column_scale, self._row_scale = np.array(columns), np.array(rows)
        # Indices of the builder's columns and rows in the solver. The solver holds further rows, added by `add_rows`
        # and `add_cuts`.
        self._columns, self._width = np.arange(len(columns), dtype=np.int32), len(columns)
        self._places, self._height = np.arange(len(rows)), len(rows)
        self._added_places = self._places[:0]
        self.lower = np.array([column.lower for column in builder.columns])
        self.upper = np.array([column.upper for column in builder.columns])
        self.integers = np.array([j for j, column in enumerate(builder.columns) if column.integer], dtype=np.int32)
        self._implied = ImpliedBounds(builder.rows)
        self.set_objective(objective)
        problem = builder.problem("diversify", columns, rows, is_read=False)
        back_ends: dict[str, type[TreeBackEnd] | type[CbcBackEnd]] = {"highs": TreeBackEnd, "cbc": CbcBackEnd}
        self._back: BackEnd = back_ends[settings.solver](problem, settings)

    def set_objective(self, objective: Expression) -> None:
        """Set the objective to minimise, scaled by `unit_of_money`."""
        self._objective = objective
        costs = np.zeros(len(self._column_scale))
        costs[list(objective.terms)] = list(objective.terms.values())
        costs *= self._column_scale
        self._money = unit_of_money(costs)
        self._costs = costs / self._money

    def bound(self, columns: Sequence[int] | Indices, lower: Any, upper: Any) -> None:
        """Change the bounds of the given columns, in the units of the file."""
        chosen = np.asarray(columns, dtype=np.int32)
        self.lower[chosen], self.upper[chosen] = lower, upper

    def grow(self, builder: ModelBuilder, objective: Expression) -> None:
        """Extend the model to a builder whose first columns and rows are those of the current builder.

        New integer columns are appended to `integers`. The basis is kept: the next LP starts from the last one.
        """
        columns, rows = builder.scales(self.mass)
        had, rows_had = len(self.builder.columns), len(self.builder.rows)
        self.builder, new = builder, builder.columns[had:]
        self.lower = np.concatenate([self.lower, np.zeros(len(new))])
        self.upper = np.concatenate([self.upper, [column.upper for column in new]])
        more_integers = [had + j for j, column in enumerate(new) if column.integer]
        self.integers = np.concatenate([self.integers, np.array(more_integers, dtype=np.int32)])
        self._column_scale, self._row_scale = np.array(columns), np.array(rows)
        self._columns = np.concatenate([self._columns, self._new_columns(len(new))])
        self._back.grow(
            self.upper[had:] / self._column_scale[had:],
            [self._scaled(row, scale) for row, scale in zip(builder.rows[rows_had:], rows[rows_had:], strict=True)],
        )
        self._implied = self._implied.with_rows(builder.rows[rows_had:], rows_had)
        self._places = np.concatenate([self._places, self._new_places(len(rows) - rows_had)])
        self.set_objective(objective)

    def _new_columns(self, more: int) -> Indices:
        """Return the indices in the solver of `more` columns that are being appended."""
        self._width += more
        return np.arange(self._width - more, self._width, dtype=np.int32)

    def _new_places(self, more: int) -> Integers:
        """Return the indices in the solver of `more` rows that are being appended."""
        self._height += more
        return np.arange(self._height - more, self._height)

    def _scaled(self, row: Row, scale: float) -> tuple[Sense, float, Indices, Vector]:
        columns = np.fromiter(row.terms, dtype=np.int32)
        values = np.fromiter(row.terms.values(), dtype=np.float64) * self._column_scale[columns] / scale
        return row.sense, row.rhs / scale, self._columns[columns], values

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Append sparse rows in tonnes.

        They are not rows of the builder; results report their dual values in `added_duals`.
        """
        self._back.grow(np.zeros(0), [self._scaled(row, self.mass) for row in rows])
        self._added_places = np.concatenate([self._added_places, self._new_places(len(rows))])

    def add_cuts(self, columns: Sequence[int] | Indices, coefficients: Vector, rhs: Vector) -> None:
        """Append cuts ``coefficients · columns ≤ rhs``, dense rows in the units of the file whose sides are in tonnes.

        They are not rows of the builder; results have no dual values for them.
        """
        chosen = np.asarray(columns, dtype=np.int32)
        scale = self.mass
        scaled = coefficients * self._column_scale[chosen] / scale
        scaled[np.abs(scaled) < FINE_ROUNDING * np.abs(scaled).max(axis=1, keepdims=True, initial=0.0)] = 0.0
        self._back.add_cuts(self._columns[chosen], scaled, rhs / scale)
        self._new_places(len(rhs))

    def store_basis(self, name: str) -> None:
        """Store the basis of the last LP under `name` until columns are added."""
        self._back.store_basis(name)

    def restore_basis(self, name: str) -> None:
        """Start the next LP from the basis stored under `name`, if there is one."""
        self._back.restore_basis(name)

    def allow_fresh_start(self) -> None:
        """Let the next LP restart from scratch, with presolve, if its starting basis does not soon lead to the optimum.

        With the integers fixed, presolve may reduce the model so far that a fresh start is faster.
        """
        self._back.allow_fresh_start()

    def solve(
        self,
        *,
        relaxed: bool = False,
        listener: BoundsListener | None = None,
        cutoff: float = math.inf,
        enough: float = -math.inf,
        tolerance: float | None = None,
        is_weak: bool = False,
        pseudo_costs: PseudoCosts | None = None,
    ) -> SolveResult:
        """Minimise the objective over the current bounds.

        Args:
            relaxed: whether to drop the integrality of the integer columns.
            listener: called with (incumbent, bound) during a search with integers.
            cutoff: with integers, only solutions cheaper than this are sought. If there is none, the status is
                ``infeasible``, or the result is a dearer solution with a bound of at most the cutoff. A solver may
                ignore it.
            enough: with integers, the first solution with an objective of at most this ends the search, with status
                ``stopped``. A solver may ignore it.
            tolerance: with integers, the absolute gap to prove, in money; None for the relative gap of the settings.
                After the `patience` of the settings the relative gap is enough: the status is then ``optimal`` with the
                proven bound, and without values if no solution below the cutoff was found.
            is_weak: with integers, whether the LP relaxation is known to be far below the optimum.
            pseudo_costs: with integers, the pseudo-costs of similar models, updated in place. A solver may ignore it.
        """
        if self.clock.is_over and not relaxed and len(self.integers):
            return SolveResult("stopped", None, math.inf, -math.inf, None)
        began = time.perf_counter()
        with np.errstate(invalid="ignore"):
            lower = self.lower / self._column_scale
            upper = self._implied.upper(self.lower, self.upper) / self._column_scale
        offset = self._objective.constant

        def report(incumbent: float, bound: float) -> None:
            if listener is not None:
                listener(incumbent * self._money + offset, bound * self._money + offset)

        integers = self.integers if not relaxed else self.integers[:0]
        limits = ((cutoff - offset) / self._money, (enough - offset) / self._money)
        request = SolveRequest(
            self._in_solver_order(self._costs),
            self._in_solver_order(lower),
            self._in_solver_order(upper),
            self._columns[integers],
            *limits,
            tolerance=None if tolerance is None else tolerance / self._money,
            is_weak=is_weak,
            pseudo_costs=pseudo_costs,
            keys=() if pseudo_costs is None else [self.builder.columns[j].mark for j in integers],
            money=self._money,
        )
        raw = self._back.run(request, self.clock, report)
        self.clock.solving += time.perf_counter() - began
        return self._unscaled_result(raw, has_integers=len(integers) > 0)

    def _in_solver_order(self, values: Vector) -> Vector:
        """Return values of the builder's columns in the solver's order; 0 for columns that the builder lacks."""
        result = np.zeros(self._width)
        result[self._columns] = values
        return result

    def _unscaled_result(self, raw: RawResult, *, has_integers: bool) -> SolveResult:
        if raw.values is None:
            return SolveResult(raw.status, None, math.inf, raw.bound * self._money + self._objective.constant, None)
        values = raw.values[self._columns] * self._column_scale
        objective = self._objective.value(values.tolist())
        is_exact = raw.status == "optimal" and not has_integers
        bound = objective if is_exact else min(raw.bound * self._money + self._objective.constant, objective)
        result = SolveResult(raw.status, values, objective, bound, None)
        return result if has_integers or raw.duals is None else self._with_duals(result, raw.duals, raw.reduced_costs)

    def _with_duals(self, result: SolveResult, raw_duals: Vector, raw_costs: Vector | None) -> SolveResult:
        """Return the result with the dual values of its rows and the reduced costs of the builder's columns."""
        duals = raw_duals[self._places] * self._money / self._row_scale
        added = raw_duals[self._added_places] * self._money / self.mass
        if raw_costs is None:
            return replace(result, duals=duals, added_duals=added)
        reduced_costs = raw_costs[self._columns] * self._money / self._column_scale
        self._implied.restore_duals(self.lower, self.upper, duals, reduced_costs)
        return replace(result, duals=duals, reduced_costs=reduced_costs, added_duals=added)


def unit_of_money(costs: Vector) -> float:
    """Return a unit of money in which the median cost is near 1, and no cost is far above a million."""
    sizes = np.abs(costs[costs != 0.0])
    if not len(sizes):
        return 1.0
    logs = np.log10(sizes)
    return float(10.0 ** max(round(float(np.median(logs))), round(float(logs.max())) - 6))


def write_model(builder: ModelBuilder, objective: Expression, path: FilePath) -> None:
    """Write a model as MPS or LP, by the suffix of `path`, in the units of the file; replace the file atomically."""
    problem = builder.problem("diversify", [1.0] * len(builder.columns), [1.0] * len(builder.rows))
    variables = problem.variables()
    cost = pulp.lpSum_vars_coefs([(variables[j], value) for j, value in objective.terms.items()])
    cost.constant = objective.constant
    problem.setObjective(cost)
    form = path.suffix.lower()
    # A symbolic link is kept; its target is replaced.
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export") as folder:
        beside = FilePath(folder) / f"model{form}"
        if form == ".lp":
            problem.writeLP(str(beside), max_length=LONGEST_NAME)
        else:
            # Omit the section OBJSENSE: PuLP writes it before NAME, where CBC does not read it. All models minimise.
            problem.writeMPS(str(beside))
        beside.replace(path)


def versions(solver: SolverName = "highs") -> Mapping[str, str]:
    """Return the versions of PuLP and HiGHS, and of CBC if it is the solver and not the system's, by package name."""
    packages = ["pulp", "highspy", *(["cbcbox"] if solver == "cbc" and find_spec("cbcbox") else [])]
    return {package: version(package) for package in packages}
