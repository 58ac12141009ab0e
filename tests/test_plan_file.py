"""Plans that are given: written by hand, saved, or as a table; and everything that can be wrong with them at once."""

import json
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.errors import GivenPlanError
from optimizer.report.tables.plan import write_csv

ROOT = Path(__file__).parent.parent
TINY = ROOT / "instances" / "tiny.yaml"


@pytest.fixture(scope="module")
def tiny() -> so.Instance:
    return so.load(TINY)


@pytest.fixture(scope="module")
def solved(tiny: so.Instance) -> so.Result:
    return so.solve(tiny)


def quarters() -> so.Instance:
    """`tiny` by quarters, with decisions in every half of a year that begins a quarter."""
    return so.load(TINY, ["horizon={start: 2026, end: 2030, step: quarter, decide: quarter}"])


def written(folder: Path, text: str, name: str = "plan.yaml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def findings(path: str, instance: so.Instance) -> list[str]:
    with pytest.raises(GivenPlanError) as caught:
        so.load_plan(path, instance)
    return [str(finding).replace(path, "F") for finding in caught.value.findings]


def test_a_plan_in_ten_lines(tmp_path: Path, tiny: so.Instance) -> None:
    text = "name: mine\nbuilds:\n  plant: {2026: 20}\npurchases:\n  reserve: {2027: 30, 2026: 0.04k}\n"
    found = so.load_plan(written(tmp_path, text), tiny)
    assert (found.name, found.file) == ("mine", str(tmp_path / "plan.yaml"))
    (build,) = found.plan.builds
    assert (build.option, build.t, build.period, build.size, build.opened) == ("plant", 0, "2026", 20.0, True)
    assert found.plan.fills == {"reserve": (40.0, 30.0, 0.0, 0.0, 0.0)}
    assert found.plan.stocks == {"reserve": (40.0, 70.0, 70.0, 70.0, 70.0)}
    assert found.lines == {("plant", 0): 3, ("reserve", 0): 5, ("reserve", 1): 5}


def test_a_year_is_spread_over_its_periods_and_a_decision_has_one(tmp_path: Path) -> None:
    text = "builds: {plant: {2027Q3: 20}}\npurchases: {reserve: {2026: 40, 2027Q2: 5}}\n"
    found = so.load_plan(written(tmp_path, text), quarters())
    assert found.plan.builds[0].t == 6
    assert found.plan.fills["reserve"][:7] == (10.0, 10.0, 10.0, 10.0, 0.0, 5.0, 0.0)
    assert found.name == "plan"


def test_everything_wrong_comes_at_once_with_line_and_cure(tmp_path: Path, tiny: so.Instance) -> None:
    text = """build: {}
builds:
  plnt: {2027: 20}
  reserve: {2027: 20}
  plant: {2026: 20, 2028: -3, 2019: 4, 2027Q3: 3, 2027: 5, 2029: many}
purchases:
  reserve: 300
  plant: {2027: 3}
"""
    assert findings(written(tmp_path, text), tiny) == [
        'F:1: build: "build" is an unknown key. Did you mean "builds"?',
        'F:3: builds.plnt: "plnt" is no option of tiny. Did you mean "plant"?',
        "F:4: builds.reserve: reserve is of kind stockpile, and stands under builds. Move it to purchases.",
        "F:5: builds.plant.2028: -3 is negative. Write 0 or more.",
        "F:5: builds.plant.2019: tiny has no period 2019. Choose a period from 2026 to 2030.",
        "F:5: builds.plant.2027Q3: tiny has no period 2027Q3. Write it as a year, the step of this horizon, such as "
        "2026.",
        "F:5: builds.plant.2027: plant is bought in 2026 as well, and with a fixed cost or a min_size it is bought "
        "once or not at all. Write one year, with the whole size.",
        'F:5: builds.plant.2029: "many" is not a number. Write a plain number, or one such as 2.5B, 250M, 40k.',
        'F:7: purchases.reserve: "300" says no year. Write {2027: size}.',
        "F:8: purchases.plant: plant is of kind refining, and stands under purchases. Move it to builds.",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "name: x\n", "names neither builds nor purchases"),
        ("a.yaml", "builds: [plant]\n", "F:1: builds: is no mapping"),
        ("a.yaml", "builds: {plant\n", "cannot be read as YAML"),
        ("a.yaml", "- plant\n", "holds no mapping. Write `builds: {option: {2027: size}}`"),
        ("a.csv", "option,size\nplant,20\n", "F:1: has no column year. Write the columns option, period and size."),
        ("a.csv", "option,period,size\nplant,2026,\n", 'F:2: builds.plant.2026: "" is not a number.'),
        ("a.csv", "option,period,size,on_line\nreserve,2026,20,2027\n", "and no purchased.csv beside it"),
        ("a.json", '{"builds": [{"option": "plant"}], "data": {}}', "is no plan file: KeyError 'period'"),
        ("a.xlsx", "", "is a workbook, not a plan"),
    ],
)
def test_files_that_are_no_plan(tmp_path: Path, tiny: so.Instance, name: str, text: str, said: str) -> None:
    (found,) = findings(written(tmp_path, text, name), tiny)
    assert said in found


def test_an_instance_is_no_plan(tiny: so.Instance) -> None:
    (found,) = findings(str(TINY), tiny)
    assert "is an instance, not a plan" in found


def test_decisions_stand_at_decision_points(tmp_path: Path) -> None:
    instance = so.load(TINY, ["horizon={start: 2026, end: 2030, step: quarter}"])
    (found,) = findings(written(tmp_path, "builds: {plant: {2027Q3: 20}}"), instance)
    assert "2027Q3 is no decision point. Write 2027Q1, or set horizon.decide" in found


def test_a_period_twice(tmp_path: Path) -> None:
    text = "purchases: {reserve: {2027: 8, 2027Q3: 1}}\nbuilds: {plant: {2027Q1: 20, 2027: 20}}"
    found = findings(written(tmp_path, text), quarters())
    assert [each.split(": ")[2].split(".")[0] for each in found] == [
        "reserve in 2027Q3 stands twice",
        "plant in 2027Q1 stands twice",
    ]


def test_what_solve_writes_is_read_back(tmp_path: Path, tiny: so.Instance, solved: so.Result) -> None:
    saved = tmp_path / "plan.json"
    solved.save(saved)
    assert so.load_plan(saved, tiny).plan == solved.plan
    printed = written(tmp_path, solved.to_json(whole=False), "printed.json")
    assert so.load_plan(printed, tiny).plan == solved.plan
    folder = tmp_path / "tables"
    write_csv(solved, folder)
    found = so.load_plan(folder / "builds.csv", tiny)
    assert found.plan == solved.plan
    assert found.name == "tables"


def test_a_table_of_one_s_own(tmp_path: Path, tiny: so.Instance) -> None:
    text = "\ufeffoption;year;size\nplant;2026;20\n\nreserve;2027;30\n"
    found = so.load_plan(written(tmp_path, text, "mine.csv"), tiny)
    assert found.plan.builds[0].size == 20
    assert found.plan.fills["reserve"] == (0, 30, 0, 0, 0)
    assert found.lines == {("plant", 0): 2, ("reserve", 1): 4}


def test_a_saved_plan_of_another_instance(tmp_path: Path, solved: so.Result) -> None:
    # What is bought in a year is bought in its quarters; a plant of another kind is another plant.
    path = tmp_path / "plan.json"
    solved.save(path)
    found = so.load_plan(path, quarters())
    assert found.plan.fills["reserve"][:12] == (15.0,) * 4 + (0.0,) * 4 + (10.0,) * 4
    other = so.load(TINY, ["options.plant.kind=ally", "options.plant.region=friend"])
    (said,) = findings(str(path), other)
    assert "plant is of kind refining in the plan, and of kind ally here" in said
    (said,) = findings(str(path), so.without(so.load(TINY), "reserve"))
    assert '"reserve" is no option of tiny' in said
    # Periods that are not there: one finding for each option and reason.
    shorter = so.load(TINY, ["horizon={start: 2027, end: 2030, step: year}"])
    assert len(findings(str(path), shorter)) == 2


def test_a_hand_written_plan_in_json(tmp_path: Path, tiny: so.Instance) -> None:
    text = json.dumps({"name": "mine", "builds": {"plant": {"2026": 20}}})
    found: Any = so.load_plan(written(tmp_path, text, "mine.json"), tiny)
    assert found.plan.builds[0].size == 20
