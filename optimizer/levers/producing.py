"""Levers that are processes: ally, refining and recycling, which differ in where they stand and what they are fed.

ally        equity or a loan buys capacity in a friendly region that our demand can call on
refining    domestic separation, metal or magnet making
recycling   fed by a scrap commodity, limited by its capacity and by the scrap that `end_of_life` supplies: the limit by
            scrap is the balance of that commodity, like that of any other input

size   t/yr of activity; columns and rows as in `base`, x ≤ C·Δ·(1−σ)
"""

from typing import ClassVar, Literal

from optimizer.levers.base import Labels, Producing


class Ally(Producing):
    """A new process in a friendly region."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=0)

    kind: Literal["ally"]


class Refining(Producing):
    """A new process at home."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=1)
    is_at_home: ClassVar[bool] = True

    kind: Literal["refining"]


class Recycling(Producing):
    """A new process that recovers commodities from scrap."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=2)
    is_at_home: ClassVar[bool] = True

    kind: Literal["recycling"]
