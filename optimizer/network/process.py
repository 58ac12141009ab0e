"""The network as it stands: existing processes and the demand that they serve.

    x[p,t]   activity    t        of process p                     D[d,t]  demanded   t   of segment d, after a surge
    cap      capacity    t        per period, before any cut       u[d,t]  unserved   t   shortage
    σ        severity    share    lost in this path                v[d,t]  below      t   part of u below the floor
    φ        floor       share    that must be served              z    substituted   t   served by substitution

On each path, in every period:
    price_k   e ≥ ψ(x), piece by piece, and operating += κ·e                  with `price_response`
    limit     x ≤ cap·(1−σ) + what partnerships and leverage restore, and x ≤ cap
    accident  x ≤ cap·(1−σ') + what partnerships restore     where σ is deliberate and σ' is another cut beside it
    run       x ≥ min_utilisation·cap                                         baseline only
    restart   x ≤ cap·r                                                       shocks only, a bound of x
    balance   Σ output·x + scrap + releases ≥ Σ input·x + Σ_d (D − u − z)     every commodity
    demand    u + z ≤ D
    floor     u − v ≤ (1 − φ)·D                                               shocks only; under a rule v = 0
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from optimizer.disruptions.shock import Path
from optimizer.horizon import Horizon
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, is_nothing
from optimizer.network.activity import ZERO_SERIES, Activity
from optimizer.network.price_response import PriceResponse
from optimizer.suggestions import finding
from optimizer.units import (
    COMMITTED,
    Commitments,
    Described,
    Quantity,
    QuantityByYear,
    QuantitySeries,
    Share,
    ShareSeries,
    parse_amount,
)


class Process(Activity):
    """An existing activity, with the capacity that our demand can call on."""

    capacity: QuantitySeries = Field(
        description="Capacity available to the demand of the instance, t of activity per year; a series."
    )
    actual: QuantityByYear = Field(
        default_factory=dict,
        description="Actual output by calendar year, t of the first commodity under `output`: "
        "compared with the baseline, and without effect on the plan.",
    )
    price_response: PriceResponse | None = Field(
        default=None, description="How the cost rises with the activity of a year. Default: it does not."
    )
    committed: Commitments = Field(default=(), description=COMMITTED)

    @model_validator(mode="after")
    def _costs_more(self) -> "Process":
        if self.price_response is not None and min(self.cost.values) < 0:
            what = (
                "a surplus that is sold (cost below 0) has no price_response: it would sell dearer, which is not convex"
            )
            raise finding(what, "Remove price_response, or write what it costs.")
        return self

    @property
    def first_output(self) -> tuple[str, float] | None:
        """The first commodity that it makes, and t of it per t of activity; None where it makes nothing."""
        return next(iter(self.output.items()), None)


class EndOfLife(Described):
    """Scrap: a share of the quantity sold `after_years` earlier is returned."""

    commodity: str = Field(description="Commodity that is returned as scrap.")
    after_years: int = Field(ge=0, description="Whole years from sale to scrap.")
    collection_rate: Share = Field(
        default=1.0, description="Share of the quantity sold that is collected, 0 to 1. Default 1."
    )
    past_quantity: QuantitySeries = Field(
        default=ZERO_SERIES, description="Quantity sold before the horizon, t per year; a series."
    )

    @field_validator("after_years", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> int:
        years = parse_amount(value)
        if years != int(years) or years < 0:
            raise finding(f"{years:g} is not a whole number of years", "Write 0, 1, 2 …")
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
    shortage_cost: Quantity = Field(description="Cost of unserved demand, money per t.")
    end_of_life: EndOfLife | None = Field(default=None, description="Scrap returned years after the sale.")

    def sold(self, horizon: Horizon, year: Any) -> Any:
        """Quantity of a calendar year, t/yr, inside the horizon or before it."""
        if self.end_of_life is None:
            return self.quantity.at(year)
        inside, before = self.quantity.at(year), self.end_of_life.past_quantity.at(year)
        return np.where(year >= horizon.start, inside, before)[()]

    def scrap(self, horizon: Horizon, year: Any, delta: float) -> Any:
        """Scrap that comes back in `delta` years of a calendar year, in t; a shock's surge does not change it."""
        if self.end_of_life is None:
            return 0.0
        sold = self.sold(horizon, year - self.end_of_life.after_years)
        return self.end_of_life.collection_rate * sold * delta


def operate(model: ModelBuilder, path: Path, processes: Mapping[str, Process], demands: Mapping[str, Demand]) -> None:
    """Write what exists on one path: activities with what is left of them, demand, scrap."""
    for process in processes.values():
        _run(model, path, process)
    for demand in demands.values():
        _ask(model, path, demand)


def _run(model: ModelBuilder, path: Path, process: Process) -> None:
    whole = {t: path.limit(process.id, t) for t in path.periods}
    most = {t: whole[t] * process.restart_share(path, t) for t in path.periods}
    activity = process.run(model, path, kind="existing", budget_share=1.0, upper=most)
    model.link(f"{path.key}/{process.id}", "activity", activity)
    if process.price_response is not None and not path.is_steady:
        _respond(model, path, process, process.price_response, activity)
    for t in path.periods:
        model.book("capacity", path.key, process.id, t, amount=whole[t] * (1.0 - path.cut(process.id, t)))
        if process.id in path.accident:
            model.book(
                "accident", path.key, process.id, t, amount=whole[t] * (1.0 - path.accidental_cut(process.id, t))
            )
        if path.is_baseline and process.min_utilisation > 0:
            model.require(process.id, "run", t, activity[t], ">=", process.min_utilisation * whole[t])


def _respond(
    model: ModelBuilder, path: Path, process: Process, response: PriceResponse, activity: Mapping[int, Expression]
) -> None:
    """What an activity costs beyond `cost`, for the more of it there is in a year, the dearer it is."""
    multiplier, most = path.multiplier.get(process.id, 1.0), max(process.capacity.values)
    for t in path.periods:
        extra = response.write(model, process.id, t, activity[t], path.delta, most)
        if extra is not None:
            model.book("operating", path.key, t, amount=extra, times=process.cost.at(path.year(t)) * multiplier)


def _ask(model: ModelBuilder, path: Path, demand: Demand) -> None:
    unserved = {}
    for t in path.periods:
        unserved[t] = model.variable(demand.id, "unserved", t, upper=path.demanded(demand.id, t))
        model.book("operating", path.key, t, amount=demand.shortage_cost * unserved[t])
        if demand.end_of_life is not None:
            model.book("supply", path.key, demand.end_of_life.commodity, t, amount=path.returned(demand.id, t))
    model.link(f"{path.key}/{demand.id}", "unserved", unserved)


def settle(model: ModelBuilder, path: Path, processes: Mapping[str, Process], demands: Mapping[str, Demand]) -> None:
    """Write the rows that sum over activities and options, once these are written: limit, demand, floor, balance."""
    for process in processes.values():
        _limit(model, path, process)
    served: dict[tuple[str, int], Expression] = {}
    for demand in demands.values():
        for t in path.periods:
            account = served.setdefault((demand.commodity, t), Expression())
            account.add(_serve(model, path, demand, t))
    for commodity in sorted(model.names.commodity):
        for t in path.periods:
            supply = model.booked("supply", path.key, commodity, t)
            model.require(commodity, "balance", t, supply, ">=", served.get((commodity, t), 0.0))


def _limit(model: ModelBuilder, path: Path, process: Process) -> None:
    activity = model.linked(f"{path.key}/{process.id}", "activity")
    for t in path.periods:
        left = model.booked("capacity", path.key, process.id, t)
        model.limit(process.id, "limit", t, activity[t], left)
        if process.id in path.accident:
            # Leverage restores the deliberate cut only, not the accidental one: the worse of the two counts.
            model.limit(process.id, "accident", t, activity[t], model.booked("accident", path.key, process.id, t))


def _serve(model: ModelBuilder, path: Path, demand: Demand, t: int) -> Expression:
    """Demand and floor rows of one segment and period; returns what the network still has to deliver, in t."""
    asked = path.demanded(demand.id, t)
    unserved = model.linked(f"{path.key}/{demand.id}", "unserved")[t]
    substituted = model.booked("substituted", path.key, demand.id, t)
    if substituted.terms:
        model.require(demand.id, "demand", t, unserved + substituted, "<=", asked)
    floor = path.floor_at(demand.id, t)
    if not is_nothing(floor * asked):
        below = _below(model, path, demand, t)
        model.require(demand.id, "floor", t, unserved - below, "<=", (1.0 - floor) * asked)
    left: Expression = asked - unserved - substituted
    return left


def _below(model: ModelBuilder, path: Path, demand: Demand, t: int) -> Expression:
    """What a segment may miss of its floor; nothing where a rule holds it."""
    if path.is_rule:
        return Expression()
    below = model.variable(demand.id, "below", t)
    model.book("below", path.key, demand.id, t, amount=below)
    return below
