"""What the flows of a plan mean: the service in every shock, what attacks leave, and shortages in the baseline.

`survey` computes all shocks at once, in arrays; `outcomes` and `shock_lines` make the values of a result from them.
Families and ensembles are folded into one row each, of which the worst shock stands for all: a `Fold` is the shocks
that share a row, whatever the plan, and `Folded` the same shocks under a plan.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.floors import excused_samples, levels_under, survival_shares
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.subproblems import BatchResponse
from optimizer.disruptions.shock import Numbers, Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.results.plan import (
    MOST_DETAILED_SHOCKS,
    ActualOutput,
    Array,
    Faced,
    Flows,
    Lack,
    ManyFlows,
    Nothing,
    Outcome,
    Service,
    SourceShare,
    Weakest,
)
from optimizer.results.result import Result, first_largest, rank, weakest, weakest_of, weakness
from optimizer.tolerances import NEGLIGIBLE, ROUNDING


@dataclass(frozen=True)
class Survey:
    """Every shock under a plan: arrays (shocks, segments), in the order of the events and of the demands."""

    # Shares in the worst period, the `weakest`.
    served: Array
    floor: Array
    worst: npt.NDArray[np.intp]  # that period's offset in the window
    # t unserved over the window, and t of that below the floor.
    shortage: Array
    below: Array
    gap: Array  # below, valued at the shortage cost
    failure: npt.NDArray[np.intp]  # offset of the first period below the floor; -1 where there is none

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
        surveyed: what the plan's flows mean.
        many: the flows of all shocks.
        costs: by shock, present value of its operation and of all that it leaves unserved, above floors as well.
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
        demanded = [float(instance.baseline.demand_at(d, t)) for t in instance.horizon.periods]
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


# Families and ensembles as one row each; other shocks stay as they are.


@dataclass(frozen=True)
class Fold:
    """Shocks that share a row."""

    name: str  # of the family or the ensemble in the file; of a shock alone its own name
    shocks: tuple[str, ...]  # their names, in the order of the instance

    @property
    def is_many(self) -> bool:
        """Whether it is a family or an ensemble of several shocks."""
        return len(self.shocks) > 1


@dataclass(frozen=True)
class Folded:
    """The shocks of a row under a plan."""

    fold: Fold  # which they are
    worst: Outcome  # the one with the largest gap, of equal gaps the one with the weakest service
    failed: int  # how many are not survived and have to be
    excused: int  # how many are not and may fail
    # By segment, the `weakest` of the services that the shocks name, and whose it is.
    segments: Mapping[str, tuple[str, Service]]
    # The segments that may be weaker in a shock that does not name them; there they do not fail, and another is weaker
    # still.
    partial: frozenset[str]
    full: frozenset[str]  # the segments that are served in full in all of the shocks, whether these name them or not
    required: int | None = None  # of an ensemble of which a share has to be survived, how many samples; else None

    @property
    def survives(self) -> bool:
        """Whether all of the shocks are survived, but for samples that may fail."""
        return not self.failed

    @property
    def count_text(self) -> str:
        """How many there are, and fail: ``12 shocks``, ``3 of 12 fail``, ``19 of 20 samples, 19 required``."""
        count, lost = len(self.fold.shocks), self.failed + self.excused
        if lost and self.required is not None:
            return f"{count - lost:,} of {count:,} samples, {self.required:,} required"
        return f"{self.failed:,} of {count:,} fail" if lost else f"{count:,} shocks"


def entry_of(instance: Instance, event: Shock) -> str:
    """The entry of the file that an event comes from: a shock, or an ensemble."""
    return event.entry if event.entry in instance.shocks else event.name.rpartition("#")[0]


def folds(instance: Instance, names: Iterable[str], *, every: bool = False) -> tuple[Fold, ...]:
    """The rows of some shocks: a family or an ensemble in one, each other shock, or `every` shock, in its own."""
    owners = {} if every else {event.name: entry_of(instance, event) for event in instance.events}
    rows: dict[str, list[str]] = {}
    for name in names:
        # A shock that bears the name of a family is none of it.
        rows.setdefault(f"{owners[name]}@" if name in owners else name, []).append(name)
    return tuple(Fold(owners[some[0]] if len(some) > 1 else some[0], tuple(some)) for some in rows.values())


def urgency(outcome: Outcome) -> tuple[float, float, float]:
    """What shocks are sorted by, the worst first: the largest gap, then the weakest service."""
    return (-outcome.gap, *weakness(list(outcome.segments.values())))


def fold_outcomes(rows: Iterable[Fold], result: Result) -> tuple[Folded, ...]:
    """Rows under a plan; a row of which the plan has no shock is left out."""
    known = {outcome.name: outcome for outcome in result.shocks}
    whole = frozenset(d for d, service in result.services.items() if service.is_full)
    there = [(row, [known[name] for name in row.shocks if name in known]) for row in rows]
    every = frozenset(result.services)
    folded = (_fold_row(row, some, every if all(map(_is_full, some)) else whole) for row, some in there if some)
    return _with_required(folded, result)


def _with_required(rows: Iterable[Folded], result: Result) -> tuple[Folded, ...]:
    required = result.required_samples
    return tuple(replace(row, required=required.get(row.fold.name)) for row in rows)


def _fold_row(row: Fold, outcomes: Sequence[Outcome], full: frozenset[str]) -> Folded:
    by_segment: dict[str, list[tuple[str, Service]]] = {}
    # Of services that are alike that of the shock that is named counts.
    worst = min(outcomes, key=urgency)
    for outcome in [worst, *outcomes]:
        for d, service in outcome.segments.items():
            by_segment.setdefault(d, []).append((outcome.name, service))
    segments = {d: some[weakest_of([each for _, each in some])] for d, some in by_segment.items()}
    return Folded(
        fold=row,
        worst=worst,
        failed=sum(outcome.fails for outcome in outcomes),
        excused=sum(outcome.excused for outcome in outcomes),
        segments=segments,
        partial=frozenset(
            d for d, (_, service) in segments.items() if d not in full and _may_be_weaker(outcomes, d, service)
        ),
        full=full,
    )


def _may_be_weaker(outcomes: Iterable[Outcome], d: str, service: Service) -> bool:
    """Whether a segment that some shock does not name may be weaker in it: that shock's weakest has to be."""
    least = weakness([service])
    others = (outcome for outcome in outcomes if d not in outcome.segments and not _is_full(outcome))
    return service.worst_service > 0 and any(weakness(list(each.segments.values())) < least for each in others)


def _is_full(outcome: Outcome) -> bool:
    """Whether all demand is served: a shock names its weakest segment."""
    return bool(outcome.segments) and all(service.is_full for service in outcome.segments.values())


def worst_rows(rows: Sequence[Folded], most: int) -> tuple[Folded, ...]:
    """At most so many rows, those of the worst shocks, in the order in which they were."""
    ordered = sorted(rows, key=lambda row: urgency(row.worst))
    kept = {row.fold.name for row in ordered[:most]}
    return tuple(row for row in rows if row.fold.name in kept)


# The adversary: what its attacks leave, and what they cost it under the plan.


def with_worst_attack(instance: Instance, faced: Faced, gaps: Mapping[str, float]) -> Faced:
    """The adversary with the worst of its attacks, and with what the worst at each start leaves."""
    place, at_start = first_largest([gaps[name] for name in faced.attacks]), dict[int, float]()
    for name in faced.attacks:
        start = instance.event(name).periods.start
        at_start[start] = max(gaps[name], at_start.get(start, 0.0))
    return faced if place is None else replace(faced, worst=faced.attacks[place], gap=math.fsum(at_start.values()))


def with_costs(instance: Instance, faced: Faced | None, plan: ModelBuilder, columns: Sequence[float]) -> Faced | None:
    """The adversary with what each attack costs it under a plan, by the columns of its first-stage model."""
    adversary, costs = instance.adversary, dict[str, float]()
    if faced is None or adversary is None:
        return faced
    for name in (*faced.attacks, *faced.deterred):
        made = adversary.attack(name, instance.horizon)
        if made is not None:
            levels = levels_under(plan, columns, adversary.deterrence(made.targets), made.start)
            costs[name] = adversary.cost(made.targets, levels)
    return replace(faced, costs=costs)
