"""Time to survive, by hand: stock / (floor − what is left), for ever, substitutes, leverage, two floors."""

import io
import math
from typing import Any

import pytest
from rich.console import Console

import optimizer as so
from optimizer.report.figures.time_to_survive import ChokepointLine, lines, shortest_times
from optimizer.report.tables.time_to_survive import time_to_survive_parts
from optimizer.studies.time_to_survive import Exposure, SurvivalTime, every_chokepoint, time_to_survive, with_other_plan

CUT = {"region": "rival", "severity": 1}


def world(**parts: Any) -> so.Instance:
    """100 t a year with a floor of 0.8; 90 t from a rival, 30 t from home; 40 t in store."""
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "quarter"},
            "home": "home",
            "commodities": {"magnet": {}, "ferrite": {}},
            "processes": {
                "imports": {"region": "rival", "stage": "magnet", "output": {"magnet": 1}, "capacity": 90},
                "plant": {"region": "home", "stage": "magnet", "output": {"magnet": 1}, "capacity": 30},
            },
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000}},
            "options": {"store": {"kind": "stockpile", "commodity": "magnet", "price": 5, "initial": 40}},
        }
        | parts
    )


def exposure(instance: so.Instance, name: str, plan: so.Plan | None = None) -> Exposure:
    (found,) = [each for each in time_to_survive(instance, plan).exposures if each.name == name]
    return found


def first(instance: so.Instance, name: str = "imports", plan: so.Plan | None = None) -> SurvivalTime:
    found = exposure(instance, name, plan)
    return (found.after or found.before)[0]


def test_stock_over_what_is_missing() -> None:
    # Floor 80, home makes 30: 50 t a year come out of 40 t: 0.8 years.
    assert first(world()) == SurvivalTime(2026, pytest.approx(9.6), "all")


def test_hundreds_of_chokepoints_each_have_their_own_time() -> None:
    """Of 90 t of imports a share s is lost: 90·s − 40 t a year are missing, from 40 t in store; none up to s = 4/9."""
    severities = {f"cut {number}": (7 * number % 301) / 301 for number in range(301)}
    shocks = {
        name: {"start": 2026, "months": 3, "cuts": [{"region": "rival", "severity": severity}]}
        for name, severity in severities.items()
    }
    found = time_to_survive(world(shocks=shocks), None).exposures
    months = {each.name: each.before[0].months for each in found if each.kind == "shock"}
    missing = {name: 90 * severity - 40 for name, severity in severities.items()}
    assert months == pytest.approx({name: 12 * 40 / each if each > 0 else math.inf for name, each in missing.items()})


def test_nothing_is_lost_from_a_stock_while_the_cut_lasts_but_before_it() -> None:
    # 10 % a year are lost in 2026: 36 t at the end of it, 0.72 years in 2027.
    store = {"kind": "stockpile", "commodity": "magnet", "initial": 40, "loss": 0.1}
    found = exposure(world(options={"store": store}), "imports")
    assert [each.months for each in found.before] == [pytest.approx(9.6), pytest.approx(8.64)]


def test_a_shock_of_that_length_can_end_better_or_worse() -> None:
    # 40 t in store. Floors 0.5, 0.9: 20 t a year last 24 months, but a shock of 24 months takes 20 + 60 t.
    # Floors 0.6, 0.3: 30 t a year last 16 months, but a shock of 24 months takes 30 + 0 t.
    shock = {"cut": {"start": 2026, "months": 24, "cuts": [CUT]}}
    for floors, months, survives in (((0.5, 0.9), 24, False), ((0.6, 0.3), 16, True)):
        floor = dict(zip((2026, 2027), floors, strict=True))
        demands = {"all": {"commodity": "magnet", "quantity": 100, "survival": floor, "shortage_cost": 1000}}
        years = {"start": 2026, "end": 2027, "step": "year"}
        instance = world(horizon=years, demands=demands, shocks=shock)
        assert first(instance).months == pytest.approx(months)
        assert so.evaluate(instance, so.Plan()).survives == survives


def test_for_ever_where_what_is_left_keeps_the_floor() -> None:
    # Without home the rival's 90 t serve 80.
    assert first(world(), "plant") == SurvivalTime(2026, math.inf, None)


def test_for_ever_whatever_is_cut() -> None:
    # Home makes 100 t as well: any one of the two serves 80. No linear programme is left to solve with leniency.
    own = {"region": "home", "stage": "magnet", "output": {"magnet": 1}, "capacity": 100}
    rival = {"region": "rival", "stage": "magnet", "output": {"magnet": 1}, "capacity": 90}
    found = time_to_survive(world(processes={"imports": rival, "plant": own}, options={}), None).exposures
    assert [each.months for every in found for each in every.before] == [math.inf] * 2 * len(found)


def test_a_release_that_is_too_slow_does_not_last_at_all() -> None:
    slow = {"kind": "stockpile", "commodity": "magnet", "initial": 40, "release_rate": 49}
    assert first(world(options={"store": slow})) == SurvivalTime(2026, 0.0, "all")


def test_a_floor_that_is_all_but_kept_is_kept() -> None:
    demands = {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.3 + 1e-9, "shortage_cost": 1}}
    assert first(world(demands=demands, options={})).months == math.inf


def test_a_floor_that_results_count_as_kept_holds_for_ever() -> None:
    # 5e-7 and 2e-6 of the floor of 80 t are missing without imports; a shortage counts from 1e-6 of 100 t on.
    for missing, holds in ((5e-7, True), (2e-6, False)):
        processes = {
            "imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 90},
            "plant": {"region": "home", "output": {"magnet": 1}, "capacity": 80 * (1 - missing)},
        }
        shocks = {"embargo": {"start": 2026, "months": 24, "cuts": [CUT]}}
        instance = world(processes=processes, options={}, shocks=shocks)
        assert first(instance, "embargo").months == (math.inf if holds else 0.0)
        assert so.solve(instance).survives == holds


def test_the_severity_of_a_shock_is_its_largest_and_its_surge_is_left_out() -> None:
    # Half of 90 t is left, and 30: 5 t a year are missing, for 8 years. The cuts before and after take less.
    shock = {"start": 2026, "months": 9, "cuts": [{"region": "rival", "severity": [0.1, 0.5, 0.2]}]}
    assert first(world(shocks={"half": shock | {"demand": {"all": 2}}}), "half").months == pytest.approx(96)


def test_what_a_shock_cuts_is_named_where_its_loss_ends_a_floor() -> None:
    # The floor of 80 t takes 50 t a year beside the plant's 30 t out of 40 t: 0.8 years, however long the ban is.
    instance = world(shocks={"ban": {"name": "Ban, a month", "start": 2026, "months": 3, "cuts": [CUT]}})
    before, after = lines(instance, time_to_survive(instance))
    assert "the cuts of Ban, a month (region rival): 9.6 months in 2026" in shortest_times(instance, before)
    assert after == ()


def test_the_least_time_of_a_chokepoint_is_that_of_its_worst_year() -> None:
    """Under a year in the first year alone, later in the other, and never."""
    made = [
        ChokepointLine(f"stage:{name}", name, "stage", False, (), months, (None, None), 0)
        for name, months in (
            ("early", (3.5, 20.0)),
            ("late", (None, 2.0)),
            ("long", (12.0, 30.0)),
            ("ever", (None,) * 2),
        )
    ]
    late, early = "late: 2 months in 2027", "early: 3.5 months in 2026"
    assert shortest_times(world(shocks={}), made) == (late, early)
    assert shortest_times(world(shocks={}), made, most=1) == (late, "and 1 more")
    # What can be bought in time for the first shock does not help before it.
    ban = {"start": 2027, "months": 3, "cuts": [CUT]}
    assert shortest_times(world(shocks={"ban": ban}), made) == (late,)
    before = "at the start of 2026, before the first shock of the file: 3.5 months"
    assert shortest_times(world(shocks={"ban": ban}), made[:1]) == (before,)


def test_a_recipe_is_no_chokepoint_and_a_plant_without_cost_is_one() -> None:
    """Lines make up to 30 t of slots, and a recipe for 30 t of magnet uses them all; one for 29 t would be a limit."""

    def names(capacity: float, cost: float = 0.0, region: str | None = None, **options: Any) -> set[str]:
        lines = {"region": "home", "stage": "magnet", "output": {"slot": 1}, "capacity": 30, "cost": 5}
        recipe = {
            "region": region,
            "stage": "recipe",
            "input": {"slot": 1},
            "output": {"magnet": 1},
            "capacity": capacity,
        }
        demand = {"commodity": "magnet", "quantity": 30, "survival": 1, "shortage_cost": 9}
        instance = so.read(
            {
                "horizon": {"start": 2026, "end": 2026, "step": "year"},
                "commodities": {"magnet": {}, "slot": {}},
                "processes": {"lines": lines, "recipe": recipe | {"capacity": capacity, "cost": cost}},
                "demands": {"all": demand},
                "options": options,
            }
        )
        return {each.name for each in every_chokepoint(instance)}

    line = {"home / magnet", "lines"}
    more = {"kind": "refining", "region": "home", "stage": "magnet", "output": {"slot": 1}, "max_size": 1}
    assert names(30) == line
    assert names(29) == names(30, cost=1) == names(30, more=more) == {*line, "recipe"}
    # What stands somewhere is a plant, whatever it costs.
    assert names(30, region="home") == {*line, "home / recipe", "recipe"}
    assert names(31, more=more) == line
    assert names(40, store={"kind": "stockpile", "commodity": "slot"}) == {*line, "recipe"}


def test_chokepoints_are_stages_processes_shocks_and_rules() -> None:
    shocks = {
        "ban": {"start": [2026, 2027], "months": 3, "deliberate": True, "cuts": [CUT]},
        "surge": {"start": 2026, "months": 3, "demand": {"all": 1.1}},
        "part": {"start": 2026, "grid": {"months": [3, 6], "severity": [0.5, 1]}, "cuts": [{"region": "rival"}]},
    }
    rule = {"cuts": [{"process": "plant", "severity": 0.5}], "months": 1}
    instance = world(shocks=shocks, policy={"min_time_to_survive": [rule]})
    found = [(each.name, each.kind, each.disruption.deliberate) for each in every_chokepoint(instance)]
    assert found == [
        ("rival / magnet", "stage", False),
        ("home / magnet", "stage", False),
        ("imports", "process", False),
        ("plant", "process", False),
        ("ban", "shock", True),
        ("part@50%", "shock", False),
        ("part@100%", "shock", False),
        ("min_time_to_survive[0]", "rule", False),
    ]


def test_the_most_exposed_stand_first() -> None:
    instance = world()
    assert [each.name for each in time_to_survive(instance).exposures] == [
        "rival / magnet",
        "imports",
        "home / magnet",
        "plant",
    ]


SUBSTITUTE = {"kind": "substitution", "demand": "all", "max_share": 0.2, "max_size": 50, "capex": 1}


def build(o: str, kind: str, size: float, t: int = 0) -> so.Build:
    return so.Build(o, kind, t, 2026 + t // 4, f"{2026 + t // 4}Q{t % 4 + 1}", size)


def test_another_plan_is_looked_at_without_looking_at_nothing_built_again() -> None:
    store = {"kind": "stockpile", "commodity": "magnet", "initial": 40}
    instance = world(options={"store": store, "ferrite": SUBSTITUTE})
    plan = so.Plan((build("ferrite", "substitution", 50),), {"store": (0.0,) * 8})
    whole, without = time_to_survive(instance, plan), time_to_survive(instance)
    assert with_other_plan(without, instance, plan) == whole != without
    assert with_other_plan(whole, instance, None) == without


def test_a_substitute_serves_up_to_its_share() -> None:
    # 50 t/yr of it are bought, 20 may be used: 30 t a year are missing, 40 t last 16 months.
    store = {"kind": "stockpile", "commodity": "magnet", "initial": 40}
    instance = world(options={"store": store, "ferrite": SUBSTITUTE})
    plan = so.Plan((build("ferrite", "substitution", 50),), {"store": (0.0,) * 8})
    both = exposure(instance, "imports", plan)
    assert (both.before[0].months, both.after[0].months) == (pytest.approx(9.6), pytest.approx(16))


def test_a_plant_of_our_own_is_there_once_its_lead_time_is_over() -> None:
    # 20 t/yr from 2027 on: 30 t a year are missing then, and the store holds 40 t: 16 months.
    new = {"kind": "refining", "stage": "magnet", "output": {"magnet": 1}, "max_size": 20, "lead_time": 12}
    store = {"kind": "stockpile", "commodity": "magnet", "initial": 40}
    instance = world(options={"store": store, "new": new})
    plan = so.Plan((build("new", "refining", 20),))
    assert [each.months for each in exposure(instance, "imports", plan).after] == [
        pytest.approx(9.6),
        pytest.approx(16),
    ]
    # It stands at home, in that stage, and a cut there takes it as well: 80 − 90 < 0 all the same.
    assert first(instance, "home / magnet", plan).months == math.inf


def test_leverage_restrains_what_is_deliberate_only() -> None:
    # Level 1 holds back a third of the cut: 30 of 90 t go on. 20 t a year are missing: 24 months.
    lever = {"kind": "leverage", "region": "rival", "restraint": 1 / 3, "max_size": 1}
    deal = {"kind": "partnership", "process": "imports", "reliability": 0.5, "max_size": 100}
    store = {"kind": "stockpile", "commodity": "magnet", "initial": 40}
    shocks = {
        name: {"start": 2026, "months": 3, "deliberate": name == "ban", "cuts": [CUT]} for name in ("ban", "storm")
    }
    instance = world(options={"store": store, "lever": lever, "deal": deal}, shocks=shocks)
    plan = so.Plan((build("lever", "leverage", 1),))
    assert first(instance, "ban", plan).months == pytest.approx(24)
    assert first(instance, "storm", plan).months == pytest.approx(9.6)
    assert first(instance, "imports", plan).months == pytest.approx(9.6)
    # A deal for 40 t/yr that is kept by half gives 20 more, whoever cuts: 40 / 30 years.
    plan = so.Plan((build("deal", "partnership", 40),))
    assert first(instance, "storm", plan).months == pytest.approx(16)


def test_a_cut_may_say_of_itself_whether_it_is_deliberate() -> None:
    # Restrained as above, but the plant's 30 t are lost by accident: 80 − 30 = 50 t a year are missing, 40 t last 9.6
    # months. With the plant's loss meant as well it is the same: leverage is over the rival.
    lever = {"kind": "leverage", "region": "rival", "restraint": 1 / 3, "max_size": 1}
    store = {"kind": "stockpile", "commodity": "magnet", "initial": 40}
    accident = {"process": "plant", "severity": 1}
    shocks = {
        "mixed": {"start": 2026, "months": 3, "cuts": [CUT | {"deliberate": True}, accident]},
        "turned": {"start": 2026, "months": 3, "deliberate": True, "cuts": [CUT | {"deliberate": False}, accident]},
    }
    instance = world(options={"store": store, "lever": lever}, shocks=shocks)
    plan = so.Plan((build("lever", "leverage", 1),))
    assert first(instance, "mixed", plan).months == pytest.approx(9.6)
    # Nothing of the 90 t goes on where that is the accident: 80 t a year, 6 months.
    assert first(instance, "turned", plan).months == pytest.approx(6)
    assert [exposure(instance, name).deliberate for name in shocks] == [True, True]


def test_two_floors_share_a_stock_and_the_cheaper_segment_gives_out() -> None:
    # 60·0.5 + 40·1.0 = 70 t a year, home makes 30: 40 t last a year. Motors cost 10 a tonne, radars 1000.
    demands = {
        "radars": {"commodity": "magnet", "quantity": 40, "survival": 1.0, "shortage_cost": 1000},
        "motors": {"commodity": "magnet", "quantity": 60, "survival": 0.5, "shortage_cost": 10},
    }
    assert first(world(demands=demands)) == SurvivalTime(2026, pytest.approx(12), "motors")
    dear = demands | {"motors": demands["motors"] | {"shortage_cost": 5000}}
    assert first(world(demands=dear)).segment == "radars"


def test_scrap_comes_back_at_its_rate() -> None:
    # 25 t of scrap a year make 20 t of magnets: 30 t a year are missing.
    life = {"commodity": "scrap", "after_years": 5, "collection_rate": 0.5, "past_quantity": 50}
    instance = so.read(
        world().to_dict()
        | {"commodities": {"magnet": {}, "scrap": {}}}
        | {"demands": {"all": world().to_dict()["demands"]["all"] | {"end_of_life": life}}}
        | {
            "processes": world().to_dict()["processes"]
            | {"recycler": {"input": {"scrap": 1.25}, "output": {"magnet": 1}, "capacity": 100}}
        }
    )
    assert first(instance).months == pytest.approx(16)


def test_a_plan_of_another_instance_is_refused() -> None:
    with pytest.raises(so.InstanceError, match="there is no such option") as refused:
        time_to_survive(world(), so.Plan((build("ferrite", "substitution", 50),), {"hoard": (1.0,) * 8}))
    assert [finding.where for finding in refused.value.findings] == ["options.ferrite", "options.hoard"]
    # A stockpile of which nothing is bought may be missing.
    assert time_to_survive(world(), so.Plan((), {"hoard": (0.0,) * 8})) == time_to_survive(world(), so.Plan())


def test_nothing_to_cut() -> None:
    assert time_to_survive(world(processes={})).exposures == ()


def test_json_says_null_for_ever() -> None:
    said = time_to_survive(world()).to_dict()
    by_name = {each["name"]: each for each in said["chokepoints"]}
    assert by_name["plant"]["before"]["2026"] == {"months": None, "segment": None}
    assert by_name["plant"]["after"] is None
    assert by_name["imports"]["cuts"] == ["process imports"]


def test_where_floors_fail_without_any_cut_only_what_ends_them_sooner_is_listed() -> None:
    # 80 t a year are needed and 70 made: 20 t of stock last for 24 months. Without the rival's 60 t, for 20/70 years;
    # without the plant's 10 t, for 20/20 years. Ferrite serves no floor.
    processes = {
        "imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 60},
        "plant": {"region": "home", "output": {"magnet": 1}, "capacity": 10},
        "kiln": {"region": "home", "output": {"ferrite": 1}, "capacity": 5},
    }
    store = {"kind": "stockpile", "commodity": "magnet", "price": 5, "initial": 20}
    instance = world(processes=processes, options={"store": store})
    found = time_to_survive(instance)
    months = {each.name: each.before[0].months for each in found.exposures}
    assert months == pytest.approx({"imports": 240 / 70, "plant": 12, "kiln": 24})
    assert found.uncut.before[0].months == pytest.approx(24)
    assert [each.name for each in found.ending] == ["imports", "plant"]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(*time_to_survive_parts(found, 200, instance=instance))
    assert "Nothing is cut: months until a floor fails without any cut" in console.export_text()
    assert found.frames.frame("months")["chokepoint"][:2] == ["nothing is cut"] * 2
    assert found.frames.frame("months")["gives_out_before"][:2] == ["all"] * 2
    assert found.to_dict()["uncut"]["before"]["2026"] == {"months": pytest.approx(24), "segment": "all"}
    months = found.frames.months
    assert months["deliberate"].tolist() == [False] * len(months)
    # Without a plan there is nothing to say of one, in a column of numbers.
    assert months["after"].isna().all()
    assert months["after"].dtype == float


def test_a_cut_that_ends_nothing_is_no_row_beside_floors_that_fail_uncut() -> None:
    found = time_to_survive(world())
    assert found.uncut.is_endless
    assert found.failing_uncut == ()
    assert [each.name for each in found.ending] == [each.name for each in found.exposures if not each.is_endless]


def test_the_worst_year_is_that_with_the_plan_and_of_equal_ones_that_without() -> None:
    def worst(before: tuple[float, float], after: tuple[float, ...] = ()) -> int:
        times = [tuple(SurvivalTime(2026 + i, m, None) for i, m in enumerate(months)) for months in (before, after)]
        return Exposure("imports", "process", False, (), *times).worst

    assert (worst((1, 2)), worst((1, 2), (5, 3)), worst((2, 1), (3, 3))) == (0, 1, 1)


@pytest.mark.parametrize(
    ("surge", "severity", "is_said"), [({}, 1, False), ({"all": 1.5}, 1, True), ({}, [1, 0.5], True)]
)
def test_what_is_not_taken_of_one_shock_among_others_is_said(surge: Any, severity: Any, is_said: bool) -> None:
    cut = {"start": 2026, "months": 6, "cuts": [{"region": "rival", "severity": 1}]}
    other = {**cut, "cuts": [{"region": "rival", "severity": severity}], "demand": surge}
    instance = world(shocks={"ban": cut, "war": other})
    console = Console(width=100, file=io.StringIO())
    for part in time_to_survive_parts(time_to_survive(instance), 100, instance=instance):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    assert ("Of a shock only the cuts are taken" in " ".join(console.file.getvalue().split())) == is_said
