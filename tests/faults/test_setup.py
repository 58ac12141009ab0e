"""The set-up is the same everywhere: one exact uv, and a record of the versions that were tested."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PINS = [Requirement(line) for line in LINES]


def wanted() -> list[Requirement]:
    """What pyproject.toml asks for, of the package, its extras and its tests."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    texts = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    texts += [text for extra in project["project"]["optional-dependencies"].values() for text in extra]
    return [wanted for wanted in map(Requirement, texts) if wanted.name != "optimizer"]


@pytest.mark.parametrize("line", LINES)
def test_the_record_holds_names_and_versions_alone(line: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [a-z_]+ [=!<>]+ '[\w.]+')?", line)


def test_everything_that_is_asked_for_has_one_tested_version() -> None:
    # Packages that have dropped Python 3.12 are pinned once for it and once for later ones.
    keys = [(canonicalize_name(pin.name), str(pin.marker)) for pin in PINS]
    assert len(keys) == len(set(keys))
    for requirement in wanted():
        pins = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
        assert [pin.marker and pin.marker.evaluate() for pin in pins].count(True) == 1 or len(pins) == 1, requirement
        for pin in pins:
            (version,) = pin.specifier
            assert requirement.specifier.contains(version.version), requirement


def planned(*words: str) -> str:
    """What make would run where nothing is set up yet."""
    command = ["make", "--always-make", "--dry-run", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_installs_one_version_of_uv_and_the_tested_versions() -> None:
    for target in ("solve", "test"):
        run = planned(target)
        assert re.search(r"pip install --quiet 'uv==\d+\.\d+\.\d+'", run)
        (install,) = [line for line in run.splitlines() if " pip install " in line and "uv==" not in line]
        assert install.startswith(".tools/bin/uv pip install")
        assert "--constraints constraints.txt" in install
    assert "uv==" not in planned("solve", "UV=uv")
