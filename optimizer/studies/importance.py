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
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.executor import Memory
from optimizer.algorithms.problem import SearchResult
from optimizer.errors import InstanceError
from optimizer.instance.edits import with_numbers
from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.levers.base import Lever
from optimizer.model.builder import Mark, Scope
from optimizer.model.expressions import Expression
from optimizer.results.plan import Array
from optimizer.studies.boxes import unit_cube
from optimizer.studies.sensitivity_result import FirstOrderEffect, Importance, Weight
from optimizer.tolerances import ROUNDING

# Fewer samples than these say nothing.
FEWEST = 60
# Harmonics that count.
HARMONICS = 6
RESAMPLES, LEVEL = 200, 0.95
# Where a task keeps L of the instance as it is, by what is written of it.
BASE = "base of first-order effects"


def shares_bought(options: Iterable[str], bought: Sequence[frozenset[str]]) -> dict[str, float]:
    """By option, in which share of samples it is bought; `bought` has the options of each sample."""
    return {o: float(np.mean([o in each for each in bought])) for o in options}


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
            unit_cube(names), drawn, values / size, M=HARMONICS, num_resamples=RESAMPLES, conf_level=LEVEL, seed=seed
        )
    rows = zip(names, found["S1"], np.nan_to_num(found["S1_conf"], nan=1.0), strict=True)
    weights = (Weight(name, float(s1), float(margin)) for name, s1, margin in rows)
    return tuple(sorted(weights, key=lambda weight: -weight.s1))


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
