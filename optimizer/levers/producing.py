"""The three levers that produce: ally, refining and recycling differ in their region and in what they use.

    size   t/yr of activity     C[t] working capacity, t/yr     x[t] activity, t     σ share lost in this path

Plan: as in `base`; links `capacity`, C.
On each path, in every period, beside what an activity does:
    capacity   x ≤ C·Δ·min(1−σ, r)              r as in `network.activity`; 1 without `restart_months`
    run        x ≥ min_utilisation·C·Δ          baseline only
"""

from collections.abc import Iterator
from typing import ClassVar

from optimizer.disruptions.shock import Path, largest
from optimizer.levers.base import Reference, Sized
from optimizer.model.builder import ModelBuilder
from optimizer.network.activity import Activity
from optimizer.results.plan import Flow


class Producing(Sized, Activity):
    """An option that is a process."""

    is_activity: ClassVar[bool] = True
    shock_fields: ClassVar[tuple[str, ...]] = ("cost",)

    def references(self) -> Iterator[Reference]:
        """What it takes and gives, and the options that it is tied to."""
        for side in ("input", "output"):
            yield from (Reference((side, commodity), commodity, "commodities") for commodity in getattr(self, side))
        yield from super().references()

    @property
    def price_cure(self) -> str:
        """The fields that may hold its price."""
        return "Add its capex, fixed_cost or fixed_opex; what is there already is a process."

    @property
    def capex_group(self) -> str | None:
        """That of all plants."""
        return "plants"

    def invest(self, model: ModelBuilder) -> None:
        """Buy capacity and link what of it works."""
        model.link(self.id, "capacity", self.working(model, self.buy(model)))

    def operate(self, model: ModelBuilder, path: Path) -> None:
        """Run within what works and is left; in the baseline at least at the minimum utilisation."""
        capacity, delta = model.linked(self.id, "capacity"), path.delta
        most = dict.fromkeys(path.periods, self.max_size * delta)
        activity = self.run(model, path, kind=self.kind_name, budget_share=self.budget_share, upper=most)
        for t in path.periods:
            working = delta * capacity[t]
            lost = largest(path.lost(self.id, t), 1.0 - self.restart_share(path, t))
            model.limit(self.id, "capacity", t, activity[t], (1.0 - lost) * working)
            model.gate(self.id, t, activity[t])
            if path.is_baseline and self.min_utilisation > 0:
                model.require(self.id, "run", t, activity[t], ">=", self.min_utilisation * working)

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Its activity."""
        return (Flow("activity", "activity", gives=self.output, takes=self.input),)

    @property
    def kind_name(self) -> str:
        """The lever's kind, for policy shares."""
        return str(getattr(self, "kind", ""))
