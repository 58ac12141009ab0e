"""What-ifs about one instance, each of which starts from the results of earlier ones.

A what-if solves the instance or a variant of it (another budget, an option left out, a floor one point lower). Shocks
that earlier models held are in the model from the start, the last plan bounds the search, and subproblems stay warm if
the variant differs only in its policy. Results are plans proven to the MIP gap of the settings; they are not audited,
since they are not reported as plans.

The highest common scaling of the floors is the solution of one model with the scaling as a variable:

    μ   loss   share   of every floor, 0 … 1: floors are kept at (1 − μ)·φ; minimised

    floor   u − v ≤ (1 − φ)·D + φ·D·μ      in shocks, and under time-to-survive rules

It is solved by constraint generation: the plan is evaluated in the other shocks with floors at (1 − μ)·φ, and violated
shocks are added.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from optimizer import risk
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import LEAST_COST, Hints, ProblemVariant, SearchResult, generate_constraints, outlay
from optimizer.algorithms.reading import read_plan
from optimizer.algorithms.recourse import RecourseEvaluator, recourse_executor
from optimizer.algorithms.relaxed_floors import failing_beyond_allowed
from optimizer.algorithms.separation import Violation, select_most_violated
from optimizer.algorithms.solving import best_plan
from optimizer.algorithms.workers import Memory
from optimizer.disruptions.shock import Shock
from optimizer.formulation import ModelWriter
from optimizer.instance.altered import with_floors
from optimizer.instance.derived import free_floors
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Gains, Listener, PseudoCosts, PseudoCostsByObjective, Settings, ignore
from optimizer.solver.kept import ModelKeeper
from optimizer.studies.cost_tolerance import GAP_SHARE, before_tolerance_base
from optimizer.tolerances import POSITIVE, SAME_VALUE

# Key of a worker's memory for the branching gains recorded before its start.
GAINS = "gains"
# Largest number of variants whose subproblems stay warm.
MOST_WARM = 3


@dataclass(frozen=True)
class WhatIfResult:
    """Result of a what-if."""

    # ``optimal`` (proven to the MIP gap), ``stopped`` (the incumbent), ``infeasible`` (no such plan).
    status: Literal["optimal", "stopped", "infeasible"]
    # Value of the what-if's objective and its proven lower bound; infinite if there is none.
    value: float = float("inf")
    bound: float = float("-inf")
    cost: float = float("inf")  # total cost, present value, money
    outlay: float = float("inf")  # the part of spending that counts towards the budget, undiscounted, money
    # Least survival gap and its proven lower bound, money; 0 if every floor is kept.
    gap: float = 0.0
    gap_bound: float = 0.0
    plan: Plan = field(default_factory=Plan)
    held: frozenset[str] = frozenset()  # names of the shocks in the model
    seconds: float = 0.0  # seconds of the solve

    @property
    def survives(self) -> bool:
        """Whether there is a plan that keeps every floor."""
        return self.status != "infeasible" and self.gap <= 0.0


class WhatIfSolver:
    """Solver of what-ifs about an instance and its variants, with warm evaluators."""

    def __init__(
        self,
        instance: Instance,
        settings: Settings | None = None,
        clock: Clock | None = None,
        listener: Listener = ignore,
    ) -> None:
        self.instance, self.listener = instance, listener
        self.settings = settings or before_tolerance_base(Settings(mip_gap=GAP_SHARE))
        self.clock = clock or Clock()
        self._warm: list[tuple[Instance, RecourseEvaluator]] = []
        self._held: frozenset[str] = frozenset()
        self._plan: Plan | None = None
        self.pseudo_costs: PseudoCostsByObjective = {}
        self.keeper = ModelKeeper()
        # Result of the last search.
        self.latest: SearchResult | None = None

    def __enter__(self) -> "WhatIfSolver":
        return self

    def __exit__(self, *about: object) -> None:
        for _, evaluator in self._warm:
            evaluator.close()

    @property
    def gains(self) -> Gains:
        """Branching gains recorded so far, for a solver in another process."""
        return self.pseudo_costs[""].gains if "" in self.pseudo_costs else {}

    def start_from(self, plan: Plan | None, held: frozenset[str] = frozenset()) -> None:
        """Set the plan (or None) from which the next what-if starts, and add shocks that its model holds."""
        self._plan, self._held = plan, self._held | held

    def ask(
        self,
        variant: Instance | None = None,
        problem: ProblemVariant = LEAST_COST,
        settings: Settings | None = None,
        seconds: float | None = None,
        bound: float = -math.inf,
        held_shocks: frozenset[str] | None = None,
    ) -> WhatIfResult:
        """Find the best plan of a variant, by default of the instance itself.

        If floors cannot be kept, the least-cost problem returns the plan with the least gap, and other problems have no
        plan. After `seconds`, the incumbent is returned; it may not survive every shock. `bound` is a proven lower
        bound on the objective of all plans that keep every floor. `held_shocks` names the shocks in the model from the
        start, in place of those that earlier models held.

        Raises:
            SolverError: the solver failed.
        """
        with self.clock.for_at_most(math.inf if seconds is None else seconds):
            shocks = self._held if held_shocks is None else held_shocks
            return self._solve(variant or self.instance, problem, settings or self.settings, bound, shocks)

    def _solve(
        self, instance: Instance, problem: ProblemVariant, settings: Settings, bound: float, held: frozenset[str]
    ) -> WhatIfResult:
        began, evaluator = time.perf_counter(), self.evaluator(instance)
        held &= {event.name for event in instance.events}
        plans = () if self._plan is None else (self._plan,)
        hints = Hints(held, plans, bound=bound, keeper=self.keeper if instance.tree.is_single else None)
        solved = best_plan(instance, settings, self.clock, self.listener_of(problem), problem, evaluator, hints)
        self.latest = solved
        found = what_if_result(instance, problem, solved)
        if found.survives and math.isfinite(found.cost) and self._misses_free_floor(instance, problem, found.plan):
            found = replace(found, gap=POSITIVE)
        if found.status != "infeasible":
            self.start_from(found.plan, found.held)
        return replace(found, seconds=time.perf_counter() - began)

    def listener_of(self, problem: ProblemVariant) -> Listener:
        """Return a listener for the search for a problem; its events say whether their values are in money."""
        return self.listener if problem.is_money else lambda step: self.listener(replace(step, is_money=False))

    def _misses_free_floor(self, instance: Instance, problem: ProblemVariant, plan: Plan) -> bool:
        """Check whether a plan that leaves no gap in money fails a shock: a floor without a shortage cost is missed.

        Only where gaps come first: with a price of gaps, and for other problems, no such plan is a failure.
        """
        gaps_first = problem.is_least_cost and instance.policy.gap_price is None and instance.tree.is_single
        if not gaps_first or not free_floors(instance):
            return False
        evaluator = self.evaluator(instance)
        left = evaluator.gaps(evaluator.plan_values([plan]), self.clock)
        return bool(failing_beyond_allowed(instance, left.gap, left.fails).any())

    def find_held_shocks(self, result: Result, settings: Settings) -> frozenset[str]:
        """Return the names of shocks that are enough for a model to have `result` as its best plan.

        They are known from an earlier what-if, or found by another search; all shocks if that search is stopped.
        """
        if not self._held:
            self.start_from(result.plan)
            found = self.ask(settings=settings, bound=-math.inf if result.bound is None else result.bound)
            if found.status != "optimal":
                return frozenset(event.name for event in self.instance.events)
        return self._held

    def search(self, instance: Instance, settings: Settings) -> SearchResult:
        """Return the best plan of a variant, as the strategy returns it."""
        self.ask(instance, settings=settings)
        assert self.latest is not None
        return self.latest

    def evaluator(self, instance: Instance) -> RecourseEvaluator:
        """Return a warm evaluator of an instance that differs at most in its policy, or a new one."""
        for known, evaluator in self._warm:
            if _operates_alike(known, instance):
                return evaluator
        made = RecourseEvaluator(instance, recourse_executor(instance, self.settings.jobs, self.settings.cluster))
        made.pseudo_costs = self.pseudo_costs
        self._warm.append((instance, made))
        if len(self._warm) > MOST_WARM:
            # Keep the first, which is the evaluator of the instance itself or of the first variant.
            _, old = self._warm.pop(1)
            old.close()
        return made


def keep_gains(memory: Memory, gains: Gains) -> None:
    """Store the branching gains recorded before a worker's start in its memory."""
    memory[GAINS] = gains


def solver_of_worker(memory: Memory, instance: Instance, settings: Settings) -> WhatIfSolver:
    """Return the solver of this process, made for its first task, with the gains recorded before a worker's start."""
    if "solver" not in memory:
        memory["solver"] = WhatIfSolver(instance, settings)
        memory["solver"].pseudo_costs[""] = PseudoCosts(dict(memory.get(GAINS, {})))
    solver: WhatIfSolver = memory["solver"]
    return solver


def _operates_alike(one: Instance, other: Instance) -> bool:
    """Return whether two instances differ at most in their policy."""
    parts = ("horizon", "discount_rate", "commodities", "processes", "demands", "options", "shocks", "ensembles")
    pairs = ((getattr(one, part), getattr(other, part)) for part in parts)
    return all(mine is theirs or mine == theirs for mine, theirs in pairs)


def what_if_result(instance: Instance, problem: ProblemVariant, solved: SearchResult) -> WhatIfResult:
    """Return the what-if result of a search."""
    if solved.values is None:
        return WhatIfResult("infeasible" if solved.status == "infeasible" else "stopped")
    values = solved.values.tolist()
    written = frozenset(row.mark.path for row in solved.builder.rows) & {event.name for event in instance.events}
    shocks = [event for event in instance.events if event.name in written]
    return WhatIfResult(
        status=solved.status,
        value=solved.objective,
        bound=solved.bound,
        cost=solved.objective if problem.is_least_cost else risk.cost(solved.builder, instance, shocks).value(values),
        outlay=max(0.0, outlay(solved.builder, instance, shocks).value(values)),
        gap=solved.gap,
        gap_bound=solved.gap_bound,
        plan=read_plan(instance, solved.builder, values),
        held=written,
    )


# Number of shocks in the model at the start, and of those added in a round.
SHOCKS_AT_START, SHOCKS_A_ROUND = 8, 4


@dataclass(frozen=True)
class Scaling:
    """The highest common scaling of the floors."""

    # The factor of every floor; None if there is no plan even without floors, or none was found.
    factor: float | None
    most: float = 1.0  # proven upper bound of the factor
    plan: Plan | None = None  # a plan that keeps the scaled floors


def highest_scaling(instance: Instance, solver: WhatIfSolver, first: Sequence[str]) -> Scaling:
    """Find the highest common factor of all floors at which they can be kept, under the instance's policy."""
    search = _ScalingSearch(instance, solver, first)
    found = generate_constraints(search.solve, search.separate, search.add, solver.clock)
    # A factor that was not evaluated in every shock is not returned.
    return found or replace(search.outcome, factor=None, plan=None)


class _ScalingSearch:
    """The three steps of constraint generation; `outcome` is the bound so far if the search ends early."""

    def __init__(self, instance: Instance, solver: WhatIfSolver, first: Sequence[str]) -> None:
        events = {event.name: event for event in instance.events}
        self.instance, self.solver, self.writer = instance, solver, ModelWriter(instance)
        self.held = [events[name] for name in first[:SHOCKS_AT_START] if name in events]
        self.outcome = Scaling(None)

    def solve(self) -> Scaling | None:
        """Return the highest scaling under the shocks in the model; None to end the search."""
        settings, clock = self.solver.settings, self.solver.clock
        problem = ProblemVariant(_loss_of_floors, (_loosen_floors,), "share that floors lose", is_money=False)
        listener = self.solver.listener_of(problem)
        model = ShockModel(self.instance, self.held, settings, clock, listener, self.writer, problem)
        solved, self.outcome = model.minimise_objective(), Scaling(None)
        if solved is None or solved.values is None or solved.status == "infeasible":
            return None
        self.outcome = Scaling(None, 1.0 - float(np.clip(solved.bound, 0.0, 1.0)))
        if solved.notes and solved.status == "stopped":
            return None
        plan = read_plan(self.instance, solved.builder, solved.values.tolist())
        return replace(self.outcome, factor=1.0 - float(np.clip(solved.objective, 0.0, 1.0)), plan=plan)

    def separate(self, found: Scaling) -> list[Violation]:
        """Return the shocks outside the model in which the plan does not keep the scaled floors, with their gaps."""
        assert found.factor is not None
        assert found.plan is not None
        scaled = with_floors(self.instance, factor=max(0.0, found.factor - SAME_VALUE))
        evaluator, names = RecourseEvaluator(scaled), {shock.name for shock in self.held}
        values = evaluator.plan_values([found.plan])
        known = [number for number, event in enumerate(self.instance.events) if event.name in names]
        violated = evaluator.gaps(values, self.solver.clock, known).violated
        evaluator.close()
        return [Violation(self.instance.events[number], gap) for number, gap in violated.items()]

    def add(self, violated: Sequence[Violation]) -> None:
        """Add the most violated shocks to the model."""
        self.held.extend(select_most_violated(violated, SHOCKS_A_ROUND))


def _loss_of_floors(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    return Expression({builder.column_index()["", "what_if", "loss"][0]: 1.0})


def _loosen_floors(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
    """Add the loss variable μ to the row of every floor."""
    column = next(iter(builder.variable("what_if", "loss", 0, unit="1", upper=1.0).terms))
    paths = {shock.name: instance.path(shock) for shock in shocks} | dict(instance.rule_paths)
    for i, row in enumerate(builder.rows):
        if row.mark.what == "floor" and row.mark.path in paths and row.t is not None:
            path, d = paths[row.mark.path], row.mark.owner
            lost = path.floor_at(d, row.t) * path.demand_at(d, row.t)
            builder.rows[i] = replace(row, terms={**row.terms, column: -lost})
