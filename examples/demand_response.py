"""Demand response: customers agree, for a fee, to be switched off for some months of a shock.

    size        t/yr enrolled     C[t]  working size, t/yr       z[t]   switched off   t, in period t of a shock
    max_share   share of D        D     demand with its surge, t          cost     USD per t switched off
    months      of a shock for which a customer may be switched off

Plan: as every lever that is bought by size: `capex` enrols, `fixed_opex` is the standing fee. A ramp may not fall.
    links `capacity`, C, and `calls`, C·months/12: what may be switched off in all in a shock that begins then, t
In a shock, in every period:
    capacity   z ≤ C·Δ
    share      z ≤ max_share·D                        the bound of the column
    calls      Σ z over the shock ≤ C·months/12       with the C of its first period
    substituted[d] += z            operating += cost·multiplier·z

What is switched off counts towards the survival floor, as a substitution does: it is not served, but it is agreed. A
floor protects those who would go short against their will; a customer who is paid to stand still is not one of them.
So z reduces what the segment needs, and costs `cost` a tonne in place of the shortage cost.

One file is all that it takes: the lever, its auditor, and their registration.

Run: python examples/demand_response.py
Or:  diversify --plugin examples/demand_response.py solve examples/demand_response.yaml
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

import optimizer as so
from optimizer.extend import (
    AmountSeries,
    Array,
    Auditor,
    Flow,
    Labels,
    ModelBuilder,
    Operation,
    Problem,
    Quantity,
    Reference,
    Scales,
    Series,
    Share,
    ShockPath,
    Sized,
    total,
)


class DemandResponse(Sized):
    """Customers of one segment who may be switched off in a shock."""

    labels: ClassVar[Labels] = Labels(noun="contract", absent="is not agreed", colour=3)
    shock_fields: ClassVar[tuple[str, ...]] = ("cost",)
    amounts: ClassVar[tuple[str, ...]] = ("calls",)
    is_monotone: ClassVar[bool] = True  # a larger cut never helps, nor do fewer contracts

    kind: Literal["demand_response"]
    demand: str = Field(description="The segment whose customers are enrolled.")
    max_share: Share = Field(description="The most of the segment's demand that can be switched off, a share.")
    months: Quantity = Field(description="Months of a shock for which a customer may be switched off.")
    cost: AmountSeries = Field(
        default=Series.constant(0.0), description="What is paid for switching off, money per t; a series."
    )

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flow that a result reports, what is switched off in shocks."""
        return (Flow("switched_off", "switched off", serves=self.demand, share=self.max_share),)

    def references(self) -> Iterator[Reference]:
        """Yield the segment, and the options that it is tied to."""
        yield Reference(("demand",), self.demand, "demands")
        yield from super().references()

    def problems(self) -> Iterator[Problem]:
        """Yield a finding for a ramp that falls, and for no month at all."""
        if any(later < earlier for earlier, later in zip(self.ramp, self.ramp[1:], strict=False)):
            yield ("ramp",), "falls, but customers who are enrolled stay", "Write shares that do not fall.", "error"
        if self.months == 0:
            yield ("months",), "is 0: nobody is ever switched off", "Write some months.", "warning"

    def invest(self, model: ModelBuilder) -> None:
        """Write the enrolments; link the working size, and what may be called from the next period on."""
        working = self.working(model, self.buy(model))
        model.link(self.id, "capacity", working)
        model.link(self.id, "calls", {t - 1: self.months / 12 * enrolled for t, enrolled in working.items()})

    def operate(self, model: ModelBuilder, path: ShockPath) -> None:
        """Switch off within size, share and months; never in the baseline."""
        if path.is_baseline:
            return
        capacity, off = model.linked(self.id, "capacity"), {}
        for t in path.periods:
            most = self.max_share * path.demand_at(self.demand, t)
            off[t] = model.variable(self.id, "switched_off", t, upper=most)
            model.limit(self.id, "capacity", t, off[t], path.delta * capacity[t])
            model.book("substituted", path.key, self.demand, t, amount=off[t])
            price = self.cost.at(path.year(t)) * path.multiplier.get(self.id, 1.0)
            model.book("operating", path.key, t, amount=off[t], times=price)
        calls = model.linked(self.id, "calls")[path.periods.start - 1]
        model.require(self.id, "calls", None, total(off.values()), "<=", calls)


class DemandResponseAuditor(Auditor):
    """The same in plain numbers: nothing of the above is called."""

    flows_in_shocks = ("switched_off",)

    def least_scale(self, option: DemandResponse, scales: Scales) -> float:
        """Return the scale of the segment: errors are relative to its demand."""
        return scales.segments[option.demand]

    def check(self, operation: Operation) -> None:
        """Check the rows capacity, share and calls, as above."""
        if operation.is_baseline:
            return
        option, off = operation.option, operation.flow("switched_off")
        demanded = operation.demanded(option.demand)
        operation.at_most("capacity", off, operation.working)
        operation.at_most("share", off, option.max_share * demanded, demanded)
        operation.at_most("capacity", 0.0, off)
        enrolled = operation.carried[operation.paths.times[:, :1]]
        operation.at_most("calls", off.sum(axis=1, keepdims=True), enrolled * option.months / 12)

    def serves(self, operation: Operation) -> Mapping[str, Array]:
        """Return what is switched off, which the segment does not need."""
        return {} if operation.is_baseline else {operation.option.demand: operation.flow("switched_off")}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """Return cost·z."""
        if operation.is_baseline:
            return {}
        price = operation.series(operation.option.cost) * operation.override("cost", 1.0)
        return {"operation": price * operation.flow("switched_off")}


so.register(DemandResponse, DemandResponseAuditor())


def main() -> None:
    """Solve the instance beside this file, and show that the audit sees a number that was changed."""
    instance = so.load(Path(__file__).with_suffix(".yaml"))
    result = so.solve(instance)
    print(result.plan)
    print(f"total cost {result.total_cost:,.0f} USD")
    print(result.frames.flows.xs("switched_off", level="flow"))

    assert result.survives
    assert round(result.total_cost) == 12_446_250
    assert so.verify(instance, result).ok

    changed = result.to_dict()
    changed["shocks"][0]["flows"]["switched_off"]["contracts"] = [1.0, 5.0, 5.0, 7.0]
    report = so.verify(instance, so.Result.from_dict(changed))
    print(*report.disagreements, sep="\n")
    assert any("contracts.calls" in row for row in report.disagreements)


if __name__ == "__main__":
    main()
