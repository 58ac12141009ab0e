"""How a verification looks."""

from rich.console import Console
from rich.text import Text

from optimizer.report.screen import Screen
from optimizer.results.result import Result
from optimizer.studies.verify import Verification

# Keys that `verify --prove` recomputes and `verify` does not.
BY_PROOF = ("bound", "gap_bound", "status")


def show_verification(plan: str, result: Result, found: Verification, console: Console | None = None) -> None:
    """Print whether a plan adds up, every row that does not, and what was not recomputed."""
    console = console or Screen()
    for line in _verdict(result, found):
        console.print(line)
    if found.ok and found.solved:
        console.print(Text(f"{_shocks(found.solved)} without flows in the file: solved again with the plan fixed."))
    if found.ok and found.lines:
        words = f"{_shocks(found.lines)} without flows in the file: not recomputed. Leave out --quick."
        console.print(Text(words, style="yellow"))
    if found.ok and found.not_recomputed:
        cure = " (use --prove)" if set(found.not_recomputed) <= set(BY_PROOF) else ""
        console.print(Text(f"Not recomputed: {', '.join(found.not_recomputed)}{cure}."))
    console.print(Text(f"Not evidence: {', '.join(found.not_evidence)}."))
    console.print(Text(f'{plan} answers "{result.instance}", status {result.status}.', style="dim"))


def _verdict(result: Result, found: Verification) -> list[Text]:
    report = found.report
    if report.ok and result.baseline is None:
        return [Text("There is no plan to recompute.", style="yellow")]
    if report.ok:
        words = f"The plan adds up: {report.rows:,} rows agree, worst {report.worst:.1e} of a row's largest term."
        return [Text(words, style="green")]
    count = len(report.disagreements)
    rows = f"{count:,} of {report.rows:,} rows disagree" if report.rows else f"{count:,} parts disagree"
    head = Text(f"The plan does not add up: {rows}.", style="bold red")
    return [head, *(Text(f"  {row}") for row in report.disagreements)]


def _shocks(count: int) -> str:
    return f"{count:,} shock{'s' if count != 1 else ''}"
