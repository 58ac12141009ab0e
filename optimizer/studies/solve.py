"""The plan of an instance, and beside it what a reader needs to judge it.

strategy     the plan, its cost and bound                                      `algorithms`
recourse     every shock under the plan                                        `outcomes`
no-shock     the cheapest plan without shocks, from which the price of survival counts
nothing      the shocks under the do-nothing plan
prices       the limits with the largest shadow prices                         `measure`
audit        all of it again, without the solver                               `audit`

`so.solve` itself is in `futures.solve`, with the plans of several futures: it reads arguments, and calls
`solve_instance`. `solve` proves the cost to a relative MIP gap; studies that compare plans prove it to a share of the
price of survival (`measured_plan`).
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from platform import python_version
from typing import Any, NamedTuple, Protocol

from optimizer import formulation
from optimizer.algorithms.conflict import Conflict, find_conflict
from optimizer.algorithms.problem import Hints, SearchResult
from optimizer.algorithms.reading import plan_values, read_flows, read_plan, without_rounding_errors
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import allow_sample_gaps
from optimizer.algorithms.solving import best_plan, exact_no_shock, no_shock_plan, open_evaluator
from optimizer.audit import DISAGREES, AuditReport
from optimizer.audit.result import audit_error, complete
from optimizer.disruptions.path import BASELINE
from optimizer.instance.derived import free_floors, size_thresholds
from optimizer.instance.schema import Instance
from optimizer.model.expressions import Expression
from optimizer.results.plan import Faced, ManyFlows, NoShockPlan, Nothing, Plan
from optimizer.results.result import Result, price_of_survival, require_result
from optimizer.results.saved import Status
from optimizer.solver import Clock, Listener, Settings, Vector, ignore, interruptible
from optimizer.solver import versions as solver_versions
from optimizer.solver.base import SAVED_STRATEGIES
from optimizer.studies.measure import ToleranceBase
from optimizer.studies.outcomes import (
    Survey,
    binding_limits,
    do_nothing_outcome,
    outcomes,
    priced_gap,
    proven_gap,
    relative_distance,
    services,
    survey,
    with_costs,
    with_worst_attack,
)
from optimizer.studies.supply_chain import actual_outputs, baseline_shortages, supply_shares
from optimizer.tolerances import AUDIT_RELATIVE, POSITIVE, SAME_VALUE, TIGHT_SHOCK

# Settings that say where the work is done; they do not change the answer.
WHERE = ("accuracy", "until", "jobs", "cluster", "checkpoint")


@dataclass
class Timer:
    """Seconds of a run, by part."""

    load: float = 0.0
    began: float = 0.0

    def seconds(self, clock: Clock) -> dict[str, float]:
        """load, build (all that is neither loading nor the solver), solver, total."""
        spent = time.perf_counter() - self.began
        parts = {"load": self.load, "build": max(0.0, spent - clock.solving), "solver": clock.solving}
        return parts | {"total": self.load + spent}


def run_record(
    instance: Instance, settings: Settings, clock: Clock, solved: SearchResult, notes: tuple[str, ...]
) -> dict[str, Any]:
    """The fields of a result that record the question and the run."""
    horizon = instance.horizon
    stopped = f"Stopped by {clock.signal_name}: this is the best plan found until then."
    interrupted = (stopped,) if clock.interrupted else ()
    return {
        "title": instance.title,
        "currency": instance.currency,
        "notes": (*notes, *solved.notes, *interrupted),
        "settings": _settings_record(settings),
        "versions": {"optimizer": version("optimizer"), **solver_versions(), "python": python_version()},
        "periods": tuple(horizon.label(t) for t in horizon.periods),
        "data": instance.to_dict(),
        "solved_instance": instance,
        "history": tuple(_thin_progress(solved)),
        "costs": {},
        "outlays": {},
        "audit": {},
        "seconds": {},
    }


def _settings_record(settings: Settings) -> dict[str, Any]:
    """The settings that decide a result, by the names that plan files and JSON have had since 0.1.0."""
    kept = {key: value for key, value in asdict(settings).items() if key not in WHERE}
    names = {"gap" if key == "mip_gap" else key: value for key, value in kept.items()}
    return names | {"strategy": SAVED_STRATEGIES.get(settings.strategy, settings.strategy)}


def _thin_progress(solved: SearchResult) -> list[Mapping[str, Any]]:
    """Every step that changed something; an infinite bound is not written."""
    steps: list[Mapping[str, Any]] = []
    for step in solved.history:
        row = {key: value for key, value in step.record().items() if value not in (float("inf"), float("-inf"))}
        if not steps or {**row, "seconds": 0} != {**steps[-1], "seconds": 0}:
            steps.append(row)
    return steps


def planless_result(
    seconds: Mapping[str, float], solved: SearchResult, rules: tuple[str, ...], frame: dict[str, Any]
) -> Result:
    """The result where rules are in conflict, or where the time ran out at once."""
    status: Status = "none" if solved.status == "infeasible" else "stopped"
    frame |= {"audit": {"ok": True, "rows": 0, "worst": 0.0, "disagreements": []}, "seconds": seconds}
    return Result(
        status=status,
        total_cost=math.nan,
        outlay=math.nan,
        survival_gap=math.nan,
        worst_gap=math.nan,
        bound=None,
        gap_bound=None,
        mip_gap=None,
        plan=Plan(),
        baseline=None,
        shocks=(),
        services={},
        price_of_survival=None,
        calm_cost=None,
        calm_builds=(),
        nothing=None,
        shares={},
        binding=(),
        clash=rules,
        **frame,
    )


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
    """`solve` for commands and studies, which share a clock, an evaluator or what an earlier search found.

    Args:
        instance: the instance, under its budget.
        settings: solver, MIP gap, limits.
        clock: a new one; the caller may check later whether Ctrl-C was pressed.
        listener: receives every step of the search.
        notes: remarks of the caller to show beside the result.
        load_seconds: what reading the instance took, for `Result.seconds`.
        evaluator: one that is warm, of an instance that differs in its policy at most; it stays open.
        held_shocks: shocks that the model holds from the start, such as those that were tight before.
        plan: one that is known: it bounds the search where it keeps the rules.

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
    """What a strategy found as a result, audited; `faced` where some shocks are attacks.

    `no_shock` is the no-shock plan of this instance; it is solved for where it is left out.

    Raises:
        AuditError: the plan and its figures disagree.
    """
    frame = run_record(instance, settings, clock, solved, notes)
    if solved.values is None:
        conflict = find_conflict(instance, settings, clock) if solved.status == "infeasible" else Conflict()
        frame = run_record(instance, settings, clock, solved, (*notes, *conflict.notes))
        return planless_result(timer.seconds(clock), solved, conflict.rules, frame | {"adversary": faced})
    no_shock = no_shock or _no_shock(instance, settings, clock, solved)
    if no_shock is None and _has_shocks(instance):
        frame |= {"notes": (*frame["notes"], NO_PRICE)}
    result, report = PlanConclusion(instance, settings, clock, solved, evaluator, frame, faced, no_shock).audited()
    result = replace(result, notes=(*result.notes, *evaluator.notes), seconds=timer.seconds(clock))
    if not report.ok:
        raise audit_error(instance, report.disagreements, replace(result, notes=(DISAGREES, *result.notes)))
    return result


@dataclass(frozen=True)
class PlanConclusion:
    """A plan that a search found, on its way to an audited result.

    `frame` are the fields that `run_record` makes. Where the cost of `solved` is NaN, it is recomputed.
    """

    instance: Instance
    settings: Settings
    clock: Clock
    solved: SearchResult
    evaluator: RecourseEvaluator
    frame: Mapping[str, Any]
    faced: Faced | None
    no_shock: NoShockPlan | None

    def audited(self) -> tuple[Result, AuditReport]:
        """The result and its audit, without the sizes that the audit cannot distinguish from zero.

        The largest thresholds with which the audit agrees are applied, unless a shock then fails: a size near zero may
        keep a floor. Under the last threshold, the solver's rounding errors, the audit is reported as it is.
        """
        instance, solved = self.instance, self.solved
        assert solved.values is not None
        values = solved.values.tolist()
        *larger, last = (
            without_rounding_errors(instance, solved.builder, values, sizes) for sizes in size_thresholds(instance)
        )
        larger = [clean for clean in larger if clean != last]
        for clean in larger:
            result, report = complete(instance, *self._result(clean))
            if report.ok and result.survival_gap <= solved.gap * (1.0 + AUDIT_RELATIVE):
                if result.survives:
                    return result, report
                whole = complete(instance, *self._result(last))
                return (result, report) if _failed(result) <= _failed(whole[0]) else whole
        return complete(instance, *self._result(last))

    def _result(self, values: list[float]) -> tuple[Result, list[ManyFlows]]:
        """The result of a plan, by the values of its columns, and the flows of all shocks."""
        instance, solved, evaluator = self.instance, self.solved, self.evaluator
        plan = read_plan(instance, solved.builder, values)
        columns = plan_values(instance, plan, evaluator.subproblems.plan)
        attained = _attained_gaps(instance, solved, values, self.faced)
        replies = evaluator.operate_batches(columns, self.clock, attained, flows=True)
        surveyed, many = survey(instance, evaluator, replies), evaluator.flows(replies)
        found, costs = solved.builder.column_index(), evaluator.costs(replies)
        cost = _cost_of(instance, solved, values, costs) if math.isnan(solved.cost) else solved.cost
        baseline = read_flows(instance, found, values, instance.baseline)
        no_shock = self.no_shock if _has_shocks(instance) else NoShockPlan(cost, plan, baseline)
        no_shock_cost = None if no_shock is None else no_shock.total_cost
        result = Result(
            **self._proof(surveyed, cost, with_costs(instance, self.faced, evaluator.subproblems.plan, columns)),
            total_cost=cost,
            outlay=max(0.0, sum(each.value(values) for each in solved.builder.accounts("outlay").values())),
            worst_gap=float(surveyed.counted_gaps(instance).max(initial=0.0)),
            plan=plan,
            baseline=baseline,
            shocks=outcomes(instance, surveyed, many, costs, _modelled_shocks(solved)),
            services=services(instance, surveyed),
            price_of_survival=price_of_survival(cost, no_shock_cost),
            calm_cost=no_shock_cost,
            calm_builds=() if no_shock is None else no_shock.plan.bought,
            no_shock=no_shock,
            nothing=_nothing(instance, self.clock, evaluator),
            shares=supply_shares(instance, baseline),
            lacks=baseline_shortages(instance, baseline),
            actual=actual_outputs(instance, baseline),
            endured={key: read_flows(instance, found, values, path) for key, path in instance.survival_rules.items()},
            binding=binding_limits(instance, solved),
            clash=(),
        )
        return result, many

    def _proof(self, surveyed: Survey, cost: float, faced: Faced | None) -> dict[str, Any]:
        """The gap that the plan leaves, what is proven of it and of the cost, and the rest of the record."""
        solved = self.solved
        names = (event.name for event in self.instance.events)
        gaps = dict(zip(names, surveyed.counted_gaps(self.instance).tolist(), strict=True))
        gap = _gap(solved, math.fsum(gaps.values()))
        if faced is not None:
            faced = with_worst_attack(self.instance, faced, gaps)
            gap = math.fsum(gap for name, gap in gaps.items() if name not in faced.attacks) + faced.gap
        # Negligible shortages are in the bound, and not in the gap.
        priced, gap_bound = priced_gap(self.instance, gap), proven_gap(self.instance, gap, solved.gap_bound)
        bound = solved.bound_of_cost(priced)
        distance = relative_distance(cost, bound, gap, gap_bound, priced=priced)
        fails = surveyed.fails.any(axis=1) & ~surveyed.excused(self.instance)
        status: Status = "gap" if fails.any() else "survives"
        notes = self.frame["notes"]
        if solved.status == "stopped":
            is_proven = _is_proven(distance, self.settings.mip_gap, faced)
            status = status if is_proven else "stopped"
            # The notes of the search about its end no longer hold.
            notes = (*filter(lambda note: note not in solved.notes, notes), PROVEN) if is_proven else notes
        proof = {"survival_gap": gap, "bound": bound, "gap_bound": gap_bound, "mip_gap": distance}
        return {**self.frame, **proof, "status": status, "notes": notes, "adversary": faced}


def _gap(solved: SearchResult, left: float) -> float:
    """The first stage's gap; or what the plan really leaves, where it was stopped or does better than was proven.

    Where a shortfall is a millionth of demand, the last digit decides in each of the two whether it is one.
    """
    does_better = left < solved.gap * (1.0 - SAME_VALUE)
    return left if solved.status == "stopped" or does_better or solved.gap == 0 else solved.gap


def _is_proven(distance: float | None, required: float, faced: Faced | None) -> bool:
    """Whether a search that was stopped had its proof already: all shocks are solved again, and all attacks tried."""
    return distance is not None and distance <= required and (faced is None or faced.sets is not None)


def _failed(result: Result) -> set[str]:
    """The shocks in which a floor fails that may not."""
    return {outcome.name for outcome in result.shocks if outcome.fails}


def _attained_gaps(
    instance: Instance, solved: SearchResult, values: list[float], faced: Faced | None = None
) -> dict[str, float]:
    """By shock, a gap that the plan is known to attain; shocks that the model does not hold may fare worse.

    In the model an attack may do as much damage as the worst of them; it is allowed no gap here. Of samples that may
    fail the cost counts: those with a probability that the model excuses are allowed what they miss there.
    """
    if solved.gap_left is not None and solved.allows_shortages:
        # A gap of 0 would ask for floors that are free to miss.
        return {name: max(POSITIVE, gap) for name, gap in solved.gap_left.items()}
    gap_limits = _allowed_gaps(instance, solved, values, faced)
    allow_sample_gaps(instance, solved.builder, values, gap_limits)
    # Beside a plan that is given no model has its samples.
    return {**(solved.gap_left or {}), **gap_limits}


def _allowed_gaps(
    instance: Instance, solved: SearchResult, values: list[float], faced: Faced | None
) -> dict[str, float]:
    """The same, where all floors count."""
    names = [event.name for event in instance.events]
    if not solved.allows_shortages and not solved.gap > 0:
        return dict.fromkeys(names, 0.0)
    gap_limits = dict.fromkeys(_modelled_shocks(solved).difference(() if faced is None else faced.attacks), 0.0)
    for (path, segment, _), below in solved.builder.accounts("below").items():
        if str(path) in gap_limits:
            shortage_cost = instance.demands[str(segment)].shortage_cost
            gap_limits[str(path)] += shortage_cost * max(0.0, below.value(values))
    if solved.allows_shortages and free_floors(instance):
        return {name: max(POSITIVE, gap_limits.get(name, 0.0)) for name in names}
    return gap_limits


def _modelled_shocks(solved: SearchResult) -> frozenset[str]:
    """The paths that own columns of the model."""
    return frozenset(path for path, _, _ in solved.builder.column_index())


def _cost_of(instance: Instance, solved: SearchResult, values: Sequence[float], costs: Vector) -> float:
    """The expected cost of a plan: spending, the baseline, and shocks at what they cost under it, by number."""
    baseline = formulation.operating_cost_by_path(solved.builder, instance, instance.events).get(BASELINE, Expression())
    likely = math.fsum(event.probability * cost for event, cost in zip(instance.events, costs.tolist(), strict=True))
    return formulation.spending(solved.builder).value(values) + baseline.value(values) + likely


def _has_shocks(instance: Instance) -> bool:
    """Whether anything but the baseline shapes a plan; where nothing does, it is its own no-shock plan."""
    return bool(instance.events or instance.survival_rules)


def _no_shock(instance: Instance, settings: Settings, clock: Clock, solved: SearchResult) -> NoShockPlan | None:
    """The cheapest plan without shocks and without rules about surviving; None without any, or where time ran out."""
    if not _has_shocks(instance) or solved.no_shock is not None or clock.is_over:
        return solved.no_shock
    return no_shock_plan(instance, settings, clock)


def _nothing(instance: Instance, clock: Clock, evaluator: RecourseEvaluator) -> Nothing | None:
    if not instance.events:
        return None
    return do_nothing_outcome(instance, survey(instance, evaluator, evaluator.do_nothing_answers(clock)))


class Searcher(Protocol):
    """What finds plans one after the other; each search goes on from the plan that is known."""

    clock: Clock
    listener: Listener

    def learn(self, plan: Plan | None, active: frozenset[str]) -> None:
        """Take a plan, or none, for the start."""

    def search(self, instance: Instance, settings: Settings) -> SearchResult:
        """The best plan of an instance, as a strategy hands it back."""

    def evaluator(self, instance: Instance) -> RecourseEvaluator:
        """One that is warm for the instance."""


class MeasuredResult(NamedTuple):
    """A plan, and the tolerance base of its cost, where that was asked and there is a plan."""

    result: Result
    measure: ToleranceBase | None = None


def measured_plan(
    solver: Searcher,
    instance: Instance,
    settings: Settings,
    first: Settings,
    notes: tuple[str, ...] = (),
    near: Callable[[ToleranceBase], float] = lambda base: math.inf,
    known: Result | None = None,
    plan: Plan | None = None,
) -> MeasuredResult:
    """The best plan of an instance, audited, and the tolerance base of its cost.

    The base is known with a first plan: `known`, or one that is searched for under the settings `first`, from `plan`
    on. Where its cost is not proven to its share of the base, and to the money that `near` says of it, the
    search goes on. `notes` are shown beside the result.

    Raises:
        AuditError, SolverError: as for `solve_instance`.
    """
    timer, used = Timer(began=time.perf_counter()), first
    require_result(known, Result | None)
    with interruptible(solver.clock, solver.listener):
        solver.learn(plan if known is None else known.plan, frozenset())
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
    return MeasuredResult(found, ToleranceBase.of_result(found, least, settings.share_of_price) if has_plan else None)


def _proven_figures(found: Result | SearchResult) -> tuple[float, float, float | None, bool]:
    """Cost, gap and bound of a plan, and whether there is one that was not stopped."""
    if isinstance(found, Result):
        is_plan = found.baseline is not None and found.status != "stopped"
        return found.total_cost, found.survival_gap, found.bound, is_plan
    return found.cost, found.gap, found.bound, found.status == "optimal"


def tight_shocks(result: Result) -> frozenset[str]:
    """The shocks in which some segment is no better than at its floor; one of 100 % that is kept may bind as well."""
    return frozenset(
        outcome.name
        for outcome in result.shocks
        if any(service.margin < TIGHT_SHOCK and service.floor > 0 for service in outcome.segments.values())
    )
