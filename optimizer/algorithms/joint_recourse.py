"""Recourse in the shocks of several futures: the evaluators of the futures behind the interface of one.

A plan is a vector of the columns of `joint_first_stage_model`, of which each future reads its own part. Shocks are
indexed as in `FutureTree.events`. All evaluators share one executor. Searches of whole futures run on it
too or, where it has one process and they take long, in processes of their own.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.executor import DaskExecutor, Executor, ProcessExecutor, SerialExecutor, size_for
from optimizer.algorithms.reading import own_columns, plan_values
from optimizer.algorithms.recourse import (
    SUBPROBLEMS,
    BaseEvaluator,
    Evaluator,
    RecourseEvaluator,
    recourse_executor,
    setup_of,
)
from optimizer.algorithms.subproblems import BatchResponse, RecourseTask, ShockBatch, ShockGaps, Subgradients
from optimizer.algorithms.workers import Memory, Task
from optimizer.errors import WorkerError
from optimizer.formulation import joint_first_stage_model
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.solver.base import Clock, Integers, Vector


def evaluator_of(instance: Instance, executor: Executor | None = None) -> Evaluator:
    """Return the evaluator of an instance with one or several futures."""
    executor = executor or recourse_executor(instance, 1)
    return RecourseEvaluator(instance, executor) if instance.tree.is_single else JointEvaluator(instance, executor)


def kept_instances(memory: Memory, numbers: Sequence[int]) -> list[Instance]:
    """Return the instances of futures from a worker's memory, for a task."""
    return [memory[SUBPROBLEMS][number].instance for number in numbers]


def evaluator_in_worker(memory: Memory, instance: Instance, numbers: Sequence[int]) -> Evaluator:
    """Return the evaluator of an instance whose futures are among those in a worker's memory, for a task."""
    executor = SerialExecutor()
    executor.memory[SUBPROBLEMS] = [memory[SUBPROBLEMS][number] for number in numbers]
    return evaluator_of(instance, executor)


class JointEvaluator(BaseEvaluator):
    """An evaluator of plans in the shocks of all futures of an instance.

    Args:
        instance: an instance with several futures.
        executor: from `recourse_executor`.
        jobs: number of whole searches of futures that run at a time; None starts processes once these take long.

    Attributes:
        joint: the `joint_first_stage_model` of all futures.
        first: index of the first shock of each future.
    """

    def __init__(self, instance: Instance, executor: Executor, jobs: int | None = 1) -> None:
        self.instance, self.executor, self.tree = instance, executor, instance.tree
        self._jobs, self._searching, self._lost = jobs, executor, list[str]()
        self._seconds = 0.0
        parts = enumerate(self.tree.futures)
        self._futures = [RecourseEvaluator(future.instance, executor, number) for number, future in parts]
        counts = [len(future.instance.events) for future in self.tree.futures]
        self.first = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        self.joint = joint_first_stage_model(self.tree)
        self.size = len(self.joint.columns)
        pairs = zip(self._futures, self.joint.submodels, strict=True)
        self._places = [own_columns(each.subproblems.plan, submodel) for each, submodel in pairs]

    @property
    def futures(self) -> Sequence[RecourseEvaluator]:
        """The evaluators of the futures, one for each."""
        return self._futures

    @property
    def notes(self) -> list[str]:
        """Notes for the result about workers that were lost."""
        return list(dict.fromkeys([*self._lost, *(note for each in self._futures for note in each.notes)]))

    @cached_property
    def batches(self) -> list[ShockBatch]:
        """The batches of shocks that are solved together."""
        return [
            ShockBatch(part.length, part.events + first)
            for each, first in zip(self._futures, self.first.tolist(), strict=False)
            for part in each.batches
        ]

    def plan_values(self, plans: Sequence[Plan]) -> Vector:
        """Return the futures' plans, one for each, as a vector; numbers of units stay 0."""
        result = np.zeros(self.size)
        for each, place, plan in zip(self._futures, self._places, plans, strict=True):
            result[place] = plan_values(each.instance, plan, each.subproblems.plan)
        return result

    def own_plan(self, number: int, plan: Sequence[float] | Vector) -> Vector:
        """Return the part of a joint plan that belongs to a future, as columns of its `first_stage_model`."""
        return np.asarray(plan, dtype=np.float64)[self._places[number]]

    @cached_property
    def dominators(self) -> Integers:
        """By shock, the index of a shock of the same future that dominates it; −1 where none is known."""
        parts = [
            np.where(each.dominators < 0, -1, each.dominators + first)
            for each, first in zip(self._futures, self.first.tolist(), strict=False)
        ]
        return np.concatenate(parts).astype(np.intp)

    def do_nothing(self, clock: Clock) -> ShockGaps:
        """Return the gaps of the do-nothing plan."""
        return _join_gaps([each.do_nothing(clock) for each in self._futures])

    def can_leave_gap(self, clock: Clock) -> npt.NDArray[np.bool_]:
        """Return by shock whether a plan may leave a gap in it: with monotone levers, where doing nothing does."""
        return np.concatenate([each.can_leave_gap(clock) for each in self._futures])

    def gaps(self, plan: Sequence[float] | Vector, clock: Clock, skipped: Iterable[int] = ()) -> ShockGaps:
        """Return the least gap that a plan leaves in each shock, without regard to costs."""
        left = self._split_by_future(skipped)
        return _join_gaps([each.gaps(self.own_plan(n, plan), clock, left[n]) for n, each in enumerate(self._futures)])

    def _split_by_future(self, numbers: Iterable[int]) -> list[list[int]]:
        """Split indices of shocks by future; they then count from the future's first shock."""
        result: list[list[int]] = [[] for _ in self._futures]
        every = np.fromiter(numbers, dtype=np.intp)
        owners = np.searchsorted(self.first, every, side="right") - 1
        for owner, number in zip(owners.tolist(), (every - self.first[owners]).tolist(), strict=True):
            result[owner].append(number)
        return result

    def subgradients(
        self,
        plan: Vector,
        clock: Clock,
        task: RecourseTask,
        groups: Integers,
        weights: Vector,
        skipped: Iterable[int] = (),
        gap_limits: Vector | None = None,
    ) -> Subgradients:
        """Return gaps or costs with their subgradients in the plan, weighted and summed by group."""
        left, found = self._split_by_future(skipped), []
        for n, each in enumerate(self._futures):
            own = slice(self.first[n], self.first[n + 1])
            limits = None if gap_limits is None else gap_limits[own]
            found.append(
                each.subgradients(self.own_plan(n, plan), clock, task, groups[own], weights[own], left[n], limits)
            )
        return self._sum_by_group(found, int(groups.max(initial=-1)) + 1)

    def _sum_by_group(self, found: Sequence[Subgradients], count: int) -> Subgradients:
        value, subgradient = np.zeros(count), np.zeros((count, self.size))
        limit, by_gap = np.zeros(count), np.zeros(count)
        for part, places in zip(found, self._places, strict=True):
            size = len(part.value)
            value[:size] += part.value
            limit[:size] += part.gap_limit
            by_gap[:size] += part.by_gap
            for joint, own in zip(subgradient, part.subgradient, strict=False):
                joint += np.bincount(places, own, self.size)
        gap, fails, cost = (
            np.concatenate([getattr(part, name) for part in found]) for name in ("gap", "fails", "cost")
        )
        return Subgradients(value, subgradient, gap, fails, cost, limit, by_gap)

    def operate_batches(
        self,
        plan: Sequence[float] | Vector,
        clock: Clock,
        gap_limits: Mapping[str, float],
        chosen: npt.NDArray[np.bool_] | None = None,
        *,
        flows: bool = False,
    ) -> list[BatchResponse]:
        """Return the recourse of least cost by batch, for the shocks with True in `chosen`, or for all."""
        result: list[BatchResponse] = []
        for n, each in enumerate(self._futures):
            own, first = slice(self.first[n], self.first[n + 1]), int(self.first[n])
            names = (event.name for event in self.tree.events[own])
            known = {
                event.name: gap_limits[name]
                for event, name in zip(each.instance.events, names, strict=True)
                if name in gap_limits
            }
            some = None if chosen is None else chosen[own]
            found = each.operate_batches(self.own_plan(n, plan), clock, known, some, flows=flows)
            result += [replace(response, events=response.events + first) for response in found]
        return result

    def cost_lower_bounds(self) -> Vector:
        """Return by shock a lower bound on its discounted cost under any plan, in money."""
        return np.concatenate([each.cost_lower_bounds() for each in self._futures])

    # Whole searches in parallel.

    def run_tasks(
        self, tasks: Sequence[Task], clock: Clock, done: Callable[[int], None] = lambda count: None
    ) -> list[Any]:
        """Run searches of futures; return their results in order, None for tasks that were not reached.

        A task must return the same result wherever it runs. `done` is called with the number of results so far.
        """
        results: dict[int, Any] = {}
        while len(results) < len(tasks) and not clock.interrupted:
            for number, result in self._run_searches(tasks, results, clock):
                results[number] = result
                done(len(results))
        return [results.get(number) for number in range(len(tasks))]

    def _run_searches(self, tasks: Sequence[Task], known: Collection[int], clock: Clock) -> Iterator[tuple[int, Any]]:
        """Yield the results of tasks that are not in `known`.

        In one process it runs only the first of these, since it is not yet known whether tasks take long.
        """
        left = [number for number in range(len(tasks)) if number not in known]
        executor, began = self._executor_for(len(left)), time.perf_counter()
        some = left if executor.size > 1 else left[:1]
        try:
            for place, result in executor.as_completed([tasks[number] for number in some], clock):
                yield some[place], result
        except WorkerError as error:
            self._lost.append(f"Futures were solved in one process, since {error}.")
            if self._searching is not self.executor:
                self._searching.close()
            self._searching, self._jobs = self._alone_after(error), 1
        spent = time.perf_counter() - began
        self._seconds += spent
        # In this process, tasks count their solver time themselves.
        clock.solving += spent if executor.size > 1 else 0.0

    def _executor_for(self, count: int) -> Executor:
        """Return the executor of `count` searches: with processes if requested, or if searches take long."""
        if any(each.executor is not self.executor for each in self._futures):
            # The workers were lost while they evaluated shocks.
            self._searching, self._jobs = self._futures[0].executor, 1
        if count > 1 and self._searching.size == 1 and not isinstance(self._searching, DaskExecutor):
            size = size_for(self._jobs, self._seconds)
            if size > 1:
                memory = self.executor.memory
                self._searching = ProcessExecutor(size, setup_of([solver.instance for solver in memory[SUBPROBLEMS]]))
                self._searching.memory = memory
        return self._searching

    def close(self) -> None:
        """Stop the workers."""
        if self._searching is not self.executor:
            self._searching.close()
        self.executor.close()

    def bases(self) -> dict[str, npt.NDArray[Any]]:
        """Return by name the basis from which each batch starts the next time."""
        return {f"{n}|{name}": basis for n, each in enumerate(self._futures) for name, basis in each.bases().items()}

    def set_bases(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set the starting bases to those of another run, as `bases` returned them."""
        for n, each in enumerate(self._futures):
            head = f"{n}|"
            each.set_bases({name.removeprefix(head): basis for name, basis in arrays.items() if name.startswith(head)})


def _join_gaps(parts: Sequence[ShockGaps]) -> ShockGaps:
    gap, fails = (np.concatenate([getattr(part, name) for part in parts]) for name in ("gap", "fails"))
    return ShockGaps(gap, fails)
