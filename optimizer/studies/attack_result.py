"""What a study of attacks returns: what each attack damages, and which plans withstand the adversary."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from optimizer.disruptions.adversary import AdversarySpec, Method
from optimizer.instance.schema import Instance
from optimizer.results.plan import ReadOnly
from optimizer.results.result import Result
from optimizer.studies import study_frames
from optimizer.studies.measure import ProvenDifference, ToleranceBase


@dataclass(frozen=True)
class LeastOutlay:
    """The least outlay that survives."""

    status: Literal["optimal", "stopped", "none"]  # ``optimal``, ``stopped``, or ``none``: no outlay is enough
    outlay: float | None = None  # that of a plan which survives; None where none is known
    # Proven: no plan survives for less; None where nothing is known. Both are undiscounted money.
    bound: float | None = None


@dataclass(frozen=True)
class SegmentImpact:
    """One segment under one attack, over its window: t unserved, t of that below the floor, and both at shortage cost.

    `service` and `floor` are shares in the weakest period.
    """

    service: float
    floor: float
    unserved: float
    below_floor: float
    damage: float
    gap: float


@dataclass(frozen=True)
class AttackDamage(ReadOnly):
    """An attack and what it does."""

    # Of the attack; its window by labels.
    name: str
    targets: tuple[str, ...]
    first: str
    last: str
    price: float  # of its targets
    cost: float  # what it costs the adversary under the plan, with what leverage adds to the prices
    gap: float  # what it leaves below the floors, in money
    damage: float  # all that it leaves unserved, at its shortage cost
    # Those that it leaves something unserved of, the largest gap first, then the largest damage.
    segments: Mapping[str, SegmentImpact]

    @property
    def breaks(self) -> bool:
        """Whether a segment falls below its floor."""
        return any(impact.below_floor > 0 for impact in self.segments.values())


@dataclass(frozen=True)
class ShapingAttack:
    """An attack that shaped the plan: what it would do with nothing built, and what it does."""

    without: AttackDamage
    with_plan: AttackDamage


@dataclass(frozen=True)
class AttackStart:
    """The worst affordable attack that breaks a floor at one start, and the cheapest set that does, affordable or not.

    None where none does.
    """

    start: str
    worst: AttackDamage | None
    cheapest: AttackDamage | None


@dataclass(frozen=True)
class ListedShocksPlan:
    """The plan for the listed shocks alone: its cost, the gap that they leave it with, and the worst attack on it.

    `saving` is what it costs less than the plan against the adversary, present value; `low` and `high` are what is
    proven of that, None where nothing is.
    """

    cost: float
    gap: float
    saving: float
    worst: AttackDamage | None
    low: float | None = None
    high: float | None = None

    @property
    def difference(self) -> ProvenDifference:
        """The saving, with what is proven of it."""
        low = -math.inf if self.low is None else self.low
        return ProvenDifference(self.saving, low, math.inf if self.high is None else self.high)


@dataclass(frozen=True)
class AttackResult:
    """A plan under its adversary.

    Attributes:
        result: the plan; its `adversary` is None where it was given.
        instance: the plan's, without attacks among its shocks.
        method: how the worst attack is found.
        sets: how many maximal affordable sets there are; None where too many.
        shaping: the attacks that shaped it, the largest gap without a plan first; none for a saved plan.
        deterred: attacks that the plan deters, and what each would do; the largest gap first.
        starts: every start of the adversary.
        worst: of all attacks that are affordable at any start and not deterred, the one that leaves most below the
            floors, or else unserved; None where none leaves anything unserved, or it was not computed.
        unaware: None for a saved plan, without listed shocks or rules, or where it was not computed.
        least: the least outlay that survives the listed shocks and the adversary; None where it was not computed.
        tolerance_base: what costs are measured by; None without a plan that was solved for.
        stopped: whether the time ran out before all was computed.
        notes: what the user should know.
        seconds: that it took.
    """

    result: Result
    instance: Instance
    method: Method
    sets: int | None
    shaping: tuple[ShapingAttack, ...]
    starts: tuple[AttackStart, ...]
    worst: AttackDamage | None
    deterred: tuple[AttackDamage, ...] = ()
    unaware: ListedShocksPlan | None = None
    least: LeastOutlay | None = None
    tolerance_base: ToleranceBase | None = None
    stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def breaking(self) -> AttackDamage | None:
        """The attack that breaks the plan and costs the adversary least, whatever it has; None where none does."""
        found = (start.cheapest for start in self.starts if start.cheapest is not None)
        return min(found, key=lambda damage: (damage.cost, -damage.gap), default=None)

    @property
    def survives(self) -> bool:
        """Whether every floor is kept in all attacks that it can afford, and in all listed shocks.

        Of a plan that was given it is about the attacks alone: listed shocks are not evaluated again.
        """
        holds = self.result.baseline is not None and not (self.worst is not None and self.worst.breaks)
        return holds and (self.is_given or self.result.survives)

    @property
    def is_given(self) -> bool:
        """Whether the plan was not solved for."""
        return self.result.adversary is None

    @property
    def is_unproven(self) -> bool:
        """Whether the time ran out before everything was found and proven."""
        return self.stopped or (self.result.status == "stopped" and not self.is_given)

    @property
    def adversary(self) -> AdversarySpec:
        """That of the instance."""
        assert self.instance.adversary is not None
        return self.instance.adversary

    frames = property(study_frames.of_attack)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object documented in the manual."""
        adversary, result, breaking = self.adversary, self.result, self.breaking
        figures = ("total_cost", "outlay", "survival_gap")
        return {
            "instance": self.instance.title,
            "plan": "given" if self.is_given else "solved",
            "currency": self.instance.currency,
            "status": result.status,
            "survives": self.survives,
            "attack_budget": adversary.attack_budget,
            "months": adversary.months,
            "targets": {name: target.price for name, target in adversary.targets.items()},
            "sets": self.sets,
            "method": self.method,
            "shaping": [asdict(each) for each in self.shaping],
            "deterred": [asdict(each) for each in self.deterred],
            "worst": _dict(self.worst),
            "least_attack_budget": None if breaking is None else breaking.cost,
            "breaking": _dict(breaking),
            "starts": [asdict(start) for start in self.starts],
            "unaware": _dict(self.unaware),
            "least_outlay": _dict(self.least),
            **{name: None if result.baseline is None else getattr(result, name) for name in figures},
            "mip_gap": result.mip_gap,
            "measure": None if self.tolerance_base is None else self.tolerance_base.to_dict(),
            "stopped": self.stopped,
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def _dict(value: AttackDamage | ListedShocksPlan | LeastOutlay | None) -> dict[str, Any] | None:
    return None if value is None else asdict(value)
