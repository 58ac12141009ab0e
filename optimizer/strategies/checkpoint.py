"""The state of a search in a folder: written whole after each round, read when the same question is asked again.

One file for each question, named after all that decides the answer: the instance, the settings that matter, the
versions. A question that differs in any of them does not see it.
"""

import hashlib
import io
import json
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from optimizer.errors import CheckpointError
from optimizer.files import write_whole_bytes
from optimizer.instance.schema import Instance
from optimizer.limits import CHECKPOINT_BYTES
from optimizer.solver import Settings, versions
from optimizer.untrusted import read_archive

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class State:
    """Where a search stood: facts that JSON can hold, and arrays by name."""

    facts: Mapping[str, Any]
    arrays: Arrays = field(default_factory=dict)


class Checkpoint:
    """The file of one question.

    Args:
        folder: where it lies; made if it is not there.
        instance: the instance.
        settings: how it is solved; crew, time limit and the folder itself do not matter.

    Raises:
        CheckpointError: the folder cannot be used.
    """

    def __init__(self, folder: str, instance: Instance, settings: Settings) -> None:
        matter = (settings.solver, settings.gap, settings.strategy, settings.seed, settings.threads)
        named = [instance.to_dict(), matter, version("optimizer"), dict(versions())]
        key = hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]
        self.path = Path(folder) / f"search-{key}.npz"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(f"{folder}: {error.strerror}; name a folder that can be written") from None

    def load(self) -> State | None:
        """The state that was written last; None where there is none.

        Raises:
            CheckpointError: the file is not one of ours.
        """
        if not self.path.exists():
            return None
        try:
            with np.load(io.BytesIO(read_archive(self.path, CHECKPOINT_BYTES)), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return State(json.loads(str(arrays.pop("facts"))), arrays)
        except (
            OSError, ValueError, KeyError, EOFError, MemoryError, RecursionError, NotImplementedError,
            zipfile.BadZipFile, zlib.error, pickle.UnpicklingError,
        ) as error:  # fmt: skip
            raise CheckpointError(f"{self.path}: cannot be read ({error}); delete it to start anew") from None

    def save(self, state: State) -> None:
        """Write a state whole.

        Raises:
            CheckpointError: it cannot be written.
        """
        packed = io.BytesIO()
        np.savez(packed, facts=np.array(json.dumps(state.facts)), **state.arrays)  # type: ignore[arg-type]
        try:
            write_whole_bytes(self.path, packed.getvalue())
        except OSError as error:
            raise CheckpointError(f"{self.path}: {error.strerror}; name a folder that can be written") from None
