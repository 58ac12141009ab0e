"""The plan again, in plain arithmetic of its own: no PuLP, no HiGHS, and none of the levers' code.

From the builds, the stock purchases and the flows alone it recomputes lead times, ramps, capacities, stocks, balances,
floors, costs and outlay, and holds every row and every figure of the result against them. A row may be off by a
millionth of its own largest term, so that grams of dysprosium are judged as grams.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optimizer.errors import AuditError
from optimizer.instance.schema import Instance
from optimizer.plan import Build, Flows, Outcome, Result
from optimizer.shocks import Shock

TOLERANCE = 1e-6
PRODUCING = ("ally", "refining", "recycling")
PARTS = (
    "capex", "fixed cost", "fixed opex", "stock purchases", "stock holding", "stock salvage",
    "operation", "price support", "substitution", "shortage", "expected shocks",
)  # fmt: skip


@dataclass
class Report:
    """What the audit found.

    Attributes:
        rows: how many rows and figures were checked.
        worst: the largest disagreement, relative to its row's largest term.
        disagreements: every row that is off by more than the tolerance, in words.
        costs: present value by part.
        outlays: by calendar year, undiscounted, the budget's share.
    """

    rows: int = 0
    worst: float = 0.0
    disagreements: list[str] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    outlays: dict[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether nothing disagrees."""
        return not self.disagreements

    def require(self) -> "Report":
        """The report itself.

        Raises:
            AuditError: something disagrees.
        """
        if self.disagreements:
            raise AuditError(self.disagreements)
        return self

    def to_dict(self) -> dict[str, Any]:
        """For JSON: whether it is well, rows checked, worst disagreement."""
        return {"ok": self.ok, "rows": self.rows, "worst": self.worst, "disagreements": list(self.disagreements)}

    def at_most(self, row: str, left: float, right: float, *terms: float, grain: float = 0.0) -> None:
        """Check ``left ≤ right`` within a millionth of the largest term, or of `grain` where all are smaller."""
        self._note(row, max(0.0, left - right), f"{left:.9g} exceeds {right:.9g}", (left, right, *terms), grain)

    def equal(self, row: str, left: float, right: float, *terms: float, grain: float = 0.0) -> None:
        """Check ``left = right`` likewise."""
        self._note(row, abs(left - right), f"{left:.9g} is not {right:.9g}", (left, right, *terms), grain)

    def holds(self, row: str, what: str, holds: bool) -> None:
        """Check something that is true or false."""
        self.rows += 1
        if not holds:
            self.disagreements.append(f"{row}: {what}")

    def _note(self, row: str, off: float, words: str, terms: Iterable[float], grain: float) -> None:
        self.rows += 1
        largest = max(grain, *(abs(term) for term in terms))
        relative = off / largest if largest > 0 else 0.0
        if not math.isfinite(relative):
            relative = math.inf
        self.worst = max(self.worst, relative)
        if relative > TOLERANCE:
            self.disagreements.append(f"{row}: {words}, off by {off:.3g} ({relative:.2g} of the largest term)")


def audit(instance: Instance, result: Result) -> Report:
    """Recompute a result.

    Args:
        instance: the instance that the result claims to answer.
        result: a result of `solve`, or one that was saved, or changed by hand.

    Returns:
        The report; `Report.require` turns disagreements into an error.
    """
    report = Report()
    if result.status == "none":
        return report
    try:
        _Audit(instance, result, report).run()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        report.disagreements.append(f"the plan does not fit its instance: {type(error).__name__}: {error}")
    return report


class _Audit:
    """One audit; every method is one part of the model."""

    def __init__(self, instance: Instance, result: Result, report: Report) -> None:
        self.instance, self.result, self.report = instance, result, report
        self.horizon = instance.horizon
        self.delta = instance.horizon.delta
        self.periods = list(instance.horizon.periods)
        self.builds: dict[str, list[Build]] = {o: [] for o in instance.options}
        # Below this many tonnes a flow is noise of the solver's own tolerance.
        self.grain = 1e-6 * max(
            (
                demand.quantity.at(year) * self.delta
                for demand in instance.demands.values()
                for year in self.horizon.years
            ),
            default=0.0,
        )

    def run(self) -> None:
        for build in self.result.plan.builds:
            self.builds[build.option].append(build)
        for o in self.instance.options:
            self._sizes(o)
        self._ties()
        self.working = {o: [self._working(o, t) for t in self.periods] for o in self.instance.options}
        self.levels = {o: [self._level(o, t) for t in self.periods] for o in self.instance.options}
        self.stocks = {o: self._stock(o) for o, option in self.instance.options.items() if option.kind == "stockpile"}
        self._investment()
        baseline = self.result.baseline
        if baseline is None:
            raise ValueError("the baseline is missing")
        self._path("baseline", self.periods, None, baseline)
        self._policy(baseline)
        self._shocks(baseline)
        self._totals()

    def year(self, t: int) -> int:
        return int(self.horizon.year(t))

    def discount(self, t: int) -> float:
        return float((1.0 + self.instance.discount_rate) ** (-t * self.delta))

    # The plan.

    def _sizes(self, o: str) -> None:
        option: Any = self.instance.options[o]
        builds = self.builds[o]
        if option.kind == "stockpile":
            self.report.holds(f"{o}.size", "a stockpile has no builds", not builds)
            return
        self.report.at_most(f"{o}.max", sum(build.size for build in builds), option.max_size)
        lumpy = option.fixed_cost > 0 or option.min_size > 0
        self.report.holds(f"{o}.once", "it is opened more than once", not lumpy or len(builds) <= 1)
        for build in builds:
            row, year = f"{o}.size.{build.period}", self.year(build.t)
            early = option.earliest is not None and year < option.earliest
            late = option.latest is not None and year > option.latest
            self.report.holds(row, "it may not be decided then", not early and not late)
            self.report.holds(row, "that is no decision point", build.t in self.horizon.decisions)
            self.report.holds(
                row, "its labels disagree", (build.year, build.period) == (year, self.horizon.label(build.t))
            )
            self.report.holds(row, f"its kind is {option.kind}", build.kind == option.kind)
            self.report.holds(row, "its opening is not noted", build.opened == lumpy)
            self.report.at_most(row, 0.0, build.size, option.max_size)
            self.report.at_most(row, option.min_size if lumpy else 0.0, build.size, option.max_size)
            if option.unit_size > 0:
                self.report.equal(row, build.size, option.unit_size * round(build.size / option.unit_size))

    def _ties(self) -> None:
        for o, option in self.instance.options.items():
            for required in getattr(option, "requires", ()):
                first = min((build.t for build in self.builds[required]), default=math.inf)
                early = [build for build in self.builds[o] if build.t < first]
                self.report.holds(f"{o}.requires", f"it is opened before {required}", not early)
            for excluded in getattr(option, "excludes", ()):
                both = bool(self.builds[o]) and bool(self.builds[excluded])
                self.report.holds(f"{o}.excludes", f"it is opened beside {excluded}", not both)

    def _lead(self, option: Any) -> int:
        return math.ceil(option.lead_time / self.horizon.months - 1e-9)

    def _working(self, o: str, t: int) -> float:
        """C[o,t]: size times the ramp of the twelve months it is in."""
        option: Any = self.instance.options[o]
        total = 0.0
        for build in self.builds[o]:
            age = t - build.t - self._lead(option)
            if age >= 0:
                total += option.ramp[min(age * self.horizon.months // 12, len(option.ramp) - 1)] * build.size
        return total

    def _level(self, o: str, t: int) -> float:
        """ℓ[o,t]: leverage in force after erosion."""
        option: Any = self.instance.options[o]
        if option.kind != "leverage":
            return 0.0
        kept = 1.0 - option.erosion
        past = [build for build in self.builds[o] if t >= build.t + self._lead(option)]
        return math.fsum(build.size * kept ** (self.year(t) - self.year(build.t)) for build in past)

    def _stock(self, o: str) -> list[float]:
        """k[o,t], recomputed from the purchases."""
        option: Any = self.instance.options[o]
        claimed, fills = self.result.plan.stocks[o], self.result.plan.fills[o]
        keep, held, path = (1.0 - option.loss) ** self.delta, option.initial, []
        for t in self.periods:
            row = f"{o}.stock.{self.horizon.label(t)}"
            held = keep * held + fills[t]
            early = option.earliest is not None and self.year(t) < option.earliest
            late = option.latest is not None and self.year(t) > option.latest
            most = 0.0 if early or late else math.inf if option.fill_rate is None else option.fill_rate * self.delta
            self.report.at_most(f"{o}.fill.{self.horizon.label(t)}", fills[t], min(most, 1e300), grain=self.grain)
            self.report.at_most(f"{o}.fill.{self.horizon.label(t)}", 0.0, fills[t], grain=self.grain)
            if option.max_size is not None:
                self.report.at_most(row, held, option.max_size, grain=self.grain)
            self.report.equal(row, claimed[t], held, grain=self.grain)
            path.append(held)
        return path

    def _investment(self) -> None:
        costs = self.report.costs
        self.report.outlays = {str(year): 0.0 for year in self.horizon.years}
        for o, built in self.instance.options.items():
            option: Any = built
            if option.kind == "stockpile":
                self._hold(o, option)
                continue
            for build in self.builds[o]:
                year, factor = self.year(build.t), self.discount(build.t)
                capex = option.capex.at(year) * build.size
                fixed = option.fixed_cost if build.opened else 0.0
                costs["capex"] += factor * capex
                costs["fixed cost"] += factor * fixed
                self.report.outlays[str(year)] += option.budget_share * (capex + fixed)
                for t in self.periods[build.t + self._lead(option) :]:
                    costs["fixed opex"] += self.discount(t) * option.fixed_opex * self.delta * build.size

    def _hold(self, o: str, option: Any) -> None:
        costs = self.report.costs
        for t in self.periods:
            year, bought = self.year(t), self.result.plan.fills[o][t]
            paid = option.price.at(year) * bought
            costs["stock purchases"] += self.discount(t) * paid
            costs["stock holding"] += self.discount(t) * option.holding_cost * self.delta * self.stocks[o][t]
            self.report.outlays[str(year)] += option.budget_share * paid
        back = option.salvage * option.price.at(self.horizon.end) * self.stocks[o][-1]
        costs["stock salvage"] -= self.discount(len(self.periods)) * back

    # One path of operation.

    def _severity(self, shock: Shock | None, name: str, t: int) -> float:
        """σ: the largest severity of the cuts that match an activity."""
        if shock is None:
            return 0.0
        activity: Any = self.instance.activities[name]
        worst = 0.0
        for cut in shock.spec.cuts:
            fits = (
                (not cut.region or activity.region in cut.region)
                and (not cut.stage or activity.stage in cut.stage)
                and (not cut.process or name in cut.process)
                and (not cut.commodity or bool(set(activity.output) & set(cut.commodity)))
            )
            if fits:
                worst = max(worst, cut.severity[min(t - shock.periods.start, len(cut.severity) - 1)])
        return worst

    def _demanded(self, shock: Shock | None, d: str, t: int) -> float:
        surge = shock.spec.demand.get(d, 1.0) if shock else 1.0
        return self.instance.demands[d].quantity.at(self.year(t)) * self.delta * surge

    def _path(self, path: str, periods: Sequence[int], shock: Shock | None, flows: Flows) -> None:
        """Capacities, balances and demand of one path."""
        self.report.holds(path, "its flows begin elsewhere", flows.first == periods[0])
        for kind in ("activity", "substituted", "unserved", "released", "left"):
            for owner, row in getattr(flows, kind).items():
                self.report.holds(f"{path}/{owner}.{kind}", "it has another length", len(row) == len(periods))
        for i, t in enumerate(periods):
            for p in self.instance.processes:
                self._existing(path, shock, p, t, flows.activity[p][i])
            for o, option in self.instance.options.items():
                if option.kind in PRODUCING:
                    self._bought(path, shock, o, t, flows.activity[o][i])
                if option.kind == "substitution":
                    self._substituted(path, shock, o, t, flows.substituted[o][i])
            self._balances(path, shock, t, i, flows)
            for d in self.instance.demands:
                self._served(path, shock, d, t, i, flows)
        if shock is not None:
            for o in self.stocks:
                self._released(path, shock, o, flows)

    def _existing(self, path: str, shock: Shock | None, p: str, t: int, activity: float) -> None:
        process = self.instance.processes[p]
        row, cut = f"{path}/{p}.limit.{self.horizon.label(t)}", self._severity(shock, p, t)
        whole = process.capacity.at(self.year(t)) * self.delta
        left = whole * (1.0 - cut)
        for o, built in self.instance.options.items():
            option: Any = built
            if option.kind == "partnership" and option.process == p and shock is not None:
                reliability = shock.spec.reliability.get(o, option.reliability)
                left += cut * reliability * self.working[o][t] * self.delta
            if option.kind == "leverage" and option.region == process.region and shock is not None:
                left += whole * cut * option.restraint * self.levels[o][t] if shock.spec.deliberate else 0.0
        self.report.at_most(row, activity, min(left, whole), whole, grain=self.grain)
        self.report.at_most(row, 0.0, activity, grain=self.grain)
        if shock is None:
            self.report.at_most(f"{p}.run.{self.horizon.label(t)}", process.min_utilisation * whole, activity, whole)

    def _bought(self, path: str, shock: Shock | None, o: str, t: int, activity: float) -> None:
        option: Any = self.instance.options[o]
        row, working = f"{path}/{o}.capacity.{self.horizon.label(t)}", self.working[o][t] * self.delta
        left = working * (1.0 - self._severity(shock, o, t))
        self.report.at_most(row, activity, left, working, grain=self.grain)
        self.report.at_most(row, 0.0, activity, grain=self.grain)
        if shock is None:
            least = option.min_utilisation * working
            self.report.at_most(f"{o}.run.{self.horizon.label(t)}", least, activity, working, grain=self.grain)

    def _substituted(self, path: str, shock: Shock | None, o: str, t: int, amount: float) -> None:
        option: Any = self.instance.options[o]
        row, label = f"{path}/{o}", self.horizon.label(t)
        asked = self._demanded(shock, option.demand, t)
        self.report.at_most(f"{row}.capacity.{label}", amount, self.working[o][t] * self.delta, grain=self.grain)
        self.report.at_most(f"{row}.share.{label}", amount, option.max_share * asked, asked, grain=self.grain)
        self.report.at_most(f"{row}.capacity.{label}", 0.0, amount, grain=self.grain)

    def _balances(self, path: str, shock: Shock | None, t: int, i: int, flows: Flows) -> None:
        """supply ≥ use of every commodity."""
        supply: dict[str, list[float]] = {c: [] for c in self.instance.commodities}
        for name, activity in self.instance.activities.items():
            ran = flows.activity[name][i]
            for commodity, share in activity.output.items():
                supply[commodity].append(share * ran)
            for commodity, share in activity.input.items():
                supply[commodity].append(-share * ran)
        for o, built in self.instance.options.items():
            option: Any = built
            if option.kind == "substitution":
                for commodity, share in option.input.items():
                    supply[commodity].append(-share * flows.substituted[o][i])
            if option.kind == "stockpile" and shock is not None:
                supply[option.commodity].append(flows.released[o][i])
        for d, demand in self.instance.demands.items():
            supply[demand.commodity].append(-self._delivered(shock, d, t, i, flows))
            if demand.end_of_life is not None:
                supply[demand.end_of_life.commodity].append(self._scrap(demand, t))
        for commodity, terms in supply.items():
            row = f"{path}/{commodity}.balance.{self.horizon.label(t)}"
            self.report.at_most(row, 0.0, math.fsum(terms), *terms, grain=self.grain)

    def _scrap(self, demand: Any, t: int) -> float:
        end = demand.end_of_life
        year = self.year(t) - end.after_years
        sold = demand.quantity.at(year) if year >= self.horizon.start else end.past_quantity.at(year)
        return float(end.collection_rate * sold * self.delta)

    def _by_substitutes(self, d: str, i: int, flows: Flows) -> float:
        options: Mapping[str, Any] = self.instance.options
        return math.fsum(row[i] for o, row in flows.substituted.items() if options[o].demand == d)

    def _delivered(self, shock: Shock | None, d: str, t: int, i: int, flows: Flows) -> float:
        return self._demanded(shock, d, t) - flows.unserved[d][i] - self._by_substitutes(d, i, flows)

    def _served(self, path: str, shock: Shock | None, d: str, t: int, i: int, flows: Flows) -> None:
        row, asked = f"{path}/{d}.demand.{self.horizon.label(t)}", self._demanded(shock, d, t)
        self.report.at_most(row, flows.unserved[d][i] + self._by_substitutes(d, i, flows), asked, grain=self.grain)
        self.report.at_most(row, 0.0, flows.unserved[d][i], grain=self.grain)

    def _released(self, path: str, shock: Shock, o: str, flows: Flows) -> None:
        option: Any = self.instance.options[o]
        keep, first = (1.0 - option.loss) ** self.delta, shock.periods.start
        held = self.stocks[o][first - 1] if first > 0 else option.initial
        rate = 1e300 if option.release_rate is None else option.release_rate * self.delta
        for i, t in enumerate(shock.periods):
            row, released = f"{path}/{o}.left.{self.horizon.label(t)}", flows.released[o][i]
            before, held = keep * held, keep * held - released
            self.report.at_most(f"{path}/{o}.release.{self.horizon.label(t)}", released, rate, grain=self.grain)
            self.report.at_most(f"{path}/{o}.release.{self.horizon.label(t)}", 0.0, released, grain=self.grain)
            self.report.at_most(row, 0.0, held, before, grain=self.grain)
            self.report.equal(row, flows.left[o][i], held, before, grain=self.grain)

    # Policy.

    def _policy(self, baseline: Flows) -> None:
        for o, activity in self.instance.activities.items():
            share = getattr(activity, "budget_share", 1.0)
            for t in self.periods:
                paid = activity.support.at(self.year(t)) * baseline.activity[o][t]
                self.report.outlays[str(self.year(t))] += share * paid
        policy, outlays = self.instance.policy, self.report.outlays
        if policy.budget is not None:
            self.report.at_most("policy.budget", math.fsum(outlays.values()), policy.budget, grain=1.0)
        if policy.annual_budget is not None:
            for year in self.horizon.years:
                bound = policy.annual_budget.at(year)
                self.report.at_most(f"policy.annual_budget_{year}", outlays[str(year)], bound, grain=1.0)
        for i, rule in enumerate(policy.max_share):
            self._share(f"policy.max_share_{i}", rule, baseline, sign=1.0)
        for i, rule in enumerate(policy.min_share):
            self._share(f"policy.min_share_{i}", rule, baseline, sign=-1.0)

    def _share(self, row: str, rule: Any, baseline: Flows, *, sign: float) -> None:
        for t in self.periods:
            if rule.from_ is not None and self.year(t) < rule.from_:
                continue
            everything, counted = 0.0, 0.0
            for name, activity in self.instance.activities.items():
                made = activity.output.get(rule.commodity, 0.0) * baseline.activity[name][t]
                kind = getattr(activity, "kind", "existing")
                of_region = rule.region is None or activity.region == rule.region
                of_kind = rule.kind is None or kind == rule.kind
                everything += made
                counted += made if of_region and of_kind else 0.0
            label = f"{row}.{self.horizon.label(t)}"
            off = sign * (counted - rule.share * everything)
            self.report.at_most(label, off, 0.0, everything, grain=self.grain)

    # Costs and figures.

    def _operating(self, shock: Shock | None, t: int, i: int, flows: Flows) -> dict[str, float]:
        """Operating cost of one period by part, undiscounted."""
        dearer = shock.spec.cost if shock else {}
        parts = {"operation": 0.0, "price support": 0.0, "substitution": 0.0, "shortage": 0.0}
        year = self.year(t)
        for name, activity in self.instance.activities.items():
            ran = flows.activity[name][i]
            parts["operation"] += activity.cost.at(year) * dearer.get(name, 1.0) * ran
            parts["price support"] += activity.support.at(year) * ran if shock is None else 0.0
        for o, built in self.instance.options.items():
            option: Any = built
            if option.kind == "substitution":
                parts["substitution"] += option.cost.at(year) * dearer.get(o, 1.0) * flows.substituted[o][i]
            if option.kind == "stockpile" and shock is not None:
                parts["operation"] += option.release_cost * flows.released[o][i]
        for d, demand in self.instance.demands.items():
            parts["shortage"] += demand.shortage_cost * flows.unserved[d][i]
        return parts

    def _shocks(self, baseline: Flows) -> None:
        calm = [self._operating(None, t, t, baseline) for t in self.periods]
        for t in self.periods:
            for part, amount in calm[t].items():
                self.report.costs[part] += self.discount(t) * amount
        events = {event.name: event for event in self.instance.events}
        named = [outcome.name for outcome in self.result.shocks]
        self.report.holds("shocks", "they are not those of the instance", sorted(named) == sorted(events))
        for outcome in self.result.shocks:
            shock = events[outcome.name]
            self._path(outcome.name, list(shock.periods), shock, outcome.flows)
            self._outcome(shock, outcome)
            for i, t in enumerate(shock.periods if shock.probability > 0 else ()):
                extra = sum(self._operating(shock, t, i, outcome.flows).values()) - sum(calm[t].values())
                self.report.costs["expected shocks"] += shock.probability * self.discount(t) * extra

    def _outcome(self, shock: Shock, outcome: Outcome) -> None:
        total, failed = 0.0, False
        for d, demand in self.instance.demands.items():
            service, below, margins = outcome.segments[d], 0.0, []
            for i, t in enumerate(shock.periods):
                asked, unserved = self._demanded(shock, d, t), outcome.flows.unserved[d][i]
                floor = shock.spec.survival.get(d, demand.survival.at(self.year(t)))
                short = unserved - (1.0 - floor) * asked
                below += short if short > TOLERANCE * asked else 0.0
                margins.append((1.0 - unserved / asked if asked > 0 else 1.0) - floor)
            row = f"{outcome.name}/{d}"
            grain = max(self.grain, sum(self._demanded(shock, d, t) for t in shock.periods))
            self.report.equal(f"{row}.below_floor", service.below_floor, below, grain=grain)
            self.report.equal(f"{row}.shortage", service.shortage, math.fsum(outcome.flows.unserved[d]), grain=grain)
            self.report.equal(f"{row}.margin", service.worst_service - service.floor, min(margins), 1.0)
            self.report.equal(f"{row}.gap", service.gap, demand.shortage_cost * below, demand.shortage_cost * grain)
            failed, total = failed or below > 0, total + demand.shortage_cost * below
        self.report.equal(f"{outcome.name}.gap", outcome.gap, total, grain=1e-6)
        self.report.holds(outcome.name, f"it is said to survive: {outcome.survives}", outcome.survives != failed)

    def _totals(self) -> None:
        result, costs = self.result, self.report.costs
        self.report.equal("total_cost", result.total_cost, math.fsum(costs.values()), *costs.values())
        for part, amount in costs.items() if result.costs else ():
            self.report.equal(f"cost of {part}", result.costs.get(part, 0.0), amount, *costs.values())
        outlays = self.report.outlays
        self.report.equal("outlay", result.outlay, math.fsum(outlays.values()), grain=1e-6)
        for year, amount in outlays.items() if result.outlays else ():
            self.report.equal(f"outlay.{year}", result.outlays.get(year, 0.0), amount, result.outlay, grain=1e-6)
        gaps = [outcome.gap for outcome in result.shocks]
        self.report.equal("survival_gap", result.survival_gap, math.fsum(gaps), *gaps, grain=1e-6)
        self.report.equal("worst_gap", result.worst_gap, max(gaps, default=0.0), *gaps, grain=1e-6)
        if result.bound is not None:
            self.report.at_most("bound", result.bound, result.total_cost, *costs.values())
