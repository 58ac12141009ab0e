"""An Excel workbook as plain data in which every value still knows its cell; `excel_layout` says what stands where."""

from collections.abc import Iterator, Mapping
from typing import Any

from optimizer.errors import Finding, InstanceError, Place
from optimizer.files import character
from optimizer.instance.document import Document
from optimizer.instance.schema import Instance
from optimizer.instance.text import Allowance, TextError
from optimizer.io.excel_cells import InputSheet, SheetCell, SheetLine, Workbook
from optimizer.io.excel_layout import ABOUT, COMMENT, COMMENTS, INSTANCE, ITEM, KEY, LAYOUTS, SheetLayout, from_cell
from optimizer.io.yaml_text import Comment, value_at
from optimizer.limits import FINDINGS
from optimizer.suggestions import CONTROL, did_you_mean, excerpt

# Empty lines between those of a header, at most.
_MOST_EMPTY = 100
_ORDER = list(Instance.model_fields)
# Sheets whose first key may be any option or name, not only one that is a row of another sheet.
_FREE_KEYS = ("force", "scenarios")


def parse_workbook(content: bytes, file: str) -> tuple[Document, tuple[Comment, ...]]:
    """The data of a workbook, with findings about its sheets, and its comments.

    Raises:
        InstanceError: the content is no workbook.
    """
    reader = _Reader(Document(file, {}))
    document = reader.document
    for sheet in Workbook(content, document).sheets():
        document.cells.setdefault((), sheet.at)
        if sheet.name == COMMENTS:
            reader.read_comments(sheet.lines)
        elif sheet.name == INSTANCE:
            document.cells[()] = sheet.at
            reader.read_instance(sheet.lines)
        else:
            reader.read_table(next(each for each in LAYOUTS if each.sheet == sheet.name), sheet)
    document.data = dict(sorted(document.data.items(), key=lambda item: _rank(item[0])))
    comments = (Comment(each.place, value_at(document.data, each.place), each.text) for each in reader.comments)
    return document, tuple(comments)


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.comments: list[Comment] = []
        self.allowance = Allowance()

    def read_comments(self, lines: list[SheetLine]) -> None:
        """The sheet of comments: those about nothing in particular are the file's header."""
        header = [line for line in lines if not line.text(ABOUT)]
        self._comment((), "\n".join(_with_empty_lines(header)))
        for line in lines:
            if line.text(ABOUT):
                self._comment(tuple(line.text(ABOUT).split(".")), line.comment)

    def read_instance(self, lines: list[SheetLine]) -> None:
        """The sheet of single values."""
        for line in lines:
            key = line.text("key")
            if not key:
                if set(line.cells) != {COMMENT}:
                    self._report((), line.at, "a value without a key", "Name it in the column key.")
                continue
            place: Place = tuple(key.split("."))
            self._locate(place, line.at)
            cell = line.cells.get("value")
            if cell is not None and cell.value is not None:
                self._put((), key, cell)
                self._comment(place, cell.note)
            self._comment(place, line.comment)
            self._refuse_columns(place, line.cells, ("key", "value", COMMENT))

    def read_table(self, layout: SheetLayout, sheet: InputSheet) -> None:
        """A sheet with a row an entry."""
        self.document.cells.setdefault(layout.path[:1], sheet.at)
        for line in sheet.lines:
            values = {column: cell for column, cell in line.cells.items() if column not in (*layout.keys, COMMENT)}
            if not values and not any(map(line.text, layout.keys)):
                self._comment(layout.path[:1], line.comment)
                continue
            place = self._place(layout, line)
            if place is not None:
                self._read_row(layout, line, place, values)

    def _read_row(self, layout: SheetLayout, line: SheetLine, place: Place, values: Mapping[str, SheetCell]) -> None:
        named = line.cells.get(layout.keys[-1]) if layout.path[-1] == KEY else None
        self._locate(place, named.at if named else line.at, depth=2)
        notes = (line.cells[key].note for key in layout.keys if key in line.cells)
        self._comment(place, "\n".join(text for text in (line.comment, *notes) if text))
        if layout.value:
            self._read_value(layout, place, values)
        else:
            self._read_fields(place, values)

    def _read_fields(self, place: Place, values: Mapping[str, SheetCell]) -> None:
        """A row with a column a field."""
        for column, cell in values.items():
            if cell.value is not None:
                self._put(place, column, cell)
            self._comment((*place, *column.split(".")), cell.note)

    def _read_value(self, layout: SheetLayout, place: Place, values: Mapping[str, SheetCell]) -> None:
        """A row that is one value."""
        self._refuse_columns(place, values, (layout.value,))
        if len(place) < len(layout.path):
            return
        cell = values.get(layout.value)
        holder = _mapping_at(self.document.data, place[:-1])
        holder[str(place[-1])] = None if cell is None else self._value(place, layout.value, cell)
        if cell is not None:
            self._locate(place, cell.at, depth=2)
            self._comment(place, cell.note)

    def _place(self, layout: SheetLayout, line: SheetLine) -> Place | None:
        """The place of a row in the instance, where its entry is created; None where the row is wrong."""
        place: Place = ()
        keys = iter(layout.keys)
        for depth, part in enumerate(layout.path):
            if part == ITEM:
                items = _mapping_at(self.document.data, place[:-1]).setdefault(str(place[-1]), [])
                items.append({})
                return (*place, len(items) - 1)
            if part != KEY:
                place = (*place, part)
                continue
            column, is_last = next(keys), depth == len(layout.path) - 1
            name = line.text(column)
            if not name and is_last and _has_no_overrides(layout, line):
                break
            if self._is_wrong(layout, line, (*place, name), column, is_last=is_last):
                return None
            place = (*place, name)
        if not layout.value or len(place) < len(layout.path):
            _mapping_at(self.document.data, place)
        return place

    def _is_wrong(self, layout: SheetLayout, line: SheetLine, place: Place, column: str, *, is_last: bool) -> bool:
        """Whether a row's key is missing, is given twice, or belongs to no row of another sheet; that is reported."""
        name = str(place[-1])
        if not name:
            self._report(place[:-1], line.at, f"{column} is missing", f"Name it in the column {column}.")
            return True
        at, sign = line.cells[column].at, CONTROL.search(name)
        known = _value_at(self.document.data, place[:-1])
        known = known if isinstance(known, dict) else {}
        if sign is not None:
            self._report(place, at, f"holds {character(sign[0])}", "Remove it from the name.")
        elif is_last and name in known:
            first = self.document.cells.get(place, "").rpartition("!")[2]
            cure = "Keep one of the two, or give the second another name."
            self._report(place, at, f'"{name}" is given twice (first in {first})', cure)
        elif not is_last and layout.sheet not in _FREE_KEYS and name not in known:
            cure = did_you_mean(name, known, f"Name one of the {place[-2]}.")
            sheet = next(each.sheet for each in LAYOUTS if each.path == layout.path[: len(place)])
            self._report(place, at, f'"{name}" is no row of the sheet {sheet}', cure)
        else:
            return False
        return True

    def _put(self, place: Place, column: str, cell: SheetCell) -> None:
        """Put a value into the field that its column names."""
        parts = column.split(".")
        within, holder = (*place, *parts), _value_at(self.document.data, place)
        for part in parts[:-1]:
            holder = holder.setdefault(part, {}) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or parts[-1] in holder:
            what = f"{parts[0]} is given as one value, and by year or field as well"
            self._report(within, cell.at, what, "Keep one of the two.")
            return
        self._locate(within, cell.at, depth=len(place) + 1)
        holder[parts[-1]] = self._value(within, column, cell)

    def _value(self, place: Place, column: str, cell: SheetCell) -> Any:
        try:
            value, wrong = from_cell(column, cell.value, self.document.file, self.allowance)
        except TextError as error:
            self._report(place, cell.at, error.what, error.cure)
            raise InstanceError(self.document.findings) from None
        except InstanceError as error:
            value, wrong = None, [(finding.what, finding.cure) for finding in error.findings]
        for what, cure in wrong:
            self._report(place, cell.at, what, cure)
        return value

    def _refuse_columns(self, place: Place, cells: Mapping[str, SheetCell], known: tuple[str, ...]) -> None:
        for column in set(cells) - set(known):
            self._report(place, cells[column].at, f'"{column}" is no column of this sheet', "Remove it.")

    def _report(self, place: Place, at: str, what: str, cure: str) -> None:
        """Add a finding about a cell."""
        where = ".".join(map(excerpt, place))
        self.document.findings.append(Finding(self.document.file, None, where, what, cure, cell=at))
        if len(self.document.findings) > FINDINGS:
            raise InstanceError(self.document.findings)

    def _locate(self, place: Place, at: str, depth: int = 1) -> None:
        """Note the cell of a place; also of the places around it, from a depth on, that have none of their own."""
        self.document.cells[place] = at
        for length in range(depth, len(place)):
            self.document.cells.setdefault(place[:length], at)

    def _comment(self, place: Place, text: str) -> None:
        """Add a comment where there is a text."""
        if text.strip():
            self.comments.append(Comment(place, None, text))


def _has_no_overrides(layout: SheetLayout, line: SheetLine) -> bool:
    """Whether a row is a scenario without overrides, or a branch that sets nothing."""
    return layout.sheet in ("scenarios", "branch_sets") and layout.value not in line.cells


def _with_empty_lines(lines: list[SheetLine]) -> Iterator[str]:
    """The comments of lines, with the empty lines between them by the numbers of their rows."""
    before = None
    for line in lines:
        yield from [""] * (0 if before is None else min(line.row - before - 1, _MOST_EMPTY))
        yield line.comment
        before = line.row


def _rank(key: str) -> int:
    """The position of a key at the top of a file."""
    return _ORDER.index(key) if key in _ORDER else _ORDER.index("horizon")


def _value_at(data: Any, place: Place) -> Any:
    for part in place:
        data = data.get(part) if isinstance(data, dict) else data[part] if isinstance(part, int) else None
    return data


def _mapping_at(data: dict[str, Any], place: Place) -> dict[str, Any]:
    """The mapping at a place; it and those around it are created where they are missing."""
    for part in place:
        data = data.setdefault(str(part), {})
    return data
