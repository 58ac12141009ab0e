"""Checkpoints: the state of a search in a folder, written whole after each round, read when it is started again.

One file for each problem, named after all that decides the result: the instance, the settings that matter, the
versions. A problem that differs in any of them has another file.

A file is a zip archive of plain arrays, stored as they are, with facts as JSON and a digest of it all. Nothing in it is
ever unpickled. A file that is damaged, or that was written for another problem, is refused. Anyone who can write into
the folder can forge one, cuts included.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.errors import CheckpointError
from optimizer.files import read_archive, write_whole
from optimizer.instance.schema import Instance
from optimizer.progress import Progress
from optimizer.solver import Settings, versions
from optimizer.tolerances import CHECKPOINT_BYTES

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class State:
    """Where a search stood: facts that JSON can hold, and arrays by name."""

    facts: Mapping[str, Any]
    arrays: Arrays = field(default_factory=dict)


class Checkpoint:
    """The file of one problem.

    Args:
        folder: where it lies; made if it is not there.
        settings: how it is solved; workers, time limit and the folder itself do not matter.

    Raises:
        CheckpointError: the folder cannot be used.
    """

    def __init__(self, folder: str, instance: Instance, settings: Settings) -> None:
        matter = (settings.solver, settings.gap, settings.strategy, settings.seed, settings.threads)
        # The futures of a changed instance may differ from what its questions say.
        futures = [] if instance.tree.is_single else [future.instance.to_dict() for future in instance.tree.futures]
        named = [instance.to_dict(), futures, matter, version("optimizer"), dict(versions())]
        key = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]
        self._key, self._events = key, len(instance.tree.events)
        self.path = Path(folder) / f"search-{key}.npz"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"{folder}: {error.strerror}; name a folder that can be written") from None

    def load(self) -> State | None:
        """The state that was written last; None where there is none.

        Raises:
            CheckpointError: the file is damaged, or was written for another problem.
        """
        if not self.path.exists():
            return None
        try:
            state = self._read()
            _check(state, self._events)
        except Exception as error:
            # The content is untrusted: whatever error reading it raises, it is no checkpoint.
            message = str(error).partition("\n")[0] or type(error).__name__
            cure = f"delete it to start anew, or give another --checkpoint DIR than {self.path.parent}"
            raise CheckpointError(f"{self.path}: cannot be read as a checkpoint ({message}); {cure}") from None
        return state

    def _read(self) -> State:
        content = read_archive(self.path, CHECKPOINT_BYTES)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries, size = archive.infolist(), len(content)
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("it holds compressed parts")
            if sum(entry.file_size for entry in entries) > size:
                raise ValueError("its parts are larger than itself")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts, digest = str(arrays.pop("facts")), str(arrays.pop("digest"))
        if digest != _digest(self._key, facts, arrays):
            raise ValueError("it is damaged, or was written for another problem")
        return State(json.loads(facts), arrays)

    def save(self, state: State) -> None:
        """Write a state whole.

        Raises:
            CheckpointError: it cannot be written.
        """
        packed, facts = io.BytesIO(), json.dumps(state.facts)
        digest = _digest(self._key, facts, state.arrays)
        np.savez(packed, facts=np.array(facts), digest=np.array(digest), **state.arrays)  # type: ignore[arg-type]
        try:
            write_whole(self.path, packed.getvalue())
        except OSError as error:
            raise CheckpointError(f"{self.path}: {error.strerror}; name a folder that can be written") from None


def _digest(key: str, facts: str, arrays: Arrays) -> str:
    """The digest of a problem's key and of all that is stored."""
    digest = hashlib.sha256(f"{key}\n{facts}\n".encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _check(state: State, events: int) -> None:
    """Refuse facts and arrays that no search writes.

    Raises:
        ValueError, KeyError, TypeError: for the first that is found.
    """
    facts = state.facts
    if not isinstance(facts["phase"], str):
        raise ValueError("its phase is not a text")
    for name in ("written", "suspects"):
        _check_numbers(name, facts.get(name, []), events)
    for step in facts["history"]:
        Progress(**step)
    if facts["phase"] not in ("relaxation", "integers"):
        bool(facts["relaxed"])
    if facts["phase"] == "cost under the gap":
        float(facts["gap"]), float(facts["gap_bound"])
    for name, array in state.arrays.items():
        if array.dtype.kind not in "iuf":
            raise ValueError(f"{name}: not an array of numbers")


def _check_numbers(name: str, numbers: Iterable[Any], events: int) -> None:
    if not all(type(number) is int and 0 <= number < events for number in numbers):
        raise ValueError(f"{name}: not the numbers of shocks of this instance")
