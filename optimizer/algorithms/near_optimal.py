"""Near-optimal alternatives (MGA): all plans that cost at most a limit, in one model that is kept warm.

    cost ≤ most          a row, including the price of gaps; where floors fail without a price, the gap is limited too
    total[o] = Σ_a n[o,a]   a column for each option: its size over all years, or the purchases of a stockpile in t
    opened[o]               a column for each option that others require and that may be opened at size 0: 1 if opened

Objectives are linear functions of the sizes `total`, or the cost. A plan is found by constraint generation. Bounds
from the LP relaxation are valid for plans that survive all shocks: dropping shocks or integrality only enlarges the
feasible set.

Sources: Brill, Chang, Hopkins: Modeling to generate alternatives, Management Science 28(3), 1982; DeCarolis: Using
modeling to generate alternatives (MGA) to expand our thinking on energy futures, Energy Economics 33(2), 2011.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from optimizer import formulation
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import ProblemVariant, SearchResult, generate_constraints
from optimizer.algorithms.reading import integers_of, read_plan
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.search import Search
from optimizer.algorithms.separation import Violation, select_most_violated
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import Instance
from optimizer.model.builder import ModelBuilder
from optimizer.model.expressions import Expression
from optimizer.results.plan import Plan
from optimizer.solver.base import Clock, Listener, PseudoCosts, Settings, SolveResult, Vector
from optimizer.tolerances import HELD_NEAR_OPTIMAL, INTEGRALITY, NEGLIGIBLE

TOTAL, OPENED = "total", "opened"
# The names under which bases are stored: that of the last bound, and that of the last relaxation of a search.
BOUND_BASIS, TRIAL_BASIS = "bound", "trial"
# A search near known plans uses the cheapest one and this many of those found last.
LATEST = 2
# ``found`` a plan, ``none`` exists (proven), or ``stopped`` by the time limit.
SeekStatus = Literal["found", "none", "stopped"]
Among = Literal["all", "similar"]


@dataclass(frozen=True)
class NearOptimalPlan:
    """A near-optimal plan: sizes by option, cost in present value, the plan itself, and its integers."""

    sizes: Mapping[str, float]
    cost: float
    plan: Plan
    integers: Vector = field(repr=False)


class NearOptimalSearch(Search):
    """A search for near-optimal plans of an instance.

    Args:
        instance, settings, clock, listener: as for `solving.best_plan`.
        evaluator: evaluates the recourse in the shocks.
        most: the limit on cost in present value, money; including gaps at their price if they have one.
        gap_limit: the limit on the survival gap in money; 0 where all floors are kept, or where gaps have a price. If
            it is positive, the model holds every shock that can fail.
        held: names of shocks that the model holds from the start.
    """

    def __init__(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        evaluator: RecourseEvaluator,
        most: float,
        gap_limit: float = 0.0,
        held: Iterable[str] = (),
    ) -> None:
        super().__init__(instance, replace(settings, checkpoint=None), clock, listener, evaluator)
        self.most = most
        held = frozenset(held)
        self.enter_shocks(shock for shock in instance.events if shock.name in held or shock.probability > 0)
        if gap_limit > 0:
            self.enter_shock_numbers(np.flatnonzero(evaluator.can_leave_gap(clock)).tolist())
        problem = ProblemVariant(rows=(_totals,), name="cost", gap_limit=gap_limit, objective_limit=most)
        self.model = ShockModel(instance, self.shocks, self.settings, clock, self.report, self.writer, problem)
        self.model.pseudo_costs = self.pseudo_costs
        self.model.set_floor_limits()
        found = self.model.builder.column_index()
        self.columns = {o: next(iter(found["", o, TOTAL].values())) for o in instance.options}
        self.openings = {o: next(iter(found["", o, OPENED].values())) for o in _open_for_others(instance)}
        self.found: list[NearOptimalPlan] = []
        self._status = ""

    def size(self, option: str, factor: float = 1.0) -> Expression:
        """Return `factor` times the size of an option, as an expression."""
        return Expression({self.columns[option]: factor})

    @property
    def cost(self) -> Expression:
        """Total cost in present value, including gaps at their price if they have one."""
        return self.model.objective

    def record(self, plan: Plan, cost: float, values: Sequence[float] | None = None) -> NearOptimalPlan:
        """Record a known near-optimal plan and return it.

        `values` are those of the model's columns if this search found the plan; they give its integers.
        """
        sizes = dict.fromkeys(self.columns, 0) | plan.sizes
        known = integers_of(self.instance, plan, self.model.builder.columns)
        whole = known if values is None else dict(enumerate(values))
        integers = [whole.get(j, 0.0) for j in self.model.solver.integers.tolist()]
        self.found.append(NearOptimalPlan(sizes, cost, plan, np.array(integers)))
        return self.found[-1]

    @contextlib.contextmanager
    def hold_sizes(self, bounds: Mapping[str, tuple[float, float]]) -> Iterator[None]:
        """Bound the sizes of options within the block."""
        solver = self.model.solver
        before = {o: (solver.lower[self.columns[o]], solver.upper[self.columns[o]]) for o in bounds}
        self._hold(bounds)
        try:
            yield
        finally:
            self._hold(before)

    @contextlib.contextmanager
    def close_option(self, option: str) -> Iterator[None]:
        """Exclude opening an option of `openings`, at size 0 as well, within the block."""
        columns, solver = [self.openings[option]], self.model.solver
        solver.bound(columns, 0.0, 0.0)
        try:
            yield
        finally:
            solver.bound(columns, 0.0, 1.0)

    def _hold(self, bounds: Mapping[str, tuple[float, float]]) -> None:
        for o, (lower, upper) in bounds.items():
            self.model.solver.bound([self.columns[o]], lower, upper)

    def narrow(self, option: str, lower: float, upper: float) -> None:
        """Tighten the bounds of an option's size to those proven for all plans, which makes later problems easier."""
        column, solver = self.columns[option], self.model.solver
        slack = HELD_NEAR_OPTIMAL * max(1.0, lower)
        solver.bound([column], max(solver.lower[column], lower - slack), min(solver.upper[column], upper + slack))

    def lower_bound(self, objective: Expression) -> float:
        """Return a lower bound on the objective over all plans from the LP relaxation.

        The clock's `part_limit` does not apply. −∞ if the time runs out, or if the solver reports no solution although
        the known plans are solutions.
        """
        self.model.release_integers()
        self.model.solver.set_objective(objective)
        # The basis of the last such relaxation is closer than that of later solves.
        self.model.solver.restore_basis(BOUND_BASIS)
        with self.clock.without_part_limit():
            result = self.model.solve_relaxed()
        self.model.solver.store_basis(BOUND_BASIS)
        return result.objective if result.status == "optimal" else -math.inf

    def reoptimise(self, known: NearOptimalPlan, objective: Expression) -> NearOptimalPlan | None:
        """Return the plan with the integers of `known` and the least objective.

        None if there is none, or if it fails in a shock outside the model.
        """
        self.model.fix_integers(known.integers)
        self.model.solver.set_objective(objective)
        self.model.solver.allow_fresh_start()
        result = self.model.solve_lp()
        if result.values is None:
            return None
        found = self._least_cost(result, objective)
        return None if found is None or self._violated(found) else self._keep(found)

    def seek(self, objective: Expression, enough: float, own: str | None = None, *, among: Among = "all") -> SeekStatus:
        """Find and record the plan with the least objective within the bounds held, or the first one up to `enough`.

        With an option `own`, similar plans are searched first, by LPs only: plans whose integers lie between those of
        some known plans, except for the option's own integers. If that finds none, all plans are searched, unless
        `among` is ``similar``.
        """
        similar = [self.found[:1] + self.found[-LATEST:], self.found, []] if own is not None else [[]]
        for plans in similar[:1] if among == "similar" else similar:
            found = generate_constraints(
                lambda plans=plans: self._solve_between(plans, objective, enough, own),  # type: ignore[misc]
                lambda found: self._violated(found[1]),
                lambda violated: self.model.add_shocks(
                    self.enter_shocks(select_most_violated(violated, 2 * self.added_a_round))
                ),
                self.clock,
            )
            if found is not None:
                result, cheapest = found
                is_stopped = self.clock.is_over and result.objective > enough
                self._keep(cheapest)
                return "stopped" if is_stopped else "found"
        is_none = among == "all" and not self.clock.is_over and self._status == "infeasible"
        return "none" if is_none else "stopped"

    def _solve_between(
        self, plans: Sequence[NearOptimalPlan], objective: Expression, enough: float, own: str | None
    ) -> tuple[SolveResult, SolveResult] | None:
        """Return the best plan with integers between those of `plans`, and the cheapest plan with its objective."""
        self._bound_integers(plans, own)
        self.model.solver.set_objective(objective)
        # No plan costs more, and a relaxation reaches a cutoff sooner than its infeasibility is proven.
        most, pseudo_costs = self.most + HELD_NEAR_OPTIMAL * abs(self.most), self.model.own_pseudo_costs
        if objective.terms != self.cost.terms:
            # Objectives other than cost are new each time; the pseudo-costs of branching are not.
            most, pseudo_costs = math.inf, None if pseudo_costs is None else PseudoCosts(pseudo_costs.gains)
        result = self._try_lps(enough, most)
        if result is None:
            if plans:
                # The tree over all plans covers these as well, and takes little longer.
                return None
            self._bound_integers(plans, own)
            result = self.model.solver.solve(enough=enough, cutoff=most, pseudo_costs=pseudo_costs)
        self._status = result.status
        cheapest = None if result.values is None else self._least_cost(result, objective)
        return None if cheapest is None else (result, cheapest)

    def _try_lps(self, enough: float, most: float) -> SolveResult | None:
        """Return the result if LPs alone show that no plan exists or find one that is good enough; else None."""
        solver = self.model.solver
        # Each relaxation starts from the last one's basis, which takes a tenth of the time of a tree from scratch.
        solver.restore_basis(TRIAL_BASIS)
        relaxation = self.model.solve_relaxed()
        solver.store_basis(TRIAL_BASIS)
        if relaxation.status == "infeasible" or (relaxation.status == "optimal" and relaxation.objective > most):
            return replace(relaxation, status="infeasible", values=None)
        if relaxation.values is None or not len(solver.integers):
            return None
        lower, upper = solver.lower[solver.integers], solver.upper[solver.integers]
        integers = relaxation.values[solver.integers]
        for whole in (np.round(integers), np.ceil(integers - INTEGRALITY)):
            self.model.fix_integers(np.clip(whole, lower, upper))
            solver.restore_basis(TRIAL_BASIS)
            solver.allow_fresh_start()
            found = self.model.solve_lp()
            if found.values is not None and found.objective <= enough:
                return replace(found, status="stopped", bound=relaxation.objective)
        solver.restore_basis(TRIAL_BASIS)
        return None

    def _bound_integers(self, plans: Sequence[NearOptimalPlan], own: str | None) -> None:
        """Bound the integers to the range that they span in `plans`, except those of the option `own`.

        Without plans, all integers are free.
        """
        self.model.release_integers()
        solver, columns = self.model.solver, self.model.builder.columns
        if plans and len(solver.integers):
            # The choice of samples that may fail stays free.
            others = [
                k for k, j in enumerate(solver.integers) if columns[j].mark.owner != own and not columns[j].mark.path
            ]
            all_of = np.array([known.integers[others] for known in plans])
            solver.bound(solver.integers[others], all_of.min(axis=0), all_of.max(axis=0))

    def _least_cost(self, result: SolveResult, objective: Expression) -> SolveResult | None:
        """Minimise the cost with the same integers and no worse objective; None if that is infeasible."""
        assert result.values is not None
        bounds = {}
        for o, column in self.columns.items():
            size, factor = float(result.values[column]), objective.terms.get(column, 0.0)
            if factor:
                least, most = _size_bounds(size)
                bounds[o] = (0.0, most) if factor > 0 else (least, math.inf)
        with self.hold_sizes(bounds):
            self.model.solver.set_objective(self.cost)
            return self.model.solve_restricted(replace(result, duals=None))

    def _violated(self, result: SolveResult) -> list[Violation]:
        """Return the violations of shocks that the model does not hold and the plan does not survive."""
        found = self._values(result)
        plan = read_plan(self.instance, self.model.builder, found)
        values = self.evaluator.plan_values([plan])
        self.listed.excused_counts = self.model.excuses.excused_counts(found)
        return self.listed.separate(values, self.shocks)

    def _values(self, result: SolveResult) -> Sequence[float]:
        assert result.values is not None
        values: list[float] = result.values.tolist()
        return values

    def _keep(self, result: SolveResult) -> NearOptimalPlan:
        values = self._values(result)
        plan = read_plan(self.instance, self.model.builder, values)
        return self.record(plan, self.cost.value(values), values)

    def search_result(self, known: NearOptimalPlan) -> SearchResult | None:
        """Return the cheapest plan with the sizes and integers of `known` as a search result, without a bound."""
        self.model.fix_integers(known.integers)
        with self.hold_sizes({o: _size_bounds(size) for o, size in known.sizes.items()}):
            self.model.solver.set_objective(self.cost)
            result = self.model.solve_lp()
        if result.values is None:
            return None
        values, gap, price = self._values(result), 0.0, self.instance.policy.gap_price or 0.0
        allows = bool(price or self.model.problem.gap_limit > 0)
        misses = allows and bool(self.model.missed_floors(result.values, NEGLIGIBLE))
        if misses:
            gap = max(0.0, self.model.gap.value(values))
        return SearchResult(
            "optimal",
            self.model.builder,
            result.values,
            self.cost.value(values) - price * gap,
            gap=gap,
            notes=tuple(self.model.notes),
            may_miss_floors=misses,
        )


def _totals(builder: ModelBuilder, instance: Instance, shocks: Sequence[Shock]) -> None:
    """Write total[o] = Σ_a n[o,a] for each option, and opened[o] for those that may be opened at size 0 for others."""
    for o, option in instance.options.items():
        unit, bought = option.scaling_unit, formulation.amount_bought(builder, instance, o)
        builder.require(o, TOTAL, None, builder.variable(o, TOTAL, 0, unit=unit) - bought, "==", unit=unit)
    last = instance.horizon.decisions[-1]
    for o in _open_for_others(instance):
        opened = builder.variable(o, OPENED, 0, unit="1", upper=1)
        builder.require(o, OPENED, None, opened - builder.linked(o, "by")[last], "==", unit="1")


def _open_for_others(instance: Instance) -> list[str]:
    """Return the options that others require and that may be opened at size 0."""
    required = {o for option in instance.sized.values() for o in option.requires}
    return [o for o, option in instance.sized.items() if o in required and option.min_size <= 0]


def _size_bounds(size: float) -> tuple[float, float]:
    """Return the bounds that hold a size, to a tolerance."""
    return size * (1.0 - HELD_NEAR_OPTIMAL), size * (1.0 + HELD_NEAR_OPTIMAL)
