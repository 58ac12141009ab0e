"""What has to be bought whatever it costs: worked by hand, in every strategy, in the audit, and in conflicts."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.reading import read_plan
from optimizer.audit.result import audit_result
from optimizer.instance.removal import leave_out
from optimizer.solver import Clock, Settings
from optimizer.studies.summary import summarise
from tests.algorithms import by_benders, by_constraint_generation
from tests.conftest import Printed
from tests.strategies import instances

TINY = Path(__file__).parents[1] / "instances" / "tiny.yaml"
EXACT = Settings(mip_gap=0.0)


def forced(*sizes: tuple[str, int, float]) -> so.Instance:
    return so.forcing(so.load(TINY), sizes)


def test_two_lines_a_year_late_by_hand() -> None:
    # 40 t/yr decided in 2027 are on line in 2029. embargo@2027 needs 30 + 50 t, all from a store that is never refilled
    # inside a shock: 80 t by the end of 2026. embargo@2029 needs 70 + 70 − 80 = 60 t, which are there as well.
    # 80 · 65k = 5.2M, 1M + 40 · 200k = 9M.
    result = so.solve(forced(("plant", 2027, 40)), settings=EXACT)
    assert result.status == "survives"
    assert [(b.option, b.year, b.size) for b in result.plan.builds] == [("plant", 2027, pytest.approx(40))]
    assert result.outlay == pytest.approx(14.2e6)
    assert result.plan.stocks["reserve"] == pytest.approx((80, 80, 80, 80, 80))


def test_a_stockpile_buys_so_much_over_the_year_and_no_more() -> None:
    # Without the plant: embargo@2027 needs 80 t, of which the 30 of 2026 are there; embargo@2029 needs 140 and
    # the store can hold 100. 50 + 40 t, at 500k.
    result = so.solve(so.without(forced(("reserve", 2026, 30)), ["plant"]), settings=EXACT)
    assert result.plan.fills["reserve"][0] == pytest.approx(30)
    assert result.status == "gap"
    assert result.survival_gap == pytest.approx((50 + 40) * 500e3)


def test_a_level_of_leverage_is_forced() -> None:
    data = so.load(TINY).to_dict()
    data["options"]["chips"] = {
        "kind": "leverage", "region": "rival", "restraint": 0.5, "max_size": 1, "capex": 3e6, "erosion": 0.1
    }  # fmt: skip
    result = so.solve(so.forcing(so.read(data), [("chips", 2028, 0.25)]), settings=EXACT)
    assert [(b.year, b.size) for b in result.plan.builds if b.option == "chips" and b.year == 2028] == [
        (2028, pytest.approx(0.25))
    ]


def test_decision_points_of_a_year_share_its_size(printed: Printed) -> None:
    data = so.load(TINY).to_dict()
    data["horizon"] |= {"step": "quarter", "decide": "quarter"}
    instance = so.forcing(so.read(data), [("plant", 2027, 40), ("reserve", 2026, 12.5)])
    assert printed(instance, "policy", "force_plant_2027") == [
        "policy.force_plant_2027: + 1 plant.size.2027Q1 + 1 plant.size.2027Q2 + 1 plant.size.2027Q3 "
        "+ 1 plant.size.2027Q4 == 40"
    ]
    assert printed(instance, "policy", "force_reserve_2026") == [
        "policy.force_reserve_2026: + 1 reserve.fill.2026Q1 + 1 reserve.fill.2026Q2 + 1 reserve.fill.2026Q3 "
        "+ 1 reserve.fill.2026Q4 == 12.5"
    ]


def test_a_purchase_that_no_budget_allows_is_named_beside_it() -> None:
    result = so.solve(forced(("plant", 2027, 40), ("reserve", 2026, 1)), budget=3e6)
    assert result.status == "none"
    assert result.clash == (
        "the budget of 3,000,000 USD",
        "policy.force: 40 t/yr of home magnet plant bought in 2027",
    )


def test_the_audit_sees_another_size_or_year() -> None:
    instance = forced(("plant", 2027, 40), ("reserve", 2026, 100))
    result = so.solve(instance, settings=EXACT)
    assert audit_result(instance, result).ok
    for o, year, size in (("plant", 2027, 60), ("reserve", 2026, 90)):
        said = audit_result(so.forcing(instance, [(o, year, size)]), result).disagreements
        assert any(row.startswith(f"policy.force.{o}.{year}: ") for row in said)
    late = dataclasses.replace(result.plan.builds[0], t=2, year=2028, period="2028")
    moved = dataclasses.replace(result, plan=dataclasses.replace(result.plan, builds=(late,)))
    assert any("policy.force.plant.2027: 0 is not 40" in said for said in audit_result(instance, moved).disagreements)


def test_what_is_forced_is_not_said_to_pay_for_itself() -> None:
    instance = forced(("plant", 2027, 40))
    assert summarise(instance).bought_without_shocks == {}
    again = so.read(so.solve(instance).to_dict()["data"])
    assert again.policy.force == {"plant": {2027: 40.0}}
    assert again == instance


def test_what_a_forced_size_costs_is_among_what_binds() -> None:
    # 5 t of the reserve more than any shock needs, bought in the last year: each costs its price and a year of holding.
    binding = {(price.what, price.step): price.worth for price in so.solve(forced(("reserve", 2030, 5))).binding}
    assert binding["having to buy magnet reserve in 2030", "1 % less"] == pytest.approx(0.05 * (65e3 + 5e3))


def test_leaving_out_what_is_forced_forgets_it_and_says_so() -> None:
    instance = forced(("plant", 2027, 40), ("reserve", 2026, 9))
    left = leave_out(instance, ["plant"])
    assert left.instance.policy.force == {"reserve": {2026: 9.0}}
    assert so.without(instance, "plant") == left.instance
    assert "What the policy forces of plant is left out as well." in left.notes


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(instances(), st.integers(0, 3), st.sampled_from([2026, 2027, 2028]), st.floats(0.1, 1))
def test_strategies_agree_and_buy_what_is_forced_at_no_less_cost(
    data: dict[str, Any], which: int, year: int, share: float
) -> None:
    free = so.read(data)
    o = list(free.options)[which % len(free.options)]
    size = max(share * float(data["options"][o]["max_size"]), 0.5)
    assume(size <= data["options"][o]["max_size"])
    instance = so.forcing(free, [(o, year, size)])
    whole = solve_extensive_form(instance, EXACT, Clock(), lambda step: None)
    for strategy in (partial(by_constraint_generation, add=1), partial(by_benders, add=1)):
        found = strategy(instance, EXACT, Clock(), lambda step: None)
        assert found.status == whole.status
        assert found.gap == pytest.approx(whole.gap, rel=1e-6, abs=1e-6)
        if found.values is not None:
            assert found.objective == pytest.approx(whole.objective, rel=1e-6, abs=1e-6)
            plan = read_plan(instance, found.builder, found.values.tolist())
            bought = sum(build.size for build in plan.builds if (build.option, build.year) == (o, year))
            bought += sum(f for t, f in enumerate(plan.fills.get(o, ())) if instance.horizon.year(t) == year)
            assert bought == pytest.approx(size, rel=1e-6)
    least = solve_extensive_form(free, EXACT, Clock(), lambda step: None)
    if whole.values is not None:
        assert whole.gap >= least.gap - 1e-6 * max(1.0, least.gap)
        if whole.gap <= least.gap:
            assert whole.objective >= least.objective - 1e-6 * max(1.0, abs(least.objective))


def test_an_option_may_be_called_policy() -> None:
    data = so.load(TINY).to_dict()
    plant = data["options"].pop("plant") | {"capex": 0, "fixed_cost": 1e6}
    results = {}
    for name in ("plant", "policy"):
        made = {
            **data,
            "options": {**data["options"], name: plant},
            "policy": {"budget": 0, "force": {name: {2027: 40}}},
        }
        results[name] = so.solve(so.read(made)).clash
    assert results["policy"] == results["plant"]
    assert results["plant"][0] == "the budget of 0 USD"


@pytest.mark.parametrize("path", ["policy.force", "policy.force.plant", "policy.force.plant.2028"])
def test_leaving_out_what_a_branch_forces_forgets_it(path: str) -> None:
    """Without the plant, 300 buys 30 t of the 50 t that the floor of `poor` takes: 20 t at 100 are the gap."""
    forced: Any = {"plant": {2028: 10}}
    for key in path.split(".")[2:]:
        forced = forced["plant"] if key == "plant" else forced[2028]
    instance = so.read(
        {
            "name": "forced in a branch",
            "horizon": {"start": 2026, "end": 2029, "step": "year"},
            "commodities": {"m": {}},
            "processes": {"imports": {"region": "rival", "output": {"m": 1}, "capacity": 100, "cost": 10}},
            "demands": {"d": {"commodity": "m", "quantity": 100, "survival": 0.5, "shortage_cost": 100}},
            "options": {
                "store": {"kind": "stockpile", "commodity": "m", "price": 10},
                "plant": {"kind": "refining", "output": {"m": 1}, "cost": 20, "capex": 30, "max_size": 100},
            },
            "shocks": {"embargo": {"start": 2029, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
            "futures": {
                "q": {"from": 2028, "branches": {"rich": {}, "poor": {"set": {"policy.budget": 300, path: forced}}}}
            },
        }
    )
    left = so.without(instance, "plant")
    assert [each.result.survival_gap for each in so.solve_futures(left).futures] == pytest.approx([0.0, 2000.0])
