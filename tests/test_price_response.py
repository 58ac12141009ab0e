"""Price response: the more is bought a year, the dearer; worked by hand, printed, refused, and audited."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import optimizer as so
from optimizer.audit.auditor import surcharge_between_points
from optimizer.audit.result import audit_result
from optimizer.network.process import PIECES, PriceResponse
from optimizer.solver.base import StrategyName
from tests.conftest import Cell, Printed, Solve

MAGNETS = """
horizon: {start: 2026, end: 2027, step: year}
commodities: {magnet: {}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 1000}}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}
"""
IMPORTS = "processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 200, cost: 10%s}}"
RESERVE = "options: {reserve: {kind: stockpile, commodity: magnet, price: 50, fill_rate: 80%s}}"
# (1 + q/80)² is the price of q t a year, in shares of the price in the file.
DEARER = ", price_response: {elasticity: 0.5, reference: 80}"


def test_a_stock_that_is_bought_at_once_costs_four_times_its_price(cell: Cell, solve: Solve) -> None:
    # 80 t in 2026, for 2027 comes too late: (1 + 80/80)² = 4 times 50 USD a tonne, 16,000. Imports 2,000.
    result = solve(cell(MAGNETS, IMPORTS % "", RESERVE % DEARER))
    assert list(result.plan.fills["reserve"]) == pytest.approx([80, 0])
    assert result.total_cost == pytest.approx(18_000)
    assert result.outlay == pytest.approx(16_000)
    assert result.costs["stock purchases"] == pytest.approx(4_000)
    assert result.costs["price response"] == pytest.approx(12_000)
    assert result.frames.builds.loc["reserve"]["capex"].item() == pytest.approx(16_000)


@pytest.mark.parametrize(("imports", "reserve"), [("", ""), (DEARER, ""), ("", DEARER)])
def test_a_page_says_that_prices_do_not_move_where_none_does(
    cell: Cell, tmp_path: Path, imports: str, reserve: str
) -> None:
    path = tmp_path / "plan.html"
    so.write_report(so.solve(cell(MAGNETS, IMPORTS % imports, RESERVE % reserve)), path)
    assert ("purchases do not move prices" in path.read_text(encoding="utf-8")) == (not imports + reserve)


def test_a_stock_is_bought_in_equal_parts_where_there_is_time(cell: Cell, solve: Solve) -> None:
    # The shock comes in 2028, so that two years fill the stock: 40 t each at (1 + 40/80)² = 2.25 times 50 USD, 40 a
    # point of the curve. 2 · 40 · 112.5 = 9,000; imports 3,000. Flat, all would be bought at any time for 4,000.
    later = MAGNETS.replace("2027", "2028")
    result = solve(cell(later, IMPORTS % "", RESERVE % DEARER))
    assert list(result.plan.fills["reserve"]) == pytest.approx([40, 40, 0])
    assert result.total_cost == pytest.approx(12_000)
    assert solve(cell(later, IMPORTS % "", RESERVE % "")).total_cost == pytest.approx(7_000)


@pytest.mark.parametrize(
    ("response", "multiple"),
    [
        # (1 + 80/40)² = 9, and with 40 t included (1 + 40/20)².
        ("reference: 40", None),
        ("reference: 20, included: 40", None),
        # (1 + 80/32)² = 12.25, and (1 + 80/2)² = 1,681.
        ("reference: 32", "12"),
        ("reference: 2", "1,681"),
    ],
)
def test_a_market_that_the_fill_rate_multiplies_the_price_of_is_warned_of(
    cell: Cell, response: str, multiple: str | None
) -> None:
    steep = f", price_response: {{elasticity: 0.5, {response}}}"
    _, warnings = so.check(cell(MAGNETS, IMPORTS % "", RESERVE % steep))
    found = [each for each in warnings if "(fill_rate)" in each.what]
    said = f"buying 80 t a year (fill_rate) multiplies the price by {multiple}"
    assert [each.what for each in found] == ([said] if multiple else [])
    assert all(each.where == "options.reserve.price_response.reference" for each in found)


def test_the_rate_of_a_quarter_counts(cell: Cell, solve: Solve) -> None:
    # By quarter: 80 t by the end of 2026 are 20 t a quarter, each at a rate of 80 t a year: 4 times 50 USD once more.
    quarters = MAGNETS.replace("step: year", "step: quarter").replace("start: 2027", "start: 2027Q1")
    result = solve(cell(quarters, IMPORTS % "", RESERVE % DEARER))
    assert result.plan.fills["reserve"][:4] == tuple(pytest.approx(20) for _ in range(4))
    assert result.costs["stock purchases"] + result.costs["price response"] == pytest.approx(16_000)


@pytest.mark.parametrize("step", ["year", "quarter"])
def test_imports_beyond_what_the_price_includes_cost_more(cell: Cell, solve: Solve, step: str) -> None:
    # ε = 1: 100 t a year are 60 more than the price is for, of 400: all of it costs 1 + 60/400 = 1.15 times 10 USD.
    # 100 = 40 + 3·20 is a point of the curve. Twice 1,150, by quarters too. In the shock there are no imports.
    response = ", price_response: {elasticity: 1, reference: 400, included: 40}"
    result = solve(cell(MAGNETS.replace("step: year", f"step: {step}"), IMPORTS % response, RESERVE % ""))
    assert result.total_cost == pytest.approx(2 * 1_150 + 80 * 50)
    assert result.costs["operation"] == pytest.approx(2_000)
    assert result.costs["price response"] == pytest.approx(300)


def test_what_a_shock_makes_dearer_rises_from_there(cell: Cell, solve: Solve) -> None:
    # Half of imports is left, 100 t, and costs twice as much: 2·10·1.15 a tonne; probability 1, so that it is paid.
    text = MAGNETS.replace("severity: 1}]", "severity: 0.5}], probability: 1, cost: {imports: 2}")
    response = ", price_response: {elasticity: 1, reference: 400, included: 40}"
    result = solve(cell(text, IMPORTS % response, "options: {}"))
    assert result.total_cost == pytest.approx(1_150 + 2 * 1_150)
    assert result.shocks[0].cost == pytest.approx(2_300)


def test_two_sources_share_what_is_bought(cell: Cell, solve: Solve) -> None:
    # One at 10·(1 + q/100), the other flat at 14. The next tonne of the first costs 10·(1 + 2q/100): 14 at q = 20, and
    # 200/8 = 25 t is a piece: φ(25) = 6.25, φ(0) = 0, slope 0.25: 12.5 a tonne up to 25, then 0.75: 17.5. So 25 t at
    # 12.5 and 75 at 14, twice.
    two = (
        "processes: {cheap: {region: rival, output: {magnet: 1}, capacity: 200, cost: 10, price_response: "
        "{elasticity: 1, reference: 100}}, flat: {region: ally, output: {magnet: 1}, capacity: 200, cost: 14}}"
    )
    result = solve(cell(MAGNETS, two))
    assert result.baseline is not None
    assert list(result.baseline["cheap", "activity"]) == pytest.approx([25, 25])
    assert result.total_cost == pytest.approx(2 * (25 * 12.5 + 75 * 14))


def test_printed_rows(cell: Cell, printed: Printed) -> None:
    # 80/8 = 10 t a piece; φ(10) = 10·((1 + 10/80)² − 1) = 2.65625, so 0.265625 a tonne.
    rows = printed(cell(MAGNETS, IMPORTS % "", RESERVE % DEARER), "reserve", "price_0")
    assert rows[0] == "reserve.price_0.2026: - 0.265625 reserve.fill.2026 + 1 reserve.surcharge.2026 >= 0"
    # From 40 to 60 t: φ(60) = 60·20/400 = 3, slope 0.15; 0.15·40 = 6. In the shock as in the baseline.
    response = ", price_response: {elasticity: 1, reference: 400, included: 40}"
    rows = printed(cell(MAGNETS, IMPORTS % response, RESERVE % ""), "imports", "price_0")
    assert [row.replace("imports.", "") for row in rows[1:]] == [
        f"{path}/price_0.2027: - 0.15 {path}/activity.2027 + 1 {path}/surcharge.2027 >= -6"
        for path in ("baseline", "embargo")
    ]


@pytest.mark.parametrize("elasticity", [0.3, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("included", [0.0, 30.0])
def test_the_curve_is_convex_and_never_below_what_it_stands_for(elasticity: float, included: float) -> None:
    response, most = PriceResponse(elasticity=elasticity, reference=100.0, included=included), 150.0
    rates = [most * k / 600 for k in range(601)]
    drawn = [response.surcharge(rate, most) for rate in rates]
    exact = [rate * ((1 + max(0.0, rate - included) / 100) ** (1 / elasticity) - 1) for rate in rates]
    assert all(above >= below - 1e-9 for above, below in zip(drawn, exact, strict=True))
    slopes = [(after - before) / (rates[1] - rates[0]) for before, after in pairwise(drawn)]
    assert all(after >= before - 1e-6 for before, after in pairwise(slopes))
    points = [included + (most - included) * k / PIECES for k in range(PIECES + 1)]
    for rate in points:
        expected = rate * ((1 + (rate - included) / 100) ** (1 / elasticity) - 1)
        assert response.surcharge(rate, most) == pytest.approx(expected, abs=1e-9)
    # The audit draws the same from the definition, by interpolation.
    assert surcharge_between_points(response, np.array(rates), most).tolist() == pytest.approx(drawn, abs=1e-9)


def test_audit_is_loud_where_the_cost_is_that_of_flat_prices(cell: Cell, solve: Solve) -> None:
    result = solve(cell(MAGNETS, IMPORTS % "", RESERVE % DEARER))
    assert audit_result(so.read(result.data), result).ok
    flat = replace(result, total_cost=result.total_cost - 12_000)
    assert any("cost" in str(each) for each in audit_result(so.read(result.data), flat).disagreements)


def test_what_is_not_convex_is_refused(refused: Callable[..., list[str]]) -> None:
    cheaper = ", price_response: {elasticity: -0.5, reference: 80}"
    (said,) = refused(MAGNETS, IMPORTS % "", RESERVE % cheaper)
    assert "is not above 0: the cost is not convex" in said
    assert "an option with a fixed_cost" in said
    (said,) = refused(
        MAGNETS, IMPORTS % ", price_response: {elasticity: 4, reference: 10, included: 100}", RESERVE % ""
    )
    assert "is so much of reference (10) that the cost is not convex" in said
    (said,) = refused(MAGNETS, (IMPORTS % ", price_response: {elasticity: 1, reference: 10}").replace("10,", "-10,"))
    assert "the cost would not be convex" in said
    (said,) = refused(MAGNETS, IMPORTS % "", (RESERVE % DEARER).replace("fill_rate: 80, ", ""))
    assert "price_response without a fill_rate" in said


def test_an_elasticity_without_end_is_a_flat_price(cell: Cell, solve: Solve) -> None:
    flat = ", price_response: {elasticity: 1e9, reference: 80}"
    result = solve(cell(MAGNETS, IMPORTS % "", RESERVE % flat))
    assert result.total_cost == pytest.approx(6_000, rel=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "left", "elasticity"),
    [
        # Chinese exports 40,200 t in 2010 and 16,900 t in 2011; Nd metal 60 USD/kg in July 2010, 417 at the peak.
        (60.0, 417.0, 16_900 / 40_200, 0.45),
        # The same two years later, 16,265 t: Nd oxide 41 USD/kg in July 2010, 77.5 at the end of 2012.
        (41.3, 77.5, 16_265 / 40_200, 1.44),
        # Dysprosium exports fell by 35 % over 2025; Europe 280 USD/kg in April, 800 in July.
        (280.0, 800.0, 0.65, 0.41),
    ],
)
def test_prices_of_2010_to_2012_and_2025_imply_the_elasticities_of_the_manual(
    before: float, after: float, left: float, elasticity: float
) -> None:
    # A market that loses a share is as short as one in which somebody buys that much more of what is left.
    assert math.log(1 / left) / math.log(after / before) == pytest.approx(elasticity, abs=0.005)
    most = 1 / left - 1
    response = PriceResponse(elasticity=elasticity, reference=1.0)
    assert 1 + response.surcharge(most, most) / most == pytest.approx(after / before, rel=0.03)


def test_evaluation_of_a_given_plan_pays_the_same(cell: Cell) -> None:
    instance = cell(MAGNETS, IMPORTS % "", RESERVE % DEARER)
    found = so.solve(instance)
    judged = so.evaluate(instance, found.plan)
    assert judged.plans[0].result.total_cost == pytest.approx(18_000)
    assert judged.plans[0].result.outlay == pytest.approx(16_000)


@pytest.mark.parametrize("strategy", ["constraint-generation", "benders"])
def test_strategies_agree(cell: Cell, strategy: StrategyName) -> None:
    text = MAGNETS.replace("severity: 1}]", "severity: 1}], probability: 0.5")
    instance = cell(text, IMPORTS % ", price_response: {elasticity: 0.5, reference: 300}", RESERVE % DEARER)
    whole = so.solve(instance, settings=so.Settings(mip_gap=0.0, strategy="extensive-form"))
    found = so.solve(instance, settings=so.Settings(mip_gap=0.0, strategy=strategy))
    assert found.total_cost == pytest.approx(whole.total_cost, rel=1e-6)


def test_what_is_committed_in_futures_costs_what_the_market_asks(cell: Cell) -> None:
    # The larger floor, 0.79 of 101 t, has to be there in both futures, whatever the answer is; near 80 t everything
    # costs nearly four times 50 USD.
    more = "{set: {demands.all.quantity: {2026: 100, 2027: 101}}}"
    futures = f"futures: {{need: {{from: 2027, branches: {{more: {more}, same: {{}}}}}}}}"
    instance = cell(MAGNETS.replace("0.8", "{2026: 0.8, 2027: 0.79}"), IMPORTS % "", RESERVE % DEARER, futures)
    found = so.solve_futures(instance, settings=so.Settings(mip_gap=0.0))
    (reserve,) = found.decisions
    assert reserve.size == pytest.approx(79.79)
    assert sum(reserve.paid) / 2 == pytest.approx(found.futures[0].result.outlay)
    assert reserve.paid[0] > 3.9 * 50 * 79.79


@pytest.mark.parametrize(
    ("change", "cost"),
    [
        # The surcharge of 30 t is 30·0.3 = 9 t in pieces of 10 t/yr, and 10 t in pieces of 20 t/yr: it lies between
        # 20·0.2 = 4 and 40·0.4 = 16 t. Each future pays its own: 600 + 20·10 and 600 + 20·9 USD.
        ("fill_rate: 160", 800),
        # A price that nothing raises in one future: 600 USD there.
        ("price_response.included: 80", 600),
    ],
)
def test_each_future_pays_the_surcharge_of_its_own_market(cell: Cell, change: str, cost: float) -> None:
    reserve = "options: {reserve: {kind: stockpile, commodity: magnet, price: 20, fill_rate: 80, price_response: %s}}"
    branches = f"{{other: {{set: {{options.reserve.{change}}}}}, same: {{}}}}"
    futures = f"futures: {{market: {{from: 2027, branches: {branches}}}}}"
    response = "{elasticity: 1, reference: 100}"
    instance = cell(MAGNETS.replace("0.8", "0.3"), IMPORTS % "", reserve % response, futures)
    found = so.solve_futures(instance, settings=so.Settings(mip_gap=0.0))
    assert found.survives
    assert [each.result.outlay for each in found.futures] == pytest.approx([cost, 780])
