"""Overrides of a file: values that are put at dotted paths, by `--set`, a scenario, a branch, `--force` or a budget.

A scenario is a named set of overrides of the file itself, ``{dotted.path: value}``; each replaces what is there. It is
checked like a file of its own: its overrides are applied to a copy of the document. What is found in the copy, but not
in the document, is reported at the line inside the scenario.

Where two edits set the same number to different values the later one holds, and `clashes` names the key, both sources
and both values.

A `Way` through the questions of a file ends in a future. Its questions are answered in the order of their periods; of
those of one period the one that stands first in the file comes first. What branches set is applied in that order, so
that of two that set the same the later one holds.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import PydanticCustomError

from optimizer.arguments import ArgumentError, several
from optimizer.errors import Finding, InstanceError, Place, Severity
from optimizer.horizon import Horizon
from optimizer.instance.document import Document, longest_key, parse_value, walk, with_text_keys
from optimizer.instance.questions import FUTURES, Question, QuestionBranch
from optimizer.instance.schema import Answer, Instance
from optimizer.suggestions import Vocabulary, did_you_mean, excerpt
from optimizer.units import parse_amount

SCENARIOS = "scenarios"
# A scenario cannot change these: they are resolved before it applies.
BEFORE_SCENARIOS = (SCENARIOS, "home")
# Characters of a value that the record of what was changed shows.
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
    """Overrides as assignments; a value of a mapping is written as JSON.

    Raises:
        ArgumentError: they are neither texts nor a mapping.
    """
    if isinstance(overrides, Mapping):
        return [f"{path}={json.dumps(with_text_keys(value), default=str)}" for path, value in overrides.items()]
    return several("overrides", overrides, str, "KEY=VALUE")


def apply_override(document: Document, assignment: str) -> None:
    """Apply ``demands.ev_motors.survival=0.6`` to the data, to be checked like the file.

    Raises:
        InstanceError: no ``=``, or a path that leads through something that is not there.
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
    """Put a value where a dotted path leads, or a path of keys taken as they are; mappings on the way are made.

    Later findings there name the file and line of `source`.

    Returns:
        The place.

    Raises:
        InstanceError: a path that leads through something that is not there.
    """
    parts = _parts(path) if isinstance(path, str) else list(path)
    holder: Any = document.data
    place: Place = ()
    while parts:
        key, parts = _step(holder, parts, source, is_dotted=isinstance(path, str))
        place = (*place, key)
        if not parts:
            document.replaced.setdefault(place, holder.get(key) if isinstance(holder, dict) else holder[int(key)])
            holder[key] = value
        elif isinstance(holder, dict) and (key not in holder or holder[key] is None):
            holder[key] = {}
            document.overrides[place] = source
            document.made.add(place)
        holder = document.inside(holder, key, place)
    document.overrides[place] = source
    return place


def _parts(path: str) -> list[str]:
    """The keys of a dotted path; what follows `ranges` is itself the path of a number, and one key."""
    head, _, rest = path.strip().partition(".")
    return [head, rest] if head == "ranges" and rest else path.strip().split(".")


def _step(holder: Any, parts: list[str], source: Finding, *, is_dotted: bool) -> tuple[str | int, list[str]]:
    """The next key of a path; of a dotted one the longest name that is there wins, so that names may hold dots."""
    if isinstance(holder, dict):
        length = longest_key(holder, parts) or 1 if is_dotted else 1
        return ".".join(parts[:length]), parts[length:]
    if isinstance(holder, list) and parts[0].isdigit() and int(parts[0]) < len(holder):
        return int(parts[0]), parts[1:]
    what = f'"{parts[0]}" leads nowhere: what stands before it is {_kind(holder)}'
    raise InstanceError([replace(source, what=what, cure="Name a key that exists; items of a list count from 0.")])


def _kind(holder: Any) -> str:
    return f"a list of {len(holder)}" if isinstance(holder, list) else f'the value "{holder}"'


def check_scenarios(document: Document) -> Iterator[Finding]:
    """What is wrong with the scenarios before any is applied."""
    data = document.data.get(SCENARIOS)
    if data is not None and not isinstance(data, Mapping):
        cure = "Write `scenarios:` and one named set of overrides a line."
        yield document.finding((SCENARIOS,), "is not a mapping", cure)
    for name, overrides in walk(document.data, SCENARIOS):
        yield from _of_overrides(document, name, overrides)


def _of_overrides(document: Document, name: str, overrides: Any) -> Iterator[Finding]:
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
    """The scenarios that are well formed."""

    def is_sound(name: str, overrides: Any) -> bool:
        return all(finding.severity == "warning" for finding in _of_overrides(document, name, overrides))

    return {name: overrides for name, overrides in walk(document.data, SCENARIOS) if is_sound(name, overrides)}


def apply_scenarios(document: Document, *names: str) -> Document:
    """A copy of a document with the overrides of scenarios applied in their order, and without scenarios of its own."""
    data = document.shared_data(SCENARIOS)
    result = Document(document.file, data, made={*document.made}, own=set(), known=document.known)
    for name in names:
        result.overrides[()] = document.finding((SCENARIOS, name), "", "")
        apply_entries(document, (SCENARIOS, name), document.data[SCENARIOS][name], result)
    return result


def apply_entries(document: Document, place: Place, entries: Mapping[str, Any], result: Document) -> None:
    """Apply the overrides that stand at a place of a document to a copy of it."""
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
    """What is found in a scenario and not before."""
    known = {(finding.where, finding.what, finding.cure, finding.severity) for finding in before}
    new = (each for each in found if (each.where, each.what, each.cure, each.severity) not in known)
    own = f"{SCENARIOS}.{name}"
    return [
        each if each.where.startswith(own) else replace(each, where=f"{own}, {each.where}".removesuffix(", "))
        for each in new
    ]


_NO_SCENARIOS = (
    "The file has none: add `scenarios: {name: {path: value}}`. An instance under a scenario has none left: name all "
    "at once."
)


def unknown_scenario(name: str, known: Sequence[str]) -> Finding:
    """That there is no scenario of a name, with the nearest that there is."""
    cure = f"Known: {', '.join(known)}." if known else _NO_SCENARIOS
    return Finding(f"scenario {name}", None, "", f'"{name}" is no scenario', did_you_mean(name, known, cure))


def missing_entry(document: Document, section: str, name: str, required: Sequence[str]) -> Finding | None:
    """A finding where an override changes an entry that does not exist; None where it makes a complete one."""
    entries = document.data[section]
    if (section, name) not in document.made or all(field in entries[name] for field in required if field != "id"):
        return None
    others = Vocabulary((key for key in entries if (section, key) not in document.made), NOUNS[section])
    cure = others.cure(name) if others.names else f"Write it whole: `{section}.{name}={{…}}`."
    return document.finding((section, name), f'there is no {NOUNS[section]} "{name}"', cure)


def forced_sizes(sizes: Any) -> list[tuple[str, Any, float]]:
    """Option, calendar year and size of each purchase, from a list of these or from a mapping like `policy.force`.

    Raises:
        ArgumentError: it is neither.
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
    """A value that is put at a path of the file; `source` is what asks for it: ``scenario high``."""

    source: str
    path: str
    value: Any


def set_edits(assignments: Iterable[str]) -> Iterator[Edit]:
    """The edits of ``--set KEY=VALUE``, which `apply_override` has read."""
    for assignment in assignments:
        path, _, text = assignment.partition("=")
        source = f"--set {assignment}"
        yield Edit(source, path.strip(), parse_value(text, source)[0])


def scenario_edits(instance: Instance, names: Iterable[str]) -> Iterator[Edit]:
    """The edits of scenarios, in the order given."""
    for name in names:
        for path, value in instance.scenarios[name].items():
            yield Edit(f"{SCENARIO} {name}", path, value)


def replacements(document: Document) -> Iterator[str]:
    """Each value that overrides put into a document, with the one of the text: ``discount_rate 0.08, not 0.03``."""
    for place, before in document.replaced.items():
        now = _within(document.data, place)
        if now is not _ABSENT and _plain(now) != _plain(before):
            text = f"{'.'.join(map(str, place))} {_show_value(now, RECORDED)}"
            yield text if before is None else f"{text}, not {_show_value(before)}"


def scenario_words(names: Iterable[str]) -> tuple[str, ...]:
    """Scenarios that are applied, as a change of the file."""
    return tuple(f"scenario {name}" for name in names)


def scenario_notes(instance: Instance, names: Sequence[str]) -> tuple[str, ...]:
    """Which scenarios are applied, and what each sets."""

    def settings(name: str) -> str:
        return ", ".join(
            f"{edit.path}={_show_value(edit.value, RECORDED)}" for edit in scenario_edits(instance, [name])
        )

    return tuple(f"Scenario {name}: {settings(name) or 'sets nothing'}." for name in names)


def clashes(instance: Instance, edits: Sequence[Edit]) -> tuple[Finding, ...]:
    """A warning for each value that a later edit replaces by another one.

    Args:
        instance: the one that is edited; its names tell where a key ends that holds dots.
        edits: in the order in which they are made.
    """
    if len(edits) < 2:
        return ()
    data = instance.to_dict()
    placed = [(_locate(data, edit.path), edit) for edit in edits]
    found = []
    for i, (place, edit) in enumerate(placed):
        # One place is the other, holds it, or is held by it.
        later = [(at, other) for at, other in placed[i + 1 :] if place[: len(at)] == at[: len(place)]]
        if later and (pair := _replacement(place, edit, *later[-1])):
            found.append(_finding(edit, later[-1][1], *pair))
    return tuple(dict.fromkeys(found))


def _replacement(place: Place, edit: Edit, at: Place, later: Edit) -> tuple[Place, Any, Any] | None:
    """Where two edits differ, with the value before and the value that holds; None where they agree."""
    deeper = max(place, at, key=len)
    before, after = (_within(value, deeper[len(own) :]) for own, value in ((place, edit.value), (at, later.value)))
    # No conflict: the later edit sets a part that the earlier one leaves open.
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


def _locate(data: Any, path: str) -> Place:
    """The keys of a dotted path; of a name that is there and holds dots the longest one wins."""
    parts, place = path.split("."), tuple[str | int, ...]()
    while parts:
        length = (longest_key(data, parts) if isinstance(data, dict) else 0) or 1
        key: str | int = ".".join(parts[:length])
        if isinstance(data, list) and str(key).isdigit():
            key = int(key)
        place, parts = (*place, key), parts[length:]
        data = _within(data, (key,))
    return place


def _finding(earlier: Edit, later: Edit, place: Place, before: Any, after: Any) -> Finding:
    gone = "is left out" if after is _ABSENT else f"is replaced by {_show_value(after)}"
    first, last = (each.source.partition("=")[0] for each in (earlier, later))
    what = f"{_show_value(before)} of {first if first != last else 'an earlier --set'} {gone}"
    where = ".".join(map(str, place))
    return Finding(last, None, where, what, _cure(earlier, later, where), "warning")


def _cure(earlier: Edit, later: Edit, where: str) -> str:
    if earlier.source.startswith(SCENARIO) and later.source.startswith(SCENARIO):
        return "Scenarios stack in the order given, and the last one holds: exchange them where the other should."
    if later.source.startswith(BRANCH):
        return "What a branch sets applies last: change it there, or leave it out."
    if later.source.startswith(SCENARIO):
        name = later.source.removeprefix(SCENARIO).strip()
        return f"A scenario applies after --set: to change it, write --set scenarios.{name}.{where}=VALUE."
    if earlier.source.startswith(SCENARIO):
        return "It applies after scenarios: leave it out where the scenario should hold."
    return "The last one holds: write one of the two."


def _show_value(value: Any, most: int = 60) -> str:
    """A value as the file would have it, cut off behind so many characters."""
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {_show_value(part, most)}" for key, part in value.items()) + "}"
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(_show_value(part, most) for part in value) + "]"
    elif isinstance(value, float):
        text = f"{value:.10g}"
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 1] + "…"


# Ways through the questions of a file, and the file at the end of each.


@dataclass(frozen=True)
class Way:
    """One way through the questions, with the place and the content of each branch on it."""

    answers: tuple[Answer, ...] = ()
    branches: tuple[tuple[Place, QuestionBranch], ...] = ()
    probability: float = 1.0

    @property
    def name(self) -> str:
        """The name of its future."""
        return ".".join(answer.branch for answer in self.answers)

    @property
    def changes(self) -> tuple[tuple[Place, QuestionBranch], ...]:
        """Its branches that set something."""
        return tuple((place, branch) for place, branch in self.branches if branch.set)

    @property
    def key(self) -> tuple[Place, ...]:
        """The branches of it that set something; ways with the same ones end in the same file."""
        return tuple(place for place, _ in self.changes)


@dataclass(frozen=True)
class _Open:
    """A question that has arisen and is not answered yet."""

    t: int
    order: tuple[int, ...]
    place: Place
    question: Question


def find_ways(questions: Mapping[str, Question], horizon: Horizon) -> list[Way]:
    """Every way through some questions, in the order of the branches of the file.

    Raises:
        ValueError: a question is answered outside the horizon.
    """
    return list(_continue(Way(), _arising(questions, (), (), horizon), horizon))


def _arising(
    questions: Mapping[str, Question], place: Place, order: tuple[int, ...], horizon: Horizon
) -> tuple[_Open, ...]:
    return tuple(
        _Open(question.period(horizon), (*order, i), (*place, FUTURES, q), question)
        for i, (q, question) in enumerate(questions.items())
    )


def _continue(way: Way, waiting: tuple[_Open, ...], horizon: Horizon) -> Iterator[Way]:
    if not waiting:
        yield way
        return
    first = min(waiting, key=lambda each: (each.t, each.order))
    rest = tuple(each for each in waiting if each is not first)
    for i, (name, branch) in enumerate(first.question.branches.items()):
        place = (*first.place, "branches", name)
        further = Way(
            (*way.answers, Answer(str(first.place[-1]), name, first.t)),
            (*way.branches, (place, branch)),
            way.probability * first.question.weight(name),
        )
        yield from _continue(further, (*rest, *_arising(branch.futures, place, (*first.order, i), horizon)), horizon)


@dataclass(frozen=True)
class FutureFinding(Finding):
    """A finding in a future, with the branch that set what stands there; None where no branch did."""

    branch: Place | None = None


@dataclass
class FutureDocument(Document):
    """A copy of a document with what some branches set; `origins` has the place of the entry that set each."""

    origins: dict[Place, Place] = field(default_factory=dict)

    def finding(self, place: Place, what: str, cure: str, severity: Severity = "error") -> Finding:
        """A finding that knows its branch."""
        found = super().finding(place, what, cure, severity)
        around = (place[:depth] for depth in range(len(place), -1, -1))
        nearest = next((each for each in around if each in self.overrides), ())
        entry = self.origins.get(nearest)
        return FutureFinding(**vars(found), branch=None if entry is None else entry[:-2])

    def set_by(self, branch: Place) -> dict[Place, Place]:
        """By place that an entry of the `set` of a branch leads to, the place of that entry."""
        found = dict[Place, Place]()
        for at, entry in sorted(self.origins.items(), key=lambda item: len(item[0])):
            if entry[:-2] == branch and entry not in found.values():
                found[at] = entry
        return found


def apply_branches(document: Document, branches: tuple[tuple[Place, QuestionBranch], ...]) -> FutureDocument:
    """A copy of a document with what branches set in their order, without futures and scenarios."""
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
