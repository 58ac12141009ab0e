"""Which strategy suits an instance; the decompositions are imported where they are chosen, for most need none."""

from collections.abc import Sequence

from optimizer.algorithms.extensive_form import ExtensiveForm
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.strategy import ProblemVariant, Strategy
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.solver.base import StrategyName

# Up to so many shocks the extensive form is small; with probabilities, up to so many periods of shocks in all. There,
# Benders decomposition takes as long for CVaR and the largest cost; a third of the time at 240 periods, a sixth at 470.
FEW_FLOORS, FEW_PERIODS = 8, 60


def choose_strategy(
    name: StrategyName,
    instance: Instance,
    evaluator: RecourseEvaluator | None = None,
    first: frozenset[str] = frozenset(),
    plans: tuple[Plan, ...] = (),
    least_costs: tuple[float, ...] = (),
    alone: tuple[Plan, ...] = (),
) -> Strategy:
    """The strategy of a name.

    ``auto`` takes the extensive form for a handful of shocks, or for shocks with probabilities that last few periods in
    all; else constraint generation, which turns to Benders decomposition where every shock counts.

    Args:
        name, instance: the name, and the instance to be solved.
        evaluator: one that is already warm.
        first: names of shocks that are likely to be violated. plans: by future, to start from. Both come from a problem
            that was solved before.
        least_costs: of the futures alone, for regret. alone: their best plans.
    """
    problem = ProblemVariant(least_costs=least_costs)
    if name == "whole" or (name == "auto" and _is_small(instance)):
        return ExtensiveForm(problem)
    from optimizer.algorithms.benders import Benders
    from optimizer.algorithms.constraint_generation import ConstraintGeneration, is_estimable

    if name == "cuts" and is_estimable(instance):
        return Benders(evaluator=evaluator, problem=problem)
    return ConstraintGeneration(evaluator=evaluator, first=first, plans=plans, alone=alone, problem=problem)


def _is_small(instance: Instance) -> bool:
    events: Sequence[Shock] = instance.tree.events
    if any(shock.probability > 0 for shock in events):
        return sum(len(shock.periods) for shock in events) <= FEW_PERIODS
    return len(events) <= FEW_FLOORS
