"""Lint: checks of valid but suspicious input: options without effect, names that look alike, figures in another unit.

A figure far from all others of its sort is probably in another unit. Comparable figures form a group: the costs of a
tonne of one commodity, the capex of the options that make it, the demands of its segments. A group, sorted by size, is
split where two neighbours differ by the `gap` of its sort or more. Every figure outside the largest part is reported,
with its nearest neighbours in that part and the figure that may have been meant.
"""

import math
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from optimizer.errors import Place, Problem, unswap_year
from optimizer.instance.derived import (
    Unchecked,
    activity_section,
    entries_with_cuts,
    entry_probabilities,
    free_floors,
    names_in_cuts,
    series_by_place,
)
from optimizer.instance.schema import Instance
from optimizer.units import Series


def options_have_an_effect(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that no option has a field whose value of 0 makes it useless."""
    instance, adversary = unchecked.instance, unchecked.instance.adversary
    elsewhere = {("restraint", o) for o in (adversary.deterrents if adversary else ())}
    elsewhere |= {("reliability", o) for _, entry in entries_with_cuts(instance) for o in entry.reliability or ()}
    for o, option in instance.options.items():
        for field, fate in option.fields_without_effect():
            if (field, o) in elsewhere:
                continue
            cure = {"ramp": "Write a share above 0, or remove it."}.get(field, f"Raise {field}, or remove the option.")
            yield ("options", o, field), f"{field} is 0: {fate}", cure, "warning"


def purchases_are_not_free(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that no useful option is free."""
    for o, option in unchecked.instance.options.items():
        if option.is_free and not any(option.fields_without_effect()):
            yield ("options", o), "costs nothing to buy", option.price_cure, "warning"


def salvaged_stock_is_left_by_shocks(unchecked: Unchecked) -> Iterator[Problem]:
    """Report salvage, once, on stock that shocks with probabilities may use up and whose `release_cost` is below it."""
    stocks = {o: (getattr(each, "release_cost", 0.0), each) for o, each in unchecked.instance.stocks.items()}
    paid = [o for o, (cost, each) in stocks.items() if each.salvage * max(each.price.values) > cost]
    if paid and any(entry_probabilities(unchecked.instance)):
        others = f" (the same holds for {', '.join(paid[1:])})" if paid[1:] else ""
        what = f"salvage is paid on the baseline stock, which a shock with a probability may use up{others}"
        cure = "Leave out salvage or the probabilities, or write as release_cost what a tonne bought back costs: "
        cure += "otherwise the cost of such a shock is understated."
        yield ("options", paid[0], "salvage"), what, cure, "warning"


def floors_have_a_shortage_cost(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that segments with a floor have a shortage cost; without one, the survival gap does not count them."""
    for d in free_floors(unchecked.instance):
        what = "has a floor, but a shortage_cost of 0: the survival gap leaves its shortages out"
        yield ("demands", d, "shortage_cost"), what, "Write in shortage_cost what a missing tonne costs.", "warning"


_SECTIONS = ("commodities", "processes", "demands", "options", "shocks", "ensembles")
# Names below SHORTEST are often one letter apart (Iran, Iraq), but rarely from a longer one (chna); those above
# LONGEST_WORD are no names of regions.
SHORTEST, LONGEST_WORD = 5, 40
# A factor of demand or cost in a shock is rarely larger than this.
LARGEST_FACTOR = 50
_SEPARATORS = re.compile(r"[\s._-]+")


def ids_can_be_distinguished(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that ids of a section, regions, and stages differ in more than case, spaces and separators."""
    for section in _SECTIONS:
        ids: dict[str, list[Place]] = {name: [(section, name)] for name in getattr(unchecked.instance, section)}
        yield from _check_alike("the id", ids)
    yield from _check_alike("the region", _regions(unchecked.instance))
    yield from _check_alike("the stage", _places_by_value(unchecked.instance, "stage"))


def _check_alike(noun: str, places: Mapping[str, list[Place]]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in places:
        first = seen.setdefault(_fold_name(name), name)
        if first != name:
            what = f'{noun} "{name}" differs from "{first}" in case, spaces or separators only'
            yield places[name][0], what, f'Write "{first}" if it is the same; give it another name if not.', "warning"


def regions_can_be_distinguished(unchecked: Unchecked) -> Iterator[Problem]:
    """Report a region or stage that is used once and differs by one letter from another: probably a typing error."""
    instance = unchecked.instance
    for noun, places in (("region", _regions(instance)), ("stage", _places_by_value(instance, "stage"))):
        cut_names = names_in_cuts(instance, noun)
        for first, second in _neighbours(places):
            rare, usual = sorted((second, first), key=lambda name: len(places[name]))
            count = len(places[usual])
            if len(places[rare]) == 1 and rare not in cut_names and _is_likely_slip(noun, rare, usual, count):
                times = "once" if count == 1 else f"{count} times"
                what = f'the {noun} "{rare}" occurs only here, one letter from "{usual}", which occurs {times}'
                yield places[rare][0], what, f'Write "{usual}" if that is meant.', "warning"


def _is_likely_slip(noun: str, rare: str, usual: str, count: int) -> bool:
    """Return whether a name is no word of its own, as mining is beside mixing, Laos beside Lagos."""
    is_replaced = len(rare) == len(usual) and sorted(rare) != sorted(usual)
    is_long_region = noun == "region" and min(len(rare), len(usual)) >= SHORTEST
    return is_long_region or (count > 1 and not is_replaced)


def home_is_the_region_of_an_activity(unchecked: Unchecked) -> Iterator[Problem]:
    """Report `home` if it is the region of no process or option but nearly the name of one."""
    home, written = unchecked.instance.home, _regions(unchecked.instance)
    if home is None or home in written:
        return
    near = [name for name in written if _fold_name(name) == _fold_name(home) or _is_one_letter(home, name)]
    if near:
        what = f'home is "{home}", but no process is there; one is in "{near[0]}"'
        yield ("home",), what, f'Did you mean "{near[0]}"?', "warning"


def _regions(instance: Instance) -> dict[str, list[Place]]:
    """Return the places where each region is written, without home regions that were filled in."""
    places = _places_by_value(instance, "region")
    if instance.home in places:
        options = instance.options
        filled_in = {o for o, option in options.items() if option.is_at_home}
        places[instance.home] = [place for place in places[instance.home] if place[1] not in filled_in]
    return {region: found for region, found in places.items() if found}


def _places_by_value(instance: Instance, field: str) -> dict[str, list[Place]]:
    """Return the places where each region or stage is written, among processes and producing options."""
    places: dict[str, list[Place]] = {}
    for name, activity in instance.activities.items():
        if value := getattr(activity, field):
            places.setdefault(value, []).append((activity_section(instance, name), name, field))
    return places


def _fold_name(name: str) -> str:
    return _SEPARATORS.sub("", name.casefold())


def _neighbours(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of names one letter apart, found by comparing the names with one letter removed."""
    left: dict[str, list[str]] = {}
    for name in names:
        if not SHORTEST - 1 <= len(name) <= LONGEST_WORD:
            continue
        rests = {name[:i] + name[i + 1 :] for i in range(len(name))} | {name}
        others = dict.fromkeys(other for rest in rests for other in left.get(rest, ())[:SHORTEST])
        yield from ((other, name) for other in others if _is_one_letter(other, name))
        for rest in rests:
            left.setdefault(rest, []).append(name)


def _is_one_letter(one: str, other: str) -> bool:
    """Return whether two names differ by one letter omitted, inserted, replaced, or swapped with the next.

    Differences in digits, or a replaced last letter, number the members of a series and do not count. Nor do other
    first letters: Gambia and Zambia, east and beast.
    """
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    if one == other or len(short) < SHORTEST - 1 or len(long) < SHORTEST:
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return _is_slip(short[at:], long[at:]) and (at > 0 or sorted(short) == sorted(long))


def _is_slip(left: str, right: str) -> bool:
    """Return whether the remainders of two names, after their common beginning, differ by one letter as above."""
    is_inserted = left == right[1:]
    is_replaced = len(left) == len(right) > 1 and left[:1].isalpha() and left[1:] == right[1:]
    is_exchanged = len(right) > 1 and left[:1].isalpha() and left == right[1::-1] + right[2:]
    return right[:1].isalpha() and (is_inserted or is_replaced or is_exchanged)


# A missing or superfluous suffix, or kg in place of t, is a factor of 1,000. In the shipped instances, the largest
# factors between a number and its nearest neighbour are 83 (prices of one commodity), 31 (all costs and prices of a
# file) and 12 (capex).
GAP_OF_PRICES, GAP_OF_FILE, GAP = 150.0, 50.0, 250.0
# Segments differ more: defence may need a hundredth of the demand for cars.
GAP_OF_TONNES = 500.0
# Factor between one year of a series and the years before and after it.
LEAP = 100.0
# Factor between a figure and the median of all figures of its sort.
SPREAD = 1e4
UNITS = "data are in t, t/yr and whole currency units."


@dataclass(frozen=True)
class _Figure:
    """A number of the file: its place, description, value as written, size for comparison, and unit."""

    place: Place
    what: str
    value: float
    size: float
    unit: str

    def __str__(self) -> str:
        return f"{self.what} {self.amount}"

    @property
    def amount(self) -> str:
        """The value, with the size by which it is compared if that is another, such as a cost per t of output."""
        by_output = f" ({_format_amount(self.size)} by output)" if self.size != self.value else ""
        return f"{_format_amount(self.value)}{by_output}"


# Full costs of a tonne by commodity, and costs of conversion by outputs.
type _PerTonne = tuple[dict[str, list[_Figure]], dict[str, list[_Figure]]]


@dataclass(frozen=True)
class _Group:
    """Comparable figures; of two equally large parts, the one nearer to `around` is taken as correct."""

    figures: Sequence[_Figure]
    around: Sequence[float] = ()
    gap: float = GAP
    high_only: bool = False


def multipliers_are_plausible(unchecked: Unchecked) -> Iterator[Problem]:
    """Check that factors of demand and cost in shocks are not given in per cent."""
    for place, spec in entries_with_cuts(unchecked.instance):
        for field in ("demand", "cost"):
            for name, factor in (getattr(spec, field, None) or {}).items():
                if factor > LARGEST_FACTOR:
                    what = f"the {field} in the shock is {factor:,g} times the usual one"
                    yield (*place, field, name), what, f"Write {factor / 100:g} for {factor:g} %.", "warning"


def magnitudes_are_plausible(unchecked: Unchecked) -> Iterator[Problem]:
    """Report numbers powers of ten away from others of their sort: they are often in kg, or in millions."""
    rate = unchecked.instance.discount_rate
    if rate > 0.3:
        cure = f"Write {rate / 100:g} for {rate:g} %." if rate >= 1 else "It is a share per year: 0.05 for 5 %."
        yield ("discount_rate",), f"{rate:g} is a discount of {100 * rate:g} % a year", cure, "warning"
    reported: set[Place] = set()
    yield from _find_swapped_digits(unchecked.instance)
    yield from _find_leaps(unchecked.instance, reported)
    per_tonne, capex = _per_tonne(unchecked.instance), list(_capex_groups(unchecked.instance))
    for group in _groups(unchecked.instance, per_tonne, capex):
        for figure, main in _find_strays(group):
            # Beside a figure that is reported itself, the others may well be right.
            if figure.place not in reported and any(each.place not in reported for each in main):
                reported.add(figure.place)
                yield _stray_problem(figure, main)
    yield from _cheap_shortages(unchecked.instance, reported)
    for sort, figures in _figures_by_sort(unchecked.instance, per_tonne, capex).items():
        yield from _find_outliers(sort, figures, reported)


def _find_strays(group: _Group) -> Iterator[tuple[_Figure, Sequence[_Figure]]]:
    """Yield the figures outside the main part of a group, each with the figures of that part in order of size."""
    parts = list(_split_parts(group))
    if len(parts) < 2:
        return
    main = _main_part(parts, [size for size in group.around if size > 0])
    for part in parts:
        if part is not main and (part[0].size > main[0].size or not group.high_only):
            yield from ((figure, main) for figure in part)


def _main_part(parts: Sequence[list[_Figure]], around: Sequence[float]) -> list[_Figure]:
    """Return the part with most figures; of equal ones, the one nearest to the median of `around` or of all figures."""
    middle = statistics.median(map(math.log, around or [figure.size for part in parts for figure in part]))

    def weight(part: Sequence[_Figure]) -> tuple[int, float, float]:
        size = math.log(part[len(part) // 2].size)
        return len(part), -round(abs(size - middle), 6), size

    return max(parts, key=weight)


def _split_parts(group: _Group) -> Iterator[list[_Figure]]:
    """Yield the parts of a group: figures sorted by size and split where neighbours differ by a factor of its gap."""
    part: list[_Figure] = []
    for figure in sorted((figure for figure in group.figures if figure.size > 0), key=lambda figure: figure.size):
        if part and figure.size / part[-1].size >= group.gap:
            yield part
            part = []
        part.append(figure)
    if part:
        yield part


def _stray_problem(figure: _Figure, main: Sequence[_Figure]) -> Problem:
    is_high = figure.size > main[-1].size
    nearest = main[-1] if is_high else main[0]
    ratio = figure.size / nearest.size
    times = f"{ratio:,.0f} times" if is_high else f"1/{1 / ratio:,.0f} of"
    beside = main[:-4:-1] if is_high else main[:3]
    unit = f" {figure.unit}".rstrip()
    # A capex may stand beside a cost, which has another unit.
    are_alike = all(each.unit == figure.unit for each in beside)
    names = ", ".join(str(each) if are_alike else f"{each} {each.unit}" for each in beside) + unit * are_alike
    what = f"{figure.amount}{unit} is {times} the nearest figure that it can be compared with: {names}"
    middle = main[len(main) // 2].size
    factor = min((1e-6, 1e-3, 1e3, 1e6), key=lambda factor: abs(math.log(factor * figure.size / middle)))
    meant = _format_amount(factor * figure.value)
    cure = f"Write {meant} if that is meant, or correct the figures beside it: {UNITS}"
    return figure.place, what, cure, "warning"


def _format_amount(value: float) -> str:
    """Format a number as in a file: 45k, 1.2M."""
    for least, size, suffix in ((1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / size:.6g}{suffix}"
    return f"{value:.6g}"


def _largest_value(series: Series) -> float:
    return max((value for _, value in series.points), key=abs)


def _groups(instance: Instance, per_tonne: _PerTonne, capex: Iterable[_Group]) -> Iterator[_Group]:
    prices, conversions = per_tonne
    everything = [figure for figures in (*prices.values(), *conversions.values()) for figure in figures]
    around = [figure.size for figure in everything]
    yield from (_Group(figures, around, GAP_OF_PRICES) for figures in (*prices.values(), *conversions.values()))
    yield _Group(everything, gap=GAP_OF_FILE)
    yield _Group(_shortage_costs(instance), around)
    yield from capex
    yield from _tonne_groups(instance)


def _per_tonne(instance: Instance) -> _PerTonne:
    """Return the full costs of a tonne by commodity, and the costs of converting inputs by outputs."""
    prices, conversions = dict[str, list[_Figure]](), dict[str, list[_Figure]]()
    unit = f"{instance.money} per t"
    for name, activity in instance.activities.items():
        place, cost = (activity_section(instance, name), name, "cost"), _largest_value(activity.cost)
        outputs = ", ".join(sorted(activity.output))
        share = max(activity.output.values(), default=0.0) if len(activity.output) == 1 else 1.0
        figure = _Figure(place, f"cost of {name}", cost, cost / share if share else 0.0, unit)
        whole = not activity.input and len(activity.output) == 1
        (prices if whole else conversions).setdefault(outputs, []).append(figure)
    for o, option in instance.options.items():
        for field, of, series in option.prices():
            price, commodity = _largest_value(series), instance.demands[of].commodity if of in instance.demands else of
            figure = _Figure(("options", o, field), f"{field} of {o}", price, price, unit)
            prices.setdefault(commodity, []).append(figure)
    return prices, conversions


def _shortage_costs(instance: Instance) -> list[_Figure]:
    unit = f"{instance.money} per t"
    return [
        _Figure(("demands", d, "shortage_cost"), f"shortage_cost of {d}", each.shortage_cost, each.shortage_cost, unit)
        for d, each in instance.demands.items()
    ]


def _cheap_shortages(instance: Instance, reported: set[Place]) -> Iterator[Problem]:
    """Report segments whose shortage cost is below the cost of any existing supply: only their floors are served."""
    least = {c: min(figures, key=lambda each: each.size) for c, figures in _least_costs(instance).items()}
    for d, demand in instance.demands.items():
        supply, place = least.get(demand.commodity), ("demands", d, "shortage_cost")
        if supply and 0 < demand.shortage_cost < supply.size and not reported & {supply.place, place}:
            figure = f"{_format_amount(demand.shortage_cost)} {supply.unit}"
            what = f"{figure} is less than any supply costs: {supply} {supply.unit}"
            cure = f"Write what a tonne missing costs, such as {_format_amount(1e3 * demand.shortage_cost)}: {UNITS}"
            yield place, what, cure, "warning"


def _least_costs(instance: Instance) -> dict[str, list[_Figure]]:
    """Return, by commodity, the least cost of a tonne in each process; 0 if other outputs may pay for it."""
    found, unit = dict[str, list[_Figure]](), f"{instance.money} per t"
    for p, process in instance.processes.items():
        place, cost = ("processes", p, "cost"), min(process.cost.values)
        for c, made in process.output.items():
            size = max(0.0, cost / made) if len(process.output) == 1 and made > 0 else 0.0
            found.setdefault(c, []).append(_Figure(place, f"cost of {p}", cost, size, unit))
    return found


def _capex_groups(instance: Instance) -> Iterator[_Group]:
    """Yield groups of capex: options with equal outputs, options with one `capex_group`, a plant with its own cost."""
    unit = f"{instance.money} per t/yr"
    alike, groups = dict[str, list[_Figure]](), dict[str, list[_Figure]]()
    own: list[_Group] = []
    for o, option in instance.sized.items():
        capex = _largest_value(option.capex)
        figure = _Figure(("options", o, "capex"), f"capex of {o}", capex, capex, unit)
        if option.capex_group is not None:
            groups.setdefault(option.capex_group, []).append(figure)
        activity = instance.activities.get(o)
        if activity is not None:
            alike.setdefault(", ".join(sorted(activity.output)), []).append(figure)
            cost = _largest_value(activity.cost)
            beside = _Figure(("options", o, "cost"), f"cost of {o}", cost, cost, f"{instance.money} per t")
            own.append(_Group([figure, beside], [cost]))
    yield from own
    yield from map(_Group, alike.values())
    yield from map(_Group, groups.values())


def _tonne_groups(instance: Instance) -> Iterator[_Group]:
    """Yield groups of tonnes by commodity: demands of segments, a lone demand with the largest capacity, capacities."""
    demanded, made = dict[str, list[_Figure]](), dict[str, list[_Figure]]()
    for d, demand in instance.demands.items():
        quantity = _largest_value(demand.quantity)
        figure = _Figure(("demands", d, "quantity"), f"quantity of {d}", quantity, quantity, "t/yr")
        demanded.setdefault(demand.commodity, []).append(figure)
    for p, process in instance.processes.items():
        capacity = _largest_value(process.capacity)
        for commodity, share in process.output.items() if len(process.output) == 1 else ():
            figure = _Figure(("processes", p, "capacity"), f"capacity of {p}", capacity, capacity * share, "t/yr")
            made.setdefault(commodity, []).append(figure)
    for commodity, figures in demanded.items():
        capacities = made.get(commodity, [])
        yield _Group(figures, [figure.size for figure in capacities], GAP_OF_TONNES)
        if capacities and len(figures) == 1:
            largest = max(capacities, key=lambda figure: figure.size)
            yield _Group([*figures, largest], [largest.size], GAP_OF_TONNES)
    for commodity, figures in made.items():
        yield _Group([*figures, *demanded.get(commodity, [])], (), GAP_OF_TONNES, high_only=True)


def _find_swapped_digits(instance: Instance) -> Iterator[Problem]:
    """Report a year of a series after the horizon if swapped digits make one within it, with other values there."""
    horizon = instance.horizon
    for place, series in series_by_place(instance):
        meant = unswap_year([year for year, _ in series.points], horizon.years)
        moved = Series(tuple(sorted((meant.get(year, year), value) for year, value in series.points)))
        if any(moved.at(year) != series.at(year) for year in horizon.years):
            ((late, year),) = meant.items()
            what = f"{late} is after the horizon, which ends in {horizon.end}; values are interpolated to it"
            yield (*place, str(late)), what, f"Write {year} if that is meant.", "warning"


def _find_leaps(instance: Instance, reported: set[Place]) -> Iterator[Problem]:
    """Report years of a series that lie far above, or far below, both the year before and the year after.

    A series is compared with others by its largest value. If a year lies far above, its series counts as `reported`.
    """
    for place, series in series_by_place(instance):
        for before, (year, value), after in zip(series.points, series.points[1:], series.points[2:], strict=False):
            ratio = _leap(abs(before[1]), abs(value), abs(after[1]))
            if 1 / LEAP < ratio < LEAP:
                continue
            if ratio > 1:
                reported.add(place)
            times = f"{ratio:,.0f} times" if ratio > 1 else f"1/{1 / ratio:,.0f} of"
            beside = ", ".join(f"{_format_amount(other)} in {at}" for at, other in (before, after))
            what = f"{_format_amount(value)} in {year} is {times} its nearest neighbour: {beside}"
            meant = _format_amount(value * (1e-3 if ratio > 1 else 1e3))
            yield (*place, str(year)), what, f"Write {meant} if that is meant: {UNITS}", "warning"


def _leap(before: float, value: float, after: float) -> float:
    """Return the ratio of a size to the nearer of its neighbours; 1 if it lies between them, or one of them is 0."""
    if not before * value * after or (value - before) * (value - after) <= 0:
        return 1.0
    return min((value / before, value / after), key=lambda ratio: abs(math.log(ratio)))


def _find_outliers(sort: str, figures: Iterable[_Figure], reported: set[Place]) -> Iterator[Problem]:
    sized = [figure for figure in figures if figure.value]
    if len(sized) < 4:
        return
    middle = statistics.median(abs(figure.value) for figure in sized)
    for figure in sized:
        ratio = abs(figure.value) / middle
        if figure.place not in reported and not 1 / SPREAD <= ratio <= SPREAD:
            times = f"{ratio:,.0f} times" if ratio > 1 else f"1/{1 / ratio:,.0f} of"
            what = f"{figure.value:g} is {times} the median of all {sort} here, {middle:g}"
            yield figure.place, what, f"Check its unit: {UNITS}", "warning"


def _figures_by_sort(instance: Instance, per_tonne: _PerTonne, capex: Iterable[_Group]) -> dict[str, list[_Figure]]:
    """Return all figures by sort, over all objects."""
    costs = [figure for of_all in per_tonne for figures in of_all.values() for figure in figures]
    by_place = {each.place: each for group in capex for each in group.figures if each.place[-1] == "capex"}
    return {
        f"costs and prices ({instance.money} per t)": costs,
        f"capex ({instance.money} per t/yr)": list(by_place.values()),
        f"shortage costs ({instance.money} per t)": _shortage_costs(instance),
        "inputs and outputs (t per t)": _ratios(instance),
    }


def _ratios(instance: Instance) -> list[_Figure]:
    return [
        _Figure((activity_section(instance, name), name, field, commodity), "", value, value, "")
        for name, activity in instance.activities.items()
        for field, ratios in (("input", activity.input), ("output", activity.output))
        for commodity, value in ratios.items()
    ]
