"""Plans nearly as good: what of the cheapest plan every good plan has, and good plans that have little in common.

    N[o]       size of option o over all years; of a stockpile what it buys, t
    ranges     least min N[o], greatest max N[o], over all plans that keep the floors at a cost within the tolerance
    plans      some that are as different from each other as can be found

Of a range, what is known answers first: a plan without the option settles its least size, a plan with as much of it as
the relaxation allows its greatest. Then cheap questions: the cheapest plan without the option, the cheapest with as
much as can be, each left as soon as it is within the tolerance or proven not to be. Only what lies between is an
integer programme over sizes. Every plan that is met on the way is remembered, for all options (Neumann, Brown: The
near-optimal feasible space of a renewable power system model, Electric Power Systems Research 190, 2021; the ranges,
here with integers, floors in every shock, and a bound where the time runs out).

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

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from optimizer import arguments
from optimizer.algorithms.near_optimal import Among, NearOptimalPlan, NearOptimalSearch
from optimizer.algorithms.problem import SearchResult
from optimizer.instance.derived import display_name
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.schema import Instance
from optimizer.levers.base import Stock
from optimizer.model.expressions import Expression
from optimizer.results.result import Result
from optimizer.solver import Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.alternatives_result import (
    SAME_PLAN,
    SIZE_GAP,
    Alternative,
    Alternatives,
    AlternativesStatus,
    OptionClass,
    RangeEnd,
    SizeRange,
)
from optimizer.studies.measure import TOLERANCE_SHARE, CostTolerance, before_tolerance_base
from optimizer.studies.solve import Timer, conclude, measured_plan
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import HELD_NEAR_OPTIMAL, NEGLIGIBLE, PLAN_GAP, ROUNDING
from optimizer.units import MoneyLike, greatest_whole, least_whole

# A tenth of the price of survival: what differs by less is a matter of taste as long as prices are guesses.
DEFAULT_TOLERANCE = 0.1
# The least cost is proven to this part of the tolerance at least.
COST_PART = 0.25
# A plan is moved so often at most.
MOST_MOVES = 5
# Seconds for one end of a range.
RANGE_SECONDS = 15.0
# Less than this part of what sizes are proven to is nothing: the gap that floors are held to leaves room for as much.
NEGLIGIBLE_PART = 1 / 50


def alternatives(
    instance: Instance,
    within: float | str | CostTolerance = DEFAULT_TOLERANCE,
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
            ``10%``, or money as text with its suffix, such as ``20M``.
        plans: how many alternatives to look for.
        budget, scenario: as for `solve`.
        settings: `accuracy` is the share of the price of survival to which the least cost is proven (2 % where left
            out, and a quarter of the tolerance at most), and a limit in seconds for all of it.
        patience: seconds for one end of one option's range, and for a plan of other options; where they do not do,
            the end is shown with its bound, and the plan is the best by then.
        listener: receives the rounds of the search for the cheapest, then each end and plan that is searched for.
        known: its best plan, where that was solved for before.

    Returns:
        Ranges and plans; with ``stopped`` those that were known when the time ran out.

    Raises:
        AuditError: a plan and its figures disagree.
        InstanceError: a scenario that the instance does not have.
        SolverError: the solver failed.
        ValueError: `within` is neither a share nor money, or a budget is no amount of money.

    Example:
        >>> import optimizer as so
        >>> found = so.alternatives(so.load("instances/tiny.yaml"), within=0.1, plans=1)
        >>> [(each.option, each.verdict, round(each.least.size), round(each.greatest.size)) for each in found.ranges]
        [('plant', 'must-have', 20, 40), ('reserve', 'must-have', 60, 100)]
    """
    plans, patience = arguments.whole_number("plans", plans), arguments.number("patience", patience)
    settings, allowed = Settings.chosen(settings, TOLERANCE_SHARE), CostTolerance.parse(within)
    instance = apply_arguments(instance, budget=budget, scenario=scenario).instance
    clock = settings.clock()
    with WhatIfSolver(instance, settings, clock, listener) as solver:
        # The least cost has to be known more closely than the tolerance of plans near to it.
        first, near_cost = before_tolerance_base(settings), lambda measure: COST_PART * allowed.money(measure)
        cheapest, measure = measured_plan(solver, instance, settings, first, near=near_cost, known=known)
        if measure is None or cheapest.status == "stopped":
            status: AlternativesStatus = "none" if cheapest.status == "none" else "stopped"
            most = cheapest.priced_cost + (0.0 if measure is None else allowed.money(measure))
            share, seconds = allowed.of(measure), time.perf_counter() - clock.started
            accuracy = settings.share_of_price
            return Alternatives(status, share, most, accuracy, cheapest, seconds=seconds, tolerance_base=measure)
        near = replace(settings, mip_gap=min(settings.mip_gap, SIZE_GAP))
        with interruptible(clock, listener):
            more = allowed.money(measure)
            found = _around(instance, cheapest, more, plans, near, patience, solver)
        return replace(found, within=allowed.of(measure), tolerance_base=measure)


def _around(
    instance: Instance,
    cheapest: Result,
    more: float,
    plans: int,
    settings: Settings,
    patience: float,
    solver: WhatIfSolver,
) -> Alternatives:
    """The ranges and the plans; `within` and the measure are for the caller to fill in."""
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
    return Alternatives(
        status,
        within=0.0,
        cost_limit=most,
        accuracy=settings.share_of_price,
        cheapest=cheapest,
        ranges=found,
        plans=made,
        plans_met=len(near.found),
        seconds=seconds,
        size_accuracy=settings.mip_gap,
        plans_sought=plans,
    )


def _near_search(
    instance: Instance, cheapest: Result, most: float, settings: Settings, solver: WhatIfSolver
) -> NearOptimalSearch:
    """The plans that cost no more than `most`, in a model of the shocks that shape the cheapest."""
    has_gap = cheapest.status == "gap" and instance.policy.gap_price is None
    gap, shocks = cheapest.survival_gap if has_gap else 0.0, frozenset[str]()
    if cheapest.survives:
        near_bound = replace(settings, mip_gap=min(1.0, max(settings.mip_gap, PLAN_GAP, cheapest.mip_gap or 0.0)))
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


# How little and how much of each option.


class RangeSearch:
    """The ranges of all options, in the order of the instance.

    Args:
        near: the plans within the tolerance, of which at least the cheapest is known; more will be.
        accuracy: how near an end and its bound have to be, a share of the option's largest size.
    """

    def __init__(self, near: NearOptimalSearch, accuracy: float) -> None:
        self.near = near
        self.searches = {o: _OptionSearch(near, o, accuracy) for o in near.instance.options}

    def settle(self, patience: float = RANGE_SECONDS, listener: Listener = ignore) -> None:
        """Bring the ends and their bounds together.

        Args:
            patience: seconds for one end; where they do not do, its bound stays what it is by then.
            listener: receives each end before it is searched for.
        """
        near, size, done = self.near, 2 * len(self.searches), 0
        # Without an option first: what replaces it answers other questions, and all of them are easy.
        for what in ("least", "greatest"):
            for o, search in self.searches.items():
                task = f"{what} size of {display_name(near.instance, o)}"
                listener(Progress(task=task, done=done, total=size))
                with near.clock.hurried(patience):
                    search.settle_least() if what == "least" else search.settle_greatest()
                near.narrow(o, search.low, search.high)
                done += 1
        listener(Progress(done=size, total=size))

    def known(self) -> tuple[SizeRange, ...]:
        """What is known by now, from all plans that were met."""
        cheapest = self.near.found[0]
        return tuple(search.range(cheapest.sizes[o]) for o, search in self.searches.items())


class _OptionSearch:
    """One option: `low` and `high` are proven, what plans are known to buy lies between."""

    def __init__(self, near: NearOptimalSearch, option: str, accuracy: float) -> None:
        self.near, self.option = near, option
        lever = near.instance.options[option]
        # What a stock holds is limited, what is bought for it over all years is not.
        self.low, self.high = 0.0, math.inf if lever.is_stock else lever.largest
        largest = lever.largest if math.isfinite(lever.largest) else 0.0
        self.scale = largest or max(1.0, near.found[0].sizes[option])
        self.tolerance = max(accuracy, NEGLIGIBLE) * self.scale
        self.negligible = max(NEGLIGIBLE * self.scale, NEGLIGIBLE_PART * self.tolerance)
        # A lumpy option that is bought at all has a least size.
        self.unit = getattr(lever, "unit_size", 0.0)
        pieces = max(getattr(lever, "min_size", 0.0), self.unit)
        self.piece = pieces if pieces > 0 else self.negligible
        stock = near.instance.stocks.get(option)
        self.is_endless = stock is not None and _is_free_for_ever(stock)

    @property
    def least(self) -> float:
        """The least that a plan is known to buy."""
        return min(known.sizes[self.option] for known in self.near.found)

    @property
    def greatest(self) -> float:
        """The most that a plan is known to buy."""
        return max(known.sizes[self.option] for known in self.near.found)

    def settle_least(self) -> None:
        """Bring `least` and `low` together."""
        if self.least <= self.negligible or self.near.clock.is_over:
            return
        without = self._cheapest_within(0.0, 0.0)
        if without == "found":
            return
        self.low = self.piece if without == "none" else 0.0
        size = self.near.size(self.option)
        while self._moves(min, size) and self._is_open(self.least - self.low):
            limit = self.least - self.tolerance
            answer = self._cheapest_within(self.low, limit)
            if answer == "none":
                self.low = limit
            if answer != "found":
                break
        if self._is_open(self.least - self.low):
            self.low = max(self.low, min(self.least, self.near.limit(size)))

    def settle_greatest(self) -> None:
        """Bring `greatest` and `high` together."""
        if self.is_endless or self.near.clock.is_over or self.high - self.greatest <= self.tolerance:
            return
        nearly = self.high - self.tolerance
        if math.isfinite(self.high) and self._cheapest_within(nearly, self.high, among="like") == "found":
            return
        size = self.near.size(self.option, -1.0)
        # What no plan is known to buy none buys as a rule, and to ask that takes less than to move plans.
        goes_on = self.greatest > self.negligible or self._raises_greatest()
        while goes_on:
            goes_on = self._moves(max, size) and self._raises_greatest()
        if self._is_open(self.high - self.greatest):
            self._lower_high(size)

    def _lower_high(self, size: Expression) -> None:
        """What the relaxation allows at most; it takes longer than most questions about cost."""
        self.high = max(self.greatest, min(self.high, -self.near.limit(size)))
        self.high = self.greatest if self._is_less_than_a_piece() else self.high

    def _is_open(self, distance: float) -> bool:
        """Whether an end is farther from its bound than the tolerance."""
        return distance > self.tolerance * (1 + NEGLIGIBLE)

    def _is_less_than_a_piece(self) -> bool:
        """Whether no plan is known to buy any, and none can buy the least that there is of it."""
        return self.greatest <= self.negligible and self.high < self.piece * (1 - NEGLIGIBLE)

    def _raises_greatest(self) -> bool:
        """Look for a plan that buys more; where there is none, lower `high`. Whether there is one."""
        if not self._is_open(self.high - self.greatest):
            return False
        is_bought = self.greatest > self.negligible
        limit = self.greatest + self.tolerance if is_bought else min(self.piece, self.high)
        answer = self._cheapest_within(limit, self.high)
        if answer == "none":
            self.high = limit if is_bought else self.greatest
        return answer == "found"

    def _moves(self, extreme: Callable[..., NearOptimalPlan], size: Expression) -> bool:
        """Move the plan that is extreme in the option further, its integers held; False once the time is over."""
        if self.near.clock.is_over:
            return False
        self.near.moved(extreme(self.near.found, key=self._size), size)
        return not self.near.clock.is_over

    def _size(self, known: NearOptimalPlan) -> float:
        return known.sizes[self.option]

    def _cheapest_within(self, lower: float, upper: float, among: Among = "all") -> str:
        """Look for a plan of such a size that is cheap enough; the cheaper it is, the sooner it is found."""
        with self.near.held({self.option: (lower, upper)}):
            return self.near.seek(self.near.cost, enough=self.near.most, own=self.option, among=among)

    def range(self, cheapest: float) -> SizeRange:
        """What was found."""
        least = self._end(self.least, self.low)
        greatest = self._end(self.greatest, self.high)
        lever = self.near.instance.options[self.option]
        cheapest = cheapest if cheapest > self.negligible else 0.0
        return SizeRange(self.option, lever.kind, cheapest, least, greatest, self._class(), self.negligible)

    def _end(self, size: float, bound: float) -> RangeEnd:
        size = 0.0 if size <= self.negligible else size
        if self.unit > 0 and math.isfinite(bound):
            whole = (
                least_whole(bound / self.unit, NEGLIGIBLE)
                if bound < size
                else greatest_whole(bound / self.unit, NEGLIGIBLE)
            )
            bound = whole * self.unit
        return RangeEnd(size, bound, abs(bound - size) <= self.tolerance * (1 + 1e-3))

    def _class(self) -> OptionClass:
        if self.low > self.negligible:
            return "must-have"
        # An option of any size that no plan buys, and that is proven to be within the tolerance of none, is none.
        is_trifle = (
            self.greatest <= self.negligible
            and self.piece <= self.negligible
            and self.high - self.greatest <= self.tolerance
        )
        if self.high <= self.negligible or is_trifle:
            return "never worth it"
        return "real choice" if self.least <= self.negligible < self.greatest else "not settled"


def _is_free_for_ever(stock: Stock) -> bool:
    """Whether any amount can be had and kept for nothing."""
    is_endless = math.isinf(stock.largest) and math.isinf(stock.most_in_a_year)
    return is_endless and min(stock.price.values) <= 0 and stock.holding_cost <= 0
