"""Recycling: limited by its capacity, and by the scrap that comes back."""

import pytest

from tests.conftest import Cell, Printed, Solve

QUARTERS = """
horizon: {start: 2026, end: 2027, step: quarter}
home: usa
commodities: {magnet: {}, scrap: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands:
  all: {commodity: magnet, quantity: 100, survival: 0.4, shortage_cost: 1000,
        end_of_life: {commodity: scrap, after_years: 3, collection_rate: 0.2, past_quantity: {2023: 100, 2024: 200}}}
"""
RECYCLER = "kind: recycling, stage: magnet, input: {scrap: 1.25}, output: {magnet: 1}"
RESERVE = "reserve: {kind: stockpile, commodity: magnet, price: 50}"
EMBARGO = "shocks: {embargo: {start: 2027Q2, months: 6, cuts: [{region: rival, severity: 1}]}}"


def test_scrap_of_the_year_limits_what_is_recycled(cell: Cell, solve: Solve) -> None:
    # 2027 gets back a fifth of the 200 t of 2024: 40 t, 10 in a quarter, which make 10/1.25 = 8 t of magnets. The floor
    # is 0.4*25 = 10 t in each of two quarters: 2 t a quarter from a reserve, 4 t at 50 = 200. The recycler: 8 t a
    # quarter = 32 t/yr at 20 = 640 (40 USD per t of reserve saved, against 50). Baseline 2000. Total 2840.
    result = solve(
        cell(QUARTERS, f"options: {{r: {{{RECYCLER}, cost: 30, capex: 20, max_size: 100}}, {RESERVE}}}", EMBARGO)
    )
    assert sum(build.size for build in result.plan.builds) == pytest.approx(32)
    assert result.total_cost == pytest.approx(2840)
    assert result.shocks[0].flows["r", "activity"] == (pytest.approx(8), pytest.approx(8))
    assert result.shocks[0].flows["reserve", "released"] == (pytest.approx(2), pytest.approx(2))


def test_scrap_is_not_kept_from_one_quarter_to_the_next(cell: Cell, solve: Solve) -> None:
    # 2026 gets back a fifth of 100 t: 5 t a quarter, 4 t of magnets; 2027 gives 8. Floors: 10 t in 2026Q4 and in
    # 2027Q1. 16 t/yr give 4 t in both quarters: 16*20 = 320 for 8 t of reserve at 50 = 400: bought, in 2026. Another 16
    # t/yr would give 4 t in 2027Q1 only, 320 for 200: not bought. The reserve covers 6 + 6 = 12 t = 600, though 2026
    # has three quarters of scrap that nobody used. Baseline 2000. Total 2920.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{r: {{{RECYCLER}, cost: 30, capex: 20, max_size: 100}}, {RESERVE}}}",
            EMBARGO.replace("2027Q2", "2026Q4"),
        )
    )
    assert [(build.period, build.size) for build in result.plan.builds] == [("2026Q1", pytest.approx(16))]
    assert result.total_cost == pytest.approx(2920)


def test_cheap_recycling_pays_for_itself_without_shocks(cell: Cell, solve: Solve) -> None:
    # At 2 USD/t against 10 it saves 8 a t. 2026: 4 t a quarter, 2027: 8. The first 16 t/yr cost 16*10 = 160 and save
    # 8*16 = 128 a year, 256 in all; the next 16 t/yr save 128 in 2027 only, for 160: not bought. Total 2000 + 160 - 256
    # = 1904.
    result = solve(cell(QUARTERS, f"options: {{r: {{{RECYCLER}, cost: 2, capex: 10, max_size: 100}}}}", "shocks: {}"))
    assert result.calm_builds == ("r",)
    assert result.total_cost == pytest.approx(1904)


def test_recycler_stands_at_home_and_can_be_cut_there(cell: Cell, solve: Solve) -> None:
    # A cut at home takes half of it: 64 t/yr give the 8 t that the scrap allows, for 1280 or 80 per t of reserve
    # saved. Above 50, so the reserve does it all: 2 * 10 t at 50 = 1000. Baseline 2000. Total 3000. (Unharmed it would
    # be 2840.)
    result = solve(
        cell(
            QUARTERS,
            f"options: {{r: {{{RECYCLER}, cost: 30, capex: 20, max_size: 100}}, {RESERVE}}}",
            EMBARGO.replace("severity: 1}", "severity: 1}, {region: home, severity: 0.5}"),
        )
    )
    assert result.plan.builds == ()
    assert result.total_cost == pytest.approx(3000)


def test_recycler_may_give_several_things_back(cell: Cell, solve: Solve) -> None:
    # Scrap gives 0.5 t of magnet alloy and 0.02 t of dysprosium: both floors need one plant. Dysprosium: 0.5 of 1 t
    # = 0.5 t needs 25 t of activity; magnets: 0.4*40 = 16 t need 32 t. Scrap 50 t. Size 32 at 5 = 160; baseline
    # 2*(40*10 + 1*100) = 1000. Total 1160.
    result = solve(
        cell(
            """
            horizon: {start: 2026, end: 2027, step: year}
            commodities: {magnet: {}, dy: {}, scrap: {}}
            processes:
              imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 10}
              dy_imports: {region: rival, output: {dy: 1}, capacity: 10, cost: 100}
            demands:
              all: {commodity: magnet, quantity: 40, survival: 0.4, shortage_cost: 1000,
                    end_of_life: {commodity: scrap, after_years: 9, past_quantity: 50}}
              hot: {commodity: dy, quantity: 1, survival: 0.5, shortage_cost: 9000}
            options: {r: {kind: recycling, input: {scrap: 1}, output: {magnet: 0.5, dy: 0.02}, cost: 70, capex: 5,
                max_size: 60}}
            shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}
            """
        )
    )
    assert sum(build.size for build in result.plan.builds) == pytest.approx(32)
    assert result.total_cost == pytest.approx(1160)


def test_rows(cell: Cell, printed: Printed) -> None:
    # Scrap: 0.2*100/4 = 5 t a quarter in 2026, 0.2*200/4 = 10 t in 2027; it is what the recycler may take.
    instance = cell(QUARTERS, f"options: {{r: {{{RECYCLER}, max_size: 100}}}}", EMBARGO)
    balance = printed(instance, "scrap", "balance")
    assert balance[3] == "baseline/scrap.balance.2026Q4: - 1.25 baseline/r.activity.2026Q4 >= -5"
    assert balance[4] == "baseline/scrap.balance.2027Q1: - 1.25 baseline/r.activity.2027Q1 >= -10"
    assert balance[8] == "embargo/scrap.balance.2027Q2: - 1.25 embargo/r.activity.2027Q2 >= -10"
    assert printed(instance, "r", "capacity")[-1] == (
        "embargo/r.capacity.2027Q3: + 1 embargo/r.activity.2027Q3 - 0.25 r.size.2026Q1 - 0.25 r.size.2027Q1 <= 0"
    )


def test_unknown_scrap_is_refused(refused) -> None:
    text = QUARTERS.replace("commodity: scrap,", "commodity: scrpa,")
    said = refused(text, f"options: {{r: {{{RECYCLER}, max_size: 100}}}}", EMBARGO)
    assert 'demands.all.end_of_life.commodity: "scrpa" is no commodity. Did you mean "scrap"?' in said


def test_half_years_of_life_are_refused(refused) -> None:
    text = QUARTERS.replace("after_years: 3", "after_years: 2.5")
    said = refused(text, f"options: {{r: {{{RECYCLER}, max_size: 100}}}}", EMBARGO)
    assert said == ["demands.all.end_of_life.after_years: 2.5 is not a whole number of years. Write 0, 1, 2 …"]
