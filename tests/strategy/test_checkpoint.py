"""Searches that are killed: the same command picks up where it stopped and ends with the same answer."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import optimizer as so
from optimizer.algorithms.problem import LEAST_OUTLAY
from optimizer.algorithms.search import Checkpoint, State
from optimizer.algorithms.solving import best_plan
from optimizer.errors import CheckpointError, OptimizerWarning
from optimizer.instance.edits import with_budget
from optimizer.solver import Clock, Progress, Settings
from tests.algorithms import Algorithm, by_benders, by_constraint_generation

CASES = Path(__file__).parents[1] / "cases"
TINY = CASES.parents[1] / "instances" / "tiny.yaml"
# A search that has a life of its own, and ends it with SIGKILL at the end of a round.
KILLED = """
import os, signal, sys
import optimizer as so
from optimizer.solver import Clock, Settings
from optimizer.algorithms.search import Search
from optimizer.algorithms.solving import best_plan

file, strategy, folder, last = sys.argv[1:]

def hear(step):
    if step.round == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

settings = Settings(mip_gap=0.0, checkpoint=folder, strategy=strategy)
Search.added_a_round, Search.few_rows = 1, 0
best_plan(so.load(file), settings, Clock(), hear)
"""


@pytest.mark.parametrize(
    ("name", "strategy", "last"),
    # Floors that hold, floors that fail, probabilities, futures; some killed early, in the middle and late: with
    # integers, under the least gap.
    [("generated/106", "constraint-generation", n) for n in (1, 3, 6)]
    + [("generated/101", "constraint-generation", 4)]
    + [("generated/208", "benders", n) for n in (2, 5, 8, 12)]
    + [("generated/104", "benders", 2)]
    + [("futures/nested_1013", "constraint-generation", n) for n in (1, 3)]
    + [("futures/expected_1007", "benders", n) for n in (3, 9)]
    + [("futures/cvar_1029", "benders", 8)],
)
def test_a_killed_search_ends_with_the_same_answer(name: str, strategy: str, last: int, tmp_path: Path) -> None:
    file = CASES / f"{name}.yaml"
    command = [sys.executable, "-c", KILLED, str(file), strategy, str(tmp_path), str(last)]
    killed = subprocess.run(command, capture_output=True, check=False)
    made: Algorithm = (
        partial(by_constraint_generation, add=1, few_rows=0)
        if strategy == "constraint-generation"
        else partial(by_benders, add=1, few_rows=0)
    )
    instance = so.load(file)
    whole = made(instance, Settings(mip_gap=0.0), Clock(), lambda step: None)
    if killed.returncode == 0:
        assert len(whole.history) < last
        pytest.skip("the search ends before that round")
    steps: list[Progress] = []
    resumed = made(instance, Settings(mip_gap=0.0, checkpoint=str(tmp_path)), Clock(), steps.append)
    assert resumed.objective == pytest.approx(whole.objective, rel=1e-7)
    assert resumed.gap == pytest.approx(whole.gap, rel=1e-7)
    # What was done before is not done again.
    told = [step.round for step in steps if step.round]
    assert min(told) >= last - 1
    assert [step.round for step in resumed.history] == list(range(1, len(resumed.history) + 1))


def test_another_question_does_not_see_it(tmp_path: Path) -> None:
    instance = so.load(CASES / "generated" / "106.yaml")
    by_constraint_generation(instance, Settings(checkpoint=str(tmp_path)), Clock(), lambda step: None, add=1)
    (written,) = tmp_path.iterdir()
    asked = Settings(strategy="constraint-generation")
    assert Checkpoint(str(tmp_path), instance, asked).path == written
    assert Checkpoint(str(tmp_path), instance, replace(asked, mip_gap=0.01)).load() is None
    assert Checkpoint(str(tmp_path), with_budget(instance, 1.0), asked).load() is None


def test_a_state_goes_to_disk_and_back_or_is_refused(tmp_path: Path) -> None:
    instance = so.load(CASES / "generated" / "106.yaml")
    point = Checkpoint(str(tmp_path / "new" / "folder"), instance, Settings())
    facts = {"phase": "gap", "written": [0, 1], "history": [], "relaxed": True}
    point.save(State(facts))
    assert point.load() == State(facts, {})
    point.path.write_text("something else")
    with pytest.raises(CheckpointError, match="delete it to start anew"):
        point.load()
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="name a folder"):
        Checkpoint(str(tmp_path / "file"), instance, Settings())


# What is said where nothing is written, as the search begins and beside its result.
SILENT = {
    "one model": "No checkpoint is written: the extensive form is one model and has no rounds.",
    "attacks": "No checkpoint is written: the search against an adversary keeps no state.",
}


@pytest.mark.parametrize(
    ("solve", "changes", "words"),
    [
        (partial(so.solve, so.load(TINY)), {}, SILENT["one model"]),
        (partial(so.solve_futures, so.load(CASES / "futures" / "hand_attack.yaml")), {}, SILENT["one model"]),
        (
            partial(so.solve_futures, so.load(CASES / "futures" / "hand_attack.yaml"), adversary=True),
            {},
            SILENT["attacks"],
        ),
        (partial(so.solve, so.load(TINY)), {"strategy": "constraint-generation"}, None),
        (partial(so.solve, so.load(TINY)), {"strategy": "benders"}, None),
    ],
)
def test_a_search_that_writes_no_checkpoint_says_so(
    solve: Callable[..., Any], changes: dict[str, Any], words: str | None, tmp_path: Path
) -> None:
    """A user who counts on the folder would lose a long run."""
    folder = tmp_path / "search"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = solve(settings=Settings(checkpoint=folder, **changes))
    said = [str(each.message) for each in caught if issubclass(each.category, OptimizerWarning)]
    assert [note for note in result.notes if "checkpoint" in note] == said
    assert len(said) == (words is not None)
    assert all(each.startswith(words or "none") for each in said)
    assert folder.exists() == (words is None)


def test_the_command_says_that_it_writes_no_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "optimizer", "solve", str(TINY), "--checkpoint", str(tmp_path / "search")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Warning: No checkpoint is written: the extensive form" in done.stderr
    assert "Note: No checkpoint is written: the extensive form" in done.stdout
    assert not (tmp_path / "search").exists()


def test_another_objective_does_not_go_on_from_the_checkpoint_of_the_least_cost(tmp_path: Path) -> None:
    # 6.5M of stock and a line of the plant at 5M keep every floor of tiny, and cost 43.6M with its imports.
    instance, settings = so.load(TINY), Settings(strategy="benders", mip_gap=0.0, checkpoint=str(tmp_path))
    assert best_plan(instance, settings, Clock(), lambda step: None).objective == pytest.approx(43.6e6)
    found = best_plan(instance, settings, Clock(), lambda step: None, LEAST_OUTLAY)
    assert (found.status, found.objective) == ("optimal", pytest.approx(11.5e6))
