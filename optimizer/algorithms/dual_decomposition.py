"""Dual decomposition by future: a lower bound from groups of futures solved by themselves, and starting plans.

Let every group g of futures decide for itself about the decisions that it shares with others, at a charge: x[g] is its
copy of them, λ[g] its multipliers, and the multipliers of one decision add to 0. Then the least costs of the groups,
each by itself,

    L(λ) = Σ_g min { Σ_{l∈g} π[l]·C[l] + λ[g]·x[g] }     with Σ_g λ[g] = 0 for every decision that groups share

add to a lower bound on the least expected cost. With multipliers from the dual values of the joint LP relaxation, the
bound is about as good as the relaxation; the integers of the groups, whose small models are solved quickly, improve it.
Merging groups never lowers the bound at the same multipliers: futures that part last are in one group. Multipliers are
improved by subgradient steps: a decision becomes dearer for a group that takes more of it than the others.

Integers of options on which all plans known so far agree are fixed, and the rest is decided in a joint MIP with few
integers. Its plan bounds the searches of the groups. Before there is one, each future is a group.

Source: Carøe, Schultz: Dual decomposition in stochastic integer programming, Operations Research Letters 24, 1999;
Sandıkçı, Özaltın: A scalable bounding method for multistage stochastic programs, SIAM Journal on Optimization 27, 2017
(groups); Polyak: Minimization of unsmooth functionals, USSR Computational Mathematics and Mathematical Physics 9(3),
1969; Rothberg: An evolutionary algorithm for polishing mixed integer programming solutions, INFORMS Journal on
Computing 19(4), 2007 (the joint MIP with few integers: crossover).
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from optimizer import formulation, risk
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import ProblemVariant, SearchResult
from optimizer.algorithms.reading import integers_of, read_joint_plan
from optimizer.disruptions.shock import Shock
from optimizer.instance.questions import Answer
from optimizer.instance.schema import Future, FutureTree, Instance
from optimizer.model.builder import ModelBuilder, Row
from optimizer.model.expressions import Expression
from optimizer.results.plan import Plan
from optimizer.solver.base import Settings, SolveResult, Vector

# A decision of one future: owner, what, period.
DecisionKey = tuple[str, str, int]
# Largest number of subgradient steps, and of futures in a group.
MOST_DUAL_STEPS, MOST_IN_GROUP = 6, 3
# Once a plan is known, fewer groups are not solved by themselves: the joint MIP, bounded by the plan, is as fast.
LEAST_GROUPS = 3


@dataclass(frozen=True, eq=False)
class LagrangianCost:
    """The expected cost of some futures plus their charges for shared decisions, by future.

    The cost includes gaps at their price, if they have one.
    """

    multipliers: tuple[Mapping[DecisionKey, float], ...]

    def __call__(self, builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
        """Return the objective of a model of these futures."""
        tree, result = instance.tree, Expression()
        parts = zip(tree.futures, builder.submodels, tree.own_shocks(shocks), self.multipliers, strict=True)
        for future, submodel, own, multipliers in parts:
            result.add(risk.cost(submodel, future.instance, own), future.probability)
            if (price := instance.policy.gap_price) is not None:
                result.add(formulation.gap(submodel, future.instance), price * future.probability)
            found = submodel.column_index()
            for (owner, what, t), multiplier in multipliers.items():
                result.add(Expression({found["", owner, what][t]: 1.0}), multiplier)
        return result


@dataclass(frozen=True)
class GroupProblem:
    """The problem of a group of futures by itself, small enough to be sent to another process."""

    numbers: tuple[int, ...]  # indices of the futures
    # Names, conditional probabilities given the group, and answers of the futures.
    names: tuple[str, ...]
    probabilities: tuple[float, ...]
    answers: tuple[tuple[Answer, ...], ...]
    # Multipliers by future, in money at the scale of the group's cost, which is not weighted by the group's
    # probability.
    multipliers: tuple[Mapping[DecisionKey, float], ...]
    shocks: frozenset[str]  # names of shocks that the model holds from the start, as in the group's tree
    plans: tuple[Plan, ...]  # starting plans by future; empty if none are known
    settings: Settings  # settings of the search

    def instance(self, instances: Sequence[Instance]) -> Instance:
        """Return the instance whose futures are those of the group; `instances` are their own instances."""
        if len(instances) == 1:
            return instances[0]
        parts = zip(self.names, self.probabilities, self.answers, instances, strict=True)
        return instances[0].with_tree(FutureTree(tuple(Future(*part) for part in parts)))

    @property
    def problem(self) -> ProblemVariant:
        """The problem variant with the Lagrangian cost as objective."""
        return ProblemVariant(LagrangianCost(self.multipliers), name="cost of a group of futures", prices_gaps=True)


@dataclass(frozen=True)
class GroupPlans:
    """The result of a group of futures by itself."""

    bound: float  # proven lower bound on its cost including charges
    plans: tuple[Plan, ...] = ()  # by future
    # By future, the values of all its decisions; both are empty if no plan was found.
    decisions: tuple[Mapping[DecisionKey, float], ...] = ()

    @classmethod
    def of(cls, instance: Instance, found: SearchResult) -> "GroupPlans":
        """Return the result of a search in an instance with these futures."""
        if found.values is None:
            return cls(found.bound)
        values = found.values.tolist()
        decisions = tuple({key: values[j] for j, key in _decisions(own).items()} for own in found.builder.submodels)
        return cls(found.bound, read_joint_plan(instance.tree, found.builder, values), decisions)


def _decisions(submodel: ModelBuilder) -> dict[int, DecisionKey]:
    """Return the decisions of one future by their columns in the joint model."""
    parts = ((owner, what, at) for (path, owner, what), at in submodel.column_index().items() if not path)
    return {j: (owner, what, t) for owner, what, at in parts for t, j in at.items()}


@dataclass
class DualDecomposition:
    """The decomposition of a joint model into groups of futures, with its bound and incumbent."""

    model: ShockModel  # the joint model, whose integers are free before and after
    # Solves groups of futures, each by itself; None for groups that the clock did not allow.
    solve: Callable[[Sequence[GroupProblem]], Sequence[GroupPlans | None]]
    alone: Sequence[Plan] = ()  # the best plan of each future without multipliers; empty if not known
    bound: float = -math.inf  # the best lower bound so far
    incumbent: SolveResult | None = None  # the cheapest plan of the joint model found so far

    def __post_init__(self) -> None:
        tree, builder = self.model.tree, self.model.builder
        self.weights = np.array([future.probability for future in tree.futures])
        # By future, its decisions by column, and the columns that it shares.
        self.keys = [_decisions(submodel) for submodel in builder.submodels]
        counts = Counter(j for own in self.keys for j in own)
        self.shared = [[j for j in own if counts[j] > 1] for own in self.keys]
        self._plan_columns = counts.keys()
        # The last plans of each group.
        self._plans: dict[tuple[int, ...], tuple[Plan, ...]] = {}
        # The integers fixed in each joint search so far.
        self._fixed_before = list[dict[int, float]]()

    def run(self, relaxation: SolveResult) -> None:
        """Improve bound and plan by subgradient steps until they are close, or further steps do not pay."""
        multipliers, before = self._multipliers(relaxation), relaxation.objective
        if self.alone:
            self._improve(self._alone_integers)
            self._report(before)
        for step in range(MOST_DUAL_STEPS):
            groups = self._groups()
            found = self._solve(groups, multipliers) if groups else None
            if found is None:
                return
            value = math.fsum(each.bound * self._weight(group) for group, each in zip(groups, found, strict=True))
            self.bound, decisions = max(self.bound, value), self._group_decisions(groups, found)
            self._improve(decisions)
            self._report(self.bound)
            if self.model.clock.is_over or self._is_done(step, self.bound - before):
                return
            multipliers, before = self._step_multipliers(multipliers, decisions, value), self.bound

    @property
    def _least(self) -> float:
        """The cost of the incumbent; infinite without one."""
        return math.inf if self.incumbent is None else self.incumbent.objective

    def _is_done(self, step: int, gain: float) -> bool:
        """Return whether the gap is closed, or further steps with this gain would not close it.

        The first step does not predict the gain of later ones.
        """
        missing = self._least - self.bound - self.model.settings.slack(self._least)
        return missing <= 0 or (step > 0 and gain * (MOST_DUAL_STEPS - 1 - step) < missing)

    def _report(self, bound: float) -> None:
        self.model.report("futures by themselves", self._least, min(self._least, bound))

    # Groups of futures.

    def _groups(self) -> list[tuple[int, ...]]:
        """Return the groups to solve by themselves; none if these are too few, or the time is over."""
        if self.incumbent is None:
            return [(number,) for number in range(len(self.keys))]
        groups = last_parted(self.model.tree)
        return [] if len(groups) < LEAST_GROUPS or self.model.clock.is_over else groups

    def _weight(self, group: Sequence[int]) -> float:
        return math.fsum(self.weights[list(group)])

    def _solve(self, groups: Sequence[tuple[int, ...]], multipliers: Sequence[Vector]) -> Sequence[GroupPlans] | None:
        """Solve the groups by themselves; None unless all of them have plans."""
        found = self.solve([self._problem(group, multipliers) for group in groups])
        known = [each for each in found if each is not None and each.plans]
        for group, each in zip(groups, known, strict=False):
            self._plans[group] = each.plans
        return known if len(known) == len(groups) else None

    def _problem(self, group: tuple[int, ...], multipliers: Sequence[Vector]) -> GroupProblem:
        """Return the problem of a group by itself. A decision that several of its futures share is charged once."""
        some, weight = [self.model.tree.futures[number] for number in group], self._weight(group)
        return GroupProblem(
            group,
            tuple(future.name for future in some),
            tuple(future.probability / weight for future in some),
            tuple(future.answers for future in some),
            self._charges(group, multipliers),
            self._shocks_held(group),
            self._known_plans(group),
            self._settings,
        )

    def _charges(self, group: tuple[int, ...], multipliers: Sequence[Vector]) -> tuple[dict[DecisionKey, float], ...]:
        """Return the multipliers of a group's shared decisions by future, each decision once.

        They are divided by the group's probability, as its cost is.
        """
        weight, charged = self._weight(group), dict[int, float]()
        for number in group:
            for j, multiplier in zip(self.shared[number], multipliers[number].tolist(), strict=True):
                charged[j] = charged.get(j, 0.0) + multiplier / weight
        result = []
        for number in group:
            own = {self.keys[number][j]: charged.pop(j, 0.0) for j in self.shared[number]}
            result.append({key: multiplier for key, multiplier in own.items() if multiplier})
        return tuple(result)

    def _shocks_held(self, group: tuple[int, ...]) -> frozenset[str]:
        """Return the shocks of the joint model that belong to a group, by their names in its own tree."""
        tree = self.model.tree
        own = tree.own_shocks(self.model.shocks)
        if len(group) == 1:
            return frozenset(shock.name for shock in own[group[0]])
        return frozenset(tree.name(number, shock.name) for number in group for shock in own[number])

    @property
    def _settings(self) -> Settings:
        """Settings of the groups' searches: half of the allowed gap is left to the multipliers."""
        settings = self.model.settings
        tolerance = None if settings.tolerance is None else settings.tolerance / 2
        return replace(
            settings, mip_gap=settings.mip_gap / 2, tolerance=tolerance, checkpoint=None, jobs=1, cluster=None
        )

    def _known_plans(self, group: tuple[int, ...]) -> tuple[Plan, ...]:
        """Return the last plans of a group, or its part of the incumbent; empty without either."""
        if group in self._plans or self.incumbent is None:
            return self._plans.get(group, ())
        assert self.incumbent.values is not None
        plans = read_joint_plan(self.model.tree, self.model.builder, self.incumbent.values.tolist())
        return tuple(plans[number] for number in group)

    # Multipliers.

    def _multipliers(self, relaxation: SolveResult) -> list[Vector]:
        """Return by future the multipliers of its shared decisions, from the dual values of the joint relaxation."""
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
        """Return by future its costs less its rows priced by their dual values, by column.

        Over all futures they add to the reduced costs.
        """
        result = [np.zeros(len(self.model.builder.columns)) for _ in self.weights]
        for number, each in enumerate(self.model.costs()):
            for j, value in each.expected.terms.items():
                result[number][j] += self.weights[number] * value
        for row, dual, sharing in self._priced_rows(relaxation):
            whole = float(self.weights[list(sharing)].sum())
            for number in sharing:
                part = dual * self.weights[number] / whole
                for j, value in row.terms.items():
                    result[number][j] -= part * value
        return result

    def _priced_rows(self, relaxation: SolveResult) -> Iterator[tuple[Row, float, Sequence[int]]]:
        """Yield the rows with a dual value, the value, and the futures that share the row."""
        assert relaxation.duals is not None
        for place, (row, dual) in enumerate(zip(self.model.builder.rows, relaxation.duals.tolist(), strict=True)):
            if dual:
                yield row, dual, self.model.builder.sharing(place)
        # Names of futures may hold a slash, so that they cannot be read from the names of paths.
        futures = {shock.name: self.model.tree.locate(shock)[0] for shock in self.model.shocks}
        added = () if relaxation.added_duals is None else relaxation.added_duals.tolist()
        # If the clock ran out, rows may have been added after the relaxation was solved: they have no dual value.
        for row, dual in zip(self.model.inequalities.in_solver, added, strict=False):
            if dual:
                yield row, dual, (futures[row.mark.path],)

    def _step_multipliers(
        self, multipliers: Sequence[Vector], decisions: Sequence[Mapping[int, float]], value: float
    ) -> list[Vector]:
        """Return the multipliers after a step along the distances of copies from their decision's mean.

        The step size is Polyak's for the subgradient before it is balanced, so that the step is slightly shorter.
        """
        mean = self._mean_decisions(decisions)
        steps = [np.array([decisions[n][j] - mean[j] for j in own]) for n, own in enumerate(self.shared)]
        length = math.fsum(float(step @ step) for step in steps)
        if not length or not math.isfinite(self._least):
            return list(multipliers)
        size = max(0.0, self._least - value) / length
        return [own + size * self._balance_step(n, steps) for n, own in enumerate(multipliers)]

    def _balance_step(self, number: int, steps: Sequence[Vector]) -> Vector:
        """Return a future's step less the mean step of the futures that share the decision: the sum stays 0."""
        total, count = np.zeros(len(self.model.builder.columns)), np.zeros(len(self.model.builder.columns))
        for own, step in zip(self.shared, steps, strict=True):
            total[own] += step
            count[own] += 1
        own = self.shared[number]
        return np.asarray(steps[number] - total[own] / count[own])

    # Plans.

    def _group_decisions(
        self, groups: Sequence[tuple[int, ...]], found: Sequence[GroupPlans]
    ) -> list[dict[int, float]]:
        """Return by future the decisions that its group takes by itself, by column of the joint model."""
        decisions: dict[int, Mapping[DecisionKey, float]] = {}
        for group, each in zip(groups, found, strict=True):
            decisions |= dict(zip(group, each.decisions, strict=True))
        return [{j: decisions[number][key] for j, key in keys.items()} for number, keys in enumerate(self.keys)]

    def _integers(self, number: int, plan: Plan) -> dict[int, float]:
        """Return the integers of a future's plan by column of the joint model."""
        columns, places = self.model.builder.columns, sorted(self.keys[number])
        values = integers_of(self.model.tree.futures[number].instance, plan, [columns[j] for j in places])
        return {places[k]: value for k, value in values.items()}

    def _mean_decisions(self, decisions: Sequence[Mapping[int, float]]) -> Vector:
        """Return by column the mean over the futures that share it, weighted by their probabilities."""
        total, weight = np.zeros(len(self.model.builder.columns)), np.zeros(len(self.model.builder.columns))
        for number, own in enumerate(decisions):
            columns = list(own)
            total[columns] += self.weights[number] * np.array([own[j] for j in columns])
            weight[columns] += self.weights[number]
        return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)

    def _common_integers(self, decisions: Sequence[Mapping[int, float]]) -> dict[int, float]:
        """Return the integers of options on which all known plans agree.

        Known are the groups' plans, the futures' plans without multipliers, and the incumbent.
        """
        columns, fixed, unlike = self.model.builder.columns, dict[int, float](), set[str]()
        for own in (*decisions, *self._alone_integers, *self._incumbent_integers):
            for j in filter(lambda j: columns[j].integer, own):
                whole = round(own[j])
                if fixed.setdefault(j, whole) != whole:
                    unlike.add(columns[j].mark.owner)
        return {j: whole for j, whole in fixed.items() if columns[j].mark.owner not in unlike}

    @cached_property
    def _alone_integers(self) -> list[dict[int, float]]:
        """By future, the integers of its plan without multipliers."""
        return [self._integers(number, plan) for number, plan in enumerate(self.alone)]

    @property
    def _incumbent_integers(self) -> list[dict[int, float]]:
        """The integers of the incumbent, as a list of one; empty without an incumbent."""
        if self.incumbent is None or self.incumbent.values is None:
            return []
        return [{j: self.incumbent.values[j] for j in self.model.solver.integers.tolist() if j in self._plan_columns}]

    def _improve(self, decisions: Sequence[Mapping[int, float]]) -> None:
        """Solve the joint MIP with the options fixed on which all known plans agree; update the incumbent.

        It is skipped if it would fix all that an earlier one fixed, since its plan would not be noticeably better.
        """
        model = self.model
        fixed = self._common_integers(decisions)
        if any(earlier.items() <= fixed.items() for earlier in self._fixed_before):
            return
        self._fixed_before.append(fixed)
        values = list(fixed.values())
        model.release_integers()
        model.solver.bound(list(fixed), values, values)
        model.known_bound = self.bound
        result = model.solve_integers("decisions that futures share", self._least)
        model.release_integers()
        if result.values is not None and result.objective < self._least:
            self.incumbent = replace(result, bound=self.bound, duals=None)


def last_parted(tree: FutureTree) -> list[tuple[int, ...]]:
    """Return the futures in groups that part last, as large as allowed, but not all futures in one."""
    found: list[tuple[int, ...]] = [(number,) for number in range(len(tree.futures))]
    for t in sorted({answer.t for future in tree.futures for answer in future.answers}, reverse=True):
        groups: dict[int, list[int]] = {}
        for number in range(len(tree.futures)):
            groups.setdefault(tree.node(number, t - 1), []).append(number)
        if len(groups) == 1 or max(map(len, groups.values())) > MOST_IN_GROUP:
            break
        found = [tuple(group) for group in groups.values()]
    return found
