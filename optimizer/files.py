"""Writing files so that nobody ever sees half of one."""

import os
import tempfile
from pathlib import Path as FilePath


def write_whole(path: str | FilePath, text: str) -> None:
    """Write text beside the file, then rename: nobody ever sees half of it."""
    write_whole_bytes(path, text.encode("utf-8"))


def write_whole_bytes(path: str | FilePath, content: bytes) -> None:
    """The same for bytes."""
    target = FilePath(path)
    handle, beside = tempfile.mkstemp(dir=target.parent or ".", prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        FilePath(beside).chmod(0o644)
        FilePath(beside).replace(target)
    except BaseException:
        FilePath(beside).unlink(missing_ok=True)
        raise
