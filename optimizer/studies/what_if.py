"""What-ifs about one instance: each goes on from what the ones before it learned.

A question is put to the instance or to a variant of it (another budget, an option left out, a floor one point lower).
Shocks that bit before are written out from the start, the plan before bounds the search, and programmes of the shocks
stay warm where the variant differs in its policy only. Answers are plans proven to the gap of the settings; they are
not audited, for they are not reported as plans.
"""

import math
import time
from dataclasses import dataclass, field, replace
from typing import Literal

from optimizer import formulation
from optimizer.algorithms.problem import LEAST_COST, Hints, ProblemVariant, SearchResult, outlay
from optimizer.algorithms.reading import read_plan
from optimizer.algorithms.recourse import RecourseEvaluator, recourse_executor
from optimizer.algorithms.solving import best_plan
from optimizer.algorithms.workers import Memory
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import BranchingHistories, BranchingHistory, Clock, Gains, Listener, Settings, ignore
from optimizer.solver.kept import ModelKeeper
from optimizer.studies.measure import GAP_SHARE, before_tolerance_base

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
