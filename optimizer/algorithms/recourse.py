"""The recourse of a fixed plan in each shock: least gap, then least operating and shortage cost; and scarcity prices.

Shocks are independent once the plan is fixed. Those with windows of one length share one LP (`subproblems`), kept warm
in this process or in workers (`executor`).

The shadow price of a commodity in a period is the reduction of the least gap by one more tonne of it, the dual value of
its balance row. That of an activity's capacity comes from its limit, which is a row or the bound of its column.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

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
from optimizer.formulation import Writer
from optimizer.instance.operation_paths import dominators, is_monotone
from optimizer.instance.schema import Instance
from optimizer.results.plan import Flows, ManyFlows, Plan
from optimizer.solver.base import BranchingHistories, Clock, Integers, Vector
from optimizer.solver.kept import Basis
from optimizer.tolerances import NEGLIGIBLE_DUAL


@dataclass(frozen=True)
class RecourseResult:
    """The recourse in one shock under a plan: the gap in money, and the flows that leave it."""

    gap: float
    flows: Flows


class RecourseEvaluator:
    """An evaluator of plans in all the shocks of one future.

    Args:
        instance: an instance of one future.
        executor: from `recourse_executor`; None evaluates in this process.
        future: index of the instance among those for which the executor was built.

    Attributes:
        places: by shock, its position among all shocks with windows of the same length, which indexes the numbers in
            `Instance.shared`.
        notes: notes for the result about workers that were lost.
        writer: writer of models for the instance that was searched last.
    """

    writer: Writer | None = None

    def __init__(self, instance: Instance, executor: Executor | None = None, future: int = 0) -> None:
        self.instance, self.future = instance, future
        self.executor = executor or recourse_executor(instance, 1)
        self.subproblems: SubproblemSolver = self.executor.memory[KEPT][future]
        self.batches = self.subproblems.batches
        self._homes = _homes(self.batches, self.executor.homes)
        self.notes: list[str] = []
        # Branching histories that the searches of one study share; None where each search has its own.
        self.histories: BranchingHistories | None = None
        self._bases: dict[tuple[int, RecourseTask], Basis] = {}
        self._dominators: Integers | None = None
        self._do_nothing: tuple[BatchResponse, ...] | None = None
        self.places = _places(instance)

    @property
    def futures(self) -> "Sequence[RecourseEvaluator]":
        """The evaluators of the futures: only this one for a single future."""
        return (self,)

    def rows(self, shock: Shock) -> int:
        """Return the number of rows of a shock's recourse LP."""
        return len(self.subproblems.window(len(shock.periods)).skeleton.rows)

    def plan_values(self, plans: Sequence[Plan]) -> Vector:
        """Return the single plan in `plans` as values of the columns of `first_stage_model`."""
        (plan,) = plans
        return np.array(plan_values(self.instance, plan, self.subproblems.plan))

    @property
    def dominators(self) -> Integers:
        """By shock, the index of a shock that dominates it; −1 where none is known."""
        if self._dominators is None:
            self._dominators = dominators(self.instance)
        return self._dominators

    def do_nothing(self, clock: Clock) -> ShockGaps:
        """Return the gaps of the do-nothing plan."""
        if self._do_nothing is None:
            plan = plan_values(self.instance, do_nothing_plan(self.instance), self.subproblems.plan)
            everyone = np.ones(len(self.instance.events), dtype=bool)
            self._do_nothing = tuple(self._solve("gaps", plan, clock, everyone, lambda numbers: {"flows": True}))
        return self._gather(self._do_nothing)

    def can_leave_gap(self, clock: Clock) -> npt.NDArray[np.bool_]:
        """Return by shock whether a plan may leave a gap in it: with monotone levers, where doing nothing does."""
        if not is_monotone(self.instance):
            return np.ones(len(self.instance.events), dtype=bool)
        return self.do_nothing(clock).gap > 0.0

    def do_nothing_answers(self, clock: Clock) -> Sequence[BatchResponse]:
        """Return the gaps of the do-nothing plan by batch, with the unserved demand at the least gaps."""
        self.do_nothing(clock)
        return self._do_nothing or ()

    def gaps(self, plan: Sequence[float] | Vector, clock: Clock, skipped: Iterable[int] = ()) -> ShockGaps:
        """Return the least gap that a plan leaves in each shock, without regard to costs.

        Args:
            plan: values of the columns of `first_stage_model`; more may follow.
            clock: counts the solver's seconds; it never stops the evaluation.
            skipped: indices of shocks that need not be solved.
        """
        return self._gather(self._solve("gaps", plan, clock, self._all_but(skipped)))

    def _gather(self, answers: Sequence[BatchResponse]) -> ShockGaps:
        gap, fails = np.zeros(len(self.instance.events)), np.zeros(len(self.instance.events), dtype=bool)
        for answer in answers:
            gap[answer.events], fails[answer.events] = answer.gap, answer.fails
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
        chosen = np.ones(len(self.instance.events), dtype=bool)
        if names is not None:
            known = frozenset(names)
            chosen = np.array([event.name in known for event in self.instance.events], dtype=bool)
        answers = self.operate_batches(plan, clock, gap_limits, chosen, flows=True)
        gaps = {self.instance.events[n].name: gap for r in answers for n, gap in zip(r.events, r.gap, strict=True)}
        flows = {name: many.at(i) for many in self.flows(answers) for i, name in enumerate(many.names)}
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
        """Return the recourse of least cost within `gap_limits` by batch, for the shocks with True in `chosen`."""
        events = self.instance.events
        limits = np.array([gap_limits.get(event.name, np.nan) for event in events])
        chosen = np.ones(len(events), dtype=bool) if chosen is None else chosen
        return self._solve("best", plan, clock, chosen, lambda numbers: {"gap_limits": limits[numbers], "flows": flows})

    def serve_most(self, plan: Vector, clock: Clock, chosen: npt.NDArray[np.bool_]) -> list[BatchResponse]:
        """Return the recourse of least gap, then least shortage cost, by batch, for the shocks with True in `chosen`.

        It ignores operating costs. It is about twice as fast as `operate_batches`, since costs are the same in all
        shocks.
        """
        return self._solve("served", plan, clock, chosen, lambda numbers: {"gap_limits": np.zeros(len(numbers))})

    def flows(self, answers: Iterable[BatchResponse]) -> list[ManyFlows]:
        """Take the flows out of answers of `operate_batches` with `flows`, one value for each window length."""
        by_length: dict[int, list[ManyFlows]] = {}
        for answer in answers:
            assert answer.flows is not None
            by_length.setdefault(len(self.instance.events[answer.events[0]].periods), []).append(answer.flows)
        return [ManyFlows.joined(parts) for parts in by_length.values()]

    def costs(self, answers: Iterable[BatchResponse]) -> Vector:
        """Return the discounted operating and shortage cost in such answers by shock; 0 where not solved."""
        result = np.zeros(len(self.instance.tree.events))
        for answer in answers:
            result[answer.events] = answer.cost
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

        answers = self._solve(task, plan, clock, chosen, parameters)
        for answer in answers:
            if gap_limits is not None and len(answer.by_gap):
                at = np.flatnonzero(~np.isnan(gap_limits[answer.events]))
                numbers = answer.events[at]
                limit[groups[numbers]] = gap_limits[numbers]
                by_gap[groups[numbers]] = weights[numbers] * answer.by_gap[at]
            gap[answer.events], cost[answer.events], fails[answer.events] = answer.gap, answer.cost, answer.fails
            for group, (part, subgradient) in answer.cuts.items():
                value[group] += part
                by_term[group] += subgradient
        subgradient = self.subproblems.linking_matrix.by_plan(by_term)
        return Subgradients(value, subgradient, gap, fails, cost, limit, by_gap)

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

    def recall(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
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
        answers = self._map(requests, clock)
        for request, answer in zip(requests, answers, strict=True):
            self._bases[request.batch, task] = answer.basis
            clock.solving += answer.seconds
        return answers

    def _map(self, requests: Sequence[BatchRequest], clock: Clock) -> list[BatchResponse]:
        """Return the answers of the executor.

        If workers fail, this process computes the same answers and all later ones alone.
        """
        tasks = [Task(answer_batch, (request,), self._homes[request.batch]) for request in requests]
        try:
            return self.executor.map(tasks, clock)
        except WorkerError as error:
            message = f"{error}. The search goes on in this process alone."
            warnings.warn(message[:1].upper() + message[1:], OptimizerWarning, stacklevel=2)
            self.notes.append(f"Shocks were checked in one process, since {error}.")
            self.executor.close()
            alone = SerialExecutor()
            alone.memory = self.executor.memory
            self.executor = alone
            return self.executor.map(tasks, clock)


# The key of a worker's memory for its subproblems. The number of shocks below which one process is done before others
# have started, and below which solvers for other threads are not worth building. The largest number of threads that the
# interpreter's lock leaves busy.
KEPT, FEW_FOR_PROCESSES, FEW_FOR_THREADS, MOST_THREADS = "subproblems", 400, 100, 4


def recourse_executor(instance: Instance, jobs: int | None = None, cluster: str | None = None) -> Executor:
    """Return an executor whose workers keep the subproblems of an instance.

    Args:
        instance: its futures determine the subproblems.
        jobs: number of processes. None takes one per core if there are many shocks, threads with fewer shocks, and
            neither with few.
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
    elif size > 1:
        executor = ProcessExecutor(size, setup_of(instances), _first_tasks(solvers, size))
    elif threads > 1:
        executor = ThreadExecutor([{KEPT: _for_thread(solvers)} for _ in range(1, threads)])
    executor.memory[KEPT] = solvers
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


def answer_batch(memory: Memory, request: BatchRequest) -> BatchResponse:
    """Solve the recourse of a batch of shocks with the worker's subproblems: a task for workers."""
    solver: SubproblemSolver = memory[KEPT][request.future]
    return solver.answer(request)


def setup_of(instances: Sequence[Instance]) -> Setup:
    """Return the setup that builds the subproblems of futures in a worker; identical instances are sent once."""
    fresh = {id(each): each.fresh() for each in instances}
    return Setup.of(_build_subproblems, [fresh[id(each)] for each in instances])


def _build_subproblems(memory: Memory, instances: Sequence[Instance]) -> None:
    memory[KEPT] = _solvers(instances)


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
        memory[KEPT][future].window(length)


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


LIMITS = ("limit", "capacity")


@dataclass
class ScarcityPrices:
    """The prices of one shock's least gap, in money per tonne by (owner, offset in the window); only positive ones."""

    # reduction of the gap by one more tonne of a commodity
    commodity: dict[tuple[str, int], float] = field(default_factory=dict)
    # reduction of the gap by one more tonne of capacity
    capacity: dict[tuple[str, int], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bottleneck:
    """The bottleneck of a segment's supply chain."""

    commodity: str  # the commodity that is short
    # The activities at their limit that make it, the highest price of capacity first; empty if nothing makes it, or no
    # price shows a limit.
    makers: tuple[str, ...]


def scarcity_prices(solver: SubproblemSolver, plan: Vector, numbers: Iterable[int]) -> dict[int, ScarcityPrices]:
    """Return the prices of each shock by index under a plan, given as values of `first_stage_model`."""
    by_length: dict[int, list[int]] = {}
    for number in sorted(numbers):
        by_length.setdefault(len(solver.instance.events[number].periods), []).append(number)
    linking, result = solver.linking_matrix.linking_terms(plan), {}
    for length, some in by_length.items():
        found = solver.gaps_with_duals(BatchRequest(0, "gaps", np.array(some, dtype=np.intp), linking))
        for i, number in enumerate(some):
            result[number] = _read(solver, length, found.duals[i], found.reduced_costs[i])
    return result


def _read(solver: SubproblemSolver, length: int, duals: Vector, reduced_costs: Vector) -> ScarcityPrices:
    programme, result = solver.window(length).skeleton, ScarcityPrices()
    least = NEGLIGIBLE_DUAL * max(np.abs(duals).max(initial=0.0), np.abs(reduced_costs).max(initial=0.0))
    for row, dual in zip(programme.rows, duals.tolist(), strict=True):
        if row.t is None:
            continue
        if row.mark.what == "balance" and dual > least:
            result.commodity[row.mark.owner, row.t] = dual
        elif row.mark.what in LIMITS and -dual > least:
            result.capacity[row.mark.owner, row.t] = -dual
    for column, reduced_cost in zip(programme.columns, reduced_costs.tolist(), strict=True):
        if column.mark.what == "activity" and -reduced_cost > least:
            result.capacity[column.mark.owner, column.t] = -reduced_cost
    return result


def bottleneck(
    instance: Instance, scarce: ScarcityPrices, segment: str, offset: int, there: frozenset[str]
) -> Bottleneck:
    """Return the first commodity whose makers are at their limit, upstream from the commodity of a segment.

    Only existing makers, those in `there`, count: an option that was not bought has not failed.
    """
    commodity, seen = instance.demands[segment].commodity, set[str]()
    while True:
        seen.add(commodity)
        makers = _makers(instance, commodity, there)
        full = [name for name in makers if (name, offset) in scarce.capacity]
        inputs = {c for name in makers for c in instance.activities[name].input} - seen
        short = {c: scarce.commodity[c, offset] for c in sorted(inputs) if (c, offset) in scarce.commodity}
        if full or not short:
            return Bottleneck(commodity, tuple(sorted(full, key=lambda name: -scarce.capacity[name, offset])))
        commodity = max(short, key=lambda c: short[c])


def _makers(instance: Instance, commodity: str, there: frozenset[str]) -> list[str]:
    activities = instance.activities.items()
    return [name for name, activity in activities if name in there and activity.output.get(commodity, 0.0) > 0]
