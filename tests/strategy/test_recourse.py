"""What a plan can do in each shock: by hand, warm as cold, and never worse for a better plan."""

from typing import Any

import numpy as np
import pytest
from highspy import Highs, HighsStatus
from hypothesis import HealthCheck, given, settings

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.reading import do_nothing_plan, plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.instance.derived import free_floors
from optimizer.results.plan import Build, Plan
from optimizer.solver import Clock, Settings
from optimizer.solver.highs import HighsBackEnd
from tests.strategies import instances

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_a_shock_by_hand() -> None:
    # 12 t in store lose 10 % a year: 10.8 t in 2027, 20 t come from a friend at 40. Floor 80: 49.2 t short, at 1000.
    # Serving costs less than going short: all 30.8 t are used, 69.2 t go unserved.
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "commodities": {"magnet": {}},
            "processes": {
                "imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000, "cost": 10},
                "friend": {"region": "friend", "output": {"magnet": 1}, "capacity": 20, "cost": 40},
            },
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000}},
            "options": {
                "reserve": {"kind": "stockpile", "commodity": "magnet", "initial": 12 / 0.9, "loss": 0.1, "price": 50}
            },
            "shocks": {"embargo": {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}]}},
        }
    )
    plan = do_nothing_plan(instance)
    assert plan.stocks["reserve"] == (pytest.approx(12), pytest.approx(10.8))
    answer = RecourseEvaluator(instance).operate(plan_values(instance, plan), Clock(), {})["embargo"]
    assert answer.gap == pytest.approx(49_200)
    assert answer.flows["all", "unserved"] == (pytest.approx(69.2),)
    assert answer.flows["reserve", "released"] == (pytest.approx(10.8),)
    assert answer.flows["friend", "activity"] == (pytest.approx(20),)


def test_each_programme_starts_warm_whatever_ran_before_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    # HiGHS keeps the number of threads of its first run, and refuses to run with another one.
    first = Highs()
    first.setOptionValue("output_flag", False)
    first.resetThreadScheduler(True)
    first.setOptionValue("threads", 2)
    first.addVar(0.0, 1.0)
    assert first.run() == HighsStatus.kOk
    monkeypatch.setattr(HighsBackEnd, "retry_undecided", lambda *_: pytest.fail("the programme was solved once more"))
    instance = so.load("instances/tiny.yaml")
    evaluator = RecourseEvaluator(instance)
    assert evaluator.do_nothing(Clock()).fails.any()


@pytest.mark.parametrize(("size", "gap_limit"), [(50 - 5e-7, np.nan), (40 - 5e-7, 100.0)])
def test_a_floor_missed_within_tolerance_is_valued_as_kept(size: float, gap_limit: float) -> None:
    # Half of 100 t has to be served; going short costs 10, a tonne from the plant 40. Of 50 t a hundred-millionth is
    # missing: it still is 50 · 40 + 50 · 10, not the 100 · 10 of leaving the floor alone. So with the 10 t that a
    # gap limit of 100 lets go: 40 · 40 + 60 · 10.
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2026, "step": "year"},
            "discount_rate": 0,
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000, "cost": 10}},
            "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 10}},
            "options": {
                "plant": {"kind": "refining", "output": {"magnet": 1}, "cost": 40, "capex": 1, "max_size": 100}
            },
            "shocks": {
                "embargo": {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 1}], "probability": 1}
            },
        }
    )
    plan = Plan((Build("plant", "refining", 0, 2026, instance.horizon.label(0), size, opened=False),))
    evaluator, values = RecourseEvaluator(instance), np.array(plan_values(instance, plan))
    one = np.zeros(1, dtype=np.intp), np.ones(1)
    found = evaluator.subgradients(values, Clock(), "subgradients of costs", *one, gap_limits=np.array([gap_limit]))
    kept = round(size) * 40 + (100 - round(size)) * 10
    assert (found.cost[0], found.fails[0]) == (pytest.approx(kept), False)
    assert evaluator.costs(evaluator.operate_batches(values, Clock(), {"embargo": gap_limit})) == pytest.approx([kept])
    # A cut is never above the truth: a larger plant serves no more than it has to, at the same cost.
    assert found.subgradient[0][evaluator.subproblems.plan.column_index()["", "plant", "size"][0]] <= 1e-6


def free_to_miss(friend: float) -> dict[str, Any]:
    """Half of 100 t of cars and of toys each has to be served; going short of toys costs nothing."""
    return {
        "horizon": {"start": 2026, "end": 2026, "step": "year"},
        "discount_rate": 0,
        "commodities": {"magnet": {}},
        "processes": {
            "imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000, "cost": 10},
            "friend": {"region": "friend", "output": {"magnet": 1}, "capacity": friend, "cost": 40},
        },
        "demands": {
            "cars": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 1000},
            "toys": {"commodity": "magnet", "quantity": 100, "survival": 0.5, "shortage_cost": 0},
        },
        "shocks": {
            "embargo": {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": 1}], "probability": 0.5}
        },
    }


@pytest.mark.parametrize(
    ("friend", "fails", "cost"),
    [
        # Nobody serves what is free to miss once it is missed: 60 t go to the cars, which still lack 40.
        (60, True, 60 * 40 + 40 * 1000),
        # Both floors can be kept, so they are: the toys take 50 t that the cars would have paid 1000 for.
        (100, False, 100 * 40 + 50 * 1000),
    ],
)
def test_a_floor_that_is_free_to_miss_is_a_floor(friend: float, fails: bool, cost: float) -> None:
    instance = so.read(free_to_miss(friend))
    evaluator, values = RecourseEvaluator(instance), plan_values(instance, do_nothing_plan(instance))
    idle = evaluator.do_nothing(Clock())
    assert (idle.gap.tolist(), idle.fails.tolist()) == ([0], [fails])
    (response,) = evaluator.do_nothing_responses(Clock())
    cars, toys = response.unserved[0, :, 0]
    assert cars <= 50 + 1e-9
    assert max(0.0, toys - 50) == pytest.approx(40 if fails else 0)
    assert evaluator.costs(evaluator.operate_batches(values, Clock(), {"embargo": 0.0})) == pytest.approx([cost])
    for strategy in ("extensive-form", "constraint-generation", "benders"):
        result = so.solve(instance, settings=Settings(mip_gap=0.0, strategy=strategy))  # type: ignore[arg-type]
        assert (result.status, result.survival_gap) == ("gap" if fails else "survives", 0)
        # In the baseline nobody serves the toys either: 100 t at 10.
        assert result.total_cost == pytest.approx(0.5 * 1000 + 0.5 * cost)
        assert result.nothing is not None
        assert result.nothing.shocks_failed == int(fails)


@pytest.mark.parametrize("gap_limit", [0.0, np.nan])
def test_a_floor_that_is_free_to_miss_is_kept_where_rounding_is_all_that_is_missing(gap_limit: float) -> None:
    # Of the 100 t that both floors take 1e-9 t are missing: the toys do without these, and not without all 50 t.
    instance = so.read(free_to_miss(100 - 1e-9))
    evaluator, values = RecourseEvaluator(instance), plan_values(instance, do_nothing_plan(instance))
    found = evaluator.costs(evaluator.operate_batches(values, Clock(), {"embargo": gap_limit}))
    assert found == pytest.approx([100 * 40 + 50 * 1000])


def test_a_shock_may_bring_the_floor_that_is_free_to_miss() -> None:
    data = free_to_miss(60)
    assert free_floors(so.read(data)) == ["toys"]
    toys, (shock,) = data["demands"]["toys"], data["shocks"].values()
    del toys["survival"]
    assert free_floors(so.read(data)) == []
    shock["survival"] = {"toys": 0.5}
    assert free_floors(so.read(data)) == ["toys"]


@FEW
@given(instances())
def test_warm_answers_are_those_of_a_fresh_start(data: dict[str, Any]) -> None:
    instance = so.read(data)
    found = solve_extensive_form(instance, Settings(mip_gap=0.0), Clock(), lambda step: None)
    assert found.values is not None
    best = plan_values(instance, read_plan(instance, found.builder, found.values.tolist()))
    idle = plan_values(instance, do_nothing_plan(instance))
    warm = RecourseEvaluator(instance)
    for plan in (idle, best, idle, best):
        again, fresh = warm.gaps(plan, Clock()), RecourseEvaluator(instance).gaps(plan, Clock())
        assert again.gap == pytest.approx(fresh.gap, rel=1e-6, abs=1e-3)
        assert again.fails.tolist() == fresh.fails.tolist()


@FEW
@given(instances())
def test_a_plan_leaves_no_more_than_doing_nothing(data: dict[str, Any]) -> None:
    instance = so.read(data)
    found = solve_extensive_form(instance, Settings(mip_gap=0.0), Clock(), lambda step: None)
    assert found.values is not None
    plan = plan_values(instance, read_plan(instance, found.builder, found.values.tolist()))
    evaluator = RecourseEvaluator(instance)
    left = evaluator.gaps(plan, Clock())
    idle = evaluator.gaps(plan_values(instance, do_nothing_plan(instance)), Clock())
    assert left.gap.sum() <= idle.gap.sum() * (1 + 1e-6) + 1e-3
    assert left.gap.sum() == pytest.approx(found.gap, rel=1e-6, abs=1e-3)


def test_each_shock_of_a_batch_has_its_own_gap() -> None:
    """Of 100 t, half has to be served; what a cut leaves serves it, at 1,000 a tonne below the floor."""
    data = free_to_miss(0)
    del data["demands"]["toys"]
    data["processes"]["imports"]["capacity"] = 100
    severity = {"all": 1.0, "third": 0.3, "most": 0.9, "half": 0.5, "much": 0.8, "more": 0.6}
    data["shocks"] = {
        name: {"start": 2026, "months": 12, "cuts": [{"region": "rival", "severity": cut}]}
        for name, cut in severity.items()
    }
    instance = so.read(data)
    found = RecourseEvaluator(instance).do_nothing(Clock())
    gaps = {event.name: gap for event, gap in zip(instance.events, found.gap.tolist(), strict=True)}
    short = {"all": 50e3, "third": 0, "most": 40e3, "half": 0, "much": 30e3, "more": 10e3}
    assert gaps == pytest.approx(short)


def test_a_solution_that_drifts_from_its_basis_is_computed_again() -> None:
    """Updates of a basis let 4 g of 850 t of magnets leave an empty stock, and the audit disagreed with the plan."""
    instance = so.without(so.load("instances/eu-2030.yaml"), "recycling")
    assert so.solve(instance, settings=Settings(jobs=1)).audit["ok"]
