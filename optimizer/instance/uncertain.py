"""Ranges of uncertain numbers: where they are written, what they are about, and the numbers moved within them.

A range stands beside its number, ``capex: {value: 120000, low: 90000, high: 180000}``, or in a block of its own:

    ranges:
      options.plant.capex: {low: 90000, high: 180000}              one number
      options.*.capex: {low: 0.8, high: 1.5, of: value}            factors of each number that the pattern matches
      demands.motors.quantity: {low: 0.9, high: 1.2, of: value}    a series or a list moves as one

A ``*`` stands for any one key; a path that is written out goes before a pattern. Ranges that share a word in ``draw``
move together. Once read, each number has its own path; nothing but an analysis of sensitivity looks at ranges.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer.instance.document import Document, Place
from optimizer.limits import NESTING
from optimizer.units import parse_amount

KEY = "ranges"
FIXED = (KEY, "scenarios", "horizon")
_PARTS = ("value", "low", "high")


@dataclass(frozen=True)
class Uncertain:
    """A number, a series or a list with its range; with `is_factor`, low and high are factors and `value` is 1."""

    path: str
    place: Place
    low: float
    high: float
    value: float
    is_factor: bool
    draw: str | None = None

    def at(self, position: float) -> float:
        """The number, or factor, at a position: −1 is low, 0 the value, 1 high."""
        end = self.low if position < 0 else self.high
        return self.value + abs(position) * (end - self.value)


def lifted(document: Document) -> None:
    """Take the ranges that stand beside their numbers into the block of ranges, and leave the numbers."""
    for key, part in list(document.data.items()):
        if key not in FIXED:
            _lift(document, part, document.data, key, (key,))


def _lift(document: Document, part: Any, holder: Any, key: Any, place: Place) -> None:
    if isinstance(part, Mapping) and "value" in part and len(part.keys() & _PARTS) > 1 and not _nested(part["value"]):
        holder[key] = part["value"]
        _take(document, part, place)
    elif isinstance(part, (dict, list)):
        for inner, item in list(part.items() if isinstance(part, dict) else enumerate(part)):
            _lift(document, item, part, inner, (*place, inner))


def _nested(value: Any) -> bool:
    return isinstance(value, (Mapping, list))


def _take(document: Document, part: Mapping[str, Any], place: Place) -> None:
    path = ".".join(map(str, place))
    block = document.data.setdefault(KEY, {}) if document.data.get(KEY) is not None else {}
    document.data[KEY] = block
    if not isinstance(block, dict) or path in block:
        what, cure = "has a range here and under `ranges:` as well", "Keep one of the two."
        document.findings.append(document.finding(place, what, cure))
        return
    block[path] = {inner: item for inner, item in part.items() if inner != "value"}
    for inner in ("", *part):
        within = (*place, inner) if inner else place
        there = (KEY, path, inner) if inner else (KEY, path)
        for known_places in (document.lines, document.cells, document.overrides):
            _copy(known_places, there, (within, place))


def _copy(known_places: dict[Place, Any], there: Place, sources: Sequence[Place]) -> None:
    """Say of a place what is known of the first of some others."""
    source = next((place for place in sources if place in known_places), None)
    if source is not None:
        known_places[there] = known_places[source]


def found(data: Any, path: str | Sequence[str], place: Place = ()) -> Iterator[Place]:
    """Every place that a path or pattern leads to; of a plain path the longest name that is there wins."""
    parts = path.split(".") if isinstance(path, str) else list(path)
    if not parts:
        yield place
    elif isinstance(data, Mapping):
        for length in range(min(len(parts), NESTING), 0, -1):
            key = ".".join(parts[:length])
            if key in data:
                yield from found(data[key], parts[length:], (*place, key))
                return
        for key, item in data.items():
            if "*" in parts[0] and fnmatchcase(str(key), parts[0]):
                yield from found(item, parts[1:], (*place, key))
    elif isinstance(data, (list, tuple)):
        for i, item in enumerate(data):
            if fnmatchcase(str(i), parts[0]):
                yield from found(item, parts[1:], (*place, i))


def there(data: Any, place: Place) -> Any:
    """What stands at a place; None where nothing does."""
    for key in place:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def numbers(value: Any) -> list[float] | None:
    """The number, or the numbers of a series or a list; None where there is something else."""
    items = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
    if isinstance(value, Mapping) and not all(str(key).isdigit() for key in value):
        return None
    try:
        return [parse_amount(item) for item in items] or None
    except PydanticCustomError:
        return None


def is_single(value: Any) -> bool:
    """Whether it is one number; a list of one is, for what may be a list is read as one."""
    return not _nested(value) or (isinstance(value, list) and len(value) == 1)


def moved(data: Mapping[str, Any], where: Uncertain, number: float) -> None:
    """Put an uncertain number at another value; data of its own are changed in place."""
    holder = there(data, where.place[:-1])
    value = holder[where.place[-1]]
    if not where.is_factor:
        holder[where.place[-1]] = [number] if isinstance(value, list) else number
    elif isinstance(value, Mapping):
        holder[where.place[-1]] = {key: parse_amount(item) * number for key, item in value.items()}
    elif isinstance(value, list):
        holder[where.place[-1]] = [parse_amount(item) * number for item in value]
    else:
        holder[where.place[-1]] = parse_amount(value) * number


def known(data: Mapping[str, Any], path: str, low: float, high: float, of: str | None, draw: str | None) -> Uncertain:
    """The uncertain number of a path that is written out."""
    place = next(found(data, path))
    value = 1.0 if of else (numbers(there(data, place)) or [0.0])[0]
    return Uncertain(path, place, low, high, value, of is not None, draw)


def shifted(document: Document, ranges: Sequence[Uncertain], position: float) -> Document:
    """A copy of a document with all uncertain numbers at one end, and without ranges and scenarios."""
    data = copy.deepcopy({key: value for key, value in document.data.items() if key not in (KEY, "scenarios")})
    result = replace(document, data=data, overrides=dict(document.overrides), findings=[])
    for each in ranges:
        moved(data, each, each.at(position))
        result.overrides[each.place] = document.finding((KEY, each.path), "", "")
    return result
