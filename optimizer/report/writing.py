"""The report of a result as a file, from Python."""

from collections.abc import Sequence
from pathlib import Path

from optimizer.audit import verify
from optimizer.files import write_whole
from optimizer.instance.edits import MoneyLike, money
from optimizer.instance.reading import read
from optimizer.report.figures.book import book
from optimizer.report.page import page
from optimizer.results.result import Result
from optimizer.studies.frontier import frontier, single_point


def write_report(result: Result, path: str | Path, *, budgets: Sequence[MoneyLike] | None = ()) -> None:
    """Write a plan as one page (.html), whole or not at all.

    Args:
        result: the plan, with its instance in it.
        path: the file.
        budgets: money, undiscounted, as numbers or text such as "250M", of the plans on the slider, each solved for;
            None chooses them; none by default.

    Raises:
        InstanceError: the instance in the result is no longer a sound one.
        OSError: the file cannot be written.
        SolverError: the solver failed at a plan of another budget.
        ValueError: a budget that is no amount of money.
    """
    amounts = None if budgets is None else [money(budget, "budgets") or 0.0 for budget in budgets]
    instance = read(result.data)
    said = verify(instance, result).disagreements
    warnings = (f"THE AUDIT DISAGREES: do not rely on this plan. {said[0]}",) if said else ()
    is_quick = result.baseline is None or amounts == []
    found = single_point(instance, result) if is_quick else frontier(instance, result, amounts)
    write_whole(path, page(book(instance, found, is_quick=is_quick, warnings=warnings).to_dict()))
