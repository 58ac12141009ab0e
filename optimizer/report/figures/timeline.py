"""The timeline: what a plan buys, on a line of time."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import (
    GREY,
    INK,
    QUIET,
    Canvas,
    add_footer,
    lever_colours,
    new_canvas,
    plain,
    thin_ticks,
)
from optimizer.report.format import shortened
from optimizer.results.plan import ByPeriod
from optimizer.results.result import Result
from optimizer.units import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

from optimizer.studies.purchases import Purchase


def _handles(moves: Sequence[Purchase]) -> list[Any]:
    """The legend: a colour for each kind of lever, and the pattern of lead times."""
    from matplotlib.patches import Patch

    kinds = dict.fromkeys(move.kind for move in moves)
    handles = [Patch(facecolor=lever_colours().get(kind, GREY), label=kind) for kind in kinds]
    if any(move.first > move.t and not move.purchases for move in moves):
        handles.append(Patch(facecolor="white", edgecolor=QUIET, hatch="////", hatchcolor=QUIET, label="lead time"))
    return handles


def timeline(instance: Instance, result: Result, moves: Sequence[Purchase], stocks: Mapping[str, ByPeriod]) -> Canvas:
    """Every purchase with its lead time and ramp; bars are as high as the share of the size that works."""
    horizon = instance.horizon
    moves = sorted(moves, key=lambda move: (move.t, -move.paid))
    canvas = new_canvas(f"{instance.title}: what is built, and when", max(2.2, 0.9 + 0.27 * len(moves)))
    (panel,) = canvas.panels
    for row, move in enumerate(moves):
        _bar(panel, row, move, len(horizon.periods), stocks.get(move.option, ()))
    count = len(horizon.periods)
    panel.set_xlim(0, count)
    panel.set_ylim(len(moves) - 0.4, -0.6)
    panel.set_yticks(range(len(moves)), [shortened(move.name, 44) for move in moves])
    panel.grid(axis="x")
    right = panel.twinx()
    right.set_ylim(panel.get_ylim())
    right.set_yticks(range(len(moves)), [f"{move.size_words}, {si(move.paid, result.money)}" for move in moves])
    plain(panel)
    plain(right)
    right.tick_params(right=False)
    add_footer(
        canvas,
        "Bars are as high as the share of the size that works; of a stockpile: the stock, and a mark for each "
        f"purchase. Size; money undiscounted, {result.currency}.",
        _handles(moves),
    )
    starts = [float(i * horizon.per_year) for i in range(len(horizon.years))]
    thin_ticks(canvas, panel, starts, [str(year) for year in horizon.years])
    for label in panel.get_xticklabels():
        label.set_horizontalalignment("left")
    return canvas


def _bar(panel: "Axes", row: int, move: Purchase, count: int, stock: tuple[float, ...]) -> None:
    from matplotlib.patches import Rectangle

    colour, base = lever_colours().get(move.kind, GREY), row + 0.36
    if move.purchases:
        top = max(stock, default=0.0) or 1.0
        for t, held in enumerate(stock):
            panel.add_patch(Rectangle((t, base), 1, -0.72 * held / top, facecolor=colour, alpha=0.45, linewidth=0))
        for t, fill in enumerate(move.purchases):
            if fill > 0:
                panel.plot([t + 0.5], [base - 0.06], marker="|", color=INK, markersize=4, markeredgewidth=0.9)
        return
    if move.first > move.t:
        lead = Rectangle((move.t, row - 0.12), move.first - move.t, 0.24, facecolor="white", edgecolor=QUIET)
        lead.set(hatch="//////", linewidth=0.5, hatchcolor=QUIET)
        panel.add_patch(lead)
    ends = [*(t for t, _ in move.steps[1:]), count]
    for (t, share), end in zip(move.steps, ends, strict=True):
        panel.add_patch(Rectangle((t, base), end - t, -0.72 * share, facecolor=colour, linewidth=0))
