"""Survival floors that a model may give up: those of deterred attacks, and of samples that may fail.

    z       0 or 1    whether the floors of a path are given up

    floor   u − v ≤ (1 − φ)·D + φ·D·z        in place of u − v ≤ (1 − φ)·D, for every floor of the path

With z = 1 the row permits any shortage, so that v may be 0. The coefficient φ·D is valid, since unserved demand never
exceeds D, and the least that data alone give. Where the cost of the path does not count, the shortfall of the
do-nothing plan is valid too, and smaller: 0 where that plan keeps the floor. Under any other plan the same operation is
possible. Samples use it, attacks do not.

**Attacks** are survived or deterred; attacks that no plan can deter keep their rows unchanged:

    d[s]    deterred   0 or 1   z of attack s: its cost is at least (1 + DETERRED)·attack budget
    Λ[o]    level of option o in the first period of the attack
    need    (1 + DETERRED)·attack budget − Σ price, positive for affordable attacks

    deter   Σ deterrence·Λ ≥ need·d

**Samples** of an ensemble may fail up to the number that it allows. A sample that the plan lets fail is *excused*; in
the literature, its scenario is violated:

    z[s]    excused   0 or 1   whether sample s may miss its floors      column `excused` of the sample

    share   Σ z[s] ≤ count − ⌈survive·count⌉      over the samples in the model, if there are more of them
    order   z[s] ≤ z[r]                           r dominates s, which has no probability (`instance.operation_paths`)
    kept    z[s] = 0                              at least as many samples dominate s as may fail

A plan that survives r survives s. So s need not be excused unless r is, and never if at least as many samples dominate
it as may fail. Where gaps count, excusing r in place of s leaves no larger gap. The order is not valid for samples with
a probability, whose cost may be less if they are excused, nor with a price of gaps, under which a floor may be missed
that could be kept.

A search adds samples over time. Each time the share row is written again for all samples in the model; the new row
implies the old one. Samples outside the model may fail as well: `without_allowed` counts them.

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

from optimizer.disruptions.adversary import AdversarySpec, Attack
from optimizer.disruptions.shock import Shock
from optimizer.instance.operation_paths import SampleOrder
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.solver.base import SolveResult
from optimizer.tolerances import INTEGRALITY, LOWERED_FLOOR, NEGLIGIBLE_DUAL, POSITIVE

if TYPE_CHECKING:
    from optimizer.algorithms.extensive_form import ShockModel
    from optimizer.algorithms.problem import DualValues
    from optimizer.instance.schema import FutureTree, Instance


@dataclass(frozen=True)
class SurvivalShare:
    """An ensemble of which only a share has to be survived."""

    ensemble: str  # name of the ensemble
    numbers: range  # indices of its samples among the events
    required: int  # number of samples in which every floor must hold
    future: int = 0  # index of the future that it belongs to

    @property
    def allowed(self) -> int:
        """Number of samples that may fail."""
        return len(self.numbers) - self.required


def survival_shares(instance: Instance) -> list[SurvivalShare]:
    """Return the ensembles of a single future that state a share."""
    first, found = len(instance.events) - sum(spec.count for spec in instance.ensembles.values()), []
    for name, spec in instance.ensembles.items():
        if spec.survive is not None:
            found.append(SurvivalShare(name, range(first, first + spec.count), spec.required))
        first += spec.count
    return found


def tree_shares(tree: FutureTree) -> list[SurvivalShare]:
    """Return the ensembles of all futures that state a share, with indices as in `FutureTree.events`."""
    first, found = 0, []
    for number, future in enumerate(tree.futures):
        for share in survival_shares(future.instance):
            numbers = range(first + share.numbers.start, first + share.numbers.stop)
            found.append(replace(share, numbers=numbers, future=number))
        first += len(future.instance.events)
    return found


def counts_survival_alone(instance: Instance) -> bool:
    """Return whether neither the costs of shocks nor priced gaps count in the objective."""
    return instance.policy.gap_price is None and all(shock.probability <= 0 for shock in instance.tree.events)


def no_sample_may_fail(instance: Instance) -> bool:
    """Return whether every sample has to be survived, so that cuts can estimate a measure of costs."""
    return all(share.allowed == 0 for share in tree_shares(instance.tree))


def excused_samples(
    shares: Iterable[SurvivalShare],
    gaps: npt.NDArray[np.float64],
    fails: npt.NDArray[np.bool_],
    saved: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.bool_]:
    """Return by shock whether it is an excused sample: of each ensemble, those with the largest gaps.

    Args:
        shares: the ensembles of which only a share has to be survived.
        gaps: by shock, the survival gap.
        fails: by shock, whether a segment falls below its floor.
        saved: by shock, the money saved by giving up its floors. After the samples that fail, those with a positive
            saving are excused, the largest first.
    """
    saved, result = np.zeros(len(fails)) if saved is None else saved, np.zeros(len(fails), dtype=bool)
    for share in shares:
        some = np.array([n for n in share.numbers if fails[n] or saved[n] > 0.0], dtype=np.intp)
        order = np.lexsort((-saved[some], -np.where(fails, gaps, 0.0)[some], ~fails[some]))
        result[some[order[: share.allowed]]] = True
    return result


def largest_samples(shares: Iterable[SurvivalShare], amounts: npt.NDArray[np.float64]) -> frozenset[int]:
    """Return for each ensemble the samples with the largest positive amounts, as many as may fail."""
    result = set[int]()
    for share in shares:
        ordered = sorted(share.numbers, key=lambda n: -amounts[n])
        result.update(n for n in ordered[: share.allowed] if amounts[n] > 0.0)
    return frozenset(result)


def floor_prices(tree: FutureTree, duals: DualValues | None) -> npt.NDArray[np.float64]:
    """Return by shock the cost of its floors: their dual values times the demand that they require to be served."""
    result = np.zeros(len(tree.events))
    if duals is None:
        return result
    paths = {event.name: number for number, event in enumerate(tree.events)}
    for row, dual in zip(duals.builder.rows, duals.duals.tolist(), strict=False):
        number = paths.get(row.mark.path)
        if number is not None and row.mark.what == "floor" and abs(dual) > NEGLIGIBLE_DUAL:
            unserved = next(j for j, value in row.terms.items() if value > 0)
            result[number] += abs(dual) * (duals.builder.columns[unserved].upper - row.rhs)
    return result


def failing_beyond_allowed(
    instance: Instance, gaps: npt.NDArray[np.float64], fails: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Return by shock of a single future whether it fails without being excused.

    Arguments as for `excused_samples`.
    """
    return fails & ~excused_samples(survival_shares(instance), gaps, fails)


def below_columns(builder: ModelBuilder) -> dict[str, list[int]]:
    """Return the columns of shortage below floors, by path."""
    found: dict[str, list[int]] = {}
    for (path, _, _), amount in builder.accounts("below").items():
        found.setdefault(str(path), []).extend(amount.terms)
    return found


def with_duals_of_lower_floors(model: ShockModel, restricted: SolveResult) -> SolveResult:
    """Return a restricted LP's result with the dual values that it has while every floor is slightly lower.

    Dual values need not be unique. That of a floor that just holds may be the cost of raising it, up to the price of a
    gap, which is no saving. So the LP is solved again with every floor lowered by `LOWERED_FLOOR` of demand.
    """
    places = [(column.mark.path, column.mark.owner, column.t, column.mark.what) for column in model.builder.columns]
    demanded = {place: column.upper for place, column in zip(places, model.builder.columns, strict=True)}
    lower = LOWERED_FLOOR * np.array([demanded[(*places[j][:3], "unserved")] for j in model.below])
    model.solver.bound(model.below, lower, np.maximum(model.shortfall_limit, lower))
    lowered = restricted if restricted.duals is None else model.solve_lp()
    model.allow_shortfalls(model.shortfall_limit, model.gap_limit)
    return restricted if lowered.values is None else replace(lowered, values=restricted.values)


def relax_floors(builder: ModelBuilder, given_up: Mapping[int, int], limits: Mapping[int, float] | None = None) -> None:
    """Let floors be given up: `given_up` maps a column of shortage below a floor to the column that says so.

    `limits` are the shortages in t to permit, by the same columns; where missing, the whole demand that the floor
    protects.
    """
    limits = limits or {}
    # Floors of a rule about time to survive have no shortage column: they are never given up.
    floors = [r for r, row in enumerate(builder.rows) if row.mark.what == "floor" and len(row.terms) > 1]
    for r in floors if given_up else ():
        row = builder.rows[r]
        # By name: a row of scaled floors has a third column, with whatever coefficient.
        column = {builder.columns[j].mark.what: j for j in row.terms}
        if (below := column.get("below", -1)) in given_up:
            most = min(builder.columns[column["unserved"]].upper - row.rhs, limits.get(below, math.inf))
            if most > 0:
                builder.rows[r] = replace(row, terms={**row.terms, given_up[below]: -most})


# The linking term by which an option deters.
LEVEL_LINK = "level"


def write_deterrence(builder: ModelBuilder, instance: Instance, shocks: Iterable[Shock]) -> None:
    """Write the deterrence of the attacks among `shocks` into a model that already has their paths."""
    adversary = instance.adversary
    if adversary is None or not adversary.deterrents:
        return
    columns: dict[int, int] = {}
    below = below_columns(builder)
    for shock in shocks:
        targets = adversary.targets_of(shock.entry)
        if targets:
            columns |= dict.fromkeys(
                below.get(shock.name, ()), _write_deterred(builder, instance, adversary, shock, targets)
            )
    relax_floors(builder, {j: deterred for j, deterred in columns.items() if deterred >= 0})


def _write_deterred(
    builder: ModelBuilder, instance: Instance, adversary: AdversarySpec, shock: Shock, targets: tuple[str, ...]
) -> int:
    """Write the column that says whether an attack is deterred, with its row; return −1 if no plan can deter it."""
    need = adversary.deterred_from - adversary.price(targets)
    added = adversary.deterrence(targets)
    levels = {o: builder.linked(o, LEVEL_LINK).get(shock.periods.start, Expression()) for o in added}
    most = sum(added[o] * _largest_level(instance, o, level) for o, level in levels.items())
    if need <= 0 or most < need:
        return -1
    with builder.on_path(instance.path(shock).key):
        deterred = builder.variable("adversary", "deterred", shock.periods.start, unit="1", upper=1, integer=True)
        deterrence = total((added[o] / need) * level for o, level in levels.items())
        builder.require("adversary", "deter", shock.periods.start, deterrence, ">=", deterred, unit="1")
    (column,) = deterred.terms
    return column


def _largest_level(instance: Instance, option: str, level: Expression) -> float:
    """Return the largest possible level: all of the option bought when most of it is in force."""
    return max(map(float, level.terms.values()), default=0.0) * instance.options[option].largest


def attack_cost(builder: ModelBuilder, plan: Sequence[float], adversary: AdversarySpec, attack: Attack) -> float:
    """Return the cost of an attack to the adversary under `plan`, the values of the `first_stage_model`."""
    options = adversary.deterrence(attack.targets)
    levels = {o: builder.linked(o, LEVEL_LINK).get(attack.start, Expression()).value(plan) for o in options}
    return adversary.cost(attack.targets, levels)


# Owner and kind of the columns that excuse samples.
EXCUSED = ("share", "excused")


# By sample name, then by segment and period: the shortfall of the do-nothing plan below the floor, t.
Shortfalls = Mapping[str, Mapping[tuple[str, int], float]]


class Excuses:
    """The samples of a model that may fail, of all futures of a tree.

    Attributes:
        shares: the ensembles of which only a share has to be survived.
        columns: for each share, by sample name, the column that says whether the sample is excused.
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

    def write(self, builder: ModelBuilder, shocks: Iterable[Shock]) -> None:
        """Write the columns and rows of samples among `shocks` that may fail and are not written yet."""
        new: dict[int, list[Shock]] = {}
        for shock in shocks:
            i, _ = self._share_of.get(shock.name, (None, 0))
            if i is not None and shock.name not in self.columns[i]:
                new.setdefault(i, []).append(shock)
        for i, some in new.items():
            self._write(builder, i, some)

    def _write(self, builder: ModelBuilder, i: int, samples: Sequence[Shock]) -> None:
        share, columns = self.shares[i], self.columns[i]
        submodel = builder.submodels[share.future]
        below, given_up, limits = below_columns(submodel), dict[int, int](), dict[int, float]()
        for shock in samples:
            _, own = self.tree.locate(shock)
            with submodel.on_path(self.tree.path(shock).key):
                excused = submodel.variable(*EXCUSED, own.periods.start, unit="1", upper=1, integer=True)
            (columns[shock.name],) = excused.terms
            given_up |= dict.fromkeys(below.get(own.name, ()), columns[shock.name])
            limits |= self._limits(submodel, shock.name, own.name)
        relax_floors(builder, given_up, limits)
        if len(columns) > share.allowed:
            count = total(Expression({j: 1.0}) for j in columns.values())
            submodel.require(EXCUSED[0], f"{share.ensemble}.{len(columns)}", None, count, "<=", share.allowed, unit="1")
        if all(future.instance.policy.gap_price is None for future in self.tree.futures):
            self._write_order(builder, i, samples)

    def _limits(self, submodel: ModelBuilder, name: str, own: str) -> dict[int, float]:
        """Return the shortfall of the do-nothing plan by column of shortage below a floor of the sample."""
        known = self._shortfalls.get(name)
        if known is None:
            return {}
        return {
            j: known[str(segment), int(t)]
            for (path, segment, t), amount in submodel.accounts("below").items()
            if str(path) == own
            for j in amount.terms
        }

    def _write_order(self, builder: ModelBuilder, i: int, samples: Sequence[Shock]) -> None:
        """Write the order rows between new samples and all samples in the model."""
        share, columns, new = self.shares[i], self.columns[i], {shock.name for shock in samples}
        for name, column in columns.items():
            dominating = self._dominating(i, name)
            if len(dominating) >= share.allowed:
                builder.columns[column].upper = 0
                continue
            for worse in (each for each in dominating if each in columns and (name in new or each in new)):
                left, right = Expression({column: 1.0}), Expression({columns[worse]: 1.0})
                builder.submodels[share.future].require(
                    EXCUSED[0], f"order.{name}.{worse}", None, left, "<=", right, unit="1"
                )

    def _dominating(self, i: int, name: str) -> list[str]:
        """Return the names of the samples that dominate a sample; none where its cost counts."""
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
        """Return the columns of the named samples that the model holds."""
        known = set(names)
        return [j for columns in self.columns for name, j in columns.items() if name in known]

    def excused_counts(self, values: Sequence[float]) -> list[float]:
        """Return for each share the number of samples that a solution excuses, fractional for a relaxation."""
        return [sum(values[j] for j in columns.values()) for columns in self.columns]

    def rounded(self, values: Sequence[float]) -> dict[int, float]:
        """Return integers near a relaxation by column: as many samples excused as allowed, the largest values first."""
        whole: dict[int, float] = {}
        for share, columns in zip(self.shares, self.columns, strict=True):
            ordered = sorted(columns.values(), key=lambda j: -values[j])
            whole |= {j: float(k < share.allowed and values[j] > INTEGRALITY) for k, j in enumerate(ordered)}
        return whole


def without_allowed(
    shares: Sequence[SurvivalShare], violated: Mapping[int, float], excused_counts: Sequence[float]
) -> dict[int, float]:
    """Return violated shocks by index, without the samples of ensembles in which no more fail than are allowed.

    Args:
        shares: the ensembles.
        violated: by index, the gap of each failing shock that the model does not hold.
        excused_counts: for each share, the number of samples in the model that fail.
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
    """Set the allowed gaps of one future's samples that may fail, in place.

    Excused samples with a probability are allowed their gap in the model, since their cost counts. Excused samples
    without a probability, whose gap in the model is arbitrary, and samples outside the model lose their entry.
    """
    found = builder.column_index()
    for share in survival_shares(instance):
        for sample in map(instance.events.__getitem__, share.numbers if share.allowed else ()):
            excused = found.get((sample.name, *EXCUSED))
            if excused is None or any(values[j] > 0.5 for j in excused.values()):
                gap_limits.pop(sample.name, None)
                if excused is not None and sample.probability > 0:
                    gap_limits[sample.name] = max(POSITIVE, _sample_gap(instance, sample, found, values))


def _sample_gap(
    instance: Instance, sample: Shock, found: Mapping[tuple[str, str, str], Mapping[int, int]], values: Sequence[float]
) -> float:
    """Return the unserved demand below the floors of a sample in a model, in money."""
    path = instance.path(sample)
    return math.fsum(
        demand.shortage_cost * max(0.0, values[column] - path.most_unserved_at(d, t))
        for d, demand in instance.demands.items()
        for t, column in found[sample.name, d, "unserved"].items()
    )
