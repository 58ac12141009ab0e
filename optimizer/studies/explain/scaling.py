"""The highest common scaling of the floors of an instance that does not survive.

It is one programme with the scaling as a variable:

    μ   loss   share   of every floor, 0 … 1: floors are kept at (1 − μ)·φ; minimised

    floor   u − v ≤ (1 − φ)·D + φ·D·μ      in shocks, and under rules about time to survive

It is solved by constraint generation: the plan is evaluated in the other shocks with floors at (1 − μ)·φ, and those
that are violated are added.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import ProblemVariant, generate_constraints
from optimizer.algorithms.reading import plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation import Violation, select_most_violated
from optimizer.disruptions.shock import Shock
from optimizer.formulation import Writer
from optimizer.instance.schema import Instance
from optimizer.instance.variants import with_floors
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.results.plan import Plan
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import SAME_VALUE

# Shocks that the model holds at the start, and that are added in a round.
FIRST, MORE = 8, 4


@dataclass(frozen=True)
class Scaling:
    """The highest common scaling of the floors."""

    # What every floor is multiplied by; None if there is no plan even without floors, or none was found.
    factor: float | None
    most: float = 1.0  # the proven upper bound of the factor
    plan: Plan | None = None  # a plan that keeps the scaled floors


def highest_scaling(instance: Instance, solver: WhatIfSolver, first: Sequence[str]) -> Scaling:
    """The highest factor at which all floors can be kept, by the policy of the instance."""
    search = _ScalingSearch(instance, solver, first)
    found = generate_constraints(search.solve, search.separate, search.add, solver.clock)
    # A factor that was not tried in every shock is none.
    return found or replace(search.outcome, factor=None, plan=None)


class _ScalingSearch:
    """The three steps of constraint generation; `outcome` is what is known where the search ends early."""

    def __init__(self, instance: Instance, solver: WhatIfSolver, first: Sequence[str]) -> None:
        events = {event.name: event for event in instance.events}
        self.instance, self.solver, self.writer = instance, solver, Writer(instance)
        self.held = [events[name] for name in first[:FIRST] if name in events]
        self.outcome = Scaling(None)

    def solve(self) -> Scaling | None:
        """The highest scaling under the shocks that are held; None where the search ends."""
        settings, clock, listener = self.solver.settings, self.solver.clock, self.solver.listener
        problem = ProblemVariant(_loss, (_loosen,), "share that floors lose")
        model = ShockModel(self.instance, self.held, settings, clock, listener, self.writer, problem)
        solved, self.outcome = model.minimise_cost(), Scaling(None)
        if solved is None or solved.values is None or solved.status == "infeasible":
            return None
        self.outcome = Scaling(None, 1.0 - float(np.clip(solved.bound, 0.0, 1.0)))
        if solved.notes and solved.status == "stopped":
            return None
        plan = read_plan(self.instance, solved.builder, solved.values.tolist())
        return replace(self.outcome, factor=1.0 - float(np.clip(solved.cost, 0.0, 1.0)), plan=plan)

    def separate(self, found: Scaling) -> list[Violation]:
        """The other shocks in which the plan does not keep the scaled floors."""
        assert found.factor is not None
        assert found.plan is not None
        scaled = with_floors(self.instance, factor=max(0.0, found.factor - SAME_VALUE))
        evaluator, names = RecourseEvaluator(scaled), {shock.name for shock in self.held}
        values = plan_values(scaled, found.plan, evaluator.subproblems.plan)
        known = [number for number, event in enumerate(self.instance.events) if event.name in names]
        violated = evaluator.gaps(values, self.solver.clock, known).violated
        evaluator.close()
        return [Violation(self.instance.events[number], gap) for number, gap in violated.items()]

    def add(self, violated: Sequence[Violation]) -> None:
        """Hold some more shocks."""
        self.held.extend(select_most_violated(violated, MORE))


def _loss(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    return Expression({builder.column_index()["", "question", "loss"][0]: 1.0})


def _loosen(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
    """Loosen the row of every floor by what the scaling takes off it."""
    column = next(iter(builder.variable("question", "loss", 0, unit="1", upper=1.0).terms))
    paths = {shock.name: instance.path(shock) for shock in shocks} | dict(instance.survival_rules)
    for i, row in enumerate(builder.rows):
        if row.mark.what == "floor" and row.mark.path in paths and row.t is not None:
            path, d = paths[row.mark.path], row.mark.owner
            lost = path.floor_at(d, row.t) * path.demand_at(d, row.t)
            builder.rows[i] = replace(row, terms={**row.terms, column: -lost})
