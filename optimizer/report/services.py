"""How a service looks beside its floor: one text and one class for the screen, the plots and the page."""

from collections.abc import Iterable
from typing import Literal

from optimizer.instance.derived import highest_floor
from optimizer.instance.schema import Instance
from optimizer.results.plan import NEGLIGIBLE, Service, Weakest
from optimizer.units import fixed

Standing = Literal["below", "tight", "some", "ample", "full", "free"]
# A margin, a share, below which a floor is just kept, and one from which there is ample room.
TIGHT, AMPLE = 0.0005, 0.2
FULL = "full"
# Decimals of per cent at most: they show what `NEGLIGIBLE` of demand is.
MOST = 4
MEANING = f"% of demand served / floor, in the weakest period; {FULL}: all demand is served; without /: no floor."
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
    """Served / floor in per cent of demand: ``93/80``, ``39.9/80``, ``full/35``; alone where no floor is in force."""
    return beside(service.worst_service, service.floor)


def served_in_full(instance: Instance, shocks: Iterable[str], d: str) -> str:
    """What is said of a segment that is served in full in some shocks, beside the highest of its floors there."""
    return beside(1.0, highest_floor(instance, shocks, d))


def beside(served: float, floor: float) -> str:
    """A share served, and the floor where there is one; halves away from zero.

    A floor that is just kept reads the same on both sides. What is short of all demand, or below its floor, is never
    rounded up to it, and a floor below 100 % never to 100.
    """
    first, second = in_percent(served, floor)
    first = FULL if _is_full(served) else first
    return f"{first}/{second}" if floor > NEGLIGIBLE else first


def in_percent(served: float, floor: float) -> tuple[str, str]:
    """The two in per cent of demand, without a sign, with as many decimals as keep them apart."""
    places = _places(served, floor)
    return _text(served, places), _text(floor, places)


def margin(service: Service | Weakest) -> str:
    """Service less floor in points, as the two are printed: ``+8``, ``−3.5``, ``−0.03``.

    Nothing where there is no floor or nothing short.
    """
    served, floor = service.worst_service, service.floor
    if service.is_full or floor <= NEGLIGIBLE:
        return ""
    places = _places(served, floor)
    points = _rounded(served, places) - _rounded(floor, places)
    text = fixed(points, places)
    return text if points < 0 and text != "0" else f"+{text}"


def _places(served: float, floor: float) -> int:
    """The fewest decimals of per cent that keep apart what is not the same; one more where a floor fails."""
    fails = served - floor < -NEGLIGIBLE

    def are_enough(places: int) -> bool:
        left, right = _rounded(served, places), _rounded(floor, places)
        return (
            (_is_full(served) or left < 100)
            and (floor >= 1 - NEGLIGIBLE or right < 100)
            and not (fails and left >= right)
        )

    return next((places for places in range(int(fails), MOST) if are_enough(places)), MOST)


def _is_full(served: float) -> bool:
    return served >= 1 - NEGLIGIBLE


def _rounded(part: float, places: int) -> float:
    """A share in per cent, to so many decimals."""
    return float(fixed(100 * max(0.0, part), places))


def _text(part: float, places: int) -> str:
    text = fixed(100 * max(0.0, part), places)
    return text.rstrip("0").rstrip(".") if "." in text else text
