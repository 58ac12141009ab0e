"""The pass about what has to be bought: whether it can be."""

import math
from collections.abc import Iterator, Mapping

from optimizer.instance.schema import Instance
from optimizer.instance.validation.draft import Draft, Place, Problem
from optimizer.levers import Lever, Sized, Stockpile


def forced_purchases_are_possible(draft: Draft) -> Iterator[Problem]:
    """What `policy.force` asks for can be bought: in its year, in its size, beside the options that it is tied to."""
    instance = draft.instance
    if instance is None:
        return
    for o, sizes in instance.policy.force.items():
        option, place = instance.options.get(o), ("policy", "force", o)
        if option is None:
            continue
        for year, size in sizes.items():
            yield from _in_time(instance, (*place, str(year)), o, option, year)
            if isinstance(option, Stockpile):
                yield from _filled((*place, str(year)), option, size)
            elif isinstance(option, Sized):
                yield from _of_size((*place, str(year)), option, size)
        if isinstance(option, Stockpile):
            yield from _stored(instance, place, option, sizes)
        elif isinstance(option, Sized):
            yield from _altogether(place, option, sizes)
            yield from _tied(instance, place, option, sizes)


def _in_time(instance: Instance, place: Place, o: str, option: Lever, year: int) -> Iterator[Problem]:
    horizon = instance.horizon
    if year not in horizon.years:
        what = f"{year} is outside the horizon, {horizon.start} to {horizon.end}"
        yield place, what, "Choose a year of the horizon.", "error"
    elif not option.allows(year):
        open_years = [each for each in horizon.years if option.allows(each)]
        what = f"{o} may not be decided in {year}"
        cure = "Change its earliest or latest."
        if open_years:
            cure = f"Choose a year from {open_years[0]} to {open_years[-1]}, or change its earliest or latest."
        yield place, what, cure, "error"


def _of_size(place: Place, option: Sized, size: float) -> Iterator[Problem]:
    unit = option.unit_size
    if size > option.max_size * (1 + 1e-9):
        what = f"{size:g} exceeds max_size ({option.max_size:g})"
        yield place, what, f"Write at most {option.max_size:g}, or raise max_size.", "error"
    elif unit > 0 and abs(size / unit - round(size / unit)) > 1e-9 * max(1.0, size / unit):
        some = [units * unit for units in (math.floor(size / unit), math.ceil(size / unit))]
        fits = [f"{each:g}" for each in some if max(option.min_size, unit / 2) <= each <= option.max_size * (1 + 1e-9)]
        cure = f"Write {' or '.join(fits)}." if fits else "Change it, or unit_size."
        yield place, f"{size:g} is no multiple of unit_size ({unit:g})", cure, "error"
    elif size < option.min_size * (1 - 1e-9):
        what = f"{size:g} is less than min_size ({option.min_size:g})"
        yield place, what, f"Write at least {option.min_size:g}, or lower min_size.", "error"


def _altogether(place: Place, option: Sized, sizes: Mapping[int, float]) -> Iterator[Problem]:
    together, years = math.fsum(sizes.values()), [str(year) for year in sorted(sizes)]
    if option.is_lumpy and len(sizes) > 1:
        what = f"is to be bought in {' and in '.join(years)}, but it is opened only once"
        yield place, what, "Keep one of the years: a fixed_cost or a min_size makes it lumpy.", "error"
    elif len(sizes) > 1 and together > option.max_size * (1 + 1e-9) >= max(sizes.values()):
        what = f"{together:g} in all years together exceeds max_size ({option.max_size:g})"
        yield place, what, "Lower some of them, or raise max_size.", "error"


def _tied(instance: Instance, place: Place, option: Sized, sizes: Mapping[int, float]) -> Iterator[Problem]:
    forced, first = instance.policy.force, min(sizes)
    for other in option.excludes:
        if other in forced:
            what = f"has to be bought, and so has {other}, which it excludes"
            yield place, what, "Keep one of the two.", "error"
    for other in option.requires:
        required = instance.options.get(other)
        if other in forced and min(forced[other]) > first:
            what = f"has to be bought in {first}, but {other}, which it requires, only in {min(forced[other])}"
            yield place, what, f"Buy {other} no later, or {option.id} no sooner.", "error"
        elif required is not None and required.earliest is not None and required.earliest > first:
            what = f"has to be bought in {first}, but {other}, which it requires, is open only from {required.earliest}"
            yield place, what, f"Choose {required.earliest} or a later year.", "error"


def _filled(place: Place, pile: Stockpile, size: float) -> Iterator[Problem]:
    if pile.fill_rate is not None and size > pile.fill_rate * (1 + 1e-9):
        what = f"{size:g} t is more than a year's fill_rate ({pile.fill_rate:g} t)"
        yield place, what, f"Write at most {pile.fill_rate:g}, or raise fill_rate.", "error"


def _stored(instance: Instance, place: Place, pile: Stockpile, sizes: Mapping[int, float]) -> Iterator[Problem]:
    """Even if each year's purchase is made in its first period, what is left at its end has to fit."""
    horizon, held = instance.horizon, pile.initial
    yearly = 1.0 - pile.loss
    by_its_end = yearly ** (1.0 - horizon.delta)
    for year in horizon.years:
        held = yearly * held + by_its_end * sizes.get(year, 0.0)
        if year in sizes and pile.max_size is not None and held > pile.max_size * (1 + 1e-9):
            what = f"{held:,.6g} t would be in store at the end of {year}, more than max_size ({pile.max_size:g} t)"
            yield (*place, str(year)), what, "Buy less, or raise max_size.", "error"
            return
