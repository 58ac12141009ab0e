"""Ranges of uncertain numbers: beside a number, by path, by pattern; there and back."""

import pickle
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.errors import OptimizerWarning
from optimizer.instance.altered import without_shocks
from optimizer.instance.edits import with_budget, with_numbers
from optimizer.io.load import inspect_document
from tests.test_alternatives import three

TINY = Path(__file__).parents[2] / "instances" / "tiny.yaml"


def test_beside_the_number_or_in_the_block_is_the_same() -> None:
    beside, block = three(), three()
    beside["options"]["a"]["capex"] = {"value": 10, "low": 5, "high": "0.02k"}
    block["ranges"] = {"options.a.capex": {"low": 5, "high": 20}}
    assert so.read(beside) == so.read(block)
    assert so.read(beside).options["a"].capex.at(2026) == 10  # type: ignore[union-attr]


def test_an_end_of_a_range_is_set_by_its_path() -> None:
    ends = ["ranges.options.*.capex={low: 0.8, high: 1.3, of: value}", "ranges.options.*.capex.high=2"]
    assert so.load(TINY, ends).ranges["options.plant.capex"].high == 2
    of_one = ["ranges.policy.budget={low: 10M, high: 25M}", "ranges.policy.budget.low=5M"]
    assert so.load(TINY, of_one).ranges["policy.budget"].low == 5e6
    with pytest.raises(so.InstanceError, match='Did you mean "high"'):
        so.load(TINY, [*ends, "ranges.options.*.capex.hi=2"])


def test_any_number_may_have_one_and_comes_back() -> None:
    data = three()
    data["discount_rate"] = {"value": 0.03, "low": 0, "high": 0.07}
    data["demands"]["motors"]["quantity"] = {2026: {"value": 100, "low": 80, "high": 130}, 2027: 100}
    data["shocks"]["stop"]["cuts"][0]["severity"] = {"value": 1, "low": 0.5, "high": 1}
    # The default, which would not be written without a range.
    data["options"]["b"]["lead_time"] = {"value": 0, "low": 0, "high": 12}
    data["options"]["c"]["ramp"] = [{"value": 1, "low": 0.5, "high": 1}]
    data["ranges"] = {"options.*.capex": {"low": 0.5, "high": 2, "of": "value"}}
    instance = so.read(data)
    assert set(instance.ranges) == {
        "discount_rate", "demands.motors.quantity.2026", "shocks.stop.cuts.0.severity", "options.b.lead_time",
        "options.c.ramp.0", "options.a.capex", "options.b.capex", "options.c.capex",
    }  # fmt: skip
    assert so.read(instance.to_dict()) == instance
    assert instance.to_dict()["options"]["c"]["ramp"] == [1]
    moved = with_numbers(instance, {"demands.motors.quantity.2026": 130, "options.b.capex": 2, "discount_rate": 0.07})
    assert moved.demands["motors"].quantity.at(2026) == 130
    assert moved.options["b"].capex.at(2026) == 22  # type: ignore[union-attr]
    assert (moved.discount_rate, moved.ranges) == (0.07, {})


def test_the_lengths_of_a_family_move_in_whole_periods() -> None:
    data = three()
    data["shocks"]["stop"] |= {"grid": {"months": [12, 24]}}
    del data["shocks"]["stop"]["months"]
    data["horizon"]["step"] = "quarter"
    data["ranges"] = {"shocks.stop.grid.months": {"low": 0.25, "high": 2, "of": "value"}}
    instance = so.read(data)
    # In quarters: 4 and 8 times 1.3 are 5.2 and 10.4, times 0.3 they are 1.2 and 2.4.
    for factor, months in ((1.3, (15, 30)), (0.3, (3, 6)), (2, (24, 48))):
        moved = with_numbers(instance, {"shocks.stop.grid.months": factor})
        assert moved.shocks["stop"].durations.values == months


def test_variants_share_what_they_do_not_change_and_change_nothing_else() -> None:
    instance = so.read(three() | {"ranges": {"options.*.capex": {"low": 0.5, "high": 2, "of": "value"}}})
    data = instance.to_dict()
    one, other = (with_numbers(instance, {f"options.{o}.capex": 2}) for o in ("a", "b"))
    assert one.options["c"] is other.options["c"] is with_numbers(instance, {}).options["c"]
    assert [one.options[o].capex.at(2026) for o in "abc"] == [20, 11, 10]  # type: ignore[union-attr]
    assert [other.options[o].capex.at(2026) for o in "abc"] == [10, 22, 10]  # type: ignore[union-attr]
    assert instance.to_dict() == data
    # In another process nothing is known by identity.
    sent: so.Instance = pickle.loads(pickle.dumps(instance))
    assert with_numbers(sent, {"options.a.capex": 2}) == one


def test_a_path_goes_before_a_pattern() -> None:
    data = three()
    data["ranges"] = {
        "options.*.capex": {"low": 0.5, "high": 2, "of": "value"},
        "options.a.capex": {"low": 9, "high": 11},
    }
    assert so.read(data).ranges["options.a.capex"].high == 11


def test_ranges_change_no_plan() -> None:
    plain, ranged = so.load(TINY), so.load(TINY, ["ranges.options.plant.capex={low: 100k, high: 400k}"])
    assert so.solve(ranged).plan == so.solve(plain).plan


def changed(instance: so.Instance) -> list[so.Instance]:
    return [
        with_budget(instance, 1),
        without_shocks(instance),
        so.without(instance, ["a"]),
        so.forcing(instance, [("b", 2026, 10)]),
    ]


def test_ranges_of_what_is_gone_go_with_it() -> None:
    data: dict[str, Any] = three() | {"policy": {"budget": {"value": 700, "low": 400, "high": 800}}}
    data["ranges"] = {"options.a.capex": {"low": 9, "high": 11}, "shocks.stop.cuts.0.severity": {"low": 0.5, "high": 1}}
    with pytest.warns(OptimizerWarning, match=r"The range of policy\.budget does not hold 1"):
        poorer, calm, smaller, forced = changed(so.read(data))
    assert set(poorer.ranges) == {"options.a.capex", "shocks.stop.cuts.0.severity"}
    assert set(calm.ranges) == {"options.a.capex", "policy.budget"}
    assert set(smaller.ranges) == {"shocks.stop.cuts.0.severity", "policy.budget"}
    assert set(forced.ranges) == {"options.a.capex", "shocks.stop.cuts.0.severity", "policy.budget"}
    for each in (poorer, calm, smaller, forced):
        assert so.read(each.to_dict()).ranges == each.ranges


def test_findings_name_the_line_of_the_number(tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    path.write_text(TINY.read_text().replace("capex: 200k", "capex: {value: 200k, low: 300k, high: 400k}"))
    with pytest.raises(so.InstanceError, match="the value 200000 of") as error:
        so.load(path)
    line = next(i for i, text in enumerate(path.read_text().splitlines(), 1) if "low: 300k" in text)
    assert error.value.findings[0].line == line


def test_a_scenario_may_replace_what_a_pattern_matches() -> None:
    text = ["ranges={options.*.lead_time: {low: 0.5, high: 1.5, of: value}}"]
    text += ["scenarios={cheap: {options.plant: {kind: refining, output: {magnet: 1}, capex: 1k, max_size: 10}}}"]
    text += ["options.line={kind: refining, output: {magnet: 1}, capex: 1k, max_size: 10, lead_time: 12}"]
    instance = so.load(TINY, text)
    assert sorted(instance.ranges) == ["options.line.lead_time", "options.plant.lead_time"]
    assert list(so.under(instance, "cheap").ranges) == ["options.line.lead_time"]
    anew = so.load(TINY, [*text, "scenarios.cheap.ranges={options.line.capex: {low: 500, high: 2k}}"])
    assert list(so.under(anew, "cheap").ranges) == ["options.line.capex"]


def test_patterns_are_counted_with_the_values_that_they_are_compared_with(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = "ranges={options.*.capex: {low: 0.5, high: 2, of: value}, demands.*.quantity: {low: 90, high: 110}}"
    values = len(inspect_document(TINY, patterns)[2].lines)
    monkeypatch.setattr("optimizer.instance.ranges.RANGE_VALUES", 2 * values)
    assert len(so.load(TINY, patterns).ranges) == 2
    monkeypatch.setattr("optimizer.instance.ranges.RANGE_VALUES", 2 * values - 1)
    with pytest.raises(so.InstanceError, match="2 patterns are too many for a file of so many values"):
        so.load(TINY, patterns)


def test_a_scenario_or_a_branch_may_replace_a_series_with_a_range_inside() -> None:
    """The range of 2028 has no number in the scenario, nor in the branch, whose series end in 2027."""
    series = {2026: 100, 2028: {"value": 120, "low": 100, "high": 150}}
    other = {"demands.d.quantity": {2026: 100, 2027: 130}}
    instance = so.read({
        "horizon": {"start": 2026, "end": 2028, "step": "year"},
        "commodities": {"m": {}},
        "processes": {"far": {"region": "rival", "output": {"m": 1}, "capacity": 200, "cost": 1}},
        "demands": {"d": {"commodity": "m", "quantity": series, "shortage_cost": 100}},
        "scenarios": {"more": other},
        "futures": {"q": {"from": 2027, "branches": {"more": {"set": other}, "same": {}}}},
    })  # fmt: skip
    assert list(instance.ranges) == ["demands.d.quantity.2028"]
    assert [list(future.instance.ranges) for future in instance.tree.futures] == [[], ["demands.d.quantity.2028"]]
    assert not so.under(instance, "more").ranges
