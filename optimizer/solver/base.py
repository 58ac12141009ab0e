"""Requests to a solver and its results, how to solve, the clock that stops it, and who hears of its progress.

Every study and every search takes a `listener`, a function of one event, a `Progress`. A study reports its tasks by
`task`, `done` and `total`, a search within it its rounds, and the values and bounds between them, by all other fields.
"""

import contextlib
import math
import re
import signal
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import InitVar, asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from optimizer.arguments import ArgumentError, choice, file_path, function, number, whole_number
from optimizer.model import Sense
from optimizer.tolerances import PLAN_GAP

Vector = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]  # numbers of shocks, groups and places; not variables that have to be whole
Indices = npt.NDArray[np.int32]  # numbers of columns and rows, as HiGHS takes them
SolverName = Literal["highs", "cbc"]
StrategyName = Literal["auto", "extensive-form", "constraint-generation", "benders", "whole", "scenarios", "cuts"]
# By the name of an algorithm, that of 0.1.0, which results keep and settings still read.
SAVED_STRATEGIES: dict[str, StrategyName] = {
    "extensive-form": "whole", "constraint-generation": "scenarios", "benders": "cuts"
}  # fmt: skip
Verdict = Literal["optimal", "stopped", "infeasible"]
BoundsListener = Callable[[float, float], None]

STOPPING = "stopping"
# The phase of a search, in progress and in checkpoints, in which the gap is held and the cost is minimised.
AT_GAP = "cost under the gap"
_OF_A_STUDY = ("task", "done", "total", "may_grow")


@dataclass(frozen=True)
class Progress:
    """Where a computation stands.

    Attributes:
        phase: of a search, words for people: what is minimised, such as ``cost`` (with all floors kept), ``gap``,
            ``largest gap`` (of a future), ``cost under the gap`` or ``expected cost``, or a step by its name; at the
            end of a round of constraint generation ``relaxation`` or ``integers``. It ends in ``relaxation`` where
            integers are relaxed. ``stopping`` at Ctrl-C. Empty where a study reports a task.
        seconds: since the search began.
        best: within a round, the objective of the best plan found so far, money, with gaps at their price; infinite
            before there is one. At the end of a round, that of the solution of the round, whose plan may violate other
            shocks; where integers are relaxed, that of the relaxation or, in Benders decomposition, the best evaluated.
        bound: proven lower bound on the least objective.
        shocks: how many shocks the model holds.
        round: of constraint generation or Benders decomposition, at its end; 0 within a round.
        violated: how many of the other shocks the plan of the round does not survive.
        worst_gap: the largest gap of one of these shocks, in money.
        task: of a study, in words for the user: what is being computed, or what was.
        done: how many of the study's tasks, budgets or samples are done.
        total: how many there are; 0 where that is not known.
        may_grow: whether further tasks may follow those that `total` counts.
    """

    phase: str = ""
    seconds: float = 0.0
    best: float = float("inf")
    bound: float = float("-inf")
    shocks: int = 0
    round: int = 0
    violated: int = 0
    worst_gap: float = 0.0
    task: str = ""
    done: int = 0
    total: int = 0
    may_grow: bool = False

    @property
    def is_stopping(self) -> bool:
        """Whether the user, a shell or a batch system has stopped the computation."""
        return self.phase == STOPPING

    @property
    def is_of_a_study(self) -> bool:
        """Whether a study reports its tasks, not a search its rounds."""
        return not self.phase

    def record(self) -> dict[str, Any]:
        """The fields of a search, as plan files and checkpoints keep them."""
        return {key: value for key, value in asdict(self).items() if key not in _OF_A_STUDY}


Listener = Callable[[Progress], None]


def ignore(event: Progress) -> None:
    """A listener that does nothing."""


@dataclass
class Clock:
    """A deadline shared by several solves, the seconds spent in them, and whether the user stopped them.

    `limit` is the deadline and `hurry` an earlier one of a part, both in seconds since it `started`. `signal_name` is
    that which ended them: ``Ctrl-C``, ``SIGTERM`` or ``SIGHUP``.
    """

    limit: float | None = None
    started: float = field(default_factory=time.perf_counter)
    solving: float = 0.0
    interrupted: bool = False
    signal_name: str = "Ctrl-C"
    hurry: float = math.inf

    @property
    def left(self) -> float | None:
        """Seconds left before the deadline; None where there is none."""
        until = self.hurry if self.limit is None else min(self.limit, self.hurry)
        return None if math.isinf(until) else max(0.0, until - (time.perf_counter() - self.started))

    @property
    def is_over(self) -> bool:
        """Whether there is no time left, or the user has stopped the computation."""
        return self.interrupted or (self.left is not None and self.left <= 0)

    @contextlib.contextmanager
    def hurried(self, patience: float) -> Iterator[None]:
        """Give what follows `patience` seconds at most, or what is left before the deadline."""
        before, until = self.hurry, time.perf_counter() - self.started + patience
        self.hurry = min(before, until)
        try:
            yield
        finally:
            self.hurry = before

    @contextlib.contextmanager
    def unhurried(self) -> Iterator[None]:
        """Give what follows all that is left before the deadline."""
        before, self.hurry = self.hurry, math.inf
        try:
            yield
        finally:
            self.hurry = before


# What a user, a shell or a batch system ends a run with.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def interruptible(clock: Clock, listener: Listener = ignore) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP stop the clock: the run ends with the best it has; a second one ends it at once.

    The listener hears of the first one: a solver may take some seconds until it looks up. Where SIGHUP is ignored, as
    under `nohup`, it stays ignored.
    """
    function("listener", listener)
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> None:
        if clock.interrupted:
            raise KeyboardInterrupt
        clock.interrupted = True
        if signum != signal.SIGINT:
            clock.signal_name = signal.Signals(signum).name
        listener(Progress(STOPPING, time.perf_counter() - clock.started))

    before = {each: signal.getsignal(each) for each in SIGNALS}
    taken = [n for n, handler in before.items() if n == signal.SIGINT or handler is not signal.SIG_IGN]
    for each in taken:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each in taken:
            signal.signal(each, before[each] or signal.SIG_DFL)


# The address of a Dask scheduler; how numbers are checked that may be left out, and their least and largest.
_ADDRESS = re.compile(r"(\w+://)?[^\s/]+:\d+")
_LIMITS: dict[str, tuple[Any, ...]] = dict.fromkeys(("tolerance", "patience", "time_limit", "until"), (number,))
_LIMITS |= {"threads": (whole_number, 1, 256), "seed": (whole_number, 0, 2**31 - 1), "jobs": (whole_number, 1)}
_LIMITS |= {"accuracy": (number, 0, 1)}


class DefaultGap(float):
    """A gap that nobody chose."""


@dataclass(frozen=True)
class Settings:
    """Solver, accuracy, limits and parallelism of a search.

    Attributes:
        solver: ``highs``, or ``cbc`` through PuLP where the extra is installed.
        strategy: ``extensive-form``, ``constraint-generation``, ``benders``, or ``auto``, which chooses. The names of
            0.1.0 set it as well: ``whole``, ``scenarios``, ``cuts``.
        mip_gap: relative MIP gap to which `solve`, `evaluate` and the like prove a plan, 1e-4 by default.
        accuracy: share of the price of survival to which studies that compare plans prove costs; None takes the
            default of each, 2 % or 0.5 %. A function refuses the one of the two that it does not use, unless both
            are given.
        tolerance: money to which costs are proven, in place of `mip_gap`, which else holds for costs as well.
            Studies that compare plans set this and `patience` themselves, and refuse others.
        patience: seconds of one search with integers after which `mip_gap` is enough in place of `tolerance`; None
            where `tolerance` holds throughout.
        time_limit: seconds for the whole computation; None for no limit.
        until: when all searches together have to be over, seconds since 1970; None for no such time.
        threads: of the solver; None leaves the number to it.
        seed: random seed of the solver; None leaves it to the solver.
        jobs: processes that check shocks and solve futures; None takes all cores where that takes long.
        cluster: address of a Dask scheduler whose workers check shocks instead.
        checkpoint: folder for the state of the search, written after each round of constraint generation or Benders
            decomposition; None writes none. The extensive form has no rounds: a warning and a note say so.
        gap: the name of `mip_gap` in 0.1.0, which still sets it; read it as `mip_gap`.

    Raises:
        ValueError: one of them cannot have its value.
    """

    solver: SolverName = "highs"
    mip_gap: float = DefaultGap(PLAN_GAP)
    accuracy: float | None = None
    tolerance: float | None = None
    patience: float | None = None
    time_limit: float | None = None
    until: float | None = None
    threads: int | None = None
    seed: int | None = None
    strategy: StrategyName = "auto"
    jobs: int | None = None
    cluster: str | None = None
    checkpoint: str | Path | None = None
    gap: InitVar[float | None] = None

    def __post_init__(self, gap: float | None) -> None:
        if gap is not None:
            object.__setattr__(self, "mip_gap", gap)
        for name, checked in self._checked().items():
            object.__setattr__(self, name, checked)

    def _checked(self) -> dict[str, Any]:
        """Every field as it is kept.

        Raises:
            ArgumentError: one cannot have its value.
        """
        new_names: dict[str, str] = {old: name for name, old in SAVED_STRATEGIES.items()}
        strategy = new_names.get(str(self.strategy), self.strategy)
        choice("solver", self.solver, get_args(SolverName))
        choice("strategy", strategy, ("auto", *SAVED_STRATEGIES))
        kept: dict[str, Any] = {"strategy": strategy, "mip_gap": number("mip_gap", self.mip_gap, 0, 1)}
        given = {name: value for name, value in vars(self).items() if value is not None}
        for name, (check, *bounds) in _LIMITS.items():
            if name in given:
                kept[name] = check(name, given[name], *bounds)
        if "cluster" in given and not _ADDRESS.fullmatch(str(self.cluster)):
            raise ArgumentError("cluster", self.cluster, "write it like tcp://host:8786.")
        if "checkpoint" in given:
            kept["checkpoint"] = str(file_path("checkpoint", self.checkpoint))
        return kept

    @classmethod
    def chosen(cls, given: "Settings | None", accuracy: float | None = None) -> "Settings":
        """The settings that a caller chose, or the usual ones; of a study with its accuracy, where none was given.

        A study begins with a MIP gap of as much: what its costs are a share of is known once there is a plan.

        Raises:
            ArgumentError: a study is given a MIP gap alone, or money or seconds for its proofs, which it sets itself;
                another function is given an accuracy alone.
            TypeError: something else is given.
        """
        if not isinstance(given, Settings | None):
            raise TypeError(f"Settings are needed, not {type(given).__name__}: write Settings(mip_gap=…, time_limit=…)")
        settings = given or cls()
        settings._refuse_unused(is_study=accuracy is not None)
        if accuracy is None:
            return settings
        accuracy = accuracy if settings.accuracy is None else settings.accuracy
        return replace(settings, mip_gap=accuracy, accuracy=accuracy)

    def _refuse_unused(self, *, is_study: bool) -> None:
        has_gap, has_accuracy = not isinstance(self.mip_gap, DefaultGap), self.accuracy is not None
        if not is_study:
            if has_accuracy and not has_gap:
                cure = "this function compares no plans: write mip_gap, a share of the total cost."
                raise ArgumentError("accuracy", self.accuracy, cure)
            return
        if has_gap and not has_accuracy:
            cure = "this study compares plans: write accuracy, a share of the price of survival."
            raise ArgumentError("mip_gap", self.mip_gap, cure)
        for name in ("tolerance", "patience"):
            if getattr(self, name) is not None:
                cure = "this study sets it itself: leave it out, and write accuracy, a share of the price of survival."
                raise ArgumentError(name, getattr(self, name), cure)

    @property
    def share_of_price(self) -> float:
        """`accuracy` in a study; elsewhere, where a share of the price is needed all the same, the MIP gap."""
        return self.mip_gap if self.accuracy is None else self.accuracy

    def begun(self) -> "Settings":
        """The same of searches that begin now, whose time limit is that of all of them together."""
        return self if self.time_limit is None else replace(self, until=time.time() + (self.clock().limit or 0.0))

    @property
    def is_late(self) -> bool:
        """Whether all searches together have to be over."""
        return self.until is not None and time.time() >= self.until

    @property
    def halfway(self) -> float:
        """When half of what is left before `until` is over, seconds since 1970; infinite without it."""
        return math.inf if self.until is None else (time.time() + self.until) / 2

    def clock(self) -> Clock:
        """The time of a search that begins now, in whichever process."""
        left = None if self.until is None else max(0.0, self.until - time.time())
        return Clock(min((each for each in (self.time_limit, left) if each is not None), default=None))

    def slack(self, cost: float, seconds: float = 0.0) -> float:
        """By how much a cost may miss the least one, money, after so many seconds of a search."""
        relative = self.mip_gap * abs(cost)
        if self.tolerance is None:
            return relative
        is_long = self.patience is not None and seconds > self.patience
        return max(self.tolerance, relative) if is_long else self.tolerance


@dataclass(frozen=True)
class Batch:
    """Programmes that differ in numbers alone, in the units of the file; one row of an array each."""

    costs: Vector  # by column, one row for all or one for each
    upper: Vector  # of every column; the lower bound is 0
    rhs: Vector  # right-hand side of every row


@dataclass(frozen=True)
class SolveResult:
    """What a solve found, in the units of the file."""

    status: Verdict  # see `optimizer.solver`
    values: Vector | None  # by column; None where nothing was found
    objective: float  # of `values`; infinite without them
    bound: float  # proven lower bound on the objective
    # By row, the change of the objective per unit of the row's right-hand side; None with integers.
    duals: Vector | None
    # By column, the change of the objective per unit of the bound it rests on; None with integers.
    reduced_costs: Vector | None = None
    # Dual values of the rows of `Model.add_rows`, in their order, where there are `duals`.
    added_duals: Vector | None = None


@dataclass(frozen=True)
class RawResult:
    """A result in the solver's own units."""

    status: Verdict
    values: Vector | None
    bound: float
    duals: Vector | None
    reduced_costs: Vector | None = None


# Of branching, by key of an integer.
Gains = dict[Hashable, Vector]


@dataclass
class BranchingHistory:
    """What branching on the integers of similar models gained."""

    # By key of an integer, the sum of gains per unit and their number: of branches down, then up; shares of the way
    # from the first relaxation to where solutions were sought. Other objectives may share them.
    gains: Gains = field(default_factory=dict)
    distance: float = 0.0  # between the first relaxation and the best solution the last time, money; 0 before the first
    failures: int = 0  # how many trees in turn were abandoned

    def read(self, keys: Sequence[Hashable]) -> Vector:
        """A row for each key."""
        none = np.zeros(4)
        return np.array([self.gains.get(key, none) for key in keys]).reshape(-1, 4)

    def write(self, keys: Sequence[Hashable], gains: Vector) -> None:
        """Keep the rows of some keys."""
        self.gains |= {key: row for key, row in zip(keys, gains, strict=True) if row[1] + row[3] > 0}


# By what is minimised.
BranchingHistories = dict[Hashable, BranchingHistory]


@dataclass(frozen=True)
class SolveRequest:
    """What to solve, in the solver's own units."""

    # By column.
    costs: Vector
    lower: Vector
    upper: Vector
    integers: Indices  # the columns that have to be whole
    cutoff: float = math.inf  # with integers, solutions above this objective are not sought
    enough: float = -math.inf  # with integers, the first solution at or below this objective ends the search
    # With integers, the absolute gap to which they are proven; None for the relative one of the settings.
    tolerance: float | None = None
    is_weak: bool = False  # with integers, whether the relaxation is known to be far below the optimum
    history: BranchingHistory | None = None  # with integers, of branching in similar models; None without any
    keys: Sequence[Hashable] = ()  # what it calls them
    money: float = 1.0  # the unit of the objective, for the history


class BackEnd(Protocol):
    """A solver that holds a model whose costs, bounds and integers may change from run to run."""

    def run(self, request: SolveRequest, clock: Clock, listener: BoundsListener) -> RawResult:
        """Minimise."""

    def grow(self, upper: Vector, rows: Sequence[tuple[Sense, float, Indices, Vector]]) -> None:
        """New columns, 0 or more, and rows behind those that are there: sense, right-hand side, columns, values."""

    def add_cuts(self, columns: Indices, coefficients: Vector, rhs: Vector) -> None:
        """New cuts, dense rows ``coefficients · columns ≤ rhs``, one for each number of `rhs`."""

    def keep(self, name: str) -> None:
        """Keep the basis of the last linear programme, until the model gets columns; it may do nothing."""

    def recall(self, name: str) -> None:
        """Let the next linear programme start from a basis that was kept, if it was."""

    def doubt_basis(self) -> None:
        """Let the next linear programme leave its basis where that is far from the optimum; it may do nothing."""
