"""Any other solver through PuLP: CBC, where the extra is installed."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pulp

from optimizer.errors import MissingExtraError
from optimizer.model.builder import Sense
from optimizer.solver.base import BoundsListener, Clock, Indices, RawResult, Settings, SolveRequest, Vector


class CbcBackEnd:
    """Any other solver through PuLP: the model is written out for every solve."""

    def __init__(self, problem: pulp.LpProblem, settings: Settings) -> None:
        self._problem, self._settings = problem, settings
        if not pulp.COIN_CMD(msg=False).available():
            raise MissingExtraError("--solver cbc needs CBC; run: pip install 'optimizer[cbc]'")

    def run(self, request: SolveRequest, clock: Clock, listener: BoundsListener) -> RawResult:
        """Minimise. The cutoff is not passed on: CBC finds the same without."""
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
            gapRel=settings.gap if request.tolerance is None else 0.0,
            gapAbs=request.tolerance or 0.0,
            timeLimit=clock.left,
            threads=settings.threads,
            randomSeed=settings.seed,
            options=["primalTolerance 1e-9", "dualTolerance 1e-9", "integerTolerance 1e-9"],
        )
        stats = problem.solve(solver)
        return self._read(stats, variables, request.tolerance, is_mip=bool(whole))

    def grow(self, upper: Vector, rows: Sequence[tuple[Sense, float, Indices, Vector]]) -> None:
        """New columns, 0 or more, and rows behind those that are there: sense, right-hand side, columns, values."""
        problem, senses = self._problem, {"<=": pulp.const.LpConstraintLE, ">=": pulp.const.LpConstraintGE}
        for bound in upper:
            name = f"new{len(problem.variables())}"
            problem.add_variable(name, 0, None if math.isinf(bound) else float(bound))
        variables = problem.variables()
        for sense, rhs, columns, values in rows:
            left = pulp.lpSum_vars_coefs([(variables[j], float(v)) for j, v in zip(columns, values, strict=True)])
            left.constant, left.sense = -rhs, senses.get(sense, pulp.const.LpConstraintEQ)
            problem.addConstraint(left, f"new{len(problem.constraints())}")

    def keep(self, name: str) -> None:
        """Nothing is kept."""

    def recall(self, name: str) -> None:
        """Nothing is kept."""

    def doubt_basis(self) -> None:
        """Each programme starts from nothing."""

    def extend(self, columns: Indices, coefficients: Vector, rhs: Vector) -> None:
        """New rows ``coefficients · columns ≤ rhs``, one for each number of `rhs`."""
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
        values = _numbers(variable.varValue for variable in variables)
        bound = self._bound(stats, solved, tolerance)
        if is_mip or not solved:
            return RawResult("optimal" if solved else "stopped", values, bound, None)
        duals = _numbers(row.pi for row in self._problem.constraints())
        return RawResult("optimal", values, bound, duals, _numbers(variable.dj for variable in variables))

    def _bound(self, stats: Any, solved: bool, tolerance: float | None) -> float:
        if stats.best_bound is not None:
            return float(stats.best_bound)
        if not solved:
            return -math.inf
        # An objective without columns has no value.
        objective = float(pulp.value(self._problem.objective) or 0.0)
        return objective - (self._settings.gap * abs(objective) if tolerance is None else tolerance)


def _numbers(values: Iterable[float | None]) -> Vector:
    """Values of PuLP as an array; None, of what the solver left out, is 0."""
    return np.array([value or 0.0 for value in values])
