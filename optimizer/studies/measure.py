"""What tolerances of costs are shares of, the price of survival, and which differences between plans are proven.

price        total cost less the no-shock plan's, present value; 0 where that is within the error of two costs
base         the price; a thousandth of the total cost where that is more (no shocks, survival that costs nothing)
tolerance    a share of the base, money: costs are proven to it wherever plans are compared
difference   of two optima, each known between its lower bound and the value of the plan that was found

Most of the total cost is ordinary purchases, which every plan makes: a share of it does not measure survival.
Where floors fail, survival gaps are compared first; they are proven to a share of themselves.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from optimizer.arguments import ArgumentError
from optimizer.results.result import Result, price_of_survival
from optimizer.solver import Settings
from optimizer.tolerances import FINEST_SHARE, SAME_VALUE
from optimizer.units import parse_amount

# Share of the price of survival to which costs are proven where plans are compared, by default: less takes
# an integer programme several times as long, and no table shows a difference that is smaller.
TOLERANCE_SHARE = 0.02
# Survival gaps are proven to this share of themselves at least, and costs to this share of the total cost where a
# search takes its time.
GAP_SHARE = 5e-3
# Seconds of one search with integers after which that is near enough.
SEARCH_SECONDS = 5.0
# A tolerance base is this share of the total cost at least.
LEAST_SHARE_OF_COST = 1e-3

ToleranceBaseKind = Literal["price of survival", "price of the plan", "a thousandth of the total cost"]


@dataclass(frozen=True)
class ToleranceBase:
    """The amount of which the tolerance of costs is a share; `measure` in results and in JSON."""

    # What the amount is. The price of the plan: of one that leaves a survival gap.
    kind: ToleranceBaseKind
    amount: float  # money, present value
    share: float  # of it, to which costs are proven
    least: float = 0.0  # money below which nothing is proven

    @classmethod
    def of(cls, cost: float, no_shock_cost: float | None, share: float, survival_gap: float = 0.0) -> "ToleranceBase":
        """The base of plans that are compared with one of this cost and gap.

        `no_shock_cost` is None where it is not known.
        """
        price, least = price_of_survival(cost, no_shock_cost) or 0.0, LEAST_SHARE_OF_COST * abs(cost)
        kind: ToleranceBaseKind = "price of survival" if survival_gap <= 0 else "price of the plan"
        kind = kind if price >= least and price > 0 else "a thousandth of the total cost"
        return cls(kind, max(price, least), share, FINEST_SHARE * abs(cost))

    @classmethod
    def of_result(cls, result: Result, no_shock_cost: float | None, share: float) -> "ToleranceBase":
        """The base of plans that are compared with a result."""
        return cls.of(result.total_cost, no_shock_cost, share, result.survival_gap)

    @property
    def tolerance(self) -> float:
        """Money to which costs are proven."""
        return max(self.share * self.amount, self.least)

    def nearer(self, amount: float) -> "ToleranceBase":
        """The same with a tolerance of no more than an amount of money."""
        if self.amount <= 0 or self.share * self.amount <= amount:
            return self
        return replace(self, share=amount / self.amount)

    def settings(self, settings: Settings) -> Settings:
        """The settings of a search whose costs are proven to the tolerance."""
        return replace(before_tolerance_base(settings), tolerance=self.tolerance, patience=SEARCH_SECONDS)

    def is_proven(self, result: Result) -> bool:
        """Whether the cost of a plan is proven to the tolerance."""
        return self.proves(result.total_cost, result.bound)

    def proves(self, cost: float, bound: float | None) -> bool:
        """Whether a cost is within the tolerance of its lower bound."""
        return bound is not None and cost - bound <= self.tolerance * (1.0 + SAME_VALUE)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"kind": self.kind, "amount": self.amount, "tolerance": self.tolerance}


def proven_objective(known: Result) -> float:
    """What is proven of the least cost with all floors kept, or with gaps at their price; nothing where floors fail."""
    if known.bound is None or not (known.survives or known.has_priced_gaps):
        return -math.inf
    return known.bound + known.priced_cost - known.total_cost


def before_tolerance_base(settings: Settings) -> Settings:
    """The settings of a search before the base is known, and of survival gaps: near enough, as a share of itself."""
    return replace(settings, mip_gap=min(settings.mip_gap, GAP_SHARE), tolerance=None)


@dataclass(frozen=True)
class ProvenDifference:
    """What one optimum is more than another: of the plans that were found, and within which bounds it is proven."""

    value: float
    low: float
    high: float

    @classmethod
    def of(
        cls, before: float, before_bound: float | None, after: float, after_bound: float | None
    ) -> "ProvenDifference":
        """`after` less `before`, of which the bounds are None where nothing is proven."""
        floor = -math.inf if before_bound is None else min(before_bound, before)
        least = -math.inf if after_bound is None else min(after_bound, after)
        rounding = FINEST_SHARE * max(abs(before), abs(after))
        return cls(after - before, least - before - rounding, after - floor + rounding)

    @classmethod
    def of_costs(cls, before: Result, after: Result) -> "ProvenDifference":
        """Of total costs."""
        return cls.of(before.total_cost, before.bound, after.total_cost, after.bound)

    @classmethod
    def of_gaps(cls, before: Result, after: Result) -> "ProvenDifference":
        """Of survival gaps; where these have a price, nothing is proven of them: as the two plans leave them."""
        first, second = (each.survival_gap if each.has_priced_gaps else each.gap_bound for each in (before, after))
        return cls.of(before.survival_gap, first, after.survival_gap, second)

    @property
    def is_proven(self) -> bool:
        """Whether there is a difference at all, that is, its sign is proven."""
        return self.low > 0.0 or self.high < 0.0

    @property
    def size(self) -> float:
        """Without its sign; 0 where no sign is proven."""
        return abs(self.value) if self.is_proven else 0.0


@dataclass(frozen=True)
class CostTolerance:
    """How much dearer than the cheapest a plan may be: a share of the tolerance base, or an amount of money."""

    share: float | None = None
    amount: float | None = None

    @classmethod
    def parse(cls, given: "float | str | CostTolerance") -> "CostTolerance":
        """From a share such as ``0.02`` or ``2%``, or from money as text with its suffix, such as ``20M``.

        Raises:
            ArgumentError: it is neither.
        """
        if isinstance(given, CostTolerance):
            return given
        text = str(given).strip()
        try:
            if text.endswith("%"):
                share = float(text.removesuffix("%")) / 100.0
            elif text[-1:].isalpha():
                amount = parse_amount(text)
                if amount >= 0:
                    return cls(amount=amount)
                share = -1.0
            else:
                share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            cure = "write a share such as 2% or 0.02, at most 100%, or an amount of money with its suffix, such as 20M."
            raise ArgumentError("within", given, cure)
        return cls(share=share)

    def money(self, base: ToleranceBase) -> float:
        """How much dearer, money."""
        return self.amount if self.amount is not None else (self.share or 0.0) * base.amount

    def of(self, base: ToleranceBase | None) -> float:
        """The same as a share of the tolerance base; 0 of none."""
        if self.amount is None:
            return self.share or 0.0
        return self.amount / base.amount if base is not None and base.amount > 0 else 0.0
