"""Branch and bound: one tree of bounds of integers, over linear programmes that stay warm.

    node     bounds of the integers, its LP relaxation, and the basis of that
    branch   on the integer whose pseudo-costs promise most, by the product of both gains; where an integer has none
             yet, both children of a few candidates are tried (strong branching); one that is closed decides its
             integer without a branch
    order    into the child with the lesser bound until that is closed, with cuts into the nearer one; then the open
             node with the least bound
    bounds   by reduced costs: an integer that would cost more than is left stays where it is
    cuts     where a programme estimates something: at whole solutions until nothing is violated, and at fractional ones
             for as long as that raises bounds

A relaxation is left as soon as its dual objective shows that the node is closed. As long as no solution is known,
nodes are closed at a guess: as far above the first relaxation as solutions were found before. Where the guess was too
low, they are opened again.

Where the linear programmes come from, and who keeps solutions, is left open (`Relaxations`). Similar questions to one
model have similar trees: with the pseudo-costs of the last one, a few dozen linear programmes of a few dozen iterations
prove what a solver that begins from nothing proves after cuts and strong branching.

Sources: Achterberg, Koch, Martin: Branching rules revisited, Operations Research Letters 33(1), 2005 (pseudo-costs,
strong branching); Ralphs, Güzelsoy: Duality and warm starting in integer programming, NSF Design, Service and
Manufacturing Conference, 2006; Fischetti, Ljubić, Sinnl: Redesigning Benders decomposition for large-scale facility
location, Management Science 63(7), 2017 (cuts in the tree); Hendel, Anderson, Le Bodic, Pfetsch: Estimating the size of
branch-and-bound trees, INFORMS Journal on Computing 34(2), 2022 (the weight of leaves).
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from optimizer.solver.base import Vector
from optimizer.tolerances import INTEGRALITY, LEAST_GAIN, ROUNDING, WHOLE

# Candidates for strong branching at a node, and iterations for each of their relaxations; with cuts, from which node.
CANDIDATES, PROBE, STRONG_FROM = 8, 100, 6
# Gains above this share of the objective count as much as this: a child without a solution has no finite one.
MOST_GAIN = 0.01
# How much farther from the first relaxation than the last time solutions are guessed to be, and than the last guess.
GUESS, WIDER = 1.25, 2.0
# The first guess, a share of the objective; and the least, a share of the way to a cutoff.
FIRST_GUESS, GUESSED_PART = 0.02, 0.3
# Cuts at fractional nodes have to close this share of what is left, on average; each weighs so much in that average.
WORTHWHILE_SHARE, RECENT_WEIGHT = 0.1, 0.3
# So often a node with a whole solution is solved again, with the cuts that it violates.
MOST_REPEATS = 100


TreeStatus = Literal["optimal", "stopped", "abandoned"]


class BranchDecision(NamedTuple):
    """What distinguishes a node from its parent."""

    place: int  # of the integer whose bounds differ
    is_up: bool  # whether it went up
    moved: float  # by which part of one
    bound: float  # the parent's


@dataclass(frozen=True)
class Relaxed:
    """A linear programme of the tree: infinite where it has no solution; without values where it was left early."""

    objective: float
    # Of the integers.
    values: Vector | None = None
    reduced_costs: Vector | None = None
    solution: Any = None  # what the source knows of it


@dataclass(order=True)
class TreeNode:
    """A part of the integers' ranges: `bound` holds for all its solutions."""

    bound: float
    number: int  # the order in which nodes came
    lower: Vector = field(compare=False)
    upper: Vector = field(compare=False)
    # The share of the tree below it, if all its nodes had two children.
    weight: float = field(default=1.0, compare=False)
    relaxed: Relaxed | None = field(default=None, compare=False)  # its relaxation; None where it is not known
    basis: Any = field(default=None, compare=False)  # of that, or its parent's
    cuts: int = field(default=0, compare=False)  # how many rounds of cuts its relaxation has
    repeats: int = field(default=0, compare=False)  # how often it was solved again
    decision: BranchDecision | None = field(default=None, compare=False)  # None at roots


class Relaxations(Protocol):
    """The linear programmes of a tree, and the best solution."""

    has_cuts: bool  # whether they estimate something, by cuts. Then whole solutions are evaluated.

    @property
    def families(self) -> Sequence[Sequence[int]]:
        """Places of integers that are decided together: the first one says whether any is opened."""

    @property
    def basis(self) -> Any:
        """Of the last linear programme; None where the source keeps it by itself."""

    @property
    def is_over(self) -> bool:
        """Whether no time is left, or a solution is good enough."""

    @property
    def target(self) -> float:
        """Solutions at or above it are of no use."""

    @property
    def reach(self) -> float:
        """Leaves hold every solution below it: the target, with what a second objective among the leaves may take."""

    def solve(self, lower: Vector, upper: Vector, basis: Any, limit: float, iterations: int = 0) -> Relaxed:
        """Solve one.

        Args:
            lower, upper: bounds of the integers. basis: to start from; None for the last one.
            limit: it may be left once its objective is no lower; the result is that limit, without values.
            iterations: of the simplex method, as many as are enough to compare candidates; 0 for any number.
        """

    def take(self, relaxed: Relaxed) -> bool:
        """Keep a solution with whole numbers if it is the best. Returns whether it led to new cuts."""

    def cut(self, relaxed: Relaxed) -> bool:
        """Add cuts at a solution with fractions; whether there were any."""

    def is_too_large(self, solved: int, closed: float) -> bool:
        """Whether the tree promises to be, after so many relaxations, by the share of it that is closed."""

    def raise_bound(self, bound: float) -> None:
        """No solution is below this."""


class TreeSearch:
    """One search.

    Args:
        source: the relaxations.
        roots: of the tree; their bounds hold.
        gains: pseudo-costs by integer, in their order, as a history keeps them; they are updated.
        distance: of solutions from the first relaxation, as it is guessed; 0 where there is no guess.

    Attributes:
        status: ``optimal``, where all nodes are closed; ``stopped``, or ``abandoned`` as too large.
        bound: proven for all solutions below the target. root: the first relaxation.
        solved: how many relaxations were. leaves: the closed nodes; all solutions within reach are in them.
    """

    def __init__(self, source: Relaxations, roots: Sequence[TreeNode], gains: Vector, distance: float = 0.0) -> None:
        self.source, self.gains = source, gains
        self.status: TreeStatus = "optimal"
        self.bound, self.root, self.solved = -math.inf, -math.inf, 0
        self.leaves: list[TreeNode] = []
        self._distance, self._guess, self._scale = distance, math.inf, 1.0
        self._open, self._postponed = list(roots), list[TreeNode]()
        self._least_closed, self._closed, self._cuts, self._share, self._count = math.inf, 0.0, 0, 1.0, 0
        alone = set(range(len(gains))).difference(*source.families)
        self._families = [*source.families, *([k] for k in sorted(alone))]

    def run(self) -> None:
        """Search until everything is closed, or one of the limits is reached."""
        node = self._open_root()
        if node is not None:
            self._begin(node)
        while node is not None and self._goes_on():
            node = self._step(node) or self._next()
        left = [each.bound for each in (node, *self._open, *self._postponed) if each is not None]
        if left and self.status == "optimal":
            self.status = "stopped"
        self.bound = min([self._least_closed, *left])
        self.source.raise_bound(self.bound)

    def _open_root(self) -> TreeNode | None:
        """The first root whose relaxation leaves it open."""
        node: TreeNode | None = self._open.pop(0)
        heapq.heapify(self._open)
        while node is not None and node.relaxed is None and not self._solve(node):
            node = self._next() if self._open and self._goes_on() else None
        return node

    def _begin(self, node: TreeNode) -> None:
        """Guess how far solutions are, and try the nearest whole numbers, then the next larger ones."""
        assert node.relaxed is not None
        assert node.relaxed.values is not None
        self.root, limit = node.relaxed.objective, self.source.target
        if not self.source.has_cuts:
            way = limit - self.root if limit < math.inf else 0.0
            self._guess = self._wider(max(GUESS * self._distance or FIRST_GUESS * abs(self.root), GUESSED_PART * way))
            values = node.relaxed.values
            self._try(node, np.round(values))
            self._try(node, np.ceil(values - INTEGRALITY))
        width = self._limit - self.root
        self._scale = width if 0.0 < width < math.inf else 1.0

    def _try(self, node: TreeNode, whole: Vector) -> None:
        whole = np.clip(whole, node.lower, node.upper)
        found = self.source.solve(whole, whole, node.basis, self._limit)
        if found.values is not None:
            self.source.take(found)

    @property
    def _limit(self) -> float:
        """Nodes whose relaxation reaches it are closed or postponed."""
        return min(self.source.target, self._guess)

    def _wider(self, distance: float) -> float:
        guess = self.root + distance
        return guess if guess > self.root + ROUNDING * abs(self.root) else math.inf

    def _goes_on(self) -> bool:
        if self.source.is_over:
            self.status = "stopped"
        elif self.source.is_too_large(self.solved, self._closed):
            self.status = "abandoned"
        return self.status == "optimal"

    def _next(self) -> TreeNode | None:
        """The open node with the least bound; those closed at a guess that proved too low are opened again."""
        while self._open or (self._postponed and not self.source.is_over):
            if not self._open:
                self._guess = self._wider(WIDER * (self._guess - self.root))
                self._open, self._postponed = sorted(self._postponed), []
            node = heapq.heappop(self._open)
            bound = min(node.bound, self._least_closed)
            if bound > self.bound + ROUNDING * abs(bound):
                self.bound = bound
                self.source.raise_bound(bound)
            if node.bound < self.source.target:
                return node
            self._close(node)
        return None

    # Nodes.

    def _step(self, node: TreeNode) -> TreeNode | None:
        """Solve a node; the next one to plunge into, which may be this one again, or None where it is closed."""
        is_fresh = node.relaxed is not None and node.cuts == self._cuts
        if not (is_fresh or self._solve(node)) or not (self._is_whole(node) or self._cut(node)):
            return None
        if node.bound < self.source.target:
            if not self._is_whole(node):
                return self._branch(node)
            assert node.relaxed is not None
            node.repeats += 1
            led_to_cuts = self.source.take(node.relaxed)
            if led_to_cuts:
                self._cuts += 1
                if node.repeats < MOST_REPEATS:
                    return node
        self._close(node)
        return None

    def _solve(self, node: TreeNode, iterations: int = 0) -> bool:
        """Solve a relaxation; whether the node is open: else it is closed or postponed."""
        found = self.source.solve(node.lower, node.upper, node.basis, self._limit, iterations)
        self.solved += 1
        if node.decision is not None and node.relaxed is None:
            self._learn(node.decision, found.objective)
        node.bound = max(node.bound, found.objective)
        if found.values is not None:
            node.relaxed, node.basis, node.cuts = found, self.source.basis, self._cuts
        if node.bound >= self.source.target:
            self._close(node)
        elif found.values is None and (not iterations or node.bound >= self._guess):
            self._postponed.append(node)
        else:
            return True
        return False

    def _close(self, node: TreeNode) -> None:
        self._closed += node.weight
        self._least_closed = min(self._least_closed, node.bound)
        self.leaves.append(replace(node, relaxed=None, basis=None))

    def _cut(self, node: TreeNode) -> bool:
        """Add cuts at a fractional solution where they are worth it; whether the node is still open."""
        assert node.relaxed is not None
        before = node.relaxed.objective
        left = self.source.target - before
        if not self.source.has_cuts or self._share < WORTHWHILE_SHARE or not self.source.cut(node.relaxed):
            return True
        self._cuts += 1
        is_open = self._solve(node)
        gain = 1.0 if not math.isfinite(left) else min(1.0, (node.bound - before) / left)
        self._share += RECENT_WEIGHT * (gain - self._share)
        return is_open

    def _fractions(self, node: TreeNode) -> Vector:
        """The parts of the integers above whole numbers; 0 where they are whole."""
        assert node.relaxed is not None
        assert node.relaxed.values is not None
        tolerance = INTEGRALITY if self.source.has_cuts else WHOLE
        values = np.clip(node.relaxed.values, node.lower, node.upper)
        parts = values - np.floor(values + tolerance)
        return np.where(parts < tolerance, 0.0, parts)

    def _is_whole(self, node: TreeNode) -> bool:
        return not self._fractions(node).any()

    # Branching.

    def _branch(self, node: TreeNode) -> TreeNode | None:
        """Two children of a node: one comes next, the other one stays open."""
        self._tighten(node)
        fractions = self._fractions(node)
        self._try_nearest(node, fractions)
        candidates = self._candidates(fractions)
        tried = self._strong_branch(node, candidates, fractions)
        if isinstance(tried, list):
            # What is decided by this needs no branch.
            return tried[0] if tried else None
        place = candidates[int(np.argmax(self._scores(candidates, fractions)))]
        following, *others = self._ordered(tried.get(place) or self._children(node, place, fractions[place]))
        self._open += [child for child in others if child is not None]
        heapq.heapify(self._open)
        return following

    def _ordered(self, children: list[TreeNode]) -> Sequence[TreeNode | None]:
        """Those that are open, that with the lesser bound first; None for none. With cuts both, the nearer one first.

        Cuts of the one change the relaxation of the other, which is solved when its turn comes.
        """
        if not self.source.has_cuts:
            left = [each for each in children if each.relaxed is not None or self._solve(each)]
            return [*sorted(left, key=lambda each: each.bound)] or [None]
        return sorted(children, key=lambda each: 0.0 if each.decision is None else each.decision.moved)

    def _try_nearest(self, node: TreeNode, fractions: Vector) -> None:
        """Nearly whole numbers may save what whole ones cost."""
        if np.minimum(fractions, 1.0 - fractions).max() <= INTEGRALITY:
            assert node.relaxed is not None
            assert node.relaxed.values is not None
            self._try(node, np.round(node.relaxed.values))

    def _strong_branch(
        self, node: TreeNode, candidates: Sequence[int], fractions: Vector
    ) -> dict[int, list[TreeNode]] | list[TreeNode]:
        """Both children of a few integers that were never tried; those that are left where one is closed."""
        tried = dict[int, list[TreeNode]]()
        for place in self._unknown(candidates, fractions):
            tried[place] = self._children(node, place, fractions[place])
            left = [child for child in tried[place] if self._solve(child, PROBE)]
            if len(left) < 2:
                return left
        return tried

    def _candidates(self, fractions: Vector) -> list[int]:
        """The fractional integers that may be decided next: of each family the first, or that with most to decide."""
        distances = np.minimum(fractions, 1.0 - fractions)
        least = min(INTEGRALITY, 0.5 * distances.max())
        result = []
        for family in self._families:
            most = family[0] if distances[family[0]] > least else max(family, key=lambda k: distances[k])
            if distances[most] > least:
                result.append(most)
        return result

    def _unknown(self, candidates: Sequence[int], fractions: Vector) -> list[int]:
        """The most promising integers of which a child was never solved."""
        if self.source.has_cuts and self.solved < STRONG_FROM:
            return []
        order = np.argsort(-self._scores(candidates, fractions), kind="stable").tolist()
        places = [candidates[k] for k in order]
        return [place for place in places if self.gains[place, 1] == 0 or self.gains[place, 3] == 0][:CANDIDATES]

    def _children(self, node: TreeNode, place: int, fraction: float) -> list[TreeNode]:
        """The one rounded down, the one rounded up."""
        assert node.relaxed is not None
        assert node.relaxed.values is not None
        result, below = [], round(float(np.clip(node.relaxed.values, node.lower, node.upper)[place]) - fraction)
        for is_up, moved in ((False, fraction), (True, 1.0 - fraction)):
            self._count += 1
            lower, upper = node.lower.copy(), node.upper.copy()
            (lower if is_up else upper)[place] = below + is_up
            decision = BranchDecision(place, is_up, moved, node.bound)
            child = TreeNode(node.bound, self._count, lower, upper, node.weight / 2, decision=decision)
            child.basis = node.basis
            result.append(child)
        return result

    def _tighten(self, node: TreeNode) -> None:
        """Bounds that follow from reduced costs: what would cost more than is left is out of reach."""
        relaxed = node.relaxed
        assert relaxed is not None
        room = self.source.reach - relaxed.objective
        if relaxed.reduced_costs is None or relaxed.values is None or not math.isfinite(room):
            return
        at, reduced, lower, upper = relaxed.values, relaxed.reduced_costs, node.lower, node.upper
        steps = np.floor(room / np.maximum(np.abs(reduced), ROUNDING * room) + INTEGRALITY)
        is_low = (reduced > 0) & (at <= lower + INTEGRALITY)
        is_high = (reduced < 0) & (at >= upper - INTEGRALITY)
        node.upper = np.where(is_low, np.minimum(upper, lower + steps), upper)
        node.lower = np.where(is_high, np.maximum(lower, upper - steps), lower)

    def _scores(self, candidates: Sequence[int], fractions: Vector) -> Vector:
        """The product of what both roundings are expected to add; where nothing is known, by the fraction alone."""
        places = np.array(candidates, dtype=np.intp)
        score = np.ones(len(places))
        for k, part in ((0, fractions[places]), (2, 1.0 - fractions[places])):
            sums, counts = self.gains[:, k], self.gains[:, k + 1]
            known = counts > 0
            mean = float((sums[known] / counts[known]).mean()) if known.any() else 1.0
            gain = np.where(known, sums / np.maximum(counts, 1.0), mean)[places] * part
            score *= np.maximum(gain, LEAST_GAIN)
        return score

    def _learn(self, decision: BranchDecision, objective: float) -> None:
        """Note what a decision added to the bound of its node."""
        place, is_up, moved, bound = decision
        if moved > INTEGRALITY:
            added = min(max(0.0, objective - bound), MOST_GAIN * abs(bound))
            self.gains[place, 2 * is_up : 2 * is_up + 2] += added / self._scale / moved, 1.0
