"""The loop of Benders decomposition: lower and upper bound, until they meet.

Each round, the master proposes a plan, the subproblems return value and subgradient of every shock (`recourse`), and
optimality cuts are added: first for the LP relaxation, by in-out separation; then with integers. Integers are proposed
by a **reduced** master, which has the cuts but no shocks (or those that must be held), by a few branches where these
suffice. They are fixed in the full master, and the LP that is left, the **restricted** LP (by its integers), is solved
with cuts as before: few integer programmes are needed. The dual values of the shocks held, in each LP that is solved,
become cuts of the reduced master. The lower bound is a master's, the upper bound that of a plan with all shocks solved.

Source: Ben-Ameur, Neto: Acceleration of cutting-plane and column generation algorithms, Networks 49(1), 2007 (in-out).

The few branches (branch and Benders cut) are the tree of `optimizer.solver.tree` over a master problem, with cuts at
its nodes. A relaxation opens most options wholly or not at all. Nodes decide first on options that are **never**
opened, or **some** time, before the time itself. Whole solutions are evaluated, which adds cuts. Where the share of the
tree that is closed promises a large one, the search is left to a general solver.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

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

# Relaxations that are solved before the size of the tree is estimated, and the largest estimate with which it goes on.
FEW_NODES, MOST_NODES = 60, 2000


class SolutionListener(Protocol):
    """What the tree over a master problem calls at its solutions: evaluates them, adds cuts, keeps the best plan."""

    def cutoff(self) -> float:
        """Plans that cost this or more are of no use."""

    def best(self) -> float:
        """What the best plan known costs."""

    def evaluate(self, proposed: SolveResult) -> bool:
        """Evaluate a solution with whole numbers; whether the programme has new cuts."""

    def cut(self, relaxed: SolveResult) -> bool:
        """Add cuts at a solution with fractions; whether there were any."""

    def raise_bound(self, bound: float) -> None:
        """No plan costs less than this."""


class MasterRelaxations:
    """The relaxations of a master problem, by bounds of its integers; its basis goes on from node to node."""

    has_cuts, basis = True, None

    def __init__(self, model: ShockModel, listener: SolutionListener) -> None:
        self.model, self.listener = model, listener
        self.places = model.solver.integers.copy()
        at = {int(j): k for k, j in enumerate(self.places)}
        self.families = [[at[j] for j in reversed(columns)] for columns in _openings(model)]

    @property
    def is_over(self) -> bool:
        """Whether the time is."""
        return self.model.clock.is_over

    @property
    def target(self) -> float:
        """Plans that cost this or more are of no use."""
        return self.listener.cutoff()

    @property
    def reach(self) -> float:
        """What the best plan costs: another objective may follow, with this one held."""
        return self.listener.best()

    def solve(self, lower: Vector, upper: Vector, basis: object, limit: float, iterations: int = 0) -> Relaxed:
        """Solve one, wholly."""
        self.model.release_integers()
        self.model.solver.bound(self.places, lower, upper)
        found = self.model.solve_relaxed()
        if found.values is None:
            return Relaxed(found.objective if found.status == "infeasible" else -np.inf)
        reduced = None if found.reduced_costs is None else found.reduced_costs[self.places]
        return Relaxed(found.objective, found.values[self.places], reduced, found)

    def take(self, relaxed: Relaxed) -> bool:
        """Evaluate a solution with whole numbers; whether there are new cuts."""
        return self.listener.evaluate(relaxed.solution)

    def cut(self, relaxed: Relaxed) -> bool:
        """Add cuts at a solution with fractions; whether there were any."""
        return self.listener.cut(relaxed.solution)

    def is_too_large(self, solved: int, closed: float) -> bool:
        """Whether the tree is, by the share of it that is closed."""
        return solved >= FEW_NODES and solved > MOST_NODES * closed

    def raise_bound(self, bound: float) -> None:
        """No plan costs less than this."""
        self.listener.raise_bound(bound)


def branch_and_cut(
    model: ShockModel, relaxation: SolveResult, listener: SolutionListener, leaves: Sequence[TreeNode] = ()
) -> TreeSearch | None:
    """The tree of a master problem.

    Args:
        model: its integers are free before and after. The plan that it starts from, if any, counts too.
        relaxation: its LP relaxation.
        listener: what the model estimates.
        leaves: of a tree for another objective, outside of which there are no plans; none begins at the root.

    Returns:
        The tree; None where the bound that is known is near enough.
    """
    assert relaxation.values is not None
    model.release_integers()
    source = MasterRelaxations(model, listener)
    bounds = model.solver.lower[source.places], model.solver.upper[source.places]
    listener.raise_bound(relaxation.objective)
    # What follows from whole numbers leads far from the relaxation; the tree begins there.
    model.solver.keep(RELAXATION)
    for known in (model.solve_from_start(), None if leaves else model.solve_rounded(relaxation.values)):
        if known is not None:
            listener.evaluate(known)
    model.solver.recall(RELAXATION)
    bound = max(model.known_bound, relaxation.objective)
    if bound >= listener.cutoff():
        listener.raise_bound(bound)
        return None
    weight, roots = 1.0 / max(1, len(leaves)), [replace(each, bound=relaxation.objective) for each in leaves]
    roots = [replace(each, number=-k, weight=weight, cuts=0, repeats=0, decision=None) for k, each in enumerate(roots)]
    tree = TreeSearch(source, roots or [TreeNode(relaxation.objective, 0, *bounds)], np.zeros((len(source.places), 4)))
    tree.run()
    model.release_integers()
    return tree


def _openings(model: ShockModel) -> list[tuple[int, ...]]:
    """By option, the columns that say by when it is opened, in the order of periods."""
    found = set[tuple[int, ...]]()
    for submodel in model.builder.submodels:
        for (path, _, what), columns in submodel.column_index().items():
            if what == "by" and not path:
                found.add(tuple(columns.values()))
    return sorted(found)


# Subproblems are solved at this share of the way from the stability centre (the in-point) to the master's proposal.
IN_OUT_STEP = 0.95
# Rounds in a row in which neither bound improves: further cuts are then within the solver's tolerance.
MOST_STALLED = 30


@dataclass(frozen=True)
class Incumbent:
    """The best plan so far: the master's restricted LP, its builder then, and the evaluation."""

    result: SolveResult
    evaluation: Evaluation
    builder: ModelBuilder


@dataclass(frozen=True)
class Objective:
    """One objective of Benders decomposition."""

    name: str  # for the history
    build: Callable[[Sequence[Shock]], "MasterProblem"]  # makes a master that holds some shocks
    # Solves the subproblems of a plan and adds cuts, given what the master proposes.
    evaluate: Callable[["MasterProblem", Vector, Vector], Evaluation]
    adds_below: float = math.inf  # shocks are added only while the master holds fewer
    # The cuts by which a master without the shocks held has the bound of an LP of one with them; None where the master
    # that proposes integers has to hold them too.
    cuts_by_duals: Callable[["MasterProblem", SolveResult], CutPool] | None = None
    # Relative distance of bound and incumbent; None for that which the settings ask of costs.
    tolerance: float | None = None
    facts: Mapping[str, float] = field(default_factory=dict)  # what a checkpoint needs beside the cuts
    is_saved: bool = True  # whether checkpoints are written; else a run that is resumed goes on from the loop before

    @property
    def needs_shocks(self) -> bool:
        """Whether the master that proposes integers has to hold shocks."""
        return self.cuts_by_duals is None


class BendersLoop:
    """The loop for one objective: LP relaxation and integers, until lower and upper bound meet.

    Args:
        search: whose shocks, clock and history are used.
        objective: the objective.
        negligible: money below which differences do not count.

    Attributes:
        incumbent: the best feasible plan with whole numbers. bound: the proven lower bound.
        latest: the last plan with whole numbers, feasible or not. relaxation: the last LP relaxation.
        first: a plan whose integers are evaluated first.
        leaves: of the tree of an objective before, outside of which there are no plans; then of this one.
    """

    def __init__(self, search: Search, objective: Objective, negligible: float) -> None:
        self.search, self.objective, self.negligible = search, objective, negligible
        is_resumed = search.resumed is not None and search.phase == objective.name
        if is_resumed:
            search.restore_shocks()
        self.master = self.reduced = objective.build(search.shocks)
        self.incumbent: Incumbent | None = None
        self.latest: Vector | None = None
        self.relaxation: Vector | None = None
        self.first: SolveResult | None = None
        self.bound, self.is_proven, self.is_relaxed, self.began = -math.inf, False, False, math.inf
        self.leaves: list[TreeNode] = []
        self._evaluated, self._reported = set[bytes](), -math.inf
        if is_resumed and search.resumed:
            self.master.add_pool(unpack_cuts(search.resumed.arrays))
            self.is_relaxed = bool(search.resumed.facts["relaxed"])

    def run(self) -> bool:
        """Whether a feasible plan with whole numbers was found; then `incumbent` is it."""
        return (self.is_relaxed or self._solve_relaxation()) and self._solve_integers()

    @property
    def best_known(self) -> Vector | None:
        """The incumbent, else the latest plan with whole numbers; None where there is none."""
        return self.latest if self.incumbent is None else self.incumbent.result.values

    def start_from(self, known: SolveResult) -> None:
        """Begin with a plan that is known to be feasible; its integers are the first to be evaluated."""
        assert known.values is not None
        result = self.master.solve_with_purchases(known.values)
        if result.values is not None:
            evaluation = self.objective.evaluate(self.master, result.values, result.values).completed()
            self._report(evaluation.value, self.bound, evaluation)
            if evaluation.is_feasible:
                self.incumbent = Incumbent(result, evaluation, self.master.builder)
        self.first = known

    def _report(self, value: float, bound: float, evaluation: Evaluation, suffix: str = "") -> None:
        self._reported = bound
        self.search.report_round(self.objective.name + suffix, value, bound, evaluation.violated)

    def _solve_relaxation(self) -> bool:
        """Whether the relaxation is feasible; then its bounds are near each other."""
        centre: Vector | None = None
        upper, least, stalling = math.inf, math.inf, _Stalling()
        while not self.search.clock.is_over:
            result = self.master.solve_relaxed()
            if result.values is None:
                return False
            self.relaxation = result.values
            point, evaluation = self._separate(result, centre)
            self.bound = max(self.bound, result.objective)
            if evaluation.is_feasible:
                upper = min(upper, evaluation.upper_bound)
                if evaluation.value <= least:
                    least, centre = evaluation.value, point
            self._report(upper, result.objective, evaluation, ", relaxation")
            if self._add_shocks(evaluation):
                centre = None
            else:
                self.is_relaxed = (
                    evaluation.is_infeasible_by_rounding
                    or stalling.is_over(result.objective, upper)
                    or self._is_near(least, result.objective, RELAXATION_GAP * abs(least))
                )
            self._cut_by_duals(self.master, result)
            self._save()
            if self.is_relaxed or self._is_enough():
                return True
        return False

    def _cut_by_duals(self, master: "MasterProblem", result: SolveResult) -> None:
        """Give a master the cuts of an LP of the full one, where integers are proposed without the shocks held."""
        if self.is_relaxed and self.objective.cuts_by_duals is not None and self.search.shocks:
            master.add_pool(self.objective.cuts_by_duals(self.master, result))

    def _separate(self, result: SolveResult, centre: Vector | None, slack: float = 0.0) -> tuple[Vector, Evaluation]:
        """In-out separation: between the stability centre and the proposal; at the proposal, if that adds no cut.

        Shocks that were left out are solved as well where the others add no cut, or once its value may be within
        `slack`, money, of the lower bound.
        """
        values = result.values
        assert values is not None
        # A centre from before shocks were added says nothing of their recourse.
        if centre is not None and len(centre) == len(values):
            point = IN_OUT_STEP * values + (1.0 - IN_OUT_STEP) * centre
            evaluation = self._completed(self.objective.evaluate(self.master, point, values), result.objective, slack)
            if evaluation.new_cuts or not evaluation.is_feasible:
                return point, evaluation
        evaluation = self._completed(self.objective.evaluate(self.master, values, values), result.objective, slack)
        return values, evaluation if evaluation.new_cuts else evaluation.completed()

    def _completed(self, evaluation: Evaluation, lower: float, slack: float) -> Evaluation:
        """An evaluation that adds cuts, of every shock where its value may be near a lower bound."""
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
            if not self._solve_round(self._propose(), stalling):
                break
        self._report_proof()
        return self.incumbent is not None

    def _report_proof(self) -> None:
        """Report the bound that proves the incumbent, where no round has."""
        if self.is_proven and self.incumbent is not None and self.bound > self._reported:
            self._report(self._upper, min(self.bound, self._upper), self.incumbent.evaluation)

    def _solve_round(self, result: SolveResult, stalling: "_Stalling") -> bool:
        """Bound and incumbent after a proposal with whole numbers; whether another round may improve them."""
        if result.status == "infeasible" and self.incumbent is not None:
            # No plan is better than the incumbent by more than the gap.
            self.bound, self.is_proven = max(self.bound, self.cutoff()), True
            return False
        if result.values is not None or result.status == "optimal":
            # Without values, the search ended at `Settings.patience` without a better plan: its bound counts.
            self.bound = max(self.bound, result.bound)
        if result.values is None:
            self.is_proven = self._is_enough()
            return False
        has_progressed = self.evaluate(result) and not stalling.is_over(self.bound, self._upper)
        # With no cut to add the next proposal would be the same: the difference is within the solver's tolerance.
        self.is_proven = self._is_enough(0.0 if has_progressed else STALLED_GAP)
        return has_progressed

    def _branch(self) -> None:
        """Branch and cut, until all nodes are closed or promise to be too many."""
        self.reduced.release_integers()
        relaxation = self.search.tighten(self.reduced, self.reduced.solve_relaxed())
        if relaxation.values is not None and relaxation.status == "optimal":
            tree = branch_and_cut(self.reduced, relaxation, self, self.leaves)
            is_closed = tree is not None and tree.status == "optimal"
            self.leaves = tree.leaves if tree is not None and is_closed else []
            # Nodes whose solutions violate nothing are closed at their own bounds, within the solver's tolerance.
            self.is_proven = self._is_enough(STALLED_GAP if is_closed else 0.0)

    def cut(self, relaxed: SolveResult) -> bool:
        """Add cuts to the master that proposes at a solution with fractions; whether there were any."""
        assert relaxed.values is not None
        return self.objective.evaluate(self.reduced, relaxed.values, relaxed.values).new_cuts > 0

    def raise_bound(self, bound: float) -> None:
        """Take over a lower bound; one that is above the incumbent says no more than that this is the best."""
        self.bound = max(self.bound, min(bound, self._upper))

    def _propose(self) -> SolveResult:
        """The reduced master's best plan with whole numbers, if it is noticeably better than the incumbent."""
        self.reduced.release_integers()
        return self.reduced.solve_integers(self.objective.name, self.cutoff())

    @property
    def _upper(self) -> float:
        return math.inf if self.incumbent is None else self.incumbent.evaluation.value

    def _is_enough(self, least: float = 0.0) -> bool:
        """Whether the incumbent is proven to the MIP gap of the settings, or to `least` where that is more."""
        value = self._upper
        return self.incumbent is not None and self._is_near(
            value, self.bound, max(self._slack(value), least * abs(value))
        )

    def _is_near(self, value: float, bound: float, slack: float) -> bool:
        return math.isfinite(value) and value - bound <= max(slack, ROUNDING * abs(value)) + self.negligible

    def _slack(self, value: float) -> float:
        """By how much a value may miss the least one, money."""
        if self.objective.tolerance is not None:
            return self.objective.tolerance * abs(value)
        return self.search.settings.slack(value, time.perf_counter() - self.began)

    def best(self) -> float:
        """What the incumbent costs."""
        return self._upper

    def cutoff(self) -> float:
        """The cost below which a plan is noticeably better than the incumbent."""
        return math.inf if self.incumbent is None else self._upper - self._slack(self._upper)

    def _reduced_master(self) -> "MasterProblem":
        """The master that proposes integers: where cuts suffice, without the shocks held."""
        if self.objective.needs_shocks:
            return self.master
        reduced = self.objective.build(())
        reduced.add_pool(self.master.pool)
        return reduced

    def evaluate(self, proposed: SolveResult) -> bool:
        """Fix proposed integers and add cuts until the restricted LP is solved; whether there was any to add."""
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
        """Add cuts to the master with fixed integers until it is solved; whether there was any cut or shock to add."""
        centre, stalling, has_progressed = self._centre(key), _Stalling(), False
        while result is not None and result.values is not None:
            self.latest = result.values
            point, evaluation = self._separate(result, centre, self._slack(result.objective))
            self._report(evaluation.upper_bound, self.bound, evaluation)
            if evaluation.is_feasible and evaluation.upper_bound < self._upper:
                self.incumbent = Incumbent(replace(result, values=point), evaluation, self.master.builder)
                centre = None if centre is None else point
            is_done = self._is_solved(evaluation, result.objective)
            has_grown = self._add_shocks(evaluation)
            self._save()
            has_progressed |= evaluation.new_cuts > 0 or has_grown
            is_done |= stalling.is_over(result.objective, self._upper)
            if (is_done and not has_grown) or self.search.clock.is_over:
                self._cut_by_duals(self.reduced, result)
                break
            result = self.master.solve_lp()
        return has_progressed

    def _is_solved(self, evaluation: Evaluation, lower: float) -> bool:
        """Whether the restricted LP is solved: its bounds have met, or its solution violates no cut."""
        is_near = self._is_near(evaluation.upper_bound, lower, self._slack(evaluation.value) / 4)
        return (is_near and evaluation.is_feasible) or not evaluation.new_cuts

    def _centre(self, key: bytes) -> Vector | None:
        """The incumbent, if it has these integers: plans between it and another of them have them too."""
        values = None if self.incumbent is None else self.incumbent.result.values
        if values is None or np.round(values[self.master.solver.integers]).tobytes() != key:
            return None
        return values if len(values) == len(self.master.builder.columns) else None

    def _cut_proposal(self, values: Vector) -> bool:
        """Add cuts to the reduced master at its own proposal, or half-way to the incumbent where there are any."""
        if self.incumbent is not None and self.incumbent.result.values is not None:
            point, size = values.copy(), self.reduced.size
            point[:size] = 0.5 * (values[:size] + self.incumbent.result.values[:size])
            if self.objective.evaluate(self.reduced, point, values).new_cuts:
                return True
        return self.objective.evaluate(self.reduced, values, values).new_cuts > 0

    def _add_shocks(self, evaluation: Evaluation) -> bool:
        """Add the shocks that improve the master most, if there are any; cuts stay."""
        search = self.search
        proposed = evaluation.violated if evaluation.to_hold is None else evaluation.to_hold
        held = {shock.name for shock in search.shocks}
        left = [each for each in proposed if each.shock.name not in held]
        if not left or len(held) >= self.objective.adds_below:
            return False
        count = search.added_a_round if self.objective.needs_shocks else 2 * search.added_a_round
        self.master.add_shocks(search.note_shocks(select_most_violated(left, count)))
        return True

    def _save(self) -> None:
        if not self.objective.is_saved:
            return
        facts = {"relaxed": self.is_relaxed, **self.objective.facts}
        self.search.save(self.objective.name, facts, pack_cuts(self.master.pool))


class _Stalling:
    """Counts the rounds in which neither bound improves."""

    def __init__(self) -> None:
        self._bound, self._value, self._count = -math.inf, math.inf, 0

    def is_over(self, bound: float, value: float) -> bool:
        """Whether neither bound has improved for long."""
        is_better = bound > self._bound + ROUNDING * abs(self._bound)
        is_better |= value < self._value - ROUNDING * abs(self._value)
        self._count = 0 if is_better or not math.isfinite(self._bound) else self._count + 1
        self._bound, self._value = max(self._bound, bound), min(self._value, value)
        return self._count >= MOST_STALLED
