"""SIGTERM and SIGHUP end a search as Ctrl-C does: with the best plan, and exit code 5."""

import functools
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.solver.base import Clock, Progress, interruptible
from optimizer.studies import conclusion

CASE = str(Path(__file__).parents[1] / "cases" / "generated" / "108.yaml")
TINY = str(Path(__file__).parents[2] / "instances" / "tiny.yaml")

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


def run_with_interrupts(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a process that Ctrl-C reaches: what a shell begins in the background ignores it, and so do its children."""
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=heed)


def test_a_signal_while_the_command_line_is_read_is_answered_in_words() -> None:
    """Typer catches it, and ends with 130."""
    code = (
        "import signal, typer.core\nfrom optimizer.__main__ import main\n"
        "typer.core.TyperGroup.parse_args = lambda *args: signal.raise_signal(signal.SIGINT)\nmain()"
    )
    done = run_with_interrupts(sys.executable, "-c", code)
    assert done.returncode == 5
    assert done.stderr.strip() == "Error: stopped before there was an answer."


def test_a_signal_during_a_search_within_a_study_ends_the_study() -> None:
    """The first plan of a comparison is found in this process, by a search with a clock of its own."""
    rounds = list[int]()

    def listener(event: Progress) -> None:
        if event.round and not rounds:
            rounds.append(event.round)
            signal.raise_signal(signal.SIGINT)

    settings = so.Settings(strategy="constraint-generation", jobs=1)
    found = so.compare(so.load(CASE), ["1B", "2B", "3B"], settings=settings, listener=listener)
    assert rounds
    assert found.stopped
    assert len(found.columns) == 1


def test_a_signal_stops_all_clocks_that_run_and_a_second_one_ends_all() -> None:
    whole, task, said = Clock(), Clock(), list[str]()
    with interruptible(whole, lambda _: said.append("whole")):
        with interruptible(task), interruptible(task, lambda _: said.append("task")):
            signal.raise_signal(signal.SIGTERM)
        assert (whole.interrupted, task.interrupted) == (True, True)
        assert (whole.signal_name, task.signal_name) == ("SIGTERM", "SIGTERM")
        assert said == ["whole", "task"]
        with pytest.raises(KeyboardInterrupt), interruptible(Clock()):
            signal.raise_signal(signal.SIGINT)


def test_a_signal_while_a_module_is_loaded_is_no_error_of_that_module(tmp_path: Path) -> None:
    """Numpy, pydantic and others turn an interrupt of their import into an ImportError, or into nothing."""
    plugin = tmp_path / "plugin.py"
    for answer in ("raise ImportError('initialization failed')", "pass"):
        plugin.write_text(
            f"import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt:\n    {answer}\n"
        )
        done = run_with_interrupts(sys.executable, "-m", "optimizer", "--plugin", str(plugin), "solve", CASE)
        assert (done.returncode, done.stdout) == (5, "")
        assert done.stderr == "Error: stopped before there was an answer.\n"


def test_a_signal_while_the_plan_to_explain_is_worked_out_ends_the_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan is proven already when the signal comes, so that its search is not stopped."""
    conclude = conclusion.conclude

    def signalled_conclude(*args: Any, **kwargs: Any) -> so.Result:
        signal.raise_signal(signal.SIGINT)
        return conclude(*args, **kwargs)

    monkeypatch.setattr(conclusion, "conclude", signalled_conclude)
    found = so.explain(so.load(TINY))
    assert found.result.survives
    assert (found.part_values, found.is_complete) == ((), False)
