"""The integers, where a relaxation leaves few of them open: rounding it gives a plan, a few branches prove it.

A relaxation opens most options wholly or not at all. Rounded, and solved again, it is a plan. Then what it leaves open
is asked, an option at a time: what if it is **never** opened, what if it **is** at some time? Each branch is the same
linear programme with other bounds, warm from the one before; it is closed where it leads to nothing noticeably cheaper
than the plan. A solver of integer programmes does the same, after preparations that take longer than all of this; it is
the one to ask where a few branches do not suffice.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.solver import SolveResult, Vector
from optimizer.tolerances import INTEGRALITY, ROUNDING

# So many branches are asked, and no more.
MOST = 12


@dataclass(frozen=True)
class Branch:
    """What is decided of some options, by their number: whether they are ever opened. What is known of it, if asked."""

    decided: Mapping[int, bool] = field(default_factory=dict)
    answer: SolveResult | None = None


class Branching:
    """The plan that a relaxation leads to.

    Args:
        run: whose model is asked; its integers are free before and after. What it starts from, if anything, counts too.
        loose: the relaxation's answer.
        phase: what the steps are called in the history; None where they are nobody's concern.
        limit: what a plan has to be cheaper than to be of use.

    Attributes:
        best: the cheapest with whole numbers so far; None before there is one.
        bound: what no plan costs less than, near enough to the best; −∞ where a few branches did not show that.
    """

    def __init__(
        self, run: ScenarioModel, loose: SolveResult, phase: str | None = None, limit: float = math.inf
    ) -> None:
        self.run, self.model, self.phase, self.limit = run, run.model, phase, limit
        self.best: SolveResult | None = None
        found = run.stage.found()
        self._by = [list(columns.values()) for (path, _, what), columns in found.items() if what == "by" and not path]
        assert loose.values is not None
        self._tell(loose.objective)
        self._take(run.started())
        self._take(run.rounded(loose.values))
        self._tell(loose.objective)
        self.bound = self._branched(Branch(answer=loose)) if math.isfinite(self._cutoff) else -math.inf
        self._tell(max(self.bound, loose.objective))
        run.unfix()

    def _tell(self, bound: float) -> None:
        best = math.inf if self.best is None else self.best.objective
        if self.phase is not None:
            self.run.tell(self.phase, best, min(best, bound))

    @property
    def answer(self) -> SolveResult | None:
        """The best, as a solver of integer programmes would tell it; None where a few branches did not show that."""
        if self.bound == -math.inf:
            return None
        if self.best is None or self.best.objective >= self.limit:
            return SolveResult("infeasible", None, math.inf, self.limit, None)
        return replace(self.best, status="optimal", bound=min(self.bound, self.best.objective))

    @property
    def integers(self) -> Vector:
        """Those of the best."""
        assert self.best is not None
        assert self.best.values is not None
        return self.best.values[self.model.integers]

    @property
    def _cutoff(self) -> float:
        """What a plan has to be cheaper than to be of use, and noticeably better than the best."""
        if self.best is None:
            return self.limit
        best = self.best.objective
        noticeably = self.run.settings.slack(best) if self.run.aim == "cost" else self.run.settings.gap * abs(best)
        return min(self.limit, best - max(noticeably, ROUNDING * abs(best)))

    def _branched(self, root: Branch) -> float:
        """The least that a closed branch costs."""
        bound, asked, left = math.inf, 0, [root]
        while left:
            branch = left.pop()
            answer = branch.answer or self._asked(branch.decided)
            asked += branch.answer is None
            if answer.status == "infeasible":
                continue
            if answer.status != "optimal" or answer.values is None or asked > MOST:
                return -math.inf
            undecided = self._undecided(answer.values, branch.decided)
            if answer.objective < self._cutoff and undecided is None:
                self._take(self.run.rounded(answer.values))
            if answer.objective >= self._cutoff:
                bound = min(bound, answer.objective)
            elif undecided is None:
                return -math.inf
            else:
                # The nearer one comes first: it leads to plans.
                is_near = bool(answer.values[self._by[undecided][-1]] > 0.5)
                left += [Branch({**branch.decided, undecided: is_it}) for is_it in (not is_near, is_near)]
        return bound

    def _asked(self, decided: Mapping[int, bool]) -> SolveResult:
        self.run.unfix()
        for option, is_opened in decided.items():
            by = self._by[option]
            self.model.bound(by[-1:] if is_opened else by, float(is_opened), float(is_opened))
        return self.model.solve(relaxed=True)

    def _undecided(self, values: Vector, decided: Mapping[int, bool]) -> int | None:
        """The option that is furthest from being opened or not; None where all are near."""
        last = np.array([values[by[-1]] for by in self._by])
        open_ = np.minimum(last, 1.0 - last)
        open_[list(decided)] = 0.0
        return int(np.argmax(open_)) if open_.max(initial=0.0) > INTEGRALITY else None

    def _take(self, answer: SolveResult | None) -> None:
        """A plan with whole numbers, where it is cheaper than the best."""
        if answer is not None and (self.best is None or answer.objective < self.best.objective):
            self.best = answer
