"""Plans that are given, as they are, beside the optimum; in an instance with futures, in each and over all of them.

A plan is followed unchanged in every future, or differs between them as its file says. It stands beside the adaptive
optimum, that of `solve`, and in each future beside the optimum of that future alone, known from the start: `regret` is
what the plan costs more there. Of a plan over all futures:

result   each future's operation as a `FuturesResult`: measure, expected cost, decisions; non-anticipativity is audited
need     the purchases of least expected cost beside the plan with which every floor of every future is kept, whatever
         the budget; they are alike in futures that cannot be distinguished
waste    what the plan of least expected cost within it does without, where no shock of any future fares worse
uses     each purchase with the futures that need it: the cheapest plan within the given one that does as well in that
         future alone keeps it
"""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from optimizer import formulation
from optimizer.algorithms.fixed_plan import PlanReduction, evaluate_fixed_plan, including
from optimizer.algorithms.joint_recourse import JointEvaluator
from optimizer.algorithms.problem import ProblemVariant, outlay
from optimizer.algorithms.reading import read_joint_plan
from optimizer.algorithms.recourse import recourse_executor
from optimizer.algorithms.solving import Alone, best_plan, with_regret
from optimizer.audit.result import audit_error, audit_futures, measure_of_futures
from optimizer.instance.edits import ScenarioNames, apply_arguments, for_each_future
from optimizer.instance.questions import RiskMeasure
from optimizer.instance.schema import Future, FutureTree, Instance
from optimizer.io.plan_file import GivenPlan
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Listener, Progress, Settings, ignore, interruptible
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
)
from optimizer.studies.futures.solve import ALONE_SHARE, search_futures
from optimizer.studies.futures.stages import decisions
from optimizer.studies.given_plan import PlanLike, judge_plan, operate_given, plan_changes, read_plans
from optimizer.studies.measure import GAP_SHARE, before_tolerance_base
from optimizer.studies.solve import solve_instance
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import EXACT_GAP, NEGLIGIBLE, SAME_VALUE
from optimizer.units import MoneyLike

# How much is asked of a plan: its operation; the optimum; and what it lacks and wastes.
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
    """Evaluate plans as they are: cost, survival, what they lack and what they waste, beside the optimum.

    At Ctrl-C, what is known until then.

    Args:
        instance: the instance, without futures; for others there is `evaluate_futures`.
        plans: one or several: the path of a file, a mapping of the shape of a hand-written plan, what `load_plan` gave,
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
    settings = Settings.chosen(settings)
    made = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes)
    given, clock = read_plans(plans, made.instance), settings.clock()
    depth: Depth = "operation" if is_quick else "all"
    with interruptible(clock, listener):
        return _evaluate(made.instance, given, settings, clock, listener, made.notes, depth)


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

    Each plan is followed unchanged in all futures, or as it says for each. What it lacks and wastes counts over all.

    Raises:
        GivenPlanError: a plan needs an answer before it is known. This and other errors are those of `evaluate`.

    Example:
        >>> import optimizer as so
        >>> found = so.evaluate_futures(so.load("examples/wait_or_commit.yaml"), "examples/plan_at_once.yaml")
        >>> found.survives, found.plans[0].result.worst_future
        (True, 'high')
    """
    settings = Settings.chosen(settings)
    made = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes, takes="futures")
    given = read_plans(plans, made.instance)
    began, clock = time.perf_counter(), settings.clock()
    with interruptible(clock, listener):
        found = _FuturesEvaluationSearch(made.instance, given, settings, clock, listener).run(is_quick=is_quick)
    notes = (*made.notes, *found.notes)
    return replace(found, notes=notes, seconds=time.perf_counter() - began)


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
    with WhatIfSolver(instance, before_tolerance_base(settings), clock, listener) as solver:
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


def join_futures(
    instance: Instance, name: str, own: Sequence[EvaluatedPlan], alone: Sequence[Alone] | None = None
) -> FuturesPlan:
    """A plan over all futures, from the plan in each.

    Args:
        instance: with its questions.
        name: of the plan.
        own: the plan in each future, in the order of the tree.
        alone: what is known of each future alone, from which regret counts; None for nothing.

    Raises:
        AuditError: futures that cannot be distinguished buy differently, or the figures disagree.
    """
    pairs = zip(instance.tree.futures, own, strict=True)
    tree = replace(instance.tree, futures=tuple(replace(future, instance=each.instance) for future, each in pairs))
    lifted, results = instance.with_tree(tree), [each.result for each in own]
    parts = zip(tree.futures, results, alone or [Alone()] * len(own), strict=True)
    result = _over_futures(instance, lifted, tuple(_in_future(instance, *part) for part in parts))
    report = audit_futures(_by_expected_cost(lifted), result)
    if not report.ok:
        raise audit_error(instance, [f"{name}: {each}" for each in report.disagreements], result)
    measured = measure_of_futures(lifted, result.futures)
    return FuturesPlan(name, lifted, replace(result, total_cost=measured, audit=report.to_dict()))


def _over_futures(instance: Instance, lifted: Instance, futures: tuple[FutureResult, ...]) -> FuturesResult:
    """The futures as one result, by their expected cost; `lifted` is the instance without rules that are broken."""
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


def _in_future(instance: Instance, future: Future, result: Result, alone: Alone) -> FutureResult:
    """A future with its regret; none where it leaves more unserved than alone, unless gaps have a price."""
    # As in the plan of `solve`: no future has a no-shock plan of its own.
    result = replace(result, no_shock=None, price_of_survival=None, calm_cost=None, calm_builds=())
    found = with_regret(instance, future, result, alone)
    if instance.policy.gap_price is None and result.survival_gap > alone.gap * (1.0 + SAME_VALUE):
        return replace(found, regret=None)
    return found


def _by_expected_cost(instance: Instance) -> Instance:
    """The same futures, over which expected cost is minimised, all floors are kept, and no budget holds."""
    update = {"objective": RiskMeasure(), "gap_price": None, "budget": None, "annual_budget": None}

    def changed(one: Instance) -> Instance:
        return one.replacing(policy=one.policy.model_copy(update=update))

    return changed(instance).with_tree(for_each_future(instance, changed).tree)


def judge_futures_plan(found: FuturesPlan, settings: Settings, clock: Clock, listener: Listener) -> FuturesPlan:
    """With what it lacks and wastes over all futures, and where it is of use, as far as the time allows."""
    if clock.is_over:
        return found
    evaluator = JointEvaluator(found.instance, recourse_executor(found.instance, settings.jobs, settings.cluster))
    try:
        judge = _Judge(found, evaluator, before_tolerance_base(settings), clock, listener)
        need = None if found.result.survives else judge.need()
        return replace(found, need=need, waste=judge.waste(), uses=judge.uses())
    finally:
        evaluator.close()


class _Judge:
    """What a plan lacks and wastes over all futures."""

    def __init__(
        self, found: FuturesPlan, evaluator: JointEvaluator, settings: Settings, clock: Clock, listener: Listener
    ) -> None:
        self.instance, self.result, self.evaluator = found.instance, found.result, evaluator
        self.settings, self.clock, self.listener = settings, clock, listener
        self.tree: FutureTree = found.instance.tree
        self.plans = [each.result.plan for each in found.result.futures]

    def weighted(self, amounts: Sequence[float]) -> float:
        return math.sumprod([future.probability for future in self.tree.futures], amounts)

    def need(self) -> PlanNeed:
        """The purchases of least expected cost beside the plan with which every floor is kept."""
        variant = _by_expected_cost(self.instance)
        problem = ProblemVariant(formulation.cost, (including(self.plans),), "cost of what is missing")
        solved = best_plan(variant, self.settings, self.clock, self.listener, problem, self.evaluator)
        if solved.values is None or solved.status != "optimal":
            return PlanNeed(False if solved.status == "infeasible" else None)
        values = solved.values.tolist()
        parts = zip(self.tree.futures, solved.builder.submodels, strict=True)
        spent = [outlay(submodel, future.instance, ()).value(values) for future, submodel in parts]
        changes = self.changes(read_joint_plan(variant.tree, solved.builder, values))
        more = self.weighted(spent) - self.result.outlay
        return PlanNeed(True, changes, more, solved.cost - self.result.expected_cost)

    def waste(self) -> PlanWaste | None:
        """What the plan of least expected cost within it does without."""
        spent = self.weighted([self.spent(number) for number in range(len(self.plans))])
        if spent <= 0:
            return PlanWaste()
        reduced = self.reduce(self.instance, self.plans, self.evaluator, spent)
        if reduced is None:
            return None
        costs, outlays = zip(*(self.operate(number, plan) for number, plan in enumerate(reduced)), strict=True)
        saved = self.result.expected_cost - self.weighted(costs)
        if saved <= NEGLIGIBLE * spent:
            return PlanWaste()
        return PlanWaste(self.changes(reduced), self.result.outlay - self.weighted(outlays), saved)

    def operate(self, number: int, plan: Plan) -> tuple[float, float]:
        """Expected cost and outlay of a plan in a future."""
        instance, evaluator = self.tree.futures[number].instance, self.evaluator.futures[number]
        solved = evaluate_fixed_plan(instance, plan, evaluator, self.settings, self.clock)
        assert solved.values is not None
        return solved.cost, outlay(solved.builder, instance, ()).value(solved.values.tolist())

    def spent(self, number: int) -> float:
        """What the plan spends in a future, undiscounted, money."""
        bought = plan_changes(self.tree.futures[number].instance, Plan(), self.plans[number])
        return sum(change.money for change in bought)

    def uses(self) -> tuple[PurchaseUse, ...] | None:
        """Each purchase with the futures that need it; None where the time ran out."""
        known = dict[tuple[int, int], Plan]()
        needed = list[set[tuple[str, str]]]()
        for number, future in enumerate(self.tree.futures):
            key = id(future.instance), id(self.plans[number])
            if key not in known:
                least = self.least(number)
                if least is None:
                    return None
                known[key] = least
            kept = plan_changes(future.instance, Plan(), known[key])
            needed.append({(each.option, each.period) for each in kept})
        bought = [plan_changes(future.instance, Plan(), plan) for future, plan in self.parts()]
        return tuple(self.use(each, numbers, needed) for each, numbers in _alike(bought))

    def use(self, each: PlanChange, numbers: Sequence[int], needed: Sequence[set[tuple[str, str]]]) -> PurchaseUse:
        """A purchase with the futures that need it."""
        own = [number for number in numbers if (each.option, each.period) in needed[number]]
        return PurchaseUse(each.option, each.period, each.after, self.names(numbers), self.names(own))

    def least(self, number: int) -> Plan | None:
        """The cheapest plan within the given one that does as well in one future alone."""
        future, spent = self.tree.futures[number], self.spent(number)
        if spent <= 0:
            return self.plans[number]
        found = self.reduce(future.instance, [self.plans[number]], self.evaluator.futures[number], spent)
        return None if found is None else found[0]

    def reduce(self, instance: Instance, plans: list[Plan], evaluator: Any, spent: float) -> Sequence[Plan] | None:
        """The cheapest plans within some, to a share of what these spend; None where the time ran out."""
        tolerance = GAP_SHARE * spent
        return PlanReduction(instance, plans, evaluator, self.settings, tolerance, self.clock, self.listener).run()

    def parts(self) -> Iterator[tuple[Any, Plan]]:
        return zip(self.tree.futures, self.plans, strict=True)

    def names(self, numbers: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.tree.futures[number].name for number in numbers)

    def changes(self, after: Sequence[Plan]) -> tuple[BranchChange, ...]:
        """Where the plan of some future changes, each change once with the futures that have it."""
        own = [plan_changes(f.instance, before, then) for (f, before), then in zip(self.parts(), after, strict=True)]
        return tuple(
            BranchChange(each.option, each.period, each.before, each.after, each.money, self.names(numbers))
            for each, numbers in _alike(own, [future.probability for future in self.tree.futures])
        )


def _alike(
    changes: Sequence[Sequence[PlanChange]], weights: Sequence[float] | None = None
) -> Iterator[tuple[PlanChange, list[int]]]:
    """Changes in the order of the first future that has them, each once with the numbers of the futures that have it.

    Money is the mean over these futures, by their weights.
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
