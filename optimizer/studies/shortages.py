"""What shocks leave unserved in all, whether floors hold or not; also those of which a result keeps only a line.

A line says by segment what goes unserved (`Outcome.unserved`). Lines of older plan files do not: of these only the
segments are known that they name, and what is summed over them is a lower bound (`is_known`).
"""

from collections.abc import Iterable, Mapping

from optimizer.instance.schema import Instance
from optimizer.results.futures import FutureResult
from optimizer.results.plan import Outcome
from optimizer.results.result import Result
from optimizer.units import significant


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
