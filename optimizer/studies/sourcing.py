"""On what the numbers of an instance rest: a source, an assumption, another number, or nothing that is written.

A number of the file that says what the world is like is explained by the comment at its place, or by the nearest one at
what holds it. It counts as

    assumption   the comment says "assumption" or "judgement", whatever it cites besides
    source       its entry has a `source`, or the comment cites one: a grade such as (USGS 2026, A), or an address
    derived      the comment points to another number, or gives the arithmetic
    unexplained  there is no comment

Years, lengths of shocks, and a 0 or 1 (all of it, none of it, one t a t) say what is asked or counted: they are
left out.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer.units import parse_amount

BASES = ("source", "derived", "assumption", "unexplained")
# Sections that describe the world.
WORLD_SECTIONS = (
    "processes",
    "demands",
    "options",
    "shocks",
    "ensembles",
    "policy",
    "adversary",
    "futures",
    "discount_rate",
)
# Keys below which numbers are dates, seeds or counts.
NO_DATA = frozenset(
    {"start", "from", "to", "seed", "count", "horizon", "months", "year", "latest", "earliest", "online", "until"}
)
_CITED = re.compile(r"\b[ABC]\b(?=[);,/:])|\bA/B\b|company|\brelease\b|https?://")
_ASSUMED = re.compile(r"assum|judge", re.IGNORECASE)

NumberPlace = tuple[str, ...]


@dataclass(frozen=True)
class SourcedNumber:
    """A number of an instance: its place, one of `BASES`, and whether a range covers it."""

    place: NumberPlace
    basis: str
    has_range: bool


@dataclass(frozen=True)
class BasisShares:
    """On what some numbers rest, as shares that add to 1, and which share has a range.

    Attributes:
        numbers: how many there are.
        source, derived, assumption, unexplained: shares of them.
        ranged: share that a range covers.
    """

    numbers: int
    source: float
    derived: float
    assumption: float
    unexplained: float
    ranged: float


def find_numbers(data: Mapping[str, Any], comments: Sequence[Mapping[str, Any]]) -> tuple[SourcedNumber, ...]:
    """The numbers of an instance as a mapping, each with what it rests on.

    Args:
        data: as `Result.data` holds it.
        comments: as `Result.comments` holds them.
    """
    said: dict[NumberPlace, list[str]] = {}
    for each in comments:
        said.setdefault(tuple(map(str, each["place"])), []).append(str(each["text"]))
    patterns = list(data.get("ranges") or {})
    return tuple(
        SourcedNumber(place, "source" if is_cited else _basis(said, place), _is_ranged(place, patterns))
        for section in WORLD_SECTIONS
        if section in data
        for place, is_cited in _leaves(data[section], (section,), is_cited=False)
    )


def _leaves(value: Any, place: NumberPlace, *, is_cited: bool) -> Iterator[tuple[NumberPlace, bool]]:
    """The places of numbers, and whether what holds them has a `source`."""
    if isinstance(value, Mapping):
        cites = is_cited or bool(value.get("source"))
        for key, each in value.items():
            if str(key) not in NO_DATA:
                yield from _leaves(each, (*place, str(key)), is_cited=cites)
    elif isinstance(value, list | tuple):
        for i, each in enumerate(value):
            yield from _leaves(each, (*place, str(i)), is_cited=is_cited)
    elif _is_data(value):
        yield place, is_cited


def _is_data(value: Any) -> bool:
    """Whether a value is a number other than 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return parse_amount(value) not in (0, 1)
    except (PydanticCustomError, ValueError, TypeError):
        return False


def _basis(said: Mapping[NumberPlace, Sequence[str]], place: NumberPlace) -> str:
    """What the nearest comment says of a number; that of a whole section says nothing."""
    for depth in range(len(place), min(2, len(place)) - 1, -1):
        found = " ".join(said.get(place[:depth], ()))
        if found:
            return "assumption" if _ASSUMED.search(found) else "source" if _CITED.search(found) else "derived"
    return "unexplained"


def _is_ranged(place: NumberPlace, patterns: Sequence[str]) -> bool:
    dotted = ".".join(part for part in place if not part.isdigit())
    return any(fnmatch(dotted, pattern) or fnmatch(dotted, f"{pattern}.*") for pattern in patterns)


def basis_of(numbers: Sequence[SourcedNumber]) -> BasisShares:
    """What some numbers rest on, each counted once."""
    counts, total = Counter(each.basis for each in numbers), max(1, len(numbers))
    shares = {name: counts[name] / total for name in BASES}
    return BasisShares(len(numbers), **shares, ranged=sum(each.has_range for each in numbers) / total)


def weighted_basis(numbers: Sequence[SourcedNumber], money: Mapping[str, float]) -> BasisShares:
    """What the numbers of some options rest on, each option counted by its money.

    Args:
        numbers: of the instance.
        money: by option, what is spent on it.
    """
    parts = {o: basis_of([each for each in numbers if each.place[:2] == ("options", o)]) for o in money}
    total = sum(money[o] for o, part in parts.items() if part.numbers) or 1.0
    shares = {
        name: sum(money[o] * getattr(part, name) for o, part in parts.items()) / total for name in (*BASES, "ranged")
    }
    return BasisShares(sum(part.numbers for part in parts.values()), **shares)
