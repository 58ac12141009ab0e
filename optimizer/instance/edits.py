"""Edits of an instance in the order in which they are made, and which of them an edit replaces.

Every change that the command line or Python makes of a file puts a value at a path: `--set`, each line of a scenario,
`--force`, a budget. Where two of them set the same number to different values, the later one holds, and `clashes`
names the key, both sources and both values: what was asked for is never dropped without a word.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer.errors import Finding
from optimizer.instance.document import Place, parse
from optimizer.instance.schema import Instance
from optimizer.units import parse_amount

SCENARIO = "scenario"


@dataclass(frozen=True)
class Edit:
    """A value that is put at a path of the file; `source` is what asks for it: ``scenario high``."""

    source: str
    path: str
    value: Any


def of_assignments(assignments: Iterable[str]) -> Iterator[Edit]:
    """The edits of ``--set KEY=VALUE``; they are known to be well formed."""
    for assignment in assignments:
        path, _, text = assignment.partition("=")
        source = f"--set {assignment}"
        yield Edit(source, path.strip(), parse(f"value: {text}", source).data.get("value"))


def of_scenarios(instance: Instance, names: Iterable[str]) -> Iterator[Edit]:
    """The edits of scenarios, in the order given."""
    for name in names:
        for path, value in instance.scenarios[name].items():
            yield Edit(f"{SCENARIO} {name}", path, value)


def clashes(instance: Instance, edits: Sequence[Edit]) -> tuple[Finding, ...]:
    """A warning for each value that a later edit replaces by another one.

    Args:
        instance: the one that is edited; its names tell where a key ends that holds dots.
        edits: in the order in which they are made.
    """
    if len(edits) < 2:
        return ()
    data = instance.to_dict()
    placed = [(_located(data, edit.path), edit) for edit in edits]
    found = []
    for i, (place, edit) in enumerate(placed):
        later = [(at, other) for at, other in placed[i + 1 :] if _overlap(place, at)]
        if later and (pair := _replaced(place, edit, *later[-1])):
            found.append(_finding(edit, later[-1][1], *pair))
    return tuple(dict.fromkeys(found))


def _overlap(one: Place, other: Place) -> bool:
    """Whether a place is the other, holds it, or is held by it."""
    return one[: len(other)] == other[: len(one)]


def _replaced(place: Place, edit: Edit, at: Place, later: Edit) -> tuple[Place, Any, Any] | None:
    """Where two edits differ, with the value before and the value that holds; None where they agree."""
    deeper = max(place, at, key=len)
    before, after = (_within(value, deeper[len(own) :]) for own, value in ((place, edit.value), (at, later.value)))
    # What the earlier edit says nothing about, the later one adds.
    if before is _ABSENT or _plain(before) == _plain(after):
        return None
    return deeper, before, after


_ABSENT = object()


def _within(value: Any, keys: Place) -> Any:
    for key in keys:
        if isinstance(value, (list, tuple)):
            value = dict(enumerate(value))
        parts = value if isinstance(value, Mapping) else {}
        value = {str(each): part for each, part in parts.items()}.get(str(key), _ABSENT)
    return value


def _plain(value: Any) -> Any:
    """The same for ``30M`` and 30000000, for ``{2027: 1}`` and ``{"2027": 1.0}``."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    try:
        return parse_amount(value)
    except PydanticCustomError:
        return value


def _located(data: Any, path: str) -> Place:
    """The keys of a dotted path; of a name that is there and holds dots the longest one wins."""
    parts, place = path.split("."), tuple[str | int, ...]()
    while parts:
        names = range(len(parts), 0, -1) if isinstance(data, dict) else ()
        length = next((size for size in names if ".".join(parts[:size]) in data), 1)
        key: str | int = ".".join(parts[:length])
        if isinstance(data, list) and str(key).isdigit():
            key = int(key)
        place, parts = (*place, key), parts[length:]
        data = _within(data, (key,))
    return place


def _finding(earlier: Edit, later: Edit, place: Place, before: Any, after: Any) -> Finding:
    gone = "is left out" if after is _ABSENT else f"is replaced by {_shown(after)}"
    first, last = (each.source.partition("=")[0] for each in (earlier, later))
    what = f"{_shown(before)} of {first if first != last else 'an earlier --set'} {gone}"
    where = ".".join(map(str, place))
    return Finding(last, None, where, what, _cure(earlier, later, where), "warning")


def _cure(earlier: Edit, later: Edit, where: str) -> str:
    if earlier.source.startswith(SCENARIO) and later.source.startswith(SCENARIO):
        return "Scenarios stack in the order given, and the last one holds: exchange them where the other should."
    if later.source.startswith(SCENARIO):
        name = later.source.removeprefix(SCENARIO).strip()
        return f"A scenario applies after --set: to change it, write --set scenarios.{name}.{where}=VALUE."
    if earlier.source.startswith(SCENARIO):
        return "It applies after scenarios: leave it out where the scenario should hold."
    return "The last one holds: write one of the two."


def _shown(value: Any) -> str:
    """A value as the file would have it, cut off where it is long."""
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {_shown(part)}" for key, part in value.items()) + "}"
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(map(_shown, value)) + "]"
    elif isinstance(value, float):
        text = f"{value:.10g}"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
