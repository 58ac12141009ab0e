"""What is scarce where a shock cannot be survived: the prices of its least gap.

A price is what one tonne more would take off the gap: of a commodity in a period, from its balance row; of capacity of
an activity in a period, from its limit, whether that is a row or the bound of its column.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from optimizer.algorithms.subproblems import Desk
from optimizer.algorithms.tasks import Job
from optimizer.instance.schema import Instance
from optimizer.solver import Vector

LIMITS = ("limit", "capacity")
# A price below this share of the dearest one is the solver's dust.
DUST = 1e-6


@dataclass
class Scarcity:
    """The prices of one shock's least gap, in money per tonne, by (owner, offset in the window); only those above 0.

    Attributes:
        commodity: of a tonne more of a commodity.
        capacity: of a tonne more of an activity's capacity.
    """

    commodity: dict[tuple[str, int], float] = field(default_factory=dict)
    capacity: dict[tuple[str, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bottleneck:
    """Where the chain of a segment breaks.

    Attributes:
        commodity: what is short.
        makers: the activities that make it and are at their limit, the dearest capacity first; none where nothing
            makes it, or prices do not tell.
    """

    commodity: str
    makers: tuple[str, ...]


def scarcity(desk: Desk, plan: Vector, numbers: Iterable[int]) -> dict[int, Scarcity]:
    """By number of the shock, its prices under a plan (values of the columns of `plan_stage`)."""
    by_length: dict[int, list[int]] = {}
    for number in sorted(numbers):
        by_length.setdefault(len(desk.instance.events[number].periods), []).append(number)
    offered, result = desk.offers.of(plan), {}
    for length, some in by_length.items():
        found = desk.priced(Job(0, "gaps", np.array(some, dtype=np.intp), offered))
        for i, number in enumerate(some):
            result[number] = _read(desk, length, found.prices[i], found.reduced[i])
    return result


def _read(desk: Desk, length: int, prices: Vector, reduced: Vector) -> Scarcity:
    sheet, result = desk.window(length).skeleton, Scarcity()
    least = DUST * max(np.abs(prices).max(initial=0.0), np.abs(reduced).max(initial=0.0))
    for row, price in zip(sheet.rows, prices.tolist(), strict=True):
        if row.t is not None and row.mark.what == "balance" and price > least:
            result.commodity[row.mark.owner, row.t] = price
        elif row.t is not None and row.mark.what in LIMITS and -price > least:
            result.capacity[row.mark.owner, row.t] = -price
    for column, price in zip(sheet.columns, reduced.tolist(), strict=True):
        if column.mark.what == "activity" and -price > least:
            result.capacity[column.mark.owner, column.t] = -price
    return result


def bottleneck(instance: Instance, scarce: Scarcity, segment: str, offset: int, there: frozenset[str]) -> Bottleneck:
    """Up the chain from what a segment wants, to the first commodity whose makers are at their limit.

    Only makers that are `there` are looked at: an option that nobody bought has not failed.
    """
    commodity, seen = instance.demands[segment].commodity, set[str]()
    while True:
        seen.add(commodity)
        makers = [name for name in instance.activities if name in there and _makes(instance, name, commodity)]
        full = [name for name in makers if (name, offset) in scarce.capacity]
        inputs = {c for name in makers for c in instance.activities[name].input} - seen
        short = {c: scarce.commodity[c, offset] for c in sorted(inputs) if (c, offset) in scarce.commodity}
        if full or not short:
            return Bottleneck(commodity, tuple(sorted(full, key=lambda name: -scarce.capacity[name, offset])))
        commodity = max(short, key=lambda c: short[c])


def _makes(instance: Instance, name: str, commodity: str) -> bool:
    return instance.activities[name].output.get(commodity, 0.0) > 0
