"""Price response: the more is bought a year, the dearer it all becomes.

    q      t/yr     what is bought, at the rate of a period: its amount divided by Δ
    M      t/yr     `reference`, what the market turns over in a year
    n      t/yr     `included`, what the price in the file is for; what is bought above it comes on top of M
    ε      1        `elasticity` of what the market supplies to its price
    p      USD/t    the price in the file

Of constant elasticity: q t a year cost p·(1 + max(0, q − n)/M)^(1/ε) a tonne, all of them. Above p·q that is p times

    ψ(q) = q·((1 + max(0, q − n)/M)^(1/ε) − 1)      t/yr      the surcharge, in tonnes at the price in the file

ψ is convex for every ε above 0 where (1 − 1/ε)·n ≤ 2M. It is drawn linear between `PIECES` + 1 points of equal distance
from n to the most that can be bought, so that it is never less than ψ and equal to it at the points.

Column and rows, in every period with an amount a, one for each piece from q to q' with slope s:
    surcharge   e ≥ 0           e ≥ s·(a − q·Δ) + ψ(q)·Δ                     row `price_<piece>`
    cost       += p·e
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from optimizer import shapes
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.suggestions import finding
from optimizer.units import Amount, Described, Positive, Quantity

PIECES = 8
SURCHARGE = "surcharge"


def _rising(elasticity: float) -> float:
    if elasticity <= 0:
        what = f"with {elasticity:g} more would be cheaper: the cost is not convex, and no least cost can be proven"
        raise finding(what, "Write an elasticity above 0; a discount for quantity is an option with a fixed_cost.")
    return elasticity


class PriceResponse(Described):
    """How a price rises with what is bought a year."""

    elasticity: Annotated[Amount, AfterValidator(_rising), WithJsonSchema(shapes.POSITIVE_NUMBER)] = Field(
        description="Price elasticity of supply, above 0: of 0.5, 1 % more bought of the reference costs 2 % more."
    )
    reference: Positive = Field(description="What the market turns over, t per year, beside which purchases count.")
    included: Quantity = Field(
        default=0.0, description="Purchases that the price in the file is for, t per year. Default 0."
    )

    @model_validator(mode="after")
    def _stays_convex(self) -> "PriceResponse":
        if (1.0 - 1.0 / self.elasticity) * self.included > 2.0 * self.reference:
            what = (
                f"included ({self.included:g}) is so much of reference ({self.reference:g}) that the cost is not convex"
            )
            raise finding(what, "Write as reference what the whole market turns over; included is a part of it.")
        return self

    def surcharge(self, rate: float, most: float) -> float:
        """ψ of a rate, as drawn, t/yr; `most` is the largest rate."""
        return max([0.0, *(slope * (rate - first) + base for first, base, slope in self._pieces(most))])

    def write(
        self, model: ModelBuilder, owner: str, t: int, amount: Expression, delta: float, most: float
    ) -> Expression | None:
        """The column e of an amount, t, with its rows; None where the most that can be bought never moves the price."""
        pieces = list(self._pieces(most))
        if not pieces:
            return None
        extra = model.variable(owner, SURCHARGE, t)
        for k, (first, base, slope) in enumerate(pieces):
            constant = (base - slope * first) * delta
            model.require(owner, f"price_{k}", t, extra - slope * amount, ">=", constant)
        return extra

    def _pieces(self, most: float) -> Iterator[tuple[float, float, float]]:
        """By piece the rate at which it begins, ψ there, and its slope; none where `most` is within `included`."""
        if most <= self.included:
            return
        step = (most - self.included) / PIECES
        points = [(rate, self._at(rate)) for rate in (self.included + k * step for k in range(PIECES + 1))]
        for (first, base), (last, top) in pairwise(points):
            yield first, base, (top - base) / (last - first)

    def _at(self, rate: float) -> float:
        """ψ itself."""
        return rate * (math.pow(1.0 + (rate - self.included) / self.reference, 1.0 / self.elasticity) - 1.0)
