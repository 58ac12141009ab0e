"""Branch and bound where an LP relaxation leaves few integers fractional: by rounding, and branches that prove it.

A relaxation opens most options wholly or not at all. Rounded, and solved again, it is often feasible. Then branches
decide on the options whose opening is fractional, one at a time: **never** opened, or opened **some** time. Each branch
is the same linear programme with other bounds, warm from the one before. It is closed where its LP relaxation is not
noticeably cheaper than the incumbent. A general solver does the same, after preparations that take longer than all of
this; it is called where a few branches do not suffice.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.solver import SolveResult, Vector
from optimizer.tolerances import INTEGRALITY, ROUNDING

# So many branches are solved at most.
MOST_BRANCHES = 12


@dataclass(frozen=True)
class Branch:
    """By number of the option, whether it is ever opened; and the LP relaxation, where it is solved already."""

    decided: Mapping[int, bool] = field(default_factory=dict)
    relaxation: SolveResult | None = None


class Branching:
    """The plan that a relaxation leads to.

    Args:
        model: the model; its integers are free before and after. The plan that it starts from, if any, counts too.
        relaxation: its LP relaxation.
        phase: what the steps are called in the history; None to report none.
        cutoff: plans that cost this or more are of no use.

    Attributes:
        incumbent: the cheapest plan with whole numbers so far; None before there is one.
        bound: lower bound on the cost of all plans, near enough to the incumbent; −∞ where a few branches do not
            prove one.
    """

    def __init__(
        self, model: ScenarioModel, relaxation: SolveResult, phase: str | None = None, cutoff: float = math.inf
    ) -> None:
        self.model, self.phase, self.cutoff = model, phase, cutoff
        self.incumbent: SolveResult | None = None
        found = {
            tuple(columns.values())
            for member in model.builder.members
            for (path, _, what), columns in member.column_index().items()
            if what == "by" and not path
        }
        self._by = sorted(list(columns) for columns in found)
        assert relaxation.values is not None
        self._report(relaxation.objective)
        self._accept(model.solve_from_start())
        self._accept(model.solve_rounded(relaxation.values))
        self._report(relaxation.objective)
        self.bound = -math.inf
        if math.isfinite(self._target):
            known = model.known_bound
            self.bound = known if known >= self._target else self._branch(Branch(relaxation=relaxation))
        self._report(max(self.bound, relaxation.objective))
        model.release_integers()

    def _report(self, bound: float) -> None:
        best = math.inf if self.incumbent is None else self.incumbent.objective
        if self.phase is not None:
            self.model.report(self.phase, best, min(best, bound))

    @property
    def result(self) -> SolveResult | None:
        """The incumbent as a solver of integer programmes would return it; None where a few branches prove nothing."""
        if self.bound == -math.inf:
            return None
        if self.incumbent is None or self.incumbent.objective >= self.cutoff:
            return SolveResult("infeasible", None, math.inf, self.cutoff, None)
        return replace(self.incumbent, status="optimal", bound=min(self.bound, self.incumbent.objective))

    @property
    def integers(self) -> Vector:
        """Those of the incumbent."""
        assert self.incumbent is not None
        assert self.incumbent.values is not None
        return self.incumbent.values[self.model.model.integers]

    @property
    def _target(self) -> float:
        """Plans that cost this or more are of no use, or not noticeably better than the incumbent."""
        if self.incumbent is None:
            return self.cutoff
        best = self.incumbent.objective
        return min(self.cutoff, best - max(self.model.noticeable(best), ROUNDING * abs(best)))

    def _branch(self, root: Branch) -> float:
        """The least cost of a closed branch; −∞ where branches are left open."""
        bound, solved, left = math.inf, 0, [root]
        while left:
            branch = left.pop()
            relaxation = branch.relaxation or self._solve(branch.decided)
            solved += branch.relaxation is None
            # Each branch that is left takes a solve.
            if solved + len(left) > MOST_BRANCHES:
                return -math.inf
            if relaxation.status == "infeasible":
                continue
            if relaxation.status != "optimal" or relaxation.values is None:
                return -math.inf
            option = self._fractional(relaxation.values, branch.decided)
            if relaxation.objective < self._target and option is None:
                self._accept(self.model.solve_rounded(relaxation.values))
            if relaxation.objective >= self._target:
                bound = min(bound, relaxation.objective)
            elif option is None:
                return -math.inf
            else:
                left += self._children(branch, option, relaxation.values)
        return bound

    def _children(self, branch: Branch, option: int, values: Vector) -> list[Branch]:
        """Both decisions on an option; the nearer one comes last and is solved first: it leads to plans."""
        is_near = bool(values[self._by[option][-1]] > 0.5)
        return [Branch({**branch.decided, option: opens}) for opens in (not is_near, is_near)]

    def _solve(self, decided: Mapping[int, bool]) -> SolveResult:
        self.model.release_integers()
        for option, is_opened in decided.items():
            by = self._by[option]
            self.model.model.bound(by[-1:] if is_opened else by, float(is_opened), float(is_opened))
        return self.model.solve_relaxed()

    def _fractional(self, values: Vector, decided: Mapping[int, bool]) -> int | None:
        """The option whose opening is most fractional; None where all are whole."""
        last = np.array([values[by[-1]] for by in self._by])
        distance = np.minimum(last, 1.0 - last)
        distance[list(decided)] = 0.0
        return int(np.argmax(distance)) if distance.max(initial=0.0) > INTEGRALITY else None

    def _accept(self, result: SolveResult | None) -> None:
        """Keep a plan with whole numbers that is cheaper than the incumbent."""
        if result is not None and (self.incumbent is None or result.objective < self.incumbent.objective):
            self.incumbent = result
