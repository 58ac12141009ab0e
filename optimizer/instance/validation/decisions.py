"""Checks of shocks and decisions: shocks and ensembles, options and required purchases, policy, adversary."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from optimizer.disruptions.adversary import HEAD, JOINT, TAIL, AdversarySpec
from optimizer.disruptions.ensemble import EnsembleSpec
from optimizer.disruptions.shock import Shock, ShockSpec, number_text
from optimizer.errors import Place, Problem
from optimizer.horizon import Horizon
from optimizer.instance.derived import (
    Unchecked,
    can_expand,
    entries_with_cuts,
    entry_probabilities,
    likely_shocks,
    nonmonotone,
    whole_entries,
)
from optimizer.instance.ranges import RANGES
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance
from optimizer.levers import Lever, Sized, Stock
from optimizer.tolerances import MOST_COLUMNS, MOST_EVENTS, ROUNDING
from optimizer.units import least_whole, rounded_up, si

# A duration above this number of months was probably written with a suffix, such as 24M.
MOST_MONTHS = 1200


def instance_is_small_enough(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that there are not too many events, and not too many periods for the number of objects in each."""
    instance, total = unchecked.instance, 0
    periods = len(instance.horizon.periods)
    counts = [(("shocks", s), _count_events(spec, periods)) for s, spec in instance.shocks.items()]
    counts += [(("ensembles", e), spec.count) for e, spec in instance.ensembles.items()]
    for place, count in counts:
        total += count
        if total > MOST_EVENTS:
            what = f"with it there are more than {MOST_EVENTS:,} shocks, those of families and ensembles counted"
            yield place, what, "Take fewer starts, durations, severities or samples.", "error"
            return
    acting = len(instance.processes) + len(instance.options) + len(instance.demands)
    if periods * acting > MOST_COLUMNS:
        what = f"{periods:,} periods for {acting:,} processes, options and segments are too many to compute with"
        yield ("horizon",), what, "Choose a coarser step, or a shorter horizon.", "error"


def _count_events(spec: ShockSpec, periods: int) -> int:
    """Return an upper bound on the number of events of an entry."""
    starts = periods if spec.start.form == "span" else len(spec.start.labels)
    return starts * len(spec.durations.values) * max(1, len(spec.grid.severity) if spec.grid else 1)


def shocks_are_inside_the_horizon(unchecked: Unchecked) -> Iterator[Problem]:
    """Check starts, windows in whole periods, and that severities by period fit their window."""
    horizon = unchecked.instance.horizon
    for s, spec in unchecked.instance.shocks.items():
        months: Place = ("grid", "months") if spec.grid and spec.grid.months else ("months",)
        yield from whole_periods(horizon, ("shocks", s, *months), spec.durations.values)
        for what, cure in spec.start.problems(horizon):
            yield ("shocks", s, "start"), what, cure, "error"
        if spec.grid and spec.grid.severity and not spec.cuts:
            cure = "Add `cuts:`, or remove it."
            yield ("shocks", s, "grid", "severity"), "has no effect: there are no cuts", cure, "warning"
        yield from _check_severities(horizon, ("shocks", s), spec)
    for e, ensemble in unchecked.instance.ensembles.items():
        yield from _check_ensemble(horizon, ("ensembles", e), ensemble)


def _check_severities(horizon: Horizon, place: Place, spec: ShockSpec) -> Iterator[Problem]:
    """Check that no cut lists more severities, one a period, than the longest window has periods."""
    most = round(max(spec.durations.values, default=0.0) / horizon.months)
    for k, cut in enumerate(spec.cuts):
        if len(cut.severity) > most > 0:
            what = f"{len(cut.severity)} severities, one a {horizon.step}, but {most} in the longest window: "
            cure = f"Write one share for each {horizon.step} of the window."
            yield (*place, "cuts", k, "severity"), f"{what}the rest has no effect", cure, "warning"


def _check_ensemble(horizon: Horizon, place: Place, spec: EnsembleSpec) -> Iterator[Problem]:
    for what, cure in spec.start.problems(horizon) if spec.start else ():
        yield (*place, "start"), what, cure, "error"
    if spec.months is not None:
        yield from whole_periods(horizon, (*place, "months"), spec.months.values)
    for name, event in spec.events.items():
        if event.months is not None:
            yield from whole_periods(horizon, (*place, "events", name, "months"), event.months.values)


def whole_periods(horizon: Horizon, place: Place, durations: Iterable[float]) -> Iterator[Problem]:
    """Check that durations in months are whole numbers of periods."""
    for months in durations:
        periods = round(months / horizon.months)
        if periods < 1 or abs(months / horizon.months - periods) > ROUNDING:
            up = math.ceil(months / horizon.months) * horizon.months
            be = "month is" if months == 1 else "months are"
            what = f"{number_text(months)} {be} no whole number of {horizon.step}s"
            yield place, what, f"Write a multiple of {horizon.months}, such as {up}.", "error"
        else:
            yield from _check_length(place, months)


def _check_length(place: Place, months: float) -> Iterator[Problem]:
    if months > MOST_MONTHS:
        what = f"{months:,.0f} months are {months / 12:,.0f} years"
        yield place, what, "Write a number of months without a suffix: M is a million.", "warning"


def probabilities_add_up(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that, for every period, the probabilities of shocks whose windows contain it add to at most 1."""
    if not can_expand(unchecked.instance):
        return
    yield from _outcomes_exclude_each_other(unchecked)
    instance, horizon = unchecked.instance, unchecked.instance.horizon
    section, sums = "shocks" if instance.shocks else "ensembles", _probability_sums(instance)
    worst = max(horizon.periods, key=lambda t: round(sums[t], 12))
    full = next((t for t in horizon.periods if sums[t] >= 1 - ROUNDING), None)
    if sums[worst] > 1 + ROUNDING:
        what = f"the probabilities of shocks whose windows include {horizon.label(worst)} add to {sums[worst]:.4g}"
        yield (section,), what, "Lower them so that no period has more than 1.", "error"
    elif full is not None:
        where = f"shocks whose windows include {horizon.label(full)}"
        what = f"the probabilities of {where} add to 1: the baseline cannot occur then"
        cure = "Lower them, say to 0.99 in all: else the baseline stands in the cost twice, as a cost and as a saving."
        yield (section,), what, cure, "warning"
    elif (total := _total_of_several(instance)) > 1 + ROUNDING:
        what = f"the probabilities of all shocks add to {total:.4g}, but each is valued alone, with full stocks"
        cure = "Lower them, or write shocks that follow each other as one with a list of severities."
        yield (section,), what, cure, "warning"


def _total_of_several(instance: Instance) -> float:
    """Return the sum of all probabilities; 0 without stocks, and for a measure that refuses a sum above 1."""
    total = math.fsum(entry_probabilities(instance))
    return total if instance.stocks and not instance.policy.objective.needs_outcomes else 0.0


def _outcomes_exclude_each_other(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that all probabilities add to at most 1 if the measure assumes at most one shock over the horizon."""
    instance, measure = unchecked.instance, unchecked.instance.policy.objective
    if not measure.needs_outcomes or not can_expand(instance):
        return
    total = math.fsum(event.probability for event in instance.events)
    if total > 1 + ROUNDING:
        what = f"{measure.kind} takes one shock at most, but the probabilities of all shocks add to {total:.4g}"
        yield ("policy", "objective"), what, "Lower them so that they add to 1 at most.", "error"


def _probability_sums(instance: Instance) -> list[float]:
    """Return, for each period, the sum of the probabilities of shocks whose windows contain it."""
    changes: list[list[float]] = [[0.0] for _ in range(len(instance.horizon.periods) + 1)]
    for event in likely_shocks(instance):
        changes[event.periods.start].append(event.probability)
        changes[event.periods.stop].append(-event.probability)
    return list(accumulate(map(math.fsum, changes)))


def released_stock_is_paid_for(unchecked: Unchecked) -> Iterator[Problem]:
    """Report stocks without a release cost, once, if a shock with a probability may use up what can be bought again.

    A release saves a supply that costs money, and the model buys nothing back after the shock: it is a gain.
    """
    if not can_expand(unchecked.instance):
        return
    instance = unchecked.instance
    events = likely_shocks(instance)
    free = [o for o, stock in instance.stocks.items() if _is_released_free(instance, stock, events)]
    if free:
        first = instance.stocks[free[0]]
        what = "stock that a shock with a probability uses is not bought again, and looks cheaper than it is"
        others = f" (the same holds for {', '.join(free[1:])})" if free[1:] else ""
        price = si(first.price.at(instance.horizon.start))
        cure = f"Write as release_cost what a tonne bought back costs, such as its price, {price}, or 0 if none is."
        yield ("options", first.id), f"{what}{others}", cure, "warning"


def _is_released_free(instance: Instance, stock: Stock, events: Sequence[Shock]) -> bool:
    """Return whether a release that costs nothing is possible in one of the shocks, and a purchase after it."""
    bought = [t for t in instance.horizon.periods if stock.allows(instance.horizon.year(t))]
    return _may_release_free(stock) and any(
        (stock.initial > 0 or bought[0] < event.periods.start) and event.periods.stop <= bought[-1]
        for event in (events if bought else ())
    )


def _may_release_free(stock: Stock) -> bool:
    """Return whether a stock can be bought and released, and its file leaves open what a release costs."""
    is_open = "release_cost" in type(stock).model_fields and "release_cost" not in stock.model_fields_set
    if stock.is_free or any(stock.fields_without_effect()):
        return False
    return is_open and stock.fill_rate != 0 and stock.most_released_in_a_year > 0


def cuts_match(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every cut matches an activity, and that every shock or event changes something."""
    for place, spec in entries_with_cuts(unchecked.instance):
        yield from unchecked.unmatched(place, spec.cuts)
    for place, whole in whole_entries(unchecked.instance):
        if not any((whole.cuts, whole.demand, whole.cost, whole.survival, whole.reliability)):
            noun = "event" if "events" in place else str(place[0]).removesuffix("s")
            yield place, "changes nothing", f"Add `cuts:`, or remove the {noun}.", "warning"


def shocks_cut_something(instance: Instance) -> Iterator[Problem]:
    """Check that shocks and events without other effects have a severity above 0."""
    for place, whole in whole_entries(instance):
        others = whole.demand, whole.cost, whole.survival, whole.reliability
        highest = [getattr(each, "high", each) for cut in whole.cuts for each in cut.severity]
        if highest and not any((*others, *highest)):
            yield place, "changes nothing: every severity is 0", "Raise one, or remove the entry.", "warning"


# Decisions: options and required purchases, rules of the policy, attacks of the adversary.


def forced_purchases_are_possible(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that purchases required by `policy.force` are possible: in year, in size, and with tied options."""
    instance = unchecked.instance
    for o, sizes in instance.policy.force.items():
        option, place = instance.options.get(o), ("policy", "force", o)
        if option is None:
            continue
        for year, size in sizes.items():
            yield from _check_year(instance, (*place, str(year)), o, option, year)
            if o in instance.stocks:
                yield from _check_filled((*place, str(year)), instance.stocks[o], size)
            else:
                yield from _check_size((*place, str(year)), instance.sized[o], size)
        if o in instance.stocks:
            yield from _check_stored(instance, place, instance.stocks[o], sizes)
        else:
            yield from _check_total(place, instance.sized[o], sizes)
            yield from _check_tied(instance, place, instance.sized[o], sizes)


def _check_year(instance: Instance, place: Place, o: str, option: Lever, year: int) -> Iterator[Problem]:
    horizon = instance.horizon
    if year not in horizon.years:
        what = f"{year} is outside the horizon, {horizon.start} to {horizon.end}"
        yield place, what, "Choose a year of the horizon.", "error"
    elif not option.allows(year):
        open_years = [each for each in horizon.years if option.allows(each)]
        cure = f"Choose a year from {open_years[0]} to {open_years[-1]}, or change" if open_years else "Change"
        yield place, f"{o} may not be bought in {year}", f"{cure} its earliest or latest.", "error"


def _check_size(place: Place, option: Sized, size: float) -> Iterator[Problem]:
    unit = option.unit_size
    if size > option.max_size * (1 + ROUNDING):
        what = f"{size:g} exceeds max_size ({option.max_size:g})"
        yield place, what, f"Write at most {option.max_size:g}, or raise max_size.", "error"
    elif unit > 0 and abs(size / unit - round(size / unit)) > ROUNDING * max(1.0, size / unit):
        multiples = [units * unit for units in (math.floor(size / unit), math.ceil(size / unit))]
        least, most = max(option.min_size, unit / 2), option.max_size * (1 + ROUNDING)
        fits = [f"{each:g}" for each in multiples if least <= each <= most]
        cure = f"Write {' or '.join(fits)}." if fits else "Change it, or unit_size."
        yield place, f"{size:g} is no multiple of unit_size ({unit:g})", cure, "error"
    elif size < option.min_size * (1 - ROUNDING):
        what = f"{size:g} is less than min_size ({option.min_size:g})"
        yield place, what, f"Write at least {option.min_size:g}, or lower min_size.", "error"


def _check_total(place: Place, option: Sized, sizes: Mapping[int, float]) -> Iterator[Problem]:
    together, years = math.fsum(sizes.values()), [str(year) for year in sorted(sizes)]
    if option.is_fixed_charge and len(sizes) > 1:
        what = f"is to be bought in {' and in '.join(years)}, but it is opened only once"
        yield place, what, "Keep one of the years: a fixed_cost or a min_size makes it a fixed-charge option.", "error"
    elif len(sizes) > 1 and together > option.max_size * (1 + ROUNDING) >= max(sizes.values()):
        what = f"{together:g} in all years together exceeds max_size ({option.max_size:g})"
        yield place, what, "Lower some of them, or raise max_size.", "error"


def _check_tied(instance: Instance, place: Place, option: Sized, sizes: Mapping[int, float]) -> Iterator[Problem]:
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


def _check_filled(place: Place, stock: Stock, size: float) -> Iterator[Problem]:
    if stock.fill_rate is not None and size > stock.fill_rate * (1 + ROUNDING):
        what = f"{size:g} t is more than a year's fill_rate ({stock.fill_rate:g} t)"
        yield place, what, f"Write at most {stock.fill_rate:g}, or raise fill_rate.", "error"


def _check_stored(instance: Instance, place: Place, stock: Stock, sizes: Mapping[int, float]) -> Iterator[Problem]:
    """Check that `max_size` holds the stock left at the end of each year, even if bought in its first period."""
    horizon, held = instance.horizon, stock.initial
    yearly = 1.0 - stock.loss
    by_its_end = yearly ** (1.0 - horizon.delta)
    for year in horizon.years:
        held = yearly * held + by_its_end * sizes.get(year, 0.0)
        if year in sizes and stock.max_size is not None and held > stock.max_size * (1 + ROUNDING):
            what = f"{held:,.6g} t would be in store at the end of {year}, more than max_size ({stock.max_size:g} t)"
            yield (*place, str(year)), what, "Buy less, or raise max_size.", "error"
            return


def rules_have_an_effect(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every policy rule applies in some year, and that rules on time to survive concern some floor."""
    instance, policy = unchecked.instance, unchecked.instance.policy
    for field in ("max_share", "min_share"):
        for i, share in enumerate(getattr(policy, field)):
            yield from _check_begin(instance, ("policy", field, i), share.from_)
    rules = policy.min_time_to_survive
    for i, rule in enumerate(rules):
        place = ("policy", MIN_TIME_TO_SURVIVE, i)
        yield from _check_begin(instance, place, rule.from_)
        yield from _check_length((*place, "months"), rule.months)
        for k, cut in enumerate(rule.cuts):
            if len(cut.severity) > 1:
                what = "a severity by period, but these cuts stay as they are"
                yield (*place, "cuts", k, "severity"), what, "Write one share.", "error"
        yield from unchecked.unmatched(place, rule.cuts)
    if rules and not any(max(demand.survival.values) > 0 for demand in instance.demands.values()):
        cure = "Give a segment a floor (`survival:`), or remove it."
        yield ("policy", MIN_TIME_TO_SURVIVE), "has no effect: no segment has a floor", cure, "warning"


def _check_begin(instance: Instance, place: Place, year: int | None) -> Iterator[Problem]:
    """Check that a rule begins within the horizon."""
    last = instance.horizon.end
    if year is not None and year > last:
        what = f"never applies: {year} is after the horizon, which ends in {last}"
        yield (*place, "from"), what, "Choose a year of the horizon, or remove the rule.", "warning"


def ranges_have_an_effect(unchecked: Unchecked) -> Iterator[Problem]:
    """Report ranges of reliabilities and floors of which every shock has its own value."""
    instance = unchecked.instance
    specs, rules = instance.shocks.values(), instance.policy.min_time_to_survive
    counts_elsewhere = not specs or instance.ensembles or instance.adversary is not None or rules
    for path in () if counts_elsewhere else instance.ranges:
        owner, field = ("", *path.split("."))[-2:]
        if field in ("reliability", "survival") and all(owner in getattr(spec, field) for spec in specs):
            what = f"every shock has its own {field} of {owner}, so that this changes no plan"
            yield (RANGES, path), what, f"Give a range to that of the shocks: shocks.*.{field}.{owner}.", "warning"


def adversary_can_act(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that the adversary can afford its targets, attack within the horizon, and break a floor."""
    if unchecked.instance.adversary is None:
        return
    instance, adversary = unchecked.instance, unchecked.instance.adversary
    yield from whole_periods(instance.horizon, ("adversary", "months"), [adversary.months])
    for what, cure in adversary.starts.problems(instance.horizon):
        yield ("adversary", "starts"), what, cure, "error"
    if adversary.attack_budget == 0 and adversary.deterrents:
        cure = "Write a budget above 0, or remove `deterrence` from the targets."
        yield ("adversary", "attack_budget"), "is 0, so that no share of it can deter an attack", cure, "error"
    affords_any = any(adversary.affords([name]) for name in adversary.targets)
    for name in adversary.targets:
        yield from _check_target(unchecked, instance, name, affords_any=affords_any)
    if not affords_any:
        yield ("adversary", "attack_budget"), "no target can be afforded", "Raise it, or remove `adversary`.", "warning"
    yield from nonmonotone(instance)
    if not any(max(demand.survival.values) > 0 for demand in instance.demands.values()):
        cure = "Give a segment a floor (`survival:`), or remove the adversary."
        yield ("adversary",), "has no effect: no segment has a floor", cure, "warning"
    yield from _check_attack_names(instance, adversary)


def _check_target(unchecked: Unchecked, instance: Instance, name: str, *, affords_any: bool) -> Iterator[Problem]:
    assert instance.adversary is not None
    adversary, place = instance.adversary, ("adversary", "targets", name)
    target = adversary.targets[name]
    sign = next((sign for sign in (JOINT, HEAD[-1], TAIL) if sign in name), None)
    if sign is not None:
        what = f'its name has "{sign}", which has a meaning in the names of attacks'
        yield place, what, "Give it another name.", "error"
    if affords_any and target.price > adversary.attack_budget:
        what = f"its price ({target.price:g}) is more than attack_budget ({adversary.attack_budget:g})"
        yield (*place, "price"), what, "It is never attacked; lower the price, or remove it.", "warning"
    yield from unchecked.unmatched(place, target.cuts)


def _check_attack_names(instance: Instance, adversary: AdversarySpec) -> Iterator[Problem]:
    """Report shocks named like an attack that differ from it; a saved plan lists the attacks it was made against."""
    for s, spec in instance.shocks.items():
        names = adversary.targets_of(s)
        if names is not None and spec != adversary.shock(names, spec.start.labels):
            cure = "Give it another name, or remove it: --adversary writes out the attacks that it needs."
            yield ("shocks", s), "has the name of an attack of the adversary, but differs from it", cure, "error"


# The maximum number of units of one option. HiGHS accepts a number as integral within 1e-6 and drops coefficients below
# 1e-9: far beyond 1e7 units, sizes no longer match their units, and a wrong plan is reported as optimal.
MOST_UNITS = 1e7


def options_can_be_bought_in_time(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that every option can be bought within the horizon, early enough to work."""
    horizon = unchecked.instance.horizon
    for o, option in unchecked.instance.options.items():
        place: Place = ("options", o)
        if option.earliest is not None and option.latest is not None and option.earliest > option.latest:
            what = f"earliest ({option.earliest}) is after latest ({option.latest})"
            yield (*place, "earliest"), what, "Swap them, or move one.", "error"
        elif not any(option.allows(year) for year in horizon.years):
            what = f"can never be bought within the horizon, {horizon.start} to {horizon.end}"
            yield place, what, "Move earliest or latest into the horizon, or remove the option.", "warning"
        elif o in unchecked.instance.sized:
            yield from _check_lead_time(unchecked.instance, place, unchecked.instance.sized[o])


def _check_lead_time(instance: Instance, place: Place, option: Sized) -> Iterator[Problem]:
    horizon = instance.horizon
    first = next((a for a in horizon.decisions if option.allows(horizon.year(a))), None)
    if first is None or first + horizon.whole(option.lead_time) >= len(horizon.periods):
        what = f"never works within the horizon: its lead time is {option.lead_time:g} months"
        yield (*place, "lead_time"), what, "Lead times are in months; shorten it, or lengthen the horizon.", "warning"


def sizes_are_possible(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that limits on size are consistent with each other, with unit sizes, and with the scale of demand."""
    largest = max((max(demand.quantity.values) for demand in unchecked.instance.demands.values()), default=0.0)
    for o, option in unchecked.instance.sized.items():
        place: Place = ("options", o)
        if option.is_fixed_charge and largest > 0 and option.max_size > 1e8 * largest:
            what = f"max_size ({option.max_size:g}) is {option.max_size / largest:.0e} times the largest demand"
            yield (*place, "max_size"), what, "Write the largest size that could really be built.", "error"
        yield from _check_limits(place, option)


def _check_limits(place: Place, option: Sized) -> Iterator[Problem]:
    if option.max_size == 0.0:
        # Nothing of it can be bought, as in a future without it.
        return
    too_large = [field for field in ("min_size", "unit_size") if getattr(option, field) > option.max_size]
    for field in too_large:
        what = f"{field} ({getattr(option, field):g}) exceeds max_size ({option.max_size:g})"
        yield (*place, field), what, f"Lower {field} or raise max_size.", "error"
    if option.unit_size > 0 and not too_large:
        yield from _check_units(place, option)


def _check_units(place: Place, option: Sized) -> Iterator[Problem]:
    """Check that some number of units lies within the size limits, and that the solver can represent it."""
    unit, most = option.unit_size, option.max_size
    if most / unit > MOST_UNITS:
        what = f"max_size ({most:g}) holds {most / unit:.1e} units of unit_size ({unit:g}), more than 10 million"
        least = rounded_up(most / MOST_UNITS, 2)
        cure = f"Write a unit_size of {least:g} or more, a smaller max_size, or no unit_size at all."
        yield (*place, "unit_size"), what, cure, "error"
    elif least_whole(option.min_size / unit) * unit > most * (1 + ROUNDING):
        what = f"can never be bought: no multiple of {unit:g} lies from {option.min_size:g} to {most:g}"
        yield (*place, "unit_size"), what, "Change unit_size, min_size or max_size.", "warning"


def ties_are_between_fixed_charge_options(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that `requires` and `excludes` connect fixed-charge options, the only ones that are opened."""
    options, sized = unchecked.instance.options, unchecked.instance.sized
    for o, option in sized.items():
        for field in ("requires", "excludes"):
            others = getattr(option, field)
            place: Place = ("options", o, field)
            if o in others:
                yield place, f"{o} {field} itself", "Remove it.", "error"
            for name in [o, *others] if others else []:
                if name in options and not options[name].is_fixed_charge:
                    what = f'"{name}" is no fixed-charge option, so it is never opened'
                    of_size = f"Give {name} a fixed_cost or a min_size, which make it one; a unit_size does not."
                    cure = of_size if name in sized else "Name another kind of option."
                    yield place, what, cure, "error"


def required_options_can_be_opened(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that required options can be opened in time, and do not exclude each other or the option itself."""
    sized = unchecked.instance.sized
    for o, option in sized.items():
        needed = {o: option} | {name: sized[name] for name in option.requires if name in sized}
        place: Place = ("options", o, "requires")
        late = next((name for name, each in needed.items() if _opens_after(each, option)), None)
        for both in _excluding_pairs(needed):
            names = " and ".join(sorted({*both} - {o}))
            what = f"can never be bought: it requires {names}, and one of the two excludes the other"
            yield place, what, "Remove one of the two ties.", "warning"
        if late is not None and late != o:
            what = f"can never be bought: {late}, which it requires, is open only after {option.latest}"
            yield place, what, f"Move latest of {o}, or earliest of {late}.", "warning"


def _excluding_pairs(needed: Mapping[str, Sized]) -> Iterator[tuple[str, str]]:
    """Yield pairs of options of which the first excludes the second."""
    for name, option in needed.items():
        yield from ((name, other) for other in option.excludes if other in needed and other != name)


def _opens_after(required: Sized, option: Sized) -> bool:
    return required.earliest is not None and option.latest is not None and required.earliest > option.latest
