"""A plan with its integers held, as one linear programme with every shock that counts: values and dual values of all.

Benders decomposition leaves operation in shocks to subproblems: its master has neither their values nor their dual
values. Here shocks with a probability and those that fail are written out, then those in which the plan of the linear
programme fares worse, until none is left.
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
    """What a search found, with values and dual values of operation in all shocks that count.

    As it is where the search's model has these; without dual values where the time runs out.
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
    """Names of those with a probability, and of those that fail."""
    counts = {event.name for event in instance.events if event.probability > 0}
    failing = np.flatnonzero(evaluator.gaps(plan, clock).fails) if leaves_gap else ()
    return counts | {instance.events[n].name for n in failing}


def values_by_mark(builder: ModelBuilder, values: Vector) -> dict[Mark, float]:
    """The values of a model's columns."""
    return {column.mark: value for column, value in zip(builder.columns, values.tolist(), strict=False)}


class HeldIntegers:
    """The linear programme.

    Args:
        instance, settings, clock: as of a search.
        shocks: names of those that it holds from the start.
        known: values of columns by mark, among them the integers that are held; others are 0.
        leaves_gap: whether the gap is minimised, and not the cost.
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
        """Its optimum; None where there is none, or the time runs out."""
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
        """The same once no shock outside of it fails."""

        def failing(result: SolveResult) -> list[Shock]:
            assert result.values is not None
            events, held = self.instance.events, {shock.name for shock in self.model.shocks}
            left = evaluator.gaps(result.values, self.clock)
            numbers = [n for n in np.flatnonzero(left.fails).tolist() if events[n].name not in held]
            return [events[n] for n in sorted(numbers, key=lambda n: -left.gap[n])[:MOST_ADDED]]

        return generate_constraints(self.solve, failing, self.model.add_shocks, self.clock)

    def cheapest(self, result: SolveResult) -> SolveResult:
        """Of the solutions that leave the gap of an optimum, the one of least cost."""
        return (self.model.cheapest_at_gap(result.objective) if self.leaves_gap else None) or result

    def optimum(self, *, counts_gap: bool) -> tuple[float, float] | None:
        """The survival gap, and the cost, with gaps at their price; without `counts_gap` no gap is looked at."""
        result = self.solve()
        if result is None:
            return None
        cheapest = self.cheapest(result)
        assert cheapest.values is not None
        gap = result.objective if self.leaves_gap and counts_gap else 0.0
        cost, priced = self.model.measures(cheapest.values)
        return gap, priced if counts_gap else cost
