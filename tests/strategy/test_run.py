"""A model with its shocks written out: a plan at hand is kept unless a better one is found."""

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highspy import Highs

import optimizer as so
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.search import Search
from optimizer.model.builder import ModelBuilder
from optimizer.solver import Clock, Settings, SolveResult
from optimizer.solver.base import StrategyName

TINY = Path(__file__).parents[2] / "instances" / "tiny.yaml"


def test_a_plan_at_hand_is_kept_where_the_solver_finds_only_a_dearer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of what is dearer than the cutoff a solver may return anything, and call it optimal.
    instance = so.load(TINY)
    run = ScenarioModel(instance, instance.events, Settings(mip_gap=0.01), Clock(), lambda step: None)
    least = run.minimise_cost()
    assert least is not None
    assert least.values is not None
    run.start = np.round(least.values[run.solver.integers])
    ask = run.solve_integers

    def dearer(phase: str, cutoff: float) -> SolveResult:
        assert cutoff == pytest.approx(0.99 * least.cost)
        return replace(ask(phase), objective=least.cost + 1.0, bound=cutoff)

    monkeypatch.setattr(run, "solve_integers", dearer)
    again = run.minimise_cost()
    assert again is not None
    assert (again.status, again.cost) == ("optimal", pytest.approx(least.cost))
    assert again.bound == pytest.approx(0.99 * least.cost)


@pytest.mark.parametrize("strategy", ["whole", "scenarios", "cuts"])
@pytest.mark.parametrize("file", ["tiny", "leverage"])
def test_models_are_gone_once_nobody_uses_them(file: str, strategy: StrategyName) -> None:
    """They hold no circles, which Python would keep until it looks for them: a study makes hundreds of models."""
    instance = so.load(f"instances/{file}.yaml")
    before = _models()
    gc.disable()
    try:
        so.solve(instance, settings=so.Settings(strategy=strategy, patience=60.0, jobs=1))
        assert not _models() - before
    finally:
        gc.enable()


def _models() -> set[int]:
    return {id(each) for each in gc.get_objects() if isinstance(each, ModelBuilder | Highs | Search)}
