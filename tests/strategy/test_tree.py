"""Branch and bound that reuses pseudo-costs: the optima of HiGHS's integers, whatever earlier searches left."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from highspy import HighsVarType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.problem import LEAST_COST, ProblemVariant, leaving_out, outlay
from optimizer.horizon import Horizon
from optimizer.instance.altered import with_floors
from optimizer.instance.edits import with_budget
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, Names, total
from optimizer.solver import Clock, Model, PseudoCosts, Settings, ignore
from optimizer.solver.highs_tree import _named_integers
from optimizer.studies.what_if import WhatIfSolver
from tests.strategies import SHOCK, instances

EXACT = Settings(mip_gap=0.0, threads=1)
SITES, CUSTOMERS = 8, 12
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Sites:
    """Facility location: customers are served by sites that are opened, each with a capacity; units are bought whole.

    Σ_i x[i,j] + u[j] ≥ 1,   Σ_j x[i,j] ≤ C·n[i],   n[i] ≤ 2 whole
    """

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.builder = builder = ModelBuilder(
            Horizon(start=2026, end=2027, step="year"), Names(frozenset(), frozenset(), frozenset())
        )
        opened = [builder.variable(f"s{i}", "units", 0, upper=2, integer=True) for i in range(SITES)]
        served = [[builder.variable(f"s{i}", f"to{j}", 0) for j in range(CUSTOMERS)] for i in range(SITES)]
        unserved = [builder.variable("unserved", f"at{j}", 0) for j in range(CUSTOMERS)]
        for i in range(SITES):
            builder.require(f"s{i}", "capacity", None, total(served[i]) - 2.5 * opened[i], "<=", 0.0)
        for j in range(CUSTOMERS):
            builder.require("need", f"at{j}", None, total(row[j] for row in served) + unserved[j], ">=", 1.0)
        self.distances = random.uniform(1.0, 10.0, (SITES, CUSTOMERS))
        self.prices = random.uniform(4.0, 12.0, SITES)
        parts = [float(self.prices[i]) * opened[i] for i in range(SITES)]
        parts += [float(self.distances[i, j]) * served[i][j] for i in range(SITES) for j in range(CUSTOMERS)]
        self.cost = total([*parts, 30.0 * total(unserved)])
        self.integers = [next(iter(each.terms)) for each in opened]

    def model(self, closed: list[int], gap: float = 0.0) -> Model:
        """The model without some of its sites."""
        model = Model(self.builder, self.cost, Settings(mip_gap=gap, threads=1))
        model.bound([self.integers[i] for i in closed], 0.0, 0.0)
        return model


@FEW
@given(st.integers(0, 10_000), st.lists(st.lists(st.integers(0, SITES - 1), max_size=4), min_size=1, max_size=4))
def test_one_history_for_many_models(seed: int, variants: list[list[int]]) -> None:
    sites, pseudo_costs = Sites(seed), PseudoCosts()
    for closed in variants:
        known = sites.model(closed).solve()
        found = sites.model(closed).solve(pseudo_costs=pseudo_costs)
        assert found.status == "optimal"
        assert found.values is not None
        assert found.objective == pytest.approx(known.objective, rel=1e-9)
        assert found.bound == pytest.approx(known.objective, rel=1e-6)
        whole = found.values[sites.integers]
        assert whole == pytest.approx(np.round(whole), abs=1e-6)


@FEW
@given(st.integers(0, 10_000), st.floats(0.9, 1.1), st.sampled_from([0.0, 0.05]))
def test_cutoffs_and_gaps(seed: int, share: float, gap: float) -> None:
    sites, pseudo_costs = Sites(seed), PseudoCosts()
    least = sites.model([]).solve().objective
    for _ in range(2):
        found = sites.model([], gap).solve(pseudo_costs=pseudo_costs, cutoff=share * least)
        if found.values is None:
            assert found.status == "infeasible"
            assert share <= 1.0 + 1e-9
        else:
            assert found.bound <= least * (1 + 1e-9)
            assert found.objective <= share * least * (1 + 1e-9)
            assert found.objective - found.bound <= gap * found.objective + 1e-6
        enough = sites.model([]).solve(pseudo_costs=pseudo_costs, enough=1.1 * least)
        assert enough.objective <= 1.1 * least
        assert enough.bound <= least * (1 + 1e-9)


def test_a_guess_that_is_too_low_is_corrected() -> None:
    sites = Sites(3)
    known = sites.model([]).solve()
    found = sites.model([]).solve(pseudo_costs=PseudoCosts(distance=1e-6))
    assert found.objective == pytest.approx(known.objective, rel=1e-9)


def test_integers_that_nothing_satisfies() -> None:
    sites = Sites(4)
    builder = sites.builder.copy()
    x = Expression({sites.integers[0]: 1.0})
    builder.require("rule", "low", None, x, ">=", 0.4)
    builder.require("rule", "high", None, x, "<=", 0.6)
    model = Model(builder, sites.cost, EXACT)
    assert model.solve(pseudo_costs=PseudoCosts()).status == "infeasible"


def test_no_time_is_no_proof() -> None:
    sites = Sites(5)
    model = Model(sites.builder, sites.cost, EXACT, Clock(limit=1e-9))
    assert model.solve(pseudo_costs=PseudoCosts()).status == "stopped"


@FEW
@given(st.integers(0, 10_000), st.sampled_from([1, 5]))
def test_relaxations_that_end_too_soon_go_on_with_perturbed_costs(seed: int, most: int) -> None:
    sites = Sites(seed)
    known = sites.model([]).solve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("optimizer.solver.highs_tree.MOST_UNPERTURBED", most)
        found = sites.model([]).solve(pseudo_costs=PseudoCosts())
    assert found.status == "optimal"
    assert found.objective == pytest.approx(known.objective, rel=1e-9)
    assert found.bound == pytest.approx(known.objective, rel=1e-6)


@pytest.mark.parametrize("most", [0, 1, 5])
def test_a_search_that_is_given_up_is_left_to_highs(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sites = Sites(6)
    known = sites.model([]).solve()
    monkeypatch.setattr("optimizer.solver.highs_tree.MOST_ITERATIONS", most)
    pseudo_costs = PseudoCosts()
    for failures in (1, 2, 2):
        found = sites.model([]).solve(pseudo_costs=pseudo_costs)
        assert (found.status, pseudo_costs.failures) == ("optimal", failures)
        assert found.objective == pytest.approx(known.objective, rel=1e-9)
        assert found.bound == pytest.approx(known.objective, rel=1e-6)


@pytest.mark.parametrize(("times", "failures"), [(0, 1), (1000, 0)])
def test_where_the_relaxation_is_far_a_tree_is_tried_for_a_while(
    times: int, failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites, pseudo_costs = Sites(7), PseudoCosts()
    known = sites.model([]).solve()
    monkeypatch.setattr("optimizer.solver.highs_tree.FIRST_TRY", times)
    found = sites.model([]).solve(pseudo_costs=pseudo_costs, is_weak=True)
    assert pseudo_costs.failures == failures
    assert found.objective == pytest.approx(known.objective, rel=1e-9)
    assert found.bound == pytest.approx(known.objective, rel=1e-6)


@FEW
@given(instances(), st.lists(SHOCK, min_size=2, max_size=4), st.sampled_from([200, 900, 2500]))
def test_questions_that_follow_each_other_have_the_answers_of_highs(
    data: dict[str, Any], more: list[dict[str, Any]], budget: float
) -> None:
    data["shocks"] |= {f"more{i}": shock for i, shock in enumerate(more)}
    instance = so.read(data)
    bought = next(iter(instance.options))
    questions = [
        (instance, LEAST_COST),
        (with_budget(instance, budget), LEAST_COST),
        (with_floors(instance, points=-0.01), LEAST_COST),
        (instance, ProblemVariant(rows=(leaving_out([bought]),), name="without")),
        (instance, ProblemVariant(outlay, name="outlay")),
    ]
    with WhatIfSolver(instance, EXACT) as solver:
        for variant, problem in questions:
            found = solver.ask(variant, problem)
            alone = solve_extensive_form(variant, EXACT, Clock(), ignore, problem=problem)
            # Another problem than least cost has no plan where floors cannot all be kept.
            has_plan = alone.status == "optimal" and (problem.is_least_cost or not alone.may_miss_floors)
            assert (found.status == "optimal") == has_plan
            if found.status != "infeasible":
                assert found.gap == pytest.approx(alone.gap, rel=1e-6, abs=1e-4)
                assert found.value == pytest.approx(alone.objective, rel=1e-6, abs=1e-4)
                assert math.isfinite(found.bound)
                assert found.bound <= alone.objective * (1 + 1e-6) + 1e-4


def test_nearly_whole_numbers_are_not_whole() -> None:
    # A ten-millionth of a unit would serve one customer; a whole one costs more than leaving it unserved.
    builder = ModelBuilder(Horizon(start=2026, end=2027, step="year"), Names(frozenset(), frozenset(), frozenset()))
    unit = builder.variable("s", "units", 0, upper=1, integer=True)
    served, unserved = builder.variable("s", "served", 0), builder.variable("s", "unserved", 0)
    builder.require("s", "capacity", None, served - 1e7 * unit, "<=", 0.0)
    builder.require("s", "need", None, served + unserved, ">=", 1.0)
    found = Model(builder, 30.0 * unit + served + 20.0 * unserved, EXACT).solve(pseudo_costs=PseudoCosts())
    assert found.objective == pytest.approx(20.0)
    assert found.bound == pytest.approx(20.0)


def test_presolve_finds_whole_numbers_that_need_no_branch() -> None:
    whole, any_number = HighsVarType.kInteger, HighsVarType.kContinuous
    # Presolve has reordered two integers, dropped one, and found that an unnamed column is whole as well.
    presolved = SimpleNamespace(integrality_=[whole, any_number, whole, whole], col_names_=["i2", "", "", "i0"])
    assert _named_integers(presolved) == ([0, 3], [2, 0])
    # Without any integer left, HiGHS may keep no names.
    assert _named_integers(SimpleNamespace(integrality_=[any_number], col_names_=[])) == ([], [])
