"""Effect of delaying decisions of a plan by a year, with the rest of the plan unchanged.

A delayed build is decided at the first decision point at least a year later, or dropped if the horizon has none; all
purchases of a stockpile move by a year. The delayed plan is operated unchanged (`operate_given`): nothing is bought in
place of the delayed purchases.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from optimizer.errors import Finding
from optimizer.instance.derived import display_name
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import Build, Outcome, Plan
from optimizer.results.result import Result, hardest_of
from optimizer.solver import Listener, Progress, Settings, ignore
from optimizer.studies.given_plan import operate_given, read_plans
from optimizer.studies.purchases import Delay, DelaysByFuture, delay_groups, first_year, first_year_of_all, orders_of
from optimizer.studies.shocks import hardest_future, is_known, unserved_money, unserved_tonnes
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import NEGLIGIBLE


def delay_by_a_year(instance: Instance, plan: Plan, options: Collection[str], year: int) -> Plan:
    """Return the plan with the given options' builds of a calendar year, and all their purchases, a year later."""
    late = {(build.option, build.t) for build in plan.builds if build.option in options and build.year == year}
    builds = {(build.option, build.t): build for build in plan.builds if (build.option, build.t) not in late}
    for build in plan.builds:
        if (build.option, build.t) in late:
            _add_late(instance, builds, build)
    fills = {o: _shift(row, instance.horizon.per_year) if o in options else row for o, row in plan.fills.items()}
    # Stocks follow from the purchases.
    return Plan(tuple(builds.values()), fills, {})


def _add_late(instance: Instance, builds: dict[tuple[str, int], Build], build: Build) -> None:
    """Add a build at the first decision point at least a year later, merged with a build that is already there."""
    horizon = instance.horizon
    t = next((t for t in horizon.decisions if t >= build.t + horizon.per_year), None)
    if t is None:
        return
    there = builds.get((build.option, t))
    size, opened = build.size + (there.size if there else 0.0), build.opened or bool(there and there.opened)
    moved = replace(build, t=t, year=horizon.year(t), period=horizon.label(t), size=size, opened=opened)
    builds[build.option, t] = moved


def _shift(row: Sequence[float], periods: int) -> tuple[float, ...]:
    return (*[0.0] * min(periods, len(row)), *row[:-periods])


def find_delays(
    instance: Instance, result: Result, groups: Sequence[Sequence[str]], settings: Settings, listener: Listener = ignore
) -> tuple[Delay, ...]:
    """Evaluate the joint delay of each group's decisions of the first year by a year, as far as the time allows.

    A group has the options that are delayed together. `listener` receives each delay before it is evaluated.

    Raises:
        GivenPlanError: an option cannot be bought a year later, whatever the rules.
        SolverError: the solver failed. AuditError: a plan and its figures disagree.
    """
    if not groups:
        return ()
    found, year = list[Delay](), first_year(instance, result)
    with WhatIfSolver(instance, settings) as solver:
        for options in groups:
            if settings.is_late:
                break
            what = display_name(instance, options[0]) if len(options) == 1 else "all decisions"
            listener(Progress(task=f"a delay of {what}"))
            result = _with_all_unserved(instance, result, settings, solver)
            moved = delay_by_a_year(instance, result.plan, options, year)
            late = operate_given(instance, read_plans([moved], instance)[0], settings, solver, result.no_shock)
            found.append(_compare(instance, result, late.result, tuple(options), late.broken_rules))
    return tuple(found)


def _with_all_unserved(instance: Instance, result: Result, settings: Settings, solver: WhatIfSolver) -> Result:
    """Add the unserved demand in every shock if the result lacks it, as outcomes in older plan files do."""
    if all(is_known(instance, each) for each in result.shocks):
        return result
    again = operate_given(instance, read_plans([result.plan], instance)[0], settings, solver, result.no_shock)
    return replace(result, shocks=again.result.shocks)


def _compare(
    instance: Instance, before: Result, after: Result, options: tuple[str, ...], rules: tuple[Finding, ...]
) -> Delay:
    was = {outcome.name: outcome for outcome in before.shocks}
    pairs = [(was[outcome.name], outcome) for outcome in hardest_of(after.shocks) if outcome.name in was]
    failed = tuple(late.name for now, late in pairs if late.fails and not now.fails)
    cost = after.total_cost - before.total_cost
    money = partial(unserved_money, instance)
    worst = _most_affected(pairs, _counted_gap) or _most_affected(pairs, money)
    if worst is None:
        return Delay(options, failed, None, 0.0, 0.0, 0.0, 0.0, cost, rules)
    now, late = worst
    figures = (_counted_gap, _below_floors, unserved_tonnes, money)
    gap, below_floor, shortage, shortage_cost = (figure(late) - figure(now) for figure in figures)
    return Delay(options, failed, late.name, gap, below_floor, shortage, shortage_cost, cost, rules)


def _most_affected(
    pairs: Sequence[tuple[Outcome, Outcome]], figure: Callable[[Outcome], float]
) -> tuple[Outcome, Outcome] | None:
    """Return the outcomes, before and after, of the shock in which a figure grows most; None if it grows in none."""
    most = max(pairs, key=lambda pair: figure(pair[1]) - figure(pair[0]), default=None)
    if most is None or figure(most[1]) - figure(most[0]) <= NEGLIGIBLE * max(1.0, figure(most[1])):
        return None
    return most


def _counted_gap(outcome: Outcome) -> float:
    """Return the survival gap of a shock, in money; 0 for a sample that is allowed to fail."""
    return 0.0 if outcome.excused else outcome.gap


def _below_floors(outcome: Outcome) -> float:
    """Return the shortage below the floors in a shock, in t; 0 for a sample that is allowed to fail."""
    return 0.0 if outcome.excused else sum(each.below_floor for each in outcome.segments.values())


def brief_groups(instance: Instance, result: Result) -> tuple[tuple[str, ...], ...]:
    """Return the groups of options whose delay by a year a brief shows: those of the first year together, then each.

    There are none for a plan against an adversary, without a plan, or without shocks.
    """
    if result.adversary is not None or result.baseline is None or not result.shocks:
        return ()
    return delay_groups(orders_of(instance, result, first_year(instance, result)))


def find_brief_delays(
    instance: Instance, result: Result, settings: Settings, listener: Listener = ignore
) -> tuple[Delay, ...]:
    """Evaluate the delays by a year that a brief shows; `settings` and `listener` are those of `find_delays`."""
    return find_delays(instance, result, brief_groups(instance, result), settings, listener)


def groups_by_future(result: FuturesResult) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return by future the groups of `brief_groups`: of one all of them, of the others the first, all decisions.

    That one is the future with the hardest shock among those with decisions in the first year.
    """
    shocked = [(each, instance_of(each.result)) for each in result.futures if each.result.shocks]
    if not shocked:
        return {}
    year = first_year_of_all((instance_of(each.result), each.result) for each in result.futures)
    first = [(future, instance) for future, instance in shocked if orders_of(instance, future.result, year)]
    worst = hardest_future(first) if first else None
    return {
        future.name: brief_groups(instance.by_expected_cost(), future.result)[: None if future is worst else 1]
        for future, instance in shocked
    }


def find_futures_delays(result: FuturesResult, settings: Settings, listener: Listener = ignore) -> DelaysByFuture:
    """Evaluate the delays of `groups_by_future`; `settings` and `listener` are those of `find_delays`."""
    groups, found = groups_by_future(result), dict[str, Sequence[Delay]]()
    for each in (each for each in result.futures if each.name in groups):
        instance = instance_of(each.result).by_expected_cost()
        found[each.name] = find_delays(instance, each.result, groups[each.name], settings, listener)
    return found
