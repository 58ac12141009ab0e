"""The only door to a solver: PuLP builds and passes the model, HiGHS is kept warm behind it, or PuLP runs CBC.

Requests and results are in the units of the file; scales are internal. Statuses are read here and nowhere else:

    optimal      proven to the MIP gap of the settings
    stopped      a time limit or Ctrl-C came first; `values` is the best found, or None
    infeasible   no values satisfy the rows
"""

from optimizer.solver.base import BranchingHistories as BranchingHistories
from optimizer.solver.base import BranchingHistory as BranchingHistory
from optimizer.solver.base import Clock as Clock
from optimizer.solver.base import Gains as Gains
from optimizer.solver.base import Integers as Integers
from optimizer.solver.base import Settings as Settings
from optimizer.solver.base import SolveResult as SolveResult
from optimizer.solver.base import Vector as Vector
from optimizer.solver.base import interruptible as interruptible
from optimizer.solver.model import Model as Model
from optimizer.solver.model import versions as versions
from optimizer.solver.model import write_model as write_model
from optimizer.solver.warm import Basis as Basis
from optimizer.solver.warm import Batch as Batch
from optimizer.solver.warm import BatchResult as BatchResult
from optimizer.solver.warm import WarmProgramme as WarmProgramme
