"""What a plan that is already made can do in each shock: least gap, then least operating and shortage cost."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from optimizer.expression import Expression
from optimizer.formulation import Offers, gap, recourse_stage
from optimizer.instance.schema import Instance
from optimizer.plan import Flows
from optimizer.shocks import Shock
from optimizer.solver import Clock, Model, Settings
from optimizer.stage import Stage
from optimizer.strategies.reading import read_flows

SLACK = 1e-9


@dataclass(frozen=True)
class Recourse:
    """One shock under a plan: the gap, in money, and the flows that leave it."""

    gap: float
    flows: Flows


@dataclass(frozen=True)
class Ration:
    """The column whose bound holds the gap (none where there are no floors), and the money one unit stands for."""

    columns: tuple[int, ...]
    unit: float


def respond(
    instance: Instance, shocks: Iterable[Shock], offers: Offers, clock: Clock, granted: Mapping[str, float]
) -> dict[str, Recourse]:
    """The best that a plan can do in each shock.

    Args:
        instance: the instance.
        shocks: the shocks to answer.
        offers: the plan, as `offers_of` gives it.
        clock: where the solver's seconds are counted; it is never stopped by it.
        granted: by shock, a gap that is known to be attainable; 0 saves the search for the least.

    Returns:
        By shock, its gap and its flows.
    """
    return {shock.name: _respond(instance, shock, offers, clock, granted.get(shock.name)) for shock in shocks}


def _respond(instance: Instance, shock: Shock, offers: Offers, clock: Clock, granted: float | None) -> Recourse:
    stage = recourse_stage(instance, [shock], offers)
    below = [j for j, column in enumerate(stage.columns) if column.mark.what == "below"]
    shortfall, operating = gap(stage, instance), _operating(stage)
    ration = hold(stage, shortfall)
    model = Model(stage, operating, Settings(), Clock())
    if granted == 0.0 or not below:
        model.bound([*below, *ration.columns], 0.0, 0.0)
        answer = model.solve()
        if answer.values is not None:
            clock.solving += model.clock.solving
            return Recourse(0.0, read_flows(instance, stage.found(), answer.values.tolist(), instance.path(shock)))
    model.bound([*below, *ration.columns], 0.0, float("inf"))
    model.minimise(shortfall)
    least = model.solve()
    assert least.values is not None, "without floors every shock can be answered"
    values, found = least.values, max(least.objective, granted or 0.0)
    for slack in (SLACK, 100 * SLACK):
        model.bound(ration.columns, 0.0, found / ration.unit * (1.0 + slack))
        model.minimise(operating)
        cheapest = model.solve()
        if cheapest.values is not None:
            values = cheapest.values
            break
    clock.solving += model.clock.solving
    left = max(0.0, shortfall.value(values.tolist()))
    return Recourse(left, read_flows(instance, stage.found(), values.tolist(), instance.path(shock)))


def _operating(stage: Stage) -> Expression:
    result = Expression()
    for (_, t), amount in stage.accounts("operating").items():
        result.add(amount, stage.discount(int(t)))
    return result


def hold(stage: Stage, shortfall: Expression) -> "Ration":
    """Write ``gap ≤ allowed``, in tonnes of middle shortage cost so that the row is scaled like the others."""
    costs = sorted(value for value in shortfall.terms.values() if value > 0)
    if not costs:
        return Ration((), 1.0)
    unit = costs[len(costs) // 2]
    allowed = stage.variable("survival", "allowed", 0)
    stage.require("survival", "hold", None, (1.0 / unit) * shortfall, "<=", allowed)
    return Ration(tuple(allowed.terms), unit)
