"""The reason why nothing survives: an irreducible conflict of shocks and floors, and the commodity that is short in it.

Shocks are added, the hardest first, until no plan survives them. Then every shock and every segment's floor that is not
needed for this is removed, and all windows are shortened to the least common length, from their start, that still
fails. The rest is an irreducible conflict, though perhaps not the smallest one: without any one of its parts, the
others can be survived. The plan with the least gap in the conflict shows the short commodity, and each source of it is
checked for what limits its supply.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from optimizer.algorithms.problem import ProblemVariant, exactly, option_size, outlay
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import failing_beyond_allowed
from optimizer.disruptions.shock import Shock
from optimizer.formulation import purchase_columns
from optimizer.instance.altered import (
    with_floors,
    with_only_shocks,
    with_windows_up_to,
    without_annual_budget,
    without_budgets,
    without_gap_price,
)
from optimizer.instance.derived import display_name, highest_floor
from optimizer.instance.edits import with_budget
from optimizer.instance.schema import Instance
from optimizer.levers import Lever
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.results.plan import Flows, Plan
from optimizer.results.result import Result, hardest_of
from optimizer.solver import Vector
from optimizer.studies.explain.what_ifs import (
    FEASIBILITY_GAP,
    BudgetBarrier,
    ShortBudget,
    SizeLimit,
    SupplyLimits,
    TimedWhatIfs,
    least_added,
    least_passing,
)
from optimizer.studies.explanation import Reason
from optimizer.studies.reinforcement import ScarcityPrices, bottleneck, scarcity_prices
from optimizer.tolerances import FULLY_USED, NEGLIGIBLE, ROUNDING


@dataclass(frozen=True)
class _Conflict:
    """Shocks and floors that cannot be survived together."""

    instance: Instance  # the instance with only the shocks and floors of the conflict
    segments: tuple[str, ...]  # segments whose floors belong to the conflict
    is_irreducible: bool  # whether each part is known to be needed
    months: float | None  # the longest window that is needed, months; None if the windows are needed in full


def reason(what_ifs: TimedWhatIfs, result: Result, *, short_budget: ShortBudget | None) -> Reason | None:
    """Find the reason why nothing survives; None if the time ran out before it was found.

    Args:
        what_ifs: the solver of what-ifs.
        result: the best plan under the budget, which does not survive.
        short_budget: the budget that would be enough if it were larger; None if there is none, then budgets are
            ignored.
    """
    # A conflict is what cannot be kept at any price of gaps: its plan leaves no gap that it could close.
    instance = without_gap_price(what_ifs.events_apart if short_budget else without_budgets(what_ifs.events_apart))
    failing = [each.name for each in hardest_of(result.shocks) if each.fails]
    others = [event.name for event in instance.events if event.name not in failing]
    conflict = _find_conflict(what_ifs, instance, [*failing, *others])
    if conflict is None:
        return None
    found = what_ifs.ask("what is short", conflict.instance)
    if found.status == "infeasible" or not math.isfinite(found.cost) or what_ifs.is_over:
        return None
    what_ifs.is_cut_short |= found.status == "stopped"
    return _explain_conflict(what_ifs, conflict, found.plan, short_budget)


def _find_conflict(what_ifs: TimedWhatIfs, instance: Instance, names: Sequence[str]) -> _Conflict | None:
    """Find a conflict of shocks, windows and floors; `names` are shocks, the hardest first. None if time ran out."""

    def fails(variant: Instance) -> bool | None:
        if what_ifs.is_over:
            return None
        holds = what_ifs.solve_survivable("why nothing survives", variant, mip_gap=FEASIBILITY_GAP).holds
        return None if holds is None else not holds

    find = _find_irreducible_samples if _allowed_failures(instance) > 0 else _find_irreducible
    shocks, is_known = find(names, lambda some: fails(with_only_shocks(instance, some)))
    if shocks is None:
        return None
    whole = with_only_shocks(instance, shocks)
    short, is_cut = _shorten_windows(whole, fails)
    floored = [d for d in short.demands if highest_floor(short, shocks, d) > 0]
    segments, is_all_known = _drop_unneeded(floored, lambda some: fails(_with_floors_of(short, some)))
    periods = _longest(short)
    return _Conflict(
        instance=_with_floors_of(short, segments),
        segments=tuple(segments),
        is_irreducible=is_known and is_cut and is_all_known,
        months=float(periods * short.horizon.months) if periods < _longest(whole) else None,
    )


def _with_floors_of(instance: Instance, segments: Collection[str]) -> Instance:
    return with_floors(instance, factor=0.0, segments=set(instance.demands) - set(segments))


def _longest(instance: Instance) -> int:
    return max(len(event.periods) for event in instance.events)


def _find_irreducible(names: Sequence[str], fails: Callable[[list[str]], bool | None]) -> tuple[list[str] | None, bool]:
    """Find shocks among the first `names` that fail together, each of them needed.

    Returns:
        Their names, or None if no answer was found in time; and whether each is known to be needed.
    """
    for count in range(1, len(names) + 1):
        answer = fails(list(names[:count]))
        if answer is None:
            return None, False
        if answer:
            # The last name is needed: without it, the others were survived.
            return _drop_unneeded(names[:count], fails, known_needed=1)
    return None, False


def _find_irreducible_samples(
    names: Sequence[str], fails: Callable[[list[str]], bool | None]
) -> tuple[list[str] | None, bool]:
    """Find shocks as `_find_irreducible` does if samples may fail: their number is large and found by bisection.

    All shocks together fail, because the best plan does not survive them.
    """
    count, is_known = least_passing(lambda n: fails(list(names[:n])), len(names))
    kept, are_known = _drop_unneeded(names[:count], fails, known_needed=int(is_known))
    return kept, is_known and are_known


def _allowed_failures(instance: Instance) -> int:
    """Return the number of samples of ensembles that are allowed to fail."""
    return sum(spec.count - spec.required for spec in instance.ensembles.values())


def _drop_unneeded(
    names: Sequence[str], fails: Callable[[list[str]], bool | None], known_needed: int = 0
) -> tuple[list[str], bool]:
    """Drop the shocks or segments that are not needed for the failure; the last `known_needed` are known to be needed.

    Returns:
        The names that are kept, and whether each is known to be needed.
    """
    kept, is_known = list(names), True
    for name in names[: len(names) - known_needed]:
        fewer = [other for other in kept if other != name]
        answer = fails(fewer) if fewer else False
        is_known = is_known and answer is not None
        if answer:
            kept = fewer
    return kept, is_known


def _shorten_windows(instance: Instance, fails: Callable[[Instance], bool | None]) -> tuple[Instance, bool]:
    """Limit the windows to the least length that fails, and return whether a period less is known to be survived."""
    months = instance.horizon.months
    periods, is_least = least_passing(lambda n: fails(with_windows_up_to(instance, n * months)), _longest(instance))
    return with_windows_up_to(instance, periods * months), is_least


def _explain_conflict(
    what_ifs: TimedWhatIfs, conflict: _Conflict, plan: Plan, short_budget: ShortBudget | None
) -> Reason | None:
    """Build the reason from a conflict and the plan with the least gap in it; None if no segment is below its floor."""
    instance = conflict.instance
    evaluator = what_ifs.solver.evaluator(instance)
    columns = evaluator.plan_values([plan])
    worst = _worst_shortage(what_ifs, instance, evaluator, columns, conflict.segments)
    if worst is None:
        return None
    event, d, short, flows = worst
    number = [each.name for each in instance.events].index(event.name)
    scarce = scarcity_prices(evaluator.subproblems, columns, [number])[number]
    commodity = _short_commodity(instance, scarce, plan, d, short[0] - event.periods.start)
    periods = _scarce_periods(instance, event, flows, d, commodity, short, scarce)
    takers = _takers(instance, event, flows, d, commodity, periods)
    had = _supply(instance, event, flows, commodity, periods)
    missing = sum(_deficit(instance, event, flows, each, commodity, t, scarce) for each in takers for t in periods)
    limits = SupplyLimits(
        instance,
        event,
        plan,
        flows,
        periods,
        short_budget,
        frozenset(c for c, _ in scarce.commodity),
        lambda option: barring_budget(what_ifs, instance, option),
        lambda option: size_limit(what_ifs, instance, plan, option, periods[-1]),
    )
    least_outlay, added = _find_least_money(what_ifs, instance) if short_budget else (None, None)
    label = instance.horizon.label
    return Reason(
        shocks=tuple(each.name for each in instance.events),
        segments=conflict.segments,
        may_fail=_allowed_failures(instance),
        is_irreducible=conflict.is_irreducible,
        months=conflict.months,
        is_money=short_budget is not None,
        shock=event.name,
        segment=d,
        takers=takers,
        first=label(periods[0]),
        last=label(periods[-1]),
        commodity=commodity,
        needed=had + missing,
        had=had,
        budget=what_ifs.instance.policy.budget if short_budget else None,
        least_outlay=least_outlay,
        least_added=added,
        because=limits.sentences(commodity, d),
    )


def size_limit(what_ifs: TimedWhatIfs, instance: Instance, plan: Plan, option: str, last: int) -> SizeLimit | None:
    """Find the limit on a larger size of an option in a period, with the rest of a plan unchanged; None if unknown.

    Budgets and shocks are ignored. The instance must be a variant of `TimedWhatIfs.events_apart`.
    """
    undisrupted = without_budgets(with_only_shocks(instance, ()))
    planned = math.fsum(build.size for build in plan.builds if build.option == option)
    within = (planned + NEGLIGIBLE) / FULLY_USED
    most = _largest_in_time(what_ifs, undisrupted, plan, option, last)
    if most is None or most > within:
        return None if most is None else "unlimited"
    if not getattr(undisrupted.options[option], "input", None):
        return "rules"
    without_inputs = undisrupted.options[option].model_copy(update={"input": {}})
    fed = undisrupted.replacing(options={**undisrupted.options, option: without_inputs})
    most = _largest_in_time(what_ifs, fed, plan, option, last)
    return "inputs" if most is not None and most > within else "rules"


def _largest_in_time(what_ifs: TimedWhatIfs, instance: Instance, plan: Plan, option: str, last: int) -> float | None:
    """Find the largest size of an option in force in a period, the rest of a plan unchanged; None if unknown."""
    latest = last - instance.horizon.whole(instance.sized[option].lead_time)

    def in_time(builder: ModelBuilder, variant: Instance, shocks: Sequence[Shock]) -> Expression:
        columns = purchase_columns(builder, variant, option).items()
        return total(Expression({column: -1.0}) for t, column in columns if t <= latest)

    if what_ifs.is_over:
        return None
    task = f"whether there can be more of {display_name(instance, option)}"
    problem = ProblemVariant(in_time, (exactly(plan, option),), name="its size in time", is_money=False)
    found = what_ifs.ask(task, instance, problem)
    what_ifs.is_cut_short |= found.status == "stopped"
    return -found.value if found.status == "optimal" else None


def barring_budget(what_ifs: TimedWhatIfs, instance: Instance, option: str) -> BudgetBarrier | None:
    """Find the budget that is too small for any size of an option; None if some size can be bought, or if none is.

    Shocks are left out, because whether an option can be paid does not depend on them. The instance must be a variant
    of `TimedWhatIfs.events_apart`.
    """
    policy = instance.policy
    is_empty = policy.budget == 0.0 or (policy.annual_budget is not None and not any(policy.annual_budget.values))
    if is_empty and getattr(instance.options[option], "budget_share", 1.0) > 0:
        return "no_budget"
    without_shocks = with_only_shocks(instance, ())
    if _can_be_bought(what_ifs, without_shocks, option) is not False:
        return None
    if policy.annual_budget is not None and _can_be_bought(what_ifs, without_annual_budget(without_shocks), option):
        return "annual"
    return "total" if _can_be_bought(what_ifs, without_budgets(without_shocks), option) else None


def _can_be_bought(what_ifs: TimedWhatIfs, without_shocks: Instance, option: str) -> bool | None:
    if what_ifs.is_over:
        return None
    task = f"whether {display_name(without_shocks, option)} can be paid"
    found = what_ifs.ask(
        task, without_shocks, ProblemVariant(option_size(option, -1.0), name="its size", is_money=False)
    )
    what_ifs.is_cut_short |= found.status == "stopped"
    return None if found.status == "stopped" else found.status == "optimal" and found.value < -ROUNDING


def _short_commodity(instance: Instance, scarce: ScarcityPrices, plan: Plan, d: str, offset: int) -> str:
    """Find the commodity that is short in the supply chain of a segment."""
    commodity, _ = bottleneck(instance, scarce, d, offset, plan)
    return commodity if (commodity, offset) in scarce.commodity else instance.demands[d].commodity


def _scarce_periods(
    instance: Instance, event: Shock, flows: Flows, d: str, commodity: str, short: Sequence[int], scarce: ScarcityPrices
) -> list[int]:
    """Return consecutive periods in which more of a commodity would reduce the gap: the run with the largest shortage.

    A stock that is released in several periods is short in all of them, because it could have been kept for any. A
    period in which more is available than the floors need is not short, unless the surplus could have been stored.
    """
    own = commodity == instance.demands[d].commodity
    start = event.periods.start
    priced = [t for t in event.periods if (commodity, t - start) in scarce.commodity or (own and t in short)]
    runs = [[t for _, t in run] for _, run in groupby(enumerate(priced), lambda pair: pair[1] - pair[0])]
    return max(runs, key=lambda run: sum(_below_floor(instance, event, flows, d, t) for t in run))


def _deficit(
    instance: Instance, event: Shock, flows: Flows, d: str, commodity: str, t: int, scarce: ScarcityPrices
) -> float:
    """Return the additional quantity of a commodity that a segment would need in a period to reach its floor, in t."""
    demand, below = instance.demands[d], _below_floor(instance, event, flows, d, t)
    price = scarce.commodity.get((commodity, t - event.periods.start), 0.0)
    return below if commodity == demand.commodity or price <= 0 else below * demand.shortage_cost / price


def _worst_shortage(
    what_ifs: TimedWhatIfs, instance: Instance, evaluator: RecourseEvaluator, columns: Vector, segments: Sequence[str]
) -> tuple[Shock, str, list[int], Flows] | None:
    """Return shock and segment with the largest gap, the periods below the floor, and the flows; None without a gap.

    Samples that are allowed to fail are left out.
    """
    events = _counted_shocks(what_ifs, instance, evaluator, columns)
    answers = evaluator.operate(columns, what_ifs.solver.clock, {}, [event.name for event in events])
    worst, largest = None, 0.0
    for event in events:
        flows = answers[event.name].flows
        for d in segments:
            short = [
                t
                for t in event.periods
                if _below_floor(instance, event, flows, d, t) > NEGLIGIBLE * _demand(instance, event, d, t)
            ]
            gap = sum(_below_floor(instance, event, flows, d, t) for t in short) * (
                instance.demands[d].shortage_cost or ROUNDING
            )
            if short and gap > largest:
                worst, largest = (event, d, short, flows), gap
    return worst


def _counted_shocks(
    what_ifs: TimedWhatIfs, instance: Instance, evaluator: RecourseEvaluator, columns: Vector
) -> Sequence[Shock]:
    """Return the shocks in which a plan fails and must not; all shocks if there are none."""
    gaps = evaluator.gaps(columns, what_ifs.solver.clock)
    counted = np.flatnonzero(failing_beyond_allowed(instance, gaps.gap, gaps.fails))
    return [instance.events[number] for number in counted] or instance.events


def _demand(instance: Instance, event: Shock, d: str, t: int) -> float:
    return float(instance.path(event).demand_at(d, t))


def _below_floor(instance: Instance, event: Shock, flows: Flows, d: str, t: int) -> float:
    """Return the shortage of a segment below its floor in a period, in t."""
    return max(0.0, flows.total(d, "unserved", (t,)) - float(instance.path(event).most_unserved_at(d, t)))


def _supply(instance: Instance, event: Shock, flows: Flows, commodity: str, periods: Sequence[int]) -> float:
    """Return the available quantity of a commodity in the periods, in t: made, released from stock, or scrap."""
    path = instance.path(event)
    rates = {p: each.output.get(commodity, 0.0) for p, each in instance.processes.items()}
    made = sum(rate * flows.total(p, "activity", periods) for p, rate in rates.items())
    given = sum(rate * flows.total(o, flow, periods) for o, flow, rate in _supplying_flows(instance.options, commodity))
    ends = {d: demand.end_of_life for d, demand in instance.demands.items()}
    recycled = [d for d, end in ends.items() if end is not None and end.commodity == commodity]
    return float(made + given + sum(float(path.scrap_at(d, t)) for d in recycled for t in periods))


def _supplying_flows(options: Mapping[str, Lever], commodity: str) -> list[tuple[str, str, float]]:
    """Return the flows of options that supply a commodity: option, name of the flow, and t per unit of it."""
    flows = [(o, flow) for o, option in options.items() for flow in option.flows]
    return [(o, flow.name, flow.gives[commodity]) for o, flow in flows if commodity in flow.gives]


def _takers(
    instance: Instance, event: Shock, flows: Flows, segment: str, commodity: str, periods: Sequence[int]
) -> tuple[str, ...]:
    """Return the segments that a commodity supplies in the periods of a shock, directly or through its products."""
    reached = _products_of(instance, flows, commodity, periods)
    others = [d for d, demand in instance.demands.items() if d != segment and demand.commodity in reached]
    return (segment, *(d for d in others if _is_served(instance, event, flows, d, periods)))


def _products_of(instance: Instance, flows: Flows, commodity: str, periods: Sequence[int]) -> set[str]:
    """Return a commodity and all commodities that are made of it in the periods."""
    running = [each for o, each in instance.activities.items() if flows.total(o, "activity", periods) > 0]
    reached = {commodity}
    for _ in running:
        reached = reached.union(*(each.output for each in running if reached & set(each.input)))
    return reached


def _is_served(instance: Instance, event: Shock, flows: Flows, d: str, periods: Sequence[int]) -> bool:
    """Check whether a segment is served in the periods beyond the solver's rounding."""
    demanded = [_demand(instance, event, d, t) for t in periods]
    return sum(demanded) - flows.total(d, "unserved", periods) > NEGLIGIBLE * sum(demanded)


def _find_least_money(what_ifs: TimedWhatIfs, instance: Instance) -> tuple[float | None, float | None]:
    """Find the least outlay that survives the conflict; if none is enough, the additional money needed in each year.

    Returns:
        The outlay and the additional money; at most one is not None.
    """
    free, words = with_budget(instance, None), "the least budget for what cannot be survived"
    found = what_ifs.ask(words, free, ProblemVariant(outlay, name="least outlay"))
    holds = what_ifs.judge(free, found).holds
    if holds is False and instance.policy.annual_budget is not None:
        found = least_added(what_ifs, words, instance)
        holds = what_ifs.judge(without_annual_budget(instance), found).holds
        what_ifs.is_cut_short |= holds is None
        return None, found.value if holds else None
    what_ifs.is_cut_short |= holds is None
    return found.value if holds else None, None
