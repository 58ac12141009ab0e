"""Quantities derived from an instance: its shocks, floors, names and units for display, negligible sizes.

An `Unchecked` is an instance before its checks; the checks (`validation`) use the functions of this module.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optimizer.disruptions.ensemble import EnsembleSpec, Event
from optimizer.disruptions.shock import ActivitySelector, Cut, Shock, ShockSpec, expand
from optimizer.errors import Place, Problem, excerpt
from optimizer.levers.base import Sized
from optimizer.results.plan import Plan
from optimizer.tolerances import LARGEST_SIZE, NEGLIGIBLE_SIZE, ROUNDING_SIZE, SHOWN_SHARE
from optimizer.units import Series, short, si

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance
    from optimizer.results.result import Result

# Most shocks that a note names.
MOST_NAMED = 3


def entries_with_cuts(instance: Instance) -> Iterator[tuple[Place, ShockSpec | EnsembleSpec | Event]]:
    """Yield every entry that may have cuts, with its place, as written in the file: shocks, ensembles, their events."""
    for s, spec in instance.shocks.items():
        yield ("shocks", s), spec
    for e, ensemble in instance.ensembles.items():
        yield ("ensembles", e), ensemble
        for name, event in ensemble.events.items():
            yield ("ensembles", e, "events", name), event


def names_in_cuts(instance: Instance, field: str) -> Counter[str]:
    """Return how many cuts of shocks and ensembles name each region or stage."""
    cuts = [cut for _, spec in entries_with_cuts(instance) for cut in spec.cuts]
    return Counter(name for cut in cuts for name in getattr(cut, field) or ())


def whole_entries(instance: Instance) -> Iterator[tuple[Place, ShockSpec | Event]]:
    """Yield every shock entry and every event of an ensemble with its inherited fields, each with its place."""
    for s, spec in instance.shocks.items():
        yield ("shocks", s), spec
    for e, ensemble in instance.ensembles.items():
        for name, event in ensemble.whole_events().items():
            yield ("ensembles", e, *(("events", name) if name else ())), event


def can_expand(instance: Instance) -> bool:
    """Return whether the shocks of an instance can be listed: every start is a period of the horizon."""
    try:
        for spec in instance.ensembles.values():
            if spec.start is not None:
                spec.start.periods(instance.horizon)
        return list_shocks(instance) is not None
    except ValueError:
        return False


def prices_respond(instance: Instance) -> bool:
    """Return whether purchases move the price of any stockpile or process."""
    responses = [each.price_response for each in instance.processes.values()]
    return any([*responses, *(stock.price_response for stock in instance.stocks.values())])


def list_shocks(instance: Instance) -> list[Shock]:
    """Return the shocks of all entries under `shocks:`, without the samples of ensembles."""
    return [event for name, spec in instance.shocks.items() for event in expand(name, spec, instance.horizon)]


def entry_probabilities(instance: Instance) -> list[float]:
    """Return the probabilities of shocks as the file has them, and of ensembles."""
    return [each.probability for entries in (instance.shocks, instance.ensembles) for each in entries.values()]


def likely_shocks(instance: Instance) -> list[Shock]:
    """Return the shocks of entries and the samples of ensembles that have a probability.

    Samples are drawn only if one has: some distributions import scipy, which takes longer than the whole check.
    """
    is_drawn = any(spec.probability > 0 for spec in instance.ensembles.values())
    return [event for event in (instance.events if is_drawn else list_shocks(instance)) if event.probability > 0]


def with_stock_paths(instance: Instance, plan: Plan) -> Plan:
    """Return the plan with the path of every stock of the instance, computed from the purchases."""
    none = (0.0,) * len(instance.horizon.periods)
    fills = {o: plan.fills.get(o, none) for o in instance.stocks}
    stocks = {o: stock.stock_path(instance.horizon, fills[o]) for o, stock in instance.stocks.items()}
    return replace(plan, fills=fills, stocks=stocks)


# In results, the region of activities that have none.
NO_REGION = "unnamed"


def region_name(instance: Instance, region: str) -> str:
    """Return the display name of a region: its name in the file, or its key in words, ``united kingdom``."""
    named = instance.regions.get(region) or (instance.regions.get("home") if region == instance.home else None)
    return (named.name if named else None) or ("region not stated" if region == NO_REGION else region.replace("_", " "))


def has_only_stocks(instance: Instance) -> bool:
    """Return whether stocks are the only amounts that options hold; the rows that draw on others are not known."""
    return all(option.is_stock or not option.amounts for option in instance.options.values())


def one_region(instance: Instance) -> str:
    """Return what a dependence is on: a region abroad, or any where the file names no home."""
    return "one region abroad" if instance.home else "one region"


def cut_words(instance: Instance, cut: Cut) -> str:
    """Describe what a cut affects, in display names."""
    return str(with_names(instance, cut))


def with_names(instance: Instance, cut: Cut) -> Cut:
    """Return a cut that selects processes, regions and commodities by display name instead of key."""
    words = {
        "process": tuple(display_name(instance, process) for process in cut.process or ()),
        "region": tuple(region_name(instance, region) for region in cut.region or ()),
        "commodity": tuple(display_name(instance, commodity) for commodity in cut.commodity or ()),
    }
    return cut.model_copy(update={part: names or None for part, names in words.items()})


def entry_name(instance: Instance, entry: str) -> str:
    """Return the display name of a shock, a family or an ensemble: its name in the file, or its key."""
    spec = instance.shocks.get(entry) or instance.ensembles.get(entry)
    return (spec.name if spec is not None else None) or entry


def named_regions(instance: Instance) -> set[str]:
    """Return every region that a process or an option names, the home region, and the word `home` if there is one."""
    named = {activity.region for activity in instance.activities.values() if activity.region}
    named |= {getattr(option, "region", None) or "" for option in instance.options.values()} - {""}
    return named | ({instance.home, "home"} if instance.home else set())


def series_by_place(instance: Instance) -> Iterator[tuple[Place, Series]]:
    """Yield capacities, costs, demands and prices with their places."""
    for p, process in instance.processes.items():
        yield ("processes", p, "capacity"), process.capacity
        yield ("processes", p, "cost"), process.cost
    for d, demand in instance.demands.items():
        yield ("demands", d, "quantity"), demand.quantity
    for o, option in instance.options.items():
        for field in ("capex", "cost", "price"):
            series = getattr(option, field, None)
            if isinstance(series, Series):
                yield ("options", o, field), series


def free_floors(instance: Instance) -> list[str]:
    """Return the segments that have a floor, of their own or in some shock, and a shortage cost of 0."""
    of_shocks = {
        d for _, spec in entries_with_cuts(instance) for d, floor in (spec.survival or {}).items() if floor > 0
    }
    return [
        d
        for d, demand in instance.demands.items()
        if demand.shortage_cost == 0 and (d in of_shocks or max(demand.survival.values) > 0)
    ]


# The rules of a policy that raise the cost of every plan, including the no-shock plan.
NO_SHOCK_RULES = ("max_share", "min_share", "force")


def nonmonotone(instance: Instance) -> Iterator[Problem]:
    """Yield a problem for each option that may help more against a larger attack (`Lever.is_monotone`)."""
    for o, option in instance.options.items():
        if not option.is_monotone:
            what = f"only its largest attacks are searched, and {o} may help more against these than against others"
            cure = (
                f"List the attacks as shocks, remove the option, or, if larger cuts never help an option of kind "
                f'"{option.kind}", set is_monotone = True in its class.'
            )
            yield ("adversary",), what, cure, "error"


def rules_in_force(instance: Instance, keys: Sequence[str] = (*NO_SHOCK_RULES, "min_time_to_survive")) -> list[str]:
    """Return those of the given policy rules that any future sets: they may require purchases even without shocks."""
    return [key for key in keys if any(getattr(future.instance.policy, key) for future in instance.tree.futures)]


def first_year_of_shocks(instance: Instance) -> tuple[int, str]:
    """Return the index of the first year at whose start some shock can have begun, and the first start of a shock.

    It is the last year at most; without shocks it is the first one, and the start is empty.
    """
    if not instance.events:
        return 0, ""
    first, horizon = min(event.periods.start for event in instance.events), instance.horizon
    return min(-(-first // horizon.per_year), len(horizon.years) - 1), horizon.label(first)


def no_shock_note(instance: Instance, kind: str, name: str, year: int) -> str:
    """Return the note that no shock, or not the one that is cut, begins in a year, which asks less; else empty.

    `kind` and `name` are those of the chokepoint.
    """
    is_shock, key = kind == "shock", name.partition("@")[0]
    events = [shock for shock in instance.events if not is_shock or shock.entry == key]
    begun = {instance.horizon.year(shock.periods.start) for shock in events}
    return f" (no{' such' * is_shock} shock of the file begins in {year})" if begun and year not in begun else ""


def only_cuts_note(instance: Instance) -> list[str]:
    """Return the note on what of a shock does not count in a time to survive; nothing if no entry has more than cuts.

    The shocks with a surge are named: with it their floors may hold for less time.
    """
    if not any(map(_is_more_than_steady_cuts, instance.shocks.values())):
        return []
    note = ("Of a shock only the cuts are taken, each at its largest severity for the whole time, without its window, "
            "surge, floors and reliability of deals.")  # fmt: skip
    names = [entry_name(instance, s) for s, spec in instance.shocks.items() if max(spec.demand.values(), default=0) > 1]
    if len(names) > MOST_NAMED:
        names[MOST_NAMED:] = [f"{len(names) - MOST_NAMED} more"]
    return [f"{note} Floors may hold for less time with the surge of {', '.join(names)}." if names else note]


def _is_more_than_steady_cuts(spec: ShockSpec) -> bool:
    """Return whether an entry has effects that are ignored if its cuts are permanent and constant."""
    changes = (len(set(cut.severity)) > 1 for cut in spec.cuts)
    return bool(spec.demand or spec.survival or spec.reliability) or any(changes)


def shock_note(instance: Instance, name: str) -> str:
    """Return the `note` of the entry that a shock belongs to, on one line; empty without one."""
    event = instance.find_event(name)
    return "" if event is None else " ".join((event.spec.note or "").split())


def but_samples(*instances: Instance) -> str:
    """Return the exception in a sentence on all shocks: `` but for samples that may fail (3 of 12 of trouble)``.

    The text is empty if every sample must be survived.
    """
    allowed = dict.fromkeys(
        f"{spec.count - spec.required:,} of {spec.count:,} of {name}"
        for instance in instances
        for future in instance.tree.futures
        for name, spec in future.instance.ensembles.items()
        if spec.required < spec.count
    )
    return f" but for samples that may fail ({', '.join(allowed)})" if allowed else ""


def highest_floor(instance: Instance, names: Iterable[str], d: str) -> float:
    """Return the highest survival floor of segment `d`, a share, in any period of the named shocks; 0 without any."""
    demand, horizon = instance.demands[d], instance.horizon
    return max(
        (
            event.spec.survival[d]
            if d in event.spec.survival
            else max(demand.survival.at(horizon.year(t)) for t in event.periods)
            for event in map(instance.event, names)
        ),
        default=0.0,
    )


def has_floor(instance: Instance, names: Iterable[str]) -> bool:
    """Return whether a segment has a survival floor above 0 in any of the named shocks."""
    return any(highest_floor(instance, [name], d) > 0 for name in names for d in instance.demands)


def has_floors(instance: Instance) -> bool:
    """Return whether a segment has a survival floor above 0 in any shock, or any attack, of any future."""
    return any(
        highest_floor(own, [event.name for event in own.events], d) > 0
        or (own.adversary is not None and max(demand.survival.values) > 0)
        for own in (future.instance for future in instance.tree.futures)
        for d, demand in own.demands.items()
    )


def largest_demand(instance: Instance) -> float:
    """Return the largest baseline demand of any one segment in any one calendar year, t/yr; 0 without segments."""
    demands, years = instance.demands.values(), instance.horizon.years
    return max((demand.quantity.at(year) for demand in demands for year in years), default=0.0)


def size_thresholds(instance: Instance) -> tuple[dict[str, float], ...]:
    """Return thresholds, by option in its own unit, below which a size may be negligible; the largest set first.

    A size matters if it changes some row of the audit by more than its tolerance. Rows scale with the largest demand or
    with the option, so the first thresholds are a millionth of the larger of the two, the second a millionth of the
    option. Both apply only if the audit then agrees. The last set is the solver's rounding error. A `max_size` far
    above demand stands for "no limit" and is not used as a scale.
    """
    demand = largest_demand(instance)
    most = LARGEST_SIZE * demand or math.inf
    own = {o: min(getattr(option, "max_size", None) or 0.0, most) for o, option in instance.options.items()}
    # Sizes that are not in tonnes, such as a level of leverage, cannot be compared with demand.
    tonnes = {o for o, option in instance.options.items() if option.scaling_unit == "t"}
    scale = {o: max(size, demand) if o in tonnes else size for o, size in own.items()}
    shares = ((NEGLIGIBLE_SIZE, scale), (NEGLIGIBLE_SIZE, own), (ROUNDING_SIZE, own))
    return tuple({o: share * size for o, size in sizes.items()} for share, sizes in shares)


def is_disrupted(instance: Instance) -> bool:
    """Whether an instance has shocks or rules about surviving."""
    return bool(instance.events or instance.rule_paths)


def is_bought(instance: Instance, option: str, size: float) -> bool:
    """Return whether a size exceeds the threshold below which the audit cannot distinguish it from zero."""
    return size > size_thresholds(instance)[0][option]


def options_requiring(instance: Instance, option: str) -> list[str]:
    """Return the options that require `option`, directly or through other options."""
    found = [option]
    for each in found:
        found += [o for o, other in instance.sized.items() if each in other.requires and o not in found]
    return found[1:]


def makers_of(instance: Instance, commodity: str) -> set[str]:
    """Return the processes and options whose output is a commodity or becomes it, at any stage."""
    reached, found = {commodity}, set[str]()
    while makers := {a for a, each in instance.activities.items() if reached & set(each.output)} - found:
        found |= makers
        reached |= {c for a in makers for c in instance.activities[a].input}
    return found


def activity_section(instance: Instance, activity: str) -> str:
    """Return the section of the file that holds an activity: ``processes`` or ``options``."""
    return "processes" if activity in instance.processes else "options"


def has_initial_stock(instance: Instance, word: str) -> bool:
    """Return whether an option, or any option of a kind, has an initial stock."""
    named = (option for o, option in instance.options.items() if word in (o, option.kind))
    return any(getattr(option, "initial", 0.0) > 0 for option in named)


def display_name(instance: Instance, key: str) -> str:
    """Return the name that the file gives an object, or its key."""
    sections = ("options", "processes", "demands", "commodities")
    found = next((each for section in sections if (each := getattr(instance, section).get(key)) is not None), None)
    return (found.name if found is not None else None) or key


def size_unit(instance: Instance, option: str) -> str:
    """Return the unit of the size of an option: ``t/yr``, ``t`` for a stock, or ``level``."""
    return (instance.options.get(option) or Sized).labels.size_unit


def size_text(instance: Instance, option: str, size: float) -> str:
    """Format the size of a build with its unit: ``20 t/yr``, ``level 0.5``."""
    unit = size_unit(instance, option)
    return f"level {short(size)}" if unit == "level" else si(size, unit)


def size_notes(instance: Instance, options: Iterable[str]) -> list[str]:
    """Return a sentence for each kind among some options whose size is no output: what it is."""
    return list(dict.fromkeys(filter(None, (instance.options[o].labels.size_means for o in options))))


def size_range_text(instance: Instance, option: str, least: float, most: float) -> str:
    """Format a range of sizes: ``20 to 40 t/yr``, ``level 0.25 to 0.5``; one size if both read alike."""
    unit = size_unit(instance, option)
    low, high = (short(each) if unit == "level" else si(each) for each in (least, most))
    text = size_text(instance, option, most)
    return text if low == high else text.replace(high, f"{low} to {high}", 1)


def stage_title(instance: Instance, stage: str | None, region: str | None) -> str:
    """Return the name of a stage in a region: that of the commodity with its key, if all that it has make that one."""
    makers = [each.output for each in instance.activities.values() if each.stage == stage]
    commodity = instance.commodities.get(stage or "") if all(stage in output for output in makers) else None
    name = (commodity.name if commodity is not None else None) or stage or "other"
    return f"{name}, {region_name(instance, region)}" if region else name


def chokepoint_name(instance: Instance, kind: str, name: str) -> str:
    """Return the display name of a chokepoint: a stage (key ``region / stage``), a process, or the cuts of a shock."""
    if kind == "stage":
        region, _, stage = name.partition(" / ")
        return stage_title(instance, stage, region)
    return (display_name if kind == "process" else entry_name)(instance, name)


def entry_of(instance: Instance, event: Shock) -> str:
    """Return the key of the entry that an event comes from: an entry under `shocks:`, or an ensemble."""
    return event.entry if event.entry in instance.shocks else event.name.rpartition("#")[0]


@dataclass(frozen=True)
class Unchecked:
    """An instance made of the well-formed objects of a file, before the checks across objects."""

    instance: Instance
    declared: Mapping[str, frozenset[str]]  # the names that each section declares, including those of faulty objects
    sound: bool  # whether every object is well formed
    resolved: bool  # whether every object is well formed and every name that is used exists

    def names(self, section: str) -> frozenset[str]:
        """Return all names that a section declares, including those of faulty objects."""
        return self.declared.get(section, frozenset())

    def unmatched(self, place: Place, cuts: Iterable[ActivitySelector]) -> Iterator[Problem]:
        """Yield a warning for each cut at a place that matches no activity, and for each such name in a list of a cut.

        None while names are unresolved.
        """
        index = self.instance.activity_index
        for k, cut in enumerate(cuts if self.resolved else ()):
            if not index.has_match(cut):
                cure = "Name a region, stage, process or commodity of this file, or remove the cut."
                what = f"the cut of {excerpt(cut)} matches nothing: no process or option fits all of its fields"
                yield (*place, "cuts", k), what, cure, "warning"
                continue
            for field, name in index.unmatched_names(cut):
                what = f'"{name}" matches nothing: no process or option has it'
                cure = "Correct it, or the process that is meant, or remove it."
                yield (*place, "cuts", k, field), what, cure, "warning"


def number_words(instance: Instance, section: str, owner: str, *place: str) -> str:
    """Describe a number of the file by its owner and field; that of a cut by what it cuts: ``severity of the cut of``.

    Shocks, ensembles and events of ensembles go by their names.
    """
    if section not in ("shocks", "ensembles"):
        return f"{display_name(instance, owner)}: {field_words(instance, place)}"
    name, entry = entry_name(instance, owner), getattr(instance, section)[owner]
    if place[0] == "events" and len(place) > 2:
        entry = entry.events[place[1]]
        name, place = f"{name}, {entry.name or place[1].replace('_', ' ')}", place[2:]
    if place[0] != "cuts" or len(place) < 3:
        return f"{name}: {field_words(instance, place)}"
    aim = {part: getattr(entry.cuts[int(place[1])], part) for part in ("region", "stage", "process", "commodity")}
    # A cut that takes all is described by what it cuts alone.
    whole = cut_words(instance, Cut.model_construct(**aim, severity=(1.0,)))
    return f"{name}: {field_words(instance, place[2:])} of the cut of {whole}"


def field_words(instance: Instance, place: Sequence[str]) -> str:
    """Describe a field at a place inside its owner, in words: ``survival floor``, ``input of Dysprosium oxide``."""
    if len(place) > 1 and (place[-1] in instance.commodities or place[-1] in instance.demands):
        return f"{' '.join(place[:-1])} of {display_name(instance, place[-1])}".replace("_", " ")
    return f"{' '.join(place)}{' floor' if place[-1] == 'survival' else ''}".replace("_", " ")


# Units by field. Shares have none, nor have the multipliers of shocks.
_UNITS = {
    **dict.fromkeys(("input", "output"), "t per t"),
    **dict.fromkeys(("capacity", "quantity", "past_quantity", "fill_rate", "release_rate"), "t/yr"),
    **dict.fromkeys(("reference", "included"), "t/yr"),
    **dict.fromkeys(("cost", "price", "support", "shortage_cost", "release_cost"), "{money}/t"),
    **{"holding_cost": "{money}/t and year", "after_years": "years"},
    **dict.fromkeys(("max_size", "min_size", "unit_size"), "{size}"),
    **{"capex": "{money} per {size}", "fixed_opex": "{money} per {size} and year", "initial": "t"},
    **dict.fromkeys(
        ("fixed_cost", "budget", "annual_budget", "attack_budget", "deterrence", "adversary.price"), "{money}"
    ),
    **dict.fromkeys(("months", "lead_time", "restart_months"), "months"),
}


def field_unit(instance: Instance, place: Sequence[str | int]) -> str:
    """Return the unit of a number of the file; empty for a share and for a multiplier."""
    section, *parts = map(str, place)
    owner = parts[0] if parts else ""
    fields = parts if section in ("policy", "adversary") else parts[1:]
    fields = ["months"] * ("months" in fields) if section in ("shocks", "ensembles") else fields
    units = (_UNITS.get(f"{section}.{each}", _UNITS.get(each)) for each in fields)
    return next(filter(None, units), "").format(money=instance.money, size=size_unit(instance, owner))


def spent_years(instance: Instance, result: Result) -> list[str]:
    """Return the calendar years whose annual budget a plan uses up; none of a given plan, which may exceed them."""
    if (annual := instance.policy.annual_budget) is None or result.given is not None:
        return []
    limits = {str(year): annual.at(year) for year in instance.horizon.years}
    return [year for year, limit in limits.items() if 0 < (1.0 - SHOWN_SHARE) * limit <= result.outlays[year]]
