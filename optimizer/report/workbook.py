"""A plan as an Excel workbook: the answer, then a sheet a table, with units, frozen heads and charts.

`workbook_tables` says what the tables are; here they are laid out. A sheet begins with its title and the currency's
label, with the year of its prices; numbers are numbers, shown with the unit that the head of their column names.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optimizer.audit import verify
from optimizer.extras import require_extra
from optimizer.files import starts_formula, write_whole_bytes
from optimizer.instance.reading import read
from optimizer.instance.schema import Instance
from optimizer.report.cells import unit_format
from optimizer.report.workbook_tables import Chart, Sheet, sheets
from optimizer.results.result import Result

HEAD = 3
WIDEST, LONGEST, ROWS = 60, 32_767, 1_048_000
_RED, _GREEN = "#B2182B", "#1B7837"


def write_workbook(result: Result, path: str | Path, *, warnings: Sequence[str] | None = None) -> None:
    """Write a plan as a workbook (.xlsx), whole or not at all.

    Args:
        result: the plan, with its instance in it.
        path: the file.
        warnings: what has to be said first; left out, the audit is asked, and what it finds is said.

    Raises:
        InstanceError: the instance in the result is no longer a sound one.
        OSError: the file cannot be written.
    """
    instance = read(result.data)
    if warnings is None:
        said = verify(instance, result).disagreements
        warnings = [f"THE AUDIT DISAGREES: do not rely on this plan. {said[0]}"] if said else []
    write_whole_bytes(path, workbook(instance, result, warnings))


def workbook(instance: Instance, result: Result, warnings: Sequence[str] = ()) -> bytes:
    """The content of the file."""
    require_extra("excel", "An Excel workbook")
    import xlsxwriter

    content = io.BytesIO()
    book = xlsxwriter.Workbook(content, {"in_memory": True})
    book.set_properties({"title": result.instance, "comments": f"Money in {result.currency}."})
    writer = _Writer(book)
    for sheet in sheets(instance, result, warnings):
        writer.write(sheet)
    book.close()
    return content.getvalue()


class _Writer:
    def __init__(self, book: Any) -> None:
        self.book = book
        self.formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def style(self, **properties: Any) -> Any:
        """A format; one for each set of properties."""
        key = tuple(sorted(properties.items()))
        if key not in self.formats:
            self.formats[key] = self.book.add_format({"valign": "top", **properties})
        return self.formats[key]

    def write(self, sheet: Sheet) -> None:
        """One sheet: title, what it says, head, rows, chart."""
        made = self.book.add_worksheet(sheet.name)
        self._text(made, 0, 0, sheet.title, bold=True, font_size=14)
        self._text(made, 1, 0, sheet.says, italic=True, font_color="#555555")
        for j, column in enumerate(sheet.columns):
            self._text(made, HEAD, j, column.head, bold=True, bottom=1, text_wrap=True)
            texts = [len(str(row[j])) for row in sheet.rows if isinstance(row[j], str)]
            made.set_column(j, j, column.width or min(WIDEST, max([len(column.head) + 2, 10, *texts])))
        for i, row in enumerate(sheet.rows[:ROWS], start=HEAD + 1):
            for j, value in enumerate(row):
                self._cell(made, i, j, value, sheet.columns[j].unit)
        last = HEAD + max(1, len(sheet.rows))
        made.freeze_panes(HEAD + 1, sheet.frozen)
        if sheet.is_list:
            made.autofilter(HEAD, 0, last, len(sheet.columns) - 1)
        if sheet.margins_from is not None and sheet.rows:
            area = (HEAD + 1, sheet.margins_from, last, len(sheet.columns) - 1)
            bad, good = self.style(font_color=_RED, bold=True), self.style(font_color=_GREEN)
            made.conditional_format(*area, {"type": "blanks", "stop_if_true": True, "format": None})
            made.conditional_format(*area, {"type": "cell", "criteria": "<", "value": -1e-9, "format": bad})
            made.conditional_format(*area, {"type": "cell", "criteria": ">=", "value": -1e-9, "format": good})
        if sheet.chart is not None and sheet.rows:
            self._chart(made, sheet, sheet.chart, last)
        made.set_landscape()
        made.fit_to_pages(1, 0)
        made.repeat_rows(HEAD)

    def _cell(self, made: Any, i: int, j: int, value: Any, unit: str) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            made.write_string(
                i, j, "yes" if value else "NO", self.style(font_color=_GREEN if value else _RED, bold=not value)
            )
        elif isinstance(value, (int, float)):
            made.write_number(i, j, value, self.style(num_format=_number_format(value, unit)))
        else:
            self._text(made, i, j, str(value), text_wrap=len(str(value)) > WIDEST)

    def _text(self, made: Any, i: int, j: int, text: str, **properties: Any) -> None:
        """A text as it stands; one that would be computed once somebody edits its cell is marked as a text."""
        marked = {"quote_prefix": True} if starts_formula(text) else {}
        made.write_string(i, j, text[:LONGEST], self.style(**properties, **marked))

    def _chart(self, made: Any, sheet: Sheet, chart: Chart, last: int) -> None:
        drawn = self.book.add_chart({"type": chart.kind, **({"subtype": chart.subtype} if chart.subtype else {})})
        for j in chart.columns:
            drawn.add_series({
                "name": [sheet.name, HEAD, j],
                "categories": [sheet.name, HEAD + 1, chart.along, last, chart.along],
                "values": [sheet.name, HEAD + 1, j, last, j],
                **({"line": {"dash_type": "dash", "color": _RED}} if j in chart.dashed else {}),
            })  # fmt: skip
        # A name that begins with an equals sign would be taken for a reference to a cell.
        title, unit = (f" {text}" if text.startswith("=") else text for text in (chart.title, chart.unit))
        drawn.set_title({"name": title, "name_font": {"size": 12}})
        across, up = ("y_axis", "x_axis") if chart.kind == "bar" else ("x_axis", "y_axis")
        getattr(drawn, f"set_{up}")({"name": unit, "num_format": chart.form, "major_gridlines": {"visible": True,
                                     "line": {"color": "#DDDDDD"}}})  # fmt: skip
        getattr(drawn, f"set_{across}")({"reverse": chart.kind == "bar"})
        drawn.set_legend({"none": True} if len(chart.columns) == 1 else {"position": "bottom"})
        drawn.set_size({"width": 760, "height": 380})
        # Beside the table, or below one that fills the screen.
        at = (HEAD, len(sheet.columns) + 1) if len(sheet.columns) <= 8 else (last + 2, 0)
        made.insert_chart(*at, drawn, {"description": chart.title})


def _number_format(value: float, unit: str) -> str:
    """How a number is shown, its unit behind it."""
    if unit == "year":
        return "0"
    if unit == "%":
        return "0.0%"
    whole = float(value).is_integer() or abs(value) >= 100
    return ("#,##0" if whole else "#,##0.00") + (f" {unit_format(unit)}" if unit else "")
