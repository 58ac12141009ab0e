"""Summary of an instance before it is solved: counts, coefficient ranges, and the cuts of each shock.

`summarise` also evaluates the do-nothing plan in every listed shock, and solves for the no-shock plan.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from optimizer.algorithms.conflict import find_conflict
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.reading import do_nothing_plan, plan_values, read_flows, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.disruptions.shock import Shock
from optimizer.formulation import extensive_form_model
from optimizer.instance.altered import without_disruptions, without_ensembles
from optimizer.instance.derived import entry_of, is_bought
from optimizer.instance.questions import each_question, find_ways
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.results.plan import ActualOutput, Flows
from optimizer.results.result import by_gap
from optimizer.risk import cost
from optimizer.solver import Clock, Settings
from optimizer.studies.outcomes import survey
from optimizer.studies.shocks import shock_rows
from optimizer.studies.supply_chain import actual_outputs, baseline_shortages

MinMedianMax = tuple[float, float, float]


@dataclass(frozen=True)
class Preview:
    """Overview of the shocks of a family or an ensemble."""

    name: str
    kind: Literal["family", "ensemble"]  # whether it is a family of shocks or an ensemble of samples
    events: int  # number of shocks or samples
    # Labels of the earliest and the latest start, and the number of different starts.
    first: str
    last: str
    starts: int
    months: MinMedianMax  # shortest, median and longest window, cut off at the end of the horizon
    # Smallest, median and largest severity of the events' worst cuts; None if nothing is cut.
    severity: MinMedianMax | None
    probability: float  # probability of all events together
    names: tuple[str, ...]  # names of the first three events


def previews(instance: Instance) -> tuple[Preview, ...]:
    """Return the previews of every shock entry that is a family, then of every ensemble."""
    found = []
    for name, events in groupby(instance.events, key=lambda event: entry_of(instance, event)):
        if name in instance.ensembles:
            found.append(_preview(instance, name, "ensemble", list(events), instance.ensembles[name].probability))
        elif instance.shocks[name].is_family:
            found.append(_preview(instance, name, "family", list(events), instance.shocks[name].probability))
    return tuple(found)


def _preview(
    instance: Instance, name: str, kind: Literal["family", "ensemble"], events: Sequence[Shock], probability: float
) -> Preview:
    label, starts = instance.horizon.label, [event.periods.start for event in events]
    worst = [event.worst_severity for event in events if event.spec.cuts]
    return Preview(
        name=name,
        kind=kind,
        events=len(events),
        first=label(min(starts)),
        last=label(max(starts)),
        starts=len(set(starts)),
        months=_min_median_max(float(len(event.periods) * instance.horizon.months) for event in events),
        severity=_min_median_max(worst) if worst else None,
        probability=probability,
        names=tuple(event.name for event in events[:3]),
    )


def _min_median_max(numbers: Iterable[float]) -> MinMedianMax:
    ordered = sorted(numbers)
    return ordered[0], statistics.median_low(ordered), ordered[-1]


# Most shocks in the model whose size is measured; most shocks that are listed as hits.
MOST_MEASURED, MOST_HITS = 60, 40
# Utilisation is reported if it exceeds that of contracts by more than this share of capacity.
ABOVE_CONTRACTS = 0.1


@dataclass(frozen=True)
class ShockHit:
    """One shock: its window, its cuts, and the shortages that it causes under the do-nothing plan.

    `cuts` maps activities to their worst severity, `demand` segments to their factor of demand, and `below_floor`
    segments to their shortage below the floor, t; `gap` is the total, money.
    """

    name: str
    first: str
    last: str
    deliberate: bool
    cuts: dict[str, float]
    demand: dict[str, float]
    below_floor: dict[str, float]
    gap: float


@dataclass(frozen=True)
class RowHits:
    """Listed shocks that share a row: those of a family, or a single shock."""

    name: str  # name of the family or of the shock
    # Number of shocks, and of those in which the do-nothing plan misses a floor.
    shocks: int
    below: int
    worst: ShockHit  # the shock with the largest gap, as in a plan; without any gap the first with the largest cut


@dataclass(frozen=True)
class Shortage:
    """Unserved demand of a segment in the worst period of its baseline: `tonnes` of `demand`, both t in that period."""

    segment: str
    period: str
    tonnes: float
    demand: float


@dataclass(frozen=True)
class Fallback:
    """A process that has to restart after a cut and runs above its contracts.

    `utilisation` is the mean share of capacity used in the no-shock plan, `contracted` that of its contracts.
    """

    process: str
    utilisation: float
    contracted: float


@dataclass(frozen=True)
class FutureOutline:
    """One future of a file."""

    name: str
    probability: float
    # Its branches: each with `question`, `branch`, `from` (label of the period of the answer) and `set` (overrides).
    answers: tuple[dict[str, Any], ...]


def outline_futures(instance: Instance) -> tuple[FutureOutline, ...]:
    """Return the futures of a file in their order."""
    label, ways = instance.horizon.label, find_ways(instance.futures, instance.horizon)
    return tuple(
        FutureOutline(
            way.name,
            way.probability,
            tuple(
                {"question": each.question, "branch": each.branch, "from": label(each.t), "set": dict(branch.set)}
                for each, (_, branch) in zip(way.answers, way.branches, strict=True)
            ),
        )
        for way in ways
    )


@dataclass(frozen=True)
class Summary:
    """Summary of an instance; with futures, all fields except `futures` and `unweighted` are of the file as it is."""

    # Numbers of commodities, processes, segments, options by kind, shocks, periods, columns and rows; with more than 60
    # shocks, columns and rows are estimates.
    counts: dict[str, int]
    # Smallest and largest scaled coefficient of the model with at most 60 shocks, by part of the model.
    ranges: dict[str, tuple[float, float]]
    hits: tuple[ShockHit, ...]  # events of the listed shocks, 40 of them evenly spread if they are more; no samples
    struck: tuple[RowHits, ...]  # all events of the listed shocks, one row per family
    previews: tuple[Preview, ...]  # every family and every ensemble
    bought_without_shocks: dict[str, float]  # options in the no-shock plan, with the size or stock bought
    clash: tuple[str, ...]  # rules that contradict each other even without shocks
    baseline_shortages: tuple[Shortage, ...]  # shortages of the no-shock plan above 1e-6 of demand, by segment
    # Actual outputs of processes in some years, with those of the no-shock plan's baseline.
    actual: tuple[ActualOutput, ...] = ()
    # Processes that take months to restart and run above their contracts in the no-shock plan.
    fallbacks: tuple[Fallback, ...] = ()
    futures: tuple[FutureOutline, ...] = ()
    # Questions without probabilities in the file, for which equal ones are assumed.
    unweighted: tuple[str, ...] = ()


def summarise(instance: Instance, *, every: bool = False) -> Summary:
    """Summarise an instance; with `every`, all listed shocks are hits, not at most 40 of them."""
    if instance.futures:
        unweighted = (str(place[-1]) for place, each in each_question(instance.futures) if not each.is_weighted)
        outlines, names = outline_futures(instance), tuple(dict.fromkeys(unweighted))
        return replace(summarise(instance.replacing(futures={}), every=every), futures=outlines, unweighted=names)
    found = _find_hits(instance)
    measured = _spread_evenly(instance.events, MOST_MEASURED)
    builder = extensive_form_model(instance, measured)
    return Summary(
        counts=_counts(instance) | _model_size(instance, builder, len(measured)),
        ranges=_coefficient_ranges(builder, cost(builder, instance, measured)),
        hits=tuple(found.values() if every else _spread_evenly(list(found.values()), MOST_HITS)),
        struck=tuple(_row_hits(row.name, [found[name] for name in row.shocks]) for row in shock_rows(instance, found)),
        previews=previews(instance),
        **_no_shock_figures(instance),
    )


def _coefficient_ranges(builder: ModelBuilder, objective: Expression) -> dict[str, tuple[float, float]]:
    """Return the smallest and the largest scaled coefficient of each part of the model, as the solver receives it."""
    columns, scales = builder.scales()
    rows = list(zip(builder.rows, scales, strict=True))
    return {
        "matrix": _nonzero_range(value * columns[j] / scale for row, scale in rows for j, value in row.terms.items()),
        "objective": _nonzero_range(value * columns[j] for j, value in objective.terms.items()),
        "right-hand side": _nonzero_range(row.rhs / scale for row, scale in rows),
    }


def _nonzero_range(values: Iterable[float]) -> tuple[float, float]:
    sizes = [abs(value) for value in values if value and math.isfinite(value)]
    return (min(sizes), max(sizes)) if sizes else (0.0, 0.0)


def _counts(instance: Instance) -> dict[str, int]:
    sections = ("commodities", "processes", "demands", "options")
    counts = {section: len(getattr(instance, section)) for section in sections} | {"shocks": len(instance.events)}
    kinds = Counter(option.kind for option in instance.options.values())
    return counts | kinds | {"periods": len(instance.horizon.periods)}


def _spread_evenly[Item](items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return all items, or `most` of them evenly spread if there are more."""
    return items if len(items) <= most else [items[i * len(items) // most] for i in range(most)]


def _model_size(instance: Instance, builder: ModelBuilder, measured: int) -> dict[str, int]:
    """Return the columns and rows of the extensive form, extrapolated from `measured` shocks if there are more."""
    columns, rows, shocks = len(builder.columns), len(builder.rows), len(instance.events)
    if shocks > measured:
        baseline = extensive_form_model(instance, ())
        columns += round((columns - len(baseline.columns)) * (shocks / measured - 1))
        rows += round((rows - len(baseline.rows)) * (shocks / measured - 1))
    return {"columns": columns, "rows": rows}


def _find_hits(instance: Instance) -> dict[str, ShockHit]:
    """Return the hit of every listed shock, by its name."""
    listed = without_ensembles(instance)
    evaluator = RecourseEvaluator(listed)
    responses = evaluator.operate_batches(plan_values(listed, do_nothing_plan(listed)), Clock(), {})
    surveyed = zip(listed.events, survey(listed, evaluator, responses).below.tolist(), strict=True)
    return {
        shock.name: _shock_hit(instance, shock, {d: t for d, t in zip(instance.demands, row, strict=True) if t > 0})
        for shock, row in surveyed
    }


def _row_hits(name: str, hits: Sequence[ShockHit]) -> RowHits:
    below = sum(bool(hit.below_floor) for hit in hits)
    worst = hits[by_gap([hit.gap for hit in hits])[0]]
    if worst.gap <= 0:
        worst = max(hits, key=lambda hit: max(hit.cuts.values(), default=0.0))
    return RowHits(name, len(hits), below, worst)


def _shock_hit(instance: Instance, shock: Shock, below: dict[str, float]) -> ShockHit:
    path, label = instance.path(shock), instance.horizon.label
    cut = dict.fromkeys([*path.severity, *path.accident])
    worst = {name: float(max(path.largest_severity_at(name, t) for t in path.periods)) for name in cut}
    cuts = {name: severity for name, severity in worst.items() if severity > 0}
    gap = sum(instance.demands[d].shortage_cost * short for d, short in below.items())
    first, last = label(shock.periods[0]), label(shock.periods[-1])
    return ShockHit(shock.name, first, last, path.deliberate, cuts, dict(shock.spec.demand), below, gap)


def _no_shock_figures(instance: Instance) -> dict[str, Any]:
    """Return the fields of a summary on the no-shock plan, by name.

    Purchases exclude forced ones. The conflict is that of the baseline, or of the rules on time to survive.
    """
    undisrupted = without_disruptions(instance.by_expected_cost())
    found = solve_extensive_form(undisrupted, Settings(), Clock(), lambda step: None)
    if found.values is None:
        rules = find_conflict(undisrupted, Settings(), Clock()).rules
        return {"bought_without_shocks": {}, "clash": rules, "baseline_shortages": ()}
    values, force = found.values.tolist(), instance.policy.force
    sizes = read_plan(undisrupted, found.builder, values).sizes
    baseline = read_flows(undisrupted, found.builder.column_index(), values, undisrupted.baseline)
    return {
        # Forced purchases do not show which options pay off by themselves.
        "bought_without_shocks": {
            o: size for o, size in sizes.items() if is_bought(undisrupted, o, size) and o not in force
        },
        "clash": find_conflict(instance, Settings(), Clock()).rules if instance.rule_paths else (),
        "baseline_shortages": tuple(_shortages(undisrupted, baseline)),
        "actual": actual_outputs(undisrupted, baseline),
        "fallbacks": tuple(_fallbacks(undisrupted, baseline)),
    }


def _fallbacks(undisrupted: Instance, baseline: Flows) -> Iterator[Fallback]:
    """Yield the processes with a restart time that run above their contracts in a baseline."""
    for p, process in undisrupted.processes.items():
        capacity = math.fsum(undisrupted.baseline.capacity[p])
        ran = math.fsum(baseline[p, "activity"]) / capacity if capacity > 0 else 0.0
        if process.restart_months > 0 and ran > process.min_utilisation + ABOVE_CONTRACTS:
            yield Fallback(p, ran, process.min_utilisation)


def _shortages(undisrupted: Instance, baseline: Flows) -> Iterator[Shortage]:
    """Yield the shortage of each segment in its worst period, if a baseline leaves one."""
    labels = list(map(undisrupted.horizon.label, undisrupted.horizon.periods))
    for d, lack in baseline_shortages(undisrupted, baseline).items():
        t = labels.index(lack.period)
        yield Shortage(d, lack.period, baseline[d, "unserved"][t], float(undisrupted.baseline.demand_at(d, t)))
