"""What a plan buys, on a line of time: when it is decided, when it works, how it ramps, what it costs.

t        period of the decision; a stockpile's first purchase
first    period in which it first works, t + lead time; the number of periods where that is after the end
steps    (period, share of size that works) wherever the share changes: a ramp, or erosion
paid     money, undiscounted: capex·size + fixed cost, or price·fill over all purchases
counted  of that the budget's part, budget_share·paid
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.levers import Sized
from optimizer.report.figures.canvas import INK, QUIET, Canvas, foot, paper, plain, thin_ticks
from optimizer.report.figures.colours import GREY, lever_colours
from optimizer.report.format import sized
from optimizer.results.plan import Build, Row
from optimizer.results.result import Result
from optimizer.tolerances import ROUNDING
from optimizer.units import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Move:
    """One build, or one stockpile with all its purchases.

    Attributes:
        option, name, kind, region: of the option; region is empty where it has none.
        decided, on_line: labels of the periods `t` and `first`; of a stockpile the first and the last purchase.
        t, first, steps: see above.
        size: in the option's own unit; of a stockpile the largest stock, t.
        size_words: the same with its unit.
        paid, counted: see above.
        in_peace: whether it would be bought without any shock. forced: whether it has to be bought.
        purchases: of a stockpile, t bought in each period; empty otherwise.
    """

    option: str
    name: str
    kind: str
    region: str
    decided: str
    on_line: str
    t: int
    first: int
    steps: tuple[tuple[int, float], ...]
    size: float
    size_words: str
    paid: float
    counted: float
    in_peace: bool
    forced: bool
    purchases: Row = ()


def moves(instance: Instance, result: Result) -> tuple[Move, ...]:
    """All that is bought: builds in the order of the options, then stockpiles."""
    return (*_builds(instance, result), *_stocks(instance, result))


def _builds(instance: Instance, result: Result) -> Iterator[Move]:
    horizon = instance.horizon
    for build in result.plan.builds:
        option = instance.sized[build.option]
        first = min(build.t + horizon.whole(option.lead_time), len(horizon.periods))
        paid = option.paid(build.year, build.size, opened=build.opened)
        yield Move(
            option=build.option,
            name=display_name(instance, build.option),
            kind=build.kind,
            region=_region(instance, build.option),
            decided=build.period,
            on_line=horizon.label(first) if first < len(horizon.periods) else "after end",
            t=build.t,
            first=first,
            steps=_steps(instance, option, build, first),
            size=build.size,
            size_words=sized(instance, build.option, build.size),
            paid=paid,
            counted=option.budget_share * paid,
            in_peace=build.option in result.calm_builds,
            forced=build.option in instance.policy.force,
        )


def _region(instance: Instance, o: str) -> str:
    """Where an option works: its own region, or that of the process that it is a deal with."""
    option = instance.options[o]
    process = instance.processes.get(getattr(option, "process", None) or "")
    return getattr(option, "region", None) or (process.region if process else None) or ""


def _steps(instance: Instance, option: Sized, build: Build, first: int) -> tuple[tuple[int, float], ...]:
    horizon, steps = instance.horizon, list[tuple[int, float]]()
    for t in range(first, len(horizon.periods)):
        share = option.share_in_force(horizon, build.t, t)
        if not steps or share != steps[-1][1]:
            steps.append((t, share))
    return tuple(steps)


def _stocks(instance: Instance, result: Result) -> Iterator[Move]:
    horizon = instance.horizon
    for o, fills in result.plan.fills.items():
        stock = instance.stocks[o]
        bought = [t for t, fill in enumerate(fills) if fill > ROUNDING * max(fills)]
        if not bought:
            continue
        paid = stock.paid(horizon, fills)
        most = max(result.plan.stocks[o])
        yield Move(
            option=o,
            name=display_name(instance, o),
            kind=stock.kind,
            region="",
            decided=horizon.label(bought[0]),
            on_line=horizon.label(bought[-1]),
            t=bought[0],
            first=bought[0],
            steps=((bought[0], 1.0),),
            size=most,
            size_words=sized(instance, o, most),
            paid=paid,
            counted=stock.budget_share * paid,
            in_peace=o in result.calm_builds,
            forced=o in instance.policy.force,
            purchases=tuple(fill if t in bought else 0.0 for t, fill in enumerate(fills)),
        )


def timeline(instance: Instance, result: Result, moves: Sequence[Move], stocks: Mapping[str, Row]) -> Canvas:
    """Every move with its lead time and its ramp: a bar as high as the share of its size that works."""
    from matplotlib.patches import Patch

    horizon = instance.horizon
    moves = sorted(moves, key=lambda move: (move.t, -move.paid))
    sheet = paper(f"{instance.title}: what is built, and when", max(2.2, 0.9 + 0.27 * len(moves)))
    (panel,) = sheet.panels
    for row, move in enumerate(moves):
        _bar(panel, row, move, len(horizon.periods), stocks.get(move.option, ()))
    count = len(horizon.periods)
    panel.set_xlim(0, count)
    panel.set_ylim(len(moves) - 0.4, -0.6)
    panel.set_yticks(range(len(moves)), [_short(move.name, 44) for move in moves])
    panel.grid(axis="x")
    right = panel.twinx()
    right.set_ylim(panel.get_ylim())
    right.set_yticks(range(len(moves)), [f"{move.size_words}, {si(move.paid, result.money)}" for move in moves])
    plain(panel)
    plain(right)
    right.tick_params(right=False)
    kinds = dict.fromkeys(move.kind for move in moves)
    handles = [Patch(facecolor=lever_colours().get(kind, GREY), label=kind) for kind in kinds]
    if any(move.first > move.t and not move.purchases for move in moves):
        handles.append(Patch(facecolor="white", edgecolor=QUIET, hatch="////", hatchcolor=QUIET, label="lead time"))
    foot(sheet, "Bars are as high as the share of the size that works; of a stockpile: the stock, and a mark for each "
         f"purchase. Size; money undiscounted, {result.currency}.", handles)  # fmt: skip
    starts = [float(i * horizon.per_year) for i in range(len(horizon.years))]
    thin_ticks(sheet, panel, starts, [str(year) for year in horizon.years])
    for label in panel.get_xticklabels():
        label.set_horizontalalignment("left")
    return sheet


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _bar(panel: "Axes", row: int, move: Move, count: int, stock: tuple[float, ...]) -> None:
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
