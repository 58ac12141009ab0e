"""Substitution: part of a segment's demand is served without its commodity.

    size         t/yr avoided
    C[t]         t/yr      working size
    D            t         demand of the segment, with its surge
    max_share    share     of D
    z[t]         t         substituted in period t
    cost         money/t   substituted; `multiplier` is the factor of a shock on it

Plan: as in `base`; links `capacity`, C.
On each path, in every period:
    capacity   z ≤ C·Δ
    share      z ≤ max_share·D                    the bound of the column
    substituted[d] += z
    supply[c]     −= input·z
    operating     += cost·multiplier·z
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from optimizer.disruptions.path import Path
from optimizer.errors import Problem
from optimizer.levers.base import Labels, Reference, Sized
from optimizer.model.builder import ModelBuilder
from optimizer.network.process import ZERO_SERIES
from optimizer.results.plan import Flow
from optimizer.units import AmountSeries, Ratio, Series, Share


class Substitution(Sized):
    """An alternative that serves a segment without its commodity."""

    labels: ClassVar[Labels] = Labels(
        colour=3, size_means="What is bought of a substitution is the demand that it serves."
    )
    is_monotone: ClassVar[bool] = True
    shock_fields: ClassVar[tuple[str, ...]] = ("cost",)

    kind: Literal["substitution"]
    demand: str = Field(description="Segment that is served without its commodity.")
    max_share: Share = Field(
        default=1.0, description="Maximum share of the segment's demand that can be substituted, 0 to 1. Default 1."
    )
    cost: AmountSeries = Field(
        default=ZERO_SERIES,
        description="Total cost of the alternative without its `input`, money per t substituted; a series.",
    )
    input: Mapping[str, Ratio] = Field(
        default_factory=dict,
        description="Input by commodity, t per t substituted. Without it, no shock can cut the alternative.",
    )

    def references(self) -> Iterator[Reference]:
        """Yield the segment, the commodities of input, and the options that this one requires or excludes."""
        yield Reference(("demand",), self.demand, "demands")
        yield from (Reference(("input", commodity), commodity, "commodities") for commodity in self.input)
        yield from super().references()

    def problems(self) -> Iterator[Problem]:
        """Yield a warning about a negative cost."""
        if min(self.cost.values) < 0:
            what = "cost is below 0: substitution earns money, so it is used as much as possible"
            yield ("cost",), what, "Write the total cost of the alternative.", "warning"

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield the fields of every lever that is bought by size, and a `max_share` of 0."""
        yield from super().fields_without_effect()
        if self.max_share == 0:
            yield "max_share", "it can never serve anything"

    def prices(self) -> Iterator[tuple[str, str, Series]]:
        """Yield the cost, to be compared with that of the segment's commodity."""
        yield "cost", self.demand, self.cost

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The tonnes substituted."""
        return (Flow("substituted", "substituted", takes=self.input, serves=self.demand, share=self.max_share),)

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Write the substituted tonnes, limited by size and share, with their inputs and cost."""
        capacity = model.linked(self.id, "capacity")
        for t in path.periods:
            most = self.max_share * path.demand_at(self.demand, t)
            z = model.variable(self.id, "substituted", t, upper=most)
            model.limit(self.id, "capacity", t, z, path.delta * capacity[t])
            model.note_gate(self.id, t, z)  # 0 unless the option is open: for `strong_linking`
            model.book("substituted", path.key, self.demand, t, amount=z)
            for commodity, share in self.input.items():
                model.book("supply", path.key, commodity, t, amount=-share * z)
            cost = self.cost.at(path.year(t)) * path.multiplier.get(self.id, 1.0)
            model.book("operating", path.key, t, amount=cost * z)
