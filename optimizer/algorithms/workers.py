"""Worker processes: what they are asked, how one starts, and how it ends with the process that started it.

A **task** is a function of a module with its arguments: ``work(memory, *arguments)``. `memory` is a dictionary that
each worker keeps as long as it lives: what a task leaves there, such as a warm solver, is there for the next task.

A worker is in a process group of its own, so that Ctrl-C, a hang-up of the terminal and a signal to the whole group
reach the main process only, which decides what becomes of its workers. It watches that process and ends when it is
gone, however that ended: the results of a worker that outlives it would be lost.
"""

import contextlib
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

from optimizer.solver.base import SIGNALS, Clock, Listener, Progress, interruptible
from optimizer.tolerances import COLLECTED

# Seconds between two looks at the main process. The solver runs without the interpreter's lock, so that a long solve
# does not keep a worker from looking.
WATCH = 0.25
Memory = dict[str, Any]
# Where a worker keeps the clock of the process that it works for, if it is that process itself.
CLOCK = "clock"


@dataclass(frozen=True)
class Task:
    """A function of a module, its arguments, and the number of the worker that has what it needs (0: this process)."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    home: int = 0

    def run(self, memory: Memory) -> Any:
        """Run it in this process."""
        return self.work(memory, *self.arguments)


@dataclass(frozen=True)
class Setup:
    """What a worker builds in its memory before its first task: ``build(memory, argument)``."""

    build: Callable[[Memory, Any], None]  # a function of a module
    packed: bytes  # its argument, pickled
    key: str  # tells setups apart, for workers of a cluster that serve several runs

    @classmethod
    def of(cls, build: Callable[[Memory, Any], None], argument: Any) -> "Setup":
        """A setup; its argument is pickled once, however many workers there are."""
        packed = pickle.dumps(argument, protocol=pickle.HIGHEST_PROTOCOL)
        digest = hashlib.sha256(f"{build.__module__}.{build.__qualname__} ".encode() + packed)
        return cls(build, packed, digest.hexdigest())

    @classmethod
    def nothing(cls) -> "Setup":
        """An empty memory, of one executor alone."""
        return cls(_build_nothing, pickle.dumps(None), uuid.uuid4().hex)


def _build_nothing(memory: Memory, argument: None) -> None:
    """Leave a worker's memory empty."""


# The memories of a worker, by key of their setup: a process of ours has one, a Dask worker may serve several runs.
_MEMORIES: dict[str, Memory] = {}


def prepare(setup: Setup, first: Sequence[Task] = ()) -> None:
    """Build what a worker needs, and run its first tasks."""
    if setup.key not in _MEMORIES:
        memory: Memory = {}
        setup.build(memory, pickle.loads(setup.packed))
        _MEMORIES[setup.key] = memory
    for task in first:
        task.run(_MEMORIES[setup.key])


def perform(key: str, setup: Setup | None, tasks: Sequence[Task]) -> list[Any] | None:
    """The results of tasks in a worker; None where it was not prepared and the setup was not sent along."""
    if setup is not None:
        prepare(setup)
    return [task.run(_MEMORIES[key]) for task in tasks] if key in _MEMORIES else None


class Worker:
    """A process beside this one."""

    def __init__(self, setup: Setup, first: Sequence[Task]) -> None:
        self._key, self.pool = setup.key, start_worker()
        self._pid: Any = self.pool.submit(os.getpid)
        # Not by the pool's initializer: this process would wait until a large setup is sent.
        self.pool.submit(prepare, setup, first)

    @property
    def pid(self) -> int:
        """Its number; known once it has started."""
        return int(self._pid.result())

    def submit(self, task: Task) -> Any:
        """The future of a list with the result of a task."""
        return self.pool.submit(perform, self._key, None, [task])

    def end(self) -> None:
        """End it, whatever it does."""
        self.pool.shutdown(wait=False, kill_workers=True)


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


@contextlib.contextmanager
def clock_of_task(memory: Memory, until: float | None) -> Iterator[Clock]:
    """The clock of a task: that of the whole computation, or in another process one that stops at a time of day."""
    if CLOCK in memory:
        yield memory[CLOCK]
        return
    clock = Clock(None if until is None else max(0.0, until - time.time()))
    with interruptible(clock):
        yield clock


@contextlib.contextmanager
def own_clock(memory: Memory, until: float | None = None) -> Iterator[Clock]:
    """A clock of the task's own, which stops at a time of day; Ctrl-C stops that of all tasks as well."""
    clock = Clock(None if until is None else max(0.0, until - time.time()))
    with interruptible(clock, stopping_all(memory)):
        yield clock


def stopping_all(memory: Memory) -> Listener:
    """A listener of a task: Ctrl-C stops the clock of all tasks as well, where they run in this process."""

    def stop(event: Progress) -> None:
        if CLOCK in memory:
            memory[CLOCK].interrupted = True

    return stop
