"""Removal of objects from an instance, with every reference to them in shocks, rules, ties and targets.

`without` removes options by name or kind; `coalition` removes everything that belongs to other members.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optimizer import arguments
from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.ensemble import DrawnCut, EnsembleSpec, Event, draw_name
from optimizer.disruptions.shock import Cut, ShockSpec
from optimizer.errors import Finding, InstanceError, did_you_mean
from optimizer.instance.altered import with_policy
from optimizer.instance.derived import has_initial_stock
from optimizer.instance.edits import Edited, keep_scenarios
from optimizer.instance.questions import is_gone, questions_without
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance, Member, Policy, require_instance
from optimizer.levers import KINDS, Lever
from optimizer.network.process import Process


@dataclass(frozen=True)
class Removed:
    """The names of removed options, existing processes and segments."""

    options: frozenset[str] = frozenset()
    processes: frozenset[str] = frozenset()
    demands: frozenset[str] = frozenset()

    @property
    def activities(self) -> frozenset[str]:
        """The removed options and processes; no option shares its name with a process."""
        return self.options | self.processes

    @property
    def by_section(self) -> Mapping[str, frozenset[str]]:
        """The removed names by section of the instance."""
        return {"options": self.options, "processes": self.processes, "demands": self.demands}


def without(instance: Instance, words: str | Sequence[str]) -> Instance:
    """Return the instance without some options, or all of a kind; options that require one of them are removed too.

    Scenarios stay, without their overrides of removed options: under a scenario, the result equals the instance under
    that scenario without these options, as on the command line. A scenario that sets nothing else stays and changes
    nothing. A scenario that changes which options are removed, such as by adding one of the kind, sets whole sections.
    A scenario that no longer applies is dropped.

    Args:
        instance: the instance.
        words: the name of an option or a kind of lever, or several of them.

    Raises:
        InstanceError: some words are neither an option nor a kind; the error lists them all.

    Example:
        >>> import optimizer as so
        >>> list(so.without(so.load("instances/tiny.yaml"), "plant").options)
        ['reserve']
    """
    return leave_out(instance, words).instance


def leave_out(instance: Instance, words: str | Sequence[str]) -> Edited:
    """Remove options as `without` does, and return notes on what was removed and why with the instance.

    Raises:
        InstanceError: some words are neither an option nor a kind; the error lists them all.
    """
    require_instance(instance)
    named = _match_words(instance, arguments.names("words", words, instance.options, "plant"))
    unknown = [_unknown_word(instance, word) for word, options in named.items() if not options and word not in KINDS]
    if unknown:
        raise InstanceError(unknown)
    gone, required = _with_requiring(instance, named)
    notes = [_describe_removed(word, options) for word, options in named.items()]
    notes += [f"{o} requires {other}, so it is left out as well." for o, other in required.items()]
    notes += _notes_on_removed(instance, gone.options)
    left, dropped = keep_scenarios(
        instance,
        remove(instance, gone),
        lambda given: remove(given, _with_requiring(given, _match_words(given, named))[0]),
        lambda path: is_gone(path, gone.by_section),
    )
    return Edited(left, (*notes, *dropped), (f"without {', '.join(named)}",) if named else ())


def _notes_on_removed(instance: Instance, gone: Collection[str]) -> Iterator[str]:
    """Yield notes on initial stocks and required purchases that are removed together with their options."""
    if stored := [o for o in instance.options if o in gone and has_initial_stock(instance, o)]:
        yield f"The initial stock of {_join_names(stored)} is left out as well."
    if forced := [o for o in instance.policy.force if o in gone]:
        yield f"What the policy forces of {_join_names(forced)} is left out as well."


def _with_requiring(instance: Instance, named: Mapping[str, list[str]]) -> tuple[Removed, dict[str, str]]:
    """Return the named options with all that require them, and, for each of the latter, one option that it requires."""
    gone, required = {o for options in named.values() for o in options}, dict[str, str]()
    while more := options_left_without(instance, Removed(frozenset(gone))):
        required |= more
        gone.update(more)
    return Removed(frozenset(gone)), required


def _describe_removed(word: str, options: list[str]) -> str:
    return f"Without {word}." if options == [word] else f"Without {word}: {_join_names(options)}."


def _match_words(instance: Instance, words: Iterable[str]) -> dict[str, list[str]]:
    return {
        word: [o for o, option in instance.options.items() if word in (o, option.kind)] for word in dict.fromkeys(words)
    }


def _join_names(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "the instance has none"


def _unknown_word(instance: Instance, word: str) -> Finding:
    cure = did_you_mean(word, [*instance.options, *KINDS], f"Name an option, or a kind: {', '.join(KINDS)}.")
    return Finding(f"without {word or '""'}", None, "", f'"{word}" is neither an option nor a kind of option', cure)


def coalition(instance: Instance, names: Collection[str]) -> Instance:
    """Return the instance of a coalition: the demand, processes and options of its members, and those of no member.

    A process to which several members contribute has the sum of the shares of the coalition. Options that refer to
    removed objects are removed too. If every member of the coalition has a budget, the budget is their sum. The
    returned instance has no members.

    Raises:
        InstanceError: some names are no members; the error lists them all.

    Example:
        >>> import optimizer as so
        >>> from optimizer.instance.removal import coalition
        >>> members = "members={north: {demands: motors, options: plant}, south: {options: reserve}}"
        >>> list(coalition(so.load("instances/tiny.yaml", [members]), ["north"]).options)
        ['plant']
    """
    require_instance(instance)
    unknown = [_unknown_member(instance, name) for name in names if name not in instance.members]
    if unknown:
        raise InstanceError(unknown)
    inside = [member for name, member in instance.members.items() if name in names]
    shares = {
        p: math.fsum(member.processes.get(p, 0.0) for member in inside)
        for member in instance.members.values()
        for p in member.processes
    }
    left = remove(instance, _objects_outside(instance, names, shares))
    processes = {p: _scale_process(process, shares.get(p, 1.0)) for p, process in left.processes.items()}
    budget = _sum_of_budgets(inside, instance.policy.budget)
    return with_policy(left.replacing(processes=processes, members={}), budget=budget)


def _objects_outside(instance: Instance, names: Collection[str], shares: Mapping[str, float]) -> Removed:
    """Return the objects that a coalition lacks: those of other members, and options that refer to them."""
    outside = [member for name, member in instance.members.items() if name not in names]
    gone = Removed(
        frozenset(o for member in outside for o in member.options),
        frozenset(p for p, share in shares.items() if share <= 0),
        frozenset(d for member in outside for d in member.demands),
    )
    while more := options_left_without(instance, gone):
        gone = replace(gone, options=gone.options | more.keys())
    return gone


def _sum_of_budgets(members: Collection[Member], otherwise: float | None) -> float | None:
    budgets = [member.budget for member in members if member.budget is not None]
    return math.fsum(budgets) if len(budgets) == len(members) else otherwise


def _scale_process(process: Process, share: float) -> Process:
    """Return a process with a share of its capacity, of its actual output, and of what its price includes."""
    if share == 1.0:
        return process
    actual = {year: share * output for year, output in process.actual.items()}
    capacity, market = process.capacity.mapped(lambda value: share * value), process.price_response
    if market is not None:
        market = market.model_copy(update={"included": share * market.included})
    return process.model_copy(update={"capacity": capacity, "actual": actual, "price_response": market})


def _unknown_member(instance: Instance, name: str) -> Finding:
    known = list(instance.members)
    listed = f"The members are {', '.join(known)}." if known else "The file has none: add `members:`."
    return Finding(f"--between {name}", None, "", f'"{name}" is no member', did_you_mean(name, known, listed))


def remove(instance: Instance, gone: Removed) -> Instance:
    """Return the instance without the objects in `gone`, which must include all options that refer to any of them."""
    left = {section: _drop_names(getattr(instance, section), names) for section, names in gone.by_section.items()}
    known = {*left["processes"], *left["options"]}
    return instance.replacing(
        **left | {"options": {o: _reduce_excludes(option, gone.options) for o, option in left["options"].items()}},
        shocks={name: _drop_references(spec, gone, known) for name, spec in instance.shocks.items()},
        ensembles={name: _drop_references(spec, gone, known) for name, spec in instance.ensembles.items()},
        policy=_reduce_policy(instance.policy, gone.options, known),
        futures=questions_without(instance.futures, gone.by_section),
        adversary=None if instance.adversary is None else _reduce_adversary(instance.adversary, known),
        members={name: _reduce_member(member, gone) for name, member in instance.members.items()},
    )


def _drop_names(objects: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    return {name: each for name, each in objects.items() if name not in gone}


def options_left_without(instance: Instance, gone: Removed) -> dict[str, str]:
    """Return the options left that refer to a removed object, each with the name of one; exclusions do not count."""
    return {
        o: each.name
        for o, option in instance.options.items()
        if o not in gone.options
        for each in option.references()
        if each.place[0] != "excludes" and each.name in gone.by_section.get(each.section, ())
    }


def _reduce_member(member: Member, gone: Removed) -> Member:
    left = {
        "demands": tuple(d for d in member.demands if d not in gone.demands),
        "options": tuple(o for o in member.options if o not in gone.options),
        "processes": _drop_names(member.processes, gone.processes),
    }
    return member.model_copy(update=left)


def _reduce_policy(policy: Policy, gone: Collection[str], known: set[str]) -> Policy:
    rules = (rule.model_copy(update={"cuts": _reduce_cuts(rule.cuts, known)}) for rule in policy.min_time_to_survive)
    force = {o: sizes for o, sizes in policy.force.items() if o not in gone}
    return policy.model_copy(update={MIN_TIME_TO_SURVIVE: tuple(rule for rule in rules if rule.cuts), "force": force})


def _reduce_excludes(option: Lever, gone: Collection[str]) -> Lever:
    excludes: tuple[str, ...] = getattr(option, "excludes", ())
    if not excludes:
        return option
    return option.model_copy(update={"excludes": tuple(other for other in excludes if other not in gone)})


def _drop_references[Spec: (ShockSpec, EnsembleSpec, Event)](
    spec: Spec, gone: Removed, known: set[str], name: str = ""
) -> Spec:
    """Return a shock, ensemble, or event `name` of one, without references to removed objects."""
    update: dict[str, Any] = {"cuts": _reduce_cuts(spec.cuts, known, name)}
    fields = {"cost": gone.activities, "reliability": gone.options, "demand": gone.demands, "survival": gone.demands}
    for field, names in fields.items():
        if (own := getattr(spec, field)) is not None:
            update[field] = {each: value for each, value in own.items() if each not in names}
    if isinstance(spec, EnsembleSpec):
        update["events"] = {event: _drop_references(each, gone, known, event) for event, each in spec.events.items()}
    return spec.model_copy(update=update)


def _reduce_cuts[AnyCut: (Cut, DrawnCut)](
    cuts: Iterable[AnyCut], known: set[str], event: str = ""
) -> tuple[AnyCut, ...]:
    """Return cuts reduced to known activities; a cut that moves up in its event keeps its own column of draws."""
    left: list[AnyCut] = []
    for i, cut in enumerate(cuts):
        named = None if cut.process is None else tuple(process for process in cut.process if process in known)
        if named != ():
            update: dict[str, Any] = {"process": named}
            if isinstance(cut, DrawnCut) and len(left) != i:
                update["draw"] = draw_name(cut, event, i)
            left.append(cut.model_copy(update=update))
    return tuple(left)


def _reduce_adversary(adversary: AdversarySpec, known: set[str]) -> AdversarySpec | None:
    """Return the adversary with the targets that still have cuts, or None if none has."""
    aimed = {
        name: target.model_copy(
            update={
                "cuts": _reduce_cuts(target.cuts, known),
                "deterrence": {o: added for o, added in target.deterrence.items() if o in known},
            }
        )
        for name, target in adversary.targets.items()
    }
    targets = {name: target for name, target in aimed.items() if target.cuts}
    return adversary.model_copy(update={"targets": targets}) if targets else None
