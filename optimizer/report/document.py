"""Reports as files: a self-contained page, a brief or a workbook of a plan, and pages of requirements.

A page is made of templates, scripts, data and pictures, all embedded in the file.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from optimizer import arguments
from optimizer.errors import BRIEF_FORMS, REPORT_FORMS, WORKBOOK_FORM, has_extra, require_extra
from optimizer.files import write_whole
from optimizer.instance.derived import prices_respond
from optimizer.instance.edits import differing_sections
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.io.load import comments_of, inspect_document, open_document
from optimizer.report.brief.content import make_brief
from optimizer.report.brief.futures import make_each_brief, make_futures_brief
from optimizer.report.brief.plan_parts import Brief
from optimizer.report.brief.writers import paper_scale, write_brief
from optimizer.report.excel import workbook
from optimizer.report.figures.studies import draw_funding_plot
from optimizer.report.format import between, changed_words, percent, plural
from optimizer.report.html.book import Book, tidy
from optimizer.report.html.book import book as make_book
from optimizer.report.html.sections import (
    PageSection,
    Study,
    draw_study_plot,
    figure_block,
    picture_data,
    plan_pictures,
    section_of,
)
from optimizer.report.provenance import sources, with_file
from optimizer.report.study_narrative import view_of
from optimizer.report.tables.checks import value_differences
from optimizer.report.tables.futures import (
    futures_facts,
    futures_headline,
    order_size,
    order_time,
    stage_caption,
    stage_headline,
)
from optimizer.report.tables.plan import run_line
from optimizer.report.tables.render import page_table
from optimizer.report.tables.requirements import requirement_facts, requirement_headline
from optimizer.results.frames import Frame
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.solver import Settings
from optimizer.studies.compare import BudgetList, frontier
from optimizer.studies.comparison import Comparison, Frontier, single_point
from optimizer.studies.delays import find_brief_delays, find_futures_delays
from optimizer.studies.discovery_result import Discovery
from optimizer.studies.frames import decisions_frame
from optimizer.studies.futures.stages import Stage, find_stages
from optimizer.studies.purchases import DelaysByFuture
from optimizer.studies.requirements_assessment import CLAUSES
from optimizer.studies.requirements_result import Requirements
from optimizer.studies.stress_result import Stress
from optimizer.studies.verify import audit_warnings
from optimizer.units import budget_list

SCRIPTS = ("core.js", "survival.js", "plan.js", "flows.js", "money.js", "theme.js", "page.js")


def page(data: dict[str, Any], sections: Sequence[PageSection] = (), *, prices_respond: bool = False) -> str:
    """Return the page of a report's data (`Book.to_dict`) and of the studies beside it.

    Unless `prices_respond`, the page states that purchases do not move prices.
    """
    own = data["points"][data["frontier"]["own"]]
    return render_page(
        "report.html.j2",
        SCRIPTS,
        book=data,
        page_title=f"{data['instance']} – the plan",
        heading=data["instance"],
        span=f"{data['horizon']['periods'][0]} to {data['horizon']['periods'][-1]}, by {data['horizon']['step']}",
        sections=sections,
        prices_respond=prices_respond,
        own={**data["points"][own["same"]], **own} if "same" in own else own,
        data=embed_json(data),
        plotly=_packed_plotly(),
    )


@cache
def _packed_plotly() -> str:
    """Return the plotting library, deflated and encoded as text: two fifths of its size."""
    library = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(zlib.compress(library, 9)).decode()


@dataclass(frozen=True)
class ReportParts:
    """Parts that a report is made of."""

    # The instance and its plan, for one future or for several.
    instance: Instance
    result: Result | FuturesResult
    frontier: Frontier | None = None  # plans of other budgets; None if they were not computed
    # Effects of delaying decisions of the first year, by future if there are several; None if they were left out, and
    # empty if the search for them was stopped before the first.
    delays: Any = None
    studies: Iterable[Any] = ()  # results of studies, for the brief
    sections: Sequence[PageSection] = ()  # the same studies, as sections of a page
    warnings: tuple[str, ...] = ()  # shown first
    comments: Sequence[Mapping[str, Any]] = ()  # of the instance file, for a plan of several futures
    is_quick: bool = True  # whether other budgets were left out
    is_of_python: bool = False  # whether `write_report` writes it, so that hints name its arguments, not options
    # The frontier's data on a page, and the pictures of the plan; None and empty if they are still to be made.
    shown: Book | None = None
    pictures: Sequence[PageSection] = ()


def make_document(parts: ReportParts, form: str) -> tuple[dict[str, Any], str | bytes]:
    """Return the data of a report for JSON, and the content of its file; `form` is the suffix of the file."""
    instance, result, warnings = parts.instance, parts.result, parts.warnings
    if isinstance(result, FuturesResult):
        brief = make_futures_brief(instance, result, warnings, parts.comments, parts.delays or {}, parts.studies)
        brief = replace(brief, is_of_python=parts.is_of_python)
        data = futures_book(result, brief, warnings, parts.delays, parts.comments)
    else:
        found = parts.frontier or single_point(instance, result)
        brief = make_brief(
            instance, result, frontier=found, delays=parts.delays, studies=parts.studies, warnings=warnings
        )
        brief = replace(brief, is_of_python=parts.is_of_python)
        shown = parts.shown or make_book(instance, found, brief=brief)
        shown = replace(shown, is_quick=parts.is_quick, warnings=warnings, brief=brief)
        data = shown.to_dict()
    if form == WORKBOOK_FORM:
        return data, workbook(instance, result, warnings, brief, parts.comments)
    if form in BRIEF_FORMS:
        return data, write_brief(data["brief"], form)
    if isinstance(result, FuturesResult):
        pictures = _pictures_of_one(result, brief)
        return data | picture_data(pictures), futures_page(result, data, (*pictures, *parts.sections))
    pictures = parts.pictures or plan_pictures(shown)
    data |= picture_data(pictures)
    return data, page(data, (*pictures, *parts.sections), prices_respond=prices_respond(instance))


def write_report(
    result: Result | FuturesResult,
    path: str | Path,
    budgets: BudgetList = (),
    *,
    studies: Study | Iterable[Study] = (),
    instance_file: str | Path | None = None,
) -> None:
    """Write a plan as a page (.html, .htm), its brief (.pdf, .docx, .md) or a workbook (.xlsx), whole or not at all.

    Args:
        result: the plan, for one future or for several.
        path: the file.
        budgets: the budgets of the plans on the slider, in the forms that `compare` takes; each is solved. None chooses
            them; by default there are none. A plan of several futures has no slider.
        studies: the result of `explain`, `attack`, `alternatives`, `sensitivity`, `stress`, `discover`, `compare`,
            `share_costs` or `futures_study`, or several of them; each becomes a section of the page. The brief has the
            effects of delays if budgets are given or chosen.
        instance_file: the file of the instance, whose comments name the sources of its numbers. A plan of one future
            that `diversify solve` saved has them; `load` and `solve` leave them out.

    Raises:
        InstanceError: the instance in the result is no longer valid, or its file cannot be read.
        OSError: the file cannot be written.
        SolverError: the solver failed at a plan of another budget.
        TypeError: `result` is not a result, or an element of `studies` is not a study.
        ValueError: a budget is not an amount of money, the file name has another suffix, or a study is of another
            instance; other shocks, another adversary and another policy are allowed.
    """
    instance, target, settings = instance_of(result), arguments.file_path("path", path, REPORT_FORMS), Settings()
    has_budgets = (listed := budget_list(budgets)) != []
    several = list(studies) if isinstance(studies, Iterable) else [studies]
    _require_studies_of(result, several)
    result, comments = _with_comments(result, instance_file)
    sections, warnings = [section_of(study, result) for study in several], audit_warnings(instance, result)
    warnings += other_file_warnings(result, instance_file)
    parts = ReportParts(instance, result, studies=several, sections=sections, warnings=warnings, comments=comments)
    parts = replace(parts, is_quick=False, is_of_python=True)
    if isinstance(result, FuturesResult):
        parts = replace(parts, delays=find_futures_delays(result, settings) if has_budgets else {})
    elif result.baseline is not None and has_budgets:
        # The frontier always has the plan without a budget.
        amounts = [budget for budget in listed if budget is not None] if isinstance(listed, list) else None
        parts = replace(parts, frontier=frontier(instance, result, amounts))
        parts = replace(parts, delays=find_brief_delays(instance, result, settings))
    write_whole(target, make_document(parts, target.suffix.lower())[1])


# Sections in which the instance of a study may differ from that of the plan: they are what the study varies.
_MAY_DIFFER = frozenset({"shocks", "ensembles", "adversary", "policy", "futures"})


def _require_studies_of(result: Result | FuturesResult, studies: Iterable[Study]) -> None:
    """Raise an ArgumentError if a study is of another instance, or tests a plan of another one."""
    for study in studies:
        if differ := _difference(result, study):
            cure = f'{differ}: pass studies of "{result.title}", whose plan is written.'
            raise arguments.ArgumentError("studies", study, cure)


def _difference(result: Result | FuturesResult, study: Study) -> str:
    view = view_of(study)
    if isinstance(study, Stress | Discovery):
        # A plan may be tested in any instance.
        return "" if study.plan_title == result.title else f'it tests the plan of "{study.plan_title}"'
    cases = list(study.cases.values()) if isinstance(study, Comparison) else [view.instance(study)]
    others = [sorted({*differing_sections(case, instance_of(result))} - _MAY_DIFFER) for case in cases]
    return f"it is of an instance with other {', '.join(min(others))}" if all(others) else ""


def _with_comments(
    result: Result | FuturesResult, file: str | Path | None
) -> tuple[Result | FuturesResult, tuple[Mapping[str, Any], ...]]:
    """Return the result with the comments of an instance file, and these comments; as it is if there is no file."""
    if file is None:
        return result, ()
    comments = comments_of(open_document(arguments.file_path("instance_file", file)).file)
    return replace(result, comments=comments) if isinstance(result, Result) else result, comments


def other_file_warnings(result: Result | FuturesResult, file: str | Path | None) -> tuple[str, ...]:
    """Return one warning if a plan is of another instance than the file that its comments are taken from."""
    # What the run changed differs from its own file as well.
    found = [] if file is None or result.changes else value_differences(result, inspect_document(file)[0])
    if not found:
        return ()
    what = f"{file}, whose comments are shown, is another instance than that of the plan: {found[0]}"
    return (f"{what}{f', and {plural(len(found) - 1, "more value")}' if len(found) > 1 else ''}.",)


def futures_book(
    result: FuturesResult,
    brief: Brief,
    warnings: Sequence[str] = (),
    delays: DelaysByFuture | None = None,
    comments: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return the JSON object that `report --json` prints for a plan of several futures.

    `delays` is the result of `find_futures_delays`, for the briefs of the futures; `comments` are of the instance file.
    """
    instance, stages, plan = instance_of(result), find_stages(result), with_file(result, comments)
    return {
        "instance": result.title,
        "description": instance.description or "",
        "changed": changed_words(result.changes),
        "currency": result.currency,
        "periods": list(result.periods),
        "status": result.status,
        "survives": result.survives,
        "headline": futures_headline(result),
        "brief": tidy(brief.to_dict()),
        "briefs": [*_each_brief(result, delays, brief)] if len(result.futures) > 1 else [],
        "facts": [list(fact) for fact in futures_facts(instance, result, stages)],
        "stages": [_stage_table(instance, result, stage) for stage in stages],
        "futures": [each.to_dict() for each in result.futures],
        "table": page_table(instance, result.frames.frame("futures")) if result.futures else None,
        "sources": [] if plan is None else sources(instance, plan),
        "notes": list(result.notes),
        "warnings": list(warnings),
        "record": run_line(result).plain,
    }


def _each_brief(result: FuturesResult, delays: DelaysByFuture | None, of_all: Brief) -> Iterator[dict[str, Any]]:
    """Yield the brief, for the reader of that of all, and the purchases of each future, for the selector of futures."""
    for future, brief in make_each_brief(result, delays):
        bought = page_table(brief.instance, future.result.frames.frame("builds"))
        yield {
            "future": future.name,
            "label": f"{future.name}, {percent(future.probability)}",
            "brief": tidy(replace(brief, is_of_python=of_all.is_of_python).to_dict()),
            "blocks": [{"kind": "table", "title": "All that is bought in this future", **bought}],
        }


def _stage_table(instance: Instance, result: FuturesResult, stage: Stage) -> Mapping[str, Any]:
    """Return the purchases in a stage as a table, with ranges as on the screen."""
    frame = decisions_frame(instance, result, [stage])
    where = ("branch", "probability") if result.first_question else ()
    shown = page_table(instance, frame.select((*where, "option", "kind")))
    rows = [
        [*texts, order_time(row), order_size(instance, row.item[1]), between(*row.item[1].paid)]
        for texts, row in zip(shown["rows"], frame.rows(), strict=True)
    ]
    lines = list(filter(None, stage_caption(instance, stage).splitlines()))
    return {
        "title": stage_headline(instance, result, stage),
        "head": [*shown["head"], "Decided", ">Size", f">Spent, {result.money}"],
        "rows": rows,
        "caption": " ".join(f"{line}." if line[-1].isalnum() else line for line in lines),
    }


def futures_page(result: FuturesResult, data: dict[str, Any], sections: Sequence[PageSection] = ()) -> str:
    """Return the page of `futures_book` and of studies; without the figure if the extra ``plot`` is not installed."""
    made = [PageSection("facts", "The plan in short", ({"kind": "facts", "rows": data["facts"]},))]
    if has_extra("plot") and len(result.futures) > 1:
        alt = "The tree of futures with the decisions on its edges; the tables below have its numbers."
        tree = figure_block("The tree of futures", draw_study_plot(result, "svg"), alt)
        made.append(PageSection("tree", "What is ordered now, and what follows each answer", (tree,)))
    for number, stage in enumerate(data["stages"], start=1):
        block = {"kind": "table", **stage, "title": ""} if stage["rows"] else {"kind": "text", "text": stage["caption"]}
        made.append(PageSection(f"stage-{number}", stage["title"], (block,)))
    if data["table"] and len(result.futures) > 1:
        table = {"kind": "table", "title": "", **data["table"]}
        made.append(PageSection("futures", "Future by future", (table,)))
    studies = [replace(each, name=f"with-{each.name}") for each in sections]
    studies += [_sources_section(data["sources"])] if data["sources"] else []
    several = f" for {plural(len(result.futures), 'future')}" if len(result.futures) > 1 else ""
    return _sections_page(data, [*made, *studies], f"the plan{several}")


def _pictures_of_one(result: FuturesResult, brief: Brief) -> Sequence[PageSection]:
    """Return the pictures of a plan of one future; none for several."""
    if len(result.futures) != 1:
        return ()
    own = result.futures[0].result
    return plan_pictures(make_book(instance_of(own), single_point(instance_of(own), own), brief=brief))


def _sources_section(said: Sequence[Mapping[str, Any]]) -> PageSection:
    """Return the section of comments, sources and notes in the file, each beside its value."""
    rows = []
    for each in said:
        before = f" (in the file: {each['before']})" if each["before"] else ""
        rows.append([each["owner"] or each["section"], each["field"], each["value"] + before, each["text"]])
    table = {"kind": "table", "title": "", "head": ["About", "Field", "Value", "What the file says"], "rows": rows}
    folded = {"kind": "folded", "title": plural(len(rows), "statement"), "blocks": [{**table, "caption": ""}]}
    return PageSection("sources", "Assumptions and their sources", (folded,))


def _sections_page(data: Mapping[str, Any], sections: Sequence[PageSection], title: str, heading: str = "") -> str:
    """Return a page of an answer and sections; `title` follows the name of the instance in the window's title."""
    return render_page(
        "sections.html.j2",
        ("theme.js", "sections.js"),
        book=data,
        sections=sections,
        page_title=f"{data['instance']} – {title}",
        heading=heading or data["instance"],
        span=f"{data['periods'][0]} to {data['periods'][-1]}",
    )


# Columns of the page in addition to those of the screen and those that a clause names, by frame; other frames have
# every column with values.
MORE_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "materials": ("worst_shock", "requirement", "gap", "options"),
    "needs": ("material",),
    "holdings": ("held", "is_full", "full_until", "holding_per_year"),
    "cases": (),
    "clauses": (),
}
# Tables with more rows than this are folded.
MOST_ROWS_OPEN = 30


def requirements_page(found: Requirements, warnings: Sequence[str] = ()) -> str:
    """Return the page of stockpile requirements; without the figure if the extra ``plot`` is not installed."""
    instance = found.instance
    data = {
        "instance": instance.title,
        "description": instance.description or "",
        "changed": changed_words(found.result.changes),
        "currency": instance.currency,
        "periods": found.result.periods,
        "brief": None,
        "briefs": [],
        "survives": found.stocks.survives,
        "headline": requirement_headline(found),
        "facts": list(requirement_facts(found)),
        "warnings": warnings,
        "notes": found.notes,
        "record": f"The plan of stocks alone. {run_line(found.stocks).plain}",
    }
    sections = [_frame_section(found, frame) for frame in filled_frames(found)]
    return _sections_page(data, sections, "stockpile requirements", f"{instance.title}: stockpile requirements")


def filled_frames(found: Requirements) -> Iterator[Frame]:
    """Return the frames that have rows, in their order."""
    frames = found.frames
    return (frame for name in frames if len(frame := frames.frame(name)))


def _frame_section(found: Requirements, frame: Frame) -> PageSection:
    table = {"kind": "table", "title": "", **page_table(found.instance, _page_frame(frame))}
    if frame.name == "clauses":
        table["rows"] = _link_tables(found, table["rows"])
    if len(frame) > MOST_ROWS_OPEN:
        table = {"kind": "folded", "title": f"{len(frame)} rows", "blocks": [table]}
    blocks = (*_funding_figure(found), table) if frame.name == "funding" else (table,)
    return PageSection(frame.name, frame.title, blocks, is_stopped=found.stopped)


def _page_frame(frame: Frame) -> Frame:
    """Return a frame with the columns of clauses, of the screen and of `MORE_COLUMNS`, or all columns with values."""
    places = [key.partition(".") for clause in CLAUSES for key in clause.where]
    named = {column for name, _, column in places if name == frame.name}
    if frame.name in MORE_COLUMNS:
        shown = [column.name for column in frame.columns if column.is_shown]
        return frame.select([*named, *shown, *MORE_COLUMNS[frame.name]])
    return frame.without_empty(*({column.name for column in frame.columns} - named))


def _link_tables(found: Requirements, rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return rows of text as markup, in which tables have their titles, as links, in place of their names."""
    from markupsafe import Markup, escape

    filled = {frame.name for frame in filled_frames(found)}
    titles = {name: escape(found.frames.frame(name).title) for name in found.frames}
    named = rf"(?<![^ “])({'|'.join(titles)})(?=: |;|\. |$)"

    def link(name: re.Match[str]) -> str:
        return f'<a href="#{name[0]}">{titles[name[0]]}</a>' if name[0] in filled else titles[name[0]]

    return [[*row[:2], *(Markup(re.sub(named, link, escape(text))) for text in row[2:])] for row in rows]


def _funding_figure(found: Requirements) -> Iterator[Mapping[str, Any]]:
    if found.funding and has_extra("plot"):
        caption = "What is left of the shortfall, by money for stocks"
        alt = f"{caption}, as a figure; the table below it has its numbers."
        yield figure_block(caption, draw_funding_plot(found), alt)


def render_page(name: str, scripts: tuple[str, ...], **values: Any) -> str:
    """Return a page from the template of a name and its variables, with its style sheet and scripts embedded."""
    require_extra("report", "A report page")
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=FunctionLoader(page_part), autoescape=True, undefined=StrictUndefined)
    brief = values["book"].get("brief")
    return environment.get_template(name).render(
        version=version("optimizer"),
        # Scale of the answer in print.
        paper=f"{paper_scale(brief):.3f}" if brief and brief["parts"] else "1",
        css=Markup(page_part("page.css")),
        # No script can end its element.
        script=Markup("\n".join(map(page_part, scripts)).replace("</script", "<\\/script").replace("<!--", "<\\!--")),
        **{key: Markup(value) if key in ("data", "plotly") else value for key, value in values.items()},
    )


def page_part(name: str) -> str:
    """Return the text of one of the files that pages are made of."""
    return (files("optimizer.report.html") / name).read_text(encoding="utf-8")


def embed_json(data: dict[str, Any]) -> str:
    """Return JSON that is safe inside a script element, whatever its texts contain."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
