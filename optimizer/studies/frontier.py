"""What each budget buys: the best plan of some budgets beside the plan at hand, for the report.

least outlay   U      money   the least that keeps every floor in every shock
budgets               money   0, a quarter, half, three quarters, all of U; that of the plan at hand; any

Each is solved from what the ones before it taught (`budget_sweep`), proven to the gap of the settings, and audited. So
along the frontier neither the gap nor, where nothing fails, the cost rises. The price of every plan counts from one
baseline, the no-shock plan of the plan at hand: under another budget the no-shock plan may cost something else.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from optimizer.instance.schema import Instance
from optimizer.progress import Listener, ignore
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies.budget_sweep import BudgetPoint, BudgetSweep, CaseLeastOutlay, budgets_up_to
from optimizer.studies.measure import MEASURE_SHARE, Measure, before_measure

# The name of the only case of the sweep.
CASE = ""


@dataclass(frozen=True)
class Frontier:
    """The best plans by budget.

    Attributes:
        points: by budget, the smallest first, any budget last. The `no_shock` plan of each, and all that counts from it
            (`price_of_survival, calm_cost, calm_builds`), is that of the plan at hand.
        own: the place of the plan at hand.
        least_outlay, least_bound: the least outlay that keeps every floor, as found, and its proven lower bound; None
            where no plan keeps them or it was not searched for.
        gap: to which the costs of the other points are proven, a share of the measure.
        measure: what costs are measured by; None where no other point was searched for.
        stopped: whether Ctrl-C ended it before every budget was searched for.
    """

    points: tuple[BudgetPoint, ...]
    own: int
    least_outlay: float | None = None
    least_bound: float | None = None
    gap: float = MEASURE_SHARE
    stopped: bool = False
    measure: Measure | None = None

    @property
    def baseline(self) -> dict[str, float | None]:
        """From what every price counts: the no-shock plan of the plan at hand, by its budget and its cost."""
        own = self.points[self.own]
        return {"budget": own.budget, "total_cost": own.result.calm_cost}

    def to_dict(self) -> dict[str, Any]:
        """For JSON: every point is its budget, and its result as `solve --json` prints it but for the baseline."""
        points = [{"budget": point.budget, **point.result.to_dict(whole=False)} for point in self.points]
        least = {"least_outlay": self.least_outlay, "least_outlay_bound": self.least_bound, "baseline": self.baseline}
        measure = None if self.measure is None else self.measure.to_dict()
        proven = {"gap": self.gap, "measure": measure, "stopped": self.stopped}
        return {"own": self.own, **least, **proven, "points": points}


def single_point(instance: Instance, result: Result) -> Frontier:
    """A frontier of the plan at hand only."""
    return Frontier((BudgetPoint(instance.policy.budget, result),), 0)


def frontier(
    instance: Instance,
    result: Result,
    budgets: Sequence[float] | None = None,
    settings: Settings | None = None,
    listener: Listener = ignore,
) -> Frontier:
    """Find the best plans for some budgets.

    Args:
        instance: the instance.
        result: the plan at hand, of the instance's own budget; it is not solved again.
        budgets: money, undiscounted; chosen from the least outlay that survives where they are left out.
        settings: `gap` is the share of the price of survival to which the costs of the other plans are proven (2 %
            where left out), and a limit in seconds for each.
        listener: receives each plan that was found, and the rounds of each search.

    Raises:
        AuditError: a plan and its figures disagree.
        SolverError: the solver failed.
    """
    settings, clock = settings or Settings(gap=MEASURE_SHARE), Clock()
    measure = Measure.of_result(result, result.calm_cost, settings.gap)
    least: CaseLeastOutlay | None = None
    sweep = BudgetSweep({CASE: instance}, settings, clock, listener)
    with interruptible(clock, listener), sweep:
        sweep.adopt(CASE, instance.policy.budget, result, measure)
        if budgets is None:
            least = _least_outlay(sweep)
            budgets = budgets_up_to(_affordable(sweep, least), instance.policy.budget)
        found = _points(sweep, budgets)
    points = _on_one_baseline(found, result)
    own = [point.budget for point in points].index(instance.policy.budget)
    outlay, bound = (None, None) if least is None else (least.outlay, least.bound)
    return Frontier(tuple(points), own, outlay, bound, settings.gap, clock.interrupted, measure)


def _points(sweep: BudgetSweep, budgets: Sequence[float]) -> list[tuple[float | None, Result]]:
    """The best plan of each budget, the smallest first, with the plan at hand and that of any budget."""
    own = sweep.cases[CASE].policy.budget
    # The largest first: what it buys may be all that the next one buys.
    missing = [*([] if own is None else [None]), *sorted(set(budgets) - {own}, reverse=True)]
    for some in (missing[:1], missing[1:]):
        if not sweep.clock.interrupted:
            sweep.best([(CASE, budget) for budget in some])
    found = [own, *(budget for budget in reversed(missing) if sweep.is_planned(CASE, budget))]
    found.sort(key=lambda budget: math.inf if budget is None else budget)
    return [(budget, sweep.result(CASE, budget)) for budget in found]


def _least_outlay(sweep: BudgetSweep) -> CaseLeastOutlay | None:
    """The least outlay that survives, where it is proven."""
    found = sweep.least_outlays(before_measure(sweep.settings).gap)
    return found[0] if found and found[0].status == "optimal" else None


def _affordable(sweep: BudgetSweep, least: CaseLeastOutlay | None) -> float:
    """The least outlay; where floors fail whatever is spent, that of the plan that fails least."""
    if least is not None and least.outlay is not None:
        return least.outlay
    sweep.best([(CASE, None)])
    own = sweep.cases[CASE].policy.budget
    return sweep.result(CASE, None if sweep.is_planned(CASE, None) else own).outlay


def _on_one_baseline(found: Sequence[tuple[float | None, Result]], own: Result) -> list[BudgetPoint]:
    """Points whose costs count from the no-shock plan of the plan at hand; equal results stay one object."""
    rebased = {id(own): own}
    for _, result in found:
        if id(result) not in rebased:
            rebased[id(result)] = _counted_from(own, result)
    return [BudgetPoint(budget, rebased[id(result)]) for budget, result in found]


def _counted_from(own: Result, result: Result) -> Result:
    price = None if own.calm_cost is None or result.baseline is None else result.total_cost - own.calm_cost
    return replace(
        result,
        price_of_survival=price,
        calm_cost=own.calm_cost,
        calm_builds=own.calm_builds,
        no_shock=own.no_shock,
    )
