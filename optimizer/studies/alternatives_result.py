"""Results of a search for near-optimal alternatives: size ranges by option, plans that differ, and their frames.

Alternatives  the ranges and plans within a tolerance of the cheapest plan
SizeRange     the least and the greatest size of an option in these plans, each end with its bound (`RangeEnd`)
Alternative   one of the plans, with its distance from those before it
"""

from dataclasses import dataclass
from typing import Any, Literal

from optimizer.files import finite_or_none
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.result import Result
from optimizer.studies.cost_tolerance import ToleranceBase

AlternativesStatus = Literal["proven", "bounded", "stopped", "none"]
OptionVerdict = Literal["must-have", "real choice", "never worth it", "not settled"]
# Two plans at a smaller distance count as the same plan.
SAME_PLAN = 0.05
# Sizes are proven to this share of an option's largest.
SIZE_ACCURACY = 5e-3
# The order in which options are listed, by verdict.
OPTION_VERDICTS = ("must-have", "real choice", "not settled", "never worth it")


@dataclass(frozen=True)
class RangeEnd:
    """One end of a range: `size` is the size in a plan that was found, `bound` the proven limit for all plans.

    `bound` includes the accuracy of sizes and may therefore lie slightly beyond the largest size that the file allows.
    `proven` says that `size` and `bound` are within the accuracy of the search.
    """

    size: float
    bound: float
    proven: bool


@dataclass(frozen=True)
class SizeRange:
    """The sizes of an option in plans within the tolerance, in its own unit; of a stockpile, purchases in t.

    Sizes are sums over all years. A plan also counts as buying an option that it opens at size 0 because another
    option requires it.
    """

    option: str
    kind: str
    cheapest: float  # size in the cheapest plan
    # Over all plans.
    least: RangeEnd
    greatest: RangeEnd
    # ``must-have`` if every plan buys it, ``never worth it`` if no plan buys it, ``real choice`` if some plans buy it
    # and others do not; ``not settled`` if none of these is proven.
    verdict: OptionVerdict
    negligible: float = 0.0  # sizes up to this one count as none

    @property
    def proven(self) -> bool:
        """Whether both ends are proven."""
        return self.least.proven and self.greatest.proven


@dataclass(frozen=True)
class Alternative:
    """A plan within the tolerance, and its distance from the nearest of the plans before it."""

    result: Result
    distance: float


@dataclass(frozen=True)
class Alternatives:
    """The size ranges and alternatives within a cost tolerance of the cheapest plan.

    Attributes:
        status: ``proven`` if every range is proven, ``bounded`` if the search for an end took too long, ``stopped`` if
            the time ran out, ``none`` if there is no plan.
        within: the tolerance, a share of the tolerance base.
        cost_limit: the largest total cost that the tolerance allows, present value; where gaps have a price, the limit
            on the cost including that price (`Result.priced_cost`).
        accuracy: share of the tolerance base to which the least cost is proven.
        cheapest: the cheapest plan, audited; the reference for the tolerance.
        ranges: one for each option.
        plans: alternatives, the first the most different from the cheapest.
        plans_met: how many plans the searches found.
        seconds: duration of the study.
        tolerance_base: the amount of which tolerances are shares; None without a plan.
        size_accuracy: share of an option's largest size to which the ends of ranges are proven.
        plans_sought: how many alternatives were requested.
        notes: remarks for the user.
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
    size_accuracy: float = SIZE_ACCURACY
    plans_sought: int = 0
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Alternatives of {self.cheapest!r}: ranges: {len(self.ranges)}; plans: {len(self.plans)}>"

    @property
    def extra_cost(self) -> float:
        """The extra cost over the cheapest plan that the tolerance allows, money."""
        return self.cost_limit - self.cheapest.priced_cost

    @property
    def frames(self) -> Frames:
        """The frames by name (ranges, plans); attributes are pandas frames."""
        return Frames({"ranges": size_ranges_frame, "plans": alternative_plans_frame}, self)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual; an unknown bound is null."""
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
            "notes": list(self.notes),
        }


def _row(each: SizeRange) -> dict[str, Any]:
    def end(found: RangeEnd) -> dict[str, Any]:
        return {"size": found.size, "bound": finite_or_none(found.bound), "proven": found.proven}

    return {
        "option": each.option,
        "kind": each.kind,
        "verdict": each.verdict,
        "cheapest": each.cheapest,
        "least": end(each.least),
        "greatest": end(each.greatest),
    }


def size_ranges_frame(found: Alternatives) -> Frame:
    """Return a frame with a row per option: the least and the greatest size in any plan within the tolerance."""
    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("kind", "Lever"),
        FrameColumn("verdict", form="verdict"),
        FrameColumn("least", form="amount", of=lambda each: each.least.size),
        FrameColumn("cheapest", "Cheapest\nplan", form="amount"),
        FrameColumn("greatest", form="amount", of=lambda each: each.greatest.size),
        FrameColumn("least_bound", form="amount", is_shown=False, of=lambda each: each.least.bound),
        FrameColumn("greatest_bound", form="amount", is_shown=False, of=lambda each: each.greatest.bound),
        FrameColumn("proven", form="yes", is_shown=False),
    )
    ordered = sorted(found.ranges, key=lambda each: OPTION_VERDICTS.index(each.verdict))
    return Frame.of_items("ranges", "What they buy", ordered, columns)


def alternative_plans_frame(found: Alternatives) -> Frame:
    """Return a frame with a row per plan, the cheapest first."""
    money, cheapest = found.cheapest.money, found.cheapest.total_cost
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("total_cost", unit=money, form="exact"),
        *FrameColumn.several("amount", money, "more", "outlay"),
        *FrameColumn.several("count", "", "survived", "shocks"),
        FrameColumn("survival_gap", unit=money, form="amount"),
        FrameColumn("distance", form="amount"),
    )
    others = [(chr(ord("A") + i), each.result, each.distance) for i, each in enumerate(found.plans)]
    rows = (
        (name, each.total_cost, each.total_cost - cheapest, each.outlay, len(each.shocks_survived), len(each.shocks),
         each.survival_gap, distance)
        for name, each, distance in [("cheapest", found.cheapest, None), *others]
    )  # fmt: skip
    return Frame.of_rows("plans", "Plans that differ", columns, rows)
