"""diversify plot: one figure of the report as a file, for print."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from optimizer import arguments
from optimizer.cli import common, inputs, options, page_studies
from optimizer.errors import PLOT_FORMS, ExitCode
from optimizer.files import saved_plan

if TYPE_CHECKING:
    from optimizer.results.futures import FuturesResult

# Kinds of figures of a plan.
_OF_PLANS = (
    "map", "years", "drawdown", "sources", "timeline", "survival", "path", "sankey", "stock", "futures", "dependence",
    "waterfall", "endurance", "frontier"
)  # fmt: skip
# Kinds of figures that need a study, which is carried out first.
_STUDIES = {"information": "futures"} | {name: name for name in page_studies.STUDIES if name != "futures"}
_KINDS = (*_OF_PLANS, *_STUDIES)
_KINDS_IN_HELP = f"A study, or {', '.join(_OF_PLANS)}."
# By option, the kinds of figures that use it.
_KINDS_OF_OPTION = {
    "shock": ("path", "sankey", "map", "drawdown", "sources"),
    "segment": ("path", "sources"),
    "commodity": ("dependence",),
    "year": ("endurance",),
    "end": ("sankey", "map"),
    "all": ("survival", "stock"),
    "accuracy": ("frontier", *(kind for kind in _STUDIES if kind not in ("stress", "discover"))),
}
_figure_option = partial(typer.Option, rich_help_panel="Figure")


@dataclass(frozen=True)
class _Choice:
    """Contents of a figure of a plan; each option is for some kinds of figures."""

    shock: Annotated[
        str | None, _figure_option(metavar="NAME", help="Shock (path, sankey, map, drawdown, sources).")
    ] = None
    segment: Annotated[
        str | None, _figure_option(metavar="NAME", help="Segment (path, sources); else the hardest hit.")
    ] = None
    commodity: Annotated[str | None, _figure_option(metavar="NAME", help="Commodity (dependence); else all.")] = None
    year: Annotated[int | None, _figure_option(metavar="YEAR", help="Year of the cut (endurance); else the last.")] = (
        None
    )
    end: Annotated[bool, _figure_option("--end", help="Last year, not the first (sankey, map).")] = False


def command(
    plan: options.PlanFile,
    kind: Annotated[str, typer.Argument(metavar="KIND", help=_KINDS_IN_HELP, show_default=False)],
    output: Annotated[
        Path, options.answer_option("--output", "-o", metavar="FILE", help="An .svg, .png or .pdf file.")
    ],
    changes: options.Changes,
    search: options.PlanSearch,
    accuracy: options.Accuracy,
    choice: _Choice,
    every: options.Every = False,
) -> None:
    """Draw one figure of a plan, fit for print.

    Example: diversify plot instances/tiny.yaml timeline --output timeline.svg
    Manual:  docs/how-to/report.md
    """
    _check_choice(kind, output, vars(choice) | {"all": every, "accuracy": accuracy != options.Accuracy()})
    common.check_file(output, "--output", plan)

    from optimizer.report.figures.plot import Choice, draw_plot
    from optimizer.report.html.book import book
    from optimizer.solver import Settings
    from optimizer.studies.compare import frontier as find_frontier
    from optimizer.studies.comparison import single_point

    if kind in (*_STUDIES, "futures"):
        _draw_study(plan, kind, changes, search, accuracy.share_of_price, output)
    found = inputs.find_plan(plan, changes, _search_of_plan(plan, kind, search))
    instance, result = found.instance, found.result
    inputs.check_plan(found, plan)
    doubts = inputs.find_doubts(instance, result)
    frontier = single_point(instance, result)
    if kind == "frontier":
        instance = common.judge_by_expected_cost(instance)
        with common.display(instance.money, lists_tasks=True) as listener:
            settings = Settings(accuracy=accuracy.share_of_price, time_limit=search.time_limit)
            frontier = find_frontier(instance, result, None, settings, listener)
    with inputs.plan_that_fits(plan, doubts):
        # Any event of a family may be named as the shock, so each is kept.
        shown = book(instance, single_point(instance, result), every=every or kind in _KINDS_OF_OPTION["shock"])
    common.write_plot(output, lambda form: draw_plot(shown, kind, Choice(**vars(choice)), form, frontier))
    stopped = frontier.stopped or (not found.is_saved and result.status == "stopped")
    common.end(survives=True, is_stopped=stopped, disagrees=bool(doubts))


def _search_of_plan(plan: str, kind: str, search: options.PlanSearch) -> options.PlanSearch:
    """Return the search for the plan; beside a saved plan, the time limit is for what the figure searches for."""
    searches = kind == "frontier" or kind in _STUDIES.keys() - {"stress"}
    return search.without_limit if searches and saved_plan(plan) else search


def _draw_study(
    plan: str, kind: str, changes: options.Changes, search: options.PlanSearch, accuracy: float, output: Path
) -> NoReturn:
    """Draw the tree of futures with decisions on its edges, or carry out a study and draw its figure; then end."""
    from optimizer.instance.reading import instance_of

    study, is_stopped, first = _STUDIES.get(kind), False, _search_of_plan(plan, kind, search)
    if study is not None:
        page_studies.choose_studies([study], plan, changes, adversary=search.adversary, hint=kind)
    if study is not None and study != "futures":
        found = inputs.find_plan(plan, changes, first)
        inputs.check_plan(found, plan)
        doubts = inputs.find_doubts(found.instance, found.result)
        subject = page_studies.StudySubject(plan, found.instance, found.result, accuracy, search.time_limit)
        is_stopped = not found.is_saved and found.result.status == "stopped"
    else:
        result = _find_futures(plan, changes, first)
        doubts = inputs.find_doubts(instance_of(result), result) if result.solved_instance is None else ()
        subject = page_studies.StudySubject(plan, instance_of(result), result, accuracy, search.time_limit)
    drawn = subject.plan
    if study is not None:
        tasks = page_studies.study_tasks([study], subject)
        made = page_studies.carry_out_all(tasks, subject.instance.money, 0.0, search.time_limit)
        if study not in made:
            common.fail("stopped before there was an answer.", ExitCode.STOPPED)
        drawn = made[study]

    from optimizer.report.html.sections import draw_study_plot
    from optimizer.report.study_narrative import view_of
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result

    assert not isinstance(drawn, Result)
    is_stopped |= drawn.status == "stopped" if isinstance(drawn, FuturesResult) else view_of(drawn).is_stopped(drawn)
    common.write_plot(output, partial(draw_study_plot, drawn), is_stopped=is_stopped)
    common.end(survives=True, is_stopped=is_stopped, disagrees=bool(doubts))


def _find_futures(plan: str, changes: options.Changes, search: options.PlanSearch) -> "FuturesResult":
    result = inputs.find_futures(plan, changes, search)
    if result is None or len(result.futures) == 1:
        common.fail(f"{plan}: there are no futures to draw: the plan is of one.", ExitCode.BAD_INSTANCE)
    if not result.futures:
        code = ExitCode.STOPPED if result.status == "stopped" else ExitCode.NO_PLAN_SURVIVES
        common.fail(f"{plan}: there is no plan; its status is {result.status}.", code)
    return result


def _check_choice(kind: str, output: Path, chosen: Mapping[str, object]) -> None:
    """Refuse, as a usage error, an unknown kind of figure or form of file, and an option of another kind."""
    if kind not in _KINDS:
        raise typer.BadParameter(f"write one of {', '.join(_KINDS)}.", param_hint="KIND")
    arguments.file_path("output", output, PLOT_FORMS)
    for option, value in chosen.items():
        if value is not None and value is not False and kind not in _KINDS_OF_OPTION[option]:
            *others, last = _KINDS_OF_OPTION[option]
            kinds = f"{', '.join(others)} and {last}" if others else last
            raise typer.BadParameter(f"{kind} has none; it is for {kinds}.", param_hint=f"--{option}")
