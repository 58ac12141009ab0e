"""Substitution: z t of a segment are served without its commodity, z ≤ C·Δ and z ≤ max_share·D."""

from collections.abc import Mapping
from typing import Any

from optimizer.audit.auditor import Auditor, Operation, Scales
from optimizer.results.plan import Array


class SubstitutionAuditor(Auditor):
    """The arithmetic of a substitution."""

    flows = ("substituted",)
    operating_parts = ("substitution",)

    def least_scale(self, option: Any, scales: Scales) -> float:
        """Return the least scale of the segment."""
        return scales.segments[option.demand]

    def check(self, operation: Operation) -> None:
        """Check `capacity`, 0 ≤ z ≤ C·Δ, and `share`, z ≤ max_share·D."""
        amount, demanded = operation.flow("substituted"), operation.demanded(operation.option.demand)
        operation.at_most("capacity", amount, operation.working)
        operation.at_most("share", amount, operation.option.max_share * demanded, demanded)
        operation.at_most("capacity", 0.0, amount)

    def uses(self, operation: Operation) -> Mapping[str, Array]:
        """Return input·z."""
        amount = operation.flow("substituted")
        return {commodity: share * amount for commodity, share in operation.option.input.items()}

    def serves(self, operation: Operation) -> Mapping[str, Array]:
        """Return z for the segment."""
        return {operation.option.demand: operation.flow("substituted")}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """Return cost·z."""
        cost = operation.series(operation.option.cost) * operation.override("cost", 1.0)
        return {"substitution": cost * operation.flow("substituted")}
