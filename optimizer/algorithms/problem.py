"""What is minimised over the plans that keep every floor: least cost by default.

    objective   what is minimised: cost, outlay, the size of an option …
    rows        rows beside those of the instance: a limit on cost, an option that is left out …
    gap_limit   where floors cannot all be kept, the survival gap that a plan may leave
    cost_limit  what a plan may cost, with the price of its gaps where they have one

Rows are written once, before any shock without a probability is added.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from optimizer import formulation
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder, Sense
from optimizer.model.expressions import Expression, total

ObjectiveBuilder = Callable[[ModelBuilder, Instance, Sequence[Shock]], Expression]
Rows = Callable[[ModelBuilder, Instance, Sequence[Shock]], None]


@dataclass(frozen=True)
class ProblemVariant:
    """What is minimised, and the rows that are added; `name` is what progress calls it.

    `gap_limit` is in money. Above 0, every shock that can fail is in the model: for instances in which these are few.
    `least_costs` are those of the futures alone, from which regret counts. `prices_gaps` says that an objective other
    than cost counts the price of gaps.
    """

    objective: ObjectiveBuilder = formulation.cost
    rows: tuple[Rows, ...] = ()
    name: str = "cost"
    gap_limit: float = 0.0
    cost_limit: float = math.inf
    least_costs: tuple[float, ...] = field(default=(), compare=False)
    prices_gaps: bool = False

    @property
    def is_default(self) -> bool:
        """Whether it is least cost, or the least gap where floors fail."""
        return self == LEAST_COST

    @property
    def counts_gaps(self) -> bool:
        """Whether gaps that have a price count in what is minimised; where they do not, every floor is kept."""
        return self.prices_gaps or self.objective is formulation.cost


LEAST_COST = ProblemVariant()


def outlay(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
    """Undiscounted money that counts towards the budget."""
    return total(builder.booked("outlay", year) for year in instance.horizon.years)


LEAST_OUTLAY = ProblemVariant(objective=outlay, name="outlay")


def size(option: str, factor: float = 1.0) -> ObjectiveBuilder:
    """`factor` times what is bought of an option over all years: its size, or what a stockpile buys in t."""

    def measured(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> Expression:
        return factor * formulation.bought(builder, instance, option)

    return measured


def at_most(objective: ObjectiveBuilder, bound: float, what: str) -> Rows:
    """A row that keeps an amount of money at or below a bound."""
    return _bounded(objective, bound, what, "<=")


def _bounded(objective: ObjectiveBuilder, bound: float, what: str, sense: Sense) -> Rows:
    def write(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
        builder.require("question", what, None, objective(builder, instance, shocks), sense, bound, unit="money")

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
