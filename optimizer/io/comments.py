"""What the comments of an instance file say, each at the object and the field that it stands beside.

A comment behind a value belongs to that field. Lines of comment belong to the object that they stand in or just above;
to the section where an empty line follows, or where they start at the margin; above the first key they are the header.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from optimizer.instance.document import Document, Place, parse

FOR_EDITORS = "yaml-language-server:"
_RULE = re.compile(r"^[-=~*#\s]+$")
_DASHES = re.compile(r"(^|\s)-{3,}(\s|$)")


@dataclass(frozen=True)
class Comment:
    """Words about a place of the file; `value` is what stands there, None for an object, a section or the header."""

    place: Place
    value: Any
    text: str


def comments(text: str, file: str) -> tuple[Comment, ...]:
    """Every comment of a YAML text, in the order of the file.

    Raises:
        InstanceError: the text is no YAML, or holds no mapping.
    """
    document = parse(text, file)
    return tuple(_Reader(document, text).read())


def _starts(text: str) -> dict[int, int]:
    """By line, from 0, the column where its comment starts; what stands inside a scalar is none."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    taken = [
        ((token.start_mark.line, token.start_mark.column), (token.end_mark.line, token.end_mark.column))
        for token in yaml.scan(text, Loader=loader)
        if isinstance(token, yaml.ScalarToken)
    ]
    found, first = {}, 0
    for line, words in enumerate(text.splitlines()):
        while first < len(taken) and taken[first][1] <= (line, 0):
            first += 1
        for at in (match.start() for match in re.finditer(r"(?<!\S)#", words)):
            while first < len(taken) and taken[first][1] <= (line, at):
                first += 1
            if first == len(taken) or not taken[first][0] <= (line, at):
                found[line] = at
                break
    return found


class _Reader:
    def __init__(self, document: Document, text: str) -> None:
        self.document, self.lines, self.starts = document, text.splitlines(), _starts(text)
        self.first: dict[int, Place] = {}
        for place, line in document.lines.items():
            known = self.first.get(line - 1)
            if place and (known is None or len(place) < len(known)):
                self.first[line - 1] = place
        self.keys = sorted(self.first)

    def read(self) -> Iterator[Comment]:
        block: list[int] = []
        for line in range(len(self.lines)):
            if line in self.starts and not self.lines[line][: self.starts[line]].strip():
                block.append(line)
                continue
            if block:
                yield from self._block(block)
                block = []
            if line in self.starts:
                yield from self._beside(line)
        if block:
            yield from self._block(block)

    def _beside(self, line: int) -> Iterator[Comment]:
        place = self.first.get(line) or self._before(line)
        text = self._words([line])
        if place and text:
            yield Comment(place, value_at(self.document.data, place), text)

    def _block(self, block: list[int]) -> Iterator[Comment]:
        owner = self._owner(block)
        text = self._words(block) if owner else self._page(block)
        if text:
            yield Comment(owner, None, text)

    def _owner(self, block: list[int]) -> Place:
        if not self.keys or self.keys[0] >= block[0]:
            return ()
        next_ = bisect_right(self.keys, block[-1])
        after = self.keys[next_] if next_ < len(self.keys) else None
        if after is None or self.starts[block[0]] > _indent(self.lines[after]):
            inside = self._before(block[0])[:2]
            # No deeper than the object itself: behind the last of a section.
            is_beside = self.starts[block[0]] <= _indent(self.lines[self.document.lines[inside] - 1])
            return inside[:1] if is_beside else inside
        place = self.first[after]
        stands_alone = block[-1] + 1 < len(self.lines) and not self.lines[block[-1] + 1].strip()
        return place[:1] if stands_alone or self.starts[block[0]] == 0 else place[:2]

    def _before(self, line: int) -> Place:
        at = bisect_left(self.keys, line)
        return self.first[self.keys[at - 1]] if at else ()

    def _page(self, block: list[int]) -> str:
        """The header as it stands, without what it says to editors."""
        said = (self.lines[line][self.starts[line] + 1 :].removeprefix(" ").rstrip() for line in block)
        return "\n".join(words for words in said if not words.startswith(FOR_EDITORS)).strip()

    def _words(self, block: list[int]) -> str:
        """The comment's words; rules of dashes left out, and single lines joined unless they are set apart."""
        said = [self.lines[line][self.starts[line] + 1 :].rstrip() for line in block]
        said = [_DASHES.sub(" ", words) for words in said if words.strip() and not _RULE.match(words)]
        joined = ""
        for words in said:
            is_set_apart = words.startswith("   ") and joined
            joined += ("\n" if is_set_apart else " ") + words.strip()
        return joined.strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def value_at(data: Any, place: Place) -> Any:
    """What stands at a place; None for an object of a section."""
    for part in place:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return None if isinstance(data, Mapping) and len(place) <= 2 else data
