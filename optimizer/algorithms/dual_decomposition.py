"""Decomposition by future: a lower bound from each future by itself, and plans to start from.

Let every future decide for itself what it shares with others, and charge it for that: x[l] is the copy of future l,
λ[l] its prices, and those of one decision add to 0. Then the least costs of the futures, each by itself,

    L(λ) = Σ_l min { π[l]·C[l] + λ[l]·x[l] }     with Σ_l λ[l] = 0 for every shared decision

add to a lower bound on the least expected cost. Prices from the dual values of the joint LP relaxation make it at least
as good as that relaxation; integers, which a future by itself proves quickly, make it better. Prices are improved by
subgradient steps: what a future wants more of than the others becomes dearer for it.

What the futures decide alike by themselves is kept, and the rest is decided anew: a joint programme with few integers.

Source: Carøe, Schultz: Dual decomposition in stochastic integer programming, Operations Research Letters 24, 1999;
Polyak: Minimization of unsmooth functionals, USSR Computational Mathematics and Mathematical Physics 9(3), 1969;
Danna, Rothberg, Le Pape: Exploring relaxation induced neighborhoods to improve MIP solutions, Mathematical Programming
102, 2005 (the programme with few integers).
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer import formulation
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.problem import ProblemVariant
from optimizer.algorithms.strategy import SearchResult
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.solver import SolveResult, Vector

# A decision of one future: owner, what, period.
DecisionKey = tuple[str, str, int]
# So many steps of prices are taken at most.
MOST_STEPS = 6


@dataclass(frozen=True)
class PricedCost:
    """The expected cost of one future and what it is charged for decisions that it shares."""

    prices: Mapping[DecisionKey, float]

    def __call__(self, builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
        """The objective of that future's own model."""
        result, found = formulation.cost(builder, instance, shocks), builder.column_index()
        for (owner, what, t), price in self.prices.items():
            result.add(Expression({found["", owner, what][t]: 1.0}), price)
        return result


def _decisions(member: ModelBuilder) -> dict[int, DecisionKey]:
    """The plan's columns of one future."""
    parts = ((owner, what, at) for (path, owner, what), at in member.column_index().items() if not path)
    return {j: (owner, what, t) for owner, what, at in parts for t, j in at.items()}


# Solves one future by itself, by number, for another objective.
SolveFuture = Callable[[int, ProblemVariant], SearchResult]


@dataclass
class DualDecomposition:
    """Bounds and plans of a joint model, from its futures by themselves.

    Attributes:
        model: the joint model, its integers free before and after.
        solve: solves one future.
        bound: the best lower bound so far. incumbent: the cheapest plan that the joint model has, of those tried.
    """

    model: ScenarioModel
    solve: SolveFuture
    bound: float = -math.inf
    incumbent: SolveResult | None = None

    def __post_init__(self) -> None:
        tree, builder = self.model.tree, self.model.builder
        self.weights = np.array([future.probability for future in tree.futures])
        # Of each future, its decisions by column; and those that it shares.
        self.keys = [_decisions(member) for member in builder.members]
        counts = Counter(j for own in self.keys for j in own)
        self.shared = [[j for j in own if counts[j] > 1] for own in self.keys]

    def run(self, relaxation: SolveResult) -> None:
        """Find bounds and plans until they are near each other, for some rounds."""
        prices = self._prices(relaxation)
        for _ in range(MOST_STEPS):
            found = [self.solve(number, self._problem(number, prices)) for number in range(len(self.keys))]
            if self.model.clock.is_over or any(each.values is None for each in found):
                return
            wanted = [self._wanted(number, each) for number, each in enumerate(found)]
            value = math.fsum(self.weights * [each.bound for each in found])
            self.bound = max(self.bound, value)
            self._improve(wanted)
            best = math.inf if self.incumbent is None else self.incumbent.objective
            self.model.report("futures by themselves", best, self.bound)
            if best - self.bound <= self.model.settings.slack(best):
                return
            prices = self._stepped(prices, wanted, value, best)

    # Prices.

    def _prices(self, relaxation: SolveResult) -> list[Vector]:
        """By future, prices of its shared decisions from the dual values of the joint relaxation."""
        reduced = self._reduced_costs(relaxation)
        total = np.sum(reduced, axis=0)
        result = []
        for number, own in enumerate(self.shared):
            group = np.zeros(len(total))
            for other, shared in enumerate(self.shared):
                group[shared] += self.weights[other]
            share = self.weights[number] / group[own]
            result.append(share * total[own] - reduced[number][own])
        return result

    def _reduced_costs(self, relaxation: SolveResult) -> list[Vector]:
        """By future, what is left of its costs once its own rows are priced; they add to the reduced costs."""
        builder, futures = self.model.builder, range(len(self.weights))
        result = [np.zeros(len(builder.columns)) for _ in futures]
        for number, each in enumerate(self.model.costs()):
            for j, value in each.expected.terms.items():
                result[number][j] += self.weights[number] * value
        assert relaxation.duals is not None
        for place, (row, dual) in enumerate(zip(builder.rows, relaxation.duals.tolist(), strict=True)):
            if dual:
                sharing = builder.sharing(place)
                whole = float(self.weights[list(sharing)].sum())
                for number in sharing:
                    part = dual * self.weights[number] / whole
                    for j, value in row.terms.items():
                        result[number][j] -= part * value
        return result

    def _problem(self, number: int, prices: Sequence[Vector]) -> ProblemVariant:
        """One future by itself, charged in its own money: its cost is not yet weighted by its probability."""
        own = prices[number] / self.weights[number]
        charged = {
            self.keys[number][j]: float(price) for j, price in zip(self.shared[number], own, strict=True) if price
        }
        return ProblemVariant(PricedCost(charged), name="cost of a future")

    def _stepped(
        self, prices: Sequence[Vector], wanted: Sequence[Mapping[int, float]], value: float, best: float
    ) -> list[Vector]:
        """Prices after a step along the subgradient: a copy's distance from the mean of its decision."""
        mean = self._mean(wanted)
        steps = [np.array([wanted[n][j] - mean[j] for j in own]) for n, own in enumerate(self.shared)]
        length = math.fsum(float(step @ step) for step in steps)
        if not length or not math.isfinite(best):
            return list(prices)
        size = max(0.0, best - value) / length
        return [price + size * self._balanced(n, steps) for n, price in enumerate(prices)]

    def _balanced(self, number: int, steps: Sequence[Vector]) -> Vector:
        """A future's step, less the mean of the steps of those that share a decision: the sum stays 0."""
        total, count = np.zeros(len(self.model.builder.columns)), np.zeros(len(self.model.builder.columns))
        for own, step in zip(self.shared, steps, strict=True):
            total[own] += step
            count[own] += 1
        own = self.shared[number]
        return np.asarray(steps[number] - total[own] / count[own])

    # Plans.

    def _wanted(self, number: int, found: SearchResult) -> dict[int, float]:
        """What a future decides by itself, by column of the joint model."""
        assert found.values is not None
        own = found.builder.column_index()
        return {j: float(found.values[own["", owner, what][t]]) for j, (owner, what, t) in self.keys[number].items()}

    def _mean(self, wanted: Sequence[Mapping[int, float]]) -> Vector:
        """By column, the mean over the futures that share it, by their probabilities."""
        total, weight = np.zeros(len(self.model.builder.columns)), np.zeros(len(self.model.builder.columns))
        for number, own in enumerate(wanted):
            columns = list(own)
            total[columns] += self.weights[number] * np.array([own[j] for j in columns])
            weight[columns] += self.weights[number]
        return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)

    def _agreed(self, wanted: Sequence[Mapping[int, float]]) -> dict[int, float]:
        """The integers of options that all futures which share decisions on them have alike by themselves."""
        columns, fixed, unlike = self.model.builder.columns, dict[int, float](), set[str]()
        for own in wanted:
            for j in filter(lambda j: columns[j].integer, own):
                whole = round(own[j])
                if fixed.setdefault(j, whole) != whole:
                    unlike.add(columns[j].mark.owner)
        return {j: whole for j, whole in fixed.items() if columns[j].mark.owner not in unlike}

    def _improve(self, wanted: Sequence[Mapping[int, float]]) -> None:
        """The best plan that keeps every option as all futures that share decisions on it have it by themselves."""
        model = self.model
        fixed = self._agreed(wanted)
        kept = list(fixed)
        model.release_integers()
        model.model.bound(kept, [fixed[j] for j in kept], [fixed[j] for j in kept])
        model.known_bound = self.bound
        cutoff = math.inf if self.incumbent is None else self.incumbent.objective
        result = model.solve_integers("what futures share", cutoff)
        model.release_integers()
        if result.values is not None and result.objective < cutoff:
            self.incumbent = replace(result, bound=self.bound, duals=None)
