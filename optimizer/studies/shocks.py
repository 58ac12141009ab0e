"""Rows of shocks in tables, and the demand that shocks leave unserved.

A family or an ensemble is one row, represented by its worst shock; every other shock has its own row. A `ShockRow` is
the set of shocks that share a row, and a `RowOutcome` adds their outcome under a plan.

Unserved demand counts whether floors hold or not. Shocks that a result keeps as summary lines have their unserved
demand by segment (`Outcome.unserved`). Lines of older plan files lack it: only the segments that they name are known,
so that sums over segments are lower bounds (`is_known`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from optimizer.instance.derived import entry_of, has_floor
from optimizer.instance.schema import Instance
from optimizer.results.futures import FutureResult
from optimizer.results.plan import Outcome, Service
from optimizer.results.result import Result, weakest_of, weakness
from optimizer.units import significant


@dataclass(frozen=True)
class ShockRow:
    """Shocks that share a row."""

    name: str  # name of the family or ensemble in the file, or of the single shock
    shocks: tuple[str, ...]  # names of the shocks, in the order of the instance
    has_floor: bool  # whether a segment has a survival floor above 0 in any of them

    @property
    def is_many(self) -> bool:
        """Whether the row is a family or an ensemble of several shocks."""
        return len(self.shocks) > 1


@dataclass(frozen=True)
class RowOutcome(ShockRow):
    """The shocks of a row under a plan."""

    worst: Outcome  # the outcome with the largest gap; of equal gaps, with the weakest service
    failed: int  # number of shocks that fail and are not allowed to
    excused: int  # number of shocks that fail and are allowed to
    # By segment, the name of a shock and its service: the `weakest` of the services that the shocks name.
    segments: Mapping[str, tuple[str, Service]]
    # Segments that may be weaker in a shock that does not name them. They do not fail in it, and it has a weaker
    # segment.
    partial: frozenset[str]
    full: frozenset[str]  # segments that are served in full in every shock of the row, whether it names them or not
    required: int | None = None  # number of samples to survive, in an ensemble with a required share; else None

    @property
    def survives(self) -> bool:
        """Whether all of the shocks are survived, apart from samples that may fail."""
        return not self.failed

    @property
    def mark(self) -> str:
        """``✓`` if the row survives, ``✗`` if not, ``–`` for a sample that fails and may, and a row without floors."""
        if self.failed:
            return "✗"
        return "–" if not self.has_floor or (self.excused and not self.is_many) else "✓"

    @property
    def worst_word(self) -> str:
        """Label of the worst shock: "tightest" if all shocks are survived, else "worst"."""
        return "worst" if self.failed or self.excused else "tightest"

    @property
    def count_text(self) -> str:
        """Number of shocks and of failures: ``12 shocks``, ``3 of 12 fail``, ``19 of 20 samples, 19 required``."""
        count, lost = len(self.shocks), self.failed + self.excused
        if lost and self.required is not None:
            return f"{count - lost:,} of {count:,} samples, {self.required:,} required"
        return f"{self.failed:,} of {count:,} fail" if lost else f"{count:,} shocks"


def shock_rows(instance: Instance, names: Iterable[str], *, every: bool = False) -> tuple[ShockRow, ...]:
    """Return the rows of shocks: one per family or ensemble and per other shock; with `every`, one per shock."""
    owners = {} if every else {event.name: entry_of(instance, event) for event in instance.events}
    rows: dict[str, list[str]] = {}
    for name in names:
        # The suffix separates a family from a shock of the same name that is not part of it.
        rows.setdefault(f"{owners[name]}@" if name in owners else name, []).append(name)
    return tuple(
        ShockRow(owners[some[0]] if len(some) > 1 else some[0], tuple(some), has_floor(instance, some))
        for some in rows.values()
    )


def urgency(outcome: Outcome) -> tuple[float, float, float]:
    """Return the key that sorts shocks from worst to best: by gap, then by their weakest service."""
    return (-outcome.gap, *weakness(list(outcome.segments.values())))


def row_outcomes(rows: Iterable[ShockRow], result: Result) -> tuple[RowOutcome, ...]:
    """Return the outcomes of rows under a plan, without rows of which the result has no shock."""
    known = {outcome.name: outcome for outcome in result.shocks}
    whole = frozenset(d for d, service in result.services.items() if service.is_full)
    there = [(row, [known[name] for name in row.shocks if name in known]) for row in rows]
    every, required = frozenset(result.services), result.required_samples
    return tuple(
        _row_outcome(row, some, every if all(map(serves_all, some)) else whole, required.get(row.name))
        for row, some in there
        if some
    )


def _row_outcome(row: ShockRow, outcomes: Sequence[Outcome], full: frozenset[str], required: int | None) -> RowOutcome:
    by_segment: dict[str, list[tuple[str, Service]]] = {}
    # The worst shock comes first, so that equal services are attributed to it.
    worst = min(outcomes, key=urgency)
    for outcome in [worst, *outcomes]:
        for d, service in outcome.segments.items():
            by_segment.setdefault(d, []).append((outcome.name, service))
    segments = {d: some[weakest_of([each for _, each in some])] for d, some in by_segment.items()}
    return RowOutcome(
        name=row.name,
        shocks=row.shocks,
        has_floor=row.has_floor,
        worst=worst,
        failed=sum(outcome.fails for outcome in outcomes),
        excused=sum(outcome.excused for outcome in outcomes),
        segments=segments,
        partial=frozenset(
            d for d, (_, service) in segments.items() if d not in full and _may_be_weaker(outcomes, d, service)
        ),
        full=full,
        required=required,
    )


def _may_be_weaker(outcomes: Iterable[Outcome], d: str, service: Service) -> bool:
    """Return whether a segment may be weaker in a shock that does not name it, since that has a weaker segment."""
    least = weakness([service])
    others = (outcome for outcome in outcomes if d not in outcome.segments and not serves_all(outcome))
    return service.worst_service > 0 and any(weakness(list(each.segments.values())) < least for each in others)


def serves_all(outcome: Outcome) -> bool:
    """Return whether a shock serves all demand, which follows from the segments that it names: one is its weakest."""
    return bool(outcome.segments) and all(service.is_full for service in outcome.segments.values())


def worst_rows(rows: Sequence[RowOutcome], most: int) -> tuple[RowOutcome, ...]:
    """Return up to `most` rows, those with the worst shocks, in their original order."""
    ordered = sorted(rows, key=lambda row: urgency(row.worst))
    kept = {row.name for row in ordered[:most]}
    return tuple(row for row in rows if row.name in kept)


def shortages(outcome: Outcome) -> Mapping[str, float]:
    """Return the unserved demand of a shock over its window, t, by segment that goes short, as far as it is known."""
    if outcome.unserved is not None:
        return outcome.unserved
    return {d: each.shortage for d, each in outcome.segments.items() if each.shortage > 0}


def is_known(instance: Instance, outcome: Outcome) -> bool:
    """Return whether a shock's unserved demand is known in full; it is 0 if the weakest segment is served in full."""
    if outcome.flows is not None or outcome.unserved is not None:
        return True
    services = outcome.segments
    return services.keys() >= instance.demands.keys() or any(each.is_full for each in services.values())


def most_exposed(worst: Outcome) -> tuple[str, Service, int]:
    """Return the segment with the largest gap in a shock, its service, and how many segments have a gap."""
    d, service = max(worst.segments.items(), key=lambda item: item[1].gap)
    return d, service, sum(each.gap > 0 for each in worst.segments.values())


def unserved_tonnes(outcome: Outcome) -> float:
    """Return the unserved demand of a shock, t, whether floors hold or not."""
    return sum(shortages(outcome).values())


def unserved_money(instance: Instance, outcome: Outcome) -> float:
    """Return the unserved demand of a shock at shortage cost, money."""
    return sum(instance.demands[d].shortage_cost * tonnes for d, tonnes in shortages(outcome).items())


def most_unserved(instance: Instance, result: Result) -> float:
    """Return the largest unserved demand in one shock, at shortage cost, money."""
    return max((unserved_money(instance, each) for each in result.shocks), default=0.0)


def shown_gap(result: Result) -> float:
    """Return the worst gap as displayed, to three digits, so that gaps that look equal are equal."""
    return significant(result.worst_gap, 3)


def hardest_future(futures: Iterable[tuple[FutureResult, Instance]]) -> FutureResult:
    """Return the future with the largest worst gap; of equal gaps, with the largest unserved demand in one shock."""
    there = [(future, instance) for future, instance in futures if future.result.shocks]
    return max(there, key=lambda pair: (shown_gap(pair[0].result), most_unserved(pair[1], pair[0].result)))[0]
