"""Parallel work: one interface for this process, its threads, other processes, and a Dask cluster.

`workers` defines tasks and the memory that a worker keeps between them.

======================  ==============================================  ===============================================
                        `Executor.map`                                  `Executor.as_completed`
======================  ==============================================  ===============================================
for                     many short tasks that may be repeated           few long ones, such as whole solves
results                 all of them, in the order of the tasks          each as it completes, with its index
home of a task          the worker that has the needed memory;          ignored
                        idle workers take tasks that have not started
this process            works as worker 0                               works only on a single task
threads                 work in parallel, with their own memories       do not: one task after another
death of a worker       it is replaced and its tasks run again;         `WorkerError`
                        `WorkerError` after `ATTEMPTS` deaths
Ctrl-C                  ignored: all tasks run to their end             passed on to the workers; tasks that have not
                                                                        started are dropped; `GRACE` seconds for results
error within a task     raised here                                     raised here
======================  ==============================================  ===============================================

Workers run one task at a time. A task may use an executor of its own. In a worker that is a `SerialExecutor`, through
settings with ``jobs=1``, so that no more processes run than requested.
"""

import contextlib
import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any, Self, override

from optimizer.algorithms.workers import CLOCK, Memory, Setup, Task, Worker, core_count, perform
from optimizer.errors import UnreachableClusterError, WorkerError, require_extra
from optimizer.levers import process_count
from optimizer.solver.base import Clock

ATTEMPTS = 3
# Number of tasks sent to a worker at a time: the one that it runs, and the next.
AHEAD = 2
# Seconds that a cluster may be without any worker.
WORKERLESS_SECONDS = 10.0
# Seconds between checks for Ctrl-C and for workers while waiting for a cluster.
POLL = 0.25
# Seconds after Ctrl-C in which workers may return their best results.
GRACE = 30.0
# Seconds of one long task above which starting other processes pays.
LONG_TASK = 1.0
# Running tasks: index and worker, by the future of the result.
Running = dict[Any, tuple[int, Worker]]


class Executor(ABC):
    """An executor of tasks; the module's docstring states the contract.

    Attributes:
        size: number of long tasks that run at a time.
        homes: number of workers for short tasks.
        memory: the memory of this process.
    """

    def __init__(self, size: int = 1, homes: int | None = None) -> None:
        self.size, self.homes = size, homes or size
        self.memory: Memory = {}

    @abstractmethod
    def map(self, tasks: Sequence[Task], clock: Clock) -> list[Any]:
        """Run short tasks and return their results in order.

        Args:
            tasks: the tasks.
            clock: once it is over, the call no longer waits for a cluster without workers.

        Raises:
            WorkerError: workers and their replacements died, or a cluster has none.
        """

    @abstractmethod
    def as_completed(self, tasks: Sequence[Task], clock: Clock) -> Generator[tuple[int, Any]]:
        """Run long tasks; yield each index with its result, until the clock is interrupted.

        Tasks that run in this process find the clock in their memory, as `CLOCK`.

        Raises:
            WorkerError: a worker died.
        """

    def close(self) -> None:  # noqa: B027 - this process has no workers
        """Stop the workers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()


class SerialExecutor(Executor):
    """An executor that runs every task in this process."""

    @override
    def map(self, tasks: Sequence[Task], clock: Clock) -> list[Any]:
        return [task.run(self.memory) for task in tasks]

    @override
    def as_completed(self, tasks: Sequence[Task], clock: Clock) -> Generator[tuple[int, Any]]:
        self.memory[CLOCK] = clock
        for number, task in enumerate(tasks):
            if clock.interrupted:
                return
            yield number, task.run(self.memory)


class ThreadExecutor(SerialExecutor):
    """An executor in this process and its threads, for short tasks that spend their time in the solver.

    The solver runs without the interpreter's lock. Threads start at once, whereas a process takes about a second.

    Args:
        memories: memories of the threads other than the calling one; objects that tasks share must be thread-safe.
    """

    def __init__(self, memories: Sequence[Memory]) -> None:
        super().__init__(homes=1 + len(memories))
        self._memories, self._taking = memories, threading.Lock()
        # A thread starts at its first task.
        self._threads = ThreadPoolExecutor(len(memories))

    @override
    def map(self, tasks: Sequence[Task], clock: Clock) -> list[Any]:
        results: dict[int, Any] = {}
        queues = [deque(n for n, task in enumerate(tasks) if task.home == home) for home in range(self.homes)]
        work = partial(self._work, tasks, queues, results)
        others = [self._threads.submit(work, home) for home in range(1, self.homes) if queues[home]]
        try:
            work(0)
        finally:
            wait(others)
        for other in others:
            other.result()
        return [results[number] for number in range(len(tasks))]

    def _work(self, tasks: Sequence[Task], queues: Sequence[deque[int]], results: dict[int, Any], home: int) -> None:
        """Run the tasks of the thread's own queue, then those that wait in other queues."""
        memory = self._memories[home - 1] if home else self.memory
        while (number := self._take(queues, home)) is not None:
            results[number] = tasks[number].run(memory)

    def _take(self, queues: Sequence[deque[int]], home: int) -> int | None:
        with self._taking:
            return _next_task(queues[home], queues)

    @override
    def close(self) -> None:
        self._threads.shutdown(wait=False)


class ProcessExecutor(Executor):
    """An executor in this process and other processes, each of which starts at its first task within about a second.

    Args:
        size: number of tasks that run at a time.
        setup: built first by every other process; this process has its result in `memory` already.
        first: by worker, a task that it runs before all others, while this process continues.
    """

    def __init__(self, size: int, setup: Setup | None = None, first: Mapping[int, Task] | None = None) -> None:
        super().__init__(size)
        self._setup, self._first = setup or Setup.nothing(), first or {}
        self._workers: dict[int, Worker] = {}
        self._is_interrupted = False
        for number in self._first:
            self._worker(number)

    def _worker(self, number: int) -> Worker:
        if number not in self._workers:
            first = [self._first[number]] if number in self._first else []
            self._workers[number] = Worker(self._setup, first)
        return self._workers[number]

    @property
    def pids(self) -> list[int]:
        """The process numbers of the workers started so far."""
        return [worker.pid for worker in self._workers.values()]

    @override
    def map(self, tasks: Sequence[Task], clock: Clock) -> list[Any]:
        results: dict[int, Any] = {}
        for attempt in range(1, ATTEMPTS + 1):
            # A replaced worker must do its own tasks: on a machine that kills workers, no task is moved to this
            # process.
            broken = self._run(tasks, results, moves=attempt == 1)
            if not broken:
                return [results[number] for number in range(len(tasks))]
            for home in broken:
                self._workers.pop(home).end()
        raise WorkerError(f"a worker process died {ATTEMPTS} times")

    def _run(self, tasks: Sequence[Task], results: dict[int, Any], *, moves: bool) -> list[int]:
        """Run the tasks without a result; return the workers that died.

        Args:
            tasks: all tasks.
            results: results so far by task index; extended in place.
            moves: whether this process takes tasks from the queues of other workers.
        """
        left = {number: task for number, task in enumerate(tasks) if number not in results}
        own = deque(number for number, task in left.items() if task.home == 0)
        queues = [
            _Queue(self, home, {number: task for number, task in left.items() if task.home == home})
            for home in sorted({task.home for task in left.values()} - {0})
        ]
        while (number := _next_task(own, [queue.waiting for queue in queues] if moves else ())) is not None:
            for queue in queues:
                queue.hand_out(results)
            results[number] = tasks[number].run(self.memory)
        return [queue.home for queue in queues if not queue.gather(results)]

    def submit(self, task: Task) -> Any:
        """Return the future of a task at its home worker, restarting the worker if it has died."""
        from loky import BrokenProcessPool

        try:
            return self._worker(task.home).submit(task)
        except BrokenProcessPool:
            self._workers.pop(task.home).end()
            return self._worker(task.home).submit(task)

    @override
    def as_completed(self, tasks: Sequence[Task], clock: Clock) -> Generator[tuple[int, Any]]:
        if len(tasks) == 1 and not self._workers:
            self.memory[CLOCK] = clock
            yield 0, tasks[0].run(self.memory)
            return
        yield from self._completed(deque(enumerate(tasks)), clock)

    def _completed(self, waiting: deque[tuple[int, Task]], clock: Clock) -> Iterator[tuple[int, Any]]:
        """Yield the results of waiting tasks, which run as workers become free."""
        from loky import wait

        running: Running = {}
        until, free = float("inf"), [self._worker(number + 1) for number in range(min(self.size, len(waiting)))]
        while running or (waiting and not clock.interrupted):
            _start_tasks(waiting, free, running, clock)
            if clock.interrupted:
                until = min(until, time.monotonic() + GRACE)
                self._pass_on_the_interrupt(worker for _, worker in running.values())
            if time.monotonic() > until:
                return
            for future in wait(running, timeout=0.2, return_when="FIRST_COMPLETED").done:
                number, worker = running.pop(future)
                free.append(worker)
                yield from ((number, result) for result in _results(future, clock))

    def _pass_on_the_interrupt(self, workers: Iterable[Worker]) -> None:
        """Send SIGINT to the workers, the first time only.

        Workers are in process groups of their own, which a terminal does not signal.
        """
        from loky import BrokenProcessPool

        if not self._is_interrupted:
            self._is_interrupted = True
            for worker in workers:
                with contextlib.suppress(ProcessLookupError, BrokenProcessPool):
                    os.kill(worker.pid, signal.SIGINT)

    @override
    def close(self) -> None:
        for worker in self._workers.values():
            worker.end()


def _start_tasks(waiting: deque[tuple[int, Task]], free: list[Worker], running: Running, clock: Clock) -> None:
    """Start waiting tasks on free workers, and add their futures to those that are running."""
    while waiting and free and not clock.interrupted:
        (number, task), worker = waiting.popleft(), free.pop()
        running[worker.submit(task)] = number, worker


def _results(future: Any, clock: Clock) -> list[Any]:
    """Return a list with the result of a task, empty if its worker died after an interrupt."""
    from loky import BrokenProcessPool

    try:
        results: list[Any] = future.result()
    except BrokenProcessPool as error:
        if clock.interrupted:
            return []
        what = "a worker process died during its task, perhaps for lack of memory"
        raise WorkerError(f"{what}; run it again, with fewer processes where the command takes --jobs") from error
    return results


class _Queue:
    """The tasks of one worker, which is sent one or two at a time; idle workers may take those still waiting here."""

    def __init__(self, executor: ProcessExecutor, home: int, tasks: Mapping[int, Task]) -> None:
        self.home, self.waiting = home, deque(tasks)
        self._executor, self._tasks = executor, tasks
        self._running: deque[tuple[int, Any]] = deque()
        self._is_broken = False
        self.hand_out({})

    def hand_out(self, results: dict[int, Any]) -> None:
        """Collect completed results, and send as many further tasks."""
        from loky import BrokenProcessPool

        while self._running and self._running[0][1].done():
            self._take(results)
        while self.waiting and len(self._running) < AHEAD and not self._is_broken:
            number = self.waiting.popleft()
            try:
                self._running.append((number, self._executor.submit(self._tasks[number])))
            except BrokenProcessPool:
                self._is_broken = True

    def gather(self, results: dict[int, Any]) -> bool:
        """Wait for all tasks; return False if the worker died before the end."""
        while self._running:
            self._take(results)
            self.hand_out(results)
        return not self._is_broken

    def _take(self, results: dict[int, Any]) -> None:
        from loky import BrokenProcessPool

        number, future = self._running.popleft()
        try:
            (results[number],) = future.result()
        except BrokenProcessPool:
            self._is_broken = True


def _next_task(own: deque[int], queues: Iterable[deque[int]]) -> int | None:
    """Return the worker's own next task; without one, the last waiting task of the longest queue, or None."""
    if own:
        return own.popleft()
    longest = max(queues, key=len, default=None)
    return longest.pop() if longest else None


class DaskExecutor(Executor):
    """An executor on the workers of a running Dask cluster, which may join and leave at any time.

    An address that begins with ``tls://`` takes certificates and keys from Dask's own configuration. Ctrl-C cannot be
    passed on to its workers: running tasks are dropped.
    """

    def __init__(self, address: str, setup: Setup | None = None) -> None:
        super().__init__()
        require_extra("cluster", "A Dask cluster")
        from distributed import Client
        from distributed.security import Security

        self.address, self._setup = address, setup or Setup.nothing()
        if address.startswith("tls://") and not Security().get_connection_args("client").get("ssl_context"):
            cure = "set distributed.comm.tls.ca-file and the client's cert and key in Dask's configuration"
            raise UnreachableClusterError(f"{address} needs certificates that are not there; {cure}")
        try:
            self._client: Any = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            cure = "start it, or correct the address"
            raise UnreachableClusterError(f"no Dask scheduler answers at {address}: {error}; {cure}") from error
        self.size = max(1, self._count())

    @override
    def map(self, tasks: Sequence[Task], clock: Clock) -> list[Any]:
        results: dict[int, Any] = {}
        for attempt in range(1, ATTEMPTS + 1):
            try:
                size = max(1, self._count())
                left = [number for number in range(len(tasks)) if number not in results]
                shares = [left[i::size] for i in range(min(size, len(left)))]
                for share, values in self._completed(tasks, shares, clock):
                    results |= dict(zip(share, values, strict=True))
            except Exception as error:
                self._raise_if_final(error, attempt)
                time.sleep(attempt)
            if len(results) == len(tasks):
                break
        return [results[number] for number in range(len(tasks))]

    @override
    def as_completed(self, tasks: Sequence[Task], clock: Clock) -> Generator[tuple[int, Any]]:
        completed = self._completed(tasks, [[number] for number in range(len(tasks))], clock, ends_at_interrupt=True)
        try:
            for (number,), (value,) in completed:
                yield number, value
        except Exception as error:
            self._raise_if_final(error, ATTEMPTS)

    def _raise_if_final(self, error: Exception, attempt: int) -> None:
        """Raise an error of this package as it is, and any other error once attempts are used up."""
        if type(error).__module__.startswith("optimizer."):
            raise error
        if attempt == ATTEMPTS:
            raise WorkerError(f"the Dask cluster at {self.address} failed {ATTEMPTS} times: {error!r}") from error

    def _completed(
        self, tasks: Sequence[Task], shares: Iterable[list[int]], clock: Clock, *, ends_at_interrupt: bool = False
    ) -> Iterator[tuple[list[int], list[Any]]]:
        """Yield shares of the tasks with their results; Dask itself reruns the tasks of a dead worker elsewhere.

        The setup is sent to workers that do not have it yet.
        """

        def submit(share: list[int], setup: Setup | None) -> Any:
            sent = [tasks[number] for number in share]
            return self._client.submit(perform, self._setup.key, setup, sent, pure=False, retries=ATTEMPTS)

        running = {submit(share, None): share for share in shares}
        while running:
            self._wait(running, clock, ends_at_interrupt=ends_at_interrupt)
            if ends_at_interrupt and clock.interrupted:
                self._client.cancel(list(running))
                return
            for future in [future for future in running if future.done()]:
                share, values = running.pop(future), future.result()
                if values is None:
                    running[submit(share, self._setup)] = share
                else:
                    yield share, values

    def _wait(self, futures: Iterable[Any], clock: Clock, *, ends_at_interrupt: bool) -> None:
        """Wait for a result; without any worker, for `WORKERLESS_SECONDS` at most, and not once the clock is over."""
        from distributed import wait

        seen = time.monotonic()
        while not (ends_at_interrupt and clock.interrupted):
            with contextlib.suppress(TimeoutError), self._client.as_current():
                wait(list(futures), timeout=POLL, return_when="FIRST_COMPLETED")
                return
            now = time.monotonic()
            if self._count():
                seen = now
            elif now - seen >= WORKERLESS_SECONDS or clock.is_over:
                raise WorkerError(f"the Dask cluster at {self.address} has had no worker for {now - seen:.0f} s")

    def _count(self) -> int:
        """Return the number of workers known to the scheduler; 0 if it does not answer."""
        if self._client.status != "running":
            return 0
        try:
            return len(self._client.nthreads(callback_timeout=WORKERLESS_SECONDS))
        except Exception:
            # Any error means that the scheduler is shutting down and runs no task.
            return 0

    def close(self) -> None:
        """Disconnect, leaving the cluster as it was."""
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)


def start_executor(size: int, setup: Setup | None = None) -> Executor:
    """Return an executor for `size` tasks at a time; `setup` is built first by each other process."""
    return SerialExecutor() if size == 1 else ProcessExecutor(size, setup)


def size_for(jobs: int | None, seconds: float) -> int:
    """Return the number of tasks to run at a time: `jobs`, or if None all cores once a task took long."""
    return process_count(jobs or (core_count() if seconds > LONG_TASK else 1))
