"""Branch and bound on one linear programme that stays warm, with pseudo-costs carried from one search to the next.

    node     bounds of the integers, its LP relaxation, and the basis of that
    branch   on the integer whose pseudo-costs promise most, by the product of both gains; strong branching, a few
             candidates for a few iterations, where an integer has none yet
    order    into the child with the lower relaxation until that is closed, then the open node with the least one

A relaxation is left as soon as its dual objective shows that the node is closed. As long as no solution is known,
nodes are closed at a guess: as far above the first relaxation as solutions were found before. Where the guess was too
low, they are opened again.

Similar questions to one model have similar trees: with the pseudo-costs of the last one, a few dozen linear programmes
of a few dozen iterations prove what a solver that begins from nothing proves after presolve, cuts and strong branching.

Sources: Achterberg, Koch, Martin: Branching rules revisited, Operations Research Letters 33, 2005; Ralphs, Güzelsoy:
Duality and warm starting in integer programming, NSF Design, Service and Manufacturing Conference, 2006.
"""

import heapq
import math
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from optimizer.solver.base import BoundsListener, Integers, RawResult, Settings, SolveRequest, Vector, Verdict
from optimizer.tolerances import INTEGRALITY, LEAST_GAIN, ROUNDING, WHOLE

# Candidates for strong branching at a node, and iterations for each of their relaxations.
CANDIDATES, PROBE = 4, 200
# So many simplex iterations at most; beyond, the relaxation is too weak for this search.
MOST_ITERATIONS = 80_000
# Gains above this share of the objective count as much as this: a child without a solution has no finite one.
MOST_GAIN = 0.01
# How much farther from the first relaxation than the last time solutions are guessed to be, and than the last guess.
GUESS, WIDER = 1.25, 2.0
# The first guess, a share of the objective; and the least, a share of the way to a cutoff.
FIRST_GUESS, GUESSED_PART = 0.02, 0.3


@dataclass(order=True)
class TreeNode:
    """A part of the integers' ranges: `bound` holds for all its solutions."""

    bound: float
    number: int
    lower: Vector = field(compare=False)
    upper: Vector = field(compare=False)
    # Of its relaxation; None where that is not solved yet.
    values: Vector | None = field(default=None, compare=False)
    basis: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Relaxed:
    """A linear programme of the tree: infinite where it has no solution; without values where it was left early."""

    objective: float
    values: Vector | None = None


class Relaxations(Protocol):
    """The linear programmes of a tree.

    Attributes:
        iterations: of all so far. basis: that of the last one. is_over: whether the time is.
    """

    iterations: int

    @property
    def basis(self) -> Any:
        """Of the last one."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        ...

    def solve(self, lower: Vector, upper: Vector, basis: Any, limit: float, iterations: int = 0) -> Relaxed:
        """Solve one.

        Args:
            lower, upper: bounds of the integers. basis: to start from; None for the last one.
            limit: it is left once its objective is no lower; the result is that limit, without values.
            iterations: at most so many; 0 for any number.
        """
        ...


class TreeSearch:
    """One search.

    Args:
        request: what is solved, in the solver's units.
        gains: pseudo-costs by integer, in their order, as a history keeps them; they are updated.
        distance: of solutions from the first relaxation, as it is guessed; 0 where there is no guess.
        programmes: the relaxations.
        settings: how near an incumbent has to be to its bound, where the request does not say.
        report: hears (incumbent, bound).

    Attributes:
        status: ``optimal``, without values where nothing better than the cutoff by what is allowed is left to be found;
            ``infeasible`` (nothing below the cutoff), ``stopped``, or ``given up``.
        best, values: the incumbent. bound: proven for all solutions that are not above the cutoff.
        root: the first relaxation.
    """

    def __init__(
        self,
        request: SolveRequest,
        gains: Vector,
        distance: float,
        programmes: Relaxations,
        settings: Settings,
        report: BoundsListener,
    ) -> None:
        self.request, self.gains, self.programmes, self.settings = request, gains, programmes, settings
        self.report, self._began = report, time.perf_counter()
        self.places: Integers = request.integers.astype(np.intp)
        self.status, self.best, self.bound, self.root = "optimal", math.inf, math.inf, -math.inf
        self.values: Vector | None = None
        self.best_basis: Any = None
        self._distance, self._guess = distance, math.inf
        self._open: list[TreeNode] = []
        self._postponed: list[TreeNode] = []
        self._count, self._scale = 0, 1.0

    @property
    def limit(self) -> float:
        """Solutions at or above it are of no use."""
        best = math.inf if self.values is None else self.best - self._allowed(self.best)
        cutoff, tolerance = self.request.cutoff, self.request.tolerance
        if tolerance is not None and math.isfinite(cutoff):
            # The cutoff comes from a solution of this cost.
            cutoff += tolerance - self._allowed(cutoff + tolerance)
        return min(cutoff, best)

    def _allowed(self, cost: float) -> float:
        """How far a solution of some cost may be from its bound."""
        relative, tolerance, patience = self.settings.gap * abs(cost), self.request.tolerance, self.settings.patience
        if tolerance is None:
            return relative
        is_long = patience is not None and time.perf_counter() - self._began > patience
        return max(tolerance, relative) if is_long else tolerance

    def run(self) -> None:
        """Search until everything is closed, or one of the limits is reached."""
        lower, upper = self.request.lower[self.places], self.request.upper[self.places]
        first = self.programmes.solve(lower, upper, None, self.limit)
        if first.values is None:
            self.status, self.bound = "optimal" if first.objective >= self.limit else "stopped", first.objective
            self._conclude([])
            return
        self.root = first.objective
        root = TreeNode(self.root, 0, lower, upper, first.values[self.places], self.programmes.basis)
        way = self.limit - self.root if self.limit < math.inf else 0.0
        self._guess = self._wider(max(GUESS * self._distance or FIRST_GUESS * abs(self.root), GUESSED_PART * way))
        self._scale = self._width()
        self._round(root)
        node = root if self._place(root, first) else None
        while node is not None and self._goes_on():
            node = self._branch(node) or self._next()
        self._conclude([node] if node is not None else [])

    def _conclude(self, left: list[TreeNode]) -> None:
        """The bound, with the nodes that are left open; and whether there is a solution."""
        bounds = [each.bound for each in (*left, *self._open, *self._postponed)]
        self.bound = min([self.bound, self.best, *bounds])
        if self.status == "optimal" and self.values is None and self.bound >= self.request.cutoff:
            self.status = "infeasible"

    def result(self) -> RawResult:
        """What was found, as a solver of integer programmes would return it."""
        if self.status == "infeasible":
            return RawResult("infeasible", None, math.inf, None)
        verdict: Verdict = "optimal" if self.status == "optimal" else "stopped"
        # What is dearer than the cutoff was not searched.
        return RawResult(verdict, self.values, min(self.bound, self.request.cutoff), None)

    def _goes_on(self) -> bool:
        is_enough = self.values is not None and self.best <= self.request.enough
        if is_enough or self.programmes.is_over:
            self.status = "stopped"
        elif self.programmes.iterations > MOST_ITERATIONS:
            self.status = "given up"
        return self.status == "optimal"

    def _next(self) -> TreeNode | None:
        """The open node with the least bound; those closed at a guess that proved too low are opened again."""
        while True:
            while self._open:
                node = heapq.heappop(self._open)
                self.report(self.best, min(node.bound, self.best))
                if node.bound >= self.limit:
                    self.bound = min(self.bound, node.bound)
                elif node.values is not None or self._solve(node):
                    return node
            if not self._postponed or self.programmes.is_over:
                return None
            self._guess = self._wider(WIDER * (self._guess - self.root))
            self._open, self._postponed = sorted(self._postponed), []

    def _width(self) -> float:
        """The way from the first relaxation to where solutions are sought; 1 where that is not limited."""
        width = min(self.limit, self._guess) - self.root
        return width if 0.0 < width < math.inf else 1.0

    def _wider(self, distance: float) -> float:
        guess = self.root + distance
        return guess if guess > self.root + ROUNDING * abs(self.root) else math.inf

    def _solve(self, node: TreeNode) -> bool:
        """Solve the relaxation of a node; whether it is to be branched."""
        found = self.programmes.solve(node.lower, node.upper, node.basis, min(self.limit, self._guess))
        return self._place(node, found)

    def _place(self, node: TreeNode, found: Relaxed) -> bool:
        """Close a node or postpone it, or take its solution; whether it is to be branched."""
        node.bound = max(node.bound, found.objective)
        if found.values is None:
            if node.bound < self.limit:
                self._postponed.append(node)
            else:
                self.bound = min(self.bound, node.bound)
            return False
        node.values = np.clip(found.values[self.places], node.lower, node.upper)
        node.basis, fractions = self.programmes.basis, _fractions(node.values)
        if not fractions.any():
            self._take(found)
            return self._close(node)
        if np.minimum(fractions, 1.0 - fractions).max() <= INTEGRALITY:
            # Nearly whole numbers may save what whole ones cost.
            whole = np.round(node.values)
            self._take(self.programmes.solve(whole, whole, node.basis, self.limit))
        return node.bound < self.limit or self._close(node)

    def _take(self, found: Relaxed) -> None:
        if found.values is not None and found.objective < self.best and found.objective <= self.request.cutoff:
            self.best, self.values, self.best_basis = found.objective, found.values, self.programmes.basis

    def _round(self, node: TreeNode) -> None:
        """Try the nearest whole numbers, and the next larger ones."""
        assert node.values is not None
        for whole in (np.round(node.values), np.ceil(node.values - INTEGRALITY)):
            whole = np.clip(whole, node.lower, node.upper)
            self._take(self.programmes.solve(whole, whole, node.basis, min(self.limit, self._guess)))

    def _branch(self, node: TreeNode) -> TreeNode | None:
        """Solve both children; the one with the lower relaxation comes next, if there is one."""
        assert node.values is not None
        chosen = self._choose(node)
        children = []
        for is_up in (False, True):
            child = self._child(node, chosen, is_up=is_up)
            found = self.programmes.solve(child.lower, child.upper, node.basis, min(self.limit, self._guess))
            self._learn(node, chosen, found.objective, is_up=is_up)
            children += [child] if self._place(child, found) else []
        for child in children:
            heapq.heappush(self._open, child)
        if not children:
            return None
        nearest = min(children)
        self._open.remove(nearest)
        heapq.heapify(self._open)
        return nearest if nearest.bound < self.limit or self._close(nearest) else None

    def _close(self, node: TreeNode) -> bool:
        self.bound = min(self.bound, node.bound)
        return False

    def _child(self, node: TreeNode, chosen: int, *, is_up: bool) -> TreeNode:
        assert node.values is not None
        self._count += 1
        lower, upper = node.lower.copy(), node.upper.copy()
        if is_up:
            lower[chosen] = math.ceil(node.values[chosen])
        else:
            upper[chosen] = math.floor(node.values[chosen])
        return TreeNode(node.bound, self._count, lower, upper)

    def _choose(self, node: TreeNode) -> int:
        """The integer to branch on."""
        assert node.values is not None
        fractions = _fractions(node.values)
        candidates = np.flatnonzero(fractions > min(INTEGRALITY, 0.5 * fractions.max()))
        scores = self._scores(candidates, fractions)
        order = candidates[np.argsort(-scores, kind="stable")]
        unknown = [j for j in order.tolist() if self.gains[j, 1] == 0 or self.gains[j, 3] == 0][:CANDIDATES]
        for j in unknown:
            for is_up in (False, True):
                child = self._child(node, j, is_up=is_up)
                found = self.programmes.solve(child.lower, child.upper, node.basis, min(self.limit, self._guess), PROBE)
                self._learn(node, j, found.objective, is_up=is_up)
        if unknown:
            scores = self._scores(candidates, fractions)
        return int(candidates[np.argmax(scores)])

    def _scores(self, candidates: Integers, fractions: Vector) -> Vector:
        score = np.ones(len(candidates))
        for k, part in ((0, fractions[candidates]), (2, 1.0 - fractions[candidates])):
            total, count = self.gains[:, k], self.gains[:, k + 1]
            known = count > 0
            mean = float((total[known] / count[known]).mean()) if known.any() else 1.0
            gain = np.where(known, total / np.maximum(count, 1.0), mean)[candidates] * part
            score *= np.maximum(gain, LEAST_GAIN)
        return score

    def _learn(self, node: TreeNode, chosen: int, objective: float, *, is_up: bool) -> None:
        assert node.values is not None
        fraction = float(node.values[chosen] - math.floor(node.values[chosen]))
        if not INTEGRALITY < fraction < 1.0 - INTEGRALITY:
            return
        most = MOST_GAIN * abs(node.bound)
        gain = min(max(0.0, objective - node.bound), most) / self._scale
        k = 2 * is_up
        self.gains[chosen, k] += gain / (1.0 - fraction if is_up else fraction)
        self.gains[chosen, k + 1] += 1.0


def _fractions(values: Vector) -> Vector:
    """The parts of values above whole numbers; 0 where they are whole."""
    parts = values - np.floor(values + WHOLE)
    return np.where(parts < WHOLE, 0.0, parts)
