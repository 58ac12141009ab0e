"""Changed copies of an instance: functions that take an Instance and return one.

values of the file    forcing, with_value, with_numbers     checked like a file
scenarios             under                                 checked like a file
budget                with_budget, edit_budget               its range is dropped if it does not hold the new budget
samples               resample                              always valid, so not checked again
futures               in_future, for_each_future            taken from the tree

`removal` leaves objects out; `altered` changes shocks, floors or demand; `overrides` defines an `Edit`, a value at a
path of the file. An `Edited` is an instance with notes on its changes.

`apply_arguments` reads the arguments `budget` and `scenario` of the Python functions as the command line reads its
options: a budget is a number or text such as "250M"; scenarios are a name, names with commas, or a list of names,
applied in the order given.
"""

import json
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from optimizer import arguments
from optimizer.disruptions.ensemble import scale_counts, vary_shocks
from optimizer.errors import Finding, InstanceError, OptimizerWarning, did_you_mean, excerpt
from optimizer.instance.altered import with_policy
from optimizer.instance.document import Document, document_of
from optimizer.instance.overrides import (
    BRANCH,
    SCENARIOS,
    Edit,
    apply_branches,
    apply_scenarios,
    assign,
    clashes,
    forced_sizes,
    scenario_edits,
    scenario_notes,
    scenario_words,
    unknown_scenario,
)
from optimizer.instance.questions import Way, each_question, find_ways
from optimizer.instance.ranges import RANGES, find_places, set_input
from optimizer.instance.reading import check_document, instance_of, read_document, read_with_errors
from optimizer.instance.schema import MEMBERS, Future, FutureTree, Instance, require_instance
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result, require_result
from optimizer.results.saved import SavedPlan
from optimizer.units import MoneyLike, money, si

# The tree of futures: every combination of branches, and the instance that results from it.


def make_tree(instance: Instance) -> FutureTree:
    """Build the tree of futures of a checked instance.

    Raises:
        InstanceError: the values of a branch do not fit: the instance was changed after its checks, or has more futures
            than a file of its size is checked for.
    """
    if not instance.futures:
        return FutureTree((Future("", 1.0, (), instance),))
    document = document_of(instance.to_dict(), instance.title)
    made = dict[str, Instance]()
    futures = []
    for way in find_ways(instance.futures, instance.horizon):
        key = json.dumps([branch.set for _, branch in way.changes], default=str)
        if key not in made:
            made[key] = _instance_of_way(document, way)
        futures.append(Future(way.name, way.probability, way.answers, made[key]))
    return FutureTree(tuple(futures), all(question.is_weighted for _, question in each_question(instance.futures)))


def branch_edits(instance: Instance) -> dict[str, list[Edit]]:
    """Return, by name of future, the values that its branches set, in the order of the branches."""
    return {
        way.name: [
            Edit(f"{BRANCH} {place[-1]} of {place[-3]}", path, value)
            for place, branch in way.changes
            for path, value in branch.set.items()
        ]
        for way in find_ways(instance.futures, instance.horizon)
    }


def _instance_of_way(document: Document, way: Way) -> Instance:
    instance, errors = read_with_errors(apply_branches(document, way.changes))
    if instance is None or errors:
        raise InstanceError([replace(each, file=f"{document.file}, future {way.name}") for each in errors])
    return instance


def _read_sound(document: Document) -> Instance | None:
    """Build the instance of a document, or return None if it has errors; its futures are not checked."""
    instance, errors = read_with_errors(document)
    return None if errors else instance


def for_each_future(instance: Instance, change: Callable[[Instance], Instance]) -> Instance:
    """Return the instance with `change` applied in every future of its tree; its own sections stay as they are."""
    tree = instance.tree
    made = {id(future.instance): change(future.instance) for future in tree.futures}
    futures = (replace(future, instance=made[id(future.instance)]) for future in tree.futures)
    return instance.with_tree(replace(tree, futures=tuple(futures)))


# One scenario or several; and the name of a scenario in the examples of messages.
ScenarioNames = str | Sequence[str]
SOME_NAME = "high"


@dataclass(frozen=True)
class Edited:
    """An instance after edits, with notes on the changes in sentences, and each change in short: ``scenario high``."""

    instance: Instance
    notes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


_BUDGET = "policy.budget"

# Scenarios and edits in terms of the file, which are checked like a file; and one future, taken from the tree.


def under(instance: Instance, names: ScenarioNames) -> Instance:
    """Return the instance with one of its scenarios applied, or several in the order given.

    Commas separate several names in a text. The returned instance has no scenarios: name all that are to apply in one
    call.

    Raises:
        InstanceError: there is no such scenario, or the scenarios together make no valid instance.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml", ["scenarios={high: {demands.motors.quantity: 120}}"])
        >>> so.under(instance, "high").demands["motors"].quantity.at(2026)
        120.0
    """
    require_instance(instance)
    chosen = chosen_scenarios(instance, names, "names")
    changed = apply_scenarios(document_of(instance.to_dict(), instance.title), *chosen)
    # The instance has a range for each number that a pattern of the file matches. A scenario may replace what has some.
    for path in instance.ranges.keys() & (changed.data.get(RANGES) or {}).keys():
        if next(find_places(changed.data, path), None) is None:
            del changed.own_part((RANGES,))[path]
    return check_document(changed)[0]


def chosen_scenarios(instance: Instance, given: ScenarioNames, argument: str = "scenario") -> list[str]:
    """Return the names of scenarios in an argument.

    Raises:
        InstanceError: some names are no scenarios of the instance; the error lists them all.
        ValueError: the argument has no name.
    """
    names = arguments.names(argument, given, instance.scenarios, SOME_NAME)
    unknown = [unknown_scenario(name, list(instance.scenarios)) for name in names if name not in instance.scenarios]
    if unknown:
        raise InstanceError(unknown)
    return names


def in_future(instance: Instance, name: str) -> Instance:
    """Return the instance of one future: the values of its branches are set, and it has no questions.

    Raises:
        InstanceError: there is no such future; the error suggests the nearest name.
        ValueError: the name is no text.

    Example:
        >>> import optimizer as so
        >>> more = "futures={need: {from: 2027, branches: {more: {set: {demands.motors.quantity: 120}}, same: {}}}}"
        >>> so.in_future(so.load("instances/tiny.yaml", [more]), "more").demands["motors"].quantity.at(2027)
        120.0
    """
    require_instance(instance)
    if not isinstance(name, str):
        raise arguments.ArgumentError("name", name, "write the name of a future.")
    found = next((each for each in instance.tree.futures if instance.futures and each.name == name), None)
    if found is None:
        names = [each.name for each in instance.tree.futures if each.name]
        cure = "The file has none: add `futures:`, or take the instance as it is."
        if names:
            cure = did_you_mean(name, names, f"Known: {', '.join(names[:8])}{' …' if names[8:] else ''}.")
        raise InstanceError([Finding(f"--future {name}", None, "", f'"{excerpt(name)}" is no future', cure)])
    return found.instance


def forcing(
    instance: Instance, sizes: Iterable[tuple[str, int, float]] | Mapping[str, Mapping[int, float]]
) -> Instance:
    """Return the instance with more required purchases, each of exactly this size in its year.

    One of an option and year that the instance requires already is replaced.

    Args:
        instance: the instance.
        sizes: triples of option, calendar year and size, or a mapping like `policy.force`.

    Raises:
        InstanceError: a purchase is not possible; the error says how to correct it.
        ValueError: the sizes have another form.

    Example:
        >>> import optimizer as so
        >>> so.forcing(so.load("instances/tiny.yaml"), [("plant", 2027, 40)]).policy.force
        {'plant': {2027: 40.0}}
    """
    require_instance(instance)
    return with_required_purchases(instance, forced_sizes(sizes)).instance


def with_required_purchases(instance: Instance, listed: Sequence[tuple[str, int, float]]) -> Edited:
    """Return the instance with more required purchases; a scenario that does not allow them is left out."""
    if not listed:
        return Edited(instance)
    sources = [f"force {o}={size:g}@{year}" for o, year, size in listed]
    document = document_of(instance.to_dict(), " ".join(sources))
    for (o, year, size), source in zip(listed, sources, strict=True):
        assign(document, ("policy", "force", o, str(year)), size, Finding(source, None, "", "", ""))
    kept = {
        name: overrides
        for name, overrides in instance.scenarios.items()
        if _read_sound(apply_scenarios(document, name)) is not None
    }
    assign(document, (SCENARIOS,), {}, Finding(" ".join(sources), None, "", "", ""))
    lost = sorted(instance.scenarios.keys() - kept)
    notes = (f"Scenario {name} is left out: it does not allow what is forced." for name in lost)
    words = (f"{o} {size:g} in {year}, forced" for o, year, size in listed)
    return Edited(check_document(document)[0].replacing(scenarios=kept), tuple(notes), tuple(words))


def with_value(instance: Instance, path: str, value: object, *, source: str | None = None) -> Instance:
    """Return the instance with a value set at a dotted path; findings about it name `source`, by default the path.

    Raises:
        InstanceError: the changed data make no valid instance.
    """
    document = document_of(instance.to_dict(), instance.title)
    assign(document, path, value, Finding(source or path, None, "", "", ""))
    return check_document(document)[0]


def with_numbers(instance: Instance, numbers: Mapping[str, float]) -> Instance:
    """Return the instance with other values of its uncertain inputs, by path, and without ranges and scenarios.

    The length of a shock is rounded to the nearest whole number of periods, a year to the nearest one.

    Raises:
        InstanceError: the changed data make no valid instance.
    """
    original, own = instance.document, {each.path: each for each in instance.uncertain}
    if not original.known:
        read_document(original)
    document = replace(original, data=original.shared_data(), findings=[], own=set(), known={**original.known})
    for path, number in numbers.items():
        set_input(document.own_part(own[path].place[:-1]), own[path], number, instance.horizon.months)
    return check_document(document)[0]


def with_budget(instance: Instance, budget: MoneyLike | None) -> Instance:
    """Return the instance under another budget: a number, text such as "250M", or None for no limit.

    If the budget has a range that does not hold the amount, the range is dropped with an `OptimizerWarning`.

    Raises:
        ValueError: the budget is no amount of money.

    Example:
        >>> import optimizer as so
        >>> so.with_budget(so.load("instances/tiny.yaml"), "30M").policy.budget
        30000000.0
    """
    require_instance(instance)
    made = edit_budget(instance, money(budget, "budget"))
    for note in made.notes:
        warnings.warn(note, OptimizerWarning, stacklevel=2)
    return made.instance


def edit_budget(instance: Instance, limit: float | None) -> Edited:
    """Return the instance under another budget or none, with a note on its range if that does not hold the budget."""
    made = with_policy(instance, budget=limit)
    if limit is None or _BUDGET not in instance.ranges or _BUDGET in made.ranges:
        return Edited(made)
    return Edited(made, (f"The range of {_BUDGET} does not hold {si(limit)}: it is left out.",))


# Scenarios that a changed instance keeps.


def keep_scenarios(
    before: Instance, after: Instance, change: Callable[[Instance], Instance], is_gone: Callable[[str], bool]
) -> tuple[Instance, tuple[str, ...]]:
    """Return the changed instance with the scenarios it had before, and a note on each scenario that cannot be kept.

    Scenario and change commute: a kept scenario, applied to `after`, gives the change of the instance under that
    scenario. If omitting the overrides of removed paths does not achieve this, the scenario sets whole sections.

    Args:
        before: the instance with its scenarios.
        after: the changed instance, `change(before)`.
        change: the change.
        is_gone: whether the change removes a path.
    """
    if not before.scenarios:
        return after, ()
    kept, notes, document = dict[str, Mapping[str, Any]](), list[str](), document_of(before.to_dict(), before.title)
    for name, overrides in before.scenarios.items():
        there, _ = read_document(apply_scenarios(document, name))
        left = {path: value for path, value in overrides.items() if not is_gone(path)}
        if there is not None and (found := _overrides_to(change(there), after, left)) is not None:
            kept[name] = found
        else:
            notes.append(f"Scenario {name} is left out: what it sets does not fit any longer.")
    return after.replacing(scenarios=kept), tuple(notes)


def _overrides_to(wanted: Instance, instance: Instance, first: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return overrides that turn `instance` into `wanted`: `first`, or else whole sections; None if neither does."""
    candidates = (first, _differing_sections(wanted, instance))
    return next((each for each in candidates if _override(instance, each) == wanted), None)


def _override(instance: Instance, overrides: Mapping[str, Any]) -> Instance | None:
    """Return the instance under overrides, or None if they do not fit."""
    data = {**instance.to_dict(), SCENARIOS: {SOME_NAME: overrides}}
    return _read_sound(apply_scenarios(document_of(data, instance.title), SOME_NAME))


def _differing_sections(wanted: Instance, instance: Instance) -> dict[str, Any]:
    """Return the whole sections of `wanted` that differ from those of `instance`, by name."""
    written, every = wanted.to_dict(), wanted.model_dump(mode="json", by_alias=True)
    there = instance.to_dict()
    return {
        section: written.get(section, value)
        for section, value in every.items()
        if section != SCENARIOS and written.get(section) != there.get(section)
    }


def resample(instance: Instance, samples: int, *, seed: int) -> Instance:
    """Return the instance with newly drawn samples of its ensembles as its only shocks.

    The counts of the ensembles add to `samples`, in proportion to their previous counts. Every seed becomes `seed`;
    probabilities stay. An instance without ensembles gets one named `varied`, drawn from its listed shocks
    (`optimizer.disruptions.ensemble.vary_shocks`). An instance without shocks stays without shocks.
    The scenarios of the instance stay: resampling commutes with applying a scenario.

    Raises:
        ValueError: `samples` is not 1 … 100,000, or `seed` is not 0 … 1e15.
    """
    require_instance(instance)

    def draw(given: Instance) -> Instance:
        drawn = scale_counts(given.ensembles or vary_shocks(given.shocks), samples, seed)
        return given.replacing(shocks={}, ensembles=drawn)

    made, _ = keep_scenarios(instance, draw(instance), draw, lambda path: path.split(".")[0] == "shocks")
    return made


# Arguments of the Python functions.

# Sections that no plan depends on.
_WITHOUT_EFFECT_ON_PLANS = frozenset({"name", "source", "note", "description", SCENARIOS, RANGES, MEMBERS})


def require_known(
    known: Result | FuturesResult | None,
    instance: Instance,
    kind: type[SavedPlan] = Result,
    *,
    argument: str = "known",
    but: Collection[str] = (),
) -> None:
    """Check an argument such as `known`: None, or a result of this instance, with its scenarios and budget.

    Sections in `but` may differ.

    Raises:
        TypeError: it is no result of the kind.
        ValueError: the result is that of an instance that may have other plans.
    """
    require_result(known, kind | None)
    if known is not None and (differ := [s for s in other_sections(known, instance) if s not in but]):
        cure = f"it is of an instance with other {', '.join(differ)}: solve this instance."
        raise arguments.ArgumentError(argument, known, cure)


def other_instance_notes(result: Result | FuturesResult, instance: Instance) -> list[str]:
    """Return a sentence, what to do included, if this instance may have other plans than that of the result."""
    try:
        differ = other_sections(result, instance)
    except InstanceError:
        return []
    cure = "compare it with the instance that was solved, `read(result.data)`"
    return [f"instance: the result is of one that differs in {', '.join(differ)}; {cure}"] if differ else []


def other_sections(result: Result | FuturesResult, instance: Instance) -> list[str]:
    """Return the sections in which the instance of a result may have other plans than this instance.

    Raises:
        InstanceError: the instance in a saved plan is no longer valid.
    """
    return differing_sections(instance_of(result), instance)


def differing_sections(one: Instance, other: Instance) -> list[str]:
    """Return the sections in which two instances differ and on which plans depend."""
    if one is other:
        return []
    own, here = one.to_dict(), other.to_dict()
    sections = [section for section in dict.fromkeys([*here, *own]) if section not in _WITHOUT_EFFECT_ON_PLANS]
    return [section for section in sections if own.get(section) != here.get(section)]


def apply_arguments(
    instance: Instance,
    *,
    budget: MoneyLike | None = None,
    scenario: ScenarioNames | None = None,
    notes: Sequence[str] = (),
    takes: Literal["one future", "futures", "futures and measures"] = "one future",
    for_all: str = "",
) -> Edited:
    """Return the instance under its named scenarios and another budget, with notes on both after those of the caller.

    If two of them set the same number to different values, the later one holds; a Python warning and a note say so.
    Unless `takes` includes measures, an instance without futures is judged by expected cost, with a note. `for_all` is
    the function that takes all futures in place of one, if there is such a function.

    Raises:
        InstanceError: there is no such scenario, several make no valid instance, or the instance has several futures
            although `takes` is "one future".
        ValueError: the budget is no amount of money, or `scenario` holds no name.
        TypeError: `instance` is no Instance.
    """
    require_instance(instance)
    outside: tuple[str, ...] = ()
    limit, names = money(budget, "budget"), [] if scenario is None else chosen_scenarios(instance, scenario)
    edits, changed = list(scenario_edits(instance, names)), instance
    if names:
        changed = under(changed, names)
    if limit is not None:
        edits.append(Edit(f"budget={budget!r}", _BUDGET, budget))
        made = edit_budget(changed, limit)
        changed, outside = made.instance, made.notes
    for finding in (found := clashes(instance, edits)):
        warnings.warn(str(finding), OptimizerWarning, stacklevel=3)
    said = arguments.several("notes", notes, str, "a text")
    notes_of_all = (*said, *scenario_notes(instance, names), *outside, *map(str, found))
    made = Edited(changed, notes_of_all, scenario_words(names))
    if changed.futures and takes == "one future":
        cure = "Choose one by --future, in Python by in_future(instance, name)"
        cure += f"; or take all, by {for_all}." if for_all else "."
        raise InstanceError([Finding(changed.title, None, "futures", "the instance has several futures", cure)])
    return made if takes == "futures and measures" else with_expected_cost(made)


def with_expected_cost(made: Edited) -> Edited:
    """Set the objective of an instance without futures to expected cost, with a note if the file has another one."""
    if made.instance.futures or not made.instance.is_adaptive:
        return made
    note = f"policy.objective is left out: plans are judged by expected cost, not by {made.instance.policy.objective}."
    return Edited(made.instance.by_expected_cost(), (*made.notes, note), made.changes)


def scenario_variants(
    cases: Mapping[str, Instance], scenario: ScenarioNames | None
) -> tuple[dict[str, Instance], list[str]]:
    """Return each case by name, followed by the case under each scenario text, named ``<case>, <scenario>``.

    If `plain` is the only case, its variants have the names of the scenarios alone. Notes on the given cases are
    returned as well, with the name of the case if there are several.

    Raises:
        InstanceError: there is no such scenario, or a case has several futures.
        ValueError: a scenario text holds no name.
    """
    texts = [] if scenario is None else arguments.several("scenario", scenario, str, f'a name such as "{SOME_NAME}"')
    result, notes = dict[str, Instance](), list[str]()
    for case, given in cases.items():
        plain = apply_arguments(given)
        result[case] = instance = plain.instance
        notes += plain.notes if len(cases) == 1 else [f"{case}: {note}" for note in plain.notes]
        for text in texts:
            made = apply_arguments(instance, scenario=text).instance
            name = ", ".join(arguments.names("scenario", text, instance.scenarios, SOME_NAME))
            result[name if len(cases) == 1 and case == "plain" else f"{case}, {name}"] = made
    return result, notes
