"""A plan on the screen: the answer first, then what is bought and survived, where supply comes from, what it costs."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from optimizer.files import write_whole
from optimizer.instance.derived import display_name, region_name
from optimizer.instance.reading import read
from optimizer.instance.schema import Instance
from optimizer.levers import Stock
from optimizer.report.figures.timeline import Move, moves
from optimizer.report.format import (
    FOLDED,
    LINE,
    MEANING,
    PARTIAL,
    PARTLY,
    abroad,
    called,
    entry_name,
    left_out,
    margin,
    percent,
    plural,
    served_in_full,
    share,
    spelled,
    standing,
)
from optimizer.report.narrative import NAMING, facts, headline
from optimizer.report.screen import Screen
from optimizer.report.tables.render import frame_to_csv, table
from optimizer.results.plan import Service, Share
from optimizer.results.result import Result
from optimizer.studies.folding import Folded, folded, folds, worst_rows
from optimizer.tolerances import ROUNDING
from optimizer.units import si


def show(result: Result, console: Console | None = None, *, every: bool = False) -> None:
    """Print a result to stdout, or to the console given; `every` shock in a row of its own, or families folded."""
    console = console or Screen()
    for i, part in enumerate(parts(result, console.width, every=every)):
        if i:
            console.print()
        console.print(part)


def parts(result: Result, width: int, *, every: bool = False) -> list[RenderableType]:
    """What is printed, in order, for a terminal so wide."""
    instance = read(result.data)
    shown: list[RenderableType | None] = [answer(instance, result)]
    if result.baseline is not None:
        shown += [
            builds(instance, result, width) or Text("Plan: nothing is bought.", style="bold"),
            stocks(instance, result, width),
            *survival(instance, result, width, every=every),
            dependence(instance, result, width),
            costs(result),
            binding(result),
        ]
    shown += [Text(f"Note: {note}") for note in result.notes]
    return [part for part in [*shown, _record(result)] if part is not None]


def _record(result: Result) -> Text:
    """How it was found: audit, versions, seconds."""
    audit, seconds = result.audit, result.seconds
    checked = f"Audit: {audit['rows']:,} rows agree (worst {audit['worst']:.1e}). " if audit.get("rows") else ""
    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    spent = ", ".join(f"{part} {si(value, 's')}" for part, value in seconds.items())
    return Text(f"{checked}Seconds: {spent}. Versions: {versions}.", style="dim")


PEACE, FORCED = "*", "†"


def builds(instance: Instance, result: Result, width: int) -> Table | None:
    """One row a build or stockpile: lever, decision, on line, size, money, its share, and a bar by year."""
    rows = moves(instance, result)
    if not rows:
        return None
    horizon = instance.horizon
    step = max(1, len(horizon.years) // 24)
    signs = {move.option: FORCED if move.forced else PEACE if move.in_peace else "" for move in rows}
    caption = f"Bar: one mark {_each(step)} from {horizon.start} to {horizon.end}: ░ being built, █ on line, ▪ bought. "
    caption += "Stockpiles: first and last purchase, largest stock, all purchases."
    caption += f"\n{PEACE} would be bought without any shock as well." if PEACE in signs.values() else ""
    caption += f"\n{FORCED} has to be bought (policy.force)." if FORCED in signs.values() else ""
    shown = table("Plan", caption=caption, expand=True)
    shown.add_column("Option, lever", ratio=1, overflow="fold")
    shown.add_column("Decided", no_wrap=True)
    shown.add_column("On line", no_wrap=True)
    shown.add_column("Size", justify="right", no_wrap=True)
    shown.add_column(f"Capex\n{result.money}", justify="right", no_wrap=True)
    shown.add_column("Of\noutlay", justify="right", no_wrap=True)
    if width >= 76:
        shown.add_column(f"{horizon.start}–{horizon.end}", no_wrap=True)
    for move in rows:
        share = percent(move.counted / result.outlay) if result.outlay > 0 else "–"
        option_cell = Text.assemble(move.name + signs[move.option], (f" · {move.kind}", "dim"))
        cells = [move.decided, move.on_line, move.size_words, si(move.paid), share]
        bar = [Text(_marks(instance, move)[::step], style="cyan")] if width >= 76 else []
        shown.add_row(option_cell, *cells, *bar)
    return shown


def _each(step: int) -> str:
    return "a year" if step == 1 else f"every {step} years"


def _marks(instance: Instance, move: Move) -> str:
    """One mark for each year of the horizon."""
    horizon = instance.horizon
    if move.purchases:
        years = {horizon.year(t) for t, fill in enumerate(move.purchases) if fill > 0}
        return "".join("▪" if year in years else "█" if year > min(years) else "·" for year in horizon.years)
    end = {year: (year - horizon.start + 1) * horizon.per_year - 1 for year in horizon.years}
    return "".join("█" if end[y] >= move.first else "░" if end[y] >= move.t else "·" for y in horizon.years)


def stocks(instance: Instance, result: Result, width: int) -> Table | None:
    """The stock path, t at the end of the years that fit."""
    held = {o: row for o, row in result.plan.stocks.items() if max(row, default=0.0) > 0}
    if not held:
        return None
    horizon = instance.horizon
    years = list(horizon.years)
    step = -(-len(years) // max(1, (width - 26) // 7))
    shown = table("Stock at the end of the year, t", expand=False)
    shown.add_column(Stock.labels.noun.capitalize(), max_width=26, overflow="fold")
    chosen = years[::-step][::-1]
    for year in chosen:
        shown.add_column(str(year), justify="right", no_wrap=True)
    for o, row in held.items():
        ends = [row[(year - horizon.start + 1) * horizon.per_year - 1] for year in chosen]
        shown.add_row(display_name(instance, o), *(si(value) if value > ROUNDING * max(row) else "–" for value in ends))
    return shown


MOST_ROWS = 40
# Characters of the column of shocks.
NAMES = 34
SERVICE_STYLES = {"below": "bold red", "tight": "yellow", "some": "", "ample": "", "full": "green", "free": "dim"}


def survival(instance: Instance, result: Result, width: int, *, every: bool = False) -> list[RenderableType]:
    """One table for as many segments as fit beside each other; the most critical rows where there are many.

    Args:
        instance: the instance.
        result: the plan.
        width: characters of a line.
        every: whether each shock has a row of its own, however many there are.
    """
    rows = folded(folds(instance, [each.name for each in result.shocks], every=every), result)
    shown = rows if every else worst_rows(rows, MOST_ROWS)
    segments, titles = list(instance.demands), [_title(instance, row) for row in shown]
    names = min(NAMES, max((len(line) for title in titles for line in title.plain.split("\n")), default=0))
    per_table = max(1, (width - names) // 14)
    hidden = len(result.shocks) - sum(len(row.fold.members) for row in shown)
    tables: list[RenderableType] = [
        _matrix(instance, shown, segments[first : first + per_table]) for first in range(0, len(segments), per_table)
    ]
    if not shown or not tables:
        return []
    tables[-1] = Group(tables[-1], Text(_caption(shown, segments, hidden), style="dim"))
    return [*tables, *([_weakest(instance, result)] if any(each.flows is None for each in result.shocks) else [])]


def _caption(rows: Sequence[Folded], segments: Sequence[str], hidden: int) -> str:
    lines = [f"{MEANING} Margin in points; the period that fails, or from which on."]
    lines += [FOLDED] if any(row.fold.is_many for row in rows) else []
    if any(d not in row.segments and d not in row.full for row in rows for d in segments):
        lines.append("–: not kept; it does not fail, and another segment is weaker.")
    if any(_is_partial(row, d) for row in rows for d in row.segments):
        lines.append(PARTLY)
    return "\n".join([*lines, *([left_out(hidden)] if hidden else [])])


def _matrix(instance: Instance, rows: Sequence[Folded], segments: Sequence[str]) -> Table:
    shown = table("Survival")
    shown.add_column("Shock", overflow="fold", max_width=NAMES)
    for d in segments:
        shown.add_column(display_name(instance, d), justify="right", overflow="fold", min_width=11, max_width=12)
    for row in rows:
        shown.add_row(_title(instance, row), *(_cell(instance, row, d) for d in segments))
    return shown


def _title(instance: Instance, row: Folded) -> Text:
    """``✗ Full embargo: 3 of 12 fail``, and below it the key of the worst of them; of a shock alone name and key."""
    mark = Text("✓ " if row.survives else "✗ ", style="green" if row.survives else "bold red")
    if not row.fold.is_many:
        name, key = called(instance, row.fold.name), row.fold.name
        beside = f" ({key})" if len(name) + len(key) < NAMES - 5 else f"\n  {key}"
        return mark + Text(name) + Text(beside if name != key else "", style="dim")
    count = len(row.fold.members)
    said = f"{count:,} shocks" if row.survives else f"{row.failed:,} of {count:,} fail"
    title = Text(f"{entry_name(instance, row.fold.name)}: {said}")
    return mark + title.append(f"\n  worst {row.worst.name}", style="dim")


def _is_partial(row: Folded, d: str) -> bool:
    return d in row.partial and row.segments[d][1].first_failure is None


def _cell(instance: Instance, row: Folded, d: str) -> Text:
    if d not in row.segments and d in row.full:
        return Text(served_in_full(instance, row.fold.members, d), style=SERVICE_STYLES["full"])
    if d not in row.segments:
        return Text("–", style="dim")
    service = row.segments[d][1]
    return _said(service).append(PARTIAL if _is_partial(row, d) else "")


def _said(service: Service) -> Text:
    figures = " ".join(part for part in (share(service), margin(service)) if part)
    if service.first_failure is not None:
        # A column is 12 wide.
        figures = f"{figures}\n" if len(figures) <= 12 else figures.replace(" ", "\n", 1) + " "
        is_first = service.first_failure == service.worst_period
        figures += service.first_failure if is_first else f"from {service.first_failure}"
    return Text(figures, style=SERVICE_STYLES[standing(service)])


def _weakest(instance: Instance, result: Result) -> Table:
    """Each segment over all shocks, those that are not shown included."""
    caption = f"Over {plural(len(result.shocks), 'shock')}, by the same rule; margin in points."
    shown = table("Each segment's worst", caption=caption)
    shown.add_column("Segment", overflow="fold")
    shown.add_column("Worst shock", overflow="fold", max_width=34)
    shown.add_column("Period", no_wrap=True)
    shown.add_column("Served/floor", justify="right", no_wrap=True)
    shown.add_column("Fails in", justify="right", no_wrap=True)
    for d, worst in result.services.items():
        style = "bold red" if worst.shocks_failed else "green" if worst.is_full else ""
        figures = " ".join(part for part in (share(worst), margin(worst)) if part)
        failed = f"{worst.shocks_failed:,}" if worst.shocks_failed else "–"
        # Where all demand is served in every shock, none of them is worse than another.
        where = ("–", "–") if worst.is_full else (called(instance, worst.worst_shock), worst.worst_period)
        shown.add_row(*(Text(cell) for cell in (display_name(instance, d), *where, figures, failed)), style=style)
    return shown


# Why shocks can be expected to cost less than the baseline.
SAVED = "Expected shocks below zero: they cost less than the baseline, as where released stock is not bought again."


def dependence(instance: Instance, result: Result, width: int) -> Table | None:
    """Where each commodity that is put to use comes from, in the first and the last year."""
    if not result.shares:
        return None
    caption = "Shares of baseline production. HHI: concentration, 0 to 10,000. "
    caption += f"▲ more than {percent(LINE)} from one region abroad."
    shown = table("Dependence", caption=caption, expand=True)
    years = sorted({share.year for shares in result.shares.values() for share in shares})
    shown.add_column("Commodity", overflow="fold", ratio=2)
    for year in years:
        shown.add_column(str(year), overflow="fold", ratio=3)
        shown.add_column("HHI", justify="right", no_wrap=True)
    most = 2 if width < 100 else 3
    for commodity, shares in result.shares.items():
        cells: list[str | Text] = [display_name(instance, commodity)]
        for each in shares:
            cells += [_regions(instance, each, most), f"{1e4 * each.hhi:,.0f}" if each.regions else "–"]
        shown.add_row(*cells)
    return shown


def _regions(instance: Instance, share: Share, most: int) -> Text:
    if not share.regions:
        return Text("none made", style="dim")
    parts = [f"{region_name(instance, region)} {percent(part)}" for region, part in list(share.regions.items())[:most]]
    others = len(share.regions) - most
    words = ", ".join(parts) + (f", +{others}" if others > 0 else "")
    over = max(abroad(instance, share.regions).values(), default=0.0) > LINE
    return Text(("▲ " if over else "") + words, style="red" if over else "")


def costs(result: Result) -> Table | None:
    """Total cost by part, present value."""
    parts = {part: amount for part, amount in result.costs.items() if abs(amount) > ROUNDING * abs(result.total_cost)}
    if not parts:
        return None
    caption = SAVED if parts.get("expected shocks", 0.0) < 0 else None
    shown = table("Cost, present value", caption=caption)
    shown.add_column("Part", no_wrap=True)
    shown.add_column(result.currency, justify="right", no_wrap=True)
    shown.add_column("Share", justify="right")
    for part, amount in parts.items():
        share = percent(amount / result.total_cost, 1) if result.total_cost > 0 else "–"
        shown.add_row(part, si(amount, digits=4), share)
    shown.add_section()
    shown.add_row("total", si(result.total_cost, digits=4), "100.0 %", style="bold")
    return shown


def binding(result: Result) -> Table | None:
    """What binds, and what one step of it is worth."""
    if not result.binding:
        return None
    saved = "cost" if result.survival_gap == 0 else "gap"
    caption = "From the prices of the plan with its integers fixed: each is the most that a small step can save, for "
    caption += "another shock or limit may be as hard."
    shown = table("What binds", caption=caption)
    shown.add_column("Limit", overflow="fold")
    shown.add_column("Step", no_wrap=True)
    shown.add_column(f"Saves {saved}\n{result.money}", justify="right", no_wrap=True)
    for price in result.binding:
        shown.add_row(price.what, price.step, si(price.worth))
    return shown


def write_csv(result: Result, folder: Path) -> Sequence[Path]:
    """Every frame of a result as a CSV file, each whole or not at all."""
    import pandas as pd

    money = f"present value [{result.money}]"
    frames = {
        "builds": result.builds,
        "stock": result.stock.reset_index(),
        "survival": result.survival,
        "dependence": result.dependence,
        "costs": pd.DataFrame(list(result.costs.items()), columns=["part", money]),
        "flows": result.flows,
    }
    for name, frame in frames.items():
        write_whole(folder / f"{name}.csv", frame_to_csv(frame))
    return [folder / f"{name}.csv" for name in frames]


STYLES = {"survives": "green", "gap": "red", "stopped": "yellow", "none": "red"}


def answer(instance: Instance, result: Result) -> Panel:
    """Survives or not, what it costs, and what doing nothing would mean."""
    grid = Table.grid(padding=(0, 2), expand=False)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    told = list(facts(instance, result))
    mentioned = " ".join(text for label, text in told if label in NAMING)
    words = {event.name: called(instance, event.name) for event in instance.events if event.name in mentioned}
    for label, text in told:
        grid.add_row(label, spelled(text, words) if label in NAMING else text)
    style = STYLES[result.status]
    body = Group(Text(headline(result, instance), style=f"bold {style}"), "", grid)
    return Panel(body, title=Text(result.instance, style="bold"), title_align="left", border_style=style, expand=True)
