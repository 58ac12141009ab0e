"""Safe reading of untrusted files, and atomic writing.

Only ordinary files of a limited size are read, as UTF-8 text or unambiguous JSON. A file is written beside the one that
it replaces and then renamed, so that no reader sees half of it.
"""

import contextlib
import errno
import io
import json
import math
import os
import re
import secrets
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Any

from optimizer.arguments import ArgumentError, file_path
from optimizer.errors import character
from optimizer.tolerances import FILE_BYTES, MOST_PLAN_VALUES, NESTING, NUMBER_LENGTH, PLAN_BYTES

# The suffixes of instance files; result files never have one of these.
WORKBOOK = ".xlsx"
INSTANCES = (".yaml", ".yml", WORKBOOK)
# Characters that begin a formula in a spreadsheet; in some languages the full-width forms do too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
# Characters that YAML refuses in text; JSON accepts some of them, but terminals and spreadsheets do not.
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The things other than a file that a path may name.
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
# The memory of a mapping, in numbers.
_MAPPING = 3


class UnreadableFileError(OSError):
    """A path is no ordinary file, or the file is too large to be read."""


class UndecodableTextError(ValueError):
    """Bytes or characters are no text; `line` and `column`, counted from 1, locate the first of them."""

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(what)
        self.line, self.column = line, column


def read_bytes(path: str | FilePath, most: int) -> bytes:
    """Return the content of an ordinary file of at most `most` bytes; other kinds, which could block, are not opened.

    Raises:
        UnreadableFileError: the path names no ordinary file, or a larger one.
        OSError: the file cannot be read.
    """
    try:
        _refuse_kind_and_size(os.stat(path), path, most)  # noqa: PTH116 - a Path is not needed for one call
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:
        raise UnreadableFileError(0, f"no file can have this name ({error})", str(path)) from None
    with os.fdopen(handle, "rb") as file:
        # Checked again, since the path may have been replaced meanwhile.
        _refuse_kind_and_size(os.fstat(file.fileno()), path, most)
        content = file.read(most + 1)
    if len(content) > most:
        raise UnreadableFileError(0, _larger_than(most), str(path))
    return content


def _refuse_kind_and_size(found: os.stat_result, path: str | FilePath, most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_one, name in _KINDS if is_one(found.st_mode)), "something else")
        raise UnreadableFileError(0, f"it is {kind}, not a file", str(path))
    if found.st_size > most:
        raise UnreadableFileError(0, _larger_than(most), str(path))


def _larger_than(most: int) -> str:
    return f"it is larger than {most / 2**20:,.0f} MB"


def read_archive(path: str | FilePath, most: int) -> bytes:
    """Return the content of a zip archive of at most `most` bytes, both packed and unpacked.

    Raises:
        OSError: the file cannot be read.
        ValueError: the archive is larger once unpacked.
        zipfile.BadZipFile: the file is no archive.
    """
    content = read_bytes(path, most)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(part.file_size for part in archive.infolist()) > most:
            raise ValueError(f"unpacked {_larger_than(most)}")
    return content


def answer_path(name: str, value: Any, form: str = ".json") -> FilePath:
    """Return the path of a result file that an argument names; it must not have the suffix of an instance.

    Raises:
        ArgumentError: it has; `form` is the suffix to write instead.
    """
    path = file_path(name, value)
    if path.suffix.lower() in INSTANCES:
        what = f"{path} would be taken for an instance; write a name that ends in {form}."
        raise ArgumentError(name, value, what)
    return path


def decode(content: bytes) -> str:
    """Decode UTF-8 text, without the byte order mark that some editors write.

    Raises:
        UndecodableTextError: the bytes are no UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start
    begin = content.rfind(b"\n", 0, at) + 1
    line, column = content.count(b"\n", 0, at) + 1, len(content[begin:at].decode("utf-8", "replace")) + 1
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UndecodableTextError("is UTF-16 text, not UTF-8", line, column)
    raise UndecodableTextError(f"is not UTF-8 text: the byte 0x{content[at]:02X} in column {column}", line, column)


def refuse_control_characters(text: str) -> None:
    """Raise an error at the first control character or unpaired surrogate.

    Raises:
        UndecodableTextError: the text has one.
    """
    found = _CONTROL.search(text)
    if found is not None:
        at = found.start()
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise UndecodableTextError(f"holds {character(found[0])} in column {column}", line, column)


def read_json(path: str | FilePath) -> Any:
    """Return the content of a saved plan, read by `parse_json`.

    Raises:
        OSError: the file cannot be read.
        UndecodableTextError: the file is no UTF-8.
        ValueError: as `parse_json` raises it.
    """
    return parse_json(decode(read_bytes(path, PLAN_BYTES)))


def parse_json(text: str) -> Any:
    """Return the data in the JSON text of a saved plan: numbers are finite, and no key occurs twice in a mapping.

    Raises:
        json.JSONDecodeError: the text is not JSON.
        ValueError: the text exceeds a limit, nests too deeply, or has values that no plan has; the message says which.
    """
    if text.count(",") + text.count("[") + _MAPPING * text.count("{") > MOST_PLAN_VALUES:
        raise ValueError(f"it holds more than {MOST_PLAN_VALUES:,} values")
    try:
        data = json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_distinct
        )
    except RecursionError:
        raise ValueError("it nests too deeply") from None
    _refuse_depth(data)
    if re.search(r"\\u[dD][89a-fA-F]", text):
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half of a surrogate pair") from None
    return data


def is_workbook(path: str | FilePath) -> bool:
    """Return whether a file is a workbook, by its suffix."""
    return FilePath(path).suffix.lower() == WORKBOOK


def saved_plan(path: str | FilePath) -> Mapping[str, Any]:
    """Return the object of a saved plan, JSON with a list of `builds`, which no instance has; for another file none."""
    data = peek(path)
    return {} if isinstance(data.get("builds", {}), Mapping) else data


def peek(path: str | FilePath) -> Mapping[str, Any]:
    """Read the mapping in a JSON file; return an empty one for any other file.

    The answer for a pipe is empty as well, since a pipe can be read only once.
    """
    try:
        is_text = FilePath(path).is_file() and not is_workbook(path)
        return json_mapping(decode(read_bytes(path, FILE_BYTES))) if is_text else {}
    except (OSError, UndecodableTextError):
        return {}


# A command asks several times what the same file is.
@lru_cache(maxsize=1)
def json_mapping(text: str) -> Mapping[str, Any]:
    """Parse the mapping in a JSON text, not to be changed; return an empty one if the text is no JSON mapping."""
    try:
        data = parse_json(text) if text.lstrip().startswith("{") else None
    except ValueError:
        return {}
    return data if isinstance(data, Mapping) else {}


def _refuse_depth(data: Any) -> None:
    level = [data]
    for _ in range(2 * NESTING):
        parts = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, (dict, list)))
        level = [part for some in parts for part in some if isinstance(part, (dict, list))]
    if level:
        raise ValueError("it nests too deeply")


def _whole(text: str) -> int | float:
    return int(text) if len(text) < NUMBER_LENGTH else _finite(text)


def _finite(text: str) -> float:
    number = float(text) if len(text) < NUMBER_LENGTH else math.inf
    if not math.isfinite(number):
        raise ValueError(f"{text[: NUMBER_LENGTH // 10]} is no finite number")
    return number


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f'the key "{twice}" is given twice in one mapping')
    return found


def finite_or_none(value: Any) -> Any:
    """Return the number if it is finite, else None, for JSON."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_whole(path: str | FilePath, content: str | bytes) -> None:
    """Write a file beside the one that it replaces, then rename it; create missing folders, and encode text as UTF-8.

    A replaced file keeps its mode and owner; a new file follows the umask.

    Raises:
        OSError: the file cannot be written; the error names this file, not the one beside it.
    """
    write_all([(path, content)])


def write_all(contents: Iterable[tuple[str | FilePath, str | bytes]]) -> None:
    """Write files that belong together, as `write_whole`: where one cannot be written, all stay as they were.

    No file is replaced before all contents are on the disk. A process that is killed between two renames leaves some
    files of before.

    Raises:
        OSError: a file cannot be written; the error names it.
    """
    made = list[tuple[str | FilePath, FilePath, FilePath]]()
    try:
        for path, content in contents:
            with _naming(path):
                # A symbolic link is kept; its target is replaced.
                target = FilePath(path).resolve()
                target.parent.mkdir(parents=True, exist_ok=True)
                beside = _write_beside(target, content.encode("utf-8") if isinstance(content, str) else content)
                made.append((path, target, beside))
        for path, target, beside in made:
            with _naming(path):
                beside.replace(target)
    finally:
        for _, _, beside in made:
            beside.unlink(missing_ok=True)
    for folder in {target.parent for _, target, _ in made}:
        _sync_folder(folder)


@contextlib.contextmanager
def _naming(path: str | FilePath) -> Iterator[None]:
    """Let errors of the system name this file, not the one beside it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _write_beside(target: FilePath, content: bytes) -> FilePath:
    """Write the content that is to replace a file, and return its path."""
    before = target.stat() if target.exists() else None
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if before is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            # Without this, a rename may reach the disk before the content: a crash would leave an empty file.
            os.fsync(file.fileno())
        if before is not None:
            _copy_mode_and_owner(beside, before)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return beside


def _sync_folder(folder: FilePath) -> None:
    """Make renames in a folder durable, on systems where a folder can be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _copy_mode_and_owner(path: FilePath, before: os.stat_result) -> None:
    """Copy the mode, and the owner as far as this user may change it."""
    now = path.stat()
    if hasattr(os, "chown") and (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        with contextlib.suppress(OSError):
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))


def starts_formula(text: str) -> bool:
    """Return whether a spreadsheet would take a text for a formula; a number such as -5 is none."""
    if not text.startswith(FORMULA):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return not text.isprintable()
