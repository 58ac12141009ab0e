"""`solve_futures`: plans of instances with several futures, or with a measure other than expected cost, in steps:

alone       every future by itself: its least cost, the reference of regret
joint       all futures, with equal decisions until an answer distinguishes them   `algorithms`
futures     each future under the joint plan, as a result of its own               `studies.conclusion`
audit       check of equal decisions (nonanticipativity), and of the measure       `audit`
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optimizer import arguments, formulation
from optimizer.algorithms.conflict import Conflict, find_conflict
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.joint_recourse import JointEvaluator
from optimizer.algorithms.problem import Hints, ProblemVariant, SearchResult
from optimizer.algorithms.recourse import recourse_executor
from optimizer.algorithms.robust import RobustPlans, robust_plans
from optimizer.algorithms.separation.attacks import AttackOracle, attack_oracles, listed_shocks_only
from optimizer.algorithms.solving import FutureOptimum, best_plan, open_evaluator, solve_one_future, with_regret
from optimizer.algorithms.workers import LISTENER, Task
from optimizer.audit import AuditReport
from optimizer.audit.figures import measure_of_futures, measures_beside
from optimizer.audit.result import audit_error, audit_futures
from optimizer.errors import Finding, InstanceError
from optimizer.instance.altered import without_disruptions, without_gap_price
from optimizer.instance.edits import ScenarioNames, apply_arguments, for_each_future
from optimizer.instance.questions import RiskMeasure
from optimizer.instance.schema import Future, FutureTree, Instance
from optimizer.model.builder import ModelBuilder
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.results.result import Result, price_of_survival
from optimizer.results.saved import Status
from optimizer.solver import Clock, Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.conclusion import NO_PRICE, RESERVE, PlanConclusion, Timer, run_record
from optimizer.studies.futures.stages import decisions
from optimizer.studies.outcomes import proven_gap, relative_distance
from optimizer.studies.solve import attacked_instance
from optimizer.tolerances import EXACT_GAP, FINEST_SHARE
from optimizer.units import MoneyLike

# Share of the remaining time for solving each future by itself.
ALONE_SHARE = 0.4
NO_REFERENCE = "The time ran out before the least cost of each future alone was known, from which regret counts."
UNPROVEN_REFERENCE = "Not all least costs of futures alone were proven in time: regrets may be larger."


def solve_futures(
    instance: Instance,
    budget: MoneyLike | None = None,
    *,
    settings: Settings | None = None,
    listener: Listener = ignore,
    scenario: ScenarioNames | None = None,
    adversary: bool = False,
) -> FuturesResult:
    """Find the best plan for all futures of an instance, by the measure of its policy.

    The result has the decisions before the first question is answered, and those after each answer.

    Args:
        instance: an instance with one future or several.
        budget, settings, listener, scenario: as for `solve`.
        adversary: whether the plan must survive, in each future, the worst attack that its adversary can afford.

    Raises:
        AuditError, CheckpointError, SolverError, ValueError, WorkerError: as for `solve`.
        InstanceError: the instance lacks the scenario; the measure is regret, and a future cannot be survived alone; an
            adversary is required, and no future has one.

    Example:
        >>> import optimizer as so
        >>> result = so.solve_futures(so.load("examples/wait_or_commit.yaml"))
        >>> [(each.option, each.period, round(each.size)) for each in result.decided_first]
        [('plant', '2027', 40)]
    """
    settings = Settings.chosen(settings)
    arguments.yes_or_no(adversary=adversary)
    made = apply_arguments(instance, budget=budget, scenario=scenario, takes="futures and measures")
    found = search_futures(made.instance, settings, settings.clock(), listener, notes=made.notes, adversary=adversary)
    return found.with_changes(made.changes)


def search_futures(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener = ignore,
    *,
    notes: tuple[str, ...] = (),
    load_seconds: float = 0.0,
    adversary: bool = False,
    alone: Sequence[FutureOptimum] | None = None,
) -> FuturesResult:
    """Run `solve_futures` for callers with a clock, and possibly with known optima of the futures alone.

    Args:
        instance, settings, clock, listener, notes, load_seconds: as for `solve_instance`.
        adversary: whether the plan must survive, in each future, the worst attack that its adversary can afford and
            that is not deterred. The result of a future then lists the attacks that shaped it among its shocks.
        alone: known optimum of each future alone. The futures alone and the price of survival are then not solved for.

    Raises:
        AuditError: the plan and its figures disagree.
        InstanceError: the measure is regret, and a future cannot be survived alone; no future has an adversary.
        SolverError: the solver failed.
    """
    timer = Timer(load_seconds, time.perf_counter())
    instance = listed_shocks_only(instance) if adversary else instance
    oracles = attack_oracles(instance.tree, settings, clock) if adversary else None
    executor = recourse_executor(instance, settings.jobs, settings.cluster)
    evaluator = JointEvaluator(instance, executor, settings.jobs)
    try:
        with interruptible(clock, listener):
            return _Search(instance, settings, clock, listener, evaluator, timer, notes, oracles, alone).run()
    finally:
        evaluator.close()


@dataclass
class _Search:
    """One run of `search_futures`."""

    instance: Instance
    settings: Settings
    clock: Clock
    listener: Listener
    evaluator: JointEvaluator
    timer: Timer
    notes: tuple[str, ...]
    oracles: Sequence[AttackOracle | None] | None
    alone: Sequence[FutureOptimum] | None = None

    def __post_init__(self) -> None:
        self.tree: FutureTree = self.instance.tree
        self.measure: RiskMeasure = self.instance.policy.objective

    def run(self) -> FuturesResult:
        """Return the audited result of the joint plan, or a result without a plan."""
        alone = self.alone if self.alone is not None else self.solve_alone() if self._needs_alone else [FutureOptimum()]
        least = tuple(each.cost for each in alone) if self.measure.kind == "regret" else ()
        if not all(map(math.isfinite, least)):
            return self._without_reference(alone)
        found = self._search(least, alone)
        if found.solved.values is None:
            return self._without_plan(found.solved)
        results = [self._conclude(number, future, found) for number, future in enumerate(self.tree.futures)]
        return self._audit(found.solved, results, alone)

    def _search(self, least: tuple[float, ...], alone: Sequence[FutureOptimum]) -> RobustPlans:
        """Return the best joint plan, against the adversaries if there are oracles."""
        problem, search_args = ProblemVariant(least_costs=least), (self.settings, self.clock, self.listener)
        shocks = (self.tree.name(number, each) for number, own in enumerate(alone) for each in own.paths)
        plans = tuple(each.plan for each in alone if each.plan is not None)
        hints = Hints(frozenset(shocks), alone=plans if len(plans) == len(alone) else ())
        if self.oracles is not None:
            return robust_plans(self.instance, *search_args, self.evaluator, self.oracles, problem, hints)
        solved = best_plan(self.instance, *search_args, problem, self.evaluator, hints)
        return RobustPlans(solved, (None,) * len(self.tree.futures))

    # Each future alone.

    @property
    def _needs_alone(self) -> bool:
        """Whether futures are solved by themselves; for a single future only regret needs that."""
        return not self.tree.is_single or self.measure.kind == "regret"

    def solve_alone(self) -> list[FutureOptimum]:
        """Solve each future by itself, in parallel without adversaries; futures with equal data are solved once.

        Raises:
            InstanceError: the measure is regret, and a future cannot be survived.
        """
        first: dict[int, int] = {}
        for number, future in enumerate(self.tree.futures):
            first.setdefault(id(future.instance), number)
        left = math.inf if self.clock.left is None else self.clock.left * ALONE_SHARE
        with self.clock.for_at_most(left):
            numbers = list(first.values())
            answers = map(self._solve_one_alone, numbers) if self.oracles else self._alone_side_by_side(numbers)
            found = dict(zip(numbers, answers, strict=True))
        alone = [found[first[id(future.instance)]] for future in self.tree.futures]
        must_survive = self.measure.kind == "regret" and self.instance.policy.gap_price is None
        return self._references(alone) if must_survive else alone

    @property
    def _settings_alone(self) -> Settings:
        """Settings of futures alone; the least costs that regret refers to are proven exactly."""
        gap = min(self.settings.mip_gap, EXACT_GAP) if self.measure.kind == "regret" else self.settings.mip_gap
        return replace(self.settings, checkpoint=None, mip_gap=gap, jobs=1, cluster=None)

    def _alone_side_by_side(self, numbers: Sequence[int]) -> list[FutureOptimum]:
        settings = self._settings_alone.within(self.clock)
        tasks = [Task(solve_one_future, (n, self.tree.futures[n].name, settings)) for n in numbers]
        memory = self.evaluator.executor.memory
        memory[LISTENER] = self.listener

        def report(done: int) -> None:
            # No total is given, since the rounds that follow have none.
            self.listener(Progress(task=f"futures alone: {done} of {len(tasks)} done"))

        try:
            found = self.evaluator.run_tasks(tasks, self.clock, report)
        finally:
            del memory[LISTENER]
        return [each or FutureOptimum(is_stopped=True) for each in found]

    def _solve_one_alone(self, number: int) -> FutureOptimum:
        """Return the least expected cost of a future against its adversary."""
        assert self.oracles is not None
        future, oracles = self.tree.futures[number], self.oracles[number : number + 1]

        def report(step: Progress) -> None:
            self.listener(replace(step, phase=f"{future.name} alone, {step.phase}"))

        instance, evaluator = future.instance.by_expected_cost(), self.evaluator.futures[number]
        found = robust_plans(instance, self._settings_alone, self.clock, report, evaluator, oracles)
        return FutureOptimum.of(instance, found.solved)

    def _references(self, alone: list[FutureOptimum]) -> list[FutureOptimum]:
        """Return the optima that regret counts from; one is unknown where a stopped search left a gap.

        Raises:
            InstanceError: every future has a plan alone, and some of them cannot be survived.
        """
        fails = zip(self.tree.futures, alone, strict=True)
        proven = [future for future, each in fails if each.gap > 0 and not each.is_stopped]
        # Without a plan in some future there is none for all: the rules that clash are said first.
        if proven and not any(map(_has_no_plan, alone)):
            raise InstanceError([self._gap_of_reference(future) for future in proven])
        return [FutureOptimum(is_stopped=True) if each.gap > 0 else each for each in alone]

    def _without_reference(self, alone: Sequence[FutureOptimum]) -> FuturesResult:
        """Return a result without a plan: a future alone is infeasible, or its least cost was not found in time."""
        if any(map(_has_no_plan, alone)):
            return self._without_plan(SearchResult("infeasible", self.evaluator.joint))
        return self._without_plan(SearchResult("stopped", self.evaluator.joint, notes=(NO_REFERENCE,)))

    def _gap_of_reference(self, future: Future) -> Finding:
        who = f'the future "{future.name}" cannot be survived alone' if future.name else "it cannot be survived"
        what = f"{who}, so that there is no least cost against which regret is measured"
        cure = "Raise its budget, shorten lead times or lower its floors; or choose another policy.objective."
        return Finding(self.instance.title, None, "policy.objective", what, cure)

    # The futures under the joint plan.

    def _conclude(self, number: int, future: Future, found: RobustPlans) -> Result:
        """Return the audited result of one future under the joint plan; attacks on it are among its shocks."""
        solved, robust = found.solved, found.attacked[number]
        submodel = solved.builder.submodels[number]
        attacked = None if robust is None else attacked_instance(future.instance, robust, submodel)
        instance, faced = (future.instance, None) if attacked is None else (attacked.instance, attacked.faced)
        own = replace(
            solved,
            status="optimal",
            builder=submodel,
            objective=math.nan,
            bound=-math.inf,
            gap=_gap_with_attacks(instance, solved, submodel),
            gap_bound=0.0,
            duals=None,
            history=(),
            notes=(),
            gap_left=None if solved.gap_left is None else self._gap_left(number, solved.gap_left),
        )
        record = run_record(instance, self.settings, self.clock, own, ())
        with open_evaluator(instance, self.settings, self.evaluator.futures[number] if attacked is None else None) as e:
            result, report = PlanConclusion(instance, self.settings, self.clock, own, e, record, faced, None).audited()
        # The joint search proves no bounds for a single future.
        count = len(self.tree.futures)
        several = "both" if count == 2 else f"all {count}"
        name = f"the plan of {several} futures" if count > 1 else f"the plan of {self.measure}"
        seconds = self.timer.seconds(self.clock)
        result = replace(result, given=name, bound=None, gap_bound=None, mip_gap=None, seconds=seconds)
        if not report.ok:
            raise audit_error(instance, [f"{future.name}: {each}" for each in report.disagreements], result)
        return result

    def _gap_left(self, number: int, gap_left: Mapping[str, float]) -> dict[str, float]:
        """Return the gaps of one future's shocks, by the future's own names of the shocks."""
        names = (each.name for each in self.tree.futures[number].instance.events)
        return {own: gap_left[name] for own in names if (name := self.tree.name(number, own)) in gap_left}

    def _audit(self, solved: SearchResult, results: Sequence[Result], alone: Sequence[FutureOptimum]) -> FuturesResult:
        futures = tuple(
            with_regret(self.instance, future, result, each)
            for future, result, each in zip(self.tree.futures, results, alone, strict=True)
        )
        result = self._result(solved, futures, alone)
        report = audit_futures(self.instance, result)
        result = replace(result, audit=report.to_dict(), seconds=self.timer.seconds(self.clock))
        if not report.ok:
            raise audit_error(self.instance, report.disagreements, result)
        return result

    def _result(
        self, solved: SearchResult, futures: tuple[FutureResult, ...], alone: Sequence[FutureOptimum]
    ) -> FuturesResult:
        def expected(figure: str) -> float:
            return math.fsum(each.probability * getattr(each.result, figure) for each in futures)

        results, gap = [each.result for each in futures], expected("survival_gap")
        cost, gap_bound = self._measure_of_plan(solved, futures), proven_gap(self.instance, gap, solved.gap_bound)
        # The increase of the measure by gaps at their price, money; None without a gap price.
        price = self.instance.policy.gap_price
        priced = None if price is None else measure_of_futures(self.instance, futures, price) - cost
        bound = self._bound_of_measure(solved.bound_of_cost(gap, priced), cost, futures)
        distance = relative_distance(cost, bound, gap, gap_bound, self._exactness(results), priced)
        no_shock = self._no_shock_cost()
        first_answers = [each.t for future in self.tree.futures for each in future.answers[:1]]
        unpriced = (NO_PRICE,) if no_shock is None and self.alone is None else ()
        unproven = self._unproven_references(alone)
        notes = (*self.notes, *self.evaluator.notes, *unpriced, *unproven)
        return FuturesResult(
            status=self._status(results, distance, solved.status, unproven),
            measure=str(self.measure),
            total_cost=cost,
            expected_cost=expected("total_cost"),
            survival_gap=gap,
            worst_gap=max(each.worst_gap for each in results),
            outlay=expected("outlay"),
            bound=bound,
            gap_bound=gap_bound,
            mip_gap=distance,
            futures=futures,
            decisions=decisions(self.tree, results),
            first_question=self.instance.horizon.label(min(first_answers)) if first_answers else None,
            price_of_survival=price_of_survival(expected("total_cost"), no_shock),
            are_probabilities_given=self.tree.are_probabilities_given,
            clash=(),
            **measures_beside(self.instance, futures, cost + (priced or 0.0)),
            **_common_fields(run_record(self.instance, self.settings, self.clock, solved, notes)),
        )

    def _exactness(self, results: Sequence[Result]) -> float:
        """Return the accuracy of regret as a difference of two costs, money; 0 for other measures."""
        return FINEST_SHARE * max(abs(each.total_cost) for each in results) if self.measure.kind == "regret" else 0.0

    def _status(
        self, results: Sequence[Result], distance: float | None, search: str, unproven: Sequence[str]
    ) -> Status:
        is_proven = distance is not None and distance <= self.settings.mip_gap
        if not is_proven and (unproven or search == "stopped"):
            return "stopped"
        return "survives" if all(each.survives for each in results) else "gap"

    def _measure_of_plan(self, solved: SearchResult, futures: tuple[FutureResult, ...]) -> float:
        """Return the measure of the plan; regret is recomputed from the futures' costs, with gaps at their price."""
        return max(f.regret or 0.0 for f in futures) if self.measure.kind == "regret" else solved.objective

    def _unproven_references(self, alone: Sequence[FutureOptimum]) -> tuple[str, ...]:
        """Return a note if regret counts from a least cost that was not proven in time."""
        return (UNPROVEN_REFERENCE,) * (self.measure.kind == "regret" and any(each.is_stopped for each in alone))

    def _bound_of_measure(self, bound: float | None, cost: float, futures: tuple[FutureResult, ...]) -> float | None:
        """Return the bound of the measure; for regret, reduced by the unproven part of the least costs."""
        if self.measure.kind != "regret" or bound is None:
            return bound
        if any(each.least_bound is None for each in futures):
            return None
        return min(bound, cost) - max((each.least_cost or 0.0) - (each.least_bound or 0.0) for each in futures)

    def _no_shock_cost(self) -> float | None:
        """Return the expected cost of the futures without shocks; None if the time is over, or `alone` was given."""
        if self.clock.interrupted or self.alone is not None:
            return None
        variant = for_each_future(without_gap_price(self.instance.by_expected_cost()), without_disruptions)
        settings = replace(self.settings, checkpoint=None)
        with self.clock.with_reserve(RESERVE):
            found = solve_extensive_form(variant, settings, self.clock, ignore)
        return found.objective if found.values is not None and found.status == "optimal" else None

    def _without_plan(self, solved: SearchResult) -> FuturesResult:
        is_proven = solved.status == "infeasible"
        conflict = find_conflict(self.instance, self.settings, self.clock) if is_proven else Conflict()
        record = run_record(self.instance, self.settings, self.clock, solved, (*self.notes, *conflict.notes))
        record |= {"seconds": self.timer.seconds(self.clock), "audit": AuditReport().to_dict()}
        return FuturesResult(
            status="none" if is_proven else "stopped",
            measure=str(self.measure),
            are_probabilities_given=self.tree.are_probabilities_given,
            clash=conflict.rules,
            **_common_fields(record),
        )


def _has_no_plan(alone: FutureOptimum) -> bool:
    """Return whether rules that clash leave a future without any plan."""
    return math.isinf(alone.cost) and not alone.is_stopped


def _gap_with_attacks(instance: Instance, solved: SearchResult, submodel: ModelBuilder) -> float:
    """Return a future's gap with the worst attack at each start; infinite if stopped, or if the model lacks shocks."""
    assert solved.values is not None
    total, worst, values = 0.0, dict[str, float](), solved.values.tolist()
    held = formulation.gaps(submodel, instance)
    if solved.status == "stopped" or not {event.name for event in instance.events} <= held.keys():
        return math.inf
    for name, below in held.items():
        entry, _, start = name.rpartition("@")
        gap = max(0.0, below.value(values))
        if instance.adversary is None or instance.adversary.targets_of(entry) is None:
            total += gap
        else:
            worst[start] = max(gap, worst.get(start, 0.0))
    return total + math.fsum(worst.values())


def _common_fields(record: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a run record that a result of several futures has."""
    return {key: value for key, value in record.items() if key not in ("costs", "outlays")}
