"""Tables of near-optimal alternatives (MGA): the size range of every option, and the plans side by side."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import but_samples, display_name, size_unit
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.format import DASH, plural, share_text
from optimizer.report.narrative import GAPS_PRICED, base_name
from optimizer.report.tables.plan import plan_tables
from optimizer.report.tables.render import VERDICT_WORDS, closing_lines, cross_table, screen_table
from optimizer.results.frames import FrameRow
from optimizer.results.result import Result
from optimizer.studies.alternatives_result import OPTION_VERDICTS, SAME_PLAN, Alternatives, RangeEnd, SizeRange
from optimizer.studies.purchases import sizes_bought
from optimizer.tolerances import FINEST_SHARE
from optimizer.units import fixed, short, si, si_down, si_up, signed_amount

VERDICT_STYLES = {"must-have": "bold green", "never worth it": "dim", "not settled": "yellow"}
# Shown where the search found no other plan, which does not prove that none exists.
NO_OTHER_PLAN = f"No plan was found at a distance of {SAME_PLAN:g} or more from the cheapest"
# Mark of a size in the table of plans if only one of the plans buys the option.
ONLY_HERE = "● "
OPENED_NOTE = "0: opened at size 0, for another option that requires it."


def alternatives_parts(found: Alternatives, width: int) -> list[RenderableType]:
    """Return the headline, the size ranges and the most different plans; without any plan, the tables of `solve`."""
    if found.cheapest.baseline is None:
        return plan_tables(found.cheapest, width)
    instance, parts = instance_of(found.cheapest), list[RenderableType]()
    parts.append(Text(_headline(instance, found), style="bold"))
    if found.ranges:
        parts.append(_ranges_table(instance, found))
    if found.plans:
        parts.append(_plans_table(instance, found))
    elif found.ranges and found.plans_sought and found.status in ("proven", "bounded"):
        parts.append(
            Text(f"{NO_OTHER_PLAN} (1: an option that one of the two lacks and the other buys as much of as any).")
        )
    return [*parts, *closing_lines(found.notes, stopped=found.status == "stopped")]


def _headline(instance: Instance, found: Alternatives) -> str:
    result = found.cheapest
    if not found.ranges and found.status != "stopped":
        return f"{instance.title}: there is no option to choose from, so no other plan."
    if not found.ranges:
        return f"{instance.title}: stopped before the cheapest plan was proven; nothing is known of other plans."
    what = "the least cost" if result.status == "survives" else "the least cost of the least gap"
    what = "the least" if result.has_priced_gaps else what
    cost = si(result.priced_cost, instance.money, digits=4)
    priced = f", {GAPS_PRICED}," if result.has_priced_gaps else ""
    options = plural(len(found.ranges), "option")
    return (
        f"{instance.title}: of {options} {_verdict_counts(found)}, among plans that cost{priced} "
        f"up to {si(found.extra_cost, instance.money)} more than {what} ({cost}{_proven_cost(instance, found)}), "
        f"{short(100 * found.within)} % of {base_name(found.tolerance_base)}."
    )


def _verdict_counts(found: Alternatives) -> str:
    """Return the number of options with each verdict, as the middle of a sentence."""
    counts = {name: sum(each.verdict == name for each in found.ranges) for name in OPTION_VERDICTS}
    named = [(count, VERDICT_WORDS[name]) for name, count in counts.items() if count]
    said = [f"{count} {name}" for count, name in named]
    first, what = named[0]
    return ", ".join([f"{first} {'is' if first == 1 else 'are'} {what}", *said[1:]])


def _proven_cost(instance: Instance, found: Alternatives) -> str:
    """Return how exactly the least cost is proven, as a phrase that follows the cost."""
    result = found.cheapest
    if result.bound is None:
        return ", not proven"
    near = result.total_cost - result.bound
    is_all = near <= FINEST_SHARE * abs(result.total_cost)
    return ", proven" if is_all else f", proven to {si_up(near, instance.money, 2)}"


def _ranges_table(instance: Instance, found: Alternatives) -> Table:
    is_open = any(not each.proven for each in found.ranges)
    caption = f"Over all plans within the tolerance{condition_on_plans(instance, found.cheapest)}. "
    caption += f"Proven to {share_text(found.size_accuracy)} of the option's largest size"
    caption += ", but for those with ≥ or ≤: no plan goes beyond the second number.\n" if is_open else ".\n"
    if any(each.verdict == "never worth it" for each in found.ranges):
        caption += (
            "In no plan: it costs more than the tolerance pays for, or the budget or another rule rules it out.\n"
        )
    caption += f"{_size_units(instance, found)}. "
    caption += "A plan may buy more than it needs, as far as the tolerance pays for it."
    in_cheapest = sizes_bought(found.cheapest)
    in_some = {each.option for each in found.ranges if each.verdict in ("must-have", "real choice")}
    if any(each.verdict == "must-have" and each.least.size <= 0 for each in found.ranges):
        caption += f" {OPENED_NOTE}"

    def option(row: FrameRow) -> Text:
        return Text(display_name(instance, row["option"])).append(f" · {row['kind']}", style="dim")

    return screen_table(
        instance,
        found.frames.frame("ranges"),
        caption=caption,
        heads={"option": "Option, lever", "verdict": "Bought"},
        cells={
            "option": option,
            "verdict": lambda row: Text(VERDICT_WORDS[row["verdict"]], style=VERDICT_STYLES.get(row["verdict"], "")),
            "least": lambda row: _end_text(row.item.least, "≥", si_down, is_bought=row["verdict"] == "must-have"),
            "cheapest": lambda row: _size_text(row["cheapest"], is_bought=row["option"] in in_cheapest),
            "greatest": lambda row: _end_text(row.item.greatest, "≤", si_up, is_bought=row["option"] in in_some),
        },
        hidden=("kind",),
        expand=True,
    )


def _size_units(instance: Instance, found: Alternatives) -> str:
    """Return the kinds of lever by unit of size: ``t/yr: refining; t bought over all years: stockpile``."""
    kinds = defaultdict[str, dict[str, None]](dict)
    for lever in (instance.options[each.option] for each in found.ranges):
        kinds[lever.labels.size_unit + " bought over all years" * lever.is_stock][lever.kind] = None
    return "; ".join(f"{unit}: {', '.join(some)}" for unit, some in kinds.items())


def condition_on_plans(instance: Instance, cheapest: Result) -> str:
    """Return the condition on plans besides the cost limit, as the end of a sentence."""
    if cheapest.has_priced_gaps:
        return ", whichever floors they keep"
    if not cheapest.survives:
        return " that leave the least gap, in whichever shocks"
    but = but_samples(instance)
    return f" that keep every floor{but}{', whichever these are' if but else ''}"


def _end_text(end: RangeEnd, sign: str, rounded: Callable[[float], str], *, is_bought: bool) -> str:
    """Return the size found; if it is not proven to be the end of the range, also the bound that no plan exceeds."""
    if end.proven:
        return _size_text(end.size, is_bought=is_bought)
    bound = f"{sign} {rounded(end.bound)}" if math.isfinite(end.bound) else "no bound"
    return f"{_size_text(end.size, is_bought=is_bought)} ({bound})"


def _size_text(size: float, *, is_bought: bool) -> str:
    """Return a size as text: a dash for an option that is not bought, 0 for one opened at size 0."""
    return si(size) if size > 0 or is_bought else DASH


def _plans_table(instance: Instance, found: Alternatives) -> Table:
    """Build the table with one column a plan: costs, outlay, and the size of every option that any plan buys."""
    results = [found.cheapest, *(each.result for each in found.plans)]
    ranges = sorted(found.ranges, key=lambda each: OPTION_VERDICTS.index(each.verdict))
    bought = [sizes_bought(result) for result in results]
    sizes = [
        (f"{display_name(instance, each.option)}, {size_unit(instance, each.option)}", _size_cells(each, bought))
        for each in ranges
    ]
    caption = (
        "Distance: to the most similar plan further left. An option that one of the two lacks counts 1 where the other "
        "buys the most of it of all plans. Each plan is put to every shock and audited; those with letters are as "
        "cheap as their sizes and openings allow."
    )
    if any(cell.startswith(ONLY_HERE) for _, cells in sizes for cell in cells):
        caption += f" {ONLY_HERE}bought by one plan only."
    heads = ["Cheapest", *(chr(ord("A") + i) for i in range(len(found.plans)))]
    rows = list[tuple[str, Sequence[str]] | None](_figures_of_plans(results, instance.money))
    rows += [("Distance", [DASH, *(fixed(each.distance, 1) for each in found.plans)]), None]
    rows += [(label, cells) for label, cells in sizes if cells]
    return cross_table("Plans that differ", "", heads, rows, caption=caption, labels={"ratio": 3},
                       layout={"no_wrap": True}, expand=True)  # fmt: skip


def _figures_of_plans(results: Sequence[Result], money: str) -> list[tuple[str, list[str]]]:
    """Return the rows of costs, outlay and shocks survived, one cell for each plan; the first plan is the cheapest."""
    cheapest, costs = results[0], [each.priced_cost for each in results]
    rows = [(f"Total cost, {money}", [si(each.total_cost, digits=4) for each in results])]
    if cheapest.has_priced_gaps:
        rows.append((f"  {GAPS_PRICED}", [si(cost, digits=4) for cost in costs]))
    rows += [
        ("  more than the cheapest", [DASH, *(signed_amount(cost - costs[0]) for cost in costs[1:])]),
        (f"Outlay, {money}", [si(each.outlay) for each in results]),
        ("Shocks survived", [f"{len(each.shocks_survived):,} of {len(each.shocks):,}" for each in results]),
    ]
    if cheapest.status == "gap":
        rows.append((f"Survival gap, {money}", [si(each.survival_gap) for each in results]))
    return rows


def _size_cells(each: SizeRange, bought: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the cells of an option, one for each plan; an empty list if no plan buys it."""
    sizes = [size if (size := plan_sizes.get(each.option, 0.0)) > each.negligible else 0.0 for plan_sizes in bought]
    is_bought = [size > 0 or plan_sizes.get(each.option) == 0 for size, plan_sizes in zip(sizes, bought, strict=True)]
    if not any(is_bought):
        return []
    mark = ONLY_HERE if sum(is_bought) == 1 else ""
    cells = zip(sizes, is_bought, strict=True)
    return [f"{mark if buys else ''}{_size_text(size, is_bought=buys)}" for size, buys in cells]
