"""Instances converted from published two-stage files, against the programmes that the files stand for.

The extensive forms below are written from the published formulations alone, for files drawn here in the same format;
where the published files are at hand, in `PUBLISHED`, for them as well.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

import optimizer as so
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.solver import Clock
from tests.algorithms import by_benders
from tests.speed.published import Facilities, Network, flcvar, netdes

ROOT = Path(__file__).parents[1]
PUBLISHED = Path(os.environ.get("PUBLISHED", ROOT.parent / "shared" / "published"))
EXACT = so.Settings(mip_gap=1e-8)
ALPHA = 0.9
KNOWN = {"network-10-10-L-01": 88557.3, "network-10-10-H-02": 61332.6, "network-10-20-L-01": 116823.8}
type Key = tuple[Any, ...]


class Programme:
    """min cost·x, rows ≥ rhs, lower ≤ x ≤ upper, some x whole."""

    def __init__(self) -> None:
        self.columns: dict[Key, int] = {}
        self.data: list[tuple[float, float, float, bool]] = []
        self.rows: list[tuple[dict[Key, float], float]] = []

    def column(
        self, *key: Any, cost: float = 0.0, lower: float = 0.0, upper: float = np.inf, whole: bool = False
    ) -> Key:
        self.columns[key] = len(self.data)
        self.data.append((cost, lower, upper, whole))
        return key

    def at_least(self, row: dict[Key, float], rhs: float) -> None:
        self.rows.append((row, rhs))

    def optimum(self) -> float:
        cost, lower, upper, whole = (np.array(part) for part in zip(*self.data, strict=True))
        entries = [(i, self.columns[x], value) for i, (row, _) in enumerate(self.rows) for x, value in row.items()]
        i, j, values = (np.array(part) for part in zip(*entries, strict=True))
        matrix = coo_array((values, (i, j)), shape=(len(self.rows), len(cost))).tocsr()
        rows = LinearConstraint(matrix, np.array([rhs for _, rhs in self.rows]))
        options = {"mip_rel_gap": 1e-9}
        found = milp(
            cost, integrality=whole.astype(int), bounds=Bounds(lower, upper), constraints=rows, options=options
        )
        assert found.status == 0
        return float(found.fun)


def facility_optimum(path: Path, scenarios: int, seed: int) -> float:
    file, lp = Facilities.read(path), Programme()
    shares, sites, customers = file.shares(scenarios, seed), range(len(file.opening)), range(len(file.demand))
    opened = [lp.column("open", i, cost=file.opening[i], upper=1, whole=True) for i in sites]
    lp.at_least({each: file.capacity[i] for i, each in enumerate(opened)}, float(file.demand.sum()))
    threshold = lp.column("threshold", cost=1.0, lower=-np.inf)
    for s in range(scenarios):
        excess = lp.column("excess", s, cost=1.0 / scenarios / (1.0 - ALPHA))
        flow = {(i, j): lp.column("flow", s, i, j) for i in sites for j in customers}
        for j in customers:
            lp.at_least({flow[i, j]: 1.0 for i in sites}, float(shares[j, s] * file.demand[j]))
        for i in sites:
            lp.at_least({opened[i]: file.capacity[i], **{flow[i, j]: -1.0 for j in customers}}, 0.0)
        paid = {x: -file.cost[j, i] for (i, j), x in flow.items()}
        lp.at_least({excess: 1.0, threshold: 1.0, **paid}, 0.0)
    return lp.optimum()


def network_optimum(path: Path) -> float:
    file, lp = Network.read(path), Programme()
    opened = {arc: lp.column("open", arc, cost=fixed, upper=1, whole=True) for arc, fixed in file.opening.items()}
    for s in file.scenarios:
        flow = {a: lp.column("flow", s, a, cost=file.probabilities[s] * file.cost[s][a]) for a in opened}
        for arc, x in flow.items():
            lp.at_least({opened[arc]: file.capacity[s][arc], x: -1.0}, 0.0)
        for n, balance in enumerate(file.balance[s]):
            net = {x: float(arc[0] == n) - float(arc[1] == n) for arc, x in flow.items() if n in arc}
            lp.at_least(net, balance)
            lp.at_least({x: -value for x, value in net.items()}, -balance)
    return lp.optimum()


def drawn_facilities(path: Path, seed: int) -> Path:
    """A file in the format of the published ones, with 6 sites, one of them without capacity, and 8 customers."""
    random = np.random.default_rng(seed)
    lines = ["6 8", "9 0.", *(f"{random.integers(0, 3000)} {random.integers(150, 300)}." for _ in range(5))]
    for _ in range(8):
        demand = random.integers(10, 100)
        lines += [str(demand), " ".join(f"{demand * cost:.5f}" for cost in random.uniform(5, 60, 6))]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def drawn_network(path: Path, seed: int) -> Path:
    """A file in the format of the published ones: all arcs between 4 nodes, some dear, and 3 scenarios."""
    random = np.random.default_rng(seed)

    def matrix(low: int, high: int) -> str:
        rows = random.integers(low, high, (4, 4)) * (1 - np.eye(4, dtype=int))
        return ";".join(",".join(map(str, row)) for row in rows)

    lines = ["text", "+", "4", "1.0", "9", matrix(1, 2), matrix(0, 900), "3", "0.2,0.3,0.5", "--Scenarios--"]
    for s in range(3):
        supply = random.integers(5, 15, 2)
        # A node that supplies in one scenario and needs in another.
        balance = [supply[0], supply[1], 0, 0] if s < 2 else [supply[0], -supply[1], 0, 0]
        balance[3] = -sum(balance)
        lines += [matrix(1, 40), matrix(20, 40), ",".join(map(str, balance)), f"--- {s}"]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def published(pattern: str) -> list[Path]:
    return sorted(PUBLISHED.glob(pattern))


@pytest.mark.parametrize("seed", range(3))
def test_drawn_facilities_have_the_optimum_of_their_programme(tmp_path: Path, seed: int) -> None:
    path = drawn_facilities(tmp_path / "drawn.txt", seed)
    result = so.solve_futures(so.read(flcvar(path, 12, seed)), settings=EXACT)
    assert result.survival_gap == 0
    assert result.total_cost == pytest.approx(facility_optimum(path, 12, seed), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_tail_is_found_though_most_plans_are_evaluated_in_a_part_of_the_scenarios(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, solved, solve = drawn_facilities(tmp_path / "drawn.txt", seed), list[int](), RecourseEvaluator.subgradients

    def noted(self: RecourseEvaluator, plan: Any, clock: Any, task: str, *rest: Any) -> Any:
        if task == "subgradients of costs":
            solved.append(len(self.instance.events) - len(rest[2]))
        return solve(self, plan, clock, task, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(RecourseEvaluator, "subgradients", noted)
    found = by_benders(so.read(flcvar(path, 40, seed)), EXACT, Clock(), lambda step: None, few_rows=0)
    assert found.objective == pytest.approx(facility_optimum(path, 40, seed), rel=1e-6)
    assert found.bound == pytest.approx(found.objective, rel=1e-6)
    # Twice the dearest tenth of 40; and all others of a plan whose value is stated.
    assert {8, 32, 40} == set(solved)
    assert solved.count(8) > solved.count(32) + solved.count(40)


@pytest.mark.parametrize("path", published("flcvar/cap41.txt"), ids=lambda path: path.stem)
def test_published_facilities_have_the_optimum_of_their_programme(path: Path) -> None:
    result = so.solve_futures(so.read(flcvar(path, 5, 1)), settings=EXACT)
    assert result.total_cost == pytest.approx(facility_optimum(path, 5, 1), rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_a_drawn_network_has_the_optimum_of_its_programme(tmp_path: Path, seed: int) -> None:
    path = drawn_network(tmp_path / "drawn.dat", seed)
    result = so.solve(so.read(netdes(path)), settings=EXACT)
    assert result.survival_gap == 0
    assert result.total_cost == pytest.approx(network_optimum(path), rel=1e-6)


@pytest.mark.parametrize("path", published("netdes/network-10-10-*.dat"), ids=lambda path: path.stem)
def test_a_published_network_has_its_best_known_value(path: Path) -> None:
    result = so.solve(so.read(netdes(path)), settings=EXACT)
    assert result.total_cost == pytest.approx(KNOWN[path.stem], abs=0.06)
