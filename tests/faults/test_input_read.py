"""Input is read as it is meant or refused with its place: JSON, tags, merges, sheets, dates, single words, bytes."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import optimizer as so
from optimizer.errors import excerpt, nearest
from optimizer.instance.reading import check_document
from optimizer.instance.text import scalar
from optimizer.io.load import open_document
from optimizer.io.workbook import parse_workbook
from tests.faults.running import INPUT, ROOT, TINY


def said(path: Path, *overrides: str) -> list[so.Finding]:
    with pytest.raises(so.InstanceError) as error:
        so.load(path, overrides)
    return list(error.value.findings)


def only(tmp_path: Path, text: str | bytes, name: str = "case.yaml") -> so.Finding:
    """The only finding of a text."""
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    (finding,) = said(tmp_path / name)
    return finding


def line_of(text: str, words: str) -> int:
    return text[: text.index(words)].count("\n") + 1


@pytest.mark.parametrize(
    ("file", "line", "what", "cure"),
    [
        ("tag_null.yaml", 9, '"120" is not what its tag !!null says', "Remove the tag"),
        ("merge_scalar.yaml", 9, "`<<` refers to something that is no mapping", "`<<: *name`"),
        ("two_merges.yaml", 9, "`<<` is given twice", "`<<: [*first, *second]`"),
        ("alias_bomb.yaml", 1, "more than 400,000 values", "aliases inside of aliases"),
        ("merge_bomb.yaml", 1, "more than 400,000 values", "aliases inside of aliases"),
    ],
)
def test_yaml_that_was_taken_wrongly_is_refused(file: str, line: int, what: str, cure: str) -> None:
    (finding,) = said(INPUT / file)
    assert (finding.line, finding.severity) == (line, "error")
    assert what in finding.what
    assert cure in finding.cure


@pytest.mark.parametrize("tag", ["!!timestamp", "!!binary", "!!python/name:os.system", "!mine", "!!merge"])
def test_other_tags_are_refused(tag: str, tmp_path: Path) -> None:
    finding = only(tmp_path, TINY.replace("name: tiny", f"name: {tag} tiny"))
    assert (finding.line, finding.where) == (3, "name")
    assert f"the tag {tag} is not read" in finding.what


def test_tags_of_mappings_and_merges_of_words_are_refused(tmp_path: Path) -> None:
    finding = only(tmp_path, TINY.replace("horizon: {", "horizon: !!omap {"))
    assert "the tag !!omap is not read" in finding.what
    finding = only(tmp_path, TINY.replace("{name: imports", "{<<: [{note: a}, b], name: imports"))
    assert "refers to something that is no mapping" in finding.what


def test_standard_tags_and_merges_of_mappings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "case.yaml"
    text = TINY.replace("name: tiny", "name: !!str 2027").replace("120", "!!int '120'").replace("60k", "!!float 6e4")
    text = text.replace("{name: magnet reserve", "{<<: [{note: a, source: b}, {note: c}], name: magnet reserve")
    file.write_text(text.replace("commodities: {", "commodities: !!map {"))
    instance = so.load(file)
    assert (instance.name, instance.processes["imports"].capacity.at(2026)) == ("2027", 120)
    assert (instance.options["reserve"].note, instance.options["reserve"].source) == ("a", "b")


@pytest.mark.parametrize(
    "text", ["e5", ".e5", "+e1", "-", ".", "1__2.", "5_", "1.5.2", "٣", "9" * 5_000, "1" * 3_000 + "x", "1e5"]
)
def test_words_and_numbers_are_told_apart(text: str) -> None:
    value = scalar(text)
    assert value == text or float(text.replace("_", "")) == value
    assert isinstance(value, str) == (text in ("e5", ".e5", "+e1", "-", ".", "1.5.2", "٣") or len(text) > 400)


def test_json_is_read_as_json(tmp_path: Path) -> None:
    assert so.load(INPUT / "emoji.json").name == "💣 café"
    data = json.loads((INPUT / "emoji.json").read_text())
    key = "k" * 2_000
    data["commodities"] = {key: {}}
    data["processes"]["imports"]["output"] = data["options"]["plant"]["output"] = {key: 1}
    data["demands"]["motors"]["commodity"] = data["options"]["reserve"]["commodity"] = key
    for name in ("long.json", "long.yaml"):
        (tmp_path / name).write_text(json.dumps(data))
        assert list(so.load(tmp_path / name).commodities) == [key]
    assert so.load(ROOT / "instances" / "tiny.yaml", ['name="x"', 'commodities={"magnet": {"name": "\\ud83d\\udca3"}}'])


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ('{"name": "a",\n "name": "b"}', 2, "is given twice (first in line 1)"),
        ('{"horizon": {"start": 1,\n\n"start": 2}}', 3, "is given twice (first in line 1)"),
        ('{"name": "a",\n}', 1, "is not JSON: illegal trailing comma")
        if sys.version_info >= (3, 13)
        else ('{"name": "a",\n}', 2, "is not JSON: expecting property name"),
        ('{"name":\n "a" "b"}', 2, "is not JSON: expecting ',' delimiter"),
        ("{'name': 1}", 1, "is not JSON"),
        ("name: tiny", 1, "is not JSON"),
        ("", 1, "holds no mapping"),
        ("[1]", 1, "holds no mapping"),
        ('{\n"discount_rate": NaN}', 2, "NaN is no number of JSON"),
        ('{\n"name": "\\udca3"}', 2, "half of a surrogate pair U+DCA3"),
        ('{"a":\n"b\x1bc"}', 2, "control character U+001B in column 3"),
        ('{"colour":\n{"a": [1,\n2]}}', 1, '"colour" is no key of an instance'),
    ],
)
def test_json_findings_have_lines(text: str, line: int, what: str, tmp_path: Path) -> None:
    (tmp_path / "case.json").write_bytes(text.encode("utf-8"))
    found = said(tmp_path / "case.json")
    assert [each for each in found if each.line == line and what in each.what], found
    assert all(each.line for each in found)


def test_json_means_what_the_standard_library_makes_of_it(tmp_path: Path) -> None:
    data = open_document(ROOT / "instances" / "tiny.yaml").data | {
        "note": 'a "b" \\ \n é 💣 \u2028',
        "source": "[,]{:}",
    }
    for indent in (None, 2):
        (tmp_path / "case.json").write_text(json.dumps(data, indent=indent))
        document = open_document(tmp_path / "case.json")
        assert document.data == data
        assert document.lines["horizon", "end"] == line_of((tmp_path / "case.json").read_text(), '"end"')


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("name: a\nnote: caf\xe9\n".encode("latin-1"), 2, "is not UTF-8 text: the byte 0xE9 in column 10"),
        ("name: é\n".encode() + b"\xff", 2, "the byte 0xFF in column 1"),
        (TINY.encode("utf-16"), 1, "is UTF-16 text"),
        (b"name: a\nnote: b\x00c\n", 2, "holds the control character U+0000 in column 8"),
        (b"name: a\nnote: b\x1b[2J\n", 2, "holds the control character U+001B in column 8"),
        (b'name: a\nnote: "\\ud800"\n', 2, "invalid Unicode character escape code"),
        (b"a: 1\n---\nb: 2\n", 2, "more than one YAML document"),
        (b"a: 1\nb: *c\n", 2, "the alias *c has no anchor"),
        (b"a: &c 1\nb: &c 2\n", 2, "the anchor &c is given twice"),
    ],
)
def test_text_that_cannot_be_read_has_a_line(text: bytes, line: int, what: str, tmp_path: Path) -> None:
    finding = only(tmp_path, text)
    assert finding.line == line
    assert what in finding.what


def test_a_key_with_a_control_character_is_refused(tmp_path: Path) -> None:
    finding = only(tmp_path, TINY.replace("plant:", '"pl\\eant":'))
    assert finding.line == line_of(TINY, "plant:")
    assert "control character U+001B" in finding.what
    assert "\x1b" not in str(finding)


def test_a_mark_before_the_text_is_left_out(tmp_path: Path) -> None:
    for name, text in (("a.yaml", TINY), ("b.json", (INPUT / "emoji.json").read_text())):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.encode("utf-8"))
        assert so.load(tmp_path / name).demands


@pytest.mark.parametrize(
    ("old", "new", "where", "what", "cure"),
    [
        ("start: 2026", "start: 2026-01-01", "horizon.start", "is a date, where a year is expected", "Write 2026."),
        ("lead_time: 24", "lead_time: 24, latest: 2027Q1", "options.plant.latest", "a date", "Write 2027."),
        ("start: [2027, 2029]", "start: 2027-01-01", "shocks.embargo.start", "no period", "write its year, 2027"),
        ("2029: 0.7", "2029-07-01: 0.7", "demands.motors.survival.2029-07-01", "is a date", "Write 2029."),
        ("2029: 0.7", "2029: lots", "demands.motors.survival.2029", '"lots" is not a number', "plain number"),
        ("capacity: 120", "capacity: [1, 2]", "processes.imports.capacity", "is a list", "{2027: …, 2030: …}"),
        ("{magnet: {name: magnets}}", "{magnet: alloy}", "commodities.magnet", "single word", "{name: alloy}"),
        ("[{region: rival, severity: 1}]", "[rival]", "shocks.embargo.cuts.0", "single word", "{region: rival, …}"),
        ("output: {magnet: 1}, capacity", "output: magnet, capacity", "processes.imports.output", "is not a mapping",
         "{magnet: …}"),
        ("output: {magnet: 1}, capacity", "output: 'magnet: 1', capacity", "processes.imports.output",
         "is not a mapping", "Write {magnet: 1}."),
        ("output: {magnet: 1}, capacity", "output: {magnet:1}, capacity", "processes.imports.output.magnet:1",
         "nothing is not a number", "A colon needs a space after it"),
        ("output: {magnet: 1}, capacity", "output: [magnet], capacity", "processes.imports.output",
         "a list is not a mapping", "Write a mapping: {name: …}."),
        ("capex: 200k", "capex: 200k, opex: 1M", "options.plant.opex", "is an unknown key",
         "Write `cost`, money per t of activity, or `fixed_opex`, money per t/yr of size and year."),
        ("policy: {budget: 20M}", "ranges: {options.plant.capex: {low: 0.5, high: 2}}", "ranges.options.plant.capex",
         "the value 200000 of options.plant.capex lies outside", "Widen it, or add `of: value` if its ends are"),
        ("policy: {budget: 20M}", "ranges: {options.plan.capex: {low: 0.5, high: 2}}", "ranges.options.plan.capex",
         "matches no number", 'Did you mean "options.plant.capex"?'),
        ("policy: {budget: 20M}", "policy: {max_share: 0.5}", "policy.max_share", "should be a list", "Write a list"),
        ("lead_time: 24", "lead_time: 24, ramp: 1.2", "options.plant.ramp", "not a share",
         "Write a number from 0 to 1. Write 0.012 for 1.2 %."),
        ("{magnet: {name", "{mag\u200bnet: {name", "commodities.mag\\u200bnet", "character U+200B", "Remove it"),
        ("{start: 2026, end: 2030, step: year}", "yearly", "horizon", "single word", "Write its fields in braces"),
        ("policy: {budget: 20M}", "policy: none", "policy", "single word", "Write its fields in braces"),
        ("quantity: 100", "quantity: 100, end_of_life: magnet", "demands.motors.end_of_life", "single word",
         "{commodity: magnet, …}"),
        ("start: 2026", "start: null", "horizon.start", "is empty", "Write a value."),
        ("commodity: magnet, price", "commodity: null, price", "options.reserve.commodity", "is empty",
         "Write a value."),
        ("{budget: 20M}", "{budget:20M}", "policy.budget:20M", "is an unknown key", "A colon needs a space after it"),
        ("capacity: 120", "capacity: {low: 90, high: 150}", "processes.imports.capacity", "keys of a range",
         "{value: "),
    ],
)  # fmt: skip
def test_a_message_says_what_to_write(old: str, new: str, where: str, what: str, cure: str, tmp_path: Path) -> None:
    found = [each for each in _said_of(tmp_path, TINY.replace(old, new)) if each.where == where]
    assert [each for each in found if what in each.what and cure in each.cure], found
    assert not [each for each in found if "leave the field out" in each.cure]
    assert all(each.line == line_of(TINY, old) for each in found)


@pytest.mark.parametrize(("word", "meant"), [("yes", True), ("on", True), ("no", False), ("off", False)])
def test_yes_and_no_count_where_true_or_false_is_expected(word: str, meant: bool) -> None:
    changed = so.load(ROOT / "instances" / "tiny.yaml", [f"shocks.embargo.deliberate={word}"])
    assert changed.shocks["embargo"].deliberate is meant


def _said_of(tmp_path: Path, text: str) -> list[so.Finding]:
    (tmp_path / "case.yaml").write_text(text, encoding="utf-8")
    return said(tmp_path / "case.yaml")


def test_a_year_of_a_series_has_its_own_line(tmp_path: Path) -> None:
    text = TINY.replace("2027: 0.3, 2029: 0.7}", "2027: 0.3,\n    2029: x}")
    (finding,) = _said_of(tmp_path, text)
    assert finding.line == line_of(text, "2029: x")


def edited(change: Callable[[Any], object]) -> bytes:
    book = openpyxl.load_workbook(INPUT / "dupsheet_titles.xlsx")
    for title in book.sheetnames:
        if title != title.strip().lower():
            del book[title]
    change(book)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def found(content: bytes) -> list[str]:
    try:
        document, _ = parse_workbook(content, "book.xlsx")
        return [str(each) for each in check_document(document)[1]]
    except so.InstanceError as error:
        return [str(each) for each in error.findings]


def column(sheet: Any, head: str) -> str:
    return next(str(cell.column_letter) for cell in sheet[1] if cell.value == head)


def test_two_sheets_of_one_name_are_refused() -> None:
    (finding,) = said(INPUT / "dupsheet_titles.xlsx")
    assert finding.what == 'the sheets "processes" and " PROCESSES" have the same name, "processes"'
    assert finding.cell == "' PROCESSES'!A1"


def test_what_is_wrong_in_a_workbook_is_said_of_its_own_cell() -> None:
    def title(book: Any) -> None:
        book["processes"].title = " Processes"
        book[" Processes"]["G2"] = -5

    assert found(edited(title))[0].startswith("book.xlsx:' Processes'!G2: processes.imports.capacity: -5 is negative")

    def series(book: Any) -> None:
        sheet = book["demands"]
        sheet[f"{column(sheet, 'survival.2027')}2"] = 7

    (wrong,) = found(edited(series))
    assert wrong.startswith("book.xlsx:demands!F2: demands.motors.survival.2027: 7 is not a share")

    def missing(book: Any) -> None:
        del book["demands"]

    assert any(each.startswith("book.xlsx:instance!A1: demands is missing") for each in found(edited(missing)))

    def word(book: Any) -> None:
        book["processes"]["A2"] = "a_x001B_b"

    assert found(edited(word))[0].startswith("book.xlsx:processes!A2: processes.a\\x1bb: holds the control character")


def test_a_finding_of_a_name_is_at_the_cell_of_the_name() -> None:
    def change(book: Any) -> None:
        sheet = book["processes"]
        sheet.insert_cols(1)
        sheet["A1"], sheet["A2"] = "_mine", "x"
        sheet["B2"] = "plant"

    assert any(each.startswith("book.xlsx:options!A2: options.plant: ") for each in found(edited(change)))

    def moved(book: Any) -> None:
        sheet = book["options"]
        sheet.insert_cols(1)
        sheet["A1"], sheet["A2"] = "_mine", "x"
        sheet["B2"] = "imports"

    assert any(each.startswith("book.xlsx:options!B2: options.imports: is also") for each in found(edited(moved)))


def test_a_cell_is_bounded_like_a_file() -> None:
    def change(book: Any) -> None:
        book["processes"]["D2"] = "[" * 5_000
        book["processes"]["E2"] = '{"' + "k" * 3_000 + '": 1}'

    content = edited(change)
    assert any(each.startswith("book.xlsx:processes!D2: ") and "nest" in each for each in found(content))
    assert not any("cannot be read" in each for each in found(content) if "!E2" in each)


@pytest.mark.parametrize(
    ("assignment", "what"),
    [
        ("policy.budget=1\nname: x", "more than one value"),
        ("policy={<<: 5}", "refers to something that is no mapping"),
        ("policy.budget=" + "[" * 100, "nests more than"),
        ("policy.budget=" + "9" * 5_000, "is not a number"),
        ("policy.budget=1e999", "is not finite"),
        ("name=\udce9", "half of a surrogate pair"),
        ("name=a\x1b", "control character"),
        ("processes.imports.capacity=!!null 5", "is not what its tag"),
    ],
)
def test_overrides_are_read_like_a_file(assignment: str, what: str) -> None:
    findings = said(ROOT / "instances" / "tiny.yaml", assignment)
    assert [each for each in findings if what in each.what], findings
    assert all(len(str(each)) < 400 for each in findings)


def test_an_override_may_end_like_the_name_of_a_file() -> None:
    assert so.load(ROOT / "instances" / "tiny.yaml", ["source=data.json"]).source == "data.json"


def test_findings_beyond_what_anybody_reads_are_left_out(tmp_path: Path) -> None:
    findings = _said_of(tmp_path, TINY + "".join(f"k{i}: 1\n" for i in range(500)))
    assert len(findings) == 200
    assert "more than 200 findings" in findings[-1].what


def test_errors_are_not_left_out_for_warnings(tmp_path: Path) -> None:
    fields = "kind: refining, stage: magnet, output: {magnet: 1}, capex: 1, max_size: 10, lead_time: 24"
    late = "".join(f"  o{i}: {{{fields}, earliest: 2050}}\n" for i in range(300))
    wrong = f"  z: {{{fields}, earliest: 2029, latest: 2027}}\n"
    found = _said_of(tmp_path, TINY.replace("options:\n", f"options:\n{late}{wrong}"))
    assert any("is after latest" in each.what for each in found)


def test_excerpts_are_short_and_can_be_shown() -> None:
    assert excerpt("a" * 1_000) == "a" * 59 + "…"
    assert excerpt("a\x1b\x85") == "a\\x1b\\x85"
    assert excerpt(10**5_000) == "about 1e5000"
    assert nearest("motor", ["motors", "magnet"]) == "motors"
    assert nearest("m" * 5_000, ["m" * 5_001]) is None
    # Of many names only the neighbours by the alphabet are compared.
    assert nearest("motr4999", [f"motor{i}" for i in range(5_000)]) == "motor4999"
