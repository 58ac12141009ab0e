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
from optimizer.shocks import Path
from optimizer.solver import Vector

# Shocks of one start that each other one is compared with: the worst of them, by sum.
COMPARED = 60


def dominators(instance: Instance) -> npt.NDArray[np.intp]:
    """By shock, the number of one that dominates it, itself never dominated; −1 where none is known."""
    result = np.full(len(instance.events), -1, dtype=np.intp)
    by_start: dict[int, list[int]] = {}
    for number, shock in enumerate(instance.events):
        by_start.setdefault(shock.periods.start, []).append(number)
    badness = _badness(instance)
    for numbers in by_start.values():
        _compare(np.array(numbers, dtype=np.intp), badness[numbers], result)
    return result


def _compare(numbers: npt.NDArray[np.intp], badness: Vector, result: npt.NDArray[np.intp]) -> None:
    """Among shocks of one start: each against the worst that no other dominates."""
    front: list[int] = []
    for place in np.argsort(-badness.sum(axis=1), kind="stable").tolist():
        worse = (badness[front] >= badness[place]).all(axis=1) if front else np.zeros(0, dtype=bool)
        if worse.any():
            result[numbers[place]] = numbers[front[int(np.argmax(worse))]]
        elif len(front) < COMPARED:
            front.append(place)


def _badness(instance: Instance) -> Vector:
    """One row a shock, comparable where the start is the same: more is worse in every column, 0 after the window."""
    events, longest = instance.events, max((len(shock.periods) for shock in instance.events), default=0)
    names = sorted(instance.activities)
    width = longest * (2 * len(names) + 2 * len(instance.demands)) + len(instance.options) + 1
    result = np.zeros((len(events), width))
    for length in {len(shock.periods) for shock in events}:
        numbers = [n for n, shock in enumerate(events) if len(shock.periods) == length]
        path = together(instance, [events[n] for n in numbers])
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
