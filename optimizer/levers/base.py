"""What levers share: when they may be bought, in what sizes, at what cost, when they work, and how they produce.

    n[a]   size        own unit      bought at decision point a                        column `size`
    Y[a]   by          0 or 1        whether a fixed-charge option is open by a        column `by`, integer
    y[a]   open        0 … 1         whether it is opened at a, Y[a] − Y[a−1]          column `open`
           units       whole number  n = unit_size · units                             column `units`
    C[t]   working     own unit      Σ_a ramp((t − a − lead)·months)·n[a]
    N[t]   installed   own unit      Σ n[a] over all a with a + lead ≤ t

Rows:
    max     Σ_a n[a] ≤ max_size
    by      Y[a] − Y[a−1] = y[a]                                    fixed charge: opened once, since Y ≤ 1
    least   n[a] ≥ min_size·y[a]       most   n[a] ≤ max_size·y[a]  fixed charge
    whole   n[a] = unit_size·units[a]                                     in whole units

    ramp of m months: 0 for m < 0, else the share of the twelve months that m is in; its last value stays

Ledgers: spend[a] += capex·n + fixed_cost·y; outlay[year] += budget_share times that; spend[t] += fixed_opex·Δ·N[t].
An option with a fixed cost or a minimum size is a **fixed-charge** (semi-continuous) option, `is_fixed_charge`: it is
opened once, or not at all. The integers are the cumulative Y, not the y: a branch then says "by 2030" or "later", which
splits the plans evenly, and a precedence constraint between two options is one row for each decision point. Links
`by`: Y for every decision point of the horizon; and `on_line`: Y at the last one that is a lead time back.

`Stock` is what is bought and held. In every period, with keep the share that a period leaves, (1 − loss)^Δ:

    f[t]   fill       t    bought in period t, in years earliest … latest
    k[t]   stock      t    held at the end of period t                        k[−1] = initial
    e[t]   surcharge  t    the rise of the price with f, in t at `price`      ψ: `optimizer.network.process`

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
from optimizer.errors import Place, Problem
from optimizer.horizon import Horizon
from optimizer.model.builder import ModelBuilder, Unit
from optimizer.model.expressions import Expression, sum_by_age, total
from optimizer.network.process import Activity, PriceResponse
from optimizer.results.plan import ByPeriod, Flow
from optimizer.suggestions import finding
from optimizer.units import Commitments, Described, Quantity, QuantitySeries, Series, Share, Year, greatest_whole

Ramp = Annotated[tuple[Share, ...], BeforeValidator(as_tuple), WithJsonSchema(shapes.one_or_more(shapes.SHARE))]

# What a name in an option's field may refer to.
Section = Literal["commodities", "processes", "demands", "options", "regions of processes"]


@dataclass(frozen=True)
class Reference:
    """A name that an option's field holds: it has to be one of a section of the instance, or of its regions."""

    place: Place
    name: str
    section: Section


@dataclass(frozen=True)
class Labels:
    """How a kind of lever is called."""

    size_unit: str = "t/yr"  # of its size, for readers: t/yr, t, or ``level``, which stands before the number
    noun: str = "project"  # what sentences call one option of it that is bought, in the singular
    absent: str = "is not bought"  # what a sentence says of one that a plan leaves out
    colour: int = 7  # its slot in the palette of figures; 7 is grey


class Lever(Described):
    """Common fields of every option, and what others may ask of it.

    A lever has two verbs that write: `invest` and `operate`. It tells the rest of the package what it is by
    `references`, `problems`, `flows` and `labels`; nobody else names its kind.
    """

    labels: ClassVar[Labels] = Labels()
    # Whether the plan holds its purchases and its stock by period; if not, it is bought by size.
    is_stock: ClassVar[bool] = False
    # Whether it is an activity in a region, which cuts can affect and policy shares count.
    is_activity: ClassVar[bool] = False
    # Whether its region is home where its entry names none.
    is_at_home: ClassVar[bool] = False
    # Whether it raises the cost of attacks for the adversary.
    is_deterrent: ClassVar[bool] = False
    # The columns of its purchases.
    purchase_column: ClassVar[str] = "size"
    # The fields of a shock that may name it: ``cost``, a factor; ``reliability``, in place of its field of that name.
    shock_fields: ClassVar[tuple[str, ...]] = ()
    # Linking terms that are stocks, t, and not rates: operation in period t takes the one of t − 1.
    amounts: ClassVar[tuple[str, ...]] = ()

    id: str = Field(exclude=True)
    kind: str = Field(description="Kind of lever.")
    earliest: Year | None = Field(
        default=None, description="First calendar year in which it may be bought. Default: the start of the horizon."
    )
    latest: Year | None = Field(
        default=None, description="Last calendar year in which it may be bought. Default: the end of the horizon."
    )
    budget_share: Share = Field(
        default=1.0, description="Share of outlay that counts against the budget; all outlay is a cost. Default 1."
    )
    committed: Commitments = ()

    @property
    def is_fixed_charge(self) -> bool:
        """Whether it is opened once or not at all."""
        return False

    @property
    def scaling_unit(self) -> Unit:
        """The unit of what is bought as the solver scales it: tonnes unless the lever says otherwise."""
        return "t"

    @property
    def largest(self) -> float:
        """The most that can be bought of it, or held, in its own unit; infinite where nothing limits it."""
        return math.inf

    @property
    def most_in_a_year(self) -> float:
        """The most of it that can be bought in a year, in its own unit."""
        return self.largest

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flows that a result reports of it; none where it has no columns in operation."""
        return ()

    def references(self) -> Iterator[Reference]:
        """The names that it refers to."""
        yield from ()

    def problems(self) -> Iterator[Problem]:
        """What is wrong or odd about its own fields, beyond their types; pydantic keeps the name `validate`."""
        yield from ()

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """Fields whose value of 0 makes the option useless, and why."""
        yield from ()

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing to buy."""
        return False

    @property
    def price_cure(self) -> str:
        """What to do about an option that is free."""
        return "Add what it costs."

    def prices(self) -> Iterator[tuple[str, str, Series]]:
        """Fields that hold the price of a tonne: the field, the commodity or segment that it is of, and the price."""
        yield from ()

    @property
    def capex_group(self) -> str | None:
        """The group of options whose capex `check` compares with its own; None where it is in none."""
        return None

    @classmethod
    def cure_of_unknown(cls, key: str) -> str | None:
        """What to do about a key that it does not have, where more can be said than which keys there are."""
        return None

    def restores(self, path: Path, process: str, t: int) -> bool:
        """Whether buying more of it raises what is left in a period of an existing process that a path cuts."""
        return False

    def allows(self, year: int) -> bool:
        """Whether it may be decided in a calendar year."""
        return (self.earliest is None or year >= self.earliest) and (self.latest is None or year <= self.latest)

    def invest(self, model: ModelBuilder) -> None:
        """Write what is bought, when, and what it costs; link it to operation."""
        raise NotImplementedError

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Write what it adds to one path."""
        raise NotImplementedError

    def pay(self, model: ModelBuilder, t: int, amount: Expression) -> None:
        """Book an investment of period t: all of it is cost, `budget_share` of it is the budget's."""
        model.book("spend", t, amount=amount)
        model.book("outlay", model.horizon.year(t), amount=self.budget_share * amount)


class Sized(Lever):
    """A lever that is bought by size."""

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
        default=(), description="Option, or list of options, to be bought no later. All must be fixed-charge options."
    )
    excludes: NameList = Field(
        default=(),
        description="Option, or list of options, not to be bought as well. All must be fixed-charge options.",
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
        """Whether it is opened once or not at all."""
        return self.fixed_cost > 0 or self.min_size > 0

    @property
    def largest(self) -> float:
        """`max_size`."""
        return self.max_size

    def invest(self, model: ModelBuilder) -> None:
        """Buy size and link what of it works."""
        model.link(self.id, "capacity", self.working(model, self.buy(model)))

    def references(self) -> Iterator[Reference]:
        """The options that it requires or excludes."""
        for field in ("requires", "excludes"):
            yield from (Reference((field,), other, "options") for other in getattr(self, field))

    def fields_without_effect(self) -> Iterator[tuple[str, str]]:
        """A size or a ramp of 0."""
        # A size that has to be larger than the largest is an error of its own.
        if self.max_size == 0 and self.min_size == 0 and self.unit_size == 0:
            yield "max_size", "it can never be bought"
        elif max(self.ramp) == 0:
            yield "ramp", "none of it ever works"

    @property
    def is_free(self) -> bool:
        """Whether capex, fixed cost and fixed opex are 0."""
        return max(self.capex.values) + self.fixed_cost + self.fixed_opex == 0

    @property
    def price_cure(self) -> str:
        """The fields that may hold its price."""
        return "Add its capex, fixed_cost or fixed_opex."

    def paid(self, year: int, size: float, *, opened: bool) -> float:
        """Money for a purchase that is decided in a year, undiscounted."""
        return float(self.capex.at(year)) * size + (self.fixed_cost if opened else 0.0)

    def share_in_force(self, horizon: Horizon, a: int, t: int) -> float:
        """The part of a size decided at `a` that works in period t, which is not before its lead time is over."""
        return self.working_share((t - a - horizon.whole(self.lead_time)) * horizon.months)

    def working_share(self, months: float) -> float:
        """The part of size that works so many months after the lead time; 0 before it."""
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
        for a in points:
            self.pay(model, a, self.capex.at(model.horizon.year(a)) * size[a])
            if self.unit_size > 0:
                most = float(greatest_whole(self.max_size / self.unit_size))
                units = model.variable(self.id, "units", a, unit="1", upper=most, integer=True, follows=self.unit_size)
                model.require(self.id, "whole", a, size[a] - self.unit_size * units, "==", unit=self.scaling_unit)
        self._open(model, size)
        self._pay_upkeep(model, size)
        return size

    def _open(self, model: ModelBuilder, size: Mapping[int, Expression]) -> None:
        """Write the openings of a fixed-charge option and what its size has to do with them."""
        latest, by = Expression(), dict[int, Expression]()
        for a in model.horizon.decisions if self.is_fixed_charge else ():
            if a in size:
                new = model.variable(self.id, "by", a, unit="1", upper=1, integer=True, follows="openings")
                y = model.variable(self.id, "open", a, unit="1", upper=1)
                model.require(self.id, "by", a, new - latest - y, "==", unit="1")
                model.require(self.id, "most", a, size[a] - self.max_size * y, "<=", unit=self.scaling_unit)
                if self.min_size > 0:
                    model.require(self.id, "least", a, size[a] - self.min_size * y, ">=", unit=self.scaling_unit)
                self.pay(model, a, self.fixed_cost * y)
                latest = new
            by[a] = latest
        model.link(self.id, "by", by)
        if self.is_fixed_charge:
            model.link(self.id, "on_line", self._on_line(model.horizon, by))

    def _on_line(self, horizon: Horizon, by: Mapping[int, Expression]) -> dict[int, Expression]:
        """Y at the last decision point that is a lead time before a period, for every period."""
        lead, latest, result = horizon.whole(self.lead_time), Expression(), dict[int, Expression]()
        for t in horizon.periods:
            result[t] = latest = by.get(t - lead, latest)
        return result

    def _pay_upkeep(self, model: ModelBuilder, size: Mapping[int, Expression]) -> None:
        """Book the fixed operating cost of what is installed."""
        if self.fixed_opex > 0:
            yearly, lead = self.fixed_opex * model.horizon.delta, model.horizon.whole(self.lead_time)
            for t, installed in sum_by_age(model.horizon, size, lead, (1.0,)).items():
                model.book("spend", t, amount=yearly * installed)

    def working(self, model: ModelBuilder, size: Mapping[int, Expression]) -> dict[int, Expression]:
        """C[t], in the unit of size, for every period."""
        return sum_by_age(model.horizon, size, model.horizon.whole(self.lead_time), self.ramp)


class Stock(Lever):
    """A lever that is held as a stock of one commodity.

    What is released in a shock, at most `release_rate` and at `release_cost`, is written by its subclass: `Stockpile`.
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
            raise finding("price_response without a fill_rate", "Give fill_rate, the most that is bought a year, t.")
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
        """Whether its price is 0, where something can be bought at all; to hold it may cost something."""
        return self.fill_rate != 0 and max(self.price.values) == 0

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

    def paid_for_fills(self, horizon: Horizon, fills: Sequence[float]) -> float:
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
