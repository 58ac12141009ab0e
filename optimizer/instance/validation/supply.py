"""The passes about what is made of what: what is needed can be had, and what can be had is needed."""

from collections.abc import Iterator, Mapping

from optimizer.errors import Severity
from optimizer.instance.derived import struck
from optimizer.instance.schema import Instance
from optimizer.instance.validation.candidate import Draft, Place, Problem


def floors_have_a_source(draft: Draft) -> Iterator[Problem]:
    """Every commodity with a floor can be made, stored, recycled or done without."""
    if draft.instance is None or not draft.resolved:
        return
    instance = draft.instance
    had, roots = _obtainable(instance)
    replaced = {flow.serves for option in instance.options.values() for flow in option.flows}
    floors = _highest_floors(instance)
    for d, demand in instance.demands.items():
        if demand.commodity in had or d in replaced:
            continue
        root = roots.get(demand.commodity, demand.commodity)
        tail = "" if root == demand.commodity else f", so {demand.commodity} can never be made"
        cure = "Add a process, option or stockpile that supplies it, or correct an input."
        severity: Severity = "error" if floors[d] > 0 else "warning"
        yield ("demands", d, "commodity"), f"no process makes {root}{tail}", cure, severity


def _highest_floors(instance: Instance) -> dict[str, float]:
    """By segment the highest floor that it has, its own or one of a shock."""
    highest = {d: max(demand.survival.values) for d, demand in instance.demands.items()}
    for _, spec in struck(instance):
        for d, floor in (spec.survival or {}).items():
            highest[d] = max(highest[d], floor)
    return highest


def _obtainable(instance: Instance) -> tuple[set[str], dict[str, str]]:
    """Commodities that can be had at all; and for the others that something makes, the commodity that stops it.

    An activity runs once all its inputs can be had. Each input is ticked off once, so that the time is linear in the
    number of inputs and outputs, in whatever order the file lists them.
    """
    others = [option for o, option in instance.options.items() if o not in instance.activities]
    had = {commodity for option in others for flow in option.flows for commodity in flow.gives}
    had |= {demand.end_of_life.commodity for demand in instance.demands.values() if demand.end_of_life}
    activities = instance.activities
    lacking = {name: set(activity.input) for name, activity in activities.items()}
    users: dict[str, list[str]] = {}
    for name, inputs in lacking.items():
        for commodity in inputs:
            users.setdefault(commodity, []).append(name)
    fresh = list(had | {c for name, inputs in lacking.items() if not inputs for c in activities[name].output})
    had.update(fresh)
    while fresh:
        commodity = fresh.pop()
        for name in users.get(commodity, ()):
            lacking[name].discard(commodity)
            made = [] if lacking[name] else [c for c in activities[name].output if c not in had]
            had.update(made)
            fresh += made
    blocked: dict[str, str] = {}
    for name, inputs in lacking.items():
        for commodity in activities[name].output if inputs else ():
            blocked.setdefault(commodity, next(c for c in activities[name].input if c in inputs))
    return had, _roots(blocked)


def _roots(blocked: Mapping[str, str]) -> dict[str, str]:
    """Where each chain of "this is made of that, which cannot be had" ends; in a circle, at one of its members."""
    roots: dict[str, str] = {}
    for commodity in blocked:
        trail, at = dict[str, None](), commodity
        while at in blocked and at not in roots and at not in trail:
            trail[at] = None
            at = blocked[at]
        roots |= dict.fromkeys(trail, roots.get(at, at))
    return roots


def inputs_can_be_had(draft: Draft) -> Iterator[Problem]:
    """Nothing waits for a commodity that nobody makes; what lacks for a segment is said of the segment."""
    if draft.instance is None or not draft.resolved:
        return
    instance = draft.instance
    had, roots = _obtainable(instance)
    made = {commodity for activity in instance.activities.values() for commodity in activity.output}
    lacking = {demand.commodity for demand in instance.demands.values()} - had
    known = had | made | {roots[commodity] for commodity in lacking if commodity in roots}
    for place, commodity in _inputs(instance):
        if commodity not in known:
            *_, name, _side, _commodity = place
            what = f"nobody makes {commodity}, so {name} can never run"
            cure = "Add a process, an option, a stockpile or scrap that supplies it, or correct the input."
            yield place, what, cure, "warning"


def _inputs(instance: Instance) -> Iterator[tuple[Place, str]]:
    """Whatever is put in: the place, and the commodity."""
    for name, activity in instance.activities.items():
        section = "processes" if name in instance.processes else "options"
        for commodity in activity.input:
            yield (section, name, "input", commodity), commodity
    for o, option in instance.options.items():
        for flow in option.flows if o not in instance.activities else ():
            for commodity in flow.takes:
                yield ("options", o, "input", commodity), commodity


def commodities_are_of_use(draft: Draft) -> Iterator[Problem]:
    """Every commodity goes somewhere, but for what comes along with another: an ore decides the basket."""
    if draft.instance is None or not draft.resolved:
        return
    instance = draft.instance
    used = {demand.commodity for demand in instance.demands.values()} | {c for _, c in _inputs(instance)}
    used |= {rule.commodity for rule in (*instance.policy.max_share, *instance.policy.min_share)}
    alongside = {
        commodity
        for activity in instance.activities.values()
        if not used.isdisjoint(activity.output)
        for commodity in activity.output
    }
    known = used | alongside
    for commodity in instance.commodities:
        if commodity not in known:
            cure = "Name it as an input or as the commodity of a segment, or remove it."
            yield ("commodities", commodity), "nothing uses it", cure, "warning"
