"""The LP relaxation of a model: how near it is to plans, and what brings it nearer.

Valid inequalities are rows that every plan with whole numbers keeps; they are held where a relaxation violates them.

A model holds few of them: most say nothing at its optimum, and each costs the solver time. Once the integers are fixed
none is needed; then a slack that they share lets go of all at once, so that dual values are those of the other rows.

Diving: from an LP relaxation to whole numbers, a few integers at a time, each step the same linear programme, warm.

    nearly opened      all that are, next larger whole number
    barely opened      where none is: all that are, next smaller one
    else               the integer with the largest fraction, next larger one

Where a step leaves no solution, the largest fraction alone moves, then that one the other way. For the least survival
gap of a budget this leads near the best plan: rounding all integers at once buys more than the budget allows. A search
with integers that begins with it proves the gap sooner.
"""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from optimizer.model.builder import Mark, ModelBuilder, Row
from optimizer.solver import Integers, Model, SolveResult, Vector
from optimizer.tolerances import INTEGRALITY, VIOLATED

# A relaxation is far from a plan where this share of the plan's cost lies between them.
WIDE_RELAXATION = 0.3
# What the basis of a relaxation is kept under.
RELAXATION = "relaxation"
# Fractions from which an integer counts as nearly opened, and up to which it counts as barely opened.
NEARLY, BARELY = 0.7, 0.05
# So many linear programmes are solved at most.
MOST_SOLVES = 40

# Places among the integers, and whether they go up.
DiveStep = tuple[npt.NDArray[np.intp], bool]


def is_wide(
    model: Model, relaxation: SolveResult, cutoff: float, solve_rounded: Callable[[Vector], SolveResult | None]
) -> bool:
    """Whether a relaxation is far from the best plan known, and from the one that it rounds to.

    Args:
        model: its bounds are the same before and after.
        cutoff: what the best plan known costs, money; infinite where none is known.
        solve_rounded: the plan with the whole numbers nearest to some values.
    """
    if relaxation.values is None or not len(model.integers) or not _is_far(relaxation.objective, cutoff):
        return False
    lower, upper = model.lower.copy(), model.upper.copy()
    model.keep(RELAXATION)
    model.doubt_basis()
    rounded = solve_rounded(relaxation.values)
    model.recall(RELAXATION)
    model.lower, model.upper = lower, upper
    known = cutoff if rounded is None else min(cutoff, rounded.objective)
    return math.isfinite(known) and _is_far(relaxation.objective, known)


def _is_far(relaxation: float, cost: float) -> bool:
    return math.isinf(cost) or cost - relaxation > WIDE_RELAXATION * abs(cost)


class ValidInequalities:
    """Those of one model.

    Args:
        builder: offers them, and gets the column of their slack.
    """

    def __init__(self, builder: ModelBuilder) -> None:
        (self._slack,) = builder.variable("valid", "slack", 0, upper=0.0).terms
        self._held = np.zeros(0, dtype=bool)
        self._rows: Integers = np.zeros(0, dtype=np.intp)
        self._columns: Integers = np.zeros(0, dtype=np.intp)
        self._values: Vector = np.zeros(0)
        self._rhs: Vector = np.zeros(0)

    def solve(self, model: Model, builder: ModelBuilder) -> SolveResult:
        """The LP relaxation, with those that it would violate."""
        result = model.solve(relaxed=True)
        while result.values is not None and self.add_violated(model, builder, result.values):
            result = model.solve(relaxed=True)
        return result

    def add_violated(self, model: Model, builder: ModelBuilder, values: Vector) -> int:
        """Pass those to the solver that some values violate noticeably. Returns how many."""
        self._read(builder)
        left = np.bincount(self._rows, self._values * values[self._columns], len(self._rhs)) - self._rhs
        size = np.bincount(self._rows, np.abs(self._values * values[self._columns]), len(self._rhs))
        new = np.flatnonzero(~self._held & (left > VIOLATED * size) & (left > VIOLATED * model.mass))
        self._held[new] = True
        if len(new):
            model.add_rows([self._with_slack(builder.valid[n]) for n in new])
        return len(new)

    def hold_again(self, builder: ModelBuilder, marks: Collection[Mark]) -> list[Row]:
        """Those with some marks, as the solver holds them: it has had them from a similar model."""
        self._read(builder)
        self._held = np.array([row.mark in marks for row in builder.valid], dtype=bool)
        return [self._with_slack(builder.valid[n]) for n in np.flatnonzero(self._held)]

    def _read(self, builder: ModelBuilder) -> None:
        """Keep the rows that are new as arrays."""
        first = len(self._rhs)
        more = builder.valid[first:]
        if not more:
            return
        sizes = [len(row.terms) for row in more]
        self._rows = np.concatenate([self._rows, first + np.repeat(np.arange(len(more)), sizes)])
        self._columns = np.concatenate([self._columns, *(np.fromiter(row.terms, dtype=np.intp) for row in more)])
        self._values = np.concatenate([self._values, *(np.fromiter(row.terms.values(), float) for row in more)])
        self._rhs = np.concatenate([self._rhs, [row.rhs for row in more]])
        self._held = np.concatenate([self._held, np.zeros(len(more), dtype=bool)])

    def _with_slack(self, row: Row) -> Row:
        return replace(row, terms={**row.terms, self._slack: -1.0})

    def hold(self, model: Model) -> None:
        """Hold those that were passed on."""
        model.bound([self._slack], 0.0, 0.0)

    def release(self, model: Model) -> None:
        """Let go of all."""
        if not self._held.any():
            return
        model.bound([self._slack], 0.0, np.inf)


def dive(model: Model, solve: Callable[[], SolveResult], relaxation: SolveResult) -> Vector | None:
    """Whole numbers that a relaxation leads to.

    Args:
        model: its integers are free between their bounds; they are left bounded as at the end of the dive.
        solve: the LP relaxation of the model as it is bounded.
        relaxation: the one to begin with.

    Returns:
        The values of the integers, in their order; None where the dive leads nowhere.
    """
    places, found, left = model.integers, relaxation, MOST_SOLVES
    while found.values is not None:
        values = found.values[places]
        fractions = values - np.floor(values + INTEGRALITY)
        if fractions.max(initial=0.0) <= INTEGRALITY:
            return np.round(values)
        lower, upper = model.lower[places], model.upper[places]
        for chosen, is_up in _steps(fractions):
            if left == 0:
                return None
            left -= 1
            low, high = lower.copy(), upper.copy()
            if is_up:
                low[chosen] = np.ceil(values[chosen] - INTEGRALITY)
            else:
                high[chosen] = np.floor(values[chosen] + INTEGRALITY)
            model.bound(places, low, high)
            found = solve()
            if found.values is not None:
                break
    return None


def _steps(fractions: Vector) -> Iterator[DiveStep]:
    """What to move, and what else where that leaves no solution."""
    largest = np.array([np.argmax(fractions)])
    nearly = np.flatnonzero(fractions >= NEARLY)
    barely = np.flatnonzero((fractions > INTEGRALITY) & (fractions <= BARELY))
    if len(nearly) > 1:
        yield nearly, True
    elif not len(nearly) and len(barely):
        yield barely, False
    yield largest, True
    yield largest, False
