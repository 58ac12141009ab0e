"""The best plans of some cases under many budgets, found side by side, each from what larger budgets taught.

What a comparison asks, each a question that one process answers by itself (`algorithms.executor`).

best     the best plan of an instance, audited
least    the least outlay at which every floor is kept in every shock
alone    the same where only one shock may come, for some of the shocks
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.executor import Executor, Memory, Task, size_for, start_executor
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.question import Question, outlay
from optimizer.algorithms.reading import plan_values
from optimizer.instance.edits import with_budget
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, Progress, ignore
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies.frontier import KnownPlans
from optimizer.studies.measure import Measure, before_measure, no_shock_cost
from optimizer.studies.solve import solve, tight_shocks
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver
from optimizer.tolerances import EXACT_GAP
from optimizer.units import si

LEAST_OUTLAY = Question(objective=outlay, name="outlay")


@dataclass(frozen=True)
class LoneShock:
    """The ask_least_outlay outlay at which one shock is survived, were it the only one that may come.

    Attributes:
        status: ``optimal``, ``stopped``, or ``infeasible``: no outlay is enough.
        outlay, bound: money, as found and its proven lower bound; None where there is none.
    """

    shock: str
    status: Literal["optimal", "stopped", "infeasible"]
    outlay: float | None
    bound: float | None


def ask_best_plan(
    memory: Memory,
    instance: Instance,
    settings: Settings,
    first: frozenset[str] = frozenset(),
    plan: Plan | None = None,
) -> Result:
    """The ask_best_plan plan of an instance, from shocks that are likely to bite and a plan to start from."""
    with _clock(memory, settings) as clock:
        evaluator = _asker(memory, instance, settings).evaluator(instance)
        return solve(
            instance,
            None,
            settings=settings,
            listener=_listener(memory),
            evaluator=evaluator,
            first=first,
            plan=plan,
            clock=clock,
        )


def ask_least_outlay(
    memory: Memory,
    instance: Instance,
    settings: Settings,
    first: frozenset[str] = frozenset(),
    plan: Plan | None = None,
) -> WhatIfResult:
    """The ask_least_outlay outlay at which every floor is kept, whatever the budget.

    Where it was stopped, its plan may not keep them: then the gap that it leaves is that of the answer.
    """
    free, exact = with_budget(instance, None), _exact(settings)
    with _clock(memory, settings) as clock:
        asker = _asker(memory, instance, settings)
        asker.clock, asker.listener = clock, _listener(memory)
        asker.learn(plan or Plan(), first)
        found = asker.ask(free, LEAST_OUTLAY, exact)
        if found.status != "stopped" or not np.isfinite(found.value):
            return found
        evaluator = asker.evaluator(free)
        left = evaluator.gaps(plan_values(free, found.plan, evaluator.subproblems.plan), clock)
        return replace(found, gap=max(found.gap, float(left.gap.sum())))


def ask_hurting(memory: Memory, instance: Instance, settings: Settings) -> tuple[str, ...]:
    """The shocks that are not survived where nothing is built, the worst first."""
    gap = _asker(memory, instance, settings).evaluator(instance).idle(Clock()).gap
    worst = sorted(np.flatnonzero(gap > 0.0).tolist(), key=lambda number: -gap[number])
    return tuple(instance.events[number].name for number in worst)


def ask_alone(memory: Memory, instance: Instance, settings: Settings, names: Sequence[str]) -> list[LoneShock]:
    """The ask_least_outlay outlay for each of some shocks ask_alone; of no name at all, for none to come."""
    free, exact = with_budget(instance, None), _exact(settings)
    writer, found = formulation.Writer(free), list[LoneShock]()
    with _clock(memory, settings) as clock:
        for name in names:
            if clock.is_over:
                break
            shocks = [free.event(name)] if name else []
            solved = ScenarioModel(free, shocks, exact, clock, _listener(memory), writer, LEAST_OUTLAY).kept()
            if solved is None or solved.status == "infeasible":
                found.append(LoneShock(name, "infeasible", None, None))
            elif solved.values is not None and solved.gap <= 0:
                found.append(LoneShock(name, solved.status, max(0.0, solved.cost), _finite(solved.bound)))
    return found


def _exact(settings: Settings) -> Settings:
    return replace(settings, gap=min(settings.gap, EXACT_GAP), tolerance=None)


def _finite(bound: float) -> float | None:
    return max(0.0, bound) if np.isfinite(bound) else None


def _asker(memory: Memory, instance: Instance, settings: Settings) -> WhatIfSolver:
    """The one of this process; its programmes of the shocks stay warm."""
    if "asker" not in memory:
        memory["asker"] = WhatIfSolver(instance, settings)
    asker: WhatIfSolver = memory["asker"]
    return asker


def dismiss(memory: Memory) -> None:
    """Let those go who answered for the shocks."""
    if "asker" in memory:
        memory.pop("asker").__exit__()


def _listener(memory: Memory) -> Listener:
    listener: Listener = memory.get("listener", ignore)
    return listener


@contextlib.contextmanager
def _clock(memory: Memory, settings: Settings) -> Iterator[Clock]:
    """The time of one question. Where it is this process that hears Ctrl-C, all questions end with it."""
    clock = Clock(settings.time_limit)
    with interruptible(clock, _listener(memory)):
        yield clock
    if clock.interrupted and "clock" in memory:
        memory["clock"].interrupted = True


BudgetKey = tuple[str, float | None]


@dataclass
class BudgetSweep:
    """What is known of some cases, and who finds out more.

    Attributes:
        cases: by name.
        settings: of every search; `jobs` is how many run side by side, `gap` the share of the measure to which costs
            are proven.
        clock: whether Ctrl-C was pressed.
        listener: hears of each plan or outlay that was found, and of the rounds of searches in this process.
        known: by case, its plans.
        plans: by case, the one with the least outlay.
        measures: by case, what its costs are measured by; known once its first plan is.
    """

    cases: Mapping[str, Instance]
    settings: Settings
    clock: Clock
    listener: Listener
    known: dict[str, KnownPlans] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = {case: KnownPlans() for case in self.cases}
        self._results: dict[BudgetKey, Result] = {}
        self._done = self._asked = 0
        self._executor = self._started(self.settings.jobs or 1)

    def __enter__(self) -> "BudgetSweep":
        return self

    def __exit__(self, *about: object) -> None:
        dismiss(self._executor.memory)
        self._executor.close()

    def _started(self, size: int) -> Executor:
        executor = start_executor(size)
        executor.memory |= {"clock": self.clock, "listener": self.listener}
        return executor

    @property
    def working(self) -> Settings:
        """The settings of one search: where several run side by side, none takes more than its processor."""
        settings = before_measure(self.settings)
        return settings if self._executor.size == 1 else replace(settings, jobs=1, threads=settings.threads or 1)

    def measuring(self, case: str) -> Settings:
        """The same, with costs proven to the tolerance of a case, once that is known."""
        measure = self.measures.get(case)
        return self.working if measure is None else measure.settings(self.working)

    def has(self, case: str, budget: float | None) -> bool:
        """Whether a budget was asked and answered."""
        return (case, budget) in self._results

    def is_planned(self, case: str, budget: float | None) -> bool:
        """Whether there is a plan for a budget."""
        return self.has(case, budget) and self._results[case, budget].baseline is not None

    def result(self, case: str, budget: float | None) -> Result:
        """The best plan of a budget, which may be that of another one."""
        own = self._results[case, budget]
        return own if own.baseline is None else self.known[case].best(budget, own)

    def start(self, case: str) -> tuple[frozenset[str], Plan | None]:
        """Where a search near the least outlay begins."""
        first, plan = self.known[case].start(None)
        return first, self.plans.get(case, plan)

    def best(self, wanted: Sequence[BudgetKey]) -> None:
        """Find the best plans of some cases and budgets that are not known yet; the first of a case is its measure."""
        first = [key for key in dict(wanted).items() if key[0] not in self.measures]
        self._find(wanted)
        self._measure(first)

    def _measure(self, keys: Sequence[BudgetKey]) -> None:
        """Measure cases by a plan each; where its cost is not proven to the tolerance, prove it again."""
        least, before = dict[str, float | None](), dict[BudgetKey, Result]()
        for case, budget in keys:
            result = self._results.get((case, budget))
            if result is None or result.baseline is None or self.clock.interrupted:
                continue
            instance, clock = with_budget(self.cases[case], budget), Clock(self.settings.time_limit)
            least[case] = no_shock_cost(instance, self.settings, clock)
            self.measures[case] = self._measured(result, least[case])
            if result.status != "stopped" and not self.measures[case].is_proven(result):
                before[case, budget] = self._results.pop((case, budget))
                self.known[case] = KnownPlans()
        self._find(list(before), {key: (tight_shocks(each), each.plan) for key, each in before.items()})
        for (case, budget), result in before.items():
            again = self._results.get((case, budget))
            if again is None or again.status == "stopped":
                self._results[case, budget] = again = result
                self.known[case].add(budget, result)
            self.measures[case] = self._measured(again, least[case])

    def _measured(self, result: Result, no_shock_cost: float | None) -> Measure:
        return Measure.of(result.total_cost, no_shock_cost, self.settings.gap, result.survival_gap)

    def _find(
        self, wanted: Sequence[BudgetKey], starts: Mapping[BudgetKey, tuple[frozenset[str], Plan]] | None = None
    ) -> None:
        """Solve for what is not known yet, each from where it is told to start, or from what is known."""
        calls, keys = [], []
        for case, budget in dict.fromkeys(wanted):
            settled = self.known[case].settled(budget)
            if self.has(case, budget):
                continue
            if settled is not None:
                self._results[case, budget] = settled
                continue
            instance = with_budget(self.cases[case], budget)
            begin = (starts or {}).get((case, budget)) or self.known[case].start(budget)
            calls.append(Task(ask_best_plan, (instance, self.measuring(case), *begin)))
            keys.append((case, budget))
        began = time.perf_counter()
        for number, result in self.answers(calls, [self._label(*key) for key in keys]):
            case, budget = keys[number]
            self._results[case, budget] = result
            if result.baseline is not None:
                self.known[case].add(budget, result)
        self._widen(time.perf_counter() - began, len(calls))

    def answers(self, calls: Sequence[Task], labels: Sequence[str]) -> Iterator[tuple[int, Any]]:
        """What calls return, as it comes; the listener hears of each."""
        self._asked += len(calls)
        if calls:
            self.listener(Progress(done=self._done, total=self._asked))
        with contextlib.closing(self._executor.as_completed(calls, self.clock)) as answers:
            for number, answer in answers:
                self._done += 1
                said = f": {one_line(answer)}" if isinstance(answer, Result) else ""
                self.listener(Progress(task=labels[number] + said, done=self._done, total=self._asked))
                yield number, answer

    def _widen(self, seconds: float, count: int) -> None:
        """Where the first search took its time, have the others run side by side."""
        size = size_for(self.settings.jobs, seconds / max(1, count))
        if size > self._executor.size == 1:
            self.__exit__()
            self._executor = self._started(size)

    def _label(self, case: str, budget: float | None) -> str:
        money = "any budget" if budget is None else si(budget, self.cases[case].money, 4)
        return money if len(self.cases) == 1 else f"{case}, {money}"


def one_line(result: Result) -> str:
    """A plan in one line."""
    if result.baseline is None:
        return "no plan"
    kept, money = sum(outcome.survives for outcome in result.shocks), result.money
    gap = f", gap {si(result.survival_gap, money)}" if result.survival_gap > 0 else ""
    return f"survives {kept} of {len(result.shocks)}{gap}, cost {si(result.total_cost, money, 4)}"
