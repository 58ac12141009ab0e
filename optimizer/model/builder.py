"""The model builder: it holds columns, rows, ledgers and linking terms until a solver takes them.

Levers and the network write columns and rows in the units of the file (t, money) and share only the
ledgers (`expressions`). `problem()` passes everything to PuLP in units chosen from the data, so that neither grams of
dysprosium nor billions of dollars fall below the solver's tolerances.

A **linking term** brings the plan into operation: it is an affine expression in the plan's columns for each period.
Where the plan is fixed, a parameter (a **given** column) replaces it. A lever writes the same rows in both cases.
"""

import itertools
import math
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pulp

from optimizer.disruptions.path import Number
from optimizer.errors import ModelError
from optimizer.horizon import Horizon
from optimizer.model import Sense
from optimizer.model.expressions import Expression, Ledgers, Names, is_nothing
from optimizer.tolerances import FEASIBILITY

Unit = Literal["t", "money", "1"]
# CBC reads names of LP files up to 100 characters, and HiGHS up to 255; both take these characters.
LONGEST_NAME = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9_.@]")
# Characters of a longer name that are kept at either end, which leaves room for a number at the end.
_KEPT_OF_NAME = 45


class Mark(NamedTuple):
    """The identity of a row or column: path (empty for the plan), owner, what it is, and its period or number."""

    path: str
    owner: str
    what: str
    which: str

    def __str__(self) -> str:
        head = f"{self.path}/" if self.path else ""
        return f"{head}{self.owner}.{self.what}.{self.which}" if self.which else f"{head}{self.owner}.{self.what}"


@dataclass(slots=True)
class Column:
    """A column of period `t`: its bounds in its own unit, and whether it is integer.

    `upper` is a number, or an array with one number per shock where the path stands for many shocks. `given` marks a
    parameter, which is not a column of the solver's problem.
    """

    mark: Mark
    unit: Unit
    lower: float
    upper: Any
    integer: bool
    t: int
    given: bool = False


@dataclass(slots=True)
class Row:
    """A constraint ``terms sense rhs`` in its own unit; `t` is its period, or None.

    `terms` are coefficients by column number. Coefficients and `rhs` are numbers, or arrays with one number per shock.
    """

    mark: Mark
    unit: Unit
    terms: dict[int, Any]
    sense: Sense
    rhs: Any
    t: int | None


class LinkingTerms(dict[int, Expression]):
    """The linking terms of one name, by period; the error of a missing one says how to name an amount."""

    def __init__(self, owner: str, what: str, by_period: Mapping[int, Expression]) -> None:
        super().__init__(by_period)
        self.name = owner, what

    def __missing__(self, t: int) -> Expression:
        owner, what = self.name
        raise ModelError(
            f"{owner}: {what} is not linked for period {t}; name {what} in `amounts` of the lever if, and only if, "
            f"operation reads it of the period before its path, and then link it from period -1 on"
        )


@dataclass(frozen=True)
class Scope:
    """The parts of a model that are written."""

    # Whether valid inequalities are written. They tighten the relaxation, and serve no purpose for a fixed plan.
    has_valid_inequalities: bool = True
    # The processes, segments and options that are written; None for all. Rows that sum over parts then have only the
    # terms of these, and rows that tie them to other options are left out.
    parts: frozenset[str] | None = None


EVERYTHING = Scope()


class ModelBuilder(Ledgers):
    """A linear or mixed-integer model under construction; `horizon` is its time axis."""

    def __init__(self, horizon: Horizon, names: Names) -> None:
        super().__init__(horizon, names)
        self.columns: list[Column] = []
        self.rows: list[Row] = []
        # Valid inequalities: an optimal operation of every integer plan satisfies them. A model has those that its
        # relaxation violates.
        self.valid_inequalities: list[Row] = []
        self.scope = EVERYTHING
        self._links: dict[tuple[str, str], dict[int, Expression]] = {}
        self._gates: dict[int, tuple[str, Expression]] = {}
        self._path = ""
        self._used: set[tuple[str, Mark]] = set()
        # The index that `column_index` extends by columns added since its last call.
        self._index: dict[tuple[str, str, str], dict[int, int]] = {}
        self._indexed = 0

    @contextmanager
    def on_path(self, path: str) -> Iterator[None]:
        """Assign everything written in the context to the path with this key."""
        self.names.path.add(path)
        before, self._path = self._path, path
        try:
            yield
        finally:
            self._path = before

    def variable(
        self,
        owner: str,
        what: str,
        t: int,
        *,
        unit: Unit = "t",
        upper: Number = math.inf,
        integer: bool = False,
        follows: Hashable = None,
    ) -> Expression:
        """Add a column of one period with bounds 0 and `upper`.

        Args:
            owner: id of the option, process or segment.
            what: name of the column.
            t: its period.
            unit: its unit, by which the solver scales it.
            upper: upper bound.
            integer: whether it takes whole numbers only.
            follows: marks a column of the plan that is not a decision but follows from decisions and from the given
                data: futures that cannot be distinguished share it if their data are equal (`formulation`).

        Raises:
            ModelError: the name is taken, or is `below` for an owner that is no segment.
        """
        if what == "below" and owner not in self.names.segment:
            raise ModelError(
                f'{owner}: "below" is a column of segments, what they miss of their floors; use another name'
            )
        mark = self._mark("column", owner, what, self.horizon.label(t))
        return Expression({self._enter(Column(mark, unit, 0.0, upper, integer, t), follows): 1.0})

    def _enter(self, column: Column, follows: Hashable) -> int:
        """Add a column and return its number."""
        self.columns.append(column)
        return len(self.columns) - 1

    def require(
        self,
        owner: str,
        what: str,
        t: int | None,
        left: Expression,
        sense: Sense,
        rhs: Expression | Number = 0.0,
        *,
        unit: Unit = "t",
    ) -> None:
        """Add the row ``left sense rhs``; `sense` is ``<=``, ``>=`` or ``==``, and `t` None for a row of no period.

        Results read some rows by `what`; the manual's page on extending lists these names.

        Raises:
            ModelError: the name is taken.
        """
        mark = self._mark("row", owner, what, "" if t is None else self.horizon.label(t))
        if isinstance(rhs, Expression):
            left, rhs = left - rhs, 0.0
        # The test of `is_nothing`, inlined for speed.
        terms = {
            column: value
            for column, value in left.terms.items()
            if (value if value.__class__ is float else not is_nothing(value))
        }
        right_hand_side = rhs - left.constant
        if not terms:
            if _holds(sense, right_hand_side):
                return
            # A column fixed at 0 is added, so that a row without columns that cannot hold stays visible to the solver.
            self.columns.append(Column(Mark(self._path, "never", str(len(self.columns)), ""), "1", 0.0, 0.0, False, 0))
            terms = {len(self.columns) - 1: 1.0}
        self._append(Row(mark, unit, terms, sense, right_hand_side, t))

    def _append(self, row: Row) -> None:
        self.rows.append(row)

    def limit(self, owner: str, what: str, t: int, column: Expression, upper: Expression | Number) -> None:
        """Write ``column ≤ upper``: as a bound, at least 0, if `upper` is a number, else as a row.

        Raises:
            ModelError: `column` is a sum or a multiple of columns, whose limit has to be written with `require`.
        """
        if not _is_column(column):
            raise ModelError(f"{owner}: limit {what} is of a sum or a multiple of columns; write it with `require`")
        if isinstance(upper, Expression) and upper.terms:
            self.require(owner, what, t, column, "<=", upper)
            return
        number: Any = upper.constant if isinstance(upper, Expression) else upper
        (index,) = column.terms
        self.columns[index].upper = _between_zero_and(self.columns[index].upper, number)

    def note_gate(self, option: str, t: int, column: Expression) -> None:
        """Record that a column is 0 unless its option is on line; do nothing for options without a fixed charge."""
        on_line = self._links.get((option, "on_line"))
        if on_line is not None:
            (index,) = column.terms
            self._gates[index] = option, on_line[t]

    def take_gates(self) -> Mapping[int, tuple[str, Expression]]:
        """Return the gates recorded since the last call: by column, the option that it needs, and its opening."""
        gates, self._gates = self._gates, {}
        return gates

    def add_valid_inequality(self, owner: str, what: str, t: int, column: Expression, upper: Expression) -> None:
        """Add the valid inequality ``column ≤ upper``: an optimal operation of every integer plan satisfies it."""
        difference = column - upper
        mark = self._mark("row", owner, what, self.horizon.label(t))
        self._append_valid(Row(mark, "t", difference.terms, "<=", -difference.constant, t))

    def _append_valid(self, row: Row) -> None:
        self.valid_inequalities.append(row)

    def _mark(self, sort: str, owner: str, what: str, which: str) -> Mark:
        mark = Mark(self._path, owner, what, which)
        if (sort, mark) in self._used:
            raise ModelError(f"the {sort} {mark} is written twice")
        self._used.add((sort, mark))
        return mark

    def has_row(self, owner: str, what: str) -> bool:
        """Return whether a row that belongs to no path and no period is written."""
        return ("row", Mark("", owner, what, "")) in self._used

    def link(self, owner: str, what: str, by_period: Mapping[int, Expression]) -> None:
        """Pass linking terms of the plan to operation, and to the rows that tie options together.

        Processes and segments pass their columns from `operate` to `write_balances` in the same way, under
        ``<path>/<name>``.

        Raises:
            ModelError: the name is taken.
        """
        if (owner, what) in self._links:
            raise ModelError(f"{owner} links {what} twice")
        self._links[owner, what] = LinkingTerms(owner, what, by_period)

    def linked(self, owner: str, what: str) -> Mapping[int, Expression]:
        """Return linking terms by period.

        Raises:
            ModelError: there are none of this name.
        """
        if (owner, what) not in self._links:
            own = [name for other, name in self._links if other == owner]
            raise ModelError(f"{owner} links no {what}; it links {', '.join(own) or 'nothing'}")
        return self._links[owner, what]

    def copy(self) -> "ModelBuilder":
        """Return a copy for other paths, with its own accounts of the plan.

        Columns, rows and the accounts of written paths are shared: after a copy, limit only new columns.
        """
        copied = ModelBuilder(self.horizon, self.names.without_paths())
        copied.columns, copied.rows = list(self.columns), list(self.rows)
        copied.valid_inequalities = list(self.valid_inequalities)
        copied._adopt(self)
        return copied

    def _adopt(self, other: "ModelBuilder") -> None:
        """Copy the ledgers, linking terms, names and scope of another builder."""
        self.names.path.update(other.names.path)
        self._books = other._copied_books()
        self._links, self._used, self.scope = dict(other._links), set(other._used), other.scope

    @property
    def submodels(self) -> "Sequence[ModelBuilder]":
        """The builders of the futures in this model, in their order; the builder itself for a single future."""
        return (self,)

    def sharing(self, row: int) -> Sequence[int]:
        """Return the numbers of the futures that have a row."""
        return (0,)

    @property
    def links(self) -> Mapping[tuple[str, str], Mapping[int, Expression]]:
        """All linking terms, by owner and what."""
        return self._links

    def selected[T](self, parts: Mapping[str, T]) -> Mapping[str, T]:
        """Return those of the processes, segments or options that the scope includes."""
        return parts if self.scope.parts is None else {n: part for n, part in parts.items() if self.selects(n)}

    def selects(self, name: str) -> bool:
        """Return whether the scope includes a process, segment or option."""
        return self.scope.parts is None or name in self.scope.parts

    def recourse_builder(self, length: int) -> "ModelBuilder":
        """Return a new model of the second stage alone, over `length` periods counted from the start of a shock.

        Every linking term in the scope is a given column there, for the period before the shock as well.
        """
        model = ModelBuilder(self.horizon, self.names.without_paths())
        model.scope = self.scope
        for owner, what in self._links:
            if not self.selects(owner):
                continue
            first = len(model.columns)
            model.columns += [
                Column(Mark("", owner, what, str(k)), "t", 0.0, math.inf, False, k, given=True)
                for k in range(-1, length)
            ]
            by_period = {k: Expression({first + 1 + k: 1.0}) for k in range(-1, length)}
            model._links[owner, what] = LinkingTerms(owner, what, by_period)
        return model

    def column_index(self) -> Mapping[tuple[str, str, str], Mapping[int, int]]:
        """Return column numbers by path (empty for the plan), owner and what; then by period."""
        for j in range(self._indexed, len(self.columns)):
            column = self.columns[j]
            key = (column.mark.path, column.mark.owner, column.mark.what)
            self._index.setdefault(key, {})[column.t] = j
        self._indexed = len(self.columns)
        return self._index

    def scales(self, mass: float | None = None) -> tuple[list[float], list[float]]:
        """Return divisors of columns and rows: powers of ten that bring tonnes and money near 1 … 1000.

        Tonnes are scaled by `mass`, by default from the largest right-hand side of a balance (demand less scrap);
        any other row is scaled by the geometric mean of its own coefficients.
        """
        mass = mass or _mass_unit(self.rows)
        columns = [mass if column.unit == "t" else 1.0 for column in self.columns]
        rows = [
            mass if row.unit == "t" else _nearest_power(value * columns[column] for column, value in row.terms.items())
            for row in self.rows
        ]
        return columns, rows

    def problem(
        self, name: str, columns: Sequence[float], rows: Sequence[float], *, is_read: bool = True
    ) -> pulp.LpProblem:
        """Return the scaled model as a PuLP problem without an objective; names are numbers unless `is_read`."""
        problem = pulp.LpProblem(name)
        namer = _Namer() if is_read else _numbering()
        variables = [
            problem.add_variable(
                namer(column.mark),
                None if math.isinf(column.lower) else column.lower / scale,
                None if math.isinf(column.upper) else column.upper / scale,
                pulp.const.LpInteger if column.integer else pulp.const.LpContinuous,
            )
            for column, scale in zip(self.columns, columns, strict=True)
        ]
        senses = {"<=": pulp.const.LpConstraintLE, ">=": pulp.const.LpConstraintGE, "==": pulp.const.LpConstraintEQ}
        namer = _Namer() if is_read else _numbering()
        for row, scale in zip(self.rows, rows, strict=True):
            left = pulp.lpSum_vars_coefs(
                [(variables[column], value * columns[column] / scale) for column, value in row.terms.items()]
            )
            left.constant = -row.rhs / scale
            left.sense = senses[row.sense]
            problem.addConstraint(left, namer(row.mark))
        return problem


class _Namer:
    """Makes unique names that MPS and LP files accept: the parts of a mark, joined by dots.

    Other characters become "_"; the middle of a long name is replaced by "__".
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def __call__(self, mark: Mark) -> str:
        name = _UNSAFE.sub("_", ".".join(filter(None, mark)))
        name = name if name[:1].isalpha() else f"n{name}"
        if len(name) > LONGEST_NAME:
            name = f"{name[:_KEPT_OF_NAME]}__{name[-_KEPT_OF_NAME:]}"
        unique, count = name, self._counts.get(name, 2)
        while unique in self._taken:
            unique, count = f"{name}.{count}", count + 1
        self._taken.add(unique)
        self._counts[name] = count
        return unique


def _numbering() -> Callable[[Mark], str]:
    numbers = itertools.count()
    return lambda mark: f"n{next(numbers)}"


def _is_column(expression: Expression) -> bool:
    """Return whether an expression is a single column with coefficient 1 and no constant."""
    if len(expression.terms) != 1:
        return False
    (factor,) = expression.terms.values()
    return not isinstance(factor, np.ndarray) and factor == 1.0 and is_nothing(expression.constant)


def _between_zero_and(one: Number, other: Number) -> Any:
    if isinstance(one, float) and isinstance(other, float):
        return max(0.0, min(one, other))
    return np.maximum(0.0, np.minimum(one, other))


def _holds(sense: Sense, rhs: Number) -> bool:
    """Return whether a row without columns holds, in all shocks."""
    size: Any = abs(rhs)
    violated: Any = {"<=": -rhs, ">=": rhs, "==": size}[sense]
    return is_nothing(violated) or bool(np.all(violated <= FEASIBILITY * np.maximum(1.0, size)))


def _mass_unit(rows: Iterable[Row]) -> float:
    largest = max((abs(row.rhs) for row in rows if row.unit == "t" and row.mark.what == "balance"), default=0.0)
    return 10.0 ** (math.floor(math.log10(largest)) - 3) if largest > 0 else 1.0


def _nearest_power(values: Iterable[float]) -> float:
    """Return the power of ten nearest to the geometric mean of the absolute values."""
    sizes = [math.log10(abs(value)) for value in values if value]
    return 10.0 ** round(sum(sizes) / len(sizes)) if sizes else 1.0
