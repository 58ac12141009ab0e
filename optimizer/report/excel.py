"""A plan as an Excel workbook: the answer, then a sheet a table, with units, frozen heads and charts."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optimizer.audit import verify
from optimizer.extras import require_extra
from optimizer.files import starts_formula, write_whole
from optimizer.horizon import windowed
from optimizer.instance.derived import display_name, region_name
from optimizer.instance.reading import read
from optimizer.instance.schema import Instance
from optimizer.report.format import FULL, LINE, percent
from optimizer.report.narrative import facts, headline
from optimizer.report.tables.render import unit_format
from optimizer.results.plan import Service
from optimizer.results.result import Result
from optimizer.studies.outcomes import yearly_supply_shares
from optimizer.tolerances import ROUNDING

HEAD = 3
WIDEST, LONGEST, ROWS = 60, 32_767, 1_048_000
_RED, _GREEN = "#B2182B", "#1B7837"


@dataclass(frozen=True)
class Column:
    """A head, the unit of its numbers (``%`` and ``year`` are shown as such), and a width if it is set."""

    head: str
    unit: str = ""
    width: float | None = None


@dataclass(frozen=True)
class Chart:
    """Columns drawn along another: kind and subtype as Excel names them."""

    kind: str
    title: str
    unit: str
    along: int
    columns: tuple[int, ...]
    form: str = "#,##0"
    subtype: str = ""
    dashed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sheet:
    """A sheet: its name, title, a line on what it says, columns and rows.

    Attributes:
        frozen: columns that stay in sight.
        is_list: whether the head filters.
        margins_from: the first of the columns that are margins, red below 0.
    """

    name: str
    title: str
    says: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]
    chart: Chart | None = None
    frozen: int = 0
    is_list: bool = False
    margins_from: int | None = field(default=None)


def sheets(instance: Instance, result: Result, warnings: Sequence[str]) -> Iterator[Sheet]:
    """All sheets of a plan, the answer first; without a plan the answer and the record."""
    yield _answer(instance, result, warnings)
    if result.baseline is not None:
        yield _builds(instance, result)
        if any(max(row, default=0.0) > 0 for row in result.plan.stocks.values()):
            yield _stock(instance, result)
        if result.shocks:
            yield _margins(instance, result)
            yield _survival(instance, result)
        yield _concentration(instance, result)
        yield _dependence(instance, result)
        yield _costs(result)
        yield _outlays(instance, result)
        if result.binding:
            yield _binding(result)
        yield _flows(instance, result)
    if result.comments:
        yield _sources(result)
    yield _run(result)


def _answer(instance: Instance, result: Result, warnings: Sequence[str]) -> Sheet:
    money = result.money
    rows: list[tuple[Any, ...]] = [("Warning", warning) for warning in warnings]
    rows += [("Answer", headline(result)), *facts(instance, result)]
    rows += [("Note", note) for note in result.notes]
    if instance.description:
        rows.append(("About", instance.description))
    says = f"Money in {result.currency}, {money} throughout; t are tonnes. Made by diversify."
    return Sheet("answer", result.instance, says, (Column("", width=20), Column("", width=110)), rows)


def _builds(instance: Instance, result: Result) -> Sheet:
    horizon, money = instance.horizon, result.money
    rows: list[tuple[Any, ...]] = []
    for build in result.plan.builds:
        option = instance.sized[build.option]
        first = build.t + horizon.whole(option.lead_time)
        on_line = horizon.label(first) if first < len(horizon.periods) else "after the end"
        paid, unit = option.paid(build.year, build.size, opened=build.opened), option.labels.size_unit
        name = display_name(instance, build.option)
        rows.append((name, build.option, build.kind, build.period, on_line, build.size, unit, paid,
                     option.budget_share * paid))  # fmt: skip
    for o, fills in result.plan.fills.items():
        stock = instance.stocks[o]
        bought = [t for t, fill in enumerate(fills) if fill > ROUNDING * max(fills)]
        if bought:
            paid, unit, most = stock.paid(horizon, fills), stock.labels.size_unit, max(result.plan.stocks[o])
            rows.append((display_name(instance, o), o, stock.kind, horizon.label(bought[0]), horizon.label(bought[-1]),
                         most, unit, paid, stock.budget_share * paid))  # fmt: skip
    columns = (Column("Option"), Column("Key in the file"), Column("Lever"), Column("Decided"), Column("On line"),
               Column("Size"), Column("Unit of size"), Column(f"Capital and purchases [{money}]", money, 18),
               Column(f"Counts as outlay [{money}]", money, 18))  # fmt: skip
    says = f"Money in {result.currency}, undiscounted. Stockpiles: first and last purchase, largest stock, all money."
    return Sheet("builds", "What is bought, and when", says, columns, rows, frozen=1, is_list=True)


def _stock(instance: Instance, result: Result) -> Sheet:
    held = {o: row for o, row in result.plan.stocks.items() if max(row, default=0.0) > 0}
    rows = [
        (label, *(row[t] for row in held.values()), *(result.plan.fills[o][t] for o in held))
        for t, label in enumerate(result.periods)
    ]
    columns = (Column("Period"), *(Column(f"{display_name(instance, o)} [t]", "t", 18) for o in held),
               *(Column(f"{display_name(instance, o)}, bought [t]", "t", 18) for o in held))  # fmt: skip
    chart = Chart("line", "Stock at the end of each period, t", "t", 0, tuple(range(1, len(held) + 1)))
    says = f"Tonnes at the end of each period of the baseline, then tonnes bought in it. Money: {result.currency}."
    return Sheet("stock", "Stockpiles", says, columns, rows, chart, frozen=1)


def _margins(instance: Instance, result: Result) -> Sheet:
    segments = list(instance.demands)
    rows = []
    for outcome in result.shocks:
        margins = [_margin(outcome.segments.get(d)) for d in segments]
        rows.append((outcome.name, windowed(outcome.first, outcome.last), outcome.survives, outcome.gap, *margins))
    columns = (Column("Shock"), Column("Window"), Column("Survives"), Column(f"Gap [{result.money}]", result.money, 16),
               *(Column(f"{display_name(instance, d)} [margin]", "%", 14) for d in segments))  # fmt: skip
    says = (
        "Service less floor in the weakest period of each shock, as a share of demand: below 0 the floor fails; "
        f"{FULL}: all demand is served. "
        f"Gap: demand below the floors at its shortage cost, in {result.currency}."
    )
    return Sheet("survival", "What is survived", says, columns, rows, frozen=1, margins_from=4)


def _margin(service: Service | None) -> float | str | None:
    return None if service is None else FULL if service.is_full else service.margin


def _survival(instance: Instance, result: Result) -> Sheet:
    money = result.money
    rows = [
        (outcome.name, display_name(instance, d), s.floor, s.worst_service, s.margin, s.worst_period, s.first_failure,
         s.shortage, s.below_floor, s.gap)
        for outcome in result.shocks
        for d, s in outcome.segments.items()
    ]  # fmt: skip
    columns = (Column("Shock"), Column("Segment"), Column("Floor", "%"), Column("Served", "%"), Column("Margin", "%"),
               Column("Worst period"), Column("First failure"), Column("Not served [t]", "t", 14),
               Column("Below the floor [t]", "t", 14), Column(f"Gap [{money}]", money, 18))  # fmt: skip
    says = f"Each segment in the weakest period of each shock; tonnes over the window; gap in {result.currency}."
    return Sheet("segments", "Every segment in every shock", says, columns, rows, frozen=2, is_list=True)


def _concentration(instance: Instance, result: Result) -> Sheet:
    assert result.baseline is not None
    shares = yearly_supply_shares(instance, result.baseline)
    years = list(instance.horizon.years)
    largest = {c: {each.year: max(each.regions.values(), default=None) for each in row} for c, row in shares.items()}
    rows = [(year, *(row.get(year) for row in largest.values()), LINE) for year in years]
    line = f"{percent(LINE)} line"
    columns = (
        Column("Year", "year"),
        *(Column(display_name(instance, c), "%", 16) for c in largest),
        Column(line, "%", 12),
    )
    last = len(columns) - 1
    chart = Chart("line", "Share of the largest region", "share of production", 0, tuple(range(1, last + 1)), "0%",
                  dashed=(last,))  # fmt: skip
    says = f"Share of production, in the baseline, of the region that makes most of it. Money: {result.currency}."
    return Sheet("concentration", "How concentrated supply is", says, columns, rows, chart, frozen=1)


def _dependence(instance: Instance, result: Result) -> Sheet:
    assert result.baseline is not None
    rows = [
        (
            display_name(instance, c),
            share.year,
            region_name(instance, region),
            part,
            share.tonnes * part,
            share.hhi * 1e4,
        )
        for c, row in yearly_supply_shares(instance, result.baseline).items()
        for share in row
        for region, part in share.regions.items()
    ]
    columns = (Column("Commodity"), Column("Year", "year"), Column("Region"), Column("Share", "%"),
               Column("Production [t/yr]", "t", 16), Column("HHI [0 to 10,000]", "", 14))  # fmt: skip
    says = f"Where each commodity is made in the baseline. HHI: concentration. Money: {result.currency}."
    return Sheet("dependence", "Dependence by region", says, columns, rows, frozen=1, is_list=True)


def _costs(result: Result) -> Sheet:
    total = result.total_cost
    rows: list[tuple[Any, ...]] = [
        (part, amount, amount / total if total > 0 else None)
        for part, amount in result.costs.items()
        if abs(amount) > ROUNDING * abs(total)
    ]
    money = result.money
    columns = (Column("Part"), Column(f"Present value [{money}]", money, 24), Column("Of total", "%"))
    chart = Chart("bar", f"Total cost by part, present value in {result.currency}", money, 0, (1,))
    says = f"Present value in {result.currency}. The parts add to {total:,.0f} {money}."
    return Sheet("costs", "What it costs", says, columns, rows, chart, frozen=1)


def _outlays(instance: Instance, result: Result) -> Sheet:
    money, spent = result.money, 0.0
    limit = instance.policy.annual_budget
    rows: list[tuple[Any, ...]] = []
    for year in instance.horizon.years:
        outlay = result.outlays.get(str(year), 0.0)
        spent += outlay
        rows.append((year, outlay, spent, *([limit.at(year)] if limit is not None else [])))
    columns = [Column("Year", "year"), Column(f"Outlay [{money}]", money, 20), Column(f"So far [{money}]", money, 20)]
    columns += [Column(f"Annual budget [{money}]", money, 20)] if limit is not None else []
    chart = Chart("column", f"Outlay by year, {result.currency}, undiscounted", money, 0, (1,))
    budget = instance.policy.budget
    whole = f" The budget is {budget:,.0f} {money}." if budget is not None else ""
    says = f"Money that counts towards the budget, undiscounted, in {result.currency}.{whole}"
    return Sheet("outlays", "When money is needed", says, tuple(columns), rows, chart, frozen=1)


def _binding(result: Result) -> Sheet:
    saved = "cost" if result.survival_gap == 0 else "gap"
    rows = [(price.what, price.step, price.worth) for price in result.binding]
    columns = (Column("Limit"), Column("Step"), Column(f"Saves {saved} [{result.money}]", result.money, 20))
    says = (
        f"The most that a small step of a limit can save, in {result.currency}: another may be as hard. Integers fixed."
    )
    return Sheet("limits", "What binds", says, columns, rows, frozen=1)


def _flows(instance: Instance, result: Result) -> Sheet:
    words = {flow.name: flow.label for option in instance.options.values() for flow in option.flows}
    words |= {"activity": "activity", "unserved": "not served"}
    paths = [("in the baseline", result.baseline), *((outcome.name, outcome.flows) for outcome in result.shocks)]
    rows = [
        (path, words[kind], display_name(instance, owner), owner, result.periods[flows.first + k], value)
        for path, flows in paths
        if flows is not None
        for kind in flows.names
        for owner, row in flows.of(kind).items()
        for k, value in enumerate(row)
        if value > ROUNDING
    ]
    columns = (Column("When"), Column("What"), Column("Of"), Column("Key in the file"), Column("Period"),
               Column("Quantity [t]", "t", 16))  # fmt: skip
    says = f"Tonnes in each period; what is not listed is 0. Money: {result.currency}."
    return Sheet("flows", "What flows", says, columns, rows, frozen=1, is_list=True)


def _sources(result: Result) -> Sheet:
    rows = []
    for said in result.comments:
        value = said["value"]
        shown = value if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
        place = ".".join(map(str, said["place"])) or "the file"
        rows.append((place, shown if shown is not None or value is None else str(value), said["text"]))
    columns = (Column("About", width=44), Column("Value", width=24), Column("What the file says", width=110))
    says = f"The comments of the instance file: sources and assumptions. Money in {result.currency}."
    return Sheet("sources", "Where the numbers come from", says, columns, rows, frozen=1, is_list=True)


def _run(result: Result) -> Sheet:
    rows: list[tuple[Any, ...]] = [("status", result.status), ("proven within", result.mip_gap)]
    rows += [(f"audit: {key}", str(value)) for key, value in result.audit.items()]
    rows += [(f"version of {key}", value) for key, value in result.versions.items()]
    rows += [(f"setting {key}", None if value is None else str(value)) for key, value in result.settings.items()]
    rows += [(f"seconds: {key}", value) for key, value in result.seconds.items()]
    says = f"How the plan was found. Money in {result.currency}."
    return Sheet("run", "The record of the run", says, (Column("What", width=28), Column("", width=60)), rows, frozen=1)


def write_workbook(result: Result, path: str | Path, warnings: Sequence[str] | None = None) -> None:
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
    write_whole(path, workbook(instance, result, warnings))


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
            made.conditional_format(*area, {"type": "cell", "criteria": "<", "value": -ROUNDING, "format": bad})
            made.conditional_format(*area, {"type": "cell", "criteria": ">=", "value": -ROUNDING, "format": good})
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
