"""The passes about what is made of what: what is needed can be had, and what can be had is needed."""

from collections.abc import Iterator

from optimizer.instance.draft import Draft, Place, Problem
from optimizer.instance.references import struck
from optimizer.instance.schema import Instance
from optimizer.levers import Stockpile, Substitution


def floors_have_a_source(draft: Draft) -> Iterator[Problem]:
    """Every commodity with a floor can be made, stored, recycled or done without."""
    if draft.instance is None or not draft.resolved:
        return
    instance = draft.instance
    had, missing = _obtainable(instance)
    for d, demand in instance.demands.items():
        if demand.commodity in had or any(
            isinstance(option, Substitution) and option.demand == d for option in instance.options.values()
        ):
            continue
        floors = [*demand.survival.values, *((spec.survival or {}).get(d, 0.0) for _, spec in struck(instance))]
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


def inputs_can_be_had(draft: Draft) -> Iterator[Problem]:
    """Nothing waits for a commodity that nobody makes; what lacks for a segment is said of the segment."""
    if draft.instance is None or not draft.resolved:
        return
    instance = draft.instance
    had, missing = _obtainable(instance)
    made = {commodity for activity in instance.activities.values() for commodity in activity.output}
    lacking = {demand.commodity for demand in instance.demands.values()} - had
    told = {missing[commodity].rsplit(" ", 1)[-1] for commodity in lacking if commodity in missing}
    for place, commodity in _inputs(instance):
        if commodity not in had | made | told:
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
        for commodity in option.input if isinstance(option, Substitution) else ():
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
        if used & activity.output.keys()
        for commodity in activity.output
    }
    for commodity in instance.commodities:
        if commodity not in used | alongside:
            cure = "Name it as an input or as the commodity of a segment, or remove it."
            yield ("commodities", commodity), "nothing uses it", cure, "warning"
