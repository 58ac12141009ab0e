"""Sensitivity of plan and cost to uncertain numbers: one at a time, their switching values, and all together.

tornado           every number at its low and its high end, all others at their values; the price of survival there is
                  the total cost less that of the no-shock plan with the same numbers
switching value   the point between the value and an end with another plan at which the plan changes, by bisection. A
                  plan is the set of options that are bought, and whether it survives. Changes that are reversed before
                  the end are not detected.
global            a Latin hypercube over all ranges, uniform and independent: the share of the variance of the cost, and
                  of the gap if floors fail, that each number explains (`Importance`), and the share of samples in which
                  each option is bought

Every search starts from the plan and the shocks of the unchanged instance, never from another search, so that results
do not depend on the number of processes. Another plan replaces the plan only if it is better by more than the MIP gap.

A number that consists of shortage costs changes the value of a gap, but not whether floors hold. Its gap is that of the
plan that is found, at the shortage costs of the unchanged instance: without a gap price at least the gap there, up to
the tolerance. Samples have the gap at their own shortage costs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from optimizer import arguments
from optimizer.algorithms.executor import size_for, start_executor
from optimizer.algorithms.fixed_plan import evaluate_fixed_plan
from optimizer.algorithms.problem import SearchResult, negligible_gap
from optimizer.algorithms.relaxed_floors import excused_samples, failing_beyond_allowed, tree_shares
from optimizer.algorithms.separation.attacks import with_listed_attacks
from optimizer.algorithms.solving import search_no_shock
from optimizer.algorithms.workers import Task, own_clock
from optimizer.errors import Finding, InstanceError
from optimizer.instance.altered import has_same_no_shock_plan, without_attacks, without_disruptions
from optimizer.instance.derived import is_bought, is_disrupted
from optimizer.instance.edits import ScenarioNames, apply_arguments, require_known, with_numbers
from optimizer.instance.ranges import UncertainNumber, numbers_of
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.results.result import Result
from optimizer.results.saved import Bands
from optimizer.solver import Clock, Listener, Progress, Settings, ignore, interruptible
from optimizer.studies.boxes import SMALLEST_SAMPLE
from optimizer.studies.cost_tolerance import TOLERANCE_SHARE, ToleranceBase, before_tolerance_base, proven_objective
from optimizer.studies.discovery import SampleState, check_samples, evaluate_states, latin_hypercube
from optimizer.studies.first_order import PlanWithDuals, first_order_effect, most_effective, with_operation
from optimizer.studies.sensitivity_result import (
    FirstOrderEffect,
    Importance,
    NoShockCost,
    Sensitivity,
    SensitivityStatus,
    SwitchingValue,
    TornadoBar,
    VariantOutcome,
)
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver
from optimizer.tolerances import SAME_VALUE, VALUE_RESOLUTIONS
from optimizer.units import MoneyLike

_SEED_OF_BANDS = 7
_STOPPED_EARLY = (
    f"The search was stopped before {SMALLEST_SAMPLE // 2} of the samples of all numbers together were solved for, so "
    "that there is no band. Allow more time (--time-limit)."
)
_TOO_FEW_SOLVED = (
    f"Fewer than {SMALLEST_SAMPLE // 2} of the samples of all numbers together could be solved for, so that there is "
    "no band and no share of the variance. Numbers that depend on each other may not fit: let them share a `draw`."
)


@dataclass(frozen=True)
class MovedNumbers:
    """Changed numbers of an instance."""

    values: Mapping[str, float]  # the number, or factor, of each input, by path
    # Whether the gap is evaluated in the unchanged instance instead of at these numbers.
    takes_gap_as_is: bool = False
    # The unchanged instance's no-shock cost if that with these numbers is asked for.
    no_shock: NoShockCost | None = None


def _find_moved(
    memory: dict[str, Any],
    instance: Instance,
    moved: MovedNumbers,
    settings: Settings,
    held: frozenset[str],
    plan: Plan,
    lists_attacks: bool,
) -> VariantOutcome | None:
    """Find the best plan with changed numbers, as an executor's task; None if the time is over.

    With `lists_attacks`, the adversary's attacks are listed anew at these numbers. If the numbers make the instance
    invalid, the status is ``unusable``.
    """
    if settings.is_late:
        return None
    try:
        variant = with_numbers(without_attacks(instance) if lists_attacks else instance, moved.values)
        # The adversary's budget, the prices and the cuts of its attacks may be uncertain as well.
        variant = with_listed_attacks(variant)[0] if lists_attacks else variant
    except InstanceError:
        return VariantOutcome("unusable")
    with own_clock(memory, settings) as clock, WhatIfSolver(variant, settings, clock) as solver:
        solver.start_from(plan, held)
        found = solver.ask()
        here = outcome(solver, variant, found)
        if moved.no_shock is not None and here.has_plan:
            is_same = has_same_no_shock_plan(variant, instance)
            here = replace(here, no_shock=moved.no_shock if is_same else _no_shock_of(_find_no_shock(variant, solver)))
        return _with_gap_in(instance, solver, here, found) if moved.takes_gap_as_is and here.has_plan else here


def _find_no_shock(instance: Instance, solver: WhatIfSolver) -> SearchResult | None:
    """Find the no-shock plan of an instance that the solver has solved; None if the time is over."""
    return search_no_shock(instance, solver.settings, solver.clock, solver.evaluator(instance).writer)


def _no_shock_of(found: SearchResult | None, *, is_unchanged: bool = False) -> NoShockCost | None:
    return None if found is None else NoShockCost(found.objective, found.bound, is_unchanged)


def outcome(solver: WhatIfSolver, instance: Instance, found: WhatIfResult) -> VariantOutcome:
    """Return the outcome of a what-if result, with the options bought and the failed shocks that are not allowed to."""
    if not math.isfinite(found.cost):
        return VariantOutcome(found.status)
    failed = 0
    if found.gap > 0:
        evaluator = solver.evaluator(instance)
        left = evaluator.gaps(evaluator.plan_values([found.plan]), Clock())
        failed = int(failing_beyond_allowed(instance, left.gap, left.fails).sum())
    bought = frozenset(o for o, size in found.plan.sizes.items() if is_bought(instance, o, size))
    proven = min(found.gap_bound, found.gap) if instance.policy.gap_price is None else None
    return VariantOutcome(found.status, found.cost, found.bound, found.gap, found.outlay, failed, bought, proven)


def _with_gap_in(
    instance: Instance, solver: WhatIfSolver, elsewhere: VariantOutcome, found: WhatIfResult
) -> VariantOutcome:
    """Return the outcome with its plan's gap in another instance; the proven share of the gap stays the same."""
    evaluator, clock = solver.evaluator(instance), Clock()
    left = evaluator.gaps(evaluator.plan_values([found.plan]), clock)
    excused = excused_samples(tree_shares(instance.tree), left.gap, left.fails)
    gap = math.fsum(gap for n, gap in left.violated.items() if not excused[n])
    if instance.policy.gap_price is not None:
        gap = evaluate_fixed_plan(instance, found.plan, evaluator, solver.settings, clock).gap
    proven = None
    if elsewhere.gap_bound is not None:
        proven = gap * elsewhere.gap_bound / elsewhere.gap if elsewhere.gap > 0 else gap
    return replace(elsewhere, gap=gap, gap_bound=proven, failed=int((left.fails & ~excused).sum()) if gap > 0 else 0)


def sensitivity(
    instance: Instance,
    samples: int = 0,
    *,
    seed: int = 7,
    flips: bool = True,
    resolution: float = 0.01,
    budget: MoneyLike | None = None,
    scenario: ScenarioNames | None = None,
    adversary: bool = False,
    settings: Settings | None = None,
    listener: Listener = ignore,
    notes: Sequence[str] = (),
    known: Result | None = None,
    most: int | None = None,
) -> Sensitivity:
    """Find which uncertain numbers change cost, survival or the plan most.

    Args:
        instance: an instance with ranges.
        samples: number of samples of all numbers together, at least 60; 0 for none.
        seed: seed of the samples.
        flips: whether to compute switching values.
        resolution: precision of switching values, as a share of the distance from the value to the end.
        budget, scenario: as for `solve`.
        adversary: whether every attack that the adversary can afford is a shock, listed anew for changed numbers.
        settings: `accuracy` is the share of the price of survival to which costs are proven (2 % by default),
            `time_limit` applies to the whole analysis, and `jobs` is the number of processes.
        listener: receives the rounds of the first search, then every set of numbers that was solved for.
        notes: remarks of the caller to show with the result.
        known: the best plan of the instance, if it was solved before.
        most: solve for this many numbers, those of largest linear effect, and for all without one; None: for all.

    Raises:
        InstanceError: the instance has no ranges, or not the scenario.
        CheckpointError, SolverError, WorkerError: as for `solve`.
        ValueError: too few samples, or a budget that is no amount of money.

    Example:
        >>> import optimizer as so
        >>> ranges = "ranges={options.plant.capex: {low: 100k, high: 400k}}"
        >>> found = so.sensitivity(so.load("instances/tiny.yaml", [ranges]))
        >>> [(bar.number.name, round(bar.low.cost), round(bar.high.cost)) for bar in found.bars]
        [('options.plant.capex', 39700000, 47600000)]
    """
    samples, seed = check_samples(samples, seed, may_be_none=True)
    resolution = arguments.number("resolution", resolution, *VALUE_RESOLUTIONS)
    arguments.yes_or_no(flips=flips, adversary=adversary)
    most = None if most is None else arguments.whole_number("most", most)
    made = apply_arguments(instance, budget=budget, scenario=scenario, notes=notes)
    _require_ranges(instance := made.instance)
    require_known(known, instance)
    settings = Settings.chosen(settings, TOLERANCE_SHARE).begun()
    # A known plan needs no search, only its held shocks and duals: the time limit then applies to later tasks only.
    clock = settings.clock() if known is None else Clock()
    search = _SensitivitySearch(instance, settings, clock, listener, lists_attacks=adversary)
    with interruptible(clock, listener):
        found = search.run(samples, seed, resolution, known, most, has_flips=flips)
    has_too_few = samples > 0 and found.sampled is None and found.status == "proven"
    return replace(found, notes=(*made.notes, *[_TOO_FEW_SOLVED] * has_too_few))


def _require_ranges(instance: Instance) -> None:
    """Raise InstanceError if no number of the instance is uncertain."""
    if not instance.ranges:
        cure = "Write some, such as `capex: {value: 120k, low: 90k, high: 180k}`, or "
        cure += '`ranges: {"options.*.capex": {low: 0.8, high: 1.5, of: value}}`.'
        raise InstanceError([Finding(instance.title, None, "ranges", "the instance has no ranges", cure)])


def find_bands(
    instance: Instance,
    plan: Plan | None = None,
    *,
    adversary: bool = False,
    settings: Settings | None = None,
    listener: Listener = ignore,
) -> tuple[Bands | None, tuple[str, ...]]:
    """Return the bands of the best plan's figures over 60 samples of all uncertain numbers, without a tornado.

    With a `plan`, the bands also have the share of the samples that it survives as it is. None, with a note that says
    why, without a plan or if too few samples have one. Other arguments and errors are those of `sensitivity`.
    """
    settings = Settings.chosen(settings, TOLERANCE_SHARE).begun()
    clock = settings.clock()
    search = _SensitivitySearch(instance, settings, clock, listener, lists_attacks=adversary)
    found = survived = None
    with interruptible(clock, listener):
        if search.begin().has_plan:
            with start_executor(size_for(settings.jobs, search.seconds)) as search.executor:
                found = search.sample(SMALLEST_SAMPLE, _SEED_OF_BANDS)
            survived = (
                None if plan is None or found is None else search.plan_survived(plan, SMALLEST_SAMPLE, _SEED_OF_BANDS)
            )
    if found is None:
        return None, (_STOPPED_EARLY if clock.is_over else _TOO_FEW_SOLVED,)
    return replace(found.bands(len(search.numbers)), plan_survived=survived), ()


@dataclass(frozen=True)
class _Interval:
    """Two positions of a bar's number, −1 … 1: at `same` the plan is that of the value, at `other` a different one."""

    bar: int
    same: float
    other: float
    outcome: VariantOutcome

    @property
    def middle(self) -> float:
        return (self.same + self.other) / 2

    def halve(self, at: VariantOutcome, *, differs: bool) -> "_Interval":
        """Return the half in which the plan changes, given the outcome at the middle.

        A stopped search counts as the same plan, so that the change lies further out.
        """
        return replace(self, other=self.middle, outcome=at) if differs else replace(self, same=self.middle)

    def switching_value(self, number: UncertainNumber, step: int) -> SwitchingValue:
        """Return the two values of the number, lengths of shocks in whole periods of so many months."""
        end: Literal["low", "high"] = "low" if self.other < 0 else "high"
        shown = number.moving_to(end)
        same, other = shown.at(self.same), shown.at(self.other)
        # Tables take the position of inputs that move together from the first of them, so its values stay as they are.
        if len(number.inputs) == 1 and not shown.is_factor:
            same, other = shown.rounded(same, step), shown.rounded(other, step)
        return SwitchingValue(end, same, other, self.outcome)


def _with_bounds_of(known: Result, found: WhatIfResult) -> WhatIfResult:
    """Return the search's result with the bound of the known plan, if both plans have the same cost."""
    is_same = known.bound is not None and math.isclose(found.cost, known.total_cost, rel_tol=SAME_VALUE)
    return replace(found, status="optimal", bound=max(found.bound, known.bound or 0.0)) if is_same else found


def _with_flips(bars: Sequence[TornadoBar], intervals: Sequence[_Interval], step: int) -> list[TornadoBar]:
    result = list(bars)
    for each in intervals:
        bar = result[each.bar]
        result[each.bar] = replace(bar, flips=(*bar.flips, each.switching_value(bar.number, step)))
    return result


class _SensitivitySearch:
    """Searches for sets of numbers, each started from the plan and the shocks of the unchanged instance.

    With `lists_attacks`, every attack that the adversary can afford is a shock.
    """

    def __init__(
        self, instance: Instance, settings: Settings, clock: Clock, listener: Listener, *, lists_attacks: bool
    ) -> None:
        instance = with_listed_attacks(instance)[0] if lists_attacks else instance
        strategy = settings.strategy
        if strategy == "auto":
            # The plan and shocks of the unchanged instance shorten these strategies, but not the extensive form.
            every_shock_counts = any(event.probability > 0 for event in instance.tree.events)
            strategy = "benders" if every_shock_counts else "constraint-generation"
        self.instance, self.numbers = instance, numbers_of(instance.uncertain)
        self.settings = replace(settings, jobs=1, threads=1, strategy=strategy)
        self.clock, self.listener, self.lists_attacks, self.is_complete = clock, listener, lists_attacks, True
        self.jobs, self.executor = settings.jobs, start_executor(1)
        self.found, self.seconds = WhatIfResult("stopped"), 0.0
        self.base = VariantOutcome("stopped")
        self.tolerance_base: ToleranceBase | None = None
        self._duals: PlanWithDuals | None = None
        self._no_shock_duals: PlanWithDuals | None = None

    def run(
        self, samples: int, seed: int, resolution: float, known: Result | None, most: int | None, *, has_flips: bool
    ) -> Sensitivity:
        """Return the analysis as far as the time allows; with `has_flips`, with switching values."""
        accuracy, base = self.settings.share_of_price, self.begin(known, most)
        if not base.has_plan:
            state: SensitivityStatus = "stopped" if self.clock.is_over else "none"
            return Sensitivity(state, self.instance, accuracy, resolution, base)
        with start_executor(size_for(self.jobs, self.seconds)) as self.executor:
            screened = self.screen(most)
            bars = self.tornado()
            bars = self.with_switching_values(bars, resolution) if has_flips else bars
            sampled = self.sample(samples, seed) if samples else None
        shown = tuple(sorted(bars, key=lambda bar: bar.effect(base), reverse=True))
        status: SensitivityStatus = "proven" if self.is_proven(bars) else "stopped"
        found = (shown, sampled, self.tolerance_base, screened)
        return Sensitivity(status, self.instance, accuracy, resolution, base, *found)

    def begin(self, known: Result | None = None, most: int | None = None) -> VariantOutcome:
        """Solve the unchanged instance and prove its cost to the tolerance of all other searches.

        The dual values of its plan are kept for screening if there are more than `most` numbers.
        """
        settings, no_shock = self.settings, None
        with WhatIfSolver(self.instance, before_tolerance_base(settings), self.clock, self.listener) as solver:
            if known is not None and known.bound is not None:
                # The search only has to find the held shocks and dual values of the known plan.
                solver.start_from(known.plan)
                self.found = _with_bounds_of(known, solver.ask(bound=proven_objective(known)))
            else:
                self.found = solver.ask()
            # The run time of the plan, also of a known one, decides whether worker processes pay off.
            self.seconds = max(self.found.seconds, 0.0 if known is None else known.seconds.get("total", 0.0))
            if math.isfinite(self.found.cost):
                no_shock = _find_no_shock(self.instance, solver) if is_disrupted(self.instance) else None
                least = None if no_shock is None else no_shock.objective
                tolerance_base = ToleranceBase.of(self.found.cost, least, settings.share_of_price, self.found.gap)
                if self.found.status == "optimal" and not tolerance_base.proves(self.found.cost, self.found.bound):
                    again = solver.ask(settings=tolerance_base.settings(settings))
                    self.found = again if again.status == "optimal" else self.found
                    tolerance_base = ToleranceBase.of(self.found.cost, least, settings.share_of_price, self.found.gap)
                self.tolerance_base, self.settings = tolerance_base, tolerance_base.settings(settings)
            self.base = outcome(solver, self.instance, self.found)
            self.base = replace(self.base, no_shock=_no_shock_of(no_shock, is_unchanged=True))
            self._keep_dual_values(solver, most, no_shock)
        return self.base

    def _keep_dual_values(self, solver: WhatIfSolver, most: int | None, no_shock: SearchResult | None) -> None:
        """Keep dual values of the latest plan in all shocks that count and of the no-shock plan, if they are needed."""
        if most is not None and len(self.numbers) > most and solver.latest is not None:
            evaluator = solver.evaluator(self.instance)
            found = with_operation(self.instance, solver.latest, evaluator, self.settings, self.clock)
            self._duals = PlanWithDuals.of(found, self.instance)
            if no_shock is not None and self._duals is not None and self._duals.has_least_cost:
                self._no_shock_duals = PlanWithDuals.of(no_shock, without_disruptions(self.instance))

    def screen(self, most: int | None) -> tuple[FirstOrderEffect, ...]:
        """Keep `most` numbers with the largest linear effects; return the other effects, largest first.

        Numbers without a linear effect are kept as well, unless `most` is 0.
        """
        if most is None or len(self.numbers) <= most or self._duals is None:
            return ()
        effects = self._first_order_effects()
        kept = most_effective(effects, most, negligible_gap(self.instance))
        by_name = {each.name: each for each in self.numbers}
        self.numbers = [by_name[name] for name in kept]
        return tuple(each for each in effects if each.name not in kept)

    def _first_order_effects(self) -> list[FirstOrderEffect]:
        """Return the effects computed within half of the remaining time: first those not judged, then by size."""
        half = self.settings.halfway
        # Dual values cover only the attacks listed at current numbers, so the adversary's numbers cannot be judged.
        unseen = [each for each in self.numbers if self.lists_attacks and each.is_of_adversary]
        judged = [each for each in self.numbers if each not in unseen]
        tasks = [
            Task(first_order_effect, (self.instance, self._duals, self._no_shock_duals, each, half)) for each in judged
        ]
        self.listener(Progress(task="which numbers matter by linear effect", total=len(tasks)))
        effects = list(filter(None, (effect for _, effect in self.executor.as_completed(tasks, self.clock))))
        self.is_complete = len(effects) == len(tasks)
        effects += [FirstOrderEffect(each.name, None, None) for each in unseen]
        return sorted(effects, key=lambda each: (*(-size for size in each.size), each.name))

    def answers(self, variants: Sequence[MovedNumbers], what: str) -> dict[int, VariantOutcome]:
        """Solve for each set of numbers; return outcomes by index, without those not reached in time."""
        fixed = (self.settings, self.found.held, self.found.plan, self.lists_attacks)
        tasks = [Task(_find_moved, (self.instance, each, *fixed)) for each in variants]
        result: dict[int, VariantOutcome] = {}
        self.listener(Progress(task=what, total=len(tasks)))
        for number, answer in self.executor.as_completed(tasks, self.clock):
            self.clock.interrupted |= answer is None or (self.settings.is_late and len(result) + 1 < len(tasks))
            result |= {} if answer is None else {number: answer}
            self.listener(Progress(task=what, done=len(result), total=len(tasks)))
        return result

    def tornado(self) -> list[TornadoBar]:
        """Return a bar for every number that was solved for at both ends."""
        moved = (_move_number(number, end) for number in self.numbers for end in (-1.0, 1.0))
        at_ends = [replace(each, no_shock=self.base.no_shock) for each in moved]
        found = self.answers(at_ends, "each number at its ends")
        pairs = ((number, found.get(2 * i), found.get(2 * i + 1)) for i, number in enumerate(self.numbers))
        return [TornadoBar(number, low, high) for number, low, high in pairs if low is not None and high is not None]

    def with_switching_values(self, bars: Sequence[TornadoBar], resolution: float) -> list[TornadoBar]:
        """Add switching values, by bisection between the value and each end with another plan.

        If the time runs out, the bars are returned without switching values.
        """
        ends = ((i, end, at) for i, bar in enumerate(bars) for end, at in ((-1.0, bar.low), (1.0, bar.high)))
        intervals = [_Interval(i, 0.0, end, at) for i, end, at in ends if self._differs(at)]
        rounds = max(0, math.ceil(math.log2(1.0 / resolution))) if intervals else 0
        for k in range(rounds):
            variants = [_move_number(bars[each.bar].number, each.middle) for each in intervals]
            found = self.answers(variants, f"where the plan changes, step {k + 1} of {rounds}")
            if len(found) < len(variants):
                return list(bars)
            intervals = [each.halve(found[j], differs=self._differs(found[j])) for j, each in enumerate(intervals)]
        return _with_flips(bars, intervals, self.instance.horizon.months)

    def is_proven(self, bars: Sequence[TornadoBar]) -> bool:
        """Return whether no search was stopped and all numbers were evaluated."""
        ends = [self.base, *(end for bar in bars for end in (bar.low, bar.high))]
        has_prices = self.base.no_shock is None or all(end.no_shock or not end.has_plan for end in ends)
        is_stopped = any(end.status == "stopped" for end in ends)
        return self.is_complete and has_prices and not self.clock.interrupted and not is_stopped

    def _differs(self, at: VariantOutcome) -> bool:
        """Return whether an outcome is proven to have another plan than the base."""
        return at.status != "stopped" and at.state != self.base.state

    def sample(self, samples: int, seed: int) -> Importance | None:
        """Sample all numbers together; None without numbers, or if fewer than half of the least samples have a plan."""
        if not self.numbers:
            return None
        drawn = latin_hypercube(len(self.numbers), samples, seed)
        found = self.answers([*map(self._numbers_at, drawn.tolist())], "all numbers together")
        usable = [i for i, each in sorted(found.items()) if each.has_plan and each.is_settled]
        if 2 * len(usable) < SMALLEST_SAMPLE:
            return None
        outcomes = [found[i] for i in usable]
        columns = np.array([[each.cost, each.gap, float(each.gap > 0), each.outlay] for each in outcomes])
        bought = {o: _share_bought(o, outcomes) for o in self.instance.options}
        names = [number.name for number in self.numbers]
        return Importance.of_sample(names, drawn[usable], columns, bought, samples, seed)

    def plan_survived(self, plan: Plan, samples: int, seed: int) -> float | None:
        """Return the share of the samples of `sample` in which a plan, held as it is, keeps every floor.

        Samples in which the plan cannot be evaluated are left out; None if there are no others.
        """
        drawn = latin_hypercube(len(self.numbers), samples, seed)
        states = [SampleState(self._numbers_at(shares).values) for shares in drawn.tolist()]
        instance = (without_attacks(self.instance) if self.lists_attacks else self.instance).fresh()
        found = evaluate_states(
            instance, plan, states, self.jobs, self.clock, self.listener, lists_attacks=self.lists_attacks
        )
        known = [each.failed for each in found.values() if each.failed is not None]
        return 1.0 - float(np.mean(known)) if known else None

    def _numbers_at(self, shares: Sequence[float]) -> MovedNumbers:
        """Return the numbers of a sample, given each one's position in its range, 0 (low) … 1 (high)."""
        pairs = zip(self.numbers, shares, strict=True)
        return MovedNumbers({path: value for number, share in pairs for path, value in number.across(share).items()})


def _move_number(number: UncertainNumber, position: float) -> MovedNumbers:
    """Return one number moved to a position, −1 … 1; shortage costs do not change whether floors hold."""
    return MovedNumbers(number.at(position), takes_gap_as_is=number.is_shortage_cost)


def _share_bought(option: str, outcomes: Sequence[VariantOutcome]) -> float:
    return float(np.mean([option in each.bought for each in outcomes]))
