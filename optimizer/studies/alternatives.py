"""Near-optimal alternatives: the range of each option's size over all near-optimal plans, and plans that differ.

    N[o]       size of option o over all years; of a stockpile the purchases, t
    ranges     least min N[o], greatest max N[o], over all plans that keep the floors at a cost within the tolerance
    plans      near-optimal plans that are as different from each other as the search can find

The plans found so far narrow a range first: a plan without the option settles its least size, a plan with as much of
it as the relaxation allows settles its greatest size. Two cheap searches follow: for the cheapest plan without the
option, and for the cheapest with its largest size. Each stops as soon as the cost is within the tolerance or proven to
exceed it. Only the sizes in between need an integer programme with the size as objective. Every plan found on the way
counts for the ranges of all options (Neumann, Brown: The near-optimal feasible space of a renewable power system model,
Electric Power Systems Research 190, 2021; the ranges, here with integers, floors in every shock, and a bound where
the time runs out).

The distance of two plans is Σ_o |N[o] − N'[o]| / greatest[o]: an option that one plan does not buy, and of which the
other buys the greatest size, counts as one. The alternatives are selected from all plans that the range search found,
each of which is extreme in one option. The cheapest plan is selected first, then repeatedly the plan whose nearest
selected neighbour is farthest away (Gonzalez: Clustering to minimize the maximum intercluster distance, Theoretical
Computer Science 38, 1985). Before each selection, one search with free integers looks for a plan of options that no
selected plan has (Brill, Chang, Hopkins: Modeling to generate alternatives, Management Science 28, 1982). The candidate
is then moved away from its nearest neighbour, its integers fixed, as long as its distance to the selected plans grows.
The objective of such a move is the sum of the sizes, each with the sign of its difference; as the distance is convex
in the sizes, this sum never overstates it. It is not proven that no plan is farther away.

A plan counts as buying an option that it opens at size 0 because another option requires it: it pays the fixed cost.

Each returned plan is made as cheap as its sizes allow, evaluated in every shock and audited, like the cheapest.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from optimizer import arguments
from optimizer.algorithms.near_optimal import Among, NearOptimalPlan, NearOptimalSearch
from optimizer.algorithms.problem import SearchResult
from optimizer.instance.derived import display_name, options_requiring
from optimizer.instance.edits import ScenarioNames, apply_arguments, require_known
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
from optimizer.studies.conclusion import Timer, conclude, measured_plan
from optimizer.studies.measure import TOLERANCE_SHARE, CostTolerance, ToleranceBase, before_tolerance_base
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import HELD_NEAR_OPTIMAL, NEGLIGIBLE, PLAN_GAP, POSITIVE, ROUNDING
from optimizer.units import MoneyLike, greatest_whole, least_whole

# A tenth of the price of survival: smaller differences are within the error of the prices.
DEFAULT_TOLERANCE = 0.1
# The least cost is proven to this part of the tolerance at least.
COST_PART = 0.25
# Largest number of moves of one plan away from its nearest neighbour.
MOST_MOVES = 5
# Seconds for one end of a range.
RANGE_SECONDS = 15.0
# Sizes below this part of the size tolerance are negligible: the gap to which floors are held permits that much.
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
    """Find the range of each option's size over all plans within a cost tolerance, and plans that differ most.

    If the floors cannot all be kept, the plans compared leave the least survival gap at a cost within the tolerance.
    If gaps have a price, the plans compared have a cost, including the price of their gaps, within the tolerance.

    Args:
        instance: the instance.
        within: the extra cost over the cheapest plan that is allowed: a share of the price of survival, such as 0.1 or
            ``10%`` (the default), or money as text with its suffix, such as ``20M``.
        plans: how many alternatives to look for.
        budget, scenario: as for `solve`.
        settings: `accuracy` is the share of the price of survival to which the least cost is proven (default 2 %, and
            at most a quarter of the tolerance); its time limit in seconds applies to the whole study.
        patience: seconds for one end of one option's range, and for a search for a plan of other options (default
            15). After that, the end is returned with its bound, and the search returns its best plan.
        listener: receives the rounds of the search for the cheapest plan, then each end and plan that is searched for.
        known: the instance's best plan, if it has been solved before.

    Returns:
        Ranges and plans; with status ``stopped``, those found before the time ran out.

    Raises:
        AuditError: a plan and its figures disagree.
        InstanceError: the instance does not have a scenario named in `scenario`.
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
    require_known(known, instance)
    with WhatIfSolver(instance, settings, settings.clock(), listener) as solver:
        # The least cost must be proven more closely than the tolerance of the near-optimal plans.
        first, near_cost = before_tolerance_base(settings), lambda measure: COST_PART * allowed.money(measure)
        cheapest, measure = measured_plan(solver, instance, settings, first, near=near_cost, known=known)
        if measure is None or cheapest.status == "stopped":
            found = _without_ranges(cheapest, measure, allowed, settings)
            return replace(found, seconds=time.perf_counter() - solver.clock.started)
        near = replace(settings, mip_gap=min(settings.mip_gap, SIZE_GAP))
        with interruptible(solver.clock, listener):
            found = _find_alternatives(instance, cheapest, allowed.money(measure), plans, near, patience, solver)
        return replace(found, within=allowed.of(measure), tolerance_base=measure)


def _without_ranges(
    cheapest: Result, measure: ToleranceBase | None, allowed: CostTolerance, settings: Settings
) -> Alternatives:
    """Return the study without ranges and plans, where the cheapest plan was not found or not proven."""
    status: AlternativesStatus = "none" if cheapest.status == "none" else "stopped"
    most = cheapest.priced_cost + (0.0 if measure is None else allowed.money(measure))
    return Alternatives(status, allowed.of(measure), most, settings.share_of_price, cheapest, tolerance_base=measure)


def _find_alternatives(
    instance: Instance,
    cheapest: Result,
    more: float,
    plans: int,
    settings: Settings,
    patience: float,
    solver: WhatIfSolver,
) -> Alternatives:
    """Return the ranges and the plans; the caller sets `within` and `tolerance_base`."""
    most, has_price = cheapest.priced_cost + more, instance.policy.gap_price is not None
    clock, evaluator, listener = solver.clock, solver.evaluator(instance), solver.listener
    near = _near_search(instance, cheapest, most, settings, solver)
    near.record(cheapest.plan, cheapest.priced_cost)
    range_search = RangeSearch(near, settings.mip_gap)
    range_search.settle(patience, listener)
    chosen = [] if clock.is_over else _Selection(near, range_search.ranges(), patience).choose_plans(plans, listener)
    # Include the plans that the search for alternatives found on its way.
    found = range_search.ranges()
    apart, before = _Selection(near, found), [near.found[0], *chosen]
    results = []
    for k, known in enumerate(chosen, start=1):
        solved = near.search_result(known)
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
    """Build the search over plans that cost at most `most`, on a model of the shocks that shape the cheapest plan."""
    has_gap = cheapest.status == "gap" and instance.policy.gap_price is None
    # Floors without a shortage cost may be missed where no gap in money is left; a limit of 0 would enforce them.
    gap, shocks = max(POSITIVE, cheapest.survival_gap) if has_gap else 0.0, frozenset[str]()
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
    """Give a solved plan the proven bounds of the cheapest plan, which hold for every plan of the instance."""
    if cheapest.bound is None:
        return solved
    return replace(solved, bound=min(cheapest.bound, solved.objective), gap_bound=cheapest.gap_bound or 0.0)


class _Selection:
    """Selection of plans that are far from each other."""

    def __init__(self, near: NearOptimalSearch, found: Sequence[SizeRange], patience: float = RANGE_SECONDS) -> None:
        self.near, self.patience = near, patience
        self.greatest = {each.option: each.greatest.size for each in found if each.greatest.size > 0}
        self.negligible = {each.option: each.negligible for each in found}

    def distance(self, one: NearOptimalPlan, other: NearOptimalPlan) -> float:
        """Return the sum of the differences in size, each as a share of its option's greatest size."""
        apart = ((o, abs(one.sizes[o] - other.sizes[o])) for o in self.greatest)
        return sum(far / self.greatest[o] for o, far in apart if far > self.negligible[o])

    def nearest(self, known: NearOptimalPlan, selected: Sequence[NearOptimalPlan]) -> tuple[float, NearOptimalPlan]:
        """Return the distance to the nearest selected plan, and that plan."""
        return min(((self.distance(known, other), other) for other in selected), key=lambda pair: pair[0])

    def choose_plans(self, count: int, listener: Listener) -> list[NearOptimalPlan]:
        """Return up to `count` plans besides the cheapest, each as far from those before it as the search can find."""
        selected = [self.near.found[0]]
        for k in range(count):
            listener(Progress(task="plans that differ", done=k, total=count))
            if self.near.clock.is_over:
                break
            with self.near.clock.for_at_most(self.patience):
                self._seek_unused_options(selected)
            known = max(self.near.found, key=lambda each: self.nearest(each, selected)[0])
            known = self._move_apart(known, selected)
            if self.nearest(known, selected)[0] < SAME_PLAN:
                break
            selected.append(known)
        listener(Progress(done=count, total=count))
        return selected[1:]

    def _seek_unused_options(self, selected: Sequence[NearOptimalPlan]) -> None:
        """Search for a plan that buys options which no selected plan has, and not those which they have."""
        objective, share = Expression(), 1.0 / len(selected)
        for o, most in self.greatest.items():
            used = sum(known.sizes[o] > self.negligible[o] for known in selected) * share
            objective.add(self.near.size(o, (2.0 * used - 1.0) / most))
        best = self.near.lower_bound(objective)
        # Stop at a plan with nine tenths of the improvement that the relaxation allows over the plans found so far.
        now = min(self._value(objective, known) for known in self.near.found)
        if -math.inf < best < now:
            self.near.seek(objective, enough=best + 0.1 * (now - best))

    def _value(self, objective: Expression, known: NearOptimalPlan) -> float:
        return sum(float(objective.terms.get(self.near.columns[o], 0.0)) * size for o, size in known.sizes.items())

    def _move_apart(self, known: NearOptimalPlan, selected: Sequence[NearOptimalPlan]) -> NearOptimalPlan:
        """Move a plan away from its nearest selected neighbour while that increases its distance to all of them."""
        for _ in range(MOST_MOVES):
            distance, neighbour = self.nearest(known, selected)
            objective = Expression()
            for o, most in self.greatest.items():
                away = known.sizes[o] >= neighbour.sizes[o]
                objective.add(self.near.size(o, (-1.0 if away else 1.0) / most))
            farther = self.near.reoptimise(known, objective)
            if farther is None or self.nearest(farther, selected)[0] <= distance + SAME_PLAN:
                break
            known = farther
        return known


class RangeSearch:
    """Search for the size ranges of all options, in the order of the instance.

    Args:
        near: the search over plans within the tolerance; it holds at least the cheapest plan and gathers more.
        accuracy: largest distance between an end and its bound, as a share of the option's largest size.
    """

    def __init__(self, near: NearOptimalSearch, accuracy: float) -> None:
        self.near = near
        self.searches = {o: _OptionSearch(near, o, accuracy) for o in near.instance.options}
        for o, search in self.searches.items():
            search.requiring = [self.searches[other] for other in options_requiring(near.instance, o)]

    def settle(self, patience: float = RANGE_SECONDS, listener: Listener = ignore) -> None:
        """Search for both ends of every range until each is within the accuracy of its bound.

        Args:
            patience: seconds for one end; after that, its bound stays as it is.
            listener: receives each end before it is searched for.
        """
        near, size, done = self.near, 2 * len(self.searches), 0
        # Least sizes first: these searches are easy, and the plans without an option narrow the ranges of others.
        for what in ("least", "greatest"):
            for o, search in self.searches.items():
                task = f"{what} size of {display_name(near.instance, o)}"
                listener(Progress(task=task, done=done, total=size))
                with near.clock.for_at_most(patience):
                    search.settle_least() if what == "least" else search.settle_greatest()
                near.narrow(o, search.low, search.high)
                done += 1
        listener(Progress(done=size, total=size))

    def ranges(self) -> tuple[SizeRange, ...]:
        """Return the current ranges, from all plans found so far."""
        cheapest = self.near.found[0]
        return tuple(search.range(cheapest.sizes[o]) for o, search in self.searches.items())


class _OptionSearch:
    """Search for the size range of one option: `low` and `high` are proven bounds on the sizes of all plans.

    `requiring` holds the searches of the options that require this one. `is_needed` is True once it is proven that
    every plan has the option, even if some open it at size 0.
    """

    def __init__(self, near: NearOptimalSearch, option: str, accuracy: float) -> None:
        self.near, self.option = near, option
        self.requiring: Sequence[_OptionSearch] = ()
        self.is_needed = False
        lever = near.instance.options[option]
        # The largest size limits what a stock holds, not what is bought for it over all years.
        self.low, self.high = 0.0, math.inf if lever.is_stock else lever.largest
        largest = lever.largest if math.isfinite(lever.largest) else 0.0
        self.scale = largest or max(1.0, near.found[0].sizes[option])
        self.tolerance = max(accuracy, NEGLIGIBLE) * self.scale
        self.negligible = max(NEGLIGIBLE * self.scale, NEGLIGIBLE_PART * self.tolerance)
        # A lumpy option has a least size if it is bought.
        self.unit = getattr(lever, "unit_size", 0.0)
        pieces = max(getattr(lever, "min_size", 0.0), self.unit)
        self.piece = pieces if pieces > 0 else self.negligible
        stock = near.instance.stocks.get(option)
        self.is_endless = stock is not None and _is_free_for_ever(stock)

    @property
    def least(self) -> float:
        """The least size in the plans found so far."""
        return min(known.sizes[self.option] for known in self.near.found)

    @property
    def greatest(self) -> float:
        """The greatest size in the plans found so far."""
        return max(known.sizes[self.option] for known in self.near.found)

    def settle_least(self) -> None:
        """Bring `least` and `low` together, and determine whether a plan exists without the option."""
        if self.near.clock.is_over or not all(map(self._buys, self.near.found)):
            return
        if self.option in self.near.openings:
            with self.near.close_option(self.option):
                closed = self._seek_within(0.0, 0.0)
            if closed == "found":
                return
            self.is_needed = closed == "none"
        if self.least > self.negligible:
            self._raise_low()

    def _raise_low(self) -> None:
        """Bring `least` and `low` together by the option's size, whether or not a plan opens it at size 0."""
        without = self._seek_within(0.0, 0.0)
        if without == "found":
            return
        self.low = self.piece if without == "none" else 0.0
        size = self.near.size(self.option)
        while self._move_further(min, size) and self._is_open(self.least - self.low):
            limit = self.least - self.tolerance
            answer = self._seek_within(self.low, limit)
            if answer == "none":
                self.low = limit
            if answer != "found":
                break
        if self._is_open(self.least - self.low):
            self.low = max(self.low, min(self.least, self.near.lower_bound(size)))

    def settle_greatest(self) -> None:
        """Bring `greatest` and `high` together."""
        if self.is_endless or self.near.clock.is_over or self.high - self.greatest <= self.tolerance:
            return
        nearly = self.high - self.tolerance
        if math.isfinite(self.high) and self._seek_within(nearly, self.high, among="similar") == "found":
            return
        size = self.near.size(self.option, -1.0)
        # An option that no known plan buys is usually bought by none; proving that is faster than moving plans.
        goes_on = self.greatest > self.negligible or self._raise_greatest()
        while goes_on:
            goes_on = self._move_further(max, size) and self._raise_greatest()
        if self._is_open(self.high - self.greatest):
            self._lower_high(size)

    def _lower_high(self, size: Expression) -> None:
        """Lower `high` to the largest size that the relaxation allows; slower than most searches over cost."""
        self.high = max(self.greatest, min(self.high, -self.near.lower_bound(size)))
        self.high = self.greatest if self._is_less_than_a_piece() else self.high

    def _is_open(self, distance: float) -> bool:
        """Check whether an end is farther from its bound than the tolerance."""
        return distance > self.tolerance * (1 + NEGLIGIBLE)

    def _is_less_than_a_piece(self) -> bool:
        """Check that no known plan buys the option, and that no plan can buy its smallest positive size."""
        return self.greatest <= self.negligible and self.high < self.piece * (1 - NEGLIGIBLE)

    def _raise_greatest(self) -> bool:
        """Search for a plan that buys more, and return whether one was found; lower `high` if none exists."""
        if not self._is_open(self.high - self.greatest):
            return False
        is_bought = self.greatest > self.negligible
        limit = self.greatest + self.tolerance if is_bought else min(self.piece, self.high)
        answer = self._seek_within(limit, self.high)
        if answer == "none":
            self.high = limit if is_bought else self.greatest
        return answer == "found"

    def _move_further(self, extreme: Callable[..., NearOptimalPlan], size: Expression) -> bool:
        """Move the most extreme plan further, with fixed integers; return False if the time is over."""
        if self.near.clock.is_over:
            return False
        self.near.reoptimise(extreme(self.near.found, key=self._size), size)
        return not self.near.clock.is_over

    def _size(self, known: NearOptimalPlan) -> float:
        return known.sizes[self.option]

    def _buys(self, known: NearOptimalPlan) -> bool:
        """Check whether a plan buys the option, or opens it for an option that requires it."""
        return any(each._size(known) > each.negligible for each in (self, *self.requiring))

    def _seek_within(self, lower: float, upper: float, among: Among = "all") -> str:
        """Search for a plan within the cost limit whose size of the option lies between two bounds.

        The search minimises cost, so that it ends early if such a plan is cheap.
        """
        with self.near.hold_sizes({self.option: (lower, upper)}):
            return self.near.seek(self.near.cost, enough=self.near.most, own=self.option, among=among)

    def range(self, cheapest: float) -> SizeRange:
        """Return the range found so far; `cheapest` is the size in the cheapest plan."""
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
        some = (self, *self.requiring)
        if self.is_needed or any(each.low > each.negligible for each in some):
            return "must-have"
        if all(each._is_never_bought() for each in some):
            return "never worth it"
        buys = {self._buys(known) for known in self.near.found}
        return "real choice" if len(buys) > 1 else "not settled"

    def _is_never_bought(self) -> bool:
        """Check whether it is proven that no plan buys more than a negligible size of the option."""
        # A continuous option that no known plan buys, with `high` within the tolerance of zero, counts as never bought.
        is_trifle = (
            self.greatest <= self.negligible
            and self.piece <= self.negligible
            and self.high - self.greatest <= self.tolerance
        )
        return self.high <= self.negligible or is_trifle


def _is_free_for_ever(stock: Stock) -> bool:
    """Check whether any amount of the stock can be bought and held at no cost."""
    is_endless = math.isinf(stock.largest) and math.isinf(stock.most_in_a_year)
    return is_endless and min(stock.price.values) <= 0 and stock.holding_cost <= 0
