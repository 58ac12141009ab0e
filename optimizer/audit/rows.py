"""The rows of a plan, its purchases, ties and costs; and of paths of operation: capacities, balances, demand.

Paths that are equally long are checked at once. Every number is an array (paths, periods), or one that all of them
share; nothing else is different from one path alone.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optimizer.audit.auditor import (
    PRICE_RESPONSE,
    RESPONSE_PART,
    ActivityAuditor,
    AuditBasis,
    Auditor,
    Holding,
    Operation,
    Paths,
    check_running,
)
from optimizer.audit.levers import auditor_of, package_auditors
from optimizer.audit.report import Report
from optimizer.disruptions.shock import BASELINE, ShockSpec
from optimizer.instance.schema import Instance
from optimizer.results.plan import Array, FlowKey, Flows, ManyFlows
from optimizer.results.result import Result

PROCESS = ActivityAuditor()


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


class PathRows(PlanRows):
    """What operation does, on the baseline and in every shock."""

    def _flows(self, *, in_shocks: bool) -> tuple[FlowKey, ...]:
        """Every flow that a path has, by owner and name."""
        found = [(p, flow) for p in self.instance.processes for flow in PROCESS.flows]
        found += [(d, "unserved") for d in self.instance.demands]
        for o, auditor in self.auditors.items():
            found += [(o, flow) for flow in (*auditor.flows, *(auditor.flows_in_shocks if in_shocks else ()))]
        return tuple(found)

    def _fits(self, name: str, flows: Flows, periods: Sequence[int]) -> bool:
        """Whether one path's flows are where and as long as the path is."""
        self.report.holds(name, "its flows begin elsewhere", flows.first == periods[0])
        before, known = len(self.report.disagreements), set(self._flows(in_shocks=name != BASELINE))
        for (owner, flow), row in flows.rows.items():
            self.report.holds(f"{name}/{owner}.{flow}", "it has another length", len(row) == len(periods))
            if (owner, flow) not in known:
                self.report.holds(f"{name}/{owner}.{flow}", "nothing has that name", False)
        return len(self.report.disagreements) == before

    def _stack_flows(self, names: Sequence[str], flows: Sequence[Flows]) -> ManyFlows:
        """Flows of paths that are equally long."""
        keys = self._flows(in_shocks=names != [BASELINE])
        rows = {key: np.array([each[key] for each in flows]) for key in keys}
        return ManyFlows(tuple(names), tuple(each.first for each in flows), rows)

    def _lost_shares(self, specs: Sequence[ShockSpec], length: int) -> tuple[dict[str, Array], dict[str, Array]]:
        """σ by activity, of the deliberate cuts and of the others."""
        return self._severities(specs, length, deliberate=True), self._severities(specs, length, deliberate=False)

    def _severities(self, specs: Sequence[ShockSpec], length: int, *, deliberate: bool) -> dict[str, Array]:
        """The largest severity of the cuts that match an activity and are deliberate, or are not; 0 where none does."""
        aims: dict[Any, tuple[list[int], list[list[float]]]] = {}
        for s, spec in enumerate(specs):
            for cut in spec.cuts:
                if deliberate != (spec.deliberate if cut.deliberate is None else cut.deliberate):
                    continue
                shocks, profiles = aims.setdefault((cut.region, cut.stage, cut.process, cut.commodity), ([], []))
                shocks.append(s)
                profiles.append([cut.severity[min(i, len(cut.severity) - 1)] for i in range(length)])
        struck: dict[str, Array] = {}
        for aim, (shocks, profiles) in aims.items():
            for name in self._matching(*aim):
                np.maximum.at(struck.setdefault(name, np.zeros((len(specs), length))), shocks, profiles)
        return struck

    def _matching(self, region: Any, stage: Any, process: Any, commodity: Any) -> list[str]:
        """The activities that a cut of these targets affects."""
        return [
            name
            for name, activity in self.instance.activities.items()
            if (not region or activity.region in region)
            and (not stage or activity.stage in stage)
            and (not process or name in process)
            and (not commodity or bool(set(activity.output) & set(commodity)))
        ]

    def _demand(self, paths: Paths, d: str) -> Array:
        usual = self.by_period(self.instance.demands[d].quantity)[paths.times] * paths.delta
        return np.asarray(usual * paths.override("demand", d, 1.0))

    def _operations(self, paths: Paths) -> list[tuple[Auditor, Operation]]:
        """Every existing process and option on some paths, with who audits it."""
        found: list[tuple[Auditor, Operation]] = []
        for p, process in self.instance.processes.items():
            capacity, least_scale = self.by_period(process.capacity), PROCESS.least_scale(process, self.scales)
            found.append((PROCESS, Operation(p, process, self, paths, capacity, least_scale)))
        for o, auditor in self.auditors.items():
            option = self.instance.options[o]
            least_scale = auditor.least_scale(option, self.scales)
            found.append((auditor, Operation(o, option, self, paths, self.carried[o], least_scale)))
        return found

    def _check_paths(self, paths: Paths) -> None:
        """Capacities, balances and demand."""
        operations = self._operations(paths)
        lent = [self._lent(operations, deliberate=deliberate) for deliberate in (True, False)]
        for auditor, operation in operations:
            if operation.name in self.instance.processes:
                self._check_limit(operation, *lent)
            else:
                auditor.check(operation)
        served: dict[str, Array] = {}
        for auditor, operation in operations:
            for d, amount in auditor.serves(operation).items():
                served[d] = served.get(d, 0.0) + amount
        self._check_balances(paths, operations, served)
        for d in self.instance.demands:
            self._check_demand(paths, d, served.get(d, 0.0))

    def _lent(self, operations: Sequence[tuple[Auditor, Operation]], *, deliberate: bool) -> dict[str, Array]:
        """By existing process, what options add to the capacity that cuts of one sort leave."""
        total: dict[str, Array] = {}
        for auditor, operation in operations:
            for p, amount in auditor.lends(operation, deliberate=deliberate).items():
                total[p] = total.get(p, 0.0) + amount
        return total

    def _check_limit(
        self, operation: Operation, beside_deliberate: Mapping[str, Array], beside: Mapping[str, Array]
    ) -> None:
        """Activity of an existing process: within what the worse sort of cuts leaves, and never above the whole."""
        p, activity, whole = operation.name, operation.flow("activity"), operation.working
        left = [
            whole * (1.0 - operation.lost(p, deliberate=deliberate)) + lent.get(p, 0.0)
            for deliberate, lent in ((True, beside_deliberate), (False, beside))
        ]
        most = np.minimum(np.minimum(*left), whole * operation.started())
        operation.at_most("limit", activity, most, whole)
        operation.at_most("limit", 0.0, activity)
        check_running(operation, whole)

    def _check_balances(
        self, paths: Paths, operations: Sequence[tuple[Auditor, Operation]], served: Mapping[str, Array]
    ) -> None:
        """supply ≥ use of every commodity."""
        supply = {c: [np.zeros(paths.times.shape)] for c in self.instance.commodities}
        for auditor, operation in operations:
            for commodity, amount in auditor.supplies(operation).items():
                supply[commodity].append(amount)
            for commodity, amount in auditor.uses(operation).items():
                supply[commodity].append(-amount)
        for d, demand in self.instance.demands.items():
            delivered = self._demand(paths, d) - paths.flows[d, "unserved"] - served.get(d, 0.0)
            supply[demand.commodity].append(-delivered)
            if demand.end_of_life is not None:
                supply[demand.end_of_life.commodity].append(self._scrap(demand)[paths.times] * paths.delta)
        for commodity, terms in supply.items():
            row = paths.row(f"{commodity}.balance")
            self.report.at_most(row, 0.0, np.sum(terms, axis=0), *terms, least_scale=self.scales.commodities[commodity])

    def _scrap(self, demand: Any) -> Array:
        """t/yr that come back, in every period of the horizon."""
        end, sold = demand.end_of_life, []
        for t in self.periods:
            year = self.year(t) - end.after_years
            sold.append(demand.quantity.at(year) if year >= self.horizon.start else end.past_quantity.at(year))
        return np.asarray(end.collection_rate * np.array(sold))

    def _check_demand(self, paths: Paths, d: str, otherwise: Array | float) -> None:
        """What is unserved, and served otherwise than by the commodity, is no more than demand."""
        row, unserved = paths.row(f"{d}.demand"), paths.flows[d, "unserved"]
        self.report.at_most(row, unserved + otherwise, self._demand(paths, d), least_scale=self.scales.segments[d])
        self.report.at_most(row, 0.0, unserved, least_scale=self.scales.segments[d])
