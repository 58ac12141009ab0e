"""Evaluation of given plans, unchanged, against the optimum; with futures, in each future and over all of them.

A plan is followed unchanged in every future, or differs between futures as its file says. It is compared with the
adaptive optimum of `solve`, and in each future with the optimum of that future if it were known from the start;
`regret` is the extra cost of the plan over the latter. The parts of an evaluation over all futures:

result   operation in each future as a `FuturesResult`: measure, expected cost, decisions; non-anticipativity is audited
need     the additional purchases of least expected cost with which every floor of every future is kept, whatever the
         budget; they are equal in futures that cannot be distinguished
waste    the purchases that the reduced plan leaves out: the plan of least expected cost that buys nothing beyond the
         given one and leaves no shock of any future worse off
uses     each purchase with the futures that need it: those in which the plan reduced for that future alone keeps it
"""

import contextlib
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from optimizer import arguments, risk
from optimizer.algorithms.fixed_plan import PlanReduction, evaluate_fixed_plan, including
from optimizer.algorithms.joint_recourse import JointEvaluator
from optimizer.algorithms.problem import ProblemVariant, outlay
from optimizer.algorithms.reading import read_joint_plan
from optimizer.algorithms.recourse import Evaluator, recourse_executor
from optimizer.algorithms.solving import FutureOptimum, best_plan, with_regret
from optimizer.audit.figures import measure_of_futures, measures_beside
from optimizer.audit.result import audit_error, audit_futures
from optimizer.instance.altered import with_eased_floors, with_policy
from optimizer.instance.edits import ScenarioNames, apply_arguments, for_each_future
from optimizer.instance.questions import RiskMeasure
from optimizer.instance.schema import Future, FutureTree, Instance
from optimizer.io.plan_file import GivenPlan
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.conclusion import solve_instance
from optimizer.studies.cost_tolerance import GAP_SHARE, before_tolerance_base
from optimizer.studies.evaluation import (
    BranchChange,
    EvaluatedPlan,
    FutureEvaluation,
    FuturesEvaluation,
    FuturesPlan,
    PlanChange,
    PlanEvaluation,
    PlanNeed,
    PlanWaste,
    PurchaseUse,
    changed_entries,
    money_spent,
    plan_changes,
)
from optimizer.studies.futures.solve import ALONE_SHARE, search_futures
from optimizer.studies.futures.stages import decisions
from optimizer.studies.given_plan import PlanLike, list_plans, operate_given, read_plans, with_need_and_waste
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import EXACT_GAP, NEGLIGIBLE, SAME_VALUE
from optimizer.units import MoneyLike

# Extent of an evaluation: the operation of the plans only; the optimum as well; and their needs and waste.
Depth = Literal["operation", "optimum", "all"]


def evaluate(
    instance: Instance,
    plans: PlanLike | Iterable[PlanLike],
    budget: MoneyLike | None = None,
    *,
    is_quick: bool = False,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
    notes: tuple[str, ...] = (),
) -> PlanEvaluation:
    """Evaluate given plans, unchanged, against the optimum: cost, survival, shortages, missing and unneeded purchases.

    At Ctrl-C, the parts computed until then are returned.

    Args:
        instance: an instance without futures; for others there is `evaluate_futures`.
        plans: one or several: the path of a file, a mapping in the form of a hand-written plan, a plan from
            `load_plan`, a result, or the plan of a result. They may have been made for another instance.
        budget, scenario: as for `solve`.
        is_quick: leave out the optimum, and the missing and the unneeded purchases.
        settings: solver, MIP gap, limits.
        listener: receives every step.
        notes: remarks of the caller to show beside the result.

    Raises:
        GivenPlanError: a plan does not fit the instance; with all findings about all plans.
        AuditError, CheckpointError, SolverError, ValueError, WorkerError: as for `solve`.
        InstanceError: the instance has futures, or does not have the scenario.

    Example:
        >>> import optimizer as so
        >>> found = so.evaluate(so.load("instances/tiny.yaml"), {"builds": {"plant": {2026: 20}}})
        >>> found.survives, round(found.plans[0].result.worst_gap)
        (False, 50000000)
        >>> [(change.option, change.period, round(change.after)) for change in found.plans[0].need.changes]
        [('reserve', '2026', 60), ('reserve', '2028', 40)]
    """
    settings = Settings.chosen(settings)
    arguments.yes_or_no(is_quick=is_quick)
    changed = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes, for_all="evaluate_futures")
    given, clock = _read_some(plans, changed.instance), settings.clock()
    depth: Depth = "operation" if is_quick else "all"
    with interruptible(clock, listener):
        return _evaluate(changed.instance, given, settings, clock, listener, changed.notes, depth)


def _read_some(plans: PlanLike | Iterable[PlanLike], instance: Instance) -> list[GivenPlan]:
    """Return at least one plan; ArgumentError without any."""
    some = list_plans(plans)
    if not some:
        raise arguments.ArgumentError("plans", plans, "give at least one plan.")
    return read_plans(some, instance)


def evaluate_futures(
    instance: Instance,
    plans: PlanLike | Iterable[PlanLike],
    budget: MoneyLike | None = None,
    *,
    is_quick: bool = False,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
    notes: tuple[str, ...] = (),
) -> FuturesEvaluation:
    """Evaluate plans as `evaluate` does, in each future of an instance and over all of them.

    Each plan is followed unchanged in all futures, or in each as it specifies. Missing and unneeded purchases are
    determined over all futures together. Arguments and further errors are those of `evaluate`.

    Raises:
        GivenPlanError: a plan depends on an answer before it is known.

    Example:
        >>> import optimizer as so
        >>> found = so.evaluate_futures(so.load("examples/wait_or_commit.yaml"), "examples/plan_at_once.yaml")
        >>> found.survives, found.plans[0].result.worst_future
        (True, 'high')
    """
    settings = Settings.chosen(settings)
    arguments.yes_or_no(is_quick=is_quick)
    changed = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes, takes="futures")
    given = _read_some(plans, changed.instance)
    began, clock = time.perf_counter(), settings.clock()
    with interruptible(clock, listener):
        found = _FuturesEvaluationSearch(changed.instance, given, settings, clock, listener).run(is_quick=is_quick)
    return replace(found, notes=(*changed.notes, *found.notes), seconds=time.perf_counter() - began)


class _FuturesEvaluationSearch:
    """Evaluation of plans in each future, then over all of them, against the adaptive optimum."""

    def __init__(
        self, instance: Instance, given: Sequence[GivenPlan], settings: Settings, clock: Clock, listener: Listener
    ) -> None:
        self.instance, self.given, self.settings = instance, given, settings
        self.clock, self.listener, self.tree = clock, listener, instance.tree

    def run(self, *, is_quick: bool) -> FuturesEvaluation:
        left = math.inf if self.clock.left is None else self.clock.left * ALONE_SHARE
        with self.clock.for_at_most(left):
            found = self.evaluate_each("operation" if is_quick else "optimum")
        alone = [self.own_optimum(each.optimum) for each in found]
        plans = [
            join_futures(self.instance, plan.name, [each.plans[number] for each in found], alone)
            for number, plan in enumerate(self.given)
        ]
        optimum, notes = None, tuple[str, ...]()
        if not is_quick:
            plans, (optimum, notes) = self.with_needs(plans), self.adaptive_optimum(alone)
        regrets = [tuple(plan.result.futures[number].regret for plan in plans) for number in range(len(found))]
        futures = tuple(
            FutureEvaluation(future.name, future.probability, each, own)
            for future, each, own in zip(self.tree.futures, found, regrets, strict=True)
        )
        return FuturesEvaluation(self.instance, tuple(plans), futures, optimum, self.clock.is_over, notes)

    def with_needs(self, plans: Sequence[FuturesPlan]) -> list[FuturesPlan]:
        """Add need, waste and uses to each plan, in at most half of the remaining time."""
        left = math.inf if self.clock.left is None else self.clock.left / 2
        with self.clock.for_at_most(left):
            return [with_need_waste_and_uses(plan, self.settings, self.clock, self.listener) for plan in plans]

    def evaluate_each(self, depth: Depth) -> list[PlanEvaluation]:
        """Evaluate the plans in each future; futures with the same instance and the same plans share one evaluation."""
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

    def own_optimum(self, best: Result | None) -> FutureOptimum:
        """Return cost, bound and gap of a future's own optimum; an empty one if it is missing or no reference."""
        price, is_reference = self.instance.policy.gap_price, self.instance.policy.objective.kind == "regret"
        if best is None or best.baseline is None:
            return FutureOptimum()
        if is_reference and price is None and best.survival_gap > 0 and best.status == "stopped":
            return FutureOptimum()
        return FutureOptimum(best.priced_cost, best.priced_bound, best.survival_gap)

    def adaptive_optimum(self, alone: Sequence[FutureOptimum]) -> tuple[FuturesResult | None, tuple[str, ...]]:
        """Find the adaptive plan; return None and a note if regret counts from a future that no plan survives."""
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
    """Evaluate plans in an instance without futures."""
    began = time.perf_counter()
    with WhatIfSolver(instance, before_tolerance_base(settings), clock, listener) as solver:
        found, optimum = list[EvaluatedPlan](), None
        for plan in given:
            listener(Progress(task=f"the operation of {plan.name}"))
            found.append(operate_given(instance, plan, settings, solver))
        if depth != "operation" and not clock.is_over:
            listener(Progress(task="the optimum"))
            evaluator, known = solver.evaluator(instance), _best_start(found)
            optimum = solve_instance(instance, settings, clock, listener, evaluator=evaluator, plan=known)
            found = [with_need_and_waste(each, solver) for each in found] if depth == "all" else found
    return PlanEvaluation(instance, tuple(found), optimum, clock.is_over, notes, time.perf_counter() - began)


def _best_start(found: Sequence[EvaluatedPlan]) -> Plan | None:
    """Return the cheapest plan that survives and breaks no rule, or None; it bounds the search for the optimum."""
    sound = [each.result for each in found if each.result.survives and not each.broken_rules]
    return min(sound, key=lambda result: result.total_cost).plan if sound else None


def join_futures(
    instance: Instance, name: str, own: Sequence[EvaluatedPlan], alone: Sequence[FutureOptimum]
) -> FuturesPlan:
    """Combine the evaluations of a plan in each future into one over all futures.

    `own` is the plan in each future, in the order of the tree; `alone` has cost, bound and gap of each future's own
    optimum, from which regret counts.

    Raises:
        AuditError: the plan buys differently in futures that cannot be distinguished, or the figures disagree.
    """
    pairs = zip(instance.tree.futures, own, strict=True)
    tree = replace(instance.tree, futures=tuple(replace(future, instance=each.instance) for future, each in pairs))
    lifted = instance.with_tree(tree)
    parts = zip(tree.futures, own, alone, strict=True)
    result = _joint_result(instance, lifted, tuple(_future_result(instance, *part) for part in parts))
    report = audit_futures(_by_expected_cost(lifted), result)
    if not report.ok:
        raise audit_error(instance, [f"{name}: {each}" for each in report.disagreements], result)
    measured, priced = (measure_of_futures(lifted, result.futures, x) for x in (0.0, instance.policy.gap_price or 0.0))
    figures = {"total_cost": measured, **measures_beside(lifted, result.futures, priced)}
    return FuturesPlan(name, lifted, replace(result, **figures, audit=report.to_dict()))


def _joint_result(instance: Instance, lifted: Instance, futures: tuple[FutureResult, ...]) -> FuturesResult:
    """Build the result over all futures by expected cost; `lifted` is the instance without the broken rules."""
    results, tree = [each.result for each in futures], lifted.tree
    first, answered = results[0], [future.answers[0].t for future in tree.futures if future.answers]

    def expected(figure: str) -> float:
        return math.sumprod([each.probability for each in futures], [getattr(each, figure) for each in results])

    return FuturesResult(
        title=instance.title,
        currency=instance.currency,
        status="survives" if all(each.survives for each in results) else "gap",
        measure=str(instance.policy.objective),
        are_probabilities_given=tree.are_probabilities_given,
        notes=(),
        audit={},
        seconds=first.seconds,
        versions=first.versions,
        settings=first.settings,
        history=(),
        periods=first.periods,
        data=instance.to_dict(),
        total_cost=expected("total_cost"),
        expected_cost=expected("total_cost"),
        survival_gap=expected("survival_gap"),
        worst_gap=max(each.worst_gap for each in results),
        outlay=expected("outlay"),
        futures=futures,
        decisions=decisions(tree, results),
        first_question=instance.horizon.label(min(answered)) if answered else None,
        solved_instance=lifted,
    )


def _future_result(instance: Instance, future: Future, plan: EvaluatedPlan, alone: FutureOptimum) -> FutureResult:
    """Build the result of a future with its regret; None if it has a larger, unpriced gap than the future's optimum."""
    # As in results of `solve`, no future has a no-shock plan of its own.
    result = replace(plan.result, no_shock=None, price_of_survival=None, calm_cost=None, calm_builds=())
    found = with_regret(instance, future, result, alone, obeys_rules=not plan.broken_rules)
    if instance.policy.gap_price is None and result.survival_gap > alone.gap * (1.0 + SAME_VALUE):
        return replace(found, regret=None)
    return found


def _by_expected_cost(instance: Instance) -> Instance:
    """Return the instance with expected cost as its objective, without budgets and without a price of gaps."""
    changed = partial(with_policy, objective=RiskMeasure(), gap_price=None, budget=None, annual_budget=None)
    return changed(instance).with_tree(for_each_future(instance, changed).tree)


def with_need_waste_and_uses(found: FuturesPlan, settings: Settings, clock: Clock, listener: Listener) -> FuturesPlan:
    """Add need, waste and uses of a plan over all futures, as far as the time allows."""
    if clock.is_over:
        return found
    evaluator = JointEvaluator(found.instance, recourse_executor(found.instance, settings.jobs, settings.cluster))
    try:
        search = _PurchaseSearch(found, evaluator, before_tolerance_base(settings), clock, listener)
        need = None if found.result.survives else search.need()
        return replace(found, need=need, waste=search.waste(), uses=search.uses())
    finally:
        evaluator.close()


class _PurchaseSearch:
    """Search for the need, the waste and the uses of a plan over all futures."""

    def __init__(
        self, found: FuturesPlan, evaluator: JointEvaluator, settings: Settings, clock: Clock, listener: Listener
    ) -> None:
        self.instance, self.result, self.evaluator = found.instance, found.result, evaluator
        self.settings, self.clock, self.listener = settings, clock, listener
        self.tree: FutureTree = found.instance.tree
        self.plans = [each.result.plan for each in found.result.futures]

    def expected(self, amounts: Sequence[float]) -> float:
        return math.sumprod([future.probability for future in self.tree.futures], amounts)

    def need(self) -> PlanNeed:
        """Find the additional purchases of least expected cost with which every floor is kept."""
        variant = _by_expected_cost(self.instance)
        problem = ProblemVariant(risk.cost, (including(self.plans),), "cost of what is missing")
        solved = best_plan(variant, self.settings, self.clock, self.listener, problem, self.evaluator)
        if solved.status == "infeasible":
            variant, settings = for_each_future(variant, with_eased_floors), self.settings
            executor = recourse_executor(variant, settings.jobs, settings.cluster)
            with contextlib.closing(JointEvaluator(variant, executor)) as evaluator:
                solved = best_plan(variant, settings, self.clock, self.listener, problem, evaluator)
        if solved.values is None or solved.status != "optimal":
            return PlanNeed(False if solved.status == "infeasible" else None)
        values = solved.values.tolist()
        parts = zip(self.tree.futures, solved.builder.submodels, strict=True)
        spent = [outlay(submodel, future.instance, ()).value(values) for future, submodel in parts]
        changes = self.changes(read_joint_plan(variant.tree, solved.builder, values))
        more = self.expected(spent) - self.result.outlay
        return PlanNeed(True, changes, more, solved.objective - self.result.expected_cost)

    def waste(self) -> PlanWaste | None:
        """Find the purchases that the reduced plan leaves out; None if the time ran out."""
        if not any(plan.bought for plan in self.plans):
            return PlanWaste()
        spent = self.expected([money_spent(future.instance, plan) for future, plan in self.parts()])
        reduced = self.reduce(self.instance, self.plans, self.evaluator, spent)
        if reduced is None:
            return None
        costs, outlays = zip(*(self.operate(number, plan) for number, plan in enumerate(reduced)), strict=True)
        saved = self.result.expected_cost - self.expected(costs)
        if saved <= NEGLIGIBLE * (spent or abs(self.result.expected_cost)):
            return PlanWaste()
        return PlanWaste(self.changes(reduced), self.result.outlay - self.expected(outlays), saved)

    def operate(self, number: int, plan: Plan) -> tuple[float, float]:
        """Return expected cost and outlay of a plan in a future."""
        instance, evaluator = self.tree.futures[number].instance, self.evaluator.futures[number]
        solved = evaluate_fixed_plan(instance, plan, evaluator, self.settings, self.clock)
        assert solved.values is not None
        return solved.objective, outlay(solved.builder, instance, ()).value(solved.values.tolist())

    def uses(self) -> tuple[PurchaseUse, ...] | None:
        """Return each purchase with the futures that need it; None if the time ran out."""
        known = dict[tuple[int, int], Plan]()
        needed = list[set[tuple[str, str]]]()
        for number, future in enumerate(self.tree.futures):
            key = id(future.instance), id(self.plans[number])
            if key not in known:
                least = self.reduce_alone(number)
                if least is None:
                    return None
                known[key] = least
            kept = plan_changes(future.instance, Plan(), known[key])
            needed.append({(each.option, each.period) for each in kept})
        bought = [plan_changes(future.instance, Plan(), plan) for future, plan in self.parts()]
        uses = []
        for each, numbers in _group_changes(bought):
            own = [number for number in numbers if (each.option, each.period) in needed[number]]
            uses.append(PurchaseUse(each.option, each.period, each.after, self.names(numbers), self.names(own)))
        return tuple(uses)

    def reduce_alone(self, number: int) -> Plan | None:
        """Reduce the plan to the cheapest one that is no worse in any shock of one future; None if the time ran out."""
        instance, plan = self.tree.futures[number].instance, self.plans[number]
        if not plan.bought:
            return plan
        found = self.reduce(instance, [plan], self.evaluator.futures[number], money_spent(instance, plan))
        return None if found is None else found[0]

    def reduce(
        self, instance: Instance, plans: list[Plan], evaluator: Evaluator, spent: float
    ) -> Sequence[Plan] | None:
        """Find the cheapest plans within `plans`, to a share of the money `spent`; None if the time ran out."""
        tolerance = GAP_SHARE * spent
        return PlanReduction(instance, plans, evaluator, self.settings, tolerance, self.clock, self.listener).run()

    def parts(self) -> Iterator[tuple[Future, Plan]]:
        return zip(self.tree.futures, self.plans, strict=True)

    def names(self, numbers: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.tree.futures[number].name for number in numbers)

    def changes(self, after: Sequence[Plan]) -> tuple[BranchChange, ...]:
        """Return the changes between the plan and `after` over all futures, each once with the futures that have it."""
        own = [changed_entries(f.instance, before, then) for (f, before), then in zip(self.parts(), after, strict=True)]
        return tuple(
            BranchChange(each.option, each.period, each.before, each.after, each.money, self.names(numbers))
            for each, numbers in _group_changes(own, [future.probability for future in self.tree.futures])
        )


def _group_changes(
    changes: Sequence[Sequence[PlanChange]], weights: Sequence[float] | None = None
) -> Iterator[tuple[PlanChange, list[int]]]:
    """Yield each distinct change once, with the numbers of the futures that have it, in the order of the first of them.

    Its money is the mean over these futures, by their weights.
    """
    found = list[tuple[PlanChange, list[int], list[float]]]()
    for number, some in enumerate(changes):
        for each in some:
            group = next((group for group in found if _is_same(group[0], each)), None)
            if group is None:
                found.append(group := (each, [], []))
            group[1].append(number)
            group[2].append(each.money)
    for each, numbers, money in found:
        own = [1.0 if weights is None else weights[number] for number in numbers]
        yield replace(each, money=math.sumprod(own, money) / math.fsum(own)), numbers


def _is_same(one: PlanChange, other: PlanChange) -> bool:
    pairs = ((one.before, other.before), (one.after, other.after))
    return (one.option, one.period) == (other.option, other.period) and all(
        math.isclose(*pair, rel_tol=SAME_VALUE, abs_tol=NEGLIGIBLE) for pair in pairs
    )
