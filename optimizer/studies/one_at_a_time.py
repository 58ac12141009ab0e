"""What-ifs about uncertain numbers: a number with its range, and what comes of it elsewhere."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from optimizer.algorithms.reading import plan_values
from optimizer.errors import InstanceError
from optimizer.instance.derived import is_bought
from optimizer.instance.edits import without_attacks
from optimizer.instance.ranges import Uncertain
from optimizer.instance.reading import read
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.solver import Clock, Settings, interruptible
from optimizer.studies.measure import Difference
from optimizer.studies.what_if import Asker, Found
from optimizer.studies.withstand import listing_attacks


@dataclass(frozen=True)
class Outcome:
    """What a what-if came to.

    Attributes:
        status: as of `Found`; ``unusable`` where numbers do not fit each other.
        cost, bound: total cost of the plan, present value, and its proven lower bound.
        gap, gap_bound: survival gap, and its proven lower bound. outlay: undiscounted. All money.
        failed: how many shocks are not survived.
        bought: the options that are bought.
    """

    status: Literal["optimal", "stopped", "infeasible", "unusable"]
    cost: float = math.inf
    bound: float = -math.inf
    gap: float = 0.0
    outlay: float = 0.0
    failed: int = 0
    bought: frozenset[str] = frozenset()
    gap_bound: float = 0.0

    def dearer(self, base: "Outcome") -> Difference:
        """How much more it costs than elsewhere."""
        return Difference.of(base.cost, base.bound, self.cost, self.bound)

    def worse(self, base: "Outcome") -> Difference:
        """How much more of a survival gap it leaves than elsewhere."""
        return Difference.of(base.gap, base.gap_bound, self.gap, self.gap_bound)

    @property
    def has_plan(self) -> bool:
        """Whether there is a plan to speak of."""
        return math.isfinite(self.cost)

    @property
    def is_settled(self) -> bool:
        """Whether it is known if floors can be kept: a search that was stopped may have missed the plan that does."""
        return self.status != "stopped" or (self.has_plan and self.gap <= 0)

    @property
    def state(self) -> tuple[bool, bool, frozenset[str]]:
        """What has to be the same for the plan to be the same."""
        return self.has_plan, self.gap > 0, self.bought

    def to_dict(self) -> dict[str, Any]:
        """For JSON; what is not known is null."""
        data = asdict(self) | {"bought": sorted(self.bought), "survives": self.has_plan and self.gap <= 0}
        data["status"] = "none" if self.status == "infeasible" else self.status
        return {
            key: None if isinstance(item, float) and not math.isfinite(item) else item for key, item in data.items()
        }


@dataclass(frozen=True)
class Number:
    """An uncertain number, or several that move together.

    `position` runs from −1 (low) over 0 (the value) to 1 (high).
    """

    name: str
    members: tuple[Uncertain, ...]

    def at(self, position: float) -> dict[str, float]:
        """The number, or factor, of each member, by path."""
        return {each.path: each.at(position) for each in self.members}

    @property
    def first(self) -> Uncertain:
        """The member that stands for all."""
        return self.members[0]


@dataclass(frozen=True)
class Flip:
    """Where between the value and an end the plan becomes another: still the same at `same`, another at `other`."""

    end: Literal["low", "high"]
    same: float
    other: float
    outcome: Outcome


@dataclass(frozen=True)
class Bar:
    """A number of the tornado: what comes of either end, and where the plan changes."""

    number: Number
    low: Outcome
    high: Outcome
    flips: tuple[Flip, ...] = ()

    def swing(self, base: Outcome) -> tuple[bool, float, float]:
        """What bars are sorted by: whether a verdict changes, the change of the gap, the change of the cost.

        Ends that are not settled have no part in it, nor have changes that are not proven.
        """
        ends = tuple(each for each in (self.low, self.high) if each.is_settled)
        verdict = any((each.has_plan, each.gap > 0) != (base.has_plan, base.gap > 0) for each in ends)
        gaps = max((each.worse(base).size for each in ends), default=0.0)
        costs = max((each.dearer(base).size for each in ends if each.has_plan), default=0.0)
        return verdict, gaps, costs

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        members = [
            {"path": each.path, "low": each.low, "value": each.value, "high": each.high, "factor": each.is_factor}
            for each in self.number.members
        ]
        flips = [
            {"end": flip.end, "same": flip.same, "other": flip.other, "outcome": flip.outcome.to_dict()}
            for flip in self.flips
        ]
        ends = {"low": self.low.to_dict(), "high": self.high.to_dict()}
        return {"name": self.number.name, "members": members, **ends, "flips": flips}


def numbers_of(instance: Instance) -> list[Number]:
    """The uncertain numbers of an instance; those that share a `draw` are one."""
    groups: dict[str, list[Uncertain]] = {}
    for each in instance.uncertain:
        groups.setdefault(each.draw or each.path, []).append(each)
    return [Number(name, tuple(members)) for name, members in groups.items()]


def asked(
    desk: dict[str, Any],
    instance: Instance,
    numbers: Mapping[str, float],
    settings: Settings,
    first: frozenset[str],
    plan: Plan,
    lists_attacks: bool = False,
) -> Outcome:
    """The best plan with numbers elsewhere: a call for a team. Attacks are listed anew where they count as shocks."""
    try:
        variant = _moved(instance, numbers) if lists_attacks else read(instance.moved(numbers))
    except InstanceError:
        return Outcome("unusable")
    clock = Clock(settings.time_limit)

    def heard() -> None:
        # In this process, whoever asked wants to know as well.
        if "clock" in desk:
            desk["clock"].interrupted = True

    with interruptible(clock, heard), Asker(variant, settings, clock) as asker:
        asker.learn(plan, first)
        return outcome(asker, variant, asker.ask())


def _moved(instance: Instance, numbers: Mapping[str, float]) -> Instance:
    """What the adversary can afford, and what its attacks cut, may be uncertain as well."""
    return listing_attacks(read(without_attacks(instance).moved(numbers)))[0]


def outcome(asker: Asker, instance: Instance, found: Found) -> Outcome:
    """What is remembered of an answer."""
    if not math.isfinite(found.cost):
        return Outcome(found.status)
    failed = 0
    if found.gap > 0:
        responder = asker.responder(instance)
        left = responder.gaps(plan_values(instance, found.plan, responder.desk.plan), Clock())
        failed = int(left.fails.sum())
    sizes = {o: sum(fills) for o, fills in found.plan.fills.items()}
    for build in found.plan.builds:
        sizes[build.option] = sizes.get(build.option, 0.0) + build.size
    bought = frozenset(o for o, size in sizes.items() if is_bought(instance, o, size))
    return Outcome(
        found.status, found.cost, found.bound, found.gap, found.outlay, failed, bought, min(found.gap_bound, found.gap)
    )
