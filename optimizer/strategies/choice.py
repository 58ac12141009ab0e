"""Which violated shocks to write out."""

from collections.abc import Mapping, Sequence

from optimizer.shocks import Shock


def worst(events: Sequence[Shock], violated: Mapping[int, float], at_most: int) -> list[int]:
    """The worst violators; of near-copies (one entry of the file, windows that overlap) only the worst.

    Args:
        events: all shocks.
        violated: by number, the gap in money.
        at_most: how many.
    """
    chosen: list[int] = []
    for number in sorted(violated, key=lambda number: -violated[number]):
        if not any(_alike(events[number], events[other]) for other in chosen):
            chosen.append(number)
        if len(chosen) == at_most:
            break
    return chosen


def _alike(one: Shock, other: Shock) -> bool:
    overlaps = one.periods.start < other.periods.stop and other.periods.start < one.periods.stop
    return one.entry == other.entry and overlaps
