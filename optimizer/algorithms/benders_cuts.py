"""What Benders decomposition knows of shocks: groups that share an estimate, cuts of them, evaluations of plans."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np

from optimizer.algorithms.separation import Violation
from optimizer.solver.base import Integers, Vector

EstimateKind = Literal["gap", "cost"]
ESTIMATE_KINDS: tuple[EstimateKind, ...] = ("gap", "cost")
# Groups of shocks that share a θ: more make better cuts, fewer keep the master small.
MOST_GROUPS = 400


@dataclass(frozen=True)
class ShockGroups:
    """Shocks that share an estimate."""

    kind: EstimateKind  # whether gaps or costs are estimated
    group_of: Integers  # by shock, its group; −1 for those that are not estimated
    weights: Vector  # by shock, the factor of its gap or cost in the sum of its group, such as its probability
    lower: Vector  # by shock, a lower bound on its gap or cost, in money
    owners: Integers  # by group, the number of the future whose shocks it holds
    factors: Vector  # by group, the factor of its sum in the gap or expected cost of its future
    # Of costs, by group, the group of gaps that holds its one shock; −1 where its floors are kept.
    gaps: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    @property
    def size(self) -> int:
        """How many groups there are."""
        return int(self.group_of.max(initial=-1)) + 1

    @property
    def outside(self) -> list[int]:
        """The shocks that belong to no group."""
        return np.flatnonzero(self.group_of < 0).tolist()

    def lower_bounds(self) -> Vector:
        """By group, a lower bound on its sum."""
        inside = self.group_of >= 0
        result = np.zeros(self.size)
        np.add.at(result, self.group_of[inside], (self.weights * self.lower)[inside])
        return result


def group_shocks(
    kind: EstimateKind,
    order: Sequence[int],
    alone: Iterable[int],
    weights: Vector,
    lower: Vector,
    owners: Integers,
    *,
    are_alone: bool = False,
) -> ShockGroups:
    """Groups of the shocks that have a weight.

    Args:
        kind: what is estimated.
        order: all shocks, like ones beside each other.
        alone: shocks with a group of their own each; these come first.
        weights, lower: as in `ShockGroups`. owners: by shock, the number of its future.
        are_alone: whether every shock has a group of its own, whose sum is not weighted: its cost counts by itself.
    """
    singles = [n for n in dict.fromkeys([*alone, *(order if are_alone else ())]) if weights[n] > 0]
    apart = frozenset(singles)
    shared = np.array([n for n in order if n not in apart and weights[n] > 0], dtype=np.intp)
    group_of = np.full(len(weights), -1, dtype=np.intp)
    group_of[singles] = np.arange(len(singles))
    group_of[shared] = len(singles) + np.arange(len(shared)) * min(MOST_GROUPS, len(shared)) // max(1, len(shared))
    kept = group_of >= 0
    # No group holds shocks of two futures.
    found, places = np.unique(np.stack([group_of, owners], axis=1)[kept], axis=0, return_inverse=True)
    group_of[kept] = places.reshape(-1)
    factors = np.ones(len(found))
    if are_alone:
        factors[group_of[singles]], weights = weights[singles], np.where(weights > 0, 1.0, 0.0)
    return ShockGroups(kind, group_of, weights, lower, found[:, 1], factors)


@dataclass(frozen=True)
class BendersCut:
    """What the groups are worth at one plan, and how that changes with the plan and with the gaps allowed."""

    plan: Vector  # value of each first-stage column
    value: Vector  # by group, in money
    subgradient: Vector  # by group and first-stage column, in money per unit of the column
    new: Integers  # the groups that get a row in the master
    # By group, the gap in money that its one shock may leave; 0 or nan, with `by_gap` 0, where it has no such limit.
    gap_limit: Vector
    by_gap: Vector  # by group, the derivative of its value in that gap


CutPool = dict[EstimateKind, list[BendersCut]]


def pack_cuts(pool: Mapping[EstimateKind, Iterable[BendersCut]]) -> dict[str, Vector]:
    """All cuts as arrays by name."""
    return {
        f"cut {kind} {i} {part.name}": getattr(cut, part.name)
        for kind, cuts in pool.items()
        for i, cut in enumerate(cuts)
        for part in fields(BendersCut)
    }


def unpack_cuts(arrays: Mapping[str, Vector]) -> CutPool:
    """The cuts that `pack_cuts` made arrays of."""
    result: CutPool = {kind: [] for kind in ESTIMATE_KINDS}
    for kind, cuts in result.items():
        while f"cut {kind} {len(cuts)} plan" in arrays:
            parts: list[Any] = [arrays[f"cut {kind} {len(cuts)} {part.name}"] for part in fields(BendersCut)]
            cuts.append(BendersCut(*parts))
    return result


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a plan by the subproblems."""

    # Of the objective, with the recourse function in place of its outer approximation θ; at least so much where `rest`
    # is given.
    value: float
    # The measure of the costs, and the expected cost, where costs count; with the price of gaps.
    measure: float = math.nan
    expected: float = math.nan
    measure_without_gaps: float = math.nan
    gap: float = 0.0  # the total gap, where it counts
    is_feasible: bool = True  # whether the plan may become the incumbent
    violated: Sequence[Violation] = ()  # shocks that are not survived
    new_cuts: int = 0  # how many cuts the master violated
    # Shocks to add to the master, with their weights; the violated ones, unless given.
    to_hold: Sequence[Violation] | None = None
    # Where gaps and costs count, by shock the gap that it leaves at its cost; nan where its cost does not depend on it.
    gap_left: Vector | None = None
    # Evaluates the shocks that were left out as well; None where all were solved.
    rest: Callable[[], "Evaluation"] | None = None

    def completed(self) -> "Evaluation":
        """The same with every shock solved."""
        return self if self.rest is None else self.rest()

    @property
    def upper_bound(self) -> float:
        """The value, which bounds the least one from above once every shock is solved."""
        return self.value if self.rest is None else math.inf

    @property
    def is_infeasible_by_rounding(self) -> bool:
        """Whether the plan is infeasible and no cut shows it: the violation is within the solver's tolerance."""
        return not self.is_feasible and not self.new_cuts
