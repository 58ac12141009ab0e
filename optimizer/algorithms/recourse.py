"""The recourse of a fixed plan in each shock: least gap, then least operating and shortage cost.

Shocks are independent once the plan is fixed. Those with windows of one length share one LP (`subproblems`), kept warm
in this process or in workers (`executor`).
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.executor import DaskExecutor, Executor, ProcessExecutor, SerialExecutor, ThreadExecutor
from optimizer.algorithms.reading import do_nothing_plan, plan_values
from optimizer.algorithms.subproblems import (
    BatchRequest,
    BatchResponse,
    RecourseTask,
    ShockBatch,
    ShockGaps,
    Subgradients,
    SubproblemSolver,
)
from optimizer.algorithms.workers import Memory, Setup, Task, core_count
from optimizer.disruptions.shock import Shock
from optimizer.errors import OptimizerWarning, WorkerError
from optimizer.formulation import ModelWriter
from optimizer.instance.operation_paths import dominators, is_monotone
from optimizer.instance.schema import Instance
from optimizer.levers import process_count
from optimizer.results.plan import Flows, ManyFlows, Plan
from optimizer.solver.base import Clock, Integers, PseudoCostsByObjective, Vector
from optimizer.solver.kept import Basis

if TYPE_CHECKING:
    from optimizer.algorithms.joint_recourse import JointEvaluator


@dataclass(frozen=True)
class RecourseResult:
    """The recourse in one shock under a plan: the gap in money, and the flows of the operation that leaves this gap."""

    gap: float
    flows: Flows


class BaseEvaluator:
    """What evaluators of one future and of several have in common."""

    instance: Instance  # of one future or several
    executor: Executor  # from `recourse_executor`
    # Pseudo-costs that the searches of one study share; None where each search has its own.
    pseudo_costs: PseudoCostsByObjective | None = None
    writer: ModelWriter | None = None  # writer of models for the instance that was searched last

    def costs(self, responses: Iterable[BatchResponse]) -> Vector:
        """Return the discounted operating and shortage cost in such responses by shock; 0 where not solved."""
        result = np.zeros(len(self.instance.tree.events))
        for response in responses:
            result[response.events] = response.cost
        return result

    def _alone_after(self, error: WorkerError) -> Executor:
        """Warn that workers were lost; return an executor in this process, with its memory."""
        message = f"{error}. The search goes on in this process alone."
        warnings.warn(message[:1].upper() + message[1:], OptimizerWarning, stacklevel=3)
        alone = SerialExecutor()
        alone.memory = self.executor.memory
        return alone


class RecourseEvaluator(BaseEvaluator):
    """What every search asks about a plan: its gaps, costs and subgradients in all shocks of one future.

    A plan is a vector of the columns of `first_stage_model`. Shocks are indexed as in `Instance.events`.

    Args:
        instance: of one future.
        executor: from `recourse_executor`; None evaluates in this process.
        future: index of the instance among those for which the executor was built.

    Attributes:
        places: by shock, its position among all shocks with windows of the same length, which indexes the numbers in
            `Instance.shared`.
    """

    def __init__(self, instance: Instance, executor: Executor | None = None, future: int = 0) -> None:
        self.instance, self.future = instance, future
        self.executor = executor or recourse_executor(instance, 1)
        self.subproblems: SubproblemSolver = self.executor.memory[SUBPROBLEMS][future]
        self._homes = _homes(self.subproblems.batches, self.executor.homes)
        self._notes: list[str] = []
        self._bases: dict[tuple[int, RecourseTask], Basis] = {}
        self._do_nothing: tuple[BatchResponse, ...] | None = None
        self.places = _places(instance)

    @property
    def futures(self) -> "Sequence[RecourseEvaluator]":
        """The evaluators of the futures, one for each."""
        return (self,)

    @property
    def notes(self) -> list[str]:
        """Notes for the result about workers that were lost."""
        return self._notes

    @property
    def batches(self) -> list[ShockBatch]:
        """The batches of shocks that are solved together."""
        return self.subproblems.batches

    def rows(self, shock: Shock) -> int:
        """Return the number of rows of a shock's recourse LP."""
        return len(self.subproblems.window(len(shock.periods)).skeleton.rows)

    def plan_values(self, plans: Sequence[Plan]) -> Vector:
        """Return the futures' plans, one for each, as a vector; numbers of units stay 0."""
        (plan,) = plans
        return np.array(plan_values(self.instance, plan, self.subproblems.plan))

    @cached_property
    def dominators(self) -> Integers:
        """By shock, the index of a shock of the same future that dominates it; −1 where none is known."""
        return dominators(self.instance)

    def do_nothing(self, clock: Clock) -> ShockGaps:
        """Return the gaps of the do-nothing plan."""
        if self._do_nothing is None:
            plan = plan_values(self.instance, do_nothing_plan(self.instance), self.subproblems.plan)
            responses = self._solve("gaps", plan, clock, self._all_but(()), lambda numbers: {"flows": True})
            self._do_nothing = tuple(responses)
        return self._gather(self._do_nothing)

    def can_leave_gap(self, clock: Clock) -> npt.NDArray[np.bool_]:
        """Return by shock whether a plan may leave a gap in it: with monotone levers, where doing nothing does."""
        if not is_monotone(self.instance):
            return np.ones(len(self.instance.events), dtype=bool)
        return self.do_nothing(clock).gap > 0.0

    def do_nothing_responses(self, clock: Clock) -> Sequence[BatchResponse]:
        """Return the gaps of the do-nothing plan by batch, with the unserved demand at the least gaps."""
        self.do_nothing(clock)
        return self._do_nothing or ()

    def gaps(self, plan: Sequence[float] | Vector, clock: Clock, skipped: Iterable[int] = ()) -> ShockGaps:
        """Return the least gap that a plan leaves in each shock, without regard to costs.

        Args:
            plan: values of its columns; more may follow.
            clock: counts the solver's seconds; it never stops the evaluation.
            skipped: indices of shocks that need not be solved.
        """
        return self._gather(self._solve("gaps", plan, clock, self._all_but(skipped)))

    def _gather(self, responses: Sequence[BatchResponse]) -> ShockGaps:
        gap, fails = np.zeros(len(self.instance.events)), np.zeros(len(self.instance.events), dtype=bool)
        for response in responses:
            gap[response.events], fails[response.events] = response.gap, response.fails
        return ShockGaps(gap, fails)

    def operate(
        self,
        plan: Sequence[float] | Vector,
        clock: Clock,
        gap_limits: Mapping[str, float],
        names: Iterable[str] | None = None,
    ) -> dict[str, RecourseResult]:
        """Return the recourse of least cost within the allowed gap in each shock, with its flows, by shock name.

        Args:
            plan: values of the columns of `first_stage_model`.
            clock: counts the solver's seconds; it never stops the evaluation.
            gap_limits: by shock name, the gap that it may leave; its least gap where missing or larger.
            names: the shocks to solve; None for all.
        """
        known = None if names is None else frozenset(names)
        chosen = (
            None if known is None else np.array([event.name in known for event in self.instance.events], dtype=bool)
        )
        responses = self.operate_batches(plan, clock, gap_limits, chosen, flows=True)
        gaps = {self.instance.events[n].name: gap for r in responses for n, gap in zip(r.events, r.gap, strict=True)}
        flows = {name: many.at(i) for many in self.flows(responses) for i, name in enumerate(many.names)}
        return {
            e.name: RecourseResult(float(gaps[e.name]), flows[e.name]) for e in self.instance.events if e.name in gaps
        }

    def operate_batches(
        self,
        plan: Sequence[float] | Vector,
        clock: Clock,
        gap_limits: Mapping[str, float],
        chosen: npt.NDArray[np.bool_] | None = None,
        *,
        flows: bool = False,
    ) -> list[BatchResponse]:
        """Return the recourse of least cost by batch, for the shocks with True in `chosen`, or for all.

        `gap_limits` has by shock name the gap that it may leave; its least gap where missing or larger.
        """
        limits = np.array([gap_limits.get(event.name, np.nan) for event in self.instance.events])
        chosen = self._all_but(()) if chosen is None else chosen
        return self._solve("cost", plan, clock, chosen, lambda numbers: {"gap_limits": limits[numbers], "flows": flows})

    def serve_most(self, plan: Vector, clock: Clock, chosen: npt.NDArray[np.bool_]) -> list[BatchResponse]:
        """Return the recourse of least gap, then least shortage cost, by batch, for the shocks with True in `chosen`.

        It ignores operating costs. It is about twice as fast as `operate_batches`, since costs are the same in all
        shocks.
        """
        return self._solve("served", plan, clock, chosen, lambda numbers: {"gap_limits": np.zeros(len(numbers))})

    def flows(self, responses: Iterable[BatchResponse]) -> list[ManyFlows]:
        """Take the flows out of responses of `operate_batches` with `flows`, one value for each window length."""
        by_length: dict[int, list[ManyFlows]] = {}
        for response in responses:
            assert response.flows is not None
            by_length.setdefault(len(self.instance.events[response.events[0]].periods), []).append(response.flows)
        return [ManyFlows.joined(parts) for parts in by_length.values()]

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
        """Return gaps or costs with their subgradients in the plan, weighted and summed by group.

        Args:
            plan, clock, skipped: as for `gaps`.
            task: whether gaps or costs are evaluated.
            groups: by shock, its group, numbered from 0.
            weights: by shock.
            gap_limits: for costs, by shock, the gap that it may leave; nan to keep its floors. A shock with a limit has
                a group of its own. `fails` then marks the shocks that leave more than they may.
        """
        size, count = len(self.instance.events), int(groups.max(initial=-1)) + 1
        value, by_term = np.zeros(count), np.zeros((count, len(self.subproblems.linking_matrix.constant)))
        gap, cost, fails = np.zeros(size), np.zeros(size), np.zeros(size, dtype=bool)
        chosen = self._all_but(skipped)
        limit, by_gap = np.zeros(count), np.zeros(count)

        def parameters(numbers: Integers) -> dict[str, Any]:
            more = {} if gap_limits is None else {"gap_limits": gap_limits[numbers]}
            return {"groups": groups[numbers], "weights": weights[numbers]} | more

        responses = self._solve(task, plan, clock, chosen, parameters)
        for response in responses:
            events = response.events
            if gap_limits is not None and len(response.by_gap):
                has_limit = ~np.isnan(gap_limits[events])
                numbers = events[has_limit]
                limit[groups[numbers]] = gap_limits[numbers]
                by_gap[groups[numbers]] = weights[numbers] * response.by_gap[has_limit]
            gap[events], cost[events], fails[events] = response.gap, response.cost, response.fails
            for group, (part, subgradient) in response.cuts.items():
                value[group] += part
                by_term[group] += subgradient
        by_plan = self.subproblems.linking_matrix.by_plan(by_term)
        return Subgradients(value, by_plan, gap, fails, cost, limit, by_gap)

    def cost_lower_bounds(self) -> Vector:
        """Return by shock a lower bound on its discounted cost under any plan, in money."""
        result = np.zeros(len(self.instance.events))
        for length in {part.length for part in self.batches}:
            numbers = np.sort(np.concatenate([part.events for part in self.batches if part.length == length]))
            result[numbers] = self.subproblems.window(length).cost_lower_bounds()
        return result

    def bases(self) -> dict[str, npt.NDArray[Any]]:
        """Return by name the basis from which each batch starts the next time."""
        return {f"basis {batch} {task}": basis for (batch, task), basis in self._bases.items()}

    def set_bases(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Set the starting bases to those of another run, as `bases` returned them."""
        for name, basis in arrays.items():
            if name.startswith("basis "):
                _, batch, task = name.split(" ", 2)
                self._bases[int(batch), cast(RecourseTask, task)] = basis

    def close(self) -> None:
        """Stop the workers."""
        self.executor.close()

    def _all_but(self, skipped: Iterable[int]) -> npt.NDArray[np.bool_]:
        chosen = np.ones(len(self.instance.events), dtype=bool)
        chosen[list(skipped)] = False
        return chosen

    def _solve(
        self,
        task: RecourseTask,
        plan: Sequence[float] | Vector,
        clock: Clock,
        chosen: npt.NDArray[np.bool_],
        more: Any = lambda numbers: {},
    ) -> list[BatchResponse]:
        linking = self.subproblems.linking_matrix.linking_terms(np.asarray(plan, dtype=np.float64))
        requests = []
        for number, part in enumerate(self.batches):
            events = part.events[chosen[part.events]]
            if len(events):
                basis = self._bases.get((number, task))
                requests.append(BatchRequest(number, task, events, linking, basis, self.future, **more(events)))
        responses = self._map(requests, clock)
        for request, response in zip(requests, responses, strict=True):
            self._bases[request.batch, task] = response.basis
            clock.solving += response.seconds
        return responses

    def _map(self, requests: Sequence[BatchRequest], clock: Clock) -> list[BatchResponse]:
        """Return the responses from the executor.

        If workers fail, this process computes them and all later ones alone.
        """
        tasks = [Task(solve_batch, (request,), self._homes[request.batch]) for request in requests]
        try:
            return self.executor.map(tasks, clock)
        except WorkerError as error:
            self._notes.append(f"Shocks were checked in one process, since {error}.")
            self.executor.close()
            self.executor = self._alone_after(error)
            return self.executor.map(tasks, clock)


# What evaluates plans: for several futures a `JointEvaluator`, whose methods mean the same for all their shocks.
type Evaluator = RecourseEvaluator | JointEvaluator


# The key of a worker's memory for its subproblems. The number of shocks below which one process is done before others
# have started, and below which solvers for other threads are not worth building. The largest number of threads that the
# interpreter's lock leaves busy.
SUBPROBLEMS, FEW_FOR_PROCESSES, FEW_FOR_THREADS, MOST_THREADS = "subproblems", 400, 100, 4


def recourse_executor(instance: Instance, jobs: int | None = None, cluster: str | None = None) -> Executor:
    """Return an executor whose workers keep the subproblems of an instance.

    Args:
        instance: its futures determine the subproblems.
        jobs: number of processes. None: one per core if there are many shocks, threads with fewer, neither with few.
        cluster: address of a Dask scheduler whose workers replace local processes.

    Raises:
        WorkerError: the cluster cannot be reached.
    """
    instances = [future.instance for future in instance.tree.futures]
    size = jobs or (core_count() if sum(len(each.events) for each in instances) >= FEW_FOR_PROCESSES else 1)
    solvers = _solvers(instances)
    threads = 1 if jobs else _thread_count(solvers)
    executor: Executor = SerialExecutor()
    if cluster is not None:
        executor = DaskExecutor(cluster, setup_of(instances))
    elif (size := process_count(size)) > 1:
        executor = ProcessExecutor(size, setup_of(instances), _first_tasks(solvers, size))
    elif threads > 1:
        executor = ThreadExecutor([{SUBPROBLEMS: _for_thread(solvers)} for _ in range(1, threads)])
    executor.memory[SUBPROBLEMS] = solvers
    return executor


def _thread_count(solvers: Sequence[SubproblemSolver]) -> int:
    """Return the number of threads: 1 for few shocks, else at most the number of batches of a future."""
    most = max(len(each.instance.events) for each in solvers)
    return 1 if most < FEW_FOR_THREADS else min(MOST_THREADS, core_count(), max(len(each.batches) for each in solvers))


def _first_tasks(solvers: Sequence[SubproblemSolver], size: int) -> dict[int, Task]:
    """Return for each worker the task that builds the LPs of the window lengths that it will solve."""
    lengths: dict[int, list[tuple[int, int]]] = {number: [] for number in range(1, size)}
    for future, solver in enumerate(solvers):
        for part, home in zip(solver.batches, _homes(solver.batches, size), strict=True):
            if home and (future, part.length) not in lengths[home]:
                lengths[home].append((future, part.length))
    return {number: Task(_write_windows, (own,)) for number, own in lengths.items()}


def solve_batch(memory: Memory, request: BatchRequest) -> BatchResponse:
    """Solve the recourse of a batch of shocks with the worker's subproblems: a task for workers."""
    solver: SubproblemSolver = memory[SUBPROBLEMS][request.future]
    return solver.solve(request)


def setup_of(instances: Sequence[Instance]) -> Setup:
    """Return the setup that builds the subproblems of futures in a worker; identical instances are sent once."""
    fresh = {id(each): each.fresh() for each in instances}
    return Setup.of(_build_subproblems, [fresh[id(each)] for each in instances])


def _build_subproblems(memory: Memory, instances: Sequence[Instance]) -> None:
    memory[SUBPROBLEMS] = _solvers(instances)


def _solvers(instances: Sequence[Instance]) -> list[SubproblemSolver]:
    """Return the subproblem solvers of futures; futures with the same instance share one."""
    made = {id(each): SubproblemSolver(each) for each in {id(each): each for each in instances}.values()}
    return [made[id(each)] for each in instances]


def _for_thread(solvers: Sequence[SubproblemSolver]) -> list[SubproblemSolver]:
    """Return solvers with the same LPs but their own HiGHS objects; futures that share one still do."""
    made = {id(each): each.for_thread() for each in {id(each): each for each in solvers}.values()}
    return [made[id(each)] for each in solvers]


def _write_windows(memory: Memory, lengths: Sequence[tuple[int, int]]) -> None:
    for future, length in lengths:
        memory[SUBPROBLEMS][future].window(length)


def _homes(batches: Sequence[ShockBatch], size: int) -> list[int]:
    """Return for each batch its worker, 0 … size − 1, with equal work and few window lengths per worker."""
    work = np.array([float(part.length * len(part.events)) for part in batches])
    middles = np.cumsum(work) - 0.5 * work
    return [int(middle) for middle in size * middles / max(1.0, work.sum())]


def _places(instance: Instance) -> Integers:
    count: dict[int, int] = {}
    places = []
    for event in instance.events:
        length = len(event.periods)
        places.append(count.get(length, 0))
        count[length] = places[-1] + 1
    return np.array(places, dtype=np.intp)
