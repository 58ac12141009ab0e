"""The report as one page that needs nothing else: its data, its scripts, its look."""

import base64
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from optimizer.extras import BRIEF_FORMS
from optimizer.files import write_whole
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.brief.content import make_brief
from optimizer.report.brief.decisions import find_brief_slips
from optimizer.report.brief.writers import write_brief
from optimizer.report.excel import audit_plan
from optimizer.report.figures.studies import Study
from optimizer.report.html.book import Book
from optimizer.report.html.book import book as make_book
from optimizer.report.html.futures_page import futures_book, futures_page
from optimizer.report.html.sections import section_of
from optimizer.report.html.template import PageSection, embed_json, render_page
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.solver import Settings
from optimizer.studies.frontier import frontier, single_point
from optimizer.units import MoneyLike, money

SCRIPTS = ("core.js", "survival.js", "plan.js", "flows.js", "money.js", "theme.js", "page.js")


def page(data: dict[str, Any], sections: Sequence[PageSection] = ()) -> str:
    """The page of a report's data, `Book.to_dict`, and of the studies beside it."""
    own = data["points"][data["frontier"]["own"]]
    return render_page(
        "report.html.j2",
        SCRIPTS,
        book=data,
        sections=sections,
        own={**data["points"][own["same"]], **own} if "same" in own else own,
        data=embed_json(data),
        plotly=_packed_plotly(),
    )


@cache
def _packed_plotly() -> str:
    """The library of figures, deflated, as text: two fifths of its size."""
    library = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(zlib.compress(library, 9)).decode()


def write_report(
    result: Result | FuturesResult,
    path: str | Path,
    budgets: Sequence[MoneyLike] | None = (),
    *,
    studies: Sequence[Study] = (),
) -> None:
    """Write a plan as one page (.html), or its brief alone (.pdf, .docx, .md), whole or not at all.

    Args:
        result: the plan, with its instance in it, of one future or of several.
        path: the file.
        budgets: money, undiscounted, as numbers or text such as "250M", of the plans on the slider, each solved for;
            None chooses them; none by default. A plan of several futures has no slider.
        studies: what `futures_study` or `discover` gave, each a section of the page. The brief has what slips do where
            `budgets` are chosen, or some are named.

    Raises:
        InstanceError: the instance in the result is no longer a sound one.
        OSError: the file cannot be written.
        SolverError: the solver failed at a plan of another budget.
        ValueError: a budget that is no amount of money.
    """
    form, sections = Path(path).suffix.lower(), [section_of(study) for study in studies]
    if isinstance(result, FuturesResult):
        made = futures_book(result, _warnings(instance_of(result), result))
        is_brief = form in BRIEF_FORMS
        write_whole(path, write_brief(made["brief"], form) if is_brief else futures_page(result, made, sections))
        return
    amounts = None if budgets is None else [money(budget, "budgets") or 0.0 for budget in budgets]
    shown = _page_book(result, amounts, sections)
    if form in BRIEF_FORMS:
        write_whole(path, write_brief(shown.to_dict()["brief"], form))
        return
    # The figures for print are made of this package's book.
    from optimizer.report.html.pictures import picture_data, plan_pictures

    pictures = plan_pictures(shown)
    write_whole(path, page(shown.to_dict() | picture_data(pictures), (*pictures, *sections)))


def _warnings(instance: Instance, result: Result | FuturesResult) -> tuple[str, ...]:
    said = audit_plan(instance, result)
    return (f"THE AUDIT DISAGREES: do not rely on this plan. {said[0]}",) if said else ()


def _page_book(result: Result, amounts: list[float] | None, sections: Sequence[PageSection]) -> Book:
    """What a page shows, its plans of other budgets solved for."""
    instance, is_quick = instance_of(result), result.baseline is None or amounts == []
    warnings = _warnings(instance, result)
    found = single_point(instance, result) if is_quick else frontier(instance, result, amounts)
    slips = () if is_quick else find_brief_slips(instance, result, Settings())
    known = {section.name: section.data for section in sections}
    brief = make_brief(instance, result, frontier=found, slips=slips, studies=known, warnings=warnings)
    return make_book(instance, found, is_quick=is_quick, warnings=warnings, brief=brief)
