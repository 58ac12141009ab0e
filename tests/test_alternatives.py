"""Plans nearly as good: ranges by hand, and laws that hold for any instance."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import optimizer as so
from optimizer.algorithms.near_optimal import NearOptimalPlan, NearOptimalSearch
from optimizer.algorithms.problem import ProblemVariant, at_most, leaving_out, option_size
from optimizer.model.expressions import Expression
from optimizer.report.tables.compare import comparison_headline
from optimizer.results.plan import Plan
from optimizer.risk import cost
from optimizer.solver import Settings, SolveResult
from optimizer.studies.alternatives import _OptionSearch, _Selection
from optimizer.studies.alternatives_result import Alternatives, RangeEnd, SizeRange
from optimizer.studies.what_if import WhatIfSolver
from tests.strategies import instances

EXACT = Settings(mip_gap=0.0, accuracy=0.0)
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plant(capex: float, max_size: float, **more: float) -> dict[str, Any]:
    return {
        "kind": "refining", "stage": "magnet", "output": {"magnet": 1}, "capex": capex, "max_size": max_size, **more
    }  # fmt: skip


def three() -> dict[str, Any]:
    """One year; without imports 60 t of 100 have to be served; what is built costs its capex and nothing else."""
    return {
        "name": "three",
        "horizon": {"start": 2026, "end": 2026, "step": "year"},
        "home": "home",
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "stage": "magnet", "output": {"magnet": 1}, "capacity": 100}},
        "demands": {"motors": {"commodity": "magnet", "quantity": 100, "survival": 0.6, "shortage_cost": 1000}},
        "options": {"a": plant(10, 60), "b": plant(11, 40), "c": plant(10, 60, fixed_cost=100)},
        "shocks": {"stop": {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
    }


def by_option(found: Alternatives) -> dict[str, SizeRange]:
    return {each.option: each for each in found.ranges}


def test_three_options_by_hand() -> None:
    # The cheapest plan is 60 t of a: 600. 10 % more is 660. b takes the place of a at 1 more a tonne: 40 t of it and
    # 20 t of a cost 640, so a is from 20 to 60 (its largest) and b from 0 to 40. c costs 100 once.
    found = so.alternatives(so.read(three()), 0.1, settings=EXACT, patience=math.inf)
    ranges = by_option(found)
    assert found.status == "proven"
    assert found.cost_limit == pytest.approx(660)
    assert [each.verdict for each in found.ranges] == ["must-have", "real choice", "never worth it"]
    assert (ranges["a"].least.size, ranges["a"].greatest.size) == (pytest.approx(20), pytest.approx(60))
    assert (ranges["b"].least.size, ranges["b"].greatest.size) == (0, pytest.approx(40))
    assert (ranges["c"].least.size, ranges["c"].greatest.size) == (0, 0)
    assert ranges["c"].greatest.bound <= 1e-6 * 60
    # The farthest from 60 t of a: 20 t of it, 40/60 less, and 40 of at most 40 t of b: 5/3.
    first = found.plans[0]
    assert first.distance == pytest.approx(5 / 3, rel=1e-4)
    assert {build.option: build.size for build in first.result.plan.builds} == pytest.approx(
        {"a": 20, "b": 40}, rel=1e-4
    )
    assert first.result.total_cost == pytest.approx(640, rel=1e-4)


def test_samples_of_which_half_may_fail_leave_the_ranges_as_they_are_by_hand() -> None:
    # Both samples are the embargo itself: a plan that survives one of the two survives both.
    data = three()
    (shock,) = data.pop("shocks").values()
    data["ensembles"] = {"stops": {**shock, "count": 2, "survive": 0.5}}
    ranges = by_option(so.alternatives(so.read(data), 0.1, settings=EXACT, patience=math.inf))
    assert (ranges["a"].least.size, ranges["a"].greatest.size) == (pytest.approx(20), pytest.approx(60))
    assert (ranges["b"].least.size, ranges["b"].greatest.size) == (pytest.approx(0), pytest.approx(40))
    assert ranges["c"].greatest.size == 0


def test_gaps_with_a_price_by_hand() -> None:
    # A tonne below the floor costs 1000 x 0.0105 = 10.5, half of 1 more than one of a; 2 % more than 600 is 612: it
    # pays for 24 t that are missed, leaving 36 t of a, or for 12 t of b. Missing all 60 t would cost 630, 5 % more.
    data = three() | {"policy": {"gap_price": 0.0105}}
    found = so.alternatives(so.read(data), 0.02, settings=EXACT, patience=math.inf)
    ranges = by_option(found)
    assert (found.status, found.cost_limit, found.extra_cost) == ("proven", pytest.approx(612), pytest.approx(12))
    assert (ranges["a"].least.size, ranges["a"].greatest.size) == (pytest.approx(36, rel=1e-4), pytest.approx(60))
    assert (ranges["b"].least.size, ranges["b"].greatest.size) == (0, pytest.approx(12, rel=1e-4))
    assert found.plans
    for each in found.plans:
        assert each.result.total_cost + 0.0105 * each.result.survival_gap <= 612 * (1 + 1e-4)
    # The least outlay that survives keeps the floors whatever a gap costs: 600; at 9 a tonne doing nothing is cheaper.
    cheap = so.read(three() | {"policy": {"gap_price": 0.009}})
    compared = so.compare(cheap, budgets=[0, 700], settings=EXACT)
    assert compared.least[0].outlay == pytest.approx(600)
    assert {each.result.outlay for each in compared.columns} == {0}
    headline = comparison_headline(compared)
    assert "survives 0 of 1 shock with a budget of 700 USD (to survive more is impossible, or costs more" in headline
    # Without a, all 60 t are missed at 630, for b costs more: cost and bound are those of nothing bought.
    with WhatIfSolver(so.read(data), EXACT) as solver:
        found_without = solver.ask(problem=ProblemVariant(rows=(leaving_out(["a"]),)))
    assert (found_without.gap, found_without.cost) == (pytest.approx(60_000), pytest.approx(0))
    assert found_without.bound == pytest.approx(0, abs=1e-3)
    all_missed = by_option(so.alternatives(so.read(data), 0.05, settings=EXACT, patience=math.inf))
    assert all_missed["a"].least.size == pytest.approx(0, abs=1e-3)


def test_a_tolerance_between_two_options_by_hand() -> None:
    # 5 % more is 630: b may take the place of 30 t of a.
    ranges = by_option(so.alternatives(so.read(three()), 0.05, settings=EXACT, patience=math.inf))
    assert ranges["a"].least.size == pytest.approx(30, rel=1e-4)
    assert ranges["b"].greatest.size == pytest.approx(30, rel=1e-4)
    # With 20 % c can be opened: instead of all of a, at 700 of 720. Then nothing is a must-have.
    wide = so.alternatives(so.read(three()), 0.2, settings=EXACT, patience=math.inf)
    assert {each.verdict for each in wide.ranges} == {"real choice"}


def test_no_tolerance_leaves_the_cheapest_plan_alone() -> None:
    found = so.alternatives(so.read(three()), 0.0, settings=EXACT, patience=math.inf)
    ranges = by_option(found)
    assert ranges["a"].least.size == pytest.approx(60, rel=1e-5)
    assert ranges["b"].greatest.size == pytest.approx(0, abs=1e-3)
    assert found.plans == ()


def test_where_floors_fail_the_gap_is_held_by_hand() -> None:
    # 300 buy 30 t of a and leave 30 t below the floor. b would buy less: no plan that leaves as little has any.
    found = so.alternatives(so.read(three()), 0.1, budget=300, settings=EXACT, patience=math.inf)
    ranges = by_option(found)
    assert found.cheapest.survival_gap == pytest.approx(30_000)
    assert ranges["a"].verdict == "must-have"
    assert ranges["a"].least.size == pytest.approx(30, rel=1e-3)
    assert ranges["a"].greatest.size == pytest.approx(30, rel=1e-3)
    assert ranges["b"].greatest.size == pytest.approx(0, abs=0.05)


def test_where_floors_fail_one_that_is_free_to_miss_may_be_missed_by_hand() -> None:
    # 80 t are all that can be built, 10 t less than the floor. d in place of b costs 20 more and leaves as little. Ware
    # costs 7 to make, and nothing to go without: none is made in a shock, nor in the one in which motors are served.
    data = three()
    both = {"min_size": 1, "max_size": 40}
    data["options"] = {"a": plant(10, 40), "b": plant(11, **both), "d": plant(11.5, **both) | {"excludes": ["b"]}}
    data["commodities"]["oxide"] = {}
    works = {"region": "home", "stage": "oxide", "output": {"oxide": 1}, "capacity": 100, "cost": 7}
    data["processes"]["works"] = works
    data["demands"]["motors"]["survival"] = 0.9
    data["demands"]["ware"] = {"commodity": "oxide", "quantity": 100, "survival": 0.5, "shortage_cost": 0}
    slow = {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 0.1}], "probability": 0.3}
    data["shocks"] = {"stop": data["shocks"]["stop"] | {"probability": 0.5}, "slow": slow}
    found = so.alternatives(so.read(data), 0.1, plans=1, settings=EXACT, patience=math.inf)
    # What is built, and half of the 20 t of motors that go unserved, at 1000.
    assert found.cheapest.total_cost == pytest.approx(400 + 440 + 0.5 * 20_000)
    assert [each.result.total_cost for each in found.plans] == [pytest.approx(400 + 460 + 0.5 * 20_000)]


def with_free_ware(severity: float) -> dict[str, Any]:
    """The same, and ware that costs 7 to make, nothing to go without, and has a floor of half its demand of 100 t."""
    data = three()
    data["commodities"]["oxide"] = {}
    works = {"region": "home", "stage": "oxide", "output": {"oxide": 1}, "capacity": 100, "cost": 7}
    data["processes"]["works"] = works
    data["demands"]["ware"] = {"commodity": "oxide", "quantity": 100, "survival": 0.5, "shortage_cost": 0}
    data["shocks"]["stop"]["cuts"].append({"process": "works", "severity": severity})
    return data


def test_where_only_a_floor_without_a_shortage_cost_fails_the_ranges_are_as_wide_by_hand() -> None:
    # 40 t of ware can be made, 10 t less than its floor, and no gap in money is left. The ranges are those of the first
    # test; c costs 100 once.
    found = so.alternatives(so.read(with_free_ware(0.6)), 0.1, plans=1, settings=EXACT, patience=math.inf)
    ranges = by_option(found)
    assert (found.cheapest.status, found.cheapest.survival_gap, found.status) == ("gap", 0, "proven")
    assert (ranges["a"].least.size, ranges["a"].greatest.size) == (pytest.approx(20), pytest.approx(60))
    assert (ranges["b"].least.size, ranges["b"].greatest.size) == (0, pytest.approx(40))
    assert [each.result.status for each in found.plans] == ["gap"]


def test_a_floor_without_a_shortage_cost_is_missed_where_gaps_have_a_price_by_hand() -> None:
    # All motors are served in a shock of 0.5, for 600 + 440: a tonne that is not costs 1000. No ware is made, which
    # would cost 0.5 x 50 t at 7: where gaps have a price, a floor that costs nothing to miss is missed. 10 % more is
    # 1144.
    data = with_free_ware(0) | {"policy": {"gap_price": 1}}
    data["shocks"]["stop"]["probability"] = 0.5
    found = so.alternatives(so.read(data), 0.1, settings=EXACT, patience=math.inf)
    assert (found.cheapest.total_cost, found.cost_limit) == (pytest.approx(1040), pytest.approx(1144))
    # 40 t of a or b give way to c, which costs 100 once, and no more a tonne than a: 60 t of c and 40 t of b cost 1140.
    dearest = max(found.plans, key=lambda each: each.result.plan.sizes.get("b", 0.0)).result
    assert (dearest.total_cost, dearest.status) == (pytest.approx(1140), "gap")


def test_what_has_to_come_in_whole_units() -> None:
    # 20 t of a at a time: 60, 40 and 20 of b, 20 and 40 of b: from 20 to 60, never 30.
    data = three()
    data["options"]["a"]["unit_size"] = 20
    ranges = by_option(so.alternatives(so.read(data), 0.05, settings=EXACT, patience=math.inf))
    assert (ranges["a"].least.size, ranges["a"].least.bound) == (pytest.approx(40), pytest.approx(40))


def test_conflicting_rules_have_no_near_optimal_alternatives() -> None:
    data = three()
    data["policy"] = {"budget": 10, "force": {"a": {2026: 60}}}
    found = so.alternatives(so.read(data))
    assert (found.status, found.ranges, found.plans) == ("none", (), ())
    assert found.to_dict()["most"] is None


@FEW
@given(instances())
def test_laws(data: dict[str, Any]) -> None:
    """Every plan lies within the ranges, is audited, and is no dearer than allowed; more tolerance narrows nothing."""
    instance = so.read(data)
    before: dict[str, SizeRange] = {}
    for within in (0.01, 0.1):
        found = so.alternatives(instance, within, 2, settings=Settings(accuracy=1e-4), patience=math.inf)
        if found.status == "none":
            return
        assert found.status == "proven"
        for result in (found.cheapest, *(each.result for each in found.plans)):
            assert result.audit["ok"]
            assert result.status == found.cheapest.status
            assert result.total_cost <= found.cost_limit * (1 + 1e-5) + 1e-6
            assert result.survival_gap <= found.cheapest.survival_gap * (1 + 1e-5) + 1e-3
            for each in found.ranges:
                bought = sum(build.size for build in result.plan.builds if build.option == each.option)
                bought += sum(result.plan.fills.get(each.option, ()))
                slack = 1e-3 * max(1.0, each.greatest.size)
                assert each.least.bound - slack <= bought <= each.greatest.bound + slack
        for each in found.ranges:
            if each.option in before:
                slack = 2e-3 * max(1.0, before[each.option].greatest.size)
                assert each.least.size <= before[each.option].least.size + slack
                assert each.greatest.bound >= before[each.option].greatest.size - slack
        before = by_option(found)


@FEW
@given(instances())
def test_the_ranges_know_every_plan_that_is_shown(data: dict[str, Any]) -> None:
    """Also where there was no time to settle them: plans that differ may go beyond what was found before."""
    found = so.alternatives(so.read(data), 0.1, 2, settings=Settings(accuracy=1e-4), patience=0.0)
    for result in (found.cheapest, *(each.result for each in found.plans)):
        for each in found.ranges:
            bought = sum(build.size for build in result.plan.builds if build.option == each.option)
            bought += sum(result.plan.fills.get(each.option, ()))
            slack = 1e-3 * max(1.0, each.greatest.size)
            assert each.least.size - slack <= bought <= each.greatest.size + slack


@FEW
@given(instances())
def test_ranges_are_those_of_single_questions(data: dict[str, Any]) -> None:
    """Each end, asked as a question of its own without any of the shortcuts."""
    instance = so.read(data)
    found = so.alternatives(instance, 0.05, 0, settings=Settings(accuracy=1e-5), patience=math.inf)
    if found.cheapest.status != "survives":
        return
    with WhatIfSolver(instance, Settings(mip_gap=1e-6)) as asker:
        capped = at_most(cost, found.cost_limit, "cost")
        for each in found.ranges:
            slack = 1e-3 * max(1.0, each.greatest.size)
            least = asker.ask(problem=ProblemVariant(option_size(each.option), (capped,), "least"))
            greatest = asker.ask(problem=ProblemVariant(option_size(each.option, -1.0), (capped,), "greatest"))
            assert each.least.size == pytest.approx(least.value, abs=slack)
            assert each.greatest.size == pytest.approx(-greatest.value, abs=slack)


def test_a_relaxation_without_a_solution_proves_no_range(monkeypatch: pytest.MonkeyPatch) -> None:
    # There is a plan, so that the solver errs. Where searches have hardly any time, relaxations bound the ranges: a is
    # from 20 t and b up to 40 t, as worked above, and the cheapest plan has 60 t and none.
    usual, bounds = NearOptimalSearch.lower_bound, list[float]()

    def fail(near: NearOptimalSearch, objective: Expression) -> float:
        with monkeypatch.context() as patch:
            none = SolveResult("infeasible", None, math.inf, math.inf, None)
            patch.setattr(near.model, "solve_relaxed", lambda: none)
            bounds.append(usual(near, objective))
        return bounds[-1]

    monkeypatch.setattr(NearOptimalSearch, "lower_bound", fail)
    ranges = by_option(so.alternatives(so.read(three()), 0.1, patience=1e-3))
    assert set(bounds) == {-math.inf}
    assert ranges["a"].least.bound <= 20 * (1 + 1e-4)
    assert ranges["b"].greatest.bound >= 40 * (1 - 1e-4)


def test_less_than_what_is_proven_is_none() -> None:
    # Sizes are proven to 0.5 % of 1000 t, so to 5 t, and a fiftieth of that, 0.1 t, is noise.
    data = three() | {"options": {"pile": {"kind": "stockpile", "commodity": "magnet", "price": 1, "max_size": 1000}}}
    near: Any = SimpleNamespace(
        instance=so.read(data), found=[NearOptimalPlan({"pile": 0.0}, 0.0, Plan(), np.zeros(0))]
    )
    search = _OptionSearch(near, "pile", 5e-3)
    near.found.append(NearOptimalPlan({"pile": 0.09}, 0.0, Plan(), np.zeros(0)))
    for high, verdict in ((0.09, "never worth it"), (4.9, "never worth it"), (6.0, "not settled")):
        search.high = high
        assert (search.range(0.09).verdict, search.range(0.09).cheapest) == (verdict, 0.0)
        assert search.range(0.09).greatest.size == 0.0
    near.found.append(NearOptimalPlan({"pile": 0.11}, 0.0, Plan(), np.zeros(0)))
    assert (search.range(0.11).verdict, search.range(0.11).greatest.size) == ("real choice", 0.11)
    # Two plans that differ by noise are the same plan.
    apart = _Selection(near, [search.range(0.0)])
    assert apart.distance(near.found[0], near.found[1]) == 0.0
    assert apart.distance(near.found[0], near.found[2]) == pytest.approx(1.0)


def with_free_pile(**fields: Any) -> so.Instance:
    """Two years, a stop in the second: 60 t are held for it or made by `a`, 10 a tonne."""
    data = three() | {"horizon": {"start": 2026, "end": 2027, "step": "year"}}
    data["shocks"] = {"stop": data["shocks"]["stop"] | {"start": 2027}}
    pile = {"kind": "stockpile", "commodity": "magnet"} | fields
    return so.read(data | {"options": {"a": data["options"]["a"], "pile": pile}})


def test_plans_differ_in_what_is_not_free_without_limit() -> None:
    # Nothing costs anything but `a`, which the pile makes needless: up to 660 / 10 t of it are allowed, so 60.
    found = so.alternatives(with_free_pile(price=0), "0.66k", settings=EXACT, patience=math.inf)
    pile = by_option(found)["pile"]
    assert (by_option(found)["a"].greatest.size, pile.greatest.bound) == (pytest.approx(60), math.inf)
    assert any(plan.result.plan.sizes.get("a", 0.0) == pytest.approx(60) for plan in found.plans)


def test_a_stock_that_is_free_in_years_without_purchases_has_a_bound() -> None:
    # 60 t at 5 in 2026, or at most 30 more for another 150; the price of 0 lies after the horizon, or after `latest`.
    for fields in ({"price": {2027: 5, 2040: 0}}, {"price": {2026: 5, 2027: 0}, "latest": 2026}):
        found = so.alternatives(with_free_pile(**fields), "0.15k", plans=0, settings=EXACT, patience=math.inf)
        assert by_option(found)["pile"].greatest.bound == pytest.approx(90)


def test_a_range_is_proven_if_both_of_its_ends_are() -> None:
    ends = {proven: RangeEnd(10.0, 10.0, proven) for proven in (True, False)}
    proven = {
        (least, most): SizeRange("plant", "refining", 10.0, ends[least], ends[most], "must-have").proven
        for least in ends
        for most in ends
    }
    assert proven == {(True, True): True, (True, False): False, (False, True): False, (False, False): False}
