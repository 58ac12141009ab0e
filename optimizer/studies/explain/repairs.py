"""Repairs: changes that make an instance survivable, each sufficient alone, with the cost of the resulting plan.

budget   the least total budget that survives everything: minimise outlay
annual   the least additional money in each year's budget
floors   the highest common scaling of all floors
length   the longest window of any shock
months   the longest time in any rule about time to survive
sooner   the least number of months by which builds are on line earlier: all of them, or one alone
demand   the least reduction of demand: of all segments, or of one alone

Each repair is the least of its kind: it is found together with a proof, or a test, that a step less is not enough. The
scaling of floors is rounded down to a step; a bound on it is proven instead.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from optimizer.algorithms.problem import ProblemVariant, outlay
from optimizer.algorithms.relaxed_floors import failing_beyond_allowed
from optimizer.instance.altered import (
    with_added,
    with_demand,
    with_eased_floors,
    with_events_apart,
    with_floors,
    with_lead_times,
    with_only_shocks,
    with_rules_up_to,
    with_windows_up_to,
    without_annual_budget,
    without_budgets,
)
from optimizer.instance.derived import display_name
from optimizer.instance.edits import with_budget
from optimizer.instance.schema import Instance
from optimizer.levers import Sized
from optimizer.results.result import Result
from optimizer.studies.explain.what_ifs import (
    FEASIBILITY_GAP,
    SurvivalAnswer,
    TimedWhatIfs,
    least_added,
    least_passing_nonmonotone,
)
from optimizer.studies.explanation import Repair, RepairKind
from optimizer.studies.what_if import WhatIfResult, highest_scaling
from optimizer.tolerances import PLAN_GAP, SAME_VALUE
from optimizer.units import rounded_up

# Step of the scaling of floors.
FLOOR_STEP = 1e-3
NOT_FOUND = "it was stopped before that was found"
BOTH_SHORT = "the total budget is too small as well; with enough of both everything survives"
NO_MONEY = "no amount of money is enough"
TOTAL_HELD = "not as long as the total budget stays as it is"
# Digits to which the least budget is rounded up.
TYPED_DIGITS = 5


def _with_cost(repair: Repair, tried: SurvivalAnswer, other: SurvivalAnswer | None = None) -> Repair:
    """Add cost and outlay of the cheapest plan to a repair; if that was not found, those of the `other` plan."""
    known = tried if tried.holds else other
    if known is None or not known.holds:
        return repair
    is_proven = known is tried and tried.is_proven
    return replace(repair, cost=known.found.cost, outlay=known.found.outlay, is_proven=is_proven)


def least_budget(what_ifs: TimedWhatIfs, result: Result) -> Iterator[Repair]:
    """Yield the repair by the least total budget with which everything survives.

    If none is enough, it says which part of the gap of the plan, `result`, more money closes.
    """
    policy = what_ifs.instance.policy
    if policy.budget is None and policy.annual_budget is None:
        yield Repair("budget", works=False, why="the file sets no budget; it is not money that is short")
        return
    free = with_budget(what_ifs.instance, None)
    settings = replace(what_ifs.solver.settings, mip_gap=min(PLAN_GAP, what_ifs.solver.settings.mip_gap))
    problem = ProblemVariant(outlay, name="least outlay")
    found = what_ifs.ask("the least budget", free, problem, settings)
    tried = what_ifs.judge(free, found)
    if tried.holds is False:
        free = with_eased_floors(free)
        found = what_ifs.ask("the least budget", free, problem, settings)
        tried = what_ifs.judge(free, found)
    if tried.holds is None:
        yield Repair("budget", why=NOT_FOUND)
    elif not tried.holds:
        years = " as long as the budgets of single years stay as they are" if policy.annual_budget is not None else ""
        yield _without_total_budget(what_ifs, result, Repair("budget", works=False, why=f"{NO_MONEY}{years}"))
    elif policy.budget is not None and found.value <= policy.budget * (1.0 - PLAN_GAP):
        yield Repair("budget", works=False, why="the budget does not bind: money is left")
    else:
        cheaper = partial(with_budget, free)
        yield _money_repair(what_ifs, "budget", found, tried, "the plan of the least budget", cheaper)


def _without_total_budget(what_ifs: TimedWhatIfs, result: Result, repair: Repair) -> Repair:
    """Add the gap that the best plan without a total budget leaves, if that is smaller than the gap of the plan."""
    if what_ifs.instance.policy.budget is None or result.status != "gap" or what_ifs.is_over:
        return repair
    free = with_budget(what_ifs.instance, None)
    found = what_ifs.ask("the least gap at any budget", free)
    what_ifs.is_cut_short |= found.status == "stopped"
    if not math.isfinite(found.cost) or found.gap >= result.survival_gap * (1.0 - PLAN_GAP):
        return repair
    evaluator = what_ifs.solver.evaluator(free)
    left = evaluator.gaps(evaluator.plan_values([found.plan]), what_ifs.solver.clock)
    failing = int(failing_beyond_allowed(free, left.gap, left.fails).sum())
    return replace(repair, cost=found.cost, outlay=found.outlay, gap_left=found.gap, failing=failing)


def _money_repair(
    what_ifs: TimedWhatIfs,
    kind: RepairKind,
    found: WhatIfResult,
    tried: SurvivalAnswer,
    words: str,
    with_amount: Callable[[float], Instance],
) -> Repair:
    """Build a repair by the least amount of money, rounded up to `TYPED_DIGITS`, with the cost of its cheapest plan."""
    amount = rounded_up(max(0.0, found.value), TYPED_DIGITS)
    again = what_ifs.solve_survivable(words, with_amount(amount))
    if again.holds is False:
        amount = rounded_up(amount * (1.0 + SAME_VALUE), TYPED_DIGITS)
        again = what_ifs.solve_survivable(words, with_amount(amount))
    below = max(0.0, found.bound) if found.status == "optimal" else None
    return _with_cost(Repair(kind, works=True, amount=amount, beyond=below), again, tried)


def larger_annual_budgets(what_ifs: TimedWhatIfs, *, is_total_short: bool) -> Iterator[Repair]:
    """Yield the repair by the least additional money in each year's budget; the total budget stays.

    `is_total_short`: whether the total budget may be too small as well.
    """
    instance = what_ifs.instance
    if instance.policy.annual_budget is None:
        return
    settings = replace(what_ifs.solver.settings, mip_gap=min(PLAN_GAP, what_ifs.solver.settings.mip_gap))
    found = least_added(what_ifs, "the least budget of each year", instance, settings)
    tried = what_ifs.judge(without_annual_budget(instance), found)
    if tried.holds is None:
        yield Repair("annual", why=NOT_FOUND)
    elif not tried.holds:
        yield Repair("annual", works=False, why=TOTAL_HELD if is_total_short else _why_no_year(what_ifs))
    else:
        words = "the plan of the least budget of each year"
        yield _money_repair(what_ifs, "annual", found, tried, words, partial(with_added, instance))


def _why_no_year(what_ifs: TimedWhatIfs) -> str:
    """Explain why no additional money in each year is enough."""
    instance = what_ifs.instance
    if instance.policy.budget is not None:
        held = what_ifs.solve_survivable(
            "a larger total budget, and more in each year", without_budgets(instance), mip_gap=FEASIBILITY_GAP
        ).holds
        if held is None:
            what_ifs.is_cut_short = True
            return TOTAL_HELD
        if held:
            return BOTH_SHORT
    return f"{NO_MONEY}, whatever the year"


def scaled_floors(what_ifs: TimedWhatIfs, hardest: list[str]) -> Iterator[Repair]:
    """Yield the repair by the highest factor by which all floors can be multiplied, with the scaled floors."""
    what_ifs.report("the highest floors that can be kept")
    scaling = highest_scaling(what_ifs.instance, what_ifs.solver, hardest)
    if scaling.factor is None:
        contradiction = "the rules of the policy contradict each other even without floors"
        yield Repair("floors", why=NOT_FOUND) if what_ifs.is_over else Repair("floors", works=False, why=contradiction)
        return
    steps = math.floor(scaling.factor / FLOOR_STEP + 1e-3)
    # Because of rounding, no plan may keep the highest floors: then those a step lower are tried.
    for factor in (steps * FLOOR_STEP, (steps - 1) * FLOOR_STEP):
        if factor <= 0:
            yield Repair("floors", works=False, amount=0.0, beyond=scaling.most, why="only without any floor")
            return
        tried = what_ifs.solve_survivable("the plan of the lower floors", with_floors(what_ifs.instance, factor=factor))
        if tried.holds is not False:
            yield _with_cost(_floor_repair(what_ifs.instance, factor, scaling.most), tried)
            return
    yield Repair("floors", beyond=scaling.most, why="no plan was found that keeps the lower floors exactly")


def _floor_repair(instance: Instance, factor: float, most: float) -> Repair:
    """Build the repair with the scaled floors: those of segments, and those that shocks set themselves."""
    floors = {
        d: {year: factor * demand.survival.at(year) for year in instance.horizon.years}
        for d, demand in instance.demands.items()
        if max(demand.survival.values) > 0
    }
    # All shocks of an entry set the same floors.
    own = {
        event.entry: {d: factor * floor for d, floor in event.spec.survival.items() if floor > 0}
        for event in instance.events
        if any(floor > 0 for floor in event.spec.survival.values())
    }
    return Repair("floors", works=True, amount=factor, beyond=most, floors=floors, own_floors=own)


# Largest number of what-ifs about the size of one repair; bisection needs only a few.
MOST_SIZES_TRIED = 40
NOT_ALL_TRIED = "not every size was tried, and no size tried works"
# Texts by kind of repair if none of its sizes works.
AT_NO_SIZE: Mapping[str, str] = {"sooner": "no number of months is enough", "demand": "no amount is enough"}


@dataclass(frozen=True)
class _Steps:
    """A repair whose size is a whole number of steps, such as months or percent."""

    kind: RepairKind  # as in `Repair`
    of: str | None  # as in `Repair`
    words: str  # description of the change, for progress
    most: int  # the largest number of steps
    why: str  # the reason that is reported if even that does not work
    # `vary(first, last)` builds an instance at least as easy as each after `first` to `last` steps; `vary(n, n)` is the
    # instance after n steps.
    vary: Callable[[int, int], Instance]
    amount: Callable[[int], float]  # converts a number of steps into `Repair.amount`
    is_nested: bool = True  # whether every plan stays possible after one more step; `vary` then ignores `first`

    def repair(self, what_ifs: TimedWhatIfs) -> tuple[Repair, int]:
        """Find the least repair that works; return it and its number of steps."""
        trials = _Trials(self, what_ifs)
        # The largest number first, so that it is known whether the repair works if the search is stopped.
        trials.may_hold(self.most, self.most)
        steps, is_least = least_passing_nonmonotone(trials.may_hold, self.most)
        if steps is None:
            return Repair(self.kind, self.of, False if is_least else None, why=trials.why(is_known=is_least)), self.most
        again = what_ifs.solve_survivable(f"{self.words}: its plan", self.vary(steps, steps))
        beyond = self.amount(steps - 1) if is_least else None
        found = Repair(self.kind, self.of, True, self.amount(steps), beyond)
        return _with_cost(found, again, trials.known[steps, steps]), steps


class _Trials:
    """Tests of the sizes of one repair, with their answers."""

    def __init__(self, steps: _Steps, what_ifs: TimedWhatIfs) -> None:
        self.steps, self.what_ifs, self.known = steps, what_ifs, dict[tuple[int, int], SurvivalAnswer]()
        self.enough = 0  # a number of steps that is known to work; 0 if none is

    def may_hold(self, first: int, last: int) -> bool | None:
        """Test whether any number of steps in a range may be enough, or a single one is; None if that is unknown."""
        if first <= self.enough <= last:
            return True
        first = last if self.steps.is_nested else first
        if (first, last) not in self.known:
            if self.what_ifs.is_over or len(self.known) >= MOST_SIZES_TRIED:
                return None
            self._try(first, last)
        return self.known[first, last].holds

    def _try(self, first: int, last: int) -> None:
        amount = self.steps.amount(last)
        trial = f"{100 * amount:g} %" if self.steps.kind == "demand" else f"{amount:g} months"
        words, variant = f"{self.steps.words}: trying {trial}", self.steps.vary(first, last)
        self.known[first, last] = tried = self.what_ifs.solve_survivable(words, variant, mip_gap=FEASIBILITY_GAP)
        self.enough = last if first == last and tried.holds else self.enough

    def why(self, *, is_known: bool) -> str:
        """Explain why no size works, or why that is not known."""
        if is_known:
            return self.steps.why if self.steps.is_nested else AT_NO_SIZE[self.steps.kind]
        return NOT_ALL_TRIED if len(self.known) >= MOST_SIZES_TRIED else "it was stopped before that was known"


def shorter_shocks(what_ifs: TimedWhatIfs) -> Iterator[Repair]:
    """Yield the repair by shorter shocks: the longest windows that are survived."""
    horizon = what_ifs.instance.horizon
    longest = max((len(event.periods) for event in what_ifs.instance.events), default=0)
    if longest == 1:
        yield Repair("length", works=False, why=f"the shocks last one {horizon.step}, and none can be shorter here")
    if longest <= 1:
        return
    steps = _Steps(
        kind="length",
        of=None,
        words="shorter shocks",
        most=longest - 1,
        why=f"with every shock shortened to {horizon.months} month{'s' * (horizon.months > 1)}, not all are survived",
        vary=lambda _, steps: with_windows_up_to(what_ifs.events_apart, (longest - steps) * horizon.months),
        amount=lambda steps: float((longest - steps) * horizon.months),
    )
    yield steps.repair(what_ifs)[0]


def shorter_rules(what_ifs: TimedWhatIfs) -> Iterator[Repair]:
    """Yield the repair by shorter rules about time to survive: the most months that can be kept in all of them."""
    rules = what_ifs.instance.policy.min_time_to_survive
    longest = math.ceil(max((rule.months for rule in rules), default=0.0))
    if longest == 1:
        yield Repair("months", works=False, why="the rules ask for no more than a month")
    if longest <= 1:
        return
    steps = _Steps(
        kind="months",
        of=None,
        words="shorter rules",
        most=longest - 1,
        why="not even for one month",
        vary=lambda _, steps: with_rules_up_to(what_ifs.instance, longest - steps),
        amount=lambda steps: float(longest - steps),
    )
    yield steps.repair(what_ifs)[0]


def earlier_builds(what_ifs: TimedWhatIfs) -> Iterator[Repair]:
    """Yield the repairs by earlier builds: the least number of months for all of them, then for each alone."""
    horizon, sized = what_ifs.instance.horizon, what_ifs.instance.sized
    leads = {o: horizon.whole(option.lead_time) for o, option in sized.items() if option.lead_time > 0}
    if not leads:
        yield Repair("sooner", works=False, why="no option has a lead time")
        return

    def steps(options: Sequence[str]) -> _Steps:
        return _Steps(
            kind="sooner",
            of=options[0],
            words="sooner builds" + _names_suffix(what_ifs.instance, options),
            most=max(leads[o] for o in options),
            why="not by itself",
            vary=lambda first, last: _with_earlier_builds(what_ifs.instance, options, first, last),
            amount=lambda steps: float(steps * horizon.months),
            is_nested=not any(_may_lose_value(sized[o]) for o in options),
        )

    why = "not even if everything stood on the day it is ordered"
    every = replace(steps([*leads]), of=None, words="sooner builds", why=why)
    yield (everything := every.repair(what_ifs)[0])
    # If all builds come sooner, some may come too soon; a single one may still be enough.
    if everything.works is not False or not every.is_nested:
        yield from (repair for repair, _ in _repair_each_alone(what_ifs, [*leads], steps))


def _may_lose_value(option: Sized) -> bool:
    """Check whether an earlier build may be worth less: its ramp falls, or it has to run before it has inputs."""
    return any(b < a for a, b in pairwise(option.ramp)) or getattr(option, "min_utilisation", 0.0) > 0


def _with_earlier_builds(instance: Instance, options: Sequence[str], first: int, last: int) -> Instance:
    """Return the instance with builds on line `first` to `last` periods sooner, in each period by the best number."""
    months = instance.horizon.months
    earlier = with_lead_times(instance, months_later=-last * months, options=options)
    if first == last:
        return earlier
    eased = {o: _at_best_share(earlier.sized[o], math.ceil((last - first) * months / 12)) for o in options}
    return earlier.replacing(options={**earlier.options, **eased})


def _at_best_share(option: Sized, years: int) -> Sized:
    """Return the option with each share of its ramp raised to the best of the last `years`, and no forced running."""
    ramp = (*option.ramp, *option.ramp[-1:] * years)
    update: dict[str, object] = {"ramp": tuple(max(ramp[max(0, j - years) : j + 1]) for j in range(len(ramp)))}
    if getattr(option, "min_utilisation", 0.0) > 0:
        # A restart starts from the minimum utilisation, so it is removed as well.
        update |= {"min_utilisation": 0.0, "restart_months": 0.0}
    return option.model_copy(update=update)


def _names_suffix(instance: Instance, names: Sequence[str]) -> str:
    return f", {display_name(instance, names[0])}" if len(names) == 1 else f", {len(names)} of them"


def _repair_each_alone(
    what_ifs: TimedWhatIfs, names: Sequence[str], steps: Callable[[Sequence[str]], _Steps]
) -> Iterator[tuple[Repair, int]]:
    """Yield the repair of each name alone with its steps; all names together are known to be enough, or are one.

    The names are halved repeatedly: if no plan survives with a group, at the best number of steps of each name, none
    of the group is enough alone.
    """
    middle = len(names) // 2
    for part in filter(None, (names[:middle], names[middle:])):
        if what_ifs.is_over:
            return
        search = steps(part)
        if len(part) == 1:
            yield search.repair(what_ifs)
        elif _is_too_little(what_ifs, search):
            yield from ((Repair(search.kind, name, False, why=search.why), search.most) for name in part)
        else:
            yield from _repair_each_alone(what_ifs, part, steps)


def _is_too_little(what_ifs: TimedWhatIfs, search: _Steps) -> bool:
    """Check that no number of steps is enough, even if the shocks in which the best plan fails were the only ones."""
    variant = search.vary(0, search.most)
    variant = with_only_shocks(with_events_apart(variant), what_ifs.blocking) if what_ifs.blocking else variant
    return what_ifs.solve_survivable(search.words, variant, mip_gap=FEASIBILITY_GAP).holds is False


def less_demand(what_ifs: TimedWhatIfs) -> Iterator[Repair]:
    """Yield the repairs by less demand, in steps of one percent: in all segments, then in each segment with a floor."""
    instance = what_ifs.instance

    def steps(segments: Sequence[str]) -> _Steps:
        return _Steps(
            kind="demand",
            of=segments[0],
            words="less demand" + _names_suffix(instance, segments),
            most=100,
            why="not even without any of it",
            vary=lambda first, last: _with_less_demand(instance, segments, first, last),
            amount=lambda steps: steps / 100,
            is_nested=not any(_returns_scrap(instance, d) for d in segments),
        )

    every = replace(steps([*instance.demands]), of=None, words="less demand", why="not even without any demand")
    yield _with_tonnes(what_ifs, *every.repair(what_ifs))
    some = [d for d in instance.demands if _has_floor(instance, d)] if len(instance.demands) > 1 else []
    yield from (_with_tonnes(what_ifs, *found) for found in _repair_each_alone(what_ifs, some, steps))


def _with_less_demand(instance: Instance, segments: Sequence[str], first: int, last: int) -> Instance:
    """Return the instance with demand lower by `last` percent, and its returned scrap lower by `first` percent."""
    less = with_demand(instance, factor=1.0 - last / 100, segments=segments)
    if first == last:
        return less
    # The scrap is returned by additional segments whose demand may go unserved at no cost.
    sold = with_floors(with_demand(instance, factor=1.0 - first / 100, segments=segments), factor=0.0).demands
    some = [d for d in segments if sold[d].end_of_life]
    without_scrap = {d: less.demands[d].model_copy(update={"end_of_life": None}) for d in some}
    scrap = {f"{d}, sold": sold[d].model_copy(update={"id": f"{d}, sold", "shortage_cost": 0.0}) for d in some}
    return less.replacing(demands={**less.demands, **without_scrap, **scrap})


def _with_tonnes(what_ifs: TimedWhatIfs, repair: Repair, steps: int) -> Repair:
    """Add the demand that is removed, in t by year, to a repair if it is of one commodity."""
    lowered = [demand for d, demand in what_ifs.instance.demands.items() if repair.of in (None, d)]
    if not repair.works or len({demand.commodity for demand in lowered}) > 1:
        return repair
    years, share = what_ifs.instance.horizon.years, steps / 100
    return replace(repair, tonnes={year: share * sum(each.quantity.at(year) for each in lowered) for year in years})


def _returns_scrap(instance: Instance, segment: str) -> bool:
    """Check whether a segment returns scrap of its sales within the horizon; lower demand then lowers supply, too."""
    back = instance.demands[segment].end_of_life
    return back is not None and back.collection_rate > 0 and back.after_years < len(instance.horizon.years)


def _has_floor(instance: Instance, segment: str) -> bool:
    own = (event.spec.survival.get(segment, 0.0) for event in instance.events)
    return max(instance.demands[segment].survival.values) > 0 or max(own, default=0.0) > 0
