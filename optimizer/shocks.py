"""Shocks as the file states them, as single events, and as the paths that operation takes.

ShockSpec   an entry under `shocks:`; several starts make several events
Shock       one event: a window of periods and all that happens in it
Path        what one run of operation has to live with: the baseline, or one shock's window
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from optimizer.horizon import Horizon
from optimizer.units import Described, Number, Positive, Quantity, Share, finding

BASELINE = "baseline"
Numbers = tuple[Number, ...]


def as_tuple(value: Any) -> Any:
    """One thing or a list of things, as a tuple; an empty list is refused."""
    if isinstance(value, (list, tuple)):
        if not value:
            raise finding("is an empty list", "Name at least one, or leave the field out.")
        return tuple(value)
    return value if value is None else (value,)


Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Severities = Annotated[tuple[Share, ...], BeforeValidator(as_tuple)]
Starts = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]


class Cut(Described):
    """A share of capacity that is lost: everything that matches all the fields given."""

    region: Names | None = None
    stage: Names | None = None
    process: Names | None = None
    commodity: Names | None = None
    severity: Severities

    def matches(self, name: str, region: str | None, stage: str | None, outputs: Mapping[str, float]) -> bool:
        """Whether this cut strikes an activity so described."""
        return (
            (self.process is None or name in self.process)
            and (self.region is None or region in self.region)
            and (self.stage is None or stage in self.stage)
            and (self.commodity is None or any(commodity in outputs for commodity in self.commodity))
        )

    def at(self, offset: int) -> float:
        """Severity in the window's period `offset`; the last one given stays."""
        return self.severity[min(offset, len(self.severity) - 1)]


class ShockSpec(Described):
    """An entry under ``shocks:``."""

    start: Starts
    months: Positive
    deliberate: bool = False
    probability: Share = 0.0
    cuts: tuple[Cut, ...] = ()
    demand: Mapping[str, Quantity] = Field(default_factory=dict)
    cost: Mapping[str, Quantity] = Field(default_factory=dict)
    survival: Mapping[str, Share] = Field(default_factory=dict)
    reliability: Mapping[str, Share] = Field(default_factory=dict)
    listed: bool = Field(default=False, exclude=True, repr=False)


@dataclass(frozen=True)
class Shock:
    """One event: `periods` is its window; `probability` is over the horizon."""

    name: str
    spec: ShockSpec = field(repr=False)
    periods: range
    probability: float


def expand(name: str, spec: ShockSpec, horizon: Horizon) -> Iterator[Shock]:
    """The events of one entry, in the order of its starts; windows are cut off at the end of the horizon."""
    length = horizon.whole(spec.months)
    for label in spec.start:
        first = horizon.period(label)
        title = f"{name}@{horizon.label(first)}" if spec.listed else name
        last = min(first + length, len(horizon.periods))
        yield Shock(title, spec, range(first, last), spec.probability / len(spec.start))


@dataclass(frozen=True)
class Path:
    """What one run of operation has to live with. Tuples run over `periods`.

    Shocks whose windows are equally long can share one path: then every number is an array with one for each shock,
    or a single one where all agree, and `periods` counts from the start of their windows.

    Attributes:
        key: ``baseline``, the shock's name, or ``shocks`` for many.
        periods: the periods of the run, of the whole horizon for the baseline.
        years: calendar year of each period.
        deliberate: whether leverage restrains the cuts.
        demand: t per period by segment, after any surge.
        floor: survival floor by segment, a share; empty in the baseline.
        capacity: t per period by existing process, before any cut.
        region: region by existing process.
        severity: share lost by process or option; those that no cut matches are absent.
        scrap: t per period that come back from what each segment used; a surge does not change it.
        multiplier: on the cost of a process, process option or substitution.
        reliability: of a partnership, in place of its own.
    """

    key: str
    periods: range
    years: tuple[Any, ...]
    deliberate: Any
    demand: Mapping[str, Numbers]
    floor: Mapping[str, Numbers]
    capacity: Mapping[str, Numbers]
    region: Mapping[str, str | None]
    severity: Mapping[str, Numbers]
    scrap: Mapping[str, Numbers]
    multiplier: Mapping[str, Number]
    reliability: Mapping[str, Number]

    @property
    def is_baseline(self) -> bool:
        """Whether this is the path on which nothing happens."""
        return self.key == BASELINE

    def year(self, t: int) -> Any:
        """The calendar year of period t."""
        return self.years[t - self.periods.start]

    def cut(self, name: str, t: int) -> Any:
        """The share σ of an activity's capacity that is lost in period t."""
        profile = self.severity.get(name)
        return 0.0 if profile is None else profile[t - self.periods.start]

    def demanded(self, segment: str, t: int) -> Any:
        """Demand D of a segment in period t, in t."""
        return self.demand[segment][t - self.periods.start]

    def returned(self, segment: str, t: int) -> Any:
        """Scrap that comes back in period t from what a segment used, in t."""
        return self.scrap[segment][t - self.periods.start] if segment in self.scrap else 0.0

    def limit(self, process: str, t: int) -> Any:
        """Capacity of an existing process in period t before any cut, in t."""
        return self.capacity[process][t - self.periods.start]

    def floor_at(self, segment: str, t: int) -> Any:
        """Survival floor of a segment in period t, a share; 0 in the baseline."""
        return self.floor[segment][t - self.periods.start] if self.floor else 0.0

    def struck(self, region: str) -> Iterator[str]:
        """Existing processes of a region that some cut of this path matches."""
        return (name for name in self.severity if name in self.capacity and self.region[name] == region)
