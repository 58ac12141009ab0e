"""Checks of shocks: how many there are, when they come, how likely they are, how they are called, what they do."""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from optimizer.disruptions.ensemble import EnsembleSpec, sample_names
from optimizer.disruptions.family import figure
from optimizer.disruptions.shock import BASELINE, ShockSpec, expand
from optimizer.errors import Place, Problem
from optimizer.horizon import Horizon
from optimizer.instance.derived import entries_with_cuts, whole_entries
from optimizer.instance.schema import Instance
from optimizer.instance.validation.unchecked import Unchecked
from optimizer.limits import COLUMNS, EVENTS
from optimizer.tolerances import ROUNDING


def sizes_can_be_handled(unchecked: Unchecked) -> Iterator[Problem]:
    """There are not too many events, and not too many periods for all that happens in each."""
    instance, total = unchecked.instance, 0
    periods = len(instance.horizon.periods)
    counts = [(("shocks", s), _size(spec, periods)) for s, spec in instance.shocks.items()]
    counts += [(("ensembles", e), spec.count) for e, spec in instance.ensembles.items()]
    for place, count in counts:
        total += count
        if total > EVENTS:
            what = f"with it there are more than {EVENTS:,} shocks, those of families and ensembles counted"
            yield place, what, "Take fewer starts, durations, severities or samples.", "error"
            return
    acting = len(instance.processes) + len(instance.options) + len(instance.demands)
    if periods * acting > COLUMNS:
        what = f"{periods:,} periods for {acting:,} processes, options and segments are too many to compute with"
        yield ("horizon",), what, "Choose a coarser step, or a shorter horizon.", "error"


def _size(spec: ShockSpec, periods: int) -> int:
    """How many events an entry has at most."""
    starts = periods if spec.start.form == "span" else len(spec.start.labels)
    return starts * len(spec.durations.values) * max(1, len(spec.grid.severity) if spec.grid else 1)


def shocks_are_inside_the_horizon(unchecked: Unchecked) -> Iterator[Problem]:
    """Every start is a period, once; every window a whole number of periods."""
    horizon = unchecked.instance.horizon
    for s, spec in unchecked.instance.shocks.items():
        months: Place = ("grid", "months") if spec.grid and spec.grid.months else ("months",)
        yield from whole_periods(horizon, ("shocks", s, *months), spec.durations.values)
        for what, cure in spec.start.problems(horizon):
            yield ("shocks", s, "start"), what, cure, "error"
        if spec.grid and spec.grid.severity and not spec.cuts:
            cure = "Add `cuts:`, or remove it."
            yield ("shocks", s, "grid", "severity"), "a severity, but no cut that has it", cure, "warning"
    for e, ensemble in unchecked.instance.ensembles.items():
        yield from _of_ensemble(horizon, ("ensembles", e), ensemble)


def _of_ensemble(horizon: Horizon, place: Place, spec: EnsembleSpec) -> Iterator[Problem]:
    for what, cure in spec.start.problems(horizon) if spec.start else ():
        yield (*place, "start"), what, cure, "error"
    if spec.months is not None:
        yield from whole_periods(horizon, (*place, "months"), spec.months.values)
    for name, event in spec.events.items():
        if event.months is not None:
            yield from whole_periods(horizon, (*place, "events", name, "months"), event.months.values)


def whole_periods(horizon: Horizon, place: Place, durations: Iterable[float]) -> Iterator[Problem]:
    """Durations in months are whole numbers of periods."""
    for months in durations:
        periods = round(months / horizon.months)
        if periods < 1 or abs(months / horizon.months - periods) > ROUNDING:
            up = math.ceil(months / horizon.months) * horizon.months
            what = f"{figure(months)} months are no whole number of {horizon.step}s"
            yield place, what, f"Write a multiple of {horizon.months}, such as {up}.", "error"


def probabilities_add_up(unchecked: Unchecked) -> Iterator[Problem]:
    """For every period, the probabilities of the shocks whose windows hold it add to at most 1."""
    if not has_events(unchecked.instance):
        return
    horizon = unchecked.instance.horizon
    section = "shocks" if unchecked.instance.shocks else "ensembles"
    sums = _probabilities(unchecked.instance)
    worst = max(horizon.periods, key=lambda t: round(sums[t], 12))
    full = next((t for t in horizon.periods if sums[t] >= 1 - ROUNDING), None)
    if sums[worst] > 1 + ROUNDING:
        what = f"the probabilities of the shocks that hold {horizon.label(worst)} add to {sums[worst]:.4g}"
        yield (section,), what, "Lower them so that no period has more than 1.", "error"
    elif full is not None:
        what = (
            f"the probabilities of the shocks that hold {horizon.label(full)} add to 1: the baseline cannot occur then"
        )
        cure = "Lower them, or remember that the parts of the cost hold what never happens: "
        cure += "the baseline there, less itself."
        yield (section,), what, cure, "warning"


def outcomes_exclude_each_other(unchecked: Unchecked) -> Iterator[Problem]:
    """With `cvar`, at most one shock occurs over the whole horizon: all their probabilities add to at most 1."""
    instance = unchecked.instance
    if instance.policy.objective.kind != "cvar" or not has_events(instance):
        return
    total = math.fsum(event.probability for event in instance.events)
    if total > 1 + ROUNDING:
        what = f"cvar takes one shock at most, but the probabilities of all shocks add to {total:.4g}"
        yield ("policy", "objective"), what, "Lower them so that they add to 1 at most.", "error"


def _probabilities(instance: Instance) -> list[float]:
    """By period, the probability that some shock's window holds it."""
    changes: list[list[float]] = [[0.0] for _ in range(len(instance.horizon.periods) + 1)]
    for event in instance.events:
        if event.probability > 0:
            changes[event.periods.start].append(event.probability)
            changes[event.periods.stop].append(-event.probability)
    return list(accumulate(map(math.fsum, changes)))


def shock_names_are_distinct(unchecked: Unchecked) -> Iterator[Problem]:
    """A shock's name means one event, an entry's one entry; the baseline keeps its own."""
    if not has_events(unchecked.instance):
        return
    instance = unchecked.instance
    seen = {BASELINE: "the baseline"} | dict.fromkeys(instance.rules, "a rule of the policy")
    for s, spec in instance.shocks.items():
        for event in expand(s, spec, instance.horizon):
            owner = f"an event of {s}" if spec.is_family else f"the shock {s}"
            other = seen.setdefault(event.name, owner)
            if other != owner:
                yield ("shocks", s), f'"{event.name}" is also the name of {other}', "Give it another name.", "error"
    for e, ensemble in instance.ensembles.items():
        yield from _names_of_ensemble(instance, e, ensemble, seen)


def _names_of_ensemble(
    instance: Instance, e: str, ensemble: EnsembleSpec, seen: Mapping[str, str]
) -> Iterator[Problem]:
    """Names of others that the ensemble or a sample has; of two ensembles they differ before the last ``#``."""
    other, cure = f"the shock {e}" if e in instance.shocks else seen.get(e), "Give one of the two another name."
    if other:
        yield ("ensembles", e), f'"{e}" is also the name of {other}', cure, "error"
    sample = next((name for name in sample_names(e, ensemble) if name in seen), None)
    if sample is not None:
        yield ("ensembles", e), f'"{sample}", a sample, is also the name of {seen[sample]}', cure, "error"


def has_events(instance: Instance) -> bool:
    """Whether the shocks of an instance can be listed: all their starts are periods."""
    try:
        return instance.events is not None
    except ValueError:
        return False


def cuts_match(unchecked: Unchecked) -> Iterator[Problem]:
    """Every cut affects something, and every shock has an effect."""
    for place, spec in entries_with_cuts(unchecked.instance):
        yield from unchecked.unmatched(place, spec.cuts)
    for place, whole in whole_entries(unchecked.instance):
        if not any((whole.cuts, whole.demand, whole.cost, whole.survival, whole.reliability)):
            noun = "event" if "events" in place else str(place[0]).removesuffix("s")
            yield place, "nothing happens in it", f"Add `cuts:`, or remove the {noun}.", "warning"
