"""Readers of YAML and JSON text: mappings, lists and scalars, each with its line.

YAML is read from the events of PyYAML, which are counted before any value is built; JSON is scanned by hand, since the
parser of the standard library reports no lines. Aliases and merges are expanded and tags are applied.

`read_simple` builds data directly from the events, in half the time. It leaves every text to the other readers that
has errors, or anything besides mappings, lists and scalars.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import yaml

from optimizer.errors import CONTROL, SURROGATE, Place, character, excerpt
from optimizer.tolerances import KEY_LENGTH, MOST_VALUES, NESTING, NUMBER_LENGTH

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"^[-+]?[0-9][0-9_]*\Z")
_FLOAT = re.compile(r"^[-+]?(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "true": True, "True": True, "false": False, "False": False}
_FIRST_OF_NUMBERS = frozenset("+-.0123456789")
_SPECIAL = {".inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}


def scalar(text: str) -> Any:
    """Return the value of an unquoted word: a number, a boolean, None, or text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_OF_NUMBERS or len(text) > NUMBER_LENGTH:
        return text
    if text.lower() in _SPECIAL:
        return _SPECIAL[text.lower()]
    if _INTEGER.match(text):
        return int(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text.replace("_", ""))
    return text


@dataclass(eq=False, slots=True)
class Node:
    """A node of the text: a mapping (with its pairs), a list (its items), a scalar (its text; in JSON its value)."""

    line: int  # from 1
    kind: Literal["mapping", "list", "scalar", "alias"]
    value: Any  # pairs, items, or a text; for an alias, the node that it refers to
    is_plain: bool = False  # an unquoted scalar, which may be a number or a word such as true
    tag: str = ""  # the tag before the node, or empty


class TextError(Exception):
    """Text that cannot be read, or exceeds a limit; line, problem and cure become a Finding."""

    def __init__(self, line: int | None, what: str, cure: str) -> None:
        super().__init__(what)
        self.line, self.what, self.cure = line, what, cure


class Tree:
    """Collects the nodes of a text in their order, and raises an error if a limit is exceeded."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.count = 0
        self.above: list[Node] = []
        self.keys: list[Node | None] = []

    def add(self, node: Node) -> None:
        """Add the next node of the text: an item, a key, or the value of the preceding key."""
        self.count += 1
        if self.count > 2 * MOST_VALUES:
            raise too_many(node.line)
        if not self.above:
            self.root = node
        elif self.above[-1].kind == "list":
            self.above[-1].value.append(node)
        elif self.keys[-1] is None:
            self.keys[-1] = node
            text = node.value if node.kind == "scalar" and isinstance(node.value, str) else ""
            if len(text) > KEY_LENGTH:
                raise TextError(node.line, f"holds a key of {len(text):,} characters", f"Write {KEY_LENGTH:,} at most.")
        else:
            self.above[-1].value.append((self.keys[-1], node))
            self.keys[-1] = None

    def begin(self, node: Node) -> None:
        """Add a mapping or list, and open it for the nodes that follow."""
        self.add(node)
        self.above.append(node)
        self.keys.append(None)
        if len(self.above) > NESTING:
            what = f"nests more than {NESTING} mappings or lists inside each other"
            raise TextError(node.line, what, "Close brackets that were left open.")

    def end(self) -> None:
        """Close the innermost open mapping or list."""
        self.above.pop()
        self.keys.pop()


def too_many(line: int | None) -> TextError:
    """Return the error that a file holds too many values."""
    what = f"holds more than {MOST_VALUES:,} values, those of aliases and merges counted wherever they are used"
    return TextError(line, what, "Split it, or remove aliases inside of aliases.")


class _NotSimpleError(Exception):
    """Alias, tag, merge, repeated key, or exceeded limit: the text is left to `yaml_root` and `Builder`."""


def read_simple(text: str, allowance: "Allowance") -> tuple[dict[str, Any], dict[Place, int]] | None:
    """Return the data of a simple YAML text and the line of every place; None if it is not simple or no mapping."""
    try:
        reader = _SimpleReader(text, allowance.left)
        data = reader.read()
    except (_NotSimpleError, yaml.YAMLError):
        return None
    allowance.left = reader.left
    return data, reader.lines


class _SimpleReader:
    def __init__(self, text: str, left: int) -> None:
        self.next, self.left = LOADER(text).get_event, left
        self.lines: dict[Place, int] = {}
        self.keys: dict[str, str] = {}

    def read(self) -> dict[str, Any]:
        # The events for the start of stream and document precede that of the root.
        _, _, root = self.next(), self.next(), self.next()
        if type(root) is not yaml.MappingStartEvent:
            raise _NotSimpleError
        self.lines[()] = cast("yaml.Mark", root.start_mark).line + 1
        data: dict[str, Any] = self.value(root, ())
        if type(self.next()) is not yaml.DocumentEndEvent or type(self.next()) is not yaml.StreamEndEvent:
            raise _NotSimpleError
        return data

    def value(self, event: Any, place: Place) -> Any:
        """Return the value that begins with an event."""
        self.left -= 1
        # The event of an alias has an anchor too, but no tag: the anchor is tested first.
        if event.anchor is not None or event.tag or self.left < 0 or len(place) >= NESTING:
            raise _NotSimpleError
        if type(event) is yaml.ScalarEvent:
            return event.value if event.style else scalar(event.value)
        return self.mapping(place) if type(event) is yaml.MappingStartEvent else self.items(place)

    def mapping(self, place: Place) -> dict[str, Any]:
        data = dict[str, Any]()
        while type(event := self.next()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent or event.anchor is not None or event.tag:
                raise _NotSimpleError
            key = self.keys.get(event.value) or self.new_key(event.value)
            if key in data:
                raise _NotSimpleError
            within, mark = (*place, key), cast("yaml.Mark", event.start_mark)
            self.lines[within] = mark.line + 1
            data[key] = self.value(self.next(), within)
        return data

    def new_key(self, key: str) -> str:
        if key == "<<" or len(key) > KEY_LENGTH or CONTROL.search(key):
            raise _NotSimpleError
        return self.keys.setdefault(key, key)

    def items(self, place: Place) -> list[Any]:
        data = list[Any]()
        while type(event := self.next()) is not yaml.SequenceEndEvent:
            within = (*place, len(data))
            self.lines[within] = event.start_mark.line + 1
            data.append(self.value(event, within))
        return data


def yaml_root(text: str) -> Node | None:
    """Parse a YAML text; return its root, or None if the text is empty.

    Raises:
        TextError: the text exceeds a limit, holds several documents, or misuses an alias or anchor.
        yaml.YAMLError: the text is no YAML.
    """
    tree, anchors = Tree(), dict[str, Node]()
    documents = 0
    for event in yaml.parse(text, Loader=LOADER):
        line = (event.start_mark.line if event.start_mark else 0) + 1
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                cure = "Keep one; lines of three dashes separate them."
                raise TextError(line, "holds more than one YAML document", cure)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                cure = f"Write &{excerpt(event.anchor)} before the value that it stands for."
                raise TextError(line, f"the alias *{excerpt(event.anchor)} has no anchor", cure)
            tree.add(Node(line, "alias", anchors[event.anchor]))
        elif isinstance(event, yaml.CollectionEndEvent):
            tree.end()
        elif isinstance(event, yaml.NodeEvent):
            _add_node(tree, anchors, event, line)
    return tree.root


def _add_node(tree: Tree, anchors: dict[str, Node], event: Any, line: int) -> None:
    tag = event.tag or ""
    if isinstance(event, yaml.ScalarEvent):
        # The style of a plain scalar is "" in the C reader and None in the Python one.
        node = Node(line, "scalar", event.value, is_plain=not event.style, tag=tag)
    else:
        node = Node(line, "mapping" if isinstance(event, yaml.MappingStartEvent) else "list", [], tag=tag)
    if event.anchor is not None:
        if event.anchor in anchors:
            cure = "Give one of the two another name."
            raise TextError(line, f"the anchor &{excerpt(event.anchor)} is given twice", cure)
        anchors[event.anchor] = node
    (tree.add if node.kind == "scalar" else tree.begin)(node)


def json_root(text: str) -> Node | None:
    """Parse a JSON text; return its root node.

    Raises:
        TextError: the text exceeds a limit, or holds a constant or half of a surrogate pair that is not JSON.
        json.JSONDecodeError: the text is no JSON.
    """
    root = _scan(text)
    # The scan records lines but accepts more than JSON; this call rejects everything else.
    json.loads(text, parse_int=len, parse_float=len)
    return root


# Constants that the json module accepts although they are not JSON.
_CONSTANTS = ("NaN", "Infinity", "-Infinity")
_TEXTS = json.JSONDecoder()
_TOKEN = re.compile(r'[ \t\r\n]*([{}\[\],:"]|[^ \t\r\n{}\[\],:"]+)')


def _scan(text: str) -> Node | None:
    tree = Tree()
    for line, token, is_text in _tokens(text):
        if is_text:
            refuse_halves(token, line)
            tree.add(Node(line, "scalar", token))
        elif token in "{[":
            tree.begin(Node(line, "mapping" if token == "{" else "list", []))
        elif token in "}]":
            if not tree.above:
                return None
            tree.end()
        elif token in _CONSTANTS:
            raise TextError(line, f"{token} is no number of JSON", "Leave the field out where there is no limit.")
        elif token not in ",:":
            tree.add(Node(line, "scalar", scalar(token)))
    return tree.root


def _tokens(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield each token of JSON as (line, token, whether it is a quoted text); stop where a quoted text is malformed."""
    at, line, counted = 0, 1, 0
    while found := _TOKEN.match(text, at):
        begin, at = found.span(1)
        line += text.count("\n", counted, begin)
        counted = begin
        if found[1] != '"':
            yield line, found[1], False
            continue
        try:
            token, at = _TEXTS.raw_decode(text, begin)
        except ValueError:
            return
        yield line, token, True


def refuse_halves(text: str, line: int) -> None:
    """Raise an error if the text holds half of a surrogate pair, which is no character.

    Raises:
        TextError: the text holds one.
    """
    found = SURROGATE.search(text)
    if found is not None:
        cure = "Write both halves, such as \\ud83d\\ude00, or the character itself."
        raise TextError(line, f"holds {character(found[0])}", cure)


_STANDARD = "tag:yaml.org,2002:"
# The types that a scalar with a tag may have.
_SCALARS: dict[str, tuple[type, ...]] = {"null": (type(None),), "bool": (bool,), "int": (int,), "float": (int, float)}
_COLLECTIONS = {"mapping": "map", "list": "seq"}


class Allowance:
    """The number of values that may still be read, shared by all texts of one file."""

    def __init__(self) -> None:
        self.left = MOST_VALUES

    def take(self, line: int | None) -> None:
        """Count one more value.

        Raises:
            TextError: there are too many values.
        """
        self.left -= 1
        if self.left < 0:
            raise too_many(line)


class Builder:
    """Builds plain data from nodes.

    Attributes:
        lines: the line of every place.
        problems: each problem as (place, line, what is wrong, cure).
    """

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.lines: dict[Place, int] = {}
        self.problems: list[tuple[Place, int, str, str]] = []
        self._above: list[Node] = []
        # The mappings in which a repeated key may belong to an entry that is indented too far.
        self._too_deep: set[Place] = set()

    def build(self, node: Node, place: Place) -> Any:
        """Build the data of a node at a place.

        Raises:
            TextError: there are too many values.
        """
        line = node.line
        self.allowance.take(line)
        self.lines.setdefault(place, line)
        node = _resolve_alias(node)
        if node.kind == "scalar":
            return self._scalar(node, place)
        if any(node is other for other in self._above):
            self._report(place, line, "contains itself", "Remove the alias that points back.")
            return None
        if node.tag not in ("", "!", _STANDARD + _COLLECTIONS[node.kind]):
            self._refuse_tag(node, place)
        self._above.append(node)
        if node.kind == "mapping":
            data: Any = self._mapping(node, place)
        else:
            data = [self.build(item, (*place, i)) for i, item in enumerate(node.value)]
        self._above.pop()
        return data

    def _report(self, place: Place, line: int, what: str, cure: str) -> None:
        self.problems.append((place, line, what, cure))

    def _scalar(self, node: Node, place: Place) -> Any:
        kind = node.tag.removeprefix(_STANDARD)
        if not node.tag:
            return scalar(node.value) if node.is_plain else node.value
        if node.tag == "!" or kind == "str":
            return node.value
        if not node.tag.startswith(_STANDARD) or kind not in _SCALARS:
            self._refuse_tag(node, place)
            return scalar(node.value)
        value = scalar(node.value)
        if not isinstance(value, _SCALARS[kind]) or (isinstance(value, bool) and kind != "bool"):
            what = f'"{excerpt(node.value)}" is not what its tag !!{kind} says'
            self._report(place, node.line, what, "Remove the tag, or correct the value.")
        return value

    def _refuse_tag(self, node: Node, place: Place) -> None:
        tag = node.tag.replace(_STANDARD, "!!")
        cure = "Remove it; the tags that are read are !!str, !!int, !!float, !!bool and !!null, before single values."
        self._report(place, node.line, f"the tag {excerpt(tag)} is not read here", cure)

    def _mapping(self, node: Node, place: Place) -> dict[str, Any]:
        # Build merged mappings first, so that the lines of the mapping's own keys replace theirs.
        merged: dict[str, Any] = {}
        merges = [(key, value) for key, value in node.value if _is_merge(key)]
        for key, value in merges[:1]:
            for source in self._sources(key, value, place):
                merged = {**self.build(source, place), **merged}
        for key, _ in merges[1:]:
            cure = "Write one, with a list: `<<: [*first, *second]`."
            self._report((*place, "<<"), key.line, "`<<` is given twice in one mapping", cure)
        own: dict[str, Any] = {}
        for key, value in node.value:
            if not _is_merge(key):
                self._add(own, key, value, place)
        return {**merged, **own}

    def _sources(self, key: Node, value: Node, place: Place) -> Iterator[Node]:
        """Yield the mappings that a merge key (`<<`) includes."""
        several = _resolve_alias(value)
        for source in map(_resolve_alias, several.value if several.kind == "list" else [several]):
            if source.kind != "mapping":
                cure = "Name a mapping: `<<: *name`, where `&name` stands before one."
                self._report((*place, "<<"), key.line, "`<<` refers to something that is no mapping", cure)
            elif any(source is other for other in self._above):
                self._report((*place, "<<"), key.line, "contains itself", "Remove the alias that points back.")
            else:
                yield source

    def _add(self, own: dict[str, Any], key: Node, value: Node, place: Place) -> None:
        """Add a key with its value to the data of the mapping at a place."""
        line, key = key.line, _resolve_alias(key)
        if key.kind != "scalar":
            self._report((*place, "?"), line, "a key is not plain text", "Write a single word.")
            return
        name = str(key.value)
        within = (*place, name)
        if key.tag not in ("", "!", f"{_STANDARD}str"):
            self._refuse_tag(key, within)
        if name in own:
            self._report_repeated(own, within, line)
            return
        found = CONTROL.search(name)
        if found is not None:
            self._report(within, line, f"holds {character(found[0])}", "Remove it from the name.")
        self.lines[within] = line
        own[name] = self.build(value, within)

    def _report_repeated(self, own: Mapping[str, Any], within: Place, line: int) -> None:
        """Report a key given twice; once for a mapping in which an entry indented too far repeats the keys."""
        what, cure = f"is given twice (first in line {self.lines[within]})", "Keep one of the two"
        place = within[:-1]
        empty = next((key for key, value in own.items() if value is None), None)
        if empty is None:
            self._report(within, line, what, f"{cure}, or give the second another name.")
        elif place not in self._too_deep:
            self._too_deep.add(place)
            what += f', after "{excerpt(empty)}" (line {self.lines[*place, empty]}), which has no value'
            column = f'in the column of "{excerpt(place[-1])}"' if place else "in the first column"
            self._report(
                within, line, what, f'If "{excerpt(empty)}" begins another entry, write it {column}. {cure} otherwise.'
            )


def _resolve_alias(node: Node) -> Node:
    """Return the node that an alias refers to; any other node itself."""
    meant: Node = node.value if node.kind == "alias" else node
    return meant


def _is_merge(key: Node) -> bool:
    if key.tag:
        return key.tag == f"{_STANDARD}merge"
    return key.kind == "scalar" and key.is_plain and key.value == "<<"
