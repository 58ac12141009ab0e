"""Searches with integers by HiGHS, or by a tree of this package over the presolved model where that soon ends.

Presolve leaves about half of the rows and a stronger LP relaxation. A node starts from the basis of its parent, but
without edge weights: computing steepest-edge weights for each node takes longer than the few dozen iterations that it
needs. So nodes use Devex weights, which begin at one (Forrest, Goldfarb: Steepest-edge simplex algorithms for linear
programming, Mathematical Programming 57, 1992). Costs are not perturbed either: removing the perturbation at the end
takes more iterations than it saves in so few.
"""

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from highspy import Highs, HighsModelStatus, HighsPresolveStatus, HighsSolution, HighsVarType, kHighsIInf

from optimizer.solver.base import BoundsListener, Clock, Indices, PseudoCosts, RawResult, Settings, SolveRequest, Vector
from optimizer.solver.highs import DEVEX, DUAL, OPTIMAL_STATUSES, HighsBackEnd
from optimizer.solver.tree import Relaxed, TreeNode, TreeSearch
from optimizer.tolerances import REPORTED_OBJECTIVE

# Largest number of relaxations and of simplex iterations of a tree; beyond either the relaxation is too weak for this
# search, and HiGHS, with its cuts, takes less time than the rest of the tree. If the relaxation is weak and there are
# no pseudo-costs yet, the limit is also FIRST_TRY times the iterations of the root relaxation, or PROMISED times them,
# multiplied by the closed share of the tree, if that is more. A solver's first rounds of cuts take longer.
MOST_RELAXATIONS, MOST_ITERATIONS, FIRST_TRY, PROMISED = 500, 80_000, 16, 32
# For the first FINE relaxations (FINE_IN_MONEY with an absolute tolerance), solutions are proven to this share of the
# allowed gap: small trees then end at the optimum itself.
FINE, FINE_IN_MONEY, FINE_SHARE = 200, 25, 0.1
# After an LP of fewer seconds than this, the next one is solved without a thread that Ctrl-C can stop.
SHORT = 0.1
# From a basis, costs are perturbed only after this many iterations without reaching the optimum.
MOST_UNPERTURBED, PERTURBATION = 500, "dual_simplex_cost_perturbation_multiplier"
# After this many consecutive abandoned trees, searches go to HiGHS directly.
MOST_FAILURES = 2


class TreeBackEnd(HighsBackEnd):
    """HiGHS, with this package's branch and bound for searches that have pseudo-costs."""

    def run(self, request: SolveRequest, clock: Clock, listener: BoundsListener) -> RawResult:
        """Minimise by branch and bound from the pseudo-costs of similar searches; by HiGHS if the tree is abandoned."""
        pseudo_costs, plain = request.pseudo_costs, replace(request, pseudo_costs=None)
        if pseudo_costs is None or not len(request.integers) or pseudo_costs.failures >= MOST_FAILURES:
            return super().run(plain, clock, listener)
        tree, source = self._grow_tree(request, clock, listener)
        known = self._solve_restricted(plain, source, listener)
        if source.values is not None and known is None:
            return super().run(plain, clock, listener)
        bound = min(tree.bound, source.best)
        if tree.status == "abandoned":
            return self._improve(plain, source, known, bound, clock, listener)
        if known is None and tree.status == "optimal" and bound >= request.cutoff:
            return RawResult("infeasible", None, math.inf, None)
        # Solutions dearer than the cutoff were not searched.
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
        """Let HiGHS search below the tree's target, and return the better solution with the proven bound."""
        target, allowed = source.target, request.tolerance
        if allowed is not None and math.isfinite(target):
            # Once `patience` is over, the distance from the best known cost to the target suffices.
            allowed = max(allowed, source.known_cost - target)
        raw = super().run(replace(request, cutoff=target, tolerance=allowed), clock, listener)
        bound = max(bound, min(target, raw.bound))
        if raw.values is not None and (known is None or float(raw.values @ request.costs) <= source.best):
            return replace(raw, bound=max(bound, raw.bound))
        if known is None and raw.status == "infeasible" and bound >= request.cutoff:
            return raw
        # No solution is below the target, which may itself be below the cutoff.
        return RawResult("stopped" if raw.status == "stopped" else "optimal", known, bound, None)

    def _solve_restricted(
        self, request: SolveRequest, source: "HighsRelaxations", listener: BoundsListener
    ) -> Vector | None:
        """Return the solution of the whole model with its integers fixed to those of the tree's incumbent.

        None without an incumbent, or if the whole model does not reproduce its objective.
        """
        if source.values is None:
            return None
        whole, lower, upper = np.round(source.values[request.integers]), request.lower.copy(), request.upper.copy()
        lower[request.integers] = upper[request.integers] = whole
        fixed = replace(request, lower=lower, upper=upper, integers=request.integers[:0])
        self.allow_fresh_start()
        values = super().run(fixed, Clock(), listener).values
        sizes = 0.0 if values is None else float(np.abs(values * request.costs).sum())
        if values is None or float(values @ request.costs) - source.best > REPORTED_OBJECTIVE * max(1.0, sizes):
            return None
        source.best = float(values @ request.costs)
        return values

    def _grow_tree(
        self, request: SolveRequest, clock: Clock, listener: BoundsListener
    ) -> tuple[TreeSearch, "HighsRelaxations"]:
        pseudo_costs = request.pseudo_costs
        assert pseudo_costs is not None
        self._pass_request(request, clock)
        with self._presolved(request, is_proof=self._is_proof(request, pseudo_costs)) as (presolved, integers, places):
            most_times = FIRST_TRY if request.is_weak and not pseudo_costs.gains else math.inf
            source = HighsRelaxations(self, request, self._settings, clock, listener, integers, most_times)
            lp = self._highs.getLp()
            lower, upper = np.array(lp.col_lower_)[integers], np.array(lp.col_upper_)[integers]
            keys = [request.keys[k] for k in places]
            gains, distance = pseudo_costs.read(keys), pseudo_costs.distance / request.money
            tree = TreeSearch(source, [TreeNode(-math.inf, 0, lower, upper)], gains, distance)
            tree.run()
            pseudo_costs.write(keys, gains)
            pseudo_costs.failures = pseudo_costs.failures + 1 if tree.status == "abandoned" else 0
            if source.values is not None:
                pseudo_costs.distance = (source.best - tree.root) * request.money
                source.values = _postsolve(presolved, source.values)
        return tree, source

    def _is_proof(self, request: SolveRequest, pseudo_costs: PseudoCosts) -> bool:
        """Return whether little is left to prove: a similar search found a solution, or the cutoff closes the root.

        Then the basis of the LP relaxation saves more time than presolve does.
        """
        if self._basis is not None:
            self._highs.setBasis(self._basis)
            self._basis = None
        if self._last is None or self._last[1].values is None or not self._highs.getBasis().valid:
            return False
        is_closed = request.cutoff <= float(self._last[1].values @ request.costs)
        return np.array_equal(self._last[0].costs, request.costs) and (pseudo_costs.distance > 0.0 or is_closed)

    @contextlib.contextmanager
    def _presolved(self, request: SolveRequest, *, is_proof: bool) -> Iterator[tuple[Any, Indices, Sequence[int]]]:
        """Replace `self._highs` by the presolved model within the block, as an LP; by the whole model if `is_proof`.

        Yields the `Highs` object for postsolve, or None without presolve; the columns of the integers; and their
        positions in the request. With `is_proof` the LP starts from the basis of the last one.
        """
        whole, presolved = self._highs, Highs()
        presolved.passOptions(whole.getOptions())
        # HiGHS refuses a number of threads other than that of the first run in this thread.
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
        """Solve the LP within the limits set on objective and iterations.

        Returns a lower bound on its optimum, infinite if it is infeasible, and its solution, None if it was not solved
        to the end.
        """
        began = time.perf_counter()
        self._run(clock)
        self._is_short = time.perf_counter() - began < SHORT
        info, status = self._highs.getInfo(), self._highs.getModelStatus()
        if status == HighsModelStatus.kObjectiveBound:
            return self._highs.getOptionValue("objective_bound")[1], None
        if self._verdict() == "infeasible":
            return math.inf, None
        is_solved = status in OPTIMAL_STATUSES
        # The objective of an interrupted dual simplex run is a valid bound only at a dual feasible point.
        is_bound = is_solved or (is_probe and int(info.dual_solution_status) == 2)
        objective = info.objective_function_value if is_bound else -math.inf
        return objective, self._highs.getSolution() if is_solved else None


def _named_integers(lp: Any) -> tuple[list[int], list[int]]:
    """Return the columns of the named integers of a presolved model, and the positions in their names ``i0, i1 …``.

    Presolve adds implied integers, which are integral whenever the others are. They have no name and need no branching.
    """
    named = [
        (column, int(name[1:]))
        for column, (kind, name) in enumerate(zip(lp.integrality_, lp.col_names_, strict=False))
        if kind == HighsVarType.kInteger and name
    ]
    return [column for column, _ in named], [place for _, place in named]


def _postsolve(presolved: Any, values: Vector) -> Vector:
    """Return a presolved solution in the columns of the whole model; unchanged if `presolved` is None."""
    if presolved is None:
        return values
    solution = HighsSolution()
    solution.col_value = values.tolist()
    presolved.postsolve(solution)
    return np.array(presolved.getSolution().col_value)


class HighsRelaxations:
    """The LP relaxations of a tree's nodes, by bounds of the integers, and the incumbent; see `Relaxations`.

    Attributes:
        best: objective of the incumbent; infinite without one.
        values: the incumbent in the columns of the model in HiGHS; None without one.
    """

    has_cuts = False
    opening_groups: Sequence[Sequence[int]] = ()

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
        # Whether HiGHS holds a basis to start from.
        self._has_basis = bool(back.highs.getBasis().valid)
        self.best = math.inf
        self.values: Vector | None = None
        # The basis that HiGHS holds with its factorisation; None if unknown.
        self._basis_held: Any = None

    @property
    def is_over(self) -> bool:
        """Whether no time is left, or the incumbent is good enough to end the search."""
        return self._clock.is_over or self.best <= self._request.enough

    @property
    def target(self) -> float:
        """The objective below which a solution improves the incumbent by more than the gap, and is below the cutoff."""
        best = self.best if self.values is None else self.best - self._allowed(self.best)
        cutoff, tolerance = self._request.cutoff, self._request.tolerance
        if tolerance is not None and math.isfinite(cutoff):
            # The cutoff lies one tolerance below the cost of a known solution.
            cutoff += tolerance - self._allowed(cutoff + tolerance)
        return min(cutoff, best)

    @property
    def reach(self) -> float:
        """The objective below which every solution lies in a leaf, here the target."""
        return self.target

    @property
    def known_cost(self) -> float:
        """The cost of the best known solution: the incumbent, or the solution from which the cutoff was derived."""
        return min(self.best, self._request.cutoff + (self._request.tolerance or 0.0))

    def _allowed(self, cost: float) -> float:
        """Return the absolute gap allowed at a solution of the given cost."""
        share = FINE_SHARE if self._solved < (FINE if self._settings.tolerance is None else FINE_IN_MONEY) else 1.0
        return share * self._settings.slack(cost, time.perf_counter() - self._began)

    @property
    def basis(self) -> Any:
        """The basis of the last LP relaxation."""
        self._basis_held = self._back.highs.getBasis()
        return self._basis_held

    def solve(self, lower: Vector, upper: Vector, basis: Any, limit: float, iterations: int = 0) -> Relaxed:
        """Solve the LP relaxation of a node; see `Relaxations.solve`."""
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
        """Make an integral solution the incumbent if it is better; return False, since there are no cuts."""
        if relaxed.objective < self.best and relaxed.objective <= self._request.cutoff:
            self.best, self.values = relaxed.objective, relaxed.solution
        return False

    def cut(self, relaxed: Relaxed) -> bool:
        """Return False: these relaxations have no cuts."""
        return False

    def is_too_large(self, solved: int, closed: float) -> bool:
        """Return whether the tree has exceeded its limit on relaxations or simplex iterations."""
        # `_most_times` is infinite with pseudo-costs from similar searches.
        times = max(self._most_times, PROMISED * closed)
        return solved > MOST_RELAXATIONS or self._iterations > min(MOST_ITERATIONS, times * self._first)

    def raise_bound(self, bound: float) -> None:
        """Report the incumbent's objective and the bound to the listener."""
        self._report(self.best, min(bound, self.best))
