"""Checks of names: whatever is named exists."""

import difflib
from collections.abc import Iterable, Iterator
from functools import cached_property

from optimizer.disruptions.shock import Target
from optimizer.errors import Severity
from optimizer.instance.derived import named_regions, struck
from optimizer.instance.schema import RULE, Instance
from optimizer.instance.validation.candidate import Draft, Place, Problem
from optimizer.levers import KINDS
from optimizer.suggestions import Vocabulary


class _Known:
    """The names that a file may use, by sort, each collected once however often it is used."""

    def __init__(self, draft: Draft, instance: Instance) -> None:
        self.draft, self.instance = draft, instance

    @cached_property
    def commodities(self) -> Vocabulary:
        return Vocabulary(self.draft.names("commodities"), "commodity")

    @cached_property
    def segments(self) -> Vocabulary:
        return Vocabulary(self.draft.names("demands"), "segment")

    @cached_property
    def processes(self) -> Vocabulary:
        return Vocabulary(self.draft.names("processes"), "existing process")

    @cached_property
    def options(self) -> Vocabulary:
        return Vocabulary(self.draft.names("options"), "option")

    @cached_property
    def activities(self) -> Vocabulary:
        return Vocabulary(self.draft.names("processes") | set(self.instance.activities), "process or producing option")

    @cached_property
    def kinds(self) -> Vocabulary:
        kinds = [kind for kind in KINDS if KINDS[kind].is_activity]
        return Vocabulary(kinds, "kind that produces")

    @cached_property
    def regions(self) -> Vocabulary:
        named = {activity.region for activity in self.instance.activities.values() if activity.region}
        return Vocabulary(named | ({self.instance.home} if self.instance.home else set()), "region")

    @cached_property
    def regions_of_processes(self) -> Vocabulary:
        return Vocabulary({each.region for each in self.instance.processes.values() if each.region}, "region")

    @cached_property
    def stages(self) -> Vocabulary:
        return Vocabulary({each.stage for each in self.instance.activities.values() if each.stage}, "stage")


def _resolve(place: Place, word: str, known: Vocabulary) -> Iterator[Problem]:
    if word not in known:
        yield place, f'"{word}" is no {known.noun}', known.cure(word), "error"


def names_resolve(draft: Draft) -> Iterator[Problem]:
    """Whatever is named exists."""
    if draft.instance is None:
        return
    known = _Known(draft, draft.instance)
    yield from _names_of_network(known)
    yield from _names_of_options(known)
    yield from _names_of_policy(known)


def _names_of_network(known: _Known) -> Iterator[Problem]:
    instance, commodities = known.instance, known.commodities
    for p, process in instance.processes.items():
        for side in ("input", "output"):
            for commodity in getattr(process, side):
                yield from _resolve(("processes", p, side, commodity), commodity, commodities)
    for name, activity in instance.activities.items():
        if not activity.output and min(activity.cost.values) >= 0:
            section = "processes" if name in instance.processes else "options"
            cure = "Add `output: {commodity: tonnes per tonne of activity}`."
            yield (section, name), "output is missing: it makes nothing, and is paid nothing", cure, "warning"
    for d, demand in instance.demands.items():
        yield from _resolve(("demands", d, "commodity"), demand.commodity, commodities)
        if demand.end_of_life is not None:
            place = ("demands", d, "end_of_life", "commodity")
            yield from _resolve(place, demand.end_of_life.commodity, commodities)


def _names_of_options(known: _Known) -> Iterator[Problem]:
    sections = {
        "commodities": known.commodities,
        "demands": known.segments,
        "processes": known.processes,
        "options": known.options,
    }
    for o, option in known.instance.options.items():
        for reference in option.references():
            place: Place = ("options", o, *reference.place)
            if reference.section in sections:
                yield from _resolve(place, reference.name, sections[reference.section])
            elif known.draft.sound:
                yield from _hits_region(place, reference.name, known.regions_of_processes, "an existing process")


def _names_of_policy(known: _Known) -> Iterator[Problem]:
    instance = known.instance
    for field in ("max_share", "min_share"):
        for i, rule in enumerate(getattr(instance.policy, field)):
            place: Place = ("policy", field, i)
            yield from _resolve((*place, "commodity"), rule.commodity, known.commodities)
            if rule.kind is not None:
                yield from _resolve((*place, "kind"), rule.kind, known.kinds)
            if rule.region is not None and known.draft.sound:
                yield from _hits_region((*place, "region"), rule.region, known.regions, "a process or option")
            if rule.region is None and rule.kind is None:
                yield place, "names neither a region nor a kind", "Add `region:` or `kind:`.", "error"
    for i, survival in enumerate(instance.policy.min_time_to_survive):
        for k, cut in enumerate(survival.cuts):
            yield from _names_of_cut(known, ("policy", RULE, i, "cuts", k), cut)
    for name, target in instance.adversary.targets.items() if instance.adversary else ():
        for k, cut in enumerate(target.cuts):
            yield from _names_of_cut(known, ("adversary", "targets", name, "cuts", k), cut)
    for o in instance.policy.force:
        yield from _resolve(("policy", "force", o), o, known.options)


def shock_names_resolve(draft: Draft) -> Iterator[Problem]:
    """What a shock cuts, surges, makes dearer or replaces exists."""
    if draft.instance is None:
        return
    instance, known = draft.instance, _Known(draft, draft.instance)
    named = {
        field: {o for o, option in instance.options.items() if field in option.shock_fields}
        for field in ("cost", "reliability")
    }
    deal = " or ".join(kind for kind, lever in KINDS.items() if "reliability" in lever.shock_fields)
    targets = {
        "demand": known.segments,
        "survival": known.segments,
        "cost": Vocabulary(draft.names("processes") | named["cost"], "process, process option or substitution"),
        "reliability": Vocabulary(named["reliability"], deal),
    }
    for place, spec in struck(instance):
        for field, names in targets.items():
            for name in getattr(spec, field) or ():
                if draft.sound or name not in known.options:
                    yield from _resolve((*place, field, name), name, names)
        for i, cut in enumerate(spec.cuts):
            yield from _names_of_cut(known, (*place, "cuts", i), cut)


def _names_of_cut(known: _Known, place: Place, cut: Target) -> Iterator[Problem]:
    if cut.region is cut.stage is cut.process is cut.commodity is None:
        cure = "Add at least one of region, stage, process, commodity."
        yield place, "matches everything, since it names nothing", cure, "error"
        return
    is_sound = known.draft.sound
    for name in cut.process or ():
        if is_sound or name not in known.options:
            yield from _resolve((*place, "process"), name, known.activities)
    for name in cut.commodity or ():
        yield from _resolve((*place, "commodity"), name, known.commodities)
    if is_sound:
        yield from _near_misses((*place, "region"), cut.region, known.regions)
        yield from _near_misses((*place, "stage"), cut.stage, known.stages)


def _hits_region(place: Place, word: str, known: Vocabulary, noun: str) -> Iterator[Problem]:
    """A region that is nobody's is a slip where it almost names one, and worth a warning where it does not."""
    if word not in known:
        severity: Severity = "error" if known.nearest(word) else "warning"
        yield place, f'"{word}" is not the region of {noun}', known.cure(word), severity


def _near_misses(place: Place, names: Iterable[str] | None, known: Vocabulary) -> Iterator[Problem]:
    """A word that almost names something is a slip; one that names nothing is left to `cuts_match`."""
    for name in names or ():
        near = known.nearest(name) if name not in known else None
        if near is not None:
            yield place, f'"{name}" is the {known.noun} of no process', f'Did you mean "{near}"?', "error"


def regions_are_named(draft: Draft) -> Iterator[Problem]:
    """Every region of the section `regions` is the region of something: another name is a slip."""
    if draft.instance is None or not draft.sound:
        return
    known = named_regions(draft.instance)
    for region in draft.instance.regions:
        if region not in known:
            near = difflib.get_close_matches(region, sorted(known), n=1)
            cure = f'Did you mean "{near[0]}"?' if near else "Remove it, or name it as the region of a process."
            yield ("regions", region), "nothing stands in this region", cure, "warning"
