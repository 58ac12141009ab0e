"""Deterrence in a model that holds attacks: each of them is survived, or deterred.

    d[s]    deterred   0 or 1   whether attack s costs the adversary more than it has       column `deterred`
    ℓ[o]    level of option o in the first period of the attack
    need    (1 + DETERRED)·attack budget − Σ price, above 0 for what is affordable

    deter   Σ deterrence·ℓ ≥ need·d
    floor   u − v ≤ (1 − φ)·D + φ·D·d        in place of u − v ≤ (1 − φ)·D, for every floor of the attack

Attacks that no plan can deter keep their rows as they are.
"""

from collections.abc import Iterable, Sequence

from optimizer.algorithms.floors import below_columns, relax_floors
from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total

# The linking term by which an option deters.
LEVEL_LINK = "level"


def write_deterrence(model: ModelBuilder, instance: Instance, shocks: Iterable[Shock]) -> None:
    """Let the attacks among some shocks of a model be deterred; their paths are written, and none of this is yet."""
    adversary = instance.adversary
    if adversary is None or not adversary.deterrents:
        return
    columns: dict[int, int] = {}
    below = below_columns(model)
    for shock in shocks:
        targets = adversary.members(shock.entry)
        if targets:
            columns |= dict.fromkeys(below.get(shock.name, ()), _decide(model, instance, adversary, shock, targets))
    relax_floors(model, {j: deterred for j, deterred in columns.items() if deterred >= 0})


def _decide(
    model: ModelBuilder, instance: Instance, adversary: AdversarySpec, shock: Shock, targets: tuple[str, ...]
) -> int:
    """Write the column that says whether an attack is deterred, with its row; −1 where no plan deters it."""
    need = adversary.deterred_from - adversary.price(targets)
    added = adversary.deterrence(targets)
    levels = {o: model.linked(o, LEVEL_LINK).get(shock.periods.start, Expression()) for o in added}
    most = sum(added[o] * _largest_level(instance, o, level) for o, level in levels.items())
    if need <= 0 or most < need:
        return -1
    with model.under(instance.path(shock).key):
        deterred = model.variable("adversary", "deterred", shock.periods.start, unit="1", upper=1, integer=True)
        deterrence = total((added[o] / need) * level for o, level in levels.items())
        model.require("adversary", "deter", shock.periods.start, deterrence, ">=", deterred, unit="1")
    (column,) = deterred.terms
    return column


def _largest_level(instance: Instance, option: str, level: Expression) -> float:
    """The most that a level can be: all of the option bought when most of it is in force."""
    return max(map(float, level.terms.values()), default=0.0) * instance.options[option].largest


def levels_under(model: ModelBuilder, plan: Sequence[float], options: Iterable[str], t: int) -> dict[str, float]:
    """The levels of options in a period under a plan, by the values of the columns of its `first_stage_model`."""
    return {o: model.linked(o, LEVEL_LINK).get(t, Expression()).value(plan) for o in options}
