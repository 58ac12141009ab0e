"""The impact of attacks on a plan: one LP per window length, and an interdiction MIP for the worst attack.

    z[i]   1 where target i is struck
    u[j]   bound of column j of the gap's LP without an attack                     u[i,j]   if i alone is struck
    bound  y[j] ≤ min(u[j], u[i,j] of every struck i)

Supply cuts are bounds of activities, and of several cuts the most severe one counts: the bounds under a set of targets
are the least of those under each target alone. So one LP for each window length, with a row of bounds for each target
alone, evaluates every set.

If there are too many sets to enumerate, one MIP per start finds the worst set. The adversary maximises the least gap,
which is replaced by the dual of its LP, a maximisation as well:

    z[i]     struck    0 or 1        target i                     u[j]    bound of column j without an attack
    π[r]     dual      money per t   of row r                     u[i,j]  bound of column j if i alone is struck
    μ[j]     rent      money per t   of the bound u[j]
    μ[i,j]   rent      money per t   of the bound u[i,j], 0 unless i is struck

    maximise Σ b[r]·π[r] − Σ u[j]·μ[j] − Σ u[i,j]·μ[i,j]
    column   Σ_r a[r,j]·π[r] − μ[j] − Σ_i μ[i,j] ≤ c[j]                          for every column j
    struck   μ[i,j] ≤ W[j]·z[i]              budget   Σ price·z ≤ attack budget
    made     Σ cost·z below the deterrence limit     where the plan's leverage adds to the cost of targets

The maximisation itself selects the least of several bounds of one column, so that no product of a dual value and z is
needed. The MIP is exact if some optimal dual values satisfy π ≤ W and μ ≤ W. Let every commodity c be for sale at W[c]
per tonne. Dual values satisfy these bounds if W is so high that buying never pays,

    W[c] ≥ shortage cost of every segment that uses c            (a segment served by a substitute: per t of its input)
    W[c] ≥ Σ output·W / input                                    of every activity that uses c

and W of an activity is Σ output·W. Proof: a solution that buys some tonnes of c at W[c] can use that much less of c
instead, at a cost of no more than the saving: less is delivered, or an activity runs lower and its lost output is
bought at W. Among the optimal solutions, take one with the least total activity and, of these, with the least
purchases. If it bought any c, such a step would reduce one of the two. Hence buying never pays, and the dual of the LP
with purchases, which is the one with π ≤ W, has the same value. `dual_bounds` starts from the shortage costs and
follows the supply chain upstream. Only a loop in which a tonne of one input, the other inputs ignored, gives a tonne or
more of it back has no bound; all attacks are then enumerated.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.relaxed_floors import LEVEL_LINK
from optimizer.algorithms.window import LinkingMatrix, WindowProgramme
from optimizer.disruptions.adversary import Attack
from optimizer.disruptions.shock import Shock
from optimizer.formulation import blank_model, first_stage_model
from optimizer.instance.operation_paths import dominating_places, exposure
from optimizer.instance.schema import Instance
from optimizer.model.builder import Column, Mark, Row
from optimizer.model.expressions import Expression
from optimizer.solver.base import Batch, Clock, Integers, Settings, Vector
from optimizer.solver.kept import Basis, BatchResult, WarmProgramme
from optimizer.solver.model import Model
from optimizer.tolerances import DUAL_GROWTH, EXACT_GAP, FINE_ROUNDING, POSITIVE

# Sets of targets as a Boolean array of shape (sets, targets).
Sets = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SetImpacts:
    """The impacts of sets of targets on a plan."""

    gap: Vector  # by set, at the gap costs that were minimised
    below: Vector  # by set, the largest share of a segment's demand in a period that is unserved below its floor


@dataclass
class WarmWindow:
    """The recourse LP of one window length, kept warm."""

    window: WindowProgramme
    warm: WarmProgramme
    basis: Basis | None = None

    def solve(self, batch: Batch, clock: Clock) -> BatchResult:
        """Solve a batch from the last basis."""
        began = time.perf_counter()
        found = self.warm.solve(batch, self.basis, values=True)
        self.window.split_unserved(found.values, batch.upper)
        self.basis = found.basis
        clock.solving += time.perf_counter() - began
        return found


class AttackWindow:
    """The recourse LPs of attacks from one start, under a plan.

    Attributes:
        start: the period in which attacks begin.
        window: the recourse LP of its window length.
        uppers: bounds of the columns: first without an attack, then with each target struck alone.
        rhs: right-hand side of every row, which attacks do not change.
        demand: demand of each column of shortage below a floor, t.
        gap_costs: coefficient of each column in the survival gap, money per t.
        target_costs: cost of each target to the adversary: its price, plus the deterrence that the plan adds.
    """

    def __init__(
        self, start: int, programme: WarmWindow, which: Integers, linking: Vector, target_costs: Vector
    ) -> None:
        self.start, self.window, self._programme, self.target_costs = start, programme.window, programme, target_costs
        batch, _ = self.window.batch(which, linking)
        self.uppers, self.rhs = batch.upper, batch.rhs[0]
        self.demand, self.gap_costs = self.window.demand(which[:1])[0], self.window.gap_costs

    @cached_property
    def floor_costs(self) -> Vector:
        """Gap costs at which every floor counts alike: the gap is the sum of shares of demand below floors."""
        result, demand = np.zeros(len(self.gap_costs)), self.demand
        result[self.window.below] = np.divide(1.0, demand, out=np.zeros_like(demand), where=demand > 0)
        return result

    def bounds(self, sets: Sets) -> Vector:
        """Return the bounds of the columns under each set."""
        result = np.repeat(self.uppers[:1], len(sets), axis=0)
        for i in range(sets.shape[1]):
            result[sets[:, i]] = np.minimum(result[sets[:, i]], self.uppers[1 + i])
        return result

    def impacts(self, sets: Sets, gap_costs: Vector, clock: Clock) -> SetImpacts:
        """Return the impact of each set, minimising the gap at the given gap costs."""
        rhs = np.repeat(self.rhs[None, :], len(sets), axis=0)
        found = self._programme.solve(Batch(gap_costs, self.bounds(sets), rhs), clock)
        # Floors without a cost may be missed without need, so they do not count.
        below = np.where(gap_costs[self.window.below] > 0, found.values[:, self.window.below], 0.0)
        shares = np.divide(below, self.demand, out=np.zeros_like(below), where=self.demand > 0)
        return SetImpacts(np.maximum(found.objective, 0.0), shares.max(axis=1, initial=0.0))


class AttackProgrammes:
    """The recourse LPs of all starts of an instance's adversary.

    Args:
        instance: an instance with an adversary.

    Attributes:
        names: names of the targets, in the order of the file.
        starts: the periods in which attacks may begin.
        plan: the instance's `first_stage_model`.
    """

    def __init__(self, instance: Instance) -> None:
        assert instance.adversary is not None
        self.instance, self.adversary = instance, instance.adversary
        self.names = tuple(self.adversary.targets)
        self.starts = self.adversary.starts.periods(instance.horizon)
        self.plan = first_stage_model(instance)
        self._linking = LinkingMatrix(instance, self.plan)
        self._shocks = {start: self._single_target_shocks(start) for start in self.starts}
        self._programmes: dict[int, WarmWindow] = {}
        self._which: dict[int, Integers] = {}
        self._exposures: dict[int, Vector] = {}
        for length in {self._length(start) for start in self.starts}:
            some = [start for start in self.starts if self._length(start) == length]
            size = 1 + len(self.names)
            self._which |= {start: i * size + np.arange(size) for i, start in enumerate(some)}
            shocks = [shock for start in some for shock in self._shocks[start]]
            window = WindowProgramme(instance, shocks, self.plan, self._linking)
            self._programmes[length] = WarmWindow(window, WarmProgramme(window.skeleton))

    def _length(self, start: int) -> int:
        return len(self._shocks[start][0].periods)

    def _single_target_shocks(self, start: int) -> list[Shock]:
        """Return the shocks of no attack, and of an attack on each target alone."""
        sets = [(), *((name,) for name in self.names)]
        return [Attack(names, start).shock(self.adversary, self.instance.horizon) for names in sets]

    def windows(self, plan: Sequence[float] | Vector) -> list[AttackWindow]:
        """Return every start under a plan.

        The plan is given as values of the columns of `first_stage_model`; more may follow.
        """
        linking = self._linking.linking_terms(np.asarray(plan, dtype=np.float64))
        programmes = {start: self._programmes[self._length(start)] for start in self.starts}
        return [
            AttackWindow(start, programmes[start], self._which[start], linking, self.target_costs(start, linking))
            for start in self.starts
        ]

    def target_costs(self, start: int, linking: Vector) -> Vector:
        """Return the cost of each target to the adversary at a start, from the plan's linking terms."""
        first = self._linking.first
        levels = {o: float(linking[first[o, LEVEL_LINK] + start + 1]) for o in self.adversary.deterrents}
        return np.array([self.adversary.cost((name,), levels) for name in self.names])

    def undominated(self, start: int, sets: Sets) -> Sets:
        """Return the sets that no other of them dominates, whatever the plan."""
        if start not in self._exposures:
            self._exposures[start] = exposure(self.instance, self._shocks[start])
        alone = self._exposures[start]
        rows = np.array([alone[[0, *(1 + np.flatnonzero(chosen))]].max(axis=0) for chosen in sets])
        return sets[dominating_places(rows) < 0]

    def sets(self, chosen: Iterable[Iterable[str]]) -> Sets:
        """Return sets of target names as rows."""
        rows = [[name in names for name in self.names] for names in map(frozenset, chosen)]
        return np.array(rows, dtype=bool).reshape(len(rows), len(self.names))

    def attack(self, start: int, chosen: npt.NDArray[np.bool_]) -> Attack:
        """Return a row as an attack."""
        return Attack(tuple(name for name, is_struck in zip(self.names, chosen, strict=True) if is_struck), start)


# Largest number of rounds in which bounds on dual values are passed up the supply chain.
MOST_PASSES = 10_000


def dual_bounds(instance: Instance, shortage: Mapping[str, float]) -> dict[str, float] | None:
    """Return by commodity an upper bound on its dual value, money per tonne; None if a loop leaves one without.

    Args:
        instance: its processes, options and demands are the uses of each commodity.
        shortage: by segment, the cost of a tonne short below its floor.
    """
    found = dict.fromkeys(instance.commodities, 0.0)
    for _ in range(MOST_PASSES):
        best = {c: _best_use(instance, shortage, found, c) for c in found}
        if all(best[c] <= found[c] for c in found):
            return found
        found = {c: best[c] * (1.0 + DUAL_GROWTH) if best[c] > found[c] else found[c] for c in found}
        if max(found.values()) > 1e30:
            break
    return None


def _best_use(instance: Instance, shortage: Mapping[str, float], found: Mapping[str, float], c: str) -> float:
    """Return the value of the best use of a tonne of a commodity, at the bounds found so far."""
    uses = [shortage[d] for d, demand in instance.demands.items() if demand.commodity == c]
    for activity in instance.activities.values():
        if activity.input.get(c, 0.0) > 0:
            uses.append(output_value(activity.output, found) / activity.input[c])
    for option in instance.options.values():
        for flow in option.flows:
            if flow.serves is not None and flow.takes.get(c, 0.0) > 0:
                uses.append(shortage[flow.serves] / flow.takes[c])
    return max(uses, default=0.0)


def output_value(output: Mapping[str, float], found: Mapping[str, float]) -> float:
    """Return an upper bound on the value of a tonne of an activity in money, from bounds of its outputs."""
    return sum(share * found[c] for c, share in output.items())


@dataclass(frozen=True)
class WorstSet:
    """The worst set of targets, from the interdiction MIP."""

    # By target, whether it is struck; None if no set leaves a gap above the limit, or the time ran out before one was
    # found.
    chosen: npt.NDArray[np.bool_] | None = None
    gap: float = 0.0  # the gap that the set leaves, in the unit of the gap costs times t


class InterdictionProgramme:
    """The interdiction MIP of the adversary at each start.

    Args:
        programmes: the recourse LPs under attacks.
        settings: threads and seed; the MIP gap is always a millionth.
    """

    def __init__(self, programmes: AttackProgrammes, settings: Settings) -> None:
        self.programmes = programmes
        self.settings = Settings(mip_gap=EXACT_GAP, threads=settings.threads, seed=settings.seed)

    def worst(self, window: AttackWindow, gap_costs: Vector, beyond: float, clock: Clock) -> WorstSet | None:
        """Return the set with the largest gap, if above `beyond`; None if dual values have no bound.

        Args:
            window: the start, under a plan.
            gap_costs: by column, the objective of the recourse under an attack.
            beyond: the gap that the set must exceed, in the unit of `gap_costs` times t.
            clock: once it is over, the best set so far is returned.
        """
        shortage = self._shortage(window, gap_costs)
        found = dual_bounds(self.programmes.instance, shortage)
        if found is None:
            return None
        dual = _DualProgramme(self.programmes, window, gap_costs, found, shortage)
        model = Model(dual.builder, dual.objective, self.settings, clock)
        answer = model.solve(cutoff=-beyond)
        if answer.values is None or -answer.objective <= beyond:
            return WorstSet()
        return WorstSet(answer.values[: len(self.programmes.names)] > 0.5, -answer.objective)

    def _shortage(self, window: AttackWindow, gap_costs: Vector) -> dict[str, float]:
        columns, result = window.window.skeleton.columns, dict.fromkeys(self.programmes.instance.demands, 0.0)
        for j in window.window.below.tolist():
            owner = columns[j].mark.owner
            result[owner] = max(result[owner], float(gap_costs[j]))
        return result


class _DualProgramme:
    """The interdiction MIP of one start; every column is a share of its upper bound."""

    def __init__(
        self,
        programmes: AttackProgrammes,
        window: AttackWindow,
        gap_costs: Vector,
        found: Mapping[str, float],
        shortage: Mapping[str, float],
    ) -> None:
        self.instance, self.primal = programmes.instance, window.window.skeleton
        self.found, self.shortage = found, shortage
        self.builder = blank_model(programmes.instance)
        self.objective = Expression()
        self.usual = max([*found.values(), *shortage.values(), POSITIVE])
        adversary = programmes.adversary
        prices = [target.price for target in adversary.targets.values()]
        self.struck = [self._column("struck", str(i), upper=1.0, integer=True) for i in range(len(prices))]
        self._row("budget", dict(zip(self.struck, prices, strict=True)), adversary.attack_budget)
        if adversary.deterrents:
            costs = dict(zip(self.struck, window.target_costs.tolist(), strict=True))
            self._row("made", costs, adversary.undeterred_below)
        terms: list[dict[int, float]] = [{} for _ in self.primal.columns]
        for r, row in enumerate(self.primal.rows):
            for column, scale in self._dual_columns(r, row, float(window.rhs[r])):
                for j, value in row.terms.items():
                    terms[j][column] = terms[j].get(column, 0.0) + float(value) * scale
        for j in range(len(self.primal.columns)):
            # Commodities are worth amounts of many orders of magnitude, and the solver's tolerance is the same for all.
            unit = max(map(abs, terms[j].values()), default=0.0) or self.usual
            terms[j] |= {column: -scale for column, scale in self._rent_columns(j, window.uppers[:, j], unit)}
            if terms[j]:
                scaled = {column: value / unit for column, value in terms[j].items()}
                self._row(f"column{j}", scaled, float(gap_costs[j]) / unit)

    def _column(self, what: str, index: str, *, upper: float, integer: bool = False) -> int:
        self.builder.columns.append(Column(Mark("", "attack", what, index), "1", 0.0, upper, integer, 0))
        return len(self.builder.columns) - 1

    def _row(self, what: str, terms: dict[int, float], rhs: float) -> None:
        self.builder.rows.append(Row(Mark("", "attack", what, ""), "1", dict[int, Any](terms), "<=", rhs, None))

    def _dual_columns(self, r: int, row: Row, rhs: float) -> list[tuple[int, float]]:
        """Return the columns of a row's dual value, each with the money per t that one unit of it stands for."""
        if row.mark.what == "hold":
            # This row limits the gap, which is not limited here: its dual value is 0.
            return []
        scale, upper = self.usual, float("inf")
        if row.mark.what == "balance":
            scale, upper = self.found[row.mark.owner], 1.0
        elif row.mark.owner in self.shortage:
            scale = self.shortage[row.mark.owner] or self.usual
        if scale <= 0.0:
            return []
        signs = {"<=": (-1.0,), ">=": (1.0,), "==": (1.0, -1.0)}[row.sense]
        columns = [(self._column(f"dual{sign:+.0f}", str(r), upper=upper), sign * scale) for sign in signs]
        for column, factor in columns:
            self.objective.add(Expression({column: -rhs * factor}))
        return columns

    def _rent_columns(self, j: int, uppers: Vector, unit: float) -> list[tuple[int, float]]:
        """Return the columns of the rents of a column's bounds; that of a target's bound is 0 unless it is struck."""
        mark, free = self.primal.columns[j].mark, float(uppers[0])
        rents = []
        if np.isfinite(free):
            rents.append((self._column("rent", str(j), upper=float("inf")), unit, free))
        activity = self.instance.activities.get(mark.owner) if mark.what == "activity" else None
        most = 0.0 if activity is None else output_value(activity.output, self.found)
        for i in np.flatnonzero(uppers[1:] < free * (1.0 - FINE_ROUNDING)).tolist() if most > 0 else ():
            rent = self._column(f"rent{i}", str(j), upper=1.0)
            self._row(f"struck{i}.{j}", {rent: 1.0, self.struck[i]: -1.0}, 0.0)
            rents.append((rent, most, float(uppers[1 + i])))
        for column, factor, bound in rents:
            self.objective.add(Expression({column: bound * factor}))
        return [(column, factor) for column, factor, _ in rents]
