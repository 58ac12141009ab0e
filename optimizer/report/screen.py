"""The screen: one door for all text that people read, made safe for a terminal and fit for its character set.

Text of instance files may hold characters that move the cursor, recolour what follows or reverse the reading order.
They are shown escaped, as in ``\\x1b[31m``. What a character set lacks is shown by its nearest plain signs.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

# Narrower, tables are columns of single letters: lines that the terminal wraps read better.
LEAST, USUAL = 40, 80
# Control characters but for tab and line feed; marks without width that reorder, join or tag text; half characters.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_PLAIN = {
    "−": "-", "–": "-", "—": "-", "░": ".", "▒": ":", "▪": "o", "○": "o", "◆": "*", "†": "!", "‡": "#",
    "…": "...", "×": "x", "·": ".", "•": "*", "●": "*", "≥": ">=", "≤": "<=", "≈": "~",
    "±": "+-", "→": "->", "▲": "^", "▼": "v", "✓": "+", "✗": "x", "∞": "inf", "“": "'", "”": "'", "‘": "'", "’": "'",
    "€": "EUR", "£": "GBP", "°": "deg", "ø": "o", "Ø": "O", "ß": "ss", "æ": "ae", "Æ": "AE",
}  # fmt: skip
_LINES = {"─": "-", "━": "-", "╌": "-", "│": "|", "┃": "|", "╎": "|"}


def visible(text: str) -> str:
    """The text with every control and bidirectional character escaped, line feeds and tabs aside."""
    return _UNSAFE.sub(lambda found: _escaped(found.group()), text) if _UNSAFE.search(text) else text


def _escaped(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """Plain signs for what a character set lacks."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_plain(sign) for sign in error.object[error.start : error.end]), error.end


def _plain(sign: str) -> str:
    known = _PLAIN.get(sign) or _LINES.get(sign)
    if known:
        return known
    if "\u2500" <= sign <= "\u257f":
        return "+"
    if "\u2580" <= sign <= "\u259f":
        return "#"
    if "\u2800" <= sign <= "\u28ff":
        return " " if sign == "\u2800" else "*"
    letters = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return letters or _escaped(sign)


codecs.register_error("optimizer.nearest", _nearest)


def fit_to_charset(text: str, encoding: str) -> str:
    """The text, visible, in signs that a character set has."""
    text = visible(text)
    if text.isascii() or encoding.lower().startswith("utf"):
        return text
    return text.encode(encoding, "optimizer.nearest").decode(encoding)


class Screen(Console):
    """A console that shows text as it stands, without markup, and nothing that a terminal would act upon."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False, **more: Any) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False, **more)
        if self.width < LEAST:
            self.width = USUAL

    def render_str(self, text: str, **how: Any) -> Text:
        """Text as rich lays it out."""
        return super().render_str(fit_to_charset(text, self.encoding), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Whatever is shown, in its parts."""
        if isinstance(renderable, Text):
            renderable = self._fit_text(renderable)
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else fit_to_charset(segment.text, self.encoding)
            yield segment if text == segment.text else Segment(text, segment.style)

    def _fit_text(self, text: Text) -> Text:
        """The same for a styled text, sign by sign where it has to change."""
        if fit_to_charset(text.plain, self.encoding) == text.plain:
            return text
        changed = text.blank_copy()
        for i, sign in enumerate(text.plain):
            changed.append(fit_to_charset(sign, self.encoding), text.get_style_at_offset(self, i))
        return changed
