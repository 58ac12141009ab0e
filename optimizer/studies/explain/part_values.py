"""The value of each part of a surviving plan, and the latest period in which its options can be ordered.

The value of a part is the cost of the cheapest plan after a change of that part, less the cost of the plan:

shock, family     one shock, or all shocks of an entry, are left out
kind, lever       all options of a kind, or one option, are left out; others may take their place
dearer floor      the floor is one percentage point higher;  cheaper floor: one point lower
later, sooner     a build is on line three months later or sooner (at least a period; sooner by at most its lead time)

Each of the two optima is known within bounds; `low` and `high` are the proven bounds on the difference.

Order dates:

as planned   the latest period to which the purchases of an option can be put off with the rest of the plan unchanged
anyhow       the latest period of the first purchase of an option with which some plan under the budget still survives;
             none if the option does not have to be bought
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from optimizer.algorithms.problem import ProblemVariant, Rows, exactly, leaving_out, not_before, opened_as_in, outlay
from optimizer.algorithms.relaxed_floors import failing_beyond_allowed
from optimizer.files import finite_or_none
from optimizer.instance.altered import with_floors, with_lead_times, with_only_shocks
from optimizer.instance.derived import display_name, has_initial_stock
from optimizer.instance.edits import with_budget
from optimizer.instance.removal import without
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.studies.binding_limits import PERCENT_POINT
from optimizer.studies.explain.what_ifs import FEASIBILITY_GAP, SurvivalAnswer, TimedWhatIfs, least_passing
from optimizer.studies.explanation import Deadline, PartKind, PartValue
from optimizer.tolerances import FINEST_SHARE

# Changes that can only make the optimum cheaper, or only dearer. A later build may do either, since its upkeep is paid
# for a shorter time.
RELAXED, TIGHTENED = ("shock", "family", "cheaper floor"), ("kind", "lever", "dearer floor")
# Change of a date, in months.
DELAY_MONTHS = 3.0


@dataclass(frozen=True)
class PlanContext:
    """The plan and its cost, the reference for the values of parts."""

    plan: Plan
    cost: float  # its total cost
    bound: float | None  # the proven lower bound of the cost; None if there is none
    held: frozenset[str]  # the shocks that its model held; all that shape it are among them, others have no value


@dataclass(frozen=True)
class PlanPart:
    """A part of a plan whose value is computed."""

    kind: PartKind  # as in `PartValue`
    of: str  # as in `PartValue`
    left_out: tuple[str, ...] = ()  # shocks or options
    change: float = 0.0  # change of a floor, as a share of demand, or of a date, in months

    def words(self, instance: Instance) -> str:
        """Describe the what-if for progress messages."""
        name = display_name(instance, self.of)
        if self.left_out:
            return f"without {name}"
        if self.kind in ("later", "sooner"):
            return f"{name} {abs(self.change):g} months {self.kind}"
        return f"a point {'more' if self.change > 0 else 'less'} of the floor of {name}"


def plan_parts(instance: Instance, context: PlanContext) -> list[PlanPart]:
    """Return every part whose value is computed: shocks, levers, floors, delays."""
    return [*_shocks(instance, context), *_levers(instance, context), *_floors(instance), *_delays(instance, context)]


def _shocks(instance: Instance, context: PlanContext) -> Iterator[PlanPart]:
    """Yield each family with several shocks that the model held, then each shock that it held."""
    entries: dict[str, list[str]] = {}
    for event in instance.events:
        if event.name in context.held:
            entries.setdefault(event.entry, []).append(event.name)
    for entry, some in entries.items():
        if len(some) > 1:
            yield PlanPart("family", entry, tuple(event.name for event in instance.events if event.entry == entry))
    for some in entries.values():
        yield from (PlanPart("shock", name, (name,)) for name in some)


def _levers(instance: Instance, context: PlanContext) -> Iterator[PlanPart]:
    """Yield each option that is bought, and each kind with several options of which at least one is bought."""
    bought, options = context.plan.bought, instance.options
    yield from (PlanPart("lever", o, (o,)) for o in bought)
    for kind in dict.fromkeys(options[o].kind for o in bought):
        some = [o for o, option in options.items() if option.kind == kind]
        if len(some) > 1:
            yield PlanPart("kind", kind, tuple(some))


def _floors(instance: Instance) -> Iterator[PlanPart]:
    """Yield each segment's floor one percentage point higher, if some floor leaves room for it, and one point lower."""
    for d in instance.demands:
        floors = {floor for floor in _floors_of(instance, d) if floor > 0}
        if not floors:
            continue
        if min(floors) <= 1.0 - PERCENT_POINT:
            yield PlanPart("dearer floor", d, change=PERCENT_POINT)
        yield PlanPart("cheaper floor", d, change=-PERCENT_POINT)


def _floors_of(instance: Instance, d: str) -> set[float]:
    """Return a segment's survival floors in the shocks and in rules about time to survive, as shares of demand."""
    horizon, floor = instance.horizon, instance.demands[d].survival
    own = {event.spec.survival[d] for event in instance.events if d in event.spec.survival}
    windows = {event.periods for event in instance.events if d not in event.spec.survival}
    years = {horizon.year(t) for window in windows for t in window}
    ruled = {float(share) for path in instance.rule_paths.values() for share in path.floor[d]}
    return own | ruled | {floor.at(year) for year in years}


def _delays(instance: Instance, context: PlanContext) -> Iterator[PlanPart]:
    """Yield each build three months later, and three months sooner, or by its lead time if that is shorter."""
    horizon = instance.horizon
    months = float(horizon.whole(DELAY_MONTHS) * horizon.months)
    lead = {o: option.lead_time for o in context.plan.bought if (option := instance.sized.get(o)) is not None}
    yield from (PlanPart("later", o, change=months) for o in lead)
    saved = {o: min(months, float(horizon.whole(lead[o]) * horizon.months)) for o in lead}
    yield from (PlanPart("sooner", o, change=-saved[o]) for o in sorted(lead, key=lambda o: -saved[o]) if saved[o] > 0)


@dataclass(frozen=True)
class PartValuation:
    """Computation of the values of the parts of a plan."""

    what_ifs: TimedWhatIfs
    context: PlanContext

    def value_of(self, part: PlanPart) -> PartValue:
        """Compute the value of one part."""
        instance = self.what_ifs.instance
        if part.kind in ("lever", "kind"):
            return self._value_without(part)
        if part.kind in ("family", "shock"):
            names = {event.name for event in instance.events}
            variant = with_only_shocks(self.what_ifs.events_apart, names - set(part.left_out))
        elif part.kind in ("later", "sooner"):
            variant = with_lead_times(instance, months_later=part.change, options=[part.of])
        else:
            variant = with_floors(instance, points=part.change, segments=[part.of])
        found = self._value(part, self._solve_variant(part, variant))
        return replace(found, months=abs(part.change)) if part.kind in ("later", "sooner") else found

    def _value_without(self, part: PlanPart) -> PartValue:
        instance, rows = exclude_options(self.what_ifs.instance, list(part.left_out))
        tried = self._solve_variant(part, instance, rows)
        value = self._value(part, tried, is_freed=not rows)
        if tried.holds is not False:
            return value
        if instance.policy.budget is None:
            return replace(value, is_money=False)
        if self.what_ifs.is_over:
            return value
        free, words = with_budget(instance, None), part.words(self.what_ifs.instance)
        problem = ProblemVariant(outlay, rows, f"least outlay {words}")
        found = self.what_ifs.ask(f"the least budget {words}", free, problem)
        is_money = self.what_ifs.judge(free, found).holds
        is_least = is_money is True and found.status == "optimal"
        return replace(value, is_money=is_money, needed=found.value if is_least else None)

    def _solve_variant(self, part: PlanPart, variant: Instance, rows: tuple[Rows, ...] = ()) -> SurvivalAnswer:
        """Find the cheapest surviving plan of a variant; the search starts from the explained plan."""
        # The plan is no valid start if a lever that it uses is left out.
        is_impossible = part.kind in ("lever", "kind")
        self.what_ifs.solver.start_from(None if is_impossible else self.context.plan, self.context.held)
        bound = self.context.bound if self._can_only_cost(part.kind, is_freed=not rows) else None
        words = part.words(self.what_ifs.instance)
        return self.what_ifs.solve_survivable(words, variant, rows, bound=-math.inf if bound is None else bound)

    def _value(self, part: PlanPart, tried: SurvivalAnswer, *, is_freed: bool = False) -> PartValue:
        """Build the value of a part from its what-if; `is_freed`: a forced purchase or an initial store goes too."""
        if not tried.holds:
            return PartValue(part.kind, part.of, tried.holds)
        cost, bound, found = self.context.cost, self.context.bound, tried.found
        change, low = found.cost - cost, found.bound - cost
        high = math.inf if bound is None else found.cost - bound
        # The plan stays possible at no higher cost; leaving out shocks may raise an expected cost.
        is_likely = any(event.probability > 0 for event in self.what_ifs.instance.events)
        if part.kind in RELAXED and not (is_likely and part.kind in ("shock", "family")):
            change, high = min(change, 0.0), min(high, 0.0)
        elif self._can_only_cost(part.kind, is_freed=is_freed):
            change, low = max(change, 0.0), max(low, 0.0)
        low, high = min(low, change), max(high, change)
        rounding = FINEST_SHARE * max(abs(cost), abs(found.cost))
        change, low, high = (0.0 if abs(value) <= rounding else value for value in (change, low, high))
        return PartValue(part.kind, part.of, True, change, finite_or_none(low), finite_or_none(high), found.outlay)

    def _can_only_cost(self, kind: PartKind, *, is_freed: bool) -> bool:
        """Check that every plan possible after the change is possible without it, at no higher cost."""
        return kind in TIGHTENED and not (is_freed and kind != "dearer floor")


def exclude_options(instance: Instance, names: list[str]) -> tuple[Instance, tuple[Rows, ...]]:
    """Exclude options and those that require them: return the instance, and rows if these suffice to exclude them."""
    gone = _with_dependants(instance, names)
    if _is_forced_or_stored(instance, gone):
        return without(instance.replacing(scenarios={}), gone), ()
    return instance, (leaving_out(gone),)


def _with_dependants(instance: Instance, names: Sequence[str]) -> list[str]:
    """Return options and those that require them."""
    gone, options = list(names), instance.options
    requires = {o: set(getattr(option, "requires", ())) for o, option in options.items()}
    while more := [o for o in options if o not in gone and requires[o] & set(gone)]:
        gone += more
    return gone


def _is_forced_or_stored(instance: Instance, names: Sequence[str]) -> bool:
    """Return whether leaving out options removes a rule that forces one or an initial store, as `--without` does."""
    return any(o in instance.policy.force or has_initial_stock(instance, o) for o in names)


def with_tighter_bounds(instance: Instance, values: Sequence[PartValue]) -> list[PartValue]:
    """Tighten the values of options and of whole levers by each other.

    A plan without all options of a kind is a plan without each of them: leaving out one costs no more than all of them.
    That holds unless leaving them out removes rules or initial stores as well.
    """
    result = {(value.kind, value.of): value for value in values}
    for whole in (value for value in values if value.kind == "kind" and value.survives):
        members = [o for o, option in instance.options.items() if option.kind == whole.of]
        if not _is_forced_or_stored(instance, _with_dependants(instance, members)):
            result |= _tightened_by(whole, result, members)
    return list(result.values())


def _tightened_by(
    whole: PartValue, known: Mapping[tuple[PartKind, str], PartValue], members: Sequence[str]
) -> dict[tuple[PartKind, str], PartValue]:
    own = [known["lever", o] for o in members if ("lever", o) in known]
    lows = [value.low for value in (*own, whole) if value.low is not None]
    result = {(value.kind, value.of): _no_dearer(value, whole) for value in own}
    return result | {(whole.kind, whole.of): replace(whole, low=max(lows, default=None))}


def _no_dearer(value: PartValue, whole: PartValue) -> PartValue:
    """Return the value of an option: by the plan without its lever if that is cheaper, or the only one found."""
    if value.survives is False or whole.change is None or (value.change is not None and value.change <= whole.change):
        return value
    highs = [high for high in (value.high, whole.high) if high is not None]
    return replace(value, survives=True, change=whole.change, high=min(highs, default=None), outlay=whole.outlay)


def deadline(what_ifs: TimedWhatIfs, plan: Plan, o: str, *, can_be_left_out: bool | None) -> Deadline:
    """Find the deadline of an option that is bought; `can_be_left_out`: whether some plan survives without it, or None.

    Leaving out an option also removes its initial store and a rule that forces it. So it is tested here whether some
    plan survives that keeps these and orders nothing.
    """
    instance, horizon = what_ifs.instance, what_ifs.instance.horizon
    is_forced = not instance.policy.force.keys().isdisjoint(_with_dependants(instance, [o]))
    points = _order_periods(instance, plan, o)
    found = Deadline(o, horizon.label(points[0]), can_be_left_out=can_be_left_out)
    if o in instance.sized:
        latest = _latest_as_planned(what_ifs, plan, o, points)
        found = replace(found, as_planned=None if latest is None else horizon.label(latest))
    if can_be_left_out is not False and not is_forced:
        return found

    def survives(t: int, how: str) -> bool | None:
        words = f"{display_name(instance, o)} {how}"
        rows = (not_before(o, t),)
        return None if what_ifs.is_over else what_ifs.solve_survivable(words, rows=rows, mip_gap=FEASIBILITY_GAP).holds

    if is_forced or has_initial_stock(instance, o):
        is_enough = survives(len(horizon.periods), "never bought")
        found = replace(found, can_be_left_out=is_enough)
        if is_enough is not False:
            return found

    def fails(i: int) -> bool | None:
        holds = survives(points[i], f"not before {horizon.label(points[i])}")
        return None if holds is None else not holds

    first, is_known = least_passing(fails, len(points))
    return replace(found, anyhow=horizon.label(points[first - 1]) if is_known else None)


def _order_periods(instance: Instance, plan: Plan, o: str) -> list[int]:
    """Return the period of the first purchase, and the later ones in which the option can be bought."""
    horizon, option = instance.horizon, instance.options[o]
    if option.is_stock:
        first = next(t for t, fill in enumerate(plan.fills[o]) if fill > 0)
        points: Iterable[int] = range(len(horizon.periods))
    else:
        first = min(build.t for build in plan.builds if build.option == o)
        points = horizon.decisions
    return [first, *(t for t in points if t > first and option.allows(horizon.year(t)))]


def _latest_as_planned(what_ifs: TimedWhatIfs, plan: Plan, o: str, points: Sequence[int]) -> int | None:
    """Find the latest period to which the purchases of an option can be put off if the rest of the plan stays.

    Periods are tested from the latest backwards: if a ramp or a strength falls and rises again, a later purchase may
    keep floors that an earlier one does not. Return None if the time ran out.
    """
    evaluator = what_ifs.solver.evaluator(what_ifs.instance)
    # Shocks that failed at a later period are tried first.
    known = np.zeros(len(what_ifs.instance.events), dtype=bool)

    def fails(moved: Plan) -> bool:
        columns = evaluator.plan_values([moved])
        gap, failing = np.zeros(len(known)), np.zeros(len(known), dtype=bool)
        for tried in (known.copy(), ~known):
            left = evaluator.gaps(columns, what_ifs.solver.clock, np.flatnonzero(~tried))
            gap, failing = np.where(tried, left.gap, gap), np.where(tried, left.fails, failing)
            if failing_beyond_allowed(what_ifs.instance, gap, failing).any():
                known[failing] = True
                return True
        return False

    for point in reversed(points[1:]):
        if what_ifs.is_over:
            return None
        moved = _postpone(what_ifs.instance, plan, o, point)
        name, period = display_name(what_ifs.instance, o), what_ifs.instance.horizon.label(point)
        words = f"{name} in {period}, all else as planned"
        # The plan must also satisfy the budgets and the rules of the policy.
        rows = (exactly(moved), opened_as_in(moved))
        holds = not fails(moved) and what_ifs.solve_survivable(words, rows=rows).holds
        if holds is not False:
            return point if holds else None
    return points[0]


def _postpone(instance: Instance, plan: Plan, o: str, point: int) -> Plan:
    """Return the plan in which all builds of an option before a period are made in that period instead."""
    horizon = instance.horizon
    early = [build for build in plan.builds if build.option == o and build.t <= point]
    if not early:
        return plan
    size, opened = sum(build.size for build in early), any(build.opened for build in early)
    moved = replace(early[0], t=point, year=horizon.year(point), period=horizon.label(point), size=size, opened=opened)
    return replace(plan, builds=(*(build for build in plan.builds if build not in early), moved))
