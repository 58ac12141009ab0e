"""Whole questions side by side, one to a process: for few long ones, where a crew shares out many short ones.

A question is a function of a module with its arguments. What it keeps in its desk, a dictionary that each process has
of its own, is there for the next question that this process gets.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from optimizer.algorithms.executor import cores
from optimizer.algorithms.workers import start_pool
from optimizer.errors import CrewError
from optimizer.solver import Clock

# Seconds above which a question is taken to be worth other processes for those like it.
LONG = 2.0
# After Ctrl-C, seconds in which processes may hand over the best that they have.
GRACE = 30.0
Desk = dict[str, Any]
_DESK: Desk = {}


@dataclass(frozen=True)
class Call:
    """A question: `work(desk, *arguments)`; both go to another process, where there are several."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


def seats(jobs: int | None, seconds: float) -> int:
    """How many processes: what is asked for, or where that is left open all cores once a question took `seconds`."""
    return jobs or (cores() if seconds > LONG else 1)


class Team:
    """Answers calls in as many processes as there are; one is this process itself.

    Args:
        size: how many processes.
        clock: tells whether Ctrl-C was pressed. Then calls that nobody has begun are dropped.
    """

    def __init__(self, size: int, clock: Clock) -> None:
        self.size, self.clock = size, clock
        self.desk: Desk = {}
        self._seats: list[_Seat] = []
        self._is_told = False

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *about: object) -> None:
        for seat in self._seats:
            seat.pool.shutdown(wait=False, kill_workers=True)

    def answers(self, calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
        """The number of each call with what it returned, as they come; what it raised is raised here.

        Raises:
            CrewError: a process died.
        """
        if self.size == 1 or (len(calls) == 1 and not self._seats):
            for number, call in enumerate(calls):
                if self.clock.interrupted:
                    return
                yield number, call.work(self.desk, *call.arguments)
        else:
            yield from self._side_by_side(calls)

    def _side_by_side(self, calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
        from loky import BrokenProcessPool, wait

        while len(self._seats) < self.size:
            self._seats.append(_Seat())
        waiting, until = list(enumerate(calls)), float("inf")
        out: dict[Any, tuple[int, _Seat]] = {}
        free = list(self._seats)
        while out or (waiting and not self.clock.interrupted):
            while waiting and free and not self.clock.interrupted:
                (number, call), seat = waiting.pop(0), free.pop()
                out[seat.pool.submit(_answered, call)] = number, seat
            if self.clock.interrupted:
                until = min(until, time.monotonic() + GRACE)
                self._pass_on_the_interrupt(seat for _, seat in out.values())
            if time.monotonic() > until:
                return
            for future in wait(out, timeout=0.2, return_when="FIRST_COMPLETED").done:
                number, seat = out.pop(future)
                free.append(seat)
                try:
                    yield number, future.result()
                except BrokenProcessPool as error:
                    if self.clock.interrupted:
                        continue
                    raise CrewError(f"a process died while it answered ({error})") from error

    def _pass_on_the_interrupt(self, seats: Iterable["_Seat"]) -> None:
        """Once: processes of ours are not in the terminal's own group, and would not hear it."""
        from loky import BrokenProcessPool

        if not self._is_told:
            self._is_told = True
            for seat in seats:
                with contextlib.suppress(ProcessLookupError, BrokenProcessPool):
                    os.kill(seat.pid, signal.SIGINT)


class _Seat:
    """A process of ours."""

    def __init__(self) -> None:
        self.pool: Any = start_pool()
        self._pid: Any = self.pool.submit(os.getpid)

    @property
    def pid(self) -> int:
        """Its number; known once it has begun."""
        return int(self._pid.result())


def _answered(call: Call) -> Any:
    return call.work(_DESK, *call.arguments)
