"""The plan that others are compared with, its cost proven to a share of the price of survival."""

import math
from collections.abc import Callable
from dataclasses import replace

from optimizer.algorithms.base import Listener
from optimizer.algorithms.recourse import Responder
from optimizer.instance.schema import Instance
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings
from optimizer.studies.frontier import biting
from optimizer.studies.measure import Measure, no_shock_cost
from optimizer.studies.solve import solve


def proven(
    instance: Instance,
    settings: Settings,
    first: Settings,
    responder: Responder,
    clock: Clock,
    listener: Listener,
    notes: tuple[str, ...] = (),
    near: Callable[[Measure], float] = lambda measure: math.inf,
) -> tuple[Result, Measure | None]:
    """The best plan of an instance, and what its cost is measured by.

    The measure is known with a first plan; where that is not proven to the tolerance, it is solved for again, from that
    plan and the shocks that shape it.

    Args:
        instance: the instance, under its budget.
        settings: `gap` is the share of the measure to which the cost is proven.
        first: the settings of the first search.
        responder, clock, listener, notes: as for `solve`.
        near: money to which the cost is proven at least, of a measure.

    Returns:
        The plan; the measure is None where there is no plan.

    Raises:
        AuditError: the plan and its figures disagree.
        SolverError: the solver failed.
    """
    found = solve(instance, None, first, listener, notes, responder=responder, clock=clock)
    if found.baseline is None:
        return found, None
    least = no_shock_cost(instance, settings, clock)
    measure = Measure.of(found.total_cost, least, settings.gap, found.survival_gap)
    needed = measure.nearer(near(measure))
    if found.status == "stopped" or clock.is_over or needed.is_proven(found):
        return found, measure
    again = solve(
        instance,
        None,
        replace(needed.settings(settings), gap=min(first.gap, settings.gap)),
        listener,
        notes,
        responder=responder,
        first=frozenset(biting(found)),
        plan=found.plan,
        clock=clock,
    )
    found = again if again.status == found.status else found
    return found, Measure.of(found.total_cost, least, settings.gap, found.survival_gap)
