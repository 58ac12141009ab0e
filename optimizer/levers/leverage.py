"""Leverage: counter-leverage over a region, which restrains its deliberate cuts.

    size        level, 0 … max_size ≤ 1
    ℓ[t]        level in force, Σ_a n[a]·(1 − erosion)^(year(t) − year(a)) over the decisions past their lead time
    restraint   share of the cut that full level prevents
    erosion     share of the level lost per year since the decision, as the region finds substitutes

Plan: as in `base`, but `ramp` does not apply; `fixed_opex` is on the uneroded level. Links `level`, ℓ.
On the path of a deliberate shock, for every existing process p of the region that is cut, in every period:
    capacity[p] += cap·σ·restraint·ℓ          existing processes only; several options add, and so do partnerships
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from optimizer.disruptions.shock import Path
from optimizer.horizon import Horizon
from optimizer.levers.base import Labels, Reference, Sized
from optimizer.model.builder import ModelBuilder, Unit
from optimizer.model.expressions import total
from optimizer.units import Quantity, Share, finding


class Leverage(Sized):
    """Counter-leverage over a region, which reduces its deliberate cuts."""

    labels: ClassVar[Labels] = Labels("level", colour=6)
    is_deterrent: ClassVar[bool] = True

    kind: Literal["leverage"]
    region: str = Field(description="Region over which leverage is held.")
    max_size: Quantity = Field(description="Maximum level, up to 1.", json_schema_extra={"maximum": 1})
    restraint: Share = Field(description="Share of a deliberate cut that full leverage prevents, 0 to 1.")
    erosion: Share = Field(default=0.0, description="Share of the level lost per year, 0 to 1.")

    @field_validator("max_size")
    @classmethod
    def _at_most_one(cls, value: float) -> float:
        if value > 1:
            raise finding(f"{value:g} is more than the full level of leverage, 1", "Write a level from 0 to 1.")
        return value

    @property
    def unit(self) -> Unit:
        """A level has no unit."""
        return "1"

    def references(self) -> Iterator[Reference]:
        """The region, and the options that it is tied to."""
        yield Reference(("region",), self.region, "regions of processes")
        yield from super().references()

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """A largest level or a restraint of 0; a ramp does not apply."""
        yield from (each for each in super().fields_without_effect() if each[0] != "ramp")
        if self.restraint == 0:
            yield "restraint", "it restores nothing"

    def share_in_force(self, horizon: Horizon, a: int, t: int) -> float:
        """What erosion leaves of a level by then."""
        return float((1.0 - self.erosion) ** (horizon.year(t) - horizon.year(a)))

    def invest(self, model: ModelBuilder) -> None:
        """Buy a level and link what erosion leaves of it."""
        size, lead, year = self.buy(model), model.horizon.whole(self.lead_time), model.horizon.year
        kept = 1.0 - self.erosion
        level = {
            t: total(kept ** (year(t) - year(a)) * n for a, n in size.items() if t >= a + lead)
            for t in model.horizon.periods
        }
        model.link(self.id, "level", level)

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Restrain deliberate cuts."""
        level = model.linked(self.id, "level")
        for process in path.struck(self.region):
            for t in path.periods:
                held = path.deliberate * path.limit(process, t) * path.cut(process, t) * self.restraint
                model.book("capacity", path.key, process, t, amount=level[t], times=held)
