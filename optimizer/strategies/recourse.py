"""What a plan that is already made can do in each shock: least gap, then least operating and shortage cost.

The plan is numbers here, so shocks have nothing in common: several share one linear programme only to save the trouble
of making many small ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from optimizer.expression import Expression, total
from optimizer.formulation import Offers, gaps, recourse_stage
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


def respond(
    instance: Instance, shocks: Sequence[Shock], offers: Offers, clock: Clock, granted: Mapping[str, float]
) -> dict[str, Recourse]:
    """The best that a plan can do in each shock.

    Args:
        instance: the instance.
        shocks: the shocks to answer.
        offers: the plan, as `offers_of` gives it.
        clock: where the solver's seconds are counted; it never stops this.
        granted: by shock, a gap that is known to be attainable; 0 saves the search for the least.

    Returns:
        By shock, its gap and its flows.
    """
    answers: dict[str, Recourse] = {}
    for batch in _batches(instance, shocks):
        answers |= _Batch(instance, batch, offers, clock).answers(granted)
    return answers


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
    """Some shocks under a plan, as one linear programme."""

    def __init__(self, instance: Instance, shocks: Sequence[Shock], offers: Offers, clock: Clock) -> None:
        self.instance, self.shocks, self.clock = instance, shocks, clock
        self.stage = recourse_stage(instance, shocks, offers)
        self.below = [j for j, column in enumerate(self.stage.columns) if column.mark.what == "below"]
        self.shortfalls = gaps(self.stage, instance)
        self.rations = {name: hold(self.stage, name, shortfall) for name, shortfall in self.shortfalls.items()}
        self.model = Model(self.stage, self._operating(), Settings(), Clock())

    def answers(self, granted: Mapping[str, float]) -> dict[str, Recourse]:
        """Every shock's recourse."""
        values = None
        if all(granted.get(name) == 0.0 for name in self.shortfalls):
            values = self._least_cost(dict.fromkeys(self.shortfalls, 0.0), floors_kept=True)
        if values is None:
            values = self._least_gap_then_cost(granted)
        self.clock.solving += self.model.clock.solving
        found, plain = self.stage.found(), values.tolist()
        return {
            shock.name: Recourse(
                max(0.0, self.shortfalls[shock.name].value(plain)) if shock.name in self.shortfalls else 0.0,
                read_flows(self.instance, found, plain, self.instance.path(shock)),
            )
            for shock in self.shocks
        }

    def _least_gap_then_cost(self, granted: Mapping[str, float]) -> Vector:
        self._allow(dict.fromkeys(self.rations, float("inf")), floors_kept=False)
        self.model.minimise(total(self.shortfalls.values()))
        least = self.model.solve()
        assert least.values is not None, "without floors every shock can be answered"
        plain = least.values.tolist()
        for slack in (SLACK, 100 * SLACK):
            most = {
                name: max(0.0, shortfall.value(plain), granted.get(name, 0.0)) * (1.0 + slack)
                for name, shortfall in self.shortfalls.items()
            }
            values = self._least_cost(most, floors_kept=False)
            if values is not None:
                return values
        return least.values

    def _least_cost(self, most: Mapping[str, float], *, floors_kept: bool) -> Vector | None:
        self._allow(most, floors_kept=floors_kept)
        self.model.minimise(self._operating())
        return self.model.solve().values

    def _allow(self, most: Mapping[str, float], *, floors_kept: bool) -> None:
        self.model.bound(self.below, 0.0, 0.0 if floors_kept else float("inf"))
        for name, ration in self.rations.items():
            self.model.bound(ration.columns, 0.0, most[name] / ration.unit)

    def _operating(self) -> Expression:
        result = Expression()
        for (_, t), amount in self.stage.accounts("operating").items():
            result.add(amount, self.stage.discount(int(t)))
        return result
