"""Tolerances of costs as shares of the price of survival, and proven differences between plans.

price        total cost less the no-shock plan's, present value; 0 if that is below a millionth of the total cost
base         the larger of the price and a thousandth of the total cost (for no shocks, or survival at no cost)
tolerance    a share of the base, money: costs are proven to it wherever plans are compared
difference   difference of two optima, each known between its lower bound and the value of the plan that was found

Most of the total cost is ordinary purchases, which every plan makes, so a share of it does not measure survival.
If floors fail, survival gaps are compared first; they are proven to a share of themselves.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from optimizer.arguments import ArgumentError
from optimizer.files import finite_or_none
from optimizer.results.result import Result, price_of_survival
from optimizer.solver import Settings
from optimizer.tolerances import FINEST_SHARE, SAME_VALUE
from optimizer.units import parse_amount

# Default share of the price of survival to which costs are proven when plans are compared: a smaller one takes an
# integer programme several times as long, and no table shows smaller differences.
TOLERANCE_SHARE = 0.02
# Survival gaps are proven at least to this share of themselves, and costs to this share of the total cost if a search
# takes long.
GAP_SHARE = 5e-3
# Seconds of one search with integers after which the latter is enough.
SEARCH_SECONDS = 5.0
# Smallest tolerance base, as a share of the total cost.
LEAST_SHARE_OF_COST = 1e-3

ToleranceBaseKind = Literal["price of survival", "price of the plan", "a thousandth of the total cost"]


@dataclass(frozen=True)
class ToleranceBase:
    """The amount of which the tolerance of costs is a share; `measure` in results and in JSON."""

    kind: ToleranceBaseKind  # the meaning of the amount; "price of the plan" if the plan leaves a survival gap
    amount: float  # money, present value
    share: float  # share of the amount to which costs are proven
    least: float = 0.0  # smallest tolerance, money

    @classmethod
    def of(cls, cost: float, no_shock_cost: float | None, share: float, survival_gap: float = 0.0) -> "ToleranceBase":
        """Return the base of plans that are compared with one of the given cost and gap.

        `no_shock_cost` is None if it is unknown.
        """
        price, least = price_of_survival(cost, no_shock_cost) or 0.0, LEAST_SHARE_OF_COST * abs(cost)
        kind: ToleranceBaseKind = "price of survival" if survival_gap <= 0 else "price of the plan"
        kind = kind if price >= least and price > 0 else "a thousandth of the total cost"
        return cls(kind, max(price, least), share, FINEST_SHARE * abs(cost))

    @classmethod
    def of_result(cls, result: Result, no_shock_cost: float | None, share: float) -> "ToleranceBase":
        """Return the base of plans that are compared with a result."""
        return cls.of(result.total_cost, no_shock_cost, share, result.survival_gap)

    @property
    def tolerance(self) -> float:
        """The tolerance to which costs are proven, money."""
        return max(self.share * self.amount, self.least)

    def nearer(self, amount: float) -> "ToleranceBase":
        """Return the base with its share lowered so that the tolerance is at most an amount of money."""
        if self.amount <= 0 or self.share * self.amount <= amount:
            return self
        return replace(self, share=amount / self.amount)

    def settings(self, settings: Settings) -> Settings:
        """Return the settings of a search whose costs are proven to the tolerance."""
        return replace(before_tolerance_base(settings), tolerance=self.tolerance, patience=SEARCH_SECONDS)

    def is_proven(self, result: Result) -> bool:
        """Check whether the cost of a plan is proven to the tolerance."""
        return self.proves(result.total_cost, result.bound)

    def proves(self, cost: float, bound: float | None) -> bool:
        """Check whether a cost is within the tolerance of its lower bound."""
        return bound is not None and cost - bound <= self.tolerance * (1.0 + SAME_VALUE)

    def to_dict(self) -> dict[str, Any]:
        """Return kind, amount and tolerance for JSON."""
        return {"kind": self.kind, "amount": self.amount, "tolerance": self.tolerance}


def proven_objective(known: Result) -> float:
    """Return the lower bound on the least cost of a surviving plan, or with gaps at their price; −∞ if floors fail."""
    return known.priced_bound if known.survives or known.has_priced_gaps else -math.inf


def before_tolerance_base(settings: Settings) -> Settings:
    """Return the settings of a search before the base is known, and for survival gaps: a MIP gap up to `GAP_SHARE`."""
    return replace(settings, mip_gap=min(settings.mip_gap, GAP_SHARE), tolerance=None)


@dataclass(frozen=True)
class ProvenDifference:
    """A difference of optima, such as a saving or a payment: its value for the plans found, and its proven bounds."""

    value: float
    low: float
    high: float

    @classmethod
    def of(
        cls, before: float, before_bound: float | None, after: float, after_bound: float | None
    ) -> "ProvenDifference":
        """Return the difference `after` less `before`; a lower bound is None if nothing is proven."""
        floor = -math.inf if before_bound is None else min(before_bound, before)
        least = -math.inf if after_bound is None else min(after_bound, after)
        rounding = FINEST_SHARE * max(abs(before), abs(after))
        return cls(after - before, least - before - rounding, after - floor + rounding)

    @classmethod
    def of_costs(cls, before: Result, after: Result) -> "ProvenDifference":
        """Return the difference of total costs."""
        return cls.of(before.total_cost, before.bound, after.total_cost, after.bound)

    @classmethod
    def of_gaps(cls, before: Result, after: Result) -> "ProvenDifference":
        """Return the difference of survival gaps; gaps with a price are taken as the two plans leave them."""
        first, second = (each.survival_gap if each.has_priced_gaps else each.gap_bound for each in (before, after))
        return cls.of(before.survival_gap, first, after.survival_gap, second)

    def __neg__(self) -> "ProvenDifference":
        """Return the difference taken the other way round."""
        return ProvenDifference(-self.value, -self.high, -self.low)

    @property
    def is_proven(self) -> bool:
        """Whether the sign of the difference is proven."""
        return self.low > 0.0 or self.high < 0.0

    @property
    def size(self) -> float:
        """The absolute value of the difference; 0 if its sign is not proven."""
        return abs(self.value) if self.is_proven else 0.0


def band_dict(found: ProvenDifference | None) -> dict[str, float | None] | None:
    """Return a difference for JSON: None if it is unknown, with None for a number that is not finite."""
    return None if found is None else {name: finite_or_none(value) for name, value in vars(found).items()}


@dataclass(frozen=True)
class CostTolerance:
    """The extra cost allowed over the cheapest plan: a share of the tolerance base, or an amount of money."""

    share: float | None = None
    amount: float | None = None

    @classmethod
    def parse(cls, given: "float | str | CostTolerance") -> "CostTolerance":
        """Parse a share such as ``0.02`` or ``2%``, or money as text with its suffix, such as ``20M``.

        Raises:
            ArgumentError: the text is neither.
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
        """Return the extra cost that is allowed, in money."""
        return self.amount if self.amount is not None else (self.share or 0.0) * base.amount

    def of(self, base: ToleranceBase | None) -> float:
        """Return the tolerance as a share of the tolerance base; 0 for an amount of money without a base."""
        if self.amount is None:
            return self.share or 0.0
        return self.amount / base.amount if base is not None and base.amount > 0 else 0.0
