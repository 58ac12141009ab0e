"""What is bought: options with their years and money, and the stock paths."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from optimizer.instance.schema import Instance
from optimizer.levers import Sized, Stockpile
from optimizer.plan import Build
from optimizer.report.words import named, percent, sized, table
from optimizer.result import Result
from optimizer.units import si

PEACE, FORCED = "*", "†"


def builds(instance: Instance, result: Result, width: int) -> Table | None:
    """One row a build or stockpile: lever, decision, on line, size, money, its share, and a bar by year."""
    rows = [*_sized_rows(instance, result), *_stock_rows(instance, result)]
    if not rows:
        return None
    horizon = instance.horizon
    step = max(1, len(horizon.years) // 24)
    marks_of = {option: _mark(instance, result, option) for option, *_ in rows}
    caption = f"Bar: one mark {_each(step)} from {horizon.start} to {horizon.end}: ░ being built, █ on line, ▪ bought. "
    caption += "Stockpiles: first and last purchase, largest stock, all purchases."
    caption += f"\n{PEACE} would be bought without any shock as well." if PEACE in marks_of.values() else ""
    caption += f"\n{FORCED} has to be bought (policy.force)." if FORCED in marks_of.values() else ""
    shown = table("Plan", caption=caption, expand=True)
    shown.add_column("Option, lever", ratio=1, overflow="fold")
    shown.add_column("Decided", no_wrap=True)
    shown.add_column("On line", no_wrap=True)
    shown.add_column("Size", justify="right", no_wrap=True)
    shown.add_column(f"Capex\n{result.money}", justify="right", no_wrap=True)
    shown.add_column("Of\noutlay", justify="right", no_wrap=True)
    if width >= 76:
        shown.add_column(f"{horizon.start}–{horizon.end}", no_wrap=True)
    for option, kind, decided, on_line, size, paid, counted, marks in rows:
        share = percent(counted / result.outlay) if result.outlay > 0 else "–"
        option_cell = Text.assemble(named(instance, option) + marks_of[option], (f" · {kind}", "dim"))
        cells = [decided, on_line, size, si(paid), share]
        shown.add_row(option_cell, *cells, *([Text(marks[::step], style="cyan")] if width >= 76 else []))
    return shown


def _mark(instance: Instance, result: Result, option: str) -> str:
    if option in instance.policy.force:
        return FORCED
    return PEACE if option in result.calm_builds else ""


def _each(step: int) -> str:
    return "a year" if step == 1 else f"every {step} years"


Shown = tuple[str, str, str, str, str, float, float, str]


def _sized_rows(instance: Instance, result: Result) -> Iterator[Shown]:
    horizon = instance.horizon
    for build in result.plan.builds:
        option = instance.options[build.option]
        assert isinstance(option, Sized)
        first = build.t + horizon.whole(option.lead_time)
        on_line = horizon.label(first) if first < len(horizon.periods) else "after end"
        paid = option.capex.at(build.year) * build.size + (option.fixed_cost if build.opened else 0.0)
        size = sized(instance, build.option, build.size)
        counted = option.budget_share * paid
        yield build.option, build.kind, build.period, on_line, size, paid, counted, _bar(instance, build, first)


def _bar(instance: Instance, build: Build, first: int) -> str:
    horizon = instance.horizon
    end = {year: (year - horizon.start + 1) * horizon.per_year - 1 for year in horizon.years}
    return "".join("█" if end[y] >= first else "░" if end[y] >= build.t else "·" for y in horizon.years)


def _stock_rows(instance: Instance, result: Result) -> Iterator[Shown]:
    horizon = instance.horizon
    for o, fills in result.plan.fills.items():
        pile = instance.options[o]
        assert isinstance(pile, Stockpile)
        bought = [t for t, fill in enumerate(fills) if fill > 1e-9 * max(fills)]
        if not bought:
            continue
        paid = sum(pile.price.at(horizon.year(t)) * fill for t, fill in enumerate(fills))
        years = {horizon.year(t) for t in bought}
        marks = "".join("▪" if year in years else "█" if year > min(years) else "·" for year in horizon.years)
        size, counted = si(max(result.plan.stocks[o]), "t"), pile.budget_share * paid
        yield o, "stockpile", horizon.label(bought[0]), horizon.label(bought[-1]), size, paid, counted, marks


def stocks(instance: Instance, result: Result, width: int) -> Table | None:
    """The stock path, t at the end of the years that fit."""
    held = {o: row for o, row in result.plan.stocks.items() if max(row, default=0.0) > 0}
    if not held:
        return None
    horizon = instance.horizon
    years = list(horizon.years)
    step = -(-len(years) // max(1, (width - 26) // 7))
    shown = table("Stock at the end of the year, t", expand=False)
    shown.add_column("Stockpile", max_width=26, overflow="fold")
    chosen = years[::-step][::-1]
    for year in chosen:
        shown.add_column(str(year), justify="right", no_wrap=True)
    for o, row in held.items():
        ends = [row[(year - horizon.start + 1) * horizon.per_year - 1] for year in chosen]
        shown.add_row(named(instance, o), *(si(value) if value > 1e-9 * max(row) else "–" for value in ends))
    return shown
