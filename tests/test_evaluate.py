"""Plans that are given: cost, survival, rules broken, what is missing and what is wasted, each worked by hand."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.errors import GivenPlanError
from optimizer.report.tables.evaluate import evaluation_parts
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.studies.evaluate import evaluate, evaluate_futures
from optimizer.studies.evaluation import PlanChange, PlanNeed, plan_changes
from optimizer.studies.verify import verify
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver

ROOT = Path(__file__).parent.parent
TINY = ROOT / "instances" / "tiny.yaml"
CASES = sorted((ROOT / "tests" / "cases").glob("*.yaml"))


def data(**update: Any) -> dict[str, Any]:
    """100 t of magnets a year from a rival at 1, at least 50 of them in a ban of 2027; a plant from a year later on.

    The baseline costs 100 a year, 300 in all.
    """
    return {
        "horizon": {"start": 2026, "end": 2028, "step": "year"},
        "home": "home",
        "commodities": {"magnet": {}},
        "processes": {
            "imports": {"region": "rival", "stage": "making", "output": {"magnet": 1}, "capacity": 120, "cost": 1}
        },
        "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 1000}},
        "options": {
            "plant": {"kind": "refining", "stage": "making", "output": {"magnet": 1}, "cost": 2, "capex": 10}
            | {"max_size": 80, "lead_time": 12},
            "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 5, "max_size": 100},
        },
        "shocks": {"ban": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    } | update


def option(name: str, **update: Any) -> dict[str, Any]:
    options = data()["options"]
    return {**options, name: options[name] | update}


def one(instance: so.Instance, plan: dict[str, Any], **how: Any) -> Any:
    return evaluate(instance, plan, **how).plans[0]


def whats(found: Any) -> list[str]:
    return [f"{rule.where}: {rule.what}" for rule in found.broken_rules]


def test_a_plan_that_falls_short() -> None:
    # 20 t of the plant in 2027, 30 t below the floor at 1000 each. Plant 200, reserve none, baseline 300.
    found: Any = evaluate(so.read(data()), {"builds": {"plant": {2026: 20}}})
    plan = found.plans[0]
    assert plan.result.status == "gap"
    assert plan.result.total_cost == pytest.approx(500)
    assert plan.result.outlay == pytest.approx(200)
    assert plan.result.survival_gap == pytest.approx(30_000)
    assert plan.result.given == "plan"
    assert plan.broken_rules == ()
    (lack,) = plan.lacks
    assert lack["shock"] == "ban"
    assert (lack["segment"], lack["from"], lack["worst_period"]) == ("all", "2027", "2027")
    assert (lack["worst_service"], lack["floor"]) == (pytest.approx(0.2), 0.5)
    assert (lack["below_floor"], lack["gap"]) == (pytest.approx(30), pytest.approx(30_000))
    # 30 t of stock at 5 are cheaper than 30 t of plant at 10.
    assert plan.need is not None
    assert plan.need.is_possible
    assert plan.need.changes == (PlanChange("reserve", "2026", 0.0, pytest.approx(30), pytest.approx(150)),)
    assert (plan.need.outlay, plan.need.cost) == (pytest.approx(150), pytest.approx(150))
    # Without the plant, 20 t more would be missing.
    assert plan.waste is not None
    assert plan.waste.changes == ()
    # The optimum: 50 t of stock, 250.
    assert found.optimum is not None
    assert found.optimum.total_cost == pytest.approx(550)
    assert not found.survives


@pytest.mark.parametrize(("share", "outlay"), [(1, 150), (0.5, 75)])
def test_what_is_spent_on_what_is_missing_is_told_from_the_outlay(share: float, outlay: float) -> None:
    # As above; of the 150 for 30 t of stock the share is the budget's.
    found: Any = evaluate(
        so.read(data(options=option("reserve", budget_share=share))), {"builds": {"plant": {2026: 20}}}
    )
    assert found.plans[0].need.outlay == pytest.approx(outlay)
    missing = found.frames.frame("missing")
    assert missing["money"] == [pytest.approx(150)]
    assert ("budget_share" in missing.note) == (outlay < 150)
    assert [found.frames.frame(name).columns[-1].head for name in ("missing", "waste")] == ["Spent more", "Saved"]


def test_what_a_plan_wastes() -> None:
    # 40 t of plant and 30 t of stock; 50 t are needed. 20 t of plant at 10 could go, or 20 t of stock at 5.
    found = one(so.read(data()), {"builds": {"plant": {2026: 40}}, "purchases": {"reserve": {2026: 30}}})
    assert found.result.survives
    assert found.result.total_cost == pytest.approx(300 + 400 + 150)
    assert found.need is None
    assert found.waste.changes == (PlanChange("plant", "2026", 40.0, pytest.approx(20), pytest.approx(-200)),)
    assert (found.waste.outlay, found.waste.cost) == (pytest.approx(200), pytest.approx(200))


def test_what_rounding_leaves_of_a_purchase_is_none() -> None:
    before, after = (Plan(fills={"reserve": (0.0, size, 0.0, 0.0, 0.0)}) for size in (30.0, 1e-9))
    (change,) = plan_changes(so.load(TINY), before, after)
    assert (change.period, change.before, change.after) == ("2027", 30.0, 0.0)


def test_what_a_plan_of_several_years_wastes() -> None:
    # 50 t are needed in 2027 and 60 t in 2028, in one ban or the other: of 30 t bought in 2027 20 t at 5 could go.
    bans = data()["shocks"]["ban"] | {"start": [2027, 2028]}
    demands = {"all": data()["demands"]["all"] | {"survival": {2027: 0.5, 2028: 0.6}}}
    found = one(so.read(data(shocks={"ban": bans}, demands=demands)), {"purchases": {"reserve": {2026: 50, 2027: 30}}})
    assert found.result.survives
    assert found.waste.changes == (PlanChange("reserve", "2027", 30.0, pytest.approx(10), pytest.approx(-100)),)
    assert (found.waste.outlay, found.waste.cost) == (pytest.approx(100), pytest.approx(100))


def test_what_is_missing_does_as_entered_what_is_said() -> None:
    # 8 t a month, half of it kept in a ban of five months from May: 20 t by the end of April, at most 5 t a month. The
    # plan buys 1 t a month. Its 12 t and the 16 t that it lacks, bought evenly, are 9.3 t by then.
    horizon = {"start": 2026, "end": 2026, "step": "month"}
    demands = {"all": data()["demands"]["all"] | {"quantity": 96}}
    shocks = {"ban": data()["shocks"]["ban"] | {"start": "2026-05", "months": 5}}
    options = {"reserve": data()["options"]["reserve"] | {"fill_rate": 60}}
    instance = so.read(data(horizon=horizon, demands=demands, shocks=shocks, options=options))
    found: Any = evaluate(instance, {"purchases": {"reserve": {2026: 12}}})
    need = found.plans[0].need
    parts = [("2026Q1", 3, 15), ("2026-04", 1, 5), ("2026-05", 1, 1), ("2026-06", 1, 1), ("2026Q3", 3, 3)]
    parts += [("2026Q4", 3, 3)]
    assert [(each.period, each.before, each.after) for each in need.changes] == [
        (period, pytest.approx(before), pytest.approx(after)) for period, before, after in parts
    ]
    assert [each.money for each in need.changes] == [pytest.approx(money) for money in (60, 20, 0, 0, 0, 0)]
    assert "enter them in place of the year" in found.frames.frame("missing").note
    entered = {"purchases": {"reserve": {each.period: each.after for each in need.changes}}}
    assert one(instance, entered, is_quick=True).result.survives
    assert not one(instance, {"purchases": {"reserve": {2026: 28}}}, is_quick=True).result.survives


def test_where_nothing_is_needed_all_is_waste() -> None:
    found = one(so.read(data(demands={})), {"builds": {"plant": {2026: 20}}})
    assert found.result.total_cost == pytest.approx(200)
    assert found.waste.changes == (PlanChange("plant", "2026", 20.0, 0.0, pytest.approx(-200)),)


def test_what_pays_for_itself_is_no_waste() -> None:
    # The plant makes magnets for 0 instead of 1: 80 t in 2027 and 2028 save 160 of its 80, shock or no shock.
    instance = so.read(data(options=option("plant", cost=0, capex=1)))
    found = one(instance, {"builds": {"plant": {2026: 80}}, "purchases": {"reserve": {2027: 50}}})
    assert [change.option for change in found.waste.changes] == ["reserve"]
    assert found.waste.cost == pytest.approx(250)


def test_what_costs_nothing_to_buy_is_waste_where_it_costs_something_to_keep() -> None:
    # A plant that is leased: 70 t for 2027 and 2028 at 4 a year cost 560. 50 t are needed; 20 t less save 160.
    found = one(so.read(data(options=option("plant", capex=0, fixed_opex=4))), {"builds": {"plant": {2026: 70}}})
    assert found.result.total_cost == pytest.approx(300 + 560)
    assert found.waste.changes == (PlanChange("plant", "2026", 70.0, pytest.approx(50), 0.0),)
    assert (found.waste.outlay, found.waste.cost) == (0.0, pytest.approx(160))


def permitted() -> so.Instance:
    """A permit, 7 to open and 3 a year to keep at size 1, lets the plant be built; it adds no supply."""
    permit = {"kind": "partnership", "process": "imports", "max_size": 1, "fixed_cost": 7, "fixed_opex": 3}
    options = option("plant", min_size=1, requires="permit", lead_time=0)
    return so.read(data(options={**options, "permit": permit | {"reliability": 0}}, discount_rate=0.1))


def evaluation_text(found: Any) -> str:
    screen = Console(width=100, record=True, file=io.StringIO())
    for part in evaluation_parts(found, 100):
        screen.print(part)
    return " ".join(screen.export_text().replace("│", " ").split())


def test_what_is_required_stays_open_when_the_plan_opens_it() -> None:
    # A permit of 2026, the plant of 2027: the permit's size is waste, 3 a year, and its opening is not. Opened in 2027,
    # at 7 / 1.1, it would cost less; but that would be another plan.
    found: Any = evaluate(permitted(), {"builds": {"permit": {2026: 1}, "plant": {2027: 50}}})
    plan = found.plans[0]
    assert plan.result.survives
    assert plan.waste.changes == (PlanChange("permit", "2026", 1.0, 0.0, 0.0),)
    assert (plan.waste.outlay, plan.waste.cost) == (0.0, pytest.approx(3 + 3 / 1.1 + 3 / 1.21))
    assert "permit, 2026: 0 t/yr instead of 1 t/yr" in evaluation_text(found)


def test_what_is_missing_has_what_is_only_opened() -> None:
    # 50 t of plant in 2027 and the permit at size 0: 500 and 7.
    options = permitted().to_dict()["options"]
    del options["reserve"]
    found: Any = evaluate(so.read(data(options=options, discount_rate=0.1)), {"builds": {}})
    changes = {each.option: (each.before, each.after, each.money) for each in found.plans[0].need.changes}
    assert changes == {"plant": (0.0, pytest.approx(50), pytest.approx(500)), "permit": (0.0, 0.0, pytest.approx(7))}
    assert found.plans[0].need.outlay == pytest.approx(507)
    text = evaluation_text(found)
    assert "plant, permit: for 507" in text
    assert "permit 2027 – 0 t/yr 7" in text


def test_what_a_failing_plan_wastes_keeps_its_gaps() -> None:
    # Two bans: that of 2027 fails by 30 t, that of 2028 as well. 10 t of the stock bought in 2028 come too late.
    shocks = {"ban": {"start": [2027, 2028], "months": 12, "cuts": [{"region": "rival", "severity": 1}]}}
    found = one(so.read(data(shocks=shocks)), {"builds": {"plant": {2026: 20}}, "purchases": {"reserve": {2028: 10}}})
    assert [round(outcome.gap) for outcome in found.result.shocks] == [30_000, 30_000]
    assert found.waste.changes == (PlanChange("reserve", "2028", 10.0, 0.0, pytest.approx(-50)),)
    # A stock is there for either of the two.
    assert found.need.changes == (PlanChange("reserve", "2026", 0.0, pytest.approx(30), pytest.approx(150)),)


def test_expected_cost_counts_shocks() -> None:
    # Probability ½: in 2027 half of the baseline's 100, and half of the ban: 20 t at 2, 80 t short at 1000.
    shocks = {"ban": data()["shocks"]["ban"] | {"probability": 0.5}}
    found = one(so.read(data(shocks=shocks)), {"builds": {"plant": {2026: 20}}})
    assert found.result.total_cost == pytest.approx(200 + 100 + 50 + 0.5 * (40 + 80_000) + 100)


@pytest.mark.parametrize(
    ("options", "plan", "said"),
    [
        (
            option("plant", earliest=2027),
            {"plant": {2026: 20}},
            "plant.2026: it is bought in 2026, before its earliest",
        ),
        (
            option("plant", latest=2026),
            {"plant": {2027: 20}},
            "plant.2027: it is bought in 2027, after its latest year, 2026",
        ),
        (option("plant"), {"plant": {2026: 50, 2027: 40}}, "plant: 90 t/yr are bought, max_size is 80 t/yr"),
        (option("plant", unit_size=30), {"plant": {2026: 40}}, "plant.2026: 40 t/yr is not in whole units of 30 t/yr"),
        (option("plant", min_size=50), {"plant": {2026: 40}}, "plant.2026: 40 t/yr is less than min_size, 50 t/yr"),
    ],
)
def test_rules_of_builds_are_named_and_not_enforced(options: Any, plan: Any, said: str) -> None:
    found = one(so.read(data(options=options)), {"builds": plan}, is_quick=True)
    (what,) = whats(found)
    assert what.startswith(said)
    assert found.result.notes == (f"The plan breaks a rule: {what}.",)
    sizes = {build.t: build.size for build in found.result.plan.builds}
    assert sizes == {year - 2026: size for year, size in plan["plant"].items()}
    assert found.result.outlay == pytest.approx(10 * sum(sizes.values()))
    assert_verified(found)


@pytest.mark.parametrize(
    ("options", "sizes", "cures"),
    [
        # Up to 80 t/yr in units of 30: 30 and 60.
        ({"unit_size": 30}, {2026: 40}, ["Buy 30 t/yr or 60 t/yr."]),
        ({"unit_size": 30}, {2026: 20}, ["Buy 30 t/yr or none."]),
        ({"unit_size": 30}, {2026: 70}, ["Buy 60 t/yr."]),
        ({"unit_size": 30}, {2026: 100}, ["Buy less, or raise max_size.", "Buy 60 t/yr."]),
        # Beside 40 of the other year there is room for 40, beside 35 for 45.
        ({"unit_size": 30}, {2026: 35, 2027: 40}, ["Buy 30 t/yr.", "Buy 30 t/yr."]),
        ({"min_size": 50}, {2026: 40}, ["Buy 50 t/yr or none."]),
        # Of 30 and 60 only 60 is large enough; of 50 and 60 only 60 is whole; no whole number of 45 is in 50 to 80.
        ({"unit_size": 30, "min_size": 50}, {2026: 45}, ["Buy 60 t/yr or none."] * 2),
        ({"unit_size": 30, "min_size": 50}, {2026: 55}, ["Buy 60 t/yr or none."]),
        ({"unit_size": 45, "min_size": 50}, {2026: 60}, ["Buy none."]),
    ],
)
def test_the_cure_of_a_size_breaks_no_other_rule(options: Any, sizes: dict[int, float], cures: list[str]) -> None:
    found = one(so.read(data(options=option("plant", **options))), {"builds": {"plant": sizes}}, is_quick=True)
    assert [rule.cure for rule in found.broken_rules] == cures


def test_what_keeps_every_rule_breaks_none() -> None:
    # In the middle of its years, of its sizes and of its rates; and at each of their ends.
    plant = option("plant", earliest=2026, latest=2028, min_size=20, max_size=60, unit_size=20)["plant"]
    stock = option("reserve", earliest=2026, latest=2028, fill_rate=30, max_size=60)["reserve"]
    policy = {"budget": 1000, "annual_budget": 800, "force": {"reserve": {2027: 30}}}
    instance = so.read(data(options={"plant": plant, "reserve": stock}, policy=policy))
    for plan in ({2027: 40}, {2026: 20}, {2028: 60}):
        found = one(instance, {"builds": {"plant": plan}, "purchases": {"reserve": {2027: 30}}}, is_quick=True)
        assert whats(found) == []
        assert found.instance is instance


def test_rules_of_purchases() -> None:
    options = option("reserve", earliest=2027, fill_rate=80, max_size=60)
    found = one(so.read(data(options=options)), {"purchases": {"reserve": {2026: 90, 2027: 10}}}, is_quick=True)
    assert whats(found) == [
        "reserve.2026: it is bought in 2026, before its earliest year, 2027",
        "reserve.2026: it is filled with 90 t/yr, fill_rate is 80 t/yr",
        "reserve: it holds 100 t, max_size is 60 t",
    ]
    assert found.result.plan.fills == {"reserve": (90.0, 10.0, 0.0)}
    assert_verified(found)


def test_ties_between_options() -> None:
    more = {"kind": "refining", "stage": "making", "output": {"magnet": 1}, "max_size": 80, "fixed_cost": 1}
    tied = {"a": more, "b": more | {"requires": "a"}, "c": more | {"excludes": "b"}}
    instance = so.read(data(options=tied))
    late = {"builds": {"a": {2027: 10}, "b": {2026: 10}}}
    assert whats(one(instance, late, is_quick=True)) == ["b: it requires a in 2026 or before"]
    both = one(instance, {"builds": {"a": {2026: 10}, "b": {2026: 10}, "c": {2028: 10}}}, is_quick=True)
    assert whats(both) == ["c: it excludes b, which is bought as well"]
    assert_verified(both)
    assert not whats(one(instance, {"builds": {"a": {2026: 10}, "b": {2026: 10}}}, is_quick=True))


def test_budgets() -> None:
    instance = so.read(data(policy={"budget": 300, "annual_budget": {2026: 500, 2027: 100}}))
    found = one(instance, {"builds": {"plant": {2026: 30, 2027: 20}}}, is_quick=True)
    assert whats(found) == [
        "policy.budget: the outlay is 500 USD, 200 USD above the budget, 300 USD",
        "policy.annual_budget.2027: the outlay is 200 USD, 100 USD above the annual budget of 2027, 100 USD",
    ]
    # Rules that the plan keeps stay: the years before and after.
    assert found.instance.policy.budget is None
    assert [found.instance.policy.annual_budget.at(year) for year in (2026, 2028)] == [500, 100]
    assert_verified(found)


def test_policies_about_operation() -> None:
    # The rival's 60 t have to run, beside 20 t of the plant: a share of a half is out of reach. One of 80 % is kept
    # from 2027 on, where 20 t from the plant cost 1 more each than those that they replace: 20 a year.
    rules = [{"commodity": "magnet", "region": "rival", "share": share, "from": 2027} for share in (0.5, 0.8)]
    processes = {"imports": data()["processes"]["imports"] | {"min_utilisation": 0.5}}
    instance = so.read(data(policy={"max_share": rules}, processes=processes))
    found = one(instance, {"builds": {"plant": {2026: 20}}}, is_quick=True)
    (what,) = whats(found)
    assert what.startswith("policy.max_share[0]: no operation of the plan satisfies it: at most 50 % of magnet")
    assert found.result.total_cost == pytest.approx(200 + 300 + 2 * 20)
    assert len(found.instance.policy.max_share) == 1
    assert_verified(found)


def test_a_plant_that_has_to_run_without_feed() -> None:
    fed = option("plant", input={"ore": 1}, min_utilisation=0.5)
    instance = so.read(
        data(
            options=fed,
            commodities={"magnet": {}, "ore": {}},
            processes=data()["processes"]
            | {"mine": {"region": "rival", "stage": "mine", "output": {"ore": 1}, "capacity": 5, "cost": 0}},
        )
    )
    found = one(instance, {"builds": {"plant": {2026: 20}}}, is_quick=True)
    assert found.broken_rules[0].where == "plant.min_utilisation"
    assert "plant has to use at least 50 % of its capacity" in found.broken_rules[0].what
    assert_verified(found)


def test_forced_purchases_and_time_to_survive() -> None:
    rule = {"cuts": [{"region": "rival", "severity": 1}], "months": 12, "from": 2028}
    instance = so.read(data(policy={"force": {"plant": {2026: 30}}, "min_time_to_survive": [rule]}))
    found = one(instance, {"builds": {"plant": {2026: 20}}}, is_quick=True)
    assert len(found.broken_rules) == 2
    assert whats(found) == [
        "policy.force: the plan does not have 30 t/yr of plant bought in 2026, but 20",
        "policy.min_time_to_survive[0]: no operation of the plan satisfies it: every floor for 12 months without "
        "region rival from 2028 on",
    ]
    assert found.result.endured == {}
    assert_verified(found)


def test_what_no_instance_can_hold() -> None:
    lever = {"kind": "leverage", "region": "rival", "restraint": 0.5, "max_size": 1, "capex": 1}
    with pytest.raises(GivenPlanError, match="max_size"):
        evaluate(so.read(data(options={"chips": lever})), {"builds": {"chips": {2026: 1.5}}}, is_quick=True)


REFINERY = {"kind": "refining", "output": {"magnet": 1}, "max_size": 277, "unit_size": 13.85}
RESERVE = {"kind": "stockpile", "commodity": "magnet", "max_size": 91.8}


@pytest.mark.parametrize(
    ("own", "plan", "cost"),
    [
        # 7 units of 13.85 are 96.94999999999999 in binary; and 27.6 + 31.5 + 32.7 = 91.80000000000001.
        (REFINERY, {"builds": {"own": {2026: 96.95}}}, 0),
        (RESERVE, {"purchases": {"own": {2026: 27.6, 2027: 31.5, 2028: 32.7}}}, 15),
    ],
)
def test_a_plan_for_a_small_demand_has_an_operation_whatever_binary_rounding_leaves(
    own: Any, plan: Any, cost: float
) -> None:
    # 10 kg a year, which only the refinery serves: beside it the solver took 1e-14 t for a broken rule.
    demand = {"commodity": "magnet", "quantity": 0.01, "shortage_cost": 500}
    tree = {"horizon": {"start": 2026, "end": 2028, "step": "year"}, "commodities": {"magnet": {}}}
    found = one(so.read(tree | {"demands": {"all": demand}, "options": {"own": own}}), plan)
    assert found.broken_rules == ()
    assert found.result.total_cost == pytest.approx(cost, abs=1e-6)


@pytest.mark.parametrize(
    ("own", "size", "capital", "wasted"),
    [
        # A floor of 50 t. The least size leaves nothing to save; the largest one would be 50 t, not 50.3.
        ({"min_size": 50.3}, 50.29998, 502.9998, 0),
        ({"min_size": 50.3, "unit_size": 50.3}, 50.29998, 502.9998, 0),
        ({"unit_size": 25.15}, 50.299978, 502.99978, 0),
        ({"max_size": 50.3, "fixed_cost": 7}, 50.30002, 510.0002, 3.0002),
    ],
)
def test_sizes_within_a_millionth_of_a_rule_keep_it(own: Any, size: float, capital: float, wasted: float) -> None:
    tree, plan = data(options=option("plant", **own)), {"builds": {"plant": {2026: size}}}
    # In futures, what no future needs is left out in each, and the purchase is operated in each.
    asked = tree | {"futures": {"which": {"from": 2028, "branches": {"a": {}, "b": {}}}}}
    for found in (one(so.read(tree), plan), evaluate_futures(so.read(asked), plan).plans[0]):
        assert found.result.survives
        assert found.result.total_cost == pytest.approx(300 + capital)
        assert found.waste is not None
        assert found.waste.cost == pytest.approx(wasted, abs=1e-4)


@pytest.mark.parametrize(
    ("own", "size"), [({"max_size": 40}, 40.00002), ({"max_size": 60, "unit_size": 20}, 40.000018)]
)
def test_what_is_missing_is_bought_beside_a_size_within_a_millionth_of_its_limit(own: Any, size: float) -> None:
    # Of the floor of 50 t, 10 are missing: 10 t of reserve at 5.
    found = one(so.read(data(options=option("plant", **own))), {"builds": {"plant": {2026: size}}})
    assert [(x.option, x.period, round(x.after, 3)) for x in found.need.changes] == [("reserve", "2026", 10)]
    assert found.need.cost == pytest.approx(50, abs=1e-3)


def test_what_is_missing_is_bought_beside_a_stock_that_is_full_but_for_binary_rounding() -> None:
    # 27.6 + 31.5 + 32.7 = 91.80000000000001; 0.01 t of paper for the floor of 2027, at 3.
    paper = {"commodity": "paper", "quantity": 0.01, "survival": 1, "shortage_cost": 3}
    tree = data(
        commodities={"magnet": {}, "paper": {}},
        processes={"mill": {"region": "rival", "output": {"paper": 1}, "capacity": 1}},
        demands={"all": paper},
        options={"full": RESERVE, "small": RESERVE | {"commodity": "paper", "price": 3}},
    )
    found = one(so.read(tree), {"purchases": {"full": {2026: 27.6, 2027: 31.5, 2028: 32.7}}})
    assert [(x.option, round(x.after, 6)) for x in found.need.changes] == [("small", 0.01)]


def test_no_purchase_keeps_every_floor() -> None:
    # A ban in the first year: nothing is there in time but what is bought at once, at most 20 t.
    shocks = {"ban": {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}}
    instance = so.read(data(shocks=shocks, options=option("reserve", fill_rate=20)))
    found = one(instance, {"purchases": {"reserve": {2026: 20}}})
    assert found.need.is_possible is False
    assert found.need.changes == ()


def test_what_a_stopped_search_buys_is_not_said_to_be_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that is stopped has a plan, which may buy nothing more and keep no floor."""
    monkeypatch.setattr(WhatIfSolver, "ask", lambda solver, *_: WhatIfResult("stopped", cost=300.0))
    found = evaluate(so.read(data()), {"purchases": {"reserve": {2026: 20}}})
    assert found.plans[0].need == PlanNeed(None)
    Console(file=(text := io.StringIO()), width=200).print(*evaluation_parts(found, 200))
    assert "Missing not known: the time ran out" in " ".join(text.getvalue().split())


def test_what_is_missing_is_found_where_the_file_is_rounded_by_hand() -> None:
    # In the ban a mill makes 66.666666 t, and works 33.333333 t at 10: 100 t but for 1e-8, which is no shortfall.
    mill = {"region": "home", "output": {"magnet": 1}, "capacity": 66.666666, "cost": 2}
    works = {"kind": "refining", "output": {"magnet": 1}, "cost": 2, "capex": 10, "max_size": 33.333333}
    demands = {"all": data()["demands"]["all"] | {"survival": 1}}
    thirds = data(processes=data()["processes"] | {"mill": mill}, options={"works": works}, demands=demands)
    (change,) = one(so.read(thirds), {"builds": {}}).need.changes
    assert (change.option, change.after) == ("works", pytest.approx(33.333333, rel=2e-6))
    branches = {"dear": {"set": {"processes.imports.cost": 2}}, "cheap": {}}
    thirds["futures"] = {"price": {"from": 2027, "branches": branches}}
    need = evaluate_futures(so.read(thirds), {"builds": {}}).plans[0].need
    assert need is not None
    assert (need.is_possible, need.outlay) == (True, pytest.approx(333.33333, rel=2e-6))


def test_plans_of_several_forms_side_by_side(tmp_path: Path) -> None:
    instance = so.load(TINY)
    solved = so.solve(instance)
    solved.save(tmp_path / "a.json")
    solved.save(tmp_path / "b.json")
    found: Any = evaluate(
        instance, [solved, solved.plan, *(str(tmp_path / name) for name in ("a.json", "b.json")), {"builds": {}}]
    )
    assert [plan.name for plan in found.plans] == ["plan 1", "plan 2", "a", "b", "plan 5"]
    assert found.optimum is not None
    for plan in found.plans[:4]:
        assert plan.result.total_cost == pytest.approx(found.optimum.total_cost)
        assert plan.waste is not None
        assert plan.waste.changes == ()
    # Nothing is bought: what is missing is the optimum.
    assert found.plans[4].need is not None
    assert found.plans[4].need.outlay == pytest.approx(found.optimum.outlay)
    said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [plan["survives"] for plan in said["plans"]] == [True, True, True, True, False]
    assert list(found.frames) == ["columns", "lacks", "missing", "waste", "rules"]
    for name in found.frames:
        assert len(found.frames.frame(name).columns) == len(found.frames.frame(name).values)


def test_findings_of_all_plans_at_once() -> None:
    with pytest.raises(GivenPlanError) as caught:
        evaluate(so.load(TINY), [{"builds": {"plnt": {2026: 20}}}, {"builds": {"plant": {2040: 20}}}])
    assert [finding.file for finding in caught.value.findings] == ["plan 1", "plan 2"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_an_optimal_plan_given_is_what_it_was(path: Path, tmp_path: Path) -> None:
    instance = so.load(path)
    solved = so.solve(instance)
    found: Any = evaluate(instance, solved)
    plan = found.plans[0]
    assert plan.broken_rules == ()
    assert plan.result.total_cost == pytest.approx(solved.total_cost, rel=1e-6)
    assert plan.result.survival_gap == pytest.approx(solved.survival_gap, rel=1e-6)
    assert plan.waste is not None
    assert plan.waste.cost == pytest.approx(0.0, abs=1e-3 * abs(solved.total_cost))
    assert_verified(plan)
    # Saved and read again, it is the same; one number changed is found.
    plan.result.save(tmp_path / "plan.json")
    again = Result.load(tmp_path / "plan.json")
    assert again.given == "plan"
    assert not again.departures
    assert audit_result(plan.instance, again).ok
    assert not audit_result(plan.instance, replace(again, total_cost=again.total_cost + 1)).ok
    assert not audit_result(plan.instance, replace(again, bound=again.total_cost)).ok


def waiting(**update: Any) -> so.Instance:
    """A shock in 2029 that takes 10 t, in future `high` alone; a plant costs 60 a t in 2027, and 100 in 2028."""
    return so.read(
        {
            "horizon": {"start": 2027, "end": 2029, "step": "year"},
            "home": "here",
            "commodities": {"m": {}},
            "processes": {"imports": {"region": "rival", "output": {"m": 1}, "capacity": 10}},
            "demands": {"d": {"commodity": "m", "quantity": 10, "shortage_cost": 1}},
            "options": {
                "plant": {"kind": "refining", "output": {"m": 1}, "capex": {2027: 60, 2028: 100}, "max_size": 10}
                | {"lead_time": 12, "latest": 2028}
            },
            "shocks": {"cut": {"start": 2029, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
            "futures": {
                "need": {
                    "from": 2028,
                    "branches": {
                        "high": {"probability": 0.25, "set": {"demands.d.survival": {2028: 0, 2029: 1}}},
                        "low": {"probability": 0.75},
                    },
                }
            },
        }
        | update
    )


def test_a_plan_followed_unchanged_in_every_future() -> None:
    # All at once: 600 in both; a plan that knows the future costs 600 and 0. 4 t in 2028: 400, and 6 t short in `high`.
    found: Any = evaluate_futures(waiting(), [{"builds": {"plant": {2027: 10}}}, {"builds": {"plant": {2028: 4}}}])
    assert [future.name for future in found.futures] == ["high", "low"]
    assert [round(result.total_cost) for result in found.results(0)] == [600, 600]
    assert [future.regret(0) for future in found.futures] == [pytest.approx(0, abs=1e-6), pytest.approx(600)]
    assert found.futures[0].regret(1) is None
    assert found.futures[1].regret(1) == pytest.approx(400)
    first, second = found.summary(0), found.summary(1)
    assert (first["survived"], first["expected_cost"], first["largest_regret"]) == (2, 600, pytest.approx(600))
    assert (second["survived"], second["expected_cost"], second["largest_regret"]) == (1, pytest.approx(400), None)
    assert (second["expected_gap"], second["worst_gap"]) == (pytest.approx(0.25 * 6), pytest.approx(6))
    # The 6 t more cost 600 in `high` alone once that is known, and 360 in both before.
    (change,) = found.plans[1].need.changes
    assert (change.period, round(change.after), change.futures) == ("2028", 10, ("high",))
    assert not found.survives
    said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [each["regret"] for each in said["plans"][0]["futures"]] == [pytest.approx(0, abs=1e-6), pytest.approx(600)]
    assert len(found.frames.frame("futures")) == 4
    for name in found.frames:
        assert len(found.frames.frame(name).columns) == len(found.frames.frame(name).values)


def test_rules_of_one_future_are_named_and_not_enforced() -> None:
    # In `high` nothing may be ordered after 2027, in `low` nothing after 2028.
    branches = {"high": {"set": {"options.plant.latest": 2027}}, "low": {}}
    instance = waiting(futures={"need": {"from": 2028, "branches": branches}})
    found: Any = evaluate_futures(instance, {"builds": {"plant": {2028: 10}}}, is_quick=True)
    assert [len(future.evaluation.broken_rules) for future in found.futures] == [1, 0]
    assert [round(result.total_cost) for result in found.results(0)] == [1000, 1000]
    assert not found.are_probabilities_given


def test_a_future_in_which_stocks_begin_with_more_has_its_own_breach_of_max_size() -> None:
    """10 t are bought: with 15 t held before, 25 of at most 30; with the 25 t of `more`, 35."""
    reserve = {"kind": "stockpile", "commodity": "m", "price": 10, "max_size": 30, "initial": 15}
    branches = {"more": {"set": {"options.reserve.initial": 25}}, "less": {}}
    instance = waiting(options={"reserve": reserve}, futures={"held": {"from": 2028, "branches": branches}})
    found: Any = evaluate_futures(instance, {"purchases": {"reserve": {2027: 10}}}, is_quick=True)
    said = [[rule.what for rule in each.evaluation.broken_rules] for each in found.futures]
    assert said == [["it holds 35 t, max_size is 30 t"], []]


def assert_verified(found: Any) -> None:
    assert verify(found.instance, found.result, "proof").report.disagreements == []


def test_a_plan_is_judged_by_expected_cost_in_each_future_whatever_the_objective() -> None:
    """The plant of 2027 costs 600 in both futures of the case; alone, `low` needs none."""
    instance = so.load("tests/cases/futures/hand_regret.yaml")
    found = so.evaluate_futures(instance, {"builds": {"plant": {2027: 10}}})
    assert [future.regret(0) for future in found.futures] == pytest.approx([0, 600])


@pytest.mark.parametrize("objective", ["expected", "regret"])
def test_a_plan_that_breaks_a_rule_is_no_reference_for_regret(objective: str) -> None:
    """All at once costs 2M + 3.6M in both futures. In 2028 the extension costs 6M: alone, `high` takes 8M, `low` 2M."""
    changes = ["options.extension.earliest=2028", f"policy.objective={objective}"]
    found = so.evaluate_futures(so.load("examples/wait_or_commit.yaml", changes), "examples/plan_at_once.yaml")
    assert [round(each.least_cost or 0.0) for each in found.plans[0].result.futures] == [8e6, 2e6]
    assert [future.regret(0) for future in found.futures] == pytest.approx([-2.4e6, 3.6e6])


def test_a_plan_that_waits_costs_what_the_adaptive_optimum_does() -> None:
    """Cell `hand_wait`: 10 t/yr in 2028 at 100, in `high` alone, 0.5 × 1,000 = 500; in 2027 for both futures, 600."""
    instance = so.load("tests/cases/futures/hand_wait.yaml")
    waits = {"futures": {"high": {"builds": {"plant": {2028: 10}}}}}
    found: Any = evaluate_futures(instance, [waits, {"builds": {"plant": {2027: 10}}}])
    assert found.survives
    assert [round(result.total_cost, 6) for result in found.results(0)] == [1000, 0]
    assert found.summary(0)["expected_cost"] == pytest.approx(so.solve_futures(instance).total_cost, rel=1e-6)
    assert found.summary(1)["expected_cost"] == pytest.approx(600, rel=1e-6)
    with pytest.raises(
        GivenPlanError, match="these futures cannot be distinguished before 2028, when need is answered"
    ):
        evaluate_futures(instance, {"futures": {"high": {"builds": {"plant": {2027: 10}}}}})


def test_the_worst_gap_over_futures_is_that_of_one_shock() -> None:
    # With 4 t/yr of plant the cut leaves 6 t short in `high`, a cut by half 10 - 5 - 4 = 1 t: 7 t in both, 6 in one.
    cuts = {
        name: {"start": 2029, "months": 12, "cuts": [{"region": "rival", "severity": severity}]}
        for name, severity in (("cut", 1), ("half", 0.5))
    }
    found: Any = evaluate_futures(waiting(shocks=cuts), {"builds": {"plant": {2028: 4}}}, is_quick=True)
    figures = found.to_dict()["plans"][0]
    assert (figures["expected_gap"], figures["worst_gap"]) == (pytest.approx(0.25 * 7), pytest.approx(6))
    assert figures["worst_gap"] == pytest.approx(found.plans[0].result.worst_gap)


# Over all futures. Cell `hand_wait`: 10 t/yr of plant are needed in `high` (½), known in 2028; 60 a t in 2027, 100 in
# 2028. Adaptive: ½ × 1,000 = 500; ordered in 2027 for both: 600.
WAIT = "tests/cases/futures/hand_wait.yaml"
WAITS = {"futures": {"high": {"builds": {"plant": {2028: 10}}}}}
AT_ONCE = {"builds": {"plant": {2027: 10}}}


def test_plans_over_all_futures_beside_the_adaptive_optimum() -> None:
    found: Any = evaluate_futures(so.load(WAIT), [WAITS, AT_ONCE])
    waits, at_once = found.summary(0), found.summary(1)
    assert found.optimum.total_cost == pytest.approx(500, rel=1e-6)
    assert (waits["total_cost"], waits["more_than_optimum"]) == (pytest.approx(500), pytest.approx(0, abs=1e-4))
    assert (at_once["total_cost"], at_once["more_than_optimum"]) == (pytest.approx(600), pytest.approx(100))
    # Alone, `high` costs 600 and `low` nothing.
    assert (waits["largest_regret"], at_once["largest_regret"]) == (pytest.approx(400), pytest.approx(600))
    assert [(each.option, each.period, each.size, each.futures) for each in found.plans[0].result.decisions] == [
        ("plant", "2028", 10, ("high",))
    ]


def test_what_one_future_needs_is_no_waste() -> None:
    # Of the 10 t/yr of 2027 `low` needs none, and cannot do without, for nobody knows then. Of 4 t/yr more in 2028, at
    # 200, no future needs anything: 800 in each. Those of 2027 are cheaper, ½ × 800 against 240.
    more = {"builds": {"plant": {2027: 10, 2028: 4}}}
    instance = so.load(WAIT, ["options.plant.max_size=20", "options.plant.capex={2027: 60, 2028: 200}"])
    found: Any = evaluate_futures(instance, [AT_ONCE, more])
    at_once, much = found.plans
    assert at_once.waste.changes == ()
    (use,) = at_once.partly_needed
    assert (use.option, use.period, use.size) == ("plant", "2027", 10)
    assert (use.futures, use.needed_in) == (("high", "low"), ("high",))
    (change,) = much.waste.changes
    assert (change.option, change.period, change.before, change.after) == ("plant", "2028", 4, 0)
    assert (change.futures, change.money) == (("high", "low"), pytest.approx(-800))
    assert (much.waste.outlay, much.waste.cost) == (pytest.approx(800), pytest.approx(800))
    assert [each.period for each in much.partly_needed] == ["2027"]
    # 10 t/yr bought in 2028 whatever the answer: `low` could have done without them, ½ × 1,000.
    (late,) = evaluate_futures(so.load(WAIT), {"builds": {"plant": {2028: 10}}}).plans
    (change,) = late.waste.changes  # type: ignore[union-attr]
    assert (change.futures, late.waste.cost) == (("low",), pytest.approx(500))  # type: ignore[union-attr]
    assert late.partly_needed == ()  # type: ignore[union-attr]


def test_what_a_future_keeps_for_nothing_is_waste_though_it_was_free() -> None:
    # Leased in 2028 at 7 a year, to work in 2029: 10 t/yr whatever the answer cost 70. `low` needs none: ½ × 70.
    leased = so.load(WAIT, ["options.plant.capex=0", "options.plant.fixed_opex=7"])
    (plan,) = evaluate_futures(leased, {"builds": {"plant": {2028: 10}}}).plans
    assert plan.result.expected_cost == pytest.approx(70)
    (change,) = plan.waste.changes  # type: ignore[union-attr]
    assert (change.option, change.futures, change.money) == ("plant", ("low",), 0)
    assert plan.waste.cost == pytest.approx(35)  # type: ignore[union-attr]
    (use,) = plan.uses or ()
    assert (use.futures, use.needed_in) == (("high", "low"), ("high",))


def test_what_is_missing_waits_for_the_answer() -> None:
    # 4 t/yr in 2027. The other 6: in 2027 for both at 60, 360; or in 2028 in `high` alone at 100, ½ × 600 = 300.
    (short,) = evaluate_futures(so.load(WAIT), {"builds": {"plant": {2027: 4}}}).plans
    (change,) = short.need.changes  # type: ignore[union-attr]
    assert (change.option, change.period, change.before, change.after) == ("plant", "2028", 0, pytest.approx(6))
    assert (change.futures, change.money) == (("high",), pytest.approx(600))  # type: ignore[union-attr]
    assert (short.need.outlay, short.need.cost) == (pytest.approx(300), pytest.approx(300))  # type: ignore[union-attr]
    # At 130 a t in 2028 it is cheaper to buy them at once: 360 against ½ × 780.
    dear = so.load(WAIT, ["options.plant.capex={2027: 60, 2028: 130}"])
    (short,) = evaluate_futures(dear, {"builds": {"plant": {2027: 4}}}).plans
    (change,) = short.need.changes  # type: ignore[union-attr]
    assert (change.period, change.before, change.after) == ("2027", 4, pytest.approx(10))
    assert change.futures == ("high", "low")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("case", "plan", "cost", "expected", "best"),
    [
        # Regret: 4 t/yr in 2027 at 60 and 6 in `high` at 100: 840 − 600 and 240 − 0. At once: 600 in `low`.
        ("hand_regret", {"builds": {"plant": {2027: 4}}, "futures": {"high": {"builds": {"plant": {2028: 6}}}}},
         240, 540, 240),
        ("hand_regret", AT_ONCE, 600, 600, 240),
        # Largest cost: 10 t of stock in `hard` (0.1) at 50. Bought in both, 2 t more in `easy`: 600.
        ("hand_price_worst", {"futures": {"hard": {"purchases": {"stock": {2028: 10}}}}}, 500, 50, 500),
        ("hand_price_worst", {"futures": {"hard": {"purchases": {"stock": {2028: 10}}},
                                          "easy": {"purchases": {"stock": {2028: 12}}}}}, 600, 590, 500),
        # The permit in 2027, the plant in 2029 in war.long alone: 40 + 0.25 × 1,000; in 2028 in all of war: 40 + 400.
        ("hand_nested", {"builds": {"permit": {2027: 1}}, "futures": {"war.long": {"builds": {"plant": {2029: 10}}}}},
         290, 290, 290),
        ("hand_nested", {"builds": {"permit": {2027: 1}}, "futures": {"war": {"builds": {"plant": {2028: 10}}}}},
         440, 440, 290),
    ],
)  # fmt: skip
def test_measures_by_hand(case: str, plan: dict[str, Any], cost: float, expected: float, best: float) -> None:
    found: Any = evaluate_futures(so.load(f"tests/cases/futures/{case}.yaml"), plan)
    said = found.summary(0)
    assert found.survives
    assert (said["total_cost"], said["expected_cost"]) == (pytest.approx(cost, rel=1e-6), pytest.approx(expected))
    assert found.optimum.total_cost == pytest.approx(best, rel=1e-6)
    assert said["more_than_optimum"] == pytest.approx(cost - best, abs=1e-4)


def test_a_priced_gap_is_left_where_that_is_cheaper() -> None:
    # `hand_price_worst` with 4 t: 6 t short, a gap of 600; the cost is that of the stock alone, 200.
    instance = so.load("tests/cases/futures/hand_price_worst.yaml")
    found: Any = evaluate_futures(instance, {"futures": {"hard": {"purchases": {"stock": {2028: 4}}}}})
    said = found.summary(0)
    assert (said["total_cost"], said["expected_gap"]) == (pytest.approx(200), pytest.approx(0.1 * 600))
    # Its price is part of the regret: 200 + 2 × 600 − 500.
    assert found.futures[0].regret(0) == pytest.approx(900)
    (change,) = found.plans[0].need.changes
    assert (change.after, change.futures) == (pytest.approx(10), ("hard",))


def test_a_floor_that_costs_nothing_to_miss_is_missed_where_gaps_have_a_price_by_hand() -> None:
    # Spare parts are worth nothing: none are bought, nor in a ban of half of the imports, in which their floor of 20 t
    # would cost 0.5 x 20. All else is served by the 60 t that are left and 40 t of the reserve: 300 + 200 - 0.5 x 40.
    parts = {"commodity": "magnet", "quantity": 40, "survival": 0.5, "shortage_cost": 0}
    ban = {"start": 2027, "months": 12, "probability": 0.5, "cuts": [{"region": "rival", "severity": 0.5}]}
    instance = so.read(
        data(
            demands={**data()["demands"], "parts": parts},
            options={"reserve": data()["options"]["reserve"]},
            shocks={"ban": ban},
            policy={"gap_price": 1},
        )
    )
    result = one(instance, {"purchases": {"reserve": {2026: 40}}}).result
    assert (result.total_cost, result.survival_gap) == (pytest.approx(480), 0)
    assert result.shocks[0].segments["parts"].below_floor == pytest.approx(20)


@pytest.mark.parametrize(
    "case", ["gap_price_1011", "worst_1022", "cvar_1040", "regret_1266", "nested_1023", "hand_set"]
)
def test_the_plan_of_solve_is_what_it_was_over_all_futures(case: str, tmp_path: Path) -> None:
    instance = so.load(f"tests/cases/futures/{case}.yaml")
    solved = so.solve_futures(instance)
    solved.save(tmp_path / "plan.json")
    found: Any = evaluate_futures(instance, str(tmp_path / "plan.json"))
    assert found.broken_rules == []
    result = found.plans[0].result
    for figure in ("total_cost", "expected_cost", "survival_gap", "outlay"):
        assert getattr(result, figure) == pytest.approx(getattr(solved, figure), rel=1e-6, abs=1e-3)
    assert found.more(0) == pytest.approx(0, abs=1e-6 * abs(solved.total_cost))
    assert found.plans[0].waste.cost <= 5e-3 * abs(solved.total_cost)
    said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (
        said["plans"][0]["builds"] == json.loads(solved.to_json(whole=False))["builds"] or found.plans[0].partly_needed
    )
    for name in found.frames:
        assert len(found.frames.frame(name).columns) == len(found.frames.frame(name).values)


def test_rules_of_one_future_stay_with_their_plan() -> None:
    # In `high` nothing may be ordered after 2027, which the plan breaks there; and the optimum keeps it.
    branches = {"high": {"set": {"options.plant.latest": 2027, "demands.d.survival": {2028: 0, 2029: 1}}}, "low": {}}
    instance = waiting(futures={"need": {"from": 2028, "branches": branches}})
    found: Any = evaluate_futures(instance, WAITS)
    assert [len(future.evaluation.broken_rules) for future in found.futures] == [1, 0]
    assert found.summary(0)["total_cost"] == pytest.approx(500)
    assert found.optimum.total_cost == pytest.approx(600)
    assert found.more(0) == pytest.approx(-100)


def test_a_bare_plan_of_another_horizon_is_refused_with_the_cure() -> None:
    plan = so.solve(so.load(TINY)).plan
    with pytest.raises(GivenPlanError, match=r"reserve: has 5 amounts, and .* has 3 periods. Give the whole"):
        evaluate(so.read(data()), plan)


def test_the_adaptive_optimum_is_found_though_a_future_alone_leaves_a_gap() -> None:
    # 80 t of plant and 100 t in store are less than the 500 t that `much` asks for; only regret has no reference then.
    branches = {"as_now": {}, "much": {"set": {"demands.all.quantity": 1000}}}
    futures = {"demand": {"from": 2027, "branches": branches}}
    plan = {"builds": {"plant": {2026: 80}}}
    found: Any = evaluate_futures(so.read(data(futures=futures)), plan)
    assert found.optimum is not None
    assert found.optimum.survival_gap > 0
    assert not [note for note in found.notes if "No optimum" in note]
    found = evaluate_futures(so.read(data(futures=futures, policy={"objective": "regret"})), plan)
    assert found.optimum is None
    assert "No optimum: policy.objective is regret, and the future much cannot be survived alone." in found.notes
