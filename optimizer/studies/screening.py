"""The uncertain numbers of an instance, and which of them are worth a search: by the dual values of its plan.

    L(n) = f(n)·x + Σ_r y_r (b_r(n) − a_r(n)·x)      f: total cost, or the survival gap where floors fail
    x, y      the plan with its operation, and its dual values, with its integers held
    effect    L(n) − L: by how much f changes at first order where a number is at the end farther from its value

No bound: where a number moves far, the plan may become another. A model is written for it, and none is solved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optimizer import formulation
from optimizer.algorithms.executor import Memory
from optimizer.algorithms.strategy import SearchResult
from optimizer.errors import InstanceError
from optimizer.instance.edits import with_numbers
from optimizer.instance.ranges import Uncertain
from optimizer.instance.schema import Instance
from optimizer.model.builder import Mark, ModelBuilder
from optimizer.model.expressions import Expression


@dataclass(frozen=True)
class UncertainNumber:
    """An uncertain number, or several that move together.

    `position` runs from −1 (low) over 0 (the value) to 1 (high).
    """

    name: str
    members: tuple[Uncertain, ...]

    def at(self, position: float) -> dict[str, float]:
        """The number, or factor, of each member, by path."""
        return {each.path: each.at(position) for each in self.members}

    def across(self, share: float) -> dict[str, float]:
        """The same at a share of the way from low to high."""
        return {each.path: each.low + share * (each.high - each.low) for each in self.members}

    @property
    def first(self) -> Uncertain:
        """The member that stands for all."""
        return self.members[0]

    @property
    def is_alike(self) -> bool:
        """Whether all members have the same range."""
        return len({(each.low, each.high, each.value, each.is_factor) for each in self.members}) == 1


def numbers_of(instance: Instance) -> list[UncertainNumber]:
    """The uncertain numbers of an instance; those that share a `draw` are one."""
    groups: dict[str, list[Uncertain]] = {}
    for each in instance.uncertain:
        groups.setdefault(each.draw or each.path, []).append(each)
    return [UncertainNumber(name, tuple(members)) for name, members in groups.items()]


@dataclass(frozen=True)
class FirstOrderEffect:
    """By how much a number changes the optimum at the end farther from its value, at first order.

    `gap` and `cost` are money; where floors fail, `cost` is without what follows from the change of the gap.
    """

    name: str
    gap: float
    cost: float


@dataclass(frozen=True)
class DualScreen:
    """A plan with its operation and its dual values, by column and row of its model.

    Attributes:
        values, duals: by mark. limits: reduced costs of columns that may rest on an upper bound.
        shocks: those of the model. counts_gap: whether the duals are those of the survival gap.
    """

    values: Mapping[Mark, float] = field(repr=False)
    duals: Mapping[Mark, float] = field(repr=False)
    limits: Mapping[Mark, float] = field(repr=False)
    shocks: frozenset[str]
    counts_gap: bool

    @classmethod
    def of(cls, found: SearchResult) -> "DualScreen | None":
        """That of a plan; None where it has no dual values."""
        if found.duals is None:
            return None
        builder, duals = found.duals.builder, found.duals
        marks = [column.mark for column in builder.columns]
        free = zip(builder.columns, duals.reduced_costs.tolist(), strict=True)
        rows = zip(builder.rows, duals.duals.tolist(), strict=True)
        return cls(
            values=dict(zip(marks, duals.values.tolist(), strict=False)),
            duals={row.mark: dual for row, dual in rows if dual},
            limits={column.mark: cost for column, cost in free if cost < 0 and not column.integer},
            shocks=frozenset(row.mark.path for row in builder.rows),
            counts_gap=found.gap > 0,
        )

    def value(self, instance: Instance) -> tuple[float, float]:
        """L of the survival gap and of the total cost of an instance, money; one of them with the dual values."""
        shocks = [event for event in instance.events if event.name in self.shocks]
        model = formulation.extensive_form_model(instance, shocks)
        values = [self.values.get(column.mark, 0.0) for column in model.columns]
        priced = self._priced(model, values)
        gap = formulation.gap(model, instance).value(values)
        cost = formulation.cost(model, instance, shocks).value(values)
        return (gap + priced, cost) if self.counts_gap else (gap, cost + priced)

    def _priced(self, model: ModelBuilder, values: Sequence[float]) -> float:
        """What rows and upper bounds leave, at the dual values."""
        priced = 0.0
        for row in model.rows:
            if row.mark in self.duals:
                priced += self.duals[row.mark] * (float(row.rhs) - Expression(row.terms).value(values))
        for column, value in zip(model.columns, values, strict=True):
            if column.mark in self.limits and column.upper < float("inf"):
                priced += self.limits[column.mark] * (float(column.upper) - value)
        return priced


def first_order_effect(
    memory: Memory, instance: Instance, screen: DualScreen, number: UncertainNumber, base: tuple[float, float]
) -> FirstOrderEffect:
    """A task: the effect of a number; infinite where the instance is none with it at that end."""
    first = number.first
    end = 1.0 if first.high - first.value >= first.value - first.low else -1.0
    try:
        gap, cost = screen.value(with_numbers(instance, number.at(end)))
    except InstanceError:
        return FirstOrderEffect(number.name, float("inf"), float("inf"))
    return FirstOrderEffect(number.name, gap - base[0], cost - base[1])


def most_effective(effects: Sequence[FirstOrderEffect], most: int, negligible: float) -> set[str]:
    """The numbers with the largest effects: half of them on the gap, where that is above some money, half on cost."""
    of_gap = [each.name for each in sorted(effects, key=lambda each: -abs(each.gap)) if abs(each.gap) > negligible]
    of_cost = [each.name for each in sorted(effects, key=lambda each: -abs(each.cost))]
    chosen = dict.fromkeys([*of_gap[: most // 2], *of_cost])
    return set(list(chosen)[:most])
