"""Cuts: by hand, never above the truth, and honest about what is proven."""

import signal
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms import benders, benders_cuts
from optimizer.algorithms.benders_cuts import CutPool
from optimizer.algorithms.benders_evaluation import cuts_of_relaxation
from optimizer.algorithms.benders_master import MasterProblem
from optimizer.algorithms.problem import SearchResult
from optimizer.algorithms.recourse import RecourseEvaluator
from optimizer.algorithms.search import Search
from optimizer.algorithms.solving import best_plan
from optimizer.solver import Clock, Progress, Settings, SolveResult, Vector
from tests.algorithms import Algorithm, by_benders, by_constraint_generation
from tests.strategies import instances

CASES = Path(__file__).parents[1] / "cases"
FEW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def starts(probability: float, budget: float | None, *, end: int = 2029, last: int = 2028) -> dict[str, Any]:
    """Starts of an embargo in each quarter from 2027 to a last year; a reserve at 50 a tonne, a t short costs 1000."""
    return {
        "horizon": {"start": 2026, "end": end, "step": "quarter"},
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 1000, "cost": 10}},
        "demands": {"all": {"commodity": "magnet", "quantity": 100, "survival": 0.8, "shortage_cost": 1000}},
        "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 50}},
        "shocks": {
            "embargo": {
                "start": [f"{year}Q{quarter}" for year in range(2027, last + 1) for quarter in (1, 2, 3, 4)],
                "months": 12,
                "probability": probability,
                "cuts": [{"region": "rival", "severity": 1}],
            }
        },
        "policy": {} if budget is None else {"budget": budget},
    }


def test_the_least_gap_by_hand() -> None:
    # A budget of 3000 buys 60 t before 2027Q1. Each of eight windows asks for 100 t and has a floor of 80: 20 t short.
    found = by_benders(so.read(starts(0.0, 3000)), Settings(mip_gap=0.0), Clock(), lambda step: None, few_rows=0)
    assert found.gap == pytest.approx(8 * 20 * 1000)
    assert found.gap_bound == pytest.approx(found.gap)
    assert found.objective == pytest.approx(4 * 100 * 10 + 3000)


@pytest.mark.parametrize(("few", "is_one_model"), [(360, True), (359, False)])
def test_one_model_holds_the_shocks_that_fail_if_their_rows_are_few(
    monkeypatch: pytest.MonkeyPatch, few: int, is_one_model: bool
) -> None:
    # 40 shocks of 9 rows; each leaves 20 t short, whichever way the least gap is found.
    steps: list[Progress] = []
    instance = so.read(starts(0.0, 3000, end=2039, last=2036))
    monkeypatch.setattr(Search, "few_rows", few)
    found = best_plan(instance, Settings(mip_gap=0.0), Clock(), steps.append)
    assert found.gap == pytest.approx(40 * 20 * 1000)
    assert ("gap, relaxation" not in {step.phase for step in steps}) == is_one_model


@pytest.mark.parametrize("solver", ["highs", "cbc"])
@pytest.mark.parametrize("floor", [0.8, 0.0])
def test_the_expected_cost_by_hand(floor: float, solver: Any) -> None:
    # A shock comes with 0.8 in all. A tonne in store saves 1000 − 0 in that case (nothing can be made), so the reserve
    # is filled to 100 t: 5000. The baseline costs 4000, less what is not made in a year of shock: 0.8 · 1000.
    data, how = starts(0.8, None), Settings(mip_gap=0.0, solver=solver)
    data["demands"]["all"]["survival"] = floor
    found = by_benders(so.read(data), how, Clock(), lambda step: None, few_rows=0)
    assert found.gap == 0.0
    assert found.objective == pytest.approx(5000 + 4000 - 0.8 * 1000)
    assert found.bound == pytest.approx(found.objective)


def test_rounds_are_told_and_their_bounds_are_below_their_values() -> None:
    steps: list[Progress] = []
    found = by_benders(so.read(starts(0.0, 3000)), Settings(mip_gap=0.0), Clock(), steps.append, few_rows=0)
    rounds = [step for step in steps if step.round]
    assert list(found.history) == rounds
    assert [step.round for step in rounds] == list(range(1, len(rounds) + 1))
    gaps = [step for step in rounds if step.phase.startswith("gap")]
    assert gaps
    assert all(step.bound <= step.best * (1 + 1e-9) + 1e-6 for step in gaps)


def test_a_run_that_is_stopped_says_so() -> None:
    found = by_benders(so.read(starts(0.0, 3000)), Settings(), Clock(limit=0.0), lambda step: None, few_rows=0)
    assert found.status == "stopped"
    assert found.values is not None


@pytest.mark.parametrize("algorithm", [by_benders, by_constraint_generation])
@pytest.mark.parametrize("phase", ["gap, relaxation", "cost under the gap"])
def test_what_was_proven_of_the_gap_is_told_by_a_run_that_is_stopped_later(algorithm: Algorithm, phase: str) -> None:
    # See `test_the_least_gap_by_hand`: the relaxation ends at the least gap, since there are no integers.
    clock = Clock()

    def stop(step: Progress) -> None:
        is_near = step.bound >= (1 - 1e-9) * 8 * 20 * 1000 or phase != "gap, relaxation"
        clock.interrupted = clock.interrupted or (step.phase == phase and is_near)

    found = algorithm(so.read(starts(0.0, 3000)), Settings(mip_gap=0.0), clock, stop, few_rows=0)
    assert found.status == "stopped"
    assert (found.gap, found.gap_bound) == (pytest.approx(8 * 20 * 1000), pytest.approx(8 * 20 * 1000))


def test_the_plan_that_a_relaxation_leads_to_is_not_lost_where_benders_is_stopped_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Doing nothing leaves 8 · 80 t short; the budget buys 60 t, see `test_the_least_gap_by_hand`.
    clock, go_on = Clock(), benders.BendersSearch.continue_from

    def at_once(self: benders.BendersSearch, *known: Any) -> SearchResult:
        clock.interrupted = True
        found = go_on(self, *known)
        assert found.gap == pytest.approx(8 * 80 * 1000)
        return found

    monkeypatch.setattr(benders.BendersSearch, "continue_from", at_once)
    instance = so.read(starts(0.0, 3000))
    found = by_constraint_generation(instance, Settings(mip_gap=0.0), clock, lambda step: None, few_rows=0)
    assert (found.status, found.gap, found.gap_bound) == ("stopped", pytest.approx(8 * 20 * 1000), 0)


@pytest.mark.parametrize("last", range(1, 12))
@pytest.mark.parametrize("name", ["104", "208"])
def test_wherever_a_run_is_stopped_its_plan_is_audited(name: str, last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A plan of which the least gap is known and the least cost is not: `solve` raises where the figures disagree.
    monkeypatch.setattr(
        "optimizer.studies.conclusion.best_plan",
        lambda *some, evaluator, hints: by_benders(*some, add=1, evaluator=evaluator, few_rows=0),
    )
    rounds: list[Progress] = []

    def stop(step: Progress) -> None:
        rounds.append(step)
        if step.round == last:
            signal.raise_signal(signal.SIGINT)

    result = so.solve(so.load(CASES / "generated" / f"{name}.yaml"), settings=Settings(mip_gap=0.0), listener=stop)
    assert result.audit["ok"]
    if result.status == "stopped":
        assert any("Ctrl-C" in note for note in result.notes)
    else:
        assert max(step.round for step in rounds) <= last


@FEW
@given(instances(), st.integers(0, 2**31))
def test_no_cut_is_above_the_truth(data: dict[str, Any], seed: int) -> None:
    instance = so.read(data)
    evaluator = RecourseEvaluator(instance)
    random = np.random.default_rng(seed)
    upper = np.array([min(column.upper, 200.0) for column in evaluator.subproblems.plan.columns])
    plans = [random.random(len(upper)) * upper * share for share in (0.0, 0.1, 0.5, 1.0)]
    each, ones = np.arange(len(instance.events)), np.ones(len(instance.events))
    for task in ("subgradients of gaps", "subgradients of costs"):
        found = [evaluator.subgradients(plan, Clock(), task, each, ones) for plan in plans]
        for one, cut in zip(plans, found, strict=True):
            for other, truth in zip(plans, found, strict=True):
                said = cut.value + cut.subgradient @ (other - one)
                true = truth.fails if task == "subgradients of costs" else np.zeros_like(truth.fails)
                assert np.all((said <= truth.value + 1e-6 * (1 + np.abs(truth.value)))[~true])


@FEW
@given(instances(), st.sampled_from([0.0, 0.2]), st.sampled_from([1, 400]), st.integers(0, 2**31))
def test_cuts_of_a_relaxation_are_never_above_the_truth_and_say_all_of_it(
    data: dict[str, Any], probability: float, most: int, seed: int
) -> None:
    # Nine tenths of demand are more than what is left without imports, and nothing can be bought.
    data["policy"], data["demands"]["cars"]["survival"] = {"budget": 0.0}, 0.9
    embargo = {"start": 2027, "months": 12, "cuts": [{"region": "rival", "severity": 1}], "probability": probability}
    data["shocks"] |= {"embargo": embargo, "later": embargo | {"start": 2028}}
    instance, seen = so.read(data), list[tuple[MasterProblem, CutPool]]()

    def record(master: MasterProblem, relaxation: SolveResult) -> CutPool:
        cuts = cuts_of_relaxation(master, relaxation)
        seen.append((master, cuts))
        if np.any(master.solver.lower[master.solver.integers] < master.solver.upper[master.solver.integers]):
            bound = without_shocks(master, cuts).solve_relaxed().objective
            assert bound == pytest.approx(relaxation.objective, rel=1e-6, abs=1e-6)
        return cuts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benders_cuts, "MOST_GROUPS", most)
        patch.setattr(benders, "cuts_of_relaxation", record)
        by_benders(instance, Settings(mip_gap=0.0), Clock(), lambda step: None, few_rows=0)
    assert any(cuts for _, cuts in seen)
    random, evaluator = np.random.default_rng(seed), RecourseEvaluator(instance)
    upper = np.array([min(column.upper, 200.0) for column in evaluator.subproblems.plan.columns])
    for master, cuts in seen:
        for share in (0.0, 0.1, 0.5, 1.0):
            assert_below(evaluator, master, cuts, random.random(len(upper)) * upper * share)


def without_shocks(master: MasterProblem, cuts: CutPool) -> MasterProblem:
    """The same master with cuts in place of the shocks that it holds."""
    known = (master.settings, master.clock, master.listener, master.writer, master.problem)
    result = MasterProblem(master.instance, (), *known, groups=master.groups)
    result.allow_shortfalls(np.inf, master.gap_limit)
    result.minimise(master.aim)
    for pool in (master.pool, cuts):
        result.add_pool(pool)
    return result


def assert_below(evaluator: RecourseEvaluator, master: MasterProblem, cuts: CutPool, plan: Vector) -> None:
    """No cut is above the gaps of a plan, and none above the costs where these gaps are allowed, or larger ones."""
    groups = master.groups["gap"]
    gaps = evaluator.subgradients(plan, Clock(), "subgradients of gaps", groups.group_of, groups.weights)
    for cut in cuts.get("gap", ()):
        said = cut.value + cut.subgradient @ (plan - cut.plan)
        assert np.all(said <= gaps.value[cut.new] + 1e-6 * (1 + np.abs(cut.value)))
    groups = master.groups.get("cost", groups)
    for cut, more in product(cuts.get("cost", ()), (0.0, 100.0, 1e4)):
        tied = groups.gap_groups[cut.new] >= 0
        is_alone = np.isin(groups.group_of, np.flatnonzero(groups.gap_groups >= 0))
        limits = np.where(is_alone, (gaps.gap + more) * (1 + 1e-9) + 1e-9, np.nan)
        weights = groups.group_of, groups.weights
        costs = evaluator.subgradients(plan, Clock(), "subgradients of costs", *weights, gap_limits=limits)
        said = cut.value + cut.subgradient @ (plan - cut.plan)
        allowed = gaps.value[groups.gap_groups[cut.new[tied]]] + more
        said[tied] += cut.by_gap[tied] * (allowed - cut.gap_limit[tied])
        assert np.all(said <= costs.value[cut.new] + 1e-6 * (1 + np.abs(costs.value[cut.new])))


def test_the_last_round_shows_the_bound_that_proves_the_plan() -> None:
    # The relaxation costs 42.85M; the plan is proven by branches, without a round of its own.
    found = by_benders(so.load("instances/tiny.yaml"), Settings(mip_gap=0.0), Clock(), lambda step: None)
    last = found.history[-1]
    assert (last.best, last.bound) == (pytest.approx(43.6e6), pytest.approx(43.6e6))
    assert found.history[-2].bound < 43e6
