"""Checks of what Python functions are given: the argument by its name, its value, and what to write in its place.

Of the value of a plain argument the error is an `ArgumentError`; a command reports it as one of the option of that
name. Of an object, such as an Instance, a Result or Settings, it is a TypeError with the functions that make one.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral, Real
from os import PathLike
from pathlib import Path as FilePath
from typing import Any

# Characters of a value that a message repeats.
MOST_SHOWN = 60


class ArgumentError(ValueError):
    """An argument with a value that it cannot have."""

    def __init__(self, name: str, value: object, cure: str) -> None:
        super().__init__(name, value, cure)
        self.name, self.value, self.cure = name, value, cure

    def __str__(self) -> str:
        text = " ".join(repr(self.value).split())
        return f"{self.name}={text if len(text) <= MOST_SHOWN else f'{text[: MOST_SHOWN - 1]}…'}: {self.cure}"


def number(name: str, value: Any, low: float = 0.0, high: float = math.inf) -> float:
    """A number within bounds, as Python's own where it is one of NumPy's.

    Raises:
        ArgumentError: it is no such number.
    """
    if isinstance(value, Real) and not isinstance(value, bool):
        plain = value if isinstance(value, int | float) else float(value)
        if low <= plain <= high:
            return plain
    raise ArgumentError(name, value, f"write a number {_range(low, high)}.")


def whole_number(name: str, value: Any, low: int = 0, high: float = math.inf) -> int:
    """A whole number within bounds, as Python's own where it is one of NumPy's.

    Raises:
        ArgumentError: it is no such number.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and low <= int(value) <= high:
        return int(value)
    raise ArgumentError(name, value, f"write a whole number {_range(low, high)}.")


def _range(low: float, high: float) -> str:
    least, most = (f"{end:,g}" if isinstance(end, float) else f"{end:,}" for end in (low, high))
    return f"from {least} to {most}" if high < math.inf else f"of {least} or more"


def choice(name: str, value: Any, known: Collection[str]) -> None:
    """Raise ArgumentError where a value is none of those that there are."""
    if not isinstance(value, str) or value not in known:
        raise ArgumentError(name, value, f"write {'' if len(known) == 2 else 'one of '}{listed(known)}.")


def listed(words: Iterable[str]) -> str:
    """Words as a sentence lists those of which one is written: ``a, b or c``."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def function(name: str, value: Any) -> None:
    """Raise ArgumentError where a value cannot be called."""
    if not callable(value):
        raise ArgumentError(name, value, "write a function, or leave it out.")


def file_path(name: str, value: Any, forms: Collection[str] = ()) -> FilePath:
    """The path of a file or folder; where there are `forms`, that of a file whose name ends in one of them.

    Raises:
        ArgumentError: it is no such path.
    """
    if not isinstance(value, str | PathLike) or not str(value):
        raise ArgumentError(name, value, "write the name of a file or folder, as text or as a Path.")
    found = FilePath(value)
    if forms and found.suffix.lower() not in forms:
        raise ArgumentError(name, value, f"write a name that ends in {listed(forms)}.")
    return found


def several[T](name: str, value: Any, kind: type[T], form: str) -> list[T]:
    """Values of a kind; one of them is a list of one.

    Raises:
        ArgumentError: it is neither; `form` says what to write.
    """
    some = [value] if isinstance(value, kind) else value
    if isinstance(some, Iterable) and not isinstance(some, Mapping):
        found = list(some)
        if all(isinstance(each, kind) for each in found):
            return found
    raise ArgumentError(name, value, f"write {form}, or a list of them.")


def names(name: str, value: Any, known: Collection[str], example: str) -> list[str]:
    """Names in the order given; commas separate names in a text that is not itself a name.

    Raises:
        ArgumentError: it is neither a text nor a list of texts.
    """
    found = list[str]()
    for text in several(name, value, str, f'a name such as "{example}"'):
        found += [text] if text in known else [word.strip() for word in text.split(",")]
    return found
