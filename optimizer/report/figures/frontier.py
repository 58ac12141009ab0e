"""What each budget buys: the survival gap and the cost of plans by budget, and of the columns of a comparison."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizer.errors import has_extra, require_extra
from optimizer.files import write_whole
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import (
    BLUE,
    GREEN,
    INK,
    OTHERS,
    QUIET,
    STYLE,
    VERMILION,
    Canvas,
    add_footer,
    file_bytes,
    in_money,
    new_canvas,
    use_all_fonts,
)
from optimizer.report.narrative import in_tolerance, under_budget
from optimizer.results.result import Result
from optimizer.studies.comparison import Comparison, ComparisonColumn, Frontier
from optimizer.units import si, si_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRONTIER_FORMATS = ("svg", "png", "pdf")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LEFT, MOST, HEIGHT = 60, 100, 14


def draw_in_characters(comparison: Comparison, width: int) -> str:
    """The survival gap by budget in characters.

    Empty where there are fewer than three budgets or no gap, and where the extra `plot` is not installed.
    """
    by_case = {case: _points(comparison, case) for case in comparison.cases}
    lines = {case: _line(points) for case, points in by_case.items() if len(points) > 2}
    most = max((gap for _, gaps in lines.values() for gap in gaps), default=0.0)
    if most <= 0 or width < LEFT or not has_extra("plot"):
        return ""
    import plotext

    money = next(iter(comparison.cases.values())).money
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(min(width, MOST), HEIGHT)
    plotext.title(f"Survival gap by budget, {money}")
    for case, (budgets, gaps) in lines.items():
        plotext.plot(budgets, gaps, marker="braille", label=case if len(lines) > 1 else None)
        plotext.scatter(budgets, gaps, marker="●")
    last = max(budget for budgets, _ in lines.values() for budget in budgets)
    across, up = ([end * i / 4 for i in range(5)] for end in (last, most))
    plotext.xticks(across, [si(value) for value in across])
    plotext.yticks(up, [si(value) for value in up])
    return str(plotext.uncolorize(plotext.build())).rstrip("\n")


def _points(comparison: Comparison, case: str) -> list[ComparisonColumn]:
    """The columns of a case that have a budget and a plan."""
    own = [column for column in comparison.columns if column.case == case and column.budget is not None]
    return [column for column in own if column.result.baseline is not None]


def _line(points: list[ComparisonColumn]) -> tuple[list[float], list[float]]:
    return [column.budget or 0.0 for column in points], [column.result.survival_gap for column in points]


def save_plot(comparison: Comparison, path: Path) -> None:
    """Write the frontier, or where there are fewer than two budgets bars of every column; by the path's suffix."""
    require_extra("plot", "A figure")
    from matplotlib import rc_context

    first = next(iter(comparison.cases.values()))
    title = first.title if len(comparison.cases) == 1 else "Side by side"
    is_frontier = any(len(_points(comparison, case)) > 1 for case in comparison.cases)
    with rc_context(dict(STYLE)), use_all_fonts():
        canvas = new_canvas(f"{title}: what each budget buys" if is_frontier else title, 4.6, (3.0, 2.0))
        handles = (_by_budget if is_frontier else _bars)(comparison, *canvas.panels)
        note = "At each point: shocks survived." if is_frontier and len(comparison.cases) == 1 else ""
        add_footer(canvas, note, handles)
        write_whole(path, file_bytes(canvas, path.suffix.lower().removeprefix(".")))


def _by_budget(comparison: Comparison, above: "Axes", below: "Axes") -> Sequence[Any]:
    """The gap and the cost by budget, a line a case; the shocks survived are written at each point."""
    first, is_alone = next(iter(comparison.cases.values())), len(comparison.cases) == 1
    money, currency = first.money, first.currency
    for i, case in enumerate(comparison.cases):
        points = _points(comparison, case)
        budgets, gaps = _line(points)
        colour, marker = (BLUE, *OTHERS)[i % (len(OTHERS) + 1)], MARKERS[i % len(MARKERS)]
        above.plot(budgets, gaps, label=case, color=colour, marker=marker, clip_on=False)
        costs = [column.result.total_cost for column in points]
        below.plot(budgets, costs, color=colour, marker=marker, clip_on=False)
        for column, gap in zip(points, gaps, strict=True) if is_alone else ():
            _annotate(above, _survived_words(column), (column.budget or 0.0, gap), (6, 6))
    for each in comparison.least if is_alone else ():
        if each.outlay is not None:
            above.axvline(each.outlay, color=QUIET, linestyle="--", linewidth=1)
            said = f"least outlay that\nsurvives everything: {si_up(each.outlay, money, 5)}"
            _annotate(above, said, (each.outlay, above.get_ylim()[1]), (6, -4), va="top")
    above.set_ylabel(f"Survival gap, {currency}")
    below.set_ylabel("Total cost,\npresent value")
    below.set_xlabel(f"Budget: undiscounted outlay, {currency}")
    above.set_ylim(bottom=0)
    for panel in (above, below):
        in_money(panel.xaxis)
        in_money(panel.yaxis)
        panel.grid(axis="y")
    return [] if is_alone else above.get_legend_handles_labels()[0]


def _survived_words(column: ComparisonColumn) -> str:
    return f"{len(column.result.shocks_survived)} of {len(column.result.shocks)}"


def _annotate(panel: "Axes", text: str, at: tuple[float, float], offset: tuple[int, int], **look: Any) -> None:
    panel.annotate(text, at, offset, textcoords="offset points", fontsize=7, **look)


def _bars(comparison: Comparison, above: "Axes", below: "Axes") -> Sequence[Any]:
    """The gap and the cost of every column."""
    currency = next(iter(comparison.cases.values())).currency
    columns = [column for column in comparison.columns if column.result.baseline is not None]
    names, gaps = [column.case for column in columns], [column.result.survival_gap for column in columns]
    above.barh(names, gaps, color=VERMILION)
    for i, column in enumerate(columns):
        _annotate(above, f"{_survived_words(column)} survived", (gaps[i], i), (6, 0), va="center")
    below.barh(names, [column.result.total_cost for column in columns], color=BLUE)
    for panel, label in ((above, "Survival gap"), (below, "Total cost, present value")):
        panel.invert_yaxis()
        panel.set_xlabel(f"{label}, {currency}")
        in_money(panel.xaxis)
        panel.grid(axis="x")
    return []


def draw_frontier(instance: Instance, own: Result, found: Frontier) -> Canvas:
    """Gap and cost by outlay."""
    results = [point.result for point in found.points if point.result.baseline is not None]
    money, outlays = results[0].money, [result.outlay for result in results]
    canvas = new_canvas(f"{instance.title}: what each budget buys", 4.2, (1.0, 1.0), share=True)
    gap, cost = canvas.panels
    _draw_gaps(gap, results, own)
    many = ",\nsum over all shocks" if len(instance.events) > 1 else ""
    gap.set_ylabel(f"survival gap{many}, {money}")
    words = baseline_words(found, money)
    _drawn_line(cost, results, own, _beyond if words else lambda result: result.total_cost, "o", BLUE)
    cost.set_ylabel(f"cost beyond\nthe no-shock plan, {money}" if words else f"total cost, {money}")
    cost.set_xlabel(f"outlay, {results[0].currency}, undiscounted")
    in_money(cost.xaxis)
    cost.set_xlim(left=0, right=None if max(outlays) > 0 else 1.0)
    notes = ["Circle: the plan at hand."]
    if found.least_outlay is not None:
        notes.insert(0, f"The least outlay that keeps every floor is {si_up(found.least_outlay, money, 5)}.")
    notes += ["Green diamond: every floor holds."] if any(result.survives for result in results) else []
    notes += [proven_words(found, money), f"Survival gap at shortage cost; cost present value, {own.currency}.", words]
    notes += ["The search was stopped: more budgets were to come."] if found.stopped else []
    add_footer(canvas, " ".join(note for note in notes if note))
    return canvas


def _draw_gaps(panel: "Axes", results: Sequence[Result], own: Result) -> None:
    """The gaps of all plans by outlay; plans that survive have a mark of their own, and the first of each a word."""
    _drawn_line(panel, results, own, lambda result: result.survival_gap, "s", VERMILION)
    kept = [result for result in results if result.survives]
    panel.lines[0].set_markevery([i for i, result in enumerate(results) if not result.survives])
    places = ([each.outlay for each in kept], [each.survival_gap for each in kept])
    panel.plot(*places, "D", color=GREEN, zorder=3, clip_on=False)
    said = ""
    for result in sorted({id(result): result for result in results}.values(), key=lambda result: result.outlay):
        failed = sum(outcome.fails for outcome in result.shocks)
        before, said = said, f"fails in {failed}" if failed else "survives"
        if said != before:
            place = (result.outlay, result.survival_gap)
            panel.annotate(said, place, (6, 9), textcoords="offset points", ha="left", fontsize=7)


def _beyond(result: Result) -> float:
    return result.price_of_survival or 0.0


def _drawn_line(
    panel: "Axes", results: Sequence[Result], own: Result, figure: Callable[[Result], float], marker: str, colour: str
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


def baseline_words(found: Frontier, money: str) -> str:
    """The sentence that names the no-shock plan from which costs are counted; empty if that is not known."""
    budget, cost = found.baseline["budget"], found.baseline["total_cost"]
    if cost is None:
        return ""
    plan = f"the no-shock plan {under_budget(budget, money)}, which costs {si(cost, money, 4)}"
    return f"Costs count from one baseline for all budgets: {plan}."


def proven_words(found: Frontier, money: str) -> str:
    """The sentence that says how exactly costs of other budgets are proven; empty if there are none."""
    proven = tolerance_words(found, money)
    return f"Plans of other budgets are proven: costs to {proven}." if proven and len(found.points) > 1 else ""


def tolerance_words(found: Frontier, money: str) -> str:
    """How exactly costs of other budgets are proven, in money; empty if that is not known."""
    return "" if found.measure is None else in_tolerance([found.measure], money)
