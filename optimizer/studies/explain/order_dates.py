"""By when each part of a plan has to be ordered.

as planned   the latest point to which its purchases can be put off while everything else stays as it is
anyhow       the latest point before which nothing of it is bought, and some plan under the budget survives all the same
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.algorithms.question import Rows
from optimizer.algorithms.reading import plan_values
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.levers import Sized
from optimizer.model.builder import Stage
from optimizer.model.expressions import Expression, total
from optimizer.results.plan import Plan
from optimizer.studies.explain.questions import LOOSE, WhatIfs, least

# How far a purchase that stays as it is may be off, relative to the largest.
NEAR = 1e-6


@dataclass(frozen=True)
class Deadline:
    """By when an option has to be ordered.

    Attributes:
        option: which. ordered: the label of its first purchase in the plan.
        as_planned: the latest label while all else stays; None for a stockpile, or where the time ran out.
        anyhow: the latest label at which some plan survives; None where the time ran out, or it can be left out.
        can_be_left_out: whether some plan survives without it; None where that is not known.
    """

    option: str
    ordered: str
    as_planned: str | None = None
    anyhow: str | None = None
    can_be_left_out: bool | None = None


def deadline(what: WhatIfs, plan: Plan, o: str, is_spared: bool | None) -> Deadline:
    """The deadline of something that is bought; `is_spared` where something survives without it."""
    instance, horizon = what.instance, what.instance.horizon
    points = _points(instance, plan, o)
    found = Deadline(o, horizon.label(points[0]), can_be_left_out=is_spared)
    if isinstance(instance.options[o], Sized):
        latest = _as_planned(what, plan, o, points)
        found = replace(found, as_planned=None if latest is None else horizon.label(latest))
    if is_spared is not False:
        return found

    def fails(i: int) -> bool | None:
        if what.is_over:
            return None
        words = f"{o} not before {horizon.label(points[i])}"
        holds = what.survived(words, rows=(not_before(o, points[i]),), gap=LOOSE).holds
        return None if holds is None else not holds

    first, is_known = least(fails, 0, len(points))
    return replace(found, anyhow=horizon.label(points[first - 1]) if is_known else None)


def _points(instance: Instance, plan: Plan, o: str) -> list[int]:
    """When it can be decided, from its first purchase on; of a stockpile, from which years on it can be bought."""
    horizon, option = instance.horizon, instance.options[o]
    if isinstance(option, Sized):
        first = min(build.t for build in plan.builds if build.option == o)
        return [a for a in horizon.decisions if a >= first and option.allows(horizon.year(a))]
    first = next(t for t, fill in enumerate(plan.fills[o]) if fill > 0)
    later = [t for t in horizon.periods if t > first and t % horizon.per_year == 0 and option.allows(horizon.year(t))]
    return [first, *later]


def _as_planned(what: WhatIfs, plan: Plan, o: str, points: Sequence[int]) -> int | None:
    """The latest point to which its purchases can be put off while all else stays."""
    responder = what.asker.responder(what.instance)

    def fails(i: int) -> bool:
        columns = plan_values(what.instance, _put_off(what.instance, plan, o, points[i]), responder.desk.plan)
        return bool(np.any(responder.gaps(columns, what.asker.clock).fails))

    first, _ = least(fails, 0, len(points)) if len(points) > 1 else (1, True)
    for i in range(first - 1, 0, -1):
        if what.is_over:
            return None
        # Budgets and rules of the policy have a say as well.
        moved = _put_off(what.instance, plan, o, points[i])
        words = f"{o} in {what.instance.horizon.label(points[i])}, all else as planned"
        if what.survived(words, rows=(exactly(moved),)).holds:
            return points[i]
    return points[0]


def _put_off(instance: Instance, plan: Plan, o: str, point: int) -> Plan:
    """The plan with everything that it buys of an option before a point bought there instead."""
    horizon = instance.horizon
    early = [build for build in plan.builds if build.option == o and build.t <= point]
    if not early:
        return plan
    size, opened = sum(build.size for build in early), any(build.opened for build in early)
    moved = replace(early[0], t=point, year=horizon.year(point), period=horizon.label(point), size=size, opened=opened)
    return replace(plan, builds=(*(build for build in plan.builds if build not in early), moved))


def not_before(option: str, point: int) -> Rows:
    """A row that keeps an option from being bought before a period."""

    def write(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> None:
        early = [Expression({column: 1.0}) for t, column in _purchases(stage, instance, option).items() if t < point]
        if early:
            stage.require("question", f"{option}_not_before", None, total(early), "<=", 0.0)

    return write


def exactly(plan: Plan) -> Rows:
    """Rows that hold every purchase of a plan, within a millionth of the largest of its option."""

    def write(stage: Stage, instance: Instance, shocks: Sequence[Shock]) -> None:
        for o in instance.options:
            planned = {build.t: build.size for build in plan.builds if build.option == o}
            planned |= dict(enumerate(plan.fills.get(o, ())))
            near = NEAR * max(planned.values(), default=0.0)
            for t, column in _purchases(stage, instance, o).items():
                size, bought = planned.get(t, 0.0), Expression({column: 1.0})
                stage.require("question", f"{o}_at_most", t, bought, "<=", size + near if size > 0 else 0.0)
                if size > 0:
                    stage.require("question", f"{o}_at_least", t, bought, ">=", size - near)

    return write


def _purchases(stage: Stage, instance: Instance, option: str) -> dict[int, int]:
    """The columns of what is bought of an option, by period."""
    what = "size" if isinstance(instance.options[option], Sized) else "fill"
    return dict(stage.found().get(("", option, what), {}))
