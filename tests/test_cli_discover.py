"""diversify sensitivity --discover: the answer first, plans that are given, clean JSON, exit codes."""

import csv
import json
import re
from pathlib import Path

import pytest
import yaml

import optimizer as so
from optimizer.report.tables.discovery import condition_text
from optimizer.studies.boxes import Bounds
from optimizer.studies.discovery_result import SampleDimension
from tests.test_cli import TINY, diversify
from tests.test_discovery import drawn, late

RANGES = (
    *("--set", "ranges.demands.motors.quantity={low: 0.7, high: 1.2, of: value}"),
    *("--set", "ranges.options.plant.lead_time={low: 12, high: 48}"),
)
FREE = float("inf")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("late") / "late.yaml"
    path.write_text(yaml.safe_dump(late()))
    return str(path)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_answer_comes_first_and_fits(file: str, columns: int) -> None:
    done = diversify("sensitivity", file, "--discover", "--samples", "200", columns=columns)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= columns
    words = " ".join(done.stdout.split())
    assert re.match(
        r"late: the plan fails in \d+ of 200 samples \(\d\d %\)\. It fails where motors: quantity is above (79|80)\S*"
        r" t/yr and plant: lead time is above 1[12]",
        words,
    )
    assert "The worst shock is stop in 100 % of the failures." in words
    assert "Both on the 100 samples held back, of which" in words


def test_several_boxes_have_a_row_each_and_one_together() -> None:
    words = " ".join(diversify("sensitivity", TINY, "--discover", "--samples", "400", *RANGES).stdout.split())
    assert words.startswith("tiny: the plan fails in 291 of 400 samples (73 %). Two boxes hold 100 % of the failures")
    assert "any in one of them or more" in words


def test_json_is_clean_and_the_rows_are_written(file: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    done = diversify("sensitivity", file, "--discover", "--samples", "200", "--seed", "3", "--json", "--csv", str(rows))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["status"], said["used"], said["held_back"]["samples"]) == ("done", 200, 100)
    (box,) = said["boxes"]
    assert [each["name"] for each in box["conditions"]] == ["demands.motors.quantity", "options.plant.lead_time"]
    assert said["together"] == {key: box[key] for key in said["together"]}
    with rows.open() as stream:
        written = list(csv.DictReader(stream))
    assert len(written) == 200
    assert sum(row["failed"] == "True" for row in written) == said["failed"]


def test_a_saved_plan_is_looked_at_as_it_is(file: str, tmp_path: Path) -> None:
    # Without the plant it fails wherever demand is above 80 t.
    plan = tmp_path / "plan.json"
    small = ("--set", "demands.motors.quantity=70", "--set", "ranges={}")
    assert diversify("solve", file, *small, "--output", str(plan)).returncode == 0
    done = diversify("sensitivity", file, "--discover", "--plan", str(plan), "--samples", "200", "--json")
    (box,) = json.loads(done.stdout)["boxes"]
    assert [each["name"] for each in box["conditions"]] == ["demands.motors.quantity"]
    assert box["conditions"][0]["low"] == pytest.approx(80, abs=1)
    moved = ("--set", "demands.motors.quantity={value: 70, low: 60, high: 75}")
    done = diversify("sensitivity", str(plan), "--discover", "--samples", "60", *moved)
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert words.startswith("late: the plan never fails: every floor is kept in all 60 samples. In 30 independent ones")
    assert "a probability of failure of at most 11.6 % (95 %)" in words


def test_a_plan_that_always_fails_and_failures_that_are_too_few() -> None:
    more = ("--set", "ranges.demands.motors.quantity={low: 1, high: 2, of: value}")
    words = " ".join(diversify("sensitivity", TINY, "--discover", "--samples", "60", *more).stdout.split())
    assert words.startswith("tiny: the plan always fails: some floor is missed in all 60 samples.")
    more = ("--set", "ranges.demands.motors.quantity={low: 0.5, high: 1.05, of: value}")
    words = " ".join(diversify("sensitivity", TINY, "--discover", "--samples", "60", *more).stdout.split())
    assert "there are too few failures to look for conditions. Raise --samples." in words
    more = ("--set", "ranges.demands.motors.quantity={low: 0.95, high: 2, of: value}")
    words = " ".join(diversify("sensitivity", TINY, "--discover", "--samples", "60", *more).stdout.split())
    assert "there are too few samples without a failure to look for conditions. Raise --samples." in words


def test_attacks_count_where_they_are_asked_for(file: str, tmp_path: Path) -> None:
    # No listed shock can be that bad: only the attack, which cuts all imports of 2027, breaks the plan.
    data = late()
    cut = data["shocks"]["stop"]["cuts"][0]
    data["shocks"]["stop"]["cuts"] = [{"region": "rival", "severity": 0.1}]
    targets = {"all": {"price": 5, "cuts": [cut]}}
    data["adversary"] = {"attack_budget": {"value": 10, "low": 0, "high": 10}, "months": 12, "starts": [2027]}
    data["adversary"]["targets"] = targets
    path = tmp_path / "attacked.yaml"
    path.write_text(yaml.safe_dump(data))
    plain = json.loads(diversify("sensitivity", str(path), "--discover", "--samples", "60", "--json").stdout)
    assert plain["failed"] == 0
    done = diversify("sensitivity", str(path), "--discover", "--samples", "300", "--adversary", "--json")
    (box,) = json.loads(done.stdout)["boxes"]
    lows = {each["name"]: each["low"] for each in box["conditions"]}
    assert lows == {
        "demands.motors.quantity": pytest.approx(80, abs=4),
        "options.plant.lead_time": pytest.approx(12, abs=1),
        "adversary.attack_budget": pytest.approx(5, abs=0.5),
    }


@pytest.mark.parametrize(
    "more",
    [("--discover", "--quick"), ("--discover", "--accuracy", "0.1"), ("--csv", "a.csv"), ("--plan", "a.json")],
)
def test_what_does_not_go_together_is_usage(more: tuple[str, ...]) -> None:
    done = diversify("sensitivity", TINY, *RANGES, *more)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_plan_whose_search_was_stopped_is_not_proven(file: str) -> None:
    done = diversify("sensitivity", file, "--discover", "--samples", "60", "--time-limit", "0")
    assert done.returncode == 5, done.stderr
    assert "The plan's status is stopped" in done.stderr


def test_without_anything_uncertain_the_exit_code_is_3() -> None:
    done = diversify("sensitivity", TINY, "--discover")
    assert done.returncode == 3
    assert "neither a range nor an ensemble to draw from" in done.stderr


@pytest.mark.parametrize(
    ("kind", "low", "high", "text"),
    [
        ("severity", 0.955, FREE, "severity of the drawn shock is above 95.5 %"),
        ("months", 12, 24, "length of the drawn shock is above 12 months and at most 24 months"),
        ("start", 2027, FREE, "the drawn shock starts after 2027"),
        ("start", -FREE, 2027, "the drawn shock starts by the end of 2027"),
        ("event", 0.5, FREE, "the drawn shock is trouble/ban"),
        ("event", -FREE, 0.5, "the drawn shock is not trouble/ban"),
    ],
)
def test_conditions_in_words(kind: str, low: float, high: float, text: str) -> None:
    dimension = SampleDimension("event: trouble/ban" if kind == "event" else kind, kind, 0, 1)  # type: ignore[arg-type]
    assert condition_text(drawn(), dimension, Bounds(0, low, high)) == text


def test_numbers_that_move_together_without_one_range_are_shares_of_the_way() -> None:
    data = late()
    data["demands"]["motors"]["quantity"] |= {"draw": "both"}
    data["options"]["plant"]["lead_time"] |= {"draw": "both"}
    instance = so.read(data)
    found = so.discover(so.solve(instance), instance, samples=200)
    # Demand is above 80 from a quarter of the way on, the lead time above 12 from a third.
    (box,) = found.boxes
    (bounds,) = box.box.bounds
    both = found.dimensions[bounds.column]
    assert bounds.low == pytest.approx(1 / 3, abs=0.02)
    assert condition_text(instance, both, bounds).startswith("Quantity of motors, lead time of plant is above 3")
    assert both.condition(bounds)["members"][1]["low"] == pytest.approx(6 + 18 * bounds.low)
