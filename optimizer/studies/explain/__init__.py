"""Explanation of a plan, or of why no plan survives: the plan, then single findings, the most useful first.

survives   the value of each shock, lever, floor and delay, and the latest order of what is bought (`part_values`)
fails      repairs, each sufficient alone (`repairs`), and the irreducible reason (`reason`)

Each what-if about a surviving plan changes one part of it, so what-ifs run in parallel worker processes; each worker
keeps its solver state for its next what-if. Answers are returned in the order of the what-ifs, the most useful first.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from optimizer import arguments
from optimizer.algorithms.executor import size_for, start_executor
from optimizer.algorithms.problem import negligible_gap
from optimizer.algorithms.workers import Memory, Setup, Task, own_clock
from optimizer.files import finite_or_none
from optimizer.instance.altered import with_eased_floors
from optimizer.instance.derived import display_name
from optimizer.instance.edits import ScenarioNames, apply_arguments, require_known
from optimizer.instance.schema import Instance
from optimizer.results.result import Result, hardest_of
from optimizer.solver import Listener, Settings, ignore, interruptible
from optimizer.studies.conclusion import plan_with_base
from optimizer.studies.cost_tolerance import GAP_SHARE
from optimizer.studies.explain.part_values import (
    PartValuation,
    PlanContext,
    PlanPart,
    deadline,
    plan_parts,
    with_tighter_bounds,
)
from optimizer.studies.explain.reason import reason
from optimizer.studies.explain.repairs import (
    BOTH_SHORT,
    earlier_builds,
    larger_annual_budgets,
    least_budget,
    less_demand,
    scaled_floors,
    shorter_rules,
    shorter_shocks,
)
from optimizer.studies.explain.what_ifs import WHAT_IF_SECONDS, ShortBudget, TimedWhatIfs
from optimizer.studies.explanation import Deadline, Explanation, ExplanationPart, PartValue, Reason, Repair
from optimizer.studies.what_if import WhatIfSolver, keep_gains, solver_of_worker
from optimizer.tolerances import PLAN_GAP
from optimizer.units import MoneyLike


@dataclass(frozen=True)
class WhatIfTerms:
    """The common data of all what-ifs of one explanation, sent to each worker."""

    instance: Instance
    settings: Settings
    context: PlanContext  # the plan that is explained


class ParallelWhatIfs:
    """Solver of what-ifs about a plan in worker processes, or in this process if starting workers would not pay."""

    def __init__(self, what_ifs: TimedWhatIfs, context: PlanContext, solve_seconds: float) -> None:
        self.what_ifs, settings = what_ifs, what_ifs.solver.settings.within(what_ifs.solver.clock)
        # A cluster evaluates the shocks of one what-if in parallel, and the what-ifs one after the other.
        size = 1 if settings.cluster else size_for(settings.jobs, solve_seconds)
        self._executor = start_executor(size, Setup.of(keep_gains, what_ifs.solver.gains))
        if self._executor.size == 1:
            self._executor.memory["what_ifs"] = what_ifs
        else:
            settings = replace(settings, jobs=1, threads=settings.threads or 1)
        self._terms = WhatIfTerms(what_ifs.instance, settings, context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self._executor.close()

    def part_values(self, parts: Sequence[PlanPart]) -> Iterator[PartValue]:
        """Yield the value of each part, without parts for which the time ran out."""
        tasks = [Task(_part_value, (self._terms, part)) for part in parts]
        yield from self._answers(tasks, [part.words(self.what_ifs.instance) for part in parts])

    def deadlines(self, options: Sequence[str], can_be_left_out: Mapping[str, bool | None]) -> Iterator[Deadline]:
        """Yield the deadline of each option; `can_be_left_out`: whether some plan survives without it."""
        tasks = [Task(_deadline, (self._terms, o, can_be_left_out.get(o))) for o in options]
        words = [f"by when {display_name(self.what_ifs.instance, o)} has to be ordered" for o in options]
        yield from self._answers(tasks, words)

    def _answers(self, tasks: Sequence[Task], words: Sequence[str]) -> Iterator[Any]:
        """Yield the answers in the order of the tasks, without tasks that have no answer."""
        known, following, count = dict[int, Any](), 0, 0
        self._report_next(words, following)
        with contextlib.closing(self._executor.as_completed(tasks, self.what_ifs.solver.clock)) as answers:
            for number, answer in answers:
                known[number] = answer
                count += answer is not None
                while following in known:
                    answer, following = known.pop(following), following + 1
                    self._report_next(words, following)
                    if answer is not None:
                        yield answer
        # Answers are missing after Ctrl-C, or if a worker ran out of time slightly before this process.
        self.what_ifs.is_cut_short |= count < len(tasks)
        yield from (answer for _, answer in sorted(known.items()) if answer is not None)

    def _report_next(self, words: Sequence[str], number: int) -> None:
        """Report the first what-if that is not solved; without workers, each what-if reports itself."""
        if self._executor.size > 1 and number < len(words) and not self.what_ifs.is_over:
            self.what_ifs.report(words[number], number, len(words))


def _part_value(memory: Memory, terms: WhatIfTerms, part: PlanPart) -> PartValue | None:
    with _open_what_ifs(memory, terms) as what_ifs:
        return None if what_ifs.is_over else PartValuation(what_ifs, terms.context).value_of(part)


def _deadline(memory: Memory, terms: WhatIfTerms, o: str, can_be_left_out: bool | None) -> Deadline | None:
    with _open_what_ifs(memory, terms) as what_ifs:
        return None if what_ifs.is_over else deadline(what_ifs, terms.context.plan, o, can_be_left_out=can_be_left_out)


@contextlib.contextmanager
def _open_what_ifs(memory: Memory, terms: WhatIfTerms) -> Iterator[TimedWhatIfs]:
    """Yield the `TimedWhatIfs` of this process; a worker has its own solver and handles Ctrl-C itself."""
    if "what_ifs" in memory:
        yield memory["what_ifs"]
        return
    if "own" not in memory:
        memory["own"] = TimedWhatIfs(terms.instance, solver_of_worker(memory, terms.instance, terms.settings))
    what_ifs: TimedWhatIfs = memory["own"]
    with own_clock(memory, terms.settings) as what_ifs.solver.clock:
        yield what_ifs


# Why a repair does not work where the rules contradict each other. Demand and earlier builds may ease rules, so that it
# can be the floors that fail then; reasons about money hold as they are.
_STILL_CONTRADICTORY: Mapping[str, str] = {
    "floors": "the rules still cannot be kept",
    "length": "the rules still cannot be kept",
    "demand": "rules and floors still cannot all be kept",
    "sooner": "rules and floors still cannot all be kept",
}


def explain(
    instance: Instance,
    budget: MoneyLike | None = None,
    *,
    settings: Settings | None = None,
    listener: Listener = ignore,
    on_part: Callable[[ExplanationPart], None] = lambda part: None,
    notes: tuple[str, ...] = (),
    scenario: ScenarioNames | None = None,
    known: Result | None = None,
) -> Explanation:
    """Solve an instance and explain the plan: the value of each part, or why nothing survives and what would help.

    Args:
        instance: the instance.
        budget, scenario: as for `solve`.
        settings: `accuracy` is the share of the price of survival to which what-ifs are proven, by default 0.005;
            `time_limit` applies to everything together.
        listener: receives each what-if before it is solved, and the rounds of each search.
        on_part: called with the plan's result and then every finding, as soon as it is known.
        notes: remarks of the caller to show beside the plan.
        known: the instance's best plan, if it has been solved before; it is explained unchanged.

    Returns:
        All findings; `is_complete` is False if the time ran out, after Ctrl-C, or if a what-if was given up.

    Raises:
        AuditError, CheckpointError, SolverError, ValueError, WorkerError: as for `solve`.
        InstanceError: the instance does not have the scenario.

    Example:
        >>> import optimizer as so
        >>> found = so.explain(so.load("instances/tiny.yaml"), budget="1M")
        >>> found.reason.shocks, found.reason.segments
        (('embargo@2029',), ('motors',))
        >>> [(repair.kind, repair.amount) for repair in found.repairs if repair.works]
        [('budget', 11500000.0), ('floors', 0.109), ('demand', 0.9)]
    """
    settings = Settings.chosen(settings, GAP_SHARE)
    arguments.function("on_part", on_part)
    made = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes)
    require_known(known, made.instance)
    clock = settings.clock()
    with interruptible(clock, listener), WhatIfSolver(made.instance, settings, clock, listener) as solver:
        own = replace(settings, mip_gap=min(PLAN_GAP, settings.mip_gap))
        result, tolerance_base = plan_with_base(solver, made.instance, settings, own, made.notes, known=known)
        on_part(result)
        explanation = Explanation(result, settings.share_of_price)
        if result.status == "stopped":
            return explanation
        if result.status == "survives" and tolerance_base is not None:
            explanation = replace(explanation, within=tolerance_base.tolerance, tolerance_base=tolerance_base)
            solver.settings = replace(tolerance_base.settings(settings), patience=None)
        what_ifs = TimedWhatIfs(_as_survived(made.instance, solver, result), solver)
        for part in _find_parts(what_ifs, result):
            on_part(part)
            explanation = _add_part(explanation, part)
        return replace(explanation, is_complete=not (clock.is_over or what_ifs.is_cut_short))


def _as_survived(instance: Instance, solver: WhatIfSolver, result: Result) -> Instance:
    """Return the instance, with slightly lower floors if a surviving plan misses some by too little to fail.

    With the floors as they are, what-ifs would have no plan that keeps them exactly either.
    """
    if result.status != "survives":
        return instance
    evaluator = solver.evaluator(instance)
    left = evaluator.gaps(evaluator.plan_values([result.plan]), solver.clock)
    missed = float(left.gap[~left.fails].sum())
    return with_eased_floors(instance) if missed > negligible_gap(instance) else instance


def _find_parts(what_ifs: TimedWhatIfs, result: Result) -> Iterator[ExplanationPart]:
    """Yield every finding about a plan, the most useful first; if one is not known, mark the what-ifs as cut short."""
    explained = _explain_plan if result.status == "survives" else _explain_failure
    for part in explained(what_ifs, result):
        what_ifs.is_cut_short |= not _is_known(what_ifs.instance, part)
        if isinstance(part, Repair) and part.works is False and result.status == "none":
            part = replace(part, why=_STILL_CONTRADICTORY.get(part.kind, part.why))
        yield part


def _is_known(instance: Instance, part: ExplanationPart) -> bool:
    """Check whether every what-if about a part was solved before the time ran out."""
    if isinstance(part, Result):
        return True
    if not isinstance(part, Deadline):
        return part.is_known
    # A stockpile has no date `as_planned`, and an option that can be left out needs no date `anyhow`.
    is_dated = part.as_planned is not None or part.option not in instance.sized
    return is_dated and (part.anyhow is not None or part.can_be_left_out is True)


def _add_part(explanation: Explanation, part: ExplanationPart) -> Explanation:
    if isinstance(part, Reason):
        return replace(explanation, reason=part)
    name = {Repair: "repairs", PartValue: "part_values", Deadline: "deadlines"}[type(part)]
    more: dict[str, Any] = {name: (*getattr(explanation, name), part)}
    return replace(explanation, **more)


def _explain_plan(what_ifs: TimedWhatIfs, result: Result) -> Iterator[ExplanationPart]:
    """Yield the values of the parts of a surviving plan, then the deadlines of its options."""
    what_ifs.report("which shocks bind")
    with what_ifs.solver.clock.for_at_most(WHAT_IF_SECONDS):
        held = what_ifs.solver.find_held_shocks(result, what_ifs.solver.settings)
    cost, bound = result.total_cost, result.bound
    if what_ifs.instance is not what_ifs.solver.instance:
        eased = what_ifs.solve_survivable("the cost with eased floors")
        cost, bound = (eased.found.cost, finite_or_none(eased.found.bound)) if eased.is_proven else (cost, bound)
    context, survivable = PlanContext(result.plan, cost, bound, held), dict[str, bool | None]()
    with ParallelWhatIfs(what_ifs, context, result.seconds["solver"]) as parallel:
        values = parallel.part_values(plan_parts(what_ifs.instance, context))
        for value in _with_consistent_bounds(what_ifs.instance, values):
            survivable |= {value.of: value.survives} if value.kind == "lever" else {}
            yield value
        # Deadlines of options without which nothing survives come first.
        yield from parallel.deadlines(
            sorted(result.plan.bought, key=lambda o: survivable.get(o) is not False), survivable
        )


def _with_consistent_bounds(instance: Instance, values: Iterable[PartValue]) -> Iterator[PartValue]:
    """Yield values in their order; those of options wait for those of their levers, and are tightened by them."""
    levers = list[PartValue]()
    for value in values:
        if value.kind in ("lever", "kind"):
            levers.append(value)
            continue
        yield from with_tighter_bounds(instance, levers)
        levers.clear()
        yield value
    yield from with_tighter_bounds(instance, levers)


def _explain_failure(what_ifs: TimedWhatIfs, result: Result) -> Iterator[ExplanationPart]:
    """Yield the repairs and the reason, the most useful first, until the time is over."""
    hardest = [each.name for each in hardest_of(result.shocks) if each.fails]
    what_ifs.blocking = frozenset(hardest)
    money = list[Repair]()
    for repair in _money_repairs(what_ifs, result):
        money.append(repair)
        yield repair
    floors = () if what_ifs.is_over else tuple(scaled_floors(what_ifs, hardest))
    yield from floors
    if any(each.keeps_all for each in floors):
        # The floors can be kept; the plan leaves gaps only because their price is lower. Nothing has to be repaired.
        return
    if not what_ifs.is_over and result.status == "gap":
        found = reason(what_ifs, result, short_budget=_short_budget(money))
        what_ifs.is_cut_short |= found is None
        yield from () if found is None else (found,)
    for step in (shorter_shocks, shorter_rules, less_demand, earlier_builds):
        yield from step(what_ifs) if not what_ifs.is_over else ()


def _money_repairs(what_ifs: TimedWhatIfs, result: Result) -> Iterator[Repair]:
    """Yield the repairs by a larger total budget, and by more money in each year."""
    total = list(least_budget(what_ifs, result))
    yield from total
    if not what_ifs.is_over:
        yield from larger_annual_budgets(what_ifs, is_total_short=_short_budget(total) is not None)


def _short_budget(repairs: Sequence[Repair]) -> ShortBudget | None:
    """Return the first budget that is too small, or None; one whose repair was not found in time counts as such."""
    for repair in repairs:
        if repair.works is not False or repair.why == BOTH_SHORT:
            return "annual" if repair.kind == "annual" and repair.works is not False else "budget"
    return None
