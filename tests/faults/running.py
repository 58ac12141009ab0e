"""Runs of the command whose memory is measured, and which end."""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
INPUT = Path(__file__).parent / "input"
TINY = (ROOT / "instances" / "tiny.yaml").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Run:
    """How a command ended: its exit code, its two outputs together, and the most memory it held, in MB."""

    code: int
    output: str
    memory: float


def run(*words: str, seconds: float) -> Run:
    """Run `diversify`; it is killed after so many seconds."""
    command = [sys.executable, "-m", "optimizer", *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=ROOT
    )
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    assert process.stdout is not None
    output = process.stdout.read().decode("utf-8", "replace")
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    # macOS counts bytes, Linux kilobytes.
    return Run(process.returncode, output, usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
