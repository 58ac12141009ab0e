"""What a plan lacks in the shocks that it fails: shadow prices of their gaps, and the single additions that help most.

price       reduction of a shock's least gap by one more tonne of a commodity in a period, the dual value of its balance
            row; or of an activity's capacity, from its limit, which is a row or the bound of its column
slope       decrease of the gap of each failed shock per unit of each column of the plan; since gaps are convex, an
            upper bound on the decrease
candidate   an option at the decision point, or a stockpile at the end of the period, with the largest promised decrease
trial       the plan with a given amount of the candidate, evaluated in every failed shock; its results are reported

An addition keeps the rules of its option: the rest of its largest size, whole units, least size, a single opening,
excluded options, and the fill rate and largest stock of a stockpile. Required options that the plan does not open are
opened with it at their least size, and count in its outlay and effect. In the baseline every process must be able to
run at its `min_utilisation`. Budgets and other policy rules are ignored.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from optimizer.algorithms.fixed_plan import FixedPlan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.subproblems import BatchRequest, SubproblemSolver
from optimizer.disruptions.path import BASELINE
from optimizer.instance.schema import Instance
from optimizer.levers import Sized, Stock
from optimizer.results.plan import Build, Plan
from optimizer.solver import Clock, Integers, Settings, Vector
from optimizer.studies.stress_result import Reinforcement, Reinforcements, Trial
from optimizer.tolerances import NEGLIGIBLE, NEGLIGIBLE_DUAL, ROUNDING
from optimizer.units import greatest_whole, least_whole

# Number of additions to try, parts of the amount that the slopes suggest, number of failed shocks to check on.
MOST_ADDITIONS_TRIED, TRIAL_PARTS, MOST_CHECKED = 8, (0.25, 0.5, 1.0), 200


@dataclass(frozen=True)
class Addition:
    """An option at one point of time, with the decrease of gaps that the slopes promise."""

    option: str
    t: int
    most: float  # the largest possible amount
    saving: Vector  # decrease of the gap for one unit, money, by failed shock
    also: Mapping[str, int] = field(default_factory=dict)  # decision points of required options that are opened with it

    def suggest_amount(self, gap: Vector) -> float:
        """Return twice the amount that closes the gap in 90 % of the helped shocks at constant slopes, up to `most`."""
        helped = self.saving > NEGLIGIBLE * self.saving.max(initial=0.0)
        return min(self.most, 2.0 * float(np.quantile(gap[helped] / self.saving[helped], 0.9))) if helped.any() else 0.0

    def promise(self, gap: Vector) -> float:
        """Return the decrease of all gaps with the suggested amount at constant slopes, money."""
        return float(np.minimum(gap, self.saving * self.suggest_amount(gap)).sum())


def find_reinforcements(
    instance: Instance, evaluator: RecourseEvaluator, plan: Plan, failing: Integers, clock: Clock
) -> Reinforcements | None:
    """Evaluate single additions to a plan in the shocks that it fails, given by index; None if it fails in none."""
    if not len(failing):
        return None
    spread = np.linspace(0, len(failing) - 1, min(len(failing), MOST_CHECKED)).round().astype(np.intp)
    checked = failing[spread]
    groups = np.zeros(len(instance.events), dtype=np.intp)
    groups[checked] = np.arange(len(checked))
    needless = np.setdiff1d(np.arange(len(instance.events)), checked).tolist()
    values = evaluator.plan_values([plan])
    subgradients = evaluator.subgradients(values, clock, "subgradients of gaps", groups, np.ones(len(groups)), needless)
    gap = subgradients.gap[checked]
    best = promising_additions(instance, evaluator, plan, -subgradients.subgradient, gap)
    found, inoperable, baseline = [], [], BaselineSupport(instance, plan, clock)
    for candidate in best[:MOST_ADDITIONS_TRIED]:
        trials = _try_amounts(evaluator, baseline, candidate, checked, gap)
        if trials:
            found.append(_reinforcement(instance, candidate, trials))
        else:
            inoperable.append(candidate.option)
    # A slope can promise what no amount brings: where a plant has no input, its dual value may be what both are worth.
    least = NEGLIGIBLE * float(gap.sum())
    useful = [each for each in found if each.best.survived or each.best.gap_removed > least]
    useful.sort(key=lambda each: (-each.best.survived, -each.best.gap_removed, each.best.outlay))
    count = len(best) - len(found) + len(useful)
    return Reinforcements(len(failing), len(checked), float(gap.sum()), count, tuple(useful), tuple(inoperable))


def _try_amounts(
    evaluator: RecourseEvaluator, baseline: "BaselineSupport", candidate: Addition, checked: Integers, gap: Vector
) -> list[Trial]:
    """Return trials of the amounts that are feasible in the baseline, smallest first.

    Where an amount survives no shock, a smaller one is tried only if the amount removes as much gap as the largest.

    The slope bounds the decrease of a gap: a shock with a bound of 0 fails as before and is not solved. It leaves out
    required options that are opened with the addition.
    """
    trials: list[Trial] = []
    instance, plan, clock = baseline.instance, baseline.plan, baseline.clock
    every = np.arange(len(instance.events))
    for amount in reversed(_amounts_to_try(instance, candidate, candidate.suggest_amount(gap))):
        more, outlay = with_addition(instance, plan, candidate, amount)
        if (support := baseline.added_support(candidate, more)) is None:
            continue
        helped = (candidate.saving * amount > NEGLIGIBLE * gap) | bool(candidate.also)
        needless = np.setdiff1d(every, checked[helped]).tolist()
        after = evaluator.gaps(evaluator.plan_values([more]), clock, needless)
        survived = int((~after.fails[checked[helped]]).sum())
        removed = float((gap - after.gap[checked])[helped].sum())
        trials.insert(0, Trial(amount, outlay + support, survived, removed))
        if not survived and (removed <= 0 or removed < trials[-1].gap_removed * (1.0 - NEGLIGIBLE)):
            break
    return trials


@dataclass(frozen=True)
class BaselineSupport:
    """Baseline operation of a plan and of additions to it: whether forced running is feasible, and price support."""

    instance: Instance
    plan: Plan
    clock: Clock

    def added_support(self, candidate: Addition, more: Plan) -> float | None:
        """Return the added outlay on price support, undiscounted; None if `min_utilisation` cannot be kept.

        The check is skipped (0) for a plan that is itself infeasible.
        """
        known = self.instance.activities
        added = [known[o] for o in (candidate.option, *candidate.also) if o in known]
        if not any(each.min_utilisation or any(each.support.values) for each in added):
            return 0.0
        if self._own_support is None:
            return 0.0
        after = self._support(more)
        return None if after is None else after - self._own_support

    @cached_property
    def _fixed(self) -> FixedPlan:
        return FixedPlan(self.instance, self.plan, Settings(), self.clock)

    @cached_property
    def _own_support(self) -> float | None:
        return self._support(self.plan)

    def _support(self, plan: Plan) -> float | None:
        """Return the outlay on price support in the cheapest baseline without policy; None if it is infeasible."""
        fixed = self._fixed.with_plan(plan)
        builder, result = fixed.operate([rule for rule in fixed.rules if rule[1] != "run"])
        if result.values is None:
            return None
        columns, year = builder.column_index(), self.instance.horizon.year
        return math.fsum(
            getattr(activity, "budget_share", 1.0) * float(activity.support.at(year(t))) * float(result.values[j])
            for a, activity in self.instance.activities.items()
            if any(activity.support.values)
            for t, j in columns.get((BASELINE, a, "activity"), {}).items()
        )


def _reinforcement(instance: Instance, candidate: Addition, trials: Sequence[Trial]) -> Reinforcement:
    survived, removed = max(trial.survived for trial in trials), max(trial.gap_removed for trial in trials)
    # Take the smallest amount with the best result: by shocks survived, or by gap removed if none is survived.
    good = [trial for trial in trials if trial.survived == survived]
    best = next(trial for trial in good if survived or trial.gap_removed >= removed - NEGLIGIBLE * abs(removed))
    label, kind = instance.horizon.label(candidate.t), instance.options[candidate.option].kind
    return Reinforcement(candidate.option, kind, label, tuple(candidate.also), best, tuple(trials))


def promising_additions(
    instance: Instance, evaluator: RecourseEvaluator, plan: Plan, saving: Vector, gap: Vector
) -> list[Addition]:
    """Return, for each option that helps, the point of time that promises most; the best option first.

    `saving` is the decrease of the gap per unit, money, by failed shock and column of `first_stage_model`; `gap` is the
    survival gap by failed shock, money.
    """
    found, chosen = evaluator.subproblems.plan.column_index(), []
    for o, option in instance.options.items():
        if option.is_stock:
            points = list(_stock_additions(instance, plan, instance.stocks[o], found["", o, "stock"], saving))
        else:
            # An option of whose units no number lies within its limits can be neither added nor opened.
            sizes = {
                name: found.get(("", name, "size"), {}) if _least_size(one) <= one.max_size * (1 + ROUNDING) else {}
                for name, one in instance.sized.items()
            }
            points = list(_size_additions(instance, plan, instance.sized[o], sizes, saving))
        promises = [point.promise(gap) for point in points]
        most = max(promises, default=0.0)
        # Of points that promise the same, take the last: money is not spent earlier than necessary.
        if most > NEGLIGIBLE * gap.sum():
            chosen.append((most, max(i for i, each in enumerate(promises) if each >= most * (1 - NEGLIGIBLE)), points))
    chosen.sort(key=lambda each: -each[0])
    return [points[i] for _, i, points in chosen]


def _size_additions(
    instance: Instance, plan: Plan, option: Sized, sizes: Mapping[str, Mapping[int, int]], saving: Vector
) -> Iterator[Addition]:
    """Yield an addition for each decision point at which more of an option may be bought.

    `sizes`: column of the size by option and decision point.
    """
    opened = {build.option: build.t for build in plan.builds}
    left, own = _size_left(plan, option), opened.get(option.id)
    if left <= NEGLIGIBLE * option.max_size:
        return
    for a, column in sizes[option.id].items():
        if own in (None, a) or not option.is_fixed_charge:
            due = _openings(instance, option, a, sizes, opened)
            if due is not None:
                yield Addition(option.id, a, left, np.maximum(saving[:, column], 0.0), due)


def _openings(
    instance: Instance, option: Sized, a: int, points: Mapping[str, Collection[int]], opened: Mapping[str, int]
) -> dict[str, int] | None:
    """Return the last decision point of each option that has to be opened for one at decision point a.

    Each may be bought at its `points`; what the plan has `opened` is left out. None if ties between options forbid it.
    """
    due, waiting = {option.id: a}, [option]
    while waiting:
        one = waiting.pop()
        if _exclusive_options(instance, one) & (set(opened) | set(due)):
            return None
        for other in one.requires:
            times = [opened[other]] if other in opened else points[other]
            last = max((t for t in times if t <= due[one.id]), default=None)
            if last is None:
                return None
            if other not in opened and last < due.get(other, math.inf):
                due[other] = last
                waiting.append(instance.sized[other])
    del due[option.id]
    return due


def _exclusive_options(instance: Instance, option: Sized) -> set[str]:
    """Return the options that exclude an option or are excluded by it."""
    return {x for x, other in instance.sized.items() if option.id in other.excludes} | set(option.excludes)


def _size_left(plan: Plan, option: Sized) -> float:
    """Return the rest of the option's largest size, rounded down to whole units."""
    left = option.max_size - sum(build.size for build in plan.builds if build.option == option.id)
    if option.unit_size <= 0:
        return left
    return option.unit_size * greatest_whole(left / option.unit_size, NEGLIGIBLE)


def _stock_additions(
    instance: Instance, plan: Plan, stock: Stock, columns: Mapping[int, int], saving: Vector
) -> Iterator[Addition]:
    """Yield an addition for each period at whose end a stockpile may hold more; a tonne is valued net of losses."""
    worth = np.maximum(saving[:, [columns[t] for t in instance.horizon.periods]], 0.0)
    kept = (1.0 - stock.loss) ** (instance.horizon.delta * np.arange(worth.shape[1]))
    fills = plan.fills[stock.id]
    before = np.array(stock.stock_path(instance.horizon, fills))
    for t in np.flatnonzero(worth.any(axis=0)).tolist():
        more, reached = fills_reaching(instance, stock, fills, t, math.inf)
        if math.isinf(reached):
            yield Addition(stock.id, t, reached, worth[:, t:] @ kept[: worth.shape[1] - t])
        elif reached > NEGLIGIBLE * before.max(initial=0.0):
            held = np.array(stock.stock_path(instance.horizon, more)) - before
            yield Addition(stock.id, t, reached, worth @ held / reached)


def fills_reaching(
    instance: Instance, stock: Stock, fills: Sequence[float], end: int, amount: float
) -> tuple[tuple[float, ...], float]:
    """Return purchases that add `amount` t to the stock at the end of a period, as late as fill rate and room allow.

    Later purchases that the fuller stockpile cannot hold are reduced.

    Returns:
        The t bought by period, and the amount added; infinite if nothing limits it.
    """
    horizon, before = instance.horizon, stock.stock_path(instance.horizon, fills)[end]
    keep = stock.kept(horizon.delta)
    rate, most = stock.most_in_a_year * horizon.delta, stock.largest
    more, held = tuple(fills), stock.stock_path(instance.horizon, fills)
    for t in range(end, -1, -1):
        kept = keep ** (end - t)
        left = min(before + amount, most) - held[end]
        if left <= NEGLIGIBLE * max(1.0, before) or kept == 0.0:
            break
        bought = min(rate - more[t], most - held[t], left / kept)
        if stock.allows(horizon.year(t)) and bought > 0:
            if math.isinf(bought):
                return tuple(fills), math.inf
            more = _cap_fills(instance, stock, (*more[:t], more[t] + bought, *more[t + 1 :]))
            held = stock.stock_path(instance.horizon, more)
    return more, held[end] - before


def _cap_fills(instance: Instance, stock: Stock, fills: Sequence[float]) -> tuple[float, ...]:
    """Return the purchases, each reduced to the room that the stockpile has in its period."""
    if stock.max_size is None:
        return tuple(fills)
    keep, held, result = stock.kept(instance.horizon.delta), stock.initial, []
    for fill in fills:
        result.append(max(0.0, min(fill, stock.max_size - keep * held)))
        held = keep * held + result[-1]
    return tuple(result)


def _amounts_to_try(instance: Instance, candidate: Addition, suggested: float) -> list[float]:
    """Return the amounts to try: parts of the suggested amount, in whole units and at least the least size."""
    option = instance.sized.get(candidate.option)
    amounts = [part * suggested for part in TRIAL_PARTS]
    if option is not None:
        amounts = [max(amount, min(option.min_size, candidate.most)) for amount in amounts]
        if option.unit_size > 0:
            units = (least_whole(amount / option.unit_size, NEGLIGIBLE) for amount in amounts)
            amounts = [min(candidate.most, count * option.unit_size) for count in units]
    return list(dict.fromkeys(amounts))


def with_addition(instance: Instance, plan: Plan, candidate: Addition, amount: float) -> tuple[Plan, float]:
    """Return the plan with an added amount of an option, and the added outlay, undiscounted, without price support."""
    o, t, horizon = candidate.option, candidate.t, instance.horizon
    if o in instance.stocks:
        return _with_stock(instance, plan, candidate, amount)
    option = instance.sized[o]
    here = [build for build in plan.builds if build.option == option.id and build.t == t]
    others = [build for build in plan.builds if build not in here]
    is_new = option.is_fixed_charge and not any(build.option == option.id for build in plan.builds)
    build = _build(instance, option, t, amount + sum(build.size for build in here))
    outlay = option.budget_share * math.fsum(option.payments(horizon, t, amount, opened=is_new).values())
    required, more = _with_required(instance, candidate)
    return replace(plan, builds=(*others, build, *required)), outlay + more


def _with_required(instance: Instance, candidate: Addition) -> tuple[list[Build], float]:
    """Return the purchases of required options at their least size, and their outlay, undiscounted."""
    builds, outlay = list[Build](), 0.0
    for o, a in candidate.also.items():
        option = instance.sized[o]
        builds.append(_build(instance, option, a, _least_size(option)))
        paid = option.payments(instance.horizon, a, builds[-1].size, opened=True)
        outlay += option.budget_share * math.fsum(paid.values())
    return builds, outlay


def _with_stock(instance: Instance, plan: Plan, candidate: Addition, amount: float) -> tuple[Plan, float]:
    o, stock, horizon = candidate.option, instance.stocks[candidate.option], instance.horizon
    fills, _ = fills_reaching(instance, stock, plan.fills[o], candidate.t, amount)
    outlay = stock.paid_for_fills(horizon, fills) - stock.paid_for_fills(horizon, plan.fills[o])
    stocks = {**plan.stocks, o: stock.stock_path(horizon, fills)}
    return replace(plan, fills={**plan.fills, o: fills}, stocks=stocks), stock.budget_share * outlay


def _build(instance: Instance, option: Sized, a: int, size: float) -> Build:
    horizon = instance.horizon
    return Build(option.id, option.kind, a, horizon.year(a), horizon.label(a), size, option.is_fixed_charge)


def _least_size(option: Sized) -> float:
    """Return the smallest size at which an option may be opened."""
    if option.unit_size <= 0:
        return option.min_size
    return option.unit_size * least_whole(option.min_size / option.unit_size, NEGLIGIBLE)


# Scarcity prices.

# Rows that limit an activity.
LIMIT_ROWS = ("limit", "capacity")


@dataclass
class ScarcityPrices:
    """The prices of one shock's least gap, in money per tonne by (owner, offset in the window); only positive ones."""

    commodity: dict[tuple[str, int], float] = field(default_factory=dict)  # of one more tonne of a commodity
    capacity: dict[tuple[str, int], float] = field(default_factory=dict)  # of one more tonne of capacity


def scarcity_prices(solver: SubproblemSolver, plan: Vector, numbers: Iterable[int]) -> dict[int, ScarcityPrices]:
    """Return the prices of each shock by index under a plan, given as values of `first_stage_model`."""
    by_length: dict[int, list[int]] = {}
    for number in sorted(numbers):
        by_length.setdefault(len(solver.instance.events[number].periods), []).append(number)
    linking, result = solver.linking_matrix.linking_terms(plan), {}
    for length, some in by_length.items():
        found = solver.gaps_with_duals(BatchRequest(0, "gaps", np.array(some, dtype=np.intp), linking))
        for i, number in enumerate(some):
            result[number] = _read(solver, length, found.duals[i], found.reduced_costs[i])
    return result


def _read(solver: SubproblemSolver, length: int, duals: Vector, reduced_costs: Vector) -> ScarcityPrices:
    programme, result = solver.window(length).skeleton, ScarcityPrices()
    least = NEGLIGIBLE_DUAL * max(np.abs(duals).max(initial=0.0), np.abs(reduced_costs).max(initial=0.0))
    for row, dual in zip(programme.rows, duals.tolist(), strict=True):
        if row.t is None:
            continue
        if row.mark.what == "balance" and dual > least:
            result.commodity[row.mark.owner, row.t] = dual
        elif row.mark.what in LIMIT_ROWS and -dual > least:
            result.capacity[row.mark.owner, row.t] = -dual
    for column, reduced_cost in zip(programme.columns, reduced_costs.tolist(), strict=True):
        if column.mark.what == "activity" and -reduced_cost > least:
            result.capacity[column.mark.owner, column.t] = -reduced_cost
    return result


def bottleneck(
    instance: Instance, scarce: ScarcityPrices, segment: str, offset: int, plan: Plan
) -> tuple[str, tuple[str, ...]]:
    """Return the first commodity whose makers are at their limit, upstream from that of a segment, and these makers.

    The makers have the highest price of capacity first; there are none if nothing makes the commodity, or no price
    shows a limit. Only processes and what the plan builds count: an option that was not bought has not failed.
    """
    commodity, seen = instance.demands[segment].commodity, set[str]()
    while True:
        seen.add(commodity)
        makers = _makers(instance, commodity, plan)
        full = [name for name in makers if (name, offset) in scarce.capacity]
        inputs = {c for name in makers for c in instance.activities[name].input} - seen
        short = {c: scarce.commodity[c, offset] for c in sorted(inputs) if (c, offset) in scarce.commodity}
        if full or not short:
            return commodity, tuple(sorted(full, key=lambda name: -scarce.capacity[name, offset]))
        commodity = max(short, key=lambda c: short[c])


def _makers(instance: Instance, commodity: str, plan: Plan) -> list[str]:
    there = {build.option for build in plan.builds}.union(instance.processes)
    return [a for a, each in instance.activities.items() if a in there and each.output.get(commodity, 0.0) > 0]
