"""A plan as it is: sizes, openings and purchases are fixed, and the operation is the cheapest.

In the baseline that is a linear programme; in each shock the recourse LP: least gap, then least cost. Where gaps have a
price, all of it is one linear programme: least cost with the price of the gaps. Rules of the policy and forced running
may be beyond a plan that was made elsewhere: `rules_out_of_reach` names those.
"""

from collections.abc import Collection, Iterable

import numpy as np

from optimizer import formulation
from optimizer.algorithms.conflict import Rule, rule_of
from optimizer.algorithms.measured_model import negligible_gap
from optimizer.algorithms.reading import integers_of, plan_values
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.strategy import SearchResult
from optimizer.disruptions.shock import Shock
from optimizer.errors import SolverError
from optimizer.instance.derived import free_floors
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.results.plan import Plan
from optimizer.solver import Clock, Model, Settings, SolveResult
from optimizer.tolerances import POSITIVE

# Purchases among the columns of the plan; all else follows from these and from the integers.
PURCHASED_COLUMNS = ("size", "fill")


class FixedPlan:
    """The baseline of an instance, and some shocks, beside a plan that keeps its rules of buying.

    Args:
        instance: the instance.
        plan: what is bought.
        settings: solver.
        clock: where the solver's seconds are counted; it never stops this.
        shocks: those that are part of the programme.
    """

    def __init__(
        self, instance: Instance, plan: Plan, settings: Settings, clock: Clock, shocks: Iterable[Shock] = ()
    ) -> None:
        self.instance, self.plan, self.settings, self.clock = instance, plan, settings, clock
        self.builder = formulation.extensive_form_model(instance, shocks, offers_valid=False)
        self._rows = self.builder.rows
        self.rules = list(dict.fromkeys(rule for row in self._rows if (rule := rule_of(row)) is not None))

    def operate(self, broken: Collection[Rule] = ()) -> tuple[ModelBuilder, SolveResult]:
        """The cheapest operation that satisfies all rules but some."""
        builder = self.builder.copy()
        builder.rows = [row for row in self._rows if rule_of(row) not in broken]
        cost = formulation.cost(builder, self.instance, self.instance.events)
        if (price := self.instance.policy.gap_price) is not None:
            cost = cost + price * formulation.gap(builder, self.instance)
        model = Model(builder, cost, self.settings, Clock())
        model.bound(*self._fixed(builder))
        result = model.solve(relaxed=True)
        self.clock.solving += model.clock.solving
        return builder, result

    def _fixed(self, builder: ModelBuilder) -> tuple[list[int], list[float], list[float]]:
        """The columns of the purchases and the integers, and their values twice: lower and upper bounds."""
        values = plan_values(self.instance, self.plan, builder)
        columns = [j for j, column in enumerate(builder.columns) if column.integer]
        for j, value in zip(columns, integers_of(self.instance, self.plan, builder.columns), strict=True):
            values[j] = value
        columns += [
            j
            for j, column in enumerate(builder.columns)
            if not column.mark.path and column.mark.owner in self.instance.options
            and column.mark.what in PURCHASED_COLUMNS
        ]  # fmt: skip
        at = [values[j] for j in columns]
        return columns, at, at

    def rules_out_of_reach(self) -> list[Rule]:
        """Rules that no operation of the plan satisfies: none, or so many that all others can be satisfied together.

        Where rules contradict each other, those that come later are broken: forced running comes first, then the
        policy in the order of its rows.
        """
        if self.operate()[1].status != "infeasible":
            return []
        ordered, broken = sorted(self.rules, key=lambda rule: rule[1] != "run"), list(self.rules)
        for rule in ordered:
            fewer = [other for other in broken if other != rule]
            if self.operate(fewer)[1].status != "infeasible":
                broken = fewer
        return broken


def evaluate_fixed_plan(
    instance: Instance, plan: Plan, evaluator: RecourseEvaluator, settings: Settings, clock: Clock
) -> SearchResult:
    """The cheapest operation of a plan that keeps all rules: its expected cost, and the gap that it leaves.

    Nothing is proven of other plans: there are no bounds.

    Raises:
        SolverError: a rule of the instance is out of reach of the plan.
    """
    if instance.policy.gap_price is not None:
        return _with_priced_gaps(instance, plan, settings, clock, instance.policy.gap_price)
    builder, result = _operated(FixedPlan(instance, plan, settings, clock))
    assert result.values is not None
    probability = np.array([event.probability for event in instance.events])
    cost, likely = result.objective, probability > 0
    gaps = evaluator.gaps(result.values, clock)
    # As in a search: where some floor fails, those that cost nothing to miss are free to miss.
    fails = bool(gaps.fails.any())
    limit = POSITIVE if fails else 0.0
    limits = {event.name: limit for event in instance.events} if not fails or free_floors(instance) else {}
    if likely.any():
        replies = evaluator.operate_batches(result.values, clock, limits, likely)
        cost += float(probability @ evaluator.costs(replies))
    return SearchResult(
        "optimal",
        builder,
        result.values,
        cost,
        gap=float(gaps.gap.sum()) if fails else 0.0,
        gap_bound=float("-inf"),
        allows_shortages=fails,
    )


def _operated(fixed: FixedPlan) -> tuple[ModelBuilder, SolveResult]:
    builder, result = fixed.operate()
    if result.values is None:
        title = fixed.instance.title
        raise SolverError(f"the plan has no operation that satisfies the rules of {title}: {result.status}")
    return builder, result


def _with_priced_gaps(instance: Instance, plan: Plan, settings: Settings, clock: Clock, price: float) -> SearchResult:
    """The same where all shocks are in one programme."""
    builder, result = _operated(FixedPlan(instance, plan, settings, clock, instance.events))
    assert result.values is not None
    gap = max(0.0, formulation.gap(builder, instance).value(result.values.tolist()))
    fails = gap > negligible_gap(instance)
    return SearchResult(
        "optimal",
        builder,
        result.values,
        result.objective - price * gap,
        gap=gap if fails else 0.0,
        gap_bound=float("-inf"),
        allows_shortages=fails,
    )
