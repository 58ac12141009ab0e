"""A model with its shocks written out: a plan at hand is kept unless a better one is found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import optimizer as so
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.solver import Clock, Settings, SolveResult

TINY = Path(__file__).parents[2] / "instances" / "tiny.yaml"


def test_a_plan_at_hand_is_kept_where_the_solver_finds_only_a_dearer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of what is dearer than the cutoff a solver may return anything, and call it optimal.
    instance = so.load(TINY)
    run = ShockModel(instance, instance.events, Settings(mip_gap=0.01), Clock(), lambda step: None)
    least = run.minimise_cost()
    assert least is not None
    assert least.values is not None
    run.start = np.round(least.values[run.solver.integers])
    ask = run.solve_integers

    def dearer(phase: str, cutoff: float, *, is_far: bool | None = None) -> SolveResult:
        assert cutoff == pytest.approx(0.99 * least.cost)
        return replace(ask(phase), objective=least.cost + 1.0, bound=cutoff)

    monkeypatch.setattr(run, "solve_integers", dearer)
    again = run.minimise_cost()
    assert again is not None
    assert (again.status, again.cost) == ("optimal", pytest.approx(least.cost))
    assert again.bound == pytest.approx(0.99 * least.cost)
