"""The passes about names: whatever is named exists."""

from collections.abc import Iterable, Iterator

from optimizer.activity import Activity
from optimizer.ensembles import EnsembleSpec, Event
from optimizer.instance.draft import Draft, Place, Problem
from optimizer.instance.schema import RULE, Instance
from optimizer.levers import KINDS, Leverage, Partnership, Producing, Sized, Stockpile, Substitution
from optimizer.shocks import ShockSpec, Target
from optimizer.suggestions import nearest


def _resolve(place: Place, word: str, known: Iterable[str], noun: str) -> Iterator[Problem]:
    names = sorted(known)
    if word in names:
        return
    near = nearest(word, names)
    listed = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
    cure = f'Did you mean "{near}"?' if near else f"Known: {listed}." if names else f"Declare a {noun} first."
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
    for i, survival in enumerate(instance.policy.min_time_to_survive):
        for k, cut in enumerate(survival.cuts):
            yield from _names_of_cut(draft, instance, ("policy", RULE, i, "cuts", k), cut)
    for name, target in instance.adversary.targets.items() if instance.adversary else ():
        for k, cut in enumerate(target.cuts):
            yield from _names_of_cut(draft, instance, ("adversary", "targets", name, "cuts", k), cut)
    for o in instance.policy.force:
        yield from _resolve(("policy", "force", o), o, draft.names("options"), "option")


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
    for place, spec in struck(instance):
        for field, (known, noun) in targets.items():
            for name in getattr(spec, field) or ():
                if draft.sound or name not in draft.names("options"):
                    yield from _resolve((*place, field, name), name, known, noun)
        for i, cut in enumerate(spec.cuts):
            yield from _names_of_cut(draft, instance, (*place, "cuts", i), cut)


def struck(instance: Instance) -> Iterator[tuple[Place, ShockSpec | EnsembleSpec | Event]]:
    """All that may say what is struck, as the file has it: shocks, ensembles, their events."""
    for s, spec in instance.shocks.items():
        yield ("shocks", s), spec
    for e, ensemble in instance.ensembles.items():
        yield ("ensembles", e), ensemble
        for name, event in ensemble.events.items():
            yield ("ensembles", e, "events", name), event


def happening(instance: Instance) -> Iterator[tuple[Place, ShockSpec | Event]]:
    """All that may happen, with what it inherits: shocks, and the events of ensembles."""
    for s, spec in instance.shocks.items():
        yield ("shocks", s), spec
    for e, ensemble in instance.ensembles.items():
        for name, event in ensemble.whole_events().items():
            yield ("ensembles", e, *(("events", name) if name else ())), event


def _names_of_cut(draft: Draft, instance: Instance, place: Place, cut: Target) -> Iterator[Problem]:
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
    near = nearest(word, sorted(known))
    cure = f'Did you mean "{near}"?' if near else f"Known: {', '.join(sorted(known))}."
    yield place, f'"{word}" is not the region of {noun}', cure, "error" if near else "warning"


def _near_misses(place: Place, names: Iterable[str] | None, known: Iterable[str], noun: str) -> Iterator[Problem]:
    """A word that almost names something is a slip; one that names nothing is left to `cuts_match`."""
    for name in names or ():
        near = nearest(name, sorted(known))
        if name not in known and near:
            yield place, f'"{name}" is the {noun} of no process', f'Did you mean "{near}"?', "error"
