"""One model with the plan, the baseline, and shocks: the extensive form with all, a master problem with some of them.

    least cost   with all floors kept; with priced gaps counted, or within a limit on the gap, where the problem says so
    least gap    if floors must be kept and cannot: least survival gap, then least cost with the gap limited to that

The MIP is first solved to the MIP gap. Then the integers are fixed and the LP is solved again, so that the reported
solution satisfies its rows to the solver's feasibility tolerance and has dual values. Shocks may be added between
solves.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from optimizer import formulation
from optimizer.algorithms.problem import LEAST_COST, Aim, DualValues, Floor, MeasuredModel, ProblemVariant, SearchResult
from optimizer.algorithms.reading import integers_open_at_zero
from optimizer.algorithms.relaxation import RAISED, FloorCuts, ValidInequalities, is_weak_lp, plan_near, start_by_dive
from optimizer.algorithms.relaxed_floors import with_duals_of_lower_floors
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.solver.base import AT_GAP, Clock, Listener, Progress, Settings, SolveResult, Vector
from optimizer.solver.model import Model
from optimizer.tolerances import HELD_VALUE, INTEGRALITY, NEGLIGIBLE, ROUNDING

if TYPE_CHECKING:
    from optimizer.algorithms.recourse import Evaluator


@dataclass
class ShockModel(MeasuredModel):
    """The mixed-integer model of an instance that holds some or all of its shocks."""

    history: list[Progress] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.perf_counter()
        self.gap_limit_row = formulation.GapLimit((), 1.0)
        # Integers of a known plan, which bounds the search; None without one.
        self.start: Vector | None = None
        self.relaxation: SolveResult | None = None  # the last LP relaxation that was feasible
        # Floors that are kept even where others may be missed.
        self.must_hold: frozenset[Floor] = frozenset()
        # Limits on the shortfall below each floor in t, and on the total gap in money.
        self.shortfall_limit, self.gap_limit = 0.0, math.inf
        self.future_gap_limit = math.inf  # limit on the largest gap of a future, money
        self.known_bound = -math.inf  # a lower bound on the cost that was proven elsewhere
        self.evaluator: Evaluator | None = None  # if given, weak relaxations get MIR cuts
        super().__post_init__()
        self.inequalities = ValidInequalities(self.builder)
        known, again = (self.builder, self.objective, self.settings, self.clock), self.inequalities.enforce_again
        self.solver = Model(*known) if self.keeper is None else self.keeper.model_for(*known, again)

    # The model.

    def add_shocks(self, shocks: Iterable[Shock]) -> None:
        """Add shocks with their recourse. A builder handed out before is not changed."""
        self.builder, more = self.builder.copy(), tuple(shocks)
        for shock in more:
            formulation.write_shock(self.builder, self.tree, shock)
        self.shocks = (*self.shocks, *more)
        self.update_expressions()
        self._extend_model()
        self.allow_shortfalls(self.shortfall_limit, self.gap_limit)

    def _extend_model(self) -> None:
        self.solver.grow(self.builder, self.objective)
        self.minimise(self.aim)

    def minimise(self, aim: Aim) -> None:
        """Set the objective to minimise, by aim."""
        self.aim = aim
        self.solver.set_objective(self.aims[aim])

    def allow_shortfalls(self, most: float, gap_limit: float = math.inf) -> None:
        """Allow shortfalls of `most` t per floor and `gap_limit` money in all; keep those of `must_hold`."""
        self.shortfall_limit, self.gap_limit = most, gap_limit
        if most > 0 and math.isfinite(gap_limit) and not self.gap_limit_row.columns:
            self.builder = self.builder.copy()
            self.gap_limit_row = formulation.limit_gap(self.builder, "survival", self.gap)
            if self.gap_limit_row.columns:
                self._extend_model()
        self.solver.bound(self.below, 0.0, most)
        self.solver.bound([j for j in self.below if self.builder.columns[j].mark[:2] in self.must_hold], 0.0, 0.0)
        self.solver.bound(self.gap_limit_row.columns, 0.0, gap_limit / self.gap_limit_row.money_unit)

    def set_floor_limits(self) -> None:
        """Limit shortfalls to what the problem allows: none, any at its price, or any within the limit on the gap."""
        if self.policy.gap_price is not None and self.problem.counts_gaps:
            self.allow_shortfalls(math.inf)
        elif self.problem.gap_limit > 0:
            self.allow_shortfalls(math.inf, self.problem.gap_limit)
        else:
            self.allow_shortfalls(0.0)

    def fix_integers(self, values: Vector) -> None:
        """Fix the integers at `values`, in their order, and those of shocks added later at 0."""
        whole = np.pad(values, (0, len(self.solver.integers) - len(values)))
        self.solver.bound(self.solver.integers, whole, whole)
        self.inequalities.relax(self.solver)

    def integers_in(self, values: Vector) -> Vector:
        """Return the values of the integers; if `values` come from a smaller builder, of those that it has."""
        return values[self.solver.integers[self.solver.integers < len(values)]]

    def release_integers(self) -> None:
        """Free the integers between their bounds again."""
        self.solver.bound(self.solver.integers, 0.0, [self.builder.columns[j].upper for j in self.solver.integers])
        self.inequalities.enforce(self.solver)

    # Solving it.

    def solve_relaxation(self) -> SolveResult:
        """Solve the LP relaxation for the problem's objective and under its floor limits."""
        self.release_integers()
        self.set_floor_limits()
        self.minimise("objective")
        result = self.solve_relaxed()
        self.relaxation = self.relaxation if result.values is None else result
        return result

    def solve_relaxed(self) -> SolveResult:
        """Solve the LP relaxation for the current objective, with violated valid inequalities added."""
        return self.inequalities.solve(self.solver, self.builder)

    def solve_integers(self, phase: str, cutoff: float = math.inf, *, is_weak: bool | None = None) -> SolveResult:
        """Solve with integers for less than `cutoff`; `is_weak`: whether the LP relaxation is weak, None to test it."""
        relaxation = self.solve_relaxed()
        pseudo_costs = self.own_pseudo_costs
        if is_weak is None:
            is_weak = is_weak_lp(self.solver, relaxation, cutoff, self.solve_rounded)
        if is_weak and self.evaluator is not None:
            before = relaxation.objective
            relaxation = FloorCuts(self, self.evaluator, self.inequalities.mir_cuts, is_weak=True).tighten(relaxation)
            # The package's own tree is worth its time only if the cuts raised the bound considerably.
            if relaxation.objective - before <= RAISED * abs(before):
                pseudo_costs = None
        least = relaxation.objective if relaxation.status == "optimal" else -math.inf
        self.report(phase, math.inf, least)
        bound = self.known_bound if self.aim == "objective" else -math.inf
        enough = bound + self.settings.slack(bound) if math.isfinite(bound) else -math.inf
        result = self.solver.solve(
            listener=partial(self.report, phase),
            cutoff=cutoff,
            tolerance=None if "gap" in self.aim else self.settings.tolerance,
            pseudo_costs=pseudo_costs,
            enough=enough,
            is_weak=is_weak,
        )
        # A stopped search may not have solved its root relaxation.
        result = self._with_known_bound(result, enough, max(bound, least))
        if cutoff >= result.objective < math.inf:
            self.report(phase, result.objective, result.bound)
        return result

    def _with_known_bound(self, result: SolveResult, enough: float, bound: float) -> SolveResult:
        """Return a result with at least this bound; optimal if, but for rounding, its objective is at most `enough`."""
        if result.values is None:
            return replace(result, bound=max(bound, result.bound))
        status = "optimal" if result.objective - enough <= ROUNDING * abs(result.objective) else result.status
        return replace(result, status=status, bound=min(max(bound, result.bound), result.objective))

    def solve_lp(self) -> SolveResult:
        """Solve the LP that is left once the integers are fixed, without a time limit."""
        clock, self.solver.clock = self.solver.clock, Clock()
        try:
            return self.solver.solve(relaxed=True)
        finally:
            clock.solving += self.solver.clock.solving
            self.solver.clock = clock

    def solve_restricted(self, result: SolveResult) -> SolveResult | None:
        """Solve the restricted LP, with the integers fixed to those of a result; None if it is infeasible.

        The integers stay fixed. Options that are opened at size 0 and required by no other are closed.
        """
        assert result.values is not None
        if not len(self.solver.integers) and result.duals is not None:
            return result
        values = result.values.copy()
        # An option that only closed options required is closed in the next pass; longer chains keep the rest open.
        for _ in range(3):
            self.fix_integers(np.round(values[self.solver.integers]))
            restricted = self.solve_lp()
            if restricted.values is None:
                return None
            empty = integers_open_at_zero(self.tree, self.builder, restricted.values)
            if not empty:
                break
            values = restricted.values.copy()
            values[empty] = 0.0
        return restricted

    def solve_rounded(self, values: Vector) -> SolveResult | None:
        """Solve the restricted LP of the nearest integers, or else of those rounded up; the integers stay fixed."""
        return self._first_feasible(self._whole_near(values))

    def _whole_near(self, values: Vector) -> tuple[Vector, Vector]:
        """Return the integers rounded to the nearest and rounded up, with as many samples excused as allowed."""
        integers = self.integers_in(values)
        nearest, larger = np.round(integers), np.ceil(integers - INTEGRALITY)
        # Values of another model agree with this one's in the plan's columns.
        parts = np.zeros(max(len(self.builder.columns), len(values)))
        parts[: len(values)] = values
        places = {int(j): k for k, j in enumerate(self.solver.integers[: len(integers)])}
        for j, excused in self.excuses.rounded(parts.tolist()).items():
            if j in places:
                nearest[places[j]] = larger[places[j]] = excused
        return nearest, larger

    def solve_from_start(self) -> SolveResult | None:
        """Solve the restricted LP of the integers in `start`; None if there are none, or it is infeasible."""
        if self.start is None or not len(self.solver.integers):
            return None
        result = self._first_feasible([self.start])
        return None if result is None else replace(result, bound=-math.inf)

    def _first_feasible(self, proposals: Iterable[Vector]) -> SolveResult | None:
        for whole in proposals:
            self.fix_integers(whole)
            result = self.solve_lp()
            if result.values is not None:
                return result
        return None

    def report(self, phase: str, best: float, bound: float) -> None:
        """Record and report a step of a search with integers; a bound from a cutoff is limited to `best`."""
        step = Progress(phase, time.perf_counter() - self.began, best, min(bound, best), len(self.shocks))
        self.history.append(step)
        self.listener(step)

    # Least cost, least gap.

    def minimise_objective(self) -> SearchResult | None:
        """Minimise the problem's objective under its floor limits; None if only a plan that misses floors may exist."""
        self.set_floor_limits()
        self.minimise("objective")
        result = self._improve(self.solve_from_start(), self.problem.name, self.known_bound)
        if result.status == "infeasible":
            return None if self.below else SearchResult("infeasible", self.builder, history=tuple(self.history))
        return self.fall_back() if result.values is None else self.conclude(result)

    def _improve(self, incumbent: SolveResult | None, phase: str, bound: float = -math.inf) -> SolveResult:
        """Search with integers for a plan noticeably better than an incumbent, unless `bound` excludes it."""
        self.release_integers()
        is_weak = None
        if incumbent is None:
            relaxation = self.solve_relaxed()
            is_weak = is_weak_lp(self.solver, relaxation, math.inf, self.solve_rounded)
            incumbent = plan_near(self, relaxation) if is_weak else None
        cutoff = math.inf if incumbent is None else incumbent.objective - self.noticeable(incumbent.objective)
        if incumbent is not None and bound >= cutoff:
            self.report(phase, incumbent.objective, bound)
            return replace(incumbent, status="optimal", bound=min(bound, incumbent.objective))
        result = self.solve_integers(phase, cutoff, is_weak=is_weak)
        if incumbent is None:
            return result
        if result.values is None or result.objective > incumbent.objective:
            # Solutions above the cutoff are not searched, so their bound is at most the cutoff.
            status = result.status if result.status == "stopped" else "optimal"
            result = replace(incumbent, status=status, bound=min(result.bound, cutoff))
            self.report(phase, result.objective, result.bound)
        return result

    def minimise_gap(self) -> SearchResult:
        """Minimise the gap, then the cost subject to that gap, where floors cannot all be kept."""
        self.must_hold = frozenset()
        self.release_integers()
        self.allow_shortfalls(np.inf)
        if self.is_worst_case:
            self._hold_largest_future_gap()
        self.minimise("gap")
        relaxation = self.solve_relaxed()
        start_by_dive(self, relaxation)
        result = self._improve(self.solve_from_start(), "gap", relaxation.bound)
        if result.status == "infeasible":
            return SearchResult("infeasible", self.builder, history=tuple(self.history))
        if result.values is None:
            return self.fall_back()
        least = self._restricted(result)
        least = replace(least, bound=max(0.0, min(result.bound, least.objective)))
        duals = DualValues.from_result(self.builder, with_duals_of_lower_floors(self, least))
        cheapest = self.cheapest_at_gap(least.objective)
        if result.status == "stopped" or self.clock.is_over:
            return self._conclude_gap(replace(cheapest or least, status="stopped"), least, duals)
        self.solver.allow_fresh_start()
        result = self._improve(cheapest, AT_GAP)
        if result.values is None:
            result = replace(least, status="stopped", bound=-math.inf)
        return self._conclude_gap(result, least, duals)

    def _hold_largest_future_gap(self) -> None:
        """Minimise the largest gap of a future, and limit it to that."""
        column, self.future_gap_limit = list(self.future_gaps[-1].terms), math.inf
        self.solver.bound(column, 0.0, math.inf)
        self.minimise("largest future gap")
        result = self.solve_integers("largest gap")
        if result.values is not None:
            self.future_gap_limit = self._restricted(result).objective * (1.0 + HELD_VALUE)
            self.solver.bound(column, 0.0, self.future_gap_limit / self.money_unit)
        self.release_integers()

    def cheapest_at_gap(self, gap: float) -> SolveResult | None:
        """Minimise the cost subject to a gap, with the integers as fixed; None if that is infeasible."""
        self.minimise("objective")
        self.solver.allow_fresh_start()
        for slack in (HELD_VALUE, 10 * HELD_VALUE):
            self.allow_shortfalls(np.inf, gap * (1.0 + slack))
            result = self.solve_lp()
            if result.values is not None:
                return replace(result, bound=-math.inf)
        return None

    def conclude(self, result: SolveResult) -> SearchResult:
        """Return the result for a plan within the floor limits, from the restricted LP of its integers."""
        restricted = replace(self._restricted(result), status=result.status, bound=result.bound)
        duals = DualValues.from_result(self.builder, with_duals_of_lower_floors(self, restricted))
        return self._solved(self._cheapest_expected(restricted), duals)

    def _cheapest_expected(self, result: SolveResult) -> SolveResult:
        """Return the result with the values of least expected cost at the same measure."""
        if self.policy.objective.kind == "expected" or not self.problem.is_least_cost or result.values is None:
            return result
        self.start = result.values[self.solver.integers]
        column, most = list(self.measure_limit.terms), self.objective.value(result.values.tolist())
        slack = HELD_VALUE * abs(self.expected.value(result.values.tolist()))
        # Rounding can bar integers from the same measure, so they have slack; sizes would use it up and fall short.
        self.solver.bound(column, -np.inf, (most + slack) / self.money_unit)
        self.minimise("expected cost")
        found = self._improve(self.solve_from_start(), "expected cost")
        self.solver.bound(column, -np.inf, most / self.money_unit)
        found = found if found.values is None else self.solve_restricted(replace(found, duals=None)) or found
        self.solver.bound(column, -np.inf, np.inf)
        self.release_integers()
        self.minimise("objective")
        return result if found.values is None else replace(result, values=found.values)

    def _restricted(self, result: SolveResult) -> SolveResult:
        """Return the restricted LP with its dual values; the result itself if rounding makes that infeasible."""
        restricted = self.solve_restricted(result)
        if restricted is None:
            self.notes.append("The integers could not be fixed exactly; shadow prices are not reported.")
        return restricted or result

    def _conclude_gap(self, result: SolveResult, least: SolveResult, duals: DualValues | None) -> SearchResult:
        """Return the result for a plan of least gap, without misses that only the slack in the gap's limit permits.

        The row that limits the gap has slack. Used on a floor that can be kept, the slack would save a little cost and
        let that floor fail. So every floor whose gap is within the slack must be kept, if that is possible at the least
        gap: with the same integers, or with others if the solution of least gap keeps these floors too.
        `least` and `duals` are the restricted LP of the least gap and its dual values.
        """
        assert least.values is not None
        restricted, hopeless, missed = self._restricted(result), set[Floor](), set(self.missed_floors(least.values))
        while floors := self._missed_by_slack(restricted, least.objective) - hopeless:
            again = self._solve_holding(floors) or self._solve_holding(floors - missed)
            if again is None and floors - missed:
                self.start = least.values[self.solver.integers]
                again = self._solve_holding(floors - missed, has_free_integers=True)
                result = again or result
            hopeless |= floors - self.must_hold
            restricted = restricted if again is None else self._restricted(again)
        bound = result.bound if result.status == "optimal" else -math.inf
        restricted = replace(restricted, status=result.status, bound=bound)
        duals = duals or DualValues.from_result(self.builder, restricted)
        restricted = self._cheapest_expected(restricted)
        return self._solved(restricted, duals, least.objective, least.bound, may_miss_floors=True)

    def _solve_holding(self, floors: Iterable[Floor], *, has_free_integers: bool = False) -> SolveResult | None:
        """Minimise the cost under the gap with more floors kept; None if that is infeasible."""
        before, self.must_hold = self.must_hold, self.must_hold.union(floors)
        if self.must_hold == before:
            return None
        self.allow_shortfalls(self.shortfall_limit, self.gap_limit)
        result = self._improve(self.solve_from_start(), AT_GAP) if has_free_integers else self.solve_lp()
        if result.values is not None:
            return result
        self.must_hold = before
        self.allow_shortfalls(self.shortfall_limit, self.gap_limit)
        return None

    def _missed_by_slack(self, result: SolveResult, gap: float) -> set[Floor]:
        """Return floors missed only within the slack of the gap's limit, in listed shocks that miss no free floor."""
        assert result.values is not None
        slack, listed = 2.0 * (self.gap_limit - gap), self.shock_gaps(result.values.tolist())
        free = {shock for shock, _ in self.missed_floors(result.values, only_free=True)}
        most = {shock.name: slack / self.tree.probability(shock) for shock in self.shocks}
        found = {floor for floor, gap in self.missed_floors(result.values).items() if 0.0 < gap <= most[floor[0]]}
        return {floor for floor in found - self.must_hold if floor[0] in listed and floor[0] not in free}

    # A search that is stopped.

    def fall_back(self, relaxation: SolveResult | None = None) -> SearchResult:
        """Return the best known plan at a time limit, or the do-nothing plan; `relaxation` may be another model's."""
        self.relaxation = relaxation or self.relaxation
        solved = self.best_known() or self._do_nothing()
        self.release_integers()
        return solved or SearchResult("stopped", self.builder, history=tuple(self.history), notes=tuple(self.notes))

    def best_known(self) -> SearchResult | None:
        """Return the plan of least gap, then cost, from starting integers or the rounded relaxation, or None."""
        proposals, bound = self._proposals()
        self.set_floor_limits()
        self.minimise("objective")
        found = [result for each in proposals if (result := self._first_feasible(each)) is not None]
        if found:
            return self.conclude(replace(min(found, key=lambda each: each.objective), status="stopped", bound=bound))
        if not proposals or not self.problem.is_least_cost:
            return None
        return self._least_gap_among([whole for each in proposals for whole in each])

    def _proposals(self) -> tuple[list[tuple[Vector, ...]], float]:
        """Return proposed integers, those of `start` and of the rounded LP relaxation, and the relaxation's bound."""
        start: list[tuple[Vector, ...]] = [] if self.start is None else [(self.start,)]
        if self.relaxation is None or self.relaxation.values is None:
            return start, -math.inf
        return [*start, self._whole_near(self.relaxation.values)], self.relaxation.objective

    def _least_gap_among(self, proposals: Sequence[Vector]) -> SearchResult | None:
        """Return the plan of least gap, then least cost, among proposed integers; None if none is feasible."""
        self.allow_shortfalls(np.inf)
        self.minimise("gap")
        results = [(self._first_feasible([whole]), whole) for whole in proposals]
        gaps = [math.inf if result is None else result.objective for result, _ in results]
        gap, whole = max(0.0, min(gaps)), proposals[gaps.index(min(gaps))]
        self.fix_integers(whole)
        cheapest = self.cheapest_at_gap(gap) if math.isfinite(gap) else None
        if cheapest is None:
            return None
        return self._solved(replace(cheapest, status="stopped"), None, gap, 0.0, may_miss_floors=True)

    def _do_nothing(self) -> SearchResult | None:
        """Return the do-nothing plan, which only rules can make infeasible; None if they do."""
        self.release_integers()
        marks = [column.mark for column in self.builder.columns]
        plan = [j for j, m in enumerate(marks) if m.owner in self.instance.options and not m.path and m.what != "stock"]
        self.allow_shortfalls(np.inf)
        self.solver.bound(plan, 0.0, 0.0)
        self.minimise("gap" if self.policy.gap_price is None else "objective")
        result = self.solve_lp()
        if result.values is None:
            return None
        self.notes.append("The run was stopped before any plan was found; this one does nothing.")
        values = (self.cheapest_at_gap(max(0.0, self.gap.value(result.values.tolist()))) or result).values
        assert values is not None
        # The choice of excused samples is not part of the plan, but has to be integral too.
        self.start = self._whole_near(values)[0]
        return self.best_known() or self._least_gap_among([self.start])

    def _solved(
        self,
        result: SolveResult,
        duals: DualValues | None,
        gap: float = 0.0,
        gap_bound: float = 0.0,
        *,
        may_miss_floors: bool = False,
    ) -> SearchResult:
        assert result.values is not None
        cost, objective = self.reported_cost_and_objective(result.values)
        if self.policy.gap_price is not None:
            gap = gap_bound = max(0.0, self.weighted(self.gap_values(result.values.tolist())))
            may_miss_floors = True
        if not self.missed_floors(result.values, NEGLIGIBLE):
            gap, gap_bound, may_miss_floors = 0.0, 0.0, False
        return SearchResult(
            status="optimal" if result.status == "optimal" else "stopped",
            builder=self.builder,
            values=result.values,
            objective=cost,
            bound=cost - max(0.0, objective - result.bound),
            priced_gaps=objective - cost,
            gap=gap,
            gap_bound=gap_bound,
            duals=duals,
            history=tuple(self.history),
            notes=tuple(self.notes),
            may_miss_floors=may_miss_floors,
        )


def solve_extensive_form(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    problem: ProblemVariant = LEAST_COST,
    evaluator: "Evaluator | None" = None,
) -> SearchResult:
    """Find the plan of least cost, or else of least gap, by one model that holds every shock of every future."""
    known = (settings, clock, listener, formulation.ModelWriter(instance), problem)
    model = ShockModel(instance, instance.tree.events, *known, pseudo_costs={})
    model.evaluator = evaluator
    return model.minimise_objective() or model.minimise_gap()
