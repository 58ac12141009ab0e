"""A YAML or JSON file as plain data in which every value still knows its line.

Plain scalars follow YAML 1.2: ``no`` is the text "no" (Norway is not false), ``2_500`` and ``2.5e9`` are numbers.
Keys are always text. A key that stands twice in one mapping is a finding, since one of the two would be lost.
"""

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from optimizer.errors import Finding, InstanceError, Severity
from optimizer.instance.text import Allowance, Builder, Node, TextError, of_json, of_yaml
from optimizer.limits import FINDINGS, MESSAGE, NESTING, NUMBER_LENGTH
from optimizer.suggestions import Vocabulary, excerpt, nearest
from optimizer.untrusted import UndecodableTextError, refuse_control_characters

Place = tuple[str | int, ...]
_INTEGER = re.compile(r"^[-+]?[0-9][0-9_]*\Z")
_FLOAT = re.compile(r"^[-+]?(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "true": True, "True": True, "false": False, "False": False}
_SPECIAL = {".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


@dataclass
class Document:
    """Plain data, the line of every value (in a workbook its sheet and cell), and what was wrong with the text itself.

    Where a value was overridden, file, line and cell are those of the finding in `overrides`. `made` are the mappings
    that were not there, and that a path of an override led through.
    """

    file: str
    data: dict[str, Any]
    lines: dict[Place, int] = field(default_factory=dict)
    overrides: dict[Place, Finding] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    cells: dict[Place, str] = field(default_factory=dict)
    made: set[Place] = field(default_factory=set)
    _groups: dict[int, dict[Place, list[Place]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def places_in(self, place: Place) -> list[Place]:
        """The places of the text at or inside a place, from an index that is made at the first call."""
        depth = len(place)
        if depth not in self._groups:
            groups = self._groups[depth] = dict[Place, list[Place]]()
            for each in self.lines:
                groups.setdefault(each[:depth], []).append(each)
        return self._groups[depth].get(place, [])

    def finding(self, place: Place, what: str, cure: str, severity: Severity = "error") -> Finding:
        """A finding at a place: the line or cell of the value there or of the nearest thing around it."""
        where, what, cure = ".".join(map(excerpt, place)), excerpt(what, MESSAGE), excerpt(cure, MESSAGE)
        around = [place[:depth] for depth in range(len(place), -1, -1)]
        source = next((self.overrides[each] for each in around if each in self.overrides), None)
        line = next((self.lines[each] for each in around if each in self.lines), None)
        cell = next((self.cells[each] for each in around if each in self.cells), None)
        if source is not None:
            return Finding(source.file, source.line, where, what, cure, severity, source.cell)
        return Finding(self.file, line, where, what, cure, severity, cell)


def parse(text: str, file: str, allowance: Allowance | None = None) -> Document:
    """Text to data.

    Args:
        text: YAML or JSON; where the file's name ends in .json, JSON alone.
        file: its name.
        allowance: of values, where several texts share one.

    Raises:
        InstanceError: the text is neither, holds no mapping, or is beyond a limit.
    """
    return _parsed(text, file, allowance or Allowance(), is_json=file.lower().endswith(".json"))


def _parsed(text: str, file: str, allowance: Allowance, *, is_json: bool) -> Document:
    document = Document(file, {})
    try:
        root = _root(text, is_json=is_json)
        if root is None or root.kind != "mapping":
            cure = "Write the keys of an instance: name, horizon, commodities, processes, demands, options, shocks."
            raise TextError(1, "holds no mapping", cure)
        builder = Builder(scalar, allowance)
        document.data, document.lines = builder.build(root, ()), builder.lines
    except TextError as error:
        raise InstanceError([Finding(file, error.line, "", error.what, error.cure)]) from None
    for place, line, what, cure in builder.problems[:FINDINGS]:
        document.findings.append(Finding(file, line, ".".join(map(excerpt, place)), what, cure))
    return document


def _root(text: str, *, is_json: bool) -> Node | None:
    try:
        refuse_control_characters(text)
    except UndecodableTextError as error:
        cure = "Remove it; it may have come with a text that was copied."
        raise TextError(error.line, str(error), cure) from None
    if is_json or text.lstrip()[:1] == "{":
        try:
            return of_json(text, scalar)
        except (json.JSONDecodeError, RecursionError) as error:
            if is_json:
                line, problem = getattr(error, "lineno", None), getattr(error, "msg", "it nests too deeply")
                cure = "Check commas, brackets and quotes there; JSON takes no comments, and no comma before a bracket."
                raise TextError(line, f"is not JSON: {problem[:1].lower()}{problem[1:]}", cure) from None
    try:
        return of_yaml(text)
    except yaml.YAMLError as error:
        raise _syntax(error, text) from None


def _syntax(error: yaml.YAMLError, text: str) -> TextError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    rows = text.splitlines()
    line = mark.line + 1 if mark else max(1, len(rows))
    cure = "Check indentation, brackets and quotes there; a text that contains ': ' or ' #' needs quotes."
    row = rows[line - 1] if line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        problem, cure = "a tab at the beginning of the line", "Indent with spaces: YAML takes no tabs there."
    return TextError(line, f"cannot be read as YAML: {problem}", cure)


def scalar(text: str) -> Any:
    """What a word without quotes is: a number, true or false, nothing, or text."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > NUMBER_LENGTH:
        return text
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    if _INTEGER.match(text):
        return int(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    return text


def override(document: Document, assignment: str) -> None:
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


def parse_value(text: str, file: str, allowance: Allowance | None = None) -> tuple[Any, list[Finding]]:
    """A single value, as a file would have it behind a key, and what is wrong with it.

    Raises:
        InstanceError: it cannot be read.
    """
    allowance = allowance or Allowance()
    whole = f'{{"value": {text}}}'
    # JSON has more in a line than YAML: long keys, and characters beyond 16 bits by their halves.
    is_json = text.lstrip()[:1] in ("{", "[") and _is_json(whole)
    inner = _parsed(whole if is_json else f"value: {text.strip()}", file, allowance, is_json=is_json)
    if inner.data.keys() != {"value"}:
        raise InstanceError([Finding(file, None, "", "holds more than one value", "Write it in one line.")])
    return inner.data["value"], inner.findings


def _is_json(text: str) -> bool:
    try:
        of_json(text, scalar)
    except (TextError, json.JSONDecodeError, RecursionError):
        return False
    return True


def assign(document: Document, path: str | Sequence[str], value: Any, source: Finding) -> Place:
    """Put a value where a dotted path leads, or a path of keys taken as they are; mappings on the way are made.

    What is later found there is said of the file and line of `source`.

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
            holder[key] = value
        elif isinstance(holder, dict) and (key not in holder or holder[key] is None):
            holder[key] = {}
            document.overrides[place] = source
            document.made.add(place)
        holder = holder[key]
    document.overrides[place] = source
    return place


def _parts(path: str) -> list[str]:
    """The keys of a dotted path; what follows `ranges` is itself the path of a number, and one key."""
    head, _, rest = path.strip().partition(".")
    return [head, rest] if head == "ranges" and rest else path.strip().split(".")


def _step(holder: Any, parts: list[str], source: Finding, *, is_dotted: bool) -> tuple[str | int, list[str]]:
    """The next key of a path; of a dotted one the longest name that is there wins, so that names may hold dots."""
    if isinstance(holder, dict):
        for length in range(min(len(parts), NESTING) if is_dotted else 1, 0, -1):
            if ".".join(parts[:length]) in holder:
                return ".".join(parts[:length]), parts[length:]
        return parts[0], parts[1:]
    if isinstance(holder, list) and parts[0].isdigit() and int(parts[0]) < len(holder):
        return int(parts[0]), parts[1:]
    what = f'"{parts[0]}" leads nowhere: what stands before it is {_kind(holder)}'
    raise InstanceError([replace(source, what=what, cure="Name a key that exists; items of a list count from 0.")])


def _kind(holder: Any) -> str:
    return f"a list of {len(holder)}" if isinstance(holder, list) else f'the value "{holder}"'


def walk(data: Mapping[str, Any], section: str) -> Iterator[tuple[str, Any]]:
    """The entries of a section that is a mapping; nothing where it is absent or something else."""
    entries = data.get(section)
    if isinstance(entries, Mapping):
        yield from entries.items()


SCENARIOS = "scenarios"
# What the rest of the file rests on, and is resolved before a scenario can speak.
BEFORE_SCENARIOS = (SCENARIOS, "home")
NOUNS = {
    "regions": "region",
    "commodities": "commodity",
    "processes": "process",
    "demands": "segment",
    "options": "option",
    "shocks": "shock",
    "ensembles": "ensemble",
}


def malformed(document: Document) -> Iterator[Finding]:
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


def usable(document: Document) -> dict[str, Mapping[str, Any]]:
    """The scenarios that are well formed."""

    def is_sound(name: str, overrides: Any) -> bool:
        return all(finding.severity == "warning" for finding in _of_overrides(document, name, overrides))

    return {name: overrides for name, overrides in walk(document.data, SCENARIOS) if is_sound(name, overrides)}


def played(document: Document, *names: str) -> Document:
    """A copy of a document with the overrides of scenarios applied in their order, and without scenarios of its own."""
    data = copy.deepcopy({key: value for key, value in document.data.items() if key != SCENARIOS})
    result = Document(document.file, data, made={*document.made})
    for name in names:
        result.overrides[()] = document.finding((SCENARIOS, name), "", "")
        _play(document, name, result)
    return result


def _play(document: Document, name: str, result: Document) -> None:
    """Apply the overrides of one scenario of a document to the copy."""
    place: Place = (SCENARIOS, name)
    for key, value in document.data[SCENARIOS][name].items():
        source = document.finding((*place, key), "", "")
        try:
            there = assign(result, key, copy.deepcopy(value), source)
        except InstanceError as error:
            result.findings += error.findings
            continue
        within = document.places_in((*place, key))
        result.overrides |= {(*there, *where[3:]): document.finding(where, "", "") for where in within}


def of_scenario(name: str, found: Iterable[Finding], before: Iterable[Finding]) -> list[Finding]:
    """What is found in a scenario and not before."""
    known = {(finding.where, finding.what, finding.cure, finding.severity) for finding in before}
    new = (each for each in found if (each.where, each.what, each.cure, each.severity) not in known)
    own = f"{SCENARIOS}.{name}"
    return [
        each if each.where.startswith(own) else replace(each, where=f"{own}, {each.where}".removesuffix(", "))
        for each in new
    ]


def no_such(name: str, known: Sequence[str]) -> Finding:
    """That there is no scenario of a name, with the nearest that there is."""
    near = nearest(name, known)
    cure = f"Known: {', '.join(known)}." if known else "The file has none: add `scenarios: {name: {path: value}}`."
    return Finding(
        f"--scenario {name}", None, "", f'"{name}" is no scenario', f'Did you mean "{near}"?' if near else cure
    )


def no_entry(document: Document, section: str, name: str, required: Sequence[str]) -> Finding | None:
    """That an override means to change an entry that there is not; None where it makes a whole one.

    Args:
        document: with the overrides applied.
        section, name: of the entry.
        required: the fields without which there is no such entry.
    """
    entries = document.data[section]
    if (section, name) not in document.made or all(field in entries[name] for field in required if field != "id"):
        return None
    others = Vocabulary((key for key in entries if (section, key) not in document.made), NOUNS[section])
    cure = others.cure(name) if others.names else f"Write it whole: `{section}.{name}={{…}}`."
    return document.finding((section, name), f'there is no {NOUNS[section]} "{name}"', cure)
