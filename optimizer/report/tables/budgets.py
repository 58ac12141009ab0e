"""Tables and sentences on the budgets of a comparison: least outlays, what more money buys, breakpoints."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf

from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import but_samples, display_name, entry_of, size_text
from optimizer.instance.schema import Instance
from optimizer.report.format import (
    DASH,
    cost_with_gaps,
    list_names,
    list_texts,
    plural,
)
from optimizer.report.narrative import (
    GAP_OF_ALL,
    GAPS_PRICED,
    NOT_A_GAP,
    difference_text,
    gap_accuracy_text,
    tolerance_text,
    under_budget,
)
from optimizer.report.provenance import PRICED_HIGHER
from optimizer.report.tables.render import CellRenderer, cross_table, screen_table
from optimizer.results.frames import FrameRow
from optimizer.results.result import Result
from optimizer.studies.comparison import (
    Breakpoint,
    BudgetStep,
    CaseLeastOutlay,
    Comparison,
    ComparisonColumn,
    Frontier,
    LoneShock,
    union,
)
from optimizer.studies.cost_tolerance import ProvenDifference, ToleranceBase
from optimizer.studies.purchases import sizes_bought
from optimizer.studies.shocks import ShockRow, shock_rows
from optimizer.tolerances import SAME_VALUE
from optimizer.units import si, si_down, si_up

# Largest number of rows of a table, and of characters of a bar.
MOST_LONE_ROWS, BAR_LENGTH = 40, 16
# From this width on, outlays are drawn as bars.
WITH_BARS = 60
# Relative change below which a size counts as unchanged; most changes of sizes named.
NOTICEABLE, MOST_CHANGED = 5e-3, 6
# A label, cells, and the outlay of the first case.
LoneLine = tuple[str | Text, Sequence[Text], float | None]


def cost_without_shocks_differs(columns: Iterable[ComparisonColumn]) -> bool:
    """Return whether columns have prices of survival that count from different costs."""
    with_price = [c.result for c in columns if c.result.price_of_survival is not None and c.result.shocks]
    known = [column.result.calm_cost for column in columns if column.result.calm_cost is not None]
    return bool(with_price) and max(known) - min(known) > SAME_VALUE * max(map(abs, known))


def least_outlay_part(comparison: Comparison) -> Table | Text | None:
    """Return the least outlay that survives everything, as a sentence or a table of cases; None if not computed."""
    if not comparison.least:
        return None
    instance = next(iter(comparison.cases.values()))
    if len(comparison.cases) == 1:
        return Text(_least_outlay_sentence(comparison, comparison.least[0]), style="bold")

    def outlay(row: FrameRow) -> str | Text:
        if row["outlay"] is not None:
            return si_up(row["outlay"], digits=6)
        return Text("not known", style="yellow") if row["status"] == "stopped" else Text("none is enough", "bold red")

    frame = comparison.frames.frame("least_outlay")
    return screen_table(
        instance,
        frame,
        title=f"{frame.title}{but_samples(*comparison.cases.values())}",
        heads={"case": ""},
        cells={"outlay": outlay, "bound": lambda row: _proven_bound(row["bound"])},
    )


def _least_outlay_sentence(comparison: Comparison, found: CaseLeastOutlay) -> str:
    instance = comparison.cases[found.case]
    money, but = instance.money, but_samples(instance)
    if found.outlay is None and found.status == "stopped":
        least = f"{_proven_bound(found.bound)} {money}"
        known = f"is not known: the search was stopped; it is {least} or more."
        return f"The least outlay that survives everything{but} {known}"
    if found.outlay is None:
        words = no_outlay_words(instance, "shock")
        return f"{words[:1].upper()}{words[1:]}."
    proven = " (not proven: it may be less)"
    which, does = f" that survives everything{but}", "does so" if but else "keeps every floor"
    if not (instance.events or instance.rule_paths):
        which, does = "", "keeps every rule"
    if found.status == "optimal":
        proven = f" (proven: no plan {does} for less than {_proven_bound(found.bound or 0.0)} {money})"
    # Rounded up, so that the printed amount is sufficient.
    text = f"The least outlay{which} is {si_up(found.outlay, money, 6)}{proven * (found.outlay > 0)}."
    if found.result is None:
        return text
    cost = si(found.result.total_cost, money, 4)
    return f"{text} The cheapest plan with that outlay costs {cost} in all, present value."


def has_annual_budget(instance: Instance) -> bool:
    """Return whether the instance, or one of its futures, limits the outlay of single years."""
    return any(future.instance.policy.annual_budget is not None for future in instance.tree.futures)


def no_outlay_words(instance: Instance, cause: str) -> str:
    """Describe that no outlay keeps every floor; `cause` names what makes a floor fail, such as ``shock``."""
    if has_annual_budget(instance):
        return f"no outlay within the annual budget is enough: some floor fails in some {cause}"
    return f"no outlay is enough: whatever is spent, some floor fails in some {cause}"


def _proven_bound(value: float | None) -> str:
    """Return a lower bound to six digits, rounded down so that the printed amount is proven."""
    return "–" if value is None else si_down(value, digits=6)


def lone_shocks_table(comparison: Comparison, width: int, *, every: bool = False) -> Table | None:
    """Build the table of the least outlay for each shock alone, one column a case, the costliest shock first.

    A family or an ensemble is one row with its costliest shock, unless `every` shock has its own row.
    """
    if not any(comparison.alone.values()):
        return None
    cases = list(comparison.alone)
    instance = comparison.cases[cases[0]]
    rows = shock_rows(
        instance, union({each.shock: each for each in shocks} for shocks in comparison.alone.values()), every=every
    )
    together = _line_together(comparison)
    lines = [*_lone_lines(comparison, rows[:MOST_LONE_ROWS]), *together]
    heads = ["Least outlay"] if len(cases) == 1 else cases
    if len(cases) == 1 and width >= WITH_BARS:
        heads, lines = [*heads, ""], _with_bars(lines)
    shown: list[tuple[str | Text, Sequence[Text]] | None] = [(label, cells) for label, cells, _ in lines]
    if together:
        shown.insert(-1, None)
    return cross_table(
        f"Least outlay for each shock alone, {instance.money}",
        "Shock",
        heads,
        shown,
        caption=_lone_caption(rows, comparison),
        labels={"max_width": 36},
        layout={"max_width": 16},
        layouts={"": {"no_wrap": True}},
    )


def _lone_lines(comparison: Comparison, rows: Sequence[ShockRow]) -> list[LoneLine]:
    """Return a line for each row of shocks, with the outlay of its costliest shock in each case."""
    by_case = [{each.shock: each for each in shocks} for shocks in comparison.alone.values()]
    lines, instances = list[LoneLine](), comparison.cases.values()
    for row in rows:
        costliest = [_costliest(row, known) for known in by_case]
        every = max(sum(entry_of(case, event) == row.name for event in case.events) for case in instances)
        lines.append(
            (
                _lone_title(row, costliest, every),
                [*map(_lone_cell, costliest)],
                costliest[0].outlay if costliest[0] else None,
            )
        )
    return lines


def _line_together(comparison: Comparison) -> list[LoneLine]:
    """Return the line of the least outlay for all shocks; an empty list if it is not known in any case."""
    cases = list(comparison.alone)
    together = {each.case: each.outlay for each in comparison.least if each.outlay is not None and each.case in cases}
    if not together:
        return []
    amounts = [Text(_lone_amount(together.get(case)), style="bold") for case in cases]
    whole = "all that are required" if but_samples(*comparison.cases.values()) else "all of them"
    return [(Text(whole, style="bold"), amounts, together.get(cases[0]))]


def _lone_title(row: ShockRow, costliest: Sequence[LoneShock | None], every: int) -> str:
    """Return the name of a row's first shock, which is its costliest one if any outlay in the row is known.

    `every` is the number of shocks of its entry, solved or not.
    """
    is_known = any(each is not None and each.rank >= 0 for each in costliest)
    count = f"{len(row.shocks):,} solved, of {every:,}" if every > len(row.shocks) else f"{len(row.shocks):,}"
    return row.shocks[0] + (f"\n{'costliest' if is_known else 'one'} of {count}" if row.is_many else "")


def _with_bars(lines: Sequence[LoneLine]) -> list[LoneLine]:
    """Add a bar to each line in proportion to its outlay; the longest bar has `BAR_LENGTH` characters."""
    largest = max(outlay or 0.0 for *_, outlay in lines) or inf
    bars = [Text("█" * round(BAR_LENGTH * (outlay or 0.0) / largest), style="cyan") for *_, outlay in lines]
    return [(label, [*cells, bar], outlay) for (label, cells, outlay), bar in zip(lines, bars, strict=True)]


def _costliest(row: ShockRow, known: Mapping[str, LoneShock]) -> LoneShock | None:
    """Return the shock of a row with the highest rank, as "stopped" if another one is; None if none is in `known`."""
    found = [known[name] for name in row.shocks if name in known]
    costliest = max(found, key=lambda each: each.rank, default=None)
    if costliest is None or costliest.status != "optimal" or all(each.status != "stopped" for each in found):
        return costliest
    return replace(costliest, status="stopped")


def _lone_caption(rows: Sequence[ShockRow], comparison: Comparison) -> str:
    is_annual = any(map(has_annual_budget, comparison.cases.values()))
    limits = "within the annual budget alone" if is_annual else "without a budget"
    said = f"Outlay if this were the only shock, {limits}, rounded up; one purchase may serve several shocks."
    said += _solved_sentence(comparison)
    said += " A family or an ensemble is one row; --all lists each shock." * any(row.is_many for row in rows)
    is_stopped = any(each.status == "stopped" for shocks in comparison.alone.values() for each in shocks)
    said += " ?: not known or not proven, since the search was stopped." if is_stopped else ""
    left = sum(len(row.shocks) for row in rows[MOST_LONE_ROWS:])
    what = f" {plural(left, 'more shock')} {'' if is_stopped else 'cost less and '}are not shown."
    return said + what * (left > 0)


def _solved_sentence(comparison: Comparison) -> str:
    every = max(len(case.events) for case in comparison.cases.values())
    solved = max(map(len, comparison.alone.values()))
    said = f" Solved are the {solved:,} of {every:,} shocks with the largest gaps where nothing is bought."
    return said * (solved < every)


def _lone_cell(found: LoneShock | None) -> Text:
    if found is None:
        return Text("–", style="dim")
    if found.outlay is None:
        return Text("?", "yellow") if found.status == "stopped" else Text("none is enough", style="bold red")
    mark = " ?" if found.status == "stopped" else ""
    return Text(_lone_amount(found.outlay) + mark)


def _lone_amount(outlay: float | None) -> str:
    """Return an outlay to four digits, alike for one shock and for all: else one could read costlier than all."""
    return DASH if outlay is None else "0" if outlay < 0.5 else si_up(outlay, digits=4)


def budget_steps_table(comparison: Comparison) -> Table | None:
    """Build the table of what the next amount of money buys at each budget; None if it was not computed."""
    if not comparison.steps:
        return None
    instance = next(iter(comparison.cases.values()))
    more = si(comparison.steps[0].more, instance.money, 4)
    text = f"Gap of all shocks and total cost: change from the plan of the budget to that of {more} more; {DASH}: no "
    text += "proven change. Gap of the worst shock: in the one plan and in the other. "
    text += gap_definition(comparison.columns) + accuracy_sentence(comparison)

    def if_known(write: Callable[[BudgetStep], str]) -> CellRenderer:
        """Return a writer of cells: a dash for a step that changes nothing, ``?`` for a step that is not known."""
        return lambda row: "?" if not row.item.is_known else DASH if row.item.is_nothing else write(row.item)

    return screen_table(
        instance,
        comparison.frames.frame("steps"),
        title=f"What the next {more} buys",
        caption=text,
        heads={"case": "", "gap": f"Gap of\nall shocks,\n{instance.money}"},
        cells={
            "gap": if_known(lambda step: difference_text(step.gap)),
            "survived_before": lambda row: _survival_change(row.item),
            "cost": if_known(lambda step: difference_text(step.cost)),
        },
        hidden=() if len(comparison.cases) > 1 else ("case",),
        more={
            f"Gap of the\nworst shock,\n{instance.money}": if_known(_worst_gaps),
            "Bought": lambda row: _step_builds(comparison.cases[row.item.case], row.item),
        },
        wide={"case": 1, "Bought": 3},
        expand=True,
    )


def accuracy_sentence(comparison: Comparison, columns: Sequence[ComparisonColumn] = ()) -> str:
    """Return the sentence on the accuracy of costs and gaps in some columns or in all, stopped ones excepted."""
    settled = [column for column in columns or comparison.columns if column.result.status != "stopped"]
    costs = tolerance_text(_tolerance_bases(comparison, settled), next(iter(comparison.cases.values())).money)
    priced = _priced_words(column.result for column in settled)
    proven = [f"costs within {costs} of the least{priced}"] if costs else []
    if any(column.result.survival_gap > 0 and not column.result.has_priced_gaps for column in settled):
        proven.append(f"survival gaps within {gap_accuracy_text(comparison.accuracy)}")
    return f"Proven: {' and '.join(proven)}." if proven else ""


def _priced_words(results: Iterable[Result]) -> str:
    """Return that costs are proven with the gaps that are left at their price; empty if none is left that has one."""
    return f", {GAPS_PRICED}" if any(cost_with_gaps(result) is not None for result in results) else ""


def _tolerance_bases(comparison: Comparison, columns: Sequence[ComparisonColumn]) -> list[ToleranceBase]:
    cases = {column.case for column in columns}
    return [base for case, base in comparison.tolerance_bases.items() if case in cases]


def gap_definition(columns: Sequence[ComparisonColumn]) -> str:
    """Return the definition of the gap of all shocks, with a trailing space; empty if no column has several shocks."""
    if all(len(column.result.shocks) <= 1 for column in columns):
        return ""
    return f"{GAP_OF_ALL}: the sum over shocks that are alternatives, {NOT_A_GAP}. "


def summed_gaps_note(results: Sequence[Result], money: str) -> str:
    """Return what a sum of gaps over several shocks is not, and the largest gap of one; empty if no plan has one."""
    worst, is_sum = max(each.worst_gap for each in results), any(len(each.shocks) > 1 for each in results)
    known = f"The sum of survival gaps over shocks is {NOT_A_GAP}; the largest gap of one shock"
    return f"{known} is {si(worst, money)}." if is_sum and worst > 0 else ""


def _worst_gaps(step: BudgetStep) -> str:
    before, after = si(step.before.worst_gap), si(step.after.worst_gap)
    return before if before == after else f"{before} → {after}"


def _survival_change(step: BudgetStep) -> str:
    if not step.is_known:
        return "?"
    before, after, count = len(step.before.shocks_survived), len(step.after.shocks_survived), len(step.after.shocks)
    if step.is_nothing and step.before.shocks_survived != step.after.shocks_survived:
        return DASH
    return f"{before:,} → {after:,}" if after != before else f"{after:,} of {count:,}" if count else "no shocks"


def _step_builds(instance: Instance, step: BudgetStep) -> str | Text:
    """Describe the noticeable changes of sizes in a step, and the shocks that only the smaller budget survives."""
    if not step.is_known:
        return Text("not known: the search was stopped", style="yellow")
    if step.is_nothing:
        return Text("nothing", style="dim")
    before, after = sizes_bought(step.before), sizes_bought(step.after)
    parts = [
        f"{display_name(instance, o)} {'+' if (o in after, more) > (o in before, 0.0) else '−'}"
        f"{size_text(instance, o, abs(more))}"
        for o, more in step.changes.items()
        if (o in before) != (o in after) or abs(more) > NOTICEABLE * max(before.get(o, 0.0), after.get(o, 0.0))
    ]
    lost = lost_shocks(step.before, step.after)
    said = list_texts(parts, MOST_CHANGED) or "the same, at other times"
    lower = "a lower cost with gaps at their price" if step.after.has_priced_gaps else "a smaller sum of gaps"
    return said + (f"; no longer survives {list_names(list(lost), 3)}, for {lower}" if lost else "")


def breakpoints_table(comparison: Comparison) -> Table | Text:
    """Build the table of budgets at which the options bought or the shocks survived change; a sentence if none do."""
    if not comparison.changes:
        same = "Whatever the budget, the same options are bought and the same shocks are survived."
        unknown = "At which budgets the plan changes is not known: the search was stopped."
        return Text(same if comparison.is_whole else unknown)
    instance = next(iter(comparison.cases.values()))
    text = f"Found by bisection to {si(comparison.resolution or 0.0, instance.money)}"
    text += "" if comparison.is_whole else ", where the two budgets are no further apart"
    text += "; budgets whose search was stopped are left out" if comparison.stopped else ""
    text += "; what comes and goes between two budgets that were solved is not seen. "
    text += f"Plans that are as good as each other may buy other options. {accuracy_sentence(comparison)}"
    return screen_table(
        instance,
        comparison.frames.frame("breakpoints"),
        caption=text,
        heads={"case": "", "above": f"Budget, {instance.money}", "added": "Bought"},
        cells={
            "above": lambda row: f"{si_down(row['above'], digits=4)} – {si_up(row['at'], digits=4)}",
            "added": lambda row: _builds_changed(comparison, row.item),
            "survived": lambda row: _shocks_changed(row.item, instance.money),
        },
        hidden=() if len(comparison.cases) > 1 else ("case",),
        wide={"case": 1, "added": 3, "survived": 3},
        expand=True,
    )


def _builds_changed(comparison: Comparison, change: Breakpoint) -> str:
    instance, parts = comparison.cases[change.case], change.parts
    builds = [f"+ {display_name(instance, o)}" for o in parts["added"]]
    return ", ".join([*builds, *(f"− {display_name(instance, o)}" for o in parts["dropped"])]) or "–"


def _shocks_changed(change: Breakpoint, money: str) -> str:
    kept, lost = change.parts["survived"], change.parts["lost"]
    text = ", ".join([*(f"✓ {name}" for name in kept), *(f"✗ {name}" for name in lost)]) or "–"
    return f"{text} ({why_lost(change.before, change.after, money)})" if lost else text


# Sentences on the plans of several budgets.


def baseline_words(found: Frontier, money: str) -> str:
    """Return the sentence that names the no-shock plan from which costs are counted; empty if its cost is not known."""
    budget, cost = found.baseline["budget"], found.baseline["total_cost"]
    if cost is None:
        return ""
    plan = f"the no-shock plan {under_budget(budget, money)}, which costs {si(cost, money, 4)}"
    return f"Costs count from one baseline for all budgets: {plan}."


def proven_words(found: Frontier, money: str) -> str:
    """Return the sentence on how exactly costs of other budgets are proven; empty without any, or after a stop."""
    proven = "" if found.stopped or len(found.points) == 1 else tolerance_words(found, money)
    return f"Plans of other budgets are proven: their costs are the least within {proven}." if proven else ""


def given_up_words(found: Frontier) -> str:
    """Return why plans fail whose budget is enough to keep every floor; empty if there are none."""
    enough = [p.result for p in found.points if p.budget is not None and p.budget >= (found.least_outlay or inf)]
    fail = any(result.has_priced_gaps and result.survival_gap > 0 for result in enough)
    return f"A plan that fails although its budget is enough leaves a gap because to close it {PRICED_HIGHER}." * fail


def tolerance_words(found: Frontier, money: str) -> str:
    """Return the amount to which costs of other budgets are proven, with gaps at their price; empty if not known."""
    if found.tolerance_base is None:
        return ""
    priced = _priced_words(point.result for point in found.points)
    return f"{tolerance_text([found.tolerance_base], money)}{priced}"


def tolerance_note(found: Frontier, money: str) -> str:
    """Return the sentences on the tolerance of the costs of other budgets, with its terms; empty if it is not known."""
    if found.tolerance_base is None:
        return ""
    note = f"Costs of plans of other budgets are proven to {tolerance_words(found, money)}."
    if (kind := found.tolerance_base.kind).startswith("price"):
        note += f" The {kind} counts from the cheapest plan of a world without shocks."
    is_priced = GAPS_PRICED in note
    return f"{note} The price of a gap is gap_price of the file, times its shortage cost." if is_priced else note


def lost_shocks(before: Result, after: Result) -> tuple[str, ...]:
    """Return the shocks that a plan survives and that of a larger budget fails; an attack must be listed for both."""
    lost = {outcome.name for outcome in after.shocks if not outcome.survives}
    return tuple(name for name in before.shocks_survived if name in lost)


def why_lost(before: Result, after: Result, money: str) -> str:
    """Return why a larger budget survives less: the sum of all gaps decides, or cost and priced gaps together."""
    if after.has_priced_gaps:
        return "cost and gaps at their price decide together"
    gap = ProvenDifference.of_gaps(before, after)
    if gap.is_proven:
        return f"the sum of gaps over all shocks decides, and falls by {si(-gap.value, money)}"
    return f"the sum of gaps over all shocks decides; it is {si(after.survival_gap, money)}: no proven change"


def lost_shock_sentences(results: Sequence[tuple[str, Result]], money: str) -> list[str]:
    """Return a sentence for each plan that loses shocks; `results` are texts and plans of increasing budgets."""
    said = []
    for (less, before), (more, after) in pairwise(results):
        names = lost_shocks(before, after)
        if names and after.baseline is not None:
            which = f"{list_names(names, 3)} {'is' if len(names) == 1 else 'are'} no longer survived"
            said.append(f"With {more}, {which}, unlike with {less}: {why_lost(before, after, money)}.")
    return said


def note_on_attacks(result: Result, others: Sequence[object]) -> str:
    """Return the note on which attacks count as shocks; empty without `others` to compare or without an adversary."""
    if not others or result.adversary is None:
        return ""
    listed = "Of the adversary's attacks, those found for each plan and those that break it are its shocks"
    return f"{listed}; in gaps only the worst at each start counts."


def bound_text(base: ToleranceBase | None, result: Result) -> str:
    """Return the proven bound of a cost that is not proven to the tolerance, such as ``≥ 41.2M``; else empty.

    If gaps have a price, the bound is that of cost and priced gaps together.
    """
    is_least = result.baseline is not None and (result.survival_gap <= 0 or result.has_priced_gaps)
    if base is None or not is_least or base.is_proven(result):
        return ""
    if result.bound is None:
        return "no bound"
    return f"≥ {si_down(result.priced_bound, digits=4)}{' with gaps' if result.survival_gap > 0 else ''}"
