"""Checkpoints that are damaged, forged or of another question; and a disk that takes none."""

import errno
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import optimizer as so
from optimizer.algorithms.search import Checkpoint, State
from optimizer.errors import CheckpointError, OptimizerWarning
from optimizer.instance.altered import without_shocks
from optimizer.instance.edits import for_each_future
from optimizer.solver import Clock, Settings
from tests.algorithms import by_constraint_generation

CASES = Path(__file__).parents[1] / "cases" / "generated"
CASE = str(CASES / "108.yaml")
SETTINGS = Settings(strategy="constraint-generation")


def kept(folder: Path, case: str = CASE) -> Path:
    """The checkpoint of a search that is done."""
    instance = so.load(case)
    by_constraint_generation(instance, replace(SETTINGS, checkpoint=str(folder)), Clock(), lambda step: None, add=1)
    return Checkpoint(str(folder), instance, SETTINGS).path


def solve(folder: Path, **how: object) -> subprocess.CompletedProcess[str]:
    words = ["solve", CASE, "--strategy", "constraint-generation", "--checkpoint", str(folder)]
    command = [sys.executable, "-m", "optimizer", *words]
    return subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload, no-any-return]


class Harmful:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


def forged(path: Path, bad: Path) -> dict[str, bytes]:
    """Contents that are no checkpoint, by what is wrong with them."""
    content = path.read_bytes()
    several, squeezed, array, empty = (io.BytesIO() for _ in range(4))
    np.savez(several, facts=np.array([Harmful(str(bad))], dtype=object), digest=np.array(""))
    np.savez_compressed(squeezed, facts=np.array("{}"), zeros=np.zeros(50_000_000))
    np.save(array, np.zeros(3))
    zipfile.ZipFile(empty, "w").close()
    middle = len(content) // 2
    return {
        "empty": b"",
        "truncated": content[: len(content) // 2],
        "garbage": bytes(range(256)) * 40,
        "text": b"something else",
        "a pickle": pickle.dumps(Harmful(str(bad))),
        "a pickle in an archive": several.getvalue(),
        "a bomb": squeezed.getvalue(),
        "one array": array.getvalue(),
        "an archive of nothing": empty.getvalue(),
        "one byte changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
    }


def test_damaged_checkpoints_are_refused_with_the_cure(tmp_path: Path) -> None:
    path, bad = kept(tmp_path), tmp_path / "unpickled"
    instance = so.load(CASE)
    for what, content in forged(path, bad).items():
        path.write_bytes(content)
        with pytest.raises(CheckpointError) as refused:
            Checkpoint(str(tmp_path), instance, SETTINGS).load()
        assert str(path) in str(refused.value), what
        assert "delete it to start anew, or give another --checkpoint DIR" in str(refused.value), what
        assert not bad.exists(), what


def test_the_state_of_another_instance_is_refused(tmp_path: Path) -> None:
    path, other = kept(tmp_path / "a"), kept(tmp_path / "b", str(CASES / "101.yaml"))
    shutil.copy(other, path)
    with pytest.raises(CheckpointError, match="was written for another problem"):
        Checkpoint(str(path.parent), so.load(CASE), SETTINGS).load()


def test_futures_that_were_changed_have_a_checkpoint_of_their_own(tmp_path: Path) -> None:
    instance = so.load(CASES.parent / "futures" / "hand_nested.yaml")
    changed = for_each_future(instance, without_shocks)
    assert changed.to_dict() == instance.to_dict()
    assert Checkpoint(str(tmp_path), changed, SETTINGS).path != Checkpoint(str(tmp_path), instance, SETTINGS).path


@pytest.mark.parametrize(
    "changed",
    [{"phase": 1}, {"written": [99]}, {"written": ["a"]}, {"history": [{"no": 1}]}, {"suspects": 3}, {"phase": "gap"}],
)
def test_facts_that_no_search_writes_are_refused(changed: dict[str, object], tmp_path: Path) -> None:
    point = Checkpoint(str(tmp_path), so.load(CASE), SETTINGS)
    facts = {"phase": "integers", "written": [0], "suspects": [], "history": []}
    point.save(State(facts))
    assert point.load() == State(facts, {})
    point.save(State(facts | changed))
    with pytest.raises(CheckpointError):
        point.load()


@pytest.mark.parametrize("content", [b"", b"something else"])
def test_the_command_ends_with_2(content: bytes, tmp_path: Path) -> None:
    path = kept(tmp_path)
    path.write_bytes(content)
    done = solve(tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    # Before it, stderr has what `check` warns of in the case.
    assert f"\nError: {path}: cannot be read as a checkpoint (" in f"\n{done.stderr}"
    path.unlink()
    assert solve(tmp_path).returncode == 0


def test_a_full_disk_warns_once_and_the_search_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*about: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "search")

    monkeypatch.setattr("optimizer.algorithms.search.write_whole", full)
    instance = so.load(CASE)
    with pytest.warns(OptimizerWarning, match="No space left on device") as warned:
        found = by_constraint_generation(
            instance, Settings(checkpoint=str(tmp_path)), Clock(), lambda step: None, add=1
        )
    assert len(warned) == 1
    assert found.status == "optimal"
    assert not list(tmp_path.iterdir())


def test_the_command_warns_where_files_may_not_grow_and_answers(tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that is full in the middle of a write."""
    resource = pytest.importorskip("resource")
    done = solve(tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "survives"
    warned = [line for line in done.stderr.splitlines() if line.startswith("Warning: ")]
    assert len(warned) == 1
    assert "The checkpoint cannot be written" in warned[0]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
