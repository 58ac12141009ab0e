"""Solver settings, solve requests and results, the clock that stops a solve, and the progress events.

Every study and every search takes a `listener`, a function of one event, a `Progress`. A study reports its tasks in the
fields `task`, `done` and `total`. A search within it reports its rounds, and its incumbents and bounds between rounds,
in all other fields.
"""

import contextlib
import math
import os
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

from optimizer.arguments import ArgumentError, choice, file_path, function, number, seconds, whole_number
from optimizer.model import Sense
from optimizer.tolerances import PLAN_GAP

Vector = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]  # indices of shocks, groups and positions; not integer variables
Indices = npt.NDArray[np.int32]  # column and row indices, in the integer type of HiGHS
SolverName = Literal["highs", "cbc"]
StrategyName = Literal["auto", "extensive-form", "constraint-generation", "benders", "whole", "scenarios", "cuts"]
# Maps each algorithm to its name in 0.1.0, which result files keep and settings still accept.
SAVED_STRATEGIES: dict[str, StrategyName] = {
    "extensive-form": "whole", "constraint-generation": "scenarios", "benders": "cuts"
}  # fmt: skip
Verdict = Literal["optimal", "stopped", "infeasible"]
BoundsListener = Callable[[float, float], None]

STOPPING = "stopping"
# The phase that minimises cost subject to the minimal gap, as progress events and checkpoints name it.
AT_GAP = "cost under the gap"
# Fields of progress events that plan files and checkpoints do not store.
_NOT_STORED = ("task", "done", "total", "may_grow", "is_money")


@dataclass(frozen=True)
class Progress:
    """The state of a running computation.

    Attributes:
        phase: what a search minimises, in words for the user, such as ``cost`` (with all floors kept), ``gap``,
            ``largest gap`` (of a future), ``cost under the gap`` or ``expected cost``, or the name of a step; at the
            end of a round of constraint generation ``relaxation`` or ``integers``. It ends in ``relaxation`` where
            integrality is relaxed. ``stopping`` after Ctrl-C. Empty where a study reports a task.
        seconds: time since the search began.
        best: within a round, the objective of the incumbent in money, with gaps at their price; infinite before there
            is one. At the end of a round, the objective of the round's solution, whose plan may violate other shocks;
            where integrality is relaxed, the objective of the relaxation or, in Benders decomposition, of the best plan
            evaluated.
        bound: proven lower bound on the objective.
        shocks: number of shocks in the model.
        round: number of the round of constraint generation or Benders decomposition that ended; 0 within a round.
        violated: number of shocks outside the model that the plan of the round does not survive.
        worst_gap: the largest gap of these shocks, in money.
        task: the task of a study that is running or has ended, in words for the user.
        done: number of the study's tasks, budgets or samples that are done.
        total: number of the study's tasks, budgets or samples; 0 where it is not known.
        may_grow: whether further tasks may follow those that `total` counts.
        is_money: whether `best` and `bound` are in money; not if a what-if minimises a share or a size.
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
    is_money: bool = True

    @property
    def is_stopping(self) -> bool:
        """Whether a signal of the user, the shell or a batch system has stopped the computation."""
        return self.phase == STOPPING

    @property
    def is_of_a_study(self) -> bool:
        """Whether the event comes from a study that reports tasks, and not from a search that reports rounds."""
        return not self.phase

    def record(self) -> dict[str, Any]:
        """Return the fields that plan files and checkpoints store."""
        return {key: value for key, value in asdict(self).items() if key not in _NOT_STORED}


Listener = Callable[[Progress], None]


def ignore(event: Progress) -> None:
    """Ignore the event: the default listener."""


@dataclass
class Clock:
    """A deadline shared by several solves, the seconds spent in them, and whether the user stopped them.

    `limit` is the deadline, and `part_limit` an earlier one for a part of the work, both in seconds since `started`.
    `signal_name` is the signal that ended the run: ``Ctrl-C``, ``SIGTERM`` or ``SIGHUP``.
    """

    limit: float | None = None
    started: float = field(default_factory=time.perf_counter)
    solving: float = 0.0
    interrupted: bool = False
    signal_name: str = "Ctrl-C"
    part_limit: float = math.inf

    @property
    def left(self) -> float | None:
        """Seconds left before the earlier of the two deadlines; None without a deadline."""
        until = self.part_limit if self.limit is None else min(self.limit, self.part_limit)
        return None if math.isinf(until) else max(0.0, until - (time.perf_counter() - self.started))

    @property
    def is_over(self) -> bool:
        """Whether no time is left, or the user has stopped the computation."""
        return self.interrupted or (self.left is not None and self.left <= 0)

    @contextlib.contextmanager
    def for_at_most(self, seconds: float) -> Iterator[None]:
        """Limit the enclosed block to `seconds`, or to the time left before the deadline if that is less."""
        before, until = self.part_limit, time.perf_counter() - self.started + seconds
        self.part_limit = min(before, until)
        try:
            yield
        finally:
            self.part_limit = before

    @contextlib.contextmanager
    def without_part_limit(self) -> Iterator[None]:
        """Lift `part_limit` for the enclosed block; the deadline `limit` still holds."""
        before, self.part_limit = self.part_limit, math.inf
        try:
            yield
        finally:
            self.part_limit = before

    @contextlib.contextmanager
    def with_reserve(self, share: float) -> Iterator[None]:
        """Move the deadline `limit`, or the present where that has passed, by a share of it for the enclosed block."""
        before = self.limit
        if before is not None:
            self.limit = max(before, time.perf_counter() - self.started) + share * before
        try:
            yield
        finally:
            self.limit = before


# The signals with which a user, a shell or a batch system ends a run.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
# The clocks that a signal stops, with their listeners: of the whole computation, of its tasks in this process, of their
# searches.
_STOPPABLE: list[tuple[Clock, Listener]] = []
# The signals that a worker received between its searches.
_NOTED: list[int] = []


def note_signal(signum: int, frame: object) -> None:
    """Handle a signal in a worker that does not search: the searches that follow are stopped."""
    _NOTED.append(signum)


@contextlib.contextmanager
def interruptible(clock: Clock, listener: Listener = ignore) -> Iterator[None]:
    """Stop the clock at Ctrl-C, SIGTERM or SIGHUP: the run ends with its incumbent; a second signal ends it at once.

    It stops the clocks of enclosing blocks as well. The first signal is reported to their listeners at once, since a
    solver may take some seconds to react. Where SIGHUP is ignored, as under `nohup`, it stays ignored. Outside the main
    thread no handler is installed.
    """
    function("listener", listener)
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> None:
        if any(each.interrupted for each, _ in _STOPPABLE):
            raise KeyboardInterrupt
        for each, _ in _STOPPABLE:
            each.interrupted = True
            if signum != signal.SIGINT:
                each.signal_name = signal.Signals(signum).name
        for report in {id(each): each for _, each in _STOPPABLE}.values():
            report(Progress(STOPPING, time.perf_counter() - clock.started))

    before = {each: signal.getsignal(each) for each in SIGNALS}
    handled = [n for n, handler in before.items() if n == signal.SIGINT or handler is not signal.SIG_IGN]
    clock.interrupted |= bool(_NOTED)
    try:
        _STOPPABLE.append((clock, listener))
        for each in handled:
            signal.signal(each, stop)
        yield
    finally:
        _STOPPABLE.pop()
        for each in handled:
            signal.signal(each, before[each] or signal.SIG_DFL)


# The form of a Dask scheduler's address. For each optional number, its check and the smallest and largest value
# allowed.
_ADDRESS = re.compile(r"(\w+://)?[^\s/]+:\d+")
_LIMITS: dict[str, tuple[Any, ...]] = dict.fromkeys(("patience", "time_limit", "until"), (seconds,))
_LIMITS |= {"tolerance": (number,)}
_LIMITS |= {"threads": (whole_number, 1, 256), "seed": (whole_number, 0, 2**31 - 1), "jobs": (whole_number, 1)}
_LIMITS |= {"accuracy": (number, 0, 1)}


class DefaultGap(float):
    """The default MIP gap, of its own type so that it is distinguished from a gap that the caller gave."""


@dataclass(frozen=True)
class Settings:
    """Solver, accuracy, limits and parallelism of a search.

    Attributes:
        solver: ``highs``, or ``cbc`` through PuLP if the extra is installed.
        strategy: ``extensive-form``, ``constraint-generation``, ``benders``, or ``auto``, which chooses one of
            them. The names of 0.1.0 are accepted as well: ``whole``, ``scenarios``, ``cuts``.
        mip_gap: relative MIP gap to which `solve`, `evaluate` and the like prove a plan, 1e-4 by default.
        accuracy: share of the price of survival to which studies that compare plans prove costs; None takes the
            study's default, 2 % or 0.5 %. Of `mip_gap` and `accuracy`, a function refuses the one that it does not
            use, unless both are given.
        tolerance: absolute gap in money to which costs are proven, in place of `mip_gap`; None proves them to
            `mip_gap`. Studies that compare plans set `tolerance` and `patience` themselves, and refuse given ones.
        patience: seconds of one search with integers after which the wider of `mip_gap` and `tolerance` is enough;
            None holds `tolerance` throughout.
        time_limit: seconds for the whole computation; None for no limit.
        until: time at which all searches together must have ended, in seconds since 1970; None for no such time.
        threads: number of threads of the solver; None leaves the number to it.
        seed: random seed of the solver; None leaves it to the solver.
        jobs: number of processes that evaluate shocks and solve futures; None uses all cores where that takes long.
        cluster: address of a Dask scheduler whose workers evaluate shocks in place of local processes.
        checkpoint: folder for the state of the search, written after each round of constraint generation or Benders
            decomposition; None writes none. The extensive form has no rounds: it writes none, and a warning and a note
            say so.
        gap: the name of `mip_gap` in 0.1.0. It still sets `mip_gap`; read the value there.

    Raises:
        ValueError: a setting has an invalid value.
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
        """Return the checked and normalised values of the fields, by field name.

        Raises:
            ArgumentError: a field has an invalid value.
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
        """Return the caller's settings, or the defaults; for a study, with the default `accuracy` filled in.

        A study starts with a MIP gap equal to its accuracy: the price of survival, of which the accuracy is a share, is
        known only once there is a plan.

        Raises:
            ArgumentError: a study is given `mip_gap` without `accuracy`, or `tolerance` or `patience`, which it sets
                itself; another function is given `accuracy` without `mip_gap`.
            TypeError: `given` is neither None nor a `Settings`.
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
        """The accuracy of a study as a share of the price of survival; the MIP gap where no accuracy is set."""
        return self.mip_gap if self.accuracy is None else self.accuracy

    def begun(self) -> "Settings":
        """Return the settings with `until` set from `time_limit`: it now limits all following searches together."""
        return self if self.time_limit is None else replace(self, until=time.time() + (self.clock().limit or 0.0))

    def within(self, clock: Clock) -> "Settings":
        """Return the settings of a task, in any process, that has the time left before the deadline of a clock."""
        return replace(self, time_limit=None, until=None if clock.left is None else time.time() + clock.left)

    @property
    def is_late(self) -> bool:
        """Whether the time `until`, at which all searches together must have ended, is past."""
        return self.until is not None and time.time() >= self.until

    @property
    def halfway(self) -> float:
        """The time in the middle between now and `until`, in seconds since 1970; infinite without `until`."""
        return math.inf if self.until is None else (time.time() + self.until) / 2

    def clock(self) -> Clock:
        """Return the clock of a search that begins now, in any process, limited by `time_limit` and `until`."""
        left = None if self.until is None else max(0.0, self.until - time.time())
        return Clock(min((each for each in (self.time_limit, left) if each is not None), default=None))

    def slack(self, cost: float, seconds: float = 0.0) -> float:
        """Return the absolute gap allowed for an objective of `cost`, in its unit, after `seconds` of a search."""
        relative = self.mip_gap * abs(cost)
        if self.tolerance is None:
            return relative
        is_long = self.patience is not None and seconds > self.patience
        return max(self.tolerance, relative) if is_long else self.tolerance


@dataclass(frozen=True)
class Batch:
    """Linear programmes that differ only in numbers, in the units of the file; each array has one row per programme."""

    costs: Vector  # by column; one row for all programmes, or one row each
    upper: Vector  # upper bound of each column; the lower bound is 0
    rhs: Vector  # right-hand side of every row


@dataclass(frozen=True)
class SolveResult:
    """The result of a solve, in the units of the file."""

    status: Verdict  # see `optimizer.solver`
    values: Vector | None  # by column; None if no solution was found
    objective: float  # objective of `values`; infinite without values
    bound: float  # proven lower bound on the objective
    # Dual value of each row: change of the objective per unit of its right-hand side; None with integers.
    duals: Vector | None
    # Reduced cost of each column: change of the objective per unit of its active bound; None with integers.
    reduced_costs: Vector | None = None
    # Dual values of the rows added by `Model.add_rows`, in their order; None where `duals` is None.
    added_duals: Vector | None = None


@dataclass(frozen=True)
class RawResult:
    """The result of a solve in the scaled units of the solver."""

    status: Verdict
    values: Vector | None
    bound: float
    duals: Vector | None
    reduced_costs: Vector | None = None


# Pseudo-cost sums and counts of branching, by the key of an integer variable.
Gains = dict[Hashable, Vector]


@dataclass
class PseudoCosts:
    """Pseudo-costs from branching on the integers of similar models."""

    # For each integer, by its key: sum of the gains per unit and number of down branches, then of up branches. Gains
    # are shares of the distance from the root relaxation to the limit below which solutions are sought, so objectives
    # of other size can share them.
    gains: Gains = field(default_factory=dict)
    distance: float = 0.0  # money from the root relaxation to the incumbent of the last search; 0 before the first
    failures: int = 0  # number of consecutive searches whose tree was abandoned

    def read(self, keys: Sequence[Hashable]) -> Vector:
        """Return the pseudo-costs of the given integers, one row of four numbers per key; zeros for unknown keys."""
        none = np.zeros(4)
        return np.array([self.gains.get(key, none) for key in keys]).reshape(-1, 4)

    def write(self, keys: Sequence[Hashable], gains: Vector) -> None:
        """Store the pseudo-cost rows of the given integers; rows without any branch are left out."""
        self.gains |= {key: row for key, row in zip(keys, gains, strict=True) if row[1] + row[3] > 0}


# Pseudo-costs by the objective that is minimised.
PseudoCostsByObjective = dict[Hashable, PseudoCosts]


@dataclass(frozen=True)
class SolveRequest:
    """A solve of the model held by a back end, in the scaled units of the solver."""

    # By column:
    costs: Vector
    lower: Vector
    upper: Vector
    integers: Indices  # indices of the integer columns
    cutoff: float = math.inf  # with integers, only solutions up to this objective are sought
    enough: float = -math.inf  # with integers, the first solution at or below this objective ends the search
    # With integers, the absolute gap to prove; None for the relative gap of the settings.
    tolerance: float | None = None
    is_weak: bool = False  # with integers, whether the LP relaxation is known to be weak
    pseudo_costs: PseudoCosts | None = None  # with integers, the pseudo-costs of similar models; None without
    keys: Sequence[Hashable] = ()  # keys of the integers in the pseudo-costs
    money: float = 1.0  # money per unit of the objective, to convert the distance of the pseudo-costs


class BackEnd(Protocol):
    """The protocol of a solver that holds one model whose costs, bounds and integrality may change between solves."""

    def run(self, request: SolveRequest, clock: Clock, listener: BoundsListener) -> RawResult:
        """Minimise the requested objective within the clock's limit; report incumbent and bound to `listener`."""

    def grow(self, upper: Vector, rows: Sequence[tuple[Sense, float, Indices, Vector]]) -> None:
        """Append columns with lower bound 0 and the given upper bounds, and rows behind the existing ones.

        Each row is given as (sense, right-hand side, column indices, coefficients).
        """

    def add_cuts(self, columns: Indices, coefficients: Vector, rhs: Vector) -> None:
        """Append cuts, dense rows ``coefficients · columns ≤ rhs``, one per entry of `rhs`."""

    def store_basis(self, name: str) -> None:
        """Store the basis of the last LP under `name` until columns are added; a back end may do nothing."""

    def restore_basis(self, name: str) -> None:
        """Start the next LP from the basis stored under `name`, if there is one."""

    def allow_fresh_start(self) -> None:
        """Let the next LP restart from scratch if its starting basis is far from optimal; a back end may do nothing."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence file descriptor 1 in the enclosed block: HiGHS prints a banner there when it is first created."""
    try:
        saved = os.dup(1)
    except OSError:
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 1)
        yield
    finally:
        os.dup2(saved, 1)
        os.close(sink)
        os.close(saved)
