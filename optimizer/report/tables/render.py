"""Tables as rich draws them, and rows as CSV: text stays text, whatever it begins with."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from optimizer.files import starts_formula

if TYPE_CHECKING:
    import pandas as pd


def to_csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV; text that a spreadsheet would compute begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_escaped(word) for word in head])
    writer.writerows([_escaped(value) for value in row] for row in rows)
    return text.getvalue()


def frame_to_csv(frame: "pd.DataFrame") -> str:
    """A frame as CSV, in the same way; numbers are written as pandas does."""
    shown = frame.rename(columns=_escaped)
    for name, column in shown.items():
        if column.dtype.kind not in "iufb":
            shown[name] = column.map(_escaped)
    return str(shown.to_csv(index=False))


def _escaped(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and starts_formula(value) else value


def unit_format(unit: str) -> str:
    """A unit as a part of a number format: quoted, with quotes of its own each escaped outside."""
    return '\\"'.join(f'"{part}"' if part else "" for part in unit.split('"'))


def table(title: str, *, caption: str | None = None, expand: bool = False) -> Table:
    """An empty table in the house's style."""
    return Table(
        title=title,
        caption=caption,
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
