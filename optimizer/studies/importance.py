"""Which uncertain numbers explain the outcome of a sample, and how certain that is; and what `sensitivity` returns.

S1     the share of the outcome's variance that goes away on average where one number is known (the first-order index of
       Sobol'), from one Latin hypercube by RBD-FAST with its bias corrected. What the S1 of all numbers leave of 1 is
       what they do together, and noise.

Intervals are 95 %, by bootstrap from half of the sample at a time: wider than need be rather than narrower. An S1 whose
interval holds 0 is not significant; slightly negative ones are noise.

Sources: Tarantola, Gatelli, Mara: Random balance designs for the estimation of first order global sensitivity indices,
Reliability Engineering & System Safety 91, 2006; Plischke, ibid. 95, 2010; Tissot, Prieur: Bias correction, ibid. 107,
2012; as in SALib.

Which numbers are worth a search at all follows from the dual values of the best plan:

    L(n) = f(n)·x + Σ_r y_r (b_r(n) − a_r(n)·x)      f: total cost, or the survival gap where floors fail
    x, y      the plan with its operation, and its dual values, with its integers held
    effect    L(n) − L: by how much f changes at first order where a number is at the end farther from its value

No bound: where a number moves far, the plan may become another. A model is written for it, and none is solved: of
operation the terms of those processes, segments and options that the number may change, before and after.
"""

import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import Any, Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.executor import Memory
from optimizer.algorithms.problem import SearchResult
from optimizer.errors import InstanceError, require_extra
from optimizer.instance.edits import with_numbers
from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.levers.base import Lever
from optimizer.model.builder import Mark, Scope
from optimizer.model.expressions import Expression
from optimizer.results.plan import Array, ReadOnly
from optimizer.results.saved import Bands, Spread
from optimizer.studies import study_frames
from optimizer.studies.measure import Measure, ProvenDifference
from optimizer.tolerances import ROUNDING

SensitivityStatus = Literal["proven", "stopped", "none"]


# Fewer samples than these say nothing.
FEWEST = 60
# Harmonics that count.
HARMONICS = 6
RESAMPLES, LEVEL = 200, 0.95
# Where a task keeps L of the instance as it is, by what is written of it.
BASE = "base of first-order effects"
METHOD = "Latin hypercube; S1 by RBD-FAST, bias corrected, 95 % bootstrap intervals (SALib)"


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
        samples, used, seed: how many were drawn; how many have a plan; from which seed.
        survived: the share of those used in which every floor is kept.
        cost, gap, outlay: 5 %, 50 % and 95 % quantiles, and the mean, money.
        of_cost, of_gap: by number, the weightiest first; of the gap none where it never varies.
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

    def bands(self, numbers: int) -> Bands:
        """The band that they make, of so many numbers with a range."""
        cost, outlay, gap = (Spread(*getattr(self, what)) for what in ("cost", "outlay", "gap"))
        return Bands(numbers, self.samples, self.used, self.seed, self.survived, cost, outlay, gap, dict(self.bought))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        parts = ("p5", "p50", "p95", "mean")
        data = asdict(self) | {"method": METHOD, "bought": dict(self.bought)}
        return data | {what: dict(zip(parts, getattr(self, what), strict=True)) for what in ("cost", "gap", "outlay")}


def shares_bought(options: Iterable[str], bought: Sequence[frozenset[str]]) -> dict[str, float]:
    """By option, in which share of samples it is bought; `bought` has the options of each sample."""
    return {o: float(np.mean([o in each for each in bought])) for o in options}


def latin_hypercube(numbers: int, samples: int, seed: int) -> Array:
    """A Latin hypercube in the unit cube: a row a sample."""
    require_extra("sensitivity", "A sample of all numbers together")
    from SALib.sample.latin import sample

    drawn: Array = sample(_problem([str(i) for i in range(numbers)]), samples, seed=seed)
    return drawn


def importance(
    names: Sequence[str], drawn: Array, outcomes: Array, bought: Mapping[str, float], samples: int, seed: int
) -> Importance:
    """Judge a sample.

    Args:
        names: of the numbers, a column of `drawn` each.
        drawn: where in its range each number was, 0 … 1.
        outcomes: by sample cost, gap, whether floors fail, and outlay.
        bought: by option, the share of samples in which it is bought.
        samples, seed: how many were drawn, and the seed.
    """
    cost, gap = outcomes[:, 0], outcomes[:, 1]
    return Importance(
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


def _problem(names: Sequence[str]) -> dict[str, Any]:
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


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
        found = analyze(
            _problem(names), drawn, values / size, M=HARMONICS, num_resamples=RESAMPLES, conf_level=LEVEL, seed=seed
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
class DualScreen:
    """A plan with its operation and its dual values, by column and row of its model."""

    # By mark.
    values: Mapping[Mark, float] = field(repr=False)
    duals: Mapping[Mark, float] = field(repr=False)
    shocks: frozenset[str]  # those whose rows have dual values, or whose floors fail
    # What the dual values are of: survival gap, total cost, or cost with gaps at their price.
    counts: Literal["gap", "cost", "priced"]

    @classmethod
    def of(cls, found: SearchResult, instance: Instance) -> "DualScreen | None":
        """That of a plan of an instance; None where it has no dual values."""
        if found.duals is None:
            return None
        builder, duals = found.duals.builder, found.duals
        values = {column.mark: value for column, value in zip(builder.columns, duals.values.tolist(), strict=False)}
        priced = {row.mark: dual for row, dual in zip(builder.rows, duals.duals.tolist(), strict=True) if dual}
        shocks = _counted_shocks(instance, values, priced)
        if instance.policy.gap_price is not None:
            return cls(values, priced, shocks, "priced")
        return cls(values, priced, shocks, "gap" if found.gap > 0 else "cost")

    def value(self, instance: Instance, written: frozenset[str] | None = None) -> tuple[float, float]:
        """L of the survival gap and of the total cost, money; the one that is minimised with the dual values.

        Where gaps have a price the cost is with it, and the gap is not looked at for itself: it is 0. Where `written`
        names processes, segments and options, their part of L.
        """
        shocks = [event for event in instance.events if event.name in self.shocks]
        model = formulation.extensive_form_model(instance, shocks, Scope(offers_valid=False, parts=written))
        values = [self.values.get(column.mark, 0.0) for column in model.columns]
        rows = (row for row in model.rows if row.mark in self.duals)
        priced = sum(self.duals[row.mark] * (float(row.rhs) - Expression(row.terms).value(values)) for row in rows)
        gap = formulation.gap(model, instance).value(values)
        cost = formulation.cost(model, instance, shocks).value(values)
        if instance.policy.gap_price is not None and self.counts == "priced":
            return 0.0, cost + priced + instance.policy.gap_price * gap
        return (gap + priced, cost) if self.counts == "gap" else (gap, cost + priced)


def _counted_shocks(instance: Instance, values: Mapping[Mark, float], priced: Mapping[Mark, float]) -> frozenset[str]:
    """The shocks with a part in L: with dual values, with demand below floors, or with a probability."""
    fails = {mark.path for mark, value in values.items() if mark.what == "below" and value > 0.0}
    likely = {event.name for event in instance.events if event.probability > 0}
    return frozenset({mark.path for mark in priced} | fails | likely)


def first_order_effect(
    memory: Memory, instance: Instance, screen: DualScreen, number: UncertainNumber, until: float = math.inf
) -> FirstOrderEffect | None:
    """A task: the effect of a number; infinite where the instance is none with it at that end; None after a time."""
    if time.time() > until:
        return None
    first, written = number.first, _written(instance, number)
    end = 1.0 if first.high - first.value >= first.value - first.low else -1.0
    try:
        moved = screen.value(with_numbers(instance, number.at(end)), written)
    except InstanceError:
        return FirstOrderEffect(number.name, float("inf"), float("inf"))
    known = memory.setdefault(BASE, {})
    if written not in known:
        known[written] = screen.value(instance, written)
    gap, cost = (new - old for new, old in zip(moved, known[written], strict=True))
    return FirstOrderEffect(number.name, gap, cost)


def _written(instance: Instance, number: UncertainNumber) -> frozenset[str] | None:
    """What has to be written for the effect of a number; None for all of it.

    L is a sum over processes, segments and options. One that the number does not belong to stays as it is, unless one
    of the two refers to the other: its rows depend on their numbers, and its columns stand in their rows.
    """
    places = {tuple(each.path.split(".")[:2]) for each in number.inputs}
    if any(place[0] not in ("processes", "demands", "options") for place in places):
        return None
    changed = {place[1] for place in places}
    named = {o: frozenset(_named(instance, option)) for o, option in instance.options.items()}
    written = changed.union(*(named[o] for o in changed & named.keys()))
    referring = {o for o, names in named.items() if names & written}
    return frozenset(written).union(_takers_of_scrap(instance, changed), referring)


def _named(instance: Instance, option: Lever) -> Iterator[str]:
    """The segments and processes that an option refers to; what it takes and gives is summed up."""
    for each in option.references():
        if each.section == "regions of processes":
            yield from (p for p, process in instance.processes.items() if process.region == each.name)
        elif each.section in ("processes", "demands"):
            yield each.name


def _takers_of_scrap(instance: Instance, segments: Collection[str]) -> Iterator[str]:
    """The activities that take the scrap of some segments: a balance without any term of a column is no row."""
    scrap = {each.end_of_life.commodity for d, each in instance.demands.items() if d in segments and each.end_of_life}
    return (o for o, each in instance.activities.items() if scrap & set(each.input))


def most_effective(effects: Sequence[FirstOrderEffect], most: int, negligible: float) -> list[str]:
    """The numbers with the largest effects: half of them on the gap, where that is above some money, half on cost.

    Those on the gap come first, the largest effect before all.
    """
    of_gap = [each.name for each in sorted(effects, key=lambda each: -abs(each.gap)) if abs(each.gap) > negligible]
    of_cost = [each.name for each in sorted(effects, key=lambda each: -abs(each.cost))]
    chosen = dict.fromkeys([*of_gap[: most // 2], *of_cost])
    return list(chosen)[:most]


@dataclass(frozen=True)
class VariantOutcome:
    """What a what-if came to.

    Attributes:
        status: as of `WhatIfResult`; ``unusable`` where numbers do not fit each other.
        cost, bound: total cost of the plan, present value, and its proven lower bound.
        gap, gap_bound: survival gap, and its proven lower bound. outlay: undiscounted. All money.
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
    gap_bound: float = 0.0

    def dearer(self, base: "VariantOutcome") -> ProvenDifference:
        """How much more it costs than elsewhere."""
        return ProvenDifference.of(base.cost, base.bound, self.cost, self.bound)

    def worse(self, base: "VariantOutcome") -> ProvenDifference:
        """How much more of a survival gap it leaves than elsewhere."""
        return ProvenDifference.of(base.gap, base.gap_bound, self.gap, self.gap_bound)

    @property
    def has_plan(self) -> bool:
        """Whether there is a plan to speak of."""
        return math.isfinite(self.cost)

    @property
    def is_settled(self) -> bool:
        """Whether it is known if floors can be kept: a search that was stopped may have missed the plan that does."""
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
    """A number of the tornado: what comes of either end, and where the plan changes."""

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
        return {"name": self.number.name, "members": inputs, **ends, "flips": flips}


@dataclass(frozen=True)
class Sensitivity:
    """The effect of each uncertain number on cost, survival and the plan.

    Attributes:
        status: ``proven``; ``stopped`` where something was left out, since the time ran out; ``none`` without any plan.
        instance: the instance. accuracy: to which costs are proven, a share of the measure.
        resolution: how near flips are, a share of the way from the value to the end.
        base: the instance as it is.
        bars: by number, the one that decides most first.
        sampled: of all numbers together; None where it was not computed.
        measure: what costs are measured by; None without any plan.
        screened: numbers that were not solved for, as their first-order effect is smaller; none unless asked for.
    """

    status: SensitivityStatus
    instance: Instance = field(repr=False)
    accuracy: float
    resolution: float
    base: VariantOutcome
    bars: tuple[TornadoBar, ...] = ()
    sampled: Importance | None = None
    measure: Measure | None = None
    screened: tuple[FirstOrderEffect, ...] = ()

    frames = property(study_frames.of_sensitivity)
    gap = property(attrgetter("accuracy"), doc="`accuracy`, by its name in 0.1.0.")

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "status": self.status,
            "gap": self.accuracy,
            "measure": None if self.measure is None else self.measure.to_dict(),
            "resolution": self.resolution,
            "base": self.base.to_dict(),
            "numbers": [bar.to_dict() for bar in self.bars],
            "sampled": None if self.sampled is None else self.sampled.to_dict(),
            "screened": [asdict(each) for each in self.screened],
        }
