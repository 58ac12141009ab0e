"""What the README promises: every command runs, the Python runs, the output shown is the output there is."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import optimizer as so

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place of its own, for the files that the commands write; they run in the order of the page."""
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "instances", place / "instances")
    return place


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "diversify"
    line = [sys.executable, "-m", "optimizer", *words[1:]]
    environment = {"COLUMNS": "80", "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_runs(folder: Path, command: str) -> None:
    done = run(folder, command)
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr


SHOWN = re.findall(r"```console\n\$ ([^\n]*)\n```\n\n```text\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_output_shown_is_the_output_there_is(folder: Path, command: str, shown: str) -> None:
    printed = run(folder, command).stdout
    tidy = [line.rstrip() for line in printed.splitlines() if not line.startswith(("Audit:", "solver", "1."))]
    for line in shown.splitlines():
        assert line.rstrip() in tidy, line


def yaml_with(key: str) -> str:
    """The one YAML block that has a key."""
    (shown,) = (block for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL) if key in block)
    return shown


def test_instance_shown_is_the_instance_there_is() -> None:
    shown = yaml_with("horizon:")
    file = (ROOT / "instances" / "tiny.yaml").read_text()
    for line in shown.splitlines():
        assert line in file


def test_shocks_shown_can_stand_in_place_of_those_there_are() -> None:
    shown = yaml_with("ensembles:")
    data = yaml.safe_load((ROOT / "instances" / "tiny.yaml").read_text()) | yaml.safe_load(shown)
    names = [event.name for event in so.read(data).events]
    assert names[0] == "embargo@2027,12mo,50%"
    assert names[11:13] == ["embargo@2029,24mo,100%", "trouble#00001"]
    assert len(names) == 512


def test_adversary_shown_is_the_one_of_the_command() -> None:
    (command,) = re.findall(r'^\$ diversify attack instances/tiny.yaml --set "adversary=(.*)"$', TEXT, re.MULTILINE)
    assert yaml.safe_load(yaml_with("adversary:"))["adversary"] == yaml.safe_load(command)


def test_python_runs(folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 shocks survived" in done.stdout
    assert "2026  plant  20" in done.stdout


def test_commands_of_the_makefile_are_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"solve", "test", "lint", "bench", "clean"} <= targets
