"""The figures of a result: policy, operating cost, every shock's verdict, and the totals."""

import math
from typing import Any

from optimizer.audit.paths import PathRows
from optimizer.audit.report import TOLERANCE
from optimizer.plan import Flows, Outcome
from optimizer.shocks import Shock


class Figures(PathRows):
    """The whole audit, from the plan's rows to the last total."""

    def run(self) -> None:
        """Check everything; disagreements are noted in the report."""
        self.check_plan()
        baseline = self.result.baseline
        if baseline is None:
            raise ValueError("the baseline is missing")
        self._path("baseline", self.periods, None, baseline)
        self._policy(baseline)
        self._shocks(baseline)
        self._totals()

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
