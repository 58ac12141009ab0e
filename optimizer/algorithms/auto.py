"""Which strategy fits an instance."""

from optimizer.algorithms.base import Strategy
from optimizer.algorithms.benders import Cuts
from optimizer.algorithms.constraint_generation import Scenarios
from optimizer.algorithms.extensive_form import Whole
from optimizer.algorithms.recourse import Responder
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.solver.base import StrategyName

# Up to so many shocks the whole model is small.
HANDFUL = 8
# With probabilities, or where floors fail, every shock counts: the whole model is no larger than its shocks make it.
PERIODS = 60


def chosen(
    name: StrategyName,
    instance: Instance,
    responder: Responder | None = None,
    first: frozenset[str] = frozenset(),
    plan: Plan | None = None,
) -> Strategy:
    """The strategy of a name.

    `first` are shocks that are known to bite, `plan` is one to start from: those of a question that was asked before.

    ``auto`` takes the whole model for a handful of shocks, or for shocks with probabilities that last few periods in
    all; else scenarios, which turn to cuts where every shock counts.
    """
    if name == "whole" or (name == "auto" and _is_small(instance)):
        return Whole()
    return Cuts(responder=responder) if name == "cuts" else Scenarios(responder=responder, first=first, plan=plan)


def _is_small(instance: Instance) -> bool:
    events = instance.events
    if any(shock.probability > 0 for shock in events):
        return sum(len(shock.periods) for shock in events) <= PERIODS
    return len(events) <= HANDFUL
