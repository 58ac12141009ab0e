"""Console for all printed text, which is made safe for a terminal and fitted to its character set.

Text of instance files may contain characters that move the cursor, change colours or reverse the reading order.
They are shown escaped, as in ``\\x1b[31m``. Characters that a character set lacks are replaced by similar ASCII ones.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from optimizer.errors import escaped

# Tables narrower than `LEAST` would be columns of single letters: lines wrapped by the terminal are easier to read.
LEAST, USUAL = 40, 80
# Control characters except tab and line feed; zero-width marks that reorder, join or tag text; lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
_PLAIN = {
    "−": "-", "–": "-", "—": "-", "░": ".", "▒": ":", "▪": "o", "○": "o", "◆": "*", "†": "!", "‡": "#",
    "…": "...", "×": "x", "·": ".", "•": "*", "●": "*", "≥": ">=", "≤": "<=", "≈": "~",
    "±": "+-", "→": "->", "▲": "^", "▼": "v", "✓": "+", "✗": "x", "∞": "inf", "“": "'", "”": "'", "‘": "'", "’": "'",
    "€": "EUR", "£": "GBP", "°": "deg", "ø": "o", "Ø": "O", "ß": "ss", "æ": "ae", "Æ": "AE",
    "─": "-", "━": "-", "╌": "-", "│": "|", "┃": "|", "╎": "|",
}  # fmt: skip


def visible(text: str) -> str:
    """Return the text with every control and bidirectional character escaped, except line feeds and tabs."""
    return _UNSAFE.sub(lambda found: escaped(found.group()), text) if _UNSAFE.search(text) else text


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII replacements for characters that a character set lacks, as an error handler of `codecs`."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(_plain(sign) for sign in error.object[error.start : error.end]), error.end


def _plain(sign: str) -> str:
    if sign in _PLAIN:
        return _PLAIN[sign]
    if "\u2500" <= sign <= "\u257f":
        return "+"
    if "\u2580" <= sign <= "\u259f":
        return "#"
    if "\u2800" <= sign <= "\u28ff":
        return " " if sign == "\u2800" else "*"
    letters = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return letters or escaped(sign)


codecs.register_error("optimizer.nearest", _nearest)


def fit_to_charset(text: str, encoding: str) -> str:
    """Return the text with unsafe characters escaped and characters outside the character set replaced."""
    text = visible(text)
    if text.isascii() or encoding.lower().startswith("utf"):
        return text
    return text.encode(encoding, "optimizer.nearest").decode(encoding)


def _break_names(text: Text, width: int) -> Text:
    """Return the text with a line break before the "@" of each name of a shock that is longer than a line."""
    names = [name for name in re.finditer(r"\S+@\S+", text.plain) if cell_len(name[0]) > width]
    parts = text.divide(name.start() + name[0].rindex("@") for name in names)
    return text.blank_copy("\n").join(parts) if names else text


class Screen(Console):
    """Console that prints text without markup, and no characters that a terminal would act upon."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False, **more: Any) -> None:
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False, **more)
        if self.width < LEAST:
            self.width = USUAL

    def render_str(self, text: str, **how: Any) -> Text:
        """Return a string as rich text, fitted to the character set."""
        return super().render_str(fit_to_charset(text, self.encoding), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable, fitted to the character set."""
        if isinstance(renderable, str):
            renderable = self.render_str(renderable)
        if isinstance(renderable, Text):
            renderable, options = self._fit_text(renderable), options or self.options
            renderable = renderable if options.no_wrap else _break_names(renderable, options.max_width)
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else fit_to_charset(segment.text, self.encoding)
            yield segment if text == segment.text else Segment(text, segment.style)

    def _fit_text(self, text: Text) -> Text:
        """Return a styled text fitted to the character set, character by character if it has to change."""
        if fit_to_charset(text.plain, self.encoding) == text.plain:
            return text
        changed = text.blank_copy()
        for i, sign in enumerate(text.plain):
            changed.append(fit_to_charset(sign, self.encoding), text.get_style_at_offset(self, i))
        return changed
