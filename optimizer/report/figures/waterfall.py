"""The cost waterfall: from the no-shock plan's cost to the plan's, or every part of the cost from nothing.

parts      present value, money, by part; they add to the total cost
beyond     present value, money: by part, the plan's cost less the no-shock plan's; they add to the price of survival
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import BLUE, GREEN, ORANGE, QUIET, Canvas, add_footer, in_money, new_canvas
from optimizer.results.result import Result
from optimizer.tolerances import ROUNDING
from optimizer.units import si

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What is spent on a plan; all other parts are operation.
BOUGHT = ("capex", "fixed cost", "fixed opex", "stock purchases", "stock holding", "stock salvage")


@dataclass(frozen=True)
class CostStep:
    """One bar: money, present value, from `start` to `start + amount`."""

    part: str
    start: float
    amount: float


def cost_steps(result: Result) -> tuple[CostStep, ...]:
    """Every part of the cost; the last step is the total."""
    # Operation first, for it is the largest: what is bought is seen beside it.
    ordered = sorted(result.costs.items(), key=lambda item: item[0] in BOUGHT)
    return _stacked(ordered, result.total_cost, "total cost")


def beyond(result: Result) -> tuple[CostStep, ...]:
    """What the plan costs beyond the no-shock plan, by part; the last step is the sum.

    Empty where the no-shock plan's cost by part is not known, see `note`; the sum alone where no part differs.
    """
    without = {} if result.no_shock is None else result.no_shock.costs
    if not without or not result.costs:
        return ()
    known = dict.fromkeys([*result.costs, *without])
    more = [(part, result.costs.get(part, 0.0) - without.get(part, 0.0)) for part in known]
    steps = _stacked(more, result.total_cost, "price of survival" if result.survives else "price of the plan")
    return steps if len(steps) > 1 or result.shocks else ()


def note(result: Result) -> str:
    """Why there are no bars beyond the no-shock plan; empty where there are, or where there can be none."""
    if result.baseline is None or not result.shocks or len(beyond(result)) > 1:
        return ""
    if result.calm_cost is None:
        return "The cost without shocks is not known: the search ended before it was found."
    if result.no_shock is None or not result.no_shock.costs:
        return "The plan file does not hold the no-shock plan's cost by part: solve the instance again to compare them."
    return "Without shocks the same instance costs the same in every part."


def _stacked(costs: Iterable[tuple[str, float]], total: float, last: str) -> tuple[CostStep, ...]:
    """One step for each part that is not negligible beside the total cost, then their sum."""
    made, level = list[CostStep](), 0.0
    for part, amount in costs:
        if abs(amount) > ROUNDING * abs(total):
            made.append(CostStep(part, level, amount))
            level += amount
    return (*made, CostStep(last, 0.0, level))


def waterfall(instance: Instance, result: Result) -> Canvas:
    """What the plan costs beyond the no-shock plan, or where that is not known, all of its cost."""
    more = beyond(result)
    is_beyond = len(more) > 1
    steps = more if is_beyond else cost_steps(result)
    shown = "what the plan costs beyond the no-shock plan" if is_beyond else "what the money goes into"
    canvas = new_canvas(f"{instance.title}: {shown}", 0.9 + 0.36 * max(3, len(steps)))
    (panel,) = canvas.panels
    for row, step in enumerate(steps):
        _draw_step(panel, row, step, result.money, is_last=row == len(steps) - 1)
    panel.set_yticks(range(len(steps)), [step.part for step in steps])
    panel.set_ylim(len(steps) - 0.5, -0.5)
    panel.margins(x=0.16)
    panel.axvline(0, color=QUIET, linewidth=0.8)
    in_money(panel.xaxis)
    panel.grid(axis="x")
    what = "Cost by part, less that of the same instance without shocks" if is_beyond else "Every part of the cost"
    less = " Hatched: less than that." if is_beyond else " Hatched: comes back."
    hatched = less if any(step.amount < 0 for step in steps) else ""
    add_footer(canvas, f"{what}; present value, {result.currency}.{hatched} {note(result)}".rstrip())
    return canvas


def _draw_step(panel: "Axes", row: int, step: CostStep, money: str, *, is_last: bool) -> None:
    """One bar, its amount, and unless it is the last a line to the next."""
    colour = BLUE if is_last else GREEN if step.amount < 0 else ORANGE
    hatch = "////" if step.amount < 0 else ""
    panel.barh(row, step.amount, left=step.start, color=colour, height=0.62, hatch=hatch)
    level = step.start + step.amount
    weight = "bold" if is_last else "normal"
    panel.text(max(step.start, level), row, f" {si(step.amount, money, 4)}", va="center", fontweight=weight)
    if not is_last:
        panel.plot([level, level], [row + 0.31, row + 0.69], color=QUIET, linewidth=0.7)
