"""Which single addition to a plan would let it survive most of the shocks that it fails; and what `stress` returns.

slope       what the gap of each failed shock falls by for one unit more of each column of the plan: an upper bound, for
            gaps are convex
candidate   an option at the decision point, or a stockpile at the end of the period, that promises most
trial       the plan with a real amount of it, evaluated in every broken shock: what is reported

An addition keeps to what its option allows: what is left of its largest size, whole units, least size, opened once and
before or after what it is tied to, fill rate and room of a stockpile. Budgets and policy are not looked at.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.reading import plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import excused_samples, survival_shares
from optimizer.instance.schema import Instance
from optimizer.levers import Sized, Stock
from optimizer.results.plan import Array, Build, Plan, ReadOnly
from optimizer.solver import Clock, Integers, Vector
from optimizer.studies import study_frames
from optimizer.tolerances import NEGLIGIBLE, greatest_whole, least_whole

# So many additions are tried, each in these parts of what the slopes suggest, against so many broken shocks.
MOST_TRIED, TRIAL_PARTS, MOST_CHECKED = 8, (0.25, 0.5, 1.0), 200


@dataclass(frozen=True)
class Trial:
    """One amount, added to the plan and checked."""

    size: float  # t/yr or a level; of a stockpile t more at the end of the period
    # Capex and fixed cost, or the price of what is bought less what is then not bought later; undiscounted.
    outlay: float
    survived: int  # how many of the broken shocks are survived with it
    gap_removed: float  # money, over all broken shocks that were checked

    @property
    def per_survived(self) -> float | None:
        """Outlay for each shock survived."""
        return self.outlay / self.survived if self.survived else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON, under the keys of its first version."""
        return {"size": self.size, "outlay": self.outlay, "mended": self.survived, "gap_removed": self.gap_removed}


@dataclass(frozen=True)
class Reinforcement:
    """An addition: its best trial and all of them."""

    # What is bought.
    option: str
    kind: str
    period: str  # label of its decision point; of a stockpile, of the period by whose end it is filled
    also: tuple[str, ...]  # options that it requires and that the plan does not open; their cost is not counted
    # The trial with which most shocks are survived, or, where none is, that takes most off the gap; the smallest of
    # several.
    best: Trial
    trials: tuple[Trial, ...]  # smallest amount first

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        own = {name: value for name, value in vars(self).items() if name not in ("best", "trials")}
        best = self.best.to_dict() | {"per_mended": self.best.per_survived}
        return own | {"best": best, "trials": [trial.to_dict() for trial in self.trials]}


@dataclass(frozen=True)
class Reinforcements:
    """What single additions do, the best first."""

    failed: int  # shocks that broke the plan
    checked: int  # how many of them the additions were tried on, evenly spread where they are many
    gap: float  # of those that were checked, money
    promising: int  # options whose slopes promise anything
    additions: tuple[Reinforcement, ...]  # those that were tried

    def to_dict(self) -> dict[str, Any]:
        """For JSON, under the keys of its first version."""
        own = {name: value for name, value in vars(self).items() if name != "additions"}
        return own | {"mends": [addition.to_dict() for addition in self.additions]}


@dataclass(frozen=True)
class Addition:
    """An option at one point of time, with what the slopes promise."""

    option: str
    t: int
    most: float  # the largest amount that is possible
    saving: Vector  # by broken shock, money off its gap for one unit
    also: tuple[str, ...] = ()  # options that it requires and that are not opened

    def suggest_amount(self, gap: Vector) -> float:
        """Twice what is enough in nine in ten of the shocks that it helps, if slopes held; at most what is possible."""
        helped = self.saving > NEGLIGIBLE * self.saving.max(initial=0.0)
        return min(self.most, 2.0 * float(np.quantile(gap[helped] / self.saving[helped], 0.9))) if helped.any() else 0.0

    def promise(self, gap: Vector) -> float:
        """Money off all gaps, if slopes held."""
        return float(np.minimum(gap, self.saving * self.suggest_amount(gap)).sum())


def find_reinforcements(
    instance: Instance, evaluator: RecourseEvaluator, plan: Plan, failing: Integers, clock: Clock
) -> Reinforcements | None:
    """Try single additions to a plan on the shocks that broke it; None where there is none.

    Args:
        evaluator: of this instance.
        plan: that was broken.
        failing: numbers of the shocks that broke it.
        clock: where the solver's seconds are counted.
    """
    if not len(failing):
        return None
    spread = np.linspace(0, len(failing) - 1, min(len(failing), MOST_CHECKED)).round().astype(np.intp)
    checked = failing[spread]
    groups = np.zeros(len(instance.events), dtype=np.intp)
    groups[checked] = np.arange(len(checked))
    needless = np.setdiff1d(np.arange(len(instance.events)), checked).tolist()
    values = np.array(plan_values(instance, plan, evaluator.subproblems.plan))
    subgradients = evaluator.subgradients(values, clock, "subgradients of gaps", groups, np.ones(len(groups)), needless)
    gap = subgradients.gap[checked]
    best = promising(instance, evaluator, plan, -subgradients.subgradient, gap)
    found = []
    for candidate in best[:MOST_TRIED]:
        trials = _try_amounts(instance, evaluator, plan, candidate, checked, gap, clock)
        found.append(_reinforcement(instance, candidate, trials))
    found.sort(key=lambda each: (-each.best.survived, -each.best.gap_removed, each.best.outlay))
    return Reinforcements(len(failing), len(checked), float(gap.sum()), len(best), tuple(found))


def _try_amounts(
    instance: Instance,
    evaluator: RecourseEvaluator,
    plan: Plan,
    candidate: Addition,
    checked: Integers,
    gap: Vector,
    clock: Clock,
) -> list[Trial]:
    """Every amount of a candidate, checked on the broken shocks; what is never enough is not tried in parts.

    The slope bounds what an amount takes off a gap: where that is nothing, the shock fails as before and is not solved.
    """
    trials: list[Trial] = []
    every = np.arange(len(instance.events))
    for amount in reversed(_amounts(instance, candidate, candidate.suggest_amount(gap))):
        more, outlay = with_addition(instance, plan, candidate, amount)
        helped = candidate.saving * amount > NEGLIGIBLE * gap
        needless = np.setdiff1d(every, checked[helped]).tolist()
        after = evaluator.gaps(plan_values(instance, more, evaluator.subproblems.plan), clock, needless)
        survived = int((~after.fails[checked[helped]]).sum())
        removed = float((gap - after.gap[checked])[helped].sum())
        trials.insert(0, Trial(amount, outlay, survived, removed))
        if not survived:
            break
    return trials


def _reinforcement(instance: Instance, candidate: Addition, trials: Sequence[Trial]) -> Reinforcement:
    survived, removed = max(trial.survived for trial in trials), max(trial.gap_removed for trial in trials)
    # More of it may do nothing more; where nothing is survived, what counts is the gap.
    good = [trial for trial in trials if trial.survived == survived]
    best = next(trial for trial in good if survived or trial.gap_removed >= removed - NEGLIGIBLE * abs(removed))
    label, kind = instance.horizon.label(candidate.t), instance.options[candidate.option].kind
    return Reinforcement(candidate.option, kind, label, candidate.also, best, tuple(trials))


def promising(
    instance: Instance, evaluator: RecourseEvaluator, plan: Plan, saving: Vector, gap: Vector
) -> list[Addition]:
    """Of each option that helps, the point of time that promises most; then the options, the best first.

    Args:
        instance, evaluator, plan: as for `find_reinforcements`.
        saving: money off the gap, by broken shock and column of `first_stage_model`.
        gap: by broken shock, money.
    """
    found, chosen = evaluator.subproblems.plan.column_index(), []
    for o, option in instance.options.items():
        if option.is_stock:
            points = list(_periods(instance, plan, instance.stocks[o], found["", o, "stock"], saving))
        else:
            points = list(_points(instance, plan, instance.sized[o], found.get(("", o, "size"), {}), saving))
        promises = [point.promise(gap) for point in points]
        most = max(promises, default=0.0)
        # Of points that promise the same the last: money is spent no sooner than it has to be.
        if most > NEGLIGIBLE * gap.sum():
            chosen.append((most, max(i for i, each in enumerate(promises) if each >= most * (1 - NEGLIGIBLE)), points))
    chosen.sort(key=lambda each: -each[0])
    return [points[i] for _, i, points in chosen]


def _points(
    instance: Instance, plan: Plan, option: Sized, columns: Mapping[int, int], saving: Vector
) -> Iterator[Addition]:
    """The decision points at which more of an option may be bought."""
    opened = {build.option: build.t for build in plan.builds}
    left, own = _size_left(plan, option), opened.get(option.id)
    if left <= NEGLIGIBLE * option.max_size or _excluding(instance, option) & set(opened):
        return
    also = tuple(required for required in option.requires if required not in opened)
    first = max(map(opened.__getitem__, set(option.requires) & set(opened)), default=0)
    for a, column in columns.items():
        if a >= first and (own in (None, a) or not option.is_lumpy):
            yield Addition(option.id, a, left, np.maximum(saving[:, column], 0.0), also)


def _excluding(instance: Instance, option: Sized) -> set[str]:
    """The options that exclude an option, or are excluded by it."""
    return {x for x, other in instance.sized.items() if option.id in other.excludes} | set(option.excludes)


def _size_left(plan: Plan, option: Sized) -> float:
    """What is left of the largest size, in whole units."""
    left = option.max_size - sum(build.size for build in plan.builds if build.option == option.id)
    if option.unit_size <= 0:
        return left
    return option.unit_size * greatest_whole(left / option.unit_size, NEGLIGIBLE)


def _periods(
    instance: Instance, plan: Plan, stock: Stock, columns: Mapping[int, int], saving: Vector
) -> Iterator[Addition]:
    """The periods by whose end a stockpile may hold more: the value of a tonne then, net of losses."""
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
    """Purchases that hold `amount` t more at the end of a period, made as late as fill rate and room allow.

    What the stockpile cannot hold later is not bought then.

    Returns:
        By period t bought, and the amount that is reached: infinite where nothing limits it.
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
    """The same purchases, each cut to what the stockpile can hold by then."""
    if stock.max_size is None:
        return tuple(fills)
    keep, held, result = stock.kept(instance.horizon.delta), stock.initial, []
    for fill in fills:
        result.append(max(0.0, min(fill, stock.max_size - keep * held)))
        held = keep * held + result[-1]
    return tuple(result)


def _amounts(instance: Instance, candidate: Addition, suggested: float) -> list[float]:
    """The amounts to try: parts of what is suggested, in whole units and no less than the least."""
    option = instance.sized.get(candidate.option)
    amounts = [part * suggested for part in TRIAL_PARTS]
    if option is not None:
        amounts = [max(amount, min(option.min_size, candidate.most)) for amount in amounts]
        if option.unit_size > 0:
            units = (least_whole(amount / option.unit_size, NEGLIGIBLE) for amount in amounts)
            amounts = [min(candidate.most, count * option.unit_size) for count in units]
    return list(dict.fromkeys(amounts))


def with_addition(instance: Instance, plan: Plan, candidate: Addition, amount: float) -> tuple[Plan, float]:
    """The plan with so much more of an option, and the undiscounted outlay that it takes."""
    o, t, horizon = candidate.option, candidate.t, instance.horizon
    if o in instance.stocks:
        stock = instance.stocks[o]
        fills, _ = fills_reaching(instance, stock, plan.fills[o], t, amount)
        outlay = stock.paid(horizon, (np.array(fills) - np.array(plan.fills[o])).tolist())
        stocks = {**plan.stocks, o: stock.stock_path(horizon, fills)}
        return replace(plan, fills={**plan.fills, o: fills}, stocks=stocks), outlay
    option = instance.sized[o]
    here = [build for build in plan.builds if build.option == option.id and build.t == t]
    others = [build for build in plan.builds if build not in here]
    is_new = option.is_lumpy and not any(build.option == option.id for build in plan.builds)
    size = amount + sum(build.size for build in here)
    build = Build(option.id, option.kind, t, horizon.year(t), horizon.label(t), size, option.is_lumpy)
    return replace(plan, builds=(*others, build)), option.paid(horizon.year(t), amount, opened=is_new)


By = Literal["event", "start", "months", "severity"]


@dataclass(frozen=True)
class Samples:
    """Every sample, in the order of the instance's events: arrays (samples,)."""

    name: tuple[str, ...]  # of the sample
    entry: tuple[str, ...]  # the event or entry that it is drawn from
    start: Integers  # its first period
    months: Integers  # of its window, cut off at the end of the horizon
    severity: Array  # of its worst cut; 0 where nothing is cut
    # Whether every floor holds; money.
    survived: npt.NDArray[np.bool_]
    gap: Array
    segment: Integers  # number of the weakest; -1 where there are none
    # Of that segment in its worst period, shares.
    service: Array
    floor: Array
    failure: Integers  # the first period in which any floor fails; -1 where none does
    probability: Array  # as the instance has it


@dataclass(frozen=True)
class SampleGroup:
    """Samples that have something in common."""

    by: By  # what they have in common: event, start (the year), months or severity (of the worst cut)
    name: str  # event, year, months or range
    # How many.
    samples: int
    survived: int
    interval: tuple[float, float]  # Wilson's 95 % interval of the share survived
    mean_gap: float  # money, over all of them

    @property
    def share(self) -> float:
        """The share survived."""
        return self.survived / self.samples


@dataclass(frozen=True)
class ServiceSpread:
    """One segment's service over all samples, in each the share served in its weakest period."""

    floor: tuple[float, float]  # smallest and largest floor of those periods
    # Of the service.
    mean: float
    p5: float
    p50: float
    p95: float
    below: float  # share of the samples in which it falls below its floor


@dataclass(frozen=True)
class BrokenShock:
    """A shock that broke the plan."""

    # Of the shock; its window by labels, its gap in money.
    name: str
    entry: str
    first: str
    last: str
    gap: float
    strikes: tuple[str, ...]  # what it cuts and which demand it raises, in words
    # What fell below its floor first; of several the one with the largest gap.
    segment: str
    period: str
    # Of that segment in that period, shares.
    service: float
    floor: float
    short: str  # the commodity whose makers are at their limit then, up the chain from what the segment wants
    # Those that exist or are built and are at their limit, the dearest capacity first; none where nothing makes it.
    makers: tuple[str, ...]
    stage: str | None  # of the first of them; None where it has none


@dataclass(frozen=True)
class Stress(ReadOnly):
    """The outcome of a plan in sampled shocks.

    Attributes:
        instance, plan: names of the instance, and of the one that the plan was made for.
        currency: its label.
        samples, seed, sampler: how many, from which seed, and of what, in words.
        own_shocks, own_failed: how many shocks the plan was made for, and in how many of those it fails.
        survived, share, interval: in how many every floor holds; as a share, with Wilson's 95 % interval.
        expected_gap, worst_gap: mean and largest survival gap, money.
        services: by segment.
        worst: the shocks with the largest gaps.
        groups: shares survived by event, start, duration and severity.
        reinforcements: what single additions would have done; None where nothing failed.
        notes: what the user should know.
        versions, seconds: the record of the run; seconds in the solver are summed over processes.
        rows: every sample.
    """

    instance: str
    plan: str
    currency: str
    samples: int
    seed: int
    sampler: str
    own_shocks: int
    own_failed: int
    survived: int
    share: float
    interval: tuple[float, float]
    expected_gap: float
    worst_gap: float
    services: Mapping[str, ServiceSpread]
    worst: tuple[BrokenShock, ...]
    groups: tuple[SampleGroup, ...]
    reinforcements: Reinforcements | None
    notes: tuple[str, ...]
    versions: Mapping[str, str]
    seconds: Mapping[str, float]
    rows: Samples = field(repr=False)
    against: Instance = field(repr=False)
    frames = property(study_frames.of_stress)

    def __repr__(self) -> str:
        return f"<Stress {self.plan!r} in {self.instance!r}: {self.survived} of {self.samples} samples survived>"

    @property
    def survives(self) -> bool:
        """Whether every sample is survived, or of each ensemble the share that has to be."""
        excused = excused_samples(survival_shares(self.against), self.rows.gap, ~self.rows.survived)
        return bool((self.rows.survived | excused).all())

    @property
    def money(self) -> str:
        """The currency's code, the first word of its label."""
        return self.against.money

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual: all but the samples themselves."""
        data = {name: value for name, value in vars(self).items() if name not in ("rows", "against", "reinforcements")}
        data |= {"survives": self.survives, "interval_method": "Wilson, 95 %"}
        data["services"] = {d: asdict(spread) for d, spread in self.services.items()}
        data["worst"] = [asdict(broken) for broken in self.worst]
        data["groups"] = [asdict(group) | {"share": group.share} for group in self.groups]
        return data | {"mending": None if self.reinforcements is None else self.reinforcements.to_dict()}
