"""The base classes of all levers: when and in what sizes an option is bought, what it costs, and when it works.

    n[a]   size        own unit      bought at decision point a                        column `size`
    Y[a]   by          0 or 1        whether a fixed-charge option is open by a        column `by`, integer
    y[a]   open        0 … 1         whether it is opened at a, Y[a] − Y[a−1]          column `open`
           units       whole number  n = unit_size · units                             column `units`
    C[t]   working     own unit      Σ_a ramp((t − a − lead)·months)·n[a]
    N[t]   installed   own unit      Σ n[a] over all a with a + lead ≤ t

Rows:
    max     Σ_a n[a] ≤ max_size
    by      Y[a] − Y[a−1] = y[a]                                    fixed charge: opened once, since Y ≤ 1
    least   n[a] ≥ min_size·y[a]       most   n[a] ≤ max_size·y[a]  fixed charge; least with a `min_size`
    whole   n[a] = unit_size·units[a]                                     in whole units

    ramp(m), m in months: 0 for m < 0, else the share given for the year that holds month m; the last share stays

Ledgers: spend[a] += capex·n + fixed_cost·y; outlay[year] += budget_share times that; spend[t] += fixed_opex·Δ·N[t].
An option with a fixed cost or a minimum size is a **fixed-charge** (semi-continuous) option, `is_fixed_charge`: it is
opened once, or not at all. The integers are the cumulative Y, not the y: a branch then says "by 2030" or "later", which
splits the plans evenly, and a precedence constraint between two options is one row for each decision point.
`Sized.buy` links `by`, Y[a], and with a fixed charge `on_line`, Y[t − lead]; `Sized.invest` links `capacity`, C.

`Stock` is the base of options that are bought and held. In every period, with keep = (1 − loss)^Δ, the share of a stock
that is left after a period:

    f[t]   fill       t    bought in period t, in years earliest … latest
    k[t]   stock      t    held at the end of period t                        k[−1] = initial
    e[t]   surcharge  t    cost of the price rise with f, in t at `price`      ψ: `optimizer.network.process`

    stock     k[t] = keep·k[t−1] + f[t]          f ≤ fill_rate·Δ          k ≤ max_size
    spend[t] += price·(f + e) + holding_cost·Δ·k       outlay += budget_share·price·(f + e)
    price_k   e ≥ ψ(f), piece by piece, with `price_response` (`optimizer.network.process`); else e = 0
    spend[T] −= salvage·price(last year)·k[T−1]        links `stock`: k
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from optimizer import shapes
from optimizer.disruptions.path import Path
from optimizer.disruptions.shock import NameList, as_tuple
from optimizer.errors import Place, Problem, finding
from optimizer.horizon import Horizon
from optimizer.model.builder import ModelBuilder, Unit
from optimizer.model.expressions import Expression, sum_by_age, total
from optimizer.network.process import Activity, PriceResponse
from optimizer.results.plan import ByPeriod, Flow
from optimizer.units import Commitments, Described, Quantity, QuantitySeries, Series, Share, Year, greatest_whole

Ramp = Annotated[tuple[Share, ...], BeforeValidator(as_tuple), WithJsonSchema(shapes.one_or_more(shapes.SHARE))]

Section = Literal["commodities", "processes", "demands", "options", "regions of processes"]  # where a name stands


@dataclass(frozen=True)
class Reference:
    """A name in an option's field, which must stand in a section of the instance or be one of its regions."""

    place: Place  # keys that lead to it from the option: ``("commodity",)``
    name: str  # the name that stands there
    section: Section  # the section that must have it


@dataclass(frozen=True)
class Labels:
    """How outputs name and draw a kind of lever."""

    size_unit: str = "t/yr"  # printed unit of size: t/yr, t, or ``level``, which stands before the number
    noun: str = "project"  # singular noun by which headlines count bought options
    absent: str = "is not bought"  # predicate for an option that a plan leaves out
    colour: int = 7  # slot in the palette of figures, 0 to 7; 7 is grey
    size_means: str = ""  # sentence on what the size is where it is no output: ``What is bought of … is …``


class Lever(Described):
    """Common fields and methods of every option.

    A lever writes to a model in two methods, `invest` and `operate`. `references`, `problems`, `flows` and `labels`
    describe it to the rest of the package, where no other module names its kind.
    """

    labels: ClassVar[Labels] = Labels()
    # Whether a plan states its purchases and its stock by period; other levers are bought by size.
    is_stock: ClassVar[bool] = False
    # Whether it is an activity in a region, which cuts can affect and policy shares count.
    is_activity: ClassVar[bool] = False
    # Whether the option stands at home if its entry names no region.
    is_at_home: ClassVar[bool] = False
    # Whether it raises the cost of attacks for the adversary; its `region` is then the one over which it is held.
    is_deterrent: ClassVar[bool] = False
    # The name of the columns of its purchases.
    purchase_column: ClassVar[str] = "size"
    # The fields of a shock that may name the option: ``cost``, a factor, and ``reliability``, in place of its own.
    shock_fields: ClassVar[tuple[str, ...]] = ()
    # Names of linking terms that are stocks, t, and not rates. `operate` reads the stock at the end of the period that
    # precedes its path; a time to survive begins with the same stock.
    amounts: ClassVar[tuple[str, ...]] = ()
    # Whether larger cuts and fewer purchases never help. Only then may a search skip dominated shocks, and those that
    # the do-nothing plan survives.
    is_monotone: ClassVar[bool] = False

    id: str = Field(exclude=True)
    kind: str = Field(description="Kind of lever.")
    earliest: Year | None = Field(
        default=None, description="First calendar year in which it may be bought. Default: the start of the horizon."
    )
    latest: Year | None = Field(
        default=None, description="Last calendar year in which it may be bought. Default: the end of the horizon."
    )
    budget_share: Share = Field(
        default=1.0, description="Share of payments that counts against the budget; all payments are costs. Default 1."
    )
    committed: Commitments = ()

    @property
    def is_fixed_charge(self) -> bool:
        """Whether the option is opened once or not at all."""
        return False

    @property
    def scaling_unit(self) -> Unit:
        """The unit by which the solver scales purchases; tonnes by default."""
        return "t"

    @property
    def largest(self) -> float:
        """The largest amount that can be bought or held, in the lever's unit; infinite if there is no limit."""
        return math.inf

    @property
    def most_in_a_year(self) -> float:
        """The largest amount that can be bought in a year, in the lever's unit."""
        return self.largest

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flows that a result reports; empty for a lever without operating columns."""
        return ()

    def references(self) -> Iterator[Reference]:
        """Yield the names that the option refers to."""
        yield from ()

    def problems(self) -> Iterator[Problem]:
        """Yield errors and warnings about the option's own fields, beyond their types."""
        yield from ()

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield the fields whose value of 0 makes the option useless, each with the reason."""
        yield from ()

    @property
    def is_free(self) -> bool:
        """Whether buying the option costs nothing."""
        return False

    @property
    def price_cure(self) -> str:
        """The cure that a finding gives for a free option."""
        return "Add what it costs."

    def prices(self) -> Iterator[tuple[str, str, Series]]:
        """Yield fields that hold a price per tonne: the field, its commodity or segment, and the price."""
        yield from ()

    @property
    def capex_group(self) -> str | None:
        """The group of options among which `check` compares capex; None for a lever in no group."""
        return None

    @classmethod
    def cure_of_unknown(cls, key: str) -> str | None:
        """Return a specific cure for an unknown key; None where a list of the known keys is the cure."""
        return None

    def restores(self, path: Path, process: str, t: int) -> bool:
        """Return whether buying more restores capacity of an existing process that the path cuts in period t."""
        return False

    def allows(self, year: int) -> bool:
        """Return whether the option may be bought in a calendar year."""
        return (self.earliest is None or year >= self.earliest) and (self.latest is None or year <= self.latest)

    def invest(self, model: ModelBuilder) -> None:
        """Write the purchases by decision point and their cost, and link them to operation."""
        raise NotImplementedError(f"{type(self).__name__} has no method invest(model)")

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Write the lever's part of operation on one path."""
        raise NotImplementedError(f"{type(self).__name__} has no method operate(model, path)")

    def pay(self, model: ModelBuilder, t: int, amount: Expression) -> None:
        """Book an investment of period t: all of it counts as cost, `budget_share` of it against the budget."""
        model.book("spend", t, amount=amount)
        model.book("outlay", model.horizon.year(t), amount=self.budget_share * amount)


class Sized(Lever):
    """Base class of levers that are bought by size."""

    lead_time: Quantity = Field(
        default=0.0, description="Months from the decision to operation, rounded up to whole periods."
    )
    max_size: Quantity = Field(description="Maximum total size: t per year unless the kind says otherwise.")
    capex: QuantitySeries = Field(
        default=Series.constant(0.0),
        description="Investment cost, money per unit of size; a series by year of decision.",
    )
    fixed_cost: Quantity = Field(
        default=0.0,
        description="Fixed investment cost, money. It makes a fixed-charge option: bought once or not at all.",
    )
    min_size: Quantity = Field(
        default=0.0,
        description="Minimum size, in the unit of size. It makes a fixed-charge option: bought once or not at all.",
    )
    unit_size: Quantity = Field(default=0.0, description="Size is bought in whole multiples of this.")
    fixed_opex: Quantity = Field(
        default=0.0, description="Fixed operating cost after the lead time, money per unit of size and year."
    )
    ramp: Ramp = Field(
        default=(1.0,),
        description="Share of size in operation in the 1st, 2nd, … twelve months after the lead time; the last stays.",
    )
    requires: NameList = Field(
        default=(), description="Option, or list of options, to be opened no later. All must be fixed-charge options."
    )
    excludes: NameList = Field(
        default=(),
        description="Option, or list of options, not to be opened if this one is. All must be fixed-charge options.",
    )

    @field_validator("requires", "excludes", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return () if value in (None, [], ()) else value

    @field_validator("requires", "excludes")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))

    @property
    def is_fixed_charge(self) -> bool:
        """Whether the option is opened once or not at all."""
        return self.fixed_cost > 0 or self.min_size > 0

    @property
    def largest(self) -> float:
        """`max_size`."""
        return self.max_size

    def invest(self, model: ModelBuilder) -> None:
        """Write the purchases and link the working capacity."""
        model.link(self.id, "capacity", self.working(model, self.buy(model)))

    def references(self) -> Iterator[Reference]:
        """Yield the options that this one requires or excludes."""
        for field in ("requires", "excludes"):
            yield from (Reference((field,), other, "options") for other in getattr(self, field))

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield a `max_size` or a `ramp` of 0."""
        if self.max_size == 0:
            yield "max_size", "it can never be bought"
        elif max(self.ramp) == 0:
            yield "ramp", "none of it ever works"

    @property
    def is_free(self) -> bool:
        """Whether capex, fixed cost and fixed opex are all 0."""
        return max(self.capex.values) + self.fixed_cost + self.fixed_opex == 0

    @property
    def price_cure(self) -> str:
        """The cure that a finding gives for a free option, with the fields that may hold a cost."""
        return "Add its capex, fixed_cost or fixed_opex."

    def payments(self, horizon: Horizon, a: int, size: Any, *, opened: Any) -> Mapping[int, Any]:
        """Return by period what a purchase decided at a costs: numbers, or expressions for terms of a model."""
        return {a: self.capex.at(horizon.year(a)) * size + self.fixed_cost * opened}

    def share_in_force(self, horizon: Horizon, a: int, t: int) -> float:
        """Return the share of a size bought at decision point a that works in period t, after the lead time."""
        return self.working_share((t - a - horizon.whole(self.lead_time)) * horizon.months)

    def working_share(self, months: float) -> float:
        """Return the share of a size that works `months` after the end of the lead time; 0 before it."""
        if months < 0:
            return 0.0
        return self.ramp[min(greatest_whole(months / 12), len(self.ramp) - 1)]

    def buy(self, model: ModelBuilder) -> Mapping[int, Expression]:
        """Write sizes and openings with their rows, book their cost, link `by` and `on_line`.

        Returns:
            n[a] for every decision point a at which the option may be bought.
        """
        points = [a for a in model.horizon.decisions if self.allows(model.horizon.year(a))]
        size = {a: model.variable(self.id, "size", a, unit=self.scaling_unit, upper=self.max_size) for a in points}
        if size:
            model.require(self.id, "max", None, total(size.values()), "<=", self.max_size, unit=self.scaling_unit)
        for a in points if self.unit_size > 0 else ():
            most = float(greatest_whole(self.max_size / self.unit_size))
            units = model.variable(self.id, "units", a, unit="1", upper=most, integer=True, follows=self.unit_size)
            model.require(self.id, "whole", a, size[a] - self.unit_size * units, "==", unit=self.scaling_unit)
        opened = self._open(model, size)
        for a in points:
            for t, amount in self.payments(model.horizon, a, size[a], opened=opened.get(a, 0.0)).items():
                self.pay(model, t, amount)
        yearly, lead = self.fixed_opex * model.horizon.delta, model.horizon.whole(self.lead_time)
        for t, installed in sum_by_age(model.horizon, size, lead, (1.0,)).items():
            model.book("spend", t, amount=installed, times=yearly)
        return size

    def _open(self, model: ModelBuilder, size: Mapping[int, Expression]) -> Mapping[int, Expression]:
        """Write the openings y of a fixed-charge option, and the rows that tie its size to them; return y."""
        latest, by, opened = Expression(), dict[int, Expression](), dict[int, Expression]()
        for a in model.horizon.decisions if self.is_fixed_charge else ():
            if a in size:
                new = model.variable(self.id, "by", a, unit="1", upper=1, integer=True, follows="openings")
                y = opened[a] = model.variable(self.id, "open", a, unit="1", upper=1)
                model.require(self.id, "by", a, new - latest - y, "==", unit="1")
                model.require(self.id, "most", a, size[a] - self.max_size * y, "<=", unit=self.scaling_unit)
                if self.min_size > 0:
                    model.require(self.id, "least", a, size[a] - self.min_size * y, ">=", unit=self.scaling_unit)
                latest = new
            by[a] = latest
        model.link(self.id, "by", by)
        if self.is_fixed_charge:
            model.link(self.id, "on_line", self._on_line(model.horizon, by))
        return opened

    def _on_line(self, horizon: Horizon, by: Mapping[int, Expression]) -> dict[int, Expression]:
        """Return Y one lead time before each period."""
        lead, latest, result = horizon.whole(self.lead_time), Expression(), dict[int, Expression]()
        for t in horizon.periods:
            result[t] = latest = by.get(t - lead, latest)
        return result

    def working(self, model: ModelBuilder, size: Mapping[int, Expression]) -> dict[int, Expression]:
        """Return C[t] for every period, in the unit of size."""
        return sum_by_age(model.horizon, size, model.horizon.whole(self.lead_time), self.ramp)


class Stock(Lever):
    """Base class of levers that hold a stock of one commodity.

    What is released in a shock, how fast and at what cost, is the subclass's, as well as what `loss` does there.
    """

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
        description="How the price rises with a period's purchases, t per year; needs fill_rate. Default: it does not.",
    )
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
            raise finding("price_response without a fill_rate", "Give fill_rate, the most that is bought a year, t.")
        if self.price_response is not None and self.fill_rate is not None:
            self.price_response.refuse_steep(self.fill_rate)
        return self

    @property
    def largest(self) -> float:
        """`max_size`; infinite if it is not given."""
        return math.inf if self.max_size is None else self.max_size

    @property
    def most_in_a_year(self) -> float:
        """`fill_rate`; infinite if it is not given."""
        return math.inf if self.fill_rate is None else self.fill_rate

    @property
    def most_released_in_a_year(self) -> float:
        """The largest rate of release in a shock, t per year; infinite if there is no limit."""
        return math.inf

    def references(self) -> Iterator[Reference]:
        """Yield the commodity of the stock."""
        yield Reference(("commodity",), self.commodity, "commodities")

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """Yield a `max_size` of 0, or a `fill_rate` of 0 without an `initial` stock."""
        if self.max_size == 0:
            yield "max_size", "it can never be bought"
        elif self.fill_rate == 0 and self.initial == 0:
            yield "fill_rate", "nothing can ever be bought for it"

    @property
    def is_free(self) -> bool:
        """Whether purchases are possible at a price of 0; holding may still cost money."""
        return self.fill_rate != 0 and max(self.price.values) == 0

    @property
    def price_cure(self) -> str:
        """The cure for a free stockpile."""
        return "Add its price; what is there already is `initial`."

    def prices(self) -> Iterator[tuple[str, str, Series]]:
        """Yield the purchase price."""
        yield "price", self.commodity, self.price

    @classmethod
    def cure_of_unknown(cls, key: str) -> str | None:
        """Return a cure for fields of options that are bought by size."""
        if key in Sized.model_fields or key in Activity.model_fields:
            return "Remove it: a stockpile is bought at `price`; it has no size, capex or lead time."
        return None

    def kept(self, delta: float) -> float:
        """Return the share of a stock that is left after `delta` years."""
        return float((1.0 - self.loss) ** delta)

    def stock_path(self, horizon: Horizon, fills: Sequence[float]) -> ByPeriod:
        """Return the stock at the end of each period, t, that follows from the purchases."""
        keep, held, path = self.kept(horizon.delta), self.initial, []
        for fill in fills:
            held = keep * held + fill
            path.append(held)
        return tuple(path)

    def paid_for_fills(self, horizon: Horizon, fills: Sequence[float]) -> float:
        """Return the undiscounted cost of all purchases."""
        return math.fsum(self.paid_by_period(horizon, fills))

    def paid_by_period(self, horizon: Horizon, fills: Sequence[float]) -> list[float]:
        """Return the undiscounted cost of the purchases by period."""
        extra = self.surcharges(horizon, fills)
        return [float(self.price.at(horizon.year(t)) * (fill + extra[t])) for t, fill in enumerate(fills)]

    def surcharges(self, horizon: Horizon, fills: Sequence[float]) -> list[float]:
        """Return the cost of purchases beyond `price` by period, in t at that price."""
        if self.price_response is None:
            return [0.0] * len(fills)
        delta, response = horizon.delta, self.price_response
        return [delta * response.surcharge(fill / delta, self.most_in_a_year) for fill in fills]

    def invest(self, model: ModelBuilder) -> None:
        """Write purchases, stock and holding cost, and link the stock at the end of each period."""
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
        model.book("spend", len(periods), amount=-self.salvage * self.price.at(model.horizon.end) * stock[periods[-1]])
        model.link(self.id, "stock", {-1: Expression(constant=self.initial)} | stock)

    def _surcharge(self, model: ModelBuilder, t: int, fill: Expression) -> Expression | float:
        """Return e for the purchases of a period."""
        if self.price_response is None:
            return 0.0
        extra = self.price_response.write(model, self.id, t, fill, model.horizon.delta, self.most_in_a_year)
        return 0.0 if extra is None else extra
