"""Data that differ between the branches of a question before it is answered: what is there then gives the answer away.

Only what can be seen before the answer counts: operation and floors of the years before it, orders that may be placed
before it and what they cost, what they add once they work, and windows of shocks that begin before it. A lead time,
say, may differ where no order placed before the answer could have worked by then.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optimizer.disruptions.shock import Shock, expand
from optimizer.errors import Place, Problem
from optimizer.horizon import Horizon, windowed
from optimizer.instance.questions import Question
from optimizer.instance.schema import RULE, Instance, ShareRule, SurvivalRule
from optimizer.instance.validation.windows import has_events
from optimizer.levers import Sized, Stock
from optimizer.units import Series

_TEXTS = frozenset({"name", "source", "note", "id"})
# Fields of an option that hold for orders, and those that matter at the end of the horizon only.
_PAID = frozenset({"capex", "price"})
_OF_ORDERS = _PAID | {
    "fixed_cost", "budget_share", "max_size", "min_size", "unit_size", "fill_rate", "requires", "excludes"
}  # fmt: skip
_LATE = frozenset({"salvage"})
_SERIES = "Give it the years before the answer as well, with the same values in every branch."
_ORDERS = "It holds for orders placed before the answer too; to forbid later ones only, set `latest`."
_SCALAR = "It holds in all years, those before the answer as well: check that this is meant."


def data_known_early(
    place: Place, question: Question, made: Mapping[str, tuple[Instance, Mapping[Place, Place]]]
) -> Iterator[Problem]:
    """What branches of a question set that differs from another branch in years before the answer.

    Args:
        place, question: of the file; it has several branches.
        made: by branch, the file with what it sets, and the place of each entry of its `set` by where that leads.
    """
    horizon = next(iter(made.values()))[0].horizon
    t = question.period(horizon)
    for i, (instance, keys) in enumerate(made.values()):
        for at, key in keys.items():
            # Where two branches set it, the later one alone names the difference.
            others = [each for k, each in enumerate(made) if k < i or (k > i and at not in made[each][1])]
            found = ((each, *_differing(instance, made[each][0], at, t)) for each in others)
            other, years, cure = next((each for each in found if each[1]), ("", [], ""))
            if years:
                when = windowed(str(years[0]), str(years[-1]), " and " if len(years) == 2 else " to ")
                what = f'differs from "{other}" in {when}, before {place[-1]} is answered ({horizon.label(t)})'
                yield key, what, cure, "warning"


def _differing(one: Instance, other: Instance, at: Place, t: int) -> tuple[list[int], str]:
    """The years before period t in which what stands at a place differs in two instances, and the cure."""
    section, name, field = (*map(str, at[:3]), "", "")[:3]
    if section == "policy":
        return _of_policy(one, other, name, t)
    if section == "adversary":
        return _from_start(one, other, t)
    entries = [name] if name else [*getattr(one, section, ())]
    found = [_of_entry(one, other, section, each, field, t) for each in entries]
    return sorted({year for years, _ in found for year in years}), next((cure for years, cure in found if years), "")


def _of_entry(one: Instance, other: Instance, section: str, name: str, field: str, t: int) -> tuple[list[int], str]:
    if section in ("shocks", "ensembles"):
        return _of_shocks(one, other, section, name, t)
    pair: list[Any] = [getattr(each, section, {}).get(name) for each in (one, other)]
    if None in pair or section in ("regions", "commodities"):
        return [], ""
    fields = [field] if field else [*type(pair[0]).model_fields]
    found = dict[int, str]()
    for key in fields:
        values: list[Any] = [getattr(each, key, None) for each in pair]
        if key in _TEXTS or values[0] == values[1]:
            continue
        years, cure = [*range(one.horizon.start, one.horizon.year(t))], _SCALAR
        if section == "options":
            years, cure = _of_option(one.horizon, pair, key, t)
        if all(isinstance(value, Series) for value in values):
            years, cure = [year for year in years if values[0].at(year) != values[1].at(year)], _SERIES
        found |= dict.fromkeys(years, cure)
    return sorted(found), next(iter(found.values()), "")


def _of_option(horizon: Horizon, pair: list[Any], field: str, t: int) -> tuple[list[int], str]:
    """The years before t in which a field of an option matters."""
    ordered = [_orders(horizon, each, t) for each in pair]
    if field in ("earliest", "latest"):
        return sorted({horizon.year(a) for a in set(ordered[0]) ^ set(ordered[1])}), _ORDERS
    if field in _LATE:
        return [], ""
    if field in _OF_ORDERS:
        # What a year's orders cost is known before the answer where the whole year is.
        years = {horizon.year(a) for orders in ordered for a in orders}
        return sorted(year for year in years if year < horizon.year(t) or field not in _PAID), _ORDERS
    works = [_works(horizon, each, orders) for each, orders in zip(pair, ordered, strict=True)]
    first = min(works, default=t)
    return [*range(horizon.year(first), horizon.year(t))] if first < t else [], _SCALAR


def _orders(horizon: Horizon, option: Any, t: int) -> list[int]:
    """The periods before t in which an option may be ordered."""
    points = horizon.periods if isinstance(option, Stock) else horizon.decisions
    return [a for a in points if a < t and option.allows(horizon.year(a))]


def _works(horizon: Horizon, option: Any, orders: list[int]) -> int:
    """The first period in which something that was ordered, or is there from the start, works."""
    if isinstance(option, Stock) and option.initial > 0:
        return 0
    lead = horizon.whole(option.lead_time) if isinstance(option, Sized) else 0
    return orders[0] + lead if orders else len(horizon.periods)


def _of_shocks(one: Instance, other: Instance, section: str, name: str, t: int) -> tuple[list[int], str]:
    pair = [getattr(each, section).get(name) for each in (one, other)]
    cure = "List the starts before the answer in a shock of their own, the same in every branch."
    if pair[0] == pair[1] or not (has_events(one) and has_events(other)):
        return [], cure
    if section == "ensembles":
        starts = [
            s for spec in pair if spec for s in (spec.start.periods(one.horizon) if spec.start else one.horizon.periods)
        ]
        return [*range(one.horizon.year(min(starts)), one.horizon.year(t))] if min(starts) < t else [], cure
    seen = [{each.name: each for each in expand(name, spec, one.horizon)} if spec else {} for spec in pair]
    years = set[int]()
    for event in seen[0].keys() | seen[1].keys():
        both = [events.get(event) for events in seen]
        if _visible(both[0], t) != _visible(both[1], t):
            windows = [each.periods for each in both if each is not None]
            years |= {one.horizon.year(k) for window in windows for k in window if k < t}
    return sorted(year for year in years if year < one.horizon.year(t)), cure


def _visible(event: Shock | None, t: int) -> Any:
    """What there is to see of a shock before t; None where it begins later."""
    if event is None or event.periods.start >= t:
        return None
    spec, before = event.spec, range(min(len(event.periods), t - event.periods.start))
    cuts = [
        (cut.region, cut.stage, cut.process, cut.commodity, cut.deliberate, *map(cut.at, before)) for cut in spec.cuts
    ]
    rest = (spec.deliberate, spec.demand, spec.cost, spec.survival, spec.reliability)
    return event.periods.start, len(before), event.probability, cuts, rest


def _of_policy(one: Instance, other: Instance, field: str, t: int) -> tuple[list[int], str]:
    """Rules of single years; a budget of the whole horizon is none."""
    years, pair = range(one.horizon.start, one.horizon.year(t)), (one.policy, other.policy)
    found = dict[int, str]()
    if field in ("", "annual_budget"):
        found |= {y: _SERIES for y in years if _at(pair[0].annual_budget, y) != _at(pair[1].annual_budget, y)}
    if field in ("", "force"):
        found |= {y: _SERIES for y in years if _forced(pair[0].force, y) != _forced(pair[1].force, y)}
    for rules in ("max_share", "min_share", RULE):
        if field in ("", rules):
            held = [[_in_force(getattr(each, rules), year) for year in years] for each in pair]
            cure = "Let a rule begin with the answer: write its `from:`."
            found |= {y: cure for y, a, b in zip(years, *held, strict=True) if a != b}
    return sorted(found), next(iter(found.values()), "")


def _in_force(rules: Sequence[ShareRule | SurvivalRule], year: int) -> list[ShareRule | SurvivalRule]:
    return [rule for rule in rules if rule.from_ is None or rule.from_ <= year]


def _at(series: Series | None, year: int) -> Any:
    return None if series is None else series.at(year)


def _forced(force: Mapping[str, Mapping[int, float]], year: int) -> dict[str, float]:
    return {o: sizes[year] for o, sizes in force.items() if year in sizes}


def _from_start(one: Instance, other: Instance, t: int) -> tuple[list[int], str]:
    """The adversary, from its first attack on."""
    horizon, adversaries = one.horizon, [each.adversary for each in (one, other)]
    if adversaries[0] == adversaries[1]:
        return [], ""
    starts = [start for each in adversaries if each is not None for start in each.starts.periods(horizon)]
    return [*range(horizon.year(min(starts)), horizon.year(t))] if min(starts) < t else [], _SCALAR
