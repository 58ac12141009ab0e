"""Random instances of every lever and rule: the optimum is that of a programme written from the contract alone."""

import copy
import json
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.results.result import Result
from optimizer.solver import Clock, Progress
from optimizer.solver.base import StrategyName
from tests.algorithms import Algorithm, by_benders, by_constraint_generation
from tests.independent import Data, Optimum, optimum
from tests.independent.drawn import asked, crowded, drawn, ensemble

STRATEGIES: tuple[StrategyName, ...] = ("extensive-form", "constraint-generation", "benders")
SEEDS, ODD, ATTACKED = range(30), range(1000, 1010), range(2000, 2012)
SAMPLED, ASKED, CROWDED = range(3000, 3010), range(4000, 4010), (75, *range(5000, 5006))
STOPPED = (5, 5000, 5001)
# What a plan file has beside its evidence: shadow prices, and the record of the run.
NO_EVIDENCE = {"binding", "data", "seconds", "versions", "settings", "history", "notes", "format", "digest"}


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
    result = so.solve(instance, settings=so.Settings(mip_gap=0.0, strategy=strategy, jobs=1), **more)
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
        assert known is None or audit_result(instance, result).disagreements == []
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


def with_samples(data: Data) -> Data:
    """With the samples of its ensemble as the package draws them: random numbers are no part of the contract."""
    samples = []
    for event in so.read(copy.deepcopy(data)).events:
        if event.entry == "trouble":
            found = event.spec.model_dump(exclude_defaults=True)
            found |= {"start": event.spec.start.labels[0], "months": event.spec.months.values[0]}
            cuts = [{k: list(v) if isinstance(v, tuple) else v for k, v in cut.items()} for cut in found["cuts"]]
            samples.append(found | {"cuts": cuts, "probability": event.probability})
    return data | {"samples": {"trouble": (data["ensembles"]["trouble"]["survive"], samples)}}


@pytest.mark.parametrize("seed", SAMPLED)
def test_as_many_samples_fail_as_may(seed: int) -> None:
    data = ensemble(drawn(seed), seed)
    known = optimum(with_samples(data))
    for strategy in STRATEGIES:
        assert differs(data, solved(data, strategy)[1], known) is None, strategy


@pytest.mark.parametrize("seed", CROWDED)
def test_many_shocks_one_in_a_round(seed: int) -> None:
    data = crowded(drawn(seed, 0.2), seed)
    known, apart = optimum(data), {"add": 1, "few_rows": 0}
    ways = (by_constraint_generation, by_benders, partial(by_benders, most_held_rows=0))
    for strategy in (partial(way, **apart) for way in ways):
        found = strategy(so.read(data), so.Settings(mip_gap=0.0), Clock(), lambda event: None)
        assert (found.values is None) == (known is None)
        if known is not None:
            assert near(priced(data, found.objective, found.gap), known.measure)
            assert "gap_price" in data["policy"] or near(found.gap, known.gap)


@pytest.mark.parametrize("seed", STOPPED)
@pytest.mark.parametrize("algorithm", [by_constraint_generation, by_benders])
def test_what_a_search_claims_that_is_stopped_in_any_round_is_true(algorithm: Algorithm, seed: int) -> None:
    data = crowded(drawn(seed, 0.2), seed)
    known, is_priced, rounds = optimum(data), "gap_price" in data["policy"], 0
    assert known is not None
    status = "stopped"
    while status == "stopped":
        rounds, clock = rounds + 1, Clock()

        def stop(step: Progress, clock: Clock = clock, last: int = rounds) -> None:
            clock.interrupted = clock.interrupted or step.round == last

        found = algorithm(so.read(data), so.Settings(mip_gap=0.0), clock, stop, add=1, few_rows=0)
        status, value = found.status, priced(data, found.objective, found.gap)
        gap, least = (0.0, 0.0) if is_priced else (found.gap, known.gap)
        assert (found.gap_bound if least else 0.0) <= least * (1 + 1e-6) <= gap * (1 + 2e-6) + 1e-5
        # Where floors fail, plans of a larger gap may cost less.
        if least == 0.0:
            assert found.bound + found.priced_gaps <= known.measure * (1 + 1e-6) + 1e-5
        if near(gap, least):
            assert known.measure <= value * (1 + 1e-6) + 1e-5
        assert status == "stopped" or (near(value, known.measure) and near(gap, least))
    assert rounds > 1


@pytest.mark.parametrize(("seed", "makes_many"), [*((seed, False) for seed in ASKED), (265, True)])
def test_what_is_decided_before_an_answer_is_the_same_in_all_futures(seed: int, *, makes_many: bool) -> None:
    data = asked(crowded(drawn(seed, 0.2), seed) if makes_many else drawn(seed), seed)
    known = optimum(data)
    instance, exact = so.read(data), so.Settings(mip_gap=0.0, jobs=1)
    if known is None and data["policy"]["objective"] == "regret":
        with pytest.raises(so.InstanceError, match="cannot be survived alone"):
            so.solve_futures(instance, settings=exact)
        return
    result = so.solve_futures(instance, settings=exact)
    assert (known is None) == (result.status == "none")
    if known is not None:
        assert near(result.survival_gap, known.gap)
        scale = max(map(abs, (known.measure, *known.least)))
        assert abs(result.total_cost - known.measure) <= 1e-6 * scale + 1e-5


def numbers(value: Any, *place: Any) -> Iterator[tuple[tuple[Any, ...], float]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, part in items:
        yield from numbers(part, *place, key) if place or key not in NO_EVIDENCE else ()
    if isinstance(value, float) and abs(value) > 0.5:
        yield place, value


def put(value: Any, place: tuple[Any, ...], new: float) -> Any:
    if not place:
        return new
    result = dict(value) if isinstance(value, dict) else list(value)
    result[place[0]] = put(value[place[0]], place[1:], new)
    return result if isinstance(value, dict) else type(value)(result)


@pytest.mark.parametrize("seed", [0, 3, 6, 9, 12])
def test_the_audit_finds_any_number_that_is_one_per_cent_off(seed: int) -> None:
    instance, result = solved(drawn(seed))
    saved = result.to_dict()
    assert audit_result(instance, so.Result.from_dict(saved)).ok
    every = list(numbers(saved))
    for place, number in random.Random(seed).sample(every, min(40, len(every))):
        assert not audit_result(instance, so.Result.from_dict(put(saved, place, 1.01 * number))).ok, place


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
        assert sum(f'"{field}"' in text for text in words), field
    gaps = [known.gap for data in every[:20] if (known := optimum(data))]
    assert 3 <= sum(gap > 1 for gap in gaps) < len(gaps)
