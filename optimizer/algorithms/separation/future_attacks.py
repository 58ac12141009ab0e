"""The adversaries of several futures as one separation oracle: each attacks its own future's part of a joint plan."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from optimizer.algorithms.reading import own_columns
from optimizer.algorithms.separation import Violation
from optimizer.algorithms.separation.attacks import AttackImpact, AttackOracle
from optimizer.disruptions.adversary import Attack
from optimizer.disruptions.shock import Shock
from optimizer.formulation import first_stages_model
from optimizer.instance.schema import FutureTree
from optimizer.solver import Clock, Settings, Vector


class FutureAttacks:
    """Finds the worst attacks on joint plans.

    Args:
        tree: the futures, some of which have an adversary.
        oracles: by number of the future; None where it has no adversary. Futures with one instance may share one.
    """

    def __init__(self, tree: FutureTree, oracles: Sequence[AttackOracle | None]) -> None:
        self.tree, self.oracles = tree, tuple(oracles)
        members = first_stages_model(tree).members
        self._places = {
            number: (oracle, own_columns(oracle.programmes.plan, members[number]))
            for number, oracle in enumerate(self.oracles)
            if oracle is not None
        }

    @property
    def is_exhaustive(self) -> bool:
        """Whether every attack is tried, whatever the plan and the time."""
        return all(oracle.is_exhaustive for oracle, _ in self._places.values())

    def parts(self, plan: Vector) -> Iterator[tuple[int, AttackOracle, Vector]]:
        """By future with an adversary, its oracle and its part of a plan (values of `first_stages_model`, or more)."""
        for number, (oracle, places) in self._places.items():
            yield number, oracle, plan[places]

    def separate(self, plan: Vector, held: Collection[Shock] = (), enough: int = 0) -> list[Violation]:
        """In each future, at each start where some attack violates a floor, the worst one; none of those held."""
        own = self.tree.own_shocks(held)
        return [
            Violation(self.tree.shock(number, each.shock), each.gap)
            for number, oracle, part in self.parts(plan)
            for each in oracle.separate(part, own[number], enough)
        ]

    def damaging(self, plan: Vector) -> list[list[AttackImpact]]:
        """By future, at each start where some attack leaves a gap, the worst one."""
        found: list[list[AttackImpact]] = [[] for _ in self.oracles]
        for number, oracle, part in self.parts(plan):
            found[number] = oracle.damaging(part, 0.0)
        return found

    def violations(self, number: int, impacts: Iterable[AttackImpact]) -> list[Violation]:
        """Attacks of a future as violated scenarios."""
        oracle = self.oracles[number]
        found = [] if oracle is None else oracle.violations(impacts)
        return [Violation(self.tree.shock(number, each.shock), each.gap) for each in found]

    def attacks(self, shocks: Collection[Shock]) -> list[tuple[Attack, ...]]:
        """By future, those of some scenarios that are its attacks."""
        parts = zip(self.oracles, self.tree.own_shocks(shocks), strict=True)
        return [() if oracle is None else oracle.attacks(own) for oracle, own in parts]


def attack_oracles(tree: FutureTree, settings: Settings, clock: Clock) -> list[AttackOracle | None]:
    """An oracle for each future that has an adversary; one for all futures with the same instance."""
    made: dict[int, AttackOracle | None] = {}
    for instance in (future.instance for future in tree.futures):
        if id(instance) not in made:
            made[id(instance)] = None if instance.adversary is None else AttackOracle(instance, settings, clock)
    return [made[id(future.instance)] for future in tree.futures]
