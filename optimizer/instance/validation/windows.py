"""The passes about when shocks come, how long they last, how likely they are, and what they are called."""

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate

from optimizer.disruptions.ensemble import EnsembleSpec
from optimizer.disruptions.family import figure
from optimizer.disruptions.sampling import sample_names
from optimizer.disruptions.shock import BASELINE, expand
from optimizer.horizon import Horizon
from optimizer.instance.schema import Instance
from optimizer.instance.validation.candidate import Draft, Place, Problem
from optimizer.tolerances import ROUNDING


def shocks_are_inside_the_horizon(draft: Draft) -> Iterator[Problem]:
    """Every start is a period, once; every window a whole number of periods."""
    if draft.instance is None:
        return
    horizon = draft.instance.horizon
    for s, spec in draft.instance.shocks.items():
        months: Place = ("grid", "months") if spec.grid and spec.grid.months else ("months",)
        yield from whole_periods(horizon, ("shocks", s, *months), spec.durations.values)
        for what, cure in spec.start.problems(horizon):
            yield ("shocks", s, "start"), what, cure, "error"
        if spec.grid and spec.grid.severity and not spec.cuts:
            cure = "Add `cuts:`, or remove it."
            yield ("shocks", s, "grid", "severity"), "a severity, but no cut that has it", cure, "warning"
    for e, ensemble in draft.instance.ensembles.items():
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


def probabilities_add_up(draft: Draft) -> Iterator[Problem]:
    """For every period, the probabilities of the shocks whose windows hold it add to at most 1."""
    if draft.instance is None or not _readable(draft.instance):
        return
    horizon, events = draft.instance.horizon, draft.instance.events
    begun: list[list[float]] = [[0.0] for _ in range(len(horizon.periods) + 1)]
    for event in events:
        if event.probability > 0:
            begun[event.periods.start].append(event.probability)
            begun[event.periods.stop].append(-event.probability)
    section = "shocks" if draft.instance.shocks else "ensembles"
    sums = list(accumulate(map(math.fsum, begun)))
    worst = max(horizon.periods, key=lambda t: round(sums[t], 12))
    if sums[worst] > 1 + ROUNDING:
        what = f"the probabilities of the shocks that hold {horizon.label(worst)} add to {sums[worst]:.4g}"
        yield (section,), what, "Lower them so that no period has more than 1.", "error"
        return
    full = next((t for t in horizon.periods if sums[t] >= 1 - ROUNDING), None)
    if full is not None:
        what = (
            f"the probabilities of the shocks that hold {horizon.label(full)} add to 1: the baseline cannot occur then"
        )
        cure = "Lower them, or remember that the parts of the cost hold what never happens: "
        cure += "the baseline there, less itself."
        yield (section,), what, cure, "warning"


def shock_names_are_distinct(draft: Draft) -> Iterator[Problem]:
    """A shock's name means one event, an entry's one entry; the baseline keeps its own."""
    if draft.instance is None or not _readable(draft.instance):
        return
    instance = draft.instance
    seen = {BASELINE: "the baseline"} | dict.fromkeys(instance.rules, "a rule of the policy")
    for s, spec in instance.shocks.items():
        for event in expand(s, spec, instance.horizon):
            whose = f"an event of {s}" if spec.is_family else f"the shock {s}"
            other = seen.setdefault(event.name, whose)
            if other != whose:
                yield ("shocks", s), f'"{event.name}" is also the name of {other}', "Give it another name.", "error"
    for e, ensemble in instance.ensembles.items():
        other = f"the shock {e}" if e in instance.shocks else seen.get(e, "")
        if other:
            yield ("ensembles", e), f'"{e}" is also the name of {other}', "Give one of the two another name.", "error"
        clash = next((name for name in sample_names(e, ensemble) if name in seen), None)
        if clash is not None:
            what = f'"{clash}", a sample, is also the name of {seen[clash]}'
            yield ("ensembles", e), what, "Give one of the two another name.", "error"
        # Two ensembles cannot clash: what stands before the last # is the ensemble's own name.


def _readable(instance: Instance) -> bool:
    try:
        return instance.events is not None
    except ValueError:
        return False
