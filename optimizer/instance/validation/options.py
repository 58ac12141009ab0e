"""Checks of options: whether one can be bought, in time to be of use, in a size that the solver can count."""

from collections.abc import Iterator

from optimizer.errors import Place, Problem
from optimizer.instance.schema import Instance
from optimizer.instance.validation.unchecked import Unchecked
from optimizer.levers import Sized
from optimizer.tolerances import ROUNDING, least_whole
from optimizer.units import rounded_up

# The most whole units of one option. HiGHS accepts a number as whole within 1e-6, and drops coefficients below 1e-9:
# far beyond 1e7 units, sizes and whole numbers no longer agree, and a wrong plan is called optimal.
MOST_UNITS = 1e7


def windows_are_possible(unchecked: Unchecked) -> Iterator[Problem]:
    """What may be bought can be bought, and in time to be of use."""
    horizon = unchecked.instance.horizon
    for o, option in unchecked.instance.options.items():
        place: Place = ("options", o)
        if option.earliest is not None and option.latest is not None and option.earliest > option.latest:
            what = f"earliest ({option.earliest}) is after latest ({option.latest})"
            yield (*place, "earliest"), what, "Swap them, or move one.", "error"
        elif not any(option.allows(year) for year in horizon.years):
            what = f"can never be decided within the horizon, {horizon.start} to {horizon.end}"
            yield place, what, "Move earliest or latest into the horizon, or remove the option.", "warning"
        elif o in unchecked.instance.sized:
            yield from _in_time(unchecked.instance, place, unchecked.instance.sized[o])


def _in_time(instance: Instance, place: Place, option: Sized) -> Iterator[Problem]:
    horizon = instance.horizon
    first = next((a for a in horizon.decisions if option.allows(horizon.year(a))), None)
    if first is None or first + horizon.whole(option.lead_time) >= len(horizon.periods):
        what = f"never works within the horizon: its lead time is {option.lead_time:g} months"
        yield (*place, "lead_time"), what, "Lead times are in months; shorten it, or lengthen the horizon.", "warning"


def sizes_are_possible(unchecked: Unchecked) -> Iterator[Problem]:
    """A size can be both within its limits and whole."""
    largest = max((max(demand.quantity.values) for demand in unchecked.instance.demands.values()), default=0.0)
    for o, option in unchecked.instance.sized.items():
        place: Place = ("options", o)
        if option.is_lumpy and largest > 0 and option.max_size > 1e8 * largest:
            what = f"max_size ({option.max_size:g}) is {option.max_size / largest:.0e} times the largest demand"
            yield (*place, "max_size"), what, "Write the largest size that could really be built.", "error"
        yield from _within_largest(place, option)


def _within_largest(place: Place, option: Sized) -> Iterator[Problem]:
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


def ties_are_between_lumpy_options(unchecked: Unchecked) -> Iterator[Problem]:
    """`requires` and `excludes` relate openings, which only fixed-charge options have."""
    options, sized = unchecked.instance.options, unchecked.instance.sized
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
