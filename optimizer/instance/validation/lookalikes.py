"""The passes about names that look alike: ids that differ in case only, one region under two spellings, `home`."""

import re
from collections.abc import Iterable, Iterator, Mapping

from optimizer.instance.schema import Instance
from optimizer.instance.validation.draft import Draft, Place, Problem
from optimizer.levers import Lever, Recycling, Refining

SECTIONS = ("commodities", "processes", "demands", "options", "shocks", "ensembles")
# Shorter words are often one letter apart, as Iran and Iraq are; longer ones than the second are no names of regions.
SHORTEST, LONGEST = 5, 40
_SEPARATORS = re.compile(r"[\s._-]+")


def ids_are_told_apart(draft: Draft) -> Iterator[Problem]:
    """No two ids of a section, no two regions and no two stages differ in case, spaces and separators only."""
    if draft.instance is None:
        return
    for section in SECTIONS:
        ids: dict[str, list[Place]] = {name: [(section, name)] for name in getattr(draft.instance, section)}
        yield from _alike("the id", ids)
    yield from _alike("the region", _regions(draft.instance))
    yield from _alike("the stage", _places(draft.instance, "stage"))


def _alike(noun: str, places: Mapping[str, list[Place]]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in places:
        first = seen.setdefault(_folded(name), name)
        if first != name:
            what = f'{noun} "{name}" differs from "{first}" in case, spaces or separators only'
            yield places[name][0], what, f'Write "{first}" if it is the same; give it another name if not.', "warning"


def regions_are_told_apart(draft: Draft) -> Iterator[Problem]:
    """A region that stands in the file once, and is one letter away from another, is likely a slip."""
    if draft.instance is None:
        return
    places = _regions(draft.instance)
    for first, second in _neighbours(places):
        rare, usual = sorted((second, first), key=lambda region: len(places[region]))
        if len(places[rare]) == 1:
            count = len(places[usual])
            what = f'the region "{rare}" stands here alone, and is one letter from "{usual}" ({count} of the file)'
            yield places[rare][0], what, f'Write "{usual}" if that is meant.', "warning"


def home_is_somewhere(draft: Draft) -> Iterator[Problem]:
    """`home` is not almost the region of a process or option, without being one."""
    home = draft.instance.home if draft.instance else None
    if draft.instance is None or home is None:
        return
    written = _regions(draft.instance)
    if home in written:
        return
    near = [name for name in written if _folded(name) == _folded(home) or _is_one_letter(home, name)]
    if near:
        what = f'home is "{home}", where no process stands; one stands in "{near[0]}"'
        yield ("home",), what, f'Did you mean "{near[0]}"?', "warning"


def _regions(instance: Instance) -> dict[str, list[Place]]:
    """Where each region is written; what stands at home, wherever that is, tells nothing of how a region is spelt."""
    places = _places(instance, "region")
    if instance.home in places:
        options = instance.options
        places[instance.home] = [
            place for place in places[instance.home] if not _may_be_left_out(options.get(str(place[1])))
        ]
    return {region: found for region, found in places.items() if found}


def _may_be_left_out(option: Lever | None) -> bool:
    """Whether the region of an option is the home region unless it says otherwise."""
    return isinstance(option, (Refining, Recycling))


def _places(instance: Instance, field: str) -> dict[str, list[Place]]:
    """Where each region or stage is written: at processes and producing options."""
    places: dict[str, list[Place]] = {}
    for name, activity in instance.activities.items():
        section = "processes" if name in instance.processes else "options"
        value = getattr(activity, field)
        if value:
            places.setdefault(value, []).append((section, name, field))
    return places


def _folded(name: str) -> str:
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
    if len(long) == len(short) + 1:
        return short[at:] == long[at + 1 :] and long[at].isalpha()
    if len(long) != len(short) or at >= len(long) - 1 or not (short[at] + long[at]).isalpha():
        return False
    is_exchanged = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return is_exchanged or short[at + 1 :] == long[at + 1 :]
