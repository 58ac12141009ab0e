"""Who answers for the shocks: this process, other processes, or a Dask cluster. The answers are the same.

A worker keeps a desk (`answering.Desk`) for the instance and gets jobs only. Batches go to the same worker every time,
so that it writes each programme once. A worker that dies is replaced, and asked again.
"""

import hashlib
import math
import os
import pickle
import signal
import time
from collections.abc import Sequence
from typing import Any, Protocol

from optimizer.errors import CrewError
from optimizer.instance.schema import Instance
from optimizer.strategies.answering import Desk, Job, Reply

ATTEMPTS = 3
# Below so many shocks one process is done before others have started.
FEW = 400


class Crew(Protocol):
    """Answers jobs, in their order."""

    def ask(self, jobs: Sequence[Job]) -> list[Reply]:
        """The replies.

        Raises:
            CrewError: workers died, and so did those that replaced them.
        """
        ...

    def close(self) -> None:
        """Let the workers go."""
        ...


class Serial:
    """This process."""

    def __init__(self, instance: Instance, desk: Desk | None = None) -> None:
        self.desk = desk or Desk(instance)

    def ask(self, jobs: Sequence[Job]) -> list[Reply]:
        """The replies."""
        return [self.desk.answer(job) for job in jobs]

    def close(self) -> None:
        """Nobody has to be let go."""


# The desks of a worker, by instance: a process of ours has one, a Dask worker may serve several runs.
_DESKS: dict[str, Desk] = {}


def _sit(key: str, packed: bytes) -> None:
    if key not in _DESKS:
        _DESKS[key] = Desk(pickle.loads(packed))


def _start() -> None:
    """The first thing a process of ours does: Ctrl-C is the main process's to hear."""
    from loky import process_executor

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A desk grows with every window length that it meets. Loky would take that for a leak and hire another worker,
    # which would write everything again.
    process_executor._MAX_MEMORY_LEAK_SIZE = math.inf


def _answer(key: str, packed: bytes | None, jobs: Sequence[Job]) -> list[Reply] | None:
    """What a worker runs: its desk's answers; None where it has no desk and the instance was not sent along."""
    if packed is not None:
        _sit(key, packed)
    return [_DESKS[key].answer(job) for job in jobs] if key in _DESKS else None


def _packed(instance: Instance) -> tuple[str, bytes]:
    packed = pickle.dumps(instance.fresh(), protocol=pickle.HIGHEST_PROTOCOL)
    return hashlib.sha256(packed).hexdigest(), packed


class Processes:
    """Processes on this machine, one for each core unless told otherwise."""

    def __init__(self, instance: Instance, size: int) -> None:
        self.size = size
        self._key, self._packed = _packed(instance)
        self._pools: list[Any] = [self._hired() for _ in range(size)]

    def _hired(self) -> Any:
        """A pool of one: its worker keeps its batches, and if it dies the others live on.

        It comes to its desk while we go on; what an initializer is given, and an instance is large, we would wait for.
        """
        from loky import ProcessPoolExecutor

        pool = ProcessPoolExecutor(max_workers=1, initializer=_start)
        pool.submit(_sit, self._key, self._packed)
        return pool

    @property
    def pids(self) -> list[int]:
        """The workers' process numbers."""
        return [pool.submit(os.getpid).result() for pool in self._pools]

    def ask(self, jobs: Sequence[Job]) -> list[Reply]:
        """The replies."""
        from loky import BrokenProcessPool

        shares = [[job for job in jobs if job.batch % self.size == i] for i in range(self.size)]
        replies: dict[int, Reply] = {}
        for attempt in range(1, ATTEMPTS + 1):
            waiting = [(i, share, self._given(i, share)) for i, share in enumerate(shares) if share]
            for i, share, future in waiting:
                try:
                    replies |= {job.batch: reply for job, reply in zip(share, future.result(), strict=True)}
                    shares[i] = []
                except BrokenProcessPool as error:
                    if attempt == ATTEMPTS:
                        raise CrewError(f"a worker process died {ATTEMPTS} times ({error})") from error
                    self._pools[i].shutdown(wait=False, kill_workers=True)
                    self._pools[i] = self._hired()
            if not any(shares):
                break
        return [replies[job.batch] for job in jobs]

    def _given(self, i: int, share: Sequence[Job]) -> Any:
        """A share in the hands of a worker; of a new one, where the old one died since it was last asked."""
        from loky import BrokenProcessPool

        try:
            return self._pools[i].submit(_answer, self._key, None, share)
        except BrokenProcessPool:
            self._pools[i] = self._hired()
            return self._pools[i].submit(_answer, self._key, None, share)

    def close(self) -> None:
        """Let the workers go."""
        for pool in self._pools:
            pool.shutdown(wait=False, kill_workers=True)


class Cluster:
    """The workers of a Dask cluster that is already running."""

    def __init__(self, instance: Instance, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise CrewError('Dask is not installed; install the extra: pip install "optimizer[cluster]"') from None
        self.address = address
        try:
            self._client: Any = Client(address, timeout=10, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CrewError(f"no Dask scheduler answers at {address}: {error}") from error
        self._key, self._packed = _packed(instance)
        self._size = max(1, len(self._client.scheduler_info()["workers"]))

    def ask(self, jobs: Sequence[Job]) -> list[Reply]:
        """The replies."""
        waiting, replies = list(jobs), dict[int, Reply]()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                replies |= self._tried(waiting)
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

    def _tried(self, jobs: Sequence[Job]) -> dict[int, Reply]:
        """One task a share of the jobs; Dask itself runs the tasks of a dead worker again elsewhere.

        The instance is sent to workers that do not have it yet.
        """
        shares = [share for share in (list(jobs[i :: self._size]) for i in range(self._size)) if share]
        replies: dict[int, Reply] = {}
        for packed in (None, self._packed):
            futures = [
                self._client.submit(_answer, self._key, packed, share, pure=False, retries=ATTEMPTS) for share in shares
            ]
            answers = self._client.gather(futures)
            for share, answer in zip(shares, answers, strict=True):
                replies |= {job.batch: reply for job, reply in zip(share, answer or (), strict=answer is not None)}
            shares = [share for share, answer in zip(shares, answers, strict=True) if answer is None]
        return replies

    def close(self) -> None:
        """Leave the cluster as it was."""
        self._client.close()


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
