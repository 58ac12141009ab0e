"""Ranges of uncertain numbers: their forms in a file, the numbers they apply to, and values within them.

A range stands beside its number, ``capex: {value: 120000, low: 90000, high: 180000}``, or in the section `ranges`:

    ranges:
      options.plant.capex: {low: 90000, high: 180000}              one number
      options.*.capex: {low: 0.8, high: 1.5, of: value}            factors of each number that the pattern matches
      demands.motors.quantity: {low: 0.9, high: 1.2, of: value}    a series or a list moves as one

A ``*`` stands for any one key; a full path takes precedence over a pattern. Ranges with the same label in ``draw``
move together. After reading, each number has its own path. Plans do not use ranges; sensitivity, bands and reports do.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from optimizer.errors import Finding, Place, nearest
from optimizer.instance.document import Document, get_value, longest_key
from optimizer.tolerances import RANGE_VALUES
from optimizer.units import Amount, Described, parse_amount, short, si

RANGES = "ranges"
WITHOUT_RANGES = (RANGES, "scenarios", "futures", "horizon")
_PARTS = ("value", "low", "high")
# Fields that take calendar years, and all that take whole numbers only.
_YEARS = ("earliest", "latest", "from", "year")
_WHOLE = (*_YEARS, "after_years", "count", "seed")


@dataclass(frozen=True)
class UncertainInput:
    """A number, a series or a list with its range; with `is_factor`, low and high are factors and `value` is 1."""

    path: str
    place: Place
    low: float
    high: float
    value: float
    is_factor: bool
    draw: str | None = None

    @property
    def is_length(self) -> bool:
        """Whether it is the length of shocks or attacks, a whole number of periods."""
        *_, field = (part for part in self.place if isinstance(part, str))
        return self.place[0] in ("shocks", "ensembles", "adversary") and field == "months"

    @property
    def is_whole(self) -> bool:
        """Whether its field takes whole numbers only, such as years."""
        return self.place[-1] in _WHOLE

    def at(self, position: float) -> float:
        """Return the number, or factor, at a position: −1 is low, 0 the value, 1 high."""
        end = self.low if position < 0 else self.high
        return self.value + abs(position) * (end - self.value)

    def rounded(self, value: Any, step: int) -> Any:
        """Return a value as the file can have it: a length in whole periods of `step` months, whole numbers rounded."""
        if self.is_length:
            return _in_periods(value, step)
        return float(round(value)) if self.is_whole else value

    def text(self, amount: float, digits: int) -> str:
        """Return a number, or factor, as text without its unit: ``60k``, ``×0.8``, the year ``2028``."""
        if self.is_factor:
            return f"×{short(amount, digits)}"
        return f"{amount:.0f}" if self.place[-1] in _YEARS else si(amount, digits=digits)

    def position(self, amount: float) -> float:
        """Where between low and high a number, or factor, is: the inverse of `at`."""
        away = amount - self.value
        return away / ((self.high - self.value) if away > 0 else (self.value - self.low)) if away else 0.0


@dataclass(frozen=True)
class UncertainNumber:
    """An uncertain number, or several inputs of the file that share a `draw` and move together.

    `position` runs from −1 (low) over 0 (the value) to 1 (high).
    """

    name: str
    inputs: tuple[UncertainInput, ...]

    def at(self, position: float) -> dict[str, float]:
        """Return the number, or factor, of each input at a position, by path."""
        return {each.path: each.at(position) for each in self.inputs}

    def across(self, share: float) -> dict[str, float]:
        """Return the number, or factor, of each input at a share (0 to 1) of the distance from low to high, by path."""
        return {each.path: each.low + share * (each.high - each.low) for each in self.inputs}

    @property
    def first(self) -> UncertainInput:
        """The first input, which represents all of them."""
        return self.inputs[0]

    def moving_to(self, end: Literal["low", "high"]) -> UncertainInput:
        """Return the first input that moves towards an end, which represents all of them on the way there."""
        return next((each for each in self.inputs if getattr(each, end) != each.value), self.first)

    @property
    def is_rounded(self) -> bool:
        """Whether one of the inputs is rounded: a lead time, the length of shocks, a year or another whole number."""
        return any(each.place[-1] == "lead_time" or each.is_length or each.is_whole for each in self.inputs)

    @property
    def is_of_adversary(self) -> bool:
        """Whether one of the inputs is a number of the adversary."""
        return any(each.place[0] == "adversary" for each in self.inputs)

    @property
    def is_shortage_cost(self) -> bool:
        """Whether all inputs are shortage costs, which value a gap but do not decide whether floors hold."""
        return all(each.place[0] == "demands" and "shortage_cost" in each.place[2:] for each in self.inputs)

    @property
    def is_alike(self) -> bool:
        """Whether all inputs have the same range."""
        return len(self.by_range) == 1

    @property
    def by_range(self) -> list[list[UncertainInput]]:
        """The inputs, those with the same range together."""
        groups: dict[tuple[float, ...], list[UncertainInput]] = {}
        for each in self.inputs:
            groups.setdefault((each.low, each.high, each.value, each.is_factor), []).append(each)
        return list(groups.values())


def numbers_of(inputs: Iterable[UncertainInput]) -> list[UncertainNumber]:
    """Group uncertain inputs into uncertain numbers; inputs with the same `draw` are one number."""
    groups: dict[str, list[UncertainInput]] = {}
    for each in inputs:
        groups.setdefault(each.draw or each.path, []).append(each)
    return [UncertainNumber(name, tuple(group)) for name, group in groups.items()]


def name_ranges(finding: Finding, inputs: Sequence[UncertainInput], end: str) -> Finding:
    """Return an error that occurs with all inputs at one end of their ranges, and name the ranges that may cause it.

    Where the value with the error has no range itself, these are the ranges of the same object.
    """
    if any(f"{finding.where}.".startswith(f"{'.'.join(map(str, each.place))}.") for each in inputs):
        where, cure = f"at the {end} end of its range", f"Change `{end}`, or the number."
    else:
        keys = set(finding.where.split("."))
        near = [each.path for each in inputs if keys.intersection(map(str, each.place[1:2]))][:3]
        where, cure = f"with {', '.join(near) or 'all ranges'} at `{end}`", f"Change `{end}` there, or this value."
    return replace(finding, what=f"{where}: {finding.what}", cure=cure)


def lift_ranges(document: Document) -> None:
    """Move ranges that stand beside their numbers into the section `ranges`, and leave the plain numbers in place."""
    for key, part in list(document.data.items()):
        if key not in WITHOUT_RANGES:
            _lift(document, part, (key,))


def _lift(document: Document, part: Any, place: Place) -> None:
    if isinstance(part, Mapping) and "value" in part and len(part.keys() & _PARTS) > 1 and not _nested(part["value"]):
        document.own_part(place[:-1])[place[-1]] = part["value"]
        _move_range(document, part, place)
    elif isinstance(part, (dict, list)) and id(part) not in document.known:
        for inner, item in list(part.items() if isinstance(part, dict) else enumerate(part)):
            _lift(document, item, (*place, inner))
        # Copies skip the parts that they share with the original, which has no ranges inside them.
        if document.own is None:
            document.known[id(part)] = part


def _nested(value: Any) -> bool:
    return isinstance(value, (Mapping, list))


def _move_range(document: Document, part: Mapping[str, Any], place: Place) -> None:
    path = ".".join(map(str, place))
    if document.data.get(RANGES) is None:
        document.data[RANGES] = {}
    block = document.own_part((RANGES,))
    if not isinstance(block, dict) or path in block:
        what, cure = "has a range here and under `ranges:` as well", "Keep one of the two."
        document.findings.append(document.finding(place, what, cure))
        return
    block[path] = {inner: item for inner, item in part.items() if inner != "value"}
    for inner in ("", *part):
        within = (*place, inner) if inner else place
        there = (RANGES, path, inner) if inner else (RANGES, path)
        for known_places in (document.lines, document.cells, document.overrides):
            _copy_first(known_places, there, (within, place))


def _copy_first(known_places: dict[Place, Any], there: Place, sources: Sequence[Place]) -> None:
    """Copy the entry of the first source place that `known_places` has, if any, to the place `there`."""
    source = next((place for place in sources if place in known_places), None)
    if source is not None:
        known_places[there] = known_places[source]


def find_places(data: Any, path: str | Sequence[str], place: Place = ()) -> Iterator[Place]:
    """Yield every place that a path or pattern leads to; in a plain path the longest existing name wins."""
    parts = path.split(".") if isinstance(path, str) else list(path)
    if not parts:
        yield place
    elif isinstance(data, Mapping):
        if length := longest_key(data, parts):
            key = ".".join(parts[:length])
            yield from find_places(data[key], parts[length:], (*place, key))
        elif "*" in parts[0]:
            yield from _find_matching(data.items(), parts, place)
    elif isinstance(data, (list, tuple)):
        yield from _find_matching(enumerate(data), parts, place)


def _find_matching(items: Iterable[tuple[Any, Any]], parts: Sequence[str], place: Place) -> Iterator[Place]:
    for key, item in items:
        if fnmatchcase(str(key), parts[0]):
            yield from find_places(item, parts[1:], (*place, key))


def parse_numbers(value: Any) -> list[float] | None:
    """Return the number as a list, or the numbers of a series or list; None for any other value."""
    items = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, list) else [value]
    if isinstance(value, Mapping) and not all(str(key).isdigit() for key in value):
        return None
    try:
        return [parse_amount(item) for item in items] or None
    except PydanticCustomError:
        return None


def _is_single(value: Any) -> bool:
    """Return whether a value is one number; a list of one counts, since one number is the short form of such a list."""
    return not _nested(value) or (isinstance(value, list) and len(value) == 1)


def set_input(holder: Any, where: UncertainInput, number: float, step: int = 0) -> None:
    """Set an uncertain input to another value, or scale it by a factor, in the mapping or list that holds it.

    With a `step` the length of a shock is rounded to whole periods of so many months, and whole numbers to the nearest.
    """
    value: Any = holder[where.place[-1]]
    alone = [number] if isinstance(value, list) else number
    value = _scale(value, number) if where.is_factor else alone
    holder[where.place[-1]] = where.rounded(value, step) if step else value


def _in_periods(value: Any, step: int) -> Any:
    if isinstance(value, list):
        return [_in_periods(each, step) for each in value]
    return float(step * max(1, round(value / step)))


def _scale(value: Any, factor: float) -> Any:
    if isinstance(value, Mapping):
        return {key: parse_amount(item) * factor for key, item in value.items()}
    return [parse_amount(item) * factor for item in value] if isinstance(value, list) else parse_amount(value) * factor


def shift_to_end(document: Document, inputs: Sequence[UncertainInput], position: float) -> Document:
    """Return a copy of a document with all uncertain inputs at a position, and without ranges and scenarios.

    Findings in the copy have the lines of the numbers, not those of the ranges.
    """
    result = replace(document, data=document.shared_data(RANGES, "scenarios"), findings=[], own=set())
    for each in inputs:
        set_input(result.own_part(each.place[:-1]), each, each.at(position))
    return result


class RangeSpec(Described):
    """The ends of the range of an uncertain number; with `of: value` they are factors of it.

    Ranges with the same `draw` move together.
    """

    low: Amount = Field(description="Lower end of the number; with `of: value` a factor.")
    high: Amount = Field(description="Upper end of the number; with `of: value` a factor.")
    of: Literal["value"] | None = Field(
        default=None, description="`value`: the ends are factors of the number, or of all numbers of a series or list."
    )
    draw: str | None = Field(default=None, description="Label; ranges with the same label move together.")


def assign_ranges(document: Document, specs: Mapping[str, RangeSpec]) -> tuple[dict[str, RangeSpec], list[Finding]]:
    """Return the range of every single number by its path, and findings about the ranges."""
    result, findings, owners = dict[str, RangeSpec](), list[Finding](), _Owners()
    patterns = sum("*" in path for path in specs)
    if patterns * max(len(document.lines), len(document.cells)) > RANGE_VALUES:
        what = f"{patterns:,} patterns are too many for a file of so many values"
        return {}, [document.finding((RANGES,), what, "Write paths without *, or a file of its own for the analysis.")]
    for path in sorted(specs, key=lambda path: "*" in path):
        places, wrong = _place_range(document, path, specs[path])
        findings += [document.finding((RANGES, path), what, cure) for what, cure in wrong]
        for place in places:
            own, other = ".".join(map(str, place)), owners.of(place)
            if other is None:
                owners.add(place, path)
                result[own] = specs[path]
            elif "*" in other or "*" not in path:
                what = f"{own} has a range already, from {other}"
                findings.append(document.finding((RANGES, path), what, "Keep one of the two."))
    return result, findings


def unexplained(findings: Iterable[Finding], wrong: Collection[str]) -> list[Finding]:
    """Return the findings about ranges without those about a value that is wrong, as is what is around it.

    Args:
        findings: findings about ranges.
        wrong: where the file has other findings.
    """
    return [each for each in findings if not any(path in wrong for path in _paths_to(each.where))]


def _paths_to(where: str) -> Iterator[str]:
    """Yield the path that is a key under `ranges`, and the paths of all that is around its number."""
    _, *parts = where.split(".")
    for depth in range(1, len(parts) + 1):
        yield ".".join(parts[:depth])


class _Owners:
    """The paths and patterns from which places have their ranges."""

    def __init__(self) -> None:
        self._at: dict[Place, str] = {}
        self._within: dict[Place, str] = {}

    def add(self, place: Place, path: str) -> None:
        self._at[place] = path
        for depth in range(len(place)):
            self._within.setdefault(place[:depth], path)

    def of(self, place: Place) -> str | None:
        """Return the path or pattern with a range for this place, one around it, or one inside it; else None."""
        above = (self._at[place[:depth]] for depth in range(len(place) + 1) if place[:depth] in self._at)
        return next(above, self._within.get(place))


def _place_range(document: Document, path: str, spec: RangeSpec) -> tuple[list[Place], list[tuple[str, str]]]:
    """Return the places of numbers to which a path leads, outside sections without ranges, and problems with them."""

    def find() -> tuple[list[Place], list[tuple[str, str]]]:
        found = find_places(document.data, path)
        places = (place for place in found if place[0] not in WITHOUT_RANGES and not _is_start(place))
        numbers = [place for place in places if parse_numbers(get_value(document.data, place))]
        return numbers, list(_check_range(document, path, spec, numbers))

    sections = (part for key, part in document.data.items() if fnmatchcase(key, path.partition(".")[0]))
    return document.once(path, (spec, *sections), find)


def _find_no_number(document: Document, path: str) -> Iterator[tuple[str, str]]:
    """Yield the problem of a path without a number, unless an override replaced a value that held the number."""
    if not any(path.startswith(".".join(map(str, place)) + ".") for place in document.replaced):
        yield "matches no number", _cure_of_path(document.data, path)


def _check_range(document: Document, path: str, spec: RangeSpec, places: Sequence[Place]) -> Iterator[tuple[str, str]]:
    if spec.low > spec.high:
        yield f"low ({spec.low:g}) is above high ({spec.high:g})", _cure_of_ends(spec)
        return
    if path.split(".")[0] in WITHOUT_RANGES:
        yield f"`{path.split('.')[0]}` has no ranges", "Name a number of the rest of the file."
        return
    if not places:
        yield from _find_no_number(document, path)
    outside = f"lies outside the range, {spec.low:g} to {spec.high:g}"
    if spec.of is not None:
        if places and not spec.low <= 1.0 <= spec.high:
            yield f"1, the value itself, {outside}", "Write factors around 1: {low: 0.8, high: 1.5, of: value}."
        return
    for place in places:
        name = ".".join(map(str, place))
        if not _is_single(get_value(document.data, place)):
            yield f"{name} is a series or a list", "Write factors of it, with `of: value`."
            return
        if not spec.low <= (value := _first_number(document.data, place)) <= spec.high:
            factors = ", or add `of: value` if its ends are factors" * (spec.low <= 1.0 <= spec.high)
            yield f"the value {value:g} of {name} {outside}", f"Widen it{factors}."
            return


def _is_start(place: Place) -> bool:
    """Return whether a place is that of a start, a period that may be written as a year."""
    section, *inside = place
    return inside[:1] == ["starts"] if section == "adversary" else inside[1:2] == ["start"]


def _cure_of_ends(spec: RangeSpec) -> str:
    """Return the cure for a low end above the high one: it may be in per cent."""
    is_percent = 1 < spec.low <= 100 and spec.high <= 1
    return f"Exchange the two, or write {spec.low / 100:g} for {spec.low:g} %." if is_percent else "Exchange the two."


def _cure_of_path(data: Mapping[str, Any], path: str) -> str:
    """Return the cure for a path to no number: with the nearest name, if the file has no such section or entry."""
    if any(map(_is_start, find_places(data, path))):
        return "A start is a period. List those that may come: [2027, 2029]; ensembles have {uniform: [2027, 2029]}."
    parts, found = path.split("."), list[str]()
    while len(found) < 2 and isinstance(data, Mapping) and (length := longest_key(data, parts)):
        found.append(".".join(parts[:length]))
        data, parts = data[found[-1]], parts[length:]
    near = nearest(parts[0], map(str, data)) if parts and len(found) < 2 and isinstance(data, Mapping) else None
    if near is not None:
        return f'Did you mean "{".".join([*found, near, *parts[1:]])}"?'
    return "Name a number that the file writes out, with its path, such as options.NAME.capex."


def list_uncertain(data: Mapping[str, Any], ranges: Mapping[str, RangeSpec]) -> list[UncertainInput]:
    """Return the uncertain inputs of plain data, from ranges with full paths."""
    result = []
    for path, spec in ranges.items():
        place = next(find_places(data, path))
        value = 1.0 if spec.of else _first_number(data, place)
        result.append(UncertainInput(path, place, spec.low, spec.high, value, spec.of is not None, spec.draw))
    return result


def _first_number(data: Any, place: Place) -> float:
    return (parse_numbers(get_value(data, place)) or [0.0])[0]


def valid_ranges(data: Mapping[str, Any], ranges: Mapping[str, RangeSpec]) -> dict[str, RangeSpec]:
    """Return the ranges whose number still exists and lies inside the range."""
    left = {
        path: spec for path, spec in ranges.items() if parse_numbers(get_value(data, next(find_places(data, path), ())))
    }
    return {each.path: left[each.path] for each in list_uncertain(data, left) if each.low <= each.value <= each.high}
