"""What messages say of a value or character, and the name nearest to a misspelt one; all of limited length."""

import difflib
import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import cached_property

from pydantic_core import PydanticCustomError

# Characters that change how a terminal shows the rest of a text.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# Halves of surrogate pairs, which are no characters.
SURROGATE = re.compile("[\ud800-\udfff]")
# Characters of a value that a message repeats.
EXCERPT = 60
LISTED = 40
# A word is compared with all names up to twice so many; of more, with so many neighbours by the alphabet, read forwards
# and backwards: a slip leaves either the beginning or the end of a name as it is.
NEIGHBOURS = 40
# Comparisons in all, some 10 to 50 µs each: a file with thousands of unknown words still ends within a second.
MOST_COMPARISONS = 20_000
MOST_LISTED = 8


def finding(what: str, cure: str) -> PydanticCustomError:
    """An error that carries its cure through pydantic."""
    return PydanticCustomError("finding", "{what}", {"what": what, "cure": cure})


def excerpt(value: object, most: int = EXCERPT) -> str:
    """A value as a message repeats it: of limited length, control characters escaped."""
    if isinstance(value, int) and value.bit_length() > 4 * EXCERPT:
        return f"about {'-' if value < 0 else ''}1e{int(value.bit_length() * 0.30103)}"
    text = CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", str(value)[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def character(sign: str) -> str:
    """The name of a character that cannot be shown."""
    is_half = "\ud800" <= sign <= "\udfff"
    return f"{'half of a surrogate pair' if is_half else 'the control character'} U+{ord(sign):04X}"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that a misspelt word comes nearest to; None where no name is near."""
    return Vocabulary(names, "name").nearest(word)


def did_you_mean(word: str, names: Iterable[str], otherwise: str) -> str:
    """A cure for a word that is not known: the nearest that is, or `otherwise`."""
    near = nearest(word, names)
    return f'Did you mean "{near}"?' if near else otherwise


def suggest(word: str, names: Iterable[str], otherwise: str) -> str:
    """The same, with all names listed after the words of `otherwise`."""
    known = list(names)
    more = " …" if len(known) > LISTED else ""
    return did_you_mean(word, known, f"{otherwise} {', '.join(map(excerpt, known[:LISTED]))}{more}.")


class Vocabulary:
    """Names of one sort."""

    def __init__(self, names: Iterable[str], noun: str) -> None:
        self.names, self.noun = frozenset(names), noun
        self._left = MOST_COMPARISONS

    def __contains__(self, word: str) -> bool:
        return word in self.names

    def nearest(self, word: str) -> str | None:
        """The name most like a word; None where none is like it, or where too many words have been compared."""
        near = self.like(word)
        return near[0] if near else None

    def like(self, word: str) -> list[str]:
        """The three names at most that are most like a word, the most similar first."""
        candidates = self._candidates(word) if len(word) <= EXCERPT else []
        if len(candidates) > self._left:
            return []
        self._left -= len(candidates)
        return difflib.get_close_matches(word, candidates)

    def cure(self, word: str) -> str:
        """What to do about a word that is none of the names."""
        near = self.nearest(word)
        if near is not None:
            return f'Did you mean "{near}"?'
        listed = ", ".join(map(excerpt, self._forwards[:MOST_LISTED])) + (" …" if len(self.names) > MOST_LISTED else "")
        article = "an" if self.noun[0] in "aeiou" else "a"
        return f"Known: {listed}." if self.names else f"Declare {article} {self.noun} first."

    def _candidates(self, word: str) -> list[str]:
        if len(self.names) <= 2 * NEIGHBOURS:
            return self._forwards
        ends = (name[::-1] for name in _around(self._backwards, word[::-1]))
        return sorted({*_around(self._forwards, word), *ends})

    @cached_property
    def _forwards(self) -> list[str]:
        return sorted(self.names)

    @cached_property
    def _backwards(self) -> list[str]:
        return sorted(name[::-1] for name in self.names)


def _around(ordered: list[str], word: str) -> list[str]:
    at = bisect_left(ordered, word)
    return ordered[max(0, at - NEIGHBOURS // 2) : at + NEIGHBOURS // 2]
