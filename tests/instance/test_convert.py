"""Instances as YAML, JSON and Excel workbooks: nothing is lost, and what is wrong is said of sheet and cell."""

import io
import json
import re
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.errors import CONTROL, OptimizerError
from optimizer.instance.document import parse
from optimizer.instance.reading import check_document
from optimizer.instance.text import Allowance
from optimizer.io.excel_layout import from_cell, to_cell
from optimizer.io.load import convert_file, open_document, read_comments
from optimizer.io.workbook import dump_workbook, parse_workbook
from optimizer.io.yaml_text import Comment, dump_flow, dump_yaml
from tests.instance.test_json_schema import complaints
from tests.strategies import instances

ROOT = Path(__file__).parents[2]
TINY = ROOT / "instances" / "tiny.yaml"
BESIEGED = ROOT / "tests" / "faults" / "besieged.yaml"
SHIPPED = sorted((ROOT / "instances").glob("*.yaml"))
CASES = [*sorted((ROOT / "tests" / "cases").glob("*.yaml")), *sorted((ROOT / "tests" / "cases").glob("*/*.yaml"))[::6]]


def through_a_workbook(data: Any, said: Any = ()) -> so.Instance:
    return check_document(parse_workbook(dump_workbook(data, said), "book.xlsx")[0])[0]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_nothing_is_lost(path: Path) -> None:
    instance, document, said = so.load(path), open_document(path), read_comments(path)
    assert through_a_workbook(document.data, said) == instance
    assert check_document(parse(dump_yaml(document.data, said), "again.yaml"))[0] == instance


def words(said: tuple[Comment, ...]) -> dict[Any, list[str]]:
    """By place, down to the field or the cut, the words in any order; what is said of all cuts is said of the shock."""
    found: dict[Any, list[str]] = {}
    for comment in said:
        # A workbook has one cell for what a scenario sets.
        place = comment.place[: 4 if "cuts" in comment.place and comment.place[0] != "scenarios" else 3]
        place = place[:-1] if place[-1:] == ("cuts",) else place[:1] if place[:1] == ("horizon",) else place
        found.setdefault(place, []).extend(comment.text.replace(";", " ").split())
    return {place: sorted(texts) for place, texts in found.items()}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_instance_goes_to_a_workbook_and_back_with_its_comments(path: Path, tmp_path: Path) -> None:
    book, again = tmp_path / "book.xlsx", tmp_path / "again.yaml"
    convert_file(path, book)
    convert_file(book, again)
    assert so.load(path) == so.load(book) == so.load(again)
    assert read_comments(path)
    assert words(read_comments(path)) == words(read_comments(book)) == words(read_comments(again))


@settings(max_examples=60, deadline=None)
@given(instances())
def test_drawn_instance_goes_to_a_workbook_and_back(data: dict[str, Any]) -> None:
    instance = so.read(data)
    assert through_a_workbook(instance.to_dict()) == instance
    assert check_document(parse(dump_yaml(instance.to_dict()), "again.yaml"))[0] == instance


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x85\u2028\u2029\x00"), max_size=20)
PLAIN = st.one_of(WORDS, st.booleans(), st.integers(-(10**15), 10**15), st.floats(-1e15, 1e15))
# A key holds no control and no invisible characters: a finding says so.
KEYS = WORDS.filter(lambda word: not CONTROL.search(word))
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@given(VALUES)
def test_any_value_is_read_back_from_a_line_of_yaml(value: Any) -> None:
    assert parse(f"value: {dump_flow(value)}", "x.yaml").data["value"] == value


def test_an_amount_with_a_suffix_needs_no_quotes(tmp_path: Path) -> None:
    convert_file(TINY, tmp_path / "again.yaml")
    again = (tmp_path / "again.yaml").read_text(encoding="utf-8")
    assert ("cost: 60k" in again, '"' in again, "$schema" in again) == (True, False, False)
    # A number that YAML or another reader may take for one stays in quotes where it is text.
    assert [dump_flow(text) for text in ("2.5B", "-1M", "60", "1e3", "k")] == ["2.5B", "-1M", '"60"', '"1e3"', "k"]


def test_whole_amounts_are_written_in_short_where_that_is_exact() -> None:
    amounts = {"a": 10**6, "b": -(10**9), "c": 1_500_000_000, "d": 999_999, "e": 12_345_678, "f": 1_234_500, "g": 2e7}
    lines = dump_yaml({"policy": amounts}).splitlines()
    assert [line.partition(": ")[2] for line in lines if ": " in line] == [
        "1M", "-1B", "1.5B", "999999", "12345678", "1.2345M", "20000000.0",
    ]  # fmt: skip


@given(VALUES)
def test_any_value_is_read_back_from_a_cell(value: Any) -> None:
    # A number that Excel would round stands as text, and means the same.
    meant, wrong = from_cell("severity", to_cell("region", value), "x.xlsx", Allowance())
    assert not wrong
    assert meant == value or (isinstance(value, float) and float(meant) == value)


@pytest.mark.parametrize("value", [0.037200000000000004, 1 / 3, -1e-7 / 3, 0.1, 12345678901234567.0])
def test_a_number_stays_a_number_also_where_a_cell_cannot_hold_its_digits(value: float) -> None:
    (read, findings) = from_cell("cost", to_cell("cost", value), "book.xlsx", Allowance())
    assert (read, type(read) in (int, float), findings) == (value, True, [])
    # Text stays text.
    assert from_cell("name", to_cell("name", repr(value)), "book.xlsx", Allowance())[0] == repr(value)


@settings(max_examples=25, deadline=None)
@given(WORDS.filter(str.strip), WORDS.filter(str.strip))
def test_any_words_survive_the_file_itself(name: str, note: str) -> None:
    data = open_document(TINY).data | {"name": name, "note": note}
    document, _ = parse_workbook(dump_workbook(data), "x.xlsx")
    assert (document.data["name"], document.data["note"]) == (name, note)


EVERYTHING = """
name: '[all of it]'
horizon: {start: 2026, end: 2030, step: quarter, decide: quarter}
home: home
commodities: {magnet: , scrap: {note: swarf}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: {2026: 100, 2030: 120.5}, cost: 0.1k}
demands:
  motors: {commodity: magnet, quantity: 90, survival: {2026: 0.1, 2028: 0.5},
           shortage_cost: {value: 5k, low: 4k, high: 9000},
           end_of_life: {commodity: scrap, after_years: 2, collection_rate: 0.3, past_quantity: {2020: 10, 2025: 30}}}
options:
  plant: {kind: refining, stage: magnet, output: {magnet: 1}, max_size: 60, fixed_cost: 10, ramp: [0.5, 1],
          excludes: pal}
  pal: {kind: ally, region: ally, output: {magnet: 1}, max_size: 40, min_size: 5, capex: {2026: 0.3, 2030: 1e-3}}
  deal: {kind: partnership, process: imports, max_size: 10}
shocks:
  embargo:
    start: {from: 2027, to: 2029, every: year}
    grid: {months: [12, 24], severity: [0.5, 1]}
    cuts: [{region: [rival, ally]}, {process: imports, deliberate: false}]
    demand: {motors: 1.1}
  strike: {start: [2027Q1, 2028Q3], months: 6, cuts: [{stage: magnet, severity: [1, 0.5]}], reliability: {deal: 0.2}}
ensembles:
  trouble:
    count: 3
    start: {uniform: [2027, 2029]}
    months: {triangular: [6, 12, 30]}
    events:
      ban: {weight: 3, cuts: [{region: rival, severity: {beta: [4, 2]}, draw: one}]}
      storm: {months: 12, cuts: [{process: imports, severity: [0.2, 0.9]}]}
  bad_luck: {count: 2, months: {discrete: {6: 0.5, 12: 0.5}}, cuts: [{stage: magnet, severity: 0.5}]}
policy:
  budget: 2.5M
  annual_budget: {2026: 1M, 2028: 2M}
  max_share: [{commodity: magnet, region: rival, share: 0.9, from: 2028}, {commodity: magnet, kind: ally, share: 1}]
  min_time_to_survive: [{cuts: [{region: rival, severity: 0.1}], months: 1}]
  force: {pal: {2027: 6}}
adversary:
  attack_budget: 3
  months: 6
  starts: [2027Q1]
  targets: {ports: {price: 2, cuts: [{region: rival, severity: 1}, {region: ally, severity: 0.5}]}}
ranges:
  options.*.max_size: {low: 0.8, high: 1.5, of: value, draw: sizes}
scenarios:
  high: {demands.motors.quantity: {2026: 100, 2030: 110}, policy.budget: 30M, options.plant.name: "12"}
"""


def test_every_table_is_kept() -> None:
    document = parse(EVERYTHING, "all.yaml")
    assert complaints(document.data) == []
    instance, _ = check_document(document)
    sizes = {f"options.{o}.max_size" for o in instance.options}
    assert set(instance.ranges) == {"demands.motors.shortage_cost", *sizes}
    content = dump_workbook(document.data)
    assert check_document(parse_workbook(content, "x.xlsx")[0])[0] == instance
    assert check_document(parse(dump_yaml(document.data), "x.yaml"))[0] == instance
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == [
        "comments", "instance", "commodities", "processes", "demands", "options", "shocks", "cuts", "ensembles",
        "ensemble_cuts", "events", "event_cuts", "targets", "target_cuts", "max_share", "min_time_to_survive", "force",
        "scenarios", "ranges",
    ]  # fmt: skip
    # 0.1k is a number in the cell; years have columns of their own; heads are frozen and explained.
    processes = book["processes"]
    row = {head.value: cell.value for head, cell in zip(processes[1], processes[2], strict=True)}
    assert row["cost"] == 100
    assert row["capacity.2030"] == 120.5
    assert row["output"] == "{magnet: 1}"
    assert processes.freeze_panes == "B2"
    assert "t of activity per year" in next(cell for cell in processes[1] if cell.value == "capacity.2026").comment.text


def edited(change: Any, source: Path = TINY) -> bytes:
    """The workbook of an instance after somebody has worked on it."""
    book = openpyxl.load_workbook(io.BytesIO(dump_workbook(open_document(source).data, read_comments(source))))
    change(book)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def found(content: bytes) -> list[str]:
    try:
        document = parse_workbook(content, "book.xlsx")[0]
        return [str(finding) for finding in check_document(document)[1]]
    except so.InstanceError as error:
        return [str(finding) for finding in error.findings]


def column(sheet: Any, name: str) -> str:
    return next(cell.column_letter for cell in sheet[1] if cell.value == name)


def put(sheet: str, head: str, row: int, value: Any) -> Any:
    def change(book: Any) -> None:
        book[sheet][f"{column(book[sheet], head)}{row}"] = value

    return change


def test_what_is_edited_by_hand_is_read() -> None:
    def change(book: Any) -> None:
        sheet = book["options"]
        sheet.append(["second", *([None] * (sheet.max_column - 1))])
        for head, value in {"kind": "ally", "region": "pal", "stage": "magnet", "output": "{magnet: 1}",
                            "cost": "70k", "max_size": 20.0, "comment": "a friend's plant"}.items():  # fmt: skip
            sheet[f"{column(sheet, head)}{sheet.max_row}"] = value
        book.create_sheet("_scratch")["A1"] = "my own sums"
        sheet["ZZ1"], sheet["ZZ2"] = "_mine", "not read"

    content = edited(change)
    document, said = parse_workbook(content, "book.xlsx")
    second = check_document(document)[0].options["second"]
    assert (second.kind, second.cost.at(2026), second.max_size) == ("ally", 70_000, 20)
    assert Comment(("options", "second"), None, "a friend's plant") in said


SLIPS = [
    (("processes", "capacity", 2, -5), "processes!{capacity}2: processes.imports.capacity: -5 is negative."),
    (("processes", "capacity", 2, "1.200"), 'processes.imports.capacity: "1.200" is text, and may be'),
    (("processes", "capacity", 2, "lots"), 'processes!{capacity}2: processes.imports.capacity: "lots" is not a number'),
    (("processes", "output", 2, "{magnet: 1"), "processes!{output}2: processes.imports.output: cannot be read as"),
    (("processes", "output", 2, "{magnit: 1}"), '"magnit" is no commodity. Did you mean "magnet"?'),
    (("options", "kind", 2, "refinery"), 'options!{kind}2: options.plant.kind: "refinery" is no kind of option'),
    (("options", "kind", 2, None), "options!{kind}2: options.plant.kind: kind is missing. Add `kind:`, one of"),
    (("options", "max_size", 2, None), "options!{max_size}2: options.plant.max_size: max_size is missing. Write"),
    (("cuts", "shock", 2, "embargoes"), 'cuts!A2: shocks.embargoes: "embargoes" is no row of the sheet shocks. Did'),
    (("cuts", "region", 2, "rivel"), 'cuts!{region}2: shocks.embargo.cuts.0.region: "rivel" is the region of no'),
    (("shocks", "start", 2, 2040), 'shocks!{start}2: shocks.embargo.start: the start "2040" is no period'),
    (("demands", "quantity", 2, "=1/0"), "demands!{quantity}2: holds a formula without a result"),
    (("demands", "quantity", 2, "#REF!"), "demands!{quantity}2: holds the error #REF!"),
    (("demands", "id", 2, None), "demands!A2: demands: id is missing. Name it in the column id."),
    (("instance", "value", 4, "twenty"), 'instance!B4: horizon.start: "twenty"'),
    (("shocks", "deliberate", 2, "WAHR"), '"WAHR" is neither true nor false. Write true or false.'),
]


@pytest.mark.parametrize(("slip", "expected"), SLIPS, ids=lambda each: each if isinstance(each, str) else "")
def test_findings_name_sheet_and_cell(slip: tuple[str, str, int, Any], expected: str) -> None:
    content = edited(put(*slip))
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheet = next((book[name] for name in book.sheetnames if f"{name}!" in expected), None)
    for head in () if sheet is None else [cell.value for cell in sheet[1]]:
        expected = expected.replace(f"{{{head}}}", column(sheet, head))
    said = found(content)
    assert any(expected in each and each.startswith("book.xlsx:") for each in said), said


def test_what_an_empty_cell_or_a_date_is_taken_for() -> None:
    def empty(book: Any) -> None:
        sheet = book["instance"]
        for row in sheet.iter_rows(min_row=2, max_col=2):
            if row[0].value == "currency":
                row[1].value = None

    said = [each for each in found(edited(empty)) if "currency" in each]
    assert len(said) == 1
    assert "!B" in said[0]
    assert "has no value, and is read as if it were left out (default: USD). Write" in said[0]

    # A date is no start; that there is none is no second finding.
    dated = found(edited(put("shocks", "start", 2, datetime(2027, 7, 1))))
    assert [each.partition(". ")[0].partition(": ")[2] for each in dated if "shocks!" in each] == [
        "holds a date, where an instance has years and periods"
    ]

    own = found(edited(lambda book: put("options", "_mine", 2, "ask")(with_head(book, "_mine"))))
    assert not any("ask" in each for each in own)
    (refused,) = (
        each for each in found(edited(lambda book: put("options", "Remarks", 2, "ask")(with_head(book, "Remarks"))))
    )
    assert "A column whose name begins with _ is not read." in refused


@pytest.mark.parametrize(
    ("head", "wrong", "cure"),
    [
        ("capex", "capxe", 'Did you mean "capex"?'),
        ("capex", "Capex", 'Did you mean "capex"?'),
        ("max_size", "Remarks", "The columns are"),
        ("max_size", "2030", "Write the field before the year, such as capacity.2030 for the capacity of 2030."),
    ],
)
def test_a_wrong_head_is_one_finding(head: str, wrong: str, cure: str) -> None:
    """Not one for each row, and not again in each scenario."""

    def rename(book: Any) -> None:
        sheet = book["options"]
        sheet[f"{column(sheet, head)}1"] = wrong

    letter = column(openpyxl.load_workbook(io.BytesIO(edited(lambda book: None, BESIEGED)))["options"], head)
    said = [each for each in found(edited(rename, BESIEGED)) if f'"{wrong}"' in each]
    (only,) = said
    assert only.startswith(f'book.xlsx:options!{letter}1: options: "{wrong}" is no column of this sheet. {cure}')


def test_a_head_in_another_case_is_named_where_years_of_the_field_have_columns_too() -> None:
    # The prices of 2026 and 2030 stand in two columns, one price for all years in the column "Price", which is meant.
    def rename(book: Any) -> None:
        book["options"][f"{column(book['options'], 'price')}1"] = "Price"

    content = edited(lambda book: rename(with_head(book, "price.2026")), BESIEGED)
    said = [each for each in found(content) if '"Price"' in each]
    assert len(said) == 1
    assert 'Did you mean "price"?' in said[0]


def test_a_missing_value_is_not_reported_again_in_each_scenario() -> None:
    content = edited(put("demands", "commodity", 2, None), BESIEGED)
    (only,) = (each for each in found(content) if "commodity is missing" in each)
    assert only.endswith("commodity is missing. Write it in this cell.")


def with_head(book: Any, head: str) -> Any:
    sheet = book["options"]
    sheet.cell(1, sheet.max_column + 1, head)
    return book


def test_a_column_that_the_sheet_of_single_values_does_not_have() -> None:
    def change(book: Any) -> None:
        book["instance"]["E1"], book["instance"]["E4"], book["instance"]["E5"] = "unit", "t", "t"

    assert found(edited(change)) == ['book.xlsx:instance!E1: "unit" is no column of this sheet. Remove it.']


def test_a_word_that_looks_like_an_amount_stays_a_word_where_no_number_is_meant() -> None:
    data = so.load(TINY).to_dict() | {"name": "40k"}
    data["processes"]["imports"] |= {"name": "60k", "stage": "2M", "note": "1B"}
    assert through_a_workbook(data) == so.read(data)


def test_cells_that_hold_blanks_only_are_empty() -> None:
    def change(book: Any) -> None:
        book["demands"]["B9"] = book["demands"]["Z2"] = book["instance"]["A30"] = "  "

    assert found(edited(change)) == []


def test_hidden_rows_columns_and_sheets_are_read_and_said() -> None:
    def hide(book: Any) -> None:
        options, cuts = book["options"], book["cuts"]
        options.row_dimensions[3].hidden = options.row_dimensions[40].hidden = True  # Row 40 is empty.
        for head in ("max_size", "comment"):
            options.column_dimensions[column(options, head)].hidden = True
        cuts.sheet_state = "hidden"
        book["comments"].sheet_state = "veryHidden"  # What it holds changes no answer.

    content = edited(hide)
    instance, warnings = check_document(parse_workbook(content, "book.xlsx")[0])
    assert instance == so.load(TINY)
    assert {each.severity for each in warnings} == {"warning"}
    size = column(openpyxl.load_workbook(io.BytesIO(content))["options"], "max_size")
    assert [str(each) for each in warnings] == [
        "book.xlsx:options!A3: row 3 is hidden, and read like the others. "
        "Delete what is not to count, and unhide the others.",
        f"book.xlsx:options!{size}1: column {size} is hidden, and read like the others. "
        "Write _ before the head of what is not to count, and unhide the others.",
        "book.xlsx:cuts!A1: the sheet is hidden, and read like the others. "
        "Write _ before its name if it is not to count, or unhide it.",
    ]


def test_rows_that_a_filter_hides_are_named_in_spans_and_beside_errors() -> None:
    def filtered(book: Any) -> None:
        sheet = book["processes"]
        for row in range(3, 30):
            for cell in sheet[2]:
                sheet.cell(row, cell.column, f"source {row}" if cell.column == 1 else cell.value)
        for row in (3, 5, 6, 8, 10, 12, 14, 16, *range(18, 30)):
            sheet.row_dimensions[row].hidden = True
        sheet.auto_filter.ref = "A1:A29"
        book["demands"][f"{column(book['demands'], 'quantity')}2"] = -1

    said = found(edited(filtered))
    assert any("demands.motors.quantity: -1 is negative" in each for each in said)
    (warning,) = (each for each in said if "hidden" in each)
    assert warning.startswith("book.xlsx:processes!A3: rows 3, 5 to 6, 8, 10, 12, 14 and 2 more are hidden, and read")


def test_a_cell_that_is_stored_twice() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(edited(lambda _: None))) as book, zipfile.ZipFile(content, "w") as twice:
        for name in book.namelist():
            part = book.read(name)
            twice.writestr(name, re.sub(rb'(<c r="D2".*?</c>)(?=.*500000)', rb"\1\1", part, flags=re.DOTALL))
    assert found(content.getvalue()) == [
        "book.xlsx:demands!D2: is stored twice. Open the workbook in Excel and save it."
    ]


def test_a_comment_longer_than_a_note_can_be_is_not_written() -> None:
    data, place = open_document(TINY).data, ("demands", "motors", "quantity")
    dump_workbook(data, [Comment(place, None, "x" * 32_767)])
    with pytest.raises(OptimizerError, match=r"a comment is longer than a note can be \(32,768 characters\)"):
        dump_workbook(data, [Comment(place, None, "x" * 32_768)])


def test_columns_stand_in_the_order_of_the_fields_with_years_behind_their_field() -> None:
    book = openpyxl.load_workbook(io.BytesIO(dump_workbook(open_document(TINY).data)))
    assert [cell.value for cell in book["demands"][1]] == [
        "id", "name", "commodity", "quantity", "survival", "survival.2027", "survival.2029", "shortage_cost", "source",
        "comment",
    ]  # fmt: skip


def test_a_value_of_a_series_out_of_range_is_found_at_its_own_year() -> None:
    # tiny: the floor is 0.3 in 2027 and 0.7 in 2029; 70 for the second is said of its cell, not of that of the first.
    book = openpyxl.load_workbook(io.BytesIO(dump_workbook(open_document(TINY).data)))
    sheet = book["demands"]
    cell = f"{column(sheet, 'survival.2029')}2"
    sheet[cell] = 70
    content = io.BytesIO()
    book.save(content)
    (said,) = found(content.getvalue())
    assert said.startswith(f"book.xlsx:demands!{cell}: demands.motors.survival.2029: 70 is not a share")
    block = "survival:\n      2027: 0.3\n      2029: 70\n    shortage_cost"
    text = re.sub(r"  motors: \{.*\}\n", "", TINY.read_text(encoding="utf-8"))
    fields = "commodity: magnet\n    quantity: 100\n    "
    text = text.replace("demands:\n", f"demands:\n  motors:\n    {fields}{block}: 500k\n")
    with pytest.raises(so.InstanceError) as error:
        check_document(parse(text, "tiny.yaml"))
    assert error.value.findings[0].line == 1 + text[: text.index("2029: 70")].count("\n")


def test_merged_cells_are_refused_where_they_are_read() -> None:
    # As "Merge & Center" leaves them: the second source would have no region, and no cut of it.
    def change(book: Any) -> None:
        sheet = book["processes"]
        at = column(sheet, "region")
        sheet.merge_cells(f"{at}2:{at}3")

    (said,) = (each for each in found(edited(change)) if "merged" in each)
    assert "2 is merged: only its first cell has a value" in said.replace("3 is", "2 is")
    assert "Unmerge it, and write the value into each cell." in said


def test_merged_cells_of_own_columns_do() -> None:
    def change(book: Any) -> None:
        sheet = book["processes"]
        last = sheet.max_column + 1
        sheet.cell(1, last, "_mine")
        sheet.merge_cells(start_row=2, end_row=3, start_column=last, end_column=last)

    assert not found(edited(change))


def test_slips_of_the_sheets_themselves() -> None:
    def change(book: Any) -> None:
        book["shocks"].title = "shoks"
        sheet = book["demands"]
        last = sheet.max_column
        sheet.cell(1, last + 1, "quantity")
        sheet.cell(2, last + 2, 5)
        sheet.append(["motors"])
        book["processes"][f"{column(book['processes'], 'capacity')}1"] = "capasity"
        book["options"][f"{column(book['options'], 'capex')}1"] = "capex.2027"
        book["options"].cell(1, book["options"].max_column + 1, "capex")
        book["options"].cell(2, book["options"].max_column, 7)
        book["instance"].append(["horizon.start", 2027])

    said = "\n".join(found(edited(change)))
    assert 'book.xlsx:shoks!A1: "shoks" is no sheet of an instance. Did you mean "shocks"?' in said
    assert 'the column "quantity" is given twice' in said
    assert "stands in a column without a head" in said
    assert '"motors" is given twice (first in A2)' in said
    assert '"capasity" is no column of this sheet. Did you mean "capacity"?' in said
    assert "capex is given as one value, and by year" in said
    assert "horizon.start: is given twice. Keep one of the two." in said


def test_a_column_without_a_head_is_one_finding() -> None:
    def change(book: Any) -> None:
        last = book["demands"].max_column
        for row in (2, 3, 5):
            book["demands"].cell(row, last + 2, "planned")

    def merge(book: Any) -> None:
        book["cuts"].append(["embargo", *(cell.value for cell in book["cuts"][2][1:])])
        book["cuts"].merge_cells(start_row=1, end_row=1, start_column=2, end_column=3)

    (planned,) = found(edited(change))
    assert planned.endswith("2: stands in a column without a head. Name the column.")
    assert [said for said in found(edited(merge)) if "!C" in said] == []


@pytest.mark.parametrize(
    ("sheet", "head", "lacking"), [("processes", "id", "id"), ("cuts", "shock", "shock"), ("instance", "key", "key")]
)
def test_a_column_that_names_the_rows_is_missed_once(sheet: str, head: str, lacking: str) -> None:
    def change(book: Any) -> None:
        book[sheet][f"{column(book[sheet], head)}1"] = "_mine"

    about = [said for said in found(edited(change, ROOT / "instances" / "ev-maker.yaml")) if f":{sheet}!" in said]
    assert [said.partition(": the column")[2] for said in about] == [
        f" {lacking} is missing. Write its head: without it no row is read."
    ]


def test_a_title_above_the_heads_is_one_finding_of_its_sheet() -> None:
    def change(book: Any) -> None:
        book["processes"].insert_rows(1, 2)
        book["processes"]["A1"] = "Plants, as of 2026"
        book["processes"][f"{processes_column}4"] = -1

    processes_column = column(openpyxl.load_workbook(io.BytesIO(edited(lambda book: None)))["processes"], "capacity")
    title, negative = found(edited(change))
    assert title.startswith("book.xlsx:processes!A1: is above the heads, which stand in row 3. Delete the rows above")
    assert negative.startswith(f"book.xlsx:processes!{processes_column}4: ")


def test_a_workbook_with_more_findings_than_are_listed_says_so() -> None:
    def unknown(book: Any) -> None:
        for number in range(300):
            book["cuts"].append([f"shock{number}"])

    def headless(book: Any) -> None:
        for place in range(40, 340):
            book["cuts"].cell(2, place, 1)

    for change, last in ((unknown, '"shock198" is no row of the sheet shocks'), (headless, "cuts!ID2: stands in a")):
        said = found(edited(change))
        assert len(said) == 200
        assert last in said[-2]
        assert said[-1].startswith("book.xlsx: has more than 200 findings, of which the first are listed.")


def test_comments_in_rows_without_a_key_are_kept_and_values_refused(tmp_path: Path) -> None:
    source, target = tmp_path / "book.xlsx", tmp_path / "back.yaml"
    source.write_bytes(edited(lambda book: book["instance"].append([None, None, "checked in May"])))
    convert_file(source, target)
    assert "# checked in May" in target.read_text(encoding="utf-8")
    (said,) = found(edited(lambda book: book["instance"].append([None, 5, "checked in May"])))
    assert re.fullmatch(r"book.xlsx:instance!A\d+: a value without a key. Name it in the column key.", said)


@pytest.mark.parametrize(
    ("sheet", "row", "rows", "where"),
    [
        ("shocks", {"id": "strike", "cuts": "{region: rival}"}, "cuts", "shocks.strike.cuts"),
        ("ensembles", {"id": "trouble", "events": "none"}, "events", "ensembles.trouble.events"),
        ("instance", {"key": "policy", "value": "none"}, "max_share", "policy"),
        ("instance", {"key": "shocks", "value": "[]"}, "shocks", "shocks"),
    ],
)
def test_a_value_where_another_sheet_has_rows_is_told_with_both_cells(
    sheet: str, row: dict[str, str], rows: str, where: str, tmp_path: Path
) -> None:
    def change(book: Any) -> None:
        heads, key = [cell.value for cell in book[sheet][1]], next(iter(row))
        heads += [head for head in row if head not in heads]
        line = next((line[0].row for line in book[sheet].iter_rows() if line[0].value == row[key]), None)
        line = line or book[sheet].max_row + 1
        for head, value in row.items():
            book[sheet].cell(1, heads.index(head) + 1).value = head
            book[sheet].cell(line, heads.index(head) + 1).value = value

    source = tmp_path / "all.yaml"
    source.write_text(EVERYTHING.replace("  budget: 2.5M\n  annual_budget: {2026: 1M, 2028: 2M}\n", ""))
    said = [each for each in found(edited(change, source)) if f"{where}: is given by the sheet {rows}, and as" in each]
    assert said
    assert all(each.startswith(f"book.xlsx:{rows}!A") and f"value ({sheet}!" in each for each in said)


def test_dates_are_refused_with_the_cure() -> None:
    from datetime import datetime, time

    said = found(edited(put("shocks", "start", 2, datetime(2027, 1, 1))))
    assert any("holds a date" in each and "write 2027, 2027Q1 or 2027-01" in each for each in said), said
    said = found(edited(put("shocks", "months", 2, time(12))))
    assert any("holds a time of day" in each and "Format the cell as a number." in each for each in said), said


def test_what_a_formula_came_to_is_read(tmp_path: Path) -> None:
    import xlsxwriter

    content = io.BytesIO()
    book = xlsxwriter.Workbook(content)
    book.add_worksheet("instance").write_row(0, 0, ["key", "value"])
    book.get_worksheet_by_name("instance").write_formula(1, 1, "=2*10", value=20)
    book.get_worksheet_by_name("instance").write(1, 0, "policy.budget")
    book.close()
    assert parse_workbook(content.getvalue(), "x.xlsx")[0].data == {"policy": {"budget": 20}}


def test_no_workbook(tmp_path: Path) -> None:
    file = tmp_path / "book.xlsx"
    file.write_text("no zip")
    with pytest.raises(so.InstanceError, match="cannot be read as a workbook"):
        so.load(file)
    with pytest.raises(so.InstanceError, match="cannot be read: No such file"):
        so.load(tmp_path / "none.xlsx")


def test_overrides_and_scenarios_work_on_a_workbook(tmp_path: Path) -> None:
    book = tmp_path / "book.xlsx"
    convert_file(TINY, book)
    assert so.load(book, ["policy.budget=5M"]).policy.budget == 5e6
    with pytest.raises(so.InstanceError, match=r"--set policy\.budgit=5M"):
        so.load(book, ["policy.budgit=5M"])


def test_json_says_that_it_has_no_comments(tmp_path: Path) -> None:
    assert convert_file(TINY, tmp_path / "tiny.json") == 2
    assert so.load(tmp_path / "tiny.json") == so.load(TINY)
    assert read_comments(tmp_path / "tiny.json") == ()


def test_a_comment_of_a_value_that_was_changed_says_so(tmp_path: Path) -> None:
    file, plan, back = tmp_path / "own.yaml", tmp_path / "plan.json", tmp_path / "back.yaml"
    text = TINY.read_text(encoding="utf-8").replace("{budget: 20M}", "\n  budget: 20M # as voted")
    file.write_text(text + "discount_rate: 0.03 # assumption: as in other cases\n", encoding="utf-8")
    assert run(tmp_path, "solve", file.name, "--set", "discount_rate=0.08", "--output", plan.name).returncode == 0
    convert_file(plan, back)
    written = back.read_text(encoding="utf-8")
    assert re.search(r"^discount_rate: 0\.08 +# was 0\.03: assumption: as in other cases$", written, re.M)
    assert re.search(r"budget: \S+ +# as voted$", written, re.M)


def test_comments_on_defaults_and_on_empty_sections_are_kept(tmp_path: Path) -> None:
    # The data of a saved plan leave out what equals its default, and a workbook has no rows of an empty section.
    text = TINY.read_text(encoding="utf-8").replace("{budget: 20M}", "{} # no budget")
    said = {
        "discount_rate: 0": "a real rate of none",
        "ensembles: {}": "none yet",
        "description: null": "to be written",
    }
    text += "".join(f"{key} # {words}\n" for key, words in said.items())
    files = [tmp_path / name for name in ("own.yaml", "book.xlsx", "back.yaml", "of_plan.yaml", "of_plan.xlsx")]
    files[0].write_text(text + "regions: {} # as keys\n", encoding="utf-8")
    convert_file(files[0], files[1])
    convert_file(files[1], files[2])
    assert run(tmp_path, "solve", "own.yaml", "--output", "plan.json").returncode == 0
    for target in files[3:]:
        convert_file(tmp_path / "plan.json", target)
    for file in files:
        kept = " ".join(comment.text for comment in read_comments(file))
        assert all(words in kept for words in ("no budget", *said.values(), "as keys")), (file.name, kept)
    assert "discount_rate: 0.0  # a real rate of none" in files[3].read_text(encoding="utf-8")
    # What the data lack is said of the part around it, by name.
    assert "# description: to be written" in files[3].read_text(encoding="utf-8")


def test_a_note_on_an_empty_cell_is_kept(tmp_path: Path) -> None:
    def change(book: Any) -> None:
        sheet = book["options"]
        for head in ("lead_time", "source"):
            sheet[f"{column(sheet, head)}3"].comment = openpyxl.comments.Comment(f"{head}?", "me")

    book, back = tmp_path / "book.xlsx", tmp_path / "back.yaml"
    book.write_bytes(edited(change))
    convert_file(book, back)
    said = " ".join(comment.text for comment in read_comments(back))
    # The option has no source, and as a stockpile no lead time.
    assert "lead_time?" in said
    assert "source?" in said


def test_names_that_a_workbook_does_not_hold_are_told_of_the_source(tmp_path: Path) -> None:
    source, target = ROOT / "tests" / "bad" / "112_blank_words.yaml", tmp_path / "a.xlsx"
    with pytest.raises(so.InstanceError) as error:
        convert_file(source, target)
    assert all(each.file == str(source) and "read back" in each.what for each in error.value.findings)
    assert not target.exists()


def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ends in"):
        convert_file(TINY, tmp_path / "tiny.ods")
    data = open_document(TINY).data | {"note": "x" * 40_000}
    file = tmp_path / "long.json"
    file.write_text(json.dumps(data))
    with pytest.raises(OptimizerError, match="longer than a cell"):
        convert_file(file, tmp_path / "long.xlsx")
    assert not (tmp_path / "long.xlsx").exists()


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "optimizer", *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False)


def test_command_converts_and_solves(tmp_path: Path) -> None:
    assert run(tmp_path, "convert", str(TINY), "tiny.xlsx").returncode == 0
    assert run(tmp_path, "convert", str(TINY), "tiny.xlsx").returncode == 2
    assert run(tmp_path, "convert", "tiny.xlsx", "tiny.xlsx", "--overwrite").returncode == 2
    assert run(tmp_path, "convert", str(TINY), "tiny.xlsx", "--overwrite").returncode == 0
    assert run(tmp_path, "convert", str(TINY), "tiny.doc").returncode == 2
    assert run(tmp_path, "convert", str(TINY), "/dev/null/where.xlsx").returncode == 2
    solved = [run(tmp_path, "solve", file, "--json") for file in (str(TINY), "tiny.xlsx")]
    one, other = (json.loads(done.stdout) for done in solved)
    assert one["total_cost"] == other["total_cost"]
    assert run(tmp_path, "check", "tiny.xlsx").returncode == 0


def test_command_says_every_finding_of_a_bad_source(tmp_path: Path) -> None:
    done = run(tmp_path, "convert", str(ROOT / "tests" / "bad" / "68_many_faults.yaml"), "bad.xlsx")
    assert done.returncode == 3
    assert done.stderr.count("error: ") > 3
    assert not (tmp_path / "bad.xlsx").exists()


def test_ranges_beside_their_numbers_are_read_from_a_cell() -> None:
    change = put("options", "capex", 2, "{value: 200k, low: 150k, high: 100k}")
    (said,) = found(edited(change))
    assert said.startswith("book.xlsx:options!")
    assert "low (150000) is above high (100000)" in said


def test_what_is_wrong_at_the_end_of_a_range_names_its_cell() -> None:
    (said,) = found(edited(put("options", "unit_size", 2, "{value: 20, low: 20, high: 90}")))
    assert said.startswith("book.xlsx:options!")
    assert "at the high end of its range" in said


def test_values_that_a_workbook_does_not_hold_are_named(tmp_path: Path) -> None:
    # An empty cell is no value, and a cell with 3.0 holds 3.
    source, target = tmp_path / "noted.yaml", tmp_path / "noted.xlsx"
    data = open_document(TINY).data
    data["demands"]["motors"]["note"] = 3.0
    source.write_text(dump_yaml({**data, "note": ""}, ()))
    with pytest.raises(so.InstanceError) as error:
        convert_file(source, target)
    assert {finding.where: finding.what.partition(" is read back")[0] for finding in error.value.findings} == {
        "note": '""',
        "demands.motors.note": '"3.0"',
    }
    assert not target.exists()
