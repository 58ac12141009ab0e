"""Linear effect of an uncertain number on the optimum, with the integers of the best plan fixed.

The effect is the derivative of the total cost, or of the survival gap if floors fail, times the distance from the value
to the farther end of its range: the change in a small step (`STEP`) towards that end, scaled up. In a small model
(`FEW_LP_ROWS`) the linear programme is solved again. In a larger one the change of the Lagrangian L is taken:

    L(n) = f(n)·x + Σ_r y_r (b_r(n) − a_r(n)·x) + Σ_j d_j (u_j(n) − x_j)
    f         total cost, or the survival gap if floors fail
    x, y, d   the plan with its operation, the dual values of rows, and the reduced costs of columns at their upper
              bounds (capacities, cuts, sizes)
    change    L(n) − L

For this, the terms of the processes, segments and options that the number may change are written before and after, and
no model is solved. At a degenerate optimum, dual values may be those of the opposite direction; if floors fail, the
cost is that of the unchanged plan and operation.

The effect on the price of survival is that on the total cost less that on the cost of the no-shock plan, by the same
means with the integers of the no-shock plan. It is not computed where the cost is that of an unchanged plan.

The effect is no bound: if a number moves far, the optimal plan may change. For shortage costs, f excludes the gap. No
effect is computed for dates, because rows of other periods have other dual values; for attacks that the adversary
could afford; for a probability of 0; for numbers with which the plan is impossible; and for numbers with which the
model gains or loses rows or columns that matter.
"""

import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from optimizer import formulation, risk
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.fixed_plan import MOST_ADDED
from optimizer.algorithms.problem import DualValues, SearchResult, generate_constraints
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.relaxed_floors import no_sample_may_fail
from optimizer.algorithms.workers import Memory
from optimizer.disruptions.shock import Shock
from optimizer.errors import InstanceError
from optimizer.instance.altered import has_same_no_shock_plan, without_disruptions
from optimizer.instance.edits import with_numbers
from optimizer.instance.ranges import UncertainNumber
from optimizer.instance.schema import Instance
from optimizer.levers.base import Lever
from optimizer.model.builder import Mark, ModelBuilder, Scope
from optimizer.model.expressions import Expression
from optimizer.solver import Clock, Settings, SolveResult, Vector, ignore
from optimizer.studies.sensitivity_result import FirstOrderEffect
from optimizer.tolerances import FEASIBILITY, ROUNDING

# Keys under which a worker keeps L of the unchanged instance, by the parts that are written; without shocks as well.
BASE, NO_SHOCK_BASE = "base of linear effects", "base of linear effects on the no-shock plan"
# Models with at most `FEW_LP_ROWS` rows are solved again for each number, which takes less time than writing them.
# Numbers move by `STEP`, as a share of the distance to the end.
FEW_LP_ROWS, STEP = 5_000, 1e-3


@dataclass(frozen=True)
class LagrangianValue:
    """L of the survival gap and of the total cost, in money, with the marks of the rows and columns written for it."""

    gap: float
    cost: float
    rows: frozenset[Mark]
    columns: frozenset[Mark]


@dataclass(frozen=True)
class PlanWithDuals:
    """A plan with its operation and its dual values, by marks of columns and rows of its model."""

    # Values of columns: `values` at the optimum of `objective`, `cheapest` at the least cost beside it.
    values: Mapping[Mark, float] = field(repr=False)
    cheapest: Mapping[Mark, float] = field(repr=False)
    duals: Mapping[Mark, float] = field(repr=False)  # dual values of rows that are not 0
    bounds: Mapping[Mark, float] = field(repr=False)  # reduced costs of columns that are at their upper bounds
    shocks: frozenset[str]  # names of the shocks with a part in L
    # The objective to which the dual values belong: survival gap, total cost, or cost with gaps at their price.
    objective: Literal["gap", "cost", "priced"]
    is_small: bool  # whether the model is solved again for each number

    @classmethod
    def of(cls, found: SearchResult, instance: Instance) -> "PlanWithDuals | None":
        """Return the plan of a search; None without dual values, or for a large model with another measure of risk."""
        if found.duals is None or found.values is None:
            return None
        builder, duals = found.duals.builder, found.duals
        values, cheapest = values_by_mark(builder, duals.values), values_by_mark(found.builder, found.values)
        row_duals = {row.mark: dual for row, dual in zip(builder.rows, duals.duals.tolist(), strict=True) if dual}
        bounds, is_small = _bound_costs(duals), len(builder.rows) <= FEW_LP_ROWS
        if not is_small and instance.policy.objective.kind != "expected":
            return None
        shocks = _counted_shocks(instance, values, {**row_duals, **bounds})
        shocks |= _written_shocks(duals, instance) if is_small else frozenset()
        if instance.policy.gap_price is not None:
            return cls(values, values, row_duals, bounds, shocks, "priced", is_small)
        if found.gap > 0:
            return cls(values, cheapest, row_duals, bounds, shocks, "gap", is_small)
        return cls(values, values, row_duals, bounds, shocks, "cost", is_small)

    @property
    def has_least_cost(self) -> bool:
        """Whether effects on the cost are those on the least one; if floors fail in a large model, they are not."""
        return self.is_small or self.objective != "gap"

    def value(
        self,
        instance: Instance,
        written: frozenset[str] | None = None,
        *,
        counts_gap: bool = True,
        before: "LagrangianValue | None" = None,
    ) -> "LagrangianValue | None":
        """Compute L of the survival gap and of the total cost; dual values are added to the one that is minimised.

        Args:
            instance: the instance, with or without a changed number.
            written: the processes, segments and options whose part of L is computed; None for all.
            counts_gap: whether gaps count; if not, all gaps are 0.
            before: L of the unchanged instance.

        Returns:
            L; with a price of gaps, the cost includes the priced gap, and the gap is 0. None if the model gains or
            loses rows or columns that matter against `before`.
        """
        shocks = _shocks_of(instance, self.shocks)
        model = formulation.extensive_form_model(instance, shocks, Scope(has_valid_inequalities=False, parts=written))
        values = _column_values(model, self.values)
        gap, cost = formulation.gap(model, instance), risk.cost(model, instance, shocks)
        figure = gap if self.objective == "gap" else cost
        if before is not None and not self._is_comparable(model, before, values, figure):
            return None
        left = gap.value(values) if counts_gap else 0.0
        paid = cost.value(values if self.cheapest is self.values else _column_values(model, self.cheapest))
        if self.objective == "priced":
            paid, left = paid + (instance.policy.gap_price or 0.0) * left, 0.0
        slack = self._value_slack(model, values)
        left, paid = (left + slack, paid) if self.objective == "gap" else (left, paid + slack)
        return LagrangianValue(left, paid, *_marks(model))

    def _is_comparable(
        self, model: ModelBuilder, before: LagrangianValue, values: Sequence[float], objective: Expression
    ) -> bool:
        """Check that the rows and columns that a model gains or loses against `before` do not matter."""
        rows, columns = _marks(model)
        return (
            self._needs_none_of(before.rows - rows, before.columns - columns)
            and self._satisfies_new_rows(model, before.rows, values)
            and self._gains_nothing_by_new_columns(model, before.columns, objective)
        )

    def _value_slack(self, model: ModelBuilder, values: Sequence[float]) -> float:
        """Return the slack of rows and upper bounds at the plan, valued at their dual values and reduced costs."""
        rows = ((self.duals[row.mark], row) for row in model.rows if row.mark in self.duals)
        of_rows = math.fsum(dual * (float(row.rhs) - Expression(row.terms).value(values)) for dual, row in rows)
        at_bounds = ((j, column) for j, column in enumerate(model.columns) if column.mark in self.bounds)
        return of_rows + math.fsum(self.bounds[column.mark] * (column.upper - values[j]) for j, column in at_bounds)

    def _needs_none_of(self, rows: Iterable[Mark], columns: Iterable[Mark]) -> bool:
        """Check that lost rows had no dual value, and lost columns neither a value nor a reduced cost."""
        return not any(mark in self.duals for mark in rows) and not any(
            mark in self.bounds or self.values.get(mark, 0.0) > 0.0 for mark in columns
        )

    def _satisfies_new_rows(self, model: ModelBuilder, known: frozenset[Mark], values: Sequence[float]) -> bool:
        """Check that the plan satisfies the new rows."""
        for row in model.rows:
            if row.mark not in known:
                left = Expression(row.terms).value(values) - float(row.rhs)
                away = {"<=": left, ">=": -left}.get(row.sense, abs(left))
                if away > FEASIBILITY * max(1.0, abs(float(row.rhs))):
                    return False
        return True

    def _gains_nothing_by_new_columns(self, model: ModelBuilder, known: frozenset[Mark], objective: Expression) -> bool:
        """Check that no new column has a negative reduced cost."""
        columns = enumerate(model.columns)
        new = {j for j, each in columns if each.mark not in known and each.upper > 0.0 and each.mark.what != "below"}
        parts = {j: [float(objective.terms.get(j, 0.0))] for j in new}
        for row in model.rows if new else ():
            dual = self.duals.get(row.mark, 0.0)
            for j in row.terms.keys() & new:
                parts[j].append(-dual * float(row.terms[j]))
        return all(math.fsum(each) >= -FEASIBILITY * max(map(abs, each)) for each in parts.values())


def _shocks_of(instance: Instance, names: Collection[str]) -> list[Shock]:
    return [event for event in instance.events if event.name in names]


def _marks(model: ModelBuilder) -> tuple[frozenset[Mark], frozenset[Mark]]:
    """Return the marks of a model's rows, and those of its columns."""
    return frozenset(row.mark for row in model.rows), frozenset(column.mark for column in model.columns)


def _column_values(model: ModelBuilder, values: Mapping[Mark, float]) -> list[float]:
    """Return the value of each column of a model, looked up by its mark; 0 if there is none."""
    return [values.get(column.mark, 0.0) for column in model.columns]


def _bound_costs(duals: DualValues) -> dict[Mark, float]:
    """Return the negative reduced costs of continuous columns at their upper bounds, by the marks of the columns."""
    columns = zip(duals.builder.columns, duals.values.tolist(), duals.reduced_costs.tolist(), strict=True)
    return {
        column.mark: reduced_cost
        for column, value, reduced_cost in columns
        if reduced_cost < 0.0 and not column.integer and value >= column.upper - FEASIBILITY * max(1.0, column.upper)
    }


def _written_shocks(duals: DualValues, instance: Instance) -> frozenset[str]:
    """Return the shocks that a model holds; all of the instance if their rows are few and no sample may fail."""
    every = frozenset(event.name for event in instance.events)
    paths = {row.mark.path for row in duals.builder.rows}
    rows = len(duals.builder.rows) * (1 + len(every)) / max(1, len(paths - {""}))
    return every if rows <= FEW_LP_ROWS and no_sample_may_fail(instance) else every & paths


def _counted_shocks(instance: Instance, values: Mapping[Mark, float], duals: Mapping[Mark, float]) -> frozenset[str]:
    """Return the shocks with a part in L: with dual values, with demand below floors, or with a probability."""
    fails = {mark.path for mark, value in values.items() if mark.what == "below" and value > 0.0}
    likely = {event.name for event in instance.events if event.probability > 0}
    return frozenset({mark.path for mark in duals} | fails | likely)


def first_order_effect(
    memory: Memory,
    instance: Instance,
    plan: PlanWithDuals,
    no_shock: PlanWithDuals | None,
    number: UncertainNumber,
    until: float,
) -> FirstOrderEffect | None:
    """Compute the linear effect of a number, as a task of a worker; None after the time `until`.

    `no_shock` is the no-shock plan, for the effect on the price of survival; None if it is unknown.
    """
    if time.time() > until:
        return None
    first, unknown = number.first, FirstOrderEffect(number.name, None, None)
    end = 1.0 if first.high - first.value >= first.value - first.low else -1.0
    try:
        moved = with_numbers(instance, number.at(STEP * end))
    except InstanceError:
        return unknown
    if number.is_rounded or _gains_probability(instance, moved):
        return unknown
    found = _change_of_plan(memory.setdefault(BASE, {}), instance, moved, plan, number)
    if found is None:
        return unknown
    gap, cost = (change / STEP for change in found)
    without = _change_without_shocks(memory, instance, moved, no_shock, number)
    return FirstOrderEffect(number.name, gap, cost, None if without is None else cost - without / STEP)


def _change_without_shocks(
    memory: Memory, instance: Instance, moved: Instance, no_shock: PlanWithDuals | None, number: UncertainNumber
) -> float | None:
    """Return the change of the no-shock plan's cost in a small step; None if it is unknown."""
    if no_shock is None or has_same_no_shock_plan(moved, instance):
        return None if no_shock is None else 0.0
    both = without_disruptions(instance), without_disruptions(moved)
    found = _change_of_plan(memory.setdefault(NO_SHOCK_BASE, {}), *both, no_shock, number)
    return None if found is None else found[1]


def _change_of_plan(
    known: dict[Any, Any], instance: Instance, moved: Instance, plan: PlanWithDuals, number: UncertainNumber
) -> tuple[float, float] | None:
    """Return the changes of gap and cost in a small step; None if they cannot be computed."""
    change_of = _solve_change if plan.is_small else _estimate_change
    found = change_of(known, instance, moved, plan, number)
    return None if found is None or not math.isfinite(sum(found)) else found


def _solve_change(
    known: dict[Any, Any], instance: Instance, moved: Instance, plan: PlanWithDuals, number: UncertainNumber
) -> tuple[float, float] | None:
    """Return the changes of gap and cost by solving the linear programme with fixed integers; None if impossible."""
    counts_gap = not number.is_shortage_cost

    def optimum_of(variant: Instance) -> tuple[float, float] | None:
        leaves_gap, settings = plan.objective == "gap", Settings(mip_gap=0.0, jobs=1, threads=1)
        restricted = RestrictedLP(variant, plan.shocks, plan.values, settings, Clock(), leaves_gap=leaves_gap)
        return restricted.optimum(counts_gap=counts_gap)

    if counts_gap not in known:
        known[counts_gap] = optimum_of(instance)
    before, after = known[counts_gap], optimum_of(moved)
    if before is None or after is None:
        return None
    return _change(before[0], after[0]), _change(before[1], after[1])


def _change(before: float, after: float) -> float:
    """Return the change of an optimum; 0 if it is within rounding."""
    return 0.0 if abs(after - before) <= ROUNDING * max(abs(before), abs(after)) else after - before


def _estimate_change(
    known: dict[Any, Any], instance: Instance, moved: Instance, plan: PlanWithDuals, number: UncertainNumber
) -> tuple[float, float] | None:
    """Return the changes of L of the gap and of the cost; None if the model gains or loses parts that matter."""
    written, counts_gap = _parts_to_write(instance, number), not number.is_shortage_cost
    if (part := (written, counts_gap)) not in known:
        known[part] = plan.value(instance, written, counts_gap=counts_gap)
    before = known[part]
    after = plan.value(moved, written, counts_gap=counts_gap, before=before)
    return None if after is None else (after.gap - before.gap, after.cost - before.cost)


def _gains_probability(instance: Instance, moved: Instance) -> bool:
    """Check whether a shock has a probability only after the change; its cost was not part of the objective before."""
    before = {event.name for event in instance.events if event.probability > 0}
    return any(event.probability > 0 and event.name not in before for event in moved.events)


def _parts_to_write(instance: Instance, number: UncertainNumber) -> frozenset[str] | None:
    """Return the parts that have to be written for the effect of a number; None for the whole model.

    L is a sum over processes, segments and options. The term of a part that the number does not belong to is unchanged,
    unless that part and the number's own part refer to each other: then their rows share numbers or columns.
    """
    places = {tuple(each.path.split(".")[:2]) for each in number.inputs}
    if any(place[0] not in ("processes", "demands", "options") for place in places):
        return None
    changed = {place[1] for place in places}
    named = {o: frozenset(_references(instance, option)) for o, option in instance.options.items()}
    written = changed.union(*(named[o] for o in changed & named.keys()))
    referring = {o for o, names in named.items() if names & written}
    return frozenset(written).union(_takers_of_scrap(instance, changed), referring)


def _references(instance: Instance, option: Lever) -> Iterator[str]:
    """Yield the segments and processes that an option refers to; commodities are left out, as balances are sums."""
    for each in option.references():
        if each.section == "regions of processes":
            yield from (p for p, process in instance.processes.items() if process.region == each.name)
        elif each.section in ("processes", "demands"):
            yield each.name


def _takers_of_scrap(instance: Instance, segments: Collection[str]) -> Iterator[str]:
    """Yield the activities that take scrap of the segments: without them, its balance would have no columns."""
    scrap = {each.end_of_life.commodity for d, each in instance.demands.items() if d in segments and each.end_of_life}
    return (o for o, each in instance.activities.items() if scrap & set(each.input))


def most_effective(effects: Sequence[FirstOrderEffect], most: int, negligible: float) -> list[str]:
    """Return the names of the numbers with the largest effects, at most `most`: up to half by the effect on the gap.

    Effects on the gap count above `negligible` money and come first, then those on the price of survival, or on the
    cost where that is unknown, each by falling size.
    Numbers without a computed effect are put in front of these, beyond `most`. The list is empty if `most` is 0.
    """
    gaps = {each.name: abs(each.gap) for each in effects if each.gap is not None}
    costs = {each.name: each.size[1] for each in effects if each.is_judged}
    of_gap = [name for name in sorted(gaps, key=lambda name: -gaps[name]) if gaps[name] > negligible]
    of_cost = sorted(costs, key=lambda name: -costs[name])
    chosen = dict.fromkeys([*of_gap[: most // 2], *of_cost])
    unseen = [each.name for each in effects if not each.is_judged]
    return [*unseen, *list(chosen)[:most]] if most else []


def with_operation(
    instance: Instance, found: SearchResult, evaluator: RecourseEvaluator, settings: Settings, clock: Clock
) -> SearchResult:
    """Return a search result with the primal and dual values of operation in all relevant shocks.

    Benders decomposition leaves operation in shocks to the subproblems, so its master has neither primal nor dual
    values of it. The values returned are those of one LP with the plan's integers fixed. It holds the shocks with a
    probability and those that fail, then adds the shocks in which its own plan fails, until there is none.

    The result is unchanged if it has no dual values, or if its model has those of operation already. It loses its dual
    values if the time runs out.
    """
    if found.values is None or found.duals is None:
        return found
    counts = _shocks_that_count(instance, found.values, evaluator, clock, leaves_gap=found.gap > 0)
    if settings.strategy != "benders" and counts <= {row.mark.path for row in found.duals.builder.rows}:
        return found
    known = values_by_mark(found.builder, found.values)
    leaves_gap = found.gap > 0 and instance.policy.gap_price is None
    restricted = RestrictedLP(instance, counts, known, settings, clock, leaves_gap=leaves_gap)
    result = restricted.solve_with_all(evaluator)
    if result is None:
        return replace(found, duals=None)
    duals = DualValues.from_result(restricted.model.builder, result)
    return replace(found, builder=restricted.model.builder, values=restricted.cheapest(result).values, duals=duals)


def _shocks_that_count(
    instance: Instance, plan: Vector, evaluator: RecourseEvaluator, clock: Clock, *, leaves_gap: bool
) -> set[str]:
    """Return the names of the shocks with a probability, and with `leaves_gap` of those that fail."""
    counts = {event.name for event in instance.events if event.probability > 0}
    failing = np.flatnonzero(evaluator.gaps(plan, clock).fails) if leaves_gap else ()
    return counts | {instance.events[n].name for n in failing}


def values_by_mark(builder: ModelBuilder, values: Vector) -> dict[Mark, float]:
    """Return the values of a model's columns by their marks."""
    return {column.mark: value for column, value in zip(builder.columns, values.tolist(), strict=False)}


class RestrictedLP:
    """The LP of a model with its integers fixed.

    Args:
        instance, settings, clock: those of the search.
        shocks: names of the shocks that the model holds from the start.
        known: values of columns by mark, including the integers to fix; integers that are missing are fixed to 0.
        leaves_gap: whether the gap is minimised rather than the cost.
    """

    def __init__(
        self,
        instance: Instance,
        shocks: Collection[str],
        known: Mapping[Mark, float],
        settings: Settings,
        clock: Clock,
        *,
        leaves_gap: bool,
    ) -> None:
        self.instance, self.known, self.clock, self.leaves_gap = instance, known, clock, leaves_gap
        self.model = ShockModel(instance, _shocks_of(instance, shocks), settings, clock, ignore)

    def solve(self) -> SolveResult | None:
        """Return the optimum of the LP; None if it is infeasible or the time runs out."""
        model, columns = self.model, self.model.builder.columns
        whole = [round(self.known.get(columns[j].mark, 0.0)) for j in model.solver.integers.tolist()]
        model.fix_integers(np.array(whole, dtype=float))
        if self.leaves_gap:
            model.allow_shortfalls(np.inf)
        else:
            model.set_floor_limits()
        model.minimise("gap" if self.leaves_gap else "objective")
        result = model.solver.solve(relaxed=True)
        return None if result.values is None else result

    def solve_with_all(self, evaluator: RecourseEvaluator) -> SolveResult | None:
        """Return the optimum once no shock outside the model fails; None as in `solve`."""

        def failing(result: SolveResult) -> list[Shock]:
            assert result.values is not None
            events, held = self.instance.events, {shock.name for shock in self.model.shocks}
            left = evaluator.gaps(result.values, self.clock)
            numbers = [n for n in np.flatnonzero(left.fails).tolist() if events[n].name not in held]
            return [events[n] for n in sorted(numbers, key=lambda n: -left.gap[n])[:MOST_ADDED]]

        return generate_constraints(self.solve, failing, self.model.add_shocks, self.clock)

    def cheapest(self, result: SolveResult) -> SolveResult:
        """Return the solution of least cost among those with the gap of an optimum."""
        return (self.model.cheapest_at_gap(result.objective) if self.leaves_gap else None) or result

    def optimum(self, *, counts_gap: bool) -> tuple[float, float] | None:
        """Return the survival gap and the cost at the optimum; None as in `solve`.

        With `counts_gap` the cost includes gaps at their price; without it the gap is returned as 0 and not priced.
        """
        result = self.solve()
        if result is None:
            return None
        cheapest = self.cheapest(result)
        assert cheapest.values is not None
        gap = result.objective if self.leaves_gap and counts_gap else 0.0
        cost, priced = self.model.reported_cost_and_objective(cheapest.values)
        return gap, priced if counts_gap else cost
