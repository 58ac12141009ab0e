"""Affine expressions in numbered columns, independent of any solver, and the ledgers that sum them.

A coefficient is a number, or an array with one number for each of many shocks that are written together. Ledgers are
partial sums by key, to which levers and the network add their terms; keys and units are checked.

ledger      key                                     unit                written by
outlay      year                                    money, the budget's levers; activities (support)
spend       period, or T, the end of the horizon    money               levers (the investment I of the model)
operating   path, period                            money               activities, substitution, network, releases
support     period                                  money               activities, inside operating
available   path, existing process, period          t                   network, partnership, leverage
accident    path, existing process, period          t                   network, partnership
supply      path, commodity, period                 t                   activities, substitution, releases, scrap
substituted path, segment, period                   t                   substitution
production  path, commodity, region, kind, period   t                   activities
below       path, segment, period                   t, below its floor  network
"""

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import contains
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from optimizer.errors import ModelError

if TYPE_CHECKING:
    from optimizer.horizon import Horizon
from optimizer.disruptions.path import Number


def is_nothing(number: Number) -> bool:
    """Whether a number is 0, or all numbers of an array are."""
    return not number.any() if isinstance(number, np.ndarray) else number == 0.0


def distinct_shocks(numbers: Sequence[Number], shocks: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Numbers of many shocks: a row for each distinct shock, a column for each number; and by shock, which row it has.

    Shocks in which all numbers are the same share a row.
    """
    table = np.empty((shocks, len(numbers)))
    for column, number in enumerate(numbers):
        table[:, column] = number
    kinds: dict[bytes, int] = {}
    place = np.array([kinds.setdefault(row.tobytes(), len(kinds)) for row in table], dtype=np.intp)
    return table[np.unique(place, return_index=True)[1]], place


class Expression:
    """An affine expression: coefficients by column, and a constant.

    Arithmetic makes new ones. What a ledger holds goes on growing while levers and the network still book to it.
    """

    __slots__ = ("constant", "terms")
    # An array times an expression is an expression, not an array of them.
    __array_ufunc__ = None

    def __init__(self, terms: Mapping[int, Number] | None = None, constant: Number = 0.0) -> None:
        self.terms: dict[int, Any] = dict(terms) if terms else {}
        self.constant: Any = constant

    def add(self, other: "Expression | Number", factor: Number = 1.0) -> None:
        """Add `factor · other` in place; for sums that their owner is still writing."""
        if isinstance(other, Expression):
            mine, constant = self.terms, other.constant
            for column, coefficient in other.terms.items():
                amount = factor * coefficient
                mine[column] = mine[column] + amount if column in mine else amount
        else:
            constant = other
        # As `is_nothing` asks, without a call: most constants are 0.
        if constant.__class__ is not float or constant:
            self.constant = self.constant + factor * constant

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


LEDGERS: dict[str, tuple[str, ...]] = {
    "outlay": ("year",),
    "spend": ("period or end",),
    "operating": ("path", "period"),
    "support": ("period",),
    "available": ("path", "process", "period"),
    "accident": ("path", "process", "period"),
    "supply": ("path", "commodity", "period"),
    "substituted": ("path", "segment", "period"),
    "production": ("path", "commodity", "region", "kind", "period"),
    "below": ("path", "segment", "period"),
}
Key = tuple[str | int, ...]


@dataclass
class Names:
    """What may stand in a ledger's key."""

    commodity: frozenset[str]
    process: frozenset[str]
    segment: frozenset[str]
    path: set[str] = field(default_factory=set)

    def fixed(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        """The names that do not depend on the paths."""
        return self.commodity, self.process, self.segment


def sum_by_age(
    horizon: "Horizon", sizes: Mapping[int, Expression], lead: int, shares: Sequence[float]
) -> dict[int, Expression]:
    """By period, the sizes decided before times the share of each, by year after a lead time; the last share stays.

    Only what changes in a period is written: over hundreds of years, few shares do.
    """
    terms, result, current = dict[int, Number](), dict[int, Expression](), Expression()
    for t in horizon.periods:
        changed = {a: share for k, share in enumerate(shares) if (a := t - lead - k * horizon.per_year) in sizes}
        for a, share in changed.items():
            for column, value in sizes[a].terms.items():
                if share > 0:
                    terms[column] = share * value
                else:
                    terms.pop(column, None)
        if changed:
            current = Expression(terms)
        result[t] = current
    return result


class Ledgers:
    """The ledgers of one programme: sums of expressions by key."""

    def __init__(self, horizon: "Horizon", names: Names) -> None:
        self.horizon = horizon
        self.names = names
        self._books: dict[str, dict[Key, Expression]] = {ledger: {} for ledger in LEDGERS}
        self._parts: dict[str, Container[str | int]] = {
            "commodity": names.commodity,
            "process": names.process,
            "segment": names.segment,
            "path": names.path,
            "period": horizon.periods,
            "year": horizon.years,
            "period or end": range(len(horizon.periods) + 1),
            "region": _TEXTS,
            "kind": _TEXTS,
        }
        self._shapes = {ledger: tuple(self._parts[part] for part in shape) for ledger, shape in LEDGERS.items()}

    def book(self, ledger: str, *key: str | int, amount: Expression | Number, times: Number = 1.0) -> None:
        """Add `times · amount` to an account of a ledger; nothing where `times` is 0.

        Raises:
            ModelError: no such ledger, or a key that does not belong there.
        """
        accounts = self._books.get(ledger, {})
        account = accounts.get(key)
        if account is None:
            self._check(ledger, key)
            account = Expression()
        if not is_nothing(times):
            accounts[key] = account
            account.add(amount, times)

    def book_each(self, ledger: str, *key: str, amounts: Mapping[int, Expression], times: Iterable[Number]) -> None:
        """The same for each of some periods, the last part of the key; `times` in their order."""
        accounts = self._books.get(ledger, {})
        for (t, amount), factor in zip(amounts.items(), times, strict=False):
            account = accounts.get((*key, t))
            if account is None:
                self.book(ledger, *key, t, amount=amount, times=factor)
            elif not is_nothing(factor):
                account.add(amount, factor)

    def booked(self, ledger: str, *key: str | int) -> Expression:
        """What stands in an account so far, which later bookings add to; 0 where nothing was booked."""
        account = self._books.get(ledger, {}).get(key)
        if account is None:
            self._check(ledger, key)
            return Expression()
        return account

    def accounts(self, ledger: str) -> Mapping[Key, Expression]:
        """All accounts of a ledger, by key."""
        self._check(ledger)
        return self._books[ledger]

    def _copied_books(self) -> dict[str, dict[Key, Expression]]:
        """All accounts; those that belong to no path are copied, since each path that is written adds to them."""
        return {
            ledger: dict(accounts)
            if LEDGERS[ledger][0] == "path"
            else {key: Expression(each.terms, each.constant) for key, each in accounts.items()}
            for ledger, accounts in self._books.items()
        }

    def _check(self, ledger: str, key: Key | None = None) -> None:
        parts = self._shapes.get(ledger)
        if parts is None:
            raise ModelError(f'there is no ledger "{ledger}"')
        if key is not None and (len(key) != len(parts) or not all(map(contains, parts, key))):
            raise ModelError(f"{key} is no key of {ledger}, which wants ({', '.join(LEDGERS[ledger])})")


class _Texts:
    """Any text at all."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str)


_TEXTS = _Texts()
