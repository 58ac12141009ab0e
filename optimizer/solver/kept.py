"""A model that the solver keeps while the programme changes: one what-if after the other.

Models of similar instances have most columns and rows in common, by their marks. What differs is changed in place: a
right-hand side, a bound, some coefficients. A column that a model does not have stays 0, and a row is let go. So the
next linear programme goes on from the basis of one that is nearly the same.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from optimizer.model.builder import Mark, ModelBuilder, Row
from optimizer.model.expressions import Expression
from optimizer.solver.base import Clock, Integers, Settings, SolveResult, Vector
from optimizer.solver.highs_tree import TreeBackEnd
from optimizer.solver.model import ImpliedBounds, Model
from optimizer.tolerances import FINE_ROUNDING

# The basis with which the next programme begins is kept under this name.
PREVIOUS_BASIS = "previous"
# With so many times the columns that are needed, a model is made anew rather than kept.
MOST_WIDTH = 2.0
# A coefficient's row and column as one number, row first.
ROW_FACTOR = 2**32


class KeptModel(Model):
    """A model that takes over builders: it knows all columns, rows and coefficients that the solver holds."""

    def __init__(
        self, builder: ModelBuilder, objective: Expression, settings: Settings, clock: Clock | None = None
    ) -> None:
        super().__init__(builder, objective, settings, clock)
        self._column_of = {column.mark: j for j, column in enumerate(builder.columns)}
        self._place_of: dict[Mark, int] = {}
        # Places of the rows of `add_rows`.
        self._added: dict[Mark, int] = {}
        # By row of the solver; and all coefficients, by row and column.
        self._scales, self._keys, self._values = np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0)
        self._note(builder.rows, self._row_scale, self._place_of)

    def grow(self, builder: ModelBuilder, objective: Expression) -> None:
        """As `Model.grow`."""
        had, rows_had = len(self.builder.columns), len(self.builder.rows)
        super().grow(builder, objective)
        new = [column.mark for column in builder.columns[had:]]
        self._column_of |= zip(new, self._columns[had:].tolist(), strict=True)
        self._note(builder.rows[rows_had:], self._row_scale[rows_had:], self._place_of)

    def add_rows(self, rows: Sequence[Row]) -> None:
        """As `Model.add_rows`."""
        super().add_rows(rows)
        self._note(rows, np.full(len(rows), self.mass), self._added)

    def _note(self, rows: Sequence[Row], scales: Vector, places: dict[Mark, int]) -> None:
        """Note rows that stand behind all others of the solver."""
        numbers = len(self._scales) + np.arange(len(rows))
        places |= zip((row.mark for row in rows), numbers.tolist(), strict=True)
        self._scales = np.concatenate([self._scales, scales])
        keys, values = self._coefficients(rows, numbers)
        self._keys, self._values = np.concatenate([self._keys, keys]), np.concatenate([self._values, values])
        assert len(self._scales) == self._height, "the solver holds rows that are not noted"

    def _coefficients(self, rows: Sequence[Row], places: Integers) -> tuple[Integers, Vector]:
        """The coefficients of rows as the solver has them, in the order of their keys."""
        sizes = np.array([len(row.terms) for row in rows], dtype=np.intp)
        count = int(sizes.sum())
        columns = np.fromiter(chain.from_iterable(row.terms for row in rows), np.intp, count)
        values = np.fromiter(chain.from_iterable(row.terms.values() for row in rows), np.float64, count)
        at = np.repeat(places, sizes).astype(np.int64)
        keys = at * ROW_FACTOR + self._columns[columns]
        order = np.argsort(keys)
        return keys[order], (values * self._column_scale[columns] / self._scales[at])[order]

    def solve(self, *, relaxed: bool = False, **how: Any) -> SolveResult:
        """As `Model.solve`. A relaxation begins with the basis of the last one, not with that of fixed integers."""
        is_relaxation = relaxed and bool(np.any(self.lower[self.integers] < self.upper[self.integers]))
        if is_relaxation:
            self._back.recall(PREVIOUS_BASIS)
        result = super().solve(relaxed=relaxed, **how)
        if is_relaxation and result.values is not None:
            self._back.keep(PREVIOUS_BASIS)
        return result

    @property
    def added(self) -> Collection[Mark]:
        """The marks of rows of `add_rows`."""
        return self._added

    def suits(self, builder: ModelBuilder, settings: Settings) -> bool:
        """Whether a builder can be taken over under some settings, which may differ in accuracy."""
        alike = replace(settings, mip_gap=self.settings.mip_gap, tolerance=self.settings.tolerance)
        is_small = self._width <= MOST_WIDTH * len(builder.columns)
        return isinstance(self._back, TreeBackEnd) and alike == self.settings and is_small

    def take_over(
        self, builder: ModelBuilder, objective: Expression, settings: Settings, clock: Clock, added: Sequence[Row]
    ) -> None:
        """Take over another builder, and hold some of the rows that were added before."""
        assert isinstance(self._back, TreeBackEnd)
        self.builder, self.settings, self.clock = builder, settings, clock
        self._back.resume(PREVIOUS_BASIS)
        column_scales, row_scales = builder.scales(self.mass)
        self._take_columns(builder, column_scales)
        self._take_rows(builder.rows, row_scales, added)
        self._implied = ImpliedBounds(builder.rows)
        self._set(objective)

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
        """Add the rows that are new, change those that are there, and let go of the others."""
        self._add_new(rows, scales)
        self._places = np.array([self._place_of[row.mark] for row in rows], dtype=np.intp)
        self._row_scale = self._scales[self._places]
        wanted = [*rows, *added]
        places = np.array([*self._places.tolist(), *(self._added[row.mark] for row in added)], dtype=np.intp)
        rhs = np.array([row.rhs for row in wanted], dtype=np.float64) / self._scales[places]
        senses = np.array([row.sense for row in wanted])
        lower, upper = np.full(self._height, -math.inf), np.full(self._height, math.inf)
        lower[places], upper[places] = np.where(senses == "<=", -math.inf, rhs), np.where(senses == ">=", math.inf, rhs)
        keys, values = self._changes(*self._coefficients(wanted, places), places)
        assert isinstance(self._back, TreeBackEnd)
        entries = zip((keys // ROW_FACTOR).tolist(), (keys % ROW_FACTOR).tolist(), values.tolist(), strict=True)
        self._back.revise(self.settings, lower, upper, entries)

    def _add_new(self, rows: Sequence[Row], scales: Sequence[float]) -> None:
        new = [(row, scale) for row, scale in zip(rows, scales, strict=True) if row.mark not in self._place_of]
        if new:
            self._back.grow(np.zeros(0), [self._scaled(row, scale) for row, scale in new])
            self._new_places(len(new))
            self._note([row for row, _ in new], np.array([scale for _, scale in new]), self._place_of)

    def _changes(self, keys: Integers, values: Vector, places: Integers) -> tuple[Integers, Vector]:
        """The coefficients of some rows that differ from what the solver holds; they are noted."""
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
    """Keeps the model of the last question for the next one."""

    model: KeptModel | None = None

    def model_for(
        self,
        builder: ModelBuilder,
        objective: Expression,
        settings: Settings,
        clock: Clock,
        hold_again: Callable[[ModelBuilder, Collection[Mark]], Sequence[Row]],
    ) -> KeptModel:
        """The model that is kept, once it has taken a builder over; a new one where it cannot.

        `hold_again` gives the rows with some marks: those of `add_rows` that the solver has already.
        """
        if self.model is not None and self.model.suits(builder, settings):
            self.model.take_over(builder, objective, settings, clock, hold_again(builder, self.model.added))
        else:
            self.model = KeptModel(builder, objective, settings, clock)
        return self.model
