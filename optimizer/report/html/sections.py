"""Sections of a page for studies and for pictures of the plan at hand: sentences, a figure, and its numbers.

The frames of a study are folded below the figure. All numbers are those in the JSON of its command. A picture is the
figure that `plot` draws of the same data; its numbers are in the JSON of the report.
"""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimizer.errors import has_extra
from optimizer.instance.reading import instance_of
from optimizer.report.figures.answers import ChartedStudy, chart_of
from optimizer.report.figures.canvas import STYLE, Canvas, draw_chart, file_bytes, use_all_fonts
from optimizer.report.figures.plot import (
    Choice,
    draw_plot,
    draw_results,
    drawn_stocks,
    drawn_years,
    hardest_sources,
    least_outlay_note,
    maps_of,
)
from optimizer.report.figures.studies import draw_discovery, draw_futures
from optimizer.report.figures.world_map import map_table
from optimizer.report.figures.years import drawdown_table, sources_tables, years_table
from optimizer.report.format import shock_title
from optimizer.report.html.book import Book, tidy
from optimizer.report.study_narrative import view_of
from optimizer.report.tables.render import page_table
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.studies.comparison import Comparison
from optimizer.studies.discovery_result import Discovery
from optimizer.tolerances import SHOWN_SHARE
from optimizer.units import si

# Outlines in an SVG file, rounded to a tenth of a point: finer steps are invisible.
_OUTLINE, _DECIMALS = re.compile(rb' d="[^"]*"'), re.compile(rb"(\.\d)\d+")

# Studies with a figure.
Study = Discovery | ChartedStudy
# The numbers of a picture, and the tables behind it.
PictureData = tuple[dict[str, Any], list[dict[str, Any]]]
# Frames with more rows are only in the JSON and the CSV files of the command.
_MOST_ROWS = 100


@dataclass(frozen=True)
class PageSection:
    """A section of a page: a study, a picture of the plan, or some of its facts and tables."""

    name: str  # unique on the page: for a study its command, for a picture the kind of `plot`
    title: str  # title of the section
    # The content, each block with a ``kind``: ``answer``, ``said``, ``text`` and ``warning`` have a text;
    # ``facts`` rows of label and text; ``table`` title, head, rows and caption; ``figure`` caption, picture, alt and
    # tables; ``chart`` the same for bars; ``folded`` a title and blocks.
    blocks: tuple[Mapping[str, Any], ...]
    link: str = ""  # its name in the list of sections, on a page that has the list
    data: Mapping[str, Any] = field(default_factory=dict)  # the study, or the numbers of the picture, for JSON
    is_stopped: bool = False  # whether the study was stopped before its end
    solves_anew: bool = False  # whether it is about plans that the study finds itself, not the plan at hand


def section_of(
    found: Study, plan: Result | FuturesResult | None = None, time_limit: float | None = None
) -> PageSection:
    """Return the section of a study, which says if the study is about another plan than the `plan` of the page.

    `time_limit` is that of all studies together, seconds.
    """
    view = view_of(found)
    first, *more = filter(None, view.sentences(found))
    said = [{"kind": "answer", "text": first}, *({"kind": "said", "text": text} for text in more)]
    blocks = (*_stop(found, time_limit), *_other_plan(found, plan), *said, *_chart(found), *_folded(found))
    stopped, anew = view.is_stopped(found), view.solves_anew
    return PageSection(view.name, view.title, blocks, view.link, found.to_dict(), stopped, anew)


def _folded(found: Study) -> list[dict[str, Any]]:
    """Return a folded block with the study's facts, those of its frames that are short enough, and its notes."""
    view, frames = view_of(found), found.frames
    facts, notes = [*map(list, view.facts(found))], [{"kind": "text", "text": text} for text in view.notes(found)]
    some = [frame for name in frames if 0 < len(frame := frames.frame(name)) <= _MOST_ROWS]
    tables = [{"kind": "table", "title": each.title, **page_table(view.instance(found), each)} for each in some]
    blocks = [*([{"kind": "facts", "rows": facts}] if facts else []), *tables, *notes]
    return [{"kind": "folded", "title": "More of what was found", "blocks": blocks}] if blocks else []


def _stop(found: Study, time_limit: float | None) -> list[dict[str, Any]]:
    """Return the block that says that a study was stopped; nothing for a complete study."""
    view = view_of(found)
    if not view.is_stopped(found):
        return []
    which = "Stopped before everything was known"
    if time_limit is not None:
        which = f"Not everything was known in its share of the {si(time_limit, 's')} of all studies"
    reached = f"{found_by_then}; " if (found_by_then := view.reached(found)) else ""
    text = f"{which}: {reached}what stands here is what was found by then."
    return [{"kind": "warning", "text": text}]


def _other_plan(found: Study, plan: Result | FuturesResult | None) -> list[dict[str, Any]]:
    """Return the block that says that a study is about another plan than the page; nothing if it is not."""
    cost = view_of(found).plan_cost(found)
    if isinstance(plan, FuturesResult):
        return _cheapest_expected(cost, plan)
    if plan is None or cost is None or abs(cost - plan.total_cost) <= SHOWN_SHARE * abs(cost):
        return []
    what = f"About the plan that this study found, of a total cost of {si(cost, plan.money, 4)}; "
    return [{"kind": "text", "text": f"{what}the plan of this page costs {si(plan.total_cost, plan.money, 4)}."}]


def _cheapest_expected(cost: float | None, plan: FuturesResult) -> list[dict[str, Any]]:
    """Return the block that says that a study minimises expected cost, and the plan of the page another measure."""
    if cost is None or plan.measure == "expected cost" or len(plan.futures) > 1:
        return []
    what = f"About the plan of least expected cost that this study found, {si(cost, plan.money, 4)}; the plan of this "
    what += f"page is chosen by {plan.measure}, and its expected cost is {si(plan.expected_cost, plan.money, 4)}. "
    return [{"kind": "text", "text": f"{what}What stands here need not hold of it."}]


def _chart(found: Study) -> list[dict[str, Any]]:
    """Return the chart of bars with its rows as a table, or the figure of a discovery; nothing without data."""
    if isinstance(found, Discovery):
        return _plane(found)
    try:
        chart = chart_of(found)
    except ValueError:
        return []
    return [{"kind": "chart", "caption": chart.title, **chart.on_page(), "behind": chart.table()}]


def _plane(found: Discovery) -> list[dict[str, Any]]:
    """Return the figure of samples and boxes with its numbers; nothing without its extra, or without any box."""
    if not has_extra("plot") or not found.boxes:
        return []
    behind = [page_table(found.instance, found.frames.frame("conditions"))]
    alt = "Samples and boxes, as a figure; the table behind it has its numbers."
    return [figure_block("Samples and boxes", draw_study_plot(found, "svg"), alt, behind)]


def _map(book: Book) -> PictureData:
    maps = maps_of(book)
    return {"maps": [each.to_dict() for each in maps]}, map_table(book.instance, maps)


def _years(book: Book) -> PictureData:
    years = drawn_years(book)
    return {"years": [dict(vars(each)) for each in years]}, [years_table(book.own.result, years)]


def _drawdown(book: Book) -> PictureData:
    outcome, stocks = drawn_stocks(book)
    start = book.instance.event(outcome.name).periods.start
    data = {"shock": outcome.name, "start": start, "stocks": [dict(vars(each)) for each in stocks]}
    return data, [drawdown_table(book.instance, outcome, stocks)]


def _segment_sources(book: Book) -> PictureData:
    both, chosen = hardest_sources(book)
    return {"paths": [dict(vars(each)) for each in both], "chosen": chosen}, sources_tables(book.instance, both, chosen)


_MAPPED = "The baseline and, in the same periods, the shock with the largest gap that counts; without any, the tightest"
_NO_MAP = "No region of the file names a country, so there is no map."
# By kind of `plot`: title of the section, caption, name in the list of sections, and function for the numbers.
_PICTURES: Mapping[str, tuple[str, str, str, Callable[[Book], PictureData]]] = {
    "map": ("Who supplies, and what is built where", _MAPPED, "Map", _map),
    "years": ("Money and builds by year", "Outlay by lever; builds decided, and on line", "By year", _years),
    "drawdown": (
        "Stocks within a shock",
        "{shock}: the shock that draws most tonnes from all stocks, those of all materials added up",
        "Draw-down",
        _drawdown,
    ),
    "sources": (
        "Who serves the segment that lacks most",
        "In the baseline, and in the shock that leaves most of it unserved",
        "Who serves",
        _segment_sources,
    ),
}


def plan_pictures(book: Book) -> tuple[PageSection, ...]:
    """Return the pictures of the plan at hand; none without the extra for figures, or without a plan."""
    if not has_extra("plot") or book.own.result.baseline is None:
        return ()
    made = list[PageSection]()
    for kind, (title, caption, link, numbers) in _PICTURES.items():
        try:
            data, behind = numbers(book)
        except ValueError:
            # The plan has no data of this kind.
            continue
        alt = f"{title}, as a figure; the table behind it has its numbers."
        caption = caption.format(shock=shock_title(book.instance, data.get("shock", "")))
        if kind == "map" and not _has_place(data):
            tables = [{"kind": "table", "title": "", **each} for each in behind]
            blocks: Sequence[Mapping[str, Any]] = ({"kind": "text", "text": _NO_MAP}, *tables)
        else:
            blocks = (figure_block(caption, draw_plot(book, kind, Choice(), "svg"), alt, behind),)
        made.append(PageSection(kind, title, tuple(blocks), link, data))
    return tuple(made)


def _has_place(data: Mapping[str, Any]) -> bool:
    """Return whether some region of some map names a country or a union."""
    return any(region["place"] is not None for shown in data["maps"] for region in shown["regions"])


def picture_data(pictures: Sequence[PageSection]) -> dict[str, Any]:
    """Return the numbers of the pictures for the JSON of a report; empty without pictures."""
    return {"pictures": {each.name: tidy(each.data) for each in pictures}} if pictures else {}


def draw_study_plot(subject: FuturesResult | Study, suffix: str) -> bytes:
    """Return the figure of a plan of several futures, or of a study, as a file: ``svg``, ``png`` or ``pdf``.

    Raises:
        ValueError: there is nothing to draw; the message says why.
    """
    from matplotlib import rc_context

    with rc_context(dict(STYLE)), use_all_fonts():
        return file_bytes(_canvas_of(subject), suffix)


def _canvas_of(subject: FuturesResult | Study) -> Canvas:
    if isinstance(subject, FuturesResult):
        return draw_futures(instance_of(subject), subject)
    if isinstance(subject, Comparison):
        return _draw_comparison(subject)
    return draw_discovery(subject) if isinstance(subject, Discovery) else draw_chart(chart_of(subject))


def _draw_comparison(found: Comparison) -> Canvas:
    """Draw plans by budget if one case has several budgets, else a bar for each column."""
    columns = [each for each in found.columns if each.budget is not None and each.result.baseline is not None]
    if len(found.cases) > 1 or len(columns) < 2:
        return draw_chart(chart_of(found))
    (instance,) = found.cases.values()
    notes = [note for each in found.least for note in least_outlay_note(instance, each.outlay)]
    return draw_results(instance, [each.result for each in columns], None, notes)


def figure_block(caption: str, svg: bytes, alt: str, behind: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return a figure as a block: its SVG as a data address, described by `alt`, and its numbers as tables."""
    rounded = _OUTLINE.sub(lambda found: _DECIMALS.sub(rb"\1", found[0]), svg)
    address = "data:image/svg+xml;base64," + base64.b64encode(rounded).decode()
    return {"kind": "figure", "caption": caption, "alt": alt, "picture": address, "behind": list(behind)}
