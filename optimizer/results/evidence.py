"""What a plan file proves, and whether it still says what was saved.

NOT_EVIDENCE   parts of the file that `verify` does not recompute, and why
digest         a checksum of all other parts
differences    where a file and what follows from it differ
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

# The digest does not cover these parts either: changing one of them changes no figure.
NOT_EVIDENCE: Mapping[str, str] = {
    "notes": "text",
    "comments": "text of the instance file",
    "binding": "shadow prices, which need not be unique",
    "settings": "what was asked of the solver",
    "history": "the course of the search",
    "seconds": "times",
    "versions": "versions",
    "bands": "plans of samples of other numbers",
    "audit": "the record of an earlier audit",
}
# Keys that files of an earlier format lack, by the format that brought them.
SINCE: Mapping[str, int] = {"digest": 3, "no_shock": 3, "adversary.deterred": 3, "adversary.costs": 3}
PLAN_FILE_FORMATS = (2, 3)
DIGEST = "digest"

Kind = Literal["unknown", "missing", "differs"]


@dataclass(frozen=True)
class Difference:
    """One place of a plan file.

    Attributes:
        kind: an ``unknown`` key, a ``missing`` key, or a value that ``differs``.
        path: keys and list indices, joined by dots.
        written: the value in the file.
        implied: the value that follows from the rest of the file.
    """

    kind: Kind
    path: str
    written: Any = None
    implied: Any = None

    def __str__(self) -> str:
        if self.path == DIGEST:
            return f"{DIGEST}: the file was changed since it was saved"
        return f"{self.path}: the file says {_short(self.written)}, but {_short(self.implied)} follows from its parts"


def _key_differences(written: Mapping[str, Any], implied: Mapping[str, Any], path: str) -> Iterator[Difference]:
    for key in {**implied, **written}:
        place = f"{path}.{key}" if path else str(key)
        if key not in implied:
            yield Difference("unknown", place, written[key])
        elif key not in written:
            yield Difference("missing", place, None, implied[key])
        else:
            yield from differences(written[key], implied[key], place)


def differences(written: Any, implied: Any, path: str = "") -> Iterator[Difference]:
    """Every place in which two JSON values differ; 5 and 5.0 are equal, 1 and true are not."""
    if isinstance(written, Mapping) and isinstance(implied, Mapping):
        yield from _key_differences(written, implied, path)
    elif isinstance(written, list | tuple) and isinstance(implied, list | tuple) and len(written) == len(implied):
        for i, pair in enumerate(zip(written, implied, strict=True)):
            yield from differences(*pair, f"{path}.{i}")
    elif not _is_same(written, implied):
        yield Difference("differs", path, written, implied)


def digest(data: Mapping[str, Any]) -> str:
    """The SHA-256 of all evidence in the object of a plan file; spelling and order of keys do not matter."""
    evidence = {key: _plain(value) for key, value in data.items() if key not in NOT_EVIDENCE and key != DIGEST}
    text = json.dumps(evidence, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sha256(text.encode()).hexdigest()


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _plain(value: Any) -> Any:
    """The same with all numbers as floats, so that 5 and 5.0 have one digest."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str | bool) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(value)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:37]}…"
