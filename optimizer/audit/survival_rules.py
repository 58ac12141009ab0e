"""Rules about time to survive: the flows that prove them, row by row.

A plan obeys one if there are flows over its months that keep every floor while the cuts last: all rates as in the first
period of a year, stocks as they were just before it, and nothing lost from them. The result holds such flows.
"""

from typing import Any

import numpy as np

from optimizer.audit.auditor import Paths
from optimizer.audit.shocks import ShockRows
from optimizer.disruptions.shock import ShockSpec


class SurvivalRules(ShockRows):
    """Every rule, in every year from its own on."""

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
        stacked, (meant, unmeant) = self._stack_flows([name], [flows]), self._lost_shares([spec], 1)
        paths = Paths([spec], np.array([[t]]), self.labels, stacked, meant, unmeant, span, is_steady=True)
        self._check_paths(paths)
        for d in self.instance.demands:
            demanded, unserved = self._demand(paths, d), paths.flows[d, "unserved"]
            floor = self.by_period(self.instance.demands[d].survival)[paths.times]
            row = paths.row(f"{d}.floor")
            self.report.at_most(row, unserved, (1.0 - floor) * demanded, demanded, least_scale=self.scales.segments[d])
