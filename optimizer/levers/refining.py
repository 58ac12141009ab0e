"""Refining: domestic separation, metal or magnet making.

size   t/yr of activity, in the home region unless told; its mathematics is that of every producing lever:
capacity   x ≤ C·Δ·(1−σ)          run   x ≥ min_utilisation·C·Δ (baseline)
"""

from typing import Literal

from optimizer.levers.producing import Producing


class Refining(Producing):
    """A new process at home."""

    kind: Literal["refining"]
