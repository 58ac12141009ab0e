"""Models that stay in the solver while they change: one model for a series of what-ifs, and one LP for batches.

Models of similar instances share most columns and rows, identified by their marks. Differences in right-hand sides,
bounds and coefficients are changed in place; a column that a model lacks is fixed to 0, and a row that it lacks is
freed. So the next LP starts from the basis of one that is nearly the same (`KeptModel`). In a batch only costs, bounds
and right-hand sides differ (`WarmProgramme`).
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from highspy import HighsBasis, HighsBasisStatus, HighsModelStatus

from optimizer.model.builder import Mark, ModelBuilder, Row
from optimizer.model.expressions import Expression
from optimizer.solver.base import Batch, Clock, Indices, Integers, Settings, SolveResult, Vector
from optimizer.solver.highs import OPTIMAL_STATUSES, UNDECIDED_STATUSES, HighsBackEnd, no_verdict_error
from optimizer.solver.highs_tree import TreeBackEnd
from optimizer.solver.model import ImpliedBounds, Model, unit_of_money
from optimizer.tolerances import FEASIBILITY, FINE_ROUNDING, ROUNDING

# The name under which the starting basis of the next relaxation is stored.
PREVIOUS_BASIS = "previous"
# A kept model is replaced by a new one once it has more than this multiple of the columns needed.
MOST_WIDTH = 2.0
# A coefficient's key is its row times this factor plus its column.
ROW_FACTOR = 2**32
Basis = npt.NDArray[np.int8]
# The distance between programmes of a batch is computed from about this many of the numbers that vary.
NUMBERS_COMPARED = 100
# Programmes of a batch are put in order within parts of this size: distances grow with its square.
ORDERED_TOGETHER = 128
STATUSES = [HighsBasisStatus(k) for k in range(5)]


class KeptModel(Model):
    """A model that can take over another builder: it records all columns, rows and coefficients in the solver."""

    def __init__(
        self, builder: ModelBuilder, objective: Expression, settings: Settings, clock: Clock | None = None
    ) -> None:
        super().__init__(builder, objective, settings, clock)
        self._column_of = {column.mark: j for j, column in enumerate(builder.columns)}
        self._place_of: dict[Mark, int] = {}
        # Solver indices of the rows of `add_rows`, by mark.
        self._added: dict[Mark, int] = {}
        # The scale of each row in the solver; the keys and values of all coefficients.
        self._scales, self._keys, self._values = np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0)
        self._record_rows(builder.rows, self._row_scale, self._place_of)

    def grow(self, builder: ModelBuilder, objective: Expression) -> None:
        """Extend the model to a larger builder; see `Model.grow`."""
        had, rows_had = len(self.builder.columns), len(self.builder.rows)
        super().grow(builder, objective)
        new = [column.mark for column in builder.columns[had:]]
        self._column_of |= zip(new, self._columns[had:].tolist(), strict=True)
        self._record_rows(builder.rows[rows_had:], self._row_scale[rows_had:], self._place_of)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Append sparse rows in tonnes; see `Model.add_rows`."""
        super().add_rows(rows)
        self._record_rows(rows, np.full(len(rows), self.mass), self._added)

    def add_cuts(self, columns: Sequence[int] | Indices, coefficients: Vector, rhs: Vector) -> None:
        """Append cuts; see `Model.add_cuts`.

        They hold only until another builder is taken over: cuts have no marks by which to find them again.
        """
        super().add_cuts(columns, coefficients, rhs)
        self._scales = np.concatenate([self._scales, np.full(len(rhs), self.mass)])

    def _record_rows(self, rows: Sequence[Row], scales: Vector, places: dict[Mark, int]) -> None:
        """Record rows that were just appended to the solver: their indices in `places`, scales and coefficients."""
        numbers = len(self._scales) + np.arange(len(rows))
        places |= zip((row.mark for row in rows), numbers.tolist(), strict=True)
        self._scales = np.concatenate([self._scales, scales])
        keys, values = self._coefficients(rows, numbers)
        self._keys, self._values = np.concatenate([self._keys, keys]), np.concatenate([self._values, values])
        assert len(self._scales) == self._height, "the solver holds rows that are not recorded"

    def _coefficients(self, rows: Sequence[Row], places: Integers) -> tuple[Integers, Vector]:
        """Return the keys and scaled values of the rows' coefficients in the solver, sorted by key."""
        sizes = np.array([len(row.terms) for row in rows], dtype=np.intp)
        count = int(sizes.sum())
        columns = np.fromiter(chain.from_iterable(row.terms for row in rows), np.intp, count)
        values = np.fromiter(chain.from_iterable(row.terms.values() for row in rows), np.float64, count)
        at = np.repeat(places, sizes).astype(np.int64)
        keys = at * ROW_FACTOR + self._columns[columns]
        order = np.argsort(keys)
        return keys[order], (values * self._column_scale[columns] / self._scales[at])[order]

    def solve(self, *, relaxed: bool = False, **how: Any) -> SolveResult:
        """Minimise; see `Model.solve`. An LP relaxation starts from the basis of the last relaxation."""
        is_relaxation = relaxed and bool(np.any(self.lower[self.integers] < self.upper[self.integers]))
        if is_relaxation:
            self._back.restore_basis(PREVIOUS_BASIS)
        result = super().solve(relaxed=relaxed, **how)
        if is_relaxation and result.values is not None:
            self._back.store_basis(PREVIOUS_BASIS)
        return result

    @property
    def added(self) -> Collection[Mark]:
        """The marks of the rows that `add_rows` has appended."""
        return self._added

    def can_take_over(self, builder: ModelBuilder, settings: Settings) -> bool:
        """Return whether the model can take over `builder`; `settings` may differ in gap and tolerance only."""
        alike = replace(settings, mip_gap=self.settings.mip_gap, tolerance=self.settings.tolerance)
        is_small = self._width <= MOST_WIDTH * len(builder.columns)
        return isinstance(self._back, TreeBackEnd) and alike == self.settings and is_small

    def take_over(
        self, builder: ModelBuilder, objective: Expression, settings: Settings, clock: Clock, added: Sequence[Row]
    ) -> None:
        """Take over another builder, and enforce the rows `added` among those appended before."""
        assert isinstance(self._back, TreeBackEnd)
        self.builder, self.settings, self.clock = builder, settings, clock
        self._back.set_stored_basis(PREVIOUS_BASIS)
        column_scales, row_scales = builder.scales(self.mass)
        self._take_columns(builder, column_scales)
        self._take_rows(builder.rows, row_scales, added)
        self._implied = ImpliedBounds(builder.rows)
        self.set_objective(objective)

    def _take_columns(self, builder: ModelBuilder, scales: Sequence[float]) -> None:
        new = [column.mark for column in builder.columns if column.mark not in self._column_of]
        if new:
            self._back.grow(np.zeros(len(new)), [])
            self._column_of |= zip(new, self._new_columns(len(new)).tolist(), strict=True)
        self._columns = np.array([self._column_of[column.mark] for column in builder.columns], dtype=np.int32)
        self._column_scale = np.array(scales)
        self.lower = np.array([column.lower for column in builder.columns])
        self.upper = np.array([column.upper for column in builder.columns])
        self.integers = np.array([j for j, column in enumerate(builder.columns) if column.integer], dtype=np.int32)

    def _take_rows(self, rows: Sequence[Row], scales: Sequence[float], added: Sequence[Row]) -> None:
        """Append new rows, update the existing ones, and free all rows that the builder and `added` lack."""
        self._add_new(rows, scales)
        self._places = np.array([self._place_of[row.mark] for row in rows], dtype=np.intp)
        self._row_scale = self._scales[self._places]
        enforced = [*rows, *added]
        self._added_places = np.array([self._added[row.mark] for row in added], dtype=np.intp)
        places = np.concatenate([self._places, self._added_places])
        rhs = np.array([row.rhs for row in enforced], dtype=np.float64) / self._scales[places]
        senses = np.array([row.sense for row in enforced])
        lower, upper = np.full(self._height, -math.inf), np.full(self._height, math.inf)
        lower[places], upper[places] = np.where(senses == "<=", -math.inf, rhs), np.where(senses == ">=", math.inf, rhs)
        keys, values = self._changes(*self._coefficients(enforced, places), places)
        assert isinstance(self._back, TreeBackEnd)
        entries = zip((keys // ROW_FACTOR).tolist(), (keys % ROW_FACTOR).tolist(), values.tolist(), strict=True)
        self._back.revise(self.settings, lower, upper, entries)

    def _add_new(self, rows: Sequence[Row], scales: Sequence[float]) -> None:
        new = [(row, scale) for row, scale in zip(rows, scales, strict=True) if row.mark not in self._place_of]
        if new:
            self._back.grow(np.zeros(0), [self._scaled(row, scale) for row, scale in new])
            self._new_places(len(new))
            self._record_rows([row for row, _ in new], np.array([scale for _, scale in new]), self._place_of)

    def _changes(self, keys: Integers, values: Vector, places: Integers) -> tuple[Integers, Vector]:
        """Return the keys and values of the coefficients that differ from those in the solver, and record them.

        Recorded coefficients of these rows that are now absent are returned with the value 0.
        """
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        is_there, is_left = self._keys[at] == keys, np.isin(self._keys // ROW_FACTOR, places) & (self._values != 0.0)
        is_left[at[is_there]] = False
        is_other = ~is_there | (np.abs(self._values[at] - values) > FINE_ROUNDING * np.abs(values))
        changed = np.concatenate([keys[is_other], self._keys[is_left]])
        numbers = np.concatenate([values[is_other], np.zeros(int(is_left.sum()))])
        self._values[at[is_there]], self._values[is_left] = values[is_there], 0.0
        if not is_there.all():
            keys, values = np.append(self._keys, keys[~is_there]), np.append(self._values, values[~is_there])
            order = np.argsort(keys)
            self._keys, self._values = keys[order], values[order]
        return changed, numbers


class ModelKeeper:
    """A keeper of the last solved model, which the next one may take over."""

    model: KeptModel | None = None

    def model_for(
        self,
        builder: ModelBuilder,
        objective: Expression,
        settings: Settings,
        clock: Clock,
        enforce_again: Callable[[ModelBuilder, Collection[Mark]], Sequence[Row]],
    ) -> KeptModel:
        """Return the kept model after it has taken over `builder`; a new model if it cannot.

        `enforce_again` returns the rows to enforce among those with given marks, which `add_rows` has added before.
        """
        if self.model is not None and self.model.can_take_over(builder, settings):
            self.model.take_over(builder, objective, settings, clock, enforce_again(builder, self.model.added))
        else:
            self.model = KeptModel(builder, objective, settings, clock)
        return self.model


@dataclass(frozen=True)
class BatchResult:
    """The solutions of a batch, in the units of the file."""

    feasible: npt.NDArray[np.bool_]  # by programme, whether it is feasible
    objective: Vector  # by programme; infinite if infeasible
    values: Vector  # by programme and column; empty unless requested
    # dual values by programme and row: change of the objective per unit of right-hand side; empty unless requested
    duals: Vector
    # by programme and column: change of the objective per unit of the active bound; empty unless requested
    reduced_costs: Vector
    basis: Basis  # optimal basis of the first programme, to start this batch from the next time


class WarmProgramme:
    """One LP kept in HiGHS and solved many times with other costs, bounds and right-hand sides.

    Each programme of a batch starts from the basis of the one before it, the nearest of those that were left. The first
    one starts from a basis that the caller keeps, so that a batch has the same solutions wherever and whenever it is
    solved.
    """

    def __init__(self, builder: ModelBuilder, threads: int | None = None) -> None:
        columns, rows = builder.scales()
        self._column_scale, self._row_scale = np.array(columns), np.array(rows)
        senses = np.array([row.sense for row in builder.rows], dtype="U2")
        self._has_lower, self._has_upper = senses != "<=", senses != ">="
        # The serial simplex method needs no threads; HiGHS refuses a number other than that of the first run in this
        # thread.
        self._back = HighsBackEnd(builder.problem("recourse", columns, rows, is_read=False), Settings(threads=threads))
        self._highs: Any = self._back.for_small_lps()
        self._every_column = np.arange(len(columns), dtype=np.int32)
        self._every_row = np.arange(len(rows), dtype=np.int32)
        self._zeros = np.zeros(len(columns))
        # The matrix by column: the columns with entries, where the entries of each begin, then row and value of each
        # entry.
        entries = sorted((j, r, value) for r, row in enumerate(builder.rows) for j, value in row.terms.items())
        places = np.array([j for j, _, _ in entries], dtype=np.intp)
        self._entry_columns, self._entry_starts = np.unique(places, return_index=True)
        self._entry_rows = np.array([r for _, r, _ in entries], dtype=np.intp)
        self._entry_values = np.array([value for _, _, value in entries])

    def solve(
        self, batch: Batch, basis: Basis | None, *, values: bool = False, with_duals: bool = False
    ) -> BatchResult:
        """Solve every programme of a batch, the first one first, then each time the nearest of those left."""
        size, count = len(batch.rhs), len(self._every_column)
        costs = np.atleast_2d(batch.costs) * self._column_scale
        money = unit_of_money(costs)
        costs /= money
        upper, rhs = batch.upper / self._column_scale, batch.rhs / self._row_scale
        lower_rows, upper_rows = np.where(self._has_lower, rhs, -math.inf), np.where(self._has_upper, rhs, math.inf)
        order = _nearest_order(upper, rhs)
        prices = np.broadcast_to(costs, upper.shape)[order]
        is_new_price, is_new, is_new_row = _is_new(prices), _is_new(upper[order]), _is_new(rhs[order])
        self._start_from(basis)
        objective = np.full(size, math.inf)
        found = np.zeros((size * values, count))
        duals = np.zeros((size * with_duals, len(self._every_row)))
        highs, is_read = self._highs, values or with_duals
        for place, s in enumerate(order):
            columns, rows = self._every_column[is_new_price[place]], self._every_row[is_new_row[place]]
            highs.changeColsCost(len(columns), columns, prices[place, columns])
            columns = self._every_column[is_new[place]]
            highs.changeColsBounds(len(columns), columns, self._zeros[: len(columns)], upper[s, columns])
            highs.changeRowsBounds(len(rows), rows, lower_rows[s, rows], upper_rows[s, rows])
            is_solved = self._is_solved()
            if place == 0:
                basis = self._last_basis()
            if is_solved:
                objective[s] = highs.getObjectiveValue() * money
            if not (is_solved and is_read):
                continue
            solution: Any = highs.getSolution()
            if values:
                found[s] = solution.col_value
            if with_duals:
                duals[s] = solution.row_dual
        duals *= money / self._row_scale
        feasible = np.isfinite(objective)
        return BatchResult(
            feasible=feasible,
            objective=objective,
            values=found * self._column_scale,
            duals=duals,
            reduced_costs=self._reduced_costs(batch.costs, duals, feasible) if with_duals else np.zeros((0, count)),
            basis=self._last_basis() if basis is None else basis,
        )

    def _reduced_costs(self, costs: Vector, duals: Vector, feasible: npt.NDArray[np.bool_]) -> Vector:
        """Compute the reduced costs from the dual values of the rows.

        Reading them from HiGHS for all columns and programmes takes longer.
        """
        result = np.where(feasible[:, None], costs, 0.0)
        if len(self._entry_columns):
            priced = duals[:, self._entry_rows] * self._entry_values
            result[:, self._entry_columns] -= np.add.reduceat(priced, self._entry_starts, axis=1)
        return result

    def _is_solved(self) -> bool:
        self._highs.run()
        status = self._highs.getModelStatus()
        if status in OPTIMAL_STATUSES and self._highs.getInfo().max_primal_infeasibility > FEASIBILITY:
            self._factorise_again()
            status = self._highs.getModelStatus()
        if status in UNDECIDED_STATUSES or status == HighsModelStatus.kUnboundedOrInfeasible:
            self._back.retry_undecided(Clock())
            status = self._highs.getModelStatus()
        if status in OPTIMAL_STATUSES:
            return True
        if status == HighsModelStatus.kInfeasible:
            return False
        raise no_verdict_error(self._highs)

    def _factorise_again(self) -> None:
        """Solve again from the last basis: updates of its factors have let the solution drift beyond the tolerance."""
        basis = self._highs.getBasis()
        self._highs.clearSolver()
        self._highs.setBasis(basis)
        self._highs.run()

    def _start_from(self, basis: Basis | None) -> None:
        self._highs.clearSolver()
        # The basis of a programme of another size, such as a window of another length, cannot be used.
        count = len(self._every_column)
        if basis is not None and len(basis) == count + len(self._every_row):
            statuses, start = [STATUSES[k] for k in basis.tolist()], HighsBasis()
            start.col_status, start.row_status = statuses[:count], statuses[count:]
            start.valid, start.alien = True, False
            self._highs.setBasis(start)

    def _last_basis(self) -> Basis:
        basis = self._highs.getBasis()
        return np.array([int(status) for status in [*basis.col_status, *basis.row_status]], dtype=np.int8)


def _is_new(numbers: Vector) -> npt.NDArray[np.bool_]:
    """Return by programme which numbers differ from the programme before; for the first programme, all."""
    result = np.ones(numbers.shape, dtype=bool)
    np.not_equal(numbers[1:], numbers[:-1], out=result[1:])
    return result


def _nearest_order(*numbers: Vector) -> list[int]:
    """Return an order of the programmes: in each part the first one, then each time the nearest of those left.

    Distances are those of the numbers that vary, each relative to its largest.
    """
    every = np.concatenate(numbers, axis=1)
    if not len(every):
        return []
    varying = np.flatnonzero(every.min(axis=0) < every.max(axis=0))
    points = np.nan_to_num(every[:, varying[:: 1 + len(varying) // NUMBERS_COMPARED]], posinf=0.0)
    points /= np.abs(points).max(axis=0, initial=ROUNDING)
    starts = range(0, len(points), ORDERED_TOGETHER)
    return [first + place for first in starts for place in _greedy_order(points[first : first + ORDERED_TOGETHER])]


def _greedy_order(points: Vector) -> list[int]:
    """Return an order of points that begins with the first and continues with the nearest one left."""
    # No matrix product, whose threads take more time than they save; rounded, as the last digits depend on the machine.
    squares, products = np.sum(points**2, axis=1), np.einsum("ik,jk->ij", points, points)
    distances = np.round(squares[:, None] + squares - 2.0 * products, 9)
    order = [0]
    while len(order) < len(points):
        distances[:, order[-1]] = np.inf
        order.append(int(distances[order[-1]].argmin()))
    return order
