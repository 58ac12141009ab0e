"""The contract written a second time, from the specification alone: see `future`."""

from tests.independent.optimum import Optimum, changed, leaves, optimum
from tests.independent.programme import Data, series

__all__ = ["Data", "Optimum", "changed", "leaves", "optimum", "series"]
