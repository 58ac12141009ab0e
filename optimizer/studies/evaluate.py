"""Plans that are given, as they are: what they cost, survive, lack and waste, beside the optimum.

result     the cheapest operation of the plan, every shock under it, audited: a `Result` like that of `solve`
rules      of the instance that the plan breaks (`rules`): named, and not enforced
missing    the cheapest purchases beside the plan with which every floor is kept, whatever the budget
waste      what the cheapest plan within it does without, where no shock fares worse (`algorithms.reduction`)
optimum    the plan of `solve`, under all rules
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from optimizer import formulation
from optimizer.algorithms.fixed_plan import evaluate_fixed_plan
from optimizer.algorithms.problem import ProblemVariant
from optimizer.algorithms.reduction import PlanReduction, including
from optimizer.errors import Finding, GivenPlanError
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.schema import Instance
from optimizer.io.plan_file import load_plan, names_of, read_given_plan
from optimizer.progress import Listener, Progress, ignore
from optimizer.results.given import GivenPlan
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies import evaluation_frames
from optimizer.studies.comparison import Comparison, ComparisonColumn, shocks_survived
from optimizer.studies.measure import GAP_SHARE, before_measure
from optimizer.studies.rules import lift_policy, lift_rules
from optimizer.studies.solve import Timer, conclude, solve_instance
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import MoneyLike

OPTIMUM = "optimum"
PlanLike = GivenPlan | Result | Plan | Mapping[str, Any] | str


@dataclass(frozen=True)
class PlanChange:
    """How much of an option two plans buy in a year, or in the period of a decision.

    Attributes:
        option: of what.
        period: label of the decision point; of a stockpile the calendar year.
        before, after: sizes, in the option's own unit; of a stockpile t.
        money: what the second plan spends more, undiscounted; negative where it spends less.
    """

    option: str
    period: str
    before: float
    after: float
    money: float


@dataclass(frozen=True)
class PlanNeed:
    """Purchases beside a plan with which every floor is kept; none where `is_possible` is False.

    Attributes:
        is_possible: whether there are any, whatever the budget; None where the time ran out.
        changes: the cheapest ones.
        outlay, cost: what they add, undiscounted outlay and present value, money.
    """

    is_possible: bool | None
    changes: tuple[PlanChange, ...] = ()
    outlay: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class PlanWaste:
    """Purchases that a plan could do without; no shock fares worse, and the total cost falls.

    Attributes:
        changes: what is left out or made smaller, all of it together.
        outlay, cost: what that saves, undiscounted outlay and present value, money.
    """

    changes: tuple[PlanChange, ...] = ()
    outlay: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class EvaluatedPlan:
    """One plan as it was given.

    Attributes:
        name: of the plan.
        result: the plan with its operation, audited.
        instance: that of the result: the rules that the plan breaks are not in it.
        rules: those rules; each says where in the plan's file, what, and the cure.
        need: what it lacks; None where it survives, or where this was not asked for.
        waste: what it could do without; None where the time ran out, or where this was not asked for.
    """

    name: str
    result: Result
    instance: Instance = field(repr=False)
    rules: tuple[Finding, ...] = ()
    need: PlanNeed | None = None
    waste: PlanWaste | None = None

    @property
    def lacks(self) -> list[dict[str, Any]]:
        """A row for each shock and segment below its floor, the largest gap first."""
        rows = [
            {
                "shock": outcome.name,
                "segment": d,
                "from": service.first_failure,
                "worst_period": service.worst_period,
                "worst_service": service.worst_service,
                "floor": service.floor,
                "below_floor": service.below_floor,
                "gap": service.gap,
            }
            for outcome in self.result.shocks
            for d, service in outcome.segments.items()
            if service.below_floor > 0
        ]
        return sorted(rows, key=lambda row: (-float(row["gap"]), -float(row["below_floor"])))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: figures, broken rules, what it lacks and wastes."""
        return {
            "name": self.name,
            **_figures(self.result),
            "rules": [
                {"place": rule.place, "where": rule.where, "what": rule.what, "cure": rule.cure} for rule in self.rules
            ],
            "lacks": self.lacks,
            "missing": None if self.need is None else asdict(self.need),
            "waste": None if self.waste is None else asdict(self.waste),
        }


def _figures(result: Result) -> dict[str, Any]:
    names = ("status", "total_cost", "outlay", "survival_gap", "worst_gap", "price_of_survival", "mip_gap", "costs")
    figures = result.to_dict(whole=False)
    survived = {"survives": result.survives, "shocks": len(result.shocks), "survived": list(shocks_survived(result))}
    return survived | {name: figures[name] for name in (*names, "builds", "purchases")}


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
            "optimum": None if self.optimum is None else _figures(self.optimum),
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
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
) -> PlanEvaluation:
    """Evaluate plans as they are: cost, survival, what they lack and what they waste, beside the optimum.

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


def read_plans(plans: Sequence[PlanLike], instance: Instance) -> list[GivenPlan]:
    """Plans of any form, under names that differ.

    Raises:
        GivenPlanError: with every finding about all of them.
    """
    read, findings = list[GivenPlan](), list[Finding]()
    for number, plan in enumerate(plans, start=1):
        try:
            read.append(_read(plan, instance, "plan" if len(plans) == 1 else f"plan {number}"))
        except GivenPlanError as error:
            findings += error.findings
    if findings:
        raise GivenPlanError(findings)
    return [replace(plan, name=name) for plan, name in zip(read, names_of(read), strict=True)]


def _read(plan: PlanLike, instance: Instance, name: str) -> GivenPlan:
    if isinstance(plan, GivenPlan):
        return plan
    if isinstance(plan, str):
        return load_plan(plan, instance)
    if isinstance(plan, Mapping):
        return read_given_plan(plan, instance, name)
    bought, periods = (plan.plan, plan.periods) if isinstance(plan, Result) else (plan, _labels(instance))
    fills = {o: dict(zip(periods, row, strict=True)) for o, row in bought.fills.items()}
    return read_given_plan({"builds": list(map(asdict, bought.builds)), "purchases": fills}, instance, name)


def _labels(instance: Instance) -> tuple[str, ...]:
    return tuple(instance.horizon.label(t) for t in instance.horizon.periods)


def evaluate_plans(
    instance: Instance,
    given: Sequence[GivenPlan],
    settings: Settings,
    clock: Clock,
    listener: Listener = ignore,
    notes: tuple[str, ...] = (),
    *,
    is_quick: bool = False,
) -> PlanEvaluation:
    """`evaluate` of plans that were read; at Ctrl-C, what is known until then."""
    began = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(interruptible(clock, listener))
        solver = stack.enter_context(WhatIfSolver(instance, before_measure(settings), clock, listener))
        found, optimum = list[EvaluatedPlan](), None
        for plan in given:
            listener(Progress(task=f"the operation of {plan.name}"))
            found.append(_evaluate(instance, plan, settings, solver))
        if not is_quick:
            listener(Progress(task="the optimum"))
            evaluator, known = solver.evaluator(instance), _known(found)
            optimum = solve_instance(instance, settings, clock, listener, evaluator=evaluator, plan=known)
            found = [_judged(each, solver) for each in found]
    return PlanEvaluation(instance, tuple(found), optimum, clock.is_over, notes, time.perf_counter() - began)


def _known(found: Sequence[EvaluatedPlan]) -> Plan | None:
    """The cheapest of the plans that survive and break no rule: it bounds the search for the optimum."""
    sound = [each.result for each in found if each.result.survives and not each.rules]
    return min(sound, key=lambda result: result.total_cost).plan if sound else None


def evaluate_plan(
    instance: Instance, given: GivenPlan, settings: Settings, clock: Clock, notes: tuple[str, ...] = ()
) -> EvaluatedPlan:
    """The operation of one plan, audited, and the rules that it breaks; what it lacks and wastes is left out.

    Raises:
        GivenPlanError: no instance can hold the plan.
        AuditError: the plan and its figures disagree.
        SolverError: the solver failed.
    """
    with WhatIfSolver(instance, settings, clock) as solver:
        found = _evaluate(instance, given, settings, solver)
    return replace(found, result=replace(found.result, notes=(*notes, *found.result.notes)))


def _evaluate(instance: Instance, given: GivenPlan, settings: Settings, solver: WhatIfSolver) -> EvaluatedPlan:
    timer, clock = Timer(0.0, time.perf_counter()), solver.clock
    lifted, of_buying = lift_rules(instance, given)
    lifted, of_policy = lift_policy(lifted, given, settings, clock)
    rules = (*of_buying, *of_policy)
    evaluator = solver.evaluator(lifted)
    solved = evaluate_fixed_plan(lifted, given.plan, evaluator, settings, clock)
    notes = tuple(f"The plan breaks a rule: {rule.where}: {rule.what}." for rule in rules)
    result = conclude(lifted, settings, clock, timer, solved, evaluator, notes)
    return EvaluatedPlan(given.name, replace(result, given=given.name), lifted, rules)


# What is missing, and what is wasted.


def _judged(found: EvaluatedPlan, solver: WhatIfSolver) -> EvaluatedPlan:
    """With what it lacks and wastes, as far as the time allows."""
    if solver.clock.is_over:
        return found
    if not found.result.survives:
        found = replace(found, need=_need(found, solver))
    return replace(found, waste=_waste(found, solver))


def _need(found: EvaluatedPlan, solver: WhatIfSolver) -> PlanNeed:
    """The cheapest purchases beside a plan with which every floor is kept."""
    instance, plan = found.instance, found.result.plan
    policy = instance.policy.model_copy(update={"budget": None, "annual_budget": None})
    free = instance.replacing(policy=policy)
    problem = ProblemVariant(formulation.cost, (including(plan),), "cost of what is missing")
    answer = solver.ask(free, problem)
    if answer.status == "infeasible":
        return PlanNeed(False)
    if not answer.plan.builds and not answer.plan.fills:
        return PlanNeed(None)
    changes = plan_changes(instance, plan, answer.plan)
    return PlanNeed(True, changes, answer.outlay - found.result.outlay, answer.cost - found.result.total_cost)


def _waste(found: EvaluatedPlan, solver: WhatIfSolver) -> PlanWaste | None:
    """What the cheapest plan within a plan does without."""
    instance, plan, clock = found.instance, found.result.plan, solver.clock
    evaluator, settings = solver.evaluator(instance), solver.settings
    spent = -sum(change.money for change in plan_changes(instance, plan, Plan((), {}, {})))
    if spent <= 0:
        return PlanWaste()
    search = PlanReduction(instance, plan, evaluator, settings, GAP_SHARE * spent, clock, solver.listener)
    reduced = search.run()
    if reduced is None:
        return None
    solved = evaluate_fixed_plan(instance, reduced, evaluator, settings, clock)
    saved = found.result.total_cost - solved.cost
    changes = plan_changes(instance, plan, reduced)
    if saved <= NEGLIGIBLE * spent:
        return PlanWaste()
    assert solved.values is not None
    outlay = sum(each.value(solved.values.tolist()) for each in solved.builder.accounts("outlay").values())
    return PlanWaste(changes, found.result.outlay - outlay, saved)


def plan_changes(instance: Instance, before: Plan, after: Plan) -> tuple[PlanChange, ...]:
    """Where two plans of an instance differ, in the order of the options, then of time; stockpiles by calendar year."""
    return tuple(
        PlanChange(o, period, was, becomes, money)
        for o in instance.options
        for period, was, becomes, money in _changes(instance, o, before, after)
        if abs(becomes - was) > NEGLIGIBLE * max(was, becomes)
    )


def _changes(instance: Instance, o: str, before: Plan, after: Plan) -> Iterator[tuple[str, float, float, float]]:
    """Of one option the period, both sizes, and the money that the second plan spends more."""
    horizon = instance.horizon
    if o in instance.stocks:
        stock, plans = instance.stocks[o], (before, after)
        for year in horizon.years:
            was, becomes = (_purchases_in(instance, plan, o, year) for plan in plans)
            yield str(year), sum(was), sum(becomes), stock.paid(horizon, becomes) - stock.paid(horizon, was)
        return
    option = instance.sized[o]
    old, new = ({build.t: build for build in plan.builds if build.option == o} for plan in (before, after))
    for t in sorted({*old, *new}):
        sizes = [builds[t].size if t in builds else 0.0 for builds in (old, new)]
        paid = [option.paid(b[t].year, b[t].size, opened=b[t].opened) if t in b else 0.0 for b in (old, new)]
        yield horizon.label(t), sizes[0], sizes[1], paid[1] - paid[0]


def _purchases_in(instance: Instance, plan: Plan, o: str, year: int) -> list[float]:
    """What a plan buys of a stockpile by period, in one calendar year alone."""
    fills = plan.fills.get(o, (0.0,) * len(instance.horizon.periods))
    return [fill if instance.horizon.year(t) == year else 0.0 for t, fill in enumerate(fills)]
