"""Worker processes: their tasks, how they start, and how they end with the process that started them.

A **task** is a module-level function with its arguments: ``work(memory, *arguments)``. `memory` is a dictionary that
each worker keeps while it lives: objects that a task stores there, such as a warm solver, are available to later tasks.

A worker is in a process group of its own, so that Ctrl-C, a hang-up of the terminal and a signal to the whole group
reach only the main process, which decides about its workers. The worker watches that process and ends with it, however
that ended: results of an orphaned worker would be lost.
"""

import contextlib
import ctypes
import gc
import hashlib
import math
import os
import pickle
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.errors import WorkerError
from optimizer.solver.base import SIGNALS, Clock, Listener, Settings, ignore, interruptible, note_signal
from optimizer.tolerances import COLLECTOR_THRESHOLDS

# Seconds between two checks of the main process. The solver releases the interpreter's lock, so that a long solve does
# not delay the check.
WATCH = 0.25
Memory = dict[str, Any]
# The keys of a worker's memory for the clock of the whole computation and the listener of its tasks, if the worker is
# the main process.
CLOCK, LISTENER = "clock", "listener"


@dataclass(frozen=True)
class Task:
    """A module-level function, its arguments, and its home: the worker with the needed memory (0: this process)."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    home: int = 0

    def run(self, memory: Memory) -> Any:
        """Run the task in this process."""
        return self.work(memory, *self.arguments)


@dataclass(frozen=True)
class Setup:
    """The preparation of a worker's memory before its first task: ``build(memory, argument)``."""

    build: Callable[[Memory, Any], None]  # a module-level function
    packed: bytes  # the pickled argument
    key: str  # identifies the setup, for cluster workers that serve several runs

    @classmethod
    def of(cls, build: Callable[[Memory, Any], None], argument: Any) -> "Setup":
        """Return a setup; its argument is pickled once for all workers."""
        packed = pickle.dumps(argument, protocol=pickle.HIGHEST_PROTOCOL)
        digest = hashlib.sha256(f"{build.__module__}.{build.__qualname__} ".encode() + packed)
        return cls(build, packed, digest.hexdigest())

    @classmethod
    def nothing(cls) -> "Setup":
        """Return a setup that leaves the memory empty, with a key of its own."""
        return cls(_build_nothing, pickle.dumps(None), uuid.uuid4().hex)


def _build_nothing(memory: Memory, argument: None) -> None:
    """Leave a worker's memory empty."""


# The memories of a worker by the key of their setup: a local process has one, a Dask worker may serve several runs.
_MEMORIES: dict[str, Memory] = {}


def prepare(setup: Setup, first: Sequence[Task] = ()) -> None:
    """Build the setup if the worker has not done so yet, and run its first tasks."""
    if setup.key not in _MEMORIES:
        memory: Memory = {}
        setup.build(memory, pickle.loads(setup.packed))
        _MEMORIES[setup.key] = memory
    for task in first:
        task.run(_MEMORIES[setup.key])


# The error that ended the setup of this process, by the key of the setup.
_FAILURES: dict[str, Exception] = {}


def prepare_or_note_error(setup: Setup, first: Sequence[Task]) -> None:
    """Prepare a local worker, whose main process does not wait for it: its next task raises the error of the setup."""
    try:
        prepare(setup, first)
    except Exception as error:
        _FAILURES[setup.key] = error


def perform(key: str, setup: Setup | None, tasks: Sequence[Task]) -> list[Any] | None:
    """Run tasks in a worker and return their results; None if the setup is neither built nor sent.

    Raises:
        WorkerError: a local worker could not build its setup.
    """
    if key in _FAILURES:
        error = _FAILURES[key]
        raise WorkerError(f"a worker process could not be set up ({type(error).__name__}: {error})") from error
    if setup is not None:
        prepare(setup)
    return [task.run(_MEMORIES[key]) for task in tasks] if key in _MEMORIES else None


class Worker:
    """A worker in a process of its own."""

    def __init__(self, setup: Setup, first: Sequence[Task]) -> None:
        self._key, self.pool = setup.key, start_worker()
        self._pid: Any = self.pool.submit(os.getpid)
        # The pool's initializer is not used: this process would wait until a large setup is sent.
        self.pool.submit(prepare_or_note_error, setup, first)

    @property
    def pid(self) -> int:
        """The process number of the worker; waits until it has started."""
        return int(self._pid.result())

    def submit(self, task: Task) -> Any:
        """Submit a task; return the future of a list with its result."""
        return self.pool.submit(perform, self._key, None, [task])

    def end(self) -> None:
        """Kill the worker, whatever it does."""
        self.pool.shutdown(wait=False, kill_workers=True)


def start_worker() -> Any:
    """Return a pool of one worker: it keeps its memory, and its death leaves other workers alive."""
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(max_workers=1, initializer=_start, initargs=(os.getpid(),))
    with _block_signals():
        # A pool starts its worker at the first task.
        pool.submit(os.getpid)
    return pool


@contextlib.contextmanager
def _block_signals() -> Iterator[None]:
    """Block signals while a worker starts.

    A new process inherits the blocked signals, and unblocks them once it has its own process group.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # A pool needs this process too, and Python 3.12 unblocks signals once it has started it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(parent: int) -> None:
    """Initialise a worker process.

    Args:
        parent: process number of the main process; a worker with another parent is already an orphan.
    """
    from loky import process_executor

    if hasattr(os, "setpgrp"):
        os.setpgrp()
    # Signals to the old group that arrived while blocked are still pending: ignoring them discards them.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    for number in SIGNALS:
        signal.signal(number, note_signal if number == signal.SIGINT else signal.SIG_DFL)
    # The memory grows with every task. Loky would take that for a leak and restart the worker, which would have to
    # build everything again.
    process_executor._MAX_MEMORY_LEAK_SIZE = math.inf
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    if os.name == "posix":
        threading.Thread(target=_watch, args=(parent,), name="watch parent", daemon=True).start()


def _watch(parent: int) -> None:
    """End this process once its parent is gone, which shows in a new parent process number."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


def core_count() -> int:
    """Return the number of processors available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def clock_of_task(memory: Memory, settings: Settings) -> Iterator[Clock]:
    """Yield the clock of the whole computation; in another process, a new one with the limits of the settings."""
    if CLOCK in memory:
        yield memory[CLOCK]
        return
    with own_clock(memory, settings) as clock:
        yield clock


@contextlib.contextmanager
def own_clock(memory: Memory, settings: Settings) -> Iterator[Clock]:
    """Yield a clock of the task's own with the limits of the settings."""
    clock = settings.clock()
    with interruptible(clock, listener_of(memory)):
        yield clock


def listener_of(memory: Memory) -> Listener:
    """Return the listener of a worker's tasks; without one, a function that ignores every event."""
    listener: Listener = memory.get(LISTENER, ignore)
    return listener


# From this number of shocks on, what their models leave behind is worth giving back.
MANY_SHOCKS = 1_000


def give_back_memory(shocks: int) -> None:
    """Give freed memory back to the system where many shocks were written and the C library can do it (glibc).

    Otherwise memory that is needed for a moment, while a model is written, stays with the process.
    """
    if shocks >= MANY_SHOCKS:
        # Other systems have no such function, or no such way to the C library.
        with contextlib.suppress(AttributeError, TypeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)
