"""The master problem of Benders decomposition, with its cuts (`benders_cuts`).

    θ[g]   estimate of the value V of a group g of shocks: V ≥ lower + m·θ, m (`money_unit`) the median shortage cost
    cut    lower + m·θ[g] ≥ value + π·(x − plan) + by_gap·(γ − limit)   at every plan evaluated, with π a subgradient
           of V there, so that the right-hand side is never above V
    γ      gap of the one shock of g, estimated likewise, where costs depend on the gap that it may leave
    link   lower + m·θ[g] ≥ gap or cost of the shocks of g in the master, and the lower bounds of the others

CVaR needs the cost of each shock: each has its own θ, and its outcome is I + B − B_W + θ, where I + B and the terms of
B_W are columns of their own, so that the rows of outcomes are short. The largest cost and regret need θ by future.

The master problem contains few shocks or none. θ is a lower bound on the recourse function, so every minimum of the
master is a lower bound too.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer import formulation
from optimizer.algorithms.benders_cuts import BendersCut, CutPool, EstimateKind, ShockGroups
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import median_shortage_cost
from optimizer.disruptions.path import BASELINE
from optimizer.instance.schema import Future
from optimizer.model.builder import Mark, ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.risk import OWNER, CostOutcome, FutureCosts, free_column, require_money
from optimizer.solver.base import Integers, SolveResult, Vector
from optimizer.tolerances import ROUNDING

if TYPE_CHECKING:
    from optimizer.algorithms.subproblems import Subgradients

# Where the tail alone counts, the dearest shocks with so many times its probability may be in it at plans nearby.
TAILS = 2.0
# Cuts that are written at once, at most, as dense rows of the plan's columns and their own.
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class _OwnCosts:
    """What one future costs, but for its shocks."""

    probability: float
    spending: Expression  # in present value
    operating: Sequence[Expression]  # of the baseline by period, in present value
    no_shock_probability: Vector  # by period, that nothing happens then
    probabilities: Vector  # by shock
    windows: Integers  # by shock, its first period and the one behind its last

    @classmethod
    def of(cls, future: Future, submodel: ModelBuilder) -> "_OwnCosts":
        """Those of a future, from its builder."""
        events, periods = future.instance.events, submodel.horizon.periods
        operating = [submodel.discount(t) * submodel.booked("operating", BASELINE, t) for t in periods]
        weights = formulation.weights(future.instance, events)[BASELINE]
        return cls(
            future.probability,
            formulation.spending(submodel),
            operating,
            np.array([weights[t] / submodel.discount(t) for t in periods]),
            np.array([shock.probability for shock in events]),
            np.array([(e.periods.start, e.periods.stop) for e in events], dtype=np.intp).reshape(-1, 2),
        )

    @property
    def baseline(self) -> Expression:
        """The expected cost of the baseline."""
        return total(float(p) * paid for p, paid in zip(self.no_shock_probability, self.operating, strict=True))

    def at(self, plan: list[float], costs: Vector) -> FutureCosts[float]:
        """What the future costs under a plan where its shocks, in their order, cost so much."""
        spent, paid = self.spending.value(plan), np.array([each.value(plan) for each in self.operating])
        expected = spent + float(paid @ self.no_shock_probability) + float(self.probabilities @ costs)
        baseline_cost, until = spent + float(paid.sum()), np.concatenate([[0.0], np.cumsum(paid)])
        found = baseline_cost - (until[self.windows[:, 1]] - until[self.windows[:, 0]]) + costs
        none = max(0.0, 1.0 - math.fsum(self.probabilities))
        likely = np.flatnonzero(self.probabilities > 0).tolist()
        outcomes = [(none, baseline_cost), *((self.probabilities[n], found[n]) for n in likely)]
        of_tree = [CostOutcome(float(self.probability * p), float(cost)) for p, cost in outcomes]
        return FutureCosts(self.probability, expected, of_tree)


@dataclass
class MasterProblem(ShockModel):
    """A model that approximates what shocks leave unserved or cost from below; it may contain some shocks as well.

    Attributes:
        held_rows: by the mark of a row that keeps the estimate of a group at what its shocks held have, kind and number
            of the group.
    """

    groups: Mapping[EstimateKind, ShockGroups] = field(default_factory=dict)  # of gaps, of costs, or both, by kind
    pool: CutPool = field(default_factory=dict)  # the cuts
    # Other masters that get the same cuts, each where it violates them at its own proposal.
    followers: list[tuple["MasterProblem", Vector]] = field(default_factory=list)
    most_measured: float = math.inf  # what the measure of a plan may be where something else is minimised, money
    # Left out of an evaluation at first: shocks that were far from the tail at the last plan that was evaluated wholly.
    far_from_tail: Collection[int] = ()

    def __post_init__(self) -> None:
        self.money_unit = median_shortage_cost(self.instance)
        writer = self.writer = self.writer or formulation.Writer(self.instance)
        self.size = len(writer.first_stage.columns)
        self.estimates: dict[EstimateKind, list[int]] = {}
        self.lower = {kind: groups.lower_bounds() for kind, groups in self.groups.items()}
        self._held_counts: dict[tuple[EstimateKind, int], int] = {}
        self.held_rows: dict[Mark, tuple[EstimateKind, int]] = {}
        super().__post_init__()

    def update_expressions(self) -> None:
        """Links the costs of shocks that are new among those held; a measure but expected cost is written only once."""
        super().update_expressions()
        if self.policy.objective.kind != "expected":
            self._estimate("cost", self._held_costs)

    def costs(self) -> list[FutureCosts[Expression]]:
        """What each future costs, that of its shocks by estimates."""
        estimates = self._estimate("cost", self._held_costs)
        has_outcomes = self.policy.objective.needs_outcomes and self._estimates_every_cost
        outcomes = self._write_outcomes() if has_outcomes else [[] for _ in self.tree.futures]
        return [
            FutureCosts(own.probability, total([own.spending, own.baseline, estimate]), of_shocks)
            for own, estimate, of_shocks in zip(self._own_costs, estimates, outcomes, strict=True)
        ]

    @property
    def _held_costs(self) -> dict[str, Expression]:
        """By name, the expected cost of each shock held."""
        parts = [
            formulation.operating_cost_by_path(own, each.instance, each.instance.events) for each, own in self.submodels
        ]
        return self._named([{name: costs[name] for name in costs if name != BASELINE} for costs in parts])

    @cached_property
    def _own_costs(self) -> list[_OwnCosts]:
        return [_OwnCosts.of(future, submodel) for future, submodel in self.submodels]

    @property
    def _estimates_every_cost(self) -> bool:
        """Whether the cost of every shock with a probability is estimated."""
        likely = np.concatenate([own.probabilities for own in self._own_costs]) > 0
        if "cost" not in self.groups:
            return not likely.any()
        return bool((self.groups["cost"].group_of[likely] >= 0).all())

    def _write_outcomes(self) -> list[list[CostOutcome[Expression]]]:
        """The outcomes of each future, by estimates, from columns for what it costs without shocks."""
        result, first = list[list[CostOutcome[Expression]]](), 0
        for number, own in enumerate(self._own_costs):
            likely = np.flatnonzero(own.probabilities > 0).tolist()
            baseline_cost = self._column(f"baseline{number}", total([own.spending, *own.operating]))
            struck = sorted({t for n in likely for t in range(*own.windows[n])})
            paid = {t: self._column(f"baseline{number}.{t}", own.operating[t]) for t in struck}
            none = max(0.0, 1.0 - math.fsum(own.probabilities))
            outcomes = [CostOutcome(own.probability * none, baseline_cost)]
            for n in likely:
                g = int(self.groups["cost"].group_of[first + n])
                missed = total(paid[t] for t in range(*own.windows[n]))
                cost = Expression({self.estimates["cost"][g]: self.money_unit}, float(self.lower["cost"][g]))
                outcomes.append(CostOutcome(own.probability * own.probabilities[n], baseline_cost - missed + cost))
            result.append(outcomes)
            first += len(own.probabilities)
        return result

    def _column(self, what: str, amount: Expression) -> Expression:
        """A column that holds an amount of money."""
        column = self.money_unit * free_column(self.builder, what)
        require_money(self.builder, what, column, "==", amount, self.money_unit)
        return column

    def future_costs(self, plan: Vector, costs: Vector) -> list[FutureCosts[float]]:
        """What each future costs under a plan where shocks cost so much, in present value: no estimate counts."""
        numbers, first, result = plan.tolist(), 0, []
        for own in self._own_costs:
            result.append(own.at(numbers, costs[first : first + len(own.probabilities)]))
            first += len(own.probabilities)
        return result

    def update_tail(self, plan: Vector, costs: Vector) -> None:
        """Where the tail alone counts, find the shocks cheaper than others of `TAILS` times its probability."""
        if not self.is_tail_alone:
            return
        likely = np.flatnonzero(np.concatenate([own.probabilities for own in self._own_costs]) > 0)
        outcomes = [outcome for each in self.future_costs(plan, costs) for outcome in each.outcomes[1:]]
        order = np.argsort([-outcome.cost for outcome in outcomes], kind="stable")
        shares = np.array([outcome.probability for outcome in outcomes])[order]
        dearer = np.cumsum(shares) - shares
        self.far_from_tail = likely[order[dearer >= TAILS * (1.0 - self.policy.objective.alpha)]].tolist()

    def gaps(self) -> list[Expression]:
        """The survival gap of each future, by estimates, money."""
        gaps = [formulation.gaps(submodel, future.instance) for future, submodel in self.submodels]
        return self._estimate("gap", self._named(gaps))

    def _named(self, parts: Sequence[Mapping[str, Expression]]) -> dict[str, Expression]:
        """Amounts by path of each future, under the names that paths have among all futures."""
        each = enumerate(parts)
        return {self.tree.name(number, path): amount for number, own in each for path, amount in own.items()}

    def _estimate(self, kind: EstimateKind, held: Mapping[str, Expression]) -> list[Expression]:
        """The sums of the estimates by future, in money; their columns are bounded by the shocks held."""
        result = [Expression() for _ in self.tree.futures]
        if kind not in self.groups:
            return result
        if kind not in self.estimates:
            columns = [self.builder.variable(kind, f"estimate{g}", 0) for g in range(self.groups[kind].size)]
            self.estimates[kind] = [next(iter(column.terms)) for column in columns]
        columns = [Expression({j: 1.0}) for j in self.estimates[kind]]
        self._require_held(kind, columns, held)
        groups = self.groups[kind]
        for column, owner, factor, lower in zip(columns, groups.owners, groups.factors, self.lower[kind], strict=True):
            result[owner].add(column, factor * self.money_unit)
            result[owner].add(float(factor * lower))
        return result

    def by_future(self, kind: EstimateKind, sums: Vector) -> list[float]:
        """By future, the gap or expected cost of its shocks, from the sums of groups."""
        groups = self.groups[kind]
        return np.bincount(groups.owners, groups.factors * sums, len(self.tree.futures)).tolist()

    def _require_held(self, kind: EstimateKind, columns: Sequence[Expression], held: Mapping[str, Expression]) -> None:
        """A row for each group of which more is held than before; it implies the row before."""
        groups, known = self.groups[kind], dict[int, list[Expression]]()
        for number, shock in enumerate(self.tree.events):
            group = int(groups.group_of[number])
            if group >= 0 and shock.name in held:
                lower = float(groups.weights[number] * groups.lower[number])
                known.setdefault(group, []).append((1.0 / groups.factors[group]) * held[shock.name] - lower)
        for group, parts in known.items():
            if len(parts) > self._held_counts.get((kind, group), 0):
                self._held_counts[kind, group] = len(parts)
                name = f"held{group}.{len(parts)}"
                self.builder.require(kind, name, None, columns[group], ">=", (1.0 / self.money_unit) * total(parts))
                self.held_rows[self.builder.rows[-1].mark] = kind, group

    def estimated(self, kind: EstimateKind, values: Vector) -> Vector:
        """The estimates by group, in money."""
        return np.asarray(self.money_unit * values[self.estimates[kind]] + self.lower[kind])

    def cut_violation(self, kind: EstimateKind, plan: Vector, found: "Subgradients", values: Vector) -> Vector:
        """By group, how far the θ in `values` is below the cut at a plan, in money."""
        start = np.maximum(plan[: self.size], 0.0)
        cut = found.value + found.subgradient @ (np.maximum(values[: self.size], 0.0) - start)
        tied = np.flatnonzero(self.groups[kind].gaps >= 0)
        if len(tied):
            gaps = self.estimated("gap", values)[self.groups[kind].gaps[tied]]
            cut[tied] += found.by_gap[tied] * (gaps - found.gap_limit[tied])
        known = self.estimated(kind, values)
        if kind == "cost" and self.is_tail_alone:
            known = np.maximum(known, self._below_tail(values))
        return np.asarray(np.maximum(cut - known, 0.0))

    @property
    def is_tail_alone(self) -> bool:
        """Whether nothing counts but the tail of the costs."""
        measure = self.policy.objective
        return measure.kind == "cvar" and measure.weight == 1.0 and self.aim == "cost"

    def _below_tail(self, values: Vector) -> Vector:
        """By group of costs, that up to which its shock adds nothing to the tail, X̂ + e − (I + B − B_W), in money."""
        result, first, found = np.zeros(self.groups["cost"].size), 0, self._measure_columns
        for number, own in enumerate(self._own_costs):
            likely = np.flatnonzero(own.probabilities > 0)
            # Periods without a shock have no column, and count in no window.
            columns = (found.get(f"baseline{number}.{t}") for t in range(len(own.operating)))
            paid = np.array([0.0 if column is None else values[column] for column in columns])
            until = np.concatenate([[0.0], np.cumsum(paid)])
            missed = until[own.windows[likely, 1]] - until[own.windows[likely, 0]]
            excess = values[[found[f"excess{number}.{place + 1}"] for place in range(len(likely))]]
            level = values[found["threshold"]] + excess - values[found[f"baseline_cost{number}"]] + missed
            result[self.groups["cost"].group_of[first + likely]] = self.money_unit * level
            first += len(own.probabilities)
        return result

    @cached_property
    def _measure_columns(self) -> dict[str, int]:
        return {column.mark.what: j for j, column in enumerate(self.builder.columns) if column.mark.owner == OWNER}

    def add_cuts(self, kind: EstimateKind, plan: Vector, found: "Subgradients", values: Vector) -> int:
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
                for first in range(0, len(cut.new), ROWS_AT_ONCE):
                    self._write_cut(kind, cut, slice(first, first + ROWS_AT_ONCE))

    def _write_cut(self, kind: EstimateKind, cut: BendersCut, part: slice) -> None:
        groups, new, by_gap = self.groups[kind], cut.new[part], cut.by_gap[part]
        tied = np.flatnonzero(groups.gaps[new] >= 0) if len(groups.gaps) else np.zeros(0, dtype=np.intp)
        gaps = groups.gaps[new[tied]] if len(tied) else tied
        own, count = [self.estimates[kind][g] for g in new.tolist()], len(new)
        columns = [*range(self.size), *own, *(self.estimates["gap"][g] for g in gaps.tolist())]
        rows = np.zeros((count, len(columns)))
        rows[:, : self.size] = cut.subgradient[part] / self.money_unit
        rows[np.arange(count), self.size + np.arange(count)] = -1.0
        rows[tied, self.size + count + np.arange(len(tied))] = by_gap[tied]
        rhs = cut.subgradient[part] @ cut.plan - cut.value[part] + self.lower[kind][new]
        if len(tied):
            rhs[tied] += by_gap[tied] * (cut.gap_limit[part][tied] - self.lower["gap"][gaps])
        self.solver.add_cuts(columns, rows, rhs / self.money_unit)

    def with_integers_of(self, result: SolveResult) -> SolveResult:
        """Another master's result with its integers where they stand here; both begin with the plan's columns."""
        assert result.values is not None
        values = np.zeros(len(self.builder.columns))
        values[self.solver.integers] = result.values[self.solver.integers]
        return replace(result, values=values, duals=None)

    def solve_with_purchases(self, values: Vector) -> SolveResult:
        """The cheapest baseline beside the purchases of a plan, as they are."""
        model, columns = self.solver, self.builder.columns[: self.size]
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
