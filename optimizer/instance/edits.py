"""The same instance with something changed: what takes an Instance and returns one.

in terms of the file        under, forcing, with_value, with_budget               checked like a file
of shocks and ensembles     with_attacks, without_shocks, resample, …             always valid, so not checked again
for what-if questions       with_floors, with_demand, with_starts_moved, …        likewise
of futures                  in_future, for_each_future

What leaves options out is in `removal`; an `Edit`, a value at a path of the file, in `overrides`. An `Edited` is an
instance with notes on what was changed.

`apply_arguments` reads the arguments `budget` and `scenario` of the Python functions as the command line reads its
options: a budget is a number or text such as "250M"; scenarios are a name, names with commas, or a list of names, and
stack in the order given.
"""

import json
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from optimizer import arguments
from optimizer.disruptions.adversary import Attack, attack_entry
from optimizer.disruptions.ensemble import each_drawn, scaled, varied
from optimizer.disruptions.shock import Axis, ShockSpec, Starts
from optimizer.errors import Finding, InstanceError, OptimizerWarning
from optimizer.instance.document import Document, document_of
from optimizer.instance.overrides import (
    BRANCH,
    Edit,
    Way,
    apply_branches,
    apply_scenarios,
    assign,
    clashes,
    find_ways,
    forced_sizes,
    scenario_edits,
    scenario_notes,
    scenario_words,
    unknown_scenario,
)
from optimizer.instance.questions import each_question
from optimizer.instance.ranges import set_number
from optimizer.instance.reading import check_document, read_document
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Future, FutureTree, Instance, require_instance
from optimizer.suggestions import did_you_mean, excerpt
from optimizer.units import MoneyLike, money

# The tree of futures: every way through the questions, and the instance at the end of each.


def make_tree(instance: Instance) -> FutureTree:
    """The futures of a checked instance.

    Raises:
        InstanceError: what a branch sets no longer fits, since the instance was changed after it was checked.
    """
    if not instance.futures:
        return FutureTree((Future("", 1.0, (), instance),))
    document = document_of(instance.to_dict(), instance.title)
    made = dict[str, Instance]()
    futures = []
    for way in find_ways(instance.futures, instance.horizon):
        key = json.dumps([branch.set for _, branch in way.changes], default=str)
        if key not in made:
            made[key] = _at_the_end(document, way)
        futures.append(Future(way.name, way.probability, way.answers, made[key]))
    return FutureTree(tuple(futures), all(question.is_weighted for _, question in each_question(instance.futures)))


def future_of(instance: Instance, name: str) -> Future:
    """The future of a name.

    Raises:
        InstanceError: there is none of this name; with the nearest that there is.
    """
    found = next((each for each in instance.tree.futures if instance.futures and each.name == name), None)
    if found is None:
        names = [each.name for each in instance.tree.futures if each.name]
        cure = "The file has none: add `futures:`, or leave it out."
        if names:
            cure = did_you_mean(str(name), names, f"Known: {', '.join(names[:8])}{' …' if names[8:] else ''}.")
        raise InstanceError([Finding(f"--future {name}", None, "", f'"{excerpt(name)}" is no future', cure)])
    return found


def branch_edits(instance: Instance) -> dict[str, list[Edit]]:
    """By name of a future what its branches set, in their order."""
    return {
        way.name: [
            Edit(f"{BRANCH} {place[-1]} of {place[-3]}", path, value)
            for place, branch in way.changes
            for path, value in branch.set.items()
        ]
        for way in find_ways(instance.futures, instance.horizon)
    }


def _at_the_end(document: Document, way: Way) -> Instance:
    instance, findings = read_document(apply_branches(document, way.changes))
    if instance is None or findings:
        raise InstanceError(findings)
    return instance


def for_each_future(instance: Instance, change: Callable[[Instance], Instance]) -> Instance:
    """The instance with a change made in every future of its tree; its own sections stay, apart from scenarios."""
    tree = instance.tree
    made = {id(future.instance): change(future.instance) for future in tree.futures}
    futures = (replace(future, instance=made[id(future.instance)]) for future in tree.futures)
    return instance.with_tree(replace(tree, futures=tuple(futures)))


# One scenario or several, and what messages take for the name of one.
ScenarioNames = str | Sequence[str]
SOME_NAME = "high"


@dataclass(frozen=True)
class Edited:
    """An instance after edits, what was changed, in words, and the same in short: ``scenario high``."""

    instance: Instance
    notes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


# Edits in terms of the file, which are checked like a file.


def under(instance: Instance, names: ScenarioNames) -> Instance:
    """The instance with one of its scenarios applied, or several in the order given, and without scenarios of its own.

    Commas separate several names in a text.

    Raises:
        InstanceError: there is no such scenario, or several together make no usable instance.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml", ["scenarios={high: {demands.motors.quantity: 120}}"])
        >>> so.under(instance, "high").demands["motors"].quantity.at(2026)
        120.0
    """
    require_instance(instance)
    chosen = _known_names(instance, names, "names")
    return check_document(apply_scenarios(document_of(instance.to_dict(), instance.title), *chosen))[0]


def in_future(instance: Instance, name: str) -> Instance:
    """One future of an instance alone: what its branches set is set, and it has no questions.

    Raises:
        InstanceError: there is no such future, with the cure.

    Example:
        >>> import optimizer as so
        >>> more = "futures={need: {from: 2027, branches: {more: {set: {demands.motors.quantity: 120}}, same: {}}}}"
        >>> so.in_future(so.load("instances/tiny.yaml", [more]), "more").demands["motors"].quantity.at(2027)
        120.0
    """
    require_instance(instance)
    return future_of(instance, name).instance


def forcing(
    instance: Instance, sizes: Iterable[tuple[str, int, float]] | Mapping[str, Mapping[int, float]]
) -> Instance:
    """The instance with further required purchases: option, calendar year and size, or a mapping like `policy.force`.

    Raises:
        InstanceError: what cannot be bought, with the cure.
        ValueError: the sizes have another form.

    Example:
        >>> import optimizer as so
        >>> so.forcing(so.load("instances/tiny.yaml"), [("plant", 2027, 40)]).policy.force
        {'plant': {2027: 40.0}}
    """
    require_instance(instance)
    listed = forced_sizes(sizes)
    sources = [f"force {o}={size:g}@{year}" for o, year, size in listed]
    document = document_of(instance.to_dict(), " ".join(sources))
    for (o, year, size), source in zip(listed, sources, strict=True):
        assign(document, ("policy", "force", o, str(year)), size, Finding(source, None, "", "", ""))
    return check_document(document)[0] if listed else instance


def with_value(instance: Instance, path: str, value: object, *, source: str | None = None) -> Instance:
    """The instance with a value at a dotted path; findings about it name `source`, by default the path.

    Raises:
        InstanceError: the changed data make no usable instance.
    """
    document = document_of(instance.to_dict(), instance.title)
    assign(document, path, value, Finding(source or path, None, "", "", ""))
    return check_document(document)[0]


def with_numbers(instance: Instance, numbers: Mapping[str, float]) -> Instance:
    """The instance with uncertain numbers elsewhere in their ranges, by path, and without ranges and scenarios.

    Raises:
        InstanceError: the changed data make no usable instance.
    """
    original, own = instance.document, {each.path: each for each in instance.uncertain}
    if not original.known:
        read_document(original)
    document = replace(original, data=original.shared_data(), findings=[], own=set(), known={**original.known})
    for path, number in numbers.items():
        set_number(document.to_change(own[path].place[:-1]), own[path], number)
    return check_document(document)[0]


def with_budget(instance: Instance, budget: MoneyLike | None) -> Instance:
    """The instance under another budget: a number, text such as "250M", or None for no limit.

    Raises:
        ValueError: no amount of money.

    Example:
        >>> import optimizer as so
        >>> so.with_budget(so.load("instances/tiny.yaml"), "30M").policy.budget
        30000000.0
    """
    require_instance(instance)
    limit = money(budget, "budget")
    return instance.replacing(policy=instance.policy.model_copy(update={"budget": limit}))


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


def resample(instance: Instance, samples: int, *, seed: int) -> Instance:
    """The instance whose only shocks are its ensembles, drawn anew.

    Their counts add to `samples`, in proportion to what they were, and their seeds become `seed`; probabilities stay.
    Where there are no ensembles, there is one of the name `varied`, drawn from the listed shocks
    (`optimizer.disruptions.ensemble.varied`). Without any shock at all there is nothing to draw, and no shock.

    Raises:
        ValueError: not 1 … 100,000 samples, or a seed that is not 0 … 1e15.
    """
    require_instance(instance)
    drawn = scaled(instance.ensembles or varied(instance.shocks), samples, seed)
    return instance.replacing(shocks={}, ensembles=drawn)


# Edits for what-if questions, which are not checked again either.


def with_single_events(instance: Instance) -> Instance:
    """Every event of a family or an ensemble as an entry of its own, under its own name, as long as the file has it."""
    entries = {
        event.name: event.spec.model_copy(
            update={
                "start": Starts((instance.horizon.label(event.periods[0]),)),
                "months": Axis((float(event.length * instance.horizon.months),)),
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
        return spec.model_copy(update={"months": Axis((min(months, spec.durations.values[0]),))})

    most = round(months / instance.horizon.months)
    shocks = {name: cut(spec) for name, spec in instance.shocks.items()}
    shorter = each_drawn(instance.ensembles, lambda s: replace(
        s, spec=cut(s.spec), periods=s.periods[:most], length=min(most, s.length)))  # fmt: skip
    return instance.replacing(shocks=shocks, ensembles=shorter)


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
    shocks = {
        name: spec.model_copy(update=changed)
        for name, spec in single.shocks.items()
        if (changed := change(spec)) is not None
    }
    return single.replacing(shocks=shocks)


# Arguments of the Python functions.


def apply_arguments(
    instance: Instance,
    *,
    budget: MoneyLike | None = None,
    scenario: ScenarioNames | None = None,
    notes: Sequence[str] = (),
    takes: Literal["one future", "futures", "futures and measures"] = "one future",
) -> Edited:
    """The instance under scenarios of its own and another budget, with notes on both behind those of the caller.

    Where two of them set the same number to different values the later one holds; that is a Python warning, and is
    among the notes. Without measures it is `judged_alone`.

    Raises:
        InstanceError: no such scenario, or several that make no usable instance; futures, where it takes one.
        ValueError: no amount of money, or no name of a scenario at all.
        TypeError: no instance.
    """
    require_instance(instance)
    limit, names = money(budget, "budget"), [] if scenario is None else _known_names(instance, scenario)
    edits, changed = list(scenario_edits(instance, names)), instance
    if names:
        changed = under(changed, names)
    if limit is not None:
        edits.append(Edit(f"budget={budget!r}", "policy.budget", budget))
        changed = with_budget(changed, limit)
    for finding in (found := clashes(instance, edits)):
        warnings.warn(str(finding), OptimizerWarning, stacklevel=3)
    said = arguments.several("notes", notes, str, "a text")
    notes_of_all = (*said, *scenario_notes(instance, names), *map(str, found))
    made = Edited(changed, notes_of_all, scenario_words(names))
    if changed.futures and takes == "one future":
        cure = "Choose one by --future, in Python by in_future(instance, name); or solve all, by solve_futures."
        raise InstanceError([Finding(changed.title, None, "futures", "the instance has several futures", cure)])
    return made if takes == "futures and measures" else judged_alone(made)


def judged_alone(made: Edited) -> Edited:
    """The same for a study of plans of one future, by their expected cost; a note where the file says otherwise."""
    if made.instance.futures or not made.instance.is_adaptive:
        return made
    note = f"policy.objective is left out: plans are judged by expected cost, not by {made.instance.policy.objective}."
    return Edited(made.instance.by_expected_cost(), (*made.notes, note), made.changes)


def scenario_variants(cases: Mapping[str, Instance], scenario: ScenarioNames | None) -> dict[str, Instance]:
    """Each case and, behind it, one for each scenario text; of one plain case they have the names of the scenarios.

    Raises:
        InstanceError: there is no such scenario, or a case has several futures.
        ValueError: no name of a scenario at all.
    """
    texts = [] if scenario is None else arguments.several("scenario", scenario, str, f'a name such as "{SOME_NAME}"')
    result = dict[str, Instance]()
    for case, given in cases.items():
        result[case] = instance = apply_arguments(given).instance
        for text in texts:
            made = apply_arguments(instance, scenario=text).instance
            name = ", ".join(arguments.names("scenario", text, instance.scenarios, SOME_NAME))
            result[name if len(cases) == 1 and case == "plain" else f"{case}, {name}"] = made
    return result


def _known_names(instance: Instance, given: ScenarioNames, argument: str = "scenario") -> list[str]:
    names = arguments.names(argument, given, instance.scenarios, SOME_NAME)
    unknown = [unknown_scenario(name, list(instance.scenarios)) for name in names if name not in instance.scenarios]
    if unknown:
        raise InstanceError(unknown)
    return names
