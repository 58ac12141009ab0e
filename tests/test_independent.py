"""Random instances of every lever and rule: the optimum is that of a programme written from the contract alone."""

import copy
import json
from typing import Any

import pytest

import optimizer as so
from optimizer.results.result import Result
from optimizer.solver.base import StrategyName
from tests.independent import Data, Optimum, optimum
from tests.independent.drawn import drawn

STRATEGIES: tuple[StrategyName, ...] = ("whole", "scenarios", "cuts")
SEEDS, ODD, ATTACKED = range(40), range(1000, 1010), range(2000, 2012)


def near(mine: float, theirs: float) -> bool:
    return abs(mine - theirs) <= 1e-6 * abs(theirs) + 1e-5


def priced(data: Data, cost: float, gap: float) -> float:
    """What is minimised: with a price of gaps both at once."""
    return cost + data["policy"].get("gap_price", 0.0) * gap


def differs(data: Data, result: Result, known: Optimum | None) -> str | None:
    """What a result and what is known of the optimum do not agree on."""
    if known is None or result.status == "none":
        return None if known is None and result.status == "none" else f"{result.status}, {known}"
    mine, theirs = priced(data, result.total_cost, result.survival_gap), known.measure
    found = None if near(mine, theirs) else f"cost {mine!r} and not {theirs!r}"
    if "gap_price" not in data["policy"] and not near(result.survival_gap, known.gap):
        found = f"gap {result.survival_gap!r} and not {known.gap!r}"
    return found


def solved(data: Data, strategy: StrategyName = "auto", **more: Any) -> tuple[so.Instance, Result]:
    instance = so.read(copy.deepcopy(data))
    result = so.solve(instance, settings=so.Settings(gap=0.0, strategy=strategy, jobs=1), **more)
    assert isinstance(result, Result)
    return instance, result


def purchases(result: Result) -> dict[tuple[str, int], float]:
    found = {(o, t): amount for o, fills in result.plan.fills.items() for t, amount in enumerate(fills)}
    return found | {(build.option, build.t): build.size for build in result.plan.builds}


@pytest.mark.parametrize(("seed", "odd"), [*((seed, 0.0) for seed in SEEDS), *((seed, 0.4) for seed in ODD)])
def test_every_strategy_finds_the_optimum_and_the_audit_is_silent(seed: int, odd: float) -> None:
    data = drawn(seed, odd)
    known = optimum(data)
    for strategy in STRATEGIES:
        instance, result = solved(data, strategy)
        assert differs(data, result, known) is None, strategy
        assert known is None or so.verify(instance, result).disagreements == []
    # The plan is worth as much, and is paid as much for, by the contract.
    if known is not None:
        again = optimum(data, purchases(result))
        assert differs(data, result, again) is None
        assert again is not None
        assert "support" in json.dumps(data) or near(result.outlay, again.outlay)


@pytest.mark.parametrize("seed", ATTACKED)
def test_the_worst_attacks_count_as_the_contract_says(seed: int) -> None:
    data = drawn(seed, odd=0.3, attacked=True)
    assert differs(data, solved(data, adversary=True)[1], optimum(data)) is None


def test_the_seeds_have_what_they_are_for() -> None:
    every = [drawn(seed) for seed in SEEDS] + [drawn(seed, 0.4) for seed in ODD]
    kinds = {option["kind"] for data in every for option in data["options"].values()}
    assert kinds == {"ally", "refining", "recycling", "substitution", "stockpile", "partnership", "leverage"}
    words = [json.dumps(data) for data in every]
    for field in (
        "requires", "excludes", "unit_size", "min_size", "fixed_cost", "ramp", "restart_months", "strength", "erosion",
        "price_response", "salvage", "loss", "grid", "reliability", "budget", "annual_budget", "max_share", "min_share",
        "min_time_to_survive", "force", "gap_price", "decide", "budget_share", "support", "end_of_life",
    ):  # fmt: skip
        assert sum(f'"{field}"' in text for text in words) >= 2, field
    gaps = [known.gap for data in every[:20] if (known := optimum(data))]
    assert 3 <= sum(gap > 1 for gap in gaps) < len(gaps)
