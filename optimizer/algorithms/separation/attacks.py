"""The adversary as a separation oracle: the worst affordable attack on a plan at each start, exactly.

    enumeration   every maximal affordable set that no other dominates is evaluated           where there are few
    programme     one integer programme a start, with the recourse's dual (`interdiction`)    where there are many

Where an attack that violates some floor is sought, floors with a zero shortage cost count as well; damage is money.

The cheapest set that violates a floor at one start is an implicit hitting set. A set that violates none can be grown
until every other target would. Then every set that does violate one holds one of those others. The cheapest set that
hits all groups of others found so far costs no more than the cheapest violating set; once it violates a floor, it is
that set:

    minimise Σ price·z     Σ_{i outside} z[i] ≥ 1 for every set that was grown, z[i] 0 or 1

Source: Moreno-Centeno, Karp: The implicit hitting set approach to solve combinatorial optimization problems with an
application to multigenome alignment, Operations Research 61(2), 2013.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import batched
from typing import Literal

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.separation import Violation
from optimizer.algorithms.separation.interdiction import (
    AttackProgrammes,
    AttackWindow,
    InterdictionProgramme,
    SetImpacts,
    Sets,
)
from optimizer.disruptions.adversary import ENUMERATED, Attack
from optimizer.disruptions.shock import Shock
from optimizer.errors import SolverError
from optimizer.formulation import blank_stage
from optimizer.instance.schema import Instance
from optimizer.model.builder import Column, Mark
from optimizer.model.expressions import Expression
from optimizer.solver import Clock, Model, Settings, Vector
from optimizer.tolerances import (
    INTERDICTION_ABSOLUTE,
    INTERDICTION_RELATIVE,
    NEGLIGIBLE,
    NEGLIGIBLE_GAP,
    POSITIVE,
    VIOLATED,
)

Method = Literal["enumeration", "programme"]
# Attacks that are tried at once.
BATCH = 256


@dataclass(frozen=True)
class AttackImpact:
    """An attack under a plan: its gap in money, and the largest share of a demand that it leaves below a floor."""

    attack: Attack
    gap: float
    below: float

    @property
    def breaks(self) -> bool:
        """Whether some segment falls below its floor, as a result calls it."""
        return self.below > NEGLIGIBLE


class AttackOracle:
    """Finds the worst attacks on plans of one instance.

    Where its clock is over, a programme may end without the worst: what was found then proves nothing.

    Args:
        instance: one that has an adversary.
        settings: threads and seed of the solver.
        clock: stops the programmes, and counts seconds.
        most: so many attacks are tried one by one at most.

    Attributes:
        sets: how many maximal affordable sets of targets there are; None where there are too many to try.
    """

    def __init__(self, instance: Instance, settings: Settings, clock: Clock, most: int = ENUMERATED) -> None:
        self.strikes, self.clock = AttackProgrammes(instance), clock
        maximal = self.strikes.adversary.enumerated(len(self.strikes.starts), most)
        self.sets = None if maximal is None else len(maximal)
        self._sets: dict[int, Sets] = {}
        if maximal is not None:
            rows = self.strikes.sets(maximal)
            self._sets = {start: self.strikes.undominated(start, rows) for start in self.strikes.starts}
        self._programme = InterdictionProgramme(self.strikes, settings)
        self._found: dict[str, Attack] = {}

    @property
    def method(self) -> Method:
        """How the worst is found."""
        return "programme" if self.sets is None else "enumeration"

    def candidates(self) -> list[Attack] | None:
        """The attacks of which one is the worst, whatever the plan; None where there are too many to try."""
        if self.sets is None:
            return None
        return [self.strikes.attack(start, chosen) for start, sets in self._sets.items() for chosen in sets]

    def separate(self, plan: Vector, held: Collection[Shock] = (), enough: int = 0) -> list[Violation]:
        """At each start where some attack violates a floor, the worst one; none of those that a model holds."""
        return self.violations(self.breaking(plan, self.attacks(held)))

    def violations(self, impacts: Iterable[AttackImpact]) -> list[Violation]:
        """Attacks as violated scenarios."""
        result = []
        for impact in impacts:
            shock = impact.attack.shock(self.strikes.adversary, self.strikes.instance.horizon)
            self._found[shock.name] = impact.attack
            result.append(Violation(shock, max(impact.gap, POSITIVE)))
        return result

    def attacks(self, shocks: Collection[Shock]) -> tuple[Attack, ...]:
        """Those of some scenarios that are attacks which this oracle found."""
        return tuple(self._found[shock.name] for shock in shocks if shock.name in self._found)

    def breaking(self, plan: Vector, known: Collection[Attack] = ()) -> list[AttackImpact]:
        """At each start where some attack breaks a floor, the worst one; the largest gap first.

        Args:
            plan: values of the columns of `plan_stage`; more may follow.
            known: attacks that the plan is known to survive.
        """
        found = (self._worst(front, front.watchful, 0.0, known) for front in self.strikes.fronts(plan))
        return _sorted(struck for struck in found if struck is not None and struck.below > VIOLATED)

    def damaging(self, plan: Vector, beyond: float, known: Collection[Attack] = ()) -> list[AttackImpact]:
        """At each start where some attack leaves a gap of more than `beyond`, the worst one; the largest first."""
        found = (self._worst(front, front.prices, beyond, known) for front in self.strikes.fronts(plan))
        return _sorted(struck for struck in found if struck is not None and struck.gap > beyond)

    def worst(self, front: AttackWindow) -> AttackImpact | None:
        """The worst attack at a start; None where none breaks a floor."""
        struck = self._worst(front, front.prices, 0.0, ())
        if (struck is None or not struck.breaks) and not np.array_equal(front.prices, front.watchful):
            struck = self._worst(front, front.watchful, 0.0, ())
        return struck if struck is not None and struck.breaks else None

    def ask(self, front: AttackWindow, sets: Sets, prices: Vector) -> SetImpacts:
        """What sets do at a start."""
        parts = [front.ask(sets[i : i + BATCH], prices, self.clock) for i in range(0, max(1, len(sets)), BATCH)]
        return SetImpacts(np.concatenate([part.gap for part in parts]), np.concatenate([part.below for part in parts]))

    def _worst(
        self, front: AttackWindow, prices: Vector, beyond: float, known: Collection[Attack]
    ) -> AttackImpact | None:
        if front.start in self._sets:
            return self._tried(front, prices, self._sets[front.start], known)
        scale = float(prices[front.window.below] @ front.asked)
        found = self._programme.worst(front, prices, max(beyond, NEGLIGIBLE_GAP * scale), self.clock)
        if found is None:
            return self._tried_one_by_one(front, prices, known)
        if found.chosen is None:
            return None
        chosen = self._filled(found.chosen)
        if self.strikes.attack(front.start, chosen) in known:
            return None
        hurt = self.ask(front, chosen[None, :], prices)
        if hurt.gap[0] < found.gap * (1.0 - INTERDICTION_RELATIVE) - INTERDICTION_ABSOLUTE * scale:
            raise SolverError("the programme of the worst attack finds more damage than there is")
        return self._struck(front, chosen, prices, hurt, 0)

    def _tried(self, front: AttackWindow, prices: Vector, sets: Sets, known: Collection[Attack]) -> AttackImpact | None:
        new = [i for i, chosen in enumerate(sets) if self.strikes.attack(front.start, chosen) not in known]
        if not new:
            return None
        hurt = self.ask(front, sets[new], prices)
        worst = int(np.argmax(hurt.gap))
        return self._struck(front, sets[new][worst], prices, hurt, worst)

    def _tried_one_by_one(self, front: AttackWindow, prices: Vector, known: Collection[Attack]) -> AttackImpact | None:
        """All of them, however many: where the programme would need a price that has no bound."""
        best: AttackImpact | None = None
        for some in batched(self.strikes.adversary.each_maximal(), BATCH):
            struck = self._tried(front, prices, self.strikes.sets(some), known)
            if struck is not None and (best is None or struck.gap > best.gap):
                best = struck
            if self.clock.is_over:
                break
        return best

    def _filled(self, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """The set, and what the rest of the budget buys beside it."""
        whole, names = chosen.copy(), np.array(self.strikes.names)
        for i in np.flatnonzero(~chosen):
            whole[i] = self.strikes.adversary.affords([*names[whole].tolist(), self.strikes.names[i]])
        return whole

    def _struck(
        self, front: AttackWindow, chosen: npt.NDArray[np.bool_], prices: Vector, hurt: SetImpacts, place: int
    ) -> AttackImpact:
        """The gap in money, whatever was minimised."""
        gap = hurt.gap if prices is front.prices else self.ask(front, chosen[None, :], front.prices).gap
        gap_of = float(gap[place if prices is front.prices else 0])
        return AttackImpact(self.strikes.attack(front.start, chosen), gap_of, float(hurt.below[place]))


def _sorted(found: Iterable[AttackImpact]) -> list[AttackImpact]:
    return sorted(found, key=lambda struck: -struck.gap)


Chosen = npt.NDArray[np.bool_]


def cheapest_violating_attack(oracle: AttackOracle, front: AttackWindow) -> AttackImpact | None:
    """The cheapest set of targets that breaks the plan of a front, whatever the attack budget; None where none does.

    Of several the first found; no target can be left out of it. Where the adversary's clock is over, None as well.
    """
    size = len(oracle.strikes.names)
    if not _breaks(oracle, front, np.ones((1, size), dtype=bool))[0]:
        return None
    cover = _Cover(oracle)
    while not oracle.clock.is_over:
        chosen = cover.cheapest_hitting_set()
        if chosen is None:
            return None
        if _breaks(oracle, front, chosen[None, :])[0]:
            return _told(oracle, front, _pared(oracle, front, chosen))
        cover.hit(~_grown(oracle, front, chosen, cover.order))
    return None


def _breaks(oracle: AttackOracle, front: AttackWindow, sets: npt.NDArray[np.bool_]) -> Chosen:
    return oracle.ask(front, sets, front.watchful).below > NEGLIGIBLE


def _grown(oracle: AttackOracle, front: AttackWindow, chosen: Chosen, order: list[int]) -> Chosen:
    """As many targets more as do not break the plan, the dear ones first: what is left is cheap to hit."""
    grown = chosen.copy()
    for i in order:
        if not grown[i]:
            grown[i] = True
            grown[i] = not _breaks(oracle, front, grown[None, :])[0]
    return grown


def _pared(oracle: AttackOracle, front: AttackWindow, chosen: Chosen) -> Chosen:
    """Without the targets that are not needed; where a set is the cheapest, those cost nothing."""
    pared = chosen.copy()
    for i in np.flatnonzero(chosen):
        pared[i] = False
        pared[i] = not _breaks(oracle, front, pared[None, :])[0]
    return pared


def _told(oracle: AttackOracle, front: AttackWindow, chosen: Chosen) -> AttackImpact:
    watched = oracle.ask(front, chosen[None, :], front.watchful)
    gap = oracle.ask(front, chosen[None, :], front.prices).gap
    return AttackImpact(oracle.strikes.attack(front.start, chosen), float(gap[0]), float(watched.below[0]))


class _Cover:
    """The cheapest set that hits every group found so far; groups are added to a programme that stays."""

    def __init__(self, oracle: AttackOracle) -> None:
        costs = [target.price for target in oracle.strikes.adversary.targets.values()]
        self.order = sorted(range(len(costs)), key=lambda i: -costs[i])
        stage = blank_stage(oracle.strikes.instance)
        marks = [Mark("", "attack", "struck", str(i)) for i in range(len(costs))]
        stage.columns = [Column(mark, "1", 0.0, 1.0, integer=True, t=0) for mark in marks]
        objective = Expression({i: cost for i, cost in enumerate(costs) if cost > 0})
        self._model = Model(stage, objective, Settings(gap=0.0), oracle.clock)

    def cheapest_hitting_set(self) -> Chosen | None:
        """The set; None where the clock is over."""
        answer = self._model.solve()
        return None if answer.values is None else answer.values > 0.5

    def hit(self, group: Chosen) -> None:
        """From now on, one of a group at least."""
        columns = np.flatnonzero(group).astype(np.int32)
        self._model.extend(columns, -np.ones((1, len(columns))), np.array([-1.0]))
