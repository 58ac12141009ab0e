"""By how much an uncertain number changes the optimum at first order, by the dual values of the best plan.

    L(n) = f(n)·x + Σ_r y_r (b_r(n) − a_r(n)·x)      f: total cost, or the survival gap where floors fail
    x, y      the plan with its operation, and its dual values, with its integers held
    effect    L(n) − L: by how much f changes at first order where a number is at the end farther from its value

No bound: where a number moves far, the plan may become another. Dates are not seen at all: rows of other periods have
other dual values. A model is written for a number, and none is solved: of operation the terms of those processes,
segments and options that the number may change, before and after. Of shortage costs f leaves the gap out.
"""

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from optimizer import formulation
from optimizer.algorithms.problem import SearchResult
from optimizer.algorithms.workers import Memory
from optimizer.errors import InstanceError
from optimizer.instance.edits import with_numbers
from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.levers.base import Lever
from optimizer.model.builder import Mark, ModelBuilder, Scope
from optimizer.model.expressions import Expression
from optimizer.solver import Vector
from optimizer.studies.sensitivity_result import FirstOrderEffect

# Where a task keeps L of the instance as it is, by what is written of it.
BASE = "base of first-order effects"


@dataclass(frozen=True)
class DualScreen:
    """A plan with its operation and its dual values, by column and row of its model."""

    # By mark; `cheapest` are those of least cost, where `values` are those of the least gap.
    values: Mapping[Mark, float] = field(repr=False)
    cheapest: Mapping[Mark, float] = field(repr=False)
    duals: Mapping[Mark, float] = field(repr=False)
    shocks: frozenset[str]  # those whose rows have dual values, or whose floors fail
    # What the dual values are of: survival gap, total cost, or cost with gaps at their price.
    counts: Literal["gap", "cost", "priced"]

    @classmethod
    def of(cls, found: SearchResult, instance: Instance) -> "DualScreen | None":
        """That of a plan of an instance; None where it has no dual values."""
        if found.duals is None or found.values is None:
            return None
        builder, duals = found.duals.builder, found.duals
        values, cheapest = _by_mark(builder, duals.values), _by_mark(found.builder, found.values)
        priced = {row.mark: dual for row, dual in zip(builder.rows, duals.duals.tolist(), strict=True) if dual}
        shocks = _counted_shocks(instance, values, priced)
        if instance.policy.gap_price is not None:
            return cls(values, values, priced, shocks, "priced")
        if found.gap > 0:
            return cls(values, cheapest, priced, shocks, "gap")
        return cls(values, values, priced, shocks, "cost")

    def value(
        self, instance: Instance, written: frozenset[str] | None = None, *, counts_gap: bool = True
    ) -> tuple[float, float]:
        """L of the survival gap and of the total cost, money; the one that is minimised with the dual values.

        Where gaps have a price the cost is with it, and the gap is not looked at for itself: it is 0. Where `written`
        names processes, segments and options, their part of L. Without `counts_gap` all gaps are 0.
        """
        shocks = [event for event in instance.events if event.name in self.shocks]
        model = formulation.extensive_form_model(instance, shocks, Scope(has_valid_inequalities=False, parts=written))
        values = _at(model, self.values)
        rows = (row for row in model.rows if row.mark in self.duals)
        priced = sum(self.duals[row.mark] * (float(row.rhs) - Expression(row.terms).value(values)) for row in rows)
        gap = formulation.gap(model, instance).value(values) if counts_gap else 0.0
        cost = formulation.cost(model, instance, shocks).value(_at(model, self.cheapest))
        if instance.policy.gap_price is not None and self.counts == "priced":
            return 0.0, cost + priced + instance.policy.gap_price * gap
        return (gap + priced, cost) if self.counts == "gap" else (gap, cost + priced)


def _at(model: ModelBuilder, values: Mapping[Mark, float]) -> list[float]:
    """A value by mark for each column of a model; 0 where there is none."""
    return [values.get(column.mark, 0.0) for column in model.columns]


def _by_mark(builder: ModelBuilder, values: Vector) -> dict[Mark, float]:
    """The values of a model's columns."""
    return {column.mark: value for column, value in zip(builder.columns, values.tolist(), strict=False)}


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
    first, written, counts_gap = number.first, _written(instance, number), not number.is_shortage_cost
    end = 1.0 if first.high - first.value >= first.value - first.low else -1.0
    try:
        moved = screen.value(with_numbers(instance, number.at(end)), written, counts_gap=counts_gap)
    except InstanceError:
        return FirstOrderEffect(number.name, float("inf"), float("inf"))
    known = memory.setdefault(BASE, {})
    if (part := (written, counts_gap)) not in known:
        known[part] = screen.value(instance, written, counts_gap=counts_gap)
    gap, cost = (new - old for new, old in zip(moved, known[part], strict=True))
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


def split_by_dates(numbers: Sequence[UncertainNumber]) -> tuple[list[UncertainNumber], list[UncertainNumber]]:
    """The numbers with a lead time, of which dual values say nothing, and the others."""
    return [each for each in numbers if each.has_lead_time], [each for each in numbers if not each.has_lead_time]


def most_effective(effects: Sequence[FirstOrderEffect], most: int, negligible: float) -> list[str]:
    """The numbers with the largest effects: half of them on the gap, where that is above some money, half on cost.

    Those on the gap come first, the largest effect before all.
    """
    of_gap = [each.name for each in sorted(effects, key=lambda each: -abs(each.gap)) if abs(each.gap) > negligible]
    of_cost = [each.name for each in sorted(effects, key=lambda each: -abs(each.cost))]
    chosen = dict.fromkeys([*of_gap[: most // 2], *of_cost])
    return list(chosen)[:most]
