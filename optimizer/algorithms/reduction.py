"""The cheapest plan within another one: nothing is bought that the other does not buy, and no shock fares worse.

    n[o,a] ≤ size and f[o,t] ≤ purchase of the other plan; integers likewise
    floors                 of every shock that the other plan survives
    gap_s ≤ gap_s(other)   of every shock that it does not survive

Constraint generation: shocks enter the model once a proposal fares worse in them. Shocks with a probability are in it
from the start, for their cost counts.

Of several futures, each with its plan, the expected cost is minimised. A purchase that futures share stays one: it is
done without only where no future needs it.
"""

from collections.abc import Sequence

import numpy as np

from optimizer import formulation
from optimizer.algorithms.measured_model import negligible_gap
from optimizer.algorithms.problem import Rows
from optimizer.algorithms.reading import joint_integers, plan_values, read_joint_plan
from optimizer.algorithms.recourse import RecourseEvaluator, ShockGaps
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
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
        plans: what may be bought at most, by future; one where there are no futures.
        evaluator: of the instance.
        settings: solver, and relative gap.
        tolerance: money to which the saving is proven.
        clock: a deadline.
        listener: receives a step for each round.
    """

    def __init__(
        self,
        instance: Instance,
        plans: Sequence[Plan],
        evaluator: RecourseEvaluator,
        settings: Settings,
        tolerance: float,
        clock: Clock,
        listener: Listener,
    ) -> None:
        self.instance, self.plans, self.evaluator = instance, tuple(plans), evaluator
        self.tree, self._events = instance.tree, instance.tree.events
        self.settings, self.tolerance, self.clock, self.listener = settings, tolerance, clock, listener
        self._writer = formulation.Writer(instance)
        self._before = self._gaps(self.plans)
        self._held: list[Shock] = [event for event in self._events if event.probability > 0]

    def _gaps(self, plans: Sequence[Plan]) -> ShockGaps:
        return self.evaluator.gaps(self.evaluator.plan_values(plans), self.clock)

    def run(self) -> tuple[Plan, ...] | None:
        """The reduced plans, by future; None where the time ran out before they were found."""
        while not self.clock.is_over:
            self.listener(Progress(task="what the plan could do without"))
            found = self._solve()
            if found is None:
                return None
            worse = self._worse(found)
            if not len(worse):
                return found
            self._held += [self._events[number] for number in worse]
        return None

    def _worse(self, plans: Sequence[Plan]) -> Sequence[int]:
        """Shocks outside the model in which plans fare worse than the first ones, the worst of them first."""
        after, before = self._gaps(plans), self._before
        more = after.gap - before.gap * (1.0 + 10 * HELD_GAP) - negligible_gap(self.instance)
        held = {shock.name for shock in self._held}
        outside = np.array([event.name not in held for event in self._events], dtype=bool)
        worse = np.flatnonzero(outside & ((after.fails & ~before.fails) | (before.fails & (more > 0))))
        return worse[np.argsort(-more[worse], kind="stable")][:MOST_ADDED].tolist()  # type: ignore[no-any-return]

    def _solve(self) -> tuple[Plan, ...] | None:
        builder = self._writer.extensive_form_model(self._held).copy()
        failing = {self._events[number].name for number in np.flatnonzero(self._before.fails)}
        self._limit_gaps(builder, failing)
        cost = total(
            future.probability * formulation.cost(member, future.instance, future.instance.events)
            for future, member in zip(self.tree.futures, builder.members, strict=True)
        )
        model = Model(builder, cost, self.settings, self.clock)
        kept = [
            j for j, each in enumerate(builder.columns) if each.mark.what == "below" and each.mark.path not in failing
        ]
        model.bound(kept, 0.0, 0.0)
        columns, most = self._most(builder)
        model.bound(columns, 0.0, most)
        result = model.solve(tolerance=self.tolerance)
        return None if result.values is None else read_joint_plan(self.tree, builder, result.values.tolist())

    def _limit_gaps(self, builder: ModelBuilder, failing: set[str]) -> None:
        """gap_s ≤ gap_s(plan), in tonnes of the segment that is the dearest to leave short."""
        limits = {event.name: gap for event, gap in zip(self._events, self._before.gap, strict=True)}
        for number, (future, member) in enumerate(zip(self.tree.futures, builder.members, strict=True)):
            for own, gap in formulation.gaps(member, future.instance).items():
                name, unit = self.tree.name(number, own), max(gap.terms.values(), default=0.0)
                if name in failing and unit > 0:
                    limit = float(limits[name]) * (1.0 + HELD_GAP)
                    builder.require("survival", f"limit_{name}", None, (1.0 / unit) * gap, "<=", limit / unit)

    def _most(self, builder: ModelBuilder) -> tuple[list[int], list[float]]:
        """The columns of purchases, and what the first plans buy there."""
        columns = [j for j, column in enumerate(builder.columns) if column.integer]
        most = dict(zip(columns, joint_integers(self.tree, self.plans, builder).tolist(), strict=True))
        for future, member, plan in zip(self.tree.futures, builder.members, self.plans, strict=True):
            values = plan_values(future.instance, plan, member)
            for o, option in future.instance.options.items():
                bought = member.column_index().get(("", o, option.purchase_column), {}).values()
                most |= {j: values[j] for j in bought}
        return list(most), list(most.values())


def including(plans: Sequence[Plan]) -> Rows:
    """Rows that keep all that plans buy, by future: n[o,a] ≥ size, f[o,t] ≥ purchase."""

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        # Futures share the columns of what they cannot but buy alike: one row for each.
        kept = set[int]()
        for future, member, plan in zip(instance.tree.futures, builder.members, plans, strict=True):
            values, found = plan_values(future.instance, plan, member), member.column_index()
            for o, option in future.instance.options.items():
                for t, column in found.get(("", o, option.purchase_column), {}).items():
                    if values[column] > 0 and column not in kept:
                        kept.add(column)
                        what, bought = f"kept_{column}", Expression({column: 1.0})
                        builder.require(o, what, t, bought, ">=", values[column], unit=option.unit)

    return write
