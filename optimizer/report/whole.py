"""A whole result on the screen: the answer first, then what it rests on."""

from rich.console import Console, RenderableType
from rich.text import Text

from optimizer.instance.reading import read
from optimizer.report.answer import answer
from optimizer.report.builds import builds, stocks
from optimizer.report.screen import Screen
from optimizer.report.survival import survival
from optimizer.report.tables import binding, costs, dependence
from optimizer.results.result import Result
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
