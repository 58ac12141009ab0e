"""Affine expressions in numbered columns: what levers add up before anybody knows which solver it is for."""

import math
from collections.abc import Iterable, Mapping, Sequence

from optimizer.errors import StageError


class Expression:
    """An affine expression: coefficients by column, and a constant. Never changed once handed out."""

    __slots__ = ("constant", "terms")

    def __init__(self, terms: Mapping[int, float] | None = None, constant: float = 0.0) -> None:
        self.terms: dict[int, float] = dict(terms) if terms else {}
        self.constant = constant

    def add(self, other: "Expression | float", factor: float = 1.0) -> None:
        """Add `factor · other` in place; for sums that their owner is still writing."""
        if isinstance(other, Expression):
            self.constant += factor * other.constant
            mine = self.terms
            for column, coefficient in other.terms.items():
                mine[column] = mine.get(column, 0.0) + factor * coefficient
        else:
            self.constant += factor * other

    def __add__(self, other: "Expression | float") -> "Expression":
        return total((self, other))

    def __sub__(self, other: "Expression | float") -> "Expression":
        result = Expression(self.terms, self.constant)
        result.add(other, -1.0)
        return result

    def __rsub__(self, other: float) -> "Expression":
        return -1.0 * self + other

    def __mul__(self, factor: float) -> "Expression":
        return Expression({column: factor * value for column, value in self.terms.items()}, factor * self.constant)

    __radd__ = __add__
    __rmul__ = __mul__

    def __bool__(self) -> bool:
        raise StageError("an expression has no truth value; compare its terms")

    def value(self, values: Sequence[float]) -> float:
        """Its value where column j takes `values[j]`."""
        return self.constant + math.fsum(coefficient * values[column] for column, coefficient in self.terms.items())


def total(parts: Iterable[Expression | float]) -> Expression:
    """The sum of many expressions, in linear time."""
    result = Expression()
    for part in parts:
        result.add(part)
    return result
