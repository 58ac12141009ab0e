"""Without its extra, a command says so in one sentence with the command that installs it, before it works."""

import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import optimizer as so
from optimizer.errors import EXTRAS, MissingExtraError

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "instances" / "tiny.yaml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run_without(module: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command in a process that cannot import a module."""
    code = f"import sys; sys.modules[{module!r}] = None; from optimizer.__main__ import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    so.solve(so.load(TINY)).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("module", "extra", "words"),
    [
        ("jinja2", "report", ["report", "PLAN", "-o", "a.html"]),
        ("plotly", "report", ["report", "PLAN", "-o", "a.html"]),
        ("openpyxl", "excel", ["report", "PLAN", "-o", "a.xlsx"]),
        ("openpyxl", "excel", ["check", "a.xlsx"]),
        ("openpyxl", "excel", ["convert", TINY, "a.xlsx"]),
        ("matplotlib", "plot", ["plot", "PLAN", "timeline", "-o", "a.svg"]),
        ("matplotlib", "plot", ["compare", TINY, "--budgets", "1M,2M", "--plot", "a.png"]),
        ("SALib", "sensitivity", ["sensitivity", TINY, "--samples", "100"]),
        ("sklearn", "sensitivity", ["sensitivity", TINY, "--discover"]),
        ("distributed", "cluster", ["solve", TINY, "--cluster", "tcp://127.0.0.1:1"]),
        ("pyarrow", "parquet", ["stress", "PLAN", "--parquet", "a.parquet"]),
    ],
)
def test_missing_extra_is_one_sentence_of_usage(
    module: str, extra: str, words: list[str], plan: str, tmp_path: Path
) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"") if "check" in words else None
    done = run_without(module, *(plan if word == "PLAN" else word for word in words), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    said = " ".join(done.stderr.split())
    assert said.endswith(f"needs {module}; in the project's folder run: pip install '.[{extra}]'"), said
    assert said.count("Error") == 1
    assert [path.name for path in tmp_path.iterdir() if path.stat().st_size] == []


@pytest.mark.parametrize("module", sorted({module for modules in EXTRAS.values() for module in modules}))
def test_what_needs_no_extra_works_without(module: str, tmp_path: Path) -> None:
    done = run_without(module, "solve", TINY, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "survives" in done.stdout.lower()


def test_python_raises_the_same(monkeypatch: pytest.MonkeyPatch, plan: str, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match=r"\.\[excel\]"):
        so.load(tmp_path / "a.xlsx") if (tmp_path / "a.xlsx").write_bytes(b"") == 0 else None
    with pytest.raises(MissingExtraError, match=r"\.\[excel\]"):
        so.write_workbook(so.Result.load(plan), tmp_path / "b.xlsx")


def test_extras_are_those_of_the_project() -> None:
    extras = {name: texts for name, texts in PROJECT["optional-dependencies"].items() if name not in ("all", "cbc")}
    assert extras.keys() == EXTRAS.keys()
    homes = packages_distributions()
    for extra, modules in EXTRAS.items():
        needed = {canonicalize_name(Requirement(text).name) for text in extras[extra]}
        assert {canonicalize_name(homes[module][0]) for module in modules} == needed


def test_all_holds_every_extra_and_every_version_is_bounded() -> None:
    (everything,) = PROJECT["optional-dependencies"]["all"]
    assert Requirement(everything).extras == PROJECT["optional-dependencies"].keys() - {"all"}
    texts = [*PROJECT["dependencies"], *(text for texts in PROJECT["optional-dependencies"].values() for text in texts)]
    for requirement in map(Requirement, texts):
        assert requirement.name == "optimizer" or len(requirement.specifier) == 2, requirement
