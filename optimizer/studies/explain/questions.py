"""What-ifs for an explanation: an `Asker` that knows when to give up on one of them, and what an answer proves."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from optimizer.algorithms.question import LEAST_COST, Question, Rows
from optimizer.algorithms.reading import plan_values
from optimizer.instance.edits import with_single_events
from optimizer.instance.schema import Instance
from optimizer.solver import Settings
from optimizer.studies.what_if import Asker, Found

# After so many seconds a single what-if is given up.
EACH = 120.0
# Whether something can be survived at all, as long as its price does not matter.
LOOSE = 0.05


@dataclass(frozen=True)
class Tried:
    """A what-if that is answered with yes or no, and what the plan found costs.

    Attributes:
        holds: whether some plan keeps every floor; None where the time ran out before that was known.
        found: the answer.
    """

    holds: bool | None
    found: Found

    @property
    def is_proven(self) -> bool:
        """Whether the answer is as good as it was asked for."""
        return self.holds is False or (self.holds is True and self.found.status == "optimal")


class WhatIfs:
    """Asks, one question after the other, and never longer than `each` seconds for one.

    Args:
        instance: under the budget that the explanation is about.
        asker: who asks.
        each: seconds.
        progress: is told what is being asked.
    """

    def __init__(
        self, instance: Instance, asker: Asker, each: float = EACH, progress: Callable[[str], None] = lambda words: None
    ) -> None:
        self.instance, self.asker, self.each, self.progress = instance, asker, each, progress
        self.apart = with_single_events(instance)

    @property
    def is_over(self) -> bool:
        """Whether there is no time left for another question."""
        return self.asker.clock.is_over

    def ask(
        self,
        words: str,
        variant: Instance | None = None,
        question: Question = LEAST_COST,
        settings: Settings | None = None,
    ) -> Found:
        """The answer to a question; `words` say to progress what it is."""
        self.progress(words)
        return self.asker.ask(variant or self.instance, question, settings, self.each)

    def survived(
        self, words: str, variant: Instance | None = None, rows: tuple[Rows, ...] = (), gap: float | None = None
    ) -> Tried:
        """Whether some plan of a variant keeps every floor, and the cheapest one that does."""
        settings = self.asker.settings if gap is None else replace(self.asker.settings, gap=gap)
        instance = variant or self.instance
        return self.judged(instance, self.ask(words, instance, Question(rows=rows, name="cost of a what-if"), settings))

    def judged(self, instance: Instance, found: Found) -> Tried:
        """What an answer means: one that was stopped is put to every shock."""
        if found.status == "infeasible":
            return Tried(False, found)
        if found.status == "optimal":
            return Tried(found.survives, found)
        if not math.isfinite(found.cost):
            return Tried(None, found)
        responder = self.asker.responder(instance)
        gaps = responder.gaps(plan_values(instance, found.plan, responder.desk.plan), self.asker.clock)
        return Tried(None if np.any(gaps.fails) else True, found)


def least(test: Callable[[int], bool | None], low: int, high: int, guess: int | None = None) -> tuple[int, bool]:
    """The least whole number above `low` that passes a test which `low` fails and `high` passes.

    Numbers above one that passes are taken to pass as well. The first ones tried are a guess and the one below it.

    Returns:
        The least number known to pass, and whether the one below it is known to fail.
    """
    probes = [] if guess is None else [guess, guess - 1]
    unknown = False
    while high - low > 1:
        at = next((probe for probe in probes if low < probe < high), (low + high) // 2)
        probes = [probe for probe in probes if probe != at]
        passes = test(at)
        unknown = unknown or passes is None
        low, high = (low, at) if passes else (at, high)
    return high, not unknown
