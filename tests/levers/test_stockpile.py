"""Stockpile: bought and held in the baseline, released only inside shocks. Imports of 100 t/yr cost 10 USD/t."""

import pytest

from tests.conftest import Cell, Printed, Solve

YEARS = """
horizon: {start: 2026, end: 2027, step: year}
home: home
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 1000}}
"""
QUARTERS = YEARS.replace("year", "quarter").replace("2027", "2026")
RESERVE = "kind: stockpile, commodity: magnet, price: 50"


def test_loss_holding_and_salvage_in_present_value(cell: Cell, solve: Solve) -> None:
    # Of k(2026) the shock's year leaves 0.8: k(2026) = 80/0.8 = 100 t at 40 = 4000. Discount factors 1, 0.8; 0.64 at
    # the end. Holding 3 per t and year on k = 100 and, as the baseline releases nothing, 0.8*100 = 80: 300 + 0.8*240 =
    # 492. Salvage: half of the last year's price, 60, for 80 t, at the end of 2027: 0.64*0.5*60*80 = 1536. Baseline
    # 1000 + 800. Total 4000 + 492 - 1536 + 1800 = 4756; the outlay knows no salvage: 4000.
    result = solve(
        cell(
            YEARS + "discount_rate: 0.25",
            "options: {reserve: {kind: stockpile, commodity: magnet, price: {2026: 40, 2027: 60}, holding_cost: 3, "
            "loss: 0.2,",
            "  salvage: 0.5, max_size: 150}}",
            "shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.plan.fills["reserve"] == (pytest.approx(100), 0)
    assert result.plan.stocks["reserve"] == (pytest.approx(100), pytest.approx(80))
    assert result.total_cost == pytest.approx(4756)
    assert result.outlay == pytest.approx(4000)


def test_filling_takes_time_and_starts_no_earlier_than_it_must(cell: Cell, solve: Solve) -> None:
    # Floor 1: 25 t before 2026Q4. Fill rate 40 t/yr = 10 a quarter, holding 4 per t and year = 1 a quarter: 5, 10, 10.
    # What is bought in Q4 itself comes too late. Held at the end of Q1 … Q4: 5 + 15 + 25 + 25 = 70 t. Total 1250 + 70 +
    # 1000 = 2320.
    result = solve(
        cell(
            QUARTERS.replace("0.8", "1"),
            f"options: {{reserve: {{{RESERVE}, holding_cost: 4, fill_rate: 40}}}}",
            "shocks: {embargo: {start: 2026Q4, months: 3, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.plan.fills["reserve"] == tuple(pytest.approx(fill) for fill in (5, 10, 10, 0))
    assert result.total_cost == pytest.approx(2320)


def test_release_rate_can_be_too_slow(cell: Cell, solve: Solve) -> None:
    # 100 t lie there, but only 60 t/yr = 15 a quarter come out; the floor is 20. Two quarters: 2 * 5 t short at 1000.
    # Inside the shock the stock falls from 100 to 85 to 70; outside it stays where it is. Nothing is bought: total
    # 1000.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{reserve: {{{RESERVE}, initial: 100, release_rate: 60}}}}",
            "shocks: {embargo: {start: 2026Q3, months: 6, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.survival_gap == pytest.approx(10_000)
    assert result.total_cost == pytest.approx(1000)
    assert result.shocks[0].flows["reserve", "released"] == (pytest.approx(15), pytest.approx(15))
    assert result.shocks[0].flows["reserve", "left"] == (pytest.approx(85), pytest.approx(70))
    assert result.plan.stocks["reserve"] == (pytest.approx(100),) * 4


def test_stock_is_never_used_without_shocks(cell: Cell, solve: Solve) -> None:
    # 100 t lie there for nothing, each tonne imported costs 10: the baseline buys all 200 t nevertheless.
    result = solve(cell(YEARS, f"options: {{reserve: {{{RESERVE}, initial: 100}}}}"))
    assert result.total_cost == pytest.approx(2000)


def test_each_shock_finds_the_stock_whole(cell: Cell, solve: Solve) -> None:
    # Two embargoes of a quarter, one at a time: the same 20 t serve both. 20*50 + 1000 = 2000.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{reserve: {{{RESERVE}}}}}",
            "shocks: {embargo: {start: [2026Q2, 2026Q4], months: 3, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.survives
    assert result.total_cost == pytest.approx(2000)


def test_stock_cannot_be_refilled_inside_the_window(cell: Cell, solve: Solve) -> None:
    # Three quarters of embargo need 60 t before the first; at most 40 fit. 20 t short at 1000; 40*50 + 1000 = 3000.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{reserve: {{{RESERVE}, max_size: 40}}}}",
            "shocks: {embargo: {start: 2026Q2, months: 9, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.survival_gap == pytest.approx(20_000)
    assert result.total_cost == pytest.approx(3000, rel=1e-5)


def test_release_cost_counts_with_the_probability_of_the_shock(cell: Cell, solve: Solve) -> None:
    # Shortage at 70 with probability 0.5 is worth 35 a tonne, less than 50: only the floor's 80 t are bought, 4000.
    # Q = 80*6 + 20*70 = 1880, B_W = 1000: 0.5*880 = 440. Baseline 2000. Total 6440.
    result = solve(
        cell(
            YEARS.replace("shortage_cost: 1000", "shortage_cost: 70"),
            f"options: {{reserve: {{{RESERVE}, release_cost: 6}}}}",
            "shocks: {embargo: {start: 2027, months: 12, probability: 0.5, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.total_cost == pytest.approx(6440)


def test_purchases_count_towards_the_budget_with_their_share(cell: Cell, solve: Solve) -> None:
    # The budget of 1500 pays 0.4 of each tonne, 20: 75 t. 80 t are needed: 5 t short at 1000. Cost 75*50 + 2000 = 5750.
    result = solve(
        cell(
            YEARS,
            f"options: {{reserve: {{{RESERVE}, budget_share: 0.4}}}}",
            "shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}",
            "policy: {budget: 1500}",
        )
    )
    assert result.survival_gap == pytest.approx(5000)
    assert result.total_cost == pytest.approx(5750, rel=1e-5)
    assert result.outlay == pytest.approx(1500, rel=1e-5)


def test_rows(cell: Cell, printed: Printed) -> None:
    # A year leaves 0.0625, a quarter 0.0625^(1/4) = 0.5. Initial 12 t: 0.5*12 = 6 at the end of the first quarter.
    # Bought in 2027 only; so the rows of 2026 have no fill.
    instance = cell(
        QUARTERS.replace("end: 2026", "end: 2027"),
        f"options: {{reserve: {{{RESERVE}, initial: 12, loss: 0.9375, earliest: 2027}}}}",
        "shocks:",
        "  now: {start: 2026, months: 3, cuts: [{region: rival, severity: 1}]}",
        "  later: {start: 2027Q2, months: 6, cuts: [{region: rival, severity: 1}]}",
    )
    stock = printed(instance, "reserve", "stock")
    assert stock[0] == "reserve.stock.2026Q1: + 1 reserve.stock.2026Q1 == 6"
    assert stock[1] == "reserve.stock.2026Q2: - 0.5 reserve.stock.2026Q1 + 1 reserve.stock.2026Q2 == 0"
    assert stock[4] == (
        "reserve.stock.2027Q1: - 1 reserve.fill.2027Q1 - 0.5 reserve.stock.2026Q4 + 1 reserve.stock.2027Q1 == 0"
    )
    # A shock in the first period meets the initial stock; a later one the stock of the period before it.
    assert printed(instance, "reserve", "left") == [
        "now/reserve.left.2026Q1: + 1 now/reserve.left.2026Q1 + 1 now/reserve.release.2026Q1 == 6",
        "later/reserve.left.2027Q2: + 1 later/reserve.left.2027Q2 + 1 later/reserve.release.2027Q2"
        " - 0.5 reserve.stock.2027Q1 == 0",
        "later/reserve.left.2027Q3: - 0.5 later/reserve.left.2027Q2 + 1 later/reserve.left.2027Q3"
        " + 1 later/reserve.release.2027Q3 == 0",
    ]


def test_salvage_without_a_maximum_is_refused(refused) -> None:
    said = refused(YEARS, f"options: {{reserve: {{{RESERVE}, salvage: 0.5}}}}")
    assert said == [
        "options.reserve: salvage is given without a max_size. Give the stockpile a max_size, or no salvage."
    ]


def test_initial_stock_above_the_maximum_is_refused(refused) -> None:
    said = refused(YEARS, f"options: {{reserve: {{{RESERVE}, initial: 60, max_size: 50}}}}")
    assert said == [
        "options.reserve: initial (60 t) does not fit max_size (50 t). Raise max_size to at least 60, or lower initial."
    ]


def test_capex_of_a_stockpile_is_refused(refused) -> None:
    said = refused(YEARS, f"options: {{reserve: {{{RESERVE}, capex: 60}}}}")
    assert said == [
        'options.reserve.capex: "capex" is an unknown key. '
        "Remove it: a stockpile is bought at `price`; it has no size, capex or lead time."
    ]
