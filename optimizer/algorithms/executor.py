"""Who answers for the shocks: this process, others beside it, or a Dask cluster. The answers are the same.

Everybody keeps a desk (`answering.Desk`) for the instance and gets jobs only. A batch goes to the same desk every time,
so that each programme is written once. A worker that dies is replaced, and asked again.
"""

import contextlib
import hashlib
import os
import pickle
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from optimizer.algorithms.subproblems import SubproblemSolver
from optimizer.algorithms.tasks import Job, Reply, Slice
from optimizer.algorithms.workers import start_pool
from optimizer.errors import CrewError
from optimizer.extras import require_extra
from optimizer.instance.schema import Instance
from optimizer.solver import Clock

ATTEMPTS = 3
# Jobs in a worker's hands: the one that it answers, and the next.
AHEAD = 2
# Seconds for which a cluster may be without any worker.
PATIENCE = 10.0
# Below so many shocks one process is done before others have started.
FEW = 400


class Crew(Protocol):
    """Answers jobs, in their order.

    Attributes:
        desk: that of this process.
    """

    desk: SubproblemSolver

    def ask(self, jobs: Sequence[Job], clock: Clock) -> list[Reply]:
        """The replies.

        Args:
            jobs: the questions.
            clock: once it is over, nobody waits for workers that are not there.

        Raises:
            CrewError: workers died, and so did those that replaced them; or a cluster has none.
        """
        ...

    def close(self) -> None:
        """Let the workers go."""
        ...


class Serial:
    """This process."""

    def __init__(self, desk: SubproblemSolver) -> None:
        self.desk = desk

    def ask(self, jobs: Sequence[Job], clock: Clock) -> list[Reply]:
        """The replies."""
        return [self.desk.answer(job) for job in jobs]

    def close(self) -> None:
        """Nobody has to be let go."""


# The desks of a worker, by instance: a process of ours has one, a Dask worker may serve several runs.
_DESKS: dict[str, SubproblemSolver] = {}


def _sit(key: str, packed: bytes, lengths: Iterable[int] = ()) -> None:
    """Make room for an instance, and write what shocks of some lengths will be asked for."""
    if key not in _DESKS:
        _DESKS[key] = SubproblemSolver(pickle.loads(packed))
    for length in lengths:
        _DESKS[key].window(length)


def _answer(key: str, packed: bytes | None, jobs: Sequence[Job]) -> list[Reply] | None:
    """What a worker runs: its desk's answers; None where it has no desk and the instance was not sent along."""
    if packed is not None:
        _sit(key, packed)
    return [_DESKS[key].answer(job) for job in jobs] if key in _DESKS else None


def _packed(instance: Instance) -> tuple[str, bytes]:
    packed = pickle.dumps(instance.fresh(), protocol=pickle.HIGHEST_PROTOCOL)
    return hashlib.sha256(packed).hexdigest(), packed


class Processes:
    """This process and others beside it, as many together as there are cores unless told otherwise.

    Who has answered all that is on its own desk takes what others have not begun: a process needs a second to start.
    """

    def __init__(self, instance: Instance, size: int) -> None:
        self.desk = SubproblemSolver(instance)
        self._key, self._packed = _packed(instance)
        self._seats = _shared_out(self.desk.slices, size)
        self._pools: dict[int, Any] = {seat: self._hired(seat) for seat in range(1, size)}

    def _hired(self, seat: int) -> Any:
        """A pool of one: its worker keeps its batches, and if it dies the others live on.

        It comes to its desk while we go on; what an initializer is given, and an instance is large, we would wait for.
        """
        slices = zip(self.desk.slices, self._seats, strict=True)
        lengths = tuple(dict.fromkeys(part.length for part, own in slices if own == seat))
        pool = start_pool()
        pool.submit(_sit, self._key, self._packed, lengths)
        return pool

    @property
    def pids(self) -> list[int]:
        """The numbers of the other processes."""
        return [pool.submit(os.getpid).result() for pool in self._pools.values()]

    def ask(self, jobs: Sequence[Job], clock: Clock) -> list[Reply]:
        """The replies."""
        replies: dict[int, Reply] = {}
        for attempt in range(1, ATTEMPTS + 1):
            left = [job for job in jobs if job.batch not in replies]
            own = deque(job for job in left if self._seats[job.batch] == 0)
            lines = [_Line(self, seat, [job for job in left if self._seats[job.batch] == seat]) for seat in self._pools]
            # Whoever was replaced has to show that it answers: a machine that kills its workers is no place to go on.
            while job := _next(own, lines if attempt == 1 else ()):
                for line in lines:
                    line.hand_out(replies)
                replies[job.batch] = self.desk.answer(job)
            broken = [line.seat for line in lines if not line.gather(replies)]
            if not broken:
                break
            if attempt == ATTEMPTS:
                raise CrewError(f"a worker process died {ATTEMPTS} times")
            for seat in broken:
                self._pools[seat].shutdown(wait=False, kill_workers=True)
                self._pools[seat] = self._hired(seat)
        return [replies[job.batch] for job in jobs]

    def given(self, seat: int, job: Job) -> Any:
        """A job in a worker's hands; of a new one, where the old one died since it was last asked."""
        from loky import BrokenProcessPool

        try:
            return self._pools[seat].submit(_answer, self._key, None, [job])
        except BrokenProcessPool:
            self._pools[seat] = self._hired(seat)
            return self._pools[seat].submit(_answer, self._key, None, [job])

    def close(self) -> None:
        """Let the others go."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, kill_workers=True)


class _Line:
    """What a worker is to answer. It is handed a job or two at a time: what waits may be taken by somebody else."""

    def __init__(self, crew: Processes, seat: int, jobs: Iterable[Job]) -> None:
        self.crew, self.seat, self.waiting = crew, seat, deque(jobs)
        self._given: deque[tuple[Job, Any]] = deque()
        self._is_broken = False
        self.hand_out({})

    def hand_out(self, replies: dict[int, Reply]) -> None:
        """Take what has come back, and hand out as much."""
        while self._given and self._given[0][1].done():
            self._take(replies)
        while self.waiting and len(self._given) < AHEAD and not self._is_broken:
            job = self.waiting.popleft()
            self._given.append((job, self.crew.given(self.seat, job)))

    def gather(self, replies: dict[int, Reply]) -> bool:
        """Wait for all of it; False where the worker died over it."""
        while self._given:
            self._take(replies)
            self.hand_out(replies)
        return not self._is_broken

    def _take(self, replies: dict[int, Reply]) -> None:
        from loky import BrokenProcessPool

        job, future = self._given.popleft()
        try:
            (replies[job.batch],) = future.result()
        except BrokenProcessPool:
            self._is_broken = True


def _next(own: deque[Job], lines: Iterable[_Line]) -> Job | None:
    """The first job of our own; with none left, the last of the longest line that nobody has begun."""
    if own:
        return own.popleft()
    longest = max(lines, key=lambda line: len(line.waiting), default=None)
    return longest.waiting.pop() if longest is not None and longest.waiting else None


def _shared_out(slices: Sequence[Slice], size: int) -> list[int]:
    """By batch the seat that it belongs to, 0 … size − 1: equal work, and few window lengths to a seat."""
    work = np.array([float(part.length * len(part.events)) for part in slices])
    middles = np.cumsum(work) - 0.5 * work
    return [int(middle) for middle in size * middles / max(1.0, work.sum())]


class Cluster:
    """The workers of a Dask cluster that is already running; more may join, and some may leave.

    An address that begins with ``tls://`` takes certificates and keys from Dask's own configuration.
    """

    def __init__(self, instance: Instance, address: str) -> None:
        self.desk = SubproblemSolver(instance)
        require_extra("cluster", "A Dask cluster")
        from distributed import Client
        from distributed.security import Security

        self.address = address
        if address.startswith("tls://") and not Security().get_connection_args("client").get("ssl_context"):
            cure = "set distributed.comm.tls.ca-file and the client's cert and key in Dask's configuration"
            raise CrewError(f"{address} needs certificates that are not there; {cure}")
        try:
            self._client: Any = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise CrewError(f"no Dask scheduler answers at {address}: {error}") from error
        self._key, self._packed = _packed(instance)

    def ask(self, jobs: Sequence[Job], clock: Clock) -> list[Reply]:
        """The replies."""
        waiting, replies = list(jobs), dict[int, Reply]()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                replies |= self._tried(waiting, clock)
            except Exception as error:
                if _is_ours(error):
                    raise
                if attempt == ATTEMPTS:
                    raise CrewError(f"the Dask cluster at {self.address} failed {ATTEMPTS} times: {error!r}") from error
                time.sleep(attempt)
            waiting = [job for job in waiting if job.batch not in replies]
            if not waiting:
                break
        return [replies[job.batch] for job in jobs]

    def _tried(self, jobs: Sequence[Job], clock: Clock) -> dict[int, Reply]:
        """One task a share of the jobs; Dask itself runs the tasks of a dead worker again elsewhere.

        The instance is sent to workers that do not have it yet.
        """
        size = max(1, self._workers())
        shares = [share for share in (list(jobs[i::size]) for i in range(size)) if share]
        replies: dict[int, Reply] = {}
        for packed in (None, self._packed):
            futures = [
                self._client.submit(_answer, self._key, packed, share, pure=False, retries=ATTEMPTS) for share in shares
            ]
            self._wait(futures, clock)
            answers = self._client.gather(futures)
            for share, answer in zip(shares, answers, strict=True):
                replies |= {job.batch: reply for job, reply in zip(share, answer or (), strict=answer is not None)}
            shares = [share for share, answer in zip(shares, answers, strict=True) if answer is None]
        return replies

    def _wait(self, futures: Sequence[Any], clock: Clock) -> None:
        """Wait for tasks as long as there is a worker, and for a worker as long as `PATIENCE` and the clock allow."""
        began = seen = time.monotonic()
        while not all(future.done() for future in futures):
            now = time.monotonic()
            if self._workers():
                seen = now
            elif now - seen >= PATIENCE or clock.is_over:
                seconds = f"{now - seen:.0f} s"
                raise CrewError(f"the Dask cluster at {self.address} has had no worker for {seconds}")
            # Short tasks are looked after often, long ones are not kept waiting for.
            time.sleep(min(0.25, max(0.001, 0.1 * (now - began))))

    def _workers(self) -> int:
        """How many workers the scheduler knows; none where it does not answer."""
        if self._client.status != "running":
            return 0
        try:
            return len(self._client.nthreads(callback_timeout=PATIENCE))
        except Exception:
            # Whatever a scheduler that is going away answers with, there is no work to be had from it.
            return 0

    def close(self) -> None:
        """Leave the cluster as it was."""
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)


def _is_ours(error: Exception) -> bool:
    return type(error).__module__.startswith("optimizer.")


def hired(instance: Instance, jobs: int | None, cluster: str | None) -> Crew | None:
    """The crew that settings ask for; where they leave it open, processes once there are many shocks.

    None is this process, which needs nobody else.
    """
    if cluster is not None:
        return Cluster(instance, cluster)
    size = jobs or (cores() if len(instance.events) >= FEW else 1)
    return Processes(instance, size) if size > 1 else None


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
