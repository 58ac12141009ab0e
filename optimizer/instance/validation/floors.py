"""Floors that cost nothing to miss: a gap in money does not tell of them, so they need to be known."""

from collections.abc import Iterable, Iterator

from optimizer.instance.schema import Instance
from optimizer.instance.validation.draft import Draft, Problem
from optimizer.instance.validation.references import struck


def free_floors(instance: Instance) -> list[str]:
    """The segments that have a floor, in all shocks or in one, and whose shortage costs nothing."""
    of_shocks = {d for _, spec in struck(instance) for d, floor in (spec.survival or {}).items() if floor > 0}
    return [
        d
        for d, demand in instance.demands.items()
        if demand.shortage_cost == 0 and (d in of_shocks or max(demand.survival.values) > 0)
    ]


def highest_floor(instance: Instance, names: Iterable[str], d: str) -> float:
    """The highest survival floor of a segment, a share, in force in any period of some shocks, by their names."""
    demand, horizon = instance.demands[d], instance.horizon
    return max(
        (
            event.spec.survival[d]
            if d in event.spec.survival
            else max(demand.survival.at(horizon.year(t)) for t in event.periods)
            for event in map(instance.event, names)
        ),
        default=0.0,
    )


def floors_have_a_price(draft: Draft) -> Iterator[Problem]:
    """A floor whose shortage costs nothing is kept where it can be, but its shortfall cannot be weighed."""
    for d in free_floors(draft.instance) if draft.instance else ():
        what = "has a floor, but going short costs nothing: a gap cannot see it"
        yield ("demands", d, "shortage_cost"), what, "Give shortage_cost what a tonne missing costs.", "warning"
