"""The plan's own rows: each option's purchases, how options are tied, and what all of it costs."""

import math
from collections.abc import Mapping

import numpy as np

from optimizer.audit.auditor import PRICE_RESPONSE, RESPONSE_PART, AuditBasis, Auditor, Holding
from optimizer.audit.levers import auditor_of, package_auditors
from optimizer.audit.report import Report
from optimizer.instance.schema import Instance
from optimizer.results.plan import Array
from optimizer.results.result import Result


def options_without_auditor(instance: Instance) -> list[str]:
    """The options whose kind has no auditor."""
    return [o for o, option in instance.options.items() if auditor_of(option.kind) is None]


def cost_parts(instance: Instance, auditors: Mapping[str, Auditor]) -> tuple[str, ...]:
    """The parts of the total cost: those of the package, then those of levers from outside that are there.

    What prices rise by is a part where the price of something responds to what is bought.
    """
    every = (*package_auditors().values(), *auditors.values())
    invested = [part for auditor in every for part in auditor.investment_parts]
    operated = [part for auditor in every for part in auditor.operating_parts]
    plan, operation = ("capex", "fixed cost", "fixed opex"), ("operation", "price support")
    bought = (*instance.processes.values(), *instance.options.values())
    risen = [RESPONSE_PART] if any(getattr(each, PRICE_RESPONSE, None) for each in bought) else []
    return tuple(dict.fromkeys([*plan, *invested, *operation, *operated, *risen, "shortage", "expected shocks"]))


class PlanRows(AuditBasis):
    """What is decided before any shock."""

    def __init__(self, instance: Instance, result: Result, report: Report) -> None:
        found = {o: auditor_of(option.kind) for o, option in instance.options.items()}
        self.auditors = {o: auditor for o, auditor in found.items() if auditor is not None}
        openings: dict[str, float] = {}
        for o, auditor in self.auditors.items():
            for commodity, amount in auditor.openings(instance.options[o]).items():
                openings[commodity] = max(amount, openings.get(commodity, 0.0))
        super().__init__(instance, report, openings)
        self.result = result
        self.least_scale = self.scales.least
        report.costs = dict.fromkeys(cost_parts(instance, self.auditors), 0.0)
        builds = result.plan.builds
        self.holdings = {
            o: Holding(
                o,
                option,
                self,
                [build for build in builds if build.option == o],
                result.plan.fills.get(o, ()),
                result.plan.stocks.get(o, ()),
            )
            for o, option in instance.options.items()
        }
        # By option, what it carries into operation in each period.
        self.carried: dict[str, Array] = {}

    def check_plan(self) -> None:
        """Sizes, ties, what works when, stocks, and what all of it costs."""
        strangers = {build.option for build in self.result.plan.builds} - set(self.instance.options)
        if strangers:
            raise KeyError(*sorted(strangers))
        for o, auditor in self.auditors.items():
            auditor.check_plan(self.holdings[o])
        self._check_ties()
        self.carried = {o: auditor.carries(self.holdings[o]) for o, auditor in self.auditors.items()}
        self.report.outlays = {str(year): 0.0 for year in self.horizon.years}
        for o, auditor in self.auditors.items():
            self._costs(self.holdings[o], auditor)

    def _check_ties(self) -> None:
        builds = {o: holding.builds for o, holding in self.holdings.items()}
        for o, option in self.instance.options.items():
            for required in getattr(option, "requires", ()):
                first = min((build.t for build in builds[required]), default=math.inf)
                early = [build for build in builds[o] if build.t < first]
                self.report.holds(f"{o}.requires", f"it is opened before {required}", not early)
            for excluded in getattr(option, "excludes", ()):
                both = bool(builds[o]) and bool(builds[excluded])
                self.report.holds(f"{o}.excludes", f"it is opened beside {excluded}", not both)

    def _costs(self, holding: Holding, auditor: Auditor) -> None:
        discounts = np.array([self.discount(t) for t in range(len(self.periods) + 1)])
        investments = auditor.investments(holding)
        for costs in (investments, auditor.holding_costs(holding)):
            for part, amounts in costs.items():
                self.report.costs[part] += math.fsum(discounts[: len(amounts)] * amounts)
        for amounts in investments.values():
            for t in self.periods:
                self.report.outlays[str(self.year(t))] += holding.option.budget_share * float(amounts[t])
