"""The cost waterfall: from what peace costs to what the plan costs, or every part of the cost from nothing.

parts      present value, money; they add to the total cost
beyond     what is bought, and operation less all that the same instance costs without shocks;
           the steps add to the price of survival
"""

from dataclasses import dataclass

from optimizer.result import Result

# What is spent on a plan; all other parts are operation.
BOUGHT = ("capex", "fixed cost", "fixed opex", "stock purchases", "stock holding", "stock salvage")
# Parts below this share of the total are left out of the picture.
DUST = 1e-9


@dataclass(frozen=True)
class Step:
    """One bar: money, present value, from `start` to `start + amount`."""

    part: str
    start: float
    amount: float


def parts(result: Result) -> tuple[Step, ...]:
    """Every part of the cost; the last step is the total."""
    shown = [(part, cost) for part, cost in result.costs.items() if abs(cost) > DUST * abs(result.total_cost)]
    # The largest first: what follows is seen beside it.
    ordered = sorted(shown, key=lambda item: item[0] in BOUGHT)
    return _stacked(ordered, "total cost")


def beyond(result: Result) -> tuple[Step, ...]:
    """What the plan costs beyond peace; empty where that is not known. The last step is the sum."""
    if result.calm_cost is None:
        return ()
    bought = [(part, result.costs[part]) for part in BOUGHT if part in result.costs]
    operation = sum(cost for part, cost in result.costs.items() if part not in BOUGHT) - result.calm_cost
    steps = [*bought, ("operation, beyond the cost without shocks", operation)]
    shown = [(part, cost) for part, cost in steps if abs(cost) > DUST * abs(result.total_cost)]
    return _stacked(shown, "price of survival" if result.survives else "price of the plan")


def _stacked(steps: list[tuple[str, float]], last: str) -> tuple[Step, ...]:
    made, level = list[Step](), 0.0
    for part, amount in steps:
        made.append(Step(part, level, amount))
        level += amount
    return (*made, Step(last, 0.0, level))
