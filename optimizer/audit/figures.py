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
        self._shares(baseline)
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
        """One shock's verdict, gap and labels."""
        total, failed = 0.0, False
        for d in self.instance.demands:
            below = self._service(shock, outcome, d)
            failed, total = failed or below > 0, total + self.instance.demands[d].shortage_cost * below
        self.report.equal(f"{outcome.name}.gap", outcome.gap, total, grain=1e-6)
        self.report.holds(outcome.name, f"it is said to survive: {outcome.survives}", outcome.survives != failed)
        window = (self.horizon.label(shock.periods[0]), self.horizon.label(shock.periods[-1]))
        self.report.holds(outcome.name, "its window is another", (outcome.first, outcome.last) == window)
        self.report.equal(f"{outcome.name}.probability", outcome.probability, shock.probability, grain=1e-12)

    def _service(self, shock: Shock, outcome: Outcome, d: str) -> float:
        """One segment's figures; returns what is short of the floor, in t."""
        demand, service = self.instance.demands[d], outcome.segments[d]
        below, floors, margins, first_failure = 0.0, {}, {}, None
        for i, t in enumerate(shock.periods):
            asked, unserved, label = self._demanded(shock, d, t), outcome.flows.unserved[d][i], self.horizon.label(t)
            floors[label] = floor = shock.spec.survival.get(d, demand.survival.at(self.year(t)))
            margins[label] = (1.0 - unserved / asked if asked > 0 else 1.0) - floor
            short = unserved - (1.0 - floor) * asked
            if short > TOLERANCE * asked:
                below += short
                first_failure = first_failure or label
        row, worst = f"{outcome.name}/{d}", service.worst_period
        grain = max(self.grain, sum(self._demanded(shock, d, t) for t in shock.periods))
        self.report.equal(f"{row}.below_floor", service.below_floor, below, grain=grain)
        self.report.equal(f"{row}.shortage", service.shortage, math.fsum(outcome.flows.unserved[d]), grain=grain)
        self.report.equal(f"{row}.margin", service.worst_service - service.floor, min(margins.values()), 1.0)
        self.report.equal(f"{row}.worst_period", margins.get(worst, math.inf), min(margins.values()), 1.0)
        self.report.equal(f"{row}.floor", service.floor, floors.get(worst, math.inf), 1.0)
        self.report.equal(f"{row}.gap", service.gap, demand.shortage_cost * below, demand.shortage_cost * grain)
        self.report.holds(f"{row}.first_failure", f"it is {first_failure}", service.first_failure == first_failure)
        return below

    def _shares(self, baseline: Flows) -> None:
        """Where each commodity comes from."""
        for commodity, shares in self.result.shares.items():
            for share in shares:
                row, made = f"{commodity}.dependence.{share.year}", dict.fromkeys(share.regions, 0.0)
                for name, activity in self.instance.activities.items():
                    rate, region = activity.output.get(commodity, 0.0), activity.region or "unnamed"
                    ran = math.fsum(baseline.activity[name][t] for t in self.periods if self.year(t) == share.year)
                    made[region] = made.get(region, 0.0) + rate * ran
                total = math.fsum(made.values())
                self.report.equal(row, share.tonnes, total, grain=self.grain)
                for region, part in made.items() if total > 0 else ():
                    self.report.equal(f"{row}.{region}", share.regions.get(region, 0.0), part / total, 1.0)
                hhi = math.fsum((part / total) ** 2 for part in made.values()) if total > 0 else 0.0
                self.report.equal(f"{row}.hhi", share.hhi, hhi, 1.0)

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
        if result.gap_bound is not None:
            self.report.at_most("gap_bound", result.gap_bound, result.survival_gap, grain=1e-6)
        labels = tuple(self.horizon.label(t) for t in self.periods)
        self.report.holds("periods", "their labels are others", result.periods == labels)
        survives = all(outcome.survives for outcome in result.shocks)
        said = {"survives": survives, "gap": not survives}.get(result.status, True)
        self.report.holds("status", f'it is said to be "{result.status}"', said)
