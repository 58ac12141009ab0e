"""Leverage: it reduces deliberate cuts. The rival sells at most 100 t/yr at 10 USD/t; floor 0.4."""

import pytest

import optimizer as so
from tests.conftest import Cell, Printed, Solve

QUARTERS = """
horizon: {start: 2026, end: 2028, step: quarter}
home: home
commodities: {magnet: {}}
processes: {imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 100, cost: 10}}
demands: {all: {commodity: magnet, quantity: 100, survival: 0.4, shortage_cost: 1000}}
"""
YEARS = QUARTERS.replace("quarter", "year")
CHIPS = "kind: leverage, region: rival, max_size: 1"
RESERVE = "reserve: {kind: stockpile, commodity: magnet, price: 50}"


def test_leverage_erodes_from_the_year_of_its_decision(cell: Cell, solve: Solve) -> None:
    # 2028Q1: 0.8 of 25 t is cut, 5 t stay, floor 10: 5 t to hold back. Full restraint 0.6: 25*0.8*0.6 = 12 t per level
    # in force. Bought in 2026 a level is worth 0.75^2 = 0.5625: 6.75 t for 100, 14.81 per t. In 2027 0.75: 9 t for 400;
    # in 2028 12 t for 400. So 5/6.75 = 20/27 in 2026, for 2000/27 = 74.074. Baseline 3000.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{chips: {{{CHIPS}, restraint: 0.6, erosion: 0.25, capex: {{2026: 100, 2027: 400}}}}}}",
            "shocks: {embargo: {start: 2028, months: 3, deliberate: true, cuts: [{region: rival, severity: 0.8}]}}",
        )
    )
    assert [(build.year, build.size) for build in result.plan.builds] == [(2026, pytest.approx(20 / 27))]
    assert result.total_cost == pytest.approx(3000 + 2000 / 27)


def test_erosion_counts_calendar_years_not_months(cell: Cell, solve: Solve) -> None:
    # Decided in 2026Q1 with 9 months of lead, in force in 2026Q4: no year has passed, nothing is lost. All is cut:
    # 25*0.5 = 12.5 t per level; 10 t are needed: 0.8 at 100 = 80. A quarter later, in 2027Q1, half would be gone: see
    # the next test.
    text = (
        f"options: {{chips: {{{CHIPS}, restraint: 0.5, erosion: 0.5, lead_time: 9, capex: 100, latest: 2026}}}}",
        "shocks: {embargo: {start: %s, months: 3, deliberate: true, cuts: [{region: rival, severity: 1}]}}",
    )
    december = solve(cell(QUARTERS, text[0], text[1] % "2026Q4"))
    assert [build.size for build in december.plan.builds] == [pytest.approx(0.8)]
    assert december.total_cost == pytest.approx(3080)
    # 2027Q1: full level holds back 25*0.5*0.5 = 6.25 t of the 10: the level is 1, and 3.75 t fall below the floor.
    january = solve(cell(QUARTERS, text[0], text[1] % "2027Q1"))
    assert [build.size for build in january.plan.builds] == [pytest.approx(1, rel=1e-5)]
    assert january.survival_gap == pytest.approx(3750)


def test_leverage_waits_for_its_lead_time(cell: Cell, solve: Solve) -> None:
    # Ten months are four quarters: in 2026Q4 it is not in force yet. 10 t short.
    result = solve(
        cell(
            QUARTERS,
            f"options: {{chips: {{{CHIPS}, restraint: 1, lead_time: 10, capex: 100}}}}",
            "shocks: {embargo: {start: 2026Q4, months: 3, deliberate: true, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.survival_gap == pytest.approx(10_000)
    assert result.plan.builds == ()


@pytest.mark.parametrize(("deliberate", "total"), [("true", 3080), ("false", 5000)])
def test_only_a_deliberate_cut_is_restrained(cell: Cell, solve: Solve, deliberate: str, total: float) -> None:
    # 40 t are needed. Deliberate: 100*0.5 = 50 t per level, 0.8 at 100 = 80. An accident heeds no leverage: 40 t of
    # reserve at 50.
    result = solve(
        cell(
            YEARS,
            f"options: {{chips: {{{CHIPS}, restraint: 0.5, capex: 100}}, {RESERVE}}}",
            f"shocks: {{s: {{start: 2028, months: 12, deliberate: {deliberate}, cuts: [{{region: rival, "
            f"severity: 1}}]}}}}",
        )
    )
    assert result.total_cost == pytest.approx(total)


def test_leverage_never_helps_an_option(cell: Cell, solve: Solve) -> None:
    # The rival's own mine could be bought (2 per t/yr), in its region; the deliberate cut takes it with the rest, and
    # leverage does not bring it back. Imports come back whole, 30 t for 1 level at 10; 10 t of reserve at 50. Baseline:
    # imports 30 t at 10, the other 70 t from the mine at 10 as well (3000 in all), mine 70*2 = 140. Total 3000 + 140 +
    # 10 + 500 = 3650.
    result = solve(
        cell(
            YEARS.replace("capacity: 100", "capacity: 30"),
            f"options: {{chips: {{{CHIPS}, restraint: 1, capex: 10}}, {RESERVE},",
            "  mine: {kind: ally, region: rival, output: {magnet: 1}, cost: 10, capex: 2, max_size: 90}}",
            "shocks: {embargo: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    flows = result.shocks[0].flows
    assert flows["imports", "activity"] == (pytest.approx(30),)
    assert flows["mine", "activity"] == (pytest.approx(0, abs=1e-6),)
    assert flows["reserve", "released"] == (pytest.approx(10),)
    assert result.total_cost == pytest.approx(3650)


def test_two_levers_over_one_region_add_but_never_above_the_capacity(cell: Cell, solve: Solve) -> None:
    # Floor 1 and a surge of 1.2: 120 t. Each full level (lumpy: all or nothing) holds back 0.7 of 100 t: 140 > 100, so
    # 100 t come and 20 t are released. Both cost 10 each; with one lever only, 70 + 50 t of reserve. Total 3000 + 20 +
    # 20*50 = 4020.
    result = solve(
        cell(
            YEARS.replace("0.4", "1"),
            f"options: {{a: {{{CHIPS}, min_size: 1, restraint: 0.7, capex: 10}}, b: {{{CHIPS}, min_size: 1, "
            f"restraint: 0.7, capex: 10}}, {RESERVE}}}",
            "shocks: {embargo: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}], "
            "demand: {all: 1.2}}}",
        )
    )
    assert result.shocks[0].flows["imports", "activity"] == (pytest.approx(100),)
    assert result.total_cost == pytest.approx(4020)


def test_strength_grows_and_its_last_share_stays(cell: Cell, solve: Solve) -> None:
    # Bought in 2026 (the only year allowed), lead 12 months: the year of the lead time counts. 2027 is the second year,
    # 0.6; 2028 and 2029 the third and fourth, 0.8. 40 of 100 t are needed, restraint 1: 40/60 = 2/3 of a level in
    # 2027, 1/2 in 2028 and 2029. A level costs 300: 200, 150, 150. Baseline 4000.
    for year, cost in ((2027, 200), (2028, 150), (2029, 150)):
        result = solve(
            cell(
                YEARS.replace("2028", "2029"),
                f"options: {{chips: {{{CHIPS}, restraint: 1, strength: [0.1, 0.6, 0.8], lead_time: 12, capex: 300, "
                "latest: 2026}}",
                f"shocks: {{s: {{start: {year}, months: 12, deliberate: true, "
                "cuts: [{region: rival, severity: 1}]}}",
            )
        )
        assert result.total_cost == pytest.approx(4000 + cost)
        assert result.plan.builds[0].size == pytest.approx(cost / 300)
        assert result.audit["ok"]


def test_strength_that_fades_is_bought_late(cell: Cell, solve: Solve) -> None:
    # In force for two calendar years, whole in the first, a quarter in the second, then nothing. For 2028, 40 t: in
    # 2026 nothing, in 2027 40/25 = 1.6 levels, more than the 1 there is; in 2028 0.4 of a level at 300 = 120. Prices
    # before are low: 10 a level. Best is a mix: 1 - x in 2027 is worth 25 - 25x t for 10 - 10x, x in 2028 100x t for
    # 300x. 25 - 25x + 100x = 40: x = 0.2, 8 + 60 = 68.
    result = solve(
        cell(
            YEARS,
            f"options: {{chips: {{{CHIPS}, restraint: 1, strength: [1, 0.25, 0], capex: {{2027: 10, 2028: 300}}}}}}",
            "shocks: {s: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert [(build.year, build.size) for build in result.plan.builds] == [
        (2027, pytest.approx(0.8)),
        (2028, pytest.approx(0.2)),
    ]
    assert result.total_cost == pytest.approx(3068)
    assert result.audit["ok"]


def test_strength_above_one_holds_back_more_than_restraint_says(cell: Cell, solve: Solve) -> None:
    # In its second year a level counts 2.5 times: 100*0.2*2.5 = 50 t, 0.8 of a level at 100 = 80.
    result = solve(
        cell(
            YEARS,
            f"options: {{chips: {{{CHIPS}, restraint: 0.2, strength: [1, 2.5], capex: 100, latest: 2027}}}}",
            "shocks: {s: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.total_cost == pytest.approx(3080)
    assert result.audit["ok"]


def test_fixed_opex_is_on_the_level_that_was_bought(cell: Cell, solve: Solve) -> None:
    # Bought in 2026 (the only year allowed), lead 12 months: opex in 2027 and 2028 on the uneroded level. In force in
    # 2028: 0.5^2 = 0.25 of it, 100*0.25 = 25 t per level with restraint 1; floor 0.1: 10 t, level 0.4. 0.4*(100 + 2*30)
    # = 64. Baseline 3000.
    result = solve(
        cell(
            YEARS.replace("0.4", "0.1"),
            f"options: {{chips: {{{CHIPS}, restraint: 1, erosion: 0.5, lead_time: 12, capex: 100, fixed_opex: 30, "
            f"latest: 2026}}}}",
            "shocks: {embargo: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}]}}",
        )
    )
    assert result.costs["fixed opex"] == pytest.approx(24)
    assert result.total_cost == pytest.approx(3064)
    assert result.outlay == pytest.approx(40)


def test_leverage_and_partnership_add(cell: Cell, solve: Solve) -> None:
    # 0.5 of 100 t is cut, floor 0.4 of a surged 200 = 80 t: 50 stay. Leverage holds back 0.5*100*0.4 = 20 t, the deal
    # 0.5*1*20 = 10 t. Level 1 at 10 (0.5 per t), 20 t of deal at 1 (2 per t of flow). Baseline 3000. Total 3030.
    result = solve(
        cell(
            YEARS,
            f"options: {{chips: {{{CHIPS}, restraint: 0.4, capex: 10}}, deal: {{kind: partnership, process: imports, "
            f"max_size: 90, capex: 1}}}}",
            "shocks: {s: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 0.5}], "
            "demand: {all: 2}}}",
        )
    )
    assert result.total_cost == pytest.approx(3030)
    assert result.shocks[0].flows["imports", "activity"] == (pytest.approx(80),)


def test_rows(cell: Cell, printed: Printed) -> None:
    # 25 t a quarter, severity 0.8 then 0.4, restraint 0.5: 25*0.8*0.5 = 10 and 5 t per level in force. In 2027Q4 the
    # level of 2026 has eroded once (0.5), that of 2027 not; in 2028Q1 twice (0.25) and once (0.5), that of 2028 is not
    # in force (lead 6 months). Stays: 25*0.2 = 5 t and 25*0.6 = 15 t. In a shock that is not deliberate the limit is a
    # plain bound and no row.
    instance = cell(
        QUARTERS,
        f"options: {{chips: {{{CHIPS}, restraint: 0.5, erosion: 0.5, lead_time: 6, ramp: [0.1, 1]}}}}",
        "shocks:",
        "  war: {start: 2027Q4, months: 6, deliberate: true, cuts: [{region: rival, severity: [0.8, 0.4]}]}",
        "  storm: {start: 2027Q4, months: 6, cuts: [{region: rival, severity: [0.8, 0.4]}]}",
    )
    assert printed(instance, "imports", "limit") == [
        "war/imports.limit.2027Q4: - 5 chips.size.2026Q1 - 10 chips.size.2027Q1 + 1 war/imports.activity.2027Q4 <= 5",
        "war/imports.limit.2028Q1: - 1.25 chips.size.2026Q1 - 2.5 chips.size.2027Q1"
        " + 1 war/imports.activity.2028Q1 <= 15",
    ]


@pytest.mark.parametrize(
    ("strike", "total"),
    [
        # Floor 0.6, all is cut, restraint 1: 100 t per level, 0.6 at 100 = 60.
        ("{start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}]}", 3060),
        # An accident takes half beside it: 50 t at most, whatever is held back of the other cut. Half a level for them,
        # 50, and 10 t of reserve at 50.
        (
            "{start: 2028, months: 12, deliberate: true, "
            "cuts: [{region: rival, severity: 1}, {process: imports, severity: 0.5, deliberate: false}]}",
            3550,
        ),
        # The same told the other way round.
        (
            "{start: 2028, months: 12, "
            "cuts: [{region: rival, severity: 1, deliberate: true}, {process: imports, severity: 0.5}]}",
            3550,
        ),
        # The accident is the worse of the two: 20 t are left; 40 t of reserve.
        (
            "{start: 2028, months: 12, deliberate: true, "
            "cuts: [{region: rival, severity: 0.5}, {process: imports, severity: 0.8, deliberate: false}]}",
            5000,
        ),
        # A cut's own word counts, not that of its shock: all accidents, 60 t of reserve.
        ("{start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1, deliberate: false}]}", 6000),
    ],
)
def test_each_cut_may_say_whether_it_is_deliberate(cell: Cell, solve: Solve, strike: str, total: float) -> None:
    result = solve(
        cell(
            YEARS.replace("survival: 0.4", "survival: 0.6"),
            f"options: {{chips: {{{CHIPS}, restraint: 1, capex: 100}}, {RESERVE}}}",
            f"shocks: {{s: {strike}}}",
        )
    )
    assert result.total_cost == pytest.approx(total)
    assert result.audit["ok"]


def test_rows_of_a_shock_with_both_sorts_of_cut(cell: Cell, printed: Printed) -> None:
    # 25 t a quarter. Meant: 0.8, so 5 t stay; 25*0.8*0.5 = 10 t per level; the deal keeps 0.8*0.5*0.25 = 0.1 t per
    # t/yr. By accident 0.4: 15 t stay, and the deal keeps 0.4*0.5*0.25 = 0.05; no level helps. The mill is an option:
    # it loses the larger share.
    instance = cell(
        QUARTERS,
        f"options: {{chips: {{{CHIPS}, restraint: 0.5, latest: 2026}}, "
        "deal: {kind: partnership, process: imports, reliability: 0.5, max_size: 90, latest: 2026}, "
        "mill: {kind: ally, region: rival, output: {magnet: 1}, max_size: 8, latest: 2026}}",
        "shocks: {war: {start: 2027Q4, months: 3, deliberate: true, "
        "cuts: [{region: rival, severity: 0.8}, {region: rival, severity: 0.4, deliberate: false}]}}",
    )
    activity = "1 war/imports.activity.2027Q4"
    assert printed(instance, "imports", "limit") == [
        f"war/imports.limit.2027Q4: - 10 chips.size.2026Q1 - 0.1 deal.size.2026Q1 + {activity} <= 5"
    ]
    assert printed(instance, "imports", "accident") == [
        f"war/imports.accident.2027Q4: - 0.05 deal.size.2026Q1 + {activity} <= 15"
    ]
    assert printed(instance, "mill", "capacity")[-1] == (
        "war/mill.capacity.2027Q4: - 0.05 mill.size.2026Q1 + 1 war/mill.activity.2027Q4 <= 0"
    )


def test_level_above_one_is_refused(refused) -> None:
    said = refused(YEARS, "options: {chips: {kind: leverage, region: rival, restraint: 0.5, max_size: 1.5}}")
    assert said == [
        "options.chips.max_size: 1.5 is more than the full level of leverage, 1. Write a level from 0 to 1."
    ]


def test_region_that_is_almost_there_is_refused(refused) -> None:
    said = refused(YEARS, "options: {chips: {kind: leverage, region: rivals, restraint: 0.5, max_size: 1}}")
    assert said == ['options.chips.region: "rivals" is not the region of an existing process. Did you mean "rival"?']


def test_missing_restraint_is_refused(refused) -> None:
    said = refused(YEARS, f"options: {{chips: {{{CHIPS}}}}}")
    assert said == ["options.chips.restraint: restraint is missing. Add `restraint:`."]


@pytest.mark.parametrize("erosion", [0, 0.2])
def test_strength_beside_erosion_is_refused(refused, erosion: float) -> None:
    chips = f"{CHIPS}, restraint: 1, strength: [1, 0.5], erosion: {erosion}"
    said = refused(YEARS, f"options: {{chips: {{{chips}}}}}")
    assert said == [
        "options.chips: strength is given beside erosion. Keep one of the two: strength says what erosion leaves."
    ]


@pytest.mark.parametrize(
    ("strength", "said"),
    [
        ("[50, 120]", "120 is more than 100 times the level that is bought. Write shares of the level: 0.8 is 80 per"),
        ("[1, -1]", "-1 is negative"),
        ("[]", "is an empty list"),
    ],
)
def test_strength_that_is_no_share_is_refused(refused, strength: str, said: str) -> None:
    (found,) = refused(YEARS, f"options: {{chips: {{{CHIPS}, restraint: 1, strength: {strength}}}}}")
    assert found.startswith("options.chips.strength")
    assert said in found


def test_what_is_left_of_a_level_stands_below_the_plan_and_among_the_reasons(cell: Cell, solve: Solve) -> None:
    # Level 1 of 2026 works from 2027 on at 0.5, in 2028 at 0.25: 25 t of the 100 that are cut, and 40 are needed.
    instance = cell(
        YEARS,
        f"options: {{chips: {{{CHIPS}, restraint: 1, erosion: 0.5, lead_time: 12, capex: 100, latest: 2026}}}}",
        "shocks: {embargo: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}]}}",
    )
    said = "In force at the end, 2028, after erosion or growth: chips, level 0.25 of level 1 bought."
    assert solve(instance).frames.frame("builds").note.endswith(said)
    reason = so.explain(instance).reason
    assert reason is not None
    assert "chips is bought at level 1, its largest size, of which level 0.25 is in force in 2028" in reason.because
    kept = cell(
        YEARS,
        f"options: {{chips: {{{CHIPS}, restraint: 1, capex: 100}}}}",
        "shocks: {embargo: {start: 2028, months: 12, deliberate: true, cuts: [{region: rival, severity: 1}]}}",
    )
    assert "In force" not in solve(kept).frames.frame("builds").note
