"""The algorithms by name, for tests that are about one of them: what `Settings.strategy` asks for."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from optimizer.algorithms.problem import SearchResult
from optimizer.algorithms.search import Search
from optimizer.algorithms.solving import best_plan
from optimizer.instance.schema import Instance
from optimizer.solver import Clock, Listener, Settings
from optimizer.solver.base import StrategyName

Algorithm = Callable[..., SearchResult]


def _find(
    name: StrategyName,
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    *,
    add: int = Search.added_a_round,
    few_rows: float = Search.few_rows,
    most_held_rows: float = Search.most_held_rows,
    **known: Any,
) -> SearchResult:
    with patch.multiple(Search, added_a_round=add, few_rows=few_rows, most_held_rows=most_held_rows):
        return best_plan(instance, replace(settings, strategy=name), clock, listener, **known)


by_constraint_generation: Algorithm = partial(_find, "constraint-generation")
by_benders: Algorithm = partial(_find, "benders")
