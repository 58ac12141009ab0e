"""What must hold of every instance, whatever its numbers."""

import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.audit.result import audit_result
from optimizer.solver import Clock
from optimizer.solver.base import StrategyName
from optimizer.studies.what_if import WhatIfSolver
from tests.strategies import OPTION, SHOCK, instances, scaled

EXACT = so.Settings(mip_gap=0.0)
FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def least(data: dict[str, Any]) -> tuple[float, float, bool]:
    """Least gap, and least cost under it, compared in this order, as the model has it; and whether a floor is missed.

    Where it is, the gap may be 0: some floors are free to miss, and then none of those has to be kept.
    """
    found = solve_extensive_form(so.read(data), EXACT, Clock(), lambda step: None)
    assert found.values is not None
    return found.gap, found.objective, found.may_miss_floors


def not_worse(left: tuple[float, float, bool], right: tuple[float, float, bool]) -> bool:
    """Whether left is at least as good: it keeps all floors, a smaller gap, or the same gap at no more cost."""
    if left[2] != right[2]:
        return right[2]
    slack = 1e-6 * max(1.0, abs(right[0]))
    if left[0] < right[0] - slack:
        return True
    return left[0] <= right[0] + slack and left[1] <= right[1] + 1e-6 * max(1.0, abs(right[1]))


@FEW
@given(instances())
def test_the_audit_is_silent_and_the_result_survives_json(data: dict[str, Any]) -> None:
    result = so.solve(so.read(data), settings=EXACT)  # solve audits, and raises where anything disagrees
    assert result.audit["rows"] > 100
    again = so.Result.from_dict(result.to_dict())
    assert again.to_json() == result.to_json()
    assert audit_result(so.read(again.data), again).ok


@FEW
@given(instances(), st.floats(1.1, 10))
def test_more_budget_never_hurts(data: dict[str, Any], factor: float) -> None:
    richer = copy.deepcopy(data)
    richer["policy"]["budget"] = 400 * factor
    data["policy"]["budget"] = 400
    assert not_worse(least(richer), least(data))


@FEW
@given(instances(), OPTION)
def test_one_more_option_never_costs(data: dict[str, Any], option: dict[str, Any]) -> None:
    richer = copy.deepcopy(data)
    richer["options"]["another"] = option
    assert not_worse(least(richer), least(data))


@FEW
@given(instances(), SHOCK)
def test_one_more_shock_never_helps(data: dict[str, Any], shock: dict[str, Any]) -> None:
    for spec in data["shocks"].values():
        spec.pop("probability", None)
    harder = copy.deepcopy(data)
    harder["shocks"]["another"] = shock
    before, after = least(data), least(harder)
    assert after[0] >= before[0] - 1e-6 * max(1.0, before[0])
    if before[0] == after[0] == 0.0 and not after[2]:
        assert after[1] >= before[1] * (1 - 1e-6)


@FEW
@given(instances(), st.sampled_from([1e-3, 1e3, 1e6]), st.sampled_from([1e-3, 1e2, 1e5]))
def test_another_currency_and_another_unit_of_mass_change_nothing(
    data: dict[str, Any], money: float, mass: float
) -> None:
    gap, cost, _ = least(data)
    other_gap, other_cost, _ = least(scaled(data, money, mass))
    assert abs(other_gap - gap * money) <= 1e-6 * max(gap, 1.0) * money
    assert abs(other_cost - cost * money) <= 1e-6 * max(abs(cost), 1.0) * money


@FEW
@given(instances(), st.sampled_from(["extensive-form", "constraint-generation"]))
def test_a_what_if_survives_where_the_plan_does_though_no_gap_in_money_is_left(
    data: dict[str, Any], strategy: StrategyName
) -> None:
    # The floor of defence costs nothing to miss, and no other gap is left. Allies supply little, so that it can fail.
    data["processes"]["pal"]["capacity"] = 2
    data["demands"]["cars"]["survival"] = data["demands"]["defence"]["shortage_cost"] = 0
    for shock in data["shocks"].values():
        shock.pop("survival", None)
    instance = so.read(data)
    with WhatIfSolver(instance, so.Settings(mip_gap=0.0, strategy=strategy)) as solver:
        found = solver.ask()
    result = so.solve(instance, settings=EXACT)
    assert found.survives == result.survives
    assert (found.gap, found.cost) == pytest.approx((result.survival_gap, result.total_cost), rel=1e-5, abs=1e-3)


def test_scaling_leaves_a_plan_as_it_is() -> None:
    # 60 t of plant (1800 + 500 + 60 opex) and 20 t of reserve (1000) are cheaper than 80 t of reserve (4000). Opex and
    # holding cost make 2027 the one best year for both.
    data = {
        "horizon": {"start": 2026, "end": 2028, "step": "year"},
        "home": "home",
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 200, "cost": 10}},
        "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000}},
        "options": {
            "plant": {"kind": "refining", "output": {"magnet": 1}, "cost": 20, "capex": 30, "fixed_cost": 500,
                      "max_size": 60, "lead_time": 12, "fixed_opex": 1},
            "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50, "max_size": 90, "holding_cost": 1},
        },
        "shocks": {"embargo": {"start": 2028, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    }  # fmt: skip
    plain = so.solve(so.read(data), settings=EXACT).plan
    other = so.solve(so.read(scaled(data, 1e4, 1e-2)), settings=EXACT).plan
    assert [(b.option, b.period, round(b.size, 6)) for b in plain.builds] == [("plant", "2027", 60.0)]
    assert [(b.option, b.period, round(b.size * 1e2, 6)) for b in other.builds] == [
        (b.option, b.period, round(b.size, 6)) for b in plain.builds
    ]
    assert [round(fill * 1e2, 6) for fill in other.fills["reserve"]] == [round(f, 6) for f in plain.fills["reserve"]]
