"""A rule of the policy about time to survive: what it forces, exactly, by every strategy; and what is said of it."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.reading import read_plan
from optimizer.audit.result import audit_result
from optimizer.instance.edits import with_budget
from optimizer.report.narrative import outcome_headline
from optimizer.report.tables.explain import repair_text
from optimizer.solver import Clock, Settings
from optimizer.studies.summary import summarise
from optimizer.studies.time_to_survive import time_to_survive
from tests.algorithms import by_benders, by_constraint_generation
from tests.conftest import Cell, Printed
from tests.strategies import instances

EXACT = Settings(mip_gap=0.0)
EXACT_STUDY = Settings(mip_gap=0.0, accuracy=0.0)
CUT = {"region": "rival", "severity": 1.0}


def ruled(*rules: dict[str, Any], **parts: Any) -> so.Instance:
    """100 t a year at 10, all from a rival; a floor of 0.8; a reserve at 50."""
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "year"},
            "home": "home",
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000, "cost": 10}},
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000}},
            "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50, "holding_cost": 1}},
            "policy": {"min_time_to_survive": list(rules)},
        }
        | parts
    )


def rule(months: float, **more: Any) -> dict[str, Any]:
    return {"cuts": [CUT], "months": months, **more}


def solved(instance: so.Instance) -> so.Result:
    return so.solve(instance, settings=EXACT)


def test_a_rule_forces_a_reserve_of_known_size_and_cost() -> None:
    # 80 t a year for 18 months are 120 t, there by the end of 2026, for 2027 and 2028. Holding: 120 at the end of 2026
    # and of 2027; in 2028 as well, since nothing is given back. 3·100·10 + 120·50 + 3·120·1 = 3000 + 6000 + 360.
    result = solved(ruled(rule(18, **{"from": 2027})))
    assert result.status == "survives"
    assert result.plan.stocks["reserve"] == pytest.approx((120, 120, 120))
    assert result.total_cost == pytest.approx(9360)
    assert (result.price_of_survival, result.calm_builds) == (pytest.approx(6360), ())
    times = {each.name: each for each in so.time_to_survive(ruled(rule(18, **{"from": 2027})), result.plan).exposures}
    after = times["min_time_to_survive[0]"].after
    assert [each.months for each in after] == [0.0, pytest.approx(18), pytest.approx(18)]


def test_a_rule_holds_beside_samples_that_may_fail() -> None:
    # 80 t for the rule; the only sample would take 160 t, and may fail. 3000 + 80·50 + 3·80·1.
    sample = {"count": 1, "survive": 0, "start": 2027, "months": 24, "cuts": [CUT]}
    result = solved(ruled(rule(12, **{"from": 2027}), ensembles={"trouble": sample}))
    assert (result.status, result.total_cost) == ("survives", pytest.approx(7240))


def test_what_a_rule_binds_and_what_a_month_of_it_is_worth() -> None:
    # A month is 80/12 t, at 53; a point of the floor 1.5 t.
    binding = {(price.what, price.step): price.worth for price in solved(ruled(rule(18, **{"from": 2027}))).binding}
    name = "the rule of every floor for 18 months without region rival from 2027 on"
    assert binding[name, "one month less"] == pytest.approx(80 / 12 * 53)
    assert binding[f"the floor of all in {name}", "one point lower"] == pytest.approx(1.5 * 53)


def test_what_binds_names_the_rule_of_which_a_month_less_saves_nothing() -> None:
    # 120 t for 18 months are more than the 80 t for 12.
    shorter, longer = (rule(months, **{"from": 2027}) for months in (12, 18))
    note = solved(ruled(shorter, longer)).frames.frame("limits").note
    assert (
        "A slightly shorter time in the rule of every floor for 12 months without region rival from 2027 on saves"
        in note
    )
    assert "18 months" not in note
    assert "slightly shorter" not in solved(ruled(longer)).frames.frame("limits").note


def test_a_whole_month_less_may_save_more_than_its_price() -> None:
    """For 18 months, 80 t a year of a plant cost 5.76M, and a store 120 t at 48,001, more; for 17 months 5.44M."""

    def planned(months: int) -> so.Result:
        plant = {"kind": "refining", "output": {"magnet": 1}, "max_size": 100, "capex": 72_000}
        store = {"kind": "stockpile", "commodity": "magnet", "price": 48_001}
        imports = {"region": "rival", "output": {"magnet": 1}, "capacity": 1000}
        parts = {"options": {"plant": plant, "store": store}, "processes": {"imports": imports}}
        demand = {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1_000_000}
        return solved(ruled(rule(months, **{"from": 2027}), demands={"all": demand}, **parts))

    found, shorter = planned(18), planned(17)
    assert found.total_cost == pytest.approx(80 * 72_000)
    assert shorter.total_cost == pytest.approx(80 * 17 / 12 * 48_001)
    note = found.frames.frame("limits").note
    assert "A slightly shorter time in the rule of every floor for 18 months" in note
    assert "a whole month less may save something" in note


def test_nothing_is_lost_while_the_cut_lasts() -> None:
    # 10 % a year are lost before it, none during it: 40 t at the end of 2026 for half a year of 80.
    reserve = {"kind": "stockpile", "commodity": "magnet", "price": 50, "loss": 0.1}
    horizon = {"start": 2026, "end": 2027, "step": "year"}
    result = solved(ruled(rule(6, **{"from": 2027}), options={"reserve": reserve}, horizon=horizon))
    assert result.plan.stocks["reserve"][0] == pytest.approx(40)


def test_deliberate_cuts_are_restrained_by_leverage() -> None:
    # Full level (at 100) leaves half of 120 t: 20 t a year are missing, 20·50 = 1000 for a year; without it 80·50.
    options = {
        "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50},
        "lever": {"kind": "leverage", "region": "rival", "restraint": 0.5, "max_size": 1, "capex": 100},
    }
    processes = {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 120}}
    for deliberate, cost in ((True, 1100), (False, 4000)):
        asked = rule(12, deliberate=deliberate, **{"from": 2027})
        result = solved(ruled(asked, options=options, processes=processes))
        assert result.total_cost == pytest.approx(cost)


def test_a_rule_stays_where_floors_of_shocks_fail() -> None:
    # The shock needs 160 t, the reserve holds 100: a gap. The rule's 80 t are there by the end of 2026 all the same.
    shocks = {"embargo": {"start": 2027, "months": 24, "cuts": [CUT]}}
    reserve = {"kind": "stockpile", "commodity": "magnet", "price": 50, "max_size": 100}
    result = solved(ruled(rule(12, **{"from": 2027}), shocks=shocks, options={"reserve": reserve}))
    assert (result.status, result.survival_gap) == ("gap", pytest.approx(60 * 1000))
    assert result.plan.stocks["reserve"][0] >= 80 - 1e-6


def test_a_rule_that_cannot_be_kept_is_named() -> None:
    # In 2026 nothing is in store yet, whatever is bought.
    result = solved(ruled(rule(1)))
    assert result.status == "none"
    assert result.clash == ("policy.min_time_to_survive[0]: every floor for 1 month without region rival",)


def test_a_rule_that_cannot_be_kept_has_the_most_months_that_can() -> None:
    # The reserve holds 100 t, which last for 15 months of 80 t a year: 3·100·10 + 100·50 + 3·100·1.
    reserve = {"kind": "stockpile", "commodity": "magnet", "price": 50, "holding_cost": 1, "max_size": 100}
    instance = ruled(rule(24, **{"from": 2027}), rule(6, **{"from": 2028}), options={"reserve": reserve})
    found = so.explain(instance, settings=EXACT_STUDY)
    assert outcome_headline(found.result) == "NO PLAN EXISTS: one rule cannot be kept, whatever is bought"
    repairs = {repair.kind: repair for repair in found.repairs if repair.of is None}
    assert (repairs["months"].amount, repairs["months"].beyond) == (15, 16)
    assert repairs["months"].cost == pytest.approx(8300)
    assert repair_text(instance, repairs["months"]).startswith(
        "rules of up to 15 months can be kept; 16 months cannot."
    )
    assert repairs["sooner"].why == "rules and floors still cannot all be kept"
    # 80/12 t for one month are more than 5 t.
    small = ruled(rule(2, **{"from": 2027}), options={"reserve": {**reserve, "max_size": 5}})
    (months,) = (repair for repair in so.explain(small, settings=EXACT_STUDY).repairs if repair.kind == "months")
    assert (months.works, months.amount) == (False, None)


def test_a_rule_in_conflict_with_a_budget_is_named_beside_it() -> None:
    instance = with_budget(ruled(rule(1, **{"from": 2028}), rule(18, **{"from": 2027})), 5999)
    assert outcome_headline(solved(instance)).startswith("NO PLAN EXISTS: the rules contradict each other")
    assert solved(instance).clash == (
        "the budget of 5,999 USD",
        "policy.min_time_to_survive[1]: every floor for 18 months without region rival from 2027 on",
    )


def test_printed_rows(printed: Printed, cell: Cell) -> None:
    instance = cell(
        "horizon: {start: 2026, end: 2027, step: quarter}",
        "commodities: {magnet: {}}",
        "processes: {imports: {region: rival, output: {magnet: 1}, capacity: 100}}",
        "demands: {all: {commodity: magnet, quantity: 40, survival: 0.5, shortage_cost: 1}}",
        "options: {reserve: {kind: stockpile, commodity: magnet, loss: 0.2}}",
        "policy: {min_time_to_survive: [{cuts: [{region: rival, severity: 0.9}], months: 18, from: 2027}]}",
    )
    # A year and a half of demand is 60 t, of which 30 may go unserved; the store is that of 2026's last quarter.
    key = "min_time_to_survive_0@2027"
    assert printed(instance, "all", "floor")[-1] == f"{key}/all.floor.2027Q1: + 1 {key}/all.unserved.2027Q1 <= 30"
    assert printed(instance, "reserve", "left") == [
        f"{key}/reserve.left.2027Q1: + 1 {key}/reserve.left.2027Q1 + 1 {key}/reserve.release.2027Q1 "
        "- 1 reserve.stock.2026Q4 == 0"
    ]


RULES = st.lists(
    st.builds(
        lambda months, first, severity, deliberate: {
            "cuts": [{"region": "rival", "severity": severity}],
            "months": months,
            "from": first,
            "deliberate": deliberate,
        },
        st.integers(1, 30),
        st.integers(2026, 2030),
        st.sampled_from([0.3, 0.6, 1.0]),
        st.booleans(),
    ),
    min_size=1,
    max_size=2,
)


def with_rules(data: dict[str, Any], rules: list[dict[str, Any]]) -> so.Instance:
    regions = [process["region"] for process in data["processes"].values()]
    rules = [each | {"cuts": [cut | {"region": regions[0]} for cut in each["cuts"]]} for each in rules]
    return so.read(data | {"policy": data.get("policy", {}) | {"min_time_to_survive": rules}})


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(instances(), RULES)
def test_strategies_agree_and_the_time_is_what_the_rule_asks(data: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    instance = with_rules(data, rules)
    whole = solve_extensive_form(instance, EXACT, Clock(), lambda step: None)
    for strategy in (partial(by_constraint_generation, add=1), partial(by_benders, add=1)):
        found = strategy(instance, EXACT, Clock(), lambda step: None)
        assert found.status == whole.status
        assert found.gap == pytest.approx(whole.gap, rel=1e-6, abs=1e-6)
        if found.values is not None:
            assert found.objective == pytest.approx(whole.objective, rel=1e-6, abs=1e-6)
            plan = read_plan(instance, found.builder, found.values.tolist())
            holds(instance, plan)


def holds(instance: so.Instance, plan: so.Plan) -> None:
    """Each rule: at least its months in each of its years."""
    times = {each.name: each.after for each in time_to_survive(instance, plan).exposures}
    for i, asked in enumerate(instance.policy.min_time_to_survive):
        for each in times[f"min_time_to_survive[{i}]"]:
            assert each.year < (asked.from_ or 0) or each.months >= asked.months * (1 - 1e-4)


def test_the_audit_proves_a_rule_from_its_flows() -> None:
    instance = ruled(rule(18, **{"from": 2027}))
    result = solved(instance)
    assert audit_result(instance, result).ok
    assert sorted(result.endured) == ["min_time_to_survive_0@2027", "min_time_to_survive_0@2028"]
    # Less in store, a flow left out, a rule that asks for more, flows that serve too little: each is seen.
    less = dataclasses.replace(result.plan, stocks={"reserve": (119.0, 119, 119)}, fills={"reserve": (119.0, 0, 0)})
    assert any("min_time_to_survive_0@2027/reserve" in row for row in said(instance, result, plan=less))
    assert any("the flows that prove the rule are missing" in row for row in said(instance, result, endured={}))
    assert any("magnet.balance" in row for row in said(ruled(rule(19, **{"from": 2027})), result))
    flows = result.endured["min_time_to_survive_0@2027"]
    short = dataclasses.replace(flows, rows={**flows.rows, ("all", "unserved"): (40.0,)})
    endured = dict(result.endured) | {"min_time_to_survive_0@2027": short}
    assert any("all.floor" in row for row in said(instance, result, endured=endured))
    # Flows of another year prove nothing.
    endured = dict(result.endured) | {"min_time_to_survive_0@2027": dataclasses.replace(flows, first=flows.first + 1)}
    assert any("where its flows begin" in row for row in said(instance, result, endured=endured))


def said(instance: so.Instance, result: so.Result, **changed: Any) -> list[str]:
    return audit_result(instance, dataclasses.replace(result, **changed)).disagreements


def test_a_plan_with_a_rule_goes_to_a_file_and_back(tmp_path: Path) -> None:
    result = solved(ruled(rule(18, **{"from": 2027})))
    result.save(tmp_path / "plan.json")
    again = so.Result.load(tmp_path / "plan.json")
    assert again == result
    assert audit_result(so.read(again.data), again).ok


def test_a_rule_about_an_option_that_is_left_out_goes_with_it() -> None:
    options = {
        "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50},
        "plant": {"kind": "refining", "output": {"magnet": 1}, "max_size": 10},
    }
    asked = {"cuts": [{"process": "plant", "severity": 1}], "months": 3}
    instance = ruled(asked, rule(6), options=options)
    left = so.without(instance, ["plant"])
    assert [each.months for each in left.policy.min_time_to_survive] == [6]
    assert so.read(left.to_dict()).policy == left.policy


def test_check_names_a_rule_that_cannot_be_kept_and_not_what_pays_without_shocks() -> None:
    assert summarise(ruled(rule(1))).clash[0].startswith("policy.min_time_to_survive[0]")
    kept = summarise(ruled(rule(1, **{"from": 2027})))
    assert (kept.clash, kept.bought_without_shocks) == ((), {})
