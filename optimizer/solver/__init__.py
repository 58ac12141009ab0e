"""The solver interface: PuLP builds each model; HiGHS, CBC or this package's own branch and bound solves it.

`Model` takes and returns values in the units of the file; scaling is internal. The codes of the solvers are translated
into three statuses here and nowhere else:

    optimal      proven to the MIP gap or the absolute tolerance of the settings, after their `patience` to the wider
                 of the two; `values` is None if no solution below the cutoff was found by then
    stopped      a time limit or Ctrl-C ended the solve, or a solution or bound sufficed; `values` is the incumbent,
                 or None
    infeasible   no solution satisfies the rows, or none that does has an objective below the cutoff
"""

from optimizer.solver.base import (
    Batch,
    Clock,
    Gains,
    Integers,
    Listener,
    Progress,
    PseudoCosts,
    PseudoCostsByObjective,
    Settings,
    SolveResult,
    Vector,
    ignore,
    interruptible,
)
from optimizer.solver.kept import Basis, WarmProgramme
from optimizer.solver.model import Model, versions, write_model

__all__ = [
    "Basis",
    "Batch",
    "Clock",
    "Gains",
    "Integers",
    "Listener",
    "Model",
    "Progress",
    "PseudoCosts",
    "PseudoCostsByObjective",
    "Settings",
    "SolveResult",
    "Vector",
    "WarmProgramme",
    "ignore",
    "interruptible",
    "versions",
    "write_model",
]
