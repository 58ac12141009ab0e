"""What each budget buys: the survival gap and the cost of plans by outlay, of a report or of a comparison."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optimizer.instance.derived import but_samples
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import BLUE, GREEN, INK, VERMILION, Canvas, add_footer, in_money, new_canvas
from optimizer.report.narrative import in_tolerance, under_budget
from optimizer.results.result import Result
from optimizer.studies.comparison import Frontier
from optimizer.units import si, si_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_frontier(instance: Instance, own: Result, found: Frontier) -> Canvas:
    """Gap and cost by outlay, of the plans of a report; a circle around the plan at hand."""
    results = [point.result for point in found.points if point.result.baseline is not None]
    words = baseline_words(found, own.money)
    notes = ["Circle: the plan at hand."]
    if found.least_outlay is not None:
        kept = f"keeps every floor{but_samples(instance)}"
        notes.insert(0, f"The least outlay that {kept} is {si_up(found.least_outlay, own.money, 5)}.")
    ends = [proven_words(found, own.money), words]
    ends += ["The search was stopped: more budgets were to come."] if found.stopped else []
    return draw_results(instance, results, own, notes, ends, is_beyond=bool(words))


def draw_results(
    instance: Instance,
    results: Sequence[Result],
    own: Result | None,
    notes: Sequence[str],
    ends: Sequence[str] = (),
    *,
    is_beyond: bool = False,
) -> Canvas:
    """The survival gap and the cost of plans by outlay; the cost beyond the no-shock plan where that is known."""
    money, currency, outlays = results[0].money, results[0].currency, [result.outlay for result in results]
    canvas = new_canvas(f"{instance.title}: what each budget buys", 4.2, (1.0, 1.0), share=True)
    gap, cost = canvas.panels
    _draw_gaps(gap, results, own)
    many = ",\nsum over all shocks" if len(instance.events) > 1 else ""
    gap.set_ylabel(f"survival gap{many}, {money}")
    name = "price_of_survival" if is_beyond else "total_cost"
    _drawn_line(cost, results, own, name, "o", BLUE)
    cost.set_ylabel(f"cost beyond\nthe no-shock plan, {money}" if is_beyond else f"total cost, {money}")
    cost.set_xlabel(f"outlay, {currency}, undiscounted")
    in_money(cost.xaxis)
    cost.set_xlim(left=0, right=None if max(outlays) > 0 else 1.0)
    kept = [f"Green diamond: every floor holds{but_samples(instance)}."] if any(r.survives for r in results) else []
    said = [*notes, *kept, f"Survival gap at shortage cost; cost present value, {currency}.", *ends]
    add_footer(canvas, " ".join(note for note in said if note))
    return canvas


def _draw_gaps(panel: "Axes", results: Sequence[Result], own: Result | None) -> None:
    """The gaps of all plans by outlay; plans that survive have a mark of their own, and the first of each a word."""
    _drawn_line(panel, results, own, "survival_gap", "s", VERMILION)
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


def _drawn_line(
    panel: "Axes", results: Sequence[Result], own: Result | None, name: str, marker: str, colour: str
) -> None:
    """One figure of all plans by outlay, with a circle around the plan at hand, if there is one."""
    outlays, amounts = [each.outlay for each in results], [getattr(each, name) or 0.0 for each in results]
    panel.plot(outlays, amounts, color=colour, marker=marker, linewidth=1.6, clip_on=False)
    if own is not None:
        look: dict[str, Any] = {"markersize": 12, "markerfacecolor": "none", "markeredgecolor": INK, "clip_on": False}
        panel.plot([own.outlay], [getattr(own, name) or 0.0], "o", **look)
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
    return "" if found.tolerance_base is None else in_tolerance([found.tolerance_base], money)
