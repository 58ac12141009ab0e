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
    from optimizer.analysis.alternatives import Alternatives, alternatives
    from optimizer.analysis.attack import Onslaught, attack
    from optimizer.analysis.compare import compare
    from optimizer.analysis.comparison import Comparison
    from optimizer.analysis.endurance import time_to_survive
    from optimizer.analysis.explain import Explanation, explain
    from optimizer.analysis.sensitivity import Sensitivity, sensitivity
    from optimizer.analysis.solve import solve
    from optimizer.analysis.stress import Stress, stress
    from optimizer.analysis.verification import Verification, verify_plan
    from optimizer.analysis.withstanding import withstand
    from optimizer.audit import Auditor, register, verify
    from optimizer.errors import AuditError, Finding, InstanceError, OptimizerError, PlanFileError, SolverError
    from optimizer.instance.load import inspect, load, read
    from optimizer.instance.schema import Instance
    from optimizer.instance.variants import forcing, under, without
    from optimizer.plan import Build, Flows, Outcome, Plan, Service
    from optimizer.report.workbook import write_workbook
    from optimizer.report.writing import write_report
    from optimizer.result import Result
    from optimizer.solver import Settings

_HOMES = {
    "analysis.alternatives": ("Alternatives", "alternatives"),
    "analysis.attack": ("Onslaught", "attack"),
    "analysis.compare": ("compare",),
    "analysis.comparison": ("Comparison",),
    "analysis.endurance": ("time_to_survive",),
    "analysis.explain": ("Explanation", "explain"),
    "analysis.sensitivity": ("Sensitivity", "sensitivity"),
    "analysis.solve": ("solve",),
    "analysis.stress": ("Stress", "stress"),
    "analysis.verification": ("Verification", "verify_plan"),
    "analysis.withstanding": ("withstand",),
    "audit": ("Auditor", "register", "verify"),
    "errors": ("AuditError", "Finding", "InstanceError", "OptimizerError", "PlanFileError", "SolverError"),
    "instance.load": ("inspect", "load", "read"),
    "instance.schema": ("Instance",),
    "instance.variants": ("forcing", "under", "without"),
    "plan": ("Build", "Flows", "Outcome", "Plan", "Service"),
    "report.workbook": ("write_workbook",),
    "report.writing": ("write_report",),
    "result": ("Result",),
    "solver": ("Settings",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Alternatives",
    "AuditError",
    "Auditor",
    "Build",
    "Comparison",
    "Explanation",
    "Finding",
    "Flows",
    "Instance",
    "InstanceError",
    "Onslaught",
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
    "sensitivity",
    "solve",
    "stress",
    "time_to_survive",
    "under",
    "verify",
    "verify_plan",
    "without",
    "withstand",
    "write_report",
    "write_workbook",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"optimizer.{_HOME[name]}"), name)
    raise AttributeError(f"module 'optimizer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
