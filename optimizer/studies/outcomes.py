"""Outcomes of a plan for its result: the service in every shock, the effect of attacks, and the proven distance.

`survey` computes all shocks at once, in arrays; `outcomes` converts them to values of a result.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import attack_cost, excused_samples, survival_shares
from optimizer.algorithms.subproblems import BatchResponse
from optimizer.disruptions.path import Numbers
from optimizer.files import finite_or_none
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.results.plan import (
    MOST_DETAILED_SHOCKS,
    Array,
    DoNothing,
    Faced,
    Flows,
    ManyFlows,
    Outcome,
    Service,
    Weakest,
)
from optimizer.results.result import first_largest, rank, weakest, worst_at_each_start
from optimizer.solver import Clock
from optimizer.tolerances import FINE_ROUNDING, NEGLIGIBLE, ROUNDING


@dataclass(frozen=True)
class Survey:
    """Service and shortage in every shock under a plan: arrays (shocks, segments), ordered as events and demands."""

    # Shares of demand in the worst period, as `weakest` selects it.
    served: Array
    floor: Array
    worst: npt.NDArray[np.intp]  # offset of the worst period in the window
    # Demand unserved over the window, t, and the part of it below the floor, t.
    shortage: Array
    below: Array
    gap: Array  # `below` valued at the shortage cost, money
    failure: npt.NDArray[np.intp]  # offset of the first period below the floor; -1 if no period is
    short: npt.NDArray[np.bool_]  # whether any demand is unserved, apart from rounding

    @cached_property
    def margin(self) -> Array:
        """Share of demand served minus the floor, in the worst period."""
        return self.served - self.floor

    @cached_property
    def fails(self) -> npt.NDArray[np.bool_]:
        """Whether the segment falls below its floor in any period of the shock."""
        return self.below > 0

    @cached_property
    def named(self) -> npt.NDArray[np.bool_]:
        """Whether a shock's summary line names the segment: it is the weakest, fails, or has its largest shortage."""
        named = self.fails.copy()
        if named.size:
            named[np.arange(len(named)), weakest(self.margin, self.served, axis=1)] = True
            most = np.argmax(np.where(self.short, self.shortage, 0.0), axis=0), np.arange(named.shape[1])
            named[most] |= self.short[most]
        return named

    def excused(self, instance: Instance) -> npt.NDArray[np.bool_]:
        """Return, by shock, whether it is a failing sample that is allowed to fail."""
        return excused_samples(survival_shares(instance), self.gap.sum(axis=1), self.fails.any(axis=1))

    def counted_gaps(self, instance: Instance) -> Array:
        """Return the survival gap by shock, money; 0 for samples that are excused."""
        return np.where(self.excused(instance), 0.0, self.gap.sum(axis=1))


def survey(instance: Instance, evaluator: RecourseEvaluator, responses: Iterable[BatchResponse]) -> Survey:
    """Compute the survey from the responses on all shocks; below the floor, less than a millionth of demand is none."""
    shape = (len(instance.events), len(instance.demands))
    made: dict[str, Any] = {name: np.zeros(shape) for name in ("served", "floor", "shortage", "below")}
    made |= {name: np.zeros(shape, dtype=np.intp) for name in ("worst", "failure")}
    made["short"] = np.zeros(shape, dtype=np.bool_)
    by_length: dict[int, list[BatchResponse]] = {}
    for response in responses:
        by_length.setdefault(len(instance.events[response.events[0]].periods), []).append(response)
    for length, some in by_length.items():
        path, events = instance.shared(length), np.concatenate([response.events for response in some])
        which, unserved = evaluator.places[events], np.concatenate([response.unserved for response in some])
        for i, d in enumerate(instance.demands):
            demanded, floors = _period_array(path.demand[d], which), _period_array(path.floor[d], which)
            part = _segment_figures(np.maximum(unserved[:, i], 0.0), demanded, floors)
            for name, array in made.items():
                array[events, i] = part[name]
    costs = np.array([demand.shortage_cost for demand in instance.demands.values()])
    return Survey(**made, gap=made["below"] * costs)


def _period_array(numbers: Numbers, which: npt.NDArray[np.intp]) -> Array:
    """Return numbers of a shared path for the shocks at the places `which`, as an array (shocks, periods)."""
    columns = [number[which] if isinstance(number, np.ndarray) else np.full(len(which), number) for number in numbers]
    return np.stack(columns, axis=1)


def _segment_figures(unserved: Array, demanded: Array, floors: Array) -> Mapping[str, npt.NDArray[Any]]:
    """Compute the fields of `Survey` for one segment, each (shocks,), from arrays (shocks, periods)."""
    served = 1.0 - np.divide(unserved, demanded, out=np.zeros_like(demanded), where=demanded > 0)
    short = unserved - (1.0 - floors) * demanded
    fails = short > NEGLIGIBLE * demanded
    worst = weakest(served - floors, served, axis=1)
    shocks = np.arange(len(demanded))
    return {
        "served": served[shocks, worst],
        "floor": floors[shocks, worst],
        "worst": worst,
        "shortage": unserved.sum(axis=1),
        "below": np.where(fails, short, 0.0).sum(axis=1),
        "failure": np.where(fails.any(axis=1), np.argmax(fails, axis=1), -1),
        "short": unserved.sum(axis=1) > ROUNDING * demanded.sum(axis=1),
    }


def outcomes(
    instance: Instance, surveyed: Survey, costs: Array, many: Sequence[ManyFlows] = (), in_model: Collection[str] = ()
) -> tuple[Outcome, ...]:
    """Return the outcome of every shock, in the order of the events, with flows for at most `MOST_DETAILED_SHOCKS`.

    Args:
        instance: an instance with one future.
        surveyed: service and shortages of all shocks under the plan.
        costs: by shock, present value of its operation and of all unserved demand, including that above floors.
        many: the flows of all shocks; empty for outcomes without flows.
        in_model: names of the shocks in the model; their flows are kept first, then those of the worst other shocks.
    """
    place = {name: (flows, i) for flows in many for i, name in enumerate(flows.names)}
    kept = {instance.events[s].name for s in _shocks_with_flows(instance, surveyed, in_model)} & place.keys()
    flows_of = {name: place[name][0].at(place[name][1]) for name in kept}
    excused = surveyed.excused(instance).tolist()
    return tuple(
        _outcome(instance, surveyed, s, float(costs[s]), flows_of.get(event.name), excused=excused[s])
        for s, event in enumerate(instance.events)
    )


def _shocks_with_flows(instance: Instance, surveyed: Survey, in_model: Collection[str]) -> list[int]:
    """Return the indices of the shocks whose flows are kept: first those in the model, by gap, then by margin."""
    is_other = np.array([event.name not in in_model for event in instance.events])
    ranks = rank(surveyed.margin, surveyed.served).min(axis=1, initial=np.inf)
    # Ranks that differ only by rounding are ties; ties keep the order of the file.
    order = np.lexsort((np.round(ranks, 6), -surveyed.gap.sum(axis=1), is_other))
    return [int(number) for number in order[:MOST_DETAILED_SHOCKS]]


def _outcome(
    instance: Instance, surveyed: Survey, s: int, cost: float, flows: Flows | None, *, excused: bool
) -> Outcome:
    event, label = instance.events[s], instance.horizon.label
    shown = np.ones_like(surveyed.named[s]) if flows else surveyed.named[s]
    short = {d: float(surveyed.shortage[s, i]) for i, d in enumerate(instance.demands) if surveyed.short[s, i]}
    return Outcome(
        name=event.name,
        survives=not surveyed.fails[s].any(),
        gap=float(surveyed.gap[s].sum()),
        cost=cost,
        first=label(event.periods[0]),
        last=label(event.periods[-1]),
        probability=event.probability,
        segments={d: _service(instance, surveyed, s, i) for i, d in enumerate(instance.demands) if shown[i]},
        flows=flows,
        unserved=None if flows else short,
        excused=excused,
    )


def _service(instance: Instance, surveyed: Survey, s: int, i: int) -> Service:
    periods, label = instance.events[s].periods, instance.horizon.label
    failure = int(surveyed.failure[s, i])
    return Service(
        floor=float(surveyed.floor[s, i]),
        worst_service=float(surveyed.served[s, i]),
        worst_period=label(periods[int(surveyed.worst[s, i])]),
        shortage=float(surveyed.shortage[s, i]),
        below_floor=float(surveyed.below[s, i]),
        gap=float(surveyed.gap[s, i]),
        first_failure=None if failure < 0 else label(periods[failure]),
    )


def services(instance: Instance, surveyed: Survey) -> dict[str, Weakest]:
    """Return the worst service of each segment over all shocks, by segment; empty if there are no shocks."""
    if not instance.events:
        return {}
    worst = weakest(surveyed.margin, surveyed.served, axis=0)
    failed = surveyed.fails.sum(axis=0)
    found = {}
    for i, d in enumerate(instance.demands):
        s = int(worst[i])
        service = _service(instance, surveyed, s, i)
        name = instance.events[s].name
        found[d] = Weakest(name, service.worst_period, service.worst_service, service.floor, int(failed[i]))
    return found


def do_nothing_outcome(instance: Instance, evaluator: RecourseEvaluator, clock: Clock) -> DoNothing:
    """Return the survival gap of the do-nothing plan; with `counted` if samples may fail."""
    surveyed = survey(instance, evaluator, evaluator.do_nothing_responses(clock))
    excused = surveyed.excused(instance)
    found = _shortage_of(instance, surveyed, np.ones_like(excused))
    return replace(found, counted=_shortage_of(instance, surveyed, ~excused)) if survival_shares(instance) else found


def _shortage_of(instance: Instance, surveyed: Survey, counts: npt.NDArray[np.bool_]) -> DoNothing:
    """Return the total and the worst survival gap over the shocks for which `counts` is true."""
    gaps, fails = np.where(counts, surveyed.gap.sum(axis=1), 0.0), counts & surveyed.fails.any(axis=1)
    worst = worst_failing_shock(gaps, fails)
    return DoNothing(
        gap=float(gaps.sum()),
        below_floor=float(surveyed.below[counts].sum()),
        shocks_failed=int(fails.sum()),
        worst_shock=None if worst is None else instance.events[worst].name,
        worst_gap=0.0 if worst is None else float(gaps[worst]),
    )


def worst_failing_shock(gaps: Array, fails: npt.NDArray[np.bool_]) -> int | None:
    """Return the index of the failing shock with the largest gap, or of the first failing one if all gaps are 0."""
    worst = first_largest(np.where(fails, gaps, 0.0).tolist())
    return int(np.argmax(fails)) if worst is None and fails.any() else worst


def with_worst_attack(faced: Faced, outcomes: Iterable[Outcome]) -> Faced:
    """Add the worst attack to the adversary, and the sum of the largest gaps at each start."""
    worst = worst_at_each_start(faced, outcomes)
    broken = next((each.name for each in worst if each.fails), None)
    return replace(faced, worst=broken, gap=math.fsum(each.gap for each in worst))


def with_costs(instance: Instance, faced: Faced | None, plan: ModelBuilder, columns: Sequence[float]) -> Faced | None:
    """Add the adversary's cost of each attack under a plan, given as column values of its first-stage model."""
    adversary, costs = instance.adversary, dict[str, float]()
    if faced is None or adversary is None:
        return faced
    for name in (*faced.attacks, *faced.deterred):
        made = adversary.attack(name, instance.horizon)
        if made is not None:
            costs[name] = attack_cost(plan, columns, adversary, made)
    return replace(faced, costs=costs)


def proven_gap(instance: Instance, gap: float, bound: float) -> float | None:
    """Return the proven lower bound of a survival gap; None if none is proven, or if gaps have a price."""
    return finite_or_none(min(bound, gap)) if instance.policy.gap_price is None else None


def relative_distance(
    cost: float,
    bound: float | None,
    gap: float,
    gap_bound: float | None,
    negligible: float = 0.0,
    priced: float | None = None,
) -> float | None:
    """Return the relative distance to the bound, the larger of cost and gap; None if a bound is unknown.

    A distance in cost of at most `negligible`, money, counts as 0, as does one of rounding errors. `priced` is the cost
    of gaps that have a price: it is added to the cost, and the gap itself is not compared.
    """
    if priced is not None and bound is not None:
        cost, bound, gap = cost + priced, bound + priced, 0.0
    if bound is None or (gap > 0 and gap_bound is None):
        return None
    of_cost = (cost - bound) / abs(cost) if cost and cost - bound > negligible else 0.0
    of_gap = (gap - (gap_bound or 0.0)) / gap if gap > 0 else 0.0
    return max(0.0, of_cost, of_gap) * (max(of_cost, of_gap) > FINE_ROUNDING)
