"""A given plan, unchanged: its operation, the rules that it breaks, missing and unneeded purchases.

result     the cheapest operation of the plan in the baseline and every shock, audited: a `Result` as from `solve`
rules      the rules of the instance that the plan breaks: reported, and lifted as far as the plan needs; not enforced
need       the additional purchases of least total cost with which every floor is kept, whatever the budget
waste      the purchases that the reduced plan leaves out: the cheapest plan that buys nothing beyond the given one and
           leaves no shock worse off (`algorithms.fixed_plan`)

Broken rules of buying (earliest, latest, sizes, units, fill_rate, requires, excludes) are found by arithmetic; broken
rules of the policy (budgets, shares, time to survive, forced purchases) and forced running are found by solving the
operation. In the instance with these rules lifted, the plan can be operated, audited, saved and verified as any other.
"""

import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

from optimizer import risk
from optimizer.algorithms.conflict import Rule, rule_in_words
from optimizer.algorithms.fixed_plan import FixedPlan, PlanReduction, evaluate_fixed_plan, including
from optimizer.algorithms.problem import ProblemVariant, outlay
from optimizer.errors import Finding, GivenPlanError, InstanceError
from optimizer.instance.altered import with_eased_floors, with_policy, without_budgets, without_gap_price
from optimizer.instance.reading import read
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance
from optimizer.io.plan_file import GivenPlan, list_breaches, load_plan, names_of, read_given_plan
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import NoShockPlan, Plan
from optimizer.results.result import Result
from optimizer.results.saved import RULE_BROKEN
from optimizer.solver import Clock, Settings
from optimizer.studies.conclusion import Timer, conclude
from optimizer.studies.cost_tolerance import GAP_SHARE
from optimizer.studies.evaluation import EvaluatedPlan, PlanNeed, PlanWaste, changed_entries, money_spent
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import NEGLIGIBLE, ROUNDING
from optimizer.units import Series, si


@dataclass(frozen=True)
class PlanInFuture:
    """The purchases of a plan of any form in one future."""

    plan: "PlanLike"
    future: str
    instances: Mapping[str, Instance]  # the instance with all its futures, by case

    def read(self, case: str, name: str) -> GivenPlan:
        """Read the plan for a case.

        Raises:
            GivenPlanError: the plan does not fit the case; with all findings.
        """
        return _read(self.plan, self.instances[case], name).in_future(self.future)


PlanLike = GivenPlan | PlanInFuture | Result | FuturesResult | Plan | Mapping[str, Any] | str | Path


def list_plans(plans: PlanLike | Iterable[PlanLike]) -> list[PlanLike]:
    """Return plans as a list; a single plan of any form becomes a list of one."""
    if isinstance(plans, str) or not isinstance(plans, Sequence | Set | ValuesView | Iterator):
        return [cast("PlanLike", plans)]
    return list(plans)


def read_plans(plans: PlanLike | Iterable[PlanLike], instance: Instance) -> list[GivenPlan]:
    """Read one or several plans of any form, and give them distinct names.

    Raises:
        GivenPlanError: a plan does not fit the instance; with all findings about all plans.
        TypeError: a plan has none of the forms.
    """
    read, _ = read_plans_of_cases(list_plans(plans), {"": instance})
    return read[""]


def read_plans_of_cases(
    plans: Sequence[PlanLike], cases: Mapping[str, Instance]
) -> tuple[dict[str, list[GivenPlan]], list[str]]:
    """Read plans for several cases, and give them distinct names.

    Returns:
        The plans that fit each case, by case; and a note on each plan and case that do not fit.

    Raises:
        GivenPlanError: a plan fits no case; with all findings about all such plans.
    """
    some = [_read_in_cases(plan, cases, number, len(plans)) for number, plan in enumerate(plans, start=1)]
    if wrong := [finding for found, misfits in some if not found for finding in chain(*misfits.values())]:
        raise GivenPlanError(list(dict.fromkeys(wrong)))
    named = list(zip(names_of(next(iter(found.values())) for found, _ in some), some, strict=True))
    notes = [
        f"{case}: no column of {name}, as {findings[0].what} there."
        for name, (_, misfits) in named
        for case, findings in misfits.items()
    ]
    return {case: _plans_of_case(case, named) for case in cases}, notes


def _plans_of_case(case: str, named: Iterable[tuple[str, tuple[dict[str, GivenPlan], Any]]]) -> list[GivenPlan]:
    return [replace(found[case], name=name) for name, (found, _) in named if case in found]


def _read_in_cases(
    plan: PlanLike, cases: Mapping[str, Instance], number: int, count: int
) -> tuple[dict[str, GivenPlan], dict[str, Sequence[Finding]]]:
    """Return plan `number` of `count` as read in each case that it fits, and the findings in each other case."""
    found, misfits = dict[str, GivenPlan](), dict[str, Sequence[Finding]]()
    name = "plan" if count == 1 else f"plan {number}"
    for case, instance in cases.items():
        try:
            found[case] = plan.read(case, name) if isinstance(plan, PlanInFuture) else _read(plan, instance, name)
        except GivenPlanError as error:
            misfits[case] = error.findings
    return found, misfits


def _read(plan: PlanLike, instance: Instance, name: str) -> GivenPlan:
    if isinstance(plan, GivenPlan):
        return plan
    if isinstance(plan, str | Path):
        return load_plan(plan, instance)
    if isinstance(plan, Mapping):
        return read_given_plan(plan, instance, name)
    if isinstance(plan, FuturesResult):
        return read_given_plan(plan.to_dict(whole=False), instance, name)
    if not isinstance(plan, Result | Plan):
        what = "a Plan or a Result, a mapping, or the name of a file"
        raise TypeError(f"a plan is needed, not {type(plan).__name__}: {what}")
    bought, fills = plan.plan if isinstance(plan, Result) else plan, _purchases(plan, instance, name)
    return read_given_plan({"builds": list(map(asdict, bought.builds)), "purchases": fills}, instance, name)


def _purchases(plan: Result | Plan, instance: Instance, name: str) -> dict[str, dict[str, float]]:
    """Return the purchases by stockpile and period; a bare plan has the periods of the instance."""
    labels = tuple(instance.horizon.label(t) for t in instance.horizon.periods)
    bought, periods = (plan.plan, plan.periods) if isinstance(plan, Result) else (plan, labels)
    for o, row in bought.fills.items():
        if len(row) != len(periods):
            what = f"has {len(row)} amounts, and {instance.title} has {len(periods)} periods"
            cure = "Give the whole Result, which says its periods; or a mapping that does."
            raise GivenPlanError([Finding(name, None, f"purchases.{o}", what, cure)])
    return {o: dict(zip(periods, row, strict=True)) for o, row in bought.fills.items()}


def evaluate_plan(
    instance: Instance, given: GivenPlan, settings: Settings, clock: Clock, notes: tuple[str, ...] = ()
) -> EvaluatedPlan:
    """Evaluate the operation of one plan, audited, and the rules that it breaks, without its needs and waste.

    Raises:
        GivenPlanError: the plan does not fit any instance, even with rules lifted.
        AuditError: the plan and its figures disagree.
        SolverError: the solver failed.
    """
    with WhatIfSolver(instance, settings, clock) as solver:
        found = operate_given(instance, given, settings, solver)
    return replace(found, result=replace(found.result, notes=(*notes, *found.result.notes)))


def operate_given(
    instance: Instance, given: GivenPlan, settings: Settings, solver: WhatIfSolver, no_shock: NoShockPlan | None = None
) -> EvaluatedPlan:
    """Evaluate a plan as `evaluate_plan` does, with the clock and the evaluators of `solver`.

    `no_shock` is the no-shock plan of the instance, or None; if rules are lifted, it is solved for again.
    """
    timer, clock = Timer(0.0, time.perf_counter()), solver.clock
    lifted, of_buying = lift_rules(instance, given)
    lifted, of_policy, fixed = lift_policy(lifted, given, settings, clock)
    rules = (*of_buying, *of_policy)
    evaluator = solver.evaluator(lifted)
    solved = evaluate_fixed_plan(lifted, given.plan, evaluator, settings, clock, fixed)
    notes = tuple(f"{RULE_BROKEN}{rule.where}: {rule.what}." for rule in rules)
    known = None if rules else no_shock
    result = conclude(lifted, settings, clock, timer, solved, evaluator, notes, no_shock=known)
    return EvaluatedPlan(given.name, replace(result, given=given.name), lifted, rules)


def with_need_and_waste(found: EvaluatedPlan, solver: WhatIfSolver) -> EvaluatedPlan:
    """Add need and waste of a plan, as far as the time allows."""
    if solver.clock.is_over:
        return found
    if not found.result.survives:
        found = replace(found, need=_need(found, solver))
    return replace(found, waste=_waste(found, solver))


def _need(found: EvaluatedPlan, solver: WhatIfSolver) -> PlanNeed:
    """Find the additional purchases of least total cost with which every floor is kept; less outlay may be enough."""
    instance, plan = found.instance, found.result.plan
    # With a price of gaps, the cheapest plan could leave some.
    free = without_gap_price(without_budgets(instance))
    problem = ProblemVariant(risk.cost, (including([plan]),), "cost of what is missing")
    answer = solver.ask(free, problem)
    if answer.status == "infeasible":
        answer = solver.ask(with_eased_floors(free), problem)
    if answer.status != "optimal":
        return PlanNeed(False if answer.status == "infeasible" else None)
    changes = changed_entries(instance, plan, answer.plan)
    return PlanNeed(True, changes, answer.outlay - found.result.outlay, answer.cost - found.result.total_cost)


def _waste(found: EvaluatedPlan, solver: WhatIfSolver) -> PlanWaste | None:
    """Find the purchases that the reduced plan leaves out; None if the time ran out."""
    instance, plan, clock = found.instance, found.result.plan, solver.clock
    evaluator, settings = solver.evaluator(instance), solver.settings
    if not plan.bought:
        return PlanWaste()
    spent = money_spent(instance, plan)
    search = PlanReduction(instance, [plan], evaluator, settings, GAP_SHARE * spent, clock, solver.listener)
    plans = search.run()
    if plans is None:
        return None
    (reduced,) = plans
    solved = evaluate_fixed_plan(instance, reduced, evaluator, settings, clock)
    saved = found.result.total_cost - solved.objective
    if saved <= NEGLIGIBLE * (spent or abs(found.result.total_cost)):
        return PlanWaste()
    assert solved.values is not None
    needed = outlay(solved.builder, instance, ()).value(solved.values.tolist())
    return PlanWaste(changed_entries(instance, plan, reduced), found.result.outlay - needed, saved)


def lift_rules(instance: Instance, given: GivenPlan) -> tuple[Instance, tuple[Finding, ...]]:
    """Return the instance without the rules of buying that a plan breaks, and findings about these rules.

    Raises:
        GivenPlanError: the plan needs values that no instance can have, such as a level above 1.
    """
    breaches = list_breaches(instance, given.plan)
    findings = tuple(given.finding(each.option, each.t, each.period, each.what, each.cure) for each in breaches)
    options = dict(instance.options)
    for each in breaches:
        options[each.option] = options[each.option].model_copy(update=dict(each.lifted))
    if not breaches:
        return instance, ()
    lifted = instance.replacing(options=options)
    try:
        read(lifted.to_dict(), given.file)
    except InstanceError as error:
        raise GivenPlanError([*findings, *error.findings]) from None
    return lifted, findings


def lift_policy(
    instance: Instance, given: GivenPlan, settings: Settings, clock: Clock
) -> tuple[Instance, tuple[Finding, ...], FixedPlan | None]:
    """Lift the rules of policy and running that no operation of a plan satisfies; the plan keeps the rules of buying.

    Returns:
        The instance without these rules, findings about them, and the fixed plan in it; None for the latter if a rule
        was lifted.

    Raises:
        SolverError: the solver failed.
    """
    fixed = FixedPlan(instance, given.plan, settings, clock)
    broken = fixed.rules_out_of_reach()
    if not broken:
        return instance, (), fixed
    builder, result = fixed.operate(broken)
    assert result.values is not None
    values = result.values.tolist()
    outlays = {year: builder.booked("outlay", year).value(values) for year in instance.horizon.years}
    findings = tuple(_policy_finding(instance, given, rule, outlays) for rule in broken)
    lifted = _without_rules(instance, {what for owner, what in broken if owner == "policy"}, outlays)
    return _without_min_utilisation(lifted, {owner for owner, what in broken if what == "run"}), findings, None


def _policy_finding(instance: Instance, given: GivenPlan, rule: Rule, outlays: dict[int, float]) -> Finding:
    owner, what = rule
    words, money, policy = rule_in_words(instance, rule), instance.money, instance.policy
    if what == "budget" and policy.budget is not None:
        spent = sum(outlays.values())
        return given.finding("policy.budget", None, "", *_over_budget(spent, policy.budget, "budget", money))
    if what.startswith("annual_budget") and policy.annual_budget is not None:
        year = int(what.rsplit("_", 1)[1])
        over = _over_budget(outlays[year], policy.annual_budget.at(year), f"annual budget of {year}", money)
        return given.finding("policy.annual_budget", None, str(year), *over)
    if what == "run":
        where, said = f"{owner}.min_utilisation", words
    else:
        where, _, said = words.partition(": ")
    if what.startswith("force_"):
        o, _, when = what.removeprefix("force_").rpartition("_")
        said = f"the plan does not have {said}{_but_other(instance, given, o, int(when))}"
    else:
        said = f"no operation of the plan satisfies it: {said}"
    return given.finding(where, None, "", said, "Change the plan, or the rule.")


def _but_other(instance: Instance, given: GivenPlan, option: str, year: int) -> str:
    """Say what a plan buys of an option in a year in place of the amount that is forced; nothing if it buys none."""
    horizon, fills = instance.horizon, given.plan.fills.get(option, ())
    sizes = [build.size for build in given.plan.builds if build.option == option and horizon.year(build.t) == year]
    bought = math.fsum([*sizes, *(fill for t, fill in enumerate(fills) if horizon.year(t) == year)])
    # As many digits as make a difference: a table rounds to fewer.
    return f", but {bought:.9g}" if bought > 0 else ""


def _over_budget(spent: float, limit: float, name: str, money: str) -> tuple[str, str]:
    what = f"the outlay is {si(spent, money, 4)}, {si(spent - limit, money)} above the {name}, {si(limit, money, 4)}"
    return what, "Buy less."


def _without_rules(instance: Instance, names: Collection[str], outlays: dict[int, float]) -> Instance:
    """Remove policy rules, named as their rows; raise the annual budget to the outlay in the years that break it."""
    policy = instance.policy
    update: dict[str, Any] = {"budget": None} if "budget" in names else {}
    for limit in ("max_share", "min_share", MIN_TIME_TO_SURVIVE):
        own = getattr(policy, limit)
        update[limit] = tuple(rule for i, rule in enumerate(own) if f"{limit}_{i}" not in names)
    update["force"] = _kept_purchases(policy.force, names)
    broken = [year for year in instance.horizon.years if f"annual_budget_{year}" in names]
    if policy.annual_budget is not None and broken:
        limits = {year: policy.annual_budget.at(year) for year in instance.horizon.years}
        limits |= {year: outlays[year] * (1.0 + ROUNDING) for year in broken}
        update["annual_budget"] = Series(tuple(limits.items()))
    return with_policy(instance, **update)


def _kept_purchases(force: Mapping[str, Mapping[int, float]], names: Collection[str]) -> dict[str, dict[int, float]]:
    """Return the forced purchases by option and year, without those whose rows are in `names`."""
    kept = {
        o: {year: size for year, size in sizes.items() if f"force_{o}_{year}" not in names}
        for o, sizes in force.items()
    }
    return {o: sizes for o, sizes in kept.items() if sizes}


def _without_min_utilisation(instance: Instance, names: Set[str]) -> Instance:
    """Return the instance in which the processes and options `names` have no minimum utilisation."""
    changed = dict[str, Any]()
    for section in ("processes", "options"):
        own = getattr(instance, section)
        if names & own.keys():
            changed[section] = {
                name: each.model_copy(update={"min_utilisation": 0.0}) if name in names else each
                for name, each in own.items()
            }
    return instance.replacing(**changed)
