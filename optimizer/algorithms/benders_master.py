"""The plan's own model, with estimates of what all shocks leave unserved or cost.

    θ[g]   estimate   in tonnes of middle shortage cost   of a group g of shocks, above what it cannot fall below
    cut    θ[g] ≥ value + slope·(x − plan) + by_gap·(γ − held)    at every plan tried; never above the truth
    γ      the estimated gap of the one shock of g, where costs depend on the gap that it is granted
    link   θ[g] ≥ what those of g that are written out leave unserved or cost, and the least of the others

Written out are few shocks or none. The estimates only grow: every minimum of this model is a bound on that of the
whole model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.recourse import Subgradients
from optimizer.algorithms.window import Integers
from optimizer.disruptions.shock import BASELINE
from optimizer.model.expressions import Expression, total
from optimizer.solver import SolveResult, Vector
from optimizer.tolerances import ROUNDING

EstimateKind = Literal["gap", "cost"]
PARTS = ("plan", "value", "slope", "new", "held", "by_gap")


@dataclass(frozen=True)
class ShockGroups:
    """Shocks that share an estimate.

    Attributes:
        kind: whether gaps or costs are estimated.
        of: by shock, its group; −1 for those that are not estimated.
        weights: by shock, of its gap or cost.
        least: by shock, what its gap or cost cannot fall below, in money.
        gaps: of costs, by group, the group of gaps that holds its one shock; −1 where its floors are kept.
    """

    kind: EstimateKind
    of: Integers
    weights: Vector
    least: Vector
    gaps: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

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
class BendersCut:
    """Sums of groups at one plan, with slopes in its columns and in gaps; `new` are the groups that learned from it."""

    plan: Vector
    value: Vector
    slope: Vector
    new: Integers
    held: Vector
    by_gap: Vector


@dataclass
class MasterProblem(ScenarioModel):
    """A run whose shocks are estimated; those of `shocks` are written out as well.

    Attributes:
        groups: of gaps, of costs, or both, by kind.
        followers: other masters that learn what this one is told, each at what it proposes itself.
    """

    groups: Mapping[EstimateKind, ShockGroups] = field(default_factory=dict)
    cuts: dict[EstimateKind, list[BendersCut]] = field(default_factory=dict)
    followers: list[tuple["MasterProblem", Vector]] = field(default_factory=list)

    def __post_init__(self) -> None:
        priced = sorted(demand.shortage_cost for demand in self.instance.demands.values() if demand.shortage_cost > 0)
        self.unit = priced[len(priced) // 2] if priced else 1.0
        self.size = len(formulation.plan_stage(self.instance).columns)
        self.estimates: dict[EstimateKind, list[int]] = {}
        self.floor = {kind: groups.floor() for kind, groups in self.groups.items()}
        self._linked: dict[tuple[EstimateKind, int], int] = {}
        super().__post_init__()

    def _objectives(self) -> tuple[Expression, Expression]:
        operating = formulation.costs(self.stage, self.instance, self.instance.events)
        gaps = formulation.gaps(self.stage, self.instance)
        of_gaps = self._estimate("gap", gaps)
        baseline = operating.get(BASELINE, Expression())
        return total([formulation.spending(self.stage), baseline, self._estimate("cost", operating)]), of_gaps

    def _estimate(self, kind: EstimateKind, written: Mapping[str, Expression]) -> Expression:
        """The columns of the estimates, linked to what is written out; returns their sum, in money."""
        if kind not in self.groups:
            return Expression()
        if kind not in self.estimates:
            columns = [self.stage.variable(kind, f"estimate{g}", 0) for g in range(self.groups[kind].size)]
            self.estimates[kind] = [next(iter(column.terms)) for column in columns]
        columns = [Expression({j: 1.0}) for j in self.estimates[kind]]
        self._link(kind, columns, written)
        return self.unit * total(columns) + float(self.floor[kind].sum())

    def _link(self, kind: EstimateKind, columns: Sequence[Expression], written: Mapping[str, Expression]) -> None:
        """A row for each group of which more is written out than before; the row before it then says nothing new."""
        groups, known = self.groups[kind], dict[int, list[Expression]]()
        for number, shock in enumerate(self.instance.events):
            group = int(groups.of[number])
            if group >= 0 and shock.name in written:
                least = float(groups.weights[number] * groups.least[number])
                known.setdefault(group, []).append(written[shock.name] - least)
        for group, parts in known.items():
            if len(parts) > self._linked.get((kind, group), 0):
                self._linked[kind, group] = len(parts)
                name = f"link{group}.{len(parts)}"
                self.stage.require(kind, name, None, columns[group], ">=", (1.0 / self.unit) * total(parts))

    def estimated(self, kind: EstimateKind, values: Vector) -> Vector:
        """What the estimates say, in money, by group."""
        return np.asarray(self.unit * values[self.estimates[kind]] + self.floor[kind])

    def missed(self, kind: EstimateKind, plan: Vector, found: Subgradients, values: Vector) -> Vector:
        """By group, how far the estimate in `values` is below what the answers to a plan tell, in money."""
        start = np.maximum(plan[: self.size], 0.0)
        there = found.value + found.slope @ (np.maximum(values[: self.size], 0.0) - start)
        tied = self._tied(kind)
        if len(tied):
            there[tied] += found.by_gap[tied] * (
                self.estimated("gap", values)[self.groups[kind].gaps[tied]] - found.held[tied]
            )
        return np.asarray(np.maximum(there - self.estimated(kind, values), 0.0))

    def _tied(self, kind: EstimateKind) -> Integers:
        """The groups whose cost depends on an estimated gap."""
        return np.flatnonzero(self.groups[kind].gaps >= 0)

    def learn(self, kind: EstimateKind, plan: Vector, found: Subgradients, values: Vector) -> int:
        """Add the cuts of a plan that `values` violates. Returns how many."""
        missed = self.missed(kind, plan, found, values)
        new = np.flatnonzero(missed > ROUNDING * (missed + np.abs(self.estimated(kind, values))))
        if len(new):
            start = np.maximum(plan[: self.size], 0.0)
            cut = BendersCut(start, found.value[new], found.slope[new], new, found.held[new], found.by_gap[new])
            self.recall({kind: [cut]})
        for other, proposed in self.followers:
            other.learn(kind, plan, found, proposed)
        return len(new)

    def proposed(self, answer: SolveResult) -> SolveResult:
        """Another model's answer with its integers where they stand here; both begin with the plan's columns."""
        assert answer.values is not None
        values = np.zeros(len(self.stage.columns))
        values[self.model.integers] = answer.values[self.model.integers]
        return replace(answer, values=values, prices=None)

    def as_planned(self, values: Vector) -> SolveResult:
        """What another model buys, as it is, and the cheapest baseline beside it."""
        model, columns = self.model, self.stage.columns[: self.size]
        bought = np.array([j for j, each in enumerate(columns) if each.integer or each.mark.what in ("size", "fill")])
        if not len(bought):
            return self.untimed()
        lower, upper = model.lower[bought], model.upper[bought]
        whole = np.array([columns[j].integer for j in bought])
        at = np.clip(np.where(whole, np.round(values[bought]), values[bought]), lower, upper)
        model.bound(bought, at, at)
        answer = self.untimed()
        model.bound(bought, lower, upper)
        return answer

    def recall(self, cuts: Mapping[EstimateKind, Sequence[BendersCut]]) -> None:
        """Take over the cuts of a master with the same groups, of the kinds that are estimated here."""
        for kind in self.estimates:
            for cut in cuts.get(kind, ()):
                self.cuts.setdefault(kind, []).append(cut)
                self._write(kind, cut)

    def _write(self, kind: EstimateKind, cut: BendersCut) -> None:
        groups, each = self.groups[kind], np.arange(len(cut.new))
        tied = np.flatnonzero(groups.gaps[cut.new] >= 0) if len(groups.gaps) else each[:0]
        columns = [*range(self.size), *self.estimates[kind], *(self.estimates["gap"] if len(tied) else ())]
        rows = np.zeros((len(cut.new), len(columns)))
        rows[:, : self.size] = cut.slope / self.unit
        rows[each, self.size + cut.new] = -1.0
        right = cut.slope @ cut.plan - cut.value + self.floor[kind][cut.new]
        if len(tied):
            gaps = groups.gaps[cut.new[tied]]
            rows[tied, self.size + len(self.estimates[kind]) + gaps] = cut.by_gap[tied]
            right[tied] += cut.by_gap[tied] * (cut.held[tied] - self.floor["gap"][gaps])
        self.model.extend(columns, rows, right / self.unit)


def packed(cuts: Mapping[EstimateKind, Sequence[BendersCut]]) -> dict[str, Vector]:
    """All cuts as arrays by name."""
    return {
        f"cut {kind} {i} {part}": getattr(cut, part)
        for kind, some in cuts.items()
        for i, cut in enumerate(some)
        for part in PARTS
    }


def unpacked(arrays: Mapping[str, Vector]) -> dict[EstimateKind, list[BendersCut]]:
    """The cuts that `packed` made arrays of."""
    kinds: tuple[EstimateKind, ...] = ("gap", "cost")
    result: dict[EstimateKind, list[BendersCut]] = {kind: [] for kind in kinds}
    for kind, cuts in result.items():
        while f"cut {kind} {len(cuts)} plan" in arrays:
            parts: list[Any] = [arrays[f"cut {kind} {len(cuts)} {part}"] for part in PARTS]
            cuts.append(BendersCut(*parts))
    return result
