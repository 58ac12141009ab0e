"""Which algorithm finds a plan: the whole decision; and the plan without shocks, from which prices of survival count.

    extensive form          one model that holds every shock (`extensive_form`): a handful of shocks; where some have
                            probabilities, few periods of shocks in all
    Benders decomposition   (`benders`) shocks have probabilities, so that every one counts in the cost
    constraint generation   (`constraint_generation`) all else

Where floors cannot all be kept, the last two go on with the shocks that fail under the do-nothing plan or have a
probability: the extensive form of these finds the least gap if they are few (`FEW_ROWS`), else Benders decomposition.

`Settings.strategy` asks for one of them; ``auto``, which is the default, decides by the instance. Two cases are decided
whatever is asked for: a problem other than least cost has no plan where floors fail, which only constraint generation
reports as infeasible; and where samples may fail, Benders cuts cannot estimate what a plan costs.

Tasks for workers find plans of parts: `solve_group` of a group of futures, `solve_alone` of one future by itself, from
whose cost its regret counts (`with_regret`).
"""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.algorithms.benders import BendersSearch
from optimizer.algorithms.constraint_generation import ConstraintGeneration, no_sample_may_fail
from optimizer.algorithms.dual_decomposition import GroupPlans, GroupProblem
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.joint_recourse import JointEvaluator, evaluator_in_worker, evaluator_of, kept_instances
from optimizer.algorithms.problem import LEAST_COST, NOTHING_KNOWN, Hints, ProblemVariant, SearchResult
from optimizer.algorithms.reading import read_no_shock, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator, recourse_executor
from optimizer.algorithms.search import ADDED, FEW_ROWS, warn_unsaved
from optimizer.algorithms.workers import Memory, Task, clock_of_task
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Future, Instance
from optimizer.instance.variants import without_disruptions
from optimizer.results.futures import FutureResult
from optimizer.results.plan import NoShockPlan, Plan
from optimizer.results.result import Result
from optimizer.solver.base import Clock, Listener, Progress, Settings, StrategyName, ignore
from optimizer.tolerances import NO_SHOCK_GAP

# The shocks up to which the extensive form is small; with probabilities, the periods of shocks in all. There,
# Benders decomposition takes as long for CVaR and the largest cost; a third of the time at 240 periods, a sixth at 470.
FEW_SHOCKS, FEW_PERIODS = 8, 60
# Why an extensive form writes no checkpoint.
WITHOUT_ROUNDS = (
    "the extensive form is one model and has no rounds. Choose the strategy constraint-generation, or benders where "
    "shocks have probabilities."
)
# Where a worker keeps who listens to its tasks, if it is this process.
LISTENER = "listener"
# Seconds in which the no-shock plan's cost is proven.
NO_SHOCK_SECONDS = 20.0


def best_plan(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    problem: ProblemVariant = LEAST_COST,
    evaluator: RecourseEvaluator | None = None,
    hints: Hints = NOTHING_KNOWN,
    *,
    add: int = ADDED,
    few_rows: float = FEW_ROWS,
) -> SearchResult:
    """The cheapest plan that survives; where the floors cannot all be kept, the one with the least gap.

    Args:
        instance: of one future or of several.
        settings: which algorithm, how near to the optimum, with what limits.
        clock: a deadline, and whether Ctrl-C was pressed.
        listener: hears every step.
        problem: what is minimised over the plans that keep the floors. Another problem than least cost has no plan
            where they cannot be kept: the status is ``infeasible`` then.
        evaluator: of the recourse, one that is already warm; its results are the same.
        hints: what is known before. add: how many violated shocks are added in a round.
        few_rows: where floors fail and the shocks that count have no more rows of recourse, one model holds them all.

    Raises:
        SolverError: the solver failed.
    """
    algorithm = choose_algorithm(instance, settings, problem)
    if algorithm == "extensive-form":
        notes = () if settings.checkpoint is None else (warn_unsaved(WITHOUT_ROUNDS),)
        found = solve_extensive_form(instance, settings, clock, listener, problem, evaluator)
        return replace(found, notes=(*found.notes, *notes))
    evaluator = evaluator or evaluator_of(instance)
    known = (instance, settings, clock, listener, evaluator, problem)
    if algorithm == "benders":
        return BendersSearch(*known, add, few_rows).run()
    search = _ListedConstraintGeneration(*known, solve_groups, hints, add, few_rows)
    if problem.gap_limit > 0:
        search.note_shock_numbers(np.flatnonzero(evaluator.do_nothing(clock).gap > 0.0).tolist())
    return search.run()


def choose_algorithm(instance: Instance, settings: Settings, problem: ProblemVariant = LEAST_COST) -> StrategyName:
    """Which algorithm solves a problem, as this module says."""
    if not problem.is_least_cost:
        return "constraint-generation"
    chosen = _fastest(instance.tree.events) if settings.strategy == "auto" else settings.strategy
    return "constraint-generation" if chosen == "benders" and not no_sample_may_fail(instance) else chosen


def _fastest(events: Sequence[Shock]) -> StrategyName:
    if any(shock.probability > 0 for shock in events):
        return "extensive-form" if sum(len(shock.periods) for shock in events) <= FEW_PERIODS else "benders"
    return "extensive-form" if len(events) <= FEW_SHOCKS else "constraint-generation"


class _ListedConstraintGeneration(ConstraintGeneration):
    """Constraint generation for the listed shocks alone."""

    def minimise_gap(self) -> SearchResult:
        """The least gap, by Benders decomposition; there is no plan for another problem than least cost."""
        if not self.problem.is_least_cost:
            return SearchResult("infeasible", self.model.builder, history=tuple(self.history))
        few_rows = self.few_rows if no_sample_may_fail(self.instance) else math.inf
        known = (self.settings, self.clock, self.report, self.evaluator, self.problem, self.added_a_round, few_rows)
        found = BendersSearch(self.instance, *known).go_on(self.shocks, self.history)
        if found.status != "stopped" or (self.latest is None and self.relaxation is None):
            return found
        best = self.best_of(found, self.latest or self.model.fall_back(self.relaxation))
        return replace(best, history=found.history)


def solve_groups(
    evaluator: RecourseEvaluator, problems: Sequence[GroupProblem], clock: Clock
) -> Sequence[GroupPlans | None]:
    """Groups of futures, each by itself, side by side; None for those that the clock did not allow."""
    assert isinstance(evaluator, JointEvaluator)
    until = None if clock.left is None else time.time() + clock.left
    return evaluator.search_futures([Task(solve_group, (each, until)) for each in problems], clock)


def solve_group(memory: Memory, group: GroupProblem, until: float | None) -> GroupPlans:
    """A task: a group of futures by itself."""
    with clock_of_task(memory, until) as clock:
        if clock.is_over:
            return GroupPlans(-math.inf)
        instance = group.instance(kept_instances(memory, group.numbers))
        evaluator = evaluator_in_worker(memory, instance, group.numbers)
        hints = Hints(group.shocks, group.plans)
        found = best_plan(instance, group.settings, clock, ignore, group.problem, evaluator, hints)
        return GroupPlans.of(instance, found)


@dataclass(frozen=True)
class Alone:
    """The best plan of one future by itself."""

    # Its cost with the price of its gap, and a proven lower bound; money.
    cost: float = math.inf
    bound: float = -math.inf
    gap: float = 0.0  # its survival gap
    plan: Plan | None = None  # None where none was found; there is none unless the search was stopped
    shocks: frozenset[str] = frozenset()  # names of those that its model held
    is_stopped: bool = False  # whether its search ended before the proof

    @classmethod
    def of(cls, instance: Instance, solved: SearchResult) -> "Alone":
        """What a search found in a future."""
        if solved.values is None:
            return cls(is_stopped=solved.status == "stopped")
        priced = (instance.policy.gap_price or 0.0) * solved.gap
        plan = read_plan(instance, solved.builder, solved.values.tolist())
        shocks = frozenset(path for path, _, _ in solved.builder.column_index())
        stopped = solved.status == "stopped"
        return cls(solved.cost + priced, solved.bound + priced, solved.gap, plan, shocks, stopped)


def solve_alone(memory: Memory, number: int, name: str, settings: Settings, until: float | None) -> Alone:
    """A task: one future by itself, judged by its expected cost."""

    def report(step: Progress) -> None:
        memory.get(LISTENER, ignore)(replace(step, phase=f"{name} alone, {step.phase}"))

    with clock_of_task(memory, until) as clock:
        if clock.is_over:
            return Alone(is_stopped=True)
        (kept,) = kept_instances(memory, (number,))
        instance = kept.by_expected_cost()
        evaluator = evaluator_in_worker(memory, kept, (number,))
        return Alone.of(instance, best_plan(instance, settings, clock, report, evaluator=evaluator))


def exact_no_shock(
    instance: Instance, settings: Settings, clock: Clock, known: Result | None = None
) -> NoShockPlan | None:
    """The cheapest plan without shocks and rules about surviving, as `known` has it; None without, or not in time."""
    if known is not None and known.no_shock is not None:
        return known.no_shock
    if not instance.events and not instance.survival_rules:
        return None
    left = NO_SHOCK_SECONDS if clock.left is None else min(NO_SHOCK_SECONDS, clock.left)
    exact = replace(settings, mip_gap=min(settings.mip_gap, NO_SHOCK_GAP), tolerance=None, checkpoint=None)
    return no_shock_plan(instance, exact, Clock(left))


def no_shock_plan(instance: Instance, settings: Settings, clock: Clock) -> NoShockPlan | None:
    """The same, proven to the gap of the settings."""
    variant = without_disruptions(instance)
    found = solve_extensive_form(variant, settings, clock, lambda step: None)
    if found.values is None or found.status != "optimal":
        return None
    return read_no_shock(variant, found.builder, found.values.tolist(), found.cost)


def no_shock_cost(instance: Instance, settings: Settings, clock: Clock) -> float | None:
    """What that plan costs."""
    found = exact_no_shock(instance, settings, clock)
    return None if found is None else found.total_cost


def with_regret(instance: Instance, future: Future, result: Result, alone: Alone) -> FutureResult:
    """A future with its regret; its least cost is that of the cheapest plan known, that of the result included."""
    label, price = instance.horizon.label, instance.policy.gap_price
    answers = tuple((each.question, each.branch, label(each.t)) for each in future.answers)
    known = FutureResult(future.name, future.probability, answers, result)
    if not math.isfinite(alone.cost):
        return known
    if price is None and alone.gap > 0:
        return replace(known, least_cost=alone.cost)
    cost = result.total_cost + (price or 0.0) * result.survival_gap
    # A plan that leaves a gap is no plan to regret by.
    least = alone.cost if price is None and result.survival_gap > 0 else min(alone.cost, cost)
    bound = min(alone.bound, least)
    return replace(known, least_cost=least, least_bound=bound if math.isfinite(bound) else None, regret=cost - least)


@contextlib.contextmanager
def open_evaluator(
    instance: Instance, settings: Settings, warm: RecourseEvaluator | None
) -> Iterator[RecourseEvaluator]:
    """The evaluator given; or one of our own, which is let go afterwards."""
    evaluator = warm or RecourseEvaluator(instance, recourse_executor(instance, settings.jobs, settings.cluster))
    try:
        yield evaluator
    finally:
        if warm is None:
            evaluator.close()
