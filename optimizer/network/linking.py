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
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.disruptions.shock import Path
from optimizer.model.builder import ModelBuilder, Row
from optimizer.model.expressions import Expression, total
from optimizer.network.process import Demand
from optimizer.units import Number

# Number of sweeps over the network: chains are rarely longer, and U is valid after any number.
SWEEPS = 8
# Most options in a gate: with more the row is weak, and each adds a term to it.
MOST_GATES = 4
# The row is added only where U is below this share of capacity.
BELOW_CAPACITY = 0.99

Gate = frozenset[str]
_Vector = npt.NDArray[np.float64]
_Places = npt.NDArray[np.intp]


def tighten(model: ModelBuilder, path: Path, demands: Iterable[Demand], rows: Sequence[Row]) -> None:
    """Write the linked rows of one path, once all else is written to it.

    Args:
        model: holds the ledgers of the path and the gates that levers have named.
        path: a shock's, or one that many share.
        demands: all segments.
        rows: those of the path.
    """
    gates = model.take_gates()
    if gates and not path.is_baseline:
        _PathNetwork(model, path, demands, _asked_for(rows), gates).write()


def _asked_for(rows: Iterable[Row]) -> set[int]:
    """Columns of which more may help to keep some row beside the balances."""
    found = set[int]()
    for row in rows:
        if row.mark.what == "balance":
            continue
        if row.sense == "==":
            found.update(row.terms)
            continue
        sign = -1.0 if row.sense == "<=" else 1.0
        found.update(j for j, value in row.terms.items() if _is_any(sign * value > 0.0))
    return found


def _is_any(found: Any) -> bool:
    return bool(found.any()) if isinstance(found, np.ndarray) else bool(found)


class _Flows(NamedTuple):
    """Of nodes and places: t per t."""

    node: _Places
    place: _Places
    rate: _Vector


class _PathNetwork:
    """The network on a path, in the periods in which an option is a gate. A node is a commodity in one of these.

    Attributes:
        columns: by place, the period and the number of the column that flows.
        useful: by place and shock, U. is_reducible: by place, whether it does nothing but serve.
        sources, uses: by node and place, t per t that flow in and out.
        free, need: by node and shock, the scrap that there is and what segments ask for, t.
    """

    def __init__(
        self,
        model: ModelBuilder,
        path: Path,
        demands: Iterable[Demand],
        asked: set[int],
        own: Mapping[int, tuple[str, Expression]],
    ) -> None:
        self.model = model
        gated = {model.columns[j].t for j in own}
        nodes = [(t, c) for t in path.periods if t in gated for c in sorted(model.names.commodity)]
        supply = [model.booked("supply", path.key, c, t) for t, c in nodes]
        self.columns = sorted({(t, j) for (t, _), booked in zip(nodes, supply, strict=True) for j in booked.terms})
        place = {key: k for k, key in enumerate(self.columns)}
        flows = [
            (n, place[nodes[n][0], j], rate) for n, booked in enumerate(supply) for j, rate in booked.terms.items()
        ]
        self.sources, self.uses = _flows(flows, 1.0), _flows(flows, -1.0)
        need = dict.fromkeys(nodes, 0.0)
        for demand in demands:
            for t in gated.intersection(path.periods):
                need[t, demand.commodity] = need[t, demand.commodity] + path.demanded(demand.id, t)
        upper = [model.columns[j].upper for _, j in self.columns]
        table = _table([*upper, *(booked.constant for booked in supply), *need.values()])
        self.useful, self.free, self.need = np.split(table, np.cumsum([len(place), len(nodes)]))
        earning = {t: model.booked("operating", path.key, t).terms for t, _ in nodes}
        self.is_reducible = np.array(
            [j not in asked and not _is_any(earning[t].get(j, 0.0) < 0.0) for t, j in self.columns], dtype=bool
        )
        self.own = {place[key]: option for j, option in own.items() if (key := (model.columns[j].t, j)) in place}

    def write(self) -> None:
        """Propagate, and write a row where it says more than capacity does."""
        capacity = self.useful.copy()
        for _ in range(SWEEPS):
            if not (self._limit_by_need() | self._limit_by_inputs()):
                break
        is_lower = (self.useful < BELOW_CAPACITY * capacity).any(axis=1)
        is_finite = np.isfinite(self.useful).all(axis=1)
        openings = {(self.columns[k][0], name): opened for k, (name, opened) in self.own.items()}
        for k, gates in sorted(self._gates().items()):
            t, j = self.columns[k]
            known = frozenset([self.own[k][0]]) if k in self.own and not is_lower[k] else None
            worth = [gate for gate in gates if gate != known and not any(other < gate for other in gates)]
            most = self.useful[k] if np.ptp(self.useful[k]) else float(self.useful[k][0])
            for number, gate in enumerate(sorted(worth, key=sorted) if is_finite[k] else ()):
                opened = total(openings[t, name] for name in sorted(gate))
                what = f"linked{number + 1}" if number else "linked"
                self.model.offer(self.model.columns[j].mark.owner, what, t, Expression({j: 1.0}), most * opened)

    def _limit_by_need(self) -> bool:
        """U ≤ what is needed of the output that is needed most, for activities that only serve."""
        sources = self.sources
        most = self._with_flows(self.need, self.uses)[sources.node] / sources.rate[:, None]
        needed = np.zeros_like(self.useful)
        np.maximum.at(needed, sources.place, most)
        serving = np.unique(sources.place)
        return self._lower(serving[self.is_reducible[serving]], needed)

    def _limit_by_inputs(self) -> bool:
        """U ≤ what there can be of each input."""
        there = self._with_flows(self.free, self.sources)[self.uses.node] / self.uses.rate[:, None]
        most = np.full_like(self.useful, np.inf)
        np.minimum.at(most, self.uses.place, there)
        return self._lower(np.arange(len(self.columns)), most)

    def _with_flows(self, amounts: _Vector, flows: _Flows) -> _Vector:
        """Amounts by node and what flows can add to them."""
        result = amounts.copy()
        np.add.at(result, flows.node, flows.rate[:, None] * self.useful[flows.place])
        return result

    def _lower(self, places: _Places, most: _Vector) -> bool:
        changed = places[(most[places] < BELOW_CAPACITY * self.useful[places]).any(axis=1)]
        self.useful[changed] = np.minimum(self.useful[changed], most[changed])
        return len(changed) > 0

    def _gates(self) -> dict[int, set[Gate]]:
        """By place, the sets of options of which it needs one: its own, and those of all sources of an input."""
        gates = {k: {frozenset([name])} for k, (name, _) in self.own.items()}
        sources, uses = _places(self.sources), _places(self.uses)
        is_live = self.useful.any(axis=1)
        nodes = [n for n in uses if n in sources and not self.free[n].any()]
        for _ in range(SWEEPS):
            found = sum(len(each) for each in gates.values())
            for n in nodes:
                gate = self._gate_of([k for k in sources[n] if is_live[k]], gates)
                for k in uses[n] if gate else ():
                    gates.setdefault(k, set()).add(gate)
            if sum(len(each) for each in gates.values()) == found:
                break
        return gates

    def _gate_of(self, sources: Sequence[int], gates: Mapping[int, set[Gate]]) -> Gate:
        """The options of all sources of a commodity; none where some source needs none, or they are many."""
        if not all(k in gates for k in sources):
            return frozenset()
        gate = frozenset[str]().union(*(min(gates[k], key=_smallest) for k in sources))
        return gate if len(gate) <= MOST_GATES else frozenset()


def _smallest(gate: Gate) -> tuple[int, list[str]]:
    return len(gate), sorted(gate)


def _flows(flows: Iterable[tuple[int, int, float]], sign: float) -> _Flows:
    """Those of a sign."""
    kept = [(n, k, sign * rate) for n, k, rate in flows if sign * rate > 0]
    return _Flows(*(np.array([each[part] for each in kept], dtype=kind) for part, kind in enumerate((int, int, float))))


def _table(amounts: Sequence[Number]) -> _Vector:
    """A row for each amount, and as many columns as shocks are written together."""
    size = max((len(each) for each in amounts if isinstance(each, np.ndarray)), default=1)
    result = np.empty((len(amounts), size))
    for row, amount in zip(result, amounts, strict=True):
        row[:] = amount
    return result


def _places(flows: _Flows) -> dict[int, list[int]]:
    """By node, the places of its flows."""
    result = dict[int, list[int]]()
    for n, k in zip(flows.node.tolist(), flows.place.tolist(), strict=True):
        result.setdefault(n, []).append(k)
    return result
