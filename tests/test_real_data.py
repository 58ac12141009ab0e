"""Facts of the world beside the plan: actual outputs, money already committed. Nothing in the plan depends on them."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.errors import PlanFileError
from optimizer.instance.document import parse
from optimizer.instance.reading import check_document
from optimizer.io.workbook import dump_workbook, parse_workbook
from optimizer.report.excel import workbook
from optimizer.report.html.book import book
from optimizer.report.narrative import facts
from optimizer.report.tables.futures import futures_facts
from optimizer.studies.comparison import single_point
from tests.test_cli import diversify

# Demand of 60 t: works makes all of it in the baseline, at 2 t of magnets per t of activity, for it is cheaper.
TEXT = """
name: facts
horizon: {start: 2026, end: 2027, step: quarter}
commodities: {magnet: {}, slag: {}}
processes:
  works: {region: home, output: {magnet: 2, slag: 5}, capacity: 50, cost: 1, actual: {2025: 50, 2027: 80}}
  imports: {region: rival, output: {magnet: 1}, capacity: 100, cost: 5, actual: {2026: 0},
    committed: [{name: a loan, amount: 40M, conditional: true}]}
demands: {all: {commodity: magnet, quantity: {2026: 60, 2027: 90}, survival: 0.5, shortage_cost: 1000}}
options: {reserve: {kind: stockpile, commodity: magnet, price: 65, max_size: 100,
    committed: [{amount: 2.5M, year: 2025, source: budget act}, {name: gift, amount: 1k, note: in kind}]}}
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
    assert audit_result(made(), again).ok
    first, *others = result.actual
    for wrong in (
        replace(first, modelled=61.0),
        replace(first, actual=51.0),
        replace(first, deviation=0.3),
        replace(first, model_year=2027),
        replace(first, year=2024),
    ):
        found = audit_result(made(), replace(result, actual=(wrong, *others)))
        assert any(row.startswith("actual") for row in found.disagreements), wrong
    assert not audit_result(made(), replace(result, actual=())).ok


def test_facts_go_through_a_workbook() -> None:
    data = parse(TEXT, "facts.yaml").data
    again = check_document(parse_workbook(dump_workbook(data, ()), "book.xlsx")[0])[0]
    assert again == made()
    assert again.processes["imports"].committed[0].conditional


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
    assert "–: the actual output is 0, so there is no share." in " ".join(printed.stdout.split())
    assert (folder / "actual.csv").read_text(encoding="utf-8").startswith("process,commodity,year,actual [t],")
    assert "Baseline and actual output" not in diversify("solve", "instances/tiny.yaml").stdout


# Listed as processes come, then options: 40M + 2.5M + 1k = 42.501M.
COMMITTED = [
    {"owner": "imports", "name": "a loan", "amount": 40e6, "year": None, "source": None, "conditional": True},
    {"owner": "reserve", "name": None, "amount": 2.5e6, "year": 2025, "source": "budget act"},
    {"owner": "reserve", "name": "gift", "amount": 1e3, "year": None, "source": None},
]
SAID = (
    "42.5M USD as announced, in no cost and no budget here (40M of it conditional): "
    "a loan 40M (conditional), reserve 2.5M (2025), gift 1,000"
)


def test_committed_money_stands_beside_the_outlay_and_counts_nowhere() -> None:
    result = so.solve(made())
    assert list(result.to_dict()["commitments"]) == COMMITTED
    assert list(result.to_dict(whole=False)["commitments"]) == COMMITTED
    labels = [label for label, _ in facts(made(), result)]
    assert labels[labels.index("Outlay") + 1] == "Committed already"
    assert dict(facts(made(), result))["Committed already"] == SAID
    data = result.to_dict()["data"]
    data["processes"]["imports"].pop("committed")
    data["options"]["reserve"].pop("committed")
    without = so.solve(so.read(data))
    assert "commitments" not in without.to_dict()
    assert "Committed already" not in dict(facts(so.read(data), without))
    assert (without.total_cost, without.outlay) == (result.total_cost, result.outlay)
    assert result.outlay < 1e6


def test_committed_money_of_a_saved_plan_follows_from_its_instance(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    so.solve(made()).save(path)
    data = json.loads(path.read_text(encoding="utf-8"))
    assert not so.Result.from_dict(data).departures
    data["commitments"][0]["amount"] = 41e6
    assert any("commitments.0.amount" in each for each in so.Result.from_dict(data).departures)
    del data["commitments"]
    with pytest.raises(PlanFileError, match="missing key commitments"):
        so.Result.from_dict(data)


def test_committed_money_is_written_for_other_programs(tmp_path: Path) -> None:
    file, folder = tmp_path / "facts.yaml", tmp_path / "tables"
    file.write_text(TEXT, encoding="utf-8")
    assert "Committed already" in diversify("check", str(file)).stdout
    assert "Committed already" in diversify("solve", str(file), "--csv", str(folder)).stdout
    rows = (folder / "commitments.csv").read_text(encoding="utf-8").splitlines()
    assert rows[:2] == ["owner,name,year,amount [USD],standing,source", "imports,a loan,,40000000.0,conditional,"]
    tables = book(made(), single_point(made(), so.solve(made()))).to_dict()["points"][0]["tables"]
    assert tables["commitments"]["rows"][0] == ["imports", "a loan", "–", "40M", "conditional", "–"]
    answer = openpyxl.load_workbook(io.BytesIO(workbook(made(), so.solve(made()))))
    assert {"actual", "commitments"} <= set(answer.sheetnames)


def test_money_that_is_firm_is_not_called_conditional() -> None:
    committed = {"name": "a loan", "amount": 40e6}
    imports = dict(parse(TEXT, "facts.yaml").data)["processes"]["imports"]
    for each in ({}, {"conditional": False}):
        instance = made(imports={**imports, "committed": [{**committed, **each}]})
        said = dict(facts(instance, so.solve(instance)))["Committed already"]
        assert (
            said == "42.5M USD as announced, in no cost and no budget here: a loan 40M, reserve 2.5M (2025), gift 1,000"
        )


def test_committed_money_of_a_file_with_futures() -> None:
    data = dict(parse(TEXT, "facts.yaml").data)
    ask = {"more": {"from": 2027, "branches": {"yes": {"set": {"demands.all.quantity": 80}}, "no": {}}}}
    result = so.solve_futures(so.read({**data, "futures": ask}))
    assert list(result.to_dict()["commitments"]) == COMMITTED
    assert dict(futures_facts(so.read({**data, "futures": ask}), result))["Committed already"] == SAID
    assert so.FuturesResult.from_dict(json.loads(result.to_json())).departures == ()
