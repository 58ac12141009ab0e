"""Values and characters in messages, of limited length, and suggestions for misspelt names."""

import difflib
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

from pydantic_core import PydanticCustomError

# Control characters, which may change how a terminal shows a text, and characters that no terminal shows.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
# Unpaired surrogates, which are not characters.
SURROGATE = re.compile("[\ud800-\udfff]")
# Largest number of characters of a value that a message repeats.
EXCERPT = 60
# Largest number of keys that a message lists; of other names it lists `MOST_LISTED`.
MOST_KNOWN_LISTED = 40
# Up to twice so many names, a word is compared with all of them; of more, with so many alphabetical neighbours, read
# forwards and backwards, since a typing error leaves either the beginning or the end of a name intact.
NEIGHBOURS = 40
# Largest number of comparisons, 10 to 50 µs each: a file with thousands of unknown words is checked within a second.
MOST_COMPARISONS = 20_000
MOST_LISTED = 8


def finding(what: str, cure: str) -> PydanticCustomError:
    """Return an error that carries its cure through pydantic."""
    return PydanticCustomError("finding", "{what}", {"what": what, "cure": cure})


def excerpt(value: object, most: int = EXCERPT) -> str:
    """Return a value as text for a message: of limited length, with control characters escaped."""
    if isinstance(value, int) and value.bit_length() > 4 * EXCERPT:
        return f"about {'-' if value < 0 else ''}1e{int(value.bit_length() * 0.30103)}"
    text = CONTROL.sub(lambda found: escaped(found[0]), str(value)[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def escaped(sign: str) -> str:
    """Return a character as its escape sequence in Python."""
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def character(sign: str) -> str:
    """Return the name of a character that cannot be shown."""
    is_half = "\ud800" <= sign <= "\udfff"
    kind = "half of a surrogate pair" if is_half else f"the {'control' if sign < '\xa0' else 'invisible'} character"
    return f"{kind} U+{ord(sign):04X}"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name nearest to a misspelt word; None if no name is near."""
    return Vocabulary(names, "name").nearest(word)


def did_you_mean(word: str, names: Iterable[str], otherwise: str) -> str:
    """Return a cure for an unknown word: the nearest known name, or `otherwise`."""
    near = nearest(word, names)
    return f'Did you mean "{near}"?' if near else otherwise


def suggest(word: str, names: Iterable[str], otherwise: str) -> str:
    """Return a cure for an unknown word: the nearest known name, or `otherwise` with a list of all names."""
    known = list(names)
    return did_you_mean(word, known, list_known(known, otherwise))


def list_known(names: Sequence[str], words: str) -> str:
    """Return a cure for an unknown word that lists the known names after some words."""
    more = " …" if len(names) > MOST_KNOWN_LISTED else ""
    return f"{words} {', '.join(map(excerpt, names[:MOST_KNOWN_LISTED]))}{more}."


def unswap_year(years: Collection[int], known: range) -> dict[int, int]:
    """Return the only year after the known ones with the known one, not given, that two swapped digits make of it."""
    late = [year for year in years if year > known[-1]]
    digits = str(late[0]) if len(late) == 1 else ""
    swaps = (int(digits[:i] + digits[i : i + 2][::-1] + digits[i + 2 :]) for i in range(len(digits) - 1))
    meant = next((each for each in swaps if each in known and each not in years), None)
    return {} if meant is None else {late[0]: meant}


class Vocabulary:
    """The known names of one kind."""

    def __init__(self, names: Iterable[str], noun: str) -> None:
        self.names, self.noun = frozenset(names), noun
        self._left = MOST_COMPARISONS

    def __contains__(self, word: str) -> bool:
        return word in self.names

    def nearest(self, word: str) -> str | None:
        """Return the name most similar to a word; None if none is similar, or after too many comparisons."""
        candidates = self._candidates(word) if len(word) <= EXCERPT else []
        if len(candidates) > self._left:
            return None
        self._left -= len(candidates)
        return next(iter(difflib.get_close_matches(word, candidates, 1)), None)

    def cure(self, word: str) -> str:
        """Return the cure for a word that is none of the names."""
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
