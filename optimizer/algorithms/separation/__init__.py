"""Separation: which shocks a plan violates and a model does not contain yet.

    listed      the shocks of the instance, each solved under the plan
    attacks     the worst affordable attack of an adversary at each start, by enumeration or an integer programme

Both return violations. Of near-copies only the worst is worth adding.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from optimizer.disruptions.shock import Shock
from optimizer.solver import Vector


@dataclass(frozen=True)
class Violation:
    """A scenario that a plan does not survive, and the survival gap in it: money, above 0 even if shortage is free."""

    shock: Shock
    gap: float


class SeparationOracle(Protocol):
    """Finds violated scenarios."""

    def separate(self, plan: Vector, held: Collection[Shock], enough: int = 0) -> list[Violation]:
        """The violated scenarios under a plan that a model does not hold.

        Args:
            plan: values of the columns of `first_stage_model`; more may follow.
            held: the scenarios of the model.
            enough: so many that are worth adding will do; 0 to find all.
        """
        ...


def select_most_violated(violations: Iterable[Violation], at_most: float) -> list[Shock]:
    """The most violated scenarios; of near-copies (one entry of the file, windows that overlap) only the worst."""
    chosen: list[Shock] = []
    for violation in sorted(violations, key=lambda each: -each.gap):
        if len(chosen) >= at_most:
            break
        if not any(_are_alike(violation.shock, other) for other in chosen):
            chosen.append(violation.shock)
    return chosen


def _are_alike(one: Shock, other: Shock) -> bool:
    overlap = one.periods.start < other.periods.stop and other.periods.start < one.periods.stop
    return one.entry == other.entry and overlap
