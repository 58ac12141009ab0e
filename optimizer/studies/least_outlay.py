"""The least outlay at which every listed shock and every affordable attack is survived, whatever the budget.

Where the attacks that matter can be listed, they are shocks like any other. Else those that are known are a
relaxation, so that its bound is a bound: minimise the outlay, find the worst attack on that plan at each start, write
out those that break a floor, and repeat until none does (column-and-constraint generation, as in
`algorithms.robust`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optimizer.algorithms.base import Listener
from optimizer.algorithms.separation.attacks import Attacker
from optimizer.disruptions.adversary import Attack
from optimizer.instance.edits import with_attacks, with_budget
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.solver import Clock, Settings
from optimizer.studies.compare_questions import LEAST
from optimizer.studies.what_if import Asker, Found
from optimizer.studies.withstand import columns


@dataclass(frozen=True)
class LeastOutlay:
    """The least outlay that survives.

    Attributes:
        status: ``optimal``, ``stopped``, or ``none``: no outlay is enough.
        outlay: that of a plan which survives; None where none is known.
        bound: proven: no plan survives for less; None where nothing is known. Both are undiscounted money.
    """

    status: Literal["optimal", "stopped", "none"]
    outlay: float | None = None
    bound: float | None = None


def least_outlay(
    attacker: Attacker,
    known: Iterable[Attack],
    plan: Plan | None,
    settings: Settings,
    clock: Clock,
    listener: Listener = lambda step: None,
) -> LeastOutlay:
    """Find the least outlay that survives the listed shocks and the adversary of an instance.

    Args:
        attacker: of the instance, which has none of its attacks among its shocks.
        known: attacks that are likely to matter.
        plan: one to start from; None where none is known.
        settings: the outlay is proven to their gap, relative.
        clock: a deadline, and whether Ctrl-C was pressed.
        listener: hears every step.

    Raises:
        SolverError: the solver failed.
    """
    free = with_budget(attacker.strikes.instance, None)
    attacks, bound = list(known), 0.0
    names = frozenset(attack.name(free.horizon) for attack in attacks)
    attacks += [attack for attack in attacker.candidates() or () if attack not in attacks]
    while True:
        shaped = with_attacks(free, attacks)
        found = _asked(shaped, names, plan, settings, clock, listener)
        if found.status == "infeasible":
            return LeastOutlay("none")
        bound = max(bound, found.bound)
        if found.status == "stopped" or not np.isfinite(found.value):
            return LeastOutlay("stopped", None, bound)
        struck = attacker.breaking(columns(attacker, found.plan), attacks)
        if clock.is_over:
            return LeastOutlay("stopped", None, bound)
        if not struck:
            return LeastOutlay("optimal", max(0.0, found.value), bound)
        attacks += [each.attack for each in struck]
        plan, names = found.plan, found.active | {each.attack.name(free.horizon) for each in struck}


def _asked(
    instance: Instance, names: frozenset[str], plan: Plan | None, settings: Settings, clock: Clock, listener: Listener
) -> Found:
    with Asker(instance, settings, clock, listener) as asker:
        asker.learn(plan or Plan(), names)
        return asker.ask(instance, LEAST, settings)
