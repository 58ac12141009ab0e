"""Plans nearly as good: what of the cheapest plan every good plan has, and good plans that have little in common.

    ranges     the least and the greatest size of each option over all plans within the tolerance    (ranges)
    plans      some that are as different from each other as can be found

The distance of two plans is Σ_o |N[o] − N'[o]| / greatest[o]: an option that one of them does not buy and the other
buys as much of as any counts as one. Plans are taken from all those that the search for the ranges met, which are
extreme in one option each: the cheapest, then again and again the one whose nearest neighbour among those taken is
farthest away (Gonzalez: Clustering to minimize the maximum intercluster distance, Theoretical Computer Science 38,
1985). Before it is taken, a candidate is moved away from its nearest neighbour as long as that takes it farther from
all: the distance is convex in the sizes, so the sum of the sizes, each with the sign of its difference, never promises
too much. First with the integers free, once, to the options that none of those taken has (Brill, Chang, Hopkins:
Modeling to generate alternatives, Management Science 28, 1982), then with the candidate's integers. That none is
farther away is not proven.

Each plan that is handed back is made as cheap as its sizes allow, put to every shock and audited, like the cheapest.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from optimizer.algorithms.near_optimal import NearOptimalPlan, NearOptimalSearch
from optimizer.algorithms.problem import SearchResult
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression
from optimizer.results.result import Result
from optimizer.solver import Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.measure import MEASURE_SHARE, CostTolerance, before_measure
from optimizer.studies.ranges import (
    RANGE_SECONDS,
    SIZE_GAP,
    Alternative,
    Alternatives,
    AlternativesStatus,
    RangeSearch,
    SizeRange,
)
from optimizer.studies.solve import Timer, conclude, measured_plan
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import HELD_NEAR_OPTIMAL, PLAN_GAP, ROUNDING
from optimizer.units import MoneyLike

# A tenth of the price of survival: what differs by less is a matter of taste as long as prices are guesses.
DEFAULT_TOLERANCE = 0.1
# The least cost is proven to this part of the tolerance at least.
COST_PART = 0.25
# A plan nearer to another than this is the same plan.
SAME_PLAN = 0.05
# A plan is moved so often at most.
MOST_MOVES = 5


def alternatives(
    instance: Instance,
    within: float | str = DEFAULT_TOLERANCE,
    plans: int = 3,
    *,
    budget: MoneyLike | None = None,
    settings: Settings | None = None,
    patience: float = RANGE_SECONDS,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
    known: Result | None = None,
) -> Alternatives:
    """Find what plans within a tolerance of the cheapest have in common, and some that are as different as can be.

    Where the floors cannot all be kept, they are plans that leave the least gap, at a cost within the tolerance; where
    gaps have a price, plans whose cost with the price of their gaps is within it.

    Args:
        instance: the instance.
        within: how much dearer than the cheapest a plan may be: a share of the price of survival, such as 0.1 or
            ``10%``, or money, such as ``20M``.
        plans: how many alternatives to find.
        budget, scenario: as for `solve`.
        settings: `mip_gap` is the share of the price of survival to which the least cost is proven (2 % where left out,
            and a quarter of the tolerance at most), and a limit in seconds for all of it.
        patience: seconds for one end of one option's range, and for a plan of other options; where they do not do,
            the end is shown with its bound, and the plan is the best by then.
        listener: receives the rounds of the search for the cheapest, then each end and plan that is searched for.
        known: its best plan, where that was solved for before.

    Returns:
        Ranges and plans; with ``stopped`` those that were known when the time ran out.

    Raises:
        AuditError: a plan and its figures disagree.
        SolverError: the solver failed.
        ValueError: `within` is neither a share nor money, a budget is no amount of money, or a scenario is not there.

    Example:
        >>> import optimizer as so
        >>> found = so.alternatives(so.load("instances/tiny.yaml"), within=0.1, plans=1)
        >>> [(each.option, each.verdict, round(each.least.size), round(each.greatest.size)) for each in found.ranges]
        [('plant', 'must-have', 20, 40), ('reserve', 'must-have', 60, 100)]
    """
    settings, allowed = (settings or Settings()).with_default_gap(MEASURE_SHARE), CostTolerance.parse(within)
    instance = apply_arguments(instance, budget=budget, scenario=scenario).instance
    clock = settings.clock()
    with WhatIfSolver(instance, settings, clock, listener) as solver:
        # The least cost has to be known more closely than the tolerance of plans near to it.
        first, near_cost = before_measure(settings), lambda measure: COST_PART * allowed.money(measure)
        cheapest, measure = measured_plan(solver, instance, settings, first, near=near_cost, known=known)
        if measure is None or cheapest.status == "stopped":
            status: AlternativesStatus = "none" if cheapest.status == "none" else "stopped"
            most = cheapest.priced_cost + (0.0 if measure is None else allowed.money(measure))
            share, seconds = allowed.of(measure), time.perf_counter() - clock.started
            return Alternatives(status, share, most, settings.mip_gap, cheapest, seconds=seconds, measure=measure)
        near = replace(settings, mip_gap=min(settings.mip_gap, SIZE_GAP))
        with interruptible(clock, listener):
            more = allowed.money(measure)
            found = _around(instance, cheapest, more, plans, near, patience, solver)
        share, accuracy = allowed.of(measure), settings.mip_gap
        return replace(found, within=share, accuracy=accuracy, measure=measure, sizes=near.mip_gap)


def _around(
    instance: Instance,
    cheapest: Result,
    more: float,
    plans: int,
    settings: Settings,
    patience: float,
    solver: WhatIfSolver,
) -> Alternatives:
    most, has_price = cheapest.priced_cost + more, instance.policy.gap_price is not None
    clock, evaluator, listener = solver.clock, solver.evaluator(instance), solver.listener
    near = _near_search(instance, cheapest, most, settings, solver)
    near.taken(cheapest.plan, cheapest.priced_cost)
    of_all = RangeSearch(near, settings.mip_gap)
    of_all.settle(patience, listener)
    chosen = [] if clock.is_over else _Apart(near, of_all.known(), patience).choose_plans(plans, listener)
    # What the search for plans that differ met on its way counts too.
    found = of_all.known()
    apart, before = _Apart(near, found), [near.found[0], *chosen]
    results = []
    for k, known in enumerate(chosen, start=1):
        solved = near.solved(known)
        if solved is not None:
            timer = Timer(began=time.perf_counter())
            bounded = _tighten_bound(solved, cheapest)
            result = conclude(instance, settings, clock, timer, bounded, evaluator, no_shock=cheapest.no_shock)
            distance = apart.nearest(known, before[:k])[0]
            status_of = result.status if has_price else cheapest.status
            results.append(Alternative(replace(result, status=status_of), distance))
    status: AlternativesStatus = "proven" if all(each.proven for each in found) else "bounded"
    status, made, seconds = "stopped" if clock.is_over else status, tuple(results), time.perf_counter() - clock.started
    return Alternatives(status, more, most, settings.mip_gap, cheapest, found, made, len(near.found), seconds)


def _near_search(
    instance: Instance, cheapest: Result, most: float, settings: Settings, solver: WhatIfSolver
) -> NearOptimalSearch:
    """The plans that cost no more than `most`, in a model of the shocks that shape the cheapest."""
    has_gap = cheapest.status == "gap" and instance.policy.gap_price is None
    gap, shocks = cheapest.survival_gap if has_gap else 0.0, frozenset[str]()
    if cheapest.survives:
        near_bound = replace(settings, mip_gap=max(settings.mip_gap, PLAN_GAP, cheapest.mip_gap or 0.0))
        shocks = solver.shaping_shocks(cheapest, near_bound)
    return NearOptimalSearch(
        instance,
        settings,
        solver.clock,
        lambda step: None,
        solver.evaluator(instance),
        most + ROUNDING * abs(most),
        gap * (1.0 + HELD_NEAR_OPTIMAL),
        shocks,
    )


def _tighten_bound(solved: SearchResult, cheapest: Result) -> SearchResult:
    """No plan of the instance costs less than what is proven of the cheapest."""
    if cheapest.bound is None:
        return solved
    return replace(solved, bound=min(cheapest.bound, solved.cost), gap_bound=cheapest.gap_bound or 0.0)


class _Apart:
    """Plans that are far from each other."""

    def __init__(self, near: NearOptimalSearch, found: Sequence[SizeRange], patience: float = RANGE_SECONDS) -> None:
        self.near, self.patience = near, patience
        self.greatest = {each.option: each.greatest.size for each in found if each.greatest.size > 0}
        self.negligible = {each.option: each.negligible for each in found}

    def distance(self, one: NearOptimalPlan, other: NearOptimalPlan) -> float:
        """How differently two plans buy: the differences in size, each a share of its option's greatest, summed."""
        apart = ((o, abs(one.sizes[o] - other.sizes[o])) for o in self.greatest)
        return sum(far / self.greatest[o] for o, far in apart if far > self.negligible[o])

    def nearest(self, known: NearOptimalPlan, selected: Sequence[NearOptimalPlan]) -> tuple[float, NearOptimalPlan]:
        """The distance to the nearest of some plans, and which it is."""
        return min(((self.distance(known, other), other) for other in selected), key=lambda pair: pair[0])

    def choose_plans(self, count: int, listener: Listener) -> list[NearOptimalPlan]:
        """Some plans beside the cheapest, each as far from those before it as it was found."""
        selected = [self.near.found[0]]
        for k in range(count):
            listener(Progress(task="plans that differ", done=k, total=count))
            if self.near.clock.is_over:
                break
            with self.near.clock.hurried(self.patience):
                self._unlike(selected)
            known = max(self.near.found, key=lambda each: self.nearest(each, selected)[0])
            known = self._move_apart(known, selected)
            if self.nearest(known, selected)[0] < SAME_PLAN:
                break
            selected.append(known)
        listener(Progress(done=count, total=count))
        return selected[1:]

    def _unlike(self, selected: Sequence[NearOptimalPlan]) -> None:
        """Look for a plan that does with options that none of those taken has, and without those that they have."""
        objective, share = Expression(), 1.0 / len(selected)
        for o, most in self.greatest.items():
            used = sum(known.sizes[o] > self.negligible[o] for known in selected) * share
            objective.add(self.near.size(o, (2.0 * used - 1.0) / most))
        best = self.near.limit(objective)
        # The first that does nine tenths of what the relaxation could do over the cheapest will do.
        now = min(self._value(objective, known) for known in self.near.found)
        if best < now:
            self.near.seek(objective, enough=best + 0.1 * (now - best))

    def _value(self, objective: Expression, known: NearOptimalPlan) -> float:
        return sum(float(objective.terms.get(self.near.columns[o], 0.0)) * size for o, size in known.sizes.items())

    def _move_apart(self, known: NearOptimalPlan, selected: Sequence[NearOptimalPlan]) -> NearOptimalPlan:
        """The plan, moved away from its nearest neighbour as long as that takes it farther from all of them."""
        for _ in range(MOST_MOVES):
            distance, neighbour = self.nearest(known, selected)
            objective = Expression()
            for o, most in self.greatest.items():
                away = known.sizes[o] >= neighbour.sizes[o]
                objective.add(self.near.size(o, (-1.0 if away else 1.0) / most))
            farther = self.near.moved(known, objective)
            if farther is None or self.nearest(farther, selected)[0] <= distance + SAME_PLAN:
                break
            known = farther
        return known
