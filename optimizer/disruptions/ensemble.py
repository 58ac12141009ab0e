"""Ensembles: many shocks drawn at random, from one entry under `ensembles:`.

EnsembleSpec   the entry: how many, from which seed, and what their samples have in common
Event          one of the things that may happen; one is drawn for each sample, by weight
DrawnCut       a cut whose severity is drawn

Of one sample, all that a cut matches is struck with one draw, and so are cuts that share a `draw`. `scale` is one more
draw: it multiplies every severity of the sample, clipped to 1.

Every thing that is drawn has a column of chances of its own, named and numbered by sample: `start`, `months`, `scale`,
one per event and one per cut. Its stream is PCG64 seeded by the ensemble's seed, its name and the column's, read as raw
64-bit integers, of which NumPy guarantees the sequence; chances are their upper 53 bits, and values are inverses of
chances, rounded to a millionth, so that another library's last digit shows nowhere. Hence the first n samples do not
change when the count grows, and a new event takes samples from the others without changing those that it leaves.

Which event happens is a race: the chance u of event k finishes at −ln(1 − u)/weight[k], and the first to finish wins,
which is k with probability weight[k]/Σ weight.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator
from pydantic_core.core_schema import ValidationInfo

from optimizer import shapes
from optimizer.arguments import whole_number
from optimizer.disruptions.distributions import Distribution, DrawnPositive, DrawnQuantity, DrawnShare, Draws, constant
from optimizer.disruptions.shock import (
    COST_FACTORS,
    CUTS,
    DELIBERATE,
    DEMAND_FACTORS,
    FLOORS_MEANWHILE,
    MEANWHILE,
    OWN_DELIBERATE,
    RELIABILITIES_MEANWHILE,
    ActivitySelector,
    Cut,
    Durations,
    RandomStarts,
    Shock,
    ShockSpec,
    Starts,
    as_tuple,
    title,
)
from optimizer.horizon import Horizon
from optimizer.suggestions import finding
from optimizer.units import Described, Quantity, Share, least_whole, parse_amount

MOST, LAST_SEED = 100_000, 10**15
VARIED = "varied"
_MONTHS = "Duration, months: a number or a distribution, rounded to whole periods, at least one."
_SCALE = "Factor of all severities of a sample: a number or a distribution; the product is clipped to 1."


def _parse_whole(value: Any, least: int, most: int) -> int:
    number = parse_amount(value)
    if number != math.floor(number) or not least <= number <= most:
        raise finding(
            f"{number:g} is no whole number from {least:,} to {most:,}", "Write a whole number in that range."
        )
    return int(number)


_INTEGER = WithJsonSchema({"type": ["integer", "string"]})
Count = Annotated[int, BeforeValidator(partial(_parse_whole, least=1, most=MOST)), _INTEGER]
Seed = Annotated[int, BeforeValidator(partial(_parse_whole, least=0, most=LAST_SEED)), _INTEGER]


class DrawnCut(ActivitySelector):
    """A share of capacity that is lost, drawn; a list is a profile by period, of one draw.

    `draw` names the column of chances: cuts that share it move together. Left out, the cut has its own.
    """

    severity: Annotated[
        tuple[DrawnShare, ...], BeforeValidator(as_tuple), WithJsonSchema(shapes.one_or_more(shapes.DRAWN_NUMBER))
    ] = Field(description="Share of capacity lost, 0 to 1: a number, a distribution, or a list of them by period.")
    draw: str | None = Field(default=None, description="Label; cuts with the same label share one random draw.")
    deliberate: bool | None = Field(default=None, description=OWN_DELIBERATE)


class Event(Described):
    """An event of an ensemble, a sort of shock that samples can be; fields left out are those of the ensemble."""

    weight: Quantity = Field(default=1.0, description="Weight of the event relative to the others. Default 1.")
    months: DrawnPositive | None = Field(default=None, description=_MONTHS)
    scale: DrawnQuantity | None = Field(default=None, description=_SCALE)
    deliberate: bool | None = Field(default=None, description=DELIBERATE)
    cuts: tuple[DrawnCut, ...] = Field(default=(), description=CUTS)
    demand: Mapping[str, Quantity] | None = Field(default=None, description=DEMAND_FACTORS)
    cost: Mapping[str, Quantity] | None = Field(default=None, description=COST_FACTORS)
    survival: Mapping[str, Share] | None = Field(default=None, description=FLOORS_MEANWHILE)
    reliability: Mapping[str, Share] | None = Field(default=None, description=RELIABILITIES_MEANWHILE)


INHERITED = ("months", "scale", *MEANWHILE)


class EnsembleSpec(Described):
    """An entry under ``ensembles:``. `months` are rounded to the nearest whole period, at least one."""

    count: Count = Field(description="Number of samples.")
    seed: Seed = Field(
        default=0, description="Seed of the random numbers; the same seed gives the same samples. Default 0."
    )
    probability: Share = Field(
        default=0.0, description="Probability over the horizon, 0 to 1; shared equally by the samples. Default 0."
    )
    survive: Share | None = Field(
        default=None, description="Share of the samples in which every floor must hold, 0 to 1. Default: all of them."
    )
    start: RandomStarts | None = Field(
        default=None,
        description="Start periods, all equally likely: one, a list, {from, to, every} or {uniform: [first, last]}.",
    )
    events: Mapping[str, Event] = Field(
        default_factory=dict, description="Events, by name; one is drawn for each sample, by weight."
    )
    months: DrawnPositive | None = Field(default=None, validate_default=True, description=_MONTHS)
    scale: DrawnQuantity = Field(default=constant(1.0), description=_SCALE)
    deliberate: bool = Field(default=False, description=DELIBERATE)
    cuts: tuple[DrawnCut, ...] = Field(default=(), description=CUTS)
    demand: Mapping[str, Quantity] = Field(default_factory=dict, description=DEMAND_FACTORS)
    cost: Mapping[str, Quantity] = Field(default_factory=dict, description=COST_FACTORS)
    survival: Mapping[str, Share] = Field(default_factory=dict, description=FLOORS_MEANWHILE)
    reliability: Mapping[str, Share] = Field(default_factory=dict, description=RELIABILITIES_MEANWHILE)

    @field_validator("events")
    @classmethod
    def _can_be_drawn(cls, events: Mapping[str, Event]) -> Mapping[str, Event]:
        if not events:
            raise finding("is an empty mapping", "Name at least one event, or write `cuts:` in its place.")
        if not any(event.weight > 0 for event in events.values()):
            raise finding("the weights of the events are all 0", "Give at least one of them a weight above 0.")
        return events

    @field_validator("months")
    @classmethod
    def _somewhere(cls, months: Distribution | None, info: ValidationInfo) -> Distribution | None:
        events = info.data.get("events", {})
        if months is None and "events" in info.data and not (events and all(event.months for event in events.values())):
            raise finding("months is missing", "Add `months:`, here or in every event.")
        return months

    @field_validator("cuts")
    @classmethod
    def _in_one_place(cls, cuts: tuple[DrawnCut, ...], info: ValidationInfo) -> tuple[DrawnCut, ...]:
        if cuts and info.data.get("events"):
            raise finding("cuts stand here beside events", "Move them into the events that they belong to.")
        return cuts

    @property
    def required(self) -> int:
        """The number of samples in which every floor must hold."""
        return self.count if self.survive is None else least_whole(self.survive * self.count)

    def whole_events(self) -> dict[str, Event]:
        """The events with nothing left out, by name; of the short form the only one, under an empty name."""
        ours = {field: getattr(self, field) for field in INHERITED}
        if not self.events:
            return {"": Event.model_construct(cuts=self.cuts, **ours)}
        return {
            name: event.model_copy(update={field: ours[field] for field in ours if getattr(event, field) is None})
            for name, event in self.events.items()
        }


class DrawnEnsemble(EnsembleSpec):
    """Samples that are drawn already, all of an ensemble's or some; as many may fail as of the whole ensemble.

    It stands in what-ifs alone, which no file holds.
    """

    drawn: tuple[Any, ...] = Field(default=(), description="The samples that are left, shocks.")
    allowed: int = Field(default=0, description="The number of samples that may fail.")

    @property
    def required(self) -> int:
        """The number of samples in which every floor must hold."""
        return max(0, self.count - self.allowed)

    def with_samples(self, drawn: Sequence[Shock]) -> "DrawnEnsemble":
        """The same with other samples."""
        return self.model_copy(update={"drawn": tuple(drawn), "count": len(drawn)})


def each_drawn(
    ensembles: Mapping[str, EnsembleSpec], change: Callable[[Shock], Shock | None]
) -> dict[str, EnsembleSpec]:
    """Ensembles of which the samples that were drawn are changed, or left out where the change is None."""
    found = dict[str, EnsembleSpec]()
    for name, spec in ensembles.items():
        if isinstance(spec, DrawnEnsemble):
            spec = spec.with_samples([shock for shock in map(change, spec.drawn) if shock is not None])
        if spec.count:
            found[name] = spec
    return found


def draw_of(cut: DrawnCut, event: str, i: int) -> str:
    """The column of chances of an event's cut number i."""
    return cut.draw if cut.draw is not None else f"{event}.{i}"


def scaled(ensembles: Mapping[str, EnsembleSpec], samples: int, seed: int) -> dict[str, EnsembleSpec]:
    """Ensembles with so many samples in all, in proportion to their counts; those that get none are left out.

    Raises:
        ArgumentError: not 1 … 100,000 samples, or a seed that is not 0 … 1e15.
    """
    samples = whole_number("samples", samples, 1, MOST)
    seed = whole_number("seed", seed, 0, LAST_SEED)
    whole = sum(spec.count for spec in ensembles.values())
    exact = {name: samples * spec.count / whole for name, spec in ensembles.items()}
    counts = {name: math.floor(share) for name, share in exact.items()}
    for name in sorted(exact, key=lambda name: counts[name] - exact[name])[: samples - sum(counts.values())]:
        counts[name] += 1
    return {
        name: spec.model_copy(update={"count": counts[name], "seed": seed})
        for name, spec in ensembles.items()
        if counts[name]
    }


def varied(shocks: Mapping[str, ShockSpec]) -> dict[str, EnsembleSpec]:
    """The ensemble `varied` of listed shocks, or none where there are none; its count is 1.

    Every entry is equally likely, and of a family each duration and severity. The start is uniform over the horizon;
    months are triangular (0.5, 1, 2) times the entry's; all severities are scaled by one factor, triangular
    (0.5, 1, 1.25), and clipped to 1. The probability is 0.
    """
    events: dict[str, Any] = {}
    for name, spec in shocks.items():
        variants = [(months, *variant) for months in spec.durations.values for variant in spec.variants()]
        for months, severity, variant in variants:
            lists = spec.durations.is_list
            event = _like(variant, months, 1.0 / len(variants))
            key, shown = (title(each, None, months if lists else None, severity) for each in (name, spec.name or name))
            events[key] = event | ({"name": shown} if spec.name else {})
    if not events:
        return {}
    scale = {"triangular": [0.5, 1.0, 1.25]}
    return {VARIED: EnsembleSpec.model_validate({"count": 1, "scale": scale, "events": events})}


def _like(spec: ShockSpec, months: float, weight: float) -> dict[str, Any]:
    return {field: getattr(spec, field) for field in MEANWHILE} | {
        "weight": weight,
        "months": {"triangular": [0.5 * months, months, 2.0 * months]},
        "cuts": [cut.model_dump(exclude_none=True) for cut in spec.cuts],
    }


DRAW_DIGITS = 6
_Indices = NDArray[np.int64]


class Chances:
    """The columns of chances of one ensemble, numbers in [0, 1) by sample."""

    def __init__(self, name: str, spec: EnsembleSpec) -> None:
        self.name, self.seed, self.count = name, spec.seed, spec.count

    def column(self, what: str) -> Draws:
        """The column of what is drawn, one chance a sample."""
        entropy = [self.seed, _stable(self.name), _stable(what)]
        raw = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(self.count)
        return np.asarray(raw >> np.uint64(11), dtype=np.float64) * 2.0**-53


def _stable(text: str) -> int:
    """A 64-bit number of a text; Python's own `hash` differs from run to run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def sample_names(name: str, spec: EnsembleSpec) -> Iterator[str]:
    """The names of an ensemble's samples, ``bans#00001`` on."""
    return (f"{name}#{i:05d}" for i in range(1, spec.count + 1))


def samples(name: str, spec: EnsembleSpec, horizon: Horizon) -> list[Shock]:
    """The shocks of an ensemble, in the order of their names; they share its probability equally.

    Windows are cut off at the end of the horizon.

    Raises:
        ValueError: a start is no period of the horizon.
    """
    if isinstance(spec, DrawnEnsemble):
        return list(spec.drawn)
    chances, events = Chances(name, spec), spec.whole_events()
    begins = _begins(chances, spec, horizon)
    won = _race(chances, events)
    names, share = list(sample_names(name, spec)), spec.probability / spec.count
    drawn: list[Shock | None] = [None] * spec.count
    for k, (key, event) in enumerate(events.items()):
        chosen = np.flatnonzero(won == k).astype(np.int64)
        entry = f"{name}/{key}" if key else name
        happening = _shocks(chances, key, event, begins, chosen, horizon)
        for i, (shock, periods, length) in zip(chosen.tolist(), happening, strict=True):
            drawn[i] = Shock(names[i], shock, periods, share, entry, length)
    return [shock for shock in drawn if shock is not None]


def _begins(chances: Chances, spec: EnsembleSpec, horizon: Horizon) -> _Indices:
    """The period in which each sample starts."""
    periods = np.array(spec.start.periods(horizon) if spec.start else horizon.periods, dtype=np.int64)
    return periods[(chances.column("start") * len(periods)).astype(np.int64)]


def _race(chances: Chances, events: Mapping[str, Event]) -> _Indices:
    """The number of the event that each sample is."""
    if len(events) == 1:
        return np.zeros(chances.count, dtype=np.int64)
    times = np.full((len(events), chances.count), np.inf)
    for k, (key, event) in enumerate(events.items()):
        if event.weight > 0:
            times[k] = -np.log1p(-chances.column(f"event/{key}")) / event.weight
    return np.asarray(times.argmin(axis=0), dtype=np.int64)


def _shocks(
    chances: Chances, key: str, event: Event, begins: _Indices, chosen: _Indices, horizon: Horizon
) -> Iterator[tuple[ShockSpec, range, int]]:
    """What happens in each sample that is this event, its window, and the length of that without the horizon's end."""
    assert event.months is not None
    months = np.round(event.months.at(chances.column("months")[chosen]), DRAW_DIGITS).tolist()
    lengths = np.maximum(1, np.rint(np.array(months) / horizon.months)).astype(np.int64).tolist()
    starts = [Starts((horizon.label(t),)) for t in horizon.periods]
    end = len(horizon.periods)
    same = {field: getattr(event, field) for field in MEANWHILE}
    for first, length, duration, cuts in zip(
        begins[chosen].tolist(), lengths, months, _cuts(chances, key, event, chosen), strict=True
    ):
        spec = ShockSpec.model_construct(start=starts[first], months=Durations((duration,)), cuts=cuts, **same)
        yield spec, range(first, min(first + length, end)), length


def _cuts(chances: Chances, key: str, event: Event, chosen: _Indices) -> Iterator[tuple[Cut, ...]]:
    """The cuts of each sample; those of one entry share what they select, and all that is certain is one object."""
    assert event.scale is not None
    factors = event.scale.at(chances.column("scale")[chosen])
    certain = event.scale.is_constant
    columns: list[Sequence[Cut]] = []
    for i, cut in enumerate(event.cuts):
        drawn = chances.column(f"cut/{draw_of(cut, key, i)}")[chosen]
        profile = [np.round(np.clip(each.at(drawn) * factors, 0.0, 1.0), DRAW_DIGITS).tolist() for each in cut.severity]
        # Severities by sample, then by period of the window.
        rows = list(zip(*profile, strict=True))
        if certain and all(each.is_constant for each in cut.severity):
            columns.append([_cut_of(cut, row) for row in rows[:1]] * len(rows))
        else:
            columns.append([_cut_of(cut, row) for row in rows])
    return zip(*columns, strict=True) if columns else iter([()] * len(chosen))


def _cut_of(cut: DrawnCut, severity: tuple[float, ...]) -> Cut:
    same = {field: getattr(cut, field) for field in ("region", "stage", "process", "commodity", "deliberate")}
    return Cut.model_construct(**same, severity=severity)
