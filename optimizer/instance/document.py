"""A YAML or JSON file as plain data, with the line of every value.

As in YAML 1.2, ``no`` is the text "no" (the country code of Norway is not false). Besides decimal numbers, ``.inf`` and
``.nan``, these words have a meaning: ``null``, ``true``, ``false``, also with a capital, and ``~``. ``2_500`` is a
number, as in YAML 1.1. Keys are always text. A repeated key in a mapping is a finding: one of the values would be lost.
"""

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path as FilePath
from string import ascii_uppercase
from typing import Any

import yaml

from optimizer.errors import CONTROL, Finding, InstanceError, Place, Severity, character, excerpt
from optimizer.files import UndecodableTextError, decode, read_bytes, refuse_control_characters
from optimizer.instance.text import Allowance, Builder, Node, TextError, json_root, read_simple, yaml_root
from optimizer.tolerances import FILE_BYTES, MESSAGE_LENGTH, MOST_FINDINGS, NESTING

# Fields whose value is always text, whatever it looks like.
TEXT_FIELDS = ("name", "source", "note", "description", "currency")
NAN = "is NaN, which is no value"
# Types of the other blank cells of pandas, NA and NaT.
_BLANK_TYPES = ("NAType", "NaTType")

NAME_INSTANCE = "Name the instance, or the plan.json of `diversify solve --output`."
INSTANCE_KEYS = "Write the keys of an instance: name, horizon, commodities, processes, demands, options, shocks."


@dataclass
class Document:
    """Plain data, the line of every value (in a workbook its sheet and cell), and findings about the text itself.

    `overrides` has, by place, a finding with the file, line and cell of the override that set the value there. `made`
    are the places of mappings that did not exist and were created on the path of an override. `replaced` has the value
    that an override replaced, or None if there was none. `heads` has, for each sheet of a workbook, the letter of each
    column by its head. `warnings` are about the look of a workbook alone. A copy for a variant shares all mappings and
    lists with its original, except those at the places in `own`; `own_part` copies a shared part before it is changed.
    `known` caches results computed from shared parts, keyed by identity, for the original and its copies.
    """

    file: str
    data: dict[str, Any]
    lines: dict[Place, int] = field(default_factory=dict)
    overrides: dict[Place, Finding] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    cells: dict[Place, str] = field(default_factory=dict)
    heads: dict[str, Mapping[str, str]] = field(default_factory=dict, repr=False, compare=False)
    warnings: list[Finding] = field(default_factory=list)
    made: set[Place] = field(default_factory=set)
    replaced: dict[Place, Any] = field(default_factory=dict, repr=False, compare=False)
    own: set[Place] | None = field(default=None, repr=False, compare=False)
    known: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    _groups: dict[int, dict[Place, list[Place]]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def places_in(self, place: Place) -> list[Place]:
        """Return the places with a line at or inside a place, from an index built at the first call for its depth."""
        depth = len(place)
        if depth not in self._groups:
            groups = self._groups[depth] = dict[Place, list[Place]]()
            for each in self.lines:
                groups.setdefault(each[:depth], []).append(each)
        return self._groups[depth].get(place, [])

    def once[Made](self, name: Any, parts: Sequence[Any], make: Callable[[], Made]) -> Made:
        """Return `make()`, computed once for the original and all copies that share the given parts."""
        key = (name, *map(id, parts))
        if key not in self.known:
            # Keep references to the parts: a freed object could pass its id on to another one.
            self.known[key] = make(), parts
        made: Made = self.known[key][0]
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without `known`: identities are not valid in another process or in a deep copy."""
        return {**vars(self), "known": {}}

    def shared_data(self, *without: str) -> dict[str, Any]:
        """Return the data for a copy that owns no part yet (an empty set `own`), without some top-level keys."""
        return {key: value for key, value in self.data.items() if key not in without}

    def own_part(self, place: Place) -> Any:
        """Return the mapping or list at a place for changes, copied first if the original shares it."""
        inside: Any = self.data
        for depth, key in enumerate(place, 1):
            inside = self.own_child(inside, key, place[:depth])
        return inside

    def own_child(self, holder: Any, key: Any, place: Place) -> Any:
        """Return the value under `key` of a holder that belongs to this document, copied first if it is shared."""
        part = holder[key]
        if self.own is not None and isinstance(part, (dict, list)) and place not in self.own:
            holder[key] = part = part.copy()
            self.own.add(place)
        return part

    def empty_places(self, without: Collection[str]) -> Iterator[Place]:
        """Yield the places that a file leaves without a value, outside the given keys."""
        for place, value in leaves(self.data, without) if self.lines or self.cells else ():
            if value is None and place not in self.overrides:
                yield place

    def finding(self, place: Place, what: str, cure: str, severity: Severity = "error") -> Finding:
        """Build a finding at a place, with the line or cell of the value there or of the nearest part around it."""
        where, what, cure = ".".join(map(excerpt, place)), excerpt(what, MESSAGE_LENGTH), excerpt(cure, MESSAGE_LENGTH)
        around = [place[:depth] for depth in range(len(place), -1, -1)]
        source = next((self.overrides[each] for each in around if each in self.overrides), None)
        line = next((self.lines[each] for each in around if each in self.lines), None)
        cell, cure = self._in_workbook(around, cure) if self.cells else (None, cure)
        if source is not None:
            return Finding(source.file, source.line, where, what, cure, severity, source.cell)
        return Finding(self.file, line, where, what, cure, severity, cell)

    def _in_workbook(self, around: Sequence[Place], cure: str) -> tuple[str | None, str]:
        """Return the cell of a finding, and its cure in the words of a workbook; `around` begins with its place."""
        at = next((each for each in around if each in self.cells), None)
        if at is None:
            return None, cure
        cell = self._cell_inside(self.cells[at], around[0][len(at) :])
        if around[0] and cure == f"Add `{around[0][-1]}:`.":
            cure = f"Write it in a column {around[0][-1]}." if cell == self.cells[at] else "Write it in this cell."
        return cell, cure

    def _cell_inside(self, cell: str, inner: Place) -> str:
        """Return the empty cell of a field in the row of a cell; the cell itself if the sheet has no such column."""
        sheet, _, at = cell.rpartition("!")
        heads, field_name = self.heads.get(sheet, {}), ".".join(map(str, inner))
        by_year = (letter for head, letter in heads.items() if inner and head.startswith(f"{field_name}."))
        letter = heads.get(field_name) or next(by_year, None)
        return cell if letter is None else f"{sheet}!{letter}{at.lstrip(ascii_uppercase)}"

    def explains(self, found: Finding) -> bool:
        """Return whether NaN, or a finding about the text such as a date in a cell, is why a value is missing."""
        own = (found.where, f"{found.where}.{found.what.split()[0]}")
        if any(each.what == NAN and each.where in own for each in self.findings):
            return True
        is_absence = found.what.endswith(" is missing") or found.what.startswith(("is empty", "has no value"))
        return is_absence and found.cell is not None and any(each.cell == found.cell for each in self.findings)


def parse(text: str, file: str, *, cure: str = INSTANCE_KEYS) -> Document:
    """Parse the text of a file.

    Args:
        text: YAML or JSON; only JSON if the name of the file ends in .json.
        file: name of the file, for findings.
        cure: advice for a text without any key.

    Raises:
        InstanceError: the text is neither YAML nor JSON, holds no mapping, or exceeds a limit.
    """
    return _parse(text, file, Allowance(), is_json=file.lower().endswith(".json"), cure=cure)


def _parse(text: str, file: str, allowance: Allowance, *, is_json: bool, cure: str = INSTANCE_KEYS) -> Document:
    document = Document(file, {})
    try:
        _refuse_controls(text)
        simple = None if is_json or text.lstrip()[:1] == "{" else read_simple(text, allowance)
        if simple is not None:
            document.data, document.lines = simple
            return document
        root = _parse_root(text, is_json=is_json)
        if root is None or root.kind != "mapping":
            raise TextError(1, "holds no mapping", cure)
        builder = Builder(allowance)
        document.data, document.lines = builder.build(root, ()), builder.lines
    except TextError as error:
        raise InstanceError([Finding(file, error.line, "", error.what, error.cure)]) from None
    for place, line, what, cure in builder.problems[:MOST_FINDINGS]:
        document.findings.append(Finding(file, line, ".".join(map(excerpt, place)), what, cure))
    return document


def _refuse_controls(text: str) -> None:
    try:
        refuse_control_characters(text)
    except UndecodableTextError as error:
        cure = "Remove it; it may have come with a text that was copied."
        raise TextError(error.line, str(error), cure) from None


def _parse_root(text: str, *, is_json: bool) -> Node | None:
    if is_json or text.lstrip()[:1] == "{":
        try:
            return json_root(text)
        except (json.JSONDecodeError, RecursionError) as error:
            if is_json and text.strip():
                line, problem = getattr(error, "lineno", None), getattr(error, "msg", "it nests too deeply")
                cure = "Check commas, brackets and quotes there; JSON takes no comments, and no comma before a bracket."
                raise TextError(line, f"is not JSON: {problem[:1].lower()}{problem[1:]}", cure) from None
    try:
        return yaml_root(text)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text) from None


def _syntax_error(error: yaml.YAMLError, text: str) -> TextError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    is_tab = "tab character" in str(getattr(error, "problem", ""))
    if str(getattr(error, "context", "")).startswith("while scanning a") and not is_tab:
        # A key without its colon, or a quote that is not closed, begins above the line where the parser notices it.
        mark = getattr(error, "context_mark", None) or mark
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    rows = text.splitlines()
    line = mark.line + 1 if mark else max(1, len(rows))
    cure = "Check indentation, brackets and quotes there and in the lines above it, and that each key ends in a colon "
    cure += "and a space; a text that contains ': ' or ' #' needs quotes."
    if getattr(error, "context", None) in ("while scanning an alias", "while scanning an anchor"):
        cure = "A key or a text that begins with * or & needs quotes."
    row = rows[line - 1] if line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        problem, cure = "a tab at the beginning of the line", "Indent with spaces: YAML takes no tabs there."
    return TextError(line, f"cannot be read as YAML: {problem}", cure)


def parse_value(text: str, file: str, allowance: Allowance | None = None) -> tuple[Any, list[Finding]]:
    """Parse a single value as it would stand behind a key of a file; return the value and findings about it.

    Raises:
        InstanceError: the text cannot be read, or holds more than one value.
    """
    allowance = allowance or Allowance()
    whole = f'{{"value": {text}}}'
    # YAML cannot read all JSON: it rejects long keys in one line, and surrogate pairs.
    is_json = text.lstrip()[:1] in ("{", "[") and _is_json(whole)
    inner = _parse(whole if is_json else f"value: {text.strip()}", file, allowance, is_json=is_json)
    if inner.data.keys() != {"value"}:
        raise InstanceError([Finding(file, None, "", "holds more than one value", "Write it in one line.")])
    return inner.data["value"], inner.findings


def _is_json(text: str) -> bool:
    try:
        json_root(text)
    except (TextError, json.JSONDecodeError, RecursionError):
        return False
    return True


def longest_key(names: Collection[str], parts: Sequence[str]) -> int:
    """Return how many leading parts of a dotted path form the longest existing name (names may hold dots), or 0."""
    for n in range(min(len(parts), NESTING), 0, -1):
        if ".".join(parts[:n]) in names:
            return n
    return 0


def get_value(data: Any, place: Place) -> Any:
    """Return the value at a place, or None if there is none."""
    for key in place:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def leaves(data: Any, without: Collection[str] = (), place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every single value with its place, except mappings and lists under the keys in `without`."""
    for key, item in _items(data):
        if not isinstance(item, (Mapping, list, tuple)):
            yield (*place, key), item
        elif key not in without:
            yield from leaves(item, without, (*place, key))


def entries_in(data: Mapping[str, Any], section: str) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a section; nothing if the section is absent or is no mapping."""
    entries = data.get(section)
    if isinstance(entries, Mapping):
        yield from entries.items()


def document_of(data: Mapping[str, Any], name: str) -> Document:
    """Return a mapping as the document of a file with this name.

    Two keys that are equal as text are a finding, since one of their values would be lost; so is a key with a character
    that cannot be seen, as in a file. NaN is a finding too: pandas has it for a blank cell, and a text field would read
    it as a word.
    """
    try:
        document = Document(name, with_text_keys(data))
    except RecursionError:
        what, cure = "contains itself, or nests too deeply", "Write each part out where it stands."
        raise InstanceError([Finding(name, None, "", what, cure)]) from None
    twice = "is given twice, as text and as something else"
    found = [(place, twice, "Keep one of the two.") for place in _repeated_keys(data, ())]
    for place, hidden in _hidden_characters(document.data, ()):
        found.append((place, f"holds {character(hidden)}", "Remove it from the name."))
    for place in [*_places_of_nan(document.data, ())]:
        cure = "Write a value, or leave the key out where it may be; pandas has NaN for a blank cell of a table."
        found.append((place, NAN, cure))
        get_value(document.data, place[:-1])[place[-1]] = None
    document.findings += [document.finding(*each) for each in found]
    return document


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the keys or indices of a mapping or list with their values; nothing for any other value."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)


def _repeated_keys(value: Any, place: Place) -> Iterator[Place]:
    keys = set[Any]()
    for key, item in _items(value):
        word = str(key) if isinstance(value, Mapping) else key
        if word in keys:
            yield (*place, word)
        keys.add(word)
        yield from _repeated_keys(item, (*place, word))


def _hidden_characters(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield the keys that hold a control character or an invisible one, with the first of these."""
    for key, item in _items(value):
        if isinstance(key, str) and (found := CONTROL.search(key)):
            yield (*place, key), found[0]
        yield from _hidden_characters(item, (*place, key))


def _places_of_nan(value: Any, place: Place) -> Iterator[Place]:
    for key, item in _items(value):
        yield from _places_of_nan(item, (*place, key))
        if (isinstance(item, float) and math.isnan(item)) or type(item).__name__ in _BLANK_TYPES:
            yield (*place, key)


def with_text_keys(value: Any) -> Any:
    """Convert data to the types that a file yields: keys as text, sequences as lists, numbers as int or float."""
    if isinstance(value, Mapping):
        return {str(key): with_text_keys(item) for key, item in value.items()}
    if isinstance(value, Real | Decimal) and not isinstance(value, int | float):
        return int(value) if isinstance(value, Integral) else float(value)
    return [with_text_keys(item) for item in value] if isinstance(value, (list, tuple)) else value


def limit_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Return the first `MOST_FINDINGS` findings; if there are more, only errors, and a note that some are left out."""
    if len(findings) < MOST_FINDINGS:
        return list(findings)
    errors = [finding for finding in findings if finding.severity == "error"]
    what = f"has more than {MOST_FINDINGS} findings, of which the first are listed"
    line = errors[-1].line if errors else None
    more = Finding(findings[0].file, line, "", what, "Correct these, and check it again.")
    return [*(errors or findings)[: MOST_FINDINGS - 1], more]


def file_content(path: str | FilePath) -> bytes:
    """Read the bytes of a file.

    Raises:
        InstanceError: the file cannot be read, or is too large.
    """
    try:
        return read_bytes(path, FILE_BYTES)
    except OSError as error:
        cure = f"Check the path; files of up to {FILE_BYTES / 2**20:g} MB are read."
        what = f"cannot be read: {error.strerror or 'it cannot be opened'}"
        raise InstanceError([Finding(str(path) or '""', None, "", what, cure)]) from None


def read_text(path: str | FilePath) -> str:
    """Read the text of a file.

    Raises:
        InstanceError: the file cannot be read, or is not UTF-8.
    """
    try:
        return decode(file_content(path))
    except UndecodableTextError as error:
        what, cure = f"cannot be read: {error}", "Save the file as UTF-8, a workbook as .xlsx."
        raise InstanceError([Finding(str(path), error.line, "", what, cure)]) from None
