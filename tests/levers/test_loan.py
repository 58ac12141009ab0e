"""What is shown of a lever from outside that gives a commodity in shocks, neither as a maker nor out of stock."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
import pytest

import optimizer as so
from optimizer.audit.auditor import Operation
from optimizer.disruptions.path import Path
from optimizer.levers import Sized
from optimizer.model.builder import ModelBuilder
from optimizer.report.figures.plot import Choice, draw_plot, maps_of
from optimizer.report.figures.world_map import map_table
from optimizer.report.html.book import Book, book
from optimizer.results.plan import Flow
from optimizer.studies.comparison import single_point
from tests.conftest import Cell
from tests.levers import forget_levers_from_outside
from tests.test_plot import words


class Loan(Sized):
    """size t/yr: an ally lends a commodity in the first `months` of a shock, z ≤ C·Δ·(share of the period in them)."""

    shock_fields: ClassVar[tuple[str, ...]] = ("cost",)

    kind: Literal["loan"]
    commodity: str
    months: float
    region: str | None = None

    @property
    def flows(self) -> tuple[Flow, ...]:
        return (Flow("lent", "lent by the ally", gives={self.commodity: 1.0}),)

    def operate(self, model: ModelBuilder, path: Path) -> None:
        if path.is_baseline:
            return
        capacity = model.linked(self.id, "capacity")
        for k, t in enumerate(path.periods):
            lent = model.variable(self.id, "lent", t)
            part = min(1.0, max(0.0, self.months / (12 * path.delta) - k))
            model.limit(self.id, "capacity", t, lent, (part * path.delta) * capacity[t])
            model.book("supply", path.key, self.commodity, t, amount=lent)
            model.book("operating", path.key, t, amount=lent, times=path.multiplier.get(self.id, 1.0))


class OfLoan(so.Auditor):
    flows_in_shocks = ("lent",)

    def check(self, operation: Operation) -> None:
        if not operation.is_baseline:
            lent = operation.flow("lent")
            begun = np.arange(lent.shape[1]) * operation.delta * 12
            part = np.clip((operation.option.months - begun) / (operation.delta * 12), 0.0, 1.0)
            operation.at_most("capacity", lent, operation.working * part)

    def supplies(self, operation: Operation) -> Any:
        return {} if operation.is_baseline else {operation.option.commodity: operation.flow("lent")}

    def operating_costs(self, operation: Operation) -> Any:
        return {} if operation.is_baseline else {"operation": operation.override("cost", 1.0) * operation.flow("lent")}


class Cover(Sized):
    """size t/yr: an insurer delivers z ≤ C·Δ·ρ in a shock, which may state its own reliability ρ."""

    shock_fields: ClassVar[tuple[str, ...]] = ("reliability",)

    kind: Literal["cover"]
    commodity: str
    reliability: float = 1.0

    @property
    def flows(self) -> tuple[Flow, ...]:
        return (Flow("delivered", "delivered by the insurer", gives={self.commodity: 1.0}),)

    def operate(self, model: ModelBuilder, path: Path) -> None:
        if path.is_baseline:
            return
        capacity, share = model.linked(self.id, "capacity"), path.reliability.get(self.id, self.reliability)
        for t in path.periods:
            delivered = model.variable(self.id, "delivered", t)
            model.limit(self.id, "capacity", t, delivered, (share * path.delta) * capacity[t])
            model.book("supply", path.key, self.commodity, t, amount=delivered)


class OfCover(so.Auditor):
    flows_in_shocks = ("delivered",)

    def check(self, operation: Operation) -> None:
        if not operation.is_baseline:
            share = operation.override("reliability", operation.option.reliability)
            operation.at_most("capacity", operation.flow("delivered"), operation.working * share)

    def supplies(self, operation: Operation) -> Any:
        return {} if operation.is_baseline else {operation.option.commodity: operation.flow("delivered")}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    so.register(Loan, OfLoan())
    so.register(Cover, OfCover())
    yield
    forget_levers_from_outside()


# 25 t a quarter are asked for, and none is made at home. In the ban the floor asks for 10 t a quarter: 60 t/yr of the
# loan give 15, 15, 10 and 0 t, and the reserve the other 10 t, for it costs more.
BAN = """
name: ban
horizon: {start: 2026, end: 2027, step: quarter}
home: home
commodities: {magnet: {name: magnets}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 120, cost: 1}
demands:
  motors: {commodity: magnet, quantity: 100, survival: 0.4, shortage_cost: 500}
options:
  loan: {name: loan of the ally, kind: loan, commodity: magnet, months: 8, capex: 1, max_size: 60}
  reserve: {name: magnet reserve, kind: stockpile, commodity: magnet, price: 650, max_size: 100}
shocks:
  ban: {start: 2027Q1, months: 12, cuts: [{region: rival, severity: 1}]}
"""


def book_of(instance: so.Instance) -> Book:
    result = so.solve(instance, settings=so.Settings(mip_gap=0.0))
    assert result.audit["ok"]
    return book(instance, single_point(instance, result))


def test_what_is_lent_is_not_from_stock(cell: Cell) -> None:
    drawn = book_of(cell(BAN))
    said = words(draw_plot(drawn, "sources", Choice(), "svg"))
    assert "lent by the ally" in said
    assert "from stock" in said
    bands = words(draw_plot(drawn, "sankey", Choice(shock="ban"), "svg"))
    assert "lent by the ally" in bands
    (chain,) = drawn.own.chains["ban"]
    tonnes = {each.source.partition(":")[0]: each.tonnes for each in chain.passages}
    assert tonnes == pytest.approx({"flow": 40, "stock": 10, "unserved": 50})
    (_, table) = map_table(drawn.instance, maps_of(drawn, "ban"))
    assert "50 t/yr from stocks, substitutes and other options" in table["caption"]


def test_the_region_of_an_ally_stands_beside_what_it_lends(cell: Cell) -> None:
    drawn = book_of(cell(BAN.replace("months: 8,", "months: 8, region: south_korea,")))
    assert "lent by the ally, south korea" in words(draw_plot(drawn, "sankey", Choice(shock="ban"), "svg"))
    (_, table) = map_table(drawn.instance, maps_of(drawn, "ban"))
    assert "south korea to home 40 t/yr" in table["caption"]


@pytest.mark.parametrize(
    ("size", "reserve", "policy", "said"),
    [
        ("60", "1", "", "gives 0 t then, less than its largest size of 60 t/yr allows"),
        ("1000", "1", "", "gives 0 t then, less than its size of 60 t/yr allows"),
        # What the budget leaves is 0.1 t of the reserve.
        ("1000", "100", "policy: {budget: 125}", "gives 0 t then, less than its size of 60 t/yr allows"),
        # The first quarter alone takes 40 t/yr.
        ("1000", "100", "policy: {budget: 20}", "has only 20 t/yr: the budget buys no more"),
    ],
)
def test_explain_says_what_is_lent_where_the_months_are_over(
    cell: Cell, size: str, reserve: str, policy: str, said: str
) -> None:
    # The third quarter takes 60 t/yr of the loan, the last one 10 t of the reserve.
    weak = BAN.replace("650, max_size: 100", f"650, max_size: {reserve}").replace("max_size: 60", f"max_size: {size}")
    reason = so.explain(cell(weak, policy), settings=so.Settings(mip_gap=0.0, accuracy=0.0)).reason
    assert reason is not None
    assert f"loan of the ally {said}" in reason.because


def test_explain_counts_what_the_reliability_leaves_of_a_size(cell: Cell) -> None:
    """The ban needs 40 t. Of 40 t/yr at a reliability of 0.8 come 32 t: no tonne of the size is left unused."""
    cover = "loan: {name: cover of magnets, kind: cover, commodity: magnet, capex: 1, max_size: 40}"
    text = re.sub(r"loan: \{.*\}", cover, BAN).replace("max_size: 100", "max_size: 1")
    text = text.replace("months: 12,", "months: 12, reliability: {loan: 0.8},")
    reason = so.explain(cell(text), settings=so.Settings(mip_gap=0.0, accuracy=0.0)).reason
    assert reason is not None
    assert "cover of magnets has its largest size, 40 t/yr" in reason.because
