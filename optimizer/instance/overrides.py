"""Overrides of a file: values put at dotted paths by `--set`, a scenario, a branch, `--force` or a budget.

A scenario is a named set of overrides, ``{dotted.path: value}``; each replaces the value at its path. It is checked
like a file of its own: its overrides are applied to a copy of the document, and findings of the copy that the document
does not have are reported at the lines inside the scenario.

If two edits set the same number to different values, the later one holds, and `clashes` reports the key, both sources
and both values.

The values of the branches that lead to a future are set in the order in which their questions are answered.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer.arguments import ArgumentError, several
from optimizer.errors import Finding, InstanceError, Place, Severity, Vocabulary, did_you_mean, excerpt
from optimizer.instance.document import Document, entries_in, longest_key, parse_value, with_text_keys
from optimizer.instance.questions import FUTURES, QuestionBranch
from optimizer.instance.schema import Instance
from optimizer.units import parse_amount

SCENARIOS = "scenarios"
# Keys that a scenario cannot change, since they are resolved before it applies.
BEFORE_SCENARIOS = (SCENARIOS, "home")
# Maximum number of characters of a value in the record of changes.
RECORDED = 400
NOUNS = {
    "regions": "region",
    "commodities": "commodity",
    "processes": "process",
    "demands": "segment",
    "options": "option",
    "shocks": "shock",
    "ensembles": "ensemble",
    "futures": "question",
}


# Assignments such as ``demands.ev_motors.survival=0.6``, one or several, or values by path.
OverridesLike = str | Iterable[str] | Mapping[str, Any]


def assignments(overrides: OverridesLike) -> list[str]:
    """Return overrides as assignments ``path=value``; values of a mapping are written as JSON.

    Raises:
        ArgumentError: the overrides are neither texts nor a mapping.
    """
    if isinstance(overrides, Mapping):
        return [f"{path}={json.dumps(with_text_keys(value), default=str)}" for path, value in overrides.items()]
    return several("overrides", overrides, str, "KEY=VALUE")


def apply_override(document: Document, assignment: str) -> None:
    """Apply an assignment such as ``demands.ev_motors.survival=0.6`` to the data, before they are checked.

    Raises:
        InstanceError: the assignment has no ``=``, or its path leads through a value that has no keys.
    """
    source = f"--set {excerpt(assignment)}"
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        cure = "Write KEY=VALUE, such as demands.ev_motors.survival=0.6."
        raise InstanceError([Finding(source, None, "", "is no assignment", cure)])
    value, findings = parse_value(text, source)
    document.findings += findings
    assign(document, path, value, Finding(source, None, "", "", ""))


def assign(document: Document, path: str | Sequence[str], value: Any, source: Finding) -> Place:
    """Put a value at a path, either dotted or a sequence of literal keys; missing mappings on the path are created.

    Later findings there name the file and line of `source`.

    Returns:
        The place of the value.

    Raises:
        InstanceError: the path leads through a value that has no keys, or to a missing item of a list.
    """
    parts = path.strip().split(".") if isinstance(path, str) else list(path)
    holder: Any = document.data
    place: Place = ()
    while parts:
        key, parts = _next_key(holder, parts, source, place if isinstance(path, str) else None)
        place = (*place, key)
        if not parts:
            document.replaced.setdefault(place, holder.get(key) if isinstance(holder, dict) else holder[int(key)])
            holder[key] = value
        elif isinstance(holder, dict) and (key not in holder or holder[key] is None):
            holder[key] = {}
            document.overrides[place] = source
            document.made.add(place)
        holder = document.own_child(holder, key, place)
    document.overrides[place] = source
    return place


def _next_key(holder: Any, parts: list[str], source: Finding, place: Place | None) -> tuple[str | int, list[str]]:
    """Return the next key of a path, and the rest; in a dotted path, below `place`, the longest existing name wins."""
    if isinstance(holder, dict):
        length = 1 if place is None else longest_key(holder, parts) or (len(parts) if _holds_paths(place) else 1)
        return ".".join(parts[:length]), parts[length:]
    if isinstance(holder, list) and parts[0].isdigit() and int(parts[0]) < len(holder):
        return int(parts[0]), parts[1:]
    before = f"a list of length {len(holder)}" if isinstance(holder, list) else f'the value "{holder}"'
    what = f'"{parts[0]}" names nothing: the path before it leads to {before}'
    raise InstanceError([replace(source, what=what, cure="Name a key that exists; items of a list count from 0.")])


def _holds_paths(place: Place) -> bool:
    """Return whether keys at a place are dotted paths: those of `ranges`, of a scenario, and of `set` in a branch."""
    if place == ("ranges",):
        return True
    return len(place) == 2 if place[:1] == (SCENARIOS,) else place[:1] == (FUTURES,) and place[-1] == "set"


def check_scenarios(document: Document) -> Iterator[Finding]:
    """Yield findings about the scenarios themselves, before any is applied."""
    data = document.data.get(SCENARIOS)
    if data is not None and not isinstance(data, Mapping):
        cure = "Write `scenarios:` and one named set of overrides a line."
        yield document.finding((SCENARIOS,), "is not a mapping", cure)
    for name, overrides in entries_in(document.data, SCENARIOS):
        yield from _check_overrides(document, name, overrides)


def _check_overrides(document: Document, name: str, overrides: Any) -> Iterator[Finding]:
    place: Place = (SCENARIOS, name)
    if not isinstance(overrides, Mapping):
        cure = "Write dotted paths with their values: {demands.motors.survival: 0.6}."
        yield document.finding(place, "is not a mapping", cure)
        return
    if not overrides:
        yield document.finding(place, "changes nothing", "Add an override, or remove it.", "warning")
    for key in overrides:
        head = key.partition(".")[0]
        if head in BEFORE_SCENARIOS:
            cure = "Write a file of its own for that." if head == "home" else "Override the rest of the file."
            yield document.finding((*place, key), f"a scenario cannot change `{head}`", cure)


def sound_scenarios(document: Document) -> dict[str, Mapping[str, Any]]:
    """Return the well-formed scenarios, by name."""

    def is_sound(name: str, overrides: Any) -> bool:
        return all(finding.severity == "warning" for finding in _check_overrides(document, name, overrides))

    return {name: overrides for name, overrides in entries_in(document.data, SCENARIOS) if is_sound(name, overrides)}


def apply_scenarios(document: Document, *names: str) -> Document:
    """Return a copy of a document with the given scenarios applied in order, and without scenarios of its own."""
    data = document.shared_data(SCENARIOS)
    result = Document(document.file, data, made={*document.made}, own=set(), known=document.known)
    for name in names:
        result.overrides[()] = document.finding((SCENARIOS, name), "", "")
        apply_entries(document, (SCENARIOS, name), document.data[SCENARIOS][name], result)
    return result


def apply_entries(document: Document, place: Place, entries: Mapping[str, Any], result: Document) -> None:
    """Apply the overrides at a place of a document to its copy `result`."""
    depth = len(place) + 1
    for key, value in entries.items():
        source = document.finding((*place, key), "", "")
        try:
            there = assign(result, key, copy.deepcopy(value), source)
        except InstanceError as error:
            result.findings += error.findings
            continue
        within = document.places_in((*place, key))
        result.overrides |= {(*there, *where[depth:]): document.finding(where, "", "") for where in within}


def findings_of_scenario(name: str, found: Iterable[Finding], before: Iterable[Finding]) -> list[Finding]:
    """Return the findings of a scenario that are not in `before`, each with the name of the scenario.

    Cures differ by nature: a scenario of a workbook has no cell to write in.
    """
    known = {(finding.where, finding.what, finding.severity) for finding in before}
    new = (each for each in found if (each.where, each.what, each.severity) not in known)
    own = f"{SCENARIOS}.{name}"
    return [
        each if each.where.startswith(own) else replace(each, where=f"{own}, {each.where}".removesuffix(", "))
        for each in new
    ]


_NO_SCENARIOS = (
    "The file has none: add `scenarios: {name: {path: value}}`. Where one is applied already, name all in one call."
)


def unknown_scenario(name: str, known: Sequence[str]) -> Finding:
    """Build the finding that there is no scenario of this name, with the nearest known name."""
    cure = f"Known: {', '.join(known)}." if known else _NO_SCENARIOS
    return Finding(f"scenario {name}", None, "", f'"{name}" is no scenario', did_you_mean(name, known, cure))


def missing_entry(document: Document, section: str, name: str, required: Sequence[str]) -> Finding | None:
    """Build a finding if an override created an incomplete entry by changing one that does not exist; else None."""
    entries = document.data[section]
    if (section, name) not in document.made or all(field in entries[name] for field in required if field != "id"):
        return None
    others = Vocabulary((key for key in entries if (section, key) not in document.made), NOUNS[section])
    cure = others.cure(name) if others.names else f"Write it whole: `{section}.{name}={{…}}`."
    return document.finding((section, name), f'there is no {NOUNS[section]} "{name}"', cure)


def forced_sizes(sizes: Any) -> list[tuple[str, Any, float]]:
    """Return required purchases as (option, calendar year, size), from a list or from a mapping like `policy.force`.

    Raises:
        ArgumentError: `sizes` is neither.
    """
    try:
        if isinstance(sizes, Mapping):
            sizes = [(o, *pair) for o, by_year in sizes.items() for pair in by_year.items()]
        return [(str(o), year, float(size)) for o, year, size in sizes]
    except (AttributeError, TypeError, ValueError):
        raise ArgumentError("sizes", sizes, 'write [("plant", 2027, 40)], or {"plant": {2027: 40}}.') from None


SCENARIO, BRANCH = "scenario", "branch"


@dataclass(frozen=True)
class Edit:
    """A value put at a path of the file; `source` says what puts it there, such as ``scenario high``."""

    source: str
    path: str
    value: Any


def set_edits(assignments: Iterable[str]) -> Iterator[Edit]:
    """Yield the edits of ``--set KEY=VALUE`` assignments, which `apply_override` has already parsed once."""
    for assignment in assignments:
        path, _, text = assignment.partition("=")
        source = f"--set {assignment}"
        yield Edit(source, path.strip(), parse_value(text, source)[0])


def scenario_edits(instance: Instance, names: Iterable[str]) -> Iterator[Edit]:
    """Yield the edits of scenarios, in the order given."""
    for name in names:
        for path, value in instance.scenarios[name].items():
            yield Edit(f"{SCENARIO} {name}", path, value)


def replacements(document: Document) -> Iterator[str]:
    """Yield each value set by overrides with the one that it replaced: ``discount_rate 0.08, not 0.03``."""
    for place, before in document.replaced.items():
        now = _part_at(document.data, place)
        if now is not _ABSENT and _normalise(now) != _normalise(before):
            text = f"{'.'.join(map(str, place))} {_show_value(now, RECORDED)}"
            text = text if before is None else f"{text}, not {_show_value(before)}"
            yield f"{text}{_PER_PERIOD}" if place == ("horizon", "step") and _lists_severities(document.data) else text


_PER_PERIOD = " (lists of severities have one value a period, and stay as they are)"


def _lists_severities(data: Any) -> bool:
    """Return whether any cut in the data has several severities, one for each period."""
    if isinstance(data, Mapping):
        listed = [cut.get("severity") for cut in data.get("cuts") or () if isinstance(cut, Mapping)]
        return any(isinstance(each, list) and len(each) > 1 for each in listed) or any(
            _lists_severities(part) for part in data.values()
        )
    return False


def scenario_words(names: Iterable[str]) -> tuple[str, ...]:
    """Return the short description of each applied scenario: ``scenario high``."""
    return tuple(f"scenario {name}" for name in names)


def scenario_notes(instance: Instance, names: Sequence[str]) -> tuple[str, ...]:
    """Return a note on each applied scenario with the values that it sets, long ones cut off."""

    def settings(name: str) -> str:
        return ", ".join(f"{edit.path}={_show_value(edit.value)}" for edit in scenario_edits(instance, [name]))

    return tuple(f"Scenario {name}: {settings(name) or 'sets nothing'}." for name in names)


def clashes(instance: Instance, edits: Sequence[Edit]) -> tuple[Finding, ...]:
    """Return a warning for each value that a later edit replaces by a different one.

    Args:
        instance: the instance that is edited; its names determine where a key that holds dots ends.
        edits: the edits in the order in which they are applied.
    """
    if len(edits) < 2:
        return ()
    data = instance.to_dict()
    placed = [(_locate(data, edit.path), edit) for edit in edits]
    found = []
    for i, (place, edit) in enumerate(placed):
        # The two places are equal, or one is inside the other.
        later = [(at, other) for at, other in placed[i + 1 :] if place[: len(at)] == at[: len(place)]]
        if later and (pair := _replacement(place, edit, *later[-1])):
            found.append(_clash_finding(edit, later[-1][1], *pair))
    return tuple(dict.fromkeys(found))


def _replacement(place: Place, edit: Edit, at: Place, later: Edit) -> tuple[Place, Any, Any] | None:
    """Return the place at which two edits differ, with the earlier and the later value; None if they agree."""
    deeper = max(place, at, key=len)
    before, after = (_part_at(value, deeper[len(own) :]) for own, value in ((place, edit.value), (at, later.value)))
    # No conflict: the later edit sets a part that the earlier one leaves open.
    if before is _ABSENT or _normalise(before) == _normalise(after):
        return None
    return deeper, before, after


_ABSENT = object()


def _part_at(value: Any, keys: Place) -> Any:
    for key in keys:
        if isinstance(value, (list, tuple)):
            value = dict(enumerate(value))
        parts = value if isinstance(value, Mapping) else {}
        value = {str(each): part for each, part in parts.items()}.get(str(key), _ABSENT)
    return value


def _normalise(value: Any) -> Any:
    """Normalise a value for comparison: ``30M`` equals 30000000, and ``{2027: 1}`` equals ``{"2027": 1.0}``."""
    if isinstance(value, Mapping):
        return {str(key): _normalise(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_normalise(part) for part in value]
    try:
        return parse_amount(value)
    except PydanticCustomError:
        return value


def _locate(data: Any, path: str) -> Place:
    """Return the keys of a dotted path in the data; the longest existing name wins, since names may hold dots."""
    parts, place = path.split("."), tuple[str | int, ...]()
    while parts:
        length = (longest_key(data, parts) if isinstance(data, dict) else 0) or 1
        key: str | int = ".".join(parts[:length])
        if isinstance(data, list) and str(key).isdigit():
            key = int(key)
        place, parts = (*place, key), parts[length:]
        data = _part_at(data, (key,))
    return place


def _clash_finding(earlier: Edit, later: Edit, place: Place, before: Any, after: Any) -> Finding:
    gone = "is left out" if after is _ABSENT else f"is replaced by {_show_value(after)}"
    first, last = (each.source.partition("=")[0] for each in (earlier, later))
    what = f"{_show_value(before)} of {first if first != last else 'an earlier --set'} {gone}"
    where = ".".join(map(str, place))
    return Finding(last, None, where, what, _clash_cure(earlier, later, where), "warning")


def _clash_cure(earlier: Edit, later: Edit, where: str) -> str:
    if earlier.source.startswith(SCENARIO) and later.source.startswith(SCENARIO):
        return "Scenarios apply in the order given, and the last one holds: swap them if the other one should."
    if later.source.startswith(BRANCH):
        return "A branch applies last: change the value there, or leave it out."
    if later.source.startswith(SCENARIO):
        name = later.source.removeprefix(SCENARIO).strip()
        return f"A scenario applies after --set: to change it, write --set scenarios.{name}.{where}=VALUE."
    if earlier.source.startswith(SCENARIO):
        return "It applies after scenarios: leave it out if the scenario should hold."
    return "The last one holds: write one of the two."


def _show_value(value: Any, most: int = 60) -> str:
    """Format a value as in a file, cut off after `most` characters."""
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {_show_value(part, most)}" for key, part in value.items()) + "}"
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(_show_value(part, most) for part in value) + "]"
    elif isinstance(value, float):
        text = f"{value:.10g}"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 1] + "…"


@dataclass(frozen=True)
class FutureFinding(Finding):
    """A finding in a future, with the place of the branch that set the value there, or None."""

    branch: Place | None = None


@dataclass
class FutureDocument(Document):
    """A copy of a document with the values of branches; `origins` maps each place set to the entry that set it."""

    origins: dict[Place, Place] = field(default_factory=dict)

    def finding(self, place: Place, what: str, cure: str, severity: Severity = "error") -> Finding:
        """Build a finding that includes the branch that set the value at its place."""
        found = super().finding(place, what, cure, severity)
        around = (place[:depth] for depth in range(len(place), -1, -1))
        nearest = next((each for each in around if each in self.overrides), ())
        entry = self.origins.get(nearest)
        return FutureFinding(**vars(found), branch=None if entry is None else entry[:-2])

    def set_by(self, branch: Place) -> dict[Place, Place]:
        """Return, for each place that an entry of the `set` of a branch leads to, the place of that entry."""
        found = dict[Place, Place]()
        for at, entry in sorted(self.origins.items(), key=lambda item: len(item[0])):
            if entry[:-2] == branch and entry not in found.values():
                found[at] = entry
        return found


def apply_branches(document: Document, branches: tuple[tuple[Place, QuestionBranch], ...]) -> FutureDocument:
    """Return a copy of a document with the values of branches set in order, without futures and scenarios."""
    data, overrides = document.shared_data(SCENARIOS, FUTURES), {**document.overrides}
    result = FutureDocument(
        document.file, data, overrides=overrides, made={*document.made}, own=set(), known=document.known
    )
    for place, branch in branches:
        for key, value in branch.set.items():
            before, entry = {**result.overrides}, (*place, "set", key)
            apply_entries(document, entry[:-1], {key: value}, result)
            result.origins |= {at: entry for at, source in result.overrides.items() if before.get(at) is not source}
    return result
