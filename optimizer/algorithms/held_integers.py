"""One LP of a plan with its integers fixed and every relevant shock: primal and dual values of all columns and rows.
Benders decomposition leaves operation in shocks to the subproblems, so its master has neither primal nor dual values of
it. This LP contains the shocks with a probability and those that fail, then the shocks in which its own plan fails,
until there is none.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.fixed_plan import MOST_ADDED
from optimizer.algorithms.problem import DualValues, SearchResult, generate_constraints
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import Mark, ModelBuilder
from optimizer.solver import Clock, Settings, SolveResult, Vector, ignore


def with_operation(
    instance: Instance, found: SearchResult, evaluator: RecourseEvaluator, settings: Settings, clock: Clock
) -> SearchResult:
    """Return a search result with the primal and dual values of operation in all relevant shocks.
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
    held = HeldIntegers(instance, counts, known, settings, clock, leaves_gap=leaves_gap)
    result = held.solve_with_all(evaluator)
    if result is None:
        return replace(found, duals=None)
    duals = DualValues.from_result(held.model.builder, result)
    return replace(found, builder=held.model.builder, values=held.cheapest(result).values, duals=duals)


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


class HeldIntegers:
    """The LP of a model with fixed integers.
    Args:
        instance: as of a search.
        shocks: names of the shocks that the model holds from the start.
        known: values of columns by mark, including the integers to fix; integers that are missing are fixed to 0.
        settings: as of a search.
        clock: as of a search.
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
        self.model = ShockModel(
            instance, [event for event in instance.events if event.name in shocks], settings, clock, ignore
        )

    def solve(self) -> SolveResult | None:
        """Return the optimum of the LP; None if it is infeasible or the time runs out."""
        model, columns = self.model, self.model.builder.columns
        whole = [round(self.known.get(columns[j].mark, 0.0)) for j in model.solver.integers.tolist()]
        model.fix_integers(np.array(whole, dtype=float))
        if self.leaves_gap:
            model.allow_shortages(np.inf)
        else:
            model.require_floors()
        model.minimise("gap" if self.leaves_gap else "cost")
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
        cost, priced = self.model.measures(cheapest.values)
        return gap, priced if counts_gap else cost
