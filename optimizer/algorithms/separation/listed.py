"""Which violated shocks to write out, and which of those that are to keep."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from optimizer.disruptions.shock import Shock
from optimizer.model.builder import Stage
from optimizer.solver import SolveResult
from optimizer.tolerances import NEGLIGIBLE_DUAL


def paths_with_dual_values(stage: Stage, answer: SolveResult) -> frozenset[str]:
    """The paths whose rows have a price in an answer; all of them where it has none to tell."""
    prices = np.full(len(stage.rows), math.inf) if answer.prices is None else answer.prices
    return frozenset(
        row.mark.path for row, price in zip(stage.rows, prices, strict=True) if abs(price) > NEGLIGIBLE_DUAL
    )


def select_most_violated(events: Sequence[Shock], violated: Mapping[int, float], at_most: int) -> list[int]:
    """The worst violators; of near-copies (one entry of the file, windows that overlap) only the worst.

    Args:
        events: all shocks.
        violated: by number, the gap in money.
        at_most: how many.
    """
    chosen: list[int] = []
    if at_most < 1:
        return chosen
    for number in sorted(violated, key=lambda number: -violated[number]):
        if not any(_alike(events[number], events[other]) for other in chosen):
            chosen.append(number)
        if len(chosen) == at_most:
            break
    return chosen


def _alike(one: Shock, other: Shock) -> bool:
    overlaps = one.periods.start < other.periods.stop and other.periods.start < one.periods.stop
    return one.entry == other.entry and overlaps
