"""What each budget buys: the best plan of some budgets, from nothing to more than it takes.

least outlay   U      money   the least that keeps every floor in every shock
budgets               money   0, a quarter, half, three quarters, all of U; that of the plan at hand; any

Each is solved from what the ones before it taught, proven to the gap of the settings, and audited. A plan that a
smaller budget can pay a larger one can pay as well: so along the frontier neither the gap nor, where nothing fails, the
cost rises. The price of every plan counts from one baseline, the no-shock plan of the plan at hand: under another
budget the no-shock plan may cost something else.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optimizer.algorithms.question import Question, outlay
from optimizer.instance.edits import with_budget
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, Progress, ignore
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies.measure import MEASURE_SHARE, Measure, before_measure
from optimizer.studies.solve import solve, tight_shocks
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import ROUNDING, SAME_VALUE, least_whole

# Parts of the least outlay that are asked about; the last is all of it.
BUDGET_PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)
# Budgets nearer to each other than this, relative to the larger, are one.
SAME_BUDGET = 0.02


@dataclass(frozen=True)
class FrontierPoint:
    """A budget, None for any, and the best plan that is known for it."""

    budget: float | None
    result: Result


@dataclass(frozen=True)
class Frontier:
    """The best plans by budget.

    Attributes:
        points: by budget, the smallest first, any budget last. The `no_shock` plan of each, and all that counts from it
            (`price_of_survival, calm_cost, calm_builds`), is that of the plan at hand.
        own: the place of the plan at hand.
        least_outlay, least_bound: the least outlay that keeps every floor, as found, and its proven lower bound; None
            where no plan keeps them or it was not asked.
        gap: to which the costs of the other points are proven, a share of the measure.
        measure: what costs are measured by; None where no other point was asked about.
        stopped: whether Ctrl-C ended it before every budget was asked about.
    """

    points: tuple[FrontierPoint, ...]
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
    return Frontier((FrontierPoint(instance.policy.budget, result),), 0)


@dataclass
class KnownPlans:
    """The plans that are known of an instance, each the best for its budget.

    What one pays a larger budget pays as well: so a plan that is the best for a larger budget is the best for every
    budget that pays it, and where floors are kept under a budget, shocks that bite under a larger one bite first.
    """

    points: list[FrontierPoint] = field(default_factory=list)

    def add(self, budget: float | None, result: Result) -> None:
        """One more."""
        self.points.append(FrontierPoint(budget, result))

    def settled(self, budget: float | None) -> Result | None:
        """The best plan of a larger budget, or of the same, where this one pays it as well."""
        larger = [each.result for each in self.points if _amount(each.budget) >= _amount(budget)]
        proven = [each for each in larger if each.status != "stopped" and fits(each, budget)]
        return _best(proven)

    def start(self, budget: float | None) -> tuple[frozenset[str], Plan | None]:
        """Where the search for another budget begins: the shocks that are likely to bite, and a plan that it pays."""
        paid = [each.result for each in self.points if fits(each.result, budget)]
        larger = [each for each in self.points if _amount(each.budget) >= _amount(budget)] or self.points
        nearest = min(larger, key=lambda each: abs(_amount(each.budget, 1e300) - _amount(budget, 1e300)), default=None)
        first = tight_shocks(nearest.result) if nearest else frozenset()
        best = _best(paid)
        return first, best.plan if best else None

    def best(self, budget: float | None, own: Result) -> Result:
        """The best of all plans that a budget pays; its own where that is as good."""
        paid = [each.result for each in self.points if fits(each.result, budget)]
        best = _best([own, *paid])
        assert best is not None
        return best


def _amount(budget: float | None, any_budget: float = math.inf) -> float:
    return any_budget if budget is None else budget


def _best(results: Iterable[Result]) -> Result | None:
    """The first of those that none is better than."""
    best: Result | None = None
    for result in results:
        best = result if best is None or is_better(result, best) else best
    return best


def fits(result: Result, budget: float | None) -> bool:
    """Whether a budget pays a plan."""
    return budget is None or result.outlay <= budget * (1.0 + ROUNDING)


@dataclass
class _Search:
    """A frontier while it is found."""

    instance: Instance
    own: Result
    settings: Settings
    listener: Listener
    clock: Clock = field(default_factory=Clock)
    known: KnownPlans = field(default_factory=KnownPlans)

    def solved(self, asker: WhatIfSolver, budget: float | None) -> Result | None:
        """The best plan of a budget; None where there is none or nobody waited for it."""
        settled = self.known.settled(budget)
        if settled is not None:
            return settled
        variant, (first, plan) = with_budget(self.instance, budget), self.known.start(budget)
        result = solve(
            variant,
            settings=self.settings,
            listener=self.listener,
            evaluator=asker.evaluator(variant),
            first=first,
            plan=plan,
            clock=self.clock,
        )
        if result.baseline is None:
            return None
        self.known.add(budget, result)
        return result


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
        listener: hears of each budget before it is searched for, and of the rounds of each search.

    Raises:
        AuditError: a plan and its figures disagree.
        SolverError: the solver failed.
    """
    settings = settings or Settings(gap=MEASURE_SHARE)
    measure = Measure.of(result.total_cost, result.calm_cost, settings.gap, result.survival_gap)
    near = measure.settings(settings)
    search = _Search(instance, result, near, listener, Clock(settings.time_limit))
    search.known.add(instance.policy.budget, result)
    least: tuple[float, float] | None = None
    with WhatIfSolver(instance, before_measure(settings), search.clock) as asker:
        if budgets is None:
            listener(Progress(task="the least outlay that survives"))
            least = _least_outlay(search, asker)
            budgets = budgets_up_to(least[0], instance.policy.budget) if least else None
        found = _points(search, asker, budgets)
    stopped = search.clock.interrupted
    points = _on_one_baseline([FrontierPoint(at, search.known.best(at, each)) for at, each in found], result)
    own = next(i for i, (budget, _) in enumerate(found) if budget == instance.policy.budget)
    first, bound = least or (None, None)
    return Frontier(tuple(points), own, first, bound, settings.gap, stopped, measure)


def _on_one_baseline(points: Sequence[FrontierPoint], own: Result) -> list[FrontierPoint]:
    """The same points, whose costs count from the no-shock plan of the plan at hand; equal results stay one object."""
    rebased = {id(own): own}
    for point in points:
        if id(point.result) not in rebased:
            rebased[id(point.result)] = _counted_from(own, point.result)
    return [FrontierPoint(point.budget, rebased[id(point.result)]) for point in points]


def _counted_from(own: Result, result: Result) -> Result:
    price = None if own.calm_cost is None or result.baseline is None else result.total_cost - own.calm_cost
    return replace(
        result,
        price_of_survival=price,
        calm_cost=own.calm_cost,
        calm_builds=own.calm_builds,
        no_shock=own.no_shock,
    )


def budgets_up_to(least: float, own: float | None) -> list[float]:
    """Budgets from nothing to the least outlay, in round numbers; those like the plan's own are left to it."""
    top = rounded_up(least)
    return [
        part * top
        for part in dict.fromkeys(BUDGET_PARTS if top > 0 else BUDGET_PARTS[:1])
        if own is None or abs(part * top - own) > SAME_BUDGET * max(part * top, own)
    ]


def rounded_up(amount: float) -> float:
    """The next number of three digits, so that a plan of this outlay is sure to fit."""
    if amount <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(amount)) - 2)
    return least_whole(amount / unit, SAME_VALUE) * unit


def _least_outlay(search: _Search, asker: WhatIfSolver) -> tuple[float, float] | None:
    """The least outlay that keeps every floor, and its bound; None where there is none or it was not found."""
    if search.own.survives:
        asker.learn(search.own.plan, tight_shocks(search.own))
    question = Question(objective=outlay, name="outlay")
    with interruptible(search.clock, search.listener):
        found = asker.ask(with_budget(search.instance, None), question)
    return None if found.plan is None or found.status != "optimal" else (max(0.0, found.value), max(0.0, found.bound))


def _points(search: _Search, asker: WhatIfSolver, budgets: Sequence[float] | None) -> list[tuple[float | None, Result]]:
    """What was found for each budget, the smallest first; the plan at hand among them."""
    own, best = search.instance.policy.budget, None
    found = [(own, search.own)]
    any_budget = [] if own is None else [None]
    if budgets is None and own is not None:
        # Floors fail whatever is spent: the parts are those of the plan that fails least.
        search.listener(Progress(task="any budget", total=1))
        best = search.solved(asker, None)
        found += [] if best is None else [(None, best)]
        any_budget = []
    if budgets is None:
        budgets = budgets_up_to((search.own if best is None else best).outlay, own)
    # The largest first: what it buys may be all that the next one buys.
    asked = [*any_budget, *sorted((budget for budget in set(budgets) if budget != own), reverse=True)]
    for i, budget in enumerate(asked):
        if search.clock.interrupted:
            break
        search.clock = Clock(search.settings.time_limit)
        search.listener(Progress(task=_in_words(search.instance, budget), done=i, total=len(asked)))
        result = search.solved(asker, budget)
        found += [] if result is None else [(budget, result)]
    return sorted(found, key=lambda point: math.inf if point[0] is None else point[0])


def _in_words(instance: Instance, budget: float | None) -> str:
    from optimizer.units import si

    return "any budget" if budget is None else f"a budget of {si(budget, instance.money)}"


def is_better(one: Result, other: Result) -> bool:
    """Whether a plan leaves a smaller gap, or as small a one at a lower cost."""
    slack = SAME_VALUE * max(one.survival_gap, other.survival_gap)
    if abs(one.survival_gap - other.survival_gap) > slack:
        return one.survival_gap < other.survival_gap
    return one.total_cost < other.total_cost * (1.0 - SAME_VALUE if other.total_cost > 0 else 1.0 + SAME_VALUE)
