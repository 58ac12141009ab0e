"""What every set of an adversary's targets leaves of a plan, at each start.

    z[i]   1 where target i is struck
    u[j]   bound of column j of the gap's linear programme where nothing is struck      u[i,j]   where i alone is
    bound  y[j] ≤ min(u[j], u[i,j] of every i that is struck)

Cuts are bounds of activities, and of several cuts each holds on its own (the worse one counts): what a set leaves is
the least of what its targets leave. So one programme for each window length, with a row of bounds for each target
alone, answers for all sets.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.dominance import badness, compared
from optimizer.algorithms.window import Integers, Offers, Window
from optimizer.disruptions.adversary import Attack
from optimizer.disruptions.shock import Shock
from optimizer.formulation import plan_stage
from optimizer.instance.schema import Instance
from optimizer.solver import Basis, Batch, Clock, Found, Vector, Warm

# Sets of targets, one row each, as (sets, targets).
Sets = npt.NDArray[np.bool_]
# What a tonne below a floor is worth whose shortage costs nothing, as a share of the least that has a cost.
FREE = 1e-3


@dataclass(frozen=True)
class Hurt:
    """What sets of targets do to a plan.

    Attributes:
        gap: by set, in money, or in what was asked to be minimised in its place.
        below: by set, the largest part of a segment's demand in a period that is left unserved below its floor.
    """

    gap: Vector
    below: Vector


@dataclass
class Programme:
    """The linear programme of one window length, kept warm."""

    window: Window
    warm: Warm
    basis: Basis | None = None

    def ask(self, batch: Batch, clock: Clock) -> Found:
        """Answer a batch, from where the last one ended."""
        began = time.perf_counter()
        found = self.warm.ask(batch, self.basis, values=True)
        self.window.part(found.values, batch.upper)
        self.basis = found.basis
        clock.solving += time.perf_counter() - began
        return found


class Front:
    """One start under a plan.

    Attributes:
        start: the period in which attacks begin.
        window: the linear programmes of its length.
        uppers: bounds of the columns where nothing is struck, and below that where each target alone is.
        right: of every row; attacks do not change it.
        asked: demand beside each column that a floor may be missed by, t.
        prices: by column, the survival gap in money.
    """

    def __init__(self, start: int, programme: Programme, which: Integers, offered: Vector) -> None:
        self.start, self.window, self._programme = start, programme.window, programme
        batch, _ = self.window.batch(which, offered)
        self.uppers, self.right = batch.upper, batch.right[0]
        self.asked, self.prices = self.window.asked(which[:1])[0], self.window.shortage

    @cached_property
    def watchful(self) -> Vector:
        """The same where floors count as well whose shortage costs nothing: 0 means that all floors are kept."""
        prices, below = self.window.shortage.copy(), self.window.below
        least = min((price for price in prices[below].tolist() if price > 0), default=1.0)
        prices[below] = np.where(prices[below] > 0, prices[below], FREE * least)
        return prices

    def left(self, sets: Sets) -> Vector:
        """By set, the bounds that it leaves."""
        result = np.repeat(self.uppers[:1], len(sets), axis=0)
        for i in range(sets.shape[1]):
            result[sets[:, i]] = np.minimum(result[sets[:, i]], self.uppers[1 + i])
        return result

    def ask(self, sets: Sets, prices: Vector, clock: Clock) -> Hurt:
        """The least gap at some prices in each of some sets."""
        right = np.repeat(self.right[None, :], len(sets), axis=0)
        found = self._programme.ask(Batch(prices, self.left(sets), right), clock)
        # What costs nothing to miss may be missed without need.
        below = np.where(prices[self.window.below] > 0, found.values[:, self.window.below], 0.0)
        shares = np.divide(below, self.asked, out=np.zeros_like(below), where=self.asked > 0)
        return Hurt(np.maximum(found.objective, 0.0), shares.max(axis=1, initial=0.0))


class Strikes:
    """All starts of an instance's adversary.

    Args:
        instance: one that has an adversary.

    Attributes:
        names: of the targets, in the order of the file.
        starts: the periods in which attacks may begin.
        sheet: the instance's `plan_stage`.
    """

    def __init__(self, instance: Instance) -> None:
        assert instance.adversary is not None
        self.instance, self.adversary = instance, instance.adversary
        self.names = tuple(self.adversary.targets)
        self.starts = self.adversary.starts.periods(instance.horizon)
        self.sheet = plan_stage(instance)
        self._offers = Offers(instance, self.sheet)
        self._shocks = {start: self._alone(start) for start in self.starts}
        self._programmes: dict[int, Programme] = {}
        self._which: dict[int, Integers] = {}
        for length in {self._length(start) for start in self.starts}:
            some = [start for start in self.starts if self._length(start) == length]
            size = 1 + len(self.names)
            self._which |= {start: i * size + np.arange(size) for i, start in enumerate(some)}
            shocks = [shock for start in some for shock in self._shocks[start]]
            window = Window(instance, shocks, self.sheet, self._offers)
            self._programmes[length] = Programme(window, Warm(window.skeleton))

    def _length(self, start: int) -> int:
        return len(self._shocks[start][0].periods)

    def _alone(self, start: int) -> list[Shock]:
        """Nothing struck, then each target alone."""
        sets = [(), *((name,) for name in self.names)]
        return [Attack(names, start).shock(self.adversary, self.instance.horizon) for names in sets]

    def fronts(self, plan: Sequence[float] | Vector) -> list[Front]:
        """Every start under a plan (values of the columns of `plan_stage`; more may follow)."""
        offered = self._offers.of(np.asarray(plan, dtype=np.float64))
        return [
            Front(start, self._programmes[self._length(start)], self._which[start], offered) for start in self.starts
        ]

    def undominated(self, start: int, sets: Sets) -> Sets:
        """Of some sets, those that no other of them is at least as bad as, whatever the plan."""
        alone = badness(self.instance, self._shocks[start])
        rows = np.array([alone[[0, *(1 + np.flatnonzero(chosen))]].max(axis=0) for chosen in sets])
        return sets[compared(rows) < 0]

    def sets(self, chosen: Iterable[Iterable[str]]) -> Sets:
        """Sets of names as rows."""
        rows = [[name in names for name in self.names] for names in map(frozenset, chosen)]
        return np.array(rows, dtype=bool).reshape(len(rows), len(self.names))

    def attack(self, start: int, chosen: npt.NDArray[np.bool_]) -> Attack:
        """A row as an attack."""
        return Attack(tuple(name for name, is_struck in zip(self.names, chosen, strict=True) if is_struck), start)
