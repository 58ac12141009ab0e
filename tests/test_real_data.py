"""Facts of the world beside the plan: actual outputs. Nothing in the plan depends on them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.instance.document import parse
from optimizer.instance.reading import check_document
from optimizer.io.excel_read import parse_workbook
from optimizer.io.excel_write import dump_workbook
from optimizer.report.html.book import book
from optimizer.studies.frontier import single_point
from tests.test_cli import diversify

# Demand of 60 t: works makes all of it in the baseline, at 2 t of magnets per t of activity, for it is cheaper.
TEXT = """
name: facts
horizon: {start: 2026, end: 2027, step: quarter}
commodities: {magnet: {}, slag: {}}
processes:
  works: {region: home, output: {magnet: 2, slag: 5}, capacity: 50, cost: 1, actual: {2025: 50, 2027: 80}}
  imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 5, actual: {2026: 0}}
demands: {all: {commodity: magnet, quantity: {2026: 60, 2027: 90}, survival: 0.5, shortage_cost: 1000}}
options: {reserve: {kind: stockpile, commodity: magnet, price: 65, max_size: 100}}
shocks: {embargo: {start: 2027, months: 12, cuts: [{region: rival, severity: 1}]}}
"""


def made(**processes: Any) -> so.Instance:
    data = dict(parse(TEXT, "facts.yaml").data)
    return so.read({**data, "processes": {**data["processes"], **processes}})


def test_actual_outputs_stand_beside_the_baseline() -> None:
    result = so.solve(made())
    # 2025 is compared with 2026: 60 t against 50, 20 % more. 2027: 90 t against 80, 12.5 % more. Imports make nothing.
    rows = [(each.process, each.year, each.actual, each.model_year) for each in result.actual]
    assert rows == [("works", 2025, 50.0, 2026), ("works", 2027, 80.0, 2027), ("imports", 2026, 0.0, 2026)]
    assert [each.commodity for each in result.actual] == ["magnet"] * 3
    assert [each.modelled for each in result.actual] == pytest.approx([60, 90, 0])
    assert [each.deviation for each in result.actual[:2]] == pytest.approx([0.2, 0.125])
    assert result.actual[2].deviation is None
    assert result.frames.actual["modelled"].tolist() == pytest.approx([60, 90, 0])


def test_nothing_in_the_plan_depends_on_actual_outputs() -> None:
    with_facts = so.solve(made())
    data = with_facts.to_dict()["data"]
    bare = {p: {key: value for key, value in each.items() if key != "actual"} for p, each in data["processes"].items()}
    without = so.solve(made(**bare))
    assert without.actual == ()
    assert "actual" not in without.to_dict()
    assert (without.total_cost, without.outlay) == (with_facts.total_cost, with_facts.outlay)
    assert not len(without.frames.frame("actual"))


def test_actual_outputs_are_saved_and_audited(tmp_path: Path) -> None:
    result = so.solve(made())
    path = tmp_path / "plan.json"
    result.save(path)
    again = so.Result.load(path)
    assert again.actual == result.actual
    assert not again.departures
    assert so.verify(made(), again).ok
    first, *others = result.actual
    for wrong in (
        replace(first, modelled=61.0),
        replace(first, actual=51.0),
        replace(first, deviation=0.3),
        replace(first, model_year=2027),
        replace(first, year=2024),
    ):
        found = so.verify(made(), replace(result, actual=(wrong, *others)))
        assert any(row.startswith("actual") for row in found.disagreements), wrong
    assert not so.verify(made(), replace(result, actual=())).ok


def test_facts_go_through_a_workbook() -> None:
    data = parse(TEXT, "facts.yaml").data
    assert check_document(parse_workbook(dump_workbook(data, ()), "book.xlsx")[0])[0] == made()


def test_page_and_workbook_show_actual_outputs() -> None:
    result = so.solve(made())
    points = book(made(), single_point(made(), result)).to_dict()["points"]
    assert [row[:2] for row in points[0]["tables"]["actual"]["rows"]] == [["works", "magnet"]] * 2 + [
        ["imports", "magnet"]
    ]


def test_commands_print_actual_outputs(tmp_path: Path) -> None:
    file, folder = tmp_path / "facts.yaml", tmp_path / "tables"
    file.write_text(TEXT, encoding="utf-8")
    checked = diversify("check", str(file))
    assert "Baseline of the no-shock plan, and actual output" in checked.stdout
    assert [line.split()[-1] for line in checked.stdout.splitlines() if line.startswith("works")] == ["%", "%"]
    assert "+20 %" in checked.stdout
    (summary,) = json.loads(diversify("check", str(file), "--json").stdout)
    assert [each["modelled"] for each in summary["actual"]] == pytest.approx([60, 90, 0])
    printed = diversify("solve", str(file), "--csv", str(folder))
    assert "Baseline and actual output" in printed.stdout
    assert (folder / "actual.csv").read_text(encoding="utf-8").startswith("process,commodity,year,actual [t],")
    assert "Baseline and actual output" not in diversify("solve", "instances/tiny.yaml").stdout
