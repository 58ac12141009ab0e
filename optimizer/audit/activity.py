"""The arithmetic of an activity: an existing process, or an option that is one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from optimizer.audit.auditor import Auditor, Operation
from optimizer.audit.scales import Scales
from optimizer.results.plan import Array


class ActivityAuditor(Auditor):
    """What an activity of x t takes, gives and costs; of an option, how much of it there may be."""

    flows = ("activity",)

    def least_scale(self, option: Any, scales: Scales) -> float:
        """That of the activity."""
        return scales.activities[option.id]

    def most(self, operation: Operation) -> Array:
        """The most that it may run, t: what works and is not cut."""
        lost = [operation.lost(operation.name, deliberate=deliberate) for deliberate in (True, False)]
        return np.asarray(operation.working * (1.0 - np.maximum(*lost)))

    def check(self, operation: Operation) -> None:
        """capacity: 0 ≤ x ≤ C·Δ·(1−σ); in the baseline also run: x ≥ min_utilisation·C·Δ."""
        activity = operation.flow("activity")
        operation.at_most("capacity", activity, self.most(operation), operation.working)
        operation.at_most("capacity", 0.0, activity)
        check_running(operation, operation.working)

    def supplies(self, operation: Operation) -> Mapping[str, Array]:
        """output·x."""
        activity = operation.flow("activity")
        return {commodity: share * activity for commodity, share in operation.option.output.items()}

    def uses(self, operation: Operation) -> Mapping[str, Array]:
        """input·x."""
        activity = operation.flow("activity")
        return {commodity: share * activity for commodity, share in operation.option.input.items()}

    def operating_costs(self, operation: Operation) -> Mapping[str, Array]:
        """cost·x; in the baseline also support·x."""
        activity = operation.flow("activity")
        costs = {"operation": operation.series(operation.option.cost) * operation.override("cost", 1.0) * activity}
        if operation.is_baseline:
            costs["price support"] = operation.series(operation.option.support) * activity
        return costs

    def operating_outlay(self, operation: Operation) -> Array | float:
        """support·x, of an option the budget's share of it."""
        share = getattr(operation.option, "budget_share", 1.0)
        return np.asarray(share * operation.series(operation.option.support) * operation.flow("activity"))


def check_running(operation: Operation, whole: Array) -> None:
    """run: in the baseline at least `min_utilisation` of the capacity."""
    if operation.is_baseline:
        report, labels = operation.basis.report, operation.basis.labels
        activity, least = operation.flow("activity"), operation.option.min_utilisation * whole
        row = f"{operation.name}.run"
        report.at_most(lambda _, t: f"{row}.{labels[t]}", least, activity, whole, least_scale=operation.least_scale)
