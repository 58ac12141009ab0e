"""How little and how much of each option any plan near the cheapest buys; and what `alternatives` returns.

    N[o]       size of option o over all years; of a stockpile what it buys, t
    least      min N[o], greatest  max N[o], over all plans that keep the floors at a cost within the tolerance

What is known answers first: a plan without the option settles its least size, a plan with as much of it as the
relaxation allows its greatest. Then cheap questions: the cheapest plan without the option, the cheapest with as much as
can be, each left as soon as it is within the tolerance or proven not to be. Only what lies between is an integer
programme over sizes. Every plan that is met on the way is remembered, for all options.

Source: Neumann, Brown: The near-optimal feasible space of a renewable power system model, Electric Power Systems
Research 190, 2021; the ranges, here with integers, floors in every shock, and a bound where the time runs out.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

from optimizer.algorithms.near_optimal import Among, NearOptimalPlan, NearOptimalSearch
from optimizer.instance.derived import display_name
from optimizer.levers.base import Stock
from optimizer.model.expressions import Expression
from optimizer.results.result import Result
from optimizer.solver import Listener, Progress, ignore
from optimizer.studies import study_frames
from optimizer.studies.measure import Measure
from optimizer.tolerances import NEGLIGIBLE, greatest_whole, least_whole

AlternativesStatus = Literal["proven", "bounded", "stopped", "none"]
OptionClass = Literal["must-have", "real choice", "never worth it", "not settled"]
# Sizes are proven to this share of an option's largest.
SIZE_GAP = 5e-3
# Seconds for one end of a range.
RANGE_SECONDS = 15.0
# Less than this part of what sizes are proven to is nothing: the gap that floors are held to leaves room for as much.
NEGLIGIBLE_PART = 1 / 50


@dataclass(frozen=True)
class RangeEnd:
    """One end of a range: what a plan that was found buys, and what no plan goes beyond.

    `proven` says that the two are as near as the search asks.
    """

    size: float
    bound: float
    proven: bool


@dataclass(frozen=True)
class SizeRange:
    """What plans within the tolerance buy of an option, in its own unit; of a stockpile t over all years."""

    option: str
    kind: str
    cheapest: float  # what the cheapest plan buys
    # Over all plans.
    least: RangeEnd
    greatest: RangeEnd
    # ``must-have`` where no plan does without it, ``never worth it`` where no plan buys it, ``real choice`` where some
    # do and some do not; ``not settled`` where that is not known.
    verdict: OptionClass
    negligible: float = 0.0  # less of it than this counts as none

    @property
    def proven(self) -> bool:
        """Whether both ends are."""
        return self.least.proven and self.greatest.proven


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
            return self.near.seek(self.near.cost, enough=self.near.most, own=self.option, among=among).status

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


@dataclass(frozen=True)
class Alternative:
    """A plan within the tolerance, and how far it is from the nearest of those before it."""

    result: Result
    distance: float


@dataclass(frozen=True)
class Alternatives:
    """The plans within a tolerance of the cheapest.

    Attributes:
        status: ``proven`` where every range is, ``bounded`` where some end took too long, ``stopped`` where the
            time ran out, ``none`` where there is no plan.
        within: the tolerance, a share of the measure.
        most: the cost that it allows, present value; with the price of gaps where they have one.
        accuracy: to which the least cost is proven, a share of the measure; `gap` in 0.1.0.
        cheapest: the plan that all are measured against, audited.
        ranges: by option.
        plans: alternatives, the first the most different from the cheapest.
        met: how many plans were looked at.
        seconds: that all of it took.
        measure: what tolerances are shares of; None without a plan.
        sizes: to which ends of ranges are proven, a share of an option's largest size.
    """

    status: AlternativesStatus
    within: float
    most: float
    accuracy: float
    cheapest: Result
    ranges: tuple[SizeRange, ...] = ()
    plans: tuple[Alternative, ...] = ()
    met: int = 0
    seconds: float = 0.0
    measure: Measure | None = None
    sizes: float = SIZE_GAP

    gap = property(attrgetter("accuracy"), doc="`accuracy`, by its name in 0.1.0.")

    @property
    def more(self) -> float:
        """How much dearer than the cheapest a plan may be, money."""
        return self.most - self.cheapest.priced_cost

    frames = property(study_frames.of_alternatives)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual; a bound that is not known is null."""
        has_plan = self.cheapest.baseline is not None
        return {
            "instance": self.cheapest.instance,
            "currency": self.cheapest.currency,
            "status": self.status,
            "within": self.within,
            "gap": self.accuracy,
            "most": self.most if has_plan else None,
            "more": self.more if has_plan else None,
            "measure": None if self.measure is None else self.measure.to_dict(),
            "options": [_row(each) for each in self.ranges],
            "cheapest": self.cheapest.to_dict(whole=False),
            "plans": [{"distance": each.distance, **each.result.to_dict(whole=False)} for each in self.plans],
            "met": self.met,
            "seconds": self.seconds,
        }


def _row(each: SizeRange) -> dict[str, Any]:
    def end(size: float, bound: float, *, proven: bool) -> dict[str, Any]:
        return {"size": size, "bound": bound if bound < float("inf") else None, "proven": proven}

    least, greatest = each.least, each.greatest
    return {
        "option": each.option,
        "kind": each.kind,
        "verdict": each.verdict,
        "cheapest": each.cheapest,
        "least": end(least.size, least.bound, proven=least.proven),
        "greatest": end(greatest.size, greatest.bound, proven=greatest.proven),
    }
