"""The paper that plots are drawn on: sizes and fonts for print, money along an axis, and the file that comes of it."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from optimizer.results.result import Result
from optimizer.units import si

# Inches; the width of a page of A4 between its margins.
WIDTH = 7.1
# Inches between two labels of an axis, at least.
ROOM = 0.06
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
    "figure.dpi": 100,
}


@dataclass(frozen=True)
class Sheeted:
    """A figure on its paper, the panels on it, and the inches that its title takes."""

    figure: Figure
    panels: Sequence[Axes]
    head: float = 0.0


def paper(
    title: str, height: float, rows: Sequence[float] = (1.0,), *, share: bool = False, width: float = WIDTH
) -> Sheeted:
    """An empty figure with a title and one panel below another.

    Args:
        title: what is shown, on as many lines as it takes.
        height: of the panels together, inches.
        rows: heights of the panels, relative to each other.
        share: whether they share their time.
        width: inches.
    """
    lines = wrap(title, round(11.2 * width), break_on_hyphens=False)
    figure = Figure(figsize=(width, height + 0.19 * len(lines)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.text(0.01, 1.0 - 0.05 / figure.get_figheight(), "\n".join(lines), va="top", fontsize=10.5, fontweight="bold")
    panels = figure.subplots(len(rows), 1, squeeze=False, sharex=share, height_ratios=list(rows))[:, 0]
    return Sheeted(figure, list(panels), 0.19 * len(lines) + 0.08)


def foot(sheet: Sheeted, text: str, handles: Sequence[Any] = ()) -> None:
    """What stands below a figure: a legend, then units and the currency label with its year."""
    figure, width = sheet.figure, sheet.figure.get_figwidth()
    lines = wrap(text, round(18.6 * width))
    columns = _columns([str(handle.get_label()) for handle in handles], width)
    rows = -(-len(handles) // columns)
    below, legend = 0.125 * len(lines) + 0.06, 0.17 * rows + (0.06 if rows else 0.0)
    height = figure.get_figheight() + below + legend
    figure.set_figheight(height)
    # The title keeps its distance from the top of the paper that has grown.
    figure.texts[0].set_y(1.0 - 0.05 / height)
    figure.text(0.01, 0.04 / height, "\n".join(lines), va="bottom", fontsize=7, color=QUIET)
    if handles:
        figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.005, below / height), ncols=columns,
                      borderaxespad=0.0, columnspacing=1.4, handlelength=1.6)  # fmt: skip
    engine = figure.get_layout_engine()
    assert engine is not None
    rest = height - below - legend - sheet.head
    engine.set(rect=(0.0, (below + legend) / height, 1.0, rest / height))  # type: ignore[call-arg]


def _columns(labels: Sequence[str], width: float) -> int:
    """So many columns of a legend fit beside each other."""
    longest = max(map(len, labels), default=1)
    return max(1, min(len(labels) or 1, int(width / (0.062 * longest + 0.46))))


def of_plan(result: Result) -> str:
    """Which plan a figure shows."""
    return f"Plan with {si(result.outlay, digits=4)} of outlay ({result.currency})."


def in_money(axis: Any) -> None:
    """Amounts along an axis in the words of the tables."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: si(value) if abs(value) > 1e-9 else "0"))


def thin_ticks(sheet: Sheeted, panel: Axes, places: Sequence[float], labels: Sequence[str]) -> None:
    """Labels along the bottom, so few of them that no two touch: every one, every second, … Call it last."""
    panel.set_xticks(places, labels)
    sheet.figure.draw_without_rendering()
    extents = [label.get_window_extent() for label in panel.get_xticklabels()]
    widest = max((extent.width for extent in extents), default=0.0) + ROOM * sheet.figure.dpi
    apart = panel.get_window_extent().width / max(1, len(places))
    stride = max(1, math.ceil(widest / apart))
    panel.set_xticks(places[::stride], labels[::stride])


def plain(panel: Axes) -> None:
    """No frame and no ticks."""
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.tick_params(left=False, bottom=False)


def stored(sheet: Sheeted, suffix: str) -> bytes:
    """The figure as a file of that kind: ``svg``, ``png`` or ``pdf``; the same figure gives the same bytes."""
    stream = io.BytesIO()
    dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None, "ModDate": None}}
    with rc_context(dict(STYLE)):
        sheet.figure.savefig(stream, format=suffix, dpi=200, metadata=dates.get(suffix))
    return stream.getvalue()
