"""Budget sweeps: the best plans of several cases under many budgets, and the least outlay of each case.

A plan that a budget pays is also paid by every larger budget. So each search starts from the plans that are known for
other budgets (`KnownPlans`), and a budget that pays the best plan of a larger budget needs no search. If searches take
long, they run in parallel worker processes. The tasks of the workers are:

    find_best_plan             find the best plan of an instance, audited
    find_plan_with_base        find the best plan, and the tolerance base of the instance
    find_withstanding_plan     find the best plan against the adversary of the instance
    find_surviving_outlay      find the least outlay at which every floor is kept in every shock
    find_withstanding_outlay   find the least outlay at which every attack is withstood too
    find_failing               find the shocks in which the do-nothing plan fails
    find_lone                  find the least outlay for each of the given shocks if it were the only one
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

import numpy as np

from optimizer import formulation
from optimizer.algorithms.executor import Executor, size_for, start_executor
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import LEAST_OUTLAY, SearchResult
from optimizer.algorithms.relaxed_floors import failing_beyond_allowed
from optimizer.algorithms.separation.attacks import listed_shocks_only
from optimizer.algorithms.workers import LISTENER, Memory, Setup, Task, listener_of, own_clock
from optimizer.audit.result import audit_no_shock
from optimizer.instance.altered import with_eased_floors, without_gap_price
from optimizer.instance.edits import edit_budget, with_budget
from optimizer.instance.schema import Instance
from optimizer.results.plan import NoShockPlan, Plan
from optimizer.results.result import Result
from optimizer.solver import Clock, Gains, Listener, Progress, PseudoCostsByObjective, Settings, ignore
from optimizer.studies.attack_result import LeastOutlay
from optimizer.studies.comparison import BudgetPoint, CaseLeastOutlay, LoneShock, SearchStatus, budget_order
from optimizer.studies.conclusion import ResultWithBase, Timer, conclude, plan_with_base
from optimizer.studies.cost_tolerance import ToleranceBase, before_tolerance_base
from optimizer.studies.outcomes import relative_distance
from optimizer.studies.solve import find_withstanding_outlay, search_robust
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver, keep_gains, solver_of_worker
from optimizer.tolerances import EXACT_GAP, ROUNDING, SAME_VALUE
from optimizer.units import rounded_up, si

# A case and a budget; None for any budget.
BudgetKey = tuple[str, float | None]
# The default budgets, as shares of the least outlay.
BUDGET_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
# Budgets whose relative difference is smaller count as equal.
SAME_BUDGET = 0.02
# Digits of a budget that is derived from an outlay, rounded up so that the plan fits.
BUDGET_DIGITS = 3


@dataclass
class KnownPlans:
    """The plans found for one case, each the best for its budget."""

    points: list[BudgetPoint] = field(default_factory=list)
    given: Result | None = None  # a given plan: searches start from it, but it is not the best plan of a budget

    def proven_plan(self, budget: float | None) -> Result | None:
        """Return the proven best plan of this or a larger budget if this budget pays it, else None."""
        larger = [each.result for each in self.points if budget_order(each.budget) >= budget_order(budget)]
        return _best(each for each in larger if each.status != "stopped" and _pays(budget, each))

    def start(self, budget: float | None) -> Plan | None:
        """Return the best known plan that a budget pays, from which its search starts; None if there is none."""
        known = [*(each.result for each in self.points), *([] if self.given is None else [self.given])]
        best = _best(each for each in known if _pays(budget, each))
        return best.plan if best else None

    def best_within(self, budget: float | None, own: Result) -> Result:
        """Return the best of all plans that a budget pays, with what is proven for that budget.

        It is the budget's own result if no other is better. A plan of a smaller budget keeps its figures, with the
        bounds of the budget's own search, as more money may buy a better plan.
        """
        paid = [each for each in self.points if _pays(budget, each.result)]
        best = _best([own, *(each.result for each in paid)])
        assert best is not None
        larger = [own, *(each.result for each in paid if budget_order(each.budget) >= budget_order(budget))]
        return best if any(best is each for each in larger) else _with_proof_of(own, best)

    def no_shock(self, budget: float | None) -> NoShockPlan | None:
        """Return the no-shock plan of this or a larger budget, or None; it is optimal here if this budget pays it."""
        larger = [each.result.no_shock for each in self.points if budget_order(each.budget) >= budget_order(budget)]
        return next((each for each in larger if each is not None), None)

    def with_least_outlay(self) -> Result | None:
        """Return the surviving plan with the least outlay; None if no known plan survives every shock."""
        surviving = (each.result for each in self.points if each.result.survives)
        return min(surviving, key=lambda result: result.outlay, default=None)


def _pays(budget: float | None, result: Result) -> bool:
    return budget is None or result.outlay <= budget * (1.0 + ROUNDING)


def _with_proof_of(search: Result, plan: Result) -> Result:
    """Return a plan with the proof of the search of a budget that pays it, which found no better one."""
    priced = plan.priced_gap if plan.has_priced_gaps else None
    bound = None if search.bound is None else search.bound if priced is None else search.priced_bound - priced
    return replace(
        plan,
        status="stopped" if search.status == "stopped" else "survives" if plan.survives else "gap",
        bound=bound,
        gap_bound=search.gap_bound,
        mip_gap=relative_distance(plan.total_cost, bound, plan.survival_gap, search.gap_bound, priced=priced),
    )


def _best(results: Iterable[Result]) -> Result | None:
    """Return the best result, the first of equally good ones; None if there are no results."""
    best: Result | None = None
    for result in results:
        best = result if best is None or is_better(result, best) else best
    return best


def is_better(one: Result, other: Result) -> bool:
    """Check whether plan `one` has a smaller gap; at equal gaps, whether only it survives; else, whether it is cheaper.

    A plan that misses only floors with a zero shortage cost has a gap of 0 but does not survive. If gaps have a price,
    only the cost including that price is compared, as in the search for a plan.
    """
    if one.has_priced_gaps:
        return _costs_less(one.priced_cost, other.priced_cost)
    slack = SAME_VALUE * max(one.survival_gap, other.survival_gap)
    if abs(one.survival_gap - other.survival_gap) > slack:
        return one.survival_gap < other.survival_gap
    if one.survives != other.survives:
        return one.survives
    return _costs_less(one.total_cost, other.total_cost)


def _costs_less(cost: float, other: float) -> bool:
    return cost < other * (1.0 - SAME_VALUE if other > 0 else 1.0 + SAME_VALUE)


def budgets_up_to(outlay: float, own: float | None) -> list[float]:
    """Return rounded budgets from 0 to an outlay, without those that nearly equal the instance's own budget."""
    top = rounded_up(outlay, BUDGET_DIGITS)
    return [
        share * top
        for share in (BUDGET_SHARES if top > 0 else BUDGET_SHARES[:1])
        if own is None or abs(share * top - own) > SAME_BUDGET * max(share * top, own)
    ]


@dataclass(frozen=True)
class SweepQuestion:
    """A task of a worker, its label in progress messages, and the function that receives its answer."""

    task: Task
    label: str
    take: Callable[[Any], None]


class BudgetSweep:
    """Search for the best plans and the least outlays of several cases, with a store of the results found so far.

    Args:
        cases: instances by name.
        settings: settings of every search; `jobs` is the number of parallel searches, `accuracy` the share of the
            tolerance base to which costs are proven.
        clock: whether Ctrl-C was pressed.
        listener: receives each plan or outlay that was found, and the rounds of searches in this process.

    Attributes:
        is_attacked: whether the plans must withstand the adversaries of the cases.
        known: the plans found, by case.
        tolerance_bases: the tolerance base by case; set with the first plan of the case.
        least: the least outlay by case, after `least_outlay_questions` was answered.
    """

    def __init__(
        self, cases: Mapping[str, Instance], settings: Settings, clock: Clock, listener: Listener = ignore
    ) -> None:
        self.cases, self.settings, self.clock, self.listener = cases, settings, clock, listener
        self.is_attacked = False
        self.known = {case: KnownPlans() for case in cases}
        self.tolerance_bases: dict[str, ToleranceBase] = {}
        self.least: dict[str, CaseLeastOutlay] = {}
        self._least_plans: dict[str, Plan] = {}
        self._results: dict[BudgetKey, Result] = {}
        self._done = self._total = 0
        # Branching gains of this process, passed on to workers.
        self._gains: Gains = {}
        self._executor = self._start_executor(size_for(settings.jobs, 0.0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        if "solver" in self._executor.memory:
            self._executor.memory.pop("solver").__exit__()
        self._executor.close()

    def _start_executor(self, size: int) -> Executor:
        executor = start_executor(size, Setup.of(keep_gains, self._gains))
        executor.memory[LISTENER] = self.listener
        return executor

    @property
    def search_settings(self) -> Settings:
        """The settings of one search; if several run in parallel, each uses one processor unless `threads` is set."""
        settings = before_tolerance_base(self.settings)
        return settings if self._executor.size == 1 else replace(settings, jobs=1, threads=settings.threads or 1)

    def case_settings(self, case: str) -> Settings:
        """Return the settings of one search, with costs proven to the tolerance of a case if its base is known."""
        base = self.tolerance_bases.get(case)
        return self.search_settings if base is None else base.settings(self.search_settings)

    def has(self, case: str, budget: float | None) -> bool:
        """Check whether the search for a budget has ended."""
        return (case, budget) in self._results

    def is_planned(self, case: str, budget: float | None) -> bool:
        """Check whether a plan was found for a budget."""
        return self.has(case, budget) and self._results[case, budget].baseline is not None

    def result(self, case: str, budget: float | None) -> Result:
        """Return the best plan that a budget pays, which may have been found for another budget."""
        own = self._results[case, budget]
        return own if own.baseline is None else self.known[case].best_within(budget, own)

    def add_result(self, case: str, result: Result) -> None:
        """Store a plan found elsewhere as the best of the case's own budget, and its tolerance base as the case's.

        A given plan is only stored as a start of searches.
        """
        budget = self.cases[case].policy.budget
        self.tolerance_bases[case] = ToleranceBase.of_result(result, result.calm_cost, self.settings.share_of_price)
        if result.given is not None:
            self.known[case].given = result
            return
        self._results[case, budget] = result
        if result.baseline is not None:
            self.known[case].points.append(BudgetPoint(budget, result))

    def find_plans(self, wanted: Sequence[BudgetKey]) -> None:
        """Find the best plans for the given cases and budgets that have no result yet."""
        self.ask(self.plan_questions(wanted))

    def prove_plans(self, case: str, budgets: Sequence[float]) -> list[float]:
        """Find the plans for several budgets; return the budgets whose plan is proven.

        If a search was stopped, no further one starts, as after Ctrl-C.
        """
        self.find_plans([(case, budget) for budget in budgets])
        ended = [budget for budget in budgets if self.has(case, budget)]
        proven = [budget for budget in ended if self.result(case, budget).status != "stopped"]
        self.clock.interrupted |= len(proven) < len(budgets)
        return proven

    def plan_questions(self, wanted: Sequence[BudgetKey]) -> list[SweepQuestion]:
        """Return the searches that `find_plans` needs; the first plan of a case also sets its tolerance base."""
        questions, with_base = list[SweepQuestion](), set(self.tolerance_bases)
        for case, budget in dict.fromkeys(wanted):
            if self.has(case, budget):
                continue
            settled = self.known[case].proven_plan(budget)
            if settled is not None and _is_paid(edit_budget(self.cases[case], budget).instance, settled.no_shock):
                self._results[case, budget] = settled
                continue
            task = self._task(case, budget, is_first=case not in with_base)
            questions.append(SweepQuestion(task, self._label(case, budget), partial(self._take_plan, case, budget)))
            with_base.add(case)
        return questions

    def _take_plan(self, case: str, budget: float | None, found: ResultWithBase) -> None:
        self._results[case, budget] = found.result
        if found.result.baseline is not None:
            self.known[case].points.append(BudgetPoint(budget, found.result))
        if found.base is not None:
            self.tolerance_bases[case] = found.base

    def _task(self, case: str, budget: float | None, *, is_first: bool) -> Task:
        """Return the task that finds the best plan of a budget; the first of a case also finds its tolerance base."""
        instance, start = edit_budget(self.cases[case], budget).instance, self.known[case].start(budget)
        if self.is_attacked:
            return Task(find_withstanding_plan, (instance, self.case_settings(case)))
        start = start or next((known.start(budget) for known in self.known.values() if known.points), None)
        if is_first:
            return Task(find_plan_with_base, (instance, self.search_settings, start))
        return Task(find_best_plan, (instance, self.case_settings(case), start, self.known[case].no_shock(budget)))

    def least_outlay_questions(self, mip_gap: float) -> list[SweepQuestion]:
        """Return for each case the search for the least outlay that survives every shock, whatever its budget.

        The outlay is proven to a relative MIP gap; the answers are stored in `least`.
        """
        settings = replace(self.search_settings, mip_gap=min(self.search_settings.mip_gap, mip_gap))
        questions = list[SweepQuestion]()
        for case, instance in self.cases.items():
            known = self.known[case].with_least_outlay()
            plan = None if known is None else known.plan
            task = Task(find_surviving_outlay, (instance, settings, plan))
            if self.is_attacked:
                task = Task(find_withstanding_outlay, (listed_shocks_only(instance), settings, plan))
            take = partial(self._take_least, case, known)
            questions.append(SweepQuestion(task, "the least outlay that survives everything", take))
        return questions

    def _take_least(self, case: str, known: Result | None, found: WhatIfResult | LeastOutlay) -> None:
        if isinstance(found, LeastOutlay):
            status: SearchStatus = "infeasible" if found.status == "none" else found.status
            least = CaseLeastOutlay(case, status, found.outlay, found.bound)
        elif found.status == "infeasible":
            least = CaseLeastOutlay(case, "infeasible")
        elif found.survives and math.isfinite(found.value):
            self._least_plans[case] = found.plan
            least = CaseLeastOutlay(case, found.status, max(0.0, found.value), max(0.0, found.bound))
        else:
            least = CaseLeastOutlay(case, "stopped", None if known is None else known.outlay, max(0.0, found.bound))
        self.least[case] = least

    def cheapest_plan_task(self, least: CaseLeastOutlay) -> Task:
        """Return the task that finds the cheapest plan of a case within its least outlay."""
        assert least.outlay is not None
        plan = self._least_plans.get(least.case, self.known[least.case].start(None))
        # The plan has to keep all floors; with a price of gaps, a plan that leaves some could be cheaper.
        free = without_gap_price(self.cases[least.case])
        instance = edit_budget(free, least.outlay * (1.0 + EXACT_GAP)).instance
        no_shock = self.known[least.case].no_shock(least.outlay)
        return Task(find_best_plan, (instance, self.case_settings(least.case), plan, no_shock))

    def ask(self, questions: Sequence[SweepQuestion]) -> None:
        """Run the tasks of questions, in parallel if they take long, and pass each answer to its `take` function."""
        began, self._total = time.perf_counter(), self._total + len(questions)
        if questions:
            self._report()
        tasks = [each.task for each in questions]
        with contextlib.closing(self._executor.as_completed(tasks, self.clock)) as answers:
            for number, answer in answers:
                self._done += 1
                # When the time is over, questions that have not started are left out, as after Ctrl-C.
                self.clock.interrupted |= self.settings.is_late and self._done < self._total
                outcome = f": {one_line(answer.result)}" if isinstance(answer, ResultWithBase) else ""
                self._report(questions[number].label + outcome)
                questions[number].take(answer)
        # The next searches run in parallel if the last ones took long on average.
        size = size_for(self.settings.jobs, (time.perf_counter() - began) / max(1, len(questions)))
        if size > self._executor.size == 1:
            if "solver" in self._executor.memory:
                self._gains = self._executor.memory["solver"].gains
            self.__exit__()
            self._executor = self._start_executor(size)

    def _report(self, task: str = "") -> None:
        self.listener(Progress(task=task, done=self._done, total=self._total, may_grow=True))

    def _label(self, case: str, budget: float | None) -> str:
        money = "any budget" if budget is None else si(budget, self.cases[case].money, 4)
        return money if len(self.cases) == 1 else f"{case}, {money}"


def one_line(result: Result) -> str:
    """Summarise a plan in one line for progress messages."""
    if result.baseline is None:
        return "no plan"
    survives = f"survives {len(result.shocks_survived):,} of {len(result.shocks):,}, " if result.shocks else ""
    gap = f"gap {si(result.survival_gap)}, " if result.survival_gap > 0 else ""
    return f"{survives}{gap}cost {si(result.total_cost, result.money, 4)}"


def find_best_plan(
    memory: Memory, instance: Instance, settings: Settings, plan: Plan | None, no_shock: NoShockPlan | None
) -> ResultWithBase:
    """Find the best plan of an instance and audit it; the search starts from `plan`.

    `no_shock` is the no-shock plan of the same or a larger budget, or None.
    """
    with own_clock(memory, settings) as clock:
        solver = _solver(memory, instance, settings, clock)
        evaluator, timer = solver.evaluator(instance), Timer(began=time.perf_counter())
        no_shock = no_shock if _is_paid(instance, no_shock) else None
        solver.start_from(plan)
        solved = solver.search(instance, settings)
        return ResultWithBase(conclude(instance, settings, clock, timer, solved, evaluator, no_shock=no_shock))


def find_withstanding_plan(memory: Memory, instance: Instance, settings: Settings) -> ResultWithBase:
    """Find the best plan of an instance against its adversary, and audit it."""
    with own_clock(memory, settings) as clock:
        return ResultWithBase(search_robust(instance, settings, clock, listener_of(memory)).result)


def _is_paid(instance: Instance, no_shock: NoShockPlan | None) -> bool:
    """Check whether the budget of an instance pays a no-shock plan; its spending includes support in operation."""
    return no_shock is None or audit_no_shock(instance, no_shock)[0].ok


def find_plan_with_base(memory: Memory, instance: Instance, settings: Settings, plan: Plan | None) -> ResultWithBase:
    """Find the best plan of an instance, audited, and the tolerance base of the instance."""
    with own_clock(memory, settings) as clock:
        solver = _solver(memory, instance, settings, clock)
        return plan_with_base(solver, instance, settings, before_tolerance_base(settings), plan=plan)


def find_surviving_outlay(memory: Memory, instance: Instance, settings: Settings, plan: Plan | None) -> WhatIfResult:
    """Find the least outlay at which every floor is kept, whatever the budget.

    If the search was stopped, its plan may miss floors; `gap` is then the survival gap of that plan. `plan` is a known
    plan that survives, None without one; it may miss floors by less than counts as a shortfall.
    """
    free = with_budget(instance, None)
    with own_clock(memory, settings) as clock:
        solver = _solver(memory, instance, settings, clock)
        solver.start_from(plan or Plan())
        found = solver.ask(free, LEAST_OUTLAY, settings)
        if found.status == "infeasible" and plan is not None:
            found = solver.ask(with_eased_floors(free), LEAST_OUTLAY, settings)
        if found.status != "stopped" or not np.isfinite(found.value):
            return found
        evaluator = solver.evaluator(free)
        left = evaluator.gaps(evaluator.plan_values([found.plan]), clock)
        counted = failing_beyond_allowed(free, left.gap, left.fails)
        return replace(found, gap=max(found.gap, float(left.gap[counted].sum())))


def find_failing(memory: Memory, instance: Instance, settings: Settings) -> tuple[str, ...]:
    """Return the names of the shocks in which the do-nothing plan fails, the largest gap first."""
    gaps = _solver(memory, instance, settings, Clock()).evaluator(instance).do_nothing(Clock()).violated
    return tuple(instance.events[number].name for number in sorted(gaps, key=lambda number: -gaps[number]))


def find_lone(memory: Memory, instance: Instance, settings: Settings, names: Sequence[str]) -> list[LoneShock]:
    """Find the least outlay for each of the named shocks alone; the empty name stands for no shock."""
    free = with_budget(instance, None)
    exact = replace(settings, mip_gap=min(settings.mip_gap, EXACT_GAP), tolerance=None)
    found, eased = list[LoneShock](), with_eased_floors(free)
    writers = dict[int, formulation.ModelWriter]()
    pseudo_costs: PseudoCostsByObjective = memory.setdefault("lone", {})
    with own_clock(memory, settings) as clock:

        def solve(one: Instance, name: str) -> SearchResult | None:
            shocks = [one.event(name)] if name else []
            writer = writers[id(one)] = writers.get(id(one)) or formulation.ModelWriter(one)
            # A sample that may fail in an ensemble must not fail if it is the only shock.
            known = (one, shocks, exact, clock, listener_of(memory), writer, LEAST_OUTLAY)
            return ShockModel(*known, may_excuse=False, pseudo_costs=pseudo_costs).minimise_objective()

        for name in names:
            if clock.is_over:
                found.append(LoneShock(name, "stopped", None, None))
                continue
            # Without a plan that keeps every floor, the result is None.
            found.append(_lone_shock(name, solve(free, name) or solve(eased, name)))
    return found


def _lone_shock(name: str, solved: SearchResult | None) -> LoneShock:
    if solved is None or solved.status == "infeasible":
        return LoneShock(name, "infeasible", None, None)
    if solved.values is None or solved.gap > 0:
        return LoneShock(name, "stopped", None, None)
    bound = max(0.0, solved.bound) if np.isfinite(solved.bound) else None
    return LoneShock(name, solved.status, max(0.0, solved.objective), bound)


def _solver(memory: Memory, instance: Instance, settings: Settings, clock: Clock) -> WhatIfSolver:
    """Return the solver of this process with the given clock; its recourse LPs stay warm between tasks."""
    solver = solver_of_worker(memory, instance, settings)
    solver.clock, solver.listener = clock, listener_of(memory)
    return solver
