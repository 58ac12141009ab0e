"""What the members of a joint plan pay: the cost of every coalition, the share of each member, and their frames.

Amounts that are shared count from what each member costs alone without shocks. To subtract that from the costs of all
coalitions of a member, and from what it pays, changes nothing in any of the solutions of the game:

    N      all members                 c(S)    cost of coalition S, a non-empty set of members
    x_i    what member i pays          x(S)    Σ x_i over S; every solution shares all of it, x(N) = c(N)
    e(S)   excess x(S) − c(S)          what S pays more than it would cost alone; e(S) > 0: S does better alone

    Shapley value   the mean of c(S ∪ i) − c(S) over all orders in which the members may join
    core            all x with e(S) ≤ 0 for every S
    least core      all x with e(S) ≤ ε for every S but N; ε is the least for which there is one, the core value
    nucleolus       of the x with x_i ≤ c(i) for every i, or of all x where there are none such, the one whose excesses,
                    the largest first, are lexicographically least; it is in the core where that is not empty

The nucleolus is exact: each linear programme minimises the largest excess that is still open. Coalitions whose dual
value is positive have that excess in every optimum, and are held there; so is all that follows from them linearly. Each
programme holds one at least that is independent of those before, so there are fewer programmes than members.

Sources: Shapley: A value for n-person games, 1953. Schmeidler: The nucleolus of a characteristic function game, SIAM
J. Appl. Math. 17 (1969). Kopelowitz: Computation of the kernels of simple games and the nucleolus, 1967. Maschler,
Peleg, Shapley: Geometric properties of the kernel, nucleolus and related solution concepts, Math. Oper. Res. 4 (1979).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from operator import methodcaller
from typing import Any, Literal

import numpy as np

from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.result import Result
from optimizer.solver import Vector
from optimizer.studies.measure import ProvenDifference
from optimizer.tolerances import FINEST_SHARE, POSITIVE_DUAL, SAME_VALUE

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

    With two members or more. A negative value: costs can be shared so that every coalition saves at least that much.
    """
    return _minimise_excess(members, costs, {}, _bounds(members, dict.fromkeys(members, math.inf)))[1]


def core_ends(members: Sequence[str], low: Costs, high: Costs) -> tuple[float, float]:
    """The least and the greatest core value, exact: it falls with the cost of each coalition, and rises with c(N)."""
    whole = frozenset(members)
    return (least_core(members, {**high, whole: low[whole]}), least_core(members, {**low, whole: high[whole]}))


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
    moving = [each for each in high if high[each] - low[each] > SAME_VALUE * abs(high[each])]
    moved = [nucleolus(members, {**high, each: low[each]}) for each in moving]
    return {
        member: ProvenPayment(
            paid,
            paid + math.fsum(min(0.0, each[member] - paid) for each in moved),
            paid + math.fsum(max(0.0, each[member] - paid) for each in moved),
        )
        for member, paid in value.items()
    }


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


CoreState = Literal["not empty", "empty", "not proven"]
SavingPart = Literal["survival_gap", "no_shock_shortage", "expected_shocks", "money"]
Solution = Literal["shapley", "nucleolus"]
SOLUTIONS: tuple[Solution, ...] = ("shapley", "nucleolus")


def more_than(cost: float, base: float) -> float:
    """What a cost is more than a base, money; 0 where that is nothing beside the base."""
    return 0.0 if abs(cost - base) <= FINEST_SHARE * abs(base) else cost - base


@dataclass(frozen=True)
class CoalitionCost:
    """What a coalition costs."""

    members: tuple[str, ...]  # in the order of the file
    # Total cost of its plan with its gaps at their price, money; infinite where it has no plan, or a gap without a
    # price.
    cost: float
    bound: float  # proven lower bound on it; infinite likewise
    result: Result = field(repr=False)  # its plan, audited
    priced_gap: float = 0.0  # what of the cost is its survival gap at its price, money; no money that is paid

    @classmethod
    def of(cls, members: tuple[str, ...], result: Result, price: float | None) -> "CoalitionCost":
        """The cost of a plan, where gaps have a price or none."""
        if result.baseline is None or (price is None and not result.survives):
            return cls(members, math.inf, math.inf, result)
        priced = (price or 0.0) * result.survival_gap
        bound = -math.inf if result.bound is None else min(result.bound, result.total_cost)
        return cls(members, result.total_cost + priced, bound + priced, result, priced)

    @property
    def has_cost(self) -> bool:
        """Whether it has a plan, and every gap has a price."""
        return math.isfinite(self.cost)

    @property
    def key(self) -> Coalition:
        """The coalition as a set."""
        return frozenset(self.members)


@dataclass(frozen=True)
class MemberShare:
    """What one member pays. Amounts are beyond `no_shock`, money."""

    member: str
    no_shock: float  # what it costs alone without shocks, present value; what the amounts count from
    alone: ProvenPayment  # what it pays alone
    # What it pays by each solution.
    shapley: ProvenPayment
    nucleolus: ProvenPayment

    def paid(self, solution: Solution) -> ProvenPayment:
        """What it pays by a solution."""
        return self.shapley if solution == "shapley" else self.nucleolus

    def saved(self, solution: Solution) -> ProvenDifference:
        """What it saves against being alone, by a solution; between the ends of both amounts."""
        paid = self.paid(solution)
        return ProvenDifference(self.alone.value - paid.value, self.alone.low - paid.high, self.alone.high - paid.low)


@dataclass(frozen=True)
class CostShares:
    """The cost of every coalition, and what each member pays by each rule.

    Attributes:
        instance: with its members.
        members: their names.
        coalitions: what each costs, the small ones first; those that were not reached are left out.
        shares: what each member pays; empty where there is no game.
        core: the core value, money: below 0, costs can be shared so that each coalition saves at least that much;
            above, the core is empty.
        tolerance: money to which costs are proven.
        stopped: whether Ctrl-C, or a time limit, ended it before all was known.
        notes: what the user should know.
        seconds: that it took.
    """

    instance: Instance = field(repr=False)
    members: tuple[str, ...]
    coalitions: tuple[CoalitionCost, ...] = field(default=(), repr=False)
    shares: tuple[MemberShare, ...] = ()
    core: ProvenPayment | None = None
    tolerance: float | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def frames(self) -> Frames:
        """All tables, each a pandas frame by its name (shares, coalitions)."""
        return Frames({"shares": member_shares, "coalitions": coalition_costs}, self)

    @cached_property
    def costs(self) -> Mapping[Coalition, float]:
        """What each coalition costs beyond the no-shock costs of its members, money."""
        base = {each.member: each.no_shock for each in self.shares}
        return {each.key: more_than(each.cost, math.fsum(base[i] for i in each.members)) for each in self.coalitions}

    @property
    def joint(self) -> Result | None:
        """The plan of all members together; None where it was not reached."""
        found = [each.result for each in self.coalitions if len(each.members) == len(self.members)]
        return found[0] if found else None

    @property
    def unpriced(self) -> tuple[CoalitionCost, ...]:
        """The coalitions that have no cost, since they cannot keep their floors, or obey the rules.

        Of a search that was stopped nothing is known.
        """
        return tuple(each for each in self.coalitions if not each.has_cost and each.result.status != "stopped")

    @property
    def saving(self) -> ProvenPayment | None:
        """What all members together save by planning together, money; None where there is no game."""
        if not self.shares:
            return None
        whole = self.coalitions[-1]
        alone, least = self.apart
        nothing = FINEST_SHARE * abs(alone)
        ends = (alone - whole.cost, least - whole.cost, alone - whole.bound)
        return ProvenPayment(*(0.0 if abs(end) <= nothing else end for end in ends))

    @property
    def apart(self) -> tuple[float, float]:
        """What all members cost that plan each for itself, and a lower bound on it, money."""
        alone = self.coalitions[: len(self.members)]
        return math.fsum(each.cost for each in alone), math.fsum(each.bound for each in alone)

    @property
    def saving_share(self) -> float | None:
        """`saving` as a share of what all pay alone beyond their no-shock costs; None where that is 0, or no game."""
        apart = math.fsum(each.alone.value for each in self.shares)
        return self.saving.value / apart if self.saving is not None and apart > 0 else None

    @property
    def saving_without_shocks(self) -> float | None:
        """What of `saving` planning together saves though nothing happens, money; None where that is not known."""
        no_shock = [each.result.calm_cost for each in self.coalitions if each.result.calm_cost is not None]
        if not self.shares or len(no_shock) < len(self.coalitions):
            return None
        alone, together = math.fsum(no_shock[: len(self.members)]), no_shock[-1]
        return alone - together if abs(alone - together) > SAME_VALUE * abs(alone) else 0.0

    @property
    def gaps_apart(self) -> Mapping[str, float]:
        """By member that alone leaves a survival gap, what that costs at its price, money."""
        return {each.members[0]: each.priced_gap for each in self.coalitions[: len(self.members)] if each.priced_gap}

    @property
    def saving_parts(self) -> Mapping[SavingPart, float]:
        """What `saving` consists of, money; below 0 where all together have more than apart. Empty without a game.

        Only `money` is paid by somebody; the expected costs of shocks hold money and demand that goes unserved.
        """
        if not self.shares:
            return {}
        *alone, whole = [*self.coalitions[: len(self.members)], self.coalitions[-1]]

        def less(of: Callable[[CoalitionCost], float]) -> float:
            apart = math.fsum(map(of, alone))
            return more_than(apart, of(whole))

        parts: dict[SavingPart, float] = {
            "survival_gap": less(lambda each: each.priced_gap),
            "no_shock_shortage": less(lambda each: each.result.costs.get("shortage", 0.0)),
            "expected_shocks": less(lambda each: each.result.costs.get("expected shocks", 0.0)),
        }
        assert self.saving is not None
        rest, nothing = self.saving.value - math.fsum(parts.values()), FINEST_SHARE * abs(self.apart[0])
        return {**parts, "money": 0.0 if abs(rest) <= nothing else rest}

    @property
    def core_state(self) -> CoreState | None:
        """Whether some way to pay leaves no coalition better off alone; None where there is no game."""
        if self.core is None:
            return None
        nothing = SAME_VALUE * max(map(abs, self.costs.values()))
        if self.core.high <= nothing:
            return "not empty"
        return "empty" if self.core.low > nothing else "not proven"

    @property
    def leading(self) -> Solution:
        """The solution to offer, the Shapley value, or the nucleolus where only that keeps every coalition in."""
        only = self.core_state == "not empty" and self.objections("shapley") and not self.objections("nucleolus")
        return "nucleolus" if only else "shapley"

    def payments(self, solution: Solution) -> Payments:
        """What each member pays by a solution, money."""
        return {each.member: each.paid(solution).value for each in self.shares}

    def objections(self, solution: Solution) -> list[tuple[CoalitionCost, float]]:
        """The coalitions that would pay less alone under a solution and by how much, the largest first."""
        if not self.shares:
            return []
        paid, nothing = self.payments(solution), SAME_VALUE * max(map(abs, self.costs.values()))
        more = [(each, excess(self.costs, paid, each.key)) for each in self.coalitions[:-1]]
        return sorted(((each, amount) for each, amount in more if amount > nothing), key=lambda pair: -pair[1])

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "members": [_member(each) for each in self.shares] or [{"member": name} for name in self.members],
            "coalitions": [_coalition(self, each) for each in self.coalitions],
            "core": {"state": self.core_state, "value": _ends(self.core)},
            "saving": _ends(self.saving),
            "saving_share": self.saving_share,
            "saving_without_shocks": self.saving_without_shocks,
            "saving_parts": dict(self.saving_parts) or None,
            "objections": {
                solution: [
                    {"members": list(each.members), "saves": amount} for each, amount in self.objections(solution)
                ]
                for solution in SOLUTIONS
            },
            "undefined_without": [list(each.members) for each in self.unpriced],
            "gap_price": self.instance.policy.gap_price,
            "tolerance": self.tolerance,
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def _ends(found: ProvenPayment | ProvenDifference | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    ends = {"value": found.value, "low": found.low, "high": found.high}
    return {name: value if math.isfinite(value) else None for name, value in ends.items()}


def _member(each: MemberShare) -> dict[str, Any]:
    by: dict[str, Any] = {s: {"pays": _ends(each.paid(s)), "saves": _ends(each.saved(s))} for s in SOLUTIONS}
    return {"member": each.member, "no_shock_cost": each.no_shock, "alone": _ends(each.alone), **by}


def _coalition(found: CostShares, each: CoalitionCost) -> dict[str, Any]:
    is_known = math.isfinite(each.bound)
    return {
        "members": list(each.members),
        "cost": each.cost if each.has_cost else None,
        "bound": each.bound if is_known else None,
        "beyond_no_shock": found.costs[each.key] if found.shares else None,
        "status": each.result.status,
        "survives": each.result.survives,
        "survival_gap": None if each.result.baseline is None else each.result.survival_gap,
        "priced_gap": each.priced_gap if each.has_cost else None,
        "outlay": None if each.result.baseline is None else each.result.outlay,
    }


def member_shares(found: CostShares) -> Frame:
    """One row a member: what it pays alone and by each solution, beyond its own cost without shocks."""
    money = found.instance.money

    def end_column(name: str, end: str, of: Callable[[Any], Any]) -> FrameColumn:
        return FrameColumn(name, unit=money, form="exact", of=lambda each: getattr(of(each), end))

    def ends(name: str, of: Callable[[Any], Any]) -> list[FrameColumn]:
        return [
            end_column(f"{name}{tail}", end, of) for tail, end in (("", "value"), ("_low", "low"), ("_high", "high"))
        ]

    columns = [
        FrameColumn("member", is_index=True),
        FrameColumn("no_shock", unit=money, form="exact"),
        *ends("alone", lambda each: each.alone),
    ]
    for solution in SOLUTIONS:
        columns += ends(f"{solution}_pays", methodcaller("paid", solution))
        columns += ends(f"{solution}_saves", methodcaller("saved", solution))
    return Frame.of_items("shares", "Who pays what", found.shares, columns)


def coalition_costs(found: CostShares) -> Frame:
    """One row a coalition: its cost, what is proven of it, and what it would save alone under each solution."""
    money = found.instance.money

    def paid(solution: Solution) -> FrameColumn:
        def of(each: Any) -> float | None:
            payments = found.payments(solution)
            return sum(payments[name] for name in each.members) if payments else None

        return FrameColumn(f"{solution}_pays", unit=money, form="exact", of=of)

    columns = [
        FrameColumn("coalition", is_index=True, of=lambda each: " + ".join(each.members)),
        FrameColumn("cost", unit=money, form="exact", of=lambda each: each.cost if each.has_cost else None),
        FrameColumn("bound", unit=money, form="exact", of=lambda each: each.bound if each.has_cost else None),
        FrameColumn("beyond_no_shock", unit=money, form="exact",
                    of=lambda each: found.costs[each.key] if found.shares else None),
        *map(paid, SOLUTIONS),
        FrameColumn("survival_gap", unit=money, form="amount", of=lambda each: each.result.survival_gap),
        FrameColumn("outlay", unit=money, form="exact", of=lambda each: each.result.outlay),
        FrameColumn("status", of=lambda each: each.result.status),
    ]  # fmt: skip
    return Frame.of_items("coalitions", "What each coalition costs", found.coalitions, columns)
