"""An instance without some of its objects, and without every reference to them in shocks, rules, ties and targets."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.ensemble import DrawnCut, EnsembleSpec, Event, draw_of
from optimizer.disruptions.shock import Cut, ShockSpec
from optimizer.instance.members import Member
from optimizer.instance.questions import questions_without
from optimizer.instance.schema import RULE, Instance, Policy
from optimizer.levers import Lever


@dataclass(frozen=True)
class Removed:
    """Names of what is removed: options, existing processes, segments."""

    options: frozenset[str] = frozenset()
    processes: frozenset[str] = frozenset()
    demands: frozenset[str] = frozenset()

    @property
    def activities(self) -> frozenset[str]:
        """Options and processes, which no two have a name in common."""
        return self.options | self.processes

    @property
    def by_section(self) -> Mapping[str, frozenset[str]]:
        """The same by section of the instance."""
        return {"options": self.options, "processes": self.processes, "demands": self.demands}


def remove(instance: Instance, gone: Removed) -> Instance:
    """The instance without them; options that refer to what is gone have to be among them."""
    left = {section: _left(getattr(instance, section), names) for section, names in gone.by_section.items()}
    known = {*left["processes"], *left["options"]}
    return instance.replacing(
        **left | {"options": {o: _excluding(option, gone.options) for o, option in left["options"].items()}},
        shocks={name: _forget(spec, gone, known) for name, spec in instance.shocks.items()},
        ensembles={name: _forget(spec, gone, known) for name, spec in instance.ensembles.items()},
        policy=_policy(instance.policy, gone.options, known),
        futures=questions_without(instance.futures, gone.by_section),
        adversary=None if instance.adversary is None else _aiming(instance.adversary, known),
        members={name: _bring_less(member, gone) for name, member in instance.members.items()},
    )


def _left(objects: Mapping[str, Any], gone: Collection[str]) -> dict[str, Any]:
    return {name: each for name, each in objects.items() if name not in gone}


def options_left_without(instance: Instance, gone: Removed) -> dict[str, str]:
    """Options that are still there, each with a name that it refers to and that is gone; exclusions do not count."""
    return {
        o: each.name
        for o, option in instance.options.items()
        if o not in gone.options
        for each in option.references()
        if each.place[0] != "excludes" and each.name in gone.by_section.get(each.section, ())
    }


def _bring_less(member: Member, gone: Removed) -> Member:
    left = {
        "demands": tuple(d for d in member.demands if d not in gone.demands),
        "options": tuple(o for o in member.options if o not in gone.options),
        "processes": _left(member.processes, gone.processes),
    }
    return member.model_copy(update=left)


def _policy(policy: Policy, gone: Collection[str], known: set[str]) -> Policy:
    rules = (rule.model_copy(update={"cuts": _cuts(rule.cuts, known)}) for rule in policy.min_time_to_survive)
    force = {o: sizes for o, sizes in policy.force.items() if o not in gone}
    return policy.model_copy(update={RULE: tuple(rule for rule in rules if rule.cuts), "force": force})


def _excluding(option: Lever, gone: Collection[str]) -> Lever:
    excludes: tuple[str, ...] = getattr(option, "excludes", ())
    if not excludes:
        return option
    return option.model_copy(update={"excludes": tuple(other for other in excludes if other not in gone)})


def _forget[Spec: (ShockSpec, EnsembleSpec, Event)](spec: Spec, gone: Removed, known: set[str], name: str = "") -> Spec:
    """A shock, ensemble or event of a name without references to what is gone."""
    update: dict[str, Any] = {"cuts": _cuts(spec.cuts, known, name)}
    fields = {"cost": gone.activities, "reliability": gone.options, "demand": gone.demands, "survival": gone.demands}
    for field, names in fields.items():
        if (own := getattr(spec, field)) is not None:
            update[field] = {each: value for each, value in own.items() if each not in names}
    if isinstance(spec, EnsembleSpec):
        update["events"] = {event: _forget(each, gone, known, event) for event, each in spec.events.items()}
    return spec.model_copy(update=update)


def _cuts[AnyCut: (Cut, DrawnCut)](cuts: Iterable[AnyCut], known: set[str], event: str = "") -> tuple[AnyCut, ...]:
    """Cuts of activities that are known; a cut that moves up in its event keeps its own column of chances."""
    left: list[AnyCut] = []
    for i, cut in enumerate(cuts):
        named = None if cut.process is None else tuple(process for process in cut.process if process in known)
        if named != ():
            update: dict[str, Any] = {"process": named}
            if isinstance(cut, DrawnCut) and len(left) != i:
                update["draw"] = draw_of(cut, event, i)
            left.append(cut.model_copy(update=update))
    return tuple(left)


def _aiming(adversary: AdversarySpec, known: set[str]) -> AdversarySpec | None:
    """The adversary with the targets that still match something; None without any."""
    aimed = {
        name: target.model_copy(
            update={
                "cuts": _cuts(target.cuts, known),
                "deterrence": {o: added for o, added in target.deterrence.items() if o in known},
            }
        )
        for name, target in adversary.targets.items()
    }
    targets = {name: target for name, target in aimed.items() if target.cuts}
    return adversary.model_copy(update={"targets": targets}) if targets else None
