"""From a search to an audited result: the plan with its proof, outcomes, reference plans and shadow prices.

strategy     the plan, its cost and bound                                      `algorithms`
recourse     every shock under the plan                                        `outcomes`
no-shock     the cheapest plan without shocks, the reference of the price of survival
nothing      the shocks under the do-nothing plan
prices       the limits with the largest shadow prices                         `outcomes`
audit        recomputation of all figures without the solver                   `audit`

`studies.solve` reads arguments and calls `solve_instance`, which proves the cost to a relative MIP gap. Studies that
compare plans prove it to a share of the price of survival (`plan_with_base`).
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from platform import python_version
from typing import TYPE_CHECKING, Any, NamedTuple

from optimizer import risk
from optimizer.algorithms.conflict import Conflict, find_conflict
from optimizer.algorithms.problem import Hints, SearchResult
from optimizer.algorithms.reading import plan_values, read_flows, read_plan, without_rounding_errors
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import allow_sample_gaps
from optimizer.algorithms.solving import best_plan, exact_no_shock, no_shock_plan, open_evaluator
from optimizer.algorithms.workers import give_back_memory
from optimizer.audit import DISAGREES, AuditReport
from optimizer.audit.result import audit_error, complete
from optimizer.disruptions.path import BASELINE
from optimizer.formulation import ModelWriter
from optimizer.instance.derived import free_floors, size_thresholds
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression
from optimizer.results.plan import Faced, ManyFlows, NoShockPlan, Outcome, Plan
from optimizer.results.result import RESULT_FIGURES, Result, price_of_survival, require_result
from optimizer.results.saved import Status
from optimizer.solver import Clock, Listener, Settings, Vector, ignore, interruptible
from optimizer.solver import versions as solver_versions
from optimizer.solver.base import SAVED_STRATEGIES
from optimizer.studies.binding_limits import binding_limits
from optimizer.studies.cost_tolerance import ToleranceBase
from optimizer.studies.outcomes import (
    do_nothing_outcome,
    outcomes,
    proven_gap,
    relative_distance,
    services,
    survey,
    with_costs,
    with_worst_attack,
)
from optimizer.studies.supply_chain import actual_outputs, baseline_shortages, supply_shares
from optimizer.tolerances import AUDIT_RELATIVE, POSITIVE, SAME_VALUE, TIGHT_SHOCK

if TYPE_CHECKING:
    from optimizer.studies.what_if import WhatIfSolver

# Settings that do not determine a result, such as those of studies: they are not recorded. The number of processes may
# determine the last digits.
UNRECORDED = ("accuracy", "until", "cluster", "checkpoint")


@dataclass
class Timer:
    """Seconds of a run, by part."""

    load: float = 0.0
    began: float = 0.0

    def seconds(self, clock: Clock) -> dict[str, float]:
        """Return the seconds of load, build (neither loading nor solver), solver, and total, by these names."""
        spent = time.perf_counter() - self.began
        parts = {"load": self.load, "build": max(0.0, spent - clock.solving), "solver": clock.solving}
        return parts | {"total": self.load + spent}


def run_record(
    instance: Instance, settings: Settings, clock: Clock, solved: SearchResult, notes: tuple[str, ...]
) -> dict[str, Any]:
    """Return the fields of a result that record the instance, the settings and the run, by name."""
    horizon = instance.horizon
    outcome = "no plan was found until then" if solved.values is None else "this is the best plan found until then"
    stopped = f"Stopped by {clock.signal_name}: {outcome}."
    interrupted = (stopped,) if clock.interrupted else ()
    # Steps that differ from the last one in more than time, without infinite values.
    steps: list[Mapping[str, Any]] = []
    for step in solved.history:
        row = {key: value for key, value in step.record().items() if value not in (float("inf"), float("-inf"))}
        if not steps or {**row, "seconds": 0} != {**steps[-1], "seconds": 0}:
            steps.append(row)
    return {
        "title": instance.title,
        "currency": instance.currency,
        "notes": (*notes, *solved.notes, *interrupted),
        "settings": _settings_record(settings),
        "versions": {"optimizer": version("optimizer"), **solver_versions(settings.solver), "python": python_version()},
        "periods": tuple(horizon.label(t) for t in horizon.periods),
        "data": instance.to_dict(),
        "solved_instance": instance,
        "history": tuple(steps),
        "costs": {},
        "outlays": {},
        "audit": {},
        "seconds": {},
    }


def _settings_record(settings: Settings) -> dict[str, Any]:
    """Return the settings that determine a result, by the names that plan files and JSON have used since 0.1.0."""
    kept = {key: value for key, value in asdict(settings).items() if key not in UNRECORDED}
    names = {"gap" if key == "mip_gap" else key: value for key, value in kept.items()}
    return names | {"strategy": SAVED_STRATEGIES.get(settings.strategy, settings.strategy)}


def planless_result(solved: SearchResult, rules: tuple[str, ...], record: dict[str, Any]) -> Result:
    """Return the result without a plan: rules are in conflict, or the time ran out before a plan was found."""
    unknown = ("bound", "gap_bound", "mip_gap", "baseline", "price_of_survival", "calm_cost", "nothing")
    record = record | dict.fromkeys(RESULT_FIGURES, math.nan) | dict.fromkeys(unknown)
    return Result(
        status="none" if solved.status == "infeasible" else "stopped",
        plan=Plan(),
        shocks=(),
        services={},
        calm_builds=(),
        shares={},
        binding=(),
        clash=rules,
        **record,
    )


# Share of the time limit beyond it that the plan without shocks may take, after a search that was stopped: that plan
# takes a moment, and without it the answer has no price of survival.
RESERVE = 0.05
NO_PRICE = "Stopped before the least cost without shocks was known: the price of survival is left out."
PROVEN = "The search was stopped. Every shock was solved again, and the plan is proven even so."


def solve_instance(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener = ignore,
    *,
    notes: tuple[str, ...] = (),
    load_seconds: float = 0.0,
    evaluator: RecourseEvaluator | None = None,
    held_shocks: frozenset[str] = frozenset(),
    plan: Plan | None = None,
) -> Result:
    """Solve an instance for commands and studies, with a shared clock or evaluator, or hints of an earlier search.

    Args:
        instance, settings, listener: as for `solve`; the budget is that of the instance.
        clock: a new clock; the caller may check later whether Ctrl-C was pressed.
        notes: remarks of the caller to show with the result.
        load_seconds: seconds spent on reading the instance, for `Result.seconds`.
        evaluator: a warm evaluator of an instance that differs only in its policy; it stays open.
        held_shocks: shocks that the model holds from the start of constraint generation.
        plan: a known plan, which bounds constraint generation if it keeps the rules; other strategies ignore it.

    Raises:
        AuditError: the plan and its figures disagree.
        SolverError: the solver failed.
    """
    timer = Timer(load_seconds, time.perf_counter())
    with open_evaluator(instance, settings, evaluator) as evaluator, interruptible(clock, listener):
        hints = Hints(held_shocks, () if plan is None else (plan,))
        solved = best_plan(instance, settings, clock, listener, evaluator=evaluator, hints=hints)
        return conclude(instance, settings, clock, timer, solved, evaluator, notes)


def conclude(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    timer: Timer,
    solved: SearchResult,
    evaluator: RecourseEvaluator,
    notes: tuple[str, ...] = (),
    faced: Faced | None = None,
    no_shock: NoShockPlan | None = None,
) -> Result:
    """Return the audited result of a search; `faced` is the adversary if some shocks are attacks.

    `no_shock` is the no-shock plan of this instance; it is solved for by default.

    Raises:
        AuditError: the plan and its figures disagree.
        SolverError: the solver failed.
    """
    if solved.values is None:
        conflict = find_conflict(instance, settings, clock) if solved.status == "infeasible" else Conflict()
        record = run_record(instance, settings, clock, solved, (*notes, *conflict.notes))
        record |= {"audit": AuditReport().to_dict(), "seconds": timer.seconds(clock), "adversary": faced}
        return planless_result(solved, conflict.rules, record)
    record = run_record(instance, settings, clock, solved, notes)
    is_own = _is_no_shock_plan(instance, solved, faced)
    no_shock = no_shock or (None if is_own else _solve_no_shock(instance, settings, clock, solved, evaluator.writer))
    if no_shock is None and not is_own:
        record |= {"notes": (*record["notes"], NO_PRICE)}
    result, report = PlanConclusion(instance, settings, clock, solved, evaluator, record, faced, no_shock).audited()
    result = replace(result, notes=(*result.notes, *evaluator.notes), seconds=timer.seconds(clock))
    if not report.ok:
        raise audit_error(instance, report.disagreements, replace(result, notes=(DISAGREES, *result.notes)))
    return result


@dataclass(frozen=True)
class PlanConclusion:
    """Conversion of a search result with a plan to an audited result.

    `record` holds the fields of `run_record`. If the cost of `solved` is NaN, it is recomputed.
    """

    instance: Instance
    settings: Settings
    clock: Clock
    solved: SearchResult
    evaluator: RecourseEvaluator
    record: Mapping[str, Any]
    faced: Faced | None
    no_shock: NoShockPlan | None

    def audited(self) -> tuple[Result, AuditReport]:
        """Return the result and its audit, without the sizes that the audit cannot distinguish from zero.

        It applies the largest thresholds with which the audit agrees and no segment falls further below its floor in
        any shock: a size near zero may keep the floor of a segment that is small beside others. Under the last
        threshold, the solver's rounding errors, the audit is reported as it is.
        """
        instance, solved = self.instance, self.solved
        assert solved.values is not None
        values = solved.values.tolist()
        *larger, last = (
            without_rounding_errors(instance, solved.builder, values, sizes) for sizes in size_thresholds(instance)
        )
        larger = [clean for clean in larger if clean != last]
        if larger and math.isnan(solved.objective):
            # The audit can tell whether a size matters to the cost only if the cost is that of the plan with it.
            cost = self._result(last)[0].total_cost
            return replace(self, solved=replace(solved, objective=cost))._audited(larger, last)
        return self._audited(larger, last)

    def _audited(self, larger: Sequence[list[float]], last: list[float]) -> tuple[Result, AuditReport]:
        """Return the result of the first values that `audited` accepts, otherwise that of `last`, with its audit."""
        instance, whole = self.instance, None
        for clean in larger:
            result, report = complete(instance, *self._result(clean))
            if not report.ok:
                continue
            whole = None if result.survives else whole or complete(instance, *self._result(last))
            if whole is None or _is_no_lower(result, whole[0]):
                return result, report
        return whole or complete(instance, *self._result(last))

    def _result(self, values: list[float]) -> tuple[Result, list[ManyFlows]]:
        """Return the unaudited result and the flows of all shocks for the column values of a plan."""
        instance, solved, evaluator = self.instance, self.solved, self.evaluator
        plan = read_plan(instance, solved.builder, values)
        columns = plan_values(instance, plan, evaluator.subproblems.plan)
        attained = _attained_gaps(instance, solved, values, self.faced)
        give_back_memory(len(instance.events))
        responses = evaluator.operate_batches(columns, self.clock, attained, flows=True)
        surveyed, many = survey(instance, evaluator, responses), evaluator.flows(responses)
        found, costs = solved.builder.column_index(), evaluator.costs(responses)
        cost = _cost_of(instance, solved, values, costs) if math.isnan(solved.objective) else solved.objective
        baseline = read_flows(instance, found, values, instance.baseline)
        is_own = _is_no_shock_plan(instance, solved, self.faced)
        no_shock = self.no_shock or (NoShockPlan(cost, plan, baseline) if is_own else None)
        no_shock_cost = None if no_shock is None else no_shock.total_cost
        shocks = outcomes(instance, surveyed, costs, many, solved.paths)
        result = Result(
            **self._proof(shocks, cost, with_costs(instance, self.faced, evaluator.subproblems.plan, columns)),
            total_cost=cost,
            outlay=max(0.0, sum(each.value(values) for each in solved.builder.accounts("outlay").values())),
            worst_gap=float(surveyed.counted_gaps(instance).max(initial=0.0)),
            plan=plan,
            baseline=baseline,
            shocks=shocks,
            services=services(instance, surveyed),
            price_of_survival=price_of_survival(cost, no_shock_cost),
            calm_cost=no_shock_cost,
            calm_builds=() if no_shock is None else no_shock.plan.bought,
            no_shock=no_shock,
            nothing=do_nothing_outcome(instance, evaluator, self.clock) if instance.events else None,
            shares=supply_shares(instance, baseline),
            lacks=baseline_shortages(instance, baseline),
            actual=actual_outputs(instance, baseline),
            endured={key: read_flows(instance, found, values, path) for key, path in instance.rule_paths.items()},
            binding=binding_limits(instance, solved),
            clash=(),
        )
        return result, many

    def _proof(self, shocks: Sequence[Outcome], cost: float, faced: Faced | None) -> dict[str, Any]:
        """Return the fields of a result on gap, bounds, status and adversary, with those of `record`."""
        solved, faced = self.solved, faced and with_worst_attack(faced, shocks)
        left = _counted_gap(shocks, faced)
        gap = left if faced is not None else _reported_gap(solved, left)
        # Negligible shortages are in the bound, and not in the gap.
        price, gap_bound = self.instance.policy.gap_price, proven_gap(self.instance, gap, solved.gap_bound)
        priced = None if price is None else price * gap
        bound = solved.bound_of_cost(gap, priced)
        distance = relative_distance(cost, bound, gap, gap_bound, priced=priced)
        status: Status = "gap" if any(each.fails for each in shocks) else "survives"
        notes = self.record["notes"]
        if solved.status == "stopped":
            is_proven = _is_proven(distance, self.settings.mip_gap, faced)
            status = status if is_proven else "stopped"
            # The notes of the search about its end no longer hold.
            notes = (*filter(lambda note: note not in solved.notes, notes), PROVEN) if is_proven else notes
        proof = {"survival_gap": gap, "bound": bound, "gap_bound": gap_bound, "mip_gap": distance}
        return {**self.record, **proof, "status": status, "notes": notes, "adversary": faced}


def _counted_gap(shocks: Sequence[Outcome], faced: Faced | None) -> float:
    """Return the sum of the gaps that count, of attacks those of the worst at each start."""
    attacks, worst = ((), 0.0) if faced is None else (faced.attacks, faced.gap)
    return math.fsum(each.gap for each in shocks if not each.excused and each.name not in attacks) + worst


def _reported_gap(solved: SearchResult, left: float) -> float:
    """Return the search's gap; or the evaluated gap `left` if the search was stopped or proved 0, or `left` is less.

    The two can differ for a shortage near a millionth of demand, which only one of them may neglect.
    """
    does_better = left < solved.gap * (1.0 - SAME_VALUE)
    return left if solved.status == "stopped" or does_better or solved.gap == 0 else solved.gap


def _is_proven(distance: float | None, required: float, faced: Faced | None) -> bool:
    """Return whether a stopped search has its proof, given the evaluation of all shocks; attacks must be enumerated."""
    return distance is not None and distance <= required and (faced is None or faced.sets is not None)


def _is_no_lower(one: Result, other: Result) -> bool:
    """Return whether no segment falls further below its floor in a shock of one result than in that of the other."""
    kept, left = _tonnes_below_floors(other), _tonnes_below_floors(one)
    return all(amount <= kept.get(place, 0.0) * (1.0 + AUDIT_RELATIVE) for place, amount in left.items())


def _tonnes_below_floors(result: Result) -> dict[tuple[str, str], float]:
    """Return the demand below the floor, t, by shock that is not excused and segment that misses its floor."""
    failing = [outcome for outcome in result.shocks if outcome.fails]
    return {
        (each.name, d): own.below_floor for each in failing for d, own in each.segments.items() if own.first_failure
    }


def _attained_gaps(
    instance: Instance, solved: SearchResult, values: list[float], faced: Faced | None
) -> dict[str, float]:
    """Return the gap that the evaluation allows each shock beyond its least one: the gap that it attains in the model.

    Shocks without an entry keep their least gap: those that the model does not hold, and attacks, of which the model
    lets a milder one leave as much as the worst. For samples that may fail the cost counts: those with a
    probability that the model excuses are allowed their gap in the model.
    """
    if solved.gap_left is not None and solved.may_miss_floors:
        return _missing_free_floors(instance, solved.gap_left)
    gap_limits = _allowed_gaps(instance, solved, values, faced)
    allow_sample_gaps(instance, solved.builder, values, gap_limits)
    # For a given plan there is no model with its samples: the gaps of the evaluation remain.
    return {**(solved.gap_left or {}), **gap_limits}


def _allowed_gaps(
    instance: Instance, solved: SearchResult, values: list[float], faced: Faced | None
) -> dict[str, float]:
    """Return the gap attained in the model by shock, apart from samples that may fail.

    A shock without a probability has no cost in the model, which may leave more than its least gap for nothing.
    """
    if not solved.may_miss_floors and not solved.gap > 0:
        return dict.fromkeys((event.name for event in instance.events), 0.0)
    gap_limits = _gaps_in_model(instance, solved, values, faced)
    likely = _likely_shocks(instance)
    gap_limits = {name: gap for name, gap in gap_limits.items() if gap == 0 or name in likely}
    if solved.may_miss_floors and free_floors(instance):
        absent = {event.name: 0.0 for event in instance.events}
        return _missing_free_floors(instance, {**absent, **gap_limits})
    return gap_limits


def _gaps_in_model(
    instance: Instance, solved: SearchResult, values: list[float], faced: Faced | None
) -> dict[str, float]:
    gaps = dict.fromkeys(solved.paths.difference(() if faced is None else faced.attacks), 0.0)
    for (path, segment, _), below in solved.builder.accounts("below").items():
        if str(path) in gaps:
            gaps[str(path)] += instance.demands[str(segment)].shortage_cost * max(0.0, below.value(values))
    return gaps


def _likely_shocks(instance: Instance) -> set[str]:
    return {event.name for event in instance.events if event.probability > 0}


def _missing_free_floors(instance: Instance, gap_limits: Mapping[str, float]) -> dict[str, float]:
    """Return gap limits that let shocks with a probability miss floors without a shortage cost, to save cost.

    A limit of 0 would enforce these floors. The other shocks have no cost to save, and keep all floors if they can.
    """
    likely = _likely_shocks(instance)
    return {name: max(POSITIVE, gap) if name in likely else gap for name, gap in gap_limits.items()}


def _cost_of(instance: Instance, solved: SearchResult, values: Sequence[float], costs: Vector) -> float:
    """Return the expected cost of a plan: spending, baseline, and shocks, given the `costs` of the shocks in order."""
    baseline = risk.operating_cost_by_path(solved.builder, instance, instance.events).get(BASELINE, Expression())
    likely = math.fsum(event.probability * cost for event, cost in zip(instance.events, costs.tolist(), strict=True))
    return risk.spending(solved.builder, instance).value(values) + baseline.value(values) + likely


def _is_no_shock_plan(instance: Instance, solved: SearchResult, faced: Faced | None) -> bool:
    """Return whether a plan is its own no-shock plan: nothing disrupts the instance, and a search proved a bound.

    No bound is proven of a given plan, or of one future of a joint plan. An adversary may have all attacks deterred.
    """
    is_disrupted = bool(instance.events or instance.rule_paths or faced)
    return not is_disrupted and math.isfinite(solved.bound)


def _solve_no_shock(
    instance: Instance, settings: Settings, clock: Clock, solved: SearchResult, writer: ModelWriter | None
) -> NoShockPlan | None:
    """Return the search's own no-shock plan, else one proven to the gap of the settings; None if the time ran out."""
    if solved.no_shock is not None or clock.interrupted:
        return solved.no_shock
    with clock.with_reserve(RESERVE):
        return no_shock_plan(instance, settings, clock, writer)


class ResultWithBase(NamedTuple):
    """A result, and the tolerance base of its cost; None without a plan, or if no base was needed."""

    result: Result
    base: ToleranceBase | None = None


def plan_with_base(
    solver: "WhatIfSolver",
    instance: Instance,
    settings: Settings,
    first: Settings,
    notes: tuple[str, ...] = (),
    near: Callable[[ToleranceBase], float] = lambda base: math.inf,
    known: Result | None = None,
    plan: Plan | None = None,
) -> ResultWithBase:
    """Return the best plan of an instance, audited, and the tolerance base of its cost.

    The base follows from a first plan: `known`, or the result of a search with the settings `first`, started from
    `plan`. If the cost of the first plan is not proven to its share of the base and to the money `near(base)`, the
    search continues. `notes` are shown with the result.

    Raises:
        AuditError, SolverError: as for `solve_instance`.
    """
    timer, used = Timer(began=time.perf_counter()), first
    require_result(known, Result | None)
    with interruptible(solver.clock, solver.listener):
        solver.start_from(plan if known is None else known.plan)
        found = known or solver.search(instance, first)
        no_shock = exact_no_shock(instance, settings, solver.clock, known)
        least = None if no_shock is None else no_shock.total_cost
        cost, gap, bound, is_plan = _proven_figures(found)
        needed = ToleranceBase.of(cost, least, settings.share_of_price, gap)
        needed = needed.nearer(near(needed))
        if is_plan and not solver.clock.is_over and not needed.proves(cost, bound):
            used = replace(needed.settings(settings), mip_gap=min(first.mip_gap, settings.mip_gap))
            again = solver.search(instance, used)
            found = again if again.status == "optimal" else found
        if isinstance(found, SearchResult):
            evaluator = solver.evaluator(instance)
            found = conclude(instance, used, solver.clock, timer, found, evaluator, notes, no_shock=no_shock)
    has_plan = found.baseline is not None
    return ResultWithBase(found, ToleranceBase.of_result(found, least, settings.share_of_price) if has_plan else None)


def _proven_figures(found: Result | SearchResult) -> tuple[float, float, float | None, bool]:
    """Return cost, gap and bound of a plan, and whether there is a plan from a search that was not stopped."""
    if isinstance(found, Result):
        is_plan = found.baseline is not None and found.status != "stopped"
        return found.total_cost, found.survival_gap, found.bound, is_plan
    return found.objective, found.gap, found.bound, found.status == "optimal"


def tight_shocks(result: Result) -> frozenset[str]:
    """Return the shocks in which a segment is at or below its floor; a floor of 100 % that holds counts as tight."""
    return frozenset(
        outcome.name
        for outcome in result.shocks
        if any(service.margin < TIGHT_SHOCK and service.floor > 0 for service in outcome.segments.values())
    )
