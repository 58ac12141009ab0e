"""An activity: something in a region that turns inputs into outputs. Existing processes and three levers share it.

    x[t]   activity   t          tonnes of activity in period t
           input      t per t    taken from each commodity
           output     t per t    given to each commodity; joint products in fixed proportions
    κ      cost       USD per t  times the path's multiplier
    η      support    USD per t  price support paid per tonne of baseline activity; it counts towards the budget

On one path, in each period:
    supply[c]      += output·x − input·x
    operating      += κ·x  (+ η·x in the baseline)
    outlay[year]   += budget_share·η·x         in the baseline
    production     += output·x                 in the baseline, by region and kind
"""

from collections.abc import Mapping

from pydantic import Field

from optimizer.disruptions.shock import Path
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.units import AmountSeries, Described, Number, Positive, QuantitySeries, Ratio, Series, Share

ZERO_SERIES = Series.constant(0.0)


class Commitment(Described):
    """Money that somebody has spent or pledged already: it stands beside the outlay, and counts nowhere."""

    amount: Positive = Field(description="Money spent or pledged, undiscounted.")
    year: int | None = Field(default=None, ge=1900, le=2200, description="Calendar year of the payment or the pledge.")


Commitments = tuple[Commitment, ...]
COMMITTED = "Money already spent or pledged by somebody, a list: reported beside the outlay, and in no cost or budget."


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
