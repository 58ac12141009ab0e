"""Where each commodity comes from in the baseline: shares of production by region, and their concentration."""

from collections import defaultdict

from optimizer.instance.schema import Instance
from optimizer.plan import Flows, Share


def shares(instance: Instance, baseline: Flows) -> dict[str, tuple[Share, ...]]:
    """Production by region in the first and the last year, of every commodity that is put to use.

    HHI is the Herfindahl–Hirschman index of the regions' shares, 0 … 1.
    """
    used = {demand.commodity for demand in instance.demands.values()}
    used |= {commodity for activity in instance.activities.values() for commodity in activity.input}
    years = dict.fromkeys((instance.horizon.start, instance.horizon.end))
    made = {c: tuple(_share(instance, baseline, c, year) for year in years) for c in instance.commodities if c in used}
    return {commodity: both for commodity, both in made.items() if any(share.tonnes > 0 for share in both)}


def _share(instance: Instance, baseline: Flows, commodity: str, year: int) -> Share:
    by_region: dict[str, float] = defaultdict(float)
    periods = [t for t in instance.horizon.periods if instance.horizon.year(t) == year]
    for name, activity in instance.activities.items():
        rate = activity.output.get(commodity, 0.0)
        by_region[activity.region or "unnamed"] += rate * sum(baseline.activity[name][t] for t in periods)
    total = sum(by_region.values())
    parts = {region: made / total for region, made in by_region.items() if total > 0 and made > 1e-9 * total}
    ordered = dict(sorted(parts.items(), key=lambda item: -item[1]))
    return Share(year, total, ordered, sum(part**2 for part in ordered.values()))
