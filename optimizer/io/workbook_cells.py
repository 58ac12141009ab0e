"""An Excel workbook as lines of cells: formulas as what they last came to, notes, and what is wrong with a cell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

from optimizer.errors import Finding, InstanceError
from optimizer.instance.document import Document
from optimizer.io.sheets import SHEETS
from optimizer.io.workbook_package import Package, PackageError, Stored, reference
from optimizer.limits import CELL_LENGTH, CELLS, FINDINGS, WORKBOOK_BYTES
from optimizer.suggestions import excerpt, nearest
from optimizer.untrusted import HALF, character


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, its address such as ``processes!D5``, and its note."""

    value: Any
    at: str
    note: str


@dataclass(frozen=True)
class Line:
    """One row below the head: its number, its cells by column, those that hold nothing left out."""

    at: str
    row: int
    cells: Mapping[str, Cell]

    def text(self, column: str) -> str:
        """A cell that names something."""
        cell = self.cells.get(column)
        value = None if cell is None else cell.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return "" if value is None else str(value).strip()


@dataclass(frozen=True)
class Sheet:
    """The sheet of a name: the address of its first cell, and its rows."""

    name: str
    at: str
    lines: list[Line]


class Book:
    """The sheets of a workbook as lines; formulas as what they last came to."""

    def __init__(self, content: bytes, document: Document) -> None:
        self.document = document
        # What may still be read, of all sheets together: cells, and characters of text.
        self.cells, self.characters = CELLS, WORKBOOK_BYTES
        try:
            self.package = Package(content)
        except PackageError as error:
            raise self._unread(error) from None

    def sheets(self) -> Iterator[Sheet]:
        """Sheet by sheet, in the order that entries need: those that others belong to first.

        Raises:
            InstanceError: a sheet cannot be read, or is beyond a limit.
        """
        named: dict[str, Any] = {}
        for sheet in self.package.book.worksheets:
            name, first = sheet.title.strip().lower(), reference(sheet.title, 1, 1)
            if name.startswith("_"):
                continue
            if name in named:
                what = f'the sheets "{named[name].title}" and "{sheet.title}" have the same name, "{name}"'
                self._wrong(first, what, "Join the two, or put _ before the name of the one that is not to be read.")
            elif name in SHEETS:
                named[name] = sheet
            else:
                near = nearest(name, SHEETS)
                cure = f'Did you mean "{near}"?' if near else f"The sheets are {', '.join(SHEETS)}."
                self._wrong(first, f'"{sheet.title}" is no sheet of an instance', f"{cure} One with _ is your own.")
        for name in SHEETS:
            if name in named:
                yield Sheet(name, reference(named[name].title, 1, 1), self._lines(named[name]))

    def _lines(self, sheet: Any) -> list[Line]:
        try:
            rows, notes = self._rows(sheet), self.package.notes(sheet)
        except PackageError as error:
            raise self._unread(error) from None
        for row, at in notes:
            rows.setdefault(row, {}).setdefault(at, Stored(row, at, None, "n", is_formula=False))
        columns = self._columns(sheet.title, rows.pop(1, {}))
        found = []
        for row in sorted(rows):
            cells = self._cells(sheet.title, rows[row], columns, notes)
            if cells:
                found.append(Line(reference(sheet.title, row, 1), row, cells))
        return found

    def _cells(
        self, title: str, row: Mapping[int, Stored], columns: Mapping[int, str], notes: Mapping[tuple[int, int], str]
    ) -> dict[str, Cell]:
        """The cells of a row that hold something, by the heads of their columns."""
        cells = {}
        for stored in row.values():
            head = columns.get(stored.column)
            if head is not None and head.startswith("_"):
                continue
            at, note = reference(title, stored.row, stored.column), notes.get((stored.row, stored.column), "")
            value = self._value(stored, at)
            if value is None and not note:
                continue
            if head is None:
                self._wrong(at, "stands in a column without a head", "Name the column.")
            else:
                cells[head] = Cell(value, at, note)
        return cells

    def _rows(self, sheet: Any) -> dict[int, dict[int, Stored]]:
        """The cells that hold something, by row and column."""
        rows: dict[int, dict[int, Stored]] = {}
        for stored in self.package.cells(sheet):
            self.cells -= 1
            self.characters -= len(stored.value) if isinstance(stored.value, str) else 0
            if self.cells < 0 or self.characters < 0:
                most = f"{CELLS:,} cells" if self.cells < 0 else f"{WORKBOOK_BYTES:,} characters"
                raise PackageError(
                    f"sheet {sheet.title}: it stores more than {most}, with those that only have a format"
                )
            if stored.value is None and not stored.is_formula:
                continue
            row = rows.setdefault(stored.row, {})
            if stored.column in row:
                at = reference(sheet.title, stored.row, stored.column)
                self._wrong(at, "is stored twice", "Open the workbook in Excel and save it.")
            row[stored.column] = stored
        return rows

    def _columns(self, title: str, head: Mapping[int, Stored]) -> dict[int, str]:
        columns: dict[int, str] = {}
        for stored in head.values():
            at = reference(title, 1, stored.column)
            value = self._value(stored, at)
            if value is None:
                continue
            word = str(value).strip()
            if word in columns.values() and not word.startswith("_"):
                self._wrong(at, f'the column "{excerpt(word)}" stands twice', "Keep one of the two.")
                word = f"_{word}"
            columns[stored.column] = word
        return columns

    def _value(self, stored: Stored, at: str) -> Any:
        """What a cell holds; None where it is empty or cannot be used."""
        value = stored.value
        if value is None and stored.is_formula:
            cure = "Open the workbook in Excel and save it, or write the value."
            self._wrong(at, "holds a formula that was never worked out", cure)
        if isinstance(value, str) and stored.kind == "e":
            self._wrong(at, f"holds the error {excerpt(value)}", "Correct the formula, or write the value.")
            return None
        if isinstance(value, (datetime, date)):
            when = f"{value.year}, {value.year}Q{(value.month + 2) // 3} or {value.year}-{value.month:02d}"
            what, cure = "holds a date, where an instance has years and periods", "Format the cell as text, and write"
            self._wrong(at, what, f"{cure} {when}.")
            return None
        if isinstance(value, (time, timedelta)):
            self._wrong(at, "holds a time of day, where an instance has numbers", "Format the cell as a number.")
            return None
        if not isinstance(value, str):
            return value
        if len(value) > CELL_LENGTH:
            self._wrong(at, f"holds a text of {len(value):,} characters", f"Write {CELL_LENGTH:,} at most.")
            return None
        value = _unescape(value)
        half = HALF.search(value)
        if half is not None:
            self._wrong(at, f"holds {character(half[0])}", "Write the text again.")
            return None
        return value if value.strip() else None

    def _unread(self, error: PackageError) -> InstanceError:
        cure = "Save it as an Excel workbook (.xlsx)."
        what = f"cannot be read as a workbook: {error}"
        return InstanceError([*self.document.findings, Finding(self.document.file, None, "", what, cure)])

    def _wrong(self, at: str, what: str, cure: str) -> None:
        self.document.findings.append(Finding(self.document.file, None, "", what, cure, cell=at))
        if len(self.document.findings) > FINDINGS:
            raise InstanceError(self.document.findings)


@cache
def _unescape(text: str) -> str:
    from openpyxl.utils.escape import unescape

    plain: str = unescape(text)
    return plain
