"""How large an instance's rows are, from its data alone: what a plan claims must not widen its own tolerance.

    S       t      the largest demand of a period, or stock at the start
    S[c]    t      of a commodity: the largest demand of a segment for it, or stock at the start; of an input also what
                   the outputs that are made of it take: S[c] = max_p in[p,c] · S[p], at most S
    S[p]    t      of an activity: the largest S[c]/out[p,c] of what it makes

A row whose terms are all small is judged as if its largest term were a share of its scale.
"""

from collections.abc import Mapping
from typing import Any

from optimizer.instance.schema import Instance
from optimizer.tolerances import AUDIT_ABSOLUTE, AUDIT_RELATIVE, AUDIT_ROUNDING


class Scales:
    """The least of the largest terms that rows are judged by, in t of one period.

    Args:
        instance: the instance.
        openings: by commodity, the largest stock before the first period, t.

    Attributes:
        least: of any row.
        commodities: of a commodity's balance and stocks.
        activities: of an activity's capacity.
        segments: of a segment's demand and of what stands in for it.
    """

    def __init__(self, instance: Instance, openings: Mapping[str, float]) -> None:
        self._segments = {d: _largest(instance, demand) for d, demand in instance.demands.items()}
        self._commodities = dict.fromkeys(instance.commodities, 0.0)
        for d, demand in instance.demands.items():
            self._raise(demand.commodity, self._segments[d])
        for commodity, amount in openings.items():
            self._raise(commodity, amount)
        self._top = max(self._commodities.values(), default=0.0)
        self._spread(instance)
        self.least = AUDIT_ROUNDING / AUDIT_RELATIVE * self._top
        self.commodities = {c: self._scale(size) for c, size in self._commodities.items()}
        self.segments = {d: self._scale(size) for d, size in self._segments.items()}
        self.activities = {name: self._scale(self._largest_output(each)) for name, each in instance.activities.items()}

    def _scale(self, size: float) -> float:
        return max(self.least, AUDIT_ABSOLUTE / AUDIT_RELATIVE * size)

    def _raise(self, commodity: str, size: float) -> bool:
        is_more = size > self._commodities[commodity]
        if is_more:
            self._commodities[commodity] = size
        return is_more

    def _spread(self, instance: Instance) -> None:
        """From what is made to what it takes; a loop of recipes ends at the largest demand."""
        for _ in instance.commodities:
            changed = [
                self._raise(c, min(self._top, share * self._largest_output(each)))
                for each in instance.activities.values()
                for c, share in each.input.items()
            ]
            if not any(changed):
                return

    def _largest_output(self, activity: Any) -> float:
        outputs: Mapping[str, float] = activity.output
        return max((self._commodities[c] / share for c, share in outputs.items() if share > 0), default=0.0)


def _largest(instance: Instance, demand: Any) -> float:
    return float(instance.horizon.delta * max(demand.quantity.at(year) for year in instance.horizon.years))
