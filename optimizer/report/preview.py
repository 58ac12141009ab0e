"""How families and ensembles of shocks look before anything is solved."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from optimizer.report.words import table
from optimizer.studies.summary import MinMedianMax, Preview
from optimizer.units import short, si

WIDE = 100


def preview_table(previews: Sequence[Preview], width: int) -> Table:
    """One row each; the first names stand under the entry's own where there is no room for a column of them."""
    caption = "Months, severity of the worst cut: least/median/most. Windows are cut off at the end of the horizon."
    shown = table("Families and ensembles", caption=caption, expand=True)
    shown.add_column("Name", overflow="fold", ratio=2)
    shown.add_column("Events", justify="right", no_wrap=True)
    shown.add_column("Starts", no_wrap=True)
    shown.add_column("Months", justify="right", no_wrap=True)
    shown.add_column("Severity\n%", justify="right", no_wrap=True)
    shown.add_column("Prob.", justify="right", no_wrap=True)
    if width >= WIDE:
        shown.add_column("First of them", overflow="fold", ratio=3)
    for preview in previews:
        shown.add_row(*_row(preview, is_wide=width >= WIDE))
    return shown


def _row(preview: Preview, *, is_wide: bool) -> list[str | Text]:
    margin = "" if is_wide else "  "
    names = "\n".join(margin + name for name in [*preview.names, *(["…"] if preview.events > 3 else [])])
    title = Text(preview.name) if is_wide else Text(preview.name).append("\n" + names, style="dim")
    ends = list(dict.fromkeys([preview.first, preview.last]))
    starts = ("–" if is_wide else "–\n").join(ends)
    severity = _spread(preview.severity, 100.0) if preview.severity else "–"
    probability = si(preview.probability) if preview.probability else "–"
    cells: list[str | Text] = [title, f"{preview.events:,}", starts, _spread(preview.months), severity, probability]
    return [*cells, Text(names, style="dim")] if is_wide else cells


def _spread(spread: MinMedianMax, unit: float = 1.0) -> str:
    figures = [short(unit * value) for value in spread]
    return figures[0] if len(set(figures)) == 1 else "/".join(figures)
