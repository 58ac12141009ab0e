"""Rows of two columns that are no more than a bound for as long as one of the two is fixed.

    a·u + b·v ≤ r,  a > 0 > b    with v fixed:    u ≤ (r − b·v) / a

Such is the floor of a shock where nothing may be missed of it. As a bound it costs a simplex method next to nothing; as
a row it is one more to pivot on. The row stays where it is, and gets back the price that its bound was given.
"""

from collections.abc import Sequence

import numpy as np

from optimizer.model.builder import Row
from optimizer.solver.base import Vector


class Implied:
    """The bounds that rows of two columns may come to, in the units of the file."""

    def __init__(self, rows: Sequence[Row] = (), first: int = 0) -> None:
        found = [
            (first + r, *sorted(row.terms.items(), key=lambda term: -term[1]), row.right)
            for r, row in enumerate(rows)
            if len(row.terms) == 2 and row.sense == "<=" and min(row.terms.values()) < 0 < max(row.terms.values())
        ]
        self._row = np.array([r for r, _, _, _ in found], dtype=np.intp)
        self._u = np.array([u for _, (u, _), _, _ in found], dtype=np.intp)
        self._v = np.array([v for _, _, (v, _), _ in found], dtype=np.intp)
        self._a = np.array([a for _, (_, a), _, _ in found], dtype=np.float64)
        self._b = np.array([b for _, _, (_, b), _ in found], dtype=np.float64)
        self._right = np.array([right for _, _, _, right in found], dtype=np.float64)

    def grown(self, rows: Sequence[Row], first: int) -> "Implied":
        """With more rows behind those that are there; `first` is the number of the first."""
        more, result = Implied(rows, first), Implied()
        for name, own in vars(self).items():
            setattr(result, name, np.concatenate([own, getattr(more, name)]))
        return result

    def upper(self, lower: Vector, upper: Vector) -> Vector:
        """Upper bounds with those that follow from the columns that are fixed now."""
        result = upper.copy()
        limits = self._limits(lower, upper)
        np.minimum.at(result, self._u, np.where(limits >= lower[self._u], limits, np.inf))
        return result

    def give_back(self, lower: Vector, upper: Vector, prices: Vector, reduced: Vector) -> None:
        """Move the prices of bounds that rows came to, to these rows; in place."""
        limits = self._limits(lower, upper)
        # Of several rows of one column the tightest has the price.
        order = np.argsort(limits, kind="stable")
        leaders = order[np.unique(self._u[order], return_index=True)[1]]
        u, limits = self._u[leaders], limits[leaders]
        is_bound = (limits >= lower[u]) & (limits < upper[u]) & (reduced[u] < 0)
        rows, u = leaders[is_bound], u[is_bound]
        more = reduced[u] / self._a[rows]
        prices[self._row[rows]] += more
        np.subtract.at(reduced, self._v[rows], more * self._b[rows])
        reduced[u] = 0.0

    def _limits(self, lower: Vector, upper: Vector) -> Vector:
        """By row, the bound of its free column; infinite where the other one can move."""
        fixed = lower[self._v]
        return np.where(fixed == upper[self._v], (self._right - self._b * fixed) / self._a, np.inf)
