"""Stockpile: buy a commodity as if no shock came, hold it, release what is held only inside shocks.

    f[t]   fill       t    bought in period t, in years earliest … latest
    k[t]   stock      t    held at the end of period t                        k[−1] = initial
    g[t]   release    t    released in period t of a shock
    k'[t]  left       t    held inside a shock, never refilled

    keep   share that a period leaves, (1 − loss)^Δ
    price, release_cost   USD per t            holding_cost   USD per t per year

`Stock` is what is bought and held. Plan, in every period:
    stock     k[t] = keep·k[t−1] + f[t]          f ≤ fill_rate·Δ          k ≤ max_size
    spend[t] += price·(f + e) + holding_cost·Δ·k       outlay += budget_share·price·(f + e)
    price_k   e ≥ ψ(f), piece by piece, with `price_response` (`optimizer.network.process`); else e = 0
    spend[T] −= salvage·price(last year)·k[T−1]
    links `stock`: k.

`Stockpile` is what is released as well. In a shock, starting from the k (`stock`) of the period before its window:
    left      k'[t] = keep·k'[t−1] − g[t]        g ≤ release_rate·Δ
    supply[c] += g          operating += release_cost·g
In a state that lasts for Δ (`Path.is_steady`) nothing is lost: k' = k − g.
"""

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from optimizer.disruptions.shock import Path
from optimizer.horizon import Horizon
from optimizer.levers.base import Labels, Lever, Reference, Sized
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.network.process import Activity, PriceResponse
from optimizer.results.plan import ByPeriod, Flow
from optimizer.suggestions import finding
from optimizer.units import Quantity, QuantitySeries, Series, Share


class Stock(Lever):
    """A lever that is held as a stock of one commodity."""

    labels: ClassVar[Labels] = Labels("t", "stockpile", "is not filled", 4)
    is_stock: ClassVar[bool] = True
    purchase_column: ClassVar[str] = "fill"
    amounts: ClassVar[tuple[str, ...]] = ("stock",)

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"salvage": {"exclusiveMinimum": 0}}, "required": ["salvage"]},
            "then": {"required": ["max_size"]},
        }
    )

    commodity: str = Field(description="Commodity held in stock.")
    price: QuantitySeries = Field(default=Series.constant(0.0), description="Purchase price, money per t; a series.")
    holding_cost: Quantity = Field(default=0.0, description="Holding cost, money per t and year.")
    fill_rate: Quantity | None = Field(
        default=None, description="Maximum purchase rate, t per year: the limit of the market. Default: no limit."
    )
    price_response: PriceResponse | None = Field(
        default=None,
        description="How the price rises with what is bought a year; needs fill_rate. Default: it does not.",
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
    def _fits(self) -> "Stock":
        if self.max_size is None and self.salvage > 0:
            raise finding("salvage is given without a max_size", "Give the stockpile a max_size, or no salvage.")
        if self.max_size is not None and self.initial > self.max_size:
            cure = f"Raise max_size to at least {self.initial:g}, or lower initial."
            raise finding(f"initial ({self.initial:g} t) does not fit max_size ({self.max_size:g} t)", cure)
        if self.price_response is not None and self.fill_rate is None:
            what, cure = "price_response without a fill_rate", "Give fill_rate, the most that is bought a year, t."
            raise finding(what, cure)
        if self.price_response is not None and self.fill_rate is not None:
            self.price_response.refuse_steep(self.fill_rate)
        return self

    @property
    def largest(self) -> float:
        """`max_size`, infinite where it is left out."""
        return math.inf if self.max_size is None else self.max_size

    @property
    def most_in_a_year(self) -> float:
        """`fill_rate`, infinite where it is left out."""
        return math.inf if self.fill_rate is None else self.fill_rate

    @property
    def is_free_for_ever(self) -> bool:
        """Whether any amount can be had and kept for nothing."""
        is_endless = math.isinf(self.largest) and math.isinf(self.most_in_a_year)
        return is_endless and min(self.price.values) <= 0 and self.holding_cost <= 0

    def references(self) -> Iterator[Reference]:
        """Its commodity."""
        yield Reference(("commodity",), self.commodity, "commodities")

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """A stock or a rate of 0."""
        if self.max_size == 0:
            yield "max_size", "it can never be bought"
        elif self.fill_rate == 0 and self.initial == 0:
            yield "fill_rate", "nothing can ever be bought for it"

    @property
    def is_free(self) -> bool:
        """Whether price and holding cost are 0, where something can be bought at all."""
        return self.fill_rate != 0 and max(self.price.values) + self.holding_cost == 0

    @property
    def price_cure(self) -> str:
        """What to write where it has no price."""
        return "Add its price; what is there already is `initial`."

    def prices(self) -> Iterator[tuple[str, str, Series]]:
        """Its price."""
        yield "price", self.commodity, self.price

    @classmethod
    def cure_of_unknown(cls, key: str) -> str | None:
        """What to do about a field of options that are bought by size."""
        if key in Sized.model_fields or key in Activity.model_fields:
            return "Remove it: a stockpile is bought at `price`; it has no size, capex or lead time."
        return None

    def kept(self, delta: float) -> float:
        """The share of a stock that is left after so many years."""
        return float((1.0 - self.loss) ** delta)

    def stock_path(self, horizon: Horizon, fills: Sequence[float]) -> ByPeriod:
        """t held at the end of each period, from what is bought."""
        keep, held, path = self.kept(horizon.delta), self.initial, []
        for fill in fills:
            held = keep * held + fill
            path.append(held)
        return tuple(path)

    def paid(self, horizon: Horizon, fills: Sequence[float]) -> float:
        """Money for purchases by period, undiscounted."""
        return math.fsum(self.payments(horizon, fills))

    def payments(self, horizon: Horizon, fills: Sequence[float]) -> list[float]:
        """The same by period."""
        extra = self.surcharges(horizon, fills)
        return [float(self.price.at(horizon.year(t)) * (fill + extra[t])) for t, fill in enumerate(fills)]

    def surcharges(self, horizon: Horizon, fills: Sequence[float]) -> list[float]:
        """What purchases cost beyond `price`, in t at that price, by period."""
        if self.price_response is None:
            return [0.0] * len(fills)
        delta, response = horizon.delta, self.price_response
        return [delta * response.surcharge(fill / delta, self.most_in_a_year) for fill in fills]

    def invest(self, model: ModelBuilder) -> None:
        """Fill and hold; offer the stock at the end of each period."""
        periods, delta = model.horizon.periods, model.horizon.delta
        rate = self.most_in_a_year * delta
        before: Expression | float = self.initial
        stock: dict[int, Expression] = {}
        for t in periods:
            stock[t] = model.variable(self.id, "stock", t, upper=self.largest, follows=(self.initial, self.loss))
            kept = self.kept(delta) * before
            if self.allows(model.horizon.year(t)):
                fill = model.variable(self.id, "fill", t, upper=rate)
                self.pay(model, t, self.price.at(model.horizon.year(t)) * (fill + self._surcharge(model, t, fill)))
                kept = kept + fill
            model.require(self.id, "stock", t, stock[t], "==", kept)
            model.book("spend", t, amount=self.holding_cost * delta * stock[t])
            before = stock[t]
        last = self.salvage * self.price.at(model.horizon.end)
        model.book("spend", len(periods), amount=-last * stock[periods[-1]])
        model.link(self.id, "stock", {-1: Expression(constant=self.initial)} | stock)

    def _surcharge(self, model: ModelBuilder, t: int, fill: Expression) -> Expression | float:
        """e of what is bought in a period."""
        if self.price_response is None:
            return 0.0
        extra = self.price_response.write(model, self.id, t, fill, model.horizon.delta, self.most_in_a_year)
        return 0.0 if extra is None else extra


class Stockpile(Stock):
    """A reserve of one commodity."""

    kind: Literal["stockpile"]

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """As of every stock; or a release rate of 0."""
        found = list(super().fields_without_effect())
        yield from found
        if not found and self.release_rate == 0:
            yield "release_rate", "nothing ever comes out of it"

    @property
    def flows(self) -> tuple[Flow, ...]:
        """What is released in a shock, and what is left of the stock."""
        released = Flow("released", "released", column="release", in_baseline=False, gives={self.commodity: 1.0})
        return (released, Flow("left", "left in stock", in_baseline=False))

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Release inside a shock; the baseline never touches the stock."""
        if path.is_baseline:
            return
        rate = math.inf if self.release_rate is None else self.release_rate * path.delta
        keep = 1.0 if path.is_steady else self.kept(path.delta)
        before = model.linked(self.id, "stock")[path.periods.start - 1]
        for t in path.periods:
            release = model.variable(self.id, "release", t, upper=rate)
            left = model.variable(self.id, "left", t)
            model.require(self.id, "left", t, left + release, "==", keep * before)
            model.book("supply", path.key, self.commodity, t, amount=release)
            model.book("operating", path.key, t, amount=self.release_cost * release)
            before = left
