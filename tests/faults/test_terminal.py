"""What is printed: safe for any terminal, readable in any character set and width, and no failure where it is lost."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

import optimizer as so
from optimizer.cli.app import app
from optimizer.cli.common import Display
from optimizer.report.screen import Screen, fit_to_charset, visible
from optimizer.report.tables.plan import plan_tables
from optimizer.report.tables.render import show
from optimizer.solver import Progress

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "instances" / "tiny.yaml")
RED, REVERSED = "\x1b[31mred", "a\u202egpj.exe"


def diversify(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-W", "error", "-m", "optimizer", *words]
    return subprocess.run(command, capture_output=True, env=os.environ | environment, check=False)


def instance(name: str) -> dict[str, Any]:
    """A small one in which everything is called by one name."""
    return {
        "name": name,
        "horizon": {"start": 2026, "end": 2027, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {"mine": {"output": {"magnet": 1}, "capacity": 10, "region": name}},
        "demands": {"motors": {"commodity": "magnet", "quantity": 10, "survival": 0.5, "shortage_cost": 1e6}},
        "options": {"store": {"kind": "stockpile", "commodity": "magnet", "price": 100}},
        "shocks": {name: {"start": 2027, "months": 12, "cuts": [{"process": "mine", "severity": 1}]}},
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (RED, "\\x1b[31mred"),
        (REVERSED, "a\\u202egpj.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb\x08c\x00\x7f", "a\\x0db\\x08c\\x00\\x7f"),
        ("zero\u200bwidth\u2066\u2069", "zero\\u200bwidth\\u2066\\u2069"),
        ("half \ud800 sign", "half \\ud800 sign"),
        ("tag \U000e0041", "tag \\U000e0041"),
        ("lines\nand\ttabs", "lines\nand\ttabs"),
        ("plain – ▲ ü 希土 👨\u200d👩", "plain – ▲ ü 希土 👨\u200d👩"),
    ],
)
def test_what_a_terminal_would_act_upon_is_shown_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


def test_every_way_to_the_screen_goes_through_one_door(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title=RED, caption=REVERSED)
    table.add_column(RED)
    table.add_row(Text(REVERSED, style="red"))
    table.add_row(REVERSED)
    screen = Screen(force_terminal=False, width=80)
    for part in (RED, Text(RED), table, Text.assemble(("styled", "bold"), (RED, "red"))):
        screen.print(part)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert said.count("\\x1b[31mred") == 5
    assert said.count("a\\u202egpj.exe") == 3


def test_styles_stay_where_they_were() -> None:
    screen = Screen(force_terminal=True, color_system="standard", width=80)
    with screen.capture() as shown:
        screen.print(Text.assemble("a\u202e", ("b", "bold"), "c"))
    assert shown.get() == "a\\u202e\x1b[1mb\x1b[0mc\n"


def test_names_of_shocks_are_broken_before_their_dates() -> None:
    """A cell of 16 characters: "worst in" and the name do not fit, nor does the name; its date stays whole."""
    table = Table(box=None, show_header=False, padding=0)
    table.add_column(width=16, overflow="fold")
    table.add_row("worst in long_embargo@2032Q3")
    table.add_row(Text("attack{mine+port}@2029", style="red"))
    table.add_row("embargo@2029 and a_long_word_without_a_date")
    screen = Screen(force_terminal=False, width=80)
    with screen.capture() as shown:
        screen.print(table)
        screen.print("long_embargo@2032Q3", soft_wrap=True, width=10)
    assert [line.strip() for line in shown.get().splitlines()] == [
        "worst in", "long_embargo", "@2032Q3", "attack{mine+port", "}", "@2029", "embargo@2029 and", "a_long_word_with",
        "out_a_date", "long_embargo@2032Q3",
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["solve", "check"])
@pytest.mark.parametrize("name", [REVERSED, "esc\u200bape"])
def test_names_of_a_file_do_not_act_upon_the_terminal(command: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / "instance.json"
    file.write_text(json.dumps(instance(name)))
    done = diversify(command, str(file))
    said = (done.stdout + done.stderr).decode()
    assert done.returncode in (0, 3), said
    assert visible(name)[:10] in said.replace("\n", "")
    assert visible(said) == said


def test_keys_in_findings_are_shown_escaped(tmp_path: Path) -> None:
    file = tmp_path / "ansi.yaml"
    file.write_text(
        'horizon: {start: 2026, end: 2027, step: year}\ncommodities: {"\\e]0;owned\\a\\e[2J": {bad: 1}}\n'
        "processes: {}\ndemands: {}\n"
    )
    done = diversify("check", str(file))
    assert done.returncode == 3
    said = (done.stdout + done.stderr).decode()
    assert visible(said) == said
    assert "\\x1b]0;owned" in said


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1", "cp932", "utf-8"])
@pytest.mark.parametrize("words", [("solve", TINY), ("check", TINY), ("--help",), ("solve", "--help")])
def test_output_survives_every_character_set(encoding: str, words: tuple[str, ...]) -> None:
    done = diversify(*words, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode(encoding)
    assert "\\u25" not in said
    assert "\\u22" not in said


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_output_survives_the_plainest_locale(variables: dict[str, str]) -> None:
    done = diversify("solve", TINY, **variables)
    assert done.returncode == 0, done.stderr
    assert b"SURVIVES" in done.stdout.upper()


def test_signs_have_a_plain_form() -> None:
    assert fit_to_charset("−5 … ▲ ≥ ×2 ✓ ─┼│ ü", "ascii") == "-5 ... ^ >= x2 + -+| u"
    assert fit_to_charset("−5 … ü", "cp1252") == "-5 … ü"
    assert fit_to_charset("希", "ascii") == "\\u5e0c"


def test_json_stays_json_in_every_character_set(tmp_path: Path) -> None:
    name = "Seltene Erden – 希土 😀"
    file = tmp_path / "instance.json"
    file.write_text(json.dumps(instance("mine") | {"name": name}, ensure_ascii=False), encoding="utf-8")
    done = diversify("solve", str(file), "--json", PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("cp1252"))["instance"] == name


@pytest.mark.parametrize("columns", ["0", "1", "7", "-3", "wide", "99999999999"])
def test_no_width_breaks_a_table(columns: str) -> None:
    usual = diversify("solve", TINY, COLUMNS="80")
    odd = diversify("solve", TINY, COLUMNS=columns)
    assert odd.returncode == 0, odd.stderr
    widest = max(len(line) for line in odd.stdout.decode().splitlines())
    assert widest == max(len(line) for line in usual.stdout.decode().splitlines())
    assert diversify("--help", COLUMNS=columns).returncode == 0


@pytest.mark.parametrize("columns", ["0", "1"])
def test_no_width_breaks_python_either(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    show(plan_tables, so.solve(so.load(TINY)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    "words", [("solve", TINY), ("solve", TINY, "--json"), ("check", TINY), ("--help",), ("--version",), ("schema",)]
)
def test_a_full_stdout_is_an_error_in_words(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-W", "error", "-m", "optimizer", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1
    assert "No space left on device" in said[0]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_plan_is_kept_though_it_cannot_be_printed(tmp_path: Path) -> None:
    kept = tmp_path / "plan.json"
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "optimizer", "solve", TINY, "--output", str(kept)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert json.loads(kept.read_text())["status"] == "survives"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_messages_that_cannot_be_written_cost_no_answer() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "optimizer", "solve", TINY, "--strategy", "constraint-generation", "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "survives"


@pytest.mark.parametrize("words", [("solve", TINY), ("--help",)])
def test_a_reader_who_leaves_is_no_error(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-W", "error", "-m", "optimizer", *words]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.close()
    said = writer.stderr.read()
    writer.stderr.close()
    assert writer.wait() == 0
    assert said == b""


def test_a_warning_of_the_package_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    from optimizer.errors import OptimizerWarning
    from optimizer.studies.conclusion import solve_instance

    def warn(*about: object, **more: object) -> so.Result:
        warnings.warn("The search cannot be kept: no space.", OptimizerWarning, stacklevel=2)
        return usual(*about, **more)  # type: ignore[arg-type]

    usual = solve_instance
    monkeypatch.setattr("optimizer.studies.conclusion.solve_instance", warn)
    done = CliRunner().invoke(app, ["solve", TINY, "--json"])
    assert done.exit_code == 0
    assert done.stderr == "Warning: The search cannot be kept: no space.\n"
    assert json.loads(done.stdout)["status"] == "survives"


@pytest.mark.parametrize(("is_terminal", "lines"), [(True, 2), (False, 1)])
def test_progress_is_broken_between_words_on_a_terminal_alone(*, is_terminal: bool, lines: int) -> None:
    def said(**of_round: Any) -> list[str]:
        screen = Screen(force_terminal=is_terminal, width=80, soft_wrap=True, file=io.StringIO())
        with screen.capture() as shown:
            Display(screen, "USD", None, lists_tasks=False)(Progress(**of_round))
        return shown.get().splitlines()

    # A bound that reads like the value is not repeated.
    of_round: dict[str, Any] = {"phase": "relaxation", "round": 2, "shocks": 4, "violated": 11, "worst_gap": 2.17e9}
    usual = "round 2, relaxation: 4 shocks in the model, 11 others violated, worst gap 2.17B USD, value 7.2801B USD"
    assert " ".join(map(str.rstrip, said(**of_round, best=7.2801e9, bound=7.2801e9))) == usual
    long = said(**of_round, best=7.2801e9, bound=7.2799e9)
    assert " ".join(map(str.rstrip, long)) == f"{usual}, bound 7.2799B USD"
    assert len(long) == lines
