"""What is asked of all the plans that keep every floor: the cheapest, unless told otherwise.

    objective   what is minimised: cost, outlay, the size of an option …
    rows        constraints beside those of the instance: a cost that is not exceeded, an option that is left out …
    allowed     where floors cannot all be kept, the total gap that a plan may leave

Rows are written once, before any shock that has no probability is added.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from optimizer import formulation
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder, Sense
from optimizer.model.expressions import Expression, total

ObjectiveBuilder = Callable[[ModelBuilder, Instance, Sequence[Shock]], Expression]
Rows = Callable[[ModelBuilder, Instance, Sequence[Shock]], None]


@dataclass(frozen=True)
class Question:
    """What is minimised, and the rows that are added; `name` is what progress calls it.

    `allowed` is in money. Above 0, every shock that can fail is written out: for instances in which these are few.
    """

    objective: ObjectiveBuilder = formulation.cost
    rows: tuple[Rows, ...] = ()
    name: str = "cost"
    allowed: float = 0.0

    @property
    def is_usual(self) -> bool:
        """Whether it is the instance's own: least cost, and the least gap where floors fail."""
        return self == LEAST_COST


LEAST_COST = Question()


def outlay(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    """Undiscounted money that counts towards the budget."""
    return total(builder.booked("outlay", year) for year in instance.horizon.years)


def size(option: str, factor: float = 1.0) -> ObjectiveBuilder:
    """`factor` times what is bought of an option over all years: its size, or what a stockpile buys in t."""

    def measured(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
        return factor * formulation.bought(builder, instance, option)

    return measured


def at_most(objective: ObjectiveBuilder, bound: float, what: str) -> Rows:
    """A row that holds an amount of money at or below a bound."""
    return _bounded(objective, bound, what, "<=")


def _bounded(objective: ObjectiveBuilder, bound: float, what: str, sense: Sense) -> Rows:
    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        builder.require("question", what, None, objective(builder, instance, shocks), sense, bound, unit="USD")

    return write


def leaving_out(options: Iterable[str]) -> Rows:
    """Rows that keep options from being bought."""
    names = tuple(options)

    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        for option in names:
            bought = size(option)(builder, instance, shocks)
            if bought.terms:
                builder.require("question", f"without_{option}", None, bought, "<=", 0.0)

    return write
