"""Separation: which shocks a plan violates and a model does not contain yet.

    ListedShocks   the shocks of the instance, each solved under the plan
    attacks        the worst affordable attack of an adversary at each start, by enumeration or a mixed-integer
                   programme

Both return violations. Of near-copies only the worst is worth adding.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from optimizer.algorithms.relaxed_floors import Shortfalls, survival_shares, tree_shares, without_allowed
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import FutureTree, Instance
from optimizer.solver.base import Clock, Integers, Vector

if TYPE_CHECKING:
    from optimizer.algorithms.recourse import RecourseEvaluator

# Up to this many shocks all are checked, whatever the do-nothing plan survives.
FEW_CHECKED = 64


@dataclass(frozen=True)
class Violation:
    """A shock that a plan does not survive, and the survival gap in it: money, above 0 even if shortage is free."""

    shock: Shock
    gap: float


class SeparationOracle(Protocol):
    """Finds violated shocks."""

    def separate(self, plan: Vector, held: Collection[Shock], enough: int = 0) -> list[Violation]:
        """The violated shocks under a plan that a model does not hold.

        Args:
            plan: values of the columns of `first_stage_model`; more may follow.
            held: the shocks of the model.
            enough: so many that are worth adding will do; 0 to find all.
        """


def select_most_violated(violations: Iterable[Violation], at_most: float) -> list[Shock]:
    """The most violated shocks; of near-copies (one entry of the file, windows that overlap) only the worst."""
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


class ListedShocks:
    """The shocks of all futures of an instance, by their numbers in `FutureTree.events`.

    Attributes:
        suspects: those that were violated when they were last solved; they are solved first.
        shares: the ensembles of which only a share has to be survived.
        excused_counts: by share, how many samples fail that the model holds.
        ignored: shocks that may fail, whatever the plan.
    """

    ignored = frozenset[int]()

    def __init__(self, instance: Instance, evaluator: "RecourseEvaluator", clock: Clock) -> None:
        self.tree, self.evaluator, self.clock = instance.tree, evaluator, clock
        self.events = self.tree.events
        self.suspects = frozenset[int]()
        self.shares = [share for share in tree_shares(instance.tree) if share.allowed > 0]
        self.excused_counts: Sequence[float] = [0.0] * len(self.shares)
        self._numbers = {event.name: number for number, event in enumerate(self.events)}

    @cached_property
    def redundant(self) -> frozenset[int]:
        """Shocks that need no check: the do-nothing plan survives them, or one that must be survived dominates them.

        Where gaps have a price no shock must be survived, and the gap of each counts. What the do-nothing plan survives
        is not looked into for a few shocks: to check them takes no longer.
        """
        dominators, survived = self.evaluator.dominators, np.zeros(len(self.events), dtype=bool)
        dominated = (dominators >= 0) & (self.tree.futures[0].instance.policy.gap_price is None)
        # Samples that may fail are counted, every one; and to survive others does not follow from them.
        for share in self.shares:
            dominated[share.numbers.start : share.numbers.stop] = False
            dominated &= ~np.isin(dominators, share.numbers)
        dominated &= ~np.isin(dominators, list(self.ignored))
        if len(self.events) > FEW_CHECKED:
            nothing = self.evaluator.do_nothing(self.clock)
            survived = (nothing.gap <= 0.0) & ~nothing.fails
        return self.ignored | frozenset(np.flatnonzero(survived | dominated).tolist())

    @cached_property
    def shortfalls(self) -> Shortfalls:
        """Of samples that may fail, what the do-nothing plan falls short of their floors."""
        if not self.shares:
            return {}
        answers = [each.do_nothing_answers(self.clock) for each in self.evaluator.futures]
        return do_nothing_shortfalls(
            self.tree, [[(answer.events, answer.unserved) for answer in own] for own in answers]
        )

    def numbers(self, shocks: Collection[Shock]) -> list[int]:
        """The numbers of those of some shocks that are listed."""
        return [self._numbers[shock.name] for shock in shocks if shock.name in self._numbers]

    def violations(self, gaps: Mapping[int, float]) -> list[Violation]:
        """Violations from gaps by number; samples are none where no more of them fail than are allowed."""
        gaps = without_allowed(self.shares, gaps, self.excused_counts)
        return [Violation(self.events[number], gap) for number, gap in gaps.items()]

    def may_fail(self, shock: Shock) -> bool:
        """Whether it is a sample of an ensemble of which only a share has to be survived."""
        number = self._numbers.get(shock.name, -1)
        return any(number in share.numbers for share in self.shares)

    def enough_to_count(self, violations: Iterable[Violation], held: Collection[Shock], more: float = 0) -> list[Shock]:
        """The most violated samples that, with those held, are one more than are allowed to fail; and some more."""
        of_number = {self._numbers[each.shock.name]: each for each in violations if each.shock.name in self._numbers}
        known, chosen = set(self.numbers(held)), list[Shock]()
        for share in self.shares:
            missing = share.allowed + 1 - sum(n in known for n in share.numbers)
            failing = sorted((of_number[n] for n in share.numbers if n in of_number), key=lambda each: -each.gap)
            chosen += [each.shock for each in failing[: int(max(missing, more))]]
        return chosen

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


def do_nothing_shortfalls(tree: FutureTree, unserved: Sequence[Sequence[tuple[Integers, Vector]]]) -> Shortfalls:
    """Those of the samples without a probability, from what the do-nothing plan leaves unserved in each future.

    `unserved` is batches of shocks by number, t by shock, segment and period of the window.
    """
    result: dict[str, dict[tuple[str, int], float]] = {}
    for number, (future, own) in enumerate(zip(tree.futures, unserved, strict=True)):
        instance = future.instance
        samples = {n for share in survival_shares(instance) if share.allowed > 0 for n in share.numbers}
        for events, tonnes in own:
            for n, short in zip(events.tolist(), tonnes, strict=True):
                shock = instance.events[n]
                if n in samples and not shock.probability > 0:
                    result[tree.name(number, shock.name)] = _shortfall(instance, shock, short)
    return result


def _shortfall(instance: Instance, shock: Shock, unserved: Vector) -> dict[tuple[str, int], float]:
    path = instance.path(shock)
    return {
        (d, t): float(unserved[i, k]) - path.most_unserved_at(d, t)
        for i, d in enumerate(instance.demands)
        for k, t in enumerate(shock.periods)
    }
