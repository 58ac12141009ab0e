"""The defender against the adversary: optima worked by hand, agreement with every attack written out."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import optimizer as so
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.problem import SearchResult
from optimizer.algorithms.reading import plan_values, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.robust import RobustPlan, WorstAttackModel, _RobustSearch, robust_plan
from optimizer.algorithms.separation.attacks import AttackOracle
from optimizer.audit.result import audit_result
from optimizer.disruptions.adversary import Attack
from optimizer.instance.altered import with_attacks
from optimizer.instance.schema import Instance
from optimizer.solver import Clock, Progress, Settings
from tests.strategies import besieged

EXACT = Settings(mip_gap=0.0)
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def robust(instance: Instance, oracle: AttackOracle | None = None) -> RobustPlan:
    return robust_plan(instance, EXACT, Clock(), lambda step: None, oracle=oracle)


def bought(instance: Instance, found: RobustPlan) -> dict[str, float]:
    """Sizes and purchases by option."""
    assert found.solved.values is not None
    plan = read_plan(instance, found.solved.builder, found.solved.values.tolist())
    sizes = {build.option: build.size for build in plan.builds}
    return sizes | {o: sum(fills) for o, fills in plan.fills.items() if sum(fills) > 0}


def struck(process: str, price: float) -> dict[str, Any]:
    return {"price": price, "cuts": [{"process": process, "severity": 1}]}


def market(attack_budget: float, works: float | None = None, **more: Any) -> dict[str, Any]:
    """Two suppliers of 100 t of magnets a year, 60 of which are to be had in every attack."""
    targets = {"east": struck("east", 2), "west": struck("west", 3)}
    return {
        "horizon": {"start": 2026, "end": 2027, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {
            "east": {"output": {"magnet": 1}, "capacity": 60},
            "west": {"output": {"magnet": 1}, "capacity": 40},
        },
        "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.6, "shortage_cost": 1000}},
        "options": {
            "reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50},
            "works": {
                "kind": "refining", "output": {"magnet": 1}, "capex": 30, "max_size": 100, "lead_time": 12,
                "latest": 2026,
            },
        },
        "adversary": {
            "attack_budget": attack_budget,
            "months": 12,
            "starts": [2027],
            "targets": targets | ({} if works is None else {"works": struck("works", works)}),
        },
    } | more  # fmt: skip


@pytest.mark.parametrize(
    ("attack_budget", "works", "cost", "plan"),
    [
        # It can afford nothing.
        (1, None, 0, {}),
        # East for 2 leaves 40 t of the 60: 20 t/yr of works at 30. West, for 3, leaves 60: no damage.
        (3, None, 600, {"works": 20}),
        # Both for 5: 60 t/yr at 30.
        (5, None, 1800, {"works": 60}),
        # The works are a target for 1: beside east it attacks them, so that only what is in store counts: 20 t at 50.
        (3, 1, 1000, {"reserve": 20}),
        # For 2 it can have east or the works, not both (4): 20 t/yr of works serve where east is attacked, and where
        # the works are, nobody needs them.
        (3, 2, 600, {"works": 20}),
        # East and west, or either and the works, for 5: both gone leave 60 t to the works (1800), east and works 20 t
        # to the reserve. In store 20 t, then 40 t/yr of works for both gone: 1000 + 1200. Or all 60 t in store: 3000.
        (5, 2, 2200, {"reserve": 20, "works": 40}),
    ],
)
def test_the_defender_looks_ahead_to_the_attack(
    attack_budget: float, works: float | None, cost: float, plan: dict[str, float]
) -> None:
    instance = so.read(market(attack_budget, works))
    for most in (1000, 0):
        found = robust(instance, AttackOracle(instance, EXACT, Clock(), most))
        assert found.solved.status == "optimal"
        assert found.solved.gap == 0.0
        assert found.solved.objective == pytest.approx(cost)
        assert bought(instance, found) == pytest.approx(plan)


def test_the_listed_shocks_are_survived_as_well() -> None:
    # Alone the shock asks for 60 - 0.5*100 = 10 t, and the attack on east for 20.
    shock = {"start": 2027, "months": 12, "cuts": [{"severity": 0.5, "process": ["east", "west"]}]}
    instance = so.read(market(3, shocks={"storm": shock}))
    assert robust(instance).solved.objective == pytest.approx(600)
    calmer = so.read(market(1, shocks={"storm": shock}))
    found = robust(calmer)
    assert (found.attacks, found.solved.objective) == ((), pytest.approx(300))


def test_the_audit_knows_the_attacks_that_shaped_a_plan() -> None:
    # East is attacked: works of 20 t/yr at 30. They are audited in that attack, which is no shock of the file.
    instance = so.read(market(3))
    result = so.solve(instance, settings=EXACT, adversary=True)
    assert [outcome.name for outcome in result.shocks] == ["attack{east}@2027"]
    assert audit_result(instance, result).ok
    assert so.verify(instance, result, "proof").report.ok
    (build,) = result.plan.builds
    forged = replace(result, plan=replace(result.plan, builds=(replace(build, size=19.0),)))
    assert not audit_result(instance, forged).ok


RIVALS = {
    "horizon": {"start": 2026, "end": 2027, "step": "year"},
    "commodities": {"x": {}, "y": {}},
    "processes": {name: {"output": {name: 1}, "capacity": 100} for name in ("x", "y")},
    "demands": {
        "of_x": {"commodity": "x", "quantity": 100, "survival": 0.5, "shortage_cost": 1000},
        "of_y": {"commodity": "y", "quantity": 100, "survival": 0.5, "shortage_cost": 2000},
    },
    "options": {f"{name}_store": {"kind": "stockpile", "commodity": name, "price": 10} for name in ("x", "y")},
    "adversary": {"attack_budget": 1, "months": 12, "starts": [2027], "targets": {n: struck(n, 1) for n in ("x", "y")}},
    "policy": {"budget": 600},
}  # fmt: skip


@pytest.mark.parametrize("most", [1000, 0])
def test_where_floors_fail_the_worst_attack_is_made_as_small_as_it_can_be(most: int) -> None:
    # 60 t can be stored, 50 of each are missing. It takes the worse of 1000·(50 − a) and 2000·(50 − b), a + b = 60:
    # alike where 50 − a = 2·(a − 10), a = 70/3; 80000/3 either way. (The sum of both would be least at b = 50, and then
    # it would take 40000.)
    instance = so.read(RIVALS)
    found = robust(instance, AttackOracle(instance, EXACT, Clock(), most))
    assert found.solved.gap == pytest.approx(80_000 / 3)
    assert found.solved.gap_bound == pytest.approx(80_000 / 3)
    assert found.solved.objective == pytest.approx(600)
    assert bought(instance, found) == pytest.approx({"x_store": 70 / 3, "y_store": 110 / 3})
    assert {attack.targets for attack in found.attacks} == {("x",), ("y",)}


def test_gaps_of_several_starts_are_added() -> None:
    # From 2026 on nothing is in store yet: y gone leaves 50 t at 2000. From 2027 on as above.
    data = RIVALS | {"adversary": RIVALS["adversary"] | {"starts": [2026, 2027]}}  # type: ignore[operator]
    for most in (1000, 0):
        instance = so.read(data)
        found = robust(instance, AttackOracle(instance, EXACT, Clock(), most))
        assert found.solved.gap == pytest.approx(100_000 + 80_000 / 3)
        assert found.solved.gap_bound == pytest.approx(100_000 + 80_000 / 3)
    result = so.withstand(instance, settings=EXACT)
    faced = result.adversary
    assert faced is not None
    assert (result.survival_gap, faced.gap) == (pytest.approx(380_000 / 3), pytest.approx(380_000 / 3))
    assert (faced.worst, result.worst_gap) == ("attack{y}@2026", pytest.approx(100_000))
    assert audit_result(so.read(result.data), result).ok


def test_of_plans_with_the_least_gap_the_cheapest_is_taken() -> None:
    # Only x can be stored. An attack on y leaves 50 t at 2000, whatever is done; x may leave as much: 0 stored, not 50.
    data = RIVALS | {"options": {"x_store": {"kind": "stockpile", "commodity": "x", "price": 10}}}
    found = robust(so.read(data))
    assert found.solved.gap == pytest.approx(100_000)
    assert found.solved.objective == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("most", [1000, 0])
@pytest.mark.parametrize(("works", "shortage_cost"), [(499_999.95, 10), (500_000, 0)])
def test_a_large_segment_hides_no_floor_of_a_small_one(most: int, works: float, shortage_cost: float) -> None:
    # Without imports 0.05 t of the 500,000 are missing, a twenty-millionth of demand and no violation, but 50,000 at 1M
    # a tonne; without the rare one 5 of 10 t, 50 at 10 a tonne, or nothing. So 5 t have to be stored, for 10 each.
    demand = {"quantity": 1e6, "survival": 0.5, "shortage_cost": 1e6}
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "commodities": {"m": {}, "n": {}, "k": {}},
            "processes": {
                "imports": {"output": {"m": 1}, "capacity": 1e6},
                "works": {"output": {"m": 1}, "capacity": works},
                "rare": {"output": {"n": 1}, "capacity": 10},
                "plenty": {"output": {"k": 1}, "capacity": 10},
            },
            "demands": {
                "large": demand | {"commodity": "m"},
                "small": demand | {"commodity": "n", "quantity": 10, "shortage_cost": shortage_cost},
                "cheap": demand | {"commodity": "k", "quantity": 10, "shortage_cost": 1},
            },
            "options": {"store": {"kind": "stockpile", "commodity": "n", "price": 10}},
            "adversary": RIVALS["adversary"] | {"targets": {n: struck(n, 1) for n in ("imports", "rare")}},  # type: ignore[operator]
        }
    )
    found = robust(instance, AttackOracle(instance, EXACT, Clock(), most))
    assert (found.solved.status, found.solved.objective) == ("optimal", pytest.approx(50))
    assert bought(instance, found) == pytest.approx({"store": 5})


def every_attack(instance: Instance) -> list[Attack]:
    oracle = AttackOracle(instance, EXACT, Clock())
    maximal = oracle.programmes.adversary.maximal(1000)
    assert maximal is not None
    return [Attack(names, start) for start in oracle.programmes.starts for names in maximal]


@FEW
@given(besieged())
def test_it_finds_what_the_model_finds_in_which_every_attack_is_written_out(data: dict[str, Any]) -> None:
    instance = so.read(data)
    written = with_attacks(instance, every_attack(instance))
    whole = solve_extensive_form(written, EXACT, Clock(), lambda step: None)
    for most in (1000, 0):
        found = robust(instance, AttackOracle(instance, EXACT, Clock(), most)).solved
        assert found.status == whole.status
        assert (found.gap > 0) == (whole.gap > 0)
        if whole.status == "optimal" and whole.gap <= 0:
            assert found.objective == pytest.approx(whole.objective, rel=1e-6, abs=1e-5)


@FEW
@given(besieged())
def test_with_every_attack_written_out_the_least_gap_is_the_same(data: dict[str, Any]) -> None:
    instance = so.read(data)
    found, attacks = robust(instance).solved, every_attack(instance)
    if not found.gap > 0:
        return
    shocks = with_attacks(instance, attacks).events
    names = {attack.name(instance.horizon) for attack in attacks}
    everything = WorstAttackModel(
        instance,
        shocks,
        EXACT,
        Clock(),
        lambda step: None,
    ).minimise_gap()
    assert found.gap == pytest.approx(everything.gap, rel=1e-5, abs=1e-3)
    assert found.objective == pytest.approx(everything.objective, rel=1e-5, abs=1e-2)
    # Nothing of this module: the plan's own gaps and the worst of all attacks, one shock at a time; the
    # starts are added.
    assert found.values is not None
    plan = read_plan(instance, found.builder, found.values.tolist())
    evaluator = RecourseEvaluator(with_attacks(instance, attacks))
    gaps = evaluator.gaps(plan_values(instance, plan, evaluator.subproblems.plan), Clock()).gap
    mine = sum(gap for gap, event in zip(gaps, evaluator.instance.events, strict=True) if event.name not in names)
    worst = dict[int, float]()
    for gap, event in zip(gaps, evaluator.instance.events, strict=True):
        if event.name in names:
            worst[event.periods.start] = max(gap, worst.get(event.periods.start, 0.0))
    assert mine + sum(worst.values()) == pytest.approx(found.gap, rel=1e-5, abs=1e-3)


@FEW
@given(besieged())
def test_a_richer_adversary_is_never_cheaper_to_face(data: dict[str, Any]) -> None:
    poorer = so.read(data)
    assert poorer.adversary is not None
    richer = so.read(data | {"adversary": data["adversary"] | {"attack_budget": poorer.adversary.attack_budget + 3}})
    one, other = robust(poorer).solved, robust(richer).solved
    if one.status == other.status == "optimal":
        assert other.gap >= one.gap * (1 - 1e-6) - 1e-3
        # Once a floor is missed that is free to miss, the others that are free need not be kept either.
        if one.gap == other.gap == 0 and not other.may_miss_floors:
            assert other.objective >= one.objective - 1e-6 * abs(one.objective) - 1e-5


def test_time_that_runs_out_is_said() -> None:
    instance, clock = so.read(market(5, 2)), Clock()

    def stop(step: Progress) -> None:
        clock.interrupted = clock.interrupted or step.round > 0

    found = robust_plan(instance, EXACT, clock, stop)
    assert found.solved.status == "stopped"
    assert any("topped" in note for note in found.solved.notes)


def test_a_stopped_search_keeps_the_plan_with_the_least_gap_and_then_the_least_cost() -> None:
    builder: Any = None
    search: Any = SimpleNamespace(_best=None, clock=Clock(), report_round=lambda *_: None)
    kept = []
    for gap, cost in ((5.0, 10.0), (7.0, 1.0), (5.0, 8.0), (5.0, 9.0), (4.0, 20.0)):
        found = SearchResult("optimal", builder, np.zeros(1), cost, gap=gap)
        search.model = SimpleNamespace(minimise_gap=lambda found=found: found)
        search._exceeding_attacks = lambda _, gap=gap: ([], gap)
        _RobustSearch._solve_gap(search)
        kept.append((search._best.gap, search._best.objective))
    assert kept == [(5, 10), (5, 10), (5, 8), (5, 8), (4, 20)]
