"""Reading files that anybody may have written: ordinary files alone, of a limited size, as UTF-8 text."""

import io
import json
import math
import os
import re
import stat
import zipfile
from pathlib import Path as FilePath
from typing import Any

from optimizer.limits import NESTING, NUMBER_LENGTH, PLAN_BYTES, PLAN_VALUES

# What a path may name instead of a file.
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
# A mapping takes about the memory of so many numbers.
_MAPPING = 3
HALF = re.compile("[\ud800-\udfff]")
# What YAML takes as text; of the others JSON takes some, but no terminal and no spreadsheet does.
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class UnreadableFileError(OSError):
    """A path that is not read: no ordinary file, or one that is too large."""


class UndecodableTextError(ValueError):
    """What is no text; `line` and `column`, both from 1, are those of the first byte or character that is none."""

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(what)
        self.line, self.column = line, column


def read_bytes(path: str | FilePath, most: int) -> bytes:
    """The content of an ordinary file of no more than `most` bytes; nothing else is opened, so that nothing blocks.

    Raises:
        UnreadableFileError: it is no ordinary file, or larger.
        OSError: it cannot be read.
    """
    try:
        _refuse(os.stat(path), path, most)  # noqa: PTH116 - a Path is not needed for one call
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:
        raise UnreadableFileError(0, f"no file can have this name ({error})", str(path)) from None
    with os.fdopen(handle, "rb") as file:
        # Once more, for it may have been exchanged meanwhile.
        _refuse(os.fstat(file.fileno()), path, most)
        content = file.read(most + 1)
    if len(content) > most:
        raise _too_large(path, most)
    return content


def _refuse(found: os.stat_result, path: str | FilePath, most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_one, name in _KINDS if is_one(found.st_mode)), "something else")
        raise UnreadableFileError(0, f"it is {kind}, not a file", str(path))
    if found.st_size > most:
        raise _too_large(path, most)


def _too_large(path: str | FilePath, most: int) -> UnreadableFileError:
    return UnreadableFileError(0, f"it is larger than {most / 2**20:,.0f} MB", str(path))


def read_archive(path: str | FilePath, most: int) -> bytes:
    """The content of a zip archive that is no larger than `most` bytes once unpacked, either.

    Raises:
        OSError: it cannot be read.
        ValueError: unpacked it is larger.
        zipfile.BadZipFile: it is none.
    """
    content = read_bytes(path, most)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(part.file_size for part in archive.infolist()) > most:
            raise ValueError(f"unpacked it is larger than {most / 2**20:,.0f} MB")
    return content


def decode(content: bytes) -> str:
    """UTF-8 text, without the mark that some editors put before it.

    Raises:
        UndecodableTextError: it is no UTF-8.
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
    """Refuse text with characters that are none: control characters, and halves of surrogate pairs.

    Raises:
        UndecodableTextError: at the first.
    """
    found = _CONTROL.search(text)
    if found is not None:
        at = found.start()
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise UndecodableTextError(f"holds {character(found[0])} in column {column}", line, column)


def character(sign: str) -> str:
    """What a character that cannot be shown is called."""
    is_half = "\ud800" <= sign <= "\udfff"
    return f"{'half of a surrogate pair' if is_half else 'the control character'} U+{ord(sign):04X}"


def read_json(path: str | FilePath) -> Any:
    """The content of a saved plan; numbers are finite, and no key stands twice.

    Raises:
        OSError: it cannot be read.
        UndecodableTextError: it is no UTF-8.
        json.JSONDecodeError: it is no JSON.
        ValueError: it is beyond a limit, nests too deeply, or holds what no plan holds; the text says what.
    """
    return parse_json(decode(read_bytes(path, PLAN_BYTES)))


def parse_json(text: str) -> Any:
    """What JSON text of a saved plan says; numbers are finite, and no key stands twice.

    Raises:
        json.JSONDecodeError: it is no JSON.
        ValueError: it is beyond a limit, nests too deeply, or holds what no plan holds; the text says what.
    """
    if text.count(",") + text.count("[") + _MAPPING * text.count("{") > PLAN_VALUES:
        raise ValueError(f"it holds more than {PLAN_VALUES:,} values")
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
        raise ValueError(f'the key "{twice}" stands twice in one mapping')
    return found
