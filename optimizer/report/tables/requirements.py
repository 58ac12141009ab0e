"""Tables of stockpile requirements on the screen; the page and the workbook use the same sentences and frames."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import RenderableType

from optimizer.instance.derived import but_samples, display_name
from optimizer.report.format import between, plural, shock_title
from optimizer.report.tables.plan import answer_panel
from optimizer.report.tables.render import closing_lines, screen_table
from optimizer.results.frames import Frame, FrameRow
from optimizer.results.result import Result
from optimizer.studies.requirements_frames import AUSTERITY_NOTE, LIMIT_NOTE, MATERIALS_NOTE, held_stocks
from optimizer.studies.requirements_result import Requirements
from optimizer.tolerances import SAME_VALUE
from optimizer.units import si

# From this width on, tables have more of their columns.
WIDTH_WITH_ALL = 110
COUNTED = (
    "shortfall: demand below the floors with stocks of today drawn and nothing bought; to hold: the cheapest stocks "
    "where nothing else is bought"
)
# Columns that are left out on a narrower screen, by frame.
NARROW: Mapping[str, tuple[str, ...]] = {"materials": ("held",), "needs": ("demand",), "holdings": ("buy",)}
# Column heads on a narrower screen; "{money}" stands for the currency.
NARROW_HEADS: Mapping[str, str] = {"shortfall": "Short-\nfall\nt", "holding_per_year": "To hold\nit, a\nyear\n{money}"}


def requirements_parts(found: Requirements, width: int) -> list[RenderableType]:
    """Return the answer and the tables: needs by material and segment, holdings, partial funding, other cases."""
    facts = list(requirement_facts(found))
    style = "green" if found.stocks.survives else "red"
    parts: list[RenderableType] = [answer_panel(found.instance.title, requirement_headline(found), facts, style)]
    names = ["materials", "needs", "holdings", *["funding"] * bool(found.funding), *["cases"] * bool(found.cases)]
    parts += [_frame_table(found, name, width) for name in names if len(found.frames.frame(name))]
    return [*parts, *closing_lines(found.notes)]


def _frame_table(found: Requirements, name: str, width: int) -> RenderableType:
    is_narrow, money = width < WIDTH_WITH_ALL, found.instance.money
    hidden = NARROW.get(name, ()) if is_narrow else ()
    heads = {key: head.format(money=money) for key, head in NARROW_HEADS.items()} if is_narrow else {}
    hold = {"hold": lambda row: "no option" if row["hold"] is None else si(row["hold"])}
    cells = hold if name == "materials" else {}
    frame: Frame = found.frames.frame(name)
    note = frame.note.removesuffix(AUSTERITY_NOTE).removesuffix(MATERIALS_NOTE).removesuffix(LIMIT_NOTE)
    caption = replace(frame, note=note).whole_note
    return screen_table(found.instance, frame, caption=caption, hidden=hidden, heads=heads, cells=cells)


def requirement_headline(found: Requirements) -> str:
    """Return the sentence on how many materials fall short and on the worst of them by value."""
    rows = list(found.frames.frame("materials").rows())
    needed = [row for row in rows if row["shortfall"] is not None]
    short = [row for row in needed if row["shortfall"] > 0]
    if not short:
        kept = f"every floor of {plural(len(needed), 'material')} is kept{but_samples(found.instance)}"
        return f"Nothing falls short: with nothing bought, {kept}."
    worst = max(short, key=lambda row: row["gap"])
    name, shock = display_name(found.instance, worst["material"]), shock_title(found.instance, worst["worst_shock"])
    verb = "falls" if len(short) == 1 else "fall"
    return (
        f"With nothing bought, {len(short)} of {plural(len(needed), 'material')} that segments use {verb} short; the "
        f"worst by value is {name}: {si(worst['shortfall'], 't')} below the floors in {shock}."
    )


def requirement_facts(found: Requirements) -> Iterator[tuple[str, str]]:
    """Yield the parts of the answer, a label and a text each."""
    money = found.instance.money
    nothing = found.nothing
    failed = sum(outcome.fails for outcome in nothing.shocks)
    worst = f"{', the worst of them' if failed > 1 else ','} with a survival gap of {si(nothing.worst_gap, money)}"
    shocks = plural(len(nothing.shocks), "shock")
    yield "Shortfall", f"in {failed:,} of {shocks} with nothing bought{_may_fail_text(nothing)}{worst * (failed > 0)}"
    if held := held_stocks(found):
        yield "To hold", _held_words(found, held)
    if missing := _materials_without_option(found):
        yield "No option", f"the file has no option to hold: {'; '.join(missing)}"
    if half := next((step for step in found.funding if step.share == 0.5), None):
        yield "In part", f"half of the money, {si(half.money, money)}, leaves {_gap_left_text(half.result, money)}"
    yield "With the plan", _plan_text(found, money)
    if said := _range_of_cases(found, money):
        yield "Other conflicts", said
    yield "Method", COUNTED


def _held_words(found: Requirements, held: Sequence[Mapping[str, Any]]) -> str:
    """Describe the stocks bought, their outlay and holding cost, and the shortfall that remains."""
    money, bought = found.instance.money, sum(row["first"] is not None for row in held)
    spent, yearly = (math.fsum(row[name] for row in held) for name in ("spent", "holding_per_year"))
    return (
        f"{plural(bought, 'stock')} to buy for {si(spent, money)}, undiscounted; all that is held costs "
        f"{si(yearly, money)} a year. That leaves {_gap_left_text(found.stocks, money)}"
    )


def _gap_left_text(result: Result, money: str) -> str:
    """Describe the shocks and the survival gap that a plan with the least gap leaves, between proven bounds."""
    return _shocks_short(result, between(min(result.gap_bound or 0.0, result.survival_gap), result.survival_gap, money))


def _may_fail_text(result: Result) -> str:
    """Return how many samples fall short that may fail and therefore do not count; empty if there are none."""
    excused = sum(outcome.excused for outcome in result.shocks)
    return f", beside {plural(excused, 'sample')} that may fail" if excused else ""


def _shocks_short(result: Result, gap: str) -> str:
    """Describe how many shocks fall short, and their gap: of several a sum, which cannot occur."""
    failed = sum(outcome.fails for outcome in result.shocks)
    over = " summed over them; a measure for comparing plans, not a gap that can occur" if failed > 1 else ""
    short = f"{plural(failed, 'shock')} short, a survival gap of {gap}{over}" if failed else "no shortfall"
    return f"{short}{_may_fail_text(result)}"


def _materials_without_option(found: Requirements) -> list[str]:
    rows = found.frames.frame("materials").rows()
    return [display_name(found.instance, row["material"]) for row in rows if row["hold"] is None and row["shortfall"]]


def _plan_text(found: Requirements, money: str) -> str:
    """Describe the shortfall that the plan of `found.result` leaves."""
    result = found.result
    if result.baseline is None:
        return "there is none"
    left = _shocks_short(result, si(result.survival_gap, money))
    return f"an outlay of {si(result.outlay, money)} on stocks and everything else leaves {left}"


def _range_of_cases(found: Requirements, money: str) -> str:
    """Return the ranges, over the other cases, of the costs of stocks, each end with its case, and of the gaps left.

    Empty without other cases, or if the instance has no stocks.
    """
    rows = [row for row in found.frames.frame("cases").rows() if row["spent"] is not None][1:]
    if not rows or not found.alone.stocks:
        return ""
    least, most = (pick(row["spent"] for row in rows) for pick in (min, max))
    cost = f"from {_cost_of_cases(rows, least, money)} to {_cost_of_cases(rows, most, money)}"
    cost = si(most, money) if most - least <= SAME_VALUE * most else cost
    gap = between(min(row["gap_left_low"] for row in rows), max(row["gap_left"] for row in rows), money)
    return f"in {plural(len(rows), 'other case')} stocks cost {cost} and leave a survival gap of {gap}"


def _cost_of_cases(rows: Sequence[FrameRow], spent: float, money: str) -> str:
    """Return a cost of stocks with the case that has it, or with the number of these cases."""
    those = [row["case"] for row in rows if abs(row["spent"] - spent) <= SAME_VALUE * spent]
    return f"{si(spent, money)} ({those[0] if len(those) == 1 else f'in {len(those)} cases'})"


def requirements_answer(found: Requirements) -> list[tuple[str, str]]:
    """Return the answer as rows of a label and a text, for workbooks."""
    return [("Answer", requirement_headline(found)), *requirement_facts(found)]


def funding_curve(found: Requirements) -> Mapping[str, Any]:
    """Return the data of the figure of funding: amounts of money, and for each the shares of shortfall and gap left.

    Keys are ``money`` and ``gap``, lists, and ``left``, a list for each material that falls short without money.
    """
    rows = list(found.frames.frame("funding").rows())
    first = rows[0]
    known = [c for c in first if c in found.instance.commodities and first[c] > 0]
    return {
        "money": [row["money"] for row in rows],
        "left": {c: [row[c] / first[c] for row in rows] for c in known},
        "gap": [row["gap"] / first["gap"] if first["gap"] > 0 else 0.0 for row in rows],
    }
