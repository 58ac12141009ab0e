"""What goes unserved in all where shocks are many: brief and delays by hand, and lines of older plan files.

Imports of 100 t a year serve 50 t of a and of b, both with a floor of a tenth. In 26 quarters they fall by 85 %, in the
last two years by 80 %: 2 x 80 = 160 t go unserved then, 90 of a, whose shortage is the cheaper one, and 70 of b. Value:
90 x 1000 + 70 x 3000 = 300k. In a quarter 21.25 t do: 11.25 of a and 10 of b.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.report.brief.content import alternatives_part, make_brief
from optimizer.report.brief.survival_parts import NOT_ALL, survival_part, unserved_part
from optimizer.studies.delays import find_delays
from optimizer.studies.shocks import is_known, unserved_money, unserved_tonnes
from optimizer.studies.verify import verify

QUARTERS = [f"{year}Q{quarter}" for year in range(2026, 2033) for quarter in range(1, 5)][:26]
DATA: Mapping[str, Any] = {
    "name": "many",
    "currency": "USD",
    "horizon": {"start": 2026, "end": 2034, "step": "quarter"},
    "commodities": {"magnet": {}},
    "processes": {
        "imports": {"region": "rival", "stage": "magnet", "output": {"magnet": 1}, "capacity": 100, "cost": 10}
    },
    "demands": {
        "a": {"commodity": "magnet", "quantity": 50, "survival": 0.1, "shortage_cost": 1000},
        "b": {"commodity": "magnet", "quantity": 50, "survival": 0.1, "shortage_cost": 3000},
    },
    "shocks": {
        "short": {"start": QUARTERS, "months": 3, "cuts": [{"region": "rival", "severity": 0.85}]},
        "long": {"start": "2033Q1", "months": 24, "cuts": [{"region": "rival", "severity": 0.8}]},
    },
}


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return so.read(DATA)


@pytest.fixture(scope="module")
def result(instance: so.Instance) -> so.Result:
    return so.solve(instance)


def older(result: so.Result) -> so.Result:
    """The same from a plan file whose lines name the weakest segment only, and do not say what goes unserved."""
    shocks = (
        outcome if outcome.flows else replace(outcome, unserved=None, segments={"a": outcome.segments["a"]})
        for outcome in result.shocks
    )
    text = replace(result, shocks=tuple(shocks)).to_json()
    return so.Result.from_dict(json.loads(text))


def part(instance: so.Instance, result: so.Result, name: str) -> dict[str, Any]:
    found: dict[str, Any] = make_brief(instance, result).to_dict()["parts"][name]
    return found


def test_a_line_says_what_goes_unserved_and_names_what_no_other_shock_leaves_as_short(result: so.Result) -> None:
    lines = {outcome.name: outcome for outcome in result.shocks if outcome.flows is None}
    assert list(lines) == ["short@2032Q1", "short@2032Q2", "long"]
    assert lines["short@2032Q1"].unserved == pytest.approx({"a": 11.25, "b": 10})
    assert lines["long"].unserved == pytest.approx({"a": 90, "b": 70})
    assert [list(line.segments) for line in lines.values()] == [["a"], ["a"], ["a", "b"]]
    assert all(outcome.unserved is None for outcome in result.shocks if outcome.flows)


def test_the_brief_counts_every_segment_of_a_line(instance: so.Instance, result: so.Result) -> None:
    rows = {
        row["shock"]: (row["shortage"], row["shortage_cost"]) for row in part(instance, result, "survival")["values"]
    }
    assert rows["long"] == pytest.approx((160, 300_000))
    # All dates leave as much: which of them is named is open.
    (short,) = (amounts for name, amounts in rows.items() if name.startswith("short, 26 dates, most unserved 20"))
    assert short == pytest.approx((21.25, 41_250))
    assert part(instance, result, "worst")["title"] == "The shock that leaves most unserved"
    worst = part(instance, result, "worst")["sentences"]
    assert worst[1] == "In all 160 t go unserved, 300k USD."
    assert worst[2] == "Hardest hit: b, 30 % served in 2033Q1 against a floor of 10 %, held."
    segments = part(instance, result, "unserved")["values"]
    assert [(row["segment"], row["shock"]) for row in segments] == [("b", "long"), ("a", "long")]
    assert [row["shortage"] for row in segments] == pytest.approx([70, 90])


def test_of_a_segment_that_a_line_does_not_name_the_tonnes_are_said(instance: so.Instance, result: so.Result) -> None:
    line = replace(result.shocks[-1], segments={"a": result.shocks[-1].segments["a"]})
    worst = part(instance, replace(result, shocks=(*result.shocks[:-1], line)), "worst")["sentences"]
    assert worst[2] == "Hardest hit: b, 70 t unserved, floor held."


def test_an_older_plan_file_says_at_least(instance: so.Instance, result: so.Result) -> None:
    read = older(result)
    assert not read.departures
    assert verify(instance, read).report.ok
    assert [is_known(instance, outcome) for outcome in read.shocks] == [True] * 24 + [False] * 3
    assert part(instance, read, "worst")["sentences"][1] == "In all at least 90 t go unserved, at least 90k USD."
    for made in (survival_part, unserved_part):
        known, less = made(instance, result).frame, made(instance, read).frame
        assert known
        assert less
        assert less.note == f"{known.note} {NOT_ALL}"


def test_a_plan_file_keeps_it(instance: so.Instance, result: so.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "plan.json")
    read = so.Result.load(tmp_path / "plan.json")
    assert read.shocks == result.shocks
    assert verify(instance, read).report.ok


@pytest.mark.parametrize("extent", ["arithmetic", "recourse"])
@pytest.mark.parametrize(
    ("update", "row"),
    [
        ({"unserved": {"a": 90.0, "b": 71.0}}, "long/b.unserved"),
        ({"unserved": {"a": 90.0, "b": 95.0}}, "long/b.unserved"),
        ({"unserved": {"a": 90.0}}, "long/b.unserved"),
        ({"unserved": {"a": 91.0, "b": 70.0}}, "long/a.unserved"),
        ({"unserved": {"a": 90.0, "b": 70.0, "c": 1.0}}, "long.unserved"),
    ],
)
def test_the_audit_finds_another_figure(
    instance: so.Instance, result: so.Result, extent: Any, update: dict[str, Any], row: str
) -> None:
    forged = replace(result, shocks=(*result.shocks[:-1], replace(result.shocks[-1], **update)))
    assert any(each.startswith(row) for each in verify(instance, forged, extent).report.disagreements)


def test_the_audit_bounds_what_a_line_does_not_name(instance: so.Instance, result: so.Result) -> None:
    # Of b 12.5 t are needed in a quarter, and 11.25 may go unserved.
    forged = list(result.shocks)
    forged[24] = replace(forged[24], unserved={"a": 11.25, "b": 11.3})
    assert any(each.startswith("short@2032Q1/b.unserved") for each in audit_result(
        instance, replace(result, shocks=tuple(forged))).disagreements)  # fmt: skip
    forged[24] = replace(forged[24], unserved={"a": 11.25, "b": 10.5})
    assert not verify(instance, replace(result, shocks=tuple(forged))).report.ok
    full = replace(result.shocks[0], unserved={"a": 11.25, "b": 10.0})
    changed = replace(result, shocks=(full, *result.shocks[1:]))
    assert any("it repeats its segments" in each for each in audit_result(instance, changed).disagreements)


@pytest.mark.parametrize("is_older", [False, True])
def test_a_delay_counts_every_segment_of_lines(*, is_older: bool) -> None:
    # A plant of 20 t a year that has to be ordered in 2026. In the last shock, all of 2026, 60 t go unserved with it,
    # 45 of a and 15 of b; a year later 80, 45 of a and 35 of b: 20 t more, 60k.
    data = json.loads(json.dumps(DATA))
    data["options"] = {"plant": {"kind": "refining", "output": {"magnet": 1}, "cost": 10, "capex": 1, "max_size": 20}}
    data["policy"] = {"force": {"plant": {2026: 20}}}
    data["shocks"]["long"] |= {"start": "2026Q1", "months": 12}
    data["shocks"]["short"]["start"] = [f"{int(label[:4]) + 1}{label[4:]}" for label in QUARTERS]
    instance = so.read(data)
    result = so.solve(instance)
    line = result.shocks[-1]
    assert (line.name, line.flows) == ("long", None)
    assert (unserved_tonnes(line), unserved_money(instance, line)) == pytest.approx((60, 90_000))
    if is_older:
        result = older(result)
    (delay,) = find_delays(instance, result, [("plant",)], so.Settings())
    assert (delay.shock, delay.gap) == ("long", 0)
    assert (delay.shortage, delay.shortage_cost) == pytest.approx((20, 60_000))


def test_doing_nothing_is_compared_without_samples_that_may_fail() -> None:
    # Without an option doing nothing is the plan. Cuts of 40 to 90 % leave 120 to 20 t of 200, and 70 are required:
    # samples fail from 65 % on, and one of them may.
    data = json.loads(json.dumps(DATA))
    data["demands"] = {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.7, "shortage_cost": 5000}}
    data["processes"]["imports"]["capacity"] = 200
    data["shocks"], cut = {}, {"region": "rival", "severity": {"uniform": [0.4, 0.9]}}
    data["ensembles"] = {"bans": {"count": 6, "seed": 3, "months": 12, "survive": 0.8, "cuts": [cut]}}
    instance = so.read(data)
    result = so.solve(instance)
    nothing = result.nothing
    assert nothing is not None
    assert nothing.counted is not None
    assert nothing.shocks_failed == sum(not outcome.survives for outcome in result.shocks) > 1
    assert nothing.counted.shocks_failed == nothing.shocks_failed - 1
    assert nothing.counted.gap == pytest.approx(nothing.gap - nothing.worst_gap)
    rows = part(instance, result, "alternatives")["values"]
    figures = [[row[key] for key in ("failed", "gap", "worst_gap")] for row in rows]
    assert figures[0] == pytest.approx(figures[1])
    assert figures[0] == pytest.approx([nothing.shocks_failed - 1, result.survival_gap, result.worst_gap])
    read = so.Result.from_dict(json.loads(result.to_json()))
    assert read.nothing == nothing
    assert verify(instance, read).report.ok
    forged = replace(nothing, counted=replace(nothing.counted, shocks_failed=nothing.shocks_failed))
    report = verify(instance, replace(result, nothing=forged)).report
    assert any(each.startswith("nothing.counted.shocks_failed") for each in report.disagreements)
    before = replace(result, nothing=replace(nothing, counted=None))
    frame = alternatives_part(instance, before, None, None).frame
    assert frame
    assert "count as survived, except where nothing is done." in frame.note
