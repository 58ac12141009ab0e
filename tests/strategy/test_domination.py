"""Shocks that need no answer: what dominates what by hand, and that nothing is lost by it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms import separation
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.instance.operation_paths import dominators
from optimizer.solver import Clock, Settings
from optimizer.solver.base import StrategyName
from tests.strategies import SHOCK, instances

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_by_hand() -> None:
    cut = {"region": "rival", "severity": 0.8}
    base: dict[str, Any] = {"start": 2027, "months": 12, "cuts": [cut]}
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "quarter"},
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000}},
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 10}},
            "shocks": {
                "base": base,
                "milder": base | {"cuts": [cut | {"severity": 0.7}]},
                "shorter": base | {"months": 6},
                "shorter_but_harder": base | {"months": 6, "cuts": [cut | {"severity": 0.9}]},
                "later": base | {"start": "2027Q2"},
                "surge": base | {"demand": {"all": 1.2}},
                "held_back": base | {"deliberate": True, "cuts": [cut | {"severity": 0.75}]},
            },
        }
    )
    names = [event.name for event in instance.events]
    by = {names[n]: (names[d] if d >= 0 else None) for n, d in enumerate(dominators(instance))}
    assert by == {
        "base": "surge",
        "milder": "surge",
        "shorter": "surge",
        "shorter_but_harder": None,
        "later": None,
        "surge": None,
        "held_back": "surge",
    }


def test_of_many_shocks_those_survived_with_nothing_bought_are_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    # 70 of 100 t are left: enough for a floor of 50 t, and not for 90 t, whether what is missing costs money or not.
    floors = {"enough": (0.5, 10), "short": (0.9, 10), "free": (0.9, 0)}
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "year"},
            "commodities": {name: {} for name in floors},
            "processes": {f"of_{name}": {"region": name, "output": {name: 1}, "capacity": 100} for name in floors},
            "demands": {
                f"use_of_{name}": {"commodity": name, "quantity": 100, "survival": floor, "shortage_cost": cost}
                for name, (floor, cost) in floors.items()
            },
            "shocks": {
                name: {"start": 2027, "months": 12, "cuts": [{"region": name, "severity": 0.3}]} for name in floors
            },
        }
    )

    def left_out() -> set[str]:
        redundant = separation.ListedShocks(instance, RecourseEvaluator(instance), Clock()).redundant
        return {instance.events[n].name for n in redundant}

    assert left_out() == set()
    monkeypatch.setattr(separation, "FEW_CHECKED", 2)
    assert left_out() == {"enough"}
    monkeypatch.setattr(separation, "is_monotone", lambda instance: False)
    assert left_out() == set()


@FEW
@given(instances(), st.lists(SHOCK, min_size=3, max_size=8), st.integers(0, 2**31))
def test_a_dominated_shock_is_never_worse_and_a_plan_never_hurts(
    data: dict[str, Any], more: list[dict[str, Any]], seed: int
) -> None:
    data["shocks"] |= {f"more{i}": shock for i, shock in enumerate(more)}
    instance = so.read(data)
    evaluator = RecourseEvaluator(instance)
    random = np.random.default_rng(seed)
    upper = np.array([min(column.upper, 200.0) for column in evaluator.subproblems.plan.columns])
    idle = evaluator.do_nothing(Clock()).gap
    for share in (0.0, 0.2, 1.0):
        gap = evaluator.gaps(random.random(len(upper)) * upper * share, Clock()).gap
        for n, dominator in enumerate(evaluator.dominators):
            assert dominator < 0 or gap[n] <= gap[dominator] * (1 + 1e-6) + 1e-6
    # Stocks of a plan hold at least what they began with: put that in.
    found = evaluator.subproblems.plan.column_index()
    for o, option in instance.options.items():
        for t, column in found.get(("", o, "stock"), {}).items():
            kept = (1 - option.loss) ** (instance.horizon.delta * (t + 1))  # type: ignore[union-attr]
            upper[column] += option.initial * kept  # type: ignore[union-attr]
    assert np.all(evaluator.gaps(upper, Clock()).gap <= idle * (1 + 1e-6) + 1e-6)


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
def test_where_gaps_have_a_price_a_dominated_shock_counts_as_well(strategy: StrategyName) -> None:
    # A t in store costs 10 and is missed for 50 · 0.15 = 7.5 a shock: 100 t that serve both are worth 15 each, 100 more
    # that the longer shock alone would need 7.5. So 100 t, 1,000 USD; 100 t of the longer one go short, 5,000.
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2028, "step": "year"},
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100}},
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 1, "shortage_cost": 50}},
            "options": {"store": {"kind": "stockpile", "commodity": "magnet", "price": 10}},
            "shocks": {"ban": {"start": 2027, "months": [12, 24], "cuts": [{"region": "rival", "severity": 1}]}},
            "policy": {"gap_price": 0.15},
        }
    )
    result = so.solve(instance, settings=Settings(mip_gap=0.0, strategy=strategy))
    assert (result.total_cost, result.survival_gap) == (pytest.approx(1000), pytest.approx(5000))
