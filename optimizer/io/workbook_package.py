"""The parts of an .xlsx file, which is a zip archive of XML files: bounded before anything is unpacked, then its cells.

openpyxl would make a cell of every place between two that hold something, of every place of a merged range and of every
place under a link. Here its parser of cells is used on its own: a cell is what is stored as one.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optimizer.limits import NUMBER_LENGTH, WORKBOOK_BYTES, WORKBOOK_PARTS, WORKBOOK_TAGS

_ROWS, _COLUMNS = 1_048_576, 16_384
_HEADER = b"PK\x01\x02"
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 2**20
# A document type can define texts that grow as they are read; in any of the encodings that are read.
_TYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))


class PackageError(Exception):
    """A workbook that is not read; the text says why."""


@dataclass(frozen=True)
class Stored:
    """A cell that is stored: what it holds or last came to, openpyxl's sign of its type, and whether by a formula."""

    row: int
    column: int
    value: Any
    kind: str
    is_formula: bool


class Package:
    """A workbook's sheets.

    Raises:
        PackageError: it is no workbook, or beyond a limit.
    """

    def __init__(self, content: bytes) -> None:
        import openpyxl

        if content.count(_HEADER) > WORKBOOK_PARTS:
            raise PackageError(f"it holds more than {WORKBOOK_PARTS:,} files")
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                _bound(archive)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        except PackageError:
            raise
        except Exception as error:
            raise _unread(error) from None

    def cells(self, sheet: Any) -> Iterator[Stored]:
        """The cells of a sheet that are stored, empty ones with a format among them."""
        try:
            with warnings.catch_warnings(), self.book._archive.open(sheet._worksheet_path) as source:
                warnings.simplefilter("ignore")
                yield from _parser(source, sheet)
        except PackageError:
            raise
        except Exception as error:
            raise _unread(error, sheet.title) from None

    def notes(self, sheet: Any) -> Mapping[tuple[int, int], str]:
        """The notes of a sheet, by row and column."""
        from openpyxl.comments.comment_sheet import CommentSheet
        from openpyxl.packaging.relationship import get_dependents, get_rels_path
        from openpyxl.utils import coordinate_to_tuple
        from openpyxl.xml.constants import COMMENTS_NS
        from openpyxl.xml.functions import fromstring

        archive, found = self.book._archive, {}
        path = get_rels_path(sheet._worksheet_path)
        try:
            for part in get_dependents(archive, path).find(COMMENTS_NS) if path in archive.namelist() else ():
                for at, comment in CommentSheet.from_tree(fromstring(archive.read(part.target))).comments:
                    found[coordinate_to_tuple(at)] = (comment.text or "").strip()
        except Exception as error:
            raise _unread(error, sheet.title) from None
        return {at: text for at, text in found.items() if text}


def _unread(error: Exception, sheet: str = "") -> PackageError:
    text = str(error).splitlines()[0] if str(error) else ""
    return PackageError(f"{f'sheet {sheet}: ' if sheet else ''}{type(error).__name__}: {text[:200]}")


def _bound(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    names = [part.filename for part in parts]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise PackageError(f"it holds the file {twice[:100]} twice")
    if any(part.flag_bits & 1 for part in parts):
        raise PackageError("it is locked with a password")
    if any(part.compress_type not in _PACKED for part in parts):
        raise PackageError("it is packed in a way that workbooks are not")
    if sum(part.file_size for part in parts) > WORKBOOK_BYTES:
        raise PackageError(f"unpacked it is larger than {WORKBOOK_BYTES / 2**20:,.0f} MB")
    tags = 0
    for part in parts:
        with archive.open(part) as file:
            before = b""
            while chunk := file.read(_CHUNK):
                tags += chunk.count(b"<")
                if tags > WORKBOOK_TAGS:
                    raise PackageError(f"it holds more than {WORKBOOK_TAGS:,} XML tags")
                if any(kind in before + chunk for kind in _TYPES):
                    raise PackageError(
                        f"{part.filename[:100]} has a document type, which no spreadsheet program writes"
                    )
                before = chunk[-32:]


def _parser(source: Any, sheet: Any) -> Iterator[Stored]:
    from openpyxl.worksheet._reader import FORMULA_TAG, ROW_TAG, VALUE_TAG, WorkSheetParser
    from openpyxl.xml.functions import iterparse

    book = sheet.parent
    reader = WorkSheetParser(
        source, sheet._shared_strings, data_only=True, epoch=book.epoch,
        date_formats=book._date_formats, timedelta_formats=book._timedelta_formats,
    )  # fmt: skip
    for _, row in iterparse(source):
        if row.tag != ROW_TAG:
            continue
        formulas = [cell.find(FORMULA_TAG) is not None for cell in row]
        for cell in row:
            # Such a number is no number: it is read as text, and found wrong where it stands.
            if cell.get("t", "n") == "n" and len(cell.findtext(VALUE_TAG, "")) > NUMBER_LENGTH:
                cell.set("t", "str")
        for cell, is_formula in zip(reader.parse_row(row)[1], formulas, strict=True):
            if not (1 <= cell["row"] <= _ROWS and 1 <= cell["column"] <= _COLUMNS):
                raise PackageError(f"sheet {sheet.title}: a cell in row {cell['row']:,} is outside of every sheet")
            yield Stored(cell["row"], cell["column"], cell["value"], cell["data_type"], is_formula)
        row.clear()


def reference(title: str, row: int, column: int) -> str:
    """The address of a cell, such as ``processes!D7``."""
    from openpyxl.utils import get_column_letter

    quoted = title if re.fullmatch(r"\w[\w.]*", title) else "'" + title.replace("'", "''") + "'"
    return f"{quoted}!{get_column_letter(column)}{row}"
