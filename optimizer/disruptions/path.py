"""What one run of operation faces: the baseline, or the window of a shock, or those of many at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

BASELINE = "baseline"
# Of one shock, or an array with one for each of many.
Number = float | npt.NDArray[np.float64]
Numbers = tuple[Number, ...]


def elementwise_max(one: Number, other: Number) -> Any:
    """The larger of two numbers, or of each pair."""
    return max(one, other) if isinstance(one, float) and isinstance(other, float) else np.maximum(one, other)


@dataclass(frozen=True)
class Path:
    """What one run of operation faces. Tuples run over `periods`.

    Shocks whose windows are equally long can share one path: then every number is an array with one for each shock,
    or a single one where all agree, and `periods` counts from the start of their windows.
    """

    key: str  # ``baseline``, the shock's name, or ``shocks`` for many
    periods: range  # the periods of the run, of the whole horizon for the baseline
    delta: float  # years that each of them lasts
    years: tuple[Any, ...]  # calendar year of each period
    deliberate: Any  # whether leverage restrains the cuts of `severity`
    demand: Mapping[str, Numbers]  # t per period by segment, after any surge
    floor: Mapping[str, Numbers]  # survival floor by segment, a share; empty in the baseline
    capacity: Mapping[str, Numbers]  # t per period by existing process, before any cut
    region: Mapping[str, str | None]  # region by existing process
    severity: Mapping[str, Numbers]  # share lost by process or option; those that no cut matches are absent
    scrap: Mapping[str, Numbers]  # t per period that come back from what each segment used; a surge does not change it
    multiplier: Mapping[str, Number]  # on the cost of a process, process option or substitution
    reliability: Mapping[str, Number]  # of a partnership, in place of its own
    # Share lost to cuts that leverage does not restrain, where a shock has both sorts; else empty.
    accident: Mapping[str, Numbers] = field(default_factory=dict)
    # One period of `delta` years, of a rule or of a time to survive: stocks lose nothing meanwhile.
    is_steady: bool = False
    lasts: Any = 0.0  # in such a period, years over which restarts count with their mean; 0: as on its first day
    is_rule: bool = False  # floors are kept in full, and what it costs is not counted

    @property
    def is_baseline(self) -> bool:
        """Whether this is the path on which nothing happens."""
        return self.key == BASELINE

    def year(self, t: int) -> Any:
        """The calendar year of period t."""
        return self.years[t - self.periods.start]

    def severity_at(self, name: str, t: int) -> Any:
        """Severity σ in period t, the share of an activity's capacity that is lost; without cuts by accident that stand
        beside deliberate ones."""
        profile = self.severity.get(name)
        return 0.0 if profile is None else profile[t - self.periods.start]

    def accidental_severity_at(self, name: str, t: int) -> Any:
        """Severity σ' of the cuts by accident in period t, a share, where other cuts of the shock are deliberate."""
        profile = self.accident.get(name)
        return 0.0 if profile is None else profile[t - self.periods.start]

    def largest_severity_at(self, name: str, t: int) -> Any:
        """The larger of both severities in period t, a share."""
        return elementwise_max(self.severity_at(name, t), self.accidental_severity_at(name, t))

    def demand_at(self, segment: str, t: int) -> Any:
        """Demand D of a segment in period t, in t."""
        return self.demand[segment][t - self.periods.start]

    def scrap_at(self, segment: str, t: int) -> Any:
        """Scrap that comes back in period t from what a segment used, in t."""
        return self.scrap[segment][t - self.periods.start] if segment in self.scrap else 0.0

    def capacity_at(self, process: str, t: int) -> Any:
        """Capacity of an existing process in period t before any cut, in t."""
        return self.capacity[process][t - self.periods.start]

    def floor_at(self, segment: str, t: int) -> Any:
        """Survival floor of a segment in period t, a share; 0 in the baseline."""
        return self.floor[segment][t - self.periods.start] if self.floor else 0.0

    def most_unserved_at(self, segment: str, t: int) -> Any:
        """What a segment may lack in period t before it is below its floor, t."""
        return (1.0 - self.floor_at(segment, t)) * self.demand_at(segment, t)

    def struck(self, region: str) -> Iterator[str]:
        """Existing processes of a region that some cut of this path in `severity` matches."""
        return (name for name in self.severity if name in self.capacity and self.region[name] == region)
