"""A plan's model in which some of the shocks that are written out are attacks of one adversary.

θ      damage   in tonnes of middle shortage cost   of the worst attack
link   θ ≥ what an attack leaves below the floors, in money / unit              every attack that is written out
gap    the other shocks' gaps + unit·θ
"""

import math
from dataclasses import dataclass, field

from optimizer import formulation
from optimizer.algorithms.restricted import Run
from optimizer.model.expressions import Expression, total
from optimizer.solver import Vector


@dataclass
class Defender(Run):
    """A run in which some of the written shocks are attacks, of which only the worst counts as a gap.

    Attributes:
        attacks: their names.
    """

    attacks: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        priced = sorted(demand.shortage_cost for demand in self.instance.demands.values() if demand.shortage_cost > 0)
        self.unit = priced[len(priced) // 2] if priced else 1.0
        self.damage: Expression | None = None
        self._linked: set[str] = set()
        super().__post_init__()

    def _objectives(self) -> tuple[Expression, Expression]:
        cost = self.question.objective(self.stage, self.instance, self.shocks)
        if self.damage is None:
            self.damage = self.stage.variable("adversary", "damage", 0)
        gaps = formulation.gaps(self.stage, self.instance)
        for name, gap in gaps.items():
            if name in self.attacks and name not in self._linked:
                self._linked.add(name)
                self.stage.require("adversary", name, None, self.damage, ">=", (1.0 / self.unit) * gap)
        own = (gap for name, gap in gaps.items() if name not in self.attacks)
        return cost, total([*own, self.unit * self.damage])

    def granted(self, values: Vector) -> float:
        """The damage that an attack may do, in money, while all that is held stays held."""
        assert self.damage is not None
        (column,) = self.damage.terms
        if not self.ration.columns or not math.isfinite(self.allowed):
            return float(self.unit * values[column])
        return max(0.0, self.allowed - self.own_gap(values))

    def own_gap(self, values: Vector) -> float:
        """What the instance's own shocks leave below their floors, in money."""
        gaps, numbers = formulation.gaps(self.stage, self.instance), values.tolist()
        return math.fsum(max(0.0, gap.value(numbers)) for name, gap in gaps.items() if name not in self.attacks)
