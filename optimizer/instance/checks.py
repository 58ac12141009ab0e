"""The named passes over an instance whose objects are each well formed.

A pass takes a Draft and yields ``(place, what, cure, severity)``; it never raises and never stops at the first.
Passes that would report an effect of an earlier fault (`sound` is False) hold their tongue.
"""

import difflib
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from optimizer.activity import Activity
from optimizer.instance.schema import Instance
from optimizer.levers import KINDS, Leverage, Partnership, Producing, Sized, Stockpile, Substitution
from optimizer.shocks import Cut

Place = tuple[str | int, ...]
Problem = tuple[Place, str, str, str]


@dataclass(frozen=True)
class Draft:
    """What could be read: the sound objects, and the names of all that were declared."""

    instance: Instance | None
    declared: Mapping[str, frozenset[str]]
    sound: bool

    def names(self, section: str) -> frozenset[str]:
        """All names that a section declares, of faulty objects as well."""
        return self.declared.get(section, frozenset())


def _resolve(place: Place, word: str, known: Iterable[str], noun: str) -> Iterator[Problem]:
    names = sorted(known)
    if word in names:
        return
    near = difflib.get_close_matches(word, names, n=1)
    listed = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
    cure = f'Did you mean "{near[0]}"?' if near else f"Known: {listed}." if names else f"Declare a {noun} first."
    yield place, f'"{word}" is no {noun}', cure, "error"


def names_resolve(draft: Draft) -> Iterator[Problem]:
    """Whatever is named exists."""
    if draft.instance is None:
        return
    yield from _names_of_network(draft, draft.instance)
    yield from _names_of_options(draft, draft.instance)
    yield from _names_of_policy(draft, draft.instance)


def _names_of_network(draft: Draft, instance: Instance) -> Iterator[Problem]:
    commodities = draft.names("commodities")
    activities: list[tuple[str, str, Activity]] = [("processes", p, each) for p, each in instance.processes.items()]
    activities += [("options", o, option) for o, option in instance.options.items() if isinstance(option, Producing)]
    for section, name, activity in activities:
        for side in ("input", "output"):
            for commodity in getattr(activity, side):
                yield from _resolve((section, name, side, commodity), commodity, commodities, "commodity")
        if not activity.output and min(activity.cost.values) >= 0:
            cure = "Add `output: {commodity: tonnes per tonne of activity}`."
            yield (section, name), "output is missing: it makes nothing, and is paid nothing", cure, "warning"
    for d, demand in instance.demands.items():
        yield from _resolve(("demands", d, "commodity"), demand.commodity, commodities, "commodity")
        if demand.end_of_life is not None:
            place = ("demands", d, "end_of_life", "commodity")
            yield from _resolve(place, demand.end_of_life.commodity, commodities, "commodity")


def _names_of_options(draft: Draft, instance: Instance) -> Iterator[Problem]:
    for o, option in instance.options.items():
        place: Place = ("options", o)
        if isinstance(option, Substitution):
            yield from _resolve((*place, "demand"), option.demand, draft.names("demands"), "segment")
            for commodity in option.input:
                yield from _resolve((*place, "input", commodity), commodity, draft.names("commodities"), "commodity")
        if isinstance(option, Stockpile):
            yield from _resolve((*place, "commodity"), option.commodity, draft.names("commodities"), "commodity")
        if isinstance(option, Partnership):
            yield from _resolve((*place, "process"), option.process, draft.names("processes"), "existing process")
        if isinstance(option, Leverage) and draft.sound:
            regions = {process.region for process in instance.processes.values() if process.region}
            yield from _hits_region((*place, "region"), option.region, regions, "an existing process")
        if isinstance(option, Sized):
            for field in ("requires", "excludes"):
                for other in getattr(option, field):
                    yield from _resolve((*place, field), other, draft.names("options"), "option")


def _names_of_policy(draft: Draft, instance: Instance) -> Iterator[Problem]:
    regions = _regions(instance)
    for field in ("max_share", "min_share"):
        for i, rule in enumerate(getattr(instance.policy, field)):
            place: Place = ("policy", field, i)
            yield from _resolve((*place, "commodity"), rule.commodity, draft.names("commodities"), "commodity")
            if rule.kind is not None:
                kinds = [kind for kind in KINDS if issubclass(KINDS[kind], Producing)]
                yield from _resolve((*place, "kind"), rule.kind, kinds, "kind that produces")
            if rule.region is not None and draft.sound:
                yield from _hits_region((*place, "region"), rule.region, regions, "a process or option")
            if rule.region is None and rule.kind is None:
                yield place, "names neither a region nor a kind", "Add `region:` or `kind:`.", "error"


def _regions(instance: Instance) -> set[str]:
    named = {activity.region for activity in instance.activities.values() if activity.region}
    return named | ({instance.home} if instance.home else set())


def shock_names_resolve(draft: Draft) -> Iterator[Problem]:
    """What a shock cuts, surges, makes dearer or replaces exists."""
    if draft.instance is None:
        return
    instance = draft.instance
    options = instance.options
    priced = [o for o, option in options.items() if isinstance(option, (Producing, Substitution))]
    deals = [o for o, option in options.items() if isinstance(option, Partnership)]
    targets = {
        "demand": (draft.names("demands"), "segment"),
        "survival": (draft.names("demands"), "segment"),
        "cost": (draft.names("processes") | set(priced), "process, process option or substitution"),
        "reliability": (set(deals), "partnership"),
    }
    for s, spec in instance.shocks.items():
        for field, (known, noun) in targets.items():
            for name in getattr(spec, field):
                if draft.sound or name not in draft.names("options"):
                    yield from _resolve(("shocks", s, field, name), name, known, noun)
        for i, cut in enumerate(spec.cuts):
            yield from _names_of_cut(draft, instance, ("shocks", s, "cuts", i), cut)


def _names_of_cut(draft: Draft, instance: Instance, place: Place, cut: Cut) -> Iterator[Problem]:
    if cut.region is cut.stage is cut.process is cut.commodity is None:
        cure = "Add at least one of region, stage, process, commodity."
        yield place, "matches everything, since it names nothing", cure, "error"
        return
    for name in cut.process or ():
        known = draft.names("processes") | set(instance.activities)
        if draft.sound or name not in draft.names("options"):
            yield from _resolve((*place, "process"), name, known, "process or producing option")
    for name in cut.commodity or ():
        yield from _resolve((*place, "commodity"), name, draft.names("commodities"), "commodity")
    if draft.sound:
        stages = {activity.stage for activity in instance.activities.values() if activity.stage}
        yield from _near_misses((*place, "region"), cut.region, _regions(instance), "region")
        yield from _near_misses((*place, "stage"), cut.stage, stages, "stage")


def _hits_region(place: Place, word: str, known: Iterable[str], noun: str) -> Iterator[Problem]:
    """A region that is nobody's is a slip where it almost names one, and worth a warning where it does not."""
    if word in known:
        return
    near = difflib.get_close_matches(word, sorted(known), n=1)
    cure = f'Did you mean "{near[0]}"?' if near else f"Known: {', '.join(sorted(known))}."
    yield place, f'"{word}" is not the region of {noun}', cure, "error" if near else "warning"


def _near_misses(place: Place, names: Iterable[str] | None, known: Iterable[str], noun: str) -> Iterator[Problem]:
    """A word that almost names something is a slip; one that names nothing is left to `cuts_match`."""
    for name in names or ():
        near = difflib.get_close_matches(name, sorted(known), n=1)
        if name not in known and near:
            yield place, f'"{name}" is the {noun} of no process', f'Did you mean "{near[0]}"?', "error"


def cuts_match(draft: Draft) -> Iterator[Problem]:
    """Every cut strikes something, and every shock does something."""
    if draft.instance is None or not draft.sound:
        return
    activities = draft.instance.activities
    for s, spec in draft.instance.shocks.items():
        for i, cut in enumerate(spec.cuts):
            if not any(cut.matches(p, act.region, act.stage, act.output) for p, act in activities.items()):
                cure = "Name a region, stage, process or commodity of this file, or remove the cut."
                yield (
                    ("shocks", s, "cuts", i),
                    "a cut that matches nothing: no process has all it asks for",
                    cure,
                    "warning",
                )
        if not (spec.cuts or spec.demand or spec.cost or spec.survival or spec.reliability):
            yield ("shocks", s), "nothing happens in it", "Add `cuts:`, or remove the shock.", "warning"


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
        elif isinstance(option, Sized):
            yield from _in_time(draft.instance, place, option)


def _in_time(instance: Instance, place: Place, option: Sized) -> Iterator[Problem]:
    horizon = instance.horizon
    first = next((a for a in horizon.decisions if option.allows(horizon.year(a))), None)
    if first is None or first + horizon.whole(option.lead_time) >= len(horizon.periods):
        what = f"never works within the horizon: its lead time is {option.lead_time:g} months"
        yield (*place, "lead_time"), what, "Lead times are in months; shorten it, or lengthen the horizon.", "warning"


def sizes_are_possible(draft: Draft) -> Iterator[Problem]:
    """A size can be both within its limits and whole."""
    for o, option in (draft.instance.options if draft.instance else {}).items():
        if not isinstance(option, Sized):
            continue
        for field in ("min_size", "unit_size"):
            if getattr(option, field) > option.max_size:
                what = f"{field} ({getattr(option, field):g}) exceeds max_size ({option.max_size:g})"
                yield ("options", o, field), what, f"Lower {field} or raise max_size.", "error"


def ties_are_between_lumpy_options(draft: Draft) -> Iterator[Problem]:
    """`requires` and `excludes` speak of openings, which only lumpy options have."""
    options = draft.instance.options if draft.instance else {}
    for o, option in options.items():
        for field in ("requires", "excludes") if isinstance(option, Sized) else ():
            others = getattr(option, field)
            place: Place = ("options", o, field)
            if o in others:
                yield place, f"{o} {field} itself", "Remove it.", "error"
            for name in [o, *others] if others else []:
                if name in options and not options[name].is_lumpy:
                    what = f'"{name}" is not lumpy, so it is never opened'
                    yield place, what, f"Give {name} a fixed_cost or a min_size.", "error"


def shocks_are_inside_the_horizon(draft: Draft) -> Iterator[Problem]:
    """Every start is a period, once; every window a whole number of periods."""
    if draft.instance is None:
        return
    horizon = draft.instance.horizon
    for s, spec in draft.instance.shocks.items():
        if abs(spec.months / horizon.months - round(spec.months / horizon.months)) > 1e-9:
            what = f"{spec.months:g} months are no whole number of {horizon.step}s"
            up = math.ceil(spec.months / horizon.months) * horizon.months
            yield ("shocks", s, "months"), what, f"Write a multiple of {horizon.months}, such as {up}.", "error"
        seen: set[int] = set()
        for label in spec.start:
            try:
                first = horizon.period(label)
            except ValueError as cure:
                yield ("shocks", s, "start"), f'the start "{label}" is no period of the horizon', str(cure), "error"
                continue
            if first in seen:
                yield ("shocks", s, "start"), f'the start "{label}" stands twice', "Remove one of them.", "error"
            seen.add(first)


def probabilities_add_up(draft: Draft) -> Iterator[Problem]:
    """For every period, the probabilities of the shocks whose windows hold it add to at most 1."""
    if draft.instance is None or not _readable(draft.instance):
        return
    horizon, events = draft.instance.horizon, draft.instance.events
    sums = [math.fsum(event.probability for event in events if t in event.periods) for t in horizon.periods]
    worst = max(horizon.periods, key=lambda t: sums[t])
    if sums[worst] > 1 + 1e-9:
        what = f"the probabilities of the shocks that hold {horizon.label(worst)} add to {sums[worst]:.4g}"
        yield ("shocks",), what, "Lower them so that no period has more than 1.", "error"


def _readable(instance: Instance) -> bool:
    try:
        return instance.events is not None
    except ValueError:
        return False


def floors_have_a_source(draft: Draft) -> Iterator[Problem]:
    """Every commodity with a floor can be made, stored, recycled or done without."""
    if draft.instance is None or not draft.sound:
        return
    instance = draft.instance
    had, missing = _obtainable(instance)
    for d, demand in instance.demands.items():
        if demand.commodity in had or any(
            isinstance(option, Substitution) and option.demand == d for option in instance.options.values()
        ):
            continue
        floors = [*demand.survival.values, *(spec.survival.get(d, 0.0) for spec in instance.shocks.values())]
        reason = missing.get(demand.commodity, f"no process makes {demand.commodity}")
        tail = "" if reason == f"no process makes {demand.commodity}" else f", so {demand.commodity} can never be made"
        cure = "Add a process, option or stockpile that supplies it, or correct an input."
        yield ("demands", d, "commodity"), reason + tail, cure, "error" if max(floors) > 0 else "warning"


def _obtainable(instance: Instance) -> tuple[set[str], dict[str, str]]:
    """Commodities that can be had at all; and for the others that something makes, the input that stops it."""
    had = {option.commodity for option in instance.options.values() if isinstance(option, Stockpile)}
    had |= {demand.end_of_life.commodity for demand in instance.demands.values() if demand.end_of_life}
    waiting = list(instance.activities.values())
    while True:
        ready = [activity for activity in waiting if all(commodity in had for commodity in activity.input)]
        if not ready:
            break
        had |= {commodity for activity in ready for commodity in activity.output}
        waiting = [activity for activity in waiting if activity not in ready]
    missing: dict[str, str] = {}
    for activity in waiting:
        lacking = next(commodity for commodity in activity.input if commodity not in had)
        for commodity in activity.output:
            missing.setdefault(commodity, f"no process makes {lacking}")
    for commodity, reason in list(missing.items()):
        seen = {commodity}
        while reason.rsplit(" ", 1)[-1] in missing and reason.rsplit(" ", 1)[-1] not in seen:
            seen.add(reason.rsplit(" ", 1)[-1])
            reason = missing[reason.rsplit(" ", 1)[-1]]
        missing[commodity] = reason
    return had, missing


def magnitudes_are_plausible(draft: Draft) -> Iterator[Problem]:
    """Numbers of one sort lie within a few powers of ten of each other; a stray one is often in kg, or in millions."""
    if draft.instance is None:
        return
    for sort, entries in _sorts(draft.instance).items():
        sizes = [abs(value) for _, value in entries if value]
        if len(sizes) < 4:
            continue
        middle = statistics.median(sizes)
        for place, value in entries:
            if value and not 1e-4 <= abs(value) / middle <= 1e4:
                ratio = abs(value) / middle
                times = f"{ratio:,.0f} times" if ratio > 1 else f"1/{1 / ratio:,.0f} of"
                what = f"{value:g} is {times} the middle of all {sort} here"
                yield place, what, "Check its unit: data are in t, t/yr and whole currency units.", "warning"


def _sorts(instance: Instance) -> dict[str, list[tuple[Place, float]]]:
    money = instance.money
    sorts: dict[str, list[tuple[Place, float]]] = {}

    def note(sort: str, place: Place, value: float) -> None:
        sorts.setdefault(sort, []).append((place, value))

    for p, process in instance.processes.items():
        note(f"costs ({money} per t)", ("processes", p, "cost"), max(process.cost.values, key=abs))
    for d, demand in instance.demands.items():
        note(f"shortage costs ({money} per t)", ("demands", d, "shortage_cost"), demand.shortage_cost)
    for o, option in instance.options.items():
        if isinstance(option, Stockpile):
            note(f"stock prices ({money} per t)", ("options", o, "price"), max(option.price.values))
        elif isinstance(option, Producing):
            note(f"costs ({money} per t)", ("options", o, "cost"), max(option.cost.values, key=abs))
            note(f"capex ({money} per t/yr)", ("options", o, "capex"), max(option.capex.values))
    return sorts


PASSES: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    names_resolve,
    shock_names_resolve,
    names_are_distinct,
    windows_are_possible,
    sizes_are_possible,
    ties_are_between_lumpy_options,
    shocks_are_inside_the_horizon,
    probabilities_add_up,
    cuts_match,
    floors_have_a_source,
    magnitudes_are_plausible,
)
