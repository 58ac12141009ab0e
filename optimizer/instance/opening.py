"""A file as plain data, whatever it is written in: YAML, JSON, or an Excel workbook."""

import json
from pathlib import Path as FilePath
from typing import Any

from optimizer.errors import Finding, InstanceError
from optimizer.instance.comments import Comment, comments
from optimizer.instance.document import Document, parse
from optimizer.limits import FILE_BYTES
from optimizer.untrusted import UndecodableTextError, decode, read_bytes

WORKBOOK = ".xlsx"
# What a saved plan holds, and no instance does.
PLAN = {"builds", "data", "status"}


def opened(path: str | FilePath) -> Document:
    """The data of an instance file, with the line or cell of every value.

    Raises:
        InstanceError: it cannot be read.
    """
    if is_workbook(path):
        from optimizer.instance.from_workbook import from_workbook

        return from_workbook(_content(path), str(path))[0]
    document = parse(_text(path), str(path))
    if document.data.keys() >= PLAN:
        cure = "Name the instance that it is the plan of; `diversify show` prints a plan."
        raise InstanceError([Finding(str(path), 1, "", "is a saved plan, not an instance", cure)])
    return document


def remarks(path: str | FilePath) -> tuple[Comment, ...]:
    """The comments of an instance file; JSON has none.

    Raises:
        InstanceError: it cannot be read.
    """
    if is_workbook(path):
        from optimizer.instance.from_workbook import from_workbook

        return from_workbook(_content(path), str(path))[1]
    return () if FilePath(path).suffix.lower() == ".json" else comments(_text(path), str(path))


def of_file(path: str | FilePath) -> tuple[dict[str, Any], ...]:
    """The comments of an instance file, as `Result.comments` holds them; none where it has none or cannot be read."""
    if FilePath(path).suffix.lower() not in (".yaml", ".yml", WORKBOOK):
        return ()
    try:
        said = remarks(path)
    except InstanceError:
        return ()
    # What YAML reads as a date, say, becomes its text.
    values = [json.loads(json.dumps(each.value, default=str)) for each in said]
    return tuple(
        {"place": [str(part) for part in each.place], "value": value, "text": each.text}
        for each, value in zip(said, values, strict=True)
    )


def is_workbook(path: str | FilePath) -> bool:
    """Whether a file is a workbook, by its name."""
    return FilePath(path).suffix.lower() == WORKBOOK


def _content(path: str | FilePath) -> bytes:
    try:
        return read_bytes(path, FILE_BYTES)
    except OSError as error:
        cure = f"Check the path; instances of up to {FILE_BYTES / 2**20:g} MB are read."
        what = f"cannot be read: {error.strerror or 'it cannot be opened'}"
        raise InstanceError([Finding(str(path), None, "", what, cure)]) from None


def _text(path: str | FilePath) -> str:
    try:
        return decode(_content(path))
    except UndecodableTextError as error:
        what, cure = f"cannot be read: {error}", "Save the file as UTF-8."
        raise InstanceError([Finding(str(path), error.line, "", what, cure)]) from None
