"""Reading of comments from YAML text, and writing of an instance with its comments as YAML text.

A comment after a value belongs to that field, and so do comment lines above a field with a line of its own. Other
comment lines belong to the object that contains them or follows them directly. Lines that are indented deeper than the
next key belong to the object above them. Otherwise an empty line after them makes them belong to what contains the next
key, its object or its section; lines at the margin belong to the section, and lines above the first key to the header:

    # of the file

    demands: # of the section
      # of motors
      motors:
        commodity: magnet # of the field
        # of the quantity, which has a line of its own
        quantity: 60
        # of motors

      # of the section

      turbines: {commodity: magnet, quantity: 40} # of turbines

Sections and their entries are written on lines of their own, each field of an entry in one line. Text that could be
read as another type is quoted, so that `document` reads back the same data.

PyYAML is used for reading. ruamel.yaml would keep lines and comments by itself, but its scanner is written in Python:
it takes 0.32 s instead of 6 ms for us-magnets.yaml, which takes 0.11 s to load as a whole, and 12 s instead of 0.28 s
for a file of 1.2 MB.
"""

import math
import re
import textwrap
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic_core import PydanticCustomError

from optimizer.errors import Place
from optimizer.instance.document import Document, get_value, parse
from optimizer.instance.text import scalar
from optimizer.tolerances import NESTING, ROUNDING
from optimizer.units import parse_amount

FOR_EDITORS = "yaml-language-server:"
_RULE = re.compile(r"^[-=~*#\s]+$")
_DASHES = re.compile(r"(^|\s)-{3,}(\s|$)")
LINE_WIDTH, LONG_VALUE = 120, 100
FIELD = 3  # the keys of the path to a field of an object: its section, its name, the field
_PLAIN = re.compile(r"^[^\W\d][^#:,\[\]{}\"]*$")
# Periods, and amounts with a suffix.
_BARE = re.compile(r"^(\d{4}(Q[1-4]|-\d{2})|[-+]?\d+(\.\d+)?[kMB])$")
# Words that other readers of YAML take for a boolean or null.
_LOADED = {"yes", "no", "on", "off", "y", "n", "true", "false", "null"}
_SECTIONS_OF_OBJECTS = ("processes", "demands", "options", "shocks", "ensembles", "scenarios", "members")
# The places of mappings and lists written in block style, one entry per line; "*" is any key. For example,
# ("shocks", "*", "cuts") puts each cut of a shock on a line; the content of a cut stays in braces.
_BLOCKS: tuple[tuple[str, ...], ...] = (
    *((section,) for section in ("regions", "commodities", "ranges", "policy", "adversary")),
    *((section, *inner) for section in _SECTIONS_OF_OBJECTS for inner in ((), ("*",))),
    ("shocks", "*", "cuts"),
    ("ensembles", "*", "cuts"),
    ("ensembles", "*", "events"),
    ("ensembles", "*", "events", "*"),
    ("ensembles", "*", "events", "*", "cuts"),
    ("policy", "max_share"),
    ("policy", "min_share"),
    ("policy", "min_time_to_survive"),
    ("policy", "force"),
    ("adversary", "targets"),
    ("adversary", "targets", "*"),
    ("adversary", "targets", "*", "cuts"),
    *(
        ("futures", *("*", "branches", "*", "futures") * depth, *inner)
        for depth in range(NESTING // 4)
        for inner in ((), ("*",), ("*", "branches"), ("*", "branches", "*"), ("*", "branches", "*", "set"))
    ),
)


@dataclass(frozen=True)
class Comment:
    """A comment about a place of the file; `value` is the value there, None for an object, a section or the header."""

    place: Place
    value: Any
    text: str


def parse_comments(text: str, file: str) -> tuple[Comment, ...]:
    """Return every comment of a YAML text, in the order of the file.

    Raises:
        InstanceError: the text is no YAML, or holds no mapping.
    """
    document = parse(text, file)
    return tuple(_Reader(document, text).read())


def _comment_starts(text: str) -> dict[int, int]:
    """Return the column where a comment starts, by line from 0; a # inside a scalar starts none."""
    scalars = [
        ((token.start_mark.line, token.start_mark.column), (token.end_mark.line, token.end_mark.column))
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if isinstance(token, yaml.ScalarToken)
    ]
    found: dict[int, int] = {}
    first = 0
    for line, row in enumerate(text.splitlines()):
        for match in re.finditer(r"(?<!\S)#", row):
            at = (line, match.start())
            while first < len(scalars) and scalars[first][1] <= at:
                first += 1
            if first == len(scalars) or at < scalars[first][0]:
                found.setdefault(*at)
    return found


class _Reader:
    def __init__(self, document: Document, text: str) -> None:
        self.document, self.lines, self.starts = document, text.splitlines(), _comment_starts(text)
        self.first: dict[int, Place] = {}
        self.fields = Counter(line - 1 for place, line in document.lines.items() if len(place) == FIELD)
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
                yield from self._read_beside(line)
        if block:
            yield from self._block(block)

    def _read_beside(self, line: int) -> Iterator[Comment]:
        place = self.first.get(line) or self._place_before(line)
        text = self._text([line])
        if place and text:
            yield Comment(place, value_at(self.document.data, place), text)

    def _block(self, block: list[int]) -> Iterator[Comment]:
        owner = self._owner(block)
        text = self._text(block) if owner else self._header(block)
        if text:
            yield Comment(owner, value_at(self.document.data, owner) if len(owner) == FIELD else None, text)

    def _owner(self, block: list[int]) -> Place:
        if not self.keys or self.keys[0] >= block[0]:
            return ()
        next_ = bisect_right(self.keys, block[-1])
        after = self.keys[next_] if next_ < len(self.keys) else None
        if after is None or self.starts[block[0]] > _indent(self.lines[after]):
            inside = self._place_before(block[0])[:2]
            # Indented no deeper than the object, so after the last object of a section: the section owns the comment.
            is_beside = self.starts[block[0]] <= _indent(self.lines[self.document.lines[inside] - 1])
            return inside[:1] if is_beside else inside
        return self._owner_below(block, after)

    def _owner_below(self, block: list[int], after: int) -> Place:
        """Return the place that owns a comment above a line with keys."""
        place = self.first[after]
        stands_alone = block[-1] + 1 < len(self.lines) and not self.lines[block[-1] + 1].strip()
        if self.starts[block[0]] == 0:
            return place[:1]
        if stands_alone:
            return place[: min(len(place), FIELD) - 1]
        return place[: FIELD if len(place) == FIELD and self.fields[after] == 1 else 2]

    def _place_before(self, line: int) -> Place:
        at = bisect_left(self.keys, line)
        return self.first[self.keys[at - 1]] if at else ()

    def _header(self, block: list[int]) -> str:
        """Return the header unchanged, without the line for editors."""
        rows = (self.lines[line][self.starts[line] + 1 :].removeprefix(" ").rstrip() for line in block)
        return "\n".join(row for row in rows if not row.startswith(FOR_EDITORS)).strip()

    def _text(self, block: list[int]) -> str:
        """Return the text of a comment without ruled lines; its lines are joined, except indented ones."""
        rows = (self.lines[line][self.starts[line] + 1 :].rstrip() for line in block)
        joined = ""
        for row in (_DASHES.sub(" ", row) for row in rows if row.strip() and not _RULE.match(row)):
            is_indented = row.startswith("   ") and joined
            joined += ("\n" if is_indented else " ") + row.strip()
        return joined.strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def value_at(data: Any, place: Place) -> Any:
    """Return the value at a place; None for a section or an object of one."""
    value = get_value(data, place)
    return None if isinstance(value, Mapping) and len(place) <= 2 else value


def _held_part(data: Any, place: Place) -> Place:
    """Return the place, or that of the smallest part around it that the data have."""
    for depth, key in enumerate(place):
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return place[:depth]
    return place


def dump_flow(value: Any, *, quoted: bool = False) -> str:
    """Format a value as one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)}: {dump_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(dump_flow(part) for part in value) + "]"
    if isinstance(value, str):
        return _quote(value) if quoted or not _is_plain(value) else value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _figure(value)


def _quote(text: str) -> str:
    marks = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    signs = (marks.get(sign) or (sign if sign.isprintable() else f"\\U{ord(sign):08x}") for sign in text)
    return f'"{"".join(signs)}"'


def _key(key: Any) -> str:
    text = str(key)
    return text if re.fullmatch(r"[\w.\-/]+", text) and text.isascii() else _quote(text)


def _figure(value: float) -> str:
    """Format a number so that it is read back exactly."""
    if value != value or value in (float("inf"), float("-inf")):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    return repr(value)


def _short(value: Any) -> str:
    """Format a value in one line, with whole amounts in short form, 20M, if that is exact."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    for size, suffix in ((10**9, "B"), (10**6, "M")) if is_whole else ():
        text = f"{value / size:.6g}"
        if abs(value) >= size and "e" not in text and float(text) * size == value:
            return f"{text}{suffix}"
    return dump_flow(value)


def _is_plain(text: str) -> bool:
    """Return whether a text needs no quotes: it has no special characters of YAML and is read back as text."""
    if _BARE.match(text):
        return True
    looks = _PLAIN.match(text) and text == text.strip() and text.isprintable() and text.lower() not in _LOADED
    return bool(looks) and isinstance(scalar(text), str)


def are_alike(one: Any, other: Any) -> bool:
    """Return whether two values are equal, in whatever form they are written; incomparable values count as equal."""
    if _is_series(one) and _is_series(other):
        known = {str(key): value for key, value in other.items()}
        return {*map(str, one)} == {*known} and all(are_alike(value, known[str(key)]) for key, value in one.items())
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        pairs = {str(key): value for key, value in other.items()}
        return all(are_alike(value, pairs[str(key)]) for key, value in one.items() if str(key) in pairs)
    if any(_is_series(one) and _number(two) is not None for one, two in ((one, other), (other, one))):
        return False
    numbers = [_number(one), _number(other)]
    return None in numbers or math.isclose(numbers[0] or 0.0, numbers[1] or 0.0, rel_tol=ROUNDING)


def _is_series(value: Any) -> bool:
    """Return whether a value is a series, given by year."""
    return isinstance(value, Mapping) and bool(value) and all(str(key)[:4].isdigit() for key in value)


def _number(value: Any) -> float | None:
    try:
        return parse_amount(value)
    except PydanticCustomError:
        return None


def dump_yaml(data: Mapping[str, Any], comments: Iterable[Comment] = (), first: str = "") -> str:
    """Return the YAML text of an instance, given as `Instance.to_dict` or `Document.data`, with comments.

    `first` is the first line, such as the one for editors; empty for none.
    """
    return "\n".join(_Writer(data, comments).lines(first)) + "\n"


class _Writer:
    def __init__(self, data: Mapping[str, Any], comments: Iterable[Comment]) -> None:
        self.data = data
        self.comments: dict[Place, list[str]] = {}
        for comment in comments:
            # What is said of a place that the data do not have is said, with its name, of the part around it.
            held = _held_part(data, comment.place)
            named = ".".join(map(str, comment.place[len(held) :]))
            self.comments.setdefault(held, []).append(f"{named}: {comment.text}" if named else comment.text)

    def lines(self, first: str) -> Iterator[str]:
        header = [line for text in self.comments.get((), ()) for line in text.split("\n")]
        yield from [first] if first else []
        yield from (f"# {line}".rstrip() for line in header)
        yield from [""] if first or header else []
        for i, (key, value) in enumerate(self.data.items()):
            yield from self._section_lines(key, value, is_first=i == 0)

    def _section_lines(self, key: str, value: Any, *, is_first: bool) -> Iterator[str]:
        place: Place = (key,)
        if value and _is_block(place) and isinstance(value, Mapping):
            # A comment above the first key of the file would be read as the header.
            beside = self._comments_behind(place, is_deep=False) if is_first else ""
            yield from [] if is_first else ["", *self._comments_above(place, "")]
            yield f"{key}:{beside}"
            for name, entry in value.items():
                yield from self._entry((key, name), entry, "  ")
        else:
            yield from self._line(place, value, "")

    def _entry(self, place: Place, value: Any, indent: str) -> Iterator[str]:
        """Yield the lines of an entry of a section, with its comments above."""
        is_field = place[0] in ("policy", "adversary")
        if not is_field:
            yield from self._comments_above(place, indent)
        if is_field or not isinstance(value, Mapping) or self._is_short(place, value, indent):
            line = f"{indent}{_key(place[-1])}: {dump_flow(value)}"
            yield from self._field(place, value, indent) if is_field else [line]
            return
        yield f"{indent}{_key(place[-1])}:"
        for key, part in value.items():
            yield from self._field((*place, key), part, f"{indent}  ")

    def _is_short(self, place: Place, value: Any, indent: str) -> bool:
        """Return whether an object fits into one line and no comment is about its content."""
        line = f"{indent}{_key(place[-1])}: {dump_flow(value)}"
        has_own = any(len(other) > len(place) and other[: len(place)] == place for other in self.comments)
        return len(line) <= LONG_VALUE and not has_own

    def _field(self, place: Place, value: Any, indent: str) -> Iterator[str]:
        """Yield the lines of a field of an entry, with its comments after it."""
        is_flow = place[0] == "futures" and self._is_short(place, value, indent)
        if not (value and _is_block(place)) or is_flow:
            yield from self._line(place, value, indent)
            return
        yield f"{indent}{_key(place[-1])}:{self._comments_behind(place, is_deep=False)}"
        if isinstance(value, Mapping):
            for key, part in value.items():
                yield from self._field((*place, key), part, f"{indent}  ")
        else:
            for i, part in enumerate(value):
                yield f"{indent}  - {dump_flow(part)}{self._comments_behind((*place, i))}"

    def _line(self, place: Place, value: Any, indent: str) -> Iterator[str]:
        key, beside = _key(place[-1]), self._comments_behind(place)
        is_long = isinstance(value, str) and len(value) > LONG_VALUE and re.fullmatch(r"\S+( \S+)*", value)
        if is_long and value.isprintable() and not beside:
            yield f"{indent}{key}: >-"
            yield from textwrap.wrap(value, LINE_WIDTH - 2, initial_indent=f"{indent}  ",
                                     subsequent_indent=f"{indent}  ", break_long_words=False,
                                     break_on_hyphens=False)  # fmt: skip
        else:
            # Values of overrides in scenarios and branches are written unchanged.
            text = dump_flow(value) if place[0] in ("scenarios", "futures") else _short(value)
            line = f"{indent}{key}: {text}"
            if len(place) == FIELD and len(line + beside) > LINE_WIDTH:
                yield from _wrap(beside.removeprefix("  # "), f"{indent}# ", indent)
                beside = ""
            yield f"{line}{beside}"

    def _comments_behind(self, place: Place, *, is_deep: bool = True) -> str:
        """Return the comments on a place for the end of its line; with `is_deep`, also those on places inside it."""
        texts = list(self.comments.get(place, ()))
        if is_deep:
            inner = (other for other in self.comments if len(other) > len(place) and other[: len(place)] == place)
            texts += [text for other in inner for text in self.comments[other]]
        words = "; ".join(" ".join(text.split()) for text in texts)
        return f"  # {words}" if words else ""

    def _comments_above(self, place: Place, indent: str) -> Iterator[str]:
        """Yield the comments on a place as lines above it; lines of a comment after its first stay indented."""
        for text in self.comments.get(place, ()):
            for i, part in enumerate(text.split("\n")):
                yield from _wrap(" ".join(part.split()), indent + ("#    " if i else "# "), indent)


def _wrap(text: str, first: str, indent: str) -> list[str]:
    """Wrap a comment into lines of its own; the first line begins with `first`."""
    return textwrap.wrap(text, LINE_WIDTH, initial_indent=first, subsequent_indent=f"{indent}# ",
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _is_block(place: Place) -> bool:
    return any(
        len(place) == len(block) and all(part in ("*", at) for part, at in zip(block, place, strict=True))
        for block in _BLOCKS
    )
