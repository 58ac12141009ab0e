"""Checks of the arguments of public functions; a message has the argument's name, its value and the cure.

A wrong plain value raises an `ArgumentError`, which a command reports for the option of the same name. A wrong object,
in place of an Instance, a Result or Settings, raises a TypeError that names the functions that return one.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from numbers import Integral, Real
from os import PathLike
from pathlib import Path as FilePath
from typing import Any

# Largest number of characters of a value that a message repeats.
MOST_SHOWN = 60


class ArgumentError(ValueError):
    """An argument has an invalid value."""

    def __init__(self, name: str, value: object, cure: str) -> None:
        super().__init__(name, value, cure)
        self.name, self.value, self.cure = name, value, cure

    def __str__(self) -> str:
        text = " ".join(repr(self.value).split())
        return f"{self.name}={text if len(text) <= MOST_SHOWN else f'{text[: MOST_SHOWN - 1]}…'}: {self.cure}"


def number(name: str, value: Any, low: float = 0.0, high: float = math.inf) -> float:
    """Return a number within bounds; a number of NumPy becomes one of Python.

    Raises:
        ArgumentError: the value is no number, or out of bounds.
    """
    if isinstance(value, Real | Decimal) and not isinstance(value, bool):
        plain = value if isinstance(value, int | float) else float(value)
        if low <= plain <= high:
            return plain
    raise ArgumentError(name, value, f"write a number {_range(low, high)}.")


def seconds(name: str, value: Any) -> float | None:
    """Return a number of seconds; None for infinity, which is no limit.

    Raises:
        ArgumentError: the value is no number, or negative.
    """
    found = number(name, value)
    return None if math.isinf(found) else found


def whole_number(name: str, value: Any, low: int = 0, high: float = math.inf) -> int:
    """Return a whole number within bounds; a number of NumPy becomes one of Python.

    Raises:
        ArgumentError: the value is no whole number, or out of bounds.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high:
        return int(value)
    raise ArgumentError(name, value, f"write a whole number {_range(low, high)}.")


def _range(low: float, high: float) -> str:
    least, most = (f"{end:,g}" if isinstance(end, float) else f"{end:,}" for end in (low, high))
    return f"from {least} to {most}" if high < math.inf else f"of {least} or more"


def choice(name: str, value: Any, known: Collection[str]) -> None:
    """Raise ArgumentError unless a value is one of the known ones."""
    if not isinstance(value, str) or value not in known:
        raise ArgumentError(name, value, f"write {'' if len(known) == 2 else 'one of '}{listed(known)}.")


def listed(words: Iterable[str]) -> str:
    """Return words as a list of alternatives: ``a, b or c``."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def yes_or_no(**values: Any) -> None:
    """Raise ArgumentError unless values are True or False: a text, also "no", would count as true."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise ArgumentError(name, value, "write True or False.")


def function(name: str, value: Any) -> None:
    """Raise ArgumentError unless a value can be called."""
    if not callable(value):
        raise ArgumentError(name, value, "write a function, or leave it out.")


def file_path(name: str, value: Any, forms: Collection[str] = ()) -> FilePath:
    """Return the path of a file or folder; with `forms`, of a file with one of these suffixes.

    Raises:
        ArgumentError: the value is no such path.
    """
    if not isinstance(value, str | PathLike) or not str(value):
        raise ArgumentError(name, value, "write the name of a file or folder, as text or as a Path.")
    found = FilePath(value)
    if forms and found.suffix.lower() not in forms:
        raise ArgumentError(name, value, f"write a name that ends in {listed(forms)}.")
    return found


def several[T](name: str, value: Any, kind: type[T], form: str) -> list[T]:
    """Return a list of values of a kind; a single value becomes a list of one.

    Raises:
        ArgumentError: the value is neither; `form` says what to write.
    """
    some = [value] if isinstance(value, kind) else value
    if isinstance(some, Iterable) and not isinstance(some, Mapping):
        found = list(some)
        if all(isinstance(each, kind) for each in found):
            return found
    raise ArgumentError(name, value, f"write {form}, or a list of them.")


def names(name: str, value: Any, known: Collection[str], example: str) -> list[str]:
    """Return names in the given order; commas separate names in a text that is not itself a known name.

    Raises:
        ArgumentError: the value is neither a text nor a list of texts, or a name is empty.
    """
    found = list[str]()
    for text in several(name, value, str, f'a name such as "{example}"'):
        found += [text] if text in known else [word.strip() for word in text.split(",")]
    if not all(found):
        raise ArgumentError(name, value, f"a name is empty: write names with commas between them, such as {example}.")
    return found
