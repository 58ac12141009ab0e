"""The single solves of a study of futures, each a task that may run in a process of its own.

solve_retimed         the measure of all futures together, with other dates of answers
solve_alone_in_full   the plan of one future alone
follow_plans          plans of other futures, followed unchanged in one
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from optimizer import formulation
from optimizer.algorithms.strategy import ProblemVariant, at_most, outlay
from optimizer.errors import Finding, GivenPlanError
from optimizer.instance.schema import Instance
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies.futures.alone import Alone
from optimizer.studies.futures.answers import Dates, retimed
from optimizer.studies.futures.solve import solve_futures
from optimizer.studies.given_plan import evaluate_plan, read_plans
from optimizer.studies.measure import ProvenDifference, finite_or_none
from optimizer.studies.sensitivity import stopping_all
from optimizer.studies.solve import solve_instance
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import HELD_GAP, SAME_VALUE

ValueStatus = Literal["proven", "stopped", "none"]


@dataclass(frozen=True)
class MeasuredCost:
    """The value of the measure under some dates of answers.

    Attributes:
        status: ``none`` where no plan obeys the rules.
        cost, bound: of the plan that was found, and a proven lower bound; infinite where there is none.
        gap: expected survival gap of that plan.
    """

    status: ValueStatus
    cost: float = math.inf
    bound: float = -math.inf
    gap: float = 0.0

    @property
    def survives(self) -> bool:
        """Whether there is a plan that keeps every floor."""
        return math.isfinite(self.cost) and self.gap <= 0

    def more(self, than: "MeasuredCost | None") -> ProvenDifference | None:
        """How much more it costs than with better information, 0 or more; None where one of both leaves a gap."""
        if than is None or not (self.survives and than.survives):
            return None
        found = ProvenDifference.of(than.cost, than.bound, self.cost, self.bound)
        return ProvenDifference(max(0.0, found.value), max(0.0, found.low), max(0.0, found.high))

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is not known is null."""
        return {
            "status": self.status,
            "cost": finite_or_none(self.cost),
            "bound": finite_or_none(self.bound),
            "gap": self.gap if math.isfinite(self.cost) else None,
        }


@dataclass(frozen=True)
class FollowedPlan:
    """The plan of one future alone, followed unchanged in a future.

    Attributes:
        plan, future: names of both.
        cost, gap: there; money. None where that future cannot hold the plan.
        regret: cost less that of the future's own plan; None where it leaves more unserved than that one.
        survives: whether every floor is kept.
        rules: of the future that the plan breaks, named and not enforced.
    """

    plan: str
    future: str
    cost: float | None = None
    gap: float | None = None
    regret: float | None = None
    survives: bool = False
    rules: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("plan", "future", "cost", "gap", "regret", "survives")
        rules = [{"where": rule.where, "what": rule.what, "cure": rule.cure} for rule in self.rules]
        return {name: getattr(self, name) for name in names} | {"rules": rules}


def solve_retimed(
    memory: dict[str, Any],
    instance: Instance,
    dates: Dates,
    settings: Settings,
    alone: Sequence[Alone],
    until: float | None,
) -> MeasuredCost:
    """A task: the measure with other dates of answers."""
    clock = _clock(until)
    with interruptible(clock, stopping_all(memory)):
        return value_of_result(solve_futures(retimed(instance, dates), settings, clock, alone=alone))


def solve_alone_in_full(
    memory: dict[str, Any], instance: Instance, settings: Settings, until: float | None
) -> Result | None:
    """A task: the best plan of one future; of equal cost the one with least outlay. None where there is none."""
    clock = _clock(until)
    with interruptible(clock, stopping_all(memory)):
        found = solve_instance(instance, settings, clock)
        if found.baseline is None:
            return None
        if not found.survives or found.status == "stopped" or clock.is_over:
            return found
        with WhatIfSolver(instance, settings, clock) as solver:
            most = found.total_cost + HELD_GAP * abs(found.total_cost)
            rows = (at_most(formulation.cost, most, "cost"),)
            cheaper = solver.ask(problem=ProblemVariant(outlay, rows, "outlay"))
        if cheaper.status != "optimal" or cheaper.outlay >= found.outlay * (1 - SAME_VALUE):
            return found
        own = _follow(instance, cheaper.plan, "own plan", settings, clock)
        return replace(own, bound=found.bound, status=found.status) if own.survives else found


def follow_plans(
    memory: dict[str, Any],
    instance: Instance,
    plans: Sequence[tuple[str, Plan]],
    settings: Settings,
    until: float | None,
) -> list[FollowedPlan]:
    """A task: plans followed unchanged in one future; those that were not reached are left out."""
    clock, found = _clock(until), list[FollowedPlan]()
    with interruptible(clock, stopping_all(memory)):
        for name, plan in plans:
            if clock.is_over:
                break
            found.append(_followed(instance, name, plan, settings, clock))
    return found


def _followed(instance: Instance, name: str, plan: Plan, settings: Settings, clock: Clock) -> FollowedPlan:
    try:
        (given,) = read_plans([plan], instance)
        done = evaluate_plan(instance, replace(given, name=name), settings, clock)
    except GivenPlanError as error:
        return FollowedPlan(name, "", rules=tuple(error.findings))
    result = done.result
    return FollowedPlan(name, "", result.total_cost, result.survival_gap, None, result.survives, done.rules)


def _follow(instance: Instance, plan: Plan, name: str, settings: Settings, clock: Clock) -> Result:
    (given,) = read_plans([plan], instance)
    return evaluate_plan(instance, replace(given, name=name), settings, clock).result


def _clock(until: float | None) -> Clock:
    """A clock that stops at a time of day, which all processes share."""
    return Clock(None if until is None else max(0.0, until - time.time()))


def value_of_result(result: FuturesResult) -> MeasuredCost:
    """What is remembered of a plan for several futures."""
    if not result.futures:
        return MeasuredCost("stopped" if result.status == "stopped" else "none")
    bound = -math.inf if result.bound is None else min(result.bound, result.total_cost)
    status: ValueStatus = "stopped" if result.status == "stopped" else "proven"
    # A survival gap that is expected to be nothing may still be one in a future.
    return MeasuredCost(status, result.total_cost, bound, 0.0 if result.survives else result.survival_gap)
