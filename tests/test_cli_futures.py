"""Futures on the command line: the tree of `check`, one future alone, and commands that take one only."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.instance.removal import leave_out

TINY = "instances/tiny.yaml"
ROOT = Path(__file__).parent.parent
# Demand is 100 t/yr in the file; the second question has no probabilities.
TEXT = """
futures:
  need:
    from: 2027
    branches:
      more: {probability: 0.25, set: {demands.motors.quantity: {2026: 100, 2027: 120}, policy.budget: 60M}}
      same: {probability: 0.75}
  plant:
    from: 2028
    branches: {late: {set: {options.plant.lead_time: 36}}, on_time: {}}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("futures") / "asked.yaml"
    path.write_text((ROOT / TINY).read_text(encoding="utf-8") + TEXT, encoding="utf-8")
    return str(path)


def diversify(*args: str, columns: int = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "optimizer", *args]
    environment = {**os.environ, "COLUMNS": str(columns)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


@pytest.mark.parametrize("columns", [80, 120])
def test_check_draws_the_tree_with_dates_and_probabilities(file: str, columns: int) -> None:
    done = diversify("check", file, columns=columns)
    assert done.returncode == 0, done.stderr
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    first = lines.index("Futures")
    assert lines[first + 1 : first + 10] == [
        "4 futures; minimised: expected cost",
        "└── 2027  need",
        "    ├── more  25.0 %",
        "    │   └── 2028  plant",
        "    │       ├── late  50.0 %  more.late 12.5 %",
        "    │       └── on_time  50.0 %  more.on_time 12.5 %",
        "    └── same  75.0 %",
        "        └── 2028  plant",
        "            ├── late  50.0 %  same.late 37.5 %",
    ]
    words = " ".join(done.stdout.split())
    assert "Probabilities are assumed: the file gives none for plant" in words
    assert "2026: 100, 2027: 120" in words
    assert max(map(len, lines)) <= columns
    # Nobody who ordered before 2028 could have a plant that works in 2028 or that is late by then: no warning of it.
    assert "lead_time: differs" not in done.stderr


def test_check_lists_futures_in_json(file: str) -> None:
    (found,) = json.loads(diversify("check", file, "--json").stdout)
    assert [(each["name"], each["probability"]) for each in found["futures"]] == [
        ("more.late", 0.125), ("more.on_time", 0.125), ("same.late", 0.375), ("same.on_time", 0.375)
    ]  # fmt: skip
    assert found["unweighted"] == ["plant"]
    assert found["futures"][0]["answers"][1] == {
        "question": "plant", "branch": "late", "from": "2028", "set": {"options.plant.lead_time": 36}
    }  # fmt: skip
    (plain,) = json.loads(diversify("check", TINY, "--json").stdout)
    assert (plain["futures"], plain["unweighted"]) == ([], [])


def test_one_future_is_solved_like_the_file_that_it_makes(file: str) -> None:
    def answer(*args: str) -> Any:
        return json.loads(diversify("solve", *args, "--json").stdout)["total_cost"]

    same = ("--set", "demands.motors.quantity={2026: 100, 2027: 120}", "--set", "policy.budget=60M")
    assert answer(file, "--future", "more.on_time") == pytest.approx(answer(TINY, *same))


def test_an_unknown_future_is_refused_with_the_nearest(file: str) -> None:
    done = diversify("solve", file, "--future", "more.on_tim")
    assert done.returncode == 3
    assert '"more.on_tim" is no future. Did you mean "more.on_time"?' in done.stderr
    done = diversify("solve", TINY, "--future", "more")
    assert "The file has none: add `futures:`, or take the instance as it is." in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "alternatives", "attack", "compare", "explain", "export --output x.mps", "plot timeline --output x.svg",
        "sensitivity", "stress", "survive",
    ],
)  # fmt: skip
def test_a_command_that_takes_one_future_asks_for_it(file: str, command: str) -> None:
    name, *more = command.split()
    done = diversify(name, file, *more)
    assert done.returncode == 2, done.stdout + done.stderr
    words = " ".join(done.stderr.replace("│", " ").split())
    assert "4 futures, and this command takes one: write --future NAME, one of more.late, more.on_time" in words


def test_what_a_branch_replaces_is_named(file: str) -> None:
    done = diversify("check", file, "--budget", "70M")
    assert "branch more of need: policy.budget: 70M of --budget 70M is replaced by 60M." in done.stderr
    done = diversify("check", file, "--future", "more.late", "--budget", "70M")
    assert "--budget 70M: policy.budget: 60M of branch more of need is replaced by 70M." in done.stderr


def test_an_option_that_is_left_out_is_set_by_no_branch(file: str) -> None:
    instance = leave_out(so.load(file), "plant").instance
    assert [each.name for each in instance.tree.futures] == ["more.late", "more.on_time", "same.late", "same.on_time"]
    assert all(list(each.instance.options) == ["reserve"] for each in instance.tree.futures)


def test_a_future_has_its_scenario_below_it(file: str) -> None:
    given = ["scenarios={high: {demands.motors.quantity: 200, options.plant.capex: 1k}}"]
    chosen = so.in_future(so.under(so.load(file, given), "high"), "more.on_time")
    assert chosen.demands["motors"].quantity.at(2027) == 120
    assert chosen.sized["plant"].capex.at(2027) == 1000
    assert not chosen.futures
