"""Families and ensembles as one row each, of which the worst member stands for all; other shocks stay as they are.

Fold     the shocks that share a row, whatever the plan
Folded   the same shocks under a plan
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from optimizer.analysis.preview import owner
from optimizer.instance.schema import Instance
from optimizer.plan import Outcome, Service, weakest_of, weakness


@dataclass(frozen=True)
class Fold:
    """Shocks that share a row.

    Attributes:
        name: of the family or the ensemble in the file; of a shock alone its own name.
        members: the names of the shocks, in the order of the instance.
    """

    name: str
    members: tuple[str, ...]

    @property
    def is_many(self) -> bool:
        """Whether it is a family or an ensemble of several shocks."""
        return len(self.members) > 1


@dataclass(frozen=True)
class Folded:
    """The shocks of a row under a plan.

    Attributes:
        fold: which they are.
        worst: the one with the largest gap, of equal gaps the one with the weakest service.
        failed: how many are not survived.
        segments: by segment, the `weakest` of the services that the shocks name, and whose it is.
        partial: the segments that some of the shocks do not name: they do not fail there, and another is weaker.
    """

    fold: Fold
    worst: Outcome
    failed: int
    segments: Mapping[str, tuple[str, Service]]
    partial: frozenset[str]

    @property
    def survives(self) -> bool:
        """Whether all of the shocks are survived."""
        return not self.failed


def folds(instance: Instance) -> tuple[Fold, ...]:
    """Every shock of an instance: a family or an ensemble in one row, each other shock in its own."""
    rows = []
    for name, events in groupby(instance.events, key=lambda event: owner(instance, event)):
        members = tuple(event.name for event in events)
        rows.append(Fold(name if len(members) > 1 else members[0], members))
    return tuple(rows)


def unfolded(instance: Instance) -> tuple[Fold, ...]:
    """Every shock of an instance in a row of its own."""
    return tuple(Fold(event.name, (event.name,)) for event in instance.events)


def urgency(outcome: Outcome) -> tuple[float, float, float]:
    """What shocks are sorted by, the worst first: the largest gap, then the weakest service."""
    return (-outcome.gap, *weakness(list(outcome.segments.values())))


def folded(rows: Iterable[Fold], outcomes: Iterable[Outcome]) -> tuple[Folded, ...]:
    """Rows under a plan; a row of which the plan has no shock is left out."""
    known = {outcome.name: outcome for outcome in outcomes}
    there = [(row, [known[name] for name in row.members if name in known]) for row in rows]
    return tuple(_folded(row, some) for row, some in there if some)


def _folded(row: Fold, outcomes: Sequence[Outcome]) -> Folded:
    by_segment: dict[str, list[tuple[str, Service]]] = {}
    for outcome in outcomes:
        for d, service in outcome.segments.items():
            by_segment.setdefault(d, []).append((outcome.name, service))
    return Folded(
        fold=row,
        worst=min(outcomes, key=urgency),
        failed=sum(not outcome.survives for outcome in outcomes),
        segments={d: some[weakest_of([each for _, each in some])] for d, some in by_segment.items()},
        partial=frozenset(d for d, some in by_segment.items() if len(some) < len(outcomes)),
    )


def hardest(rows: Sequence[Folded], most: int) -> tuple[Folded, ...]:
    """At most so many rows, those of the worst shocks, in the order in which they were."""
    ordered = sorted(rows, key=lambda row: urgency(row.worst))
    kept = {row.fold.name for row in ordered[:most]}
    return tuple(row for row in rows if row.fold.name in kept)
