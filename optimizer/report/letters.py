"""Names in any script: fonts that stand in where matplotlib's own has no such letter, and a word where none has it."""

import contextlib
import re
import warnings
from collections.abc import Iterator

from matplotlib import rc_context
from matplotlib.font_manager import fontManager

OWN = "DejaVu Sans"
# Chinese, Japanese and Korean, as systems bring them; the first of those that are there.
OTHERS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK KR",
    "Hiragino Sans",
    "PingFang SC",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "IPAexGothic",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
)
GLYPH = re.compile(r"Glyph (\d+) ")


@contextlib.contextmanager
def lettered() -> Iterator[None]:
    """Draw within it with all fonts that there are.

    Warns:
        UserWarning: once, of the letters that no font has.
    """
    there = {font.name for font in fontManager.ttflist}
    families = [OWN, *(name for name in OTHERS if name in there)]
    with warnings.catch_warnings(record=True) as said, rc_context({"font.sans-serif": families}):
        warnings.simplefilter("always")
        yield
    missing = dict.fromkeys(match[1] for each in said if (match := GLYPH.match(str(each.message))))
    for each in said:
        if not GLYPH.match(str(each.message)):
            warnings.warn(each.message, each.category, stacklevel=3)
    if missing:
        letters = "".join(chr(int(number)) for number in missing)
        text = f"No font here has {letters}: boxes stand in their place. Install one, such as Noto Sans CJK."
        warnings.warn(text, UserWarning, stacklevel=3)
