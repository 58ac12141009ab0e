"""Recourse in the shocks of several futures: each future's own evaluator, behind the interface of one.

A plan is a vector of the columns of `first_stages_model`. Each future reads its own part of it; shocks are numbered as
in `FutureTree.events`. All evaluators share one executor.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from optimizer.algorithms.batches import BatchResponse, RecourseTask, ShockBatch
from optimizer.algorithms.executor import Executor
from optimizer.algorithms.reading import own_columns, plan_values
from optimizer.algorithms.recourse import RecourseEvaluator, ShockGaps, Subgradients, recourse_executor
from optimizer.formulation import first_stages_model
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.solver import Clock, Integers, Vector


def evaluator_of(instance: Instance, executor: Executor | None = None) -> RecourseEvaluator:
    """The evaluator of an instance, with questions or without."""
    executor = executor or recourse_executor(instance, 1)
    return RecourseEvaluator(instance, executor) if instance.tree.is_single else JointEvaluator(instance, executor)


class JointEvaluator(RecourseEvaluator):
    """Evaluates plans in the shocks of all futures of an instance.

    Attributes:
        joint: the `first_stages_model` of all futures. first: the number of the first shock of each.
    """

    def __init__(self, instance: Instance, executor: Executor) -> None:
        self.instance, self.executor, self.tree = instance, executor, instance.tree
        parts = enumerate(self.tree.futures)
        self._futures = [RecourseEvaluator(future.instance, executor, number) for number, future in parts]
        counts = [len(future.instance.events) for future in self.tree.futures]
        self.first = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        self.joint = first_stages_model(self.tree)
        self.size = len(self.joint.columns)
        pairs = zip(self._futures, self.joint.members, strict=True)
        self._places = [own_columns(each.subproblems.plan, member) for each, member in pairs]

    @property
    def futures(self) -> Sequence[RecourseEvaluator]:
        """The evaluators of the futures."""
        return self._futures

    @property
    def notes(self) -> list[str]:  # type: ignore[override]
        """Of workers that were lost, for the result."""
        return list(dict.fromkeys(note for each in self._futures for note in each.notes))

    @cached_property
    def slices(self) -> list[ShockBatch]:
        """The batches of all futures, one future after another."""
        return [
            ShockBatch(part.length, part.events + first)
            for each, first in zip(self._futures, self.first.tolist(), strict=False)
            for part in each.slices
        ]

    def plan_values(self, plans: Sequence[Plan]) -> Vector:
        """The plans of the futures as the values of the columns of `first_stages_model`; units are left at 0."""
        result = np.zeros(self.size)
        for each, place, plan in zip(self._futures, self._places, plans, strict=True):
            result[place] = plan_values(each.instance, plan, each.subproblems.plan)
        return result

    def own_plan(self, number: int, plan: Sequence[float] | Vector) -> Vector:
        """The part of a joint plan that belongs to a future, as the columns of its `first_stage_model`."""
        return np.asarray(plan, dtype=np.float64)[self._places[number]]

    @cached_property
    def dominators(self) -> Integers:
        """By shock, the number of one of the same future that dominates it; −1 where none is known."""
        parts = [
            np.where(each.dominators < 0, -1, each.dominators + first)
            for each, first in zip(self._futures, self.first.tolist(), strict=False)
        ]
        return np.concatenate(parts).astype(np.intp)

    def do_nothing(self, clock: Clock) -> ShockGaps:
        """The gaps of the do-nothing plan in all futures."""
        return _joined([each.do_nothing(clock) for each in self._futures])

    def gaps(self, plan: Sequence[float] | Vector, clock: Clock, skipped: Iterable[int] = ()) -> ShockGaps:
        """The least gap that a plan leaves in each shock of each future."""
        left = self._split(skipped)
        return _joined(
            [each.gaps(self.own_plan(n, plan), clock, left[n]) for n, each in enumerate(self._futures)],
        )

    def _split(self, numbers: Iterable[int]) -> list[list[int]]:
        """Numbers of shocks by future, as that future counts."""
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
        """Gaps or costs with their subgradients in the columns of the joint plan, weighted and summed by group."""
        left, found = self._split(skipped), []
        for n, each in enumerate(self._futures):
            own = slice(self.first[n], self.first[n + 1])
            limits = None if gap_limits is None else gap_limits[own]
            found.append(
                each.subgradients(self.own_plan(n, plan), clock, task, groups[own], weights[own], left[n], limits)
            )
        return self._summed(found, int(groups.max(initial=-1)) + 1)

    def _summed(self, found: Sequence[Subgradients], count: int) -> Subgradients:
        value, subgradient = np.zeros(count), np.zeros((count, self.size))
        limit, by_gap = np.zeros(count), np.zeros(count)
        for part, places in zip(found, self._places, strict=True):
            size = len(part.value)
            value[:size] += part.value
            limit[:size] += part.gap_limit
            by_gap[:size] += part.by_gap
            spread = csr_array((np.ones(len(places)), (np.arange(len(places)), places)), shape=(len(places), self.size))
            subgradient[:size] += part.subgradient @ spread
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
        """The best operation in each shock; `gap_limits` go by the names that shocks have in `FutureTree.events`."""
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
            result += [_renumbered(response, first) for response in found]
        return result

    def costs(self, answers: Iterable[BatchResponse]) -> Vector:
        """Discounted operating and shortage cost in the answers, by shock."""
        result = np.zeros(int(self.first[-1]))
        for answer in answers:
            result[answer.events] = answer.cost
        return result

    def least_costs(self) -> Vector:
        """By shock, a lower bound on its discounted cost, in money, whatever the plan."""
        return np.concatenate([each.least_costs() for each in self._futures])

    def bases(self) -> dict[str, npt.NDArray[Any]]:
        """The basis from which each batch starts the next time, by future and name."""
        return {f"{n}|{name}": basis for n, each in enumerate(self._futures) for name, basis in each.bases().items()}

    def recall(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Start from the bases of another run."""
        for n, each in enumerate(self._futures):
            head = f"{n}|"
            each.recall({name.removeprefix(head): basis for name, basis in arrays.items() if name.startswith(head)})


def _joined(parts: Sequence[ShockGaps]) -> ShockGaps:
    gap, fails = (np.concatenate([getattr(part, name) for part in parts]) for name in ("gap", "fails"))
    return ShockGaps(gap, fails, sum(part.solved for part in parts))


def _renumbered(response: BatchResponse, first: int) -> BatchResponse:
    return replace(response, events=response.events + first)
