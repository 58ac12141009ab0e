"""Scenario discovery: boxes, defined by few conditions, that separate the cases in a sample from the other points.

box          bounds on a few columns of the sample, all others free
coverage     share of the cases (here: failures) that lie in the boxes
density      share of the points in the boxes that are cases
correlation  phi coefficient of lying in a box and being a case: 1 if the boxes hold all cases and nothing else, 0 if
             they carry no information

Candidates are the leaves of a classification tree (CART). A bound is dropped if the density of the box without it
explains as many cases by chance (one-sided binomial test); the other bounds are rounded to about a hundredth of their
column's range, those of years and months to whole ones. The selected candidates are those whose joint correlation is
largest. Cross-validation sets the depth of the tree and the number of boxes: the fewest bounds whose loss against the
best shape, fold by fold, is at most one standard error.

Boxes are always scored on points that they were not found with (`score`).

Sources: Bryant, Lempert: Thinking inside the box, Technological Forecasting & Social Change 77, 2010 (coverage,
density, the test of bounds); Lempert, Bryant, Bankes: Comparing algorithms for scenario discovery, RAND WR-557, 2008
(CART beside PRIM); Breiman, Friedman, Olshen, Stone: Classification and regression trees, 1984 (the rule of one
standard error); Clopper, Pearson: The use of confidence or fiducial limits, Biometrika 26, 1934.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.errors import require_extra
from optimizer.results.plan import Array
from optimizer.tolerances import ROUNDING
from optimizer.units import rounded

Flags = npt.NDArray[np.bool_]

MOST_BOXES, MOST_CONDITIONS = 3, 3
# Smallest sample for which a search is meaningful.
SMALLEST_SAMPLE = 60
# Smallest number of cases, and of other points, for which boxes are searched.
FEWEST_CASES = 10
# A bound stays if the box without it would hold as many cases with at most this probability.
SIGNIFICANCE = 0.05
# Smallest number of points in a leaf, and as a share of all points.
LEAF_POINTS, LEAF_SHARE = 5, 0.01
# No boxes are returned if the best mean correlation over the folds is at most this number of standard errors.
FOLDS, STANDARD_ERRORS = 5, 2.0
CONFIDENCE = 0.95
# A bound is rounded to a step of at most this share of its column's range.
STEP_SHARE = 0.01


@dataclass(frozen=True)
class Bounds:
    """Bounds on one column: above `low`, and at most `high`; an infinite end is no bound."""

    column: int
    low: float = -math.inf
    high: float = math.inf

    def holds(self, points: Array) -> Flags:
        """Return for each point (a row) whether it is within the bounds."""
        values = points[:, self.column]
        return np.asarray((values > self.low) & (values <= self.high))


@dataclass(frozen=True)
class Box:
    """The points within all bounds, at most one `Bounds` for each column."""

    bounds: tuple[Bounds, ...]

    def holds(self, points: Array) -> Flags:
        """Return for each point (a row) whether it lies in the box."""
        inside = np.ones(len(points), dtype=bool)
        for each in self.bounds:
            inside &= each.holds(points)
        return inside

    def relaxed(self) -> Iterator["Box"]:
        """Yield the box without one of its finite ends, for each such end."""
        for i, each in enumerate(self.bounds):
            for wider in (replace(each, low=-math.inf), replace(each, high=math.inf)):
                if wider != each:
                    kept = () if wider == Bounds(each.column) else (wider,)
                    yield Box((*self.bounds[:i], *kept, *self.bounds[i + 1 :]))


@dataclass(frozen=True)
class BoxScore:
    """Counts of points and cases, in total and inside the boxes, on points that the boxes were not found with."""

    points: int  # all points
    cases: int  # all cases
    inside: int  # points in the boxes
    hits: int  # cases in the boxes

    @property
    def coverage(self) -> float | None:
        """Share of the cases that lie in the boxes; None without any case."""
        return self.hits / self.cases if self.cases else None

    @property
    def density(self) -> float | None:
        """Share of the points in the boxes that are cases; None without any point in them."""
        return self.hits / self.inside if self.inside else None

    @property
    def coverage_interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the coverage."""
        return clopper_pearson(self.hits, self.cases)

    @property
    def density_interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the density."""
        return clopper_pearson(self.hits, self.inside)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, shares and intervals for JSON."""
        return {
            "inside": self.inside,
            "failed_inside": self.hits,
            "coverage": self.coverage,
            "coverage_interval": self.coverage_interval,
            "density": self.density,
            "density_interval": self.density_interval,
        }


def clopper_pearson(hits: int, count: int) -> tuple[float, float]:
    """Return the exact 95 % confidence interval of the share `hits` / `count`; 0 to 1 if `count` is 0."""
    if not count:
        return 0.0, 1.0
    from scipy.stats import binomtest

    low, high = binomtest(hits, count).proportion_ci(CONFIDENCE, method="exact")
    return float(low), float(high)


def score(boxes: Sequence[Box], points: Array, cases: Flags) -> BoxScore:
    """Score the union of the boxes on points."""
    inside = _in_any_box(boxes, points)
    return BoxScore(len(cases), int(cases.sum()), int(inside.sum()), int((inside & cases).sum()))


def correlation(inside: Flags, cases: Flags) -> float:
    """Return the phi coefficient of two properties of points; 0 if one of them does not vary."""
    p, q = float(inside.mean()), float(cases.mean())
    spread = math.sqrt(p * (1 - p) * q * (1 - q))
    return (float((inside & cases).mean()) - p * q) / spread if spread > 0 else 0.0


def find_boxes(points: Array, cases: Flags, steps: Sequence[float], seed: int) -> tuple[Box, ...]:
    """Find the simplest boxes that separate cases from other points about as well as the best boxes.

    Args:
        points: array (points, columns).
        cases: for each point, whether it is a case.
        steps: for each column, the step of which its bounds are multiples; 0 for any number.
        seed: seed of the folds and of ties.

    Returns:
        Up to three boxes, each with bounds on up to three columns, the best box first. Empty if there are too few cases
        or other points, or if no box predicts the cases in folds that it was not found with.
    """
    if min(int(cases.sum()), int((~cases).sum())) < FEWEST_CASES or not points.shape[1]:
        return ()
    require_extra("sensitivity", "The search for boxes")
    from sklearn.model_selection import StratifiedKFold

    shapes = sorted(
        product(range(1, MOST_BOXES + 1), range(1, MOST_CONDITIONS + 1)), key=lambda shape: (math.prod(shape), shape)
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    found = np.zeros((len(shapes), FOLDS))
    for j, (own, other) in enumerate(folds.split(points, cases)):
        boxes = {shape: _boxes_of_shape(points[own], cases[own], steps, shape, seed) for shape in shapes}
        found[:, j] = [correlation(_in_any_box(boxes[shape], points[other]), cases[other]) for shape in shapes]
    best = int(found.mean(axis=1).argmax())
    if found[best].mean() <= STANDARD_ERRORS * _standard_error(found[best]):
        return ()
    losses = zip(shapes, found[best] - found, strict=True)
    chosen = next(shape for shape, loss in losses if loss.mean() <= _standard_error(loss) + ROUNDING)
    return _boxes_of_shape(points, cases, steps, chosen, seed)


def _standard_error(by_fold: Array) -> float:
    return float(by_fold.std(ddof=1)) / math.sqrt(len(by_fold))


def _in_any_box(boxes: Sequence[Box], points: Array) -> Flags:
    inside = np.zeros(len(points), dtype=bool)
    for box in boxes:
        inside |= box.holds(points)
    return inside


def _boxes_of_shape(
    points: Array, cases: Flags, steps: Sequence[float], shape: tuple[int, int], seed: int
) -> tuple[Box, ...]:
    """Find the best boxes of a shape: up to `shape[0]` boxes with bounds on up to `shape[1]` columns."""
    most, depth = shape
    leaves = (leaf for leaf in _leaves(points, cases, depth, seed) if cases[leaf.holds(points)].mean() > cases.mean())
    simpler = (_round_bounds(_simplify(leaf, points, cases), steps, points) for leaf in leaves)
    candidates = list(dict.fromkeys(box for box in simpler if box.bounds))
    inside = [box.holds(points) for box in candidates]
    best, chosen = 0.0, tuple[int, ...]()
    for some in (some for count in range(1, most + 1) for some in combinations(range(len(candidates)), count)):
        value = correlation(np.logical_or.reduce([inside[k] for k in some]), cases)
        if value > best + ROUNDING:
            best, chosen = value, some
    return tuple(candidates[k] for k in sorted(chosen, key=lambda k: -correlation(inside[k], cases)))


def _leaves(points: Array, cases: Flags, depth: int, seed: int) -> Iterator[Box]:
    """Return the leaves of a classification tree as boxes."""
    from sklearn.tree import DecisionTreeClassifier

    fewest = max(LEAF_POINTS, round(LEAF_SHARE * len(points)))
    tree = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=fewest, random_state=seed).fit(points, cases).tree_

    def leaves_below(node: int, within: Mapping[int, tuple[float, float]]) -> Iterator[Box]:
        column, split = int(tree.feature[node]), float(tree.threshold[node])
        if column < 0:
            yield Box(tuple(Bounds(j, *ends) for j, ends in sorted(within.items())))
            return
        low, high = within.get(column, (-math.inf, math.inf))
        yield from leaves_below(int(tree.children_left[node]), {**within, column: (low, split)})
        yield from leaves_below(int(tree.children_right[node]), {**within, column: (split, high)})

    return leaves_below(0, {})


def _simplify(box: Box, points: Array, cases: Flags) -> Box:
    """Drop the bounds of a box that are not significant, the least significant first."""
    from scipy.stats import binom

    while box.bounds:
        inside = box.holds(points)
        count, hits = int(inside.sum()), int(cases[inside].sum())
        wider = list(box.relaxed())
        p_values = [float(binom.sf(hits - 1, count, cases[each.holds(points)].mean())) for each in wider]
        weakest = int(np.argmax(p_values))
        if p_values[weakest] <= SIGNIFICANCE:
            break
        box = wider[weakest]
    return box


def _round_bounds(box: Box, steps: Sequence[float], points: Array) -> Box:
    """Round the bounds of a box to multiples of their columns' steps.

    In a column of multiples a bound is rounded down, so that it holds the same points: half way between the years 2027
    and 2028, above 2027 and at most 2027.
    """

    def at(column: int, value: float) -> float:
        step = steps[column]
        if step <= 0 or math.isinf(value):
            return value
        nearest = math.floor if (points[:, column] % step == 0).all() else round
        return float(f"{step * nearest(value / step):.12g}")

    return Box(tuple(Bounds(b.column, at(b.column, b.low), at(b.column, b.high)) for b in box.bounds))


def round_step(low: float, high: float) -> float:
    """Return the largest of 1, 2 or 5 times a power of ten that is at most a hundredth of a range."""
    return rounded(STEP_SHARE * (high - low))
