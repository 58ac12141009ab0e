"""The cheapest plan within another one: nothing is bought that the other does not buy, and no shock fares worse.

    n[o,a] ≤ size and f[o,t] ≤ purchase of the other plan; integers likewise
    floors                 of every shock that the other plan survives
    gap_s ≤ gap_s(other)   of every shock that it does not survive

Constraint generation: shocks enter the model once a proposal fares worse in them. Shocks with a probability are in it
from the start, for their cost counts.
"""

from collections.abc import Sequence

import numpy as np

from optimizer import formulation
from optimizer.algorithms.measured_model import negligible_gap
from optimizer.algorithms.problem import Rows
from optimizer.algorithms.reading import integers_of, plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator, ShockGaps
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.progress import Listener, Progress
from optimizer.results.plan import Plan
from optimizer.solver import Clock, Model, Settings
from optimizer.tolerances import HELD_GAP

# So many shocks enter the model in a round.
MOST_ADDED = 8


class PlanReduction:
    """The search.

    Args:
        instance: whose rules the plan keeps.
        plan: what may be bought at most.
        evaluator: of the instance.
        settings: solver, and relative gap.
        tolerance: money to which the saving is proven.
        clock: a deadline.
        listener: receives a step for each round.
    """

    def __init__(
        self,
        instance: Instance,
        plan: Plan,
        evaluator: RecourseEvaluator,
        settings: Settings,
        tolerance: float,
        clock: Clock,
        listener: Listener,
    ) -> None:
        self.instance, self.plan, self.evaluator = instance, plan, evaluator
        self.settings, self.tolerance, self.clock, self.listener = settings, tolerance, clock, listener
        self._writer = formulation.Writer(instance)
        self._before = self._gaps(plan)
        self._held: list[Shock] = [event for event in instance.events if event.probability > 0]

    def _gaps(self, plan: Plan) -> ShockGaps:
        values = np.array(plan_values(self.instance, plan, self.evaluator.subproblems.plan))
        return self.evaluator.gaps(values, self.clock)

    def run(self) -> Plan | None:
        """The reduced plan; None where the time ran out before it was found."""
        while not self.clock.is_over:
            self.listener(Progress(task="what the plan could do without"))
            found = self._solve()
            if found is None:
                return None
            worse = self._worse(found)
            if not len(worse):
                return found
            self._held += [self.instance.events[number] for number in worse]
        return None

    def _worse(self, plan: Plan) -> Sequence[int]:
        """Shocks outside the model in which a plan fares worse than the first one, the worst of them first."""
        after, before = self._gaps(plan), self._before
        more = after.gap - before.gap * (1.0 + 10 * HELD_GAP) - negligible_gap(self.instance)
        held = {shock.name for shock in self._held}
        outside = np.array([event.name not in held for event in self.instance.events], dtype=bool)
        worse = np.flatnonzero(outside & ((after.fails & ~before.fails) | (before.fails & (more > 0))))
        return worse[np.argsort(-more[worse], kind="stable")][:MOST_ADDED].tolist()  # type: ignore[no-any-return]

    def _solve(self) -> Plan | None:
        builder = self._writer.extensive_form_model(self._held).copy()
        failing = {self.instance.events[number].name for number in np.flatnonzero(self._before.fails)}
        self._limit_gaps(builder, failing)
        cost = formulation.cost(builder, self.instance, self.instance.events)
        model = Model(builder, cost, self.settings, self.clock)
        kept = [
            j for j, each in enumerate(builder.columns) if each.mark.what == "below" and each.mark.path not in failing
        ]
        model.bound(kept, 0.0, 0.0)
        columns, most = self._most(builder)
        model.bound(columns, 0.0, most)
        result = model.solve(tolerance=self.tolerance)
        return None if result.values is None else read_plan(self.instance, builder, result.values.tolist())

    def _limit_gaps(self, builder: ModelBuilder, failing: set[str]) -> None:
        """gap_s ≤ gap_s(plan), in tonnes of the segment that is the dearest to leave short."""
        limits = {event.name: gap for event, gap in zip(self.instance.events, self._before.gap, strict=True)}
        for name, gap in formulation.gaps(builder, self.instance).items():
            unit = max(gap.terms.values(), default=0.0)
            if name in failing and unit > 0:
                limit = float(limits[name]) * (1.0 + HELD_GAP)
                builder.require("survival", f"limit_{name}", None, (1.0 / unit) * gap, "<=", limit / unit)

    def _most(self, builder: ModelBuilder) -> tuple[list[int], list[float]]:
        """The columns of purchases, and what the first plan buys there."""
        values = plan_values(self.instance, self.plan, builder)
        columns = [j for j, column in enumerate(builder.columns) if column.integer]
        most = integers_of(self.instance, self.plan, builder.columns)
        for o, option in self.instance.options.items():
            bought = list(builder.column_index().get(("", o, option.purchase_column), {}).values())
            columns += bought
            most += [values[j] for j in bought]
        return columns, most


def including(plan: Plan) -> Rows:
    """Rows that keep all that a plan buys: n[o,a] ≥ size, f[o,t] ≥ purchase."""

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        values, found = plan_values(instance, plan, builder), builder.column_index()
        for o, option in instance.options.items():
            for t, column in found.get(("", o, option.purchase_column), {}).items():
                if values[column] > 0:
                    bought = Expression({column: 1.0})
                    builder.require(o, "kept", t, bought, ">=", values[column], unit=option.unit)

    return write
