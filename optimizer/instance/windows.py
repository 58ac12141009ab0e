"""The same instance with its shocks at other times, of other lengths, or without probabilities.

Shocks keep what they cut, the surge and their own floors. Windows are cut off at the end of the horizon.
"""

from collections.abc import Callable
from typing import Any

from optimizer.disruptions.family import Axis, Starts
from optimizer.disruptions.shock import ShockSpec
from optimizer.instance.edits import with_single_events
from optimizer.instance.schema import Instance


def without_probabilities(instance: Instance) -> Instance:
    """The instance in which no shock has a probability: floors count, expected costs do not."""
    none = {"probability": 0.0}
    return instance.replacing(
        shocks={name: spec.model_copy(update=none) for name, spec in instance.shocks.items()},
        ensembles={name: spec.model_copy(update=none) for name, spec in instance.ensembles.items()},
    )


def with_window_lengths(instance: Instance, factor: float) -> Instance:
    """Every window so many times as long, in whole periods, one at least; a severity's last value stays."""
    step = instance.horizon.months

    def scale(spec: ShockSpec) -> dict[str, Any]:
        periods = max(1, round(factor * spec.durations.values[0] / step))
        return {"months": Axis((float(periods * step),))}

    return _with_events(instance, scale)


def with_starts_moved(instance: Instance, years: int) -> Instance:
    """Every shock so many years later, or earlier where negative; those that would start outside the horizon go."""
    horizon = instance.horizon

    def move(spec: ShockSpec) -> dict[str, Any] | None:
        t = spec.start.periods(horizon)[0] + years * horizon.per_year
        return {"start": Starts((horizon.label(t),))} if t in horizon.periods else None

    return _with_events(instance, move)


def _with_events(instance: Instance, change: Callable[[ShockSpec], dict[str, Any] | None]) -> Instance:
    """Every event as an entry of its own, changed; without those of which the change is None."""
    single = with_single_events(instance)
    changes = {name: change(spec) for name, spec in single.shocks.items()}
    return single.replacing(
        shocks={
            name: spec.model_copy(update=changed)
            for name, spec in single.shocks.items()
            if (changed := changes[name]) is not None
        }
    )
