"""Files that are written: modes, links, syncing, and cells that a spreadsheet would run."""

import csv
import io
import json
import math
import os
import stat
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

import optimizer as so
from optimizer import files
from optimizer.cli.app import app
from optimizer.files import write_whole
from optimizer.report.excel import workbook
from optimizer.report.tables.render import frame_csv, to_csv, unit_format, write_frames
from optimizer.results.frames import Frame, FrameColumn
from optimizer.studies.stress import stress
from optimizer.studies.time_to_survive import time_to_survive


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("umask", "expected"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o000, 0o666)])
def test_a_new_file_follows_the_umask(umask: int, expected: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "new.json", "{}")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new.json") == expected


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o755])
def test_a_file_that_is_replaced_keeps_its_mode(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text("old")
    path.chmod(kept)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == kept
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_protected_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "protected.json"
    path.write_text("old")
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        # A superuser may write all files.
        monkeypatch.setattr(files.os, "access", lambda *about: False)
    with pytest.raises(PermissionError, match=r"protected\.json"):
        write_whole(path, "new")
    assert path.read_text() == "old"


def test_a_link_goes_on_pointing_where_it_points(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "real.json", tmp_path / "link.json"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert mode(target) == 0o640


def test_content_is_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace

    def noted_sync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def noted_replace(self: Path, target: Any) -> Path:
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(files.os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_whole(tmp_path / "plan.json", "{}")
    assert done == ["file", "rename", "folder"]


def test_a_disk_that_fails_at_the_sync_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match=r"plan\.json"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


FORMULA = '=HYPERLINK("http://x")'


def instance() -> so.Instance:
    """One whose names begin formulas and whose currency holds quotes; a plan of it buys, stocks and fails."""
    return so.read(
        {
            "name": FORMULA,
            "currency": 'U"S"D',
            "horizon": {"start": 2026, "end": 2027, "step": "year"},
            "commodities": {"magnet": {"name": "+1+1"}},
            "processes": {"mine": {"output": {"magnet": 1}, "capacity": 10, "name": "@SUM(A1)", "region": "-1+1"}},
            "demands": {
                "motors": {
                    "commodity": "magnet",
                    "quantity": 10,
                    "survival": 0.5,
                    "shortage_cost": 1e6,
                    "name": "-1+1",
                },
            },
            "options": {"store": {"kind": "stockpile", "commodity": "magnet", "price": 100, "name": FORMULA}},
            "shocks": {"=halt": {"start": 2027, "months": 12, "cuts": [{"process": "mine", "severity": 1}]}},
        }
    )


def starts(text: str) -> bool:
    return text.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("text", ["=1+1", "+cmd|'/C calc'!A0", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "－1", "-", "\t5"])
def test_text_that_begins_a_formula_is_told_from_numbers(text: str) -> None:
    assert files.starts_formula(text)
    assert to_csv(["a"], [[text]]).splitlines(keepends=True)[1].lstrip('"').startswith("'")


@pytest.mark.parametrize("text", ["-5", "+3.2e4", "-0.001", "plant", "a=b", "", "2026"])
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert not files.starts_formula(text)


def test_no_cell_of_any_csv_begins_a_formula(tmp_path: Path) -> None:
    result = so.solve(instance())
    paths = write_frames(result.frames, tmp_path / "tables")
    paths += write_frames(stress(result, samples=20).frames, tmp_path / "stress")
    paths += write_frames(time_to_survive(instance()).frames, tmp_path / "lasting")
    for path in paths:
        with path.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        for cell in filter(starts, cells):
            # Numbers stay numbers.
            float(cell)
    escaped = (tmp_path / "tables" / "survival.csv").read_text()
    assert "'=halt" in escaped


def test_numbers_below_zero_stay_numbers_in_a_csv() -> None:
    columns = (FrameColumn("=head"), FrameColumn("margin"))
    frame = Frame("any", "Any", columns, (["=text", "-5"], [-0.25, 1.0]))
    assert frame_csv(frame) == "'=head,margin\n'=text,-0.25\n-5,1.0\n"


def test_numbers_in_a_csv_have_no_digits_of_rounding() -> None:
    assert to_csv(["a", "b"], [[0.1 + 0.2, 45.25722523853956], [5, math.inf]]) == "a,b\n0.3,45.2572252385\n5,inf\n"


def test_text_in_workbooks_is_text_and_a_quoted_currency_is_shown() -> None:
    given = instance()
    result = so.solve(given)
    book = openpyxl.load_workbook(io.BytesIO(workbook(given, result)))
    marked, formats = 0, set()
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f", (sheet.title, cell.coordinate)
                if isinstance(cell.value, str) and files.starts_formula(cell.value):
                    assert cell.quotePrefix, (sheet.title, cell.coordinate)
                    marked += 1
                if isinstance(cell.value, (int, float)) and '"U"' in cell.number_format:
                    formats.add(cell.number_format)
    assert marked
    # A quote inside a format ends a text; one of the text itself stands outside, behind a backslash.
    assert '#,##0 "U"\\""S"\\""D"' in formats


@pytest.mark.parametrize(
    ("unit", "shown"), [("USD", '"USD"'), ('a"b', '"a"\\""b"'), ('"', '\\"'), ('""', '\\"\\"'), ("", "")]
)
def test_units_in_number_formats(unit: str, shown: str) -> None:
    assert unit_format(unit) == shown


def test_an_instance_goes_through_a_workbook_with_such_names(tmp_path: Path) -> None:
    path = tmp_path / "instance.xlsx"
    given = instance()
    source = tmp_path / "instance.json"
    source.write_text(json.dumps(given.to_dict()))
    done = CliRunner().invoke(app, ["convert", str(source), str(path)])
    assert done.exit_code == 0, done.output
    assert so.load(path).to_dict() == given.to_dict()
    cells = [cell for sheet in openpyxl.load_workbook(path) for row in sheet.iter_rows() for cell in row]
    formulas = [cell for cell in cells if isinstance(cell.value, str) and files.starts_formula(cell.value)]
    assert formulas
    assert all(cell.quotePrefix and cell.data_type == "s" for cell in formulas)
