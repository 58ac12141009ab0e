"""Comparison of budgets, variants and files, and exact facts about the budgets between them.

grid     the best plan of every budget of every case
least    the least outlay that keeps every floor, proven; and the cheapest plan with that outlay
alone    the least outlay for each shock if it were the only one
next     the gain from one more step of money at each budget

If no budgets are given, they are chosen: shares of the least outlay, or the budgets at which the set of builds or of
survived shocks changes (`find_breakpoints`). Plans are proven to the tolerance of the settings and audited; each search
starts from the plans of other budgets (`budget_sweep`).

The frontier of a report is such a comparison: the best plans of several budgets beside the plan at hand. Its budgets
are 0, a quarter, half, three quarters and all of the least outlay that keeps every floor, that of the plan at hand and
any. Because each budget takes the best of all plans that it pays, neither the gap nor, if nothing fails, the cost rises
along the frontier. A given plan is shown beside it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Literal, cast

from optimizer import arguments
from optimizer.algorithms.workers import Task
from optimizer.arguments import ArgumentError
from optimizer.errors import Finding, InstanceError
from optimizer.instance.edits import ScenarioNames, require_known, scenario_variants
from optimizer.instance.schema import Instance
from optimizer.results.result import Result, price_of_survival
from optimizer.solver import Clock, Listener, Settings, ignore, interruptible
from optimizer.studies.budget_sweep import BudgetKey, BudgetSweep, SweepQuestion, budgets_up_to, find_failing, find_lone
from optimizer.studies.comparison import (
    CASE,
    Breakpoint,
    BudgetPoint,
    BudgetStep,
    CaseLeastOutlay,
    Comparison,
    ComparisonColumn,
    Frontier,
    LoneShock,
    budget_order,
)
from optimizer.studies.conclusion import ResultWithBase
from optimizer.studies.cost_tolerance import TOLERANCE_SHARE, before_tolerance_base
from optimizer.studies.given_plan import PlanLike, evaluate_plan, list_plans, read_plans_of_cases
from optimizer.studies.purchases import sizes_bought
from optimizer.tolerances import BUDGET_RESOLUTIONS, EXACT_GAP
from optimizer.units import MoneyLike, budget_list, money, rounded

Fact = Literal["least", "alone", "next"]
ComparisonPart = Literal["grid", "least", "alone", "next"]
BudgetList = Sequence[MoneyLike | None] | str | None
FACTS: tuple[Fact, ...] = ("least", "alone", "next")
# Largest number of shocks that are solved for alone, and their number in one task.
MOST_ALONE, ALONE_BATCH = 60, 4
# Largest number of budgets that are evaluated to find breakpoints.
MOST_BUDGETS = 60


def compare(
    cases: Instance | Mapping[str, Instance],
    budgets: BudgetList = None,
    *,
    plans: PlanLike | Iterable[PlanLike] | None = None,
    facts: Fact | Sequence[Fact] = FACTS,
    step: MoneyLike | None = None,
    resolution: float = 0.01,
    settings: Settings | None = None,
    on_part: Callable[[ComparisonPart, Comparison], None] = lambda part, comparison: None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
    known: Result | None = None,
    notes: tuple[str, ...] = (),
) -> Comparison:
    """Compare the best plans of one or several instances under several budgets.

    Args:
        cases: one instance, or several by name.
        budgets: undiscounted money, as numbers or text such as "250M", None or "any" for any; also one text such as
            "0,250M,any"; ``auto`` finds those at which the plan changes. If omitted: for one case, shares of its least
            outlay, its own budget, and any; for several cases, the own budget of each.
        plans: given plans, in the forms that `evaluate` takes: each is an additional column of every case, unchanged.
            For one case without `budgets`, they are compared with its own budget only.
        facts: the facts besides the plans, one or several of ``least``, ``alone`` and ``next``; all by default.
        step: the additional money of ``next``; by default about a twentieth of the largest budget.
        resolution: accuracy of the budgets that ``auto`` finds, as a share of the least outlay.
        settings: `accuracy` is the share of the price of survival to which costs are proven (default 2 %; survival gaps
            are proven to 0.5 % of themselves or better), `time_limit` applies to everything together, and `jobs` is the
            number of processes (default: all cores if a search takes long).
        on_part: called with the name of each finished part, and the comparison as known by then.
        listener: receives each plan or outlay that was found, and the rounds of searches in this process.
        scenario: each is a case beside the plain one, for every instance; commas combine several into one case.
        known: the best plan of the first case under its own budget, if it has been solved before.
        notes: remarks of the caller to show with the comparison.

    Raises:
        AuditError: a plan and its figures disagree.
        CheckpointError, SolverError, WorkerError: as for `solve`.
        InstanceError: the cases are in different currencies, or do not have a scenario named in `scenario`; or a plan
            fits no case.
        TypeError: no instance, or no plan.
        ValueError: no case, a budget or step that is no amount of money, an unknown fact, a tolerance in `settings`.

    Example:
        >>> import optimizer as so
        >>> found = so.compare(so.load("instances/tiny.yaml"), ["10M", "30M"], facts=())
        >>> [(column.budget, column.result.status, round(column.result.outlay)) for column in found.columns]
        [(10000000.0, 'gap', 10000000), (30000000.0, 'survives', 11500000)]
    """
    settings, clock = Settings.chosen(settings, TOLERANCE_SHARE).begun(), Clock()
    arguments.function("on_part", on_part)
    chosen, more = budget_list(budgets, least=1), money(step, "step")
    resolution, facts = arguments.number("resolution", resolution, *BUDGET_RESOLUTIONS), _check_facts(facts)
    named, said = _named_cases(cases, scenario, notes, known)
    given, unfit = _given_columns(named, [] if plans is None else list_plans(plans), settings, clock)
    with interruptible(clock, listener), BudgetSweep(named, settings, clock, listener) as sweep:
        if known is not None:
            sweep.add_result(next(iter(named)), known)
        return _ComparisonBuilder(sweep, facts, more, on_part, given, [*said, *unfit]).run(chosen, resolution)


def _named_cases(
    cases: Instance | Mapping[str, Instance], scenario: ScenarioNames | None, notes: Sequence[str], known: Result | None
) -> tuple[dict[str, Instance], list[str]]:
    """Return the cases by name, each also under its scenarios, and the notes with those on the cases.

    The cases must be in one currency, and `known` must be of the first one.
    """
    said = arguments.several("notes", notes, str, "a text")
    if isinstance(cases, Mapping) and not cases:
        raise ArgumentError("cases", cases, 'write an instance, or instances by name: {"one": instance}.')
    named, of_cases = scenario_variants(cases if isinstance(cases, Mapping) else {"plain": cases}, scenario)
    require_one_currency(named)
    require_known(known, next(iter(named.values())))
    return named, [*said, *of_cases]


def _check_facts(facts: Fact | Sequence[Fact]) -> Sequence[Fact]:
    known = arguments.several("facts", facts, str, f"one of {arguments.listed(FACTS)}")
    for fact in known:
        arguments.choice("facts", fact, FACTS)
    return cast("list[Fact]", known)


def _given_columns(
    cases: Mapping[str, Instance], plans: Sequence[PlanLike], settings: Settings, clock: Clock
) -> tuple[list[tuple[Instance, ComparisonColumn]], list[str]]:
    """Evaluate every given plan in every case that it fits; raise a `GivenPlanError` for a plan that fits none.

    Return pairs of the instance, without the rules that the plan breaks, and the column; and notes on unfit plans.
    """
    columns, (read, notes) = list[tuple[Instance, ComparisonColumn]](), read_plans_of_cases(plans, cases)
    for case, instance in cases.items():
        for plan in read[case]:
            found = evaluate_plan(instance, plan, settings, clock)
            name = plan.name if len(cases) == 1 else f"{case}, {plan.name}"
            columns.append((found.instance, ComparisonColumn(name, instance.policy.budget, found.result)))
    return columns, notes


def require_one_currency(cases: Mapping[str, Instance], files: Mapping[str, str] | None = None) -> None:
    """Check that the currency labels of all cases are the same; `files` names the source of a case for messages.

    Raises:
        InstanceError: the labels differ, so amounts of money cannot be compared.
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
    """Builder of a comparison; it calls `on_part` with the comparison as known after each part."""

    def __init__(
        self,
        sweep: BudgetSweep,
        facts: Sequence[Fact],
        step: float | None,
        on_part: Callable[[ComparisonPart, Comparison], None],
        given: Sequence[tuple[Instance, ComparisonColumn]],
        notes: Sequence[str],
    ) -> None:
        self.sweep, self.facts, self.step, self.on_part = sweep, facts, step, on_part
        self.given = tuple(column for _, column in given)
        cases = {**sweep.cases, **{column.case: instance for instance, column in given}}
        of_given = (f"{column.case}: {note}" for column in self.given for note in column.result.notes)
        self.found = Comparison(cases, accuracy=sweep.settings.share_of_price, notes=(*notes, *of_given))
        self.shown: list[BudgetKey] = []
        self._failing: dict[str, tuple[str, ...]] = {}  # by case, the shocks in which the do-nothing plan fails
        self._facts_left = 0  # number of unanswered questions about cheapest plans and shocks alone

    def run(self, budgets: Sequence[float | None] | Literal["auto"] | None, resolution: float) -> Comparison:
        """Return the comparison with the best plan of every budget of every case, and with the facts."""
        self._add_grid(budgets, resolution)
        self._add_facts()
        return self.comparison()

    def comparison(self) -> Comparison:
        """Return the comparison with all columns found so far."""
        sweep = self.sweep
        found = (ComparisonColumn(*key, sweep.result(*key)) for key in self.shown if sweep.has(*key))
        columns, bases = (*found, *self.given), dict(sweep.tolerance_bases)
        return replace(self.found, columns=columns, stopped=sweep.clock.interrupted, tolerance_bases=bases)

    def _add_grid(self, budgets: Sequence[float | None] | Literal["auto"] | None, resolution: float) -> None:
        """Find the best plan of every budget of every case; choose the budgets if none are given."""
        cases = list(self.sweep.cases)
        if budgets == "auto":
            self._add_breakpoints(resolution)
        elif budgets is not None:
            ordered = sorted(set(budgets), key=budget_order)
            self.shown = [(case, budget) for case in cases for budget in ordered]
        elif len(cases) > 1 or self.given:
            self.shown = [(case, self.sweep.cases[case].policy.budget) for case in cases]
        else:
            self.shown = self._default_budgets(cases[0])
        # The largest budget of the first case, then of each, then all: each search starts from a larger budget's plan.
        largest = list(dict(self.shown).items())
        self.sweep.find_plans(largest[:1])
        self.sweep.find_plans(largest)
        least = self._least_outlay_questions() if "least" in self.facts else []
        self.sweep.ask([*self.sweep.plan_questions(list(reversed(self.shown))), *least])
        self.on_part("grid", self.comparison())

    def _default_budgets(self, case: str) -> list[BudgetKey]:
        """Return shares of the least outlay, the budget of the file, and any budget, each with the case."""
        own = self.sweep.cases[case].policy.budget
        self.sweep.find_plans([(case, None)])
        self._add_least_outlays()
        if not self.sweep.is_planned(case, None):
            return [(case, None)]
        outlay = self._outlay(case)
        parts = budgets_up_to(self.sweep.result(case, None).outlay if outlay is None else outlay, own)
        return [(case, budget) for budget in sorted({*parts, *([] if own is None else [own])})] + [(case, None)]

    def _outlay(self, case: str) -> float | None:
        """Return the least outlay of a case; None if none is known."""
        return next((each.outlay for each in self.found.least if each.case == case), None)

    def _add_breakpoints(self, resolution: float) -> None:
        """Add the breakpoints of every case, and their budgets as columns."""
        sweep, anywhere = self.sweep, [(case, None) for case in self.sweep.cases]
        sweep.find_plans(anywhere[:1])
        sweep.find_plans(anywhere)
        self._add_least_outlays()
        for case in sweep.cases:
            if not sweep.is_planned(case, None):
                self.shown.append((case, None))
                continue
            unit = rounded(resolution * (self._outlay(case) or sweep.result(case, None).outlay))
            changes, is_whole = find_breakpoints(sweep, case, unit)
            self.shown += [(case, budget) for budget in _budgets_to_show(changes, is_whole=is_whole)]
            self.found = replace(
                self.found,
                changes=(*self.found.changes, *changes),
                is_whole=self.found.is_whole and is_whole,
                resolution=max(unit, self.found.resolution or 0.0),
            )

    def _add_facts(self) -> None:
        """Add the facts besides the plans, computed in parallel; start no further search after Ctrl-C."""
        if "least" in self.facts and not self.sweep.clock.interrupted:
            self._add_least_outlays()
        first = [] if self.sweep.clock.interrupted else [*self._cheapest_questions(), *self._lone_questions()]
        self._facts_left, (budgets, more) = len(first), self._budgets_to_step() if "next" in self.facts else ([], 0.0)
        # The largest budgets come first: gaps that are nearly closed take the longest to prove.
        steps = self.sweep.plan_questions([(case, budget + more) for case, budget in reversed(budgets)])
        self.sweep.ask([*first, *steps])
        if self._facts_left or not first:
            self._report_facts()
        self.found = replace(self.found, steps=tuple(self._steps(budgets, more)))
        if budgets:
            self.on_part("next", self.comparison())

    def _least_outlay_questions(self) -> list[SweepQuestion]:
        """Return the searches for the least outlay of every case; none if they have been answered."""
        return [] if self.sweep.least else self.sweep.least_outlay_questions(EXACT_GAP)

    def _add_least_outlays(self) -> None:
        self.sweep.ask(self._least_outlay_questions())
        known = self.sweep.least
        self.found = replace(self.found, least=tuple(known[case] for case in self.sweep.cases if case in known))

    def _cheapest_questions(self) -> list[SweepQuestion]:
        """Return the searches for the cheapest plan of each case within its least outlay."""
        least = [each for each in self.found.least if each.outlay is not None and "least" in self.facts]
        call, label = self.sweep.cheapest_plan_task, "the cheapest plan with the least outlay"
        return [SweepQuestion(call(each), label, partial(self._take_cheapest, each)) for each in least]

    def _take_cheapest(self, least: CaseLeastOutlay, answer: ResultWithBase) -> None:
        found = least if answer.result.baseline is None else replace(least, result=answer.result)
        self._add_fact(least=tuple(found if each is least else each for each in self.found.least))

    def _lone_questions(self) -> list[SweepQuestion]:
        """Return searches for the least outlays without a shock, and for each shock alone that needs an investment."""
        if "alone" not in self.facts:
            return []
        sweep, failing, questions = self.sweep, self._failing, list[SweepQuestion]()
        for case, instance in sweep.cases.items():
            task = Task(find_failing, (instance, sweep.search_settings))
            questions.append(SweepQuestion(task, "where doing nothing fails", partial(failing.__setitem__, case)))
        sweep.ask(questions)
        return [each for case in sweep.cases if case in failing for each in self._case_questions(case, failing[case])]

    def _case_questions(self, case: str, failing: Sequence[str]) -> Iterator[SweepQuestion]:
        if len(failing) > MOST_ALONE:
            what = f"{case}: doing nothing fails in {len(failing):,} shocks; the worst {MOST_ALONE} are tried alone."
            self.found = replace(self.found, notes=(*self.found.notes, what))
        names = ("", *failing[:MOST_ALONE])
        for i in range(0, len(names), ALONE_BATCH):
            task = Task(find_lone, (self.sweep.cases[case], self.sweep.search_settings, names[i : i + ALONE_BATCH]))
            yield SweepQuestion(task, "each shock alone", partial(self._take_alone, case))

    def _take_alone(self, case: str, answer: Sequence[LoneShock]) -> None:
        self._add_fact(alone={**self.found.alone, case: (*self.found.alone.get(case, ()), *answer)})

    def _add_fact(self, **parts: Any) -> None:
        """Store a fact, and report all facts as soon as the last is known; searches for steps may still run."""
        self.found, self._facts_left = replace(self.found, **parts), self._facts_left - 1
        if not self._facts_left:
            self._report_facts()

    def _report_facts(self) -> None:
        alone = {case: self._sort_lone_shocks(case, self.found.alone.get(case, ())) for case in self._failing}
        self.found = replace(self.found, alone=alone)
        known: dict[Fact, Collection[object]] = {"least": self.found.least, "alone": alone}
        for fact in known:
            if fact in self.facts and known[fact]:
                self.on_part(fact, self.comparison())

    def _sort_lone_shocks(self, case: str, found: Sequence[LoneShock]) -> tuple[LoneShock, ...]:
        """Sort lone shocks by outlay, the costliest first; a shock that needs no investment has the no-shock outlay."""
        events = [event.name for event in self.sweep.cases[case].events]
        failing, known = self._failing[case][:MOST_ALONE], {each.shock: each for each in found}
        no_shock = known.pop("", LoneShock("", "stopped", None, None))
        known |= {name: LoneShock(name, "stopped", None, None) for name in failing if name not in known}
        if len(events) <= MOST_ALONE:
            known |= {name: replace(no_shock, shock=name) for name in events if name not in known}
        return tuple(sorted(known.values(), key=lambda each: (-each.rank, events.index(each.shock))))

    def _budgets_to_step(self) -> tuple[list[tuple[str, float]], float]:
        """Return the cases and budgets for ``next``, and its step in money; no budgets if breakpoints were searched."""
        if self.sweep.clock.interrupted or self.found.resolution is not None:
            return [], 0.0
        columns = [(each.case, each.budget) for each in self.comparison().columns if each.budget is not None]
        more = self.step or default_step([budget for _, budget in columns])
        return [key for key in columns if more and self.sweep.is_planned(*key)], more

    def _steps(self, budgets: Sequence[tuple[str, float]], more: float) -> Iterator[BudgetStep]:
        for case, budget in budgets:
            if self.sweep.is_planned(case, budget + more):
                before, after = self.sweep.result(case, budget), self.sweep.result(case, budget + more)
                yield BudgetStep(case, budget, more, before, after)


def default_step(budgets: Sequence[float]) -> float:
    """Return a twentieth of the largest budget, rounded down to 1, 2 or 5 times a power of ten; 0 if all are 0."""
    return rounded(max(budgets, default=0.0) / 20)


def find_breakpoints(sweep: BudgetSweep, case: str, unit: float) -> tuple[list[Breakpoint], bool]:
    """Find the budgets, from 0 to the outlay of the plan for any budget, at which the plan changes.

    Two plans are equal here if they buy the same options and survive the same shocks. Between two budgets with equal
    plans no change is assumed. Between neighbouring budgets whose plans differ, the middle budget is evaluated
    (bisection) until they are at most a unit apart. All such pairs are evaluated in parallel, the widest first, so that
    an early end leaves all of them about equally wide. Budgets whose search was stopped do not count. A plan that is
    equally good within the tolerance may buy other options: then the breakpoint is not the only one.

    The sweep has searched for the plan of the case for any budget; budgets are multiples of `unit`, money.

    Returns:
        The breakpoints in the order of their budgets, and whether all were found to the unit.
    """
    top, budgets, is_whole = sweep.result(case, None).outlay, list[float](), False
    middles = [0.0, max(unit, -(-top // unit) * unit)] if unit > 0 and top > 0 else [0.0]
    while middles and not sweep.clock.interrupted:
        budgets = sorted({*budgets, *sweep.prove_plans(case, middles)})
        between = _middles(_changing_pairs(sweep, case, budgets), unit)
        middles = between[: max(0, MOST_BUDGETS - len(budgets))]
        is_whole = not between and not sweep.clock.interrupted
    pairs = _changing_pairs(sweep, case, budgets)
    return [Breakpoint(case, *pair, *(sweep.result(case, budget) for budget in pair)) for pair in pairs], is_whole


def _budgets_to_show(changes: Sequence[Breakpoint], *, is_whole: bool) -> list[float | None]:
    """Return 0 and the budgets at which the plan changes; any budget in their place if none of them is known."""
    return [0.0, *(change.at for change in changes), *([] if changes or is_whole else [None])]


def _middles(pairs: Sequence[tuple[float, float]], unit: float) -> list[float]:
    """Return the middles of pairs of budgets that are more than a unit apart, the widest first."""
    wide = sorted((pair for pair in pairs if pair[1] - pair[0] > 1.5 * unit), key=lambda pair: pair[0] - pair[1])
    return [round(sum(pair) / 2 / unit) * unit for pair in wide]


def _changing_pairs(sweep: BudgetSweep, case: str, budgets: Sequence[float]) -> list[tuple[float, float]]:
    """Return pairs of neighbouring budgets whose plans buy different options or survive different shocks."""
    planned = [budget for budget in budgets if sweep.is_planned(case, budget)]
    results = ((budget, sweep.result(case, budget)) for budget in planned)
    known = [(budget, (frozenset(sizes_bought(each)), frozenset(each.shocks_survived))) for budget, each in results]
    return [(low, high) for (low, one), (high, other) in pairwise(known) if one != other]


def frontier(
    instance: Instance,
    result: Result,
    budgets: Sequence[float] | None = None,
    settings: Settings | None = None,
    listener: Listener = ignore,
) -> Frontier:
    """Find the best plans for several budgets, by their expected cost.

    Args:
        instance: the instance of the plan at hand.
        result: the plan at hand, of the instance's own budget; it is not solved again. If it was given, the best plan
            of that budget is added. If it was made against an adversary, so are the other plans.
        budgets: undiscounted money; if omitted, shares of the least outlay that survives.
        settings: `accuracy` is the share of the price of survival to which the costs of the other plans are proven
            (default 2 %), `time_limit` applies to everything together.
        listener: receives each plan that was found, and the rounds of each search.

    Raises:
        AuditError: a plan and its figures disagree.
        SolverError: the solver failed.
    """
    settings, clock = Settings.chosen(settings, TOLERANCE_SHARE).begun(), Clock()
    least: CaseLeastOutlay | None = None
    sweep = BudgetSweep({CASE: instance.by_expected_cost()}, settings, clock, listener)
    sweep.is_attacked = result.adversary is not None
    with interruptible(clock, listener), sweep:
        sweep.add_result(CASE, result)
        if budgets is None:
            least = _least_outlay(sweep)
            budgets = budgets_up_to(_largest_outlay(sweep, least, result), instance.policy.budget)
        found, own = _points(sweep, budgets, result)
    points = _rebase_points(found, result)
    outlay, bound = (None, None) if least is None else (least.outlay, least.bound)
    return Frontier(
        tuple(points), own, outlay, bound, settings.share_of_price, clock.interrupted, sweep.tolerance_bases[CASE]
    )


def _points(
    sweep: BudgetSweep, budgets: Sequence[float], at_hand: Result
) -> tuple[list[tuple[float | None, Result]], int]:
    """Return pairs of budget and best plan by rising budget, with any budget and the plan at hand; and its index."""
    own = sweep.cases[CASE].policy.budget
    # The largest budget first: if the next one pays its plan too, that needs no search.
    wanted = {*budgets, None} - {own} if at_hand.given is None else {*budgets, None, own}
    missing = sorted(wanted, key=budget_order, reverse=True)
    for some in (missing[:1], missing[1:]):
        if not sweep.clock.interrupted:
            sweep.find_plans([(CASE, budget) for budget in some])
    found = [(budget, sweep.result(CASE, budget)) for budget in reversed(missing) if sweep.is_planned(CASE, budget)]
    # The incumbent of a stopped search may be worse than a plan of a smaller budget.
    may_be_worse = at_hand.status == "stopped" and at_hand.given is None and sweep.is_planned(CASE, own)
    shown = sweep.result(CASE, own) if may_be_worse else at_hand
    place = budget_order(own) if at_hand.given is None else at_hand.outlay
    smaller = sum(budget_order(budget) < place for budget, _ in found)
    return [*found[:smaller], (own, shown), *found[smaller:]], smaller


def _least_outlay(sweep: BudgetSweep) -> CaseLeastOutlay | None:
    """Search for the least outlay that survives; None if none exists or it was not proven."""
    sweep.ask(sweep.least_outlay_questions(before_tolerance_base(sweep.settings).mip_gap))
    found = sweep.least.get(CASE)
    return found if found is not None and found.status == "optimal" else None


def _largest_outlay(sweep: BudgetSweep, least: CaseLeastOutlay | None, at_hand: Result) -> float:
    """Return the least outlay that survives; if none is proven, the outlay of the best plan for any budget."""
    if least is not None and least.outlay is not None:
        return least.outlay
    sweep.find_plans([(CASE, None)])
    return (sweep.result(CASE, None) if sweep.is_planned(CASE, None) else at_hand).outlay


def _rebase_points(found: Sequence[tuple[float | None, Result]], own: Result) -> list[BudgetPoint]:
    """Return points whose prices count from the no-shock plan of the plan at hand; equal results stay one object."""
    base: dict[str, Any] = {"calm_cost": own.calm_cost, "calm_builds": own.calm_builds, "no_shock": own.no_shock}
    rebased = {id(own): own}
    for result in (result for _, result in found if result is not own):
        price = None if result.baseline is None else price_of_survival(result.total_cost, own.calm_cost)
        rebased[id(result)] = replace(result, price_of_survival=price, **base)
    return [BudgetPoint(budget, rebased[id(result)]) for budget, result in found]
