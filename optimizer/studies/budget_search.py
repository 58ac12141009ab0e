"""The best plans of some cases under many budgets, found side by side, each from what larger budgets taught."""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optimizer.algorithms.base import Listener
from optimizer.algorithms.question_pool import Call, Team, seats
from optimizer.instance.edits import with_budget
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings
from optimizer.studies import compare_questions as columns
from optimizer.studies.frontier import Known, biting
from optimizer.studies.measure import Measure, loosely, no_shock_cost
from optimizer.units import si

Key = tuple[str, float | None]


@dataclass
class Search:
    """What is known of some cases, and who finds out more.

    Attributes:
        cases: by name.
        settings: of every search; `jobs` is how many run side by side, `gap` the share of the measure to which costs
            are proven.
        clock: whether Ctrl-C was pressed.
        progress: hears what was answered, how many are, and how many were asked.
        listener: hears the steps of searches in this process.
        known: by case, its plans.
        plans: by case, the one with the least outlay.
        measures: by case, what its costs are measured by; known once its first plan is.
    """

    cases: Mapping[str, Instance]
    settings: Settings
    clock: Clock
    progress: Callable[[str, int, int], None]
    listener: Listener
    known: dict[str, Known] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = {case: Known() for case in self.cases}
        self._results: dict[Key, Result] = {}
        self._done = self._asked = 0
        self._team = self._hired(self.settings.jobs or 1)

    def __enter__(self) -> "Search":
        return self

    def __exit__(self, *about: object) -> None:
        columns.leave(self._team.desk)
        self._team.__exit__(*about)

    def _hired(self, size: int) -> Team:
        team = Team(size, self.clock)
        team.desk |= {"clock": self.clock, "listener": self.listener}
        return team

    @property
    def working(self) -> Settings:
        """The settings of one search: where several run side by side, none takes more than its processor."""
        settings = loosely(self.settings)
        return settings if self._team.size == 1 else replace(settings, jobs=1, threads=settings.threads or 1)

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

    def best(self, wanted: Sequence[Key]) -> None:
        """Find the best plans of some cases and budgets that are not known yet; the first of a case is its measure."""
        first = [key for key in dict(wanted).items() if key[0] not in self.measures]
        self._find(wanted)
        self._measure(first)

    def _measure(self, keys: Sequence[Key]) -> None:
        """Measure cases by a plan each; where its cost is not proven to the tolerance, prove it again."""
        least, before = dict[str, float | None](), dict[Key, Result]()
        for case, budget in keys:
            result = self._results.get((case, budget))
            if result is None or result.baseline is None or self.clock.interrupted:
                continue
            instance, clock = with_budget(self.cases[case], budget), Clock(self.settings.time_limit)
            least[case] = no_shock_cost(instance, self.settings, clock)
            self.measures[case] = self._measured(result, least[case])
            if result.status != "stopped" and not self.measures[case].is_proven(result):
                before[case, budget] = self._results.pop((case, budget))
                self.known[case] = Known()
        self._find(list(before), {key: (frozenset(biting(each)), each.plan) for key, each in before.items()})
        for (case, budget), result in before.items():
            again = self._results.get((case, budget))
            if again is None or again.status == "stopped":
                self._results[case, budget] = again = result
                self.known[case].add(budget, result)
            self.measures[case] = self._measured(again, least[case])

    def _measured(self, result: Result, no_shock_cost: float | None) -> Measure:
        return Measure.of(result.total_cost, no_shock_cost, self.settings.gap, result.survival_gap)

    def _find(self, wanted: Sequence[Key], starts: Mapping[Key, tuple[frozenset[str], Plan]] | None = None) -> None:
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
            calls.append(Call(columns.best, (instance, self.measuring(case), *begin)))
            keys.append((case, budget))
        began = time.perf_counter()
        for number, result in self.answers(calls, [self._label(*key) for key in keys]):
            case, budget = keys[number]
            self._results[case, budget] = result
            if result.baseline is not None:
                self.known[case].add(budget, result)
        self._hire_for(time.perf_counter() - began, len(calls))

    def answers(self, calls: Sequence[Call], labels: Sequence[str]) -> Iterator[tuple[int, Any]]:
        """What calls return, as it comes; progress hears of each."""
        self._asked += len(calls)
        if calls:
            self.progress("", self._done, self._asked)
        with contextlib.closing(self._team.answers(calls)) as answers:  # type: ignore[type-var]
            for number, answer in answers:
                self._done += 1
                said = f": {in_short(answer)}" if isinstance(answer, Result) else ""
                self.progress(labels[number] + said, self._done, self._asked)
                yield number, answer

    def _hire_for(self, seconds: float, count: int) -> None:
        """Where the first search took its time, have the others run side by side."""
        size = seats(self.settings.jobs, seconds / max(1, count))
        if size > self._team.size == 1:
            self.__exit__()
            self._team = self._hired(size)

    def _label(self, case: str, budget: float | None) -> str:
        money = "any budget" if budget is None else si(budget, self.cases[case].money, 4)
        return money if len(self.cases) == 1 else f"{case}, {money}"


def in_short(result: Result) -> str:
    """A plan in one line."""
    if result.baseline is None:
        return "no plan"
    kept, money = sum(outcome.survives for outcome in result.shocks), result.money
    gap = f", gap {si(result.survival_gap, money)}" if result.survival_gap > 0 else ""
    return f"survives {kept} of {len(result.shocks)}{gap}, cost {si(result.total_cost, money, 4)}"
