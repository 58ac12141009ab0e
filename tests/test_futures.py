"""Plans for several futures, against cases whose optimum is worked out by hand or found by other solvers."""

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.algorithms.dual_decomposition import DualDecomposition, GroupPlans, GroupProblem, last_parted
from optimizer.algorithms.extensive_form import ShockModel, solve_extensive_form
from optimizer.algorithms.joint_recourse import JointEvaluator, evaluator_of
from optimizer.algorithms.reading import read_plan
from optimizer.algorithms.recourse import recourse_executor
from optimizer.algorithms.solving import FutureOptimum, solve_group, solve_one_future
from optimizer.algorithms.workers import Memory, Task
from optimizer.audit.result import check_futures
from optimizer.errors import ModelError, OptimizerWarning
from optimizer.formulation import ModelWriter, extensive_form_model
from optimizer.model.builder import Scope
from optimizer.model.expressions import Expression
from optimizer.results.futures import FuturesResult
from optimizer.solver import Clock, Progress
from optimizer.studies.futures.solve import _gap_with_attacks as gap_in_model
from optimizer.studies.futures.solve import search_futures
from tests.algorithms import by_benders, by_constraint_generation

CASES = Path(__file__).parent / "cases" / "futures"
ANSWERS = json.loads((CASES / "answers.json").read_text())
EXACT = so.Settings(mip_gap=1e-8)


@pytest.mark.parametrize("name", sorted(name for name in ANSWERS if "deter" not in name and "attack" not in name))
def test_the_measure_and_the_gap_are_those_of_the_case(name: str) -> None:
    answer, result = ANSWERS[name], so.solve_futures(so.load(CASES / name), settings=EXACT)
    within = max(answer.get("tolerance", 0.0), 1e-6 * max(1.0, abs(answer["total_cost"])))
    assert result.total_cost == pytest.approx(answer["total_cost"], abs=within)
    assert result.survival_gap == pytest.approx(answer["survival_gap"], rel=1e-6, abs=1e-6)


def plan(name: str, *overrides: str) -> FuturesResult:
    return so.solve_futures(so.load(CASES / name, list(overrides)), settings=EXACT)


EXPECTED = ("expected_1001.yaml", "hand_nested.yaml", "hand_set.yaml", "hand_span.yaml", "hand_wait.yaml")


@pytest.mark.parametrize("budget", [None, 1])
@pytest.mark.parametrize("name", [*EXPECTED, "nested_1023.yaml"])
def test_decomposition_agrees_with_the_extensive_form(name: str, budget: float | None) -> None:
    instance = so.load(CASES / name, [] if budget is None else [f"policy.budget={budget}"])
    strategies = (solve_extensive_form, by_constraint_generation, partial(by_benders, few_rows=0))
    whole, *others = (strategy(instance, EXACT, Clock(), lambda step: None) for strategy in strategies)
    for other in others:
        assert other.gap == pytest.approx(whole.gap, rel=1e-5, abs=1e-6)
        assert other.objective == pytest.approx(whole.objective, rel=1e-5)


# Fixed charges that a small budget pays in part, and demands that differ by future: floors cannot all be kept.
CHARGED = """\
name: three
currency: USD
horizon: {start: 2027, end: 2030, step: year}
home: home
commodities: {magnet: {}}
processes: {imports: {region: rival, output: {magnet: 1}, capacity: 1000}}
demands:
  motors: {commodity: magnet, quantity: 100, survival: 0.5, shortage_cost: 500k}
  defence: {commodity: magnet, quantity: 30, survival: 1, shortage_cost: 900k}
options:
  plant: {kind: refining, output: {magnet: 1}, capex: CAPEX1, fixed_cost: FIXED1, max_size: 1000, lead_time: 12,
          latest: 2027}
  other: {kind: ally, region: ally, output: {magnet: 1}, capex: CAPEX2, fixed_cost: FIXED2, max_size: 800,
          lead_time: 12, latest: 2027}
  late: {kind: refining, output: {magnet: 1}, capex: CAPEX3, fixed_cost: FIXED3, max_size: 900, lead_time: 12}
  sub: {kind: substitution, demand: motors, capex: 60k, fixed_cost: FIXED4, max_size: 100, max_share: 0.3,
        lead_time: 12}
  reserve: {kind: stockpile, commodity: magnet, price: PRICE, max_size: STOCK}
shocks: {embargo: {start: [2028, 2029, 2030], months: 12, cuts: [{region: rival, severity: 1}]}}
futures:
  need:
    from: 2028
    branches:
      high: {probability: 0.3, set: {demands.motors.quantity: HIGH}}
      mid: {probability: 0.3, set: {demands.motors.quantity: MID}}
      low: {probability: 0.4, set: {demands.motors.quantity: 40, demands.defence.quantity: 5}}
policy: {budget: BUDGET}
"""
WORDS = ("CAPEX1", "FIXED1", "CAPEX2", "FIXED2", "CAPEX3", "FIXED3", "FIXED4", "PRICE", "STOCK", "HIGH", "MID")
WORDS += ("BUDGET",)


NUMBERS = (
    "12k 32.46M 41k 38.46M 70k 12.30M 4.62M 367k 53 271 62 17.1M",
    "75k 4.62M 31k 26.72M 32k 23.86M 3.84M 210k 30 191 358 8.5M",
)


def charged(folder: Path, numbers: str, shocks: str = "") -> so.Instance:
    text = CHARGED
    if shocks:
        text = text.replace(text[text.index("shocks:") : text.index("futures:")], f"shocks:\n{shocks}")
    for word, number in zip(WORDS, numbers.split(), strict=True):
        text = text.replace(word, number)
    (folder / "three.yaml").write_text(text, encoding="utf-8")
    return so.load(folder / "three.yaml")


@pytest.mark.parametrize("numbers", NUMBERS)
def test_the_least_gap_with_fixed_charges_is_that_of_the_extensive_form(numbers: str, tmp_path: Path) -> None:
    """Cuts of a relaxation count the dual values of valid inequalities, which belong to one future each."""
    instance = charged(tmp_path, numbers)
    whole = solve_extensive_form(instance, EXACT, Clock(), lambda step: None)
    found = by_benders(instance, EXACT, Clock(), lambda step: None, few_rows=0)
    assert found.gap == pytest.approx(whole.gap, rel=1e-6)
    model = extensive_form_model(instance, instance.tree.events)
    assert model.valid_inequalities
    assert {row.mark.path for row in model.valid_inequalities} <= {row.mark.path for row in model.rows}


@pytest.mark.parametrize("name", ["high", "hi/gh"])
def test_dual_values_of_valid_inequalities_count_in_the_future_of_their_shock(name: str, tmp_path: Path) -> None:
    """Under a budget that keeps all floors the futures are first solved by themselves, whatever they are called."""
    charged(tmp_path, NUMBERS[0].replace("17.1M", "900M"))
    path = tmp_path / "three.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("high:", f"{name}:"), encoding="utf-8")
    instance, steps = so.load(path), list[Progress]()
    whole = solve_extensive_form(instance, EXACT, Clock(), lambda step: None)
    found = by_constraint_generation(instance, EXACT, Clock(), steps.append)
    assert found.objective == pytest.approx(whole.objective, rel=1e-6)
    assert [step.bound for step in steps if step.phase == "futures by themselves"] == [pytest.approx(whole.objective)]


def test_the_gap_of_a_future_is_not_read_from_a_model_that_lacks_shocks(tmp_path: Path) -> None:
    """90 severities at three starts are more than a master problem holds."""
    entries = "".join(
        f"  e{i}: {{start: [2028, 2029, 2030], months: 12, cuts: [{{region: rival, severity: {1 - 0.005 * i:g}}}]}}\n"
        for i in range(30)
    )
    instance = charged(tmp_path, NUMBERS[0], entries)
    whole = so.solve_futures(instance)
    found = by_benders(instance, so.Settings(), Clock(), lambda step: None, few_rows=0)
    parts = zip(instance.tree.futures, found.builder.submodels, whole.futures, strict=True)
    gaps = [(gap_in_model(future.instance, found, own), each.result.survival_gap) for future, own, each in parts]
    assert any(math.isinf(read) for read, _ in gaps)
    assert all(math.isinf(read) or read == pytest.approx(gap, rel=1e-3, abs=1) for read, gap in gaps)


def test_what_is_decided_before_the_answer_is_decided_alike() -> None:
    """The permit is opened in 2027 in all futures; the plant in 2029, in those of war.long alone."""
    result = plan("hand_nested.yaml")
    assert [(each.option, each.period) for each in result.decided_first] == [("permit", "2027")]
    (later,) = (each for each in result.decisions if each.option == "plant")
    assert later.futures == ("war.long.red", "war.long.blue")
    assert (later.period, later.size, later.paid) == ("2029", pytest.approx(10), pytest.approx((1000, 1000)))


def test_the_audit_finds_a_decision_that_was_changed_in_one_future() -> None:
    result = plan("hand_nested.yaml")
    assert result.solved_instance is not None
    assert check_futures(result.solved_instance, result).ok
    first, *rest = result.futures
    for changed in (
        dataclasses.replace(first.result.plan, builds=first.result.plan.builds[1:]),
        dataclasses.replace(
            first.result.plan,
            builds=tuple(
                dataclasses.replace(build, size=build.size + 0.01 * (build.option == "plant"))
                for build in first.result.plan.builds
            ),
        ),
    ):
        other = dataclasses.replace(first, result=dataclasses.replace(first.result, plan=changed))
        report = check_futures(result.solved_instance, dataclasses.replace(result, futures=(other, *rest)))
        assert not report.ok
        assert "war.long.red" in report.disagreements[0]


def test_the_audit_finds_a_price_of_survival_within_the_error_of_two_costs() -> None:
    result = plan("hand_nested.yaml")
    assert result.solved_instance is not None
    least = 1e-6 * result.expected_cost
    for price in (None, 0.0, 1.1 * least, -1.1 * least):
        assert check_futures(result.solved_instance, dataclasses.replace(result, price_of_survival=price)).ok
    for price in (0.9 * least, -0.9 * least):
        report = check_futures(result.solved_instance, dataclasses.replace(result, price_of_survival=price))
        assert [each.split(":")[0] for each in report.disagreements] == ["price_of_survival"]


def test_the_dearest_and_the_cheapest_future_do_not_depend_on_their_order() -> None:
    # 1000 where need is high, 0 where it is low, as derived in the file; of equal costs the first future is named.
    result = plan("hand_wait.yaml")
    for some in (result.futures, result.futures[::-1]):
        found = dataclasses.replace(result, futures=some)
        assert (found.worst_future, found.best_future) == ("high", "low")
        assert (found.worst_cost, found.best_cost) == pytest.approx((1000, 0))
    alike = tuple(dataclasses.replace(result.future("low"), name=name) for name in ("one", "other"))
    found = dataclasses.replace(result, futures=alike)
    assert (found.worst_future, found.best_future) == ("one", "one")


def test_rules_that_no_shared_plan_obeys_are_named_with_their_futures() -> None:
    """The plant of 2027 is shared: one future has to buy 4 of it, the other 5."""
    sets = "{policy.force: {plant: {2027: 4}}}", "{policy.force: {plant: {2027: 5}}}"
    branches = f"{{high: {{set: {sets[0]}}}, low: {{set: {sets[1]}}}}}"
    result = plan("hand_wait.yaml", f"futures={{need: {{from: 2028, branches: {branches}}}}}")
    assert result.status == "none"
    assert sorted(rule.rsplit("(", 1)[1] for rule in result.clash) == ["high)", "low)"]
    assert result.worst_cost is None
    for ask in (lambda: result.worst, lambda: result.best):
        with pytest.raises(so.PlanFileError, match="there is no plan: status none"):
            ask()
    # The file of it holds no figure of a plan, and nothing in it disagrees.
    saved = FuturesResult.from_dict(json.loads(json.dumps(result.to_dict())))
    assert so.verify(result.solved_instance, saved).ok
    forged = dataclasses.replace(saved, outlay=600.0, bound=1.0)
    found = check_futures(result.solved_instance, forged).disagreements
    assert [each.split(":")[0] for each in found] == ["outlay", "bound"]
    # A bound that is none is not known, as in a plan of one future.
    assert dataclasses.replace(saved, bound=-math.inf).to_dict()["bound"] is None


def test_futures_that_part_at_the_end_share_all_before() -> None:
    """Two futures without any difference, told apart in the last year: the model grows by that year alone."""
    instance = so.load(CASES / "hand_wait.yaml", ["futures={coin: {from: 2029, branches: {heads: {}, tails: {}}}}"])
    alone = ModelWriter(instance.tree.futures[0].instance).extensive_form_model(())
    joint = ModelWriter(instance).extensive_form_model(())
    in_last = sum(column.t == 2 for column in alone.columns)
    assert len(joint.columns) == len(alone.columns) + in_last
    assert len(joint.rows) < 2 * len(alone.rows)


# 10 t a year. The mine costs 1 a tonne and needs 1 of support, which the budget pays for 10 t in the two years. Imports
# cost 5 in 2026, and in 2027 50 or 2.
#   high: the mine in 2027, imports in 2026: 20 + 50 = 70.      low: the mine in 2026, imports in 2027: 20 + 20 = 40.
# A baseline of 2026 that both have in common would cost 70 in both futures.
SUPPORTED = """
horizon: {start: 2026, end: 2027, step: year}
home: home
commodities: {m: {}}
processes:
  mine: {region: home, output: {m: 1}, capacity: 10, cost: 1, support: 1}
  imports: {region: rival, output: {m: 1}, capacity: 10, cost: {2026: 5, 2027: 2}}
demands: {d: {commodity: m, quantity: 10, shortage_cost: 1000}}
options: {}
shocks: {}
policy: {budget: 10}
futures:
  price:
    from: 2027
    branches:
      high: {probability: 0.5, set: {processes.imports.cost: {2026: 5, 2027: 50}}}
      low: {probability: 0.5}
"""


def test_support_that_a_budget_limits_is_each_future_s_own(tmp_path: Path) -> None:
    (tmp_path / "supported.yaml").write_text(SUPPORTED, encoding="utf-8")
    result = so.solve_futures(so.load(tmp_path / "supported.yaml"), settings=EXACT)
    assert [each.result.total_cost for each in result.futures] == pytest.approx([70, 40])
    assert result.total_cost == pytest.approx(55)


def test_a_future_that_cannot_be_survived_alone_has_no_regret() -> None:
    with pytest.raises(so.InstanceError, match='"high" cannot be survived alone'):
        plan("hand_regret.yaml", "policy.budget=1")


def test_a_future_that_has_no_plan_alone_names_the_rules_that_contradict_each_other() -> None:
    # 10 t/yr of the plant cost 600 in 2027, more than the budget of that future.
    result = plan(
        "hand_regret.yaml", "policy.force={plant: {2027: 10}}", "futures.need.branches.low.set={policy.budget: 1}"
    )
    assert (result.status, result.notes) == ("none", ())
    assert len(result.clash) == 2
    assert all(each.endswith("(low)") for each in result.clash)


def test_rules_that_clash_in_one_future_are_said_before_the_gap_of_another() -> None:
    # `high` cannot pay for its plant; `low` has to build one of 600 with a budget of 1, and comes later.
    poor = "demands.d.survival: {2028: 0, 2029: 1}, policy.budget: 1"
    high = f"futures.need.branches.high.set={{{poor}}}"
    clash = "futures.need.branches.low.set={policy.force: {plant: {2027: 10}}, policy.budget: 1}"
    result = plan("hand_regret.yaml", high, clash)
    assert result.status == "none"
    assert result.clash
    assert all(each.endswith("(low)") for each in result.clash)
    with pytest.raises(so.InstanceError) as error:
        plan("hand_regret.yaml", high, f"futures.need.branches.low.set={{{poor}}}")
    named = [finding.what.split(",")[0] for finding in error.value.findings]
    assert named == [f'the future "{name}" cannot be survived alone' for name in ("high", "low")]


def test_cvar_of_an_instance_without_questions() -> None:
    """At α = 0.8 ten tonnes are bought; at α = 0 the measure is the expected cost, 100, and nothing is."""
    assert plan("hand_cvar.yaml").expected_cost == pytest.approx(300, rel=1e-6)
    assert plan("hand_cvar.yaml", "policy.objective={cvar: 0}").total_cost == pytest.approx(100, rel=1e-6)
    assert plan("hand_cvar.yaml", "policy.objective={cvar: 0.8, weight: 0}").total_cost == pytest.approx(100, rel=1e-6)


def test_the_minimised_value_with_priced_gaps_is_an_attribute_and_a_key() -> None:
    """Its largest term is that of one future, whose gap is not the expected one."""
    result = plan("gap_price_1006.yaml", "policy.objective=worst")
    priced = max(each.cost + 0.05 * each.result.survival_gap for each in result.futures)
    assert result.priced_cost == pytest.approx(priced, rel=1e-9)
    assert abs(result.priced_cost - result.total_cost - 0.05 * result.survival_gap) > 1e3
    for whole in (True, False):
        assert result.to_dict(whole=whole)["priced_cost"] == result.priced_cost
    data = result.to_dict()
    assert FuturesResult.from_dict(data) == result
    report = so.verify(so.read(result.data), dataclasses.replace(result, priced_cost=1.01 * priced), "arithmetic")
    assert [each.split(":")[0] for each in report.disagreements] == ["priced_cost"]
    # Plan files written before do not have the key.
    older = FuturesResult.from_dict(dataclasses.replace(result, priced_cost=math.nan).to_dict())
    assert math.isnan(older.priced_cost)
    assert older.departures == ()
    one = result.futures[0].result
    assert one.to_dict(whole=False)["priced_cost"] == one.priced_cost
    assert "priced_cost" not in plan("hand_wait.yaml").to_dict()


def test_futures_by_themselves_bound_the_cost_from_below() -> None:
    """Prices of shared decisions add to nothing, so that the bound never exceeds the optimum, and they come near it."""
    instance, optimum = so.load(CASES / "expected_1007.yaml"), ANSWERS["expected_1007.yaml"]["total_cost"]
    steps: list[Progress] = []
    found = by_constraint_generation(instance, EXACT, Clock(), steps.append)
    bounds = [step.bound for step in steps if step.phase == "futures by themselves"]
    assert bounds == sorted(bounds)
    assert 0.99 * optimum <= bounds[0] <= bounds[-1] <= optimum * (1 + 1e-7)
    assert found.objective == pytest.approx(optimum, rel=1e-6)


def test_groups_are_futures_that_are_parted_last_and_never_all_of_them() -> None:
    """Three ways, each with two colours that are known last; a tree of one question stays apart."""
    tree = so.load(CASES / "hand_nested.yaml").tree
    assert [len(group) for group in last_parted(tree)] == [2, 2, 2]
    assert sorted(number for group in last_parted(tree) for number in group) == list(range(6))
    one = so.load(CASES / "hand_wait.yaml").tree
    assert last_parted(one) == [(number,) for number in range(len(one.futures))]


@pytest.mark.parametrize("name", ["nested_1023.yaml", "expected_1007.yaml", "hand_nested.yaml"])
def test_groups_of_futures_bound_the_cost_at_least_as_well_as_each_alone(name: str) -> None:
    """At the same prices: what a group decides as one its futures could decide apart, and no dearer."""
    instance, optimum = so.load(CASES / name), ANSWERS[name]["total_cost"]
    evaluator = evaluator_of(instance)
    model = ShockModel(instance, instance.tree.events, EXACT, Clock(), lambda step: None)
    relaxation = model.solve_relaxation()

    def solve(problems: Sequence[GroupProblem]) -> list[GroupPlans]:
        return [solve_group(evaluator.executor.memory, each) for each in problems]

    found = DualDecomposition(model, solve)
    prices, singles = found._multipliers(relaxation), [(number,) for number in range(len(instance.tree.futures))]
    bounds = []
    for groups in (singles, last_parted(instance.tree)):
        by_group = found._solve(groups, prices)
        assert by_group is not None
        bounds.append(sum(each.bound * found._weight(group) for group, each in zip(groups, by_group, strict=True)))
    alone, grouped = bounds
    assert relaxation.objective - 1e-6 * optimum <= alone <= grouped + 1e-6 * optimum
    assert grouped <= optimum * (1 + 1e-6)


def test_a_programme_that_futures_share_is_solved_once() -> None:
    """What keeps the same integers finds the same plan."""
    instance = so.load(CASES / "nested_1023.yaml")
    model = ShockModel(instance, instance.tree.events, EXACT, Clock(), lambda step: None)
    model.solve_relaxation()
    runs = [
        solve_extensive_form(future.instance, EXACT, Clock(), lambda step: None) for future in instance.tree.futures
    ]
    plans = [
        read_plan(future.instance, run.builder, run.values.tolist())
        for future, run in zip(instance.tree.futures, runs, strict=True)
        if run.values is not None
    ]
    found = DualDecomposition(model, lambda problems: (), plans)
    found._improve(found._alone_integers)
    first, steps = found.incumbent, len(model.history)
    assert first is not None
    assert steps > 0
    found._improve(found._alone_integers)
    assert (found.incumbent, len(model.history)) == (first, steps)
    found._improve([{j: 1.0 - x for j, x in own.items()} for own in found._alone_integers])
    assert len(model.history) > steps


class _ShortClock(Clock):
    """A clock that is never over, and always has so many seconds left."""

    left = 0.0
    is_over = False


@pytest.mark.parametrize("name", ["nested_1023.yaml", "nested_1013.yaml", "gap_price_1006.yaml"])
def test_a_search_that_is_stopped_takes_no_cutoff_for_a_bound(name: str) -> None:
    """A plan far above the optimum is known: its cutoff is no bound, wherever the search ends."""
    instance = so.load(CASES / name)
    model = ShockModel(instance, instance.tree.events, EXACT, Clock(), lambda step: None)
    model.set_floor_limits()
    model.minimise("objective")
    best = model.solve_integers("cost")
    assert best.status == "optimal"
    dear = dataclasses.replace(best, objective=best.objective + abs(best.objective))
    ends = [(seconds, math.inf) for seconds in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05)] + [(60.0, -math.inf)]
    for seconds, known in ends:
        model.solver.clock = _ShortClock()
        model.solver.clock.left = seconds
        # Without a limit on time, the first solution ends the search.
        model.known_bound = -math.inf if math.isinf(known) else best.objective - abs(best.objective)
        found = model._improve(dear, "cost")
        assert found.bound <= best.objective * (1 + 1e-7) < dear.objective
        assert found.bound >= model.known_bound
    model.solver.clock, model.known_bound = Clock(0.0), best.objective * 0.5
    stopped = model._improve(dear, "cost")
    # The relaxation is solved before the search, and its bound is known however soon that ends.
    assert (stopped.status, stopped.objective) == ("stopped", dear.objective)
    assert best.objective * 0.5 <= stopped.bound <= best.objective * (1 + 1e-7)


def test_the_gap_of_a_stopped_plan_is_that_in_all_shocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan does nothing, and floors fail in more shocks than the model of the search holds."""
    instance = so.load(CASES / "regret_1145.yaml", ["policy.objective=expected"])
    events, gaps = instance.tree.events, evaluator_of(instance).do_nothing(Clock()).gap
    model = ShockModel(instance, [events[int(gaps.argmax())]], EXACT, Clock(), lambda step: None)
    stopped = model.fall_back()
    monkeypatch.setattr("optimizer.studies.futures.solve.best_plan", lambda *arguments: stopped)
    result = search_futures(instance, EXACT, Clock(), alone=[FutureOptimum()] * len(instance.tree.futures))
    assert result.status == "stopped"
    assert result.survival_gap > 1.1 * stopped.gap > 0


def test_tasks_that_begin_after_the_deadline_return_at_once() -> None:
    """They build no model: what is left of the limit, nothing, holds for each of them."""
    instance = so.load(CASES / "nested_1023.yaml")
    futures, late = instance.tree.futures, dataclasses.replace(EXACT, until=0.0)
    group = GroupProblem((0,), (futures[0].name,), (1.0,), (futures[0].answers,), ({},), frozenset(), (), late)
    assert solve_group({}, group) == GroupPlans(-math.inf)
    assert solve_one_future({}, 0, futures[0].name, late) == FutureOptimum(is_stopped=True)


@pytest.mark.parametrize("name", ["gap_price_1006.yaml", "gap_price_1011.yaml"])
def test_groups_of_futures_count_the_price_of_gaps(name: str) -> None:
    """Their bound is on the cost with the price of gaps, and reaches the least of that; cuts serve likely shocks."""
    data = so.load(CASES / name).to_dict()
    for spec in data["shocks"].values():
        spec.pop("probability", None)
    instance = so.read(data)
    whole = solve_extensive_form(instance, EXACT, Clock(), lambda step: None)
    price = instance.policy.gap_price
    assert price is not None
    steps: list[Progress] = []
    found = by_constraint_generation(instance, EXACT, Clock(), steps.append)
    least = whole.objective + price * whole.gap
    bounds = [step.bound for step in steps if step.phase == "futures by themselves"]
    assert bounds
    assert max(bounds) <= least * (1 + 1e-7)
    assert found.objective + price * found.gap == pytest.approx(least, rel=1e-6)


@pytest.mark.parametrize("name", ["nested_1023.yaml", "expected_1007.yaml", "gap_price_1006.yaml"])
def test_a_plan_is_the_same_on_two_processes(name: str) -> None:
    """Futures alone and groups of futures are solved side by side; nothing depends on where."""
    instance, answers = so.load(CASES / name), []
    for jobs in (1, 2):
        settings = so.Settings(mip_gap=1e-8, jobs=jobs, strategy="constraint-generation")
        result = search_futures(instance, settings, Clock()).to_dict()
        for part in ("seconds", "history", "settings"):
            result.pop(part)
        for each in result["futures"]:
            for part in ("seconds", "digest", "settings"):
                each.pop(part, None), each.get("result", {}).pop(part, None)
        answers.append(result)
    # Pseudo-costs of one search guide the next one of a process: the last digits may differ, and with them the digest.
    assert answers[0] == _nearly(answers[1])
    assert answers[0]["total_cost"] == pytest.approx(ANSWERS[name]["total_cost"], rel=1e-6)


def _nearly(value: Any) -> Any:
    """Equal to the same with numbers that differ by a millionth of themselves at most, or by a millionth."""
    if isinstance(value, dict):
        return {key: _nearly(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_nearly(each) for each in value)
    return pytest.approx(value, rel=1e-6, abs=1e-6, nan_ok=True) if isinstance(value, float) else value


def _only_in(memory: Memory, process: int) -> int:
    """A task that ends every other process."""
    if os.getpid() != process:
        os._exit(1)
    return process


def test_searches_go_on_in_this_process_where_workers_die() -> None:
    instance = so.load(CASES / "hand_wait.yaml")
    evaluator = JointEvaluator(instance, recourse_executor(instance, 1), jobs=2)
    with contextlib.closing(evaluator), pytest.warns(OptimizerWarning, match="goes on in this process alone"):
        assert evaluator.run_tasks([Task(_only_in, (os.getpid(),))] * 3, Clock()) == [os.getpid()] * 3
    assert any("Futures were solved in one process" in note for note in evaluator.notes)


def test_futures_with_the_same_data_share_their_recourse_programmes() -> None:
    """Three ways and two colours: six futures, whose data are those of war.long and of the others."""
    executor = recourse_executor(so.load(CASES / "hand_nested.yaml"), 1)
    assert len({id(solver) for solver in executor.memory["subproblems"]}) == 2


def test_regret_without_time_for_the_futures_alone_says_so() -> None:
    instance = so.load(CASES / "regret_1145.yaml")
    clock = Clock(0.0)
    result = search_futures(instance, so.Settings(time_limit=0.0), clock)
    assert (result.status, result.futures) == ("stopped", ())
    assert any("least cost of each future alone" in note for note in result.notes)


def test_a_copy_of_a_joint_programme_shares_nothing_that_changes() -> None:
    instance = so.load(CASES / "hand_nested.yaml")
    writer = ModelWriter(instance, Scope(has_valid_inequalities=False))
    first, second = (writer.extensive_form_model(()) for _ in range(2))
    rows = []
    for model in (first, second):
        for submodel in model.submodels:
            bought = Expression({0: 1.0})
            submodel.require("question", "same", None, bought, "<=", 1.0)
        rows.append([str(row.mark) for row in model.rows if row.mark.what == "same"])
        assert not model.scope.has_valid_inequalities
        assert not any(submodel.scope.has_valid_inequalities for submodel in model.submodels)
    # The row of all futures is one row, and every model has its own.
    assert rows[0] == rows[1] != []
    assert first.sharing(len(first.rows) - 1) == second.sharing(len(second.rows) - 1)


def test_money_is_booked_by_each_future() -> None:
    model = ModelWriter(so.load(CASES / "hand_nested.yaml")).extensive_form_model(())
    for ask in (lambda: model.booked("outlay", 2026), lambda: model.accounts("outlay")):
        with pytest.raises(ModelError, match="ask its submodel"):
            ask()


FORCED = ["futures={q: {from: 2028, branches: {more: {set: {demands.motors.survival: 0.7}}, same: {}}}}"]
STUDIES = {
    "alternatives": so.alternatives,
    "attack": so.attack,
    "compare": so.compare,
    "explain": so.explain,
    "sensitivity": so.sensitivity,
    "share_costs": so.share_costs,
    "time_to_survive": so.time_to_survive,
    "withstand": so.withstand,
}


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_of_one_future_refuses_several(study: str) -> None:
    instance = so.load(Path(__file__).parents[1] / "instances" / "tiny.yaml", FORCED)
    with pytest.raises(so.InstanceError, match=r"several futures.*in_future"):
        STUDIES[study](instance)  # type: ignore[operator]


def test_attacks_and_a_share_of_samples_in_several_futures() -> None:
    cuts = {"process": "imports"}
    targets = {"port": {"price": 1, "cuts": [{**cuts, "severity": 0.9}]}}
    instance = so.read(
        so.load(Path(__file__).parents[1] / "instances" / "tiny.yaml", FORCED).to_dict()
        | {
            "ensembles": {
                "bans": {
                    "count": 8,
                    "probability": 0.2,
                    "survive": 0.5,
                    "months": 12,
                    "cuts": [{**cuts, "severity": {"uniform": [0.6, 1.0]}}],
                }
            },
            "adversary": {"attack_budget": 1, "months": 12, "starts": 2027, "targets": targets},
            "policy": {"budget": 0},
            "shocks": {},
        }
    )
    result = so.solve_futures(instance, adversary=True)
    # Half of eight samples may fail in each future.
    assert [sum(shock.excused for shock in each.result.shocks) for each in result.futures] == [4, 4]


@pytest.mark.parametrize("strategy", ["auto", "extensive-form", "benders"])
def test_a_stopped_search_for_the_largest_cost_prices_the_gaps_of_doing_nothing(strategy: str) -> None:
    """Gaps and costs are weighed in one stage there too, or the audit finds another operation than was reported."""
    data = {
        "horizon": {"start": 2026, "end": 2026, "step": "quarter"},
        "commodities": {"metal": {}, "magnet": {}},
        "processes": {
            "magnets": {"input": {"metal": 1}, "output": {"magnet": 1}, "capacity": 127},
            "separation": {"stage": "separation", "output": {"metal": 1}, "capacity": 66},
        },
        "demands": {
            "defence": {"commodity": "magnet", "quantity": 11, "shortage_cost": 1427},
            "cars": {"commodity": "magnet", "quantity": 98, "survival": 0.06, "shortage_cost": 1227},
        },
        "options": {"plant": {"kind": "refining", "max_size": 52}},
        "shocks": {
            "quiet": {"start": "2026Q1", "months": 9, "probability": 0.1206},
            "halt": {"start": "2026Q1", "months": 18, "cuts": [{"stage": "separation", "severity": 1}]},
        },
        "futures": {
            "how": {
                "from": "2026Q4",
                "branches": {
                    "milder": {"probability": 0.3, "set": {"shocks.halt.cuts.0.severity": 0.61}},
                    "whole": {"probability": 0.7},
                },
            }
        },
        "policy": {"gap_price": 0.06, "objective": "worst"},
    }
    found = so.solve_futures(so.read(data), settings=so.Settings(time_limit=0, strategy=strategy))
    assert found.status == "stopped"
    assert found.audit["ok"]
    assert found.total_cost >= so.solve_futures(so.read(data)).total_cost * (1 - 1e-6)


def test_what_a_few_dollars_buy_counts_in_every_future() -> None:
    # Both futures buy the same part of the plant, a millionth of 40 t: the gap of low would grow by a millionth without
    # it, that of high by less. Dropped in high alone, the expected cost would be half of what was paid.
    found = so.solve_futures(so.load("examples/wait_or_commit.yaml"), budget=3, settings=EXACT)
    one, other = (future.result for future in found.futures)
    assert one.outlay == pytest.approx(other.outlay, rel=1e-9)
    assert found.total_cost == pytest.approx((one.total_cost + other.total_cost) / 2, rel=1e-9)


def test_a_group_whose_multipliers_have_no_least_cost_has_no_bound() -> None:
    """A stock without a largest size, and no budget: a tonne costs 65k, and a charge of −70k makes it worth 5k."""
    reserve = "options.reserve={kind: stockpile, commodity: magnet, price: 65k}"
    branches = "futures={q: {from: 2027, branches: {a: {}, b: {}}}}"
    instance = so.load("instances/tiny.yaml", ["policy={}", reserve, branches])
    future, memory = instance.tree.futures[0], evaluator_of(instance).executor.memory

    def bound(charge: float) -> float:
        charges = ({("reserve", "fill", 0): charge},)
        group = GroupProblem((0,), (future.name,), (1.0,), (future.answers,), charges, frozenset(), (), EXACT)
        return solve_group(memory, group).bound

    assert bound(-60e3) >= 30e6
    assert bound(-70e3) == -math.inf
