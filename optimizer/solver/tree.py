"""Branch and bound over bounds of integer variables, with LP relaxations that start from warm bases.

    node     bounds of the integers, its LP relaxation, and the basis of that relaxation
    branch   on the integer with the best pseudo-cost score, the product of both gains; where an integer has no
             pseudo-costs yet, both children of a few candidates are solved (strong branching); if one child is
             closed, the other replaces the node without a branch
    order    plunge into the child with the lesser bound until it is closed, with cuts into the nearer one; then take
             the open node with the least bound
    bounds   reduced-cost tightening: an integer keeps the values whose distance from its bound, times its reduced
             cost, is at most the remaining gap
    cuts     for relaxations with estimates, such as a Benders master: at integral solutions until no cut is
             violated, and at fractional ones while that raises the bound

A relaxation is abandoned as soon as its dual objective proves that the node is closed. Until a solution is known, nodes
are postponed at a guessed cutoff, as far above the root relaxation as solutions lay before. If the guess was too low,
it is raised and the postponed nodes are opened again.

A `Relaxations` object solves the LPs and keeps the incumbent. Solves of similar models have similar trees: with the
pseudo-costs of the last tree, a few dozen LPs of a few dozen iterations prove what a solver that starts from scratch
proves with cuts and strong branching.

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
from optimizer.tolerances import FINE_INTEGRALITY, INTEGRALITY, LEAST_GAIN, ROUNDING

# Strong branching: candidates per node, simplex iterations per child, and, with cuts, relaxations solved before it
# begins.
CANDIDATES, PROBE, STRONG_FROM = 8, 100, 6
# Gains are capped at this share of the parent's bound: an infeasible child has an infinite gain.
MOST_GAIN = 0.01
# The guessed cutoff lies this multiple of the last search's distance above the root relaxation; a guess that proved too
# low is widened by the second factor.
GUESS, GUESS_GROWTH = 1.25, 2.0
# The first guess without a history, as a share of the objective; and the least guess, as a share of the distance to a
# cutoff.
FIRST_GUESS, GUESSED_PART = 0.02, 0.3
# Cuts at fractional nodes must close this share of the remaining gap on average; weight of the latest share in that
# exponentially smoothed average.
WORTHWHILE_SHARE, RECENT_WEIGHT = 0.1, 0.3
# How often a node with an integral solution is solved again with the cuts that the solution violates.
MOST_REPEATS = 100


TreeStatus = Literal["optimal", "stopped", "abandoned"]


class BranchDecision(NamedTuple):
    """The branch that created a node from its parent."""

    place: int  # position of the branching variable among the integers
    is_up: bool  # whether its lower bound was raised; else its upper bound was lowered
    moved: float  # distance from its value in the parent's relaxation to the new bound
    bound: float  # the parent's bound


@dataclass(frozen=True)
class Relaxed:
    """The result of an LP relaxation: objective infinite if infeasible; no values if infeasible or ended early."""

    objective: float
    # Of the integer variables.
    values: Vector | None = None
    reduced_costs: Vector | None = None
    solution: Any = None  # the full solution, in the form that the source of relaxations uses


@dataclass(order=True)
class TreeNode:
    """A node of the tree: bounds of the integers, and `bound`, a lower bound on all solutions within them."""

    bound: float
    number: int  # nodes are numbered in order of creation
    lower: Vector = field(compare=False)
    upper: Vector = field(compare=False)
    # The node's share of a tree in which every inner node has two equal children.
    weight: float = field(default=1.0, compare=False)
    relaxed: Relaxed | None = field(default=None, compare=False)  # its relaxation; None before it is solved
    basis: Any = field(default=None, compare=False)  # of its relaxation, or its parent's
    cuts: int = field(default=0, compare=False)  # rounds of cuts added to the model when its relaxation was solved
    repeats: int = field(default=0, compare=False)  # how often it was solved again with new cuts
    decision: BranchDecision | None = field(default=None, compare=False)  # None at a root


class Relaxations(Protocol):
    """The protocol of a source of LP relaxations, which also keeps the incumbent."""

    has_cuts: bool  # whether the model has estimates bounded by cuts; integral solutions are then evaluated

    @property
    def opening_groups(self) -> Sequence[Sequence[int]]:
        """Positions of integers that are decided together; the first says whether any of the others may be non-zero."""

    @property
    def basis(self) -> Any:
        """The basis of the last LP; None where the source keeps it itself."""

    @property
    def is_over(self) -> bool:
        """Whether no time is left, or the incumbent is good enough to end the search."""

    @property
    def target(self) -> float:
        """The objective at or above which solutions are of no use: nodes whose bound reaches it are closed."""

    @property
    def reach(self) -> float:
        """The objective below which every solution lies in a leaf.

        It is the target, plus the slack that a second objective minimised over the leaves may use.
        """

    def solve(self, lower: Vector, upper: Vector, basis: Any, limit: float, iterations: int = 0) -> Relaxed:
        """Solve the LP relaxation of a node.

        Args:
            lower, upper: bounds of the integers.
            basis: basis to start from; None for that of the last LP.
            limit: the solve may end once its dual objective reaches this; the result then has this objective and no
                values.
            iterations: limit on simplex iterations, enough to compare candidates; 0 for no limit.
        """

    def take(self, relaxed: Relaxed) -> bool:
        """Make an integral solution the incumbent if it is better; return whether new cuts were added."""

    def cut(self, relaxed: Relaxed) -> bool:
        """Add cuts that a fractional solution violates; return whether there were any."""

    def is_too_large(self, solved: int, closed: float) -> bool:
        """Return whether to abandon the tree, given the relaxations solved and the closed share of the tree."""

    def raise_bound(self, bound: float) -> None:
        """Accept `bound` as a lower bound on every solution."""


class TreeSearch:
    """A branch and bound search.

    Args:
        source: solves the LP relaxations and keeps the incumbent.
        roots: nodes with valid bounds from which the search starts.
        gains: pseudo-cost rows of the integers, in their order, as in `PseudoCosts`; updated in place.
        distance: expected distance of solutions from the root relaxation; 0 if unknown.

    Attributes:
        status: ``optimal`` if all nodes are closed, ``stopped`` at a limit, or ``abandoned`` as too large.
        bound: proven lower bound on all solutions.
        root: objective of the root relaxation.
        solved: number of LP relaxations solved.
        leaves: the closed nodes, which together hold every solution within reach.
    """

    def __init__(self, source: Relaxations, roots: Sequence[TreeNode], gains: Vector, distance: float = 0.0) -> None:
        self.source, self.gains = source, gains
        self.status: TreeStatus = "optimal"
        self.bound, self.root, self.solved = -math.inf, -math.inf, 0
        self.leaves: list[TreeNode] = []
        self._distance, self._guess, self._scale = distance, math.inf, 1.0
        self._open, self._postponed = list(roots), list[TreeNode]()
        self._least_closed, self._closed, self._cuts, self._cut_gain, self._created = math.inf, 0.0, 0, 1.0, 0
        alone = set(range(len(gains))).difference(*source.opening_groups)
        self._groups = [*source.opening_groups, *([k] for k in sorted(alone))]

    def run(self) -> None:
        """Search until every node is closed or a limit is reached."""
        node = self._open_root()
        if node is not None:
            self._begin(node)
        while node is not None and self._may_continue():
            node = self._step(node) or self._next_node()
        left = [each.bound for each in (node, *self._open, *self._postponed) if each is not None]
        if left and self.status == "optimal":
            self.status = "stopped"
        self.bound = min([self._least_closed, *left])
        self.source.raise_bound(self.bound)

    def _open_root(self) -> TreeNode | None:
        """Return the first root that its relaxation does not close; None if there is none."""
        node: TreeNode | None = self._open.pop(0)
        heapq.heapify(self._open)
        while node is not None and node.relaxed is None and not self._solve(node):
            node = self._next_node() if self._open and self._may_continue() else None
        return node

    def _begin(self, node: TreeNode) -> None:
        """Guess a cutoff from the root relaxation, then try its solution rounded to the nearest integers and up."""
        assert node.relaxed is not None
        assert node.relaxed.values is not None
        self.root, limit = node.relaxed.objective, self.source.target
        if not self.source.has_cuts:
            way = limit - self.root if limit < math.inf else 0.0
            self._guess = self._guess_at(
                max(GUESS * self._distance or FIRST_GUESS * abs(self.root), GUESSED_PART * way)
            )
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
        """The objective at which nodes are closed, or postponed if only the guessed cutoff is reached."""
        return min(self.source.target, self._guess)

    def _guess_at(self, distance: float) -> float:
        guess = self.root + distance
        return guess if guess > self.root + ROUNDING * abs(self.root) else math.inf

    def _may_continue(self) -> bool:
        if self.source.is_over:
            self.status = "stopped"
        elif self.source.is_too_large(self.solved, self._closed):
            self.status = "abandoned"
        return self.status == "optimal"

    def _next_node(self) -> TreeNode | None:
        """Return the open node with the least bound; None if there is none.

        Once no node is open, widen the guessed cutoff and open the postponed nodes again.
        """
        while self._open or (self._postponed and not self.source.is_over):
            if not self._open:
                self._guess = self._guess_at(GUESS_GROWTH * (self._guess - self.root))
                self._open, self._postponed = sorted(self._postponed), []
            node = heapq.heappop(self._open)
            # A postponed node may have a lower bound than all open ones: the time may have ended during its LP.
            bound = min([self._least_closed, *(each.bound for each in (node, *self._postponed))])
            if bound > self.bound + ROUNDING * abs(bound):
                self.bound = bound
                self.source.raise_bound(bound)
            if node.bound < self.source.target:
                return node
            self._close(node)
        return None

    # Nodes.

    def _step(self, node: TreeNode) -> TreeNode | None:
        """Process a node; return the next node of the plunge, which may be the same one, or None if it is closed."""
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
        """Solve the relaxation of a node; return whether the node stays open, and is neither closed nor postponed."""
        found = self.source.solve(node.lower, node.upper, node.basis, self._limit, iterations)
        self.solved += 1
        if node.decision is not None and node.relaxed is None:
            self._update_pseudo_costs(node.decision, found.objective)
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
        """Add cuts at a fractional solution if cuts have paid off so far; return whether the node is still open."""
        assert node.relaxed is not None
        before = node.relaxed.objective
        left = self.source.target - before
        if not self.source.has_cuts or self._cut_gain < WORTHWHILE_SHARE or not self.source.cut(node.relaxed):
            return True
        self._cuts += 1
        is_open = self._solve(node)
        gain = 1.0 if not math.isfinite(left) else min(1.0, (node.bound - before) / left)
        self._cut_gain += RECENT_WEIGHT * (gain - self._cut_gain)
        return is_open

    def _fractions(self, node: TreeNode) -> Vector:
        """Return the fractional parts of the integers; 0 where they are integral to the tolerance."""
        assert node.relaxed is not None
        assert node.relaxed.values is not None
        tolerance = INTEGRALITY if self.source.has_cuts else FINE_INTEGRALITY
        values = np.clip(node.relaxed.values, node.lower, node.upper)
        parts = values - np.floor(values + tolerance)
        return np.where(parts < tolerance, 0.0, parts)

    def _is_whole(self, node: TreeNode) -> bool:
        return not self._fractions(node).any()

    # Branching.

    def _branch(self, node: TreeNode) -> TreeNode | None:
        """Branch on a node: return the child to plunge into, or None, and leave its sibling open."""
        self._tighten(node)
        fractions = self._fractions(node)
        # A rounded solution may be feasible at little extra cost.
        if np.minimum(fractions, 1.0 - fractions).max() <= INTEGRALITY:
            assert node.relaxed is not None
            assert node.relaxed.values is not None
            self._try(node, np.round(node.relaxed.values))
        candidates = self._candidates(fractions)
        tried = self._strong_branch(node, candidates, fractions)
        if isinstance(tried, list):
            # One child was closed: the other one, if any, replaces the node.
            return tried[0] if tried else None
        place = candidates[int(np.argmax(self._scores(candidates, fractions)))]
        following, *others = self._order_children(tried.get(place) or self._children(node, place, fractions[place]))
        self._open += [child for child in others if child is not None]
        heapq.heapify(self._open)
        return following

    def _order_children(self, children: list[TreeNode]) -> Sequence[TreeNode | None]:
        """Solve both children and return those still open, the least bound first; ``[None]`` if none is.

        With cuts, return both children unsolved, the nearer one first: cuts found in it change the relaxation of the
        other, which is therefore solved when its turn comes.
        """
        if not self.source.has_cuts:
            left = [each for each in children if each.relaxed is not None or self._solve(each)]
            return [*sorted(left, key=lambda each: each.bound)] or [None]
        return sorted(children, key=lambda each: 0.0 if each.decision is None else each.decision.moved)

    def _strong_branch(
        self, node: TreeNode, candidates: Sequence[int], fractions: Vector
    ) -> dict[int, list[TreeNode]] | list[TreeNode]:
        """Solve both children of candidates without pseudo-costs, within a limit on iterations.

        Returns the children by position of the candidate; or, as soon as a candidate has a closed child, the list of
        its children that stay open.
        """
        tried = dict[int, list[TreeNode]]()
        for place in self._without_pseudo_costs(candidates, fractions):
            tried[place] = self._children(node, place, fractions[place])
            left = [child for child in tried[place] if self._solve(child, PROBE)]
            if len(left) < 2:
                return left
        return tried

    def _candidates(self, fractions: Vector) -> list[int]:
        """Return one branching candidate per group: its first integer if fractional, else its most fractional one."""
        distances = np.minimum(fractions, 1.0 - fractions)
        least = min(INTEGRALITY, 0.5 * distances.max())
        result = []
        for group in self._groups:
            most = group[0] if distances[group[0]] > least else max(group, key=lambda k: distances[k])
            if distances[most] > least:
                result.append(most)
        return result

    def _without_pseudo_costs(self, candidates: Sequence[int], fractions: Vector) -> list[int]:
        """Return the candidates with the best scores that lack pseudo-costs in a direction."""
        if self.source.has_cuts and self.solved < STRONG_FROM:
            return []
        order = np.argsort(-self._scores(candidates, fractions), kind="stable").tolist()
        places = [candidates[k] for k in order]
        return [place for place in places if self.gains[place, 1] == 0 or self.gains[place, 3] == 0][:CANDIDATES]

    def _children(self, node: TreeNode, place: int, fraction: float) -> list[TreeNode]:
        """Return the down branch and the up branch on the integer at `place`."""
        assert node.relaxed is not None
        assert node.relaxed.values is not None
        result, below = [], round(float(np.clip(node.relaxed.values, node.lower, node.upper)[place]) - fraction)
        for is_up, moved in ((False, fraction), (True, 1.0 - fraction)):
            self._created += 1
            lower, upper = node.lower.copy(), node.upper.copy()
            (lower if is_up else upper)[place] = below + is_up
            decision = BranchDecision(place, is_up, moved, node.bound)
            weight, basis = node.weight / 2, node.basis
            result.append(TreeNode(node.bound, self._created, lower, upper, weight, basis=basis, decision=decision))
        return result

    def _tighten(self, node: TreeNode) -> None:
        """Tighten the node's bounds by reduced costs: exclude values whose solutions reach the source's `reach`.

        Excluded solutions lie in no leaf, so that the proven bound counts the least cost that they may have.
        """
        relaxed = node.relaxed
        assert relaxed is not None
        room = self.source.reach - relaxed.objective
        if relaxed.reduced_costs is None or relaxed.values is None or not math.isfinite(room):
            return
        at, reduced, lower, upper = relaxed.values, relaxed.reduced_costs, node.lower, node.upper
        steps = np.floor(room / np.maximum(np.abs(reduced), ROUNDING * room) + INTEGRALITY)
        is_low = (reduced > 0) & (at <= lower + INTEGRALITY)
        is_high = (reduced < 0) & (at >= upper - INTEGRALITY)
        is_excluding = (is_low & (lower + steps < upper)) | (is_high & (upper - steps > lower))
        beyond = relaxed.objective + np.abs(reduced) * (steps + 1.0)
        self._least_closed = min(self._least_closed, float(beyond[is_excluding].min(initial=math.inf)))
        node.upper = np.where(is_low, np.minimum(upper, lower + steps), upper)
        node.lower = np.where(is_high, np.maximum(lower, upper - steps), lower)

    def _scores(self, candidates: Sequence[int], fractions: Vector) -> Vector:
        """Return the product of both branches' expected gains; integers without pseudo-costs use the mean ones."""
        places = np.array(candidates, dtype=np.intp)
        score = np.ones(len(places))
        for k, part in ((0, fractions[places]), (2, 1.0 - fractions[places])):
            sums, counts = self.gains[:, k], self.gains[:, k + 1]
            known = counts > 0
            mean = float((sums[known] / counts[known]).mean()) if known.any() else 1.0
            gain = np.where(known, sums / np.maximum(counts, 1.0), mean)[places] * part
            score *= np.maximum(gain, LEAST_GAIN)
        return score

    def _update_pseudo_costs(self, decision: BranchDecision, objective: float) -> None:
        """Update the pseudo-costs by the gain of a branch over its parent's bound."""
        place, is_up, moved, bound = decision
        if moved > INTEGRALITY:
            added = min(max(0.0, objective - bound), MOST_GAIN * abs(bound))
            self.gains[place, 2 * is_up : 2 * is_up + 2] += added / self._scale / moved, 1.0
