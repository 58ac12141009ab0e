"""The cheapest set of targets that breaks a plan, at one start: an implicit hitting set.

A set that does not break the plan can be grown until every other target would; then every set that does break it holds
one of those others. So the cheapest set that hits all groups of others found so far costs no more than the cheapest
that breaks, and once it breaks, it is that one:

    minimise Σ price·z     Σ_{i outside} z[i] ≥ 1 for every set that was grown, z[i] 0 or 1

Only the answer to a set is asked for (one linear programme), so that no bound on prices is needed here.

Source: Moreno-Centeno, Karp: The implicit hitting set approach to solve combinatorial optimization problems with an
application to multigenome alignment, Operations Research 61(2), 2013.
"""

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.separation.attack_windows import Front
from optimizer.algorithms.separation.attacker import Attacker, Struck
from optimizer.formulation import blank_stage
from optimizer.model.builder import Column, Mark
from optimizer.model.expressions import Expression
from optimizer.results.plan import NEGLIGIBLE
from optimizer.solver import Model, Settings

Chosen = npt.NDArray[np.bool_]


def cheapest(attacker: Attacker, front: Front) -> Struck | None:
    """The cheapest set of targets that breaks the plan of a front, whatever the attack budget; None where none does.

    Of several the first found; no target can be left out of it. Where the attacker's clock is over, None as well.
    """
    size = len(attacker.strikes.names)
    if not _breaks(attacker, front, np.ones((1, size), dtype=bool))[0]:
        return None
    cover = _Cover(attacker)
    while not attacker.clock.is_over:
        chosen = cover.cheapest()
        if chosen is None:
            return None
        if _breaks(attacker, front, chosen[None, :])[0]:
            return _told(attacker, front, _pared(attacker, front, chosen))
        cover.hit(~_grown(attacker, front, chosen, cover.order))
    return None


def _breaks(attacker: Attacker, front: Front, sets: npt.NDArray[np.bool_]) -> Chosen:
    return attacker.ask(front, sets, front.watchful).below > NEGLIGIBLE


def _grown(attacker: Attacker, front: Front, chosen: Chosen, order: list[int]) -> Chosen:
    """As many targets more as do not break the plan, the dear ones first: what is left is cheap to hit."""
    grown = chosen.copy()
    for i in order:
        if not grown[i]:
            grown[i] = True
            grown[i] = not _breaks(attacker, front, grown[None, :])[0]
    return grown


def _pared(attacker: Attacker, front: Front, chosen: Chosen) -> Chosen:
    """Without the targets that are not needed; where a set is the cheapest, those cost nothing."""
    pared = chosen.copy()
    for i in np.flatnonzero(chosen):
        pared[i] = False
        pared[i] = not _breaks(attacker, front, pared[None, :])[0]
    return pared


def _told(attacker: Attacker, front: Front, chosen: Chosen) -> Struck:
    watched = attacker.ask(front, chosen[None, :], front.watchful)
    gap = attacker.ask(front, chosen[None, :], front.prices).gap
    return Struck(attacker.strikes.attack(front.start, chosen), float(gap[0]), float(watched.below[0]))


class _Cover:
    """The cheapest set that hits every group found so far; groups are added to a programme that stays."""

    def __init__(self, attacker: Attacker) -> None:
        costs = [target.price for target in attacker.strikes.adversary.targets.values()]
        self.order = sorted(range(len(costs)), key=lambda i: -costs[i])
        stage = blank_stage(attacker.strikes.instance)
        marks = [Mark("", "attack", "struck", str(i)) for i in range(len(costs))]
        stage.columns = [Column(mark, "1", 0.0, 1.0, integer=True, t=0) for mark in marks]
        objective = Expression({i: cost for i, cost in enumerate(costs) if cost > 0})
        self._model = Model(stage, objective, Settings(gap=0.0), attacker.clock)

    def cheapest(self) -> Chosen | None:
        """The set; None where the clock is over."""
        answer = self._model.solve()
        return None if answer.values is None else answer.values > 0.5

    def hit(self, group: Chosen) -> None:
        """From now on, one of a group at least."""
        columns = np.flatnonzero(group).astype(np.int32)
        self._model.extend(columns, -np.ones((1, len(columns))), np.array([-1.0]))
