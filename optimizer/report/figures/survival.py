"""Shock × segment, and each segment's path through a shock, period by period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.instance.schema import Instance
from optimizer.levers import Substitution
from optimizer.plan import Flows, Outcome, Row, Service
from optimizer.report.words import cut_words, named
from optimizer.result import Result
from optimizer.shocks import Shock

# Of more shocks than this the most critical are shown.
MOST = 40


@dataclass(frozen=True)
class Strike:
    """One shock, whatever the plan.

    Attributes:
        name: of the event. title: what the file calls its entry. which: what tells it from others of that entry.
        first, last: labels of its window. start: number of its first period.
        deliberate, probability: as in the file.
        cuts: what it cuts, in words. also: what else it changes, in words.
        demand: by segment, t per period of the window, after any surge.
        floor: by segment, the survival floor of each period, a share.
    """

    name: str
    title: str
    which: str
    first: str
    last: str
    start: int
    deliberate: bool
    probability: float
    cuts: tuple[str, ...]
    also: tuple[str, ...]
    demand: Mapping[str, Row]
    floor: Mapping[str, Row]


@dataclass(frozen=True)
class Passing:
    """One shock under a plan: each segment's worst period, and its path where flows are kept.

    Attributes:
        name, survives, gap: of the outcome.
        segments: as in the result; of a shock that is a line only those it names.
        short: by segment, t unserved in each period; empty on a line.
        substituted: by segment, t served by substitutes in each period; only where there are some.
    """

    name: str
    survives: bool
    gap: float
    segments: Mapping[str, Service]
    short: Mapping[str, Row]
    substituted: Mapping[str, Row]


def titled(event: Shock) -> tuple[str, str]:
    """What the file calls an event's entry, and what tells it from others of the entry."""
    if not event.name.startswith(event.entry):
        return event.name, ""
    return event.spec.name or event.entry, event.name.removeprefix(event.entry).removeprefix("@")


def in_full(event: Shock) -> str:
    """An event for reading: ``Full embargo, 18 months · 2028Q1``."""
    return " · ".join(part for part in titled(event) if part)


def compact(passing: Passing) -> dict[str, Any]:
    """A shock under a plan for JSON, of which a report may hold thousands of cells.

    A segment is its worst service, floor, worst period, first failure; a segment that is never short is left out of
    ``short``, and ``kept`` says whether paths are known at all.
    """
    return {
        "name": passing.name,
        "survives": passing.survives,
        "gap": passing.gap,
        "segments": {
            d: [each.worst_service, each.floor, each.worst_period, each.first_failure]
            for d, each in passing.segments.items()
        },
        "kept": bool(passing.short),
        "short": {d: row for d, row in passing.short.items() if any(row)},
        "substituted": dict(passing.substituted),
    }


def critical(results: Sequence[Result]) -> tuple[str, ...]:
    """The shocks to be shown, in the order of the instance: those with the largest gap, then the least margin."""
    outcomes: dict[str, list[Outcome]] = {}
    for result in results:
        for outcome in result.shocks:
            outcomes.setdefault(outcome.name, []).append(outcome)
    ordered = sorted(outcomes, key=lambda name: _urgency(outcomes[name]))
    kept = frozenset(ordered[:MOST])
    return tuple(name for name in outcomes if name in kept)


def _urgency(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    margins = [service.margin for outcome in outcomes for service in outcome.segments.values()]
    return -max(outcome.gap for outcome in outcomes), min(margins, default=1.0)


def strikes(instance: Instance, names: Sequence[str]) -> tuple[Strike, ...]:
    """Shocks by name, with what they ask of each segment."""
    return tuple(_strike(instance, instance.event(name)) for name in names)


def _strike(instance: Instance, event: Shock) -> Strike:
    path, label, spec = instance.path(event), instance.horizon.label, event.spec
    also = [f"demand of {named(instance, d)} × {factor:g}" for d, factor in spec.demand.items()]
    also += [f"cost of {named(instance, name)} × {factor:g}" for name, factor in spec.cost.items()]
    also += [f"floor of {named(instance, d)} {100 * share:g} %" for d, share in spec.survival.items()]
    also += [f"{named(instance, o)} delivers {100 * share:g} %" for o, share in spec.reliability.items()]
    return Strike(
        name=event.name,
        title=titled(event)[0],
        which=titled(event)[1],
        first=label(event.periods[0]),
        last=label(event.periods[-1]),
        start=event.periods[0],
        deliberate=spec.deliberate,
        probability=event.probability,
        cuts=tuple(cut_words(instance, cut) for cut in spec.cuts),
        also=tuple(also),
        demand={d: tuple(map(float, path.demand[d])) for d in instance.demands},
        floor={d: tuple(map(float, path.floor[d])) for d in instance.demands},
    )


def passings(instance: Instance, result: Result, names: Sequence[str]) -> tuple[Passing, ...]:
    """The same shocks under a plan."""
    outcomes = {outcome.name: outcome for outcome in result.shocks}
    return tuple(_passing(instance, outcomes[name]) for name in names)


def _passing(instance: Instance, outcome: Outcome) -> Passing:
    flows = outcome.flows
    return Passing(
        name=outcome.name,
        survives=outcome.survives,
        gap=outcome.gap,
        segments=outcome.segments,
        short={} if flows is None else {d: tuple(max(0.0, t) for t in flows.unserved[d]) for d in instance.demands},
        substituted={} if flows is None else _substituted(instance, flows),
    )


def _substituted(instance: Instance, flows: Flows) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for o, option in instance.options.items():
        row = flows.substituted.get(o, ())
        if isinstance(option, Substitution) and any(row):
            before = found.get(option.demand, (0.0,) * len(row))
            found[option.demand] = tuple(one + other for one, other in zip(before, row, strict=True))
    return found
