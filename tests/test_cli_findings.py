"""What is wrong with what was given comes at once, and every reader says so in words."""

import subprocess
from pathlib import Path

import pytest

from tests.test_cli import TINY, diversify


def findings(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("error: ")]


def test_what_is_wrong_on_the_command_line_comes_at_once(tmp_path: Path) -> None:
    done = diversify("check", TINY, "--set", "colour=red", "--set", "policy.budget", "--set", "=5")
    assert done.returncode == 3
    told = [line.split(":")[1].strip() for line in findings(done)]
    assert sorted(told) == ["--set =5", "--set colour=red", "--set policy.budget"]
    done = diversify("solve", TINY, "--without", "plnt", "--without", "reserv", "--force", "plant=33@2026")
    assert done.returncode == 3
    assert [line.split(":")[1].strip() for line in findings(done)] == [
        *("--force plant=33@2026", "--without plnt", "--without reserv")
    ]
    done = diversify("compare", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--without", "plant")
    assert done.returncode == 3
    assert len(findings(done)) == 2


def test_a_saved_plan_is_no_instance_and_that_is_one_finding(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    assert diversify("solve", TINY, "--output", str(plan)).returncode == 0
    done = diversify("check", str(plan))
    assert done.returncode == 3
    assert findings(done) == [
        f"error: {plan}: is a saved plan, not an instance. Name the instance that it is the plan of; `diversify show` "
        "prints a plan."
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, "{" + '"a": ' * 5, "name: " + "9" * 5000])
def test_text_that_no_reader_can_take_is_a_finding(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    done = diversify("check", str(tmp_path / "bad.yaml"))
    assert done.returncode == 3
    assert findings(done)
    assert "internal" not in done.stderr
