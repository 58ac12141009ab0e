"""What every search in rounds keeps: its loop, the shocks that its model contains, its progress, a state to resume.

Listed shocks are its separation oracle: the recourse of each is solved under the plan.

Relaxations are raised by mixed-integer rounding of what floors ask of a plan:

    gap[s](p) + g·(x − p) ≤ 0    a plan x keeps the floors of shock s: g is a subgradient of the gap at any point p
    Σ a·z + Σ c·w ≥ b            the same in whole numbers z and sizes w: a size that an opening limits counts as the
                                 whole of that, w ≤ U·z
    Σ G(a/δ)·z + Σ c/(δ·f)·w ≥ ⌈b/δ⌉,    f = b/δ − ⌊b/δ⌋,    G(d) = ⌊d⌋ + min(1, (d − ⌊d⌋)/f)

A relaxation opens 3.8 of four sites where floors ask for 3.8 times the capacity of one; the rounded row asks for four.
Points p are relaxations whose openings are rounded down, or to the nearest: there floors fail, and the gap says what is
short. Every plan that keeps the floors keeps these rows, so they are valid inequalities of the model; it holds those
that its relaxation violates, until the integers are fixed.

Sources: Marchand, Wolsey: Aggregation and mixed integer rounding to solve MIPs, Operations Research 49(3), 2001; Bodur,
Luedtke: Mixed-integer rounding enhanced Benders decomposition, Management Science 63(7), 2017.
"""

import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.checkpoint import Arrays, Checkpoint, State
from optimizer.algorithms.extensive_form import ScenarioModel
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation import Violation, select_most_violated
from optimizer.algorithms.shares import Shortfalls, without_allowed
from optimizer.algorithms.strategy import BatchResponse
from optimizer.disruptions.shock import Shock
from optimizer.errors import CheckpointError, OptimizerWarning
from optimizer.formulation import Writer
from optimizer.instance.derived import survival_shares, tree_shares
from optimizer.instance.schema import FutureTree, Instance
from optimizer.model.builder import Mark, Row
from optimizer.progress import Listener, Progress
from optimizer.solver import Clock, Integers, Settings, SolveResult, Vector
from optimizer.tolerances import INTEGRALITY, RELAXATION_GAP, ROUNDING

# Shocks that are added in a round.
ADDED = 4
# Where floors fail, a model holds all shocks that count if they are no more than this.
FEW_SHOCKS = 32


class Search:
    """A search in rounds.

    Args:
        instance, settings, clock, listener: as for `Strategy.run`.
        evaluator: of the recourse in the listed shocks.
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
        add: int = ADDED,
        few: int = FEW_SHOCKS,
    ) -> None:
        self.instance, self.settings, self.clock, self.listener = instance, settings, clock, listener
        self.tree = instance.tree
        self.evaluator, self.add, self.few = evaluator, add, few
        self.began = time.perf_counter()
        self.writer = Writer(instance)
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


def generate_constraints[T](
    solve: Callable[[], T | None],
    separate: Callable[[T], Sequence[Violation]],
    add: Callable[[Sequence[Violation]], None],
    clock: Clock,
) -> T | None:
    """The loop: solve, separate, add, until nothing is violated.

    Args:
        solve: the best solution for the constraints so far; None ends the loop.
        separate: what it violates.
        add: adds constraints for some of that.
        clock: ends the loop where it is over.

    Returns:
        The solution that violates nothing; None where there is none, or the loop was ended before.
    """
    while not clock.is_over:
        found = solve()
        if found is None:
            return None
        violated = separate(found)
        if not violated:
            return found
        add(violated)
    return None


# Rounds of rows at most; fractions from which on points are rounded up; and how many divisors δ are tried for a row.
MOST_ROUNDS, THRESHOLDS, MOST_DIVISORS = 12, (1.0 - INTEGRALITY, 0.5), 8
# Fractions f beyond these make rows that say little, or that the solver's errors may spoil.
LEAST_FRACTION, MOST_FRACTION = 0.02, 0.98
# A row has to be violated by so much, where its right-hand side is a whole number.
LEAST_VIOLATION = 0.01
# Rows whose coefficients agree to so many digits are the same.
SAME_DIGITS = 9
# Sizes of points are this share of what openings allow: at all of it, more would be of no use, nor have a subgradient.
SHARE_OF_SIZE = 0.999


@dataclass(frozen=True)
class Covering:
    """A row ``Σ a·x ≥ b`` in the plan's columns: coefficients and right-hand side."""

    coefficients: Vector
    rhs: float


class RoundedFloors:
    """The rows of one model.

    Args:
        model: it holds some shocks, whose floors are kept.
        evaluator: of the recourse in the listed shocks.
        known: the rows of other models of the same instance; those that are found are added.
    """

    def __init__(self, model: ScenarioModel, evaluator: RecourseEvaluator, known: list[Row]) -> None:
        self.model, self.evaluator, self.known = model, evaluator, known
        places = {shock.name: n for n, shock in enumerate(model.tree.events)}
        self._held = [places[shock.name] for shock in model.shocks if shock.name in places]
        assert model.writer is not None
        self.size = len(model.writer.first_stage.columns)
        columns = model.builder.columns[: self.size]
        self.is_whole = np.array([each.integer or each.mark.what == "open" for each in columns], dtype=bool)
        self.upper = np.array([each.upper for each in columns], dtype=float)
        self._limited, self._by, self._most = self._limits()

    def _limits(self) -> tuple[Integers, Integers, Vector]:
        """Sizes w that a whole number z limits, w ≤ U·z: w, z and U."""
        found = dict[int, tuple[int, float]]()
        for row in self.model.builder.rows:
            if len(row.terms) == 2 and row.sense != ">=" and row.rhs == 0 and max(row.terms) < self.size:
                (w, a), (z, b) = sorted(row.terms.items(), key=lambda term: -term[1])
                if a > 0 > b and self.is_whole[z] > self.is_whole[w]:
                    found.setdefault(w, (z, -b / a))
        limited, by, most = np.array([(w, z, u) for w, (z, u) in found.items()]).reshape(-1, 3).T
        return limited.astype(np.intp), by.astype(np.intp), most

    @property
    def _has_whole_floors(self) -> bool:
        """Whether the floors of all shocks held are kept, and something has to be whole."""
        keeps = self.model.most == 0 and not self.model.excuses.is_used
        return keeps and len(self._held) > 0 and bool(self.is_whole.any())

    def tighten(self, relaxation: SolveResult) -> SolveResult:
        """The relaxation with rounded rows, until it violates none or they raise its bound no more."""
        if relaxation.status != "optimal" or not self._has_whole_floors:
            return relaxation
        there = {id(row) for row in self.model.builder.valid}
        new = [row for row in self.known if id(row) not in there]
        if new:
            relaxation = self._hold(new)
        for _ in range(MOST_ROUNDS):
            new = self._violated(relaxation.values)
            if not new:
                break
            self.known += new
            before, relaxation = relaxation.objective, self._hold(new)
            if relaxation.objective - before < RELAXATION_GAP * abs(before):
                break
        return relaxation

    def _hold(self, rows: list[Row]) -> SolveResult:
        """The relaxation of the model with more rows."""
        self.model.builder.valid += rows
        return self.model.solve_relaxed()

    def _violated(self, values: Vector | None) -> list[Row]:
        """The rows that some values violate, in units of a row of tonnes; none where there are no values."""
        if values is None:
            return []
        rounded = (row for each in self._coverings(values) if (row := self._rounded(each, values)) is not None)
        # Shocks that ask for the same have the same row.
        found = {np.round(row.coefficients / row.rhs, SAME_DIGITS).tobytes(): row for row in rounded}
        mass, first, result = self.model.model.mass, len(self.known), []
        for number, row in enumerate(found.values()):
            terms = {int(j): -mass * float(row.coefficients[j]) for j in np.flatnonzero(row.coefficients)}
            mark = Mark("", "floors", f"rounded{first + number}", "")
            result.append(Row(mark, "t", terms, "<=", -mass * row.rhs, None))
        return result

    def _coverings(self, values: Vector) -> Iterator[Covering]:
        """What floors ask of the plan, at points near some values."""
        plan, groups = values[: self.size], np.full(len(self.model.tree.events), -1, dtype=np.intp)
        groups[self._held] = np.arange(len(self._held))
        weights, others = np.where(groups >= 0, 1.0, 0.0), np.flatnonzero(groups < 0).tolist()
        for threshold in THRESHOLDS:
            point = self._point(plan, threshold)
            found = self.evaluator.subgradients(
                point, self.model.clock, "subgradients without valid rows", groups, weights, others
            )
            for value, slope in zip(found.value, found.subgradient, strict=True):
                coefficients = np.where(np.abs(slope) > ROUNDING * np.abs(slope).max(initial=0.0), -slope, 0.0)
                rhs = float(value + coefficients @ point)
                if value > 0 and rhs > 0:
                    yield Covering(coefficients, rhs)

    def _point(self, plan: Vector, threshold: float) -> Vector:
        """A point whose whole numbers are rounded up from a threshold on, with the sizes that they allow."""
        point = np.maximum(plan, 0.0)
        below = np.floor(point + INTEGRALITY)
        point = np.where(self.is_whole, below + (point - below >= threshold), point)
        most = self._most * point[self._by]
        is_more = point[self._by] > plan[self._by]
        point[self._limited] = SHARE_OF_SIZE * np.where(is_more, most, np.minimum(point[self._limited], most))
        return point

    def _rounded(self, row: Covering, values: Vector) -> Covering | None:
        """The row that values violate most, of those that rounding makes of one; None where they violate none."""
        a = row.coefficients.copy()
        np.add.at(a, self._by, np.maximum(a[self._limited], 0.0) * self._most)
        a[self._limited] = 0.0
        a[~self.is_whole] = np.maximum(a[~self.is_whole], 0.0)
        if (a >= 0).all():
            a[self.is_whole] = np.minimum(a[self.is_whole], row.rhs)
        at = np.maximum(values[: self.size], 0.0)
        best, most = None, LEAST_VIOLATION
        for high in (np.zeros(self.size, dtype=bool), self.is_whole & np.isfinite(self.upper) & (at > self.upper / 2)):
            # Where high, z is replaced by what is left to its upper bound.
            signed, rhs = np.where(high, -a, a), row.rhs - float(a[high] @ self.upper[high])
            left = np.where(high, self.upper - at, at)
            for divisor in self._divisors(signed, left):
                found = _round(Covering(signed, rhs), divisor, self.is_whole)
                violation = 0.0 if found is None else found.rhs - float(found.coefficients @ left)
                if found is not None and violation > most:
                    most = violation
                    g = found.coefficients
                    best = Covering(np.where(high, -g, g), found.rhs - float(g[high] @ self.upper[high]))
        return best

    def _divisors(self, a: Vector, at: Vector) -> list[float]:
        """Coefficients of fractional whole numbers, those that matter most first."""
        is_fractional: npt.NDArray[np.bool_] = self.is_whole & (a > 0) & (np.abs(at - np.round(at)) > INTEGRALITY)
        places = np.flatnonzero(is_fractional)
        order = places[np.argsort(-(a * at)[places], kind="stable")]
        return list(dict.fromkeys(a[order].tolist()))[:MOST_DIVISORS]


def _round(row: Covering, divisor: float, is_whole: npt.NDArray[np.bool_]) -> Covering | None:
    """Mixed-integer rounding of a row divided by a number; None where its fraction is too small or too large."""
    d, b = row.coefficients / divisor, row.rhs / divisor
    f = b - np.floor(b)
    if not LEAST_FRACTION <= f <= MOST_FRACTION:
        return None
    whole = np.floor(d)
    rounded = np.where(is_whole, whole + np.minimum(1.0, (d - whole) / f), np.maximum(d, 0.0) / f)
    return Covering(rounded, float(np.ceil(b)))


class ListedShocks:
    """The shocks of all futures of an instance, by their numbers in `FutureTree.events`.

    Attributes:
        suspects: those that were violated when they were last solved; they are solved first.
        shares: the ensembles of which only a share has to be survived.
        excused: by share, how many samples fail that the model holds.
        ignored: shocks that may fail, whatever the plan.
    """

    ignored = frozenset[int]()

    def __init__(self, instance: Instance, evaluator: RecourseEvaluator, clock: Clock) -> None:
        self.tree, self.evaluator, self.clock = instance.tree, evaluator, clock
        self.events = self.tree.events
        self.suspects = frozenset[int]()
        self.shares = [share for share in tree_shares(instance.tree) if share.allowed > 0]
        self.excused: Sequence[float] = [0.0] * len(self.shares)
        self._numbers = {event.name: number for number, event in enumerate(self.events)}

    @cached_property
    def redundant(self) -> frozenset[int]:
        """Shocks that need no check: the do-nothing plan survives them, or one that must be survived dominates them.

        Where gaps have a price no shock must be survived, and the gap of each counts.
        """
        nothing, dominators = self.evaluator.do_nothing(self.clock), self.evaluator.dominators
        dominated = (dominators >= 0) & (self.tree.futures[0].instance.policy.gap_price is None)
        # Samples that may fail are counted, every one; and to survive others does not follow from them.
        for share in self.shares:
            dominated[share.numbers.start : share.numbers.stop] = False
            dominated &= ~np.isin(dominators, share.numbers)
        dominated &= ~np.isin(dominators, list(self.ignored))
        survived = (nothing.gap <= 0.0) & ~nothing.fails
        return self.ignored | frozenset(np.flatnonzero(survived | dominated).tolist())

    @cached_property
    def shortfalls(self) -> Shortfalls:
        """Of samples that may fail, what the do-nothing plan falls short of their floors."""
        if not self.shares:
            return {}
        return do_nothing_shortfalls(
            self.tree, [each.do_nothing_answers(self.clock) for each in self.evaluator.futures]
        )

    def numbers(self, shocks: Collection[Shock]) -> list[int]:
        """The numbers of those of some scenarios that are listed."""
        return [self._numbers[shock.name] for shock in shocks if shock.name in self._numbers]

    def violations(self, gaps: Mapping[int, float]) -> list[Violation]:
        """Violations from gaps by number; samples are none where no more of them fail than are allowed."""
        gaps = without_allowed(self.shares, gaps, self.excused)
        return [Violation(self.events[number], gap) for number, gap in gaps.items()]

    def may_fail(self, shock: Shock) -> bool:
        """Whether it is a sample of an ensemble of which only a share has to be survived."""
        number = self._numbers.get(shock.name, -1)
        return any(number in share.numbers for share in self.shares)

    def enough_to_count(self, violations: Iterable[Violation], held: Collection[Shock], more: float = 0) -> list[Shock]:
        """The most violated samples that, with those held, are one more than are allowed to fail; and some more."""
        of_number = {self._numbers[each.shock.name]: each for each in violations if each.shock.name in self._numbers}
        known, chosen = set(self.numbers(held)), list[Shock]()
        for share in self.shares:
            missing = share.allowed + 1 - sum(n in known for n in share.numbers)
            failing = sorted((of_number[n] for n in share.numbers if n in of_number), key=lambda each: -each.gap)
            chosen += [each.shock for each in failing[: int(max(missing, more))]]
        return chosen

    def separate(self, plan: Vector, held: Collection[Shock] = (), enough: int = 0) -> list[Violation]:
        """The violated shocks that a model does not hold.

        Redundant shocks are not solved. Those that were survived the last time are not either, where the others leave
        `enough` to add.
        """
        everyone, found = frozenset(range(len(self.events))), dict[int, float]()
        others = everyone.difference(self.redundant, self.numbers(held))
        for some in (others & self.suspects, others - self.suspects):
            if not enough or len(select_most_violated(self.violations(found), enough)) < enough:
                found |= self.evaluator.gaps(plan, self.clock, everyone - some).violated
        self.suspects = frozenset(found)
        return self.violations(found)


def do_nothing_shortfalls(tree: FutureTree, answers: Sequence[Sequence[BatchResponse]]) -> Shortfalls:
    """Those of the samples without a probability, from the answers about the do-nothing plan of each future."""
    result: dict[str, dict[tuple[str, int], float]] = {}
    for number, (future, own) in enumerate(zip(tree.futures, answers, strict=True)):
        instance = future.instance
        samples = {n for share in survival_shares(instance) if share.allowed > 0 for n in share.numbers}
        for answer in own:
            for n, unserved in zip(answer.events.tolist(), answer.unserved, strict=True):
                shock = instance.events[n]
                if n in samples and not shock.probability > 0:
                    result[tree.name(number, shock.name)] = _shortfall(instance, shock, unserved)
    return result


def _shortfall(instance: Instance, shock: Shock, unserved: Vector) -> dict[tuple[str, int], float]:
    path = instance.path(shock)
    return {
        (d, t): float(unserved[i, k]) - (1.0 - path.floor_at(d, t)) * path.demanded(d, t)
        for i, d in enumerate(instance.demands)
        for k, t in enumerate(shock.periods)
    }
