"""Stockpile: k[t] = keep·k[t−1] + f[t]; in a shock k'[t] = keep·k'[t−1] − g[t], from the k before its window."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from optimizer.audit.auditor import (
    RESPONSE_PART,
    UNLIMITED,
    Auditor,
    Holding,
    Operation,
    Scales,
    surcharge_between_points,
)
from optimizer.results.plan import Array


class StockpileAuditor(Auditor):
    """The arithmetic of a stockpile: purchases, stock and releases."""

    flows_in_shocks = ("released", "left")
    investment_parts = ("stock purchases", "stock holding", "stock salvage")
    is_stock = True

    def initial_stocks(self, option: Any) -> Mapping[str, float]:
        """Return the initial stock."""
        return {option.commodity: option.initial}

    def least_scale(self, option: Any, scales: Scales) -> float:
        """Return the least scale of the commodity."""
        return scales.commodities[option.commodity]

    def check_plan(self, holding: Holding) -> None:
        """Check `fill`, 0 ≤ f ≤ fill_rate·Δ in the allowed years, and `stock`: k as stated, and k ≤ max_size."""
        option, basis, fills = holding.option, holding.basis, holding.fills
        report, least_scale = basis.report, self.least_scale(option, basis.scales)
        report.matches(f"{holding.name}.size", len(holding.builds), 0, remark="builds of a stockpile")
        rate = UNLIMITED if option.fill_rate is None else option.fill_rate * basis.delta
        most = [rate if basis.may_decide(option, t) else 0.0 for t in basis.periods]
        report.at_most(holding.by_period("fill"), fills, most, least_scale=least_scale)
        report.at_most(holding.by_period("fill"), 0.0, fills, least_scale=least_scale)
        path = self.carries(holding)[1:]
        if option.max_size is not None:
            report.at_most(holding.by_period("stock"), path, option.max_size, least_scale=least_scale)
        report.equal(holding.by_period("stock"), holding.stocks, path, least_scale=least_scale)

    def carries(self, holding: Holding) -> Array:
        """Return k before the first period and at the end of each period: one element more than there are periods."""
        option, basis = holding.option, holding.basis
        keep, path = (1.0 - option.loss) ** basis.delta, [float(option.initial)]
        for t in basis.periods:
            path.append(keep * path[-1] + holding.fills[t])
        return np.array(path)

    def investments(self, holding: Holding) -> Mapping[str, Array]:
        """Return price·f, and the cost beyond it with `price_response`."""
        option, bought, delta = holding.option, np.array(holding.fills), holding.basis.delta
        price = holding.basis.by_period(option.price)
        paid = {"stock purchases": price * bought}
        if option.price_response is not None:
            extra = delta * surcharge_between_points(option.price_response, bought / delta, option.fill_rate)
            paid[RESPONSE_PART] = price * extra
        return paid

    def recurring_costs(self, holding: Holding) -> Mapping[str, Array]:
        """Return holding_cost·Δ·k, and minus the salvage of the remaining stock at the end of the horizon."""
        option, basis, path = holding.option, holding.basis, self.carries(holding)[1:]
        back = np.zeros(len(path) + 1)
        back[-1] = -option.salvage * option.price.at(basis.horizon.end) * path[-1]
        return {"stock holding": option.holding_cost * basis.delta * path, "stock salvage": back}

    def check(self, operation: Operation) -> None:
        """Check `release`, 0 ≤ g ≤ release_rate·Δ, and `left`: k' as stated, and k' ≥ 0."""
        if operation.is_baseline:
            return
        option, released = operation.option, operation.flow("released")
        keep = 1.0 if operation.paths.is_steady else (1.0 - option.loss) ** operation.delta
        rate = UNLIMITED if option.release_rate is None else option.release_rate * operation.delta
        before, left = operation.nothing, operation.nothing
        stock = operation.carried[operation.paths.times[:, 0]]
        for i in range(released.shape[1]):
            before[:, i] = keep * stock
            left[:, i] = stock = before[:, i] - released[:, i]
        operation.at_most("release", released, rate)
        operation.at_most("release", 0.0, released)
        operation.at_most("left", 0.0, left, before)
        operation.equal("left", operation.flow("left"), left, before)

    def supplies(self, operation: Operation) -> Mapping[str, Array]:
        """Return g, in a shock."""
        return {} if operation.is_baseline else {operation.option.commodity: operation.flow("released")}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """Return release_cost·g, in a shock."""
        if operation.is_baseline:
            return {}
        return {"operation": operation.option.release_cost * operation.flow("released")}
