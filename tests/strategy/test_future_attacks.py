"""An adversary in each future: cells worked by hand; agreement with every attack written out."""

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.joint_recourse import evaluator_of
from optimizer.algorithms.problem import LEAST_COST, ProblemVariant
from optimizer.algorithms.robust import RobustPlans, WorstAttackModel, robust_plans
from optimizer.algorithms.separation.attacks import AttackOracle, attack_oracles
from optimizer.instance.altered import with_attacks
from optimizer.instance.edits import for_each_future
from optimizer.instance.questions import RiskMeasure
from optimizer.instance.schema import Instance
from optimizer.io.yaml_text import dump_yaml
from optimizer.results.futures import FuturesResult
from optimizer.solver import Clock, Progress, Settings
from optimizer.studies.futures.solve import _Search, search_futures
from tests.strategies import besieged
from tests.strategy.test_adversary import every_attack, market
from tests.strategy.test_deterrence import strait
from tests.test_cli import diversify

EXACT = Settings(mip_gap=0.0)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
RICHES = {
    "rich": {"probability": 0.4, "set": {"adversary.attack_budget": 5}},
    "poor": {"probability": 0.6, "set": {"adversary.attack_budget": 3}},
}


def fought(data: dict[str, Any]) -> FuturesResult:
    result = so.solve_futures(so.read(data), settings=EXACT, adversary=True)
    assert result.audit["ok"]
    return result


def sizes(result: FuturesResult) -> dict[tuple[str, tuple[str, ...]], float]:
    return {(each.option, each.futures): round(each.size, 4) for each in result.decisions}


# A rich adversary attacks east and west in 2028, and 60 t are needed; a poor one east, and 20 t. Works cost
# 30 a t in 2026, before anyone knows; reserves 50 a t in 2027.
BOTH = ("rich", "poor")


def riches(**policy: Any) -> dict[str, Any]:
    data = market(3, policy=policy, futures={"means": {"from": 2027, "branches": RICHES}})
    data["horizon"]["end"] = 2028
    data["adversary"]["starts"] = [2028]
    return data


def test_an_adversary_whose_means_depend_on_the_future() -> None:
    # A t of works beyond 20 saves 50 in the rich future: 0.4·50 = 20 < 30. 20·30 + 0.4·40·50 = 1400.
    result = fought(riches())
    assert (result.total_cost, result.survival_gap, result.status) == (pytest.approx(1400), 0, "survives")
    assert sizes(result) == {("works", BOTH): 20, ("reserve", ("rich",)): 40}
    rich, poor = (each.result for each in result.futures)
    assert rich.adversary is not None
    assert poor.adversary is not None
    assert (rich.adversary.attack_budget, poor.adversary.attack_budget) == (5, 3)
    assert (rich.adversary.attacks, poor.adversary.attacks) == (("attack{east+west}@2028",), ("attack{east}@2028",))


def test_the_joint_search_begins_with_the_attacks_that_the_futures_alone_needed() -> None:
    heard: list[Progress] = []
    so.solve_futures(so.read(riches()), settings=EXACT, adversary=True, listener=heard.append)
    rounds = [(each.shocks, each.violated) for each in heard if each.round and "alone" not in each.phase]
    assert rounds == [(2, 0), (2, 0)]


def test_the_worst_future_and_regret_count_attacks() -> None:
    # Worst: all in works, 60·30, for 30 + 50 is dearer where it is rich.
    result = fought(riches(objective="worst"))
    assert result.total_cost == pytest.approx(1800, rel=1e-6)
    # Alone: 1800 and 600. With w works regret is 30w + 50(60 - w) - 1800 and 30w - 600, equal at w = 36: 480.
    result = fought(riches(objective="regret"))
    assert result.total_cost == pytest.approx(480, rel=1e-6)
    assert [each.least_cost for each in result.futures] == [pytest.approx(1800), pytest.approx(600)]


def test_gaps_of_the_worst_attacks_are_weighted_by_the_futures() -> None:
    # 1000 buy 33⅓ t of works: 26⅔ t are missing where it is rich, worth 1000 a t, with probability 0.4.
    result = fought(riches(budget=1000))
    assert (result.status, result.survival_gap) == ("gap", pytest.approx(0.4 * 80_000 / 3))
    assert result.worst_gap == pytest.approx(80_000 / 3)
    assert result.total_cost == pytest.approx(1000)
    # 300 buy 10 t: 50 and 10 t are missing. The largest gap comes first.
    result = fought(riches(budget=300, objective="worst"))
    assert result.survival_gap == pytest.approx(0.4 * 50_000 + 0.6 * 10_000)
    assert [each.result.survival_gap for each in result.futures] == [pytest.approx(50_000), pytest.approx(10_000)]


def test_gaps_with_a_price_count_attacks() -> None:
    # A missing t costs 1000·0.06 = 60: in works 30 pay up to 20 t, for they serve both. In the rich future 0.4·60 = 24
    # a t are less than 30 for works, but 60 more than 50 for reserves. At 0.04 a missing t costs 40 < 50: 40 t missing.
    assert fought(riches(gap_price=0.06)).total_cost == pytest.approx(1400)
    result = fought(riches(gap_price=0.04))
    assert (result.total_cost, result.survival_gap) == (pytest.approx(600), pytest.approx(0.4 * 40_000))


def deterred_in(since: int, branches: dict[str, Any]) -> dict[str, Any]:
    return strait(futures={"ear": {"from": since, "branches": branches}})


def test_deterrence_in_one_future() -> None:
    # Where the rival does not listen, 10 t are stored at 6 a year before; else 0.4002 of a level deters for 40.02.
    deaf = {"deaf": {"set": {"adversary.targets.ban.deterrence": {"chips": 0}}}, "heeds": {}}
    result = fought(deterred_in(2027, deaf))
    assert result.total_cost == pytest.approx(0.5 * 60 + 0.5 * 40.02)
    assert [bool(each.result.adversary and each.result.adversary.deterred) for each in result.futures] == [False, True]
    # Known when it is too late to store anything: 10 t in both, which leave nothing to deter.
    assert fought(deterred_in(2028, deaf)).total_cost == pytest.approx(60)


def test_a_future_without_an_adversary() -> None:
    peace = {"war": {"probability": 0.25, "set": {"adversary": strait()["adversary"]}}, "peace": {"probability": 0.75}}
    data = deterred_in(2028, peace)
    del data["adversary"]
    result = fought(data)
    assert result.total_cost == pytest.approx(0.25 * 40.02)
    assert [each.result.adversary is None for each in result.futures] == [False, True]
    with pytest.raises(so.InstanceError, match="there is no adversary"):
        fought(data | {"futures": {}})
    with pytest.raises(so.InstanceError, match="several futures"):
        so.withstand(so.read(data))


def test_the_command_faces_the_adversary_of_each_future(tmp_path: Path) -> None:
    file = tmp_path / "riches.yaml"
    file.write_text(dump_yaml(riches()))
    done = diversify("solve", str(file), "--adversary", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total_cost"] == pytest.approx(1400)


@st.composite
def besieged_futures(draw: st.DrawFn) -> dict[str, Any]:
    """An instance with an adversary, whose means, targets or demand depend on one or two questions."""
    data, questions = draw(besieged()), {}
    sets = st.fixed_dictionaries(
        {},
        optional={
            "adversary.attack_budget": st.integers(0, 9),
            "adversary.targets.target0.price": st.integers(0, 5),
            "adversary.months": st.sampled_from([3, 6]),
            "adversary.starts": st.just(["2027Q3"]),
            "demands.cars.quantity": st.sampled_from([50, 70]),
            "options.option0.latest": st.just(2027),
        },
    )
    for i in range(draw(st.integers(1, 2))):
        branches = {"a": {"probability": 0.3, "set": draw(sets)}, "b": {"probability": 0.7, "set": draw(sets)}}
        questions[f"question{i}"] = {"from": draw(st.sampled_from([2026, 2027, "2027Q4", 2028])), "branches": branches}
    return data | {"futures": questions}


MEASURES = st.sampled_from(["expected", "worst", "regret", {"cvar": 0.6, "weight": 0.5}])


def robust(instance: Instance, most: int | None, problem: ProblemVariant) -> RobustPlans:
    oracles: list[AttackOracle | None] = (
        list(attack_oracles(instance.tree, EXACT, Clock()))
        if most is None
        else [AttackOracle(each.instance, EXACT, Clock(), most) for each in instance.tree.futures]
    )
    return robust_plans(instance, EXACT, Clock(), lambda step: None, evaluator_of(instance), oracles, problem)


def least_costs(written: Instance) -> tuple[float, ...] | None:
    """Those of the futures alone; None where one cannot be survived."""
    alone = []
    for future in written.tree.futures:
        instance = future.instance.replacing(
            policy=future.instance.policy.model_copy(update={"objective": RiskMeasure()})
        )
        alone.append(solve_extensive_form(instance, EXACT, Clock(), lambda step: None))
    if any(each.values is None or each.gap > 0 or each.may_miss_floors for each in alone):
        return None
    return tuple(each.objective for each in alone)


@FEW
@given(besieged_futures(), MEASURES)
def test_it_finds_what_the_model_finds_in_which_every_attack_is_written_out(data: dict[str, Any], measure: Any) -> None:
    instance = so.read(data | {"policy": data["policy"] | {"objective": measure}})
    written = for_each_future(instance, lambda each: with_attacks(each, every_attack(each)))
    least = least_costs(written) if measure == "regret" else ()
    if least is None:
        return
    problem = ProblemVariant(least_costs=least)
    whole = solve_extensive_form(written, EXACT, Clock(), lambda step: None, problem=problem)
    for most in (None, 0):
        found = robust(instance, most, problem).solved
        assert found.status == whole.status
        assert (found.gap > 0) == (whole.gap > 0)
        if whole.status == "optimal" and whole.gap <= 0:
            assert found.objective == pytest.approx(whole.objective, rel=1e-6, abs=1e-5)


@FEW
@given(besieged_futures(), st.sampled_from(["expected", "worst"]), st.sampled_from([0, 1000, None]))
def test_with_every_attack_written_out_the_least_gap_is_the_same(
    data: dict[str, Any], measure: str, budget: float | None
) -> None:
    policy = {} if budget is None else {"budget": budget}
    instance = so.read(data | {"policy": policy | {"objective": measure}})
    found = robust(instance, None, LEAST_COST).solved
    if found.values is None or not found.gap > 0:
        return
    shocks = for_each_future(instance, lambda each: with_attacks(each, every_attack(each))).tree.events
    everything = WorstAttackModel(instance, shocks, EXACT, Clock(), lambda step: None).minimise_gap()
    assert found.gap == pytest.approx(everything.gap, rel=1e-5, abs=1e-3)
    assert found.objective == pytest.approx(everything.objective, rel=1e-5, abs=1e-2)


@FEW
@given(besieged_futures(), st.sampled_from(["expected", "worst"]), st.sampled_from([0.01, 0.5]))
def test_with_every_attack_written_out_priced_gaps_are_worth_the_same(
    data: dict[str, Any], measure: str, price: float
) -> None:
    instance = so.read(data | {"policy": data["policy"] | {"objective": measure, "gap_price": price}})
    shocks = for_each_future(instance, lambda each: with_attacks(each, every_attack(each))).tree.events
    model = WorstAttackModel(instance, shocks, EXACT, Clock(), lambda step: None)
    everything, result = model.minimise_objective(), search_futures(instance, EXACT, Clock(), adversary=True)
    assert everything is not None
    assert (everything.values is None) == (not result.futures)
    if everything.values is not None:
        costs = [(each.probability, each.cost + price * each.result.survival_gap) for each in result.futures]
        mine = max(cost for _, cost in costs) if measure == "worst" else sum(p * cost for p, cost in costs)
        assert mine == pytest.approx(model.reported_cost_and_objective(everything.values)[1], rel=1e-5, abs=1e-3)


@FEW
@given(besieged_futures(), MEASURES, st.sampled_from([None, 0.01, 0.5]))
def test_results_are_audited(data: dict[str, Any], measure: Any, price: float | None) -> None:
    policy = data["policy"] | {"objective": measure} | ({} if price is None else {"gap_price": price})
    result = None
    with contextlib.suppress(so.InstanceError) if measure == "regret" else contextlib.nullcontext():
        result = search_futures(so.read(data | {"policy": policy}), EXACT, Clock(), adversary=True)
    if result is None or not result.futures:
        return
    assert result.audit["ok"]
    assert result.survives == all(each.result.survives for each in result.futures)
    for each in result.futures:
        least = 0.0 if each.result.adversary is None else each.result.adversary.gap
        assert each.result.survival_gap >= least * (1 - 1e-9)


@pytest.mark.parametrize(
    ("distance", "search", "survives", "status"),
    [
        (0.005, "optimal", True, "survives"),
        (0.005, "stopped", False, "gap"),
        (0.02, "stopped", True, "stopped"),
        (None, "stopped", False, "stopped"),
        (0.02, "optimal", True, "survives"),
    ],
)
@pytest.mark.parametrize("unproven", [(), ("a least cost",)])
def test_the_status_of_a_plan_of_several_futures(
    distance: float | None, search: str, *, survives: bool, status: str, unproven: tuple[str, ...]
) -> None:
    """It is proven within the MIP gap of 1 %; beyond it only a search that ran to its end, from proven least costs."""
    run: Any = SimpleNamespace(settings=Settings(mip_gap=0.01))
    results: Any = [SimpleNamespace(survives=True), SimpleNamespace(survives=survives)]
    expected = "stopped" if unproven and distance != 0.005 else status
    assert _Search._status(run, results, distance, search, unproven) == expected
