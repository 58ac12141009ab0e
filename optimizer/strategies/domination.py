"""Shocks that need no answer, since another one is at least as bad whatever the plan.

A shock is **dominated** by another that starts in the same period, lasts at least as long, and in every period cuts
every activity at least as much, in all and by what no leverage restrains, asks for no less, and has no lower floors and
no better partnerships. Whatever survives the worse one survives it too: cutting the other's answer to the window (and
scaling it with the demand) is an answer to this one. Leverage and partnerships cannot turn this round, for what they
give back of a cut never exceeds the capacity that was there.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optimizer.instance.paths import together
from optimizer.instance.schema import Instance
from optimizer.shocks import Path, Shock
from optimizer.solver import Vector

# Shocks of one start that each other one is compared with: the worst of them, by sum.
COMPARED = 60


def dominators(instance: Instance) -> npt.NDArray[np.intp]:
    """By shock, the number of one that dominates it, itself never dominated; −1 where none is known."""
    result = np.full(len(instance.events), -1, dtype=np.intp)
    by_start: dict[int, list[int]] = {}
    for number, shock in enumerate(instance.events):
        by_start.setdefault(shock.periods.start, []).append(number)
    rows = badness(instance, instance.events)
    for some in by_start.values():
        numbers, worse = np.array(some, dtype=np.intp), compared(rows[some])
        result[numbers] = np.where(worse < 0, -1, numbers[worse])
    return result


def compared(rows: Vector) -> npt.NDArray[np.intp]:
    """Of shocks of one start, by place, the place of one that dominates it, itself never dominated; −1 where none is.

    Each is held against the worst that no other dominates; `rows` is what `badness` says of them.
    """
    result, front = np.full(len(rows), -1, dtype=np.intp), list[int]()
    for place in np.argsort(-rows.sum(axis=1), kind="stable").tolist():
        worse = (rows[front] >= rows[place]).all(axis=1) if front else np.zeros(0, dtype=bool)
        if worse.any():
            result[place] = front[int(np.argmax(worse))]
        elif len(front) < COMPARED:
            front.append(place)
    return result


def badness(instance: Instance, shocks: Sequence[Shock]) -> Vector:
    """One row a shock, comparable where the start is the same: more is worse in every column, 0 after the window.

    Of shocks that strike together, with one window and nothing but cuts, the row is the largest of theirs.
    """
    longest = max((len(shock.periods) for shock in shocks), default=0)
    names = sorted(instance.activities)
    width = longest * (2 * len(names) + 2 * len(instance.demands)) + len(instance.options) + 1
    result = np.zeros((len(shocks), width))
    for length in {len(shock.periods) for shock in shocks}:
        numbers = [n for n, shock in enumerate(shocks) if len(shock.periods) == length]
        path = together(instance, [shocks[n] for n in numbers])
        result[numbers] = _rows(instance, path, names, len(numbers), longest)
    return result[:, np.ptp(result, axis=0) > 0] if len(result) else result


def _rows(instance: Instance, path: Path, names: Sequence[str], size: int, longest: int) -> Vector:
    columns = [np.full(size, float(len(path.periods)))]
    after = [np.zeros(size)] * (longest - len(path.periods))
    for name in names:
        lost = [path.lost(name, t) for t in path.periods]
        unrestrained = [np.where(path.deliberate, path.mishap(name, t), path.cut(name, t)) for t in path.periods]
        for profile in (lost, unrestrained):
            columns += [np.broadcast_to(number, size) for number in profile] + after
    for d in instance.demands:
        for numbers in (path.demand[d], path.floor[d]):
            columns += [np.broadcast_to(number, size) for number in numbers] + after
    for o, option in instance.options.items():
        reliability = path.reliability.get(o, getattr(option, "reliability", 0.0))
        columns.append(np.broadcast_to(-np.asarray(reliability), size))
    return np.array(columns).T
