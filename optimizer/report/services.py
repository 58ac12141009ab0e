"""How a service looks beside its floor: one text and one class for the screen, the plots and the page."""

import math
from typing import Literal

from optimizer.plan import NEGLIGIBLE, Service, Weakest

Standing = Literal["below", "tight", "some", "ample", "full", "free"]
# A margin, a share, below which a floor is just kept, and one from which there is ample room.
TIGHT, AMPLE = 0.0005, 0.2
FULL = "full"
MEANING = f"% of demand served / floor, in the weakest period; {FULL}: all demand is served."
# What marks a service of several shocks of which some do not name the segment, and what that means.
PARTIAL = "*"
PARTLY = f"{PARTIAL} not kept for some of the shocks, which may be weaker; it does not fail there."


def standing(service: Service) -> Standing:
    """Which of six classes a service is of: what it may lose comes first."""
    if service.first_failure is not None:
        return "below"
    if service.is_full:
        return "full"
    if service.floor <= NEGLIGIBLE:
        return "free"
    return "tight" if service.margin < TIGHT else "some" if service.margin < AMPLE else "ample"


def share(service: Service | Weakest) -> str:
    """Served / floor in whole per cent, halves upwards: a floor that is just kept reads the same on both sides.

    What is short of all demand, or below its floor, is never rounded up to it.
    """
    if service.is_full:
        return f"{FULL}/{points(service.floor)}"
    served = points(service.worst_service)
    if served == "100" or (service.margin < -NEGLIGIBLE and served == points(service.floor)):
        served = f"{math.floor(1e4 * service.worst_service) / 100:.2f}"
    return f"{served}/{points(service.floor)}"


def points(part: float) -> str:
    """A share in whole per cent, without a sign."""
    return str(math.floor(100 * part + 0.5 + 1e-6))


def margin(service: Service | Weakest) -> str:
    """Service less floor in points: ``+8``, ``-3.5``, ``-0.03``; nothing where there is no floor or nothing short."""
    amount = 100 * service.margin
    if service.is_full or service.floor <= NEGLIGIBLE:
        return ""
    if service.margin < -NEGLIGIBLE:
        return f"{amount:+.1f}" if amount <= -0.05 else f"{amount:+.1g}"
    return f"{max(0.0, amount):+.0f}"
