"""Value of deciding later and of knowing earlier: an instance with futures, solved for other dates of answers.

adaptive    RP, the plan of `solve`: decisions are equal until an answer distinguishes the futures
static      ST, all decisions equal in all futures                  value of flexibility: ST − RP
perfect     WS, every answer known from the start                   value of information: RP − WS
question    one question answered at the start, a year earlier, a year later, or never; all others at their own dates
regret      the informed plan of each future, followed unchanged in every other one
orders      orders that all informed plans share, and orders that depend on answers (`informed_orders`)

Other dates of answers leave the futures unchanged: only the dates at which they can be distinguished differ. Overrides
of branches apply in the order of the file's own dates, whenever answers are known. A question that arises in a branch
of another one is never answered before the other one: it moves with it if that is answered later, and is never answered
if that is never answered. Each solve is a task that may run in another process.

Each cost is a value of the file's measure (`policy.objective`), between a proven bound and the value of the plan that
was found; differences have bounds likewise. A difference is left out if one of the plans leaves a survival gap without
a price. With expected cost, `perfect` is the mean cost of the informed plans, weighted by probability.

Source: Madansky: Inequalities for stochastic linear programming problems, Management Science 6(2), 1960 (perfect);
Huang, Ahmed: The value of multistage stochastic programming in capacity planning under uncertainty, Operations Research
57(4), 2009 (static).
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from optimizer import risk
from optimizer.algorithms.executor import size_for, start_executor
from optimizer.algorithms.problem import ProblemVariant, at_most, outlay
from optimizer.algorithms.solving import FutureOptimum
from optimizer.algorithms.workers import Memory, Task, own_clock
from optimizer.audit.figures import measure_of_futures
from optimizer.errors import Finding, GivenPlanError, InstanceError, Place
from optimizer.instance.edits import ScenarioNames, apply_arguments, require_known
from optimizer.instance.questions import (
    Answer,
    TimedQuestion,
    Way,
    each_question,
    find_ways,
    question_above,
    question_of,
    timed_questions,
)
from optimizer.instance.schema import Future, Instance
from optimizer.results.futures import Decision, FutureResult, FuturesResult
from optimizer.results.plan import Plan
from optimizer.results.result import Result, price_of_survival
from optimizer.solver import Clock, Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.conclusion import solve_instance
from optimizer.studies.cost_tolerance import TOLERANCE_SHARE, ToleranceBase, before_tolerance_base
from optimizer.studies.futures.solve import search_futures
from optimizer.studies.futures.stages import decisions_in_future
from optimizer.studies.futures.study_result import (
    FollowedPlan,
    FuturesStudy,
    InformedOrder,
    MeasuredCost,
    QuestionTiming,
    Timing,
    ValueStatus,
    informed_orders,
)
from optimizer.studies.given_plan import evaluate_plan, read_plans
from optimizer.studies.what_if import WhatIfSolver
from optimizer.tolerances import EXACT_GAP, HELD_VALUE, POSITIVE, SAME_VALUE
from optimizer.units import MoneyLike

NO_ADVERSARY = "Values and plans are for the listed shocks: the adversary of the file is left out here."
# The period from which the answer is known, by place of the question; None for never. Others keep the file's dates.
Dates = Mapping[Place, int | None]
# A number per future, by period; futures with the same one cannot be distinguished.
Nodes = tuple[tuple[int, ...], ...]


def futures_study(
    instance: Instance,
    budget: MoneyLike | None = None,
    *,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
    notes: tuple[str, ...] = (),
    known: FuturesResult | None = None,
) -> FuturesStudy:
    """Find the value of deciding later and of knowing earlier, in total and by question.

    At Ctrl-C, the study returns its results so far.

    Args:
        instance: an instance with futures.
        budget, scenario: as for `solve`.
        settings: `accuracy` is a share of the price of survival, 2 % by default.
        listener: receives the rounds of the first search, then every task that is done.
        notes: remarks of the caller to show with the result.
        known: the adaptive plan, if `solve_futures` has found it already; the study then searches for no other one.

    Raises:
        InstanceError: the instance has no futures or lacks the scenario; the measure is regret, and a future cannot be
            survived alone.
        AuditError, SolverError, ValueError, WorkerError: as for `solve`.

    Example:
        >>> import optimizer as so
        >>> futures = "futures={need: {from: 2027, branches: {more: {set: {demands.motors.survival: 0.7}}, same: {}}}}"
        >>> found = so.futures_study(so.load("instances/tiny.yaml", [futures]))
        >>> [each.timing for each in found.questions]
        ['start', 'later', 'never']
    """
    made = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes, takes="futures")
    settings, instance = Settings.chosen(settings, TOLERANCE_SHARE), made.instance
    if not instance.futures:
        cure = "Add `futures:` to the file (docs/how-to/futures.md); `diversify sensitivity` moves single numbers."
        raise InstanceError([Finding(instance.title, None, "futures", "the instance has no futures", cure)])
    require_known(known, instance, FuturesResult)
    began, clock = time.perf_counter(), settings.clock()
    with interruptible(clock, listener):
        found = _FuturesSearch(instance, settings, clock, listener).run(known)
    has_adversary = any(each.instance.adversary is not None for each in instance.tree.futures)
    left_out = (NO_ADVERSARY,) if has_adversary else ()
    return replace(found, notes=(*made.notes, *left_out, *found.notes), seconds=time.perf_counter() - began)


def solve_retimed(
    memory: Memory, instance: Instance, dates: Dates, settings: Settings, alone: Sequence[FutureOptimum]
) -> MeasuredCost:
    """Compute the measure with other dates of answers, as an executor's task."""
    with own_clock(memory, settings) as clock:
        return value_of_result(instance, search_futures(with_dates(instance, dates), settings, clock, alone=alone))


def find_informed_plan(memory: Memory, instance: Instance, settings: Settings) -> Result | None:
    """Find the best plan of one future with the least outlay at its cost, as an executor's task; None without one.

    None as well if the search was stopped at a plan with an unpriced gap: the best plan may have none.
    """
    with own_clock(memory, settings) as clock:
        found = solve_instance(instance, settings, clock)
        is_stopped = found.status == "stopped"
        if found.baseline is None or (is_stopped and not found.survives and instance.policy.gap_price is None):
            return None
        if not found.survives or is_stopped or clock.is_over:
            return found
        return _with_least_outlay(instance, found, settings, clock)


def _with_least_outlay(instance: Instance, found: Result, settings: Settings, clock: Clock) -> Result:
    """Return the best plan with the least outlay at its cost; the one that was found if none has less."""
    with WhatIfSolver(instance, settings, clock) as solver:
        most = found.total_cost + HELD_VALUE * abs(found.total_cost)
        rows = (at_most(risk.cost, most, "cost"),)
        cheaper = solver.ask(problem=ProblemVariant(outlay, rows, "outlay"))
    if cheaper.status != "optimal" or cheaper.outlay >= found.outlay * (1 - SAME_VALUE):
        return found
    (given,) = read_plans([cheaper.plan], instance)
    own = evaluate_plan(instance, replace(given, name="informed plan"), settings, clock).result
    return replace(own, bound=found.bound, status=found.status) if own.survives else found


def follow_plans(
    memory: Memory, instance: Instance, plans: Sequence[tuple[str, Plan]], settings: Settings
) -> list[FollowedPlan]:
    """Evaluate plans unchanged in one future, as an executor's task; plans not reached in time are left out."""
    found = list[FollowedPlan]()
    with own_clock(memory, settings) as clock:
        for name, plan in plans:
            if clock.is_over:
                break
            found.append(_followed(instance, name, plan, settings, clock))
    return found


def _followed(instance: Instance, name: str, plan: Plan, settings: Settings, clock: Clock) -> FollowedPlan:
    try:
        (given,) = read_plans([plan], instance)
        done = evaluate_plan(instance, replace(given, name=name), settings, clock)
    except GivenPlanError as error:
        return FollowedPlan(name, "", broken_rules=tuple(error.findings))
    result = done.result
    return FollowedPlan(name, "", result.total_cost, result.survival_gap, None, result.survives, done.broken_rules)


def _as_alone(future: FutureResult) -> FutureOptimum:
    if future.least_cost is None:
        return FutureOptimum(is_stopped=True)
    return FutureOptimum(future.least_cost, -math.inf if future.least_bound is None else future.least_bound)


class _FuturesSearch:
    """Search for the adaptive plan, then for informed plans and other dates of answers in parallel."""

    def __init__(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> None:
        self.instance, self.tree, self.clock, self.listener = instance, instance.tree, clock, listener
        self.settings = replace(settings.within(clock), checkpoint=None)
        self.kind = instance.policy.objective.kind
        self.informed: dict[int, Result] = {}
        self.optima_alone: Sequence[FutureOptimum] = ()
        self.found: dict[Nodes, MeasuredCost] = {}

    def run(self, given: FuturesResult | None = None) -> FuturesStudy:
        """Return the study as far as the time allows, with the given adaptive plan if there is one."""
        began = time.perf_counter()
        adaptive, tolerance_base = self._adaptive(given)
        study = FuturesStudy(self.instance, str(self.instance.policy.objective), adaptive)
        study = replace(study, alone=(None,) * len(self.tree.futures))
        if not adaptive.futures:
            return replace(study, stopped=adaptive.status == "stopped", notes=adaptive.clash)
        self.found[nodes(self.instance)] = value_of_result(self.instance, adaptive)
        # The run time of the adaptive plan, also of a given one, decides whether worker processes pay off.
        seconds = time.perf_counter() - began if given is None else float(given.seconds.get("total", 0.0))
        with start_executor(size_for(self.settings.jobs, seconds)) as self.executor:
            self.settings = replace(tolerance_base.settings(self.settings), jobs=1, threads=1)
            self._solve_all()
            followed = self._follow_all()
        return replace(
            study,
            costs=self._costs(),
            questions=tuple(self._questions(self.found[nodes(self.instance)])),
            alone=tuple(self.informed.get(id(each.instance)) for each in self.tree.futures),
            followed=tuple(followed),
            orders=self._orders(),
            tolerance=tolerance_base.tolerance,
            stopped=self.clock.is_over or self._is_open(),
        )

    def _adaptive(self, given: FuturesResult | None) -> tuple[FuturesResult, ToleranceBase]:
        """Return the adaptive plan, proven to the tolerance of all other costs, and the base of that tolerance."""
        if given is None:
            self.listener(Progress(task="the adaptive plan"))
            first = before_tolerance_base(self.settings)
        found = given or search_futures(self.instance, first, self.clock, self.listener)
        # Only regret needs the least costs of futures alone before the informed plans are found.
        self.optima_alone = [_as_alone(each) if self.kind == "regret" else FutureOptimum() for each in found.futures]
        if not found.futures:
            return found, ToleranceBase("a thousandth of the total cost", 0.0, self.settings.share_of_price)
        price = found.price_of_survival
        no_shock = None if price is None else found.expected_cost - price
        base = ToleranceBase.of(found.expected_cost, no_shock, self.settings.share_of_price, found.survival_gap)
        if given is None and found.status != "stopped" and not base.proves(found.total_cost, found.bound):
            found = self._proven_adaptive(found, base, no_shock)
        return found, base

    def _proven_adaptive(self, found: FuturesResult, base: ToleranceBase, no_shock: float | None) -> FuturesResult:
        """Return the adaptive plan, proven to the tolerance of `base`; the given one if the time runs out."""
        settings = base.settings(self.settings)
        again = search_futures(self.instance, settings, self.clock, self.listener, alone=self.optima_alone)
        if not again.futures or again.status == "stopped":
            return found
        return replace(again, price_of_survival=price_of_survival(again.expected_cost, no_shock))

    # Searches.

    def _solve_all(self) -> None:
        """Solve for every informed plan and every other set of dates, each once."""
        tasks = self._informed_tasks() | self._retimed_tasks()
        keys = list(tasks)
        for number, answer in self._perform(list(tasks.values()), "informed plans, and other dates of answers"):
            if isinstance(answer, MeasuredCost):
                self.found[keys[number]] = answer
            elif answer is not None:
                self.informed[keys[number]] = answer
        own = [self.informed[id(each.instance)] for each in self.tree.futures if id(each.instance) in self.informed]
        if not self.instance.policy.objective.needs_outcomes and len(own) == len(self.tree.futures):
            self.found.setdefault(self._at_once, informed_cost(self.instance, own))
        self.found = with_bounds_of_finer(self.found)

    def _informed_tasks(self) -> dict[Any, Task]:
        """Return the search for each informed plan, by id of its instance."""
        exact = replace(self.settings, mip_gap=min(self.settings.mip_gap, EXACT_GAP), tolerance=None)
        settings = exact if self.kind == "regret" else self.settings
        instances = {id(each.instance): each.instance for each in self.tree.futures}
        return {key: Task(find_informed_plan, (each.by_expected_cost(), settings)) for key, each in instances.items()}

    def _retimed_tasks(self) -> dict[Any, Task]:
        """Return the search for each other set of dates of answers, by its nodes.

        With every answer known at once the informed plans are the answer, unless the measure joins their outcomes.
        """
        evaluated = set(self.found) if self.instance.policy.objective.needs_outcomes else {*self.found, self._at_once}
        dates = {nodes(with_dates(self.instance, each)): each for each in self._dates()}
        some = {key: each for key, each in dates.items() if key not in evaluated}
        return {
            key: Task(solve_retimed, (self.instance, each, self.settings, self.optima_alone))
            for key, each in some.items()
        }

    @property
    def _at_once(self) -> Nodes:
        """The nodes with every answer known from the start."""
        return nodes(with_dates(self.instance, all_known_from(self.instance, 0)))

    def _dates(self) -> list[Dates]:
        """Return all sets of dates of answers that the study evaluates."""
        found = [all_known_from(self.instance, None), all_known_from(self.instance, 0)]
        for question in timed_questions(self.instance.futures, self.instance.horizon):
            found += [{question.place: t} for _, t in other_dates(self.instance, question)]
        return found

    def _follow_all(self) -> list[FollowedPlan]:
        """Return the regret table, informed plans in every other future; futures of one instance are solved once."""
        first = {id(each.instance): each for each in reversed(self.tree.futures)}
        found = self._followed([each for key, each in first.items() if key in self.informed])
        rows = list[FollowedPlan]()
        for plan in self.tree.futures:
            for future in self.tree.futures:
                row = found.get((first[id(plan.instance)].name, id(future.instance)))
                if row is not None:
                    rows.append(self._with_regret(replace(row, plan=plan.name, future=future.name), future.instance))
        return rows

    def _followed(self, owners: Sequence[Future]) -> dict[tuple[str, int], FollowedPlan]:
        """Return the plans followed in the owners' futures, by name of the plan's owner and id of the instance."""
        tasks, found = list[Task](), dict[tuple[str, int], FollowedPlan]()
        plans = [(each.name, self.informed[id(each.instance)].plan) for each in owners]
        for future in owners:
            own = self.informed[id(future.instance)]
            found[future.name, id(future.instance)] = FollowedPlan(
                future.name, "", own.total_cost, own.survival_gap, 0.0, own.survives
            )
            others = [(name, plan) for name, plan in plans if name != future.name]
            tasks.append(Task(follow_plans, (future.instance.by_expected_cost(), others, self.settings)))
        for number, rows in self._perform(tasks if len(owners) > 1 else (), "informed plans in the other futures"):
            found |= {(row.plan, id(owners[number].instance)): row for row in rows}
        return found

    def _with_regret(self, row: FollowedPlan, instance: Instance) -> FollowedPlan:
        own, price = self.informed[id(instance)], self.instance.policy.gap_price
        if row.cost is None or row.gap is None:
            return row
        if price is None and row.gap > own.survival_gap * (1 + SAME_VALUE):
            return row
        return replace(row, regret=row.cost + (price or 0.0) * row.gap - own.priced_cost)

    def _perform(self, tasks: Sequence[Task], what: str) -> list[tuple[int, Any]]:
        """Return the results of tasks with their indices; tasks not reached in time are left out."""
        found = list[tuple[int, Any]]()
        if not tasks or self.clock.is_over:
            return found
        self.listener(Progress(task=what, total=len(tasks)))
        for number, answer in self.executor.as_completed(tasks, self.clock):
            found.append((number, answer))
            self.listener(Progress(task=what, done=len(found), total=len(tasks)))
        return found

    # Figures of the study.

    def _costs(self) -> dict[str, MeasuredCost]:
        dates: dict[str, Dates] = {
            "adaptive": {},
            "static": all_known_from(self.instance, None),
            "perfect": all_known_from(self.instance, 0),
        }
        found = {kind: self.found.get(nodes(with_dates(self.instance, each))) for kind, each in dates.items()}
        return {kind: each for kind, each in found.items() if each is not None}

    def _questions(self, base: MeasuredCost) -> list[QuestionTiming]:
        return [
            self._timing(question, timing, t, base)
            for question in timed_questions(self.instance.futures, self.instance.horizon)
            for timing, t in other_dates(self.instance, question)
        ]

    def _timing(self, question: TimedQuestion, timing: Timing, t: int | None, base: MeasuredCost) -> QuestionTiming:
        label = self.instance.horizon.label
        found = self.found.get(nodes(with_dates(self.instance, {question.place: t})))
        made = QuestionTiming(question.name, label(question.t), timing, None if t is None else label(t), found)
        if found is None:
            return made
        return replace(made, difference=base.more(found) if made.is_earlier else found.more(base))

    def _orders(self) -> tuple[InformedOrder, ...] | None:
        plans = list[Sequence[Decision]]()
        for future in self.tree.futures:
            own = self.informed.get(id(future.instance))
            if own is None:
                return None
            plans.append(decisions_in_future(future.instance, own))
        return tuple(informed_orders(self.instance, plans))

    def _is_open(self) -> bool:
        """Return whether any search was stopped before its proof."""
        informed = (each.status for each in self.informed.values())
        return "stopped" in {*(each.status for each in self.found.values()), *informed}


# Dates of answers.


def with_dates(instance: Instance, dates: Dates) -> Instance:
    """Return the instance with the same futures, whose answers are known from other periods on."""
    tree, ways = instance.tree, find_ways(instance.futures, instance.horizon)
    futures = (replace(future, answers=_answers(way, dates)) for future, way in zip(tree.futures, ways, strict=True))
    return instance.with_tree(replace(tree, futures=tuple(futures)))


def _answers(way: Way, dates: Dates) -> tuple[Answer, ...]:
    """Return the answers of a future that become known, in the order of time."""
    own = {question_of(place): answer.t for answer, (place, _) in zip(way.answers, way.branches, strict=True)}

    def date(place: Place) -> int | None:
        t, above = dates.get(place, own[place]), question_above(place)
        before = date(above) if above else 0
        return None if t is None or before is None else max(t, before)

    known = ((date(question_of(place)), answer) for answer, (place, _) in zip(way.answers, way.branches, strict=True))
    return tuple(sorted((replace(answer, t=t) for t, answer in known if t is not None), key=lambda each: each.t))


def all_known_from(instance: Instance, t: int | None) -> Dates:
    """Return the dates with every answer known from one period on; None for never, so that all decisions are equal."""
    return dict.fromkeys((place for place, _ in each_question(instance.futures)), t)


def nodes(instance: Instance) -> Nodes:
    """Return the tree's node of each future, by period. Instances with the same nodes have the same plans."""
    tree = instance.tree
    return tuple(tuple(tree.node(i, t) for i in range(len(tree.futures))) for t in instance.horizon.periods)


def with_bounds_of_finer(found: Mapping[Nodes, MeasuredCost]) -> dict[Nodes, MeasuredCost]:
    """Return the costs with each bound raised to those of dates that distinguish more: knowing more costs no more."""
    comparable = [(key, each.bound) for key, each in found.items() if each.is_comparable]

    def raised(key: Nodes, cost: MeasuredCost) -> MeasuredCost:
        if not cost.is_comparable:
            return cost
        bound = max(bound for finer, bound in comparable if _distinguishes(finer, key))
        return replace(cost, bound=max(cost.bound, min(cost.cost, bound)))

    return {key: raised(key, cost) for key, cost in found.items()}


def _distinguishes(finer: Nodes, coarser: Nodes) -> bool:
    """Check whether futures with different numbers in `coarser` have different ones in `finer` as well."""
    pairs = zip(finer, coarser, strict=True)
    return all(len(set(zip(fine, coarse, strict=True))) == len(set(fine)) for fine, coarse in pairs)


def other_dates(instance: Instance, question: TimedQuestion) -> Iterator[tuple[Timing, int | None]]:
    """Yield the other dates of one question: at the start, a year earlier, a year later, never.

    Dates that coincide with another one are left out.
    """
    horizon = instance.horizon
    if question.t > question.earliest:
        yield "start", question.earliest
        year_before = question.t - horizon.per_year
        if year_before > question.earliest:
            yield "earlier", year_before
    if question.t + horizon.per_year in horizon.periods:
        yield "later", question.t + horizon.per_year
    yield "never", None


# Measures of plans.


def value_of_result(instance: Instance, result: FuturesResult) -> MeasuredCost:
    """Return the measure of a plan for several futures."""
    if not result.futures:
        return MeasuredCost("stopped" if result.status == "stopped" else "none")
    price = instance.policy.gap_price
    cost = result.total_cost if price is None else measure_of_futures(instance, result.futures, price)
    # The unproven part is the same for the measure with and without priced gaps.
    bound = -math.inf if result.bound is None else cost - max(0.0, result.total_cost - result.bound)
    status: ValueStatus = "stopped" if result.status == "stopped" else "proven"
    # Negligible gaps of a plan that survives count as 0; a shortage below a floor at no cost is still no survival.
    gap = 0.0 if result.survives else max(POSITIVE, result.survival_gap)
    return MeasuredCost(status, cost, bound, gap, is_priced=price is not None)


def informed_cost(instance: Instance, own: Sequence[Result]) -> MeasuredCost:
    """Return the measure of the informed plans of all futures; their regret is 0."""
    kind, weights = instance.policy.objective.kind, [each.probability for each in instance.tree.futures]
    status: ValueStatus = "stopped" if "stopped" in {each.status for each in own} else "proven"
    gap = math.sumprod(weights, [0.0 if each.survives else max(POSITIVE, each.survival_gap) for each in own])
    costs, bounds = [each.priced_cost for each in own], [each.priced_bound for each in own]
    values = {
        "regret": (0.0, 0.0),
        "worst": (max(costs), max(bounds)),
        "expected": (math.sumprod(weights, costs), math.sumprod(weights, bounds)),
    }
    return MeasuredCost(status, *values[kind], gap, is_priced=instance.policy.gap_price is not None)
