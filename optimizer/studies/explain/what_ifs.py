"""What-ifs of an explanation, and the limits on the supply of a short commodity.

Each what-if has a time limit of its own, and its answer states what is proven.

`least_added` minimises the additional money in each year; all other rules hold, including the total budget:

    x     added   money   additional money in each year; minimised

    annual_budget   outlay_y ≤ B_y + x      for every year y

`SupplyLimits` explains for each source of a commodity what limits its supply in the periods of a shock:

process        the part that a cut leaves, or its capacity
restoring      for options that restore part of a cut: too late, eroded, at largest size, or too dear for the budget
option         too late, at its largest size, cut itself, without inputs or scrap, or too dear for the budget
stockpile      its largest size (`max_size`), its fill or release rate, its first possible purchase, or its price
substitution   the share of demand that it can serve
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from optimizer.algorithms.problem import LEAST_COST, ProblemVariant, Rows
from optimizer.algorithms.relaxed_floors import failing_beyond_allowed
from optimizer.disruptions.shock import Shock
from optimizer.instance.altered import with_events_apart, without_annual_budget, without_gap_price
from optimizer.instance.derived import display_name, size_text
from optimizer.instance.schema import Instance
from optimizer.instance.validation.supply import obtainable_commodities
from optimizer.levers import Sized, Stock
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.results.plan import Flows, Plan
from optimizer.solver import Progress, Settings
from optimizer.studies.purchases import eroded_words, size_in_force
from optimizer.studies.what_if import WhatIfResult, WhatIfSolver
from optimizer.tolerances import FULLY_USED, NEGLIGIBLE
from optimizer.units import greatest_whole, si

# Time limit of a single what-if, seconds.
WHAT_IF_SECONDS = 120.0
# MIP gap of what-ifs that test only whether some plan survives, whatever its cost.
FEASIBILITY_GAP = 0.05


@dataclass(frozen=True)
class SurvivalAnswer:
    """The answer to whether some plan survives, with the plan that was found."""

    holds: bool | None  # whether some plan keeps every floor; None if the time ran out
    found: WhatIfResult

    @property
    def is_proven(self) -> bool:
        """Whether it is proven that no plan survives, or that the plan found is optimal to the MIP gap."""
        return self.holds is False or (self.holds is True and self.found.status == "optimal")


class TimedWhatIfs:
    """Solver of what-ifs one after the other, each for at most `WHAT_IF_SECONDS`.

    Args:
        instance: the instance that is explained, with its budget.
        solver: solves the what-ifs.

    Attributes:
        events_apart: the instance with every event as an entry of its own.
        is_cut_short: whether any what-if was left out, stopped or given up.
        blocking: names of the shocks in which the best plan fails; empty if unknown. A model of these alone is small,
            and usually enough to prove that nothing survives.
    """

    def __init__(self, instance: Instance, solver: WhatIfSolver) -> None:
        self.instance, self.solver = instance, solver
        self.events_apart = with_events_apart(instance)
        self.blocking, self.is_cut_short = frozenset[str](), False

    @property
    def is_over(self) -> bool:
        """Whether there is no time left for another what-if."""
        return self.solver.clock.is_over

    def report(self, task: str, done: int = 0, total: int = 0) -> None:
        """Report the what-if that is being solved to the listener."""
        self.solver.listener(Progress(task=task, done=done, total=total))

    def ask(
        self,
        words: str,
        variant: Instance | None = None,
        problem: ProblemVariant = LEAST_COST,
        settings: Settings | None = None,
        bound: float = -math.inf,
        held: frozenset[str] | None = None,
    ) -> WhatIfResult:
        """Solve a variant; `words` name it for the listener; `bound`, `held`: see `WhatIfSolver.ask`."""
        self.report(words)
        return self.solver.ask(variant or self.instance, problem, settings, WHAT_IF_SECONDS, bound, held)

    def solve_survivable(
        self,
        words: str,
        variant: Instance | None = None,
        rows: tuple[Rows, ...] = (),
        mip_gap: float | None = None,
        bound: float = -math.inf,
    ) -> SurvivalAnswer:
        """Find the cheapest plan of a variant that keeps every floor, or prove that there is none.

        A price of gaps is ignored. `bound` is a proven lower bound on the cost of the plan.
        """
        settings = self.solver.settings
        settings = settings if mip_gap is None else replace(settings, mip_gap=mip_gap, tolerance=None)
        instance = without_gap_price(variant or self.instance)
        problem = ProblemVariant(rows=rows, name="cost of a what-if")
        return self.judge(instance, self.ask(words, instance, problem, settings, bound, self.blocking or None))

    def judge(self, instance: Instance, found: WhatIfResult) -> SurvivalAnswer:
        """Determine whether a what-if proves survival; the plan of a stopped search is evaluated in every shock."""
        if found.status == "infeasible":
            return SurvivalAnswer(False, found)
        if found.status == "optimal":
            return SurvivalAnswer(found.survives, found)
        if not math.isfinite(found.cost):
            return SurvivalAnswer(None, found)
        evaluator = self.solver.evaluator(instance)
        gaps = evaluator.gaps(evaluator.plan_values([found.plan]), self.solver.clock)
        return SurvivalAnswer(None if np.any(failing_beyond_allowed(instance, gaps.gap, gaps.fails)) else True, found)


def least_passing(test: Callable[[int], bool | None], high: int) -> tuple[int, bool]:
    """Find by bisection the least whole number that passes a test which 0 fails and `high` passes.

    The test is assumed to be monotone.

    Returns:
        The least number known to pass, and whether the number below it is known to fail.
    """
    low, unknown = 0, False
    while high - low > 1:
        at = (low + high) // 2
        passes = test(at)
        unknown = unknown or passes is None
        low, high = (low, at) if passes else (at, high)
    return high, not unknown


def least_passing_nonmonotone(test: Callable[[int, int], bool | None], last: int) -> tuple[int | None, bool]:
    """Find the least number from 1 to `last` that passes a test, or None; and whether all below are known to fail.

    The test is put to ranges and need not be monotone; it fails for a range only if it does for each number in it.
    """
    ranges, is_sure = [(1, last)], True
    while ranges:
        low, high = ranges.pop()
        passes = test(low, high)
        if passes and low == high:
            return low, is_sure
        is_sure = is_sure and passes is not None
        if passes:
            middle = (low - 1 + high) // 2
            ranges += [(middle + 1, high), (low, middle)]
    return None, is_sure


# The budget that is too small: that of all years together, or that of single years.
ShortBudget = Literal["budget", "annual"]
# The budget that excludes an option: all budgets are zero, or the total or annual one is below its smallest purchase.
BudgetBarrier = Literal["no_budget", "total", "annual"]
# The limit on a larger size of an option: its inputs in the baseline, another rule, or none.
SizeLimit = Literal["inputs", "rules", "unlimited"]


def least_added(
    what_ifs: TimedWhatIfs, words: str, instance: Instance, settings: Settings | None = None
) -> WhatIfResult:
    """Find the plan with the least additional money in each year; its `value` is that money."""
    given = instance.policy.annual_budget
    assert given is not None

    def loosen(builder: ModelBuilder, variant: Instance, shocks: Sequence[Shock]) -> None:
        added = builder.variable("what_if", "added", 0, unit="money")
        for year in variant.horizon.years:
            spent = builder.booked("outlay", year) - added
            builder.require("what_if", f"annual_budget_{year}", None, spent, "<=", given.at(year), unit="money")

    problem = ProblemVariant(_added_budget, (loosen,), name="what is added in each year")
    return what_ifs.ask(words, without_annual_budget(instance), problem, settings)


def _added_budget(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    return Expression({builder.column_index()["", "what_if", "added"][0]: 1.0})


@dataclass(frozen=True)
class SupplyLimits:
    """Explanation of why no source supplies more of a commodity, under the plan with the least gap in the conflict."""

    instance: Instance
    event: Shock
    plan: Plan
    flows: Flows  # of the plan in the shock
    periods: Sequence[int]  # periods in which the commodity is short
    short_budget: ShortBudget | None  # None if no budget is too small
    scarce: frozenset[str]  # the commodities that are short
    barrier: Callable[[str], BudgetBarrier | None]  # finds the budget that is too small for any size of an option
    size_limit: Callable[[str], SizeLimit | None]  # finds the limit on a larger size of an option, the rest unchanged

    def sentences(self, commodity: str, segment: str) -> tuple[str, ...]:
        """Return a sentence for each process, option, stock and substitution; options that are too late share one."""
        makers, stocks = self._makers(commodity), self.instance.stocks.items()
        late = [o for o, option in makers.items() if self._is_late(option)]
        sentences = [*self._process_words(commodity), *self._deal_words(commodity), *self._late_words(late, commodity)]
        sentences += [self._option_words(o, option, commodity) for o, option in makers.items() if o not in late]
        sentences += [self._stock_words(o, stock) for o, stock in stocks if stock.commodity == commodity]
        sentences += [self._substitution_words(o, each, segment) for o, each in self._substitutes(segment).items()]
        return tuple(sentences or [f"nothing makes {display_name(self.instance, commodity)}, and no option would"])

    def _makers(self, commodity: str) -> dict[str, Sized]:
        sized = self.instance.sized.items()
        return {o: each for o, each in sized if any(flow.gives.get(commodity, 0.0) > 0 for flow in each.flows)}

    def _substitutes(self, segment: str) -> dict[str, Sized]:
        sized = self.instance.sized.items()
        return {o: each for o, each in sized if any(flow.serves == segment for flow in each.flows)}

    def _cut_words(self, name: str) -> str | None:
        """Describe the cut of an activity while the commodity is short; None if it is not cut."""
        path = self.instance.path(self.event)
        cuts = [float(path.largest_severity_at(name, t)) for t in self.periods]
        least, most = min(cuts), max(cuts)
        if most - least > NEGLIGIBLE:
            return f"loses {100 * least:.3g} to {100 * most:.3g} %"
        return None if most <= 0 else "is cut off" if most >= 1 else f"loses {100 * most:.3g} %"

    def _process_words(self, commodity: str) -> Iterator[str]:
        for p, process in self.instance.processes.items():
            if process.output.get(commodity, 0.0) <= 0:
                continue
            given = self._total_use(p) * process.output[commodity]
            if (loses := self._cut_words(p)) is not None:
                rest = f"; it still gives {si(given, 't')}{self._restored_words(p)}" if given > 0 else ""
                yield f"{display_name(self.instance, p)} {loses} in {self.event.name}{rest}"
            elif self._total_use(p) >= FULLY_USED * self._uncut_capacity(p):
                why = f" while it restarts over {process.restart_months:g} months" if process.restart_months else ""
                yield f"{display_name(self.instance, p)} runs at capacity{why}, {si(given, 't')}"
            else:
                made = f"makes {si(given, 't')} and " if given > 0 else ""
                why = f"lacks {self._short_inputs(process.input)}" if process.input else "has capacity to spare"
                yield f"{display_name(self.instance, p)} {made}{why}"

    def _deal_words(self, commodity: str) -> Iterator[str]:
        """Yield a sentence for each option that can restore part of a cut process that makes the commodity."""
        path, processes = self.instance.path(self.event), self.instance.processes
        made = [(p, t) for p, each in processes.items() if each.output.get(commodity, 0.0) > 0 for t in self.periods]
        some = {o: each for o, each in self.instance.sized.items() if any(each.restores(path, *at) for at in made)}
        late = [o for o, option in some.items() if self._is_late(option)]
        yield from self._late_words(late, "")
        for o in (o for o in some if o not in late):
            eroded = eroded_words(self.instance, self.plan, o, self.periods[-1])
            yield from () if eroded is None else (eroded,)
            if eroded is None or self._bought(o) < FULLY_USED * some[o].max_size:
                yield self._option_words(o, some[o], commodity)

    def _restored_words(self, p: str) -> str:
        path, options = self.instance.path(self.event), self.instance.options
        is_restored = any(options[o].restores(path, p, t) for o in self.plan.bought for t in self.periods)
        return ", deals and leverage included" if is_restored else ""

    def _uncut_capacity(self, p: str) -> float:
        """Return the capacity of an uncut process while the commodity is short, with its restart, in t of activity."""
        path, process = self.instance.path(self.event), self.instance.processes[p]
        return math.fsum(path.capacity_at(p, t) * process.restart_share(path, t) for t in self.periods)

    def _short_inputs(self, inputs: Collection[str]) -> str:
        """Return the names of the short inputs; of all inputs if none has a scarcity price."""
        return self._names([c for c in inputs if c in self.scarce] or inputs)

    def _total_use(self, name: str) -> float:
        return self.flows.total(name, "activity", self.periods)

    def _decision_periods(self, option: Sized) -> list[int]:
        horizon = self.instance.horizon
        return [a for a in horizon.decisions if option.allows(horizon.year(a))]

    def _is_late(self, option: Sized) -> bool:
        """Check whether no order of an option, however early, is in force while the commodity is short."""
        horizon, decided = self.instance.horizon, self._decision_periods(option)
        lead = horizon.whole(option.lead_time)
        orders = [(a, t) for a in decided for t in self.periods if a + lead <= t]
        return not any(option.share_in_force(horizon, a, t) > 0 for a, t in orders)

    def _late_words(self, names: Sequence[str], commodity: str) -> Iterator[str]:
        """Yield sentences on options that cannot be in force in time; those with the same reason share one."""
        groups: dict[str, list[str]] = {}
        for o in names:
            groups.setdefault(self._earliest_words(self.instance.sized[o]), []).append(o)
        every = len(names) > 1 and len(groups) == 1 and len(names) == len(self._makers(commodity))
        for words, some in groups.items():
            who = f"every option that makes {display_name(self.instance, commodity)}" if every else self._names(some)
            take, are = ("take", "are") if len(some) > 1 and not every else ("takes", "is")
            yield f"{who} {words.format(take=take, are=are)}"

    def _earliest_words(self, option: Sized) -> str:
        """Return why an option cannot be in force in time, with `{take}` and `{are}` where the number matters."""
        horizon, decided = self.instance.horizon, self._decision_periods(option)
        if not decided:
            return "can never be bought within the horizon"
        is_in_force = decided[0] + horizon.whole(option.lead_time) <= self.periods[-1]
        words = f"months and can be ordered in {horizon.label(decided[0])} at the earliest"
        return f"{{take}} {option.lead_time:g} {words}{'; its ramp starts at 0' if is_in_force else ''}"

    def _names(self, owners: Iterable[str]) -> str:
        names = [display_name(self.instance, owner) for owner in owners]
        some = list(names) if len(names) <= 3 else [*names[:3], f"{len(names) - 3} more"]
        return " and ".join(filter(None, (", ".join(some[:-1]), *some[-1:])))

    def _bought(self, o: str) -> float:
        return sum(build.size for build in self.plan.builds if build.option == o)

    def _option_words(self, o: str, option: Sized, target: str) -> str:
        name, loses = display_name(self.instance, o), self._cut_words(o)
        if loses is not None:
            return f"{name} {loses} in {self.event.name}"
        inputs, size = [c for flow in option.flows for c in flow.takes], self._bought(o)
        limit = self._size_words(o, option, target, inputs)
        if limit is not None:
            return limit
        held = f"has only {size_text(self.instance, o, size)}" if size > 0 else option.labels.absent
        return f"{name} {held}: {self._why_not_larger(o, option, size, inputs)}"

    def _why_not_larger(self, o: str, option: Sized, size: float, inputs: Sequence[str]) -> str:
        """Explain why the plan has no larger size of an option: inputs that cannot be obtained, money, or rules."""
        if unobtainable := [c for c in inputs if c not in self._obtainable]:
            return f"it lacks {self._names(unobtainable)}"
        if self.short_budget is not None:
            return self._why_not_paid(o, size)
        short = self._names(c for c in inputs if c in self.scarce)
        return f"it lacks {short}" if short else self._why_no_more(o, option, size)

    @cached_property
    def _obtainable(self) -> set[str]:
        """The commodities that can be obtained while the commodity is short."""
        return obtainable_commodities(self.instance, {self.instance.horizon.year(t) for t in self.periods})

    def _why_no_more(self, o: str, option: Sized, size: float) -> str:
        """Explain why the plan has no more of an option although no budget limits it."""
        built = {build.option for build in self.plan.builds}
        others = {x for x in built if x in option.excludes or o in self.instance.sized[x].excludes}
        if size <= 0 and others:
            return f"it cannot be bought beside {self._names(others)}"
        limit = self.size_limit(o)
        if limit == "inputs":
            lacking, least = self._names(getattr(option, "input", ())), getattr(option, "min_utilisation", 0.0)
            where = f", where it has to run at {100 * least:g} %" if least > 0 else ""
            return f"more of it would lack {lacking} in the baseline{where}"
        reasons = {"rules": "beside the rest of the plan the rules allow no more", "unlimited": "more would not help"}
        return reasons[limit] if limit else "the rules allow no more, or more would not help"

    def _largest_size_words(self, o: str, option: Sized, size: float, inputs: Sequence[str]) -> str | None:
        """Return the words after "has its largest size"; None if that size is not reached."""
        if size >= FULLY_USED * option.max_size:
            if inputs and not self._is_fully_used(o):
                return f", and lacks {self._short_inputs(inputs)}"
            return f", {size_text(self.instance, o, option.max_size)}"
        unit = option.unit_size
        most = unit * greatest_whole(option.max_size / unit) if unit > 0 else option.max_size
        return f" in whole units, {size_text(self.instance, o, most)}" if size >= FULLY_USED * most else None

    def _size_words(self, o: str, option: Sized, target: str, inputs: Sequence[str]) -> str | None:
        """Return a sentence on an option at its largest size, or one that gives less than its size allows; else None.

        `target` is the commodity that it gives or the segment that it serves. A budget that buys no larger size of an
        option that gives some of it goes before the latter.
        """
        limit, name = self._largest_size_words(o, option, self._bought(o), inputs), display_name(self.instance, o)
        given = math.fsum(
            (flow.gives.get(target, 0.0) or float(flow.serves == target)) * self.flows.total(o, flow.name, self.periods)
            for flow in option.flows
        )
        may_need_money = limit is None and self.short_budget is not None and given > 0
        if not inputs and not may_need_money and not self._is_fully_used(o):
            size = f"{'largest ' if limit else ''}size of {size_text(self.instance, o, self._bought(o))}"
            return f"{name} gives {si(given, 't')} then, less than its {size} allows"
        return None if limit is None else f"{name} has its largest size{limit}"

    def _is_fully_used(self, o: str) -> bool:
        option = self.instance.options[o]
        used = math.fsum(self.flows.total(o, flow.name, self.periods) for flow in option.flows)
        working = sum(size_in_force(self.instance, self.plan, o, t) for t in self.periods) * self.instance.horizon.delta
        if "reliability" in option.shock_fields:
            working *= self.event.spec.reliability.get(o, getattr(option, "reliability", 1.0))
        return not option.flows or used >= FULLY_USED * working

    def _why_not_paid(self, o: str, size: float) -> str:
        """Explain why the budget buys no more of an option."""
        barriers = {
            "no_budget": "the budget is 0",
            "annual": "no annual budget pays for the smallest size of it",
            "total": "the budget does not pay for the smallest size of it",
        }
        if size <= 0 and (barrier := self.barrier(o)) is not None:
            return barriers[barrier]
        others = (self.instance.options[other] for other in self.plan.bought if other != o)
        if size > 0 and not any(getattr(other, "budget_share", 1.0) > 0 for other in others):
            return f"the {'budgets of the years buy' if self.short_budget == 'annual' else 'budget buys'} no more"
        return f"the {'budgets of the years go' if self.short_budget == 'annual' else 'budget goes'} further elsewhere"

    def _stock_words(self, o: str, stock: Stock) -> str:
        before = self.event.periods.start - 1
        held = self.plan.stocks[o][before] if before >= 0 and o in self.plan.stocks else stock.initial
        start = f"{display_name(self.instance, o)} holds {si(held, 't')} when {self.event.name} begins"
        lost = 0.0
        # A lever from outside the package need not report what is left; what is lost is then not known.
        if self.flows.row(o, "left"):
            lost = held - self.flows.total(o, "released", self.event.periods)
            lost -= self.flows.total(o, "left", self.event.periods[-1:])
        start += f", of which {si(lost, 't')} are lost meanwhile" if lost > NEGLIGIBLE * held else ""
        limit = self._stock_limit(o, stock, held)
        if limit is not None:
            return f"{start}, {limit}"
        if self.short_budget is None:
            return f"{start}, and more would not help"
        if held <= 0 and self.barrier(o) == "no_budget":
            return f"{start}: the budget is 0"
        buy = "budgets of the years before buy" if self.short_budget == "annual" else "budget buys"
        return f"{start}: the {buy} no more"

    def _stock_limit(self, o: str, stock: Stock, held: float) -> str | None:
        """Describe the limit of a stockpile that is reached; None if none is."""
        horizon = self.instance.horizon
        purchasable = [t for t in range(self.event.periods.start) if stock.allows(horizon.year(t))]
        if not purchasable or stock.fill_rate == 0:
            return "and nothing could be bought for it before"
        if stock.max_size is not None and held >= FULLY_USED * stock.max_size:
            return "the most that it can hold"
        most = max(self.flows.row(o, "released"), default=0.0)
        if _is_at_rate(most, stock.most_released_in_a_year, horizon.delta):
            return f"and releases {si(most, 't')} a {horizon.step} at most"
        if _is_at_rate(min(self.plan.fills[o][t] for t in purchasable), stock.fill_rate, horizon.delta):
            return f"filled as fast as the market allows since {horizon.label(purchasable[0])}"
        return None

    def _substitution_words(self, o: str, option: Sized, segment: str) -> str:
        if self._is_late(option):
            return next(self._late_words([o], ""))
        path = self.instance.path(self.event)
        demanded = sum(float(path.demand_at(segment, t)) for t in self.periods)
        for flow in (each for each in option.flows if each.serves == segment):
            if self.flows.total(o, flow.name, self.periods) >= FULLY_USED * flow.share * demanded:
                return f"{display_name(self.instance, o)} serves the {100 * flow.share:g} % of demand that it can"
        return self._option_words(o, option, segment)


def _is_at_rate(tonnes: float, rate: float | None, years: float) -> bool:
    """Check whether the flow of a period reaches a rate in t/yr; never if the rate is None."""
    return rate is not None and tonnes >= FULLY_USED * rate * years
