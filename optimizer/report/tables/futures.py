"""The plan of several futures on the screen: what is committed now, what follows each answer, and what that costs."""

from rich.console import Console

from optimizer.report.screen import Screen
from optimizer.report.tables.plan import answer_panel
from optimizer.report.tables.render import print_parts
from optimizer.results.futures import FuturesResult
from optimizer.units import si


def show_futures(result: FuturesResult, console: Console | None = None) -> None:
    """Print a result to stdout, or to the console given."""
    console = console or Screen()
    lines = [
        (each.name or "plan", f"{si(each.cost, result.money)}, {'survives' if each.result.survives else 'fails'}")
        for each in result.futures
    ]
    headline = f"{result.status}: {result.measure} {si(result.total_cost, result.money)}"
    print_parts([answer_panel(result.instance, headline, lines, "green" if result.survives else "yellow")], console)
