"""Verification of a saved plan: the audit, and a solver for figures that arithmetic alone cannot check.

The least gap of a shock and its least cost under a plan are unique, but not the segments and periods of a shortage. If
the recourse LP finds other flows than those behind a summary line, `matching_flows` searches for flows with the figures
of the line: its segments, worst periods and shortages, and no weaker service in any other segment. The audit then
compares these flows with the line.

    Σₜ u[d,t] = shortage                 for segments that the line names, or whose unserved demand it states
    u[d,w] = (1 − service)·D[d,w]        w: worst period of the segment in the line, or in the table of services
    u[d,t] ≤ (1 − φ − margin)·D[d,t]     margin: the least one that the line, or the table of services, allows
    u[d,t] ≤ (1 − φ)·D[d,t]              before the first failure
    Σₜ v[d,t] ≤ below floor
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Literal, get_args

import numpy as np

from optimizer import arguments
from optimizer.algorithms.extensive_form import solve_extensive_form
from optimizer.algorithms.reading import read_many, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.separation.attacks import AttackOracle
from optimizer.algorithms.solving import open_evaluator
from optimizer.audit import DISAGREES, AuditReport, Verification
from optimizer.audit.figures import DETERRING, check_joint_figures, measure_of_futures
from optimizer.audit.result import audit_result, check_futures, under_its_attacks
from optimizer.disruptions.path import Path
from optimizer.disruptions.shock import Shock
from optimizer.formulation import amount_bought, extensive_form_model, recourse_model
from optimizer.instance.altered import without_attacks, without_disruptions
from optimizer.instance.edits import other_instance_notes
from optimizer.instance.operation_paths import MANY, shared_path
from optimizer.instance.schema import Instance, require_instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression, total
from optimizer.results.futures import FuturesResult
from optimizer.results.plan import DoNothing, ManyFlows, Outcome, Service, Weakest
from optimizer.results.result import Result, require_result, weakest
from optimizer.results.saved import NOT_EVIDENCE, SavedPlan
from optimizer.risk import cost
from optimizer.solver import Clock, Listener, Model, Settings, Vector, ignore
from optimizer.studies.conclusion import solve_instance
from optimizer.studies.futures.stages import decisions
from optimizer.studies.outcomes import do_nothing_outcome, outcomes, survey
from optimizer.studies.solve import search_robust, worst_attacks
from optimizer.tolerances import AUDIT_MONEY_SCALE, NEGLIGIBLE, PLAN_GAP, ROUNDING, SAME_FIGURE


def matching_flows(
    instance: Instance,
    evaluator: RecourseEvaluator,
    plan: Vector,
    line: Outcome,
    services: Mapping[str, Weakest],
    clock: Clock,
) -> ManyFlows | None:
    """Return the cheapest flows with the figures of a summary line; None if there are none.

    `plan` has the values of the columns of `first_stage_model`, `services` the worst service of each segment over all
    shocks.

    Raises:
        SolverError: the solver failed.
    """
    shock = instance.event(line.name)
    # For a single shock, years are numbers, not arrays.
    years = tuple(map(instance.horizon.year, shock.periods))
    path = replace(shared_path(instance, [shock]), years=years)
    builder = recourse_model(instance, path, evaluator.subproblems.plan)
    _fix_linking_terms(builder, evaluator, plan, shock)
    for d in instance.demands:
        _Segment(instance, builder, path, shock, d).require_figures(line, services.get(d))
    booked = builder.accounts("operating").items()
    operating = total(instance.discount(shock.periods.start + int(k)) * amount for (_, k), amount in booked)
    answer = Model(builder, operating, Settings(threads=1), clock).solve(relaxed=True)
    if answer.values is None:
        return None
    return read_many(instance, builder.column_index(), np.array([answer.values]), [shock])


def _fix_linking_terms(builder: ModelBuilder, evaluator: RecourseEvaluator, plan: Vector, shock: Shock) -> None:
    """Fix the columns of the linking terms to their values under the plan."""
    matrix = evaluator.subproblems.linking_matrix
    terms = matrix.linking_terms(plan)
    for column in builder.columns:
        if column.given:
            place = matrix.first[column.mark.owner, column.mark.what] + shock.periods.start + column.t + 1
            column.lower = column.upper = float(terms[place])


class _Segment:
    """One segment in the window of one shock."""

    def __init__(self, instance: Instance, builder: ModelBuilder, path: Path, shock: Shock, d: str) -> None:
        self.builder, self.path, self.d = builder, path, d
        self.labels = [instance.horizon.label(t) for t in shock.periods]
        self.unserved = builder.linked(f"{path.key}/{d}", "unserved")

    def require_figures(self, line: Outcome, worst: Weakest | None) -> None:
        """Add the rows that fix the segment's figures to those of the line and of its worst service."""
        stated = line.segments.get(self.d)
        named = [(stated.worst_period, stated.worst_service)] if stated else []
        if worst is not None and worst.worst_shock == line.name:
            named.append((worst.worst_period, worst.worst_service))
        # A period that both of them name has a single row.
        fixed = {self._offset(label): served for label, served in named}
        for k, unserved in self.unserved.items():
            demanded = self.path.demand_at(self.d, k)
            if k in fixed:
                self.builder.require(self.d, "named", k, unserved, "==", (1.0 - fixed[k]) * demanded)
            else:
                most = (
                    max(0.0, 1.0 - self.path.floor_at(self.d, k) - self._margin(k, line, worst) + ROUNDING) * demanded
                )
                self.builder.require(self.d, "margin", k, unserved, "<=", most)
        if stated is not None:
            self._require_sums(stated)
        elif line.unserved is not None:
            short = line.unserved.get(self.d, 0.0)
            self.builder.require(self.d, "shortage", None, total(self.unserved.values()), "==", short)

    def _margin(self, k: int, line: Outcome, worst: Weakest | None) -> float:
        """Return the least margin that the segment may have in period k of the window."""
        floor, stated = self.path.floor_at(self.d, k), line.segments.get(self.d)
        weakest = stated or min(line.segments.values(), key=lambda service: service.margin, default=None)
        kept = max(_least_margin(weakest, floor), _least_margin(worst, floor))
        may_fail = stated is not None and stated.first_failure is not None and k >= self._offset(stated.first_failure)
        return kept if may_fail else max(kept, 0.0)

    def _require_sums(self, stated: Service) -> None:
        self.builder.require(self.d, "shortage", None, total(self.unserved.values()), "==", stated.shortage)
        below = self.builder.column_index().get((MANY, self.d, "below"), {})
        amount = total(Expression({column: 1.0}) for column in below.values())
        self.builder.require(self.d, "below_floor", None, amount, "<=", stated.below_floor)

    def _offset(self, label: str) -> int:
        """Return the offset of a period in the window, or −1 if it lies outside."""
        return self.labels.index(label) if label in self.labels else -1


def _least_margin(worst: Service | Weakest | None, floor: float) -> float:
    """Return the margin of the worst service, or −∞ without one; floors of 0 are not compared with positive floors."""
    if worst is None or (floor <= 0 < worst.floor):
        return -math.inf
    return worst.margin


Extent = Literal["arithmetic", "recourse", "proof"]
BOUNDS = ("bound", "gap_bound")


def verify(
    instance: Instance, result: Result | FuturesResult, extent: Extent = "recourse", *, listener: Listener = ignore
) -> Verification:
    """Recompute a result, as the command does: in plain arithmetic, and by the solver with its plan held fixed.

    Args:
        instance: the solved instance, with its budget and scenario: `result.solved_instance`, or `read(result.data)`
            of a loaded result. Attacks that shaped the plan need not be among its shocks.
        result: a result, saved or changed by hand. With several futures, each future is recomputed by itself, and then
            the figures that combine them; bounds are not proven again.
        extent: ``arithmetic``, only the audit, as with ``--quick``; ``recourse``, also every shock by the recourse
            LP (the only check of those without flows), the do-nothing plan, cost and purchases of the no-shock plan,
            and the worst attack; ``proof``, also bounds and status, as with ``--prove``: the instance is solved again.
        listener: receives every step of a solve.

    Returns:
        The disagreements, and the names of the parts `not_recomputed`. If the arithmetic disagrees, nothing is solved.

    Example:
        >>> import optimizer as so
        >>> instance = so.load("instances/tiny.yaml")
        >>> so.verify(instance, so.solve(instance)).require().not_recomputed
        ('bound', 'gap_bound')

    Raises:
        SolverError: the solver failed.
        ValueError: an unknown extent.
    """
    if instance is None and isinstance(result, SavedPlan):
        raise TypeError("a result from a file has no solved_instance: verify(read(result.data), result)")
    require_instance(instance)
    require_result(result)
    arguments.choice("extent", extent, get_args(Extent))
    arguments.function("listener", listener)
    if isinstance(result, FuturesResult):
        found = _verify_futures(instance, result, extent, listener)
    else:
        found = _Check(instance, result, extent, listener).run()
    found.disagreements[:0] = other_instance_notes(result, instance) if found.disagreements else []
    return found


def audit_warnings(instance: Instance, result: Result | FuturesResult) -> tuple[str, ...]:
    """Return one warning if a plan disagrees with plain arithmetic; otherwise empty."""
    found = verify(instance, result, "arithmetic").report.disagreements
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return (f"{DISAGREES} It was changed since it was solved. {found[0]}{more}",) if found else ()


# Parts of a plan of several futures that are never recomputed, since they need another solve.
_OF_FUTURES = ("bound", "gap_bound", "price_of_survival", "futures.least_cost", "futures.least_bound")


def _verify_futures(instance: Instance, result: FuturesResult, extent: Extent, listener: Listener) -> Verification:
    report, solved, left_out = check_futures(instance, result), 0, 0
    left = dict.fromkeys(_OF_FUTURES if result.futures else ("status", "clash"))
    for future, stated in zip(instance.tree.futures, result.futures, strict=False):
        # The tolerance of the expected gap applies to each future, since all of it may occur in an unlikely one.
        gap = result.survival_gap / future.probability
        found = _Check(future.instance, stated.result, extent, listener, gap).run()
        report.add(stated.name or "plan", found.report)
        solved, left_out = solved + found.lines_solved, left_out + found.lines_not_recomputed
        left |= dict.fromkeys(f"futures.result.{each}" for each in found.not_recomputed)
    if report.ok and result.futures:
        priced = measure_of_futures(instance, result.futures, instance.policy.gap_price or 0.0)
        check_joint_figures(instance, result, priced, report)
        _compare_decisions(instance, result, report)
    report.disagreements += result.departures
    return Verification(report, solved, left_out, tuple(left), dict(NOT_EVIDENCE))


def _compare_decisions(instance: Instance, result: FuturesResult, report: AuditReport) -> None:
    """Compare regrets with their costs, and listed decisions with the futures' own plans and prices."""
    price = instance.policy.gap_price or 0.0
    for future in result.futures:
        if future.regret is not None and future.least_cost is not None:
            priced = future.cost + price * future.result.survival_gap
            report.agree(f"{future.name}.regret", future.regret, priced - future.least_cost, priced)
    implied = decisions(instance.tree, [each.result for each in result.futures])
    key = attrgetter("option", "kind", "t", "year", "period", "is_stock", "opened", "futures")
    listed = {key(each): each for each in result.decisions}
    report.matches("decisions", set(listed), set(map(key, implied)))
    for each in implied if report.ok else ():
        row, mine = f"{each.option}.{each.period} in {', '.join(each.futures)}", listed[key(each)]
        report.agree(f"decisions.{row}", mine.size, each.size)
        for name, stated, paid in zip(each.futures, mine.paid, each.paid, strict=True):
            report.agree(f"decisions.paid.{row}: {name}", stated, paid)


class _Check:
    """One verification: `report` collects disagreements, `left` the names of parts that are not recomputed.

    `gap` is the total gap that scales the tolerance of each shock's gap, money; None takes the gap of the result.
    """

    def __init__(
        self, instance: Instance, result: Result, extent: Extent, listener: Listener, gap: float | None = None
    ) -> None:
        self.instance, self.result = under_its_attacks(instance, result), result
        self.extent, self.listener = extent, listener
        self.total_gap = result.survival_gap if gap is None else gap
        self.report, self.clock, self.left = audit_result(instance, result), Clock(), list[str]()
        self.lines = sum(outcome.flows is None for outcome in result.shocks)
        # The MIP gap of the file, if it states one: its figures are not proven to a smaller one.
        own = result.settings.get("gap")
        self.mip_gap = max(PLAN_GAP, own) if isinstance(own, float) and own <= 1 else PLAN_GAP
        self.settings = Settings(mip_gap=min(self.mip_gap, PLAN_GAP))

    def run(self) -> Verification:
        """Recompute the parts that the extent covers."""
        solved = 0
        if self.result.baseline is None:
            self._check_no_plan()
        elif self.extent == "arithmetic" or not self.report.ok:
            self.left += ["nothing", "calm_cost", "calm_builds", *self._bounds]
            self.left += ["adversary.worst"] if self.result.adversary else []
        else:
            solved = self.lines
            self._check_recourse()
        return Verification(self.report, solved, self.lines - solved, tuple(self.left), dict(NOT_EVIDENCE))

    def _check_no_plan(self) -> None:
        """Check a result without a plan; only a proof searches for a plan again."""
        if self.result.status == "none" and self.extent == "proof" and self.report.ok:
            again = self._solve_instance_again()
            self.report.matches("status", "none", again.status, remark="solved again")
        elif self.result.status == "none":
            self.left.append("status")
        self.left += ["clash"] if self.result.clash else []

    def _check_recourse(self) -> None:
        with open_evaluator(self.instance, Settings(), None) as evaluator:
            again, flows = solve_shocks(self.instance, self.result, evaluator, self.clock)
            if self.lines:
                self.report = audit_result(self.instance, self.result, flows)
            self._check_shocks(again)
            self._check_do_nothing(evaluator)
        self._check_no_shock_plan()
        self._check_worst_attack()
        # A given plan has no proven bound to compare.
        if self.extent == "proof" and self.result.given is None:
            self._check_proof()
        else:
            self.left += self._bounds

    @property
    def _bounds(self) -> tuple[str, ...]:
        """Bounds that only a proof recomputes: none for a given plan, and none of the gap if gaps have a price."""
        known = BOUNDS if self.instance.policy.gap_price is None else BOUNDS[:1]
        return known if self.result.given is None else ()

    def _check_shocks(self, again: Mapping[str, Outcome]) -> None:
        """Check that no shock has a larger gap or cost in the result than its optimum under the plan, in `again`."""
        is_priced = self.instance.policy.gap_price is not None
        for stated in self.result.shocks:
            name, own = stated.name, again[stated.name]
            # If gaps have a price, or a sample may fail, a larger gap is optimal if it costs less.
            trades = (is_priced or stated.excused) and stated.probability > 0 and stated.gap > own.gap
            # The gap of another failing shock has a tolerance, a share of the total gap: its cost is not compared.
            if stated.survives or trades:
                self.report.at_most(f"{name}.cost", stated.cost, own.cost, least_scale=self._scales[1])
            if not trades:
                self.report.at_most(f"{name}.gap", stated.gap, own.gap, self.total_gap, least_scale=AUDIT_MONEY_SCALE)

    @property
    def _scales(self) -> tuple[float, float]:
        """Scales of errors: the largest demand of a period, t, and its shortage cost, money."""
        demands = self.instance.demands.values()
        tonnes = max((max(demand.quantity.values) for demand in demands), default=0.0) * self.instance.horizon.delta
        return tonnes, tonnes * max((demand.shortage_cost for demand in demands), default=0.0)

    def _check_do_nothing(self, evaluator: RecourseEvaluator) -> None:
        """Check the gap of the do-nothing plan."""
        stated = self.result.nothing
        if stated is None:
            return
        own = do_nothing_outcome(self.instance, evaluator, self.clock)
        self._compare_do_nothing("nothing", stated, own)
        if stated.counted is not None and own.counted is not None:
            self._compare_do_nothing("nothing.counted", stated.counted, own.counted)

    def _compare_do_nothing(self, row: str, stated: DoNothing, own: DoNothing) -> None:
        tonnes, money = self._scales
        for name, least_scale in (("gap", money), ("worst_gap", money), ("below_floor", tonnes)):
            self.report.agree(f"{row}.{name}", getattr(stated, name), getattr(own, name), least_scale=least_scale)
        for name in ("shocks_failed", "worst_shock"):
            self.report.matches(f"{row}.{name}", getattr(stated, name), getattr(own, name))

    def _check_no_shock_plan(self) -> None:
        """Check the cost and the purchases of the no-shock plan."""
        undisrupted, stated = without_disruptions(self.instance), self.result.calm_cost
        if stated is None:
            self.left += ["calm_cost", "calm_builds"]
            return
        found = solve_extensive_form(undisrupted, self.settings, self.clock, self.listener)
        if found.values is None:
            self.report.matches("calm_cost", stated, "that no plan exists without shocks")
            return
        most = found.objective + self.mip_gap * abs(found.objective)
        self.report.at_most("calm_cost", found.bound, stated, found.objective)
        self.report.at_most("calm_cost", stated, most, found.objective)
        plan = read_plan(undisrupted, found.builder, found.values.tolist())
        piles = {o for o, fills in plan.fills.items() if any(fill > 0 for fill in fills)}
        if {build.option for build in plan.builds} | piles != set(self.result.calm_builds):
            known = self._buys_without_shocks(undisrupted, most)
            self.report.holds("calm_builds", "no no-shock plan at that cost buys just these", known)

    def _buys_without_shocks(self, undisrupted: Instance, most: float) -> bool:
        """Return whether a no-shock plan with a cost of at most `most` buys exactly the options in `calm_builds`."""
        builder, tonnes = extensive_form_model(undisrupted, ()), self._scales[0]
        for o, option in undisrupted.options.items():
            amount, size = amount_bought(builder, undisrupted, o), getattr(option, "max_size", None) or tonnes
            if o in self.result.calm_builds:
                builder.require(o, "named", None, amount, ">=", NEGLIGIBLE * size)
            else:
                builder.require(o, "unnamed", None, amount, "<=", 0.0)
        answer = Model(builder, cost(builder, undisrupted, ()), self.settings, self.clock).solve()
        return answer.values is not None and answer.objective <= most * (1 + SAME_FIGURE)

    def _check_worst_attack(self) -> None:
        """Check the gap and the name of the worst attack on the plan."""
        faced = self.result.adversary
        if faced is None:
            return
        oracle = AttackOracle(without_attacks(self.instance), self.settings, self.clock)
        worst = worst_attacks(oracle, self.result.plan)
        gaps = [each.gap for each in worst]
        gap = math.fsum(gaps) if self.result.format >= DETERRING else max(gaps, default=0.0)
        if self.result.status == "stopped" and faced.sets is None:
            # The stopped search did not evaluate all attacks: a worse one is no contradiction.
            self.left.append("adversary.worst")
            self.report.at_most("adversary.gap", faced.gap, gap, least_scale=AUDIT_MONEY_SCALE)
            return
        self.report.agree("adversary.gap", faced.gap, gap, least_scale=AUDIT_MONEY_SCALE)
        name = max(worst, key=lambda each: each.gap).attack.name(self.instance.horizon) if worst else None
        self.report.matches("adversary.worst", faced.worst, name, (faced.worst is None) == (name is None))

    def _check_proof(self) -> None:
        """Solve the instance again, and compare bounds and status."""
        stated, again = self.result, self._solve_instance_again()
        ended = again.status in ("survives", "gap")
        self.report.matches("bound", f"a plan that {stated.status}", again.status, ended, remark="solved again")
        if not ended:
            return
        if stated.status not in ("survives", "gap"):
            # A stopped search may have proven less than the new one: that is no contradiction.
            self.left.append("status")
        elif not stated.has_priced_gaps:
            # With a price of gaps, a plan with a gap and one without may cost the same.
            self.report.matches("status", stated.status, again.status, remark="solved again")
        names = [("survival_gap", "gap_bound")]
        if stated.has_priced_gaps:
            # Cost and gaps at their price are minimised together.
            names = [("total_cost", "bound")]
            stated, again = (
                replace(each, total_cost=each.priced_cost, bound=each.priced_bound) for each in (stated, again)
            )
        # Costs of two plans are comparable only if both leave the same gap.
        elif np.isclose(stated.survival_gap, again.survival_gap, rtol=SAME_FIGURE, atol=0.0):
            names.append(("total_cost", "bound"))
        for name, bound in names:
            mine, best = getattr(stated, name), getattr(again, name)
            self.report.at_most(bound, getattr(stated, bound) or -np.inf, best, best)
            self.report.at_most(name, getattr(again, bound), mine, mine)

    def _solve_instance_again(self) -> Result:
        """Solve the instance again, with its adversary if the result has one."""
        if self.result.adversary is None:
            return solve_instance(self.instance, self.settings, Clock(), self.listener)
        return search_robust(self.instance, self.settings, Clock(), self.listener).result


def solve_shocks(
    instance: Instance, result: Result, evaluator: RecourseEvaluator, clock: Clock
) -> tuple[dict[str, Outcome], list[ManyFlows]]:
    """Solve every shock by the recourse LP with the plan fixed: least gap, then least cost.

    Returns:
        The outcome without flows, by name of the shock; and the flows of all shocks, for summary lines that disagree
        those that match the line if there are any.

    Raises:
        SolverError: the solver failed.
    """
    plan = evaluator.plan_values([result.plan])
    gap_limits = {outcome.name: 0.0 for outcome in result.shocks if outcome.survives}
    responses = evaluator.operate_batches(plan, clock, gap_limits, flows=True)
    surveyed = survey(instance, evaluator, responses)
    own = {line.name: line for line in outcomes(instance, surveyed, evaluator.costs(responses))}
    places = {event.name: s for s, event in enumerate(instance.events)}
    replaced: dict[str, ManyFlows] = {}
    for stated in result.shocks:
        s = places[stated.name]
        new = own[stated.name], surveyed.served[s], surveyed.floor[s]
        if stated.flows is None and not _agrees(instance, result, stated, *new):
            flows = matching_flows(instance, evaluator, plan, stated, result.services, clock)
            replaced |= {} if flows is None else {stated.name: flows}
    kept = [flows.without(replaced) for flows in evaluator.flows(responses)]
    return own, [*kept, *replaced.values()]


def _agrees(instance: Instance, result: Result, stated: Outcome, own: Outcome, served: Vector, floors: Vector) -> bool:
    """Return whether new flows of a shock agree with its summary line and with the table of services.

    `served` and `floors` are shares by segment in the worst periods of the new flows.
    """
    if not _has_same_figures(stated, own):
        return False
    for d, share, floor in zip(instance.demands, served.tolist(), floors.tolist(), strict=True):
        worst = result.services[d]
        pair = np.array([worst.margin, share - floor]), np.array([worst.worst_service, share])
        is_worst = worst.worst_shock == stated.name
        if weakest(*pair, axis=0) or (is_worst and weakest(pair[0][::-1], pair[1][::-1], axis=0)):
            return False
    return True


def _is_same(one: Service, other: Service) -> bool:
    numbers = ("floor", "worst_service", "shortage", "below_floor")
    return (one.worst_period, one.first_failure) == (other.worst_period, other.first_failure) and all(
        _is_close(getattr(one, name), getattr(other, name)) for name in numbers
    )


def _has_same_figures(stated: Outcome, own: Outcome) -> bool:
    """Return whether two lines of a shock have the same cost, segments, and unserved demand."""
    if stated.segments.keys() != own.segments.keys() or not _is_close(stated.cost, own.cost):
        return False
    one, other = stated.unserved, own.unserved or {}
    return all(_is_same(service, own.segments[d]) for d, service in stated.segments.items()) and (
        one is None or all(_is_close(one.get(d, 0.0), other.get(d, 0.0)) for d in {*one, *other})
    )


def _is_close(one: float, other: float) -> bool:
    return bool(np.isclose(one, other, rtol=SAME_FIGURE, atol=SAME_FIGURE))
