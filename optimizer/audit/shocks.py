"""Check the figures of the shocks: segments, gap, cost and survival of each, and the worst shock of each segment.

Shocks whose flows are at hand are recomputed from them; of one that is only a line, what the line says of itself.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.audit.auditor import Paths
from optimizer.audit.report import TOLERANCE
from optimizer.audit.rows import PathRows
from optimizer.disruptions.shock import Shock, ShockSpec
from optimizer.results.plan import Array, Flows, ManyFlows, Outcome, Service, Weakest
from optimizer.tolerances import AUDIT_MONEY, FINE_ROUNDING

# Shocks that are audited at once, which bounds the memory.
SHOCKS_AT_ONCE = 1000
# Margins so near to each other count as equal, and the least served of them is named; this near in any arithmetic.
EQUAL = TOLERANCE / 4
# The first format of plan files whose worst periods and shocks follow `_rank`.
RANKED = 3
# Between these shares unserved, rounding decides whether demand counts as served in full.
DOUBT = TOLERANCE / 2


@dataclass(frozen=True)
class Found:
    """One segment in some shocks: arrays (shocks,), or (shocks, periods) for `margins` and `floors`.

    `failure` is the offset of the first period below the floor, -1 where there is none; errors are measured against at
    least `least_scale`, t.
    """

    margins: Array
    floors: Array
    below: Array
    shortage: Array
    failure: npt.NDArray[np.intp]
    least_scale: Array


class ShockRows(PathRows):
    """The rows of every shock."""

    def _check_baseline(self, flows: Flows) -> None:
        """The baseline's rows and costs; and what each period of it costs, in present value."""
        if not self._fits("baseline", flows, self.periods):
            raise ValueError("the baseline is another")
        paths = Paths(
            (), np.array([self.periods]), self.labels, self._stack_flows(["baseline"], [flows]), {}, {}, self.delta
        )
        self._check_paths(paths)
        for auditor, operation in self._operations(paths):
            outlay = np.broadcast_to(auditor.operating_outlay(operation), paths.times.shape)[0]
            for t in self.periods:
                self.report.outlays[str(self.year(t))] += float(outlay[t])
        self.discounts = np.array([self.discount(t) for t in self.periods])
        parts = {part: (amount * self.discounts)[0] for part, amount in self._operating(paths).items()}
        for part, amount in parts.items():
            self.report.costs[part] += math.fsum(amount)
        self.baseline_cost = np.sum(list(parts.values()), axis=0)

    def _operating(self, paths: Paths) -> dict[str, Array]:
        """Operating cost by part, undiscounted: arrays (paths, periods)."""
        parts = {part: np.zeros(paths.times.shape) for part in ("operation", "price support", "shortage")}
        for auditor, operation in self._operations(paths):
            for part, amount in auditor.operating_costs(operation).items():
                parts[part] = parts.get(part, 0.0) + amount
        for d, demand in self.instance.demands.items():
            parts["shortage"] += demand.shortage_cost * paths.flows[d, "unserved"]
        return parts

    def _check_shocks(self, many: Sequence[ManyFlows]) -> None:
        """Every shock: recomputed where its flows are at hand."""
        self.events = {event.name: event for event in self.instance.events}
        self.least, self.failed = (
            dict.fromkeys(self.instance.demands, math.inf),
            dict.fromkeys(self.instance.demands, 0),
        )
        named = [outcome.name for outcome in self.result.shocks]
        self.report.holds("shocks", "they are not those of the instance", sorted(named) == sorted(self.events))
        lines = {outcome.name: outcome for outcome in self.result.shocks}
        for flows, outcomes in self._groups(many):
            paths = self._shock_paths(flows)
            self._check_paths(paths)
            self._check_outcomes(paths, outcomes)
            for name in flows.names:
                lines.pop(name, None)
        self.lines = list(lines.values())
        self._check_lines()

    def _shock_paths(self, flows: ManyFlows) -> Paths:
        """The paths of shocks with their flows."""
        shocks = [self.events[name] for name in flows.names]
        times = np.array([shock.periods for shock in shocks])
        if any(row.shape != times.shape for row in flows.rows.values()):
            raise ValueError("flows are of another length than their windows")
        specs = [shock.spec for shock in shocks]
        deliberate_cuts, other_cuts = self._lost_shares(specs, times.shape[1])
        return Paths(specs, times, self.labels, flows, deliberate_cuts, other_cuts, self.delta)

    def _groups(self, many: Sequence[ManyFlows]) -> Iterator[tuple[ManyFlows, list[Outcome]]]:
        """Shocks with windows of one length, at most `SHOCKS_AT_ONCE`: a result's own flows, then its lines'."""
        own: dict[int, list[Outcome]] = {}
        for each in self.result.shocks:
            periods = self.events[each.name].periods
            if each.flows is not None and self._fits(each.name, each.flows, periods):
                own.setdefault(len(periods), []).append(each)
        for some in own.values():
            yield self._stack_flows([each.name for each in some], [each.flows for each in some if each.flows]), some
        lines = {each.name: each for each in self.result.shocks if each.flows is None}
        for flows in many:
            which = [i for i, name in enumerate(flows.names) if name in lines]
            for first in range(0, len(which), SHOCKS_AT_ONCE):
                part = flows.some(which[first : first + SHOCKS_AT_ONCE])
                begins = np.array([self.events[name].periods.start for name in part.names])
                self.report.holds(lambda s, of=part: of.names[s], "its flows begin elsewhere", begins == part.first)
                yield part, [lines[name] for name in part.names]

    def _check_outcomes(self, paths: Paths, outcomes: Sequence[Outcome]) -> None:
        """Survival, gaps, costs and labels of some shocks."""
        names, count = paths.flows.names, len(outcomes)
        gap, least, stated_margins = np.zeros(count), np.full(count, math.inf), np.full(count, math.inf)
        fails = np.zeros(count, dtype=bool)
        for d, demand in self.instance.demands.items():
            found = self._recompute_segment(paths, d)
            is_stated = np.array([d in outcome.segments for outcome in outcomes])
            is_due = np.array([outcome.flows is not None for outcome in outcomes]) | (found.below > 0)
            self.report.holds(lambda s, d=d: f"{names[s]}/{d}", "nothing is stated of it", is_stated | ~is_due)
            self._check_stated_services(paths, outcomes, d, found)
            self._check_stated_weakest(paths, d, found)
            gap, fails = gap + demand.shortage_cost * found.below, fails | (found.below > 0)
            served = found.margins + found.floors
            least = np.minimum(least, self._rank(found.margins, served, 2 * TOLERANCE).min(axis=1))
            ours = self._rank(found.margins, served, DOUBT).min(axis=1)
            stated_margins = np.minimum(stated_margins, np.where(is_stated, ours, math.inf))
        if self.instance.demands:
            self.report.at_most(lambda s: f"{names[s]}.margin", stated_margins, least, 1.0)
        parts = [(amount * self.discounts[paths.times]).sum(axis=1) for amount in self._operating(paths).values()]
        cost = np.sum(parts, axis=0)
        self.report.equal(
            lambda s: f"{names[s]}.gap", [outcome.gap for outcome in outcomes], gap, least_scale=AUDIT_MONEY
        )
        # Of a shock that costs next to nothing, an error is judged against the value of the least scale of demand.
        dearest = max((demand.shortage_cost for demand in self.instance.demands.values()), default=0.0)
        least_scale = max(AUDIT_MONEY, self.least_scale * dearest)
        self.report.equal(
            lambda s: f"{names[s]}.cost", [each.cost for each in outcomes], cost, *parts, least_scale=least_scale
        )
        self._check_labels(outcomes, fails)
        self._check_expected_cost([self.events[name] for name in names], cost)

    def _check_labels(self, outcomes: Sequence[Outcome], fails: npt.NDArray[np.bool_]) -> None:
        """The stated survival, windows and probabilities of some shocks."""

        def name(s: int) -> str:
            return outcomes[s].name

        shocks = [self.events[outcome.name] for outcome in outcomes]
        windows = [(self.labels[shock.periods[0]], self.labels[shock.periods[-1]]) for shock in shocks]
        survives = np.array([outcome.survives for outcome in outcomes], dtype=bool)
        fits = np.array([(o.first, o.last) == window for o, window in zip(outcomes, windows, strict=True)], dtype=bool)
        stated, likely = [outcome.probability for outcome in outcomes], [shock.probability for shock in shocks]
        self.report.holds(name, lambda s: f"it is stated to survive: {outcomes[s].survives}", survives != fails)
        self.report.holds(name, "its window is another", fits)
        self.report.equal(lambda s: f"{name(s)}.probability", stated, likely, least_scale=FINE_ROUNDING)

    def _check_expected_cost(self, shocks: Sequence[Shock], cost: Array) -> None:
        """What shocks cost above the baseline, by their probability."""
        baseline_cost = np.array([self.baseline_cost[shock.periods].sum() for shock in shocks])
        likely = np.array([shock.probability for shock in shocks])
        self.report.costs["expected shocks"] += math.fsum(likely * (cost - baseline_cost))

    def _floors(self, paths: Paths, d: str) -> Array:
        usual, own = self.by_period(self.instance.demands[d].survival), paths.override("survival", d, math.nan)
        return np.where(np.isnan(own), usual[paths.times], own)

    def _recompute_segment(self, paths: Paths, d: str) -> Found:
        """One segment's figures, recomputed from the flows."""
        demanded, unserved, floors = self._demand(paths, d), paths.flows[d, "unserved"], self._floors(paths, d)
        served = 1.0 - np.divide(unserved, demanded, out=np.zeros(demanded.shape), where=demanded > 0)
        short = unserved - (1.0 - floors) * demanded
        fails = short > TOLERANCE * demanded
        return Found(
            margins=served - floors,
            floors=floors,
            below=np.where(fails, short, 0.0).sum(axis=1),
            shortage=unserved.sum(axis=1),
            failure=np.where(fails.any(axis=1), fails.argmax(axis=1), -1),
            least_scale=np.maximum(self.least_scale, demanded.sum(axis=1)),
        )

    def _check_stated_services(self, paths: Paths, outcomes: Sequence[Outcome], d: str, found: Found) -> None:
        """One segment's figures against what outcomes say of it."""
        who = [s for s, outcome in enumerate(outcomes) if d in outcome.segments]
        stated = [outcomes[s].segments[d] for s in who]
        demand, names = self.instance.demands[d], [f"{paths.flows.names[s]}/{d}" for s in who]
        below, least_scale, margins = found.below[who], found.least_scale[who], found.margins[who]
        at, floor = (
            self._at(paths, who, [service.worst_period for service in stated], n) for n in (found.margins, found.floors)
        )
        self.report.equal(
            _rows(names, "below_floor"), [each.below_floor for each in stated], below, least_scale=least_scale
        )
        self.report.equal(
            _rows(names, "shortage"), [each.shortage for each in stated], found.shortage[who], least_scale=least_scale
        )
        served, stated_margins = (
            np.array([getattr(each, of) for each in stated]) for of in ("worst_service", "margin")
        )
        all_served, claimed = margins + found.floors[who], self._rank(stated_margins, served, DOUBT)
        lax, ranks = (self._rank(margins, all_served, full) for full in (DOUBT, 2 * TOLERANCE))
        ends = lax.min(axis=1), ranks.min(axis=1)
        least = np.where(np.abs(claimed - ends[0]) < np.abs(claimed - ends[1]), *ends)
        self.report.equal(_rows(names, "margin"), claimed, least, 1.0)
        self.report.equal(_rows(names, "worst_period"), at, stated_margins, 1.0)
        self.report.equal(_rows(names, "floor"), [each.floor for each in stated], floor, 1.0)
        lowest = np.where(ranks <= claimed[:, None] + EQUAL, all_served, math.inf)
        self.report.at_most(_rows(names, "worst_service"), served, lowest.min(axis=1), 1.0)
        cost = demand.shortage_cost
        self.report.equal(_rows(names, "gap"), [each.gap for each in stated], cost * below, cost * least_scale)
        for row, s, each in zip(names, who, stated, strict=True):
            first = None if found.failure[s] < 0 else self.labels[paths.times[s, found.failure[s]]]
            self.report.holds(f"{row}.first_failure", f"it is {first}", each.first_failure == first)

    def _at(self, paths: Paths, who: Sequence[int], periods: Sequence[str], numbers: Array) -> Array:
        """What numbers are in one period of each of some shocks; infinite where the period is not in the window."""
        places = np.array([self._place(period) for period in periods], dtype=np.intp) - paths.times[who, 0]
        inside = (places >= 0) & (places < paths.times.shape[1])
        return np.where(inside, numbers[who, np.where(inside, places, 0)], math.inf)

    def _place(self, label: str) -> int:
        return self.labels.index(label) if label in self.labels else -1

    def _check_stated_weakest(self, paths: Paths, d: str, found: Found) -> None:
        """What a segment's worst is stated to be, where its shock is among these; and what it really is so far."""
        stated, names = self.result.services[d], paths.flows.names
        ranks = self._rank(found.margins, found.margins + found.floors, 2 * TOLERANCE)
        self.least[d] = min(self.least[d], float(ranks.min()))
        self.failed[d] += int((found.below > 0).sum())
        equal = ranks <= self._claimed_rank(stated) + EQUAL
        lowest = float(np.min(found.margins + found.floors, where=equal, initial=math.inf))
        self.report.at_most(f"services/{d}.worst_service", stated.worst_service, lowest, 1.0)
        if stated.worst_shock in names:
            who = [names.index(stated.worst_shock)]
            floor = float(self._at(paths, who, [stated.worst_period], found.floors)[0])
            margin = float(self._at(paths, who, [stated.worst_period], found.margins)[0])
            self.report.equal(f"services/{d}.floor", stated.floor, floor, 1.0)
            self.report.equal(f"services/{d}.worst_service", stated.worst_service, margin + floor, 1.0)

    def _check_services(self) -> None:
        """Each segment's worst over all shocks; lines without flows allow a bound on it."""
        due = sorted(self.instance.demands) if self.events else []
        self.report.holds("services", "they are not those of the instance", sorted(self.result.services) == due)
        for d, stated in self.result.services.items():
            row, known = f"services/{d}", stated.worst_shock in self.events
            self.report.holds(row, f"{stated.worst_shock} is no shock", known)
            self.report.equal(f"{row}.shocks_failed", stated.shocks_failed, self.failed[d], least_scale=1.0)
            self.report.at_most(f"{row}.margin", self._claimed_rank(stated), self.least[d], 1.0)

    def _rank(self, margins: Array, served: Array, full: float) -> Array:
        """The rule that chooses what is stated: margins where demand goes short, then shares served, then what is full.

        Demand counts as served in full where less than `full` of it is not: what is stated may be short or not where
        that is in doubt. Files of format 2 were made by margins alone.
        """
        if self.result.format < RANKED:
            return margins
        short = np.where(served - margins > TOLERANCE, 0.0, 2.0)
        return margins + np.where(served < 1.0 - full, short, 4.0)

    def _claimed_rank(self, stated: Weakest) -> float:
        return float(self._rank(np.array(stated.margin), np.array(stated.worst_service), DOUBT))

    def _check_lines(self) -> None:
        """Shocks whose flows are not at hand: what they say of themselves."""
        for outcome in self.lines:
            gaps = [service.gap for service in outcome.segments.values()]
            self.report.equal(f"{outcome.name}.gap", outcome.gap, math.fsum(gaps), *gaps, least_scale=AUDIT_MONEY)
        fails = [any(service.below_floor > 0 for service in each.segments.values()) for each in self.lines]
        self._check_labels(self.lines, np.array(fails, dtype=bool))
        self._check_expected_cost(
            [self.events[each.name] for each in self.lines], np.array([each.cost for each in self.lines])
        )
        for d in self.instance.demands:
            stated = [(self.events[each.name], each.segments[d]) for each in self.lines if d in each.segments]
            if stated:
                self._check_services_of_lines(d, *zip(*stated, strict=True))

    def _check_services_of_lines(self, d: str, shocks: Sequence[Shock], stated: Sequence[Service]) -> None:
        """One segment of lines: its floor, and that its figures agree with each other."""
        rows, cost = [f"{shock.name}/{d}" for shock in shocks], self.instance.demands[d].shortage_cost
        below, shortage = np.array([each.below_floor for each in stated]), np.array([each.shortage for each in stated])
        margins, floors = (
            np.array([each.margin for each in stated]),
            [self._floor(d, *pair) for pair in zip(shocks, stated, strict=True)],
        )
        demanded = np.array([self._total_demand(d, shock) for shock in shocks])
        least_scale = np.maximum(self.least_scale, demanded)
        self.report.equal(_rows(rows, "floor"), [each.floor for each in stated], floors, 1.0)
        self.report.equal(_rows(rows, "gap"), [each.gap for each in stated], cost * below, cost * least_scale)
        self.report.at_most(_rows(rows, "below_floor"), 0.0, below, least_scale=least_scale)
        self.report.at_most(_rows(rows, "below_floor"), below, shortage, least_scale=least_scale)
        self.report.at_most(_rows(rows, "shortage"), shortage, demanded, least_scale=least_scale)
        self.report.at_most(_rows(rows, "margin"), np.where(below > 0, margins, -margins), 0.0, 1.0)
        is_stated = [(each.first_failure is not None) == (each.below_floor > 0) for each in stated]
        self.report.holds(_rows(rows, "first_failure"), "it is another", np.array(is_stated))
        served = np.array([each.worst_service for each in stated])
        self.least[d] = min(self.least[d], float(self._rank(margins, served, 2 * TOLERANCE).min()))
        self.failed[d] += int((below > 0).sum())

    def _floor(self, d: str, shock: Shock, stated: Service) -> float:
        t = self._place(stated.worst_period)
        usual = self.by_period(self.instance.demands[d].survival)[t]
        return float(shock.spec.survival.get(d, usual)) if t in shock.periods else math.inf

    def _total_demand(self, d: str, shock: Shock) -> float:
        usual = self.by_period(self.instance.demands[d].quantity)[shock.periods].sum() * self.delta
        return float(usual * shock.spec.demand.get(d, 1.0))


def _rows(names: Sequence[str], what: str) -> Any:
    return lambda i: f"{names[i]}.{what}"


class SurvivalRules(ShockRows):
    """Rules about time to survive: the flows that prove them, row by row, in every year from a rule's own on.

    A plan obeys one if there are flows over its months that keep every floor while the cuts last: all rates as in the
    first period of a year, stocks as they were just before it, and nothing lost from them. The result holds such flows.
    """

    def _check_survival_rules(self) -> None:
        expected = set()
        for i, rule in enumerate(self.instance.policy.min_time_to_survive):
            for year in self.horizon.years:
                if rule.from_ is None or year >= rule.from_:
                    name = f"min_time_to_survive_{i}@{year}"
                    expected.add(name)
                    self._check_rule(name, year, rule.months / 12, rule.cuts, deliberate=rule.deliberate)
        self.report.holds("policy.min_time_to_survive", "others are proven", set(self.result.endured) == expected)

    def _check_rule(self, name: str, year: int, span: float, cuts: Any, *, deliberate: bool) -> None:
        flows, t = self.result.endured.get(name), (year - self.horizon.start) * self.horizon.per_year
        if flows is None:
            self.report.holds(name, "no flows show that it holds", False)
            return
        if not self._fits(name, flows, [t]):
            return
        spec = ShockSpec.model_construct(start=(), months=0.0, cuts=cuts, deliberate=deliberate)
        stacked, (deliberate_cuts, other_cuts) = self._stack_flows([name], [flows]), self._lost_shares([spec], 1)
        paths = Paths([spec], np.array([[t]]), self.labels, stacked, deliberate_cuts, other_cuts, span, is_steady=True)
        self._check_paths(paths)
        for d in self.instance.demands:
            demanded, unserved = self._demand(paths, d), paths.flows[d, "unserved"]
            floor = self.by_period(self.instance.demands[d].survival)[paths.times]
            row = paths.row(f"{d}.floor")
            self.report.at_most(row, unserved, (1.0 - floor) * demanded, demanded, least_scale=self.scales.segments[d])
