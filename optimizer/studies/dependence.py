"""Where each commodity comes from in the baseline: shares of production by region, and their concentration."""

from collections import defaultdict
from collections.abc import Iterable

from optimizer.instance.schema import Instance
from optimizer.results.plan import Flows, Share


def shares(instance: Instance, baseline: Flows) -> dict[str, tuple[Share, ...]]:
    """Production by region in the first and the last year, of every commodity that is put to use.

    HHI is the Herfindahl–Hirschman index of the regions' shares, 0 … 1.
    """
    return _shares(instance, baseline, dict.fromkeys((instance.horizon.start, instance.horizon.end)))


def yearly_shares(instance: Instance, baseline: Flows) -> dict[str, tuple[Share, ...]]:
    """The same for every year of the horizon."""
    return _shares(instance, baseline, instance.horizon.years)


def _shares(instance: Instance, baseline: Flows, years: Iterable[int]) -> dict[str, tuple[Share, ...]]:
    used = {demand.commodity for demand in instance.demands.values()}
    used |= {commodity for activity in instance.activities.values() for commodity in activity.input}
    chosen = tuple(years)
    made = {c: tuple(_share(instance, baseline, c, year) for year in chosen) for c in instance.commodities if c in used}
    return {commodity: shares for commodity, shares in made.items() if any(share.tonnes > 0 for share in shares)}


def _share(instance: Instance, baseline: Flows, commodity: str, year: int) -> Share:
    by_region: dict[str, float] = defaultdict(float)
    first = (year - instance.horizon.start) * instance.horizon.per_year
    for name, activity in instance.activities.items():
        rate = activity.output.get(commodity, 0.0)
        made = sum(baseline[name, "activity"][first : first + instance.horizon.per_year])
        by_region[activity.region or "unnamed"] += rate * made
    total = sum(by_region.values())
    parts = {region: made / total for region, made in by_region.items() if total > 0 and made > 1e-9 * total}
    ordered = dict(sorted(parts.items(), key=lambda item: -item[1]))
    return Share(year, total, ordered, sum(part**2 for part in ordered.values()))
