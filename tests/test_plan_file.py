"""Plans that are given: written by hand, saved, or as a table; and everything that can be wrong with them at once."""

import json
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.errors import GivenPlanError, PlanFileError
from optimizer.report.tables.render import write_frames
from optimizer.studies.purchases import fit_plan

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


def test_a_folder_of_tables_is_no_plan_but_a_table_in_it_is(tmp_path: Path, tiny: so.Instance) -> None:
    (tmp_path / "builds.csv").write_text("option,period,size\nplant,2026,20\n", encoding="utf-8")
    with pytest.raises(so.GivenPlanError) as caught:
        so.load_plan(tmp_path, tiny)
    assert [each.cure for each in caught.value.findings] == [f"Name {tmp_path / 'builds.csv'}."]
    assert so.load_plan(tmp_path / "builds.csv", tiny).plan.bought
    with pytest.raises(so.GivenPlanError, match="it is a folder, not a file"):
        so.load_plan(tmp_path.parent, tiny)


@pytest.mark.parametrize("suffix", [".xlsx", ".md", ".html"])
def test_a_report_is_neither_an_instance_nor_a_plan(tmp_path: Path, tiny: so.Instance, suffix: str) -> None:
    file = tmp_path / f"report{suffix}"
    so.write_report(so.solve(tiny), file)
    with pytest.raises(so.InstanceError) as caught:
        so.load(file)
    (found,) = caught.value.findings
    assert found.what in ("is a report, not an instance", "is the workbook of a plan, not of an instance")
    assert "plan.json" in found.cure
    with pytest.raises(so.PlanFileError, match="is no saved plan, which is JSON: make one with `diversify solve FILE"):
        so.Result.load(file)
    with pytest.raises(so.GivenPlanError, match=r"not a plan\. Name the plan.json of"):
        so.load_plan(file, tiny)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "name: x\n", "names neither builds nor purchases"),
        ("a.yaml", "builds: [plant]\n", "F:1: builds: is no mapping"),
        ("a.yaml", "builds: {plant: }\n", "F:1: builds.plant: nothing says no year. Write {2027: size}."),
        ("a.yaml", "builds: {plant\n", "cannot be read as YAML"),
        ("a.yaml", "- plant\n", "holds no mapping. Write `builds: {option: {2027: size}}`"),
        ("a.csv", "option,size\nplant,20\n", "F:1: has no column period. Write the columns option, period and size."),
        ("a.csv", "Option,Period,Size\nplant,2026,\n", 'F:2: builds.plant.2026: "" is not a number.'),
        ("a.csv", "Option,Period,size,Size\nplant,2026,1,2\n", "F:1: has more than one column size. Keep one of them."),
        ("a.csv", "option,period,size\nplant,2026,\n", 'F:2: builds.plant.2026: "" is not a number.'),
        (
            "a.csv",
            "period,size,option\n2027,20\n",
            "F:2: the number of cells is 2, and that of columns 3. Write one",
        ),
        ("a.csv", "option,period,size\nplant,2026,2,5\n", "F:2: the number of cells is 4, and that of columns 3"),
        (
            "a.csv",
            "option,period,size,size\nplant,2026,40,1\n",
            "F:1: has more than one column size. Keep one of them.",
        ),
        ("a.csv", "option,period,size\nreserve,2026,5\nplent,2026,5\n", 'F:3: builds.plent.2026: "plent" is no option'),
        ("a.csv", f"option,period,size\n{'x' * 200_000},2026,5\n", "F:2: cannot be read as a table: field larger than"),
        ("a.csv", "option,period,size,kind\nplant,2026,5,ally\n", "F:2: builds.plant.2026: plant is of kind ally in"),
        ("a.csv", "option,period,size,on_line\nreserve,2026,20,2027\n", "and no purchased.csv beside it"),
        (
            "a.csv",
            "option,period,until,size\nreserve,2026,2028,30\n",
            "F:2: builds.reserve.2026: holds all that is bought of reserve from 2026 to 2028 in one row. Name the",
        ),
        ("a.json", '{"builds": [{"option": "plant"}], "data": {}}', "an entry of builds or purchases lacks 'period'"),
        ("a.xlsx", "", "is a workbook, not a plan. Name the plan.json of"),
        ("a.md", "# tiny\n", "is a report, not a plan. Name the plan.json of"),
        ("a.json", "", "F:1: holds no mapping. Write `builds: {option: {2027: size}}`"),
        ("a.json", '{"instance": "x", "samples": 9}', "F:1: names neither builds nor purchases. Name the plan.json of"),
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
        "reserve in 2027Q3 is given twice",
        "plant in 2027Q1 is given twice",
    ]


def test_what_solve_writes_is_read_back(tmp_path: Path, tiny: so.Instance, solved: so.Result) -> None:
    saved = tmp_path / "plan.json"
    solved.save(saved)
    assert so.load_plan(saved, tiny).plan == solved.plan
    printed = written(tmp_path, solved.to_json(whole=False), "printed.json")
    assert so.load_plan(printed, tiny).plan == solved.plan
    folder = tmp_path / "tables"
    write_frames(solved.frames, folder)
    found = so.load_plan(folder / "builds.csv", tiny)
    assert found.plan == solved.plan
    assert found.name == "tables"


@pytest.mark.parametrize(
    ("purchases", "said"),
    [
        ("reserve,period\n5\n", "purchased.csv:2: the number of cells is 1, and that of columns 2"),
        ("reserve,year\n5,2026\n", "no purchased.csv beside it holds what is bought"),
    ],
)
def test_a_table_of_purchases_that_cannot_be_read(tmp_path: Path, tiny: so.Instance, purchases: str, said: str) -> None:
    written(tmp_path, purchases, "purchased.csv")
    builds = written(tmp_path, "option,period,size,on_line\nreserve,2026,20,2027\n", "builds.csv")
    assert said in findings(builds, tiny)[0]


@pytest.mark.parametrize(("between", "end"), [(";", "\n"), (",", "\r\n"), ("\t", "\n"), (";", "\r")])
def test_a_table_of_one_s_own(tmp_path: Path, tiny: so.Instance, between: str, end: str) -> None:
    text = "\ufeffoption;year;size\nplant;2026;20\n\nreserve;2027;30\n".replace(";", between)
    (tmp_path / "mine.csv").write_bytes(text.replace("\n", end).encode())
    found = so.load_plan(tmp_path / "mine.csv", tiny)
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


def test_stocks_of_a_saved_plan_that_keep_otherwise_are_said_to_be_worked_out_anew(solved: so.Result) -> None:
    assert fit_plan(so.load(TINY), solved, "plan.json").notes == ()
    # 60 t of 2026 lose a tenth by the end of 2027.
    fit = fit_plan(so.load(TINY, ["options.reserve.loss=0.1"]), solved, "plan.json")
    assert fit.plan.stocks["reserve"][:2] == pytest.approx((60, 54))
    assert fit.notes == ("Stocks are recomputed, as their initial amounts or losses differ there: reserve.",)


def test_a_hand_written_plan_in_json(tmp_path: Path, tiny: so.Instance) -> None:
    text = json.dumps({"name": "mine", "builds": {"plant": {"2026": 20}}})
    found: Any = so.load_plan(written(tmp_path, text, "mine.json"), tiny)
    assert found.plan.builds[0].size == 20


# Plans that differ between futures.

WAIT = ROOT / "examples" / "wait_or_commit.yaml"
NESTED = ROOT / "tests" / "cases" / "futures" / "hand_nested.yaml"


@pytest.fixture(scope="module")
def wait() -> so.Instance:
    """A plant that is needed, and an extension that future `high` alone needs, known in 2028."""
    return so.load(WAIT)


def sizes(plan: Any) -> dict[tuple[str, str], float]:
    return {(build.option, build.period): build.size for build in plan.builds}


def test_a_plan_that_waits_for_an_answer(tmp_path: Path, wait: so.Instance) -> None:
    text = "builds:\n  plant: {2027: 40}\nfutures:\n  high:\n    builds:\n      extension: {2028: 60}\n"
    found = so.load_plan(written(tmp_path, text), wait)
    assert sizes(found.plan) == {("plant", "2027"): 40}
    assert sizes(found.in_future("high").plan) == {("plant", "2027"): 40, ("extension", "2028"): 60}
    assert sizes(found.in_future("low").plan) == {("plant", "2027"): 40}
    assert found.in_future("high").lines == {("plant", 0): 2, ("extension", 1): 6}
    table = "option,period,size,future\nplant,2027,40,\nextension,2028,60,high\n"
    of_table = so.load_plan(written(tmp_path, table, "mine.csv"), wait)
    assert of_table.in_future("high").plan == found.in_future("high").plan
    assert of_table.in_future("low").plan == found.in_future("low").plan
    # The same in both futures is no matter of knowing, wherever it stands.
    alike = "futures:\n  high: {builds: {plant: {2027: 40}}}\n  low: {builds: {plant: {2027: 40}}}\n"
    assert sizes(so.load_plan(written(tmp_path, alike), wait).in_future("low").plan) == {("plant", "2027"): 40}


def test_branches_of_nested_questions_by_their_names(tmp_path: Path) -> None:
    instance = so.load(NESTED)
    text = "futures:\n  war: {builds: {plant: {2028: 2}}}\n  long: {builds: {permit: {2029: 1}}}\n"
    found = so.load_plan(written(tmp_path, text), instance)
    bought = {each.name: len(found.in_future(each.name).plan.builds) for each in instance.tree.futures}
    assert bought == {
        "war.long.red": 2, "war.long.blue": 2, "war.short.red": 1, "war.short.blue": 1, "peace.red": 0, "peace.blue": 0
    }  # fmt: skip
    for key in ("duration.long", "war.long", "long.war", "tension war.duration long"):
        again = so.load_plan(written(tmp_path, f"futures: {{{key}: {{builds: {{plant: {{2029: 3}}}}}}}}\n"), instance)
        assert [name for name, each in again.futures.items() if each.plan.builds] == ["war.long.red", "war.long.blue"]


def test_what_needs_an_answer_before_it_is_known_is_a_finding(tmp_path: Path, wait: so.Instance) -> None:
    text = "builds:\n  plant: {2027: 40}\nfutures:\n  high:\n    builds:\n      extension: {2027: 60}\n"
    assert findings(written(tmp_path, text), wait) == [
        "F:6: futures.high.builds.extension.2027: 2027 buys 60 t/yr of extension in high and nothing in low, and "
        "these futures cannot be distinguished before 2028, when need is answered. Write the same for both, or decide "
        "it in 2028 or later."
    ]
    table = "option,period,size,future\nplant,2027,40,high\nplant,2027,30,low\n"
    (said,) = findings(written(tmp_path, table, "mine.csv"), wait)
    assert said.startswith("F:2: high.builds.plant.2027: 2027 buys 40 t/yr of plant in high and 30 t/yr in low")
    # Of four that cannot be told apart by colour in 2029, two buy; and war is known, so its decision of 2028 is none.
    text = "futures:\n  war: {builds: {plant: {2028: 2}}}\n  red:\n    builds:\n      permit: {2029: 1}\n"
    (said,) = findings(written(tmp_path, text), so.load(NESTED))
    assert said.startswith(
        "F:5: futures.red.builds.permit.2029: 2029 buys 1 t/yr of permit in war.long.red and nothing"
    )
    assert "before 2030, when colour is answered" in said


def test_a_year_of_purchases_that_begins_before_the_answer(tmp_path: Path) -> None:
    futures = "futures={law: {from: 2027Q3, branches: {keep: {}, loss: {}}}}"
    instance = so.load(TINY, ["horizon={start: 2026, end: 2030, step: quarter}", futures])
    text = "futures: {loss: {purchases: {reserve: {2027: 40}}}}"
    (said,) = findings(written(tmp_path, text), instance)
    assert "2027Q1 buys 10 t of reserve in loss and nothing in keep" in said
    assert said.endswith("decide it in 2027Q3 or later.")
    found = so.load_plan(written(tmp_path, text.replace("2027", "2027Q3")), instance)
    assert found.futures["loss"].plan.fills["reserve"][6] == 40


def test_everything_wrong_with_futures_comes_at_once(tmp_path: Path, tiny: so.Instance) -> None:
    instance = so.load(TINY, ["futures={a: {from: 2028, branches: {yes: {}, no: {}}}, b: {from: 2029, "
                              "branches: {yes: {}, no: {}}}}"])  # fmt: skip
    text = """futures:
  nay: {builds: {plant: {2028: 20}}}
  yes: {builds: {plnt: {2028: 20}}}
  a.yes.a.no: {builds: {plant: {2028: 20}}}
  no.no: 3
  a.no: {build: {plant: {2028: 20}}, purchases: {reserve: {2030: 3}}}
purchases: {reserve: {2030: 4}}
"""
    found = findings(written(tmp_path, text), instance)
    assert [each.split(". ")[0] for each in found] == [
        'F:2: futures.nay: "nay" is no future and no branch of tiny',
        'F:3: futures.yes: "yes" is a branch of several questions',
        'F:3: futures.yes.builds.plnt: "plnt" is no option of tiny',
        'F:4: futures.a.yes.a.no: no future has the branches of "a.yes.a.no" together',
        "F:5: futures.no.no: is no mapping",
        'F:6: futures.a.no.build: "build" is an unknown key',
        "F:6: futures.a.no.purchases.reserve.2030: reserve in 2030 is given twice",
    ]
    assert "Write a.yes or b.yes." in found[1]
    assert "bought beside" in found[-1]
    (said,) = findings(written(tmp_path, "futures: {late: {builds: {plant: {2026: 20}}}}"), tiny)
    assert said.startswith('F:1: futures.late: "late" is a future, and tiny has none.')


@pytest.mark.parametrize("case", ["hand_nested", "hand_set", "nested_1013", "cvar_1029", "hand_cvar"])
def test_what_solve_writes_of_several_futures_is_read_back(tmp_path: Path, case: str) -> None:
    instance = so.load(NESTED.with_name(f"{case}.yaml"))
    solved = so.solve_futures(instance)
    solved.save(tmp_path / "plan.json")
    found = so.load_plan(tmp_path / "plan.json", instance)
    for future in solved.futures:
        own, plan = found.in_future(future.name).plan, future.result.plan
        assert sizes(own) == pytest.approx(sizes(plan))
        for o, fills in plan.fills.items():
            assert own.fills[o] == pytest.approx(fills, rel=1e-6, abs=1e-6)
    if not instance.futures:
        return
    folder = tmp_path / "tables"
    write_frames(solved.frames, folder)
    if not any(decision.is_stock for decision in solved.decisions):
        again = so.load_plan(folder / "decisions.csv", instance)
        for name, each in again.futures.items():
            assert sizes(each.plan) == pytest.approx(sizes(found.futures[name].plan))


def test_a_plan_by_hand_in_json_is_no_saved_plan(tmp_path: Path) -> None:
    path = written(tmp_path, '{"builds": {"plant": {"2026": 20}}}', "hand.json")
    with pytest.raises(PlanFileError, match="is a plan without its instance: `diversify evaluate INSTANCE --plan"):
        so.Result.load(path)
    with pytest.raises(PlanFileError, match="it lacks builds"):
        so.Result.load(written(tmp_path, '{"data": {}}', "hand.json"))
