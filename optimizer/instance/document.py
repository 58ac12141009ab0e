"""A YAML or JSON file as plain data in which every value still knows its line.

Plain scalars follow YAML 1.2: ``no`` is the text "no" (Norway is not false), ``2_500`` and ``2.5e9`` are numbers.
Keys are always text. A key that stands twice in one mapping is a finding, since one of the two would be lost.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from optimizer.errors import Finding, InstanceError, Severity

Place = tuple[str | int, ...]
DIGITS = 400
_INTEGER = re.compile(r"^[-+]?\d[\d_]*$")
_FLOAT = re.compile(r"^[-+]?(\d[\d_]*)?\.?\d*([eE][-+]?\d+)?$")
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
        where = ".".join(str(part) for part in place)
        around = [place[:depth] for depth in range(len(place), -1, -1)]
        source = next((self.overrides[each] for each in around if each in self.overrides), None)
        line = next((self.lines[each] for each in around if each in self.lines), None)
        cell = next((self.cells[each] for each in around if each in self.cells), None)
        if source is not None:
            return Finding(source.file, source.line, where, what, cure, severity, source.cell)
        return Finding(self.file, line, where, what, cure, severity, cell)


def parse(text: str, file: str) -> Document:
    """Text to data.

    Raises:
        InstanceError: the text is no YAML, or holds no mapping.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = Document(file, {})
    try:
        root = yaml.compose(text.replace("\t", " ") if file.endswith(".json") else text, Loader=loader)
    except yaml.YAMLError as error:
        raise InstanceError([_syntax(error, file, text)]) from None
    except RecursionError:
        what = "nests too deeply to be read"
        raise InstanceError([Finding(file, None, "", what, "Close brackets that were left open.")]) from None
    if not isinstance(root, yaml.MappingNode):
        cure = "Write the keys of an instance: name, horizon, commodities, processes, demands, options, shocks."
        raise InstanceError([Finding(file, 1, "", "holds no mapping", cure)])
    document.data = _build(document, root, (), ())
    return document


def _syntax(error: yaml.YAMLError, file: str, text: str) -> Finding:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    line = mark.line + 1 if mark else None
    cure = "Check indentation, brackets and quotes there; a text that contains ': ' or ' #' needs quotes."
    rows = text.splitlines()
    row = rows[line - 1] if line is not None and line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        problem, cure = "a tab at the beginning of the line", "Indent with spaces: YAML takes no tabs there."
    return Finding(file, line, "", f"cannot be read as YAML: {problem}", cure)


def _build(document: Document, node: Any, place: Place, above: tuple[Any, ...]) -> Any:
    document.lines.setdefault(place, node.start_mark.line + 1)
    if any(node is ancestor for ancestor in above):
        document.findings.append(document.finding(place, "contains itself", "Remove the alias that points back."))
        return None
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(document, node, place, (*above, node))
    if isinstance(node, yaml.SequenceNode):
        return [_build(document, item, (*place, i), (*above, node)) for i, item in enumerate(node.value)]
    return _scalar(node)


def _build_mapping(document: Document, node: Any, place: Place, above: tuple[Any, ...]) -> dict[str, Any]:
    # What is merged in comes first, so that the lines of a mapping's own keys are those that are remembered.
    merged: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if _is_merge(key_node):
            for source in value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]:
                inherited = _build(document, source, place, above)
                merged = {**inherited, **merged} if isinstance(inherited, dict) else merged
    own: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not _is_merge(key_node):
            _add(document, own, key_node, value_node, place, above)
    return {**merged, **own}


def _is_merge(key_node: Any) -> bool:
    return isinstance(key_node, yaml.ScalarNode) and key_node.value == "<<" and _is_plain(key_node)


def _add(
    document: Document, own: dict[str, Any], key_node: Any, value_node: Any, place: Place, above: tuple[Any, ...]
) -> None:
    key, line = str(getattr(key_node, "value", "")), key_node.start_mark.line + 1
    if not isinstance(key_node, yaml.ScalarNode):
        document.lines[(*place, "?")] = line
        document.findings.append(document.finding((*place, "?"), "a key is not plain text", "Write a single word."))
    elif key in own:
        first = document.lines[(*place, key)]
        document.lines[(*place, key)] = line
        what, cure = f"stands twice (first in line {first})", "Keep one of the two, or give the second another name."
        document.findings.append(document.finding((*place, key), what, cure))
    else:
        document.lines[(*place, key)] = line
        own[key] = _build(document, value_node, (*place, key), above)


def _is_plain(node: Any) -> bool:
    """Whether a scalar stands without quotes; the C reader says "" where the Python one says None."""
    return not node.style


def _scalar(node: Any) -> Any:
    text = str(node.value)
    return scalar(text) if _is_plain(node) else text


def scalar(text: str) -> Any:
    """What a word without quotes is: a number, true or false, nothing, or text."""
    if text in _WORDS:
        return _WORDS[text]
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    if _INTEGER.match(text):
        # Longer ones overflow all the same, and Python would take its time over them.
        return int(text.replace("_", "")) if len(text) < DIGITS else float(text.replace("_", ""))
    if any(sign.isdigit() for sign in text) and _FLOAT.match(text):
        return float(text.replace("_", ""))
    return text


def override(document: Document, assignment: str) -> None:
    """Apply ``demands.ev_motors.survival=0.6`` to the data, to be checked like the file.

    Raises:
        InstanceError: no ``=``, or a path that leads through something that is not there.
    """
    source = f"--set {assignment}"
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        cure = "Write KEY=VALUE, such as demands.ev_motors.survival=0.6."
        raise InstanceError([Finding(source, None, "", "is no assignment", cure)])
    value = parse(f"value: {text}", source).data.get("value")
    assign(document, path, value, Finding(source, None, "", "", ""))


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
        for length in range(len(parts) if is_dotted else 1, 0, -1):
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
