"""Substitution: part of one segment is served without the commodity.

    size        t/yr avoided      C[t]   working size, t/yr           z[t]   t   substituted in period t
    max_share   share of D        D      demand with its surge, t     cost   USD per t substituted

Plan: as in `base`; offers `capacity`, C.
On each path, in every period:
    capacity   z ≤ C·Δ
    share      z ≤ max_share·D                    the bound of the column
    need[d]       += z
    supply[c]     −= input·z
    operating     += cost·multiplier·z
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from optimizer.disruptions.shock import Path
from optimizer.levers.base import Sized
from optimizer.model.builder import Stage
from optimizer.network.activity import NOTHING
from optimizer.results.plan import Flow
from optimizer.units import AmountSeries, Ratio, Share


class Substitution(Sized):
    """An alternative that serves a segment without its commodity."""

    kind: Literal["substitution"]
    demand: str = Field(description="Segment that is served without its commodity.")
    max_share: Share = Field(
        default=1.0, description="Maximum share of the segment's demand that can be substituted, 0 to 1. Default 1."
    )
    cost: AmountSeries = Field(
        default=NOTHING, description="Total cost of the alternative, money per t substituted; a series."
    )
    input: Mapping[str, Ratio] = Field(default_factory=dict, description="Input by commodity, t per t substituted.")

    @property
    def flows(self) -> tuple[Flow, ...]:
        """What is substituted."""
        return (Flow("substituted", "substituted", takes=self.input, serves=self.demand),)

    def invest(self, stage: Stage) -> None:
        """Buy size and offer what of it works."""
        stage.offer(self.id, "capacity", self.working(stage, self.buy(stage)))

    def operate(self, stage: Stage, path: Path) -> None:
        """Serve the segment within size and share."""
        capacity = stage.offered(self.id, "capacity")
        for t in path.periods:
            most = self.max_share * path.demanded(self.demand, t)
            z = stage.variable(self.id, "substituted", t, upper=most)
            stage.limit(self.id, "capacity", t, z, path.delta * capacity[t])
            stage.book("need", path.key, self.demand, t, amount=z)
            for commodity, share in self.input.items():
                stage.book("supply", path.key, commodity, t, amount=-share * z)
            cost = self.cost.at(path.year(t)) * path.multiplier.get(self.id, 1.0)
            stage.book("operating", path.key, t, amount=cost * z)
