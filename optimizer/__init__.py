"""The cheapest set of moves that lets a country survive being cut off, and what each dollar buys.

    >>> import optimizer as so
    >>> instance = so.load("instances/tiny.yaml")
    >>> result = so.solve(instance, budget=2e9)
    >>> result.plan

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optimizer.audit import Auditor, verify
    from optimizer.errors import AuditError, Finding, InstanceError, OptimizerError, PlanFileError, SolverError
    from optimizer.instance.edits import forcing, resample, under, with_budget, without
    from optimizer.instance.reading import read
    from optimizer.instance.schema import Instance
    from optimizer.io.load import inspect, load
    from optimizer.plugins import register
    from optimizer.report.excel import write_workbook
    from optimizer.report.html.page import write_report
    from optimizer.results.plan import Build, Flows, Outcome, Plan, Service
    from optimizer.results.result import Result
    from optimizer.solver import Settings
    from optimizer.studies.alternatives import Alternatives, alternatives
    from optimizer.studies.attack import AttackResult, attack
    from optimizer.studies.compare import compare
    from optimizer.studies.comparison import Comparison
    from optimizer.studies.explain.explain import Explanation, explain
    from optimizer.studies.sensitivity import Sensitivity, sensitivity
    from optimizer.studies.solve import solve
    from optimizer.studies.stress import Stress, stress
    from optimizer.studies.time_to_survive import time_to_survive
    from optimizer.studies.verify import Verification, verify_plan
    from optimizer.studies.withstand import withstand

_HOMES = {
    "studies.alternatives": ("Alternatives", "alternatives"),
    "studies.attack": ("AttackResult", "attack"),
    "studies.compare": ("compare",),
    "studies.comparison": ("Comparison",),
    "studies.time_to_survive": ("time_to_survive",),
    "studies.explain.explain": ("Explanation", "explain"),
    "studies.sensitivity": ("Sensitivity", "sensitivity"),
    "studies.solve": ("solve",),
    "studies.stress": ("Stress", "stress"),
    "studies.verify": ("Verification", "verify_plan"),
    "studies.withstand": ("withstand",),
    "audit": ("Auditor", "verify"),
    "errors": ("AuditError", "Finding", "InstanceError", "OptimizerError", "PlanFileError", "SolverError"),
    "io.load": ("inspect", "load"),
    "instance.reading": ("read",),
    "instance.schema": ("Instance",),
    "instance.edits": ("forcing", "resample", "under", "with_budget", "without"),
    "results.plan": ("Build", "Flows", "Outcome", "Plan", "Service"),
    "plugins": ("register",),
    "report.excel": ("write_workbook",),
    "report.html.page": ("write_report",),
    "results.result": ("Result",),
    "solver": ("Settings",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Alternatives",
    "AttackResult",
    "AuditError",
    "Auditor",
    "Build",
    "Comparison",
    "Explanation",
    "Finding",
    "Flows",
    "Instance",
    "InstanceError",
    "OptimizerError",
    "Outcome",
    "Plan",
    "PlanFileError",
    "Result",
    "Sensitivity",
    "Service",
    "Settings",
    "SolverError",
    "Stress",
    "Verification",
    "alternatives",
    "attack",
    "compare",
    "explain",
    "forcing",
    "inspect",
    "load",
    "read",
    "register",
    "resample",
    "sensitivity",
    "solve",
    "stress",
    "time_to_survive",
    "under",
    "verify",
    "verify_plan",
    "with_budget",
    "without",
    "withstand",
    "write_report",
    "write_workbook",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"optimizer.{_HOME[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("optimizer")
    raise AttributeError(f"module 'optimizer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
