"""Reading of an Excel workbook as lines of cells, with the last results of formulas, notes, and findings about cells.

An .xlsx file is a zip archive of XML files, whose size is checked before anything is unpacked. openpyxl would create a
cell for every place between two stored ones, in a merged range, or under a link. Therefore only its cell parser is
used, which yields stored cells alone.
"""

import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from functools import cache
from itertools import groupby
from typing import Any

from optimizer.errors import SURROGATE, Finding, InstanceError, Place, character, did_you_mean, excerpt, require_extra
from optimizer.instance.document import NAME_INSTANCE, Document, limit_findings
from optimizer.io.excel_layout import ABOUT, COMMENT, INSTANCE, SHEETS
from optimizer.tolerances import (
    CELL_LENGTH,
    MOST_CELLS,
    MOST_FINDINGS,
    NUMBER_LENGTH,
    WORKBOOK_BYTES,
    WORKBOOK_PARTS,
    WORKBOOK_TAGS,
)

_ROWS, _COLUMNS = 1_048_576, 16_384
_HEADER = b"PK\x01\x02"
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 2**20
_TRUE = ("1", "true")
# Most hidden rows or columns, or runs of them, that a warning lists.
_MOST_SPANS = 6
# A document type can define entities that expand when read; the prefix is listed in every encoding that is accepted.
_TYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))


class PackageError(Exception):
    """A workbook cannot be read; the message says why."""


@dataclass(frozen=True)
class Stored:
    """A stored cell: its value or last result, its type code in openpyxl, and whether it has a formula."""

    row: int
    column: int
    value: Any
    kind: str
    is_formula: bool


@dataclass
class SheetMarks:
    """What a sheet says of its cells: the merged ranges, and the numbers of hidden rows and columns."""

    merged: list[str] = field(default_factory=list)
    rows: set[int] = field(default_factory=set)
    columns: set[int] = field(default_factory=set)

    def add_hidden_row(self, number: int, row: Any) -> None:
        """Add the number of a row if it is hidden: by hand, by a filter, or in a group that is folded."""
        self.rows |= {number} if row.get("hidden") in _TRUE else set()

    def add_hidden_columns(self, columns: Any) -> None:
        """Add the numbers of columns that have a format in common, if they are hidden."""
        if columns.get("hidden") in _TRUE:
            self.columns |= {*range(int(columns.get("min")), min(int(columns.get("max")), _COLUMNS) + 1)}


class Package:
    """The sheets of a workbook.

    Raises:
        PackageError: the content is no workbook, or exceeds a limit.
    """

    def __init__(self, content: bytes) -> None:
        require_extra("excel", "An Excel workbook")
        import openpyxl

        if content.count(_HEADER) > WORKBOOK_PARTS:
            raise PackageError(f"it holds more than {WORKBOOK_PARTS:,} files")
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                _check_archive(archive)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        except PackageError:
            raise
        except Exception as error:
            raise _unreadable(error) from None

    def cells(self, sheet: Any, marks: SheetMarks) -> Iterator[Stored]:
        """Yield the stored cells of a sheet, including formatted empty ones; `marks` gets what it says of them."""
        try:
            with warnings.catch_warnings(), self.book._archive.open(sheet._worksheet_path) as source:
                warnings.simplefilter("ignore")
                yield from _parser(source, sheet, marks)
        except PackageError:
            raise
        except Exception as error:
            raise _unreadable(error, sheet.title) from None

    def notes(self, sheet: Any) -> Mapping[tuple[int, int], str]:
        """Return the notes of a sheet, by row and column."""
        from openpyxl.comments.comment_sheet import CommentSheet
        from openpyxl.packaging.relationship import get_dependents, get_rels_path
        from openpyxl.utils import coordinate_to_tuple
        from openpyxl.xml.constants import COMMENTS_NS
        from openpyxl.xml.functions import fromstring

        archive, found = self.book._archive, {}
        path = get_rels_path(sheet._worksheet_path)
        try:
            for part in get_dependents(archive, path).find(COMMENTS_NS) if path in archive.namelist() else ():
                for at, comment in CommentSheet.from_tree(fromstring(archive.read(part.target))).comments:
                    found[coordinate_to_tuple(at)] = (comment.text or "").strip()
        except Exception as error:
            raise _unreadable(error, sheet.title) from None
        return {at: text for at, text in found.items() if text}


def _unreadable(error: Exception, sheet: str = "") -> PackageError:
    text = str(error).splitlines()[0] if str(error) else ""
    return PackageError(f"{f'sheet {sheet}: ' if sheet else ''}{type(error).__name__}: {text[:200]}")


def _check_archive(archive: zipfile.ZipFile) -> None:
    """Raise an error if an archive is not as spreadsheet programs write it, or too large to unpack."""
    parts = archive.infolist()
    ((name, count),) = Counter(part.filename for part in parts).most_common(1) or [("", 0)]
    for is_wrong, what in (
        (count > 1, f"it holds the file {name[:100]} twice"),
        (any(part.flag_bits & 1 for part in parts), "it is locked with a password"),
        (any(part.compress_type not in _PACKED for part in parts), "it is packed in a way that workbooks are not"),
        (sum(part.file_size for part in parts) > WORKBOOK_BYTES,
         f"unpacked it is larger than {WORKBOOK_BYTES / 2**20:,.0f} MB"),
    ):  # fmt: skip
        if is_wrong:
            raise PackageError(what)
    tags = 0
    for part in parts:
        tags += _count_tags(archive, part, WORKBOOK_TAGS - tags)


def _count_tags(archive: zipfile.ZipFile, part: zipfile.ZipInfo, most: int) -> int:
    """Return the number of XML tags of one file; raise an error if it exceeds `most`, or for a document type."""
    tags, before = 0, b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            tags += chunk.count(b"<")
            if tags > most:
                raise PackageError(f"it holds more than {WORKBOOK_TAGS:,} XML tags")
            if any(kind in before + chunk for kind in _TYPES):
                raise PackageError(f"{part.filename[:100]} has a document type, which no spreadsheet program writes")
            before = chunk[-32:]
    return tags


def _parser(source: Any, sheet: Any, marks: SheetMarks) -> Iterator[Stored]:
    from openpyxl.worksheet._reader import COL_TAG, FORMULA_TAG, MERGE_TAG, ROW_TAG, VALUE_TAG, WorkSheetParser
    from openpyxl.xml.functions import iterparse

    book = sheet.parent
    reader = WorkSheetParser(
        source, sheet._shared_strings, data_only=True, epoch=book.epoch,
        date_formats=book._date_formats, timedelta_formats=book._timedelta_formats,
    )  # fmt: skip
    for _, row in iterparse(source):
        if row.tag == MERGE_TAG:
            marks.merged += [each.get("ref", "") for each in row]
        if row.tag == COL_TAG:
            marks.add_hidden_columns(row)
        if row.tag != ROW_TAG:
            continue
        formulas = [cell.find(FORMULA_TAG) is not None for cell in row]
        _mark_long_numbers(row, VALUE_TAG)
        number, cells = reader.parse_row(row)
        marks.add_hidden_row(number, row)
        for cell, is_formula in zip(cells, formulas, strict=True):
            if not (1 <= cell["row"] <= _ROWS and 1 <= cell["column"] <= _COLUMNS):
                raise PackageError(f"sheet {sheet.title}: a cell in row {cell['row']:,} is outside of every sheet")
            yield Stored(cell["row"], cell["column"], cell["value"], cell["data_type"], is_formula)
        row.clear()


def _mark_long_numbers(row: Any, value_tag: str) -> None:
    """Mark numbers with too many digits as text, so that the error is reported at their cell."""
    for cell in row:
        if cell.get("t", "n") == "n" and len(cell.findtext(value_tag, "")) > NUMBER_LENGTH:
            cell.set("t", "str")


def reference(title: str, row: int, column: int) -> str:
    """Return the address of a cell, such as ``processes!D7``."""
    from openpyxl.utils import get_column_letter

    quoted = title if re.fullmatch(r"\w[\w.]*", title) else "'" + title.replace("'", "''") + "'"
    return f"{quoted}!{get_column_letter(column)}{row}"


@dataclass(frozen=True)
class SheetCell:
    """The value of a cell, its address such as ``processes!D5``, and its note."""

    value: Any
    at: str
    note: str


@dataclass(frozen=True)
class SheetLine:
    """One row below the head: the address of its first cell, its number, and its non-empty cells by column."""

    at: str
    row: int
    cells: Mapping[str, SheetCell]

    def text(self, column: str) -> str:
        """Return the content of a cell as text, such as a name; empty if there is none."""
        cell = self.cells.get(column)
        value = None if cell is None else cell.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        return "" if value is None else str(value).strip()

    @property
    def comment(self) -> str:
        """The comment on the row, or empty."""
        cell = self.cells.get(COMMENT)
        return "" if cell is None or cell.value is None else str(cell.value)


@dataclass(frozen=True)
class InputSheet:
    """A sheet: its name, the address of its first cell, and its rows."""

    name: str
    at: str
    lines: list[SheetLine]
    heads: Mapping[str, str]  # the letter of each column

    def cell(self, line: SheetLine, column: str) -> str:
        """Return the address of a cell, filled or empty; that of the row if the sheet has no such column."""
        letter = self.heads.get(column)
        return line.at if letter is None else f"{self.at.removesuffix('A1')}{letter}{line.row}"


class Workbook:
    """The sheets of a workbook as lines, with the last results of formulas."""

    def __init__(self, content: bytes, document: Document) -> None:
        self.document = document
        # The numbers of cells and characters that may still be read, over all sheets.
        self.cells, self.characters = MOST_CELLS, WORKBOOK_BYTES
        try:
            self.package = Package(content)
        except PackageError as error:
            raise self._unreadable(error) from None

    def sheets(self) -> Iterator[InputSheet]:
        """Yield the sheets in the order of `SHEETS`, in which a sheet precedes those whose rows refer to it.

        Raises:
            InstanceError: a sheet cannot be read, or exceeds a limit.
        """
        named: dict[str, Any] = {}
        titles = {sheet.title.strip().lower() for sheet in self.package.book.worksheets}
        if "answer" in titles and INSTANCE not in titles:
            what = "is the workbook of a plan, not of an instance"
            raise InstanceError([Finding(self.document.file, None, "", what, NAME_INSTANCE)])
        for sheet in self.package.book.worksheets:
            name, first = sheet.title.strip().lower(), reference(sheet.title, 1, 1)
            if name.startswith("_"):
                continue
            if name in named:
                what = f'the sheets "{named[name].title}" and "{sheet.title}" have the same name, "{name}"'
                self._report(first, what, "Join the two, or put _ before the name of the one that is not to be read.")
            elif name in SHEETS:
                named[name] = sheet
            else:
                cure = did_you_mean(name, SHEETS, f"The sheets are {', '.join(SHEETS)}.")
                cure += " A sheet whose name begins with _ is not read."
                self._report(first, f'"{sheet.title}" is no sheet of an instance', cure)
        for name in SHEETS:
            if name in named:
                at, lines = reference(named[name].title, 1, 1), self._lines(named[name])
                yield InputSheet(name, at, lines, self.document.heads[at.removesuffix("!A1")])

    def _lines(self, sheet: Any) -> list[SheetLine]:
        marks = SheetMarks()
        try:
            rows, notes = self._rows(sheet, marks), self.package.notes(sheet)
        except PackageError as error:
            raise self._unreadable(error) from None
        for row, at in notes:
            rows.setdefault(row, {}).setdefault(at, Stored(row, at, None, "n", is_formula=False))
        columns = self._columns(sheet.title, rows.pop(self._row_of_heads(sheet.title, rows), {}))
        self._refuse_merged(sheet.title, marks.merged, columns)
        first = reference(sheet.title, 1, 1).removesuffix("A1")
        self.document.heads[first[:-1]] = {
            head: reference(sheet.title, 1, column)[len(first) : -1] for column, head in columns.items()
        }
        found = []
        for row in sorted(rows):
            cells = self._cells(sheet.title, rows[row], columns, notes)
            if cells:
                found.append(SheetLine(reference(sheet.title, row, 1), row, cells))
        self._warn_of_hidden(sheet, marks, found, columns)
        return found

    def _warn_of_hidden(
        self, sheet: Any, marks: SheetMarks, lines: Sequence[SheetLine], columns: Mapping[int, str]
    ) -> None:
        """Warn of hidden rows and columns with values, or of a hidden sheet: they are read like the others."""
        from openpyxl.utils import get_column_letter

        used = {line.row: {*line.cells} - {COMMENT, ABOUT} for line in lines}
        rows = [row for row in sorted(marks.rows) if used.get(row)]
        filled = set().union(*used.values())
        hidden = [column for column in sorted(marks.columns) if columns.get(column) in filled]
        if filled and sheet.sheet_state != "visible":
            self._warn(sheet, "the sheet is", "Write _ before its name if it is not to count, or unhide it.")
        if rows:
            cure = "Delete what is not to count, and unhide the others."
            self._warn(sheet, _spans("row", rows, str), cure, row=rows[0])
        if hidden:
            cure = "Write _ before the head of what is not to count, and unhide the others."
            self._warn(sheet, _spans("column", hidden, get_column_letter), cure, column=hidden[0])

    def _warn(self, sheet: Any, which: str, cure: str, row: int = 1, column: int = 1) -> None:
        """Warn of hidden parts of a sheet; `which` ends with its verb."""
        at, what = reference(sheet.title, row, column), f"{which} hidden, and read like the others"
        self.document.warnings.append(Finding(self.document.file, None, "", what, cure, "warning", at))

    def _row_of_heads(self, title: str, rows: dict[int, dict[int, Stored]]) -> int:
        """Return the row of the heads, row 1; a title above them is reported and left out."""
        first, several = rows.get(1, {}), [row for row in sorted(rows) if len(rows[row]) > 1]
        if len(first) > 1 or not several or not all(isinstance(each.value, str) for each in rows[several[0]].values()):
            return 1
        what, cure = f"is above the heads, which stand in row {several[0]}", "Delete the rows above the heads."
        self._report(reference(title, 1, 1), what, cure)
        for row in range(1, several[0]):
            rows.pop(row, None)
        return several[0]

    def _cells(
        self, title: str, row: Mapping[int, Stored], columns: dict[int, str], notes: Mapping[tuple[int, int], str]
    ) -> dict[str, SheetCell]:
        """Return the cells of a row that have a value or note, by the heads of their columns.

        The first cell in a column without a head is reported; then the column counts as one that is not read.
        """
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
                self._report(at, "stands in a column without a head", "Name the column.")
                columns[stored.column] = "_"
            else:
                cells[head] = SheetCell(value, at, note)
        return cells

    def _refuse_merged(self, title: str, merged: Iterable[str], columns: dict[int, str]) -> None:
        """Report merged ranges in columns that are read, since all of their cells but the first are blank.

        A column whose head is lost in one counts as one that is not read.
        """
        from openpyxl.utils import range_boundaries

        for each in merged:
            first, row, last, _ = range_boundaries(each)
            if any(not columns.get(column, "_").startswith("_") for column in range(first, last + 1)):
                what = f"{each} is merged: only its first cell has a value, the others are blank"
                self._report(reference(title, row, first), what, "Unmerge it, and write the value into each cell.")
                columns |= dict.fromkeys(range(first, last + 1), "_") | columns if row == 1 else {}

    def _rows(self, sheet: Any, marks: SheetMarks) -> dict[int, dict[int, Stored]]:
        """Return the cells with a value or formula, by row and column; what is said of them is added to `marks`."""
        rows: dict[int, dict[int, Stored]] = {}
        for stored in self.package.cells(sheet, marks):
            self.cells -= 1
            self.characters -= len(stored.value) if isinstance(stored.value, str) else 0
            if self.cells < 0 or self.characters < 0:
                most = f"{MOST_CELLS:,} cells" if self.cells < 0 else f"{WORKBOOK_BYTES:,} characters"
                what = f"it stores more than {most}, with those that only have a format"
                raise PackageError(f"sheet {sheet.title}: {what}")
            if stored.value is None and not stored.is_formula:
                continue
            row = rows.setdefault(stored.row, {})
            if stored.column in row:
                at = reference(sheet.title, stored.row, stored.column)
                self._report(at, "is stored twice", "Open the workbook in Excel and save it.")
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
                self._report(at, f'the column "{excerpt(word)}" is given twice', "Keep one of the two.")
                word = f"_{word}"
            columns[stored.column] = word
        return columns

    def _value(self, stored: Stored, at: str) -> Any:
        """Return the value of a cell; None if it is empty, or unusable and reported."""
        value = stored.value
        if value is None and stored.is_formula:
            cure = "Open the workbook in Excel and save it, or write the value."
            self._report(at, "holds a formula without a result", cure)
        if isinstance(value, (date, time, timedelta)):
            self._report(at, *_describe_time(value))
            return None
        if not isinstance(value, str):
            return value
        if stored.kind == "e":
            self._report(at, f"holds the error {excerpt(value)}", "Correct the formula, or write the value.")
            return None
        if len(value) > CELL_LENGTH:
            self._report(at, f"holds a text of {len(value):,} characters", f"Write {CELL_LENGTH:,} at most.")
            return None
        value = _unescape(value)
        half = SURROGATE.search(value)
        if half is not None:
            self._report(at, f"holds {character(half[0])}", "Write the text again.")
            return None
        return value if value.strip() else None

    def _unreadable(self, error: PackageError) -> InstanceError:
        cure = "Save it as an Excel workbook (.xlsx)."
        what = f"cannot be read as a workbook: {error}"
        return InstanceError([*self.document.findings, Finding(self.document.file, None, "", what, cure)])

    def _report(self, at: str, what: str, cure: str) -> None:
        add_finding(self.document, (), at, what, cure)


def add_finding(document: Document, place: Place, at: str, what: str, cure: str) -> None:
    """Add a finding about a cell.

    Raises:
        InstanceError: there are more findings than are listed.
    """
    document.findings.append(Finding(document.file, None, ".".join(map(excerpt, place)), what, cure, cell=at))
    if len(document.findings) > MOST_FINDINGS:
        raise InstanceError(limit_findings(document.findings))


def _spans(noun: str, numbers: Sequence[int], name: Callable[[int], str]) -> str:
    """Return sorted numbers by their names, with their verb: ``rows 3, 5 to 9 are``; of many spans the first."""
    groups = groupby(enumerate(numbers), key=lambda each: each[1] - each[0])
    runs = [[number for _, number in group] for _, group in groups]
    texts = [f"{name(run[0])} to {name(run[-1])}" if len(run) > 1 else name(run[0]) for run in runs]
    more = f" and {len(texts) - _MOST_SPANS} more" if len(texts) > _MOST_SPANS else ""
    return (
        f"{noun}{'s' * (len(numbers) > 1)} {', '.join(texts[:_MOST_SPANS])}{more} {'are' if len(numbers) > 1 else 'is'}"
    )


def _describe_time(value: date | time | timedelta) -> tuple[str, str]:
    """Return the problem and the cure of a date or time in a cell."""
    if not isinstance(value, date):
        return "holds a time of day, where an instance has numbers", "Format the cell as a number."
    when = f"{value.year}, {value.year}Q{(value.month + 2) // 3} or {value.year}-{value.month:02d}"
    return "holds a date, where an instance has years and periods", f"Format the cell as text, and write {when}."


@cache
def _unescape(text: str) -> str:
    from openpyxl.utils.escape import unescape

    plain: str = unescape(text)
    return plain
