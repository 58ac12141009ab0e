"""The canvas of print figures: sizes, fonts, colours, axes of money, names in any script, charts of bars, and the file.

Colour-blind readers can distinguish the colours, which are the same on pages and in plots. Sources: Okabe, Ito: Color
Universal Design, 2008; olive: Tol, Colour Schemes, 2021. Beyond eight regions colours repeat with a pattern.
"""

import contextlib
import io
import math
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

from optimizer.report.format import plural, shortened
from optimizer.results.result import Result
from optimizer.tolerances import ROUNDING
from optimizer.units import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

from optimizer.instance.derived import NO_REGION
from optimizer.instance.schema import Instance
from optimizer.levers import KINDS
from optimizer.results.plan import SourceShare

# Width of an A4 page between its margins, inches.
FIGURE_WIDTH = 7.1
# Least distance between two labels of an axis, inches.
_LABEL_DISTANCE = 0.06
# Characters in a line of a panel's title.
_PANEL_TITLE = 92
INK, QUIET, GRID = "#16191d", "#4d5560", "#dfe2e7"
STYLE: Mapping[str, Any] = {
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.titlesize": 9,
    "axes.edgecolor": QUIET,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "hatch.linewidth": 0.6,
    "hatch.color": "white",
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "pdf.fonttype": 42,
    "svg.hashsalt": "diversify",
    "axes.unicode_minus": False,
    "text.parse_math": False,
    "figure.dpi": 100,
}


@dataclass(frozen=True)
class Canvas:
    """A figure, its panels, and the height of its title in inches."""

    figure: "Figure"
    panels: Sequence["Axes"]
    head: float = 0.0


def new_canvas(
    title: str, height: float, rows: Sequence[float] = (1.0,), *, shares_axis: bool = False, width: float = FIGURE_WIDTH
) -> Canvas:
    """Create an empty figure with a title, broken into lines, and panels below each other.

    `height` is that of all panels together, inches, and `rows` has the relative height of each.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = wrap(title, round(11.2 * width), break_on_hyphens=False)
    figure = Figure(figsize=(width, height + 0.19 * len(lines)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.text(0.01, 1.0 - 0.05 / figure.get_figheight(), "\n".join(lines), va="top", fontsize=10.5, fontweight="bold")
    panels = figure.subplots(len(rows), 1, squeeze=False, sharex=shares_axis, height_ratios=list(rows))[:, 0]
    return Canvas(figure, list(panels), 0.19 * len(lines) + 0.08)


def set_panel_title(panel: "Axes", text: str, colour: str = INK) -> None:
    """Set the title of a panel at its upper left, broken into lines."""
    panel.set_title("\n".join(wrap(text, _PANEL_TITLE)), fontsize=8.5, loc="left", color=colour)


def add_footer(canvas: Canvas, text: str, handles: Sequence[Any] = ()) -> None:
    """Add a legend below a figure, then a text with units and the currency with its year."""
    figure, width = canvas.figure, canvas.figure.get_figwidth()
    lines = wrap(text, round(18.6 * width), break_on_hyphens=False)
    labels = [str(handle.get_label()) for handle in handles]
    longest = max(map(len, labels), default=1)
    columns = max(1, min(len(labels) or 1, int(width / (0.062 * longest + 0.6))))
    rows = -(-len(handles) // columns)
    below, legend = 0.125 * len(lines) + 0.06, 0.17 * rows + (0.06 if rows else 0.0)
    height = figure.get_figheight() + below + legend
    figure.set_figheight(height)
    # Keeps the distance of the title from the top of the enlarged figure.
    figure.texts[0].set_y(1.0 - 0.05 / height)
    figure.text(0.01, 0.04 / height, "\n".join(lines), va="bottom", fontsize=7, color=QUIET)
    if handles:
        figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.005, below / height), ncols=columns,
                      borderaxespad=0.0, columnspacing=1.4, handlelength=2.8)  # fmt: skip
    engine = figure.get_layout_engine()
    assert engine is not None
    rest = height - below - legend - canvas.head
    engine.set(rect=(0.0, (below + legend) / height, 1.0, rest / height))  # type: ignore[call-arg]


def of_plan(result: Result) -> str:
    """Return a sentence that identifies the plan of a figure by its outlay and currency."""
    return f"Plan with {si(result.outlay, digits=4)} of outlay ({result.currency})."


def format_as_money(axis: Any) -> None:
    """Label an axis with amounts of money in the form of the tables: ``2.5M``."""
    axis.set_major_formatter(lambda value, _: si(value) if abs(value) > ROUNDING else "0")


def thin_ticks(canvas: Canvas, panel: "Axes", places: Sequence[float], labels: Sequence[str]) -> None:
    """Label the bottom axis with every n-th label so that none touch; call it after all else is drawn."""
    panel.set_xticks(places, labels)
    canvas.figure.draw_without_rendering()
    extents = [label.get_window_extent() for label in panel.get_xticklabels()]
    widest = max((extent.width for extent in extents), default=0.0) + _LABEL_DISTANCE * canvas.figure.dpi
    apart = panel.get_window_extent().width / max(1, len(places))
    stride = max(1, math.ceil(widest / apart))
    panel.set_xticks(places[::stride], labels[::stride])


def format_as_amounts(axis: Any) -> None:
    """Label an axis with numbers in the form of the texts: ``1,500``."""
    axis.set_major_formatter(lambda value, _: f"{value:,.10g}")


def remove_frame(panel: "Axes") -> None:
    """Remove the frame and the ticks of a panel."""
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.tick_params(left=False, bottom=False)


def file_bytes(canvas: Canvas, suffix: str) -> bytes:
    """Return the figure as a file, ``svg``, ``png`` or ``pdf``; equal figures give equal bytes."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None, "ModDate": None}}
    with rc_context(dict(STYLE)):
        _settle(canvas.figure)
        canvas.figure.savefig(stream, format=suffix, dpi=200, metadata=dates.get(suffix))
    content = stream.getvalue()
    return _DOTS.sub(_smallest_tile, content) if suffix == "svg" else content


# A pattern of dots in an SVG file, each dot a closed path: Matplotlib writes hundreds into a tile of 72 by 72 pixels.
_DOTS = re.compile(rb'width="72" height="72">(\s*<rect [^>]*>\s*<path d=")((?:M[^zM"]+z\s)+)')


def _smallest_tile(found: re.Match[bytes]) -> bytes:
    """Return a pattern of dots cut to a tile that repeats: two rows, of which the second is moved by half a step."""
    dots = [(*map(float, dot.split(maxsplit=3)[1:3]), dot) for dot in re.findall(rb"M[^zM]+z\s", found[2])]
    size = 2.0 * (dots[1][0] - dots[0][0])
    # Dots on the edge of the tile reach into it by less than a pixel.
    kept = b"".join(dot for x, y, dot in dots if max(x, y) <= size + 1.0)
    return b'width="%g" height="%g">%b%b' % (size, size, found[1], kept)


def _settle(figure: "Figure") -> None:
    """Fix the layout of a figure, with the places of its panels rounded to nine digits.

    The layout solver varies in the last digits from run to run, and names in an SVG file depend on all digits.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel in figure.axes:
        left, bottom, width, height = (round(each, 9) for each in panel.get_position(original=True).bounds)
        panel.set_position((left, bottom, width, height))


FONT = "DejaVu Sans"
# Fonts for Chinese, Japanese and Korean on common systems; the first installed one is used.
FALLBACKS = (
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
def use_all_fonts() -> Iterator[None]:
    """Draw characters that the font lacks in other fonts of the system, within the context.

    Warns:
        UserWarning: no font has some characters; issued once.
    """
    from matplotlib import rc_context
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    families = [FONT, *(name for name in FALLBACKS if name in there)]
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


BLUE, VERMILION, ORANGE, GREEN = "#0072B2", "#D55E00", "#E69F00", "#009E73"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#8A8A8A"
OLIVE = "#999933"
# Vermilion always marks shortages.
OTHERS = (ORANGE, GREEN, PURPLE, SKY, YELLOW, OLIVE, GREY)
PATTERNS = ("", "/", "x", ".", "\\", "-")
# The pattern by colour, as an index: colours of one pattern are far from each other in grey as well.
_FIRST = {BLUE: 0, ORANGE: 0, GREEN: 1, PURPLE: 2, SKY: 3, YELLOW: 0, OLIVE: 4, GREY: 5}
_SLOTS = (BLUE, ORANGE, GREEN, PURPLE, SKY, OLIVE, YELLOW, GREY)


def lever_colours() -> dict[str, str]:
    """Return the colour of each kind of lever."""
    return {kind: _SLOTS[lever.labels.colour] for kind, lever in KINDS.items()}


def lever_look(kind: str) -> dict[str, Any]:
    """Return the colour and the pattern of the bars of a kind of lever."""
    colour = lever_colours().get(kind, GREY)
    return {"facecolor": colour, "hatch": PATTERNS[_FIRST[colour]] * 3}


def stock_looks(instance: Instance, result: Result) -> dict[str, dict[str, Any]]:
    """Return the colour and the dashes of the line of each stock, the same in all figures and on a page."""
    colours, dashes = (BLUE, ORANGE, GREEN, PURPLE, OLIVE, SKY), ("-", "--", ":", "-.")
    held = [o for o, row in result.plan.stocks.items() if max(row, default=0.0) > 0]
    return {
        o: {"color": colours[i % 6], "linestyle": dashes[(i + i // 12) % 4]}
        for i, o in enumerate(dict.fromkeys([*held, *instance.stocks]))
    }


def region_colours(
    instance: Instance, shares: Iterable[Mapping[str, tuple[SourceShare, ...]]]
) -> dict[str, tuple[str, str]]:
    """Return a colour and a pattern for each region: blue for home, then by the sum of its shares of production."""
    weight: dict[str, float] = defaultdict(float)
    for activity in instance.activities.values():
        weight[activity.region or NO_REGION] += 0.0
    for by_commodity in shares:
        for several in by_commodity.values():
            for share in several:
                for region, part in share.regions.items():
                    weight[region] += part
    abroad = sorted((region for region in weight if region != instance.home), key=lambda region: -weight[region])
    home = {instance.home: (BLUE, "")} if instance.home in weight and instance.home is not None else {}
    return home | {
        region: (colour, PATTERNS[(_FIRST[colour] + again) % len(PATTERNS)])
        for region, (again, colour) in zip(abroad, product(range(len(abroad)), OTHERS), strict=False)
    }


# Rows of bars.

Tone = Literal["broken", "dearer", "cheaper", "own", "range", "unknown"]
# A part of a bar: from, to, tone; in the unit of the axis.
BarPart = tuple[float, float, Tone]
# Largest number of characters of a label.
LABEL_LENGTH = 52
TONE_LOOKS: Mapping[Tone, tuple[str, str]] = {
    "broken": (VERMILION, "xxx"),
    "dearer": (ORANGE, ""),
    "cheaper": (GREEN, "////"),
    "own": (BLUE, ""),
    "range": (SKY, "..."),
    "unknown": (GREY, "---"),
}


@dataclass(frozen=True)
class ChartRow:
    """A row: parts of a bar from one amount to another, each with its tone, and the amount in words."""

    label: str  # text on the left
    words: str  # text on the right
    parts: tuple[BarPart, ...] = ()
    group: str = ""  # heading of its group; empty for none
    mark: float | None = None  # place of a mark; None for none


@dataclass(frozen=True)
class AnswerChart:
    """The data of a study's figure."""

    title: str  # title of the figure
    rows: tuple[ChartRow, ...]  # rows from top to bottom
    legend: Mapping[Tone, str]  # meaning of each tone
    about: str  # text of the caption
    axis: Literal["money", "share"] = "money"  # money, or a share of 1
    line: tuple[float, str] | None = None  # place and name of a line; None for none
    left: int = 0  # number of rows left out

    @property
    def ends(self) -> tuple[float, float]:
        """The ends of the axis: the smallest and the largest amount, or 0."""
        ends = [end for row in self.rows for low, high, _ in row.parts for end in (low, high)]
        ends += [self.line[0]] if self.line else []
        low, high = min([0.0, *ends]), max([0.0, *ends])
        return low, high if high > low else low + 1.0

    @property
    def tones(self) -> list[Tone]:
        """Its tones, in the order of their first rows."""
        return list(dict.fromkeys(tone for row in self.rows for *_, tone in row.parts))

    @property
    def caption(self) -> str:
        """The caption."""
        line = f" Dashed: {self.line[1]}." if self.line else ""
        more = f" {plural(self.left, 'more row')} not shown." if self.left else ""
        return f"{self.about}{line}{more}"

    def on_page(self) -> dict[str, Any]:
        """Return the rows for a page, with start and length of each part of a bar in per cent of the axis."""
        low, high = self.ends
        share = 100.0 / (high - low)

        def place(amount: float) -> float:
            return round((amount - low) * share, 2)

        rows = [
            {
                "group": row.group,
                "label": row.label,
                "words": row.words,
                "mark": None if row.mark is None else place(row.mark),
                "parts": [{"left": place(min(one, other)), "wide": round(abs(other - one) * share, 2), "tone": tone}
                          for one, other, tone in row.parts],
            }
            for row in self.rows
        ]  # fmt: skip
        line = None if self.line is None else place(self.line[0])
        legend = [{"tone": tone, "text": self.legend[tone]} for tone in self.tones]
        return {"rows": rows, "zero": place(0.0), "line": line, "legend": legend, "about": self.caption}

    def table(self) -> dict[str, Any]:
        """Return the rows as a table for a page: heads, rows and caption."""
        groups = any(row.group for row in self.rows)
        rows = [[*([row.group] if groups else []), row.label, row.words] for row in self.rows]
        return {"head": [*(["Of"] if groups else []), "What", "Amount"], "rows": rows, "caption": self.caption}


def draw_chart(chart: AnswerChart) -> Canvas:
    """Draw a chart for print."""
    from matplotlib.patches import Patch
    from matplotlib.ticker import PercentFormatter

    groups = len({row.group for row in chart.rows} - {""})
    canvas = new_canvas(chart.title, 0.5 + 0.21 * (len(chart.rows) + groups))
    (panel,) = canvas.panels
    low, high = chart.ends
    places = _draw_rows(panel, chart.rows)
    panel.set_ylim(places[-1] + 0.7, -0.7 - bool(groups))
    panel.set_yticks(places, [shortened(row.label, LABEL_LENGTH) for row in chart.rows])
    panel.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))
    right = panel.twinx()
    right.set_ylim(panel.get_ylim())
    right.set_yticks(places, [row.words for row in chart.rows])
    remove_frame(right)
    right.tick_params(right=False, labelsize=7)
    panel.axvline(0, color=QUIET, linewidth=0.8)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x")
    if chart.axis == "money":
        format_as_money(panel.xaxis)
    else:
        panel.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
        panel.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    if chart.line:
        panel.axvline(chart.line[0], color=INK, linestyle="--", linewidth=1.0)
    handles = [
        Patch(facecolor=TONE_LOOKS[tone][0], hatch=TONE_LOOKS[tone][1], label=chart.legend[tone])
        for tone in chart.tones
    ]
    add_footer(canvas, chart.caption, handles)
    return canvas


def _draw_rows(panel: "Axes", rows: Sequence[ChartRow]) -> list[float]:
    """Draw the bars and the heading of each group from top to bottom; return the place of each row."""
    places, place, group = list[float](), 0.0, ""
    for row in rows:
        if row.group != group:
            place += 1.0 if places else 0.0
            panel.text(0.01, place - 0.62, row.group, transform=panel.get_yaxis_transform(), fontsize=7.5,
                       fontweight="bold", va="center")  # fmt: skip
            group = row.group
        for start, end, tone in row.parts:
            colour, hatch = TONE_LOOKS[tone]
            panel.barh(place, end - start, left=start, height=0.62, color=colour, hatch=hatch)
        if row.mark is not None:
            panel.plot([row.mark], [place], marker="D", color=INK, markersize=4)
        places.append(place)
        place += 1.0
    return places
