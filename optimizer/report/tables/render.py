"""Renderers of frames for the screen, CSV files and pages; module `excel` writes workbooks, with their cells from here.

Text stays text: in a CSV file, a text that a spreadsheet would compute as a formula begins with an apostrophe.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.containers import Lines
from rich.table import Table
from rich.text import Text

from optimizer.files import read_json, starts_formula, write_all, write_whole
from optimizer.instance.derived import display_name, region_name
from optimizer.instance.schema import Instance
from optimizer.report.format import DASH, PART_NAMES, in_millions, percent, shock_title
from optimizer.report.screen import Screen
from optimizer.results.frames import NUMBER_FORMS, Form, Frame, FrameColumn, FrameRow, Frames
from optimizer.tolerances import SAME_VALUE
from optimizer.units import MINUS, short, si, si_up, significant

# Significant digits of a number in CSV files; further digits are rounding errors of sums.
CSV_DIGITS = 12
# Frames that are written only if they have rows.
OPTIONAL_FILES = ("actual", "commitments", "bands", "bought_in_samples")
# A file in a folder of tables: by command, the name and the SHA-256 of each table that its last run wrote. Programs
# that read whole folders skip names that begin with a dot.
RECORD = ".tables.json"
CellRenderer = Callable[[FrameRow], str | Text]
# Layout of a cross table as wide as the screen, most of it for labels.
WIDE_LAYOUT: dict[str, Any] = {"labels": {"ratio": 1, "min_width": 12, "overflow": "fold"}, "expand": True}
# Holds the place of a space while lines are wrapped: a character for private use, of the width of a space.
_HELD = "\ue000"
# Verdicts on options: a plan may leave out what is worth it for want of room, and may buy what it does not need.
VERDICT_WORDS = {
    "must-have": "in every plan",
    "real choice": "in some plans",
    "not settled": "not settled",
    "never worth it": "in no plan",
}
# Writers of keys of the instance and of other values, by form; other forms are written by `str`.
_NAMES: Mapping[Form, Callable[[Instance, Any], str]] = {
    "name": display_name,
    "object": display_name,
    "region": region_name,
    "shock": shock_title,
}
_WRITERS: Mapping[Form, Callable[[Any], str]] = {
    "count": "{:,}".format,
    "amount": si,
    "plain": short,
    "exact": lambda number: si(number, digits=4),
    "enough": lambda number: si_up(number, digits=6),
    "millions": in_millions,
    "percent": percent,
    "tenth": lambda share: percent(share, 1),
    "part": lambda part: PART_NAMES.get(part, part),
    "verdict": lambda verdict: VERDICT_WORDS[verdict],
    "yes": lambda holds: "yes" if holds else "no",
}
# Explains why the expected cost of shocks can be negative.
BELOW_ZERO = (
    "Expected shocks below zero: they cost less than the baseline, as where released stock is not bought again."
)


class UnbrokenText(Text):
    """Text whose lines do not break before a percent sign."""

    def wrap(self, *args: Any, **options: Any) -> Lines:
        """Return the lines of the text, wrapped to a width."""
        held = self.copy()
        held.plain = self.plain.replace(" %", f"{_HELD}%")
        lines = held.wrap(*args, **options)
        for line in lines:
            line.plain = line.plain.replace(_HELD, " ")
        return lines


def attack_parts_note(instance: Instance) -> str:
    """Return the note that a listed attack includes those on some of its targets; empty if all have a single target."""
    adversary = instance.adversary
    if adversary is None or all(len(adversary.targets_of(entry) or ()) < 2 for entry in instance.shocks):
        return ""
    return " An attack stands for those on some of its targets: a change without it is without these as well."


def closing_lines(notes: Iterable[str], *, stopped: bool = False, seconds: float | None = None) -> Iterator[Text]:
    """Yield the lines below an answer: that a study was stopped, the notes, and the time that it took."""
    if stopped:
        yield Text("Note: stopped before everything was known; a figure missing above is not known.", style="yellow")
    yield from (Text(f"Note: {note}") for note in notes)
    if seconds is not None:
        yield Text(f"Time: {si(seconds, 's')}.", style="dim")


def first_rows(frame: Frame, most: int) -> Frame:
    """Return the frame with its first `most` rows; the note says so if there are more."""
    if len(frame) <= most:
        return frame
    note = f"The first {most:,} of {len(frame):,} rows, as many as a sheet holds; solve --csv writes all."
    return replace(frame.first(most), note=f"{note} {frame.note}".rstrip())


def value_text(instance: Instance, column: FrameColumn, value: Any) -> str:
    """Return a value as text in the form of its column; a dash for None or NaN, and ∞ for infinity."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if column.form in _NAMES:
        return _NAMES[column.form](instance, value)
    return _WRITERS.get(column.form, str)(value)


def show(
    parts: Callable[..., Iterable[RenderableType | None]],
    found: Any,
    console: Console | None = None,
    *,
    apart: bool = True,
    **how: Any,
) -> None:
    """Print the parts of an answer to stdout, or to the console given."""
    console = console or Screen()
    for i, part in enumerate([part for part in parts(found, console.width, **how) if part is not None]):
        if i and apart:
            console.print()
        console.print(part)


def table(title: str, *, caption: str | None = None, expand: bool = False) -> Table:
    """Return an empty table in the common style."""
    return Table(
        title=title,
        caption=caption or None,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        caption_style="dim",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        expand=expand,
        collapse_padding=True,
    )


def screen_table(
    instance: Instance,
    frame: Frame,
    *,
    title: str | None = None,
    caption: str | None = None,
    heads: Mapping[str, str] = {},
    cells: Mapping[str, CellRenderer] = {},
    hidden: Collection[str] = (),
    more: Mapping[str, CellRenderer] = {},
    wide: Mapping[str, int] = {},
    style: CellRenderer | None = None,
    expand: bool = False,
) -> Table:
    """Build the screen table of a frame: every shown column, in its own form.

    Args:
        instance: the instance that names the keys.
        frame: the rows.
        title, caption: default to those of the frame.
        heads: heads that replace those of the frame, by column.
        cells: writers of cells from a row, by column; a column without one is written by its form.
        hidden: columns to leave out, for example because another column has the same information.
        more: writers of additional columns at the end, by head.
        wide: ratios of the width of an expanded table, by column or head; by default the first column gets all.
        style: a function that returns the style of a row.
        expand: whether the table is as wide as the screen.
    """
    shown = table(
        frame.title if title is None else title, caption=frame.whole_note if caption is None else caption, expand=expand
    )
    columns = [column for column in frame.columns if column.is_shown and column.name not in hidden]
    ratios = (wide or {columns[0].name: 1}) if expand else {}
    for column in columns:
        head = heads.get(column.name, _screen_head(column))
        shown.add_column(head, **_column_layout(column, ratios.get(column.name)))
    for head in more:
        shown.add_column(head, **({"overflow": "fold", "ratio": ratios[head]} if head in ratios else {"no_wrap": True}))
    for row in frame.rows():
        texts = [
            cells[each.name](row) if each.name in cells else value_text(instance, each, row[each.name])
            for each in columns
        ]
        shown.add_row(*texts, *(write(row) for write in more.values()), style=str(style(row)) if style else None)
    return shown


def cross_table(
    title: str,
    corner: str,
    heads: Sequence[str],
    rows: Iterable[tuple[str | Text, Sequence[str | Text]] | None],
    *,
    caption: str | None = None,
    labels: Mapping[str, Any] = {},
    layout: Mapping[str, Any] = {},
    layouts: Mapping[str, Mapping[str, Any]] = {},
    expand: bool = False,
) -> Table:
    """Build a table whose columns are objects of one kind, such as plans, years or segments.

    Args:
        title, caption: the texts above and below the table.
        corner, heads: the head of the labels, and one for each object.
        rows: a label and its cells; None begins a section.
        labels, layout: rich's column options for the labels, and for the cells, right-aligned by default.
        layouts: those for the cells by head, for columns that differ.
        expand: whether the table is as wide as the screen.
    """
    shown = table(title, caption=caption, expand=expand)
    shown.add_column(corner, **{"overflow": "fold", **labels})
    usual = {"justify": "right", "overflow": "fold", **layout}
    for head in heads:
        shown.add_column(head, **layouts.get(head, usual))
    for row in rows:
        if row is None:
            shown.add_section()
        else:
            shown.add_row(row[0], *row[1])
    return shown


def label_rows(
    rows: Iterable[Sequence[str | Text]], *layouts: Mapping[str, Any], space: int = 2, expand: bool = False
) -> Table:
    """Build a grid of labels and texts, without heads, `space` characters between two columns.

    `layouts` are rich's column options, one mapping for each column.
    """
    grid = Table.grid(padding=(0, space), expand=expand)
    for layout in layouts:
        grid.add_column(**layout)
    for row in rows:
        grid.add_row(*row)
    return grid


def _column_layout(column: FrameColumn, ratio: int | None) -> dict[str, Any]:
    """Return rich's column options: numbers are right-aligned, text that does not fit is folded."""
    if column.form in NUMBER_FORMS and ratio is None:
        return {"justify": "right", "no_wrap": True}
    if column.form in ("word", "verdict", "period", "year") and ratio is None:
        return {"no_wrap": True}
    return {"overflow": "fold", "ratio": ratio}


def _screen_head(column: FrameColumn) -> str:
    return f"{column.head}\n{unit}" if (unit := _shown_unit(column)) else column.head


def _page_head(column: FrameColumn) -> str:
    head, unit = column.head.replace("\n", " "), _shown_unit(column)
    return f"{'>' if column.form in NUMBER_FORMS else ''}{head}{', ' if unit else ''}{unit}"


def _shown_unit(column: FrameColumn) -> str:
    """Return the unit in the head of a column; empty if its numbers have no unit or show it themselves."""
    unit = _unit_of_numbers(column)
    return f"M {unit}" if column.form == "millions" else unit


def _unit_of_numbers(column: FrameColumn) -> str:
    return column.unit if column.form in NUMBER_FORMS and column.unit != "share" else ""


def page_table(instance: Instance, frame: Frame) -> dict[str, Any]:
    """Return a frame for a page: caption, heads (those of numbers begin with ``>``) and rows of text."""
    columns = frame.columns
    return {
        "caption": frame.whole_note,
        "head": [_page_head(c) for c in columns],
        "rows": [[value_text(instance, c, row[c.name]) for c in columns] for row in frame.rows()],
    }


def table_cells(table: Mapping[str, Any]) -> list[list[Any]]:
    """Return the rows of a page table for a workbook, with its head and its caption."""
    cells = [list(map(number_of_cell, table["head"], texts)) for texts in table["rows"]]
    return [[each.lstrip(">") for each in table["head"]], *cells, [table["caption"]]]


def number_of_cell(head: str, text: str) -> float | str:
    """Return the number in a cell of a page table, such as ``−1,234.5``; any other text, such as ``12 %``, as it is."""
    plain = text.replace(",", "").replace(MINUS, "-")
    return float(plain) if head[:1] == ">" and plain.lstrip("-").replace(".", "", 1).isdecimal() else text


def unit_of_cells(column: FrameColumn) -> str:
    """Return the unit of a column's numbers in a workbook: ``%`` of shares, ``year`` of years; empty if none."""
    if column.form in ("percent", "tenth"):
        return "%"
    return "year" if column.form == "year" else _unit_of_numbers(column)


def number_format(value: float, unit: str) -> str:
    """Return the number format of a value in a workbook, followed by its unit."""
    if unit == "year":
        return "0"
    if unit == "%":
        return "0.0%"
    whole = float(value).is_integer() or abs(value) >= 100
    digits = "#,##0" if whole else "#,##0.00" if abs(value) >= 1 else "0.000"
    return f"{digits} {unit_format(unit)}" if unit else digits


def unit_format(unit: str) -> str:
    """Return a unit as part of a number format: in quotes, with any quotes of its own escaped outside them."""
    return '\\"'.join(f'"{part}"' if part else "" for part in unit.split('"'))


def without_noise(value: float) -> float:
    """Return a number; the nearest with four digits if they differ by no more than the solver's tolerances."""
    rounded = significant(value, 4)
    return rounded if math.isclose(value, rounded, rel_tol=SAME_VALUE) else value


def frame_csv(frame: Frame) -> str:
    """Return a frame as CSV text: column names with their units, then every row."""
    return to_csv([column.name_with_unit for column in frame.columns], zip(*frame.values, strict=True))


def write_frames(frames: Frames, folder: Path, names: Iterable[str] = ()) -> list[Path]:
    """Write frames of the given names, or all, as CSV files, all or none; return their paths."""
    texts = _csv_texts(frames, folder, names)
    write_all(texts.items())
    return list(texts)


def _csv_texts(frames: Frames, folder: Path, names: Iterable[str]) -> dict[Path, str]:
    chosen = (name for name in names or frames if name not in OPTIONAL_FILES or len(frames.frame(name)))
    return {folder / f"{name}.csv": frame_csv(frames.frame(name)) for name in chosen}


@dataclass(frozen=True)
class RenewedFolder:
    """Changes that a run made to a folder of tables."""

    written: list[Path]
    removed: list[Path]  # tables of an earlier run of the same command
    left: list[Path]  # CSV files in the folder that this run did not write


def renew_tables(command: str, frames: Frames, folder: Path, names: Iterable[str] = ()) -> RenewedFolder:
    """Write frames of the given names, or all, and remove tables that only an earlier run of the command wrote.

    Tables that were changed since that run, and all other files, are kept. The record of tables is written last, so
    that tables of two runs, after one that was killed or ran beside another, disagree with it.

    Raises:
        OSError: a file cannot be written or removed.
    """
    record, texts = _read_record(folder), _csv_texts(frames, folder, names)
    write_all(texts.items())
    own = {path.name: sha256(text.encode()).hexdigest() for path, text in texts.items()}
    others = {of: {name: tables[name] for name in tables.keys() - own} for of, tables in record.items()}
    removed = _remove_unchanged(folder, others.pop(command, {}))
    kept = {of: tables for of, tables in others.items() if tables} | {command: own}
    write_whole(folder / RECORD, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    left = sorted(path for path in folder.glob("*.csv") if path.name not in own)
    return RenewedFolder(list(texts), removed, left)


def _remove_unchanged(folder: Path, tables: Mapping[str, str]) -> list[Path]:
    """Remove the tables whose digest has not changed since they were written, and return their paths."""
    removed = [folder / name for name, digest in sorted(tables.items()) if _digest(folder / name) == digest]
    for path in removed:
        path.unlink()
    return removed


def _read_record(folder: Path) -> dict[str, dict[str, str]]:
    """Return the names and digests of tables of earlier runs, by command; empty if there is no valid record."""
    try:
        record = read_json(folder / RECORD)
    except (OSError, ValueError):
        return {}
    commands = record.items() if isinstance(record, Mapping) else ()
    return {
        command: {name: digest for name, digest in tables.items() if _is_table(name) and isinstance(digest, str)}
        for command, tables in commands
        if isinstance(tables, Mapping)
    }


def _is_table(name: str) -> bool:
    """Return whether a name is that of a CSV file in the folder itself."""
    return Path(name).name == name and name.endswith(".csv")


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a regular file; None for anything else."""
    if path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def to_csv(head: Sequence[str], rows: Any) -> str:
    """Return rows as CSV text: numbers with twelve digits, an apostrophe before text that reads as a formula."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_csv_cell, head))
    writer.writerows(map(_csv_cell, row) for row in rows)
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{CSV_DIGITS}g}")
    return f"'{value}" if isinstance(value, str) and starts_formula(value) else value
