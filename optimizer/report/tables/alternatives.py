"""How near-optimal alternatives look: the range of every option, and the plans side by side."""

import math
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import display_name
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.format import given, plural
from optimizer.report.narrative import signed, whole
from optimizer.report.screen import Screen
from optimizer.report.tables.render import table
from optimizer.results.result import Result
from optimizer.studies.alternatives import Alternatives
from optimizer.studies.ranges import RangeEnd, SizeRange
from optimizer.tolerances import FINEST_SHARE
from optimizer.units import short, si, si_up

ORDER = ("must-have", "real choice", "not settled", "never worth it")
STYLES = {"must-have": "bold green", "never worth it": "dim", "not settled": "yellow"}
NOTHING = "–"
# What stands before the size of an option that only one of the plans buys.
ALONE = "● "


def show_alternatives(found: Alternatives, console: Console | None = None) -> None:
    """Print what plans near the cheapest have in common, and those that differ most."""
    console = console or Screen()
    for i, part in enumerate(_parts(found)):
        if i:
            console.print()
        console.print(part)


def _parts(found: Alternatives) -> list[RenderableType]:
    instance, parts = instance_of(found.cheapest), list[RenderableType]()
    parts.append(Text(_headline(instance, found), style="bold"))
    if found.ranges:
        parts.append(_ranges(instance, found))
    if found.plans:
        parts.append(_plans(instance, found))
    elif found.ranges and found.status in ("proven", "bounded"):
        parts.append(
            Text("There is no plan within the tolerance that differs from the cheapest by more than a trifle.")
        )
    if found.status == "stopped":
        parts.append(Text("Note: stopped before everything was asked; this is what was known by then.", style="yellow"))
    return parts


def _headline(instance: Instance, found: Alternatives) -> str:
    result = found.cheapest
    if result.baseline is None:
        return f"{instance.title}: there is no plan to be near to."
    if not found.ranges and found.status != "stopped":
        return f"{instance.title}: there is no option to choose from, so no other plan."
    if not found.ranges:
        return f"{instance.title}: stopped before the cheapest plan was proven; nothing can be said of others."
    counts = {verdict: sum(each.verdict == verdict for each in found.ranges) for verdict in ORDER}
    words = {
        "must-have": "must-have",
        "real choice": "real choice" if counts["real choice"] == 1 else "real choices",
        "never worth it": "never worth it",
        "not settled": "not settled",
    }
    said = ", ".join(f"{counts[verdict]} {words[verdict]}" for verdict in words if counts[verdict])
    more = si(found.more, instance.money)
    what = "the least cost" if result.status == "survives" else "the least cost of the least gap"
    cost = si(result.total_cost, instance.money, digits=4)
    return (
        f"{instance.title}: of plans that cost up to {more} more than {what} ({cost}{_proven(instance, found)}), "
        f"{_share(found)}, {plural(len(found.ranges), 'option')}: {said}."
    )


def _share(found: Alternatives) -> str:
    """What the tolerance is a share of."""
    return f"{short(100 * found.within)} % of {whole(found.measure)}"


def _proven(instance: Instance, found: Alternatives) -> str:
    """To what the least cost is proven."""
    result = found.cheapest
    if result.bound is None:
        return ", not proven"
    near = result.total_cost - result.bound
    is_all = near <= FINEST_SHARE * abs(result.total_cost)
    return ", proven" if is_all else f", proven to {si_up(near, instance.money, 2)}"


def _ranges(instance: Instance, found: Alternatives) -> Table:
    caption = "Over all plans within the tolerance that keep the same floors in the same shocks. "
    caption += f"Proven to {given(found.sizes)} of the option's largest size"
    loose = [each for each in found.ranges if not each.proven]
    caption += ", but for those with ≥ or ≤: no plan goes beyond the second number.\n" if loose else ".\n"
    caption += "must-have: no such plan does without it. never worth it: none buys it.\n"
    caption += "t/yr; stockpiles: t bought over all years; leverage: level. "
    caption += "A plan may buy more than it needs, as far as the tolerance pays for it."
    shown = table("What they buy", caption=caption, expand=True)
    shown.add_column("Option, lever", ratio=3, overflow="fold")
    shown.add_column("Verdict", no_wrap=True)
    for what in ("Least", "Cheapest\nplan", "Greatest"):
        shown.add_column(what, justify="right", no_wrap=True)
    for each in sorted(found.ranges, key=lambda each: ORDER.index(each.verdict)):
        name = Text(display_name(instance, each.option)).append(f" · {each.kind}", style="dim")
        verdict = Text(each.verdict, style=STYLES.get(each.verdict, ""))
        ends = (_end(each.least, "≥"), _size(each.cheapest), _end(each.greatest, "≤"))
        shown.add_row(name, verdict, *ends)
    return shown


def _end(end: RangeEnd, sign: str) -> str:
    """The size that a plan has; where that is not proven to be the end, what no plan goes beyond as well."""
    if end.proven:
        return _size(end.size)
    bound = si(end.bound) if math.isfinite(end.bound) else "?"
    return f"{_size(end.size)} ({sign} {bound})"


def _size(size: float) -> str:
    return si(size) if size > 0 else NOTHING


def _plans(instance: Instance, found: Alternatives) -> Table:
    """A column a plan: cost, outlay, and the size of every option that some of them buys."""
    results = [found.cheapest, *(each.result for each in found.plans)]
    caption = (
        "Distance to the nearest plan further left: 1 for each option that one of the two lacks and the other buys "
    )
    caption += "as much of as any. Each plan is put to every shock and audited; those with letters are as cheap as "
    caption += "their sizes and openings allow."
    shown, is_marked = table("Plans that differ", caption=caption, expand=True), False
    shown.add_column("", ratio=3, overflow="fold")
    for i in range(len(results)):
        shown.add_column("Cheapest" if i == 0 else chr(ord("A") + i - 1), justify="right", no_wrap=True)
    shown.add_row(f"Total cost, {instance.money}", *(si(each.total_cost, digits=4) for each in results))
    shown.add_row("  more than the cheapest", *(_more(each, found.cheapest) for each in results))
    shown.add_row(f"Outlay, {instance.money}", *(si(each.outlay) for each in results))
    shown.add_row("Shocks survived", *(_survived(each) for each in results))
    if found.cheapest.status == "gap":
        shown.add_row(f"Survival gap, {instance.money}", *(si(each.survival_gap) for each in results))
    shown.add_row("Distance", NOTHING, *(f"{each.distance:.1f}" for each in found.plans), end_section=True)
    for each in sorted(found.ranges, key=lambda each: ORDER.index(each.verdict)):
        cells = _sizes(instance, each, results)
        if cells:
            shown.add_row(display_name(instance, each.option), *cells)
            is_marked = is_marked or any(cell.startswith(ALONE) for cell in cells)
    shown.caption = f"{caption} {ALONE}bought by one plan only." if is_marked else caption
    return shown


def _more(result: Result, cheapest: Result) -> str:
    return NOTHING if result is cheapest else signed(result.total_cost - cheapest.total_cost)


def _survived(result: Result) -> str:
    return f"{sum(shock.survives for shock in result.shocks)} of {len(result.shocks)}"


def _sizes(instance: Instance, each: SizeRange, results: Sequence[Result]) -> list[str]:
    """What each plan buys of an option; nothing where none buys it."""
    sizes = [size if (size := _bought(instance, each.option, result)) > each.dust else 0.0 for result in results]
    is_alone = sum(size > 0 for size in sizes) == 1
    return [f"{ALONE if is_alone and size > 0 else ''}{_size(size)}" for size in sizes] if any(sizes) else []


def _bought(instance: Instance, option: str, result: Result) -> float:
    if option in instance.stocks:
        return sum(result.plan.fills.get(option, ()))
    return sum(build.size for build in result.plan.builds if build.option == option)
