"""Affine expressions in numbered columns, independent of any solver, and the ledgers that sum them.

A coefficient is a number, or an array with one number per shock where many shocks are written together. A ledger holds
partial sums by key; levers and the network add their terms to it. Keys are checked.

ledger      key                                     unit                written by
outlay      year                                    money in budget     levers; activities (support)
spend       period, or T, the end of the horizon    money               levers (first-stage cost, I in the model)
operating   path, period                            money               activities, substitution, network, releases
available   path, existing process, period          t                   network, partnership, leverage
accident    path, existing process, period          t, not deliberate   network, partnership
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

from optimizer.disruptions.path import Number
from optimizer.errors import ModelError, suggest

if TYPE_CHECKING:
    from optimizer.horizon import Horizon


def is_nothing(number: Number) -> bool:
    """Return whether a number, or every number of an array, is 0."""
    return not number.any() if isinstance(number, np.ndarray) else number == 0.0


def distinct_shocks(numbers: Sequence[Number], shocks: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return a table with a row per distinct shock and a column per number, and the row of each shock.

    Shocks in which all numbers are equal share a row.
    """
    table = np.empty((shocks, len(numbers)))
    for column, number in enumerate(numbers):
        table[:, column] = number
    kinds: dict[bytes, int] = {}
    place = np.array([kinds.setdefault(row.tobytes(), len(kinds)) for row in table], dtype=np.intp)
    # With thousands of shocks, most of them distinct, a copy of the table would need as much memory again.
    return table if len(kinds) == shocks else table[np.unique(place, return_index=True)[1]], place


class Expression:
    """An affine expression: coefficients by column, and a constant.

    Arithmetic returns new expressions. An account of a ledger is changed in place while levers and the network book
    to it.
    """

    __slots__ = ("constant", "terms")
    # Keeps numpy from turning an array times an expression into an array of expressions.
    __array_ufunc__ = None

    def __init__(self, terms: Mapping[int, Number] | None = None, constant: Number = 0.0) -> None:
        self.terms: dict[int, Any] = dict(terms) if terms else {}
        self.constant: Any = constant

    def add(self, other: "Expression | Number", factor: Number = 1.0) -> None:
        """Add `factor · other` in place; only for sums that their owner is still building."""
        if isinstance(other, Expression):
            mine, constant = self.terms, other.constant
            for column, coefficient in other.terms.items():
                amount = factor * coefficient
                mine[column] = mine[column] + amount if column in mine else amount
        else:
            constant = other
        # The test of `is_nothing`, inlined for speed: most constants are 0.
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
        """Return its value if column j has the value `values[j]`; coefficients have to be single numbers."""
        return float(self.constant) + math.fsum(factor * values[column] for column, factor in self.terms.items())


def total(parts: Iterable[Expression | Number]) -> Expression:
    """Return the sum of many expressions, in linear time."""
    result = Expression()
    for part in parts:
        result.add(part)
    return result


LEDGERS: dict[str, tuple[str, ...]] = {
    "outlay": ("year",),
    "spend": ("period or end",),
    "operating": ("path", "period"),
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
    """The names that may stand in a ledger's key."""

    commodity: frozenset[str]
    process: frozenset[str]
    segment: frozenset[str]
    path: set[str] = field(default_factory=set)

    def without_paths(self) -> "Names":
        """Return the names of the commodities, processes and segments alone."""
        return Names(self.commodity, self.process, self.segment)


def sum_by_age(
    horizon: "Horizon", sizes: Mapping[int, Expression], lead: int, shares: Sequence[float]
) -> dict[int, Expression]:
    """Return by period the sum of earlier purchases, each times its share by year after the lead time.

    The last share stays. Only shares that change in a period are updated: over hundreds of years, few do.
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
    """The ledgers of one model: sums of expressions by key."""

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
        """Add `times · amount` to an account of a ledger; do nothing if `times` is 0.

        The manual's page on extending lists the ledgers, with the keys and the units of their accounts.

        Raises:
            ModelError: there is no such ledger, or the key does not fit it.
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
        """Book one amount per period, which is the last part of the key; `times` are in the order of `amounts`."""
        accounts = self._books.get(ledger, {})
        for (t, amount), factor in zip(amounts.items(), times, strict=False):
            account = accounts.get((*key, t))
            if account is None:
                self.book(ledger, *key, t, amount=amount, times=factor)
            elif not is_nothing(factor):
                account.add(amount, factor)

    def booked(self, ledger: str, *key: str | int) -> Expression:
        """Return an account, to which later bookings add in place; a new empty expression if nothing is booked."""
        account = self._books.get(ledger, {}).get(key)
        if account is None:
            self._check(ledger, key)
            return Expression()
        return account

    def accounts(self, ledger: str) -> Mapping[Key, Expression]:
        """Return all accounts of a ledger, by key."""
        self._check(ledger)
        return self._books[ledger]

    def _copied_books(self) -> dict[str, dict[Key, Expression]]:
        """Return all ledgers, with copies of the accounts that belong to no path: every path adds to those."""
        return {
            ledger: dict(accounts)
            if LEDGERS[ledger][0] == "path"
            else {key: Expression(each.terms, each.constant) for key, each in accounts.items()}
            for ledger, accounts in self._books.items()
        }

    def _check(self, ledger: str, key: Key | None = None) -> None:
        parts = self._shapes.get(ledger)
        if parts is None:
            raise ModelError(f'there is no ledger "{ledger}". {suggest(ledger, LEDGERS, "The ledgers are")}')
        if key is not None and (len(key) != len(parts) or not all(map(contains, parts, key))):
            raise ModelError(self._said_of_key(ledger, key))

    def _said_of_key(self, ledger: str, key: Key) -> str:
        """Say what is wrong with a key: its length, or its first part that is not known."""
        parts = LEDGERS[ledger]
        text = f"{key} is no key of {ledger}, whose keys are ({', '.join(parts)})"
        if len(key) != len(parts):
            return text
        word, part = next(pair for pair in zip(key, parts, strict=True) if pair[0] not in self._parts[pair[1]])
        known, text = self._parts[part], f"{text}: {word!r} is no {part}"
        if isinstance(known, range):
            return f"{text} from {known[0]} to {known[-1]}"
        return f"{text}. {suggest(str(word), known, 'Known:')}" if isinstance(known, Iterable) else text


class _Texts:
    """A container that holds every string."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str)


_TEXTS = _Texts()
