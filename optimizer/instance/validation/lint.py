"""Lint: checks of valid but suspicious input, such as options of no use and names that look alike."""

import re
from collections.abc import Iterable, Iterator, Mapping

from optimizer.errors import Place, Problem
from optimizer.instance.derived import free_floors
from optimizer.instance.schema import Instance
from optimizer.instance.validation.unchecked import Unchecked


def options_do_something(unchecked: Unchecked) -> Iterator[Problem]:
    """Every option can be bought, and is of some use then."""
    for o, option in unchecked.instance.options.items():
        for field, fate in option.fields_without_effect():
            cure = f"Raise {field}, or remove the option."
            if field == "ramp":
                cure = "Write a share above 0, or remove it."
            yield ("options", o, field), f"{field} is 0: {fate}", cure, "warning"


def display_names_are_distinct(unchecked: Unchecked) -> Iterator[Problem]:
    """Two of a kind do not look the same in a table."""
    for section in ("regions", "commodities", "processes", "demands", "options"):
        seen: dict[tuple[str, str], str] = {}
        for key, each in getattr(unchecked.instance, section).items():
            first = seen.setdefault((each.name or key, getattr(each, "kind", "")), key)
            if first != key:
                what = f'has the same name as {first}, "{each.name or key}": no table tells the two apart'
                yield (section, key, "name"), what, "Give one of the two another name.", "warning"


def running_costs_something(unchecked: Unchecked) -> Iterator[Problem]:
    """Nothing that makes a commodity is paid for running; what only sells a surplus makes none."""
    for name, activity in unchecked.instance.activities.items():
        if activity.output and min(activity.cost.values) < 0:
            section = "processes" if name in unchecked.instance.processes else "options"
            what = "cost is below 0: it runs as much as it can, and the surplus is thrown away"
            cure = "Write what it costs; a surplus that sells is a process with that input and no output."
            yield (section, name, "cost"), what, cure, "warning"


def options_are_as_their_levers_want(unchecked: Unchecked) -> Iterator[Problem]:
    """Whatever a lever reports about its own fields."""
    for o, option in unchecked.instance.options.items():
        for place, what, cure, severity in option.problems():
            yield ("options", o, *place), what, cure, severity


def buying_costs_something(unchecked: Unchecked) -> Iterator[Problem]:
    """Nothing is there for the taking."""
    for o, option in unchecked.instance.options.items():
        if option.is_free and not any(option.fields_without_effect()):
            yield ("options", o), "costs nothing to buy", option.price_cure, "warning"


def stock_that_is_paid_back_is_there(unchecked: Unchecked) -> Iterator[Problem]:
    """Salvage is paid on the stock of the baseline, which a shock may have used up; reported once."""
    shocks, ensembles = unchecked.instance.shocks, unchecked.instance.ensembles
    likely = [*(s.probability for s in shocks.values()), *(e.probability for e in ensembles.values())]
    paid = [o for o, stock in unchecked.instance.stocks.items() if stock.salvage > 0]
    if paid and any(probability > 0 for probability in likely):
        others = f", here and of {', '.join(paid[1:])}" if paid[1:] else ""
        what = (
            f"salvage is that of the stock of the baseline, though a shock that has a probability may use it up{others}"
        )
        cure = "Leave out salvage or the probabilities, or remember that such a shock looks cheaper than it is."
        yield ("options", paid[0], "salvage"), what, cure, "warning"


def floors_have_a_price(unchecked: Unchecked) -> Iterator[Problem]:
    """A floor whose shortage costs nothing is kept where it can be, but its shortfall cannot be weighed."""
    for d in free_floors(unchecked.instance):
        what = "has a floor, but going short costs nothing: a gap cannot see it"
        yield ("demands", d, "shortage_cost"), what, "Give shortage_cost what a tonne missing costs.", "warning"


_SECTIONS = ("commodities", "processes", "demands", "options", "shocks", "ensembles")
# Shorter words are often one letter apart, as Iran and Iraq are; longer ones than the second are no names of regions.
SHORTEST, LONGEST = 5, 40
_SEPARATORS = re.compile(r"[\s._-]+")


def ids_are_told_apart(unchecked: Unchecked) -> Iterator[Problem]:
    """No two ids of a section, no two regions and no two stages differ in case, spaces and separators only."""
    for section in _SECTIONS:
        ids: dict[str, list[Place]] = {name: [(section, name)] for name in getattr(unchecked.instance, section)}
        yield from _alike("the id", ids)
    yield from _alike("the region", _regions(unchecked.instance))
    yield from _alike("the stage", _written_at(unchecked.instance, "stage"))


def _alike(noun: str, places: Mapping[str, list[Place]]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in places:
        first = seen.setdefault(_fold_name(name), name)
        if first != name:
            what = f'{noun} "{name}" differs from "{first}" in case, spaces or separators only'
            yield places[name][0], what, f'Write "{first}" if it is the same; give it another name if not.', "warning"


def regions_are_told_apart(unchecked: Unchecked) -> Iterator[Problem]:
    """A region that is named once, and is one letter away from another, is likely a typing error."""
    places = _regions(unchecked.instance)
    for first, second in _neighbours(places):
        rare, usual = sorted((second, first), key=lambda region: len(places[region]))
        if len(places[rare]) == 1:
            count = len(places[usual])
            what = f'the region "{rare}" stands here alone, and is one letter from "{usual}" ({count} of the file)'
            yield places[rare][0], what, f'Write "{usual}" if that is meant.', "warning"


def home_is_somewhere(unchecked: Unchecked) -> Iterator[Problem]:
    """`home` is not almost the region of a process or option, without being one."""
    home, written = unchecked.instance.home, _regions(unchecked.instance)
    if home is None or home in written:
        return
    near = [name for name in written if _fold_name(name) == _fold_name(home) or _is_one_letter(home, name)]
    if near:
        what = f'home is "{home}", where no process stands; one stands in "{near[0]}"'
        yield ("home",), what, f'Did you mean "{near[0]}"?', "warning"


def _regions(instance: Instance) -> dict[str, list[Place]]:
    """Where each region is written; a home region that is filled in counts for nothing."""
    places = _written_at(instance, "region")
    if instance.home in places:
        options = instance.options
        filled_in = {o for o, option in options.items() if option.is_at_home}
        places[instance.home] = [place for place in places[instance.home] if place[1] not in filled_in]
    return {region: found for region, found in places.items() if found}


def _written_at(instance: Instance, field: str) -> dict[str, list[Place]]:
    """Where each region or stage is written: at processes and producing options."""
    places: dict[str, list[Place]] = {}
    for name, activity in instance.activities.items():
        section = "processes" if name in instance.processes else "options"
        value = getattr(activity, field)
        if value:
            places.setdefault(value, []).append((section, name, field))
    return places


def _fold_name(name: str) -> str:
    return _SEPARATORS.sub("", name.casefold())


def _neighbours(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs that are one letter apart, found by what is left of each name without one of its letters."""
    left: dict[str, list[str]] = {}
    for name in names:
        if not SHORTEST <= len(name) <= LONGEST:
            continue
        rests = {name[:i] + name[i + 1 :] for i in range(len(name))} | {name}
        others = dict.fromkeys(other for rest in rests for other in left.get(rest, ())[:SHORTEST])
        yield from ((other, name) for other in others if _is_one_letter(other, name))
        for rest in rests:
            left.setdefault(rest, []).append(name)


def _is_one_letter(one: str, other: str) -> bool:
    """Whether a letter is left out, inserted, exchanged with the next, or replaced.

    Digits, and a last letter that is replaced, number the members of a series: they are no slip.
    """
    if one == other or min(len(one), len(other)) < SHORTEST:
        return False
    short, long = sorted((one.casefold(), other.casefold()), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return _is_slip(short[at:], long[at:])


def _is_slip(left: str, right: str) -> bool:
    """The same of what follows the letters that two names have in common."""
    is_inserted = left == right[1:]
    is_replaced = len(left) == len(right) > 1 and left[:1].isalpha() and left[1:] == right[1:]
    is_exchanged = len(right) > 1 and left[:1].isalpha() and left == right[1::-1] + right[2:]
    return right[:1].isalpha() and (is_inserted or is_replaced or is_exchanged)
