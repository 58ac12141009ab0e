"""What a sensitivity analysis returns: each uncertain number at both ends, and all of them together.

Sensitivity       the numbers, the one that decides most first, and what their sample says
TornadoBar        one number: what comes of either end (`VariantOutcome`), and where the plan changes (`SwitchingValue`)
Importance        a sample of all numbers: what the best plans come to, and how much depends on each (`Weight`)
FirstOrderEffect  what dual values say of a number that was not solved for

S1  the share of the outcome's variance that goes away on average where one number is known (the first-order index of
    Sobol'), from one Latin hypercube by RBD-FAST with its bias corrected. What the S1 of all numbers leave of 1 is what
    they do together, and noise.

Intervals are 95 %, by bootstrap from half of the sample at a time: wider than need be rather than narrower. An S1 whose
interval holds 0 is not significant; slightly negative ones are noise.

Sources: Tarantola, Gatelli, Mara: Random balance designs for the estimation of first order global sensitivity indices,
Reliability Engineering & System Safety 91, 2006; Plischke, ibid. 95, 2010; Tissot, Prieur: Bias correction, ibid. 107,
2012; as in SALib.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.results.plan import Array, ReadOnly
from optimizer.results.saved import Bands, Spread
from optimizer.studies import study_frames
from optimizer.studies.measure import ProvenDifference, ToleranceBase
from optimizer.tolerances import ROUNDING

SensitivityStatus = Literal["proven", "stopped", "none"]
# Harmonics that count.
HARMONICS = 6
RESAMPLES, LEVEL = 200, 0.95
METHOD = "Latin hypercube; S1 by RBD-FAST, bias corrected, 95 % bootstrap intervals (SALib)"


@dataclass(frozen=True)
class VariantOutcome:
    """What a what-if came to.

    Attributes:
        status: as of `WhatIfResult`; ``unusable`` where numbers do not fit each other.
        cost: total cost of the plan, present value, money.
        bound: its proven lower bound.
        gap: survival gap, money.
        gap_bound: its proven lower bound, None where gaps have a price.
        outlay: undiscounted, money.
        failed: how many shocks are not survived.
        bought: the options that are bought.
    """

    status: Literal["optimal", "stopped", "infeasible", "unusable"]
    cost: float = math.inf
    bound: float = -math.inf
    gap: float = 0.0
    outlay: float = 0.0
    failed: int = 0
    bought: frozenset[str] = frozenset()
    gap_bound: float | None = 0.0

    def dearer(self, base: "VariantOutcome") -> ProvenDifference:
        """How much more it costs than elsewhere."""
        return ProvenDifference.of(base.cost, base.bound, self.cost, self.bound)

    def worse(self, base: "VariantOutcome") -> ProvenDifference:
        """How much more of a survival gap it leaves than elsewhere; of gaps with a price, as the plans leave them."""
        first, second = (each.gap if each.gap_bound is None else each.gap_bound for each in (base, self))
        return ProvenDifference.of(base.gap, first, self.gap, second)

    @property
    def has_plan(self) -> bool:
        """Whether there is a plan to speak of."""
        return math.isfinite(self.cost)

    @property
    def is_settled(self) -> bool:
        """Whether it is known if floors can be kept; a search that was stopped may have missed the plan that does."""
        return self.status != "stopped" or (self.has_plan and self.gap <= 0)

    @property
    def state(self) -> tuple[bool, bool, frozenset[str]]:
        """What has to be the same for the plan to be the same."""
        return self.has_plan, self.gap > 0, self.bought

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is not known is null."""
        data = asdict(self) | {"bought": sorted(self.bought), "survives": self.has_plan and self.gap <= 0}
        data["status"] = "none" if self.status == "infeasible" else self.status
        return {
            key: None if isinstance(item, float) and not math.isfinite(item) else item for key, item in data.items()
        }


@dataclass(frozen=True)
class SwitchingValue:
    """Where between the value and an end the plan becomes another: still the same at `same`, another at `other`."""

    end: Literal["low", "high"]
    same: float
    other: float
    outcome: VariantOutcome


@dataclass(frozen=True)
class TornadoBar:
    """A number of the tornado: what comes of either end, and where the plan changes.

    Gaps of a number that is all shortage costs are what the plan leaves at those of the instance as it is.
    """

    number: UncertainNumber
    low: VariantOutcome
    high: VariantOutcome
    flips: tuple[SwitchingValue, ...] = ()

    def swing(self, base: VariantOutcome) -> tuple[bool, float, float]:
        """What bars are sorted by: whether survival changes, the change of the gap, the change of the cost.

        Ends that are not settled have no part in it, nor have changes that are not proven.
        """
        ends = tuple(each for each in (self.low, self.high) if each.is_settled)
        verdict = any((each.has_plan, each.gap > 0) != (base.has_plan, base.gap > 0) for each in ends)
        gaps = max((each.worse(base).size for each in ends), default=0.0)
        costs = max((each.dearer(base).size for each in ends if each.has_plan), default=0.0)
        return verdict, gaps, costs

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        inputs = [
            {"path": each.path, "low": each.low, "value": each.value, "high": each.high, "factor": each.is_factor}
            for each in self.number.inputs
        ]
        flips = [
            {"end": flip.end, "same": flip.same, "other": flip.other, "outcome": flip.outcome.to_dict()}
            for flip in self.flips
        ]
        ends = {"low": self.low.to_dict(), "high": self.high.to_dict()}
        values_as_is = self.number.is_shortage_cost
        return {"name": self.number.name, "members": inputs, "values_as_is": values_as_is, **ends, "flips": flips}


@dataclass(frozen=True)
class Weight:
    """How much the outcome depends on a number: S1, and the half width of its interval."""

    number: str
    s1: float
    margin: float

    @property
    def is_significant(self) -> bool:
        """Whether it differs from 0 by more than its margin."""
        return self.s1 > self.margin


@dataclass(frozen=True)
class Importance(ReadOnly):
    """All numbers together.

    Attributes:
        samples: how many were drawn.
        used: how many of them have a plan.
        seed: from which they were drawn.
        survived: the share of those used in which every floor is kept.
        cost: 5 %, 50 % and 95 % quantiles of the total cost, and the mean, money.
        gap: the same of the survival gap.
        outlay: the same of the outlay.
        of_cost: how much the cost depends on each number, the weightiest first.
        of_gap: the same of the gap; none where it never varies.
        bought: by option, the share of samples in which it is bought.
    """

    samples: int
    used: int
    seed: int
    survived: float
    cost: tuple[float, float, float, float]
    gap: tuple[float, float, float, float]
    of_cost: tuple[Weight, ...]
    of_gap: tuple[Weight, ...]
    bought: Mapping[str, float]
    outlay: tuple[float, float, float, float]

    @classmethod
    def of_sample(
        cls, names: Sequence[str], drawn: Array, outcomes: Array, bought: Mapping[str, float], samples: int, seed: int
    ) -> "Importance":
        """Judge a sample.

        Args:
            names: of the numbers, a column of `drawn` each.
            drawn: where in its range each number was, 0 … 1.
            outcomes: by sample cost, gap, whether floors fail, and outlay.
            bought: by option, the share of samples in which it is bought.
            samples, seed: how many were drawn, and the seed.
        """
        cost, gap = outcomes[:, 0], outcomes[:, 1]
        return cls(
            samples=samples,
            used=len(drawn),
            seed=seed,
            survived=1.0 - float(outcomes[:, 2].mean()),
            cost=_spread(cost),
            gap=_spread(gap),
            of_cost=_weights(names, drawn, cost, seed),
            of_gap=_weights(names, drawn, gap, seed),
            bought=bought,
            outlay=_spread(outcomes[:, 3]),
        )

    def bands(self, numbers: int) -> Bands:
        """The band that they make, of so many uncertain numbers."""
        cost, outlay, gap = (Spread(*getattr(self, what)) for what in ("cost", "outlay", "gap"))
        return Bands(numbers, self.samples, self.used, self.seed, self.survived, cost, outlay, gap, dict(self.bought))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts = ("p5", "p50", "p95", "mean")
        data = asdict(self) | {"method": METHOD, "bought": dict(self.bought)}
        return data | {what: dict(zip(parts, getattr(self, what), strict=True)) for what in ("cost", "gap", "outlay")}


def _spread(values: Array) -> tuple[float, float, float, float]:
    low, middle, high = (float(each) for each in np.quantile(values, (0.05, 0.5, 0.95)))
    return low, middle, high, float(values.mean())


def _weights(names: Sequence[str], drawn: Array, values: Array, seed: int) -> tuple[Weight, ...]:
    """By number, the weightiest first; none where the values are all the same."""
    size = float(np.abs(values).max(initial=0.0))
    if np.ptp(values) <= ROUNDING * max(size, ROUNDING):
        return ()
    from SALib.analyze.rbd_fast import analyze

    # Where few values differ, a resample may have none that does, and no index: then nothing is known of S1, 0 … 1.
    with np.errstate(invalid="ignore"):
        numbers = {"num_vars": len(names), "names": list(names)}
        found = analyze(
            numbers, drawn, values / size, M=HARMONICS, num_resamples=RESAMPLES, conf_level=LEVEL, seed=seed
        )
    rows = zip(names, found["S1"], np.nan_to_num(found["S1_conf"], nan=1.0), strict=True)
    weights = (Weight(name, float(s1), float(margin)) for name, s1, margin in rows)
    return tuple(sorted(weights, key=lambda weight: -weight.s1))


@dataclass(frozen=True)
class FirstOrderEffect:
    """By how much a number changes the optimum at the end farther from its value, at first order.

    `gap` and `cost` are money; where floors fail, `cost` is without what follows from the change of the gap.
    """

    name: str
    gap: float
    cost: float


@dataclass(frozen=True)
class Sensitivity:
    """The effect of each uncertain number on cost, survival and the plan.

    Attributes:
        status: ``proven``; ``stopped`` where something was left out, since the time ran out; ``none`` without any plan.
        instance: the instance.
        accuracy: to which costs are proven, a share of the tolerance base.
        resolution: how near flips are, a share of the way from the value to the end.
        base: the instance as it is.
        bars: by number, the one that decides most first.
        sampled: of all numbers together; None where it was not computed.
        tolerance_base: what costs are measured by; None without any plan.
        screened: numbers that were not solved for, judged by dual values alone; none unless asked for.
        notes: what the user should know.
    """

    status: SensitivityStatus
    instance: Instance = field(repr=False)
    accuracy: float
    resolution: float
    base: VariantOutcome
    bars: tuple[TornadoBar, ...] = ()
    sampled: Importance | None = None
    tolerance_base: ToleranceBase | None = None
    screened: tuple[FirstOrderEffect, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        flips = sum(len(bar.flips) for bar in self.bars)
        return f"<Sensitivity of {self.instance.title!r}: numbers: {len(self.bars)}; switching values: {flips}>"

    frames = property(study_frames.of_sensitivity)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "status": self.status,
            "gap": self.accuracy,
            "measure": None if self.tolerance_base is None else self.tolerance_base.to_dict(),
            "resolution": self.resolution,
            "base": self.base.to_dict(),
            "numbers": [bar.to_dict() for bar in self.bars],
            "sampled": None if self.sampled is None else self.sampled.to_dict(),
            "screened": [asdict(each) for each in self.screened],
            "notes": list(self.notes),
        }
