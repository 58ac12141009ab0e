"""No reference cycle keeps models in memory until the garbage collector finds it: a study makes hundreds of them."""

import gc

import pytest
from highspy import Highs

import optimizer as so
from optimizer.algorithms.search import Search
from optimizer.model.builder import ModelBuilder
from optimizer.solver.base import StrategyName


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
@pytest.mark.parametrize("file", ["tiny", "leverage"])
def test_models_are_gone_once_nobody_uses_them(file: str, strategy: StrategyName) -> None:
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
