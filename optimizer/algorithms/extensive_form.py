"""One big model: the plan, the baseline and every shock written out."""

from dataclasses import dataclass

from optimizer.algorithms.base import Listener, Solved
from optimizer.algorithms.restricted import Run
from optimizer.instance.schema import Instance
from optimizer.solver import Clock, Settings


@dataclass(frozen=True)
class Whole:
    """The strategy that writes every shock out."""

    def run(self, instance: Instance, settings: Settings, clock: Clock, listener: Listener) -> Solved:
        """Find the cheapest plan that survives, or the one with the least gap."""
        run = Run(instance, instance.events, settings, clock, listener)
        return run.kept() or run.least_gap()
