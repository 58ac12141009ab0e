"""The published model of time to survive, written out on its own, against ours.

D. Simchi-Levi, W. Schmidt, Y. Wei, P. Y. Zhang, K. Combs, Y. Ge, O. Gusikhin, M. Sanders, D. Zhang: Identifying Risks
and Mitigating Disruptions in the Automotive Supply Chain, Interfaces 45(5), 2015 (dspace.mit.edu/handle/1721.1/101782);
its multi-tier TTS model as databricks-industry-solutions/supply-chain-stress-test, notebook 04_appendix, restates it.
With a set S of disrupted nodes, part types k, suppliers i of k to node j, inventory s, demand rate d, capacity rate c
and bill of materials r:

    max t    u_j ≤ Σ_i y_ij / r_kj      every node j and part type k that it needs
             Σ_j y_ij − u_i ≤ s_i       every node i that is not a product
             u_j = 0                    j in S
             u_j + s_j ≥ d_j·t          every product j
             u_j ≤ c_j·t                every node j

Ford's data are not public and neither source prints times that could be recomputed, so the networks are ours: three
tiers, drawn.
"""

import math
import random
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import optimizer as so
from optimizer.studies.time_to_survive import time_to_survive

# part types by node of a tier; every node of the tier above needs one of each kind of its suppliers.
Network = dict[str, Any]


def drawn(seed: int) -> Network:
    """Two products, four sub-assemblies of two types, six suppliers of three types."""
    dice = random.Random(seed)
    kinds = {f"b{i}": f"B{i % 2}" for i in range(4)} | {f"c{i}": f"C{i % 3}" for i in range(6)}
    nodes = ["a0", "a1", *kinds]
    edges = [(b, a) for b in list(kinds)[:4] for a in ("a0", "a1") if dice.random() < 0.8]
    edges += [(c, b) for c in list(kinds)[4:] for b in list(kinds)[:4] if dice.random() < 0.5]
    return {
        "nodes": nodes,
        "kinds": kinds,
        "edges": edges,
        "stock": {n: dice.choice([0, 0, dice.randint(5, 300)]) for n in nodes},
        "capacity": {n: dice.randint(40, 200) for n in nodes},
        "demand": {a: dice.randint(20, 60) for a in ("a0", "a1")},
        "per": {(k, j): dice.choice([1, 2]) for k in sorted(set(kinds.values())) for j in nodes},
    }


def published(net: Network, lost: str) -> float:
    """Years by the paper's linear programme; infinite where it is unbounded."""
    nodes, edges = net["nodes"], net["edges"]
    u, y = {n: i for i, n in enumerate(nodes)}, {e: len(nodes) + i for i, e in enumerate(edges)}
    size = len(nodes) + len(edges) + 1
    rows, right = [], []

    def at_most(terms: dict[int, float], bound: float) -> None:
        row = np.zeros(size)
        for column, value in terms.items():
            row[column] += value
        rows.append(row)
        right.append(bound)

    for j in nodes:
        for k in {net["kinds"][i] for i, target in edges if target == j}:
            suppliers = [e for e in edges if e[1] == j and net["kinds"][e[0]] == k]
            at_most({u[j]: 1.0} | {y[e]: -1.0 / net["per"][k, j] for e in suppliers}, 0.0)
        at_most({u[j]: 1.0, size - 1: -(0.0 if j == lost else net["capacity"][j])}, 0.0)
        if j in net["demand"]:
            at_most({u[j]: -1.0, size - 1: net["demand"][j]}, net["stock"][j])
        else:
            at_most({u[j]: -1.0} | {y[e]: 1.0 for e in edges if e[0] == j}, net["stock"][j])
    found = linprog([0.0] * (size - 1) + [-1.0], A_ub=np.array(rows), b_ub=right, method="highs")
    return math.inf if found.status in (3, 4) else float(found.x[-1])


def ours(net: Network) -> so.Instance:
    """The same as an instance: a commodity at each node, a process from supplier to customer on each edge."""
    edges, kinds = net["edges"], net["kinds"]
    wanted = {f"{j}.{kinds[i]}" for i, j in edges}
    processes: dict[str, Any] = {
        j: {
            "input": {f"{j}.{k}": net["per"][k, j] for k in sorted({kinds[i] for i, target in edges if target == j})},
            "output": {j: 1},
            "capacity": net["capacity"][j],
        }
        for j in net["nodes"]
    }
    processes |= {f"{i}_to_{j}": {"input": {i: 1}, "output": {f"{j}.{kinds[i]}": 1}, "capacity": 1e6} for i, j in edges}
    return so.read(
        {
            "horizon": {"start": 2026, "end": 2026, "step": "year"},
            "commodities": {name: {} for name in [*net["nodes"], *sorted(wanted)]},
            "processes": processes,
            "demands": {
                a: {"commodity": a, "quantity": rate, "survival": 1, "shortage_cost": 1}
                for a, rate in net["demand"].items()
            },
            "options": {
                f"stock_{n}": {"kind": "stockpile", "commodity": n, "initial": held} for n, held in net["stock"].items()
            },
        }
    )


@pytest.mark.parametrize("seed", range(12))
def test_ours_is_the_published_model(seed: int) -> None:
    net = drawn(seed)
    found = {each.name: each.before[0].months / 12 for each in time_to_survive(ours(net)).exposures}
    for node in net["nodes"]:
        assert found[node] == pytest.approx(published(net, node), rel=1e-5, abs=1e-6), node


def test_the_networks_have_all_three_kinds_of_nodes() -> None:
    years = [published(drawn(seed), node) for seed in range(12) for node in drawn(seed)["nodes"]]
    assert any(each == 0 for each in years)
    assert any(0 < each < 100 for each in years)
    assert any(math.isinf(each) for each in years)
