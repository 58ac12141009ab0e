"""Branch and Benders cut: the tree of `optimizer.solver.tree` over a master problem, with cuts at its nodes.

A relaxation opens most options wholly or not at all. Nodes decide first on options that are **never** opened, or
**some** time, before the time itself. Whole solutions are evaluated, which adds cuts. Where the share of the tree that
is closed promises a large one, the search is left to a general solver.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.relaxation import RELAXATION
from optimizer.solver import SolveResult, Vector
from optimizer.solver.tree import Relaxed, TreeNode, TreeSearch

# So many relaxations are solved before the size of the tree is estimated, and so large may the estimate be.
NODES = 60, 2000


class Separation(Protocol):
    """What a programme estimates, evaluated; it keeps the best plan."""

    def cutoff(self) -> float:
        """Plans that cost this or more are of no use."""
        ...

    def best(self) -> float:
        """What the best plan known costs."""
        ...

    def evaluate(self, proposed: SolveResult) -> bool:
        """Evaluate a solution with whole numbers; whether the programme has new cuts."""
        ...

    def cut(self, relaxed: SolveResult) -> bool:
        """Add cuts at a solution with fractions; whether there were any."""
        ...

    def raise_bound(self, bound: float) -> None:
        """No plan costs less than this."""
        ...


class MasterRelaxations:
    """The relaxations of a master problem, by bounds of its integers; its basis goes on from node to node."""

    has_cuts, basis = True, None

    def __init__(self, model: ScenarioModel, separation: Separation) -> None:
        self.model, self.separation = model, separation
        self.places = model.model.integers.copy()
        at = {int(j): k for k, j in enumerate(self.places)}
        self.families = [[at[j] for j in reversed(columns)] for columns in _openings(model)]

    @property
    def is_over(self) -> bool:
        """Whether the time is."""
        return self.model.clock.is_over

    @property
    def target(self) -> float:
        """Plans that cost this or more are of no use."""
        return self.separation.cutoff()

    @property
    def reach(self) -> float:
        """What the best plan costs: another objective may follow, with this one held."""
        return self.separation.best()

    def solve(self, lower: Vector, upper: Vector, basis: object, limit: float, iterations: int = 0) -> Relaxed:
        """Solve one, wholly."""
        self.model.release_integers()
        self.model.model.bound(self.places, lower, upper)
        found = self.model.solve_relaxed()
        if found.values is None:
            return Relaxed(found.objective if found.status == "infeasible" else -np.inf)
        reduced = None if found.reduced_costs is None else found.reduced_costs[self.places]
        return Relaxed(found.objective, found.values[self.places], reduced, found)

    def take(self, relaxed: Relaxed) -> bool:
        """Evaluate a solution with whole numbers; whether there are new cuts."""
        return self.separation.evaluate(relaxed.solution)

    def cut(self, relaxed: Relaxed) -> bool:
        """Add cuts at a solution with fractions; whether there were any."""
        return self.separation.cut(relaxed.solution)

    def is_too_large(self, solved: int, closed: float) -> bool:
        """Whether the tree is, by the share of it that is closed."""
        few, most = NODES
        return solved >= few and solved > most * closed

    def raise_bound(self, bound: float) -> None:
        """No plan costs less than this."""
        self.separation.raise_bound(bound)


def branch_and_cut(
    model: ScenarioModel, relaxation: SolveResult, separation: Separation, leaves: Sequence[TreeNode] = ()
) -> TreeSearch | None:
    """The tree of a master problem.

    Args:
        model: its integers are free before and after. The plan that it starts from, if any, counts too.
        relaxation: its LP relaxation.
        separation: what the model estimates.
        leaves: of a tree for another objective, outside of which there are no plans; none begins at the root.

    Returns:
        The tree; None where the bound that is known is near enough.
    """
    assert relaxation.values is not None
    model.release_integers()
    source = MasterRelaxations(model, separation)
    bounds = model.model.lower[source.places], model.model.upper[source.places]
    separation.raise_bound(relaxation.objective)
    # What follows from whole numbers leads far from the relaxation; the tree begins there.
    model.model.keep(RELAXATION)
    for known in (model.solve_from_start(), None if leaves else model.solve_rounded(relaxation.values)):
        if known is not None:
            separation.evaluate(known)
    model.model.recall(RELAXATION)
    bound = max(model.known_bound, relaxation.objective)
    if bound >= separation.cutoff():
        separation.raise_bound(bound)
        return None
    weight, roots = 1.0 / max(1, len(leaves)), [replace(each, bound=relaxation.objective) for each in leaves]
    roots = [replace(each, number=-k, weight=weight, cuts=0, repeats=0, decision=None) for k, each in enumerate(roots)]
    tree = TreeSearch(source, roots or [TreeNode(relaxation.objective, 0, *bounds)], np.zeros((len(source.places), 4)))
    tree.run()
    model.release_integers()
    return tree


def _openings(model: ScenarioModel) -> list[tuple[int, ...]]:
    """By option, the columns that say by when it is opened, in the order of periods."""
    found = set[tuple[int, ...]]()
    for member in model.builder.members:
        for (path, _, what), columns in member.column_index().items():
            if what == "by" and not path:
                found.add(tuple(columns.values()))
    return sorted(found)
