"""What a search for near-optimal alternatives returns: how much of each option they buy, and plans that differ.

Alternatives  the plans within a tolerance of the cheapest
SizeRange     how little and how much of an option they buy, each end with its bound (`RangeEnd`)
Alternative   one of the plans, and how far it is from those before it
"""

from dataclasses import dataclass
from typing import Any, Literal

from optimizer.results.result import Result
from optimizer.studies import study_frames
from optimizer.studies.measure import ToleranceBase

AlternativesStatus = Literal["proven", "bounded", "stopped", "none"]
OptionClass = Literal["must-have", "real choice", "never worth it", "not settled"]
# A plan nearer to another than this is the same plan.
SAME_PLAN = 0.05
# Sizes are proven to this share of an option's largest.
SIZE_GAP = 5e-3


@dataclass(frozen=True)
class RangeEnd:
    """One end of a range: what a plan that was found buys, and what no plan goes beyond.

    `bound` has the accuracy of sizes in it, so that it may lie a little beyond the largest size that the file allows.
    `proven` says that the two are as near as the search asks.
    """

    size: float
    bound: float
    proven: bool


@dataclass(frozen=True)
class SizeRange:
    """What plans within the tolerance buy of an option, in its own unit; of a stockpile t over all years.

    A plan also buys an option that it opens at size 0 because another one requires it.
    """

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
        within: the tolerance, a share of the tolerance base.
        cost_limit: the largest total cost that it allows, present value; where gaps have a price, of the cost and that
            price together (`Result.priced_cost`).
        accuracy: to which the least cost is proven, a share of the tolerance base.
        cheapest: the plan that all are measured against, audited.
        ranges: by option.
        plans: alternatives, the first the most different from the cheapest.
        plans_met: how many plans were looked at.
        seconds: that all of it took.
        tolerance_base: what tolerances are shares of; None without a plan.
        size_accuracy: to which ends of ranges are proven, a share of an option's largest size.
        plans_sought: how many alternatives were asked for.
    """

    status: AlternativesStatus
    within: float
    cost_limit: float
    accuracy: float
    cheapest: Result
    ranges: tuple[SizeRange, ...] = ()
    plans: tuple[Alternative, ...] = ()
    plans_met: int = 0
    seconds: float = 0.0
    tolerance_base: ToleranceBase | None = None
    size_accuracy: float = SIZE_GAP
    plans_sought: int = 0

    def __repr__(self) -> str:
        return f"<Alternatives of {self.cheapest!r}: ranges: {len(self.ranges)}; plans: {len(self.plans)}>"

    @property
    def extra_cost(self) -> float:
        """How much dearer than the cheapest a plan may be, money."""
        return self.cost_limit - self.cheapest.priced_cost

    frames = property(study_frames.of_alternatives)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual; a bound that is not known is null."""
        has_plan = self.cheapest.baseline is not None
        return {
            "instance": self.cheapest.title,
            "currency": self.cheapest.currency,
            "status": self.status,
            "within": self.within,
            "gap": self.accuracy,
            "most": self.cost_limit if has_plan else None,
            "more": self.extra_cost if has_plan else None,
            "measure": None if self.tolerance_base is None else self.tolerance_base.to_dict(),
            "options": [_row(each) for each in self.ranges],
            "cheapest": self.cheapest.to_dict(whole=False),
            "plans": [{"distance": each.distance, **each.result.to_dict(whole=False)} for each in self.plans],
            "met": self.plans_met,
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
