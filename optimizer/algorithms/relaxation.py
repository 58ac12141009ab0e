"""The LP relaxation of a model: a measure of its strength, valid inequalities, diving, and MIR cuts.

**Valid inequalities** here are of two kinds: rows that every plan with all floors kept satisfies (MIR cuts, below), and
optimality-based rows (`network.strong_linking`), which remove operation but leave for every integral plan one of the
same cost and gap. They are added where a relaxation violates them, so a model holds only a few: most are slack at its
optimum, and each costs the solver time. Once the integers are fixed none is needed; a common slack column then relaxes
all of them at once, so that dual values are those of the other rows.

**Diving** goes from an LP relaxation to integral values, a few integers at a time, and re-solves the same warm LP:

    nearly opened      round all of these up
    barely opened      if none is nearly opened: round all of these down
    else               round up the integer with the largest fractional part

If a step is infeasible, only the integer with the largest fractional part is rounded up, then down. For the least
survival gap under a budget this leads near the best plan, whereas rounding all integers at once exceeds the budget. A
MIP solve that starts from the dive proves the gap sooner.

**Mixed-integer rounding** (MIR) of what floors require of a plan:

    gap[s](p) + g·(x − p) ≤ 0    a plan x keeps the floors of shock s: g is a subgradient of the gap at any point p
    Σ a·z + Σ c·w ≥ b            the same in integers z and sizes w: a size limited by an opening, w ≤ U·z, is
                                 replaced by U·z; sizes with a negative c are left out
    Σ G(a/δ)·z + Σ c/(δ·f)·w ≥ ⌈b/δ⌉,    f = b/δ − ⌊b/δ⌋,    G(d) = ⌊d⌋ + min(1, (d − ⌊d⌋)/f)

If floors require 3.8 times the capacity of one site, a relaxation opens 3.8 of four sites, while the rounded row
requires four. The points p are relaxations with their openings rounded down, or to the nearest integer. Where floors
fail there, gap[s](p) says by how much, and g how it changes with the plan. For a weak relaxation, several of its own
fractional parts replace one half as the rounding threshold. Every plan that keeps the floors satisfies these rows, so
they are valid inequalities of the model, which holds those that its relaxation violates until the integers are fixed.

Sources: Marchand, Wolsey: Aggregation and mixed integer rounding to solve MIPs, Operations Research 49(3), 2001; Bodur,
Luedtke: Mixed-integer rounding enhanced Benders decomposition, Management Science 63(7), 2017.
"""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optimizer.model.builder import Mark, ModelBuilder, Row
from optimizer.solver.base import Integers, SolveResult, Vector
from optimizer.solver.model import Model
from optimizer.tolerances import INTEGRALITY, RELAXATION_GAP, ROUNDING, VIOLATED

if TYPE_CHECKING:
    from optimizer.algorithms.extensive_form import ShockModel
    from optimizer.algorithms.recourse import Evaluator

# A relaxation is weak if it is below a plan's cost by more than this share of that cost.
WEAK_RELAXATION = 0.3
# The name under which the basis of a relaxation is stored.
RELAXATION = "relaxation"
# Fractional parts from which an integer counts as nearly opened, and up to which it counts as barely opened.
NEARLY_OPENED, BARELY_OPENED = 0.7, 0.05
# Largest number of LPs that one dive solves.
MOST_SOLVES = 40
# An integer of the relaxation agrees with a plan's if they differ by at most this; and time limit in seconds of the
# search near a plan.
ALIKE, NEARBY_SECONDS = 0.3, 10.0

# Positions among the integers to round, and whether they are rounded up.
DiveStep = tuple[npt.NDArray[np.intp], bool]
# Largest number of cut rounds; fractional parts from which on points are rounded up; largest number of divisors δ tried
# per row.
MOST_CUT_ROUNDS, THRESHOLDS, MOST_DIVISORS = 12, (1.0 - INTEGRALITY, 0.5), 8
# For a weak relaxation: largest number of its own fractional parts used as thresholds besides the first, and the step
# to which they are rounded.
MOST_LEVELS, LEVEL_STEP = 6, 1e-3
# For a weak relaxation: up to this number of cuts in all, per integer, they cost HiGHS more time than they save. A tree
# over it may end soon if the rows raise its bound by more than the second share.
FEW_CUTS, RAISED = 0.05, 0.05
# Range of fractions f: rows beyond it are weak, or spoilt by the solver's errors.
LEAST_FRACTION, MOST_FRACTION = 0.02, 0.98
# Least violation of a row, which is scaled so that its right-hand side is an integer.
LEAST_VIOLATION = 0.01
# Rows are equal if their coefficients agree to this number of decimals.
SAME_DIGITS = 9
# Sizes at points are this share of what openings allow: at the limit itself a constant bound of the activity binds in
# place of its capacity row, and the subgradient in the size would be 0.
SHARE_OF_SIZE = 0.999


def is_weak_lp(
    solver: Model, relaxation: SolveResult, cutoff: float, solve_rounded: Callable[[Vector], SolveResult | None]
) -> bool:
    """Return whether an LP relaxation is weak: far below the best known plan and below the plan that it rounds to.

    Args:
        solver: its bounds are the same before and after.
        relaxation: the solved LP relaxation of the model.
        cutoff: cost in money below which a plan is sought, at most that of the best known plan; infinite without one.
        solve_rounded: returns the plan with the integers nearest to given values, or None.
    """
    if relaxation.values is None or not len(solver.integers) or not _is_weak(relaxation.objective, cutoff):
        return False
    lower, upper = solver.lower.copy(), solver.upper.copy()
    solver.store_basis(RELAXATION)
    solver.allow_fresh_start()
    rounded = solve_rounded(relaxation.values)
    solver.restore_basis(RELAXATION)
    solver.lower, solver.upper = lower, upper
    known = cutoff if rounded is None else min(cutoff, rounded.objective)
    return math.isfinite(known) and _is_weak(relaxation.objective, known)


def _is_weak(relaxation: float, cost: float) -> bool:
    return math.isinf(cost) or cost - relaxation > WEAK_RELAXATION * abs(cost)


class ValidInequalities:
    """The valid inequalities of one model, which are added to the solver once violated.

    Args:
        builder: its `valid_inequalities` are the candidates; it gets the column of their common slack.

    Attributes:
        mir_cuts: MIR cuts that `FloorCuts` found.
        in_solver: rows that were added to the solver, in its order.
    """

    def __init__(self, builder: ModelBuilder) -> None:
        self.mir_cuts, self.in_solver = list[Row](), list[Row]()
        (self._slack,) = builder.variable("valid", "slack", 0, upper=0.0).terms
        self._is_in_solver = np.zeros(0, dtype=bool)
        self._rows: Integers = np.zeros(0, dtype=np.intp)
        self._columns: Integers = np.zeros(0, dtype=np.intp)
        self._values: Vector = np.zeros(0)
        self._rhs: Vector = np.zeros(0)

    def solve(self, solver: Model, builder: ModelBuilder) -> SolveResult:
        """Solve the LP relaxation, adding violated valid inequalities until there is none."""
        result = solver.solve(relaxed=True)
        while result.values is not None and self.add_violated(solver, builder, result.values):
            result = solver.solve(relaxed=True)
        return result

    def add_violated(self, solver: Model, builder: ModelBuilder, values: Vector) -> int:
        """Add the inequalities that `values` violate noticeably to the solver; return their number."""
        self._read(builder)
        left = np.bincount(self._rows, self._values * values[self._columns], len(self._rhs)) - self._rhs
        size = np.bincount(self._rows, np.abs(self._values * values[self._columns]), len(self._rhs))
        new = np.flatnonzero(~self._is_in_solver & (left > VIOLATED * size) & (left > VIOLATED * solver.mass))
        self._is_in_solver[new] = True
        if len(new):
            solver.add_rows([self._with_slack(builder.valid_inequalities[n]) for n in new])
            self.in_solver += [builder.valid_inequalities[n] for n in new]
        return len(new)

    def enforce_again(self, builder: ModelBuilder, marks: Collection[Mark]) -> list[Row]:
        """Return the inequalities with the given marks, with slack, as the solver holds them from a similar model."""
        self._read(builder)
        self._is_in_solver = np.array([row.mark in marks for row in builder.valid_inequalities], dtype=bool)
        self.in_solver = [builder.valid_inequalities[n] for n in np.flatnonzero(self._is_in_solver)]
        return [self._with_slack(row) for row in self.in_solver]

    def _read(self, builder: ModelBuilder) -> None:
        """Append the coefficients of the builder's new valid inequalities to the arrays."""
        first = len(self._rhs)
        more = builder.valid_inequalities[first:]
        if not more:
            return
        sizes = [len(row.terms) for row in more]
        self._rows = np.concatenate([self._rows, first + np.repeat(np.arange(len(more)), sizes)])
        self._columns = np.concatenate([self._columns, *(np.fromiter(row.terms, dtype=np.intp) for row in more)])
        self._values = np.concatenate([self._values, *(np.fromiter(row.terms.values(), float) for row in more)])
        self._rhs = np.concatenate([self._rhs, [row.rhs for row in more]])
        self._is_in_solver = np.concatenate([self._is_in_solver, np.zeros(len(more), dtype=bool)])

    def _with_slack(self, row: Row) -> Row:
        return replace(row, terms={**row.terms, self._slack: -1.0})

    def enforce(self, solver: Model) -> None:
        """Enforce the inequalities in the solver, by fixing their slack to 0."""
        solver.bound([self._slack], 0.0, 0.0)

    def relax(self, solver: Model) -> None:
        """Relax all inequalities in the solver, by freeing their slack."""
        if self._is_in_solver.any():
            solver.bound([self._slack], 0.0, np.inf)


def dive(
    solver: Model, solve: Callable[[], SolveResult], relaxation: SolveResult, *, opens: bool = False
) -> Vector | None:
    """Round the integers of a relaxation step by step while it stays feasible.

    Args:
        solver: its integers are free between their bounds before; after, they keep the bounds of the last step.
        solve: solves the LP relaxation under the model's current bounds.
        relaxation: the relaxation to start from.
        opens: whether integers are never rounded down first: openings cost money, but serve demand.

    Returns:
        The values of the integers, in their order; None if the dive ends without an integral solution.
    """
    places, found, left = solver.integers, relaxation, MOST_SOLVES
    while found.values is not None:
        values = found.values[places]
        fractions = values - np.floor(values + INTEGRALITY)
        if fractions.max(initial=0.0) <= INTEGRALITY:
            return np.round(values)
        lower, upper = solver.lower[places], solver.upper[places]
        for chosen, is_up in _steps(fractions, opens):
            if left == 0:
                return None
            left -= 1
            low, high = lower.copy(), upper.copy()
            if is_up:
                low[chosen] = np.ceil(values[chosen] - INTEGRALITY)
            else:
                high[chosen] = np.floor(values[chosen] + INTEGRALITY)
            solver.bound(places, low, high)
            found = solve()
            if found.values is not None:
                break
    return None


def _steps(fractions: Vector, opens: bool) -> Iterator[DiveStep]:
    """Yield the rounding step to try, then those to try if it leaves no solution."""
    largest = np.array([np.argmax(fractions)])
    nearly = np.flatnonzero(fractions >= NEARLY_OPENED)
    barely = np.flatnonzero((fractions > INTEGRALITY) & (fractions <= BARELY_OPENED))
    if len(nearly) > 1:
        yield nearly, True
    elif not opens and not len(nearly) and len(barely):
        yield barely, False
    yield largest, True
    yield largest, False


def start_by_dive(model: "ShockModel", relaxation: SolveResult, *, opens: bool = False) -> None:
    """Set the model's starting integers by a dive from a relaxation, if it succeeds."""
    if relaxation.values is not None and not model.excuses.is_used:
        model.release_integers()
        whole = dive(model.solver, model.solve_relaxed, relaxation, opens=opens)
        model.start = model.start if whole is None else whole


def plan_near(model: "ShockModel", relaxation: SolveResult) -> SolveResult | None:
    """Return a plan found by a dive and improved as in RINS; None if the dive finds none.

    As in RINS (relaxation induced neighbourhood search), but integers that differ by up to `ALIKE` are fixed as well.
    """
    start_by_dive(model, relaxation, opens=True)
    found = model.solve_from_start()
    model.release_integers()
    if found is None or found.values is None or relaxation.values is None:
        return None
    whole, places = model.integers_in(found.values), model.solver.integers
    alike = np.abs(whole - model.integers_in(relaxation.values)) <= ALIKE
    model.solver.bound(places[alike], whole[alike], whole[alike])
    with model.clock.for_at_most(NEARBY_SECONDS):
        near = model.solver.solve(cutoff=found.objective - model.noticeable(found.objective))
    model.release_integers()
    return found if near.values is None or near.objective >= found.objective else replace(near, bound=-math.inf)


@dataclass(frozen=True)
class Covering:
    """A covering row ``Σ a·x ≥ b`` in the plan's columns, by coefficients and right-hand side."""

    coefficients: Vector
    rhs: float


class FloorCuts:
    """The MIR cuts of one model from its survival floors.

    Args:
        model: holds some shocks, whose floors are kept.
        evaluator: evaluates the recourse in the listed shocks.
        known: cuts of other models of the same instance; new cuts are appended.
        is_weak: whether the relaxation is weak, so that more points are worth their time.
    """

    def __init__(self, model: "ShockModel", evaluator: "Evaluator", known: list[Row], *, is_weak: bool = False) -> None:
        self.model, self.evaluator, self.known, self.is_weak = model, evaluator, known, is_weak
        places = {shock.name: n for n, shock in enumerate(model.tree.events)}
        self._shocks_held = [places[shock.name] for shock in model.shocks if shock.name in places]
        assert model.writer is not None
        self.size = len(model.writer.first_stage.columns)
        columns = model.builder.columns[: self.size]
        self.is_whole = np.array([each.integer or each.mark.what == "open" for each in columns], dtype=bool)
        self.upper = np.array([each.upper for each in columns], dtype=float)
        self._limited, self._by, self._most = self._limits()

    def _limits(self) -> tuple[Integers, Integers, Vector]:
        """Return the sizes w limited by integers z, w ≤ U·z, as arrays of w, z and U."""
        found = dict[int, tuple[int, float]]()
        for row in self.model.builder.rows:
            if len(row.terms) == 2 and row.sense != ">=" and row.rhs == 0 and max(row.terms) < self.size:
                (w, a), (z, b) = sorted(row.terms.items(), key=lambda term: -term[1])
                if a > 0 > b and self.is_whole[z] > self.is_whole[w]:
                    found.setdefault(w, (z, -b / a))
        limited, by, most = np.array([(w, z, u) for w, (z, u) in found.items()]).reshape(-1, 3).T
        return limited.astype(np.intp), by.astype(np.intp), most

    @property
    def _has_whole_floors(self) -> bool:
        """Whether the floors of all shocks held are kept, and the plan has integers."""
        keeps = self.model.shortfall_limit == 0 and not self.model.excuses.is_used
        return keeps and len(self._shocks_held) > 0 and bool(self.is_whole.any())

    def tighten(self, relaxation: SolveResult) -> SolveResult:
        """Add MIR cuts to the relaxation until it violates none, or its bound rises too little; return it."""
        if relaxation.status != "optimal" or not self._has_whole_floors:
            return relaxation
        there = {id(row) for row in self.model.builder.valid_inequalities}
        new = [row for row in self.known if id(row) not in there]
        if new:
            relaxation = self._add(new)
        for _ in range(MOST_CUT_ROUNDS):
            new = self._violated(relaxation.values)
            if not new or len(self.known) + len(new) <= self._too_few:
                break
            self.known += new
            before, relaxation = relaxation.objective, self._add(new)
            if relaxation.objective - before < RELAXATION_GAP * abs(before):
                break
        return relaxation

    def _add(self, rows: list[Row]) -> SolveResult:
        """Add rows to the model's valid inequalities and return its relaxation."""
        self.model.builder.valid_inequalities += rows
        return self.model.solve_relaxed()

    def _violated(self, values: Vector | None) -> list[Row]:
        """Return the MIR cuts that `values` violate, in tonnes; none without values."""
        if values is None:
            return []
        rounded = (row for each in self._coverings(values) if (row := self._rounded(each, values)) is not None)
        # Shocks with the same requirements give the same row.
        found = {np.round(row.coefficients / row.rhs, SAME_DIGITS).tobytes(): row for row in rounded}
        mass, first, result = self.model.solver.mass, len(self.known), []
        for number, row in enumerate(found.values()):
            terms = {int(j): -mass * float(row.coefficients[j]) for j in np.flatnonzero(row.coefficients)}
            mark = Mark("", "floors", f"rounded{first + number}", "")
            result.append(Row(mark, "t", terms, "<=", -mass * row.rhs, None))
        return result

    @property
    def _too_few(self) -> float:
        """The total number of cuts up to which they are not worth adding."""
        return FEW_CUTS * len(self.model.solver.integers) if self.is_weak else 0.0

    def _coverings(self, values: Vector) -> Iterator[Covering]:
        """Yield the rows that floors require of the plan, at points near `values`.

        Thresholds decrease, so that each point opens more than the last, and shocks that no longer fail are dropped.
        """
        plan, left = values[: self.size], np.array(self._shocks_held, dtype=np.intp)
        for threshold in self._thresholds(plan):
            groups = np.full(len(self.model.tree.events), -1, dtype=np.intp)
            groups[left] = np.arange(len(left))
            weights, others = np.where(groups >= 0, 1.0, 0.0), np.flatnonzero(groups < 0).tolist()
            point = self._point(plan, threshold)
            found = self.evaluator.subgradients(
                point, self.model.clock, "subgradients of gaps, without valid rows", groups, weights, others
            )
            for value, slope in zip(found.value, found.subgradient, strict=True):
                coefficients = np.where(np.abs(slope) > ROUNDING * np.abs(slope).max(initial=0.0), -slope, 0.0)
                rhs = float(value + coefficients @ point)
                if value > 0 and rhs > 0:
                    yield Covering(coefficients, rhs)
            left = left[found.value > 0]
            if not len(left):
                return

    def _thresholds(self, plan: Vector) -> list[float]:
        """Return the rounding thresholds in descending order: fractional parts at or above one are rounded up."""
        if not self.is_weak:
            return list(THRESHOLDS)
        at = np.maximum(plan[self.is_whole], 0.0)
        fractions = np.unique(LEVEL_STEP * np.round((at - np.floor(at + INTEGRALITY)) / LEVEL_STEP))
        levels = fractions[fractions > 0.0][::-1]
        chosen = np.linspace(0, len(levels) - 1, min(len(levels), MOST_LEVELS)).astype(np.intp)
        return [THRESHOLDS[0], *(levels[chosen] - LEVEL_STEP).tolist()]

    def _point(self, plan: Vector, threshold: float) -> Vector:
        """Return the plan with its integers rounded up from `threshold` on, and the sizes that they allow."""
        point = np.maximum(plan, 0.0)
        below = np.floor(point + INTEGRALITY)
        point = np.where(self.is_whole, below + (point - below >= threshold), point)
        most = self._most * point[self._by]
        is_more = point[self._by] > plan[self._by]
        point[self._limited] = SHARE_OF_SIZE * np.where(is_more, most, np.minimum(point[self._limited], most))
        return point

    def _rounded(self, row: Covering, values: Vector) -> Covering | None:
        """Return the MIR cut of a row that `values` violate most; None if they violate none."""
        a = row.coefficients.copy()
        np.add.at(a, self._by, np.maximum(a[self._limited], 0.0) * self._most)
        a[self._limited] = 0.0
        a[~self.is_whole] = np.maximum(a[~self.is_whole], 0.0)
        if (a >= 0).all():
            a[self.is_whole] = np.minimum(a[self.is_whole], row.rhs)
        at = np.maximum(values[: self.size], 0.0)
        best, most = None, LEAST_VIOLATION
        for high in (np.zeros(self.size, dtype=bool), self.is_whole & np.isfinite(self.upper) & (at > self.upper / 2)):
            # Where high, z is complemented to its upper bound.
            signed, rhs = np.where(high, -a, a), row.rhs - float(a[high] @ self.upper[high])
            left = np.where(high, self.upper - at, at)
            for divisor in self._divisors(signed, left):
                found = _round(Covering(signed, rhs), divisor, self.is_whole)
                violation = 0.0 if found is None else found.rhs - float(found.coefficients @ left)
                if found is not None and violation > most:
                    most = violation
                    g = found.coefficients
                    best = Covering(np.where(high, -g, g), found.rhs - float(g[high] @ self.upper[high]))
        return best

    def _divisors(self, a: Vector, at: Vector) -> list[float]:
        """Return the coefficients of fractional integers as divisors δ, the largest contributions first."""
        is_fractional: npt.NDArray[np.bool_] = self.is_whole & (a > 0) & (np.abs(at - np.round(at)) > INTEGRALITY)
        places = np.flatnonzero(is_fractional)
        order = places[np.argsort(-(a * at)[places], kind="stable")]
        return list(dict.fromkeys(a[order].tolist()))[:MOST_DIVISORS]


def _round(row: Covering, divisor: float, is_whole: npt.NDArray[np.bool_]) -> Covering | None:
    """Apply mixed-integer rounding to a row divided by `divisor`; None if the fraction f is out of range."""
    d, b = row.coefficients / divisor, row.rhs / divisor
    f = b - np.floor(b)
    if not LEAST_FRACTION <= f <= MOST_FRACTION:
        return None
    whole = np.floor(d)
    rounded = np.where(is_whole, whole + np.minimum(1.0, (d - whole) / f), np.maximum(d, 0.0) / f)
    return Covering(rounded, float(np.ceil(b)))
