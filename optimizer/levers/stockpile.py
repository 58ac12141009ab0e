"""Stockpile: buy a commodity in calm years, hold it, release it only inside shocks.

    f[t]   fill       t    bought in period t, in years earliest … latest, from outside the network
    k[t]   stock      t    held at the end of period t                        k[−1] = initial
    g[t]   release    t    released in period t of a shock
    k'[t]  left       t    held inside a shock, never refilled

    keep   share that a period leaves, (1 − loss)^Δ
    price, release_cost   USD per t                       holding_cost   USD per t per year

Plan, in every period:
    stock     k[t] = keep·k[t−1] + f[t]          f ≤ fill_rate·Δ          k ≤ max_size
    spend[t] += price·f + holding_cost·Δ·k       outlay += budget_share·price·f
    spend[T] −= salvage·price(last year)·k[T−1]
    offers `stock`: k.
In a shock, starting from the k of the period before its window:
    left      k'[t] = keep·k'[t−1] − g[t]        g ≤ release_rate·Δ
    supply[c] += g          operating += release_cost·g
In a state that lasts for Δ (`Path.is_steady`) nothing is lost: k' = k − g.
"""

import math
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from optimizer.disruptions.shock import Path
from optimizer.levers.base import Lever
from optimizer.model.builder import Stage
from optimizer.model.expressions import Expression
from optimizer.results.plan import Flow
from optimizer.units import Quantity, QuantitySeries, Series, Share, finding


class Stockpile(Lever):
    """A reserve of one commodity."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"salvage": {"exclusiveMinimum": 0}}, "required": ["salvage"]},
            "then": {"required": ["max_size"]},
        }
    )

    kind: Literal["stockpile"]
    commodity: str = Field(description="Commodity held in stock.")
    price: QuantitySeries = Field(default=Series.constant(0.0), description="Purchase price, money per t; a series.")
    holding_cost: Quantity = Field(default=0.0, description="Holding cost, money per t and year.")
    fill_rate: Quantity | None = Field(
        default=None, description="Maximum purchase rate, t per year: the limit of the market. Default: no limit."
    )
    release_rate: Quantity | None = Field(
        default=None, description="Maximum release rate in a shock, t per year. Default: no limit."
    )
    release_cost: Quantity = Field(default=0.0, description="Release cost, money per t.")
    loss: Share = Field(default=0.0, description="Share of the stock lost per year, 0 to 1.")
    initial: Quantity = Field(default=0.0, description="Stock before the first period, t.")
    salvage: Share = Field(
        default=0.0, description="Salvage value of the stock left at the end, a share of the last price, 0 to 1."
    )
    max_size: Quantity | None = Field(default=None, description="Maximum stock, t. Default: no limit.")

    @model_validator(mode="after")
    def _fits(self) -> "Stockpile":
        if self.max_size is None and self.salvage > 0:
            raise finding("salvage is given without a max_size", "Give the stockpile a max_size, or no salvage.")
        if self.max_size is not None and self.initial > self.max_size:
            cure = f"Raise max_size to at least {self.initial:g}, or lower initial."
            raise finding(f"initial ({self.initial:g} t) does not fit max_size ({self.max_size:g} t)", cure)
        return self

    @property
    def flows(self) -> tuple[Flow, ...]:
        """What is released in a shock, and what is left of the stock."""
        released = Flow("released", "released", column="release", in_baseline=False, gives={self.commodity: 1.0})
        return (released, Flow("left", "left in stock", in_baseline=False))

    def _keep(self, stage: Stage) -> float:
        return float((1.0 - self.loss) ** stage.horizon.delta)

    def invest(self, stage: Stage) -> None:
        """Fill and hold; offer the stock at the end of each period."""
        periods, delta = stage.horizon.periods, stage.horizon.delta
        most = math.inf if self.max_size is None else self.max_size
        rate = math.inf if self.fill_rate is None else self.fill_rate * delta
        before: Expression | float = self.initial
        stock: dict[int, Expression] = {}
        for t in periods:
            stock[t] = stage.variable(self.id, "stock", t, upper=most)
            kept = self._keep(stage) * before
            if self.allows(stage.horizon.year(t)):
                fill = stage.variable(self.id, "fill", t, upper=rate)
                self.pay(stage, t, self.price.at(stage.horizon.year(t)) * fill)
                kept = kept + fill
            stage.require(self.id, "stock", t, stock[t], "==", kept)
            stage.book("spend", t, amount=self.holding_cost * delta * stock[t])
            before = stock[t]
        last = self.salvage * self.price.at(stage.horizon.end)
        stage.book("spend", len(periods), amount=-last * stock[periods[-1]])
        stage.offer(self.id, "stock", {-1: Expression(constant=self.initial)} | stock)

    def operate(self, stage: Stage, path: Path) -> None:
        """Release inside a shock; the baseline never touches the stock."""
        if path.is_baseline:
            return
        rate = math.inf if self.release_rate is None else self.release_rate * path.delta
        keep = 1.0 if path.is_steady else self._keep(stage)
        before = stage.offered(self.id, "stock")[path.periods.start - 1]
        for t in path.periods:
            release = stage.variable(self.id, "release", t, upper=rate)
            left = stage.variable(self.id, "left", t)
            stage.require(self.id, "left", t, left + release, "==", keep * before)
            stage.book("supply", path.key, self.commodity, t, amount=release)
            stage.book("operating", path.key, t, amount=self.release_cost * release)
            before = left
