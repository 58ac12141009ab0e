"""Refining: a plant at home. Imports cost 10 USD/t, ore from the rival 1 USD/t."""

import pytest

from tests.conftest import Cell, Printed, Solve

YEARS = """
horizon: {start: 2026, end: 2027, step: year}
home: usa
commodities: {magnet: {}, ore: {}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}
  ores: {region: rival, stage: mine, output: {ore: 1}, capacity: 1000, cost: 1}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.6, shortage_cost: 1000}}
"""
MAGNETS = "shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, stage: magnet, severity: 1}]}}"
PLANT = "kind: refining, stage: magnet, input: {ore: 1.5}, output: {magnet: 1}, cost: 20"


@pytest.mark.parametrize(
    ("floor", "option", "capex"),
    # A lumpy plant costs 900 + 5 per t/yr, a workshop 30 per t/yr: they cost the same at 36 t/yr.
    [(0.3, "workshop", 900), (0.4, "plant", 1100)],
)
def test_fixed_cost_pays_from_a_certain_size_on(
    cell: Cell, solve: Solve, floor: float, option: str, capex: float
) -> None:
    result = solve(
        cell(
            YEARS.replace("0.6", str(floor)),
            f"options: {{plant: {{{PLANT}, max_size: 100, capex: 5, fixed_cost: 900}},",
            f"  workshop: {{{PLANT}, max_size: 100, capex: 30}}}}",
            MAGNETS,
        )
    )
    assert {build.option for build in result.plan.builds} == {option}
    assert sum(build.size for build in result.plan.builds) == pytest.approx(100 * floor)
    assert result.total_cost == pytest.approx(2000 + capex)  # baseline 2 * 100 * 10
    assert result.outlay == pytest.approx(capex)


def test_minimum_size_is_bought_where_less_would_do(cell: Cell, solve: Solve) -> None:
    # 60 t/yr are needed, but no plant is smaller than 75: 75 * 8 = 600, once; and 75 * 2 of fixed opex in the year it
    # is there. Bought in 2027, since in 2026 it would cost its opex twice. Total 600 + 150 + 2000 = 2750; opex is not
    # the budget's.
    result = solve(
        cell(YEARS, f"options: {{plant: {{{PLANT}, max_size: 90, min_size: 75, capex: 8, fixed_opex: 2}}}}", MAGNETS)
    )
    assert [(build.year, build.size, build.opened) for build in result.plan.builds] == [(2027, pytest.approx(75), True)]
    assert result.total_cost == pytest.approx(2750)
    assert result.outlay == pytest.approx(600)


def test_fixed_opex_begins_after_the_lead_time_and_ignores_the_ramp(cell: Cell, solve: Solve) -> None:
    # Quarters, lead 6 months: bought in 2026Q1 (the only year allowed), there from 2026Q3. Ramp 0.8: 60/0.8 = 75 t/yr.
    # Fixed opex 4 per t/yr and year on all 75 from 2026Q3 to 2027Q4, six quarters: 75*4*6/4 = 450.
    # Capex 75*10 = 750, baseline 2000. Total 3200.
    result = solve(
        cell(
            YEARS.replace("year", "quarter"),
            f"options: {{plant: {{{PLANT}, max_size: 90, capex: 10, fixed_opex: 4, lead_time: 6, ramp: 0.8, "
            f"latest: 2026}}}}",
            MAGNETS.replace("2027", "2027Q2").replace("12", "3"),
        )
    )
    assert [build.size for build in result.plan.builds] == [pytest.approx(75)]
    assert result.costs["fixed opex"] == pytest.approx(450)
    assert result.total_cost == pytest.approx(3200)


def test_minimum_run_binds_without_shocks_but_not_in_a_shock(cell: Cell, solve: Solve) -> None:
    # Licensing (2027, two years) stops magnets only: 60 t a year. The embargo of 2029 stops the ore, too: 60 t of
    # reserve at 50. The same 60 t serve one year of licensing: of 120 t, 60 are left for the plant, 30 t/yr at 10. It
    # must run at half, 15 t a year at 20 + 1.5*1 against 10: bought in 2027 for three years, 3 * 15 * 11.5 = 517.5.
    # Total 3000 + 300 + 4*1000 + 517.5 = 7817.5. In the embargo the plant stands still, whatever it ought to run.
    result = solve(
        cell(
            YEARS.replace("2027", "2029"),
            f"options: {{plant: {{{PLANT}, max_size: 100, capex: 10, min_utilisation: 0.5}},",
            "  reserve: {kind: stockpile, commodity: magnet, price: 50}}",
            "shocks:",
            "  licensing: {start: 2027, months: 24, cuts: [{region: rival, stage: magnet, severity: 1}]}",
            "  embargo: {start: 2029, months: 12, cuts: [{region: rival, severity: 1}]}",
        )
    )
    assert result.survives
    assert result.total_cost == pytest.approx(7817.5)
    assert result.baseline is not None
    assert result.baseline["plant", "activity"] == (0, *[pytest.approx(15)] * 3)
    embargo = next(outcome for outcome in result.shocks if outcome.name == "embargo")
    assert embargo.flows["plant", "activity"] == (pytest.approx(0, abs=1e-6),)


def test_budget_share_holds_for_support_and_opening_as_well(cell: Cell, solve: Solve) -> None:
    # 60 t/yr at 10 and 100 to open = 700. It must run at half, 30 t, with 4 of support: 120. A quarter of both is the
    # budget's: 0.25 * 820 = 205, in the year 2027 (in 2026 it would run, dear, for another year). All of it is cost:
    # 700 + baseline 1000 + 30*(20 + 1.5 + 4) + 70*10 = 700 + 1000 + 765 + 700 = 3165.
    result = solve(
        cell(
            YEARS,
            f"options: {{plant: {{{PLANT}, support: 4, min_utilisation: 0.5, max_size: 60, capex: 10, fixed_cost: 100, "
            "budget_share: 0.25}}",
            MAGNETS,
            "policy: {budget: 205}",
        )
    )
    assert result.survives
    assert result.outlay == pytest.approx(205)
    assert result.total_cost == pytest.approx(3165)


def test_annual_budget_of_the_wrong_year_leaves_a_gap(cell: Cell, solve: Solve) -> None:
    # 300 may be spent in 2026, nothing in 2027: 300/10 = 30 t/yr. 30 t are missing below the floor.
    result = solve(
        cell(
            YEARS,
            f"options: {{plant: {{{PLANT}, max_size: 100, capex: 10}}}}",
            MAGNETS,
            "policy: {annual_budget: {2026: 300, 2027: 0}}",
        )
    )
    assert result.survival_gap == pytest.approx(30_000)
    assert sum(build.size for build in result.plan.builds) == pytest.approx(30, rel=1e-5)


def test_region_of_a_refinery_is_home_unless_told(cell: Cell, solve: Solve) -> None:
    # A storm at home takes half of the plant, whose region is not written: it needs 120 t/yr at 10. Baseline 2000.
    # Total 3200.
    result = solve(
        cell(
            YEARS,
            f"options: {{plant: {{{PLANT}, max_size: 200, capex: 10}}}}",
            "shocks: {storm: {start: 2027, months: 12, cuts: [{region: rival, stage: magnet, severity: 1}, "
            "{region: home, severity: 0.5}]}}",
        )
    )
    assert sum(build.size for build in result.plan.builds) == pytest.approx(120)
    assert result.total_cost == pytest.approx(3200)


def test_requires_allows_the_same_year_and_a_later_one_but_not_an_earlier_one(cell: Cell, solve: Solve) -> None:
    # The plant is needed in 2026 already (60 t, shock in 2026), the line it requires may be opened from 2027 on only.
    # So no plan survives: 60 t below the floor.
    text = (
        YEARS,
        (
            f"options: {{plant: {{{PLANT}, max_size: 100, capex: 1, fixed_cost: 5, requires: line}},"
            " line: {kind: refining, output: {ore: 1}, cost: 2, max_size: 10, fixed_cost: 7, earliest: 2027}}"
        ),
    )
    shock = "shocks: {embargo: {start: %d, months: 12, cuts: [{region: rival, stage: magnet, severity: 1}]}}"
    early = solve(cell(*text, shock % 2026))
    assert early.survival_gap == pytest.approx(60_000)
    # In 2027 both are opened at once: 60*1 + 5 + 7 = 72; the line at size 0. Baseline 2000.
    late = solve(cell(*text, shock % 2027))
    assert late.total_cost == pytest.approx(2072)
    assert {(build.option, build.year) for build in late.plan.builds} == {("plant", 2027), ("line", 2027)}


def test_rows(cell: Cell, printed: Printed) -> None:
    instance = cell(
        YEARS,
        f"options: {{plant: {{{PLANT}, max_size: 90, fixed_cost: 5, requires: mine}},",
        "  mine: {kind: refining, stage: mine, output: {ore: 1}, cost: 2, max_size: 80, min_size: 10, excludes: pit},",
        "  pit: {kind: refining, stage: mine, output: {ore: 1}, cost: 2, max_size: 80, min_size: 10, earliest: 2027}}",
        MAGNETS,
    )
    assert printed(instance, "plant", "requires_mine") == [
        "plant.requires_mine.2026: - 1 mine.by.2026 + 1 plant.by.2026 <= 0",
        "plant.requires_mine.2027: - 1 mine.by.2027 + 1 plant.by.2027 <= 0",
    ]
    assert printed(instance, "mine", "excludes_pit") == ["mine.excludes_pit: + 1 mine.by.2027 + 1 pit.by.2027 <= 1"]
    # Ore has no demand: what the mine, the pit and the rival give is at least 1.5 t per t of magnet.
    assert printed(instance, "ore", "balance")[1] == (
        "baseline/ore.balance.2027: + 1 baseline/mine.activity.2027 + 1 baseline/ores.activity.2027"
        " + 1 baseline/pit.activity.2027 - 1.5 baseline/plant.activity.2027 >= 0"
    )


def test_unknown_input_is_refused(refused) -> None:
    said = refused(YEARS, f"options: {{plant: {{{PLANT.replace('ore', 'oer')}, max_size: 90}}}}", MAGNETS)
    assert said == ['options.plant.input.oer: "oer" is no commodity. Did you mean "ore"?']


def test_minimum_above_maximum_is_refused(refused) -> None:
    said = refused(YEARS, f"options: {{plant: {{{PLANT}, max_size: 90, min_size: 91}}}}", MAGNETS)
    assert said == ["options.plant.min_size: min_size (91) exceeds max_size (90). Lower min_size or raise max_size."]
