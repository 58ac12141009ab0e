"""Ally: equity or a loan buys capacity in a friendly region that our demand can call on.

size   t/yr of activity; columns and rows as in `base`, x ≤ C·Δ·(1−σ)
"""

from typing import ClassVar, Literal

from optimizer.levers.base import Labels, Producing


class Ally(Producing):
    """A new process in a friendly region."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=0)

    kind: Literal["ally"]
