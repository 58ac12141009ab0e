"""Costs of one future, and measures of those of all: expected, worst, regret, conditional value at risk (CVaR).

    C[l]    expected cost of future l over its shocks, with the price of its gap where gaps have one
    π[l]    probability of future l          C*[l]   least cost of future l alone

    expected   Σ π[l]·C[l]
    worst      M              M ≥ C[l]                  every future
    regret     M              M ≥ C[l] − C*[l]          every future
    cvar       (1 − weight)·E + weight·(X̂ + Σ π[ξ]·e[ξ] / (1 − α))      e[ξ] ≥ X[ξ] − X̂, e ≥ 0      every outcome ξ

X̂ is the threshold of the tail. An outcome ξ is (future l, shock s), with probability π[l]·p[s] and cost
I + B − B_W + Q, or (future l, no shock), with probability π[l]·(1 − Σ p[s]) and cost I + B. Here I is the investment, B
the operating cost of the baseline, B_W its part in the window of the shock, and Q the operating cost of the shock, in
present value (docs/model.md). E is the expectation over outcomes, Σ π[l]·C[l].

Source: Rockafellar, Uryasev: Optimization of conditional value-at-risk, Journal of Risk 2(3), 2000; Kouvelis, Yu:
Robust discrete optimization and its applications, Kluwer 1997 (regret).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from optimizer.disruptions.path import BASELINE
from optimizer.disruptions.shock import Shock
from optimizer.instance.questions import RiskMeasure
from optimizer.model import Sense
from optimizer.model.builder import Column, Mark, ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.tolerances import ROUNDING

if TYPE_CHECKING:
    from optimizer.instance.schema import Future, Instance

OWNER = "measure"


@dataclass(frozen=True)
class CostOutcome[Amount: (Expression, float)]:
    """One outcome: its probability and its cost."""

    probability: float
    cost: Amount


@dataclass(frozen=True)
class FutureCosts[Amount: (Expression, float)]:
    """The costs of one future."""

    probability: float  # of the future
    expected: Amount  # expected cost over its shocks
    # First the outcome without a shock, then every shock with a probability, for measures that `needs_outcomes`.
    # Probabilities are those of the tree.
    outcomes: Sequence[CostOutcome[Amount]] = ()

    def plus(self, amount: Amount) -> "FutureCosts[Amount]":
        """Return the costs with `amount` added to each of them."""
        outcomes = [CostOutcome(each.probability, each.cost + amount) for each in self.outcomes]
        return FutureCosts(self.probability, self.expected + amount, outcomes)

    def at(self, values: Sequence[float]) -> "FutureCosts[float]":
        """Return the costs as numbers, for given values of the columns."""
        assert isinstance(self.expected, Expression)
        outcomes = [CostOutcome(each.probability, each.cost.value(values)) for each in self.outcomes]
        return FutureCosts(self.probability, self.expected.value(values), outcomes)


def weights(instance: "Instance", shocks: Sequence[Shock]) -> dict[str, list[float]]:
    """Return by path, for every period t, the discount factor times the probability of that path in t."""
    periods = instance.horizon.periods
    at = {shock.name: [shock.probability if t in shock.periods else 0.0 for t in periods] for shock in shocks}
    likely = {BASELINE: [max(0.0, 1.0 - math.fsum(row[t] for row in at.values())) for t in periods], **at}
    return {path: [instance.discount(t) * row[t] for t in periods] for path, row in likely.items()}


def spending(model: ModelBuilder, instance: "Instance") -> Expression:
    """Return the investment I of the model, with fixed opex and the cost of stocks, in present value: Σ δ·spend."""
    return total(instance.discount(int(t)) * spent for (t,), spent in model.accounts("spend").items())


def operating_cost_by_path(model: ModelBuilder, instance: "Instance", shocks: Sequence[Shock]) -> dict[str, Expression]:
    """Return expected operating cost in present value by path: B − Σ p·B_W for the baseline, p·Q for a shock."""
    result, weight = dict[str, Expression](), weights(instance, shocks)
    for (path, t), amount in model.accounts("operating").items():
        # The operation under a rule or a deterred attack is no part of the cost.
        if str(path) in weight and weight[str(path)][int(t)] > 0:
            result.setdefault(str(path), Expression()).add(amount, weight[str(path)][int(t)])
    return result


def cost(model: ModelBuilder, instance: "Instance", shocks: Sequence[Shock]) -> Expression:
    """Return the expected cost of one future in present value, Σ δ·spend + B + Σ p·(Q − B_W)."""
    return total([spending(model, instance), *operating_cost_by_path(model, instance, shocks).values()])


def cost_outcomes(model: ModelBuilder, future: "Future", shocks: Sequence[Shock]) -> list[CostOutcome[Expression]]:
    """Return the outcomes of one future: no shock, or one of its shocks, with their probabilities in the tree.

    A shock costs I + B − B_W + Q, no shock I + B, all in present value.
    """
    instance, likely = future.instance, [shock for shock in shocks if shock.probability > 0]
    baseline_cost = total([spending(model, instance), _discounted(model, instance, BASELINE, model.horizon.periods)])
    none = max(0.0, 1.0 - math.fsum(shock.probability for shock in likely))
    result = [CostOutcome(future.probability * none, baseline_cost)]
    for shock in likely:
        missed, paid = (_discounted(model, instance, path, shock.periods) for path in (BASELINE, shock.name))
        result.append(CostOutcome(future.probability * shock.probability, baseline_cost - missed + paid))
    return result


def _discounted(model: ModelBuilder, instance: "Instance", path: str, periods: Iterable[int]) -> Expression:
    """Return the operating cost on a path in the given periods, in present value."""
    return total(instance.discount(t) * model.booked("operating", path, t) for t in periods)


def expected_cost(costs: Sequence[FutureCosts[float]]) -> float:
    """Return Σ π·C."""
    return math.fsum(each.probability * each.expected for each in costs)


def measured_cost(measure: RiskMeasure, costs: Sequence[FutureCosts[float]], least: Sequence[float] = ()) -> float:
    """Return the measure of given costs; `least` holds the least cost of each future alone, for regret."""
    if measure.kind == "expected":
        return expected_cost(costs)
    if measure.kind == "worst":
        return max(each.expected for each in costs)
    if measure.kind == "regret":
        return max(each.expected - alone for each, alone in zip(costs, least, strict=True))
    if measure.kind == "cvar":
        tail = cvar(_all_outcomes(costs), measure.alpha)
        return (1.0 - measure.weight) * expected_cost(costs) + measure.weight * tail
    assert_never(measure.kind)


def _all_outcomes(costs: Sequence[FutureCosts[float]]) -> list[tuple[float, float]]:
    """Return (cost, probability) of the outcomes of all futures."""
    return [(outcome.cost, outcome.probability) for each in costs for outcome in each.outcomes]


def cvar(outcomes: Sequence[tuple[float, float]], alpha: float) -> float:
    """Return CVaR at α of (cost, probability) pairs: the mean cost of the dearest 1 − α of all outcomes."""
    left, result = 1.0 - alpha, 0.0
    for cost, probability in sorted(outcomes, reverse=True):
        taken = min(left, probability)
        result += taken * cost
        left -= taken
        if left <= ROUNDING:
            break
    return result / (1.0 - alpha)


def write_measure(
    model: ModelBuilder,
    measure: RiskMeasure,
    costs: Sequence[FutureCosts[Expression]],
    money_unit: float,
    least: Sequence[float] = (),
) -> Expression:
    """Write the columns and rows of a measure to the joint model; return the expression to be minimised.

    Columns and rows of money are divided by `money_unit`, money per tonne, so that they are scaled like tonnes: in a
    row with the cost of a whole plan, the solver's tolerance would be below its rounding errors.
    """
    expected = total(each.probability * each.expected for each in costs)
    if measure.kind == "expected":
        return expected
    if measure.kind == "worst":
        return _write_largest(model, [each.expected for each in costs], money_unit)
    if measure.kind == "regret":
        regrets = [each.expected - alone for each, alone in zip(costs, least, strict=True)]
        return _write_largest(model, regrets, money_unit)
    if measure.kind == "cvar":
        tail = _write_tail(model, measure.alpha, costs, money_unit)
        return (1.0 - measure.weight) * expected + measure.weight * tail
    assert_never(measure.kind)


def _write_largest(model: ModelBuilder, amounts: Sequence[Expression], money_unit: float) -> Expression:
    """Write a column that equals the largest of the futures' amounts when minimised."""
    largest = money_unit * free_column(model, "largest")
    for number, amount in enumerate(amounts):
        require_money(model, f"future{number}", largest, ">=", amount, money_unit)
    return largest


def _write_tail(
    model: ModelBuilder, alpha: float, costs: Sequence[FutureCosts[Expression]], money_unit: float
) -> Expression:
    """Write CVaR at α; a column for each future's cost without a shock keeps the rows of other outcomes short."""
    threshold = money_unit * free_column(model, "threshold")
    result = Expression(threshold.terms)
    for number, each in enumerate(costs):
        if not each.outcomes:
            continue
        baseline_cost, column = each.outcomes[0].cost, money_unit * free_column(model, f"baseline_cost{number}")
        require_money(model, f"baseline_cost{number}", column, "==", baseline_cost, money_unit)
        for place, outcome in enumerate(each.outcomes):
            if outcome.probability <= 0:
                continue
            excess = money_unit * model.variable(OWNER, f"excess{number}.{place}", 0)
            beyond = total([column, outcome.cost - baseline_cost, -1.0 * threshold])
            require_money(model, f"outcome{number}.{place}", excess, ">=", beyond, money_unit)
            result.add(excess, outcome.probability / (1.0 - alpha))
    return result


def median_cost(costs: Sequence[float]) -> float:
    """Return the upper median of costs, by which rows in money are divided to be scaled like rows in tonnes."""
    return float(sorted(costs)[len(costs) // 2]) if costs else 1.0


def require_money(
    model: ModelBuilder, what: str, left: Expression, sense: Sense, right: Expression | float, money_unit: float
) -> None:
    """Write a row of amounts of money, divided by `money_unit`, money per tonne."""
    model.require(OWNER, what, None, (1.0 / money_unit) * left, sense, (1.0 / money_unit) * right)


def free_column(model: ModelBuilder, what: str) -> Expression:
    """Add a column without bounds."""
    model.columns.append(Column(Mark("", OWNER, what, ""), "t", -math.inf, math.inf, False, 0))
    return Expression({len(model.columns) - 1: 1.0})


def write_gaps(model: ModelBuilder, count: int, money_unit: float) -> list[Expression]:
    """Write columns for the survival gaps of `count` futures, in money, and a last one for the largest of them."""
    columns = [money_unit * model.variable(OWNER, f"gap{number}", 0) for number in range(count)]
    largest = money_unit * model.variable(OWNER, "largest gap", 0)
    for number, column in enumerate(columns):
        require_money(model, f"largest gap{number}", largest, ">=", column, money_unit)
    return [*columns, largest]


def write_gap_rows(
    model: ModelBuilder, columns: Sequence[Expression], gaps: Sequence[Expression], money_unit: float
) -> None:
    """Write rows that hold the columns of `write_gaps` at or above the futures' gaps.

    A row is named by its number of terms, which grows with the shocks; it implies the rows with fewer terms.
    """
    for number, (column, gap) in enumerate(zip(columns, gaps, strict=False)):
        if gap.terms and not model.has_row(OWNER, name := f"gap{number}.{len(gap.terms)}"):
            require_money(model, name, column, ">=", gap, money_unit)


def write_limit(model: ModelBuilder, measure: Expression, money_unit: float) -> Expression:
    """Write and return a column whose upper bound, times `money_unit`, limits a measure."""
    limit = free_column(model, "limit")
    require_money(model, "limit", measure, "<=", money_unit * limit, money_unit)
    return limit
