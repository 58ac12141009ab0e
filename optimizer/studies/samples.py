"""What samples have in common, as arrays; shares survived, overall and by group, with Wilson's interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.results.plan import Array
from optimizer.results.ranking import weakest
from optimizer.studies.survival import Survey

# The normal quantile of a two-sided 95 % interval.
NORMAL = 1.959963984540054
# Durations with more values than this are grouped in quarters, as severities are.
VALUES = 12
Whole = npt.NDArray[np.intp]
By = Literal["event", "start", "months", "severity"]


@dataclass(frozen=True)
class Samples:
    """Every sample, in the order of the instance's events: arrays (samples,).

    Attributes:
        name: of the sample. entry: the event or entry that it is drawn from.
        start: its first period. months: of its window, cut off at the end of the horizon.
        severity: of its worst cut; 0 where nothing is cut.
        survived, gap: whether every floor holds; money.
        segment: number of the weakest; -1 where there are none.
        service, floor: of that segment in its worst period, shares.
        failure: the first period in which any floor fails; -1 where none does.
        probability: as the instance has it.
    """

    name: tuple[str, ...]
    entry: tuple[str, ...]
    start: Whole
    months: Whole
    severity: Array
    survived: npt.NDArray[np.bool_]
    gap: Array
    segment: Whole
    service: Array
    floor: Array
    failure: Whole
    probability: Array


@dataclass(frozen=True)
class Group:
    """Samples that have something in common.

    Attributes:
        by: what they have in common: event, start (the year), months or severity (of the worst cut).
        name: event, year, months or range.
        samples, survived: how many.
        interval: Wilson's 95 % interval of the share survived.
        mean_gap: money, over all of them.
    """

    by: By
    name: str
    samples: int
    survived: int
    interval: tuple[float, float]
    mean_gap: float

    @property
    def share(self) -> float:
        """The share survived."""
        return self.survived / self.samples


@dataclass(frozen=True)
class Spread:
    """One segment's service over all samples, in each the share served in its weakest period.

    Attributes:
        floor: smallest and largest floor of those periods.
        mean, p5, p50, p95: of the service.
        below: share of the samples in which it falls below its floor.
    """

    floor: tuple[float, float]
    mean: float
    p5: float
    p50: float
    p95: float
    below: float


def wilson(good: int, all_: int) -> tuple[float, float]:
    """Wilson's score interval of a share, at 95 %.

    (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n): unlike p ± z·√(p(1−p)/n) it is never empty at 0 or 1.
    """
    share, square = good / all_, NORMAL**2 / all_
    middle, reach = share + square / 2, NORMAL * math.sqrt(share * (1 - share) / all_ + square / (4 * all_))
    low, high = (middle - reach) / (1 + square), (middle + reach) / (1 + square)
    return (0.0 if good == 0 else low), (1.0 if good == all_ else high)


def sampled(instance: Instance, surveyed: Survey) -> Samples:
    """Every sample and how it ended."""
    events = instance.events
    starts = np.array([event.periods.start for event in events], dtype=np.intp)
    count = np.arange(len(events))
    worst = np.full(len(events), -1, dtype=np.intp)
    if len(instance.demands):
        worst = weakest(surveyed.margin, surveyed.served, axis=1)
    never = len(instance.horizon.periods)
    first = np.where(surveyed.failure < 0, never, surveyed.failure).min(axis=1, initial=never)
    nothing = np.ones(len(events))
    return Samples(
        name=tuple(event.name for event in events),
        entry=tuple(event.entry for event in events),
        start=starts,
        months=np.array([len(event.periods) * instance.horizon.months for event in events], dtype=np.intp),
        severity=np.array([_worst_cut(event) for event in events]),
        survived=~surveyed.fails.any(axis=1),
        gap=surveyed.gap.sum(axis=1),
        segment=worst,
        service=surveyed.served[count, worst] if len(instance.demands) else nothing,
        floor=surveyed.floor[count, worst] if len(instance.demands) else nothing,
        failure=np.where(first < never, starts + first, -1),
        probability=np.array([event.probability for event in events]),
    )


def _worst_cut(event: Shock) -> float:
    """The largest severity of a sample, in the periods of its window."""
    length = len(event.periods)
    return max((severity for cut in event.spec.cuts for severity in cut.severity[:length]), default=0.0)


def spreads(instance: Instance, surveyed: Survey) -> dict[str, Spread]:
    """The service of every segment."""
    result = {}
    for i, d in enumerate(instance.demands):
        served, floor = surveyed.served[:, i], surveyed.floor[:, i]
        p5, p50, p95 = (float(each) for each in np.quantile(served, [0.05, 0.5, 0.95]))
        below = float(surveyed.fails[:, i].mean())
        result[d] = Spread((float(floor.min()), float(floor.max())), float(served.mean()), p5, p50, p95, below)
    return result


def groups(instance: Instance, samples: Samples) -> tuple[Group, ...]:
    """Shares survived by event, by the year of the start, by duration and by severity."""
    years = [str(instance.horizon.year(t)) for t in samples.start.tolist()]
    months = samples.months
    few = len(np.unique(months)) <= VALUES
    lengths = [f"{each}" for each in months.tolist()] if few else _quarters(months, "")
    severity = _quarters(100 * samples.severity, " %")
    by_months, by_severity = (np.argsort(each, kind="stable") for each in (months, samples.severity))
    return (
        *_grouped("event", samples, samples.entry, sorted(set(samples.entry))),
        *_grouped("start", samples, years, sorted(set(years))),
        *_grouped("months", samples, lengths, list(dict.fromkeys(lengths[i] for i in by_months))),
        *_grouped("severity", samples, severity, list(dict.fromkeys(severity[i] for i in by_severity))),
    )


def _quarters(numbers: npt.NDArray[Any], unit: str) -> list[str]:
    """For each number the quarter that it is in, in words; equal numbers stay together, so quarters may be uneven."""
    edges = np.unique(np.quantile(numbers, [0.25, 0.5, 0.75]))
    place = np.searchsorted(edges, numbers, side="left")
    names = {}
    for part in np.unique(place).tolist():
        low, high = (f"{each:.0f}" for each in (numbers[place == part].min(), numbers[place == part].max()))
        names[part] = (low if low == high else f"{low}–{high}") + unit
    return [names[part] for part in place.tolist()]


def _grouped(by: By, samples: Samples, labels: Sequence[str], ordered: Sequence[str]) -> list[Group]:
    array, result = np.array(labels), []
    for name in ordered:
        which = array == name
        size, survived = int(which.sum()), int(samples.survived[which].sum())
        result.append(Group(by, name, size, survived, wilson(survived, size), float(samples.gap[which].mean())))
    return result
