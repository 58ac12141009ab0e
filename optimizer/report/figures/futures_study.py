"""What it is worth to decide later and to know earlier: in all, and for each question at another date of its answer."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.report.figures.canvas import GREEN, ORANGE, QUIET, Canvas, add_footer, in_money, new_canvas
from optimizer.report.format import shortened
from optimizer.report.tables.futures_study import timing_text, worth_text
from optimizer.studies.futures.study import FuturesStudy, QuestionTiming

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TIMINGS = {
    "start": "known at the start",
    "earlier": "known a year earlier",
    "later": "known a year later",
    "never": "never known",
}


@dataclass(frozen=True)
class WorthBar:
    """An amount that is known between two bounds.

    Attributes:
        label: of its row. group: the question that it is about; empty for all of them together.
        is_loss: whether it is what a later answer costs; else what an earlier one, or a later decision, is worth.
        low, high: money, 0 or more; None where it is not known.
        words: the amount as tables write it.
    """

    label: str
    group: str
    is_loss: bool
    low: float | None
    high: float | None
    words: str


def worth_bars(found: FuturesStudy) -> tuple[WorthBar, ...]:
    """Flexibility and perfect information, then each question at each other date."""
    bars = []
    for name, label in (("flexibility", "deciding later"), ("information", "knowing every answer at the start")):
        band = getattr(found, name)
        ends = (None, None) if band is None else _ends(band.low, band.high)
        bars.append(WorthBar(label, "", False, *ends, worth_text(found, name)))
    return (*bars, *(_of_question(found, each) for each in found.questions))


def _of_question(found: FuturesStudy, each: QuestionTiming) -> WorthBar:
    band = each.difference
    ends = (None, None) if band is None else _ends(band.low, band.high)
    label = f"{each.question}: {_TIMINGS[each.timing]}"
    return WorthBar(label, each.question, not each.is_earlier, *ends, timing_text(found, each))


def _ends(low: float, high: float) -> tuple[float | None, float | None]:
    """What is proven, 0 where nothing is; and the most that it may be, None where that has no limit."""
    return max(0.0, low) if math.isfinite(low) else 0.0, high if math.isfinite(high) else None


def draw_worth(found: FuturesStudy) -> Canvas:
    """The amounts as bars: full up to what is proven, pale up to what it may be."""
    bars = worth_bars(found)
    heading = f"{found.instance.title}: what it is worth to decide later and to know earlier"
    canvas = new_canvas(heading, 0.5 + 0.24 * len(bars))
    (panel,) = canvas.panels
    ends = [end for bar in bars for end in (bar.low, bar.high) if end is not None]
    most, above = max([*ends, 0.0]), ""
    for row, bar in enumerate(bars):
        _draw_bar(panel, row, bar, most)
        if bar.group != above:
            panel.axhline(row - 0.5, color=QUIET, linewidth=0.5)
            above = bar.group
    panel.set_yticks(range(len(bars)), [shortened(bar.label, 48) for bar in bars])
    panel.set_ylim(len(bars) - 0.5, -0.5)
    panel.set_xlim(0, 1.3 * most or 1.0)
    panel.tick_params(axis="y", length=0)
    in_money(panel.xaxis)
    panel.grid(axis="x")
    add_footer(
        canvas,
        f"Difference in {found.measure}, present value, {found.instance.currency}. Full: at least, proven; pale: at "
        "most. ✗: one of both plans leaves a survival gap.",
        _handles(),
    )
    return canvas


def _draw_bar(panel: "Axes", row: int, bar: WorthBar, most: float) -> None:
    if bar.low is not None:
        colour, hatch = (ORANGE, "////") if bar.is_loss else (GREEN, "")
        high = most if bar.high is None else bar.high
        panel.barh(row, high, color=colour, height=0.6, alpha=0.35)
        panel.barh(row, bar.low, color=colour, height=0.6, hatch=hatch)
        panel.text(high, row, f" {bar.words}", va="center", fontsize=7.5)
    else:
        panel.text(0, row, f" {bar.words}", va="center", fontsize=7.5, color=QUIET, fontstyle="italic")


def _handles() -> list[object]:
    from matplotlib.patches import Patch

    return [
        Patch(facecolor=GREEN, label="saved by it"),
        Patch(facecolor=ORANGE, hatch="////", label="cost of it"),
    ]
