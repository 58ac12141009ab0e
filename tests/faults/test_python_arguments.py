"""Budgets and scenarios from Python say what they say on the command line, and nonsense is refused with the cure."""

import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optimizer as so
from optimizer.errors import OptimizerWarning

BESIEGED = Path(__file__).parent / "besieged.yaml"
RANGE = "ranges.options.plant.capex={low: 150k, high: 600k}"


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return so.load(BESIEGED, [RANGE])


@pytest.fixture(scope="module")
def result(instance: so.Instance) -> so.Result:
    return so.solve(instance)


def outlay_of(answer: Any) -> float:
    """The outlay of the plan that an answer is about."""
    for name in ("result", "cheapest", "base"):
        answer = getattr(answer, name, answer)
    return float(answer.outlay)


# Every public function that solves: what it returns has a plan.
SOLVING: dict[str, Callable[..., Any]] = {
    "solve": so.solve,
    "withstand": so.withstand,
    "attack": so.attack,
    "explain": so.explain,
    "alternatives": lambda instance, **how: so.alternatives(instance, plans=0, **how),
    "sensitivity": lambda instance, **how: so.sensitivity(instance, flips=False, **how),
}


@pytest.mark.parametrize("name", SOLVING)
def test_a_budget_is_read_as_on_the_command_line(name: str, instance: so.Instance) -> None:
    # 1M is too little for the 20 t in store that surviving takes, and is spent on 15.4 t.
    assert outlay_of(SOLVING[name](instance, budget="1M")) == pytest.approx(1e6)
    assert outlay_of(SOLVING[name](instance, budget=1e6)) == pytest.approx(1e6)


@pytest.mark.parametrize("name", SOLVING)
def test_scenarios_stack_as_on_the_command_line(name: str, instance: so.Instance) -> None:
    data = instance.to_dict()
    data["demands"]["motors"]["quantity"] = 80
    data["options"]["plant"]["capex"] = 150e3
    by_hand = outlay_of(SOLVING[name](so.read(data), budget=40e6))
    assert outlay_of(SOLVING[name](instance, scenario=["low", "rich"])) == pytest.approx(by_hand)
    assert by_hand != pytest.approx(outlay_of(SOLVING[name](instance)))


@pytest.mark.parametrize(
    ("budget", "cure"),
    [
        ("lots", '"lots" is not a number. Write a plain number, or one such as 2.5B, 250M, 40k.'),
        ("250m", "Write 250M."),
        ("5%", "is a percentage"),
        (-5, "write 0 or more."),
        ("-5M", "write 0 or more."),
        (True, "is not a number"),
        (math.nan, "nan is no amount. Write a plain number"),
        (math.inf, "in Python with_budget(instance, None)."),
        ("any", "any is not a finite amount. For no limit, write --set policy.budget=null"),
        ([1e6], "a list is not a number"),
    ],
)
def test_a_budget_that_is_none_is_refused_with_the_cure(budget: Any, cure: str, instance: so.Instance) -> None:
    for solve in SOLVING.values():
        with pytest.raises(ValueError, match="budget=") as error:
            solve(instance, budget=budget)
        assert cure in str(error.value)


@pytest.mark.parametrize(
    ("scenario", "cure"),
    [
        ("hgh", '"hgh" is no scenario. Did you mean "high"?'),
        (["low", "xyz"], '"xyz" is no scenario. Known: high, low, rich, bold.'),
        (3, 'scenario=3: write a name such as "high", or a list of them.'),
        ([None], "write a name such as"),
        ({"high": 1}, "write a name such as"),
        ("", "scenario='': a name is empty"),
    ],
)
def test_a_scenario_that_is_none_is_refused_with_the_cure(
    scenario: Any, cure: str, instance: so.Instance, result: so.Result
) -> None:
    asked: list[Callable[..., Any]] = [*SOLVING.values(), so.time_to_survive, so.compare]
    names = [scenario] if isinstance(scenario, str) else scenario
    is_name = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    raised = so.InstanceError if is_name else ValueError
    for ask in asked:
        with pytest.raises(raised, match=r"scenario") as error:
            ask(instance, scenario=scenario)
        assert cure in str(error.value)
    with pytest.raises(raised, match=r"scenario"):
        so.stress(result, samples=5, scenario=scenario)


def test_a_conflict_is_a_python_warning_and_a_note(instance: so.Instance) -> None:
    with pytest.warns(OptimizerWarning, match=r"^scenario low: demands.motors.quantity: .* is replaced by 80") as told:
        found = so.solve(instance, scenario=["high", "low"])
    assert Path(told[0].filename) == Path(__file__)
    assert any("of scenario high is replaced by 80" in note for note in found.notes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        so.solve(instance, scenario=["low", "rich"])
    with pytest.warns(OptimizerWarning, match="40M of scenario rich is replaced by 1M"):
        assert so.solve(instance, budget="1M", scenario="rich").outlay == pytest.approx(1e6)


def test_numbers_of_numpy_and_commas_do(instance: so.Instance) -> None:
    assert so.solve(instance, budget=np.int64(1_000_000)).outlay == pytest.approx(1e6)
    assert so.solve(instance, np.float64(1e6)).outlay == pytest.approx(1e6)
    assert so.solve(instance, scenario="low,rich").outlay == 0


def test_notes_say_which_scenario(instance: so.Instance) -> None:
    notes = so.solve(instance, scenario="low").notes
    assert "Scenario low: demands.motors.quantity=80, options.plant.capex=150k." in notes


def test_compare_takes_amounts_and_a_column_for_each_scenario(instance: so.Instance) -> None:
    plain = so.compare(instance, ["0", "1M", None], facts=())
    assert [column.budget for column in plain.columns] == [0, 1e6, None]
    text = so.compare(instance, "0,1M,any", facts=())
    assert [column.budget for column in text.columns] == [0, 1e6, None]
    found = so.compare(instance, facts=("next",), step="500k", scenario=["low", "low,rich"])
    assert [column.case for column in found.columns] == ["plain", "low", "low, rich"]
    assert [column.budget for column in found.columns] == [20e6, 20e6, 40e6]
    assert {each.more for each in found.steps} == {5e5}
    both = so.compare({"one": instance, "other": instance}, facts=(), scenario="low")
    assert [column.case for column in both.columns] == ["one", "one, low", "other", "other, low"]


@pytest.mark.parametrize(
    ("how", "cure"),
    [
        ({"budgets": ["0", "lots"]}, "budgets='lots': \"lots\" is not a number"),
        ({"budgets": "0,,1M"}, "is not a number"),
        ({"budgets": 5}, 'budgets=5: write a list such as [0, "250M", None], or "auto".'),
        ({"budgets": [-1]}, "write 0 or more."),
        ({"step": "much"}, "step='much'"),
    ],
)
def test_compare_refuses_nonsense(how: dict[str, Any], cure: str, instance: so.Instance) -> None:
    with pytest.raises(ValueError, match=r"budgets|step") as error:
        so.compare(instance, **how)
    assert cure in str(error.value)


def test_a_plan_is_judged_under_a_scenario(instance: so.Instance, result: so.Result) -> None:
    stressed = so.stress(result, samples=20, scenario="high")
    assert stressed.survived < so.stress(result, samples=20).survived
    assert "Scenario high: demands.motors.quantity={2026: 100, 2030: 150}, policy.budget=40M." in stressed.notes
    changed = so.time_to_survive(instance, result.plan, scenario="low")
    assert changed == so.time_to_survive(so.under(instance, "low"), result.plan)
    assert changed != so.time_to_survive(instance, result.plan)


def test_the_page_takes_amounts(result: so.Result, tmp_path: Path) -> None:
    so.write_report(result, tmp_path / "r.html", budgets=["0", "1M"])
    assert (tmp_path / "r.html").stat().st_size > 0
    with pytest.raises(ValueError, match="budgets='lots'"):
        so.write_report(result, tmp_path / "r.html", budgets=["lots"])


def test_what_scenarios_make_together_is_checked(instance: so.Instance) -> None:
    data = instance.to_dict()
    data["scenarios"] = {
        "short": {"horizon.end": 2028, "shocks.embargo.start": 2027, "adversary.starts": [2027]},
        "late": {"shocks.embargo.start": 2030},
    }
    alone = so.read(data)
    with pytest.raises(so.InstanceError, match="2030"):
        so.solve(alone, scenario=["short", "late"])
