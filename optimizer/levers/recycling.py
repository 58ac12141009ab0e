"""Recycling: a process fed by a scrap commodity, limited by its capacity and by the scrap that `end_of_life` supplies.

size   t/yr of activity; columns and rows as in `base`, x ≤ C·Δ·(1−σ)

The limit by scrap is the balance of the scrap commodity, like that of any other input.
"""

from typing import ClassVar, Literal

from optimizer.levers.base import Labels, Producing


class Recycling(Producing):
    """A new process that recovers commodities from scrap."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=2)
    is_at_home: ClassVar[bool] = True

    kind: Literal["recycling"]
