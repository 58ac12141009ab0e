"""Checks of futures: questions, fixed data that branches cannot change, data known too early.

Data that differ between branches before the question is answered reveal the answer. Only data visible before it count:
operation and floors in earlier years, orders that may be placed before it with their cost and effect, and shocks that
begin before it. A lead time, for example, may differ if no order placed before the answer could be working by then.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optimizer.disruptions.shock import Shock, expand
from optimizer.errors import Finding, Place, Problem
from optimizer.horizon import Horizon, windowed
from optimizer.instance.derived import can_expand, entry_probabilities
from optimizer.instance.document import Document
from optimizer.instance.overrides import SCENARIOS, FutureFinding
from optimizer.instance.questions import FUTURES, Question, QuestionBranch, Way, count_futures, each_question
from optimizer.instance.schema import MEMBERS, MIN_TIME_TO_SURVIVE, Instance
from optimizer.tolerances import MOST_EVENTS, MOST_FUTURES, ROUNDING
from optimizer.units import Series, short

# Keys that a branch cannot change, since all futures share them or the tree of futures depends on them.
_FIXED = (
    "horizon", "discount_rate", "currency", "home", FUTURES, SCENARIOS, MEMBERS, "policy.objective", "policy.gap_price"
)  # fmt: skip
# The sections whose data may show an answer; texts, names of regions and ranges change no plan.
_DATED = ("processes", "demands", "options", "shocks", "ensembles")
# The sections whose names are the same in all futures.
_SAME_NAMES = ("commodities", "processes", "demands", "options")
_CURE_OF_FIXED = "It is the same in all futures: write it outside the branches."


def questions_are_sound(instance: Instance) -> Iterator[Problem]:
    """Check the questions and the measure over futures; if they have errors, futures are not checked further."""
    kind = instance.policy.objective.kind
    if kind in ("worst", "regret") and not instance.futures:
        what = f"{kind} compares futures, and the file has none"
        cure = "Add `futures:`, or leave it out: the expected cost is minimised."
        yield ("policy", "objective"), what, cure, "warning"
    if not instance.futures:
        return
    yield from _check_count(instance)
    periods = dict[Place, int]()
    for place, question in each_question(instance.futures):
        yield from _check_period(instance.horizon, place, question, periods)
        yield from _check_probabilities(place, question)
        yield from _check_branches(place, question)
    yield from _check_names(instance.futures, ())


def _check_count(instance: Instance) -> Iterator[Problem]:
    count = count_futures(instance.futures)
    events = len(instance.events) if can_expand(instance) else 0
    if count > MOST_FUTURES:
        what = f"the questions make {count:,} futures, more than {MOST_FUTURES:,}"
        yield (FUTURES,), what, "Ask fewer questions, or leave out branches.", "error"
    elif count * events > MOST_EVENTS:
        what = f"{count:,} futures of {events:,} shocks are more than {MOST_EVENTS:,} shocks"
        yield (FUTURES,), what, "Ask fewer questions, or list fewer shocks or samples.", "error"


def _check_period(horizon: Horizon, place: Place, question: Question, periods: dict[Place, int]) -> Iterator[Problem]:
    """Check that a question is answered within the horizon, and not before the question in whose branch it is."""
    try:
        t = periods[place] = question.period(horizon)
    except ValueError as cure:
        yield (*place, "from"), f'"{question.from_}" is no period of the horizon', str(cure), "error"
        return
    own = place[:-4]
    if own in periods and t < periods[own]:
        first = horizon.label(periods[own])
        what = f"{question.from_} is before {first}, when {own[-1]} is answered, of whose branch it is a question"
        yield (*place, "from"), what, f"Write {first} or a later period.", "error"


def _check_probabilities(place: Place, question: Question) -> Iterator[Problem]:
    given = {b: branch.probability for b, branch in question.branches.items() if branch.probability is not None}
    missing = [b for b in question.branches if b not in given]
    total = math.fsum(given.values())
    if given and missing:
        rest = f"Write {short(1 - total, 6)}" if missing == missing[:1] and total < 1 else "Give one to every branch"
        what = f"the probability of {' and '.join(missing)} is missing"
        yield (*place, "branches", missing[0]), what, f"{rest}, or leave out all: then they are equal.", "error"
    elif given and abs(total - 1) > ROUNDING:
        cure = "Change them so that they add to 1, or leave out all of them: then they are equal."
        yield (*place, "branches"), f"the probabilities add to {short(total, 9)}, not to 1", cure, "error"


def _check_branches(place: Place, question: Question) -> Iterator[Problem]:
    for b, branch in question.branches.items():
        own = (*place, "branches", b)
        if "." in b:
            cure = f"Write {b.replace('.', '_')}: dots join the branches in the name of a future."
            yield own, "a dot in the name of a branch", cure, "error"
        elif not b.strip():
            yield own, "a branch without a name", "Give it one: the names of futures are made of them.", "error"
        yield from _check_set((*own, "set"), branch.set)
    if not any(branch.set or branch.futures for branch in question.branches.values()):
        yield place, "no branch changes anything", "Add `set:` to one of them, or remove the question.", "warning"


def _check_set(place: Place, keys: Iterable[str]) -> Iterator[Problem]:
    for key in keys:
        fixed = next((each for each in _FIXED if f"{key}.".startswith(f"{each}.")), None)
        if fixed is not None:
            yield (*place, key), f"a branch cannot change `{fixed}`", _CURE_OF_FIXED, "error"


def _check_names(questions: Mapping[str, Question], before: tuple[str, ...], place: Place = ()) -> Iterator[Problem]:
    """Report names that two questions on the same way share: a nested question and one asked before or beside it."""
    names = (*before, *questions)
    for q, question in questions.items():
        for b, branch in question.branches.items():
            own = (*place, FUTURES, q, "branches", b)
            for name in branch.futures:
                if name in names:
                    what = f"{name} is already the name of a question asked before or beside it"
                    yield (*own, FUTURES, name), what, "Give one of the two another name.", "error"
            yield from _check_names(branch.futures, names, own)


def futures_fit(
    base: Instance, future: Instance, before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> Iterator[Problem]:
    """Check that a future keeps the names of network and options, their kinds, fixed charges, and the measure.

    Args:
        base, future: the instance of the file, and that of the future.
        before, after: the names that the sections of each declare, including those of faulty entries.
    """
    yield from _added_or_removed(future, before, after)
    for o in sorted(base.options.keys() & future.options.keys()):
        place = ("options", o)
        if future.options[o].kind != base.options[o].kind:
            what = f"a branch cannot change the kind from {base.options[o].kind} to {future.options[o].kind}"
            yield (*place, "kind"), what, "Write two options, and set `max_size: 0` for one of them.", "error"
        elif future.options[o].is_fixed_charge != base.options[o].is_fixed_charge:
            cure = "Give it a fixed_cost or a min_size above 0 in all futures or in none."
            yield place, "is a fixed-charge option in some futures only", cure, "error"
    for field in ("objective", "gap_price"):
        if getattr(base.policy, field) != getattr(future.policy, field):
            yield ("policy", field), f"a branch cannot change `policy.{field}`", _CURE_OF_FIXED, "error"
    yield from _added_without_probability(base, future, before)


def _added_or_removed(
    future: Instance, before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> Iterator[Problem]:
    """Report names that a branch adds or removes, of the sections that both declare."""
    for section in (each for each in _SAME_NAMES if each in before and each in after):
        for name in sorted(getattr(future, section).keys() - before[section]):
            yield (section, name), f"a branch cannot add to `{section}`", _CURE_OF_FIXED, "error"
        for name in sorted(before[section] - after[section]):
            yield (section,), f'a branch cannot remove "{name}" from `{section}`', "Keep it; set its numbers.", "error"


def _added_without_probability(
    base: Instance, future: Instance, before: Mapping[str, frozenset[str]]
) -> Iterator[Problem]:
    """Report shocks that a branch adds without a probability while other shocks of the file or future have one."""
    if not any((*entry_probabilities(base), *entry_probabilities(future))):
        return
    for s in sorted(future.shocks.keys() - before.get("shocks", future.shocks.keys())):
        if "probability" not in future.shocks[s].model_fields_set:
            what = "has no probability, as other shocks have: the cost of the future leaves it out"
            cure = "Write the probability that it has once the answer is known, or 0 if floors alone are to count."
            yield ("shocks", s), what, cure, "warning"


def attribute(
    document: Document, found: Mapping[int, Sequence[Finding]], ways: Sequence[Way], before: Iterable[Finding]
) -> list[Finding]:
    """Return the findings of futures that the file itself does not have, each once, at the branch that causes it.

    Findings of a future whose branches set nothing belong to the file itself and are left out: `before` lacks them only
    if a faulty question hid them.

    Args:
        document: the document of the file.
        found: the findings of distinct futures, by the number of one way to each.
        ways: all ways through the questions.
        before: the findings of the file.
    """
    known = {(each.where, each.what, each.cure, each.severity) for each in before}
    placed, loose = dict[Finding, None](), dict[tuple[str, ...], tuple[Finding, list[Way]]]()
    for number, findings in found.items():
        alike = [way for way in ways if way.key == ways[number].key]
        for each in findings:
            key = (each.where, each.what, each.cure, each.severity)
            if key in known:
                continue
            if isinstance(each, FutureFinding) and each.branch is None:
                loose.setdefault(key, (each, []))[1].extend(alike)
            else:
                placed[_with_branch_path(each)] = None
    caused = [(each, of) for each, of in loose.values() if all(way.changes for way in of)]
    return [*placed, *(_place_at_branch(document, each, of) for each, of in caused)]


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _with_branch_path(found: Finding) -> Finding:
    """Return the finding as a plain one, with the path of its branch at the beginning of `where`."""
    own = {key: value for key, value in vars(found).items() if key != "branch"}
    if isinstance(found, FutureFinding) and found.branch is not None:
        own["where"] = ", ".join(filter(None, (_dotted(found.branch), found.where)))
    return Finding(**own)


def _place_at_branch(document: Document, found: Finding, having: Sequence[Way]) -> Finding:
    """Return a finding about a value that no branch set, placed at the last branch that all affected futures share."""
    shared = [each for each in having[0].changes if all(each in way.changes for way in having)]
    place = (shared or having[0].changes)[-1][0]
    head = _dotted(place) if len(shared) == 1 else f"future {having[0].name}"
    at = document.finding((*place, "set"), found.what, found.cure, found.severity)
    return replace(at, where=", ".join(filter(None, (head, found.where))))


def branch_variants(
    questions: Mapping[str, Question], above: tuple[tuple[Place, QuestionBranch], ...] = (), place: Place = ()
) -> Iterator[tuple[Place, Question, tuple[tuple[Place, QuestionBranch], ...]]]:
    """Yield each question with several branches of which any sets values, with its place and the branches around it."""
    for q, question in questions.items():
        own = (*place, FUTURES, q)
        if len(question.branches) > 1 and any(branch.set for branch in question.branches.values()):
            yield own, question, above
        for b, branch in question.branches.items():
            inner = (*own, "branches", b)
            yield from branch_variants(branch.futures, (*above, (inner, branch)), inner)


# Fields without effect before an answer: texts, and the salvage of the stock left at the end.
_UNSEEN = frozenset({"name", "source", "note", "id", "salvage"})
# Fields of an option that apply to orders; those in `_PAID` are series by the year of the order.
_PAID = frozenset({"capex", "price"})
_OF_ORDERS = _PAID | {
    "fixed_cost", "budget_share", "max_size", "min_size", "unit_size", "fill_rate", "requires", "excludes"
}  # fmt: skip
_SERIES = "Give it the years before the answer as well, with the same values in every branch."
_ORDERS = "It holds for orders placed before the answer too; to forbid later ones only, set `latest`."
_SCALAR = "It holds in all years, those before the answer as well: check that this is meant."
_RULES = "Let a rule begin with the answer: write its `from:`."
_SHOCKS = "List the starts before the answer in a shock of their own, the same in every branch."
# Calendar years in which futures differ, each with a cure.
_Years = dict[int, str]


def data_known_early(
    place: Place, question: Question, made: Mapping[str, tuple[Instance, Mapping[Place, Place]]]
) -> Iterator[Problem]:
    """Report values set by branches of a question that differ from another branch in years before the answer.

    Args:
        place, question: a question of the file with several branches, and its place.
        made: for each branch, the instance with its values set, and the place of each entry of its `set`, by the
            place to which the entry leads.
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
    """Return years and name of the first branch that differs: an earlier one, or a later one without this value."""
    own = [*made.values()][i][0]
    for k, (other, (instance, keys)) in enumerate(made.items()):
        if (k < i or (k > i and at not in keys)) and (years := _Pair(own, instance, t).differing_years(at)):
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
        """Return the calendar years from period `first` to the year before that of `t`."""
        return [*range(self.horizon.year(first), self.horizon.year(self.t))] if first < self.t else []

    def both(self, section: str, name: str) -> tuple[Any, Any]:
        """Return an entry of a section in both instances."""
        return getattr(self.one, section).get(name), getattr(self.other, section).get(name)

    def differing_years(self, at: Place) -> _Years:
        """Return the years before `t` in which the data at a place differ, each with a cure."""
        section, name, field = (*map(str, at[:3]), "", "")[:3]
        if section == "policy":
            return self.years_of_policy(name)
        if section == "adversary":
            return self.years_of_adversary()
        of_section = {"shocks": self.years_of_shock, "ensembles": self.years_of_ensemble}.get(section)
        found = _Years()
        for each in ([name] if name else getattr(self.one, section)) if section in _DATED else ():
            found |= of_section(each) if of_section else self.years_of_entry(section, each, field)
        return found

    def years_of_entry(self, section: str, name: str, field: str) -> _Years:
        """Return the years in which a process, segment or option differs."""
        pair, found = self.both(section, name), _Years()
        all_years = dict.fromkeys(self.since(0), _SCALAR)
        for key in [field] if field else type(pair[0]).model_fields:
            values = [getattr(each, key, None) for each in pair]
            if key not in _UNSEEN and values[0] != values[1]:
                years = self.years_of_option(pair, key) if section == "options" else all_years
                found |= _differing_years(values, years) if isinstance(values[0], Series) else years
        return found

    def years_of_option(self, pair: tuple[Any, Any], field: str) -> _Years:
        """Return the years before `t` in which a field of an option has an effect."""
        ordered = [self.orders(each) for each in pair]
        if field in ("earliest", "latest"):
            return {self.horizon.year(a): _ORDERS for a in set(ordered[0]) ^ set(ordered[1])}
        if field in _OF_ORDERS:
            years = sorted(map(self.horizon.year, {*ordered[0], *ordered[1]}))
            return dict.fromkeys((year for year in years if field not in _PAID or year in self.since(0)), _ORDERS)
        first = min(self.first_working_period(each, orders) for each, orders in zip(pair, ordered, strict=True))
        return dict.fromkeys(self.since(first), _SCALAR)

    def orders(self, option: Any) -> list[int]:
        """Return the periods before `t` in which an option may be ordered."""
        points = self.horizon.periods if option.is_stock else self.horizon.decisions
        return [a for a in points if a < self.t and option.allows(self.horizon.year(a))]

    def first_working_period(self, option: Any, orders: list[int]) -> int:
        """Return the first period in which an ordered option works: 0 with an initial stock, `t` without orders."""
        if getattr(option, "initial", 0.0) > 0:
            return 0
        lead = self.horizon.whole(getattr(option, "lead_time", 0.0))
        return orders[0] + lead if orders else self.t

    def years_of_shock(self, name: str) -> _Years:
        """Return the years before `t` in the windows of shocks that begin before it and differ."""
        if not (can_expand(self.one) and can_expand(self.other)):
            return {}
        seen = [self.events(spec, name) for spec in self.both("shocks", name)]
        shocks = [each for event in seen[0].keys() | seen[1].keys() for each in self.changed_shocks(seen, event)]
        years = (self.horizon.year(k) for shock in shocks for k in shock.periods)
        return {year: _SHOCKS for year in sorted(years) if year in self.since(0)}

    def events(self, spec: Any, name: str) -> dict[str, Shock]:
        return {each.name: each for each in expand(name, spec, self.horizon)} if spec else {}

    def changed_shocks(self, seen: Iterable[Mapping[str, Shock]], event: str) -> list[Shock]:
        """Return the shocks with this name in both instances, if they differ before `t`."""
        pair = [each.get(event) for each in seen]
        one, other = (_visible_data(each, self.t) for each in pair)
        return [] if one == other else [each for each in pair if each]

    def years_of_ensemble(self, name: str) -> _Years:
        """Return the years before `t` from the first start of an ensemble on, if it differs."""
        pair = self.both("ensembles", name)
        if pair[0] == pair[1]:
            return {}
        spans = [spec.start.periods(self.horizon) for spec in pair if spec and spec.start]
        return dict.fromkeys(self.since(min(map(min, spans), default=0)), _SHOCKS)

    def years_of_adversary(self) -> _Years:
        """Return the years before `t` from the first possible attack on, if the adversary differs."""
        pair = [each.adversary for each in (self.one, self.other)]
        starts = [min(each.starts.periods(self.horizon)) for each in pair if each]
        return dict.fromkeys(self.since(min(starts)), _SCALAR) if pair[0] != pair[1] else {}

    def years_of_policy(self, field: str) -> _Years:
        """Return the years in which rules of single years differ; a budget of the whole horizon is not compared."""
        cures = {
            "annual_budget": _SERIES,
            "force": _SERIES,
            "max_share": _RULES,
            "min_share": _RULES,
            MIN_TIME_TO_SURVIVE: _RULES,
        }
        found = _Years()
        for key in [field] if field else cures:
            values = [getattr(each.policy, key, None) for each in (self.one, self.other)]
            for year in self.since(0) if key in cures else ():
                if _rules_in(values[0], year) != _rules_in(values[1], year):
                    found[year] = cures[key]
        return found


def _differing_years(values: list[Any], years: _Years) -> _Years:
    return {year: _SERIES for year in years if values[0].at(year) != values[1].at(year)}


def _visible_data(event: Shock | None, t: int) -> Any:
    """Return the data of a shock that are visible before period t; None if it begins later."""
    if event is None or event.periods.start >= t:
        return None
    spec, before = event.spec, range(min(len(event.periods), t - event.periods.start))
    cuts = [
        (cut.region, cut.stage, cut.process, cut.commodity, cut.deliberate, *map(cut.at, before)) for cut in spec.cuts
    ]
    rest = (spec.deliberate, spec.demand, spec.cost, spec.survival, spec.reliability)
    return event.periods.start, len(before), event.probability, cuts, rest


def _rules_in(rules: Any, year: int) -> Any:
    """Return the part of annual budgets, required purchases or rules that applies in a year."""
    if isinstance(rules, Series):
        return rules.at(year)
    if isinstance(rules, Mapping):
        return {o: sizes[year] for o, sizes in rules.items() if year in sizes}
    return [rule for rule in rules or () if rule.from_ is None or rule.from_ <= year]
