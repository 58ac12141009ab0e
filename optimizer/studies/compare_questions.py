"""What a comparison asks, each a question that one process answers by itself (`algorithms.question_pool`).

best     the best plan of an instance, audited
least    the least outlay at which every floor is kept in every shock
alone    the same where only one shock may come, for some of the shocks
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.base import Listener, Step
from optimizer.algorithms.extensive_form import Run
from optimizer.algorithms.question import Question, outlay
from optimizer.algorithms.question_pool import Desk
from optimizer.algorithms.reading import plan_values
from optimizer.instance.edits import with_budget
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies.solve import solve
from optimizer.studies.what_if import Asker, Found

# How near the least outlays are proven: what is called exact.
EXACT = 1e-6
LEAST = Question(objective=outlay, name="outlay")


@dataclass(frozen=True)
class Alone:
    """The least outlay at which one shock is survived, were it the only one that may come.

    Attributes:
        status: ``optimal``, ``stopped``, or ``infeasible``: no outlay is enough.
        outlay, bound: money, as found and its proven lower bound; None where there is none.
    """

    shock: str
    status: Literal["optimal", "stopped", "infeasible"]
    outlay: float | None
    bound: float | None


def best(
    desk: Desk, instance: Instance, settings: Settings, first: frozenset[str] = frozenset(), plan: Plan | None = None
) -> Result:
    """The best plan of an instance, from shocks that are likely to bite and a plan to start from."""
    with _clock(desk, settings) as clock:
        responder = _asker(desk, instance, settings).responder(instance)
        return solve(
            instance, None, settings, _listener(desk), responder=responder, first=first, plan=plan, clock=clock
        )


def least(
    desk: Desk, instance: Instance, settings: Settings, first: frozenset[str] = frozenset(), plan: Plan | None = None
) -> Found:
    """The least outlay at which every floor is kept, whatever the budget.

    Where it was stopped, its plan may not keep them: then the gap that it leaves is that of the answer.
    """
    free, exact = with_budget(instance, None), _exact(settings)
    with _clock(desk, settings) as clock:
        asker = _asker(desk, instance, settings)
        asker.clock, asker.listener = clock, _listener(desk)
        asker.learn(plan or Plan(), first)
        found = asker.ask(free, LEAST, exact)
        if found.status != "stopped" or not np.isfinite(found.value):
            return found
        responder = asker.responder(free)
        left = responder.gaps(plan_values(free, found.plan, responder.desk.plan), clock)
        return replace(found, gap=max(found.gap, float(left.gap.sum())))


def hurting(desk: Desk, instance: Instance, settings: Settings) -> tuple[str, ...]:
    """The shocks that are not survived where nothing is built, the worst first."""
    gap = _asker(desk, instance, settings).responder(instance).idle(Clock()).gap
    worst = sorted(np.flatnonzero(gap > 0.0).tolist(), key=lambda number: -gap[number])
    return tuple(instance.events[number].name for number in worst)


def alone(desk: Desk, instance: Instance, settings: Settings, names: Sequence[str]) -> list[Alone]:
    """The least outlay for each of some shocks alone; of no name at all, for none to come."""
    free, exact = with_budget(instance, None), _exact(settings)
    writer, found = formulation.Writer(free), list[Alone]()
    with _clock(desk, settings) as clock:
        for name in names:
            if clock.is_over:
                break
            shocks = [free.event(name)] if name else []
            solved = Run(free, shocks, exact, clock, _listener(desk), writer, LEAST).kept()
            if solved is None or solved.status == "infeasible":
                found.append(Alone(name, "infeasible", None, None))
            elif solved.values is not None and solved.gap <= 0:
                found.append(Alone(name, solved.status, max(0.0, solved.cost), _finite(solved.bound)))
    return found


def _exact(settings: Settings) -> Settings:
    return replace(settings, gap=min(settings.gap, EXACT), tolerance=None)


def _finite(bound: float) -> float | None:
    return max(0.0, bound) if np.isfinite(bound) else None


def _asker(desk: Desk, instance: Instance, settings: Settings) -> Asker:
    """The one of this process; its programmes of the shocks stay warm."""
    if "asker" not in desk:
        desk["asker"] = Asker(instance, settings)
    asker: Asker = desk["asker"]
    return asker


def leave(desk: Desk) -> None:
    """Let those go who answered for the shocks."""
    if "asker" in desk:
        desk.pop("asker").__exit__()


def _listener(desk: Desk) -> Listener:
    listener: Listener = desk.get("listener", _silent)
    return listener


def _silent(step: Step) -> None:
    """Nobody listens in another process."""


@contextlib.contextmanager
def _clock(desk: Desk, settings: Settings) -> Iterator[Clock]:
    """The time of one question. Where it is this process that hears Ctrl-C, all questions end with it."""
    clock = Clock(settings.time_limit)
    with interruptible(clock, lambda: _listener(desk)(Step("stopping", 0.0))):
        yield clock
    if clock.interrupted and "clock" in desk:
        desk["clock"].interrupted = True
