"""Writing files so that nobody ever sees half of one."""

import os
import tempfile
from pathlib import Path as FilePath

# How the names of instances end, of those that no answer has.
INSTANCES = (".yaml", ".yml", ".xlsx")


def write_whole(path: str | FilePath, text: str) -> None:
    """Write text beside the file, then rename: nobody ever sees half of it. Folders that are missing are made."""
    write_whole_bytes(path, text.encode("utf-8"))


def write_whole_bytes(path: str | FilePath, content: bytes) -> None:
    """The same for bytes.

    Raises:
        OSError: it cannot be written; the error names this file, not the one beside it.
    """
    # A link goes on pointing where it points: what it points to is replaced.
    target = FilePath(path).resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replaced(target, content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _replaced(target: FilePath, content: bytes) -> None:
    handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        FilePath(beside).chmod(0o644)
        FilePath(beside).replace(target)
    except BaseException:
        FilePath(beside).unlink(missing_ok=True)
        raise
