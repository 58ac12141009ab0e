"""Leverage: counter-leverage over a region, which reduces that region's deliberate cuts.

    size        level, 0 … max_size ≤ 1
    Λ[t]        level in force, Σ_a n[a]·share(year(t) − year(a)) over decisions whose lead time is over
    restraint   share of the cut that full level prevents
    erosion     share of the level lost per calendar year after the year of decision, as the region finds substitutes
    strength    instead of erosion: share in force in the 1st, 2nd, … calendar year, the year of decision first

    share(j) = (1 − erosion)^j, or the strength of year j + 1; the last strength stays; strength may grow and exceed 1

Plan: as in `base`, without `ramp`; `max_size` and `fixed_opex` refer to the level before erosion. Links `level`, Λ.
On the path of a deliberate shock, for every existing process p of the region that is cut, in every period:
    available[p] += cap·σ·restraint·Λ         existing processes only; several options and partnerships add up
Λ also raises the cost of an adversary's attacks (`disruptions.adversary`).
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from optimizer import shapes
from optimizer.disruptions.path import Path
from optimizer.disruptions.shock import as_tuple
from optimizer.errors import Problem, finding
from optimizer.horizon import Horizon
from optimizer.levers.base import Labels, Ramp, Reference, Sized
from optimizer.model.builder import ModelBuilder, Unit
from optimizer.model.expressions import total
from optimizer.units import Quantity, Share

# The largest strength; a larger number is a percentage or a typing error.
LARGEST_STRENGTH = 100
Strength = Annotated[
    tuple[Quantity, ...],
    BeforeValidator(as_tuple),
    WithJsonSchema(shapes.one_or_more({**shapes.QUANTITY, "maximum": LARGEST_STRENGTH})),
]


class Leverage(Sized):
    """Counter-leverage over a region, which reduces its deliberate cuts."""

    labels: ClassVar[Labels] = Labels("level", colour=6)
    is_deterrent: ClassVar[bool] = True
    is_monotone: ClassVar[bool] = True

    kind: Literal["leverage"]
    region: str = Field(description="Region over which leverage is held.")
    max_size: Quantity = Field(
        description="Maximum level bought in all years together, up to 1; what has eroded cannot be bought again.",
        json_schema_extra={"maximum": 1},
    )
    ramp: Ramp = Field(
        default=(1.0,), description="Has no effect on leverage, and `check` warns of it; write `strength` in its place."
    )
    restraint: Share = Field(description="Share of a deliberate cut that full leverage prevents, 0 to 1.")
    erosion: Share = Field(
        default=0.0,
        description="Share of the level lost per calendar year after that of its decision, lead time included, 0 to 1.",
    )
    strength: Strength | None = Field(
        default=None,
        description="In place of erosion: share of the level in force in the 1st, 2nd, … calendar year from that of "
        "its decision on, lead time included; the last stays. It may grow, and exceed 1.",
    )

    @field_validator("max_size")
    @classmethod
    def _at_most_one(cls, value: float) -> float:
        if value > 1:
            raise finding(f"{value:g} is more than the full level of leverage, 1", "Write a level from 0 to 1.")
        return value

    @field_validator("strength")
    @classmethod
    def _shares(cls, strength: Strength | None) -> Strength | None:
        if strength and max(strength) > LARGEST_STRENGTH:
            what = f"{max(strength):g} is more than {LARGEST_STRENGTH} times the level that is bought"
            raise finding(what, "Write shares of the level: 0.8 is 80 per cent of it.")
        return strength

    @model_validator(mode="after")
    def _fades_in_one_way(self) -> "Leverage":
        if self.strength is not None and "erosion" in self.model_fields_set:
            raise finding("strength is given beside erosion", "Keep one of the two: strength says what erosion leaves.")
        return self

    @property
    def scaling_unit(self) -> Unit:
        """A level is dimensionless."""
        return "1"

    def references(self) -> Iterator[Reference]:
        """Yield the region, and the options that this one requires or excludes."""
        yield Reference(("region",), self.region, "regions of processes")
        yield from super().references()

    def problems(self) -> Iterator[Problem]:
        """Yield a warning about a `ramp`, which has no effect on leverage."""
        if min(self.ramp) < 1.0:
            cure = "Remove it, or write strength, the share in force by calendar year."
            yield ("ramp",), "ramp does not apply to leverage: it has no effect", cure, "warning"

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield a `max_size`, a `restraint` or a `strength` of 0; `problems` reports a `ramp`."""
        yield from (each for each in super().fields_without_effect() if each[0] != "ramp")
        if self.strength is not None and max(self.strength) == 0:
            yield "strength", "it is never in force"
        if self.restraint == 0:
            yield "restraint", "it restores nothing"

    def share_in_force(self, horizon: Horizon, a: int, t: int) -> float:
        """Return the share of a level bought at decision point a that is in force in t, from a + lead time on."""
        age = horizon.year(t) - horizon.year(a)
        if self.strength is None:
            return float((1.0 - self.erosion) ** age)
        return self.strength[min(age, len(self.strength) - 1)]

    def restores(self, path: Path, process: str, t: int) -> bool:
        """Return whether the path cuts a process of the region deliberately in period t."""
        is_cut = process in path.cut_processes(self.region) and path.severity_at(process, t) > 0
        return bool(is_cut and path.deliberate and self.restraint > 0)

    def invest(self, model: ModelBuilder) -> None:
        """Write the purchases of a level, and link the level in force."""
        horizon = model.horizon
        size, lead = self.buy(model), horizon.whole(self.lead_time)
        level = {
            t: total(self.share_in_force(horizon, a, t) * n for a, n in size.items() if t >= a + lead)
            for t in horizon.periods
        }
        model.link(self.id, "level", level)

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Book the capacity that leverage restores in deliberate cuts."""
        level = model.linked(self.id, "level")
        for process in path.cut_processes(self.region):
            for t in path.periods:
                held = path.deliberate * path.capacity_at(process, t) * path.severity_at(process, t) * self.restraint
                model.book("available", path.key, process, t, amount=level[t], times=held)
