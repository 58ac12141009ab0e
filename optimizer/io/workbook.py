"""Conversion of an instance to an Excel workbook, and of a workbook to plain data with the cell of every value.

`excel_layout` defines the sheets and columns. xlsxwriter writes and openpyxl reads: xlsxwriter cannot read, and
openpyxl takes 2.6 times as long to write (1.2 s instead of 0.45 s for 48,000 cells with styles and notes) and gives
charts no alternative text for screen readers.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from optimizer.disruptions.adversary import AdversarySpec
from optimizer.errors import (
    CONTROL,
    InstanceError,
    OptimizerError,
    Place,
    character,
    did_you_mean,
    excerpt,
    list_known,
    nearest,
    require_extra,
)
from optimizer.files import starts_formula
from optimizer.horizon import Horizon
from optimizer.instance.document import Document, get_value
from optimizer.instance.schema import Instance, Policy
from optimizer.instance.text import Allowance, TextError
from optimizer.io.excel_cells import InputSheet, SheetCell, SheetLine, Workbook, add_finding
from optimizer.io.excel_layout import (
    ABOUT,
    COMMENT,
    COMMENTS,
    INSTANCE,
    ITEM,
    KEY,
    LAYOUTS,
    LayoutRow,
    SheetLayout,
    from_cell,
    place_comments,
    rows_of,
    rows_of_rest,
    to_cell,
)
from optimizer.io.json_schema import describe_model
from optimizer.io.yaml_text import Comment, dump_flow, value_at
from optimizer.levers import KINDS, known_kinds
from optimizer.tolerances import CELL_LENGTH

# Maximum number of consecutive empty lines in a header.
_MOST_EMPTY = 100
_ROWS_WITH_KINDS = 999  # rows of the sheet `options`, filled or empty, in which Excel offers a list of kinds
_ORDER = list(Instance.model_fields)
# Sheets whose first key need not be a row of another sheet.
_FREE_KEYS = ("force", "scenarios")


def parse_workbook(content: bytes, file: str) -> tuple[Document, tuple[Comment, ...]]:
    """Parse a workbook; return its data, with findings about its sheets, and its comments.

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
            reader.read_instance(sheet)
        else:
            reader.read_table(next(each for each in LAYOUTS if each.sheet == sheet.name), sheet)
    order = {key: place for place, key in enumerate(_ORDER)}
    document.data = dict(sorted(document.data.items(), key=lambda item: order.get(item[0], order["horizon"])))
    comments = (Comment(each.place, value_at(document.data, each.place), each.text) for each in reader.comments)
    return document, tuple(comments)


def _cure_of_head(key: str, absent: Iterable[str], layout: SheetLayout) -> str:
    """Return the cure for a head that names no field: the field before a year, or the nearest of the absent fields."""
    if key.isdigit() and len(key) == 4:
        return f"Write the field before the year, such as capacity.{key} for the capacity of {key}."
    return did_you_mean(key, absent, list_known(layout.fields, "The columns are"))


class _OccupiedError(Exception):
    """A single value stands where a sheet has rows; the argument is its place."""


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.comments: list[Comment] = []
        self.allowance = Allowance()

    def read_comments(self, lines: list[SheetLine]) -> None:
        """Read the sheet `comments`; comments without a subject form the header of the file."""
        header = [line for line in lines if not line.text(ABOUT)]
        self._comment((), "\n".join(_with_empty_lines(header)))
        for line in lines:
            if line.text(ABOUT):
                self._comment(tuple(line.text(ABOUT).split(".")), line.comment)

    def read_instance(self, sheet: InputSheet) -> None:
        """Read the sheet `instance`, which holds single values; a key without a value is read as one of a file."""
        for head, letter in sheet.heads.items():
            if head not in ("key", "value", COMMENT) and any(head in line.cells for line in sheet.lines):
                at = f"{sheet.at.removesuffix('A1')}{letter}1"
                self._report((), at, f'"{excerpt(head)}" is no column of this sheet', "Remove it.")
        for line in () if self._lacks_column((), sheet, ("key", "value")) else sheet.lines:
            key = line.text("key")
            if not key:
                if set(line.cells) != {COMMENT}:
                    self._report((), line.at, "a value without a key", "Name it in the column key.")
                self._comment((), line.comment)
                continue
            place: Place = tuple(key.split("."))
            at = sheet.cell(line, "value")
            self._locate(place, at)
            cell = line.cells.get("value", SheetCell(None, at, ""))
            self._put((), key, cell)
            self._comment(place, cell.note)
            self._comment(place, line.comment)

    def read_table(self, layout: SheetLayout, sheet: InputSheet) -> None:
        """Read a sheet with one entry per row."""
        self.document.cells.setdefault(layout.path[:1], sheet.at)
        columns = self._check_heads(layout, sheet)
        for line in () if self._lacks_column(layout.path[:1], sheet, layout.keys[:1]) else sheet.lines:
            values = {columns[head]: cell for head, cell in line.cells.items() if head in columns}
            if not values and not any(map(line.text, layout.keys)):
                self._comment(layout.path[:1], line.comment)
                continue
            try:
                place = self._place(layout, line)
                if place is not None:
                    self._read_row(layout, line, place, values)
            except _OccupiedError as error:
                other = self.document.finding(error.args[0], "", "").cell
                what = f"is given by the sheet {layout.sheet}, and as one value ({other})"
                self._report(error.args[0], line.at, what, "Keep one of the two.")

    def _lacks_column(self, place: Place, sheet: InputSheet, heads: Iterable[str]) -> bool:
        """Report the columns without which no row can be read, if rows have values; return whether one is missing."""
        absent = [
            head for head in heads if head not in sheet.heads and any({*line.cells} - {COMMENT} for line in sheet.lines)
        ]
        for head in absent:
            self._report(place, sheet.at, f"the column {head} is missing", "Write its head: without it no row is read.")
        return bool(absent)

    def _check_heads(self, layout: SheetLayout, sheet: InputSheet) -> dict[str, str]:
        """Report each head that names no field of any row; return the columns of fields, by their heads.

        The values under a misspelt head are those of the field that is meant, so that no row lacks it.
        """
        filled = {head for line in sheet.lines for head in line.cells} - {*layout.keys, COMMENT}
        columns = {head: head for head in filled if layout.knows(head)}
        for head, letter in sheet.heads.items():
            if head in filled - columns.keys():
                key, dot, inner = head.partition(".")
                absent = [field for field in layout.fields if f"{field}{dot}{inner}" not in columns]
                cure = _cure_of_head(key, absent, layout)
                what = f'"{excerpt(head)}" is no column of this sheet'
                at = f"{sheet.at.removesuffix('A1')}{letter}1"
                self._report(layout.path[:1], at, what, f"{cure} A column whose name begins with _ is not read.")
                if near := nearest(key, absent):
                    columns[head] = f"{near}{dot}{inner}"
        return columns

    def _read_row(self, layout: SheetLayout, line: SheetLine, place: Place, values: Mapping[str, SheetCell]) -> None:
        named = line.cells.get(layout.keys[-1]) if layout.path[-1] == KEY else None
        self._locate(place, named.at if named else line.at, depth=2)
        notes = (line.cells[key].note for key in layout.keys if key in line.cells)
        self._comment(place, "\n".join(text for text in (line.comment, *notes) if text))
        if layout.value:
            self._read_value(layout, place, values)
        else:
            for column, cell in values.items():
                if cell.value is not None:
                    self._put(place, column, cell)
                self._comment((*place, *column.split(".")), cell.note)

    def _read_value(self, layout: SheetLayout, place: Place, values: Mapping[str, SheetCell]) -> None:
        """Read a row that holds a single value."""
        self._refuse_columns(place, values, (layout.value,))
        if len(place) < len(layout.path):
            return
        cell = values.get(layout.value)
        holder = _part_at(self.document.data, place[:-1], dict)
        holder[str(place[-1])] = None if cell is None else self._value(place, layout.value, cell)
        if cell is not None:
            self._locate(place, cell.at, depth=2)
            self._comment(place, cell.note)

    def _place(self, layout: SheetLayout, line: SheetLine) -> Place | None:
        """Return the place of a row in the instance, where its entry is created; None if its keys are wrong."""
        place: Place = ()
        keys = iter(layout.keys)
        for depth, part in enumerate(layout.path):
            if part == ITEM:
                items = _part_at(self.document.data, place, list)
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
            _part_at(self.document.data, place, dict)
        return place

    def _is_wrong(self, layout: SheetLayout, line: SheetLine, place: Place, column: str, *, is_last: bool) -> bool:
        """Report a key that is missing, repeated, unknown, or has control characters; return whether it is one."""
        name = str(place[-1])
        if not name:
            self._report(place[:-1], line.at, f"{column} is missing", f"Name it in the column {column}.")
            return True
        at, sign = line.cells[column].at, CONTROL.search(name)
        known = get_value(self.document.data, place[:-1])
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
        """Put the value of a cell into the field that its column names."""
        parts = column.split(".")
        within, holder = (*place, *parts), get_value(self.document.data, place)
        for part in parts[:-1]:
            holder = holder.setdefault(part, {}) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or parts[-1] in holder:
            what = f"{parts[0]} is given as one value, and by year or field as well"
            if isinstance(holder, dict) and not isinstance(holder[parts[-1]], dict):
                what = "is given twice"
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
        for column in (column for column in cells if column not in known):
            self._report(place, cells[column].at, f'"{column}" is no column of this sheet', "Remove it.")

    def _report(self, place: Place, at: str, what: str, cure: str) -> None:
        add_finding(self.document, place, at, what, cure)

    def _locate(self, place: Place, at: str, depth: int = 1) -> None:
        """Record the cell of a place, and of each place around it, from a depth on, that has none yet."""
        self.document.cells[place] = at
        for length in range(depth, len(place)):
            self.document.cells.setdefault(place[:length], at)

    def _comment(self, place: Place, text: str) -> None:
        """Add a comment unless its text is blank."""
        if text.strip():
            self.comments.append(Comment(place, None, text))


def _has_no_overrides(layout: SheetLayout, line: SheetLine) -> bool:
    """Return whether a row is a scenario without overrides, or a branch that sets nothing."""
    return layout.sheet in ("scenarios", "branch_sets") and layout.value not in line.cells


def _with_empty_lines(lines: list[SheetLine]) -> Iterator[str]:
    """Yield the comments of lines, with an empty line for each row that is missing between them."""
    before = None
    for line in lines:
        yield from [""] * (0 if before is None else min(line.row - before - 1, _MOST_EMPTY))
        yield line.comment
        before = line.row


def _part_at[Part: dict[str, Any] | list[Any]](data: dict[str, Any], place: Place, kind: type[Part]) -> Part:
    """Return the mapping or list at a place; it and the mappings around it are created if missing.

    Raises:
        _OccupiedError: another value stands there.
    """
    part: Any = data
    for depth, key in enumerate(place, 1):
        form = kind if depth == len(place) else dict
        part = part.setdefault(str(key), form())
        if not isinstance(part, form):
            raise _OccupiedError(place[:depth])
    made: Part = part
    return made


_FIRST, _LAST = ("name", "kind"), ("source", "note")


def dump_workbook(data: Mapping[str, Any], comments: Iterable[Comment] = ()) -> bytes:
    """Return the content of an .xlsx file with an instance, given as `Instance.to_dict` or `Document.data`.

    Raises:
        OptimizerError: a text is longer than a cell or note can be.
    """
    require_extra("excel", "An Excel workbook")
    import xlsxwriter

    tables = {layout.sheet: rows_of(layout, data) for layout in LAYOUTS}
    rest = rows_of_rest(data)
    left = place_comments(comments, tables, rest)
    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True})
    book.set_properties({"title": str(data.get("name") or "instance"), "comments": "An instance of diversify."})
    writer = _Writer(book)
    writer.comments(left)
    writer.rest(rest)
    for layout in LAYOUTS:
        if tables[layout.sheet] or layout.sheet in ("processes", "options", "shocks", "cuts"):
            writer.table(layout, tables[layout.sheet])
    book.close()
    return content.getvalue()


def header(layout: SheetLayout, rows: Iterable[LayoutRow]) -> list[str]:
    """Return the columns of a sheet: keys, then fields in order of declaration and year, then the comment."""
    used = {column for row in rows for column in row.values}
    if layout.value:
        return [*layout.keys, layout.value, COMMENT]
    # The fields of the models of a sheet as declared, but `name` and `kind` first, `source` and `note` last.
    order = [*_FIRST, *(key for key in layout.fields if key not in (*_FIRST, *_LAST)), *_LAST]
    must = {"name", *_basic(layout)}

    def rank(column: str) -> tuple[int, str, str]:
        head, _, tail = column.partition(".")
        return order.index(head) if head in order else len(order), head, tail

    return [*layout.keys, *sorted(used | must, key=rank), COMMENT]


def _basic(layout: SheetLayout) -> tuple[str, ...]:
    """Return the columns that a sheet has even if empty, for users to fill in."""
    return {
        "processes": ("region", "stage", "capacity", "cost", "source"),
        "demands": ("commodity", "quantity", "survival", "shortage_cost", "source"),
        "options": ("kind", "region", "stage", "input", "output", "cost", "lead_time", "max_size", "capex", "source"),
        "shocks": ("start", "months", "deliberate"),
        "cuts": ("region", "severity"),
    }.get(layout.sheet, ())


def explain_column(layout: SheetLayout, column: str) -> str:
    """Return the meaning of a column, for the note on its head."""
    kinds: dict[type, str] = {model: kind for kind, model in known_kinds().items()}
    field, owners = column.partition(".")[0], dict[str, list[str]]()
    for model in layout.models:
        if text := describe_model(model, field):
            owners.setdefault(text, []).append(kinds.get(model, ""))
    # What most kinds mean by it comes first, without their names.
    first, *others = sorted(owners, key=lambda text: -len(owners[text])) or [""]
    return " ".join([first, *(f"For {', '.join(owners[text])}: {text}" for text in others)])


class _Writer:
    def __init__(self, book: Any) -> None:
        self.book = book
        self.head = book.add_format({"bold": True, "bottom": 1, "valign": "top"})
        self.whole = book.add_format({"num_format": "#,##0", "valign": "top"})
        self.year = book.add_format({"num_format": "0", "valign": "top"})
        self.free = book.add_format({"valign": "top"})
        self.wide = book.add_format({"text_wrap": True, "valign": "top"})

    def sheet(self, name: str, columns: list[str], frozen: int) -> Any:
        sheet = self.book.add_worksheet(name)
        for j, column in enumerate(columns):
            sheet.write_string(0, j, column, self.head)
            sheet.set_column(j, j, 70 if column == COMMENT else max(9, min(30, len(column) + 2)))
        sheet.freeze_panes(1, frozen)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        return sheet

    def write(self, sheet: Any, i: int, j: int, value: Any, *, wrap: bool = False) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            sheet.write_boolean(i, j, value, self.free)
        elif isinstance(value, (int, float)):
            is_count = isinstance(value, int) or value.is_integer()
            form = self.year if is_count and 1900 <= value <= 2200 else self.whole if is_count else self.free
            sheet.write_number(i, j, value, form)
        elif sheet.write_string(i, j, value, self._form(value, wrap=wrap)) != 0:
            raise OptimizerError(f"a text is longer than a cell can be ({len(value):,} characters): {value[:60]} …")

    def _form(self, text: str, *, wrap: bool) -> Any:
        """Return the format of a text; a text that Excel would evaluate as a formula when edited is marked as text."""
        if not starts_formula(text):
            return self.wide if wrap else self.free
        return self.book.add_format({"text_wrap": wrap, "valign": "top", "quote_prefix": True})

    def comments(self, comments: list[tuple[str, str]]) -> None:
        """Write the header of the file line by line, then the comments on whole sheets."""
        sheet = self.sheet(COMMENTS, [ABOUT, COMMENT], 1)
        sheet.set_column(0, 0, 16)
        sheet.set_column(1, 1, 120)
        lines = [("", line) for about, text in comments if not about for line in text.split("\n")]
        for i, (about, text) in enumerate([*lines, *(pair for pair in comments if pair[0])], start=1):
            self.write(sheet, i, 0, about or None)
            self.write(sheet, i, 1, text, wrap=bool(about))

    def rest(self, rows: list[LayoutRow]) -> None:
        """Write the sheet `instance`."""
        sheet = self.sheet(INSTANCE, ["key", "value", COMMENT], 1)
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 40)
        for i, row in enumerate(rows, start=1):
            key = row.keys[0]
            self.write(sheet, i, 0, key)
            self.write(sheet, i, 1, to_cell(key, row.values["value"]), wrap=True)
            self.write(sheet, i, 2, "\n".join(row.comments) or None, wrap=True)
            self.note(sheet, i, 0, _explain_key(key))

    def table(self, layout: SheetLayout, rows: list[LayoutRow]) -> None:
        """Write one of the sheets in `LAYOUTS`."""
        columns = header(layout, rows)
        sheet = self.sheet(layout.sheet, columns, len(layout.keys))
        for j, column in enumerate(columns):
            self.note(sheet, 0, j, explain_column(layout, column) if column not in layout.keys else "")
            if column == "kind" and layout.sheet == "options":
                sheet.data_validation(1, j, _ROWS_WITH_KINDS, j, {"validate": "list", "source": list(KINDS)})
            if column != COMMENT:
                shown = (row.keys[j] if j < len(row.keys) else row.values.get(column, "") for row in rows)
                longest = max((len(dump_flow(value)) for value in shown), default=0)
                sheet.set_column(j, j, max(len(column) + 2, 9, min(longest + 1, 44)))
        for i, row in enumerate(rows, start=1):
            self.row(sheet, i, layout, row, columns)

    def row(self, sheet: Any, i: int, layout: SheetLayout, row: LayoutRow, columns: list[str]) -> None:
        """Write one row of a table: keys, values with their notes, comments."""
        for j, key in enumerate(row.keys):
            self.write(sheet, i, j, int(key) if layout.keys[j] == "year" and key.isdigit() else key)
        for column, value in row.values.items():
            j = columns.index(column)
            self.write(sheet, i, j, to_cell(column, value, layout.models))
            self.note(sheet, i, j, "\n".join(row.notes.get(column, ())))
        self.write(sheet, i, len(columns) - 1, "\n".join(row.comments) or None, wrap=True)

    def note(self, sheet: Any, i: int, j: int, text: str) -> None:
        if not text:
            return
        if len(text) > CELL_LENGTH:
            raise OptimizerError(f"a comment is longer than a note can be ({len(text):,} characters): {text[:60]} …")
        lines = 1 + len(text) // 45 + text.count("\n")
        sheet.write_comment(i, j, text, {"x_scale": 2.2, "y_scale": max(0.5, 0.25 * lines), "author": ""})


def _explain_key(key: str) -> str:
    """Return the meaning of a key of the sheet `instance`."""
    head, _, tail = key.partition(".")
    field = tail.partition(".")[0]
    models: Mapping[str, type[BaseModel]] = {"horizon": Horizon, "adversary": AdversarySpec, "policy": Policy}
    return describe_model(models[head], field) if head in models else describe_model(Instance, head)
