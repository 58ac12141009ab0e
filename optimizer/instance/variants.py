"""The same instance with other shocks, floors, demand or dates: changes that keep it valid, and are not checked again.

of shocks and ensembles     with_attacks, without_shocks, with_only_shocks, …
for what-if questions       with_floors, with_demand, with_starts_moved, …

What comes back has no scenarios.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from optimizer.disruptions.adversary import Attack, attack_entry
from optimizer.disruptions.ensemble import each_drawn
from optimizer.disruptions.shock import Durations, ShockSpec, Starts
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance

# Edits of shocks and ensembles, which keep an instance valid and are not checked again.


def without_shocks(instance: Instance) -> Instance:
    """The instance without any shock; rules about time to survive stay."""
    return instance.replacing(shocks={}, ensembles={})


def without_disruptions(instance: Instance) -> Instance:
    """The instance of the no-shock plan: without shocks, and without rules about what has to be survived."""
    return instance.replacing(
        shocks={}, ensembles={}, policy=instance.policy.model_copy(update={MIN_TIME_TO_SURVIVE: ()})
    )


def without_ensembles(instance: Instance) -> Instance:
    """The instance with its listed shocks only."""
    return instance.replacing(ensembles={})


def without_attacks(instance: Instance) -> Instance:
    """The instance without the attacks of its adversary that stand among its shocks."""
    if instance.adversary is None:
        return instance
    listed = {name: spec for name, spec in instance.shocks.items() if instance.adversary.targets_of(name) is None}
    return instance if len(listed) == len(instance.shocks) else instance.replacing(shocks=listed)


def with_attacks(instance: Instance, attacks: Iterable[Attack]) -> Instance:
    """The instance in which exactly these attacks of its adversary are shocks, behind those that are listed."""
    without_any, starts = without_attacks(instance), dict[tuple[str, ...], list[str]]()
    for attack in attacks:
        starts.setdefault(attack.targets, []).append(instance.horizon.label(attack.start))
    if instance.adversary is None or not starts:
        return without_any
    added = {attack_entry(names): instance.adversary.shock(names, labels) for names, labels in starts.items()}
    return without_any.replacing(shocks={**without_any.shocks, **added})


# Edits for what-if questions, which are not checked again either.


def with_single_events(instance: Instance) -> Instance:
    """Every event of a family or an ensemble as an entry of its own, under its own name, as long as the file has it."""
    entries = {
        event.name: event.spec.model_copy(
            update={
                "start": Starts((instance.horizon.label(event.periods[0]),)),
                "months": Durations((float(event.length * instance.horizon.months),)),
                "grid": None,
                "probability": event.probability,
            }
        )
        for event in instance.events
    }
    return instance.replacing(shocks=entries, ensembles={})


def with_only_shocks(instance: Instance, names: Collection[str]) -> Instance:
    """Only some of the entries under `shocks:`, and of samples that were drawn; after `with_single_events`."""
    ensembles = each_drawn(instance.ensembles, lambda shock: shock if shock.name in names else None)
    shocks = {name: spec for name, spec in instance.shocks.items() if name in names}
    return instance.replacing(shocks=shocks, ensembles=ensembles)


def with_windows_up_to(instance: Instance, months: float) -> Instance:
    """No window is longer than so many months; after `with_single_events`."""

    def cut(spec: ShockSpec) -> ShockSpec:
        return spec.model_copy(update={"months": Durations((min(months, spec.durations.values[0]),))})

    most = round(months / instance.horizon.months)
    shocks = {name: cut(spec) for name, spec in instance.shocks.items()}
    shorter = each_drawn(instance.ensembles, lambda s: replace(
        s, spec=cut(s.spec), periods=s.periods[:most], length=min(most, s.length)))  # fmt: skip
    return instance.replacing(shocks=shocks, ensembles=shorter)


def with_rules_up_to(instance: Instance, months: float) -> Instance:
    """No rule about time to survive asks for more than so many months."""
    rules = instance.policy.min_time_to_survive
    shorter = tuple(rule.model_copy(update={"months": min(months, rule.months)}) for rule in rules)
    return instance.replacing(policy=instance.policy.model_copy(update={MIN_TIME_TO_SURVIVE: shorter}))


def with_floors(
    instance: Instance, *, factor: float = 1.0, points: float = 0.0, segments: Iterable[str] | None = None
) -> Instance:
    """Floors times a factor, raised by a share, within 0 … 1; of some segments or of all.

    Floors that a shock puts in the place of a segment's own are changed as well.
    """
    chosen = frozenset(instance.demands if segments is None else segments)

    def move(value: float) -> float:
        return min(1.0, max(0.0, factor * value + points))

    demands = {
        d: demand.model_copy(update={"survival": demand.survival.mapped(move)}) if d in chosen else demand
        for d, demand in instance.demands.items()
    }
    return instance.replacing(
        demands=demands,
        shocks={name: _own_floors(spec, chosen, move) for name, spec in instance.shocks.items()},
        ensembles={name: _own_floors(spec, chosen, move) for name, spec in instance.ensembles.items()},
    )


def _own_floors(spec: Any, chosen: Collection[str], move: Callable[[float], float]) -> Any:
    """A shock's entry, or an ensemble with its events, with its own floors moved."""
    update: dict[str, Any] = {}
    if spec.survival:
        update["survival"] = {d: move(value) if d in chosen else value for d, value in spec.survival.items()}
    if getattr(spec, "events", None):
        update["events"] = {name: _own_floors(event, chosen, move) for name, event in spec.events.items()}
    if getattr(spec, "drawn", None):
        update["drawn"] = tuple(replace(each, spec=_own_floors(each.spec, chosen, move)) for each in spec.drawn)
    return spec.model_copy(update=update) if update else spec


def with_demand(instance: Instance, *, factor: float, segments: Iterable[str] | None = None) -> Instance:
    """Demand of segments times a factor, in the baseline and in shocks; what was sold before the horizon stays."""
    chosen = frozenset(instance.demands if segments is None else segments)
    demands = {
        d: demand.model_copy(update={"quantity": demand.quantity.mapped(lambda value: factor * value)})
        if d in chosen
        else demand
        for d, demand in instance.demands.items()
    }
    return instance.replacing(demands=demands)


def with_lead_times(instance: Instance, *, months_later: float, options: Iterable[str] | None = None) -> Instance:
    """Lead times so many months longer, or shorter where the number is negative, but never below 0."""
    chosen = frozenset(instance.options if options is None else options)
    later = {
        o: option.model_copy(update={"lead_time": max(0.0, option.lead_time + months_later)})
        for o, option in instance.sized.items()
        if o in chosen
    }
    return instance.replacing(options={**instance.options, **later})


def without_probabilities(instance: Instance) -> Instance:
    """The instance in which no shock has a probability: floors count, expected costs do not."""
    none = {"probability": 0.0}
    return instance.replacing(
        shocks={name: spec.model_copy(update=none) for name, spec in instance.shocks.items()},
        ensembles={name: spec.model_copy(update=none) for name, spec in instance.ensembles.items()},
    )


def with_window_lengths(instance: Instance, factor: float) -> Instance:
    """Every window of the file so many times as long, in whole periods, one at least; a severity's last value stays."""
    step = instance.horizon.months

    def scale(spec: ShockSpec) -> dict[str, Any]:
        periods = max(1, round(factor * spec.durations.values[0] / step))
        return {"months": Durations((float(periods * step),))}

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
    shocks = {
        name: spec.model_copy(update=changed)
        for name, spec in single.shocks.items()
        if (changed := change(spec)) is not None
    }
    return single.replacing(shocks=shocks)
