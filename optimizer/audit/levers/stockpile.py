"""Stockpile: k[t] = keep·k[t−1] + f[t]; in a shock k'[t] = keep·k'[t−1] − g[t], from the k before its window."""

from collections.abc import Mapping

from optimizer.audit.auditor import UNLIMITED, Operation
from optimizer.audit.levers import StockAuditor
from optimizer.results.plan import Array


class StockpileAuditor(StockAuditor):
    """The arithmetic of a stockpile: that of any stock, and releases."""

    flows_in_shocks = ("released", "left")

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
