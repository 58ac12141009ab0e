"""The worst set of targets that an attack budget buys, where there are too many sets to try: one integer programme.

The attacker chooses z to make the least gap of the others as large as it can. In place of that least it writes the dual
of its linear programme, which is a maximum as well:

    z[i]     struck    0 or 1        target i                     u[j]    bound of column j where nothing is struck
    π[r]     price     money per t   of row r                     u[i,j]  bound of column j where i alone is
    μ[j]     rent      money per t   of the bound u[j]
    μ[i,j]   rent      money per t   of the bound u[i,j], 0 unless i is struck

    maximise Σ b[r]·π[r] − Σ u[j]·μ[j] − Σ u[i,j]·μ[i,j]
    column   Σ_r a[r,j]·π[r] − μ[j] − Σ_i μ[i,j] ≤ c[j]                          for every column j
    struck   μ[i,j] ≤ W[j]·z[i]              budget   Σ price·z ≤ attack budget

Of the bounds that hold for one column the attacker takes the least by himself, so that no product of a price and a z
is needed. The programme is exact if some best prices obey π ≤ W and μ ≤ W. They do where W is a **worth**: a price of
every commodity at which nobody gains by selling a tonne of it,

    W[c] ≥ shortage cost of every segment that wants c           (a segment served by a substitute: per t of its input)
    W[c] ≥ Σ output·W / input                                    of every activity that takes c

and W of an activity is Σ output·W. For take an answer that buys some tonnes of c at W[c]. It can do without, by using
so much less of c, in steps, none of which costs more than what is saved: less is delivered, or an activity runs lower,
and what it no longer makes is missed at W. Activities only fall, so the steps come to an end. Hence buying never pays,
and the dual of the programme in which one may buy, which is the one with π ≤ W, is as large. `worths` begins with the
shortage costs and follows the chain upwards; only a loop that gives back more than it takes has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.algorithms.separation.attack_windows import Front, Strikes
from optimizer.formulation import blank_stage
from optimizer.instance.schema import Instance
from optimizer.levers import Substitution
from optimizer.model.builder import Column, Mark, Row, Sense
from optimizer.model.expressions import Expression
from optimizer.solver import Clock, Model, Settings, Vector

# Times that the chain is followed, and the growth of a worth in one of them that is the solver's to lose.
ROUNDS, GROWTH = 10_000, 1e-6
# A bound that falls by less than this share of itself does not fall.
SAME = 1e-12
EXACT = 1e-6


def worths(instance: Instance, shortage: Mapping[str, float]) -> dict[str, float] | None:
    """By commodity, money per t that no tonne of it can be worth more than; None where a loop makes it endless.

    Args:
        instance: the instance.
        shortage: what a tonne costs that a segment lacks below its floor.
    """
    found = dict.fromkeys(instance.commodities, 0.0)
    for _ in range(ROUNDS):
        wanted = {c: _wanted(instance, shortage, found, c) for c in found}
        if all(wanted[c] <= found[c] for c in found):
            return found
        found = {c: wanted[c] * (1.0 + GROWTH) if wanted[c] > found[c] else found[c] for c in found}
        if max(found.values()) > 1e30:
            break
    return None


def _wanted(instance: Instance, shortage: Mapping[str, float], found: Mapping[str, float], c: str) -> float:
    """What the best use of a tonne of a commodity is worth, at the worths found so far."""
    uses = [shortage[d] for d, demand in instance.demands.items() if demand.commodity == c]
    for activity in instance.activities.values():
        if activity.input.get(c, 0.0) > 0:
            uses.append(worth(activity.output, found) / activity.input[c])
    for option in instance.options.values():
        if isinstance(option, Substitution) and option.input.get(c, 0.0) > 0:
            uses.append(shortage[option.demand] / option.input[c])
    return max(uses, default=0.0)


def worth(output: Mapping[str, float], found: Mapping[str, float]) -> float:
    """What a tonne of an activity can be worth at most, money per t."""
    return sum(share * found[c] for c, share in output.items())


@dataclass(frozen=True)
class Worst:
    """The answer of the programme.

    Attributes:
        chosen: by target, whether it is struck; None where no set does more than was asked for.
        gap: what it does, as the programme has it.
        bound: no set does more.
    """

    chosen: npt.NDArray[np.bool_] | None
    gap: float
    bound: float


class Interdiction:
    """The attacker's programme at each start.

    Args:
        strikes: whose targets.
        settings: threads and seed; it is proven to a millionth whatever they say.
    """

    def __init__(self, strikes: Strikes, settings: Settings) -> None:
        self.strikes = strikes
        self.settings = Settings(gap=EXACT, threads=settings.threads, seed=settings.seed)

    def worst(self, front: Front, prices: Vector, beyond: float, clock: Clock) -> Worst | None:
        """The set that does most, if that is more than `beyond`; None where no worth is known.

        Args:
            front: the start, under a plan.
            prices: by column, what is minimised in answer to an attack.
            beyond: money.
            clock: where it is over, the best set so far with the bound that is known.
        """
        shortage = self._shortage(front, prices)
        found = worths(self.strikes.instance, shortage)
        if found is None:
            return None
        sheet = _Sheet(self.strikes, front, prices, found, shortage)
        model = Model(sheet.stage, sheet.objective, self.settings, clock)
        answer = model.solve(cutoff=-beyond)
        if answer.status == "infeasible" or (answer.values is not None and -answer.objective <= beyond):
            return Worst(None, 0.0, beyond)
        if answer.values is None:
            return Worst(None, 0.0, float("inf"))
        return Worst(answer.values[: len(self.strikes.names)] > 0.5, -answer.objective, -answer.bound)

    def _shortage(self, front: Front, prices: Vector) -> dict[str, float]:
        columns, result = front.window.skeleton.columns, dict.fromkeys(self.strikes.instance.demands, 0.0)
        for j in front.window.below.tolist():
            owner = columns[j].mark.owner
            result[owner] = max(result[owner], float(prices[j]))
        return result


class _Sheet:
    """The programme being written; every column is a share of the largest that it can be."""

    def __init__(
        self,
        strikes: Strikes,
        front: Front,
        prices: Vector,
        found: Mapping[str, float],
        shortage: Mapping[str, float],
    ) -> None:
        self.instance, self.primal, self.found, self.shortage = strikes.instance, front.window.skeleton, found, shortage
        self.stage = blank_stage(strikes.instance)
        self.objective = Expression()
        self.usual = max([*found.values(), *shortage.values(), 1e-300])
        costs = [target.price for target in strikes.adversary.targets.values()]
        self.struck = [self._column("struck", str(i), upper=1.0, integer=True) for i in range(len(costs))]
        self._row("budget", dict(zip(self.struck, costs, strict=True)), strikes.adversary.attack_budget)
        duals: list[dict[int, float]] = [{} for _ in self.primal.columns]
        for r, row in enumerate(self.primal.rows):
            for column, price in self._prices(r, row, float(front.right[r])):
                for j, value in row.terms.items():
                    duals[j][column] = duals[j].get(column, 0.0) + float(value) * price
        for j in range(len(self.primal.columns)):
            for column, price in self._rents(j, front.uppers[:, j]):
                duals[j][column] = -price
            if duals[j]:
                self._row(f"column{j}", duals[j], float(prices[j]))

    def _column(self, what: str, index: str, *, upper: float, integer: bool = False) -> int:
        self.stage.columns.append(Column(Mark("", "attack", what, index), "1", 0.0, upper, integer, 0))
        return len(self.stage.columns) - 1

    def _row(self, what: str, terms: dict[int, float], right: float, sense: Sense = "<=") -> None:
        self.stage.rows.append(Row(Mark("", "attack", what, ""), "1", dict[int, Any](terms), sense, right, None))

    def _prices(self, r: int, row: Row, right: float) -> list[tuple[int, float]]:
        """The columns of a row's price, each with the money per t that a whole one of it is."""
        if row.mark.what == "hold":
            # It holds a gap where none is held here: its price is 0.
            return []
        scale, upper = self.usual, float("inf")
        if row.mark.what == "balance":
            scale, upper = self.found[row.mark.owner], 1.0
        elif row.mark.owner in self.shortage:
            scale = self.shortage[row.mark.owner] or self.usual
        if scale <= 0.0:
            return []
        signs = {"<=": (-1.0,), ">=": (1.0,), "==": (1.0, -1.0)}[row.sense]
        columns = [(self._column(f"price{sign:+.0f}", str(r), upper=upper), sign * scale) for sign in signs]
        for column, price in columns:
            self.objective.add(Expression({column: -right * price}))
        return columns

    def _rents(self, j: int, uppers: Vector) -> list[tuple[int, float]]:
        """The columns of the rents of a column's bounds, that of each target only where it is struck."""
        mark, free = self.primal.columns[j].mark, float(uppers[0])
        rents = []
        if np.isfinite(free):
            rents.append((self._column("rent", str(j), upper=float("inf")), self.usual, free))
        activity = self.instance.activities.get(mark.owner) if mark.what == "activity" else None
        most = 0.0 if activity is None else worth(activity.output, self.found)
        for i in np.flatnonzero(uppers[1:] < free * (1.0 - SAME)).tolist() if most > 0 else ():
            rent = self._column(f"rent{i}", str(j), upper=1.0)
            self._row(f"struck{i}.{j}", {rent: 1.0, self.struck[i]: -1.0}, 0.0)
            rents.append((rent, most, float(uppers[1 + i])))
        for column, price, bound in rents:
            self.objective.add(Expression({column: bound * price}))
        return [(column, price) for column, price, _ in rents]
