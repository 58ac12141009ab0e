"""A mixed-integer programme for scipy, written row by row: sums are counters of columns."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_array

type Data = dict[str, Any]
Terms = Counter[int]
ONE = -1  # The "column" of a constant.


def terms(*parts: tuple[float, Mapping[int, float]]) -> Terms:
    found: Terms = Counter()
    for factor, part in parts:
        for j, value in part.items():
            found[j] += factor * value
    return found


def series(value: Any, year: int) -> float:
    points = value if isinstance(value, dict) else {year: value}
    return float(np.interp(year, sorted(points), [points[y] for y in sorted(points)]))


def value(expression: Mapping[int, float], x: np.ndarray) -> float:
    return math.fsum(v if j == ONE else v * float(x[j]) for j, v in expression.items())


@dataclass
class Programme:
    upper: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    named: dict[tuple[Any, ...], int] = field(default_factory=dict)
    rows: list[tuple[Terms, float]] = field(default_factory=list)

    def column(self, *name: Any, upper: float = math.inf, lower: float = 0.0, whole: bool = False) -> Terms:
        if name not in self.named:
            self.named[name] = len(self.upper)
            self.upper.append(upper)
            self.lower.append(lower)
            self.whole.append(int(whole))
        j = self.named[name]
        self.upper[j] = min(self.upper[j], upper)
        return Counter({j: 1.0})

    def fix(self, column: Terms, amount: float) -> None:
        """To an amount that was rounded once or twice."""
        (j,) = column
        self.lower[j], self.upper[j] = amount, amount + 1e-7 * max(1.0, amount) if amount else 0.0

    def at_most(self, left: Mapping[int, float], right: float = 0.0) -> None:
        self.rows.append((Counter({j: v for j, v in left.items() if j != ONE and v}), right - left.get(ONE, 0.0)))

    def exactly(self, left: Mapping[int, float], right: float = 0.0) -> None:
        self.at_most(left, right)
        self.at_most(terms((-1.0, left)), -right)

    def minimise(self, objective: Mapping[int, float]) -> tuple[float, np.ndarray] | None:
        """The least value and where; None where there is no solution. Integers are rounded and held, and it is again
        solved without them: what a solver gains by bending them counts nowhere."""
        lower, upper, whole = np.array(self.lower), np.array(self.upper), np.array(self.whole, dtype=bool)
        found = self._solved(objective, lower, upper, whole)
        if found.status == 2:
            # Presolve has called programmes infeasible of which a solution was known.
            found = self._solved(objective, lower, upper, whole, presolve=False)
        if found.status == 2:
            return None
        assert found.status == 0, found.message
        if whole.any():
            lower[whole] = upper[whole] = np.round(found.x[whole])
            held = self._solved(objective, lower, upper, whole & False)
            found = held if held.status == 0 else found
        return value(objective, found.x), found.x

    def _solved(
        self,
        objective: Mapping[int, float],
        lower: np.ndarray,
        upper: np.ndarray,
        whole: np.ndarray,
        *,
        presolve: bool = True,
    ) -> OptimizeResult:
        cost = np.zeros(len(self.upper))
        for j, amount in objective.items():
            if j != ONE:
                cost[j] = amount
        entries = [(i, j, v) for i, (row, _) in enumerate(self.rows) for j, v in row.items()]
        i, j, v = (np.array(part) for part in zip(*entries, strict=True))
        matrix = csr_array((v, (i, j)), shape=(len(self.rows), len(cost)))
        return milp(
            cost / max(1.0, np.abs(cost).max()),
            integrality=whole.astype(int),
            bounds=Bounds(lower, upper),
            constraints=LinearConstraint(matrix, -np.inf, np.array([right for _, right in self.rows])),
            options={"mip_rel_gap": 0.0, "presolve": presolve},
        )
