"""The cheapest plan that survives the listed shocks and every attack that an adversary can afford.

Column-and-constraint generation: the first builder chooses a plan, the adversary the worst attack that it can afford,
and recourse follows. The model holds the listed shocks that are violated and the attacks found so far, each a shock
like any other:

    relaxation   integers dropped: solve, find the worst attack at each start (`separation.attacks`), add those violated
    integers     the same with integers, from the shocks and attacks that the relaxation needed

With fewer attacks the model is a relaxation, so that its bound is valid. A plan that survives the worst attack at
every start survives every attack. There are finitely many sets of targets and starts, so the search ends.

Leverage may deter an attack instead (`deterrence`): the model decides which of the attacks that it holds are survived
and which are deterred, and the adversary chooses among those that the plan does not deter. A set of targets may be
deterred while a part of it is not: then that part is found, and added as an attack of its own.

Where the floors cannot all be kept, the adversary counts as one more shock at each start, the worst that it can choose:

    θ[t]   damage of the worst attack from start t on, in money divided by the median shortage cost
    link   θ[t] ≥ what an attack leaves below the floors, in money / unit           every attack of the model from t on
    gap    the listed shocks' gaps + unit·Σ_t θ[t]

The gap is minimised first, then cost with the gap held. At each start only the worst attack counts. Then an attack is
violated if it leaves more than those of the model do at its start, and all together leave more than is allowed.

Source: Zeng, Zhao: Solving two-builder robust optimization problems using a column-and-constraint generation method,
Operations Research Letters 41(5), 2013; Brown, Carlyle, Salmerón, Wood: Defending critical infrastructure, Interfaces
36(6), 2006.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer import formulation
from optimizer.algorithms.constraint_generation import ScenarioSearch, generate_constraints
from optimizer.algorithms.deterrence import write_deterrence
from optimizer.algorithms.extensive_form import GAP_ROOM, ScenarioModel
from optimizer.algorithms.measured_model import median_shortage_cost, negligible_gap
from optimizer.algorithms.problem import LEAST_COST, ProblemVariant
from optimizer.algorithms.reading import joint_integers
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation import SeparationOracle, Violation
from optimizer.algorithms.separation.attacks import AttackOracle
from optimizer.algorithms.strategy import SearchResult
from optimizer.disruptions.adversary import Attack
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression, total
from optimizer.progress import Listener
from optimizer.results.plan import Plan
from optimizer.solver import Clock, Settings, SolveResult, Vector
from optimizer.tolerances import HELD_GAP


@dataclass
class WorstAttackModel(ScenarioModel):
    """A model in which scenarios that the instance does not list are attacks; of one start only the worst is a gap."""

    def __post_init__(self) -> None:
        self.unit = median_shortage_cost(self.instance)
        self.listed = frozenset(event.name for event in self.instance.events)
        # By the start of attacks; and the attacks that are linked to it, with all that they decide.
        self.damage: dict[int, Expression] = {}
        self._linked: set[str] = set()
        super().__post_init__()

    @property
    def attacks(self) -> Mapping[str, int]:
        """By name, the start of each attack that the model holds."""
        return {shock.name: shock.periods.start for shock in self.shocks if shock.name not in self.listed}

    def update_expressions(self) -> None:
        """The same, with what deters attacks."""
        new = [shock for shock in self.shocks if shock.name not in self.listed | self._linked]
        write_deterrence(self.builder, self.instance, new)
        super().update_expressions()

    def _write_damage(self) -> dict[int, Expression]:
        """A column for each start: what the worst attack that begins there leaves below floors."""
        adversary = self.instance.adversary
        begins = [] if adversary is None else adversary.starts.periods(self.instance.horizon)
        return {t: self.builder.variable("adversary", "damage", t) for t in begins}

    def gaps(self) -> list[Expression]:
        """The gap of the listed shocks and of the worst attack at each start, money."""
        gaps, starts = formulation.gaps(self.builder, self.instance), self.attacks
        if not self.damage:
            self.damage = self._write_damage()
        for name in [name for name in gaps if name in starts and name not in self._linked]:
            damage = self.damage[starts[name]]
            self.builder.require("adversary", name, None, damage, ">=", (1.0 / self.unit) * gaps[name])
        self._linked.update(starts)
        listed = (gap for name, gap in gaps.items() if name in self.listed)
        return [total([*listed, *(self.unit * damage for damage in self.damage.values())])]

    def shock_gaps(self, values: Sequence[float]) -> dict[str, float]:
        """By name, the gap that each listed shock of the model leaves, money; attacks may all leave the damage."""
        return {name: gap for name, gap in super().shock_gaps(values).items() if name in self.listed}

    def listed_gap(self, values: Vector) -> float:
        """The sum of the listed shocks' gaps, money."""
        return math.fsum(max(0.0, gap) for gap in self.shock_gaps(values.tolist()).values())

    def attack_gaps(self, values: Vector) -> dict[int, float]:
        """By start, the largest gap that an attack of the model leaves, money."""
        gaps, starts, found = super().shock_gaps(values.tolist()), self.attacks, dict[int, float]()
        for name, t in starts.items():
            found[t] = max(found.get(t, 0.0), gaps.get(name, 0.0))
        return found

    def allowed_damage(self, values: Vector) -> float:
        """The gap that attacks may leave over all starts, money: with a held sum, what listed shocks leave of it."""
        if not self.gap_limit_row.columns or not math.isfinite(self.gap_limit):
            return self.unit * math.fsum(damage.value(values.tolist()) for damage in self.damage.values())
        return max(0.0, self.gap_limit - self.listed_gap(values))


@dataclass(frozen=True)
class RobustPlan:
    """What a search against an adversary found.

    Attributes:
        solved: the plan; its gap is that of the listed shocks and of the worst attack at each start.
        attacks: those that the model holds and the plan does not deter, in the order in which they were found.
        deterred: those that the model holds and the plan deters.
        oracle: what found them, warm.
    """

    solved: SearchResult
    attacks: tuple[Attack, ...]
    deterred: tuple[Attack, ...]
    oracle: AttackOracle


def robust_plan(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    evaluator: RecourseEvaluator | None = None,
    oracle: AttackOracle | None = None,
    problem: ProblemVariant = LEAST_COST,
    known: Iterable[Attack] = (),
    plan: Plan | None = None,
) -> RobustPlan:
    """Find the cheapest plan that survives the instance's shocks and the worst affordable attack at each start.

    Args:
        instance: one that has an adversary, and none of its attacks among its shocks (`edits.without_attacks`).
        settings: how to solve; `strategy` and `checkpoint` do not matter.
        clock: a deadline, and whether Ctrl-C was pressed.
        listener: hears every step.
        evaluator, oracle: of the instance, or of one with another policy, already warm.
        problem: what is minimised over the plans that survive.
        known: attacks that the model holds from the start. plan: one that is known to survive them.

    Returns:
        The plan; where the floors cannot all be kept, the one with the least gap as this module counts it, or for
        another problem than least cost, none: the status is ``infeasible`` then.

    Raises:
        SolverError: the solver failed.
    """
    settings = replace(settings, checkpoint=None)
    search = _RobustSearch(instance, settings, clock, listener, evaluator or RecourseEvaluator(instance))
    search.oracle = oracle or AttackOracle(instance, settings, clock)
    search.problem, search.plans = problem, () if plan is None else (plan,)
    search.note_shocks(shock for shock in instance.events if shock.probability > 0)
    search.note_shocks(search.oracle.shocks(known))
    solved = search.run()
    attacks, deterred = search.oracle.attacks(search.shocks), list[Attack]()
    if solved.values is not None:
        deterred = search.oracle.deterred(solved.values, attacks)
    return RobustPlan(solved, tuple(each for each in attacks if each not in deterred), tuple(deterred), search.oracle)


class _RobustSearch(ScenarioSearch):
    """Constraint generation with the listed shocks and the adversary as oracles."""

    model: WorstAttackModel
    oracle: AttackOracle
    # Where floors fail: the plan with the least gap so far, and the last one.
    _best: SearchResult | None = None
    _last: SearchResult | None = None

    def oracles(self) -> Sequence[SeparationOracle]:
        """The listed shocks, and the adversary."""
        return (self.listed, self.oracle)

    def is_complete(self) -> bool:
        """False where the clock may have stopped the adversary's programme before it found the worst attack."""
        return not self.clock.is_over or self.oracle.is_exhaustive

    @property
    def is_deterrable(self) -> bool:
        """Whether a plan may deter attacks, so that the model has integers for them."""
        return self.instance.adversary is not None and bool(self.instance.adversary.deterrents)

    def _drop_shocks_without_duals(self, relaxation: SolveResult) -> None:
        """Only where no attack has integers: their numbers would be those of another model."""
        if not self.is_deterrable:
            super()._drop_shocks_without_duals(relaxation)

    def new_model(self, settings: Settings | None = None) -> WorstAttackModel:
        """A model in which only the worst attack counts as a gap."""
        settings = settings or self.settings
        model = WorstAttackModel(
            self.instance, self.shocks, settings, self.clock, self.report, self.writer, self.problem
        )
        if self.plans:
            model.start = joint_integers(self.tree, self.plans, model.builder)
        return model

    def stopped(self, found: SearchResult) -> SearchResult:
        """The time ran out: the plan is only known to survive the scenarios that the model holds."""
        note = "Stopped while attacks and shocks were still being found; others than those shown may break this plan."
        return replace(found, status="stopped", history=tuple(self.history), notes=(*found.notes, note))

    def minimise_gap(self) -> SearchResult:
        """The least sum of the listed shocks' gaps and the worst attacks', then the least cost with that sum held."""
        if not self.problem.is_default:
            return SearchResult("infeasible", self.model.builder, history=tuple(self.history))
        gaps = self.evaluator.do_nothing(self.clock).gap
        self.note_shock_numbers(np.flatnonzero(gaps > 0.0).tolist())
        # The integers of samples that may fail stand in other places in another model.
        start = None if self.model.excuses.is_used else self.model.start
        # The gap that attacks may leave beyond the proven sum is part of the MIP gap.
        self.model = self.new_model(replace(self.settings, gap=(1.0 - GAP_ROOM) * self.settings.gap))
        # Plans to fall back on, should the time run out; the columns of attacks stand in other places than before.
        has_own_integers = self.is_deterrable or self.model.excuses.is_used
        self.model.start, self.model.relaxation = start, None if has_own_integers else self.relaxation
        self.model.allow_shortages(math.inf)
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
        result = self.model.model.solve(relaxed=True)
        return None if result.values is None else result

    def _separate_gap_relaxation(self, result: SolveResult) -> list[Violation]:
        assert result.values is not None
        violated, _ = self._exceeding(result.values)
        self.report_round("gap, relaxation", result.objective, result.objective, violated)
        return violated

    def _solve_gap(self) -> tuple[SearchResult, list[Violation]] | None:
        """The least cost under the least gap, and the attacks that violate it; None where the time is over."""
        self._last = found = self.model.minimise_gap()
        if found.values is None:
            return None
        violated, gap = self._exceeding(found.values)
        self.report_round("cost under the gap", found.cost, found.bound, violated)
        self._last = found = replace(found, gap=gap) if found.gap > 0 or violated else found
        self._best = min(self._best or found, found, key=lambda each: (each.gap, each.cost))
        return None if found.status == "stopped" or self.clock.is_over else (found, violated)

    def _add_all(self, violated: Sequence[Violation]) -> None:
        self.add_most_violated(violated, len(violated))

    def _exceeding(self, values: Vector) -> tuple[list[Violation], float]:
        """The attacks that leave more than those of the model; and the plan's gap, as this module counts it."""
        room, negligible = 1.0 + max(10 * HELD_GAP, GAP_ROOM * self.settings.gap), negligible_gap(self.instance)
        found, known = self.oracle.damaging(values, 0.0), self.model.attack_gaps(values)
        worst = math.fsum(each.gap for each in found)
        violated: list[Violation] = []
        if worst > self.model.allowed_damage(values) * room + negligible:
            held = {shock.name for shock in self.shocks}
            worse = [each for each in found if each.gap > known.get(each.attack.start, 0.0) + negligible]
            violated = [each for each in self.oracle.violations(worse) if each.shock.name not in held]
        return violated, self.model.listed_gap(values) + worst
