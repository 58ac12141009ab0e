"""Stockpile requirements as one page that needs nothing else: the answer, then a section a frame."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optimizer.extras import has_extra
from optimizer.report.figures.requirements import draw_funding_plot
from optimizer.report.html.template import PageSection, picture_address, render_page
from optimizer.report.tables.plan import run_line
from optimizer.report.tables.render import page_table
from optimizer.report.tables.requirements import requirement_facts, requirement_headline
from optimizer.results.frames import Frame
from optimizer.studies.requirements import Requirements

# Columns of the page beside those of the screen, by frame; of other frames the page has all.
MORE: Mapping[str, tuple[str, ...]] = {
    "materials": ("worst_shock", "requirement", "gap", "options"),
    "needs": ("material", "austerity"),
    "holdings": ("held", "is_full", "holding_per_year", "years_to_buy"),
    "funding": (),
    "cases": (),
}
# Tables with more rows than this are folded.
MOST_ROWS_OPEN = 30


def requirements_page(found: Requirements, warnings: Sequence[str] = ()) -> str:
    """The page; without the figure where its extra is not installed."""
    instance = found.instance
    return render_page(
        "requirements.html.j2",
        ("theme.js", "futures.js"),
        title=instance.title,
        description=instance.description or "",
        span=(found.plan.periods[0], found.plan.periods[-1]),
        currency=instance.currency,
        headline=requirement_headline(found),
        facts=list(requirement_facts(found)),
        survives=found.stocks.survives,
        warnings=warnings,
        notes=found.notes,
        sections=[_section(found, frame) for frame in filled_frames(found)],
        record=run_line(found.stocks).plain,
    )


def filled_frames(found: Requirements) -> Iterator[Frame]:
    """The frames that have rows, in their order."""
    frames = found.frames
    return (frame for name in frames if len(frame := frames.frame(name)))


def _section(found: Requirements, frame: Frame) -> PageSection:
    kind = "table" if len(frame) <= MOST_ROWS_OPEN else "folded"
    shown = page_table(found.instance, _page_frame(found, frame))
    table = {"kind": kind, "title": "", "count": len(frame), **shown}
    blocks = (*_figure(found), table) if frame.name == "funding" else (table,)
    return PageSection(frame.name, frame.title, frame.title, blocks, {}, found.stopped)


def _page_frame(found: Requirements, frame: Frame) -> Frame:
    """The columns that the page has room for: of most frames those that say something."""
    if frame.name in MORE:
        names = [column.name for column in frame.columns if column.is_shown]
        return frame.select([*names, *MORE[frame.name], *_by_material(found, frame)])
    says = {c.name: any(value not in (None, "") for value in frame[c.name]) for c in frame.columns}
    return frame.select([name for name, some in says.items() if some and name != "keys"])


def _by_material(found: Requirements, frame: Frame) -> list[str]:
    """What is left by material, of funding in part."""
    return [c.name for c in frame.columns if frame.name == "funding" and c.name in found.instance.commodities]


def _figure(found: Requirements) -> Iterator[Mapping[str, Any]]:
    if found.funding and has_extra("plot"):
        caption = "What is left of the shortfall, by money for stocks"
        alt = f"{caption}, as a figure; the table below it has its numbers."
        picture = picture_address(draw_funding_plot(found, "svg"))
        yield {"kind": "figure", "caption": caption, "alt": alt, "picture": picture, "behind": []}
