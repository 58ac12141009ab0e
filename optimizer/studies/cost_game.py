"""Cost games: what members pay who can also act in smaller coalitions. Pure functions of the costs of all coalitions.

    N      all members                 c(S)    cost of coalition S, a non-empty set of members
    x_i    what member i pays          x(S)    Σ x_i over S; every solution shares all of it, x(N) = c(N)
    e(S)   excess x(S) − c(S)          what S pays more than it would cost alone; e(S) > 0: S does better alone

    Shapley value   the mean of c(S ∪ i) − c(S) over all orders in which the members may join
    core            all x with e(S) ≤ 0 for every S
    least core      all x with e(S) ≤ ε for every S but N; ε is the least for which there is one, the core value
    nucleolus       the x whose excesses, the largest first, are lexicographically least; it is in the least core

The nucleolus is exact: each linear programme minimises the largest excess that is still open. Coalitions whose dual
value is positive have that excess in every optimum, and are held there; so is all that follows from them linearly. Each
programme holds one at least that is independent of those before, so there are fewer programmes than members.
Individual rationality, x_i ≤ c(i), is asked for where some x has it.

Sources: Shapley: A value for n-person games, 1953. Schmeidler: The nucleolus of a characteristic function game, SIAM
J. Appl. Math. 17 (1969). Kopelowitz: Computation of the kernels of simple games and the nucleolus, 1967. Maschler,
Peleg, Shapley: Geometric properties of the kernel, nucleolus and related solution concepts, Math. Oper. Res. 4 (1979).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from optimizer.solver import Vector
from optimizer.tolerances import POSITIVE_DUAL, SAME_VALUE

Coalition = frozenset[str]
# The cost of every coalition, money.
Costs = Mapping[Coalition, float]
# What each member pays, money.
Payments = Mapping[str, float]


@dataclass(frozen=True)
class ProvenPayment:
    """What a member pays where costs are known between bounds: the value at the costs that were found, and the ends."""

    value: float
    low: float
    high: float


def coalitions(members: Sequence[str]) -> list[Coalition]:
    """Every coalition, the small ones first, those of a size in the order of the members."""
    return [frozenset(some) for size in range(1, len(members) + 1) for some in combinations(members, size)]


def excess(costs: Costs, payments: Payments, coalition: Coalition) -> float:
    """What a coalition pays more than it would cost alone, money."""
    return math.fsum(payments[member] for member in coalition) - costs[coalition]


def shapley_value(members: Sequence[str], costs: Costs) -> dict[str, float]:
    """What each member pays by the Shapley value, money."""
    return {
        member: math.fsum(weight * costs[each] for each, weight in _shapley_weights(members, member).items())
        for member in members
    }


def shapley_ends(members: Sequence[str], low: Costs, high: Costs) -> dict[str, ProvenPayment]:
    """The same with its exact range: it is linear in costs, each between its own bounds; the value is that of `high`.

    The costs that were found are the upper ends, those of plans; the lower ends are proven.
    """
    ends = {}
    for member, value in shapley_value(members, high).items():
        weights = _shapley_weights(members, member)
        least = math.fsum(weight * (low if weight > 0 else high)[each] for each, weight in weights.items())
        most = math.fsum(weight * (high if weight > 0 else low)[each] for each, weight in weights.items())
        ends[member] = ProvenPayment(value, least, most)
    return ends


def _shapley_weights(members: Sequence[str], member: str) -> dict[Coalition, float]:
    """By coalition the factor of its cost: positive with the member, negative without it."""
    count = len(members)
    with_it = {each: 1.0 / (count * math.comb(count - 1, len(each) - 1)) for each in coalitions(members)}
    without = {each: -1.0 / (count * math.comb(count - 1, len(each))) for each in with_it if len(each) < count}
    return {each: with_it[each] if member in each else without[each] for each in with_it}


def least_core(members: Sequence[str], costs: Costs) -> float:
    """The core value ε, money: 0 or less where the core has a point, above 0 where it is empty.

    With two members or more. A negative value is what every coalition saves at least.
    """
    return _minimise_excess(members, costs, {}, _bounds(members, dict.fromkeys(members, math.inf)))[1]


def core_ends(members: Sequence[str], low: Costs, high: Costs) -> tuple[float, float]:
    """The least and the greatest core value, exact: it falls with the cost of each coalition, and rises with c(N)."""
    whole = frozenset(members)
    return (
        least_core(members, {**high, whole: low[whole]}),
        least_core(members, {**low, whole: high[whole]}),
    )


def nucleolus(members: Sequence[str], costs: Costs) -> dict[str, float]:
    """What each member pays by the nucleolus, money."""
    whole = frozenset(members)
    held = {whole: 0.0}
    alone = {member: costs[frozenset([member])] for member in members}
    is_rational = math.fsum(alone.values()) >= costs[whole]
    bounds = _bounds(members, alone if is_rational else dict.fromkeys(members, math.inf))
    while _rank(members, held) < len(members):
        tight, value = _minimise_excess(members, costs, held, bounds)
        held |= dict.fromkeys(tight, value)
    paid, *_ = np.linalg.lstsq(_rows(members, held, 0.0)[:, :-1], _targets(costs, held))
    return dict(zip(members, paid.tolist(), strict=True))


def nucleolus_ends(members: Sequence[str], low: Costs, high: Costs) -> dict[str, ProvenPayment]:
    """The nucleolus of `high`, and how far it moves where costs take their lower ends, one at a time, added.

    It is continuous and piecewise linear in costs: the range is exact where no piece ends within the bounds, and an
    estimate otherwise.
    """
    value = nucleolus(members, high)
    moved = [nucleolus(members, {**high, each: low[each]}) for each in high if _differ(low[each], high[each])]
    return {
        member: ProvenPayment(
            paid,
            paid + math.fsum(min(0.0, each[member] - paid) for each in moved),
            paid + math.fsum(max(0.0, each[member] - paid) for each in moved),
        )
        for member, paid in value.items()
    }


def _differ(low: float, high: float) -> bool:
    return high - low > SAME_VALUE * abs(high)


def _row(members: Sequence[str], coalition: Coalition) -> list[float]:
    return [float(member in coalition) for member in members]


def _rank(members: Sequence[str], held: Mapping[Coalition, float]) -> int:
    return int(np.linalg.matrix_rank(np.array([_row(members, each) for each in held])))


def _rows(members: Sequence[str], some: Iterable[Coalition], of_excess: float) -> Vector:
    """The rows x(S) + of_excess · e of some coalitions."""
    return np.array([[*_row(members, each), of_excess] for each in some])


def _targets(costs: Costs, excesses: Mapping[Coalition, float]) -> Vector:
    """What coalitions pay that have these excesses, money."""
    return np.array([costs[each] + own for each, own in excesses.items()])


def _bounds(members: Sequence[str], most: Payments) -> list[tuple[float, float]]:
    return [(-math.inf, most[member]) for member in members]


def _minimise_excess(
    members: Sequence[str], costs: Costs, held: Mapping[Coalition, float], bounds: list[tuple[float, float]]
) -> tuple[list[Coalition], float]:
    """The coalitions that have the least largest excess in every optimum, and that excess, money.

    `held` are those whose excess is known already; what follows from them is left out as well.
    """
    from scipy.optimize import linprog

    held = held or {frozenset(members): 0.0}
    rank = _rank(members, held)
    free = [each for each in coalitions(members) if _rank(members, {**held, each: 0.0}) > rank]
    size = max(map(abs, costs.values())) or 1.0
    found = linprog(
        [0.0] * len(members) + [1.0],
        A_ub=_rows(members, free, -1.0),
        b_ub=_targets(costs, dict.fromkeys(free, 0.0)) / size,
        A_eq=_rows(members, held, 0.0),
        b_eq=_targets(costs, held) / size,
        bounds=[*((low, high / size) for low, high in bounds), (-math.inf, math.inf)],
        method="highs",
    )
    tight = [each for each, dual in zip(free, found.ineqlin.marginals.tolist(), strict=True) if -dual > POSITIVE_DUAL]
    return tight, float(found.x[-1]) * size
