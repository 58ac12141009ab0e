"""One plan that is given, as it is: its operation, the rules that it breaks, what it lacks and what it wastes.

result     the cheapest operation of the plan, every shock under it, audited: a `Result` like that of `solve`
rules      of the instance that the plan breaks (`rules`): named, and not enforced
need       the cheapest purchases beside the plan with which every floor is kept, whatever the budget
waste      what the cheapest plan within it does without, where no shock fares worse (`algorithms.fixed_plan`)
slips      what happens if decisions slip by a year, everything else of the plan held

Of a slip, a build is decided at the first decision point a year later, or not within the horizon; all purchases of a
stockpile move by a year. The plan that comes of it is operated as it is (`operate_given`): nothing is bought in place
of what is late.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from optimizer import formulation
from optimizer.algorithms.fixed_plan import PlanReduction, evaluate_fixed_plan, including
from optimizer.algorithms.problem import ProblemVariant
from optimizer.errors import Finding, GivenPlanError
from optimizer.instance.schema import Instance
from optimizer.io.plan_file import GivenPlan, load_plan, names_of, read_given_plan
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import Build, NoShockPlan, Outcome, Plan
from optimizer.results.result import Result, hardest_of
from optimizer.solver import Clock, Settings
from optimizer.studies.broken_rules import lift_policy, lift_rules
from optimizer.studies.measure import GAP_SHARE
from optimizer.studies.solve import Timer, conclude
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import NEGLIGIBLE

PlanLike = GivenPlan | Result | FuturesResult | Plan | Mapping[str, Any] | str


@dataclass(frozen=True)
class PlanChange:
    """How much of an option two plans buy in a year, or in the period of a decision."""

    option: str  # of what
    period: str  # label of the decision point; of a stockpile the calendar year
    # Sizes, in the option's own unit; of a stockpile t.
    before: float
    after: float
    money: float  # what the second plan spends more, undiscounted; negative where it spends less


@dataclass(frozen=True)
class PlanNeed:
    """Purchases beside a plan with which every floor is kept; none where `is_possible` is False."""

    is_possible: bool | None  # whether there are any, whatever the budget; None where the time ran out
    changes: tuple[PlanChange, ...] = ()  # the cheapest ones
    # What they add, undiscounted outlay and present value, money.
    outlay: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class PlanWaste:
    """Purchases that a plan could do without; no shock fares worse, and the total cost falls."""

    changes: tuple[PlanChange, ...] = ()  # what is left out or made smaller, all of it together
    # What that saves, undiscounted outlay and present value, money.
    outlay: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class EvaluatedPlan:
    """One plan as it was given."""

    name: str
    result: Result  # the plan with its operation, audited
    instance: Instance = field(repr=False)  # that of the result: the rules that the plan breaks are not in it
    broken_rules: tuple[Finding, ...] = ()  # that it breaks; each says where in the plan's file, what, and the cure
    need: PlanNeed | None = None  # what it lacks; None where it survives, or where this was not asked for
    # What it could do without; None where the time ran out, or where this was not asked for.
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
            **plan_figures(self.result),
            "rules": [
                {"place": rule.place, "where": rule.where, "what": rule.what, "cure": rule.cure}
                for rule in self.broken_rules
            ],
            "lacks": self.lacks,
            "missing": None if self.need is None else asdict(self.need),
            "waste": None if self.waste is None else asdict(self.waste),
        }


def plan_figures(result: Result) -> dict[str, Any]:
    """The figures of a plan as JSON, without its flows."""
    names = ("status", "total_cost", "outlay", "survival_gap", "worst_gap", "price_of_survival", "mip_gap", "costs")
    figures = result.to_dict(whole=False)
    survived = {"survives": result.survives, "shocks": len(result.shocks), "survived": list(result.shocks_survived)}
    return survived | {name: figures[name] for name in (*names, "builds", "purchases")}


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
    if isinstance(plan, FuturesResult):
        return read_given_plan(plan.to_dict(whole=False), instance, name)
    labels = tuple(instance.horizon.label(t) for t in instance.horizon.periods)
    bought, periods = (plan.plan, plan.periods) if isinstance(plan, Result) else (plan, labels)
    fills = {o: dict(zip(periods, row, strict=True)) for o, row in bought.fills.items()}
    return read_given_plan({"builds": list(map(asdict, bought.builds)), "purchases": fills}, instance, name)


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
        found = operate_given(instance, given, settings, solver)
    return replace(found, result=replace(found.result, notes=(*notes, *found.result.notes)))


def operate_given(
    instance: Instance, given: GivenPlan, settings: Settings, solver: WhatIfSolver, no_shock: NoShockPlan | None = None
) -> EvaluatedPlan:
    """`evaluate_plan` for studies, which share a clock and evaluators; `no_shock` is the instance's, where it is known.

    With rules lifted the no-shock plan may be another one: then it is solved for.
    """
    timer, clock = Timer(0.0, time.perf_counter()), solver.clock
    lifted, of_buying = lift_rules(instance, given)
    lifted, of_policy, fixed = lift_policy(lifted, given, settings, clock)
    rules = (*of_buying, *of_policy)
    evaluator = solver.evaluator(lifted)
    solved = evaluate_fixed_plan(lifted, given.plan, evaluator, settings, clock, fixed)
    notes = tuple(f"The plan breaks a rule: {rule.where}: {rule.what}." for rule in rules)
    known = None if rules else no_shock
    result = conclude(lifted, settings, clock, timer, solved, evaluator, notes, no_shock=known)
    return EvaluatedPlan(given.name, replace(result, given=given.name), lifted, rules)


# What is missing, and what is wasted.


def judge_plan(found: EvaluatedPlan, solver: WhatIfSolver) -> EvaluatedPlan:
    """With what it lacks and wastes, as far as the time allows."""
    if solver.clock.is_over:
        return found
    if not found.result.survives:
        found = replace(found, need=_need(found, solver))
    return replace(found, waste=_waste(found, solver))


def _need(found: EvaluatedPlan, solver: WhatIfSolver) -> PlanNeed:
    """The cheapest purchases beside a plan with which every floor is kept."""
    instance, plan = found.instance, found.result.plan
    # Gaps that have a price could be left where that is cheaper.
    policy = instance.policy.model_copy(update={"budget": None, "annual_budget": None, "gap_price": None})
    free = instance.replacing(policy=policy)
    problem = ProblemVariant(formulation.cost, (including([plan]),), "cost of what is missing")
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
    search = PlanReduction(instance, [plan], evaluator, settings, GAP_SHARE * spent, clock, solver.listener)
    found_plans = search.run()
    if found_plans is None:
        return None
    (reduced,) = found_plans
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
    if o in instance.stocks:
        stock, plans = instance.stocks[o], (before, after)
        for year in instance.horizon.years:
            bought, after_that = (_purchases_in(instance, plan, o, year) for plan in plans)
            more = stock.paid(instance.horizon, after_that) - stock.paid(instance.horizon, bought)
            yield str(year), sum(bought), sum(after_that), more
        return
    old, new = ({build.t: build for build in plan.builds if build.option == o} for plan in (before, after))
    for t in sorted({*old, *new}):
        (was, first), (becomes, then) = (_size_and_money(instance, o, builds.get(t)) for builds in (old, new))
        yield instance.horizon.label(t), was, becomes, then - first


def _size_and_money(instance: Instance, o: str, build: Build | None) -> tuple[float, float]:
    if build is None:
        return 0.0, 0.0
    return build.size, instance.sized[o].paid(build.year, build.size, opened=build.opened)


def _purchases_in(instance: Instance, plan: Plan, o: str, year: int) -> list[float]:
    """What a plan buys of a stockpile by period, in one calendar year alone."""
    fills = plan.fills.get(o, (0.0,) * len(instance.horizon.periods))
    return [fill if instance.horizon.year(t) == year else 0.0 for t, fill in enumerate(fills)]


@dataclass(frozen=True)
class Slip:
    """What comes of some decisions a year later."""

    options: tuple[str, ...]  # those whose decisions of the year slip
    # Names of the shocks that are not survived then and are with the plan, the largest gap first.
    failed: tuple[str, ...]
    # The shock whose gap grows most; where no gap grows, the one in which most more goes unserved; None where nothing
    # more goes unserved.
    shock: str | None
    gap: float  # by how much its gap grows, money
    below_floor: float  # t
    # By how much what it leaves unserved grows, t, and at shortage cost.
    shortage: float
    shortage_cost: float
    cost: float  # what the plan costs more, present value, money; less where it is negative
    broken_rules: tuple[Finding, ...] = ()  # those of the instance that the plan breaks then


def slip_by_a_year(instance: Instance, plan: Plan, options: Collection[str], year: int) -> Plan:
    """The plan with what it decides of some options in a calendar year a year later."""
    late = {(build.option, build.t) for build in plan.builds if build.option in options and build.year == year}
    builds = {(build.option, build.t): build for build in plan.builds if (build.option, build.t) not in late}
    for build in plan.builds:
        if (build.option, build.t) in late:
            _add_late(instance, builds, build)
    fills = {o: _later(row, instance.horizon.per_year) if o in options else row for o, row in plan.fills.items()}
    # Stocks follow from the purchases.
    return Plan(tuple(builds.values()), fills, {})


def _add_late(instance: Instance, builds: dict[tuple[str, int], Build], build: Build) -> None:
    """Add a build at the first decision point a year later, to one that is there where there is one."""
    horizon = instance.horizon
    t = next((t for t in horizon.decisions if t >= build.t + horizon.per_year), None)
    if t is None:
        return
    there = builds.get((build.option, t))
    size, opened = build.size + (there.size if there else 0.0), build.opened or bool(there and there.opened)
    moved = replace(build, t=t, year=horizon.year(t), period=horizon.label(t), size=size, opened=opened)
    builds[build.option, t] = moved


def _later(row: Sequence[float], periods: int) -> tuple[float, ...]:
    return (*[0.0] * min(periods, len(row)), *row[:-periods]) if periods < len(row) else (0.0,) * len(row)


def find_slips(
    instance: Instance,
    result: Result,
    groups: Iterable[Sequence[str]],
    year: int,
    settings: Settings,
    step: Callable[[Sequence[str]], None] = lambda options: None,
) -> tuple[Slip, ...]:
    """What comes of each group of options whose decisions of a year slip together, as far as the time allows.

    Raises:
        GivenPlanError: an option cannot be bought a year later, whatever the rules.
        SolverError: the solver failed. AuditError: a plan and its figures disagree.
    """
    found = []
    with WhatIfSolver(instance, settings) as solver:
        for options in groups:
            if settings.is_late:
                break
            step(options)
            moved = slip_by_a_year(instance, result.plan, options, year)
            late = operate_given(instance, read_plans([moved], instance)[0], settings, solver, result.no_shock)
            found.append(_compare(instance, result, late.result, tuple(options), late.broken_rules))
    return tuple(found)


def _compare(
    instance: Instance, before: Result, after: Result, options: tuple[str, ...], rules: tuple[Finding, ...]
) -> Slip:
    was = {outcome.name: outcome for outcome in before.shocks}
    pairs = [(was[outcome.name], outcome) for outcome in hardest_of(after.shocks) if outcome.name in was]
    failed = tuple(late.name for now, late in pairs if late.fails and not now.fails)
    cost = after.total_cost - before.total_cost
    worst = _most(pairs, lambda each: each.gap) or _most(pairs, lambda each: unserved_money(instance, each))
    if worst is None:
        return Slip(options, failed, None, 0.0, 0.0, 0.0, 0.0, cost, rules)
    now, late = worst
    return Slip(
        options,
        failed,
        late.name,
        late.gap - now.gap,
        _below_floors(late) - _below_floors(now),
        unserved_tonnes(late) - unserved_tonnes(now),
        unserved_money(instance, late) - unserved_money(instance, now),
        cost,
        rules,
    )


def _most(
    pairs: Sequence[tuple[Outcome, Outcome]], figure: Callable[[Outcome], float]
) -> tuple[Outcome, Outcome] | None:
    """The shock, as it was and as it is, in which a figure grows most; None where it grows in none."""
    most = max(pairs, key=lambda pair: figure(pair[1]) - figure(pair[0]), default=None)
    if most is None or figure(most[1]) - figure(most[0]) <= NEGLIGIBLE * max(1.0, figure(most[1])):
        return None
    return most


def _below_floors(outcome: Outcome) -> float:
    return sum(each.below_floor for each in outcome.segments.values())


def unserved_tonnes(outcome: Outcome) -> float:
    """What a shock leaves unserved, t, whether floors hold or not; of a line, of the segments that it names."""
    return sum(each.shortage for each in outcome.segments.values())


def unserved_money(instance: Instance, outcome: Outcome) -> float:
    """The same at shortage cost, money."""
    return sum(instance.demands[d].shortage_cost * each.shortage for d, each in outcome.segments.items())
