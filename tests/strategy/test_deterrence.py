"""Deterrence: the plan withstands an attack or deters it. Cells worked by hand; every level and every attack tried."""

import copy
import dataclasses
import io
from collections.abc import Iterator
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from rich.console import Console

import optimizer as so
from optimizer.algorithms.relaxed_floors import write_deterrence
from optimizer.algorithms.robust import WorstAttackModel, robust_plan
from optimizer.algorithms.separation.attacks import AttackOracle, cheapest_violating_attack, with_listed_attacks
from optimizer.audit.result import audit_result
from optimizer.disruptions.adversary import Attack
from optimizer.formulation import extensive_form_model
from optimizer.instance.altered import with_attacks
from optimizer.instance.removal import without
from optimizer.instance.schema import Instance
from optimizer.report.narrative import facts
from optimizer.report.tables.attack import attack_parts
from optimizer.report.tables.render import show
from optimizer.solver import Clock, Settings
from optimizer.studies.solve import plan_columns
from tests.conftest import row_texts
from tests.strategies import deterring

CASES = Path(__file__).parents[1] / "cases" / "futures"
EXACT = Settings(mip_gap=0.0, accuracy=0.0)
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize(
    ("name", "cost", "gap"),
    [
        # Both are worked by hand in the files.
        ("hand_attack", 100.0, 900.0),
        ("hand_deter", 40.02, 0.0),
        ("deterrence_1000", 559394461.0530393, 0.0),
        ("deterrence_1116", 626968956.9058156, 0.0),
    ],
)
def test_cases(name: str, cost: float, gap: float) -> None:
    instance = so.load(CASES / f"{name}.yaml")
    result = so.withstand(instance, settings=EXACT)
    assert (result.total_cost, result.survival_gap) == (pytest.approx(cost, rel=1e-6), pytest.approx(gap, rel=1e-6))
    assert result.audit["ok"]
    assert audit_result(so.read(result.data), result).ok
    programmed = robust_plan(
        instance, EXACT, Clock(), lambda step: None, oracle=AttackOracle(instance, EXACT, Clock(), most=0)
    )
    assert (programmed.solved.objective, programmed.solved.gap) == (
        pytest.approx(cost, rel=1e-6),
        pytest.approx(gap, rel=1e-6),
    )


def strait(**changes: Any) -> dict[str, Any]:
    """10 t/yr from a rival, all of it needed. An attack costs 8 of 10; full leverage adds 5, so 0.4002 of it deters."""
    return {
        "horizon": {"start": 2027, "end": 2028, "step": "year"},
        "commodities": {"m": {}},
        "processes": {"imports": {"region": "rival", "output": {"m": 1}, "capacity": 10}},
        "demands": {"d": {"commodity": "m", "quantity": 10, "survival": 1, "shortage_cost": 1000}},
        "options": {
            "stock": {"kind": "stockpile", "commodity": "m", "price": 6, "max_size": 10},
            "chips": {"kind": "leverage", "region": "rival", "restraint": 0, "capex": 100, "max_size": 1},
        },
        "adversary": {
            "attack_budget": 10,
            "months": 12,
            "starts": [2028],
            "targets": {"ban": {"price": 8, "cuts": [{"region": "rival", "severity": 1}], "deterrence": {"chips": 5}}},
        },
    } | changes


def test_the_rows() -> None:
    # The attack lacks 10.001 - 8 = 2.001 of its deterrence: 5/2.001 per level. The floor is all of 10 t.
    instance = so.read(strait())
    attack = Attack(("ban",), 1).shock(instance.adversary, instance.horizon)  # type: ignore[arg-type]
    model = extensive_form_model(instance, [attack])
    write_deterrence(model, instance, [attack])
    ban = "attack{ban}@2028"
    (row,) = row_texts(model, "adversary", "deter")
    assert row == (
        f"{ban}/adversary.deter.2028: - 1 {ban}/adversary.deterred.2028 "
        f"+ {5 / 2.001:.10g} chips.size.2027 + {5 / 2.001:.10g} chips.size.2028 >= 0"
    )
    assert row_texts(model, "d", "floor") == [
        f"{ban}/d.floor.2028: - 10 {ban}/adversary.deterred.2028 - 1 {ban}/d.below.2028 + 1 {ban}/d.unserved.2028 <= 0"
    ]


def test_what_no_level_can_deter_has_no_integer() -> None:
    # 8 + 5·0.4 = 10 is not above 10 by a ten-thousandth.
    data = strait()
    data["options"]["chips"]["max_size"] = 0.4
    instance = so.read(data)
    attack = Attack(("ban",), 1).shock(instance.adversary, instance.horizon)  # type: ignore[arg-type]
    model = extensive_form_model(instance, [attack])
    before = list(model.rows)
    write_deterrence(model, instance, [attack])
    assert model.rows == before
    assert so.withstand(instance, settings=EXACT).total_cost == pytest.approx(60)


@pytest.mark.parametrize(
    ("price", "cost", "deterred"),
    [
        # Stock of 10 t costs 60, deterrence 40.02, and less where stock is dear; where it is cheap, 10 t at 3: 30.
        (6, 40.02, True),
        (3, 30, False),
    ],
)
def test_the_cheaper_of_the_two_is_taken(price: float, cost: float, deterred: bool) -> None:
    data = strait()
    data["options"]["stock"]["price"] = price
    result = so.withstand(so.read(data), settings=EXACT)
    assert result.total_cost == pytest.approx(cost)
    faced = result.adversary
    assert faced is not None
    ban = "attack{ban}@2028"
    assert (faced.attacks, faced.deterred) == (((), (ban,)) if deterred else ((ban,), ()))
    assert faced.costs == {ban: pytest.approx(10.001 if deterred else 8)}
    assert [outcome.name for outcome in result.shocks] == ([] if deterred else [ban])


def test_restraint_and_deterrence_act_together() -> None:
    # Full leverage keeps 60 % of what is cut. The cheap attack, for 2, cannot be deterred (2 + 5 < 10): 10 t are cut,
    # a level keeps 6 t, the rest comes from stock at 30 a t. Level 1: 100 + 4·30 = 220. All in stock: 300.
    data = strait()
    data["options"]["chips"]["restraint"] = 0.6
    data["options"]["stock"]["price"] = 30
    data["adversary"]["targets"]["ban"]["price"] = 2
    assert so.withstand(so.read(data), settings=EXACT).total_cost == pytest.approx(220)
    # For 8 it is deterred by 0.4002 of a level, and nothing has to be stored.
    data["adversary"]["targets"]["ban"]["price"] = 8
    assert so.withstand(so.read(data), settings=EXACT).total_cost == pytest.approx(40.02)


def test_listed_shocks_are_not_deterred() -> None:
    # The same cut as a listed shock: 10 t of stock at 6, and then the attack is survived as well.
    shock = {"start": 2028, "months": 12, "deliberate": True, "cuts": [{"region": "rival", "severity": 1}]}
    assert so.withstand(so.read(strait(shocks={"ban": shock})), settings=EXACT).total_cost == pytest.approx(60)


def test_what_counts_is_the_level_when_the_attack_begins() -> None:
    # A year of lead: in force from 2028 on, if it is bought in 2027. A level grows to 1.5 in its second year, so that
    # 0.4002/1.5 = 0.2668 deter: 26.68. Attacks from 2027 on cannot be deterred, and nothing is in store by then.
    data = strait()
    data["options"]["chips"] |= {"lead_time": 12, "strength": [0.5, 1.5]}
    assert so.withstand(so.read(data), settings=EXACT).total_cost == pytest.approx(26.68)
    data["adversary"]["starts"] = [2027, 2028]
    result = so.withstand(so.read(data), settings=EXACT)
    assert (result.survival_gap, result.total_cost) == (pytest.approx(10_000), pytest.approx(26.68))


def test_gaps_of_several_starts_are_added() -> None:
    # No stock and too little leverage: 10 t at 1000 in either year. Deterred in 2028 only, 10,000 are left; that is
    # what is minimised, not the worst of both.
    data = strait(policy={"budget": 50})
    data["adversary"]["starts"] = [2027, 2028]
    data["options"]["stock"]["max_size"] = 0
    del data["options"]["stock"]
    data["options"]["chips"]["lead_time"] = 12
    result = so.withstand(so.read(data), settings=EXACT)
    assert (result.survival_gap, result.total_cost) == (pytest.approx(10_000), pytest.approx(40.02))
    assert result.adversary is not None
    assert result.adversary.deterred == ("attack{ban}@2028",)
    data["policy"] = {"budget": 40}
    result = so.withstand(so.read(data), settings=EXACT)
    assert (result.survival_gap, result.worst_gap, result.adversary.gap) == (20_000, 10_000, 20_000)  # type: ignore[union-attr]
    assert result.total_cost == pytest.approx(0, abs=1e-6)


def test_an_attack_that_is_deterred_is_not_said_to_break_no_floor() -> None:
    instance = so.load(CASES / "hand_deter.yaml")
    said = dict(facts(instance, so.withstand(instance, settings=EXACT)))["Adversary"]
    assert "1 attack deterred" in said
    assert said.endswith("none of the others breaks a floor")


def test_the_audit_is_loud_where_deterrence_is_told_wrongly() -> None:
    result = so.withstand(so.load(CASES / "hand_attack.yaml"), settings=EXACT)
    instance, faced = so.read(result.data), result.adversary
    assert faced is not None
    assert audit_result(instance, result).ok
    (one,), (both,) = faced.attacks, faced.deterred
    for told in (
        dataclasses.replace(faced, costs=faced.costs | {one: 9.0}),
        dataclasses.replace(faced, costs={one: 10.0}),
        dataclasses.replace(faced, deterred=(both, "attack{b}@2028"), costs=faced.costs | {"attack{b}@2028": 10.0}),
        dataclasses.replace(faced, deterred=()),
    ):
        assert not audit_result(instance, dataclasses.replace(result, adversary=told)).ok
    # Half of the leverage deters nothing any more.
    plan = dataclasses.replace(
        result.plan, builds=tuple(dataclasses.replace(build, size=0.5) for build in result.plan.builds)
    )
    found = audit_result(instance, dataclasses.replace(result, plan=plan))
    assert any(
        "attack{a+b}@2028: the plan says deterred, the audit finds made (it costs the adversary 16" in line
        for line in found.disagreements
    )


def test_what_the_study_of_attacks_says() -> None:
    # Leverage is all that the budget of 100 buys beside 1 t: one source gone leaves 2·5 - 1 = 9 t. It costs the
    # adversary 6 and 4. Both gone would leave 2·10 - 1 = 19 t, for 12 and 8. With any outlay: leverage for 90 and 10 t
    # at 10 for one source, 190; or 20 t, 200.
    found = so.attack(so.load(CASES / "hand_attack.yaml"), settings=EXACT)
    assert (found.survives, len(found.shaping), len(found.deterred)) == (False, 1, 1)
    (both,), worst, breaking = found.deterred, found.worst, found.breaking
    assert (both.targets, both.price, both.cost, both.breaks) == (("a", "b"), 12, pytest.approx(20), True)
    assert both.gap == pytest.approx(1900)
    assert worst is not None
    assert (worst.price, worst.cost, worst.gap) == (6, pytest.approx(10), pytest.approx(900))
    assert breaking is not None
    assert found.to_dict()["least_attack_budget"] == pytest.approx(10 / 1.000099)
    # The attack budget has to cover the price in any case, also where the plan adds nothing to it.
    assert found.adversary.least_attack_budget(price=10, cost=10) == 10
    assert found.least is not None
    assert (found.least.status, found.least.outlay) == ("optimal", pytest.approx(190, rel=1e-6))
    # The plan as it is, against one who has 9: nothing breaks it, and a single source is deterred as well.
    poorer = so.load(CASES / "hand_attack.yaml", ["adversary.attack_budget=9"])
    given = so.attack(poorer, found.result)
    assert given.survives
    assert {each.targets for each in given.deterred} == {("a",), ("b",)}


def test_what_breaks_a_plan_reads_above_what_it_survives() -> None:
    # Deterred from 1e-4 above the attack budget on, 13.0013, less 1e-6 of it. So budgets above 13.0013 / 1.000099
    # = 13.000013 break it, in the box and at each start; 13.0000 would be one that it survives.
    changes = ["adversary.attack_budget=13", "adversary.targets.ban.price=12", "adversary.starts=[2027, 2028]"]
    found = so.attack(so.load(CASES / "hand_deter.yaml", changes), settings=EXACT)
    assert [each.cheapest and each.cheapest.cost for each in found.starts] == [pytest.approx(13.0013)] * 2
    text = io.StringIO()
    show(attack_parts, found, Console(file=text, width=120))
    lines = text.getvalue().splitlines()
    assert [line.split()[3] for line in lines if line.startswith("│ Breaks at")] == ["13.0001"]
    starts = lines[next(i for i, line in enumerate(lines) if line.startswith("Every start")) :]
    assert sum(" 13.0001 " in line for line in starts) == 2
    for attack_budget, survives in ((13.00001, True), (13.0001, False)):
        instance = so.load(CASES / "hand_deter.yaml", [*changes[1:], f"adversary.attack_budget={attack_budget}"])
        assert so.attack(instance, found.result).survives == survives


def test_without_the_option_nothing_deters() -> None:
    instance = so.load(CASES / "hand_attack.yaml")
    left = without(instance, "chips")
    assert left.adversary is not None
    assert left.adversary.deterrents == ()
    # 10 t of stock: both sources gone for two years leave 20 - 10 t.
    assert so.withstand(left, settings=EXACT).survival_gap == pytest.approx(1000, rel=1e-6)


def test_attacks_that_depend_on_the_plan_are_not_listed() -> None:
    with pytest.raises(so.InstanceError, match="they cannot be listed"):
        with_listed_attacks(so.load(CASES / "hand_attack.yaml"))


def leveraged(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[int, float]]]:
    """By all ways to buy leverage: the instance in which just that is bought and nothing deters, and what is bought."""
    years, halves = (2026, 2027, 2028), (0, 1, 2)
    for bought in product(halves, repeat=len(years)):
        if sum(bought) > 2:
            continue
        sizes = {year: 0.5 * half for year, half in zip(years, bought, strict=True) if half}
        fixed = copy.deepcopy(data)
        for target in fixed["adversary"]["targets"].values():
            del target["deterrence"]
        if sizes:
            fixed["options"]["chips"]["max_size"] = sum(sizes.values())
            fixed["policy"] = fixed["policy"] | {"force": {"chips": sizes}}
        else:
            del fixed["options"]["chips"]
        yield fixed, sizes


def undeterred(instance: Instance, data: dict[str, Any], sizes: dict[int, float]) -> list[Attack]:
    """All attacks that are affordable and not deterred, by plain arithmetic."""
    assert instance.adversary is not None
    chips, horizon, budget = data["options"]["chips"], instance.horizon, data["adversary"]["attack_budget"]
    targets, found = data["adversary"]["targets"], []
    strength = chips["strength"] if isinstance(chips["strength"], list) else [chips["strength"]]
    for start in instance.adversary.starts.periods(horizon):
        level = 0.0
        for year, size in sizes.items():
            if start >= (year - 2026) * 4 + chips["lead_time"] / 3:
                level += size * strength[min(horizon.year(start) - year, len(strength) - 1)]
        sets = chain.from_iterable(combinations(targets, size) for size in range(1, len(targets) + 1))
        for names in sets:
            price = sum(targets[name]["price"] for name in names)
            cost = price + level * sum(targets[name]["deterrence"]["chips"] for name in names)
            if price <= budget and cost < budget * 1.0001 - 1e-9:
                found.append(Attack(names, start))
    return found


def least(data: dict[str, Any], sizes: dict[int, float], whole: dict[str, Any]) -> tuple[bool, float, float]:
    """Whether a floor is missed, the least gap and the least cost where leverage is given and attacks are listed."""
    instance = so.read(data)
    written = with_attacks(instance, undeterred(instance, whole, sizes))
    model = WorstAttackModel(instance, written.events, EXACT, Clock(), lambda step: None)
    found = model.minimise_objective() or model.minimise_gap()
    if found.values is None:
        return True, np.inf, np.inf
    return found.may_miss_floors, found.gap, found.objective


@FEW
@given(deterring())
def test_it_is_the_best_of_all_levels_with_every_attack_written_out(data: dict[str, Any]) -> None:
    best = min(least(fixed, sizes, data) for fixed, sizes in leveraged(data))
    instance = so.read(data)
    for most in (1000, 0):
        oracle = AttackOracle(instance, EXACT, Clock(), most)
        found = robust_plan(instance, EXACT, Clock(), lambda step: None, oracle=oracle)
        if not np.isfinite(best[1]):
            assert found.solved.values is None
            continue
        assert found.solved.status == "optimal"
        assert found.solved.may_miss_floors == best[0]
        assert found.solved.gap == pytest.approx(best[1], rel=1e-5, abs=1e-3)
        if not best[0]:
            assert found.solved.objective == pytest.approx(best[2], rel=1e-6, abs=1e-5)


@FEW
@given(deterring())
def test_results_are_audited_and_the_least_budget_that_breaks_a_plan_is_that_of_all_sets(data: dict[str, Any]) -> None:
    instance = so.read(data)
    result = so.withstand(instance, settings=EXACT)
    if result.baseline is None:
        return
    assert audit_result(so.read(result.data), result).ok
    oracle = AttackOracle(instance, EXACT, Clock())
    names = oracle.programmes.names
    every = [s for size in range(len(names) + 1) for s in combinations(names, size)]
    for window in oracle.programmes.windows(plan_columns(oracle, result.plan)):
        below = oracle.impacts(window, oracle.programmes.sets(every), window.floor_costs).below
        costs = [oracle.cost(window, row) for row in oracle.programmes.sets(every)]
        broken = [cost for cost, part in zip(costs, below, strict=True) if part > 1e-6]
        cheapest = cheapest_violating_attack(oracle, window)
        assert (cheapest is None) == (not broken)
        if cheapest is not None:
            (mine,) = oracle.costs(plan_columns(oracle, result.plan), [cheapest.attack])
            assert mine == pytest.approx(min(broken))
