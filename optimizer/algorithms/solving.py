"""The choice of the algorithm that finds a plan, and the no-shock plan, the reference of the price of survival.

    extensive form          one model that holds every shock (`extensive_form`): for a handful of shocks; where some
                            have probabilities, for few periods of shocks in all
    Benders decomposition   (`benders`) where shocks have probabilities, so that every one counts in the cost
    constraint generation   (`constraint_generation`) in all other cases

Where floors cannot all be kept, the last two continue with the shocks that leave a gap under the do-nothing plan or
have a probability: the extensive form of these finds the least gap if they are few (`Search.few_rows`), else Benders
decomposition.

`Settings.strategy` requests one of them; ``auto``, the default, decides by the instance. Two cases override the
request: a problem other than least cost has no plan where floors fail, which only constraint generation reports as
infeasible; and where samples may fail, Benders cuts cannot estimate the cost of a plan.

Tasks for workers solve parts of the problem: `solve_group` a group of futures, `solve_one_future` one future by itself,
from whose cost regret counts (`with_regret`).
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.algorithms.benders import BendersSearch
from optimizer.algorithms.constraint_generation import ConstraintGeneration
from optimizer.algorithms.dual_decomposition import GroupPlans, GroupProblem
from optimizer.algorithms.extensive_form import ShockModel, solve_extensive_form
from optimizer.algorithms.joint_recourse import JointEvaluator, evaluator_in_worker, evaluator_of, kept_instances
from optimizer.algorithms.problem import LEAST_COST, NOTHING_KNOWN, Hints, ProblemVariant, SearchResult
from optimizer.algorithms.reading import read_no_shock, read_plan
from optimizer.algorithms.recourse import Evaluator, RecourseEvaluator, recourse_executor
from optimizer.algorithms.relaxed_floors import no_sample_may_fail
from optimizer.algorithms.search import warn_unsaved
from optimizer.algorithms.workers import Memory, Task, clock_of_task, listener_of
from optimizer.disruptions.shock import Shock
from optimizer.errors import UnboundedError
from optimizer.formulation import ModelWriter
from optimizer.instance.altered import without_disruptions
from optimizer.instance.derived import is_disrupted
from optimizer.instance.schema import Future, Instance
from optimizer.results.futures import FutureResult
from optimizer.results.plan import NoShockPlan, Plan
from optimizer.results.result import Result
from optimizer.solver.base import Clock, Listener, Progress, Settings, StrategyName, ignore
from optimizer.tolerances import NO_SHOCK_GAP

# Largest number of shocks of an extensive form; with probabilities, largest number of periods of shocks in all. At that
# size Benders decomposition takes as long for CVaR and the largest cost; at 240 periods it takes a third of the time,
# at 470 a sixth.
FEW_SHOCKS, FEW_PERIODS = 8, 60
# The reason for which an extensive form writes no checkpoint.
WITHOUT_ROUNDS = (
    "the extensive form is one model and has no rounds. Choose the strategy constraint-generation, or benders where "
    "shocks have probabilities."
)
# Time limit of `exact_no_shock`, seconds.
NO_SHOCK_SECONDS = 20.0


def best_plan(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    problem: ProblemVariant = LEAST_COST,
    evaluator: Evaluator | None = None,
    hints: Hints = NOTHING_KNOWN,
) -> SearchResult:
    """Find the cheapest plan that survives; where the floors cannot all be kept, the one with the least gap.

    Args:
        instance: with one future or several.
        settings: algorithm, gap to prove, and limits.
        clock: a deadline, and whether Ctrl-C was pressed.
        listener: receives every progress event.
        problem: the objective over the plans that keep the floors. A problem other than least cost has no plan where
            they cannot be kept: the status is then ``infeasible``.
        evaluator: evaluates the recourse; may be warm from an earlier search, with the same results.
        hints: facts known before, which constraint generation uses; the other strategies ignore them.

    Raises:
        SolverError: the solver failed.
        CheckpointError: the checkpoint cannot be used. WorkerError: workers died, or the cluster cannot be reached.
    """
    algorithm = choose_algorithm(instance, settings, problem)
    if algorithm == "extensive-form":
        notes = () if settings.checkpoint is None else (warn_unsaved(WITHOUT_ROUNDS),)
        found = solve_extensive_form(instance, settings, clock, listener, problem, evaluator)
        return replace(found, notes=(*found.notes, *notes))
    evaluator = evaluator or evaluator_of(instance)
    known = (instance, settings, clock, listener, evaluator, problem)
    if algorithm == "benders":
        return BendersSearch(*known).run()
    search = _ListedConstraintGeneration(*known, solve_groups, hints)
    if problem.gap_limit > 0:
        search.enter_shock_numbers(np.flatnonzero(evaluator.can_leave_gap(clock)).tolist())
    return search.run()


def choose_algorithm(instance: Instance, settings: Settings, problem: ProblemVariant = LEAST_COST) -> StrategyName:
    """Return the algorithm that solves a problem, by the rules in the docstring of this module."""
    if not problem.is_least_cost:
        return "constraint-generation"
    chosen = _fastest(instance.tree.events) if settings.strategy == "auto" else settings.strategy
    return "constraint-generation" if chosen == "benders" and not no_sample_may_fail(instance) else chosen


def _fastest(events: Sequence[Shock]) -> StrategyName:
    if any(shock.probability > 0 for shock in events):
        return "extensive-form" if sum(len(shock.periods) for shock in events) <= FEW_PERIODS else "benders"
    return "extensive-form" if len(events) <= FEW_SHOCKS else "constraint-generation"


class _ListedConstraintGeneration(ConstraintGeneration):
    """Constraint generation for the listed shocks only."""

    def minimise_gap(self) -> SearchResult:
        """Minimise the gap in one model of the shocks that count, or by Benders decomposition if these are many.

        A problem other than least cost is infeasible. After a stop, the best plan of both searches is returned.
        """
        if not self.problem.is_least_cost:
            return SearchResult("infeasible", self.model.builder, history=tuple(self.history))
        search = BendersSearch(self.instance, self.settings, self.clock, self.report, self.evaluator, self.problem)
        if not no_sample_may_fail(self.instance):
            search.few_rows = math.inf
        found = search.continue_from(self.shocks, self.history)
        if found.status != "stopped" or (self.latest is None and self.relaxation is None):
            return found
        best = self.best_of(found, self.latest or self.model.fall_back(self.relaxation))
        return replace(best, gap_bound=min(best.gap, found.gap_bound), history=found.history)


def solve_groups(evaluator: Evaluator, problems: Sequence[GroupProblem], clock: Clock) -> Sequence[GroupPlans | None]:
    """Solve groups of futures in parallel, each by itself; None for groups that the clock did not allow."""
    assert isinstance(evaluator, JointEvaluator)
    timed = (replace(each, settings=each.settings.within(clock)) for each in problems)
    return evaluator.run_tasks([Task(solve_group, (each,)) for each in timed], clock)


def solve_group(memory: Memory, group: GroupProblem) -> GroupPlans:
    """Solve a group of futures by itself: a task for workers."""
    with clock_of_task(memory, group.settings) as clock:
        if clock.is_over:
            return GroupPlans(-math.inf)
        instance = group.instance(kept_instances(memory, group.numbers))
        evaluator = evaluator_in_worker(memory, instance, group.numbers)
        hints = Hints(group.shocks, group.plans)
        try:
            found = best_plan(instance, group.settings, clock, ignore, group.problem, evaluator, hints)
        except UnboundedError:
            # A subgradient step may lead to multipliers that make more of an option without a largest size profitable.
            return GroupPlans(-math.inf)
        return GroupPlans.of(instance, found)


@dataclass(frozen=True)
class FutureOptimum:
    """The best plan of one future by itself."""

    # Its cost including the price of its gap, and a proven lower bound on it; in money.
    cost: float = math.inf
    bound: float = -math.inf
    gap: float = 0.0  # its survival gap, in money
    plan: Plan | None = None  # None if none was found, which happens only after a stop
    paths: frozenset[str] = frozenset()  # keys of the paths that its model held, shocks among them
    is_stopped: bool = False  # whether its search ended before the proof

    @classmethod
    def of(cls, instance: Instance, solved: SearchResult) -> "FutureOptimum":
        """Return the result of a search for one future."""
        if solved.values is None:
            return cls(is_stopped=solved.status == "stopped")
        priced = (instance.policy.gap_price or 0.0) * solved.gap
        plan = read_plan(instance, solved.builder, solved.values.tolist())
        stopped = solved.status == "stopped"
        return cls(solved.objective + priced, solved.bound + priced, solved.gap, plan, solved.paths, stopped)


def solve_one_future(memory: Memory, number: int, name: str, settings: Settings) -> FutureOptimum:
    """Solve one future by itself for its expected cost: a task for workers."""

    def report(step: Progress) -> None:
        listener_of(memory)(replace(step, phase=f"{name} alone, {step.phase}"))

    with clock_of_task(memory, settings) as clock:
        if clock.is_over:
            return FutureOptimum(is_stopped=True)
        (kept,) = kept_instances(memory, (number,))
        instance = kept.by_expected_cost()
        evaluator = evaluator_in_worker(memory, kept, (number,))
        return FutureOptimum.of(instance, best_plan(instance, settings, clock, report, evaluator=evaluator))


def exact_no_shock(
    instance: Instance, settings: Settings, clock: Clock, known: Result | None = None
) -> NoShockPlan | None:
    """Return the no-shock plan: the cheapest plan without shocks and rules about surviving.

    It is taken from `known` if that has it. The result is None if the instance has neither
    shocks nor such rules, or if the plan is not proven in time.
    """
    if known is not None and known.no_shock is not None:
        return known.no_shock
    if not is_disrupted(instance):
        return None
    left = NO_SHOCK_SECONDS if clock.left is None else min(NO_SHOCK_SECONDS, clock.left)
    return no_shock_plan(instance, _exact_settings(settings), Clock(left))


def _exact_settings(settings: Settings) -> Settings:
    return replace(settings, mip_gap=min(settings.mip_gap, NO_SHOCK_GAP), tolerance=None, checkpoint=None)


def no_shock_plan(
    instance: Instance, settings: Settings, clock: Clock, writer: ModelWriter | None = None
) -> NoShockPlan | None:
    """Return the no-shock plan, proven to the gap of the settings; None if it is not proven in time.

    `writer` is that of a search, whose model without shocks is this plan's if no rules about surviving apply.
    """
    variant = without_disruptions(instance)
    found = _search_no_shock(instance, variant, settings, clock, writer)
    if found is None or found.values is None or found.status != "optimal":
        return None
    return read_no_shock(variant, found.builder, found.values.tolist(), found.objective)


def _search_no_shock(
    instance: Instance, variant: Instance, settings: Settings, clock: Clock, writer: ModelWriter | None
) -> SearchResult | None:
    """Search for the cheapest plan of the variant of an instance that has neither shocks nor rules about surviving."""
    if writer is not None and (instance.rule_paths or writer.tree is not instance.tree):
        writer = None
    return ShockModel(variant, (), settings, clock, ignore, writer, pseudo_costs={}).minimise_objective()


def no_shock_cost(instance: Instance, settings: Settings, clock: Clock) -> float | None:
    """Return the cost of the no-shock plan; None as in `exact_no_shock`."""
    found = exact_no_shock(instance, settings, clock)
    return None if found is None else found.total_cost


def search_no_shock(
    instance: Instance, settings: Settings, clock: Clock, writer: ModelWriter | None = None
) -> SearchResult | None:
    """Return the search for the no-shock plan, with its proven lower bound; None if it finds no plan in time.

    It is as near as for `exact_no_shock` unless the time runs out. `writer` is that of `no_shock_plan`.
    """
    if clock.is_over:
        return None
    with clock.for_at_most(NO_SHOCK_SECONDS):
        found = _search_no_shock(instance, without_disruptions(instance), _exact_settings(settings), clock, writer)
    return None if found is None or found.values is None else found


def with_regret(
    instance: Instance, future: Future, result: Result, alone: FutureOptimum, *, obeys_rules: bool = True
) -> FutureResult:
    """Return a future with its regret over the cheapest plan known for it, below 0 only if its own breaks a rule."""
    label, price, cost = instance.horizon.label, instance.policy.gap_price, result.priced_cost
    answers = tuple((each.question, each.branch, label(each.t)) for each in future.answers)
    known = FutureResult(future.name, future.probability, answers, result)
    if not math.isfinite(alone.cost):
        return known
    if price is None and alone.gap > 0:
        return replace(known, least_cost=alone.cost)
    # A plan that leaves a gap, or that breaks a rule, is no reference for regret.
    least = min(alone.cost, cost) if obeys_rules and (price is not None or result.survival_gap <= 0) else alone.cost
    bound = min(alone.bound, least)
    return replace(known, least_cost=least, least_bound=bound if math.isfinite(bound) else None, regret=cost - least)


@contextlib.contextmanager
def open_evaluator(
    instance: Instance, settings: Settings, warm: RecourseEvaluator | None
) -> Iterator[RecourseEvaluator]:
    """Yield the given evaluator, or a new one that is closed afterwards."""
    evaluator = warm or RecourseEvaluator(instance, recourse_executor(instance, settings.jobs, settings.cluster))
    try:
        yield evaluator
    finally:
        if warm is None:
            evaluator.close()
