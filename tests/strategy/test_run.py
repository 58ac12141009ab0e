"""A model with its shocks written out: a plan at hand is kept unless a better one is found."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optimizer as so
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.solver import Clock, Settings, SolveResult
from optimizer.solver.highs import HighsBackEnd

TINY = Path(__file__).parents[2] / "instances" / "tiny.yaml"


def test_a_plan_at_hand_is_kept_where_the_solver_finds_only_a_dearer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of what is dearer than the cutoff a solver may return anything, and call it optimal.
    instance = so.load(TINY)
    run = ShockModel(instance, instance.events, Settings(mip_gap=0.01), Clock(), lambda step: None)
    least = run.minimise_objective()
    assert least is not None
    assert least.values is not None
    run.start = np.round(least.values[run.solver.integers])
    ask = run.solve_integers

    def dearer(phase: str, cutoff: float, *, is_weak: bool | None = None) -> SolveResult:
        assert cutoff == pytest.approx(0.99 * least.objective)
        return replace(ask(phase), objective=least.objective + 1.0, bound=cutoff)

    monkeypatch.setattr(run, "solve_integers", dearer)
    again = run.minimise_objective()
    assert again is not None
    assert (again.status, again.objective) == ("optimal", pytest.approx(least.objective))
    assert again.bound == pytest.approx(0.99 * least.objective)


@pytest.mark.parametrize("failures", [0, 1, 2, 3, 4, 5])
def test_what_ends_without_a_verdict_is_solved_again_by_other_methods(
    failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without presolve, by the primal simplex method, then with two looser tolerances; the options are as before.
    instance = so.load(TINY)
    run = ShockModel(instance, instance.events, Settings(), Clock(), lambda step: None)
    least, left, runs = run.solve_relaxation().objective, [failures], [0]
    back: Any = run.solver._back
    attempt, names = back._attempt, ("presolve", "simplex_strategy", "primal_feasibility_tolerance")
    found = back._highs.getObjectiveValue()
    before = [back._highs.getOptionValue(name)[1] for name in names]

    def undecided(self: HighsBackEnd) -> bool:
        left[0] -= 1
        return left[0] >= 0

    def counted(clock: Clock) -> None:
        runs[0] += 1
        attempt(clock)

    monkeypatch.setattr(HighsBackEnd, "_is_undecided", undecided)
    monkeypatch.setattr(back, "_attempt", counted)
    back.retry_undecided(Clock())
    assert runs[0] == min(failures, 4)
    assert back._highs.getObjectiveValue() == pytest.approx(found)
    assert [back._highs.getOptionValue(name)[1] for name in names] == before
    assert run.solve_relaxation().objective == pytest.approx(least)


def test_a_relaxation_that_is_stopped_proves_nothing() -> None:
    instance = so.load(TINY)
    run = ShockModel(instance, instance.events, Settings(), Clock(), lambda step: None)
    back: Any = run.solver._back
    back._highs.setOptionValue("presolve", "off")
    back._highs.setOptionValue("simplex_iteration_limit", 0)
    found = run.solver.solve(relaxed=True)
    assert (found.status, found.values, found.duals, found.bound) == ("stopped", None, None, -math.inf)
