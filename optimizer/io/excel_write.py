"""An instance as an Excel workbook; `excel_layout` says what stands where.

xlsxwriter writes and openpyxl reads: xlsxwriter cannot read, and openpyxl takes 2.6 times as long to write (1.2 s in
place of 0.45 s for 48,000 cells with styles and notes) and gives charts no text for readers who cannot see them.
"""

import io
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from optimizer.disruptions.adversary import AdversarySpec
from optimizer.errors import OptimizerError
from optimizer.extras import require_extra
from optimizer.files import starts_formula
from optimizer.horizon import Horizon
from optimizer.instance.schema import Instance, Policy
from optimizer.io.excel_layout import (
    ABOUT,
    COMMENT,
    COMMENTS,
    INSTANCE,
    LAYOUTS,
    LayoutRow,
    SheetLayout,
    place_comments,
    rows_of,
    rows_of_rest,
    to_cell,
)
from optimizer.io.json_schema import describe_model
from optimizer.io.yaml_text import Comment, dump_flow
from optimizer.levers import KINDS

LONGEST_CELL = 32_767
_FIRST, _LAST = ("name", "kind"), ("source", "note")


def dump_workbook(data: Mapping[str, Any], comments: Iterable[Comment] = ()) -> bytes:
    """The content of an .xlsx file.

    Args:
        data: as `Instance.to_dict` gives it, or `Document.data`.
        comments: as `parse_comments` reads them.

    Raises:
        OptimizerError: text that is longer than a cell can be.
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
    """The columns of a sheet: keys, then fields in the order of their declaration and of years, then the comment."""
    used = {column for row in rows for column in row.values}
    if layout.value:
        return [*layout.keys, layout.value, COMMENT]
    order = _fields(layout)
    must = {"name", *_basic(layout)}

    def rank(column: str) -> tuple[int, str, str]:
        head, _, tail = column.partition(".")
        return order.index(head) if head in order else len(order), head, tail

    return [*layout.keys, *sorted(used | must, key=rank), COMMENT]


def _fields(layout: SheetLayout) -> list[str]:
    """The fields of a sheet's models as they are declared; `kind` and `name` come first, source and note last."""
    keys = (field.alias or key for model in layout.models for key, field in model.model_fields.items())
    return [*_FIRST, *(key for key in dict.fromkeys(keys) if key not in (*_FIRST, *_LAST)), *_LAST]


def _basic(layout: SheetLayout) -> tuple[str, ...]:
    """Columns that a sheet has even where they are empty, since they are needed to fill it."""
    return {
        "processes": ("region", "stage", "capacity", "cost", "source"),
        "demands": ("commodity", "quantity", "survival", "shortage_cost", "source"),
        "options": ("kind", "region", "stage", "input", "output", "cost", "lead_time", "max_size", "capex", "source"),
        "shocks": ("start", "months", "deliberate"),
        "cuts": ("region", "severity"),
    }.get(layout.sheet, ())


def explain_column(layout: SheetLayout, column: str) -> str:
    """The meaning of a column, for the note on its head."""
    field = column.partition(".")[0]
    return " / ".join(dict.fromkeys(text for model in layout.models if (text := describe_model(model, field))))


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
        """The format of a text; one that Excel would compute once its cell is edited is marked as a text."""
        if not starts_formula(text):
            return self.wide if wrap else self.free
        return self.book.add_format({"text_wrap": wrap, "valign": "top", "quote_prefix": True})

    def comments(self, comments: list[tuple[str, str]]) -> None:
        """The header of the file line by line, then the comments on whole sheets."""
        sheet = self.sheet(COMMENTS, [ABOUT, COMMENT], 1)
        sheet.set_column(0, 0, 16)
        sheet.set_column(1, 1, 120)
        lines = [("", line) for about, text in comments if not about for line in text.split("\n")]
        for i, (about, text) in enumerate([*lines, *(pair for pair in comments if pair[0])], start=1):
            self.write(sheet, i, 0, about or None)
            self.write(sheet, i, 1, text, wrap=bool(about))

    def rest(self, rows: list[LayoutRow]) -> None:
        """The sheet `instance`."""
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
        """One of the other sheets."""
        columns = header(layout, rows)
        sheet = self.sheet(layout.sheet, columns, len(layout.keys))
        for j, column in enumerate(columns):
            self.note(sheet, 0, j, explain_column(layout, column) if column not in layout.keys else "")
            if column == "kind" and layout.sheet == "options":
                sheet.data_validation(1, j, 999, j, {"validate": "list", "source": list(KINDS)})
            if column != COMMENT:
                sheet.set_column(j, j, _width(column, j, rows))
        for i, row in enumerate(rows, start=1):
            self.row(sheet, i, layout, row, columns)

    def row(self, sheet: Any, i: int, layout: SheetLayout, row: LayoutRow, columns: list[str]) -> None:
        """One row of a table: keys, values with their notes, comments."""
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
        if len(text) > LONGEST_CELL:
            raise OptimizerError(f"a comment is longer than a note can be ({len(text):,} characters): {text[:60]} …")
        lines = 1 + len(text) // 45 + text.count("\n")
        sheet.write_comment(i, j, text, {"x_scale": 2.2, "y_scale": max(0.5, 0.25 * lines), "author": ""})


def _width(column: str, j: int, rows: Iterable[LayoutRow]) -> int:
    """The width of a column, in characters."""
    shown = (row.keys[j] if j < len(row.keys) else row.values.get(column, "") for row in rows)
    longest = max((len(dump_flow(value)) for value in shown), default=0)
    return max(len(column) + 2, 9, min(longest + 1, 44))


def _explain_key(key: str) -> str:
    """The meaning of a key of the sheet `instance`."""
    head, _, tail = key.partition(".")
    field = tail.partition(".")[0]
    models: Mapping[str, type[BaseModel]] = {"horizon": Horizon, "adversary": AdversarySpec, "policy": Policy}
    return describe_model(models[head], field) if head in models else describe_model(Instance, head)
