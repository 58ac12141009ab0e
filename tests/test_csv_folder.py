"""A folder of CSV tables holds those of one run of a command, and nothing that is somebody's own is removed."""

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from optimizer.cli.app import app
from optimizer.files import write_all
from optimizer.report.tables import render
from optimizer.report.tables.render import RECORD, renew_tables
from optimizer.results.frames import Frame, FrameColumn, Frames

ROOT = Path(__file__).parent.parent
TINY, WAIT = ROOT / "instances" / "tiny.yaml", ROOT / "examples" / "order_or_wait.yaml"


def frames(*names: str) -> Frames:
    def maker(name: str) -> Frame:
        return Frame(name, name, (FrameColumn("what"),), ([name],))

    return Frames({name: lambda name=name: maker(name) for name in names})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.csv"))


def test_tables_that_only_an_earlier_run_wrote_are_removed(tmp_path: Path) -> None:
    renew_tables("solve", frames("builds", "actual"), tmp_path)
    found = renew_tables("solve", frames("builds", "flows"), tmp_path)
    assert found.removed == [tmp_path / "actual.csv"]
    assert found.left == []
    assert names(tmp_path) == ["builds.csv", "flows.csv"]
    assert renew_tables("solve", frames("builds", "flows"), tmp_path).removed == []


def test_what_somebody_wrote_or_changed_stays_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "values.csv").write_text("mine\n")
    renew_tables("solve", frames("builds", "actual"), tmp_path)
    (tmp_path / "actual.csv").write_text("what\nchanged\n")
    found = renew_tables("solve", frames("builds"), tmp_path)
    assert found.removed == []
    assert found.left == [tmp_path / "actual.csv", tmp_path / "values.csv"]
    assert (tmp_path / "actual.csv").read_text() == "what\nchanged\n"


def test_tables_of_another_command_stay_and_are_named(tmp_path: Path) -> None:
    renew_tables("solve", frames("builds", "futures"), tmp_path)
    found = renew_tables("evaluate", frames("futures", "lacks"), tmp_path)
    assert (found.removed, found.left) == ([], [tmp_path / "builds.csv"])
    # Who wrote a table last may remove it.
    found = renew_tables("solve", frames("flows"), tmp_path)
    assert found.removed == [tmp_path / "builds.csv"]
    assert names(tmp_path) == ["flows.csv", "futures.csv", "lacks.csv"]


@pytest.mark.parametrize("record", ["", "{", "[]", "7", '{"solve": []}', '{"solve": {"own.csv": null, "": "a"}}'])
def test_a_damaged_record_removes_nothing(tmp_path: Path, record: str) -> None:
    (tmp_path / "own.csv").write_text("mine\n")
    (tmp_path / RECORD).write_text(record)
    assert renew_tables("solve", frames("builds"), tmp_path).left == [tmp_path / "own.csv"]


def test_a_record_removes_nothing_outside_the_folder_and_no_link(tmp_path: Path) -> None:
    inside, own = tmp_path / "tables", tmp_path / "own.csv"
    inside.mkdir()
    own.write_text("mine\n")
    (inside / "link.csv").symlink_to(own)
    known = sha256(own.read_bytes()).hexdigest()
    (inside / RECORD).write_text(json.dumps({"solve": {"../own.csv": known, str(own): known, "link.csv": known}}))
    assert renew_tables("solve", frames("builds"), inside).removed == []
    assert own.read_text() == "mine\n"
    assert (inside / "link.csv").is_symlink()


def test_a_table_that_cannot_be_written_leaves_all_tables_as_they_were(tmp_path: Path) -> None:
    renew_tables("solve", frames("builds", "costs"), tmp_path)
    (tmp_path / "builds.csv").write_text("what\nearlier\n")
    (tmp_path / "costs.csv").unlink()
    (tmp_path / "costs.csv").mkdir()
    with pytest.raises(OSError, match=r"costs\.csv"):
        renew_tables("solve", frames("builds", "costs"), tmp_path)
    assert (tmp_path / "builds.csv").read_text() == "what\nearlier\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [RECORD, "builds.csv", "costs.csv"]


def test_a_figure_that_cannot_be_computed_leaves_all_tables_as_they_were(tmp_path: Path) -> None:
    def fail() -> Frame:
        raise ZeroDivisionError

    broken = Frames({"builds": lambda: frames("builds").frame("builds"), "costs": fail})
    with pytest.raises(ZeroDivisionError):
        renew_tables("solve", broken, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_record_has_the_digests_of_what_this_run_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_with_another_run(contents: Iterable[tuple[Path, str]]) -> None:
        write_all(contents)
        (tmp_path / "costs.csv").write_text("what\nof another run\n")

    monkeypatch.setattr(render, "write_all", write_with_another_run)
    renew_tables("solve", frames("builds", "costs"), tmp_path)
    known = json.loads((tmp_path / RECORD).read_text())["solve"]
    found = {name: sha256((tmp_path / name).read_bytes()).hexdigest() for name in known}
    assert [name for name in known if known[name] != found[name]] == ["costs.csv"]


def test_a_plan_leaves_no_table_of_another_one(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine\n")
    run = CliRunner().invoke
    assert run(app, ["solve", str(TINY), "--csv", str(tmp_path)]).exit_code == 0
    done = run(app, ["solve", str(WAIT), "--csv", str(tmp_path)])
    said = " ".join(done.stderr.split())
    assert names(tmp_path) == ["decisions.csv", "futures.csv", "mine.csv"]
    assert "builds.csv: an earlier run wrote it, and this one has no such table." in said
    assert "has CSV files that are not of this run: mine.csv." in said
