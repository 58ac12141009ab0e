"""A plan as an Excel workbook: every figure is the plan's, with its unit; the audit speaks first."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import wrap
from typing import Any

import openpyxl
import pytest
from openpyxl.utils import get_column_letter

import optimizer as so
from optimizer.instance.reading import instance_of
from optimizer.io.load import comments_of
from optimizer.report.brief.content import make_brief
from optimizer.report.excel import sheets
from optimizer.report.tables.render import number_of_cell, without_noise

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
        "answer", "brief", "builds", "stock", "survival", "segments", "concentration", "dependence", "costs", "outlays",
        "limits", "flows", "sources", "run",
    ]  # fmt: skip
    for sheet in book.worksheets:
        assert "USD of 2025" in sheet["A2"].value, sheet.title
        # The note stands in lines within the columns of a page: a printer cuts what runs on.
        (area,) = (each for each in sheet.merged_cells.ranges if each.min_row == 2)
        columns = sheet.column_dimensions.values()
        widths = {j: each.width for each in columns for j in range(each.min, each.max + 1)}
        width = sum(widths[j] for j in range(area.min_col, area.max_col + 1))
        assert sheet["A2"].alignment.wrap_text, sheet.title
        assert len(sheet["A2"].value) <= width * (sheet.row_dimensions[2].height or 15) / 15, sheet.title
        assert sheet.freeze_panes.endswith(str(HEAD + 1)), sheet.title


def test_columns_are_as_wide_as_their_words_and_sheets_print_on_a4(book: Any) -> None:
    for sheet in book.worksheets:
        columns = sheet.column_dimensions.values()
        widths = {j: each.width for each in columns for j in range(each.min, each.max + 1)}
        for j, (head, *cells) in enumerate(sheet.iter_cols(min_row=HEAD, max_col=len(widths)), start=1):
            words = [*str(head.value or "").split(), *(cell.value for cell in cells if cell.data_type == "s")]
            assert widths[j] >= min(70, max(map(len, words), default=0)), (sheet.title, head.value)
        assert (sheet.page_setup.paperSize, sheet.page_setup.orientation) == (9, "landscape")
        # No more than 220 characters share the width of a page.
        assert sum(widths.values()) <= 220 * (sheet.page_setup.fitToWidth or 1), sheet.title
        assert sheet.print_title_rows == f"${HEAD}:${HEAD}"


def test_answer_comes_first(book: Any) -> None:
    said = {row[0].value: row[1].value for row in book["answer"].iter_rows(min_row=HEAD + 1)}
    assert said["Answer"] == "SURVIVES both shocks"
    assert said["Total cost"].startswith("43.6M USD, present value at the start of 2026, in USD of 2025")


def test_the_brief_is_a_sheet_of_its_own(book: Any, result: so.Result) -> None:
    sheet, at = book["brief"], HEAD + 1
    brief = make_brief(instance_of(result), result).to_dict()
    assert sheet["A2"].value.startswith(brief["sentence"])
    # What is not known stands in it as well: the notes beside the answer, and which figures were not computed.
    notes = {"title": "Beside the answer", "sentences": brief["notes"], "table": None, "lacks": ""}
    assert notes["sentences"]
    assert brief["parts"]["figures"]["lacks"] == "The file gives no ranges of its numbers."
    for part in (notes, *brief["parts"].values()):
        table = part["table"] or {"head": [], "rows": [], "caption": ""}
        head = [text.lstrip(">") for text in table["head"]]
        drawn = [list(map(number_of_cell, table["head"], row)) for row in table["rows"]]
        said = [*([each] for each in part["sentences"]), head, *drawn, [table["caption"]], [part["lacks"]]]
        for k, cells in enumerate(filter(any, said)):
            row = sheet[at + k]
            # The title stands once, in bold, beside the first row of the part; heads of tables are bold.
            assert row[0].value == (None if k else part["title"])
            assert k or row[0].font.bold
            assert [cell.value for cell in row[1:] if cell.value is not None] == [text for text in cells if text != ""]
            assert all(cell.font.bold == (cells is head) for cell in row[1:] if cell.value is not None)
        at += sum(map(any, said))
    assert sheet.max_row == at - 1
    # Amounts can be added in a spreadsheet; periods and shares are texts.
    said = [[cell for cell in row if cell is not None] for row in sheet.iter_rows(min_row=HEAD + 2, values_only=True)]
    assert any(row[:5] == ["home magnet plant, 20 t/yr", 5, 5, "2026", "2028"] for row in said)
    first = said.index(["Year", "Outlay, M USD"])
    money = [row[1] for row in said[first + 1 : first + 4]]
    assert sum(each for each in money if each != "–") == pytest.approx(11.5)


def test_texts_stand_apart_from_numbers_to_their_left(book: Any) -> None:
    heads = {cell.value: cell for cell in book["builds"][HEAD]}
    below = {head: book["builds"].cell(HEAD + 1, cell.column) for head, cell in heads.items()}
    assert [heads[head].alignment.horizontal for head in ("Year", "Bought", "Unit of size")] == [
        "right",
        "right",
        "left",
    ]
    assert (below["Unit of size"].alignment.horizontal, below["Unit of size"].alignment.indent) == ("left", 1)


@pytest.mark.parametrize(
    ("text", "number"), [("12,971", 12971), ("−1.5", -1.5), ("–", "–"), ("43 %", "43 %"), ("12M", "12M")]
)
def test_only_plain_numbers_of_a_page_are_numbers_of_a_sheet(text: str, number: float | str) -> None:
    assert number_of_cell(">Outlay", text) == number
    assert number_of_cell("Year", text) == text


def test_numbers_have_no_noise_of_the_solver(result: so.Result, tmp_path: Path) -> None:
    """100 t in store, of which the solver lacks 4e-8; 0.1 % less is another number."""
    assert without_noise(99.99999600000001) == 100
    assert without_noise(40.00000399999999) == 40
    assert without_noise(99.9) == 99.9
    # The parts of a sum keep their digits.
    assert without_noise(468_897_123.4) == 468_897_123.4
    # 20 t/yr at 200k are 4M.
    so.write_workbook(replace(result, costs={**result.costs, "capex": 4_000_000.2}), tmp_path / "plan.xlsx")
    costs = rows(openpyxl.load_workbook(tmp_path / "plan.xlsx")["costs"])
    assert {row["Part"]: row["Present value [USD]"] for row in costs}["capex"] == 4_000_000


def test_builds_are_those_worked_by_hand(book: Any) -> None:
    # One line of 20 t/yr at 200k and a fixed 1M; 100 t in store at 65k. Together the outlay of 11.5M.
    plant, reserve = rows(book["builds"])
    assert (plant["Size or largest stock"], plant["Unit of size"], plant["Decided"], plant["On line"]) == (
        20,
        "t/yr",
        "2026",
        "2028",
    )
    assert plant["Spent [USD]"] == 20 * 200e3 + 1e6
    assert (reserve["Size or largest stock"], reserve["Unit of size"]) == (pytest.approx(100), "t")
    assert plant["Outlay [USD]"] + reserve["Outlay [USD]"] == pytest.approx(11.5e6)
    sheet = book["builds"]
    assert sheet["J5"].number_format == '#,##0 "USD"'


def test_figures_add_up_to_those_of_the_plan(book: Any, result: so.Result) -> None:
    costs = rows(book["costs"])
    assert {row["Part"]: row["Present value [USD]"] for row in costs}["one-off fixed cost"] == pytest.approx(1e6)
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


def test_rounding_makes_no_margin_of_a_kept_floor_negative(result: so.Result, tmp_path: Path) -> None:
    def below(outcome: Any) -> Any:
        served = {d: replace(each, worst_service=each.floor - 1e-15) for d, each in outcome.segments.items()}
        return replace(outcome, segments=served)

    so.write_workbook(replace(result, shocks=tuple(map(below, result.shocks))), tmp_path / "plan.xlsx")
    found = rows(openpyxl.load_workbook(tmp_path / "plan.xlsx")["survival"])
    assert [row[name] for row in found for name in row if "[margin" in name] == [0.0] * len(result.shocks)


def test_survival_names_margins_and_colours_them(book: Any) -> None:
    found = rows(book["survival"])
    assert [row["Shock"] for row in found] == ["embargo@2027", "embargo@2029"]
    assert all(row["Survives"] == "yes" and row["motors [margin]"] == pytest.approx(0, abs=1e-9) for row in found)
    assert len(list(book["survival"].conditional_formatting)) == 1


def test_shocks_have_their_names_and_their_keys(tmp_path: Path) -> None:
    named = so.load(TINY, ["shocks.embargo.name=Full embargo"])
    so.write_workbook(so.solve(named, budget=0), tmp_path / "named.xlsx")
    found = openpyxl.load_workbook(tmp_path / "named.xlsx")
    answer = {row[0].value: row[1].value for row in found["answer"].iter_rows(min_row=HEAD + 1)}
    assert answer["Answer"].startswith("FAILS in 2 of 2 shocks: Full embargo · 2029, a survival gap of 70M USD")
    assert "worst in Full embargo · 2029" in answer["Doing nothing"]
    for sheet in ("survival", "segments"):
        pairs = [(row["Shock"], row["Key in the file"]) for row in rows(found[sheet])]
        assert pairs == [(f"Full embargo · {year}", f"embargo@{year}") for year in (2027, 2029)]


def test_rows_can_be_joined_with_csv_files_by_their_keys(tmp_path: Path) -> None:
    named = so.load(TINY, ["shocks.embargo.name=Full embargo", "demands.motors.name=All motors"])
    result = so.solve(named, budget=0)
    so.write_workbook(result, tmp_path / "named.xlsx")
    found = openpyxl.load_workbook(tmp_path / "named.xlsx")
    # The first key of a sheet has the head of every sheet; further ones say whose they are.
    keys = ("Key in the file", "Segment, key in the file")
    segments = rows(found["segments"])
    assert [row["Segment"] for row in segments] == ["All motors"] * 2
    assert [tuple(row[key] for key in keys) for row in segments] == list(result.frames.survival.index)
    keys = ("Key in the file", "Year", "Region, key in the file")
    dependence = rows(found["dependence"])
    assert {row["Commodity"] for row in dependence} == {"magnets"}
    assert [tuple(row[key] for key in keys) for row in dependence] == list(result.frames.yearly_dependence.index)
    keys = ("Key in the file", "Owner, key in the file", "Period")
    listed = result.frames.flows[result.frames.flows["quantity"] > 1e-9].reset_index()
    assert [tuple(row[key] for key in keys) for row in rows(found["flows"])] == list(
        zip(listed["path"], listed["owner"], listed["period"], strict=True)
    )


def test_the_height_of_a_head_is_in_the_file_and_holds_its_lines(book: Any) -> None:
    # Where it is not, LibreOffice draws a chart below the table over the last rows. "Magnet reserve, bought [t]" is
    # wider than its column.
    for sheet in book.worksheets:
        columns = sheet.column_dimensions.values()
        widths = {j: each.width for each in columns for j in range(each.min, each.max + 1)}
        lines = max(len(wrap(cell.value or "", int(widths[cell.column]) - 2)) for cell in sheet[HEAD])
        assert (sheet.row_dimensions[HEAD].height or 15) >= 15 * lines, sheet.title
    assert book["stock"].row_dimensions[HEAD].height > 15


def test_charts_are_drawn_of_what_is_there(book: Any) -> None:
    drawn = {sheet.title: len(sheet._charts) for sheet in book.worksheets if sheet._charts}
    assert drawn == {"stock": 1, "concentration": 1, "costs": 1, "outlays": 1}


def test_every_cell_is_the_number_of_its_frame_and_charts_draw_their_columns(result: so.Result, book: Any) -> None:
    instance = instance_of(result)
    made = {sheet.frame.name: sheet for sheet in sheets(instance, result, (), make_brief(instance, result))}
    assert list(made) == book.sheetnames
    for name, sheet in made.items():
        last, frame = HEAD + len(sheet.frame), sheet.frame
        for j, values in enumerate(frame.values, start=1):
            for i, value in enumerate(values, start=HEAD + 1):
                shown = book[name].cell(i, j).value
                if isinstance(value, float | int) and not isinstance(value, bool):
                    assert shown == pytest.approx(value, rel=1e-6, abs=1e-6), (name, i, j)
                else:
                    assert shown == {True: "yes", False: "NO", "": None}.get(value, value), (name, i, j)
        for drawn in book[name]._charts:
            columns = [get_column_letter(j + 1) for j in sheet.chart.columns]
            assert [each.val.numRef.f for each in drawn.series] == [
                f"{name}!${letter}${HEAD + 1}:${letter}${last}" for letter in columns
            ]
    # The shares of every commodity and the line of dependence; the sizes of stocks, without what is bought.
    assert made["concentration"].chart.columns == tuple(range(1, len(made["concentration"].frame.columns)))
    assert [made["stock"].frame.columns[j].unit for j in made["stock"].chart.columns] == ["t"]
    # Rounding errors are no failure, and a margin of 0 is none.
    ((area, *_),) = [list(book["survival"].conditional_formatting)]
    assert [(rule.operator, rule.formula) for rule in area.rules if rule.operator] == [
        ("lessThan", ["-1e-09"]), ("greaterThanOrEqual", ["-1e-09"])
    ]  # fmt: skip


def test_largest_share_is_that_of_the_region_with_most(tmp_path: Path) -> None:
    """From 2028 on 20 of the 100 t have to be made at home; before, the rival makes all."""
    rule = "policy.min_share=[{commodity: magnet, region: home, share: 0.2, from: 2028}]"
    so.write_workbook(so.solve(so.load(TINY, [rule])), tmp_path / "plan.xlsx")
    found = rows(openpyxl.load_workbook(tmp_path / "plan.xlsx")["concentration"])
    assert {row["Year"]: row["magnets"] for row in found} == pytest.approx(
        {2026: 1, 2027: 1} | dict.fromkeys(range(2028, 2031), 0.8)
    )


def test_sources_are_those_of_the_file(book: Any) -> None:
    said = rows(book["sources"])
    assert {row["About"] for row in said} == {"the file", "options.plant"}
    assert "In the file" not in said[0]


def test_sources_have_the_values_that_the_plan_uses(tmp_path: Path) -> None:
    comments = (
        {"place": ["discount_rate"], "value": 0.03, "text": "assumption: 3 %"},
        {"place": ["processes", "imports", "capacity"], "value": {"2026": "100", "2030": "120"}, "text": "as reported"},
        {"place": ["demands", "motors", "quantity"], "value": {"2026": 100}, "text": "derived"},
        {"place": ["policy", "budget"], "value": "20M", "text": "as voted"},
        # The data of a plan leave out what equals its default, also where the run set it.
        {"place": ["options", "plant", "lead_time"], "value": 24, "text": "as tendered"},
        {"place": ["options", "plant", "fixed_opex"], "value": 0, "text": "paid by the owner"},
        {"place": ["options", "reserve", "max_size"], "value": 100, "text": "a hall"},
    )
    changed = [
        "options.plant.lead_time=0",
        "options.reserve.max_size=null",
        "discount_rate=0.08",
        "processes.imports.capacity=90",
        "demands.motors.quantity={2027: 100}",
    ]
    instance = so.load(TINY, changed)
    so.write_workbook(replace(so.solve(instance), comments=comments), tmp_path / "changed.xlsx")
    said = rows(openpyxl.load_workbook(tmp_path / "changed.xlsx")["sources"])
    found = {row["About"]: (row["Value"], row["In the file"]) for row in said}
    assert found == {
        "discount_rate": (0.08, 0.03),
        "processes.imports.capacity": (90, "2026: 100, 2030: 120"),
        "demands.motors.quantity": ("2027: 100", "2026: 100"),
        "policy.budget": (20e6, None),
        "options.plant.lead_time": (0, 24),
        "options.plant.fixed_opex": (0, None),
        "options.reserve.max_size": (None, 100),
    }


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
    assert "every survival floor holds in both shocks" in " ".join(done.stdout.split())
    content = (tmp_path / "plan.xlsx").read_bytes()
    assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames[0] == "answer"
    assert run(tmp_path, "report", str(TINY), "--budget", "5M", "-o", "poor.xlsx").returncode == 4
    for more in (["--json"], ["--budgets", "1M"]):
        assert run(tmp_path, "report", "plan.json", "-o", "plan.xlsx", *more).returncode == 2
    assert run(tmp_path, "report", "plan.json", "-o", "plan.doc").returncode == 2
    assert json.loads((tmp_path / "plan.json").read_text())["status"] == "survives"


@pytest.fixture(scope="module")
def futures_book(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("futures") / "plan.xlsx"
    so.write_workbook(so.solve_futures(so.load(ROOT / "examples" / "order_or_wait.yaml")), path)
    return openpyxl.load_workbook(path)


def test_workbook_of_several_futures_says_what_is_bought_in_which_branch(futures_book: Any) -> None:
    """100 t/yr at 60k before the answer, in both futures; 100 t/yr at 80k more where demand doubles."""
    said = {row[0].value: row[1].value for row in futures_book["answer"].iter_rows(min_row=HEAD + 1)}
    assert said["Answer"] == "SURVIVES in both futures"
    assert said["Order now"] == "6M USD before 2028: plant"
    (now,), (later,) = rows(futures_book["order now"]), rows(futures_book["after answers"])
    shown = ("In", "Option", "Decided", "Size", "Unit of size", "Spent [USD]")
    assert [now[head] for head in shown] == ["all branches", "plant", "2027", 100, "t/yr", 6e6]
    assert [later[head] for head in shown] == ["doubles", "plant", "2028", 100, "t/yr", 8e6]
    assert "doubles 30 %, stays 70 %" in futures_book["after answers"]["A1"].value


def test_workbook_of_several_futures_has_the_frames_of_each(futures_book: Any) -> None:
    found = rows(futures_book["futures"])
    names = ("Future", "Cost [USD]", "Informed [USD]", "Regret [USD]")
    assert [[row[head] for head in names] for row in found] == [["doubles", 14e6, 12e6, 2e6], ["stays", 6e6, 6e6, 0]]
    assert len(futures_book["futures"]._charts) == 1
    parts = {(row["Future"], row["Part"]): row["Present value [USD]"] for row in rows(futures_book["costs"])}
    assert parts == {("doubles", "capex"): 14e6, ("stays", "capex"): 6e6}
    spent = {(row["Future"], row["Year"]): row["Outlay [USD]"] for row in rows(futures_book["outlays"])}
    assert spent[("doubles", 2028)] == 8e6
    assert spent[("stays", 2028)] == 0
    # The margin of each future's own demand: 200 t and 100 t are served in full.
    survived = rows(futures_book["survival"])
    assert [(row["Future"], row["Shock"], row["motors [margin]"]) for row in survived] == [
        ("doubles", "embargo", "full"), ("stays", "embargo", "full")
    ]  # fmt: skip
    assert {(row["Future"], row["Segment"]) for row in rows(futures_book["segments"])} == {
        ("doubles", "motors"), ("stays", "motors")
    }  # fmt: skip
    assert all("USD" in sheet["A2"].value and sheet.freeze_panes for sheet in futures_book.worksheets)


def test_stocks_of_each_future_stand_below_each_other(tmp_path: Path) -> None:
    futures = "futures={need: {from: 2027, branches: {more: {set: {demands.motors.survival: 0.7}}, same: {}}}}"
    result = so.solve_futures(so.load(TINY, [futures]))
    so.write_workbook(result, tmp_path / "stocks.xlsx")
    found = rows(openpyxl.load_workbook(tmp_path / "stocks.xlsx")["stock"])
    assert [row["Future"] for row in found] == ["more"] * 5 + ["same"] * 5
    held = {name: [row["magnet reserve [t]"] for row in found if row["Future"] == name] for name in ("more", "same")}
    for future in result.futures:
        assert held[future.name] == pytest.approx(list(future.result.plan.stocks["reserve"]))
    # Which of both has more is not known before the answer of 2027.
    assert held["more"][0] == pytest.approx(held["same"][0])


def test_committed_money_is_listed_once_for_all_futures(tmp_path: Path) -> None:
    committed = "options.plant.committed=[{amount: 1M, year: 2026}]"
    result = so.solve_futures(so.load(ROOT / "examples" / "order_or_wait.yaml", [committed]))
    so.write_workbook(result, tmp_path / "committed.xlsx")
    found = rows(openpyxl.load_workbook(tmp_path / "committed.xlsx")["commitments"])
    assert [(row["Process or option"], row["Year"], row["Amount [USD]"]) for row in found] == [("plant", 2026, 1e6)]


def test_workbook_of_futures_that_was_changed_says_so_and_one_future_has_its_plan(tmp_path: Path) -> None:
    result = so.solve_futures(so.load(ROOT / "examples" / "order_or_wait.yaml"))
    so.write_workbook(replace(result, total_cost=1.0), tmp_path / "doctored.xlsx")
    assert openpyxl.load_workbook(tmp_path / "doctored.xlsx")["answer"].cell(HEAD + 1, 1).value == "Warning"
    so.write_workbook(so.solve_futures(so.load(TINY, ["policy.objective=worst"])), tmp_path / "one.xlsx")
    assert {"builds", "stock", "survival", "costs"} <= set(openpyxl.load_workbook(tmp_path / "one.xlsx").sheetnames)


def test_a_sample_that_may_fail_is_not_called_a_failure(struck: str, tmp_path: Path) -> None:
    result = so.solve(so.load(struck))
    so.write_workbook(result, tmp_path / "plan.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "plan.xlsx")["survival"]
    found = rows(sheet)
    assert [row["Survives"] for row in found] == ["NO", "NO", "may fail", "may fail", "NO"]
    assert "that of a sample that may fail does not count." in sheet["A2"].value
    # The gaps that count add up to the gap of the plan.
    assert sum(row["Gap [USD]"] for row in found if row["Survives"] == "NO") == pytest.approx(result.survival_gap)


def test_a_sheet_that_cannot_hold_all_rows_says_so(
    result: so.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizer.report.excel.MOST_SHEET_ROWS", 1)
    so.write_workbook(result, tmp_path / "short.xlsx")
    segments = openpyxl.load_workbook(tmp_path / "short.xlsx")["segments"]
    total = len(result.frames.frame("survival"))
    assert total > 1
    assert segments["A2"].value.startswith(f"The first 1 of {total} rows, as many as a sheet holds; solve --csv writes")
    assert segments.max_row == 5
    assert segments.auto_filter.ref.endswith("5")
