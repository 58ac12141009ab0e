"""Levers that are processes: ally, refining and recycling. They differ in their location and their inputs.

ally        equity or a loan buys capacity in another region, friendly or not, that serves our demand
refining    domestic separation, metal or magnet making
recycling   fed by a scrap commodity, limited by its capacity and by the scrap that `end_of_life` supplies: the limit by
            scrap is the balance of that commodity, like that of any other input

`Producing`, the base of all three, is a lever and an activity:

    size               t/yr of activity; columns and rows as in `base`
    x[t]   activity    t          σ share lost in this path

It links `capacity`, C. On each path, in every period, it adds to the rows of an activity:
    capacity   x ≤ C·Δ·min(1−σ, r)              r as in `network.process`; 1 without `restart_months`
    run        x ≥ min_utilisation·C·Δ          baseline only
"""

from collections.abc import Iterator
from typing import ClassVar, Literal

from optimizer.disruptions.path import Path, elementwise_max
from optimizer.errors import Problem
from optimizer.levers.base import Labels, Reference, Sized
from optimizer.model.builder import ModelBuilder
from optimizer.network.process import Activity
from optimizer.results.plan import Flow

# Months; a shorter lead time of a plant is reported.
SHORTEST_LEAD_TIME = 5


class Producing(Sized, Activity):
    """Base class of options that are processes."""

    is_activity: ClassVar[bool] = True
    shock_fields: ClassVar[tuple[str, ...]] = ("cost",)

    def references(self) -> Iterator[Reference]:
        """Yield the commodities of input and output, and the options that this one requires or excludes."""
        for side in ("input", "output"):
            yield from (Reference((side, commodity), commodity, "commodities") for commodity in getattr(self, side))
        yield from super().references()

    @property
    def price_cure(self) -> str:
        """The cure that a finding gives for a free option, with the fields that may hold a cost."""
        return "Add its capex, fixed_cost or fixed_opex; what is there already is a process."

    @classmethod
    def cure_of_unknown(cls, key: str) -> str | None:
        """Return a cure for the cost of operation, whose fields have other names."""
        cure = "Write `cost`, money per t of activity, or `fixed_opex`, money per t/yr of size and year."
        return cure if key == "opex" else None

    def problems(self) -> Iterator[Problem]:
        """Warn of a lead time that no plant has in months: it is probably meant in years."""
        if 0 < self.lead_time < SHORTEST_LEAD_TIME:
            what = f"{self.lead_time:g} months are a short time from decision to operation"
            cure = f"Lead times are in months: write {12 * self.lead_time:g} if years are meant."
            yield ("lead_time",), what, cure, "warning"

    @property
    def capex_group(self) -> str | None:
        """The group of all plants."""
        return "plants"

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Write the activity, limited to the working capacity that a shock leaves.

        In the baseline it runs at least at the minimum utilisation.
        """
        capacity, delta = model.linked(self.id, "capacity"), path.delta
        most = dict.fromkeys(path.periods, self.max_size * delta)
        activity = self.run(model, path, kind=self.kind, budget_share=self.budget_share, upper=most)
        for t in path.periods:
            lost = elementwise_max(path.largest_severity_at(self.id, t), 1.0 - self.restart_share(path, t))
            model.limit(self.id, "capacity", t, activity[t], ((1.0 - lost) * delta) * capacity[t])
            model.note_gate(self.id, t, activity[t])  # 0 unless the option is open: for `strong_linking`
            if path.is_baseline and self.min_utilisation > 0:
                model.require(self.id, "run", t, activity[t], ">=", self.min_utilisation * delta * capacity[t])

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flow of its activity."""
        return (Flow("activity", "activity", gives=self.output, takes=self.input),)


class Ally(Producing):
    """A new process in another region, friendly or not."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=0)
    is_monotone: ClassVar[bool] = True

    kind: Literal["ally"]

    def problems(self) -> Iterator[Problem]:
        """Warn of an ally that no cut by region can reach, and of a lead time that is probably in years."""
        yield from super().problems()
        if self.region is None:
            what = "has no region: no cut by region affects it, and it counts in the share of none"
            yield (), what, "Write its region.", "warning"


class Refining(Producing):
    """A new process at home."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=1)
    is_monotone: ClassVar[bool] = True
    is_at_home: ClassVar[bool] = True

    kind: Literal["refining"]


class Recycling(Producing):
    """A new process that recovers commodities from scrap."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=2)
    is_monotone: ClassVar[bool] = True
    is_at_home: ClassVar[bool] = True

    kind: Literal["recycling"]
