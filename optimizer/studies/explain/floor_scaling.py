"""The highest common scaling of the floors that a budget allows: one programme in which the scaling is a variable.

    μ   loss   share   of every floor, 0 … 1: floors are kept at (1 − μ)·φ

    floor   u − v ≤ (1 − φ)·D + φ·D·μ      in shocks, and under rules about time to survive

Minimised is μ, with few shocks written out; the plan found is put to all the others with floors at (1 − μ)·φ, and those
that it does not survive are written out as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.algorithms.extensive_form import Run
from optimizer.algorithms.question import Question
from optimizer.algorithms.reading import plan_values, read_plan
from optimizer.algorithms.recourse import Responder
from optimizer.algorithms.separation.listed import worst
from optimizer.disruptions.shock import Shock
from optimizer.formulation import Writer
from optimizer.instance.edits import with_floors
from optimizer.instance.schema import Instance
from optimizer.model.builder import Stage
from optimizer.model.expressions import Expression
from optimizer.results.plan import Plan
from optimizer.studies.what_if import Asker

# Shocks that are written out at the start, and more of them in a round.
FIRST, MORE = 8, 4
# Below this difference of scaling, shocks are survived.
GRAIN = 1e-6


@dataclass(frozen=True)
class Scaling:
    """The highest common scaling of the floors.

    Attributes:
        factor: of every floor; None where no plan exists even without floors, or none was found in time.
        most: proven: no higher one can be kept.
        plan: that keeps it.
    """

    factor: float | None
    most: float = 1.0
    plan: Plan | None = None


def highest_scaling(instance: Instance, asker: Asker, first: Sequence[str]) -> Scaling:
    """The highest factor at which all floors can be kept, by the policy of the instance.

    Args:
        instance: the instance.
        asker: whose settings, clock and listener are used.
        first: names of shocks, those that are hardest to survive at the start.
    """
    names = {event.name: n for n, event in enumerate(instance.events)}
    written = [names[name] for name in first[:FIRST] if name in names]
    writer = Writer(instance)
    while True:
        shocks = [instance.events[n] for n in written]
        question = Question(_loss, (_loosen,), "share that floors lose")
        run = Run(instance, shocks, asker.settings, asker.clock, asker.listener, writer, question)
        solved = run.kept()
        if solved is None or solved.values is None or solved.status == "infeasible":
            return Scaling(None)
        plan = read_plan(instance, solved.stage, solved.values.tolist())
        factor = 1.0 - float(np.clip(solved.cost, 0.0, 1.0))
        most = 1.0 - float(np.clip(solved.bound, 0.0, 1.0))
        if solved.notes and solved.status == "stopped":
            return Scaling(None, most)
        violated = _violated(with_floors(instance, factor=max(0.0, factor - GRAIN)), plan, asker, written)
        if not violated:
            return Scaling(factor, most, plan)
        if asker.clock.is_over:
            return Scaling(None, most)
        written += worst(instance.events, violated, MORE)


def _violated(scaled: Instance, plan: Plan, asker: Asker, written: Sequence[int]) -> dict[int, float]:
    """By number, the gaps of the shocks that a plan does not survive and that are not written out."""
    responder = Responder(scaled)
    checked = responder.gaps(plan_values(scaled, plan, responder.desk.plan), asker.clock, written)
    responder.close()
    return checked.violated


def _loss(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    return Expression({_column(stage): 1.0})


def _column(stage: Stage) -> int:
    return stage.found()["", "question", "loss"][0]


def _loosen(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> None:
    """Every floor's row with what it loses."""
    column = next(iter(stage.variable("question", "loss", 0, unit="1", upper=1.0).terms))
    paths = {shock.name: instance.path(shock) for shock in shocks} | dict(instance.rules)
    for i, row in enumerate(stage.rows):
        if row.mark.what == "floor" and row.mark.path in paths and row.t is not None:
            path, d = paths[row.mark.path], row.mark.owner
            lost = path.floor_at(d, row.t) * path.demanded(d, row.t)
            stage.rows[i] = replace(row, terms={**row.terms, column: -lost})
