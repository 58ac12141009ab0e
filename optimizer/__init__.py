"""Least-cost plans of investments with which a country or firm survives the loss of critical materials.

    >>> import optimizer as so
    >>> instance = so.load("instances/tiny.yaml")
    >>> so.solve(instance, budget="30M").plan
    <Plan
      2026  plant  20
      stock  reserve  largest 100 t>

load, read                          an Instance from a file, or from a mapping
without, under, in_future, …        the same instance with something changed: an Instance again
solve, compare, explain, …          one function for each question; each returns a value of its own
solve_futures, evaluate_futures     the same for an instance with futures, or with another objective
verify                              a result recomputed: in plain arithmetic, and each shock by the solver
write_report, write_workbook        a result as an HTML page (or a brief), or as a workbook
Auditor, register                   a lever from outside the package

Where things are: `instance.schema` has the fields of a file (`Policy`: budget, shares), `levers` the options,
`network.process` processes, demands and their floors, and what the severity of a shock (`disruptions.shock`) leaves of
a capacity, `formulation` the rows of policy and the cost, `algorithms.solving` the choice of an algorithm, `audit` the
plan recomputed, `studies` one module for each question.

A module is imported when one of its names is first used, so that `import optimizer` takes some 20 ms.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from optimizer.audit import AuditReport as AuditReport
    from optimizer.audit import Verification as Verification
    from optimizer.audit.auditor import Auditor
    from optimizer.errors import AuditError as AuditError
    from optimizer.errors import CheckpointError as CheckpointError
    from optimizer.errors import Finding, InstanceError, OptimizerError
    from optimizer.errors import GivenPlanError as GivenPlanError
    from optimizer.errors import MissingExtraError as MissingExtraError
    from optimizer.errors import OptimizerWarning as OptimizerWarning
    from optimizer.errors import PlanFileError as PlanFileError
    from optimizer.errors import PluginError as PluginError
    from optimizer.errors import SolverError as SolverError
    from optimizer.errors import WorkerError as WorkerError
    from optimizer.extend import register
    from optimizer.instance.edits import forcing, in_future, resample, under, with_budget
    from optimizer.instance.reading import read
    from optimizer.instance.removal import without
    from optimizer.instance.schema import Instance
    from optimizer.io.load import check, load
    from optimizer.io.plan_file import GivenPlan as GivenPlan
    from optimizer.io.plan_file import load_plan
    from optimizer.report.document import write_report
    from optimizer.report.excel import write_workbook
    from optimizer.results.futures import FuturesResult as FuturesResult
    from optimizer.results.plan import Build as Build
    from optimizer.results.plan import Flows as Flows
    from optimizer.results.plan import Outcome as Outcome
    from optimizer.results.plan import Plan
    from optimizer.results.plan import Service as Service
    from optimizer.results.result import Result
    from optimizer.solver import Progress as Progress
    from optimizer.solver import Settings
    from optimizer.studies.alternatives import alternatives
    from optimizer.studies.alternatives_result import Alternatives as Alternatives
    from optimizer.studies.attack import attack
    from optimizer.studies.attack_result import AttackResult as AttackResult
    from optimizer.studies.compare import compare
    from optimizer.studies.comparison import Comparison as Comparison
    from optimizer.studies.cost_shares import CostShares as CostShares
    from optimizer.studies.discovery import discover
    from optimizer.studies.discovery_result import Discovery as Discovery
    from optimizer.studies.evaluate import evaluate, evaluate_futures
    from optimizer.studies.evaluation import FuturesEvaluation as FuturesEvaluation
    from optimizer.studies.evaluation import PlanEvaluation as PlanEvaluation
    from optimizer.studies.explain import explain
    from optimizer.studies.explanation import Explanation as Explanation
    from optimizer.studies.futures.solve import solve_futures
    from optimizer.studies.futures.study import futures_study
    from optimizer.studies.futures.study_result import FuturesStudy as FuturesStudy
    from optimizer.studies.requirements import find_requirements
    from optimizer.studies.requirements_result import Requirements as Requirements
    from optimizer.studies.sensitivity import sensitivity
    from optimizer.studies.sensitivity_result import Sensitivity as Sensitivity
    from optimizer.studies.sharing import share_costs
    from optimizer.studies.solve import solve, withstand
    from optimizer.studies.stress import stress
    from optimizer.studies.stress_result import Stress as Stress
    from optimizer.studies.time_to_survive import Chokepoint as Chokepoint
    from optimizer.studies.time_to_survive import TimeToSurvive as TimeToSurvive
    from optimizer.studies.time_to_survive import time_to_survive
    from optimizer.studies.verify import verify

_NAMES_OF = {
    "studies.alternatives": ("alternatives",),
    "studies.alternatives_result": ("Alternatives",),
    "studies.attack": ("attack",),
    "studies.attack_result": ("AttackResult",),
    "studies.compare": ("compare",),
    "studies.comparison": ("Comparison",),
    "studies.evaluate": ("evaluate", "evaluate_futures"),
    "studies.evaluation": ("FuturesEvaluation", "PlanEvaluation"),
    "studies.time_to_survive": ("Chokepoint", "TimeToSurvive", "time_to_survive"),
    "studies.discovery": ("discover",),
    "studies.discovery_result": ("Discovery",),
    "studies.explain": ("explain",),
    "studies.explanation": ("Explanation",),
    "studies.futures.study": ("futures_study",),
    "studies.futures.study_result": ("FuturesStudy",),
    "studies.requirements": ("find_requirements",),
    "studies.requirements_result": ("Requirements",),
    "studies.sensitivity_result": ("Sensitivity",),
    "studies.sensitivity": ("sensitivity",),
    "studies.cost_shares": ("CostShares",),
    "studies.sharing": ("share_costs",),
    "studies.futures.solve": ("solve_futures",),
    "studies.stress_result": ("Stress",),
    "studies.stress": ("stress",),
    "studies.verify": ("verify",),
    "studies.solve": ("solve", "withstand"),
    "audit.auditor": ("Auditor",),
    "audit": ("AuditReport", "Verification"),
    "errors": (
        "AuditError", "CheckpointError", "Finding", "GivenPlanError", "InstanceError", "MissingExtraError",
        "OptimizerError", "OptimizerWarning", "PlanFileError", "PluginError", "SolverError", "WorkerError",
    ),
    "io.load": ("check", "load"),
    "io.plan_file": ("GivenPlan", "load_plan"),
    "instance.reading": ("read",),
    "instance.schema": ("Instance",),
    "instance.edits": ("forcing", "in_future", "resample", "under", "with_budget"),
    "instance.removal": ("without",),
    "results.plan": ("Build", "Flows", "Outcome", "Plan", "Service"),
    "extend": ("register",),
    "report.excel": ("write_workbook",),
    "report.document": ("write_report",),
    "results.futures": ("FuturesResult",),
    "results.result": ("Result",),
    "solver": ("Progress", "Settings"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _NAMES_OF.items() for name in names}

# What users call. The other names of `_NAMES_OF` can be imported too, for type hints and `except`: types and errors.
__all__ = [
    "Auditor", "Finding", "Instance", "InstanceError", "OptimizerError", "Plan", "Result", "Settings",
    "alternatives", "attack", "check", "compare", "discover", "evaluate", "evaluate_futures", "explain",
    "find_requirements", "forcing", "futures_study", "in_future", "load", "load_plan", "read", "register", "resample",
    "sensitivity", "share_costs", "solve", "solve_futures", "stress", "time_to_survive", "under", "verify",
    "with_budget", "without", "withstand", "write_report", "write_workbook",
]  # fmt: skip


if not TYPE_CHECKING:  # With `__getattr__` in sight, a type checker would accept any misspelt name.

    def __getattr__(name: str) -> Any:
        if name in _MODULE_OF:
            return getattr(import_module(f"optimizer.{_MODULE_OF[name]}"), name)
        if name == "__version__":
            from importlib.metadata import version

            return version("optimizer")
        raise AttributeError(f"module 'optimizer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(["__version__", *_MODULE_OF])
