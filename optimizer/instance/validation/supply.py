"""Checks of supply: every demand has a supplier, every product a use, and what it costs is plausible."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from optimizer.errors import ModelError, Place, Problem, Severity
from optimizer.instance.derived import Unchecked, activity_section, entries_with_cuts
from optimizer.instance.schema import Instance
from optimizer.levers.base import Lever
from optimizer.network.process import Activity, Process
from optimizer.suggestions import excerpt
from optimizer.tolerances import ROUNDING
from optimizer.units import si

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
