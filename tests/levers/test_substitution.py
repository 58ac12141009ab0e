"""Substitution: part of one segment is served without magnets. Imports cost 10 USD/t, a reserve 50 USD/t."""

import pytest

from tests.conftest import Cell, Printed, Solve

QUARTERS = """
horizon: {start: 2026, end: 2026, step: quarter}
home: home
commodities: {magnet: {}, ferrite: {}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}
  ceramics: {region: home, stage: ferrite, output: {ferrite: 1}, capacity: 60, cost: 3}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}}
"""
YEARS = QUARTERS.replace("quarter", "year").replace("end: 2026", "end: 2027")
RESERVE = "reserve: {kind: stockpile, commodity: magnet, price: 50}"


def test_share_is_of_the_surged_demand_and_size_is_per_year(cell: Cell, solve: Solve) -> None:
    # One quarter: 25 t, surged to 25*1.6 = 40; floor 20. At most 0.3*40 = 12 t may be substituted: 48 t/yr at 5 = 240,
    # 20 per t. The reserve, at 50 per t, gives the other 8 t: 400. Six months of lead are just in time. Baseline 1000.
    # Total 1640.
    result = solve(
        cell(
            QUARTERS,
            "options: {motor: {kind: substitution, demand: all, max_share: 0.3, cost: 100, capex: 5, max_size: 100, "
            "lead_time: 6},",
            f"  {RESERVE}}}",
            "shocks: {embargo: {start: 2026Q3, months: 3, cuts: [{region: rival, severity: 1}], demand: {all: 1.6}}}",
        )
    )
    assert [build.size for build in result.plan.builds] == [pytest.approx(48)]
    assert result.total_cost == pytest.approx(1640)
    assert result.shocks[0].flows["motor", "substituted"] == (pytest.approx(12),)


def test_cheap_substitute_is_used_without_shocks_up_to_its_share(cell: Cell, solve: Solve) -> None:
    # It costs 4 against 10 and 5 per t/yr to have: 1 saved per t. At most 0.3*25 = 7.5 t a quarter, 30 t/yr. Total 1000
    # - 30 = 970.
    result = solve(
        cell(
            QUARTERS,
            "options: {motor: {kind: substitution, demand: all, max_share: 0.3, cost: 4, capex: 5, max_size: 100}}",
        )
    )
    assert result.baseline is not None
    assert result.baseline["motor", "substituted"] == (pytest.approx(7.5),) * 4
    assert result.total_cost == pytest.approx(970)


def test_input_of_a_substitute_can_run_out(cell: Cell, solve: Solve) -> None:
    # Two tonnes of ferrite per tonne avoided, 60 t/yr to be had: 30 t at 10 = 300. Floor 50: 20 t of reserve = 1000.
    # Baseline 2000. Total 3300.
    result = solve(
        cell(
            YEARS,
            f"options: {{motor: {{kind: substitution, demand: all, cost: 90, input: {{ferrite: 2}}, capex: 10, "
            f"max_size: 100}}, {RESERVE}}}",
            "shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert [build.size for build in result.plan.builds] == [pytest.approx(30)]
    assert result.total_cost == pytest.approx(3300)
    assert result.shocks[0].flows["ceramics", "activity"] == (pytest.approx(60),)


def test_a_shock_never_cuts_a_substitute_but_may_make_it_dearer(cell: Cell, solve: Solve) -> None:
    # Everything is cut, yet 50 t are substituted, size 50 at 10 = 500. With probability 0.2 the shock costs 50*(8*3) to
    # substitute and 50*1000 in shortage: more size is worth 0.2*(1000 - 24) = 195 a t, so size 80 (max): 800; Q = 80*24
    # + 20*1000 = 21920. Without it substitution is cheaper, 8 against 10: both years 80*8 + 20*10 = 840. Total 800 +
    # 840 + 840 + 0.2*(21920 - 840) = 6696.
    result = solve(
        cell(
            YEARS,
            "options: {motor: {kind: substitution, demand: all, cost: 8, capex: 10, max_size: 80, latest: 2026}}",
            "shocks: {embargo: {start: 2027, months: 12, probability: 0.2, cuts: [{region: [rival, home], "
            "severity: 1}], "
            "cost: {motor: 3}}}",
        )
    )
    assert result.shocks[0].flows["motor", "substituted"] == (pytest.approx(80),)
    assert result.total_cost == pytest.approx(6696)


def test_substitute_serves_its_own_segment_only(cell: Cell, solve: Solve) -> None:
    # Two segments of 100 t, floor 0.5 each: the substitute of `all` cannot help `defence`, which needs 50 t of reserve
    # at 50. 50*10 + 50*50 + baseline 2 * 200 * 10 = 500 + 2500 + 4000 = 7000.
    result = solve(
        cell(
            YEARS.replace(
                "demands: {",
                "demands: {defence: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 1000}, ",
            ),
            f"options: {{motor: {{kind: substitution, demand: all, cost: 90, capex: 10, max_size: 300}}, {RESERVE}}}",
            "shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.total_cost == pytest.approx(7000)


def test_rows(cell: Cell, printed: Printed) -> None:
    # Two halves with ramp: works with 0.5 in its first twelve months. 25 t a quarter, 40 in the shock. Share 0.3 is a
    # column's bound.
    instance = cell(
        QUARTERS,
        "options: {motor: {kind: substitution, demand: all, max_share: 0.3, input: {ferrite: 2}, ramp: [0.5, 1], "
        "max_size: 100}}",
        "shocks: {embargo: {start: 2026Q3, months: 3, cuts: [{region: rival, severity: 1}], demand: {all: 1.6}}}",
    )
    assert printed(instance, "motor", "capacity")[-1] == (
        "embargo/motor.capacity.2026Q3: + 1 embargo/motor.substituted.2026Q3 - 0.125 motor.size.2026Q1 <= 0"
    )
    assert printed(instance, "all", "demand") == [
        *[
            f"baseline/all.demand.2026Q{q}: + 1 baseline/all.unserved.2026Q{q} + 1 "
            f"baseline/motor.substituted.2026Q{q} <= 25"
            for q in (1, 2, 3, 4)
        ],
        "embargo/all.demand.2026Q3: + 1 embargo/all.unserved.2026Q3 + 1 embargo/motor.substituted.2026Q3 <= 40",
    ]
    assert printed(instance, "magnet", "balance")[-1] == (
        "embargo/magnet.balance.2026Q3: + 1 embargo/all.unserved.2026Q3 + 1 embargo/imports.activity.2026Q3"
        " + 1 embargo/motor.substituted.2026Q3 >= 40"
    )
    assert printed(instance, "ferrite", "balance")[-1] == (
        "embargo/ferrite.balance.2026Q3: + 1 embargo/ceramics.activity.2026Q3 - 2 embargo/motor.substituted.2026Q3 >= 0"
    )


def test_substitute_with_a_fixed_cost_is_all_there_is(cell: Cell, solve: Solve) -> None:
    # No process supplies magnets. For 80 t: 1000 + 80*10 = 1800, then in each of two years 80*60 = 4800, and 20 t
    # unserved at 500 = 10000. Total 31400. The floor is 60 t in the surge.
    result = solve(
        cell(
            "horizon: {start: 2027, end: 2028, step: year}",
            "commodities: {magnet: {}}",
            "demands: {all: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 500}}",
            "options: {motor: {kind: substitution, demand: all, max_size: 80, fixed_cost: 1000, capex: 10, cost: 60}}",
            "shocks: {surge: {start: 2028, months: 12, demand: {all: 1.2}}}",
        )
    )
    assert result.survives
    assert result.total_cost == pytest.approx(31400)


def test_unknown_segment_is_refused(refused) -> None:
    said = refused(QUARTERS, "options: {motor: {kind: substitution, demand: al, max_size: 100}}")
    assert said == ['options.motor.demand: "al" is no segment. Did you mean "all"?']


def test_share_in_per_cent_is_refused(refused) -> None:
    said = refused(QUARTERS, "options: {motor: {kind: substitution, demand: all, max_size: 100, max_share: 30%}}")
    (only,) = said
    assert only.startswith('options.motor.max_share: "30%" is a percentage. Write 0.3 for a share or a factor;')
