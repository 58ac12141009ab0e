"""diversify plot: one figure of the report as a file, for print."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli import common, targets
from optimizer.cli.report import searched
from optimizer.cli.warned import warned

KINDS = ("timeline", "survival", "path", "sankey", "stock", "dependence", "waterfall", "endurance", "frontier")
# The kinds that an option is for.
OF = {
    "shock": ("path", "sankey"),
    "segment": ("path",),
    "commodity": ("dependence",),
    "year": ("endurance",),
    "end": ("sankey",),
}
FORMATS = (".svg", ".png", ".pdf")


@common.guarded
def plot(
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="A saved plan, as `solve --output` writes it.")],
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture: .svg, .png or .pdf.")],
    shock: Annotated[str | None, typer.Option(help="Of path and sankey; else the tightest, and peace.")] = None,
    segment: Annotated[str | None, typer.Option(help="Of path; the tightest where it is left out.")] = None,
    commodity: Annotated[str | None, typer.Option(help="Of dependence; all where it is left out.")] = None,
    year: Annotated[int | None, typer.Option(help="Of endurance, the year of the cut; the last otherwise.")] = None,
    end: Annotated[bool, typer.Option("--end", help="Of sankey: the last year, not the first.")] = False,
    gap: common.Gap = 0.02,
) -> None:
    """Draw one figure of a plan into a file, fit for print and for colour-blind readers.

    The frontier is searched for first. Exit codes: 0; 1 internal error; 2 usage; 3 bad plan; 5 the search for the
    frontier was stopped (what was found is drawn).
    """
    if kind not in KINDS:
        raise typer.BadParameter(f"write one of {', '.join(KINDS)}.", param_hint="KIND")
    if output.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"write a name that ends in {', '.join(FORMATS)}.", param_hint="--output")
    targets.check_file(output, "--output", plan)
    given = {"shock": shock, "segment": segment, "commodity": commodity, "year": year, "end": end or None}
    for option, value in given.items():
        if value is not None and kind not in OF[option]:
            raise typer.BadParameter(
                f"a {kind} has none; it is for {' and '.join(OF[option])}.", param_hint=f"--{option}"
            )

    from optimizer.analysis.frontier import alone
    from optimizer.errors import PlanFileError
    from optimizer.instance.load import read
    from optimizer.report.figures.book import book
    from optimizer.report.plots import Choice
    from optimizer.report.plots import plot as drawn
    from optimizer.result import Result
    from optimizer.solver import Settings

    result = Result.load(plan)
    if result.baseline is None:
        raise PlanFileError(f"{plan} holds no plan: its status is {result.status}")
    instance = read(result.data)
    doubts = common.doubts(instance, result)
    for doubt in doubts:
        common.say(doubt)
    found = alone(instance, result)
    if kind == "frontier":
        found = searched(instance, result, None, Settings(gap=gap))
    choice = Choice(shock, segment, commodity, year, end)
    with common.fitting(plan):
        shown = book(instance, alone(instance, result))
    try:
        with warned():
            picture = drawn(shown, kind, choice, output.suffix.lower()[1:], found)
    except ValueError as error:
        common.complain(f"{error}.", common.BAD_INSTANCE)
    targets.written(output, picture)
    raise typer.Exit(common.INTERNAL if doubts else common.STOPPED if found.stopped else common.SURVIVES)
