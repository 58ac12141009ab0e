"""The auditor of each kind of lever: a module of that name here, the shared one of activities, or a registered one.

`StockAuditor` is the base class of the auditor of a stock, from the package or from outside.
"""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from optimizer.audit.auditor import (
    RESPONSE_PART,
    UNLIMITED,
    ActivityAuditor,
    Auditor,
    Holding,
    Scales,
    surcharge_between_points,
)
from optimizer.results.plan import Array

# Kinds that are plain activities.
_ACTIVITIES = ("ally", "recycling", "refining")
# Auditors of levers from outside the package, by kind.
_REGISTERED: dict[str, Auditor] = {}


def register_auditor(kind: str, auditor: Auditor) -> None:
    """Add the auditor of a kind from outside the package."""
    _REGISTERED[kind] = auditor


@cache
def package_auditors() -> dict[str, Auditor]:
    """Return the package's auditors by kind: one from each module of this folder, and the shared one of activities."""
    kinds = sorted(each.name for each in pkgutil.iter_modules(__path__))
    shared = dict.fromkeys(_ACTIVITIES, ActivityAuditor())
    return {**shared, **{kind: _auditor_in(f"{__name__}.{kind}") for kind in kinds}}


def _auditor_in(module: str) -> Auditor:
    own = [
        each
        for each in vars(import_module(module)).values()
        if isinstance(each, type) and issubclass(each, Auditor) and each.__module__ == module
    ]
    if len(own) != 1:
        raise TypeError(f"{module.replace('.', '/')}.py has {len(own)} classes derived from Auditor: leave one")
    return own[0]()


def auditor_of(kind: str) -> Auditor | None:
    """Return the auditor of a kind of lever, or None."""
    return _REGISTERED.get(kind) or package_auditors().get(kind)


class StockAuditor(Auditor):
    """The arithmetic of purchases for a stock: k[t] = keep·k[t−1] + f[t], and what f and k cost."""

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
