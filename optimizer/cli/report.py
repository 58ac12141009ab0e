"""diversify report: one page that can be put in front of a minister, or a workbook for its reviewers."""

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from optimizer.cli import common, inputs, options, outputs, progress

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance
    from optimizer.results.futures import FuturesResult
    from optimizer.results.result import Result
    from optimizer.solver import Settings
    from optimizer.studies.frontier import Frontier

_PAGES = (".html", ".htm")
_BOOK = ".xlsx"


def command(
    source: options.PlanFile,
    changes: options.Changes,
    search: options.PlanSearch,
    accuracy: options.Accuracy,
    plan: options.OtherPlan = None,
    quick: Annotated[bool, options.search_option("--quick", help="Leave out plans of other budgets.")] = False,
    budgets: Annotated[
        str | None, options.search_option(metavar="LIST", help="Other budgets, such as 0,250M,1B.")
    ] = None,
    output: Annotated[
        Path, options.answer_option("--output", "-o", metavar="FILE", help="A page (.html) or a workbook (.xlsx).")
    ] = Path("report.html"),
    instance_: Annotated[
        Path | None, options.answer_option("--instance", metavar="FILE", help="Take comments (sources) from this file.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Write a plan as an HTML page or an Excel workbook.

    Example: diversify report instances/tiny.yaml --quick --output report.html
    Manual:  docs/how-to/report.md
    """
    _check_output(output, source, instance_, has_pages_only=json or budgets is not None)
    amounts = _parse_budgets(budgets)

    from optimizer.solver import Settings
    from optimizer.studies.frontier import single_point

    futures = inputs.find_futures(source, changes, search) if plan is None else None
    if futures is not None:
        _end_with_futures(futures, output, json=json)
    found = _find(source, plan, changes, search)
    instance, result = found.instance, _with_sources(found.result, instance_)
    fits = inputs.plan_that_fits(source) if found.is_saved else contextlib.nullcontext()
    if output.suffix.lower() == _BOOK:
        with fits:
            _write_book(instance, result, output)
    frontier = replace(single_point(instance, result), stopped=found.interrupted)
    if not quick and not found.interrupted and result.baseline is not None:
        frontier = find_frontier(instance, result, amounts, Settings(gap=accuracy.share, time_limit=search.time_limit))

    from optimizer.report.html.book import book

    doubts = inputs.audit_warnings(instance, result)
    with fits:
        data = book(instance, frontier, is_quick=quick, warnings=doubts).to_dict()
    from optimizer.report.html import page
    from optimizer.report.narrative import sentence

    if json:
        common.print_json(data)
    else:
        _print_answer(sentence(instance, result))
    _end(result, output, page(data), doubts, stopped=frontier.stopped)


def _end_with_futures(result: "FuturesResult", output: Path, *, json: bool) -> NoReturn:
    """The page of a plan of several futures; it has no plans of other budgets."""
    from optimizer.report.html.futures_page import futures_book, futures_page
    from optimizer.report.tables.futures import futures_headline

    if output.suffix.lower() == _BOOK:
        what = "a workbook holds the plan of one future: choose it by --future, or write a page."
        raise typer.BadParameter(what, param_hint="--output")
    doubts = inputs.futures_warnings(result) if result.problem is None else ()
    if json:
        common.print_json(futures_book(result, doubts))
    else:
        _print_answer(f"{result.instance}: {futures_headline(result)}")
    outputs.write_answer(output, futures_page(result, doubts))
    for doubt in doubts:
        common.print_message(doubt)
    common.end_with_plan(result, disagrees=bool(doubts))


def _find(source: str, plan: str | None, changes: options.Changes, search: options.PlanSearch) -> inputs.PlanInput:
    """The plan: solved for, saved, or given. Of one that is there the time limit is that of other budgets alone."""
    without_limit = replace(search, time_limit=None)
    if plan is not None:
        return inputs.read_written_plan(source, plan, changes, without_limit)
    return inputs.find_plan(source, changes, without_limit if inputs.is_saved_plan(source) else search)


def _check_output(output: Path, source: str, instance: Path | None, *, has_pages_only: bool) -> None:
    """Refuse, as usage, a file that cannot be written, or options that a workbook does not have."""
    is_book = output.suffix.lower() == _BOOK
    if output.suffix.lower() not in _PAGES and not is_book:
        raise typer.BadParameter("write a name that ends in .html or .xlsx.", param_hint="--output")
    if is_book and has_pages_only:
        raise typer.BadParameter("a workbook holds one plan: leave out --json and --budgets.", param_hint="--output")
    outputs.check_file(output, "--output", source, instance)
    if instance is not None and not instance.is_file():
        raise typer.BadParameter(f"{instance} is no file.", param_hint="--instance")


def _parse_budgets(text: str | None) -> list[float] | None:
    if text is None:
        return None
    return [common.parse_amount_option(each, "--budgets") or 0.0 for each in text.split(",")]


def _with_sources(result: "Result", instance: Path | None) -> "Result":
    """The result with the comments of another file than its own, where one is named."""
    if instance is None:
        return result
    from optimizer.io.load import open_document

    open_document(instance)
    return inputs.with_comments(result, str(instance))


def _write_book(instance: "Instance", result: "Result", output: Path) -> NoReturn:
    """The plan as a workbook, without plans of other budgets."""
    from optimizer.report.excel import workbook
    from optimizer.report.narrative import plan_headline

    doubts = inputs.audit_warnings(instance, result)
    _print_answer(f"{result.instance}: {plan_headline(result)}")
    _end(result, output, workbook(instance, result, doubts), doubts, stopped=False)


def _print_answer(answer: str) -> None:
    from optimizer.report.screen import Screen

    Screen().print(answer)


def _end(result: "Result", output: Path, content: str | bytes, doubts: tuple[str, ...], *, stopped: bool) -> NoReturn:
    """Write the report even where the audit disagrees with the plan; that is printed last, and is the exit code."""
    outputs.write_answer(output, content)
    for doubt in doubts:
        common.print_message(doubt)
    common.end_with_plan(result, is_stopped=stopped, disagrees=bool(doubts))


def find_frontier(
    instance: "Instance", result: "Result", budgets: list[float] | None, settings: "Settings"
) -> "Frontier":
    """Plans of other budgets, as far as they are known when the user stops the search."""
    from optimizer.studies.frontier import frontier, single_point

    try:
        with progress.display(instance.money, lists_tasks=True) as listener:
            return frontier(instance, result, budgets, settings, listener)
    except KeyboardInterrupt:
        return replace(single_point(instance, result), stopped=True)
