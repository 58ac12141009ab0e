"""Checks of supply: every demand has a supplier, every product a use, and what it costs is plausible."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from optimizer.errors import ModelError, Place, Problem, Severity, excerpt
from optimizer.instance.derived import Unchecked, activity_section, entries_with_cuts
from optimizer.instance.schema import Instance
from optimizer.levers.base import Lever
from optimizer.network.process import Activity, Process
from optimizer.tolerances import ROUNDING
from optimizer.units import si, si_down

# A `gap_price` above this multiple of the shortage cost is probably an amount of money.
LARGEST_GAP_PRICE = 100


def floors_have_a_source(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that the commodity of every segment can be made, stored or recycled, or the segment can be substituted."""
    instance = unchecked.instance
    had, roots = _obtainable(instance, _scrap_sources(instance))
    replaced = {flow.serves for option in instance.options.values() for flow in option.flows}
    floors = _highest_floors(instance)
    for d, demand in instance.demands.items():
        if demand.commodity in had or d in replaced:
            continue
        root = roots.get(demand.commodity, demand.commodity)
        tail = "" if root == demand.commodity else f", so {demand.commodity} can never be made"
        cure = "Add a process, option or stockpile that supplies it, or correct an input."
        severity: Severity = "error" if floors[d] > 0 else "warning"
        yield ("demands", d, "commodity"), f"no process makes {root}{tail}", cure, severity


def _highest_floors(instance: Instance) -> dict[str, float]:
    """Return the highest floor of each segment, its own or one set by a shock."""
    highest = {d: max(demand.survival.values) for d, demand in instance.demands.items()}
    for _, spec in entries_with_cuts(instance):
        for d, floor in (spec.survival or {}).items():
            highest[d] = max(highest[d], floor)
    return highest


def options_pass_their_own_checks(unchecked: Unchecked) -> Iterator[Problem]:
    """Yield the problems that levers report about their own fields.

    Raises:
        ModelError: a lever from outside the package reports one in another form.
    """
    for o, option in unchecked.instance.options.items():
        for problem in option.problems():
            match problem:
                case (tuple(place), str(what), str(cure), ("error" | "warning") as severity):
                    yield ("options", o, *place), what, cure, severity
                case _:
                    form = 'a problem is a tuple of place, what is wrong, cure, and "error" or "warning"'
                    raise ModelError(
                        f"{type(option).__name__}.problems yields {problem!r}; {form}, its place one of keys"
                    )


def obtainable_commodities(instance: Instance, years: Collection[int]) -> set[str]:
    """Return the commodities that can be obtained; scrap counts only if some of it comes back in one of the years."""
    returned = [
        commodity
        for commodity, segments in _scrap_sources(instance).items()
        if any(instance.demands[d].scrap(instance.horizon, year, 1.0) > 0 for d in segments for year in years)
    ]
    return _obtainable(instance, returned)[0]


def _scrap_sources(instance: Instance) -> dict[str, list[str]]:
    """Return, for each commodity that comes back as scrap, the segments that return it."""
    sources = defaultdict[str, list[str]](list)
    for d, demand in instance.demands.items():
        if demand.end_of_life is not None:
            sources[demand.end_of_life.commodity].append(d)
    return sources


def _obtainable(instance: Instance, scrap: Collection[str]) -> tuple[set[str], dict[str, str]]:
    """Return the obtainable commodities, and, for each other product, the commodity at the root of its absence."""
    others = [option for o, option in instance.options.items() if o not in instance.activities]
    had = {commodity for option in others for flow in option.flows for commodity in flow.gives}.union(scrap)
    lacking = {name: set(activity.input) for name, activity in instance.activities.items()}
    _propagate(instance.activities, had, lacking)
    return had, _find_roots(_find_blocked(instance.activities, lacking))


def _find_blocked(activities: Mapping[str, Activity], lacking: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return, for each output of an activity that cannot run, the first input that cannot be obtained."""
    blocked: dict[str, str] = {}
    for name, inputs in lacking.items():
        for commodity in activities[name].output if inputs else ():
            blocked.setdefault(commodity, next(c for c in activities[name].input if c in inputs))
    return blocked


def _activities_lacking(lacking: Mapping[str, Collection[str]]) -> defaultdict[str, list[str]]:
    """Return, for each commodity, the activities that lack it."""
    users = defaultdict[str, list[str]](list)
    for name, inputs in lacking.items():
        for commodity in inputs:
            users[commodity].append(name)
    return users


def _propagate(activities: Mapping[str, Activity], had: set[str], lacking: Mapping[str, set[str]]) -> None:
    """Propagate availability: add outputs of activities that can run to `had`, and remove these from `lacking`.

    An activity can run once all its inputs are obtainable. Each input is removed once, so the time is linear in the
    number of inputs and outputs, whatever their order in the file.
    """
    users = _activities_lacking(lacking)
    had.update(c for name, inputs in lacking.items() if not inputs for c in activities[name].output)
    fresh = list(had)
    while fresh:
        commodity = fresh.pop()
        for name in users[commodity]:
            lacking[name].discard(commodity)
            made = [] if lacking[name] else [c for c in activities[name].output if c not in had]
            had.update(made)
            fresh += made


def _find_roots(blocked: Mapping[str, str]) -> dict[str, str]:
    """Return the end of each chain of blocked commodities; for a cycle, one of its members."""
    roots: dict[str, str] = {}
    for commodity in blocked:
        trail, at = dict[str, None](), commodity
        while at in blocked and at not in roots and at not in trail:
            trail[at] = None
            at = blocked[at]
        roots |= dict.fromkeys(trail, roots.get(at, at))
    return roots


def inputs_can_be_obtained(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every input can be obtained; a missing input behind a segment is reported at the segment."""
    instance = unchecked.instance
    sources = _scrap_sources(instance)
    had, roots = _obtainable(instance, sources)
    made = {commodity for activity in instance.activities.values() for commodity in activity.output}
    lacking = {demand.commodity for demand in instance.demands.values()} - had
    known = had | made | {roots[commodity] for commodity in lacking if commodity in roots}
    known -= sources.keys() - made - obtainable_commodities(instance, instance.horizon.years)
    for place, commodity in _inputs(instance):
        if commodity not in known:
            *_, name, _side, _commodity = place
            what, cure = _describe_absence(instance, commodity, sources)
            what += f", so {name} can never run"
            if _has_to_run(instance, str(name)):
                yield place, f"{what}, but has to (min_utilisation)", cure, "error"
            else:
                yield place, what, cure, "warning"


def _describe_absence(instance: Instance, commodity: str, sources: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Describe why a commodity cannot be obtained, and the cure; `sources` are the segments that return it as scrap."""
    if commodity not in sources:
        cure = "Add a process, an option, a stockpile or scrap that supplies it, or correct the input."
        return f"nothing makes {commodity}", cure
    cure = f"Under end_of_life of {', '.join(sources[commodity])} write past_quantity, t sold a year before "
    cure += f"{instance.horizon.start}, or correct after_years or collection_rate."
    return f"no {commodity} comes back within the horizon", cure


def _has_to_run(instance: Instance, name: str) -> bool:
    """Return whether `name` is an existing process with capacity of which a share must run in the baseline."""
    process = instance.processes.get(name)
    return process is not None and process.min_utilisation > 0 and max(process.capacity.values) > 0


def _inputs(instance: Instance) -> Iterator[tuple[Place, str]]:
    """Yield every input of an activity or option as its place and commodity."""
    for name, activity in instance.activities.items():
        for commodity in activity.input:
            yield (activity_section(instance, name), name, "input", commodity), commodity
    for o, option in instance.options.items():
        for flow in option.flows if o not in instance.activities else ():
            for commodity in flow.takes:
                yield ("options", o, "input", commodity), commodity


# Actual output may date from at most this many years before the horizon, since it is compared with the first year.
YEARS_BEFORE = 3


def actual_outputs_can_be_compared(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that actual outputs date from or shortly before the horizon and do not exceed the capacity."""
    instance = unchecked.instance
    first, last = instance.horizon.start - YEARS_BEFORE, instance.horizon.end
    for p, process in instance.processes.items():
        made = process.first_output
        if process.actual and (made is None or made[1] == 0):
            what = "an actual output, but the process makes nothing that could be compared with it"
            yield ("processes", p, "actual"), what, "Write what it makes first under `output`, or remove it.", "error"
            continue
        for year, actual in process.actual.items():
            place: Place = ("processes", p, "actual", str(year))
            if not first <= year <= last:
                what = f"{year} is neither in the horizon nor in the {YEARS_BEFORE} years before it"
                yield place, what, f"Write a year from {first} to {last}.", "error"
                continue
            most = float(process.capacity.at(max(year, instance.horizon.start))) * (made[1] if made else 0.0)
            if actual > most * (1.0 + ROUNDING):
                what = f"actual output of {actual:g} t is more than the capacity makes, {most:g} t a year"
                yield place, what, "Raise capacity, or write the part that the capacity stands for.", "warning"


def restarts_take_time(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that activities with `restart_months` may be partly idle in the baseline; else the field has no effect."""
    for name, activity in unchecked.instance.activities.items():
        if activity.restart_months > 0 and activity.min_utilisation >= 1:
            what = "has no effect: all of its capacity runs by min_utilisation when a shock begins"
            cure = "Lower min_utilisation to what contracts keep running, or remove it."
            yield (activity_section(unchecked.instance, name), name, "restart_months"), what, cure, "warning"


def gap_price_is_a_multiple(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that `gap_price` is a plausible multiple of the shortage cost, not an amount of money."""
    price = unchecked.instance.policy.gap_price
    if price is not None and price > LARGEST_GAP_PRICE:
        what = f"a gap counts {price:,g} times its shortage cost, so that floors come first at almost any cost"
        cure = "Write a multiple, not money: 1 counts a gap as its shortage cost. Without it floors come first."
        yield ("policy", "gap_price"), what, cure, "warning"


def operating_costs_are_plausible(unchecked: Unchecked) -> Iterator[Problem]:
    """Report activities without inputs whose cost is negative: they run at full capacity, and are paid for it."""
    instance = unchecked.instance
    for name, activity in instance.activities.items():
        if not any(activity.input.values()) and min(activity.cost.values) < 0:
            fate = "the surplus is discarded" if any(activity.output.values()) else "is paid for taking nothing"
            what = f"cost is below 0: it runs as much as it can, and {fate}"
            cure = "Write what it costs; a surplus that sells is a process with that input and no output."
            yield (activity_section(instance, name), name, "cost"), what, cure, "warning"


def _costs_left_out(instance: Instance) -> Iterator[Problem]:
    """Report processes without `cost` where another one with the same inputs and outputs has a cost."""
    alike = defaultdict[tuple[frozenset[str], frozenset[str]], list[Process]](list)
    for process in instance.processes.values():
        alike[frozenset(process.input), frozenset(process.output)].append(process)
    for some in alike.values():
        paid = ", ".join(f"{each.id} {si(max(each.cost.values))}" for each in some if max(each.cost.values) > 0)
        for process in some if paid else ():
            if "cost" not in process.model_fields_set:
                what = f"is left out and counts as 0, while processes with the same inputs and outputs have one: {paid}"
                yield ("processes", process.id, "cost"), what, "Add it, or write `cost: 0`.", "warning"


# What counts where a field is left out, and the cure.
_DEFAULTS = {
    "cost": ("0", "Add it, or write `cost: 0`."),
    "capex": ("0", "Add it, or write `capex: 0`."),
    "holding_cost": ("0", "Add it, or write `holding_cost: 0`."),
    "lead_time": ("0: it works from the period in which it is decided", "Add it, or write `lead_time: 0`."),
    "fill_rate": ("no limit", "Add the most that can be bought a year, t."),
    "reliability": ("1", "Add it, or write `reliability: 1`."),
    "region": ("none: no cut of a region affects it", "Add it; any other name will do where it is in none of these."),
}
# So many other entries have to agree.
_LEAST_OTHERS = 2


def entries_are_complete(unchecked: Unchecked) -> Iterator[Problem]:
    """Report entries that leave out a field with a default that matters, where others alike have it."""
    instance = unchecked.instance
    yield from _floors_left_out(instance)
    costs = list(_costs_left_out(instance))
    yield from costs
    reported = {place for place, *_ in costs}
    for section, field, able in (*_processes_by_field(instance), *_options_by_field(instance)):
        name = _only_one_without(able, field)
        if name is not None and (section, name, field) not in reported:
            default, cure = _DEFAULTS[field]
            others = excerpt(", ".join(each.id for each in able if each.id != name))
            what = f"is left out and counts as {default}, while all others have one: {others}"
            yield (section, name, field), what, cure, "warning"


def _processes_by_field(instance: Instance) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield the section and a field with the processes that may be expected to have it.

    A recipe, or a capacity that recipes share, may have no cost of its own, nor a region.
    """
    sold = {each.commodity for some in (instance.demands, instance.stocks) for each in some.values()}
    placed = [each for each in instance.processes.values() if not each.input or any(each.cost.values)]
    yield "processes", "region", placed
    yield "processes", "cost", [each for each in placed if not sold.isdisjoint(each.output)]


def _options_by_field(instance: Instance) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield the section and a field with the options that may be expected to have it."""
    for field in _DEFAULTS:
        able = [each for each in instance.options.values() if field in type(each).model_fields]
        # Price support, or a rent, may stand in place of cash.
        yield "options", field, [each for each in able if field != "capex" or not _is_paid_yearly(each)]


def _only_one_without(able: Sequence[Any], field: str) -> str | None:
    """Return the id of the only entry that leaves out a field, if at least `_LEAST_OTHERS` others have it."""
    lacking = [each.id for each in able if field not in each.model_fields_set or getattr(each, field) is None]
    return lacking[0] if len(lacking) == 1 and len(able) > _LEAST_OTHERS else None


def _is_paid_yearly(option: Lever) -> bool:
    support = getattr(option, "support", None)
    return getattr(option, "fixed_opex", 0.0) > 0 or (support is not None and max(support.values) > 0)


def _floors_left_out(instance: Instance) -> Iterator[Problem]:
    """Report segments that leave out `survival`, and have no floor in any shock, where others have a floor."""
    highest = _highest_floors(instance)
    kept = ", ".join(d for d, floor in highest.items() if floor > 0)
    for d, demand in instance.demands.items() if kept else ():
        if highest[d] == 0 and "survival" not in demand.model_fields_set:
            what = f"is left out and counts as 0: it may get nothing, while others have a floor: {excerpt(kept)}"
            yield ("demands", d, "survival"), what, "Add it, or write `survival: 0`.", "warning"


def upkeep_costs_less_than_building(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that no option costs more to keep in one year than to build: a sum paid once may be meant."""
    for o, option in unchecked.instance.sized.items():
        if 0 < max(option.capex.values) < option.fixed_opex:
            opex, capex = si(option.fixed_opex), si(max(option.capex.values))
            what = f"{opex} a year is more than capex, {capex}: it is paid every year for each unit of size"
            cure = "Write what one unit costs a year; what is paid once is capex, or fixed_cost whatever the size."
            yield ("options", o, "fixed_opex"), what, cure, "warning"


# Amounts above so many times the use of a year are not in t: of a stock, of what an option makes, of a capacity that is
# as far above all others. In shipped files and random cases they are at most 7, 14 and 180 times as large.
_MOST_STOCK, _MOST_BOUGHT, _MOST_MADE = 30, 100, 500
# No input costs so many times what the product costs, there at most 1.8; all options together cost less than so many
# times the budget, there at most 650.
_MOST_OF_PRODUCT, _MOST_OF_BUDGET = 3, 10_000
# Stages of a chain that are followed from demand to ore; chains have fewer, so that only cycles need more.
_ROUNDS = 30


def amounts_can_be_used(unchecked: Unchecked) -> Iterator[Problem]:
    """Report stocks and capacities far above anything that can be used, dear inputs, and a negligible budget."""
    instance = unchecked.instance
    uses = _yearly_uses(instance)
    sizes = (*_stocks_and_uses(instance, uses), *_sizes_and_uses(instance, uses), *_capacities_and_uses(instance, uses))
    for place, amount, use, factor in sizes:
        if amount > factor * use > 0:
            is_stock = place[-1] == "initial" or (place[-1] == "max_size" and place[1] in instance.stocks)
            unit, count = ("t", f"{factor} years of") if is_stock else ("t/yr", f"{factor} times")
            what = f"{si(amount, unit)} is more than {count} all that can be used of it, {si(use, 't/yr')}"
            no_limit = "leave it out" if is_stock else f"write {si_down(factor * use)}"
            cure = "Write a thousandth if it is in kg: amounts are in t."
            cure += f" If no limit is meant, {no_limit}." if place[-1] == "max_size" else ""
            yield place, what, cure, "warning"
    yield from _dear_inputs(instance)
    for what, cure in negligible_budget(instance, instance.policy.budget):
        yield ("policy", "budget"), what, cure, "warning"


def _yearly_uses(instance: Instance) -> dict[str, float]:
    """Return upper bounds of what can be used of commodities in a year, t, from demands and sales through all inputs.

    Commodities in a cycle that makes more of itself have none.
    """
    own, inputs = _direct_uses(instance), _largest_inputs(instance)
    uses = before = dict(own)
    for _ in range(_ROUNDS):
        before, uses = uses, dict(own)
        for (made, commodity), share in inputs.items():
            uses[commodity] = uses.get(commodity, 0.0) + share * before.get(made, 0.0)
        if uses == before:
            break
    return {c: use for c, use in uses.items() if 0 < use < 1.01 * before.get(c, 0.0)}


def _direct_uses(instance: Instance) -> dict[str, float]:
    """Return the largest demand of a year by commodity, t, with inputs of substitutes and of what makes nothing."""
    own = defaultdict[str, float](float)
    for demand in instance.demands.values():
        own[demand.commodity] += max(demand.quantity.values)
    for flow in chain.from_iterable(option.flows for option in instance.options.values()):
        for commodity, share in flow.takes.items() if flow.serves else ():
            own[commodity] += share * max(instance.demands[str(flow.serves)].quantity.values)
    for name, activity in instance.activities.items():
        size = max(activity.capacity.values) if isinstance(activity, Process) else instance.options[name].largest
        for commodity, share in activity.input.items() if not any(activity.output.values()) else ():
            own[commodity] += share * size
    return own


def _largest_inputs(instance: Instance) -> dict[tuple[str, str], float]:
    """Return, by product and input, the most that any process or option takes for a tonne of the product, t."""
    found = defaultdict[tuple[str, str], float](float)
    for activity in instance.activities.values():
        for made, size in _made(activity):
            for commodity, share in activity.input.items():
                found[made, commodity] = max(found[made, commodity], share / size)
    return found


def _made(activity: Activity) -> list[tuple[str, float]]:
    return [(commodity, share) for commodity, share in activity.output.items() if share > 0]


def _stocks_and_uses(instance: Instance, uses: Mapping[str, float]) -> Iterator[tuple[Place, float, float, int]]:
    for o, stock in instance.stocks.items():
        for field in ("initial", "max_size", "fill_rate"):
            yield ("options", o, field), getattr(stock, field) or 0.0, uses.get(stock.commodity, 0.0), _MOST_STOCK


def _sizes_and_uses(instance: Instance, uses: Mapping[str, float]) -> Iterator[tuple[Place, float, float, int]]:
    """Yield sizes of producing options, with the largest size of which all of one output could be used."""
    for o, option in instance.sized.items():
        made = _made(instance.activities[o]) if o in instance.activities else []
        most = max((uses.get(commodity, math.inf) / share for commodity, share in made), default=0.0)
        yield ("options", o, "max_size"), option.max_size, most, _MOST_BOUGHT


def _capacities_and_uses(instance: Instance, uses: Mapping[str, float]) -> Iterator[tuple[Place, float, float, int]]:
    """Yield capacities far above all others for a commodity: one alone may stand for the market of the world."""
    made = defaultdict[str, dict[str, float]](dict)
    for p, process in instance.processes.items():
        for commodity, share in _made(process):
            made[commodity][p] = share * max(process.capacity.values)
    demanded = {demand.commodity for demand in instance.demands.values()}  # is compared with demand in `lint`
    for commodity in made.keys() - demanded:
        *others, (p, largest) = sorted(made[commodity].items(), key=lambda item: item[1])
        if others and largest > _MOST_MADE * others[-1][1]:
            yield ("processes", p, "capacity"), largest, uses.get(commodity, 0.0), _MOST_MADE


def _dear_inputs(instance: Instance) -> Iterator[Problem]:
    """Report inputs that cost a multiple of what the product costs, wherever it comes from."""
    least, most = _prices(instance, min), _prices(instance, max)
    for name, activity in instance.activities.items():
        made = _made(activity)
        for commodity, share in activity.input.items() if len(made) == 1 else ():
            product, size = made[0]
            cost, price = share / size * min(least[commodity], default=0.0), max(most[product], default=0.0)
            if cost > _MOST_OF_PRODUCT * price > 0:
                what = f"{share:g} t of {commodity} per t cost {si(cost, instance.money)} or more a t of {product}, "
                what += f"which costs at most {si(price, instance.money)}"
                cure = f"Write {share / 1000:g} for {share:g} kg, {share / 100:g} for {share:g} %, or correct a price."
                yield (activity_section(instance, name), name, "input", commodity), what, cure, "warning"


def _prices(instance: Instance, extreme: Callable[[Iterable[float]], float]) -> defaultdict[str, list[float]]:
    """Return the cost per t of each source of a commodity; of joint products and scrap it is 0."""
    found = defaultdict[str, list[float]](list)
    for activity in instance.activities.values():
        made = _made(activity)
        for commodity, share in made:
            found[commodity].append(extreme(activity.cost.values) / share if len(made) == 1 else 0.0)
    for stock in instance.stocks.values():
        found[stock.commodity].append(extreme(stock.price.values))
    for commodity in _scrap_sources(instance):
        found[commodity].append(0.0)
    return found


def negligible_budget(instance: Instance, amount: float | None) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and the cure, if a budget is a negligible part of what options cost: it may be in M."""
    uses, budget = _yearly_uses(instance), amount or 0.0
    sized, stocks, most = instance.sized.values(), instance.stocks.values(), 10 * max(uses.values(), default=0.0)
    whole = sum(max(each.capex.values) * min(each.max_size, most) + each.fixed_cost for each in sized)
    whole += sum(max(each.price.values) * min(each.largest, uses.get(each.commodity, 0.0)) for each in stocks)
    if 0 < _MOST_OF_BUDGET * budget < whole:
        what = f"{si(budget, instance.money)} buys next to nothing: all options cost {si(whole, instance.money)}"
        suffix = "M" if budget * 1e6 <= 10 * whole else "k"
        yield what, f"Write {budget:g}{suffix} if that is meant, or 0 for no purchase."


def commodities_are_of_use(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every commodity has a use, or is a by-product of one that has (an ore determines its products)."""
    instance = unchecked.instance
    used = {demand.commodity for demand in instance.demands.values()} | {c for _, c in _inputs(instance)}
    used |= {rule.commodity for rule in (*instance.policy.max_share, *instance.policy.min_share)}
    outputs = [set(activity.output) for activity in instance.activities.values()]
    used = used.union(*(output for output in outputs if output & used))
    for commodity in instance.commodities:
        if commodity not in used:
            cure = "Name it as an input or as the commodity of a segment, or remove it."
            yield ("commodities", commodity), "nothing uses it", cure, "warning"
