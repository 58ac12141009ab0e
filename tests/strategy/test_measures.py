"""The measures of risk by Benders decomposition: by hand, and as the extensive form and other programmes have them."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optimizer as so
from optimizer.algorithms.benders import BendersSearch
from optimizer.algorithms.benders_loop import BendersLoop, Incumbent
from optimizer.algorithms.extensive_form import ShockModel, solve_extensive_form
from optimizer.algorithms.problem import SearchResult
from optimizer.algorithms.relaxed_floors import no_sample_may_fail
from optimizer.audit.figures import _outcomes, measure_of_futures
from optimizer.formulation import blank_model
from optimizer.instance.questions import RiskMeasure
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.risk import CostOutcome, FutureCosts, measured_cost, write_measure
from optimizer.solver import Clock, Progress
from optimizer.solver.base import SolveResult, StrategyName
from tests.algorithms import Algorithm, by_benders
from tests.independent import Data, optimum
from tests.speed.national import national
from tests.strategies import SHARE, SHOCK, instances
from tests.test_futures_independent import compare, drawn

CASES = Path(__file__).parents[1] / "cases" / "futures"
ANSWERS = json.loads((CASES / "answers.json").read_text())
EXACT = so.Settings(mip_gap=1e-8)
# Seeds of the independent programme: about a third of their instances have a price of gaps. In the last two, shocks are
# added while integers are fixed.
SEEDS = [*range(60), 169, 217]


def run(strategy: Algorithm, instance: so.Instance) -> SearchResult:
    return strategy(instance, EXACT, Clock(), lambda step: None)


@contextmanager
def cuts_alone() -> Iterator[None]:
    """Every search is one by cuts, in each of its stages."""

    def search(instance: so.Instance, *known: Any) -> SearchResult:
        assert no_sample_may_fail(instance)
        settings, clock, listener, problem, evaluator, _ = known
        return by_benders(instance, settings, clock, listener, problem=problem, evaluator=evaluator, few_rows=0)

    with mock.patch("optimizer.studies.futures.solve.best_plan", search):
        yield


def tail(alpha: float, weight: float, probability: float, budget: float | None = None) -> Data:
    """A year without imports, likely or not; ten tonnes in store for it cost 300, going short of them 1000."""
    return {
        "horizon": {"start": 2026, "end": 2027, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {"imports": {"region": "rival", "output": {"magnet": 1}, "capacity": 10}},
        "demands": {"all": {"commodity": "magnet", "quantity": 10, "survival": 0, "shortage_cost": 100}},
        "options": {"reserve": {"kind": "stockpile", "commodity": "magnet", "price": 30}},
        "shocks": {
            "cut": {
                "start": 2027, "months": 12, "probability": probability, "cuts": [{"region": "rival", "severity": 1}],
            }
        },
        "policy": {"objective": {"cvar": alpha, "weight": weight}} | ({} if budget is None else {"budget": budget}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("data", "measure"),
    [
        # A store costs 300 whatever happens; without one the worst fifth costs 0.1 / 0.2 · 1000 = 500.
        (tail(0.8, 1.0, 0.1), 300),
        # At a half the tail costs 0.1 / 0.5 · 1000 = 200 without a store: nothing is bought.
        (tail(0.5, 1.0, 0.1), 200),
        # Without a store the expected cost is 100: 0.6 · 100 + 0.4 · 500 is less than 300.
        (tail(0.8, 0.4, 0.1), 0.6 * 100 + 0.4 * 500),
        # 6 t for 180, then 4 t short: 180 + 0.5 · 400.
        (tail(0.8, 1.0, 0.1, budget=180), 380),
    ],
)
def test_the_tail_by_hand(data: Data, measure: float) -> None:
    found = run(partial(by_benders, few_rows=0), so.read(data))
    assert found.status == "optimal"
    assert found.objective == pytest.approx(measure)
    assert found.bound == pytest.approx(measure)


def priced(price: float, objective: Any = "expected", **shock: Any) -> Data:
    """The same year with a floor of all demand; a USD of survival gap costs `price`."""
    data = tail(0, 0, 0.1)
    data["demands"]["all"]["survival"] = 1
    data["shocks"]["cut"] |= shock
    return data | {"policy": {"objective": objective, "gap_price": price}}


DEAR = {"cuts": [], "cost": {"imports": 500}}


@pytest.mark.parametrize("strategy", [partial(by_benders, few_rows=0), solve_extensive_form])
@pytest.mark.parametrize(
    ("data", "cost", "gap"),
    [
        # A tonne in store costs 30; without it 0.1 · 100 of shortage and 100 · price of gap are expected.
        (priced(0.1), 100, 1000),
        (priced(0.3), 300, 0),
        # At a half the tail costs 0.1 / 0.5 · 1000 = 200 without a store; the gap of 1000 counts in every outcome.
        (priced(0.05, {"cvar": 0.5}), 200, 1000),
        (priced(0.2, {"cvar": 0.5}), 300, 0),
        # Nothing is stored, imports cost 1 a tonne, and 500 in the cut: to serve one then costs 0.1 · 500, to go short
        # of it 0.1 · 100 and 100 · price.
        (priced(0.3, **DEAR), 20 + 0.1 * (1000 - 10), 1000),
        (priced(0.5, **DEAR), 20 + 0.1 * (5000 - 10), 0),
    ],
)
def test_the_price_of_gaps_by_hand(strategy: Algorithm, data: Data, cost: float, gap: float) -> None:
    if data["shocks"]["cut"].get("cost"):
        data["processes"]["imports"]["cost"], data["options"] = 1, {}
    found = run(strategy, so.read(data))
    assert (found.status, found.gap) == ("optimal", pytest.approx(gap))
    assert found.objective == pytest.approx(cost)
    assert found.bound == pytest.approx(cost)


@pytest.mark.parametrize(("price", "value"), [(0.1, 0.1 * 1000), (0.4, 300)])
def test_every_round_counts_gaps_at_their_price(price: float, value: float) -> None:
    instance = so.read(priced(price, probability=0))
    history = so.solve(instance, settings=so.Settings(strategy="constraint-generation")).history
    ends = {step["phase"]: (step["best"], step["bound"]) for step in history if step["round"]}
    assert ends == {phase: pytest.approx((value, value)) for phase in ("relaxation", "integers")}


@pytest.mark.parametrize("rounding", [0.0, 2e-8])
def test_the_future_that_is_not_the_worst_costs_no_more_than_it_must(
    rounding: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the futures, the high one asks for 83 t from 2029 on, of which imports make 79 at 1000 and another mine 4 at
    # 1200: 3 · 64,000 + 8 · 83,800 = 862,400. In the low one 64 t cost 1000 each in eleven years: 704,000. Plans that
    # use the other mine there have the same worst cost. The same holds where the
    # worst cost that was found is too low by rounding, so that the model has no plan of that cost.
    def rounded(search: BendersSearch, loop: BendersLoop) -> Incumbent:
        best = best_of(search, loop)
        return replace(best, evaluation=replace(best.evaluation, measure=best.evaluation.measure * (1.0 - rounding)))

    def lowered(model: ShockModel, result: SolveResult) -> SolveResult:
        assert result.values is not None
        values = result.values.copy()
        values[list(model.objective.terms)] *= 1.0 - rounding
        return cheapest(model, replace(result, values=values))

    best_of, cheapest = BendersSearch._incumbent_of, ShockModel._cheapest_expected
    monkeypatch.setattr(BendersSearch, "_incumbent_of", rounded)
    monkeypatch.setattr(ShockModel, "_cheapest_expected", lowered)
    branches = {
        "high": {"probability": 0.4, "set": {"demands.motors.quantity": {"2028": 64, "2029": 83}}},
        "low": {"probability": 0.6},
    }
    data = {
        "horizon": {"start": 2026, "end": 2036, "step": "year"},
        "commodities": {"magnet": {}},
        "processes": {
            "imports": {"output": {"magnet": 1}, "capacity": 79, "cost": 1000},
            "other": {"output": {"magnet": 1}, "capacity": 17, "cost": 1200},
        },
        "demands": {"motors": {"commodity": "magnet", "quantity": 64, "shortage_cost": 500_000}},
        "futures": {"quantity": {"from": 2029, "branches": branches}},
        "policy": {"objective": "worst"},
    }
    with cuts_alone():
        by_cuts = so.solve_futures(so.read(data), settings=EXACT)
    for found in (by_cuts, so.solve_futures(so.read(data), settings=EXACT)):
        assert found.worst_cost == pytest.approx(862_400)
        assert found.expected_cost == pytest.approx(0.4 * 862_400 + 0.6 * 704_000)


@pytest.mark.parametrize("strategy", ["constraint-generation", "benders"])
@pytest.mark.parametrize("name", sorted(name for name in ANSWERS if "deter" not in name and "attack" not in name))
def test_every_strategy_has_the_measure_and_the_gap_of_the_case(name: str, strategy: StrategyName) -> None:
    answer = ANSWERS[name]
    result = so.solve_futures(so.load(CASES / name), settings=so.Settings(mip_gap=1e-8, strategy=strategy))
    within = max(answer.get("tolerance", 0.0), 1e-6 * max(1.0, abs(answer["total_cost"])))
    assert result.total_cost == pytest.approx(answer["total_cost"], abs=within)
    assert result.survival_gap == pytest.approx(answer["survival_gap"], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_cuts_have_the_optimum_of_a_programme_that_shares_no_code(seed: int) -> None:
    data = drawn(seed)
    with cuts_alone():
        assert (compare_priced if "gap_price" in data["policy"] else compare)(data) is None


def compare_priced(data: Data) -> str | None:
    """What differs of the audited result where gaps have a price; None where nothing does."""
    known = optimum(data)
    if known is None:
        return None
    instance = so.read(data)
    result = so.solve_futures(instance, settings=EXACT)
    assert result.audit["ok"]
    assert result.bound is not None
    mine = with_price(instance, result, known.least)
    scale = max([abs(known.measure), *known.least, 100.0])
    assert mine - (result.total_cost - result.bound) <= known.measure + 1e-7 * scale
    expected = sum(each.probability * with_gap(instance, each) for each in result.futures)
    differs = abs(mine - known.measure) > 1e-6 * scale or abs(expected - known.expected) > 1e-5 * scale
    return f"{mine!r}, {expected!r} against {known}" if differs else None


def with_gap(instance: so.Instance, future: FutureResult) -> float:
    """What a future costs with the price of its gap."""
    return future.cost + (instance.policy.gap_price or 0.0) * future.result.survival_gap


def with_price(instance: so.Instance, result: FuturesResult, least: tuple[float, ...]) -> float:
    """The measure of a result with the price of gaps in it, from the figures of its futures."""
    found = []
    for each in result.futures:
        added = with_gap(instance, each) - each.cost
        outcomes = [CostOutcome(q, cost + added) for cost, q in _outcomes(instance, each)]
        found.append(FutureCosts(each.probability, each.cost + added, outcomes))
    return measured_cost(instance.policy.objective, found, least)


BAN = """\
currency: USD
horizon: {start: 2026, end: 2028, step: year}
home: home
commodities: {magnet: {}}
processes:
  imports: {region: rival, stage: magnet, output: {magnet: 1}, capacity: 120, cost: 60k}
demands:
  motors: {commodity: magnet, quantity: 60, survival: 0.5, shortage_cost: 500k}
  wind: {commodity: magnet, quantity: 40, survival: 0.5, shortage_cost: 300k}
options:
  reserve: {kind: stockpile, commodity: magnet, price: 65k, holding_cost: 5k, max_size: 80}
shocks: {ban: {start: 2027, months: 12, probability: 0.1, cuts: [{region: rival, severity: 1}]}}
policy: {objective: {cvar: 0.5}}
"""


@pytest.mark.parametrize("strategy", ["extensive-form", "constraint-generation", "benders"])
def test_least_expected_cost_spends_no_slack_of_the_measure(tmp_path: Path, strategy: StrategyName) -> None:
    """The reserve is full, for 6.4M. By expected cost less of it would be better: the worst half alone asks for it."""
    file = tmp_path / "ban.yaml"
    file.write_text(BAN, encoding="utf-8")
    found = so.solve_futures(so.load(file), settings=so.Settings(strategy=strategy)).futures[0].result
    assert found.plan.stocks["reserve"] == pytest.approx([80.0] * 3, rel=1e-12)
    assert found.total_cost == pytest.approx(3 * 100 * 60e3 + 6.4e6)
    (ban,) = found.shocks
    assert ban.segments["motors"].shortage == 0
    # 80 of 100 t are in store, and wind is cheaper to be short of.
    assert ban.segments["wind"].shortage == pytest.approx(20)


@pytest.mark.parametrize("name", [name for name in ANSWERS if name.split("_")[0] in ("cvar", "worst", "regret")])
@pytest.mark.parametrize("budget", [None, 20.0])
def test_the_plan_of_cuts_is_audited(name: str, budget: float | None) -> None:
    """`solve` raises where the measure, a cost or a gap is another one when it is computed again."""
    instance = so.load(CASES / name, [] if budget is None else [f"policy.budget={budget}"])
    if budget is not None and instance.policy.objective.kind == "regret":
        return
    with cuts_alone():
        result = so.solve_futures(instance, settings=EXACT)
    assert result.audit["ok"]
    assert result.bound is not None
    assert result.bound <= result.total_cost * (1 + 1e-9)


MEASURE = st.one_of(
    st.sampled_from(["worst", "expected"]),
    st.fixed_dictionaries({"cvar": st.sampled_from([0, 0.5, 0.9, 0.95])}, optional={"weight": SHARE}),
)


PRICE = st.sampled_from([None, None, 0.02, 0.3, 2.0])


def priced_cost(found: SearchResult, price: float | None) -> float:
    return found.objective + (price or 0.0) * found.gap


def priced_bound(found: SearchResult, price: float | None) -> float:
    return found.bound + (price or 0.0) * found.gap


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(instances(), st.lists(SHOCK, min_size=2, max_size=5), MEASURE, st.booleans(), PRICE)
def test_cuts_agree_with_the_extensive_form(
    data: Data, more: list[Data], measure: Any, apart: bool, price: float | None
) -> None:
    """And what both prove is consistent: no bound is above a cost."""
    data["shocks"] |= {f"more{i}": shock | {"probability": 0.05} for i, shock in enumerate(more)}
    data["shocks"] = {name: shock | {"probability": 0.08} for name, shock in data["shocks"].items()}
    data["policy"] = data["policy"] | {"objective": measure}
    if apart:
        branches = {"grown": {"set": {"demands.cars.quantity": 80}}, "as_before": {}}
        data["futures"] = {"demand": {"from": 2027, "branches": branches}}
    if price is not None:
        data["policy"] |= {"objective": "expected", "gap_price": price}
    instance = so.read(data)
    whole, cuts = run(solve_extensive_form, instance), run(partial(by_benders, few_rows=0), instance)
    assert cuts.status == whole.status
    if price is None:
        assert cuts.gap == pytest.approx(whole.gap, rel=1e-6, abs=1e-6)
    (cost, bound), (other, proven) = ((priced_cost(each, price), priced_bound(each, price)) for each in (cuts, whole))
    assert cost == pytest.approx(other, rel=1e-6, abs=1e-5)
    assert max(bound, proven) <= min(cost, other) * (1 + 1e-6) + 1e-5


def test_costs_of_a_national_size_are_within_the_tolerance_of_the_solver() -> None:
    """Rows as large as the cost of a whole plan: the extensive form was found infeasible, and a dearer plan proven."""
    data = national(3, elements=4, options=16, shocks=6, years=6)
    for shock in data["shocks"].values():
        shock["probability"] = 0.1
    instance = so.read(data | {"policy": {"objective": {"cvar": 0.9}}})
    whole, cuts = run(solve_extensive_form, instance), run(partial(by_benders, few_rows=0), instance)
    assert cuts.gap == whole.gap == 0
    assert cuts.objective == pytest.approx(whole.objective, rel=1e-6)
    assert max(cuts.bound, whole.bound) <= min(cuts.objective, whole.objective) * (1 + 1e-7)


def test_a_measure_that_a_function_does_not_know_is_refused() -> None:
    """A new kind is not taken for another one: neither where it is written, nor where costs are known, nor audited."""
    new, instance = RiskMeasure("semideviation"), so.load("instances/tiny.yaml")  # type: ignore[arg-type]
    unknown = instance.model_copy(update={"policy": instance.policy.model_copy(update={"objective": new})})
    for compute in (
        lambda: write_measure(blank_model(instance), new, [], 1.0),
        lambda: measured_cost(new, []),
        lambda: measure_of_futures(unknown, []),
    ):
        with pytest.raises(AssertionError, match="semideviation"):
            compute()


def test_bounds_are_below_values_in_every_round() -> None:
    steps: list[Progress] = []
    by_benders(so.load(CASES / "cvar_1029.yaml"), EXACT, Clock(), steps.append, few_rows=0)
    rounds = [step for step in steps if step.round]
    assert {step.phase for step in rounds} >= {"cost, relaxation", "cost", "expected cost"}
    assert all(step.bound <= step.best + 1e-6 * (1 + abs(step.best)) for step in rounds)


@pytest.mark.parametrize("last", range(1, 10))
def test_a_run_that_is_stopped_has_the_measure_of_its_plan(last: int) -> None:
    """Wherever it is: the audit computes the measure of the plan again."""
    instance, steps = so.load(CASES / "cvar_1040.yaml"), list[Progress]()

    def stop(step: Progress) -> None:
        steps.append(step)
        if step.round == last:
            signal.raise_signal(signal.SIGINT)

    with cuts_alone():
        result = so.solve_futures(instance, settings=EXACT, listener=stop)
    assert result.audit["ok"]
