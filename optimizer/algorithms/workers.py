"""Worker processes: how one starts, and how it ends together with the process that started it.

A worker is in a process group of its own, so that Ctrl-C, a hang-up of the terminal and a signal to the whole group
reach the main process only, which decides what becomes of its workers. It watches that process and ends when it is
gone, however that ended: the results of a worker that outlives it would be lost.
"""

import contextlib
import gc
import math
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from optimizer.solver.base import SIGNALS
from optimizer.tolerances import COLLECTED

# Seconds between two looks at the main process. The solver runs without the interpreter's lock, so that a long solve
# does not keep a worker from looking.
WATCH = 0.25


def start_worker() -> Any:
    """A pool of one worker: it keeps what it has built, and where it dies other workers live on."""
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(max_workers=1, initializer=_start, initargs=(os.getpid(),))
    with _held_back():
        # A pool starts its worker at the first task.
        pool.submit(os.getpid)
    return pool


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Keep signals from a worker that is being started: it takes over what is blocked here, until it has its group."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(parent: int) -> None:
    """The first thing that a worker does.

    Args:
        parent: the main process's number; a worker whose parent is another one is an orphan already.
    """
    from loky import process_executor

    if hasattr(os, "setpgrp"):
        os.setpgrp()
    # What came for the group while it was held back is dropped with what is ignored.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for number in SIGNALS:
        if number != signal.SIGINT:
            signal.signal(number, signal.SIG_DFL)
    # What is kept grows with every task. Loky would take that for a leak and start another worker, which would build
    # everything again.
    process_executor._MAX_MEMORY_LEAK_SIZE = math.inf
    gc.set_threshold(*COLLECTED)
    if os.name == "posix":
        threading.Thread(target=_watch, args=(parent,), name="watch parent", daemon=True).start()


def _watch(parent: int) -> None:
    """End this process once its parent is gone; the kernel gives an orphan another parent."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


def core_count() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
