"""The plan of several futures as one page that needs nothing else: the answer, the tree, the tables of the screen."""

from collections.abc import Mapping, Sequence
from typing import Any

from optimizer.extras import has_extra
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.brief.futures import make_futures_brief
from optimizer.report.figures.studies import draw_study_plot
from optimizer.report.html.book import tidy
from optimizer.report.html.template import PageSection, picture_address, render_page
from optimizer.report.tables.futures import (
    futures_facts,
    futures_headline,
    money_range,
    order_size,
    order_time,
    stage_caption,
    stage_headline,
)
from optimizer.report.tables.plan import run_line
from optimizer.report.tables.render import page_table
from optimizer.results.futures import FuturesResult
from optimizer.studies.futures.stage_frames import decisions_frame
from optimizer.studies.futures.stages import Stage, find_stages


def futures_book(
    result: FuturesResult, warnings: Sequence[str] = (), comments: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The JSON object that `report --json` prints for a plan of several futures.

    Args:
        result: the plan.
        warnings: what has to be said first.
        comments: of its file, as `Result.comments` holds them.
    """
    instance, stages = instance_of(result), find_stages(result)
    return {
        "instance": result.instance,
        "description": instance.description or "",
        "currency": result.currency,
        "periods": list(result.periods),
        "status": result.status,
        "survives": result.survives,
        "headline": futures_headline(result),
        "brief": tidy(make_futures_brief(instance, result, warnings, comments).to_dict()),
        "facts": [list(fact) for fact in futures_facts(instance, result, stages)],
        "stages": [_stage(instance, result, stage) for stage in stages],
        "futures": [each.to_dict() for each in result.futures],
        "table": page_table(instance, result.frames.frame("futures")) if result.futures else None,
        "notes": list(result.notes),
        "warnings": list(warnings),
        "record": run_line(result).plain,
    }


def _stage(instance: Instance, result: FuturesResult, stage: Stage) -> Mapping[str, Any]:
    """What is bought in a stage, as a table; ranges as on the screen."""
    frame = decisions_frame(instance, result, [stage])
    shown = page_table(instance, frame.select(("branch", "probability", "option", "kind")))
    rows = [
        [*texts, order_time(row), order_size(instance, row.item[1]), money_range(row.item[1].paid)]
        for texts, row in zip(shown["rows"], frame.rows(), strict=True)
    ]
    return {
        "title": stage_headline(instance, result, stage),
        "head": [*shown["head"], "Decided", ">Size", f">Spent, {result.money}"],
        "rows": rows,
        "caption": stage_caption(instance, stage).replace("\n", ". "),
    }


def futures_page(result: FuturesResult, data: dict[str, Any], sections: Sequence[PageSection] = ()) -> str:
    """The page of `futures_book`, with the studies beside it; without figures where their extra is not installed."""
    tree = None
    if has_extra("plot") and len(result.futures) > 1:
        tree = {
            "caption": "The tree of futures",
            "alt": "The tree of futures with the decisions on its edges; the tables below have its numbers.",
            "picture": picture_address(draw_study_plot(result, "svg")),
            "behind": [],
        }
    scripts = ("theme.js", "futures.js")
    return render_page("futures.html.j2", scripts, book=data, tree=tree, sections=sections)
