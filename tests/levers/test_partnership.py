"""Partnership: a deal keeps part of an existing process flowing. The rival sells at most 100 t/yr at 10 USD/t."""

import pytest

from tests.conftest import Cell, Printed, Solve

YEARS = """
horizon: {start: 2026, end: 2028, step: year}
home: home
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 100, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 1000}}
"""
DEAL = "kind: partnership, process: imports"
RESERVE = "reserve: {kind: stockpile, commodity: magnet, price: 50}"


def test_several_deals_add_but_never_above_the_capacity(cell: Cell, solve: Solve) -> None:
    # Surge 1.5: floor 0.8*150 = 120 t. Half is cut: 50 t stay. One deal of 60 t secures 0.5*60 = 30 t, two of them 60:
    # 110 t, but the rival makes 100 t at most. The reserve gives 20 t. Deals come in one size, 60 t at 1: with one
    # only, 80 + 40 t of reserve. Two deals 120 + 20*50 = 1120; one 60 + 2000. Baseline 3000. Total 4120.
    result = solve(
        cell(
            YEARS,
            f"options: {{a: {{{DEAL}, min_size: 60, max_size: 60, capex: 1}}, b: {{{DEAL}, min_size: 60, "
            f"max_size: 60, capex: 1}}, {RESERVE}}}",
            "shocks: {embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 0.5}], demand: {all: 1.5}}}",
        )
    )
    assert {build.option for build in result.plan.builds} == {"a", "b"}
    assert result.shocks[0].flows["imports", "activity"] == (pytest.approx(100),)
    assert result.shocks[0].flows["reserve", "released"] == (pytest.approx(20),)
    assert result.total_cost == pytest.approx(4120)


def test_reliability_of_one_shock_replaces_the_deals_own(cell: Cell, solve: Solve) -> None:
    # The deal keeps 0.1 of what it secures, in licensing all of it. Licensing takes half: 50 + 0.5*1*C + R >= 90.
    # The embargo takes all, its floor is 0.3: 0.1*C + R >= 30. So 0.5 C + R >= 40 and 0.1 C + R >= 30.
    # At 6 a t of deal and 50 a t of reserve both bind: C = 25, R = 27.5: 150 + 1375 = 1525. Baseline 3000. Total 4525.
    result = solve(
        cell(
            YEARS,
            f"options: {{deal: {{{DEAL}, reliability: 0.1, max_size: 100, capex: 6}}, {RESERVE}}}",
            "shocks:",
            "  licensing: {start: 2027, months: 12, cuts: [{region: rival, severity: 0.5}], survival: {all: 0.9}, "
            "reliability: {deal: 1}}",
            "  embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 1}], survival: {all: 0.3}}",
        )
    )
    assert sum(build.size for build in result.plan.builds) == pytest.approx(25)
    assert max(result.plan.stocks["reserve"]) == pytest.approx(27.5)
    assert result.total_cost == pytest.approx(4525)


def test_lead_time_and_ramp_hold_for_deals(cell: Cell, solve: Solve) -> None:
    # Quarters. Signed in 2026Q1 (the last chance), 4 months of lead are two quarters: half works from 2026Q3 to 2027Q2.
    # 2027Q1: all 25 t are cut, the floor is 20 t: 0.5*C/4 = 20, C = 160 t/yr at 2 = 320. Baseline 3000. Total 3320.
    # That is more than the process makes in a year, 100 t; the deal is about what it secures, so the file may say so.
    result = solve(
        cell(
            YEARS.replace("year", "quarter"),
            f"options: {{deal: {{{DEAL}, max_size: 200, capex: 2, lead_time: 4, ramp: [0.5, 1], latest: 2026}}}}",
            "shocks: {embargo: {start: 2027, months: 3, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert [build.size for build in result.plan.builds] == [pytest.approx(160)]
    assert result.total_cost == pytest.approx(3320)


def test_deal_secures_only_the_share_that_is_cut(cell: Cell, solve: Solve) -> None:
    # A quarter is cut: 75 t stay, floor 80. A t secured is worth 0.25 t: 20 t/yr at 2 = 40. Baseline 3000. Total 3040.
    result = solve(
        cell(
            YEARS,
            f"options: {{deal: {{{DEAL}, max_size: 200, capex: 2}}}}",
            "shocks: {licensing: {start: 2028, months: 12, cuts: [{region: rival, severity: 0.25}]}}",
        )
    )
    assert sum(build.size for build in result.plan.builds) == pytest.approx(20)
    assert result.total_cost == pytest.approx(3040)


def test_deal_does_nothing_where_another_process_is_cut(cell: Cell, solve: Solve) -> None:
    # Ore is cut, not magnets: no deal about magnets makes magnets without ore. Gap 0.8*100*1000.
    result = solve(
        cell(
            YEARS.replace("{magnet: {}}", "{magnet: {}, ore: {}}")
            .replace("output:", "input: {ore: 1}, output:")
            .replace(
                "processes: {", "processes: {ores: {region: rival, stage: mine, output: {ore: 1}, capacity: 200}, "
            ),
            f"options: {{deal: {{{DEAL}, max_size: 200, capex: 2}}}}",
            "shocks: {embargo: {start: 2028, months: 12, cuts: [{process: ores, severity: 1}]}}",
        )
    )
    assert result.survival_gap == pytest.approx(80_000)
    assert result.plan.builds == ()


def test_rows(cell: Cell, printed: Printed) -> None:
    # A quarter's capacity is 25 t. Severities 0.8, then 0.4, then none. Deal a at 0.5: 0.8*0.5*0.25 = 0.1 and 0.05 t
    # per t/yr; deal b at the shock's 0.25: 0.8*0.25*0.25 = 0.05 and 0.025. Left: 25*0.2 = 5 t and 25*0.6 = 15 t.
    instance = cell(
        YEARS.replace("year", "quarter").replace("2028", "2026"),
        f"options: {{a: {{{DEAL}, reliability: 0.5, max_size: 90}}, b: {{{DEAL}, max_size: 80}}}}",
        "shocks: {embargo: {start: 2026Q2, months: 9, cuts: [{region: rival, severity: [0.8, 0.4, 0]}], "
        "reliability: {b: 0.25}}}",
    )
    assert printed(instance, "imports", "limit") == [
        "embargo/imports.limit.2026Q2: - 0.1 a.size.2026Q1 - 0.05 b.size.2026Q1 + 1 embargo/imports.activity.2026Q2 "
        "<= 5",
        "embargo/imports.limit.2026Q3: - 0.05 a.size.2026Q1 - 0.025 b.size.2026Q1"
        " + 1 embargo/imports.activity.2026Q3 <= 15",
    ]


def test_deal_with_a_process_that_is_not_there_is_refused(refused) -> None:
    said = refused(YEARS, "options: {deal: {kind: partnership, process: import, max_size: 50}}")
    assert said == ['options.deal.process: "import" is no existing process. Did you mean "imports"?']


def test_deal_about_an_option_is_refused(refused) -> None:
    said = refused(
        YEARS,
        "options: {deal: {kind: partnership, process: plant, max_size: 50},",
        "  plant: {kind: refining, output: {magnet: 1}, max_size: 50}}",
    )
    assert said == ['options.deal.process: "plant" is no existing process. Known: imports.']
