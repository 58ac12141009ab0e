"""The listed shocks as a separation oracle: the recourse of each is solved under the plan."""

from collections.abc import Collection, Mapping
from functools import cached_property

import numpy as np

from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation import Violation, select_most_violated
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.solver import Clock, Vector


class ListedShocks:
    """The shocks of all futures of an instance, by their numbers in `FutureTree.events`.

    Attributes:
        suspects: those that were violated when they were last solved; they are solved first.
    """

    def __init__(self, instance: Instance, evaluator: RecourseEvaluator, clock: Clock) -> None:
        self.events, self.evaluator, self.clock = instance.tree.events, evaluator, clock
        self.suspects = frozenset[int]()
        self._numbers = {event.name: number for number, event in enumerate(self.events)}

    @cached_property
    def redundant(self) -> frozenset[int]:
        """Shocks that need no check: the do-nothing plan survives them, or another shock dominates them."""
        nothing, dominated = self.evaluator.do_nothing(self.clock), self.evaluator.dominators >= 0
        return frozenset(np.flatnonzero(((nothing.gap <= 0.0) & ~nothing.fails) | dominated).tolist())

    def numbers(self, shocks: Collection[Shock]) -> list[int]:
        """The numbers of those of some scenarios that are listed."""
        return [self._numbers[shock.name] for shock in shocks if shock.name in self._numbers]

    def violations(self, gaps: Mapping[int, float]) -> list[Violation]:
        """Violations from gaps by number."""
        return [Violation(self.events[number], gap) for number, gap in gaps.items()]

    def separate(self, plan: Vector, held: Collection[Shock] = (), enough: int = 0) -> list[Violation]:
        """The violated shocks that a model does not hold.

        Redundant shocks are not solved. Those that were survived the last time are not either, where the others leave
        `enough` to add.
        """
        everyone, found = frozenset(range(len(self.events))), dict[int, float]()
        others = everyone.difference(self.redundant, self.numbers(held))
        for some in (others & self.suspects, others - self.suspects):
            if not enough or len(select_most_violated(self.violations(found), enough)) < enough:
                found |= self.evaluator.gaps(plan, self.clock, everyone - some).violated
        self.suspects = frozenset(found)
        return self.violations(found)
