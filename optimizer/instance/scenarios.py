"""The scenarios of an instance: applied, and kept where the instance is changed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optimizer import arguments
from optimizer.errors import InstanceError
from optimizer.instance.document import document_of
from optimizer.instance.overrides import SCENARIOS, apply_scenarios, unknown_scenario
from optimizer.instance.reading import check_document, read_document, read_sound
from optimizer.instance.schema import Instance, require_instance

# One scenario or several, and what messages take for the name of one.
ScenarioNames = str | Sequence[str]
SOME_NAME = "high"


def under(instance: Instance, names: ScenarioNames) -> Instance:
    """The instance with one of its scenarios applied, or several in the order given.

    Commas separate several names in a text. The instance that comes back has no scenarios of its own: name all that
    are to apply in one call.

    Raises:
        InstanceError: there is no such scenario, or several together make no usable instance.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml", ["scenarios={high: {demands.motors.quantity: 120}}"])
        >>> so.under(instance, "high").demands["motors"].quantity.at(2026)
        120.0
    """
    require_instance(instance)
    chosen = known_scenarios(instance, names, "names")
    return check_document(apply_scenarios(document_of(instance.to_dict(), instance.title), *chosen))[0]


def known_scenarios(instance: Instance, given: ScenarioNames, argument: str = "scenario") -> list[str]:
    """The names of scenarios in an argument.

    Raises:
        InstanceError: every name that is no scenario's.
        ValueError: no name at all.
    """
    names = arguments.names(argument, given, instance.scenarios, SOME_NAME)
    unknown = [unknown_scenario(name, list(instance.scenarios)) for name in names if name not in instance.scenarios]
    if unknown:
        raise InstanceError(unknown)
    return names


def keep_scenarios(
    before: Instance, after: Instance, change: Callable[[Instance], Instance], is_gone: Callable[[str], bool]
) -> tuple[Instance, tuple[str, ...]]:
    """A changed instance with the scenarios that the one before the change had, and notes on those that cannot be kept.

    Each makes of it what the change makes of the instance under the scenario. Where leaving out the paths that are gone
    does not do, it sets whole sections.

    Args:
        before: the instance with its scenarios.
        after: the same changed, `change(before)`.
        change: the change.
        is_gone: whether a path is gone with it.
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
    """The first overrides, or else whole sections, that make an instance the wanted one; None where neither does."""
    return next((each for each in (first, _sections(wanted, instance)) if _under(instance, each) == wanted), None)


def _under(instance: Instance, overrides: Mapping[str, Any]) -> Instance | None:
    """The instance under overrides; None where they do not fit."""
    data = {**instance.to_dict(), SCENARIOS: {SOME_NAME: overrides}}
    return read_sound(apply_scenarios(document_of(data, instance.title), SOME_NAME))


def _sections(wanted: Instance, instance: Instance) -> dict[str, Any]:
    """The sections in which an instance differs from another, whole."""
    written, every = wanted.to_dict(), wanted.model_dump(mode="json", by_alias=True)
    there = instance.to_dict()
    return {
        section: written.get(section, value)
        for section, value in every.items()
        if section != SCENARIOS and written.get(section) != there.get(section)
    }
