"""The adversary as a separation oracle: the worst affordable attack on a plan at each start.

    enumeration   every maximal affordable set that no other dominates is evaluated          if there are few
    programme     one MIP per start, with the dual of the recourse (`interdiction`)          if there are many

Enumeration is exhaustive; the MIP is solved to global optimality, to the relative gap `EXACT_GAP`.

If leverage deters, which affordable sets are deterred depends on the plan: for each plan the sets that it does not
deter are enumerated again, or the MIP includes their costs under it.

In a search for an attack that violates some floor, shortfalls are shares of demand: in money, one that is negligible
for a large segment may exceed a small segment's whole demand, and floors without a shortage cost count nothing.

The cheapest set that violates a floor at one start is found by the implicit-hitting-set algorithm. A set that violates
no floor is extended to a maximal such set. Every violating set then contains a target outside of it. The cheapest set
that hits the complements of all maximal sets found so far costs no more than the cheapest violating set; once it
violates a floor, it is that set:

    minimise Σ cost·z      Σ_{i outside} z[i] ≥ 1 for every maximal set, z[i] 0 or 1

Source: Moreno-Centeno, Karp: The implicit hitting set approach to solve combinatorial optimization problems with an
application to multigenome alignment, Operations Research 61(2), 2013.

The adversaries of several futures are one oracle: each attacks its own future's part of a joint plan.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched, islice

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.reading import own_columns
from optimizer.algorithms.separation import Violation
from optimizer.algorithms.separation.interdiction import (
    AttackProgrammes,
    AttackWindow,
    InterdictionProgramme,
    SetImpacts,
    Sets,
)
from optimizer.disruptions.adversary import MOST_ENUMERATED, Attack, Method, attack_budget_text
from optimizer.disruptions.shock import Shock
from optimizer.errors import Finding, InstanceError, SolverError
from optimizer.formulation import blank_model, joint_first_stage_model
from optimizer.instance.altered import with_attacks, without_attacks
from optimizer.instance.edits import for_each_future
from optimizer.instance.schema import FutureTree, Instance
from optimizer.model.builder import Column, Mark
from optimizer.model.expressions import Expression
from optimizer.solver.base import Clock, Settings, Vector
from optimizer.solver.model import Model
from optimizer.tolerances import (
    INTERDICTION_ABSOLUTE,
    INTERDICTION_RELATIVE,
    NEGLIGIBLE,
    NEGLIGIBLE_GAP,
    POSITIVE,
    VIOLATED,
)

# A set of targets: by target, whether it is struck.
_Chosen = npt.NDArray[np.bool_]
# Number of attacks evaluated in one batch.
ATTACKS_AT_ONCE = 256


@dataclass(frozen=True)
class AttackImpact:
    """The impact of an attack on a plan."""

    attack: Attack
    gap: float  # survival gap, money


class AttackOracle:
    """The separation oracle of the worst attacks on plans of one instance.

    If its clock is over, the MIP may end without the worst attack: the result then proves nothing.

    Args:
        instance: an instance with an adversary.
        settings: threads and seed of the solver.
        clock: stops the MIPs, and counts seconds.
        most: largest number of attacks that are enumerated.

    Attributes:
        set_count: number of maximal affordable sets of targets if nothing is deterred; None if they are too many to
            enumerate.
        method: how the worst attack was found last; before that, how it is tried first.
    """

    def __init__(self, instance: Instance, settings: Settings, clock: Clock, most: int = MOST_ENUMERATED) -> None:
        self.programmes, self.clock, self._most = AttackProgrammes(instance), clock, most
        maximal = self.programmes.adversary.enumerated(len(self.programmes.starts), most)
        self.set_count = None if maximal is None else len(maximal)
        self.method: Method = "programme" if maximal is None else "enumeration"
        self._sets: dict[int, Sets] = {}
        if maximal is not None:
            rows = self.programmes.sets(maximal)
            self._sets = {start: self.programmes.undominated(start, rows) for start in self.programmes.starts}
        self._programme = InterdictionProgramme(self.programmes, settings)

    @property
    def is_exhaustive(self) -> bool:
        """Whether every attack that can be the worst is evaluated, whatever the plan and the time."""
        return self.set_count is not None and not self.programmes.adversary.deterrents

    def candidates(self) -> list[Attack] | None:
        """Return the attacks that contain the worst one for any plan, if nothing is deterred.

        None if they are too many to list.
        """
        if self.set_count is None:
            return None
        return [self.programmes.attack(start, chosen) for start, sets in self._sets.items() for chosen in sets]

    def undeterred(self, plan: Vector) -> list[Attack] | None:
        """Return the attacks that contain the worst one under a plan; None if they are too many to list."""
        found: list[Attack] = []
        for window in self.programmes.windows(plan):
            sets = self._sets_at(window)
            if sets is None:
                return None
            found += [self.programmes.attack(window.start, chosen) for chosen in sets]
        return found

    def cost(self, window: AttackWindow, chosen: _Chosen) -> float:
        """Return the cost of a set to the adversary at a start, under a plan."""
        return math.fsum(window.target_costs[chosen].tolist())

    def costs(self, plan: Vector, attacks: Iterable[Attack]) -> list[float]:
        """Return the costs of attacks to the adversary under a plan."""
        windows = {window.start: window for window in self.programmes.windows(plan)}
        return [self.cost(windows[attack.start], self.programmes.sets([attack.targets])[0]) for attack in attacks]

    def deterred(self, plan: Vector, attacks: Iterable[Attack]) -> list[Attack]:
        """Return the attacks that a plan deters."""
        if not self.programmes.adversary.deterrents:
            return []
        some = tuple(attacks)
        costs = zip(some, self.costs(plan, some), strict=True)
        return [attack for attack, cost in costs if self.programmes.adversary.deters(cost)]

    def _sets_at(self, window: AttackWindow) -> Sets | None:
        """Return the sets that contain the worst one at a start; None if they are too many to enumerate."""
        adversary = self.programmes.adversary
        if not adversary.deterrents:
            return self._sets.get(window.start)
        most = self._most // max(1, len(self.programmes.starts))
        some = list(islice(adversary.each_undeterred(window.target_costs.tolist()), most + 1))
        return None if len(some) > most else self.programmes.undominated(window.start, self.programmes.sets(some))

    def separate(self, plan: Vector, held: Collection[Shock] = (), enough: int = 0) -> list[Violation]:
        """Return at each start the worst attack that violates a floor and that the model does not hold."""
        known = self.attacks(held)
        found = (self._worst(window, window.floor_costs, known, VIOLATED) for window in self.programmes.windows(plan))
        return self.violations(_by_gap(found))

    def violations(self, impacts: Iterable[AttackImpact]) -> list[Violation]:
        """Return attacks as violated shocks."""
        adversary, horizon = self.programmes.adversary, self.programmes.instance.horizon
        return [Violation(each.attack.shock(adversary, horizon), max(each.gap, POSITIVE)) for each in impacts]

    def attacks(self, shocks: Collection[Shock]) -> tuple[Attack, ...]:
        """Return the attacks of the adversary among `shocks`."""
        horizon = self.programmes.instance.horizon
        found = (self.programmes.adversary.attack(shock.name, horizon) for shock in shocks)
        return tuple(attack for attack in found if attack is not None)

    def with_gaps(self, plan: Vector) -> list[AttackImpact]:
        """Return at each start the worst attack, if it leaves a gap; the largest gap first."""
        return _by_gap(self._worst(window, window.gap_costs) for window in self.programmes.windows(plan))

    def worst(self, window: AttackWindow) -> AttackImpact | None:
        """Return the worst attack at a start under which a result reports a failure; None if there is none."""
        broken = self._worst(window, window.floor_costs, above=NEGLIGIBLE)
        # The largest gap may be no failure, or may be of floors that do not count in it.
        return broken and (self._worst(window, window.gap_costs, above=NEGLIGIBLE) or broken)

    def impacts(self, window: AttackWindow, sets: Sets, gap_costs: Vector) -> SetImpacts:
        """Return the impacts of sets at a start."""
        parts = [
            window.impacts(sets[i : i + ATTACKS_AT_ONCE], gap_costs, self.clock)
            for i in range(0, max(1, len(sets)), ATTACKS_AT_ONCE)
        ]
        return SetImpacts(np.concatenate([part.gap for part in parts]), np.concatenate([part.below for part in parts]))

    def _worst(
        self, window: AttackWindow, gap_costs: Vector, known: Collection[Attack] = (), above: float = 0.0
    ) -> AttackImpact | None:
        """Return the attack with the largest gap of those that miss a floor by more than a share of demand, `above`.

        Known attacks are left out. The MIP returns None as well if the largest gap is of an attack that does not count.
        """
        sets = self._sets_at(window)
        if sets is None:
            sets = self._solve_programme(window, gap_costs)
            self.method = "programme" if sets is not None else "enumeration"
        if sets is None:
            return self._enumerate_all(window, gap_costs, known, above)
        return self._enumerate(window, gap_costs, sets, known, above)

    def _solve_programme(self, window: AttackWindow, gap_costs: Vector) -> Sets | None:
        """Return the worst set by the MIP, no set if none leaves a gap, or None if it cannot be used."""
        scale = float(gap_costs[window.window.below] @ window.demand)
        found = self._programme.worst(window, gap_costs, NEGLIGIBLE_GAP * scale, self.clock)
        if found is None:
            return None
        if found.chosen is None:
            return self.programmes.sets([])
        sets = self._spend_budget(window, found.chosen)[None, :]
        (gap,) = self.impacts(window, sets, gap_costs).gap
        if gap < found.gap * (1.0 - INTERDICTION_RELATIVE) - INTERDICTION_ABSOLUTE * scale:
            raise SolverError("The mixed-integer programme of the worst attack reports a larger gap than it leaves.")
        return sets

    def _enumerate(
        self, window: AttackWindow, gap_costs: Vector, sets: Sets, known: Collection[Attack], above: float
    ) -> AttackImpact | None:
        new = [i for i, chosen in enumerate(sets) if self.programmes.attack(window.start, chosen) not in known]
        if not new:
            return None
        impacts = self.impacts(window, sets[new], gap_costs)
        gaps = np.where(impacts.below > above, impacts.gap, 0.0)
        worst = int(np.argmax(gaps))
        return self.impact(window, sets[new][worst]) if gaps[worst] > 0 else None

    def _enumerate_all(
        self, window: AttackWindow, gap_costs: Vector, known: Collection[Attack], above: float
    ) -> AttackImpact | None:
        """Enumerate all attacks, however many: without bounds on dual values the MIP cannot be used."""
        best: AttackImpact | None = None
        for some in batched(self.programmes.adversary.each_undeterred(window.target_costs.tolist()), ATTACKS_AT_ONCE):
            impact = self._enumerate(window, gap_costs, self.programmes.sets(some), known, above)
            if impact is not None and (best is None or impact.gap > best.gap):
                best = impact
            if self.clock.is_over:
                break
        return best

    def _spend_budget(self, window: AttackWindow, chosen: _Chosen) -> _Chosen:
        """Return the set extended by the targets that the rest of the budget pays for."""
        whole, names, adversary = chosen.copy(), np.array(self.programmes.names), self.programmes.adversary
        for i in np.flatnonzero(~chosen):
            whole[i] = True
            whole[i] = adversary.affords(names[whole].tolist()) and not adversary.deters(self.cost(window, whole))
        return whole

    def impact(self, window: AttackWindow, chosen: _Chosen) -> AttackImpact:
        """Return the impact of a set at a start."""
        (gap,) = self.impacts(window, chosen[None, :], window.gap_costs).gap
        return AttackImpact(self.programmes.attack(window.start, chosen), float(gap))


def _by_gap(found: Iterable[AttackImpact | None]) -> list[AttackImpact]:
    return sorted((impact for impact in found if impact is not None), key=lambda impact: -impact.gap)


def cheapest_violating_attack(oracle: AttackOracle, window: AttackWindow) -> AttackImpact | None:
    """Return the cheapest set of targets that violates a floor, whatever the attack budget; None without one.

    A set costs its prices, plus what the plan's leverage adds to them. Of several it is the first one found, and no
    target can be left out of it. None as well if the oracle's clock is over.
    """
    size = len(oracle.programmes.names)
    if not _violates(oracle, window, np.ones((1, size), dtype=bool))[0]:
        return None
    cover = _Cover(oracle, window)
    while not oracle.clock.is_over:
        chosen = cover.cheapest_hitting_set()
        if chosen is None:
            return None
        if _violates(oracle, window, chosen[None, :])[0]:
            return oracle.impact(window, _without_needless(oracle, window, chosen))
        # Add targets while no floor is violated, the expensive ones first, so that the complement is cheap to hit.
        grown = chosen.copy()
        for i in cover.order:
            if not grown[i]:
                grown[i] = True
                grown[i] = not _violates(oracle, window, grown[None, :])[0]
        cover.hit(~grown)
    return None


def _violates(oracle: AttackOracle, window: AttackWindow, sets: Sets) -> npt.NDArray[np.bool_]:
    return oracle.impacts(window, sets, window.floor_costs).below > NEGLIGIBLE


def _without_needless(oracle: AttackOracle, window: AttackWindow, chosen: _Chosen) -> _Chosen:
    """Remove targets that are not needed; in a cheapest set these cost nothing."""
    pared = chosen.copy()
    for i in np.flatnonzero(chosen):
        pared[i] = False
        pared[i] = not _violates(oracle, window, pared[None, :])[0]
    return pared


class _Cover:
    """The hitting-set MIP of the groups found so far, which are added as cuts."""

    def __init__(self, oracle: AttackOracle, window: AttackWindow) -> None:
        costs = window.target_costs.tolist()
        self.order = sorted(range(len(costs)), key=lambda i: -costs[i])
        builder = blank_model(oracle.programmes.instance)
        marks = [Mark("", "attack", "struck", str(i)) for i in range(len(costs))]
        builder.columns = [Column(mark, "1", 0.0, 1.0, integer=True, t=0) for mark in marks]
        objective = Expression({i: cost for i, cost in enumerate(costs) if cost > 0})
        self._model = Model(builder, objective, Settings(mip_gap=0.0), oracle.clock)

    def cheapest_hitting_set(self) -> _Chosen | None:
        """Return the cheapest hitting set; None if the clock is over before it is proven."""
        answer = self._model.solve()
        return answer.values > 0.5 if answer.status == "optimal" and answer.values is not None else None

    def hit(self, group: _Chosen) -> None:
        """Require at least one target of `group`."""
        columns = np.flatnonzero(group).astype(np.int32)
        self._model.add_cuts(columns, -np.ones((1, len(columns))), np.array([-1.0]))


class FutureAttacks:
    """The separation oracle of the worst attacks on joint plans.

    Args:
        tree: the futures, some of which have an adversary.
        oracles: by index of the future, its oracle; None where it has no adversary. Futures with the same instance may
            share one.
    """

    def __init__(self, tree: FutureTree, oracles: Sequence[AttackOracle | None]) -> None:
        self.tree, self.oracles = tree, tuple(oracles)
        submodels = joint_first_stage_model(tree).submodels
        self._places = {
            number: (oracle, own_columns(oracle.programmes.plan, submodels[number]))
            for number, oracle in enumerate(self.oracles)
            if oracle is not None
        }

    @property
    def is_exhaustive(self) -> bool:
        """Whether every attack that can be the worst is evaluated, whatever the plan and the time."""
        return all(oracle.is_exhaustive for oracle, _ in self._places.values())

    def parts(self, plan: Vector) -> Iterator[tuple[int, AttackOracle, Vector]]:
        """Yield the index, oracle and part of the plan of each future with an adversary.

        The plan is given as values of the columns of `joint_first_stage_model`; more may follow.
        """
        for number, (oracle, places) in self._places.items():
            yield number, oracle, plan[places]

    def separate(self, plan: Vector, held: Collection[Shock] = (), enough: int = 0) -> list[Violation]:
        """Return by future and start the worst attack that violates a floor and that the model does not hold."""
        own = self.tree.own_shocks(held)
        return [
            Violation(self.tree.shock(number, each.shock), each.gap)
            for number, oracle, part in self.parts(plan)
            for each in oracle.separate(part, own[number], enough)
        ]

    def with_gaps(self, plan: Vector) -> list[list[AttackImpact]]:
        """Return by future the worst attack at each start, if it leaves a gap."""
        found: list[list[AttackImpact]] = [[] for _ in self.oracles]
        for number, oracle, part in self.parts(plan):
            found[number] = oracle.with_gaps(part)
        return found

    def violations(self, number: int, impacts: Iterable[AttackImpact]) -> list[Violation]:
        """Return attacks of a future as violated shocks."""
        oracle = self.oracles[number]
        found = [] if oracle is None else oracle.violations(impacts)
        return [Violation(self.tree.shock(number, each.shock), each.gap) for each in found]

    def named(self, names: Iterable[str]) -> list[Shock]:
        """Return the attacks among paths named as in the tree, as shocks of the joint plan."""
        ordered, found = sorted(names), list[Shock]()
        for number, (oracle, _) in self._places.items():
            prefix, adversary = self.tree.name(number, ""), oracle.programmes.adversary
            horizon = oracle.programmes.instance.horizon
            own = (name.removeprefix(prefix) for name in ordered if name.startswith(prefix))
            attacks = [attack for name in own if (attack := adversary.attack(name, horizon)) is not None]
            found += [self.tree.shock(number, attack.shock(adversary, horizon)) for attack in attacks]
        return found

    def attacks(self, shocks: Collection[Shock]) -> list[tuple[Attack, ...]]:
        """Return by future the shocks that are its attacks."""
        parts = zip(self.oracles, self.tree.own_shocks(shocks), strict=True)
        return [() if oracle is None else oracle.attacks(own) for oracle, own in parts]


def attack_oracles(tree: FutureTree, settings: Settings, clock: Clock) -> list[AttackOracle | None]:
    """Return an oracle for each future with an adversary, one for all futures with the same instance."""
    made: dict[int, AttackOracle | None] = {}
    for instance in (future.instance for future in tree.futures):
        if id(instance) not in made:
            made[id(instance)] = None if instance.adversary is None else AttackOracle(instance, settings, clock)
    return [made[id(future.instance)] for future in tree.futures]


def listed_shocks_only(instance: Instance) -> Instance:
    """Return the instance with only its listed shocks, in every future.

    Raises:
        InstanceError: no future has an adversary.
    """
    if all(future.instance.adversary is None for future in instance.tree.futures):
        cure = "Add `adversary: {attack_budget: …, months: …, starts: …, targets: {…}}` (docs/how-to/attack.md)."
        raise InstanceError([Finding(instance.title, None, "", "there is no adversary", cure)])
    return for_each_future(instance, without_attacks) if instance.futures else without_attacks(instance)


def with_listed_attacks(instance: Instance) -> tuple[Instance, str]:
    """Return the instance with every relevant attack among its listed shocks, and a note for the user.

    Relevant are the maximal affordable sets at each start that no other dominates: a plan that keeps every floor in all
    of them keeps every floor in any attack. Where floors fail, the survival gap is the sum over all of them.

    Raises:
        InstanceError: the instance has no adversary, one with too many attacks to list, or one that can be deterred.
    """
    listed = listed_shocks_only(instance)
    adversary = listed.adversary
    assert adversary is not None
    if adversary.deterrents:
        what = "which attacks take place depends on the plan, for leverage deters some: they cannot be listed"
        cure = "Use `solve --adversary` or `attack`, or remove `deterrence` from the targets."
        raise InstanceError([Finding(instance.title, None, "adversary", what, cure)])
    attacks = AttackOracle(listed, Settings(), Clock()).candidates()
    if attacks is None:
        what = f"more than {MOST_ENUMERATED:,} attacks are affordable, too many to list among the shocks"
        cure = "Lower attack_budget or name fewer starts; `solve --adversary` and `attack` search without a list."
        raise InstanceError([Finding(instance.title, None, "adversary", what, cure)])
    means = attack_budget_text(adversary.attack_budget, listed.money)
    count = f"{len(attacks):,} attack{'' if len(attacks) == 1 else 's'}"
    note = f"Adversary: the shocks include {count} that {means} can buy."
    if not any(attack.targets for attack in attacks):
        note = f"Adversary: {means} can buy no attack; in the shocks attack{{}} nothing is struck."
    return with_attacks(listed, attacks), f"{note} Where floors fail, the gap is summed over all of them."
