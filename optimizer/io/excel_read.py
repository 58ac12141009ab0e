"""An Excel workbook as plain data in which every value still knows its cell: `sheets` says what stands where."""

from collections.abc import Iterator, Mapping
from typing import Any

from optimizer.errors import Finding, InstanceError, Place
from optimizer.files import character
from optimizer.instance.document import Document
from optimizer.instance.schema import Instance
from optimizer.instance.text import Allowance, TextError
from optimizer.io.excel_cells import Book, Cell, Line, Sheet
from optimizer.io.excel_layout import ABOUT, COMMENT, COMMENTS, INSTANCE, ITEM, KEY, LAYOUTS, Layout, from_cell
from optimizer.io.yaml_text import Comment, value_at
from optimizer.limits import FINDINGS
from optimizer.suggestions import CONTROL, excerpt, nearest

# Empty lines between those of a header, at most.
_APART = 100
_ORDER = list(Instance.model_fields)


def parse_workbook(content: bytes, file: str) -> tuple[Document, tuple[Comment, ...]]:
    """The data of a workbook, what is wrong with its sheets themselves, and its comments.

    Raises:
        InstanceError: it is no workbook.
    """
    reader = _Reader(Document(file, {}))
    for sheet in Book(content, reader.document).sheets():
        reader.document.cells.setdefault((), sheet.at)
        if sheet.name == COMMENTS:
            reader.of_file(sheet.lines)
        elif sheet.name == INSTANCE:
            reader.document.cells[()] = sheet.at
            reader.of_instance(sheet.lines)
        else:
            reader.of_table(next(each for each in LAYOUTS if each.sheet == sheet.name), sheet)
    reader.document.data = dict(sorted(reader.document.data.items(), key=lambda item: _rank(item[0])))
    said = (Comment(each.place, value_at(reader.document.data, each.place), each.text) for each in reader.comments)
    return reader.document, tuple(said)


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.comments: list[Comment] = []
        self.allowance = Allowance()

    def wrong(self, place: Place, at: str, what: str, cure: str) -> None:
        """A finding about a cell."""
        where = ".".join(map(excerpt, place))
        self.document.findings.append(Finding(self.document.file, None, where, what, cure, cell=at))
        if len(self.document.findings) > FINDINGS:
            raise InstanceError(self.document.findings)

    def stands(self, place: Place, at: str, depth: int = 1) -> None:
        """Note the cell of a place; what is around it, from a depth on, is there as well unless it has its own."""
        self.document.cells[place] = at
        for length in range(depth, len(place)):
            self.document.cells.setdefault(place[:length], at)

    def say(self, place: Place, text: str) -> None:
        """A comment, where there is one."""
        if text.strip():
            self.comments.append(Comment(place, None, text))

    def of_file(self, lines: list[Line]) -> None:
        """The sheet of comments: without a subject they are the file's header."""
        header = [line for line in lines if not line.text(ABOUT)]
        page = [str(line.cells[COMMENT].value) if COMMENT in line.cells else "" for line in header]
        self.say((), "\n".join(self._spaced(header, page)))
        for line in lines:
            if line.text(ABOUT) and COMMENT in line.cells:
                self.say(tuple(line.text(ABOUT).split(".")), str(line.cells[COMMENT].value))

    @staticmethod
    def _spaced(lines: list[Line], page: list[str]) -> Iterator[str]:
        """Lines with the empty ones between them, as their rows are numbered."""
        before = None
        for line, text in zip(lines, page, strict=True):
            yield from [""] * (0 if before is None else min(line.row - before - 1, _APART))
            yield text
            before = line.row

    def of_instance(self, lines: list[Line]) -> None:
        """The sheet of single values."""
        for line in lines:
            key = line.text("key")
            if not key:
                if set(line.cells) != {COMMENT}:
                    self.wrong((), line.at, "a value without a key", "Name it in the column key.")
                continue
            place: Place = tuple(key.split("."))
            self.stands(place, line.at)
            cell = line.cells.get("value")
            if cell is not None and cell.value is not None:
                self.put((), key, cell)
                self.say(place, cell.note)
            self.say(place, str(line.cells[COMMENT].value) if COMMENT in line.cells else "")
            for column in set(line.cells) - {"key", "value", COMMENT}:
                self.wrong(place, line.cells[column].at, f'"{column}" is no column of this sheet', "Remove it.")

    def of_table(self, layout: Layout, sheet: Sheet) -> None:
        """A sheet with a row an entry."""
        self.document.cells.setdefault(layout.path[:1], sheet.at)
        for line in sheet.lines:
            keys = [line.text(key) for key in layout.keys]
            values = {column: cell for column, cell in line.cells.items() if column not in (*layout.keys, COMMENT)}
            comment = str(line.cells[COMMENT].value) if COMMENT in line.cells else ""
            if not any(keys) and not values:
                self.say(layout.path[:1], comment)
                continue
            place = self._place(layout, line, keys)
            if place is None:
                continue
            named = layout.keys[-1] if layout.path[-1] == KEY else ""
            self.stands(place, line.cells[named].at if named in line.cells else line.at, depth=2)
            for key in layout.keys:
                if key in line.cells:
                    comment = "\n".join(text for text in (comment, line.cells[key].note) if text)
            self.say(place, comment)
            if layout.value:
                self._single(layout, place, values)
                continue
            for column, cell in values.items():
                if cell.value is not None:
                    self.put(place, column, cell)
                self.say((*place, *_parts(column)), cell.note)

    def _single(self, layout: Layout, place: Place, values: Mapping[str, Cell]) -> None:
        """A row that is one value."""
        for column in set(values) - {layout.value}:
            self.wrong(place, values[column].at, f'"{column}" is no column of this sheet', "Remove it.")
        if len(place) < len(layout.path):
            return
        holder = _holder(self.document.data, place[:-1])
        holder[str(place[-1])] = (
            self._meant(place, layout.value, values[layout.value]) if layout.value in values else None
        )
        if layout.value in values:
            self.stands(place, values[layout.value].at, depth=2)
            self.say(place, values[layout.value].note)

    def _place(self, layout: Layout, line: Line, keys: list[str]) -> Place | None:
        """Where a row stands in the instance; the entry is made there."""
        place: Place = ()
        left = list(zip(layout.keys, keys, strict=True))
        for depth, part in enumerate(layout.path):
            is_last = depth == len(layout.path) - 1
            if part == KEY:
                column, name = left.pop(0)
                if not name:
                    if layout.sheet == "scenarios" and is_last and not set(line.cells) & {layout.value}:
                        _holder(self.document.data, place)
                        return place
                    self.wrong(place, line.at, f"{column} is missing", f"Name it in the column {column}.")
                    return None
                sign = CONTROL.search(name)
                if sign is not None:
                    at = line.cells[column].at
                    self.wrong((*place, name), at, f"holds {character(sign[0])}", "Remove it from the name.")
                    return None
                if self._is_wrong(layout, line, (*place, name), column, is_last=is_last):
                    return None
                place = (*place, name)
            elif part == ITEM:
                items = _list(self.document.data, place)
                items.append({})
                return (*place, len(items) - 1)
            else:
                place = (*place, part)
        if not layout.value:
            _holder(self.document.data, place)
        return place

    def _is_wrong(self, layout: Layout, line: Line, place: Place, column: str, *, is_last: bool) -> bool:
        known = _at(self.document.data, place[:-1])
        known = known if isinstance(known, dict) else {}
        at = line.cells[column].at
        if is_last and place[-1] in known:
            first = self.document.cells.get(place, "").rpartition("!")[2]
            what = f'"{place[-1]}" stands twice (first in {first})'
            self.wrong(place, at, what, "Keep one of the two, or give the second another name.")
            return True
        is_of_another = not is_last and layout.sheet not in ("force", "scenarios")
        if is_of_another and place[-1] not in known:
            near = nearest(str(place[-1]), known)
            cure = f'Did you mean "{near}"?' if near else f"Name one of the {place[-2]}."
            self.wrong(place, at, f'"{place[-1]}" is no row of the sheet {column}s', cure)
            return True
        return False

    def put(self, place: Place, column: str, cell: Cell) -> None:
        """A value into the field that its column names."""
        parts = _parts(column)
        holder = _at(self.document.data, place)
        for part in parts[:-1]:
            inner = holder.setdefault(part, {}) if isinstance(holder, dict) else None
            if not isinstance(inner, dict):
                what = f"{parts[0]} is given as one value, and by {'year' if parts[-1].isdigit() else 'field'} as well"
                self.wrong((*place, *parts), cell.at, what, "Keep one of the two.")
                return
            holder = inner
        if parts[-1] in holder:
            what = f"{parts[0]} is given as one value, and by year or field as well"
            self.wrong((*place, *parts), cell.at, what, "Keep one of the two.")
            return
        self.stands((*place, *parts), cell.at, depth=len(place) + 1)
        holder[parts[-1]] = self._meant((*place, *parts), column, cell)

    def _meant(self, place: Place, column: str, cell: Cell) -> Any:
        try:
            value, wrong = from_cell(column, cell.value, self.document.file, self.allowance)
        except TextError as error:
            self.wrong(place, cell.at, error.what, error.cure)
            raise InstanceError(self.document.findings) from None
        except InstanceError as error:
            value, wrong = None, [(finding.what, finding.cure) for finding in error.findings]
        for what, cure in wrong:
            self.wrong(place, cell.at, what, cure)
        return value


def _rank(key: str) -> int:
    """Where a key stands at the top of a file."""
    return _ORDER.index(key) if key in _ORDER else _ORDER.index("horizon")


def _parts(column: str) -> list[str]:
    return column.split(".")


def _at(data: Any, place: Place) -> Any:
    for part in place:
        data = data.get(part) if isinstance(data, dict) else data[part] if isinstance(part, int) else None
    return data


def _holder(data: dict[str, Any], place: Place) -> dict[str, Any]:
    for part in place:
        data = data.setdefault(str(part), {})
    return data


def _list(data: dict[str, Any], place: Place) -> list[Any]:
    holder = _holder(data, place[:-1])
    found: list[Any] = holder.setdefault(str(place[-1]), [])
    return found
