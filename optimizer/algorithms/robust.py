"""The cheapest plan that survives the listed shocks and every attack that an adversary can afford.

Column-and-constraint generation: the first stage chooses a plan, the adversary the worst attack that it can afford, and
recourse follows. The model holds the violated listed shocks and the attacks found so far, each as a shock:

    relaxation   without integrality: solve, find the worst attack at each start (`separation.attacks`), add violated
        ones
    integers     the same with integers, from the shocks and attacks that the relaxation needed

With fewer attacks the model is a relaxation, so its bound is valid. A plan that survives the worst attack at every
start survives every attack. There are finitely many sets of targets and starts, so the search ends.

Leverage may deter an attack instead (`relaxed_floors`): the model decides which of its attacks are survived and which
are deterred, and the adversary chooses among those that the plan does not deter. A set of targets may be deterred while
a subset is not: that subset is then found, and added as an attack of its own.

Where the floors cannot all be kept, the adversary counts as one more shock at each start, the worst that it can choose:

    θ[t]   impact of the worst attack that begins in t, in money divided by m, the median shortage cost
    link   θ[t] ≥ gap of an attack / m           for every attack of the model that begins in t
    gap    the listed shocks' gaps + m·Σ_t θ[t]

The gap is minimised first, then the cost subject to that gap. At each start only the worst attack counts. An attack is
then violated if its gap exceeds those of the model's attacks at its start, and the worst attacks together exceed the
gap allowed.

Each future of an instance has its own adversary, which observes the answers in that future: its own attacks, starts and
θ. Gaps of futures are weighted by their probabilities; where a measure puts the largest gap first, an attack is also
violated if the gap of its future exceeds that limit.

Source: Zeng, Zhao: Solving two-stage robust optimization problems using a column-and-constraint generation method,
Operations Research Letters 41(5), 2013; Brown, Carlyle, Salmerón, Wood: Defending critical infrastructure, Interfaces
36(6), 2006.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer import formulation
from optimizer.algorithms.constraint_generation import ConstraintGeneration
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import (
    LEAST_COST,
    NOTHING_KNOWN,
    Hints,
    ProblemVariant,
    SearchResult,
    generate_constraints,
    median_shortage_cost,
    negligible_gap,
)
from optimizer.algorithms.recourse import Evaluator, RecourseEvaluator
from optimizer.algorithms.relaxed_floors import write_deterrence
from optimizer.algorithms.search import warn_unsaved
from optimizer.algorithms.separation import SeparationOracle, Violation
from optimizer.algorithms.separation.attacks import AttackOracle, FutureAttacks
from optimizer.algorithms.solving import solve_groups
from optimizer.disruptions.adversary import Attack
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression, total
from optimizer.solver.base import AT_GAP, Clock, Listener, Settings, SolveResult, Vector
from optimizer.tolerances import HELD_VALUE, MIP_GAP_ROOM


@dataclass
class WorstAttackModel(ShockModel):
    """A model whose shocks beyond the listed ones are attacks; only the worst attack of each start counts as gap."""

    def __post_init__(self) -> None:
        self.money_unit = median_shortage_cost(self.instance)
        self.listed_names = frozenset(event.name for event in self.instance.tree.events)
        # The impact θ by index of the future and start of attacks; and the names of the attacks that already bound it.
        self.impact: list[dict[int, Expression]] = []
        self._bounded: set[str] = set()
        super().__post_init__()

    @property
    def attacks(self) -> Mapping[str, tuple[int, int]]:
        """The index of the future and the start of each attack in the model, by name."""
        return {
            shock.name: (self.tree.locate(shock)[0], shock.periods.start)
            for shock in self.shocks
            if shock.name not in self.listed_names
        }

    def update_expressions(self) -> None:
        """Rebuild the expressions as `MeasuredModel` does, with the deterrence of new attacks."""
        new = [shock for shock in self.shocks if shock.name not in self.listed_names | self._bounded]
        for (future, submodel), own in zip(self.submodels, self.tree.own_shocks(new), strict=True):
            write_deterrence(submodel, future.instance, own)
        super().update_expressions()

    def _write_impacts(self) -> list[dict[int, Expression]]:
        """Write for each future and start a column for the gap of the worst attack that begins there."""
        found: list[dict[int, Expression]] = []
        for number, future in enumerate(self.tree.futures):
            adversary = future.instance.adversary
            begins = [] if adversary is None else adversary.starts.periods(future.instance.horizon)
            found.append({t: self.builder.variable("adversary", f"impact{number}", t) for t in begins})
        return found

    def gaps(self) -> list[Expression]:
        """Return the gap of each future in money: of its listed shocks, and of the worst attack at each start."""
        if not self.impact:
            self.impact = self._write_impacts()
        result = []
        for number, (future, submodel) in enumerate(self.submodels):
            own = formulation.gaps(submodel, future.instance).items()
            gaps = {self.tree.name(number, name): gap for name, gap in own}
            self._bound_impacts(gaps)
            listed = (gap for name, gap in gaps.items() if name in self.listed_names)
            result.append(total([*listed, *(self.money_unit * impact for impact in self.impact[number].values())]))
        self._bounded.update(self.attacks)
        return result

    def _bound_impacts(self, gaps: Mapping[str, Expression]) -> None:
        """Require the impact at each start to be at least the gap of each new attack."""
        for name, (number, start) in self.attacks.items():
            if name in gaps and name not in self._bounded:
                impact = self.impact[number][start]
                self.builder.require("adversary", name, None, impact, ">=", (1.0 / self.money_unit) * gaps[name])

    def shock_gaps(self, values: Sequence[float]) -> dict[str, float]:
        """Return the gap of each listed shock of the model in money, by name; attacks count only by the worst."""
        return {name: gap for name, gap in super().shock_gaps(values).items() if name in self.listed_names}

    def listed_gaps(self, values: Sequence[float]) -> list[float]:
        """Return by future the sum of its listed shocks' gaps, in money."""
        gaps, own = self.shock_gaps(values), self.tree.own_shocks(self.shocks)
        names = [[self.tree.name(number, shock.name) for shock in some] for number, some in enumerate(own)]
        return [math.fsum(max(0.0, gaps.get(name, 0.0)) for name in some) for some in names]

    def gap_values(self, values: Sequence[float]) -> list[float]:
        """Return the survival gap of each future, with attacks at the largest gap of the model's attacks at each start.

        The impact columns may exceed these gaps.
        """
        found = self.listed_gaps(values)
        for (number, _), gap in self.attack_gaps(values).items():
            found[number] += gap
        return found

    def attack_gaps(self, values: Sequence[float]) -> dict[tuple[int, int], float]:
        """Return by future and start the largest gap that an attack of the model leaves, in money."""
        gaps, found = super().shock_gaps(values), dict[tuple[int, int], float]()
        for name, place in self.attacks.items():
            found[place] = max(found.get(place, 0.0), gaps.get(name, 0.0))
        return found

    def allowed_impact(self, values: Vector) -> float:
        """Return the gap that attacks may leave over all starts, in money.

        With a limit on the total gap, it is what the listed shocks leave of that limit; else the model's impact.
        """
        if not self.gap_limit_row.columns or not math.isfinite(self.gap_limit):
            numbers = values.tolist()
            impacts = (math.fsum(impact.value(numbers) for impact in own.values()) for own in self.impact)
            return self.money_unit * self.weighted(impacts)
        return max(0.0, self.gap_limit - self.weighted(self.listed_gaps(values.tolist())))


@dataclass(frozen=True)
class RobustPlan:
    """The result of a search against an adversary."""

    solved: SearchResult  # the plan; its gap is that of the listed shocks and of the worst attack at each start
    # Attacks that the model holds and the plan does not deter, in the order in which they were found.
    attacks: tuple[Attack, ...]
    deterred: tuple[Attack, ...]  # attacks that the model holds and the plan deters
    oracle: AttackOracle  # the oracle that found them, warm


def robust_plan(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    evaluator: Evaluator | None = None,
    oracle: AttackOracle | None = None,
    problem: ProblemVariant = LEAST_COST,
) -> RobustPlan:
    """Find the cheapest plan that survives the instance's shocks and the worst affordable attack at each start.

    Args:
        instance: an instance of one future with an adversary whose attacks are not among the shocks
            (`altered.without_attacks`).
        settings: solver settings; `strategy` and `checkpoint` are ignored.
        clock: a deadline, and whether Ctrl-C was pressed.
        listener: receives every progress event.
        evaluator: evaluates recourse in the instance, or in one with another policy; may be warm.
        oracle: the attack oracle of such an instance; may be warm.
        problem: the objective over the plans that survive.

    Returns:
        The plan. If the floors cannot all be kept, it is the one with the least gap, as defined in this module; for a
            problem other than least cost there is none, and the status is ``infeasible``.

    Raises:
        SolverError: the solver failed.
    """
    evaluator, oracle = evaluator or RecourseEvaluator(instance), oracle or AttackOracle(instance, settings, clock)
    found = robust_plans(instance, settings, clock, listener, evaluator, [oracle], problem)
    (robust,) = found.attacked
    assert robust is not None
    return robust


@dataclass(frozen=True)
class RobustPlans:
    """The result of a search against the adversaries of all futures."""

    solved: SearchResult  # the joint plan
    # by future, the plan with the attacks on it; None where it has no adversary
    attacked: tuple[RobustPlan | None, ...]


def robust_plans(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    evaluator: Evaluator,
    oracles: Sequence[AttackOracle | None],
    problem: ProblemVariant = LEAST_COST,
    hints: Hints = NOTHING_KNOWN,
) -> RobustPlans:
    """Find the plan that survives shocks and attacks in all futures, by the measure of the instance's policy.

    Args:
        instance: its futures have none of their attacks among their shocks.
        settings, clock, listener, problem: as for `robust_plan`.
        evaluator: evaluates recourse in the instance.
        oracles: by future, its attack oracle; None where it has no adversary.
        hints: facts known before; attacks may be among the shocks with which the search begins.

    Raises:
        SolverError: the solver failed.
    """
    is_requested = settings.checkpoint is not None
    notes = (warn_unsaved("the search against an adversary keeps no state."),) if is_requested else ()
    settings = replace(settings, checkpoint=None)
    search = _RobustSearch(instance, settings, clock, listener, evaluator, problem, solve_groups, hints)
    search.oracle = FutureAttacks(instance.tree, oracles)
    search.enter_shocks(search.oracle.named(hints.shocks))
    found = search.run()
    return search.robust_plans_of(replace(found, notes=(*found.notes, *notes)))


class _RobustSearch(ConstraintGeneration):
    """Constraint generation with the listed shocks and the adversaries as separation oracles."""

    model: WorstAttackModel
    oracle: FutureAttacks
    # Where floors fail: the plan with the least gap so far, and the latest one.
    _best: SearchResult | None = None
    _last: SearchResult | None = None

    def oracles(self) -> Sequence[SeparationOracle]:
        """Return the oracles of the listed shocks and of the adversaries."""
        return (self.listed, self.oracle)

    def is_complete(self) -> bool:
        """Return False if the clock may have stopped the interdiction MIP before it found the worst attack."""
        return not self.clock.is_over or self.oracle.is_exhaustive

    @property
    def is_deterrable(self) -> bool:
        """Whether a plan may deter attacks, so that the model has integers for them."""
        adversaries = (future.instance.adversary for future in self.tree.futures)
        return any(adversary is not None and adversary.deterrents for adversary in adversaries)

    def _drop_shocks_without_duals(self, relaxation: SolveResult) -> None:
        """Rebuild the model as in the base class, unless attacks have integers, whose indices would change."""
        if not self.is_deterrable:
            super()._drop_shocks_without_duals(relaxation)

    def new_model(self, settings: Settings | None = None) -> WorstAttackModel:
        """Return a model in which only the worst attack at each start counts as a gap."""
        settings = settings or self.settings
        known = (self.instance, self.shocks, settings, self.clock, self.report, self.writer, self.problem)
        return WorstAttackModel(*known, pseudo_costs=self.pseudo_costs)

    def robust_plans_of(self, solved: SearchResult) -> RobustPlans:
        """Return the result with the attacks in the model by future, survived or deterred."""
        attacks = self.oracle.attacks(self.shocks)
        deterred: dict[int, list[Attack]] = {}
        if solved.values is not None:
            parts = self.oracle.parts(solved.values)
            deterred = {number: oracle.deterred(part, attacks[number]) for number, oracle, part in parts}
        found: list[RobustPlan | None] = []
        for number, oracle in enumerate(self.oracle.oracles):
            gone = deterred.get(number, [])
            left = tuple(each for each in attacks[number] if each not in gone)
            found.append(None if oracle is None else RobustPlan(solved, left, tuple(gone), oracle))
        return RobustPlans(solved, tuple(found))

    def stopped(self, found: SearchResult) -> SearchResult:
        """Return the result of a stopped search, whose plan is only known to survive the shocks in the model."""
        note = "Stopped while attacks and shocks were still being found; this plan may fail in some that are not shown."
        return replace(found, status="stopped", history=tuple(self.history), notes=(*found.notes, note))

    def minimise_gap(self) -> SearchResult:
        """Minimise the gaps of the listed shocks and worst attacks, then the cost subject to that sum."""
        if not self.problem.is_least_cost:
            return SearchResult("infeasible", self.model.builder, history=tuple(self.history))
        self.enter_shock_numbers(np.flatnonzero(self.evaluator.can_leave_gap(self.clock)).tolist())
        # Integers of samples that may fail have other indices in another model.
        start = None if self.model.excuses.is_used else self.model.start
        # The gap that attacks may leave beyond the proven sum is part of the MIP gap.
        self.model = self.new_model(replace(self.settings, mip_gap=(1.0 - MIP_GAP_ROOM) * self.settings.mip_gap))
        # Plans to fall back on if the time runs out; integers of attacks have other indices than before.
        has_own_integers = self.is_deterrable or self.model.excuses.is_used
        self.model.start, self.model.relaxation = start, None if has_own_integers else self.relaxation
        self.model.allow_shortfalls(math.inf)
        self.model.minimise("gap")
        generate_constraints(self._solve_gap_relaxation, self._separate_gap_relaxation, self._add_all, self.clock)
        found = generate_constraints(self._solve_gap, lambda found: found[1], self._add_all, self.clock)
        if found is not None:
            return replace(found[0], history=tuple(self.history))
        last = self._last or self.model.fall_back()
        if self._best is None or last.values is None:
            return last if self._best is None else self.stopped(self._best)
        bound = min(self._best.gap, last.gap_bound)
        return self.stopped(replace(self._best, gap_bound=bound, bound=-math.inf))

    def _solve_gap_relaxation(self) -> SolveResult | None:
        result = self.model.solve_relaxed()
        return None if result.values is None else result

    def _separate_gap_relaxation(self, result: SolveResult) -> list[Violation]:
        assert result.values is not None
        violated, _ = self._exceeding_attacks(result.values)
        self.report_round("gap, relaxation", result.objective, result.objective, violated)
        return violated

    def _solve_gap(self) -> tuple[SearchResult, list[Violation]] | None:
        """Minimise the gap, then the cost; return the result and violated attacks, or None if the time is over."""
        self._last = found = self.model.minimise_gap()
        if found.values is None:
            return None
        violated, gap = self._exceeding_attacks(found.values)
        self.report_round(AT_GAP, found.objective, found.bound, violated)
        self._last = found = replace(found, gap=gap) if found.gap > 0 or violated else found
        self._best = min(self._best or found, found, key=lambda each: (each.gap, each.objective))
        return None if found.status == "stopped" or self.clock.is_over else (found, violated)

    def _add_all(self, violated: Sequence[Violation]) -> None:
        self.add_most_violated(violated, len(violated))

    def _exceeding_attacks(self, values: Vector) -> tuple[list[Violation], float]:
        """Return the attacks with larger gaps than the model's, and the plan's gap as this module defines it."""
        model, negligible = self.model, negligible_gap(self.instance)
        room = 1.0 + max(10 * HELD_VALUE, MIP_GAP_ROOM * self.settings.mip_gap)
        found, numbers = self.oracle.with_gaps(values), values.tolist()
        known, listed = model.attack_gaps(numbers), model.listed_gaps(numbers)
        worst = [math.fsum(each.gap for each in own) for own in found]
        gaps = [sum(pair) for pair in zip(listed, worst, strict=True)]
        exceeds = model.weighted(worst) > model.allowed_impact(values) * room + negligible
        violated: list[Violation] = []
        if exceeds or max(gaps) > model.future_gap_limit * room + negligible:
            for number, own in enumerate(found):
                worse = [each for each in own if each.gap > known.get((number, each.attack.start), 0.0) + negligible]
                violated += self.oracle.violations(number, worse)
        return self._not_held(violated), model.weighted(gaps)

    def _not_held(self, violations: Iterable[Violation]) -> list[Violation]:
        held = {shock.name for shock in self.shocks}
        return [each for each in violations if each.shock.name not in held]
