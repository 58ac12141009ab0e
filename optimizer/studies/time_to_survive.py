"""Time to survive: how long every floor holds after a chokepoint is cut permanently.

    τ      years       time to survive                   x     t/yr   rate of an activity, up to its remaining capacity
    s      1/τ, 1/yr   inverse, minimised                z     t/yr   rate of a substitution
    k      t           stock of the period before        g     t/yr   rate of a release, g ≤ release_rate and g ≤ k·s

The constraints on totals over τ (X ≤ (1−σ)·cap·τ, G ≤ min(k, release_rate·τ), supply + scrap·τ ≥ use,
served ≥ floor·D·τ) are divided by τ. Only the stock terms then depend on s = 1/τ, so that the largest τ is the inverse
of the least s of an LP with the rows of a path of one year. If the LP is infeasible, τ = 0; if s = 0, floors hold for
ever.

With plants that take months to restart, cap is multiplied by its mean share r(τ) over the time, which rises with τ.
L(τ), the longest time with the share r(τ), rises too. Floors hold for a time τ if L(τ) ≥ τ. This must be true at the
end of each period in which a plant restarts, as in a shock, and for a cut without end. From the first of these times
at which it is false, the sequence τ, L(τ), L(L(τ)) … decreases to the longest time for which floors hold.

Capacity, demand and floors are frozen at their values without a shock at the start of a year. A shock of length τ
follows their changes through its window, so that its outcome can be better or worse. Of a shock, only the cuts at their
largest severity count, and whether they are deliberate.

Source: Simchi-Levi, Schmidt, Wei, Zhang, Combs, Ge, Gusikhin, Sanders, Zhang: Identifying Risks and Mitigating
Disruptions in the Automotive Supply Chain, Interfaces 45(5), 2015; here with floors, regions and substitutes.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from optimizer import arguments
from optimizer.algorithms.reading import do_nothing_plan, plan_values
from optimizer.algorithms.window import LinkingMatrix, ShockTable
from optimizer.disruptions.shock import Cut, PermanentCuts, shock_name
from optimizer.files import finite_or_none
from optimizer.formulation import blank_model, first_stage_model, gap, write_path
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.operation_paths import MANY, is_monotone, steady_path
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance
from optimizer.model.builder import ModelBuilder, Scope
from optimizer.model.expressions import Expression
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.plan import Plan
from optimizer.results.result import Result, require_plan
from optimizer.solver import Batch, Vector, WarmProgramme
from optimizer.studies.purchases import place_plan
from optimizer.tolerances import ENDLESS_RATE, NEGLIGIBLE, ROUNDING_SIZE, SAME_TIME

ChokepointKind = Literal["stage", "process", "shock", "rule", "nothing"]
# The segment that fails first is the one that goes short if the time is longer by this share.
LONGER = 1e-3
# Times beyond this count as equal to it in the order of chokepoints.
LONG_MONTHS = 120.0
# What the argument `chokepoints` may hold.
CHOKEPOINT_FORM = "a Chokepoint that every_chokepoint(instance) of optimizer.studies.time_to_survive yields"
# Limit on the number of iterations towards the longest time.
MOST_TIME_STEPS = 200


@dataclass(frozen=True)
class Chokepoint:
    """A set of permanent cuts: of a stage in a region, of a process, of a shock, or of a policy rule."""

    name: str  # ``region / stage``, or the name of the process, shock or rule
    kind: ChokepointKind  # what its cuts are those of
    disruption: PermanentCuts  # its cuts, which stay for ever, and whether they are deliberate


# The reference for all chokepoints: floors that fail without any cut are not due to a chokepoint.
NOTHING_CUT = Chokepoint("nothing is cut", "nothing", PermanentCuts(()))


@dataclass(frozen=True)
class SurvivalTime:
    """Time for which every floor holds from the start of a year."""

    year: int  # the calendar year at whose start the cuts begin
    months: float  # infinite if floors hold for ever
    segment: str | None  # the segment that fails first, at the least cost of shortage; None if none fails


@dataclass(frozen=True)
class Exposure:
    """Times to survive of one chokepoint by year: `before` with nothing bought, `after` with the plan, or empty."""

    name: str  # name of the chokepoint
    kind: ChokepointKind  # its kind
    deliberate: bool  # whether leverage restrains its cuts
    cuts: tuple[str, ...]  # the cuts in words
    before: tuple[SurvivalTime, ...]  # times by year under the do-nothing plan
    after: tuple[SurvivalTime, ...]  # times by year with the plan; empty without one

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name of the chokepoint, which identify it."""
        return self.kind, self.name

    @property
    def worst(self) -> int:
        """Index of the year with the least time to survive, with the plan if there is one."""
        return self.worst_from(0)

    def worst_from(self, first: int) -> int:
        """Return the index of the year with the least time among the years from index `first` on."""
        judged = self.after or self.before
        return min(range(first, len(judged)), key=lambda i: (judged[i].months, self.before[i].months))

    @property
    def order(self) -> tuple[float, float, float]:
        """Sort key of exposures, months in the worst year, then in all years, then in all years without the plan."""
        judged = self.after or self.before
        with_plan, without = (sum(min(each.months, LONG_MONTHS) for each in rows) for rows in (judged, self.before))
        return judged[self.worst].months, with_plan, without

    @property
    def is_endless(self) -> bool:
        """Whether every floor holds for ever in all years, with and without the plan."""
        return all(math.isinf(each.months) for each in (*self.before, *self.after))

    def shortens(self, uncut: "Exposure") -> bool:
        """Return whether a floor fails sooner in some year than without any cut."""
        pairs = zip((*self.before, *self.after), (*uncut.before, *uncut.after), strict=True)
        return any(own.months < other.months * (1.0 - SAME_TIME) for own, other in pairs)


def months_survived_frame(found: "TimeToSurvive") -> Frame:
    """Return a frame with a row per chokepoint and year; months: infinite if floors hold for ever, None without a plan.

    If floors fail without any cut, the first rows report how long they hold without one.
    """
    columns = (
        *(FrameColumn("chokepoint", is_index=True), FrameColumn("kind")),
        *(FrameColumn("deliberate", form="yes"), FrameColumn("cuts")),
        FrameColumn("year", form="year", is_index=True),
        FrameColumn("before", unit="months", form="amount"),
        FrameColumn("gives_out_before", form="name"),
        FrameColumn("after", unit="months", form="amount"),
        FrameColumn("gives_out_after", form="name"),
    )
    rows = (
        (each.name, each.kind, each.deliberate, " and ".join(each.cuts), before.year, before.months,
         before.segment or "", *((each.after[i].months, each.after[i].segment or "") if each.after else (None, None)))
        for each in (*found.failing_uncut, *found.exposures)
        for i, before in enumerate(each.before)
    )  # fmt: skip
    return Frame.of_rows("months", "Time to survive", columns, rows)


@dataclass(frozen=True)
class TimeToSurvive:
    """Time to survive of every chokepoint, the most exposed first.

    Attributes:
        title: title of the instance.
        years: the calendar years from whose start the times count.
        exposures: the chokepoints, each with its times by year.
        uncut: the times without any cut; with capacity, demand and floors of the start of a year, floors may fail.
        notes: purchase rules of the instance that the given plan breaks.
    """

    title: str
    years: tuple[int, ...]
    exposures: tuple[Exposure, ...]
    uncut: Exposure
    notes: tuple[str, ...] = ()

    @property
    def frames(self) -> Frames:
        """The frames by name (months); attributes are pandas frames."""
        return Frames({"months": months_survived_frame}, self)

    @property
    def ending(self) -> tuple[Exposure, ...]:
        """The chokepoints that make a floor fail sooner than it fails without any cut, the most exposed first."""
        return tuple(each for each in self.exposures if each.shortens(self.uncut))

    def only(self, keys: Collection[tuple[str, str]]) -> "TimeToSurvive":
        """Return the result with the chokepoints of the given keys only."""
        return replace(self, exposures=tuple(each for each in self.exposures if each.key in keys))

    @property
    def failing_uncut(self) -> tuple[Exposure, ...]:
        """A tuple of `uncut` if a floor fails without any cut, for a table; otherwise empty."""
        return () if self.uncut.is_endless else (self.uncut,)

    def __repr__(self) -> str:
        years = f"{self.years[0]}–{self.years[-1]}" if self.years else "no years"
        return f"<TimeToSurvive {self.title!r}: chokepoints: {len(self.exposures)}; {years}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the times for JSON, months by year, None if floors hold for ever; `after` is None without a plan."""
        return {
            "instance": self.title,
            "years": list(self.years),
            "uncut": _times_dict(self.uncut),
            "chokepoints": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "deliberate": each.deliberate,
                    "cuts": list(each.cuts),
                    **_times_dict(each),
                }
                for each in self.exposures
            ],
            "notes": list(self.notes),
        }


def _times_dict(exposure: Exposure) -> dict[str, Any]:
    return {"before": _by_year(exposure.before), "after": _by_year(exposure.after) if exposure.after else None}


def _by_year(times: Sequence[SurvivalTime]) -> dict[str, dict[str, Any]]:
    return {str(each.year): {"months": finite_or_none(each.months), "segment": each.segment} for each in times}


def time_to_survive(
    instance: Instance,
    plan: Plan | Result | None = None,
    *,
    chokepoints: Chokepoint | Iterable[Chokepoint] | None = None,
    scenario: ScenarioNames | None = None,
) -> TimeToSurvive:
    """Find for how many months every floor holds after a chokepoint is cut, for each year, without and with a plan.

    Args:
        instance: the instance.
        plan: a result, or the plan of one; None for the do-nothing plan alone.
        chokepoints: some of those that `optimizer.studies.time_to_survive.every_chokepoint` yields for the instance;
            by default all of them. `TimeToSurvive.only` selects among those that were computed.
        scenario: scenario of the instance, or several in the order given.

    Returns:
        Every chokepoint with its months, the least time first.

    Raises:
        InstanceError: the instance does not have the scenario, or the plan does not fit it; with every reason.
        PlanFileError: the result has no plan.
        SolverError: the solver failed.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml")
        >>> found = so.time_to_survive(instance, so.solve(instance, "30M").plan)
        >>> found.exposures[0].name, [time.months for time in found.exposures[0].after]
        ('rival / magnet', [0.0, 24.0, 24.0, 24.0, 24.0])
    """
    instance = apply_arguments(instance, scenario=scenario).instance
    if not isinstance(plan, Plan | None):
        require_plan(plan)
        plan = plan.plan
    points = list(every_chokepoint(instance))
    if chokepoints is not None:
        points = arguments.several("chokepoints", chokepoints, Chokepoint, CHOKEPOINT_FORM)
    before = _survival_times(instance, do_nothing_plan(instance), points)
    *exposures, uncut = [
        Exposure(each.name, each.kind, each.disruption.is_deliberate, tuple(map(str, each.disruption.cuts)), times, ())
        for each, times in zip([*points, NOTHING_CUT], before, strict=True)
    ]
    found = TimeToSurvive(instance.title, tuple(instance.horizon.years), tuple(exposures), uncut)
    return _with_plan(found, points, instance, plan)


def with_other_plan(found: TimeToSurvive, instance: Instance, plan: Plan | None) -> TimeToSurvive:
    """Return the result for another plan, or None, of an instance that differs only in its budget.

    The times under the do-nothing plan are kept.
    """
    by_key = {(each.kind, each.name): each for each in every_chokepoint(instance)}
    return _with_plan(found, [by_key[each.kind, each.name] for each in found.exposures], instance, plan)


def _with_plan(
    found: TimeToSurvive, points: Sequence[Chokepoint], instance: Instance, plan: Plan | None
) -> TimeToSurvive:
    """Add the times with a plan to the exposures, which are in the order of `points`; sort the most exposed first."""
    fit = None if plan is None else place_plan(instance, plan, instance.title)
    after = [()] * (len(points) + 1) if fit is None else _survival_times(instance, fit.plan, points)
    every = zip([*found.exposures, found.uncut], after, strict=True)
    *exposures, uncut = [replace(each, after=times) for each, times in every]
    ordered = tuple(sorted(exposures, key=lambda exposure: exposure.order))
    return replace(found, exposures=ordered, uncut=uncut, notes=() if fit is None else fit.notes)


def every_chokepoint(instance: Instance) -> Iterator[Chokepoint]:
    """Yield the chokepoints: each stage of a region, each process, each listed shock, each time-to-survive rule.

    Events of one shock with the same cuts are one chokepoint. Samples of ensembles are not chokepoints, nor are
    recipes.
    """
    plants = [p for p in instance.processes if not _is_recipe(instance, p)]
    stages = dict.fromkeys((instance.processes[p].region, instance.processes[p].stage) for p in plants)
    for region, stage in stages:
        if region and stage:
            yield _full_cut(f"{region} / {stage}", "stage", region=(region,), stage=(stage,))
    for p in plants:
        yield _full_cut(p, "process", process=(p,))
    yield from _shock_chokepoints(instance)
    for i, rule in enumerate(instance.policy.min_time_to_survive):
        yield Chokepoint(f"{MIN_TIME_TO_SURVIVE}[{i}]", "rule", rule.disruption)


def _is_recipe(instance: Instance, p: str) -> bool:
    """Return whether a process is no plant: it stands nowhere, costs nothing, and can use up an input."""
    process = instance.processes[p]
    least = min(process.capacity.values)
    can_use = (least * ratio >= _most_made(instance, c) for c, ratio in process.input.items())
    return process.region is None and not any(process.cost.values) and any(can_use)


def _most_made(instance: Instance, c: str) -> float:
    """Return the most that activities can make of a commodity, t/yr; infinite if stock or scrap supplies it too."""
    if c in {stock.commodity for stock in instance.stocks.values()} | {
        demand.end_of_life.commodity for demand in instance.demands.values() if demand.end_of_life
    }:
        return math.inf
    sizes = {p: max(process.capacity.values) for p, process in instance.processes.items()}
    sizes |= {o: option.max_size for o, option in instance.sized.items()}
    return math.fsum(sizes[name] * each.output.get(c, 0.0) for name, each in instance.activities.items())


def _full_cut(name: str, kind: ChokepointKind, **aim: tuple[str, ...]) -> Chokepoint:
    """Return the chokepoint that cuts a target in full, not deliberately."""
    return Chokepoint(name, kind, PermanentCuts((Cut.model_validate({**aim, "severity": 1.0}),)))


def _shock_chokepoints(instance: Instance) -> Iterator[Chokepoint]:
    for name, spec in instance.shocks.items():
        for severity, variant in spec.by_severity() if spec.cuts else ():
            disruption = PermanentCuts.of(variant.cuts, deliberate=spec.deliberate)
            yield Chokepoint(shock_name(name, None, None, severity), "shock", disruption)


def _survival_times(instance: Instance, plan: Plan, points: Sequence[Chokepoint]) -> list[tuple[SurvivalTime, ...]]:
    """Return the times to survive by chokepoint, the last one without any cut, and by year."""
    matrix = LinkingMatrix(instance, first_stage_model(instance))
    terms = matrix.linking_terms(np.array(plan_values(instance, plan)))
    cuts = [each.disruption for each in (*points, NOTHING_CUT)]
    by_year = [
        _YearOfPlan(instance, t, matrix, terms).survival_times(cuts)
        for t in range(0, len(instance.horizon.periods), instance.horizon.per_year)
    ]
    return list(zip(*by_year, strict=True))


def _link_plan(
    builder: ModelBuilder,
    instance: Instance,
    t: int,
    matrix: LinkingMatrix,
    terms: Vector,
    most: float,
    inverse: Expression,
) -> None:
    """Link the plan's terms of period t to the model: stocks of the period before times s, all others as constants."""
    for (owner, what), first in matrix.first.items():
        before, now = terms[first + t : first + t + 2].tolist()
        if what in instance.options[owner].amounts:
            builder.link(owner, what, {t - 1: (before if before > ROUNDING_SIZE * most else 0.0) * inverse})
        else:
            builder.link(owner, what, {t: Expression(constant=now)})


def _scope_of(instance: Instance, t: int, matrix: LinkingMatrix, terms: Vector) -> Scope:
    """Return the scope of the model of a period, without options of which the plan has nothing in it."""
    there = {owner for (owner, _), first in matrix.first.items() if terms[first + t : first + t + 2].any()}
    return Scope(has_valid_inequalities=False, parts=frozenset(there).union(instance.processes, instance.demands))


@dataclass(frozen=True)
class _YearOfPlan:
    """A plan at the start of one year, in period t."""

    instance: Instance
    t: int
    matrix: LinkingMatrix
    terms: Vector  # the linking terms under the plan

    def survival_times(self, cuts: Sequence[PermanentCuts]) -> list[SurvivalTime]:
        """Return, for each set of cuts, the time for which every floor holds, and the segment that fails first."""
        # No cut lengthens the time, so that cuts without effect are recognised by a single LP.
        (uncut,) = self._longest_times([NOTHING_CUT.disruption], math.inf)
        lasts = self._longest_times(cuts, uncut if is_monotone(self.instance) else math.inf)
        ends = np.flatnonzero(np.isfinite(lasts))
        failing = self._model(cuts, ends, lasts[ends]).first_failing() if len(ends) else []
        segments = dict(zip(ends.tolist(), failing, strict=True))
        year, months = self.instance.horizon.year(self.t), (12.0 * lasts).tolist()
        return [SurvivalTime(year, months[i], segments.get(i)) for i in range(len(cuts))]

    def _longest_times(self, cuts: Sequence[PermanentCuts], most: float) -> Vector:
        """Return the longest time for which every floor holds, years, by cuts; `most` is an upper bound."""
        lasts, holds = np.zeros(len(cuts)), np.ones(len(cuts), dtype=bool)
        restarting = self._restart_period_ends()
        for time in (*(end for end in restarting if end < most), most):
            # L(τ) rises with τ, so that cuts with L(τ) ≥ time at a shorter τ need no further test at this time.
            tested = np.flatnonzero(holds & (lasts < time))
            if len(tested):
                lasts[tested] = self._model(cuts, tested, np.full(len(tested), time)).longest()
                holds[tested] = lasts[tested] >= time * (1.0 - SAME_TIME)
        lasts[holds] = most
        falling = np.flatnonzero(~holds) if restarting else np.zeros(0, dtype=np.intp)
        for _ in range(MOST_TIME_STEPS):
            if not len(falling):
                break
            before, lasts[falling] = lasts[falling], self._model(cuts, falling, lasts[falling]).longest()
            falling = falling[(lasts[falling] < before * (1.0 - SAME_TIME)) & (lasts[falling] > 0.0)]
        return lasts

    def _restart_period_ends(self) -> list[float]:
        """Return the ends of the first periods after a cut in which an activity may still restart, years."""
        instance, delta = self.instance, self.instance.horizon.delta
        restarts = (each for each in instance.activities.values() if each.min_utilisation < 1.0)
        months = max((each.restart_months for each in restarts), default=0.0)
        return [delta * (k + 1) for k in range(math.ceil(months / (12.0 * delta)))]

    def _model(self, cuts: Sequence[PermanentCuts], which: Any, lasts: Vector) -> "_YearModel":
        """Return the model of the cuts with the indices `which`, with restarts averaged over `lasts`, years, by cut."""
        return _YearModel(self, [cuts[i] for i in which.tolist()], lasts)


class _YearModel:
    """LP of a plan at the start of one year, kept warm, with one row of bounds for each set of cuts.

    Args:
        year: the plan and its year.
        cuts: the sets of cuts.
        lasts: time over which the share of restarting capacity is averaged, years, by set of cuts.
    """

    def __init__(self, year: _YearOfPlan, cuts: Sequence[PermanentCuts], lasts: Vector) -> None:
        instance, t, self.size, self.lasts = year.instance, year.t, len(cuts), lasts
        self.instance = instance
        self.builder = builder = blank_model(instance)
        builder.scope = _scope_of(instance, t, year.matrix, year.terms)
        inverse = builder.variable("time", "inverse", t, unit="1")
        path = steady_path(instance, MANY, t, 1.0, cuts, lasts)
        most = max((path.demand_at(d, t) for d in instance.demands), default=0.0)
        _link_plan(builder, instance, t, year.matrix, year.terms, most, inverse)
        write_path(builder, instance, path)
        columns = builder.columns
        self.below = [j for j, column in enumerate(columns) if column.mark.what == "below"]
        self.allowed = np.array([NEGLIGIBLE * path.demand_at(columns[j].mark.owner, t) for j in self.below])
        rows = np.arange(self.size)
        self.upper = ShockTable([column.upper for column in columns], self.size).rows(rows)
        for column, upper in zip(columns, self.upper.max(axis=0).tolist(), strict=True):
            column.upper = upper
        self.rhs = ShockTable([row.rhs for row in builder.rows], self.size).rows(rows)
        self.warm = WarmProgramme(builder)

    def longest(self) -> Vector:
        """Return the longest time with these restarts, years, by cuts; floors that all but hold for ever do hold."""
        upper, costs = self.upper.copy(), np.zeros(len(self.builder.columns))
        upper[:, self.below], costs[0] = 0.0, 1.0
        exact = self.warm.solve(Batch(costs, upper, self.rhs), None).objective
        # Only finite times are solved again with tolerated shortages, since these can only lengthen the time.
        ends, lenient = np.flatnonzero(exact > ENDLESS_RATE), exact.copy()
        upper[:, self.below] = self.allowed
        lenient[ends] = self.warm.solve(Batch(costs, upper[ends], self.rhs[ends]), None).objective
        least = np.where(np.isinf(exact) | (lenient <= ENDLESS_RATE), lenient, exact)
        longest: Vector = np.divide(1.0, least, out=np.full(self.size, np.inf), where=least > ENDLESS_RATE)
        return longest

    def first_failing(self) -> list[str]:
        """Return the segment that goes short, by cuts, if the time is slightly longer than `lasts`."""
        upper = self.upper.copy()
        upper[:, 0] = (1.0 - LONGER) * np.divide(1.0, self.lasts, out=np.full(self.size, np.inf), where=self.lasts > 0)
        worth, costs = gap(self.builder, self.instance).terms, np.zeros(len(self.builder.columns))
        free = 1e-3 * min((value for value in worth.values() if value > 0), default=1.0)
        costs[self.below] = [worth.get(j) or free for j in self.below]
        found = self.warm.solve(Batch(costs, upper, self.rhs), None, values=True)
        first = np.argmax(found.values[:, self.below] * costs[self.below], axis=1)
        return [self.builder.columns[self.below[i]].mark.owner for i in first.tolist()]
