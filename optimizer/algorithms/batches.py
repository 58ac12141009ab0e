"""Batches of shocks: requests to solve the recourse of some of them, and responses.

A batch is fixed by the instance and starts from a basis that comes with the request: every worker, in whatever order,
finds the same numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer.instance.schema import Instance
from optimizer.results.plan import ManyFlows
from optimizer.solver import Basis, Integers, Vector

RecourseTask = Literal[
    "gaps", "best", "served", "subgradients of gaps", "subgradients of costs", "subgradients without valid rows"
]
# Shocks in a batch: enough to make the first, which starts from another plan's basis, count for little.
BATCH_SIZE = 64


@dataclass(frozen=True)
class ShockBatch:
    """A batch: some of the shocks of one window length, by their numbers among all events of the instance."""

    length: int
    events: Integers


@dataclass(frozen=True)
class BatchRequest:
    """A request to solve the recourse of a batch.

    Attributes:
        batch: its number.
        task: least gaps; the best operation, the one that serves most, or gaps or costs with their subgradients in the
            linking terms.
        events: which of its shocks, by number among all events.
        linking: the linking terms under the plan, as `TechnologyMatrix.linking_terms` gives them.
        gap_limits: by shock, a gap in money that is known to be attainable, for ``best`` and ``served``; 0 where all
            floors are kept, nan to have it found. For ``subgradients of costs``, the gap that the shock may leave;
            nan, and where it is left out, to keep its floors.
        basis: where to start.
        future: the number of the future whose shocks they are.
        groups: by shock, the group whose subgradients are summed.
        weights: by shock, of its value and subgradients.
        flows: whether ``best`` returns all operation, not the unserved demand alone; for ``gaps``, whether it returns
            unserved demand.
    """

    batch: int
    task: RecourseTask
    events: Integers
    linking: Vector
    basis: Basis | None = None
    future: int = 0
    gap_limits: Vector = field(default_factory=lambda: np.zeros(0))
    groups: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    weights: Vector = field(default_factory=lambda: np.zeros(0))
    flows: bool = False


@dataclass(frozen=True)
class BatchResponse:
    """The response to a request, in the order of its shocks.

    Attributes:
        gap: in money.
        fails: whether some segment falls noticeably below its floor.
        cost: discounted operating and shortage cost of the window, in ``served`` that of going short alone; empty where
            it was not requested.
        unserved: t, by shock, segment and period of the window; empty where it was not requested.
        flows: all operation; None where it was not requested.
        cuts: by group, its value and its subgradient in the linking terms.
        by_gap: by shock, the derivative of its cost in its gap limit; empty where none is.
        basis: for the next time.
        seconds: in the solver.
    """

    events: Integers
    gap: Vector
    fails: npt.NDArray[np.bool_]
    basis: Basis
    seconds: float
    cost: Vector = field(default_factory=lambda: np.zeros(0))
    unserved: Vector = field(default_factory=lambda: np.zeros((0, 0, 0)))
    flows: ManyFlows | None = None
    cuts: dict[int, tuple[float, Vector]] = field(default_factory=dict)
    by_gap: Vector = field(default_factory=lambda: np.zeros(0))


def batches(instance: Instance) -> list[ShockBatch]:
    """The shocks in batches of one window length; like beside like, so that a basis serves the next.

    Alike are shocks that strike the same, then those that begin at the same time.
    """
    by_length: dict[int, list[int]] = {}
    for number, shock in enumerate(instance.events):
        by_length.setdefault(len(shock.periods), []).append(number)
    return [
        ShockBatch(length, part) for length, events in sorted(by_length.items()) for part in _parts(instance, events)
    ]


def _parts(instance: Instance, events: list[int]) -> Iterator[Integers]:
    def like(number: int) -> tuple[Any, ...]:
        event = instance.events[number]
        aims = [
            (each.region or (), each.stage or (), each.process or (), each.commodity or ()) for each in event.spec.cuts
        ]
        return aims, event.periods.start, [max(cut.severity) for cut in event.spec.cuts], number

    ordered = sorted(events, key=like)
    for first in range(0, len(ordered), BATCH_SIZE):
        yield np.array(ordered[first : first + BATCH_SIZE], dtype=np.intp)
