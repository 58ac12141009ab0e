"""A plan as an Excel workbook: every figure is the plan's, with its unit; the audit speaks first."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import optimizer as so
from optimizer.io.load import comments_of

ROOT = Path(__file__).parent.parent
TINY = ROOT / "instances" / "tiny.yaml"
HEAD = 4


@pytest.fixture(scope="module")
def result() -> so.Result:
    return replace(so.solve(so.load(TINY)), comments=comments_of(TINY))


@pytest.fixture(scope="module")
def book(result: so.Result, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("book") / "plan.xlsx"
    so.write_workbook(result, path)
    return openpyxl.load_workbook(path)


def rows(sheet: Any) -> list[dict[str, Any]]:
    head = [cell.value for cell in sheet[HEAD]]
    found = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=HEAD + 1)]
    return [dict(zip(head, row, strict=True)) for row in found if any(value is not None for value in row)]


def test_sheets_state_the_currency_and_its_year_and_keep_their_heads(book: Any) -> None:
    assert book.sheetnames == [
        "answer", "builds", "stock", "survival", "segments", "concentration", "dependence", "costs", "outlays",
        "limits", "flows", "sources", "run",
    ]  # fmt: skip
    for sheet in book.worksheets:
        assert "USD of 2025" in sheet["A2"].value, sheet.title
        assert sheet.freeze_panes.endswith(str(HEAD + 1)), sheet.title


def test_answer_comes_first(book: Any) -> None:
    said = {row[0].value: row[1].value for row in book["answer"].iter_rows(min_row=HEAD + 1)}
    assert said["Answer"] == "SURVIVES all 2 shocks"
    assert said["Total cost"].startswith("43.6M USD, present value at the start of 2026, in USD of 2025")


def test_builds_are_those_worked_by_hand(book: Any) -> None:
    # One line of 20 t/yr at 200k and a fixed 1M; 100 t in store at 65k. Together the outlay of 11.5M.
    plant, reserve = rows(book["builds"])
    assert (plant["Size"], plant["Unit of size"], plant["Decided"], plant["On line"]) == (20, "t/yr", "2026", "2028")
    assert plant["Spent [USD]"] == 20 * 200e3 + 1e6
    assert (reserve["Size"], reserve["Unit of size"]) == (pytest.approx(100), "t")
    assert plant["Outlay [USD]"] + reserve["Outlay [USD]"] == pytest.approx(11.5e6)
    sheet = book["builds"]
    assert sheet["I5"].number_format == '#,##0 "USD"'


def test_figures_add_up_to_those_of_the_plan(book: Any, result: so.Result) -> None:
    costs = rows(book["costs"])
    assert sum(row["Present value [USD]"] for row in costs) == pytest.approx(result.total_cost)
    assert sum(row["Of total"] for row in costs) == pytest.approx(1)
    outlays = rows(book["outlays"])
    assert outlays[-1]["So far [USD]"] == pytest.approx(result.outlay)
    stock = rows(book["stock"])
    assert [row["magnet reserve [t]"] for row in stock] == pytest.approx([60, 60, 100, 100, 100])
    assert sum(row["magnet reserve, bought [t]"] for row in stock) == pytest.approx(100)
    assert rows(book["concentration"])[0]["magnets"] == 1
    flows = rows(book["flows"])
    listed = result.flows[result.flows["quantity"] > 1e-9]
    assert len(flows) == len(listed)
    assert sum(row["Quantity [t]"] for row in flows) == pytest.approx(listed["quantity"].sum())


def test_survival_names_margins_and_colours_them(book: Any) -> None:
    found = rows(book["survival"])
    assert [row["Shock"] for row in found] == ["embargo@2027", "embargo@2029"]
    assert all(row["Survives"] == "yes" and row["motors [margin]"] == pytest.approx(0, abs=1e-9) for row in found)
    assert len(list(book["survival"].conditional_formatting)) == 1


def test_charts_are_drawn_of_what_is_there(book: Any) -> None:
    drawn = {sheet.title: len(sheet._charts) for sheet in book.worksheets if sheet._charts}
    assert drawn == {"stock": 1, "concentration": 1, "costs": 1, "outlays": 1}


def test_sources_are_those_of_the_file(book: Any) -> None:
    said = rows(book["sources"])
    assert {row["About"] for row in said} == {"the file", "options.plant"}


def test_where_the_audit_disagrees_it_is_said_first(result: so.Result, tmp_path: Path) -> None:
    so.write_workbook(replace(result, total_cost=1.0), tmp_path / "doctored.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "doctored.xlsx")["answer"]
    assert sheet.cell(HEAD + 1, 1).value == "Warning"
    assert sheet.cell(HEAD + 1, 2).value.startswith("THE AUDIT DISAGREES")


def test_a_plan_that_fails_and_a_problem_without_plan_have_workbooks(tmp_path: Path) -> None:
    poor = so.solve(so.load(TINY), budget=5e6)
    so.write_workbook(poor, tmp_path / "poor.xlsx")
    book = openpyxl.load_workbook(tmp_path / "poor.xlsx")
    assert any(row["Survives"] == "NO" for row in rows(book["survival"]))
    gap = sum(row["Gap [USD]"] for row in rows(book["segments"]))
    assert gap == pytest.approx(poor.survival_gap)
    share = "policy.max_share=[{commodity: magnet, region: rival, share: 0.5}]"
    none = so.solve(so.load(TINY, [share, "processes.imports.min_utilisation=1"]))
    assert none.status == "none"
    so.write_workbook(none, tmp_path / "none.xlsx")
    assert openpyxl.load_workbook(tmp_path / "none.xlsx")["answer"]["A5"].value == "Answer"


def test_nobody_sees_half_a_workbook(result: so.Result, tmp_path: Path) -> None:
    (tmp_path / "where.xlsx").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        so.write_workbook(result, tmp_path / "where.xlsx")
    assert [path.name for path in tmp_path.iterdir()] == ["where.xlsx"]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "optimizer", *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


def test_report_writes_a_workbook_by_its_name(result: so.Result, tmp_path: Path) -> None:
    result.save(tmp_path / "plan.json")
    done = run(tmp_path, "report", "plan.json", "-o", "plan.xlsx")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tiny: SURVIVES all 2 shocks\n"
    content = (tmp_path / "plan.xlsx").read_bytes()
    assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames[0] == "answer"
    assert run(tmp_path, "report", str(TINY), "--budget", "5M", "-o", "poor.xlsx").returncode == 4
    for more in (["--json"], ["--budgets", "1M"]):
        assert run(tmp_path, "report", "plan.json", "-o", "plan.xlsx", *more).returncode == 2
    assert run(tmp_path, "report", "plan.json", "-o", "plan.doc").returncode == 2
    assert json.loads((tmp_path / "plan.json").read_text())["status"] == "survives"
