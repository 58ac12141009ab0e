"""What every search in rounds keeps: the shocks that its model contains, its progress, a state to resume."""

import time
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from optimizer.algorithms.checkpoint import Arrays, Checkpoint, State
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.rounding import RoundedFloors
from optimizer.algorithms.separation import ListedShocks, Violation
from optimizer.algorithms.strategy import LEAST_COST, ProblemVariant
from optimizer.disruptions.shock import Shock
from optimizer.errors import CheckpointError, OptimizerWarning
from optimizer.formulation import Writer
from optimizer.instance.schema import Instance
from optimizer.model.builder import Row
from optimizer.progress import Listener, Progress
from optimizer.solver import Clock, Settings, SolveResult

# Shocks that are added in a round.
ADDED = 4
# Where floors fail, a model holds all shocks that count if they are no more than this.
FEW_SHOCKS = 32


class Search:
    """A search in rounds.

    Args:
        instance, settings, clock, listener: as for `solving.best_plan`.
        evaluator: of the recourse in the listed shocks.
        problem: what is minimised.
        add: how many shocks are added in a round.
        few: where floors fail, so many shocks are all held in one model.

    Attributes:
        shocks: those that the model holds, in the order in which they came, so that a model begins with the one before.
        listed: the oracle of the instance's own shocks.
        rounded: valid inequalities that follow from floors.
    """

    def __init__(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        evaluator: RecourseEvaluator,
        problem: ProblemVariant = LEAST_COST,
        add: int = ADDED,
        few: int = FEW_SHOCKS,
    ) -> None:
        self.instance, self.settings, self.clock, self.listener = instance, settings, clock, listener
        self.tree = instance.tree
        self.evaluator, self.problem, self.add, self.few = evaluator, problem, add, few
        self.began = time.perf_counter()
        if evaluator.writer is None or evaluator.writer.tree is not self.tree:
            evaluator.writer = Writer(instance)
        self.writer = evaluator.writer
        self.listed = ListedShocks(instance, evaluator, clock)
        self.shocks: list[Shock] = []
        self.history: list[Progress] = []
        self.rounded: list[Row] = []
        self._has_warned = False
        folder = settings.checkpoint
        self.checkpoint = None if folder is None else Checkpoint(folder, instance, settings)
        self.resumed = self.checkpoint.load() if self.checkpoint else None
        if self.resumed:
            self.evaluator.recall(self.resumed.arrays)
            self.history = [Progress(**event) for event in self.resumed.facts["history"]]

    @property
    def phase(self) -> str:
        """The phase in which the search was left; empty where it begins."""
        return str(self.resumed.facts["phase"]) if self.resumed else ""

    def restore_shocks(self) -> None:
        """Take up the shocks that the model contained when the search was left."""
        if self.resumed:
            self.shocks = [self.tree.events[number] for number in self.resumed.facts["written"]]

    def note_shocks(self, shocks: Iterable[Shock]) -> list[Shock]:
        """Note shocks that the model will contain; returns those that are new."""
        names = {shock.name for shock in self.shocks}
        new = {shock.name: shock for shock in shocks if shock.name not in names}
        self.shocks += new.values()
        return list(new.values())

    def note_shock_numbers(self, numbers: Iterable[int]) -> list[Shock]:
        """The same for listed shocks by number."""
        return self.note_shocks(self.tree.events[number] for number in numbers)

    def tighten(self, model: ScenarioModel, relaxation: SolveResult) -> SolveResult:
        """The relaxation of a model with what follows from its floors for whole numbers of openings."""
        return RoundedFloors(model, self.evaluator, self.rounded).tighten(relaxation)

    def report(self, event: Progress) -> None:
        """Pass a step on, with the seconds of the whole search."""
        self.listener(replace(event, seconds=time.perf_counter() - self.began))

    def report_round(self, phase: str, best: float, bound: float, violations: Collection[Violation]) -> None:
        """Keep the end of a round in the history, and pass it on."""
        event = Progress(
            phase=phase,
            seconds=time.perf_counter() - self.began,
            best=best,
            bound=bound,
            shocks=len(self.shocks),
            round=len(self.history) + 1,
            violated=len(violations),
            worst_gap=max((each.gap for each in violations), default=0.0),
        )
        self.history.append(event)
        self.listener(event)

    def save(self, phase: str, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Write a checkpoint, if one was requested."""
        if self.checkpoint is None:
            return
        known = {
            "phase": phase,
            "written": self.listed.numbers(self.shocks),
            "history": [event.record() for event in self.history],
        }
        try:
            self.checkpoint.save(State({**known, **facts}, arrays | self.evaluator.bases()))
        except CheckpointError as error:
            self._warn(error)

    def _warn(self, error: CheckpointError) -> None:
        """Warn once; later rounds try again, since space may have become free."""
        if not self._has_warned:
            self._has_warned = True
            what = f"The checkpoint cannot be written: {error}. The search continues and tries again after each round."
            warnings.warn(what, OptimizerWarning, stacklevel=2)
