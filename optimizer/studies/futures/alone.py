"""One of several futures by itself, as a task that may run in another process."""

import math
from dataclasses import dataclass, replace

from optimizer.algorithms.executor import Memory
from optimizer.algorithms.joint_recourse import clock_of_task, evaluator_in_worker, kept_instances
from optimizer.algorithms.reading import read_plan
from optimizer.algorithms.solving import best_plan
from optimizer.algorithms.strategy import SearchResult
from optimizer.instance.schema import Instance
from optimizer.progress import Progress, ignore
from optimizer.results.plan import Plan
from optimizer.solver import Settings

# Where a worker keeps who listens to its tasks, if it is this process.
LISTENER = "listener"


@dataclass(frozen=True)
class Alone:
    """The best plan of one future by itself.

    Attributes:
        cost, bound: its cost with the price of its gap, and a proven lower bound; money.
        gap: its survival gap.
        plan: None where none was found; there is none unless the search was stopped.
        shocks: names of those that its model held.
        is_stopped: whether its search ended before the proof.
    """

    cost: float = math.inf
    bound: float = -math.inf
    gap: float = 0.0
    plan: Plan | None = None
    shocks: frozenset[str] = frozenset()
    is_stopped: bool = False

    @classmethod
    def of(cls, instance: Instance, solved: SearchResult) -> "Alone":
        """What a search found in a future."""
        if solved.values is None:
            return cls(is_stopped=solved.status == "stopped")
        priced = (instance.policy.gap_price or 0.0) * solved.gap
        plan = read_plan(instance, solved.builder, solved.values.tolist())
        shocks = frozenset(path for path, _, _ in solved.builder.column_index())
        stopped = solved.status == "stopped"
        return cls(solved.cost + priced, solved.bound + priced, solved.gap, plan, shocks, stopped)


def solve_alone(memory: Memory, number: int, name: str, settings: Settings, until: float | None) -> Alone:
    """A task: one future by itself, judged by its expected cost."""

    def report(step: Progress) -> None:
        memory.get(LISTENER, ignore)(replace(step, phase=f"{name} alone, {step.phase}"))

    with clock_of_task(memory, until) as clock:
        if clock.is_over:
            return Alone(is_stopped=True)
        (kept,) = kept_instances(memory, (number,))
        instance = kept.by_expected_cost()
        evaluator = evaluator_in_worker(memory, kept, (number,))
        return Alone.of(instance, best_plan(instance, settings, clock, report, evaluator=evaluator))
