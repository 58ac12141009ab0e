"""What a plan that is already made can do in each shock: least gap, then least operating and shortage cost.

Shocks have nothing in common once the plan is fixed: several share one linear programme only to save the trouble of
making many small ones. A programme is written once and kept warm; another plan changes the bounds of its first
columns, and the dual simplex goes on from where it stood.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.errors import SolverError
from optimizer.expression import Expression, total
from optimizer.formulation import gaps, plan_stage, recourse_stage
from optimizer.instance.schema import Instance
from optimizer.plan import Flows
from optimizer.shocks import Shock
from optimizer.solver import Clock, Model, Settings, Vector
from optimizer.stage import Stage
from optimizer.strategies.reading import read_flows

SLACK = 1e-9
COLUMNS = 4000


@dataclass(frozen=True)
class Recourse:
    """One shock under a plan: the gap, in money, and the flows that leave it."""

    gap: float
    flows: Flows


@dataclass(frozen=True)
class Ration:
    """The column whose bound holds a gap, and the money that one unit of it stands for."""

    columns: tuple[int, ...]
    unit: float


def hold(stage: Stage, name: str, shortfall: Expression) -> Ration:
    """Write ``gap ≤ allowed``, in tonnes of middle shortage cost so that the row is scaled like the others."""
    costs = sorted(value for value in shortfall.terms.values() if value > 0)
    if not costs:
        return Ration((), 1.0)
    unit = costs[len(costs) // 2]
    allowed = stage.variable(name, "allowed", 0)
    stage.require(name, "hold", None, (1.0 / unit) * shortfall, "<=", allowed)
    return Ration(tuple(allowed.terms), unit)


class Responder:
    """Answers plans: the shocks of an instance as a few linear programmes, each written at its first use."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._plan = plan_stage(instance)
        self._shocks = list(_batches(instance, instance.events))
        self._batches: dict[int, _Batch] = {}

    def gaps(self, plan: Sequence[float], clock: Clock, needless: frozenset[str] = frozenset()) -> dict[str, Recourse]:
        """The least gap that a plan leaves in each shock; costs are not looked at.

        Args:
            plan: values of the columns of `plan_stage`.
            clock: where the solver's seconds are counted; it never stops this.
            needless: shocks that need no answer.
        """
        return self._asked(lambda batch: batch.least_gap(), plan, clock, needless)

    def answers(self, plan: Sequence[float], clock: Clock, granted: Mapping[str, float]) -> dict[str, Recourse]:
        """The best that a plan can do in each shock: least gap, then least operating and shortage cost.

        Args:
            plan: values of the columns of `plan_stage`.
            clock: where the solver's seconds are counted; it never stops this.
            granted: by shock, a gap that is known to be attainable; 0 saves the search for the least.
        """
        return self._asked(lambda batch: batch.best(granted), plan, clock, frozenset())

    def _asked(
        self, ask: Callable[["_Batch"], Vector], plan: Sequence[float], clock: Clock, needless: frozenset[str]
    ) -> dict[str, Recourse]:
        found: dict[str, Recourse] = {}
        for i, shocks in enumerate(self._shocks):
            if all(shock.name in needless for shock in shocks):
                continue
            if i not in self._batches:
                self._batches[i] = _Batch(self.instance, shocks, self._plan)
            batch = self._batches[i]
            batch.fix(plan)
            found |= batch.read(ask(batch))
            clock.solving += batch.spent()
        return found


def _batches(instance: Instance, shocks: Sequence[Shock]) -> Iterator[list[Shock]]:
    """Shocks in their order, so many together as make a programme of some 4,000 columns."""
    width = len(instance.processes) + len(instance.options) + 2 * len(instance.demands)
    batch: list[Shock] = []
    for shock in shocks:
        if batch and width * sum(len(each.periods) for each in [*batch, shock]) > COLUMNS:
            yield batch
            batch = []
        batch.append(shock)
    if batch:
        yield batch


class _Batch:
    """Some shocks as one linear programme, with columns that copy the plan."""

    def __init__(self, instance: Instance, shocks: Sequence[Shock], plan: Stage) -> None:
        self.instance, self.shocks, self.plan = instance, shocks, len(plan.columns)
        self.stage = recourse_stage(instance, shocks, plan)
        self.below = [j for j, column in enumerate(self.stage.columns) if column.mark.what == "below"]
        self.shortfalls = gaps(self.stage, instance)
        self.rations = {name: hold(self.stage, name, shortfall) for name, shortfall in self.shortfalls.items()}
        self.operating = _operating(self.stage)
        self.columns = self.stage.found()
        self.model = Model(self.stage, self.operating, Settings(), Clock())
        self._seen = 0.0

    def fix(self, plan: Sequence[float]) -> None:
        """Put a plan into its columns; a solver's -1e-10 is 0, or nothing could be run on it."""
        numbers = np.maximum(np.asarray(plan[: self.plan]), 0.0)
        self.model.bound(range(self.plan), numbers, numbers)

    def spent(self) -> float:
        """Seconds in the solver since the last time this was asked."""
        before, self._seen = self._seen, self.model.clock.solving
        return self._seen - before

    def best(self, granted: Mapping[str, float]) -> Vector:
        """Least gap, then least operating and shortage cost."""
        if all(granted.get(name) == 0.0 for name in self.shortfalls):
            values = self._least_cost(dict.fromkeys(self.shortfalls, 0.0), floors_kept=True)
            if values is not None:
                return values
        least = self.least_gap()
        plain = least.tolist()
        for slack in (SLACK, 100 * SLACK):
            most = {
                name: max(0.0, shortfall.value(plain), granted.get(name, 0.0)) * (1.0 + slack)
                for name, shortfall in self.shortfalls.items()
            }
            values = self._least_cost(most, floors_kept=False)
            if values is not None:
                return values
        return least

    def least_gap(self) -> Vector:
        """Least gap."""
        self._allow(dict.fromkeys(self.rations, float("inf")), floors_kept=False)
        self.model.minimise(total(self.shortfalls.values()))
        values = self.model.solve().values
        if values is None:
            raise SolverError(
                "without floors every shock can be answered, but the solver finds nothing; check the units"
            )
        return values

    def read(self, values: Vector) -> dict[str, Recourse]:
        """Every shock's gap and flows."""
        plain = values.tolist()
        return {
            shock.name: Recourse(
                max(0.0, self.shortfalls[shock.name].value(plain)) if shock.name in self.shortfalls else 0.0,
                read_flows(self.instance, self.columns, plain, self.instance.path(shock)),
            )
            for shock in self.shocks
        }

    def _least_cost(self, most: Mapping[str, float], *, floors_kept: bool) -> Vector | None:
        self._allow(most, floors_kept=floors_kept)
        self.model.minimise(self.operating)
        return self.model.solve().values

    def _allow(self, most: Mapping[str, float], *, floors_kept: bool) -> None:
        self.model.bound(self.below, 0.0, 0.0 if floors_kept else float("inf"))
        for name, ration in self.rations.items():
            self.model.bound(ration.columns, 0.0, most[name] / ration.unit)


def _operating(stage: Stage) -> Expression:
    result = Expression()
    for (_, t), amount in stage.accounts("operating").items():
        result.add(amount, stage.discount(int(t)))
    return result
