"""The plan of several futures again: decided alike where nothing tells futures apart, and measured anew.

Each future's own result is audited like any other; here is what holds between them.
"""

import math
from collections.abc import Sequence

from optimizer.audit.figures import Figures
from optimizer.audit.report import Report
from optimizer.instance.derived import size_thresholds
from optimizer.instance.schema import Instance
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.results.result import Result
from optimizer.tolerances import AUDIT_MONEY, AUDIT_RELATIVE


def check_futures(instance: Instance, result: FuturesResult) -> Report:
    """What holds between the futures of a result: names, probabilities, decisions, and the figures of the whole."""
    report, tree = Report(), instance.tree
    stated = [(each.name, each.probability) for each in result.futures]
    report.holds(
        "futures",
        "they are not those of the instance",
        stated == [(each.name, each.probability) for each in tree.futures],
    )
    if not report.ok:
        return report
    for future in result.futures:
        report.add(future.name, Report(rows=future.result.audit["rows"], worst=future.result.audit["worst"]))
    for t in instance.horizon.periods:
        for number, future in enumerate(result.futures):
            first = tree.node(number, t)
            if first != number:
                _check_alike(instance, report, t, result.futures[first], future)
    _check_figures(instance, result, report)
    return report


def _check_alike(instance: Instance, report: Report, t: int, one: FutureResult, other: FutureResult) -> None:
    """Two futures that cannot be distinguished in a period buy the same in it."""
    label = instance.horizon.label(t)
    mine, theirs = _bought(one.result, t), _bought(other.result, t)
    least = size_thresholds(instance)[0]
    for key in sorted(mine.keys() | theirs.keys()):
        option, what = key
        row = f"{option}.{what}.{label}: {one.name} and {other.name}"
        scale = least[option] / AUDIT_RELATIVE if what != "opened" else 1.0
        report.equal(row, mine.get(key, 0.0), theirs.get(key, 0.0), least_scale=scale)


def _bought(result: Result, t: int) -> dict[tuple[str, str], float]:
    bought = {(build.option, "size"): build.size for build in result.plan.builds if build.t == t}
    bought |= {(build.option, "opened"): 1.0 for build in result.plan.builds if build.t == t and build.opened}
    return bought | {(o, "purchase"): fills[t] for o, fills in result.plan.fills.items() if fills[t] > 0}


def _check_figures(instance: Instance, result: FuturesResult, report: Report) -> None:
    """The totals from those of the futures, and the measure from its definition."""
    futures = result.futures
    costs = [each.result.total_cost for each in futures]
    expected = math.fsum(each.probability * each.result.total_cost for each in futures)
    report.equal("expected_cost", result.expected_cost, expected, *costs, least_scale=1.0)
    report.equal("total_cost", result.total_cost, measure_of_futures(instance, futures), *costs, least_scale=1.0)
    gaps = [each.result.survival_gap for each in futures]
    gap = math.fsum(each.probability * each.result.survival_gap for each in futures)
    report.equal("survival_gap", result.survival_gap, gap, *gaps, least_scale=AUDIT_MONEY)
    if result.bound is not None:
        report.at_most("bound", result.bound, result.total_cost, *costs)


def measure_of_futures(instance: Instance, futures: Sequence[FutureResult]) -> float:
    """The measure of the futures' costs, by its definition; NaN of regret from a least cost that is not known."""
    measure = instance.policy.objective
    expected = math.fsum(each.probability * each.result.total_cost for each in futures)
    if measure.kind == "expected":
        return expected
    if measure.kind == "worst":
        return max(each.result.total_cost for each in futures)
    if measure.kind == "regret":
        return _largest_regret(futures)
    outcomes = [outcome for each in futures for outcome in _outcomes(instance, each)]
    return (1.0 - measure.weight) * expected + measure.weight * _tail(outcomes, measure.alpha)


def _largest_regret(futures: Sequence[FutureResult]) -> float:
    regrets = [each.result.total_cost - each.least_cost for each in futures if each.least_cost is not None]
    return max(regrets) if len(regrets) == len(futures) else math.nan


def _outcomes(instance: Instance, each: FutureResult) -> list[tuple[float, float]]:
    """(cost, probability) of a future's outcomes: each of its shocks, or none."""
    own = next(future.instance for future in instance.tree.futures if future.name == each.name)
    baseline, paid = _baseline_costs(own, each.result), {shock.name: shock.cost for shock in each.result.shocks}
    likely = [event for event in own.events if event.probability > 0]
    found = [(paid[e.name] - math.fsum(baseline[e.periods.start : e.periods.stop]), e.probability) for e in likely]
    calm = each.result.total_cost - math.fsum(change * probability for change, probability in found)
    none = 1.0 - math.fsum(probability for _, probability in found)
    return [(calm + change, each.probability * probability) for change, probability in [(0.0, none), *found]]


def _baseline_costs(instance: Instance, result: Result) -> Sequence[float]:
    """What the baseline costs in each period, present value."""
    audit = Figures(instance, result, Report())
    assert result.baseline is not None
    audit.check_baseline(result.baseline)
    costs: Sequence[float] = audit.baseline_cost.tolist()
    return costs


def _tail(outcomes: Sequence[tuple[float, float]], alpha: float) -> float:
    """CVaR: the least of η + E[(X − η)⁺] / (1 − α) over η, which one of the outcomes attains."""
    return min(eta + math.fsum(q * max(0.0, cost - eta) for cost, q in outcomes) / (1.0 - alpha) for eta, _ in outcomes)
