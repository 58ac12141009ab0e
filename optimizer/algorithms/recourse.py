"""What a given plan can do in each shock: least gap, then least operating and shortage cost; and what is scarce then.

Shocks are independent once the plan is fixed. Those with windows of one length share one linear programme
(`subproblems`), kept warm in this process or in workers (`executor`).

The shadow price of a commodity in a period is the reduction of the least gap by one tonne more of it, from its balance
row; that of an activity's capacity comes from its limit, a row or the bound of its column.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.executor import DaskExecutor, Executor, ProcessExecutor, SerialExecutor, ThreadExecutor
from optimizer.algorithms.reading import do_nothing_plan, plan_values
from optimizer.algorithms.subproblems import BatchRequest, BatchResponse, RecourseTask, ShockBatch, SubproblemSolver
from optimizer.algorithms.workers import Memory, Setup, Task, core_count
from optimizer.disruptions.shock import Shock
from optimizer.errors import OptimizerWarning, WorkerError
from optimizer.formulation import Writer
from optimizer.instance.operation_paths import dominators
from optimizer.instance.schema import Instance
from optimizer.results.plan import Flows, ManyFlows, Plan
from optimizer.solver import Basis, BranchingHistories, Clock, Integers, Vector
from optimizer.tolerances import NEGLIGIBLE_DUAL, POSITIVE


@dataclass(frozen=True)
class RecourseResult:
    """One shock under a plan: the gap, in money, and the flows that leave it."""

    gap: float
    flows: Flows


@dataclass(frozen=True)
class ShockGaps:
    """Every shock under a plan, in the order of the events; 0 and False where it was not solved."""

    gap: Vector  # in money
    fails: npt.NDArray[np.bool_]  # whether some segment falls noticeably below its floor

    @property
    def violated(self) -> dict[int, float]:
        """By number, the gap of each shock that fails; above 0 even where a shortfall costs nothing."""
        return {int(n): max(float(self.gap[n]), POSITIVE) for n in np.flatnonzero(self.fails)}


@dataclass(frozen=True)
class Subgradients:
    """What shocks cost or leave unserved at a plan, by group, and how that changes with the plan.

    ``value + subgradient · (x − plan)`` is never above the group's true value at any plan x.
    """

    value: Vector  # by group, in money
    subgradient: Vector  # by group and column of `first_stage_model`, in money per unit of the column
    # By shock, as in `ShockGaps`; cost is discounted and without probability.
    gap: Vector
    fails: npt.NDArray[np.bool_]
    cost: Vector
    gap_limit: Vector  # by group, the gap that its shock may leave
    by_gap: Vector  # the derivative of the group's value in it

    def plus(self, other: "Subgradients") -> "Subgradients":
        """With those of other shocks at the same plan."""
        return Subgradients(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


class RecourseEvaluator:
    """Evaluates plans in all the shocks of an instance without questions.

    Args:
        executor: from `recourse_executor`; this process where it is left out.
        future: the number of the instance among those for which the executor was made.

    Attributes:
        places: by shock, its place among all shocks with windows as long: where its numbers stand in `Instance.shared`.
        notes: of workers that were lost, for the result.
        writer: of models of the instance that was searched last.
    """

    writer: Writer | None = None

    def __init__(self, instance: Instance, executor: Executor | None = None, future: int = 0) -> None:
        self.instance, self.future = instance, future
        self.executor = executor or recourse_executor(instance, 1)
        self.subproblems: SubproblemSolver = self.executor.memory[KEPT][future]
        self.batches = self.subproblems.batches
        self._homes = _homes(self.batches, self.executor.homes)
        self.notes: list[str] = []
        # What branching gained, where searches of one study share it.
        self.histories: BranchingHistories | None = None
        self._bases: dict[tuple[int, RecourseTask], Basis] = {}
        self._dominators: Integers | None = None
        self._do_nothing: tuple[BatchResponse, ...] | None = None
        self.places = _places(instance)

    @property
    def futures(self) -> "Sequence[RecourseEvaluator]":
        """The evaluators of the futures: of one alone, itself."""
        return (self,)

    def rows(self, shock: Shock) -> int:
        """The rows of a shock's recourse LP."""
        return len(self.subproblems.window(len(shock.periods)).skeleton.rows)

    def plan_values(self, plans: Sequence[Plan]) -> Vector:
        """The plan, the only one, as the values of the columns of `first_stage_model`."""
        (plan,) = plans
        return np.array(plan_values(self.instance, plan, self.subproblems.plan))

    @property
    def dominators(self) -> Integers:
        """By shock, the number of one that dominates it; −1 where none is known."""
        if self._dominators is None:
            self._dominators = dominators(self.instance)
        return self._dominators

    def do_nothing(self, clock: Clock) -> ShockGaps:
        """The gaps of the do-nothing plan. Every plan survives the shocks that it survives, for a plan only adds."""
        if self._do_nothing is None:
            plan = plan_values(self.instance, do_nothing_plan(self.instance), self.subproblems.plan)
            everyone = np.ones(len(self.instance.events), dtype=bool)
            self._do_nothing = tuple(self._solve("gaps", plan, clock, everyone, lambda numbers: {"flows": True}))
        return self._gather(self._do_nothing)

    def do_nothing_answers(self, clock: Clock) -> Sequence[BatchResponse]:
        """The same as arrays by batch, with the unserved demand that leaves the least gaps."""
        self.do_nothing(clock)
        return self._do_nothing or ()

    def gaps(self, plan: Sequence[float] | Vector, clock: Clock, skipped: Iterable[int] = ()) -> ShockGaps:
        """The least gap that a plan leaves in each shock; costs are not looked at.

        Args:
            plan: values of the columns of `first_stage_model`; more may follow.
            clock: where the solver's seconds are counted; it never stops this.
            skipped: numbers of shocks that need not be solved.
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
        """The best operation under a plan in each shock, with its flows: least cost with the gap allowed.

        Args:
            plan: values of the columns of `first_stage_model`.
            clock: where the solver's seconds are counted; it never stops this.
            gap_limits: by shock, the gap that it may leave; where it is left out, or below its least gap, that one.
            names: the shocks to be solved; all where it is left out.
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
        """The same, as arrays, by batch; `chosen` by shock."""
        events = self.instance.events
        limits = np.array([gap_limits.get(event.name, np.nan) for event in events])
        chosen = np.ones(len(events), dtype=bool) if chosen is None else chosen
        return self._solve("best", plan, clock, chosen, lambda numbers: {"gap_limits": limits[numbers], "flows": flows})

    def serve_most(self, plan: Vector, clock: Clock, chosen: npt.NDArray[np.bool_]) -> list[BatchResponse]:
        """The operation that serves most in some shocks, by batch: least gap, then least shortage cost alone.

        About twice as fast as `operate_batches`: costs are the same in all shocks.
        """
        return self._solve("served", plan, clock, chosen, lambda numbers: {"gap_limits": np.zeros(len(numbers))})

    def flows(self, answers: Iterable[BatchResponse]) -> list[ManyFlows]:
        """The operation in the answers of `operate_batches` with `flows`, one value for each window length."""
        by_length: dict[int, list[ManyFlows]] = {}
        for answer in answers:
            assert answer.flows is not None
            by_length.setdefault(len(self.instance.events[answer.events[0]].periods), []).append(answer.flows)
        return [ManyFlows.joined(parts) for parts in by_length.values()]

    def costs(self, answers: Iterable[BatchResponse]) -> Vector:
        """Discounted operating and shortage cost in the same answers, by shock; 0 where it was not solved."""
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
        """Gaps or costs with their subgradients, weighted and summed by group.

        Args:
            plan, clock, skipped: as for `gaps`.
            task: which of the two.
            groups: by shock, numbered from 0.
            weights: by shock.
            gap_limits: by shock, the gap that it may leave, for costs; nan to keep its floors. A shock that may leave
                one has a group of its own. `fails` are then the shocks that leave more.
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
        """By shock, a lower bound on its discounted cost, in money, whatever the plan."""
        result = np.zeros(len(self.instance.events))
        for length in {part.length for part in self.batches}:
            numbers = np.sort(np.concatenate([part.events for part in self.batches if part.length == length]))
            result[numbers] = self.subproblems.window(length).cost_lower_bounds()
        return result

    def bases(self) -> dict[str, npt.NDArray[Any]]:
        """The basis from which each batch starts the next time, by name."""
        return {f"basis {batch} {task}": basis for (batch, task), basis in self._bases.items()}

    def recall(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Start from the bases of another run."""
        for name, basis in arrays.items():
            if name.startswith("basis "):
                _, batch, task = name.split(" ", 2)
                self._bases[int(batch), cast(RecourseTask, task)] = basis

    def close(self) -> None:
        """End the workers."""
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
        """The answers; where workers fail those of this process, which then goes on alone: they are the same."""
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


# Where a worker keeps its subproblems. The number of shocks below which one process is done before others have
# started, and that below which solvers of other threads are not worth their making. And how many threads the
# interpreter's lock leaves with something to do.
KEPT, FEW_FOR_PROCESSES, FEW_FOR_THREADS, MOST_THREADS = "subproblems", 400, 100, 4


def recourse_executor(instance: Instance, jobs: int | None = None, cluster: str | None = None) -> Executor:
    """An executor whose workers keep the subproblems of an instance.

    Args:
        jobs: processes; where that is left open, one for each core once there are many shocks, threads with fewer, and
            neither with few.
        cluster: address of a Dask scheduler, in their place.

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
    """How many threads of a process have something to do: no more than a future has batches; one for few shocks."""
    most = max(len(each.instance.events) for each in solvers)
    return 1 if most < FEW_FOR_THREADS else min(MOST_THREADS, core_count(), max(len(each.batches) for each in solvers))


def _first_tasks(solvers: Sequence[SubproblemSolver], size: int) -> dict[int, Task]:
    """By worker, the task that writes the programmes that it will need."""
    lengths: dict[int, list[tuple[int, int]]] = {number: [] for number in range(1, size)}
    for future, solver in enumerate(solvers):
        for part, home in zip(solver.batches, _homes(solver.batches, size), strict=True):
            if home and (future, part.length) not in lengths[home]:
                lengths[home].append((future, part.length))
    return {number: Task(_write_windows, (own,)) for number, own in lengths.items()}


def answer_batch(memory: Memory, request: BatchRequest) -> BatchResponse:
    """A task: the recourse of a batch of shocks, by the subproblems that a worker keeps."""
    solver: SubproblemSolver = memory[KEPT][request.future]
    return solver.answer(request)


def setup_of(instances: Sequence[Instance]) -> Setup:
    """What a worker builds for some futures; instances that are one stay one when they are sent."""
    fresh = {id(each): each.fresh() for each in instances}
    return Setup.of(_build_subproblems, [fresh[id(each)] for each in instances])


def _build_subproblems(memory: Memory, instances: Sequence[Instance]) -> None:
    memory[KEPT] = _solvers(instances)


def _solvers(instances: Sequence[Instance]) -> list[SubproblemSolver]:
    """The recourse programmes of some futures; those with the same data share theirs."""
    made = {id(each): SubproblemSolver(each) for each in {id(each): each for each in instances}.values()}
    return [made[id(each)] for each in instances]


def _for_thread(solvers: Sequence[SubproblemSolver]) -> list[SubproblemSolver]:
    """The same programmes with solvers of their own; futures that share theirs still do."""
    made = {id(each): each.for_thread() for each in {id(each): each for each in solvers}.values()}
    return [made[id(each)] for each in solvers]


def _write_windows(memory: Memory, lengths: Sequence[tuple[int, int]]) -> None:
    for future, length in lengths:
        memory[KEPT][future].window(length)


def _homes(batches: Sequence[ShockBatch], size: int) -> list[int]:
    """By batch the worker that keeps it, 0 … size − 1: equal work, and few window lengths to a worker."""
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
    """The prices of one shock's least gap, in money per tonne, by (owner, offset in the window); only those above 0."""

    commodity: dict[tuple[str, int], float] = field(default_factory=dict)  # of a tonne more of a commodity
    capacity: dict[tuple[str, int], float] = field(default_factory=dict)  # of a tonne more of an activity's capacity


@dataclass(frozen=True)
class Bottleneck:
    """The bottleneck of a segment's supply chain."""

    commodity: str  # the one that is short
    # The activities that make it and are at their limit, the highest price of capacity first; none where nothing makes
    # it, or no price shows one.
    makers: tuple[str, ...]


def scarcity_prices(solver: SubproblemSolver, plan: Vector, numbers: Iterable[int]) -> dict[int, ScarcityPrices]:
    """By number of the shock, its prices under a plan (values of the columns of `first_stage_model`)."""
    by_length: dict[int, list[int]] = {}
    for number in sorted(numbers):
        by_length.setdefault(len(solver.instance.events[number].periods), []).append(number)
    linking, result = solver.linking_matrix.linking_terms(plan), {}
    for length, some in by_length.items():
        found = solver.priced(BatchRequest(0, "gaps", np.array(some, dtype=np.intp), linking))
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
    """Upstream from the commodity of a segment, the first one whose makers are at their limit.

    Only makers that exist count, those in `there`: an option that was not bought has not failed.
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
