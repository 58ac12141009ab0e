"""What all levers share: when they may be bought, in what sizes, at what cost, and when they work.

    n[a]   size        own unit      bought at decision point a                        column `size`
    Y[a]   by          0 or 1        whether a lumpy option is open by a               column `by`, integer
    y[a]   open        0 … 1         whether it is opened at a, Y[a] − Y[a−1]          column `open`
           units       whole number  n = unit_size · units                             column `units`
    C[t]   working     own unit      Σ_a ramp(t − first(a) − lead)·n[a]
    N[t]   installed   own unit      the same with ramp 1

Rows:
    max     Σ_a n[a] ≤ max_size
    by      Y[a] − Y[a−1] = y[a]                                          lumpy: opened once, since Y ≤ 1
    least   n[a] ≥ min_size·y[a]       most   n[a] ≤ max_size·y[a]        lumpy
    whole   n[a] = unit_size·units[a]                                     in whole units

Books: spend[a] and outlay[year] of capex·n + fixed_cost·y; spend[t] of fixed_opex·Δ·N[t].
An option with a fixed cost or a minimum size is **lumpy**: it is opened once, or not at all. The integers are the
cumulative Y, not the y: a branch then says "by 2030" or "later", which splits the plans evenly, and a tie of two
options is one row. Offers `opened`: Y for every decision point of the horizon.
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from optimizer import shapes
from optimizer.disruptions.shock import Names, Path, as_tuple
from optimizer.model.builder import Stage, Unit
from optimizer.model.expressions import Expression, total
from optimizer.results.plan import Flow
from optimizer.units import Described, Quantity, QuantitySeries, Series, Share

Ramp = Annotated[tuple[Share, ...], BeforeValidator(as_tuple), WithJsonSchema(shapes.one_or_more(shapes.SHARE))]


class Lever(Described):
    """Common fields of every option. A lever has two verbs, `invest` and `operate`."""

    id: str = Field(exclude=True)
    kind: str = Field(description="Kind of lever.")
    earliest: int | None = Field(
        default=None,
        description="First calendar year in which the option may be bought. Default: the start of the horizon.",
    )
    latest: int | None = Field(
        default=None,
        description="Last calendar year in which the option may be bought. Default: the end of the horizon.",
    )
    budget_share: Share = Field(
        default=1.0,
        description="Share of outlay that counts against the budget, 0 to 1; all outlay is a cost. Default 1.",
    )

    @property
    def is_lumpy(self) -> bool:
        """Whether it is opened once or not at all."""
        return False

    @classmethod
    @cache
    def kinds(cls) -> tuple[str, ...]:
        """Its kind, then those of the levers that it is derived from."""
        found = (get_args(each.model_fields["kind"].annotation) for each in cls.__mro__ if issubclass(each, Lever))
        return tuple(dict.fromkeys(str(kind) for kinds in found for kind in kinds))

    def is_a(self, kind: str) -> bool:
        """Whether it is of a kind, or of one that is derived from it."""
        return kind in self.kinds()

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flows that a result reports of it; none where it has no columns in operation."""
        return ()

    def allows(self, year: int) -> bool:
        """Whether it may be decided in a calendar year."""
        return (self.earliest is None or year >= self.earliest) and (self.latest is None or year <= self.latest)

    def invest(self, stage: Stage) -> None:
        """Write what is bought, when, and what it costs; offer it to operation."""
        raise NotImplementedError

    def operate(self, stage: Stage, path: Path) -> None:
        """Write what it adds to one path."""
        raise NotImplementedError

    def pay(self, stage: Stage, t: int, amount: Expression) -> None:
        """Book an investment of period t: all of it is cost, `budget_share` of it is the budget's."""
        stage.book("spend", t, amount=amount)
        stage.book("outlay", stage.horizon.year(t), amount=self.budget_share * amount)


class Sized(Lever):
    """A lever that is bought by size: every one but the stockpile."""

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
        description="Fixed investment cost, money, once. It makes the option lumpy: bought once or not at all.",
    )
    min_size: Quantity = Field(
        default=0.0,
        description="Minimum size, in the unit of size. It makes the option lumpy: bought once or not at all.",
    )
    unit_size: Quantity = Field(default=0.0, description="Size is bought in whole multiples of this.")
    fixed_opex: Quantity = Field(
        default=0.0, description="Fixed operating cost after the lead time, money per unit of size and year."
    )
    ramp: Ramp = Field(
        default=(1.0,),
        description="Share of size in operation in the 1st, 2nd, … twelve months after the lead time; the last stays.",
    )
    requires: Names = Field(
        default=(), description="Option, or list of options, that must be bought no later. All must be lumpy."
    )
    excludes: Names = Field(
        default=(), description="Option, or list of options, that must not be bought as well. All must be lumpy."
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
    def is_lumpy(self) -> bool:
        """Whether it is opened once or not at all."""
        return self.fixed_cost > 0 or self.min_size > 0

    @property
    def unit(self) -> Unit:
        """The unit of size as the solver scales it: a flow of tonnes unless the lever says otherwise."""
        return "t"

    def working_share(self, months: float) -> float:
        """The part of size that works so many months after the lead time; 0 before it."""
        if months < 0:
            return 0.0
        return self.ramp[min(math.floor(months / 12 + 1e-9), len(self.ramp) - 1)]

    def buy(self, stage: Stage) -> Mapping[int, Expression]:
        """Write sizes and openings with their rows, book their cost, offer `opened`.

        Returns:
            n[a] for every decision point a at which the option may be bought.
        """
        points = [a for a in stage.horizon.decisions if self.allows(stage.horizon.year(a))]
        size = {a: stage.variable(self.id, "size", a, unit=self.unit, upper=self.max_size) for a in points}
        if size:
            stage.require(self.id, "max", None, total(size.values()), "<=", self.max_size, unit=self.unit)
        for a in points:
            self.pay(stage, a, self.capex.at(stage.horizon.year(a)) * size[a])
            if self.unit_size > 0:
                most = float(math.floor(self.max_size / self.unit_size + 1e-9))
                units = stage.variable(self.id, "units", a, unit="1", upper=most, integer=True)
                stage.require(self.id, "whole", a, size[a] - self.unit_size * units, "==", unit=self.unit)
        self._open(stage, size)
        self._keep(stage, size)
        return size

    def _open(self, stage: Stage, size: Mapping[int, Expression]) -> None:
        before: Expression = Expression()
        opened: dict[int, Expression] = {}
        for a in stage.horizon.decisions if self.is_lumpy else ():
            if a in size:
                by = stage.variable(self.id, "by", a, unit="1", upper=1, integer=True)
                y = stage.variable(self.id, "open", a, unit="1", upper=1)
                stage.require(self.id, "by", a, by - before - y, "==", unit="1")
                stage.require(self.id, "most", a, size[a] - self.max_size * y, "<=", unit=self.unit)
                if self.min_size > 0:
                    stage.require(self.id, "least", a, size[a] - self.min_size * y, ">=", unit=self.unit)
                self.pay(stage, a, self.fixed_cost * y)
                before = by
            opened[a] = before
        stage.offer(self.id, "opened", opened)

    def _keep(self, stage: Stage, size: Mapping[int, Expression]) -> None:
        if self.fixed_opex > 0:
            yearly = self.fixed_opex * stage.horizon.delta
            for t, installed in self.installed(stage, size).items():
                stage.book("spend", t, amount=yearly * installed)

    def working(self, stage: Stage, size: Mapping[int, Expression]) -> dict[int, Expression]:
        """C[t], in the unit of size, for every period."""
        lead, months = stage.horizon.whole(self.lead_time), stage.horizon.months
        return self._summed(stage, size, lambda a, t: self.working_share((t - a - lead) * months))

    def installed(self, stage: Stage, size: Mapping[int, Expression]) -> dict[int, Expression]:
        """N[t], in the unit of size, for every period."""
        lead = stage.horizon.whole(self.lead_time)
        return self._summed(stage, size, lambda a, t: float(t >= a + lead))

    def _summed(self, stage: Stage, size: Mapping[int, Expression], share: Any) -> dict[int, Expression]:
        return {t: total(share(a, t) * n for a, n in size.items() if share(a, t) > 0) for t in stage.horizon.periods}
