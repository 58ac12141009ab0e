"""diversify report: one page that can be put in front of a minister, or a workbook for whoever checks it."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from optimizer.cli import common, options, progress, sources, targets

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance
    from optimizer.results.result import Result
    from optimizer.solver import Settings
    from optimizer.studies.frontier import Frontier

PAGES = (".html", ".htm")
BOOK = ".xlsx"


@common.guarded
@options.shared
def report(
    source: options.PlanFile,
    changes: options.Changes,
    adversary: options.Adversary = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page (.html), or a workbook (.xlsx).")] = Path(
        "report.html"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the frontier: no other budget is asked.")] = False,
    budgets: Annotated[
        str | None, typer.Option(help="Budgets of the frontier, such as 0,250M,1B; chosen where they are left out.")
    ] = None,
    gap: options.Gap = 0.02,
    time_limit: Annotated[
        float | None, typer.Option(min=0, help="Seconds for each plan, after which its best is taken.")
    ] = None,
    instance_: Annotated[
        Path | None,
        typer.Option("--instance", metavar="FILE", help="Take comments, the sources, from this file, not the plan's."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the numbers of the page as one JSON object.")] = False,
) -> None:
    """Write a report of a plan: one page that needs no network and opens from disk, or an Excel workbook.

    Plans of other budgets are searched for unless --quick is given; Ctrl-C ends that, and the page has those found so
    far. Exit codes: those of the plan, as for solve; 5 too where the search for other budgets was stopped.
    """
    is_book = output.suffix.lower() == BOOK
    if output.suffix.lower() not in PAGES and not is_book:
        raise typer.BadParameter("write a name that ends in .html or .xlsx.", param_hint="--output")
    if is_book and (json or budgets is not None):
        raise typer.BadParameter("a workbook holds one plan: leave out --json and --budgets.", param_hint="--output")
    targets.check_file(output, "--output", source, instance_)
    if instance_ is not None and not instance_.is_file():
        raise typer.BadParameter(f"{instance_} is no file.", param_hint="--instance")
    amounts = None if budgets is None else [common.amount(each, "--budgets") or 0.0 for each in budgets.split(",")]

    from dataclasses import replace

    from optimizer.solver import Settings
    from optimizer.studies.frontier import alone

    # Of a saved plan the limit is that of other budgets alone.
    of_plan = None if sources.is_plan(source) else time_limit
    planned = sources.planned(source, changes, of_plan, adversary=adversary)
    instance, result, is_stopped = planned.instance, planned.result, planned.interrupted
    held = common.fitting(source) if planned.is_saved else contextlib.nullcontext()
    if instance_ is not None:
        from optimizer.io.load import open_document

        open_document(instance_)
        result = common.commented(result, str(instance_))
    if is_book:
        with held:
            _book(instance, result, output)
    found = replace(alone(instance, result), stopped=is_stopped)
    if not quick and not is_stopped and result.baseline is not None:
        found = searched(instance, result, amounts, Settings(gap=gap, time_limit=time_limit))

    from optimizer.report.figures.book import book

    doubts = common.doubts(instance, result)
    with held:
        data = book(instance, found, is_quick=quick, warnings=doubts).to_dict()
    from optimizer.report.figures.saying import sentence
    from optimizer.report.page import page

    if json:
        import json as text

        typer.echo(text.dumps(data, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        _tell(sentence(instance, result))
    _end(result, output, page(data), doubts, stopped=found.stopped)


def _book(instance: "Instance", result: "Result", output: Path) -> NoReturn:
    """The plan as a workbook; no other budget is asked."""
    from optimizer.report.answer import headline
    from optimizer.report.workbook import workbook

    doubts = common.doubts(instance, result)
    _tell(f"{result.instance}: {headline(result)}")
    _end(result, output, workbook(instance, result, doubts), doubts, stopped=False)


def _tell(answer: str) -> None:
    from optimizer.report.screen import Screen

    Screen().print(answer)


def _end(result: "Result", output: Path, content: str | bytes, doubts: tuple[str, ...], *, stopped: bool) -> NoReturn:
    """Write what was made, whatever is to be said against the plan; that is said last, and is the exit code."""
    targets.written(output, content)
    for doubt in doubts:
        common.say(doubt)
    if doubts:
        raise typer.Exit(common.INTERNAL)
    raise typer.Exit(common.STOPPED if stopped else common.exit_code(result))


def searched(instance: "Instance", result: "Result", budgets: list[float] | None, settings: "Settings") -> "Frontier":
    """The frontier, as far as it was waited for; the plan at hand alone where there is no more."""
    from dataclasses import replace

    from optimizer.studies.frontier import alone, frontier

    try:
        with progress.display(instance.money, lists_tasks=True) as listener:
            return frontier(instance, result, budgets, settings, listener)
    except KeyboardInterrupt:
        return replace(alone(instance, result), stopped=True)
