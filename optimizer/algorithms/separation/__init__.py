"""Separation: the shocks that a plan violates and a model does not hold yet.

    ListedShocks   the shocks of the instance, each solved under the plan
    attacks        the worst affordable attack of an adversary at each start, by enumeration or a MIP

Both return violations. Among similar shocks only the worst is worth adding.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from optimizer.algorithms.relaxed_floors import Shortfalls, survival_shares, tree_shares, without_allowed
from optimizer.disruptions.shock import Shock
from optimizer.instance.operation_paths import is_monotone
from optimizer.instance.schema import FutureTree, Instance
from optimizer.solver.base import Clock, Integers, Vector

if TYPE_CHECKING:
    from optimizer.algorithms.recourse import Evaluator

# Up to this number of shocks, also those are solved that the do-nothing plan survives.
FEW_CHECKED = 64


@dataclass(frozen=True)
class Violation:
    """A shock that a plan does not survive, and its survival gap in money, positive even if shortage costs nothing."""

    shock: Shock
    gap: float


class SeparationOracle(Protocol):
    """The protocol of an oracle that finds violated shocks."""

    def separate(self, plan: Vector, held: Collection[Shock], enough: int = 0) -> list[Violation]:
        """Return the violated shocks under a plan that a model does not hold.

        Args:
            plan: values of the columns of `first_stage_model`; more may follow.
            held: the shocks of the model.
            enough: number of violations worth adding after which the search may end; 0 finds all.
        """


def select_most_violated(violations: Iterable[Violation], at_most: float) -> list[Shock]:
    """Return the most violated shocks; among similar ones only the worst.

    Shocks are similar if they come from one entry of the file and their windows overlap.
    """
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
    """The separation oracle of the shocks of all futures of an instance, by index in `FutureTree.events`.

    Attributes:
        suspects: shocks that were violated when last solved; they are solved first.
        shares: the ensembles of which only a share has to be survived.
        excused_counts: for each share, the number of samples in the model that fail.
        ignored: samples excused before the search; they may fail, whatever the plan.
    """

    ignored = frozenset[int]()

    def __init__(self, instance: Instance, evaluator: "Evaluator", clock: Clock) -> None:
        self.tree, self.evaluator, self.clock = instance.tree, evaluator, clock
        self.events = self.tree.events
        self.suspects = frozenset[int]()
        self.shares = [share for share in tree_shares(instance.tree) if share.allowed > 0]
        self.excused_counts: Sequence[float] = [0.0] * len(self.shares)
        self._numbers = {event.name: number for number, event in enumerate(self.events)}

    @cached_property
    def redundant(self) -> frozenset[int]:
        """Shocks that need no check: the do-nothing plan survives them, or one that must be survived dominates them.

        Neither is used with a lever that is not monotone. With a price of gaps no shock must be survived, and the gap
        of each counts, so that domination is not used. With few shocks the do-nothing plan is not used: solving the
        shocks takes no longer.
        """
        dominators, survived = self.evaluator.dominators, np.zeros(len(self.events), dtype=bool)
        dominated = (dominators >= 0) & (self.tree.futures[0].instance.policy.gap_price is None)
        # Every sample that may fail is counted, and surviving it is not required, so it makes no other shock redundant.
        for share in self.shares:
            dominated[share.numbers.start : share.numbers.stop] = False
            dominated &= ~np.isin(dominators, share.numbers)
        dominated &= ~np.isin(dominators, list(self.ignored))
        if len(self.events) > FEW_CHECKED and self._are_monotone:
            nothing = self.evaluator.do_nothing(self.clock)
            survived = (nothing.gap <= 0.0) & ~nothing.fails
        return self.ignored | frozenset(np.flatnonzero(survived | dominated).tolist())

    @cached_property
    def shortfalls(self) -> Shortfalls:
        """The shortfalls of the do-nothing plan below the floors of samples that may fail."""
        if not self.shares or not self._are_monotone:
            return {}
        responses = [each.do_nothing_responses(self.clock) for each in self.evaluator.futures]
        return do_nothing_shortfalls(self.tree, [[(each.events, each.unserved) for each in own] for own in responses])

    @property
    def _are_monotone(self) -> bool:
        return all(is_monotone(future.instance) for future in self.tree.futures)

    def numbers(self, shocks: Collection[Shock]) -> list[int]:
        """Return the indices of those shocks that are listed."""
        return [self._numbers[shock.name] for shock in shocks if shock.name in self._numbers]

    def violations(self, gaps: Mapping[int, float]) -> list[Violation]:
        """Return violations from gaps by index; samples count only if more of them fail than are allowed."""
        gaps = without_allowed(self.shares, gaps, self.excused_counts)
        return [Violation(self.events[number], gap) for number, gap in gaps.items()]

    def may_fail(self, shock: Shock) -> bool:
        """Return whether a shock is a sample of an ensemble of which only a share has to be survived."""
        number = self._numbers.get(shock.name, -1)
        return any(number in share.numbers for share in self.shares)

    def enough_to_count(self, violations: Iterable[Violation], held: Collection[Shock], more: float) -> list[Shock]:
        """Return the most violated samples: one more than may fail, with those held, and at least `more` per share.

        With fewer samples in the model, all of them could be excused, and they would not constrain the plan.
        """
        of_number = {self._numbers[each.shock.name]: each for each in violations if each.shock.name in self._numbers}
        known, chosen = set(self.numbers(held)), list[Shock]()
        for share in self.shares:
            missing = share.allowed + 1 - sum(n in known for n in share.numbers)
            failing = sorted((of_number[n] for n in share.numbers if n in of_number), key=lambda each: -each.gap)
            chosen += [each.shock for each in failing[: int(max(missing, more))]]
        return chosen

    def separate(self, plan: Vector, held: Collection[Shock] = (), enough: int = 0) -> list[Violation]:
        """Return the violated shocks that a model does not hold.

        Redundant shocks are not solved. Shocks that were survived the last time are solved only if the others give
        fewer than `enough` violations to add.
        """
        everyone, found = frozenset(range(len(self.events))), dict[int, float]()
        others = everyone.difference(self.redundant, self.numbers(held))
        for some in (others & self.suspects, others - self.suspects):
            if not enough or len(select_most_violated(self.violations(found), enough)) < enough:
                found |= self.evaluator.gaps(plan, self.clock, everyone - some).violated
        self.suspects = frozenset(found)
        return self.violations(found)


def do_nothing_shortfalls(tree: FutureTree, unserved: Sequence[Sequence[tuple[Integers, Vector]]]) -> Shortfalls:
    """Return the shortfalls of samples that may fail and have no probability, under the do-nothing plan.

    `unserved` holds for each future batches of shock indices with unserved demand in t by shock, segment and period of
    the window. The result maps shock name, then (segment, period), to t.
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
