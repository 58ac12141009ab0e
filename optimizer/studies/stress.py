"""Stress test of a fixed plan in sampled shocks: the share survived with Wilson's interval, by group, and its causes.

Recourse in each sample minimises the survival gap, then the shortage cost, and ignores the cost of operation.
`scarcity_prices` returns the shadow prices of the gap in the worst samples, `find_reinforcements` single additions to
the plan.
"""

import math
import time
from collections.abc import Sequence
from importlib.metadata import version
from itertools import count, groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer import arguments
from optimizer.algorithms.reading import plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.solving import open_evaluator
from optimizer.algorithms.subproblems import BatchResponse, SubproblemSolver
from optimizer.disruptions.ensemble import LAST_SEED
from optimizer.disruptions.shock import Shock
from optimizer.errors import Finding, InstanceError
from optimizer.instance.derived import display_name, with_names
from optimizer.instance.edits import ScenarioNames, apply_arguments, resample
from optimizer.instance.reading import read
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result, require_plan, weakest
from optimizer.solver import Clock, Listener, Progress, Settings, Vector, ignore
from optimizer.solver import versions as solver_versions
from optimizer.studies.outcomes import Survey, survey
from optimizer.studies.purchases import fit_plan
from optimizer.studies.reinforcement import ScarcityPrices, bottleneck, find_reinforcements, scarcity_prices
from optimizer.studies.stress_result import BrokenShock, Grouping, SampleGroup, Samples, ServiceSpread, Stress
from optimizer.units import fixed

NORMAL = 1.959963984540054  # the quantile of a two-sided 95 % interval
MOST_DURATIONS = 12  # with more distinct durations than this, they are grouped in quarters, as severities are


def wilson(good: int, all_: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of the share good/all_.

    (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n): unlike p ± z·√(p(1−p)/n) it has a width at shares of 0 and 1 too.
    """
    share, square = good / all_, NORMAL**2 / all_
    middle, reach = share + square / 2, NORMAL * math.sqrt(share * (1 - share) / all_ + square / (4 * all_))
    low, high = (middle - reach) / (1 + square), (middle + reach) / (1 + square)
    return (0.0 if good == 0 else low), (1.0 if good == all_ else high)


def sample_outcomes(instance: Instance, surveyed: Survey) -> Samples:
    """Return all samples with their outcomes as arrays."""
    events = instance.events
    starts = np.array([event.periods.start for event in events], dtype=np.intp)
    rows = np.arange(len(events))
    worst = np.full(len(events), -1, dtype=np.intp)
    if len(instance.demands):
        worst = weakest(surveyed.margin, surveyed.served, axis=1)
    never = len(instance.horizon.periods)
    first = np.where(surveyed.failure < 0, never, surveyed.failure).min(axis=1, initial=never)
    nothing = np.ones(len(events))
    return Samples(
        name=tuple(event.name for event in events),
        entry=tuple(event.entry for event in events),
        start=starts,
        months=np.array([len(event.periods) * instance.horizon.months for event in events], dtype=np.intp),
        severity=np.array([event.worst_severity for event in events]),
        survived=~surveyed.fails.any(axis=1),
        gap=surveyed.gap.sum(axis=1),
        segment=worst,
        service=surveyed.served[rows, worst] if len(instance.demands) else nothing,
        floor=surveyed.floor[rows, worst] if len(instance.demands) else nothing,
        failure=np.where(first < never, starts + first, -1),
        probability=np.array([event.probability for event in events]),
    )


def spreads(instance: Instance, surveyed: Survey) -> dict[str, ServiceSpread]:
    """Return the distribution of the service over all samples, by segment."""
    result = {}
    for i, d in enumerate(instance.demands):
        served, floor = surveyed.served[:, i], surveyed.floor[:, i]
        p5, p50, p95 = (float(each) for each in np.quantile(served, [0.05, 0.5, 0.95]))
        below = float(surveyed.fails[:, i].mean())
        result[d] = ServiceSpread((float(floor.min()), float(floor.max())), float(served.mean()), p5, p50, p95, below)
    return result


def groups(instance: Instance, samples: Samples) -> tuple[SampleGroup, ...]:
    """Return the shares survived by event, year of the start, duration and severity."""
    years = [str(instance.horizon.year(t)) for t in samples.start.tolist()]
    months = samples.months
    few = len(np.unique(months)) <= MOST_DURATIONS
    lengths = [f"{each}" for each in months.tolist()] if few else _quarter_labels(months, "")
    severity = _quarter_labels(100 * samples.severity, " %")
    by_months, by_severity = (np.argsort(each, kind="stable") for each in (months, samples.severity))
    return (
        *_group_samples("event", samples, samples.entry, sorted(set(samples.entry))),
        *_group_samples("start", samples, years, sorted(set(years))),
        *_group_samples("months", samples, lengths, list(dict.fromkeys(lengths[i] for i in by_months))),
        *_group_samples("severity", samples, severity, list(dict.fromkeys(severity[i] for i in by_severity))),
    )


def _quarter_labels(numbers: npt.NDArray[Any], unit: str) -> list[str]:
    """Return the label of the quarter of each number; equal numbers stay together, so quarters may be uneven."""
    edges = np.unique(np.quantile(numbers, [0.25, 0.5, 0.75]))
    place = np.searchsorted(edges, numbers, side="left")
    names = {}
    for part in np.unique(place).tolist():
        low, high = (fixed(float(each), 0) for each in (numbers[place == part].min(), numbers[place == part].max()))
        names[part] = (low if low == high else f"{low}–{high}") + unit
    return [names[part] for part in place.tolist()]


def _group_samples(by: Grouping, samples: Samples, labels: Sequence[str], ordered: Sequence[str]) -> list[SampleGroup]:
    array, result = np.array(labels), []
    for name in ordered:
        which = array == name
        size, survived = int(which.sum()), int(samples.survived[which].sum())
        result.append(SampleGroup(by, name, size, survived, wilson(survived, size), float(samples.gap[which].mean())))
    return result


# The number of worst shocks whose first failure is shown, and of progress events.
WORST_SHOWN, PORTIONS = 10, 10


def stress(
    result: Result,
    instance: Instance | None = None,
    *,
    samples: int = 10_000,
    seed: int = 7,
    jobs: int | None = None,
    cluster: str | None = None,
    listener: Listener = ignore,
    file: str = "instance",
    scenario: ScenarioNames | None = None,
) -> Stress:
    """Evaluate a plan in sampled shocks that it was not made for.

    Args:
        result: result with the plan to test.
        instance: instance to test it in, by default the plan's own; it must have the same horizon and every option
            that is bought.
        samples: number of shocks to draw, 1 … 100,000.
        seed: seed of the draws, 0 … 1e15; if the plan's own samples have this seed, the next one is used, with a note.
        jobs: number of processes that evaluate shocks; by default all cores if there are many shocks.
        cluster: address of a Dask scheduler to use in place of processes.
        listener: receives each portion of the samples that was evaluated.
        file: file name of the instance in findings.
        scenario: scenario of the instance in which the plan is tested, or several in the order given.

    Raises:
        PlanFileError: the result holds no plan.
        InstanceError: the plan does not fit the instance, there is no shock to draw from, or no such scenario.
        ValueError: samples or seed out of range.
        WorkerError: the cluster cannot be reached.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml")
        >>> found = so.stress(so.solve(instance, "30M"), instance, samples=200, seed=1)
        >>> found.survived, found.share
        (135, 0.675)
    """
    began, clock = time.perf_counter(), Clock()
    require_plan(result)
    arguments.function("listener", listener)
    changed = apply_arguments(read(result.data, file) if instance is None else instance, scenario=scenario)
    base = changed.instance
    fit = fit_plan(base, result, file)
    drawn, own_samples = fresh_samples(base, result, samples, seed, file)
    with open_evaluator(drawn, Settings(jobs=jobs, cluster=cluster), None) as evaluator:
        made = _stress_figures(drawn, evaluator, fit.plan, clock, listener)
        notes = (*changed.notes, *fit.notes, *_currency_notes(base, result), *own_samples, *evaluator.notes)
    return Stress(
        plan_title=result.title,
        seed=seed,
        sampler=_describe_sampler(base, drawn, seed),
        own_shocks=len(result.shocks),
        own_failed=sum(outcome.fails for outcome in result.shocks),
        notes=notes,
        versions={"optimizer": version("optimizer"), **solver_versions()},
        seconds={"solver": clock.solving, "total": time.perf_counter() - began},
        **made,
    )


def fresh_samples(
    base: Instance, result: Result, samples: int, seed: int, file: str
) -> tuple[Instance, tuple[str, ...]]:
    """Return the instance with newly drawn samples (`resample`) that differ from the plan's own, and notes on seeds.

    An ensemble with the seed `seed` in the plan's instance would reproduce the samples for which the plan was made: it
    is drawn with the next seed that no ensemble of that instance uses.

    Raises:
        InstanceError: there is no shock to draw from; `file` is the name of the instance.
    """
    drawn = resample(base.replacing(scenarios={}), samples, seed=seed)
    _require_shocks(drawn, file)
    seeds = {name: spec.get("seed", 0) for name, spec in result.data.get("ensembles", {}).items()}
    own = [name for name in drawn.ensembles if seeds.get(name) == seed]
    if not own:
        return drawn, ()
    following = (each % (LAST_SEED + 1) for each in count(seed + 1))
    fresh = next(each for each in following if each not in seeds.values())
    again = {name: drawn.ensembles[name].model_copy(update={"seed": fresh}) for name in own}
    whose = f"Ensemble {own[0]} is" if len(own) == 1 else f"Ensembles {', '.join(own)} are"
    note = f"{whose} drawn with seed {fresh}: those of seed {seed} are the samples of the plan's own instance."
    return drawn.replacing(ensembles={**drawn.ensembles, **again}), (note,)


def _require_shocks(instance: Instance, file: str) -> None:
    if not instance.events:
        cure = "Add shocks, or name an instance that has some with --instance."
        raise InstanceError([Finding(file, None, "shocks", "there is neither a shock nor an ensemble", cure)])


def _currency_notes(instance: Instance, result: Result) -> tuple[str, ...]:
    if instance.currency == result.currency:
        return ()
    return (f"Money is in {instance.currency}; the plan was made in {result.currency}.",)


def _describe_sampler(instance: Instance, drawn: Instance, seed: int) -> str:
    if instance.ensembles:
        seeds = {name: spec.seed for name, spec in drawn.ensembles.items() if spec.seed != seed}
        names = [f"{name} (seed {seeds[name]})" if name in seeds else name for name in instance.ensembles]
        return f"{len(names)} ensemble{'s' if len(names) != 1 else ''} drawn anew: {', '.join(names)}"
    number = len(instance.shocks)
    entries = "the one entry" if number == 1 else f"the {number:,} entries"
    times = "months × triangular (0.5, 1, 2), severities × triangular (0.5, 1, 1.25)"
    equally = "" if number == 1 else ", each with the same chance"
    return f"variations of {entries} under shocks{equally}, because the file has no ensembles: any start, {times}"


def _stress_figures(
    instance: Instance, evaluator: RecourseEvaluator, plan: Plan, clock: Clock, listener: Listener
) -> dict[str, Any]:
    """Compute the fields of `Stress` about the samples and their outcomes, by name; `instance` holds the samples."""
    values = np.array(plan_values(instance, plan))
    responses = _serve_samples(evaluator, values, clock, listener)
    surveyed = survey(instance, evaluator, responses)
    rows = sample_outcomes(instance, surveyed)
    failing, survived = np.flatnonzero(~rows.survived), int(rows.survived.sum())
    return {
        "title": instance.title,
        "currency": instance.currency,
        "instance": instance,
        "samples": len(instance.events),
        "cut_off": sum(len(event.periods) < event.length for event in instance.events),
        "survived": survived,
        "share": survived / len(rows.gap),
        "interval": wilson(survived, len(rows.gap)),
        "expected_gap": float(rows.gap.mean()),
        "worst_gap": float(rows.gap.max()),
        "services": spreads(instance, surveyed),
        "worst": _worst_samples(instance, evaluator.subproblems, plan, values, responses, surveyed),
        "groups": groups(instance, rows),
        "reinforcements": find_reinforcements(instance, evaluator, plan, failing, clock),
        "rows": rows,
    }


def _serve_samples(
    evaluator: RecourseEvaluator, values: Vector, clock: Clock, listener: Listener
) -> list[BatchResponse]:
    """Return the recourse of least gap in every sample, by batch; portions split no batch and change no response."""
    batches, responses, done = evaluator.batches, list[BatchResponse](), 0
    size = sum(len(part.events) for part in batches)
    for portion in np.array_split(np.arange(len(batches)), min(PORTIONS, len(batches))):
        chosen = np.zeros(size, dtype=bool)
        chosen[np.concatenate([batches[number].events for number in portion])] = True
        responses += evaluator.serve_most(values, clock, chosen)
        done += int(chosen.sum())
        listener(Progress(task="samples", done=done, total=size))
    listener(Progress(task="what failed first, and what would have kept the floors"))
    return responses


def _worst_samples(
    instance: Instance,
    solver: SubproblemSolver,
    plan: Plan,
    values: Vector,
    responses: Sequence[BatchResponse],
    surveyed: Survey,
) -> tuple[BrokenShock, ...]:
    """Return the failing shocks with the largest gaps, with the segment that fails first in each."""
    order = np.argsort(-surveyed.gap.sum(axis=1), kind="stable")
    numbers = [int(number) for number in order if surveyed.fails[number].any()][:WORST_SHOWN]
    scarce = scarcity_prices(solver, values, numbers)
    unserved = {
        int(number): response.unserved[i]
        for response in responses
        for i, number in enumerate(response.events)
        if int(number) in scarce
    }
    return tuple(_describe_broken(instance, surveyed, n, unserved[n], scarce[n], plan) for n in numbers)


def _describe_broken(
    instance: Instance, surveyed: Survey, number: int, unserved: Vector, scarce: ScarcityPrices, plan: Plan
) -> BrokenShock:
    event, label, failure = instance.events[number], instance.horizon.label, surveyed.failure[number]
    first = int(failure[failure >= 0].min())
    i = int(np.argmax(np.where(failure == first, surveyed.gap[number], -1.0)))
    d, t, path = list(instance.demands)[i], event.periods[first], instance.path(event)
    commodity, makers = bottleneck(instance, scarce, d, first, plan)
    return BrokenShock(
        name=event.name,
        entry=event.entry,
        first=label(event.periods[0]),
        last=label(event.periods[-1]),
        gap=float(surveyed.gap[number].sum()),
        strikes=_effects(instance, event),
        segment=d,
        period=label(t),
        service=1.0 - max(0.0, float(unserved[i, first])) / float(path.demand_at(d, t)),
        floor=float(path.floor_at(d, t)),
        short=commodity,
        makers=makers,
        stage=instance.activities[makers[0]].stage if makers else None,
    )


def _effects(instance: Instance, event: Shock) -> tuple[str, ...]:
    """Return words for each cut of a shock, with its severities in turn, and each surge of demand."""
    parts = []
    for cut in event.spec.cuts:
        named = with_names(instance, cut)
        aims = [", ".join(names) for names in (named.process, named.region, named.stage, named.commodity) if names]
        severities = (fixed(100 * severity, 0) for severity in cut.severity[: len(event.periods)])
        *first, last = [step for step, _ in groupby(severities)]
        steps = f"{', '.join(first)}, then {last}" if first else last
        parts.append(f"cuts {' · '.join(aims)} by {steps} %")
    surges = {d: factor for d, factor in event.spec.demand.items() if factor != 1.0}
    return *parts, *(f"demand of {display_name(instance, d)} ×{factor:g}" for d, factor in surges.items())
