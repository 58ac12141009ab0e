"""HiGHS's integers, or a tree of our own over what HiGHS's presolve leaves of the model, where that ends soon.

Presolve leaves about half of the rows, and a stronger relaxation. The basis of a node's parent is at hand, but its edge
weights are not: steepest-edge weights would have to be computed anew for each node, which takes longer than the few
dozen iterations themselves. So nodes take Devex weights, which begin at one (Forrest, Goldfarb: Steepest-edge simplex
algorithms for linear programming, Mathematical Programming 57, 1992). Nor are their costs perturbed: what perturbation
leaves to repair takes more iterations than it saves in so few.
"""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from highspy import Highs, HighsModelStatus, HighsPresolveStatus, HighsSolution, HighsVarType, kHighsIInf

from optimizer.solver.base import (
    BoundsListener,
    BranchingHistory,
    Clock,
    Indices,
    RawResult,
    Settings,
    SolveRequest,
    Vector,
)
from optimizer.solver.highs import DEVEX, DUAL, OPTIMAL_STATUSES, HighsBackEnd
from optimizer.solver.tree import Relaxed, TreeNode, TreeSearch
from optimizer.tolerances import REPORTED_OBJECTIVE

# So many simplex iterations at most; beyond, the relaxation is too weak for this search. Where it is far from what it
# rounds to and nothing was learned, so many times those of the first relaxation, or as the share of the tree that is
# closed promises so many times in all: less than a solver's first cuts take.
MOST_ITERATIONS, FIRST_TRY, PROMISED = 80_000, 16, 32
# So many relaxations prove solutions to this share of what is allowed: small trees end at the optimum itself.
FINE, FINE_IN_MONEY, FINE_SHARE = 200, 25, 0.1
# A relaxation after one of less than so many seconds is solved at once, not in a thread that Ctrl-C can stop.
SHORT = 0.1
# From a basis, costs are perturbed only once so many iterations were not enough.
MOST_UNPERTURBED, PERTURBATION = 500, "dual_simplex_cost_perturbation_multiplier"
# After so many searches in turn that a tree of our own did not end, HiGHS's integers are used at once.
MOST_FAILURES = 2


class TreeBackEnd(HighsBackEnd):
    """HiGHS, and trees for searches with a history."""

    def run(self, request: SolveRequest, clock: Clock, listener: BoundsListener) -> RawResult:
        """Minimise: by a tree from what similar searches learned; by HiGHS's where that does not end soon."""
        history, plain = request.history, replace(request, history=None)
        if history is None or not len(request.integers) or history.failures >= MOST_FAILURES:
            return super().run(plain, clock, listener)
        tree, source = self._grow_tree(request, clock, listener)
        known = self._restricted(plain, source, clock, listener)
        if source.values is not None and known is None:
            return super().run(plain, clock, listener)
        bound = min(tree.bound, source.best)
        if tree.status == "abandoned":
            return self._improve(plain, source, known, bound, clock, listener)
        if known is None and tree.status == "optimal" and bound >= request.cutoff:
            return RawResult("infeasible", None, math.inf, None)
        # What is dearer than the cutoff was not searched.
        return RawResult(tree.status, known, min(bound, request.cutoff), None)

    def _improve(
        self,
        request: SolveRequest,
        source: "HighsRelaxations",
        known: Vector | None,
        bound: float,
        clock: Clock,
        listener: BoundsListener,
    ) -> RawResult:
        """Let HiGHS look for what is better than a solution that is known, with a bound that is proven."""
        target, allowed = source.target, request.tolerance
        if allowed is not None and math.isfinite(target):
            # With the patience over, the distance from the cost that is known to the target is enough.
            allowed = max(allowed, source.known_cost - target)
        raw = super().run(replace(request, cutoff=target, tolerance=allowed), clock, listener)
        bound = max(bound, min(target, raw.bound))
        if raw.values is not None and (known is None or float(raw.values @ request.costs) <= source.best):
            return replace(raw, bound=max(bound, raw.bound))
        if known is None and raw.status == "infeasible" and bound >= request.cutoff:
            return raw
        # Nothing is below the target, which may be below the cutoff.
        return RawResult("stopped" if raw.status == "stopped" else "optimal", known, bound, None)

    def _restricted(
        self, request: SolveRequest, source: "HighsRelaxations", clock: Clock, listener: BoundsListener
    ) -> Vector | None:
        """The solution of the whole model with the integers that a tree found; None without any."""
        if source.values is None:
            return None
        whole, lower, upper = np.round(source.values[request.integers]), request.lower.copy(), request.upper.copy()
        lower[request.integers] = upper[request.integers] = whole
        fixed = replace(request, lower=lower, upper=upper, integers=request.integers[:0])
        self.doubt_basis()
        values = super().run(fixed, Clock(), listener).values
        sizes = 0.0 if values is None else float(np.abs(values * request.costs).sum())
        if values is None or float(values @ request.costs) - source.best > REPORTED_OBJECTIVE * max(1.0, sizes):
            return None
        source.best = float(values @ request.costs)
        return values

    def _grow_tree(
        self, request: SolveRequest, clock: Clock, listener: BoundsListener
    ) -> tuple[TreeSearch, "HighsRelaxations"]:
        history = request.history
        assert history is not None
        self._pass_on(request, clock)
        with self._presolved(request, is_proof=self._is_proof(request, history)) as (presolved, integers, places):
            most_times = FIRST_TRY if request.is_weak and not history.gains else math.inf
            source = HighsRelaxations(self, request, self._settings, clock, listener, integers, most_times)
            lp = self._highs.getLp()
            lower, upper = np.array(lp.col_lower_)[integers], np.array(lp.col_upper_)[integers]
            keys = [request.keys[k] for k in places]
            gains, distance = history.read(keys), history.distance / request.money
            tree = TreeSearch(source, [TreeNode(-math.inf, 0, lower, upper)], gains, distance)
            tree.run()
            history.write(keys, gains)
            history.failures = history.failures + 1 if tree.status == "abandoned" else 0
            if source.values is not None:
                history.distance = (source.best - tree.root) * request.money
                source.values = _postsolved(presolved, source.values)
        return tree, source

    def _is_proof(self, request: SolveRequest, history: BranchingHistory) -> bool:
        """Whether the tree has to prove little: a similar search found a solution, or nothing below the cutoff is left.

        Then the basis of the relaxation saves more than presolve does.
        """
        if self._basis is not None:
            self._highs.setBasis(self._basis)
            self._basis = None
        if self._last is None or self._last[1].values is None or not self._highs.getBasis().valid:
            return False
        is_closed = request.cutoff <= float(self._last[1].values @ request.costs)
        return np.array_equal(self._last[0].costs, request.costs) and (history.distance > 0.0 or is_closed)

    @contextlib.contextmanager
    def _presolved(self, request: SolveRequest, *, is_proof: bool) -> Iterator[tuple[Any, Indices, Sequence[int]]]:
        """What presolve leaves of the model, in place of it; its integers, and their places in the request.

        With `is_proof` the whole model, with the basis of its last linear programme.
        """
        whole, presolved = self._highs, Highs()
        presolved.passOptions(whole.getOptions())
        # HiGHS refuses another number than that of the first run in this thread.
        presolved.setOptionValue("threads", 0)
        presolved.passModel(whole.getLp())
        for place, column in enumerate(request.integers.tolist()):
            presolved.passColName(column, f"i{place}")
        if not is_proof:
            presolved.presolve()
        self._highs = Highs()
        try:
            self._highs.passOptions(whole.getOptions())
            is_reduced = presolved.getModelPresolveStatus() == HighsPresolveStatus.kReduced
            lp = presolved.getPresolvedLp() if is_reduced else whole.getLp()
            if is_reduced:
                whole_numbers, places = _named_integers(lp)
            else:
                whole_numbers, places = request.integers.tolist(), list(range(len(request.integers)))
            self._highs.passModel(lp)
            integers = np.array(whole_numbers, dtype=np.int32)
            columns = np.arange(lp.num_col_, dtype=np.int32)
            self._highs.changeColsIntegrality(len(columns), columns, np.full(len(columns), HighsVarType.kContinuous))
            for option, value in (
                ("presolve", "off"),
                ("simplex_strategy", DUAL),
                ("simplex_dual_edge_weight_strategy", DEVEX),
                ("threads", 0),
            ):
                self._highs.setOptionValue(option, value)
            if is_proof:
                self._highs.setBasis(whole.getBasis())
            yield presolved if is_reduced else None, integers, places
        finally:
            self._highs, self._is_short = whole, False

    def relax(self, clock: Clock, *, is_probe: bool) -> tuple[float, Any]:
        """Solve the linear programme up to the objective and the iterations that are set; its solution if complete."""
        began = time.perf_counter()
        self._run(clock)
        self._is_short = time.perf_counter() - began < SHORT
        info, status = self._highs.getInfo(), self._highs.getModelStatus()
        if status == HighsModelStatus.kObjectiveBound:
            return self._highs.getOptionValue("objective_bound")[1], None
        if self._verdict() == "infeasible":
            return math.inf, None
        is_solved = status in OPTIMAL_STATUSES
        # What the dual simplex method has reached when it is ended is a bound where its point is dual feasible alone.
        is_bound = is_solved or (is_probe and int(info.dual_solution_status) == 2)
        objective = info.objective_function_value if is_bound else -math.inf
        return objective, self._highs.getSolution() if is_solved else None


def _named_integers(lp: Any) -> tuple[list[int], list[int]]:
    """The integers of a presolved model: their columns, and the places that their names ``i0, i1 …`` say.

    Presolve finds further columns that are whole wherever the others are. They have no name, and need no branch.
    """
    named = [
        (column, int(name[1:]))
        for column, (kind, name) in enumerate(zip(lp.integrality_, lp.col_names_, strict=False))
        if kind == HighsVarType.kInteger and name
    ]
    return [column for column, _ in named], [place for _, place in named]


def _postsolved(presolved: Any, values: Vector) -> Vector:
    """A solution of the model before presolve; None stands for no presolve."""
    if presolved is None:
        return values
    solution = HighsSolution()
    solution.col_value = values.tolist()
    presolved.postsolve(solution)
    return np.array(presolved.getSolution().col_value)


class HighsRelaxations:
    """The linear programmes of a tree, by bounds of its integers.

    Attributes:
        best, values: the incumbent.
    """

    has_cuts = False
    families: Sequence[Sequence[int]] = ()

    def __init__(
        self,
        back: TreeBackEnd,
        request: SolveRequest,
        settings: Settings,
        clock: Clock,
        report: BoundsListener,
        integers: Indices,
        most_times: float,
    ) -> None:
        self._back, self._request, self._clock, self._report, self._integers = back, request, clock, report, integers
        self._settings = replace(settings, tolerance=request.tolerance)
        self._began, self._iterations, self._first, self._solved = time.perf_counter(), 0, 0, 0
        self._most_times = most_times
        # Whether there is a basis to start from.
        self._has_basis = bool(back.highs.getBasis().valid)
        self.best = math.inf
        self.values: Vector | None = None
        # The basis that HiGHS holds, with its factors; None where it is not known.
        self._basis_held: Any = None

    @property
    def is_over(self) -> bool:
        """Whether the time is, or a solution is good enough."""
        return self._clock.is_over or self.best <= self._request.enough

    @property
    def target(self) -> float:
        """Solutions at or above it are of no use."""
        best = self.best if self.values is None else self.best - self._allowed(self.best)
        cutoff, tolerance = self._request.cutoff, self._request.tolerance
        if tolerance is not None and math.isfinite(cutoff):
            # The cutoff comes from a solution of this cost.
            cutoff += tolerance - self._allowed(cutoff + tolerance)
        return min(cutoff, best)

    @property
    def reach(self) -> float:
        """Leaves hold every solution below it."""
        return self.target

    @property
    def known_cost(self) -> float:
        """Of the best solution known: the incumbent, or the one that the cutoff comes from."""
        return min(self.best, self._request.cutoff + (self._request.tolerance or 0.0))

    def _allowed(self, cost: float) -> float:
        """How far a solution of some cost may be from its bound."""
        share = FINE_SHARE if self._solved < (FINE if self._settings.tolerance is None else FINE_IN_MONEY) else 1.0
        return share * self._settings.slack(cost, time.perf_counter() - self._began)

    @property
    def basis(self) -> Any:
        """That of the last one."""
        self._basis_held = self._back.highs.getBasis()
        return self._basis_held

    def solve(self, lower: Vector, upper: Vector, basis: Any, limit: float, iterations: int = 0) -> Relaxed:
        """Solve one; see `Relaxations`."""
        highs, chosen = self._back.highs, self._integers
        highs.changeColsBounds(len(chosen), chosen, lower, upper)
        if basis is not None and basis is not self._basis_held:
            highs.setBasis(basis)
        self._basis_held = None
        highs.setOptionValue("objective_bound", limit)
        objective, found = self._relax(iterations)
        self._solved += 1
        self._first, self._has_basis = self._first or self._iterations, True
        if found is None:
            return Relaxed(objective)
        values = np.array(found.col_value)
        return Relaxed(objective, values[chosen], np.array(found.col_dual)[chosen], values)

    def _relax(self, iterations: int) -> tuple[float, Any]:
        if self._has_basis:
            found = self._run(iterations or MOST_UNPERTURBED, 0.0, is_probe=iterations > 0)
            if iterations or self._back.highs.getModelStatus() != HighsModelStatus.kIterationLimit:
                return found
        return self._run(kHighsIInf, 1.0)

    def _run(self, iterations: int, perturbation: float, *, is_probe: bool = False) -> tuple[float, Any]:
        self._back.highs.setOptionValue("simplex_iteration_limit", iterations)
        self._back.highs.setOptionValue(PERTURBATION, perturbation)
        found = self._back.relax(self._clock, is_probe=is_probe)
        self._iterations += int(self._back.highs.getInfo().simplex_iteration_count)
        return found

    def take(self, relaxed: Relaxed) -> bool:
        """Keep a solution with whole numbers if it is the best."""
        if relaxed.objective < self.best and relaxed.objective <= self._request.cutoff:
            self.best, self.values = relaxed.objective, relaxed.solution
        return False

    def cut(self, relaxed: Relaxed) -> bool:
        """There are none."""
        return False

    def is_too_large(self, solved: int, closed: float) -> bool:
        """Whether the tree took more iterations than it may."""
        # Infinite where something was learned from similar searches: then the largest number alone counts.
        times = max(self._most_times, PROMISED * closed)
        return self._iterations > min(MOST_ITERATIONS, times * self._first)

    def raise_bound(self, bound: float) -> None:
        """Report it."""
        self._report(self.best, min(bound, self.best))
