"""Budgets, variants and files side by side, and what is exact about the money between them.

grid     the best plan of every budget of every case
least    the least outlay that keeps every floor, proven; and the cheapest plan that has it
alone    the same for each shock, were it the only one
next     what some more money buys at each budget

Where a budget is not told, it is found: parts of the least outlay, or by bisection (`find_breakpoints`) the budgets at
which the set of builds or of survived shocks changes. Plans are proven to the gap of the settings
and audited; each search goes on from what a larger budget taught. Searches run side by side where one takes its time.

The budgets at which the set of builds or of survived shocks becomes another, by bisection.

Between two budgets whose plans buy the same options and survive the same shocks nothing is taken to change. Between two
that differ the middle one is asked, until they are nearer than the resolution: all such pairs side by side, the widest
first, so that whatever is known when it ends is evenly near. A plan that is as good as another one within the gap may
buy other options: then the budget found is one at which these plans change, not the only one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

from optimizer.algorithms.executor import Task
from optimizer.errors import Finding, InstanceError
from optimizer.instance.edits import MoneyLike, ScenarioNames, budget_list, money, scenario_variants, with_budget
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, ignore
from optimizer.results.result import Result
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies.budget_sweep import (
    BudgetSweep,
    LoneShock,
    ask_alone,
    ask_best_plan,
    ask_hurting,
    ask_least_outlay,
)
from optimizer.studies.comparison import (
    Breakpoint,
    BudgetStep,
    CaseLeastOutlay,
    Comparison,
    ComparisonColumn,
    shocks_survived,
    sizes_bought,
)
from optimizer.studies.frontier import budgets_up_to, rounded_up
from optimizer.studies.measure import MEASURE_SHARE
from optimizer.studies.solve import tight_shocks
from optimizer.tolerances import EXACT_GAP
from optimizer.units import rounded

# So many budgets are asked at most.
MOST_BUDGETS = 60


def find_breakpoints(search: BudgetSweep, case: str, resolution: float) -> tuple[list[Breakpoint], bool, float]:
    """The changes from nothing to what the plan of any budget spends.

    Args:
        search: knows the plan of any budget of the case.
        case: its name.
        resolution: money; budgets are multiples of the next smaller round number.

    Returns:
        The changes by budget, whether all were found to the resolution, and that.
    """
    unit = rounded(resolution)
    top = search.result(case, None).outlay
    points = [0.0, max(unit, -(-top // unit) * unit)] if unit > 0 and rounded_up(top) > 0 else [0.0]
    search.best([(case, budget) for budget in points])
    asked, is_whole = len(points), True
    while not search.clock.interrupted:
        points = [budget for budget in points if search.is_planned(case, budget)]
        wide = [(low, high) for low, high in _changing(search, case, points) if high - low > 1.5 * unit]
        wide.sort(key=lambda pair: pair[0] - pair[1])
        middles = [round((low + high) / 2 / unit) * unit for low, high in wide][: max(0, MOST_BUDGETS - asked)]
        if not middles:
            is_whole = not wide
            break
        search.best([(case, middle) for middle in middles])
        asked += len(middles)
        points = sorted({*points, *middles})
    else:
        is_whole = False
    points = [budget for budget in points if search.is_planned(case, budget)]
    changes = [
        Breakpoint(case, low, high, search.result(case, low), search.result(case, high))
        for low, high in _changing(search, case, points)
    ]
    return changes, is_whole, unit


def _changing(search: BudgetSweep, case: str, points: list[float]) -> list[tuple[float, float]]:
    """Neighbouring budgets whose plans differ in what they buy or survive."""
    known = [(budget, _kind(search.result(case, budget))) for budget in points]
    return [(low, high) for (low, one), (high, other) in pairwise(known) if one != other]


def _kind(result: Result) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(sizes_bought(result)), frozenset(shocks_survived(result))


Fact = Literal["least", "alone", "next"]
ComparisonPart = Literal["grid", "least", "alone", "next"]
BudgetList = Sequence[MoneyLike | None] | str | None
FACTS: tuple[Fact, ...] = ("least", "alone", "next")
# The next money is so much, where the largest budget is of the size for which that is a step.
DEFAULT_STEP, STEP_FROM, STEP_TO = 50e6, 5e8, 5e10
# Shocks that are asked alone, and how many at a time.
MOST_ALONE, ALONE_BATCH = 60, 4


def compare(
    cases: Instance | Mapping[str, Instance],
    budgets: BudgetList = None,
    *,
    facts: Sequence[Fact] = FACTS,
    step: MoneyLike | None = None,
    resolution: float = 0.01,
    settings: Settings | None = None,
    heard: Callable[[ComparisonPart, Comparison], None] = lambda part, comparison: None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
) -> Comparison:
    """Compare budgets of an instance, or instances.

    Args:
        cases: one instance, or some by name.
        budgets: money, undiscounted, as numbers or text such as "250M", None or "any" for any; also one text such as
            "0,250M,any"; ``auto`` finds those at which the plan changes. Left out: of one case, parts of its least
            outlay, its own, and any; of several, each its own.
        facts: what is asked beside the plans.
        step: of what the next money buys; 50M, or where budgets are of another size about a twentieth of the largest.
        resolution: how near ``auto`` finds a budget, as a share of the least outlay.
        settings: `gap` is the share of the price of survival to which costs are proven (2 % where left out; survival
            gaps to the same share of themselves, 0.5 % at most), seconds for each search, and `jobs` processes; all
            cores where that is left out and a search takes its time.
        heard: hears every part once it is known, with all that is known.
        listener: hears of each plan or outlay that was found, and of the rounds of searches in this process.
        scenario: each a case beside the plain one, of every instance; commas put several into one case.

    Raises:
        AuditError: a plan and its figures disagree.
        WorkerError: a process died.
        InstanceError: the cases are in different currencies.
        SolverError: the solver failed.
        ValueError: a budget or step that is no amount of money, or a scenario that there is not.
    """
    settings, asked, more = settings or Settings(gap=MEASURE_SHARE), budget_list(budgets), money(step, "step")
    named = scenario_variants({"plain": cases} if isinstance(cases, Instance) else cases, scenario)
    require_one_currency(named)
    clock = Clock()
    with (
        interruptible(clock, listener),
        BudgetSweep(named, settings, clock, listener) as search,
    ):
        comparing = _ComparisonBuilder(search, facts, more, heard)
        comparing.grid(asked, resolution)
        comparing.exact()
        return comparing.known()


def require_one_currency(cases: Mapping[str, Instance], files: Mapping[str, str] | None = None) -> None:
    """Refuse cases whose currency labels differ; `files` are where they come from, by case.

    Raises:
        InstanceError: amounts of money cannot stand side by side.
    """
    places = {case: case for case in cases} | dict(files or {})
    first, wrong = next(iter(cases), ""), list[Finding]()
    for case in cases:
        label = cases[first].currency
        if cases[case].currency != label:
            what = f'it is "{cases[case].currency}" here and "{label}" in {places[first]}, and is not converted'
            cure = "Write the amounts of all in one currency of one year, or compare each by itself. Where the labels "
            cure += f'mean the same: --set "currency={label}".'
            wrong.append(Finding(places[case], None, "currency", what, cure))
    if wrong:
        raise InstanceError(list(dict.fromkeys(wrong)))


class _ComparisonBuilder:
    """A comparison while it is made."""

    def __init__(
        self,
        search: BudgetSweep,
        facts: Sequence[Fact],
        step: float | None,
        heard: Callable[[ComparisonPart, Comparison], None],
    ) -> None:
        self.search, self.facts, self.step, self.heard = search, facts, step, heard
        self.found = Comparison(search.cases, gap=search.settings.gap)
        self.wanted: list[tuple[str, float | None]] = []

    def known(self) -> Comparison:
        """All that is known by now."""
        search = self.search
        asked = [(case, budget) for case, budget in self.wanted if search.has(case, budget)]
        shown = tuple(ComparisonColumn(case, budget, search.result(case, budget)) for case, budget in asked)
        return replace(self.found, columns=shown, stopped=search.clock.interrupted, measures=dict(search.measures))

    def _tell(self, part: ComparisonPart) -> None:
        self.heard(part, self.known())

    def grid(self, budgets: Sequence[float | None] | Literal["auto"] | None, resolution: float) -> None:
        """The plans."""
        search, cases = self.search, list(self.search.cases)
        if budgets == "auto":
            self._located(resolution)
        elif budgets is not None:
            ordered = sorted(set(budgets), key=lambda budget: float("inf") if budget is None else budget)
            self.wanted = [(case, budget) for case in cases for budget in ordered]
        elif len(cases) > 1:
            self.wanted = [(case, search.cases[case].policy.budget) for case in cases]
        else:
            self.wanted = self._chosen(cases[0])
        largest = dict(self.wanted)
        search.best(list(largest.items())[:1])
        search.best(list(largest.items()))
        search.best(list(reversed(self.wanted)))
        self._tell("grid")

    def _chosen(self, case: str) -> list[tuple[str, float | None]]:
        """Parts of the least outlay, the budget of the file, and any."""
        search, own = self.search, self.search.cases[case].policy.budget
        search.best([(case, None)])
        self._least()
        if not search.is_planned(case, None):
            return [(case, None)]
        outlay = next((each.outlay for each in self.found.least), None)
        parts = budgets_up_to(search.result(case, None).outlay if outlay is None else outlay, own)
        return [(case, budget) for budget in sorted({*parts, *([] if own is None else [own])})] + [(case, None)]

    def _located(self, resolution: float) -> None:
        """The budgets at which something changes."""
        search = self.search
        search.best([(case, None) for case in search.cases][:1])
        search.best([(case, None) for case in search.cases])
        self._least()
        for case in search.cases:
            if not search.is_planned(case, None):
                self.wanted.append((case, None))
                continue
            outlay = next((each.outlay for each in self.found.least if each.case == case), None)
            unit = resolution * (outlay or search.result(case, None).outlay)
            changes, is_whole, unit = find_breakpoints(search, case, unit)
            self.wanted += [(case, 0.0), *((case, change.at) for change in changes)]
            self.found = replace(
                self.found,
                changes=(*self.found.changes, *changes),
                is_whole=self.found.is_whole and is_whole,
                resolution=max(unit, self.found.resolution or 0.0),
            )

    def exact(self) -> None:
        """What was asked for beside the plans; nothing more once Ctrl-C was pressed."""
        if "least" in self.facts and not self.search.clock.interrupted:
            self._least()
        if ("least" in self.facts or "alone" in self.facts) and not self.search.clock.interrupted:
            self._cheapest_and_alone()
        if "least" in self.facts and self.found.least:
            self._tell("least")
        if "alone" in self.facts and self.found.alone:
            self._tell("alone")
        if "next" in self.facts and not self.search.clock.interrupted and self.found.resolution is None:
            self._next()

    def _least(self) -> None:
        """The least outlay of every case, once."""
        search = self.search
        if self.found.least:
            return
        calls, cases, kept = [], list(search.cases), list[Result | None]()
        for case in cases:
            plans = [point.result for point in search.known[case].points if point.result.survives]
            best = min(plans, key=lambda result: result.outlay, default=None)
            first = tight_shocks(best) if best else frozenset[str]()
            plan = best.plan if best else None
            kept.append(best)
            calls.append(Task(ask_least_outlay, (search.cases[case], search.working, first, plan)))
        least = []
        for number, found in search.answers(calls, ["the least outlay that survives everything"] * len(calls)):
            if found.status == "infeasible":
                least.append((number, CaseLeastOutlay(cases[number], "infeasible")))
            elif found.survives and found.value < float("inf"):
                values = (max(0.0, found.value), max(0.0, found.bound))
                search.plans[cases[number]] = found.plan
                least.append((number, CaseLeastOutlay(cases[number], found.status, *values)))
            else:
                best = kept[number]
                outlay, bound = None if best is None else best.outlay, max(0.0, found.bound)
                least.append((number, CaseLeastOutlay(cases[number], "stopped", outlay, bound)))
        self.found = replace(self.found, least=tuple(each for _, each in sorted(least, key=lambda pair: pair[0])))

    def _cheapest_and_alone(self) -> None:
        """The cheapest plans with the least outlay, and what each shock takes alone, side by side."""
        search, calls, labels = self.search, [], []
        least = [each for each in self.found.least if each.outlay is not None] if "least" in self.facts else []
        for each in least:
            case = with_budget(search.cases[each.case], (each.outlay or 0.0) * (1.0 + EXACT_GAP))
            calls.append(Task(ask_best_plan, (case, search.measuring(each.case), *search.start(each.case))))
            labels.append("the cheapest plan with the least outlay")
        asked = self._alone_calls() if "alone" in self.facts else []
        calls += [call for _, call in asked]
        labels += ["each shock alone"] * len(asked)
        of_case: dict[str, list[LoneShock]] = {}
        for number, answer in search.answers(calls, labels):
            if number >= len(least):
                of_case.setdefault(asked[number - len(least)][0], []).extend(answer)
            elif answer.baseline is not None:
                every = [replace(e, result=answer) if e == least[number] else e for e in self.found.least]
                self.found = replace(self.found, least=tuple(every))
        self.found = replace(self.found, alone={case: self._in_order(case, of_case[case]) for case in of_case})

    def _alone_calls(self) -> list[tuple[str, Task]]:
        """By case, the shocks that are not survived anyway, some at a time; first that none comes."""
        search, calls = self.search, []
        cases = list(search.cases)
        asked = [Task(ask_hurting, (search.cases[case], search.working)) for case in cases]
        for number, names in search.answers(asked, ["which shocks hurt"] * len(asked)):
            case = cases[number]
            if len(names) > MOST_ALONE:
                what = f"{case}: of {len(names):,} shocks that hurt, the {MOST_ALONE} worst are asked alone."
                self.found = replace(self.found, notes=(*self.found.notes, what))
            parts = [("", *names[: ALONE_BATCH - 1])]
            parts += [
                names[i : min(i + ALONE_BATCH, MOST_ALONE)]
                for i in range(ALONE_BATCH - 1, min(len(names), MOST_ALONE), ALONE_BATCH)
            ]
            calls += [(case, Task(ask_alone, (search.cases[case], search.working, part))) for part in parts]
        return sorted(calls, key=lambda pair: cases.index(pair[0]))

    def _in_order(self, case: str, found: Sequence[LoneShock]) -> tuple[LoneShock, ...]:
        """The dearest first; a shock that needs nothing costs what it costs when none comes."""
        events = [event.name for event in self.search.cases[case].events]
        known = {each.shock: each for each in found}
        peace = known.pop("", None)
        if peace is not None and len(events) <= MOST_ALONE:
            known |= {name: replace(peace, shock=name) for name in events if name not in known}
        dear = {name: float("inf") if each.outlay is None else each.outlay for name, each in known.items()}
        return tuple(sorted(known.values(), key=lambda each: (-dear[each.shock], events.index(each.shock))))

    def _next(self) -> None:
        """What some more money buys at each budget."""
        search = self.search
        shown = [(each.case, each.budget, each.result) for each in self.known().columns if each.budget is not None]
        more = self.step or default_step([budget for _, budget, _ in shown])
        if not shown or not more:
            return
        shown = [each for each in shown if each[2].baseline is not None]
        search.best([(case, budget + more) for case, budget, _ in shown])
        steps = tuple(
            BudgetStep(case, budget, more, search.result(case, budget), search.result(case, budget + more))
            for case, budget, _ in shown
            if search.is_planned(case, budget + more)
        )
        self.found = replace(self.found, steps=steps)
        self._tell("next")


def default_step(budgets: Sequence[float]) -> float:
    """50M where budgets are of the size for that, else about a twentieth of the largest; 0 where all are."""
    largest = max(budgets, default=0.0)
    return DEFAULT_STEP if STEP_FROM <= largest <= STEP_TO else rounded(largest / 20)
