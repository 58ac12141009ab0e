"""Rounding and branches: by hand, and against the solver's own integer programme."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.benders_loop import MasterRelaxations
from optimizer.algorithms.extensive_form import ShockModel, solve_extensive_form
from optimizer.algorithms.problem import Hints, SearchResult
from optimizer.algorithms.relaxation import dive, plan_near
from optimizer.instance.edits import with_budget
from optimizer.solver import Clock, Progress, Settings, SolveResult, highs_tree
from optimizer.solver.highs import DUAL, PRIMAL
from tests.algorithms import by_constraint_generation
from tests.strategies import instances


def country(fixed_cost: float) -> so.Instance:
    """60 t are to be had in 2027 without imports: in store at 3 USD/t, or from a plant at 1 USD/t and a fixed cost."""
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000}},
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.6, "shortage_cost": 1000}},
            "options": {
                "plant": {
                    "kind": "ally",
                    "region": "friend",
                    "output": {"magnet": 1},
                    "capex": 1,
                    "fixed_cost": fixed_cost,
                    "max_size": 100,
                },
                "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 3},
            },
            "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        }
    )


def branched(instance: so.Instance, gap: float, steps: list[Progress] | None = None) -> SearchResult:
    found = model(instance, gap, steps).minimise_objective()
    assert found is not None
    return found


def model(instance: so.Instance, gap: float, steps: list[Progress] | None = None) -> ShockModel:
    listener = (steps if steps is not None else []).append
    return ShockModel(instance, instance.events, Settings(mip_gap=gap), Clock(), listener, pseudo_costs={})


def integers(found: SearchResult) -> list[float]:
    assert found.values is not None
    return [value for value, column in zip(found.values, found.builder.columns, strict=False) if column.integer]


def held() -> ShockModel:
    instance = country(100)
    return ShockModel(instance, instance.events, Settings(), Clock(), lambda step: None)


def test_what_the_relaxation_rounds_to_is_proven_by_the_tree() -> None:
    # Relaxed, 0.6 of the plant: 60 + 0.6 · 100 = 120. Whole, 160; without it 3 · 60 = 180.
    steps: list[Progress] = []
    found = branched(country(100), 1e-7, steps)
    assert (found.objective, found.bound) == (pytest.approx(160), pytest.approx(160))
    assert integers(found)[-1] == 1
    assert (steps[-1].best, steps[-1].bound) == (pytest.approx(160), pytest.approx(160))
    assert all(step.bound <= 160 * (1 + 1e-9) for step in steps)


def test_a_branch_may_lead_to_a_cheaper_plan() -> None:
    # Relaxed 60 + 0.6 · 150 = 150, which rounds to 210; the store alone costs 180.
    found = branched(country(150), 1e-7)
    assert (found.objective, found.bound) == (pytest.approx(180), pytest.approx(180))
    assert integers(found) == [0, 0]


def test_the_plan_to_start_from_bounds_the_tree() -> None:
    # That the store alone costs 180 is known: nothing is cheaper.
    run = model(country(150), 1e-7)
    run.start = np.zeros(2)
    found = run.minimise_objective()
    assert found is not None
    assert (found.status, found.objective, found.bound) == ("optimal", pytest.approx(180), pytest.approx(180))


def test_what_is_given_up_keeps_the_floors_also_in_a_model_that_was_never_asked() -> None:
    instance = country(100)
    first, second = (ShockModel(instance, instance.events, Settings(), Clock(), lambda step: None) for _ in range(2))
    found = second.fall_back(first.solve_relaxation())
    assert (found.status, found.objective, found.bound) == ("stopped", pytest.approx(160), pytest.approx(120))


def test_the_first_plan_ends_the_tree_where_the_gap_is_wide_enough() -> None:
    # Another plan would have to cost less than half of 210, and none costs less than 150.
    found = branched(country(150), 0.5)
    assert found.objective in (pytest.approx(210), pytest.approx(180))
    assert found.bound <= 180 * (1 + 1e-9)


@pytest.mark.parametrize(("fixed_cost", "cost"), [(100, 160), (150, 180)])
def test_where_a_tree_is_given_up_the_solver_is_asked(
    fixed_cost: float, cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(highs_tree, "MOST_ITERATIONS", -1)
    found = by_constraint_generation(country(fixed_cost), Settings(mip_gap=1e-7), Clock(), lambda step: None)
    assert (found.status, found.objective) == ("optimal", pytest.approx(cost))


def test_options_are_decided_before_their_time() -> None:
    # Of the two integers of the plant, `by 2026` and `by 2027`, the later one says whether it is ever opened.
    run = model(country(100), 1e-7)
    assert MasterRelaxations(run, _Nothing()).opening_groups == [[1, 0]]


class _Nothing:
    """What estimates nothing."""

    def cutoff(self) -> float:
        return math.inf

    best = cutoff

    def evaluate(self, proposed: SolveResult) -> bool:
        return False

    cut = evaluate

    def raise_bound(self, bound: float) -> None:
        pass


def test_without_shocks_the_search_finds_the_no_shock_plan() -> None:
    found = by_constraint_generation(country(100), Settings(), Clock(), lambda step: None)
    assert found.no_shock is not None
    assert found.no_shock.total_cost == pytest.approx(0)
    assert not found.no_shock.plan.builds
    assert so.solve(
        country(100), settings=Settings(strategy="constraint-generation")
    ).price_of_survival == pytest.approx(160)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(instances(), st.sampled_from([0.0, 0.02]))
def test_what_is_proven_is_what_the_solver_finds(data: dict[str, Any], gap: float) -> None:
    for option in data["options"].values():
        if "output" in option:
            option.setdefault("fixed_cost", 50.0)
    instance = so.read(data)
    run = model(instance, gap)
    loose = run.solve_relaxation()
    assume(loose.values is not None)
    found = run.minimise_objective()
    least = solve_extensive_form(instance, Settings(mip_gap=0.0), Clock(), lambda step: None)
    assert (found is None) == (least.gap > 0)
    if found is not None:
        assert found.status == "optimal"
        assert found.objective >= least.objective * (1 - 1e-6) - 1e-6
        assert found.bound <= least.objective * (1 + 1e-6) + 1e-6
        assert found.objective <= least.objective * (1 + gap + 1e-6) + 1e-6
    # Its integers are free again.
    again = run.solve_relaxation()
    assert again.objective == pytest.approx(loose.objective, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("fixed_cost", "budget", "whole"),
    [
        # 0.6 of the plant is nearest to all of it: 60 + 100.
        (100, None, [1, 1]),
        # 60 + 150 is more than the budget, and the store alone, 180, is not.
        (150, 190, [0, 0]),
        # Neither is within the budget, though 60 + 0.6 · 100 is.
        (100, 150, None),
    ],
)
def test_a_dive_goes_up_then_down_then_gives_up(
    fixed_cost: float, budget: float | None, whole: list[int] | None
) -> None:
    instance = with_budget(country(fixed_cost), budget)
    run = ShockModel(instance, instance.events, Settings(), Clock(), lambda step: None)
    relaxation = run.solve_relaxation()
    assert relaxation.objective == pytest.approx(60 + 0.6 * fixed_cost)
    found = dive(run.solver, run.solve_relaxed, relaxation)
    assert (None if found is None else found.tolist()) == whole


@pytest.mark.parametrize(("budget", "cost"), [(None, 160), (150, None)])
def test_a_plan_near_a_relaxation_is_one_that_its_openings_pay(budget: float | None, cost: float | None) -> None:
    # The relaxation opens 0.6 of the plant: all of it serves 60 t for 160 USD, of which a budget of 150 is short.
    instance = with_budget(country(100), budget)
    run = ShockModel(instance, instance.events, Settings(), Clock(), lambda step: None)
    relaxation = run.solve_relaxation()
    found = plan_near(run, relaxation)
    assert (None if found is None else found.objective) == (None if cost is None else pytest.approx(cost))
    # The integers are free again.
    assert run.solve_relaxed().objective == pytest.approx(relaxation.objective)


def test_the_least_gap_of_a_budget_is_found_from_a_dive() -> None:
    # 90 USD buy 30 t for the store, of the 60 t needed; the plant's fixed cost is more: 30 t at 1,000 USD are missed.
    instance = with_budget(country(100), 90)
    run = ShockModel(instance, instance.events, Settings(mip_gap=1e-7), Clock(), lambda step: None)
    found = run.minimise_gap()
    assert (found.gap, found.gap_bound) == (pytest.approx(30_000), pytest.approx(30_000))
    assert run.start is not None
    assert run.start.tolist() == [0, 0]


def test_a_search_goes_on_from_a_bound_that_is_proven() -> None:
    # 155 is less than the 160 of the plan, and more than the 120 of the relaxation.
    found = by_constraint_generation(
        country(100), Settings(mip_gap=0.05), Clock(), lambda step: None, hints=Hints(bound=155.0)
    )
    assert (found.status, found.objective, found.bound) == ("optimal", pytest.approx(160), pytest.approx(155))


def test_another_objective_of_the_same_programme_takes_the_primal_simplex_method() -> None:
    # 60 t cost 120 relaxed, and no less than 3 · 60 without the plant; the largest gap is that of doing nothing.
    run = held()
    method: Any = lambda: run.solver._back._highs.getOptionValue("simplex_strategy")[1]  # type: ignore[attr-defined]  # noqa: E731
    assert (run.solve_relaxation().objective, method()) == (pytest.approx(120), DUAL)
    run.allow_shortfalls(math.inf)
    run.minimise("gap")
    assert (run.solve_relaxed().objective, method()) == (pytest.approx(0, abs=1e-6), PRIMAL)
    run.allow_shortfalls(0.0)
    run.minimise("objective")
    assert (run.solve_relaxed().objective, method()) == (pytest.approx(120), PRIMAL)
    # The solution before opens 0.6 of the plant, which is out of bounds now.
    run.fix_integers(np.zeros(2))
    assert (run.solve_lp().objective, method()) == (pytest.approx(180), DUAL)


def test_a_basis_that_was_kept_gets_the_rows_that_come_later() -> None:
    # Without the plant 60 t cost 180; the relaxation before is at hand, and no row of zeros moves it.
    run = held()
    assert run.solve_relaxation().objective == pytest.approx(120)
    run.solver.store_basis("before")
    run.fix_integers(np.zeros(2))
    assert run.solve_lp().objective == pytest.approx(180)
    run.solver.add_cuts(run.solver.integers, np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1.0, 1.0]))
    run.release_integers()
    run.solver.restore_basis("before")
    assert run.solve_relaxed().objective == pytest.approx(120)
    assert run.solver._back.highs.getInfo().simplex_iteration_count == 0  # type: ignore[attr-defined]


def test_a_doubtful_basis_and_a_programme_that_was_just_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    # However few iterations it is given, a doubtful basis ends at the 180 of no plant; asked again, nothing is run.
    monkeypatch.setattr("optimizer.solver.highs.DOUBTFUL_LEAST", 0)
    run = held()
    run.solve_relaxation()
    run.fix_integers(np.zeros(2))
    run.solver.allow_fresh_start()
    assert run.solve_lp().objective == pytest.approx(180)
    monkeypatch.delattr("optimizer.solver.highs.HighsBackEnd._attempt")
    assert run.solve_lp().objective == pytest.approx(180)


def test_a_basis_that_leads_nowhere_in_time_is_left_for_a_fresh_start(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without any patience the second programme is given up at once, and solved from nothing: 180 of no plant.
    run = held()
    run.solve_relaxation()
    monkeypatch.setattr("optimizer.solver.highs.LEAST_LP_SECONDS", 0.0)
    monkeypatch.setattr("optimizer.solver.highs.MOST_TIMES", 0.0)
    begun = list[None]()
    own = run.solver._back._run  # type: ignore[attr-defined]
    monkeypatch.setattr(run.solver._back, "_run", lambda clock: (begun.append(None), own(clock)))
    run.fix_integers(np.zeros(2))
    assert run.solve_lp().objective == pytest.approx(180)
    assert begun == [None]
