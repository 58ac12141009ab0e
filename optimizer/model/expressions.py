"""Affine expressions in numbered columns: linear terms by column number, independent of any solver.

A coefficient is a number, or an array with one number for each of many shocks that are written together.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from optimizer.errors import ModelError
from optimizer.units import Number


def is_nothing(number: Number) -> bool:
    """Whether a number is 0, or all numbers of an array are."""
    return not np.any(number) if isinstance(number, np.ndarray) else number == 0.0


class Expression:
    """An affine expression: coefficients by column, and a constant. Never changed once handed out."""

    __slots__ = ("constant", "terms")
    # An array times an expression is an expression, not an array of them.
    __array_ufunc__ = None

    def __init__(self, terms: Mapping[int, Number] | None = None, constant: Number = 0.0) -> None:
        self.terms: dict[int, Any] = dict(terms) if terms else {}
        self.constant: Any = constant

    def add(self, other: "Expression | Number", factor: Number = 1.0) -> None:
        """Add `factor · other` in place; for sums that their owner is still writing."""
        if isinstance(other, Expression):
            self.constant = self.constant + factor * other.constant
            mine = self.terms
            for column, coefficient in other.terms.items():
                mine[column] = mine.get(column, 0.0) + factor * coefficient
        else:
            self.constant = self.constant + factor * other

    def __add__(self, other: "Expression | Number") -> "Expression":
        return total((self, other))

    def __sub__(self, other: "Expression | Number") -> "Expression":
        result = Expression(self.terms, self.constant)
        result.add(other, -1.0)
        return result

    def __rsub__(self, other: Number) -> "Expression":
        return -1.0 * self + other

    def __mul__(self, factor: Number) -> "Expression":
        return Expression({column: factor * value for column, value in self.terms.items()}, factor * self.constant)

    __radd__ = __add__
    __rmul__ = __mul__

    def __bool__(self) -> bool:
        raise ModelError("an expression has no truth value; compare its terms")

    def value(self, values: Sequence[float]) -> float:
        """Its value where column j takes `values[j]`; for expressions whose coefficients are single numbers."""
        return float(self.constant) + math.fsum(factor * values[column] for column, factor in self.terms.items())


def total(parts: Iterable[Expression | Number]) -> Expression:
    """The sum of many expressions, in linear time."""
    result = Expression()
    for part in parts:
        result.add(part)
    return result
