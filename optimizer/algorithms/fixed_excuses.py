"""A first plan for a share of an ensemble: which samples may fail is fixed, and every other one has to be survived.

    first     those with the largest gaps under the LP relaxation may fail
    again     of those that may fail and yet are survived, others take the place: the samples that cost most to survive,
              by the dual values of their rows

Each choice is an instance of plain floors, which constraint generation solves in a fraction of the time. Its best plan
is one for the ensemble: an upper bound. The samples that it needed, and those that it lets fail, are those that matter.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.reading import joint_integers, read_joint_plan
from optimizer.algorithms.strategy import SearchResult
from optimizer.disruptions.shock import Shock
from optimizer.instance.derived import SurvivalShare
from optimizer.instance.schema import FutureTree, Instance
from optimizer.results.plan import Plan
from optimizer.solver import Vector
from optimizer.tolerances import NEGLIGIBLE_DUAL

# Choices that are tried; the share of the time that is left which all of them may take.
MOST_CHOICES, CHOICES_SHARE = 4, 0.4


@dataclass(frozen=True)
class ExcusedPlan:
    """A plan that survives all but some samples, and what the search for it found.

    Attributes:
        excused: the samples that may fail, by number. shocks: those that its model held.
    """

    found: SearchResult
    excused: frozenset[int]
    shocks: Sequence[Shock]

    def plans(self, tree: FutureTree) -> tuple[Plan, ...]:
        """The plan of each future."""
        assert self.found.values is not None
        return read_joint_plan(tree, self.found.builder, self.found.values.tolist())

    def start(self, tree: FutureTree, model: ScenarioModel) -> Vector:
        """The values of the integers of a model that holds the samples that may fail."""
        values = np.zeros(len(model.builder.columns))
        values[model.model.integers] = joint_integers(tree, self.plans(tree), model.builder)
        values[model.excuses.columns_of(tree.events[n].name for n in self.excused)] = 1.0
        return values[model.model.integers]


def counts_survival_alone(instance: Instance) -> bool:
    """Whether neither what shocks cost counts nor, by a price, what they leave."""
    return instance.policy.gap_price is None and all(shock.probability <= 0 for shock in instance.tree.events)


def best_excused_plan(
    tree: FutureTree,
    shares: Sequence[SurvivalShare],
    gaps: Vector,
    solve: Callable[[frozenset[int]], tuple[ExcusedPlan, Vector] | None],
) -> ExcusedPlan | None:
    """The cheapest plan of some choices of the samples that may fail; None where none has one.

    Args:
        tree: the futures. shares: the ensembles of which only a share has to be survived.
        gaps: by shock, under a plan to begin with.
        solve: the best plan for a choice, and the gaps that it leaves by shock; None where it has none.
    """
    best: ExcusedPlan | None = None
    chosen, tried = _largest(shares, gaps), set[frozenset[int]]()
    while chosen not in tried and len(tried) < MOST_CHOICES:
        tried.add(chosen)
        solved = solve(chosen)
        if solved is None:
            break
        plan, left = solved
        if best is None or plan.found.cost < best.found.cost:
            best = plan
        price = _prices(tree, plan)
        # What still fails stays excused; in place of the others come those that cost most.
        chosen = _largest(shares, np.where(left > 0.0, price.max(initial=0.0) + left + 1.0, price))
    return best


def _largest(shares: Iterable[SurvivalShare], amounts: Vector) -> frozenset[int]:
    """Of each ensemble the samples with the largest amounts above 0, as many as may fail."""
    result = set[int]()
    for share in shares:
        ordered = sorted(share.numbers, key=lambda n: -amounts[n])
        result.update(n for n in ordered[: share.allowed] if amounts[n] > 0.0)
    return frozenset(result)


def _prices(tree: FutureTree, plan: ExcusedPlan) -> Vector:
    """By shock, what its floors cost: their dual values, times what has to be served."""
    result, duals = np.zeros(len(tree.events)), plan.found.duals
    if duals is None:
        return result
    paths = {event.name: number for number, event in enumerate(tree.events)}
    for row, dual in zip(duals.builder.rows, duals.duals.tolist(), strict=False):
        number = paths.get(row.mark.path)
        if number is not None and row.mark.what == "floor" and abs(dual) > NEGLIGIBLE_DUAL:
            unserved = next(j for j, value in row.terms.items() if value > 0)
            result[number] += abs(dual) * (duals.builder.columns[unserved].upper - row.rhs)
    return result
