"""`solve` and `withstand`: plans of instances with one future; and the least outlay that withstands an adversary.

Without an adversary the search is that of `studies.conclusion`, with one `algorithms.robust`. The result is then that
of an instance in which the attacks that shaped the plan are shocks besides the listed ones, audited as such; every
other affordable attack has been evaluated. Attacks that the plan deters are no shocks; the result names them.

shaping      attacks in the model of the plan that the plan does not deter
deterred     attacks that are affordable at their prices, but not with the costs that the plan's leverage adds
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from optimizer import arguments
from optimizer.algorithms.problem import LEAST_OUTLAY
from optimizer.algorithms.reading import own_columns, plan_values, read_plan
from optimizer.algorithms.robust import RobustPlan, robust_plan
from optimizer.algorithms.separation.attacks import AttackImpact, AttackOracle, listed_shocks_only
from optimizer.algorithms.solving import open_evaluator
from optimizer.algorithms.workers import Memory, clock_of_task, listener_of
from optimizer.disruptions.adversary import Attack
from optimizer.errors import Finding, InstanceError
from optimizer.instance.altered import with_attacks, with_eased_floors
from optimizer.instance.edits import ScenarioNames, apply_arguments, with_budget
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.results.plan import Faced, Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Listener, PseudoCostsByObjective, Settings, Vector, ignore, interruptible
from optimizer.studies.attack_result import LeastOutlay
from optimizer.studies.conclusion import Timer, conclude, solve_instance
from optimizer.units import MoneyLike


def solve(
    instance: Instance,
    budget: MoneyLike | None = None,
    *,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
    adversary: bool = False,
) -> Result:
    """Find the cheapest plan that survives every shock, or the plan with the least survival gap if there is none.

    Args:
        instance: an instance without futures and with the objective expected cost; for others, use `solve_futures`.
        budget: limit on the undiscounted outlay, a number or text such as "250M"; None keeps the instance's budget.
        settings: solver, MIP gap, limits.
        listener: receives every step of the search.
        scenario: scenario of the instance, or several; they apply in the order given, so that later ones take priority.
        adversary: whether the plan must survive the worst attack that the adversary can afford.

    Returns:
        The result, audited.

    Raises:
        AuditError: the plan and its figures disagree.
        SolverError: the solver failed.
        InstanceError: the instance has futures or another objective, lacks the scenario, or lacks the required
            adversary.
        ValueError: a budget that is no amount of money.
        CheckpointError: the folder of `checkpoint` cannot be used, or its file is damaged.
        WorkerError: a process died, or the cluster cannot be reached.

    Example:
        >>> import optimizer as so
        >>> result = so.solve(so.load("instances/tiny.yaml"), budget="30M")
        >>> result.status, round(result.total_cost)
        ('survives', 43600000)
        >>> result.plan
        <Plan
          2026  plant  20
          stock  reserve  largest 100 t>
    """
    settings = Settings.chosen(settings)
    arguments.yes_or_no(adversary=adversary)
    made = apply_arguments(instance, budget=budget, scenario=scenario, takes="futures and measures")
    if made.instance.is_adaptive:
        place, what = "futures", "the instance has several futures"
        cure = "Call `solve_futures`, or choose one by in_future(instance, name)."
        if not made.instance.futures:
            place, what = "policy.objective", f"plans are judged by {made.instance.policy.objective}"
            cure = "Call `solve_futures`; `solve` is for expected cost."
        raise InstanceError([Finding(instance.title, None, place, what, cure)])
    clock = settings.clock()
    if adversary:
        result = search_robust(made.instance, settings, clock, listener, made.notes).result
    else:
        result = solve_instance(made.instance, settings, clock, listener, notes=made.notes)
    return replace(result, changes=made.changes)


def withstand(
    instance: Instance,
    budget: MoneyLike | None = None,
    *,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
) -> Result:
    """Find the cheapest plan that survives every listed shock, and the worst affordable attack at each of its starts.

    It is equivalent to `solve(…, adversary=True)`.

    Args:
        instance: an instance with an adversary.
        budget, settings, listener, scenario: as for `solve`; `strategy` and `checkpoint` are ignored.

    Returns:
        The result, audited; where floors fail, the sum of the listed gaps and of the worst at each start is least.

    Raises:
        AuditError, SolverError, InstanceError, ValueError, WorkerError: as for `solve`.
    """
    return solve(instance, budget, settings=settings, listener=listener, scenario=scenario, adversary=True)


@dataclass(frozen=True)
class RobustOutcome:
    """A plan that was made against an adversary."""

    result: Result  # the plan, audited; its instance lists the attacks that shaped it
    oracle: AttackOracle  # finds the worst attacks on plans of the instance
    attacks: tuple[Attack, ...]  # attacks that shaped the plan and are not deterred
    deterred: tuple[Attack, ...] = ()  # attacks that the plan deters, as far as they can be listed


def search_robust(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    notes: tuple[str, ...] = (),
    load_seconds: float = 0.0,
    pseudo_costs: PseudoCostsByObjective | None = None,
) -> RobustOutcome:
    """Find the cheapest plan that survives every listed shock, and the worst affordable attack at each of its starts.

    If not all floors can be kept, return the plan with the least sum of the gaps of the listed shocks and of the worst
    attack at each start. `pseudo_costs` is shared by searches of one study.

    Raises:
        InstanceError: the instance has no adversary.
        AuditError: the plan and its figures disagree.
        SolverError: the solver failed.
    """
    timer = Timer(load_seconds, time.perf_counter())
    instance = listed_shocks_only(instance)
    with interruptible(clock, listener):
        with open_evaluator(instance, settings, None) as evaluator:
            evaluator.pseudo_costs = pseudo_costs
            robust = robust_plan(instance, settings, clock, listener, evaluator)
            notes = (*notes, *evaluator.notes)
        attacked = attacked_instance(instance, robust, robust.solved.builder)
        with open_evaluator(attacked.instance, settings, None) as evaluator:
            result = conclude(
                attacked.instance, settings, clock, timer, robust.solved, evaluator, notes, attacked.faced
            )
    return RobustOutcome(result, robust.oracle, attacked.attacks, attacked.deterred)


@dataclass(frozen=True)
class AttackedInstance:
    """An instance in which the relevant attacks on a plan are shocks besides the listed ones."""

    instance: Instance
    attacks: tuple[Attack, ...]  # attacks that shaped the plan or that it does not survive, and that are not deterred
    deterred: tuple[Attack, ...]  # as in `RobustOutcome`
    faced: Faced  # the adversary, for a result


def attacked_instance(instance: Instance, robust: RobustPlan, builder: ModelBuilder) -> AttackedInstance:
    """Return the instance of a plan, or of one future under a joint plan, with the attacks on it as shocks.

    `builder` is the part of the model that belongs to the instance.
    """
    attacks, deterred = robust.attacks, tuple[Attack, ...]()
    if robust.solved.values is not None:
        plan = read_plan(instance, builder, robust.solved.values.tolist())
        worst = (each.attack for each in worst_attacks(robust.oracle, plan))
        attacks = (*attacks, *(attack for attack in worst if attack not in attacks))
        columns = robust.solved.values[own_columns(robust.oracle.programmes.plan, builder)]
        deterred = deterred_attacks(robust.oracle, columns, robust.deterred)
    faced = _faced_adversary(robust.oracle, attacks, deterred)
    return AttackedInstance(with_attacks(instance, attacks), attacks, deterred, faced)


def plan_columns(oracle: AttackOracle, plan: Plan) -> Vector:
    """Return the plan as column values of the oracle's first-stage model."""
    return np.array(plan_values(oracle.programmes.instance, plan, oracle.programmes.plan), dtype=np.float64)


def worst_attack(oracle: AttackOracle, plan: Plan) -> AttackImpact | None:
    """Return the affordable attack with the largest gap; None if the plan survives every attack."""
    return max(worst_attacks(oracle, plan), key=lambda worst: worst.gap, default=None)


def worst_attacks(oracle: AttackOracle, plan: Plan) -> list[AttackImpact]:
    """Return the worst affordable attack at each start at which an attack breaks the plan."""
    found = (oracle.worst(window) for window in oracle.programmes.windows(plan_columns(oracle, plan)))
    return [worst for worst in found if worst is not None]


def deterred_attacks(oracle: AttackOracle, plan: Vector, known: Iterable[Attack]) -> tuple[Attack, ...]:
    """Return the attacks that a plan deters, out of `known` and all maximal affordable attacks, if these are listed."""
    return tuple(oracle.deterred(plan, dict.fromkeys([*known, *(oracle.candidates() or ())])))


def _faced_adversary(oracle: AttackOracle, attacks: Iterable[Attack], deterred: Iterable[Attack]) -> Faced:
    programmes, horizon = oracle.programmes, oracle.programmes.instance.horizon
    return Faced(
        attack_budget=programmes.adversary.attack_budget,
        starts=len(programmes.starts),
        targets=len(programmes.names),
        sets=oracle.set_count,
        attacks=tuple(attack.name(horizon) for attack in attacks),
        deterred=tuple(attack.name(horizon) for attack in deterred),
    )


# Time limit of the least outlay, s: its integers have many near-optimal values; the bound proven by then is printed.
LEAST_OUTLAY_SECONDS = 30.0


def search_withstanding_outlay(
    instance: Instance, oracle: AttackOracle, settings: Settings, clock: Clock, listener: Listener = ignore
) -> LeastOutlay:
    """Find the least outlay that survives the listed shocks and the adversary of an instance, ignoring its budget.

    The instance has no questions, and no attacks among its shocks; `settings` have the MIP gap to which the outlay is
    proven. The search starts without attacks: those that shape the cheapest plan would enlarge the model and slow it.

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
    return LeastOutlay("optimal", max(0.0, solved.objective), bound)


def find_withstanding_outlay(memory: Memory, instance: Instance, settings: Settings, known: Plan | None) -> LeastOutlay:
    """Find the least outlay that survives listed shocks and adversary of an instance, as an executor's task.

    `known` is a known plan that survives them, None without one; it may miss floors by less than counts as a shortfall.
    """
    with clock_of_task(memory, settings) as clock, clock.for_at_most(LEAST_OUTLAY_SECONDS):
        oracle = AttackOracle(instance, settings, clock)
        found = search_withstanding_outlay(instance, oracle, settings, clock, listener_of(memory))
        if found.status != "none" or known is None:
            return found
        eased = with_eased_floors(instance)
        return search_withstanding_outlay(
            eased, AttackOracle(eased, settings, clock), settings, clock, listener_of(memory)
        )
