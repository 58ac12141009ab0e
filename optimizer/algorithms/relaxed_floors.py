"""Survival floors that a model may give up: of attacks that are deterred, and of samples that may fail.

    z       0 or 1    whether the floors of a path are given up

    floor   u − v ≤ (1 − φ)·D + φ·D·z        in place of u − v ≤ (1 − φ)·D, for every floor of the path

Where z = 1 any shortage is within the floor's row, so that nothing is missed. The coefficient φ·D is the least that
will do: what is unserved never exceeds D. Where the cost of the path does not count, what the do-nothing plan falls
short of the floor will do, and none where it keeps it: under any other plan the same operation is possible.

**Attacks**, each survived or deterred; those that no plan can deter keep their rows as they are:

    d[s]    deterred   0 or 1   z of attack s: whether it costs the adversary more than it has
    Λ[o]    level of option o in the first period of the attack
    need    (1 + DETERRED)·attack budget − Σ price, above 0 for what is affordable

    deter   Σ deterrence·Λ ≥ need·d

**Samples** of an ensemble, of which as many may fail as it allows. One that may is *excused*; the literature says that
its scenario may be violated:

    z[s]    excused   0 or 1   whether sample s may miss its floors      column `excused` of the sample

    share   Σ z[s] ≤ count − ⌈survive·count⌉      over the samples that the model holds, where these are more
    order   z[s] ≤ z[r]                           r dominates s, which has no probability (`instance.operation_paths`)
    kept    z[s] = 0                              as many samples dominate s as may fail, or more

A plan that survives r survives s; so s need not be excused unless r is, nor with r among more than may fail. Where gaps
count, to excuse r in place of s leaves no more. The cost of a sample with a probability may be less where it is
excused, and with a price of gaps a floor may be missed that could be kept: there the order says nothing.

Samples are added as a search goes on. Each time the row is written anew for all that are held; the new one implies
the old. Samples that a model does not hold may fail as well: `without_allowed` counts them.

Sources: Luedtke, Ahmed: A sample approximation approach for optimization with probabilistic constraints, SIAM Journal
on Optimization 19(2), 2008; Ruszczyński: Probabilistic programming with discrete distributions and precedence
constrained knapsack polyhedra, Mathematical Programming 93(2), 2002 (order); Luedtke, Ahmed, Nemhauser: An integer
programming approach for linear programs with probabilistic constraints, Mathematical Programming 122(2), 2010 (least
coefficients).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optimizer.disruptions.adversary import AdversarySpec
from optimizer.disruptions.shock import Shock
from optimizer.instance.operation_paths import SampleOrder
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.tolerances import INTEGRALITY, POSITIVE

if TYPE_CHECKING:
    from optimizer.instance.schema import FutureTree, Instance


@dataclass(frozen=True)
class SurvivalShare:
    """An ensemble of which only a share has to be survived."""

    ensemble: str  # its name
    numbers: range  # of its samples among the events
    required: int  # in so many of them every floor must hold
    future: int = 0  # the number of the future that it belongs to

    @property
    def allowed(self) -> int:
        """How many samples may fail."""
        return len(self.numbers) - self.required


def survival_shares(instance: Instance) -> list[SurvivalShare]:
    """The ensembles of an instance without questions that state a share."""
    first, found = len(instance.events) - sum(spec.count for spec in instance.ensembles.values()), []
    for name, spec in instance.ensembles.items():
        if spec.survive is not None:
            found.append(SurvivalShare(name, range(first, first + spec.count), spec.required))
        first += spec.count
    return found


def tree_shares(tree: FutureTree) -> list[SurvivalShare]:
    """Those of all futures of a tree; numbers are those of `FutureTree.events`."""
    first, found = 0, []
    for number, future in enumerate(tree.futures):
        for share in survival_shares(future.instance):
            numbers = range(first + share.numbers.start, first + share.numbers.stop)
            found.append(replace(share, numbers=numbers, future=number))
        first += len(future.instance.events)
    return found


def excused_samples(
    shares: Iterable[SurvivalShare],
    gaps: npt.NDArray[np.float64],
    fails: npt.NDArray[np.bool_],
    saved: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.bool_]:
    """By shock, whether it is a sample that fails and may: of each ensemble those with the largest gaps.

    Args:
        shares: the ensembles of which only a share has to be survived.
        gaps, fails: by shock, the survival gap, and whether a segment falls below its floor.
        saved: by shock, what giving up its floors saves, money: samples for which that is above 0 may fail as well,
            after those that have to.
    """
    saved, result = np.zeros(len(fails)) if saved is None else saved, np.zeros(len(fails), dtype=bool)
    for share in shares:
        some = np.array([n for n in share.numbers if fails[n] or saved[n] > 0.0], dtype=np.intp)
        order = np.lexsort((-saved[some], -np.where(fails, gaps, 0.0)[some], ~fails[some]))
        result[some[order[: share.allowed]]] = True
    return result


def failing_beyond_allowed(
    instance: Instance, gaps: npt.NDArray[np.float64], fails: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """By shock of an instance without questions, whether it fails and may not; arguments as of `excused_samples`."""
    return fails & ~excused_samples(survival_shares(instance), gaps, fails)


def below_columns(model: ModelBuilder) -> dict[str, list[int]]:
    """The columns of shortage below floors, by path."""
    found: dict[str, list[int]] = {}
    for (path, _, _), amount in model.accounts("below").items():
        found.setdefault(str(path), []).extend(amount.terms)
    return found


def relax_floors(model: ModelBuilder, given_up: Mapping[int, int], limits: Mapping[int, float] | None = None) -> None:
    """Let floors be given up: by column of shortage below one, the column that says whether it is.

    `limits` are the shortages, t, that will do, by the same columns; where one is left out, all that has to be served.
    """
    limits = limits or {}
    # The floors of a rule about time to survive have no shortage below them: they are never given up.
    floors = [r for r, row in enumerate(model.rows) if row.mark.what == "floor" and len(row.terms) > 1]
    for r in floors if given_up else ():
        row = model.rows[r]
        unserved, below = sorted(row.terms, key=lambda j: -row.terms[j])[:2]
        if below in given_up:
            most = min(model.columns[unserved].upper - row.rhs, limits.get(below, math.inf))
            if most > 0:
                model.rows[r] = replace(row, terms={**row.terms, given_up[below]: -most})


# The linking term by which an option deters.
LEVEL_LINK = "level"


def write_deterrence(model: ModelBuilder, instance: Instance, shocks: Iterable[Shock]) -> None:
    """Let the attacks among some shocks of a model be deterred; their paths are written, and none of this is yet."""
    adversary = instance.adversary
    if adversary is None or not adversary.deterrents:
        return
    columns: dict[int, int] = {}
    below = below_columns(model)
    for shock in shocks:
        targets = adversary.targets_of(shock.entry)
        if targets:
            columns |= dict.fromkeys(below.get(shock.name, ()), _decide(model, instance, adversary, shock, targets))
    relax_floors(model, {j: deterred for j, deterred in columns.items() if deterred >= 0})


def _decide(
    model: ModelBuilder, instance: Instance, adversary: AdversarySpec, shock: Shock, targets: tuple[str, ...]
) -> int:
    """Write the column that says whether an attack is deterred, with its row; −1 where no plan deters it."""
    need = adversary.deterred_from - adversary.price(targets)
    added = adversary.deterrence(targets)
    levels = {o: model.linked(o, LEVEL_LINK).get(shock.periods.start, Expression()) for o in added}
    most = sum(added[o] * _largest_level(instance, o, level) for o, level in levels.items())
    if need <= 0 or most < need:
        return -1
    with model.on_path(instance.path(shock).key):
        deterred = model.variable("adversary", "deterred", shock.periods.start, unit="1", upper=1, integer=True)
        deterrence = total((added[o] / need) * level for o, level in levels.items())
        model.require("adversary", "deter", shock.periods.start, deterrence, ">=", deterred, unit="1")
    (column,) = deterred.terms
    return column


def _largest_level(instance: Instance, option: str, level: Expression) -> float:
    """The most that a level can be: all of the option bought when most of it is in force."""
    return max(map(float, level.terms.values()), default=0.0) * instance.options[option].largest


def levels_under(model: ModelBuilder, plan: Sequence[float], options: Iterable[str], t: int) -> dict[str, float]:
    """The levels of options in a period under a plan, by the values of the columns of its `first_stage_model`."""
    return {o: model.linked(o, LEVEL_LINK).get(t, Expression()).value(plan) for o in options}


# Owner and what of the columns.
EXCUSED = ("share", "excused")


# By name of a sample, then by segment and period, what the do-nothing plan falls short of the floor, t.
Shortfalls = Mapping[str, Mapping[tuple[str, int], float]]


class Excuses:
    """The samples of a model that may fail, of all futures of a tree.

    Attributes:
        shares: the ensembles of which only a share has to be survived.
        columns: by number of the share, and by name of the sample, the column that says whether it is excused.
    """

    def __init__(
        self, tree: FutureTree, shares: Sequence[SurvivalShare] | None = None, shortfalls: Shortfalls | None = None
    ) -> None:
        self.tree, self._shortfalls = tree, shortfalls or {}
        self.shares = [share for share in tree_shares(tree) if share.allowed > 0] if shares is None else list(shares)
        self.columns: list[dict[str, int]] = [{} for _ in self.shares]
        self._share_of = {tree.events[n].name: (i, n) for i, share in enumerate(self.shares) for n in share.numbers}
        self._orders: dict[int, SampleOrder] = {}

    @property
    def is_used(self) -> bool:
        """Whether the model holds samples that may fail."""
        return any(self.columns)

    def write(self, model: ModelBuilder, shocks: Iterable[Shock]) -> None:
        """Let those samples be excused among the shocks of a model of which it is not written yet."""
        new: dict[int, list[Shock]] = {}
        for shock in shocks:
            i, _ = self._share_of.get(shock.name, (None, 0))
            if i is not None and shock.name not in self.columns[i]:
                new.setdefault(i, []).append(shock)
        for i, some in new.items():
            self._write(model, i, some)

    def _write(self, model: ModelBuilder, i: int, samples: Sequence[Shock]) -> None:
        share, columns = self.shares[i], self.columns[i]
        submodel = model.submodels[share.future]
        below, given_up, limits = below_columns(submodel), dict[int, int](), dict[int, float]()
        for shock in samples:
            _, own = self.tree.locate(shock)
            with submodel.on_path(self.tree.path(shock).key):
                excused = submodel.variable(*EXCUSED, own.periods.start, unit="1", upper=1, integer=True)
            (columns[shock.name],) = excused.terms
            given_up |= dict.fromkeys(below.get(own.name, ()), columns[shock.name])
            limits |= self._limits(submodel, shock.name, own.name)
        relax_floors(model, given_up, limits)
        if len(columns) > share.allowed:
            count = total(Expression({j: 1.0}) for j in columns.values())
            submodel.require(EXCUSED[0], f"{share.ensemble}.{len(columns)}", None, count, "<=", share.allowed, unit="1")
        if self._has_order:
            self._write_order(model, i, samples)

    def _limits(self, submodel: ModelBuilder, name: str, own: str) -> dict[int, float]:
        """By column of shortage below a floor of a sample, what the do-nothing plan falls short of it."""
        known = self._shortfalls.get(name)
        if known is None:
            return {}
        return {
            j: known[str(segment), int(t)]
            for (path, segment, t), amount in submodel.accounts("below").items()
            if str(path) == own
            for j in amount.terms
        }

    @property
    def _has_order(self) -> bool:
        return all(future.instance.policy.gap_price is None for future in self.tree.futures)

    def _write_order(self, model: ModelBuilder, i: int, samples: Sequence[Shock]) -> None:
        """The order of new samples among all that are held."""
        share, columns, new = self.shares[i], self.columns[i], {shock.name for shock in samples}
        for name, column in columns.items():
            dominating = self._dominating(i, name)
            if len(dominating) >= share.allowed:
                model.columns[column].upper = 0
                continue
            for worse in (each for each in dominating if each in columns and (name in new or each in new)):
                left, right = Expression({column: 1.0}), Expression({columns[worse]: 1.0})
                model.submodels[share.future].require(
                    EXCUSED[0], f"order.{name}.{worse}", None, left, "<=", right, unit="1"
                )

    def _dominating(self, i: int, name: str) -> list[str]:
        """The samples that dominate one, by name; none where its cost counts."""
        share, (_, number) = self.shares[i], self._share_of[name]
        if self.tree.events[number].probability > 0:
            return []
        instance = self.tree.futures[share.future].instance
        own = next(each for each in survival_shares(instance) if each.ensemble == share.ensemble).numbers
        if i not in self._orders:
            self._orders[i] = SampleOrder(instance, own)
        first = share.numbers.start - own.start
        return [self.tree.events[n + first].name for n in self._orders[i].dominating(number - first).tolist()]

    def columns_of(self, names: Iterable[str]) -> list[int]:
        """The columns of some samples that the model holds."""
        known = set(names)
        return [j for columns in self.columns for name, j in columns.items() if name in known]

    def excused_counts(self, values: Sequence[float]) -> list[float]:
        """By share, how many samples of the model a solution excuses; of a relaxation the sum of parts."""
        return [sum(values[j] for j in columns.values()) for columns in self.columns]

    def rounded(self, values: Sequence[float]) -> dict[int, float]:
        """By column, whole numbers near a relaxation: excused are as many as may be, the largest parts first."""
        whole: dict[int, float] = {}
        for share, columns in zip(self.shares, self.columns, strict=True):
            ordered = sorted(columns.values(), key=lambda j: -values[j])
            whole |= {j: float(k < share.allowed and values[j] > INTEGRALITY) for k, j in enumerate(ordered)}
        return whole


def without_allowed(
    shares: Sequence[SurvivalShare], violated: Mapping[int, float], excused_counts: Sequence[float]
) -> dict[int, float]:
    """Violated shocks by number, without the samples of ensembles in which no more fail than are allowed.

    Args:
        shares: the ensembles.
        violated: by number, the gap of each shock that fails and that a model does not hold.
        excused_counts: by share, how many samples fail that it does hold.
    """
    result = dict(violated)
    for share, before in zip(shares, excused_counts, strict=True):
        failing = [n for n in share.numbers if n in violated]
        if before + len(failing) <= share.allowed + INTEGRALITY:
            for n in failing:
                del result[n]
    return result


def allow_sample_gaps(
    instance: Instance, builder: ModelBuilder, values: Sequence[float], gap_limits: dict[str, float]
) -> None:
    """Put gaps that samples of one future are known to attain among those allowed, in place.

    Of samples that a model excuses the cost counts: those with a probability are allowed what they miss there. Of
    others that it excuses, what they miss is arbitrary; of those that it does not hold, nothing is known.
    """
    found = builder.column_index()
    for share in survival_shares(instance):
        for sample in map(instance.events.__getitem__, share.numbers if share.allowed else ()):
            excused = found.get((sample.name, *EXCUSED))
            if excused is None or any(values[j] > 0.5 for j in excused.values()):
                gap_limits.pop(sample.name, None)
                if excused is not None and sample.probability > 0:
                    gap_limits[sample.name] = max(POSITIVE, _missed(instance, sample, found, values))


def _missed(
    instance: Instance, sample: Shock, found: Mapping[tuple[str, str, str], Mapping[int, int]], values: Sequence[float]
) -> float:
    """The demand below the floors of a sample that goes unserved in a model, money."""
    path = instance.path(sample)
    return math.fsum(
        demand.shortage_cost * max(0.0, values[column] - path.most_unserved_at(d, t))
        for d, demand in instance.demands.items()
        for t, column in found[sample.name, d, "unserved"].items()
    )
