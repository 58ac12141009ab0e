"""The package's face: its names, its version, what importing it costs, and the examples in its docstrings."""

import doctest
import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import optimizer as so

ROOT = Path(__file__).parent.parent
MAIN = (
    "alternatives", "attack", "compare", "discover", "evaluate", "explain", "futures_study", "load", "load_plan",
    "sensitivity", "solve", "stress", "time_to_survive", "verify", "forcing", "under", "with_budget", "without",
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
    names = [name for names in so._HOMES.values() for name in names]
    assert sorted(names) == sorted(set(names))
    assert set(so.__all__) <= set(names)
    for name in names:
        assert getattr(so, name).__name__ == name
    assert so.__version__ == version("optimizer")
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
        "solve", "withstand", "evaluate", "explain", "attack", "alternatives", "stress", "sensitivity", "discover",
        "futures_study",
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
    assert {type(each) for each in variants} == {so.Instance}
    assert all(each != instance for each in variants)
