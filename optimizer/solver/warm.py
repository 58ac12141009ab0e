"""One linear programme that HiGHS keeps, solved many times with other numbers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from highspy import HighsBasis, HighsBasisStatus, HighsModelStatus, kHighsInf

from optimizer.model.builder import ModelBuilder
from optimizer.solver.base import Clock, Settings, Vector
from optimizer.solver.highs import OPTIMAL_STATUSES, UNDECIDED, HighsBackEnd, undecided
from optimizer.tolerances import ROUNDING

Basis = npt.NDArray[np.int8]
# Of the numbers that vary in a batch, about so many show how near programmes are to each other.
NUMBERS_COMPARED = 100
STATUSES = [HighsBasisStatus(k) for k in range(5)]


@dataclass(frozen=True)
class Batch:
    """Programmes that differ in numbers alone, in the units of the file; one row of an array each."""

    costs: Vector  # by column, one row for all or one for each
    upper: Vector  # of every column; the lower bound is 0
    rhs: Vector  # right-hand side of every row


@dataclass(frozen=True)
class BatchResult:
    """The solutions of a batch, in the units of the file."""

    feasible: npt.NDArray[np.bool_]  # whether there is a solution
    objective: Vector  # infinite where there is none
    values: Vector  # by programme and column; empty unless requested
    duals: Vector  # the change of the objective per unit of each row's right-hand side; empty unless requested
    reduced_costs: Vector  # the same per unit of the bound that a column rests on; empty unless requested
    basis: Basis  # of the first programme, for the next time this batch is requested


class WarmProgramme:
    """One linear programme, solved many times with other costs, bounds and right-hand sides, kept in HiGHS.

    Each solve starts from the basis of the one before, the nearest of those that were left. The first of a batch starts
    from a basis that the caller keeps, so that a batch has the same solutions wherever and whenever it is solved.
    """

    def __init__(self, builder: ModelBuilder) -> None:
        columns, rows = builder.scales()
        self._columns, self._rows = np.array(columns), np.array(rows)
        senses = np.array([row.sense for row in builder.rows], dtype="U2")
        self._has_lower, self._has_upper = senses != "<=", senses != ">="
        # The serial simplex method needs no threads; HiGHS refuses another number than that of its first run.
        self._back = HighsBackEnd(builder.problem("recourse", columns, rows, is_read=False), Settings())
        self._highs: Any = self._back.silent()
        self._all = np.arange(len(columns), dtype=np.int32)
        self._each = np.arange(len(rows), dtype=np.int32)
        self._zeros = np.zeros(len(columns))
        # The matrix by column: which columns have entries, where those of each begin, then row and value of each entry.
        entries = sorted((j, r, value) for r, row in enumerate(builder.rows) for j, value in row.terms.items())
        self._led, self._leaders = np.unique(np.array([j for j, _, _ in entries], dtype=np.intp), return_index=True)
        self._places = np.array([r for _, r, _ in entries], dtype=np.intp)
        self._entries = np.array([value for _, _, value in entries])

    def solve(
        self, batch: Batch, basis: Basis | None, *, values: bool = False, with_duals: bool = False
    ) -> BatchResult:
        """Solve every programme of a batch, one after another, the first of them first."""
        size, count = len(batch.rhs), len(self._all)
        costs = np.atleast_2d(batch.costs) * self._columns
        money = _middle(costs)
        costs /= money
        upper, rhs = batch.upper / self._columns, batch.rhs / self._rows
        lower_rows = np.where(self._has_lower, rhs, -kHighsInf)
        upper_rows = np.where(self._has_upper, rhs, kHighsInf)
        upper[np.isinf(upper)] = kHighsInf
        order = _chain(upper, rhs)
        prices = np.broadcast_to(costs, upper.shape)[order]
        is_new_price, is_new, is_new_row = _moved(prices), _moved(upper[order]), _moved(rhs[order])
        self._begin(basis)
        objective = np.full(size, math.inf)
        found = np.zeros((size * values, count))
        duals = np.zeros((size * with_duals, len(self._each)))
        highs, is_read = self._highs, values or with_duals
        for place, s in enumerate(order):
            columns, rows = self._all[is_new_price[place]], self._each[is_new_row[place]]
            highs.changeColsCost(len(columns), columns, prices[place, columns])
            columns = self._all[is_new[place]]
            highs.changeColsBounds(len(columns), columns, self._zeros[: len(columns)], upper[s, columns])
            highs.changeRowsBounds(len(rows), rows, lower_rows[s, rows], upper_rows[s, rows])
            is_solved = self._is_solved()
            if place == 0:
                basis = self._end()
            if is_solved:
                objective[s] = highs.getObjectiveValue() * money
            if not (is_solved and is_read):
                continue
            solution: Any = highs.getSolution()
            if values:
                found[s] = solution.col_value
            if with_duals:
                duals[s] = solution.row_dual
        duals *= money / self._rows
        feasible = np.isfinite(objective)
        return BatchResult(
            feasible=feasible,
            objective=objective,
            values=found * self._columns,
            duals=duals,
            reduced_costs=self._reduced_costs(batch.costs, duals, feasible) if with_duals else np.zeros((0, count)),
            basis=self._end() if basis is None else basis,
        )

    def _reduced_costs(self, costs: Vector, duals: Vector, feasible: npt.NDArray[np.bool_]) -> Vector:
        """From the duals of the rows: the solver's own, of all columns and each solution, take longer to read."""
        result = np.where(feasible[:, None], costs, 0.0)
        if len(self._led):
            result[:, self._led] -= np.add.reduceat(duals[:, self._places] * self._entries, self._leaders, axis=1)
        return result

    def _is_solved(self) -> bool:
        self._highs.run()
        status = self._highs.getModelStatus()
        if status in UNDECIDED or status == HighsModelStatus.kUnboundedOrInfeasible:
            self._back.persist(Clock())
            status = self._highs.getModelStatus()
        if status in OPTIMAL_STATUSES:
            return True
        if status == HighsModelStatus.kInfeasible:
            return False
        raise undecided(self._highs)

    def _begin(self, basis: Basis | None) -> None:
        self._highs.clearSolver()
        # That of a programme of another size, such as a window of another length, is no start.
        if basis is not None and len(basis) == len(self._all) + len(self._each):
            statuses, start = [STATUSES[k] for k in basis.tolist()], HighsBasis()
            start.col_status, start.row_status = statuses[: len(self._all)], statuses[len(self._all) :]
            start.valid, start.alien = True, False
            self._highs.setBasis(start)

    def _end(self) -> Basis:
        basis = self._highs.getBasis()
        return np.array([int(status) for status in [*basis.col_status, *basis.row_status]], dtype=np.int8)


def _moved(numbers: Vector) -> npt.NDArray[np.bool_]:
    """By programme, which numbers are others than in the one before; of the first, all."""
    result = np.ones(numbers.shape, dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=result[1:])
    return result


def _chain(*numbers: Vector) -> list[int]:
    """An order of programmes from the first on: next comes the one nearest in its numbers, relative to the largest."""
    every = np.concatenate(numbers, axis=1)
    if not len(every):
        return []
    varying = np.flatnonzero(every.min(axis=0) < every.max(axis=0))
    points = np.nan_to_num(every[:, varying[:: 1 + len(varying) // NUMBERS_COMPARED]], posinf=0.0)
    points /= np.abs(points).max(axis=0, initial=ROUNDING)
    # Not by a matrix product, whose threads take more time than they save; rounded, as last digits depend on machines.
    squares, products = np.sum(points**2, axis=1), np.einsum("ik,jk->ij", points, points)
    distances = np.round(squares[:, None] + squares - 2.0 * products, 9)
    order = [0]
    while len(order) < len(points):
        distances[:, order[-1]] = np.inf
        order.append(int(distances[order[-1]].argmin()))
    return order


def _middle(costs: Vector) -> float:
    """A unit of money in which the middle cost is near 1."""
    sizes = np.abs(costs[costs != 0.0])
    if not len(sizes):
        return 1.0
    logs = np.log10(sizes)
    return float(10.0 ** max(round(float(np.median(logs))), round(float(logs.max())) - 6))
