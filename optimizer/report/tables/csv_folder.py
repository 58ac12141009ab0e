"""CSV tables in a folder: those of one run, without what an earlier run of the same command left there.

`RECORD` holds, by command, the name and the SHA-256 of each table that was written. The next run of the command removes
those that it does not write itself and that nobody changed since; every other file stays, and tables are named.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from optimizer.files import read_json, write_whole
from optimizer.report.tables.render import write_frames
from optimizer.results.frames import Frames

# Readers of whole folders leave out names that begin with a dot.
RECORD = ".tables.json"


@dataclass(frozen=True)
class RenewedFolder:
    """What a run did to a folder of tables."""

    written: list[Path]
    removed: list[Path]  # of an earlier run of the same command
    left: list[Path]  # CSV files that are of something else


def renew_tables(command: str, frames: Frames, folder: Path, names: Iterable[str] = ()) -> RenewedFolder:
    """Write frames of these names, or all, and remove the tables that only an earlier run of the command wrote.

    Raises:
        OSError: a file cannot be written or removed.
    """
    record = _read_record(folder)
    written = write_frames(frames, folder, names)
    own = {path.name for path in written}
    earlier = {name: known for name, known in record.get(command, {}).items() if name not in own}
    removed = [folder / name for name, known in earlier.items() if _digest(folder / name) == known]
    for path in removed:
        path.unlink()
    others = {of: {name: known for name, known in some.items() if name not in own} for of, some in record.items()}
    kept = {of: some for of, some in others.items() if some} | {command: {path.name: _digest(path) for path in written}}
    write_whole(folder / RECORD, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    left = sorted(path for path in folder.glob("*.csv") if path.name not in own)
    return RenewedFolder(written, removed, left)


def _read_record(folder: Path) -> dict[str, dict[str, str]]:
    """The tables of earlier runs, by command; what is no record of them counts as none."""
    try:
        record = read_json(folder / RECORD)
    except (OSError, ValueError):
        return {}
    commands = record.items() if isinstance(record, Mapping) else ()
    return {
        command: {name: known for name, known in some.items() if _is_table(name) and isinstance(known, str)}
        for command, some in commands
        if isinstance(some, Mapping)
    }


def _is_table(name: str) -> bool:
    """Whether a name is that of a CSV file in the folder itself."""
    return Path(name).name == name and name.endswith(".csv")


def _digest(path: Path) -> str | None:
    """The SHA-256 of an ordinary file; None of anything else."""
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
