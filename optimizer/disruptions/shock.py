"""Shocks: entries of a file, and the single shocks that they expand to.

Starts          the periods in which a window may begin: one, a list, or all of a span
Durations       lengths of windows in months: one number, or a list of numbers
Grid            severities and durations of a family, whose shocks are the cross product with its starts
Cut             a loss of capacity; `PermanentCuts` are cuts without an end
ShockSpec       an entry under `shocks:`; several starts, durations or severities make several shocks
Shock           a single shock: a window of periods, and the changes in it

`shock_name` names a shock by those of start, months and severity that its entry writes as a list or a span:
``embargo@2028Q1,6mo,80%``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core.core_schema import ValidationInfo

from optimizer import shapes
from optimizer.errors import excerpt, finding, suggest
from optimizer.horizon import MONTHS, Horizon, Step, no_period
from optimizer.units import Described, Positive, Quantity, Share, parse_amount, positive

# Descriptions of fields that shocks, ensembles and their events share.
DELIBERATE = "Whether the shock is deliberate; counter-leverage reduces only deliberate cuts."
OWN_DELIBERATE = "Whether this cut is deliberate, in place of the value of its shock, event or target."
CUTS = "List of cuts: the activities that lose capacity, and the share lost."
DEMAND_FACTORS = "Multiplier of demand during the shock, by segment."
COST_FACTORS = "Multiplier of cost during the shock, by process or option."
SHOCK_FLOORS = "Survival floor during the shock in place of the usual one, by segment, 0 to 1."
SHOCK_RELIABILITIES = "Reliability during the shock in place of the usual one, by option, 0 to 1."
# Fields with the effects of a shock other than its cuts.
EFFECT_FIELDS = ("deliberate", "demand", "cost", "survival", "reliability")
# Months of the period that a label names, by the length of the label: ``2027``, ``2027Q3``, ``2027-07``.
_MONTHS_OF_LABEL = {4: 12, 6: 3, 7: 1}
_SPAN = ("from", "to", "every")


@dataclass(frozen=True)
class Starts:
    """The periods in which a window may begin, as written in the file."""

    # The listed periods; for a span, its first and, if given, its last period, inclusive.
    labels: tuple[str, ...]
    # One period, a list, a span, or the span of an ensemble with equally likely periods.
    form: Literal["one", "list", "span", "uniform"] = "one"
    every: Step | None = None  # the stride of a span; None is the step of the horizon

    @property
    def is_in_names(self) -> bool:
        """Whether names of shocks include the start: unless it is written as one period."""
        return self.form != "one"

    def periods(self, horizon: Horizon) -> tuple[int, ...]:
        """Return the periods, in the order of the file.

        Raises:
            ValueError: a start is no period or given twice, a span ends before it begins, or its stride is too fine.
        """
        for what, cure in self.problems(horizon):
            raise ValueError(f"{what}. {cure}")
        if self.form in ("one", "list"):
            return tuple(horizon.period(label) for label in self.labels)
        first = horizon.period(self.labels[0])
        last = _last_period(horizon, self.labels[1]) if len(self.labels) > 1 else horizon.periods[-1]
        return tuple(range(first, last + 1, MONTHS[self.every or horizon.step] // horizon.months))

    def problems(self, horizon: Horizon) -> Iterator[tuple[str, str]]:
        """Yield each problem of the starts in a horizon, with its cure."""
        seen: set[int] = set()
        for label in self.labels:
            try:
                first = horizon.period(label)
            except ValueError as cure:
                yield f'the start "{label}" is no period of the horizon', _cure_of_start(label, str(cure))
                continue
            if first in seen and self.form == "list":
                yield f'the start "{label}" is given twice', "Remove one of them."
            seen.add(first)
        if self.is_backwards(horizon, seen):
            begin, end = self.labels
            yield f'the last start "{end}" is before the first, "{begin}"', "Swap the two."
        if self.every and MONTHS[self.every] < horizon.months:
            coarser = f" or {horizon.step}" if horizon.step != "year" else ""
            yield f"every {self.every} is finer than the horizon's step", f"Write year{coarser}."

    def is_backwards(self, horizon: Horizon, known: Collection[int]) -> bool:
        """Return whether a span ends before it begins; False if one of its ends is not among the known periods."""
        if self.form not in ("span", "uniform") or len(self.labels) < 2 or len(known) < len(set(self.labels)):
            return False
        begin, end = self.labels
        return _last_period(horizon, end) < horizon.period(begin)

    def plain(self) -> Any:
        """Return the starts as written in a file."""
        if self.form == "uniform":
            return {"uniform": list(self.labels)}
        if self.form == "span":
            given = dict(zip(("from", "to"), self.labels, strict=False))
            return given | ({"every": self.every} if self.every else {})
        return list(self.labels) if self.form == "list" else self.labels[0]


def _cure_of_start(label: str, otherwise: str) -> str:
    """Return the cure for a label that is no period: brackets, if it lists several with commas or semicolons."""
    return f"Write several starts in brackets: [{label.replace(';', ',')}]." if {",", ";"} & {*label} else otherwise


def _last_period(horizon: Horizon, label: str) -> int:
    """Return the last period inside a label, such as the fourth quarter of ``2030``."""
    return horizon.period(label) + max(1, _MONTHS_OF_LABEL[len(label.strip())] // horizon.months) - 1


def parse_starts(value: Any) -> Starts:
    """Parse starts: a period, a list of periods, or ``{from: …, to: …, every: …}``.

    Raises:
        PydanticCustomError: the list is empty, an item cannot name a period, or a key is unknown.
    """
    if isinstance(value, Starts):
        return value
    if isinstance(value, Mapping):
        return _parse_span(value)
    if isinstance(value, (list, tuple)):
        return Starts(tuple(_parse_label(item) for item in _require_items(value)), "list")
    return Starts((_parse_label(value),))


def parse_random_starts(value: Any) -> Starts:
    """Parse the equally likely starts of an ensemble: as `parse_starts`, or ``{uniform: [first, last]}``."""
    if not isinstance(value, Mapping) or "uniform" not in value:
        return parse_starts(value)
    ends = value["uniform"]
    if len(value) > 1 or not isinstance(ends, (list, tuple)) or len(ends) != 2:
        raise finding("is no uniform draw of a start", "Write {uniform: [first period, last period]}.")
    return Starts(tuple(_parse_label(end) for end in ends), "uniform")


def _parse_span(value: Mapping[Any, Any]) -> Starts:
    for key in value:
        if key not in _SPAN:
            raise finding(f'"{key}" is no key of a span of starts', suggest(str(key), _SPAN, "The keys are"))
    if value.get("from") is None:
        raise finding("from is missing", "Add `from:`, the first start.")
    if (every := value.get("every")) is not None and (not isinstance(every, str) or every not in MONTHS):
        raise finding(f'every "{excerpt(every)}" is no stride', "Write year, quarter or month.")
    ends = [value["from"]] + ([value["to"]] if value.get("to") is not None else [])
    return Starts(tuple(_parse_label(end) for end in ends), "span", every)


def _parse_label(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        what, cure = no_period(value)
        several = " Several starts are a list: a Series or an array has it as tolist()."
        raise finding(what, cure + several if getattr(value, "ndim", 0) else cure)
    return str(value)


def _require_items(value: Sequence[Any]) -> Sequence[Any]:
    if not value:
        raise finding("is an empty list", "Give at least one value; an optional field may be left out instead.")
    return value


@dataclass(frozen=True)
class Durations:
    """Lengths of the windows of a family in months; names of shocks include them only if they are a list."""

    values: tuple[float, ...]
    is_list: bool = False

    def plain(self) -> Any:
        """Return the durations as written in a file."""
        return list(self.values) if self.is_list else self.values[0]


def parse_durations(value: Any) -> Durations:
    """Parse durations in months, given as one number or a list.

    Raises:
        PydanticCustomError: the list is empty or repeats a number, or a value is no positive number.
    """
    if isinstance(value, Durations):
        return value
    is_list = isinstance(value, (list, tuple))
    numbers = tuple(positive(parse_amount(number)) for number in (_require_items(value) if is_list else (value,)))
    return Durations(_require_distinct(numbers), is_list)


def _require_distinct(numbers: tuple[float, ...]) -> tuple[float, ...]:
    seen: set[str] = set()
    for number in map(number_text, numbers):
        if number in seen:
            raise finding(f"{number} is given twice", "Remove one of them.")
        seen.add(number)
    return numbers


def _as_list(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_require_items(value))
    example, owner = ("[0.5, 1]", "the cuts") if info.field_name == "severity" else ("[6, 12]", "the shock")
    raise finding("is no list", f"Write a list, such as {example}; one value alone belongs to {owner}.")


class Grid(Described):
    """The durations and severities of a family of shocks."""

    severity: Annotated[tuple[Share, ...], BeforeValidator(_as_list), AfterValidator(_require_distinct)] = Field(
        default=(), description="List of severities, 0 to 1; each applies to all cuts of the entry and makes one shock."
    )
    months: Annotated[tuple[Positive, ...], BeforeValidator(_as_list), AfterValidator(_require_distinct)] = Field(
        default=(), description="List of durations, months; each makes one shock."
    )

    @model_validator(mode="after")
    def _not_empty(self) -> "Grid":
        if not self.severity and not self.months:
            raise finding("is empty", "Write `severity: [ … ]` or `months: [ … ]`, or remove the grid.")
        return self


def number_text(value: float) -> str:
    """Format a number for a name, as briefly as 12 significant digits allow."""
    return f"{value:.12g}"


def shock_name(name: str, start: str | None, months: float | None, severity: float | None) -> str:
    """Return the name of a shock; parts that its entry does not list are None."""
    parts = [] if start is None else [start]
    parts += [] if months is None else [f"{number_text(months)}mo"]
    parts += [] if severity is None else [f"{number_text(100 * severity)}%"]
    return f"{name}@{','.join(parts)}" if parts else name


ShockStarts = Annotated[
    Starts, BeforeValidator(parse_starts), PlainSerializer(Starts.plain), WithJsonSchema(shapes.STARTS)
]
RandomStarts = Annotated[
    Starts, BeforeValidator(parse_random_starts), PlainSerializer(Starts.plain), WithJsonSchema(shapes.RANDOM_STARTS)
]
ShockDurations = Annotated[
    Durations,
    BeforeValidator(parse_durations),
    PlainSerializer(Durations.plain),
    WithJsonSchema(shapes.one_or_more(shapes.POSITIVE_NUMBER)),
]


def as_tuple(value: Any) -> Any:
    """Return a value or a list as a tuple, or None as it is; raise a finding for an empty list."""
    if isinstance(value, (list, tuple)):
        return tuple(_require_items(value))
    return value if value is None else (value,)


class _Doubled:
    """Marker for a severity given by a cut as well as by the grid."""


def _as_profile(value: Any) -> Any:
    if isinstance(value, _Doubled):
        raise finding("a severity stands here and in grid.severity", "Keep one of the two.")
    pairs = list(zip(value[::2], value[1::2], strict=False)) if isinstance(value, (list, tuple)) else []
    if pairs and 2 * len(pairs) == len(value) and all(whole == 0 and _is_above_one(part) for whole, part in pairs):
        shares = ", ".join(f"0.{part}" for _, part in pairs)
        raise finding(f"{len(value)} numbers, though shares may be meant", f"Decimal numbers have a point: [{shares}].")
    return as_tuple(value)


def _is_above_one(value: Any) -> bool:
    return isinstance(value, int) and value > 1


NameList = Annotated[tuple[str, ...], BeforeValidator(as_tuple), WithJsonSchema(shapes.one_or_more(shapes.NAME))]
Severities = Annotated[
    tuple[Share, ...], BeforeValidator(_as_profile), WithJsonSchema(shapes.one_or_more(shapes.SHARE))
]


_SELECTED: dict[str, Any] = {"anyOf": [{"required": [key]} for key in ("region", "stage", "process", "commodity")]}


class ActivitySelector(Described):
    """The activities that a cut affects: those that match all fields given."""

    model_config = ConfigDict(json_schema_extra=_SELECTED)

    region: NameList | None = Field(default=None, description="Cuts the activities in this region, or any listed.")
    stage: NameList | None = Field(default=None, description="Cuts the activities of this stage, or of any of a list.")
    process: NameList | None = Field(default=None, description="Cuts this process or producing option, or any listed.")
    commodity: NameList | None = Field(
        default=None, description="Cuts the activities that produce this commodity, or any of a list."
    )

    def __str__(self) -> str:
        named = {part: getattr(self, part) for part in ("process", "region", "stage", "commodity")}
        return ", ".join(f"{part} {' or '.join(names)}" for part, names in named.items() if names)


class Cut(ActivitySelector):
    """A share of capacity lost, for each period of the window; the last value persists.

    `deliberate` defaults to that of the shock, event or target of the cut.
    """

    # The severity may be given by the grid of a family instead.
    model_config = ConfigDict(json_schema_extra={**_SELECTED, "required": []})

    severity: Severities = Field(
        description="Share of capacity lost, 0 to 1; a list gives one value a period, the last of which stays. "
        "Omitted only where `grid` holds it."
    )
    deliberate: bool | None = Field(default=None, description=OWN_DELIBERATE)

    def __str__(self) -> str:
        aim, steps = super().__str__(), [step for step, _ in groupby(self.severity)]
        return aim if steps == [1.0] else f"{aim} by {' → '.join(f'{100 * step:g}' for step in steps)} %"

    def at(self, offset: int) -> float:
        """Return the severity in period `offset` of the window; the last value given persists."""
        return self.severity[min(offset, len(self.severity) - 1)]


def _at_least_one_cut(cuts: Any) -> Any:
    if isinstance(cuts, (list, tuple)) and not cuts:
        raise finding("is an empty list", "Name at least one cut.")
    return cuts


# A list of cuts with at least one entry.
Cuts = Annotated[tuple[Cut, ...], BeforeValidator(_at_least_one_cut)]


@dataclass(frozen=True)
class PermanentCuts:
    """Cuts without an end; a profile of severities is replaced by its largest value."""

    cuts: tuple[Cut, ...]
    deliberate: bool = False

    @classmethod
    def of(cls, cuts: Iterable[Cut], *, deliberate: bool) -> "PermanentCuts":
        """Return permanent cuts from the cuts of a shock."""
        return cls(tuple(cut.model_copy(update={"severity": (max(cut.severity),)}) for cut in cuts), deliberate)

    @property
    def is_deliberate(self) -> bool:
        """Whether any of the cuts is deliberate."""
        return any(self.deliberate if cut.deliberate is None else cut.deliberate for cut in self.cuts)


def _one_place_rule(key: str, beside: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema rule that a key is not given both in the grid of a family and outside it."""
    in_grid = {"properties": {"grid": {"required": [key]}}, "required": ["grid"]}
    return {"not": {"allOf": [in_grid, dict(beside)]}}


_SEVERE = {"type": "array", "contains": {"type": "object", "required": ["severity"]}}


class ShockSpec(Described):
    """An entry under ``shocks:``: one shock, or a family; with `grid.severity` its cuts hold a placeholder of 1."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                _one_place_rule("months", {"required": ["months"]}),
                _one_place_rule("severity", {"properties": {"cuts": _SEVERE}, "required": ["cuts"]}),
            ]
        }
    )

    grid: Grid | None = Field(
        default=None, description="Durations and severities of a family; every combination is one shock."
    )
    start: ShockStarts = Field(
        description="First period of the window: 2027, 2027Q3 or 2027-07; a list; or {from, to, every}."
    )
    months: ShockDurations | None = Field(
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
    survival: Mapping[str, Share] = Field(default_factory=dict, description=SHOCK_FLOORS)
    reliability: Mapping[str, Share] = Field(default_factory=dict, description=SHOCK_RELIABILITIES)

    @field_validator("months", mode="before")
    @classmethod
    def _check_months(cls, months: Any, info: ValidationInfo) -> Any:
        in_grid = "grid" not in info.data or bool(info.data["grid"] and info.data["grid"].months)
        if months is None and not in_grid:
            raise finding("months is missing", "Add `months:`.")
        if months is not None and info.data.get("grid") and in_grid:
            raise finding("months stand here and in grid.months", "Keep one of the two.")
        return months

    @field_validator("cuts", mode="before")
    @classmethod
    def _fill_in_severity(cls, cuts: Any, info: ValidationInfo) -> Any:
        grid = info.data.get("grid")
        # If the grid is faulty, report only that: its severity may be missing from the cuts on purpose.
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
    def _omit_grid_severity(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        if self.grid and self.grid.severity:
            data["cuts"] = [{key: cut[key] for key in cut if key != "severity"} for cut in data.get("cuts", ())]
        return data

    @property
    def durations(self) -> Durations:
        """The lengths of the windows in months."""
        if self.grid and self.grid.months:
            return Durations(self.grid.months, is_list=True)
        return self.months or Durations(())

    @property
    def is_family(self) -> bool:
        """Whether names of shocks include a start, duration or severity."""
        return self.start.is_in_names or self.durations.is_list or bool(self.grid and self.grid.severity)

    def by_severity(self) -> tuple[tuple[float | None, "ShockSpec"], ...]:
        """Return pairs of a severity of the grid and the entry with it in all cuts; (None, self) without severities."""
        if not self.grid or not self.grid.severity:
            return ((None, self),)
        return tuple((severity, self._with_severity(severity)) for severity in self.grid.severity)

    def _with_severity(self, severity: float) -> "ShockSpec":
        cuts = tuple(cut.model_copy(update={"severity": (severity,)}) for cut in self.cuts)
        return self.model_copy(update={"cuts": cuts, "months": self.durations, "grid": None})


@dataclass(frozen=True)
class Shock:
    """A single shock: `periods` is its window within the horizon; `probability` is over the horizon.

    `length` also counts periods after the end of the horizon. `entry` is its origin: a key, or ``ensemble/event``.
    """

    name: str
    spec: ShockSpec = field(repr=False)
    periods: range
    probability: float
    entry: str
    length: int

    @property
    def worst_severity(self) -> float:
        """The largest severity of the cuts within the window."""
        severities = (each for cut in self.spec.cuts for each in cut.severity[: len(self.periods)])
        return max(severities, default=0.0)


def expand(name: str, spec: ShockSpec, horizon: Horizon) -> Iterator[Shock]:
    """Yield the shocks of one entry, with starts in the outer loop, then durations, then severities.

    Windows end at the end of the horizon; the shocks share the probability of the entry equally.
    """
    starts, durations, variants = spec.start.periods(horizon), spec.durations, spec.by_severity()
    share = spec.probability / max(1, len(starts) * len(durations.values) * len(variants))
    for first in starts:
        label = horizon.label(first) if spec.start.is_in_names else None
        for months in durations.values:
            length = horizon.whole(months)
            periods = range(first, min(first + length, len(horizon.periods)))
            for severity, variant in variants:
                named = shock_name(name, label, months if durations.is_list else None, severity)
                yield Shock(named, variant, periods, share, name, length)
