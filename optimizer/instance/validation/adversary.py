"""The pass about the adversary: what it strikes, when, for how much, and what its attacks are called."""

from collections.abc import Iterator

from optimizer.disruptions.adversary import HEAD, JOINT, TAIL, AdversarySpec
from optimizer.instance.schema import Instance
from optimizer.instance.validation.draft import Draft, Problem
from optimizer.instance.validation.windows import whole_periods


def adversary_can_act(draft: Draft) -> Iterator[Problem]:
    """The adversary can afford its targets, strike them within the horizon, and hurt somebody."""
    if draft.instance is None or draft.instance.adversary is None:
        return
    instance, adversary = draft.instance, draft.instance.adversary
    yield from whole_periods(instance.horizon, ("adversary", "months"), [adversary.months])
    for what, cure in adversary.starts.problems(instance.horizon):
        yield ("adversary", "starts"), what, cure, "error"
    affords_any = any(adversary.affords([name]) for name in adversary.targets)
    for name in adversary.targets:
        yield from _of_target(draft, instance, name, affords_any=affords_any)
    if not affords_any:
        cure = "Raise attack_budget, or remove the adversary."
        yield ("adversary", "attack_budget"), "no target can be afforded", cure, "warning"
    if not any(max(demand.survival.values) > 0 for demand in instance.demands.values()):
        cure = "Give a segment a floor (`survival:`), or remove the adversary."
        yield ("adversary",), "can hurt nobody: no segment has a floor", cure, "warning"
    yield from _of_shocks(instance, adversary)


def _of_target(draft: Draft, instance: Instance, name: str, *, affords_any: bool) -> Iterator[Problem]:
    assert instance.adversary is not None
    adversary, place = instance.adversary, ("adversary", "targets", name)
    target = adversary.targets[name]
    sign = next((sign for sign in (JOINT, HEAD[-1], TAIL) if sign in name), None)
    if sign is not None:
        what = f'"{sign}" stands in its name, and joins the targets in the names of attacks'
        yield place, what, "Give it another name.", "error"
    if affords_any and target.price > adversary.attack_budget:
        what = f"its price ({target.price:g}) is more than attack_budget ({adversary.attack_budget:g})"
        yield (*place, "price"), what, "It is never struck; lower the price, or remove it.", "warning"
    for k, cut in enumerate(target.cuts):
        if draft.resolved and not instance.activity_index.has_match(cut):
            cure = "Name a region, stage, process or commodity of this file, or remove the cut."
            yield (*place, "cuts", k), "a cut that matches nothing: no process has all it asks for", cure, "warning"


def _of_shocks(instance: Instance, adversary: AdversarySpec) -> Iterator[Problem]:
    """A shock may be called like an attack where it is that attack, as a saved plan lists those that shaped it."""
    for s, spec in instance.shocks.items():
        names = adversary.members(s)
        if names is not None and spec != adversary.shock(names, spec.start.labels):
            cure = "Give it another name, or remove it: --adversary writes out the attacks that it needs."
            yield ("shocks", s), "has the name of an attack of the adversary, but is another", cure, "error"
