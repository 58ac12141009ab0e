"""The network as it stands: balances, scrap, cuts, minimum runs, shares and budgets; as results and as printed rows."""

import pytest

import optimizer as so
from optimizer.algorithms.conflict import NOT_IRREDUCIBLE, find_conflict
from optimizer.solver import Clock, Settings
from tests.conftest import Cell, Printed, Solve

MAGNETS = """
home: home
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 1000, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.8, shortage_cost: 1000}}
"""


def years(end: int) -> str:
    return f"horizon: {{start: 2026, end: {end}, step: year}}"


def quarters(end: int) -> str:
    return f"horizon: {{start: 2026, end: {end}, step: quarter}}"


def test_demand_that_nothing_supplies_goes_unserved(cell: Cell, solve: Solve) -> None:
    # Nobody makes magnets: 40 t at 100 a tonne.
    text = "processes: {mine: {region: rival, output: {ore: 1}, capacity: 10}}\noptions: {}\nshocks: {}"
    demand = "demands: {all: {commodity: magnet, quantity: 40, shortage_cost: 100}}"
    result = solve(cell("home: home", quarters(2026), "commodities: {magnet: {}, ore: {}}", demand, text))
    assert result.baseline is not None
    assert result.baseline["all", "unserved"] == (pytest.approx(10),) * 4
    assert result.total_cost == pytest.approx(4000)


# Joint products


BASKET = """
horizon: {start: 2026, end: 2026, step: quarter}
commodities: {ndpr: {}, ce: {}, dy: {}}
processes:
  ore: {region: rival, stage: separation, output: {ndpr: 0.2, ce: 0.5, dy: 0.01}, capacity: 1000, cost: %s}
demands:
  motors: {commodity: ndpr, quantity: 40, shortage_cost: 9000}
  polish: {commodity: ce, quantity: 20, shortage_cost: 9000}
options: {}
shocks: {}
"""


def test_what_the_ore_yields_beyond_need_is_no_error(cell: Cell, solve: Solve) -> None:
    # 40 t of NdPr need 200 t of ore; that gives 100 t of cerium, 80 too many, and 2 t of dysprosium that nobody wants.
    result = solve(cell(BASKET % "5"))
    assert result.baseline is not None
    assert result.baseline["ore", "activity"] == (pytest.approx(50),) * 4
    assert result.baseline.of("unserved") == {"motors": (0,) * 4, "polish": (0,) * 4}
    assert result.total_cost == pytest.approx(1000)


def test_a_process_that_is_paid_runs_at_full_capacity(cell: Cell, solve: Solve) -> None:
    # A surplus that sells: 1000 t at -2.
    assert solve(cell(BASKET % "-2")).total_cost == pytest.approx(-2000)


def test_balances_are_inequalities_of_joint_products(cell: Cell, printed: Printed) -> None:
    instance = cell(BASKET % "5")
    assert printed(instance, "ndpr", "balance")[0] == (
        "baseline/ndpr.balance.2026Q1: + 1 baseline/motors.unserved.2026Q1 + 0.2 baseline/ore.activity.2026Q1 >= 10"
    )
    assert printed(instance, "dy", "balance")[3] == (
        "baseline/dy.balance.2026Q4: + 0.01 baseline/ore.activity.2026Q4 >= 0"
    )


def test_two_segments_share_one_commodity(cell: Cell, printed: Printed) -> None:
    # 100 + 60 t a year are 40 t a quarter; each segment has its own shortage.
    instance = cell(
        quarters(2026),
        MAGNETS.replace("demands: {", "demands: {defence: {commodity: magnet, quantity: 60, shortage_cost: 9000}, "),
    )
    assert printed(instance, "magnet", "balance")[0] == (
        "baseline/magnet.balance.2026Q1: + 1 baseline/all.unserved.2026Q1 + 1 baseline/defence.unserved.2026Q1"
        " + 1 baseline/imports.activity.2026Q1 >= 40"
    )


def test_shortage_goes_where_it_costs_least(cell: Cell, solve: Solve) -> None:
    # 120 t for 100 + 60: the 40 t short fall on the segment with 1000, not on the one with 9000.
    result = solve(
        cell(
            years(2026),
            MAGNETS.replace("capacity: 1000", "capacity: 120").replace(
                "demands: {", "demands: {defence: {commodity: magnet, quantity: 60, shortage_cost: 9000}, "
            ),
        )
    )
    assert result.baseline is not None
    assert result.baseline.of("unserved") == {"defence": (0,), "all": (pytest.approx(40),)}
    assert result.total_cost == pytest.approx(120 * 10 + 40_000)


# Scrap


SCRAP = MAGNETS.replace("{magnet: {}}", "{magnet: {}, scrap: {}}").replace(
    "quantity: 100, survival: 0.8, shortage_cost: 1000",
    "quantity: {2026: 80, 2028: 120}, survival: 0.1, shortage_cost: 1000, "
    "end_of_life: {commodity: scrap, after_years: 1, collection_rate: 0.5, past_quantity: {2020: 20, 2024: 60}}",
)
REMELT = "remelt: {region: home, stage: magnet, input: {scrap: 1}, output: {magnet: 1}, capacity: 500, cost: 1}"
WITH_REMELT = SCRAP.replace("processes: {", f"processes: {{{REMELT}, ")


def test_scrap_before_and_inside_the_horizon(cell: Cell, printed: Printed) -> None:
    # What was sold a year earlier, halved: 2025 is past, 60 t (flat after 2024); 2026 sold 80 t, 2027 sold 100 t
    # (interpolated).
    rows = printed(cell(years(2028), WITH_REMELT), "scrap", "balance")
    assert rows == [
        "baseline/scrap.balance.2026: - 1 baseline/remelt.activity.2026 >= -30",
        "baseline/scrap.balance.2027: - 1 baseline/remelt.activity.2027 >= -40",
        "baseline/scrap.balance.2028: - 1 baseline/remelt.activity.2028 >= -50",
    ]


def test_surge_does_not_change_scrap(cell: Cell, printed: Printed, solve: Solve) -> None:
    # The surge doubles demand in 2027 and 2028: 200 and 240 t; scrap stays 40 and 50 t, though "sold" in 2027 doubles.
    instance = cell(
        years(2028),
        WITH_REMELT,
        "shocks: {boom: {start: 2027, months: 24, cuts: [{region: rival, severity: 1}], demand: {all: 2}}}",
    )
    assert printed(instance, "scrap", "balance")[3:] == [
        "boom/scrap.balance.2027: - 1 boom/remelt.activity.2027 >= -40",
        "boom/scrap.balance.2028: - 1 boom/remelt.activity.2028 >= -50",
    ]
    assert printed(instance, "magnet", "balance")[4] == (
        "boom/magnet.balance.2028: + 1 boom/all.unserved.2028 + 1 boom/imports.activity.2028"
        " + 1 boom/remelt.activity.2028 >= 240"
    )
    # Floor 0.1 of 200 and of 240 t: kept with 40 and 50 t.
    # Baseline: remelt 30 + 40 + 50 at 1, imports the rest of 80 + 100 + 120: 120 + 180*10 = 1920.
    result = solve(instance)
    assert result.survives
    assert result.total_cost == pytest.approx(1920)


def test_scrap_of_the_same_year(cell: Cell, printed: Printed) -> None:
    # After 0 years half of this year's sales come back: in a quarter of 2026, 80/2/4 = 10 t.
    text = WITH_REMELT.replace("after_years: 1", "after_years: 0")
    assert printed(cell(quarters(2026), text), "scrap", "balance")[0] == (
        "baseline/scrap.balance.2026Q1: - 1 baseline/remelt.activity.2026Q1 >= -10"
    )


# Cuts


def test_the_largest_of_overlapping_cuts_counts_and_the_last_severity_stays(cell: Cell) -> None:
    # Four quarters of 250 t. Cut one: 0.9, 0.2, then 0.2 for good. Cut two: 0.5 for good. Largest: 0.9, 0.5, 0.5, 0.5.
    instance = cell(
        quarters(2026),
        MAGNETS,
        "shocks: {s: {start: 2026, months: 12, cuts: [{region: rival, severity: [0.9, 0.2]}, {stage: magnet, "
        "severity: 0.5}]}}",
    )
    path = instance.path(instance.events[0])
    assert [path.severity_at("imports", t) for t in path.periods] == [0.9, 0.5, 0.5, 0.5]
    assert [path.capacity_at("imports", t) for t in path.periods] == [250] * 4


def test_severities_after_the_end_of_the_window_do_not_count(cell: Cell) -> None:
    cut = "{start: 2026, months: 6, cuts: [{region: rival, severity: [0.6, 0.5, 1]}]}"
    (event,) = cell(quarters(2026), MAGNETS, f"shocks: {{s: {cut}}}").events
    assert event.worst_severity == 0.6


def test_profile_decides_what_comes_through(cell: Cell, solve: Solve) -> None:
    # 25 t a quarter can be bought, floor 20. Cut of 1, 0.6 and then 0.3: 0, 10, 17.5 and 17.5 t come: 20 + 10 + 2.5 +
    # 2.5 t short.
    result = solve(
        cell(
            quarters(2027),
            MAGNETS.replace("capacity: 1000", "capacity: 100"),
            "shocks: {s: {start: 2026Q2, months: 12, cuts: [{region: rival, severity: [1, 0.6, 0.3]}]}}",
        )
    )
    assert result.shocks[0].flows["imports", "activity"] == tuple(pytest.approx(x) for x in (0, 10, 17.5, 17.5))
    assert result.survival_gap == pytest.approx(35_000)
    assert (result.shocks[0].first, result.shocks[0].last) == ("2026Q2", "2027Q1")


def test_window_is_cut_off_at_the_end_of_the_horizon(cell: Cell, solve: Solve) -> None:
    # From 2026Q4 on nothing comes, for two years; the horizon ends after that quarter: 20 t short, once.
    result = solve(
        cell(quarters(2026), MAGNETS, "shocks: {s: {start: 2026Q4, months: 24, cuts: [{region: rival, severity: 1}]}}")
    )
    assert result.survival_gap == pytest.approx(20_000)
    assert (result.shocks[0].first, result.shocks[0].last) == ("2026Q4", "2026Q4")


CHAIN = """
home: usa
commodities: {oxide: {}, magnet: {}}
processes:
  mp: {region: usa, stage: separation, output: {oxide: 1}, capacity: 100}
  lynas: {region: malaysia, stage: separation, output: {oxide: 1}, capacity: 100}
  noveon: {region: usa, stage: magnet, input: {oxide: 1}, output: {magnet: 1}, capacity: 100}
demands: {all: {commodity: magnet, quantity: 100, shortage_cost: 1000}}
options: {fab: {kind: refining, stage: magnet, input: {oxide: 1}, output: {magnet: 1}, max_size: 10}}
shocks: {s: {start: 2026, months: 12, cuts: [%s]}}
"""


@pytest.mark.parametrize(
    ("cut", "struck"),
    [
        ("{region: usa, severity: 1}", {"mp", "noveon", "fab"}),
        ("{region: home, severity: 1}", {"mp", "noveon", "fab"}),
        ("{region: [malaysia, usa], stage: separation, severity: 1}", {"mp", "lynas"}),
        ("{region: usa, stage: [magnet], severity: 1}", {"noveon", "fab"}),
        ("{commodity: magnet, severity: 1}", {"noveon", "fab"}),
        ("{commodity: [magnet, oxide], region: malaysia, severity: 1}", {"lynas"}),
        ("{process: [lynas, fab], severity: 1}", {"lynas", "fab"}),
        ("{process: fab, region: home, stage: magnet, commodity: magnet, severity: 1}", {"fab"}),
    ],
)
def test_a_cut_reduces_what_matches_all_its_fields_and_any_of_its_lists(cell: Cell, cut: str, struck: set[str]) -> None:
    instance = cell(years(2026), CHAIN % cut)
    path = instance.path(instance.events[0])
    assert {name for name in instance.activities if path.severity_at(name, 0) > 0} == struck


def test_output_of_a_cut_process_is_lost_but_not_the_commodity(cell: Cell, solve: Solve) -> None:
    # Half of both separations is lost: 100 t of oxide are left, enough for 100 t of magnets. Nothing is short.
    result = solve(
        cell(
            years(2026),
            (CHAIN % "{commodity: oxide, severity: 0.5}").replace("quantity: 100", "quantity: 100, survival: 1"),
        )
    )
    assert result.survives


# Minimum runs


def test_run_rows_of_an_existing_process_are_the_baselines_only(cell: Cell, printed: Printed) -> None:
    # 0.3 of 100 t a year, rising to 200 in 2028: 0.3*100/4 = 7.5 t a quarter in 2026, 0.3*150/4 = 11.25 in 2027.
    text = MAGNETS.replace("capacity: 1000", "capacity: {2026: 100, 2028: 200}, min_utilisation: 0.3")
    instance = cell(
        quarters(2027), text, "shocks: {s: {start: 2026Q4, months: 6, cuts: [{region: rival, severity: 1}]}}"
    )
    rows = printed(instance, "imports", "run")
    assert rows[3] == "baseline/imports.run.2026Q4: + 1 baseline/imports.activity.2026Q4 >= 7.5"
    assert rows[4] == "baseline/imports.run.2027Q1: + 1 baseline/imports.activity.2027Q1 >= 11.25"
    assert len(rows) == 8


def test_forced_running_without_input_leaves_no_plan(cell: Cell, solve: Solve) -> None:
    # 50 t must be made and 40 t of input exist: no plan at all, and the rule is named.
    result = solve(
        cell(
            years(2026),
            MAGNETS.replace("{magnet: {}}", "{magnet: {}, ore: {}}")
            .replace("output:", "input: {ore: 1}, min_utilisation: 0.05, output:")
            .replace("processes: {", "processes: {ores: {region: home, output: {ore: 1}, capacity: 40}, "),
        )
    )
    assert result.status == "none"
    assert len(result.clash) == 1
    assert result.clash[0].startswith("imports has to use at least 5")
    assert "min_utilisation" in result.clash[0]


# Floors


def test_floor_rows_belong_to_shocks_and_follow_the_surge(cell: Cell, printed: Printed) -> None:
    # 25 t a quarter, surged to 30: at most 0.2*30 = 6 t may go unserved; with the shock's own floor of 0.5, 15 t.
    text = (
        MAGNETS,
        (
            "shocks: {a: {start: 2026Q2, months: 3, cuts: [{region: rival, severity: 1}], demand: {all: 1.2}},"
            " b: {start: 2026Q3, months: 3, cuts: [{region: rival, severity: 1}], demand: {all: 1.2}, "
            "survival: {all: 0.5}}}"
        ),
    )
    assert printed(cell(quarters(2026), *text), "all", "floor") == [
        "a/all.floor.2026Q2: - 1 a/all.below.2026Q2 + 1 a/all.unserved.2026Q2 <= 6",
        "b/all.floor.2026Q3: - 1 b/all.below.2026Q3 + 1 b/all.unserved.2026Q3 <= 15",
    ]


def test_baseline_has_no_floor(cell: Cell, solve: Solve) -> None:
    # Serving costs 10, going short 8: the baseline serves nobody, whatever the floor. Without a shock that is no gap.
    result = solve(cell(years(2026), MAGNETS.replace("shortage_cost: 1000", "shortage_cost: 8")))
    assert result.survives
    assert result.total_cost == pytest.approx(800)


# Policy


POLICY = """
home: usa
commodities: {oxide: {}, ce: {}}
processes:
  cn: {region: china, output: {oxide: 0.5, ce: 2}, capacity: 500, cost: 1}
  mp: {region: usa, output: {oxide: 1}, capacity: 500, cost: 5}
demands: {all: {commodity: oxide, quantity: 100, shortage_cost: 1000}}
options:
  ally: {kind: ally, region: australia, output: {oxide: 1}, cost: 3, capex: 1, max_size: 100}
  plant: {kind: refining, output: {oxide: 1}, cost: 4, capex: 1, max_size: 100}
"""


def test_share_rules_as_rows(cell: Cell, printed: Printed) -> None:
    # 0.6 of oxide from China at most, from 2027: cn counts with (1 - 0.6)*0.5, the others with -0.6.
    # 0.3 from home at least: mp and plant count with 1 - 0.3, cn with -0.3*0.5. 0.1 from refining at home: plant only.
    instance = cell(
        years(2027),
        POLICY,
        "policy: {max_share: [{commodity: oxide, region: china, share: 0.6, from: 2027}],",
        "  min_share: [{commodity: oxide, region: home, share: 0.3},",
        "  {commodity: oxide, kind: refining, region: usa, share: 0.1, from: 2027}]}",
    )
    assert printed(instance, "policy", "max_share_0") == [
        "policy.max_share_0.2027: - 0.6 baseline/ally.activity.2027 + 0.2 baseline/cn.activity.2027"
        " - 0.6 baseline/mp.activity.2027 - 0.6 baseline/plant.activity.2027 <= 0"
    ]
    assert printed(instance, "policy", "min_share_0")[0] == (
        "policy.min_share_0.2026: - 0.3 baseline/ally.activity.2026 - 0.15 baseline/cn.activity.2026"
        " + 0.7 baseline/mp.activity.2026 + 0.7 baseline/plant.activity.2026 >= 0"
    )
    assert printed(instance, "policy", "min_share_1") == [
        "policy.min_share_1.2027: - 0.1 baseline/ally.activity.2027 - 0.05 baseline/cn.activity.2027"
        " - 0.1 baseline/mp.activity.2027 + 0.9 baseline/plant.activity.2027 >= 0"
    ]


def test_share_rules_decide_where_things_come_from(cell: Cell, solve: Solve) -> None:
    # 100 t a year. China at 1/0.5 = 2 USD per t of oxide, mp 5, ally 3 (+1), plant 4 (+1). 2026: China alone would do,
    # but home must give 30 t: the plant, bought in 2026 for two years, 4 + 0.5 a year, against mp's 5: 30 t/yr.
    #   2026: 70*2 + 30*4 = 260.   2027: China 60 at most, home 30 at least, the ally gives 10: 120 + 120 + 30 = 270.
    # Capex 30 + 10. Total 260 + 270 + 40 = 570.
    result = solve(
        cell(
            years(2027),
            POLICY,
            "policy: {max_share: [{commodity: oxide, region: china, share: 0.6, from: 2027}],",
            "  min_share: [{commodity: oxide, region: home, share: 0.3}]}",
        )
    )
    assert result.total_cost == pytest.approx(570)
    assert {(build.option, build.year): build.size for build in result.plan.builds} == {
        ("ally", 2027): pytest.approx(10),
        ("plant", 2026): pytest.approx(30),
    }


def test_share_rules_do_not_bind_in_a_shock(cell: Cell, solve: Solve) -> None:
    # At home only mp, which the shock takes; China may then give everything, whatever the rule of 40 % says. Nothing is
    # bought. Baseline 40*2 + 60*5 = 380.
    result = solve(
        cell(
            years(2026),
            POLICY.split("options:")[0].replace("quantity: 100", "quantity: 100, survival: 1"),
            "shocks: {storm: {start: 2026, months: 12, cuts: [{region: usa, severity: 1}]}}",
            "policy: {max_share: [{commodity: oxide, region: china, share: 0.4}]}",
        )
    )
    assert result.survives
    assert result.total_cost == pytest.approx(380)
    assert result.shocks[0].flows["cn", "activity"] == (pytest.approx(200),)


def test_contradicting_shares_leave_no_plan_and_are_named(cell: Cell, solve: Solve) -> None:
    # mp must run (half of 500 t), while at most 10 % may come from home, and China can give 250 t only: 250/(250 + 250)
    # = 0.5.
    result = solve(
        cell(
            years(2026),
            POLICY.replace("capacity: 500, cost: 5", "capacity: 500, cost: 5, min_utilisation: 0.5"),
            "policy: {max_share: [{commodity: oxide, region: home, share: 0.1}, {commodity: oxide, region: china, "
            "share: 0.95}]}",
        )
    )
    assert result.status == "none"
    assert len(result.clash) == 2
    assert result.clash[0].startswith("mp has to use at least 50")
    assert result.clash[1].startswith("policy.max_share[0]: at most 10")
    assert NOT_IRREDUCIBLE not in result.notes


def test_a_conflict_that_is_not_reduced_in_time_is_noted(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock ends after the test that proves the conflict: all rules are named, the share of china included.
    given = cell(
        years(2026),
        POLICY.replace("capacity: 500, cost: 5", "capacity: 500, cost: 5, min_utilisation: 0.5"),
        "policy: {max_share: [{commodity: oxide, region: home, share: 0.1}, {commodity: oxide, region: china, "
        "share: 0.95}]}",
    )
    monkeypatch.setattr(Clock, "is_over", property(lambda clock: True))
    conflict = find_conflict(given, Settings(), Clock())
    assert len(conflict.rules) == 3
    assert not conflict.is_irreducible
    assert conflict.notes == (NOT_IRREDUCIBLE,)


def test_budget_rows_count_the_budgets_share(cell: Cell, printed: Printed) -> None:
    # plant: a quarter of (1 per t/yr + 8 to open + 2 per t of support on baseline running); the stock: its price of 7.
    instance = cell(
        years(2027),
        POLICY.replace("capex: 1, max_size: 100}\n", "max_size: 100}\n", 1).replace(
            "cost: 4, capex: 1,", "cost: 4, capex: 1, fixed_cost: 8, support: 2, budget_share: 0.25, latest: 2026,"
        )
        + "  pile: {kind: stockpile, commodity: oxide, price: 7, earliest: 2027}",
        "policy: {budget: 1k, annual_budget: {2026: 600, 2027: 500}}",
    )
    assert printed(instance, "policy", "budget") == [
        "policy.budget: + 0.5 baseline/plant.activity.2026 + 0.5 baseline/plant.activity.2027"
        " + 7 pile.fill.2027 + 2 plant.open.2026 + 0.25 plant.size.2026 <= 1000"
    ]
    assert printed(instance, "policy", "annual_budget_2027") == [
        "policy.annual_budget_2027: + 0.5 baseline/plant.activity.2027 + 7 pile.fill.2027 <= 500"
    ]


# Names


@pytest.mark.parametrize("name", ["baseline", '""'])
def test_a_shock_is_kept_apart_from_the_baseline_or_its_name_is_refused(cell: Cell, name: str) -> None:
    # Otherwise its rows would be the baseline's (or, without a name, the plan's). 80 t of magnets below the floor at
    # 1000.
    text = f"shocks: {{{name}: {{start: 2026, months: 12, cuts: [{{region: rival, severity: 1}}]}}}}"
    try:
        instance = cell(years(2026), MAGNETS, text)
    except so.InstanceError:
        return
    assert so.solve(instance).survival_gap == pytest.approx(80_000)


def test_two_shocks_of_one_name_are_kept_apart_or_refused(cell: Cell) -> None:
    # The start 2026 in a list makes `s@2026`, which is also the plain name of the other. Gaps: 80 t and 80 - 50 t at
    # 1000.
    text = (
        "shocks: {s: {start: [2026], months: 12, cuts: [{region: rival, severity: 1}]},"
        " s@2026: {start: 2026, months: 12, cuts: [{region: rival, severity: 0.95}]}}"
    )
    try:
        instance = cell(years(2026), MAGNETS, text)
    except so.InstanceError:
        return
    assert so.solve(instance).survival_gap == pytest.approx(110_000)


@pytest.mark.parametrize("name", ["policy", "survival", "never", "magnet", "all", "baseline"])
def test_an_option_may_bear_a_name_that_stands_elsewhere(cell: Cell, solve: Solve, name: str) -> None:
    # Floor 80 t, the plant costs 5 per t/yr: 400; baseline 1000. The name of the plant is nobody's business.
    result = solve(
        cell(
            years(2026),
            MAGNETS,
            f"options: {{{name}: {{kind: refining, output: {{magnet: 1}}, cost: 10, capex: 5, max_size: 100}}}}",
            "shocks: {s: {start: 2026, months: 12, cuts: [{region: rival, severity: 1}]}}",
            "policy: {budget: 500}",
        )
    )
    assert result.total_cost == pytest.approx(1400)


@pytest.mark.parametrize("tie", ["requires", "excludes"])
def test_a_tie_that_is_named_twice_counts_once_or_is_refused(cell: Cell, tie: str) -> None:
    # The plant gives 80 t at 5 = 400 and 1 to open; the line that it requires costs 1 more. Baseline 1000.
    text = (
        f"options: {{plant: {{kind: refining, output: {{magnet: 1}}, cost: 10, capex: 5, max_size: 100, fixed_cost: 1, "
        f"{tie}: [line, line]}}, line: {{kind: refining, output: {{magnet: 1}}, cost: 10, capex: 50, max_size: 100, "
        "fixed_cost: 1}}",
        "shocks: {s: {start: 2026, months: 12, cuts: [{region: rival, severity: 1}]}}",
    )
    try:
        instance = cell(years(2026), MAGNETS, *text)
    except so.InstanceError:
        return
    assert so.solve(instance).total_cost == pytest.approx(1402 if tie == "requires" else 1401)
