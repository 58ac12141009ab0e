"""Writing files so that nobody ever sees half of one."""

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path as FilePath

# How the names of instances end, of those that no answer has.
INSTANCES = (".yaml", ".yml", ".xlsx")
# What a spreadsheet takes for the beginning of a formula; the wide forms too, in some languages.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


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
    """Put a file in the place of another, of which it keeps mode and owner; a new one follows the umask."""
    before = target.stat() if target.exists() else None
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            # A rename may reach the disk before the content does: a crash would leave an empty file.
            os.fsync(file.fileno())
        if before is not None:
            _take_over(beside, before)
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _take_over(path: FilePath, before: os.stat_result) -> None:
    """Mode and owner of another file; the owner as far as this user may give files away."""
    now = path.stat()
    if hasattr(os, "chown") and (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        with contextlib.suppress(OSError):
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))


def _sync_folder(folder: FilePath) -> None:
    """Make a rename last, on systems where a folder can be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def starts_formula(text: str) -> bool:
    """Whether a spreadsheet would compute a text rather than show it; a number such as -5 is none."""
    if not text.startswith(FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return not text.isprintable()
