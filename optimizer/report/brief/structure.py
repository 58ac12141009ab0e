"""The brief as one structure, which all its writers draw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optimizer.instance.schema import Instance
from optimizer.report.tables.render import page_table
from optimizer.results.frames import Frame


@dataclass(frozen=True)
class BriefPart:
    """One part of the brief."""

    name: str  # in code
    title: str  # for readers
    sentences: tuple[str, ...] = ()  # what it says
    frame: Frame | None = None  # its table; None where it has none
    missing: str = ""  # how to get what was not computed; empty where nothing is missing
    lacks: str = ""  # the same for paper: what was not computed, without a word of how to get it
    drawn: Frame | None = None  # the part of the table that is drawn, where not all of it is
    bars: tuple[str, ...] = ()  # the columns that are drawn as bars, one after the other
    strong: tuple[int, ...] = ()  # the places of rows that stand out: a sum, or this plan

    @property
    def shown(self) -> Frame | None:
        """The table that is drawn."""
        return self.drawn or self.frame


@dataclass(frozen=True)
class Brief:
    """The answer on one page."""

    instance: Instance = field(repr=False)  # what keys are named by
    # Of the instance; the period, and in what money is counted.
    title: str
    about: str
    survives: bool  # whether every floor holds in every shock that counts
    # The answer, in a few words and in a sentence.
    verdict: str
    sentence: str
    parts: tuple[BriefPart, ...]  # in the order in which they are read
    warnings: tuple[str, ...] = ()  # what has to be said first
    notes: tuple[str, ...] = ()  # what belongs beside it: what is short already, and how sure the answer is

    def to_dict(self) -> dict[str, Any]:
        """For JSON and for writers: of each table its texts (`table`), its values by column, and its bars."""
        return {
            "title": self.title,
            "about": self.about,
            "survives": self.survives,
            "verdict": self.verdict,
            "sentence": self.sentence,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "parts": {part.name: self._part(part) for part in self.parts},
        }

    def _part(self, part: BriefPart) -> Mapping[str, Any]:
        return {
            "title": part.title,
            "sentences": list(part.sentences),
            "missing": part.missing,
            "lacks": part.lacks,
            "table": None if part.shown is None else page_table(self.instance, part.shown),
            "values": [] if part.frame is None else [dict(row) for row in part.frame.rows()],
            "bars": _bars(part),
            "strong": list(part.strong),
        }


def _bars(part: BriefPart) -> list[list[float]]:
    """The bars of each row, as shares of the longest row; none where the part has none."""
    if part.shown is None or not part.bars:
        return []
    drawn = part.shown.select(part.bars)
    rows = [[float(amount or 0.0) for amount in row.values()] for row in drawn.rows()]
    longest = max(map(sum, rows)) or 1.0
    return [[amount / longest for amount in row] for row in rows]
