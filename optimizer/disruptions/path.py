"""Operating paths: conditions of operation in the baseline, in the window of a shock, or in many windows at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

BASELINE = "baseline"
# A number for one shock, or an array with one number for each of many shocks.
Number = float | npt.NDArray[np.float64]
Numbers = tuple[Number, ...]


def elementwise_max(one: Number, other: Number) -> Any:
    """Return the larger of two numbers, or the elementwise maximum of arrays."""
    return max(one, other) if isinstance(one, float) and isinstance(other, float) else np.maximum(one, other)


@dataclass(frozen=True)
class Path:
    """The conditions of one run of operation. Tuples run over `periods`.

    Shocks with windows of equal length can share one path. Every number is then an array with one value for each shock,
    or a single number if all values are equal, and `periods` counts from the start of their windows.
    """

    key: str  # ``baseline``, the name of the shock, the key of a survival rule, or ``shocks`` for many
    periods: range  # periods of the run; the whole horizon for the baseline
    delta: float  # length of a period, years
    years: tuple[Any, ...]  # calendar year of each period
    deliberate: Any  # whether leverage restrains the cuts of `severity`
    demand: Mapping[str, Numbers]  # t per period by segment, after any surge
    floor: Mapping[str, Numbers]  # survival floor by segment (`survival`), a share; empty in the baseline
    capacity: Mapping[str, Numbers]  # t per period by existing process, before any cut
    region: Mapping[str, str | None]  # region by existing process
    severity: Mapping[str, Numbers]  # share lost by process or option; those that no cut matches are absent
    scrap: Mapping[str, Numbers]  # t per period from end of life, by segment; demand surges do not change it
    multiplier: Mapping[str, Number]  # factor on the cost of processes, and of options with ``cost`` in `shock_fields`
    reliability: Mapping[str, Number]  # in place of the option's own, with ``reliability`` in its `shock_fields`
    # Share lost to cuts that are not deliberate, if the shock also has deliberate ones; else empty.
    accident: Mapping[str, Numbers] = field(default_factory=dict)
    # Whether it is one period of `delta` years, for a rule or a time to survive; stocks then have no loss.
    is_steady: bool = False
    lasts: Any = 0.0  # in a steady path, years over which restarts are averaged; 0 counts them as on the first day
    is_rule: bool = False  # whether it is a policy rule: floors hold in full, and operating cost does not count

    @property
    def is_baseline(self) -> bool:
        """Whether this is the path without any disruption."""
        return self.key == BASELINE

    def year(self, t: int) -> Any:
        """Return the calendar year of period t."""
        return self.years[t - self.periods.start]

    def severity_at(self, name: str, t: int) -> Any:
        """Return severity σ in period t: capacity lost to deliberate cuts, or to all if the shock has only one sort."""
        profile = self.severity.get(name)
        return 0.0 if profile is None else profile[t - self.periods.start]

    def accidental_severity_at(self, name: str, t: int) -> Any:
        """Return severity σ' in period t, the share of capacity lost to accidents in a shock with deliberate cuts."""
        profile = self.accident.get(name)
        return 0.0 if profile is None else profile[t - self.periods.start]

    def largest_severity_at(self, name: str, t: int) -> Any:
        """Return the larger of both severities in period t, a share."""
        return elementwise_max(self.severity_at(name, t), self.accidental_severity_at(name, t))

    def demand_at(self, segment: str, t: int) -> Any:
        """Return demand D of a segment in period t, in tonnes."""
        return self.demand[segment][t - self.periods.start]

    def scrap_at(self, segment: str, t: int) -> Any:
        """Return end-of-life scrap of a segment in period t, in tonnes."""
        return self.scrap[segment][t - self.periods.start] if segment in self.scrap else 0.0

    def capacity_at(self, process: str, t: int) -> Any:
        """Return the capacity of an existing process in period t before any cut, in tonnes."""
        return self.capacity[process][t - self.periods.start]

    def floor_at(self, segment: str, t: int) -> Any:
        """Return the survival floor of a segment in period t, a share; 0 in the baseline."""
        return self.floor[segment][t - self.periods.start] if self.floor else 0.0

    def most_unserved_at(self, segment: str, t: int) -> Any:
        """Return the largest shortage of a segment in period t at which its floor holds, in tonnes."""
        return (1.0 - self.floor_at(segment, t)) * self.demand_at(segment, t)

    def cut_processes(self, region: str) -> Iterator[str]:
        """Yield the existing processes of a region that the cuts in `severity` affect."""
        return (name for name in self.severity if name in self.capacity and self.region[name] == region)
