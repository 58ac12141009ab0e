"""Branch and cut: one tree of bounds of integers over one linear programme, warm from node to node.

A relaxation opens most options wholly or not at all. Rounded, and solved again, it is often feasible. Then nodes decide
on what is fractional: on an option that is **never** opened, or **some** time, before the time itself. A node is the
linear programme of its parent with other bounds: the dual simplex method goes on from the basis before it, whatever
node that was of. It is closed where its relaxation is not noticeably cheaper than the best plan.

    order      plunge into the nearer child, else the open node with the least bound
    branching  by pseudo-costs; where these are unknown and the tree is not tiny, both children of a few candidates are
               solved (strong branching)
    bounds     by reduced costs: an integer that would cost more than is left stays where it is
    cuts       where the programme estimates something (`Separation`): at whole solutions until nothing is violated, and
               at fractional ones for as long as that raises bounds

A general solver does the same, after preparations that take longer than a few nodes; where the share of the tree that
is closed promises a large one, the search is left to it.

Sources: Achterberg, Koch, Martin: Branching rules revisited, Operations Research Letters 33(1), 2005 (pseudo-costs,
strong branching); Fischetti, Ljubić, Sinnl: Redesigning Benders decomposition for large-scale facility location,
Management Science 63(7), 2017 (cuts in the tree); Hendel, Anderson, Le Bodic, Pfetsch: Estimating the size of
branch-and-bound trees, INFORMS Journal on Computing 34(2), 2022 (the weight of leaves).
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.solver import SolveResult, Vector
from optimizer.tolerances import INTEGRALITY, ROUNDING

# So many nodes are solved before the size of the tree is estimated, and so large may the estimate be: without cuts,
# where a general solver has good ones of its own, and with them.
NODES, NODES_WITH_CUTS = (12, 30), (60, 2000)
# From this node on, both children of so many candidates are solved whose pseudo-costs are unknown.
STRONG_FROM, STRONG_CANDIDATES = 6, 4
# Cuts at fractional nodes have to close this share of what is left, on average; each weighs so much in that average.
WORTHWHILE_SHARE, RECENT_WEIGHT = 0.1, 0.3
# So often a node with a whole solution is solved again, with the cuts that it violates.
MOST_REPEATS = 100


class Separation(Protocol):
    """What a programme estimates, evaluated."""

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


@dataclass(order=True)
class BranchNode:
    """Bounds of the integers, in their order.

    Attributes:
        bound: of its cost. number: the order in which nodes came.
        weight: the share of the tree below it, if all its nodes had two children.
        relaxation: where it is known. cuts: how many rounds of cuts that has.
        repeats: how often it was solved again.
        decision: the integer whose bounds differ from its parent's, whether it went up, and by how much; None at the
            root.
    """

    bound: float
    number: int
    lower: Vector = field(compare=False)
    upper: Vector = field(compare=False)
    weight: float = field(default=1.0, compare=False)
    relaxation: SolveResult | None = field(default=None, compare=False)
    cuts: int = field(default=0, compare=False)
    repeats: int = field(default=0, compare=False)
    decision: tuple[int, bool, float] | None = field(default=None, compare=False)


class _PseudoCosts:
    """By integer, what its rounding down and up added to the objective, per unit of its fraction, on average."""

    def __init__(self, size: int) -> None:
        self._sums, self._counts = np.zeros((2, size)), np.zeros((2, size))

    def note(self, decision: tuple[int, bool, float], added: float) -> None:
        """One more rounding: of which integer, whether up, by how much; and what it added."""
        place, is_up, distance = decision
        self._sums[int(is_up), place] += max(0.0, added) / distance
        self._counts[int(is_up), place] += 1

    def are_known(self, place: int) -> bool:
        """Whether both directions were tried."""
        return bool((self._counts[:, place] > 0).all())

    def scores(self, places: Sequence[int], fractions: Vector) -> Vector:
        """The product of what both roundings are expected to add; where nothing is known, by the fraction alone."""
        totals = self._counts.sum(axis=1, keepdims=True)
        means = self._sums.sum(axis=1, keepdims=True) / np.maximum(totals, 1.0)
        average = np.where(means > 0, means, 1.0)
        known = np.where(self._counts > 0, self._sums / np.maximum(self._counts, 1.0), average)[:, list(places)]
        added = np.maximum(known * np.stack([fractions, 1.0 - fractions]), ROUNDING * average)
        return np.asarray(added[0] * added[1])


class Branching:
    """The plan that a relaxation leads to.

    Args:
        model: the model; its integers are free before and after. The plan that it starts from, if any, counts too.
        relaxation: its LP relaxation.
        phase: what the steps are called in the history; None to report none.
        cutoff: plans that cost this or more are of no use.
        separation: what the model estimates; it keeps the best plan then, and says what is of use.
        leaves: of a tree for another objective, outside of which there are no plans; none begins at the root.

    Attributes:
        incumbent: the cheapest plan with whole numbers so far; None before there is one, or with a `separation`.
        bound: lower bound on the cost of all plans.
        is_closed: whether every node is. is_proven: whether none is left that would be noticeably better.
        solved: how many nodes were. leaves: the closed ones. All plans that cost no more than the best are in them.
    """

    def __init__(
        self,
        model: ScenarioModel,
        relaxation: SolveResult,
        phase: str | None = None,
        cutoff: float = math.inf,
        separation: Separation | None = None,
        leaves: Sequence[BranchNode] = (),
    ) -> None:
        self.model, self.phase, self.separation = model, phase, separation
        self._limit: Callable[[], float] = (lambda: cutoff) if separation is None else separation.cutoff
        self.incumbent: SolveResult | None = None
        assert relaxation.values is not None
        self.bound, self.is_closed, self.is_proven, self.solved = relaxation.objective, False, False, 0
        self._closed, self._least_closed, self._cuts, self._share = 0.0, math.inf, 0, 1.0
        self._few, self._most = NODES if separation is None else NODES_WITH_CUTS
        self.leaves: list[BranchNode] = []
        self.places = model.model.integers.copy()
        self._families = self._by_option()
        self._costs = _PseudoCosts(len(self.places))
        model.release_integers()
        bounds = model.model.lower[self.places], model.model.upper[self.places]
        self._nodes = 0
        self._report(relaxation.objective)
        if separation is None:
            self._accept(model.solve_from_start())
        if not leaves:
            self._accept(model.solve_rounded(relaxation.values))
        self._report(relaxation.objective)
        if math.isfinite(self._target) or separation is not None:
            if model.known_bound >= self._target:
                self.bound, self.is_proven = model.known_bound, True
                self._report(self.bound)
            else:
                bound, weight = relaxation.objective, 1.0 / max(1, len(leaves))
                root = BranchNode(bound, 0, *bounds, relaxation=relaxation)
                kept = [BranchNode(bound, -k, each.lower, each.upper, weight) for k, each in enumerate(leaves)]
                self._search(kept or [root])
        model.release_integers()

    def _by_option(self) -> list[list[int]]:
        """Places of integers that are decided together: of an option by period, the last first; others alone."""
        at = {int(j): k for k, j in enumerate(self.places)}
        families = [[at[j] for j in reversed(columns)] for columns in _openings(self.model)]
        together = {k for family in families for k in family}
        return families + [[k] for k in range(len(self.places)) if k not in together]

    def _report(self, bound: float) -> None:
        if self.separation is not None:
            self.separation.raise_bound(bound)
        best = math.inf if self.incumbent is None else self.incumbent.objective
        if self.phase is not None and self.separation is None:
            self.model.report(self.phase, best, min(best, bound))

    @property
    def result(self) -> SolveResult | None:
        """The incumbent as a solver of integer programmes would return it; None where it is not proven."""
        if not self.is_proven:
            return None
        if self.incumbent is None or self.incumbent.objective >= self._limit():
            return SolveResult("infeasible", None, math.inf, self._limit(), None)
        return replace(self.incumbent, status="optimal", bound=min(self.bound, self.incumbent.objective))

    @property
    def integers(self) -> Vector:
        """Those of the incumbent."""
        assert self.incumbent is not None
        assert self.incumbent.values is not None
        return self.incumbent.values[self.model.model.integers]

    @property
    def _target(self) -> float:
        """Plans that cost this or more are of no use, or not noticeably better than the incumbent."""
        if self.incumbent is None:
            return self._limit()
        best = self.incumbent.objective
        return min(self._limit(), best - max(self.model.noticeable(best), ROUNDING * abs(best)))

    @property
    def _best(self) -> float:
        """What the best plan known costs, or the cutoff."""
        if self.separation is not None:
            return self.separation.best()
        return self._limit() if self.incumbent is None else min(self._limit(), self.incumbent.objective)

    # The tree.

    def _search(self, open_nodes: list[BranchNode]) -> None:
        """Solve nodes until all are closed, or they promise to be too many."""
        node: BranchNode | None = open_nodes.pop()
        heapq.heapify(open_nodes)
        while node is not None and not self._is_too_large() and not self.model.clock.is_over:
            node = self._step(node, open_nodes) or (heapq.heappop(open_nodes) if open_nodes else None)
            first = [each.bound for each in (*open_nodes[:1], node) if each is not None]
            bound = min([self._least_closed, *first])
            if bound > self.bound + ROUNDING * abs(bound):
                self.bound = bound
                self._report(bound)
        self.is_closed = node is None
        self.is_proven = self.is_closed and self._least_closed >= self._target

    def _is_too_large(self) -> bool:
        """Whether the tree is, by the share of it that is closed."""
        return self.solved >= self._few and self.solved > self._most * self._closed

    def _step(self, node: BranchNode, open_nodes: list[BranchNode]) -> BranchNode | None:
        """Solve a node; the next one to plunge into, which may be this one again, or None where it is closed."""
        relaxation = self._relaxed(node)
        if relaxation.status == "stopped":
            # The clock is over, and the node stays open.
            return node
        node.bound = max(node.bound, relaxation.objective)
        if relaxation.values is not None and node.bound < self._target:
            if candidates := self._candidates(relaxation.values):
                return self._branch(node, relaxation, candidates, open_nodes)
            node.repeats += 1
            whole = relaxation if self.separation else self.model.solve_rounded(relaxation.values)
            if self._accept(whole) and node.repeats < MOST_REPEATS:
                return node
        self._close(node)
        return None

    def _close(self, node: BranchNode) -> None:
        self._closed += node.weight
        self._least_closed = min(self._least_closed, node.bound)
        self.leaves.append(replace(node, relaxation=None))

    def _relaxed(self, node: BranchNode) -> SolveResult:
        """The relaxation of a node, with cuts where they are worth it."""
        result = node.relaxation
        if result is None or node.cuts < self._cuts:
            result = self._solve(node)
        if self.separation is None or not self._is_fractional(result) or self._share < WORTHWHILE_SHARE:
            return result
        left = self._target - result.objective
        if left > 0 and self.separation.cut(result):
            self._cuts += 1
            before, result = result.objective, self._solve(node)
            gain = 1.0 if not math.isfinite(left) else min(1.0, (result.objective - before) / left)
            self._share += RECENT_WEIGHT * (gain - self._share)
        return result

    def _is_fractional(self, result: SolveResult) -> bool:
        return result.values is not None and bool(self._candidates(result.values))

    def _solve(self, node: BranchNode) -> SolveResult:
        self.model.release_integers()
        self.model.model.bound(self.places, node.lower, node.upper)
        result = self.model.solve_relaxed()
        self.solved += 1
        if node.relaxation is None and node.decision is not None and result.status != "stopped":
            # What has no solution closes the node, as what reaches the target does.
            added = min(result.objective, self._target) - node.bound
            self._costs.note(node.decision, added if math.isfinite(added) else 0.0)
        node.relaxation, node.cuts = result, self._cuts
        return result

    def _accept(self, result: SolveResult | None) -> bool:
        """Keep a plan with whole numbers that is cheaper than the incumbent; whether there are new cuts."""
        if result is None:
            return False
        if self.separation is not None:
            has_cuts = self.separation.evaluate(result)
            self._cuts += has_cuts
            return has_cuts
        if self.incumbent is None or result.objective < self.incumbent.objective:
            self.incumbent = result
        return False

    # Branching.

    def _candidates(self, values: Vector) -> list[int]:
        """The fractional integers that may be decided next: of each option the last, or the one with most to decide."""
        at = values[self.places]
        distance = np.abs(at - np.round(at))
        result = []
        for family in self._families:
            most = family[0] if distance[family[0]] > INTEGRALITY else max(family, key=lambda k: distance[k])
            if distance[most] > INTEGRALITY:
                result.append(most)
        return result

    def _branch(
        self, node: BranchNode, relaxation: SolveResult, candidates: list[int], open_nodes: list[BranchNode]
    ) -> BranchNode | None:
        """Two children of a node: the nearer one is solved next, the other one stays open."""
        assert relaxation.values is not None
        self._tighten(node, relaxation)
        at = relaxation.values[self.places]
        fractions = (at - np.floor(at))[candidates]
        order = np.argsort(-np.minimum(fractions, 1.0 - fractions), kind="stable")
        solved = self._solve_children(node, at, [candidates[k] for k in order])
        if isinstance(solved, list):
            # What is decided by this needs no branch.
            return solved[0] if solved else None
        place = candidates[order[int(np.argmax(self._costs.scores(candidates, fractions)[order]))]]
        children = solved.get(place) or self._children(node, place, at[place])
        far, near = children if at[place] - math.floor(at[place]) > 0.5 else reversed(children)
        heapq.heappush(open_nodes, far)
        return near

    def _solve_children(
        self, node: BranchNode, at: Vector, places: Sequence[int]
    ) -> dict[int, list[BranchNode]] | list[BranchNode]:
        """Both children of a few integers whose pseudo-costs are unknown; those that are left where one is hopeless."""
        solved = dict[int, list[BranchNode]]()
        if self.solved < STRONG_FROM:
            return solved
        unknown = [place for place in places if not self._costs.are_known(place)]
        for place in unknown[:STRONG_CANDIDATES]:
            solved[place] = self._children(node, place, at[place])
            left = [child for child in solved[place] if not self._is_hopeless(child)]
            if len(left) < 2:
                return left
        return solved

    def _children(self, node: BranchNode, place: int, value: float) -> list[BranchNode]:
        """The one rounded down, the one rounded up."""
        result, below = [], math.floor(value)
        for is_up, distance in ((False, value - below), (True, below + 1 - value)):
            self._nodes += 1
            lower, upper = node.lower.copy(), node.upper.copy()
            (lower if is_up else upper)[place] = below + is_up
            decision = (place, is_up, distance)
            result.append(BranchNode(node.bound, self._nodes, lower, upper, node.weight / 2, decision=decision))
        return result

    def _is_hopeless(self, child: BranchNode) -> bool:
        """Whether a child is closed as soon as it is solved."""
        result = self._solve(child)
        if result.status == "stopped":
            return False
        child.bound = max(child.bound, result.objective)
        if result.objective >= self._target:
            self._close(child)
            return True
        return False

    def _tighten(self, node: BranchNode, relaxation: SolveResult) -> None:
        """Bounds that follow from reduced costs: what would cost more than the best plan is out of reach."""
        room = self._best - relaxation.objective
        if relaxation.reduced_costs is None or relaxation.values is None or not math.isfinite(room):
            return
        at, reduced = relaxation.values[self.places], relaxation.reduced_costs[self.places]
        steps = np.floor(room / np.maximum(np.abs(reduced), ROUNDING * room) + INTEGRALITY)
        is_low = (reduced > 0) & (at <= node.lower + INTEGRALITY)
        is_high = (reduced < 0) & (at >= node.upper - INTEGRALITY)
        lower, upper = node.lower, node.upper
        node.upper = np.where(is_low, np.minimum(upper, lower + steps), upper)
        node.lower = np.where(is_high, np.maximum(lower, upper - steps), lower)


def _openings(model: ScenarioModel) -> list[tuple[int, ...]]:
    """By option, the columns that say by when it is opened, in the order of periods."""
    found = set[tuple[int, ...]]()
    for member in model.builder.members:
        for (path, _, what), columns in member.column_index().items():
            if what == "by" and not path:
                found.add(tuple(columns.values()))
    return sorted(found)
