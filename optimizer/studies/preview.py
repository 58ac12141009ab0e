"""What families and ensembles of shocks come to: how many, when, how long, how hard."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance

Spread = tuple[float, float, float]


@dataclass(frozen=True)
class Preview:
    """One family, or one ensemble.

    Attributes:
        name: of the entry.
        kind: under which section it stands.
        events: how many there are.
        first, last: labels of the earliest and the latest start.
        months: shortest, median and longest window, cut off at the end of the horizon.
        severity: of the events' worst cuts the smallest, the median and the largest; None where nothing is cut.
        probability: of all events together.
        names: the first three.
    """

    name: str
    kind: Literal["family", "ensemble"]
    events: int
    first: str
    last: str
    months: Spread
    severity: Spread | None
    probability: float
    names: tuple[str, ...]


def previews(instance: Instance) -> tuple[Preview, ...]:
    """Every shock entry that is a family, then every ensemble."""
    found = []
    for name, events in groupby(instance.events, key=lambda event: owner(instance, event)):
        if name in instance.ensembles:
            found.append(_preview(instance, name, "ensemble", list(events), instance.ensembles[name].probability))
        elif instance.shocks[name].is_family:
            found.append(_preview(instance, name, "family", list(events), instance.shocks[name].probability))
    return tuple(found)


def owner(instance: Instance, event: Shock) -> str:
    """The entry of the file that an event comes from: a shock, or an ensemble."""
    return event.entry if event.entry in instance.shocks else event.name.rpartition("#")[0]


def _preview(
    instance: Instance, name: str, kind: Literal["family", "ensemble"], events: Sequence[Shock], probability: float
) -> Preview:
    label = instance.horizon.label
    worst = [
        max(severity for cut in event.spec.cuts for severity in cut.severity) for event in events if event.spec.cuts
    ]
    return Preview(
        name=name,
        kind=kind,
        events=len(events),
        first=label(min(event.periods.start for event in events)),
        last=label(max(event.periods.start for event in events)),
        months=_spread(float(len(event.periods) * instance.horizon.months) for event in events),
        severity=_spread(worst) if worst else None,
        probability=probability,
        names=tuple(event.name for event in events[:3]),
    )


def _spread(numbers: Iterable[float]) -> Spread:
    ordered = sorted(numbers)
    return ordered[0], statistics.median(ordered), ordered[-1]
