"""MIR cuts from floors and the tree with cuts: by hand, and against the extensive form."""

from itertools import compress, product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms import benders_loop
from optimizer.algorithms.extensive_form import ShockModel, solve_extensive_form
from optimizer.algorithms.joint_recourse import evaluator_of
from optimizer.algorithms.relaxation import FloorCuts
from optimizer.formulation import ModelWriter
from optimizer.model.builder import Row
from optimizer.solver import Clock, Settings, SolveResult, Vector
from optimizer.solver.base import StrategyName
from tests.algorithms import by_benders


def sites(
    sizes: list[float],
    costs: list[float],
    unit_costs: list[list[float]],
    demand: list[float],
    shares: list[list[float]],
    objective: Any = "expected",
    *,
    unit: float = 0.0,
    until: int = 2026,
) -> so.Instance:
    """Sites that are opened whole, customers that are served whole in each scenario, and in one of full demand.

    Where there is a `unit`, sites are bought in multiples of it instead.
    """
    scenarios = [*shares, [1.0] * len(demand)]
    probability = [1.0 / len(shares)] * len(shares) + [0.0]
    return so.read(
        {
            "horizon": {"start": 2026, "end": until, "step": "year"},
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
                    "max_size": size,
                }
                | ({"unit_size": unit, "capex": costs[i]} if unit else {"fixed_cost": costs[i], "min_size": size})
                for i, size in enumerate(sizes)
            },
            "shocks": {
                f"s{s}": {
                    "start": until,
                    "months": 12,
                    "probability": probability[s],
                    "demand": {f"at{j}": share for j, share in enumerate(own)},
                }
                for s, own in enumerate(scenarios)
            },
            "policy": {"objective": objective},
        }
    )


def rounded(instance: so.Instance, *, is_weak: bool = False) -> tuple[SolveResult, SolveResult, list[Row]]:
    """The relaxation, the same with MIR cuts from floors, and these."""
    run = ShockModel(instance, instance.events, Settings(), Clock(), lambda step: None, ModelWriter(instance))
    relaxation, known = run.solve_relaxation(), list[Row]()
    if relaxation.status != "optimal":
        return relaxation, relaxation, known
    return relaxation, FloorCuts(run, evaluator_of(instance), known, is_weak=is_weak).tighten(relaxation), known


def excess(row: Row, values: Vector) -> float:
    """By how much values violate a row, as a share of its largest term."""
    terms: list[float] = [value * values[j] for j, value in row.terms.items()]
    size: float = max(1.0, abs(row.rhs), *map(abs, terms))
    return (sum(terms) - row.rhs) / size


@pytest.mark.parametrize("is_weak", [False, True])
def test_floors_ask_for_whole_sites(is_weak: bool) -> None:
    # 60 t from sites of 25 t at 10 USD each: 2.4 of them, 24 USD, relaxed; 3 of them, 30 USD.
    instance = sites([25.0] * 4, [10.0] * 4, [[0.0]] * 4, [60.0], [[1.0]])
    relaxation, tight, known = rounded(instance, is_weak=is_weak)
    assert relaxation.objective == pytest.approx(24)
    assert tight.objective == pytest.approx(30)
    # The sum of the openings is 3 or more.
    (row,) = known
    assert len(row.terms) == 4
    assert [value / row.rhs for value in row.terms.values()] == pytest.approx([1 / 3] * 4)


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
def test_whole_units_that_the_budget_does_not_pay_for_leave_a_gap(strategy: StrategyName) -> None:
    # The floor asks for 15 t, 150 USD. Units of 10 t make that two, 200 USD of a budget of 180; one leaves 5 t at 100.
    instance = so.read(
        {
            "horizon": {"start": 2027, "end": 2028, "step": "year"},
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 30}},
            "demands": {"all": {"commodity": "magnet", "quantity": 30, "survival": 0.5, "shortage_cost": 100}},
            "options": {
                "works": {"kind": "refining", "output": {"magnet": 1}, "capex": 10, "unit_size": 10, "max_size": 40}
            },
            "shocks": {"ban": {"start": 2028, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
            "policy": {"budget": 180},
        }
    )
    result = so.solve(instance, settings=Settings(mip_gap=0.0, strategy=strategy))
    assert (result.survival_gap, result.total_cost) == (pytest.approx(500), pytest.approx(100))


def test_a_shadow_price_is_that_of_the_floor_not_of_its_rounding() -> None:
    # Each tonne costs 2 USD to move, with the sites that are open; rounding has no part in that.
    instance = sites([25.0] * 4, [10.0] * 4, [[2.0]] * 4, [60.0], [[1.0]])
    found, plain = (so.solve(instance, settings=Settings(strategy=name)) for name in ("benders", "extensive-form"))
    assert found.total_cost == pytest.approx(plain.total_cost) == pytest.approx(30 + 120)


AMOUNTS = st.integers(3, 40).map(float)
FOUR, TABLE = (st.lists(each, min_size=4, max_size=4) for each in (AMOUNTS, st.lists(AMOUNTS, min_size=3, max_size=3)))
SHARES = st.lists(
    st.lists(st.floats(0, 1).map(lambda share: round(share, 2)), min_size=3, max_size=3), min_size=1, max_size=3
)
DEMAND = [7.0, 11.0, 5.0]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(FOUR, FOUR, TABLE, SHARES, st.sampled_from([0.0, 3.0]), st.sampled_from([2026, 2027]), st.booleans())
def test_no_plan_is_cut_off(
    sizes: list[float],
    costs: list[float],
    unit_costs: list[list[float]],
    shares: list[list[float]],
    unit: float,
    until: int,
    is_weak: bool,
) -> None:
    instance = sites(sizes, costs, unit_costs, DEMAND, shares, unit=unit, until=until)
    relaxation, tight, known = rounded(instance, is_weak=is_weak)
    assume(known)
    least = solve_extensive_form(instance, Settings(mip_gap=1e-7), Clock(), lambda step: None)
    if least.gap > 0:
        return
    assert least.values is not None
    assert relaxation.objective * (1 - 1e-9) <= tight.objective <= least.objective * (1 + 1e-6)
    assert all(excess(row, least.values) <= 1e-6 for row in known)
    if unit == 0 and until == 2026:
        # Every set of sites that holds enough keeps them.
        columns = least.builder.columns
        for opened in product((False, True), repeat=4):
            if sum(compress(sizes, opened)) >= sum(DEMAND):
                plan = np.zeros(len(columns))
                for j, column in enumerate(columns):
                    for i in compress(range(4), opened):
                        if column.mark.owner == f"site{i}" and not column.mark.path:
                            plan[j] = sizes[i] if column.mark.what == "size" else 1.0
                assert all(excess(row, plan) <= 1e-6 for row in known)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    FOUR,
    FOUR,
    TABLE,
    SHARES,
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
    assume(sum(sizes) >= sum(DEMAND))
    instance = sites(sizes, [20 * each for each in costs], unit_costs, DEMAND, shares, objective)
    least = solve_extensive_form(instance, Settings(mip_gap=1e-7), Clock(), lambda step: None)
    tight = solve_extensive_form(
        instance, Settings(mip_gap=1e-7), Clock(), lambda step: None, evaluator=evaluator_of(instance)
    )
    assert tight.objective == pytest.approx(least.objective, rel=1e-6)
    with pytest.MonkeyPatch.context() as patch:
        # Also where the tree is given up, after some nodes or at once.
        patch.setattr(benders_loop, "FEW_NODES", nodes[0])
        patch.setattr(benders_loop, "MOST_NODES", nodes[1])
        found = by_benders(instance, Settings(mip_gap=1e-7), Clock(), lambda step: None)
    assert (found.status, found.gap, least.gap) == ("optimal", 0, 0)
    assert found.objective == pytest.approx(least.objective, rel=1e-6)
    assert found.bound <= least.objective * (1 + 1e-6)
    assert found.bound >= least.objective * (1 - 1e-6)
