"""A lever that helps only against large cuts: unless it claims otherwise, no shock is left out for being milder.

Imports of 120 t/yr are cut for a quarter: by 60 % to 12 t, or by 45 % to 16.5 t. Of 25 t demanded 17.5 t
have to be served. The ally lends up to the size agreed, but only where at least half is cut. Against 60 % it lends
5.5 t (22 t/yr, 1,000 USD each). Against 45 % 1 t from stock is needed (65,000 USD), which serves against 60 % as well:
there 4.5 t are lent (18 t/yr).
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

import optimizer as so
from optimizer import levers
from optimizer.extend import Array, Auditor, Flow, Holding, Labels, ModelBuilder, Operation, ShockPath, Sized
from optimizer.studies.supply_chain import chain
from tests.levers import forget_levers_from_outside

OUTLAY = 18 * 1_000 + 65_000


class Trigger(Sized):
    """A loan of an ally, where at least half of a process is cut."""

    labels: ClassVar[Labels] = Labels(noun="agreement")

    kind: Literal["trigger"]
    commodity: str
    process: str

    @property
    def flows(self) -> tuple[Flow, ...]:
        """What is lent, in shocks."""
        return (Flow("lent", "lent by the ally", gives={self.commodity: 1.0}),)

    def operate(self, model: ModelBuilder, path: ShockPath) -> None:
        """Lend up to the size if the cut is large."""
        if path.is_baseline:
            return
        capacity = model.linked(self.id, "capacity")
        for t in path.periods:
            lent = model.variable(self.id, "lent", t)
            comes = np.where(np.asarray(path.largest_severity_at(self.process, t)) >= 0.5, path.delta, 0.0)
            model.limit(self.id, "capacity", t, lent, (comes if comes.ndim else float(comes)) * capacity[t])
            model.book("supply", path.key, self.commodity, t, amount=lent)


class TriggerAuditor(Auditor):
    """The same in plain numbers."""

    flows_in_shocks = ("lent",)

    def check(self, operation: Operation) -> None:
        """What is lent is within the size, and nothing is lent where less than half is cut."""
        if operation.is_baseline:
            return
        lost = [operation.severity(operation.option.process, deliberate=sort) for sort in (True, False)]
        operation.at_most("capacity", operation.flow("lent"), operation.working * (np.maximum(*lost) >= 0.5))

    def supplies(self, operation: Operation) -> Mapping[str, Array]:
        """What is lent."""
        return {} if operation.is_baseline else {operation.option.commodity: operation.flow("lent")}


class Swing(Sized):
    """A contract that lends as far as imports are cut, and takes three times as much as far as they run."""

    labels: ClassVar[Labels] = Labels(noun="contract")

    kind: Literal["swing"]
    commodity: str

    @property
    def flows(self) -> tuple[Flow, ...]:
        """What is lent and delivered, in shocks."""
        return (Flow("lent", "lent", gives={self.commodity: 1.0}), Flow("due", "due", takes={self.commodity: 1.0}))

    def operate(self, model: ModelBuilder, path: ShockPath) -> None:
        """Lend and deliver by what is cut of imports."""
        if path.is_baseline:
            return
        capacity = model.linked(self.id, "capacity")
        for t in path.periods:
            cut = path.severity_at("imports", t)
            lent, due = model.variable(self.id, "lent", t), model.variable(self.id, "due", t)
            model.require(self.id, "lent", t, lent, "<=", (cut * path.delta) * capacity[t])
            model.require(self.id, "due", t, due, "==", (3.0 * (1.0 - cut) * path.delta) * capacity[t])
            model.book("supply", path.key, self.commodity, t, amount=lent)
            model.book("supply", path.key, self.commodity, t, amount=-1.0 * due)


class SwingAuditor(Auditor):
    """The flows in plain numbers."""

    flows_in_shocks = ("lent", "due")

    def supplies(self, operation: Operation) -> Mapping[str, Array]:
        """What is lent."""
        return {} if operation.is_baseline else {operation.option.commodity: operation.flow("lent")}

    def uses(self, operation: Operation) -> Mapping[str, Array]:
        """What is delivered."""
        return {} if operation.is_baseline else {operation.option.commodity: operation.flow("due")}


class Seat(Trigger):
    """The same loan, of which more than 10 t/yr needs a seat, paid once: a whole number that no purchase holds."""

    kind: Literal["seat"]  # type: ignore[assignment]
    fee: float

    def invest(self, model: ModelBuilder) -> None:
        """Buy, and pay for a seat where more than 10 t/yr are bought at once."""
        size = self.buy(model)
        for a, bought in size.items():
            seat = model.variable(self.id, "seat", a, unit="1", upper=1, integer=True, follows="seat")
            model.require(self.id, "seat", a, bought - 50.0 * seat, "<=", 10.0)
            self.pay(model, a, self.fee * seat)
        model.link(self.id, "capacity", self.working(model, size))


class SeatAuditor(TriggerAuditor):
    """The seats in plain numbers."""

    investment_parts = ("seats",)

    def investments(self, holding: Holding) -> Mapping[str, Array]:
        """Capex, and the seats."""
        paid = np.zeros(len(holding.basis.periods))
        for build in holding.builds:
            paid[build.t] += holding.option.fee * (build.size > 10.0)
        return {**super().investments(holding), "seats": paid}


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    so.register(Seat, SeatAuditor())
    so.register(Trigger, TriggerAuditor())
    so.register(Swing, SwingAuditor())
    yield
    forget_levers_from_outside()


def world(**more: Any) -> so.Instance:
    cut = {"start": {"from": "2026Q2", "to": "2027Q4", "every": "quarter"}, "months": 3}
    return so.read(
        {
            "name": "trigger",
            "horizon": {"start": 2026, "end": 2027, "step": "quarter"},
            "commodities": {"m": {}},
            "processes": {"imports": {"region": "rival", "output": {"m": 1}, "capacity": 120, "cost": 1000}},
            "demands": {"motors": {"commodity": "m", "quantity": 100, "survival": 0.7, "shortage_cost": 500_000}},
            "options": {
                "ally": {"kind": "trigger", "commodity": "m", "process": "imports", "capex": 1000, "max_size": 60},
                "reserve": {"kind": "stockpile", "commodity": "m", "price": 65_000, "max_size": 100},
            },
            "shocks": {
                "deep": {**cut, "cuts": [{"region": "rival", "severity": 0.6}]},
                "shallow": {**cut, "cuts": [{"region": "rival", "severity": 0.45}]},
            },
        }
        | more
    )


@pytest.mark.parametrize("strategy", ["auto", "constraint-generation", "benders", "extensive-form"])
def test_the_milder_shock_is_survived_too(strategy: Any) -> None:
    result = so.solve(world(), settings=so.Settings(strategy=strategy, mip_gap=0.0))
    assert result.survives
    assert result.outlay == pytest.approx(OUTLAY)


def test_a_monotone_lever_may_leave_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trigger, "is_monotone", True)
    result = so.solve(world(), settings=so.Settings(strategy="constraint-generation", mip_gap=0.0))
    assert {outcome.name.partition("@")[0] for outcome in result.shocks if outcome.fails} == {"shallow"}


def test_an_adversary_is_refused() -> None:
    targets = {"ban": {"price": 1, "cuts": [{"region": "rival", "severity": 0.6}]}}
    with pytest.raises(so.InstanceError, match="only its largest attacks are searched, and ally may help more"):
        world(adversary={"attack_budget": 1, "months": 3, "starts": ["2027Q1"], "targets": targets})


def test_every_kind_of_the_package_says_that_it_is_monotone() -> None:
    assert {kind for kind in levers.PACKAGE_KINDS if not levers.KINDS[kind].is_monotone} == set()


def test_the_refusal_names_the_cure_in_the_class() -> None:
    targets = {"ban": {"price": 1, "cuts": [{"region": "rival", "severity": 0.6}]}}
    with pytest.raises(so.InstanceError, match='kind "trigger", set is_monotone = True in its class'):
        world(adversary={"attack_budget": 1, "months": 3, "starts": ["2027Q1"], "targets": targets})


@pytest.mark.parametrize("strategy", ["auto", "constraint-generation", "benders", "extensive-form"])
@pytest.mark.parametrize("questions", [{}, {"gap_price": 1.0}])
def test_shocks_survived_with_nothing_bought_count_where_floors_fail(strategy: Any, questions: Any) -> None:
    """Of 100 t 75 are imported; 70 have to be served, 500,000 USD is lost by each t below.

    Without imports, in one embargo, 45 t fall short, less a contract of up to 20 t/yr. Without the other 25 t, in eight
    years, 75 t less three times the contract are left. (45 − s) + 8 · max(0, 3s − 5) is least at s = 5/3.
    """
    eight = {"start": [*range(2028, 2036)], "months": 12, "cuts": [{"process": "other", "severity": 1}]}
    instance = so.read(
        {
            "name": "swing",
            "horizon": {"start": 2026, "end": 2036, "step": "year"},
            "commodities": {"m": {}},
            "processes": {
                "imports": {"region": "rival", "output": {"m": 1}, "capacity": 75, "cost": 1000},
                "other": {"region": "friend", "output": {"m": 1}, "capacity": 25, "cost": 1000},
            },
            "demands": {"motors": {"commodity": "m", "quantity": 100, "survival": 0.7, "shortage_cost": 500_000}},
            "options": {"swing": {"kind": "swing", "commodity": "m", "capex": 10, "max_size": 20}},
            "shocks": {
                "embargo": {"start": 2028, "months": 12, "cuts": [{"process": "imports", "severity": 1}]},
                "mild": eight,
            },
            "policy": questions,
        }
    )
    result = so.solve(instance, settings=so.Settings(strategy=strategy, mip_gap=0.0))
    assert result.audit["ok"]
    assert result.survival_gap == pytest.approx((45 - 5 / 3) * 500_000, rel=1e-6)
    assert [outcome.name for outcome in result.shocks if outcome.fails] == ["embargo"]
    # Where the other 25 t are missing, the 75 t of imports go to the segment and to the contract.
    mild = next(outcome for outcome in result.shocks if outcome.name == "mild@2028")
    assert mild.flows is not None
    drawn = chain(instance, mild.flows, instance.path(instance.event("mild@2028")), 2, 2)
    assert {(each.source, each.target): each.tonnes for each in drawn.passages if each.source == "/rival"} == {
        ("/rival", "segment:motors"): pytest.approx(70, rel=1e-5),
        ("/rival", "taken:due"): pytest.approx(5, rel=1e-5),
    }


def test_whole_numbers_of_a_lever_stay_whole_where_the_plan_is_given() -> None:
    """17.5 t have to be served where 12 are imported: 22 t/yr of the loan, and a seat."""
    option = {"kind": "seat", "commodity": "m", "process": "imports", "capex": 1000, "max_size": 60, "fee": 7000}
    cut = {"start": "2027Q1", "months": 3, "cuts": [{"region": "rival", "severity": 0.6}]}
    instance = world(options={"ally": option}, shocks={"deep": cut})
    solved = so.solve(instance, settings=so.Settings(mip_gap=0.0))
    assert solved.outlay == pytest.approx(22 * 1000 + 7000)
    (plan,) = so.evaluate(instance, {"builds": {"ally": {"2026Q1": 22}}}).plans
    assert plan.result.audit["ok"]
    assert plan.result.outlay == pytest.approx(22 * 1000 + 7000)
