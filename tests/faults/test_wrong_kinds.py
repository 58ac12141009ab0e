"""Arguments of a wrong kind from Python: refused by name with what to write, or taken where the meaning is plain."""

import inspect
import math
import traceback
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import optimizer as so
from optimizer.audit.result import audit_result
from optimizer.errors import GivenPlanError, OptimizerError, PlanFileError
from optimizer.instance.edits import resample
from optimizer.studies.time_to_survive import every_chokepoint

ROOT = Path(__file__).parents[2]
TINY = ROOT / "instances" / "tiny.yaml"
PLAN = ROOT / "examples" / "plan.yaml"
HIGH = "scenarios={high: {demands.motors.quantity: 120}, low: {policy.budget: 30M}}"
RANGES = "ranges={demands.motors.quantity: {low: 0.5, high: 1.5, of: value}}"
TARGETS = "{rival: {price: 1, cuts: [{region: rival, severity: 1}]}}"
ADVERSARY = f"adversary={{attack_budget: 1, months: 12, starts: 2028, targets: {TARGETS}}}"
FUTURES = "futures={need: {from: 2027, branches: {more: {set: {demands.motors.survival: 0.7}}, same: {}}}}"


@pytest.fixture(scope="module")
def instance() -> so.Instance:
    return so.load(TINY, [HIGH, RANGES, ADVERSARY])


@pytest.fixture(scope="module")
def result(instance: so.Instance) -> so.Result:
    return so.solve(instance)


def calls(instance: so.Instance, result: so.Result, folder: Path) -> dict[Callable[..., Any], dict[str, Any]]:
    """Every public function with arguments that it takes."""
    alone: tuple[Callable[..., Any], ...] = (
        so.alternatives, so.attack, so.explain, so.share_costs, so.sensitivity, so.solve, so.solve_futures,
        so.time_to_survive, so.withstand,
    )  # fmt: skip
    return {each: {"instance": instance} for each in alone} | {
        so.compare: {"cases": instance},
        so.discover: {"result": result},
        so.evaluate: {"instance": instance, "plans": result},
        so.evaluate_futures: {"instance": instance, "plans": result},
        so.find_requirements: {"instance": instance, "result": result},
        so.forcing: {"instance": instance, "sizes": [("plant", 2027, 40)]},
        so.futures_study: {"instance": so.load(TINY, FUTURES)},
        so.load: {"path": TINY},
        so.check: {"path": TINY},
        so.in_future: {"instance": so.load(TINY, FUTURES), "name": "more"},
        so.load_plan: {"path": PLAN, "instance": instance},
        so.read: {"data": instance.to_dict()},
        so.stress: {"result": result},
        so.under: {"instance": instance, "names": "high"},
        so.verify: {"instance": instance, "result": result, "extent": "arithmetic"},
        so.with_budget: {"instance": instance, "budget": 1},
        so.without: {"instance": instance, "words": "plant"},
        so.write_report: {"result": result, "path": folder / "a.html"},
        so.write_workbook: {"result": result, "path": folder / "a.xlsx"},
        so.Settings: {},
        so.Result.load: {"path": folder / "a.json"},
        so.Result.from_dict: {"data": result.to_dict()},
        result.save: {"path": folder / "a.json"},
        resample: {"instance": instance, "samples": 5, "seed": 1},
    }


# What stands in messages as it is.
FREE = {
    (so.read, "name"),
    (so.stress, "file"),
    (so.discover, "file"),
}


def test_every_argument_of_a_wrong_kind_is_refused_by_the_package(
    instance: so.Instance, result: so.Result, tmp_path: Path
) -> None:
    for function, given in calls(instance, result, tmp_path).items():
        for name, parameter in inspect.signature(function).parameters.items():
            if (function, name) in FREE or isinstance(parameter.default, bool):
                continue
            with pytest.raises((OptimizerError, TypeError, ValueError)) as error:
                function(**{**given, name: object()})
            (frame,) = traceback.extract_tb(error.value.__traceback__)[-1:]
            assert "optimizer" in frame.filename, (function, name, str(error.value))
            assert (frame.line or "").startswith("raise "), (function, name, str(error.value))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"strategy": "foo"}, "strategy='foo': write one of auto, extensive-form, constraint-generation or benders."),
        ({"strategy": "Benders"}, "strategy='Benders': write one of"),
        ({"strategy": ["auto"]}, "write one of"),
        ({"solver": "foo"}, "solver='foo': write highs or cbc."),
        ({"mip_gap": -1}, "mip_gap=-1: write a number from 0 to 1."),
        ({"mip_gap": 5}, "mip_gap=5: write a number from 0 to 1."),
        ({"gap": 5}, "mip_gap=5"),
        ({"accuracy": 2}, "accuracy=2: write a number from 0 to 1."),
        ({"mip_gap": "1%"}, "mip_gap='1%': write a number"),
        ({"mip_gap": float("nan")}, "mip_gap=nan"),
        ({"mip_gap": None}, "mip_gap=None"),
        ({"tolerance": -1.0}, "tolerance=-1.0: write a number of 0 or more."),
        ({"time_limit": -5}, "time_limit=-5: write a number of 0 or more."),
        ({"time_limit": "60"}, "time_limit='60'"),
        ({"seed": -1}, "seed=-1: write a whole number from 0 to"),
        ({"seed": 1.5}, "seed=1.5: write a whole number"),
        ({"jobs": "2"}, "jobs='2': write a whole number of 1 or more."),
        ({"jobs": 0}, "jobs=0"),
        ({"jobs": True}, "jobs=True"),
        ({"threads": 0}, "threads=0: write a whole number from 1 to 256."),
        ({"cluster": "here"}, "cluster='here': write it like tcp://host:8786."),
        ({"cluster": 8786}, "cluster=8786"),
        ({"checkpoint": 3}, "checkpoint=3: write the name of a file or folder"),
    ],
)
def test_settings_check_every_field(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="write") as error:
        so.Settings(**wrong)
    assert said in str(error.value)


def test_settings_take_numbers_of_numpy_and_paths(tmp_path: Path) -> None:
    settings = so.Settings(mip_gap=np.float32(0.5), seed=np.int64(3), time_limit=0, checkpoint=tmp_path)  # type: ignore[arg-type]
    assert settings == so.Settings(mip_gap=0.5, seed=3, time_limit=0, checkpoint=str(tmp_path))
    assert [type(value) for value in (settings.mip_gap, settings.seed)] == [float, int]


@pytest.mark.parametrize("wrong", [{}, "fast", {"mip_gap": 0.1}, 0.1])
def test_what_is_no_settings_is_refused(wrong: Any, instance: so.Instance) -> None:
    for function in (so.solve, so.compare, so.explain):
        with pytest.raises(TypeError, match="Settings are needed, not"):
            function(instance, settings=wrong)


def test_an_answer_is_never_written_over_an_instance(result: so.Result, tmp_path: Path) -> None:
    for name in ("mine.yaml", "mine.YML", "mine.xlsx"):
        mine = tmp_path / name
        mine.write_text("an instance")
        with pytest.raises(ValueError, match=r"would be taken for an instance; write a name that ends in \.json"):
            result.save(mine)
        assert mine.read_text() == "an instance"


@pytest.mark.parametrize(
    ("function", "name", "cure"),
    [
        (so.write_report, "x.txt", "write a name that ends in .html, .htm, .pdf, .docx, .md or .xlsx."),
        (so.write_report, "x", "write a name that ends in"),
        (so.write_report, "mine.yaml", "write a name that ends in"),
        (so.write_workbook, "y.csv", "write a name that ends in .xlsx."),
    ],
)
def test_a_report_has_a_form_that_there_is(
    function: Any, name: str, cure: str, result: so.Result, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="path=") as error:
        function(result, tmp_path / name)
    assert cure in str(error.value)
    assert not (tmp_path / name).exists()


def test_a_plan_is_named_by_a_path_as_by_text(instance: so.Instance) -> None:
    by_text = so.evaluate(instance, str(PLAN), is_quick=True).plans[0].result.total_cost
    assert so.evaluate(instance, PLAN, is_quick=True).plans[0].result.total_cost == by_text
    assert so.evaluate(instance, [PLAN], is_quick=True).plans[0].result.total_cost == by_text
    for plans in (PLAN, str(PLAN), [PLAN], (each for each in [PLAN])):
        (_, column) = so.compare(instance, plans=plans, facts=()).columns
        assert column.result.total_cost == by_text


def test_a_plan_in_numbers_of_numpy_is_read(instance: so.Instance) -> None:
    plan = {"builds": {"plant": {np.int64(2026): np.int64(20)}}}
    (found,) = so.evaluate(instance, {"one": plan}.values(), is_quick=True).plans
    assert [(build.year, build.size) for build in found.result.plan.builds] == [(2026, 20.0)]


def test_plans_that_can_be_read_once_stand_in_every_case(instance: so.Instance) -> None:
    found = so.compare({"one": instance, "two": instance}, plans=(each for each in [PLAN]), facts=())
    assert len(found.columns) == 4


@pytest.mark.parametrize(
    "overrides",
    ["policy.budget=5M", ["policy.budget=5M"], {"policy.budget": "5M"}, {"policy": {"budget": np.int64(5_000_000)}}],
)
def test_one_override_or_a_mapping_is_taken(overrides: Any) -> None:
    assert so.load(TINY, overrides).policy.budget == 5e6


def test_a_mapping_of_overrides_is_checked_like_a_file() -> None:
    assert so.load(TINY, {"policy.force": {"plant": {2027: 40}}}).policy.force == {"plant": {2027: 40.0}}
    with pytest.raises(so.InstanceError, match=r"policy\.budgte"):
        so.load(TINY, {"policy.budgte": "5M"})


def test_one_text_is_a_list_of_one(instance: so.Instance, result: so.Result, tmp_path: Path) -> None:
    assert so.under(instance, "high,low") == so.under(instance, ["high", "low"])
    assert not so.without(instance, "plant, reserve").options
    (found,) = so.compare(instance, "0", facts="least").least
    assert found.outlay == pytest.approx(11.5e6)
    so.write_report(result, tmp_path / "one.html", "5M", studies=so.stress(result, samples=5))
    page = (tmp_path / "one.html").read_text()
    assert "5M USD" in page
    assert "sampled shocks" in page


def test_a_budget_of_the_slider_that_is_none_is_no_budget_of_0(result: so.Result, tmp_path: Path) -> None:
    so.write_report(result, tmp_path / "any.html", [None])
    so.write_report(result, tmp_path / "nothing.html", [0])
    assert '"budget":0,' not in (tmp_path / "any.html").read_text()
    assert '"budget":0,' in (tmp_path / "nothing.html").read_text()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"cases": {}}, r"cases=\{\}: write an instance"),
        ({"facts": ["foo"]}, r"facts='foo': write one of least, alone or next\."),
        ({"resolution": -1}, "resolution=-1: write a number from"),
    ],
)
def test_compare_refuses_what_it_would_leave_out(how: dict[str, Any], said: str, instance: so.Instance) -> None:
    with pytest.raises(ValueError, match=said):
        so.compare(**{"cases": instance, **how})


def test_time_to_survive_takes_a_result(instance: so.Instance, result: so.Result) -> None:
    assert so.time_to_survive(instance, result) == so.time_to_survive(instance, result.plan)
    first = next(every_chokepoint(instance))
    assert len(so.time_to_survive(instance, chokepoints=first).exposures) == 1
    said = r"write a Chokepoint that every_chokepoint\(instance\) of optimizer\.studies\.time_to_survive yields"
    with pytest.raises(ValueError, match=said):
        so.time_to_survive(instance, chokepoints=first.name)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a Result is needed, not str"):
        so.time_to_survive(instance, "plan.json")  # type: ignore[arg-type]


def test_a_plan_or_an_instance_is_no_result(instance: so.Instance, result: so.Result) -> None:
    futures = so.solve_futures(instance)
    asked: Mapping[str, Callable[[Any], Any]] = {
        "attack": lambda wrong: so.attack(instance, wrong),
        "stress": so.stress,
        "explain": lambda wrong: so.explain(instance, known=wrong),
        "alternatives": lambda wrong: so.alternatives(instance, known=wrong),
        "sensitivity": lambda wrong: so.sensitivity(instance, known=wrong),
        "compare": lambda wrong: so.compare(instance, known=wrong),
    }
    for ask in asked.values():
        for wrong in (result.plan, instance):
            with pytest.raises(TypeError, match=f"a Result is needed, not {type(wrong).__name__}: solve returns one"):
                ask(wrong)
        with pytest.raises(TypeError, match=r"not FuturesResult: take that of one future, \.future\(name\)\.result"):
            ask(futures)
    with pytest.raises(TypeError, match="a Result is needed, not FuturesResult"):
        audit_result(instance, futures)  # type: ignore[arg-type]
    assert so.Result.from_dict(futures.to_dict()).plan == futures.futures[0].result.plan
    several = so.solve_futures(so.load(TINY, FUTURES)).to_dict()
    one_is_needed = r"the mapping holds a plan of 2 futures, and the plan of one is needed: .*\.future\(name\)\.result"
    with pytest.raises(PlanFileError, match=one_is_needed):
        so.Result.from_dict(several)
    with pytest.raises(PlanFileError, match=r"a plan of one future: in Python, Result\.load reads it"):
        so.FuturesResult.from_dict(result.to_dict())
    with pytest.raises(so.InstanceError, match=r"by in_future\(instance, name\); or take all, by evaluate_futures"):
        so.evaluate(so.load(TINY, FUTURES), result.plan)
    with pytest.raises(TypeError, match="a FuturesResult is needed, not Result: solve_futures returns one"):
        so.futures_study(so.load(TINY, FUTURES), known=result)  # type: ignore[arg-type]


def test_sensitivity_of_an_instance_without_ranges_is_an_error() -> None:
    with pytest.raises(so.InstanceError, match="the instance has no ranges"):
        so.sensitivity(so.load(TINY))


def test_purchases_are_forced_in_the_shape_of_the_file(instance: so.Instance) -> None:
    assert so.forcing(instance, {"plant": {2026: 20}}) == so.forcing(instance, [("plant", np.int64(2026), 20)])
    with pytest.raises(so.InstanceError, match=r'"2026\.5" is not a calendar year'):
        so.forcing(instance, [("plant", 2026.5, 20)])  # type: ignore[list-item]
    for wrong in ("plant", [("plant", 2026)], {"plant": 20}, [("plant", 2026, "much")]):
        with pytest.raises(ValueError, match="sizes=") as error:
            so.forcing(instance, wrong)  # type: ignore[arg-type]
        assert 'write [("plant", 2027, 40)], or {"plant": {2027: 40}}.' in str(error.value)


def test_a_number_is_a_share_and_money_has_a_suffix(instance: so.Instance) -> None:
    with pytest.raises(ValueError, match=r"within=1000000: .* an amount of money with its suffix, such as 20M\."):
        so.alternatives(instance, within=1_000_000)


def test_samples_and_seeds_of_numpy_do(instance: so.Instance, result: so.Result) -> None:
    assert so.stress(result, samples=np.int64(5), seed=np.int64(1)).to_dict()["seed"] == 1
    with pytest.raises(ValueError, match=r"samples=59: write a whole number from 60 to 100,000\."):
        so.discover(result, samples=59)
    with pytest.raises(ValueError, match="seed=-1"):
        so.sensitivity(instance, 60, seed=-1)
    with pytest.raises(ValueError, match=r"extent='all': write one of arithmetic, recourse or proof\."):
        so.verify(instance, result, "all")  # type: ignore[arg-type]


def test_what_is_found_is_shown_in_a_line(instance: so.Instance, result: so.Result) -> None:
    assert repr(so.verify(instance, result, "arithmetic")).endswith("; disagreements: 0>")
    in_futures = so.evaluate_futures(so.load(TINY, FUTURES), {"builds": {"plant": {2026: 20}}}, is_quick=True)
    assert repr(in_futures).startswith("<FuturesEvaluation in 'tiny': plan: <FuturesResult 'tiny': gap, 0 of 2 futures")
    assert repr(so.compare(instance, "0,30M", facts=())) == "<Comparison of plain: 1 of 2 plans survive>"
    assert repr(so.evaluate(instance, {"builds": {"plant": {2026: 20}}}, is_quick=True)).startswith(
        "<PlanEvaluation in 'tiny': plan: <Result"
    )
    assert repr(so.alternatives(instance, plans=1)).endswith("ranges: 2; plans: 1>")
    assert repr(so.sensitivity(instance, flips=False)) == "<Sensitivity of 'tiny': numbers: 1; switching values: 0>"


def test_data_that_contain_themselves_are_refused() -> None:
    data = so.load("instances/tiny.yaml").to_dict()
    data["processes"]["imports"]["output"] = data
    with pytest.raises(so.InstanceError, match="contains itself"):
        so.read(data)


def test_an_entry_of_a_plan_names_what_it_lacks() -> None:
    with pytest.raises(GivenPlanError, match="an entry of builds or purchases lacks 'period'"):
        so.evaluate(so.load("instances/tiny.yaml"), {"builds": [{"option": "plant", "year": 2026, "size": 20}]})


def test_a_blank_cell_of_pandas_and_keys_that_are_one_or_cannot_be_seen_are_findings() -> None:
    data = so.load("instances/tiny.yaml").to_dict()
    data["processes"]["imports"]["region"] = float("nan")
    data["shocks"]["embargo"]["cuts"] = [{"process": ["imports", float("nan")], "severity": 1}]
    data["demands"]["motors"]["quantity"] = {2026: 100, "2026": 300}
    data["options"]["pl\u200bant"] = data["options"].pop("plant")
    with pytest.raises(so.InstanceError) as refused:
        so.read(data)
    said = {(each.where, each.what) for each in refused.value.findings}
    assert {
        ("processes.imports.region", "is NaN, which is no value"),
        ("shocks.embargo.cuts.0.process.1", "is NaN, which is no value"),
        ("demands.motors.quantity.2026", "is given twice, as text and as something else"),
        (r"options.pl\u200bant", "holds the invisible character U+200B"),
    } <= said
    # Each NaN is one finding, also of a required key, and what follows from it is none.
    assert len(said) == 4
    for place in (("kind",), ("capex",)):
        whole = so.load("instances/tiny.yaml").to_dict()
        whole["options"]["plant"][place[0]] = float("nan")
        with pytest.raises(so.InstanceError) as error:
            so.read(whole)
        assert [each.where for each in error.value.findings] == [f"options.plant.{place[0]}"]
    with pytest.raises(GivenPlanError) as wrong:
        so.evaluate(so.load("instances/tiny.yaml"), {"builds": {"plant": {2026: float("nan")}}})
    assert [each.what for each in wrong.value.findings] == ["is NaN, which is no value"]
    with pytest.raises(GivenPlanError, match="is given twice"):
        so.evaluate(so.load("instances/tiny.yaml"), {"builds": {"plant": {2026: 10, "2026": 20}}})


def test_decimals_are_numbers_and_tables_are_told_what_to_write() -> None:
    tiny = so.load("instances/tiny.yaml")
    data = tiny.to_dict()
    data["processes"]["imports"]["capacity"] = Decimal(120)
    assert so.read(data) == tiny
    assert so.with_budget(tiny, Decimal("3e6")).policy.budget == 3e6
    assert so.Settings(mip_gap=Decimal("0.25")).mip_gap == 0.25
    for value in (pd.Series([1.0], index=[2026]), np.array([1.0])):
        data["processes"]["imports"]["capacity"] = value
        with pytest.raises(so.InstanceError, match=rf"of type {type(value).__name__} is not a number.*to_dict\(\)"):
            so.read(data)


def test_dates_periods_and_arrays_of_pandas_are_told_what_to_write_as_a_start() -> None:
    data = so.load("instances/tiny.yaml").to_dict()
    for value, cure in (
        (pd.Period("2028", "Y"), r"Write text: 2028\."),
        (pd.Period("2028-04", "Q"), r"Write text: 2028Q2\."),
        (pd.Timestamp("2028-04-01"), r"Write text: 2028-04\."),
        (np.datetime64("2028-04"), r"Write a period such as .*-07\.$"),
    ):
        wrong = rf"a value of type {type(value).__name__} is no period\. .*{cure}"
        data["shocks"]["embargo"]["start"] = value
        with pytest.raises(so.InstanceError, match=wrong):
            so.read(data)
        asked = so.load("instances/tiny.yaml").to_dict() | {
            "futures": {"q": {"from": value, "branches": {"a": {}, "b": {}}}}
        }
        with pytest.raises(so.InstanceError, match=wrong):
            so.read(asked)
    data["shocks"]["embargo"]["start"] = np.array([2027, 2029])
    with pytest.raises(so.InstanceError, match=r"ndarray is no period.* Several starts are a list: .* as tolist\(\)"):
        so.read(data)
    for blank in (pd.NA, pd.NaT):
        data["shocks"]["embargo"]["start"] = blank
        with pytest.raises(so.InstanceError, match="start: is NaN, which is no value"):
            so.read(data)


def test_flags_are_true_or_false_and_lists_hold_something() -> None:
    tiny: Any = so.load("instances/tiny.yaml")
    for call in (
        lambda: so.solve(tiny, adversary="yes"),
        lambda: so.solve_futures(tiny, adversary="no"),
        lambda: so.sensitivity(tiny, flips=1),
        lambda: so.evaluate(tiny, [{"builds": {}}], is_quick="no"),
    ):
        with pytest.raises(ValueError, match="write True or False"):
            call()
    with pytest.raises(ValueError, match=r"plans=\[\]: give at least one plan"):
        so.evaluate(tiny, [])
    with pytest.raises(ValueError, match=r"budgets=\[\]: write at least one"):
        so.compare(tiny, [])
    with pytest.raises(ValueError, match="budgets=nan: nan is no amount"):
        so.compare(tiny, [math.nan])
    with pytest.raises(ValueError, match="budgets=inf: for no limit, write None"):
        so.compare(tiny, [math.inf])


def test_verify_of_a_loaded_result_says_where_its_instance_is() -> None:
    result = so.Result.from_dict(so.solve(so.load("instances/tiny.yaml")).to_dict())
    with pytest.raises(TypeError, match=r"verify\(read\(result.data\), result\)"):
        so.verify(result.solved_instance, result)


def test_a_comma_after_the_code_of_the_currency_is_no_part_of_it() -> None:
    result = so.solve(so.load("instances/tiny.yaml", "currency=EUR, 2025 prices"))
    assert "total cost 43.6M EUR, outlay" in repr(result)
    assert so.read(result.data).money == "EUR"
