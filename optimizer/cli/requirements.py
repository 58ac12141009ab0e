"""Stockpile requirements, as `report --requirements` gives them: a page or a workbook, and tables or JSON."""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from optimizer.cli import common, inputs, options, outputs, progress

if TYPE_CHECKING:
    from optimizer.studies.requirements.study import Requirements


def check_requirements(source: str, changes: options.Changes, *, has_plan: bool, left_out: dict[str, bool]) -> None:
    """Refuse, before anything is solved, options that do not go with requirements, and what has none.

    Raises:
        InstanceError: no shocks, no demand, or several futures.
    """
    for option, is_given in left_out.items():
        if is_given:
            what = "stockpile requirements, a page (.html) or a workbook (.xlsx), do not have it: leave it out."
            raise typer.BadParameter(what, param_hint=option)
    if changes.future is None and inputs.is_futures_plan(source):
        what = f"{source} is a plan of several futures: take one of them by --future NAME."
        raise typer.BadParameter(what, param_hint="--requirements")
    if has_plan or not inputs.is_saved_plan(source):
        from optimizer.studies.requirements.study import check_conflict

        check_conflict(inputs.change_instance(source, changes, takes_futures=True).instance)


def end_with_requirements(
    found: inputs.PlanInput, search: options.PlanSearch, output: Path, *, quick: bool, json: bool
) -> NoReturn:
    """Write the page or the workbook, print the tables or JSON, and end with the exit code of the plan."""
    from optimizer.solver import Settings
    from optimizer.studies.requirements.study import find_requirements

    doubts = inputs.audit_warnings(found.instance, found.result) if found.is_saved else ()
    settings = Settings(gap=search.mip_gap, time_limit=search.time_limit)
    is_quick = quick or found.interrupted
    with progress.display(found.instance.money, lists_tasks=True) as listener:
        made = find_requirements(found.instance, found.result, is_quick=is_quick, settings=settings, listener=listener)
    if json:
        common.print_json(made.to_dict())
    else:
        from optimizer.report.tables.requirements import show_requirements

        show_requirements(made)
    outputs.write_answer(output, _content(made, output, doubts))
    for doubt in doubts:
        common.print_message(doubt)
    common.end_with_plan(found.result, is_stopped=made.stopped or found.interrupted, disagrees=bool(doubts))


def _content(found: "Requirements", output: Path, doubts: tuple[str, ...]) -> str | bytes:
    from optimizer.report.excel import requirements_workbook
    from optimizer.report.html.pages import requirements_page

    is_book = output.suffix.lower() == ".xlsx"
    return requirements_workbook(found, doubts) if is_book else requirements_page(found, doubts)
