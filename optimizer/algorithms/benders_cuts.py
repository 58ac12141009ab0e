"""Data of Benders decomposition: groups of shocks that share an estimate, their cuts, and evaluations of plans."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np

from optimizer.algorithms.separation import Violation
from optimizer.solver.base import Integers, Vector

EstimateKind = Literal["gap", "cost"]
ESTIMATE_KINDS: tuple[EstimateKind, ...] = ("gap", "cost")
# Number of groups of shocks that share a θ (up to one more for each further future): more groups give tighter cuts,
# fewer keep the master small.
MOST_GROUPS = 400


@dataclass(frozen=True)
class ShockGroups:
    """A partition of shocks into groups, each with one estimate θ of its weighted sum of gaps or costs."""

    kind: EstimateKind  # whether gaps or costs are estimated
    group_of: Integers  # by shock, its group; −1 for shocks that are not estimated
    weights: Vector  # by shock, the factor of its gap or cost in the sum of its group, such as its probability
    lower: Vector  # by shock, a lower bound on its gap or cost, in money
    owners: Integers  # by group, the index of the future that all its shocks belong to
    factors: Vector  # by group, the factor of its sum in the gap or expected cost of its future
    # In groups of costs: by group, the group of gaps with the same single shock; −1 where its floors are kept.
    gap_groups: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    @property
    def size(self) -> int:
        """Number of groups."""
        return int(self.group_of.max(initial=-1)) + 1

    def lower_bounds(self) -> Vector:
        """Return for each group a lower bound on its weighted sum."""
        inside = self.group_of >= 0
        result = np.zeros(self.size)
        np.add.at(result, self.group_of[inside], (self.weights * self.lower)[inside])
        return result


def group_shocks(
    kind: EstimateKind,
    order: Sequence[int],
    singles: Iterable[int],
    weights: Vector,
    lower: Vector,
    owners: Integers,
    *,
    are_all_single: bool,
) -> ShockGroups:
    """Partition the shocks with a positive weight into groups.

    Args:
        kind: whether gaps or costs are estimated.
        order: indices of all shocks, similar ones next to each other.
        singles: indices of shocks that each get a group of their own; these groups come first.
        weights: as in `ShockGroups`.
        lower: as in `ShockGroups`.
        owners: by shock, the index of its future.
        are_all_single: whether every shock gets a group of its own. Its weight then becomes the factor of its group, so
            that θ estimates its unweighted cost.
    """
    singles = [n for n in dict.fromkeys([*singles, *(order if are_all_single else ())]) if weights[n] > 0]
    apart = frozenset(singles)
    shared = np.array([n for n in order if n not in apart and weights[n] > 0], dtype=np.intp)
    group_of = np.full(len(weights), -1, dtype=np.intp)
    group_of[singles] = np.arange(len(singles))
    group_of[shared] = len(singles) + np.arange(len(shared)) * min(MOST_GROUPS, len(shared)) // max(1, len(shared))
    kept = group_of >= 0
    # Split groups that hold shocks of several futures.
    found, places = np.unique(np.stack([group_of, owners], axis=1)[kept], axis=0, return_inverse=True)
    group_of[kept] = places.reshape(-1)
    factors = np.ones(len(found))
    if are_all_single:
        factors[group_of[singles]], weights = weights[singles], np.where(weights > 0, 1.0, 0.0)
    return ShockGroups(kind, group_of, weights, lower, found[:, 1], factors)


@dataclass(frozen=True)
class BendersCut:
    """Optimality cuts at one plan: for some groups, the value and its derivatives in the plan and the allowed gap."""

    plan: Vector  # value of each first-stage column
    value: Vector  # by group, in money
    subgradient: Vector  # by group and first-stage column, in money per unit of the column
    new: Integers  # the groups that get a row in the master
    # By group, the gap in money allowed to its single shock; 0 or nan, with `by_gap` 0, where there is no such limit.
    gap_limit: Vector
    by_gap: Vector  # by group, the derivative of its value in the allowed gap


CutPool = dict[EstimateKind, list[BendersCut]]


def pack_cuts(pool: Mapping[EstimateKind, Iterable[BendersCut]]) -> dict[str, Vector]:
    """Return all cuts as arrays, by names that `unpack_cuts` reads."""
    return {
        f"cut {kind} {i} {part.name}": getattr(cut, part.name)
        for kind, cuts in pool.items()
        for i, cut in enumerate(cuts)
        for part in fields(BendersCut)
    }


def unpack_cuts(arrays: Mapping[str, Vector]) -> CutPool:
    """Return the cuts in arrays that `pack_cuts` made."""
    result: CutPool = {kind: [] for kind in ESTIMATE_KINDS}
    for kind, cuts in result.items():
        while f"cut {kind} {len(cuts)} plan" in arrays:
            parts: list[Any] = [arrays[f"cut {kind} {len(cuts)} {part.name}"] for part in fields(BendersCut)]
            cuts.append(BendersCut(*parts))
    return result


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a plan by the recourse subproblems."""

    # The objective with the recourse function in place of its outer approximation θ; a lower bound on it where `rest`
    # is given.
    value: float
    # Where costs count, with gaps at their price: the risk measure of the costs, and the expected cost.
    measure: float = math.nan
    expected: float = math.nan
    measure_without_gaps: float = math.nan
    gap: float = 0.0  # the total gap; 0 where gaps do not count
    is_feasible: bool = True  # whether the plan may become the incumbent
    violated: Sequence[Violation] = ()  # shocks that the plan does not survive
    new_cuts: int = 0  # number of cuts added, which the master's proposal violated
    # Shocks to add to the master, each with the part of its gap that the master underestimates; None for `violated`.
    to_hold: Sequence[Violation] | None = None
    # Where gaps and costs count: by shock, the gap that it leaves at its cost; nan where the gap does not affect the
    # cost.
    gap_left: Vector | None = None
    # Evaluates the plan with the shocks left out so far; None if every shock was solved.
    rest: Callable[[], "Evaluation"] | None = None

    def completed(self) -> "Evaluation":
        """Return the evaluation with every shock solved."""
        return self if self.rest is None else self.rest()

    @property
    def upper_bound(self) -> float:
        """The value if every shock was solved, else infinite.

        Of a feasible plan it is an upper bound on the optimum; of a fractional one on that of the LP relaxation.
        """
        return self.value if self.rest is None else math.inf

    @property
    def is_infeasible_without_cuts(self) -> bool:
        """Whether the plan is infeasible but adds no cut; the solver's tolerance is taken for the reason."""
        return not self.is_feasible and not self.new_cuts
