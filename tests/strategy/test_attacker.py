"""The oracle: affordable sets, what a set leaves of a plan, the worst attack two ways, the cheapest that breaks."""

from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation import attacks
from optimizer.algorithms.separation.attacks import AttackOracle, cheapest_violating_attack
from optimizer.algorithms.separation.interdiction import dual_bounds
from optimizer.disruptions.adversary import AdversarySpec, Attack
from optimizer.instance.altered import with_attacks, without_shocks
from optimizer.instance.schema import Instance
from optimizer.solver import Clock, Model, Settings, Vector
from optimizer.tolerances import NEGLIGIBLE
from tests.strategies import besieged

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def subsets(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(names, size) for size in range(len(names) + 1)))


def some_plan(instance: Instance, seed: int, share: float) -> Vector:
    columns = RecourseEvaluator(instance).subproblems.plan.columns
    upper = np.array([min(column.upper, 50.0) for column in columns])
    return np.asarray(np.random.default_rng(seed).random(len(upper)) * upper * share)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=7), st.integers(0, 15))
def test_maximal_sets_are_those_that_nothing_affordable_can_be_added_to(prices: list[int], budget: int) -> None:
    targets = {f"t{i}": {"price": price, "cuts": [{"process": "p", "severity": 1}]} for i, price in enumerate(prices)}
    spec = AdversarySpec.model_validate({"attack_budget": budget, "months": 12, "starts": "2027", "targets": targets})
    affordable = [frozenset(names) for names in subsets(tuple(targets)) if spec.affords(names)]
    maximal = {names for names in affordable if not any(names < other for other in affordable)}
    found = spec.maximal(10_000)
    assert found is not None
    assert set(map(frozenset, found)) == maximal
    assert len(found) == len(maximal)
    assert spec.maximal(len(found) - 1) is None


def test_prices_that_add_to_the_budget_but_for_rounding_are_affordable() -> None:
    cuts = [{"process": "p", "severity": 1}]
    targets = {name: {"price": price, "cuts": cuts} for name, price in (("a", 0.1), ("b", 0.2))}
    spec = AdversarySpec.model_validate({"attack_budget": 0.3, "months": 12, "starts": "2027", "targets": targets})
    assert spec.maximal(10) == [("a", "b")]


@FEW
@given(besieged(), st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 1.0]))
def test_a_set_leaves_what_the_shock_leaves_in_which_it_is_written_out(
    data: dict[str, Any], seed: int, share: float
) -> None:
    instance = so.read(data)
    plan = some_plan(instance, seed, share)
    oracle = AttackOracle(instance, Settings(), Clock())
    sets = [names for names in subsets(oracle.programmes.names) if names]
    windows = oracle.programmes.windows(plan)
    made = [Attack(names, window.start) for window in windows for names in sets]
    written = with_attacks(without_shocks(instance), made)
    gaps = {
        event.name: gap
        for event, gap in zip(written.events, RecourseEvaluator(written).gaps(plan, Clock()).gap.tolist(), strict=True)
    }
    for window in windows:
        # Two at once, so that there are several parts.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attacks, "ATTACKS_AT_ONCE", 2)
            hurt = oracle.impacts(window, oracle.programmes.sets(sets), window.gap_costs)
        for names, gap in zip(sets, hurt.gap.tolist(), strict=True):
            assert gap == pytest.approx(gaps[Attack(names, window.start).name(instance.horizon)], rel=1e-6, abs=1e-5)


@FEW
@given(besieged(), st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 1.0]))
def test_the_worst_attack_is_the_same_by_programme_by_enumeration_and_among_all_sets(
    data: dict[str, Any], seed: int, share: float
) -> None:
    instance = so.read(data)
    plan = some_plan(instance, seed, share)
    tried, programmed = AttackOracle(instance, Settings(), Clock()), AttackOracle(instance, Settings(), Clock(), most=0)
    assert (tried.method, programmed.method) == ("enumeration", "programme")
    affordable = [names for names in subsets(tried.programmes.names) if tried.programmes.adversary.affords(names)]
    for window in tried.programmes.windows(plan):
        most = tried.impacts(window, tried.programmes.sets(affordable), window.gap_costs).gap.max()
        for oracle in (tried, programmed):
            struck = oracle.worst(window)
            assert (struck.gap if struck else 0.0) == pytest.approx(most, rel=1e-5, abs=1e-3)
            assert struck is None or tried.programmes.adversary.affords(struck.attack.targets)


@FEW
@given(besieged(), st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 1.0]))
def test_the_cheapest_set_that_breaks_a_plan_is_the_cheapest_of_all_that_do(
    data: dict[str, Any], seed: int, share: float
) -> None:
    instance = so.read(data)
    oracle = AttackOracle(instance, Settings(), Clock())
    adversary, everything = oracle.programmes.adversary, subsets(oracle.programmes.names)
    for window in oracle.programmes.windows(some_plan(instance, seed, share)):
        below = oracle.impacts(window, oracle.programmes.sets(everything), window.floor_costs).below
        breaking = [adversary.price(names) for names, part in zip(everything, below, strict=True) if part > NEGLIGIBLE]
        found = cheapest_violating_attack(oracle, window)
        assert (found is None) == (not breaking)
        if found is not None:
            assert adversary.price(found.attack.targets) == pytest.approx(min(breaking))
            sets = oracle.programmes.sets([found.attack.targets])
            assert oracle.impacts(window, sets, window.floor_costs).below > NEGLIGIBLE


CHAIN: dict[str, Any] = {
    "horizon": {"start": 2026, "end": 2028, "step": "year"},
    "commodities": {"oxide": {}, "metal": {}, "magnet": {}, "swarf": {}},
    "processes": {
        "refinery": {"output": {"oxide": 1}, "capacity": 100},
        "smelter": {"input": {"oxide": 1.2}, "output": {"metal": 1}, "capacity": 100},
        "works": {"input": {"metal": 0.4}, "output": {"magnet": 1, "swarf": 0.2}, "capacity": 200},
        "recycler": {"input": {"swarf": 1}, "output": {"metal": 0.5}, "capacity": 10},
    },
    "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 1000}},
}


def test_worths_follow_the_chain_and_its_loops() -> None:
    # A tonne of magnets is worth 1000, one of swarf half a tonne of metal. Metal: one tonne makes 2.5 t of magnets and
    # 0.5 t of swarf, so metal = 2500 + 0.5·swarf = 2500 + 0.25·metal = 3333.33; swarf 1666.67; oxide metal/1.2.
    found = dual_bounds(so.read(CHAIN), {"all": 1000.0})
    assert found is not None
    assert found["magnet"] == pytest.approx(1000, rel=1e-4)
    assert found["metal"] == pytest.approx(10_000 / 3, rel=1e-4)
    assert found["swarf"] == pytest.approx(5000 / 3, rel=1e-4)
    assert found["oxide"] == pytest.approx(10_000 / 3.6, rel=1e-4)
    assert all(found[c] >= exact for c, exact in (("magnet", 1000), ("metal", 10_000 / 3), ("swarf", 5000 / 3)))


def test_a_substitute_sets_the_worth_of_what_it_takes() -> None:
    # 0.05 t of oxide serve a tonne of the demand, which is worth 1000: 20,000 a tonne, more than in magnets (2778).
    ferrite = {"kind": "substitution", "demand": "all", "max_size": 40, "input": {"oxide": 0.05}}
    found = dual_bounds(so.read(CHAIN | {"options": {"ferrite": ferrite}}), {"all": 1000.0})
    assert found is not None
    assert found["oxide"] == pytest.approx(20_000, rel=1e-4)


ENDLESS = CHAIN | {
    "processes": CHAIN["processes"] | {"recycler": {"input": {"swarf": 1}, "output": {"metal": 2}, "capacity": 10}},
    "adversary": {
        "attack_budget": 2,
        "months": 12,
        "starts": [2027],
        "targets": {
            name: {"price": 1, "cuts": [{"process": name, "severity": 0.9}]}
            for name in ("refinery", "smelter", "works", "recycler")
        },
    },
}


def test_a_loop_that_gives_back_more_than_it_takes_has_no_worth_and_is_tried_set_by_set() -> None:
    # 0.2 t of swarf become 0.4 t of metal, as much as the magnet took.
    instance = so.read(ENDLESS)
    assert dual_bounds(instance, {"all": 1000.0}) is None
    plan = some_plan(instance, 1, 1.0)
    (window,) = AttackOracle(instance, Settings(), Clock()).programmes.windows(plan)
    oracles = [AttackOracle(instance, Settings(), Clock(), most) for most in (1000, 0)]
    one, other = (oracle.worst(window) for oracle in oracles)
    assert [oracle.method for oracle in oracles] == ["enumeration", "enumeration"]
    assert one is not None
    assert other is not None
    # The works keep 20 t of the 50 that the floor asks for: 30 t at 1000; nothing beside it does more.
    assert one.gap == other.gap == pytest.approx(30_000)


def test_a_set_that_is_not_proven_to_be_the_cheapest_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = so.read(ENDLESS)
    oracle = AttackOracle(instance, Settings(), Clock())
    (window,) = oracle.programmes.windows(some_plan(instance, 1, 1.0))
    assert cheapest_violating_attack(oracle, window) is not None
    solve = Model.solve
    monkeypatch.setattr(Model, "solve", lambda self, **how: replace(solve(self, **how), status="stopped"))
    assert cheapest_violating_attack(oracle, window) is None
