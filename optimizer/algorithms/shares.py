"""A share of an ensemble: in a model that holds samples of it, as many may fail as the ensemble allows.

    z[s]    excused   0 or 1   whether sample s may miss its floors      column `excused` of the sample, see `floors`

    share   Σ z[s] ≤ count − ⌈survive·count⌉      over the samples that the model holds, where these are more
    order   z[s] ≤ z[r]                           r dominates s, which has no probability (`dominance`)
    kept    z[s] = 0                              as many samples dominate s as may fail, or more

A plan that survives r survives s; so s need not be excused unless r is, nor with r among more than may fail. Where gaps
count, to excuse r in place of s leaves no more. The cost of a sample with a probability may be less where it is
excused, and with a price of gaps a floor may be missed that could be kept: there the order says nothing.

Samples are added as a search goes on. Each time the row is written anew for all that are held; the new one implies
the old. Samples that a model does not hold may fail as well: `too_many` counts them.

Source: Luedtke, Ahmed: A sample approximation approach for optimization with probabilistic constraints, SIAM Journal on
Optimization 19(2), 2008.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from optimizer.algorithms.batches import BatchResponse
from optimizer.algorithms.dominance import SampleOrder
from optimizer.algorithms.floors import below_columns, relax_floors
from optimizer.disruptions.shock import Shock
from optimizer.instance.derived import SurvivalShare, survival_shares, tree_shares
from optimizer.instance.schema import FutureTree, Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.solver import Vector
from optimizer.tolerances import INTEGRALITY, POSITIVE

# Owner and what of the columns.
EXCUSED = ("share", "excused")


# By name of a sample, then by segment and period, what the do-nothing plan falls short of the floor, t.
Shortfalls = Mapping[str, Mapping[tuple[str, int], float]]


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
        member = model.members[share.future]
        below, given_up, limits = below_columns(member), dict[int, int](), dict[int, float]()
        for shock in samples:
            _, own = self.tree.locate(shock)
            with member.under(self.tree.path(shock).key):
                excused = member.variable(*EXCUSED, own.periods.start, unit="1", upper=1, integer=True)
            (columns[shock.name],) = excused.terms
            given_up |= dict.fromkeys(below.get(own.name, ()), columns[shock.name])
            limits |= self._limits(member, shock.name, own.name)
        relax_floors(model, given_up, limits)
        if len(columns) > share.allowed:
            count = total(Expression({j: 1.0}) for j in columns.values())
            member.require(EXCUSED[0], f"{share.ensemble}.{len(columns)}", None, count, "<=", share.allowed, unit="1")
        if self._has_order:
            self._write_order(model, i, samples)

    def _limits(self, member: ModelBuilder, name: str, own: str) -> dict[int, float]:
        """By column of shortage below a floor of a sample, what the do-nothing plan falls short of it."""
        known = self._shortfalls.get(name)
        if known is None:
            return {}
        return {
            j: known[str(segment), int(t)]
            for (path, segment, t), amount in member.accounts("below").items()
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
                model.members[share.future].require(
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

    def excused(self, values: Sequence[float]) -> list[float]:
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
    shares: Sequence[SurvivalShare], violated: Mapping[int, float], excused: Sequence[float]
) -> dict[int, float]:
    """Violated shocks by number, without the samples of ensembles in which no more fail than are allowed.

    Args:
        shares: the ensembles.
        violated: by number, the gap of each shock that fails and that a model does not hold.
        excused: by share, how many samples fail that it does hold.
    """
    result = dict(violated)
    for share, before in zip(shares, excused, strict=True):
        failing = [n for n in share.numbers if n in violated]
        if before + len(failing) <= share.allowed + INTEGRALITY:
            for n in failing:
                del result[n]
    return result


def grant_samples(
    instance: Instance, builder: ModelBuilder, values: Sequence[float], granted: dict[str, float]
) -> None:
    """Put gaps that samples of one future are known to attain among those granted, in place.

    Of samples that a model excuses the cost counts: those with a probability are granted what they miss there. Of
    others that it excuses, what they miss is arbitrary; of those that it does not hold, nothing is known.
    """
    found = builder.column_index()
    for share in survival_shares(instance):
        for sample in map(instance.events.__getitem__, share.numbers if share.allowed else ()):
            excused = found.get((sample.name, *EXCUSED))
            if excused is None or any(values[j] > 0.5 for j in excused.values()):
                granted.pop(sample.name, None)
                if excused is not None and sample.probability > 0:
                    granted[sample.name] = max(POSITIVE, _missed(instance, sample, found, values))


def _missed(
    instance: Instance, sample: Shock, found: Mapping[tuple[str, str, str], Mapping[int, int]], values: Sequence[float]
) -> float:
    """The demand below the floors of a sample that goes unserved in a model, money."""
    path = instance.path(sample)
    return math.fsum(
        demand.shortage_cost * max(0.0, values[column] - (1.0 - path.floor_at(d, t)) * path.demanded(d, t))
        for d, demand in instance.demands.items()
        for t, column in found[sample.name, d, "unserved"].items()
    )
