"""Diving: from an LP relaxation to whole numbers, a few integers at a time, each step the same linear programme, warm.

    nearly opened      all that are, next larger whole number
    barely opened      where none is: all that are, next smaller one
    else               the integer with the largest fraction, next larger one

Where a step leaves no solution, the largest fraction alone moves, then that one the other way. For the least survival
gap of a budget this leads near the best plan: rounding all integers at once buys more than the budget allows. A search
with integers that begins with it proves the gap sooner.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from optimizer.solver import Model, SolveResult, Vector
from optimizer.tolerances import INTEGRALITY

# Fractions from which an integer counts as nearly opened, and up to which it counts as barely opened.
NEARLY, BARELY = 0.7, 0.05
# So many linear programmes are solved at most.
MOST_SOLVES = 40

# Places among the integers, and whether they go up.
DiveStep = tuple[npt.NDArray[np.intp], bool]


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
