"""The plan's own model, with estimates of what the shocks that are not written out leave unserved or cost.

    θ[g]   estimate   in tonnes of middle shortage cost   of a group g of shocks, above what it cannot fall below
    cut    θ[g] ≥ value + slope·(x − plan)                at every plan tried; never above the truth

Written out are few shocks or none. The estimates only grow: every minimum of this model is a bound on that of the
whole model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from optimizer import formulation
from optimizer.expression import Expression, total
from optimizer.shocks import BASELINE
from optimizer.solver import Vector
from optimizer.strategies.recourse import Slopes
from optimizer.strategies.whole import Run
from optimizer.strategies.window import Integers

Kind = Literal["gap", "cost"]


@dataclass(frozen=True)
class Groups:
    """Shocks that share an estimate.

    Attributes:
        kind: whether gaps or costs are estimated.
        of: by shock, its group; −1 for those that are not estimated.
        weights: by shock, of its gap or cost.
        least: by group, what its sum cannot fall below, in money.
    """

    kind: Kind
    of: Integers
    weights: Vector
    least: Vector

    @property
    def outside(self) -> list[int]:
        """The shocks that belong to no group."""
        return np.flatnonzero(self.of < 0).tolist()


@dataclass
class Cut:
    """Sums of groups at one plan, and their slopes in its columns."""

    plan: Vector
    value: Vector
    slope: Vector


@dataclass
class Master(Run):
    """A run whose other shocks are estimated.

    Attributes:
        groups: of gaps, of costs, or both.
        counts: whether the shocks that are written out count in cost and gap; else they only have to keep their floors.
    """

    groups: Sequence[Groups] = ()
    counts: bool = True
    cuts: dict[Kind, list[Cut]] = field(default_factory=dict)

    def _objectives(self) -> tuple[Expression, Expression]:
        priced = sorted(demand.shortage_cost for demand in self.instance.demands.values() if demand.shortage_cost > 0)
        self.unit = priced[len(priced) // 2] if priced else 1.0
        self.size = len(formulation.plan_stage(self.instance).columns)
        self.estimates: dict[Kind, list[int]] = {}
        sums: dict[Kind, Expression] = {"gap": Expression(), "cost": Expression()}
        for groups in self.groups:
            columns = [self.stage.variable(groups.kind, f"estimate{g}", 0) for g in range(len(groups.least))]
            self.estimates[groups.kind] = [next(iter(column.terms)) for column in columns]
            sums[groups.kind] = self.unit * total(columns) + float(groups.least.sum())
        cost = formulation.cost(self.stage, self.instance, self.instance.events)
        gap = formulation.gap(self.stage, self.instance)
        if not self.counts:
            cost, gap = self._own_cost(), Expression()
        return cost + sums["cost"], gap + sums["gap"]

    def _own_cost(self) -> Expression:
        """Spending and the baseline, without the shocks."""
        result = Expression()
        for (moment,), spent in self.stage.accounts("spend").items():
            result.add(spent, self.stage.discount(int(moment)))
        weight = formulation.weights(self.instance, self.instance.events)[BASELINE]
        for (path, t), amount in self.stage.accounts("operating").items():
            if path == BASELINE:
                result.add(amount, weight[int(t)])
        return result

    def estimated(self, kind: Kind, values: Vector) -> Vector:
        """What the estimates say, in money, by group."""
        (groups,) = [groups for groups in self.groups if groups.kind == kind]
        return np.asarray(self.unit * values[self.estimates[kind]] + groups.least)

    def learn(self, kind: Kind, plan: Vector, found: Slopes, values: Vector | None = None) -> int:
        """Add the cuts of a plan; with `values`, only those that they violate. Returns how many."""
        estimate = self.estimated(kind, values) if values is not None else np.full(len(found.value), -np.inf)
        chosen = np.flatnonzero(found.value > estimate + 1e-9 * np.abs(found.value))
        self.cuts.setdefault(kind, []).append(Cut(np.maximum(plan[: self.size], 0.0), found.value, found.slope))
        self._write(kind, self.cuts[kind][-1], chosen)
        return len(chosen)

    def recall(self, other: "Master") -> None:
        """Take over the cuts of a master with the same groups."""
        for kind, cuts in other.cuts.items():
            for cut in cuts:
                self.cuts.setdefault(kind, []).append(cut)
                self._write(kind, cut, np.arange(len(cut.value)))

    def state(self) -> dict[str, Vector]:
        """All cuts as arrays by name, for `restore`."""
        return {
            f"cut {kind} {i} {part}": getattr(cut, part)
            for kind, cuts in self.cuts.items()
            for i, cut in enumerate(cuts)
            for part in ("plan", "value", "slope")
        }

    def restore(self, arrays: Mapping[str, Vector]) -> None:
        """Take over the cuts of an earlier run."""
        for kind in self.estimates:
            i = 0
            while f"cut {kind} {i} plan" in arrays:
                cut = Cut(*(arrays[f"cut {kind} {i} {part}"] for part in ("plan", "value", "slope")))
                self.cuts.setdefault(kind, []).append(cut)
                self._write(kind, cut, np.arange(len(cut.value)))
                i += 1

    def _write(self, kind: Kind, cut: Cut, chosen: Integers) -> None:
        if not len(chosen):
            return
        (groups,) = [groups for groups in self.groups if groups.kind == kind]
        columns = [*range(self.size), *self.estimates[kind]]
        rows = np.zeros((len(chosen), len(columns)))
        rows[:, : self.size] = cut.slope[chosen] / self.unit
        rows[np.arange(len(chosen)), self.size + chosen] = -1.0
        right = (cut.slope[chosen] @ cut.plan - cut.value[chosen] + groups.least[chosen]) / self.unit
        self.model.extend(columns, rows, right)
