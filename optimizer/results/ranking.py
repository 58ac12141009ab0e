"""Which service, shock or gap is the worst of several: one rule each, with its ties."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from optimizer.results.plan import Array, Outcome, Service
from optimizer.tolerances import NEGLIGIBLE, ROUNDING

# Margins that differ by less than this share of demand are equal: half of the tolerance, since both may be off.
HAIR = NEGLIGIBLE / 2
# Distance between the classes of `rank`; margins lie between -1 and 1, so that classes do not overlap.
CLASS = 2.0


def rank(margins: Array, served: Array) -> Array:
    """How weak services are, as one number each: the smaller, the weaker.

    1. Demand goes unserved and there is a floor: by margin, so that services below their floors come first.
    2. Demand goes unserved and there is no floor: by the share served.
    3. All demand is served (to within `NEGLIGIBLE` of it): the margin says only how high the floor is.

    Args:
        margins: service less floor, shares of demand.
        served: shares of demand that are served or substituted, of the same shape.
    """
    has_floor, is_full = served - margins > NEGLIGIBLE, served >= 1.0 - NEGLIGIBLE
    return margins + CLASS * np.where(is_full, 2.0, np.where(has_floor, 0.0, 1.0))


def weakest(margins: Array, served: Array, axis: int) -> npt.NDArray[np.intp]:
    """Along an axis, the place of the least `rank`; of those within a `HAIR` of it the one where least is served.

    One rule for the worst period of a segment in a shock, the worst shock of a segment, and the worst segment of a
    shock. Where floors bind, many margins are 0 but for rounding: which of them is least says nothing, what is served
    does. Of services that are alike in both the first counts.
    """
    ranks = rank(margins, served)
    near = np.where(ranks <= ranks.min(axis=axis, keepdims=True) + HAIR, served, np.inf)
    return np.argmax(near <= near.min(axis=axis, keepdims=True) + HAIR, axis=axis)


def weakest_of(services: Sequence[Service]) -> int:
    """The place of the weakest of some services."""
    return int(weakest(*_arrays(services), axis=0))


def weakness(services: Sequence[Service]) -> tuple[float, float]:
    """What shocks are sorted by, the weakest first: `rank` and share served of the weakest of a shock's services."""
    if not services:
        return (np.inf, np.inf)
    found = services[weakest_of(services)]
    return round(float(rank(*_arrays([found]))[0]), 6), round(found.worst_service, 6)


def _arrays(services: Sequence[Service]) -> tuple[Array, Array]:
    margins, served = (np.array([getattr(each, name) for each in services]) for name in ("margin", "worst_service"))
    return margins, served


def first_largest(gaps: Sequence[float]) -> int | None:
    """The place of the first of the largest gaps; None where none is above 0."""
    largest = max(gaps, default=0.0)
    return next((i for i, gap in enumerate(gaps) if gap >= largest * (1.0 - ROUNDING)), None) if largest > 0 else None


def by_gap(gaps: Sequence[float]) -> list[int]:
    """Places, the largest gap first; gaps that are equal stay in their order, so that `first_largest` leads."""
    places = sorted(range(len(gaps)), key=lambda i: -gaps[i])
    groups: list[list[int]] = []
    for i in places:
        if groups and gaps[i] >= gaps[groups[-1][0]] * (1.0 - ROUNDING):
            groups[-1].append(i)
        else:
            groups.append([i])
    return [i for group in groups for i in sorted(group)]


def hardest_of(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Shocks, the one with the largest gap first: the one rule by which texts name the worst."""
    some = list(outcomes)
    return [some[i] for i in by_gap([outcome.gap for outcome in some])]
