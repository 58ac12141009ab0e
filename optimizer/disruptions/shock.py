"""Shocks as the file states them, as single shocks, and as the paths that operation takes.

ShockSpec       an entry under `shocks:`; several starts, durations or severities make several shocks
Shock           a single shock: a window of periods and all that happens in it
PermanentCuts   cuts alone, without an end
Path            what one run of operation faces: the baseline, or one shock's window
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_serializer,
)
from pydantic_core.core_schema import ValidationInfo

from optimizer import shapes
from optimizer.disruptions.family import Axis, Durations, Grid, ShockStarts, title
from optimizer.horizon import Horizon
from optimizer.suggestions import finding
from optimizer.units import Described, Number, Quantity, Share

BASELINE = "baseline"
Numbers = tuple[Number, ...]
# What the fields mean that shocks, ensembles and their events have in common.
DELIBERATE = "Whether the shock is deliberate; counter-leverage reduces only deliberate cuts."
OWN_DELIBERATE = "Whether this cut is deliberate, in place of the value of its shock, event or target."
CUTS = "List of cuts: the activities that lose capacity, and the share lost."
DEMAND_FACTORS = "Multiplier of demand during the shock, by segment."
COST_FACTORS = "Multiplier of cost during the shock, by process or option."
FLOORS_MEANWHILE = "Survival floor during the shock in place of the usual one, by segment, 0 to 1."
RELIABILITIES_MEANWHILE = "Reliability during the shock in place of the usual one, by option, 0 to 1."
# What happens beside the cuts.
MEANWHILE = ("deliberate", "demand", "cost", "survival", "reliability")


def as_tuple(value: Any) -> Any:
    """One thing or a list of things, as a tuple; an empty list is refused."""
    if isinstance(value, (list, tuple)):
        if not value:
            raise finding("is an empty list", "Name at least one, or leave the field out.")
        return tuple(value)
    return value if value is None else (value,)


class _Doubled:
    """A severity that a cut gives beside that of the grid."""


def _as_profile(value: Any) -> Any:
    if isinstance(value, _Doubled):
        raise finding("a severity stands here and in grid.severity", "Keep one of the two.")
    return as_tuple(value)


NameList = Annotated[tuple[str, ...], BeforeValidator(as_tuple), WithJsonSchema(shapes.one_or_more(shapes.NAME))]
Severities = Annotated[
    tuple[Share, ...], BeforeValidator(_as_profile), WithJsonSchema(shapes.one_or_more(shapes.SHARE))
]


_SELECTED: dict[str, Any] = {"anyOf": [{"required": [key]} for key in ("region", "stage", "process", "commodity")]}


class ActivitySelector(Described):
    """The activities that a cut affects: those that match all fields given."""

    model_config = ConfigDict(json_schema_extra=_SELECTED)

    region: NameList | None = Field(
        default=None, description="Cuts the activities in this region, or in any of a list."
    )
    stage: NameList | None = Field(default=None, description="Cuts the activities of this stage, or of any of a list.")
    process: NameList | None = Field(default=None, description="Cuts this process or option, or any of a list.")
    commodity: NameList | None = Field(
        default=None, description="Cuts the activities that produce this commodity, or any of a list."
    )

    def matches(self, name: str, region: str | None, stage: str | None, outputs: Mapping[str, float]) -> bool:
        """Whether this cut affects an activity so described."""
        return (
            (self.process is None or name in self.process)
            and (self.region is None or region in self.region)
            and (self.stage is None or stage in self.stage)
            and (self.commodity is None or any(commodity in outputs for commodity in self.commodity))
        )


class Cut(ActivitySelector):
    """A share of capacity that is lost, per period of the window; the last one given stays.

    `deliberate` is that of what it belongs to, unless the cut has its own.
    """

    # The severity may stand in the grid of a family.
    model_config = ConfigDict(json_schema_extra={**_SELECTED, "required": []})

    severity: Severities = Field(
        description="Share of capacity lost, 0 to 1; a list gives one value a period, the last of which stays. "
        "Omitted only where `grid` holds it."
    )
    deliberate: bool | None = Field(default=None, description=OWN_DELIBERATE)

    def __str__(self) -> str:
        named = {part: getattr(self, part) for part in ("process", "region", "stage", "commodity")}
        aim = ", ".join(f"{part} {' or '.join(names)}" for part, names in named.items() if names)
        steps = [step for step, _ in groupby(self.severity)]
        return aim if steps == [1.0] else f"{aim} by {' → '.join(f'{100 * step:g}' for step in steps)} %"

    def at(self, offset: int) -> float:
        """Severity in the window's period `offset`; the last one given stays."""
        return self.severity[min(offset, len(self.severity) - 1)]


def _at_least_one_cut(cuts: Any) -> Any:
    if isinstance(cuts, (list, tuple)) and not cuts:
        raise finding("is an empty list", "Name at least one cut.")
    return cuts


# A list of cuts with at least one entry.
Cuts = Annotated[tuple[Cut, ...], BeforeValidator(_at_least_one_cut)]


class SplitCuts(NamedTuple):
    """Cuts by whether leverage restrains them.

    Where all are deliberate or none is, `cuts` holds all of them, and `deliberate` says which. Where some are, `cuts`
    holds these, and `accidents` the others.
    """

    deliberate: bool
    cuts: tuple[Cut, ...]
    accidents: tuple[Cut, ...] = ()


def split_cuts(cuts: tuple[Cut, ...], *, deliberate: bool) -> SplitCuts:
    """Cuts by whether they are deliberate; `deliberate` holds for those that do not say."""
    own = [deliberate if cut.deliberate is None else cut.deliberate for cut in cuts]
    if all(own) or not any(own):
        return SplitCuts(own[0] if own else deliberate, cuts)
    chosen = tuple(cut for cut, is_deliberate in zip(cuts, own, strict=True) if is_deliberate)
    return SplitCuts(
        True, chosen, tuple(cut for cut, is_deliberate in zip(cuts, own, strict=True) if not is_deliberate)
    )


@dataclass(frozen=True)
class PermanentCuts:
    """Cuts without an end; of a profile of severities the largest stays."""

    cuts: tuple[Cut, ...]
    deliberate: bool = False

    @classmethod
    def of(cls, cuts: Iterable[Cut], *, deliberate: bool) -> "PermanentCuts":
        """The cuts of a shock, for good."""
        return cls(tuple(cut.model_copy(update={"severity": (max(cut.severity),)}) for cut in cuts), deliberate)

    @property
    def is_deliberate(self) -> bool:
        """Whether any of its cuts is deliberate."""
        return any(self.deliberate if cut.deliberate is None else cut.deliberate for cut in self.cuts)


def _never_twice(key: str, beside: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema for what stands either in the grid of a family or beside it."""
    in_grid = {"properties": {"grid": {"required": [key]}}, "required": ["grid"]}
    return {"not": {"allOf": [in_grid, dict(beside)]}}


_SEVERE = {"type": "array", "contains": {"type": "object", "required": ["severity"]}}


class ShockSpec(Described):
    """An entry under ``shocks:``: one shock, or a family of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _never_twice("months", {"required": ["months"]}),
                _never_twice("severity", {"properties": {"cuts": _SEVERE}, "required": ["cuts"]}),
            ]
        }
    )

    grid: Grid | None = Field(
        default=None, description="Durations and severities of a family; every combination is one shock."
    )
    start: ShockStarts = Field(
        description="First period of the window: 2027, 2027Q3 or 2027-07; a list; or {from, to, every}."
    )
    months: Durations | None = Field(
        default=None,
        validate_default=True,
        description="Duration, months; a whole number of periods. A list makes a family.",
    )
    deliberate: bool = Field(default=False, description=DELIBERATE)
    probability: Share = Field(
        default=0.0,
        description="Probability over the horizon, 0 to 1; shared equally by the shocks of the entry. Default 0.",
    )
    cuts: tuple[Cut, ...] = Field(default=(), description=CUTS)
    demand: Mapping[str, Quantity] = Field(default_factory=dict, description=DEMAND_FACTORS)
    cost: Mapping[str, Quantity] = Field(default_factory=dict, description=COST_FACTORS)
    survival: Mapping[str, Share] = Field(default_factory=dict, description=FLOORS_MEANWHILE)
    reliability: Mapping[str, Share] = Field(default_factory=dict, description=RELIABILITIES_MEANWHILE)

    @field_validator("months", mode="before")
    @classmethod
    def _in_one_place(cls, months: Any, info: ValidationInfo) -> Any:
        in_grid = "grid" not in info.data or bool(info.data["grid"] and info.data["grid"].months)
        if months is None and not in_grid:
            raise finding("months is missing", "Add `months:`.")
        if months is not None and info.data.get("grid") and in_grid:
            raise finding("months stand here and in grid.months", "Keep one of the two.")
        return months

    @field_validator("cuts", mode="before")
    @classmethod
    def _struck_by_grid(cls, cuts: Any, info: ValidationInfo) -> Any:
        grid = info.data.get("grid")
        # A faulty grid is reported once; a severity that it may hold is not reported as missing from the cuts.
        if not isinstance(cuts, (list, tuple)) or ("grid" in info.data and not (grid and grid.severity)):
            return cuts
        given = _Doubled() if grid else None
        return [
            {"severity": 1.0, **cut, **({"severity": given} if given and "severity" in cut else {})}
            if isinstance(cut, Mapping)
            else cut
            for cut in cuts
        ]

    @model_serializer(mode="wrap")
    def _without_what_the_grid_says(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        if self.grid and self.grid.severity:
            data["cuts"] = [{key: cut[key] for key in cut if key != "severity"} for cut in data.get("cuts", ())]
        return data

    @property
    def durations(self) -> Axis:
        """Lengths of the windows, months."""
        if self.grid and self.grid.months:
            return Axis(self.grid.months, listed=True)
        return self.months or Axis(())

    @property
    def is_family(self) -> bool:
        """Whether shocks are named by an axis that is a list."""
        return self.start.listed or self.durations.listed or bool(self.grid and self.grid.severity)

    def variants(self) -> tuple[tuple[float | None, "ShockSpec"], ...]:
        """By severity of the grid, the entry with that severity in all its cuts; the entry itself without one."""
        if not self.grid or not self.grid.severity:
            return ((None, self),)
        return tuple((severity, self._at(severity)) for severity in self.grid.severity)

    def _at(self, severity: float) -> "ShockSpec":
        cuts = tuple(cut.model_copy(update={"severity": (severity,)}) for cut in self.cuts)
        return self.model_copy(update={"cuts": cuts, "months": self.durations, "grid": None})


@dataclass(frozen=True)
class Shock:
    """A single shock: `periods` is its window within the horizon; `probability` is over the horizon.

    `length` also counts the periods of the window that the end of the horizon cuts off. `entry` says where the shock
    comes from: the name of a shock's entry, or ``ensemble/event``. Shocks of one entry whose windows overlap are
    near-copies of each other.
    """

    name: str
    spec: ShockSpec = field(repr=False)
    periods: range
    probability: float
    entry: str
    length: int

    @property
    def worst_severity(self) -> float:
        """The largest severity of its cuts, in the periods of its window."""
        severities = (each for cut in self.spec.cuts for each in cut.severity[: len(self.periods)])
        return max(severities, default=0.0)


def expand(name: str, spec: ShockSpec, horizon: Horizon) -> Iterator[Shock]:
    """The shocks of one entry: starts outermost, then durations, then severities.

    Windows are cut off at the end of the horizon; the shocks share the entry's probability equally.
    """
    starts, durations, variants = spec.start.periods(horizon), spec.durations, spec.variants()
    share = spec.probability / max(1, len(starts) * len(durations.values) * len(variants))
    for first in starts:
        label = horizon.label(first) if spec.start.listed else None
        for months in durations.values:
            length = horizon.whole(months)
            periods = range(first, min(first + length, len(horizon.periods)))
            for severity, variant in variants:
                named = title(name, label, months if durations.listed else None, severity)
                yield Shock(named, variant, periods, share, name, length)


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
    # One state that lasts for `delta`, whatever the horizon's step: stocks lose nothing meanwhile.
    is_steady: bool = False
    lasts: Any = 0.0  # years over which a steady state counts restarts, by their mean; 0: as on its first day
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
        """Existing processes of a region that some cut of this path matches."""
        return (name for name in self.severity if name in self.capacity and self.region[name] == region)
