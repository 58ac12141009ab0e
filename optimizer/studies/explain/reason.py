"""Why nothing survives: the fewest shocks and floors that cannot be kept together, and what is short there, in words.

Shocks are added from the hardest on until nothing survives them; then each that is not needed for that is left out
again, and so are the floors of segments. What is left is irreducible: without any one of it the rest can be survived.
Under it, the plan with the least gap shows which commodity is short, and every way to have more of it is gone through.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from optimizer.algorithms.question import Question, outlay
from optimizer.algorithms.reading import plan_values
from optimizer.algorithms.recourse import RecourseEvaluator, ScarcityPrices, bottleneck, scarcity_prices
from optimizer.disruptions.shock import Shock
from optimizer.instance.edits import with_budget, with_floors, with_only_shocks, with_windows_up_to
from optimizer.instance.schema import Instance
from optimizer.results.plan import NEGLIGIBLE, Flows, Plan
from optimizer.results.ranking import hardest_of
from optimizer.results.result import Result
from optimizer.solver import Vector
from optimizer.studies.explain.questions import (
    FEASIBILITY_GAP,
    WhatIfs,
    barring_budget,
    least_added,
    least_passing,
    without_annual_budget,
    without_budgets,
)
from optimizer.studies.explain.supply_ways import Ways

# Which budget is too small: that of all years together, or that of single years.
ShortBudget = Literal["budget", "annual"]


@dataclass(frozen=True)
class Reason:
    """Why nothing survives.

    Attributes:
        shocks, segments: the fewest that cannot be survived, or kept, together.
        is_irreducible: whether each of them is known to be needed for that.
        months: of each of the shocks no more than its first so many months are needed for that; None: all of it is.
        is_money: whether larger budgets would do.
        shock, segment: where most is missing.
        takers: all segments that the commodity goes into there, this one first.
        first, last: labels of the periods in which it is.
        commodity: what is short. needed, had: of it in these periods, t.
        budget, least_outlay: where it is money: what there is, and what surviving just this takes.
        least_added: where no outlay is enough by the budgets of single years: how much more each of them takes.
        because: why there is no more of it, a sentence each.
    """

    shocks: tuple[str, ...]
    segments: tuple[str, ...]
    is_irreducible: bool
    months: float | None
    is_money: bool
    shock: str
    segment: str
    takers: tuple[str, ...]
    first: str
    last: str
    commodity: str
    needed: float
    had: float
    budget: float | None
    least_outlay: float | None
    least_added: float | None
    because: tuple[str, ...]


def reason(what: WhatIfs, result: Result, *, money: ShortBudget | None) -> Reason | None:
    """The irreducible reason; None where the time ran out before it was found.

    Args:
        what: asks.
        result: the best plan under the budget, which does not survive.
        money: which budget would do if it were larger; where none would, the reason is looked for without any.
    """
    instance = what.apart if money else without_budgets(what.apart)
    failing = [each.name for each in hardest_of(result.shocks) if not each.survives]
    others = [event.name for event in instance.events if event.name not in failing]

    def fails(variant: Instance) -> bool | None:
        if what.is_over:
            return None
        holds = what.survived("why nothing survives", variant, gap=FEASIBILITY_GAP).holds
        return None if holds is None else not holds

    shocks, is_known = _fewest([*failing, *others], lambda some: fails(with_only_shocks(instance, some)))
    if shocks is None:
        return None
    whole = instance = with_only_shocks(instance, shocks)
    instance, is_cut = _shortened(instance, fails)
    segments, is_all_known = _needed(
        [d for d in instance.demands if _has_floor(instance, d)],
        lambda some: fails(with_floors(instance, factor=0.0, segments=set(instance.demands) - set(some))),
    )
    instance = with_floors(instance, factor=0.0, segments=set(instance.demands) - set(segments))
    found = what.ask("what is short", instance)
    if found.status == "infeasible" or what.is_over:
        return None
    told = _told(what, instance, found.plan, segments, is_known and is_cut and is_all_known, money)
    lengths = [max(len(event.periods) for event in each.events) for each in (instance, whole)]
    months = float(lengths[0] * instance.horizon.months) if lengths[0] < lengths[1] else None
    return None if told is None else replace(told, months=months)


def _fewest(names: Sequence[str], fails: Callable[[list[str]], bool | None]) -> tuple[list[str] | None, bool]:
    """The fewest of the first names that fail together, and whether each is known to be needed."""
    for count in range(1, len(names) + 1):
        answer = fails(list(names[:count]))
        if answer is None:
            return None, False
        if answer:
            # The last one is needed: without it the others were survived.
            return _needed(names[:count], fails, spared=1) if count > 1 else (list(names[:1]), True)
    return None, False


def _needed(names: Sequence[str], fails: Callable[[list[str]], bool | None], spared: int = 0) -> tuple[list[str], bool]:
    """Names without those that are not needed to fail; the last `spared` are known to be."""
    kept, is_known = list(names), True
    for name in names[: len(names) - spared] if len(names) > 1 else ():
        fewer = [other for other in kept if other != name]
        answer = fails(fewer) if fewer else False
        is_known = is_known and answer is not None
        if answer:
            kept = fewer
    return kept, is_known


def _shortened(instance: Instance, fails: Callable[[Instance], bool | None]) -> tuple[Instance, bool]:
    """The same shocks with windows no longer than it takes to fail."""
    horizon = instance.horizon
    longest = max(len(event.periods) for event in instance.events)
    periods, is_least = least_passing(lambda n: fails(with_windows_up_to(instance, n * horizon.months)), 0, longest)
    return with_windows_up_to(instance, periods * horizon.months), is_least


def _has_floor(instance: Instance, segment: str) -> bool:
    return any(max(instance.path(event).floor[segment]) > 0 for event in instance.events)


def _told(
    what: WhatIfs,
    instance: Instance,
    plan: Plan,
    segments: Sequence[str],
    is_irreducible: bool,
    money: ShortBudget | None,
) -> Reason | None:
    evaluator = what.asker.evaluator(instance)
    columns = np.array(plan_values(instance, plan, evaluator.subproblems.plan))
    worst = _worst(what, instance, evaluator, columns, segments)
    if worst is None:
        return None
    event, d, periods, flows = worst
    number = [each.name for each in instance.events].index(event.name)
    scarce = scarcity_prices(evaluator.subproblems, columns, [number])[number]
    bought = {build.option for build in plan.builds}
    there = frozenset(instance.processes) | frozenset(bought)
    commodity = bottleneck(instance, scarce, d, periods[0] - event.periods.start, there).commodity
    factor = _factor(instance, scarce, d, commodity, periods[0] - event.periods.start)
    if factor is None:
        commodity, factor = instance.demands[d].commodity, 1.0
    if _draws_on_stock(instance, flows, {commodity, instance.demands[d].commodity}):
        # A stock that is short is short over all of the window: it could have been kept for any of its periods.
        periods = list(range(event.periods.start, periods[-1] + 1))
    had = _had(instance, event, flows, commodity, periods)
    missing = factor * sum(_below(instance, event, flows, d, t) for t in periods)
    ways = Ways(
        instance,
        event,
        plan,
        flows,
        periods,
        money,
        frozenset(c for c, _ in scarce.commodity),
        lambda option: barring_budget(what, instance, option),
    )
    least_outlay, added = _takes(what, instance) if money else (None, None)
    label, policy = instance.horizon.label, what.instance.policy
    return Reason(
        shocks=tuple(each.name for each in instance.events),
        segments=tuple(segments),
        is_irreducible=is_irreducible,
        months=None,
        is_money=money is not None,
        shock=event.name,
        segment=d,
        takers=_takers(instance, event, flows, d, commodity, periods),
        first=label(periods[0]),
        last=label(periods[-1]),
        commodity=commodity,
        needed=had + missing,
        had=had,
        budget=policy.budget if money else None,
        least_outlay=least_outlay,
        least_added=added,
        because=ways.said(commodity, d),
    )


def _worst(
    what: WhatIfs, instance: Instance, evaluator: RecourseEvaluator, columns: Vector, segments: Sequence[str]
) -> tuple[Shock, str, list[int], Flows] | None:
    """The shock and the segment with the largest gap, its periods below the floor, and the flows of the shock."""
    answers = evaluator.answers(columns, what.asker.clock, {})
    worst, largest = None, 0.0
    for event in instance.events:
        flows = answers[event.name].flows
        for d in segments:
            short = [
                t for t in event.periods if _below(instance, event, flows, d, t) > 1e-6 * _asked(instance, event, d, t)
            ]
            gap = sum(_below(instance, event, flows, d, t) for t in short) * (instance.demands[d].shortage_cost or 1e-9)
            if short and gap > largest:
                worst, largest = (event, d, short, flows), gap
    return worst


def _asked(instance: Instance, event: Shock, d: str, t: int) -> float:
    return float(instance.path(event).demanded(d, t))


def _below(instance: Instance, event: Shock, flows: Flows, d: str, t: int) -> float:
    """What a segment lacks of its floor, t."""
    path = instance.path(event)
    allowed = (1.0 - path.floor_at(d, t)) * path.demanded(d, t)
    return max(0.0, flows[d, "unserved"][t - flows.first] - float(allowed))


def _factor(instance: Instance, scarce: ScarcityPrices, d: str, commodity: str, offset: int) -> float | None:
    """How many tonnes of a commodity are missing for each tonne that a segment lacks, from their prices."""
    if commodity == instance.demands[d].commodity:
        return 1.0
    price = scarce.commodity.get((commodity, offset), 0.0)
    return instance.demands[d].shortage_cost / price if price > 0 else None


def _had(instance: Instance, event: Shock, flows: Flows, commodity: str, periods: Sequence[int]) -> float:
    """What there is of a commodity in some periods, t: made, released from stock, and returned as scrap."""
    path, at = instance.path(event), [t - flows.first for t in periods]
    made = sum(
        process.output.get(commodity, 0.0) * sum(flows[p, "activity"][k] for k in at)
        for p, process in instance.processes.items()
    )
    given = sum(
        flow.gives[commodity] * sum(flows.row(o, flow.name)[k] for k in at)
        for o, option in instance.options.items()
        for flow in option.flows
        if commodity in flow.gives and flows.row(o, flow.name)
    )
    scrap = sum(
        float(path.returned(d, t))
        for d, demand in instance.demands.items()
        if demand.end_of_life is not None and demand.end_of_life.commodity == commodity
        for t in periods
    )
    return float(made + given + scrap)


def _draws_on_stock(instance: Instance, flows: Flows, commodities: set[str]) -> bool:
    return any(
        sum(flows.row(o, flow.name)) > 0
        for o, stock in instance.stocks.items()
        for flow in stock.flows
        if commodities & set(flow.gives)
    )


def _takers(
    instance: Instance, event: Shock, flows: Flows, segment: str, commodity: str, periods: Sequence[int]
) -> tuple[str, ...]:
    """The segments that a commodity goes into in some periods of a shock, also through what is made of it."""
    at, reached = [t - flows.first for t in periods], {commodity}
    running = [
        each
        for o, each in instance.activities.items()
        if sum((flows.row(o, "activity") or (0.0,) * len(at))[k] for k in at) > 0
    ]
    for _ in running:
        reached |= {made for each in running if reached & set(each.input) for made in each.output}
    others = [
        d
        for d, demand in instance.demands.items()
        if d != segment and demand.commodity in reached and _is_served(instance, event, flows, d, periods)
    ]
    return (segment, *others)


def _is_served(instance: Instance, event: Shock, flows: Flows, d: str, periods: Sequence[int]) -> bool:
    """Whether a segment gets more than a solver's rounding in some periods."""
    demanded = [_asked(instance, event, d, t) for t in periods]
    unserved = sum(flows[d, "unserved"][t - flows.first] for t in periods)
    return sum(demanded) - unserved > NEGLIGIBLE * sum(demanded)


def _takes(what: WhatIfs, instance: Instance) -> tuple[float | None, float | None]:
    """The outlay that it takes to survive just this; where none is enough, what it takes more in each year."""
    free, words = with_budget(instance, None), "the least budget for what cannot be survived"
    found = what.ask(words, free, Question(outlay, name="least outlay"))
    holds = what.judged(free, found).holds
    if holds or instance.policy.annual_budget is None:
        return found.value if holds else None, None
    found = least_added(what, words, instance)
    return None, found.value if what.judged(without_annual_budget(instance), found).holds else None
