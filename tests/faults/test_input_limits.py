"""No file exhausts time or memory: each ends soon, within 500 MB, with a finding; real ones are far from limits."""

import io
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import optimizer as so
from optimizer import tolerances as limits
from optimizer.algorithms.search import Checkpoint
from optimizer.disruptions.adversary import AdversarySpec
from optimizer.errors import CheckpointError, PlanFileError
from optimizer.io.load import convert_file, read_comments
from optimizer.results.result import Result
from optimizer.solver import Settings
from tests.faults.running import INPUT, ROOT, TINY, run

MEMORY, SECONDS = 500, 40


def checked(*files: Path, seconds: float) -> None:
    """`check` ends in time, within the memory, and finds something in each file."""
    done = run("check", *map(str, files), seconds=seconds)
    assert done.code == 3, done.output[-2000:]
    assert "internal error" not in done.output
    assert "Traceback" not in done.output
    assert done.memory < MEMORY
    silent = [file.name for file in files if f"error: {file}" not in done.output]
    assert not silent, f"nothing is found in {silent}"


def many(shape: str, count: int, joint: str = "") -> str:
    return joint.join(shape.format(i=i) for i in range(count))


def within(section: str, text: str) -> str:
    return TINY.replace(f"{section}:\n", f"{section}:\n{text}")


YAML: dict[str, Callable[[], str]] = {
    "digits": lambda: TINY.replace("120", "1" * 200_000 + "x"),
    "digits_underscored": lambda: TINY.replace("60k", "1" + "_" * 200_000 + "!"),
    "lists": lambda: "a: [" + ",".join(["[]"] * 1_000_000) + "]",
    "numbers": lambda: "a: [" + ",".join(["1"] * 2_000_000) + "]",
    "deep": lambda: "- " * 50_000,
    "deep_maps": lambda: "{a: " * 20_000,
    "deep_keys": lambda: "? " * 50_000,
    "deep_lines": lambda: "".join(" " * i + "a:\n" for i in range(2_000)),
    "quotes": lambda: '"' * 500_000,
    "documents": lambda: "---\na: 1\n" * 50_000,
    "unknown_keys": lambda: TINY + many("k{i}: 1\n", 50_000),
    "unknown_names": lambda: within(
        "processes", many("  p{i}: {{region: r, output: {{none{i}: 1}}, capacity: 1}}\n", 5_000)
    ).replace("commodities: {", "commodities: {" + many("some{i}: {{}}, ", 5_000)),
    "faulty_fields": lambda: within("processes", many("  p{i}: {{capacity: x}}\n", 20_000)),
    "tags": lambda: TINY + many("x{i}: &a{i} !t 1\n", 20_000),
    "patterns": lambda: TINY + "ranges:\n" + many("  '*.*.*a*a*a*{i}': {{low: 1, high: 2}}\n", 70_000),
    "long_paths": lambda: TINY + "ranges:\n" + many(f"  ? 'a{'.a' * 2000}{{i}}'\n  : {{{{low: 1, high: 2}}}}\n", 300),
    "scenarios": lambda: TINY + "scenarios:\n" + many("  s{i}: {{policy.bud{i}: 1}}\n", 20_000),
    "samples": lambda: TINY + "ensembles:\n" + many(
        "  e{i}: {{count: 100000, months: 12, start: 2027, cuts: [{{region: rival, severity: 1}}]}}\n", 30
    ),
    "members": lambda: TINY.replace("start: 2026, end: 2030, step: year", "start: 1900, end: 2200, step: month")
    .replace("[2027, 2029]", "{from: 1900, every: month}")
    .replace("severity: 1}", "}")
    .replace("deliberate: true", "grid: {severity: [" + many("0.{i:04d}", 3_000, ",")[7:] + "]}"),
    "periods": lambda: within(
        "processes", many("  p{i}: {{region: r, output: {{magnet: 1}}, capacity: 1}}\n", 3_000)
    ).replace("start: 2026, end: 2030, step: year", "start: 1900, end: 2200, step: month"),
    "starts": lambda: TINY.replace("[2027, 2029]", "[" + ",".join(["2027"] * 50_000) + "]"),
    "targets": lambda: TINY + "adversary: {attack_budget: 1, months: 24, starts: [2027], targets: {" + many(
        "t{i}: {{price: 1, cuts: [{{region: rival, severity: 1}}]}}", 6_000, ", "
    ) + "}}\n",
}  # fmt: skip
JSON: dict[str, Callable[[], str]] = {
    "deep": lambda: "[" * 100_000,
    "deep_maps": lambda: '{"a":' * 100_000,
    "lists": lambda: '{"a":[' + ",".join(["[]"] * 1_000_000) + "]}",
    "spaces": lambda: " " * 5_000_000 + "{}",
    "digits": lambda: '{"a": ' + "9" * 200_000 + "}",
    "exponent": lambda: '{"discount_rate": 1e400}',
    "nan": lambda: '{"discount_rate": NaN}',
    "infinity": lambda: '{"discount_rate": -Infinity}',
    "half": lambda: '{"name": "\\ud800"}',
    "null": lambda: '{"a\\u0000b": 1}',
    "long_key": lambda: '{"' + "k" * 5_000_000 + '": 1}',
    "twice": lambda: "{" + many('"a": {i}', 20_000, ",") + "}",
}


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_text_is_read_within_limits(form: str, tmp_path: Path) -> None:
    files = []
    for name, text in (YAML if form == "yaml" else JSON).items():
        files.append(tmp_path / f"{name}.{form}")
        files[-1].write_text(text(), encoding="utf-8")
    if form == "yaml":
        files += [INPUT / "alias_bomb.yaml", INPUT / "merge_bomb.yaml", INPUT / "ranges_star.yaml"]
    checked(*files, seconds=3 * SECONDS)


@pytest.fixture
def book(tmp_path: Path) -> dict[str, bytes]:
    """The parts of a sound workbook."""
    (tmp_path / "tiny.yaml").write_text(TINY, encoding="utf-8")
    convert_file(tmp_path / "tiny.yaml", tmp_path / "tiny.xlsx")
    with zipfile.ZipFile(tmp_path / "tiny.xlsx") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes], *more: tuple[str, bytes], by: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(content, "w", by) as archive:
        warnings.simplefilter("ignore")
        for name, part in (*parts.items(), *more):
            archive.writestr(name, part)
    return content.getvalue()


def test_a_workbook_is_read_within_limits(book: dict[str, bytes], tmp_path: Path) -> None:
    sheet = "xl/worksheets/sheet3.xml"

    def adding(rows: bytes, head: bytes = b"") -> dict[str, bytes]:
        return book | {sheet: head + book[sheet].split(b"?>", 1)[1].replace(b"</sheetData>", rows + b"</sheetData>")}

    entities = b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    crafted = {
        "unpacked": packed(book, ("xl/x.bin", b"\0" * 100_000_000)),
        "twice": packed(book, (sheet, book[sheet])),
        "parts": packed(book, *((f"x{i}", b"") for i in range(5_000))),
        "lzma": packed(book, by=zipfile.ZIP_LZMA),
        "rows": packed(adding(b"".join(b'<row r="%d"><c s="1"/></row>' % i for i in range(100, 300_000)))),
        "cells": packed(adding(b'<row r="99">' + b"<c/>" * 4_000_000 + b"</row>")),
        "row_number": packed(adding(b'<row r="99999999999999"><c><v>1</v></c></row>')),
        "digits": packed(adding(b'<row r="9"><c r="E9"><v>' + b"9" * 1_000_000 + b"</v></c></row>")),
        "entities": packed(adding(b"", b'<!DOCTYPE l [<!ENTITY a "lol">' + entities + b"]>")),
        "truncated": packed(book)[:5_000],
        "no_zip": b"PK\x03\x04" + b"x" * 1_000,
    }
    files = [INPUT / "yamlbomb.xlsx"]
    for name, content in crafted.items():
        files.append(tmp_path / f"{name}.xlsx")
        files[-1].write_bytes(content)
    checked(*files, seconds=3 * SECONDS)


def test_places_between_cells_are_not_made(book: dict[str, bytes], tmp_path: Path) -> None:
    sheet = "xl/worksheets/sheet3.xml"
    merged = b'</sheetData><mergeCells count="1"><mergeCell ref="K9:XFD1048576"/></mergeCells>'
    linked = b'</sheetData><hyperlinks><hyperlink ref="K9:XFD1048576" location="x"/></hyperlinks>'
    files = [INPUT / "far_row_format.xlsx", INPUT / "far_cell_format.xlsx"]
    for name, tail in (("merged", merged), ("linked", linked)):
        files.append(tmp_path / f"{name}.xlsx")
        files[-1].write_bytes(packed(book | {sheet: book[sheet].replace(b"</sheetData>", tail)}))
    done = run("check", *map(str, files), seconds=2 * SECONDS)
    assert done.code == 0, done.output
    assert done.output.count("can be used") == len(files)
    assert done.memory < MEMORY / 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    ("form", "command"), [("yaml", "check"), ("json", "check"), ("xlsx", "check"), ("json", "show")]
)
def test_what_is_no_file_is_refused_at_once(form: str, command: str, tmp_path: Path) -> None:
    pipe, folder, device = (tmp_path / f"{name}.{form}" for name in ("pipe", "folder", "device"))
    os.mkfifo(pipe)
    folder.mkdir()
    device.symlink_to("/dev/zero")
    for path, kind in ((pipe, "a pipe"), (folder, "a folder"), (device, "a device")):
        with pytest.raises((so.InstanceError, PlanFileError), match=f"cannot be read: it is {kind}, not a file"):
            Result.load(path) if command == "show" else so.load(path)


def test_a_large_file_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as stream:
        stream.truncate(10**12)
    with pytest.raises(so.InstanceError, match="larger than 32 MB"):
        so.load(file)


def test_real_sizes_are_far_from_the_limits(tmp_path: Path) -> None:
    shocks = many("  shock{i}: {{start: 2027, months: 12, cuts: [{{region: rival, severity: 0.5}}]}}\n", 10_000)
    (tmp_path / "shocks.yaml").write_text(within("shocks", shocks), encoding="utf-8")
    assert len(so.load(tmp_path / "shocks.yaml").shocks) == 10_001
    note = "It is known from what happened before. " * 45
    scenarios = many(f'  case{{i}}: {{{{start: 2028, months: 24, source: "{note}", deliberate: true, '
                     "cuts: [{{region: rival, severity: 0.5}}, {{region: rival, severity: 1}}]}}\n", 2_500)  # fmt: skip
    text = within("shocks", scenarios)
    assert len(text) > 4_500_000
    (tmp_path / "scenarios.yaml").write_text(text, encoding="utf-8")
    assert len(so.load(tmp_path / "scenarios.yaml").shocks) == 2_501


def test_scenarios_that_are_not_checked_are_said_to_be(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    file.write_text(TINY + "scenarios:\n" + many("  s{i}: {{policy.budget: 1}}\n", 5_000), encoding="utf-8")
    instance, findings = so.check(file)
    assert len(instance.scenarios) == 5_000
    assert any(found.severity == "warning" and "of 5,000 scenarios are checked" in found.what for found in findings)


def test_sets_of_thousands_of_targets_are_found_without_recursion() -> None:
    targets = {f"t{i}": {"price": 1, "cuts": [{"region": "r", "severity": 1}]} for i in range(3_000)}
    data = {"attack_budget": 2_999, "months": 12, "starts": [2027], "targets": targets}
    found = AdversarySpec.model_validate(data).maximal(5)
    assert found is None
    few = AdversarySpec.model_validate(data | {"attack_budget": 3_000}).maximal(5)
    assert few == [tuple(targets)]


def test_comments_are_read_in_time(tmp_path: Path) -> None:
    file = tmp_path / "said.yaml"
    file.write_text(TINY + "ranges:\n" + many("  # of {i}\n  a.b{i}: {{low: 1, high: 2}}  # x\n", 20_000))
    assert len(read_comments(file)) == 40_002


PLANS = {
    "lists": ('{"builds": [' + ",".join(["[]"] * 1_000_000) + '], "data": 1}', "more than 1,500,000 values"),
    "deep": ("[" * 200_000, "nests too deeply"),
    "deep_part": ('{"builds": ' + "[" * 500 + "]" * 500 + "}", "nests too deeply"),
    "digits": ('{"builds": ' + "9" * 100_000 + "}", "no finite number"),
    "exponent": ('{"builds": 1e400}', "no finite number"),
    "nan": ('{"builds": NaN}', "no finite number"),
    "twice": ('{"builds": 1, "builds": 2}', 'the key "builds" is given twice'),
    "half": ('{"builds": "\\ud800"}', "half of a surrogate pair"),
}


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_file_is_read_within_limits(name: str, tmp_path: Path) -> None:
    text, said = PLANS[name]
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(PlanFileError, match=said):
        Result.load(tmp_path / "plan.json")


def test_a_plan_file_says_where_it_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(b'{"builds":\n "caf\xe9"}')
    with pytest.raises(PlanFileError, match=r"plan.json:2 cannot be read: .* the byte 0xE9 in column 6"):
        Result.load(tmp_path / "plan.json")


def test_a_checkpoint_is_read_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = Checkpoint(str(tmp_path), so.load(ROOT / "instances" / "tiny.yaml"), Settings())
    checkpoint.path.write_bytes(packed({"facts.npy": b"\0" * 2_000_000}))
    monkeypatch.setattr("optimizer.algorithms.search.CHECKPOINT_BYTES", 1_000_000)
    with pytest.raises(CheckpointError, match="unpacked it is larger than 1 MB"):
        checkpoint.load()
    if hasattr(os, "mkfifo"):
        checkpoint.path.unlink()
        os.mkfifo(checkpoint.path)
        with pytest.raises(CheckpointError, match="a pipe"):
            checkpoint.load()


def test_the_manual_names_the_limits() -> None:
    page = (ROOT / "docs" / "how-to" / "write.md").read_text(encoding="utf-8")
    part = page.split("## What is read, and how much\n")[1].split("\n## ")[0]
    sizes = (limits.FILE_BYTES, limits.PLAN_BYTES, limits.CHECKPOINT_BYTES, limits.WORKBOOK_BYTES)
    counts = (
        *(limits.MOST_PLAN_VALUES, limits.MOST_VALUES, limits.NESTING, limits.NUMBER_LENGTH, limits.KEY_LENGTH),
        *(
            limits.MOST_CELLS,
            limits.CELL_LENGTH,
            limits.MOST_EVENTS,
            limits.MOST_TARGETS,
            limits.MOST_COLUMNS,
            limits.MOST_FINDINGS,
        ),
    )
    for text in [*(f"{size / 2**20:,.0f} MB" for size in sizes), *(f"{count:,}" for count in counts)]:
        assert text in part, text
