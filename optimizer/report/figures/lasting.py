"""Time to survive of each chokepoint, before and after a plan."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.instance.schema import Instance
from optimizer.report.words import named, placed
from optimizer.studies.time_to_survive import Chokepoint, Exposure, SurvivalTime, TimeToSurvive

# Of more chokepoints than this the most exposed are shown.
MOST = 40


@dataclass(frozen=True)
class Line:
    """A chokepoint: months by year, None where it is for ever.

    Attributes:
        key: unique. name: for reading. kind, deliberate: as in the analysis.
        cuts: in words.
        months: by year of the horizon.
        segments: by year, what gives out first; None where nothing does.
        worst: the place of the year with the least time.
    """

    key: str
    name: str
    kind: str
    deliberate: bool
    cuts: tuple[str, ...]
    months: tuple[float | None, ...]
    segments: tuple[str | None, ...]
    worst: int


def lines(instance: Instance, endurance: TimeToSurvive) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Every chokepoint that can end a floor, before and after the plan, the most exposed first.

    The second is empty where there is no plan.
    """
    ending = [each for each in endurance.exposures if not _is_endless(each)]
    before = tuple(_line(instance, each, each.before, each.worst) for each in ending)
    return before, tuple(_line(instance, each, each.after, each.worst) for each in ending if each.after)


def _is_endless(exposure: Exposure) -> bool:
    return all(math.isinf(each.months) for each in (*exposure.before, *exposure.after))


def _named(instance: Instance, exposure: Exposure) -> str:
    if exposure.kind == "process":
        return named(instance, exposure.name)
    if exposure.kind == "stage":
        region, _, stage = exposure.name.partition(" / ")
        return placed(instance, stage, region)
    entry, at, severity = exposure.name.partition("@")
    if exposure.kind == "shock" and entry in instance.shocks:
        return (instance.shocks[entry].name or entry) + (f" · {severity}" if at else "")
    return exposure.name


def _line(instance: Instance, exposure: Exposure, lasting: Sequence[SurvivalTime], worst: int) -> Line:
    return Line(
        key=key_of(exposure),
        name=_named(instance, exposure),
        kind=exposure.kind,
        deliberate=exposure.deliberate,
        cuts=exposure.cuts,
        months=tuple(each.months if math.isfinite(each.months) else None for each in lasting),
        segments=tuple(each.segment for each in lasting),
        worst=worst,
    )


def key_of(each: Chokepoint | Exposure) -> str:
    """What tells a chokepoint from all others."""
    return f"{each.kind}:{each.name}"
