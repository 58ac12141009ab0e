"""Result of a sensitivity analysis: each uncertain number at both ends, a sample of all numbers, and their frames.

Sensitivity       all numbers, the most influential first, and the sample
TornadoBar        one number: the outcome at either end (`VariantOutcome`), and the switching values (`SwitchingValue`)
Importance        a sample of all numbers: quantiles of the best plans, and the weight of each number (`Weight`)
FirstOrderEffect  the linear effect of a number that was not solved for

S1  the share of the outcome's variance that vanishes on average if one number is known (the first-order index of
    Sobol'), from one Latin hypercube by RBD-FAST with bias correction. The difference of 1 and the sum of all S1 is due
    to interactions, and noise.

Intervals are 95 %, by bootstrap with half of the sample at a time, so that they are conservative. An S1 is significant
if its interval does not contain 0; slightly negative ones are noise.

Sources: Tarantola, Gatelli, Mara: Random balance designs for the estimation of first order global sensitivity indices,
Reliability Engineering & System Safety 91, 2006; Plischke, ibid. 95, 2010; Tissot, Prieur: Bias correction, ibid. 107,
2012; as in SALib.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from optimizer.files import finite_or_none
from optimizer.instance.ranges import UncertainNumber, numbers_of
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.plan import Array, ReadOnly
from optimizer.results.result import price_of_survival
from optimizer.results.saved import Bands, Spread, bought_in_samples_frame
from optimizer.studies.boxes import CONFIDENCE
from optimizer.studies.comparison import union
from optimizer.studies.cost_tolerance import ProvenDifference, ToleranceBase
from optimizer.tolerances import POSITIVE, ROUNDING

SensitivityStatus = Literal["proven", "stopped", "none"]
# Number of harmonics that RBD-FAST uses.
HARMONICS = 6
RESAMPLES = 200
METHOD = "Latin hypercube; S1 by RBD-FAST, bias corrected, 95 % bootstrap intervals (SALib)"


@dataclass(frozen=True)
class NoShockCost:
    """Cost of the no-shock plan with changed numbers, and its proven lower bound; present value, money."""

    cost: float
    bound: float
    # Whether it is that of the unchanged instance, for the numbers count in shocks alone: it cancels in differences.
    is_unchanged: bool = False


@dataclass(frozen=True)
class VariantOutcome:
    """Outcome of the best plan with changed numbers."""

    # Status of the `WhatIfResult`; ``unusable`` if the numbers make the instance invalid.
    status: Literal["optimal", "stopped", "infeasible", "unusable"]
    cost: float = math.inf  # total cost of the plan, present value, money
    bound: float = -math.inf  # proven lower bound of the cost
    gap: float = 0.0  # survival gap, money
    outlay: float = 0.0  # undiscounted outlay, money
    failed: int = 0  # number of shocks that are not survived
    bought: frozenset[str] = frozenset()  # the options that are bought
    gap_bound: float | None = 0.0  # proven lower bound of the gap; None if gaps have a price
    # The no-shock plan's cost with the same numbers; None if it was not computed, or if nothing can disrupt.
    no_shock: NoShockCost | None = None

    @property
    def price_of_survival(self) -> float | None:
        """The total cost less that of the no-shock plan, with the same numbers; None if the latter is unknown."""
        return price_of_survival(self.cost, self.no_shock.cost) if self.no_shock and self.has_plan else None

    @property
    def proven_price(self) -> ProvenDifference:
        """The price of survival with its proven bounds; unbounded if it is unknown."""
        if self.no_shock is None or not self.has_plan:
            return _UNKNOWN
        return ProvenDifference.of(self.no_shock.cost, self.no_shock.bound, self.cost, self.bound)

    def price_change(self, base: "VariantOutcome") -> ProvenDifference:
        """Return the change of the price of survival from the base, with its proven bounds; unbounded if unknown."""
        if self.no_shock is not None and self.no_shock.is_unchanged:
            return self.cost_change(base)
        here, before = self.proven_price, base.proven_price
        return ProvenDifference(here.value - before.value, here.low - before.high, here.high - before.low)

    def leading_change(self, base: "VariantOutcome") -> ProvenDifference:
        """Return the change that ranks numbers: of the price of survival, or of the cost if the base has no price."""
        return self.cost_change(base) if base.no_shock is None else self.price_change(base)

    def cost_change(self, base: "VariantOutcome") -> ProvenDifference:
        """Return the change of cost from the base, with its proven bounds."""
        return ProvenDifference.of(base.cost, base.bound, self.cost, self.bound)

    def gap_change(self, base: "VariantOutcome") -> ProvenDifference:
        """Return the change of the survival gap from the base, with its bounds; exact if gaps have a price."""
        first, second = (each.gap if each.gap_bound is None else each.gap_bound for each in (base, self))
        return ProvenDifference.of(base.gap, first, self.gap, second)

    @property
    def has_plan(self) -> bool:
        """Whether a plan was found."""
        return math.isfinite(self.cost)

    @property
    def is_settled(self) -> bool:
        """Whether it is known if floors can be kept; a stopped search may have missed the plan that keeps them."""
        return self.status != "stopped" or (self.has_plan and self.gap <= 0)

    def is_alike(self, base: "VariantOutcome") -> bool:
        """Whether there is a plan, and floors hold or fail as in the base."""
        return self.has_plan and (self.gap > 0) == (base.gap > 0)

    @property
    def state(self) -> tuple[bool, bool, frozenset[str]]:
        """Whether there is a plan, whether floors fail, and the options bought; equal for equal plans."""
        return self.has_plan, self.gap > 0, self.bought

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome for JSON, with None in place of numbers that are not finite."""
        data = asdict(self) | {"bought": sorted(self.bought), "survives": self.has_plan and self.gap <= 0}
        calm = data.pop("no_shock") or {"cost": None, "bound": None}
        data |= {"no_shock_cost": calm["cost"], "no_shock_bound": calm["bound"]}
        data["price_of_survival"] = self.price_of_survival
        data["status"] = "none" if self.status == "infeasible" else self.status
        data["gap"] = self.gap if self.gap > POSITIVE else 0.0
        return {key: finite_or_none(item) for key, item in data.items()}


# A price of survival of which nothing is known.
_UNKNOWN = ProvenDifference(math.nan, -math.inf, math.inf)


@dataclass(frozen=True)
class SwitchingValue:
    """Interval between value and end in which the plan changes: unchanged at `same`, changed at `other`."""

    end: Literal["low", "high"]
    same: float
    other: float
    outcome: VariantOutcome


@dataclass(frozen=True)
class TornadoBar:
    """One number of the tornado: the outcomes at both ends, and the switching values.

    Gaps of a number that consists of shortage costs are valued at the shortage costs of the unchanged instance.
    """

    number: UncertainNumber
    low: VariantOutcome
    high: VariantOutcome
    flips: tuple[SwitchingValue, ...] = ()

    def effect(self, base: VariantOutcome) -> tuple[bool, float, float, float]:
        """Return whether survival changes, and the largest changes of gap, price of survival and cost: the sort key.

        Ends that are not settled and changes that are not proven are ignored.
        """
        ends = tuple(each for each in (self.low, self.high) if each.is_settled)
        verdict = any((each.has_plan, each.gap > 0) != (base.has_plan, base.gap > 0) for each in ends)
        gaps = max((each.gap_change(base).size for each in ends), default=0.0)
        plans = [each for each in ends if each.has_plan]
        prices = max((each.price_change(base).size for each in plans), default=0.0)
        costs = max((each.cost_change(base).size for each in plans), default=0.0)
        return verdict, gaps, prices, costs

    def to_dict(self) -> dict[str, Any]:
        """Return the bar for JSON."""
        inputs = [
            {"path": each.path, "low": each.low, "value": each.value, "high": each.high, "factor": each.is_factor}
            for each in self.number.inputs
        ]
        flips = [vars(flip) | {"outcome": flip.outcome.to_dict()} for flip in self.flips]
        ends = {"low": self.low.to_dict(), "high": self.high.to_dict()}
        values_as_is = self.number.is_shortage_cost
        return {"name": self.number.name, "members": inputs, "values_as_is": values_as_is, **ends, "flips": flips}


@dataclass(frozen=True)
class Weight:
    """Dependence of an outcome on a number: S1, and the half width of its interval."""

    number: str
    s1: float
    margin: float

    @property
    def is_significant(self) -> bool:
        """Whether S1 exceeds 0 by more than its margin."""
        return self.s1 > self.margin


@dataclass(frozen=True)
class Importance(ReadOnly):
    """Results of a sample of all uncertain numbers together."""

    samples: int  # number of samples drawn
    used: int  # number of samples with a plan whose search proved whether floors can be kept; all figures are of these
    seed: int  # seed of the draws
    survived: float  # the share of used samples in which every floor holds
    cost: tuple[float, float, float, float]  # 5 %, 50 % and 95 % quantiles and the mean of the total cost, money
    gap: tuple[float, float, float, float]  # those of the survival gap, money
    of_cost: tuple[Weight, ...]  # dependence of the cost on each number, the largest first
    of_gap: tuple[Weight, ...]  # that of the gap; empty if the gap does not vary
    bought: Mapping[str, float]  # by option, the share of samples in which it is bought
    outlay: tuple[float, float, float, float]  # quantiles and mean of the outlay, as of the cost, money

    @classmethod
    def of_sample(
        cls, names: Sequence[str], drawn: Array, outcomes: Array, bought: Mapping[str, float], samples: int, seed: int
    ) -> "Importance":
        """Compute quantiles and weights from the outcomes of a sample.

        Args:
            names: names of the numbers, one for each column of `drawn`.
            drawn: position of each number in its range, 0 … 1, as an array (samples, numbers).
            outcomes: cost, gap, whether floors fail, and outlay, as an array (samples, 4).
            bought: by option, the share of samples in which it is bought.
            samples, seed: number of samples drawn, and the seed.
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
        """Return the bands of a result, given the count of uncertain numbers."""
        cost, outlay, gap = (Spread(*getattr(self, what)) for what in ("cost", "outlay", "gap"))
        return Bands(numbers, self.samples, self.used, self.seed, self.survived, cost, outlay, gap, dict(self.bought))

    def to_dict(self) -> dict[str, Any]:
        """Return the results for JSON."""
        parts = ("p5", "p50", "p95", "mean")
        data = asdict(self) | {"method": METHOD, "bought": dict(self.bought)}
        return data | {what: dict(zip(parts, getattr(self, what), strict=True)) for what in ("cost", "gap", "outlay")}


def _spread(values: Array) -> tuple[float, float, float, float]:
    low, middle, high = (float(each) for each in np.quantile(values, (0.05, 0.5, 0.95)))
    return low, middle, high, float(values.mean())


def _weights(names: Sequence[str], drawn: Array, values: Array, seed: int) -> tuple[Weight, ...]:
    """Return the weight of each number, the largest first; empty if all values are equal."""
    size = float(np.abs(values).max(initial=0.0))
    if np.ptp(values) <= ROUNDING * max(size, ROUNDING):
        return ()
    from SALib.analyze.rbd_fast import analyze

    # If few values differ, all values of a resample may be equal and its S1 undefined: the margin is then 1, the range.
    with np.errstate(invalid="ignore"):
        numbers = {"num_vars": len(names), "names": list(names)}
        found = analyze(
            numbers, drawn, values / size, M=HARMONICS, num_resamples=RESAMPLES, conf_level=CONFIDENCE, seed=seed
        )
    rows = zip(names, found["S1"], np.nan_to_num(found["S1_conf"], nan=1.0), strict=True)
    weights = (Weight(name, float(s1), float(margin)) for name, s1, margin in rows)
    return tuple(sorted(weights, key=lambda weight: -weight.s1))


@dataclass(frozen=True)
class FirstOrderEffect:
    """Linear effect of a number on the optimum: its derivative times the way to the end farther from its value.

    `gap`, `cost` and `price`, that on the price of survival, are money; None if the number has no linear effect. If
    floors fail in a large model, `cost` is the change of cost with plan and operation fixed, and `price` is None.
    """

    name: str
    gap: float | None
    cost: float | None
    price: float | None = None

    @property
    def is_judged(self) -> bool:
        """Whether a linear effect was computed."""
        return self.gap is not None

    @property
    def size(self) -> tuple[float, float]:
        """Absolute changes of the gap and of the price of survival, or of the cost; infinite if not judged."""
        ranked = self.cost if self.price is None else self.price
        gap, size = (math.inf if change is None else abs(change) for change in (self.gap, ranked))
        return gap, size


@dataclass(frozen=True)
class Sensitivity:
    """The effect of each uncertain number on cost, survival and the plan.

    Attributes:
        status: ``proven``; ``stopped`` if parts are missing since the time ran out; ``none`` if there is no plan.
        instance: the unchanged instance.
        accuracy: accuracy of proven costs, as a share of the tolerance base.
        resolution: precision of switching values, as a share of the distance from the value to the end.
        base: outcome of the unchanged instance.
        bars: the bar of each number, the most influential first.
        sampled: results of the sample of all numbers; None if it was not computed.
        tolerance_base: the amount of which `accuracy` is a share; None if there is no plan.
        screened: linear effects of the numbers that were not solved for; empty unless `most` was given.
        notes: remarks for the user.
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

    @property
    def frames(self) -> Frames:
        """The frames by name (ends, switching, importance, bought_in_samples); attributes are pandas frames."""
        bought = self.sampled.bought if self.sampled else {}
        makers = {
            "ends": tornado_ends_frame,
            "switching": switching_values_frame,
            "importance": importance_frame,
            "bought_in_samples": lambda found: bought_in_samples_frame(bought, found.base.bought),
        }
        return Frames(makers, self)

    @property
    def missed(self) -> tuple[UncertainNumber, ...]:
        """The numbers that were not looked at before the search was stopped."""
        reached = {*(bar.number.name for bar in self.bars), *(each.name for each in self.screened)}
        return tuple(each for each in numbers_of(self.instance.uncertain) if each.name not in reached)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
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


def tornado_ends_frame(found: Sensitivity) -> Frame:
    """Return a frame with a row per uncertain number and end: the outcome of the plan with the number at that end."""
    money = found.instance.money
    columns = (
        FrameColumn("number", is_index=True),
        FrameColumn("end", is_index=True),
        FrameColumn("value", form="amount"),
        FrameColumn("status"),
        FrameColumn("cost", unit=money, form="exact"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("shocks_failed", form="count"),
        *FrameColumn.several("exact", money, "no_shock_cost", "price_of_survival"),
    )

    def figures(end: VariantOutcome) -> tuple[float | None, ...]:
        if not end.has_plan:
            return (None,) * 5
        return end.cost, end.gap, end.failed, end.no_shock.cost if end.no_shock else None, end.price_of_survival

    rows = (
        (bar.number.name, name, value, end.status, *figures(end))
        for bar in found.bars
        for name, value, end in (("low", bar.number.first.low, bar.low), ("high", bar.number.first.high, bar.high))
    )
    return Frame.of_rows("ends", "Each number alone", columns, rows)


def switching_values_frame(found: Sensitivity) -> Frame:
    """Return a frame with a row per switching value: the values of a number between which the plan changes."""
    columns = (
        FrameColumn("number", "Uncertain number", is_index=True, of=lambda pair: pair[0].number.name),
        FrameColumn("end", is_index=True, is_shown=False, of=lambda pair: pair[1].end),
        FrameColumn("value", form="exact", of=lambda pair: pair[0].number.moving_to(pair[1].end).value),
        FrameColumn("same", "Changes\nbetween", form="exact", of=lambda pair: pair[1].same),
        FrameColumn("other", form="exact", is_shown=False, of=lambda pair: pair[1].other),
        FrameColumn("status", of=lambda pair: pair[1].outcome.status),
    )
    pairs = ((bar, flip) for bar in found.bars for flip in bar.flips)
    return Frame.of_items("switching", "Where the plan changes", pairs, columns)


def importance_frame(found: Sensitivity) -> Frame:
    """Return a frame with a row per uncertain number: first-order indices of cost and gap, and their half widths."""
    sampled = found.sampled
    columns = (
        FrameColumn("number", "Uncertain number", is_index=True),
        FrameColumn("s1_cost", "S1 of the cost", "share", "amount"),
        FrameColumn("margin_cost", unit="share", form="amount", is_shown=False),
        FrameColumn("s1_gap", "S1 of the gap", "share", "amount"),
        FrameColumn("margin_gap", unit="share", form="amount", is_shown=False),
    )
    of_cost = {} if sampled is None else {each.number: (each.s1, each.margin) for each in sampled.of_cost}
    of_gap = {} if sampled is None else {each.number: (each.s1, each.margin) for each in sampled.of_gap}
    none = (None, None)
    rows = ((name, *of_cost.get(name, none), *of_gap.get(name, none)) for name in union([of_cost, of_gap]))
    return Frame.of_rows("importance", "What the outcome depends on", columns, rows)
