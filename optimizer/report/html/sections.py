"""Studies as sections of a page: the answer, tables and notes of the screen, in their order, and the figure.

A section is made of what the command of the study prints, so that both say the same; behind the figure are its frames.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from optimizer.extras import has_extra
from optimizer.report.figures.studies import Study, draw_study_plot, is_stopped
from optimizer.report.html.template import picture_address
from optimizer.report.tables.discovery import discovery_tables
from optimizer.report.tables.futures_study import futures_study_tables
from optimizer.report.tables.render import page_table
from optimizer.studies.futures.study import FuturesStudy

# Characters of a line that is never full: a page moves wide tables sideways.
_WIDTH = 1000


@dataclass(frozen=True)
class PageSection:
    """A study on a page.

    Attributes:
        name: of its command, as `report --with` takes it.
        title: of the section.
        link: its name in the list of sections.
        blocks: what stands in it, each with its ``kind``: ``answer`` and ``text`` have a text, ``facts`` rows of a
            label and a text, ``table`` title, head, rows, caption, ``figure`` caption, picture, alt, tables behind it.
        data: the study for JSON.
        is_stopped: whether the study was stopped before it was done.
    """

    name: str
    title: str
    link: str
    blocks: tuple[Mapping[str, Any], ...]
    data: Mapping[str, Any]
    is_stopped: bool


def section_of(found: Study) -> PageSection:
    """The section of a study."""
    if isinstance(found, FuturesStudy):
        blocks = [*page_blocks(futures_study_tables(found, _WIDTH))]
        figure = _figure(found, "What it is worth to decide later and to know earlier", ("values", "questions"))
        title = "What is it worth to decide later, or to know earlier?"
        # Behind the answer: its label and its facts.
        made = (*blocks[:2], *figure, *blocks[2:])
        return PageSection("futures", title, "Deciding later", made, found.to_dict(), is_stopped(found))
    blocks = [*page_blocks(discovery_tables(found))]
    figure = _figure(found, "Samples and boxes", ("conditions",))
    title = "Under which conditions does the plan fail?"
    made = (*blocks[:2], *figure, *blocks[2:]) if found.failed else (*blocks, *figure)
    return PageSection("discover", title, "Where it fails", made, found.to_dict(), is_stopped(found))


def _figure(found: Study, caption: str, frames: Iterable[str]) -> list[dict[str, Any]]:
    """The figure with its numbers behind it; none where its extra is not installed or there is nothing to draw."""
    if not has_extra("plot"):
        return []
    try:
        picture = draw_study_plot(found, "svg")
    except ValueError:
        return []
    behind = [page_table(found.instance, found.frames.frame(name)) for name in frames]
    alt = f"{caption}, as a figure; the table behind it has its numbers."
    return [{"kind": "figure", "caption": caption, "alt": alt, "picture": picture_address(picture), "behind": behind}]


def page_blocks(parts: Iterable[RenderableType | None]) -> Iterator[dict[str, Any]]:
    """What the screen shows, for a page: texts, rows of label and text, and tables."""
    for part in parts:
        if isinstance(part, Panel):
            yield from page_blocks([part.renderable])
        elif isinstance(part, Group):
            yield from page_blocks(part.renderables)
        elif isinstance(part, Table):
            yield _table(part) if part.show_header else {"kind": "facts", "rows": _rows(part)}
        elif part:
            text = part if isinstance(part, Text) else Text(str(part))
            is_answer = "bold" in str(text.style)
            yield {"kind": "answer" if is_answer else "text", "text": text.plain}


def _rows(shown: Table) -> list[list[str]]:
    return [[_words(cell) for cell in row] for row in zip(*(column.cells for column in shown.columns), strict=True)]


def _table(shown: Table) -> dict[str, Any]:
    """A table of the screen; heads of columns to the right begin with ``>``."""
    heads = [f"{'>' if column.justify == 'right' else ''}{_words(column.header)}" for column in shown.columns]
    head = [words.replace("\n", " ") for words in heads]
    return {
        "kind": "table",
        "title": _words(shown.title or ""),
        "head": head,
        "rows": _rows(shown),
        "caption": _words(shown.caption or ""),
    }


def _words(cell: Any) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)
