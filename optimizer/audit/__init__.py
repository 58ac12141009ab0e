"""The plan again, in plain arithmetic of its own: no PuLP, no HiGHS, and none of the levers' code.

From the builds, the stock purchases and the flows alone it recomputes lead times, ramps, capacities, stocks, balances,
floors, costs and outlay, and holds every row and every figure of the result against them. A row may be off by a
millionth of its own largest term, so that grams of dysprosium are judged as grams.
"""

from collections.abc import Sequence
from dataclasses import replace

from optimizer.audit.auditor import ActivityAuditor, Auditor, Holding, Operation
from optimizer.audit.figures import Figures
from optimizer.audit.plan import options_without_auditor
from optimizer.audit.report import Report
from optimizer.audit.saved import Saved, check_absent
from optimizer.instance.schema import Instance
from optimizer.results.plan import ManyFlows
from optimizer.results.result import Result

__all__ = ["ActivityAuditor", "Auditor", "Holding", "Operation", "Report", "complete", "verify"]


def verify(instance: Instance, result: Result, many: Sequence[ManyFlows] = ()) -> Report:
    """Audit a result: recompute every figure from the instance, in plain arithmetic.

    Args:
        instance: the instance that the result claims to answer.
        result: a result of `solve`, or one that was saved, or changed by hand.
        many: the flows of shocks of which the result keeps only a line, where they are still at hand. Then they are
            recomputed like all others, and the line is held against them; without, a line is held against itself.

    Returns:
        The report. Its `ok` says whether everything agrees; `Report.require` raises `AuditError` where it does not.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml")
        >>> so.verify(instance, so.solve(instance)).ok
        True
    """
    report = Report()
    report.disagreements += result.departures
    report.disagreements += [f"{o}.kind: its kind has no auditor" for o in options_without_auditor(instance)]
    try:
        if result.baseline is None and result.status in ("none", "stopped"):
            check_absent(instance, result, report)
        else:
            Saved(instance, result, report).run(many)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        report.disagreements.append(f"the plan does not fit its instance: {type(error).__name__}: {error}")
    return report


def complete(instance: Instance, result: Result, many: Sequence[ManyFlows]) -> tuple[Result, Report]:
    """A result that lacks costs, outlays and its audit, with these; and the report of what was recomputed for them."""
    report = Report()
    try:
        Figures(instance, result, report).run(many)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        report.disagreements.append(f"the plan does not fit its instance: {type(error).__name__}: {error}")
    no_shock = None if result.no_shock is None else replace(result.no_shock, costs=report.no_shock_costs)
    made = replace(result, costs=report.costs, outlays=report.outlays, no_shock=no_shock, audit=report.to_dict())
    return made, report
