"""Stockpile: a commodity is bought and held in the baseline, and released only in shocks.

    k[t]   stock      t    held at the end of period t, as for every `Stock` (`base`)
    g[t]   release    t    released in period t of a shock
    k'[t]  left       t    held at the end of period t of a shock, without refills

    keep   share of a stock that is left after a period, (1 − loss)^Δ
    release_cost   money/t

In a shock, k' starts from k (`stock`) of the period before its window:
    left      k'[t] = keep·k'[t−1] − g[t]        g ≤ release_rate·Δ
    supply[c] += g          operating += release_cost·g
The single period of a rule or of a time to survive (`Path.is_steady`) has no loss: k' = k − g.
"""

import math
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from optimizer.disruptions.path import Path
from optimizer.errors import Problem
from optimizer.levers.base import Stock
from optimizer.model.builder import ModelBuilder
from optimizer.results.plan import Flow
from optimizer.units import Quantity

# Largest multiple of the price at `fill_rate` that is not warned of.
STEEP = 10


class Stockpile(Stock):
    """A reserve of one commodity."""

    is_monotone: ClassVar[bool] = True

    kind: Literal["stockpile"]
    release_rate: Quantity | None = Field(
        default=None, description="Maximum release rate in a shock, t per year. Default: no limit."
    )
    release_cost: Quantity = Field(default=0.0, description="Release cost, money per t.")

    def problems(self) -> Iterator[Problem]:
        """Warn where purchases at `fill_rate` multiply the price: `reference` is seldom so small a market."""
        if self.price_response and (multiple := self.price_response.multiple(self.fill_rate or 0.0)) > STEEP:
            what = f"buying {self.fill_rate:g} t a year (fill_rate) multiplies the price by {multiple:,.0f}"
            cure = "Write the volume of the whole market, t per year, or lower fill_rate."
            yield ("price_response", "reference"), what, cure, "warning"

    @property
    def most_released_in_a_year(self) -> float:
        """`release_rate`; infinite if it is not given."""
        return math.inf if self.release_rate is None else self.release_rate

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield what every stock yields; if that is nothing, a `release_rate` of 0."""
        found = list(super().fields_without_effect())
        yield from found
        if not found and self.release_rate == 0:
            yield "release_rate", "nothing ever comes out of it"

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The release in a shock, and the stock that is left."""
        released = Flow("released", "released", column="release", gives={self.commodity: 1.0})
        return (released, Flow("left", "left in stock"))

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Write the release in a shock; the baseline never releases."""
        if path.is_baseline:
            return
        rate = self.most_released_in_a_year * path.delta
        keep = 1.0 if path.is_steady else self.kept(path.delta)
        before = model.linked(self.id, "stock")[path.periods.start - 1]
        for t in path.periods:
            release = model.variable(self.id, "release", t, upper=rate)
            left = model.variable(self.id, "left", t)
            model.require(self.id, "left", t, left + release, "==", keep * before)
            model.book("supply", path.key, self.commodity, t, amount=release)
            model.book("operating", path.key, t, amount=self.release_cost * release)
            before = left
