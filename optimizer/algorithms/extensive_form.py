"""The extensive form: one model with the plan, the baseline and shocks, all of them or some.

    least cost   all floors kept
    least gap    where that cannot be: least survival gap, then least cost with the gap limited to that

The MIP is solved to the MIP gap first. Then the integers are fixed and the LP is re-solved: what is reported satisfies
its rows to the solver's feasibility tolerance and has dual values. Shocks may be added between two solves.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from optimizer import formulation
from optimizer.algorithms.problem import LEAST_COST, Aim, DualValues, MeasuredModel, ProblemVariant, SearchResult
from optimizer.algorithms.reading import integers_open_at_zero
from optimizer.algorithms.relaxation import RAISED, FloorCuts, ValidInequalities, is_weak_lp, plan_near, start_by_dive
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.solver.base import AT_GAP, Clock, Listener, Progress, Settings, SolveResult, Vector
from optimizer.solver.model import Model
from optimizer.tolerances import HELD_VALUE, INTEGRALITY, NEGLIGIBLE

if TYPE_CHECKING:
    from optimizer.algorithms.recourse import RecourseEvaluator

# The share of the MIP gap by which the cheapest plan may leave more than the least survival gap.
MIP_GAP_ROOM = 0.1


@dataclass
class ShockModel(MeasuredModel):
    """The mixed-integer model of an instance that holds some of its shocks, or all."""

    history: list[Progress] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = time.perf_counter()
        self.gap_limit_row = formulation.GapLimit((), 1.0)
        # Values of the integers of a known plan, which bounds the search; None where none is known.
        self.start: Vector | None = None
        self.relaxation: SolveResult | None = None  # the last LP relaxation that has a solution
        # Names of shocks whose floors are kept even where those of others may be missed.
        self.survived: frozenset[str] = frozenset()
        # By how much each floor may be missed, t, and all together, money.
        self.most_missed, self.gap_limit = 0.0, math.inf
        self.future_gap_limit = math.inf  # what the largest gap of a future is held to, money
        self.known_bound = -math.inf  # a lower bound on the least cost that was proven elsewhere
        self.evaluator: RecourseEvaluator | None = None  # with it, a relaxation far from a plan gets MIR cuts
        super().__post_init__()
        self.inequalities = ValidInequalities(self.builder)
        known, again = (self.builder, self.cost, self.settings, self.clock), self.inequalities.hold_again
        self.solver = Model(*known) if self.keeper is None else self.keeper.model_for(*known, again)

    # The model.

    def add_shocks(self, shocks: Iterable[Shock]) -> None:
        """Add shocks. A builder that was handed out before stays as it was."""
        self.builder, more = self.builder.copy(), tuple(shocks)
        for shock in more:
            formulation.write_shock(self.builder, self.tree, shock)
        self.shocks = (*self.shocks, *more)
        self.update_expressions()
        self._extend_model()
        self.allow_shortages(self.most_missed, self.gap_limit)

    def _extend_model(self) -> None:
        self.solver.grow(self.builder, self.cost)
        self.minimise(self.aim)

    def minimise(self, aim: Aim) -> None:
        """Choose the objective."""
        self.aim = aim
        self.solver.set_objective(self.aims[aim])

    def allow_shortages(self, most: float, gap_limit: float = math.inf) -> None:
        """Let each floor be missed by `most`, t, and all together by `gap_limit`, money; not those of `survived`."""
        self.most_missed, self.gap_limit = most, gap_limit
        if most > 0 and math.isfinite(gap_limit) and not self.gap_limit_row.columns:
            self.builder = self.builder.copy()
            self.gap_limit_row = formulation.limit_gap(self.builder, "survival", self.gap)
            if self.gap_limit_row.columns:
                self._extend_model()
        columns = self.builder.columns
        self.solver.bound(self.below, 0.0, most)
        self.solver.bound([j for j in self.below if columns[j].mark.path in self.survived], 0.0, 0.0)
        self.solver.bound(self.gap_limit_row.columns, 0.0, gap_limit / self.gap_limit_row.money_unit)

    def require_floors(self) -> None:
        """Bound shortages below floors, as far as the problem allows any."""
        if self.policy.gap_price is not None and self.problem.counts_gaps:
            self.allow_shortages(math.inf)
        elif self.problem.gap_limit > 0:
            self.allow_shortages(math.inf, self.problem.gap_limit)
        else:
            self.allow_shortages(0.0)

    def fix_integers(self, values: Vector) -> None:
        """Fix the integers at values, in their order; those of shocks that came later at 0."""
        whole = np.pad(values, (0, len(self.solver.integers) - len(values)))
        self.solver.bound(self.solver.integers, whole, whole)
        self.inequalities.release(self.solver)

    def integers_in(self, values: Vector) -> Vector:
        """The values of the integers; of those that a smaller builder has, where the values are of one."""
        return values[self.solver.integers[self.solver.integers < len(values)]]

    def release_integers(self) -> None:
        """Let the integers vary between their bounds again."""
        self.solver.bound(self.solver.integers, 0.0, [self.builder.columns[j].upper for j in self.solver.integers])
        self.inequalities.hold(self.solver)

    # Solving it.

    def solve_relaxation(self) -> SolveResult:
        """The LP relaxation of the least cost with all floors kept."""
        self.release_integers()
        self.require_floors()
        self.minimise("cost")
        result = self.solve_relaxed()
        self.relaxation = self.relaxation if result.values is None else result
        return result

    def solve_relaxed(self) -> SolveResult:
        """The LP relaxation of the objective chosen, with the valid inequalities that it would violate."""
        return self.inequalities.solve(self.solver, self.builder)

    def solve_integers(self, phase: str, cutoff: float = math.inf, *, is_weak: bool | None = None) -> SolveResult:
        """Solve with integers for less than a cutoff; `is_weak`: whether the relaxation is far from plans, if known."""
        relaxation = self.solve_relaxed()
        history = self.branching_history
        if is_weak is None:
            is_weak = is_weak_lp(self.solver, relaxation, cutoff, self.solve_rounded)
        if is_weak and self.evaluator is not None:
            before = relaxation.objective
            relaxation = FloorCuts(self, self.evaluator, self.inequalities.rounded, is_weak=True).tighten(relaxation)
            # A tree of our own is worth its time only where the rows say much.
            if relaxation.objective - before <= RAISED * abs(before):
                history = None
        least = relaxation.objective if relaxation.status == "optimal" else -math.inf
        self.report(phase, math.inf, least)
        bound = self.known_bound if self.aim == "cost" else -math.inf
        enough = bound + self.settings.slack(bound) if math.isfinite(bound) else -math.inf
        result = self.solver.solve(
            listener=partial(self.report, phase),
            cutoff=cutoff,
            tolerance=None if "gap" in self.aim else self.settings.tolerance,
            history=history,
            enough=enough,
            is_weak=is_weak,
        )
        # A search that is stopped may not have solved its first relaxation.
        result = self._with_known_bound(result, enough, max(bound, least))
        if cutoff >= result.objective < math.inf:
            self.report(phase, result.objective, result.bound)
        return result

    def _with_known_bound(self, result: SolveResult, enough: float, bound: float) -> SolveResult:
        """A result whose bound is at least one that is known."""
        if result.values is None:
            return replace(result, bound=max(bound, result.bound))
        status = "optimal" if result.objective <= enough else result.status
        return replace(result, status=status, bound=min(max(bound, result.bound), result.objective))

    def solve_lp(self) -> SolveResult:
        """Solve the linear programme that is left once the integers are fixed, without a time limit."""
        clock, self.solver.clock = self.solver.clock, Clock()
        try:
            return self.solver.solve(relaxed=True)
        finally:
            clock.solving += self.solver.clock.solving
            self.solver.clock = clock

    def solve_restricted(self, result: SolveResult) -> SolveResult | None:
        """The restricted LP: integers fixed at the whole numbers of a result; None where it is infeasible.

        They stay fixed. Options that are opened at size 0 and required by none are closed.
        """
        assert result.values is not None
        if not len(self.solver.integers) and result.duals is not None:
            return result
        values = result.values.copy()
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
        """The restricted LP of the nearest whole numbers, or else of the next larger ones; the integers stay fixed."""
        return self._first_feasible(self._whole_near(values))

    def _whole_near(self, values: Vector) -> tuple[Vector, Vector]:
        """The nearest whole numbers of the integers, and the next larger ones; as many samples excused as may be."""
        integers = self.integers_in(values)
        nearest, larger = np.round(integers), np.ceil(integers - INTEGRALITY)
        # Values of another model agree with these in the plan's columns.
        parts = np.zeros(max(len(self.builder.columns), len(values)))
        parts[: len(values)] = values
        places = {int(j): k for k, j in enumerate(self.solver.integers[: len(integers)])}
        for j, excused in self.excuses.rounded(parts.tolist()).items():
            if j in places:
                nearest[places[j]] = larger[places[j]] = excused
        return nearest, larger

    def solve_from_start(self) -> SolveResult | None:
        """The restricted LP of the integers of `start`; None where there are none, or it is infeasible."""
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
        """Keep a step of the search with integers, and pass it on; a bound from a cutoff may be above the best."""
        step = Progress(phase, time.perf_counter() - self.began, best, min(bound, best), len(self.shocks))
        self.history.append(step)
        self.listener(step)

    # Least cost, least gap.

    def minimise_cost(self) -> SearchResult | None:
        """The cheapest plan that keeps all floors; None where there is none, but there may be one that does not."""
        self.require_floors()
        self.minimise("cost")
        result = self._improve(self.solve_from_start(), self.problem.name, self.known_bound)
        if result.status == "infeasible":
            return None if self.below else SearchResult("infeasible", self.builder, history=tuple(self.history))
        return self.fall_back() if result.values is None else self.conclude(result)

    def _improve(self, incumbent: SolveResult | None, phase: str, bound: float = -math.inf) -> SolveResult:
        """Search with integers for a plan that is noticeably better than an incumbent, where a bound leaves room."""
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
            # What is dearer than the cutoff is not searched: of that, no more than the cutoff is known.
            status = result.status if result.status == "stopped" else "optimal"
            result = replace(incumbent, status=status, bound=min(result.bound, cutoff))
            self.report(phase, result.objective, result.bound)
        return result

    def minimise_gap(self) -> SearchResult:
        """Floors cannot all be kept: least gap first, then least cost with that gap as a limit."""
        self.survived = frozenset()
        self.release_integers()
        self.allow_shortages(np.inf)
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
        duals = DualValues.from_result(self.builder, least)
        cheapest = self.cheapest_at_gap(least.objective)
        if result.status == "stopped" or self.clock.is_over:
            return self._conclude_gap(replace(cheapest or least, status="stopped"), least, duals)
        self.solver.doubt_basis()
        result = self._improve(cheapest, AT_GAP)
        if result.values is None:
            result = replace(least, status="stopped", bound=-math.inf)
        return self._conclude_gap(result, least, duals)

    def _hold_largest_future_gap(self) -> None:
        """Minimise the largest gap of a future, and hold it."""
        column, self.future_gap_limit = list(self.future_gaps[-1].terms), math.inf
        self.solver.bound(column, 0.0, math.inf)
        self.minimise("largest future gap")
        result = self.solve_integers("largest gap")
        if result.values is not None:
            self.future_gap_limit = self._restricted(result).objective * (1.0 + HELD_VALUE)
            self.solver.bound(column, 0.0, self.future_gap_limit / self.money_unit)
        self.release_integers()

    def cheapest_at_gap(self, gap: float) -> SolveResult | None:
        """With the integers that are fixed, the least cost at which a gap is held."""
        self.minimise("cost")
        self.solver.doubt_basis()
        for slack in (HELD_VALUE, 10 * HELD_VALUE):
            self.allow_shortages(np.inf, gap * (1.0 + slack))
            result = self.solve_lp()
            if result.values is not None:
                return replace(result, bound=-math.inf)
        return None

    def conclude(self, result: SolveResult) -> SearchResult:
        """A plan that keeps all floors, by the restricted LP of its integers."""
        restricted = replace(self._restricted(result), status=result.status, bound=result.bound)
        return self._solved(self._cheapest_expected(restricted), DualValues.from_result(self.builder, restricted))

    def _cheapest_expected(self, result: SolveResult) -> SolveResult:
        """Of the plans with the measure of a result, one with the least expected cost."""
        if self.policy.objective.kind == "expected" or not self.problem.is_least_cost or result.values is None:
            return result
        self.start = result.values[self.solver.integers]
        column = list(self.measure_limit.terms)
        # Slack would be spent: a size that the measure asks for would fall a little short.
        self.solver.bound(column, -np.inf, self.cost.value(result.values.tolist()) / self.money_unit)
        self.minimise("expected cost")
        found = self._improve(self.solve_from_start(), "expected cost")
        found = found if found.values is None else self._restricted(found)
        self.solver.bound(column, -np.inf, np.inf)
        self.release_integers()
        self.minimise("cost")
        return result if found.values is None else replace(result, values=found.values)

    def _restricted(self, result: SolveResult) -> SolveResult:
        """The restricted LP with its dual values; the result as it is where rounding makes that infeasible."""
        restricted = self.solve_restricted(result)
        if restricted is None:
            self.notes.append("The integers could not be fixed exactly; shadow prices are not reported.")
        return restricted or result

    def _conclude_gap(self, result: SolveResult, least: SolveResult, duals: DualValues | None) -> SearchResult:
        """The restricted LP of a plan under the least gap, without failures that only the slack of the gap permits.

        The row that holds the gap has slack. Spent on a shock that can be survived, it would save a little cost and let
        that shock fail. So every shock whose gap is within the slack keeps its floors, if that is possible with the
        least gap: with the same integers, or with others where the least gap keeps them too. `least` and
        `duals` are the restricted LP of the least gap, and its dual values.
        """
        assert least.values is not None
        restricted, hopeless = self._restricted(result), set[str]()
        survivable = {shock.name for shock in self.shocks} - self.failing(least.values)
        while names := self._failing_by_slack(restricted, least.objective) - hopeless:
            again = self._solve_surviving(names) or self._solve_surviving(names & survivable)
            if again is None and names & survivable:
                self.start = least.values[self.solver.integers]
                again = self._solve_surviving(names & survivable, has_free_integers=True)
                result = again or result
            hopeless |= names - self.survived
            restricted = restricted if again is None else self._restricted(again)
        bound = result.bound if result.status == "optimal" else -math.inf
        restricted = replace(restricted, status=result.status, bound=bound)
        duals = duals or DualValues.from_result(self.builder, restricted)
        restricted = self._cheapest_expected(restricted)
        return self._solved(restricted, duals, least.objective, least.bound, allows_shortages=True)

    def _solve_surviving(self, names: Iterable[str], *, has_free_integers: bool = False) -> SolveResult | None:
        """The least cost under the gap with the floors of more shocks kept; None where that is infeasible."""
        before, self.survived = self.survived, self.survived.union(names)
        if self.survived == before:
            return None
        self.allow_shortages(self.most_missed, self.gap_limit)
        result = self._improve(self.solve_from_start(), AT_GAP) if has_free_integers else self.solve_lp()
        if result.values is not None:
            return result
        self.survived = before
        self.allow_shortages(self.most_missed, self.gap_limit)
        return None

    def _failing_by_slack(self, result: SolveResult, gap: float) -> set[str]:
        """Shocks that fail by the slack of a gap and the solver's tolerance at most, and in no floor without cost."""
        assert result.values is not None
        slack, gaps = 2.0 * (self.gap_limit - gap), self.shock_gaps(result.values.tolist())
        others = self.failing(result.values, only_free=True) | self.survived
        return {name for name in self.failing(result.values) if 0.0 < gaps.get(name, 0.0) <= slack} - others

    # A search that is stopped.

    def fall_back(self, relaxation: SolveResult | None = None) -> SearchResult:
        """The best plan known when the time ran out, or else the do-nothing plan; `relaxation` is of another model."""
        self.relaxation = relaxation or self.relaxation
        solved = self.best_known() or self._do_nothing()
        self.release_integers()
        return solved or SearchResult("stopped", self.builder, history=tuple(self.history), notes=tuple(self.notes))

    def best_known(self) -> SearchResult | None:
        """The plan of the integers to start from, or of the rounded LP relaxation; None where neither is feasible.

        The cheapest that keeps all floors; where none does, the one with the least gap.
        """
        proposals, bound = self._proposals()
        self.require_floors()
        self.minimise("cost")
        found = [result for each in proposals if (result := self._first_feasible(each)) is not None]
        if found:
            return self.conclude(replace(min(found, key=lambda each: each.objective), status="stopped", bound=bound))
        if not proposals or not self.problem.is_least_cost:
            return None
        return self._least_gap_among([whole for each in proposals for whole in each])

    def _proposals(self) -> tuple[list[tuple[Vector, ...]], float]:
        """Integers to start from, and those that the LP relaxation rounds to; and its bound."""
        start: list[tuple[Vector, ...]] = [] if self.start is None else [(self.start,)]
        if self.relaxation is None or self.relaxation.values is None:
            return start, -math.inf
        return [*start, self._whole_near(self.relaxation.values)], self.relaxation.objective

    def _least_gap_among(self, proposals: Sequence[Vector]) -> SearchResult | None:
        """The plan with the least gap by the integers proposed, at the least cost; None where none is feasible."""
        self.allow_shortages(np.inf)
        self.minimise("gap")
        results = [(self._first_feasible([whole]), whole) for whole in proposals]
        gaps = [math.inf if result is None else result.objective for result, _ in results]
        gap, whole = max(0.0, min(gaps)), proposals[gaps.index(min(gaps))]
        self.fix_integers(whole)
        cheapest = self.cheapest_at_gap(gap) if math.isfinite(gap) else None
        if cheapest is None:
            return None
        return self._solved(replace(cheapest, status="stopped"), None, gap, 0.0, allows_shortages=True)

    def _do_nothing(self) -> SearchResult | None:
        """The do-nothing plan: it buys nothing and is always feasible, but for rules; None where these forbid it."""
        self.release_integers()
        self.notes.append("The run was stopped before any plan was found; this one does nothing.")
        marks = [column.mark for column in self.builder.columns]
        plan = [j for j, m in enumerate(marks) if m.owner in self.instance.options and not m.path and m.what != "stock"]
        self.allow_shortages(np.inf)
        self.solver.bound(plan, 0.0, 0.0)
        self.minimise("gap" if self.policy.gap_price is None else "cost")
        result = self.solve_lp()
        if result.values is None:
            return None
        values = (self.cheapest_at_gap(max(0.0, self.gap.value(result.values.tolist()))) or result).values
        assert values is not None
        # Which samples are excused is no part of the plan, and has to be whole all the same.
        self.start = self._whole_near(values)[0]
        return self.best_known() or self._least_gap_among([self.start])

    def _solved(
        self,
        result: SolveResult,
        duals: DualValues | None,
        gap: float = 0.0,
        gap_bound: float = 0.0,
        *,
        allows_shortages: bool = False,
    ) -> SearchResult:
        assert result.values is not None
        cost, objective = self.measures(result.values)
        if self.policy.gap_price is not None:
            gap = gap_bound = max(0.0, self.weighted(self.gap_values(result.values.tolist())))
            allows_shortages = True
        if not self.failing(result.values, NEGLIGIBLE):
            gap, gap_bound, allows_shortages = 0.0, 0.0, False
        return SearchResult(
            status="optimal" if result.status == "optimal" else "stopped",
            builder=self.builder,
            values=result.values,
            cost=cost,
            bound=cost - max(0.0, objective - result.bound),
            priced_gaps=objective - cost,
            gap=gap,
            gap_bound=gap_bound,
            duals=duals,
            history=tuple(self.history),
            notes=tuple(self.notes),
            allows_shortages=allows_shortages,
        )


def solve_extensive_form(
    instance: Instance,
    settings: Settings,
    clock: Clock,
    listener: Listener,
    problem: ProblemVariant = LEAST_COST,
    evaluator: "RecourseEvaluator | None" = None,
) -> SearchResult:
    """The plan of least cost, or of the least gap, by one model that holds every shock of every future."""
    known = (settings, clock, listener, formulation.Writer(instance), problem)
    model = ShockModel(instance, instance.tree.events, *known, histories={})
    model.evaluator = evaluator
    return model.minimise_cost() or model.minimise_gap()
