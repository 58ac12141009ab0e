"""Plans that are given, as they are, beside the optimum; in an instance with futures, in each of them.

A plan is followed unchanged in every future. There it stands beside the optimum of that future alone, known from the
start: `regret` is what the plan costs more. It needs no non-anticipativity, for the same is bought everywhere.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from optimizer.errors import Finding
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, Progress, ignore
from optimizer.results.given import GivenPlan
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies import evaluation_frames
from optimizer.studies.comparison import Comparison, ComparisonColumn
from optimizer.studies.given_plan import (
    EvaluatedPlan,
    PlanLike,
    judge_plan,
    operate_given,
    plan_figures,
    read_plans,
)
from optimizer.studies.measure import before_measure
from optimizer.studies.solve import solve_instance
from optimizer.studies.solve_futures import by_expected_cost
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import SAME_VALUE
from optimizer.units import MoneyLike

# How much is asked of a plan: its operation; the optimum and what it lacks; and what it wastes.
Depth = Literal["operation", "needs", "all"]
OPTIMUM = "optimum"


@dataclass(frozen=True)
class PlanEvaluation:
    """Plans that were given, each as it is, and the optimum.

    Attributes:
        instance: under whose rules.
        plans: in the order given.
        optimum: the plan of `solve`; None where this was not asked for.
        stopped: whether Ctrl-C, or a time limit, ended it before all was known.
        notes: what the user should know.
        seconds: that it took.
    """

    instance: Instance = field(repr=False)
    plans: tuple[EvaluatedPlan, ...]
    optimum: Result | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    frames = property(evaluation_frames.of_evaluation)

    @property
    def survives(self) -> bool:
        """Whether every plan keeps every floor in every shock."""
        return all(plan.result.survives for plan in self.plans)

    @property
    def rules(self) -> list[Finding]:
        """Every rule that some plan breaks."""
        return [rule for plan in self.plans for rule in plan.rules]

    @property
    def comparison(self) -> Comparison:
        """The plans side by side, and the optimum behind them."""
        cases = {plan.name: plan.instance for plan in self.plans}
        budget = self.instance.policy.budget
        columns = [ComparisonColumn(plan.name, budget, plan.result) for plan in self.plans]
        if self.optimum is not None:
            cases[OPTIMUM] = self.instance
            columns.append(ComparisonColumn(OPTIMUM, budget, self.optimum))
        return Comparison(cases, tuple(columns), gap=float(columns[-1].result.settings["gap"]))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "survives": self.survives,
            "plans": [plan.to_dict() for plan in self.plans],
            "optimum": None if self.optimum is None else plan_figures(self.optimum),
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class FutureEvaluation:
    """Plans in one future: `evaluation.optimum` is the plan of that future alone; without waste."""

    name: str
    probability: float
    evaluation: PlanEvaluation

    def regret(self, number: int) -> float | None:
        """What a plan costs more than the future's own, money; None where it leaves more unserved, or none is known."""
        best, own = self.evaluation.optimum, self.evaluation.plans[number].result
        if best is None or best.baseline is None or own.survival_gap > best.survival_gap * (1.0 + SAME_VALUE):
            return None
        return own.total_cost - best.total_cost


@dataclass(frozen=True)
class FuturesEvaluation:
    """Plans that were given, each followed unchanged in every future.

    Attributes:
        instance: the instance, with its questions.
        names: of the plans.
        futures: in the order of the tree.
        are_probabilities_given: whether the file gives them; else all branches of a question are equally likely.
        stopped, notes, seconds: as in `PlanEvaluation`.
    """

    instance: Instance = field(repr=False)
    names: tuple[str, ...]
    futures: tuple[FutureEvaluation, ...]
    are_probabilities_given: bool
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    frames = property(evaluation_frames.of_futures_evaluation)

    @property
    def survives(self) -> bool:
        """Whether every plan keeps every floor in every shock of every future."""
        return all(future.evaluation.survives for future in self.futures)

    @property
    def rules(self) -> list[Finding]:
        """Every rule that some plan breaks in some future, once."""
        return list(dict.fromkeys(rule for future in self.futures for rule in future.evaluation.rules))

    def results(self, number: int) -> list[Result]:
        """A plan in each future."""
        return [future.evaluation.plans[number].result for future in self.futures]

    def summary(self, number: int) -> dict[str, Any]:
        """Of a plan over all futures: expected and largest cost and gap, the largest regret, how many it survives."""
        results, weights = self.results(number), [future.probability for future in self.futures]
        costs, gaps = [each.total_cost for each in results], [each.survival_gap for each in results]
        return {
            "survived": sum(each.survives for each in results),
            "expected_cost": float(np.dot(weights, costs)),
            "worst_cost": max(costs),
            "worst_future": self.futures[costs.index(max(costs))].name,
            "expected_gap": float(np.dot(weights, gaps)),
            "worst_gap": max(gaps),
            "largest_regret": self._largest_regret(number),
        }

    def _largest_regret(self, number: int) -> float | None:
        """None where that of some future is not known."""
        regrets = [future.regret(number) for future in self.futures]
        known = [regret for regret in regrets if regret is not None]
        return max(known) if len(known) == len(regrets) else None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "survives": self.survives,
            "probabilities_given": self.are_probabilities_given,
            "plans": [
                {
                    "name": name,
                    **self.summary(number),
                    "futures": [self._in_future(each, number) for each in self.futures],
                }
                for number, name in enumerate(self.names)
            ],
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }

    def _in_future(self, future: FutureEvaluation, number: int) -> dict[str, Any]:
        best = future.evaluation.optimum
        return {
            "future": future.name,
            "probability": future.probability,
            **future.evaluation.plans[number].to_dict(),
            "optimum": None if best is None else plan_figures(best),
            "regret": future.regret(number),
        }


def evaluate(
    instance: Instance,
    plans: PlanLike | Sequence[PlanLike],
    budget: MoneyLike | None = None,
    *,
    is_quick: bool = False,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
) -> PlanEvaluation | FuturesEvaluation:
    """Evaluate plans as they are: cost, survival, what they lack and what they waste, beside the optimum.

    In an instance with futures each plan is followed unchanged in all of them; what it wastes is left out.

    Args:
        instance: the instance.
        plans: one or several: the name of a file, a mapping of the shape of a hand-written plan, what `load_plan` gave,
            a result, or the plan of one. They may have been made for another instance.
        budget: undiscounted outlay, a number or text such as "250M"; None keeps the instance's own.
        is_quick: leaves out the optimum, what is missing and what is wasted.
        settings: solver, gap, limits.
        listener: receives every step.
        scenario: of the instance, or several in the order given.

    Raises:
        GivenPlanError: a plan cannot stand in the instance; with every finding about all plans.
        AuditError: a plan and its figures disagree.
        SolverError: the solver failed.
        InstanceError: a scenario that the instance does not have.
        ValueError: a budget that is no amount of money.

    Example:
        >>> import optimizer as so
        >>> found = so.evaluate(so.load("instances/tiny.yaml"), {"builds": {"plant": {2026: 20}}})
        >>> found.survives, round(found.plans[0].result.worst_gap)
        (False, 50000000)
        >>> [(change.option, change.period, round(change.after)) for change in found.plans[0].need.changes]
        [('reserve', '2026', 60), ('reserve', '2028', 40)]
    """
    settings, changed = settings or Settings(), apply_arguments(instance, budget=budget, scenario=scenario)
    some = [plans] if isinstance(plans, GivenPlan | Result | Plan | Mapping | str) else list(plans)
    given = read_plans(some, changed.instance)
    return evaluate_plans(
        changed.instance, given, settings, Clock(settings.time_limit), listener, changed.notes, is_quick=is_quick
    )


def evaluate_plans(
    instance: Instance,
    given: Sequence[GivenPlan],
    settings: Settings,
    clock: Clock,
    listener: Listener = ignore,
    notes: tuple[str, ...] = (),
    *,
    is_quick: bool = False,
) -> PlanEvaluation | FuturesEvaluation:
    """`evaluate` of plans that were read; at Ctrl-C, what is known until then."""
    began = time.perf_counter()
    with interruptible(clock, listener):
        if not instance.futures:
            return _evaluate(instance, given, settings, clock, listener, notes, "operation" if is_quick else "all")
        tree, known, found = instance.tree, dict[tuple[int, ...], PlanEvaluation](), list[PlanEvaluation]()
        for future in tree.futures:
            own = [plan.in_future(future.name) for plan in given]
            # Futures in which the same is set share their instance.
            key = id(future.instance), *(id(plan.plan) for plan in own)
            if key not in known:
                listener(Progress(task=f"future {future.name}"))
                known[key] = _evaluate(
                    by_expected_cost(future.instance),
                    own,
                    settings,
                    clock,
                    listener,
                    (),
                    "operation" if is_quick else "needs",
                )
            found.append(known[key])
    return FuturesEvaluation(
        instance,
        tuple(plan.name for plan in given),
        tuple(
            FutureEvaluation(each.name, each.probability, own) for each, own in zip(tree.futures, found, strict=True)
        ),
        tree.are_probabilities_given,
        clock.is_over,
        notes,
        time.perf_counter() - began,
    )


def _evaluate(
    instance: Instance,
    given: Sequence[GivenPlan],
    settings: Settings,
    clock: Clock,
    listener: Listener,
    notes: tuple[str, ...],
    depth: Depth,
) -> PlanEvaluation:
    """Plans in an instance without futures."""
    began = time.perf_counter()
    with WhatIfSolver(instance, before_measure(settings), clock, listener) as solver:
        found, optimum = list[EvaluatedPlan](), None
        for plan in given:
            listener(Progress(task=f"the operation of {plan.name}"))
            found.append(operate_given(instance, plan, settings, solver))
        if depth != "operation" and not clock.is_over:
            listener(Progress(task="the optimum"))
            evaluator, known = solver.evaluator(instance), _known(found)
            optimum = solve_instance(instance, settings, clock, listener, evaluator=evaluator, plan=known)
            found = [judge_plan(each, solver, finds_waste=depth == "all") for each in found]
    return PlanEvaluation(instance, tuple(found), optimum, clock.is_over, notes, time.perf_counter() - began)


def _known(found: Sequence[EvaluatedPlan]) -> Plan | None:
    """The cheapest of the plans that survive and break no rule: it bounds the search for the optimum."""
    sound = [each.result for each in found if each.result.survives and not each.rules]
    return min(sound, key=lambda result: result.total_cost).plan if sound else None
