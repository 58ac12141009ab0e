"""Ally: equity or a loan buys capacity in a friendly region that our demand can call on, Lynas-style.

size   t/yr of activity, in `region`; its mathematics is that of every producing lever:
capacity   x ≤ C·Δ·(1−σ)          run   x ≥ min_utilisation·C·Δ (baseline)
"""

from typing import ClassVar, Literal

from optimizer.levers.base import Labels
from optimizer.levers.producing import Producing


class Ally(Producing):
    """A new process in a friendly region."""

    labels: ClassVar[Labels] = Labels(absent="is not built", colour=0)

    kind: Literal["ally"]
