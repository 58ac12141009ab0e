"""Survival floors that a model may give up: of attacks that are deterred, and of samples that may fail.

    z       0 or 1    whether the floors of a path are given up

    floor   u − v ≤ (1 − φ)·D + φ·D·z        in place of u − v ≤ (1 − φ)·D, for every floor of the path

Where z = 1 any shortage is within the floor's row, so that nothing is missed. The coefficient φ·D is the least that
will do: what is unserved never exceeds D. Where the cost of the path does not count, what the do-nothing plan falls
short of the floor will do, and none where it keeps it: under any other plan the same operation is possible.

Attacks, each survived or deterred; those that no plan can deter keep their rows as they are:

    d[s]    deterred   0 or 1   z of attack s: whether it costs the adversary more than it has
    ℓ[o]    level of option o in the first period of the attack
    need    (1 + DETERRED)·attack budget − Σ price, above 0 for what is affordable

    deter   Σ deterrence·ℓ ≥ need·d
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total


def below_columns(model: ModelBuilder) -> dict[str, list[int]]:
    """The columns of shortage below floors, by path."""
    found: dict[str, list[int]] = {}
    for (path, _, _), amount in model.accounts("below").items():
        found.setdefault(str(path), []).extend(amount.terms)
    return found


def relax_floors(model: ModelBuilder, given_up: Mapping[int, int], limits: Mapping[int, float] | None = None) -> None:
    """Let floors be given up: by column of shortage below one, the column that says whether it is.

    `limits` are the shortages, t, that will do, by the same columns; where one is left out, all that has to be served.
    """
    limits = limits or {}
    # The floors of a rule about time to survive have no shortage below them: they are never given up.
    floors = [r for r, row in enumerate(model.rows) if row.mark.what == "floor" and len(row.terms) > 1]
    for r in floors if given_up else ():
        row = model.rows[r]
        unserved, below = sorted(row.terms, key=lambda j: -row.terms[j])[:2]
        if below in given_up:
            most = min(model.columns[unserved].upper - row.rhs, limits.get(below, math.inf))
            if most > 0:
                model.rows[r] = replace(row, terms={**row.terms, given_up[below]: -most})


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
