"""Scenario discovery: the few conditions under which a plan fails, over all uncertain numbers and ensembles.

sample       a state of the world: a value for every uncertain number, uniform in its range and independent except for
             numbers that move together; and, if there are ensembles, one shock drawn anew from one of them, with
             probabilities in proportion to their counts
fails        some floor fails in a listed shock or in the drawn one; the purchases of the plan are fixed, their effect
             (working capacity, stocks) is that in the sample
found with   half of the samples, a Latin hypercube, in which boxes are searched (`boxes`)
held back    the other half, drawn independently; coverage and density are measured on them alone

Whether a fixed plan keeps its floors does not depend on costs, budgets and policy.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer import arguments
from optimizer.algorithms.executor import size_for, start_executor
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import failing_beyond_allowed
from optimizer.algorithms.separation.attacks import with_listed_attacks
from optimizer.algorithms.workers import Task, own_clock
from optimizer.arguments import ArgumentError, whole_number
from optimizer.disruptions.ensemble import MOST_SAMPLES, sample_names
from optimizer.disruptions.shock import Shock
from optimizer.errors import Finding, InstanceError, require_extra
from optimizer.instance.altered import without_attacks
from optimizer.instance.edits import ScenarioNames, apply_arguments, with_numbers
from optimizer.instance.ranges import UncertainNumber, numbers_of
from optimizer.instance.reading import read
from optimizer.instance.schema import Instance
from optimizer.model.builder import Scope
from optimizer.results.plan import Array, Plan
from optimizer.results.result import Result, require_plan
from optimizer.solver import Basis, Clock, Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.boxes import SMALLEST_SAMPLE, find_boxes, score
from optimizer.studies.discovery_result import (
    DimensionKind,
    Discovery,
    DiscoverySamples,
    FailureBox,
    SampleDimension,
    UnusableSamples,
)
from optimizer.studies.outcomes import worst_failing_shock
from optimizer.studies.purchases import fit_plan, place_plan

# Number of samples in one task.
SAMPLES_PER_TASK = 10
LAST_SAMPLE_SEED = 2**32 - 1


@dataclass(frozen=True)
class SampleState:
    """A sample before its evaluation: numbers by path, and the ensemble and seed from which its shock is drawn."""

    numbers: Mapping[str, float]
    ensemble: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class DrawnShock:
    """The features of a drawn shock: entry, year of its start, months of its window, worst severity."""

    entry: str
    start: int
    months: int
    severity: float


@dataclass(frozen=True)
class StateOutcome:
    """The outcome of the plan in a sample."""

    failed: bool | None = None  # whether some floor fails; None if the sample is unusable
    gap: float = 0.0  # survival gap over all shocks, money
    shock: str | None = None  # the failing shock with the largest gap; for the drawn shock, its entry
    drawn: DrawnShock | None = None  # the shock drawn from the ensembles; None without ensembles
    # The place in the instance that makes the sample unusable, and the reason.
    where: str = ""
    reason: str = ""


def check_samples(samples: int, seed: int, *, may_be_none: bool = False) -> tuple[int, int]:
    """Check and return the number and the seed of samples; 0 samples are allowed if `may_be_none`.

    Raises:
        ArgumentError: the number is below `SMALLEST_SAMPLE` or too large, or the seed is not in 0 … 2³² − 1.
    """
    if may_be_none and samples in range(1, SMALLEST_SAMPLE):
        raise ArgumentError("samples", samples, f"write at least {SMALLEST_SAMPLE}, or 0 for none.")
    drawn = whole_number("samples", samples, 0 if may_be_none else SMALLEST_SAMPLE, MOST_SAMPLES)
    return drawn, whole_number("seed", seed, 0, LAST_SAMPLE_SEED)


def latin_hypercube(numbers: int, samples: int, seed: int) -> Array:
    """Draw a Latin hypercube in the unit cube: array (samples, numbers)."""
    require_extra("sensitivity", "A sample of all numbers together")
    from SALib.sample.latin import sample

    cube = {"num_vars": numbers, "names": [str(i) for i in range(numbers)], "bounds": [[0.0, 1.0]] * numbers}
    drawn: Array = sample(cube, samples, seed=seed)
    return drawn


def sample_states(
    instance: Instance, numbers: Sequence[UncertainNumber], samples: int, seed: int
) -> tuple[Array, list[SampleState]]:
    """Draw samples, the second half of which is held back.

    Returns:
        An array (samples, numbers) of the positions of the numbers in their ranges, 0 to 1; and the samples.
    """
    held = samples // 2
    shares = np.zeros((samples, len(numbers)))
    if numbers:
        shares[: samples - held] = latin_hypercube(len(numbers), samples - held, seed)
        shares[samples - held :] = np.random.default_rng([seed, 1]).random((held, len(numbers)))
    names, rng = list(instance.ensembles), np.random.default_rng([seed, 2])
    drawn: list[str | None] = [None] * samples
    if names:
        counts = np.array([spec.count for spec in instance.ensembles.values()], dtype=np.float64)
        drawn = [names[k] for k in rng.choice(len(names), samples, p=counts / counts.sum()).tolist()]
    seeds = rng.integers(0, LAST_SAMPLE_SEED, samples, endpoint=True).tolist()
    moved = [
        {path: value for each, share in zip(numbers, row, strict=True) for path, value in each.across(share).items()}
        for row in shares.tolist()
    ]
    return shares, [SampleState(*parts) for parts in zip(moved, drawn, seeds, strict=True)]


def evaluate_states(
    instance: Instance,
    plan: Plan,
    states: Sequence[SampleState],
    jobs: int | None,
    clock: Clock,
    listener: Listener,
    *,
    lists_attacks: bool,
) -> dict[int, StateOutcome]:
    """Evaluate the plan in all samples; return outcomes by number of the sample, without those not reached."""
    began = time.perf_counter()
    bases = dict[str, Basis]()
    found = dict(enumerate(_evaluate_batch({}, instance, plan, states[:1], lists_attacks, bases)))
    seconds = (time.perf_counter() - began) * len(states)
    # Every task has samples of both halves, so that a stopped study has about as many of each.
    count = -(-len(states) // SAMPLES_PER_TASK)
    parts = [range(k, len(states), count) for k in range(count)]
    tasks = [
        Task(_evaluate_batch, (instance, plan, [states[i] for i in part], lists_attacks, dict(bases))) for part in parts
    ]
    listener(Progress(task="samples", total=len(states)))
    with start_executor(size_for(jobs, seconds)) as executor:
        for k, outcomes in executor.as_completed(tasks, clock):
            found |= dict(zip(parts[k], outcomes, strict=False))
            # When the time is over, tasks that have not started are left out, as after Ctrl-C.
            clock.interrupted |= clock.is_over and len(found) < len(states)
            listener(Progress(task="samples", done=len(found), total=len(states)))
    return found


def _evaluate_batch(
    memory: dict[str, Any],
    instance: Instance,
    plan: Plan,
    states: Sequence[SampleState],
    lists_attacks: bool,
    bases: dict[str, Basis],
) -> list[StateOutcome]:
    """Evaluate the plan in the given samples, as a task of a worker; return fewer outcomes if it is interrupted.

    Every sample starts from the bases of the first, which are stored in `bases` if it is empty. So the outcome of a
    sample does not depend on the samples before it.
    """
    found = list[StateOutcome]()
    with own_clock(memory, Settings()) as clock:
        for state in states:
            if clock.interrupted:
                break
            found.append(_outcome(instance, plan, state, clock, bases, lists_attacks=lists_attacks))
    return found


def _outcome(
    instance: Instance, plan: Plan, state: SampleState, clock: Clock, bases: dict[str, Basis], *, lists_attacks: bool
) -> StateOutcome:
    try:
        sampled = _instance_of(instance, state, lists_attacks=lists_attacks)
        placed = place_plan(sampled, plan, sampled.title).plan
    except InstanceError as error:
        first = error.findings[0]
        return StateOutcome(where=first.where, reason=first.what)
    evaluator = RecourseEvaluator(sampled)
    # The plan is fixed and every sample builds its own linear programmes: leave out options that have no effect.
    bought = frozenset(build.option for build in plan.builds).union(sampled.stocks)
    evaluator.subproblems.plan.scope = Scope(False, bought.union(sampled.processes, sampled.demands))
    values = evaluator.plan_values([placed])
    evaluator.set_bases(bases)
    left = evaluator.gaps(values, clock)
    # A shock that is drawn anew stands for all of its ensemble: it is none of the samples that may fail.
    fails = left.fails if state.ensemble is not None else failing_beyond_allowed(sampled, left.gap, left.fails)
    bases.update({} if bases else evaluator.bases())
    worst = worst_failing_shock(left.gap, fails)
    event, drawn = None if worst is None else sampled.events[worst], _drawn_event(sampled, state)
    shock = None if event is None else event.entry if event is drawn else event.name
    return StateOutcome(bool(fails.any()), float(left.gap[fails].sum()), shock, _features(sampled, drawn))


def _instance_of(instance: Instance, state: SampleState, *, lists_attacks: bool) -> Instance:
    """Return the instance with the numbers of a sample, one shock of its ensemble, and its own affordable attacks."""
    sampled = with_numbers(instance, state.numbers)
    if state.ensemble is not None:
        spec = sampled.ensembles[state.ensemble].model_copy(update={"count": 1, "seed": state.seed})
        sampled = sampled.replacing(ensembles={state.ensemble: spec})
    return with_listed_attacks(sampled)[0] if lists_attacks else sampled


def _drawn_event(instance: Instance, state: SampleState) -> Shock | None:
    """Return the shock drawn from the ensemble of a sample; None without an ensemble."""
    if state.ensemble is None:
        return None
    return instance.event(next(sample_names(state.ensemble, instance.ensembles[state.ensemble])))


def _features(instance: Instance, event: Shock | None) -> DrawnShock | None:
    if event is None:
        return None
    months = len(event.periods) * instance.horizon.months
    return DrawnShock(event.entry, instance.horizon.year(event.periods.start), months, event.worst_severity)


def discover(
    result: Result,
    instance: Instance | None = None,
    *,
    samples: int = 1000,
    seed: int = 7,
    adversary: bool = False,
    jobs: int | None = None,
    time_limit: float | None = None,
    listener: Listener = ignore,
    file: str = "instance",
    scenario: ScenarioNames | None = None,
) -> Discovery:
    """Find the few conditions under which a plan fails.

    Args:
        result: the result whose plan is evaluated.
        instance: an instance other than the plan's own, with the same horizon and with every option that is bought.
        samples: number of samples, 60 … 100,000: half of them to find the conditions, half to score them.
        seed: seed of the samples, 0 … 2³² − 1.
        adversary: whether every attack that the instance's adversary can afford counts as a shock; the affordable
            attacks are determined anew in each sample.
        jobs: number of processes; by default all cores if the evaluation takes long.
        time_limit: seconds after which no more samples are evaluated; None for no limit.
        listener: receives the number of samples evaluated so far.
        file: name of the instance in findings.
        scenario: a scenario of the instance, or several in the order given.

    Raises:
        PlanFileError: the result holds no plan.
        InstanceError: the plan does not fit the instance, nothing in it is uncertain, it has no shock, or it does not
            have the scenario.
        MissingExtraError: the extra `sensitivity` is not installed.
        ValueError: samples or seed out of range.
        WorkerError: a process died.

    Example:
        >>> import optimizer as so
        >>> ranges = "ranges={demands.motors.quantity: {low: 0.5, high: 1.5, of: value}}"
        >>> instance = so.load("instances/tiny.yaml", [ranges])
        >>> found = so.discover(so.solve(instance), instance, samples=200)
        >>> found.failed, [each.box.bounds[0].low for each in found.boxes]
        (100, [1.0])
    """
    samples, seed = check_samples(samples, seed)
    arguments.yes_or_no(adversary=adversary)
    limits = Settings(jobs=jobs, time_limit=time_limit)
    require_extra("sensitivity", "The search for conditions under which a plan fails")
    require_plan(result)
    changed = apply_arguments(read(result.data, file) if instance is None else instance, scenario=scenario)
    base = changed.instance
    fit = fit_plan(base, result, file)
    check_subject(base, file, lists_attacks=adversary)
    base = without_attacks(base) if adversary else base
    found = _find_conditions(base, fit.plan, result.title, samples, seed, limits, listener, lists_attacks=adversary)
    return replace(found, notes=(*changed.notes, *fit.notes))


def _find_conditions(
    instance: Instance,
    plan: Plan,
    plan_title: str,
    samples: int,
    seed: int,
    settings: Settings,
    listener: Listener,
    *,
    lists_attacks: bool,
) -> Discovery:
    """Evaluate a plan in samples and find the boxes in which it fails."""
    named = numbers_of(instance.uncertain)
    numbers = [number for number in named if any(each.low < each.high for each in number.inputs)]
    shares, states = sample_states(instance, numbers, samples, seed)
    clock, fresh = settings.clock(), instance.fresh()
    with interruptible(clock, listener):
        outcomes = evaluate_states(fresh, plan, states, settings.jobs, clock, listener, lists_attacks=lists_attacks)
    dimensions, rows = _usable_samples(numbers, shares, outcomes)
    listener(Progress(task="conditions under which the plan fails"))
    boxes, held = _scored_boxes(rows, dimensions, seed), rows.held_back
    return Discovery(
        "done" if len(outcomes) == samples else "stopped",
        instance,
        plan_title,
        samples,
        seed,
        unusable=_group_unusable(outcomes[i] for i in sorted(outcomes)),
        dimensions=dimensions,
        boxes=boxes,
        together=score([each.box for each in boxes], rows.points[held], rows.failed[held]) if boxes else None,
        rows=rows,
    )


def check_subject(instance: Instance, file: str, *, lists_attacks: bool = False) -> None:
    """Check that something in an instance is uncertain, that it has a shock, and that it has no futures.

    Raises:
        InstanceError: with all findings; also if attacks have to be listed and cannot be.
    """
    findings = []
    if not instance.ranges and not instance.ensembles:
        cure = "Write ranges such as `capex: {value: 120k, low: 90k, high: 180k}`."
        findings.append(Finding(file, None, "ranges", "there is neither a range nor an ensemble to draw from", cure))
    if not instance.shocks and not instance.ensembles and not lists_attacks:
        findings.append(Finding(file, None, "shocks", "there is neither a shock nor an ensemble", "Add shocks."))
    if instance.futures:
        what = f"there are {len(instance.tree.futures):,} futures, and a plan is evaluated in one"
        cure = "Choose one: --future NAME, or the `instance` of one in `tree.futures`."
        findings.append(Finding(file, None, "futures", what, cure))
    if findings:
        raise InstanceError(findings)
    if lists_attacks:
        with_listed_attacks(without_attacks(instance))


def _usable_samples(
    numbers: Sequence[UncertainNumber], shares: Array, outcomes: Mapping[int, StateOutcome]
) -> tuple[tuple[SampleDimension, ...], DiscoverySamples]:
    """Return the dimensions in which usable samples differ, and these samples; `shares` has a row for each sample."""
    usable = [i for i, each in sorted(outcomes.items()) if each.failed is not None]
    dimensions, points = _dimensions(numbers, shares[usable], [outcomes[i].drawn for i in usable])
    samples = DiscoverySamples(
        number=np.array(usable, dtype=np.intp),
        held_back=np.array([i >= len(shares) - len(shares) // 2 for i in usable], dtype=bool),
        failed=np.array([outcomes[i].failed for i in usable], dtype=bool),
        gap=np.array([outcomes[i].gap for i in usable]),
        shock=tuple(outcomes[i].shock for i in usable),
        points=points,
    )
    return dimensions, samples


def _dimensions(
    numbers: Sequence[UncertainNumber], shares: Array, drawn: Sequence[DrawnShock | None]
) -> tuple[tuple[SampleDimension, ...], Array]:
    """Return the dimensions in which samples differ, and their values: array (samples, dimensions)."""
    made, columns = list[SampleDimension](), list[Array]()
    for j, number in enumerate(numbers):
        low, high = (number.first.low, number.first.high) if number.is_alike else (0.0, 1.0)
        made.append(SampleDimension(number.name, "number", low, high, number))
        values = low + shares[:, j] * (high - low)
        columns.append(np.rint(values) if made[-1].is_whole else values)
    shocks = [each for each in drawn if each is not None]
    kinds: tuple[DimensionKind, ...] = ("severity", "months", "start")
    features: list[tuple[str, DimensionKind, Array]]
    features = [(kind, kind, np.array([getattr(each, kind) for each in shocks], dtype=np.float64)) for kind in kinds]
    entries = sorted({each.entry for each in shocks})
    # With two events, one dimension suffices: one event occurs if the other does not.
    for entry in entries if len(entries) > 2 else entries[:1]:
        features.append((f"event: {entry}", "event", np.array([float(each.entry == entry) for each in shocks])))
    for name, kind, values in features:
        if len(values) and np.ptp(values) > 0:
            made.append(SampleDimension(name, kind, float(values.min()), float(values.max())))
            columns.append(values)
    return tuple(made), np.stack(columns, axis=1) if columns else np.zeros((len(shares), 0))


def _scored_boxes(rows: DiscoverySamples, dimensions: Sequence[SampleDimension], seed: int) -> tuple[FailureBox, ...]:
    """Find boxes with one half of the samples, and score each on the other half."""
    held = rows.held_back
    steps = [dimension.step for dimension in dimensions]
    boxes = find_boxes(rows.points[~held], rows.failed[~held], steps, seed)
    return tuple(FailureBox(box, score([box], rows.points[held], rows.failed[held])) for box in boxes)


def _group_unusable(outcomes: Iterable[StateOutcome]) -> tuple[UnusableSamples, ...]:
    """Group unusable samples by the place in the instance that makes them so, each with the reason of its first."""
    reasons = dict[str, list[str]]()
    for each in outcomes:
        if each.failed is None:
            reasons.setdefault(each.where, []).append(each.reason)
    return tuple(UnusableSamples(where, len(some), some[0]) for where, some in sorted(reasons.items()))
