"""Plans that are given, as they are, beside the optimum; in an instance with futures, in each and over all of them.

A plan is followed unchanged in every future, or differs between them as its file says. It stands beside the adaptive
optimum, that of `solve`, and in each future beside the optimum of that future alone, known from the start: `regret` is
what the plan costs more there.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from optimizer.algorithms.solving import Alone
from optimizer.errors import Finding
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.schema import Instance
from optimizer.io.plan_file import GivenPlan
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Listener, Progress, Settings, ignore, interruptible
from optimizer.studies import evaluation_frames
from optimizer.studies.comparison import Comparison, ComparisonColumn
from optimizer.studies.futures.given_plan import FuturesPlan, join_futures, judge_futures_plan
from optimizer.studies.futures.solve import ALONE_SHARE, search_futures
from optimizer.studies.given_plan import EvaluatedPlan, PlanLike, judge_plan, operate_given, plan_figures, read_plans
from optimizer.studies.measure import before_measure
from optimizer.studies.solve import solve_instance
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import EXACT_GAP
from optimizer.units import MoneyLike

# How much is asked of a plan: its operation; the optimum; and what it lacks and wastes.
Depth = Literal["operation", "optimum", "all"]
OPTIMUM = "optimum"
# What of the adaptive optimum stands in JSON.
OPTIMUM_FIGURES = (
    "status", "survives", "total_cost", "expected_cost", "worst_cost", "worst_future", "bound", "gap_bound", "mip_gap",
    "survival_gap", "worst_gap", "outlay", "futures", "builds", "purchases",
)  # fmt: skip


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
    def broken_rules(self) -> list[Finding]:
        """Every rule that some plan breaks."""
        return [rule for plan in self.plans for rule in plan.broken_rules]

    @property
    def comparison(self) -> Comparison:
        """The plans side by side, and the optimum behind them."""
        cases = {plan.name: plan.instance for plan in self.plans}
        budget = self.instance.policy.budget
        columns = [ComparisonColumn(plan.name, budget, plan.result) for plan in self.plans]
        if self.optimum is not None:
            cases[OPTIMUM] = self.instance
            columns.append(ComparisonColumn(OPTIMUM, budget, self.optimum))
        return Comparison(cases, tuple(columns), accuracy=float(columns[-1].result.settings["gap"]))

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
    """Plans in one future: `evaluation.optimum` is the plan of that future alone; what is missing is left out."""

    name: str
    probability: float
    evaluation: PlanEvaluation
    regrets: tuple[float | None, ...] = ()

    def regret(self, number: int) -> float | None:
        """What a plan costs more than the future's own, money; None where it leaves more unserved, or none is known."""
        return self.regrets[number]


@dataclass(frozen=True)
class FuturesEvaluation:
    """Plans that were given, in every future and over all of them.

    Attributes:
        instance: the instance, with its questions.
        plans: each over all futures.
        futures: each with all plans, in the order of the tree.
        optimum: the adaptive plan of `solve`; None where this was not asked for, or not reached.
        stopped, notes, seconds: as in `PlanEvaluation`.
    """

    instance: Instance = field(repr=False)
    plans: tuple[FuturesPlan, ...]
    futures: tuple[FutureEvaluation, ...]
    optimum: FuturesResult | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    frames = property(evaluation_frames.of_futures_evaluation)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the plans."""
        return tuple(plan.name for plan in self.plans)

    @property
    def are_probabilities_given(self) -> bool:
        """Whether the file gives them; else all branches of a question are equally likely."""
        return self.instance.tree.are_probabilities_given

    @property
    def survives(self) -> bool:
        """Whether every plan keeps every floor in every shock of every future."""
        return all(plan.result.survives for plan in self.plans)

    @property
    def broken_rules(self) -> list[Finding]:
        """Every rule that some plan breaks in some future, once."""
        return list(dict.fromkeys(rule for future in self.futures for rule in future.evaluation.broken_rules))

    def results(self, number: int) -> list[Result]:
        """A plan in each future."""
        return [future.evaluation.plans[number].result for future in self.futures]

    def more(self, number: int) -> float | None:
        """What a plan costs more than the adaptive optimum by the measure, money; None where one is not known."""
        best, own = self.optimum, self.plans[number].result.total_cost
        if best is None or not best.futures or math.isnan(own):
            return None
        return own - best.total_cost

    def summary(self, number: int) -> dict[str, Any]:
        """Of a plan over all futures: measure, expected and largest cost and gap, regret, how many it survives."""
        found, regrets = self.plans[number].result, [future.regret(number) for future in self.futures]
        known = [regret for regret in regrets if regret is not None]
        return {
            "survives": found.survives,
            "survived": sum(each.result.survives for each in found.futures),
            "total_cost": None if math.isnan(found.total_cost) else found.total_cost,
            "expected_cost": found.expected_cost,
            "worst_cost": found.worst_cost,
            "worst_future": found.worst_future,
            "expected_gap": found.survival_gap,
            "worst_gap": max(each.result.survival_gap for each in found.futures),
            "outlay": found.outlay,
            "largest_regret": max(known) if len(known) == len(regrets) else None,
            "more_than_optimum": self.more(number),
        }

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
        best = self.optimum
        figures = None if best is None else best.to_dict(whole=False)
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "survives": self.survives,
            "measure": str(self.instance.policy.objective),
            "probabilities_given": self.are_probabilities_given,
            "plans": [
                {
                    "name": plan.name,
                    **self.summary(number),
                    **plan.to_dict(),
                    "futures": [self._in_future(each, number) for each in self.futures],
                }
                for number, plan in enumerate(self.plans)
            ],
            "optimum": None if figures is None else {name: figures[name] for name in OPTIMUM_FIGURES},
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }

    def _in_future(self, future: FutureEvaluation, number: int) -> dict[str, Any]:
        best, plan = future.evaluation.optimum, future.evaluation.plans[number].to_dict()
        return {
            "future": future.name,
            "probability": future.probability,
            # Of these, what counts is what is missing and wasted over all futures.
            **{key: value for key, value in plan.items() if key not in ("missing", "waste")},
            "optimum": None if best is None or best.baseline is None else plan_figures(best),
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
    notes: tuple[str, ...] = (),
) -> PlanEvaluation:
    """Evaluate plans as they are: cost, survival, what they lack and what they waste, beside the optimum.

    At Ctrl-C, what is known until then.

    Args:
        instance: the instance, without futures; for others there is `evaluate_futures`.
        plans: one or several: the name of a file, a mapping of the shape of a hand-written plan, what `load_plan` gave,
            a result, or the plan of one. They may have been made for another instance.
        budget, scenario: as for `solve`.
        is_quick: leaves out the optimum, what is missing and what is wasted.
        settings: solver, MIP gap, limits.
        listener: receives every step.
        notes: remarks of the caller to show beside the result.

    Raises:
        GivenPlanError: a plan cannot stand in the instance; with every finding about all plans.
        AuditError, SolverError, ValueError: as for `solve`.
        InstanceError: the instance has futures; a scenario that it does not have.

    Example:
        >>> import optimizer as so
        >>> found = so.evaluate(so.load("instances/tiny.yaml"), {"builds": {"plant": {2026: 20}}})
        >>> found.survives, round(found.plans[0].result.worst_gap)
        (False, 50000000)
        >>> [(change.option, change.period, round(change.after)) for change in found.plans[0].need.changes]
        [('reserve', '2026', 60), ('reserve', '2028', 40)]
    """
    settings = settings or Settings()
    made = apply_arguments(instance, budget=budget, scenario=scenario)
    given, clock = read_plans(_listed(plans), made.instance), settings.clock()
    depth: Depth = "operation" if is_quick else "all"
    with interruptible(clock, listener):
        return _evaluate(made.instance, given, settings, clock, listener, (*notes, *made.notes), depth)


def evaluate_futures(
    instance: Instance,
    plans: PlanLike | Sequence[PlanLike],
    budget: MoneyLike | None = None,
    *,
    is_quick: bool = False,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
    notes: tuple[str, ...] = (),
) -> FuturesEvaluation:
    """Evaluate plans as `evaluate` does, in each future of an instance and over all of them.

    Each plan is followed unchanged in all futures, or as it says for each. What it lacks and wastes counts over all.

    Raises:
        GivenPlanError: a plan needs an answer before it is known. This and other errors are those of `evaluate`.

    Example:
        >>> import optimizer as so
        >>> found = so.evaluate_futures(so.load("examples/wait_or_commit.yaml"), "examples/plan_at_once.yaml")
        >>> found.survives, found.plans[0].result.worst_future
        (True, 'high')
    """
    settings = settings or Settings()
    made = apply_arguments(instance, budget=budget, scenario=scenario, takes="futures")
    given = read_plans(_listed(plans), made.instance)
    began, clock = time.perf_counter(), settings.clock()
    with interruptible(clock, listener):
        found = _FuturesEvaluationSearch(made.instance, given, settings, clock, listener).run(is_quick=is_quick)
    notes = (*notes, *made.notes, *found.notes)
    return replace(found, notes=notes, seconds=time.perf_counter() - began)


def _listed(plans: PlanLike | Sequence[PlanLike]) -> Sequence[PlanLike]:
    return [plans] if isinstance(plans, GivenPlan | Result | FuturesResult | Plan | Mapping | str) else list(plans)


class _FuturesEvaluationSearch:
    """Plans in each future, then over all of them, beside the adaptive optimum."""

    def __init__(
        self, instance: Instance, given: Sequence[GivenPlan], settings: Settings, clock: Clock, listener: Listener
    ) -> None:
        self.instance, self.given, self.settings = instance, given, settings
        self.clock, self.listener, self.tree = clock, listener, instance.tree

    def run(self, *, is_quick: bool) -> FuturesEvaluation:
        left = math.inf if self.clock.left is None else self.clock.left * ALONE_SHARE
        with self.clock.hurried(left):
            found = self.each_future("operation" if is_quick else "optimum")
        alone = [self.alone(each.optimum) for each in found]
        plans = [
            join_futures(self.instance, plan.name, [each.plans[number] for each in found], alone)
            for number, plan in enumerate(self.given)
        ]
        optimum, notes = None, tuple[str, ...]()
        if not is_quick:
            plans, (optimum, notes) = self.judged(plans), self.optimum(alone)
        futures = tuple(self.future(number, each, plans) for number, each in enumerate(found))
        return FuturesEvaluation(self.instance, tuple(plans), futures, optimum, self.clock.is_over, notes)

    def judged(self, plans: Sequence[FuturesPlan]) -> list[FuturesPlan]:
        """With what they lack and waste, in half of the time that is left at most."""
        left = math.inf if self.clock.left is None else self.clock.left / 2
        with self.clock.hurried(left):
            return [judge_futures_plan(plan, self.settings, self.clock, self.listener) for plan in plans]

    def future(self, number: int, found: PlanEvaluation, plans: Sequence[FuturesPlan]) -> FutureEvaluation:
        """A future with the regret of each plan."""
        future, regrets = self.tree.futures[number], (plan.result.futures[number].regret for plan in plans)
        return FutureEvaluation(future.name, future.probability, found, tuple(regrets))

    def each_future(self, depth: Depth) -> list[PlanEvaluation]:
        """The plans in each future; those in which the same is set and bought are evaluated once."""
        known, found = dict[tuple[int, ...], PlanEvaluation](), list[PlanEvaluation]()
        settings = self.settings
        if self.instance.policy.objective.kind == "regret":
            settings = replace(settings, mip_gap=min(settings.mip_gap, EXACT_GAP))
        for future in self.tree.futures:
            own = [plan.in_future(future.name) for plan in self.given]
            key = id(future.instance), *(id(plan.plan) for plan in own)
            if key not in known:
                self.listener(Progress(task=f"future {future.name}"))
                one = future.instance.by_expected_cost()
                known[key] = _evaluate(one, own, settings, self.clock, self.listener, (), depth)
            found.append(known[key])
        return found

    def alone(self, best: Result | None) -> Alone:
        """What is known of a future alone."""
        price, is_reference = self.instance.policy.gap_price, self.instance.policy.objective.kind == "regret"
        if best is None or best.baseline is None:
            return Alone()
        if is_reference and price is None and best.survival_gap > 0 and best.status == "stopped":
            return Alone()
        priced = (price or 0.0) * best.survival_gap
        return Alone(
            best.total_cost + priced, -math.inf if best.bound is None else best.bound + priced, best.survival_gap
        )

    def optimum(self, alone: Sequence[Alone]) -> tuple[FuturesResult | None, tuple[str, ...]]:
        """The adaptive plan; none, with a note, where regret counts from a future that cannot be survived alone."""
        policy = self.instance.policy
        if self.clock.is_over:
            return None, ()
        for future, each in zip(self.tree.futures, alone, strict=True):
            if policy.objective.kind == "regret" and policy.gap_price is None and each.gap > 0:
                who = f"the future {future.name} cannot be survived alone" if future.name else "it cannot be survived"
                what = f"No optimum: policy.objective is regret, and {who}."
                return None, (what,)
        self.listener(Progress(task="the adaptive optimum"))
        return search_futures(self.instance, self.settings, self.clock, self.listener, alone=alone), ()


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
            found = [judge_plan(each, solver) for each in found] if depth == "all" else found
    return PlanEvaluation(instance, tuple(found), optimum, clock.is_over, notes, time.perf_counter() - began)


def _known(found: Sequence[EvaluatedPlan]) -> Plan | None:
    """The cheapest of the plans that survive and break no rule: it bounds the search for the optimum."""
    sound = [each.result for each in found if each.result.survives and not each.broken_rules]
    return min(sound, key=lambda result: result.total_cost).plan if sound else None
