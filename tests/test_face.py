"""The package's face: its names, its version, what importing it costs, and the examples in its docstrings."""

import doctest
import inspect
import pickle
import subprocess
import sys
from copy import copy, deepcopy
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.solver.base import StrategyName

ROOT = Path(__file__).parent.parent
MAIN = (
    "alternatives", "attack", "check", "compare", "discover", "evaluate", "evaluate_futures", "explain",
    "futures_study", "load", "load_plan", "sensitivity", "solve", "solve_futures", "stress", "time_to_survive",
    "verify", "forcing", "in_future", "under", "with_budget", "without",
)  # fmt: skip


def examples(name: str) -> doctest.DocTest:
    found = so if name == "optimizer" else getattr(so, name)
    return doctest.DocTestParser().get_doctest(inspect.getdoc(found) or "", {}, name, None, None)


@pytest.mark.parametrize("name", ["optimizer", *MAIN])
def test_example_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    test = examples(name)
    assert test.examples, f"{name} has no example"
    said: list[str] = []
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append).failed == 0, "".join(said)


def test_every_name_has_a_home() -> None:
    names = [name for names in so._NAMES_OF.values() for name in names]
    assert sorted(names) == sorted(set(names))
    assert set(so.__all__) <= set(names)
    for name in names:
        assert getattr(so, name).__name__ == name
    assert so.__version__ == version("optimizer")
    assert {"__version__", "Progress", *so.__all__} <= set(dir(so))
    assert (ROOT / "optimizer" / "py.typed").is_file()


def test_importing_it_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import optimizer; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "pandas", "pydantic", "pulp", "yaml", "rich", "typer"}
    assert heavy.isdisjoint(done.stdout.split())
    assert not [name for name in done.stdout.split() if name.startswith("optimizer.")]


@pytest.mark.parametrize(
    "name",
    [
        "solve", "solve_futures", "withstand", "evaluate", "evaluate_futures", "explain", "attack", "alternatives",
        "stress", "sensitivity", "discover", "futures_study",
    ],
)  # fmt: skip
def test_plumbing_is_keyword_only(name: str) -> None:
    plumbing = {"settings", "listener", "notes", "clock", "seed", "scenario", "on_part"}
    for parameter in inspect.signature(getattr(so, name)).parameters.values():
        assert parameter.name not in plumbing or parameter.kind is parameter.KEYWORD_ONLY


def test_every_variant_is_an_instance() -> None:
    instance = so.load(ROOT / "instances" / "tiny.yaml", ["scenarios={high: {demands.motors.quantity: 120}}"])
    variants = [
        so.without(instance, "plant"),
        so.under(instance, "high"),
        so.forcing(instance, [("plant", 2027, 40)]),
        so.with_budget(instance, "30M"),
        so.resample(instance, 3, seed=1),
    ]
    question = "futures={need: {from: 2027, branches: {more: {set: {demands.motors.quantity: 120}}, same: {}}}}"
    variants.append(so.in_future(so.load(ROOT / "instances" / "tiny.yaml", question), "more"))
    assert {type(each) for each in variants} == {so.Instance}
    assert all(each != instance for each in variants)


@pytest.mark.parametrize("name", ["instances/us-2027.yaml", "tests/cases/futures/hand_cvar.yaml"])
def test_functions_of_one_plan_name_those_of_several_futures(name: str) -> None:
    instance = so.load(ROOT / name)
    with pytest.raises(so.InstanceError, match="solve_futures"):
        so.solve(instance)
    if instance.futures:
        with pytest.raises(so.InstanceError, match="several futures"):
            so.evaluate(instance, so.Plan())


def test_an_instance_without_futures_is_a_tree_of_one() -> None:
    instance = so.load(ROOT / "instances" / "tiny.yaml")
    assert so.solve_futures(instance).total_cost == pytest.approx(so.solve(instance).total_cost)
    found = so.evaluate_futures(instance, {"builds": {"plant": {2026: 20}}}, is_quick=True)
    (future,) = found.futures
    alone = so.evaluate(instance, {"builds": {"plant": {2026: 20}}}, is_quick=True)
    assert future.evaluation.plans[0].result.total_cost == alone.plans[0].result.total_cost


def test_the_name_of_the_mip_gap_in_the_first_version_still_sets_it() -> None:
    settings = so.Settings(gap=0.01)
    assert settings == so.Settings(mip_gap=0.01)
    assert replace(settings, mip_gap=0.5).mip_gap == 0.5


@pytest.mark.parametrize(
    ("name", "before"), [("extensive-form", "whole"), ("constraint-generation", "scenarios"), ("benders", "cuts")]
)
def test_an_algorithm_may_be_named_as_the_field_does(name: StrategyName, before: StrategyName) -> None:
    assert so.Settings(strategy=name) == so.Settings(strategy=before)


@pytest.mark.parametrize("data", ["instances/tiny.yaml", None, ["horizon"]])
def test_what_is_no_mapping_is_refused_with_the_function_that_reads_files(data: Any) -> None:
    with pytest.raises(TypeError, match=r"read takes a mapping.*load reads an instance from a file"):
        so.read(data)


@pytest.mark.parametrize(
    "function", ["attack", "compare", "evaluate", "explain", "futures_study", "sensitivity", "solve", "time_to_survive"]
)
def test_a_path_in_place_of_an_instance_is_refused_with_the_function_that_reads_it(function: str) -> None:
    plans = ["plan.json"] if function == "evaluate" else []
    with pytest.raises(TypeError, match="an Instance is needed, not str: load reads a file"):
        getattr(so, function)("instances/tiny.yaml", *plans)


@pytest.mark.parametrize(
    ("function", "more"),
    [
        ("with_budget", [3]),
        ("under", ["high"]),
        ("without", ["plant"]),
        ("forcing", [[("plant", 2026, 20)]]),
        ("verify", ["plan.json"]),
        ("find_requirements", ["plan.json"]),
    ],
)
def test_so_it_is_by_functions_with_more_arguments(function: str, more: list[Any]) -> None:
    with pytest.raises(TypeError, match="an Instance is needed, not str: load reads a file"):
        getattr(so, function)("instances/tiny.yaml", *more)


@pytest.mark.parametrize("function", [so.verify, so.find_requirements])
def test_a_path_in_place_of_a_result_is_refused_too(function: Any) -> None:
    with pytest.raises(TypeError, match="a Result is needed, not str: solve returns one"):
        function(so.load("instances/tiny.yaml"), "plan.json")


@pytest.mark.parametrize("function", [so.stress, so.discover, lambda found: so.write_workbook(found, "plan.xlsx")])
def test_an_instance_in_place_of_a_result_is_refused_with_the_function_that_returns_it(function: Any) -> None:
    with pytest.raises(TypeError, match="a Result is needed, not Instance: solve returns one"):
        function(so.load("instances/tiny.yaml"))


def test_frames_are_copied_and_sent_to_other_processes() -> None:
    instance = so.load(ROOT / "instances" / "tiny.yaml")
    for frames in (so.solve(instance).frames, so.time_to_survive(instance).frames):
        (first, *_) = frames
        for copied in (copy(frames), deepcopy(frames), pickle.loads(pickle.dumps(frames))):
            assert list(copied) == list(frames)
            assert getattr(copied, first).equals(getattr(frames, first))
            assert getattr(copied, first).attrs == getattr(frames, first).attrs


def test_what_a_result_holds_cannot_be_changed_and_what_it_writes_can() -> None:
    result = so.solve(so.load(ROOT / "instances" / "tiny.yaml"))
    copies = (pickle.loads(pickle.dumps(result)), deepcopy(result), so.Result.from_dict(result.to_dict()))
    for each in (result, *copies):
        assert each.to_json() == result.to_json()
        held = [
            each.costs,
            each.services,
            each.settings,
            each.history[0],
            each.data,
            each.data["shocks"]["embargo"]["cuts"][0],
        ]
        held += [each.plan.stocks, each.baseline.rows, each.shocks[0].segments, each.shocks[0].flows.rows]
        for mapping in held:
            with pytest.raises(TypeError, match="cannot be changed"):
                mapping.clear()
            with pytest.raises(TypeError, match="cannot be changed"):
                mapping["x"] = 1
        with pytest.raises(TypeError, match="cannot be changed"):
            each.data["shocks"]["embargo"]["cuts"].append({})
    written = result.to_dict()
    written["costs"]["capex"] = written["data"]["shocks"]["embargo"]["cuts"][0]["severity"] = 0.0
    written["shocks"][0]["flows"]["activity"].clear()
    written["data"]["shocks"]["embargo"]["cuts"].clear()
    assert result.to_dict() != written
    compared = so.compare(so.load(ROOT / "instances" / "tiny.yaml"), [0])
    with pytest.raises(TypeError, match="cannot be changed"):
        compared.cases.clear()  # type: ignore[attr-defined]


def test_results_without_a_plan_are_equal_where_their_fields_are() -> None:
    instance = so.load(ROOT / "instances" / "tiny.yaml", ["policy.force.plant.2026=80", "policy.budget=1M"])
    read = so.Result.from_dict(so.solve(instance).to_dict())
    assert read.total_cost != read.total_cost
    assert pickle.loads(pickle.dumps(read)) == read == so.Result.from_dict(read.to_dict())
    assert read != replace(read, status="stopped")
    assert read != "none"


@pytest.mark.parametrize("study", [so.alternatives, so.compare, so.explain, so.sensitivity])
def test_a_known_result_of_another_instance_is_refused_with_what_differs(study: Any) -> None:
    tiny, ranges = ROOT / "instances" / "tiny.yaml", "ranges={options.plant.capex: {low: 100k, high: 400k}}"
    known = so.solve(so.load(tiny))
    with pytest.raises(ValueError, match=r"^known=<Result .*of an instance with other demands: solve this instance"):
        study(so.load(tiny, [ranges, "demands.motors.quantity=120"]), known=known)
    with pytest.raises(ValueError, match="with other policy"):
        study(so.load(tiny, [ranges, "policy.budget=5M"]), known=known)
    study(so.load(tiny, [ranges, "name=the same with ranges"]), known=so.Result.from_dict(known.to_dict()))


def test_so_is_the_known_plan_of_other_futures() -> None:
    known = so.solve_futures(so.load(ROOT / "examples" / "wait_or_commit.yaml"))
    with pytest.raises(ValueError, match=r"^known=<FuturesResult .*with other .*options, futures"):
        so.futures_study(so.load(ROOT / "examples" / "order_or_wait.yaml"), known=known)
