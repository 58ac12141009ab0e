"""Colours that colour-blind readers can tell apart, the same on the page and in the plots.

Source: Okabe, Ito: Color Universal Design, 2008. Beyond eight regions colours come again, with a pattern.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from optimizer.instance.schema import Instance
from optimizer.levers import KINDS
from optimizer.results.plan import SourceShare

BLUE, VERMILION, ORANGE, GREEN = "#0072B2", "#D55E00", "#E69F00", "#009E73"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#8A8A8A"
OTHERS = (VERMILION, ORANGE, GREEN, PURPLE, SKY, YELLOW, GREY)
PATTERNS = ("", "/", "x", ".")
_SLOTS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, GREY)


def lever_colours() -> dict[str, str]:
    """The colour of each kind of lever."""
    return {kind: _SLOTS[lever.labels.colour] for kind, lever in KINDS.items()}


def regions(instance: Instance, shares: Iterable[Mapping[str, tuple[SourceShare, ...]]]) -> dict[str, tuple[str, str]]:
    """A colour and a pattern for each region: home is blue, then those that most is bought from."""
    weight: dict[str, float] = defaultdict(float)
    for activity in instance.activities.values():
        weight[activity.region or "unnamed"] += 0.0
    for by_commodity in shares:
        for several in by_commodity.values():
            for share in several:
                for region, part in share.regions.items():
                    weight[region] += part
    abroad = sorted((region for region in weight if region != instance.home), key=lambda region: -weight[region])
    home = {instance.home: (BLUE, "")} if instance.home in weight and instance.home is not None else {}
    return home | {
        region: (OTHERS[i % len(OTHERS)], PATTERNS[min(i // len(OTHERS), len(PATTERNS) - 1)])
        for i, region in enumerate(abroad)
    }
