"""From shocks to the paths that operation takes.

baseline    the path without disruptions
alone       one shock
together    many shocks with windows of one length: every number an array, one for each shock
steady      states that last from one period on: nothing but cuts happens in them

A shock is **dominated** by another, and needs no check, where that starts in the same period, lasts at least as long,
and in every period cuts every activity at least as much, both in all and by what no leverage restrains, has at least as
much demand, floors at least as high, and partnerships no more reliable. The recourse in the dominating shock, cut to
the window, is feasible in the dominated one: service and substitution are scaled with the demand, activities and
releases stay. Leverage and partnerships cannot reverse this, for what they restore of a cut never exceeds the capacity
that was there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.disruptions.path import BASELINE, Number, Numbers, Path
from optimizer.disruptions.shock import ActivitySelector, Cut, PermanentCuts, Shock, ShockSpec
from optimizer.network.process import Activity

if TYPE_CHECKING:
    from optimizer.instance.schema import Instance

_Vector = npt.NDArray[np.float64]
# Undominated shocks of one start, the worst by sum, with which each other one is compared: at most this many.
MOST_COMPARED = 60
FIELDS = ("process", "commodity", "stage", "region")


class ActivityIndex:
    """The activities of an instance by name, output, stage and region.

    The names that a field of a cut lists are looked up; those of the field with the fewest are compared with the other
    fields. The time for a cut grows with the activities that it affects, however many activities there are.
    """

    def __init__(self, activities: Mapping[str, Activity]) -> None:
        self._activities = activities
        self._order = {name: i for i, name in enumerate(activities)}
        self._by: dict[str, dict[str, list[str]]] = {field: {} for field in FIELDS}
        for name, activity in activities.items():
            for field in FIELDS:
                for value in _values(name, activity, field):
                    self._by[field].setdefault(value, []).append(name)

    def matching(self, selector: ActivitySelector) -> list[str]:
        """The activities that match all the fields of a selector, in the order of the file; all of them without any."""
        return sorted(dict.fromkeys(self._each(selector)), key=self._order.__getitem__)

    def has_match(self, selector: ActivitySelector) -> bool:
        """Whether any activity matches all the fields of a selector."""
        return next(self._each(selector), None) is not None

    def _each(self, selector: ActivitySelector) -> Iterator[str]:
        given = {field: frozenset(names) for field in FIELDS if (names := getattr(selector, field)) is not None}
        if not given:
            yield from self._activities
            return
        first = min(given, key=lambda field: sum(map(len, self._lists(field, given[field]))))
        others = [(field, values) for field, values in given.items() if field != first]
        for name in chain.from_iterable(self._lists(first, given[first])):
            activity = self._activities[name]
            if all(not values.isdisjoint(_values(name, activity, field)) for field, values in others):
                yield name

    def _lists(self, field: str, values: Iterable[str]) -> list[list[str]]:
        """For each of some values, the activities that have it in a field."""
        return [self._by[field].get(value, []) for value in values]


class SplitCuts(NamedTuple):
    """Cuts by whether leverage restrains them.

    Where all are deliberate or none is, `cuts` holds all of them, and `deliberate` says which. Where some are, `cuts`
    holds these, and `accidents` the others.
    """

    deliberate: bool
    cuts: tuple[Cut, ...]
    accidents: tuple[Cut, ...] = ()


def split_cuts(cuts: tuple[Cut, ...], *, deliberate: bool) -> SplitCuts:
    """Cuts by whether they are deliberate; `deliberate` holds for those that do not say."""
    own = [deliberate if cut.deliberate is None else cut.deliberate for cut in cuts]
    if all(own) or not any(own):
        return SplitCuts(own[0] if own else deliberate, cuts)
    chosen = tuple(cut for cut, is_deliberate in zip(cuts, own, strict=True) if is_deliberate)
    return SplitCuts(
        True, chosen, tuple(cut for cut, is_deliberate in zip(cuts, own, strict=True) if not is_deliberate)
    )


def _values(name: str, activity: Activity, field: str) -> tuple[str, ...]:
    """What an activity has in a field of a cut: its own name, its outputs, its stage or its region."""
    if field == "process":
        return (name,)
    if field == "commodity":
        return tuple(activity.output)
    value = getattr(activity, field)
    return () if value is None else (value,)


MANY = "shocks"
_NO_SHOCK = ShockSpec.model_construct(start=(), months=0.0)


def baseline_path(instance: "Instance") -> Path:
    """The path on which nothing happens."""
    periods = instance.horizon.periods
    years = tuple(instance.horizon.year(t) for t in periods)
    return _path(instance, BASELINE, periods, years, [_NO_SHOCK], [{}, {}])


def shock_path(instance: "Instance", shock: Shock) -> Path:
    """The path inside one shock's window."""
    years = tuple(instance.horizon.year(t) for t in shock.periods)
    lost = [{name: tuple(rows[0].tolist()) for name, rows in some.items()} for some in _severities(instance, [shock])]
    return _path(instance, shock.name, shock.periods, years, [shock.spec], lost)


def shared_path(instance: "Instance", shocks: Sequence[Shock]) -> Path:
    """One path for shocks whose windows are equally long; its periods count from the start of the windows."""
    (length,) = {len(shock.periods) for shock in shocks}
    starts = np.array([shock.periods.start for shock in shocks])
    years = tuple(instance.horizon.start + (starts + k) // instance.horizon.per_year for k in range(length))
    return _path(instance, MANY, range(length), years, [shock.spec for shock in shocks], _many(instance, shocks))


def steady_path(
    instance: "Instance",
    key: str,
    t: int,
    delta: float,
    disruptions: Sequence[PermanentCuts],
    lasts: float | _Vector = 0.0,
) -> Path:
    """One path for states that last `delta` years from the start of period t: demand and floors are the usual ones.

    What works is frozen as it is in t; stocks are those of the period before. Restarts count by their mean over `lasts`
    years, a number or one for each state; with 0 as on the first day.
    """
    # A copy of what is valid: to construct one without validation looks at every default again.
    specs = [_NO_SHOCK.model_copy(update={"cuts": cuts.cuts, "deliberate": cuts.deliberate}) for cuts in disruptions]
    shocks = [Shock(key, spec, range(t, t + 1), 0.0, key, 1) for spec in specs]
    years = (instance.horizon.year(t),)
    path = _path(instance, key, range(t, t + 1), years, specs, _many(instance, shocks), delta)
    return replace(path, is_steady=True, lasts=lasts)


def _path(
    instance: "Instance",
    key: str,
    periods: range,
    years: tuple[Any, ...],
    specs: Sequence[ShockSpec],
    lost: Sequence[Mapping[str, Numbers]],
    delta: float | None = None,
) -> Path:
    delta, demands = delta or instance.horizon.delta, instance.demands
    surge = _by_name(specs, lambda spec: spec.demand, dict.fromkeys(demands, 1.0))
    return Path(
        key=key,
        periods=periods,
        delta=delta,
        years=years,
        deliberate=_one([split_cuts(spec.cuts, deliberate=spec.deliberate).deliberate for spec in specs]) > 0,
        demand={
            d: tuple(_one(demand.quantity.at(year) * delta * surge.get(d, 1.0)) for year in years)
            for d, demand in demands.items()
        },
        floor={} if key == BASELINE else _floors(instance, specs, years),
        capacity={
            p: tuple(_one(each.capacity.at(year) * delta) for year in years) for p, each in instance.processes.items()
        },
        region={p: process.region for p, process in instance.processes.items()},
        severity=lost[0],
        accident=lost[1],
        scrap=_scrap(instance, years, delta),
        multiplier=_by_name(specs, lambda spec: spec.cost, {}),
        reliability=_by_name(specs, lambda spec: spec.reliability, _own_reliability(instance)),
    )


def _own_reliability(instance: "Instance") -> dict[str, float]:
    """By option the share that a shock's would replace; 1 where it has none, and no shock may name it."""
    return {o: getattr(option, "reliability", 1.0) for o, option in instance.options.items()}


def _one(numbers: Any) -> Any:
    """The number that all of an array are; the array where they differ."""
    if isinstance(numbers, (int, float)):
        return float(numbers)
    if isinstance(numbers, list) and len(numbers) == 1:
        return float(numbers[0])
    array = np.asarray(numbers, dtype=np.float64)
    return float(array.flat[0]) if array.size and np.all(array == array.flat[0]) else array


def _by_name(
    specs: Sequence[ShockSpec], part: Callable[[ShockSpec], Mapping[str, float]], default: Mapping[str, float]
) -> dict[str, Number]:
    """A field of many shocks: for every name in any of them, its number, or an array of one for each shock."""
    named = {name for spec in specs for name in part(spec)}
    return {name: _one([part(spec).get(name, default.get(name, 1.0)) for spec in specs]) for name in sorted(named)}


def _floors(instance: "Instance", specs: Sequence[ShockSpec], years: Iterable[Any]) -> dict[str, Numbers]:
    """By segment its floor in each year: that of the shock where it has one, else the segment's own."""
    floors = dict[str, Numbers]()
    for d, demand in instance.demands.items():
        given = [spec.survival.get(d) for spec in specs]
        usual = [demand.survival.at(year) for year in years]
        if any(floor is not None for floor in given):
            own = np.array([np.nan if floor is None else floor for floor in given])
            usual = [np.where(np.isnan(own), floor, own) for floor in usual]
        floors[d] = tuple(map(_one, usual))
    return floors


def _scrap(instance: "Instance", years: Iterable[Any], delta: float) -> dict[str, Numbers]:
    return {
        d: tuple(_one(demand.scrap(instance.horizon, year, delta)) for year in years)
        for d, demand in instance.demands.items()
        if demand.end_of_life
    }


def _many(instance: "Instance", shocks: Sequence[Shock]) -> list[dict[str, Numbers]]:
    """What is lost in many shocks, a number or an array for each period of their windows."""
    return [{name: tuple(map(_one, rows.T)) for name, rows in some.items()} for some in _severities(instance, shocks)]


def _severities(instance: "Instance", shocks: Sequence[Shock]) -> list[dict[str, npt.NDArray[np.float64]]]:
    """The shares lost to the cuts that `Path.deliberate` describes, and those lost to accidents beside them."""
    parts = [split_cuts(shock.spec.cuts, deliberate=shock.spec.deliberate) for shock in shocks]
    shape = (len(shocks), len(shocks[0].periods))
    return [_struck(instance, some, shape) for some in ([p.cuts for p in parts], [p.accidents for p in parts])]


def _struck(
    instance: "Instance", cuts: Sequence[Sequence[Cut]], shape: tuple[int, int]
) -> dict[str, npt.NDArray[np.float64]]:
    """By activity that some cut matches: the largest severity, one row a shock and one column a period."""
    kinds: dict[tuple[Any, ...], npt.NDArray[np.float64]] = {}
    for s, some in enumerate(cuts):
        for cut in some:
            rows = kinds.setdefault((cut.region, cut.stage, cut.process, cut.commodity), np.full(shape, -1.0))
            rows[s] = np.maximum(rows[s], [cut.at(k) for k in range(shape[1])])
    struck: dict[str, npt.NDArray[np.float64]] = {}
    for (region, stage, process, commodity), rows in kinds.items():
        selector = ActivitySelector.model_construct(region=region, stage=stage, process=process, commodity=commodity)
        for name in instance.activity_index.matching(selector):
            struck[name] = np.maximum(struck[name], rows) if name in struck else rows
    return {name: np.maximum(rows, 0.0) for name, rows in struck.items()}


def dominators(instance: "Instance") -> npt.NDArray[np.intp]:
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

    def __init__(self, instance: "Instance", numbers: range) -> None:
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


def compared(rows: _Vector) -> npt.NDArray[np.intp]:
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


def exposure(instance: "Instance", shocks: Sequence[Shock], shared: Callable[[int], Path] | None = None) -> _Vector:
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


def _columns(instance: "Instance", path: Path, varied: _VariedFields) -> dict[tuple[str, str, int], Any]:
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
    usual = _own_reliability(instance)
    for o in varied.reliability:
        result["reliability", o, 0] = -np.asarray(path.reliability.get(o, usual[o]))
    return result
