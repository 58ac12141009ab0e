"""Strong linking: an activity that needs an opened option is at most its largest useful amount times the opening.

    U[j,t]   useful       t    the largest useful amount of activity j in a shock
    Y[o,t]   on_line           whether option o is open and on line

On a shock's path, in every period:
    linked   x ≤ U·Σ Y[o]      a variable upper bound, over a gate of j, a set of options of which it needs at least
                               one; written where it is tighter than capacity

Take a plant of 10,000 t that is opened or not, and a segment that needs 100 t. By capacity alone a hundredth of an
opening serves the whole segment in the LP relaxation; with U = 100 t it serves 1 t.

No plan is cut off, and the least cost stays. Some ways to operate a plan are cut off, among them optimal ones where
operating costs nothing: where ΣY ≥ 1, activity beyond U serves no demand, and omitting it saves its cost and inputs;
where ΣY = 0, x is 0 anyway.

A gate of an activity is its own option, or the options of all sources of one of its inputs. U follows from demand
downstream and from inputs upstream, by propagation over the network. For activities that earn money, and for those that
another row may need, only capacity and inputs limit U.

Source: Rardin, Choe: Tighter relaxations of fixed charge network flow problems, Georgia Tech J-79-18, 1979; Padberg,
Van Roy, Wolsey: Valid linear inequalities for fixed charge problems, Operations Research 33(4), 1985.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optimizer.disruptions.path import Number, Path
from optimizer.model.builder import ModelBuilder, Row
from optimizer.model.expressions import Expression, distinct_shocks, total
from optimizer.network.process import Demand

# Largest number of sweeps over the network: chains are rarely longer, and U is valid after any number.
SWEEPS = 8
# Largest number of options in a gate: with more, the row is weak and long.
LARGEST_GATE = 4
# The row is added only where U is below this share of capacity.
BELOW_CAPACITY = 0.99

Gate = frozenset[str]
_Vector = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.intp]


def tighten(model: ModelBuilder, path: Path, demands: Iterable[Demand], rows: Sequence[Row]) -> None:
    """Write the linked rows of one path, after all its other rows."""
    gates = model.take_gates()
    if gates and not path.is_baseline and model.scope.has_valid_inequalities:
        _PathNetwork(model, path, demands, _otherwise_needed(rows), gates).write()


def _otherwise_needed(rows: Iterable[Row]) -> set[int]:
    """Return the columns of which more may help to satisfy a row other than a balance."""
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
    """The flows of arcs into nodes, or out of them, t per t."""

    node: _Numbers
    arc: _Numbers
    rate: _Vector


class _PathNetwork:
    """The network on a path, in the periods in which an option is a gate.

    A node is a commodity in one of these periods. An arc is a column of the model that supplies or uses commodities in
    one of them. Shocks whose numbers are all equal form a class.

    Attributes:
        nodes: period and commodity of each node.
        columns: by arc, its period and the number of its column.
        equal: by shock, the number of its class.
        useful: U by arc and class, t.
        is_reducible: by arc, whether serving demand is its only use.
        sources, uses: flows of arcs into nodes and out of them, t per t.
        free, need: by node and class, the scrap supplied and the demand of segments, t.
    """

    def __init__(
        self,
        model: ModelBuilder,
        path: Path,
        demands: Iterable[Demand],
        needed: set[int],
        own: Mapping[int, tuple[str, Expression]],
    ) -> None:
        self.model = model
        periods = sorted({model.columns[j].t for j in own}.intersection(path.periods))
        self.nodes = list(itertools.product(periods, sorted(model.names.commodity)))
        supply = [model.booked("supply", path.key, c, t) for t, c in self.nodes]
        flows = [(n, (self.nodes[n][0], j), rate) for n, each in enumerate(supply) for j, rate in each.terms.items()]
        self.columns = sorted({key for _, key, _ in flows})
        arc = {key: k for k, key in enumerate(self.columns)}
        self.sources, self.uses = _split([(n, arc[key], rate) for n, key, rate in flows])
        upper, scrap = [model.columns[j].upper for _, j in self.columns], [booked.constant for booked in supply]
        table, self.equal = _table([*upper, *scrap, *self._needs(path, periods, demands)])
        self.useful, self.free, self.need = np.split(table, np.cumsum([len(upper), len(scrap)]))
        self.is_reducible = ~np.array([self._has_other_use(path, t, j, needed) for t, j in self.columns], dtype=bool)
        known = {(model.columns[j].t, j): option for j, option in own.items()}
        self.own = {arc[key]: known[key] for key in known.keys() & arc.keys()}
        self.openings = {(self.columns[k][0], name): opened for k, (name, opened) in self.own.items()}

    def _has_other_use(self, path: Path, t: int, j: int, needed: set[int]) -> bool:
        return j in needed or _is_any(self.model.booked("operating", path.key, t).terms.get(j, 0.0) < 0.0)

    def _needs(self, path: Path, periods: Iterable[int], demands: Iterable[Demand]) -> Iterable[Number]:
        need: dict[tuple[int, str], Number] = dict.fromkeys(self.nodes, 0.0)
        for t, demand in itertools.product(periods, tuple(demands)):
            need[t, demand.commodity] = need[t, demand.commodity] + path.demand_at(demand.id, t)
        return need.values()

    def write(self) -> None:
        """Propagate U over the network, and write the rows that are tighter than capacity."""
        capacity = self.useful.copy()
        for _ in range(SWEEPS):
            if not (self._limit_by_need() | self._limit_by_inputs()):
                break
        is_lower = (self.useful < BELOW_CAPACITY * capacity).any(axis=1)
        is_finite = np.isfinite(self.useful).all(axis=1)
        for k, gates in sorted(self._gates().items()):
            if is_finite[k]:
                # With U at capacity, the row of its own opening is no tighter than capacity.
                known = set[Gate]() if is_lower[k] else self._own_gate(k)
                self._add_rows(k, gates - known - {each for each in gates if any(other < each for other in gates)})

    def _own_gate(self, k: int) -> set[Gate]:
        return {frozenset([self.own[k][0]])} if k in self.own else set()

    def _add_rows(self, k: int, gates: Iterable[Gate]) -> None:
        t, j = self.columns[k]
        most = self.useful[k][self.equal] if np.ptp(self.useful[k]) else float(self.useful[k][0])
        for number, gate in enumerate(sorted(gates, key=sorted)):
            opened = total(self.openings[t, name] for name in sorted(gate))
            owner, what = self.model.columns[j].mark.owner, f"linked{number + 1}" if number else "linked"
            self.model.add_valid_inequality(owner, what, t, Expression({j: 1.0}), most * opened)

    def _limit_by_need(self) -> bool:
        """Limit U to the need for the output that is needed most, for activities that only serve demand."""
        sources = self.sources
        most = self._with_flows(self.need, self.uses)[sources.node] / sources.rate[:, None]
        serving, needed = _reduced(np.maximum, sources.arc, most)
        return self._lower(serving[self.is_reducible[serving]], needed[self.is_reducible[serving]])

    def _limit_by_inputs(self) -> bool:
        """Limit U to the largest supply of each input."""
        there = self._with_flows(self.free, self.sources)[self.uses.node] / self.uses.rate[:, None]
        return self._lower(*_reduced(np.minimum, self.uses.arc, there))

    def _with_flows(self, amounts: _Vector, flows: _Flows) -> _Vector:
        """Return amounts by node, plus the most that flows can add to them."""
        result = amounts.copy()
        nodes, added = _reduced(np.add, flows.node, flows.rate[:, None] * self.useful[flows.arc])
        result[nodes] += added
        return result

    def _lower(self, arcs: _Numbers, most: _Vector) -> bool:
        """Lower U of the given arcs to `most`; return whether any changed noticeably."""
        is_lower = (most < BELOW_CAPACITY * self.useful[arcs]).any(axis=1)
        changed = arcs[is_lower]
        self.useful[changed] = np.minimum(self.useful[changed], most[is_lower])
        return len(changed) > 0

    def _gates(self) -> dict[int, set[Gate]]:
        """Return the gates by arc: its own option, and the options of all sources of an input."""
        gates = {k: self._own_gate(k) for k in self.own}
        sources, uses = _arcs_of(self.sources), _arcs_of(self.uses)
        nodes = [n for n in uses.keys() & sources.keys() if not self.free[n].any()]
        for _ in range(SWEEPS):
            count = sum(map(len, gates.values()))
            for n in nodes:
                self._pass_on(self._gate_of(sources[n], gates), uses[n], gates)
            if sum(map(len, gates.values())) == count:
                break
        return gates

    def _pass_on(self, gate: Gate, uses: Iterable[int], gates: dict[int, set[Gate]]) -> None:
        for k in uses if gate else ():
            gates.setdefault(k, set()).add(gate)

    def _gate_of(self, sources: Sequence[int], gates: Mapping[int, set[Gate]]) -> Gate:
        """Return the options of all sources of a commodity; empty if a source needs none, or there are too many."""
        live = [k for k in sources if self.useful[k].any()]
        if not all(k in gates for k in live):
            return frozenset()
        gate = frozenset[str]().union(*(min(gates[k], key=lambda gate: (len(gate), sorted(gate))) for k in live))
        return gate if len(gate) <= LARGEST_GATE else frozenset()


def _split(flows: Sequence[tuple[int, int, float]]) -> tuple[_Flows, _Flows]:
    """Return the flows into nodes, and the flows out of them."""
    node, arc = (np.array([each[part] for each in flows], dtype=np.intp) for part in range(2))
    rate = np.array([rate for _, _, rate in flows])
    sides = (np.flatnonzero(rate > 0), np.flatnonzero(rate < 0))
    source, use = (_Flows(node[side], arc[side], np.abs(rate[side])) for side in sides)
    return source, use


def _table(amounts: Sequence[Number]) -> tuple[_Vector, _Numbers]:
    """Return a table with a row per amount and a column per class of equal shocks, and the class of each shock."""
    varying = {row: amount for row, amount in enumerate(amounts) if isinstance(amount, np.ndarray)}
    by_shock, classes = distinct_shocks(list(varying.values()), max(map(len, varying.values()), default=1))
    result = np.empty((len(amounts), len(by_shock)))
    result[:] = np.array([0.0 if row in varying else amount for row, amount in enumerate(amounts)])[:, None]
    result[list(varying)] = by_shock.T
    return result, classes


def _reduced(function: np.ufunc, index: _Numbers, amounts: _Vector) -> tuple[_Numbers, _Vector]:
    """Return the distinct numbers in an index, and for each its rows of amounts combined by `function`.

    This is faster than `function.at`.
    """
    order = np.argsort(index, kind="stable")
    found, first = np.unique(index[order], return_index=True)
    return found, function.reduceat(amounts[order], first)


def _arcs_of(flows: _Flows) -> dict[int, list[int]]:
    """Return the arcs by node."""
    result = dict[int, list[int]]()
    for n, k in zip(flows.node.tolist(), flows.arc.tolist(), strict=True):
        result.setdefault(n, []).append(k)
    return result
