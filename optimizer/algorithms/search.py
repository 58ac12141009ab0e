"""What every search in rounds keeps: the shocks that are written out, the steps taken, and a state to resume from."""

import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from optimizer.algorithms.checkpoint import Arrays, Checkpoint, State
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.disruptions.shock import Shock
from optimizer.errors import CheckpointError, OptimizerWarning
from optimizer.formulation import Writer
from optimizer.instance.schema import Instance
from optimizer.progress import Listener, Progress
from optimizer.solver import Clock, Settings


class Search:
    """A search.

    Args:
        instance, settings, clock, listener: as for `Strategy.run`.
        evaluator: answers for the shocks.
        add: how many shocks are written out in a round.
        few: where floors fail, so many shocks are all written out.
    """

    def __init__(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        evaluator: RecourseEvaluator,
        add: int,
        few: int,
    ) -> None:
        self.instance, self.settings, self.clock, self.listener = instance, settings, clock, listener
        self.evaluator, self.add, self.few = evaluator, add, few
        self.began = time.perf_counter()
        self.writer = Writer(instance)
        # In the order in which they came, so that a model begins with the one before it.
        self.written: list[int] = []
        self.history: list[Progress] = []
        self._has_warned = False
        folder = settings.checkpoint
        self.checkpoint = None if folder is None else Checkpoint(folder, instance, settings)
        self.resumed = self.checkpoint.load() if self.checkpoint else None
        if self.resumed:
            self.evaluator.recall(self.resumed.arrays)
            self.history = [Progress(**step) for step in self.resumed.facts["history"]]

    @property
    def phase(self) -> str:
        """The phase in which the search was left; empty where it begins."""
        return str(self.resumed.facts["phase"]) if self.resumed else ""

    def rewritten(self) -> list[int]:
        """The shocks that were written out when the search was left."""
        return list(self.resumed.facts["written"]) if self.resumed else []

    def write(self, numbers: Iterable[int]) -> None:
        """Write out more shocks, by number."""
        self.written += [number for number in dict.fromkeys(numbers) if number not in self.written]

    def shocks(self) -> list[Shock]:
        """The shocks that are written out."""
        return [self.instance.events[number] for number in self.written]

    @cached_property
    def needless(self) -> frozenset[int]:
        """The shocks that need no check: they survive though nothing is built, or if one does that dominates them."""
        idle, dominated = self.evaluator.idle(self.clock), self.evaluator.dominators >= 0
        return frozenset(np.flatnonzero(((idle.gap <= 0.0) & ~idle.fails) | dominated).tolist())

    def hear(self, step: Progress) -> None:
        """Pass a step on, with the seconds of the whole search."""
        self.listener(replace(step, seconds=time.perf_counter() - self.began))

    def note(self, phase: str, best: float, bound: float, violated: Mapping[int, float]) -> None:
        """The end of a round: `violated` are the shocks that are not survived, with their gaps in money."""
        seconds, largest = time.perf_counter() - self.began, max(violated.values(), default=0.0)
        round_ = len(self.history) + 1
        step = Progress(phase, seconds, best, bound, len(self.written), round_, len(violated), largest)
        self.history.append(step)
        self.listener(step)

    def save(self, phase: str, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Write where the search stands, if that was asked for."""
        if self.checkpoint is not None:
            known = {
                "phase": phase,
                "written": self.written,
                "history": [step.record() for step in self.history],
            }
            try:
                self.checkpoint.save(State({**known, **facts}, arrays | self.evaluator.bases()))
            except CheckpointError as error:
                self._warn(error)

    def _warn(self, error: CheckpointError) -> None:
        """Once: later rounds try again, since a disk may be given room."""
        if not self._has_warned:
            self._has_warned = True
            what = f"The search cannot be kept: {error}. It goes on, and keeps its state again where that is possible."
            warnings.warn(what, OptimizerWarning, stacklevel=2)
