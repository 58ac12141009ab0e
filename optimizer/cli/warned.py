"""What a library warns of while a command draws."""

import contextlib
import warnings
from collections.abc import Iterator

from optimizer.cli import common


@contextlib.contextmanager
def warned() -> Iterator[None]:
    """Say what a library warns of within it, each once and without the place in its code."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield
    for text in dict.fromkeys(str(each.message) for each in said):
        common.say(f"Warning: {text}")
