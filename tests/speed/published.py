"""Published two-stage instances, read from the files of their authors as instances of ours.

    flcvar   capacitated facility location, opening cost + CVaR of the cost of transport; demand is drawn
    netdes   stochastic network design: arcs opened at a fixed cost, then minimum-cost flow

In both, scenarios are shocks of the one year that the horizon has, and their probabilities add to 1.

Sources: Ramírez-Pico, Ljubić, Moreno: Benders adaptive-cuts method for two-stage stochastic programs, Transportation
Science 57(5), 2023, after the OR-Library of Beasley, 1990 (flcvar); the examples of mpi-sppy (netdes).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.float64]]
YEAR = 2026
# The scenario that stands for the row on capacity.
FULL = "full"


@dataclass(frozen=True)
class Facilities:
    """Capacitated facility location.

    Attributes:
        opening, capacity: by site. demand: by customer.
        cost: of a unit, by customer and site.
    """

    opening: Numbers
    capacity: Numbers
    demand: Numbers
    cost: Numbers

    @classmethod
    def read(cls, path: Path) -> "Facilities":
        """The sites that have a capacity and the customers of a file, which gives the cost of serving one whole.

        A site's line is read as its authors do: opening cost, then capacity.
        """
        words = path.read_text(encoding="utf-8").split()
        sites, customers = int(words[0]), int(words[1])
        numbers = np.array(words[2:], dtype=float)
        of_sites = numbers[: 2 * sites].reshape(sites, 2)
        of_customers = numbers[2 * sites :].reshape(customers, 1 + sites)
        demand, cost = of_customers[:, 0], of_customers[:, 1:] / of_customers[:, :1]
        kept = of_sites[:, 1] > 0
        return cls(of_sites[kept, 0], of_sites[kept, 1], demand, cost[:, kept])

    def shares(self, scenarios: int, seed: int) -> Numbers:
        """The share of each customer's demand that there is, by customer and scenario."""
        return np.random.default_rng(seed).random((len(self.demand), scenarios))


def flcvar(path: Path, scenarios: int, seed: int) -> dict[str, Any]:
    """Opening cost + CVaR at 0.9 of transport, by demand drawn in so many scenarios.

    A site is an option that makes a commodity of its own, which arcs turn into those of the customers. All demand is
    served in every scenario, and in one of full demand that never comes: open capacity is at least all demand.
    """
    file = Facilities.read(path)
    shares, sites, customers = file.shares(scenarios, seed), range(len(file.opening)), range(len(file.demand))
    arcs = {
        f"arc{i}_{j}": {
            "region": "home",
            "input": {f"site{i}": 1},
            "output": {f"customer{j}": 1},
            "capacity": float(file.demand[j]),
            "cost": float(file.cost[j, i]),
        }
        for i in sites
        for j in customers
    }
    return {
        **_frame(path.stem, [*(f"site{i}" for i in sites), *(f"customer{j}" for j in customers)]),
        "processes": arcs,
        "demands": {f"customer{j}": _demand(f"customer{j}", file.demand[j], file.cost.max()) for j in customers},
        "options": {f"site{i}": _opened({}, f"site{i}", file.capacity[i], file.opening[i]) for i in sites},
        "shocks": {
            **{
                f"s{s}": _scenario(1.0 / scenarios, {f"customer{j}": shares[j, s] for j in customers})
                for s in range(scenarios)
            },
            FULL: _scenario(0.0, {}),
        },
        "policy": {"objective": {"cvar": 0.9}},
    }


@dataclass(frozen=True)
class Network:
    """Stochastic network design.

    Attributes:
        opening: by arc (from, to). probabilities: by scenario.
        cost, capacity: by scenario, by arc. balance: by scenario and node, what flows out less what flows in.
    """

    opening: Mapping[tuple[int, int], float]
    probabilities: Numbers
    cost: Sequence[Mapping[tuple[int, int], float]]
    capacity: Sequence[Mapping[tuple[int, int], float]]
    balance: Numbers

    @classmethod
    def read(cls, path: Path) -> "Network":
        """The arcs and scenarios of a file."""
        lines = path.read_text(encoding="utf-8").split("\n+\n")[1].splitlines()
        there, scenarios = _matrix(lines[3]), int(lines[5])
        arcs = [(int(i), int(j)) for i, j in np.argwhere(there > 0)]
        parts = [lines[8 + 4 * s : 11 + 4 * s] for s in range(scenarios)]

        def by_arc(line: str) -> dict[tuple[int, int], float]:
            matrix = _matrix(line)
            return {arc: float(matrix[arc]) for arc in arcs}

        return cls(
            by_arc(lines[4]),
            _matrix(lines[6])[0],
            [by_arc(part[0]) for part in parts],
            [by_arc(part[1]) for part in parts],
            np.array([_matrix(part[2])[0] for part in parts]),
        )

    @property
    def scenarios(self) -> range:
        """Their numbers."""
        return range(len(self.probabilities))

    @cached_property
    def largest(self) -> dict[tuple[int, int], float]:
        """By arc, its largest capacity."""
        return {arc: max(own[arc] for own in self.capacity) for arc in self.opening}


def _matrix(line: str) -> Numbers:
    return np.array([row.split(",") for row in line.split(";")], dtype=float)


def netdes(path: Path) -> dict[str, Any]:
    """Opening cost + expected cost of flow.

    An arc is an option of its largest capacity, of which scenarios cut a part and whose cost they multiply. A node's
    supply is a process, its demand a segment that is served in full.
    """
    file = Network.read(path)
    supplied, needed = file.balance.max(axis=0), (-file.balance).max(axis=0)
    dearest = {arc: max(own[arc] for own in file.cost) for arc in file.opening}
    # A flow passes each arc once at most, so that no more can be paid for a unit that is served.
    most = sum(dearest.values())
    arcs = {
        f"arc{i}_{j}": _opened({f"node{i}": 1}, f"node{j}", file.largest[i, j], fixed) | {"cost": dearest[i, j]}
        for (i, j), fixed in file.opening.items()
    }
    supplies = {
        f"supply{n}": {"region": "home", "output": {f"node{n}": 1}, "capacity": float(most_)}
        for n, most_ in enumerate(supplied)
        if most_ > 0
    }
    return {
        **_frame(path.stem, [f"node{n}" for n in range(file.balance.shape[1])]),
        "processes": supplies,
        "demands": {f"need{n}": _demand(f"node{n}", most_, most) for n, most_ in enumerate(needed) if most_ > 0},
        "options": arcs,
        "shocks": {f"s{s}": _flow_scenario(file, s, supplied, needed, dearest) for s in file.scenarios},
    }


def _flow_scenario(
    file: Network, s: int, supplied: Numbers, needed: Numbers, dearest: Mapping[tuple[int, int], float]
) -> dict[str, Any]:
    balance = file.balance[s]
    demand = {f"need{n}": max(0.0, -balance[n]) / most for n, most in enumerate(needed) if most > 0}
    cost = {f"arc{i}_{j}": file.cost[s][i, j] / most for (i, j), most in dearest.items() if most > 0}
    left = {f"arc{i}_{j}": file.capacity[s][i, j] / most for (i, j), most in file.largest.items() if most > 0}
    left |= {f"supply{n}": max(0.0, balance[n]) / most for n, most in enumerate(supplied) if most > 0}
    return _scenario(float(file.probabilities[s]), demand) | {"cost": cost, "cuts": list(_cuts(left))}


def _cuts(left: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    for name, share in left.items():
        if share < 1.0:
            yield {"process": name, "severity": float(1.0 - share)}


def _frame(name: str, commodities: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "horizon": {"start": YEAR, "end": YEAR, "step": "year"},
        "home": "home",
        "commodities": {each: {} for each in commodities},
    }


def _demand(commodity: str, quantity: float, shortage_cost: float) -> dict[str, Any]:
    return {
        "commodity": commodity,
        "quantity": float(quantity),
        "survival": 1.0,
        "shortage_cost": float(shortage_cost),
    }


def _opened(inputs: Mapping[str, float], output: str, size: float, fixed: float) -> dict[str, Any]:
    """An option that is there in full once it is opened."""
    return {
        "kind": "ally",
        "region": "home",
        "input": dict(inputs),
        "output": {output: 1},
        "fixed_cost": float(fixed),
        "min_size": float(size),
        "max_size": float(size),
    }


def _scenario(probability: float, demand: Mapping[str, float]) -> dict[str, Any]:
    return {
        "start": YEAR,
        "months": 12,
        "probability": probability,
        "demand": {d: float(share) for d, share in demand.items()},
    }
