"""Column-and-constraint (scenario) generation: solve with some shocks, separate violated ones, add the worst, repeat.

Adding a shock adds its recourse columns and rows. A shock is violated if the plan, at the least gap, leaves a segment
below its floor by more than `VIOLATED` of its demand.

    relaxation   without integrality, from no shock until none is violated; the first shocks added are the worst ones
                 under the do-nothing plan
    integers     the same with integers, from the shocks that the relaxation needed: by branch and bound, or by HiGHS
                 (`solver.highs_tree` chooses)

The optimum is that of the extensive form. With fewer shocks the model is a relaxation, so its bound is valid; a plan
that survives every other shock is feasible for all. A shock with a probability counts in the cost, and is in the model
from the start. Where the floors cannot all be kept, the gaps of all shocks count, and another search takes over, as
described in `solving`.

If a share of an ensemble has to be survived, the search starts from a plan found by `best_excused_plan`: the samples
that may fail are fixed, and every other sample has to be survived.

    first     the samples with the largest gaps under the LP relaxation may fail
    then      samples that may fail but are survived are replaced by those that cost most to survive, by the dual
              values of their rows

Each choice is an instance with plain floors, solved in a fraction of the time; its best plan gives an upper bound. The
samples that it needed, and those that it lets fail, are put into the model. Where the costs of samples count, the model
holds them all, and each choice is its restricted LP.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizer.algorithms.dual_decomposition import DualDecomposition, GroupPlans, GroupProblem
from optimizer.algorithms.extensive_form import ShockModel
from optimizer.algorithms.problem import (
    NOTHING_KNOWN,
    DualValues,
    Hints,
    ProblemVariant,
    SearchResult,
    generate_constraints,
)
from optimizer.algorithms.reading import joint_integers, read_joint_plan, read_no_shock
from optimizer.algorithms.recourse import Evaluator
from optimizer.algorithms.relaxed_floors import (
    SurvivalShare,
    counts_survival_alone,
    excused_samples,
    floor_prices,
    largest_samples,
    no_sample_may_fail,
)
from optimizer.algorithms.search import Search
from optimizer.algorithms.separation import SeparationOracle, Violation, select_most_violated
from optimizer.disruptions.shock import Shock
from optimizer.instance.schema import FutureTree, Instance
from optimizer.results.plan import NoShockPlan, Plan
from optimizer.solver.base import Clock, Listener, Settings, SolveResult, Vector
from optimizer.tolerances import NEGLIGIBLE_DUAL

# If more than this share of the shocks held are needed, a new model would cost more than it saves.
MOST_NEEDED = 0.8
# Largest number of choices of excused samples; the share of the remaining time that all of them may take.
MOST_CHOICES, CHOICES_SHARE = 4, 0.4
# Solves groups of futures, each by itself, with the evaluator of all; None for groups that the clock did not allow.
GroupSolver = Callable[[Evaluator, Sequence[GroupProblem], Clock], Sequence[GroupPlans | None]]


@dataclass(frozen=True)
class ExcusedPlan:
    """A plan that survives all but some samples, and the result of its search."""

    found: SearchResult
    excused: frozenset[int]  # indices of the samples that may fail
    shocks: Sequence[Shock]  # the shocks that its model held

    def plans(self, tree: FutureTree) -> tuple[Plan, ...]:
        """Return the plan of each future."""
        assert self.found.values is not None
        return read_joint_plan(tree, self.found.builder, self.found.values.tolist())

    def start(self, tree: FutureTree, model: ShockModel) -> Vector:
        """Return the plan as starting integers of a model that holds the samples that may fail."""
        values = np.zeros(len(model.builder.columns))
        values[model.solver.integers] = joint_integers(tree, self.plans(tree), model.builder)
        values[model.excuses.columns_of(tree.events[n].name for n in self.excused)] = 1.0
        return values[model.solver.integers]


def best_excused_plan(
    tree: FutureTree,
    shares: Sequence[SurvivalShare],
    gaps: Vector,
    solve: Callable[[frozenset[int]], ExcusedPlan | None],
    gaps_left: Callable[[ExcusedPlan], Vector],
) -> ExcusedPlan | None:
    """Return the cheapest plan over several choices of the samples that may fail; None if none has a plan.

    Args:
        tree: the futures.
        shares: the ensembles of which only a share has to be survived.
        gaps: by shock, the gap under a starting plan.
        solve: returns the best plan for a choice; None if it has none.
        gaps_left: returns by shock the gap that a plan leaves where floors fail.
    """
    best: ExcusedPlan | None = None
    chosen, tried = largest_samples(shares, gaps), set[frozenset[int]]()
    while chosen not in tried and len(tried) < MOST_CHOICES:
        tried.add(chosen)
        plan = solve(chosen)
        if plan is None:
            break
        if best is None or plan.found.objective < best.found.objective:
            best = plan
        left, price = gaps_left(plan), floor_prices(tree, plan.found.duals)
        # Samples that still fail stay excused; the others are replaced by those that cost most to survive.
        chosen = largest_samples(shares, np.where(left > 0.0, price.max(initial=0.0) + left + 1.0, price))
    return best


class ConstraintGeneration(Search):
    """A search by constraint generation.

    A problem other than least cost has no plan where the floors cannot be kept: the status is then ``infeasible``.

    Args:
        instance, settings, clock, listener, evaluator, problem: as for `Search`.
        group_solver: solves groups of futures, each by itself.
        hints: facts known before.

    Attributes:
        plans: by future, the plan from which the next model starts, which may violate shocks; empty if there is none.
        known_bound: a proven lower bound on the objective.
        no_shock: the no-shock plan, if the search found it.
        relaxation: the last LP relaxation.
    """

    no_shock: NoShockPlan | None = None
    relaxation: SolveResult | None = None
    # State of the phase with integers:
    _next_lp: SolveResult | None = None  # the next LP relaxation
    latest: SearchResult | None = None  # the plan of the last round
    _failed: SearchResult | None = None  # the result that ended the loop
    _is_first = True
    # A plan known to survive the required shares of the ensembles.
    _known_plan: ExcusedPlan | None = None
    # The dual decomposition of an instance with several futures.
    _by_future: DualDecomposition | None = None

    def __init__(
        self,
        instance: Instance,
        settings: Settings,
        clock: Clock,
        listener: Listener,
        evaluator: Evaluator,
        problem: ProblemVariant,
        group_solver: GroupSolver,
        hints: Hints = NOTHING_KNOWN,
    ) -> None:
        super().__init__(instance, settings, clock, listener, evaluator, problem)
        self.group_solver, self.hints, self.plans, self.known_bound = group_solver, hints, hints.plans, hints.bound
        self.enter_shocks(each for each in self.tree.events if each.name in hints.shocks or each.probability > 0)

    def oracles(self) -> Sequence[SeparationOracle]:
        """Return the separation oracles."""
        return (self.listed,)

    def is_complete(self) -> bool:
        """Return whether the oracles have found every violation."""
        return True

    def new_model(self) -> ShockModel:
        """Return a model that holds the shocks found so far and starts from the known plans."""
        model = self._shock_model(shortfalls=self.listed.shortfalls)
        model.known_bound = self.known_bound
        if self.plans:
            model.start = joint_integers(self.tree, self.plans, model.builder)
        return model

    def _shock_model(self, **samples: Any) -> ShockModel:
        known = (self.instance, self.shocks, self.settings, self.clock, self.report, self.writer, self.problem)
        return ShockModel(*known, pseudo_costs=self.pseudo_costs, keeper=self.hints.keeper, **samples)

    def run(self) -> SearchResult:
        """Solve the relaxation, then with integers; minimise the gap where floors cannot all be kept."""
        self.restore_shocks()
        if self.resumed:
            self.listed.suspects = frozenset(self.resumed.facts.get("suspects", ()))
        self.model = self.new_model()
        if self.phase not in ("", "relaxation", "integers"):
            return self.minimise_gap()
        self._next_lp = self._solve_relaxations()
        if self._next_lp is None:
            return self.stopped(self.model.fall_back(self.relaxation)) if self.clock.is_over else self.minimise_gap()
        if self.problem.is_least_cost and self.instance.policy.gap_price is None and self.oracles() == (self.listed,):
            self._choose_samples()
        return self._run_integers()

    # A share of an ensemble.

    def _choose_samples(self) -> None:
        """Find a plan that survives the required shares of the ensembles; add the samples that matter to the model."""
        if not self.listed.shares or self.resumed or self._next_lp is None or self._next_lp.values is None:
            return
        gaps = self.evaluator.gaps(self._next_lp.values, self.clock).gap
        left = math.inf if self.clock.left is None else self.clock.left * CHOICES_SHARE
        is_in_model = not counts_survival_alone(self.instance)
        solve = self._solve_in_model if is_in_model else self._solve_with_excused
        with self.clock.for_at_most(left):
            best = best_excused_plan(self.tree, self.listed.shares, gaps, solve, self._gaps_left)
        if best is None:
            return
        if is_in_model:
            self.model.start = best.start(self.tree, self.model)
            return
        if new := self.enter_shock_numbers([*sorted(best.excused), *self.listed.numbers(best.shocks)]):
            self.model.add_shocks(new)
        self._known_plan, self._next_lp = best, None
        self.plans, self.model.start = best.plans(self.tree), best.start(self.tree, self.model)

    def _gaps_left(self, plan: ExcusedPlan) -> Vector:
        """Return by shock the gap that a plan leaves where floors fail."""
        left = self.evaluator.gaps(self.evaluator.plan_values(plan.plans(self.tree)), self.clock)
        return np.where(left.fails, left.gap, 0.0)

    def _solve_with_excused(self, excused: frozenset[int]) -> ExcusedPlan | None:
        """Find the best plan with the given samples excused and all others survived; None if it is not optimal."""
        settings, first = replace(self.settings, checkpoint=None), "first choice of samples, "
        report: Listener = lambda step: self.listener(replace(step, phase=first + step.phase))  # noqa: E731
        known = (settings, self.clock, report, self.evaluator, self.problem, self.group_solver, Hints(plans=self.plans))
        search = _FixedExcuses(self.instance, *known)
        search.writer, listed = self.writer, search.listed
        listed.ignored, listed.shares, listed.excused_counts = excused, [], []
        gaps = self.evaluator.do_nothing(self.clock).violated
        violated = listed.violations({n: gap for n, gap in gaps.items() if n not in excused})
        search.enter_shocks(select_most_violated(violated, self.added_a_round))
        found = search.run()
        if found.values is None or found.status != "optimal":
            return None
        return ExcusedPlan(replace(found, bound=-math.inf), excused, search.shocks)

    def _solve_in_model(self, excused: frozenset[int]) -> ExcusedPlan | None:
        """Solve the restricted LP of the integers near the relaxation with just these samples excused."""
        if self.clock.is_over or self._next_lp is None or self._next_lp.values is None:
            return None
        values, columns_of = self._next_lp.values.copy(), self.model.excuses.columns_of
        values[columns_of(event.name for event in self.tree.events)] = 0.0
        values[columns_of(self.tree.events[n].name for n in excused)] = 1.0
        if (result := self.model.solve_rounded(values)) is None:
            return None
        duals = DualValues.from_result(self.model.builder, result)
        found = SearchResult("stopped", self.model.builder, result.values, result.objective, duals=duals)
        return ExcusedPlan(found, excused, self.shocks)

    @property
    def _proven_plan(self) -> SearchResult | None:
        """The known plan if it is proven to the gap of the settings; else None."""
        if self._known_plan is None:
            return None
        found, bound = self._known_plan.found, min(self.known_bound, self._known_plan.found.objective)
        return replace(found, bound=bound) if found.objective - bound <= self.settings.slack(found.objective) else None

    def _run_integers(self) -> SearchResult:
        """Find the cheapest plan that survives; minimise the gap if the shocks found leave none."""
        found = generate_constraints(self._solve_integers, self._separate_integers, self._add_integers, self.clock)
        if found is not None and self.is_complete():
            return replace(found, no_shock=self.no_shock, history=tuple(self.history))
        if self._failed is not None and self._failed.status == "infeasible":
            return self.minimise_gap()
        return self.stopped(found or self._failed or self.latest or self.model.fall_back(self.relaxation))

    def separate(self, plan: Vector, enough: int = 0) -> list[Violation]:
        """Return the violations of shocks that the plan does not survive and the model does not hold."""
        return [each for oracle in self.oracles() for each in oracle.separate(plan, self.shocks, enough)]

    def add_most_violated(self, violations: Iterable[Violation], most: float) -> None:
        """Add the most violated shocks to the model, and enough of the samples that may fail for them to count."""
        violations = list(violations)
        samples = self.listed.enough_to_count(violations, self.shocks, most if self._known_plan else 0)
        chosen = (*samples, *select_most_violated(violations, most))
        self.model.add_shocks(self.enter_shocks(chosen))

    # The relaxation.

    def _start_without_shocks(self) -> None:
        """Solve the relaxation without shocks; then add the shocks that are worst under the do-nothing plan."""
        result = self.model.solve_relaxation()
        if result.values is None:
            return
        self.relaxation = result
        if (
            self.problem.is_least_cost
            and self.tree.is_single
            and self._yields_no_shock_plan
            and not self.instance.rule_paths
        ):
            rounded = self.model.solve_rounded(result.values)
            if rounded is not None and rounded.objective - result.objective <= self.model.noticeable(rounded.objective):
                found = self.model.conclude(rounded)
                assert found.values is not None
                self.no_shock = read_no_shock(self.instance, found.builder, found.values.tolist(), found.objective)
        violated = self.listed.violations(self.evaluator.do_nothing(self.clock).violated)
        self.report_round("relaxation", result.objective, result.bound, violated)
        if violated:
            self.add_most_violated(violated, self.added_a_round)
            self._save("relaxation")

    def _solve_relaxations(self) -> SolveResult | None:
        """Solve the relaxation with the shocks that it needs.

        None if it cannot keep all floors, or the time is over.
        """
        if self.phase == "integers":
            result = self.model.solve_relaxation()
            return None if result.status == "infeasible" else result
        if not self.phase and not self.shocks:
            self._start_without_shocks()

        def solve() -> SolveResult | None:
            result = self.model.solve_relaxation()
            self.relaxation = self.relaxation if result.values is None else result
            return None if result.values is None else result

        def separate(result: SolveResult) -> list[Violation]:
            assert result.values is not None
            violated = self._must_survive(self.separate(result.values, self.added_a_round))
            self.report_round("relaxation", result.objective, result.bound, violated)
            return violated

        def add(violated: Sequence[Violation]) -> None:
            self.add_most_violated(violated, self.added_a_round)
            self._save("relaxation")

        found = generate_constraints(solve, separate, add, self.clock)
        if found is not None:
            self._save("integers")
        return found if self.is_complete() else None

    def _must_survive(self, violated: Sequence[Violation]) -> list[Violation]:
        """Return the violations of shocks that must be survived, which samples that may fail need not be.

        A relaxation excuses a part of each sample that may fail, whichever it is.
        """
        return [each for each in violated if not self.listed.may_fail(each.shock)]

    # The integers.

    def _solve_integers(self) -> SearchResult | None:
        """Find the cheapest plan for the shocks held, or the known plan once it is proven.

        None if there is no plan, or if the time is over; `_failed` then has the reason.
        """
        found, self._is_first = self._solve_held(), False
        self.known_bound = self.known_bound if found is None else max(self.known_bound, found.bound)
        if self._proven_plan is not None:
            return self._proven_plan
        if found is None:
            self._failed = SearchResult("infeasible", self.model.builder)
        elif found.values is None or (found.status == "stopped" and self.clock.is_over):
            self._failed = found
        return None if self._failed else found

    def _solve_held(self) -> SearchResult | None:
        relaxation, self._next_lp = self._next_lp or self.model.solve_relaxation(), None
        if self._decomposes_by_future and (found := self._decompose(relaxation)) is not None:
            return found
        if self._is_first and self.evaluator.pseudo_costs is None:
            self._drop_shocks_without_duals(relaxation)
        return self.model.minimise_objective()

    def _separate_integers(self, found: SearchResult) -> list[Violation]:
        assert found.values is not None
        if self._proven_plan is not None:
            return []
        plans = read_joint_plan(self.tree, found.builder, found.values.tolist())
        self.listed.excused_counts = self.model.excuses.excused_counts(found.values.tolist())
        violated = self.separate(self.evaluator.plan_values(plans))
        # As in the relaxation, the objective includes gaps at their price.
        _, objective = self.model.reported_cost_and_objective(found.values)
        self.report_round("integers", objective, objective - (found.objective - found.bound), violated)
        self.latest = found
        if violated:
            self.plans, self.model.start = plans, found.values[self.model.solver.integers]
            # The bound stays valid: with more shocks no plan costs less.
            self.model.known_bound = self.known_bound
        return violated

    def _add_integers(self, violated: Sequence[Violation]) -> None:
        self.add_most_violated(violated, 2 * self.added_a_round)
        self._save("integers")

    @property
    def _decomposes_by_future(self) -> bool:
        """Whether the futures are first solved by themselves: for the expected cost of several futures."""
        is_estimated = self.instance.policy.objective.kind == "expected" and no_sample_may_fail(self.instance)
        return self.problem.is_least_cost and not self.tree.is_single and is_estimated

    @property
    def _yields_no_shock_plan(self) -> bool:
        """Whether the model without shocks gives the no-shock plan: it minimises expected cost without priced gaps."""
        policy = self.instance.policy
        return policy.objective.kind == "expected" and policy.gap_price is None and no_sample_may_fail(self.instance)

    def _decompose(self, relaxation: SolveResult) -> SearchResult | None:
        """Return the plan from dual decomposition if it is proven; else start the search from it and return None."""
        if relaxation.duals is None or self.clock.is_over:
            return None
        if self._is_first:
            self._by_future = DualDecomposition(
                self.model, lambda problems: self.group_solver(self.evaluator, problems, self.clock), self.hints.alone
            )
            self._by_future.run(relaxation)
        if self._by_future is None:
            return None
        self.model.known_bound = max(self.model.known_bound, self._by_future.bound)
        found = self._by_future.incumbent
        if found is None or found.values is None or not self._is_first:
            return None
        if found.objective - self._by_future.bound <= self.settings.slack(found.objective):
            return self.model.conclude(replace(found, status="optimal", bound=self._by_future.bound))
        self.model.start = found.values[self.model.solver.integers]
        return None

    def _drop_shocks_without_duals(self, relaxation: SolveResult) -> None:
        """Rebuild the model without the shocks whose rows have no dual value, if there are many: it is easier to prove.

        A shock with a probability stays, since its cost counts. All shocks stay where samples have integers, whose
        indices would change in another model.
        """
        if self.model.excuses.is_used:
            return
        rows = self.model.builder.rows
        duals = np.full(len(rows), math.inf) if relaxation.duals is None else np.abs(relaxation.duals)
        priced = {row.mark.path for row, dual in zip(rows, duals, strict=True) if dual > NEGLIGIBLE_DUAL}
        needed = [shock for shock in self.shocks if shock.name in priced or shock.probability > 0]
        if len(needed) < MOST_NEEDED * len(self.shocks):
            start, self.shocks = self.model.start, needed
            self.model = self.new_model()
            self.model.start, self.model.relaxation = start, relaxation

    def _save(self, phase: str) -> None:
        self.save(phase, {"suspects": sorted(self.listed.suspects)}, {})

    # Floors that fail, and a search that is stopped.

    def minimise_gap(self) -> SearchResult:
        """Find the plan of least gap, where the floors of the shocks held cannot all be kept."""
        raise NotImplementedError

    def stopped(self, found: SearchResult) -> SearchResult:
        """Return the result of a stopped search, whose plan is only known to survive the shocks in the model."""
        left = len(self.tree.events) - len(self.shocks)
        known = None if self._known_plan is None else self._known_plan.found
        bound, found = max(self.known_bound, found.bound), self.best_of(found, self.latest, known)
        found = replace(found, bound=min(bound, found.objective)) if known is not None else found
        unfinished = f"while {left} shocks were not yet part of the search; the table shows how they fare"
        note = f"Stopped {unfinished if left else 'before the proof'}."
        return replace(found, no_shock=self.no_shock, history=tuple(self.history), notes=(*found.notes, note))

    def best_of(self, found: SearchResult, *others: SearchResult | None) -> SearchResult:
        """Return the plan with the least gap in all shocks, then the least cost, without a proof."""
        plans = [self._with_all_gaps(each) for each in (found, *others) if each is not None and each.values is not None]
        best = min(plans, key=lambda each: (each.gap, each.objective), default=found)
        return replace(best, status="stopped")

    def _with_all_gaps(self, found: SearchResult) -> SearchResult:
        """Return a result with the gap that its plan leaves in all shocks, not only in those of the model."""
        assert found.values is not None
        plans = read_joint_plan(self.tree, found.builder, found.values.tolist())
        survived = np.flatnonzero(~self.evaluator.can_leave_gap(self.clock)).tolist()
        left = self.evaluator.gaps(self.evaluator.plan_values(plans), self.clock, survived)
        excused = excused_samples(self.listed.shares, left.gap, left.fails)
        counted = ((n, gap) for n, gap in left.violated.items() if not excused[n])
        gap = math.fsum(self.tree.probability(self.tree.events[n]) * gap for n, gap in counted)
        return replace(found, gap=max(found.gap, gap), gap_bound=min(found.gap_bound, gap)) if gap > 0 else found


class _FixedExcuses(ConstraintGeneration):
    """A search with the samples that may fail fixed (`ListedShocks.ignored`); it has no plan where floors fail."""

    def new_model(self) -> ShockModel:
        """Return a model that excuses no sample."""
        return self._shock_model(may_excuse=False)

    def minimise_gap(self) -> SearchResult:
        """Return an infeasible result: no least gap is sought."""
        return SearchResult("infeasible", self.model.builder)

    def stopped(self, found: SearchResult) -> SearchResult:
        """Return a result without a plan, since samples outside the model may fail."""
        return SearchResult("stopped", found.builder)
