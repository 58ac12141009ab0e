"""Nodes as plain data: aliases and merges are expanded, tags are applied, and the line of every value is noted."""

from collections.abc import Callable, Iterator
from typing import Any

from optimizer.instance.nodes import Node, too_many
from optimizer.limits import VALUES
from optimizer.suggestions import CONTROL, excerpt
from optimizer.untrusted import character

_STANDARD = "tag:yaml.org,2002:"
# By tag, what a scalar has to be.
_SCALARS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}
_COLLECTIONS = {"mapping": "map", "list": "seq"}


class Allowance:
    """How many values may still be read; shared by the texts of one file."""

    def __init__(self) -> None:
        self.left = VALUES

    def take(self, line: int | None) -> None:
        """One more value.

        Raises:
            TextError: there are too many.
        """
        self.left -= 1
        if self.left < 0:
            raise too_many(line)


class Builder:
    """Makes data of nodes.

    Attributes:
        lines: of every place.
        problems: what is wrong, each with its place and line, and the cure.
    """

    def __init__(self, scalar: Callable[[str], Any], allowance: Allowance) -> None:
        self.scalar, self.allowance = scalar, allowance
        self.lines: dict[tuple[str | int, ...], int] = {}
        self.problems: list[tuple[tuple[str | int, ...], int, str, str]] = []
        self._above: list[Node] = []

    def build(self, node: Node, place: tuple[str | int, ...]) -> Any:
        """The data of a node at a place.

        Raises:
            TextError: there are too many values.
        """
        line = node.line
        self.allowance.take(line)
        self.lines.setdefault(place, line)
        node = _meant(node)
        if node.kind == "scalar":
            return self._scalar(node, place)
        if any(node is other for other in self._above):
            self.problems.append((place, line, "contains itself", "Remove the alias that points back."))
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

    def _scalar(self, node: Node, place: tuple[str | int, ...]) -> Any:
        kind = node.tag.removeprefix(_STANDARD)
        if not node.tag:
            return self.scalar(node.value) if node.is_plain else node.value
        if node.tag == "!" or kind == "str":
            return node.value
        if not node.tag.startswith(_STANDARD) or kind not in _SCALARS:
            self._refuse_tag(node, place)
            return self.scalar(node.value)
        value = self.scalar(node.value)
        if not isinstance(value, _SCALARS[kind]) or (isinstance(value, bool) and kind != "bool"):
            what = f'"{excerpt(node.value)}" is not what its tag !!{kind} says'
            self.problems.append((place, node.line, what, "Remove the tag, or correct the value."))
        return value

    def _refuse_tag(self, node: Node, place: tuple[str | int, ...]) -> None:
        tag = node.tag.replace(_STANDARD, "!!")
        cure = "Remove it; the tags that are read are !!str, !!int, !!float, !!bool and !!null, before single values."
        self.problems.append((place, node.line, f"the tag {excerpt(tag)} is not read here", cure))

    def _mapping(self, node: Node, place: tuple[str | int, ...]) -> dict[str, Any]:
        # What is merged in comes first, so that the lines of a mapping's own keys are those that are remembered.
        merged: dict[str, Any] = {}
        merges = [(key, value) for key, value in node.value if _is_merge(key)]
        for key, value in merges[:1]:
            for source in self._sources(key, value, place):
                merged = {**self.build(source, place), **merged}
        for key, _ in merges[1:]:
            cure = "Write one, with a list: `<<: [*first, *second]`."
            self.problems.append(((*place, "<<"), key.line, "`<<` stands twice in one mapping", cure))
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if not _is_merge(key):
                self._add(own, lines, key, value, place)
        return {**merged, **own}

    def _sources(self, key: Node, value: Node, place: tuple[str | int, ...]) -> Iterator[Node]:
        """The mappings that a merge takes in."""
        several = _meant(value)
        for source in map(_meant, several.value if several.kind == "list" else [several]):
            if source.kind != "mapping":
                cure = "Name a mapping: `<<: *name`, where `&name` stands before one."
                self.problems.append(((*place, "<<"), key.line, "`<<` takes in what is no mapping", cure))
            elif any(source is other for other in self._above):
                what, cure = "contains itself", "Remove the alias that points back."
                self.problems.append(((*place, "<<"), key.line, what, cure))
            else:
                yield source

    def _add(
        self, own: dict[str, Any], lines: dict[str, int], key: Node, value: Node, place: tuple[str | int, ...]
    ) -> None:
        line = key.line
        key = _meant(key)
        if key.kind != "scalar":
            self.problems.append(((*place, "?"), line, "a key is not plain text", "Write a single word."))
            return
        if key.tag not in ("", "!", f"{_STANDARD}str"):
            self._refuse_tag(key, (*place, str(key.value)))
        name = str(key.value)
        within = (*place, name)
        if name in own:
            what, cure = (
                f"stands twice (first in line {lines[name]})",
                "Keep one of the two, or give the second another name.",
            )
            self.problems.append((within, line, what, cure))
            return
        found = CONTROL.search(name)
        if found is not None:
            self.problems.append((within, line, f"holds {character(found[0])}", "Remove it from the name."))
        self.lines[within] = lines[name] = line
        own[name] = self.build(value, within)


def _meant(node: Node) -> Node:
    """The node that an alias stands for; any other itself."""
    meant: Node = node.value if node.kind == "alias" else node
    return meant


def _is_merge(key: Node) -> bool:
    if key.tag:
        return key.tag == f"{_STANDARD}merge"
    return key.kind == "scalar" and key.is_plain and key.value == "<<"
