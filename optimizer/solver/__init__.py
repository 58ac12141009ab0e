"""The only door to a solver: PuLP builds and passes the model, HiGHS is kept warm behind it, or PuLP runs CBC.

Requests and results are in the units of the file; scales are internal. Statuses are read here and nowhere else:

    optimal      proven to the MIP gap of the settings
    stopped      a time limit or Ctrl-C came first; `values` is the best found, or None
    infeasible   no values satisfy the rows
"""

from optimizer.solver.base import (
    BranchingHistories,
    BranchingHistory,
    Clock,
    Gains,
    Integers,
    Settings,
    SolveResult,
    Vector,
    interruptible,
)
from optimizer.solver.model import Model, versions, write_model
from optimizer.solver.warm import Basis, Batch, BatchResult, WarmProgramme

__all__ = [
    "Basis",
    "Batch",
    "BatchResult",
    "BranchingHistories",
    "BranchingHistory",
    "Clock",
    "Gains",
    "Integers",
    "Model",
    "Settings",
    "SolveResult",
    "Vector",
    "WarmProgramme",
    "interruptible",
    "versions",
    "write_model",
]
