"""The recourse LP of all shocks with windows of one length: one matrix, with different numbers for each shock.

    x      plan, by column of `first_stage_model`          o = F·x + f   linking terms, by owner, what and period
    row    Σ a·y  ⋚  rhs − Σ c·o                  a is the same in all shocks, rhs and c are not
    limit  y ≤ min(upper, (rhs − Σ c·o)/a)        a row with one column is the bound of that column
    valid  y ≤ U·ΣY(o)                              likewise, unless dual values without these rows are requested
    floor  u = w + v,  w ≤ (1 − φ)·D,  v ≤ φ·D      not u − v ≤ (1 − φ)·D: two bounds in place of a row

The rows are written by the same levers and network as all models (`recourse_model`) and converted to arrays here. F
is the same for all shocks; their technology matrix is c·F. Severities are in the arrays of `limit` and of an option's
row `capacity`; rules on the plan, such as the budget, are rows of the first stage only. The dual value of a
right-hand side times −c·F, or that of a limit times −c·F/a, is a subgradient of the optimum in the plan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.disruptions.path import Path
from optimizer.disruptions.shock import Shock
from optimizer.errors import ModelError
from optimizer.formulation import gaps, limit_gap, recourse_model
from optimizer.instance.operation_paths import MANY, shared_path
from optimizer.instance.schema import Instance
from optimizer.model.builder import Column, ModelBuilder, Row
from optimizer.model.expressions import Expression, distinct_shocks, total
from optimizer.solver.base import Batch, Integers, Vector


class LinkingMatrix:
    """The linking terms of a plan as one matrix: a block of rows per term, from the period before the horizon."""

    def __init__(self, instance: Instance, plan: ModelBuilder) -> None:
        self.periods = len(instance.horizon.periods) + 1
        self.first = {key: i * self.periods for i, key in enumerate(plan.links)}
        rows, columns, values = [], [], []
        self.constant = np.zeros(len(plan.links) * self.periods)
        for key, by_period in plan.links.items():
            for t, amount in by_period.items():
                row = self.first[key] + t + 1
                self.constant[row] = amount.constant
                rows += [row] * len(amount.terms)
                columns += list(amount.terms)
                values += [float(value) for value in amount.terms.values()]
        # Coefficients by row and column. Importing scipy's sparse arrays would take longer than their use saves.
        self._rows, self._columns = np.array(rows, dtype=np.intp), np.array(columns, dtype=np.intp)
        self._values, self._width = np.array(values, dtype=np.float64), len(plan.columns)

    def linking_terms(self, plan: Vector) -> Vector:
        """Return the linking terms under a plan, with negative rounding errors of the plan set to 0."""
        products = self._values * np.maximum(plan, 0.0)[self._columns]
        return np.bincount(self._rows, products, len(self.constant)) + self.constant

    def by_plan(self, by_term: Vector) -> Vector:
        """Return derivatives in the plan's columns from those in its linking terms, one row per function."""
        parts = (np.bincount(self._columns, self._values * each[self._rows], self._width) for each in by_term)
        return np.array(list(parts)).reshape(len(by_term), self._width)


class ShockTable:
    """A table of numbers by item and shock.

    It is compressed: most items have one number for all shocks, and many shocks have the same numbers.
    """

    def __init__(self, numbers: Sequence[Any], shocks: int) -> None:
        self._base = np.array([0.0 if isinstance(number, np.ndarray) else float(number) for number in numbers])
        varying = [i for i, number in enumerate(numbers) if isinstance(number, np.ndarray)]
        self._varying = np.array(varying, dtype=np.intp)
        self._numbers, self._place = distinct_shocks([numbers[i] for i in varying], shocks)

    def rows(self, which: Integers) -> Vector:
        """Return one row of numbers for each of the given shocks."""
        rows = np.repeat(self._base[None, :], len(which), axis=0)
        rows[:, self._varying] = self._numbers[self._place[which]]
        return rows

    def largest(self) -> Vector:
        """Return for each item the largest absolute value over all shocks."""
        result = np.abs(self._base)
        if len(self._numbers):
            result[self._varying] = np.abs(self._numbers).max(axis=0)
        return result


@dataclass(frozen=True)
class _Layout:
    """A builder's own columns, its rows that stay `rows`, and those that become bounds of one column (`limits`)."""

    own: list[int]
    rows: list[Row]
    limits: list[tuple[Row, int, float]]


def _layout(builder: ModelBuilder) -> _Layout:
    own = [j for j, column in enumerate(builder.columns) if not column.given]
    rows, limits = [], []
    for row in builder.rows:
        decided = [(j, value) for j, value in row.terms.items() if not builder.columns[j].given]
        if len(decided) == 1 and row.sense == "<=" and decided[0][1] > 0:
            limits.append((row, *decided[0]))
        else:
            rows.append(row)
    return _Layout(own, rows, limits)


class WindowProgramme:
    """The recourse LP of the shocks of one window length.

    Args:
        instance: the instance of the shocks.
        shocks: shocks with windows of that length, in the order of the instance.
        plan: the instance's `first_stage_model`.
        linking_matrix: the linking terms of the plan.
        path: the operating path that the shocks share, if known.

    Attributes:
        columns: columns of the LP, by (path, owner, what), then by offset in the window.
        unserved: by segment and offset, the column of unserved demand, without the part below the floor;
            `join_unserved` adds that part.
        skeleton: the LP for a solver, with the largest right-hand sides.
        gap_costs: by column, its cost in the survival gap: the shortage cost of its segment for shortfall, else 0.
        shortage_costs: costs by column if only unserved demand costs, its shortage cost.
        free: by column, 1 for shortfall below a floor without a shortage cost, which the gap does not show; else 0.
    """

    def __init__(
        self,
        instance: Instance,
        shocks: Sequence[Shock],
        plan: ModelBuilder,
        linking_matrix: LinkingMatrix,
        path: Path | None = None,
    ) -> None:
        self.instance, self.shocks, self.linking_matrix = instance, tuple(shocks), linking_matrix
        self.starts = np.array([shock.periods.start for shock in shocks])
        self.path = path or shared_path(instance, shocks)
        builder = recourse_model(instance, self.path, plan)
        # With the plan fixed, valid inequalities are bounds of single columns: they cost nothing and make cuts
        # stronger.
        builder.rows += builder.valid_inequalities
        shortfall = total(gaps(builder, instance).values())
        self.money_unit = limit_gap(builder, MANY, shortfall).money_unit
        beyond = _split_floors(builder)
        layout = _layout(builder)
        position = {j: i for i, j in enumerate(layout.own)}
        columns = [builder.columns[j] for j in layout.own]
        self._name_columns(columns)
        self._beyond = np.array([position[v] for v in beyond.values()], dtype=np.intp)
        self._within = np.array([position[u] for u in beyond], dtype=np.intp)
        size = len(shocks)
        below = [(columns[i].mark.owner, columns[i].t) for i in self.below]
        self._demand = ShockTable([self.path.demand_at(d, k) for d, k in below], size)
        self._upper = ShockTable([column.upper for column in columns], size)
        self._write_rows(builder, layout, position, size)
        self.gap_costs = _dense(shortfall, position, len(columns))
        self.free = np.zeros(len(columns))
        self.free[self.below] = self.gap_costs[self.below] <= 0.0
        self.shortage_costs = _shortage_costs(instance, self.unserved, len(columns))
        self.shortage_costs[self._beyond] = self.shortage_costs[self._within]
        operating = _operating(builder, instance, self.starts)
        _add_to_both_parts(operating.terms, beyond)
        _require_recourse_costs(builder, operating)
        self._costs = _cost_table(operating, position, len(columns), size)
        self.skeleton = _skeleton(builder, columns, layout.rows, position, self._rhs.largest(), self._upper.largest())

    def _name_columns(self, columns: Sequence[Column]) -> None:
        """Index the columns by name and by role."""
        self.columns: dict[tuple[str, str, str], dict[int, int]] = {}
        for i, column in enumerate(columns):
            key = (column.mark.path, column.mark.owner, column.mark.what)
            self.columns.setdefault(key, {})[column.t] = i
        self.below, self.gap_limit_columns = _columns_of(columns, "below"), _columns_of(columns, "allowed")
        unserved = [self.columns[MANY, d, "unserved"] for d in self.instance.demands]
        self.unserved = np.array([[at[k] for k in self.path.periods] for at in unserved], dtype=np.intp)

    def _write_rows(self, builder: ModelBuilder, layout: _Layout, position: Mapping[int, int], size: int) -> None:
        """Store the right-hand sides of the rows, then those of the limits, which are bounds of one column each."""
        rows = [*layout.rows, *(row for row, _, _ in layout.limits)]
        self._rhs = ShockTable([row.rhs for row in rows], size)
        self._rows = len(layout.rows)
        self._limited = np.array([position[j] for _, j, _ in layout.limits], dtype=np.intp)
        # The first limits of all columns, then the second ones, and so on, each with the previous limit of its column.
        self._turns: list[tuple[list[int], list[int]]] = []
        earlier: dict[int, list[int]] = {}
        for i, column in enumerate(self._limited.tolist()):
            before = earlier.setdefault(column, [])
            if len(before) == len(self._turns):
                self._turns.append(([], []))
            turn = self._turns[len(before)]
            turn[0].append(i)
            turn[1].extend(before[-1:])
            before.append(i)
        self._per = np.array([value for _, _, value in layout.limits])
        valid = {id(row) for row in builder.valid_inequalities}
        self._is_valid = np.array([id(row) in valid for row, _, _ in layout.limits], dtype=bool)
        self._write_linking_terms(builder, rows, size)

    def _write_linking_terms(self, builder: ModelBuilder, rows: Sequence[Row], size: int) -> None:
        """Store the entries of linking terms in the rows: row, position in the linking matrix, coefficient."""
        columns, first = builder.columns, self.linking_matrix.first
        found = [
            (r, first[columns[j].mark.owner, columns[j].mark.what] + columns[j].t + 1, value)
            for r, row in enumerate(rows)
            for j, value in row.terms.items()
            if columns[j].given
        ]
        self._term_row = np.array([r for r, _, _ in found], dtype=np.intp)
        self._term_place = np.array([place for _, place, _ in found], dtype=np.intp)
        self._term_value = ShockTable([value for _, _, value in found], size)
        self._linked_rows, self._term_starts = np.unique(self._term_row, return_index=True)

    def batch(
        self, which: Integers, linking: Vector, *, without_valid_inequalities: bool = False
    ) -> tuple[Batch, npt.NDArray[np.bool_]]:
        """Return the gap-minimising LPs of some shocks under a plan, and by limit whether it is the tighter bound.

        Valid inequalities may be left out: as bounds they would take dual value from the rows, and they exclude some
        operations of least cost.
        """
        rhs = self._rhs.rows(which)
        if len(self._term_row):
            terms = self._term_value.rows(which) * linking[self._term_place[None, :] + self.starts[which][:, None]]
            rhs[:, self._linked_rows] -= np.add.reduceat(terms, self._term_starts, axis=1)
        upper = self._upper.rows(which)
        limits = np.maximum(rhs[:, self._rows :] / self._per, 0.0)
        if without_valid_inequalities:
            limits[:, self._is_valid] = np.inf
        is_tight = np.zeros(limits.shape, dtype=bool)
        for these, before in self._turns:
            columns = self._limited[these]
            is_tight[:, these] = limits[:, these] < upper[:, columns]
            if before:
                # Of two limits of one column only the tighter one has a dual value.
                is_tight[:, before] &= ~is_tight[:, these]
            upper[:, columns] = np.minimum(upper[:, columns], limits[:, these])
        return Batch(self.gap_costs, upper, rhs[:, : self._rows]), is_tight

    def demand(self, which: Integers) -> Vector:
        """Return the demand of each column of `below` in t, one row per shock."""
        return self._demand.rows(which)

    def split_unserved(self, values: Vector, upper: Vector) -> None:
        """Minimise the shortage attributed below the floor, in place.

        A solver may attribute more to it if that costs nothing.
        """
        unserved = values[:, self._within] + values[:, self._beyond]
        values[:, self._within] = np.minimum(unserved, upper[:, self._within])
        values[:, self._beyond] = unserved - values[:, self._within]

    def join_unserved(self, values: Vector) -> Vector:
        """Return the values with all unserved demand in `unserved`, including that below the floor."""
        result = values.copy()
        result[:, self._within] += values[:, self._beyond]
        return result

    def costs(self, which: Integers) -> Vector:
        """Return the discounted operating and shortage cost by column, one row per shock."""
        return self._costs.rows(which)

    def cost_lower_bounds(self) -> Vector:
        """Return a lower bound on each shock's cost: columns of negative cost at their upper bounds."""
        every = np.arange(len(self.shocks))
        costs, upper = self._costs.rows(every), self._upper.rows(every)
        return np.asarray(np.where(costs < 0, costs * np.where(costs < 0, upper, 0.0), 0.0).sum(axis=1))

    def subgradients(
        self, which: Integers, is_tight: npt.NDArray[np.bool_], duals: Vector, reduced_costs: Vector
    ) -> Vector:
        """Return a subgradient of each shock's optimum in the linking terms, one row per shock."""
        # If the upper bound of a column is 0 too, a positive reduced cost belongs to its lower bound.
        limits = np.where(is_tight, np.minimum(reduced_costs[:, self._limited], 0.0) / self._per, 0.0)
        duals = np.concatenate([duals, limits], axis=1)[:, self._term_row] * -self._term_value.rows(which)
        subgradients = np.zeros((len(which), len(self.linking_matrix.constant)))
        places = self._term_place[None, :] + self.starts[which][:, None]
        np.add.at(subgradients, (np.arange(len(which))[:, None], places), duals)
        return subgradients


def _split_floors(builder: ModelBuilder) -> dict[int, int]:
    """Replace the floors by bounds; return for each column of unserved demand its column of shortage below the floor.

    The column of all unserved demand becomes the part that the floor permits. Shortage below the floor is never
    cheaper, so two bounds suffice and no row is needed; where it costs the same, `split_unserved` corrects the
    solution.
    """
    beyond: dict[int, int] = {}
    for row in builder.rows:
        if row.mark.what == "floor":
            (u, _), (v, _) = sorted(row.terms.items(), key=lambda term: -term[1])
            within, below = builder.columns[u], builder.columns[v]
            demand = within.upper
            within.upper = np.minimum(demand, row.rhs)
            below.upper = demand - within.upper
            beyond[u] = v
    builder.rows = [row for row in builder.rows if row.mark.what != "floor"]
    for row in builder.rows:
        _add_to_both_parts(row.terms, beyond)
    return beyond


def _add_to_both_parts(terms: dict[int, Any], beyond: Mapping[int, int]) -> None:
    """Give the terms of each column of unserved demand to its column below the floor too."""
    for u in [j for j in terms if j in beyond]:
        terms[beyond[u]] = terms.get(beyond[u], 0.0) + terms[u]


def _columns_of(columns: Sequence[Column], what: str) -> Integers:
    return np.array([i for i, column in enumerate(columns) if column.mark.what == what], dtype=np.intp)


def _operating(builder: ModelBuilder, instance: Instance, starts: npt.NDArray[np.int64]) -> Expression:
    """Return the discounted operating and shortage cost, with one coefficient per shock."""
    result = Expression()
    for (_, k), amount in builder.accounts("operating").items():
        result.add(amount, instance.discount(starts + int(k)))
    return result


def _shortage_costs(instance: Instance, unserved: Integers, size: int) -> Vector:
    """Return the shortage cost of each column.

    Segments with a low or zero shortage cost get a small one, so that they are served where nothing competes.
    """
    costs = [demand.shortage_cost for demand in instance.demands.values()]
    least, result = 1e-3 * (max(costs, default=0.0) or 1.0), np.zeros(size)
    for columns, cost in zip(unserved, costs, strict=True):
        result[columns] = max(cost, least)
    return result


def _dense(expression: Expression, position: dict[int, int], size: int) -> Vector:
    result = np.zeros(size)
    for j, value in expression.terms.items():
        result[position[j]] = value
    return result


def _require_recourse_costs(builder: ModelBuilder, operating: Expression) -> None:
    """Refuse costs of a shock that depend on the plan."""
    for j in operating.terms:
        if builder.columns[j].given:
            mark = builder.columns[j].mark
            raise ModelError(f"the plan decides {mark.owner}.{mark.what}: book what that costs in `invest`, as spend")


def _cost_table(expression: Expression, position: dict[int, int], columns: int, shocks: int) -> ShockTable:
    numbers: list[Any] = [0.0] * columns
    for j, value in expression.terms.items():
        numbers[position[j]] = value
    return ShockTable(numbers, shocks)


def _skeleton(
    builder: ModelBuilder,
    columns: Sequence[Column],
    rows: Sequence[Row],
    position: dict[int, int],
    rhs: Vector,
    upper: Vector,
) -> ModelBuilder:
    """Build the LP without linking terms; its numbers, the largest over all shocks, determine the scaling."""
    programme = ModelBuilder(builder.horizon, builder.names)
    programme.columns = [Column(c.mark, c.unit, 0.0, float(upper[i]), False, c.t) for i, c in enumerate(columns)]
    for r, row in enumerate(rows):
        terms = {position[j]: value for j, value in row.terms.items() if j in position}
        programme.rows.append(Row(row.mark, row.unit, terms, row.sense, float(rhs[r]), row.t))
    return programme
