"""A plan as an Excel workbook: the answer, then a sheet a frame, with units, frozen heads and charts.

The workbook of several futures has the purchases stage by stage, then the frames of all futures one below another.
A sheet begins with its title and the label of the currency; numbers are shown with the unit in the head.
"""

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap
from typing import Any

from optimizer import arguments
from optimizer.errors import WORKBOOK_FORM, require_extra
from optimizer.files import starts_formula, write_whole
from optimizer.horizon import windowed
from optimizer.instance.derived import display_name
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.brief.content import make_brief
from optimizer.report.brief.futures import make_futures_brief
from optimizer.report.brief.plan_parts import Brief
from optimizer.report.format import DEPENDENCE, FULLY_SERVED, percent, shock_title
from optimizer.report.narrative import plan_headline
from optimizer.report.provenance import SETTING_NAMES, fingerprint, sources_frame, with_file
from optimizer.report.tables.futures import futures_facts, futures_headline, stage_headline
from optimizer.report.tables.plan import NO_FIGURE, facts_in_tables, margin_cell
from optimizer.report.tables.render import (
    OPTIONAL_FILES,
    first_rows,
    number_format,
    table_cells,
    unit_of_cells,
    value_text,
    without_noise,
)
from optimizer.report.tables.requirements import requirements_answer
from optimizer.results.frames import NUMBER_FORMS, Frame, FrameColumn
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.studies.frames import decisions_frame, stack_over_futures
from optimizer.studies.futures.stages import Stage, find_stages
from optimizer.studies.requirements_result import Requirements
from optimizer.studies.supply_chain import production_words
from optimizer.studies.verify import audit_warnings
from optimizer.tolerances import ROUNDING
from optimizer.units import short

# Most and fewest characters of a column; most across a page in print, and in a line of a note; codes of paper and line.
WIDEST_COLUMN, NARROWEST_COLUMN, ACROSS, NOTE, A4, DOTTED = 70, 8, 220, 110, 9, 4
# Index of the row with the heads of the columns; most characters of a cell, and most rows of a sheet.
HEAD_ROW, LONGEST_CELL, MOST_SHEET_ROWS = 3, 32_767, 1_048_000
_RED, _GREEN = "#B2182B", "#1B7837"


@dataclass(frozen=True)
class Chart:
    """Chart of columns against the first one; `kind` is Excel's name of the chart type."""

    kind: str
    title: str
    unit: str  # title of the axis of amounts
    columns: tuple[int, ...]  # indices in the frame
    form: str = "#,##0"  # Excel's number format of the amounts
    dashed: tuple[int, ...] = ()  # those columns whose line is dashed


@dataclass(frozen=True)
class OutputSheet:
    """Sheet of a frame, with the note of the frame below its title."""

    frame: Frame
    chart: Chart | None = None  # of columns of the frame
    frozen: int = 1  # columns that stay visible
    is_list: bool = False  # whether the head has filters
    margins_from: int | None = None  # the first of the columns that are margins, red below 0
    heads: frozenset[int] = frozenset()  # the rows that are heads of tables within the sheet

    def look(self, i: int, j: int) -> dict[str, Any]:
        """Return the properties of a cell: heads of tables within the sheet, and titles beside them, are bold."""
        is_head, is_title = i in self.heads, bool(self.heads and not j)
        return {"bold": is_head or is_title, "bottom": DOTTED if is_head else 0}


def sheets(
    instance: Instance,
    result: Result | FuturesResult,
    warnings: Sequence[str],
    brief: Brief,
    comments: Sequence[Mapping[str, Any]] = (),
) -> Iterator[OutputSheet]:
    """Yield all sheets of a result: the answer, the brief, and the frames; without a plan, no brief and no frames."""
    if isinstance(result, FuturesResult):
        yield from _futures_sheets(instance, result, warnings, brief)
        plan = with_file(result, comments)
    else:
        said = [("Answer", plan_headline(result, instance)), *facts_in_tables(instance, result)]
        yield _answer_sheet(instance, result, said, warnings)
        if result.baseline is not None:
            yield _brief_sheet(brief, result.currency)
            yield from _plan_sheets(instance, result)
        plan = result
    if plan is not None and plan.comments:
        yield OutputSheet(sources_frame(instance, plan), is_list=True)
    yield _run_sheet(result)


def _plan_sheets(instance: Instance, result: Result) -> Iterator[OutputSheet]:
    """Yield a sheet for each frame of a plan."""
    frame = result.frames.frame
    yield _list_sheet(instance, frame("builds"), title="What is bought, and when")
    if any(max(row, default=0.0) > 0 for row in result.plan.stocks.values()):
        yield _stock_sheet(result)
    if result.shocks:
        yield _margins_sheet(instance, result.currency, {"": result})
        yield replace(_list_sheet(instance, frame("survival"), "segments", "Every segment in every shock"), frozen=2)
    yield _concentration_sheet(instance, result)
    yield _list_sheet(instance, frame("yearly_dependence"), "dependence", "Dependence by region")
    yield _costs_sheet(instance, result)
    yield _outlays_sheet(instance, result)
    yield from (_list_sheet(instance, frame(name)) for name in OPTIONAL_FILES if len(frame(name)))
    if result.binding:
        yield replace(_list_sheet(instance, frame("limits"), title="What binds"), is_list=False)
    yield _flows_sheet(instance, result)


def _futures_sheets(
    instance: Instance, result: FuturesResult, warnings: Sequence[str], brief: Brief
) -> Iterator[OutputSheet]:
    """Yield the answer, the purchases stage by stage, the table of futures, and the frames of all futures."""
    stages, futures, money = find_stages(result), result.futures, result.currency
    facts_of_all = futures_facts(instance, result, stages)
    yield _answer_sheet(instance, result, [("Answer", futures_headline(result)), *facts_of_all], warnings)
    if brief.parts:
        yield _brief_sheet(brief, result.currency)
    if len(futures) == 1:
        # A file without questions has a single plan, with the sheets of the plan of any other file.
        yield from _plan_sheets(instance, futures[0].result)
    if len(futures) <= 1:
        return
    yield _decisions_sheet(instance, result, "order now", stages[:1])
    if len(stages) > 1:
        yield _decisions_sheet(instance, result, "after answers", stages[1:])
    yield _futures_list_sheet(instance, result)
    if any(future.result.shocks for future in futures):
        yield _margins_sheet(instance, money, {future.name: future.result for future in futures})
    yield from _sheets_of_all_futures(instance, result)


def _sheets_of_all_futures(instance: Instance, result: FuturesResult) -> Iterator[OutputSheet]:
    """Yield a sheet for each frame, with the rows of all futures one below another."""
    money = result.currency
    notes = {
        "stock": f"Tonnes at the end of each period of the baseline. Money: {money}.",
        "costs": f"Present value in {money}. The parts of a future add to its cost.",
        "outlays": f"Money that counts towards the budget, undiscounted, in {money}.",
    }
    for name in ("survival", *notes, "yearly_dependence", *OPTIONAL_FILES):
        each = "" if name in result.frames else ", future by future"
        frame = stack_over_futures(result, name) if each else result.frames.frame(name)
        shown, note = {"survival": "segments", "yearly_dependence": "dependence"}.get(name, name), notes.get(name, "")
        if len(frame) and (name != "stock" or any(map(any, frame.values[2:]))):
            yield replace(_list_sheet(instance, frame, shown, f"{frame.title}{each}", note), frozen=2 if each else 1)


def _decisions_sheet(instance: Instance, result: FuturesResult, name: str, stages: Sequence[Stage]) -> OutputSheet:
    """Return the sheet of purchases in some stages, with the first period and the known answers of each stage."""
    frame = decisions_frame(instance, result, stages)
    heads = [stage_headline(instance, result, stage) for stage in stages]
    title = heads[0] if len(heads) == 1 else "What is bought once answers are known"
    note = f"{'' if len(heads) == 1 else '. '.join(heads) + '. '}{frame.whole_note} Money: {result.currency}."
    return _list_sheet(instance, frame, name, title, note)


def _futures_list_sheet(instance: Instance, result: FuturesResult) -> OutputSheet:
    frame = result.frames.frame("futures")
    names = [column.name for column in frame.columns]
    chart = Chart("column", f"Cost, present value, and outlay, undiscounted, by future, {result.currency}",
                  result.money, (names.index("cost"), names.index("outlay")))  # fmt: skip
    return replace(_list_sheet(instance, frame), chart=chart)


def _list_sheet(instance: Instance, frame: Frame, name: str = "", title: str = "", note: str = "") -> OutputSheet:
    """Return the sheet of a frame as a list: every column, with names for keys, and the keys beside them.

    Name, title and note default to those of the frame, the note with the label of the currency.
    """
    name, title = name or frame.name, title or frame.title
    note = note or f"{frame.whole_note} Money: {instance.currency}."
    columns, has_key = dict[FrameColumn, Sequence[Any]](), False
    for column, values in zip(frame.columns, frame.values, strict=True):
        is_key = column.form in ("name", "object", "shock", "region", "part", "yes")
        words = (value_text(instance, column, value) if value is not None else None for value in values)
        columns[column] = list(words) if is_key else values
        if column.form in ("name", "object", "shock", "region"):
            head = f"{column.head}, key in the file" if has_key else "Key in the file"
            columns[FrameColumn(f"{column.name}_key", head)], has_key = values, True
    return OutputSheet(Frame(name, title, tuple(columns), tuple(columns.values()), note), is_list=True)


def _answer_sheet(
    instance: Instance, result: Result | FuturesResult, said: Sequence[tuple[str, str]], warnings: Sequence[str]
) -> OutputSheet:
    rows: list[tuple[Any, ...]] = [*(("Warning", warning) for warning in warnings), *said]
    rows += [*(("Changed", each) for each in result.changes), *(("Note", each) for each in result.notes)]
    rows += [("About", instance.description)] * bool(instance.description)
    note = f"Money in {result.currency}, {result.money} throughout; t are tonnes. Made by diversify."
    columns = (FrameColumn("what", " "), FrameColumn("said", " "))
    return OutputSheet(Frame.of_rows("answer", result.title, columns, rows, note), frozen=0)


def _brief_sheet(brief: Brief, currency: str) -> OutputSheet:
    """Return the sheet with the parts of the brief one below another, with numbers where texts are plain numbers."""
    rows, heads = list[list[str | float | None]](), set[int]()
    notes = {"title": "Beside the answer", "sentences": brief.notes, "table": None, "lacks": ""}
    for part in (notes, *brief.to_dict()["parts"].values()):
        above, table = [[each] for each in part["sentences"]], part["table"]
        heads |= {len(rows) + len(above)} if table and any(table["head"]) else set()
        drawn = filter(any, [*above, *(table_cells(table) if table else ()), [part["lacks"]]])
        rows += [[None if k else part["title"], *row] for k, row in enumerate(drawn)]
    columns = (FrameColumn("part"), *(FrameColumn(f"said_{j}", " ") for j in range(1, max(map(len, rows)))))
    full = [[*row, *[None] * (len(columns) - len(row))] for row in rows]
    frame = Frame.of_rows("brief", "The brief", columns, full, f"{brief.sentence} Money: {currency}.")
    return OutputSheet(frame, heads=frozenset(heads))


def _stock_sheet(result: Result) -> OutputSheet:
    """Return the sheet of stockpiles that are not empty: stock, then purchases."""
    held, bought = result.frames.frame("stock"), result.frames.frame("purchased")
    used = [j for j, column in enumerate(held.columns) if column.is_index or max(held.values[j], default=0.0) > 0]
    columns = {held.columns[j]: held.values[j] for j in used}
    columns |= {replace(bought.columns[j], label=f"{bought.columns[j].head}, bought"): bought.values[j]
                for j in used[1:]}  # fmt: skip
    chart = Chart("line", "Stock at the end of each period, t", "t", tuple(range(1, len(used))))
    note = f"Tonnes at the end of each period of the baseline, then tonnes bought in it. Money: {result.currency}."
    return OutputSheet(Frame("stock", "Stockpiles", tuple(columns), tuple(columns.values()), note), chart)


def _margins_sheet(instance: Instance, currency: str, results: Mapping[str, Result]) -> OutputSheet:
    """Return the sheet of margins, a row a shock; `results` are by future, or one result under an empty name."""
    has_futures, money = "" not in results, next(iter(results.values())).money
    rows = [
        (*[name] * has_futures, shock_title(instance, outcome.name), outcome.name,
         windowed(outcome.first, outcome.last), "may fail" if outcome.excused else outcome.survives, outcome.gap,
         *(margin_cell(outcome, d) for d in instance.demands))
        for name, result in results.items() for outcome in result.shocks
    ]  # fmt: skip
    heads = (*["future"] * has_futures, "shock", "key in the file", "window", "survives")
    margins = (FrameColumn(d, f"{display_name(instance, d)} [margin]", "share", "percent") for d in instance.demands)
    columns = (*map(FrameColumn, heads), FrameColumn("gap", "", money, "amount"), *margins)
    note = "Service less floor in the weakest period of each shock, as a share of demand: below 0 the floor fails; "
    excused = any(outcome.excused for result in results.values() for outcome in result.shocks)
    note += f"{FULLY_SERVED}: all demand is served. Survival gap: demand below floors at shortage cost, {currency}"
    note = f"{note}{'; that of a sample that may fail does not count' if excused else ''}."
    note += _note_on_empty(rows, len(heads) + 1)
    frame = Frame.of_rows("survival", "What is survived", columns, rows, note)
    return OutputSheet(frame, frozen=1 + has_futures, is_list=has_futures, margins_from=len(heads) + 1)


def _note_on_empty(rows: Iterable[tuple[Any, ...]], first: int) -> str:
    return f" Empty: {NO_FIGURE}" if any(None in row[first:] for row in rows) else ""


def _concentration_sheet(instance: Instance, result: Result) -> OutputSheet:
    """Return the sheet with each commodity's largest share of a region by year."""
    largest: dict[str, dict[int, float]] = {}
    for row in result.frames.frame("yearly_dependence").rows():
        of_year = largest.setdefault(row["commodity"], {})
        of_year[row["year"]] = max(of_year.get(row["year"], 0.0), row["share"])
    rows = ((year, *(row.get(year) for row in largest.values()), DEPENDENCE) for year in instance.horizon.years)
    heads = {c: display_name(instance, c) for c in largest} | {" line": f"{percent(DEPENDENCE)} line"}
    columns = (FrameColumn("year", form="year"),
               *(FrameColumn(c, head, "share", "percent") for c, head in heads.items()))  # fmt: skip
    chart = Chart("line", "Share of the largest region", "share of production", tuple(range(1, len(columns))), "0%",
                  dashed=(len(columns) - 1,))  # fmt: skip
    note = f"Of {production_words(instance)} in the baseline, by the largest region. Money: {result.currency}."
    return OutputSheet(Frame.of_rows("concentration", "How concentrated supply is", columns, rows, note), chart)


def _costs_sheet(instance: Instance, result: Result) -> OutputSheet:
    chart = Chart("bar", f"Total cost by part, present value in {result.currency}", result.money, (1,))
    note = f"Present value in {result.currency}. The parts add to {result.total_cost:,.0f} {result.money}."
    return replace(_list_sheet(instance, result.frames.frame("costs"), note=note), chart=chart, is_list=False)


def _outlays_sheet(instance: Instance, result: Result) -> OutputSheet:
    budget, frame = instance.policy.budget, result.frames.frame("outlays")
    chart = Chart("column", f"Outlay by year, {result.currency}, undiscounted", result.money, (1,))
    limit = f" The budget is {budget:,.0f} {result.money}." if budget is not None else ""
    note = f"Money that counts towards the budget, undiscounted, in {result.currency}.{limit}"
    return replace(_list_sheet(instance, frame, note=note), chart=chart, is_list=False)


def _flows_sheet(instance: Instance, result: Result) -> OutputSheet:
    """Return the sheet of flows above 0, with labels for their keys."""
    frame = result.frames.frame("flows")
    rows = [row for row in frame.rows() if row["quantity"] > ROUNDING]
    labels = {flow.name: flow.label for option in instance.options.values() for flow in option.flows}
    words = {"flow": labels}
    values = tuple([words.get(c.name, {}).get(row[c.name], row[c.name]) for row in rows] for c in frame.columns)
    note = f"Tonnes in each period; what is not listed is 0. Money: {result.currency}."
    return _list_sheet(instance, replace(frame, values=values), "flows", "What flows", note)


def _run_sheet(result: Result | FuturesResult, which: str = "the plan") -> OutputSheet:
    gap = None if result.mip_gap is None else f"{short(100 * result.mip_gap)} %"
    rows: list[tuple[Any, ...]] = [("status", result.status), ("proven within", gap)]
    rows += [("instance hash (SHA-256)", fingerprint(result.data))]
    rows += [(f"audit: {key}", str(value)) for key, value in result.audit.items() if value != []]
    rows += [(f"version of {key}", value) for key, value in result.versions.items()]
    settings = {SETTING_NAMES.get(key, key): value for key, value in result.settings.items() if value is not None}
    rows += [(f"setting {key}", str(value)) for key, value in settings.items()]
    rows += [(f"seconds: {key}", value) for key, value in result.seconds.items()]
    note = f"How {which} was found. Money in {result.currency}."
    columns = (FrameColumn("what"), FrameColumn("value", " "))
    return OutputSheet(Frame.of_rows("run", "The record of the run", columns, rows, note))


def write_workbook(result: Result | FuturesResult, path: str | Path, warnings: Sequence[str] | None = None) -> None:
    """Write a plan as a workbook (.xlsx), whole or not at all.

    Args:
        result: the plan, for one future or for several.
        path: the file.
        warnings: texts that are shown first; by default, the plan is audited, and its disagreements are shown.

    Raises:
        InstanceError: the instance in the result is no longer valid.
        OSError: the file cannot be written.
        ValueError: the file name does not end in .xlsx.
    """
    instance, target = instance_of(result), arguments.file_path("path", path, [WORKBOOK_FORM])
    said = audit_warnings(instance, result) if warnings is None else warnings
    write_whole(target, workbook(instance, result, arguments.several("warnings", said, str, "a text")))


def workbook(
    instance: Instance,
    result: Result | FuturesResult,
    warnings: Sequence[str] = (),
    brief: Brief | None = None,
    comments: Sequence[Mapping[str, Any]] = (),
) -> bytes:
    """Return a plan as the content of a workbook; by default, its brief is one without studies.

    `comments` are those of the instance file, for a plan of several futures.
    """
    if isinstance(result, FuturesResult):
        known = brief or make_futures_brief(instance, result, warnings)
    else:
        known = brief or make_brief(instance, result, warnings=warnings)
    return _write_workbook(result.title, result.currency, sheets(instance, result, warnings, known, comments))


def requirements_workbook(found: Requirements, warnings: Sequence[str] = ()) -> bytes:
    """Return stockpile requirements as a workbook: the answer, a sheet for each frame with rows, and the run record."""
    return _write_workbook(found.instance.title, found.instance.currency, _requirements_sheets(found, warnings))


def _requirements_sheets(found: Requirements, warnings: Sequence[str]) -> Iterator[OutputSheet]:
    instance, frames = found.instance, found.frames
    said = [*requirements_answer(found), *(("Note", note) for note in found.notes)]
    yield _answer_sheet(instance, replace(found.stocks, changes=found.result.changes), said, warnings)
    for frame in filter(len, map(frames.frame, frames)):
        made = _list_sheet(instance, frame)
        if frame.name == "funding":
            names = [column.name for column in frame.columns]
            title = f"Gap that is left, {instance.currency}, by share of the money for stocks"
            made = replace(made, chart=Chart("line", title, instance.money, (names.index("gap"),)))
        yield made
    if found.result.comments:
        yield OutputSheet(sources_frame(instance, found.result), is_list=True)
    yield _run_sheet(found.stocks, "the plan of stocks alone")


def _write_workbook(title: str, currency: str, output: Iterable[OutputSheet]) -> bytes:
    """Return the content of a workbook of the given sheets."""
    require_extra("excel", "An Excel workbook")
    import xlsxwriter

    book = xlsxwriter.Workbook(content := io.BytesIO(), {"in_memory": True})
    book.set_properties({"title": title, "comments": f"Money in {currency}."})
    writer = _Writer(book)
    for sheet in output:
        writer.write(sheet)
    book.close()
    return content.getvalue()


class _Writer:
    def __init__(self, book: Any) -> None:
        self.book = book
        self.formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def style(self, **properties: Any) -> Any:
        """Return the format with the given properties, created once for each set of properties."""
        key = tuple(sorted(properties.items()))
        if key not in self.formats:
            self.formats[key] = self.book.add_format({"valign": "top", **properties})
        return self.formats[key]

    def _write_note(self, worksheet: Any, note: str, widths: Sequence[int]) -> None:
        """Write the note of a sheet in lines across so many columns as a page shows: a printer cuts what runs on."""
        last = next((j for j in range(1, len(widths)) if sum(widths[: j + 1]) >= NOTE), max(1, len(widths) - 1))
        look = {"italic": True, "font_color": "#555555", "text_wrap": True}
        worksheet.merge_range(1, 0, 1, last, "", self.style(**look))
        worksheet.set_row(1, 15 * max(1, math.ceil(1.1 * len(note) / sum(widths[: last + 1]))))
        self._write_text(worksheet, 1, 0, note, **look)

    def _write_head(self, worksheet: Any, frame: Frame) -> list[int]:
        """Write the heads of the columns, wrapped if they are longer than the cells below; set and return widths."""
        widths, lines = list[int](), 1
        for j, column in enumerate(frame.columns):
            unit, head = unit_of_cells(column), column.head.replace("\n", " ")
            head = head if unit in ("", "%", "year") else f"{head} [{unit}]"
            self._write_text(worksheet, HEAD_ROW, j, head, bold=True, bottom=1, text_wrap=True, **_side(column, j))
            shown = (each if isinstance(each, str) else f"{each or 0:,.1f} {unit}" for each in frame.values[j])
            widths.append(min(WIDEST_COLUMN, max(NARROWEST_COLUMN, *map(len, head.split()), *map(len, shown)) + 2))
            worksheet.set_column(j, j, widths[j])
            lines = max(lines, len(wrap(head, widths[j] - 2)))
        worksheet.set_row(HEAD_ROW, 15 * lines)  # LibreOffice places charts by the heights in the file
        # A spreadsheet adds a margin to each column.
        worksheet.fit_to_pages(-(-sum(widths, len(widths)) // ACROSS), 0)
        return widths

    def write(self, sheet: OutputSheet) -> None:
        """Write one sheet: title, note, head, rows, chart."""
        frame = first_rows(sheet.frame, MOST_SHEET_ROWS)
        worksheet = self.book.add_worksheet(frame.name)
        self._write_text(worksheet, 0, 0, frame.title, bold=True, font_size=14)
        self._write_note(worksheet, frame.note.replace("–:", "empty cell:"), self._write_head(worksheet, frame))
        for j, column in enumerate(frame.columns):
            unit, side = unit_of_cells(column), _side(column, j)
            for i, value in enumerate(frame.values[j]):
                self._write_cell(worksheet, HEAD_ROW + 1 + i, j, value, unit, **side, **sheet.look(i, j))
        last, right = HEAD_ROW + max(1, len(frame)), len(frame.columns) - 1
        worksheet.freeze_panes(HEAD_ROW + 1, sheet.frozen)
        if sheet.is_list:
            worksheet.autofilter(HEAD_ROW, 0, last, right)
        if sheet.margins_from is not None and len(frame):
            area = (HEAD_ROW + 1, sheet.margins_from, last, right)
            bad, good = self.style(font_color=_RED, bold=True), self.style(font_color=_GREEN)
            worksheet.conditional_format(*area, {"type": "blanks", "stop_if_true": True, "format": None})
            worksheet.conditional_format(*area, {"type": "cell", "criteria": "<", "value": -ROUNDING, "format": bad})
            worksheet.conditional_format(*area, {"type": "cell", "criteria": ">=", "value": -ROUNDING, "format": good})
        if sheet.chart is not None and len(frame):
            self._add_chart(worksheet, frame, sheet.chart, last)
        worksheet.set_landscape()
        worksheet.set_paper(A4)
        worksheet.repeat_rows(HEAD_ROW)
        if sheet.frozen:
            worksheet.repeat_columns(0, sheet.frozen - 1)

    def _write_cell(self, worksheet: Any, i: int, j: int, value: Any, unit: str, **look: Any) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            look |= {"font_color": _GREEN if value else _RED, "bold": not value}
            worksheet.write_string(i, j, "yes" if value else "NO", self.style(**look))
        elif isinstance(value, (int, float)) and not math.isinf(value):
            worksheet.write_number(i, j, without_noise(value), self.style(num_format=number_format(value, unit)))
        else:
            text = "∞" if value == math.inf else str(value)
            self._write_text(worksheet, i, j, text, text_wrap=len(text) > WIDEST_COLUMN, **look)

    def _write_text(self, worksheet: Any, i: int, j: int, text: str, **properties: Any) -> None:
        """Write a text; mark it as text if a spreadsheet would compute it as a formula once its cell is edited."""
        marked = {"quote_prefix": True} if starts_formula(text) else {}
        worksheet.write_string(i, j, text[:LONGEST_CELL], self.style(**properties, **marked))

    def _add_chart(self, worksheet: Any, frame: Frame, chart: Chart, last: int) -> None:
        drawn = self.book.add_chart({"type": chart.kind})
        for j in chart.columns:
            drawn.add_series({
                "name": [frame.name, HEAD_ROW, j],
                "categories": [frame.name, HEAD_ROW + 1, 0, last, 0],
                "values": [frame.name, HEAD_ROW + 1, j, last, j],
                **({"line": {"dash_type": "dash", "color": _RED}} if j in chart.dashed else {}),
            })  # fmt: skip
        # Excel takes a name that begins with an equals sign for a reference to a cell.
        title, unit = (f" {text}" if text.startswith("=") else text for text in (chart.title, chart.unit))
        drawn.set_title({"name": title, "name_font": {"size": 12}})
        across, up = ("y_axis", "x_axis") if chart.kind == "bar" else ("x_axis", "y_axis")
        getattr(drawn, f"set_{up}")({"name": unit, "num_format": chart.form, "major_gridlines": {"visible": True,
                                     "line": {"color": "#DDDDDD"}}})  # fmt: skip
        getattr(drawn, f"set_{across}")({"reverse": chart.kind == "bar"})
        drawn.set_legend({"none": True} if len(chart.columns) == 1 else {"position": "bottom"})
        drawn.set_size({"width": 760, "height": 380})
        # Beside the table, or below one that fills the screen.
        at = (HEAD_ROW, len(frame.columns) + 1) if len(frame.columns) <= 8 else (last + 2, 0)
        worksheet.insert_chart(*at, drawn, {"description": chart.title})


def _side(column: FrameColumn, j: int) -> dict[str, Any]:
    """Return how texts in column j are aligned: as its numbers, or with an indent from the numbers to their left."""
    if column.form == "year" or column.form in NUMBER_FORMS:
        return {"align": "right"}
    return {"align": "left", "indent": 1} if j else {}
