"""What an attack does to a plan, segment by segment, where it is met by what serves most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.algorithms.reading import plan_values
from optimizer.algorithms.recourse import Responder
from optimizer.disruptions.adversary import Attack
from optimizer.instance.edits import with_attacks, without_shocks
from optimizer.instance.schema import Instance
from optimizer.results.plan import Plan
from optimizer.solver import Clock
from optimizer.studies.survival import Survey, survey

# What is served to within this share of demand is served whole.
SERVED = 1e-6


@dataclass(frozen=True)
class Harm:
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
class Blow:
    """An attack and what it does.

    Attributes:
        name, targets, first, last: of the attack; its window by labels.
        price: what it costs the attacker.
        gap: what it leaves below the floors, in money.
        damage: all that it leaves unserved, at its shortage cost.
        segments: those that it leaves something unserved of, the largest gap first, then the largest damage.
    """

    name: str
    targets: tuple[str, ...]
    first: str
    last: str
    price: float
    gap: float
    damage: float
    segments: Mapping[str, Harm]

    @property
    def breaks(self) -> bool:
        """Whether a segment falls below its floor."""
        return any(harm.below_floor > 0 for harm in self.segments.values())


def blows(instance: Instance, plan: Plan, attacks: Sequence[Attack]) -> list[Blow]:
    """What some attacks do to a plan, in their order."""
    if not attacks:
        return []
    under = with_attacks(without_shocks(instance), attacks)
    responder = Responder(under)
    values = np.array(plan_values(under, plan, responder.desk.plan), dtype=np.float64)
    replies = responder.served(values, Clock(), np.ones(len(under.events), dtype=bool))
    surveyed = survey(under, responder, replies)
    place = {event.name: s for s, event in enumerate(under.events)}
    costs = [demand.shortage_cost for demand in under.demands.values()]
    return [_blow_of(under, each, surveyed, place[each.name(instance.horizon)], costs) for each in attacks]


def _blow_of(under: Instance, struck: Attack, surveyed: Survey, s: int, costs: Sequence[float]) -> Blow:
    adversary, event, label = under.adversary, under.events[s], under.horizon.label
    assert adversary is not None
    harms = {
        d: Harm(
            service=float(surveyed.served[s, i]),
            floor=float(surveyed.floor[s, i]),
            unserved=float(surveyed.shortage[s, i]),
            below_floor=float(surveyed.below[s, i]),
            damage=float(surveyed.shortage[s, i]) * costs[i],
            gap=float(surveyed.gap[s, i]),
        )
        for i, d in enumerate(under.demands)
        if surveyed.served[s, i] < 1.0 - SERVED
    }
    ordered = sorted(harms.items(), key=lambda item: (-item[1].gap, -item[1].damage))
    return Blow(
        name=event.name,
        targets=struck.targets,
        first=label(event.periods[0]),
        last=label(event.periods[-1]),
        price=adversary.price(struck.targets),
        gap=sum(harm.gap for harm in harms.values()),
        damage=sum(harm.damage for harm in harms.values()),
        segments=dict(ordered),
    )
