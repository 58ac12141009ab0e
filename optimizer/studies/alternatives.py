"""Near-optimal alternatives: the range of each option's size over all near-optimal plans, and plans that differ.

    N[o]       size of option o over all years; of a stockpile the purchases, t
    ranges     least min N[o], greatest max N[o], over all plans that keep the floors at a cost within the tolerance
    plans      near-optimal plans that are as different from each other as the search can find

The plans found so far narrow a range first: a plan without the option has its least size, a plan with as much of it as
the relaxation allows its greatest size. Two cheap searches follow: for the cheapest plan without the
option, which stops as soon as the cost is within the tolerance or proven to exceed it; and, by LPs near known plans
only, for a plan with its largest size. Ends that remain open are moved by LPs with fixed integers, then by searches
for the cheapest plan beyond the end that was found. Their bounds, or that of the LP relaxation of the size, prove how
far the range can reach. Every plan found on the way counts for the ranges of all options (Neumann, Brown: The
near-optimal feasible space of a renewable power system model, Electric Power Systems Research 190, 2021; the ranges,
here with integers, floors in every shock, and a bound where the time runs out).

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from optimizer import arguments
from optimizer.algorithms.near_optimal import Among, NearOptimalPlan, NearOptimalSearch
from optimizer.algorithms.problem import SearchResult
from optimizer.instance.derived import display_name, options_requiring
from optimizer.instance.edits import ScenarioNames, apply_arguments, require_known
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression
from optimizer.results.result import Result
from optimizer.solver import Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.alternatives_result import (
    SAME_PLAN,
    SIZE_ACCURACY,
    Alternative,
    Alternatives,
    AlternativesStatus,
    OptionVerdict,
    RangeEnd,
    SizeRange,
)
from optimizer.studies.conclusion import Timer, conclude, plan_with_base
from optimizer.studies.cost_tolerance import TOLERANCE_SHARE, CostTolerance, before_tolerance_base
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import HELD_NEAR_OPTIMAL, NEGLIGIBLE, PLAN_GAP, POSITIVE, ROUNDING
from optimizer.units import MoneyLike, greatest_whole, least_whole

# A tenth of the price of survival: smaller differences are within the error of the prices.
DEFAULT_TOLERANCE = 0.1
# The least cost is proven to this share of the tolerance at least.
COST_SHARE = 0.25
# Largest number of moves of one plan away from its nearest neighbour.
MOST_MOVES = 5
# Seconds for one end of a range.
RANGE_SECONDS = 15.0
# Sizes below this share of the size tolerance are negligible: the gap to which floors are held permits that much.
NEGLIGIBLE_SHARE = 1 / 50


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
    notes: tuple[str, ...] = (),
) -> Alternatives:
    """Find the range of each option's size over all plans within a cost tolerance, and plans that differ most.

    If the floors cannot all be kept, the plans compared leave the least survival gap at a cost within the tolerance.
    If gaps have a price, the plans compared have a cost, including the price of their gaps, within the tolerance.

    Args:
        instance: the instance.
        within: the extra cost over the cheapest plan that is allowed: a share of the price of survival, such as 0.1 or
            ``10%`` (the default), or money as text with its suffix, such as ``20M``.
        plans: how many alternatives to look for.
        budget, scenario, notes: as for `explain`.
        settings: `accuracy` is the share of the price of survival to which the least cost is proven (default 2 %, and
            at most a quarter of the tolerance); its time limit in seconds applies to the whole study, which then has
            status ``stopped``, with the ranges and plans found.
        patience: seconds for one end of one option's range, and for a search for a plan of other options (default
            15). After that, the end is returned with its bound, and the search returns its best plan.
        listener: receives the rounds of the search for the cheapest plan, then each end and plan that is searched for.
        known: the instance's best plan, if it has been solved before.

    Raises:
        AuditError: a plan and its figures disagree.
        InstanceError: the instance does not have a scenario named in `scenario`.
        CheckpointError, SolverError, WorkerError: as for `solve`.
        ValueError: `within` is neither a share nor money, or a budget is no amount of money.

    Example:
        >>> import optimizer as so
        >>> found = so.alternatives(so.load("instances/tiny.yaml"), within=0.1, plans=1)
        >>> [(each.option, each.verdict, round(each.least.size), round(each.greatest.size)) for each in found.ranges]
        [('plant', 'must-have', 20, 40), ('reserve', 'must-have', 60, 100)]
    """
    plans, patience = arguments.whole_number("plans", plans), arguments.number("patience", patience)
    settings, allowed = Settings.chosen(settings, TOLERANCE_SHARE), CostTolerance.parse(within)
    made = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes)
    instance = made.instance
    require_known(known, instance)
    with WhatIfSolver(instance, settings, settings.clock(), listener) as solver:
        # The least cost must be proven more closely than the tolerance of the near-optimal plans.
        first, near_cost = before_tolerance_base(settings), lambda base: COST_SHARE * allowed.money(base)
        cheapest, base = plan_with_base(solver, instance, settings, first, near=near_cost, known=known)
        limit = cheapest.priced_cost + (0.0 if base is None else allowed.money(base))
        found = Alternatives("none" if cheapest.status == "none" else "stopped", allowed.of(base), limit,
                             settings.share_of_price, cheapest, tolerance_base=base, plans_sought=plans)  # fmt: skip
        if base is not None and cheapest.status != "stopped":
            with interruptible(solver.clock, listener):
                found = _with_ranges_and_plans(found, instance, settings, patience, solver)
        return replace(found, notes=made.notes, seconds=time.perf_counter() - solver.clock.started)


def _with_ranges_and_plans(
    found: Alternatives, instance: Instance, settings: Settings, patience: float, solver: WhatIfSolver
) -> Alternatives:
    """Add the ranges and the plans to a study that holds the cheapest plan and the cost limit."""
    cheapest, has_price = found.cheapest, instance.policy.gap_price is not None
    settings = replace(settings, mip_gap=min(settings.mip_gap, SIZE_ACCURACY))
    clock, evaluator, listener = solver.clock, solver.evaluator(instance), solver.listener
    search = _near_search(instance, cheapest, found.cost_limit, settings, solver)
    search.record(cheapest.plan, cheapest.priced_cost)
    range_search = RangeSearch(search, settings.mip_gap)
    range_search.search_ends(patience, listener)
    selection = _Selection(search, range_search.ranges(), patience)
    chosen = [] if clock.is_over else selection.choose_plans(found.plans_sought, listener)
    # Include the plans that the search for alternatives found on its way.
    ranges = range_search.ranges()
    apart, before = _Selection(search, ranges), [search.found[0], *chosen]
    plans = []
    for k, plan in enumerate(chosen, start=1):
        solved = search.search_result(plan)
        if solved is not None:
            timer = Timer(began=time.perf_counter())
            bounded = _tighten_bound(solved, cheapest)
            result = conclude(instance, settings, clock, timer, bounded, evaluator, no_shock=cheapest.no_shock)
            status_of = result.status if has_price else cheapest.status
            plans.append(Alternative(replace(result, status=status_of), apart.nearest(plan, before[:k])[0]))
    status: AlternativesStatus = "proven" if all(each.proven for each in ranges) else "bounded"
    return replace(
        found,
        status="stopped" if clock.is_over else status,
        ranges=ranges,
        plans=tuple(plans),
        plans_met=len(search.found),
        size_accuracy=settings.mip_gap,
    )


def _near_search(
    instance: Instance, cheapest: Result, cost_limit: float, settings: Settings, solver: WhatIfSolver
) -> NearOptimalSearch:
    """Build the search over plans within a cost limit, on a model of the shocks held for the cheapest plan."""
    has_gap = cheapest.status == "gap" and instance.policy.gap_price is None
    # Floors without a shortage cost may be missed where no gap in money is left; a limit of 0 would enforce them.
    gap, shocks = max(POSITIVE, cheapest.survival_gap) if has_gap else 0.0, frozenset[str]()
    if cheapest.survives:
        near_bound = replace(settings, mip_gap=min(1.0, max(settings.mip_gap, PLAN_GAP, cheapest.mip_gap or 0.0)))
        shocks = solver.find_held_shocks(cheapest, near_bound)
    return NearOptimalSearch(
        instance,
        settings,
        solver.clock,
        ignore,
        solver.evaluator(instance),
        cost_limit + ROUNDING * abs(cost_limit),
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

    def __init__(self, search: NearOptimalSearch, found: Sequence[SizeRange], patience: float = RANGE_SECONDS) -> None:
        self.search, self.patience = search, patience
        self.greatest = {each.option: each.greatest.size for each in found if each.greatest.size > 0}
        self.negligible = {each.option: each.negligible for each in found}
        self.free = {o for o in self.greatest if _is_free_without_limit(search.instance, o)}

    def distance(self, one: NearOptimalPlan, other: NearOptimalPlan) -> float:
        """Return the sum of the differences in size, each as a share of its option's greatest size."""
        apart = ((o, abs(one.sizes[o] - other.sizes[o])) for o in self.greatest)
        return sum(far / self.greatest[o] for o, far in apart if far > self.negligible[o])

    def nearest(self, plan: NearOptimalPlan, selected: Sequence[NearOptimalPlan]) -> tuple[float, NearOptimalPlan]:
        """Return the distance to the nearest selected plan, and that plan."""
        return min(((self.distance(plan, other), other) for other in selected), key=lambda pair: pair[0])

    def choose_plans(self, count: int, listener: Listener) -> list[NearOptimalPlan]:
        """Return up to `count` plans besides the cheapest, each as far from those before it as the search can find."""
        selected = [self.search.found[0]]
        for k in range(count):
            listener(Progress(task="plans that differ", done=k, total=count))
            if self.search.clock.is_over:
                break
            with self.search.clock.for_at_most(self.patience):
                self._seek_unused_options(selected)
            plan = max(self.search.found, key=lambda each: self.nearest(each, selected)[0])
            plan = self._move_apart(plan, selected)
            if self.nearest(plan, selected)[0] < SAME_PLAN:
                break
            selected.append(plan)
        listener(Progress(done=count, total=count))
        return selected[1:]

    def _seek_unused_options(self, selected: Sequence[NearOptimalPlan]) -> None:
        """Search for a plan that buys options which no selected plan has, and not those which they have."""
        used = {o: sum(plan.sizes[o] > self.negligible[o] for plan in selected) / len(selected) for o in self.greatest}
        objective = self._moving({o: 2.0 * share - 1.0 for o, share in used.items()})
        best = self.search.lower_bound(objective)
        # Stop at a plan with nine tenths of the improvement that the relaxation allows over the plans found so far.
        now = min(self._value(objective, plan) for plan in self.search.found)
        if -math.inf < best < now:
            self.search.seek(objective, enough=best + 0.1 * (now - best))

    def _moving(self, weights: Mapping[str, float]) -> Expression:
        """Return the sum of the options' sizes, as shares of the greatest, by these weights, which is minimised.

        A negative one, for more of the option, is left out of what is free without limit: there is no most of it.
        """
        objective = Expression()
        for o, weight in weights.items():
            if weight > 0 or o not in self.free:
                objective.add(self.search.size(o, weight / self.greatest[o]))
        return objective

    def _value(self, objective: Expression, plan: NearOptimalPlan) -> float:
        return sum(float(objective.terms.get(self.search.columns[o], 0.0)) * size for o, size in plan.sizes.items())

    def _move_apart(self, plan: NearOptimalPlan, selected: Sequence[NearOptimalPlan]) -> NearOptimalPlan:
        """Move a plan away from its nearest selected neighbour while that increases its distance to all of them."""
        for _ in range(MOST_MOVES):
            distance, neighbour = self.nearest(plan, selected)
            is_larger = {o: plan.sizes[o] >= neighbour.sizes[o] for o in self.greatest}
            objective = self._moving({o: -1.0 if larger else 1.0 for o, larger in is_larger.items()})
            farther = self.search.reoptimise(plan, objective)
            if farther is None or self.nearest(farther, selected)[0] <= distance + SAME_PLAN:
                break
            plan = farther
        return plan


class RangeSearch:
    """Search for the size ranges of all options, in the order of the instance.

    Args:
        search: the search over plans within the tolerance; it holds at least the cheapest plan and gathers more.
        accuracy: largest distance between an end and its bound, as a share of the option's largest size.
    """

    def __init__(self, search: NearOptimalSearch, accuracy: float) -> None:
        self.search = search
        self.options = {o: _OptionSearch(search, o, accuracy) for o in search.instance.options}
        for o, option in self.options.items():
            option.requiring = [self.options[other] for other in options_requiring(search.instance, o)]

    def search_ends(self, patience: float, listener: Listener) -> None:
        """Search for both ends of every range until each is within the accuracy of its bound.

        After `patience` seconds for one end, its bound stays as it is.
        """
        ends, done = 2 * len(self.options), 0
        # Least sizes first: these searches are easy, and the plans without an option narrow the ranges of others.
        for what in ("least", "greatest"):
            for o, option in self.options.items():
                task = f"{what} size of {display_name(self.search.instance, o)}"
                listener(Progress(task=task, done=done, total=ends))
                with self.search.clock.for_at_most(patience):
                    option.search_least() if what == "least" else option.search_greatest()
                self.search.narrow(o, option.low, option.high)
                done += 1
        listener(Progress(done=ends, total=ends))

    def ranges(self) -> tuple[SizeRange, ...]:
        """Return the current ranges, from all plans found so far."""
        cheapest = self.search.found[0]
        return tuple(option.range(cheapest.sizes[o]) for o, option in self.options.items())


class _OptionSearch:
    """Search for the size range of one option: `low` and `high` are proven bounds on the sizes of all plans.

    `requiring` holds the searches of the options that require this one. `is_needed` is True once it is proven that
    every plan has the option, even if some open it at size 0.
    """

    def __init__(self, search: NearOptimalSearch, o: str, accuracy: float) -> None:
        self.search, self.option = search, o
        self.requiring: Sequence[_OptionSearch] = ()
        self.is_needed = False
        option = search.instance.options[o]
        # The largest size limits what a stock holds, not what is bought for it over all years.
        self.low, self.high = 0.0, math.inf if option.is_stock else option.largest
        largest = option.largest if math.isfinite(option.largest) else 0.0
        self.scale = largest or max(1.0, search.found[0].sizes[o])
        self.tolerance = max(accuracy, NEGLIGIBLE) * self.scale
        self.negligible = max(NEGLIGIBLE * self.scale, NEGLIGIBLE_SHARE * self.tolerance)
        self.unit = getattr(option, "unit_size", 0.0)
        # The smallest positive size: that of a unit or of `min_size`, or else the least that is not negligible.
        self.smallest = max(getattr(option, "min_size", 0.0), self.unit) or self.negligible
        self.is_unbounded = _is_free_without_limit(search.instance, o)

    @property
    def least(self) -> float:
        """The least size in the plans found so far."""
        return min(map(self._size, self.search.found))

    @property
    def greatest(self) -> float:
        """The greatest size in the plans found so far."""
        return max(map(self._size, self.search.found))

    def search_least(self) -> None:
        """Bring `least` and `low` together, and determine whether a plan exists without the option."""
        if self.search.clock.is_over or not all(map(self._buys, self.search.found)):
            return
        if self.option in self.search.openings:
            with self.search.close_option(self.option):
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
        self.low = self.smallest if without == "none" else 0.0
        size = self.search.size(self.option)
        while self._move_further(min, size) and self._is_open(self.least - self.low):
            limit = self.least - self.tolerance
            answer = self._seek_within(self.low, limit)
            if answer == "none":
                self.low = limit
            if answer != "found":
                break
        if self._is_open(self.least - self.low):
            self.low = max(self.low, min(self.least, self.search.lower_bound(size)))

    def search_greatest(self) -> None:
        """Bring `greatest` and `high` together."""
        if self.is_unbounded or self.search.clock.is_over or self.high - self.greatest <= self.tolerance:
            return
        nearly = self.high - self.tolerance
        if math.isfinite(self.high) and self._seek_within(nearly, self.high, among="similar") == "found":
            return
        size = self.search.size(self.option, -1.0)
        # An option that no known plan buys is usually bought by none; proving that is faster than moving plans.
        goes_on = self.greatest > self.negligible or self._raise_greatest()
        while goes_on:
            goes_on = self._move_further(max, size) and self._raise_greatest()
        if self._is_open(self.high - self.greatest):
            self._lower_high(size)

    def _lower_high(self, size: Expression) -> None:
        """Lower `high` to the largest size that the relaxation allows; slower than most searches over cost."""
        self.high = max(self.greatest, min(self.high, -self.search.lower_bound(size)))
        # No known plan buys the option, and no plan can buy its smallest positive size.
        if self.greatest <= self.negligible and self.high < self.smallest * (1 - NEGLIGIBLE):
            self.high = self.greatest

    def _is_open(self, distance: float) -> bool:
        """Check whether an end is farther from its bound than the tolerance."""
        return distance > self.tolerance * (1 + NEGLIGIBLE)

    def _raise_greatest(self) -> bool:
        """Search for a plan that buys more, and return whether one was found; lower `high` if none exists."""
        if not self._is_open(self.high - self.greatest):
            return False
        is_bought = self.greatest > self.negligible
        limit = self.greatest + self.tolerance if is_bought else min(self.smallest, self.high)
        answer = self._seek_within(limit, self.high)
        if answer == "none":
            self.high = limit if is_bought else self.greatest
        return answer == "found"

    def _move_further(self, extreme: Callable[..., NearOptimalPlan], size: Expression) -> bool:
        """Move the most extreme plan further, with fixed integers; return False if the time is over."""
        if self.search.clock.is_over:
            return False
        self.search.reoptimise(extreme(self.search.found, key=self._size), size)
        return not self.search.clock.is_over

    def _size(self, plan: NearOptimalPlan) -> float:
        return plan.sizes[self.option]

    def _buys(self, plan: NearOptimalPlan) -> bool:
        """Check whether a plan buys the option, or opens it for an option that requires it."""
        return any(each._size(plan) > each.negligible for each in (self, *self.requiring))

    def _seek_within(self, lower: float, upper: float, among: Among = "all") -> str:
        """Search for a plan within the cost limit whose size of the option lies between two bounds.

        The search minimises cost, so that it ends early if such a plan is cheap.
        """
        with self.search.hold_sizes({self.option: (lower, upper)}):
            return self.search.seek(self.search.cost, enough=self.search.most, own=self.option, among=among)

    def range(self, cheapest: float) -> SizeRange:
        """Return the range found so far; `cheapest` is the size in the cheapest plan."""
        least = self._end(self.least, self.low)
        greatest = self._end(self.greatest, self.high)
        kind = self.search.instance.options[self.option].kind
        cheapest = cheapest if cheapest > self.negligible else 0.0
        return SizeRange(self.option, kind, cheapest, least, greatest, self._verdict(), self.negligible)

    def _end(self, size: float, bound: float) -> RangeEnd:
        size = 0.0 if size <= self.negligible else size
        if self.unit > 0 and math.isfinite(bound):
            to_whole = least_whole if bound < size else greatest_whole
            bound = to_whole(bound / self.unit, NEGLIGIBLE) * self.unit
        return RangeEnd(size, bound, abs(bound - size) <= self.tolerance * (1 + 1e-3))

    def _verdict(self) -> OptionVerdict:
        some = (self, *self.requiring)
        if self.is_needed or any(each.low > each.negligible for each in some):
            return "must-have"
        if all(each._is_never_bought() for each in some):
            return "never worth it"
        buys = set(map(self._buys, self.search.found))
        return "real choice" if len(buys) > 1 else "not settled"

    def _is_never_bought(self) -> bool:
        """Check whether it is proven that no plan buys more than a negligible size of the option."""
        # A continuous option that no known plan buys, with `high` within the tolerance of zero, counts as never bought.
        is_near_zero = (
            max(self.greatest, self.smallest) <= self.negligible and self.high - self.greatest <= self.tolerance
        )
        return self.high <= self.negligible or is_near_zero


def _is_free_without_limit(instance: Instance, o: str) -> bool:
    """Check whether any amount of an option, a stockpile, can be bought in some year and held at no cost."""
    stock = instance.stocks.get(o)
    if stock is None or math.isfinite(stock.largest) or math.isfinite(stock.most_in_a_year) or stock.holding_cost > 0:
        return False
    return any(stock.price.at(year) <= 0 for year in instance.horizon.years if stock.allows(year))
