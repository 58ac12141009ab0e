"""The state of every search in rounds: the shocks that its model holds, its progress, and its checkpoint.

After each round the state is written to a folder, and read when the search is started again: a **checkpoint**. The name
of the file identifies the instance with its futures, the solver, MIP gap, strategy, seed and threads, and the versions.
A search that differs in any of these has another file.

The file is an uncompressed zip archive of plain arrays, with facts as JSON and a digest of all contents. Nothing in it
is unpickled. A file that is damaged or was written for another problem is refused. Anyone who can write to the folder
can forge a checkpoint, including its cuts.
"""

import hashlib
import io
import json
import time
import warnings
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.problem import LEAST_COST, ProblemVariant
from optimizer.algorithms.relaxation import FloorCuts
from optimizer.algorithms.separation import ListedShocks, Violation
from optimizer.disruptions.shock import Shock
from optimizer.errors import CheckpointError, OptimizerWarning
from optimizer.files import read_archive, write_whole
from optimizer.formulation import ModelWriter
from optimizer.instance.schema import Instance
from optimizer.model.builder import Row
from optimizer.solver.base import AT_GAP, Clock, Listener, Progress, PseudoCostsByObjective, Settings, SolveResult
from optimizer.solver.model import versions
from optimizer.tolerances import CHECKPOINT_BYTES

if TYPE_CHECKING:
    from optimizer.algorithms.extensive_form import ShockModel
    from optimizer.algorithms.recourse import Evaluator

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class State:
    """The state of a search: facts that JSON can hold, and arrays by name."""

    facts: Mapping[str, Any]
    arrays: Arrays = field(default_factory=dict)


class Checkpoint:
    """The checkpoint file of one problem.

    Args:
        folder: its folder, created if missing.
        instance: the problem.
        settings: solver settings, of which solver, MIP gap, strategy, seed and threads affect the file name.

    Raises:
        CheckpointError: the folder cannot be used.
    """

    def __init__(self, folder: str | Path, instance: Instance, settings: Settings) -> None:
        matter = (settings.solver, settings.mip_gap, settings.strategy, settings.seed, settings.threads)
        # The futures of an edited instance may differ from what its questions would give.
        futures = [] if instance.tree.is_single else [future.instance.to_dict() for future in instance.tree.futures]
        named = [instance.to_dict(), futures, matter, version("optimizer"), dict(versions())]
        key = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]
        self._key, self._events = key, len(instance.tree.events)
        self.path = Path(folder) / f"search-{key}.npz"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"{folder}: {error.strerror}; name a folder that can be written") from None

    def load(self) -> State | None:
        """Return the last state written; None if there is no file.

        Raises:
            CheckpointError: the file is damaged, or was written for another problem.
        """
        if not self.path.exists():
            return None
        try:
            state = self._read()
            _check(state, self._events)
        except Exception as error:
            # The content is untrusted: any error while reading it means that it is no checkpoint.
            message = str(error).partition("\n")[0] or type(error).__name__
            cure = f"delete it to start anew, or give another --checkpoint DIR than {self.path.parent}"
            raise CheckpointError(f"{self.path}: cannot be read as a checkpoint ({message}); {cure}") from None
        return state

    def _read(self) -> State:
        content = read_archive(self.path, CHECKPOINT_BYTES)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries, size = archive.infolist(), len(content)
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("it holds compressed parts")
            if sum(entry.file_size for entry in entries) > size:
                raise ValueError("its parts are larger than itself")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts, digest = str(arrays.pop("facts")), str(arrays.pop("digest"))
        if digest != _digest(self._key, facts, arrays):
            raise ValueError("it is damaged, or was written for another problem")
        return State(json.loads(facts), arrays)

    def save(self, state: State) -> None:
        """Write a state to the file, atomically.

        Raises:
            CheckpointError: the file cannot be written.
        """
        packed, facts = io.BytesIO(), json.dumps(state.facts)
        digest = _digest(self._key, facts, state.arrays)
        np.savez(packed, facts=np.array(facts), digest=np.array(digest), **state.arrays)  # type: ignore[arg-type]
        try:
            write_whole(self.path, packed.getvalue())
        except OSError as error:
            raise CheckpointError(f"{self.path}: {error.strerror}; name a folder that can be written") from None


def _digest(key: str, facts: str, arrays: Arrays) -> str:
    """Return the digest of a problem's key and all stored contents."""
    digest = hashlib.sha256(f"{key}\n{facts}\n".encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check(state: State, events: int) -> None:
    """Refuse facts and arrays that no search writes.

    Raises:
        ValueError, KeyError, TypeError: the first invalid entry.
    """
    facts = state.facts
    if not isinstance(facts["phase"], str):
        raise ValueError("its phase is not a text")
    for name in ("written", "suspects"):
        _check_numbers(name, facts.get(name, []), events)
    for step in facts["history"]:
        Progress(**step)
    if facts["phase"] not in ("relaxation", "integers"):
        bool(facts["relaxed"])
    if facts["phase"] == AT_GAP:
        float(facts["gap"]), float(facts["gap_bound"])
    for name, array in state.arrays.items():
        if array.dtype.kind not in "iuf":
            raise ValueError(f"{name}: not an array of numbers")


def _check_numbers(name: str, numbers: Iterable[Any], events: int) -> None:
    if not all(type(number) is int and 0 <= number < events for number in numbers):
        raise ValueError(f"{name}: not the numbers of shocks of this instance")


class Search:
    """A search in rounds.

    Args:
        instance, settings, clock, listener: as for `solving.best_plan`.
        evaluator: evaluates the recourse in the listed shocks.
        problem: the objective, with additional rows and limits.

    Attributes:
        shocks: shocks that the model holds, or will hold when it is built, in the order in which they were entered, so
            that each model extends the last.
        listed: the separation oracle of the instance's own shocks.
        mir_cuts: mixed-integer rounding cuts found so far, from `FloorCuts`; used by Benders decomposition.
        report: passes a progress event on, with the seconds of the whole search. Models refer to it and not to the
            search, so that no reference cycle keeps both in memory.
    """

    # Number of shocks added in a round of a relaxation; twice as many with integers, and in Benders loops whose cuts
    # come from the gap. The robust search of least gaps adds all that are violated. Samples come on top.
    added_a_round: int = 4
    # Where floors fail, all shocks that count are put into one model if their recourse has no more rows than this. With
    # 2,000 to 6,000 rows it takes 0.4 to 1.4 times as long as Benders decomposition, with 9,000 to 17,000 rows 1.5 to 3
    # times; with 200 rows, where several futures make the tree large, a tenth.
    few_rows: float = 7_000
    # Rows of the recourse of the shocks held above which the LP of a Benders master that estimates costs beside gaps
    # takes longer than the additional rounds without them.
    most_held_rows: float = 12_000

    def __init__(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        evaluator: "Evaluator",
        problem: ProblemVariant = LEAST_COST,
    ) -> None:
        self.instance, self.settings, self.clock, self.listener = instance, settings, clock, listener
        self.tree = instance.tree
        self.evaluator, self.problem = evaluator, problem
        self.began = time.perf_counter()
        self.report = _with_seconds(listener, self.began)
        if evaluator.writer is None or evaluator.writer.tree is not self.tree:
            evaluator.writer = ModelWriter(instance)
        self.writer = evaluator.writer
        self.listed = ListedShocks(instance, evaluator, clock)
        self.shocks: list[Shock] = []
        self.history: list[Progress] = []
        self.mir_cuts: list[Row] = []
        self._has_warned = False
        # The file's name does not say which variant of the problem it is of: only the problem of `solve` has one.
        folder = settings.checkpoint if problem.is_least_cost else None
        self.checkpoint = None if folder is None else Checkpoint(folder, instance, settings)
        self.resumed = self.checkpoint.load() if self.checkpoint else None
        if self.resumed:
            self.evaluator.set_bases(self.resumed.arrays)
            self.history = [Progress(**event) for event in self.resumed.facts["history"]]

    @cached_property
    def pseudo_costs(self) -> PseudoCostsByObjective:
        """Pseudo-costs, shared by all searches with the same evaluator if it has any, else of this search."""
        return {} if self.evaluator.pseudo_costs is None else self.evaluator.pseudo_costs

    @property
    def phase(self) -> str:
        """The phase in which the resumed search was left; empty for a new search."""
        return str(self.resumed.facts["phase"]) if self.resumed else ""

    def restore_shocks(self) -> None:
        """Restore the shocks that the model held when the resumed search was left."""
        if self.resumed:
            self.shocks = [self.tree.events[number] for number in self.resumed.facts["written"]]

    def enter_shocks(self, shocks: Iterable[Shock]) -> list[Shock]:
        """Enter shocks in the list of those that the model holds; return the new ones.

        The model is not changed: pass the new ones to `ShockModel.add_shocks`, or build a new model. A shock of the
        list is not separated again.
        """
        names = {shock.name for shock in self.shocks}
        new = {shock.name: shock for shock in shocks if shock.name not in names}
        self.shocks += new.values()
        return list(new.values())

    def enter_shock_numbers(self, numbers: Iterable[int]) -> list[Shock]:
        """Enter listed shocks by index, as `enter_shocks` does; return the new ones."""
        return self.enter_shocks(self.tree.events[number] for number in numbers)

    def tighten(self, model: "ShockModel", relaxation: SolveResult) -> SolveResult:
        """Return the LP relaxation of a model, tightened by mixed-integer rounding cuts from its floors."""
        return FloorCuts(model, self.evaluator, self.mir_cuts).tighten(relaxation)

    def report_round(self, phase: str, best: float, bound: float, violations: Collection[Violation]) -> None:
        """Record the end of a round in the history and report it."""
        step = Progress(
            phase=phase,
            seconds=time.perf_counter() - self.began,
            best=best,
            bound=bound,
            shocks=len(self.shocks),
            round=len(self.history) + 1,
            violated=len(violations),
            worst_gap=max((each.gap for each in violations), default=0.0),
        )
        self.history.append(step)
        self.listener(step)

    def save(self, phase: str, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """Write a checkpoint, if one was requested."""
        if self.checkpoint is None:
            return
        known = {
            "phase": phase,
            "written": self.listed.numbers(self.shocks),
            "history": [step.record() for step in self.history],
        }
        try:
            self.checkpoint.save(State({**known, **facts}, arrays | self.evaluator.bases()))
        except CheckpointError as error:
            self._warn(error)

    def _warn(self, error: CheckpointError) -> None:
        """Warn once about a failed checkpoint; later rounds try again, since disk space may have become free."""
        if not self._has_warned:
            self._has_warned = True
            what = f"The checkpoint cannot be written: {error}. The search continues and tries again after each round."
            warnings.warn(what, OptimizerWarning, stacklevel=2)


def warn_unsaved(reason: str) -> str:
    """Warn that a requested checkpoint is not written; return the warning as a note for the result."""
    what = f"No checkpoint is written: {reason}"
    warnings.warn(what, OptimizerWarning, stacklevel=3)
    return what


def _with_seconds(listener: Listener, began: float) -> Listener:
    return lambda event: listener(replace(event, seconds=time.perf_counter() - began))
