"""The existing network: processes and the demand that they serve.

An activity turns inputs into outputs in a region. Existing processes and the levers of
`levers.producing` are activities.

    x[t]   activity   t          tonnes of activity in period t
           input      t per t    taken from each commodity
           output     t per t    given to each commodity; joint products in fixed proportions
    r      restart    share      of capacity that may run; 1 in the baseline, and without `restart_months`
    r̲      minimum    share      `min_utilisation`, the share that contracts keep running in the baseline
    κ      cost       money/t    times the cost factor of the shock
    η      support    money/t    price support paid per tonne of baseline activity; it counts towards the budget

On one path, in each period:
    supply[c]      += output·x − input·x
    operating      += κ·x  (+ η·x in the baseline)
    outlay[year]   += budget_share·η·x         in the baseline
    production     += output·x                 in the baseline, by region and kind

Restart, the start-up of idle capacity: h months after a shock begins, at most r̲ + (1−r̲)·min(1, h/m) of capacity runs,
with m = `restart_months`. For a period from month h₁ to month h₂ of the window, r is the mean of these shares,

    r = r̲ + (1−r̲)·(A(h₂) − A(h₁))/(h₂ − h₁)        A(h) = h²/2m up to m, and h − m/2 from there

In the single period of a rule or of a time to survive (`Path.is_steady`), r is the mean over `Path.lasts`, and r̲ if
that is 0. The plan does not enter r: utilisation above r̲ in the baseline does not count, since it is a result of the
first stage, which the recourse does not have.

Existing processes and demand:

    x[p,t]   activity    t        of process p                     D[d,t]  demanded   t   of segment d, after a surge
    cap      capacity    t        per period, before any cut       u[d,t]  unserved   t   shortage
    σ        severity    share    lost in this path                v[d,t]  below      t   part of u below the floor
    φ        floor       share    that must be served              z    substituted   t   served by substitution

On each path, in every period:
    price_k   e ≥ ψ(x), piece by piece, and operating += κ·e                  with `price_response`; not on steady paths
    shortage  operating += shortage_cost·u
    limit     x ≤ cap·(1−σ) + what partnerships and leverage restore, and x ≤ cap
    accident  x ≤ cap·(1−σ') + what partnerships restore     where σ is deliberate and σ' is another cut beside it
    run       x ≥ min_utilisation·cap                                         baseline only
    restart   x ≤ cap·r                                                       shocks only, a bound of x
    balance   Σ output·x + scrap + releases ≥ Σ input·x + Σ input·z + Σ_d (D − u − z)        every commodity
    demand    u + z ≤ D
    floor     u − v ≤ (1 − φ)·D                                               shocks only; under a rule v = 0

Price response: a higher rate of purchase in a period raises the price of all that is bought in it.

    q      t/yr     rate of purchase: the amount of a period divided by Δ
    M      t/yr     `reference`, the yearly volume of the market
    q₀     t/yr     `included`, the purchases up to which the price in the file holds
    ϵ      1        `elasticity` of the market's total supply to price
    price  money/t  the price in the file

At constant elasticity, each of q t a year costs price·(1 + max(0, q − q₀)/M)^(1/ϵ). Beyond price·q that is price times

    ψ(q) = q·((1 + max(0, q − q₀)/M)^(1/ϵ) − 1)     t/yr      the surcharge, in tonnes at the price in the file

ψ is convex for every ϵ above 0 where (1 − 1/ϵ)·q₀ ≤ 2M. The model has its linear interpolation between `PIECES` + 1
equidistant points from q₀ to the largest purchase: never less than ψ, and equal to it at the points.

Column and rows, in every period, for each piece k from q_{k−1} to q_k with slope ψ'_k:
    surcharge   e ≥ 0           e ≥ ψ'_k·(amount − q_{k−1}·Δ) + ψ(q_{k−1})·Δ         row `price_<piece>`
    cost       += price·e
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, WithJsonSchema, field_validator, model_validator

from optimizer import shapes
from optimizer.disruptions.path import Number, Path
from optimizer.errors import finding
from optimizer.horizon import Horizon
from optimizer.model.expressions import Expression, is_nothing
from optimizer.units import (
    Amount,
    AmountSeries,
    Commitments,
    Described,
    Positive,
    Quantity,
    QuantityByYear,
    QuantitySeries,
    Ratio,
    Series,
    Share,
    ShareSeries,
    parse_amount,
)

if TYPE_CHECKING:
    from optimizer.model.builder import ModelBuilder

ZERO_SERIES = Series.constant(0.0)
MONTHS_A_YEAR = 12


class Activity(Described):
    """The fields that existing processes and process options share."""

    id: str = Field(exclude=True)
    region: str | None = Field(default=None, description="Region of the activity; cuts and policy shares refer to it.")
    stage: str | None = Field(
        default=None, description="Stage of the chain, such as mine, separation, metal or magnet; cuts refer to it."
    )
    input: Mapping[str, Ratio] = Field(default_factory=dict, description="Input by commodity, t per t of activity.")
    output: Mapping[str, Ratio] = Field(
        default_factory=dict,
        description="Output by commodity, t per t of activity; several where an ore yields several commodities.",
    )
    cost: AmountSeries = Field(
        default=ZERO_SERIES,
        description="Operating cost, money per t of activity; a series. It leaves out `input`, which is paid at the "
        "process that makes it. Negative where a surplus is sold.",
    )
    support: QuantitySeries = Field(
        default=ZERO_SERIES,
        description="Price support paid on baseline activity, money per t; a series. It counts towards the budget.",
    )
    min_utilisation: Share = Field(default=0.0, description="Minimum utilisation of capacity in the baseline, 0 to 1.")
    restart_months: Quantity = Field(
        default=0.0,
        description="Months from the start of a shock until all capacity may run; until then the share rises from "
        "min_utilisation.",
    )

    def restart_share(self, path: Path, t: int) -> Number:
        """Return r, the share of capacity that may run in period t of a path."""
        if path.is_baseline or self.restart_months == 0:
            return 1.0
        rising: Number = self._risen(t - path.periods.start, MONTHS_A_YEAR * path.delta)
        if path.is_steady:
            # The mean of min(1, k/n) over the first `months` k; `months` may be 0, infinite, or an array.
            months, n = MONTHS_A_YEAR * path.lasts, self.restart_months
            rising = np.where(months < n, months / (2.0 * n), 1.0 - n / (2.0 * np.maximum(months, n)))
        return self.min_utilisation + (1.0 - self.min_utilisation) * rising

    def _risen(self, offset: int, length: float) -> float:
        """Return the mean of min(1, k/n) over the months k of a period of the window, counted from 0."""
        n, ends = self.restart_months, (offset * length, (offset + 1) * length)
        first, last = (k * k / (2.0 * n) if k < n else k - n / 2.0 for k in ends)
        return (last - first) / length

    def run(
        self, model: ModelBuilder, path: Path, *, kind: str, budget_share: float, upper: Mapping[int, Number]
    ) -> Mapping[int, Expression]:
        """Write the activity's columns on one path, and book its flows and operating cost.

        Args:
            model: where its columns and rows are written.
            path: baseline or one shock.
            kind: the name of its kind in policy shares: ``existing`` or the lever's kind.
            budget_share: the share of its support that counts against the budget.
            upper: bound of each column, t per period.

        Returns:
            x[t], in t, for each period of the path.
        """
        activity = {t: model.variable(self.id, "activity", t, upper=upper[t]) for t in path.periods}
        multiplier = path.multiplier.get(self.id, 1.0)
        costs = (self.cost.at(year) * multiplier for year in path.years)
        model.book_each("operating", path.key, amounts=activity, times=costs)
        for commodity, share in self.output.items():
            model.book_each("supply", path.key, commodity, amounts=activity, times=repeat(share))
        for commodity, share in self.input.items():
            model.book_each("supply", path.key, commodity, amounts=activity, times=repeat(-share))
        if path.is_baseline:
            self._book_baseline(model, path, activity, kind, budget_share)
        return activity

    def _book_baseline(
        self, model: ModelBuilder, path: Path, activity: Mapping[int, Expression], kind: str, budget_share: float
    ) -> None:
        for commodity, share in self.output.items():
            key = (path.key, commodity, self.region or "", kind)
            model.book_each("production", *key, amounts=activity, times=repeat(share))
        for t, x in activity.items():
            year = model.horizon.year(t)
            if rate := self.support.at(year):
                model.book("operating", path.key, t, amount=x, times=rate)
                model.book("outlay", year, amount=x, times=budget_share * rate)


PIECES = 8
STEEPEST = 1e6
SURCHARGE = "surcharge"


def _require_positive(elasticity: float) -> float:
    if elasticity <= 0:
        what = f"an elasticity of {elasticity:g} is not above 0: the cost is not convex"
        raise finding(what, "Write an elasticity above 0; a discount for quantity is an option with a fixed_cost.")
    return elasticity


class PriceResponse(Described):
    """How a price rises with the rate of purchase in a period, t per year."""

    elasticity: Annotated[Amount, AfterValidator(_require_positive), WithJsonSchema(shapes.POSITIVE_NUMBER)] = Field(
        description="Price elasticity of the market's supply, above 0: at 0.5, buying 1 % of the reference more raises "
        "the price of all that is bought by 2 %."
    )
    reference: Positive = Field(
        description="Volume of the whole market, t per year, to which extra purchases are compared."
    )
    included: Quantity = Field(
        default=0.0, description="Purchases up to which the price in the file holds, t per year. Default 0."
    )

    @model_validator(mode="after")
    def _stays_convex(self) -> PriceResponse:
        if (1.0 - 1.0 / self.elasticity) * self.included > 2.0 * self.reference:
            what = (
                f"included ({self.included:g}) is so much of reference ({self.reference:g}) that the cost is not convex"
            )
            raise finding(what, "Write as reference the volume of the whole market; included is a part of it.")
        return self

    def refuse_steep(self, most: float) -> None:
        """Refuse a price that the largest purchase, t/yr, raises beyond a computable number.

        Raises:
            PydanticCustomError: the price rises by more than `STEEPEST`.
        """
        if math.log1p(max(0.0, most - self.included) / self.reference) > self.elasticity * math.log(STEEPEST):
            what = f"at {most:g} t a year the price is more than {STEEPEST:,.0f} times the one in the file"
            raise finding(what, "Raise reference, the volume of the whole market, or elasticity.")

    def multiple(self, rate: float) -> float:
        """Return the factor by which purchases at a rate, t/yr, raise the price."""
        return math.pow(1.0 + max(0.0, rate - self.included) / self.reference, 1.0 / self.elasticity)

    def surcharge(self, rate: float, most: float) -> float:
        """Return the piecewise linear ψ of a rate, t/yr; `most` is the largest rate."""
        return max([0.0, *(slope * (rate - first) + base for first, base, slope in self._pieces(most))])

    def write(
        self, model: ModelBuilder, owner: str, t: int, amount: Expression, delta: float, most: float
    ) -> Expression | None:
        """Write the column e of an amount, t, with its rows; return None if `most` never moves the price."""
        pieces = list(self._pieces(most))
        if not pieces:
            return None
        # Futures that share the purchase share its surcharge only where their markets are alike.
        extra = model.variable(owner, SURCHARGE, t, follows=tuple(pieces))
        for k, (first, base, slope) in enumerate(pieces):
            constant = (base - slope * first) * delta
            model.require(owner, f"price_{k}", t, extra - slope * amount, ">=", constant)
        return extra

    def _pieces(self, most: float) -> Iterator[tuple[float, float, float]]:
        """Yield for each piece its first rate, ψ there, and its slope; nothing if `most` is within `included`."""
        if most <= self.included:
            return
        step = (most - self.included) / PIECES
        points = [(rate, self._at(rate)) for rate in (self.included + k * step for k in range(PIECES + 1))]
        for (first, base), (last, top) in pairwise(points):
            yield first, base, (top - base) / (last - first)

    def _at(self, rate: float) -> float:
        """Return the exact ψ."""
        return rate * (self.multiple(rate) - 1.0)


class Process(Activity):
    """An existing activity, with the capacity that is available to the instance's demand."""

    capacity: QuantitySeries = Field(
        description="Capacity available to the demand of the instance, t of activity per year; a series."
    )
    actual: QuantityByYear = Field(
        default_factory=dict,
        description="Actual output by calendar year, t of the first commodity under `output`: "
        "compared with the baseline, and without effect on the plan.",
    )
    price_response: PriceResponse | None = Field(
        default=None, description="How the cost rises with the activity in a period, t per year. Default: it does not."
    )
    committed: Commitments = ()

    @model_validator(mode="after")
    def _costs_more(self) -> Process:
        if self.price_response is not None and min(self.cost.values) < 0:
            what = "a surplus that is sold (cost below 0) has no price_response: the cost would not be convex"
            raise finding(what, "Remove price_response, or write what it costs.")
        if self.price_response is not None:
            self.price_response.refuse_steep(max(self.capacity.values))
        return self

    @property
    def first_output(self) -> tuple[str, float] | None:
        """The first output commodity, and t of it per t of activity; None without an output."""
        return next(iter(self.output.items()), None)


class EndOfLife(Described):
    """Scrap: a share of the demand of `after_years` earlier is returned, whether it was served or not."""

    commodity: str = Field(description="Commodity that is returned as scrap.")
    after_years: int = Field(ge=0, description="Whole years from sale to scrap.")
    collection_rate: Share = Field(
        default=1.0, description="Share of the demand of `after_years` earlier that is collected, 0 to 1. Default 1."
    )
    past_quantity: QuantitySeries = Field(
        default=ZERO_SERIES,
        description="Quantity sold before the horizon, t per year; a series. Default 0: then nothing comes back in the "
        "first `after_years` years.",
    )

    @field_validator("after_years", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> int:
        years = parse_amount(value)
        if years != int(years) or years < 0:
            raise finding(f"{years:g} is not a whole number of years", "Write 0, 1, 2 …")
        if years >= 1900:
            raise finding(f"{years:g} is a calendar year, where a number of years is expected", "Write 0, 1, 2 …")
        return int(years)


class Demand(Described):
    """A segment: demand for one commodity, with a survival floor and the cost of going short."""

    id: str = Field(exclude=True)
    commodity: str = Field(description="Commodity that the segment uses.")
    quantity: QuantitySeries = Field(description="Quantity used, t per year; a series.")
    survival: ShareSeries = Field(
        default=ZERO_SERIES,
        description="Survival floor: share of demand that must be served in every shock, 0 to 1; a series. Default 0.",
    )
    shortage_cost: Quantity = Field(
        description="What is lost for want of a tonne, money per t: margin or value added, not the price."
    )
    end_of_life: EndOfLife | None = Field(default=None, description="Scrap returned years after the sale.")

    def scrap(self, horizon: Horizon, year: Any, delta: float) -> Any:
        """Return the scrap, t, that comes back in `delta` years of a calendar year, whatever a shock's surge."""
        if self.end_of_life is None:
            return 0.0
        then = year - self.end_of_life.after_years
        inside, before = self.quantity.at(then), self.end_of_life.past_quantity.at(then)
        used = np.where(then >= horizon.start, inside, before)[()]
        return self.end_of_life.collection_rate * used * delta


def operate(model: ModelBuilder, path: Path, processes: Mapping[str, Process], demands: Mapping[str, Demand]) -> None:
    """Write the existing network on one path: activities with their available capacity, demand and scrap."""
    for process in processes.values():
        _write_process(model, path, process)
    for demand in demands.values():
        unserved = {}
        for t in path.periods:
            unserved[t] = model.variable(demand.id, "unserved", t, upper=path.demand_at(demand.id, t))
            model.book("operating", path.key, t, amount=unserved[t], times=demand.shortage_cost)
            if demand.end_of_life is not None:
                model.book("supply", path.key, demand.end_of_life.commodity, t, amount=path.scrap_at(demand.id, t))
        model.link(f"{path.key}/{demand.id}", "unserved", unserved)


def _write_process(model: ModelBuilder, path: Path, process: Process) -> None:
    whole = {t: path.capacity_at(process.id, t) for t in path.periods}
    most = {t: whole[t] * process.restart_share(path, t) for t in path.periods}
    activity = process.run(model, path, kind="existing", budget_share=1.0, upper=most)
    model.link(f"{path.key}/{process.id}", "activity", activity)
    if process.price_response is not None and not path.is_steady:
        _write_surcharges(model, path, process, process.price_response, activity)
    for t in path.periods:
        model.book("available", path.key, process.id, t, amount=whole[t] * (1.0 - path.severity_at(process.id, t)))
        if process.id in path.accident:
            left = whole[t] * (1.0 - path.accidental_severity_at(process.id, t))
            model.book("accident", path.key, process.id, t, amount=left)
        if path.is_baseline and process.min_utilisation > 0:
            model.require(process.id, "run", t, activity[t], ">=", process.min_utilisation * whole[t])


def _write_surcharges(
    model: ModelBuilder, path: Path, process: Process, response: PriceResponse, activity: Mapping[int, Expression]
) -> None:
    """Write the cost beyond `cost` of an activity whose price rises with its amount."""
    multiplier, most = path.multiplier.get(process.id, 1.0), max(process.capacity.values)
    for t in path.periods:
        extra = response.write(model, process.id, t, activity[t], path.delta, most)
        if extra is not None:
            model.book("operating", path.key, t, amount=extra, times=process.cost.at(path.year(t)) * multiplier)


def write_balances(
    model: ModelBuilder, path: Path, processes: Mapping[str, Process], demands: Mapping[str, Demand]
) -> None:
    """Write the rows that sum over activities and options, after these: limit, demand, floor and balance."""
    for process in processes.values():
        _write_limits(model, path, process)
    served: dict[tuple[str, int], Expression] = {}
    for demand in demands.values():
        for t in path.periods:
            account = served.setdefault((demand.commodity, t), Expression())
            account.add(_write_demand_rows(model, path, demand, t))
    for commodity in sorted(model.names.commodity):
        for t in path.periods:
            supply, needed = model.booked("supply", path.key, commodity, t), served.get((commodity, t))
            # In a model of a part of the network, most commodities have neither.
            if supply.terms or needed is not None or not is_nothing(supply.constant):
                model.require(commodity, "balance", t, supply, ">=", 0.0 if needed is None else needed)


def _write_limits(model: ModelBuilder, path: Path, process: Process) -> None:
    activity = model.linked(f"{path.key}/{process.id}", "activity")
    for t in path.periods:
        left = model.booked("available", path.key, process.id, t)
        model.limit(process.id, "limit", t, activity[t], left)
        if process.id in path.accident:
            # Leverage restores the deliberate cut only, not the accidental one: the worse of the two counts.
            model.limit(process.id, "accident", t, activity[t], model.booked("accident", path.key, process.id, t))


def _write_demand_rows(model: ModelBuilder, path: Path, demand: Demand, t: int) -> Expression:
    """Write the demand and floor rows of a segment and period; return the tonnes that the network must deliver."""
    demanded = path.demand_at(demand.id, t)
    unserved = model.linked(f"{path.key}/{demand.id}", "unserved")[t]
    substituted = model.booked("substituted", path.key, demand.id, t)
    if substituted.terms:
        model.require(demand.id, "demand", t, unserved + substituted, "<=", demanded)
    if not is_nothing(path.floor_at(demand.id, t) * demanded):
        below = _write_below(model, path, demand, t)
        model.require(demand.id, "floor", t, unserved - below, "<=", path.most_unserved_at(demand.id, t))
    left: Expression = demanded - unserved - substituted
    return left


def _write_below(model: ModelBuilder, path: Path, demand: Demand, t: int) -> Expression:
    """Return the column of the shortage below a floor; an empty expression under a rule, where it must be 0."""
    if path.is_rule:
        return Expression()
    below = model.variable(demand.id, "below", t)
    model.book("below", path.key, demand.id, t, amount=below)
    return below
