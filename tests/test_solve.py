"""The main job as a whole: what stands beside a plan is right, and what cannot be had is said."""

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import optimizer as so
from optimizer.algorithms.extensive_form import ShockModel, solve_extensive_form
from optimizer.algorithms.reading import read_flows, without_rounding_errors
from optimizer.algorithms.solving import open_evaluator
from optimizer.audit.result import audit_result
from optimizer.disruptions.path import BASELINE
from optimizer.instance.derived import is_bought
from optimizer.report.html.book import book
from optimizer.report.narrative import answer_sentence, facts
from optimizer.report.tables.plan import builds_table, survival_tables
from optimizer.results.result import price_of_survival
from optimizer.solver import Clock, Settings
from optimizer.studies.compare import frontier
from optimizer.studies.conclusion import Timer, conclude
from optimizer.studies.outcomes import relative_distance
from optimizer.studies.supply_chain import supply_shares
from tests.faults.forging import TINY, many

CASES = Path(__file__).parent / "cases"
EXACT = so.Settings(mip_gap=0.0)


def market(**parts: Any) -> dict[str, Any]:
    """100 t a year, all from a rival at 10 USD/t; an embargo in 2027; parts may be replaced."""
    return {
        "name": "market",
        "horizon": {"start": 2026, "end": 2027, "step": "year"},
        "home": "home",
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000, "cost": 10}},
        "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000}},
        "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50, "max_size": 500}},
        "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    } | parts


def solved(**parts: Any) -> so.Result:
    return so.solve(so.read(market(**parts)), settings=EXACT)


def test_price_of_survival_and_doing_nothing() -> None:
    # 80 t of reserve at 50 = 4000 on top of 2 * 100 * 10; nothing built leaves 80 t below the floor, at 1000.
    result = solved()
    assert result.calm_cost == pytest.approx(2000)
    assert result.price_of_survival == pytest.approx(4000)
    assert result.calm_builds == ()
    assert result.nothing is not None
    assert (result.nothing.below_floor, result.nothing.gap) == (pytest.approx(80), pytest.approx(80000))
    assert (result.nothing.shocks_failed, result.nothing.worst_shock) == (1, "embargo")


def test_what_pays_for_itself_without_shocks_is_marked() -> None:
    # A plant at 1 USD/t saves 9 a year on 2 years, for 5: 100 t/yr bought without shocks. In the shock it serves all.
    plant = {"kind": "refining", "output": {"magnet": 1}, "cost": 1, "capex": 5, "max_size": 100}
    result = solved(options={"plant": plant})
    assert result.calm_builds == ("plant",)
    assert result.price_of_survival == pytest.approx(0)


def test_costs_by_part_add_up() -> None:
    result = solved()
    assert result.costs["stock purchases"] == pytest.approx(4000)
    assert result.costs["operation"] == pytest.approx(2000)
    assert sum(result.costs.values()) == pytest.approx(result.total_cost)
    assert result.outlays == {"2026": pytest.approx(4000), "2027": pytest.approx(0)}


def test_what_binds_has_its_price() -> None:
    # One point of the floor is 1 t, 50 USD of reserve.
    (floor,) = [price for price in solved().binding if "floor" in price.what]
    assert floor.what == "the floor of all in embargo"
    assert floor.worth == pytest.approx(50)


RUN = {"kind": "refining", "output": {"magnet": 1}, "cost": 40, "max_size": 80, "min_utilisation": 0.5}
CUTS = [{"region": "rival", "severity": 1, "deliberate": True}]
LEVER = {"kind": "leverage", "region": "rival", "restraint": 0.3, "max_size": 1, "capex": 10}
TWO_LINES = {
    "imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": 10},
    "line": {"region": "home", "output": {"magnet": 1}, "capacity": 100, "cost": 32},
}


@pytest.mark.parametrize(
    ("parts", "what", "worth"),
    [
        # A point of 100 t a year, in two years, at 22 USD a tonne more than the imports.
        (
            {"processes": TWO_LINES, "shocks": {}, "options": {}}
            | {"policy": {"min_share": [{"commodity": "magnet", "region": "home", "share": 0.1}]}},
            "the rule that at least 10 % of magnet comes from home",
            2 * 1 * 22,
        ),
        # 80 t a year are needed in 2027, and run then at half of that without a shock, 30 USD dearer than imports.
        ({"options": {"plant": RUN}}, "plant having to run in the baseline", 0.8 * 30),
        # 30 of 80 t are missing, at 1000; the size has a row, and bounds of the size and of what runs.
        ({"options": {"plant": RUN | {"max_size": 50, "min_utilisation": 0}}}, "the largest size of plant", 500),
        # Of the 100 t that are cut, leverage of full size leaves 30.
        (
            {"processes": {"imports": TWO_LINES["imports"]}, "options": {"chips": LEVER}},
            "the largest size of chips",
            300,
        ),
        (
            {"processes": {"imports": TWO_LINES["imports"]}, "options": {"chips": LEVER}},
            "the capacity of imports in the shocks",
            300,
        ),
        # 0.4 t a year more: 8 USD a tonne less than imports in 1.5 expected years, 48 less than going short in 0.5.
        (
            {
                "demands": {"all": {"commodity": "magnet", "quantity": 100, "shortage_cost": 50}},
                "options": {
                    "ferrite": {"kind": "substitution", "demand": "all", "max_share": 0.4, "cost": 2, "max_size": 80}
                },
                "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": CUTS, "probability": 0.5}},
            },
            "the share that ferrite can serve",
            0.4 * (8 * 1.5 + 48 * 0.5),
        ),
    ],
)
def test_a_step_of_what_binds_is_a_share_of_all_that_the_limit_holds(
    parts: dict[str, Any], what: str, worth: float
) -> None:
    shocks = {"embargo": {"start": 2027, "months": 12, "cuts": CUTS}}
    binding = {price.what: price.worth for price in solved(**({"shocks": shocks} | parts)).binding}
    assert binding[what] == pytest.approx(worth)


def test_prices_where_floors_fail_are_prices_of_the_gap() -> None:
    # A budget of 2000 buys 40 t. One per cent more, 20 USD, buys 0.4 t of the 1000 USD/t that are missing.
    result = solved(policy={"budget": 2000})
    (budget,) = [price for price in result.binding if price.what == "the budget"]
    assert budget.worth == pytest.approx(400)
    assert result.status == "gap"
    assert result.worst_gap == pytest.approx(40000, rel=1e-6)


def test_an_option_that_stays_closed_does_not_bind() -> None:
    # The plant would cost 10,000 to open, more than the reserve: its largest size is not what holds it.
    plant = {"kind": "refining", "output": {"magnet": 1}, "cost": 1, "fixed_cost": 1e4, "max_size": 60}
    result = solved(options=market()["options"] | {"plant": plant})
    assert not any("plant" in price.what for price in result.binding)
    assert not result.plan.builds


def test_a_shortfall_below_a_millionth_of_demand_is_none() -> None:
    # The reserve may hold 80 - 0.00005 t: half a millionth of demand below the floor.
    tiny = {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50, "max_size": 80 - 5e-5}}
    result = solved(options=tiny)
    assert (result.status, result.survival_gap, result.worst_gap) == ("survives", 0.0, 0.0)
    # 2 millionths are one.
    tiny["reserve"]["max_size"] = 80 - 2e-4
    assert solved(options=tiny).status == "gap"


def test_a_shortfall_that_is_none_is_in_no_bound_either() -> None:
    # Nothing can be bought: 10 t below the floor of 2026 at 1000; in 2027 just 0.9 millionths of 100 t are below it.
    first = {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 1}], "survival": {"all": 0.1}}
    result = solved(options={}, shocks={"first": first, "second": first | {"start": 2027, "survival": {"all": 9e-7}}})
    assert (result.status, result.shocks[1].survives) == ("gap", True)
    assert (result.survival_gap, result.gap_bound) == (pytest.approx(10_000, abs=1e-3), result.survival_gap)


@pytest.mark.parametrize("quantity", [0.1, 0.3, 3, 7, 100])
def test_a_shortfall_of_just_a_millionth_of_demand_is_one_or_none_as_a_whole(quantity: float) -> None:
    # Nothing is there in the embargo: all of the floor of 1e-6 is missing, or nothing is said of it.
    all_ = {"commodity": "magnet", "quantity": quantity, "survival": 1e-6, "shortage_cost": 1000}
    result = solved(options={}, demands={"all": all_})
    gap = 1e-3 * quantity if result.status == "gap" else 0.0
    assert (result.survival_gap, result.worst_gap) == (pytest.approx(gap), pytest.approx(gap))


def with_values(size: float, activity: float) -> so.Result:
    """No budget at all, and what a solver's tolerance left of a plant of 1000 t/yr at most."""
    plant = {"kind": "refining", "output": {"magnet": 1}, "cost": 10, "capex": 50, "max_size": 1000}
    instance, clock = so.read(market(options={"plant": plant}, policy={"budget": 0})), Clock()
    left = solve_extensive_form(instance, EXACT, clock, lambda step: None)
    assert left.values is not None
    values, found = left.values.copy(), left.builder.column_index()
    values[list(found["", "plant", "size"].values())] = size
    values[list(found["baseline", "plant", "activity"].values())] = activity
    with open_evaluator(instance, EXACT, None) as evaluator:
        return conclude(instance, EXACT, clock, Timer(), replace(left, values=values), evaluator)


def test_a_negligible_size_is_neither_bought_nor_paid() -> None:
    # 1e-12 t/yr are far below a billionth of 1000.
    result = with_values(size=1e-12, activity=0.0)
    assert (result.outlay, result.plan and result.plan.builds) == (0.0, ())


def bulk_and_rare(bulk_t: float, shortage_cost: float, **reserves: dict[str, Any]) -> so.Instance:
    """`bulk_t` t a year beside 1 t of a rare material worth 1,000 USD, both lost for a year; some reserves."""
    lost = {"region": "rival"}
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "year"},
            "home": "home",
            "commodities": {"bulk": {}, "rare": {}},
            "processes": {
                "bulk_imports": {**lost, "output": {"bulk": 1}, "capacity": bulk_t, "cost": 1000},
                "rare_imports": {**lost, "output": {"rare": 1}, "capacity": 1, "cost": 10},
            },
            "demands": {
                "many": {"commodity": "bulk", "quantity": bulk_t, "survival": 1, "shortage_cost": shortage_cost},
                "few": {"commodity": "rare", "quantity": 1, "survival": 1, "shortage_cost": 1000},
            },
            "options": {name: {"kind": "stockpile", **reserve} for name, reserve in reserves.items()},
            "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{**lost, "severity": 1}]}},
        }
    )


@pytest.mark.parametrize("shortage_cost", [100_000, 10_000_000])
def test_the_tolerance_of_a_gap_lets_no_other_floor_of_the_same_shock_fail(shortage_cost: float) -> None:
    """1,000 t of bulk cannot be saved, 1 t of a rare material can, for 500 USD: worth 1e-5 or 1e-7 of the gap."""
    reserve = {"commodity": "rare", "price": 500, "max_size": 10}
    result = so.solve(bulk_and_rare(1000, shortage_cost, reserve=reserve))
    assert sum(result.plan.fills["reserve"]) == pytest.approx(1.0)
    assert [d for d, service in result.shocks[0].segments.items() if service.first_failure] == ["many"]
    assert result.total_cost == pytest.approx(3 * (1000 * 1000 + 10) + 500)


@pytest.mark.parametrize(("size", "gap"), [(1.0, 0.0), (0.5, 500.0)])
def test_a_size_that_is_negligible_beside_another_material_is_bought_for_a_rare_one(size: float, gap: float) -> None:
    """A reserve of 0.5 t of 1 t at 1,000 USD leaves a gap of 500 USD, though 0.5 t are nothing beside 1M t of bulk."""
    bulk = {"commodity": "bulk", "price": 1000}
    rare = {"commodity": "rare", "price": 50, "max_size": size}
    result = so.solve(bulk_and_rare(1_000_000, 1_000_000, bulk=bulk, rare=rare), settings=so.Settings(mip_gap=0))
    assert sum(result.plan.fills["rare"]) == pytest.approx(size)
    assert (result.survival_gap, result.shocks[0].gap) == (pytest.approx(gap), pytest.approx(gap, abs=0.01))


def test_a_largest_size_that_is_meant_as_no_limit_hides_no_purchase() -> None:
    # 20 t/yr of scrap from 40 t sold: the recycler is built for them, whatever the largest size.
    instance = so.load(CASES / "22_scrap_inside_horizon.yaml", ["options.recycler.max_size=1e12"])
    result = so.solve(instance)
    assert result.total_cost == pytest.approx(4200)
    assert [(build.option, build.size) for build in result.plan.builds] == [("recycler", pytest.approx(20))]
    assert is_bought(instance, "recycler", 20)


def test_nothing_runs_on_a_negligible_size() -> None:
    # Of 1000 t/yr 5e-7 are negligible; run all year, they would be 5e-7 t more than the capacity of nothing.
    result = with_values(size=5e-7, activity=5e-7)
    assert result.baseline is not None
    assert set(result.baseline["plant", "activity"]) == {0.0}


def test_what_is_below_its_bound_by_a_tolerance_is_neither_run_nor_paid() -> None:
    # A price floor of 2 on −1e-10 t would be an outlay of −2e-10 in a plan that buys nothing.
    plant = {"kind": "ally", "output": {"magnet": 1}, "cost": 90, "support": 2, "capex": 50, "max_size": 1000}
    instance = so.read(market(options={"plant": plant}, policy={"budget": 0}))
    found = solve_extensive_form(instance, EXACT, Clock(), lambda step: None)
    assert found.values is not None
    columns, values = list(found.builder.column_index()["baseline", "plant", "activity"].values()), found.values.copy()
    values[columns] = -1e-10
    assert {without_rounding_errors(instance, found.builder, values.tolist())[j] for j in columns} == {0.0}


def test_integrality_errors_are_removed() -> None:
    # Both plants may be opened for nothing, and only one of them is of use; a solver may open the other at size 0.
    plant = {"kind": "refining", "output": {"magnet": 1}, "cost": 10, "capex": 1, "min_size": 1e-9, "max_size": 100}
    dear = plant | {"capex": 90}
    result = solved(options={"plant": plant, "dear": dear})
    assert [build.option for build in result.plan.builds] == ["plant"]
    assert all(build.size > 0 for build in result.plan.builds)


def test_an_opening_at_size_0_that_something_requires_stays() -> None:
    # The mine's size costs something here, and rival ore would do: it is opened for the refinery's sake alone.
    result = so.solve(so.load(CASES / "14_requires.yaml", overrides=["options.mine.capex=1"]), settings=EXACT)
    assert [(build.option, build.size > 0, build.opened) for build in result.plan.builds] == [
        ("mine", False, True), ("ref", True, True)
    ]  # fmt: skip


def test_budget_argument_replaces_the_files() -> None:
    instance = so.read(market(policy={"budget": 1}))
    assert not so.solve(instance, settings=EXACT).survives
    assert so.solve(instance, budget=4000, settings=EXACT).survives


@pytest.mark.parametrize(
    ("budget", "limit", "status", "why"),
    [
        (20e6, 0.0, "stopped", "stopped, no plan: the search was stopped before it had one"),
        (6e6, None, "none", "none, no plan: the budget of 6,000,000 USD; policy.force: "),
    ],
)
def test_where_there_is_no_plan_nothing_survives_and_no_figure_is_stated(
    budget: float, limit: float | None, status: str, why: str
) -> None:
    instance = so.load(CASES.parent.parent / "instances" / "tiny.yaml")
    instance = so.read(instance.to_dict() | {"policy": {"budget": budget, "force": {"plant": {2026: 40}}}})
    result = so.solve(instance, settings=so.Settings(time_limit=limit))
    assert (result.status, result.baseline, result.survives) == (status, None, False)
    figures = ("total_cost", "outlay", "survival_gap", "worst_gap")
    assert all(math.isnan(getattr(result, name)) for name in figures)
    assert why in repr(result)
    assert result.to_dict()["survives"] is False
    assert [result.to_dict()[name] for name in figures] == [None] * 4
    again = so.Result.from_dict(result.to_dict())
    assert (repr(again), again.to_json()) == (repr(result), result.to_json())
    assert audit_result(instance, again).ok
    assert not audit_result(instance, replace(again, outlay=0.0)).ok


def test_time_that_runs_out_leaves_a_plan_that_does_nothing() -> None:
    instance = so.load(CASES / "generated" / "106.yaml")
    result = so.solve(instance, settings=so.Settings(time_limit=0.0))
    assert result.status == "stopped"
    assert result.plan.builds == ()
    assert result.nothing is not None
    assert result.survival_gap == pytest.approx(result.nothing.gap)
    assert result.bound is None


def test_no_shocks_at_all() -> None:
    result = solved(shocks={})
    assert (result.status, result.total_cost, result.shocks) == ("survives", pytest.approx(2000), ())
    assert result.nothing is None


def test_a_survival_floor_of_worthless_demand_is_kept_where_it_can_be() -> None:
    free = {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 0}}
    result = solved(demands=free)
    # In the baseline nothing is worth serving, so nothing is imported; in the shock 80 t have to be there all the same.
    assert result.survives
    assert result.total_cost == pytest.approx(4000)


def test_seed_and_threads_do_not_change_the_optimum() -> None:
    instance = so.load(CASES / "generated" / "104.yaml")
    costs = {
        so.solve(instance, settings=Settings(mip_gap=0.0, seed=seed, threads=threads)).total_cost
        for seed, threads in ((None, None), (7, 1), (8, 2))
    }
    assert max(costs) - min(costs) <= 1e-6 * max(costs)


def test_steps_tell_best_and_bound() -> None:
    steps: list[Any] = []
    found = solve_extensive_form(
        so.load(CASES / "generated" / "105.yaml"), Settings(mip_gap=0.0), Clock(), steps.append
    )
    assert {"cost", "gap", "cost under the gap"} <= {step.phase for step in steps}
    assert all(step.bound <= step.best * (1 + 1e-9) or step.best == float("inf") for step in steps)
    assert found.bound <= found.objective


def test_the_frame_of_survival_has_every_shock_and_segment_and_says_whether_the_floor_holds() -> None:
    result = many()
    frame = result.survival
    assert len(frame) == 60 * 2
    lines = [each for each in result.shocks if each.flows is None]
    missing = [(each, d) for each in lines for d in ("civil", "defence") if d not in each.segments]
    assert missing
    for each, d in missing:
        row = frame.loc[each.name, d]
        assert row["shortage"] == (each.unserved or {}).get(d, 0.0)
        assert row[["floor", "worst_service", "margin", "worst_period"]].isna().all()
        assert row["survives"]
    failing = so.solve(so.load(TINY), "5M")
    expected = [s.first_failure is None for each in failing.shocks for s in each.segments.values()]
    assert not all(expected)
    assert failing.survival["survives"].tolist() == expected


def test_a_margin_of_a_floor_that_holds_is_not_negative_in_tables() -> None:
    result = solved()
    outcome = result.shocks[0]
    (d, service) = next(iter(outcome.segments.items()))
    rounded = replace(service, worst_service=service.floor - 5e-17 if service.floor < 0.5 else service.floor - 1e-15)
    changed = replace(result, shocks=(replace(outcome, segments={**outcome.segments, d: rounded}),))
    assert rounded.margin < 0
    row = changed.survival.loc[outcome.name, d]
    assert (row["margin"], row["survives"]) == (0, True)


def test_json_has_the_budget_and_says_of_what_a_step_saves() -> None:
    tiny = so.load(TINY)
    found = so.solve(tiny, "5M").to_dict(whole=False)
    assert (found["budget"], {each["of"] for each in found["binding"]}) == (5e6, {"gap"})
    found = so.solve(tiny).to_dict(whole=False)
    assert (found["budget"], {each["of"] for each in found["binding"]}) == (20e6, {"cost"})
    priced = so.solve(so.load(TINY, ["demands.motors.shortage_cost=70k", "policy.gap_price=1"]))
    assert set(priced.frames.limits["of"]) == {"cost and gap"}
    assert priced.frames.frame("limits").note.endswith("Gaps count at their price, undiscounted.")


def test_repr_and_frames_carry_units() -> None:
    result = solved()
    assert repr(result).startswith("<Result 'market': survives, 1 of 1 shocks survived; total cost 6,000 USD")
    assert "reserve" in repr(result.plan)
    assert result.stock.attrs["units"] == {"reserve": "t"}
    assert {"floor", "below_floor", "gap"} <= set(result.survival.columns)
    assert result.survival.attrs["units"]["gap"] == "USD"
    assert result.dependence["share"].tolist() == [1.0, 1.0]
    assert result.flows["quantity"].sum() > 0
    assert result.builds.index.get_level_values("option").tolist() == ["reserve"]
    assert repr(so.read(market())).startswith("<Instance 'market': 2026…2027 by year; processes: 1;")


def test_what_goes_unserved_without_shocks_is_told() -> None:
    # Half of what is made has to be made at home, where nothing makes any: nothing is made, 100 t a year go short.
    rule = {"commodity": "magnet", "region": "home", "share": 0.5, "from": 2027}
    result = solved(policy={"min_share": [rule]})
    assert result.survives
    lack = result.lacks["all"]
    assert (lack.share, lack.period, lack.unserved) == (pytest.approx(1), "2027", pytest.approx(100))
    (text,) = [text for label, text in facts(so.read(result.data), result) if label == "Baseline shortage"]
    assert text.startswith(
        "all up to 100 % unserved (2027), 100 t in all, though no shock strikes: in the total cost, in no"
    )
    assert result.to_dict()["lacks"] == {"all": {"share": lack.share, "period": "2027", "unserved": lack.unserved}}
    again = so.Result.from_dict(result.to_dict())
    assert again.lacks == result.lacks
    wrong = replace(result, lacks={"all": replace(lack, unserved=50.0)})
    assert any("all.lacks.unserved" in row for row in audit_result(so.read(result.data), wrong).disagreements)
    silent = replace(result, lacks={})
    assert any("all.lacks" in row for row in audit_result(so.read(result.data), silent).disagreements)


def test_nothing_is_said_where_all_is_served_without_shocks() -> None:
    result = solved()
    assert result.lacks == {}
    assert "Baseline shortage" not in [label for label, _ in facts(so.read(result.data), result)]


def test_what_lowers_the_expected_cost_of_shocks_is_not_said_to_be_needless() -> None:
    # No floor. A tonne in store costs 50 and saves 0.5·1000. The store is full, 60 t at 50 = 3000; the shock leaves 40
    # t unserved and buys no imports: 0.5·(40·1000 - 100·10) = 19,500. Without the store it is 0.5·(100·1000 - 100·10).
    demand = {"commodity": "magnet", "quantity": 100, "survival": 0, "shortage_cost": 1000}
    shocks = {"embargo": {"start": 2027, "months": 12, "probability": 0.5, "cuts": CUTS}}
    reserve = {"kind": "stockpile", "commodity": "magnet", "price": 50, "max_size": 60}
    parts = {"demands": {"all": demand}, "shocks": shocks, "options": {"reserve": reserve}}
    result = solved(**parts)
    assert result.total_cost == pytest.approx(2000 + 3000 + 19_500)
    said = dict(facts(so.read(result.data), result))
    assert "(19.5k USD of it is the expected cost of the shocks)" in said["Price of survival"]
    assert said["Doing nothing"] == "cannot fail either, but costs more: what is bought lowers costs"
    # Nothing can be bought.
    result = solved(**parts, policy={"budget": 0})
    assert (
        dict(facts(so.read(result.data), result))["Doing nothing"]
        == "cannot fail either: nothing would have to be bought"
    )
    # Without a probability the shock has no expected cost.
    assert "expected" not in dict(facts(so.read(market()), solved()))["Price of survival"]


def test_a_plan_that_fails_has_no_price_of_survival() -> None:
    # Nothing can be bought: the plan costs what the baseline costs, and fails.
    failing = solved(policy={"budget": 0})
    assert not failing.survives
    said = dict(facts(so.read(failing.data), failing))
    assert said["Price of the plan"].startswith("nothing: ")
    assert "Price of survival" not in said
    assert ">Price of the plan<" in failing._repr_html_()
    assert "Price of survival" in dict(facts(so.read(market()), solved()))


def test_a_difference_within_the_errors_of_two_costs_is_no_price() -> None:
    # 80 t of reserve at 2.5e-6: 0.0002 on top of 2 * 100 * 10, a ten-millionth of the cost.
    problem, result = reserve_at(2.5e-6)
    assert (result.plan.bought, result.total_cost - 2000) == (("reserve",), pytest.approx(2e-4, rel=1e-3))
    assert result.price_of_survival == 0.0
    assert dict(facts(problem, result))["Price of survival"].startswith("nothing: ")
    assert "the plan costs no more than the cheapest plan of a world without shocks" in answer_sentence(problem, result)
    shown = result._repr_html_().partition("Price of survival")[2].partition("</tr>")[0]
    assert ">nothing: without shocks the same instance costs no less<" in shown
    # The page, with a second plan: without any outlay the same 2000 are spent.
    points = book(problem, frontier(problem, result, [0.0])).to_dict()["points"]
    assert [point["price_of_survival"] for point in points] == [0.0] * len(points)
    assert audit_result(problem, result).ok
    assert not audit_result(problem, replace(result, price_of_survival=0.01)).ok
    # At 2.5e-3 it is 0.2, a ten-thousandth.
    problem, result = reserve_at(2.5e-3)
    assert result.price_of_survival == pytest.approx(0.2)
    assert audit_result(problem, result).ok
    assert not audit_result(problem, replace(result, price_of_survival=0.0)).ok
    assert dict(facts(problem, result))["Price of survival"].startswith("0.2 USD of the total cost")


def reserve_at(price: float) -> tuple[so.Instance, so.Result]:
    reserve = {"kind": "stockpile", "commodity": "magnet", "price": price, "max_size": 500}
    result = solved(options={"reserve": reserve})
    return so.read(result.data), result


@pytest.mark.parametrize(
    ("cost", "no_shock", "price"),
    [
        (2000.0, 1999.999, 0.0),
        (2000.0, 2000.001, 0.0),
        (2000.0, 1999.9, 2000.0 - 1999.9),
        # With more money than the plan at hand had, less than its no-shock plan.
        (2000.0, 2100.0, -100.0),
        # Income above cost.
        (-2000.0, -2000.001, 0.0),
        (-2000.0, -2100.0, 100.0),
        (0.0, 0.0, 0.0),
        (2000.0, None, None),
    ],
)
def test_price_of_survival_is_nothing_within_a_millionth_of_the_cost_of_either_sign(
    cost: float, no_shock: float | None, price: float | None
) -> None:
    assert price_of_survival(cost, no_shock) == price


def test_a_gap_is_said_to_be_a_sum_and_a_value_to_be_of_a_date() -> None:
    # One shock is no sum; two starts are one.
    shock = market()["shocks"]["embargo"]
    one = solved(policy={"budget": 0}, currency="USD of 2020")
    two = solved(policy={"budget": 0}, shocks={"embargo": shock | {"start": [2026, 2027]}})
    alone, both = (dict(facts(so.read(each.data), each)) for each in (one, two))
    assert "summed" not in alone["Gap of all shocks"]
    summed = "summed over 2 shocks, each on its own: 160 t below the floors; a measure for comparing plans, not a gap"
    assert summed in both["Gap of all shocks"]
    assert "present value at the start of 2026, in USD of 2020" in alone["Total cost"]


@pytest.mark.parametrize(("start", "months", "is_marked"), [(2026, 12, False), (2026, 24, True), (2027, 36, True)])
def test_a_shock_that_lasts_until_the_horizon_ends_is_marked(start: int, months: int, is_marked: bool) -> None:
    # The horizon is 2026 and 2027: a shock of two years ends with it, one of three years from 2027 is cut off there.
    shock = market()["shocks"]["embargo"] | {"start": start, "months": months}
    result = solved(shocks={"embargo": shock})
    console = Console(width=80, record=True, file=io.StringIO())
    for table in survival_tables(so.read(result.data), result, 80):
        console.print(table)
    said = console.export_text()
    assert ("embargo ‡" in said, "‡ lasts until the horizon ends" in said) == (is_marked, is_marked)


def test_a_survival_table_that_is_split_is_continued() -> None:
    demand = {"commodity": "magnet", "quantity": 1, "survival": 0.5, "shortage_cost": 9}
    result = solved(demands={f"segment_{i}": demand for i in range(12)})
    console = Console(width=80, record=True, file=io.StringIO())
    for table in survival_tables(so.read(result.data), result, 80):
        console.print(table)
    titles = [line.strip() for line in console.export_text().splitlines() if line.startswith("Survival")]
    assert titles == ["Survival", "Survival, continued", "Survival, continued"]


def test_segments_that_go_short_without_shocks_are_told_apart() -> None:
    # 10 t are asked of each segment, and going short costs nothing: four names, the first three of which are told.
    demand = {"commodity": "magnet", "quantity": 10, "shortage_cost": 0}
    result = solved(demands={f"d{i}": demand | {"name": f"Segment {i}, all of it"} for i in range(4)})
    (text,) = [text for label, text in facts(so.read(result.data), result) if label == "Baseline shortage"]
    assert text.startswith("Segment 0, all of it up to 100 % unserved (2026), 20 t in all; Segment 1, ")
    assert "; and 1 more, though no shock strikes: " in text


def test_an_integer_programme_gets_the_time_that_is_left_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    # HiGHS counts the seconds of an integer programme from its start, those of linear ones from the first of all.
    plant = {"kind": "refining", "output": {"magnet": 1}, "fixed_cost": 9, "max_size": 90}
    instance = so.read(market(options={"plant": plant}))
    model = ShockModel(instance, instance.events, EXACT, Clock(100.0), lambda step: None)
    highs = model.solver._back._highs  # type: ignore[attr-defined]
    monkeypatch.setattr(highs, "getRunTime", lambda: 1000.0)
    assert model.solver.solve(relaxed=True).status == "optimal"
    assert highs.getOptionValue("time_limit")[1] == pytest.approx(1100.0, abs=99)
    assert model.solver.solve().status == "optimal"
    assert highs.getOptionValue("time_limit")[1] == pytest.approx(100.0, abs=99)


@pytest.mark.parametrize(("decide", "is_said"), [("year", True), ("quarter", False)])
def test_the_plan_says_when_builds_can_be_decided(decide: str, is_said: bool) -> None:
    # The embargo begins in October 2027: a plant is due by then, and with a decision a year it is ordered in January.
    plant = {"kind": "refining", "output": {"magnet": 1}, "max_size": 100, "capex": 100}
    embargo = {"start": "2027Q4", "months": 3, "cuts": [{"region": "rival", "severity": 1}]}
    horizon = {"start": 2026, "end": 2027, "step": "quarter", "decide": decide}
    instance = so.read(market(horizon=horizon, options={"plant": plant}, shocks={"embargo": embargo}))
    result = so.solve(instance, settings=EXACT)
    (build,) = result.plan.builds
    assert build.period <= "2027Q4"
    console = Console(file=io.StringIO(), width=200)
    console.print(builds_table(instance, result, 200))
    assert isinstance(console.file, io.StringIO)
    words = (
        "Builds are decided in the first quarter of a year (horizon.decide), which may be earlier than they have to be."
    )
    assert (words in console.file.getvalue()) is is_said


def test_a_distance_of_rounding_errors_is_proven_where_a_gap_of_0_is_asked_for() -> None:
    """Cost and bound of 3,952.89, summed in two orders, differ by 5e-16 of it; 1e-9 of it is more than that."""
    assert relative_distance(3952.8900000000012, 3952.8899999999994, 0.0, 0.0) == 0.0
    assert relative_distance(3952.89, 3952.89 - 4e-6, 0.0, 0.0) == pytest.approx(1e-9, rel=0.02)
    assert relative_distance(3952.89, None, 0.0, 0.0) is None


def test_a_flow_of_rounding_errors_names_no_region_of_origin() -> None:
    """Imports of 100 t and 1e-14 t of a plant that is not built: the plant's region makes none of the magnets."""
    instance = so.load(TINY)
    found = {(BASELINE, "imports", "activity"): {}, (BASELINE, "plant", "activity"): {}}
    values = list[float]()
    for t in instance.horizon.periods:
        for (_, owner, _), at in found.items():
            at[t] = len(values)
            values.append(100.0 if owner == "imports" else 1e-14)
    flows = read_flows(instance, found, values, instance.baseline)
    assert set(flows["plant", "activity"]) == {0.0}
    assert [list(share.regions) for share in supply_shares(instance, flows)["magnet"]] == [["rival"], ["rival"]]


def test_a_long_key_of_a_shock_keeps_its_indent_on_a_line_of_its_own() -> None:
    key = "licensing_as_in_the_spring_of_2025"
    cuts = [{"region": "rival", "severity": 1}]
    result = solved(shocks={key: {"start": [2026, 2027], "months": 12, "cuts": cuts}})
    console = Console(width=80, record=True, file=io.StringIO())
    for table in survival_tables(so.read(result.data), result, 80):
        console.print(table)
    lines = [line[:34].rstrip() for line in console.export_text().splitlines()]
    at = next(i for i, line in enumerate(lines) if line in ("  tightest", "  worst"))
    assert lines[at + 1].startswith(f"    {key[:20]}")
