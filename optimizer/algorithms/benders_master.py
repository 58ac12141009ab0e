"""The master problem of Benders decomposition, and its cut pool.

    θ[g]   outer approximation of a group g of shocks, above its lower bound, divided by the median shortage cost
    cut    θ[g] ≥ value + g·(x − plan) + by_gap·(γ − limit)    at every plan evaluated; never above the true value
    γ      θ of the gap of the one shock of g, where costs depend on the gap that it may leave
    link   θ[g] ≥ gap or cost of those shocks of g that the master holds, and the lower bounds of the others

The master problem contains few shocks or none. θ is a lower bound on the recourse function, so every minimum of the
master is a lower bound too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.measured_model import median_shortage_cost
from optimizer.algorithms.recourse import Subgradients
from optimizer.disruptions.shock import BASELINE
from optimizer.model.expressions import Expression, total
from optimizer.risk import FutureCosts
from optimizer.solver import Integers, SolveResult, Vector
from optimizer.tolerances import ROUNDING

EstimateKind = Literal["gap", "cost"]
ESTIMATE_KINDS: tuple[EstimateKind, ...] = ("gap", "cost")
# The arrays of a cut in a checkpoint, in the order of the fields of `BendersCut`.
PARTS = ("plan", "value", "slope", "new", "held", "by_gap")


@dataclass(frozen=True)
class ShockGroups:
    """Shocks that share an estimate.

    Attributes:
        kind: whether gaps or costs are estimated.
        group_of: by shock, its group; −1 for those that are not estimated.
        weights: by shock, of its gap or cost.
        least: by shock, a lower bound on its gap or cost, in money.
        owners: by group, the number of the future whose shocks it holds.
        gaps: of costs, by group, the group of gaps that holds its one shock; −1 where its floors are kept.
    """

    kind: EstimateKind
    group_of: Integers
    weights: Vector
    least: Vector
    owners: Integers
    gaps: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    @property
    def size(self) -> int:
        """How many groups there are."""
        return int(self.group_of.max(initial=-1)) + 1

    @property
    def outside(self) -> list[int]:
        """The shocks that belong to no group."""
        return np.flatnonzero(self.group_of < 0).tolist()

    def lower_bounds(self) -> Vector:
        """By group, a lower bound on its sum."""
        inside = self.group_of >= 0
        result = np.zeros(self.size)
        np.add.at(result, self.group_of[inside], (self.weights * self.least)[inside])
        return result


@dataclass(frozen=True)
class BendersCut:
    """Sums of groups at one plan, with subgradients in its columns and in gaps; `new` are the groups that get a row."""

    plan: Vector
    value: Vector
    subgradient: Vector
    new: Integers
    gap_limit: Vector
    by_gap: Vector


CutPool = dict[EstimateKind, list[BendersCut]]


@dataclass
class MasterProblem(ScenarioModel):
    """A model that approximates what shocks leave unserved or cost from below; it may contain some shocks as well.

    Attributes:
        groups: of gaps, of costs, or both, by kind.
        pool: the cuts.
        followers: other masters that get the same cuts, each where it violates them at its own proposal.
    """

    groups: Mapping[EstimateKind, ShockGroups] = field(default_factory=dict)
    pool: CutPool = field(default_factory=dict)
    followers: list[tuple["MasterProblem", Vector]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unit = median_shortage_cost(self.instance)
        writer = self.writer = self.writer or formulation.Writer(self.instance)
        self.size = len(writer.first_stage.columns)
        self.estimates: dict[EstimateKind, list[int]] = {}
        self.least = {kind: groups.lower_bounds() for kind, groups in self.groups.items()}
        self._linked: dict[tuple[EstimateKind, int], int] = {}
        super().__post_init__()

    def costs(self) -> list[FutureCosts[Expression]]:
        """What each future costs, that of its shocks by estimates."""
        parts = zip(self.tree.futures, self.builder.members, strict=True)
        operating = [formulation.costs_by_part(member, each.instance, each.instance.events) for each, member in parts]
        estimates = self._estimate("cost", self._named(operating))
        return [
            FutureCosts(
                future.probability,
                total([formulation.spending(member), own.get(BASELINE, Expression()), estimate]),
            )
            for future, member, own, estimate in zip(
                self.tree.futures, self.builder.members, operating, estimates, strict=True
            )
        ]

    def gaps(self) -> list[Expression]:
        """The survival gap of each future, by estimates, money."""
        parts = zip(self.tree.futures, self.builder.members, strict=True)
        return self._estimate("gap", self._named([formulation.gaps(member, each.instance) for each, member in parts]))

    def _named(self, parts: Sequence[Mapping[str, Expression]]) -> dict[str, Expression]:
        """Amounts by path of each future, under the names that paths have among all futures."""
        each = enumerate(parts)
        return {self.tree.name(number, path): amount for number, own in each for path, amount in own.items()}

    def _estimate(self, kind: EstimateKind, held: Mapping[str, Expression]) -> list[Expression]:
        """The sums of the estimates by future, in money; their columns are linked to the shocks held."""
        result = [Expression() for _ in self.tree.futures]
        if kind not in self.groups:
            return result
        if kind not in self.estimates:
            columns = [self.builder.variable(kind, f"estimate{g}", 0) for g in range(self.groups[kind].size)]
            self.estimates[kind] = [next(iter(column.terms)) for column in columns]
        columns = [Expression({j: 1.0}) for j in self.estimates[kind]]
        self._link(kind, columns, held)
        for column, owner, least in zip(columns, self.groups[kind].owners, self.least[kind], strict=True):
            result[owner].add(column, self.unit)
            result[owner].add(float(least))
        return result

    def shares(self, kind: EstimateKind) -> Vector:
        """By group, the probability of its future."""
        return np.array([future.probability for future in self.tree.futures])[self.groups[kind].owners]

    def _link(self, kind: EstimateKind, columns: Sequence[Expression], held: Mapping[str, Expression]) -> None:
        """A row for each group of which more is held than before; it implies the row before."""
        groups, known = self.groups[kind], dict[int, list[Expression]]()
        for number, shock in enumerate(self.tree.events):
            group = int(groups.group_of[number])
            if group >= 0 and shock.name in held:
                least = float(groups.weights[number] * groups.least[number])
                known.setdefault(group, []).append(held[shock.name] - least)
        for group, parts in known.items():
            if len(parts) > self._linked.get((kind, group), 0):
                self._linked[kind, group] = len(parts)
                name = f"link{group}.{len(parts)}"
                self.builder.require(kind, name, None, columns[group], ">=", (1.0 / self.unit) * total(parts))

    def estimated(self, kind: EstimateKind, values: Vector) -> Vector:
        """The estimates by group, in money."""
        return np.asarray(self.unit * values[self.estimates[kind]] + self.least[kind])

    def cut_violation(self, kind: EstimateKind, plan: Vector, found: Subgradients, values: Vector) -> Vector:
        """By group, how far the θ in `values` is below the cut at a plan, in money."""
        start = np.maximum(plan[: self.size], 0.0)
        cut = found.value + found.subgradient @ (np.maximum(values[: self.size], 0.0) - start)
        tied = np.flatnonzero(self.groups[kind].gaps >= 0)
        if len(tied):
            gaps = self.estimated("gap", values)[self.groups[kind].gaps[tied]]
            cut[tied] += found.by_gap[tied] * (gaps - found.gap_limit[tied])
        return np.asarray(np.maximum(cut - self.estimated(kind, values), 0.0))

    def add_cuts(self, kind: EstimateKind, plan: Vector, found: Subgradients, values: Vector) -> int:
        """Add the cuts at a plan that `values` violates. Returns how many."""
        below = self.cut_violation(kind, plan, found, values)
        new = np.flatnonzero(below > ROUNDING * (below + np.abs(self.estimated(kind, values))))
        if len(new):
            start = np.maximum(plan[: self.size], 0.0)
            cut = BendersCut(
                start, found.value[new], found.subgradient[new], new, found.gap_limit[new], found.by_gap[new]
            )
            self.add_pool({kind: [cut]})
        for other, proposed in self.followers:
            other.add_cuts(kind, plan, found, proposed)
        return len(new)

    def add_pool(self, pool: Mapping[EstimateKind, Sequence[BendersCut]]) -> None:
        """Add the cuts of a master with the same groups, of the kinds that are estimated here."""
        for kind in self.estimates:
            for cut in pool.get(kind, ()):
                self.pool.setdefault(kind, []).append(cut)
                self._write_cut(kind, cut)

    def _write_cut(self, kind: EstimateKind, cut: BendersCut) -> None:
        groups, each = self.groups[kind], np.arange(len(cut.new))
        tied = np.flatnonzero(groups.gaps[cut.new] >= 0) if len(groups.gaps) else each[:0]
        columns = [*range(self.size), *self.estimates[kind], *(self.estimates["gap"] if len(tied) else ())]
        rows = np.zeros((len(cut.new), len(columns)))
        rows[:, : self.size] = cut.subgradient / self.unit
        rows[each, self.size + cut.new] = -1.0
        rhs = cut.subgradient @ cut.plan - cut.value + self.least[kind][cut.new]
        if len(tied):
            gaps = groups.gaps[cut.new[tied]]
            rows[tied, self.size + len(self.estimates[kind]) + gaps] = cut.by_gap[tied]
            rhs[tied] += cut.by_gap[tied] * (cut.gap_limit[tied] - self.least["gap"][gaps])
        self.model.extend(columns, rows, rhs / self.unit)

    def with_integers_of(self, result: SolveResult) -> SolveResult:
        """Another master's result with its integers where they stand here; both begin with the plan's columns."""
        assert result.values is not None
        values = np.zeros(len(self.builder.columns))
        values[self.model.integers] = result.values[self.model.integers]
        return replace(result, values=values, duals=None)

    def solve_with_purchases(self, values: Vector) -> SolveResult:
        """The cheapest baseline beside the purchases of a plan, as they are."""
        model, columns = self.model, self.builder.columns[: self.size]
        bought = np.array([j for j, each in enumerate(columns) if each.integer or each.mark.what in ("size", "fill")])
        if not len(bought):
            return self.solve_lp()
        lower, upper = model.lower[bought], model.upper[bought]
        whole = np.array([columns[j].integer for j in bought])
        at = np.clip(np.where(whole, np.round(values[bought]), values[bought]), lower, upper)
        model.bound(bought, at, at)
        result = self.solve_lp()
        model.bound(bought, lower, upper)
        return result


def pack_cuts(pool: Mapping[EstimateKind, Iterable[BendersCut]]) -> dict[str, Vector]:
    """All cuts as arrays by name."""
    return {
        f"cut {kind} {i} {part}": getattr(cut, each.name)
        for kind, cuts in pool.items()
        for i, cut in enumerate(cuts)
        for part, each in zip(PARTS, fields(BendersCut), strict=True)
    }


def unpack_cuts(arrays: Mapping[str, Vector]) -> CutPool:
    """The cuts that `pack_cuts` made arrays of."""
    result: CutPool = {kind: [] for kind in ESTIMATE_KINDS}
    for kind, cuts in result.items():
        while f"cut {kind} {len(cuts)} plan" in arrays:
            parts: list[Any] = [arrays[f"cut {kind} {len(cuts)} {part}"] for part in PARTS]
            cuts.append(BendersCut(*parts))
    return result
