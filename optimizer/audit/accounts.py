"""The accounts of a plan and of its baseline, and the rows of operation: capacities, balances, demand.

PlanAccounts        the first stage: purchases, the capacity that they bring into operation, and their cost
BaselineAccounts    operation in the baseline, and the cost of plan and baseline together
check_paths         the rows of operation, in the baseline or in shocks whose windows have one length

Paths of one length are checked together: every number is an array (paths, periods), or one number for all of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.audit import AuditReport
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
    missing_flow,
)
from optimizer.audit.levers import auditor_of, package_auditors
from optimizer.disruptions.path import BASELINE
from optimizer.disruptions.shock import ShockSpec
from optimizer.instance.schema import Instance
from optimizer.results.plan import Array, FlowKey, Flows, ManyFlows, Plan

PROCESS = ActivityAuditor()
# The part of the total cost that is due to shocks, weighted by their probabilities.
EXPECTED_SHOCKS = "expected shocks"


def missing_auditors(instance: Instance) -> list[str]:
    """Return a disagreement for every option whose kind has no auditor."""
    kinds = {o: option.kind for o, option in instance.options.items() if auditor_of(option.kind) is None}
    return [f"{o}.kind: {kind} has no auditor; add optimizer/audit/levers/{kind}.py" for o, kind in kinds.items()]


def cost_parts(instance: Instance, auditors: Mapping[str, Auditor]) -> tuple[str, ...]:
    """Return the parts of the total cost: those of the package, then those of other levers in the instance.

    The price response is a part if some process or option has one.
    """
    every = (*package_auditors().values(), *auditors.values())
    invested = [part for auditor in every for part in auditor.investment_parts]
    operated = [part for auditor in every for part in auditor.operating_parts]
    plan, operation = ("capex", "fixed cost", "fixed opex"), ("operation", "price support")
    bought = (*instance.processes.values(), *instance.options.values())
    risen = [RESPONSE_PART] if any(getattr(each, PRICE_RESPONSE, None) for each in bought) else []
    return tuple(dict.fromkeys([*plan, *invested, *operation, *operated, *risen, "shortage", EXPECTED_SHOCKS]))


@dataclass(frozen=True)
class PlanAccounts:
    """The recomputed first stage."""

    basis: AuditBasis  # the data of the instance, and the report
    auditors: Mapping[str, Auditor]  # auditor by option
    holdings: Mapping[str, Holding]  # purchases by option
    carried: Mapping[str, Array]  # by option, C by period, or the stock before each period (`Auditor.carries`)
    costs: Mapping[str, float]  # present value by part of the total cost; 0 for parts of operation
    outlays: Mapping[str, float]  # undiscounted outlay that counts against the budget, by calendar year

    def operations(self, paths: Paths) -> list[tuple[Auditor, Operation]]:
        """Return every existing process and option on the given paths, each with its auditor."""
        basis, found = self.basis, list[tuple[Auditor, Operation]]()
        for p, process in basis.instance.processes.items():
            capacity, least_scale = basis.by_period(process.capacity), PROCESS.least_scale(process, basis.scales)
            found.append((PROCESS, Operation(p, process, basis, paths, capacity, least_scale)))
        for o, auditor in self.auditors.items():
            option = basis.instance.options[o]
            least_scale = auditor.least_scale(option, basis.scales)
            found.append((auditor, Operation(o, option, basis, paths, self.carried[o], least_scale)))
        return found


@dataclass(frozen=True)
class BaselineAccounts:
    """The recomputed baseline under a plan."""

    flows: Flows  # flows of the baseline
    by_period: Array  # operating cost by period, present value
    costs: Mapping[str, float]  # present value by part of the total cost, plan and baseline together
    outlays: Mapping[str, float]  # undiscounted outlay that counts against the budget, by year, both together


# The plan.


def audit_plan(instance: Instance, plan: Plan, report: AuditReport) -> PlanAccounts:
    """Check sizes, ties between options and stocks; return capacities by period and costs."""
    found = {o: auditor_of(option.kind) for o, option in instance.options.items()}
    auditors = {o: auditor for o, auditor in found.items() if auditor is not None}
    basis = AuditBasis(instance, report, _initial_stocks(instance, auditors))
    holdings = _holdings(basis, plan)
    for o, auditor in auditors.items():
        auditor.check_plan(holdings[o])
    _check_ties(basis, holdings)
    carried = {o: auditor.carries(holdings[o]) for o, auditor in auditors.items()}
    costs = dict.fromkeys(cost_parts(instance, auditors), 0.0)
    outlays = {str(year): 0.0 for year in basis.horizon.years}
    for o, auditor in auditors.items():
        _book(holdings[o], auditor, costs, outlays)
    return PlanAccounts(basis, auditors, holdings, carried, costs, outlays)


def _initial_stocks(instance: Instance, auditors: Mapping[str, Auditor]) -> Mapping[str, float]:
    """Return by commodity the largest stock before the first period, t."""
    initial: dict[str, float] = {}
    for o, auditor in auditors.items():
        for commodity, amount in auditor.initial_stocks(instance.options[o]).items():
            initial[commodity] = max(amount, initial.get(commodity, 0.0))
    return initial


def _holdings(basis: AuditBasis, plan: Plan) -> dict[str, Holding]:
    options = basis.instance.options
    strangers = {build.option for build in plan.builds} - set(options)
    if strangers:
        raise KeyError(*sorted(strangers))
    builds = {o: [build for build in plan.builds if build.option == o] for o in options}
    return {
        o: Holding(o, option, basis, builds[o], plan.fills.get(o, ()), plan.stocks.get(o, ()))
        for o, option in options.items()
    }


def _check_ties(basis: AuditBasis, holdings: Mapping[str, Holding]) -> None:
    """Check that options which a bought one requires are bought no later, and excluded ones never."""
    builds = {o: holding.builds for o, holding in holdings.items()}
    for o, option in basis.instance.options.items():
        for required in getattr(option, "requires", ()):
            first = min((build.t for build in builds[required]), default=math.inf)
            early = [build for build in builds[o] if build.t < first]
            basis.report.holds(f"{o}.requires", f"it is opened before {required}", not early)
        for excluded in getattr(option, "excludes", ()):
            both = bool(builds[o]) and bool(builds[excluded])
            basis.report.holds(f"{o}.excludes", f"it is opened beside {excluded}", not both)


def _book(holding: Holding, auditor: Auditor, costs: dict[str, float], outlays: dict[str, float]) -> None:
    """Add the purchases of an option to the costs, and their share in the budget to the outlays."""
    basis = holding.basis
    discounts = np.array([basis.discount(t) for t in range(len(basis.periods) + 1)])
    investments = auditor.investments(holding)
    for booked in (investments, auditor.recurring_costs(holding)):
        for part, amounts in booked.items():
            _require_part(costs, part, holding, "investment_parts")
            _require_periods(amounts, part, holding)
            costs[part] += math.fsum(discounts[: len(amounts)] * amounts)
    for amounts in investments.values():
        for t in basis.periods:
            outlays[str(basis.year(t))] += holding.option.budget_share * float(amounts[t])


def _require_part(costs: Mapping[str, float], part: str, of: Holding | Operation, listed: str) -> None:
    if part not in costs:
        raise ValueError(f'{_who(of)} has a part of the cost "{part}": name it in `{listed}` of its auditor')


def _require_periods(amounts: Array, part: str, holding: Holding) -> None:
    count, shape = len(holding.basis.periods), np.shape(amounts)
    if shape not in ((count,), (count + 1,)):
        cure = "the auditor returns an amount for each, and one more for the end of the horizon where it has one"
        raise ValueError(f'{_who(holding)} has the shape {shape} of "{part}" in {count} periods: {cure}')


def _who(of: Holding | Operation) -> str:
    return f"{of.name} ({getattr(of.option, 'kind', 'process')})"


# The baseline.


def audit_baseline(plan: PlanAccounts, flows: Flows) -> BaselineAccounts:
    """Check the rows of the baseline; return its costs together with those of the plan."""
    basis, paths = plan.basis, _baseline_path(plan, flows)
    check_paths(plan, paths)
    outlays = dict(plan.outlays)
    for auditor, operation in plan.operations(paths):
        outlay = np.broadcast_to(auditor.operating_outlay(operation), paths.times.shape)[0]
        for t in basis.periods:
            outlays[str(basis.year(t))] += float(outlay[t])
    parts = {part: amount[0] for part, amount in operating_costs(plan, paths).items()}
    costs = dict(plan.costs)
    for part, amount in parts.items():
        costs[part] += math.fsum(amount)
    return BaselineAccounts(flows, np.sum(list(parts.values()), axis=0), costs, outlays)


def baseline_costs(plan: PlanAccounts, flows: Flows) -> Array:
    """Return the operating cost of the baseline by period, present value, without checking its rows."""
    return np.sum([amount[0] for amount in operating_costs(plan, _baseline_path(plan, flows)).values()], axis=0)


def _baseline_path(plan: PlanAccounts, flows: Flows) -> Paths:
    basis = plan.basis
    if not flows_fit(plan, BASELINE, flows, basis.periods):
        raise ValueError("the flows of the baseline do not fit the instance")
    stacked = stack_flows(plan, [BASELINE], [flows])
    return Paths((), np.array([basis.periods]), basis.labels, stacked, {}, {}, basis.delta)


# Operation on any paths.


def _keys(plan: PlanAccounts, *, in_shocks: bool) -> tuple[FlowKey, ...]:
    """Return the keys (owner, name) of all flows of a path."""
    found = [(p, flow) for p in plan.basis.instance.processes for flow in PROCESS.flows]
    found += [(d, "unserved") for d in plan.basis.instance.demands]
    for o, auditor in plan.auditors.items():
        found += [(o, flow) for flow in (*auditor.flows, *(auditor.flows_in_shocks if in_shocks else ()))]
    return tuple(found)


def flows_fit(plan: PlanAccounts, name: str, flows: Flows, periods: Sequence[int]) -> bool:
    """Check that a path's flows have known names, and begin and end with the path; return whether they do."""
    report, known = plan.basis.report, set(_keys(plan, in_shocks=name != BASELINE))
    label, begins = plan.basis.horizon.label, flows.first == periods[0]
    report.matches(name, lambda: label(flows.first), lambda: label(periods[0]), begins, remark="where its flows begin")
    before = len(report.disagreements)
    for (owner, flow), row in flows.rows.items():
        report.matches(f"{name}/{owner}.{flow}", len(row), len(periods), remark="periods")
        if (owner, flow) not in known:
            report.holds(f"{name}/{owner}.{flow}", _why_unknown(plan, owner, flow, name), False)
    return len(report.disagreements) == before


def _why_unknown(plan: PlanAccounts, owner: str, flow: str, path: str) -> str:
    """Say why a flow is unknown: the auditor of its lever leaves it out, or nobody has it."""
    option = plan.basis.instance.options.get(owner)
    if option is None or flow not in [each.name for each in option.flows]:
        return "no flow has that name"
    where = "`flows`" if path == BASELINE else "`flows` or `flows_in_shocks`"
    return f"its lever reports this flow, but its auditor does not name it: add it to {where}"


def stack_flows(plan: PlanAccounts, names: Sequence[str], flows: Sequence[Flows]) -> ManyFlows:
    """Stack the flows of paths of one length."""
    is_baseline, options = names == [BASELINE], plan.basis.instance.options
    keys = _keys(plan, in_shocks=not is_baseline)
    for owner, flow in keys:
        if owner in options and any((owner, flow) not in each.rows for each in flows):
            raise missing_flow(owner, options[owner], flow, in_baseline=is_baseline)
    rows = {key: np.array([each[key] for each in flows]) for key in keys}
    return ManyFlows(tuple(names), tuple(each.first for each in flows), rows)


def shock_paths(
    basis: AuditBasis,
    specs: Sequence[ShockSpec],
    times: Any,
    flows: ManyFlows,
    delta: float,
    *,
    is_steady: bool = False,
) -> Paths:
    """Return shocks whose windows have one length, with the severity that cuts have for each activity."""
    deliberate, other = (_severities(basis.instance, specs, times.shape[1], deliberate=of) for of in (True, False))
    return Paths(specs, times, basis.labels, flows, deliberate, other, delta, is_steady)


def _severities(instance: Instance, specs: Sequence[ShockSpec], length: int, *, deliberate: bool) -> dict[str, Array]:
    """Return by activity the largest severity of the cuts of one sort that match it; 0 where none does."""
    aims: dict[Any, tuple[list[int], list[list[float]]]] = {}
    for s, spec in enumerate(specs):
        for cut in spec.cuts:
            if deliberate != (spec.deliberate if cut.deliberate is None else cut.deliberate):
                continue
            shocks, profiles = aims.setdefault((cut.region, cut.stage, cut.process, cut.commodity), ([], []))
            shocks.append(s)
            profiles.append([cut.severity[min(i, len(cut.severity) - 1)] for i in range(length)])
    severities: dict[str, Array] = {}
    for aim, (shocks, profiles) in aims.items():
        for name in _matching(instance, *aim):
            np.maximum.at(severities.setdefault(name, np.zeros((len(specs), length))), shocks, profiles)
    return severities


def _matching(instance: Instance, region: Any, stage: Any, process: Any, commodity: Any) -> list[str]:
    """Return the activities that a cut with these targets affects."""
    return [
        name
        for name, activity in instance.activities.items()
        if (not region or activity.region in region)
        and (not stage or activity.stage in stage)
        and (not process or name in process)
        and (not commodity or bool(set(activity.output) & set(commodity)))
    ]


def operating_costs(plan: PlanAccounts, paths: Paths) -> dict[str, Array]:
    """Return the operating cost by part in present value, as arrays (paths, periods)."""
    parts = {part: np.zeros(paths.times.shape) for part in ("operation", "price support", "shortage")}
    for auditor, operation in plan.operations(paths):
        for part, amount in auditor.operating_costs(operation).items():
            _require_part(plan.costs, part, operation, "operating_parts")
            parts[part] = parts.get(part, 0.0) + amount
    for d, demand in plan.basis.instance.demands.items():
        parts["shortage"] += demand.shortage_cost * paths.flows[d, "unserved"]
    discounts = np.array([plan.basis.discount(t) for t in plan.basis.periods])[paths.times]
    return {part: amount * discounts for part, amount in parts.items()}


def check_paths(plan: PlanAccounts, paths: Paths) -> None:
    """Check capacities, balances and demand on the given paths."""
    operations = plan.operations(paths)
    lent = [_lent(operations, deliberate=deliberate) for deliberate in (True, False)]
    for auditor, operation in operations:
        if operation.name in plan.basis.instance.processes:
            _check_limit(operation, *lent)
        else:
            auditor.check(operation)
            _check_reported(auditor, operation)
    served: dict[str, Array] = {}
    for auditor, operation in operations:
        for d, amount in auditor.serves(operation).items():
            served[d] = served.get(d, 0.0) + amount
    _check_balances(plan.basis, paths, operations, served)
    for d in plan.basis.instance.demands:
        _check_demand(plan.basis, paths, d, served.get(d, 0.0))


def _check_reported(auditor: Auditor, operation: Operation) -> None:
    """Check that the flows of a lever give, take and serve what its auditor says.

    A lever without flows may supply and serve as it likes: nothing reports it.
    """
    if not operation.option.flows:
        return
    stated: dict[tuple[str, str], Array] = {}
    for flow in operation.option.flows:
        amount = operation.paths.flows.rows.get((operation.name, flow.name), operation.nothing)
        served = {flow.serves: 1.0} if flow.serves else {}
        for what, rates in (("gives", flow.gives), ("takes", flow.takes), ("serves", served)):
            for name, rate in rates.items():
                stated[what, name] = stated.get((what, name), 0.0) + rate * amount
    said = {"gives": auditor.supplies, "takes": auditor.uses, "serves": auditor.serves}
    found = {(what, name): row for what, ask in said.items() for name, row in ask(operation).items()}
    for what, name in {**stated, **found}:
        operation.equal(f"Flow.{what} {name}", stated.get((what, name), 0.0), found.get((what, name), 0.0))


def _lent(operations: Sequence[tuple[Auditor, Operation]], *, deliberate: bool) -> dict[str, Array]:
    """Return by existing process the capacity that options restore in cuts of one sort."""
    total: dict[str, Array] = {}
    for auditor, operation in operations:
        for p, amount in auditor.lends(operation, deliberate=deliberate).items():
            total[p] = total.get(p, 0.0) + amount
    return total


def _check_limit(operation: Operation, beside_deliberate: Mapping[str, Array], beside: Mapping[str, Array]) -> None:
    """Check the activity of a process against the capacity that the worse sort of cuts leaves, and its restart."""
    p, activity, whole = operation.name, operation.flow("activity"), operation.working
    left = [
        whole * (1.0 - operation.severity(p, deliberate=deliberate)) + lent.get(p, 0.0)
        for deliberate, lent in ((True, beside_deliberate), (False, beside))
    ]
    most = np.minimum(np.minimum(*left), whole * operation.started())
    operation.at_most("limit", activity, most, whole)
    operation.at_most("limit", 0.0, activity)
    check_running(operation, whole)


def _check_balances(
    basis: AuditBasis, paths: Paths, operations: Sequence[tuple[Auditor, Operation]], served: Mapping[str, Array]
) -> None:
    """Check supply ≥ use for every commodity."""
    supply = {c: [np.zeros(paths.times.shape)] for c in basis.instance.commodities}
    for auditor, operation in operations:
        for commodity, amount in auditor.supplies(operation).items():
            supply[commodity].append(amount)
        for commodity, amount in auditor.uses(operation).items():
            supply[commodity].append(-amount)
    for d, demand in basis.instance.demands.items():
        delivered = basis.demanded(paths, d) - paths.flows[d, "unserved"] - served.get(d, 0.0)
        supply[demand.commodity].append(-delivered)
        if demand.end_of_life is not None:
            supply[demand.end_of_life.commodity].append(_scrap(basis, demand)[paths.times] * paths.delta)
    for commodity, terms in supply.items():
        row, least_scale = paths.row(f"{commodity}.balance"), basis.scales.commodities[commodity]
        basis.report.at_most(row, 0.0, np.sum(terms, axis=0), *terms, least_scale=least_scale)


def _scrap(basis: AuditBasis, demand: Any) -> Array:
    """Return the scrap that comes back, t/yr, in every period of the horizon."""
    end, sold = demand.end_of_life, []
    for t in basis.periods:
        year = basis.year(t) - end.after_years
        sold.append(demand.quantity.at(year) if year >= basis.horizon.start else end.past_quantity.at(year))
    return np.asarray(end.collection_rate * np.array(sold))


def _check_demand(basis: AuditBasis, paths: Paths, d: str, otherwise: Array | float) -> None:
    """Check that unserved demand and substitution together do not exceed demand."""
    row, unserved, least_scale = paths.row(f"{d}.demand"), paths.flows[d, "unserved"], basis.scales.segments[d]
    basis.report.at_most(row, unserved + otherwise, basis.demanded(paths, d), least_scale=least_scale)
    basis.report.at_most(row, 0.0, unserved, least_scale=least_scale)
