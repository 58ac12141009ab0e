"""The plan's own model, with estimates of what all shocks leave unserved or cost.

    θ[g]   estimate   in tonnes of middle shortage cost   of a group g of shocks, above what it cannot fall below
    cut    θ[g] ≥ value + slope·(x − plan)                at every plan tried; never above the truth
    link   θ[g] ≥ what those of g that are written out leave unserved or cost, and the least of the others

Written out are few shocks or none. The estimates only grow: every minimum of this model is a bound on that of the
whole model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from optimizer import formulation
from optimizer.expression import Expression, total
from optimizer.shocks import BASELINE
from optimizer.solver import Vector
from optimizer.strategies.recourse import Slopes
from optimizer.strategies.whole import Run
from optimizer.strategies.window import Integers

Kind = Literal["gap", "cost"]
PARTS = ("plan", "value", "slope", "new")


@dataclass(frozen=True)
class Groups:
    """Shocks that share an estimate.

    Attributes:
        kind: whether gaps or costs are estimated.
        of: by shock, its group; −1 for those that are not estimated.
        weights: by shock, of its gap or cost.
        least: by shock, what its gap or cost cannot fall below, in money.
    """

    kind: Kind
    of: Integers
    weights: Vector
    least: Vector

    @property
    def size(self) -> int:
        """How many groups there are."""
        return int(self.of.max(initial=-1)) + 1

    @property
    def outside(self) -> list[int]:
        """The shocks that belong to no group."""
        return np.flatnonzero(self.of < 0).tolist()

    def floor(self) -> Vector:
        """By group, what its sum cannot fall below."""
        inside = self.of >= 0
        result = np.zeros(self.size)
        np.add.at(result, self.of[inside], (self.weights * self.least)[inside])
        return result


@dataclass(frozen=True)
class Cut:
    """Sums of groups at one plan, and their slopes in its columns; `new` are the groups that learned from it."""

    plan: Vector
    value: Vector
    slope: Vector
    new: Integers


@dataclass
class Master(Run):
    """A run whose shocks are estimated; those of `shocks` are written out as well.

    Attributes:
        groups: of gaps, of costs, or both, by kind.
        loose: names of written shocks that no group of costs holds: their cost is counted as it is.
        followers: other masters that learn what this one is told, each at what it proposes itself.
    """

    groups: Mapping[Kind, Groups] = field(default_factory=dict)
    loose: frozenset[str] = frozenset()
    cuts: dict[Kind, list[Cut]] = field(default_factory=dict)
    followers: list[tuple["Master", Vector]] = field(default_factory=list)

    def _objectives(self) -> tuple[Expression, Expression]:
        priced = sorted(demand.shortage_cost for demand in self.instance.demands.values() if demand.shortage_cost > 0)
        self.unit = priced[len(priced) // 2] if priced else 1.0
        self.size = len(formulation.plan_stage(self.instance).columns)
        self.estimates: dict[Kind, list[int]] = {}
        self.floor = {kind: groups.floor() for kind, groups in self.groups.items()}
        operating = formulation.costs(self.stage, self.instance, self.instance.events)
        gaps = formulation.gaps(self.stage, self.instance)
        counted = [operating.get(name, Expression()) for name in (BASELINE, *sorted(self.loose))]
        cost = total([formulation.spending(self.stage), *counted, self._estimate("cost", operating)])
        return cost, self._estimate("gap", gaps)

    def _estimate(self, kind: Kind, written: Mapping[str, Expression]) -> Expression:
        """The columns of the estimates, linked to what is written out; returns their sum, in money."""
        if kind not in self.groups:
            return Expression()
        columns = [self.stage.variable(kind, f"estimate{g}", 0) for g in range(self.groups[kind].size)]
        self.estimates[kind] = [next(iter(column.terms)) for column in columns]
        self._link(kind, columns, written)
        return self.unit * total(columns) + float(self.floor[kind].sum())

    def _link(self, kind: Kind, columns: Sequence[Expression], written: Mapping[str, Expression]) -> None:
        groups, known = self.groups[kind], dict[int, Expression]()
        for number, shock in enumerate(self.instance.events):
            group = int(groups.of[number])
            if group >= 0 and shock.name in written:
                least = float(groups.weights[number] * groups.least[number])
                known.setdefault(group, Expression()).add(written[shock.name] - least)
        for group, sum_ in known.items():
            self.stage.require(kind, f"link{group}", None, columns[group], ">=", (1.0 / self.unit) * sum_)

    def estimated(self, kind: Kind, values: Vector) -> Vector:
        """What the estimates say, in money, by group."""
        return np.asarray(self.unit * values[self.estimates[kind]] + self.floor[kind])

    def learn(self, kind: Kind, plan: Vector, found: Slopes, values: Vector) -> int:
        """Add the cuts of a plan that `values` violates. Returns how many."""
        start = np.maximum(plan[: self.size], 0.0)
        there = found.value + found.slope @ (np.maximum(values[: self.size], 0.0) - start)
        new = np.flatnonzero(there > self.estimated(kind, values) + 1e-9 * np.abs(there))
        if len(new):
            self.recall({kind: [Cut(start, found.value[new], found.slope[new], new)]})
        for other, proposed in self.followers:
            other.learn(kind, plan, found, proposed)
        return len(new)

    def recall(self, cuts: Mapping[Kind, Sequence[Cut]]) -> None:
        """Take over the cuts of a master with the same groups, of the kinds that are estimated here."""
        for kind in self.estimates:
            for cut in cuts.get(kind, ()):
                self.cuts.setdefault(kind, []).append(cut)
                self._write(kind, cut)

    def _write(self, kind: Kind, cut: Cut) -> None:
        columns = [*range(self.size), *self.estimates[kind]]
        rows = np.zeros((len(cut.new), len(columns)))
        rows[:, : self.size] = cut.slope / self.unit
        rows[np.arange(len(cut.new)), self.size + cut.new] = -1.0
        right = (cut.slope @ cut.plan - cut.value + self.floor[kind][cut.new]) / self.unit
        self.model.extend(columns, rows, right)


def packed(cuts: Mapping[Kind, Sequence[Cut]]) -> dict[str, Vector]:
    """All cuts as arrays by name."""
    return {
        f"cut {kind} {i} {part}": getattr(cut, part)
        for kind, some in cuts.items()
        for i, cut in enumerate(some)
        for part in PARTS
    }


def unpacked(arrays: Mapping[str, Vector]) -> dict[Kind, list[Cut]]:
    """The cuts that `packed` made arrays of."""
    kinds: tuple[Kind, ...] = ("gap", "cost")
    result: dict[Kind, list[Cut]] = {kind: [] for kind in kinds}
    for kind, cuts in result.items():
        while f"cut {kind} {len(cuts)} plan" in arrays:
            parts: list[Any] = [arrays[f"cut {kind} {len(cuts)} {part}"] for part in PARTS]
            cuts.append(Cut(*parts))
    return result
