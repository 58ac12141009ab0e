"""Runs of the command whose memory is measured, and which end."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
INPUT = Path(__file__).parent / "input"
TINY = (ROOT / "instances" / "tiny.yaml").read_text(encoding="utf-8")

# Runs a command and says, on a last line, its exit code and the most memory it held.
BETWEEN = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(f"\\n{os.waitstatus_to_exitcode(status)} {usage.ru_maxrss}", flush=True)
"""


@dataclass(frozen=True)
class Run:
    """How a command ended: its exit code, its two outputs together, and the most memory it held, in MB."""

    code: int
    output: str
    memory: float


def run(*words: str, seconds: float) -> Run:
    """Run `diversify`; it is killed after so many seconds.

    A process takes over the most memory that the one held which started it: a small one in between leaves that behind.
    """
    command = [sys.executable, "-S", "-c", BETWEEN, sys.executable, "-m", "optimizer", *words]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        start_new_session=True,
    )
    timer = threading.Timer(seconds, lambda: os.killpg(process.pid, signal.SIGKILL))
    timer.start()
    output = process.communicate()[0].decode("utf-8", "replace")
    timer.cancel()
    assert process.returncode == 0, f"killed after {seconds} s: {output[-500:]}"
    output, _, ended = output.rstrip("\n").rpartition("\n")
    code, memory = ended.split()
    # macOS counts bytes, Linux kilobytes.
    return Run(int(code), output, int(memory) / (2**20 if sys.platform == "darwin" else 2**10))
