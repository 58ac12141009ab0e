"""An activity: something in a region that turns inputs into outputs. Existing processes and three levers share it.

    x[t]   activity   t          tonnes of activity in period t
           input      t per t    taken from each commodity
           output     t per t    given to each commodity; joint products in fixed proportions
    r      restart    share      of capacity that may run; 1 in the baseline, and without `restart_months`
    u      floor      share      `min_utilisation`, what contracts keep running in the baseline
    κ      cost       USD per t  times the path's multiplier
    η      support    USD per t  price support paid per tonne of baseline activity; it counts towards the budget

On one path, in each period:
    supply[c]      += output·x − input·x
    operating      += κ·x  (+ η·x in the baseline)
    outlay[year]   += budget_share·η·x         in the baseline
    production     += output·x                 in the baseline, by region and kind

Restart: k months after a shock begins at most u + (1−u)·min(1, k/n) of capacity runs, n = `restart_months`. Of a period
from month a to month b of the window r is the mean of that, r = u + (1−u)·(R(b) − R(a))/(b − a), where R(k) = k²/2n up
to n and k − n/2 from there. In a state that lasts (`Path.is_steady`), r = u: floors hold from its first day on. The
plan does not enter r; what the baseline runs beyond its floor does not count, for no recourse knows it.
"""

from collections.abc import Mapping

from pydantic import Field

from optimizer.disruptions.shock import Path
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.units import AmountSeries, Described, Number, Quantity, QuantitySeries, Ratio, Series, Share

ZERO_SERIES = Series.constant(0.0)
MONTHS_A_YEAR = 12


class Activity(Described):
    """The fields that existing processes and process options have in common."""

    id: str = Field(exclude=True)
    region: str | None = Field(default=None, description="Region of the activity; cuts and policy shares refer to it.")
    stage: str | None = Field(
        default=None, description="Stage of the chain, such as mine, separation, metal or magnet; cuts refer to it."
    )
    input: Mapping[str, Ratio] = Field(default_factory=dict, description="Input by commodity, t per t of activity.")
    output: Mapping[str, Ratio] = Field(
        default_factory=dict,
        description="Output by commodity, t per t of activity; several where an ore yields several commodities.",
    )
    cost: AmountSeries = Field(
        default=ZERO_SERIES,
        description="Total operating cost, money per t of activity; a series. Negative where a surplus is sold.",
    )
    support: QuantitySeries = Field(
        default=ZERO_SERIES,
        description="Price support paid on baseline activity, money per t; a series. It counts against the budget.",
    )
    min_utilisation: Share = Field(default=0.0, description="Minimum utilisation of capacity in the baseline, 0 to 1.")
    restart_months: Quantity = Field(
        default=0.0,
        description="Months from the start of a shock to full operation: utilisation rises from min_utilisation to 1.",
    )

    def restart_share(self, path: Path, t: int) -> float:
        """The share r of capacity that may run in a period of a path."""
        if path.is_baseline or self.restart_months == 0:
            return 1.0
        rising = 0.0 if path.is_steady else self._risen(t - path.periods.start, MONTHS_A_YEAR * path.delta)
        return self.min_utilisation + (1.0 - self.min_utilisation) * rising

    def _risen(self, offset: int, length: float) -> float:
        """The mean of min(1, k/n) over the months k of a period of the window, counted from 0."""
        n, ends = self.restart_months, (offset * length, (offset + 1) * length)
        first, last = (k * k / (2.0 * n) if k < n else k - n / 2.0 for k in ends)
        return (last - first) / length

    def run(
        self, model: ModelBuilder, path: Path, *, kind: str, budget_share: float, upper: Mapping[int, Number]
    ) -> Mapping[int, Expression]:
        """Write the activity's columns on one path and book its flows and costs.

        Args:
            model: where its columns and rows are written.
            path: baseline or one shock.
            kind: what policy shares call it: ``existing`` or the lever's kind.
            budget_share: the part of its support that is the budget's.
            upper: bound of each column, t per period.

        Returns:
            x[t], in t, for each period of the path.
        """
        activity = {t: model.variable(self.id, "activity", t, upper=upper[t]) for t in path.periods}
        multiplier = path.multiplier.get(self.id, 1.0)
        for t, x in activity.items():
            model.book("operating", path.key, t, amount=x, times=self.cost.at(path.year(t)) * multiplier)
            for commodity, share in self.output.items():
                model.book("supply", path.key, commodity, t, amount=x, times=share)
            for commodity, share in self.input.items():
                model.book("supply", path.key, commodity, t, amount=x, times=-share)
            if path.is_baseline:
                self._settle(model, path, t, x, kind, budget_share)
        return activity

    def _settle(self, model: ModelBuilder, path: Path, t: int, x: Expression, kind: str, budget_share: float) -> None:
        year = model.horizon.year(t)
        rate = self.support.at(year)
        if rate:
            paid = rate * x
            model.book("operating", path.key, t, amount=paid)
            model.book("support", t, amount=paid)
            model.book("outlay", year, amount=budget_share * paid)
        for commodity, share in self.output.items():
            model.book("production", path.key, commodity, self.region or "", kind, t, amount=x, times=share)
