"""The cheapest plan that survives the listed shocks and every attack that an adversary can afford.

Column-and-constraint generation: the first stage chooses a plan, the adversary the worst attack that it can afford,
and recourse follows. The model holds the listed shocks that are violated and the attacks found so far, each a shock
like any other:

    relaxation   integers dropped: solve, find the worst attack at each start (`separation.attacks`), add those violated
    integers     the same with integers, from the shocks and attacks that the relaxation needed

With fewer attacks the model is a relaxation, so that its bound is a bound. A plan that survives the worst attack at
every start survives every attack. There are finitely many sets of targets and starts, so the search ends.

Where the floors cannot all be kept, the adversary counts as one more shock, the worst that it can choose:

    θ      damage   in tonnes of middle shortage cost   of the worst attack
    link   θ ≥ what an attack leaves below the floors, in money / unit           every attack in the model
    gap    the listed shocks' gaps + unit·θ

The gap is minimised first, then cost with the gap held. Only the worst attack counts. Then an attack is violated if it
leaves more than θ.

Source: Zeng, Zhao: Solving two-stage robust optimization problems using a column-and-constraint generation method,
Operations Research Letters 41(5), 2013; Brown, Carlyle, Salmerón, Wood: Defending critical infrastructure, Interfaces
36(6), 2006.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer import formulation
from optimizer.algorithms.base import Solved
from optimizer.algorithms.benders import ROOM
from optimizer.algorithms.constraint_generation import MOSTLY
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.reading import plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation.attacks import AttackImpact, AttackOracle
from optimizer.algorithms.separation.listed import paths_with_dual_values, select_most_violated
from optimizer.disruptions.adversary import Attack
from optimizer.disruptions.shock import Shock
from optimizer.formulation import Writer
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression, total
from optimizer.progress import Listener, Progress
from optimizer.solver import Clock, Settings, SolveResult, Vector
from optimizer.tolerances import HELD_GAP, NEGLIGIBLE_GAP, POSITIVE


@dataclass
class WorstAttackModel(ScenarioModel):
    """A run in which some of the written shocks are attacks, of which only the worst counts as a gap.

    Attributes:
        attacks: their names.
    """

    attacks: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        priced = sorted(demand.shortage_cost for demand in self.instance.demands.values() if demand.shortage_cost > 0)
        self.unit = priced[len(priced) // 2] if priced else 1.0
        self.damage: Expression | None = None
        self._linked: set[str] = set()
        super().__post_init__()

    def _objectives(self) -> tuple[Expression, Expression]:
        cost = self.question.objective(self.stage, self.instance, self.shocks)
        if self.damage is None:
            self.damage = self.stage.variable("adversary", "damage", 0)
        gaps = formulation.gaps(self.stage, self.instance)
        for name, gap in gaps.items():
            if name in self.attacks and name not in self._linked:
                self._linked.add(name)
                self.stage.require("adversary", name, None, self.damage, ">=", (1.0 / self.unit) * gap)
        own = (gap for name, gap in gaps.items() if name not in self.attacks)
        return cost, total([*own, self.unit * self.damage])

    def granted(self, values: Vector) -> float:
        """The damage that an attack may do, in money, while all that is held stays held."""
        assert self.damage is not None
        (column,) = self.damage.terms
        if not self.ration.columns or not math.isfinite(self.allowed):
            return float(self.unit * values[column])
        return max(0.0, self.allowed - self.own_gap(values))

    def own_gap(self, values: Vector) -> float:
        """What the instance's own shocks leave below their floors, in money."""
        gaps, numbers = formulation.gaps(self.stage, self.instance), values.tolist()
        return math.fsum(max(0.0, gap.value(numbers)) for name, gap in gaps.items() if name not in self.attacks)


# Own shocks, and attacks, that are written out in a round of the relaxation.
ADD = 4


@dataclass(frozen=True)
class RobustPlan:
    """What a search against an adversary found.

    Attributes:
        solved: the plan; its gap is that of the instance's own shocks and of the worst attack.
        attacks: those that the model holds, in the order in which they were found.
        oracle: who found them, warm.
    """

    solved: Solved
    attacks: tuple[Attack, ...]
    oracle: AttackOracle


def robust_plan(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    evaluator: RecourseEvaluator | None = None,
    oracle: AttackOracle | None = None,
) -> RobustPlan:
    """Find the cheapest plan that survives the instance's shocks and the worst affordable attack at each start.

    Args:
        instance: one that has an adversary, and none of its attacks among its shocks (`edits.without_attacks`).
        settings: how to solve; `strategy` and `checkpoint` do not matter.
        clock: a deadline, and whether Ctrl-C was pressed.
        listener: hears every step.
        evaluator: of the instance, already warm.
        oracle: of the instance, already warm.

    Returns:
        The plan; where the floors cannot all be kept, the one with the least gap as this module counts it.

    Raises:
        SolverError: the solver failed.
    """
    search = _Search(instance, settings, clock, listener, evaluator, oracle)
    return RobustPlan(search.solved(), tuple(search.attacks), search.oracle)


class _Search:
    """One run: `own` shocks and `attacks` are those that the model holds, in the order in which they came."""

    def __init__(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        evaluator: RecourseEvaluator | None,
        oracle: AttackOracle | None,
    ) -> None:
        self.instance, self.settings, self.clock, self.listener = instance, settings, clock, listener
        self.evaluator = evaluator or RecourseEvaluator(instance)
        self.oracle = oracle or AttackOracle(instance, settings, clock)
        self.began, self.writer, self.history = time.perf_counter(), Writer(instance), list[Progress]()
        self.own = [n for n, shock in enumerate(instance.events) if shock.probability > 0]
        self.attacks: list[Attack] = []
        sizes = (demand.shortage_cost * max(demand.quantity.values) for demand in instance.demands.values())
        self.grain = NEGLIGIBLE_GAP * max(1.0, *sizes)
        self.run = self._defender()
        self.loose: SolveResult | None = None

    def solved(self) -> Solved:
        """Floors kept at least cost; the least gap where that cannot be."""
        self.idle = self.evaluator.idle(self.clock).gap
        dominated = np.flatnonzero(self.evaluator.dominators >= 0).tolist()
        self.spared = frozenset(np.flatnonzero(self.idle <= 0.0).tolist()) | frozenset(dominated)
        return self._kept() or self._least_gap()

    # Floors kept.

    def _kept(self) -> Solved | None:
        """None where no plan keeps them all."""
        if not self._relaxed():
            return self._stopped(self.run.given_up(self.loose)) if self.clock.is_over else None
        while True:
            solved = self.run.kept()
            if solved is None or solved.status == "infeasible":
                return None
            if solved.values is None or (solved.status == "stopped" and self.clock.is_over):
                return self._stopped(solved)
            plan = read_plan(self.instance, solved.stage, solved.values.tolist())
            own, struck = self._hurting(np.array(plan_values(self.instance, plan, self.evaluator.subproblems.plan)))
            self._note("integers", solved.cost, solved.bound, own, struck)
            if not own and not struck:
                return self._stopped(solved) if self._is_blind() else replace(solved, history=tuple(self.history))
            self.run.start = solved.values[self.run.model.integers]
            self._write(own, struck, 2 * ADD)

    def _relaxed(self) -> bool:
        """Whether the relaxation keeps all floors; then what it needed stays written out."""
        while not self.clock.is_over:
            answer = self.run.relaxed()
            if answer.values is None:
                return False
            self.loose = answer
            own, struck = self._hurting(answer.values)
            self._note("relaxation", answer.objective, answer.bound, own, struck)
            if not own and not struck:
                self._drop_the_idle(answer)
                return not self._is_blind()
            self._write(own, struck, ADD)
        return False

    def _hurting(self, plan: Vector) -> tuple[dict[int, float], list[AttackImpact]]:
        """Own shocks that are not survived, with their gaps; and the worst attack at each start where one hurts."""
        own = self.evaluator.gaps(plan, self.clock, self.spared.union(self.own)).violated
        return own, self.oracle.breaking(plan, self.attacks)

    def _drop_the_idle(self, answer: SolveResult) -> None:
        """Forget what has no price, if it is much: integers are easier to prove without it."""
        priced = paths_with_dual_values(self.run.stage, answer)
        own = [n for n in self.own if self.instance.events[n].name in priced or self.instance.events[n].probability > 0]
        attacks = [attack for attack in self.attacks if attack.name(self.instance.horizon) in priced]
        if len(own) + len(attacks) < MOSTLY * (len(self.own) + len(self.attacks)):
            self.own, self.attacks = own, attacks
            self.run = self._defender()
            self.run.loose = answer

    # Floors missed.

    def _least_gap(self) -> Solved:
        """The least sum of own gaps and the worst attack's, then the least cost with that sum held."""
        self.own += [n for n in np.flatnonzero(self.idle > 0.0).tolist() if n not in self.own]
        # What attacks may do beyond the proven sum is part of the gap that is asked for.
        start, best = self.run.start, None
        self.run = self._defender((1.0 - ROOM) * self.settings.gap)
        # Plans in hand, should the time run out.
        self.run.start, self.run.loose = start, self.loose
        self._relaxed_gap()
        while True:
            solved = self.run.least_gap()
            if solved.values is None:
                return solved if best is None else self._stopped(best)
            struck, left = self._exceeding(solved.values)
            self._note("cost under the gap", solved.cost, solved.bound, {}, struck)
            solved = replace(solved, gap=left if solved.gap > 0 or struck else solved.gap)
            if best is None or (solved.gap, solved.cost) < (best.gap, best.cost):
                best = solved
            if solved.status == "stopped" or self.clock.is_over:
                bound = min(best.gap, solved.gap_bound)
                return self._stopped(replace(best, gap_bound=bound, bound=float("-inf")))
            if not struck:
                return replace(solved, history=tuple(self.history))
            self._write({}, struck, len(struck))

    def _relaxed_gap(self) -> None:
        """Find what the relaxation needs."""
        self.run.floors(math.inf)
        self.run.minimise("gap")
        while not self.clock.is_over:
            answer = self.run.model.solve(relaxed=True)
            if answer.values is None:
                return
            struck, _ = self._exceeding(answer.values)
            self._note("gap, relaxation", answer.objective, answer.objective, {}, struck)
            if not struck:
                return
            self._write({}, struck, len(struck))

    def _exceeding(self, values: Vector) -> tuple[list[AttackImpact], float]:
        """The worst attacks that do more damage than is granted; and the gap that is left, as this module counts it."""
        limit = self.run.granted(values) * (1.0 + max(10 * HELD_GAP, ROOM * self.settings.gap)) + self.grain
        found = self.oracle.damaging(values, 0.0)
        struck = [each for each in found if each.gap > limit and each.attack not in self.attacks]
        return struck, self.run.own_gap(values) + max((each.gap for each in found), default=0.0)

    # What both share.

    def _defender(self, gap: float | None = None) -> WorstAttackModel:
        attacks = {attack.name(self.instance.horizon) for attack in self.attacks}
        shocks, writer = self._shocks(), self.writer
        settings = self.settings if gap is None else replace(self.settings, gap=gap)
        return WorstAttackModel(self.instance, shocks, settings, self.clock, self._hear, writer, attacks=attacks)

    def _shocks(self) -> list[Shock]:
        return [*(self.instance.events[n] for n in self.own), *map(self._shock, self.attacks)]

    def _shock(self, attack: Attack) -> Shock:
        assert self.instance.adversary is not None
        return attack.shock(self.instance.adversary, self.instance.horizon)

    def _write(self, own: dict[int, float], struck: Sequence[AttackImpact], most: int) -> None:
        """Write out the worst own shocks and attacks, so many of each at most."""
        numbers = select_most_violated(self.instance.events, own, most)
        found = [self._shock(each.attack) for each in struck]
        chosen = select_most_violated(found, {i: max(each.gap, POSITIVE) for i, each in enumerate(struck)}, most)
        self.own += numbers
        self.attacks += [struck[i].attack for i in chosen]
        self.run.attacks |= {found[i].name for i in chosen}
        self.run.grow([*(self.instance.events[n] for n in numbers), *(found[i] for i in chosen)])

    def _is_blind(self) -> bool:
        """Whether the oracle may have been stopped before it had found what it could do."""
        return self.clock.is_over and self.oracle.method == "programme"

    def _stopped(self, solved: Solved) -> Solved:
        """The time ran out: the plan is only known to survive what is written out."""
        note = "Stopped while attacks and shocks were still being found; others than those shown may break this plan."
        return replace(solved, status="stopped", history=tuple(self.history), notes=(*solved.notes, note))

    def _hear(self, step: Progress) -> None:
        self.listener(replace(step, seconds=time.perf_counter() - self.began))

    def _note(
        self, phase: str, best: float, bound: float, own: dict[int, float], struck: Sequence[AttackImpact]
    ) -> None:
        """The end of a round."""
        largest = max([*own.values(), *(each.gap for each in struck)], default=0.0)
        written, violated, round_ = len(self.own) + len(self.attacks), len(own) + len(struck), len(self.history) + 1
        step = Progress(phase, time.perf_counter() - self.began, best, bound, written, round_, violated, largest)
        self.history.append(step)
        self.listener(step)
