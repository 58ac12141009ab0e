"""Random instances with futures: the optimum is that of a programme written from the contract alone."""

from typing import Any

import numpy as np
import pytest

import optimizer as so
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import ProblemVariant
from optimizer.solver import Clock
from tests.independent import Data, Optimum, leaves, optimum

EXACT = so.Settings(mip_gap=0.0)
MEASURES = ("expected", "worst", "regret", {"cvar": 0.7}, {"cvar": 0.5, "weight": 0.4}, {"cvar": 0})


def drawn(seed: int) -> Data:
    """A small instance in which every part of the contract of futures has its turn."""
    rng = np.random.default_rng(seed)

    def pick(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    def amount(low: float, high: float) -> float:
        return float(np.round(rng.uniform(low, high), 2))

    measure, step = MEASURES[seed % len(MEASURES)], pick("year", "year", "year", "quarter")
    start = 2027 if step == "year" else 2028
    years = list(range(start, 2031 if step == "year" else 2030))
    policy: Data = {"objective": measure}
    if rng.random() < 0.35:
        policy["budget"] = amount(200, 2500)
    if rng.random() < 0.15:
        policy["annual_budget"] = {start: amount(100, 900), years[-1]: amount(300, 1500)}
    if rng.random() < 0.35:
        policy["gap_price"] = pick(0.02, 0.1, 0.5, 2.0)
    options: Data = {
        "works": {
            "kind": "refining", "input": {"ore": 1.2}, "output": {"magnet": 1}, "capex": amount(10, 60),
            "max_size": 40, "lead_time": pick(0, 6, 12, 18), "ramp": pick([1], [0.5, 1]), "cost": amount(1, 20),
            "fixed_opex": pick(0, 2), "unit_size": pick(0, 0, 5, 7.5), "min_utilisation": pick(0, 0, 0.4),
            "restart_months": pick(0, 0, 8),
        },
        "plant": {
            "kind": "ally", "region": "friend", "output": {"magnet": 1}, "capex": amount(5, 40), "cost": amount(1, 30),
            "fixed_cost": amount(20, 300), "min_size": 4, "max_size": 30, "lead_time": pick(0, 12),
            "support": pick(0, 0, 3), "budget_share": pick(1, 1, 0.5),
        },
        "permit": {
            "kind": "ally", "region": "friend", "output": {"ore": 1}, "cost": amount(1, 5), "fixed_cost": amount(5, 80),
            "max_size": 30, "capex": amount(1, 10),
        },
        "stock": {
            "kind": "stockpile", "commodity": "magnet", "price": amount(10, 60), "holding_cost": pick(0, 1.5),
            "loss": pick(0, 0.1), "initial": pick(0, 4), "max_size": 50, "release_cost": pick(0, 2),
            "salvage": pick(0, 0.3), "release_rate": pick(30, 80),
        },
        "chips": {
            "kind": "leverage", "region": "rival", "restraint": amount(0, 1), "capex": amount(20, 300), "max_size": 1,
            "erosion": pick(0, 0.3), "unit_size": pick(0, 0.5),
        },
    }  # fmt: skip
    if rng.random() < 0.4:
        options["plant"]["requires"] = "permit"
    elif rng.random() < 0.4:
        options["plant"]["excludes"] = "permit"
    for o in ("permit", "stock"):
        if rng.random() < 0.2:
            options[o]["latest"] = pick(*years)
        if rng.random() < 0.2 and "latest" not in options[o]:
            options[o]["earliest"] = pick(*years)
    likely = rng.random() < 0.6
    shocks = {
        f"shock{i}": {
            "start": pick(pick(*years), years[-2:]), "months": pick(12, 24) if step == "year" else pick(3, 6, 12),
            "deliberate": pick(True, False), "probability": amount(0.05, 0.3) if likely else 0,
            "cuts": [
                pick(
                    {"region": "rival", "severity": pick(1, 0.7, [1, 0.4])},
                    {"region": "friend", "severity": amount(0.2, 1)},
                    {"process": "works", "severity": 0.8},
                )
            ] + [{"region": "rival", "severity": amount(0.3, 1)}],
        }
        for i in range(rng.integers(1, 3))
    }  # fmt: skip
    if rng.random() < 0.4:
        shocks["shock0"]["demand"] = {"cars": 1.3}

    def series(low: float, high: float) -> Data:
        return {start: amount(low, high), years[-1]: amount(low, high)}

    changes: list[Data] = [
        {"demands.defence.survival": series(0, 1)},
        {"demands.cars.quantity": series(20, 90)},
        {"processes.imports.capacity": series(20, 120)},
        {"processes.imports.cost": series(1, 60)},
        {"options.works.lead_time": pick(0, 12, 24)},
        {"options.works.unit_size": pick(4, 6)},
        {"options.works.capex": series(5, 80)},
        {"options.plant.latest": years[0]},
        {"options.works.earliest": years[-1]},
        {"options.works.max_size": amount(5, 60)},
        {"options.stock.initial": amount(0, 20)},
        {"options.stock.loss": amount(0, 0.3)},
        {"options.stock.price": series(5, 90)},
        {"options.stock.max_size": amount(20, 40)},
        {"options.plant.support": amount(0, 6)},
        {"options.chips.restraint": amount(0, 1)},
        {"options.chips.erosion": amount(0, 0.5)},
        {"options.plant.fixed_cost": amount(10, 400)},
        {"shocks.shock0.probability": amount(0, 0.3) if likely else 0},
        {"shocks.shock0.months": 12},
        {"shocks.extra": {"start": years[-1], "months": 12, "cuts": [{"process": "imports", "severity": 1}]}},
        {"policy.budget": amount(300, 3000)},
        {"demands.cars.shortage_cost": amount(50, 900)},
    ]

    def question(since: int, depth: int) -> Data:
        weights = rng.dirichlet(np.ones(rng.integers(2, 4))).round(2) + 0.05
        weights = np.append(weights[:-1] * 0.8, 1 - weights[:-1].sum() * 0.8)
        branches: Data = {}
        for i, weight in enumerate(weights.tolist()):
            some = rng.choice(len(changes), size=rng.integers(0, 4), replace=False)
            branches[f"branch{i}"] = {"probability": weight, "set": {k: v for j in some for k, v in changes[j].items()}}
            if depth == 0 and rng.random() < 0.3:
                later = pick(*[year for year in years if year >= since])
                branches[f"branch{i}"]["futures"] = {f"nested{i}": question(later, 1)}
        if rng.random() < 0.2:
            for branch in branches.values():
                del branch["probability"]
        return {"from": since, "branches": branches}

    return {
        "horizon": {"start": start, "end": years[-1], "step": step},
        "discount_rate": pick(0, 0.07),
        "home": "home",
        "commodities": {"ore": {}, "magnet": {}},
        "processes": {
            "imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 100, "cost": amount(1, 30)},
            "mine": {"region": "friend", "output": {"ore": 1}, "capacity": amount(5, 60), "cost": amount(1, 5)},
        },
        "demands": {
            "cars": {"commodity": "magnet", "quantity": amount(20, 60), "survival": pick(0, 0.4), "shortage_cost": 300},
            "defence": {"commodity": "magnet", "quantity": 20, "survival": amount(0.5, 1), "shortage_cost": 900},
        },
        "options": options,
        "shocks": shocks,
        "policy": policy,
        "futures": {f"question{i}": question(pick(*years), i) for i in range(rng.integers(1, 3))},
    }  # fmt: skip


def priced(data: Data, least: tuple[float, ...]) -> float | None:
    """The measure with the price of gaps in it."""
    instance = so.read(data)
    # Futures of nested questions stand in another order here.
    ways = [
        frozenset((question, branch) for question, _, branch in answers) for _, answers, _ in leaves(data["futures"])
    ]
    mine = [frozenset((each.question, each.branch) for each in future.answers) for future in instance.tree.futures]
    problem = ProblemVariant(least_costs=tuple(least[ways.index(each)] for each in mine) if least else ())
    model = ShockModel(instance, instance.tree.events, EXACT, Clock(), lambda step: None, problem=problem)
    found = model.minimise_objective()
    return None if found is None or found.values is None else model.reported_cost_and_objective(found.values)[1]


def compare(data: Data) -> str | None:
    """What differs; None where both agree."""
    known = optimum(data)
    if known is None and data["policy"]["objective"] == "regret":
        return None
    if "gap_price" in data["policy"]:
        mine = priced(data, known.least if known else ())
        return _differs("priced measure", mine, known.measure if known else None, known)
    result = so.solve_futures(so.read(data), settings=EXACT)
    if not result.futures or known is None:
        return None if bool(result.futures) == bool(known) else f"{result.status} against {known}"
    return (
        _differs("gap", result.survival_gap, known.gap, known)
        or _differs("measure", result.total_cost, known.measure, known)
        or _differs("expected cost", result.expected_cost, known.expected, known, within=1e-5)
    )


def _differs(
    what: str, mine: float | None, theirs: float | None, known: Optimum | None, within: float = 1e-6
) -> str | None:
    if mine is None or theirs is None:
        return None if mine is theirs else f"{what}: {mine} against {theirs}"
    scale = max([abs(theirs), *map(abs, known.least if known else ())])
    return None if abs(mine - theirs) <= within * scale + 1e-4 else f"{what}: {mine!r} against {theirs!r}"


@pytest.mark.parametrize("seed", [*range(60), 71030])
def test_it_is_the_optimum_of_a_programme_that_shares_no_code(seed: int) -> None:
    assert compare(drawn(seed)) is None


def test_the_seeds_have_what_they_are_for() -> None:
    """Measures, prices of gaps, gaps that cannot be closed, nested questions: none of them is left out by chance."""
    every = [drawn(seed) for seed in range(60)]
    assert {str(data["policy"]["objective"]) for data in every} == set(map(str, MEASURES))
    assert sum("gap_price" in data["policy"] for data in every) >= 10
    assert sum(any(len(answers) > 2 for _, answers, _ in leaves(data["futures"])) for data in every) >= 5
