"""The named passes over an instance whose objects are each well formed.

A pass takes a Draft and yields ``(place, what, cure, severity)``; it never raises and never stops at the first.
Passes that would only report the effect of an earlier fault (not `sound`, not `resolved`) hold their tongue.
"""

from collections.abc import Callable, Iterator

from optimizer.instance.derived import happening, struck
from optimizer.instance.schema import Instance
from optimizer.instance.validation.candidate import Draft, Place, Problem
from optimizer.instance.validation.lint import (
    buying_costs_something,
    display_names_are_distinct,
    floors_have_a_price,
    home_is_somewhere,
    ids_are_told_apart,
    options_are_as_their_levers_want,
    options_do_something,
    regions_are_told_apart,
    running_costs_something,
    stock_that_is_paid_back_is_there,
)
from optimizer.instance.validation.magnitudes import magnitudes_are_plausible
from optimizer.instance.validation.names import names_resolve, regions_are_named, shock_names_resolve
from optimizer.instance.validation.policy import adversary_can_act, forced_purchases_are_possible, rules_ask_something
from optimizer.instance.validation.supply import commodities_are_of_use, floors_have_a_source, inputs_can_be_had
from optimizer.instance.validation.windows import (
    probabilities_add_up,
    shock_names_are_distinct,
    shocks_are_inside_the_horizon,
)
from optimizer.levers import Sized
from optimizer.limits import COLUMNS, EVENTS
from optimizer.tolerances import ROUNDING, least_whole
from optimizer.units import rounded_up


def sizes_can_be_handled(draft: Draft) -> Iterator[Problem]:
    """There are not too many events, and not too many periods for all that happens in each."""
    if draft.instance is None:
        return
    instance, total = draft.instance, 0
    periods = len(instance.horizon.periods)
    for section in ("shocks", "ensembles"):
        for name, spec in getattr(instance, section).items():
            if section == "ensembles":
                total += spec.count
            else:
                starts = periods if spec.start.form == "span" else len(spec.start.labels)
                total += starts * len(spec.durations.values) * max(1, len(spec.grid.severity) if spec.grid else 1)
            if total > EVENTS:
                what = f"with it there are more than {EVENTS:,} shocks, those of families and ensembles counted"
                yield (section, name), what, "Take fewer starts, durations, severities or samples.", "error"
                return
    acting = len(instance.processes) + len(instance.options) + len(instance.demands)
    if periods * acting > COLUMNS:
        what = f"{periods:,} periods for {acting:,} processes, options and segments are too many to compute with"
        yield ("horizon",), what, "Choose a coarser step, or a shorter horizon.", "error"


# The most whole units of one option. HiGHS accepts a number as whole within 1e-6, and drops coefficients below 1e-9:
# far beyond 1e7 units, sizes and whole numbers no longer agree, and a wrong plan is called optimal.
MOST_UNITS = 1e7


def cuts_match(draft: Draft) -> Iterator[Problem]:
    """Every cut strikes something, and every shock does something."""
    if draft.instance is None or not draft.resolved:
        return
    for place, spec in struck(draft.instance):
        for i, cut in enumerate(spec.cuts):
            if not draft.instance.activity_index.has_match(cut):
                cure = "Name a region, stage, process or commodity of this file, or remove the cut."
                what = "a cut that matches nothing: no process has all it asks for"
                yield (*place, "cuts", i), what, cure, "warning"
    for place, whole in happening(draft.instance):
        if not (whole.cuts or whole.demand or whole.cost or whole.survival or whole.reliability):
            noun = "event" if "events" in place else "shock" if place[0] == "shocks" else "ensemble"
            yield place, "nothing happens in it", f"Add `cuts:`, or remove the {noun}.", "warning"


def names_are_distinct(draft: Draft) -> Iterator[Problem]:
    """A cut or a cost that names a process means one thing."""
    for name in sorted(draft.names("processes") & draft.names("options")):
        yield ("options", name), "is also the name of an existing process", "Give one of the two another name.", "error"


def windows_are_possible(draft: Draft) -> Iterator[Problem]:
    """What may be bought can be bought, and in time to be of use."""
    if draft.instance is None:
        return
    horizon = draft.instance.horizon
    for o, option in draft.instance.options.items():
        place: Place = ("options", o)
        if option.earliest is not None and option.latest is not None and option.earliest > option.latest:
            what = f"earliest ({option.earliest}) is after latest ({option.latest})"
            yield (*place, "earliest"), what, "Swap them, or move one.", "error"
        elif not any(option.allows(year) for year in horizon.years):
            what = f"can never be decided within the horizon, {horizon.start} to {horizon.end}"
            yield place, what, "Move earliest or latest into the horizon, or remove the option.", "warning"
        elif o in draft.instance.sized:
            yield from _in_time(draft.instance, place, draft.instance.sized[o])


def _in_time(instance: Instance, place: Place, option: Sized) -> Iterator[Problem]:
    horizon = instance.horizon
    first = next((a for a in horizon.decisions if option.allows(horizon.year(a))), None)
    if first is None or first + horizon.whole(option.lead_time) >= len(horizon.periods):
        what = f"never works within the horizon: its lead time is {option.lead_time:g} months"
        yield (*place, "lead_time"), what, "Lead times are in months; shorten it, or lengthen the horizon.", "warning"


def sizes_are_possible(draft: Draft) -> Iterator[Problem]:
    """A size can be both within its limits and whole."""
    if draft.instance is None:
        return
    largest = max((max(demand.quantity.values) for demand in draft.instance.demands.values()), default=0.0)
    for o, option in draft.instance.sized.items():
        place: Place = ("options", o)
        if option.is_lumpy and largest > 0 and option.max_size > 1e8 * largest:
            what = f"max_size ({option.max_size:g}) is {option.max_size / largest:.0e} times the largest demand"
            yield (*place, "max_size"), what, "Write the largest size that could really be built.", "error"
        too_large = [field for field in ("min_size", "unit_size") if getattr(option, field) > option.max_size]
        for field in too_large:
            what = f"{field} ({getattr(option, field):g}) exceeds max_size ({option.max_size:g})"
            yield (*place, field), what, f"Lower {field} or raise max_size.", "error"
        if option.unit_size > 0 and not too_large:
            yield from _whole_units(place, option)


def _whole_units(place: Place, option: Sized) -> Iterator[Problem]:
    """Some number of units lies within the limits, and the solver can count that far."""
    unit, most = option.unit_size, option.max_size
    if most / unit > MOST_UNITS:
        what = f"max_size ({most:g}) holds {most / unit:.1e} units of unit_size ({unit:g}), more than 10 million"
        least = rounded_up(most / MOST_UNITS, 2)
        cure = f"Write a unit_size of {least:g} or more, a smaller max_size, or no unit_size at all."
        yield (*place, "unit_size"), what, cure, "error"
    elif least_whole(option.min_size / unit) * unit > most * (1 + ROUNDING):
        what = f"can never be bought: no multiple of {unit:g} lies from {option.min_size:g} to {most:g}"
        yield (*place, "unit_size"), what, "Change unit_size, min_size or max_size.", "warning"


def ties_are_between_lumpy_options(draft: Draft) -> Iterator[Problem]:
    """`requires` and `excludes` speak of openings, which only lumpy options have."""
    if draft.instance is None:
        return
    options, sized = draft.instance.options, draft.instance.sized
    for o, option in sized.items():
        for field in ("requires", "excludes"):
            others = getattr(option, field)
            place: Place = ("options", o, field)
            if o in others:
                yield place, f"{o} {field} itself", "Remove it.", "error"
            for name in [o, *others] if others else []:
                if name in options and not options[name].is_lumpy:
                    what = f'"{name}" is bought bit by bit, so it is never opened'
                    cure = (
                        f"Write a fixed_cost or a min_size for {name}, a unit_size will not do: then it is opened."
                        if name in sized
                        else "Name another kind of option."
                    )
                    yield place, what, cure, "error"


NAMES: tuple[Callable[[Draft], Iterator[Problem]], ...] = (names_resolve, shock_names_resolve)
PASSES: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    *NAMES,
    names_are_distinct,
    windows_are_possible,
    sizes_are_possible,
    ties_are_between_lumpy_options,
    shocks_are_inside_the_horizon,
    shock_names_are_distinct,
    probabilities_add_up,
    cuts_match,
    rules_ask_something,
    adversary_can_act,
    forced_purchases_are_possible,
    floors_have_a_source,
    inputs_can_be_had,
    commodities_are_of_use,
    regions_are_named,
    floors_have_a_price,
    options_are_as_their_levers_want,
    options_do_something,
    display_names_are_distinct,
    running_costs_something,
    buying_costs_something,
    stock_that_is_paid_back_is_there,
    magnitudes_are_plausible,
    ids_are_told_apart,
    regions_are_told_apart,
    home_is_somewhere,
)
