"""Ensembles: many shocks drawn at random from one entry under `ensembles:`.

EnsembleSpec   the entry: count, seed, and the fields that its samples share
Event          a type of shock in the ensemble; one is drawn for each sample, by weight
DrawnCut       a cut with a random severity

Within a sample, all activities that a cut matches have one draw, and cuts with the same label `draw` share a draw.
`scale` is one more draw, which multiplies every severity of the sample; the product is clipped to 1.

Each random quantity has its own named column of uniform random numbers, one for each sample: `start`, `months`,
`scale`, one per event and one per cut. The stream of a column is PCG64, seeded by the seed and name of the ensemble and
the name of the column, read as raw 64-bit integers, whose sequence NumPy guarantees. Uniforms are their upper 53 bits.
Values are inverses of them, rounded to a millionth, so that last digits that vary between library versions have no
effect. Hence the first n samples do not change when the count grows, and a new event takes samples from the others
without changing those that remain.

The event of a sample is decided by a race: the number u of event k gives the time −ln(1 − u)/weight[k], and the event
with the smallest time is drawn, which is k with probability weight[k]/Σ weight.
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
from optimizer.disruptions.distributions import Distribution, DrawnPositive, DrawnQuantity, DrawnShare, Floats, constant
from optimizer.disruptions.shock import (
    COST_FACTORS,
    CUTS,
    DELIBERATE,
    DEMAND_FACTORS,
    EFFECT_FIELDS,
    OWN_DELIBERATE,
    SHOCK_FLOORS,
    SHOCK_RELIABILITIES,
    ActivitySelector,
    Cut,
    Durations,
    RandomStarts,
    Shock,
    ShockSpec,
    Starts,
    as_tuple,
    shock_name,
)
from optimizer.errors import finding
from optimizer.horizon import Horizon
from optimizer.units import Described, Quantity, Share, least_whole, parse_amount

MOST_SAMPLES, LAST_SEED = 100_000, 10**15
VARIED = "varied"
_MONTHS = "Duration, months: whole periods, or a distribution, whose draws are rounded to whole periods, at least one."
_SCALE = "Factor of all severities of a sample: a number or a distribution; the product is clipped to 1."


def _parse_whole(value: Any, least: int, most: int) -> int:
    number = parse_amount(value)
    if number != math.floor(number) or not least <= number <= most:
        what = f"{number:g} is no whole number from {least:,} to {most:,}"
        raise finding(what, "Write a whole number in that range.")
    return int(number)


_INTEGER = WithJsonSchema({"type": ["integer", "string"]})
Count = Annotated[int, BeforeValidator(partial(_parse_whole, least=1, most=MOST_SAMPLES)), _INTEGER]
Seed = Annotated[int, BeforeValidator(partial(_parse_whole, least=0, most=LAST_SEED)), _INTEGER]


class DrawnCut(ActivitySelector):
    """A random share of capacity lost; a list is a profile by period from one draw.

    `draw` names the column of uniform random numbers: cuts with the same label share a draw. Without a label, a cut has
    its own.
    """

    severity: Annotated[
        tuple[DrawnShare, ...], BeforeValidator(as_tuple), WithJsonSchema(shapes.one_or_more(shapes.DRAWN_NUMBER))
    ] = Field(description="Share of capacity lost, 0 to 1: a number, a distribution, or a list of them by period.")
    draw: str | None = Field(default=None, description="Label; cuts with the same label share one random draw.")
    deliberate: bool | None = Field(default=None, description=OWN_DELIBERATE)


class Event(Described):
    """An event of an ensemble: a type of shock, drawn for some samples. Omitted fields are those of the ensemble."""

    weight: Quantity = Field(default=1.0, description="Weight of the event relative to the others. Default 1.")
    months: DrawnPositive | None = Field(default=None, description=_MONTHS)
    scale: DrawnQuantity | None = Field(default=None, description=_SCALE)
    deliberate: bool | None = Field(default=None, description=DELIBERATE)
    cuts: tuple[DrawnCut, ...] = Field(default=(), description=CUTS)
    demand: Mapping[str, Quantity] | None = Field(default=None, description=DEMAND_FACTORS)
    cost: Mapping[str, Quantity] | None = Field(default=None, description=COST_FACTORS)
    survival: Mapping[str, Share] | None = Field(default=None, description=SHOCK_FLOORS)
    reliability: Mapping[str, Share] | None = Field(default=None, description=SHOCK_RELIABILITIES)


INHERITED_FIELDS = ("months", "scale", *EFFECT_FIELDS)


class EnsembleSpec(Described):
    """An entry under ``ensembles:``. Drawn `months` are rounded to the nearest whole period, at least one."""

    count: Count = Field(description="Number of samples.")
    seed: Seed = Field(
        default=0,
        description="Seed of the random numbers; the same seed gives the same samples as long as the ensemble and its "
        "events keep their names. Default 0.",
    )
    probability: Share = Field(
        default=0.0, description="Probability over the horizon, 0 to 1; shared equally by the samples. Default 0."
    )
    survive: Share | None = Field(
        default=None, description="Share of the samples in which every floor must hold, 0 to 1. Default: all of them."
    )
    start: RandomStarts | None = Field(
        default=None,
        description="Start periods, all equally likely: one, a list, {from, to, every} or {uniform: [first, last]}. "
        "Default: every period.",
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
    survival: Mapping[str, Share] = Field(default_factory=dict, description=SHOCK_FLOORS)
    reliability: Mapping[str, Share] = Field(default_factory=dict, description=SHOCK_RELIABILITIES)

    @field_validator("events")
    @classmethod
    def _check_events(cls, events: Mapping[str, Event]) -> Mapping[str, Event]:
        if not events:
            raise finding("is an empty mapping", "Name at least one event, or write `cuts:` in its place.")
        if not any(event.weight > 0 for event in events.values()):
            raise finding("the weights of the events are all 0", "Give at least one of them a weight above 0.")
        return events

    @field_validator("months")
    @classmethod
    def _require_months(cls, months: Distribution | None, info: ValidationInfo) -> Distribution | None:
        events = info.data.get("events", {})
        if months is None and "events" in info.data and not (events and all(event.months for event in events.values())):
            raise finding("months is missing", "Add `months:`, here or in every event.")
        return months

    @field_validator("cuts")
    @classmethod
    def _refuse_cuts_beside_events(cls, cuts: tuple[DrawnCut, ...], info: ValidationInfo) -> tuple[DrawnCut, ...]:
        if cuts and info.data.get("events"):
            raise finding("cuts stand here beside events", "Move them into the events that they belong to.")
        return cuts

    @property
    def required(self) -> int:
        """The number of samples in which every floor must hold."""
        return self.count if self.survive is None else least_whole(self.survive * self.count)

    def whole_events(self) -> dict[str, Event]:
        """Return the events with inherited fields, by name; the short form has one event with an empty name."""
        ours = {field: getattr(self, field) for field in INHERITED_FIELDS}
        if not self.events:
            return {"": Event.model_construct(cuts=self.cuts, **ours)}
        return {
            name: event.model_copy(update={field: ours[field] for field in ours if getattr(event, field) is None})
            for name, event in self.events.items()
        }


class DrawnEnsemble(EnsembleSpec):
    """An ensemble of already drawn samples, all or some; as many of them may fail as in the whole ensemble.

    It occurs only in what-if variants, never in a file.
    """

    drawn: tuple[Any, ...] = Field(default=(), description="The remaining samples, as shocks.")
    allowed: int = Field(default=0, description="The number of samples that may fail.")

    @property
    def required(self) -> int:
        """The number of samples in which every floor must hold."""
        return max(0, self.count - self.allowed)

    def with_samples(self, drawn: Sequence[Shock]) -> "DrawnEnsemble":
        """Return the ensemble with other samples."""
        return self.model_copy(update={"drawn": tuple(drawn), "count": len(drawn)})


def change_samples(
    ensembles: Mapping[str, EnsembleSpec], change: Callable[[Shock], Shock | None]
) -> dict[str, EnsembleSpec]:
    """Return the ensembles with `change` applied to drawn samples; a sample for which it returns None is dropped."""
    found = dict[str, EnsembleSpec]()
    for name, spec in ensembles.items():
        if isinstance(spec, DrawnEnsemble):
            spec = spec.with_samples([shock for shock in map(change, spec.drawn) if shock is not None])
        if spec.count:
            found[name] = spec
    return found


def draw_name(cut: DrawnCut, event: str, i: int) -> str:
    """Return the name of the column of uniform random numbers of cut i of an event."""
    return cut.draw if cut.draw is not None else f"{event}.{i}"


def scale_counts(ensembles: Mapping[str, EnsembleSpec], samples: int, seed: int) -> dict[str, EnsembleSpec]:
    """Return ensembles with `samples` in total, in proportion to their counts, and a new seed; empty ones are dropped.

    Raises:
        ArgumentError: `samples` is not 1 … 100,000, or `seed` is not 0 … 1e15.
    """
    samples = whole_number("samples", samples, 1, MOST_SAMPLES)
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


def vary_shocks(shocks: Mapping[str, ShockSpec]) -> dict[str, EnsembleSpec]:
    """Return the ensemble `varied` of listed shocks, with count 1; an empty mapping without shocks.

    Every entry is equally likely, and so are the durations and severities within a family. The start is uniform over
    the horizon; months are triangular (0.5, 1, 2) times those of the entry; all severities are scaled by one factor,
    triangular (0.5, 1, 1.25), and clipped to 1. The probability is 0.
    """
    events: dict[str, Any] = {}
    for name, spec in shocks.items():
        variants = [(months, *variant) for months in spec.durations.values for variant in spec.by_severity()]
        for months, severity, variant in variants:
            listed = months if spec.durations.is_list else None
            event = _event_like(variant, months, 1.0 / len(variants))
            key, shown = (shock_name(each, None, listed, severity) for each in (name, spec.name or name))
            events[key] = event | ({"name": shown} if spec.name else {})
    if not events:
        return {}
    scale = {"triangular": [0.5, 1.0, 1.25]}
    return {VARIED: EnsembleSpec.model_validate({"count": 1, "scale": scale, "events": events})}


def _event_like(spec: ShockSpec, months: float, weight: float) -> dict[str, Any]:
    return {field: getattr(spec, field) for field in EFFECT_FIELDS} | {
        "weight": weight,
        "months": {"triangular": [0.5 * months, months, 2.0 * months]},
        "cuts": [cut.model_dump(exclude_none=True) for cut in spec.cuts],
    }


DRAW_DIGITS = 6
_Indices = NDArray[np.int64]


class Uniforms:
    """The columns of uniform random numbers of one ensemble: numbers in [0, 1) by sample."""

    def __init__(self, name: str, spec: EnsembleSpec) -> None:
        self.name, self.seed, self.count = name, spec.seed, spec.count

    def column(self, what: str) -> Floats:
        """Return the column of a random quantity, one number per sample."""
        entropy = [self.seed, _hash_text(self.name), _hash_text(what)]
        raw = np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(self.count)
        return np.asarray(raw >> np.uint64(11), dtype=np.float64) * 2.0**-53


def _hash_text(text: str) -> int:
    """Return a 64-bit hash of a text; Python's own `hash` differs from run to run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def sample_names(name: str, spec: EnsembleSpec) -> Iterator[str]:
    """Return the names of the samples of an ensemble, from ``bans#00001`` on."""
    return (f"{name}#{i:05d}" for i in range(1, spec.count + 1))


def samples(name: str, spec: EnsembleSpec, horizon: Horizon) -> list[Shock]:
    """Return the shocks of an ensemble, in the order of their names; they share its probability equally.

    Windows end at the end of the horizon.

    Raises:
        ValueError: a start is no period of the horizon.
    """
    if isinstance(spec, DrawnEnsemble):
        return list(spec.drawn)
    uniforms, events = Uniforms(name, spec), spec.whole_events()
    begins = _draw_starts(uniforms, spec, horizon)
    won = _draw_events(uniforms, events)
    names, share = list(sample_names(name, spec)), spec.probability / spec.count
    drawn: list[Shock | None] = [None] * spec.count
    for k, (key, event) in enumerate(events.items()):
        chosen = np.flatnonzero(won == k).astype(np.int64)
        entry = f"{name}/{key}" if key else name
        happening = _draw_shocks(uniforms, key, event, begins, chosen, horizon)
        for i, (shock, periods, length) in zip(chosen.tolist(), happening, strict=True):
            drawn[i] = Shock(names[i], shock, periods, share, entry, length)
    return [shock for shock in drawn if shock is not None]


def _draw_starts(uniforms: Uniforms, spec: EnsembleSpec, horizon: Horizon) -> _Indices:
    """Return the start period of each sample."""
    periods = np.array(spec.start.periods(horizon) if spec.start else horizon.periods, dtype=np.int64)
    return periods[(uniforms.column("start") * len(periods)).astype(np.int64)]


def _draw_events(uniforms: Uniforms, events: Mapping[str, Event]) -> _Indices:
    """Return the index of the event drawn for each sample."""
    if len(events) == 1:
        return np.zeros(uniforms.count, dtype=np.int64)
    times = np.full((len(events), uniforms.count), np.inf)
    for k, (key, event) in enumerate(events.items()):
        if event.weight > 0:
            times[k] = -np.log1p(-uniforms.column(f"event/{key}")) / event.weight
    return np.asarray(times.argmin(axis=0), dtype=np.int64)


def _draw_shocks(
    uniforms: Uniforms, key: str, event: Event, begins: _Indices, chosen: _Indices, horizon: Horizon
) -> Iterator[tuple[ShockSpec, range, int]]:
    """Yield entry, window, and length, not cut off at the end of the horizon, for each chosen sample of an event."""
    assert event.months is not None
    months = np.round(event.months.at(uniforms.column("months")[chosen]), DRAW_DIGITS).tolist()
    lengths = np.maximum(1, np.rint(np.array(months) / horizon.months)).astype(np.int64).tolist()
    starts = [Starts((horizon.label(t),)) for t in horizon.periods]
    end = len(horizon.periods)
    same = {field: getattr(event, field) for field in EFFECT_FIELDS}
    for first, length, duration, cuts in zip(
        begins[chosen].tolist(), lengths, months, _draw_cuts(uniforms, key, event, chosen), strict=True
    ):
        spec = ShockSpec.model_construct(start=starts[first], months=Durations((duration,)), cuts=cuts, **same)
        yield spec, range(first, min(first + length, end)), length


def _draw_cuts(uniforms: Uniforms, key: str, event: Event, chosen: _Indices) -> Iterator[tuple[Cut, ...]]:
    """Return an iterator over the cuts of each chosen sample; all samples share the object of a cut that is certain."""
    assert event.scale is not None
    factors = event.scale.at(uniforms.column("scale")[chosen])
    certain = event.scale.is_constant
    columns: list[Sequence[Cut]] = []
    for i, cut in enumerate(event.cuts):
        drawn = uniforms.column(f"cut/{draw_name(cut, key, i)}")[chosen]
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
