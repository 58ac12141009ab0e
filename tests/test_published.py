"""Published multistage programs with known optima, as instances; the comments of `published/*.yaml` derive the mapping.

The extensive form below is written from the model's sections 7 and 12 alone, without shocks, as one sparse matrix. It
shares no code with the package, so that it holds the files against the published optima whatever solves them.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.optimize import linprog
from scipy.sparse import coo_array

import optimizer as so

PUBLISHED = Path(__file__).parent / "published"
FARMER = PUBLISHED / "farmer.yaml"
EXACT = so.Settings(mip_gap=0.0)
# Optimum, and half of its last published digit.
OPTIMA = {
    "dakota.yaml": (17_000 - 1_730, 0.5),
    "farmer.yaml": (-108_390, 0.5),
    "lands_two_stages.yaml": (381.853, 5e-4),
    "lands_three_stages.yaml": (719.2066666667, 5e-5),
    "lands_three_stages_dependent.yaml": (722.5836666667, 5e-5),
    "load_duration_two_stages.yaml": (340_315.52, 5e-3),
    "load_duration_three_stages.yaml": (406_712.49, 5e-3),
    "pgp2.yaml": (447.324, 5e-4),
    "production_three_stages.yaml": (-23.96, 5e-3),
}
type Data = dict[str, Any]
type Answers = tuple[tuple[str, int, str], ...]


@dataclass
class Linear:
    """min Σ cost·x, rows ≤ rhs, 0 ≤ x ≤ upper; columns are made when they are first named."""

    columns: dict[tuple[Any, ...], int] = field(default_factory=dict)
    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    rows: list[tuple[Mapping[int, float], float]] = field(default_factory=list)

    def column(self, *name: Any, cost: float = 0.0, upper: float = np.inf) -> int:
        if name not in self.columns:
            self.columns[name] = len(self.cost)
            self.cost.append(0.0)
            self.upper.append(upper)
        self.cost[self.columns[name]] += cost
        return self.columns[name]

    def optimum(self) -> float:
        entries = [(i, x, value) for i, (row, _) in enumerate(self.rows) for x, value in row.items()]
        i, x, values = (np.array(part) for part in zip(*entries, strict=True))
        matrix = coo_array((values, (i, x)), shape=(len(self.rows), len(self.cost))).tocsr()
        bounds = [(0, upper) for upper in self.upper]
        solved = linprog(self.cost, matrix, [rhs for _, rhs in self.rows], bounds=bounds)
        assert solved.status == 0
        return float(solved.fun)


def futures(questions: Mapping[str, Any]) -> list[tuple[float, Answers, tuple[Data, ...]]]:
    """Of every future: probability, answers (question, year, branch), and what its branches set, in order."""
    found: list[tuple[float, Answers, tuple[Data, ...]]] = [(1.0, (), ())]
    for question, entry in sorted(questions.items(), key=lambda item: item[1]["from"]):
        branches = [
            (
                branch.get("probability", 1 / len(entry["branches"])) * p,
                ((question, entry["from"], name), *answers),
                sets,
            )
            for name, branch in entry["branches"].items()
            for p, answers, below in futures(branch.get("futures", {}))
            for sets in [(branch.get("set", {}), *below)]
        ]
        found = [(p * q, a + b, s + t) for p, a, s in found for q, b, t in branches]
    return found


def changed(data: Data, sets: tuple[Data, ...]) -> Data:
    result = copy.deepcopy(data)
    for path, value in (item for entry in sets for item in entry.items()):
        *owners, last = path.split(".")
        target = result
        for owner in owners:
            target = target[owner]
        target[last] = value
    return result


def in_year(series: Any, year: int) -> float:
    points = series if isinstance(series, dict) else {year: series}
    return float(np.interp(year, list(points), list(points.values())))


def extensive_form(data: Data) -> float:
    lp, leaves = Linear(), futures(data["futures"])
    for number, (p, _, sets) in enumerate(leaves):
        future = changed(data, sets)
        years = range(data["horizon"]["start"], data["horizon"]["end"] + 1)
        bought = {
            (o, year): lp.column("buy", o, year, known(leaves, number, year), cost=p * in_year(option["capex"], year))
            for o, option in future["options"].items()
            for year in years
            if year <= option["latest"]
        }
        limit(lp, future, bought)
        for year in years:
            operate(lp, future, bought, number, year, p)
    return lp.optimum()


def known(leaves: list[tuple[float, Answers, tuple[Data, ...]]], number: int, year: int) -> tuple[str, ...]:
    """The answers that a future has had by the decisions of a year."""
    return tuple(f"{question}.{branch}" for question, since, branch in leaves[number][1] if since <= year)


def limit(lp: Linear, future: Data, bought: Mapping[tuple[str, int], int]) -> None:
    for o, option in future["options"].items():
        lp.rows.append(({x: 1.0 for (name, _), x in bought.items() if name == o}, option["max_size"]))
    if budget := future.get("policy", {}).get("budget"):
        lp.rows.append(({x: in_year(future["options"][o]["capex"], y) for (o, y), x in bought.items()}, budget))


def operate(lp: Linear, future: Data, bought: Mapping[tuple[str, int], int], number: int, year: int, p: float) -> None:
    balance: dict[str, Counter[int]] = {c: Counter() for c in future["commodities"]}
    need: Counter[str] = Counter()
    for name, activity in (future["processes"] | future["options"]).items():
        upper = in_year(activity["capacity"], year) if "capacity" in activity else np.inf
        x = lp.column("run", name, number, year, cost=p * activity.get("cost", 0.0), upper=upper)
        for c, rate in flows(activity):
            balance[c][x] -= rate
        if "capacity" not in activity:
            works = {n: share(activity, year - a) for (o, a), n in bought.items() if o == name}
            least = activity.get("min_utilisation", 0.0)
            lp.rows.append(({x: 1.0} | {n: -part for n, part in works.items()}, 0.0))
            lp.rows.append(({x: -1.0} | {n: least * part for n, part in works.items()}, 0.0))
    for d, demand in future["demands"].items():
        quantity = in_year(demand["quantity"], year)
        need[demand["commodity"]] += quantity
        short = lp.column("short", d, number, year, cost=p * demand["shortage_cost"], upper=quantity)
        balance[demand["commodity"]][short] -= 1.0
    lp.rows += [(row, -need[c]) for c, row in balance.items()]


def share(option: Data, age: int) -> float:
    """The share of an order that works when it is so many years old."""
    ramp, worked = option.get("ramp", [1.0]), age - option["lead_time"] // 12
    return float(ramp[min(worked, len(ramp) - 1)]) if worked >= 0 else 0.0


def flows(activity: Data) -> Iterator[tuple[str, float]]:
    yield from activity.get("output", {}).items()
    yield from ((c, -rate) for c, rate in activity.get("input", {}).items())


def read(name: str) -> Data:
    data: Data = yaml.safe_load((PUBLISHED / name).read_text(encoding="utf-8"))
    return data


def test_every_file_has_its_optimum() -> None:
    assert {path.name for path in PUBLISHED.glob("*.yaml")} == set(OPTIMA)


@pytest.mark.parametrize("name", OPTIMA)
def test_the_file_is_the_published_program(name: str) -> None:
    optimum, digits = OPTIMA[name]
    assert extensive_form(read(name)) == pytest.approx(optimum, rel=0, abs=digits)


# 576 futures take a minute: their optimum is that of the extensive form above.
@pytest.mark.parametrize("name", sorted(OPTIMA.keys() - {"pgp2.yaml"}))
def test_ours_is_the_published_optimum(name: str) -> None:
    result = so.solve_futures(so.load(PUBLISHED / name), settings=EXACT)
    optimum, digits = OPTIMA[name]
    assert result.total_cost == pytest.approx(optimum, rel=1e-6, abs=digits)
    assert result.total_cost == pytest.approx(extensive_form(read(name)), rel=1e-6)
    assert result.survival_gap == 0
    assert all(future.result.audit["ok"] for future in result.futures)


def test_what_the_farmer_would_pay_for_a_forecast() -> None:
    alone = [so.solve(each.instance, settings=EXACT).total_cost for each in so.load(FARMER).tree.futures]
    assert -108_390 - sum(alone) / 3 == pytest.approx(7_016, abs=0.5)


def test_what_the_farmer_loses_who_plans_for_mean_yields() -> None:
    instance = so.load(FARMER)
    (mean,) = (each.instance for each in instance.tree.futures if each.name == "fair")
    followed = so.evaluate_futures(instance, so.solve(mean, settings=EXACT), is_quick=True)
    assert followed.summary(0)["expected_cost"] + 108_390 == pytest.approx(1_150, abs=0.5)
