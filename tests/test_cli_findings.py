"""What is wrong with what was given comes at once, and every reader says so in words."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import optimizer as so
from optimizer.cli.app import app
from optimizer.io.load import convert_file
from tests.test_cli import TINY, diversify


def findings(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_what_is_wrong_on_the_command_line_comes_at_once(tmp_path: Path) -> None:
    done = diversify("check", TINY, "--set", "colour=red", "--set", "policy.budget", "--set", "=5")
    assert done.returncode == 3
    told = [line.split(":")[1].strip() for line in findings(done)]
    assert sorted(told) == ["--set =5", "--set colour=red", "--set policy.budget"]
    done = diversify("solve", TINY, "--without", "plnt", "--without", "reserv", "--force", "plant=33@2026")
    assert done.returncode == 3
    assert [line.split(":")[1].strip() for line in findings(done)] == [
        *("force plant=33@2026", "without plnt", "without reserv")
    ]
    done = diversify("compare", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--without", "plant")
    assert done.returncode == 3
    assert len(findings(done)) == 2


@pytest.mark.parametrize("name", ["tiny.yaml", "tiny.json", "tiny.xlsx"])
def test_an_instance_is_no_plan_to_be_verified(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    convert_file(TINY, file)
    done = run("verify", str(file))
    assert done.exit_code == 3
    what = "an instance, not a plan" if name == "tiny.json" else "no saved plan, which is JSON"
    assert f"{name} is {what}: make one with `diversify solve FILE --output plan.json`" in done.stderr


def test_options_are_left_out_by_commas_as_well() -> None:
    done = run("solve", TINY, "--without", "plant, reserve", "--json")
    assert done.exit_code == 4, done.stderr
    assert json.loads(done.stdout)["builds"] == []
    assert "Without plant." in done.stderr
    assert "Without reserve." in done.stderr


def test_a_file_that_is_not_there_is_no_usage(tmp_path: Path) -> None:
    for words in (("solve", str(tmp_path / "no.yaml")), ("show", str(tmp_path / "no.json"))):
        assert run(*words).exit_code == 3


@pytest.mark.parametrize("text", ["[" * 100_000, "{" + '"a": ' * 5, "name: " + "9" * 5000])
def test_text_that_no_reader_can_take_is_a_finding(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    done = diversify("check", str(tmp_path / "bad.yaml"))
    assert done.returncode == 3
    assert findings(done)
    assert "internal" not in done.stderr


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return so.solve(so.load(TINY)).to_dict()


def changed(plan: dict[str, Any], tmp_path: Path, **parts: Any) -> str:
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(plan | parts, default=list))
    return str(file)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "300"})


def test_a_plan_changed_beyond_recognition_is_no_internal_error(plan: dict[str, Any], tmp_path: Path) -> None:
    builds = [dict(plan["builds"][0], option="nope"), *plan["builds"][1:]]
    shocks = [dict(plan["shocks"][0], name="nope"), *plan["shocks"][1:]]
    page, book, picture = (str(tmp_path / name) for name in ("page.html", "book.xlsx", "picture.svg"))
    wrong = changed(plan, tmp_path, builds=builds)
    assert run("report", wrong, "-o", book).exit_code == 3
    wrong = changed(plan, tmp_path, shocks=shocks)
    assert run("report", wrong, "--quick", "-o", page).exit_code == 3
    assert run("plot", wrong, "survival", "-o", picture).exit_code == 3
    wrong = changed(plan, tmp_path, comments=[{"x": 1}])
    for words in (("report", wrong, "--quick", "-o", page), ("plot", wrong, "survival", "-o", picture)):
        done = run(*words)
        assert done.exit_code == 3
        assert "a comment lacks its place, value or text" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed.json"]


@pytest.mark.parametrize(("content", "said"), [(b"[" * 100_000, "nests too deeply"), (b"\xff{}", "is not UTF-8 text")])
def test_a_plan_that_cannot_be_read_is_told_in_words(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    for command in ("show", "verify", "stress"):
        done = run(command, str(tmp_path / "plan.json"))
        assert (done.exit_code, done.stdout) == (3, "")
        assert said in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--threads", "100000"), "256"),
        (("--cluster", "foo"), "write it like tcp://host:8786"),
    ],
)
def test_what_would_hang_is_refused(words: tuple[str, ...], said: str) -> None:
    done = run("solve", TINY, *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_source_of_comments_that_cannot_be_read_is_a_finding(plan: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: [")
    page = str(tmp_path / "page.html")
    done = run("report", changed(plan, tmp_path), "--quick", "-o", page, "--instance", str(tmp_path / "bad.yaml"))
    assert done.exit_code == 3
    assert "bad.yaml" in done.stderr


def test_names_stand_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "names.yaml"
    file.write_text(Path(TINY).read_text().replace("name: magnet reserve", 'name: "magnet\\nreserve \\x1b[31m"'))
    done = run("check", str(file))
    assert done.exit_code == 3
    assert "options.reserve.name: holds a line break or another control character" in done.stderr


def test_an_instance_that_asks_for_nothing_is_solved() -> None:
    done = run("solve", TINY, "--set", "demands={}", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["total_cost"] == 0
