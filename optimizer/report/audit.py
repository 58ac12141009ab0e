"""How an audit looks."""

from rich.console import Console
from rich.text import Text

from optimizer.audit import Report
from optimizer.report.screen import Screen
from optimizer.result import Result


def show_audit(plan: str, result: Result, report: Report, console: Console | None = None) -> None:
    """Print whether a plan adds up, and every row that does not."""
    console = console or Screen()
    if result.baseline is None:
        console.print(Text("There is no plan to recompute.", style="yellow"))
    elif report.ok:
        words = f"The plan adds up: {report.rows:,} rows agree, worst {report.worst:.1e} of a row's largest term."
        console.print(Text(words, style="green"))
    else:
        count = len(report.disagreements)
        console.print(Text(f"The plan does not add up: {count:,} of {report.rows:,} rows disagree.", style="bold red"))
        for row in report.disagreements:
            console.print(Text(f"  {row}"))
    console.print(Text(f'{plan} answers "{result.instance}", status {result.status}.', style="dim"))
