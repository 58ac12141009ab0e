"""Workers end with the process that started them, however that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from optimizer.algorithms.workers import start_worker

CASE = Path(__file__).parents[1] / "cases" / "generated" / "106.yaml"
# Workers have to be gone after 2 seconds; a machine that does other things as well gets more.
PATIENCE = 10.0

# Starts workers as a search does, prints their numbers, and waits with one of them busy and the other idle.
BATCHES = f"""
import threading, time
import optimizer as so
from optimizer.algorithms.recourse import recourse_executor

executor = recourse_executor(so.load({str(CASE)!r}), 3)
print(*executor.pids, flush=True)
executor._workers[1].pool.submit(time.sleep, 600)
threading.Event().wait()
"""
QUESTIONS = """
import os, threading, time
from optimizer.solver import Clock
from optimizer.algorithms.executor import ProcessExecutor
from optimizer.algorithms.workers import Task

def work(memory, *arguments):
    time.sleep(600 * arguments[0])
    return os.getpid()

executor = ProcessExecutor(2)
for _ in executor.as_completed([Task(work, (0,)), Task(work, (0,))], Clock()):
    pass
print(*executor.pids, flush=True)
executor._workers[1].pool.submit(time.sleep, 600)
threading.Event().wait()
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def until(is_so: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("code", [BATCHES, QUESTIONS], ids=["batches", "questions"])
def test_workers_end_with_their_parent(code: str, number: signal.Signals) -> None:
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    try:
        assert len(pids) == 2
        assert all(is_alive(pid) for pid in pids)
        parent.send_signal(number)
        parent.wait(PATIENCE)
        assert until(lambda: not any(is_alive(pid) for pid in pids))
    finally:
        parent.kill()
        parent.stdout.close()
        for pid in pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_signal_to_the_whole_group_does_not_reach_workers() -> None:
    """A hang-up of the terminal and `timeout` signal a whole process group; the main process speaks for its workers."""
    pool = start_worker()
    try:
        pid = pool.submit(os.getpid).result(60)
        assert os.getpgid(pid) == pid != os.getpgid(0)
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def test_a_worker_that_is_being_started_does_not_hear_the_group_either() -> None:
    code = (
        "import os, signal, sys\n"
        "from optimizer.algorithms.workers import start_worker\n"
        "os.setpgrp()\n"
        "signal.signal(signal.SIGTERM, lambda *about: None)\n"
        "pool = start_worker()\n"
        # The worker is there, and takes far longer than this to load Python.
        "os.killpg(0, signal.SIGTERM)\n"
        "print(pool.submit(os.getpid).result(60) > 0)\n"
        "pool.shutdown(wait=True, kill_workers=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
