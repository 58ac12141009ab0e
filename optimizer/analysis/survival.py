"""What a plan's flows in one shock mean for each segment."""

from collections.abc import Mapping

from optimizer.instance.schema import Instance
from optimizer.plan import NEGLIGIBLE, Flows, Nothing, Outcome, Service
from optimizer.shocks import Path, Shock


def outcome(instance: Instance, shock: Shock, flows: Flows) -> Outcome:
    """One shock's services, gap and verdict. A shortfall below a millionth of demand is none."""
    path, label = instance.path(shock), instance.horizon.label
    segments = {d: _service(instance, path, d, flows) for d in instance.demands}
    return Outcome(
        name=shock.name,
        survives=all(service.below_floor == 0 for service in segments.values()),
        gap=sum(service.gap for service in segments.values()),
        first=label(shock.periods[0]),
        last=label(shock.periods[-1]),
        probability=shock.probability,
        segments=segments,
        flows=flows,
    )


def _service(instance: Instance, path: Path, d: str, flows: Flows) -> Service:
    margins, below, first_failure = {}, 0.0, None
    for t, unserved in zip(path.periods, flows.unserved[d], strict=True):
        asked, floor = path.demanded(d, t), path.floor_at(d, t)
        served = 1.0 - unserved / asked if asked > 0 else 1.0
        margins[t] = served - floor
        short = unserved - (1.0 - floor) * asked
        if short > NEGLIGIBLE * asked:
            below += short
            first_failure = first_failure or instance.horizon.label(t)
    worst = min(margins, key=lambda t: margins[t])
    floor = path.floor_at(d, worst)
    return Service(
        floor=floor,
        worst_service=margins[worst] + floor,
        worst_period=instance.horizon.label(worst),
        shortage=sum(flows.unserved[d]),
        below_floor=below,
        gap=instance.demands[d].shortage_cost * below,
        first_failure=first_failure,
    )


def of_nothing(instance: Instance, flows: Mapping[str, Flows]) -> Nothing:
    """What is left unserved below the floors where nothing is built."""
    outcomes = [outcome(instance, shock, flows[shock.name]) for shock in instance.events]
    failed = [each for each in outcomes if not each.survives]
    worst = max(failed, key=lambda each: each.gap, default=None)
    return Nothing(
        gap=sum(each.gap for each in outcomes),
        below_floor=sum(service.below_floor for each in outcomes for service in each.segments.values()),
        shocks_failed=len(failed),
        worst_shock=worst.name if worst else None,
        worst_gap=worst.gap if worst else 0.0,
    )
