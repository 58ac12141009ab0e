"""Checks of members: what each has and brings exists, and belongs to one of them."""

import math
from collections.abc import Iterator

from optimizer.errors import Problem
from optimizer.instance.members import MEMBERS
from optimizer.instance.validation.unchecked import Unchecked
from optimizer.limits import MEMBERS_AT_ONCE
from optimizer.suggestions import Vocabulary
from optimizer.tolerances import ROUNDING
from optimizer.units import short

# By field of a member the section that its names are of, what one is called, and what to do about one that two have.
_SECTIONS = {
    "demands": ("demands", "segment", "Split the segment, one for each member."),
    "processes": ("processes", "existing process", ""),
    "options": ("options", "option", "Leave it out of both: every coalition can buy what no member brings."),
}


def members_add_up(unchecked: Unchecked) -> Iterator[Problem]:
    """Names that members have exist; every segment is of one member, every option of one or of none."""
    members = unchecked.instance.members
    yield from _how_many(len(unchecked.names(MEMBERS)))
    yield from _names_of_members(unchecked)
    yield from _held_twice(unchecked)
    yield from _shares(unchecked)
    if members and unchecked.sound:
        yield from _nobodys(unchecked)
    without = [name for name, member in members.items() if member.budget is None]
    if without and len(without) < len(members):
        what = "no budget, while other members have one: the sum of those is not that of a coalition"
        yield (MEMBERS, without[0]), what, "Write a budget for every member, or for none.", "error"


def _names_of_members(unchecked: Unchecked) -> Iterator[Problem]:
    for field, (section, noun, _) in _SECTIONS.items():
        known = Vocabulary(unchecked.names(section), noun)
        for name, member in unchecked.instance.members.items():
            for word in getattr(member, field):
                if word not in known:
                    yield (MEMBERS, name, field), f'"{word}" is no {noun}', known.cure(word), "error"


def _held_twice(unchecked: Unchecked) -> Iterator[Problem]:
    for field in ("demands", "options"):
        first, (_, noun, cure) = dict[str, str](), _SECTIONS[field]
        for name, member in unchecked.instance.members.items():
            for word in getattr(member, field):
                holder = first.setdefault(word, name)
                if holder != name:
                    yield (MEMBERS, name, field), f'the {noun} "{word}" is {holder}\'s too', cure, "error"


def _shares(unchecked: Unchecked) -> Iterator[Problem]:
    """The shares of a process that members bring add to 1."""
    shares, last = dict[str, list[float]](), dict[str, str]()
    for name, member in unchecked.instance.members.items():
        for p, share in member.processes.items():
            shares.setdefault(p, []).append(share)
            last[p] = name
    for p, some in shares.items():
        total, place = math.fsum(some), (MEMBERS, last[p], "processes")
        if total > 1.0 + ROUNDING:
            what = f'the shares of "{p}" add to {short(total)}'
            yield place, what, "Write {process: share} with shares that add to 1.", "error"
        elif total < 1.0 - ROUNDING:
            what = f'the shares of "{p}" add to {short(total)}: the rest is nobody\'s, and in no plan of members'
            yield place, what, "Write shares that add to 1, or a smaller capacity.", "warning"


def _nobodys(unchecked: Unchecked) -> Iterator[Problem]:
    """Every segment belongs to a member."""
    instance = unchecked.instance
    owned = {d for member in instance.members.values() for d in member.demands}
    for d in instance.demands:
        if d not in owned:
            what = f'the segment "{d}" is no member\'s: no coalition would serve it'
            yield (MEMBERS,), what, "Add it to the demands of a member.", "error"


def _how_many(count: int) -> Iterator[Problem]:
    if count > MEMBERS_AT_ONCE:
        what = f"{count} members make {2.0**count - 1:,.0f} coalitions, more than can be solved"
        yield (MEMBERS,), what, f"Write at most {MEMBERS_AT_ONCE}: let some of them plan as one.", "error"
    if count == 1:
        yield (MEMBERS,), "one member is alone: there is no coalition", "Write two or more, or none.", "error"
