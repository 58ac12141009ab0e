"""The interface of a strategy: how it is called, and what it returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.progress import Listener, Progress
from optimizer.results.plan import NoShockPlan
from optimizer.solver import Clock, Settings, SolveResult, Vector


@dataclass(frozen=True)
class DualValues:
    """A solved linear programme: dual values of its rows, reduced costs of its columns."""

    builder: ModelBuilder
    values: Vector
    duals: Vector
    reduced_costs: Vector

    @classmethod
    def from_result(cls, builder: ModelBuilder, result: SolveResult) -> "DualValues | None":
        """Those of a result; None where it has none."""
        if result.values is None or result.duals is None or result.reduced_costs is None:
            return None
        return cls(builder, result.values, result.duals, result.reduced_costs)


@dataclass(frozen=True)
class SearchResult:
    """What a strategy found.

    Attributes:
        status: ``optimal`` (proven), ``stopped`` (best so far), ``infeasible`` (rules contradict each other).
        builder: the model's columns and rows.
        values: by column; None where there is no plan.
        cost, bound: total cost of `values` and its proven lower bound.
        gap, gap_bound: the least survival gap and its proven lower bound; 0 where every floor is kept.
        duals: of cost, or of gap where floors fail; None where the time ran out.
        history: the rounds, and the steps within.
        notes: for the user.
        no_shock: the cheapest plan without shocks and rules about surviving; None where the search did not find it.
        granted: by shock, the gap that it leaves at the cost that was found, money, where the model does not hold the
            shocks; None where the model has them, or each leaves its least gap.
        allows_shortages: whether floors may be missed; then also one that is free to miss, though it could be kept.
    """

    status: Literal["optimal", "stopped", "infeasible"]
    builder: ModelBuilder
    values: Vector | None = None
    cost: float = float("inf")
    bound: float = float("-inf")
    gap: float = 0.0
    gap_bound: float = 0.0
    duals: DualValues | None = None
    history: tuple[Progress, ...] = ()
    notes: tuple[str, ...] = ()
    no_shock: NoShockPlan | None = None
    allows_shortages: bool = False
    granted: Mapping[str, float] | None = None


class Strategy(Protocol):
    """One verb: find the plan."""

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> SearchResult:
        """Find the cheapest plan that survives, or the one with the least gap."""
        ...
