"""The master problem of Benders decomposition, with its optimality cuts (`benders_cuts`).

    θ[g]   column; lower + m·θ[g] estimates the value V of a group g of shocks; m (`money_unit`) is the median
           shortage cost
    cut    lower + m·θ[g] ≥ value + π·(x − plan) + by_gap·(γ − limit)   at every evaluated plan, with π a subgradient
           of V there; the right-hand side never exceeds V at a plan with integral openings, elsewhere strong linking
           may raise it
    γ      the estimated gap of the single shock of g, where costs depend on the gap that it may leave
    link   lower + m·θ[g] ≥ weighted gaps or costs of the shocks of g held in the master, plus the lower bounds of the
           others

CVaR needs the cost of each shock: each has its own θ, and its outcome is I + B − B_W + lower + m·θ, where I + B and the
terms of B_W are columns of their own, which keeps the rows of the outcomes sparse. The largest cost and regret need at
least one θ per future.

The master holds few shocks or none. Since no cut and no link exceeds the recourse function at a plan with integral
openings, every plan with its true V is feasible for the master: its optimum is a lower bound on the optimum.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from optimizer import formulation, risk
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

# If only the tail counts, shocks are evaluated up to this multiple of the tail's probability: they may be in the tail
# of nearby plans.
TAILS = 2.0
# Largest number of cuts appended at once, as dense rows over the plan's columns and their own.
ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class _OwnCosts:
    """The costs of one future without its shocks, as expressions of the plan."""

    probability: float
    spending: Expression  # in present value
    operating: Sequence[Expression]  # of the baseline, by period, in present value
    no_shock_probability: Vector  # by period, the probability that no shock is active
    probabilities: Vector  # by shock
    windows: Integers  # by shock, its first period and the one after its last

    @classmethod
    def of(cls, future: Future, submodel: ModelBuilder) -> "_OwnCosts":
        """Build the cost expressions of a future from its builder."""
        instance, events, periods = future.instance, future.instance.events, submodel.horizon.periods
        operating = [instance.discount(t) * submodel.booked("operating", BASELINE, t) for t in periods]
        weights = risk.weights(instance, events)[BASELINE]
        return cls(
            future.probability,
            risk.spending(submodel, instance),
            operating,
            np.array([weights[t] / instance.discount(t) for t in periods]),
            np.array([shock.probability for shock in events]),
            np.array([(e.periods.start, e.periods.stop) for e in events], dtype=np.intp).reshape(-1, 2),
        )

    @property
    def baseline(self) -> Expression:
        """The expected cost of the baseline: each period at its probability without a shock."""
        return total(float(p) * paid for p, paid in zip(self.no_shock_probability, self.operating, strict=True))

    def at(self, plan: list[float], costs: Vector) -> FutureCosts[float]:
        """Return the costs of the future under `plan`, given the `costs` of its shocks in their order."""
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
    """A model that bounds the gaps or costs of shocks from below by cuts; it may hold some shocks explicitly.

    Attributes:
        held_rows: kind and group of each row that links an estimate to the shocks held, by the mark of the row.
    """

    # groups of gaps, of costs, or both, by kind
    groups: Mapping[EstimateKind, ShockGroups] = field(default_factory=dict)
    pool: CutPool = field(default_factory=dict)  # the cuts, by kind
    # Masters that also receive each cut that their own proposal violates: (master, proposal).
    followers: list[tuple["MasterProblem", Vector]] = field(default_factory=list)
    most_measured: float = math.inf  # limit on the measure in money, while another objective is minimised
    # Shocks that an evaluation first leaves out: they were far from the tail at the last complete evaluation.
    far_from_tail: Collection[int] = ()

    def __post_init__(self) -> None:
        self.money_unit = median_shortage_cost(self.instance)
        writer = self.writer = self.writer or formulation.ModelWriter(self.instance)
        self.plan_size = len(writer.first_stage.columns)
        self.estimates: dict[EstimateKind, list[int]] = {}
        self.lower = {kind: groups.lower_bounds() for kind, groups in self.groups.items()}
        self._held_counts: dict[tuple[EstimateKind, int], int] = {}
        self.held_rows: dict[Mark, tuple[EstimateKind, int]] = {}
        super().__post_init__()

    def update_expressions(self) -> None:
        """Link the costs of newly held shocks to the estimates.

        A measure other than expected cost is written only once, so its links are added here.
        """
        super().update_expressions()
        if self.policy.objective.kind != "expected":
            self._estimate("cost", self._held_costs)

    def costs(self) -> list[FutureCosts[Expression]]:
        """Return the costs of each future as expressions, those of its shocks by their estimates."""
        estimates = self._estimate("cost", self._held_costs)
        has_outcomes = self.policy.objective.needs_outcomes and self._estimates_every_cost
        outcomes = self._write_outcomes() if has_outcomes else [[] for _ in self.tree.futures]
        return [
            FutureCosts(own.probability, total([own.spending, own.baseline, estimate]), of_shocks)
            for own, estimate, of_shocks in zip(self._own_costs, estimates, outcomes, strict=True)
        ]

    @property
    def _held_costs(self) -> dict[str, Expression]:
        """The expected cost of each shock held, by name."""
        parts = [risk.operating_cost_by_path(own, each.instance, each.instance.events) for each, own in self.submodels]
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
        """Return the outcomes of each future from the estimates, with new columns for its costs without shocks."""
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
                replaced = total(paid[t] for t in range(*own.windows[n]))
                cost = Expression({self.estimates["cost"][g]: self.money_unit}, float(self.lower["cost"][g]))
                outcomes.append(CostOutcome(own.probability * own.probabilities[n], baseline_cost - replaced + cost))
            result.append(outcomes)
            first += len(own.probabilities)
        return result

    def _column(self, what: str, amount: Expression) -> Expression:
        """Return a new column in money that is required to equal `amount`."""
        column = self.money_unit * free_column(self.builder, what)
        require_money(self.builder, what, column, "==", amount, self.money_unit)
        return column

    def future_costs(self, plan: Vector, costs: Vector) -> list[FutureCosts[float]]:
        """Return the costs of each future under `plan` given the `costs` of all shocks, both in present value."""
        numbers, first, result = plan.tolist(), 0, []
        for own in self._own_costs:
            result.append(own.at(numbers, costs[first : first + len(own.probabilities)]))
            first += len(own.probabilities)
        return result

    def update_tail(self, plan: Vector, costs: Vector) -> None:
        """Store the shocks that are far from the tail, if only the tail counts.

        They are the shocks for which dearer ones have at least `TAILS` times the probability of the tail.
        """
        if not self.is_tail_alone:
            return
        likely = np.flatnonzero(np.concatenate([own.probabilities for own in self._own_costs]) > 0)
        outcomes = [outcome for each in self.future_costs(plan, costs) for outcome in each.outcomes[1:]]
        order = np.argsort([-outcome.cost for outcome in outcomes], kind="stable")
        shares = np.array([outcome.probability for outcome in outcomes])[order]
        dearer = np.cumsum(shares) - shares
        self.far_from_tail = likely[order[dearer >= TAILS * (1.0 - self.policy.objective.alpha)]].tolist()

    def gaps(self) -> list[Expression]:
        """Return the survival gap of each future in money, as expressions of the estimates."""
        gaps = [formulation.gaps(submodel, future.instance) for future, submodel in self.submodels]
        return self._estimate("gap", self._named(gaps))

    def _named(self, parts: Sequence[Mapping[str, Expression]]) -> dict[str, Expression]:
        """Return the amounts of each future by path, under path names that are unique among all futures."""
        each = enumerate(parts)
        return {self.tree.name(number, path): amount for number, own in each for path, amount in own.items()}

    def _estimate(self, kind: EstimateKind, held: Mapping[str, Expression]) -> list[Expression]:
        """Return the sum of the estimates of each future in money, bounded below by the shocks held."""
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

    def gaps_by_future(self, sums: Vector) -> list[float]:
        """Return the gap of each future from the sums of the groups."""
        groups = self.groups["gap"]
        return np.bincount(groups.owners, groups.factors * sums, len(self.tree.futures)).tolist()

    def _require_held(self, kind: EstimateKind, columns: Sequence[Expression], held: Mapping[str, Expression]) -> None:
        """Require each estimate to be at least the gaps or costs of the held shocks of its group.

        A row is added only for a group of which more shocks are held than before; it implies the earlier row.
        """
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
        """Return the estimate of each group in money."""
        return np.asarray(self.money_unit * values[self.estimates[kind]] + self.lower[kind])

    def cut_violation(self, kind: EstimateKind, plan: Vector, found: "Subgradients", values: Vector) -> Vector:
        """Return for each group by how much the θ in `values` violates the cut at `plan`, in money."""
        start = np.maximum(plan[: self.plan_size], 0.0)
        cut = found.value + found.subgradient @ (np.maximum(values[: self.plan_size], 0.0) - start)
        tied = np.flatnonzero(self.groups[kind].gap_groups >= 0)
        if len(tied):
            gaps = self.estimated("gap", values)[self.groups[kind].gap_groups[tied]]
            cut[tied] += found.by_gap[tied] * (gaps - found.gap_limit[tied])
        known = self.estimated(kind, values)
        if kind == "cost" and self.is_tail_alone:
            known = np.maximum(known, self._below_tail(values))
        return np.asarray(np.maximum(cut - known, 0.0))

    @property
    def is_tail_alone(self) -> bool:
        """Whether the objective depends only on the tail of the costs: CVaR with weight 1."""
        measure = self.policy.objective
        return measure.kind == "cvar" and measure.weight == 1.0 and self.aim == "objective"

    def _below_tail(self, values: Vector) -> Vector:
        """Return for each group of costs the cost up to which its shock adds nothing to the tail.

        It is X̂ + e − (I + B − B_W), in money, with the threshold X̂ and the excess e of the shock's outcome.
        """
        result, first, found = np.zeros(self.groups["cost"].size), 0, self._measure_columns
        for number, own in enumerate(self._own_costs):
            likely = np.flatnonzero(own.probabilities > 0)
            # Periods without a shock have no column and lie in no window.
            columns = (found.get(f"baseline{number}.{t}") for t in range(len(own.operating)))
            paid = np.array([0.0 if column is None else values[column] for column in columns])
            until = np.concatenate([[0.0], np.cumsum(paid)])
            replaced = until[own.windows[likely, 1]] - until[own.windows[likely, 0]]
            excess = values[[found[f"excess{number}.{place + 1}"] for place in range(len(likely))]]
            level = values[found["threshold"]] + excess - values[found[f"baseline_cost{number}"]] + replaced
            result[self.groups["cost"].group_of[first + likely]] = self.money_unit * level
            first += len(own.probabilities)
        return result

    @cached_property
    def _measure_columns(self) -> dict[str, int]:
        return {column.mark.what: j for j, column in enumerate(self.builder.columns) if column.mark.owner == OWNER}

    def add_cuts(self, kind: EstimateKind, plan: Vector, found: "Subgradients", values: Vector) -> int:
        """Add the cuts at a plan that `values` violates, also to the followers; return their number in this master."""
        below = self.cut_violation(kind, plan, found, values)
        new = np.flatnonzero(below > ROUNDING * (below + np.abs(self.estimated(kind, values))))
        if len(new):
            start = np.maximum(plan[: self.plan_size], 0.0)
            cut = BendersCut(
                start, found.value[new], found.subgradient[new], new, found.gap_limit[new], found.by_gap[new]
            )
            self.add_pool({kind: [cut]})
        for other, proposed in self.followers:
            other.add_cuts(kind, plan, found, proposed)
        return len(new)

    def add_pool(self, pool: Mapping[EstimateKind, Sequence[BendersCut]]) -> None:
        """Add the cuts of a master with the same groups, for the kinds that this master estimates."""
        for kind in self.estimates:
            for cut in pool.get(kind, ()):
                self.pool.setdefault(kind, []).append(cut)
                for first in range(0, len(cut.new), ROWS_AT_ONCE):
                    self._write_cut(kind, cut, slice(first, first + ROWS_AT_ONCE))

    def _write_cut(self, kind: EstimateKind, cut: BendersCut, part: slice) -> None:
        groups, new, by_gap = self.groups[kind], cut.new[part], cut.by_gap[part]
        tied = np.flatnonzero(groups.gap_groups[new] >= 0) if len(groups.gap_groups) else np.zeros(0, dtype=np.intp)
        gaps = groups.gap_groups[new[tied]] if len(tied) else tied
        own, count = [self.estimates[kind][g] for g in new.tolist()], len(new)
        columns = [*range(self.plan_size), *own, *(self.estimates["gap"][g] for g in gaps.tolist())]
        rows = np.zeros((count, len(columns)))
        rows[:, : self.plan_size] = cut.subgradient[part] / self.money_unit
        rows[np.arange(count), self.plan_size + np.arange(count)] = -1.0
        rows[tied, self.plan_size + count + np.arange(len(tied))] = by_gap[tied]
        rhs = cut.subgradient[part] @ cut.plan - cut.value[part] + self.lower[kind][new]
        if len(tied):
            rhs[tied] += by_gap[tied] * (cut.gap_limit[part][tied] - self.lower["gap"][gaps])
        self.solver.add_cuts(columns, rows, rhs / self.money_unit)

    def with_integers_of(self, result: SolveResult) -> SolveResult:
        """Return another master's result with its integers in the columns of this master, and 0 elsewhere.

        Both masters begin with the columns of the plan.
        """
        assert result.values is not None
        values = np.zeros(len(self.builder.columns))
        values[self.solver.integers] = result.values[self.solver.integers]
        return replace(result, values=values, duals=None)

    def solve_with_purchases(self, values: Vector) -> SolveResult:
        """Solve the LP with the integers and purchases of a plan fixed, which leaves the baseline to be optimised."""
        model, columns = self.solver, self.builder.columns[: self.plan_size]
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
