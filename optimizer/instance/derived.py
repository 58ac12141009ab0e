"""What follows from an instance: all that may happen, its floors, its regions by name, and negligible sizes.

An `Unchecked` is an instance before its checks (`validation`), which use what is here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from optimizer.disruptions.ensemble import EnsembleSpec, Event
from optimizer.disruptions.shock import ActivitySelector, Cut, Shock, ShockSpec, expand
from optimizer.errors import Place, Problem
from optimizer.levers.base import Sized
from optimizer.results.plan import Plan
from optimizer.tolerances import LARGEST_SIZE, NEGLIGIBLE_SIZE, ROUNDING_SIZE
from optimizer.units import short, si

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance


def entries_with_cuts(instance: Instance) -> Iterator[tuple[Place, ShockSpec | EnsembleSpec | Event]]:
    """Every entry that may have cuts, as the file has it: shocks, ensembles, their events."""
    for s, spec in instance.shocks.items():
        yield ("shocks", s), spec
    for e, ensemble in instance.ensembles.items():
        yield ("ensembles", e), ensemble
        for name, event in ensemble.events.items():
            yield ("ensembles", e, "events", name), event


def whole_entries(instance: Instance) -> Iterator[tuple[Place, ShockSpec | Event]]:
    """All that may happen, with what it inherits: shocks, and the events of ensembles."""
    for s, spec in instance.shocks.items():
        yield ("shocks", s), spec
    for e, ensemble in instance.ensembles.items():
        for name, event in ensemble.whole_events().items():
            yield ("ensembles", e, *(("events", name) if name else ())), event


def has_events(instance: Instance) -> bool:
    """Whether the shocks of an instance can be listed: all their starts are periods."""
    try:
        for spec in instance.ensembles.values():
            if spec.start is not None:
                spec.start.periods(instance.horizon)
        return list_shocks(instance) is not None
    except ValueError:
        return False


def prices_respond(instance: Instance) -> bool:
    """Whether what is bought moves the price of some stockpile or process."""
    responses = [each.price_response for each in instance.processes.values()]
    return any([*responses, *(stock.price_response for stock in instance.stocks.values())])


def list_shocks(instance: Instance) -> list[Shock]:
    """The shocks of all entries under `shocks:`, without the samples of ensembles."""
    return [event for name, spec in instance.shocks.items() for event in expand(name, spec, instance.horizon)]


def with_stock_paths(instance: Instance, plan: Plan) -> Plan:
    """The plan with every stock of the instance, worked out from the purchases."""
    none = (0.0,) * len(instance.horizon.periods)
    fills = {o: plan.fills.get(o, none) for o in instance.stocks}
    stocks = {o: stock.stock_path(instance.horizon, fills[o]) for o, stock in instance.stocks.items()}
    return replace(plan, fills=fills, stocks=stocks)


def region_name(instance: Instance, region: str) -> str:
    """A region for reading: the name that the file gives it, or its key in words, ``united kingdom``."""
    named = instance.regions.get(region) or (instance.regions.get("home") if region == instance.home else None)
    return (named.name if named else None) or region.replace("_", " ")


def cut_words(instance: Instance, cut: Cut) -> str:
    """What a cut affects, in the names of the file."""
    return str(with_names(instance, cut))


def with_names(instance: Instance, cut: Cut) -> Cut:
    """A cut with the names of what it selects in place of their keys."""
    words = {
        "process": tuple(display_name(instance, process) for process in cut.process or ()),
        "region": tuple(region_name(instance, region) for region in cut.region or ()),
        "commodity": tuple(display_name(instance, commodity) for commodity in cut.commodity or ()),
    }
    return cut.model_copy(update={part: names or None for part, names in words.items()})


def entry_name(instance: Instance, entry: str) -> str:
    """The name of a shock, a family or an ensemble in the file, or else its key."""
    spec = instance.shocks.get(entry) or instance.ensembles.get(entry)
    return (spec.name if spec is not None else None) or entry


def named_regions(instance: Instance) -> set[str]:
    """Every region of a process or an option, and the home region."""
    named = {activity.region for activity in instance.activities.values() if activity.region}
    named |= {getattr(option, "region", None) or "" for option in instance.options.values()} - {""}
    return named | ({instance.home, "home"} if instance.home else set())


def free_floors(instance: Instance) -> list[str]:
    """The segments that have a floor, in all shocks or in one, and whose shortage costs nothing."""
    of_shocks = {
        d for _, spec in entries_with_cuts(instance) for d, floor in (spec.survival or {}).items() if floor > 0
    }
    return [
        d
        for d, demand in instance.demands.items()
        if demand.shortage_cost == 0 and (d in of_shocks or max(demand.survival.values) > 0)
    ]


# The rules of a policy that make every plan dearer, that without shocks as well.
NO_SHOCK_RULES = ("max_share", "min_share", "force")


def rules_that_ask(instance: Instance, keys: Sequence[str] = (*NO_SHOCK_RULES, "min_time_to_survive")) -> list[str]:
    """The rules of the policy, of these, for which something may have to be bought, shock or none; in any future."""
    return [key for key in keys if any(getattr(future.instance.policy, key) for future in instance.tree.futures)]


def but_samples(*instances: Instance) -> str:
    """What a sentence on all shocks has to leave out: `` but for samples that may fail (3 of 12 of trouble)``.

    Empty where every sample has to be survived.
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
    """The highest survival floor of a segment, a share, in force in any period of some shocks, by their names."""
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


def largest_demand(instance: Instance) -> float:
    """The largest demand of one segment in one calendar year without any shock, t/yr; 0 where there is none."""
    demands, years = instance.demands.values(), instance.horizon.years
    return max((demand.quantity.at(year) for demand in demands for year in years), default=0.0)


def size_thresholds(instance: Instance) -> tuple[dict[str, float], ...]:
    """Sizes of each option that may be nothing, in its own unit, the largest thresholds first.

    A size matters where some row of the audit changes by more than its tolerance. Rows are as large as the largest
    demand or as the option, so the first thresholds are a millionth of the larger of the two, the second a millionth of
    the option. Both hold only where the audit then agrees. The last are the solver's rounding errors. A `max_size` far
    above demand is meant as no limit: it says nothing of how large a size is.
    """
    demand = largest_demand(instance)
    most = LARGEST_SIZE * demand or math.inf
    own = {o: min(getattr(option, "max_size", None) or 0.0, most) for o, option in instance.options.items()}
    # Sizes that are not in tonnes, such as a level of leverage, cannot be compared with demand.
    tonnes = {o for o, option in instance.options.items() if option.scaling_unit == "t"}
    scale = {o: max(size, demand) if o in tonnes else size for o, size in own.items()}
    shares = ((NEGLIGIBLE_SIZE, scale), (NEGLIGIBLE_SIZE, own), (ROUNDING_SIZE, own))
    return tuple({o: share * size for o, size in sizes.items()} for share, sizes in shares)


def is_bought(instance: Instance, option: str, size: float) -> bool:
    """Whether a size is above the threshold below which the audit cannot distinguish it from zero."""
    return size > size_thresholds(instance)[0][option]


def options_requiring(instance: Instance, option: str) -> list[str]:
    """The options that cannot be bought without one, as they require it or another one that does."""
    found = [option]
    for each in found:
        found += [o for o, other in instance.sized.items() if each in other.requires and o not in found]
    return found[1:]


def activity_section(instance: Instance, activity: str) -> str:
    """The section of the file that an activity stands in."""
    return "processes" if activity in instance.processes else "options"


def has_store(instance: Instance, word: str) -> bool:
    """Whether something is in store from the start of an option, or of one of a kind."""
    named = (option for o, option in instance.options.items() if word in (o, option.kind))
    return any(getattr(option, "initial", 0.0) > 0 for option in named)


def display_name(instance: Instance, key: str) -> str:
    """The name that the file gives an object, or its key."""
    sections: Sequence[Mapping[str, Any]] = (
        instance.options, instance.processes, instance.demands, instance.commodities
    )  # fmt: skip
    for section in sections:
        if key in section:
            return section[key].name or key
    return key


def size_unit(instance: Instance, option: str) -> str:
    """The unit of the size of an option: ``t/yr``, ``t`` of a stock, or ``level``."""
    return (instance.options.get(option) or Sized).labels.size_unit


def size_text(instance: Instance, option: str, size: float) -> str:
    """The size of a build with its unit: ``20 t/yr``, ``level 0.5``."""
    unit = size_unit(instance, option)
    return f"level {short(size)}" if unit == "level" else si(size, unit)


def stage_title(instance: Instance, stage: str | None, region: str | None) -> str:
    """The name of a stage in a region; a stage with the key of a commodity has that commodity's name."""
    commodity = instance.commodities.get(stage or "")
    name = (commodity.name if commodity is not None else None) or stage or "other"
    return f"{name}, {region_name(instance, region)}" if region else name


def chokepoint_name(instance: Instance, kind: str, name: str) -> str:
    """A stage or a process that is cut off, by its name; what a shock cuts, by that of the shock."""
    if kind == "stage":
        region, _, stage = name.partition(" / ")
        return stage_title(instance, stage, region)
    return (display_name if kind == "process" else entry_name)(instance, name)


def entry_of(instance: Instance, event: Shock) -> str:
    """The entry of the file that an event comes from: a shock, or an ensemble."""
    return event.entry if event.entry in instance.shocks else event.name.rpartition("#")[0]


@dataclass(frozen=True)
class Unchecked:
    """An instance of the objects that are well formed, before it is known to fit together."""

    instance: Instance
    declared: Mapping[str, frozenset[str]]  # the names that each section declares, those of faulty objects as well
    sound: bool  # whether every object is well formed
    resolved: bool  # whether, beside that, every name that is used exists

    def names(self, section: str) -> frozenset[str]:
        """All names that a section declares, of faulty objects as well."""
        return self.declared.get(section, frozenset())

    def unmatched(self, place: Place, cuts: Iterable[ActivitySelector]) -> Iterator[Problem]:
        """Cuts of a place that match nothing; none while names are unresolved."""
        for k, cut in enumerate(cuts if self.resolved else ()):
            if not self.instance.activity_index.has_match(cut):
                cure = "Name a region, stage, process or commodity of this file, or remove the cut."
                what = "a cut that matches nothing: no process has all it asks for"
                yield (*place, "cuts", k), what, cure, "warning"


def field_words(instance: Instance, place: Sequence[str]) -> str:
    """Which of its owner's numbers a field is, for readers: ``survival floor``, ``input of Dysprosium oxide``."""
    if place[-1] in instance.commodities:
        return f"{' '.join(place[:-1])} of {display_name(instance, place[-1])}".replace("_", " ")
    return f"{' '.join(place)}{' floor' if place[-1] == 'survival' else ''}".replace("_", " ")
