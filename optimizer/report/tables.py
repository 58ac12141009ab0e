"""Dependence, costs, what binds; and all tables as CSV."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from optimizer.files import write_whole
from optimizer.instance.derived import region_name
from optimizer.instance.schema import Instance
from optimizer.report.cells import frame_to_csv
from optimizer.report.words import LINE, abroad, named, percent, table
from optimizer.results.plan import Share
from optimizer.results.result import Result
from optimizer.units import si

# Why shocks can be expected to cost less than the baseline.
SAVED = "Expected shocks below zero: they cost less than the baseline, as where released stock is not bought again."


def dependence(instance: Instance, result: Result, width: int) -> Table | None:
    """Where each commodity that is put to use comes from, in the first and the last year."""
    if not result.shares:
        return None
    caption = "Shares of baseline production. HHI: concentration, 0 to 10,000. "
    caption += f"▲ more than {percent(LINE)} from one region abroad."
    shown = table("Dependence", caption=caption, expand=True)
    years = sorted({share.year for shares in result.shares.values() for share in shares})
    shown.add_column("Commodity", overflow="fold", ratio=2)
    for year in years:
        shown.add_column(str(year), overflow="fold", ratio=3)
        shown.add_column("HHI", justify="right", no_wrap=True)
    most = 2 if width < 100 else 3
    for commodity, shares in result.shares.items():
        cells: list[str | Text] = [named(instance, commodity)]
        for share in shares:
            cells += [_regions(instance, share, most), f"{1e4 * share.hhi:,.0f}" if share.regions else "–"]
        shown.add_row(*cells)
    return shown


def _regions(instance: Instance, share: Share, most: int) -> Text:
    if not share.regions:
        return Text("none made", style="dim")
    parts = [f"{region_name(instance, region)} {percent(part)}" for region, part in list(share.regions.items())[:most]]
    others = len(share.regions) - most
    words = ", ".join(parts) + (f", +{others}" if others > 0 else "")
    over = max(abroad(instance, share.regions).values(), default=0.0) > LINE
    return Text(("▲ " if over else "") + words, style="red" if over else "")


def costs(result: Result) -> Table | None:
    """Total cost by part, present value."""
    parts = {part: amount for part, amount in result.costs.items() if abs(amount) > 1e-9 * abs(result.total_cost)}
    if not parts:
        return None
    caption = SAVED if parts.get("expected shocks", 0.0) < 0 else None
    shown = table("Cost, present value", caption=caption)
    shown.add_column("Part", no_wrap=True)
    shown.add_column(result.currency, justify="right", no_wrap=True)
    shown.add_column("Share", justify="right")
    for part, amount in parts.items():
        share = percent(amount / result.total_cost, 1) if result.total_cost > 0 else "–"
        shown.add_row(part, si(amount, digits=4), share)
    shown.add_section()
    shown.add_row("total", si(result.total_cost, digits=4), "100.0 %", style="bold")
    return shown


def binding(result: Result) -> Table | None:
    """What binds, and what one step of it is worth."""
    if not result.binding:
        return None
    saved = "cost" if result.survival_gap == 0 else "gap"
    caption = "From the prices of the plan with its integers fixed: each is the most that a small step can save, for "
    caption += "another shock or limit may be as hard."
    shown = table("What binds", caption=caption)
    shown.add_column("Limit", overflow="fold")
    shown.add_column("Step", no_wrap=True)
    shown.add_column(f"Saves {saved}\n{result.money}", justify="right", no_wrap=True)
    for price in result.binding:
        shown.add_row(price.what, price.step, si(price.worth))
    return shown


def write_csv(result: Result, folder: Path) -> Sequence[Path]:
    """Every frame of a result as a CSV file, each whole or not at all."""
    import pandas as pd

    money = f"present value [{result.money}]"
    frames = {
        "builds": result.builds,
        "stock": result.stock.reset_index(),
        "survival": result.survival,
        "dependence": result.dependence,
        "costs": pd.DataFrame(list(result.costs.items()), columns=["part", money]),
        "flows": result.flows,
    }
    for name, frame in frames.items():
        write_whole(folder / f"{name}.csv", frame_to_csv(frame))
    return [folder / f"{name}.csv" for name in frames]
