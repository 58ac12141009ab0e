"""What a branch-and-bound tree proves where it is abandoned, has several roots, or runs out of time."""

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from optimizer.horizon import Horizon
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, Names, total
from optimizer.solver import Clock, Model, PseudoCosts, Settings, highs, highs_tree
from optimizer.solver.base import Vector
from optimizer.solver.tree import Relaxed, TreeNode, TreeSearch


def knapsack(seed: int) -> tuple[ModelBuilder, Expression]:
    """24 binaries of about the same cost, of which 47 % of the weight is needed and hardly more allowed, thrice."""
    random = np.random.default_rng(seed)
    builder = ModelBuilder(Horizon(start=2026, end=2027, step="year"), Names(*[frozenset[str]()] * 3))
    chosen = [builder.variable(f"s{i}", "units", 0, upper=1, integer=True) for i in range(24)]
    for k in range(3):
        weights = random.integers(5, 40, len(chosen)).tolist()
        least, weight = float(int(sum(weights) * 0.47)), total(w * y for w, y in zip(weights, chosen, strict=True))
        builder.require("least", f"r{k}", None, weight, ">=", least)
        builder.require("most", f"q{k}", None, weight, "<=", least + 2.0)
    costs = (random.uniform(10, 12, len(chosen)) + 100).tolist()
    return builder, total(cost * y for cost, y in zip(costs, chosen, strict=True))


def test_a_tree_of_many_small_relaxations_is_left_to_highs() -> None:
    """Σ 2·y ≥ 15 of 15 binaries: a relaxation costs 15 until 8 integers are fixed, so that a tree has thousands."""
    builder = ModelBuilder(Horizon(start=2026, end=2027, step="year"), Names(*[frozenset[str]()] * 3))
    chosen = [builder.variable(f"s{i}", "units", 0, upper=1, integer=True) for i in range(15)]
    taken, pseudo_costs = total(2.0 * y for y in chosen), PseudoCosts()
    builder.require("least", "sum", None, taken + builder.variable("other", "spent", 0, upper=0.5), ">=", 15.0)
    found = Model(builder, taken, Settings(mip_gap=0.0, threads=1)).solve(pseudo_costs=pseudo_costs)
    assert (found.status, found.objective, found.bound) == ("optimal", pytest.approx(16.0), pytest.approx(16.0))
    assert pseudo_costs.failures == 1


def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patience of a tree is over at once, and it is abandoned after its first relaxation."""

    class Hurried:
        seconds = 0.0

        @classmethod
        def perf_counter(cls) -> float:
            cls.seconds += 100.0
            return cls.seconds

    monkeypatch.setattr(highs_tree, "MOST_ITERATIONS", 1)
    monkeypatch.setattr(highs_tree, "FINE_IN_MONEY", 0)
    monkeypatch.setattr(highs_tree, "time", Hurried)


@pytest.mark.parametrize("seed", range(8))
def test_an_abandoned_tree_proves_no_more_than_its_target(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan is known that costs 1.2 % more than the best: nothing is 2 % cheaper, which says nothing of 0.5 %."""
    builder, cost = knapsack(seed)
    best = Model(builder, cost, Settings(mip_gap=0.0, threads=1)).solve().objective
    late(monkeypatch)
    known = 1.012 * best
    tolerance = 0.005 * known
    settings = Settings(mip_gap=0.02, threads=1, tolerance=tolerance, patience=5.0)
    found = Model(builder, cost, settings).solve(
        pseudo_costs=PseudoCosts(), cutoff=known - tolerance, tolerance=tolerance
    )
    assert found.status == "optimal"
    assert found.bound <= best * (1.0 + 1e-9)
    assert found.bound >= 0.98 * known * (1.0 - 1e-9) or found.values is not None


class Line:
    """Minimise x + y with x + y ≥ 1.5, both whole; nothing is feasible where x is 0."""

    has_cuts = is_over = False
    opening_groups: Sequence[Sequence[int]] = ()
    basis = None
    best = math.inf

    @property
    def target(self) -> float:
        return self.best

    reach = target

    def solve(self, lower: Vector, upper: Vector, basis: Any, limit: float, iterations: int = 0) -> Relaxed:
        x = max(float(lower[0]), 1.5 - float(upper[1]))
        if upper[0] == 0 or x > upper[0]:
            return Relaxed(math.inf)
        values = np.array([x, max(float(lower[1]), 1.5 - x)])
        return Relaxed(float(values.sum()), values, None, values)

    def take(self, relaxed: Relaxed) -> bool:
        self.best = min(self.best, relaxed.objective)
        return False

    def cut(self, relaxed: Relaxed) -> bool:
        return False

    def is_too_large(self, solved: int, closed: float) -> bool:
        return False

    def raise_bound(self, bound: float) -> None:
        pass


class Pair(Line):
    """Two binaries: (1, 0) costs 10 and is known, (0, 1) costs 9.5; what is 0.7 cheaper is looked for."""

    best, target, reach = 10.0, 9.3, 9.3

    def solve(self, lower: Vector, upper: Vector, basis: Any, limit: float, iterations: int = 0) -> Relaxed:
        if upper[0] == 0:
            return Relaxed(9.5, np.array([0.0, 1.0])) if upper[1] == 1 else Relaxed(math.inf)
        if lower[0] == 1:
            return Relaxed(10.0 + 0.5 * float(lower[1]), np.array([1.0, float(lower[1])]))
        # Half of both: with (0, 1) it costs 0.3 more at least, by the reduced cost of the second.
        return Relaxed(9.2, np.array([0.5, 0.0]), reduced_costs=np.array([0.0, 0.3]))


def test_what_reduced_costs_exclude_counts_in_the_bound() -> None:
    # 9.2 + 0.3 is more than 9.3: the second is held at 0, and no leaf has the optimum, 9.5.
    source = Pair()
    tree = TreeSearch(source, [TreeNode(0.0, 0, np.zeros(2), np.ones(2))], np.zeros((2, 4)))
    tree.run()
    assert tree.status == "optimal"
    assert tree.bound == pytest.approx(9.5)


class Interrupted(Line):
    """Minimise over two binaries: 100 at x = y = 0.4; 103 at x = 0, y = 0.4; the LP of x = 1 is interrupted."""

    has_cuts, best = True, math.inf

    def __init__(self) -> None:
        self.is_over = False
        self.raised = list[float]()

    def solve(self, lower: Vector, upper: Vector, basis: Any, limit: float, iterations: int = 0) -> Relaxed:
        if lower[0] == 1:
            self.is_over = True
            return Relaxed(-math.inf)
        if upper[0] == 1:
            return Relaxed(100.0, np.array([0.4, 0.4]))
        return Relaxed(103.0, np.array([0.0, 0.4])) if lower[1] < upper[1] else Relaxed(math.inf)

    def raise_bound(self, bound: float) -> None:
        self.raised.append(bound)


def test_a_node_whose_relaxation_was_interrupted_counts_in_the_bound() -> None:
    # y = 0 and y = 1 are infeasible beside x = 0, so that x = 1 is all that is left, known to cost 100 at least. While
    # its LP runs, the time ends, and one of the infeasible children is still open, with the bound of its parent, 103.
    source = Interrupted()
    tree = TreeSearch(source, [TreeNode(-math.inf, 0, np.zeros(2), np.ones(2))], np.zeros((2, 4)))
    tree.run()
    assert (tree.status, tree.bound) == ("stopped", 100.0)
    assert max(source.raised) == 100.0


@pytest.mark.parametrize("first", [0, 1])
def test_a_root_without_a_solution_does_not_end_a_tree_with_several(first: int) -> None:
    bounds = [((0.0, 0.0), (0.0, 3.0)), ((1.0, 0.0), (3.0, 3.0))]
    roots = [TreeNode(0.0, -k, np.array(bounds[k][0]), np.array(bounds[k][1])) for k in (first, 1 - first)]
    source = Line()
    tree = TreeSearch(source, roots, np.zeros((2, 4)))
    tree.run()
    assert (tree.status, tree.bound, source.best) == ("optimal", 2.0, 2.0)


def test_what_is_not_whole_is_not_searched_again_once_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    builder, cost = knapsack(0)
    clock, runs = Clock(60.0), list[float]()
    run = highs.HighsBackEnd._run

    def counted(self: highs.HighsBackEnd, own: Clock) -> None:
        runs.append(time.perf_counter())
        run(self, own)
        own.interrupted = True

    monkeypatch.setattr(highs.HighsBackEnd, "_run", counted)
    monkeypatch.setattr(highs, "_are_whole", lambda values: False)
    Model(builder, cost, Settings(mip_gap=0.0, threads=1), clock).solve()
    assert len(runs) == 1
