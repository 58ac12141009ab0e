"""The same instance with one thing otherwise, for what-ifs: shocks, floors, demand, lead times.

Floors are those of the segments and those that shocks put in their place. What comes out is known to fit; it is not
checked again.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from optimizer.disruptions.family import Axis, Starts
from optimizer.instance.schema import Instance
from optimizer.levers import Sized
from optimizer.units import Series


def apart(instance: Instance) -> Instance:
    """Every event as an entry of its own, under its own name; ensembles are such entries as well."""
    entries = {
        event.name: event.spec.model_copy(
            update={
                "start": Starts((instance.horizon.label(event.periods[0]),)),
                "months": Axis((float(len(event.periods) * instance.horizon.months),)),
                "grid": None,
                "probability": event.probability,
            }
        )
        for event in instance.events
    }
    return instance.having(shocks=entries, ensembles={})


def keeping_shocks(instance: Instance, names: Collection[str]) -> Instance:
    """Only some events; the instance has to be `apart`."""
    return instance.having(shocks={name: spec for name, spec in instance.shocks.items() if name in names})


def no_longer_than(instance: Instance, months: float) -> Instance:
    """No window is longer than so many months; the instance has to be `apart`."""
    entries = {
        name: spec.model_copy(update={"months": Axis((min(months, spec.durations.values[0]),))})
        for name, spec in instance.shocks.items()
    }
    return instance.having(shocks=entries)


def with_floors(
    instance: Instance, factor: float = 1.0, points: float = 0.0, segments: Iterable[str] | None = None
) -> Instance:
    """Floors times a factor and a number of points higher, within 0 … 1; of some segments or of all."""
    chosen = frozenset(instance.demands if segments is None else segments)

    def moved(value: float) -> float:
        return min(1.0, max(0.0, factor * value + points))

    demands = {
        d: demand.model_copy(update={"survival": _each(demand.survival, moved)}) if d in chosen else demand
        for d, demand in instance.demands.items()
    }
    return instance.having(
        demands=demands,
        shocks={name: _own_floors(spec, chosen, moved) for name, spec in instance.shocks.items()},
        ensembles={name: _own_floors(spec, chosen, moved) for name, spec in instance.ensembles.items()},
    )


def _each(series: Series, moved: Any) -> Series:
    return Series(tuple((year, moved(value)) for year, value in series.points))


def _own_floors(spec: Any, chosen: Collection[str], moved: Any) -> Any:
    """A shock's entry, or an ensemble with its events, with its own floors moved."""
    update: dict[str, Any] = {}
    if spec.survival:
        update["survival"] = {d: moved(value) if d in chosen else value for d, value in spec.survival.items()}
    if getattr(spec, "events", None):
        update["events"] = {name: _own_floors(event, chosen, moved) for name, event in spec.events.items()}
    return spec.model_copy(update=update) if update else spec


def with_demand(instance: Instance, factor: float, segments: Iterable[str] | None = None) -> Instance:
    """The quantity that segments ask for times a factor, in peace and in shocks; what was sold before stays."""
    chosen = frozenset(instance.demands if segments is None else segments)
    demands = {
        d: demand.model_copy(update={"quantity": _each(demand.quantity, lambda value: factor * value)})
        if d in chosen
        else demand
        for d, demand in instance.demands.items()
    }
    return instance.having(demands=demands)


def arriving_later(instance: Instance, months: float, options: Iterable[str] | None = None) -> Instance:
    """Lead times so many months longer, or shorter where `months` is negative, but never below 0."""
    chosen = frozenset(instance.options if options is None else options)
    changed: Mapping[str, Any] = {
        o: option.model_copy(update={"lead_time": max(0.0, option.lead_time + months)})
        if o in chosen and isinstance(option, Sized)
        else option
        for o, option in instance.options.items()
    }
    return instance.having(options=dict(changed))
