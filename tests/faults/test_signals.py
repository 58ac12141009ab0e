"""SIGTERM and SIGHUP end a search as Ctrl-C does: with the best plan, and exit code 5."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CASE = str(Path(__file__).parents[1] / "cases" / "generated" / "108.yaml")

# Runs the command, and sends itself a signal at the end of a round, several times over.
SIGNALLED = """
import contextlib, signal, sys
from optimizer.cli import common
from optimizer.__main__ import main

name, round_, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sys.argv[1:] = sys.argv[4:]

@contextlib.contextmanager
def display(money):
    def hear(step):
        if step.round == round_:
            for _ in range(times):
                signal.raise_signal(getattr(signal, name))
    yield hear

common.display = display
main()
"""


def signalled(
    name: str, round_: int, *words: str, times: int = 1, nohup: bool = False
) -> subprocess.CompletedProcess[str]:
    code = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n" * nohup + SIGNALLED
    command = [sys.executable, "-c", code, name, str(round_), str(times), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_search_with_the_best_plan(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "plan.json"
    done = signalled(name, 1, "solve", CASE, "--strategy", "constraint-generation", "--json", "--output", str(kept))
    assert done.returncode == 5, done.stderr
    result = json.loads(done.stdout)
    assert result["status"] == "stopped"
    said = "Ctrl-C" if name == "SIGINT" else name
    assert f"Stopped by {said}: this is the best plan found until then." in result["notes"]
    assert json.loads(kept.read_text())["builds"] == result["builds"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_second_signal_ends_it_at_once(name: str) -> None:
    done = signalled(name, 1, "solve", CASE, "--strategy", "constraint-generation", times=2)
    assert done.returncode == 5
    assert done.stdout == ""
    # Before it, stderr has what `check` warns of in the case.
    assert done.stderr.endswith("Error: stopped before there was an answer.\n")
    assert done.stderr.count("Error") == 1


def test_a_hang_up_that_is_ignored_stays_ignored() -> None:
    done = signalled("SIGHUP", 1, "solve", CASE, "--strategy", "constraint-generation", "--json", nohup=True)
    assert done.returncode in (0, 4), done.stderr
    assert json.loads(done.stdout)["status"] != "stopped"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_before_a_command_has_begun_is_5_as_well(name: str) -> None:
    code = (
        "import signal\nimport optimizer.__main__ as stream\nfrom optimizer.__main__ import main\n"
        f"stream.protect_streams = lambda: signal.raise_signal(signal.{name})\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr == "Error: stopped before there was an answer.\n"
