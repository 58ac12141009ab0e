"""The auditor of each kind of lever: what it lends, supplies, uses and costs, in plain arithmetic of its own.

leverage      of a deliberate cut of its region, restraint·ℓ is held back; ℓ changes from the year of decision on
partnership   where the share σ of a process is cut, reliability·C·Δ·σ of it keeps flowing
stockpile     k[t] = keep·k[t−1] + f[t]; in a shock k'[t] = keep·k'[t−1] − g[t], from the k before its window
substitution  z t of a segment are served without its commodity, z ≤ C·Δ and z ≤ max_share·D

Kinds that are activities, and nothing more, share their auditor.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from optimizer.audit.auditor import (
    RESPONSE_PART,
    UNLIMITED,
    ActivityAuditor,
    Auditor,
    Holding,
    Operation,
    Scales,
    surcharge_between_points,
)
from optimizer.results.plan import Array


class LeverageAuditor(Auditor):
    """What the level in force holds back."""

    def carries(self, holding: Holding) -> Array:
        """ℓ by period: each build past its lead time, times what erosion or `strength` says of the years since."""
        option, basis, level = holding.option, holding.basis, np.zeros(len(holding.basis.periods))
        for build in holding.builds:
            for t in basis.periods[build.t + holding.lead :]:
                years = basis.year(t) - basis.year(build.t)
                strength = option.strength or ()
                share = [*strength, *strength[-1:] * years][years] if strength else (1.0 - option.erosion) ** years
                level[t] += build.size * share
        return level

    def lends(self, operation: Operation, *, deliberate: bool) -> Mapping[str, Array]:
        """cap·σ·restraint·ℓ to each existing process of its region, where σ is deliberate."""
        if not deliberate or operation.is_baseline:
            return {}
        option, level = operation.option, operation.carried[operation.paths.times]
        return {
            p: operation.capacity(p) * operation.lost(p, deliberate=True) * option.restraint * level
            for p, process in operation.basis.instance.processes.items()
            if process.region == option.region
        }


class PartnershipAuditor(Auditor):
    """What a deal keeps flowing."""

    def lends(self, operation: Operation, *, deliberate: bool) -> Mapping[str, Array]:
        """σ·reliability·C·Δ to its process."""
        process = operation.option.process
        secured = operation.override("reliability", operation.option.reliability) * operation.working
        return {process: operation.lost(process, deliberate=deliberate) * secured}


class StockpileAuditor(Auditor):
    """What is bought, held and released."""

    flows_in_shocks = ("released", "left")
    investment_parts = ("stock purchases", "stock holding", "stock salvage")
    is_stock = True

    def openings(self, option: Any) -> Mapping[str, float]:
        """Its initial stock."""
        return {option.commodity: option.initial}

    def least_scale(self, option: Any, scales: Scales) -> float:
        """That of the commodity."""
        return scales.commodities[option.commodity]

    def check_plan(self, holding: Holding) -> None:
        """fill: 0 ≤ f ≤ fill_rate·Δ, in years in which it may be filled; stock: k as claimed, and k ≤ max_size."""
        option, basis, fills = holding.option, holding.basis, holding.fills
        report, least_scale = basis.report, self.least_scale(option, basis.scales)
        report.holds(f"{holding.name}.size", "a stockpile has no builds", not holding.builds)
        rate = UNLIMITED if option.fill_rate is None else option.fill_rate * basis.delta
        most = [rate if basis.may_decide(option, t) else 0.0 for t in basis.periods]
        report.at_most(holding.by_period("fill"), fills, most, least_scale=least_scale)
        report.at_most(holding.by_period("fill"), 0.0, fills, least_scale=least_scale)
        path = self.carries(holding)[1:]
        if option.max_size is not None:
            report.at_most(holding.by_period("stock"), path, option.max_size, least_scale=least_scale)
        report.equal(holding.by_period("stock"), holding.stocks, path, least_scale=least_scale)

    def carries(self, holding: Holding) -> Array:
        """k before the first period, and at the end of each: one number more than there are periods."""
        option, basis = holding.option, holding.basis
        keep, path = (1.0 - option.loss) ** basis.delta, [float(option.initial)]
        for t in basis.periods:
            path.append(keep * path[-1] + holding.fills[t])
        return np.array(path)

    def investments(self, holding: Holding) -> Mapping[str, Array]:
        """price·f, and what it costs beyond that with `price_response`."""
        option, bought, delta = holding.option, np.array(holding.fills), holding.basis.delta
        price = holding.basis.by_period(option.price)
        paid = {"stock purchases": price * bought}
        if option.price_response is not None:
            extra = delta * surcharge_between_points(option.price_response, bought / delta, option.fill_rate)
            paid[RESPONSE_PART] = price * extra
        return paid

    def holding_costs(self, holding: Holding) -> Mapping[str, Array]:
        """holding_cost·Δ·k, and at the end of the horizon the salvage of what is left."""
        option, basis, path = holding.option, holding.basis, self.carries(holding)[1:]
        back = np.zeros(len(path) + 1)
        back[-1] = -option.salvage * option.price.at(basis.horizon.end) * path[-1]
        return {"stock holding": option.holding_cost * basis.delta * path, "stock salvage": back}

    def check(self, operation: Operation) -> None:
        """release: 0 ≤ g ≤ release_rate·Δ; left: k' as claimed, and k' ≥ 0."""
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
        """g, in a shock."""
        return {} if operation.is_baseline else {operation.option.commodity: operation.flow("released")}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """release_cost·g, in a shock."""
        if operation.is_baseline:
            return {}
        return {"operation": operation.option.release_cost * operation.flow("released")}


class SubstitutionAuditor(Auditor):
    """What is substituted, what that takes and costs."""

    flows = ("substituted",)
    operating_parts = ("substitution",)

    def least_scale(self, option: Any, scales: Scales) -> float:
        """Errors are measured against the demand of the segment."""
        return scales.segments[option.demand]

    def check(self, operation: Operation) -> None:
        """capacity: 0 ≤ z ≤ C·Δ; share: z ≤ max_share·D."""
        amount, demanded = operation.flow("substituted"), operation.demanded(operation.option.demand)
        operation.at_most("capacity", amount, operation.working)
        operation.at_most("share", amount, operation.option.max_share * demanded, demanded)
        operation.at_most("capacity", 0.0, amount)

    def uses(self, operation: Operation) -> Mapping[str, Array]:
        """input·z."""
        amount = operation.flow("substituted")
        return {commodity: share * amount for commodity, share in operation.option.input.items()}

    def serves(self, operation: Operation) -> Mapping[str, Array]:
        """z of the segment."""
        return {operation.option.demand: operation.flow("substituted")}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """cost·z."""
        cost = operation.series(operation.option.cost) * operation.override("cost", 1.0)
        return {"substitution": cost * operation.flow("substituted")}


AUDITORS: dict[str, Auditor] = {
    **dict.fromkeys(("ally", "recycling", "refining"), ActivityAuditor()),
    "leverage": LeverageAuditor(),
    "partnership": PartnershipAuditor(),
    "stockpile": StockpileAuditor(),
    "substitution": SubstitutionAuditor(),
}
# Auditors of levers from outside the package, by kind.
_REGISTERED: dict[str, Auditor] = {}


def register_auditor(kind: str, auditor: Auditor) -> None:
    """Let a kind from outside the package be audited."""
    _REGISTERED[kind] = auditor


def auditor_of(kind: str) -> Auditor | None:
    """The auditor of a kind of lever; None where there is none."""
    return _REGISTERED.get(kind) or AUDITORS.get(kind)
