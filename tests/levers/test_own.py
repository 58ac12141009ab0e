"""Levers from outside the package: registered, solved with, audited, and refused where they are not whole."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import StringIO
from itertools import repeat
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from pydantic import field_validator
from rich.console import Console

import optimizer as so
from optimizer import levers as levers_module
from optimizer.audit import levers
from optimizer.audit.auditor import ActivityAuditor, Holding, Operation
from optimizer.audit.levers.substitution import SubstitutionAuditor
from optimizer.audit.result import audit_result
from optimizer.cli import common
from optimizer.disruptions.path import Path
from optimizer.errors import AuditError, ModelError
from optimizer.extend import Stock, StockAuditor, total
from optimizer.horizon import Horizon
from optimizer.levers import PACKAGE_KINDS, Labels, Lever, Producing, Sized, Substitution, is_audited
from optimizer.model.builder import ModelBuilder
from optimizer.report.tables import checks
from optimizer.report.tables.plan import plan_tables
from optimizer.report.tables.render import show
from optimizer.results.plan import Flow
from optimizer.studies.futures.stages import decisions_in_future
from optimizer.studies.purchases import purchases
from optimizer.studies.reinforcement import Addition, with_addition
from tests.conftest import Cell, Printed, Solve
from tests.levers import forget_levers_from_outside


class Standby(Producing):
    """size t/yr: x = 0 in the baseline and in a shock's first period, then x ≤ C·Δ·(1 − σ), at a surcharge per t."""

    kind: Literal["standby"]
    surcharge: float = 0.0

    def operate(self, model: ModelBuilder, path: Path) -> None:
        capacity = model.linked(self.id, "capacity")
        runs = not path.is_baseline
        most = {t: self.max_size * path.delta if runs and t > path.periods.start else 0.0 for t in path.periods}
        activity = self.run(model, path, kind=self.kind, budget_share=self.budget_share, upper=most)
        for t in path.periods:
            model.limit(
                self.id, "capacity", t, activity[t], (1.0 - path.severity_at(self.id, t)) * path.delta * capacity[t]
            )
            model.book("operating", path.key, t, amount=activity[t], times=self.surcharge)


class OfStandby(ActivityAuditor):
    def most(self, operation: Operation) -> Any:
        most = super().most(operation)
        most[:, 0] = 0.0
        return 0.0 * most if operation.is_baseline else most

    def operating_costs(self, operation: Operation) -> Any:
        costs = dict(super().operating_costs(operation))
        return costs | {"operation": costs["operation"] + operation.option.surcharge * operation.flow("activity")}


class OfFees(OfStandby):
    def operating_costs(self, operation: Operation) -> Any:
        fee = {} if operation.is_baseline else {"fee": operation.flow("activity")}
        return {**super().operating_costs(operation), **fee}

    operating_parts = ("fee",)


class Thrift(Sized):
    """size t/yr: whatever happens, so much less is needed; a licence fee is paid on what works, in every period."""

    kind: Literal["thrift"]
    demand: str
    fee: float
    region: str = ""

    def invest(self, model: ModelBuilder) -> None:
        model.link(self.id, "saving", self.working(model, self.buy(model)))

    def payments(self, horizon: Horizon, a: int, size: Any, *, opened: Any) -> Mapping[int, Any]:
        paid, fee = super().payments(horizon, a, size, opened=opened), self.fee * horizon.delta
        return {t: fee * self.share_in_force(horizon, a, t) * size + paid.get(t, 0.0) for t in horizon.periods}

    def operate(self, model: ModelBuilder, path: Path) -> None:
        for t, saved in model.linked(self.id, "saving").items():
            if t in path.periods:
                model.book("substituted", path.key, self.demand, t, amount=path.delta * saved)


class OfThrift(so.Auditor):
    def serves(self, operation: Operation) -> Any:
        return {operation.option.demand: operation.working}

    def investments(self, holding: Holding) -> Any:
        return {**super().investments(holding), "licence": holding.option.fee * holding.working()}

    investment_parts = ("licence",)


class Rationing(Substitution):
    """size t/yr: a substitution of which only half works."""

    kind: Literal["rationing"]

    def operate(self, model: ModelBuilder, path: Path) -> None:
        half = self.model_copy(update={"max_share": 0.5 * self.max_share})
        Substitution.operate(half, model, path)


class Wharf(Sized):
    """size t/yr of imports that come round a cut, x ≤ cap·(1 − σ) + σ·C·Δ, and as much of a spare."""

    kind: Literal["wharf"]

    def invest(self, model: ModelBuilder) -> None:
        model.link(self.id, "capacity", self.working(model, self.buy(model)))

    def operate(self, model: ModelBuilder, path: Path) -> None:
        for t, working in model.linked(self.id, "capacity").items():
            if t in path.periods and not path.is_baseline:
                model.book(
                    "available",
                    path.key,
                    "imports",
                    t,
                    amount=working,
                    times=path.delta * path.severity_at("imports", t),
                )
                model.book("supply", path.key, "spare", t, amount=path.delta * working)


class Spendthrift(Wharf):
    """size t/yr: books a cost of the plan in the shock, C·Δ ≥ 0."""

    kind: Literal["spendthrift"]

    def operate(self, model: ModelBuilder, path: Path) -> None:
        for t, working in model.linked(self.id, "capacity").items():
            if t in path.periods and not path.is_baseline:
                model.book("operating", path.key, t, amount=working)


class OfWharf(so.Auditor):
    def lends(self, operation: Operation, *, deliberate: bool) -> Any:
        return {} if operation.is_baseline else {"imports": operation.working}

    def supplies(self, operation: Operation) -> Any:
        return {} if operation.is_baseline else {"spare": operation.working}


class Lender(Sized):
    """size t: as much ≥ 0 is there when a shock begins, but `amounts` does not name it."""

    kind: Literal["lender"]

    def invest(self, model: ModelBuilder) -> None:
        model.link(self.id, "loan", {t - 1: lent for t, lent in self.working(model, self.buy(model)).items()})

    def operate(self, model: ModelBuilder, path: Path) -> None:
        first = path.periods.start
        model.book("supply", path.key, "magnet", first, amount=model.linked(self.id, "loan")[first - 1])


class Misnamed(Sized):
    """size t/yr: 0 ≤ z ≤ C·Δ less is needed, reported by a name that its columns do not have."""

    kind: Literal["misnamed"]

    @property
    def flows(self) -> tuple[Flow, ...]:
        return (Flow("spared", "spared", serves="all"),)

    def operate(self, model: ModelBuilder, path: Path) -> None:
        for t in path.periods:
            less = model.variable(self.id, "less", t)
            model.limit(self.id, "capacity", t, less, path.delta * model.linked(self.id, "capacity")[t])
            model.book("substituted", path.key, "all", t, amount=less)


class Silent(Misnamed):
    """size t/yr: the same z ≥ 0 by its name, but without the segment that it serves."""

    kind: Literal["silent"]

    @property
    def flows(self) -> tuple[Flow, ...]:
        return (Flow("less", "less needed"),)


class Buffer(Stock):
    """k t are held: 0 ≤ g, and Σ g ≤ k/2 in a shock."""

    kind: Literal["buffer"]

    @property
    def flows(self) -> tuple[Flow, ...]:
        return (Flow("given", "given out", gives={self.commodity: 1.0}),)

    def operate(self, model: ModelBuilder, path: Path) -> None:
        if not path.is_baseline:
            given = {t: model.variable(self.id, "given", t) for t in path.periods}
            model.book_each("supply", path.key, self.commodity, amounts=given, times=repeat(1.0))
            held = model.linked(self.id, "stock")[path.periods.start - 1]
            model.require(self.id, "half", None, total(given.values()), "<=", 0.5 * held)


class OfBuffer(StockAuditor):
    flows_in_shocks = ("given",)

    def check(self, operation: Operation) -> None:
        if not operation.is_baseline:
            given, held = operation.flow("given"), operation.carried[operation.paths.times[:, :1]]
            operation.at_most("half", 0.0, given)
            operation.at_most("half", given.sum(axis=1, keepdims=True), 0.5 * held)

    def supplies(self, operation: Operation) -> Any:
        return {} if operation.is_baseline else {operation.option.commodity: operation.flow("given")}


class OfMisnamed(so.Auditor):
    def __init__(self, flow: str) -> None:
        self.flows = (flow,)

    def serves(self, operation: Operation) -> Any:
        return {"all": operation.flow(*self.flows)}


LEVERS: dict[Any, so.Auditor] = {
    Buffer: OfBuffer(),
    Lender: so.Auditor(),
    Misnamed: OfMisnamed("less"),
    Silent: OfMisnamed("less"),
    Standby: OfStandby(),
    Thrift: OfThrift(),
    Rationing: SubstitutionAuditor(),
    Wharf: OfWharf(),
    Spendthrift: OfWharf(),
}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    for lever, auditor in LEVERS.items():
        so.register(lever, auditor)
    yield
    forget_levers_from_outside()


BASE = """
horizon: {start: 2026, end: 2028, step: year}
home: home
commodities: {magnet: {}, spare: {}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 100, cost: 1}
demands:
  all: {commodity: magnet, quantity: 100, survival: {2027: 0, 2028: 0.5}, shortage_cost: 1000}
shocks:
  embargo: {start: 2027, months: 24, cuts: [{region: rival, severity: 1}]}
"""


def test_cell_by_hand(cell: Cell, solve: Solve) -> None:
    # The floor of 2028 asks for 50 t. Decided in 2027, the plant stands in 2028, the second year of the embargo:
    # capex 50·10, fixed opex 50·1 for one year; the baseline costs 3 years · 100 t · 1.
    option = (
        "{kind: standby, stage: magnet, output: {magnet: 1}, capex: 10, fixed_opex: 1, max_size: 90, lead_time: 12}"
    )
    result = solve(cell(BASE, f"options:\n  cold: {option}"))
    assert result.survives
    assert result.total_cost == pytest.approx(500 + 50 + 300)
    assert [(build.kind, build.year, build.size) for build in result.plan.builds] == [("standby", 2027, 50)]
    (embargo,) = result.shocks
    assert embargo.flows is not None
    assert embargo.flows["cold", "activity"] == pytest.approx((0, 50))
    # With a surcharge of 7 the shock costs 350 more: 50 t at 0 + 7, and 150 t short at 1000.
    dearer = solve(cell(BASE, f"options:\n  cold: {option.replace('max_size', 'surcharge: 7, max_size')}"))
    assert dearer.shocks[0].cost == pytest.approx(350 + 150_000)
    assert dearer.audit["ok"]


def test_a_stock_from_outside_is_audited(cell: Cell, solve: Solve) -> None:
    # Of 100 t half can be had for the floor of 50 t in 2028: 100·10 to buy, 100·1 to hold at the end of each of three
    # years; the baseline costs 3 years · 100 t · 1. Half of them are called missing if one tonne less is stated.
    held = "{kind: buffer, commodity: magnet, price: 10, holding_cost: 1, max_size: 200}"
    instance = cell(BASE, f"options:\n  buffer: {held}")
    result = solve(instance)
    assert result.survives
    assert result.total_cost == pytest.approx(1000 + 300 + 300)
    assert result.shocks[0].flows["buffer", "given"] == pytest.approx((0, 50))
    plan = replace(result.plan, stocks={"buffer": (99.0, 100.0, 100.0)})
    found = audit_result(instance, replace(result, plan=plan)).disagreements
    assert any(each.startswith("buffer.stock.2026") for each in found), found


def test_a_class_of_the_package_that_lacks_a_method_is_named() -> None:
    for method, arguments in (("invest", "model"), ("operate", "model, path")):
        with pytest.raises(NotImplementedError, match=rf"Lever has no method {method}\({arguments}\)"):
            getattr(Lever.model_construct(id="some", kind="some"), method)(*arguments.split(", "))


class Dear(Buffer):
    """k t are held, and payments of the name that those of a purchase by size have."""

    kind: Literal["dear"]

    def payments(self, horizon: Horizon, fills: Any) -> list[float]:
        return [15.0 * fill for fill in fills]


def test_the_table_of_purchases_pays_for_a_stock_what_the_model_pays(cell: Cell, solve: Solve) -> None:
    # 100 t at 10, of which half is for the floor of 50 t.
    so.register(Dear, OfBuffer())
    instance = cell(BASE, "options:\n  buffer: {kind: dear, commodity: magnet, price: 10, max_size: 200}")
    result = solve(instance)
    assert sum(result.outlays.values()) == pytest.approx(1000)
    assert [each.spent for each in purchases(instance, result)] == pytest.approx([1000])
    assert [each.paid for each in decisions_in_future(instance, result)] == [pytest.approx((1000,))]


def test_a_stock_from_outside_has_no_fields_of_a_release_that_it_does_not_write(
    refused: Callable[..., list[str]],
) -> None:
    option = "{kind: buffer, commodity: magnet, price: 10, release_rate: 1, release_cost: 9, loss: 0.1}"
    assert [said.split(" The keys")[0] for said in refused(BASE, f"options:\n  buffer: {option}")] == [
        'options.buffer.release_rate: "release_rate" is an unknown key.',
        'options.buffer.release_cost: "release_cost" is an unknown key.',
    ]


def test_nothing_is_said_of_a_release_that_a_stock_does_not_report(cell: Cell) -> None:
    # The budget buys 60 t, of which 30 t can be given: nothing is lost of the others.
    instance = cell(BASE, "options:\n  buffer: {kind: buffer, commodity: magnet, price: 10}", "policy: {budget: 600}")
    found = so.explain(instance)
    why = found.reason
    assert why is not None
    assert why.because[-1] == "buffer holds 60 t when embargo begins: the budget buys no more"
    (held,) = so.find_requirements(instance, found.result).frames.frame("holdings").rows()
    assert held["drawn"] is None


@pytest.mark.parametrize(
    ("lever", "option", "said"),
    [
        (Buffer, "{kind: buffer, commodity: magnet, price: 10}", "embargo/some.given: %s `flows` or `flows_in_shocks`"),
        (Silent, "{kind: silent, capex: 10, max_size: 90}", "baseline/some.less: %s `flows`"),
    ],
)
def test_a_flow_that_an_auditor_leaves_out_is_told(
    cell: Cell, solve: Solve, lever: Any, option: str, said: str
) -> None:
    so.register(lever, StockAuditor() if lever is Buffer else so.Auditor())
    with pytest.raises(AuditError) as caught:
        solve(cell(BASE, f"options:\n  some: {option}"))
    result = caught.value.result
    assert isinstance(result, so.Result)
    why = "its lever reports this flow, but its auditor does not name it: add it to"
    assert any(each == said % why for each in result.audit["disagreements"]), result.audit


def test_a_cost_that_the_plan_decides_is_no_cost_of_a_shock(cell: Cell, solve: Solve) -> None:
    with pytest.raises(ModelError, match=r"the plan decides pier\.capacity: book what that costs in `invest`"):
        solve(cell(BASE, "options:\n  pier: {kind: spendthrift, capex: 10, max_size: 90}"))


def test_an_amount_that_is_not_named_is_told(cell: Cell) -> None:
    instance = cell(BASE, "options:\n  bank: {kind: lender, capex: 10, max_size: 90}")
    plan = so.Plan((so.Build("bank", "lender", 0, 2026, "2026", 10.0),))
    with pytest.raises(ModelError, match=r"bank: loan is not linked for period -1; name loan in `amounts` of the"):
        so.time_to_survive(instance, plan)


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        ("less", 'small (misnamed) has no flow "less" in the baseline: its lever reports spared'),
        ("spared", 'small (misnamed) has no flow "spared" in the baseline: its lever reports it, but `operate` writes'),
    ],
)
def test_a_flow_of_another_name_is_told(cell: Cell, solve: Solve, flow: str, said: str) -> None:
    so.register(Misnamed, OfMisnamed(flow))
    with pytest.raises(AuditError, match=re.escape(f"the plan does not fit its instance: {said}")):
        solve(cell(BASE, "options:\n  small: {kind: misnamed, capex: 10, max_size: 90}"))


class OfOtherShape(OfStandby):
    """C by period of the horizon, 3 elements, where what runs is by path and period: (1, 2) in the shock."""

    def most(self, operation: Operation) -> Any:
        return np.minimum(operation.carried, super().most(operation))


def test_an_auditor_that_fails_is_named_with_its_line(cell: Cell, solve: Solve) -> None:
    so.register(Standby, OfOtherShape())
    said = r"OfOtherShape\.most failed in line \d+ of test_own\.py: ValueError: operands could not be broadcast"
    with pytest.raises(AuditError, match=said):
        solve(cell(BASE, "options:\n  bought: {kind: standby, stage: magnet, output: {magnet: 1}, max_size: 90}"))


class Misspelt(Sized):
    """size t/yr ≥ 0: it books to a ledger that is not there."""

    kind: Literal["misspelt"]

    def operate(self, model: ModelBuilder, path: Path) -> None:
        for t in path.periods:
            model.book("suply", path.key, "magnet", t, amount=1.0)


def test_a_lever_that_fails_is_named_with_its_line(cell: Cell, solve: Solve) -> None:
    so.register(Misspelt, so.Auditor())
    with pytest.raises(ModelError) as caught:
        solve(cell(BASE, "options:\n  bought: {kind: misspelt, max_size: 90}"))
    said = r"Misspelt\.operate failed in line \d+ of test_own\.py: ModelError: there is no ledger \"suply\"\."
    assert re.match(said, common._error_text(caught.value))


class Checked(Sized):
    """size t/yr ≥ 0, with a check of its own that fails."""

    kind: Literal["checked"]

    @field_validator("capex")
    @classmethod
    def check(cls, value: Any) -> Any:
        return value / 0

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Do nothing."""


class OfFailure(OfStandby):
    def operating_costs(self, operation: Operation) -> Any:
        return {"operation": 1 / 0}


def test_checks_of_fields_and_auditors_that_fail_are_named_with_their_line(cell: Cell, solve: Solve) -> None:
    so.register(Checked, so.Auditor())
    with pytest.raises(TypeError) as caught:
        cell(BASE, "options:\n  bought: {kind: checked, capex: 10, max_size: 90}")
    assert re.match(r"Checked\.check failed in line \d+ of test_own\.py: TypeError", common._error_text(caught.value))
    so.register(Standby, OfFailure())
    with pytest.raises(ZeroDivisionError) as failed:
        solve(cell(BASE, "options:\n  bought: {kind: standby, stage: magnet, output: {magnet: 1}, max_size: 90}"))
    said = r"OfFailure\.operating_costs failed in line \d+ of test_own\.py: ZeroDivisionError"
    assert re.match(said, common._error_text(failed.value))


class Warned(Sized):
    """size t/yr ≥ 0, with a finding that each test chooses."""

    found: ClassVar[Any] = ()

    kind: Literal["warned"]

    def problems(self) -> Iterator[Any]:
        yield self.found

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    "found",
    [(("capex",), "is odd", "Change it.", "fatal"), ("capex", "is odd", "Change it.", "error"), ("capex", "is odd")],
    ids=["severity", "place", "length"],
)
def test_a_finding_of_another_form_is_told(cell: Cell, monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    so.register(Warned, so.Auditor())
    monkeypatch.setattr(Warned, "found", found)
    said = f"Warned.problems yields {found!r}; a problem is a tuple of place, what is wrong, cure, and "
    with pytest.raises(ModelError, match=re.escape(said)):
        cell(BASE, "options:\n  bought: {kind: warned, max_size: 90}")


@pytest.mark.parametrize(
    ("option", "auditor", "listed", "part"),
    [
        ("{kind: thrift, demand: all, capex: 10, fee: 2, max_size: 90}", OfThrift, "investment_parts", "licence"),
        ("{kind: standby, stage: magnet, output: {magnet: 1}, max_size: 90}", OfFees, "operating_parts", "fee"),
    ],
)
def test_a_part_of_the_cost_that_is_not_named_is_told(
    cell: Cell, solve: Solve, monkeypatch: pytest.MonkeyPatch, option: str, auditor: Any, listed: str, part: str
) -> None:
    # Both are bought, for the floor of 50 t in 2028; the second auditor books a fee ≥ 0 in shocks alone.
    monkeypatch.setattr(auditor, listed, ())
    so.register(Standby if auditor is OfFees else Thrift, auditor())
    with pytest.raises(AuditError, match=rf'has a part of the cost "{part}": name it in `{listed}` of its auditor'):
        solve(cell(BASE, f"options:\n  bought: {option}"))


class OfFewerPeriods(OfThrift):
    """The licence of two of the three periods."""

    def investments(self, holding: Holding) -> Any:
        return {**super().investments(holding), "licence": np.array([2.0, 2.0])}


def test_amounts_that_are_not_by_period_are_told(cell: Cell, solve: Solve) -> None:
    so.register(Thrift, OfFewerPeriods())
    with pytest.raises(AuditError, match=r'bought \(thrift\) has the shape \(2,\) of "licence" in 3 periods: the aud'):
        solve(cell(BASE, "options:\n  bought: {kind: thrift, demand: all, capex: 10, fee: 2, max_size: 90}"))


def test_a_flow_that_does_not_say_what_it_serves_is_told(cell: Cell, solve: Solve) -> None:
    # The floor of 2028 asks for 50 t. They are bought in 2028, and as the saving is then free, replace imports as well.
    with pytest.raises(AuditError, match=r"baseline/small\.Flow\.serves all\.2028: 0 is not 50"):
        solve(cell(BASE, "options:\n  small: {kind: silent, capex: 10, max_size: 90}"))


def test_what_the_ledgers_hold_is_audited_as_well(cell: Cell, solve: Solve) -> None:
    # 50 t less are needed from 2028 on: decided in 2028 at no lead time, the fee of 2 is paid once, capex 10 each;
    # the baseline costs 100 + 100 + 50 t of imports.
    instance = cell(BASE, "options:\n  less: {kind: thrift, demand: all, capex: 10, fee: 2, max_size: 90}")
    result = solve(instance)
    assert result.total_cost == pytest.approx(500 + 100 + 250)
    assert result.outlay == pytest.approx(600)
    assert result.audit["ok"]
    # In the shock alone: 50 t of imports come round the cut in 2028, at capex 10. The shock costs 50·1, and 100 + 50 t
    # short at 1000; the baseline three times 100.
    result = solve(cell(BASE, "options:\n  pier: {kind: wharf, capex: 10, max_size: 90, earliest: 2028}"))
    assert result.total_cost == pytest.approx(500 + 300)
    assert result.shocks[0].cost == pytest.approx(50 + 150_000)
    assert result.audit["ok"]


def test_what_a_lever_pays_later_is_in_every_amount_of_its_purchase(
    cell: Cell, solve: Solve, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Decided in 2027 at the latest, 50 t cost 50·10 in 2027 and the fee of 50·2 in 2027 and in 2028: 700, 14 a tonne.
    option = "{kind: thrift, demand: all, capex: 10, fee: 2, max_size: 90, latest: 2027, earliest: 2027}"
    instance = cell(BASE, f"options:\n  less: {option}")
    result = solve(instance)
    (build,) = purchases(instance, result)
    assert (build.spent, build.outlays) == (pytest.approx(700), pytest.approx({2027: 600, 2028: 100}))
    assert result.frames.builds.outlay.sum() == pytest.approx(result.outlay)
    assert "What an option pays in later years is spent as well." in str(result.frames.frame("builds").note)
    # With imports at 1 a tonne, 10 t beside the 50 that the floor needs are worth no 140: 20 in imports.
    waste = so.evaluate(instance, so.Plan((so.Build("less", "thrift", 1, 2027, "2027", 60.0),))).plans[0].waste
    assert waste is not None
    assert (waste.outlay, [each.money for each in waste.changes]) == (pytest.approx(140), [pytest.approx(-140)])
    # The whole of 90 t added to no plan costs 90·14.
    addition = Addition("less", 1, 90.0, np.ones(1))
    assert with_addition(instance, so.Plan(()), addition, 90.0)[1] == pytest.approx(90 * 14)
    # Booked in `invest` instead, the fee of 2·50·2 is an outlay of nothing.
    assert "belongs to no purchase" not in result.frames.frame("builds").note

    def invest(self: Thrift, model: ModelBuilder) -> None:
        bought(self, model)
        for t, saved in model.linked(self.id, "saving").items():
            self.pay(model, t, self.fee * model.horizon.delta * saved)

    bought = Thrift.invest
    monkeypatch.delattr(Thrift, "payments")
    monkeypatch.setattr(Thrift, "invest", invest)
    assert " 200 USD of the outlay belongs to no purchase of the table." in solve(instance).frames.frame("builds").note


def test_an_option_at_home_is_something_at_home(cell: Cell) -> None:
    # The imports stand in the region of the rival, the option of a size ≥ 0 nowhere, and then at home.
    option = "{kind: thrift, demand: all, fee: 2, max_size: 90, region: %s}"
    said = [checks._home_note(cell(BASE, f"options:\n  less: {option % place}")) for place in ("''", "home")]
    assert said == ["; nothing is made at home (region home)", ""]


def test_a_derived_lever_keeps_the_rows_of_its_parent(cell: Cell, solve: Solve, printed: Printed) -> None:
    option = "{kind: rationing, demand: all, max_share: 1, cost: 1, capex: 1, max_size: 100}"
    instance = cell(BASE, f"options:\n  ration: {option}")
    result = solve(instance)
    assert result.survives
    assert result.audit["ok"]
    assert printed(instance, "ration", "max") == [
        "ration.max: + 1 ration.size.2026 + 1 ration.size.2027 + 1 ration.size.2028 <= 100"
    ]
    assert instance.options["ration"].flows[0].serves == "all"


def test_instance_goes_to_a_mapping_and_back(cell: Cell) -> None:
    instance = cell(BASE, "options:\n  less: {kind: thrift, demand: all, capex: 10, fee: 2, max_size: 90}")
    assert instance.to_dict()["options"]["less"]["fee"] == 2
    assert so.read(instance.to_dict()) == instance


def test_audit_is_loud(cell: Cell, solve: Solve) -> None:
    option = "{kind: standby, stage: magnet, output: {magnet: 1}, capex: 10, max_size: 90, lead_time: 12}"
    instance = cell(BASE, f"options:\n  cold: {option}")
    result = solve(instance)
    assert result.baseline is not None
    idle = replace(result.baseline, rows={**result.baseline.rows, ("cold", "activity"): (0.0, 0.0, 5.0)})
    report = audit_result(instance, replace(result, baseline=idle))
    assert any("baseline/cold.capacity.2028: 5 exceeds 0" in row for row in report.disagreements)


def test_an_answer_that_the_audit_does_not_confirm_says_so(cell: Cell, solve: Solve) -> None:
    # The auditor knows neither the year of waiting nor the surcharge of 7 on 50 t.
    so.register(Standby, ActivityAuditor())
    option = "{kind: standby, stage: magnet, output: {magnet: 1}, capex: 10, surcharge: 7, max_size: 90}"
    with pytest.raises(AuditError) as caught:
        solve(cell(BASE, f"options:\n  cold: {option}"))
    result = caught.value.result
    assert isinstance(result, so.Result)
    file = StringIO()
    show(plan_tables, result, Console(file=file, width=200))
    text = file.getvalue()
    assert "NOT CONFIRMED by the audit: SURVIVES the one shock" in text
    assert "proven to be" not in text
    assert "(not proven: the audit disagrees)" in text
    assert f"Audit: 1 disagreement in {result.audit['rows']} rows (largest error " in text
    assert "rows agree" not in text
    assert common._error_text(caught.value).endswith(
        "The file has options of a kind from outside the package (standby): compare its lever with its auditor."
    )


def test_audit_says_where_nobody_audits(cell: Cell, solve: Solve, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = cell(BASE, "options:\n  less: {kind: thrift, demand: all, capex: 10, fee: 2, max_size: 90}")
    result = solve(instance)
    monkeypatch.delitem(levers._REGISTERED, "thrift")
    said = "less.kind: thrift has no auditor; add optimizer/audit/levers/thrift.py"
    assert audit_result(instance, result).disagreements == [said]
    with pytest.raises(AuditError, match=f"{said}$"):
        solve(instance)


def test_a_kind_that_nobody_audits_is_refused_on_reading(refused: Callable[..., list[str]]) -> None:
    levers_module._AUDITED.discard("thrift")
    (said,) = refused(BASE, "options:\n  less: {kind: thrift, demand: all, capex: 10, fee: 2, max_size: 90}")
    assert 'options.less.kind: plans that buy "thrift" cannot be audited. Add its auditor,' in said


def test_every_kind_of_the_package_has_an_auditor() -> None:
    cure = "a kind of KINDS has its auditor in optimizer/audit/levers/<kind>.py"
    assert set(levers.package_auditors()) == PACKAGE_KINDS, cure
    assert all(is_audited(kind) for kind in PACKAGE_KINDS)


def test_a_module_holds_one_auditor() -> None:
    with pytest.raises(TypeError, match=r"tests/levers/test_own\.py has \d+ classes derived from Auditor: leave one"):
        levers._auditor_in(__name__)


def test_unknown_kind_is_refused_with_the_registered_ones(refused: Callable[..., list[str]]) -> None:
    (said,) = refused(BASE, "options:\n  cold: {kind: stand_by, max_size: 1}")
    assert 'options.cold.kind: "stand_by" is no kind of option. Did you mean "standby"?' in said


class Nameless(Sized):
    """size t/yr: no kind ≥ 1."""


class Idle(Sized):
    """size t/yr: nobody says what it does."""

    kind: Literal["idle"]


class Usurper(Sized):
    """size t/yr: a kind that is there."""

    kind: Literal["ally"]


class Gaudy(Sized):
    """size t/yr: a colour > 7."""

    labels: ClassVar[Labels] = Labels(colour=8)

    kind: Literal["gaudy"]


class Forgetful(Sized):
    """size t/yr: a shock would replace a share 0 ≤ ρ ≤ 1 that goes by another name."""

    shock_fields: ClassVar[tuple[str, ...]] = ("reliability",)

    kind: Literal["forgetful"]
    kept: float = 0.9


class Priced(Sized):
    """size t/yr: a shock would replace its premium, money per t/yr ≥ 0."""

    shock_fields: ClassVar[tuple[str, ...]] = ("cost", "premium")

    kind: Literal["priced"]


@pytest.mark.parametrize(
    ("lever", "auditor", "error", "match"),
    [
        (Standby, None, TypeError, "without an auditor"),
        (Standby, OfStandby, TypeError, r"OfStandby is a class, and register takes an object of it: OfStandby\(\)"),
        (Nameless, so.Auditor(), TypeError, "Nameless names no kind"),
        (
            Idle,
            so.Auditor(),
            TypeError,
            r"Idle has no method operate\(model, path\): write what it adds to the baseline",
        ),
        (Forgetful, so.Auditor(), TypeError, "Forgetful has no field reliability that a shock's would replace"),
        (Priced, so.Auditor(), TypeError, "Priced has premium in shock_fields: a shock states cost and reliability"),
        (Gaudy, so.Auditor(), ValueError, "Gaudy has the colour 8: slots are 0 to 7"),
        (Usurper, so.Auditor(), ValueError, '"ally" is a kind that the package has'),
        (Lever, so.Auditor(), TypeError, "no lever: derive it from"),
        ("standby", so.Auditor(), TypeError, "no lever"),
    ],
)
def test_refused(lever: Any, auditor: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        so.register(lever, auditor)
