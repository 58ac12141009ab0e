"""What-ifs about one instance: each goes on from what the ones before it learned.

A question is put to the instance or to a variant of it (another budget, an option left out, a floor one point lower).
Shocks that bit before are written out from the start, the plan before bounds the search, and programmes of the shocks
stay warm where the variant differs in its policy only. Answers are plans proven to the gap of the settings; they are
not audited, for they are not reported as plans.

The highest common scaling of the floors is one programme with the scaling as a variable:

    μ   loss   share   of every floor, 0 … 1: floors are kept at (1 − μ)·φ; minimised

    floor   u − v ≤ (1 − φ)·D + φ·D·μ      in shocks, and under rules about time to survive

It is solved by constraint generation: the plan is evaluated in the other shocks with floors at (1 − μ)·φ, and those
that are violated are added.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import LEAST_COST, Hints, ProblemVariant, SearchResult, generate_constraints, outlay
from optimizer.algorithms.reading import plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator, recourse_executor
from optimizer.algorithms.separation import Violation, select_most_violated
from optimizer.algorithms.solving import best_plan
from optimizer.algorithms.workers import Memory
from optimizer.disruptions.shock import Shock
from optimizer.formulation import Writer
from optimizer.instance.schema import Instance
from optimizer.instance.variants import with_floors
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import BranchingHistories, BranchingHistory, Clock, Gains, Listener, Settings, ignore
from optimizer.solver.kept import ModelKeeper
from optimizer.studies.measure import GAP_SHARE, before_tolerance_base
from optimizer.tolerances import SAME_VALUE

# Where a worker keeps what branching gained before it was started.
GAINS = "gains"
# Variants that keep their programmes warm, at most.
KEPT = 3


@dataclass(frozen=True)
class WhatIfResult:
    """The answer to a what-if."""

    # ``optimal`` (proven to the gap), ``stopped`` (the best so far), ``infeasible`` (no such plan).
    status: Literal["optimal", "stopped", "infeasible"]
    # Of the question's objective, and its proven lower bound; infinite where there is none.
    value: float = float("inf")
    bound: float = float("-inf")
    cost: float = float("inf")  # total cost, present value
    outlay: float = float("inf")  # undiscounted, the budget's share. Both are money.
    # Least survival gap and its proven lower bound; 0 where every floor is kept.
    gap: float = 0.0
    gap_bound: float = 0.0
    plan: Plan = field(default_factory=Plan)
    active: frozenset[str] = frozenset()  # names of the shocks that the model had to hold
    seconds: float = 0.0  # that it took

    @property
    def survives(self) -> bool:
        """Whether there is a plan, and every floor is kept by it."""
        return self.status != "infeasible" and self.gap <= 0.0


class WhatIfSolver:
    """Puts questions to an instance and its variants."""

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
        self._active: frozenset[str] = frozenset()
        self._plan: Plan | None = None
        self.histories: BranchingHistories = {}
        self.keeper = ModelKeeper()
        # What the last search found.
        self.latest: SearchResult | None = None

    def __enter__(self) -> "WhatIfSolver":
        return self

    def __exit__(self, *about: object) -> None:
        for _, evaluator in self._warm:
            evaluator.close()

    @property
    def gains(self) -> Gains:
        """What branching gained so far, for a solver in another process."""
        return self.histories[""].gains if "" in self.histories else {}

    def learn_gains(self, gains: Gains) -> None:
        """Take what branching gained elsewhere for the start."""
        self.histories[""] = BranchingHistory(dict(gains))

    def learn(self, plan: Plan | None, active: frozenset[str]) -> None:
        """Start the next question from this plan in place of the last (None: from no plan), and from more shocks."""
        self._plan, self._active = plan, self._active | active

    def ask(
        self,
        variant: Instance | None = None,
        problem: ProblemVariant = LEAST_COST,
        settings: Settings | None = None,
        seconds: float | None = None,
        bound: float = -math.inf,
        first_shocks: frozenset[str] | None = None,
    ) -> WhatIfResult:
        """The best plan of a variant; of the instance itself where it is left out.

        With the usual question, the plan with the least gap where floors cannot be kept; with another one there is no
        answer then. After so many `seconds` the best so far is taken; its plan may not survive every shock.
        `bound` is a lower bound on the objective of all plans that keep every floor, proven before. `first_shocks` are
        names of shocks that the model holds from the start, in place of those that bit before.

        Raises:
            SolverError: the solver failed.
        """
        with self.clock.hurried(math.inf if seconds is None else seconds):
            shocks = self._active if first_shocks is None else first_shocks
            return self._solve(variant or self.instance, problem, settings or self.settings, bound, shocks)

    def _solve(
        self, instance: Instance, problem: ProblemVariant, settings: Settings, bound: float, first: frozenset[str]
    ) -> WhatIfResult:
        began, evaluator = time.perf_counter(), self.evaluator(instance)
        first &= {event.name for event in instance.events}
        plans = () if self._plan is None else (self._plan,)
        hints = Hints(first, plans, bound=bound, keeper=self.keeper if instance.tree.is_single else None)
        solved = best_plan(instance, settings, self.clock, self.listener, problem, evaluator, hints)
        self.latest = solved
        found = what_if_result(instance, problem, solved)
        if found.status != "infeasible":
            self.learn(found.plan, found.active)
        return replace(found, seconds=time.perf_counter() - began)

    def shaping_shocks(self, result: Result, settings: Settings) -> frozenset[str]:
        """Names of the shocks that a model has to hold for its best plan to survive all; `result` is that plan."""
        if not self._active:
            self.learn(result.plan, frozenset())
            found = self.ask(settings=settings, bound=-math.inf if result.bound is None else result.bound)
            if found.status != "optimal":
                return frozenset(event.name for event in self.instance.events)
        return self._active

    def search(self, instance: Instance, settings: Settings) -> SearchResult:
        """The best plan of a variant, as a strategy hands it back."""
        self.ask(instance, settings=settings)
        assert self.latest is not None
        return self.latest

    def evaluator(self, instance: Instance) -> RecourseEvaluator:
        """One that is warm for the instance, whatever its policy."""
        for known, evaluator in self._warm:
            if _operates_alike(known, instance):
                return evaluator
        made = RecourseEvaluator(instance, recourse_executor(instance, self.settings.jobs, self.settings.cluster))
        made.histories = self.histories
        self._warm.append((instance, made))
        if len(self._warm) > KEPT:
            # The first is the instance itself, or the first that was solved.
            _, old = self._warm.pop(1)
            old.close()
        return made


def keep_gains(memory: Memory, gains: Gains) -> None:
    """A worker's setup: what branching gained before it was started."""
    memory[GAINS] = gains


def _operates_alike(one: Instance, other: Instance) -> bool:
    """Whether two instances differ in their policy at most."""
    parts = ("horizon", "discount_rate", "commodities", "processes", "demands", "options", "shocks", "ensembles")
    return all(getattr(one, part) is getattr(other, part) for part in parts) or all(
        getattr(one, part) == getattr(other, part) for part in parts
    )


def what_if_result(instance: Instance, problem: ProblemVariant, solved: SearchResult) -> WhatIfResult:
    """What a strategy found, as an answer."""
    if solved.values is None:
        return WhatIfResult("infeasible" if solved.status == "infeasible" else "stopped")
    values = solved.values.tolist()
    written = frozenset(row.mark.path for row in solved.builder.rows) & {event.name for event in instance.events}
    shocks = [event for event in instance.events if event.name in written]
    usual = problem.is_least_cost
    return WhatIfResult(
        status=solved.status,
        value=solved.cost,
        bound=solved.bound,
        cost=solved.cost if usual else formulation.cost(solved.builder, instance, shocks).value(values),
        outlay=max(0.0, outlay(solved.builder, instance, shocks).value(values)),
        gap=solved.gap,
        gap_bound=solved.gap_bound,
        plan=read_plan(instance, solved.builder, values),
        active=written,
    )


# Shocks that the model holds at the start, and that are added in a round.
FIRST, MORE = 8, 4


@dataclass(frozen=True)
class Scaling:
    """The highest common scaling of the floors."""

    # What every floor is multiplied by; None if there is no plan even without floors, or none was found.
    factor: float | None
    most: float = 1.0  # the proven upper bound of the factor
    plan: Plan | None = None  # a plan that keeps the scaled floors


def highest_scaling(instance: Instance, solver: WhatIfSolver, first: Sequence[str]) -> Scaling:
    """The highest factor at which all floors can be kept, by the policy of the instance."""
    search = _ScalingSearch(instance, solver, first)
    found = generate_constraints(search.solve, search.separate, search.add, solver.clock)
    # A factor that was not tried in every shock is none.
    return found or replace(search.outcome, factor=None, plan=None)


class _ScalingSearch:
    """The three steps of constraint generation; `outcome` is what is known where the search ends early."""

    def __init__(self, instance: Instance, solver: WhatIfSolver, first: Sequence[str]) -> None:
        events = {event.name: event for event in instance.events}
        self.instance, self.solver, self.writer = instance, solver, Writer(instance)
        self.held = [events[name] for name in first[:FIRST] if name in events]
        self.outcome = Scaling(None)

    def solve(self) -> Scaling | None:
        """The highest scaling under the shocks that are held; None where the search ends."""
        settings, clock, listener = self.solver.settings, self.solver.clock, self.solver.listener
        problem = ProblemVariant(_loss, (_loosen,), "share that floors lose")
        model = ShockModel(self.instance, self.held, settings, clock, listener, self.writer, problem)
        solved, self.outcome = model.minimise_cost(), Scaling(None)
        if solved is None or solved.values is None or solved.status == "infeasible":
            return None
        self.outcome = Scaling(None, 1.0 - float(np.clip(solved.bound, 0.0, 1.0)))
        if solved.notes and solved.status == "stopped":
            return None
        plan = read_plan(self.instance, solved.builder, solved.values.tolist())
        return replace(self.outcome, factor=1.0 - float(np.clip(solved.cost, 0.0, 1.0)), plan=plan)

    def separate(self, found: Scaling) -> list[Violation]:
        """The other shocks in which the plan does not keep the scaled floors."""
        assert found.factor is not None
        assert found.plan is not None
        scaled = with_floors(self.instance, factor=max(0.0, found.factor - SAME_VALUE))
        evaluator, names = RecourseEvaluator(scaled), {shock.name for shock in self.held}
        values = plan_values(scaled, found.plan, evaluator.subproblems.plan)
        known = [number for number, event in enumerate(self.instance.events) if event.name in names]
        violated = evaluator.gaps(values, self.solver.clock, known).violated
        evaluator.close()
        return [Violation(self.instance.events[number], gap) for number, gap in violated.items()]

    def add(self, violated: Sequence[Violation]) -> None:
        """Hold some more shocks."""
        self.held.extend(select_most_violated(violated, MORE))


def _loss(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    return Expression({builder.column_index()["", "question", "loss"][0]: 1.0})


def _loosen(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
    """Loosen the row of every floor by what the scaling takes off it."""
    column = next(iter(builder.variable("question", "loss", 0, unit="1", upper=1.0).terms))
    paths = {shock.name: instance.path(shock) for shock in shocks} | dict(instance.survival_rules)
    for i, row in enumerate(builder.rows):
        if row.mark.what == "floor" and row.mark.path in paths and row.t is not None:
            path, d = paths[row.mark.path], row.mark.owner
            lost = path.floor_at(d, row.t) * path.demand_at(d, row.t)
            builder.rows[i] = replace(row, terms={**row.terms, column: -lost})
