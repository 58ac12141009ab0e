"""Samples of a discovery, and what becomes of a plan in them.

The plan is held: its purchases stay as they are. Working capacities, stocks and recourse are those of the sample's own
instance, whose recourse programmes are warm over its shocks.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.algorithms.executor import Task, size_for, start_executor
from optimizer.algorithms.reading import plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.disruptions.ensemble import sample_names
from optimizer.disruptions.shock import Shock
from optimizer.errors import InstanceError
from optimizer.instance.edits import with_numbers
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, Progress
from optimizer.results.plan import Array, Plan
from optimizer.results.ranking import first_largest
from optimizer.solver import Clock, interruptible
from optimizer.studies.importance import UncertainNumber, latin_hypercube
from optimizer.studies.purchases import place_plan
from optimizer.studies.sensitivity import stopping_all
from optimizer.studies.stress import worst_cut
from optimizer.studies.withstand import with_listed_attacks

# Samples of a task.
PART = 10
LAST_SAMPLE_SEED = 2**32 - 1


@dataclass(frozen=True)
class SampleState:
    """A sample before it is evaluated: numbers by path, and from which ensemble a shock is drawn with which seed."""

    numbers: Mapping[str, float]
    ensemble: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class DrawnShock:
    """What is known of the shock that was drawn: entry, year of its start, months of its window, worst severity."""

    entry: str
    start: int
    months: int
    severity: float


@dataclass(frozen=True)
class StateOutcome:
    """What became of the plan in a sample.

    Attributes:
        failed: whether some floor fails; None where the sample is unusable.
        gap: money, over all shocks. shock: the one with the largest gap, of those that fail; of an ensemble its entry.
        drawn: the shock drawn from the ensembles; None without any.
        where, reason: what of the instance makes the sample unusable, and why.
    """

    failed: bool | None = None
    gap: float = 0.0
    shock: str | None = None
    drawn: DrawnShock | None = None
    where: str = ""
    reason: str = ""


def sample_states(
    instance: Instance, numbers: Sequence[UncertainNumber], samples: int, seed: int
) -> tuple[Array, list[SampleState]]:
    """Where in its range each number is by sample, and the samples; the second half is held back."""
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


def evaluate_all(
    instance: Instance,
    plan: Plan,
    states: Sequence[SampleState],
    jobs: int | None,
    clock: Clock,
    listener: Listener,
    *,
    lists_attacks: bool,
) -> dict[int, StateOutcome]:
    """What becomes of the plan, by number of the sample; those that were not reached are left out."""
    began = time.perf_counter()
    found = dict(enumerate(evaluate_states({}, instance, plan, states[:1], lists_attacks)))
    seconds = (time.perf_counter() - began) * len(states)
    # Every part has samples of both halves, so that a search that is stopped has as many of either.
    count = -(-len(states) // PART)
    parts = [range(k, len(states), count) for k in range(count)]
    tasks = [Task(evaluate_states, (instance, plan, [states[i] for i in part], lists_attacks)) for part in parts]
    listener(Progress(task="samples", total=len(states)))
    with start_executor(size_for(jobs, seconds)) as executor:
        executor.memory["clock"] = clock
        for k, outcomes in executor.as_completed(tasks, clock):
            found |= dict(zip(parts[k], outcomes, strict=False))
            # As after Ctrl-C, what has not begun is left out.
            clock.interrupted |= clock.is_over and len(found) < len(states)
            listener(Progress(task="samples", done=len(found), total=len(states)))
    return found


def evaluate_states(
    memory: dict[str, Any], instance: Instance, plan: Plan, states: Sequence[SampleState], lists_attacks: bool
) -> list[StateOutcome]:
    """A task: what becomes of the plan in some samples; fewer where it is interrupted."""
    clock, found = Clock(), list[StateOutcome]()
    with interruptible(clock, stopping_all(memory)):
        for state in states:
            if clock.interrupted:
                break
            found.append(_outcome(instance, plan, state, clock, lists_attacks=lists_attacks))
    return found


def _outcome(instance: Instance, plan: Plan, state: SampleState, clock: Clock, *, lists_attacks: bool) -> StateOutcome:
    try:
        there = _instance_of(instance, state, lists_attacks=lists_attacks)
        placed = place_plan(there, plan, there.title).plan
    except InstanceError as error:
        first = error.findings[0]
        return StateOutcome(where=first.where, reason=first.what)
    evaluator = RecourseEvaluator(there)
    # Nothing is searched for, and every sample has programmes of its own.
    evaluator.subproblems.plan.offers_valid = False
    values = np.array(plan_values(there, placed, evaluator.subproblems.plan))
    left = evaluator.gaps(values, clock)
    worst = first_largest(np.where(left.fails, left.gap, 0.0).tolist())
    if worst is None and left.fails.any():
        worst = int(np.argmax(left.fails))
    event, drawn = None if worst is None else there.events[worst], _drawn_event(there, state)
    shock = None if event is None else event.entry if event is drawn else event.name
    return StateOutcome(bool(left.fails.any()), float(left.gap.sum()), shock, _features(there, drawn))


def _instance_of(instance: Instance, state: SampleState, *, lists_attacks: bool) -> Instance:
    """The instance with the numbers of a sample, one shock of its ensemble, and attacks found anew."""
    there = with_numbers(instance, state.numbers)
    if state.ensemble is not None:
        spec = there.ensembles[state.ensemble].model_copy(update={"count": 1, "seed": state.seed})
        there = there.replacing(ensembles={state.ensemble: spec})
    return with_listed_attacks(there)[0] if lists_attacks else there


def _drawn_event(instance: Instance, state: SampleState) -> Shock | None:
    """The shock that was drawn from the ensemble of a sample."""
    if state.ensemble is None:
        return None
    return instance.event(next(sample_names(state.ensemble, instance.ensembles[state.ensemble])))


def _features(instance: Instance, event: Shock | None) -> DrawnShock | None:
    if event is None:
        return None
    months = len(event.periods) * instance.horizon.months
    return DrawnShock(event.entry, instance.horizon.year(event.periods.start), months, worst_cut(event))
