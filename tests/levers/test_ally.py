"""Ally: every cell has imports at 10 USD/t that a shock takes away, and an ally that costs 40 USD/t to run."""

import pytest

from tests.conftest import Cell, Printed, Solve

QUARTERS = """
horizon: {start: 2026, end: 2027, step: quarter}
home: home
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.6, shortage_cost: 1000}}
"""
YEARS = QUARTERS.replace("quarter", "year")
FRIEND = "kind: ally, region: friend, stage: magnet, output: {magnet: 1}, cost: 40"


@pytest.mark.parametrize("lead_time", [7, 8.5, 9])
def test_lead_time_is_rounded_up_to_whole_quarters(cell: Cell, solve: Solve, lead_time: float) -> None:
    # Seven to nine months are three quarters: bought in 2026Q1, working in 2026Q4, when the embargo begins.
    # Floor 0.6 of 25 t = 15 t in the quarter = 60 t/yr at 30 = 1800; baseline 8 quarters * 25 * 10 = 2000. Total 3800.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{friend: {{{FRIEND}, max_size: 300, capex: 30, lead_time: {lead_time}}}}}",
            "shocks: {embargo: {start: 2026Q4, months: 3, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.survives
    assert result.total_cost == pytest.approx(3800)
    assert result.outlay == pytest.approx(1800)
    assert [(build.period, build.size) for build in result.plan.builds] == [("2026Q1", pytest.approx(60))]
    assert result.shocks[0].flows["friend", "activity"] == (pytest.approx(15),)


def test_lead_time_of_a_day_too_long_misses_the_quarter(cell: Cell, solve: Solve) -> None:
    # 9.03 months are four quarters: the ally works from 2027Q1 only. 15 t below the floor at 1000; nothing is worth
    # buying.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{friend: {{{FRIEND}, max_size: 300, capex: 30, lead_time: 9.03}}}}",
            "shocks: {embargo: {start: 2026Q4, months: 3, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.status == "gap"
    assert result.survival_gap == pytest.approx(15_000)
    assert result.total_cost == pytest.approx(2000)
    assert result.plan.builds == ()


@pytest.mark.parametrize(("start", "size"), [("2027Q1", 120), ("2027Q2", 80)])
def test_ramp_goes_by_twelve_months_in_quarters(cell: Cell, solve: Solve, start: str, size: float) -> None:
    # Bought in 2026Q1 with 3 months of lead: half works from 2026Q2 to 2027Q1 (four quarters), 3/4 from 2027Q2 on.
    # 15 t in the quarter are 60 t/yr: size 60/0.5 = 120 or 60/0.75 = 80, at 30 each; baseline 2000.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{friend: {{{FRIEND}, max_size: 300, capex: 30, lead_time: 3, ramp: [0.5, 0.75], "
            f"latest: 2026}}}}",
            f"shocks: {{embargo: {{start: {start}, months: 3, cuts: [{{region: rival, severity: 1}}]}}}}",
        )
    )
    assert [(build.t, build.size) for build in result.plan.builds] == [(0, pytest.approx(size))]
    assert result.total_cost == pytest.approx(2000 + 30 * size)


@pytest.mark.parametrize(("start", "size"), [("2027-02", 120), ("2027-03", 80), ("2027-12", 80)])
def test_ramp_goes_by_twelve_months_in_months(cell: Cell, solve: Solve, start: str, size: float) -> None:
    # Bought in 2026-01 with 2 months of lead: months 1 to 12 of work are 2026-03 to 2027-02; the last share given
    # stays.
    result = solve(
        cell(
            QUARTERS.replace("quarter", "month"),
            f"options: {{friend: {{{FRIEND}, max_size: 300, capex: 30, lead_time: 2, ramp: [0.5, 0.75], "
            f"latest: 2026}}}}",
            f"shocks: {{embargo: {{start: {start}, months: 1, cuts: [{{region: rival, severity: 1}}]}}}}",
        )
    )
    assert [build.size for build in result.plan.builds] == [pytest.approx(size)]
    assert result.total_cost == pytest.approx(2000 + 30 * size)


def test_purchase_waits_for_the_year_that_is_cheapest_in_present_value(cell: Cell, solve: Solve) -> None:
    # r = 0.25: discount factors 1, 0.8, 0.64. Capex 100 in 2026, 160 in 2028, so 130 in 2027; fixed opex 2 a year from
    # then on.
    #   2026: 100 + 2*(1 + 0.8 + 0.64) = 104.88     2027: 104 + 2*1.44 = 106.88     2028: 102.4 + 2*0.64 = 103.68
    # So 60 t/yr in 2028: 6220.8; baseline 1000*2.44 = 2440. Total 8660.8. The budget sees 60*160 = 9600, undiscounted,
    # no opex.
    result = solve(
        cell(
            YEARS.replace("2027", "2028") + "discount_rate: 0.25",
            f"options: {{friend: {{{FRIEND}, max_size: 300, capex: {{2026: 100, 2028: 160}}, fixed_opex: 2}}}}",
            "shocks: {embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert [(build.year, build.size) for build in result.plan.builds] == [(2028, pytest.approx(60))]
    assert result.total_cost == pytest.approx(8660.8)
    assert result.outlay == pytest.approx(9600)


def test_size_comes_in_whole_units(cell: Cell, solve: Solve) -> None:
    # 60 t/yr are needed, in lines of 35: two of them, 70 t/yr at 20 = 1400. Baseline 2000. Total 3400.
    result = solve(
        cell(
            YEARS,
            f"options: {{friend: {{{FRIEND}, max_size: 110, capex: 20, unit_size: 35}}}}",
            "shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert sum(build.size for build in result.plan.builds) == 70
    assert result.total_cost == pytest.approx(3400)


def test_max_size_that_is_no_multiple_of_the_unit_is_not_reached(cell: Cell, solve: Solve) -> None:
    # Lines of 35 within 69 t/yr: one only. 60 - 35 = 25 t below the floor at 1000.
    result = solve(
        cell(
            YEARS,
            f"options: {{friend: {{{FRIEND}, max_size: 69, capex: 20, unit_size: 35}}}}",
            "shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert sum(build.size for build in result.plan.builds) == 35
    assert result.survival_gap == pytest.approx(25_000)


def test_support_is_paid_in_the_baseline_only_and_the_budget_sees_all_of_it(cell: Cell, solve: Solve) -> None:
    # Bought in 2027: 40 t/yr * 10 = 400. It must run at half, 20 t, at 8 + 5 against 10: B(2027) = 20*13 + 80*10 =
    # 1060. Shock with probability 0.5: 40*8 + 60*100 = 6320, no support. Total 400 + 1000 + 0.5*1060 + 0.5*6320 = 5090.
    # Outlay 400 + 20*5 = 500: support counts in full, not weighted by the chance that there is no shock.
    result = solve(
        cell(
            YEARS.replace("1000}}", "100}}").replace("0.6", "0.4"),
            "options: {friend: {kind: ally, region: friend, stage: magnet, output: {magnet: 1}, cost: 8, support: 5, "
            "min_utilisation: 0.5, max_size: 40, capex: 10, earliest: 2027}}",
            "shocks: {embargo: {start: 2027, months: 12, probability: 0.5, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.baseline is not None
    assert result.baseline["friend", "activity"] == (0, pytest.approx(20))
    assert result.total_cost == pytest.approx(5090)
    assert result.outlay == pytest.approx(500)


def test_a_shock_may_cut_the_friend_and_make_it_dearer(cell: Cell, solve: Solve) -> None:
    # The shock takes a quarter of the friend, too: 60/0.75 = 80 t/yr at 20 = 1600. Running it costs 40*1.5 in the
    # shock. Q = 60*60 + 40*1000 = 43600, B_W = 1000: 0.1 * 42600 = 4260. Baseline 2000. More size serves t at 60 that
    # would cost 1000: a t/yr of size gives 0.75 t, worth 0.1*0.75*940 = 70.5 > 20, so the friend goes to its maximum,
    # 100 t/yr = 75 t. Capex 2000, Q = 75*60 + 25*1000 = 29500, 0.1*(29500 - 1000) = 2850. Total 2000 + 2000 + 2850 =
    # 6850.
    result = solve(
        cell(
            YEARS,
            f"options: {{friend: {{{FRIEND}, max_size: 100, capex: 20}}}}",
            "shocks: {embargo: {start: 2027, months: 12, probability: 0.1, cost: {friend: 1.5},",
            "  cuts: [{region: rival, severity: 1}, {region: friend, severity: 0.25}]}}",
        )
    )
    assert result.shocks[0].flows["friend", "activity"] == (pytest.approx(75),)
    assert result.total_cost == pytest.approx(6850)


ROWS = """
options:
  friend: {kind: ally, region: friend, stage: magnet, output: {magnet: 1}, cost: 40, capex: 30, lead_time: 7,
      ramp: [0.5, 1],
           max_size: 300, min_size: 40, unit_size: 20, min_utilisation: 0.2}
shocks: {embargo: {start: 2027Q4, months: 3, cuts: [{region: rival, severity: 1}, {process: friend, severity: 0.2}]}}
"""


def test_rows_of_sizes(cell: Cell, printed: Printed) -> None:
    instance = cell(QUARTERS, ROWS)
    assert printed(instance, "friend", "max") == ["friend.max: + 1 friend.size.2026Q1 + 1 friend.size.2027Q1 <= 300"]
    # Open by a year: either opened then, or open before; at most 1, so opened once.
    assert printed(instance, "friend", "by") == [
        "friend.by.2026Q1: + 1 friend.by.2026Q1 - 1 friend.open.2026Q1 == 0",
        "friend.by.2027Q1: - 1 friend.by.2026Q1 + 1 friend.by.2027Q1 - 1 friend.open.2027Q1 == 0",
    ]
    assert printed(instance, "friend", "least")[0] == (
        "friend.least.2026Q1: - 40 friend.open.2026Q1 + 1 friend.size.2026Q1 >= 0"
    )
    assert printed(instance, "friend", "most")[1] == (
        "friend.most.2027Q1: - 300 friend.open.2027Q1 + 1 friend.size.2027Q1 <= 0"
    )
    assert printed(instance, "friend", "whole")[0] == (
        "friend.whole.2026Q1: + 1 friend.size.2026Q1 - 20 friend.units.2026Q1 == 0"
    )


def test_rows_of_capacity_and_minimum_run(cell: Cell, printed: Printed) -> None:
    # Seven months are 3 quarters. In 2027Q4 (t = 7) the size of 2026Q1 has worked for 4 quarters since 2026Q4 and is in
    # its second year (ramp 1), that of 2027Q1 begins (ramp 0.5). A quarter is 0.25 years; the shock leaves 0.8 of the
    # ally: 0.8*0.25 = 0.2 and 0.8*0.25*0.5 = 0.1. Baseline run: 0.2*0.25 = 0.05 and 0.2*0.25*0.5 = 0.025.
    instance = cell(QUARTERS, ROWS)
    capacity = printed(instance, "friend", "capacity")
    assert capacity[-1] == (
        "embargo/friend.capacity.2027Q4: + 1 embargo/friend.activity.2027Q4"
        " - 0.2 friend.size.2026Q1 - 0.1 friend.size.2027Q1 <= 0"
    )
    assert capacity[0] == (  # nothing works before, so there are no rows, only bounds
        "baseline/friend.capacity.2026Q4: + 1 baseline/friend.activity.2026Q4 - 0.125 friend.size.2026Q1 <= 0"
    )
    run = printed(instance, "friend", "run")
    assert run[3:] == [  # before that nothing works, and the rows say only that nothing negative runs
        "baseline/friend.run.2026Q4: + 1 baseline/friend.activity.2026Q4 - 0.025 friend.size.2026Q1 >= 0",
        "baseline/friend.run.2027Q1: + 1 baseline/friend.activity.2027Q1 - 0.025 friend.size.2026Q1 >= 0",
        "baseline/friend.run.2027Q2: + 1 baseline/friend.activity.2027Q2 - 0.025 friend.size.2026Q1 >= 0",
        "baseline/friend.run.2027Q3: + 1 baseline/friend.activity.2027Q3 - 0.025 friend.size.2026Q1 >= 0",
        "baseline/friend.run.2027Q4: + 1 baseline/friend.activity.2027Q4"
        " - 0.05 friend.size.2026Q1 - 0.025 friend.size.2027Q1 >= 0",
    ]


def test_missing_maximum_is_refused(refused) -> None:
    said = refused(QUARTERS, f"options: {{friend: {{{FRIEND}, capex: 30}}}}")
    assert said == ["options.friend.max_size: max_size is missing. Add `max_size:`."]


def test_ramp_in_per_cent_is_refused(refused) -> None:
    said = refused(QUARTERS, f"options: {{friend: {{{FRIEND}, max_size: 300, ramp: [50, 1]}}}}")
    assert said == ["options.friend.ramp.0: 50 is not a share between 0 and 1. Write 0.5 for 50 %."]
