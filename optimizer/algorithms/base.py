"""The seams of a strategy: what it is asked, what it says on the way, what it hands back."""

from dataclasses import dataclass
from typing import Literal, Protocol

from optimizer.instance.schema import Instance
from optimizer.model.builder import Stage
from optimizer.progress import Listener, Progress
from optimizer.results.plan import NoShockPlan
from optimizer.solver import Clock, Settings, SolveResult, Vector


@dataclass(frozen=True)
class Priced:
    """A linear programme with its prices: by row, and by column where it rests on a bound."""

    stage: Stage
    values: Vector
    prices: Vector
    reduced: Vector

    @classmethod
    def of(cls, stage: Stage, answer: SolveResult) -> "Priced | None":
        """The prices of an answer; None where it has none."""
        if answer.values is None or answer.prices is None or answer.reduced is None:
            return None
        return cls(stage, answer.values, answer.prices, answer.reduced)


@dataclass(frozen=True)
class Solved:
    """What a strategy found.

    Attributes:
        status: ``optimal`` (proven), ``stopped`` (best so far), ``infeasible`` (rules clash).
        stage: the model's columns and rows.
        values: by column; None where there is no plan.
        cost, bound: total cost of `values` and its proven lower bound.
        gap, gap_bound: the least survival gap and its proven lower bound; 0 where every floor is kept.
        priced: prices of cost, or of gap where floors fail; None where the time ran out.
        history: every step.
        notes: what the user should know.
        is_loose: whether floors may be missed; then also one that costs nothing to miss, though it could be kept.
        no_shock: the cheapest plan without shocks and rules about surviving; None where the search did not find it.
    """

    status: Literal["optimal", "stopped", "infeasible"]
    stage: Stage
    values: Vector | None = None
    cost: float = float("inf")
    bound: float = float("-inf")
    gap: float = 0.0
    gap_bound: float = 0.0
    priced: Priced | None = None
    history: tuple[Progress, ...] = ()
    notes: tuple[str, ...] = ()
    no_shock: NoShockPlan | None = None
    is_loose: bool = False


class Strategy(Protocol):
    """One verb: find the plan."""

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> Solved:
        """Find the cheapest plan that survives, or the one with the least gap."""
        ...
