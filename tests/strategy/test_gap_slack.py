"""The slack with which the least gap is held: no shock fails by it that can be survived, and none is given it twice."""

from functools import partial
from typing import Any

import pytest
import yaml

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.reading import plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.solver import Clock, Settings
from tests.algorithms import Algorithm, by_benders, by_constraint_generation


def country(**plant: Any) -> so.Instance:
    """A large segment whose shortage cannot be helped, and a small one that a plant of 0.0005 t/yr keeps at its floor.

    Shock ``ban`` takes all of the large segment's 10,000 t: 8,000 t are below its floor of 80 %, 8M USD at 1,000 a
    tonne. Shock ``strike`` takes 20.0005 % of the small segment's 100 t: 79.9995 t are left for a floor of 80 t. The
    plant has to make 0.0005 t. Without it the gap of ``strike`` is 0.5 USD, and its shortfall, 5e-6 of demand, is five
    times what a result calls a failure. The slack of 1e-7 of 8M is 0.8 USD.
    """
    flow = {"region": "rival", "cost": 10}
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "year"},
            "home": "home",
            "commodities": {"steel": {}, "magnet": {}},
            "processes": {
                "steelworks": flow | {"output": {"steel": 1}, "capacity": 10_000, "stage": "steel"},
                "imports": flow | {"output": {"magnet": 1}, "capacity": 100, "stage": "magnet"},
            },
            "demands": {
                "large": {"commodity": "steel", "quantity": 10_000, "survival": 0.8, "shortage_cost": 1000},
                "small": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000},
            },
            "options": {
                "plant": {
                    "kind": "refining",
                    "region": "home",
                    "stage": "plant",
                    "output": {"magnet": 1},
                    "capex": 1_000_000,
                    "cost": 10,
                    "max_size": 1,
                }
                | plant
            },
            "shocks": {
                "ban": {"start": 2027, "months": 12, "cuts": [{"stage": "steel", "severity": 1}]},
                "strike": {"start": 2028, "months": 12, "cuts": [{"stage": "magnet", "severity": 0.200005}]},
            },
        }
    )


STRATEGIES = {
    "extensive form": solve_extensive_form,
    "constraint generation": by_constraint_generation,
    "constraint generation, then cuts": partial(by_constraint_generation, few_rows=0),
    "Benders": partial(by_benders, few_rows=0),
}
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)


@each_strategy
@pytest.mark.parametrize("gap", [0.0, 1e-4])
def test_a_shock_that_can_be_survived_is_survived(strategy: Algorithm, gap: float) -> None:
    # Present value at rate 0: the baseline makes 3 years · 10,100 t · 10, and the plant costs 0.0005 · 1M.
    instance = country()
    found = strategy(instance, Settings(mip_gap=gap), Clock(), lambda event: None)
    assert found.status == "optimal"
    assert found.gap == pytest.approx(8e6, rel=1e-6)
    assert found.objective == pytest.approx(303_000 + 500, abs=0.02)
    assert found.values is not None
    plan = read_plan(instance, found.builder, found.values.tolist())
    assert plan.builds[0].size == pytest.approx(0.0005, abs=1e-8)
    evaluator = RecourseEvaluator(instance)
    gaps = evaluator.gaps(plan_values(instance, plan, evaluator.subproblems.plan), Clock())
    assert gaps.fails.tolist() == [True, False]


@each_strategy
@pytest.mark.parametrize("quantity", [10_077.7, 10_932.4])
def test_a_shock_that_would_take_all_of_the_slack_is_survived(strategy: Algorithm, quantity: float) -> None:
    # A plant of 0.002 t, 2,000 USD: without it the gap is 2 USD, and the slack 0.8 or 0.9.
    data = country().to_dict()
    data["demands"]["large"]["quantity"] = data["processes"]["steelworks"]["capacity"] = quantity
    data["shocks"]["strike"]["cuts"][0]["severity"] = 0.20002
    found = strategy(so.read(data), Settings(mip_gap=0.0), Clock(), lambda event: None)
    assert found.objective == pytest.approx(30 * (quantity + 100) + 2000, abs=0.02)


@each_strategy
def test_it_is_survived_with_other_integers_where_those_found_cannot(strategy: Algorithm) -> None:
    # A plant with a fixed cost: the slack would save all of it, for 0.5 USD is less than 0.8.
    instance = country(fixed_cost=100)
    found = strategy(instance, Settings(mip_gap=0.0), Clock(), lambda event: None)
    assert found.status == "optimal"
    assert found.objective == pytest.approx(303_000 + 500 + 100, abs=0.02)


def test_a_shock_of_an_unlikely_future_is_survived() -> None:
    # The strike comes in one future of ten. A plant of 0.005 t, 5,000 USD, keeps its floor; without it that future
    # has a gap of 5 USD more. Of the expected gap that is 0.5 USD, and the slack is 0.8.
    data = country().to_dict()
    data["shocks"]["strike"]["cuts"][0]["severity"] = 0.2
    rough = {"shocks.strike.cuts": [{"stage": "magnet", "severity": 0.20005}]}
    branches = {"rough": {"probability": 0.1, "set": rough}, "quiet": {"probability": 0.9}}
    data["futures"] = {"strike": {"from": 2027, "branches": branches}}
    result = so.solve_futures(so.read(data), settings=Settings(mip_gap=0.0))
    failed = [[shock.name for shock in future.result.shocks if shock.fails] for future in result.futures]
    assert failed == [["ban"], ["ban"]]
    assert result.expected_cost == pytest.approx(303_000 + 0.1 * 5000, abs=0.02)


def test_a_shock_that_falls_short_is_given_the_slack_of_the_plan_and_no_more() -> None:
    # All 22 t of steel are cut: ships fall 11 t below their floor, 110,000 USD. 50 t of magnets are left for floors of
    # 10 t and 50 t: the army's, dearer, is kept, and cars fall 10 t below theirs, 0.10 USD. The least gap is 110,000.10
    # and may be missed by 1e-7 of itself, 0.01100001 USD: 1.100001 t more that cars do without and the army has.
    missing = 1.100001
    flow = {"region": "rival"}
    demand = {"commodity": "magnet", "survival": 0.5}
    cuts = [{"process": "steelworks", "severity": 1}, {"process": "magnets", "severity": 7 / 12}]
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2026, "step": "year"},
            "commodities": {"steel": {}, "magnet": {}},
            "processes": {
                "steelworks": flow | {"output": {"steel": 1}, "capacity": 22},
                "magnets": flow | {"output": {"magnet": 1}, "capacity": 120},
            },
            "demands": {
                "ships": {"commodity": "steel", "quantity": 22, "survival": 0.5, "shortage_cost": 10_000},
                "army": demand | {"quantity": 20, "shortage_cost": 100_000},
                "cars": demand | {"quantity": 100, "shortage_cost": 0.01},
            },
            "shocks": {"ban": {"start": 2026, "months": 12, "probability": 0.5, "cuts": cuts}},
        }
    )
    result = so.solve(instance)
    assert result.survival_gap == pytest.approx(110_000.10, rel=1e-9)
    cost = 22 * 10_000 + (10 - missing) * 100_000 + (60 + missing) * 0.01
    assert result.shocks[0].cost == pytest.approx(cost, rel=1e-7)
    assert result.total_cost == pytest.approx(0.5 * cost, rel=1e-7)


# Toys, a tonne of which may be missing for nothing: 70 t are left in the dip, none in the ban, and 50 t are required.
TOYS = """
name: a floor without a shortage cost
horizon: {start: 2026, end: 2028, step: year}
home: home
commodities: {toy: {}}
processes: {imports: {region: rival, output: {toy: 1}, capacity: 100, cost: 10}}
demands: {toys: {commodity: toy, quantity: 100, survival: 0.5, shortage_cost: 0}}
shocks:
  ban: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}
  dip: {start: 2028, months: 12, cuts: [{region: rival, severity: 0.3}]}
"""


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
def test_a_floor_without_a_shortage_cost_is_kept_where_it_can_be(strategy: Any) -> None:
    data, exact = yaml.safe_load(TOYS), so.Settings(mip_gap=0.0, strategy=strategy)
    result = so.solve(so.read(data), settings=exact)
    assert (result.status, [each.name for each in result.shocks if each.fails]) == ("gap", ["ban"])
    (given,) = so.evaluate(so.read(data), [result], is_quick=True, settings=exact).plans
    assert [each.name for each in given.result.shocks if each.fails] == ["ban"]
    # With a price of gaps the floor costs nothing either way.
    priced = {**data, "policy": {"gap_price": 1}, "shocks": {"dip": data["shocks"]["dip"]}}
    assert so.solve(so.read(priced), settings=exact).status == "survives"
