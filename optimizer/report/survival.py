"""Shock × segment: the worst period's service against its floor; families and ensembles folded to a row each."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.schema import Instance
from optimizer.report.services import MEANING, PARTIAL, PARTLY, margin, served_in_full, share, standing
from optimizer.report.words import FOLDED, called, entry_name, left_out, named, plural, table
from optimizer.results.plan import Service
from optimizer.results.result import Result
from optimizer.studies.folding import Folded, folded, folds, worst_rows

MOST = 40
# Characters of the column of shocks.
NAMES = 34
STYLES = {"below": "bold red", "tight": "yellow", "some": "", "ample": "", "full": "green", "free": "dim"}


def survival(instance: Instance, result: Result, width: int, *, every: bool = False) -> list[RenderableType]:
    """One table for as many segments as fit beside each other; the most critical rows where there are many.

    Args:
        instance: the instance.
        result: the plan.
        width: characters of a line.
        every: whether each shock has a row of its own, however many there are.
    """
    rows = folded(folds(instance, [each.name for each in result.shocks], every=every), result)
    shown = rows if every else worst_rows(rows, MOST)
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
        shown.add_column(named(instance, d), justify="right", overflow="fold", min_width=11, max_width=12)
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
        return Text(served_in_full(instance, row.fold.members, d), style=STYLES["full"])
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
    return Text(figures, style=STYLES[standing(service)])


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
        shown.add_row(*(Text(cell) for cell in (named(instance, d), *where, figures, failed)), style=style)
    return shown
