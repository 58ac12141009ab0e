"""Time to survive: how long every floor holds once a chokepoint is cut for good.

    τ      years       that it lasts                     x     t/yr   rate of an activity, at most what is left of it
    s      1/τ, 1/yr   what is minimised                 z     t/yr   rate of a substitution
    k      t           stock of the period before        g     t/yr   rate of a release, g ≤ release_rate and g ≤ k·s

Of the totals over τ (X ≤ (1−σ)·cap·τ, G ≤ min(k, release_rate·τ), supply + scrap·τ ≥ use, served ≥ floor·D·τ) each is
divided by τ: then only the stocks know how long it lasts, and the largest τ is the least s of a linear programme whose
rows are those of any path of one year. No s at all: it does not last, τ = 0. s = 0: it lasts for ever.

With plants that take months to restart, cap counts by its mean share r(τ) over the time, which rises with τ. L(τ), the
longest time with the share r(τ), rises too. Floors hold for a time τ where L(τ) ≥ τ. They have to at the end of each
period while anything restarts, as in a shock, and without end; from the first of these times at which they do not, the
sequence τ, L(τ), L(L(τ)) … falls to the longest time below it for which they do.

What works, demand and floors are frozen as they usually are at the start of a year. A shock of length τ follows them
through its window, so it can end better or worse. Of a shock only the cuts are taken, at their largest severity, and
whether they are deliberate.

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
from optimizer.disruptions.shock import Cut, PermanentCuts, title
from optimizer.errors import PlanFileError
from optimizer.formulation import blank_model, first_stage_model, gap, write_path
from optimizer.instance.edits import ScenarioNames, apply_arguments
from optimizer.instance.operation_paths import MANY, steady_path
from optimizer.instance.schema import MIN_TIME_TO_SURVIVE, Instance
from optimizer.model.builder import ModelBuilder, Scope
from optimizer.model.expressions import Expression
from optimizer.results.plan import Build, Plan
from optimizer.results.result import Result, require_plan
from optimizer.solver import Batch, Vector, WarmProgramme
from optimizer.studies import study_frames
from optimizer.studies.purchases import FittedPlan, place_plan
from optimizer.tolerances import ENDLESS_RATE, ROUNDING_SIZE, SAME_TIME, VIOLATED

ChokepointKind = Literal["stage", "process", "shock", "rule", "nothing"]
# The segment that gives out first is the one that goes short when it has to last so much longer.
LONGER = 1e-3
# Months beyond which more of them count little in the order of chokepoints.
LONG_MONTHS = 120.0
# So many steps towards the longest time at most.
MOST_STEPS = 200


@dataclass(frozen=True)
class Chokepoint:
    """Something that can be cut: all of a stage in a region, a process, what a shock or a rule of the policy cuts."""

    name: str
    kind: ChokepointKind
    disruption: PermanentCuts


# With what everything else is compared: where floors fail without any cut, no chokepoint is to blame.
NOTHING_CUT = Chokepoint("nothing is cut", "nothing", PermanentCuts(()))


@dataclass(frozen=True)
class SurvivalTime:
    """How long every floor holds from the start of a year, in months, infinite where it is for ever.

    `segment` gives out first: it is the one that goes short at the least cost; None where nothing gives out.
    """

    year: int
    months: float
    segment: str | None


@dataclass(frozen=True)
class Exposure:
    """One chokepoint in every year: with nothing built, and with the plan; `after` is empty without one."""

    # Of the chokepoint.
    name: str
    kind: ChokepointKind
    deliberate: bool  # whether leverage restrains its cuts
    cuts: tuple[str, ...]  # in words
    # By year.
    before: tuple[SurvivalTime, ...]
    after: tuple[SurvivalTime, ...]

    @property
    def key(self) -> tuple[str, str]:
        """What distinguishes a chokepoint from all others."""
        return self.kind, self.name

    @property
    def worst(self) -> int:
        """The place of the year in which it is survived for the least time, with the plan where there is one."""
        judged = self.after or self.before
        return min(range(len(judged)), key=lambda i: (judged[i].months, self.before[i].months))

    @property
    def order(self) -> tuple[float, float, float]:
        """What exposures are sorted by, months in the worst year, then of all years, then of all without the plan."""
        judged = self.after or self.before
        with_plan, without = (sum(min(each.months, LONG_MONTHS) for each in rows) for rows in (judged, self.before))
        return judged[self.worst].months, with_plan, without

    @property
    def is_endless(self) -> bool:
        """Whether every floor holds for ever, whatever the year, with and without the plan."""
        return all(math.isinf(each.months) for each in (*self.before, *self.after))

    def shortens(self, uncut: "Exposure") -> bool:
        """Whether some floor fails sooner, in some year, than without any cut."""
        pairs = zip((*self.before, *self.after), (*uncut.before, *uncut.after), strict=True)
        return any(own.months < other.months * (1.0 - SAME_TIME) for own, other in pairs)


@dataclass(frozen=True)
class TimeToSurvive:
    """Time to survive of every chokepoint, the most exposed first.

    `title` is that of the instance. `uncut` is how long floors hold without any cut: with capacities, demand and floors
    as at the start of a year, some may fail. `notes` are rules of buying that the plan does not keep in the instance,
    and does not have to.
    """

    title: str
    years: tuple[int, ...]
    exposures: tuple[Exposure, ...]
    uncut: Exposure
    notes: tuple[str, ...] = ()

    frames = property(study_frames.of_time_to_survive)

    @property
    def ending(self) -> tuple[Exposure, ...]:
        """The chokepoints that end a floor sooner than it ends without any cut, the most exposed first."""
        return tuple(each for each in self.exposures if each.shortens(self.uncut))

    def only(self, keys: Collection[tuple[str, str]]) -> "TimeToSurvive":
        """The same of some chokepoints alone."""
        return replace(self, exposures=tuple(each for each in self.exposures if each.key in keys))

    @property
    def failing_uncut(self) -> tuple[Exposure, ...]:
        """`uncut` where some floor fails without any cut, for a table; none elsewhere."""
        return () if self.uncut.is_endless else (self.uncut,)

    def __repr__(self) -> str:
        years = f"{self.years[0]}–{self.years[-1]}" if self.years else "no years"
        return f"<TimeToSurvive {self.title!r}: chokepoints: {len(self.exposures)}; {years}>"

    def to_dict(self) -> dict[str, Any]:
        """For JSON: months by year, null where it is for ever; `after` is null without a plan."""
        return {
            "instance": self.title,
            "years": list(self.years),
            "uncut": _both(self.uncut),
            "chokepoints": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "deliberate": each.deliberate,
                    "cuts": list(each.cuts),
                    **_both(each),
                }
                for each in self.exposures
            ],
            "notes": list(self.notes),
        }


def _both(exposure: Exposure) -> dict[str, Any]:
    return {"before": _by_year(exposure.before), "after": _by_year(exposure.after) if exposure.after else None}


def _by_year(times: Sequence[SurvivalTime]) -> dict[str, dict[str, Any]]:
    return {
        str(each.year): {"months": each.months if math.isfinite(each.months) else None, "segment": each.segment}
        for each in times
    }


def time_to_survive(
    instance: Instance,
    plan: Plan | Result | None = None,
    *,
    chokepoints: Chokepoint | Iterable[Chokepoint] | None = None,
    scenario: ScenarioNames | None = None,
) -> TimeToSurvive:
    """Find for how many months every floor holds after a chokepoint is cut, for each year, without and with a plan.

    Args:
        plan: a result, or the plan of one; None for the do-nothing plan alone.
        chokepoints: what is cut; `every_chokepoint` of the instance where it is left out.
        scenario: of the instance, or several in the order given.

    Returns:
        Every chokepoint with its months, the least time first.

    Raises:
        InstanceError: a scenario that the instance does not have, or the plan cannot stand there; with every reason.
        PlanFileError: the plan is not one of this instance.
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
        points = arguments.several("chokepoints", chokepoints, Chokepoint, "a Chokepoint")
    before = _survival_times(instance, do_nothing_plan(instance), points)
    *exposures, uncut = [
        Exposure(each.name, each.kind, each.disruption.is_deliberate, tuple(map(str, each.disruption.cuts)), times, ())
        for each, times in zip([*points, NOTHING_CUT], before, strict=True)
    ]
    found = TimeToSurvive(instance.title, tuple(instance.horizon.years), tuple(exposures), uncut)
    return _with_plan(found, points, instance, plan)


def with_other_plan(found: TimeToSurvive, instance: Instance, plan: Plan | None) -> TimeToSurvive:
    """The same chokepoints with another plan of an instance that differs in its budget alone; None for no plan.

    What holds with nothing built stays as it was found.
    """
    by_key = {(each.kind, each.name): each for each in every_chokepoint(instance)}
    return _with_plan(found, [by_key[each.kind, each.name] for each in found.exposures], instance, plan)


def _with_plan(
    found: TimeToSurvive, points: Sequence[Chokepoint], instance: Instance, plan: Plan | None
) -> TimeToSurvive:
    """Exposures of some chokepoints, in their order, with a plan; the most exposed first."""
    fit = None if plan is None else _fitting(instance, plan)
    after = [()] * (len(points) + 1) if fit is None else _survival_times(instance, fit.plan, points)
    every = zip([*found.exposures, found.uncut], after, strict=True)
    *exposures, uncut = [replace(each, after=times) for each, times in every]
    ordered = tuple(sorted(exposures, key=lambda exposure: exposure.order))
    return replace(found, exposures=ordered, uncut=uncut, notes=() if fit is None else fit.notes)


def every_chokepoint(instance: Instance) -> Iterator[Chokepoint]:
    """Each region and stage with an existing process, each process, the cuts of each listed shock and of each rule.

    Events of one shock that cut the same are one chokepoint. Samples of ensembles are none.
    """
    stages = dict.fromkeys((each.region, each.stage) for each in instance.processes.values())
    for region, stage in stages:
        if region and stage:
            yield _whole(f"{region} / {stage}", "stage", region=(region,), stage=(stage,))
    for p in instance.processes:
        yield _whole(p, "process", process=(p,))
    yield from _of_shocks(instance)
    for i, rule in enumerate(instance.policy.min_time_to_survive):
        yield Chokepoint(f"{MIN_TIME_TO_SURVIVE}[{i}]", "rule", rule.disruption)


def _whole(name: str, kind: ChokepointKind, **aim: tuple[str, ...]) -> Chokepoint:
    """All of something is lost, without intent."""
    return Chokepoint(name, kind, PermanentCuts((Cut.model_validate({**aim, "severity": 1.0}),)))


def _of_shocks(instance: Instance) -> Iterator[Chokepoint]:
    for name, spec in instance.shocks.items():
        for severity, variant in spec.variants() if spec.cuts else ():
            disruption = PermanentCuts.of(variant.cuts, deliberate=spec.deliberate)
            yield Chokepoint(title(name, None, None, severity), "shock", disruption)


def _fitting(instance: Instance, plan: Plan) -> FittedPlan:
    """The plan with its stocks worked out again for this instance, which has to hold its sizes and stocks."""
    for build in plan.builds:
        if not _can_buy(instance, build):
            raise PlanFileError(f"the plan is not one of this instance: it cannot buy {build.option} in {build.period}")
    for o, fills in plan.fills.items():
        if o not in instance.stocks or len(fills) != len(instance.horizon.periods):
            raise PlanFileError(f"the plan is not one of this instance: it cannot fill {o}")
    return place_plan(instance, plan, instance.title)


def _can_buy(instance: Instance, build: Build) -> bool:
    horizon, option = instance.horizon, instance.sized.get(build.option)
    if option is None or build.t not in horizon.decisions or not option.allows(horizon.year(build.t)):
        return False
    return horizon.label(build.t) == build.period


def _survival_times(instance: Instance, plan: Plan, points: Sequence[Chokepoint]) -> list[tuple[SurvivalTime, ...]]:
    """By chokepoint, the last where nothing is cut, then by year."""
    offers = LinkingMatrix(instance, first_stage_model(instance))
    offered = offers.linking_terms(np.array(plan_values(instance, plan)))
    cuts = [each.disruption for each in (*points, NOTHING_CUT)]
    by_year = [
        _YearOfPlan(instance, t, offers, offered).survival_times(cuts)
        for t in range(0, len(instance.horizon.periods), instance.horizon.per_year)
    ]
    return list(zip(*by_year, strict=True))


def _without_rounding(amount: float, most: float) -> float:
    """An amount; 0 where it is no more than the rounding of amounts of a size."""
    return amount if amount > ROUNDING_SIZE * most else 0.0


def _link_plan(
    builder: ModelBuilder,
    instance: Instance,
    t: int,
    offers: LinkingMatrix,
    offered: Vector,
    most: float,
    inverse: Expression,
) -> None:
    """What a plan has in a period: stocks of the period before by the inverse of time, everything else as it is."""
    for (owner, what), first in offers.first.items():
        before, now = offered[first + t : first + t + 2].tolist()
        if what in instance.options[owner].amounts:
            builder.link(owner, what, {t - 1: _without_rounding(before, most) * inverse})
        else:
            builder.link(owner, what, {t: Expression(constant=now)})


def _scope_of(instance: Instance, t: int, offers: LinkingMatrix, offered: Vector) -> Scope:
    """What is written of a period: options of which a plan has nothing do nothing."""
    there = {owner for (owner, _), first in offers.first.items() if offered[first + t : first + t + 2].any()}
    return Scope(has_valid_inequalities=False, parts=frozenset(there).union(instance.processes, instance.demands))


@dataclass(frozen=True)
class _YearOfPlan:
    """A plan at the start of one year, in period t."""

    instance: Instance
    t: int
    offers: LinkingMatrix
    offered: Vector

    def survival_times(self, cuts: Sequence[PermanentCuts]) -> list[SurvivalTime]:
        """By cuts, how long every floor holds, and who gives out."""
        # No cut makes floors hold longer than none: one that changes nothing is recognised by one linear programme.
        (uncut,) = self._longest([NOTHING_CUT.disruption], math.inf)
        lasts = self._longest(cuts, uncut)
        ends = np.flatnonzero(np.isfinite(lasts))
        giving_out = self._model(cuts, ends, lasts[ends]).giving_out() if len(ends) else []
        segments = dict(zip(ends.tolist(), giving_out, strict=True))
        year, months = self.instance.horizon.year(self.t), (12.0 * lasts).tolist()
        return [SurvivalTime(year, months[i], segments.get(i)) for i in range(len(cuts))]

    def _longest(self, cuts: Sequence[PermanentCuts], most: float) -> Vector:
        """By cuts, the longest time for which every floor holds, years; `most` is known to be no less."""
        lasts, holds = np.zeros(len(cuts)), np.ones(len(cuts), dtype=bool)
        restarting = self._restarting()
        for time in (*(end for end in restarting if end < most), most):
            # What holds for a shorter time with restarts counted over that, holds with them counted over a longer one.
            asked = np.flatnonzero(holds & (lasts < time))
            if len(asked):
                lasts[asked] = self._model(cuts, asked, np.full(len(asked), time)).longest()
                holds[asked] = lasts[asked] >= time * (1.0 - SAME_TIME)
        lasts[holds] = most
        falling = np.flatnonzero(~holds) if restarting else np.zeros(0, dtype=np.intp)
        for _ in range(MOST_STEPS):
            if not len(falling):
                break
            before, lasts[falling] = lasts[falling], self._model(cuts, falling, lasts[falling]).longest()
            falling = falling[(lasts[falling] < before * (1.0 - SAME_TIME)) & (lasts[falling] > 0.0)]
        return lasts

    def _restarting(self) -> list[float]:
        """The ends of the first periods after a cut, as long as anything that works restarts, years."""
        instance, delta = self.instance, self.instance.horizon.delta
        restarts = (each for each in instance.activities.values() if each.min_utilisation < 1.0)
        months = max((each.restart_months for each in restarts), default=0.0)
        return [delta * (k + 1) for k in range(math.ceil(months / (12.0 * delta)))]

    def _model(self, cuts: Sequence[PermanentCuts], which: Any, lasts: Vector) -> "_YearModel":
        """The model of some of the cuts, by number, with restarts counted over some years, one for each."""
        return _YearModel(self, [cuts[i] for i in which.tolist()], lasts)


class _YearModel:
    """A plan at the start of one year: one linear programme, kept warm, in which each of some cuts is a row of bounds.

    Args:
        year: the plan and its year.
        cuts: what is cut.
        lasts: years over which restarts count, by their mean, one for each of the cuts.
    """

    def __init__(self, year: _YearOfPlan, cuts: Sequence[PermanentCuts], lasts: Vector) -> None:
        instance, t, self.size, self.lasts = year.instance, year.t, len(cuts), lasts
        self.instance = instance
        self.builder = builder = blank_model(instance)
        builder.scope = _scope_of(instance, t, year.offers, year.offered)
        inverse = builder.variable("time", "inverse", t, unit="1")
        path = steady_path(instance, MANY, t, 1.0, cuts, lasts)
        most = max((path.demand_at(d, t) for d in instance.demands), default=0.0)
        _link_plan(builder, instance, t, year.offers, year.offered, most, inverse)
        write_path(builder, instance, path)
        columns = builder.columns
        self.below = [j for j, column in enumerate(columns) if column.mark.what == "below"]
        self.allowed = np.array([VIOLATED * path.demand_at(columns[j].mark.owner, t) for j in self.below])
        rows = np.arange(self.size)
        self.upper = ShockTable([column.upper for column in columns], self.size).rows(rows)
        for column, upper in zip(columns, self.upper.max(axis=0).tolist(), strict=True):
            column.upper = upper
        self.rhs = ShockTable([row.rhs for row in builder.rows], self.size).rows(rows)
        self.warm = WarmProgramme(builder)

    def longest(self) -> Vector:
        """By cuts, the longest time with these restarts, years. A floor that is all but kept for ever is kept."""
        upper, costs = self.upper.copy(), np.zeros(len(self.builder.columns))
        upper[:, self.below], costs[0] = 0.0, 1.0
        exact = self.warm.solve(Batch(costs, upper, self.rhs), None).objective
        # What lasts for ever without leniency does with it.
        ends, lenient = np.flatnonzero(exact > ENDLESS_RATE), exact.copy()
        upper[:, self.below] = self.allowed
        lenient[ends] = self.warm.solve(Batch(costs, upper[ends], self.rhs[ends]), None).objective
        least = np.where(np.isinf(exact) | (lenient <= ENDLESS_RATE), lenient, exact)
        longest: Vector = np.divide(1.0, least, out=np.full(self.size, np.inf), where=least > ENDLESS_RATE)
        return longest

    def giving_out(self) -> list[str]:
        """By cuts, the segment that goes short when it has to last a bit longer than the restarts are counted over."""
        upper = self.upper.copy()
        upper[:, 0] = (1.0 - LONGER) * np.divide(1.0, self.lasts, out=np.full(self.size, np.inf), where=self.lasts > 0)
        worth, costs = gap(self.builder, self.instance).terms, np.zeros(len(self.builder.columns))
        free = 1e-3 * min((value for value in worth.values() if value > 0), default=1.0)
        costs[self.below] = [worth.get(j) or free for j in self.below]
        found = self.warm.solve(Batch(costs, upper, self.rhs), None, values=True)
        first = np.argmax(found.values[:, self.below] * costs[self.below], axis=1)
        return [self.builder.columns[self.below[i]].mark.owner for i in first.tolist()]
