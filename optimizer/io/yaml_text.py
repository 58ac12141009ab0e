"""An instance as YAML text, with its comments beside what they are about.

Sections and their entries stand on lines of their own, what is in them in one line each. Words are written so that
`document` reads the same back: text that could be taken for anything else stands in quotes.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from optimizer.instance.document import Place, scalar
from optimizer.io.comments import Comment

WIDTH, LONG = 120, 100
_PLAIN = re.compile(r"^[^\W\d][^#:,\[\]{}\"]*$")
_PERIOD = re.compile(r"^\d{4}(Q[1-4]|-\d{2})$")
# Words that other readers of YAML take for true, false or nothing.
_LOADED = {"yes", "no", "on", "off", "y", "n", "true", "false", "null"}
# What is written in block style: the places of the mappings and lists that have lines of their own.
_BLOCKS: tuple[tuple[str, ...], ...] = (
    ("regions",),
    *((section,) for section in ("commodities", "processes", "demands", "options", "shocks", "ensembles", "scenarios")),
    ("ranges",),
    *((section, "*") for section in ("processes", "demands", "options", "shocks", "ensembles", "scenarios")),
    ("shocks", "*", "cuts"),
    ("ensembles", "*", "cuts"),
    ("ensembles", "*", "events"),
    ("ensembles", "*", "events", "*"),
    ("ensembles", "*", "events", "*", "cuts"),
    ("policy",),
    ("policy", "max_share"),
    ("policy", "min_share"),
    ("policy", "min_time_to_survive"),
    ("policy", "force"),
    ("adversary",),
    ("adversary", "targets"),
    ("adversary", "targets", "*"),
    ("adversary", "targets", "*", "cuts"),
)


def flow(value: Any, *, quoted: bool = False) -> str:
    """A value in one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(part) for part in value) + "]"
    if isinstance(value, str):
        return _quoted(value) if quoted or not _is_plain(value) else value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _figure(value)


def _quoted(text: str) -> str:
    marks = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return (
        '"' + "".join(marks.get(sign) or (sign if sign.isprintable() else f"\\U{ord(sign):08x}") for sign in text) + '"'
    )


def _key(key: Any) -> str:
    text = str(key)
    return text if re.fullmatch(r"[\w.\-/]+", text) and text.isascii() else _quoted(text)


def _figure(value: float) -> str:
    """A number that is read back as itself."""
    if value != value or value in (float("inf"), float("-inf")):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    return repr(value)


def _short(value: Any) -> str:
    """An amount for reading: 20M, where that is exact."""
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    for size, suffix in ((10**9, "B"), (10**6, "M")) if is_whole else ():
        text = f"{value / size:.6g}"
        if abs(value) >= size and "e" not in text and float(text) * size == value:
            return f"{text}{suffix}"
    return flow(value)


def _is_plain(text: str) -> bool:
    """Whether text needs no quotes: nothing in it has a meaning, and it is not read as a number or a word of YAML."""
    if _PERIOD.match(text):
        return True
    looks = _PLAIN.match(text) and text == text.strip() and text.isprintable() and text.lower() not in _LOADED
    return bool(looks) and isinstance(scalar(text), str)


def to_yaml(data: Mapping[str, Any], comments: Iterable[Comment] = (), first: str = "") -> str:
    """The text of an instance file.

    Args:
        data: as `Instance.to_dict` gives it, or `Document.data`.
        comments: as `comments` reads them.
        first: a line to begin with, such as one for editors.
    """
    return "\n".join(_Writer(data, comments).lines(first)) + "\n"


class _Writer:
    def __init__(self, data: Mapping[str, Any], comments: Iterable[Comment]) -> None:
        self.data = data
        self.said: dict[Place, list[str]] = {}
        for comment in comments:
            self.said.setdefault(comment.place, []).append(comment.text)

    def lines(self, first: str) -> Iterator[str]:
        header = [line for text in self.said.get((), ()) for line in text.split("\n")]
        yield from [first] if first else []
        yield from (f"# {line}".rstrip() for line in header)
        yield from [""] if first or header else []
        for i, (key, value) in enumerate(self.data.items()):
            yield from self._top(key, value, is_first=i == 0)

    def _top(self, key: str, value: Any, *, is_first: bool) -> Iterator[str]:
        place: Place = (key,)
        if value and _is_block(place) and isinstance(value, Mapping):
            # Above the first key of all, a comment would be the header's.
            beside = self._beside(place, deep=False) if is_first else ""
            yield from [] if is_first else ["", *self._above(place, "")]
            yield f"{key}:{beside}"
            for name, entry in value.items():
                yield from self._entry((key, name), entry, "  ")
        else:
            yield from self._line(place, value, "")

    def _entry(self, place: Place, value: Any, indent: str) -> Iterator[str]:
        """An entry of a section: what is said of it stands above it."""
        is_field = place[0] in ("policy", "adversary")
        if not is_field:
            yield from self._above(place, indent)
        line = f"{indent}{_key(place[-1])}: {flow(value)}"
        has_own = any(len(other) > len(place) and other[: len(place)] == place for other in self.said)
        if is_field or not isinstance(value, Mapping) or (len(line) <= LONG and not has_own):
            yield from self._field(place, value, indent) if is_field else [line]
            return
        yield f"{indent}{_key(place[-1])}:"
        for key, part in value.items():
            yield from self._field((*place, key), part, f"{indent}  ")

    def _field(self, place: Place, value: Any, indent: str) -> Iterator[str]:
        """A field of an entry: what is said of it stands beside it."""
        if not (value and _is_block(place)):
            yield from self._line(place, value, indent)
            return
        yield f"{indent}{_key(place[-1])}:{self._beside(place, deep=False)}"
        if isinstance(value, Mapping):
            for key, part in value.items():
                yield from self._field((*place, key), part, f"{indent}  ")
        else:
            for i, part in enumerate(value):
                yield f"{indent}  - {flow(part)}{self._beside((*place, i))}"

    def _line(self, place: Place, value: Any, indent: str) -> Iterator[str]:
        key, beside = _key(place[-1]), self._beside(place)
        is_long = isinstance(value, str) and len(value) > LONG and re.fullmatch(r"\S+( \S+)*", value)
        if is_long and value.isprintable() and not beside:
            yield f"{indent}{key}: >-"
            yield from textwrap.wrap(value, WIDTH - 2, initial_indent=f"{indent}  ", subsequent_indent=f"{indent}  ",
                                     break_long_words=False, break_on_hyphens=False)  # fmt: skip
        else:
            # What a scenario says is taken as it stands.
            yield f"{indent}{key}: {flow(value) if place[0] == 'scenarios' else _short(value)}{beside}"

    def _beside(self, place: Place, *, deep: bool = True) -> str:
        """What is said of a place, and of all in it, behind its line."""
        texts = list(self.said.get(place, ()))
        if deep:
            inner = (other for other in self.said if len(other) > len(place) and other[: len(place)] == place)
            texts += [text for other in inner for text in self.said[other]]
        words = "; ".join(" ".join(text.split()) for text in texts)
        return f"  # {words}" if words else ""

    def _above(self, place: Place, indent: str) -> Iterator[str]:
        """What is said of a place, in lines above it; lines that were set apart stay so."""
        for text in self.said.get(place, ()):
            for i, part in enumerate(text.split("\n")):
                apart = "#    " if i else "# "
                yield from textwrap.wrap(
                    " ".join(part.split()), WIDTH, initial_indent=indent + apart, subsequent_indent=f"{indent}# ",
                    break_long_words=False, break_on_hyphens=False,
                )  # fmt: skip


def _is_block(place: Place) -> bool:
    return any(
        len(place) == len(block) and all(part in ("*", at) for part, at in zip(block, place, strict=True))
        for block in _BLOCKS
    )
