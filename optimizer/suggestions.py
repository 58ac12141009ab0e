"""What messages repeat of a value, and the name that a misspelt one comes nearest to; both of limited length."""

import difflib
import re
from collections.abc import Iterable

from optimizer.limits import EXCERPT, SUGGESTIONS

# Of a text with these a terminal shows something else.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
LISTED = 40


def excerpt(value: object, most: int = EXCERPT) -> str:
    """A value as a message repeats it: of limited length, control characters escaped."""
    if isinstance(value, int) and value.bit_length() > 4 * EXCERPT:
        return f"about {'-' if value < 0 else ''}1e{int(value.bit_length() * 0.30103)}"
    text = CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", str(value)[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that a misspelt word comes nearest to; None where no name is near, or too many are to be compared."""
    if len(word) > EXCERPT:
        return None
    close = [name for name in names if abs(len(name) - len(word)) <= len(word)]
    return next(iter(difflib.get_close_matches(word, close, n=1)), None) if len(close) <= SUGGESTIONS else None


def suggest(word: str, names: Iterable[str], otherwise: str) -> str:
    """A cure for a word that is not known: the nearest that is, or all of them after the words of `otherwise`."""
    known = list(names)
    near = nearest(word, known)
    more = " …" if len(known) > LISTED else ""
    return f'Did you mean "{near}"?' if near else f"{otherwise} {', '.join(map(excerpt, known[:LISTED]))}{more}."
