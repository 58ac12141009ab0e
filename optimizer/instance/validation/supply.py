"""Checks of supply: what is needed can be had, and what can be had is needed."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from optimizer.errors import Place, Problem, Severity
from optimizer.instance.derived import entries_with_cuts
from optimizer.instance.schema import Instance
from optimizer.instance.validation.unchecked import Unchecked
from optimizer.network.process import Activity
from optimizer.tolerances import ROUNDING


def floors_have_a_source(unchecked: Unchecked) -> Iterator[Problem]:
    """Every commodity with a floor can be made, stored, recycled or done without."""
    instance = unchecked.instance
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
    for _, spec in entries_with_cuts(instance):
        for d, floor in (spec.survival or {}).items():
            highest[d] = max(highest[d], floor)
    return highest


def _obtainable(instance: Instance) -> tuple[set[str], dict[str, str]]:
    """Commodities that can be had at all; and for the others that something makes, the commodity that stops it."""
    others = [option for o, option in instance.options.items() if o not in instance.activities]
    had = {commodity for option in others for flow in option.flows for commodity in flow.gives}
    had |= {demand.end_of_life.commodity for demand in instance.demands.values() if demand.end_of_life}
    lacking = {name: set(activity.input) for name, activity in instance.activities.items()}
    _run_all(instance.activities, had, lacking)
    return had, _roots(_find_blocked(instance.activities, lacking))


def _find_blocked(activities: Mapping[str, Activity], lacking: Mapping[str, Collection[str]]) -> dict[str, str]:
    """By output of what cannot run, its first input that cannot be had."""
    blocked: dict[str, str] = {}
    for name, inputs in lacking.items():
        for commodity in activities[name].output if inputs else ():
            blocked.setdefault(commodity, next(c for c in activities[name].input if c in inputs))
    return blocked


def _users(lacking: Mapping[str, Collection[str]]) -> defaultdict[str, list[str]]:
    """By commodity, the activities that lack it."""
    users = defaultdict[str, list[str]](list)
    for name, inputs in lacking.items():
        for commodity in inputs:
            users[commodity].append(name)
    return users


def _run_all(activities: Mapping[str, Activity], had: set[str], lacking: Mapping[str, set[str]]) -> None:
    """Run whatever can run: add to `had` what is made, and take from `lacking` the inputs that can be had.

    An activity runs once all its inputs can be had. Each input is removed once, so that the time is linear in the
    number of inputs and outputs, in whatever order the file lists them.
    """
    users = _users(lacking)
    had.update(c for name, inputs in lacking.items() if not inputs for c in activities[name].output)
    fresh = list(had)
    while fresh:
        commodity = fresh.pop()
        for name in users[commodity]:
            lacking[name].discard(commodity)
            made = [] if lacking[name] else [c for c in activities[name].output if c not in had]
            had.update(made)
            fresh += made


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


def inputs_can_be_had(unchecked: Unchecked) -> Iterator[Problem]:
    """Every input can be had; an input that a segment lacks is reported at the segment."""
    instance = unchecked.instance
    had, roots = _obtainable(instance)
    made = {commodity for activity in instance.activities.values() for commodity in activity.output}
    lacking = {demand.commodity for demand in instance.demands.values()} - had
    known = had | made | {roots[commodity] for commodity in lacking if commodity in roots}
    for place, commodity in _inputs(instance):
        if commodity not in known:
            *_, name, _side, _commodity = place
            what = f"nothing makes {commodity}, so {name} can never run"
            cure = "Add a process, an option, a stockpile or scrap that supplies it, or correct the input."
            if _has_to_run(instance, str(name)):
                yield place, f"{what}, but has to (min_utilisation)", cure, "error"
            else:
                yield place, what, cure, "warning"


def _has_to_run(instance: Instance, name: str) -> bool:
    """Whether it is an existing process that has capacity, and a share of it that has to run in the baseline."""
    process = instance.processes.get(name)
    return process is not None and process.min_utilisation > 0 and max(process.capacity.values) > 0


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


# The most years before the horizon that an actual output may date from, since it is compared with the first year.
YEARS_BEFORE = 3


def actual_outputs_can_be_compared(unchecked: Unchecked) -> Iterator[Problem]:
    """Actual outputs are of years in or just before the horizon, and no more than the capacity makes."""
    instance = unchecked.instance
    first, last = instance.horizon.start - YEARS_BEFORE, instance.horizon.end
    for p, process in instance.processes.items():
        made = process.first_output
        if process.actual and (made is None or made[1] == 0):
            what = "an actual output, but the process makes nothing that could be compared with it"
            yield ("processes", p, "actual"), what, "Write what it makes first under `output`, or remove it.", "error"
            continue
        for year, actual in process.actual.items():
            place: Place = ("processes", p, "actual", str(year))
            if not first <= year <= last:
                what = f"{year} is neither in the horizon nor in the {YEARS_BEFORE} years before it"
                yield place, what, f"Write a year from {first} to {last}.", "error"
                continue
            most = float(process.capacity.at(max(year, instance.horizon.start))) * (made[1] if made else 0.0)
            if actual > most * (1.0 + ROUNDING):
                what = f"actual output of {actual:g} t is more than the capacity makes, {most:g} t a year"
                yield place, what, "Raise capacity, or write the part that the capacity stands for.", "warning"


def restarts_take_time(unchecked: Unchecked) -> Iterator[Problem]:
    """Some of what takes months to restart may stand still in the baseline."""
    for name, activity in unchecked.instance.activities.items():
        if activity.restart_months > 0 and activity.min_utilisation >= 1:
            section = "processes" if name in unchecked.instance.processes else "options"
            what = "has no effect: all of its capacity runs by min_utilisation when a shock begins"
            cure = "Lower min_utilisation to what contracts keep running, or remove it."
            yield (section, name, "restart_months"), what, cure, "warning"


def commodities_are_of_use(unchecked: Unchecked) -> Iterator[Problem]:
    """Every commodity goes somewhere, but for what comes along with another: an ore decides the basket."""
    instance = unchecked.instance
    used = {demand.commodity for demand in instance.demands.values()} | {c for _, c in _inputs(instance)}
    used |= {rule.commodity for rule in (*instance.policy.max_share, *instance.policy.min_share)}
    outputs = [set(activity.output) for activity in instance.activities.values()]
    used = used.union(*(output for output in outputs if output & used))
    for commodity in instance.commodities:
        if commodity not in used:
            cure = "Name it as an input or as the commodity of a segment, or remove it."
            yield ("commodities", commodity), "nothing uses it", cure, "warning"
