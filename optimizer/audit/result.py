"""The audit of a result: the plan, its baseline, its shocks and figures, and then the parts of a file.

audit_result    audits a complete result, such as one from a file
complete        audits a result that lacks its costs, and adds these
check_futures   checks the futures of a joint plan against each other: equal decisions where futures cannot be
                distinguished, and the measure; each future's own result is audited as any other
audit_futures   the same, with the rows that the audits of the futures checked
audit_error     the error to raise where the audit disagrees
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from optimizer.audit import AuditReport, shown_value
from optimizer.audit.accounts import (
    EXPECTED_SHOCKS,
    BaselineAccounts,
    PlanAccounts,
    audit_baseline,
    audit_plan,
    missing_auditors,
)
from optimizer.audit.auditor import AuditBasis, Auditor
from optimizer.audit.figures import check_figures, check_parts_of_cost, check_policy, measure_of_futures
from optimizer.audit.shocks import ShockAccounts, audit_shocks, check_services, check_survival_rules
from optimizer.disruptions.shock import EFFECT_FIELDS, expand
from optimizer.errors import AuditError, Finding, InstanceError, fault_from_outside, said_of_misfit
from optimizer.instance.altered import with_attacks, without_attacks, without_disruptions
from optimizer.instance.derived import size_thresholds
from optimizer.instance.document import leaves
from optimizer.instance.schema import Instance, require_instance
from optimizer.results.futures import FUTURES_FIGURES, FutureResult, FuturesResult
from optimizer.results.plan import MOST_DETAILED_SHOCKS, Flows, ManyFlows, NoShockPlan, Outcome, Plan, Service
from optimizer.results.result import RESULT_FIGURES, Result, first_largest, require_result, weakest, worst_at_each_start
from optimizer.results.saved import FORMAT
from optimizer.tolerances import AUDIT_MONEY_SCALE, AUDIT_RELATIVE, FAR_APART, FINE_ROUNDING, LARGE_NUMBER, SAME_VALUE


def audit_result(instance: Instance, result: Result, many: Sequence[ManyFlows] = ()) -> AuditReport:
    """Audit a result: recompute every figure that needs no solver, in plain arithmetic, from the instance.

    Args:
        instance: the instance that the result claims to answer; attacks that shaped it need not be among its shocks.
        result: a result of `solve`, or one that was saved, or changed by hand.
        many: the flows of shocks that the result keeps only as a line, if they are available. The line is then checked
            against figures recomputed from them, and otherwise only for consistency.

    Returns:
        The report. `ok` is True if everything agrees; `require` raises `AuditError` if not.
    """
    require_instance(instance)
    require_result(result, Result)
    report = AuditReport()
    report.disagreements += result.departures
    _recompute(under_its_attacks(instance, result), result, many, report, is_whole=True)
    return report


def complete(instance: Instance, result: Result, many: Sequence[ManyFlows]) -> tuple[Result, AuditReport]:
    """Add costs, outlays and the audit to a result that lacks them; return it with the audit's report."""
    report = AuditReport()
    _recompute(instance, result, many, report, is_whole=False)
    no_shock = None if result.no_shock is None else replace(result.no_shock, costs=report.no_shock_costs)
    # The rounding residue of an activity with price support is not an outlay.
    least = FINE_ROUNDING * abs(result.total_cost)
    known = {"outlay": result.outlay, **report.outlays}
    outlays = {name: amount if amount > least else 0.0 for name, amount in known.items()}
    made = replace(result, costs=report.costs, outlay=outlays.pop("outlay"), outlays=outlays, no_shock=no_shock)
    return replace(made, audit=report.to_dict()), report


def under_its_attacks(instance: Instance, result: Result) -> Instance:
    """Return the instance with the attacks that shaped a result as shocks, unless it already has attacks."""
    faced, adversary = result.adversary, instance.adversary
    if faced is None or adversary is None or without_attacks(instance) is not instance:
        return instance
    attacks = (adversary.attack(name, instance.horizon) for name in faced.attacks)
    return with_attacks(instance, [attack for attack in attacks if attack is not None])


def _recompute(
    instance: Instance, result: Result, many: Sequence[ManyFlows], report: AuditReport, *, is_whole: bool
) -> None:
    """Recompute every row and figure; for a complete result, also check that it has all its parts."""
    if missing := missing_auditors(instance):
        report.disagreements += missing
        return
    try:
        if is_whole and result.baseline is None and result.status in ("none", "stopped"):
            _check_absent(instance, result, report)
            return
        plan, baseline = _recompute_baseline(instance, result.plan, result.baseline, report)
        check_survival_rules(plan, result.endured)
        shocks = audit_shocks(plan, baseline, result, many)
        check_services(plan.basis, shocks, result)
        report.costs = {**baseline.costs, EXPECTED_SHOCKS: shocks.expected_cost}
        report.outlays = {**baseline.outlays}
        check_figures(plan, baseline, result)
        _check_no_shock_plan(instance, result, report)
        if is_whole:
            _check_parts(plan, baseline, shocks, result)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        said = fault_from_outside(error, Auditor) or f"the plan does not fit its instance: {said_of_misfit(error)}"
        report.disagreements.append(said)


def _recompute_baseline(
    instance: Instance, plan: Plan, flows: Flows | None, report: AuditReport
) -> tuple[PlanAccounts, BaselineAccounts]:
    """Recompute the first stage, the baseline and the policy rows, which the no-shock plan has too."""
    if flows is None:
        raise ValueError("the baseline is missing")
    accounts = audit_plan(instance, plan, report)
    baseline = audit_baseline(accounts, flows)
    check_policy(accounts, baseline)
    return accounts, baseline


def audit_no_shock(instance: Instance, kept: NoShockPlan) -> tuple[AuditReport, BaselineAccounts]:
    """Recompute a no-shock plan in the instance without shocks; return the report and its baseline."""
    report = AuditReport()
    _, baseline = _recompute_baseline(without_disruptions(instance), kept.plan, kept.baseline, report)
    return report, baseline


def _check_no_shock_plan(instance: Instance, result: Result, report: AuditReport) -> None:
    """Check the no-shock plan in the instance without shocks: rows, cost by part, and options bought."""
    kept = result.no_shock
    if kept is None:
        return
    again, baseline = audit_no_shock(instance, kept)
    costs = baseline.costs
    again.agree("total_cost", kept.total_cost, math.fsum(costs.values()), *costs.values(), least_scale=1.0)
    check_parts_of_cost(again, kept.costs, costs)
    again.matches("calm_cost", result.calm_cost, kept.total_cost, remark=instance.currency)
    again.matches("calm_builds", set(result.calm_builds), set(kept.plan.bought))
    report.no_shock_costs = {**costs}
    report.add("no-shock plan", again)


# The parts of a file, by name and in order: these checks cover the numbers that no other check reads.


def _check_parts(plan: PlanAccounts, baseline: BaselineAccounts, shocks: ShockAccounts, result: Result) -> None:
    """Check the parts that a complete result must have against the accounts."""
    basis = plan.basis
    basis.report.matches("instance", result.title, basis.instance.title)
    basis.report.matches("currency", result.currency, basis.instance.currency)
    _check_tables(plan, result)
    _check_order(basis, result)
    check_segments(basis, result)
    _check_bounds(basis, result)
    _check_no_shock_names(plan, result)
    _check_adversary(basis, result)
    _check_dependence(basis, baseline.flows, result)
    _check_periods_of_shortages(basis, baseline.flows, result)
    _check_worst_periods(basis, shocks, result)


def _check_tables(plan: PlanAccounts, result: Result) -> None:
    """Check that every table has the right rows."""
    basis, report = plan.basis, plan.basis.report
    piles = {o for o, auditor in plan.auditors.items() if auditor.is_stock}
    tables: dict[str, tuple[Any, Any]] = {
        "stock": (set(result.plan.stocks), piles),
        "purchases": (set(result.plan.fills), piles),
        "costs": (set(result.costs), {part for part, cost in plan.costs.items() if part in result.costs or cost}),
        "outlays": (set(result.outlays), {str(year) for year in basis.horizon.years}),
        "lacks": (set(result.lacks) - set(basis.instance.demands), set()),
        "clash": (set(result.clash), set()),
    }
    for name, (stated, due) in tables.items():
        report.matches(name, stated, due)
    count = sum(outcome.flows is not None for outcome in result.shocks)
    report.matches("shocks", count, min(MOST_DETAILED_SHOCKS, len(basis.events)), remark="shocks with flows")
    has_nothing = result.nothing is not None
    report.matches("nothing", has_nothing, bool(basis.events), remark="whether there are figures of doing nothing")


def _check_order(basis: AuditBasis, result: Result) -> None:
    """Check that lists are in the order of the instance."""
    places = {o: i for i, o in enumerate(basis.instance.options)}
    builds = [(places[build.option], build.t) for build in result.plan.builds]
    basis.report.holds("builds", "they are out of order, or repeated", builds == sorted(set(builds)))
    named = [outcome.name for outcome in result.shocks]
    basis.report.matches("shocks", named, list(basis.events))


def _check_bounds(basis: AuditBasis, result: Result) -> None:
    """Check that the bounds fit the status; with a price of gaps there is no bound of the gap."""
    report, ended, price = basis.report, result.status in ("survives", "gap"), basis.instance.policy.gap_price
    bounds, remark = (result.bound, result.gap_bound, result.mip_gap), "bound, gap_bound, mip_gap"
    needed = bounds if price is None else (result.bound, result.mip_gap)
    known = result.given is not None or None not in needed
    due = f'all three of a plan with status "{result.status}"' if price is None else "bound and mip_gap"
    report.matches("bound", shown_value(bounds), due, known or not ended, remark=remark)
    report.matches("status", result.status, "that there is a plan", result.status != "none")
    if result.given is not None:
        due = "none of a plan that was given"
        report.matches("bound", shown_value(bounds), due, set(bounds) == {None}, remark=remark)
    if result.gap_bound is not None:
        report.at_most("gap_bound", 0.0, result.gap_bound)
    _check_stop(report, result)


def _check_stop(report: AuditReport, result: Result) -> None:
    """Check that a search with status "stopped" has not reached the required MIP gap."""
    required, faced = result.settings.get("gap"), result.adversary
    if result.status == "stopped" and result.mip_gap is not None and isinstance(required, float):
        open_ = result.mip_gap > required or (faced is not None and faced.sets is None)
        report.matches("status", result.status, f"a mip_gap of {result.mip_gap:.9g}; {required:g} is required", open_)


def _check_no_shock_names(plan: PlanAccounts, result: Result) -> None:
    """Check the statements about the no-shock plan that need no solve."""
    report, auditors = plan.basis.report, plan.auditors
    order = sorted(auditors, key=lambda o: auditors[o].is_stock)
    stated = [o for o in order if o in result.calm_builds]
    report.matches("calm_builds", list(result.calm_builds), stated)


def _check_adversary(basis: AuditBasis, result: Result) -> None:
    """Check that the adversary is that of the instance, and that it can make the attacks among the shocks."""
    report, adversary, faced = basis.report, basis.instance.adversary, result.adversary
    entries = {name: adversary.targets_of(event.entry) if adversary else None for name, event in basis.events.items()}
    attacks = {name for name, targets in entries.items() if targets is not None}
    stated = set() if faced is None else set(faced.attacks)
    report.matches("adversary.attacks", stated, attacks)
    if faced is None or adversary is None:
        report.matches(
            "adversary", faced is not None, adversary is not None, faced is None, remark="whether there is an adversary"
        )
        return
    report.agree("adversary.attack_budget", faced.attack_budget, adversary.attack_budget)
    starts = adversary.starts.periods(basis.horizon)
    sets = adversary.enumerated(len(starts))
    counts = (len(starts), len(adversary.targets), None if sets is None else len(sets))
    stated_counts = (faced.starts, faced.targets, faced.sets)
    known, remark = stated_counts == counts, "starts, targets, sets"
    report.matches("adversary", shown_value(stated_counts), shown_value(counts), known, remark=remark)
    twice = len(faced.attacks) > len(stated)
    report.holds("adversary.attacks", "an attack is listed twice", not twice)
    worst = next((each.name for each in worst_at_each_start(faced, result.shocks) if each.fails), None)
    report.matches("adversary.worst", faced.worst, worst)
    for name in sorted(attacks):
        _check_attack(basis, name, entries[name] or (), starts)


def _check_attack(basis: AuditBasis, name: str, targets: Sequence[str], starts: Sequence[int]) -> None:
    """Check that a shock with the name of an attack has the cuts of its targets, at one of the starts."""
    event, adversary = basis.events[name], basis.instance.adversary
    assert adversary is not None
    first = event.periods.start
    spec = adversary.shock(targets, [basis.horizon.label(first)])
    (own,) = expand(event.entry, spec, basis.horizon)
    same = all(getattr(own.spec, part) == getattr(event.spec, part) for part in ("cuts", *EFFECT_FIELDS))
    known = same and own.periods == event.periods and not event.probability and first in starts
    basis.report.holds(f"adversary.{name}", "its cuts are not those of its targets", known)


def _check_dependence(basis: AuditBasis, baseline: Flows, result: Result) -> None:
    """Check that the table of regions of origin has the right commodities, years and regions."""
    years = tuple(dict.fromkeys((basis.horizon.start, basis.horizon.end)))
    used = {demand.commodity for demand in basis.instance.demands.values()}
    used |= {commodity for activity in basis.instance.activities.values() for commodity in activity.input}
    due = {c for c in used if any(_production(basis, baseline, c, year) > 0 for year in years)}
    basis.report.matches("dependence", set(result.shares), due)
    for commodity, shares in result.shares.items():
        row = f"{commodity}.dependence"
        basis.report.matches(row, tuple(share.year for share in shares), years)
        for share in shares:
            real = all(part > 0 for part in share.regions.values()) and (share.tonnes > 0 or not share.regions)
            basis.report.holds(f"{row}.{share.year}", "it names a region without production", real)


def _production(basis: AuditBasis, baseline: Flows, commodity: str, year: int) -> float:
    """Return the production of a commodity in a year, t."""
    makers = {p: each.output[commodity] for p, each in basis.instance.activities.items() if commodity in each.output}
    at = [t for t in basis.periods if basis.year(t) == year]
    return math.fsum(rate * baseline[p, "activity"][t] for p, rate in makers.items() for t in at)


def _check_periods_of_shortages(basis: AuditBasis, baseline: Flows, result: Result) -> None:
    """Check that the first of equal shortages in the baseline is named."""
    for d in [d for d in result.lacks if d in basis.instance.demands]:
        demanded = basis.by_period(basis.instance.demands[d].quantity) * basis.delta
        unserved = baseline[d, "unserved"]
        parts = [part / whole if whole > 0 else 0.0 for part, whole in zip(unserved, demanded, strict=True)]
        place = first_largest(parts)
        first = None if place is None else basis.labels[place]
        basis.report.matches(f"{d}.lacks.period", result.lacks[d].period, first)


def _check_worst_periods(basis: AuditBasis, shocks: ShockAccounts, result: Result) -> None:
    """Check that the first of equal worst periods and shocks is named, where the result has the flows."""
    if result.format < FORMAT:
        return
    outcomes = {outcome.name: outcome for outcome in result.shocks}
    for d, known in shocks.worst.items():
        for name, worst in known.items():
            stated = outcomes[name].segments.get(d)
            if stated is not None:
                basis.report.matches(f"{name}/{d}.worst_period", stated.worst_period, worst.period)
    for d, of_all in result.services.items():
        known = shocks.worst.get(d, {})
        if len(known) != len(basis.events):
            continue
        margins, served = (np.array([getattr(known[name], of) for name in basis.events]) for of in ("margin", "served"))
        worst_shock = list(basis.events)[int(weakest(margins, served, axis=0))]
        period = outcomes[worst_shock].segments[d].worst_period
        basis.report.matches(f"services/{d}.worst_shock", of_all.worst_shock, worst_shock)
        basis.report.matches(f"services/{d}.worst_period", of_all.worst_period, period)


def _check_absent(instance: Instance, result: Result, report: AuditReport) -> None:
    """Check that a result without a plan states no figures of one."""
    horizon = instance.horizon
    empty: dict[str, Any] = {
        "title": instance.title,
        "currency": instance.currency,
        "periods": tuple(horizon.label(t) for t in horizon.periods),
        "plan": Plan(),
        "nothing": None,
        **dict.fromkeys(("bound", "gap_bound", "mip_gap", "price_of_survival", "calm_cost"), None),
        **dict.fromkeys(("shocks", "calm_builds", "binding", "actual"), ()),
        **{name: {} for name in ("services", "costs", "outlays", "shares", "endured", "lacks")},
    }
    if result.status == "stopped":
        empty["clash"] = ()
    stated = [name for name in RESULT_FIGURES if not math.isnan(getattr(result, name))]
    for name in [*stated, *(name for name, value in empty.items() if getattr(result, name) != value)]:
        report.disagreements.append(f"{name}: there is no plan, but a figure is stated")


# The plan of several futures.


def audit_futures(instance: Instance, result: FuturesResult) -> AuditReport:
    """Return the report of `check_futures`, with the rows of the futures' own audits, which must have been run."""
    report = check_futures(instance, result)
    for future in result.futures:
        report.add(future.name, AuditReport(rows=future.result.audit["rows"], worst=future.result.audit["worst"]))
    return report


def check_futures(instance: Instance, result: FuturesResult) -> AuditReport:
    """Check the futures of a result against each other: names, probabilities, decisions, and the totals."""
    report, tree = AuditReport(), instance.tree
    if not result.futures and result.status in ("none", "stopped"):
        _check_absent_futures(result, report)
        return report
    stated = [(each.name, each.probability) for each in result.futures]
    report.matches("futures", stated, [(each.name, each.probability) for each in tree.futures])
    if not report.ok:
        return report
    for t in instance.horizon.periods:
        for number, future in enumerate(result.futures):
            first = tree.node(number, t)
            if first != number:
                _check_alike(instance, report, t, result.futures[first], future)
    _check_figures_of_futures(instance, result, report)
    return report


def _check_absent_futures(result: FuturesResult, report: AuditReport) -> None:
    """Check that a result without a plan states no figures of one."""
    stated = [name for name in FUTURES_FIGURES if not math.isnan(getattr(result, name))]
    others = ("bound", "gap_bound", "mip_gap", "price_of_survival", "first_question", "cvar", "value_at_risk")
    stated += [name for name in others if getattr(result, name) is not None]
    for name in [*stated, *(["decisions"] if result.decisions else [])]:
        report.disagreements.append(f"{name}: there is no plan, but a figure is stated")


def _check_alike(instance: Instance, report: AuditReport, t: int, one: FutureResult, other: FutureResult) -> None:
    """Check that two futures that cannot be distinguished in a period buy the same in it."""
    label = instance.horizon.label(t)
    mine, theirs = _bought(one.result, t), _bought(other.result, t)
    least = size_thresholds(instance)[0]
    for key in sorted(mine.keys() | theirs.keys()):
        option, what = key
        row = f"{option}.{what}.{label}: {one.name} and {other.name}"
        # The audit of each future reports options that the instance does not have.
        scale = least.get(option, 0.0) / AUDIT_RELATIVE if what != "opened" else 1.0
        report.equal(row, mine.get(key, 0.0), theirs.get(key, 0.0), least_scale=scale)


def _bought(result: Result, t: int) -> dict[tuple[str, str], float]:
    bought = {(build.option, "size"): build.size for build in result.plan.builds if build.t == t}
    bought |= {(build.option, "opened"): 1.0 for build in result.plan.builds if build.t == t and build.opened}
    return bought | {(o, "purchase"): fills[t] for o, fills in result.plan.fills.items() if fills[t] > 0}


def _check_figures_of_futures(instance: Instance, result: FuturesResult, report: AuditReport) -> None:
    """Check the totals against those of the futures, and the measure against its definition."""
    futures = result.futures
    costs = [each.result.total_cost for each in futures]
    expected = math.fsum(each.probability * each.result.total_cost for each in futures)
    report.agree("expected_cost", result.expected_cost, expected, *costs, least_scale=1.0)
    report.agree("total_cost", result.total_cost, measure_of_futures(instance, futures), *costs, least_scale=1.0)
    gaps = [each.result.survival_gap for each in futures]
    gap = math.fsum(each.probability * each.result.survival_gap for each in futures)
    report.agree("survival_gap", result.survival_gap, gap, *gaps, least_scale=AUDIT_MONEY_SCALE)
    if result.bound is not None:
        report.at_most("bound", result.bound, result.total_cost, *costs)
    # The result lacks the cost without shocks: only the rounding rule of the price can be checked.
    price, same = result.price_of_survival, SAME_VALUE * abs(result.expected_cost)
    due = f"0, since all up to {same:.3g} counts as 0"
    report.matches("price_of_survival", price, due, not price or abs(price) > same)


def audit_error(instance: Instance, disagreements: Sequence[str], result: Any) -> AuditError | InstanceError:
    """Return the error for disagreements: an error of the file if its numbers are too far apart to compute with."""
    cause = next(_beyond_computing(instance), None)
    if cause is None:
        return AuditError(disagreements, result)
    place, what, cure = cause
    return InstanceError([Finding(instance.title, None, place, f"{what} ({disagreements[0]})", cure)])


def _beyond_computing(instance: Instance) -> Iterator[tuple[str, str, str]]:
    """Yield place, fault and cure of numbers too large or too small beside the others of the file."""
    data = {part: each for part, each in instance.to_dict().items() if part in ("processes", "demands", "options")}
    number, place = max((abs(each), place) for place, each in leaves(data) if isinstance(each, int | float))
    if number >= LARGE_NUMBER:
        what = f"{number:g} is too large to be computed with beside the other numbers of the file"
        yield ".".join(map(str, place)), what, "Correct it, or choose units in which all numbers lie nearer to 1."
    costs = sorted((each.shortage_cost, name) for name, each in instance.demands.items() if each.shortage_cost)
    if costs and costs[-1][0] > FAR_APART * costs[0][0]:
        (low, name), (high, other) = costs[0], costs[-1]
        what = f"{low:g} is too small to be computed with beside the {high:g} of {other}"
        yield f"demands.{name}.shortage_cost", what, f"Write {high / FAR_APART:g} or more, or correct that of {other}."


# The segments that shocks name.


def check_segments(basis: AuditBasis, result: Result) -> None:
    """Check that shocks with flows name every segment, and lines none without a reason.

    The reasons: it fails, no other shock leaves more of it unserved, or, for one of them, it is the weakest. Whether a
    line leaves one out is seen only where it is solved again.
    """
    demands, most, report = set(basis.instance.demands), _most_unserved(result.shocks), basis.report
    for outcome in result.shocks:
        is_line = outcome.flows is None
        known = _names_what_is_due(outcome, demands, most) if is_line else outcome.segments.keys() == demands
        report.holds(f"{outcome.name}.segments", "these are not the segments that it has to name", known)
        report.holds(f"{outcome.name}.unserved", "it repeats its segments", is_line or outcome.unserved is None)
        is_known = demands.issuperset(outcome.unserved or ())
        report.holds(f"{outcome.name}.unserved", "it names an unknown segment", is_known)


def _names_what_is_due(line: Outcome, demands: set[str], most: Mapping[str, float]) -> bool:
    """Return whether a line names segments, and at most one of them only because it is the weakest."""
    named = line.segments
    others = [d for d, each in named.items() if not each.below_floor > 0 and not _is_most(each, most[d])]
    return len(others) <= 1 and named.keys() <= demands and (bool(named) or not demands)


def _most_unserved(outcomes: Sequence[Outcome]) -> Mapping[str, float]:
    """Return by segment the largest amount that a shock leaves unserved, t."""
    most = dict[str, float]()
    for outcome in outcomes:
        named = {d: each.shortage for d, each in outcome.segments.items()}
        for d, tonnes in {**(outcome.unserved or {}), **named}.items():
            most[d] = max(most.get(d, 0.0), tonnes)
    return most


def _is_most(stated: Service, most: float) -> bool:
    return 0.0 < stated.shortage >= (1.0 - AUDIT_RELATIVE) * most
