"""Refining: domestic separation, metal or magnet making.

size   t/yr of activity; columns and rows as in `base`, x ≤ C·Δ·(1−σ)
"""

from typing import ClassVar, Literal

from optimizer.levers.base import Labels, Producing


class Refining(Producing):
    """A new process at home."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=1)
    is_at_home: ClassVar[bool] = True

    kind: Literal["refining"]
