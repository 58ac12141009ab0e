"""Which shocks dominate others: whoever survives the worse one survives both.

A shock is **dominated** by another, and needs no check, where that starts in the same period, lasts at least as long,
and in every period cuts every activity at least as much, both in all and by what no leverage restrains, has at least as
much demand, floors at least as high, and partnerships no more reliable. The recourse in the dominating shock, cut to
the window, is feasible in the dominated one: service and substitution are scaled with the demand, activities and
releases stay. Leverage and partnerships cannot reverse this, for what they restore of a cut never exceeds the capacity
that was there.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.disruptions.shock import Path, Shock
from optimizer.instance.paths import shared_path
from optimizer.instance.schema import Instance
from optimizer.solver.base import Vector

# Undominated shocks of one start, the worst by sum, with which each other one is compared: at most this many.
MOST_COMPARED = 60


def dominators(instance: Instance) -> npt.NDArray[np.intp]:
    """By shock, the number of one that dominates it, itself never dominated; −1 where none is known."""
    result = np.full(len(instance.events), -1, dtype=np.intp)
    by_start: dict[int, list[int]] = {}
    for number, shock in enumerate(instance.events):
        by_start.setdefault(shock.periods.start, []).append(number)
    rows = exposure(instance, instance.events, instance.shared)
    for some in by_start.values():
        numbers, worse = np.array(some, dtype=np.intp), compared(rows[some])
        result[numbers] = np.where(worse < 0, -1, numbers[worse])
    return result


class SampleOrder:
    """Which samples of an ensemble dominate others; of two that are alike the first dominates.

    Args:
        instance: an instance without questions. numbers: the samples among its events.
    """

    def __init__(self, instance: Instance, numbers: range) -> None:
        self._numbers = np.array(numbers, dtype=np.intp)
        events = [instance.events[n] for n in numbers]
        self._starts = np.array([event.periods.start for event in events])
        self._rows = exposure(instance, events)

    def dominating(self, number: int) -> npt.NDArray[np.intp]:
        """The samples that dominate one, by number among the events."""
        place = number - int(self._numbers[0])
        others = np.flatnonzero((self._starts == self._starts[place]) & (np.arange(len(self._starts)) != place))
        worse = (self._rows[others] >= self._rows[place]).all(axis=1)
        alike = (self._rows[others] == self._rows[place]).all(axis=1)
        found: npt.NDArray[np.intp] = self._numbers[others[worse & (~alike | (others < place))]]
        return found


def compared(rows: Vector) -> npt.NDArray[np.intp]:
    """For shocks of one start, by place, that of one which dominates it, itself never dominated; −1 where none does.

    Each is compared with the worst that no other dominates. `rows` are those of `exposure`.
    """
    result, front = np.full(len(rows), -1, dtype=np.intp), list[int]()
    for place in np.argsort(-rows.sum(axis=1), kind="stable").tolist():
        worse = (rows[front] >= rows[place]).all(axis=1) if front else np.zeros(0, dtype=bool)
        if worse.any():
            result[place] = front[int(np.argmax(worse))]
        elif len(front) < MOST_COMPARED:
            front.append(place)
    return result


def exposure(instance: Instance, shocks: Sequence[Shock], shared: Callable[[int], Path] | None = None) -> Vector:
    """One row a shock, comparable where the start is the same: more is worse in every column, 0 after the window.

    For shocks that strike together, with one window and nothing but cuts, the row is the largest of theirs. `shared`
    returns the path of the shocks of a window length, where it is known.
    """
    varied, by_length = _VariedFields.of(shocks), dict[int, list[int]]()
    for number, shock in enumerate(shocks):
        by_length.setdefault(len(shock.periods), []).append(number)
    parts = []
    for length, numbers in sorted(by_length.items()):
        path = shared(length) if shared else shared_path(instance, [shocks[n] for n in numbers])
        parts.append((numbers, _columns(instance, path, varied)))
    places = {name: at for at, name in enumerate(sorted({name for _, columns in parts for name in columns}))}
    result = np.zeros((len(shocks), len(places)))
    for numbers, columns in parts:
        for name, values in columns.items():
            result[numbers, places[name]] = values
    return result


@dataclass(frozen=True)
class _VariedFields:
    """The names that any of the shocks changes; in all others those of one start are alike."""

    demand: frozenset[str]
    survival: frozenset[str]
    reliability: frozenset[str]

    @classmethod
    def of(cls, shocks: Iterable[Shock]) -> "_VariedFields":
        specs = list({id(shock.spec): shock.spec for shock in shocks}.values())
        return cls(*(frozenset(name for spec in specs for name in getattr(spec, part.name)) for part in fields(cls)))


def _columns(instance: Instance, path: Path, varied: _VariedFields) -> dict[tuple[str, str, int], Any]:
    """By quantity, owner and period of the window: a number, or one for each shock."""
    result: dict[tuple[str, str, int], Any] = {("length", "", 0): float(len(path.periods))}
    for name in {*path.severity, *path.accident}:
        for t in path.periods:
            result["lost", name, t] = path.largest_severity_at(name, t)
            result["unrestrained", name, t] = np.where(
                path.deliberate, path.accidental_severity_at(name, t), path.severity_at(name, t)
            )
    for t in path.periods:
        result |= {("demand", d, t): path.demand_at(d, t) for d in varied.demand}
        result |= {("floor", d, t): path.floor_at(d, t) for d in varied.survival}
    for o in varied.reliability:
        usual = getattr(instance.options[o], "reliability", 0.0)
        result["reliability", o, 0] = -np.asarray(path.reliability.get(o, usual))
    return result
