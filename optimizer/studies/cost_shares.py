"""Cost shares of the members of a joint plan: the cost of every coalition, the payment of each member, their frames.

Shared amounts count from the no-shock cost of each member alone; `sharing` has the game and its solutions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import methodcaller
from typing import Any, Literal

from optimizer.files import finite_or_none
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.result import Result
from optimizer.studies.cost_tolerance import ProvenDifference, band_dict
from optimizer.tolerances import FINEST_SHARE, SAME_VALUE

Coalition = frozenset[str]
# The cost of every coalition, in money.
Costs = Mapping[Coalition, float]
# The payment of each member, in money.
Payments = Mapping[str, float]


def excess(costs: Costs, payments: Payments, coalition: Coalition) -> float:
    """Return the excess of a coalition: its payment less its cost alone, in money."""
    return math.fsum(payments[member] for member in coalition) - costs[coalition]


CoreState = Literal["not empty", "empty", "not proven"]
SavingPart = Literal["survival_gap", "no_shock_shortage", "expected_shocks", "money"]
Solution = Literal["shapley", "nucleolus"]
SOLUTIONS: tuple[Solution, ...] = ("shapley", "nucleolus")


def cost_beyond(cost: float, base: float) -> float:
    """Return a cost less a base, in money; 0 if the difference is negligible beside the base."""
    return 0.0 if abs(cost - base) <= FINEST_SHARE * abs(base) else cost - base


@dataclass(frozen=True)
class CoalitionCost:
    """The cost of a coalition."""

    members: tuple[str, ...]  # in the order of the file
    # Total cost of its plan with its gaps at their price, money; infinite if it has no plan, or a gap without a price.
    cost: float
    bound: float  # proven lower bound on the cost; infinite in the same cases
    result: Result = field(repr=False)  # its plan, audited
    priced_gap: float = 0.0  # the part of the cost that is its survival gap at its price, money; nobody pays it

    @classmethod
    def of(cls, members: tuple[str, ...], result: Result) -> "CoalitionCost":
        """Build the cost of a coalition from its plan."""
        if result.baseline is None or not (result.has_priced_gaps or result.survives):
            return cls(members, math.inf, math.inf, result)
        return cls(members, result.priced_cost, result.priced_bound, result, result.priced_gap)

    @property
    def has_cost(self) -> bool:
        """Whether the coalition has a plan that leaves no gap without a price."""
        return math.isfinite(self.cost)

    @property
    def key(self) -> Coalition:
        """The coalition as a set."""
        return frozenset(self.members)


@dataclass(frozen=True)
class MemberShare:
    """The payments of one member, in money beyond its no-shock cost."""

    member: str
    no_shock: float  # its no-shock cost alone, present value, from which the payments count
    alone: ProvenDifference  # payment of the member alone
    # Payment in the joint plan by each solution.
    shapley: ProvenDifference
    nucleolus: ProvenDifference

    def paid(self, solution: Solution) -> ProvenDifference:
        """Return the payment by a solution."""
        return self.shapley if solution == "shapley" else self.nucleolus

    def saved(self, solution: Solution) -> ProvenDifference:
        """Return the saving against being alone, by a solution; its range combines the ends of both amounts."""
        paid = self.paid(solution)
        return ProvenDifference(self.alone.value - paid.value, self.alone.low - paid.high, self.alone.high - paid.low)


@dataclass(frozen=True)
class CostShares:
    """The cost of every coalition, and the payment of each member by each solution of the game.

    Attributes:
        instance: the instance with its members.
        members: the names of the members.
        coalitions: the cost of each coalition, the small ones first; without those that were not reached.
        shares: the payments of each member; empty if there is no game: a coalition has no cost or was not reached.
        core: the core value, money. Below 0, costs can be shared so that each coalition saves at least its amount;
            above 0, the core is empty.
        tolerance: money to which costs are proven.
        stopped: whether Ctrl-C or a time limit ended the study early.
        notes: remarks for the user.
        seconds: duration of the study.
    """

    instance: Instance = field(repr=False)
    members: tuple[str, ...]
    coalitions: tuple[CoalitionCost, ...] = field(default=(), repr=False)
    shares: tuple[MemberShare, ...] = ()
    core: ProvenDifference | None = None
    tolerance: float | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        return (
            f"<CostShares of {self.instance.title!r}: members: {len(self.members)}; coalitions: {len(self.coalitions)}>"
        )

    @property
    def frames(self) -> Frames:
        """All tables by name (shares, coalitions), each as a pandas frame."""
        return Frames({"shares": member_shares_frame, "coalitions": coalition_costs_frame}, self)

    @cached_property
    def costs(self) -> Mapping[Coalition, float]:
        """The cost of each coalition beyond the no-shock costs of its members, in money."""
        base = {each.member: each.no_shock for each in self.shares}
        return {each.key: cost_beyond(each.cost, math.fsum(base[i] for i in each.members)) for each in self.coalitions}

    @property
    def joint(self) -> Result | None:
        """The plan of all members together; None if it was not reached."""
        found = [each.result for each in self.coalitions if len(each.members) == len(self.members)]
        return found[0] if found else None

    @property
    def unpriced(self) -> tuple[CoalitionCost, ...]:
        """The coalitions without a cost, because they cannot keep their floors or obey the rules.

        Coalitions whose search was stopped are left out.
        """
        return tuple(each for each in self.coalitions if not each.has_cost and each.result.status != "stopped")

    @property
    def saving(self) -> ProvenDifference | None:
        """The saving of all members from planning together, in money; None if there is no game."""
        if not self.shares:
            return None
        whole = self.coalitions[-1]
        alone, least = self.apart
        nothing = FINEST_SHARE * abs(alone)
        ends = (alone - whole.cost, least - whole.cost, alone - whole.bound)
        return ProvenDifference(*(0.0 if abs(end) <= nothing else end for end in ends))

    @property
    def apart(self) -> tuple[float, float]:
        """The total cost of all members if each plans for itself, and a lower bound on it, in money."""
        alone = self.coalitions[: len(self.members)]
        return math.fsum(each.cost for each in alone), math.fsum(each.bound for each in alone)

    @property
    def saving_share(self) -> float | None:
        """`saving` as a share of all payments alone beyond no-shock costs; None if these are 0 or less, or no game."""
        apart = math.fsum(each.alone.value for each in self.shares)
        return self.saving.value / apart if self.saving is not None and apart > 0 else None

    @property
    def saving_without_shocks(self) -> float | None:
        """The part of `saving` that arises without any shock, in money; None if it is unknown."""
        no_shock = [each.result.calm_cost for each in self.coalitions if each.result.calm_cost is not None]
        if not self.shares or len(no_shock) < len(self.coalitions):
            return None
        alone, together = math.fsum(no_shock[: len(self.members)]), no_shock[-1]
        return alone - together if abs(alone - together) > SAME_VALUE * abs(alone) else 0.0

    @property
    def gaps_apart(self) -> Mapping[str, float]:
        """The survival gap at its price, in money, of each member that leaves a gap alone."""
        return {each.members[0]: each.priced_gap for each in self.coalitions[: len(self.members)] if each.priced_gap}

    @property
    def saving_parts(self) -> Mapping[SavingPart, float]:
        """The parts of `saving`, in money; negative if joint planning costs more in that part; empty without a game.

        Only the part ``money`` is actually paid; the expected costs of shocks contain money and unserved demand.
        """
        if not self.shares:
            return {}
        alone, whole = self.coalitions[: len(self.members)], self.coalitions[-1]

        def less(of: Callable[[CoalitionCost], float]) -> float:
            return cost_beyond(math.fsum(map(of, alone)), of(whole))

        parts: dict[SavingPart, float] = {
            "survival_gap": less(lambda each: each.priced_gap),
            "no_shock_shortage": less(lambda each: each.result.costs.get("shortage", 0.0)),
            "expected_shocks": less(lambda each: each.result.costs.get("expected shocks", 0.0)),
        }
        assert self.saving is not None
        rest, nothing = self.saving.value - math.fsum(parts.values()), FINEST_SHARE * abs(self.apart[0])
        return {**parts, "money": 0.0 if abs(rest) <= nothing else rest}

    @property
    def negligible(self) -> float:
        """The amount up to which an excess counts as 0, in money."""
        return SAME_VALUE * max(map(abs, self.costs.values()))

    @property
    def core_state(self) -> CoreState | None:
        """Whether some sharing of costs leaves no coalition better off alone; None if there is no game."""
        if self.core is None:
            return None
        if self.core.high <= self.negligible:
            return "not empty"
        return "empty" if self.core.low > self.negligible else "not proven"

    @property
    def leading(self) -> Solution:
        """The recommended solution, the Shapley value, or the nucleolus if only that satisfies every coalition."""
        only = self.core_state == "not empty" and self.objections("shapley") and not self.objections("nucleolus")
        return "nucleolus" if only else "shapley"

    def payments(self, solution: Solution) -> Payments:
        """Return the payment of each member by a solution, in money."""
        return {each.member: each.paid(solution).value for each in self.shares}

    def alone(self, coalition: CoalitionCost) -> ProvenDifference:
        """Return the cost of a coalition beyond the no-shock costs of its members, with its range, in money."""
        cost = self.costs[coalition.key]
        return ProvenDifference(cost, cost - cost_beyond(coalition.cost, coalition.bound), cost)

    def saved_by(self, solution: Solution, coalition: CoalitionCost) -> ProvenDifference:
        """Return the saving of a coalition against being alone; its range combines the ends of all amounts."""
        cost, paid = self.alone(coalition), [s.paid(solution) for s in self.shares if s.member in coalition.members]
        low, high = (math.fsum(getattr(each, end) for each in paid) for end in ("low", "high"))
        more = excess(self.costs, self.payments(solution), coalition.key)
        return ProvenDifference(-more, cost.low - high, cost.high - low)

    def objections(self, solution: Solution) -> list[tuple[CoalitionCost, float]]:
        """Return the coalitions that would pay less alone than by a solution, and by how much, the largest first."""
        if not self.shares:
            return []
        more = [(each, -self.saved_by(solution, each).value) for each in self.coalitions[:-1]]
        return sorted(((each, amount) for each, amount in more if amount > self.negligible), key=lambda pair: -pair[1])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
        return {
            "instance": self.instance.title,
            "currency": self.instance.currency,
            "members": [_member(each) for each in self.shares] or [{"member": name} for name in self.members],
            "coalitions": [_coalition(self, each) for each in self.coalitions],
            "core": {"state": self.core_state, "value": band_dict(self.core)},
            "saving": band_dict(self.saving),
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


def _member(each: MemberShare) -> dict[str, Any]:
    by: dict[str, Any] = {s: {"pays": band_dict(each.paid(s)), "saves": band_dict(each.saved(s))} for s in SOLUTIONS}
    return {"member": each.member, "no_shock_cost": each.no_shock, "alone": band_dict(each.alone), **by}


def _coalition(found: CostShares, each: CoalitionCost) -> dict[str, Any]:
    return {
        "members": list(each.members),
        "cost": finite_or_none(each.cost),
        "bound": finite_or_none(each.bound),
        "beyond_no_shock": found.costs[each.key] if found.shares else None,
        "status": each.result.status,
        "survives": each.result.survives,
        "survival_gap": None if each.result.baseline is None else each.result.survival_gap,
        "priced_gap": each.priced_gap if each.has_cost else None,
        "outlay": None if each.result.baseline is None else each.result.outlay,
    }


def member_name(found: CostShares, member: str) -> str:
    """Return the name of a member, or its key if it has no name."""
    return found.instance.members[member].name or member


def coalition_name(found: CostShares, each: CoalitionCost) -> str:
    """Return the names of the members of a coalition, joined by ``+``."""
    return " + ".join(member_name(found, member) for member in each.members)


def member_shares_frame(found: CostShares) -> Frame:
    """Build the frame of payments, a row for each member: alone and by each solution, beyond its no-shock cost."""
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


def coalition_costs_frame(found: CostShares) -> Frame:
    """Build the frame of coalitions, a row for each: its cost, the proven bound, and its payment by each solution."""
    money = found.instance.money

    def paid(solution: Solution) -> FrameColumn:
        def of(each: Any) -> float | None:
            payments = found.payments(solution)
            return sum(payments[name] for name in each.members) if payments else None

        return FrameColumn(f"{solution}_pays", unit=money, form="exact", of=of)

    columns = [
        FrameColumn("coalition", is_index=True, of=lambda each: " + ".join(each.members)),
        FrameColumn("cost", unit=money, form="exact", of=lambda each: finite_or_none(each.cost)),
        FrameColumn("bound", unit=money, form="exact", of=lambda each: each.bound if each.has_cost else None),
        FrameColumn("beyond_no_shock", unit=money, form="exact",
                    of=lambda each: found.costs[each.key] if found.shares else None),
        *map(paid, SOLUTIONS),
        FrameColumn("survival_gap", unit=money, form="amount", of=lambda each: each.result.survival_gap),
        FrameColumn("outlay", unit=money, form="exact", of=lambda each: each.result.outlay),
        FrameColumn("status", of=lambda each: each.result.status),
    ]  # fmt: skip
    return Frame.of_items("coalitions", "What each coalition costs", found.coalitions, columns)
