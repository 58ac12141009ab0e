"""Results of a study of attacks, and their frames: the damage of each attack, plans that withstand the adversary."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from optimizer.disruptions.adversary import AdversarySpec, Method
from optimizer.horizon import windowed
from optimizer.instance.schema import Instance
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.results.plan import ReadOnly
from optimizer.results.result import Result
from optimizer.studies.cost_tolerance import ProvenDifference, ToleranceBase


@dataclass(frozen=True)
class LeastOutlay:
    """The least outlay that survives the listed shocks and every attack, undiscounted money."""

    status: Literal["optimal", "stopped", "none"]  # ``optimal``, ``stopped``, or ``none``: no outlay is enough
    outlay: float | None = None  # outlay of the best plan found that survives; None if none was found
    # Proven lower bound: no plan survives for less; None if there is no bound.
    bound: float | None = None


@dataclass(frozen=True)
class SegmentImpact:
    """One segment under one attack, over its window.

    `unserved` is the unserved demand and `below_floor` the part of it below the floor, both in t; `damage` and `gap`
    are these two at shortage cost, in money. `service` and `floor` are shares of demand in the weakest period.
    """

    service: float
    floor: float
    unserved: float
    below_floor: float
    damage: float
    gap: float


@dataclass(frozen=True)
class AttackDamage(ReadOnly):
    """An attack and its effect on a plan."""

    name: str
    targets: tuple[str, ...]
    first: str  # label of the first period of the window
    last: str  # label of the last period of the window
    price: float  # sum of its targets' prices
    cost: float  # cost to the adversary under the plan: the prices and the deterrence added by leverage
    gap: float  # survival gap under the attack, in money
    damage: float  # all unserved demand at its shortage cost, in money
    # The segments with unserved demand, the largest gap first, then the largest damage.
    segments: Mapping[str, SegmentImpact]

    @property
    def breaks(self) -> bool:
        """Whether a segment falls below its floor."""
        return any(impact.below_floor > 0 for impact in self.segments.values())


@dataclass(frozen=True)
class ShapingAttack:
    """An attack that shaped the plan: its damage to the do-nothing plan (`without`), and to the plan (`with_plan`)."""

    without: AttackDamage
    with_plan: AttackDamage


@dataclass(frozen=True)
class AttackStart:
    """The worst affordable attack at one start that breaks a floor, and the cheapest one, affordable or not.

    Each is None if no such attack breaks a floor.
    """

    start: str
    worst: AttackDamage | None
    cheapest: AttackDamage | None


@dataclass(frozen=True)
class ListedShocksPlan:
    """The plan for the listed shocks alone: its cost, its survival gap in these shocks, and the worst attack on it.

    `saving` is its cost advantage over the plan against the adversary, present value; `low` and `high` are the proven
    bounds on the saving, None where there is no bound.
    """

    cost: float
    gap: float
    saving: float
    worst: AttackDamage | None
    low: float | None = None
    high: float | None = None

    @property
    def difference(self) -> ProvenDifference:
        """The saving with its proven bounds."""
        low = -math.inf if self.low is None else self.low
        return ProvenDifference(self.saving, low, math.inf if self.high is None else self.high)


@dataclass(frozen=True)
class AttackResult:
    """A plan under attack by its adversary.

    Attributes:
        result: the plan; its `adversary` is None if the plan was given.
        instance: the instance of the plan, without attacks among its shocks.
        method: how the worst attack was found: by ``enumeration`` of sets, or by a mixed-integer ``programme``.
        sets: number of maximal affordable sets of targets; None if there are too many to enumerate.
        shaping: the attacks that shaped the plan, the largest gap of the do-nothing plan first; empty for a given plan.
        deterred: attacks that the plan deters, each with its would-be effect; the largest gap first.
        starts: the attacks at every start of the adversary.
        worst: of the affordable, undeterred attacks at any start, the one with the largest gap, or else the largest
            damage; None if none leaves demand unserved, or if it was not computed.
        unaware: the plan for the listed shocks alone; None for a given plan, for an instance with neither listed shocks
            nor survival rules, or if it was not computed.
        least: the least outlay that survives the listed shocks and the adversary; None if it was not computed.
        tolerance_base: the amount of which cost tolerances are shares; None unless the plan for the listed shocks alone
            was searched for.
        stopped: whether the time ran out before everything was computed.
        attacks_stopped: whether it ran out before every attack on the plan was evaluated: a start without an attack is
            then not known, and others may break the plan at less cost.
        notes: remarks for the user.
        seconds: duration of the study.
    """

    result: Result
    instance: Instance
    method: Method
    sets: int | None
    shaping: tuple[ShapingAttack, ...] = ()
    starts: tuple[AttackStart, ...] = ()
    worst: AttackDamage | None = None
    deterred: tuple[AttackDamage, ...] = ()
    unaware: ListedShocksPlan | None = None
    least: LeastOutlay | None = None
    tolerance_base: ToleranceBase | None = None
    stopped: bool = False
    attacks_stopped: bool = False
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def __repr__(self) -> str:
        return f"<AttackResult of {self.result!r}: starts: {len(self.starts)}; attacks deterred: {len(self.deterred)}>"

    @property
    def breaking(self) -> AttackDamage | None:
        """The attack found that breaks the plan at least cost to the adversary, whatever its budget; None if none."""
        found = (start.cheapest for start in self.starts if start.cheapest is not None)
        return min(found, key=lambda damage: (damage.cost, -damage.gap), default=None)

    def least_attack_budget(self, damage: AttackDamage | None) -> float | None:
        """Return the least attack budget for which an attack is made, not deterred; None if there is no attack."""
        return None if damage is None else self.adversary.least_attack_budget(damage.price, damage.cost)

    @property
    def survives(self) -> bool:
        """Whether every floor is kept in all attacks that the adversary can afford, and in all listed shocks.

        For a given plan, only the attacks count: listed shocks are not evaluated again. If `attacks_stopped`, those
        evaluated count.
        """
        holds = self.result.baseline is not None and not (self.worst is not None and self.worst.breaks)
        return holds and (self.is_given or self.result.survives)

    @property
    def is_given(self) -> bool:
        """Whether the plan was given, not solved for."""
        return self.result.adversary is None

    @property
    def is_unproven(self) -> bool:
        """Whether the time ran out before everything was found and proven."""
        return self.stopped or (self.result.status == "stopped" and not self.is_given)

    @property
    def adversary(self) -> AdversarySpec:
        """The adversary of the instance."""
        assert self.instance.adversary is not None
        return self.instance.adversary

    @property
    def frames(self) -> Frames:
        """The frames by name (shaping, deterred, segments, starts); attributes are pandas frames."""
        makers = {
            "shaping": shaping_attacks_frame,
            "deterred": deterred_attacks_frame,
            "segments": attacked_segments_frame,
            "starts": attack_starts_frame,
        }
        return Frames(makers, self)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object documented in the manual."""
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
            "least_attack_budget": None if self.attacks_stopped else self.least_attack_budget(breaking),
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


def target_names(found: AttackResult, damage: AttackDamage) -> str:
    """Return the names of the targets of an attack."""
    targets = found.adversary.targets
    return " + ".join(targets[name].name or name for name in damage.targets) or "nothing struck"


def shaping_attacks_frame(found: AttackResult) -> Frame:
    """Return a frame with a row per attack that shaped the plan: its gap under the do-nothing plan and the plan."""
    money, is_deterrable = found.instance.money, bool(found.adversary.deterrents)

    def of_attack(name: str, **how: Any) -> FrameColumn:
        return FrameColumn(name, of=lambda each: getattr(each.with_plan, name), **how)

    columns = (
        FrameColumn("targets", is_index=True, of=lambda each: target_names(found, each.with_plan)),
        of_attack("first", form="period", is_index=True, is_shown=False),
        of_attack("last", form="period", is_shown=False),
        FrameColumn("window", of=lambda each: windowed(each.with_plan.first, each.with_plan.last, "–")),
        of_attack("price", unit=money, form="amount"),
        of_attack("cost", label="Cost to the\nadversary", unit=money, form="enough", is_shown=is_deterrable),
        FrameColumn("without", "Nothing bought", money, "amount", of=lambda each: each.without.gap),
        FrameColumn("with_plan", "With the plan", money, "amount", of=lambda each: each.with_plan.gap),
        of_attack("breaks", form="yes", is_shown=False),
    )
    note = "What each leaves below the floors, at shortage cost: with nothing bought, and with the plan.\n"
    note += "Each was listed to find the plan; without it the plan may be the same."
    return Frame.of_items("shaping", "Attacks among the shocks of the plan", found.shaping, columns, note)


def deterred_attacks_frame(found: AttackResult) -> Frame:
    """Return a frame with a row per attack that the plan deters: its cost to the adversary, the gap it would cause."""
    money, budget = found.instance.money, found.adversary.attack_budget
    columns = (
        FrameColumn("targets", is_index=True, of=lambda each: target_names(found, each)),
        FrameColumn("first", form="period", is_index=True, is_shown=False),
        FrameColumn("last", form="period", is_shown=False),
        FrameColumn("window", of=lambda each: windowed(each.first, each.last, "–")),
        FrameColumn("price", unit=money, form="amount"),
        FrameColumn("cost", "Cost to the\nadversary", money, "enough"),
        FrameColumn("margin", "Margin", money, "amount", of=lambda each: each.cost - budget),
        FrameColumn("gap", "Gap if\nmade", money, "amount"),
    )
    note = "Cost to the adversary: prices, and what leverage adds at the start. Margin: above the attack budget.\n"
    note += "Gap if made: below the floors, at shortage cost."
    return Frame.of_items("deterred", "Attacks that the plan deters", found.deterred, columns, note)


def attacked_segments_frame(found: AttackResult) -> Frame:
    """Return a frame with a row per segment with a shortage in the worst attack."""
    money, worst = found.instance.money, found.worst
    columns = (
        FrameColumn("segment", form="name", is_index=True),
        FrameColumn("service", "Served/floor", "share", "percent"),
        FrameColumn("floor", unit="share", form="percent", is_shown=False),
        FrameColumn("unserved", "Unserved", "t", "amount"),
        FrameColumn("below_floor", "Below floor", "t", "amount"),
        FrameColumn("gap", "Survival gap", money, "amount"),
        FrameColumn("damage", "Loss", money, "amount"),
    )
    rows = (
        (d, each.service, each.floor, each.unserved, each.below_floor, each.gap, each.damage)
        for d, each in (worst.segments.items() if worst is not None else ())
    )
    note = "Over the window; served: in the weakest period, % of demand. Survival gap: what is below the "
    note += "floor, loss: all that is unserved, at shortage cost. Segments served in full: not shown."
    return Frame.of_rows("segments", "The worst attack", columns, rows, note)


def attack_starts_frame(found: AttackResult) -> Frame:
    """Return a frame with a row per start: the worst attack, and the least attack budget that breaks the plan."""
    money = found.instance.money
    columns = (
        FrameColumn("start", form="period", is_index=True),
        FrameColumn("worst", "Worst attack", of=lambda each: each.worst and target_names(found, each.worst)),
        FrameColumn("gap", unit=money, form="amount", of=lambda each: each.worst and each.worst.gap),
        FrameColumn("breaks_at", unit=money, form="enough", of=lambda each: found.least_attack_budget(each.cheapest)),
        FrameColumn("by", "By an attack on", of=lambda each: each.cheapest and target_names(found, each.cheapest)),
    )
    note = "Worst: of what the adversary can afford, what leaves most below the floors; none where no floor breaks. "
    note += "Breaks at: the least attack budget that breaks the plan."
    return Frame.of_items("starts", "Every start", found.starts, columns, note)
