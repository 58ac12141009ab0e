"""What-ifs for an explanation: a solver with a time limit for each, what an answer proves, and annual budgets.

`least_added` is the least that has to come on top of the budget of each year; every other rule holds, the budget of all
years together included.

    x     added   money   in each year, on top of its budget; minimised

    annual_budget   outlay_y ≤ B_y + x      of every year y
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from optimizer.algorithms.reading import plan_values
from optimizer.algorithms.strategy import LEAST_COST, ProblemVariant, Rows, size
from optimizer.disruptions.shock import Shock
from optimizer.instance.edits import with_budget, with_only_shocks, with_single_events
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.progress import Progress
from optimizer.solver import Settings
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver
from optimizer.tolerances import ROUNDING
from optimizer.units import Series

# After so many seconds a single what-if is given up.
WHAT_IF_SECONDS = 120.0
# Whether something can be survived at all, as long as its price does not matter.
FEASIBILITY_GAP = 0.05


@dataclass(frozen=True)
class Tried:
    """The answer to whether some plan survives, and the plan that was found.

    Attributes:
        holds: whether some plan keeps every floor; None if the time ran out before that was known.
        found: what the solver found.
    """

    holds: bool | None
    found: WhatIfResult

    @property
    def is_proven(self) -> bool:
        """Whether no plan survives, or the plan found is proven least to the gap."""
        return self.holds is False or (self.holds is True and self.found.status == "optimal")


class WhatIfs:
    """Solves what-ifs one after the other, each for at most `each` seconds.

    Args:
        instance: the instance that is explained, with its budget.
        solver: solves the what-ifs.
        each: time limit of a single what-if, seconds.

    Attributes:
        blocking: names of shocks that are known not to be survived. A model that holds them alone is small, and mostly
            enough to prove that nothing survives; none where none are known.
    """

    def __init__(self, instance: Instance, solver: WhatIfSolver, each: float = WHAT_IF_SECONDS) -> None:
        self.instance, self.solver, self.each = instance, solver, each
        self.apart = with_single_events(instance)
        self.blocking = frozenset[str]()

    @property
    def is_over(self) -> bool:
        """Whether there is no time left for another question."""
        return self.solver.clock.is_over

    def report(self, task: str, done: int = 0, total: int = 0) -> None:
        """Report which question is being answered."""
        self.solver.listener(Progress(task=task, done=done, total=total))

    def ask(
        self,
        words: str,
        variant: Instance | None = None,
        problem: ProblemVariant = LEAST_COST,
        settings: Settings | None = None,
        bound: float = -math.inf,
        first: frozenset[str] | None = None,
    ) -> WhatIfResult:
        """Solve a variant. `words` name the question to the listener; `bound`, `first` as for `WhatIfSolver.ask`."""
        self.report(words)
        return self.solver.ask(variant or self.instance, problem, settings, self.each, bound, first)

    def solve_survivable(
        self,
        words: str,
        variant: Instance | None = None,
        rows: tuple[Rows, ...] = (),
        gap: float | None = None,
        bound: float = -math.inf,
    ) -> Tried:
        """Whether some plan of a variant keeps every floor, and the cheapest one that does.

        No gap may be paid for, whatever its price. `bound` is a lower bound on its cost that is proven.
        """
        settings = self.solver.settings if gap is None else replace(self.solver.settings, gap=gap, tolerance=None)
        instance = without_gap_price(variant or self.instance)
        problem = ProblemVariant(rows=rows, name="cost of a what-if")
        return self.judge(instance, self.ask(words, instance, problem, settings, bound, self.blocking or None))

    def judge(self, instance: Instance, found: WhatIfResult) -> Tried:
        """Whether an answer means survival. A plan from a search that was stopped is evaluated in every shock."""
        if found.status == "infeasible":
            return Tried(False, found)
        if found.status == "optimal":
            return Tried(found.survives, found)
        if not math.isfinite(found.cost):
            return Tried(None, found)
        evaluator = self.solver.evaluator(instance)
        gaps = evaluator.gaps(plan_values(instance, found.plan, evaluator.subproblems.plan), self.solver.clock)
        return Tried(None if np.any(gaps.fails) else True, found)


def least_passing(
    test: Callable[[int], bool | None], low: int, high: int, guess: int | None = None
) -> tuple[int, bool]:
    """The least whole number above `low` that passes a test which `low` fails and `high` passes.

    The test is taken to be monotone. If there is a guess, it and the number below it are tried first.

    Returns:
        The least number known to pass, and whether the one below it is known to fail.
    """
    probes = [] if guess is None else [guess, guess - 1]
    unknown = False
    while high - low > 1:
        at = next((probe for probe in probes if low < probe < high), (low + high) // 2)
        probes = [probe for probe in probes if probe != at]
        passes = test(at)
        unknown = unknown or passes is None
        low, high = (low, at) if passes else (at, high)
    return high, not unknown


# Which budget is too small for the least that can be bought of an option.
BudgetBarrier = Literal["none", "total", "annual"]


def without_gap_price(instance: Instance) -> Instance:
    """The same instance with every floor to be kept, whatever a gap costs."""
    if instance.policy.gap_price is None:
        return instance
    return instance.replacing(policy=instance.policy.model_copy(update={"gap_price": None}))


def without_annual_budget(instance: Instance) -> Instance:
    """The same instance without an annual budget."""
    return with_years(instance, None)


def without_budgets(instance: Instance) -> Instance:
    """The same instance without any budget."""
    return without_annual_budget(with_budget(instance, None))


def with_added(instance: Instance, added: float) -> Instance:
    """The same instance with `added` more money, USD, in the budget of each year."""
    given = instance.policy.annual_budget
    assert given is not None
    return with_years(instance, Series(tuple((year, value + added) for year, value in given.points)))


def with_years(instance: Instance, years: Series | None) -> Instance:
    """The same instance with another annual budget."""
    return instance.replacing(policy=instance.policy.model_copy(update={"annual_budget": years}))


def least_added(what: WhatIfs, words: str, instance: Instance, settings: Settings | None = None) -> WhatIfResult:
    """The surviving plan with the least money on top of each year's budget; that money is its `value`."""
    given = instance.policy.annual_budget
    assert given is not None

    def loosen(builder: ModelBuilder, variant: Instance, shocks: Sequence[Shock]) -> None:
        added = builder.variable("question", "added", 0, unit="money")
        for year in variant.horizon.years:
            spent = builder.booked("outlay", year) - added
            builder.require("question", f"annual_budget_{year}", None, spent, "<=", given.at(year), unit="money")

    problem = ProblemVariant(_added_budget, (loosen,), name="what is added in each year")
    return what.ask(words, without_annual_budget(instance), problem, settings)


def _added_budget(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    return Expression({builder.column_index()["", "question", "added"][0]: 1.0})


def barring_budget(what: WhatIfs, instance: Instance, option: str) -> BudgetBarrier | None:
    """Which budget is too small for any size of an option; None if some size can be bought, or money is not the reason.

    Shocks are left out, because whether an option can be paid does not depend on them. The instance has to be
    `WhatIfs.apart`.
    """
    policy = instance.policy
    if getattr(instance.options[option], "budget_share", 1.0) <= 0:
        return None
    if policy.budget == 0.0 or (policy.annual_budget is not None and not any(policy.annual_budget.values)):
        return "none"
    without_shocks = with_only_shocks(instance, ())
    if _can_be_bought(what, without_shocks, option) is not False:
        return None
    if policy.annual_budget is not None and _can_be_bought(what, without_annual_budget(without_shocks), option):
        return "annual"
    return "total" if _can_be_bought(what, without_budgets(without_shocks), option) else None


def _can_be_bought(what: WhatIfs, without_shocks: Instance, option: str) -> bool | None:
    if what.is_over:
        return None
    found = what.ask(
        f"whether {option} can be paid", without_shocks, ProblemVariant(size(option, -1.0), name="its size")
    )
    return None if found.status == "stopped" else found.status == "optimal" and found.value < -ROUNDING
