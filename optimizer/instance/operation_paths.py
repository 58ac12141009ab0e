"""The paths on which operation takes place: conditions in the baseline and in shocks.

baseline_path    the path without disruptions
shock_path       the window of one shock
shared_path      many shocks with windows of one length: every number is an array with one value for each shock
steady_path      permanent cuts from one period on, without any other change

A shock is **dominated** by another one, and needs no check, if the other one starts in the same period, lasts at least
as long, and in every period has cuts at least as severe for every activity (in total, and counting only cuts that
leverage does not restrain), demand and floors at least as high, and options no more reliable. The recourse of the
dominating shock, restricted to the window, is feasible in the dominated one: service and substitution are scaled with
the demand, activities and releases stay. Levers that are `is_monotone` cannot reverse this, since they never restore
more capacity than a cut has taken; with any other lever, no shock counts as dominated.
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
# Each shock is compared with at most this many undominated shocks of the same start, those with the largest sums.
MOST_COMPARED = 60
FIELDS = ("process", "commodity", "stage", "region")


class ActivityIndex:
    """An index of the activities of an instance by name, output, stage and region.

    A cut is matched by looking up the field that fewest activities match, and testing these against the other fields.
    The time for a cut thus grows with the activities that match this field, not with all activities.
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
        """Return the activities that match every field of a selector, in file order; all of them if it has no field."""
        return sorted(dict.fromkeys(self._each_match(selector)), key=self._order.__getitem__)

    def has_match(self, selector: ActivitySelector) -> bool:
        """Return whether any activity matches every field of a selector."""
        return next(self._each_match(selector), None) is not None

    def unmatched_names(self, selector: ActivitySelector) -> Iterator[tuple[str, str]]:
        """Yield each name in the lists of a selector, with its field, that no activity has.

        A name that fits no activity together with the other fields is no mistake: a list of goods under licence also
        names those that the region does not sell.
        """
        for field in FIELDS:
            names = getattr(selector, field) or ()
            for name in names if len(names) > 1 else ():
                if not any(self._activities_with(field, [name])):
                    yield field, name

    def _each_match(self, selector: ActivitySelector) -> Iterator[str]:
        given = {field: frozenset(names) for field in FIELDS if (names := getattr(selector, field)) is not None}
        if not given:
            yield from self._activities
            return
        first = min(given, key=lambda field: sum(map(len, self._activities_with(field, given[field]))))
        others = [(field, values) for field, values in given.items() if field != first]
        for name in chain.from_iterable(self._activities_with(first, given[first])):
            activity = self._activities[name]
            if all(not values.isdisjoint(_values(name, activity, field)) for field, values in others):
                yield name

    def _activities_with(self, field: str, values: Iterable[str]) -> list[list[str]]:
        """Return, for each value, the activities that have it in a field."""
        return [self._by[field].get(value, []) for value in values]


class SplitCuts(NamedTuple):
    """The cuts of a shock, split by whether they are deliberate; leverage restrains only deliberate cuts.

    If all cuts are deliberate or none is, `cuts` holds all of them and `deliberate` says which. Otherwise `cuts` holds
    the deliberate ones and `accidents` the others.
    """

    deliberate: bool
    cuts: tuple[Cut, ...]
    accidents: tuple[Cut, ...] = ()


def split_cuts(cuts: tuple[Cut, ...], *, deliberate: bool) -> SplitCuts:
    """Split cuts by whether they are deliberate; `deliberate` is the default of cuts without a value of their own."""
    own = [deliberate if cut.deliberate is None else cut.deliberate for cut in cuts]
    if all(own) or not any(own):
        return SplitCuts(own[0] if own else deliberate, cuts)
    chosen = tuple(cut for cut, is_deliberate in zip(cuts, own, strict=True) if is_deliberate)
    accidents = tuple(cut for cut, is_deliberate in zip(cuts, own, strict=True) if not is_deliberate)
    return SplitCuts(True, chosen, accidents)


def _values(name: str, activity: Activity, field: str) -> tuple[str, ...]:
    """Return the values of an activity for a field of a cut: its name, outputs, stage or region."""
    if field == "process":
        return (name,)
    if field == "commodity":
        return tuple(activity.output)
    value = getattr(activity, field)
    return () if value is None else (value,)


MANY = "shocks"
_NO_SHOCK = ShockSpec.model_construct(start=(), months=0.0)


def baseline_path(instance: "Instance") -> Path:
    """Build the path without any disruption."""
    periods = instance.horizon.periods
    years = tuple(instance.horizon.year(t) for t in periods)
    return _build_path(instance, BASELINE, periods, years, [_NO_SHOCK], [{}, {}])


def shock_path(instance: "Instance", shock: Shock) -> Path:
    """Build the path in the window of one shock."""
    years = tuple(instance.horizon.year(t) for t in shock.periods)
    severities = [
        {name: tuple(rows[0].tolist()) for name, rows in shares.items()} for shares in _severities(instance, [shock])
    ]
    return _build_path(instance, shock.name, shock.periods, years, [shock.spec], severities)


def shared_path(instance: "Instance", shocks: Sequence[Shock]) -> Path:
    """Build one path for shocks with windows of equal length; its periods count from the start of each window."""
    (length,) = {len(shock.periods) for shock in shocks}
    starts = np.array([shock.periods.start for shock in shocks])
    years = tuple(instance.horizon.start + (starts + k) // instance.horizon.per_year for k in range(length))
    return _build_path(
        instance, MANY, range(length), years, [shock.spec for shock in shocks], _severity_maps(instance, shocks)
    )


def steady_path(
    instance: "Instance",
    key: str,
    t: int,
    delta: float,
    disruptions: Sequence[PermanentCuts],
    lasts: float | _Vector = 0.0,
) -> Path:
    """Build one path for permanent cuts over `delta` years from the start of period t, one state for each disruption.

    Demand, floors and working capacities are frozen as in t; stocks are those of the period before. Restarts count by
    their mean over `lasts` years, one number or one for each state; 0 means as on the first day.
    """
    # Copying a valid entry is faster than constructing one, which evaluates every default again.
    specs = [_NO_SHOCK.model_copy(update={"cuts": cuts.cuts, "deliberate": cuts.deliberate}) for cuts in disruptions]
    shocks = [Shock(key, spec, range(t, t + 1), 0.0, key, 1) for spec in specs]
    years = (instance.horizon.year(t),)
    path = _build_path(instance, key, range(t, t + 1), years, specs, _severity_maps(instance, shocks), delta)
    return replace(path, is_steady=True, lasts=lasts)


def _build_path(
    instance: "Instance",
    key: str,
    periods: range,
    years: tuple[Any, ...],
    specs: Sequence[ShockSpec],
    severities: Sequence[Mapping[str, Numbers]],
    delta: float | None = None,
) -> Path:
    delta, demands = delta or instance.horizon.delta, instance.demands
    surge = _by_name(specs, lambda spec: spec.demand, dict.fromkeys(demands, 1.0))
    return Path(
        key=key,
        periods=periods,
        delta=delta,
        years=years,
        deliberate=_compress([split_cuts(spec.cuts, deliberate=spec.deliberate).deliberate for spec in specs]) > 0,
        demand={
            d: tuple(_compress(demand.quantity.at(year) * delta * surge.get(d, 1.0)) for year in years)
            for d, demand in demands.items()
        },
        floor={} if key == BASELINE else _floors(instance, specs, years),
        capacity={
            p: tuple(_compress(each.capacity.at(year) * delta) for year in years)
            for p, each in instance.processes.items()
        },
        region={p: process.region for p, process in instance.processes.items()},
        severity=severities[0],
        accident=severities[1],
        scrap=_scrap(instance, years, delta),
        multiplier=_by_name(specs, lambda spec: spec.cost, {}),
        reliability=_by_name(specs, lambda spec: spec.reliability, _own_reliability(instance)),
    )


def _own_reliability(instance: "Instance") -> dict[str, float]:
    """Return each option's own reliability, which a shock may replace; 1 for options that have none."""
    return {o: getattr(option, "reliability", 1.0) for o, option in instance.options.items()}


def _compress(numbers: Any) -> Any:
    """Return the common value of all elements as a float, or the array if they differ."""
    if isinstance(numbers, (int, float)):
        return float(numbers)
    if isinstance(numbers, list) and len(numbers) == 1:
        return float(numbers[0])
    array = np.asarray(numbers, dtype=np.float64)
    return float(array.flat[0]) if array.size and np.all(array == array.flat[0]) else array


def _by_name(
    specs: Sequence[ShockSpec], part: Callable[[ShockSpec], Mapping[str, float]], default: Mapping[str, float]
) -> dict[str, Number]:
    """Return a field of many shocks, by every name in any of them: one number, or an array with one for each shock."""
    named = {name for spec in specs for name in part(spec)}
    return {name: _compress([part(spec).get(name, default.get(name, 1.0)) for spec in specs]) for name in sorted(named)}


def _floors(instance: "Instance", specs: Sequence[ShockSpec], years: Iterable[Any]) -> dict[str, Numbers]:
    """Return the floor of each segment in each year: that of the shock if it sets one, else the segment's own."""
    floors = dict[str, Numbers]()
    for d, demand in instance.demands.items():
        given = [spec.survival.get(d) for spec in specs]
        usual = [demand.survival.at(year) for year in years]
        if any(floor is not None for floor in given):
            own = np.array([np.nan if floor is None else floor for floor in given])
            usual = [np.where(np.isnan(own), floor, own) for floor in usual]
        floors[d] = tuple(map(_compress, usual))
    return floors


def _scrap(instance: "Instance", years: Iterable[Any], delta: float) -> dict[str, Numbers]:
    return {
        d: tuple(_compress(demand.scrap(instance.horizon, year, delta)) for year in years)
        for d, demand in instance.demands.items()
        if demand.end_of_life
    }


def _severity_maps(instance: "Instance", shocks: Sequence[Shock]) -> list[dict[str, Numbers]]:
    """Return the two results of `_severities` with a number or an array (over shocks) for each period of the window."""
    compressed = dict[int, Numbers]()
    maps = _severities(instance, shocks)
    for rows in (rows for shares in maps for rows in shares.values()):
        if id(rows) not in compressed:
            compressed[id(rows)] = tuple(map(_compress, rows.T))
    return [{name: compressed[id(rows)] for name, rows in shares.items()} for shares in maps]


def _severities(instance: "Instance", shocks: Sequence[Shock]) -> list[dict[str, npt.NDArray[np.float64]]]:
    """Return the shares lost to the main cuts (`Path.severity`) and to the accidents beside them (`Path.accident`)."""
    parts = [split_cuts(shock.spec.cuts, deliberate=shock.spec.deliberate) for shock in shocks]
    shape = (len(shocks), len(shocks[0].periods))
    both = ([part.cuts for part in parts], [part.accidents for part in parts])
    return [_largest_severities(instance, cuts, shape) for cuts in both]


def _largest_severities(
    instance: "Instance", cuts: Sequence[Sequence[Cut]], shape: tuple[int, int]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the largest severity for each activity matched by a cut: one row per shock, one column per period."""
    kinds: dict[tuple[Any, ...], npt.NDArray[np.float64]] = {}
    for s, own in enumerate(cuts):
        for cut in own:
            rows = kinds.setdefault((cut.region, cut.stage, cut.process, cut.commodity), np.full(shape, -1.0))
            rows[s] = np.maximum(rows[s], [cut.at(k) for k in range(shape[1])])
    matched = dict[str, list[tuple[Any, ...]]]()
    for region, stage, process, commodity in kinds:
        selector = ActivitySelector.model_construct(region=region, stage=stage, process=process, commodity=commodity)
        for name in instance.activity_index.matching(selector):
            matched.setdefault(name, []).append((region, stage, process, commodity))
    # Activities that the same cuts match share an array: with thousands of shocks, one for each would need much memory.
    joint = {tuple(own): np.maximum.reduce([kinds[kind] for kind in own]).clip(0.0) for own in matched.values()}
    return {name: joint[tuple(own)] for name, own in matched.items()}


def dominators(instance: "Instance") -> npt.NDArray[np.intp]:
    """Return, for each shock, the number of an undominated shock that dominates it; −1 if none is known."""
    result = np.full(len(instance.events), -1, dtype=np.intp)
    if not is_monotone(instance):
        return result
    by_start: dict[int, list[int]] = {}
    for number, shock in enumerate(instance.events):
        by_start.setdefault(shock.periods.start, []).append(number)
    rows = exposure(instance, instance.events, instance.shared)
    for members in by_start.values():
        numbers, worse = np.array(members, dtype=np.intp), dominating_places(rows[members])
        result[numbers] = np.where(worse < 0, -1, numbers[worse])
    return result


def is_monotone(instance: "Instance") -> bool:
    """Return whether every option is monotone: larger cuts and fewer purchases never help in a shock."""
    return all(option.is_monotone for option in instance.options.values())


class SampleOrder:
    """The order of dominance among the samples of an ensemble; of two equal samples the first dominates.

    Args:
        instance: an instance without questions.
        numbers: the numbers of the samples among the events of the instance.
    """

    def __init__(self, instance: "Instance", numbers: range) -> None:
        self._numbers = np.array(numbers, dtype=np.intp)
        events = [instance.events[n] for n in numbers]
        self._starts = np.array([event.periods.start for event in events])
        self._rows, self._is_monotone = exposure(instance, events), is_monotone(instance)

    def dominating(self, number: int) -> npt.NDArray[np.intp]:
        """Return the numbers (among the events) of the samples that dominate sample `number`."""
        place = number - int(self._numbers[0])
        others = np.flatnonzero((self._starts == self._starts[place]) & (np.arange(len(self._starts)) != place))
        worse = (self._rows[others] >= self._rows[place]).all(axis=1)
        alike = (self._rows[others] == self._rows[place]).all(axis=1)
        found: npt.NDArray[np.intp] = self._numbers[others[worse & (~alike | (others < place)) & self._is_monotone]]
        return found


def dominating_places(rows: _Vector) -> npt.NDArray[np.intp]:
    """Return, for each of several shocks with one start, the place of an undominated one that dominates it, or −1.

    Each shock is compared with up to `MOST_COMPARED` undominated ones, the worst first. `rows` come from `exposure`.
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
    """Return one row of exposure per shock: larger is worse in every column; columns after the window are 0.

    Rows of shocks with the same start are comparable. If shocks with one window and nothing but cuts occur together,
    their joint row is the elementwise maximum. `shared` returns the path of all shocks with a window length, if known.
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
    """The names that any of the shocks changes; all other values are equal for shocks with the same start."""

    demand: frozenset[str]
    survival: frozenset[str]
    reliability: frozenset[str]

    @classmethod
    def of(cls, shocks: Iterable[Shock]) -> "_VariedFields":
        specs = list({id(shock.spec): shock.spec for shock in shocks}.values())
        return cls(*(frozenset(name for spec in specs for name in getattr(spec, part.name)) for part in fields(cls)))


def _columns(instance: "Instance", path: Path, varied: _VariedFields) -> dict[tuple[str, str, int], Any]:
    """Return the columns of `exposure`, by (quantity, owner, period of the window): a number, or one for each shock."""
    result: dict[tuple[str, str, int], Any] = {("length", "", 0): float(len(path.periods))}
    for name in {*path.severity, *path.accident}:
        for t in path.periods:
            result["severity", name, t] = path.largest_severity_at(name, t)
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
