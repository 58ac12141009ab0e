"""Data that differ between the branches of a question before it is answered: what is there then gives the answer away.

Only what can be seen before the answer counts: operation and floors of the years before it, orders that may be placed
before it and what they cost, what they add once they work, and windows of shocks that begin before it. A lead time,
say, may differ where no order placed before the answer could have worked by then.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optimizer.disruptions.shock import Shock, expand
from optimizer.errors import Place, Problem
from optimizer.horizon import Horizon, windowed
from optimizer.instance.questions import Question
from optimizer.instance.schema import RULE, Instance
from optimizer.instance.validation.windows import has_events
from optimizer.units import Series

# Fields that say nothing of what happens before an answer: texts, and the value of what is left at the end.
_UNSEEN = frozenset({"name", "source", "note", "id", "salvage"})
# Fields of an option that hold for orders; `_PAID` are series by the year of the order.
_PAID = frozenset({"capex", "price"})
_OF_ORDERS = _PAID | {
    "fixed_cost", "budget_share", "max_size", "min_size", "unit_size", "fill_rate", "requires", "excludes"
}  # fmt: skip
_SERIES = "Give it the years before the answer as well, with the same values in every branch."
_ORDERS = "It holds for orders placed before the answer too; to forbid later ones only, set `latest`."
_SCALAR = "It holds in all years, those before the answer as well: check that this is meant."
_RULES = "Let a rule begin with the answer: write its `from:`."
_SHOCKS = "List the starts before the answer in a shock of their own, the same in every branch."
# Calendar years in which something differs, each with the cure.
_Years = dict[int, str]


def data_known_early(
    place: Place, question: Question, made: Mapping[str, tuple[Instance, Mapping[Place, Place]]]
) -> Iterator[Problem]:
    """What branches of a question set that differs from another branch in years before the answer.

    Args:
        place, question: of the file; it has several branches.
        made: by branch, the file with what it sets, and the place of each entry of its `set` by where that leads.
    """
    for i, (instance, keys) in enumerate(made.values()):
        horizon = instance.horizon
        t = question.period(horizon)
        for at, key in keys.items():
            years, other = _first_difference(made, i, at, t)
            if years:
                first, last = str(min(years)), str(max(years))
                when = windowed(first, last, " and " if len(years) == 2 else " to ")
                what = f'differs from "{other}" in {when}, before {place[-1]} is answered ({horizon.label(t)})'
                yield key, what, years[min(years)], "warning"


def _first_difference(
    made: Mapping[str, tuple[Instance, Mapping[Place, Place]]], i: int, at: Place, t: int
) -> tuple[_Years, str]:
    """The first branch from which branch number `i` differs at a place; where both set it, only the later one does."""
    own = [*made.values()][i][0]
    for k, (other, (instance, keys)) in enumerate(made.items()):
        if (k < i or (k > i and at not in keys)) and (years := _Pair(own, instance, t).differing(at)):
            return years, other
    return {}, ""


@dataclass(frozen=True)
class _Pair:
    """Two instances that can be distinguished from period `t` on."""

    one: Instance
    other: Instance
    t: int

    @property
    def horizon(self) -> Horizon:
        return self.one.horizon

    def since(self, first: int) -> list[int]:
        """The whole years before `t`, from a period on."""
        return [*range(self.horizon.year(first), self.horizon.year(self.t))] if first < self.t else []

    def both(self, section: str, name: str) -> tuple[Any, Any]:
        """An entry of a section in the two."""
        return getattr(self.one, section).get(name), getattr(self.other, section).get(name)

    def differing(self, at: Place) -> _Years:
        """The years before `t` in which what stands at a place differs."""
        section, name, field = (*map(str, at[:3]), "", "")[:3]
        if section == "policy":
            return self.of_policy(name)
        if section == "adversary":
            return self.of_adversary()
        of_section = {"shocks": self.of_shock, "ensembles": self.of_ensemble}.get(section)
        found = _Years()
        for each in [name] if name else getattr(self.one, section):
            found |= of_section(each) if of_section else self.of_entry(section, each, field)
        return found

    def of_entry(self, section: str, name: str, field: str) -> _Years:
        """A process, segment or option."""
        pair, found = self.both(section, name), _Years()
        for key in [field] if field else type(pair[0]).model_fields:
            values = [getattr(each, key, None) for each in pair]
            if key not in _UNSEEN and values[0] != values[1]:
                years = self.of_option(pair, key) if section == "options" else dict.fromkeys(self.since(0), _SCALAR)
                found |= _of_series(values, years) if isinstance(values[0], Series) else years
        return found

    def of_option(self, pair: tuple[Any, Any], field: str) -> _Years:
        """The years in which a field of an option matters."""
        ordered = [self.orders(each) for each in pair]
        if field in ("earliest", "latest"):
            return {self.horizon.year(a): _ORDERS for a in set(ordered[0]) ^ set(ordered[1])}
        if field in _OF_ORDERS:
            years = sorted(map(self.horizon.year, {*ordered[0], *ordered[1]}))
            return dict.fromkeys((year for year in years if field not in _PAID or year in self.since(0)), _ORDERS)
        works = min(self.works(each, orders) for each, orders in zip(pair, ordered, strict=True))
        return dict.fromkeys(self.since(works), _SCALAR)

    def orders(self, option: Any) -> list[int]:
        """The periods before `t` in which an option may be ordered."""
        points = self.horizon.periods if option.is_stock else self.horizon.decisions
        return [a for a in points if a < self.t and option.allows(self.horizon.year(a))]

    def works(self, option: Any, orders: list[int]) -> int:
        """The first period in which something that was ordered, or is there from the start, works."""
        if getattr(option, "initial", 0.0) > 0:
            return 0
        lead = self.horizon.whole(getattr(option, "lead_time", 0.0))
        return orders[0] + lead if orders else self.t

    def of_shock(self, name: str) -> _Years:
        """The years of windows that begin before `t`."""
        if not (has_events(self.one) and has_events(self.other)):
            return {}
        seen = [self.events(spec, name) for spec in self.both("shocks", name)]
        shocks = [each for event in seen[0].keys() | seen[1].keys() for each in self.changed(seen, event)]
        years = (self.horizon.year(k) for shock in shocks for k in shock.periods)
        return {year: _SHOCKS for year in sorted(years) if year in self.since(0)}

    def events(self, spec: Any, name: str) -> dict[str, Shock]:
        return {each.name: each for each in expand(name, spec, self.horizon)} if spec else {}

    def changed(self, seen: Iterable[Mapping[str, Shock]], event: str) -> list[Shock]:
        """The shocks of a name in the two, where they differ before `t`."""
        one, other = (each.get(event) for each in seen)
        return [] if _visible(one, self.t) == _visible(other, self.t) else [each for each in (one, other) if each]

    def of_ensemble(self, name: str) -> _Years:
        """The years from the first start on."""
        pair = self.both("ensembles", name)
        if pair[0] == pair[1]:
            return {}
        spans = [spec.start.periods(self.horizon) for spec in pair if spec and spec.start]
        return dict.fromkeys(self.since(min(map(min, spans), default=0)), _SHOCKS)

    def of_adversary(self) -> _Years:
        """The years from its first attack on."""
        pair = [each.adversary for each in (self.one, self.other)]
        starts = [min(each.starts.periods(self.horizon)) for each in pair if each]
        return dict.fromkeys(self.since(min(starts)), _SCALAR) if pair[0] != pair[1] else {}

    def of_policy(self, field: str) -> _Years:
        """The rules of single years; a budget of the whole horizon is none."""
        cures = {"annual_budget": _SERIES, "force": _SERIES, "max_share": _RULES, "min_share": _RULES, RULE: _RULES}
        found = _Years()
        for key in [field] if field else cures:
            values = [getattr(each.policy, key, None) for each in (self.one, self.other)]
            for year in self.since(0) if key in cures else ():
                if _in_force(values[0], year) != _in_force(values[1], year):
                    found[year] = cures[key]
        return found


def _of_series(values: list[Any], years: _Years) -> _Years:
    return {year: _SERIES for year in years if values[0].at(year) != values[1].at(year)}


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


def _in_force(rules: Any, year: int) -> Any:
    """What of a budget by year, forced purchases or rules applies in a year."""
    if isinstance(rules, Series):
        return rules.at(year)
    if isinstance(rules, Mapping):
        return {o: sizes[year] for o, sizes in rules.items() if year in sizes}
    return [rule for rule in rules or () if rule.from_ is None or rule.from_ <= year]
