"""Every price of *What binds* against the same file solved again with the step taken."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import optimizer as so
from optimizer.instance.derived import display_name

TINY = Path(__file__).parents[1] / "instances" / "tiny.yaml"
CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
EXACT = so.Settings(mip_gap=0.0)
STEP = 1.01


def steps(instance: so.Instance) -> Iterator[tuple[str, str, float]]:
    """What binds, the key of the file that holds it, and the value after one step."""
    policy = instance.policy
    if policy.budget is not None:
        yield "the budget", "policy.budget", policy.budget * STEP
    for o, option in instance.options.items():
        name, share = display_name(instance, o), getattr(option, "min_utilisation", 0.0)
        for field, words in (
            ("max_size", "the largest stock of {}" if option.is_stock else "the largest size of {}"),
            ("max_share", "the share that {} can serve"),
            ("fill_rate", "the rate at which {} can be filled"),
            ("release_rate", "the rate at which {} can be released"),
        ):
            value = getattr(option, field, None)
            # A share and a level of leverage are 1 at most.
            is_share = field == "max_share" or (field == "max_size" and option.kind == "leverage")
            if value is not None and not (is_share and value * STEP > 1):
                yield words.format(name), f"options.{o}.{field}", value * STEP
        if share > 0:
            yield f"{name} having to run in the baseline", f"options.{o}.min_utilisation", share - 0.01


def objective(result: so.Result) -> float:
    return result.survival_gap if result.status == "gap" else result.total_cost


def is_continuous(instance: so.Instance) -> bool:
    """Whether a step cannot change integers, which prices hold as they are."""
    options = instance.options.values()
    return instance.tree.is_single and not any(
        each.is_fixed_charge or getattr(each, "unit_size", 0) for each in options
    )


CONTINUOUS = [path for path in CASES if is_continuous(so.load(path))]


@pytest.mark.parametrize("path", CONTINUOUS, ids=lambda path: path.stem)
def test_no_step_saves_more_than_its_price(path: Path) -> None:
    instance = so.load(path)
    result = so.solve(instance, settings=EXACT)
    worths = {price.what: price.worth for price in result.binding}
    for what, key, value in steps(instance):
        changed = so.solve(so.load(path, [f"{key}={value!r}"]), settings=EXACT)
        if changed.status == result.status:
            saved = objective(result) - objective(changed)
            assert saved <= worths.get(what, 0.0) * (1 + 1e-6) + 2e-6 * objective(result), (what, key)


PRICED = """
horizon: {start: 2026, end: 2029, step: year}
commodities: {magnet: {}}
home: home
processes:
  imports: {region: rival, output: {magnet: 1}, capacity: 1000, cost: 10}
  mill: {region: home, output: {magnet: 1}, capacity: 60, cost: 40}
demands: {all: {commodity: magnet, quantity: 100, survival: 1, shortage_cost: 1000}}
shocks: {embargo: {start: 2028, months: 12, cuts: [{region: rival, severity: 1}]}}
options: {plant: {kind: ally, region: friend, output: {magnet: 1}, cost: 10, max_size: 300, capex: 30, lead_time: 12}}
policy: {gap_price: 1}
"""


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation"])
def test_a_floor_that_just_holds_saves_what_it_costs_and_not_the_price_of_a_gap(strategy: str) -> None:
    # 40 of 100 t come from the plant at 30 a t. A point of the floor is 1 t, and 1 % of the mill 0.6 t.
    instance = so.read(yaml.safe_load(PRICED))
    result = so.solve(instance, settings=so.Settings(mip_gap=0.0, strategy=strategy))
    assert [each.what for each in result.binding] == [
        "the floor of all in embargo",
        "the capacity of mill in the shocks",
    ]
    assert [each.worth for each in result.binding] == pytest.approx([30, 18])
    assert [(each.key, each.shock) for each in result.binding] == [("all", "embargo"), ("mill", "embargo")]
    keys = result.frames.frame("limits").to_pandas()[["key", "shock"]]
    assert keys.to_numpy().tolist() == [["all", "embargo"], ["mill", "embargo"]]


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
def test_a_floor_that_just_holds_saves_no_gap_of_another_segment(strategy: str) -> None:
    # 8 of 10 t of gears can be had: a gap of 2 · 5000. A point of the floor is 0.1 t, and 1 % of the works 0.08 t. The
    # plant keeps the floor of magnets, whatever it is.
    data = yaml.safe_load(PRICED) | {"policy": {}}
    data["commodities"]["gear"] = {}
    data["processes"]["works"] = {"region": "home", "output": {"gear": 1}, "capacity": 8, "cost": 1}
    data["demands"]["gears"] = {"commodity": "gear", "quantity": 10, "survival": 1, "shortage_cost": 5000}
    result = so.solve(so.read(data), settings=so.Settings(mip_gap=0.0, strategy=strategy))
    assert result.survival_gap == pytest.approx(10_000)
    assert [each.what for each in result.binding] == [
        "the floor of gears in embargo",
        "the capacity of works in the shocks",
    ]
    assert [each.worth for each in result.binding] == pytest.approx([500, 400])


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
def test_floors_of_tiny_save_what_solving_again_saves(strategy: str) -> None:
    # A point in 2029 and 2030 is 2 t of the reserve, each 65k and 5k a year from 2026 to 2028. A larger reserve alone
    # saves nothing. Floors between given years are interpolated: that of 2028 is 0.5.
    settings = so.Settings(mip_gap=0.0, strategy=strategy)
    result, floors = so.solve(so.load(TINY), settings=settings), "demands.motors.survival"
    assert [(each.what, each.worth) for each in result.binding] == [
        ("the floor of motors in embargo@2029", pytest.approx(2 * (65e3 + 3 * 5e3))),
        ("the floor of motors in embargo@2027", pytest.approx(20e3)),
    ]
    for lower, worth in (("{2027: 0.3, 2028: 0.5, 2029: 0.69}", 160e3), ("{2027: 0.29, 2028: 0.49, 2029: 0.7}", 20e3)):
        changed = so.solve(so.load(TINY, [f"{floors}={lower}"]), settings=settings)
        assert result.total_cost - changed.total_cost == pytest.approx(worth)


def test_a_point_of_having_to_run_is_a_hundredth_of_capacity_by_hand() -> None:
    # Half of a plant of 100 t has to run in each of two years, at 20 a tonne more than imports: a point is 1 t a year.
    instance = so.read(
        {
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "commodities": {"magnet": {}},
            "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 200, "cost": 10}},
            "demands": {"all": {"commodity": "magnet", "quantity": 200, "survival": 0, "shortage_cost": 1000}},
            "options": {
                "plant": {"kind": "refining", "output": {"magnet": 1}, "cost": 30, "max_size": 100, "capex": 1}
                | {"min_utilisation": 0.5}
            },
            "policy": {"force": {"plant": {2026: 100}}},
        }
    )
    result = so.solve(instance, settings=EXACT)
    (price,) = (each for each in result.binding if "having to run" in each.what)
    assert (price.step, price.worth) == ("one point less", pytest.approx(40))
    note = result.frames.frame("limits").note
    assert "Having to run: a point is 1 % of capacity." in note
    assert "share of production" not in note


def test_what_binds_against_an_adversary_by_hand() -> None:
    # From 2029 on 70 of 100 t a year are required. 49k buy 49 / 65 t for the reserve, of 500k each below the floor; a
    # point of the floor is 1 t in each of two years.
    target = "{price: 1M, cuts: [{region: rival, severity: 1}]}"
    adversary = f"adversary={{attack_budget: 1M, months: 24, starts: 2029, targets: {{cut: {target}}}}}"
    result = so.solve(so.load(TINY, ["shocks={}", adversary, "policy.budget=4.9M"]), adversary=True)
    assert [(price.what, price.worth) for price in result.binding] == [
        ("the floor of motors in attack{cut}@2029", pytest.approx(1e6)),
        ("the budget", pytest.approx(49 / 65 * 500e3)),
    ]
    # What is saved is said: here a gap, and in tiny as it is, which survives, cost.
    said = "The gap is that of all shocks together."
    assert [said in each.frames.frame("limits").note for each in (result, so.solve(so.load(TINY)))] == [True, False]
