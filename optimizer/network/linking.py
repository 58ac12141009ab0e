"""Strong linking: an activity that needs an opened option runs within what is of use, times the opening.

    U[j,t]   useful       t    more of activity j than this is never needed in a shock
    G[j,t]   gate              openings in force, summed over options without which j cannot run

On a shock's path, in every period:
    linked   x ≤ U·G           where that says more than capacity does

Capacity alone lets a hundredth of an opening serve a segment that needs a hundredth of its size; with these rows it
serves a hundredth of the segment. Every whole number of openings leaves x as it was, so no plan is cut off: where
G ≥ 1, what exceeds U serves nobody, and leaving it out saves its cost and its inputs; where G = 0, x is 0 anyway.

A gate is an option of its own activity, or those of all sources of one of its inputs. U comes from demand downstream
and from inputs upstream, by propagation over the network. Activities that earn money, and those that some other row
asks for, have their capacity as U.

Source: Rardin, Choe: Tighter relaxations of fixed charge network flow problems, Georgia Tech J-79-18, 1979; Padberg,
Van Roy, Wolsey: Valid linear inequalities for fixed charge problems, Operations Research 33(4), 1985.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optimizer.disruptions.shock import Path
from optimizer.model.builder import ModelBuilder, Row
from optimizer.model.expressions import Expression, is_nothing, total
from optimizer.network.process import Demand
from optimizer.units import Number

# Number of sweeps over the network: chains are rarely longer, and U is valid after any number.
SWEEPS = 8
# Most options in a gate: with more the row is weak, and each adds a term to it.
MOST_GATES = 4
# The row is added only where U is below this share of capacity.
BELOW_CAPACITY = 0.99

Gate = frozenset[str]


def tighten(model: ModelBuilder, path: Path, demands: Iterable[Demand], rows: Sequence[Row]) -> None:
    """Write the linked rows of one path, once all else is written to it.

    Args:
        model: holds the ledgers of the path and the gates that levers have named.
        path: a shock's, or one that many share.
        demands: all segments.
        rows: those of the path.
    """
    gates = model.take_gates()
    if not gates or path.is_baseline or not model.offers_valid:
        return
    asked = _asked_for(rows)
    for t in path.periods:
        need: dict[str, Any] = {}
        for demand in demands:
            need[demand.commodity] = need.get(demand.commodity, 0.0) + path.demanded(demand.id, t)
        _Period(model, path, t, need, asked, gates).write()


def _asked_for(rows: Iterable[Row]) -> set[int]:
    """Columns of which more may help to keep some row beside the balances."""
    found = set[int]()
    for row in rows:
        if row.mark.what == "balance":
            continue
        for j, value in row.terms.items():
            if row.sense == "==" or (np.any(value > 0) if row.sense == ">=" else np.any(value < 0)):
                found.add(j)
    return found


@dataclass(frozen=True)
class _Flow:
    """A column's flow of a commodity, t per t."""

    column: int
    rate: float


class _Period:
    """The network in one period of a path.

    Attributes:
        sources, uses: by commodity, the flows into it and out of it. free: by commodity, scrap, t.
        useful: by column, U. gates: by column, the options without which it cannot run, any of them.
    """

    def __init__(
        self,
        model: ModelBuilder,
        path: Path,
        t: int,
        need: Mapping[str, Number],
        asked: set[int],
        own: Mapping[int, tuple[str, Expression]],
    ) -> None:
        self.model, self.t, self.need = model, t, need
        supply = {c: model.booked("supply", path.key, c, t) for c in sorted(model.names.commodity)}
        self.free: dict[str, Any] = {c: account.constant for c, account in supply.items()}
        self.sources = {c: _flows(account, 1.0) for c, account in supply.items()}
        self.uses = {c: _flows(account, -1.0) for c, account in supply.items()}
        self._read_columns({j for account in supply.values() for j in account.terms}, path, asked)
        self._read_gates({j: gate for j, gate in own.items() if j in self.useful})

    def _read_columns(self, columns: set[int], path: Path, asked: set[int]) -> None:
        self.useful: dict[int, Any] = {j: self.model.columns[j].upper for j in columns}
        earning = self.model.booked("operating", path.key, self.t).terms
        self.reducible = {j for j in columns - asked if not np.any(earning.get(j, 0.0) < 0)}

    def _read_gates(self, own: Mapping[int, tuple[str, Expression]]) -> None:
        self.openings = dict(own.values())
        self.own = {j: frozenset([name]) for j, (name, _) in own.items()}
        self.gates: dict[int, set[Gate]] = {j: {self.own[j]} if j in self.own else set() for j in self.useful}

    def write(self) -> None:
        """Propagate, and write a row where it says more than capacity does."""
        if not self.openings:
            return
        capacity = dict(self.useful)
        for _ in range(SWEEPS):
            if not (self._limit_by_need() | self._limit_by_inputs() | self._pass_gates_on()):
                break
        for j in sorted(self.gates):
            owner = self.model.columns[j].mark.owner
            for k, gate in enumerate(self._worth_a_row(j, capacity[j])):
                opened = total(self.openings[name] for name in sorted(gate))
                what = f"linked{k + 1}" if k else "linked"
                self.model.offer(owner, what, self.t, Expression({j: 1.0}), self.useful[j] * opened)

    def _worth_a_row(self, j: int, capacity: Number) -> list[Gate]:
        """The gates of a column that no other one implies; its own only where U is below capacity."""
        if not np.all(np.isfinite(self.useful[j])):
            return []
        is_lower = bool(np.any(self.useful[j] < BELOW_CAPACITY * capacity))
        gates = [gate for gate in self.gates[j] if not any(other < gate for other in self.gates[j])]
        return sorted((gate for gate in gates if is_lower or gate != self.own.get(j)), key=sorted)

    def _limit_by_need(self) -> bool:
        """U ≤ what is needed of the output that is needed most, for activities that only serve."""
        needed: dict[int, Any] = {}
        for commodity, flows in self.sources.items():
            used = _sum(flow.rate * self.useful[flow.column] for flow in self.uses[commodity])
            for flow in flows:
                most = (self.need.get(commodity, 0.0) + used) / flow.rate
                needed[flow.column] = np.maximum(needed.get(flow.column, 0.0), most)
        return sum(self._lower(j, most) for j, most in needed.items() if j in self.reducible) > 0

    def _limit_by_inputs(self) -> bool:
        """U ≤ what there can be of each input."""
        changes = False
        for commodity, flows in self.uses.items():
            there = self.free[commodity] + _sum(f.rate * self.useful[f.column] for f in self.sources[commodity])
            for flow in flows:
                changes |= self._lower(flow.column, there / flow.rate)
        return changes

    def _lower(self, j: int, most: Number) -> bool:
        changes = bool(np.any(most < BELOW_CAPACITY * self.useful[j]))
        if changes:
            self.useful[j] = np.minimum(self.useful[j], most)
        return changes

    def _pass_gates_on(self) -> bool:
        """Uses of a commodity all of whose sources need options need these too."""
        changes = False
        for commodity, flows in self.uses.items():
            gate = self._gate_of(commodity)
            for flow in flows if gate else ():
                changes |= gate not in self.gates[flow.column]
                self.gates[flow.column].add(gate)
        return changes

    def _gate_of(self, commodity: str) -> Gate:
        """The options of all sources of a commodity; none where some source needs none, or they are many."""
        if not is_nothing(self.free[commodity]):
            return frozenset()
        parts = list[Gate]()
        for flow in self.sources[commodity]:
            if not is_nothing(self.useful[flow.column]):
                parts.append(min(self.gates[flow.column], key=len, default=frozenset()))
        if not all(parts):
            return frozenset()
        gate = frozenset().union(*parts)
        return gate if len(gate) <= MOST_GATES else frozenset()


def _flows(supply: Expression, sign: float) -> list[_Flow]:
    return [_Flow(j, sign * rate) for j, rate in supply.terms.items() if sign * rate > 0]


def _sum(parts: Iterable[Any]) -> Any:
    result: Any = 0.0
    for part in parts:
        result = result + part
    return result
