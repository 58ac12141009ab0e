"""The package as it is passed on: a source distribution and a wheel, which install and run on their own."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

import pytest
import yaml

import optimizer

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UV = shutil.which("uv", path=f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")


def run(*words: str | Path, cwd: Path) -> str:
    """What a command prints; its failure fails the test."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def uv(*words: str | Path, cwd: Path) -> str:
    """What uv prints; it works without a network here."""
    assert UV is not None, "make installs uv into .tools"
    return run(UV, *words, cwd=cwd)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both distributions; the wheel is built from the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    uv(
        "build",
        "--quiet",
        "--offline",
        "--no-build-isolation",
        "--python",
        sys.executable,
        "-o",
        folder,
        ROOT,
        cwd=ROOT,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh environment with the wheel; the libraries are those of this one, without our sources."""
    home = tmp_path_factory.mktemp("fresh") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, home, cwd=wheel.parent)
    (python,) = [*home.glob("bin/python"), *home.glob("Scripts/python.exe")]
    uv("pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel, cwd=wheel.parent)
    (site,) = [*home.glob("lib/python*/site-packages"), *home.glob("Lib/site-packages")]
    # Paths of a .pth file come last, and the .pth files there, such as that of an editable install, are not read.
    libraries = Path(pytest.__file__).parents[1]
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return python.parent


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"optimizer", f"optimizer-{PROJECT['version']}.dist-info"}
    package = {name for name in names if name.startswith("optimizer/")}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "optimizer").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package == there
    assert {"optimizer/py.typed", "optimizer/io/starter.yaml"} <= package


def test_source_distribution_holds_what_a_developer_needs(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    for needed in ("pyproject.toml", "Makefile", "constraints.txt", "LICENSE", "README.md", "CITATION.cff",
                   "instances/tiny.yaml", "tests/conftest.py", "optimizer/py.typed"):  # fmt: skip
        assert needed in names
    assert not any(re.search(r"(^|/)\.(venv|tools|git)/|__pycache__|\.pyc$", name) for name in names)


def test_metadata_says_what_the_project_says_and_names_no_host(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"optimizer-{PROJECT['version']}.dist-info/METADATA")
    data = BytesParser(policy=default).parsebytes(text)
    assert data["Version"] == PROJECT["version"] == optimizer.__version__
    assert data["License-Expression"] == "MIT"
    assert "Typing :: Typed" in data.get_all("Classifier", [])
    assert set(data.get_all("Provides-Extra", [])) == PROJECT["optional-dependencies"].keys()
    assert data.get_all("Project-URL", []) == []


def test_fresh_environment_has_the_command_and_solves(installed: Path, tmp_path: Path) -> None:
    command = shutil.which("diversify", path=str(installed))
    assert command is not None
    assert run(command, "--version", cwd=tmp_path).startswith(f"diversify {PROJECT['version']} (PuLP ")
    run(command, "init", "mine", cwd=tmp_path)
    answer = run(command, "solve", "mine/instance.yaml", "--json", cwd=tmp_path)
    assert '"status": "survives"' in answer
    where = run(installed / "python", "-c", "import optimizer; print(optimizer.__file__)", cwd=tmp_path)
    assert not Path(where.strip()).is_relative_to(ROOT)


def test_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]


def test_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    heads = re.findall(r"^## \[(.+?)\]", text, re.M)
    assert heads[0] == "Unreleased"
    # What has no release yet is under that head.
    assert (PROJECT["version"] in heads) != (".dev" in PROJECT["version"])


def test_hooks_run_what_make_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    entries = [hook["entry"] for repo in hooks for hook in repo["hooks"]]
    for tool in ("ruff check", "ruff format", "mypy"):
        assert any(entry.startswith(f".venv/bin/{tool}") for entry in entries)
