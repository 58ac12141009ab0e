"""What shocks, adversaries and rules say of options that are left out goes with them."""

from collections.abc import Iterable

from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.shock import Cut, ShockSpec


def shock_without(spec: ShockSpec, gone: set[str], known: set[str]) -> ShockSpec:
    """A shock without the options that are gone; `known` are the activities that are left."""
    return spec.model_copy(
        update={
            "cuts": cuts_of_known(spec.cuts, known),
            "cost": {name: value for name, value in spec.cost.items() if name not in gone},
            "reliability": {name: value for name, value in spec.reliability.items() if name not in gone},
        }
    )


def adversary_without(adversary: AdversarySpec, known: set[str]) -> AdversarySpec | None:
    """An adversary without the targets of which nothing is left; None without any."""
    aimed = {
        name: target.model_copy(update={"cuts": cuts_of_known(target.cuts, known)})
        for name, target in adversary.targets.items()
    }
    targets = {name: target for name, target in aimed.items() if target.cuts}
    return adversary.model_copy(update={"targets": targets}) if targets else None


def cuts_of_known(cuts: Iterable[Cut], known: set[str]) -> tuple[Cut, ...]:
    """Cuts of what is still known; those that name nothing else are gone."""
    left = []
    for cut in cuts:
        named = None if cut.process is None else tuple(process for process in cut.process if process in known)
        if named != ():
            left.append(cut.model_copy(update={"process": named}))
    return tuple(left)
