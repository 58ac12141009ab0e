"""What is bought: options with their years and money, and the stock paths."""

from rich.table import Table
from rich.text import Text

from optimizer.instance.schema import Instance
from optimizer.levers import Stock
from optimizer.report.figures.moves import Move, moves
from optimizer.report.words import named, percent, table
from optimizer.results.result import Result
from optimizer.units import si

PEACE, FORCED = "*", "†"


def builds(instance: Instance, result: Result, width: int) -> Table | None:
    """One row a build or stockpile: lever, decision, on line, size, money, its share, and a bar by year."""
    rows = moves(instance, result)
    if not rows:
        return None
    horizon = instance.horizon
    step = max(1, len(horizon.years) // 24)
    signs = {move.option: FORCED if move.forced else PEACE if move.in_peace else "" for move in rows}
    caption = f"Bar: one mark {_each(step)} from {horizon.start} to {horizon.end}: ░ being built, █ on line, ▪ bought. "
    caption += "Stockpiles: first and last purchase, largest stock, all purchases."
    caption += f"\n{PEACE} would be bought without any shock as well." if PEACE in signs.values() else ""
    caption += f"\n{FORCED} has to be bought (policy.force)." if FORCED in signs.values() else ""
    shown = table("Plan", caption=caption, expand=True)
    shown.add_column("Option, lever", ratio=1, overflow="fold")
    shown.add_column("Decided", no_wrap=True)
    shown.add_column("On line", no_wrap=True)
    shown.add_column("Size", justify="right", no_wrap=True)
    shown.add_column(f"Capex\n{result.money}", justify="right", no_wrap=True)
    shown.add_column("Of\noutlay", justify="right", no_wrap=True)
    if width >= 76:
        shown.add_column(f"{horizon.start}–{horizon.end}", no_wrap=True)
    for move in rows:
        share = percent(move.counted / result.outlay) if result.outlay > 0 else "–"
        option_cell = Text.assemble(move.name + signs[move.option], (f" · {move.kind}", "dim"))
        cells = [move.decided, move.on_line, move.size_words, si(move.paid), share]
        bar = [Text(_marks(instance, move)[::step], style="cyan")] if width >= 76 else []
        shown.add_row(option_cell, *cells, *bar)
    return shown


def _each(step: int) -> str:
    return "a year" if step == 1 else f"every {step} years"


def _marks(instance: Instance, move: Move) -> str:
    """One mark for each year of the horizon."""
    horizon = instance.horizon
    if move.purchases:
        years = {horizon.year(t) for t, fill in enumerate(move.purchases) if fill > 0}
        return "".join("▪" if year in years else "█" if year > min(years) else "·" for year in horizon.years)
    end = {year: (year - horizon.start + 1) * horizon.per_year - 1 for year in horizon.years}
    return "".join("█" if end[y] >= move.first else "░" if end[y] >= move.t else "·" for y in horizon.years)


def stocks(instance: Instance, result: Result, width: int) -> Table | None:
    """The stock path, t at the end of the years that fit."""
    held = {o: row for o, row in result.plan.stocks.items() if max(row, default=0.0) > 0}
    if not held:
        return None
    horizon = instance.horizon
    years = list(horizon.years)
    step = -(-len(years) // max(1, (width - 26) // 7))
    shown = table("Stock at the end of the year, t", expand=False)
    shown.add_column(Stock.labels.noun.capitalize(), max_width=26, overflow="fold")
    chosen = years[::-step][::-1]
    for year in chosen:
        shown.add_column(str(year), justify="right", no_wrap=True)
    for o, row in held.items():
        ends = [row[(year - horizon.start + 1) * horizon.per_year - 1] for year in chosen]
        shown.add_row(named(instance, o), *(si(value) if value > 1e-9 * max(row) else "–" for value in ends))
    return shown
