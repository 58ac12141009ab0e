"""The figures of a result: policy, sources of supply, totals, the do-nothing plan, and totals of several futures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import numpy as np

from optimizer.audit import AuditReport, words_if_due
from optimizer.audit.accounts import EXPECTED_SHOCKS, BaselineAccounts, PlanAccounts, audit_plan, baseline_costs
from optimizer.audit.auditor import AuditBasis, Holding
from optimizer.instance.schema import Instance
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.results.plan import Array, DoNothing, Faced, Flows
from optimizer.results.result import Result, worst_at_each_start
from optimizer.tolerances import AUDIT_MONEY_SCALE, AUDIT_RELATIVE, NEGLIGIBLE, ROUNDING, SAME_VALUE

# The first format of plan files that has the costs of attacks and counts the worst attack at each start.
DETERRING = 3


def check_figures(plan: PlanAccounts, baseline: BaselineAccounts, result: Result) -> None:
    """Check every figure that is not of a shock; totals are compared with the accounts in the report."""
    _check_shares(plan.basis, baseline.flows, result)
    _check_shortages(plan.basis, baseline.flows, result)
    _check_actual(plan.basis, baseline.flows, result)
    _check_totals(plan, result)
    _check_do_nothing(plan.basis, result)


def check_policy(plan: PlanAccounts, baseline: BaselineAccounts) -> None:
    """Check budgets, shares of production, and forced purchases."""
    basis, report, policy, outlays = plan.basis, plan.basis.report, plan.basis.instance.policy, baseline.outlays
    # With a budget of 0, the solver's error in a supported activity is a share of the largest cost.
    least_scale = max(1.0, _outlay_scale(baseline.costs))
    if policy.budget is not None:
        report.at_most("policy.budget", math.fsum(outlays.values()), policy.budget, least_scale=least_scale)
    if policy.annual_budget is not None:
        for year in basis.horizon.years:
            bound = policy.annual_budget.at(year)
            report.at_most(f"policy.annual_budget_{year}", outlays[str(year)], bound, least_scale=least_scale)
    for i, rule in enumerate(policy.max_share):
        _check_share(basis, f"policy.max_share_{i}", rule, baseline.flows, sign=1.0)
    for i, rule in enumerate(policy.min_share):
        _check_share(basis, f"policy.min_share_{i}", rule, baseline.flows, sign=-1.0)
    for o, sizes in policy.force.items():
        for year, size in sizes.items():
            report.equal(f"policy.force.{o}.{year}", _yearly_purchase(plan.holdings[o], year), size)


def _outlay_scale(costs: Mapping[str, float]) -> float:
    """Return the least scale of an outlay: a millionth of the largest part of the cost."""
    return AUDIT_RELATIVE * max(map(abs, costs.values()), default=0.0)


def _yearly_purchase(holding: Holding, year: int) -> float:
    """Return the amount bought of an option in a calendar year."""
    filled = (fill for t, fill in enumerate(holding.fills) if holding.basis.year(t) == year)
    return math.fsum([*(build.size for build in holding.builds if holding.basis.year(build.t) == year), *filled])


def _check_share(basis: AuditBasis, row: str, rule: Any, baseline: Flows, *, sign: float) -> None:
    """Check a rule about a share of production, in every period from its year on."""
    report = basis.report
    for t in basis.periods:
        if rule.from_ is not None and basis.year(t) < rule.from_:
            continue
        everything, counted = 0.0, 0.0
        for name, activity in basis.instance.activities.items():
            made = activity.output.get(rule.commodity, 0.0) * baseline[name, "activity"][t]
            kind = getattr(activity, "kind", "existing")
            of_region = rule.region is None or activity.region == rule.region
            of_kind = rule.kind is None or kind == rule.kind
            everything += made
            counted += made if of_region and of_kind else 0.0
        label = f"{row}.{basis.horizon.label(t)}"
        off = sign * (counted - rule.share * everything)
        report.at_most(label, off, 0.0, everything, least_scale=basis.scales.commodities[rule.commodity])


def _check_shares(basis: AuditBasis, baseline: Flows, result: Result) -> None:
    """Check the table of regions that each commodity comes from."""
    report = basis.report
    for commodity, shares in result.shares.items():
        for share in shares:
            row, made = f"{commodity}.dependence.{share.year}", dict.fromkeys(share.regions, 0.0)
            makers = {p: each for p, each in basis.instance.activities.items() if commodity in each.output}
            for name, activity in makers.items():
                rate, region = activity.output[commodity], activity.region or "unnamed"
                ran = math.fsum(baseline[name, "activity"][t] for t in basis.periods if basis.year(t) == share.year)
                made[region] = made.get(region, 0.0) + rate * ran
            total = math.fsum(made.values())
            report.agree(row, share.tonnes, total, least_scale=basis.scales.commodities[commodity])
            for region, part in made.items() if total > 0 else ():
                report.agree(f"{row}.{region}", share.regions.get(region, 0.0), part / total, 1.0)
            hhi = math.fsum((part / total) ** 2 for part in made.values()) if total > 0 else 0.0
            report.agree(f"{row}.hhi", share.hhi, hhi, 1.0)


def _check_shortages(basis: AuditBasis, baseline: Flows, result: Result) -> None:
    """Check the unserved demand of the baseline."""
    report = basis.report
    for d, demand in basis.instance.demands.items():
        row, short, lack = f"{d}.lacks", baseline[d, "unserved"], result.lacks.get(d)
        demanded = [demand.quantity.at(basis.year(t)) * basis.delta for t in basis.periods]
        parts = [part / whole if whole > 0 else 0.0 for part, whole in zip(short, demanded, strict=True)]
        # Near zero, rounding decides whether there is a shortage: either statement is right.
        report.at_most(row, max(parts) if lack is None else 0.0, 2 * NEGLIGIBLE, 1.0)
        if lack is not None:
            report.agree(f"{row}.share", lack.share, max(parts), 1.0)
            report.agree(f"{row}.unserved", lack.unserved, math.fsum(short), least_scale=basis.scales.segments[d])
            of_it = parts[basis.labels.index(lack.period)] if lack.period in basis.labels else 0.0
            report.agree(f"{row}.period", lack.share, of_it, 1.0)


def _check_actual(basis: AuditBasis, baseline: Flows, result: Result) -> None:
    """Check the comparison of actual output with the baseline."""
    report = basis.report
    due = {(p, year): t for p, each in basis.instance.processes.items() for year, t in each.actual.items()}
    stated = [(each.process, each.year) for each in result.actual]
    report.matches("actual", sorted(stated), sorted(due))
    for each in result.actual:
        if (each.process, each.year) not in due:
            continue
        row, process = f"actual.{each.process}.{each.year}", basis.instance.processes[each.process]
        commodity, year = next(iter(process.output)), max(each.year, basis.horizon.start)
        is_of_it = (each.commodity, each.model_year) == (commodity, year)
        report.matches(row, f"{each.commodity} in {each.model_year}", f"{commodity} in {year}", is_of_it)
        ran = math.fsum(baseline[each.process, "activity"][t] for t in basis.periods if basis.year(t) == year)
        made, known, scale = process.output[commodity] * ran, due[each.process, each.year], basis.scales.commodities
        report.agree(row, each.actual, known)
        report.agree(f"{row}.modelled", each.modelled, made, least_scale=scale[commodity])
        report.matches(
            f"{row}.deviation",
            each.deviation,
            words_if_due(is_due=known != 0),
            (each.deviation is None) == (known == 0),
        )
        if each.deviation is not None and known > 0:
            report.agree(f"{row}.deviation", each.deviation, made / known - 1.0, made / known, 1.0)


def check_parts_of_cost(report: AuditReport, stated: Mapping[str, float], costs: Mapping[str, float]) -> None:
    """Check the stated parts of a cost, if there are any, each by its own size."""
    least_scale = max(AUDIT_MONEY_SCALE, _outlay_scale(costs))
    for part, amount in costs.items() if stated else ():
        # The part of the shocks is the difference of larger costs.
        terms = costs.values() if part == EXPECTED_SHOCKS else ()
        report.agree(f"cost of {part}", stated.get(part, 0.0), amount, *terms, least_scale=least_scale)


def _check_totals(plan: PlanAccounts, result: Result) -> None:
    basis, report, costs, outlays = plan.basis, plan.basis.report, plan.basis.report.costs, plan.basis.report.outlays
    # Errors below a millionth of a unit of money are negligible: a cost of zero may be computed as 1e-15.
    report.agree("total_cost", result.total_cost, math.fsum(costs.values()), *costs.values(), least_scale=1.0)
    check_parts_of_cost(report, result.costs, costs)
    least_scale = max(AUDIT_MONEY_SCALE, _outlay_scale(costs))
    report.agree("outlay", result.outlay, math.fsum(outlays.values()), least_scale=least_scale)
    for year, amount in outlays.items() if result.outlays else ():
        report.agree(f"outlay.{year}", result.outlays.get(year, 0.0), amount, result.outlay, least_scale=least_scale)
    _check_excuses(basis, result)
    gaps = list(_counted_gaps(result).values())
    gap_scale = _gap_scale(basis, sum(gap > 0 for gap in gaps))
    report.agree("survival_gap", result.survival_gap, _total_gap(plan, result), *gaps, least_scale=gap_scale)
    report.agree("worst_gap", result.worst_gap, max(gaps, default=0.0), *gaps, least_scale=AUDIT_MONEY_SCALE)
    if result.bound is not None:
        report.at_most("bound", result.bound, result.total_cost, *costs.values())
    if result.gap_bound is not None:
        report.at_most("gap_bound", result.gap_bound, result.survival_gap, least_scale=AUDIT_MONEY_SCALE)
    _check_distances(basis, result)
    report.matches("periods", result.periods, tuple(basis.labels))
    survives = not any(outcome.fails for outcome in result.shocks)
    stated = {"survives": survives, "gap": not survives}.get(result.status, True)
    report.matches("status", result.status, "survives" if survives else "gap", stated)


def _check_costs_of_attacks(plan: PlanAccounts, faced: Faced, file_format: int) -> None:
    """Check the adversary's cost of each attack under the plan, and whether it is made or deterred."""
    basis, report = plan.basis, plan.basis.report
    adversary, row = basis.instance.adversary, "adversary.{}".format
    named = (*faced.attacks, *faced.deterred)
    known = file_format < DETERRING or sorted(faced.costs) == sorted(set(named))
    report.matches("adversary.costs", set(faced.costs), set(named), known)
    for name in named:
        made = None if adversary is None else adversary.attack(name, basis.horizon)
        is_affordable = made is not None and adversary is not None and adversary.affords(made.targets)
        report.holds(row(name), "the adversary cannot afford this attack", is_affordable)
        if made is None or adversary is None:
            continue
        levels = {o: float(plan.carried[o][made.start]) for o in adversary.deterrence(made.targets)}
        cost = adversary.price(made.targets)
        for target in made.targets:
            cost += sum(per * levels.get(o, 0.0) for o, per in adversary.targets[target].deterrence.items())
        if name in faced.costs:
            report.agree(f"{row(name)}.cost", faced.costs[name], cost, adversary.attack_budget)
        is_deterred = name in faced.deterred, adversary.deters(cost)
        stated, found = ("deterred" if each else "made" for each in is_deterred)
        remark = f"it costs the adversary {cost:g} of an attack budget of {adversary.attack_budget:g}"
        report.matches(row(name), stated, found, remark=remark)


def _counted_gaps(result: Result) -> dict[str, float]:
    """Return the gap of each shock that counts: 0 for samples that are excused."""
    return {outcome.name: 0.0 if outcome.excused else outcome.gap for outcome in result.shocks}


def _check_excuses(basis: AuditBasis, result: Result) -> None:
    """Check the excused shocks: only samples of an ensemble, and no more of them than its rule allows to fail."""
    report = basis.report
    excused = {outcome.name for outcome in result.shocks if outcome.excused}
    known = set[str]()
    for name, spec in basis.instance.ensembles.items():
        own = {f"{name}#{i:05d}" for i in range(1, spec.count + 1)} & excused
        known |= own
        share = 1.0 if spec.survive is None else spec.survive
        required = math.ceil(share * spec.count - ROUNDING)
        most, remark = spec.count - required, f"of {spec.count} samples excused, {required} are required"
        report.matches(f"ensembles.{name}.survive", len(own), f"at most {most}", len(own) <= most, remark=remark)
    report.matches("survive", excused, known, remark="excused, of which only samples may be")
    for outcome in result.shocks:
        if outcome.excused:
            report.holds(outcome.name, "it is excused, although it survives", not outcome.survives)


def _gap_scale(basis: AuditBasis, failing: int) -> float:
    """Return the least scale of the gap, money, for a number of shocks with a gap.

    The gap is that of the search: rows of the plan may be off by a share of demand, however small the gap is.
    """
    demands = basis.instance.demands.items()
    one = math.fsum(basis.scales.segments[d] * demand.shortage_cost for d, demand in demands)
    return max(AUDIT_MONEY_SCALE, failing * one)


def _total_gap(plan: PlanAccounts, result: Result) -> float:
    """Return the sum of all gaps, with the worst attack at each start of an adversary; check the attacks."""
    report, faced = plan.basis.report, result.adversary
    gaps = _counted_gaps(result)
    if faced is None:
        return math.fsum(gaps.values())
    _check_costs_of_attacks(plan, faced, result.format)
    for name in faced.attacks:
        report.holds(f"adversary.{name}", "it is not among the shocks", name in gaps)
    worst = [outcome.gap for outcome in worst_at_each_start(faced, result.shocks)]
    total = math.fsum(worst if result.format >= DETERRING else worst[:1])
    report.agree("adversary.gap", faced.gap, total, *gaps.values(), least_scale=AUDIT_MONEY_SCALE)
    return math.fsum(gap for name, gap in gaps.items() if name not in faced.attacks) + total


def _check_distances(basis: AuditBasis, result: Result) -> None:
    """Check the figures derived from two others: the distance from the bound, and the price of the plan."""
    report, distance = basis.report, _distance(result, basis.instance.policy.gap_price)
    known = distance is not None
    report.matches("mip_gap", result.mip_gap, words_if_due(is_due=known), (result.mip_gap is not None) == known)
    if distance is not None and result.mip_gap is not None:
        report.agree("mip_gap", result.mip_gap, distance, least_scale=AUDIT_RELATIVE)
    _check_price(report, result)


def _distance(result: Result, price: float | None) -> float | None:
    """Return the relative distance from the bound, of cost or gap, whichever is larger; None if one is unknown.

    With a price of gaps it is the distance of both together, except in older plan files, which have a bound of the gap.
    """
    cost, gap = result.total_cost, result.survival_gap
    if result.bound is None:
        return None
    if price is not None and result.gap_bound is None:
        whole = cost + price * gap
        return max(0.0, (cost - result.bound) / abs(whole)) if whole else 0.0
    if gap > 0 and result.gap_bound is None:
        return None
    of_cost = (cost - result.bound) / abs(cost) if cost else 0.0
    of_gap = (gap - (result.gap_bound or 0.0)) / gap if gap > 0 else 0.0
    return max(0.0, of_cost, of_gap)


def _check_price(report: AuditReport, result: Result) -> None:
    """Check the cost of the plan beyond the no-shock plan; a difference within the error of the costs counts as 0."""
    cost, price, baseline_cost = result.total_cost, result.price_of_survival, result.calm_cost
    due = words_if_due(is_due=baseline_cost is not None)
    report.matches("price_of_survival", price, due, (price is None) == (baseline_cost is None))
    if price is not None and baseline_cost is not None:
        more = cost - baseline_cost
        again = 0.0 if abs(more) <= SAME_VALUE * abs(cost) else more
        report.agree("price_of_survival", price, again, cost, baseline_cost)


def _check_do_nothing(basis: AuditBasis, result: Result) -> None:
    """Check the figures of the do-nothing plan, as far as that is possible without a solver."""
    nothing, may_fail = result.nothing, any(spec.survive is not None for spec in basis.instance.ensembles.values())
    if nothing is None:
        return
    _check_nothing(basis, "nothing", nothing)
    counted = nothing.counted
    basis.report.holds("nothing.counted", "no sample may fail", counted is None or may_fail)
    # Older plan files lack it.
    if counted is None:
        return
    _check_nothing(basis, "nothing.counted", counted)
    for name in ("gap", "worst_gap", "below_floor", "shocks_failed"):
        known, part = getattr(nothing, name), getattr(counted, name)
        basis.report.at_most(f"nothing.counted.{name}", part, known, least_scale=AUDIT_MONEY_SCALE)
    most = sum(spec.count - spec.required for spec in basis.instance.ensembles.values())
    due, failed = f"{nothing.shocks_failed} less {most} at most", counted.shocks_failed
    is_due = nothing.shocks_failed - failed <= most
    basis.report.matches("nothing.counted.shocks_failed", failed, due, is_due, remark="shocks")


def _check_nothing(basis: AuditBasis, place: str, nothing: DoNothing) -> None:
    """Check figures of the do-nothing plan against each other, for all shocks or for those that count."""
    report = basis.report
    costs = [demand.shortage_cost for demand in basis.instance.demands.values()]
    gap, below, failed = nothing.gap, nothing.below_floor, nothing.shocks_failed
    least, most = below * min(costs, default=0.0), below * max(costs, default=0.0)
    report.at_most(f"{place}.gap", 0.0, gap)
    report.at_most(f"{place}.gap", least, gap, least_scale=AUDIT_MONEY_SCALE)
    report.at_most(f"{place}.gap", gap, most, least_scale=AUDIT_MONEY_SCALE)
    report.at_most(f"{place}.worst_gap", 0.0, nothing.worst_gap)
    report.at_most(f"{place}.worst_gap", nothing.worst_gap, gap, least_scale=AUDIT_MONEY_SCALE)
    report.at_most(f"{place}.worst_gap", gap, failed * nothing.worst_gap, least_scale=AUDIT_MONEY_SCALE)
    row, count = f"{place}.shocks_failed", len(basis.instance.events)
    report.matches(row, failed, f"0 to {count}", 0 <= failed <= count, remark="shocks")
    report.matches(row, failed, "more than 0" if below > 0 else "0", (failed > 0) == (below > 0), remark="shocks")
    names = {event.name for event in basis.instance.events} if failed else {None}
    due = "one of the shocks" if failed else None
    report.matches(f"{place}.worst_shock", nothing.worst_shock, due, nothing.worst_shock in names)


# The totals of several futures.


def check_joint_figures(instance: Instance, result: FuturesResult, measured: float, report: AuditReport) -> None:
    """Check the labels of a plan of several futures, and the totals that follow from those of its futures.

    `measured` is the measure of its costs with gaps at their price.
    """
    _check_joint_labels(instance, result, report)
    outlays = [each.probability * each.result.outlay for each in result.futures]
    report.agree("outlay", result.outlay, math.fsum(outlays), least_scale=AUDIT_MONEY_SCALE)
    worst = max(each.result.worst_gap for each in result.futures)
    report.agree("worst_gap", result.worst_gap, worst, least_scale=AUDIT_MONEY_SCALE)
    status, required = "survives" if result.survives else "gap", result.settings.get("gap")
    is_open = result.mip_gap is None or not isinstance(required, float) or result.mip_gap > required
    report.matches("status", result.status, status, result.status in (status, "stopped" if is_open else status))
    # With a price of gaps there is no bound of the gap.
    gap = result.survival_gap if instance.policy.gap_price is None else 0.0
    report.at_most("gap_bound", 0.0, result.gap_bound or 0.0)
    report.at_most("gap_bound", result.gap_bound or 0.0, result.survival_gap, least_scale=AUDIT_MONEY_SCALE)
    _check_joint_distance(result, measured, gap, report)
    _check_measures_beside(instance, result, measured, report)


def _check_measures_beside(instance: Instance, result: FuturesResult, measured: float, report: AuditReport) -> None:
    """Check the measure with gaps at their price, CVaR and value at risk, where the result states them."""
    costs = [each.cost for each in result.futures]
    for name, found in measures_beside(instance, result.futures, measured).items():
        stated = getattr(result, name)
        # Plan files written before the figures were reported do not have them.
        if stated is not None and not (name == "priced_cost" and math.isnan(stated)):
            report.agree(name, stated, math.nan if found is None else found, *costs, least_scale=1.0)


def _check_joint_labels(instance: Instance, result: FuturesResult, report: AuditReport) -> None:
    tree, label = instance.tree, instance.horizon.label
    asked = [future.answers[0].t for future in tree.futures if future.answers]
    for name, stated, found in (
        ("instance", result.title, instance.title),
        ("currency", result.currency, instance.currency),
        ("periods", result.periods, tuple(map(label, instance.horizon.periods))),
        ("measure", result.measure, str(instance.policy.objective)),
        ("first_question", result.first_question, label(min(asked)) if asked else None),
        ("are_probabilities_given", result.are_probabilities_given, tree.are_probabilities_given),
    ):
        report.matches(name, stated, found)
    for each, future in zip(result.futures, tree.futures, strict=True):
        due = [f"{of.question}: {of.branch} from {label(of.t)}" for of in future.answers]
        report.matches(f"{each.name}.answers", [f"{of}: {branch} from {t}" for of, branch, t in each.answers], due)


def _check_joint_distance(result: FuturesResult, measured: float, gap: float, report: AuditReport) -> None:
    """Check the distance from the bounds of the measure and of the gap."""
    is_due = result.bound is not None and (result.gap_bound is not None or not gap > 0)
    row, is_stated = "mip_gap", result.mip_gap is not None
    report.matches(row, result.mip_gap, words_if_due(is_due=is_due), is_stated == is_due)
    if result.bound is None or result.mip_gap is None:
        return
    whole = abs(measured) or 1.0
    of_cost = max(0.0, result.total_cost - result.bound) / whole
    of_gap = (gap - (result.gap_bound or 0.0)) / (gap or 1.0)
    # A regret is the difference of two costs, and the error of its distance a share of them.
    least_scale = max(abs(each.cost) for each in result.futures) / whole
    report.agree(row, result.mip_gap, max(of_cost, of_gap), least_scale=least_scale)


def measure_of_futures(instance: Instance, futures: Sequence[FutureResult], gap_price: float = 0.0) -> float:
    """Return the measure of the futures' costs, with gaps at a price; NaN for a regret without a least cost."""
    measure, priced = instance.policy.objective, [gap_price * each.result.survival_gap for each in futures]
    costs = [each.result.total_cost + gap for each, gap in zip(futures, priced, strict=True)]
    if measure.kind == "worst":
        return max(costs)
    if measure.kind == "regret":
        return _largest_regret(instance, futures)
    expected = math.fsum(each.probability * cost for each, cost in zip(futures, costs, strict=True))
    if measure.kind == "expected":
        return expected
    if measure.kind == "cvar":
        tail = _tail(_all_outcomes(instance, futures, priced), measure.alpha)[0]
        return (1.0 - measure.weight) * expected + measure.weight * tail
    assert_never(measure.kind)


def measures_beside(instance: Instance, futures: Sequence[FutureResult], priced_cost: float) -> dict[str, Any]:
    """Return by name, beside the measure: that with gaps at their price, CVaR, and the value at risk."""
    measure = instance.policy.objective
    outcomes = _all_outcomes(instance, futures, [0.0] * len(futures)) if measure.kind == "cvar" else []
    cvar, value_at_risk = _tail(outcomes, measure.alpha) if outcomes else (None, None)
    return {"priced_cost": priced_cost, "cvar": cvar, "value_at_risk": value_at_risk}


def _all_outcomes(
    instance: Instance, futures: Sequence[FutureResult], priced: Sequence[float]
) -> list[tuple[float, float]]:
    """Return (cost, probability) of the outcomes of all futures, with the price of the gap of each."""
    return [(x + gap, p) for each, gap in zip(futures, priced, strict=True) for x, p in _outcomes(instance, each)]


def _largest_regret(instance: Instance, futures: Sequence[FutureResult]) -> float:
    """Return the largest regret, with gaps at the price of the policy, as the least costs have."""
    price, known = instance.policy.gap_price or 0.0, [each for each in futures if each.least_cost is not None]
    regrets = [f.result.total_cost + price * f.result.survival_gap - (f.least_cost or 0.0) for f in known]
    return max(regrets) if len(regrets) == len(futures) else math.nan


def _outcomes(instance: Instance, each: FutureResult) -> list[tuple[float, float]]:
    """Return (cost, probability) of a future's outcomes: no shock, and each of its shocks."""
    own = next(future.instance for future in instance.tree.futures if future.name == each.name)
    baseline, paid = baseline_cost_by_period(own, each.result), {shock.name: shock.cost for shock in each.result.shocks}
    likely = [event for event in own.events if event.probability > 0]
    found = [(paid[e.name] - math.fsum(baseline[e.periods.start : e.periods.stop]), e.probability) for e in likely]
    baseline_cost = each.result.total_cost - math.fsum(change * probability for change, probability in found)
    none = 1.0 - math.fsum(probability for _, probability in found)
    return [(baseline_cost + change, each.probability * probability) for change, probability in [(0.0, none), *found]]


def baseline_cost_by_period(instance: Instance, result: Result) -> Array:
    """Return the cost of the baseline by period, present value."""
    if result.baseline is None:
        raise ValueError("the baseline is missing")
    return baseline_costs(audit_plan(instance, result.plan, AuditReport()), result.baseline)


def _tail(outcomes: Sequence[tuple[float, float]], alpha: float) -> tuple[float, float]:
    """Return CVaR and value at risk at α of (cost, probability) pairs.

    CVaR is the minimum of X̂ + E[(X − X̂)⁺] / (1 − α) over X̂, attained at one of the outcomes; the value at risk is the
    least cost that is exceeded with a probability of 1 − α at most.
    """
    eta, q = np.array(sorted(outcomes, reverse=True)).T
    # The probability of all higher costs; equal costs are one outcome.
    above = np.array([0.0, *np.cumsum(q)])[np.searchsorted(-eta, -eta)]
    at_risk = eta[(q > ROUNDING) & (above <= 1.0 - alpha + ROUNDING)].min()
    return float(np.min(eta + (np.cumsum(q * eta) - np.cumsum(q) * eta) / (1.0 - alpha))), float(at_risk)
