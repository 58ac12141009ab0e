"""The cheapest plan that survives the listed shocks and the worst attack that an adversary can afford.

The search is `algorithms.robust`. The result is that of the instance in which the attacks that shaped the plan are
shocks beside the listed ones, audited as such; every other affordable attack has been evaluated. Attacks that the plan
deters are no shocks of it: they are named, with what they cost the adversary.

`least_outlay` is the least outlay that survives all of it, whatever the budget, by the same search.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from optimizer.algorithms.problem import LEAST_OUTLAY
from optimizer.algorithms.reading import own_columns, plan_values, read_plan
from optimizer.algorithms.robust import RobustPlan, robust_plan
from optimizer.algorithms.separation.attacks import AttackImpact, AttackOracle, listed_shocks_only
from optimizer.algorithms.solving import open_evaluator
from optimizer.disruptions.adversary import Attack
from optimizer.instance.edits import ScenarioNames, apply_arguments, with_attacks, with_budget
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.results.plan import Faced, Plan
from optimizer.results.result import Result
from optimizer.solver import BranchingHistories, Clock, Listener, Settings, Vector, ignore, interruptible
from optimizer.studies.attack_result import LeastOutlay
from optimizer.studies.solve import Timer, conclude
from optimizer.units import MoneyLike


@dataclass(frozen=True)
class Withstood:
    """A plan that was made against an adversary."""

    result: Result  # the plan, audited; its instance lists the attacks that shaped it
    oracle: AttackOracle  # who knows the attacks on plans of the instance
    attacks: tuple[Attack, ...]  # those that shaped the plan, and are not deterred
    deterred: tuple[Attack, ...] = ()  # those that it deters, as far as they can be listed


def withstand(
    instance: Instance,
    budget: MoneyLike | None = None,
    *,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
) -> Result:
    """Find the cheapest plan that survives every listed shock, and the worst affordable attack at each of its starts.

    Args:
        instance: one with an adversary.
        budget, scenario: as for `solve`.
        settings: MIP gap, limits; `strategy` and `checkpoint` do not matter.
        listener: receives every step of the search.

    Returns:
        The result, audited. Where floors cannot all be kept, its plan has the least sum of the listed shocks' gaps and
        the worst attack's.

    Raises:
        InstanceError: the instance has no adversary, several futures (`solve` takes those), or no such scenario.
        AuditError, SolverError, ValueError: as for `solve`.
    """
    settings, made = settings or Settings(), apply_arguments(instance, budget=budget, scenario=scenario)
    return withstood(made.instance, None, settings, settings.clock(), listener, made.notes).result


def withstood(
    instance: Instance,
    budget: float | None,
    settings: Settings,
    clock: Clock,
    listener: Listener = ignore,
    notes: tuple[str, ...] = (),
    load_seconds: float = 0.0,
    histories: BranchingHistories | None = None,
) -> Withstood:
    """The same, with the oracle and the attacks that shaped the plan.

    `histories` is what branching gained, for searches that share it.
    """
    timer = Timer(load_seconds, time.perf_counter())
    instance = listed_shocks_only(instance if budget is None else with_budget(instance, budget))
    with interruptible(clock, listener):
        with open_evaluator(instance, settings, None) as evaluator:
            evaluator.histories = histories
            fought = robust_plan(instance, settings, clock, listener, evaluator)
            notes = (*notes, *evaluator.notes)
        shaped = shape(instance, fought, fought.solved.builder)
        with open_evaluator(shaped.instance, settings, None) as evaluator:
            result = conclude(shaped.instance, settings, clock, timer, fought.solved, evaluator, notes, shaped.faced)
    return Withstood(result, fought.oracle, shaped.attacks, shaped.deterred)


@dataclass(frozen=True)
class Shaped:
    """An instance in which the attacks on a plan that matter are shocks beside the listed ones."""

    instance: Instance
    attacks: tuple[Attack, ...]  # those that shaped the plan or still break it, and are not deterred
    deterred: tuple[Attack, ...]  # as in `Withstood`
    faced: Faced  # the adversary, for a result


def shape(instance: Instance, fought: RobustPlan, builder: ModelBuilder) -> Shaped:
    """The instance of a plan, or of one future under a joint plan, with the attacks on it among its shocks.

    `builder` is the part of the model that belongs to it.
    """
    attacks, deterred = fought.attacks, tuple[Attack, ...]()
    if fought.solved.values is not None:
        plan = read_plan(instance, builder, fought.solved.values.tolist())
        worst = (each.attack for each in worst_attacks(fought.oracle, plan))
        attacks = (*attacks, *(attack for attack in worst if attack not in attacks))
        columns = fought.solved.values[own_columns(fought.oracle.programmes.plan, builder)]
        deterred = deterred_attacks(fought.oracle, columns, fought.deterred)
    faced = _describe_adversary(fought.oracle, attacks, deterred)
    return Shaped(with_attacks(instance, attacks), attacks, deterred, faced)


def plan_columns(oracle: AttackOracle, plan: Plan) -> Vector:
    """A plan as the oracle sees it."""
    return np.array(plan_values(oracle.programmes.instance, plan, oracle.programmes.plan), dtype=np.float64)


def worst_attack(oracle: AttackOracle, plan: Plan) -> AttackImpact | None:
    """Of the attacks that it can afford, the one that leaves most below the floors; None where none breaks the plan."""
    return max(worst_attacks(oracle, plan), key=lambda worst: worst.gap, default=None)


def worst_attacks(oracle: AttackOracle, plan: Plan) -> list[AttackImpact]:
    """At each start where an attack that it can afford breaks the plan, the worst one."""
    found = (oracle.worst(front) for front in oracle.programmes.windows(plan_columns(oracle, plan)))
    return [worst for worst in found if worst is not None]


def deterred_attacks(oracle: AttackOracle, plan: Vector, known: Iterable[Attack] = ()) -> tuple[Attack, ...]:
    """Of the maximal affordable attacks, where they can be listed, and of some that are known: those a plan deters."""
    return tuple(oracle.deterred(plan, dict.fromkeys([*known, *(oracle.candidates() or ())])))


def _describe_adversary(oracle: AttackOracle, attacks: Iterable[Attack], deterred: Iterable[Attack]) -> Faced:
    programmes = oracle.programmes
    horizon = programmes.instance.horizon
    return Faced(
        attack_budget=programmes.adversary.attack_budget,
        starts=len(programmes.starts),
        targets=len(programmes.names),
        sets=oracle.sets,
        attacks=tuple(attack.name(horizon) for attack in attacks),
        deterred=tuple(attack.name(horizon) for attack in deterred),
    )


def least_outlay(
    instance: Instance, oracle: AttackOracle, settings: Settings, clock: Clock, listener: Listener = ignore
) -> LeastOutlay:
    """Find the least outlay that survives the listed shocks and the adversary of an instance, whatever its budget.

    The search begins from nothing: with the attacks that matter for the cheapest plan the model is larger, and takes
    longer.

    Args:
        instance: one without questions that has an adversary, and none of its attacks among its shocks.
        oracle: of the instance.
        settings: the outlay is proven to their MIP gap.
        clock: a deadline, and whether Ctrl-C was pressed.
        listener: receives every step.

    Raises:
        SolverError: the solver failed.
    """
    free = with_budget(instance, None)
    with open_evaluator(free, settings, None) as evaluator:
        solved = robust_plan(free, settings, clock, listener, evaluator, oracle, LEAST_OUTLAY).solved
    if solved.status == "infeasible":
        return LeastOutlay("none")
    bound = max(0.0, solved.bound)
    if solved.status == "stopped" or clock.is_over:
        return LeastOutlay("stopped", None, bound)
    return LeastOutlay("optimal", max(0.0, solved.cost), bound)
