"""The accounts of the shocks: segments, gap, cost and survival of each, and the worst shock of each segment.

Shocks with flows are recomputed from them. A shock kept as a line without flows is checked for consistency only.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.audit import AuditReport, words_if_due
from optimizer.audit.accounts import (
    BaselineAccounts,
    PlanAccounts,
    check_paths,
    flows_fit,
    operating_costs,
    shock_paths,
    stack_flows,
)
from optimizer.audit.auditor import AuditBasis, Paths
from optimizer.disruptions.shock import Shock, ShockSpec
from optimizer.results.plan import Array, Flows, ManyFlows, Outcome, Service, Weakest
from optimizer.results.result import Result, weakest
from optimizer.tolerances import AUDIT_MONEY_SCALE, AUDIT_RELATIVE, FINE_ROUNDING

# Number of shocks audited together, which bounds the memory.
SHOCKS_AT_ONCE = 1000
# Margins that differ by less than this count as equal, and the one with the least served is named.
EQUAL = AUDIT_RELATIVE / 4
# The first format of plan files whose worst periods and shocks follow `_rank`.
RANKED = 3
# Between these shares unserved, rounding decides whether demand counts as served in full.
DOUBT = AUDIT_RELATIVE / 2


class WorstPeriod(NamedTuple):
    """The worst period of one segment in one shock: its label, its margin, and the share served in it."""

    period: str
    margin: float
    served: float


@dataclass(frozen=True)
class ShockAccounts:
    """The recomputed figures of all shocks, or of some."""

    least: Mapping[str, float]  # by segment, the least `_rank` of any shock
    failed: Mapping[str, int]  # by segment, the number of shocks that fail its floor
    # Worst period by segment and by shock whose flows the result holds.
    worst: Mapping[str, Mapping[str, WorstPeriod]]
    expected_cost: float  # expected cost of the shocks beyond the baseline, present value

    @classmethod
    def joined(cls, segments: Sequence[str], parts: Sequence["ShockAccounts"]) -> "ShockAccounts":
        """Return the figures of several groups of shocks together."""
        return cls(
            {d: min((part.least.get(d, math.inf) for part in parts), default=math.inf) for d in segments},
            {d: sum(part.failed.get(d, 0) for part in parts) for d in segments},
            {d: {name: at for part in parts for name, at in part.worst.get(d, {}).items()} for d in segments},
            math.fsum(part.expected_cost for part in parts),
        )


@dataclass(frozen=True)
class SegmentAccounts:
    """One segment on the paths of some shocks: arrays (shocks,), or (shocks, periods) for `margins` and `floors`.

    `failure` is the offset of the first period below the floor, or -1. Errors are relative to `least_scale` or more, t.
    """

    segment: str
    paths: Paths
    margins: Array
    floors: Array
    below: Array
    shortage: Array
    failure: npt.NDArray[np.intp]
    least_scale: Array

    @property
    def served(self) -> Array:
        """Shares served, an array (shocks, periods)."""
        return self.margins + self.floors

    def ranks(self, file_format: int, full: float) -> Array:
        """Return the `_rank` of each period, an array (shocks, periods)."""
        return _rank(file_format, self.margins, self.served, full)


def audit_shocks(
    plan: PlanAccounts, baseline: BaselineAccounts, result: Result, many: Sequence[ManyFlows]
) -> ShockAccounts:
    """Check every shock, and recompute those with flows.

    Args:
        many: flows of shocks that the result keeps only as a line.
    """
    basis, parts = plan.basis, list[ShockAccounts]()
    named = [outcome.name for outcome in result.shocks]
    basis.report.matches("shocks", sorted(named), sorted(basis.events))
    lines = {outcome.name: outcome for outcome in result.shocks}
    for flows, outcomes in _groups(plan, result, many):
        parts.append(_audit_flows(plan, baseline, result, flows, outcomes))
        for name in flows.names:
            lines.pop(name, None)
    parts.append(_audit_lines(basis, baseline, result.format, list(lines.values())))
    return ShockAccounts.joined(list(basis.instance.demands), parts)


def _groups(plan: PlanAccounts, result: Result, many: Sequence[ManyFlows]) -> Iterator[tuple[ManyFlows, list[Outcome]]]:
    """Yield shocks with flows in groups of one window length, first those whose flows the result holds.

    Groups of lines have at most `SHOCKS_AT_ONCE` shocks.
    """
    events, own = plan.basis.events, dict[int, list[Outcome]]()
    for each in result.shocks:
        periods = events[each.name].periods
        if each.flows is not None and flows_fit(plan, each.name, each.flows, periods):
            own.setdefault(len(periods), []).append(each)
    for some in own.values():
        yield stack_flows(plan, [each.name for each in some], [each.flows for each in some if each.flows]), some
    lines = {each.name: each for each in result.shocks if each.flows is None}
    for flows in many:
        which = [i for i, name in enumerate(flows.names) if name in lines]
        for first in range(0, len(which), SHOCKS_AT_ONCE):
            part = flows.some(which[first : first + SHOCKS_AT_ONCE])
            begins = np.array([events[name].periods.start for name in part.names])
            plan.basis.report.matches(
                lambda s, of=part: of.names[s],
                lambda s, of=part: plan.basis.horizon.label(int(of.first[s])),
                lambda s, due=begins: plan.basis.horizon.label(int(due[s])),
                begins == part.first,
                remark="where its flows begin",
            )
            yield part, [lines[name] for name in part.names]


# Shocks with flows.


def _audit_flows(
    plan: PlanAccounts, baseline: BaselineAccounts, result: Result, flows: ManyFlows, outcomes: Sequence[Outcome]
) -> ShockAccounts:
    """Check rows, survival, gaps, costs and labels of shocks whose windows have one length."""
    basis, names = plan.basis, flows.names
    shocks = [basis.events[name] for name in names]
    times = np.array([shock.periods for shock in shocks])
    if any(row.shape != times.shape for row in flows.rows.values()):
        raise ValueError("flows do not have the length of their windows")
    paths = shock_paths(basis, [shock.spec for shock in shocks], times, flows, basis.delta)
    check_paths(plan, paths)
    found = [_recompute_segment(basis, paths, d) for d in basis.instance.demands]
    for each in found:
        _check_stated_services(basis, each, outcomes, result.format)
        _check_stated_worst(basis, each, result)
        _check_unserved(basis.report, each.segment, outcomes, each.shortage, each.least_scale)
    _check_least_margins(basis, found, outcomes, result.format)
    cost = _check_gaps_and_costs(plan, paths, found, outcomes)
    _check_labels(basis, outcomes, sum((each.below > 0 for each in found), np.zeros(len(outcomes), dtype=bool)))
    return ShockAccounts(
        {each.segment: float(each.ranks(result.format, 2 * AUDIT_RELATIVE).min()) for each in found},
        {each.segment: int((each.below > 0).sum()) for each in found},
        {each.segment: _worst_periods(basis, each, outcomes) for each in found},
        _expected_cost(baseline, shocks, cost),
    )


def _recompute_segment(basis: AuditBasis, paths: Paths, d: str) -> SegmentAccounts:
    """Recompute the figures of one segment from the flows."""
    demanded, unserved = basis.demanded(paths, d), paths.flows[d, "unserved"]
    usual, own = basis.by_period(basis.instance.demands[d].survival), paths.override("survival", d, math.nan)
    floors = np.where(np.isnan(own), usual[paths.times], own)
    served = 1.0 - np.divide(unserved, demanded, out=np.zeros(demanded.shape), where=demanded > 0)
    short = unserved - (1.0 - floors) * demanded
    fails = short > AUDIT_RELATIVE * demanded
    return SegmentAccounts(
        segment=d,
        paths=paths,
        margins=served - floors,
        floors=floors,
        below=np.where(fails, short, 0.0).sum(axis=1),
        shortage=unserved.sum(axis=1),
        failure=np.where(fails.any(axis=1), fails.argmax(axis=1), -1),
        least_scale=np.maximum(basis.scales.least, demanded.sum(axis=1)),
    )


def _check_stated_services(
    basis: AuditBasis, found: SegmentAccounts, outcomes: Sequence[Outcome], file_format: int
) -> None:
    """Check the figures that outcomes state of a segment against the recomputed ones."""
    d, paths = found.segment, found.paths
    report, every, cost = basis.report, paths.flows.names, basis.instance.demands[d].shortage_cost
    is_stated = np.array([d in outcome.segments for outcome in outcomes])
    is_due = np.array([outcome.flows is not None for outcome in outcomes]) | (found.below > 0)
    report.holds(lambda s: f"{every[s]}/{d}", "its figures are missing", is_stated | ~is_due)
    who = [s for s, outcome in enumerate(outcomes) if d in outcome.segments]
    stated, names = [outcomes[s].segments[d] for s in who], [f"{every[s]}/{d}" for s in who]
    below, shortage, least_scale = found.below[who], found.shortage[who], found.least_scale[who]
    report.agree(_rows(names, "below_floor"), [each.below_floor for each in stated], below, least_scale=least_scale)
    report.agree(_rows(names, "shortage"), [each.shortage for each in stated], shortage, least_scale=least_scale)
    report.agree(_rows(names, "gap"), [each.gap for each in stated], cost * below, cost * least_scale)
    for row, s, each in zip(names, who, stated, strict=True):
        first = None if found.failure[s] < 0 else basis.labels[paths.times[s, found.failure[s]]]
        report.matches(f"{row}.first_failure", each.first_failure, first)
    # The worst period has the least margin, and of equal margins the least served.
    worst = [each.worst_period for each in stated]
    margin, floor = (_at(basis, paths, who, worst, numbers) for numbers in (found.margins, found.floors))
    margins, served = (np.array([getattr(each, of) for each in stated]) for of in ("margin", "worst_service"))
    claimed, lax, ranks = (
        _rank(file_format, margins, served, DOUBT),
        *(found.ranks(file_format, full)[who] for full in (DOUBT, 2 * AUDIT_RELATIVE)),
    )
    ends = lax.min(axis=1), ranks.min(axis=1)
    least = np.where(np.abs(claimed - ends[0]) < np.abs(claimed - ends[1]), *ends)
    report.agree(_rows(names, "margin"), claimed, least, 1.0)
    report.agree(_rows(names, "worst_period"), margins, margin, 1.0)
    report.agree(_rows(names, "floor"), [each.floor for each in stated], floor, 1.0)
    lowest = np.where(ranks <= claimed[:, None] + EQUAL, found.served[who], math.inf)
    report.at_most(_rows(names, "worst_service"), served, lowest.min(axis=1), 1.0)


def _rows(names: Sequence[str], what: str) -> Any:
    return lambda i: f"{names[i]}.{what}"


def _at(basis: AuditBasis, paths: Paths, who: Sequence[int], periods: Sequence[str], numbers: Array) -> Array:
    """Return an array's element at one period of each given shock; infinite if the window lacks the period."""
    places = np.array([_place(basis, period) for period in periods], dtype=np.intp) - paths.times[who, 0]
    inside = (places >= 0) & (places < paths.times.shape[1])
    return np.where(inside, numbers[who, np.where(inside, places, 0)], math.inf)


def _place(basis: AuditBasis, label: str) -> int:
    return basis.labels.index(label) if label in basis.labels else -1


def _rank(file_format: int, margins: Array, served: Array, full: float) -> Array:
    """Return the rank, lowest first, by which the stated period is chosen.

    Periods that go short and have a floor come first, then short ones without a floor, then fully served ones; within
    each group the margin decides.

    Demand counts as served in full if a share of less than `full` is unserved: in doubt, either statement is right.
    Files of format 2 rank by margins alone.
    """
    if file_format < RANKED:
        return margins
    short = np.where(served - margins > AUDIT_RELATIVE, 0.0, 2.0)
    return margins + np.where(served < 1.0 - full, short, 4.0)


def _claimed_rank(file_format: int, stated: Weakest) -> float:
    return float(_rank(file_format, np.array(stated.margin), np.array(stated.worst_service), DOUBT))


def _check_stated_worst(basis: AuditBasis, found: SegmentAccounts, result: Result) -> None:
    """Check the stated worst shock of a segment, if it is among these shocks."""
    d, paths, report = found.segment, found.paths, basis.report
    stated, names = result.services[d], paths.flows.names
    equal = found.ranks(result.format, 2 * AUDIT_RELATIVE) <= _claimed_rank(result.format, stated) + EQUAL
    lowest = float(np.min(found.served, where=equal, initial=math.inf))
    report.at_most(f"services/{d}.worst_service", stated.worst_service, lowest, 1.0)
    if stated.worst_shock in names:
        who, period = [names.index(stated.worst_shock)], [stated.worst_period]
        floor = float(_at(basis, paths, who, period, found.floors)[0])
        margin = float(_at(basis, paths, who, period, found.margins)[0])
        report.agree(f"services/{d}.floor", stated.floor, floor, 1.0)
        report.agree(f"services/{d}.worst_service", stated.worst_service, margin + floor, 1.0)


def _check_least_margins(
    basis: AuditBasis, found: Sequence[SegmentAccounts], outcomes: Sequence[Outcome], file_format: int
) -> None:
    """Check that the least margin of each shock is that of a stated segment."""
    if found:
        is_stated = [[each.segment in outcome.segments for outcome in outcomes] for each in found]
        ours = [each.ranks(file_format, DOUBT).min(axis=1) for each in found]
        stated = np.where(is_stated, ours, math.inf).min(axis=0)
        least = np.array([each.ranks(file_format, 2 * AUDIT_RELATIVE).min(axis=1) for each in found]).min(axis=0)
        basis.report.at_most(lambda s: f"{outcomes[s].name}.margin", stated, least, 1.0)


def _check_gaps_and_costs(
    plan: PlanAccounts, paths: Paths, found: Sequence[SegmentAccounts], outcomes: Sequence[Outcome]
) -> Array:
    """Check the gap and the cost of each shock; return the costs, present value."""
    basis, names, gap = plan.basis, paths.flows.names, np.zeros(len(outcomes))
    for each in found:
        gap = gap + basis.instance.demands[each.segment].shortage_cost * each.below
    parts = [amount.sum(axis=1) for amount in operating_costs(plan, paths).values()]
    cost = np.asarray(np.sum(parts, axis=0))
    stated_gaps, stated_costs = [each.gap for each in outcomes], [each.cost for each in outcomes]
    basis.report.agree(lambda s: f"{names[s]}.gap", stated_gaps, gap, least_scale=AUDIT_MONEY_SCALE)
    # The error of a negligible cost is relative to the shortage cost of the least scale of demand.
    dearest = max((demand.shortage_cost for demand in basis.instance.demands.values()), default=0.0)
    least_scale = max(AUDIT_MONEY_SCALE, basis.scales.least * dearest)
    basis.report.agree(lambda s: f"{names[s]}.cost", stated_costs, cost, *parts, least_scale=least_scale)
    return cost


def _check_labels(basis: AuditBasis, outcomes: Sequence[Outcome], fails: npt.NDArray[np.bool_]) -> None:
    """Check the stated survival, window and probability of each shock."""

    def name(s: int) -> str:
        return outcomes[s].name

    shocks, report = [basis.events[outcome.name] for outcome in outcomes], basis.report
    windows = [(basis.labels[shock.periods[0]], basis.labels[shock.periods[-1]]) for shock in shocks]
    survives = np.array([outcome.survives for outcome in outcomes], dtype=bool)
    fits = np.array([(o.first, o.last) == window for o, window in zip(outcomes, windows, strict=True)], dtype=bool)
    stated, likely = [outcome.probability for outcome in outcomes], [shock.probability for shock in shocks]
    words = ("that it fails", "that it survives")
    report.matches(name, lambda s: words[int(survives[s])], lambda s: words[int(not fails[s])], survives != fails)
    report.matches(
        name, lambda s: (outcomes[s].first, outcomes[s].last), lambda s: windows[s], fits, remark="its window"
    )
    report.agree(lambda s: f"{name(s)}.probability", stated, likely, least_scale=FINE_ROUNDING)


def _expected_cost(baseline: BaselineAccounts, shocks: Sequence[Shock], cost: Array) -> float:
    """Return the expected cost of shocks beyond the baseline."""
    baseline_cost = np.array([baseline.by_period[shock.periods].sum() for shock in shocks])
    return math.fsum(np.array([shock.probability for shock in shocks]) * (cost - baseline_cost))


def _worst_periods(basis: AuditBasis, found: SegmentAccounts, outcomes: Sequence[Outcome]) -> dict[str, WorstPeriod]:
    """Return the first worst period of a segment, by shock whose flows the result holds."""
    own = [s for s, outcome in enumerate(outcomes) if outcome.flows is not None]
    places = zip(own, weakest(found.margins[own], found.served[own], axis=1), strict=True)
    return {
        outcomes[s].name: WorstPeriod(
            basis.labels[found.paths.times[s, i]], float(found.margins[s, i]), float(found.served[s, i])
        )
        for s, i in places
    }


# Shocks kept as lines without flows.


def _audit_lines(
    basis: AuditBasis, baseline: BaselineAccounts, file_format: int, lines: Sequence[Outcome]
) -> ShockAccounts:
    """Check the consistency of shocks without flows."""
    for outcome in lines:
        gaps = [service.gap for service in outcome.segments.values()]
        basis.report.agree(f"{outcome.name}.gap", outcome.gap, math.fsum(gaps), *gaps, least_scale=AUDIT_MONEY_SCALE)
    fails = [any(service.below_floor > 0 for service in each.segments.values()) for each in lines]
    _check_labels(basis, lines, np.array(fails, dtype=bool))
    least, failed = dict[str, float](), dict[str, int]()
    for d in basis.instance.demands:
        of_it = [(basis.events[each.name], each.segments[d]) for each in lines if d in each.segments]
        if of_it:
            shocks, stated = zip(*of_it, strict=True)
            _check_services_of_lines(basis, d, shocks, stated)
            margins, served = (np.array([getattr(each, of) for each in stated]) for of in ("margin", "worst_service"))
            least[d] = float(_rank(file_format, margins, served, 2 * AUDIT_RELATIVE).min())
            failed[d] = sum(each.below_floor > 0 for each in stated)
        _check_unserved_of_lines(basis, d, lines)
    cost = np.array([each.cost for each in lines])
    expected = _expected_cost(baseline, [basis.events[each.name] for each in lines], cost)
    return ShockAccounts(least, failed, {}, expected)


def _check_services_of_lines(basis: AuditBasis, d: str, shocks: Sequence[Shock], stated: Sequence[Service]) -> None:
    """Check the floor of a segment in lines, and that its figures agree with each other."""
    report, rows = basis.report, [f"{shock.name}/{d}" for shock in shocks]
    cost = basis.instance.demands[d].shortage_cost
    below, shortage, margins = (
        np.array([getattr(each, of) for each in stated]) for of in ("below_floor", "shortage", "margin")
    )
    floors = [_floor(basis, d, *pair) for pair in zip(shocks, stated, strict=True)]
    demanded = np.array([_total_demand(basis, d, shock) for shock in shocks])
    least_scale = np.maximum(basis.scales.least, demanded)
    report.agree(_rows(rows, "floor"), [each.floor for each in stated], floors, 1.0)
    report.agree(_rows(rows, "gap"), [each.gap for each in stated], cost * below, cost * least_scale)
    report.at_most(_rows(rows, "below_floor"), 0.0, below, least_scale=least_scale)
    report.at_most(_rows(rows, "below_floor"), below, shortage, least_scale=least_scale)
    report.at_most(_rows(rows, "shortage"), shortage, demanded, least_scale=least_scale)
    report.at_most(_rows(rows, "margin"), np.where(below > 0, margins, -margins), 0.0, 1.0)
    is_stated = [(each.first_failure is not None) == (each.below_floor > 0) for each in stated]
    row, agree = _rows(rows, "first_failure"), np.array(is_stated)
    report.matches(row, lambda s: stated[s].first_failure, lambda s: words_if_due(is_due=bool(below[s] > 0)), agree)


def _floor(basis: AuditBasis, d: str, shock: Shock, stated: Service) -> float:
    t = _place(basis, stated.worst_period)
    usual = basis.by_period(basis.instance.demands[d].survival)[t]
    return float(shock.spec.survival.get(d, usual)) if t in shock.periods else math.inf


def _check_unserved(
    report: AuditReport, d: str, outcomes: Sequence[Outcome], shortage: Array, least_scale: Array
) -> None:
    """Check the unserved demand that lines state of a segment against the recomputed `shortage`, t by shock."""
    who = [s for s, outcome in enumerate(outcomes) if outcome.unserved is not None]
    stated = [(outcomes[s].unserved or {}).get(d, 0.0) for s in who]
    report.agree(lambda i: f"{outcomes[who[i]].name}/{d}.unserved", stated, shortage[who], least_scale=least_scale[who])


def _check_unserved_of_lines(basis: AuditBasis, d: str, lines: Sequence[Outcome]) -> None:
    """Check the unserved demand stated by lines against the same line's segment, or the most its floor allows."""
    some = [line for line in lines if line.unserved is not None]
    shocks = [basis.events[line.name] for line in some]
    stated = np.array([(line.unserved or {}).get(d, 0.0) for line in some])
    named = np.array([line.segments[d].shortage if d in line.segments else np.nan for line in some])
    most = np.array([_most_above_floor(basis, d, shock) for shock in shocks])
    demanded = np.array([_total_demand(basis, d, shock) for shock in shocks])
    least_scale = np.maximum(basis.scales.least, demanded)

    def row(s: int) -> str:
        return f"{some[s].name}/{d}.unserved"

    report, is_named = basis.report, ~np.isnan(named)
    report.agree(row, stated, np.where(is_named, named, stated), least_scale=least_scale)
    report.at_most(row, 0.0, stated, least_scale=least_scale)
    report.at_most(row, stated, np.where(is_named, demanded, most), least_scale=least_scale)


def _most_above_floor(basis: AuditBasis, d: str, shock: Shock) -> float:
    """Return the largest unserved demand of a segment whose floor holds, t."""
    demand, own = basis.instance.demands[d], shock.spec.survival.get(d)
    floors = basis.by_period(demand.survival)[shock.periods] if own is None else own
    usual = basis.by_period(demand.quantity)[shock.periods] * basis.delta
    return float(((1.0 - floors) * usual).sum() * shock.spec.demand.get(d, 1.0))


def _total_demand(basis: AuditBasis, d: str, shock: Shock) -> float:
    """Return the demand of a segment over the window of a shock, t."""
    usual = basis.by_period(basis.instance.demands[d].quantity)[shock.periods].sum() * basis.delta
    return float(usual * shock.spec.demand.get(d, 1.0))


# The worst of all shocks.


def check_services(basis: AuditBasis, shocks: ShockAccounts, result: Result) -> None:
    """Check the stated worst of each segment over all shocks; lines without flows give a bound on it."""
    due = sorted(basis.instance.demands) if basis.events else []
    basis.report.matches("services", sorted(result.services), due)
    for d, stated in result.services.items():
        row, known = f"services/{d}", stated.worst_shock in basis.events
        basis.report.holds(row, f"{stated.worst_shock} is no shock", known)
        basis.report.agree(f"{row}.shocks_failed", stated.shocks_failed, shocks.failed[d], least_scale=1.0)
        basis.report.at_most(f"{row}.margin", _claimed_rank(result.format, stated), shocks.least[d], 1.0)


# Rules about time to survive.


def check_survival_rules(plan: PlanAccounts, endured: Mapping[str, Flows]) -> None:
    """Check the flows that prove each rule about time to survive, row by row, in every year from the rule's first on.

    A plan obeys a rule if some flows over its months keep every floor while the cuts last, with all rates as in the
    first period of a year, and stocks as just before it, without losses. The result holds such flows.
    """
    basis, expected = plan.basis, set[str]()
    for i, rule in enumerate(basis.instance.policy.min_time_to_survive):
        spec = ShockSpec.model_construct(start=(), months=0.0, cuts=rule.cuts, deliberate=rule.deliberate)
        for year in basis.horizon.years:
            if rule.from_ is None or year >= rule.from_:
                name = f"min_time_to_survive_{i}@{year}"
                expected.add(name)
                _check_survival(plan, name, year, rule.months / 12, spec, endured.get(name))
    basis.report.matches("policy.min_time_to_survive", set(endured), expected)


def _check_survival(
    plan: PlanAccounts, name: str, year: int, span: float, spec: ShockSpec, flows: Flows | None
) -> None:
    """Check that flows survive the cuts over `span` years from the start of a calendar year."""
    basis, t = plan.basis, (year - plan.basis.horizon.start) * plan.basis.horizon.per_year
    if flows is None:
        basis.report.holds(name, "the flows that prove the rule are missing", False)
        return
    if not flows_fit(plan, name, flows, [t]):
        return
    stacked = stack_flows(plan, [name], [flows])
    paths = shock_paths(basis, [spec], np.array([[t]]), stacked, span, is_steady=True)
    check_paths(plan, paths)
    for d, demand in basis.instance.demands.items():
        demanded, unserved, floor = basis.demanded(paths, d), paths.flows[d, "unserved"], demand.survival
        most = (1.0 - basis.by_period(floor)[paths.times]) * demanded
        least_scale = basis.scales.segments[d]
        basis.report.at_most(paths.row(f"{d}.floor"), unserved, most, demanded, least_scale=least_scale)
