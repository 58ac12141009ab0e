"""Scenarios: named sets of overrides, each the file that it makes."""

import json
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.instance.altered import without_shocks
from optimizer.instance.edits import resample, with_budget, with_required_purchases
from optimizer.instance.overrides import scenario_notes
from optimizer.instance.removal import leave_out

TINY = Path(__file__).parents[2] / "instances" / "tiny.yaml"
TEXT = """
scenarios:
  high:
    demands.motors.quantity: {2026: 100, 2030: 150}
    policy.budget: 30M
  later: {shocks.embargo.start: [2028], shocks.embargo.cuts.0.severity: [1, 0.5], options.plant.lead_time: 12}
  third:
    options.third plant: {kind: refining, output: {magnet: 1}, capex: 1k, max_size: 10}
    policy.force.third plant.2027: 10
"""


def load(tmp_path: Path, *overrides: str) -> so.Instance:
    file = tmp_path / "tiny.yaml"
    file.write_text(TINY.read_text(encoding="utf-8") + TEXT, encoding="utf-8")
    return so.load(file, overrides)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("high", ["demands.motors.quantity={2026: 100, 2030: 150}", "policy.budget=30M"]),
        (
            "later",
            ["shocks.embargo.start=[2028]", "shocks.embargo.cuts.0.severity=[1, 0.5]", "options.plant.lead_time=12"],
        ),
        (
            "third",
            [
                "options.third plant={kind: refining, output: {magnet: 1}, capex: 1k, max_size: 10}",
                "policy.force.third plant.2027=10",
            ],
        ),
    ],
)
def test_a_scenario_is_the_file_with_its_overrides(tmp_path: Path, name: str, overrides: list[str]) -> None:
    found = so.under(load(tmp_path), name)
    assert found == so.load(TINY, overrides)
    assert found != so.load(TINY)
    assert not found.scenarios


def test_scenarios_stay_raw_and_go_there_and_back(tmp_path: Path) -> None:
    instance = load(tmp_path)
    assert instance.scenarios["high"] == {"demands.motors.quantity": {"2026": 100, "2030": 150}, "policy.budget": "30M"}
    again = so.read(json.loads(json.dumps(instance.to_dict())))
    assert again == instance
    assert so.under(again, "third") == so.under(instance, "third")


def test_what_is_set_comes_first(tmp_path: Path) -> None:
    instance = load(tmp_path, "policy.budget=5M", "demands.motors.survival=0.2", "scenarios.poor={policy.budget: 1M}")
    assert so.under(instance, "high").policy.budget == 30e6
    assert so.under(instance, "high").demands["motors"].survival.at(2026) == 0.2
    assert so.under(instance, "later").policy.budget == 5e6
    assert so.under(instance, "poor").policy.budget == 1e6


def test_an_override_of_a_scenario_is_blamed_by_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(so.InstanceError) as error:
        load(tmp_path, "scenarios.high={policy.budget: -1}")
    (found,) = error.value.findings
    assert (found.file, found.where) == ("--set scenarios.high={policy.budget: -1}", "scenarios.high, policy.budget")


def test_an_unknown_scenario_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(so.InstanceError, match=r'"hihg" is no scenario\. Did you mean "high"\?'):
        so.under(load(tmp_path), "hihg")
    with pytest.raises(so.InstanceError, match="Known: high, later, third"):
        so.under(load(tmp_path), "nonsense")
    with pytest.raises(so.InstanceError, match="The file has none"):
        so.under(so.load(TINY), "high")


def test_a_new_key_of_a_scenario_or_branch_is_the_rest_of_its_path(tmp_path: Path) -> None:
    rule = "policy.max_share=[{commodity: magnet, region: rival, share: 0.9, from: 2029}]"
    added = ("scenarios.later.policy.budget=30M", "scenarios.high.demands.motors.quantity.2028=130")
    instance = load(tmp_path, rule, *added, "scenarios.new.options.plant.capex=1k")
    assert instance.scenarios["later"]["policy.budget"] == "30M"
    later = so.under(instance, "later").policy
    assert (later.budget, len(later.max_share)) == (30e6, 1)
    assert instance.scenarios["high"]["demands.motors.quantity"] == {"2026": 100, "2028": 130, "2030": 150}
    assert so.under(instance, "new").options["plant"].capex.at(2026) == 1e3
    branches = "futures={q: {from: 2028, branches: {a: {}, b: {}}}}"
    parted = load(tmp_path, rule, branches, "futures.q.branches.a.set.policy.budget=30M")
    assert [len(future.instance.policy.max_share) for future in parted.tree.futures] == [1, 1]


def test_variants_that_the_scenarios_do_not_know_have_none(tmp_path: Path) -> None:
    instance = load(tmp_path)
    assert with_budget(instance, 1e6).scenarios == instance.scenarios
    other = without_shocks(instance)
    assert not other.scenarios
    assert so.read(other.to_dict()) == other


@pytest.mark.parametrize("words", ["plant", "reserve", "refining", "plant, stockpile"])
def test_without_comes_before_a_scenario_or_after_it(tmp_path: Path, words: str) -> None:
    strikes = [
        "shocks.embargo.cuts=[{process: plant, severity: 0.5}, {region: rival, severity: 1}]",
        # The cut of the rival moves up where the plant goes; the plant's own cost in the embargo goes with it.
        "scenarios.cuts={shocks.embargo.cuts.1.severity: 0.4, shocks.embargo.cost.plant: 2}",
        "scenarios.more={options.press: {kind: refining, output: {magnet: 1}, fixed_cost: 1k, max_size: 9, "
        "requires: plant}}",
    ]
    instance = load(tmp_path, *strikes)
    left = so.without(instance, words)
    assert list(left.scenarios) == list(instance.scenarios)
    assert so.read(left.to_dict()) == left
    for name in instance.scenarios:
        assert so.under(left, name) == so.without(so.under(instance, name), words)
    assert left.scenarios["high"] == instance.scenarios["high"]


def test_a_scenario_of_what_is_gone_alone_changes_nothing(tmp_path: Path) -> None:
    left = leave_out(load(tmp_path, "scenarios={late: {options.plant.lead_time: 36}}"), "plant")
    assert left.instance.scenarios == {"late": {}}
    assert scenario_notes(left.instance, ["late"]) == ("Scenario late: sets nothing.",)
    assert so.under(left.instance, "late") == so.without(so.load(TINY), "plant")


def test_the_note_on_a_scenario_cuts_off_long_values(tmp_path: Path) -> None:
    mill = f"{{kind: refining, name: {'a mill ' * 20}, output: {{magnet: 1}}, capex: 1k, max_size: 9}}"
    (note,) = scenario_notes(load(tmp_path, f"scenarios={{big: {{options.mill: {mill}}}}}"), ["big"])
    assert note.startswith("Scenario big: options.mill={kind: refining, name: a mill a mill")
    assert note.endswith("….")
    assert len(note) < 100


def test_a_scenario_that_cannot_apply_any_longer_is_left_out(tmp_path: Path) -> None:
    # Under it the segment has no source but what is left out.
    only = "scenarios={gone: {processes: {}, shocks: {}}, high: {demands.motors.quantity: 120}}"
    left = leave_out(load(tmp_path, only), "plant, reserve")
    assert list(left.instance.scenarios) == ["high"]
    assert left.notes[-1] == "Scenario gone is left out: what it sets does not fit any longer."


def test_a_scenario_without_what_is_forced_is_left_out(tmp_path: Path) -> None:
    instance = load(tmp_path, "scenarios={record: {options: {}, shocks: {}}, high: {demands.motors.quantity: 120}}")
    forced = with_required_purchases(instance, [("plant", 2027, 40)])
    assert forced.notes == ("Scenario record is left out: it does not allow what is forced.",)
    assert forced.instance.scenarios == {"high": instance.scenarios["high"]}
    assert so.under(forced.instance, "high") == so.forcing(so.under(instance, "high"), [("plant", 2027, 40)])
    with pytest.raises(so.InstanceError, match='"plant" is no option'):
        so.forcing(so.under(instance, "record"), [("plant", 2027, 40)])


def test_samples_are_drawn_before_a_scenario_or_after_it(tmp_path: Path) -> None:
    instance = load(tmp_path)
    drawn = resample(instance, 3, seed=1)
    assert so.read(drawn.to_dict()) == drawn
    for name in instance.scenarios:
        assert so.under(drawn, name) == resample(so.under(instance, name), 3, seed=1)
    assert drawn.scenarios["high"] == instance.scenarios["high"]


def test_studies_apply_a_scenario_to_an_instance_without_an_option(tmp_path: Path) -> None:
    instance = load(tmp_path)
    other = so.without(instance, "reserve")
    alone = so.solve(other, scenario="high")
    assert alone.total_cost == so.solve(so.without(so.under(instance, "high"), "reserve")).total_cost
    compared = so.compare({"a": instance, "b": other}, facts=(), scenario="high")
    assert compared.columns[-1].case == "b, high"


def test_a_fault_of_the_file_is_not_said_of_every_scenario(tmp_path: Path) -> None:
    with pytest.raises(so.InstanceError) as error:
        load(tmp_path, "demands.motors.survival=2")
    assert [found.where for found in error.value.findings] == ["demands.motors.survival"]


def test_lines_are_those_inside_the_scenario(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    lines = [*TINY.read_text(encoding="utf-8").splitlines(), *TEXT.replace("max_size: 10", "colour: 10").splitlines()]
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(so.InstanceError) as error:
        so.load(file)
    said: dict[str, Any] = {found.what: found.line for found in error.value.findings}
    line = next(i for i, text in enumerate(lines, 1) if "colour" in text)
    assert said['"colour" is an unknown key'] == line
    assert said["max_size is missing"] == line
