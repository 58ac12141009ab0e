"""Frames: tables of rows with named columns, the only source of every output table.

A frame defines for each column its name in code, its label, its unit, and the form in which its values are written. The
screen, CSV files, workbooks and pages show the same frames; `Frame.to_pandas` returns them with an index and plain
names, and with these in ``attrs``:

    title     title of the table
    units     unit by column: "USD", "t", "share" (0 to 1) …; only columns that have one
    labels    head by column
    forms     form of the values by column, one of `Form`

pandas is imported when it is first needed: the import takes longer than solving a small instance.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

# Form in which the values of a column are written:
Form = Literal[
    "text",  # text, unchanged
    "word",  # text without line breaks
    "name",  # a key of the instance, by its name
    "object",  # a key of the instance, by its name; workbooks have the key as well
    "region",  # a region, by its name
    "shock",  # a shock, by its name in the file
    "period",  # the label of a period
    "year",  # a calendar year
    "count",  # a whole number
    "amount",  # a number, to three digits
    "plain",  # a number, to three digits without a suffix, for columns that are added up
    "exact",  # a number, to four digits
    "enough",  # a number that suffices, rounded up to six digits
    "millions",  # money, in millions, to three digits
    "percent",  # a share, as per cent
    "tenth",  # a share, as per cent to one decimal
    "part",  # a part of the cost, by its name for readers
    "verdict",  # in which plans an option is, in words for readers
    "yes",  # whether something holds
]
NUMBER_FORMS = ("count", "amount", "plain", "exact", "enough", "millions", "percent", "tenth")


@dataclass(frozen=True)
class FrameColumn:
    """One column of a frame."""

    name: str  # name in code; with the unit, the head in CSV files
    label: str = ""  # head for readers; by default the name with spaces
    unit: str = ""  # unit of the numbers; empty if there is none
    form: Form = "text"  # form in which values are written
    is_index: bool = False  # whether the column is part of the index
    is_shown: bool = True  # whether tables on the screen show the column; files and pages have every column
    note: str = ""  # what the column holds, for readers, if its head does not say all
    # Function from the object of a row to the value; by default the attribute with the column's name.
    of: Callable[[Any], Any] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def several(cls, form: Form, unit: str, *names: str) -> "tuple[FrameColumn, ...]":
        """Return columns of one form and unit."""
        return tuple(cls(name, unit=unit, form=form) for name in names)

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields without `of`, which cannot be sent to another process."""
        return {**vars(self), "of": None}

    def value_of(self, item: Any) -> Any:
        """Return the value of the column in the row of an object."""
        return getattr(item, self.name) if self.of is None else self.of(item)

    @property
    def head(self) -> str:
        """The label, or by default the name with spaces."""
        return self.label or self.name.replace("_", " ").capitalize()

    @property
    def name_with_unit(self) -> str:
        """The head in CSV files, such as ``gap [USD]``."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


class FrameRow(dict[str, Any]):
    """The values of a row by column; `item` is the object of the row, None if it is unknown."""

    item: Any = None


@dataclass(frozen=True)
class Frame:
    """A table: columns, and the values of each."""

    name: str  # name in code; most sheets of a workbook have it too
    title: str  # title for readers
    columns: tuple[FrameColumn, ...]  # columns of the index first
    values: tuple[Sequence[Any], ...] = field(repr=False)  # values by column, in the order of the rows
    note: str = ""  # note for readers on marks and units; columns may have their own
    # The object of each row; empty if unknown.
    items: Sequence[Any] = field(default=(), repr=False, compare=False)

    @classmethod
    def of_rows(
        cls, name: str, title: str, columns: Sequence[FrameColumn], rows: Iterable[Sequence[Any]], note: str = ""
    ) -> "Frame":
        """Return a frame of rows, each with a value for every column, in the order of the columns.

        Raises:
            ValueError: the number of values of a row differs from the number of columns.
        """
        some = list(rows)
        for row in some:
            if len(row) != len(columns):
                names = ", ".join(column.name for column in columns)
                raise ValueError(f"frame {name}: a row has {len(row)} values for {len(columns)} columns ({names})")
        values = tuple([row[j] for row in some] for j in range(len(columns)))
        return cls(name, title, tuple(columns), values, note)

    @classmethod
    def of_items(
        cls, name: str, title: str, items: Iterable[Any], columns: Sequence[FrameColumn], note: str = ""
    ) -> "Frame":
        """Return a frame with one row for each object, with values by `FrameColumn.of`."""
        some = list(items)
        values = tuple([column.value_of(item) for item in some] for column in columns)
        return cls(name, title, tuple(columns), values, note, some)

    @classmethod
    def stacked(cls, head: FrameColumn, frames: Iterable[tuple[Any, "Frame"]]) -> "Frame":
        """Stack one or more frames, with a first column that identifies the frame, and all their columns.

        Title and note are those of the first frame.
        """
        some = list(frames)
        columns = {column.name: column for _, frame in some for column in frame.columns}
        rows = [(name, *map(row.get, columns)) for name, frame in some for row in frame.rows()]
        first = some[0][1]
        return cls.of_rows(first.name, first.title, (head, *columns.values()), rows, first.note)

    @property
    def whole_note(self) -> str:
        """The note, then those of the columns, each a sentence that begins with the column's head."""
        return " ".join([self.note, *(f"{each.head}: {each.note}." for each in self.columns if each.note)]).lstrip()

    def __len__(self) -> int:
        return len(self.values[0]) if self.values else 0

    def __getitem__(self, name: str) -> Sequence[Any]:
        """Return the values of a column.

        Raises:
            KeyError: there is no column of that name.
        """
        return self.values[self._place(name)]

    def _place(self, name: str) -> int:
        names = [column.name for column in self.columns]
        if name not in names:
            raise KeyError(f"frame {self.name} has no column {name!r}; it has {', '.join(names)}")
        return names.index(name)

    def rows(self) -> Iterator[FrameRow]:
        """Yield each row, as a mapping by names of columns."""
        names = [column.name for column in self.columns]
        for i, values in enumerate(zip(*self.values, strict=True)):
            row = FrameRow(zip(names, values, strict=True))
            row.item = self.items[i] if self.items else None
            yield row

    def select(self, names: Collection[str]) -> "Frame":
        """Return the frame with the named columns only."""
        some = [j for j, column in enumerate(self.columns) if column.name in names]
        return replace(self, columns=tuple(self.columns[j] for j in some), values=tuple(self.values[j] for j in some))

    def without_empty(self, *names: str) -> "Frame":
        """Return the frame without those of the named columns that are empty in every row; a 0 is a value.

        Raises:
            KeyError: there is no column of that name.
        """
        empty = {name for name in names if all(value is None or value == "" for value in self[name])}
        return self.select({column.name for column in self.columns} - empty)

    def first(self, count: int) -> "Frame":
        """Return the frame with the first `count` rows only."""
        return replace(self, values=tuple(values[:count] for values in self.values), items=self.items[:count])

    def with_column(self, column: FrameColumn, values: Sequence[Any]) -> "Frame":
        """Return the frame with one more column at the end."""
        return replace(self, columns=(*self.columns, column), values=(*self.values, values))

    def to_pandas(self) -> "pd.DataFrame":
        """Return a pandas frame with an index and plain names; title, units, labels and forms are in ``attrs``."""
        import pandas as pd

        made = pd.DataFrame({c.name: v for c, v in zip(self.columns, self.values, strict=True)})
        made = _with_numbers(made, self.columns)
        index = [column.name for column in self.columns if column.is_index]
        made = made.set_index(index) if index else made
        made.attrs = {
            "title": self.title,
            "units": {column.name: column.unit for column in self.columns if column.unit},
            "labels": {column.name: column.head for column in self.columns},
            "forms": {column.name: column.form for column in self.columns},
        }
        return made


def _with_numbers(made: "pd.DataFrame", columns: Sequence[FrameColumn]) -> "pd.DataFrame":
    """Set the types that pandas cannot infer: of all columns without rows, and of number columns with only None."""
    numbers = {column.name for column in columns if column.form in NUMBER_FORMS}
    if made.empty:
        plain: dict[Form, type] = {"yes": bool, "year": int}
        return made.astype(
            {each.name: float if each.name in numbers else plain.get(each.form, str) for each in columns}
        )
    return made.astype({name: float for name in numbers if made[name].dtype == object})


class Frames:
    """The frames of a result by name: `frame("builds")` is a `Frame`, the attribute `builds` a pandas frame of it.

    Each frame is made on first access.

    Args:
        makers: functions that make the frames, by name.
        subject: arguments of these functions.
    """

    def __init__(self, makers: Mapping[str, Callable[..., Frame]], *subject: Any) -> None:
        self._makers, self._subject = makers, subject
        self._made: dict[str, Frame] = {}

    def frame(self, name: str) -> Frame:
        """Return the frame of a name, without pandas.

        Raises:
            KeyError: there is no frame of that name.
        """
        if name not in self._makers:
            raise KeyError(f"there is no frame {name!r}; there are {', '.join(self)}")
        if name not in self._made:
            self._made[name] = self._makers[name](*self._subject)
        return self._made[name]

    def __getattr__(self, name: str) -> "pd.DataFrame":
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._makers:
            raise AttributeError(f"there is no frame {name!r}; there are {', '.join(self)}")
        made = self.frame(name).to_pandas()
        self.__dict__[name] = made
        return made

    def __getstate__(self) -> dict[str, Frame]:
        """Return all frames, since the functions that make them cannot be sent to another process."""
        return {name: self.frame(name) for name in self}

    def __setstate__(self, made: dict[str, Frame]) -> None:
        self._makers, self._subject, self._made = {name: partial(made.__getitem__, name) for name in made}, (), made

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__["_makers"])

    def __dir__(self) -> list[str]:
        return [*self, "frame"]

    def __repr__(self) -> str:
        return f"<Frames {', '.join(self)}>"
