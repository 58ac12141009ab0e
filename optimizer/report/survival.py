"""Shock × segment: the worst period's service against its floor."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from optimizer.instance.schema import Instance
from optimizer.plan import Outcome, Service
from optimizer.report.words import left_out, named, table
from optimizer.result import Result

MOST = 40


def survival(instance: Instance, result: Result, width: int) -> list[Table]:
    """One table for as many segments as fit beside each other; the most critical shocks where there are many."""
    shown = _critical(result.shocks)
    segments = list(instance.demands)
    names = min(34, max((len(outcome.name) for outcome in shown), default=0) + 2)
    per_table = max(1, (width - names) // 13)
    tables = []
    for first in range(0, len(segments), per_table):
        some = segments[first : first + per_table]
        tables.append(_matrix(instance, shown, some, len(result.shocks), is_last=first + per_table >= len(segments)))
    if any(outcome.flows is None for outcome in result.shocks):
        tables.append(_weakest(instance, result))
    return tables if shown else []


def _critical(outcomes: Sequence[Outcome]) -> list[Outcome]:
    if len(outcomes) <= MOST:
        return list(outcomes)
    ordered = sorted(outcomes, key=lambda outcome: (-outcome.gap, _tightest(outcome)))
    kept = {outcome.name for outcome in ordered[:MOST]}
    return [outcome for outcome in outcomes if outcome.name in kept]


def _tightest(outcome: Outcome) -> float:
    return min((service.margin for service in outcome.segments.values()), default=1.0)


def _matrix(
    instance: Instance, outcomes: Sequence[Outcome], segments: Sequence[str], total: int, *, is_last: bool
) -> Table:
    caption = "Least margin of each: % of demand served / floor, margin in points; first period that fails."
    if any(len(outcome.segments) < len(instance.demands) for outcome in outcomes):
        caption += "\n–: not kept; the segment does not fail, and another has less margin."
    if total > len(outcomes):
        caption += f"\n{left_out(total - len(outcomes))}"
    shown = table("Survival", caption=caption if is_last else None)
    shown.add_column("Shock", overflow="fold", max_width=34)
    for d in segments:
        shown.add_column(named(instance, d), justify="right", overflow="fold", min_width=11, max_width=12)
    for outcome in outcomes:
        mark = Text("✓ " if outcome.survives else "✗ ", style="green" if outcome.survives else "bold red")
        shown.add_row(mark + Text(outcome.name), *(_cell(outcome.segments.get(d)) for d in segments))
    return shown


def _weakest(instance: Instance, result: Result) -> Table:
    """Each segment over all shocks, those that are not shown included."""
    caption = f"Over all {len(result.shocks):,} shocks: the least margin of each segment, in points; of equal margins "
    caption += "the least served."
    shown = table("Each segment's worst", caption=caption)
    shown.add_column("Segment", overflow="fold")
    shown.add_column("Worst shock", overflow="fold", max_width=34)
    shown.add_column("Period", no_wrap=True)
    shown.add_column("Served/floor", justify="right", no_wrap=True)
    shown.add_column("Fails in", justify="right", no_wrap=True)
    for d, worst in result.services.items():
        style = "bold red" if worst.shocks_failed else ""
        margin = 100 * worst.margin
        figures = f"{_points(worst.worst_service)}/{_points(worst.floor)} "
        figures += f"{margin:+.1f}" if worst.shocks_failed else f"{max(0.0, margin):+.0f}"
        failed = f"{worst.shocks_failed:,}" if worst.shocks_failed else "–"
        cells = (named(instance, d), worst.worst_shock, worst.worst_period, figures, failed)
        shown.add_row(*(Text(cell) for cell in cells), style=style)
    return shown


def _cell(service: Service | None) -> Text:
    if service is None:
        return Text("–", style="dim")
    margin = 100 * service.margin
    figures = f"{_points(service.worst_service)}/{_points(service.floor)}"
    if service.first_failure is not None:
        return Text(f"{figures} {margin:+.1f}\n{service.first_failure}", style="bold red")
    style = "dim" if service.floor == 0 else "yellow" if margin < 0.05 else ""
    return Text(f"{figures} {max(0.0, margin):+.0f}", style=style)


def _points(share: float) -> str:
    return f"{100 * share:.0f}"
