"""Copies of an instance with other shocks, floors, demand or dates: always valid, so not checked again.

shocks and ensembles     with_attacks, without_shocks, with_only_shocks, …
what-if questions        with_floors, with_demand, with_starts_moved, without_budgets, …

The copies have no scenarios, except where only the policy is changed.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from optimizer.disruptions.adversary import Attack, attack_entry
from optimizer.disruptions.ensemble import DrawnEnsemble, EnsembleSpec, change_samples, samples
from optimizer.disruptions.shock import Durations, ShockSpec, Starts
from optimizer.instance.schema import Instance
from optimizer.tolerances import NEGLIGIBLE
from optimizer.units import Series


def with_policy(instance: Instance, **fields: object) -> Instance:
    """Return the instance with other values in these fields of its policy, which are not checked again."""
    return instance.replacing(policy=instance.policy.model_copy(update=fields))


def without_shocks(instance: Instance) -> Instance:
    """Return the instance without any shock; `min_time_to_survive` rules stay."""
    return instance.replacing(shocks={}, ensembles={})


def without_disruptions(instance: Instance) -> Instance:
    """Return the instance of the no-shock plan: without shocks and without `min_time_to_survive` rules."""
    return with_policy(without_shocks(instance), min_time_to_survive=())


def has_same_no_shock_plan(one: Instance, other: Instance) -> bool:
    """Check that two instances of one horizon differ at most in what counts in shocks alone.

    That is shocks, ensembles, the adversary, floors, the price of gaps, and rules about surviving; ranges do not count.
    """
    left_out = {"shocks", "ensembles", "adversary", "demands", "policy", "scenarios", "ranges"}
    return (
        _without_floors(one) == _without_floors(other)
        and _rules_without_shocks(one) == _rules_without_shocks(other)
        and all(getattr(one, name) == getattr(other, name) for name in type(one).model_fields if name not in left_out)
    )


def _without_floors(instance: Instance) -> dict[str, Any]:
    return {d: demand.model_copy(update={"survival": None}) for d, demand in instance.demands.items()}


def _rules_without_shocks(instance: Instance) -> Any:
    return instance.policy.model_copy(update={"gap_price": None, "min_time_to_survive": ()})


def without_ensembles(instance: Instance) -> Instance:
    """Return the instance with its listed shocks only."""
    return instance.replacing(ensembles={})


def without_attacks(instance: Instance) -> Instance:
    """Return the instance without those shocks that are attacks of its adversary."""
    if instance.adversary is None:
        return instance
    listed = {name: spec for name, spec in instance.shocks.items() if instance.adversary.targets_of(name) is None}
    return instance if len(listed) == len(instance.shocks) else instance.replacing(shocks=listed)


def with_attacks(instance: Instance, attacks: Iterable[Attack]) -> Instance:
    """Return the instance in which exactly these attacks of its adversary are shocks, after the other listed shocks."""
    without_any, starts = without_attacks(instance), dict[tuple[str, ...], list[str]]()
    for attack in attacks:
        starts.setdefault(attack.targets, []).append(instance.horizon.label(attack.start))
    if instance.adversary is None or not starts:
        return without_any
    added = {attack_entry(names): instance.adversary.shock(names, labels) for names, labels in starts.items()}
    return without_any.replacing(shocks={**without_any.shocks, **added})


def with_single_events(instance: Instance) -> Instance:
    """Return the instance with every shock of a family or ensemble as an entry of its own, with its full duration."""
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


def with_events_apart(instance: Instance) -> Instance:
    """Make every shock an entry of its own; samples of ensembles that allow failures stay in their ensembles."""
    single, ensembles = with_single_events(instance), dict[str, EnsembleSpec]()
    for name, spec in instance.ensembles.items():
        if spec.required < spec.count:
            drawn = [replace(each, spec=single.shocks[each.name]) for each in samples(name, spec, instance.horizon)]
            allowed = spec.count - spec.required
            ensembles[name] = DrawnEnsemble.model_construct(**dict(spec), allowed=allowed).with_samples(drawn)
    kept = {each.name for spec in ensembles.values() for each in samples("", spec, instance.horizon)}
    shocks = {name: spec for name, spec in single.shocks.items() if name not in kept}
    return instance.replacing(shocks=shocks, ensembles=ensembles)


def with_only_shocks(instance: Instance, names: Collection[str]) -> Instance:
    """Return the instance with only the named entries and drawn samples; every shock must be an entry of its own."""
    ensembles = change_samples(instance.ensembles, lambda shock: shock if shock.name in names else None)
    shocks = {name: spec for name, spec in instance.shocks.items() if name in names}
    return instance.replacing(shocks=shocks, ensembles=ensembles)


def with_windows_up_to(instance: Instance, months: float) -> Instance:
    """Return the instance with windows limited to `months`; every shock must be an entry of its own."""

    def cut(spec: ShockSpec) -> ShockSpec:
        return spec.model_copy(update={"months": Durations((min(months, spec.durations.values[0]),))})

    most = round(months / instance.horizon.months)
    shocks = {name: cut(spec) for name, spec in instance.shocks.items()}
    shorter = change_samples(instance.ensembles, lambda s: replace(
        s, spec=cut(s.spec), periods=s.periods[:most], length=min(most, s.length)))  # fmt: skip
    return instance.replacing(shocks=shocks, ensembles=shorter)


def without_gap_price(instance: Instance) -> Instance:
    """Return the instance without a price of gaps, so that every floor has to be kept."""
    return instance if instance.policy.gap_price is None else with_policy(instance, gap_price=None)


def without_annual_budget(instance: Instance) -> Instance:
    """Return the instance without an annual budget."""
    return with_policy(instance, annual_budget=None)


def without_budgets(instance: Instance) -> Instance:
    """Return the instance without any budget."""
    return with_policy(instance, budget=None, annual_budget=None)


def with_added(instance: Instance, added: float) -> Instance:
    """Return the instance with `added` more money in the budget of each year."""
    given = instance.policy.annual_budget
    assert given is not None
    return with_policy(instance, annual_budget=Series(tuple((year, value + added) for year, value in given.points)))


def with_rules_up_to(instance: Instance, months: float) -> Instance:
    """Return the instance with every `min_time_to_survive` rule limited to `months`."""
    rules = instance.policy.min_time_to_survive
    shorter = tuple(rule.model_copy(update={"months": min(months, rule.months)}) for rule in rules)
    return with_policy(instance, min_time_to_survive=shorter)


def with_floors(
    instance: Instance, *, factor: float = 1.0, points: float = 0.0, segments: Iterable[str] | None = None
) -> Instance:
    """Return the instance with floors times `factor` plus `points` (a share), within 0 … 1, for some or all segments.

    Floors that a shock sets in place of a segment's own are changed as well. A floor of 0 is none, and stays 0.
    """
    chosen, years = frozenset(instance.demands if segments is None else segments), instance.horizon.years

    def move(value: float) -> float:
        return min(1.0, max(0.0, factor * value + points)) if value > 0 else 0.0

    def moved(floor: Series) -> Series:
        # Year by year, because a floor between a year that moves and one that does not would move by a part of it.
        return Series(tuple((year, move(floor.at(year))) for year in years))

    demands = {
        d: demand.model_copy(update={"survival": moved(demand.survival)}) if d in chosen else demand
        for d, demand in instance.demands.items()
    }
    return instance.replacing(
        demands=demands,
        shocks={name: _own_floors(spec, chosen, move) for name, spec in instance.shocks.items()},
        ensembles={name: _own_floors(spec, chosen, move) for name, spec in instance.ensembles.items()},
    )


def with_eased_floors(instance: Instance) -> Instance:
    """Return the instance with floors lower by half of the tolerance of a floor, for data that are rounded.

    A plan of least gap may miss floors by less than the tolerance where no plan keeps them exactly: three plants of
    33.333333 t for a floor of 100 t.
    """
    return with_floors(instance, factor=1.0 - NEGLIGIBLE / 2)


def _own_floors(spec: Any, chosen: Collection[str], move: Callable[[float], float]) -> Any:
    """Return a shock entry, or an ensemble with its events and samples, with `move` applied to the floors it sets."""
    update: dict[str, Any] = {}
    if spec.survival:
        update["survival"] = {d: move(value) if d in chosen else value for d, value in spec.survival.items()}
    if getattr(spec, "events", None):
        update["events"] = {name: _own_floors(event, chosen, move) for name, event in spec.events.items()}
    if getattr(spec, "drawn", None):
        update["drawn"] = tuple(replace(each, spec=_own_floors(each.spec, chosen, move)) for each in spec.drawn)
    return spec.model_copy(update=update) if update else spec


def with_demand(instance: Instance, *, factor: float, segments: Iterable[str]) -> Instance:
    """Return the instance with demand of segments times a factor, in the baseline and in shocks; past sales stay."""
    demands = dict(instance.demands)
    for d in segments:
        quantity = demands[d].quantity.mapped(lambda value: factor * value)
        demands[d] = demands[d].model_copy(update={"quantity": quantity})
    return instance.replacing(demands=demands)


def with_lead_times(instance: Instance, *, months_later: float, options: Collection[str]) -> Instance:
    """Return the instance with lead times lengthened by `months_later` (shortened if negative), at least 0."""
    later = {
        o: option.model_copy(update={"lead_time": max(0.0, option.lead_time + months_later)})
        for o, option in instance.sized.items()
        if o in options
    }
    return instance.replacing(options={**instance.options, **later})


def without_probabilities(instance: Instance) -> Instance:
    """Return the instance with all probabilities of shocks 0: floors count, expected costs do not."""
    none = {"probability": 0.0}
    return instance.replacing(
        shocks={name: spec.model_copy(update=none) for name, spec in instance.shocks.items()},
        ensembles={name: spec.model_copy(update=none) for name, spec in instance.ensembles.items()},
    )


def with_window_lengths(instance: Instance, factor: float) -> Instance:
    """Return the instance with windows scaled by a factor, in whole periods, at least 1; the last severity persists."""
    step = instance.horizon.months

    def scale(spec: ShockSpec) -> dict[str, Any]:
        periods = max(1, round(factor * spec.durations.values[0] / step))
        return {"months": Durations((float(periods * step),))}

    return _with_events(instance, scale)


def with_starts_moved(instance: Instance, years: int) -> Instance:
    """Return the instance with every shock moved by `years`, without those that would start outside the horizon."""
    horizon = instance.horizon

    def move(spec: ShockSpec) -> dict[str, Any] | None:
        t = spec.start.periods(horizon)[0] + years * horizon.per_year
        return {"start": Starts((horizon.label(t),))} if t in horizon.periods else None

    return _with_events(instance, move)


def _with_events(instance: Instance, change: Callable[[ShockSpec], dict[str, Any] | None]) -> Instance:
    """Return the instance with every shock as an entry of its own, updated by `change`; None drops the shock."""
    single = with_single_events(instance)
    shocks = {
        name: spec.model_copy(update=changed)
        for name, spec in single.shocks.items()
        if (changed := change(spec)) is not None
    }
    return single.replacing(shocks=shocks)
