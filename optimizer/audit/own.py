"""Levers from outside the package: their arithmetic, which the audit asks for.

The audit knows the rows of the seven levers, and holds a lever that is derived from one of them to the rows of that
one. What else a lever does, its author says here once more, in plain numbers: an `Auditor` per kind.
"""

from dataclasses import dataclass
from typing import Any

from optimizer.instance.registering import SHIPPED, known_from_now_on
from optimizer.results.plan import Array


@dataclass(frozen=True)
class Seen:
    """One option on the baseline, or on shocks whose windows are equally long: arrays are (paths, periods).

    Attributes:
        option: the option, with its fields.
        is_baseline: whether nothing happens on the path.
        is_steady: whether the path is one state that lasts, as where a time to survive is asked for.
        months: how long a period is.
        working: capacity that works after lead time and ramp, C·Δ, t in each period.
        severity: the share of it that is cut.
        flow: what it is said to do, t in each period: its activity, or what it substitutes; 0 where it does neither.
        multiplier: of costs that a shock raises.
    """

    option: Any
    is_baseline: bool
    is_steady: bool
    months: float
    working: Array
    severity: Array
    flow: Array
    multiplier: Array


class Auditor:
    """What a lever does, in plain arithmetic; as it stands, what every lever of the class it is derived from does."""

    def most(self, seen: Seen) -> Array:
        """The most activity or substitution, t in each period: what works and is not cut."""
        return seen.working * (1.0 - seen.severity)

    def lends(self, seen: Seen, process: str) -> Array | float:
        """What it adds to the capacity of an existing process, t in each period; never above the whole capacity."""
        return 0.0

    def supplies(self, seen: Seen, commodity: str) -> Array | float:
        """What it adds to the supply of a commodity beside inputs and outputs, t in each period."""
        return 0.0

    def serves(self, seen: Seen, segment: str) -> Array | float:
        """What of a segment's demand it serves or spares beside substitution, t in each period."""
        return 0.0

    def costs(self, seen: Seen) -> Array | float:
        """What operating it costs beside the cost of its flow, money in each period."""
        return 0.0

    def spends(self, option: Any, working: Array) -> Array | float:
        """What is spent on it beside capex, fixed cost and fixed opex, money in each period of the horizon.

        Args:
            option: the option.
            working: capacity that works in each period, in the unit of its size.
        """
        return 0.0


AUDITORS: dict[str, Auditor] = {}
PLAIN = Auditor()


def register(lever: type[Any], auditor: Auditor) -> None:
    """Make a lever from outside the package known: instances may name its kind, and plans that buy it are audited.

    Args:
        lever: a class derived from `Sized`, `Stockpile` or one of the seven, with a `kind` of its own.
        auditor: its arithmetic, which must not call the lever's.

    Raises:
        TypeError: no such class, or no auditor.
        ValueError: a kind that the package has itself.
    """
    if not isinstance(auditor, Auditor):
        raise TypeError("a lever that nobody audits is not registered: give it an Auditor")
    AUDITORS[known_from_now_on(lever)] = auditor


def auditor_of(kind: str) -> Auditor | None:
    """Who audits a kind of lever; None where nobody does."""
    return PLAIN if kind in SHIPPED else AUDITORS.get(kind)
