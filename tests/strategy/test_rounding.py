"""Rounded floors and the tree with cuts: by hand, and against the extensive form."""

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms import branching
from optimizer.algorithms.benders import Benders
from optimizer.algorithms.extensive_form import ExtensiveForm, ScenarioModel
from optimizer.algorithms.joint_recourse import evaluator_of
from optimizer.algorithms.rounding import RoundedFloors
from optimizer.formulation import Writer
from optimizer.model.builder import Row
from optimizer.solver import Clock, Settings, SolveResult, Vector
from tests.strategies import instances

SITES, CUSTOMERS = range(4), range(3)


def sites(
    sizes: list[float],
    costs: list[float],
    unit_costs: list[list[float]],
    demand: list[float],
    shares: list[list[float]],
    objective: Any = "expected",
) -> so.Instance:
    """Sites that are opened whole, customers that are served whole in each scenario, and in one of full demand."""
    scenarios = [*shares, [1.0] * len(demand)]
    probability = [1.0 / len(shares)] * len(shares) + [0.0]
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2026, "step": "year"},
            "commodities": {f"site{i}": {} for i in range(len(sizes))} | {f"at{j}": {} for j in range(len(demand))},
            "processes": {
                f"arc{i}_{j}": {
                    "region": "home",
                    "input": {f"site{i}": 1},
                    "output": {f"at{j}": 1},
                    "capacity": most,
                    "cost": unit_costs[i][j],
                }
                for i in range(len(sizes))
                for j, most in enumerate(demand)
            },
            "demands": {
                f"at{j}": {"commodity": f"at{j}", "quantity": most, "survival": 1, "shortage_cost": 1000}
                for j, most in enumerate(demand)
            },
            "options": {
                f"site{i}": {
                    "kind": "ally",
                    "region": "home",
                    "output": {f"site{i}": 1},
                    "fixed_cost": costs[i],
                    "min_size": size,
                    "max_size": size,
                }
                for i, size in enumerate(sizes)
            },
            "shocks": {
                f"s{s}": {
                    "start": 2026,
                    "months": 12,
                    "probability": probability[s],
                    "demand": {f"at{j}": share for j, share in enumerate(own)},
                }
                for s, own in enumerate(scenarios)
            },
            "policy": {"objective": objective},
        }
    )


def rounded(instance: so.Instance) -> tuple[SolveResult, SolveResult, list[Row]]:
    """The relaxation, the same with rounded floors, and these."""
    run = ScenarioModel(instance, instance.events, Settings(), Clock(), lambda step: None, Writer(instance))
    relaxation, known = run.solve_relaxation(), list[Row]()
    if relaxation.status != "optimal":
        return relaxation, relaxation, known
    return relaxation, RoundedFloors(run, evaluator_of(instance), known).tighten(relaxation), known


def excess(row: Row, values: Vector) -> float:
    """By how much values violate a row, as a share of its largest term."""
    terms = [value * values[j] for j, value in row.terms.items()]
    return float(sum(terms) - row.rhs) / max(1.0, abs(row.rhs), *map(abs, terms))


def test_floors_ask_for_whole_sites() -> None:
    # 60 t from sites of 25 t at 10 USD each: 2.4 of them, 24 USD, relaxed; 3 of them, 30 USD.
    instance = sites([25.0] * 4, [10.0] * 4, [[0.0]] * 4, [60.0], [[1.0]])
    relaxation, tight, known = rounded(instance)
    assert relaxation.objective == pytest.approx(24)
    assert tight.objective == pytest.approx(30)
    # The sum of the openings is 3 or more.
    (row,) = known
    assert len(row.terms) == 4
    assert [value / row.rhs for value in row.terms.values()] == pytest.approx([1 / 3] * 4)


def test_a_shadow_price_is_that_of_the_floor_not_of_its_rounding() -> None:
    # Each tonne costs 2 USD to move, with the sites that are open; rounding has no part in that.
    instance = sites([25.0] * 4, [10.0] * 4, [[2.0]] * 4, [60.0], [[1.0]])
    found, plain = (so.solve(instance, settings=Settings(strategy=name)) for name in ("cuts", "whole"))
    assert found.total_cost == pytest.approx(plain.total_cost) == pytest.approx(30 + 120)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(instances())
def test_no_plan_is_cut_off(data: dict[str, Any]) -> None:
    for option in data["options"].values():
        if "output" in option:
            option.setdefault("fixed_cost", 50.0)
            option["min_size"] = option["max_size"]
    instance = so.read(data)
    relaxation, tight, known = rounded(instance)
    assume(relaxation.values is not None)
    least = ExtensiveForm().run(instance, Settings(gap=0.0), Clock(), lambda step: None)
    assume(least.values is not None and least.gap == 0)
    assert least.values is not None
    assert tight.objective <= least.cost * (1 + 1e-6) + 1e-6
    assert all(excess(row, least.values) <= 1e-6 for row in known)


AMOUNTS = st.integers(1, 40).map(float)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    st.lists(AMOUNTS, min_size=4, max_size=4),
    st.lists(AMOUNTS, min_size=4, max_size=4),
    st.lists(st.lists(AMOUNTS, min_size=3, max_size=3), min_size=4, max_size=4),
    st.lists(st.lists(st.floats(0, 1).map(lambda x: round(x, 2)), min_size=3, max_size=3), min_size=1, max_size=3),
    st.sampled_from(["expected", {"cvar": 0.6}, {"cvar": 0.5, "weight": 0.5}]),
    st.sampled_from([(60, 2000), (3, 0), (0, 0)]),
)
def test_the_tree_finds_the_optimum_of_the_extensive_form(
    sizes: list[float],
    costs: list[float],
    unit_costs: list[list[float]],
    shares: list[list[float]],
    objective: Any,
    nodes: tuple[int, int],
) -> None:
    demand = [7.0, 11.0, 5.0]
    assume(sum(sizes) >= sum(demand))
    instance = sites(sizes, [20 * each for each in costs], unit_costs, demand, shares, objective)
    least = ExtensiveForm().run(instance, Settings(gap=1e-7), Clock(), lambda step: None)
    with pytest.MonkeyPatch.context() as patch:
        # Also where the tree is given up, after some nodes or at once.
        patch.setattr(branching, "NODES_WITH_CUTS", nodes)
        found = Benders().run(instance, Settings(gap=1e-7), Clock(), lambda step: None)
    assert (found.status, found.gap, least.gap) == ("optimal", 0, 0)
    assert found.cost == pytest.approx(least.cost, rel=1e-6)
    assert found.bound <= least.cost * (1 + 1e-6)
    assert found.bound >= least.cost * (1 - 1e-6)
