"""The ranges of a document as specifications by path, and what is wrong with them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import ConfigDict, Field

from optimizer.errors import Finding
from optimizer.instance.document import Document, Place
from optimizer.instance.uncertain import FIXED, KEY, Uncertain, found, is_single, known, numbers, there
from optimizer.limits import RANGE_VALUES
from optimizer.units import Amount, Described


class RangeSpec(Described):
    """Between which ends an uncertain number lies; with `of: value` they are factors of it.

    Ranges with the same `draw` move together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    low: Amount = Field(description="The lower end of the number; with `of: value` a factor.")
    high: Amount = Field(description="The upper end of the number; with `of: value` a factor.")
    of: Literal["value"] | None = Field(
        default=None, description="value: the ends are factors of the number, or of all numbers of a series or list."
    )
    draw: str | None = Field(default=None, description="A word: ranges that share it move together.")


Said = Iterator[tuple[str, str]]


def spread(document: Document, specs: Mapping[str, RangeSpec]) -> tuple[dict[str, RangeSpec], list[Finding]]:
    """Every number's own range by its path, and what is wrong."""
    result, findings, owners = dict[str, RangeSpec](), list[Finding](), _Owners()
    patterns = sum("*" in path for path in specs)
    if patterns * max(len(document.lines), len(document.cells)) > RANGE_VALUES:
        what = f"{patterns:,} patterns are too many for a file of so many values"
        return {}, [document.finding((KEY,), what, "Write paths without *, or a file of its own for the analysis.")]
    for path in sorted(specs, key=lambda path: "*" in path):
        places = _matched(document, path)
        for what, cure in _of(document, path, specs[path], places):
            findings.append(document.finding((KEY, path), what, cure))
        for place in places:
            own, other = ".".join(map(str, place)), owners.of(place)
            if other is None:
                owners.add(place, path)
                result[own] = specs[path]
            elif "*" in other or "*" not in path:
                what = f"{own} has a range already, from {other}"
                findings.append(document.finding((KEY, path), what, "Keep one of the two."))
    return result, findings


class _Owners:
    """The paths that give places their ranges."""

    def __init__(self) -> None:
        self._at: dict[Place, str] = {}
        self._within: dict[Place, str] = {}

    def add(self, place: Place, path: str) -> None:
        self._at[place] = path
        for depth in range(len(place)):
            self._within.setdefault(place[:depth], path)

    def of(self, place: Place) -> str | None:
        """The path of a place that is the same, holds it, or is held by it."""
        above = (self._at[place[:depth]] for depth in range(len(place) + 1) if place[:depth] in self._at)
        return next(above, self._within.get(place))


def _matched(document: Document, path: str) -> list[Place]:
    """The places of the numbers that a path leads to; a pattern passes by the sections that have no ranges."""
    places = (place for place in found(document.data, path) if place[0] not in FIXED)
    return [place for place in places if numbers(there(document.data, place))]


def _of(document: Document, path: str, spec: RangeSpec, places: Sequence[Place]) -> Said:
    if spec.low > spec.high:
        yield f"low ({spec.low:g}) is above high ({spec.high:g})", "Exchange the two."
        return
    if path.split(".")[0] in FIXED:
        yield f"`{path.split('.')[0]}` has no ranges", "Name a number of the rest of the file."
        return
    if not places:
        yield "matches no number", "Name a number that the file writes out, with its path, such as options.plant.capex."
    for place in places:
        value = there(document.data, place)
        if spec.of is None and not is_single(value):
            yield f"{'.'.join(map(str, place))} is a series or a list", "Write factors of it, with `of: value`."
            return
        middle = 1.0 if spec.of else (numbers(value) or [0.0])[0]
        if not spec.low <= middle <= spec.high:
            name = "1, the value itself," if spec.of else f"the value {middle:g} of {'.'.join(map(str, place))}"
            cure = "Write factors around 1: {low: 0.8, high: 1.5, of: value}." if spec.of else "Widen it."
            yield f"{name} lies outside the range, {spec.low:g} to {spec.high:g}", cure
            return


def uncertain(data: Mapping[str, Any], ranges: Mapping[str, RangeSpec]) -> list[Uncertain]:
    """The uncertain numbers of plain data, by ranges whose paths are written out."""
    return [known(data, path, spec.low, spec.high, spec.of, spec.draw) for path, spec in ranges.items()]


def still(data: Mapping[str, Any], ranges: Mapping[str, RangeSpec]) -> dict[str, RangeSpec]:
    """The ranges that still have their number, and hold it."""
    left = {path: spec for path, spec in ranges.items() if numbers(there(data, next(found(data, path), ())))}
    return {each.path: left[each.path] for each in uncertain(data, left) if each.low <= each.value <= each.high}


def of_end(end: str, places: Sequence[Uncertain], new: Sequence[Finding]) -> list[Finding]:
    """Findings at one end of all ranges, as findings about the ranges."""
    return [
        replace(finding, what=f"at the {end} end of its range: {finding.what}", cure=finding.cure)
        for finding in new
        if finding.severity == "error" and places
    ]
