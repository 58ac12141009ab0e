"""One plan that is given, over all futures: its measure, what it lacks, what it wastes, and where it is of use.

result   each future's operation as a `FuturesResult`: measure, expected cost, decisions; non-anticipativity is audited
need     the purchases of least expected cost beside the plan with which every floor of every future is kept, whatever
         the budget; they are alike in futures that cannot be distinguished
waste    what the plan of least expected cost within it does without, where no shock of any future fares worse
uses     each purchase with the futures that need it: the cheapest plan within the given one that does as well in that
         future alone keeps it
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from optimizer import formulation
from optimizer.algorithms.fixed_plan import PlanReduction, evaluate_fixed_plan, including
from optimizer.algorithms.joint_recourse import JointEvaluator
from optimizer.algorithms.problem import ProblemVariant, outlay
from optimizer.algorithms.reading import read_joint_plan
from optimizer.algorithms.recourse import recourse_executor
from optimizer.algorithms.solving import Alone, best_plan, with_regret
from optimizer.audit.result import audit_error, audit_futures, measure_of_futures
from optimizer.instance.edits import for_each_future
from optimizer.instance.questions import RiskMeasure
from optimizer.instance.schema import Future, FutureTree, Instance
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Listener, Settings
from optimizer.studies.futures.stages import decisions
from optimizer.studies.given_plan import EvaluatedPlan, PlanChange, PlanNeed, PlanWaste, plan_changes
from optimizer.studies.measure import GAP_SHARE, before_measure
from optimizer.tolerances import NEGLIGIBLE, SAME_VALUE


@dataclass(frozen=True)
class BranchChange(PlanChange):
    """A change that some futures have alike; its money is that of one of them, their mean where prices differ."""

    futures: tuple[str, ...] = ()


@dataclass(frozen=True)
class PurchaseUse:
    """A purchase of a plan, and where it is of use."""

    # What and when; of a stockpile all purchases of a calendar year.
    option: str
    period: str
    size: float  # in the option's own unit; of a stockpile t
    futures: tuple[str, ...]  # names of those in which it is bought
    needed_in: tuple[str, ...]  # names of those that need it, or part of it


@dataclass(frozen=True)
class FuturesPlan:
    """One plan as it was given, over all futures."""

    name: str
    instance: Instance  # with all futures, without the rules that the plan breaks there
    result: FuturesResult  # the plan in each future, and the measure over them; audited
    # What it lacks over all futures; None where it survives, or where this was not asked for.
    need: PlanNeed | None = None
    # What it could do without in all futures; None where the time ran out, or where this was not asked for.
    waste: PlanWaste | None = None
    uses: tuple[PurchaseUse, ...] | None = None  # each purchase with the futures that need it; None likewise

    @property
    def idle(self) -> tuple[PurchaseUse, ...]:
        """Purchases that are of use in some of their futures only, and are no waste in the others."""
        changes = [] if self.waste is None else [each for each in self.waste.changes if isinstance(each, BranchChange)]
        wasted = {(each.option, each.period, name) for each in changes for name in each.futures}

        def is_idle(each: PurchaseUse) -> bool:
            idle = set(each.futures) - set(each.needed_in)
            return bool(each.needed_in) and any((each.option, each.period, name) not in wasted for name in idle)

        return tuple(filter(is_idle, self.uses or ()))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: decisions, what is missing, wasted, and of use in some futures."""
        written = self.result.to_dict(whole=False)
        judged = {
            "missing": None if self.need is None else asdict(self.need),
            "waste": None if self.waste is None else asdict(self.waste),
            "uses": None if self.uses is None else [asdict(each) for each in self.uses],
        }
        return {"builds": written["builds"], "purchases": written["purchases"], **judged}


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
        instance=instance.title,
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
        problem=lifted,
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
        judge = _Judge(found, evaluator, before_measure(settings), clock, listener)
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
