"""The shocks of a result as readers meet them: in rows, and with what they leave unserved.

A family or an ensemble is one row, of which the worst shock stands for all; other shocks stay as they are. A `Fold` is
the shocks that share a row, whatever the plan, and `Folded` the same shocks under a plan.

What shocks leave **unserved** counts whether floors hold or not. A result keeps only a line of some: it says by segment
what goes unserved (`Outcome.unserved`). Lines of older plan files do not: of these only the segments are known that
they name, and what is summed over them is a lower bound (`is_known`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from optimizer.instance.derived import entry_of
from optimizer.instance.schema import Instance
from optimizer.results.futures import FutureResult
from optimizer.results.plan import Outcome, Service
from optimizer.results.result import Result, weakest_of, weakness
from optimizer.units import significant


@dataclass(frozen=True)
class Fold:
    """Shocks that share a row."""

    name: str  # of the family or the ensemble in the file; of a shock alone its own name
    shocks: tuple[str, ...]  # their names, in the order of the instance

    @property
    def is_many(self) -> bool:
        """Whether it is a family or an ensemble of several shocks."""
        return len(self.shocks) > 1


@dataclass(frozen=True)
class Folded:
    """The shocks of a row under a plan."""

    fold: Fold  # which they are
    worst: Outcome  # the one with the largest gap, of equal gaps the one with the weakest service
    failed: int  # how many are not survived and have to be
    excused: int  # how many are not and may fail
    # By segment, the `weakest` of the services that the shocks name, and whose it is.
    segments: Mapping[str, tuple[str, Service]]
    # The segments that may be weaker in a shock that does not name them; there they do not fail, and another is weaker
    # still.
    partial: frozenset[str]
    full: frozenset[str]  # the segments that are served in full in all of the shocks, whether these name them or not
    required: int | None = None  # of an ensemble of which a share has to be survived, how many samples; else None

    @property
    def survives(self) -> bool:
        """Whether all of the shocks are survived, but for samples that may fail."""
        return not self.failed

    @property
    def mark(self) -> str:
        """``✓`` where it is survived, ``✗`` where it is not, ``–`` of a sample alone that is not and may fail."""
        if self.failed:
            return "✗"
        return "–" if self.excused and not self.fold.is_many else "✓"

    @property
    def worst_word(self) -> str:
        """What its worst shock is of several: that with the least margin where all are survived."""
        return "worst" if self.failed or self.excused else "tightest"

    @property
    def count_text(self) -> str:
        """How many there are, and fail: ``12 shocks``, ``3 of 12 fail``, ``19 of 20 samples, 19 required``."""
        count, lost = len(self.fold.shocks), self.failed + self.excused
        if lost and self.required is not None:
            return f"{count - lost:,} of {count:,} samples, {self.required:,} required"
        return f"{self.failed:,} of {count:,} fail" if lost else f"{count:,} shocks"


def folds(instance: Instance, names: Iterable[str], *, every: bool = False) -> tuple[Fold, ...]:
    """The rows of some shocks: a family or an ensemble in one, each other shock, or `every` shock, in its own."""
    owners = {} if every else {event.name: entry_of(instance, event) for event in instance.events}
    rows: dict[str, list[str]] = {}
    for name in names:
        # A shock that bears the name of a family is none of it.
        rows.setdefault(f"{owners[name]}@" if name in owners else name, []).append(name)
    return tuple(Fold(owners[some[0]] if len(some) > 1 else some[0], tuple(some)) for some in rows.values())


def urgency(outcome: Outcome) -> tuple[float, float, float]:
    """What shocks are sorted by, the worst first: the largest gap, then the weakest service."""
    return (-outcome.gap, *weakness(list(outcome.segments.values())))


def fold_outcomes(rows: Iterable[Fold], result: Result) -> tuple[Folded, ...]:
    """Rows under a plan; a row of which the plan has no shock is left out."""
    known = {outcome.name: outcome for outcome in result.shocks}
    whole = frozenset(d for d, service in result.services.items() if service.is_full)
    there = [(row, [known[name] for name in row.shocks if name in known]) for row in rows]
    every = frozenset(result.services)
    folded = (_fold_row(row, some, every if all(map(_is_full, some)) else whole) for row, some in there if some)
    return _with_required(folded, result)


def _with_required(rows: Iterable[Folded], result: Result) -> tuple[Folded, ...]:
    required = result.required_samples
    return tuple(replace(row, required=required.get(row.fold.name)) for row in rows)


def _fold_row(row: Fold, outcomes: Sequence[Outcome], full: frozenset[str]) -> Folded:
    by_segment: dict[str, list[tuple[str, Service]]] = {}
    # Of services that are alike that of the shock that is named counts.
    worst = min(outcomes, key=urgency)
    for outcome in [worst, *outcomes]:
        for d, service in outcome.segments.items():
            by_segment.setdefault(d, []).append((outcome.name, service))
    segments = {d: some[weakest_of([each for _, each in some])] for d, some in by_segment.items()}
    return Folded(
        fold=row,
        worst=worst,
        failed=sum(outcome.fails for outcome in outcomes),
        excused=sum(outcome.excused for outcome in outcomes),
        segments=segments,
        partial=frozenset(
            d for d, (_, service) in segments.items() if d not in full and _may_be_weaker(outcomes, d, service)
        ),
        full=full,
    )


def _may_be_weaker(outcomes: Iterable[Outcome], d: str, service: Service) -> bool:
    """Whether a segment that some shock does not name may be weaker in it: that shock's weakest has to be."""
    least = weakness([service])
    others = (outcome for outcome in outcomes if d not in outcome.segments and not _is_full(outcome))
    return service.worst_service > 0 and any(weakness(list(each.segments.values())) < least for each in others)


def _is_full(outcome: Outcome) -> bool:
    """Whether all demand is served: a shock names its weakest segment."""
    return bool(outcome.segments) and all(service.is_full for service in outcome.segments.values())


def worst_rows(rows: Sequence[Folded], most: int) -> tuple[Folded, ...]:
    """At most so many rows, those of the worst shocks, in the order in which they were."""
    ordered = sorted(rows, key=lambda row: urgency(row.worst))
    kept = {row.fold.name for row in ordered[:most]}
    return tuple(row for row in rows if row.fold.name in kept)


def shortages(outcome: Outcome) -> Mapping[str, float]:
    """By segment that goes short in a shock, t unserved over the window, as far as that is known."""
    if outcome.unserved is not None:
        return outcome.unserved
    return {d: each.shortage for d, each in outcome.segments.items() if each.shortage > 0}


def is_known(instance: Instance, outcome: Outcome) -> bool:
    """Whether all that a shock leaves unserved is known; it is nothing where its weakest segment is served in full."""
    if outcome.flows is not None or outcome.unserved is not None:
        return True
    services = outcome.segments
    return services.keys() >= instance.demands.keys() or any(each.is_full for each in services.values())


def unserved_tonnes(outcome: Outcome) -> float:
    """What a shock leaves unserved, t, whether floors hold or not."""
    return sum(shortages(outcome).values())


def unserved_money(instance: Instance, outcome: Outcome) -> float:
    """The same at shortage cost, money."""
    return sum(instance.demands[d].shortage_cost * tonnes for d, tonnes in shortages(outcome).items())


def most_unserved(instance: Instance, result: Result) -> float:
    """What goes unserved in the worst shock, at shortage cost, money."""
    return max((unserved_money(instance, each) for each in result.shocks), default=0.0)


def shown_gap(result: Result) -> float:
    """The worst gap as it reads: those that differ by less are alike."""
    return significant(result.worst_gap, 3)


def hardest_future(futures: Iterable[tuple[FutureResult, Instance]]) -> FutureResult:
    """The future with the worst shock: of those that fail the largest gap, else where most goes unserved."""
    there = [(future, instance) for future, instance in futures if future.result.shocks]
    return max(there, key=lambda pair: (shown_gap(pair[0].result), most_unserved(pair[1], pair[0].result)))[0]
