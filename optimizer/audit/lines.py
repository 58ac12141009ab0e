"""Shocks that a result keeps as a line without flows: the segments that they name, and the demand left unserved."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from optimizer.audit import AuditReport
from optimizer.audit.auditor import AuditBasis
from optimizer.disruptions.shock import Shock
from optimizer.results.plan import Array, Outcome, Service
from optimizer.results.result import Result
from optimizer.tolerances import AUDIT_RELATIVE


def check_segments(basis: AuditBasis, result: Result) -> None:
    """Check that shocks with flows name every segment, and lines none without a reason.

    The reasons: it fails, no other shock leaves more of it unserved, or, for one of them, it is the weakest. Whether a
    line leaves one out is seen only where it is solved again.
    """
    demands, most, report = set(basis.instance.demands), _most_unserved(result.shocks), basis.report
    for outcome in result.shocks:
        is_line = outcome.flows is None
        known = _names_what_is_due(outcome, demands, most) if is_line else outcome.segments.keys() == demands
        report.holds(f"{outcome.name}.segments", "these are not the segments that it has to name", known)
        report.holds(f"{outcome.name}.unserved", "it repeats its segments", is_line or outcome.unserved is None)
        is_known = demands.issuperset(outcome.unserved or ())
        report.holds(f"{outcome.name}.unserved", "it names an unknown segment", is_known)


def _names_what_is_due(line: Outcome, demands: AbstractSet[str], most: Mapping[str, float]) -> bool:
    """Return whether a line names segments, and at most one of them only because it is the weakest."""
    named = line.segments
    others = [d for d, each in named.items() if not each.below_floor > 0 and not _is_most(each, most[d])]
    return len(others) <= 1 and named.keys() <= demands and (bool(named) or not demands)


def _most_unserved(outcomes: Sequence[Outcome]) -> Mapping[str, float]:
    """Return by segment the largest amount that a shock leaves unserved, t."""
    most = dict[str, float]()
    for outcome in outcomes:
        named = {d: each.shortage for d, each in outcome.segments.items()}
        for d, tonnes in {**(outcome.unserved or {}), **named}.items():
            most[d] = max(most.get(d, 0.0), tonnes)
    return most


def _is_most(stated: Service, most: float) -> bool:
    return 0.0 < stated.shortage >= (1.0 - AUDIT_RELATIVE) * most


def check_unserved(
    report: AuditReport, d: str, outcomes: Sequence[Outcome], shortage: Array, least_scale: Array
) -> None:
    """Check the unserved demand that lines state of a segment against the recomputed `shortage`, t by shock."""
    who = [s for s, outcome in enumerate(outcomes) if outcome.unserved is not None]
    stated = [(outcomes[s].unserved or {}).get(d, 0.0) for s in who]
    report.agree(lambda i: f"{outcomes[who[i]].name}/{d}.unserved", stated, shortage[who], least_scale=least_scale[who])


def check_unserved_of_lines(basis: AuditBasis, d: str, lines: Sequence[Outcome]) -> None:
    """Check the unserved demand stated by lines against the same line's segment, or the most its floor allows."""
    some = [line for line in lines if line.unserved is not None]
    shocks = [basis.events[line.name] for line in some]
    stated = np.array([(line.unserved or {}).get(d, 0.0) for line in some])
    named = np.array([line.segments[d].shortage if d in line.segments else np.nan for line in some])
    most = np.array([_most_above_floor(basis, d, shock) for shock in shocks])
    demanded = np.array([total_demand(basis, d, shock) for shock in shocks])
    least_scale = np.maximum(basis.scales.least, demanded)

    def row(s: int) -> str:
        return f"{some[s].name}/{d}.unserved"

    report, is_named = basis.report, ~np.isnan(named)
    report.agree(row, stated, np.where(is_named, named, stated), least_scale=least_scale)
    report.at_most(row, 0.0, stated, least_scale=least_scale)
    report.at_most(row, stated, np.where(is_named, demanded, most), least_scale=least_scale)


def _most_above_floor(basis: AuditBasis, d: str, shock: Shock) -> float:
    """Return the largest unserved demand of a segment whose floor holds, t."""
    demand, own = basis.instance.demands[d], shock.spec.survival.get(d)
    floors = basis.by_period(demand.survival)[shock.periods] if own is None else own
    usual = basis.by_period(demand.quantity)[shock.periods] * basis.delta
    return float(((1.0 - floors) * usual).sum() * shock.spec.demand.get(d, 1.0))


def total_demand(basis: AuditBasis, d: str, shock: Shock) -> float:
    """Return the demand of a segment over the window of a shock, t."""
    usual = basis.by_period(basis.instance.demands[d].quantity)[shock.periods].sum() * basis.delta
    return float(usual * shock.spec.demand.get(d, 1.0))
