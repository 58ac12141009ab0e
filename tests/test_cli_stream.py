"""A reader who leaves early, streams that are closed or full, and Ctrl-C before a command has begun."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from optimizer import __main__ as face
from tests.test_cli import TINY


def left_alone(*words: str, stderr: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """Run the command with a stdout that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-W", "error", "-m", "optimizer", *words]
        return subprocess.run(command, stdout=writing, stderr=stderr, text=True, check=False)
    finally:
        os.close(writing)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_reader_who_leaves_costs_neither_the_plan_file_nor_the_exit_code(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    done = left_alone("solve", TINY, "--budget", "5M", "--output", str(tmp_path / "plan.json"), *more)
    assert done.returncode == 4
    assert done.stderr == f"wrote {tmp_path / 'plan.json'}\n"
    assert json.loads((tmp_path / "plan.json").read_text())["status"] == "gap"


def test_a_stdout_that_is_closed_is_no_fault() -> None:
    command = f"exec {sys.executable} -W error -m optimizer compare {TINY} --budgets any --quick >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_library_prints_is_not_in_the_answer(tmp_path: Path) -> None:
    # As HiGHS does at times, whatever its options say: past Python, to descriptor 1.
    lever = Path("examples/demand_response.py").read_text(encoding="utf-8")
    (tmp_path / "loud.py").write_text(f"{lever}\nimport os\nos.write(1, b'loud')\n", encoding="utf-8")
    command = [sys.executable, "-m", "optimizer", "--plugin", str(tmp_path / "loud.py"), "solve", TINY, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (json.loads(done.stdout)["status"], done.stderr) == ("survives", "loud")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_disk_that_is_full_is_said_in_words() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "optimizer", "schema"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), SystemExit(130)])
def test_ctrl_c_before_a_command_has_begun_is_5_as_well(monkeypatch: pytest.MonkeyPatch, raised: BaseException) -> None:
    def pressed() -> None:
        raise raised

    monkeypatch.setattr("optimizer.__main__.protect_streams", lambda: None)
    monkeypatch.setattr("optimizer.cli.app.app", pressed)
    with pytest.raises(SystemExit) as done:
        face.main()
    assert done.value.code == 5


def test_a_stopped_run_does_not_wait_for_a_solver_at_its_end() -> None:
    # Where a thread of the solver was still at work, the process aborted at its usual end.
    code = """
import sys, threading, time
import optimizer.cli.app
from optimizer.__main__ import main
from optimizer.errors import SOLVER_THREAD

def stopped():
    threading.Thread(target=time.sleep, args=(50,), name=SOLVER_THREAD).start()
    print("the answer")
    sys.exit(5)

optimizer.cli.app.app = stopped
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=40, check=False)
    assert (done.returncode, done.stdout) == (5, "the answer\n")
