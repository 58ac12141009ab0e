"""What the flows of a plan mean: the service in every shock, and shortages and sources in the baseline.

`survey` computes all shocks at once, in arrays; `outcomes` and `shock_lines` make the values of a result from them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.batches import BatchResponse
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.disruptions.shock import Numbers
from optimizer.instance.derived import excused_samples, survival_shares
from optimizer.instance.schema import Instance
from optimizer.results.plan import (
    MOST_DETAILED_SHOCKS,
    ActualOutput,
    Array,
    Flows,
    Lack,
    ManyFlows,
    Nothing,
    Outcome,
    Service,
    SourceShare,
    Weakest,
)
from optimizer.results.ranking import first_largest, rank, weakest
from optimizer.tolerances import NEGLIGIBLE, ROUNDING


@dataclass(frozen=True)
class Survey:
    """Every shock under a plan: arrays (shocks, segments), in the order of the events and of the demands.

    Attributes:
        served, floor: shares in the worst period, the `weakest`.
        worst: that period's offset in the window.
        shortage, below: t unserved over the window, and t of that below the floor.
        gap: below, valued at the shortage cost.
        failure: offset of the first period below the floor; -1 where there is none.
    """

    served: Array
    floor: Array
    worst: npt.NDArray[np.intp]
    shortage: Array
    below: Array
    gap: Array
    failure: npt.NDArray[np.intp]

    @cached_property
    def margin(self) -> Array:
        """Service less floor in the worst period."""
        return self.served - self.floor

    @cached_property
    def fails(self) -> npt.NDArray[np.bool_]:
        """Whether a segment falls below its floor."""
        return self.below > 0

    def excused(self, instance: Instance) -> npt.NDArray[np.bool_]:
        """By shock, whether it is a sample that fails and may."""
        return excused_samples(survival_shares(instance), self.gap.sum(axis=1), self.fails.any(axis=1))

    def counted_gaps(self, instance: Instance) -> Array:
        """By shock, its survival gap, money; 0 of samples that fail and may."""
        return np.where(self.excused(instance), 0.0, self.gap.sum(axis=1))


def survey(instance: Instance, evaluator: RecourseEvaluator, replies: Iterable[BatchResponse]) -> Survey:
    """What the unserved demand in the replies about all shocks means. Below a millionth of demand it is none."""
    shape = (len(instance.events), len(instance.demands))
    made: dict[str, Any] = {name: np.zeros(shape) for name in ("served", "floor", "shortage", "below")}
    made |= {name: np.zeros(shape, dtype=np.intp) for name in ("worst", "failure")}
    by_length: dict[int, list[BatchResponse]] = {}
    for reply in replies:
        by_length.setdefault(len(instance.events[reply.events[0]].periods), []).append(reply)
    for length, some in by_length.items():
        path, events = instance.shared(length), np.concatenate([reply.events for reply in some])
        which, unserved = evaluator.places[events], np.concatenate([reply.unserved for reply in some])
        for i, d in enumerate(instance.demands):
            demanded, floors = _table(path.demand[d], which), _table(path.floor[d], which)
            part = _segment_figures(np.maximum(unserved[:, i], 0.0), demanded, floors)
            for name, array in made.items():
                array[events, i] = part[name]
    costs = np.array([demand.shortage_cost for demand in instance.demands.values()])
    return Survey(**made, gap=made["below"] * costs)


def _table(numbers: Numbers, which: npt.NDArray[np.intp]) -> Array:
    """Numbers of a shared path as an array (shocks, periods), of some of its shocks."""
    columns = [number[which] if isinstance(number, np.ndarray) else np.full(len(which), number) for number in numbers]
    return np.stack(columns, axis=1)


def _segment_figures(unserved: Array, demanded: Array, floors: Array) -> Mapping[str, Array | npt.NDArray[np.intp]]:
    """One segment's figures in some shocks, each array (shocks,), from arrays (shocks, periods)."""
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
    }


def outcomes(
    instance: Instance, surveyed: Survey, many: Sequence[ManyFlows], costs: Array, written: Iterable[str]
) -> tuple[Outcome, ...]:
    """Every shock as the report shows it, in the order of the events.

    Args:
        instance: the instance.
        surveyed: what the plan's flows mean.
        many: the flows of all shocks.
        costs: by shock, present value of its operation.
        written: shocks that the model holds; their flows are kept first, then those of the worst.
    """
    place = {name: (flows, i) for flows in many for i, name in enumerate(flows.names)}
    full = frozenset(_shocks_with_flows(instance, surveyed, frozenset(written)))
    made = []
    for s, event in enumerate(instance.events):
        flows, i = place[event.name]
        made.append(_outcome(instance, surveyed, s, float(costs[s]), flows.at(i) if s in full else None))
    return _with_excuses(instance, surveyed, made)


def _with_excuses(instance: Instance, surveyed: Survey, made: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """Outcomes of all shocks that say which of them fail and may."""
    excused = surveyed.excused(instance).tolist()
    return tuple(replace(each, excused=may) if may else each for each, may in zip(made, excused, strict=True))


def _shocks_with_flows(instance: Instance, surveyed: Survey, written: frozenset[str]) -> list[int]:
    """The numbers of the shocks whose flows are kept: the written, the larger gap, the weaker service first."""
    is_other = np.array([event.name not in written for event in instance.events])
    ranks = rank(surveyed.margin, surveyed.served).min(axis=1, initial=np.inf)
    # Ranks that differ by rounding are the same: then the order of the file counts.
    order = np.lexsort((np.round(ranks, 6), -surveyed.gap.sum(axis=1), is_other))
    return [int(number) for number in order[:MOST_DETAILED_SHOCKS]]


def _outcome(instance: Instance, surveyed: Survey, s: int, cost: float, flows: Flows | None) -> Outcome:
    event, label = instance.events[s], instance.horizon.label
    fails = surveyed.fails[s]
    shown = np.ones_like(fails) if flows else fails.copy()
    if len(shown):
        shown[weakest(surveyed.margin[s], surveyed.served[s], axis=0)] = True
    return Outcome(
        name=event.name,
        survives=not fails.any(),
        gap=float(surveyed.gap[s].sum()),
        cost=cost,
        first=label(event.periods[0]),
        last=label(event.periods[-1]),
        probability=event.probability,
        segments={d: _service(instance, surveyed, s, i) for i, d in enumerate(instance.demands) if shown[i]},
        flows=flows,
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
    """By segment, its worst over all shocks; empty where there are none."""
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


def do_nothing_outcome(instance: Instance, surveyed: Survey) -> Nothing:
    """What is left unserved below the floors where nothing is built."""
    gaps, fails = surveyed.gap.sum(axis=1), surveyed.fails.any(axis=1)
    worst = _worst(gaps, fails)
    return Nothing(
        gap=float(gaps.sum()),
        below_floor=float(surveyed.below.sum()),
        shocks_failed=int(fails.sum()),
        worst_shock=None if worst is None else instance.events[worst].name,
        worst_gap=0.0 if worst is None else float(gaps[worst]),
    )


def _worst(gaps: Array, fails: npt.NDArray[np.bool_]) -> int | None:
    """The place of the failing shock with the largest gap; of gaps of 0, which cost nothing, the first that fails."""
    worst = first_largest(np.where(fails, gaps, 0.0).tolist())
    return int(np.argmax(fails)) if worst is None and fails.any() else worst


def shock_lines(instance: Instance, surveyed: Survey, costs: Array) -> tuple[Outcome, ...]:
    """Every shock as a line, in the order of the events; `costs` by shock, present value of its operation."""
    made = [_outcome(instance, surveyed, s, float(costs[s]), None) for s in range(len(instance.events))]
    return _with_excuses(instance, surveyed, made)


def baseline_shortages(instance: Instance, baseline: Flows) -> dict[str, Lack]:
    """By segment, what of its demand the baseline leaves unserved; segments that are served are left out."""
    found, label = {}, instance.horizon.label
    for d, row in baseline.of("unserved").items():
        demanded = [float(instance.baseline.demanded(d, t)) for t in instance.horizon.periods]
        parts = [short / demanded if demanded > 0 else 0.0 for short, demanded in zip(row, demanded, strict=True)]
        worst = first_largest(parts)
        if worst is not None and parts[worst] > NEGLIGIBLE:
            found[d] = Lack(min(1.0, parts[worst]), label(worst), sum(row))
    return found


def actual_outputs(instance: Instance, baseline: Flows) -> tuple[ActualOutput, ...]:
    """The actual outputs of the file, each beside what the baseline makes in that year."""
    found, per_year = [], instance.horizon.per_year
    for p, process in instance.processes.items():
        for year, actual in sorted(process.actual.items()):
            commodity, rate = process.first_output or ("", 0.0)
            model_year = max(year, instance.horizon.start)
            first = (model_year - instance.horizon.start) * per_year
            modelled = rate * sum(baseline[p, "activity"][first : first + per_year])
            deviation = modelled / actual - 1.0 if actual > 0 else None
            found.append(ActualOutput(p, commodity, year, actual, model_year, modelled, deviation))
    return tuple(found)


def supply_shares(instance: Instance, baseline: Flows) -> dict[str, tuple[SourceShare, ...]]:
    """Production by region in the first and the last year, of every commodity that is put to use.

    HHI is the Herfindahl–Hirschman index of the regions' shares, 0 … 1.
    """
    return _shares(instance, baseline, dict.fromkeys((instance.horizon.start, instance.horizon.end)))


def yearly_supply_shares(instance: Instance, baseline: Flows) -> dict[str, tuple[SourceShare, ...]]:
    """The same for every year of the horizon."""
    return _shares(instance, baseline, instance.horizon.years)


def _shares(instance: Instance, baseline: Flows, years: Iterable[int]) -> dict[str, tuple[SourceShare, ...]]:
    used = {demand.commodity for demand in instance.demands.values()}
    used |= {commodity for activity in instance.activities.values() for commodity in activity.input}
    chosen = tuple(years)
    made = {c: tuple(_share(instance, baseline, c, year) for year in chosen) for c in instance.commodities if c in used}
    return {commodity: shares for commodity, shares in made.items() if any(share.tonnes > 0 for share in shares)}


def _share(instance: Instance, baseline: Flows, commodity: str, year: int) -> SourceShare:
    by_region: dict[str, float] = defaultdict(float)
    first = (year - instance.horizon.start) * instance.horizon.per_year
    for name, activity in instance.activities.items():
        rate = activity.output.get(commodity, 0.0)
        made = sum(baseline[name, "activity"][first : first + instance.horizon.per_year])
        by_region[activity.region or "unnamed"] += rate * made
    total = sum(by_region.values())
    parts = {region: made / total for region, made in by_region.items() if total > 0 and made > ROUNDING * total}
    ordered = dict(sorted(parts.items(), key=lambda item: -item[1]))
    return SourceShare(year, total, ordered, sum(part**2 for part in ordered.values()))
