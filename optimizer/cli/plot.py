"""diversify plot: one figure of the report as a file, for print."""

from pathlib import Path
from typing import Annotated

import typer

from optimizer.cli import common, options, sources, targets
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
    "all": ("survival", "stock"),
}
FORMATS = (".svg", ".png", ".pdf")


@common.guarded
@options.shared
def plot(
    plan: options.PlanFile,
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture: .svg, .png or .pdf.")],
    changes: options.Changes,
    adversary: options.Adversary = False,
    time_limit: options.PlanTimeLimit = None,
    shock: Annotated[str | None, typer.Option(help="Of path and sankey; else the tightest, and the baseline.")] = None,
    segment: Annotated[str | None, typer.Option(help="Of path; the tightest where it is left out.")] = None,
    commodity: Annotated[str | None, typer.Option(help="Of dependence; all where it is left out.")] = None,
    year: Annotated[int | None, typer.Option(help="Of endurance, the year of the cut; the last otherwise.")] = None,
    end: Annotated[bool, typer.Option("--end", help="Of sankey: the last year, not the first.")] = False,
    every: options.Every = False,
    gap: options.Gap = 0.02,
) -> None:
    """Draw one figure of a plan into a file, fit for print and for colour-blind readers.

    An instance file is solved first; a frontier is searched for. Exit codes: 0; 1 internal error; 2 usage; 3 bad plan
    or instance; 4 no plan exists; 5 a search was stopped (what was found is drawn).
    """
    if kind not in KINDS:
        raise typer.BadParameter(f"write one of {', '.join(KINDS)}.", param_hint="KIND")
    if output.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"write a name that ends in {', '.join(FORMATS)}.", param_hint="--output")
    targets.check_file(output, "--output", plan)
    given = {
        "shock": shock,
        "segment": segment,
        "commodity": commodity,
        "year": year,
        "end": end or None,
        "all": every or None,
    }
    for option, value in given.items():
        if value is not None and kind not in OF[option]:
            raise typer.BadParameter(
                f"a {kind} has none; it is for {' and '.join(OF[option])}.", param_hint=f"--{option}"
            )

    from optimizer.report.figures.plot import Choice
    from optimizer.report.figures.plot import plot as drawn
    from optimizer.report.html.book import book
    from optimizer.solver import Settings
    from optimizer.studies.frontier import single_point

    planned = sources.planned(plan, changes, time_limit, adversary=adversary)
    instance, result = planned.instance, planned.result
    if result.baseline is None:
        sources.no_plan(planned, plan)
    doubts = common.doubts(instance, result)
    for doubt in doubts:
        common.say(doubt)
    found = single_point(instance, result)
    if kind == "frontier":
        found = searched(instance, result, None, Settings(gap=gap))
    choice = Choice(shock, segment, commodity, year, end)
    with common.fitting(plan):
        # A shock that is named may be any of a family.
        shown = book(instance, single_point(instance, result), every=every or kind in OF["shock"])
    try:
        with warned():
            picture = drawn(shown, kind, choice, output.suffix.lower()[1:], found)
    except ValueError as error:
        common.complain(f"{error}.", common.BAD_INSTANCE)
    targets.written(output, picture)
    stopped = found.stopped or (not planned.is_saved and result.status == "stopped")
    raise typer.Exit(common.INTERNAL if doubts else common.STOPPED if stopped else common.SURVIVES)
