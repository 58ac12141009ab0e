"""An Excel workbook as lines of cells: formulas as what they last came to, notes, and what is wrong with a cell."""

import difflib
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from optimizer.errors import Finding, InstanceError
from optimizer.instance.document import Document
from optimizer.instance.sheets import SHEETS


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, its address such as ``processes!D5``, and its note."""

    value: Any
    at: str
    note: str


@dataclass(frozen=True)
class Line:
    """One row below the head: its cells by column, those that hold nothing left out."""

    at: str
    cells: Mapping[str, Cell]

    def text(self, column: str) -> str:
        """A cell that names something."""
        cell = self.cells.get(column)
        value = None if cell is None else cell.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return "" if value is None else str(value).strip()


class Book:
    """The sheets of a workbook as lines; formulas as what they last came to."""

    def __init__(self, content: bytes, document: Document) -> None:
        import openpyxl

        self.document = document
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.book = openpyxl.load_workbook(io.BytesIO(content))
                self.worth = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
            except Exception as error:
                cure = "Save it as an Excel workbook (.xlsx)."
                what = f"cannot be read as a workbook: {type(error).__name__}: {error}"
                raise InstanceError([Finding(document.file, None, "", what, cure)]) from None

    def lines(self) -> Iterator[tuple[str, list[Line]]]:
        """Sheet by sheet, in the order that entries need: those that others belong to first."""
        found = {}
        for sheet in self.book.worksheets:
            name = sheet.title.strip().lower()
            if name.startswith("_"):
                continue
            if name in SHEETS:
                found[name] = self._lines(sheet, name)
                continue
            near = difflib.get_close_matches(name, SHEETS, n=1)
            cure = f'Did you mean "{near[0]}"?' if near else f"The sheets are {', '.join(SHEETS)}."
            self._wrong(sheet.title, f'"{sheet.title}" is no sheet of an instance', f"{cure} One with _ is your own.")
        for name in SHEETS:
            if name in found:
                yield name, found[name]

    def _lines(self, sheet: Any, name: str) -> list[Line]:
        worth = self.worth[sheet.title]
        rows = list(sheet.iter_rows())
        columns = self._columns(rows[0], name) if rows else {}
        found = []
        for row in rows[1:]:
            cells = {}
            for cell in row:
                value = self._value(cell, worth, name)
                note = cell.comment.text.strip() if cell.comment and cell.comment.text else ""
                if value is None and not note:
                    continue
                column = columns.get(cell.column)
                if column is None:
                    self._wrong(f"{name}!{cell.coordinate}", "stands in a column without a head", "Name the column.")
                elif not column.startswith("_"):
                    cells[column] = Cell(value, f"{name}!{cell.coordinate}", note)
            if cells:
                found.append(Line(f"{name}!A{row[0].row}", cells))
        return found

    def _columns(self, head: Any, name: str) -> dict[int, str]:
        columns: dict[int, str] = {}
        for cell in head:
            word = self._value(cell, self.worth[cell.parent.title], name)
            if word is None:
                continue
            word = str(word).strip()
            if word in columns.values() and not word.startswith("_"):
                self._wrong(f"{name}!{cell.coordinate}", f'the column "{word}" stands twice', "Keep one of the two.")
                word = f"_{word}"
            columns[cell.column] = word
        return columns

    def _value(self, cell: Any, worth: Any, name: str) -> Any:
        """What a cell holds; None where it is empty or cannot be used."""
        from openpyxl.utils.escape import unescape

        at, value = f"{name}!{cell.coordinate}", cell.value
        if cell.data_type == "f":
            value = worth[cell.coordinate].value
            if value is None:
                cure = "Open the workbook in Excel and save it, or write the value."
                self._wrong(at, "holds a formula that was never worked out", cure)
        if isinstance(value, str) and (cell.data_type == "e" or worth[cell.coordinate].data_type == "e"):
            self._wrong(at, f"holds the error {value}", "Correct the formula, or write the value.")
            return None
        if isinstance(value, (datetime, date, time, timedelta)):
            cure = "Format the cell as text, and write the period again: 2027, 2027Q3 or 2027-07."
            self._wrong(at, "holds a date, where an instance has periods", cure)
            return None
        if isinstance(value, str):
            value = unescape(value)
            return value if value.strip() else None
        return value

    def _wrong(self, at: str, what: str, cure: str) -> None:
        self.document.findings.append(Finding(self.document.file, None, "", what, cure, cell=at))
