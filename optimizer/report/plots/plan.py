"""Plots of what is bought and what it costs: the timeline, the waterfall, the frontier."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from optimizer.report.figures.book import Book, baseline_words, proven_words
from optimizer.report.figures.colours import BLUE, GREEN, GREY, ORANGE, VERMILION, lever_colours
from optimizer.report.figures.moves import Move
from optimizer.report.plots.paper import INK, QUIET, Sheeted, foot, in_money, paper, plain, thin_ticks
from optimizer.results.result import Result
from optimizer.studies.frontier import Frontier
from optimizer.units import si, si_up


def timeline(book: Book) -> Sheeted:
    """Every move with its lead time and its ramp: a bar as high as the share of its size that works."""
    horizon = book.instance.horizon
    moves = sorted(book.own.moves, key=lambda move: (move.t, -move.paid))
    sheet = paper(f"{book.instance.title}: what is built, and when", max(2.2, 0.9 + 0.27 * len(moves)))
    (panel,) = sheet.panels
    for row, move in enumerate(moves):
        _bar(panel, row, move, len(horizon.periods), book.own.stocks.get(move.option, ()))
    count = len(horizon.periods)
    panel.set_xlim(0, count)
    panel.set_ylim(len(moves) - 0.4, -0.6)
    panel.set_yticks(range(len(moves)), [_short(move.name, 44) for move in moves])
    panel.grid(axis="x")
    right = panel.twinx()
    right.set_ylim(panel.get_ylim())
    right.set_yticks(
        range(len(moves)), [f"{move.size_words}, {si(move.paid, book.own.result.money)}" for move in moves]
    )
    plain(panel)
    plain(right)
    right.tick_params(right=False)
    kinds = dict.fromkeys(move.kind for move in moves)
    handles = [Patch(facecolor=lever_colours().get(kind, GREY), label=kind) for kind in kinds]
    if any(move.first > move.t and not move.purchases for move in moves):
        handles.append(Patch(facecolor="white", edgecolor=QUIET, hatch="////", hatchcolor=QUIET, label="lead time"))
    foot(sheet, "Bars are as high as the share of the size that works; of a stockpile: the stock, and a mark for each "
         f"purchase. Size; money undiscounted, {book.own.result.currency}.", handles)  # fmt: skip
    starts = [float(i * horizon.per_year) for i in range(len(horizon.years))]
    thin_ticks(sheet, panel, starts, [str(year) for year in horizon.years])
    for label in panel.get_xticklabels():
        label.set_horizontalalignment("left")
    return sheet


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _bar(panel: Axes, row: int, move: Move, count: int, stock: tuple[float, ...]) -> None:
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


def waterfall(book: Book) -> Sheeted:
    """What the plan costs beyond the no-shock plan, or where that is not known, all of its cost."""
    own = book.own
    is_beyond = len(own.beyond) > 1
    steps = own.beyond if is_beyond else own.parts
    shown = "what the plan costs beyond the no-shock plan" if is_beyond else "what the money goes into"
    sheet = paper(f"{book.instance.title}: {shown}", 0.9 + 0.36 * max(3, len(steps)))
    (panel,) = sheet.panels
    for row, step in enumerate(steps):
        last = row == len(steps) - 1
        colour = BLUE if last else GREEN if step.amount < 0 else ORANGE
        panel.barh(
            row, step.amount, left=step.start, color=colour, height=0.62, hatch="////" if step.amount < 0 else ""
        )
        right = max(step.start, step.start + step.amount)
        words = f" {si(step.amount, own.result.money, 4)}"
        panel.text(right, row, words, va="center", fontweight="bold" if last else "normal")
        if not last:
            level = step.start + step.amount
            panel.plot([level, level], [row + 0.31, row + 0.69], color=QUIET, linewidth=0.7)
    panel.set_yticks(range(len(steps)), [step.part for step in steps])
    panel.set_ylim(len(steps) - 0.5, -0.5)
    panel.margins(x=0.16)
    panel.axvline(0, color=QUIET, linewidth=0.8)
    in_money(panel.xaxis)
    panel.grid(axis="x")
    what = "Cost by part, less that of the same instance without shocks" if is_beyond else "Every part of the cost"
    less = " Hatched: less than that." if is_beyond else " Hatched: comes back."
    hatched = less if any(step.amount < 0 for step in steps) else ""
    foot(sheet, f"{what}; present value, {own.result.currency}.{hatched} {own.note}".rstrip())
    return sheet


def frontier(book: Book, found: Frontier) -> Sheeted:
    """Gap and cost by outlay."""
    results = [point.result for point in found.points if point.result.baseline is not None]
    own, money, outlays = book.own.result, results[0].money, [result.outlay for result in results]
    sheet = paper(f"{book.instance.title}: what each budget buys", 4.2, (1.0, 1.0), share=True)
    gap, cost = sheet.panels
    many = ",\nsum over all shocks" if len(book.instance.events) > 1 else ""
    _line(gap, results, own, lambda result: result.survival_gap, "s", VERMILION)
    kept = [result for result in results if result.survives]
    # Plans that survive have a mark of their own, and not that of the line.
    gap.lines[0].set_markevery([i for i, result in enumerate(results) if not result.survives])
    gap.plot(
        [each.outlay for each in kept], [each.survival_gap for each in kept], "D", color=GREEN, zorder=3, clip_on=False
    )
    gap.set_ylabel(f"survival gap{many}, {money}")
    words = baseline_words(found, money)
    _line(cost, results, own, _beyond if words else lambda result: result.total_cost, "o", BLUE)
    cost.set_ylabel(f"cost beyond\nthe no-shock plan, {money}" if words else f"total cost, {money}")
    cost.set_xlabel(f"outlay, {results[0].currency}, undiscounted")
    said = ""
    for result in sorted({id(result): result for result in results}.values(), key=lambda result: result.outlay):
        failed = sum(not outcome.survives for outcome in result.shocks)
        before, said = said, f"fails in {failed}" if failed else "survives"
        if said != before:
            place = (result.outlay, result.survival_gap)
            gap.annotate(said, place, (6, 9), textcoords="offset points", ha="left", fontsize=7)
    in_money(cost.xaxis)
    cost.set_xlim(left=0, right=None if max(outlays) > 0 else 1.0)
    least = ""
    if found.least_outlay is not None:
        least = f"The least outlay that keeps every floor is {si_up(found.least_outlay, money, 5)}. "
    marks = "Green diamond: every floor holds. " if kept else ""
    stopped = " The search was stopped: more budgets were to come." if found.stopped else ""
    foot(sheet, f"{least}Circle: the plan at hand. {marks}{proven_words(found, money)} Gap at shortage "
         f"cost; cost present value, {own.currency}. {words}{stopped}".replace("  ", " "))  # fmt: skip
    return sheet


def _beyond(result: Result) -> float:
    return result.price_of_survival or 0.0


def _line(
    panel: Axes, results: Sequence[Result], own: Result, figure: Callable[[Result], float], marker: str, colour: str
) -> None:
    """One figure of all plans by outlay, with a circle around the plan at hand."""
    amounts = [figure(result) for result in results]
    panel.plot(
        [result.outlay for result in results], amounts, color=colour, marker=marker, linewidth=1.6, clip_on=False
    )
    panel.plot(
        [own.outlay], [figure(own)], "o", markersize=12, markerfacecolor="none", markeredgecolor=INK, clip_on=False
    )
    in_money(panel.yaxis)
    panel.margins(y=0.18)
    if min(amounts) >= 0:
        panel.set_ylim(bottom=0)
    panel.grid()
