"""A share of an ensemble: in a model that holds samples of it, as many may fail as the ensemble allows.

    z[s]    excused   0 or 1   whether sample s may miss its floors      column `excused` of the sample, see `floors`

    share   Σ z[s] ≤ count − ⌈survive·count⌉      over the samples that the model holds, where these are more

Samples are added as a search goes on. Each time the row is written anew for all that are held; the new one implies
the old. Samples that a model does not hold may fail as well: `too_many` counts them.

Source: Luedtke, Ahmed: A sample approximation approach for optimization with probabilistic constraints, SIAM Journal on
Optimization 19(2), 2008.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from optimizer.algorithms.floors import below_columns, relax_floors
from optimizer.disruptions.shock import Shock
from optimizer.instance.derived import SurvivalShare, survival_shares, tree_shares
from optimizer.instance.schema import FutureTree, Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.tolerances import INTEGRALITY, POSITIVE

# Owner and what of the columns.
EXCUSED = ("share", "excused")


class Excuses:
    """The samples of a model that may fail, of all futures of a tree.

    Attributes:
        shares: the ensembles of which only a share has to be survived.
        columns: by number of the share, and by name of the sample, the column that says whether it is excused.
    """

    def __init__(self, tree: FutureTree) -> None:
        self.tree = tree
        self.shares = [share for share in tree_shares(tree) if share.allowed > 0]
        self.columns: list[dict[str, int]] = [{} for _ in self.shares]
        self._share_of = {tree.events[n].name: i for i, share in enumerate(self.shares) for n in share.numbers}

    @property
    def is_used(self) -> bool:
        """Whether the model holds samples that may fail."""
        return any(self.columns)

    def write(self, model: ModelBuilder, shocks: Iterable[Shock]) -> None:
        """Let those samples be excused among the shocks of a model of which it is not written yet."""
        new: dict[int, list[Shock]] = {}
        for shock in shocks:
            i = self._share_of.get(shock.name)
            if i is not None and shock.name not in self.columns[i]:
                new.setdefault(i, []).append(shock)
        for i, some in new.items():
            self._write(model, i, some)

    def _write(self, model: ModelBuilder, i: int, samples: Sequence[Shock]) -> None:
        share, columns = self.shares[i], self.columns[i]
        member = model.members[share.future]
        below, given_up = below_columns(member), dict[int, int]()
        for shock in samples:
            _, own = self.tree.locate(shock)
            with member.under(self.tree.path(shock)):
                excused = member.variable(*EXCUSED, own.periods.start, unit="1", upper=1, integer=True)
            (columns[shock.name],) = excused.terms
            given_up |= dict.fromkeys(below.get(own.name, ()), columns[shock.name])
        relax_floors(model, given_up)
        if len(columns) > share.allowed:
            count = total(Expression({j: 1.0}) for j in columns.values())
            member.require(EXCUSED[0], f"{share.ensemble}.{len(columns)}", None, count, "<=", share.allowed, unit="1")

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
