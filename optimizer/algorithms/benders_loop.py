"""The loop of Benders decomposition, which raises the lower and reduces the upper bound until they meet.

Each round, the master proposes a plan, the subproblems return value and subgradient of every shock (`recourse`), and
optimality cuts are added: first for the LP relaxation, by in-out separation; then with integers. A **reduced** master
proposes the integers. It has the cuts but no shocks, or only those that must be held, and is solved by a small branch
and cut tree where that suffices. The integers are fixed in the full master, whose **restricted** LP is then solved with
cuts as before, so that few MIPs are needed. The dual values of the shocks held, in each LP solved to the end, give cuts
of the reduced master. The lower bound comes from a master, the upper bound from a plan with all shocks solved.

Source: Ben-Ameur, Neto: Acceleration of cutting-plane and column generation algorithms, Networks 49(1), 2007 (in-out).

Branch-and-Benders-cut: the tree of `optimizer.solver.tree` searches a master problem with cuts at its nodes. Once it is
fixed whether an option is opened at **any** time or **never**, LP relaxations leave few openings fractional. So nodes
branch on that first, and only then on the time itself. Integral solutions are evaluated, which adds cuts. If the closed
share of the tree predicts a large one, the search is left to a general MIP solver.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from optimizer.algorithms.benders_cuts import CutPool, Evaluation, pack_cuts, unpack_cuts
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.relaxation import RELAXATION
from optimizer.algorithms.search import Search
from optimizer.algorithms.separation import select_most_violated
from optimizer.disruptions.shock import Shock
from optimizer.model.builder import ModelBuilder
from optimizer.solver.base import SolveResult, Vector
from optimizer.solver.tree import Relaxed, TreeNode, TreeSearch
from optimizer.tolerances import RELAXATION_GAP, ROUNDING, STALLED_GAP

if TYPE_CHECKING:
    from optimizer.algorithms.benders_master import MasterProblem

# Relaxations solved before the size of the tree is estimated, and the largest estimate with which the tree continues.
FEW_NODES, MOST_NODES = 60, 2000


class MasterRelaxations:
    """The LP relaxations of a master problem by bounds of its integers; its basis passes from node to node."""

    has_cuts, basis = True, None

    def __init__(self, model: ShockModel, loop: "BendersLoop") -> None:
        self.model, self.loop = model, loop
        self.places = model.solver.integers.copy()
        at = {int(j): k for k, j in enumerate(self.places)}
        self.opening_groups = [[at[j] for j in reversed(columns)] for columns in _openings(model)]

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.model.clock.is_over

    @property
    def target(self) -> float:
        """The cutoff: plans at or above this cost are of no use."""
        return self.loop.cutoff()

    @property
    def reach(self) -> float:
        """The cost of the incumbent: a second objective may be minimised over plans up to this cost."""
        return self.loop.upper

    def solve(self, lower: Vector, upper: Vector, basis: object, limit: float, iterations: int = 0) -> Relaxed:
        """Solve the LP relaxation of a node to the end; see `Relaxations.solve`."""
        self.model.release_integers()
        self.model.solver.bound(self.places, lower, upper)
        found = self.model.solve_relaxed()
        if found.values is None:
            return Relaxed(found.objective if found.status == "infeasible" else -np.inf)
        reduced = None if found.reduced_costs is None else found.reduced_costs[self.places]
        return Relaxed(found.objective, found.values[self.places], reduced, found)

    def take(self, relaxed: Relaxed) -> bool:
        """Evaluate an integral solution; return whether there are new cuts."""
        return self.loop.evaluate(relaxed.solution)

    def cut(self, relaxed: Relaxed) -> bool:
        """Add cuts that a fractional solution violates; return whether there were any."""
        return self.loop.cut(relaxed.solution)

    def is_too_large(self, solved: int, closed: float) -> bool:
        """Return whether the tree is too large, by its size as estimated from its closed share."""
        return solved >= FEW_NODES and solved > MOST_NODES * closed

    def raise_bound(self, bound: float) -> None:
        """Pass `bound`, a lower bound on the cost of every plan, to the loop."""
        self.loop.raise_bound(bound)


def branch_and_cut(
    model: ShockModel, relaxation: SolveResult, loop: "BendersLoop", leaves: Sequence[TreeNode]
) -> TreeSearch | None:
    """Search a master problem by branch and cut.

    Args:
        model: the master; its integers are free before and after the call. Its starting plan, if any, is evaluated.
        relaxation: its LP relaxation.
        loop: evaluates solutions and adds cuts.
        leaves: leaves of the tree for another objective, which together hold every plan within the value at which that
            objective is held; without any the tree starts at the root.

    Returns:
        The tree after its search; None if the known bound already closes the gap.
    """
    assert relaxation.values is not None
    model.release_integers()
    source = MasterRelaxations(model, loop)
    bounds = model.solver.lower[source.places], model.solver.upper[source.places]
    loop.raise_bound(relaxation.objective)
    # The LPs with fixed integers leave a basis far from the relaxation; the tree starts from the relaxation's basis.
    model.solver.store_basis(RELAXATION)
    for known in (model.solve_from_start(), None if leaves else model.solve_rounded(relaxation.values)):
        if known is not None:
            loop.evaluate(known)
    model.solver.restore_basis(RELAXATION)
    bound = max(model.known_bound, relaxation.objective)
    if bound >= loop.cutoff():
        loop.raise_bound(bound)
        return None
    weight, roots = 1.0 / max(1, len(leaves)), [replace(each, bound=relaxation.objective) for each in leaves]
    roots = [replace(each, number=-k, weight=weight, cuts=0, repeats=0, decision=None) for k, each in enumerate(roots)]
    tree = TreeSearch(source, roots or [TreeNode(relaxation.objective, 0, *bounds)], np.zeros((len(source.places), 4)))
    tree.run()
    model.release_integers()
    return tree


def _openings(model: ShockModel) -> list[tuple[int, ...]]:
    """Return for each fixed-charge option the columns that say by when it is opened, in the order of periods."""
    found = set[tuple[int, ...]]()
    for submodel in model.builder.submodels:
        for (path, _, what), columns in submodel.column_index().items():
            if what == "by" and not path:
                found.add(tuple(columns.values()))
    return sorted(found)


# In-out steps, shares of the way from the in-point to the proposal (out-point) at which subproblems are solved.
IN_OUT_STEP, HALF_WAY = 0.95, 0.5
# Consecutive rounds in which neither bound improves, after which a loop ends: further cuts are then taken to be within
# the solver's tolerance.
MOST_STALLED = 30


@dataclass(frozen=True)
class Incumbent:
    """The best feasible plan so far: its result, its evaluation, and the builder at that time."""

    # The evaluated plan as values, with objective and dual values of the restricted LP that proposed it.
    result: SolveResult
    evaluation: Evaluation
    builder: ModelBuilder


@dataclass(frozen=True)
class Objective:
    """One objective of Benders decomposition, with the functions that build its master and evaluate plans."""

    name: str  # phase name in the history and in checkpoints
    build: Callable[[Sequence[Shock]], "MasterProblem"]  # builds a master that holds the given shocks
    # Takes (master, point, values): solves the subproblems at the plan `point` and adds the cuts that `values` violate.
    evaluate: Callable[["MasterProblem", Vector, Vector], Evaluation]
    adds_below: float = math.inf  # shocks are added only while the master holds fewer
    # Returns cuts with which a master without the shocks held attains the bound of an LP with them; None if the master
    # that proposes integers must hold the shocks too.
    cuts_by_duals: Callable[["MasterProblem", SolveResult], CutPool] | None = None
    # Relative gap between bound and incumbent to prove; None for the gap that the settings require of costs.
    tolerance: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)  # what a checkpoint stores in addition to the cuts
    is_saved: bool = True  # whether checkpoints are written; if not, a resumed run continues from the previous loop
    step: float = IN_OUT_STEP  # in-out step
    # Sets the limits and the aim of a master, which may be one that served another objective with the same estimates.
    prepare: Callable[["MasterProblem"], None] = lambda master: None

    @property
    def needs_shocks(self) -> bool:
        """Whether the master that proposes integers must hold shocks."""
        return self.cuts_by_duals is None


class BendersLoop:
    """The loop for one objective: LP relaxation, then integers, until lower and upper bound meet.

    Args:
        search: its shocks, clock and history are used.
        objective: the objective.
        negligible: money below which differences do not count.
        known: a master that served another objective with the same estimates; its shocks and cuts are kept.

    Attributes:
        master, reduced: the master problem, and the reduced one without held shocks, which proposes integers.
        incumbent: the best feasible integral plan; None before there is one.
        bound: the proven lower bound.
        is_proven: whether the bounds have met.
        has_solved_relaxation: whether the LP relaxation is done, so that integers come next.
        latest: the last integral plan, feasible or not.
        relaxation: the last solution of the LP relaxation.
        in_point: the in-point with which the LP relaxation begins; None if the first point evaluated is its solution.
        first: a plan whose integers are evaluated first.
        leaves: leaves of the tree of a previous objective, which together hold every plan within the value at which it
            is held; afterwards those of this objective's tree.
    """

    def __init__(
        self, search: Search, objective: Objective, negligible: float, known: "MasterProblem | None" = None
    ) -> None:
        self.search, self.objective, self.negligible = search, objective, negligible
        is_resumed = search.resumed is not None and search.phase == objective.name
        if is_resumed:
            search.restore_shocks()
        self.master = self.reduced = self._prepared(objective.build(search.shocks) if known is None else known)
        if known is not None:
            # The basis is optimal for another objective, perhaps far from the optimum of this one.
            self.master.solver.allow_fresh_start()
        self.incumbent: Incumbent | None = None
        self.latest: Vector | None = None
        self.relaxation: Vector | None = None
        self.in_point: Vector | None = None
        self.first: SolveResult | None = None
        self.bound, self.is_proven, self.has_solved_relaxation, self.began = -math.inf, False, False, math.inf
        self.leaves: list[TreeNode] = []
        self._evaluated, self._reported = set[bytes](), -math.inf
        if is_resumed and search.resumed:
            self.master.add_pool(unpack_cuts(search.resumed.arrays))
            self.has_solved_relaxation = bool(search.resumed.facts["relaxed"])

    def run(self) -> bool:
        """Run the loop; return whether there is an incumbent."""
        return (self.has_solved_relaxation or self._solve_relaxation()) and self._solve_integers()

    def _prepared(self, master: "MasterProblem") -> "MasterProblem":
        """Return a master with the limits and the aim of the objective."""
        self.objective.prepare(master)
        return master

    @property
    def best_known(self) -> Vector | None:
        """The incumbent, else the latest integral plan; None without either."""
        return self.latest if self.incumbent is None else self.incumbent.result.values

    def start_from(self, known: SolveResult) -> None:
        """Evaluate a plan that is known to be feasible as the incumbent; its integers are the first to be evaluated."""
        assert known.values is not None
        result = self.master.solve_with_purchases(known.values)
        if result.values is not None:
            evaluation = self.objective.evaluate(self.master, result.values, result.values).completed()
            self._report(evaluation.value, self.bound, evaluation)
            if evaluation.is_feasible:
                self.incumbent = Incumbent(result, evaluation, self.master.builder)
                self.in_point = result.values if self.objective.needs_shocks else None
        self.first = known

    def _report(self, value: float, bound: float, evaluation: Evaluation, suffix: str = "") -> None:
        self._reported = bound
        self.search.report_round(self.objective.name + suffix, value, bound, evaluation.violated)

    def _solve_relaxation(self) -> bool:
        """Solve the LP relaxation with cuts until its bounds meet; False if it is infeasible or time runs out."""
        in_point, upper, least, stalling = self.in_point, math.inf, math.inf, _Stalling()
        enough = max(RELAXATION_GAP, self.search.settings.mip_gap / 2)
        while not self.search.clock.is_over:
            result = self.master.solve_relaxed()
            if result.values is None:
                return False
            self.relaxation = result.values
            point, evaluation = self._separate(result, in_point)
            self.bound = max(self.bound, result.objective)
            if evaluation.is_feasible:
                upper = min(upper, evaluation.upper_bound)
                if evaluation.value <= least:
                    least, in_point = evaluation.value, point
            self._report(upper, result.objective, evaluation, ", relaxation")
            if self._add_shocks(evaluation):
                in_point = None
            else:
                self.has_solved_relaxation = (
                    evaluation.is_infeasible_without_cuts
                    or stalling.count(result.objective, upper)
                    or self._is_near(least, result.objective, enough * abs(least))
                )
            self._cut_by_duals(self.master, result)
            self._save()
            if self.has_solved_relaxation or self._is_enough():
                return True
        return False

    def _cut_by_duals(self, master: "MasterProblem", result: SolveResult) -> None:
        """Add to `master` the cuts from the dual values of an LP of the full master, if the objective uses them."""
        if self.has_solved_relaxation and self.objective.cuts_by_duals is not None and self.search.shocks:
            master.add_pool(self.objective.cuts_by_duals(self.master, result))

    def _separate(self, result: SolveResult, in_point: Vector | None, slack: float = 0.0) -> tuple[Vector, Evaluation]:
        """Evaluate a point between the in-point and the proposal (out-point); the proposal itself, if that adds no cut.

        This is in-out separation. Shocks that were left out are solved as well if the others add no cut, or if the
        value may be within `slack`, in money, of the lower bound. Returns the point and its evaluation.
        """
        values = result.values
        assert values is not None
        # An in-point from before shocks were added has no values of their recourse.
        if in_point is not None and len(in_point) == len(values):
            point = self.objective.step * values + (1.0 - self.objective.step) * in_point
            evaluation = self._complete(self.objective.evaluate(self.master, point, values), result.objective, slack)
            if evaluation.new_cuts or not evaluation.is_feasible:
                return point, evaluation
        evaluation = self._complete(self.objective.evaluate(self.master, values, values), result.objective, slack)
        return values, evaluation if evaluation.new_cuts else evaluation.completed()

    def _complete(self, evaluation: Evaluation, lower: float, slack: float) -> Evaluation:
        """Solve the shocks left out too, where the evaluation adds cuts and its value may be near the lower bound."""
        is_near = self._is_near(evaluation.value, lower, slack)
        return evaluation.completed() if evaluation.new_cuts and is_near else evaluation

    def _solve_integers(self) -> bool:
        self.began = time.perf_counter()
        if self.first is not None and not self._is_enough():
            self.reduced = self.master
            self.evaluate(self.first)
        self.is_proven = self._is_enough()
        self.reduced, stalling = self._reduced_master(), _Stalling()
        if not self.is_proven and not self.search.clock.is_over:
            self._branch()
        while not self.is_proven and not self.search.clock.is_over:
            self.reduced.release_integers()
            if not self._solve_round(self.reduced.solve_integers(self.objective.name, self.cutoff()), stalling):
                break
        self._report_proof()
        return self.incumbent is not None

    def _report_proof(self) -> None:
        """Report the bound that proves the incumbent, if no round has reported it."""
        if self.is_proven and self.incumbent is not None and self.bound > self._reported:
            self._report(self.upper, min(self.bound, self.upper), self.incumbent.evaluation)

    def _solve_round(self, result: SolveResult, stalling: "_Stalling") -> bool:
        """Update bound and incumbent by an integral proposal; return whether another round may improve them."""
        if result.status == "infeasible" and self.incumbent is not None:
            # No plan is better than the incumbent by more than the gap.
            self.bound, self.is_proven = max(self.bound, self.cutoff()), True
            return False
        if result.values is not None or result.status == "optimal":
            # Without values, the search ended at `Settings.patience` without a better plan, but with a valid bound.
            self.bound = max(self.bound, result.bound)
        if result.values is None:
            self.is_proven = self._is_enough()
            return False
        has_progressed = self.evaluate(result) and not stalling.count(self.bound, self.upper)
        # Without a new cut the next proposal would be the same: the difference is within the solver's tolerance.
        self.is_proven = self._is_enough(0.0 if has_progressed else STALLED_GAP)
        return has_progressed

    def _branch(self) -> None:
        """Search the reduced master by branch and cut, until the tree is closed or abandoned as too large."""
        self.reduced.release_integers()
        relaxation = self.search.tighten(self.reduced, self.reduced.solve_relaxed())
        if relaxation.values is not None and relaxation.status == "optimal":
            tree = branch_and_cut(self.reduced, relaxation, self, self.leaves)
            is_closed = tree is not None and tree.status == "optimal"
            self.leaves = tree.leaves if tree is not None and is_closed else []
            # Nodes whose solutions violate no cut are closed at their own bounds, within the solver's tolerance.
            self.is_proven = self._is_enough(STALLED_GAP if is_closed else 0.0)

    def cut(self, relaxed: SolveResult) -> bool:
        """Add cuts to the reduced master at a fractional solution; return whether there were any."""
        assert relaxed.values is not None
        return self.objective.evaluate(self.reduced, relaxed.values, relaxed.values).new_cuts > 0

    def raise_bound(self, bound: float) -> None:
        """Raise the lower bound, to at most the incumbent's value: a higher bound only proves the incumbent optimal."""
        self.bound = max(self.bound, min(bound, self.upper))

    @property
    def upper(self) -> float:
        """The upper bound: the incumbent's value; infinite without one."""
        return math.inf if self.incumbent is None else self.incumbent.evaluation.value

    def _is_enough(self, least: float = 0.0) -> bool:
        """Return whether the incumbent is proven to the MIP gap of the settings, or to `least` if that is wider."""
        value = self.upper
        return self.incumbent is not None and self._is_near(
            value, self.bound, max(self._slack(value), least * abs(value))
        )

    def _is_near(self, value: float, bound: float, slack: float) -> bool:
        return math.isfinite(value) and value - bound <= max(slack, ROUNDING * abs(value)) + self.negligible

    def _slack(self, value: float) -> float:
        """Return the gap in money allowed at `value`."""
        if self.objective.tolerance is not None:
            return self.objective.tolerance * abs(value)
        return self.search.settings.slack(value, time.perf_counter() - self.began)

    def cutoff(self) -> float:
        """Return the cost below which a plan is better than the incumbent by more than the gap."""
        return math.inf if self.incumbent is None else self.upper - self._slack(self.upper)

    def _reduced_master(self) -> "MasterProblem":
        """Return the master that proposes integers: without the shocks held, if cuts suffice."""
        if self.objective.needs_shocks:
            return self.master
        reduced = self._prepared(self.objective.build(()))
        reduced.add_pool(self.master.pool)
        return reduced

    def evaluate(self, proposed: SolveResult) -> bool:
        """Fix the proposed integers and solve the restricted LP; return whether any cut or shock was added."""
        assert proposed.values is not None
        master, has_progressed = self.master, False
        if self.reduced is not master:
            has_progressed = self._cut_proposal(proposed.values)
            master.followers = [(self.reduced, proposed.values)]
        key = np.round(proposed.values[master.solver.integers]).tobytes()
        if key not in self._evaluated or self.reduced is master:
            self._evaluated.add(key)
            has_progressed |= self._solve_restricted(master.solve_restricted(master.with_integers_of(proposed)), key)
        master.release_integers()
        master.followers = []
        return has_progressed

    def _solve_restricted(self, result: SolveResult | None, key: bytes) -> bool:
        """Add cuts to the restricted LP until it is solved; return whether any cut or shock was added."""
        in_point, stalling, has_progressed = self._in_point(key), _Stalling(), False
        while result is not None and result.values is not None:
            self.latest = result.values
            point, evaluation = self._separate(result, in_point, self._slack(result.objective))
            self._report(evaluation.upper_bound, self.bound, evaluation)
            if evaluation.is_feasible and evaluation.upper_bound < self.upper:
                self.incumbent = Incumbent(replace(result, values=point), evaluation, self.master.builder)
                in_point = None if in_point is None else point
            is_done = self._is_solved(evaluation, result.objective)
            has_grown = self._add_shocks(evaluation)
            self._save()
            has_progressed |= evaluation.new_cuts > 0 or has_grown
            is_done |= stalling.count(result.objective, self.upper)
            if is_done and not has_grown:
                self._cut_by_duals(self.reduced, result)
                break
            result = None if self.search.clock.is_over else self.master.solve_lp()
        return has_progressed

    def _is_solved(self, evaluation: Evaluation, lower: float) -> bool:
        """Return whether the restricted LP is solved: its bounds have met, or its solution violates no cut."""
        is_near = self._is_near(evaluation.upper_bound, lower, self._slack(evaluation.value) / 4)
        return (is_near and evaluation.is_feasible) or not evaluation.new_cuts

    def _in_point(self, key: bytes) -> Vector | None:
        """Return the incumbent, if its integers match `key`: points between it and another such plan share them."""
        values = None if self.incumbent is None else self.incumbent.result.values
        if values is None or np.round(values[self.master.solver.integers]).tobytes() != key:
            return None
        return values if len(values) == len(self.master.builder.columns) else None

    def _cut_proposal(self, values: Vector) -> bool:
        """Add cuts to the reduced master half-way to the incumbent, else at its proposal; return whether any is new."""
        if self.incumbent is not None and self.incumbent.result.values is not None:
            point, size = values.copy(), self.reduced.plan_size
            point[:size] = 0.5 * (values[:size] + self.incumbent.result.values[:size])
            if self.objective.evaluate(self.reduced, point, values).new_cuts:
                return True
        return self.objective.evaluate(self.reduced, values, values).new_cuts > 0

    def _add_shocks(self, evaluation: Evaluation) -> bool:
        """Add the shocks that improve the master most; return whether there were any. Cuts stay valid."""
        search = self.search
        proposed = evaluation.violated if evaluation.to_hold is None else evaluation.to_hold
        held = {shock.name for shock in search.shocks}
        left = [each for each in proposed if each.shock.name not in held]
        if not left or len(held) >= self.objective.adds_below:
            return False
        count = search.added_a_round if self.objective.needs_shocks else 2 * search.added_a_round
        self.master.add_shocks(search.enter_shocks(select_most_violated(left, count)))
        return True

    def _save(self) -> None:
        if not self.objective.is_saved:
            return
        facts = {"relaxed": self.has_solved_relaxation, **self.objective.facts}
        self.search.save(self.objective.name, facts, pack_cuts(self.master.pool))


class _Stalling:
    """A counter of consecutive rounds in which neither bound improves."""

    def __init__(self) -> None:
        self._bound, self._value, self._count = -math.inf, math.inf, 0

    def count(self, bound: float, value: float) -> bool:
        """Count a round; return whether `MOST_STALLED` consecutive rounds improved neither bound."""
        is_better = bound > self._bound + ROUNDING * abs(self._bound)
        is_better |= value < self._value - ROUNDING * abs(self._value)
        self._count = 0 if is_better or not math.isfinite(self._bound) else self._count + 1
        self._bound, self._value = max(self._bound, bound), min(self._value, value)
        return self._count >= MOST_STALLED
