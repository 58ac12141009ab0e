"""Flows that show what a line says of its shock.

The least gap of a shock and its least cost under a plan are unique; who goes short in which period need not be. Where
the recourse LP finds other flows than those that a line was made from, this LP looks for flows with the figures of the
line: their segments, worst periods, shortages, and nothing worse in any other segment. Whether they show what the line
says, the audit decides.

    Σₜ u[d,t] = shortage                 of each segment that the line names
    u[d,w] = (1 − service)·D[d,w]        w its worst period; and that of the segment whose worst shock this is
    u[d,t] ≤ (1 − φ − margin)·D[d,t]     margin: the least that the line, or the table of services, allows
    u[d,t] ≤ (1 − φ)·D[d,t]              before the first failure
    Σₜ v[d,t] = below floor
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from optimizer.algorithms.reading import read_many
from optimizer.algorithms.recourse import Responder
from optimizer.disruptions.shock import Path, Shock
from optimizer.formulation import recourse_stage
from optimizer.instance.paths import MANY, together
from optimizer.instance.schema import Instance
from optimizer.model.builder import Stage
from optimizer.model.expressions import Expression, total
from optimizer.results.plan import ManyFlows, Outcome, Service, Weakest
from optimizer.solver import Clock, Model, Settings, Vector

# Shares may be off by this much: what a solver calls equal.
SLACK = 1e-9


def witness(
    instance: Instance,
    responder: Responder,
    plan: Vector,
    line: Outcome,
    services: Mapping[str, Weakest],
    clock: Clock,
) -> ManyFlows | None:
    """The cheapest flows with the figures of a line; None where there are none.

    Args:
        instance: the instance.
        responder: of the instance.
        plan: values of the columns of `plan_stage`.
        line: of one shock.
        services: each segment's worst over all shocks.
        clock: counts the solver's seconds.

    Raises:
        SolverError: the solver failed.
    """
    shock = instance.event(line.name)
    # One shock alone: its years are numbers, not arrays.
    years = tuple(map(instance.horizon.year, shock.periods))
    path = replace(together(instance, [shock]), years=years)
    stage = recourse_stage(instance, path, responder.desk.plan)
    _give(stage, responder, plan, shock)
    for d in instance.demands:
        _Segment(instance, stage, path, shock, d).say(line, services.get(d))
    cost = Expression()
    for (_, k), amount in stage.accounts("operating").items():
        cost.add(amount, instance.discount(shock.periods.start + int(k)))
    answer = Model(stage, cost, Settings(threads=1), clock).solve(relaxed=True)
    if answer.values is None:
        return None
    return read_many(instance, stage.found(), np.array([answer.values]), [shock])


def _give(stage: Stage, responder: Responder, plan: Vector, shock: Shock) -> None:
    """Fix what the plan offers to operation."""
    offers = responder.desk.offers
    offered = offers.of(plan)
    for column in stage.columns:
        if column.given:
            place = offers.first[column.mark.owner, column.mark.what] + shock.periods.start + column.t + 1
            column.lower = column.upper = float(offered[place])


class _Segment:
    """One segment in the window of one shock."""

    def __init__(self, instance: Instance, stage: Stage, path: Path, shock: Shock, d: str) -> None:
        self.stage, self.path, self.d = stage, path, d
        self.labels = [instance.horizon.label(t) for t in shock.periods]
        self.unserved = stage.offered(f"{path.key}/{d}", "unserved")

    def say(self, line: Outcome, worst: Weakest | None) -> None:
        """Write the rows of what is said of the segment."""
        said = line.segments.get(self.d)
        told = said or min(line.segments.values(), key=lambda service: service.margin, default=None)
        named = [(said.worst_period, said.worst_service)] if said else []
        if worst is not None and worst.worst_shock == line.name:
            named.append((worst.worst_period, worst.worst_service))
        failure = self._place(said.first_failure) if said and said.first_failure else 0
        # What is named twice is one row.
        fixed = {self._place(label): served for label, served in named}
        for k, unserved in self.unserved.items():
            asked, floor = self.path.demanded(self.d, k), self.path.floor_at(self.d, k)
            kept = max(_least(told, floor), _least(worst, floor))
            if said is None or k < failure or said.first_failure is None:
                kept = max(kept, 0.0)
            if k in fixed:
                self.stage.require(self.d, "named", k, unserved, "==", (1.0 - fixed[k]) * asked)
            else:
                most = max(0.0, 1.0 - floor - kept + SLACK) * asked
                self.stage.require(self.d, "margin", k, unserved, "<=", most)
        if said is not None:
            self._sums(said)

    def _sums(self, said: Service) -> None:
        self.stage.require(self.d, "shortage", None, total(self.unserved.values()), "==", said.shortage)
        below = self.stage.found().get((MANY, self.d, "below"), {})
        amount = total(Expression({column: 1.0}) for column in below.values())
        self.stage.require(self.d, "below_floor", None, amount, "<=", said.below_floor)

    def _place(self, label: str) -> int:
        """The offset of a period in the window; −1 where it is not in it."""
        return self.labels.index(label) if label in self.labels else -1


def _least(worst: Service | Weakest | None, floor: float) -> float:
    """The least margin that is no worse than what is told; a floor of 0 is compared with such a floor only."""
    if worst is None or (floor <= 0 < worst.floor):
        return -math.inf
    return worst.margin
