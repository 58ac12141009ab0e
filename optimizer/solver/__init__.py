"""What solves a model: PuLP builds and passes it, HiGHS keeps it warm or PuLP runs CBC, or a tree search of our own.

What `Model` takes and gives is in the units of the file; scales are internal. Statuses are read here and nowhere else:

    optimal      proven to the MIP gap of the settings, or to their tolerance; after their patience either will do;
                 `values` is None where nothing below the cutoff was found until then
    stopped      a time limit or Ctrl-C came first, or a value or bound was found that is enough; `values` is the best
                 found, or None
    infeasible   no values satisfy the rows, or none that do have an objective below the cutoff
"""

from optimizer.solver.base import (
    AT_GAP,
    Batch,
    BranchingHistories,
    BranchingHistory,
    Clock,
    Gains,
    Integers,
    Listener,
    Progress,
    Settings,
    SolveResult,
    Vector,
    ignore,
    interruptible,
)
from optimizer.solver.kept import Basis, BatchResult, WarmProgramme
from optimizer.solver.model import Model, versions, write_model

__all__ = [
    "AT_GAP",
    "Basis",
    "Batch",
    "BatchResult",
    "BranchingHistories",
    "BranchingHistory",
    "Clock",
    "Gains",
    "Integers",
    "Listener",
    "Model",
    "Progress",
    "Settings",
    "SolveResult",
    "Vector",
    "WarmProgramme",
    "ignore",
    "interruptible",
    "versions",
    "write_model",
]
