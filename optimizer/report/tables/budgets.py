"""Exact facts about the money between the columns of a comparison.

The least outlays, what more money buys, and where the plan changes.
"""

from collections.abc import Mapping, Sequence
from math import inf

from rich.table import Table
from rich.text import Text

from optimizer.instance.derived import display_name
from optimizer.instance.schema import Instance
from optimizer.report.format import LINE, MEANING, listed, percent, plural, sized
from optimizer.report.narrative import NOTHING, bounded, changed, given_up, in_tolerance, of_gaps, why_given_up
from optimizer.report.tables.render import table
from optimizer.studies.budget_sweep import CaseLeastOutlay, LoneShock
from optimizer.studies.comparison import (
    BudgetStep,
    Comparison,
    ComparisonColumn,
    shocks_survived,
    sizes_bought,
)
from optimizer.studies.folding import Fold, folds
from optimizer.units import si, si_down, si_up

MOST, BAR = 40, 16
# A size that changes by less than this share of itself is the same.
NOTICEABLE = 5e-3


def caption(comparison: Comparison, columns: Sequence[ComparisonColumn], against: str) -> str:
    """What the marks of some columns mean, and how sure the figures are."""
    text = f"▲ more, ▼ less than in {against}, ◆ as much at other times. Worst service: {MEANING} Over all shocks: "
    text += "the cells of a row may be of different shocks and periods, with other floors. ✗ below the floor. "
    text += "Largest share: of what is made in the "
    text += "baseline, from one region abroad; ! more than "
    text += f"{percent(LINE)}. {sure(comparison, columns)}"
    if any(bounded(comparison.measures.get(column.case), column.result) for column in columns):
        text += " ≥ what is proven of a cost where that is less."
    is_stopped = any(column.result.status == "stopped" for column in columns)
    return text + (" Columns with ? were stopped before the proof." if is_stopped else "")


def least(comparison: Comparison, width: int) -> Table | Text | None:
    """The least outlay that survives everything: a sentence, or of several cases a table."""
    if not comparison.least:
        return None
    if len(comparison.cases) == 1:
        return Text(_in_words(comparison, comparison.least[0]), style="bold")
    shown = table("The least outlay that survives everything")
    shown.add_column("", overflow="fold")
    money = next(iter(comparison.cases.values())).money
    shown.add_column(f"Least outlay\n{money}", justify="right", no_wrap=True)
    shown.add_column(f"Proven: none below\n{money}", justify="right", no_wrap=True)
    shown.add_column(f"Total cost of its\ncheapest plan, {money}", justify="right", no_wrap=True)
    for each in comparison.least:
        if each.outlay is None:
            word = Text("not known", style="yellow") if each.status == "stopped" else Text("none is enough", "bold red")
            shown.add_row(each.case, word, _bound(each.bound), "–")
            continue
        cost = si(each.result.total_cost, digits=4) if each.result else "–"
        shown.add_row(each.case, _amount(each.outlay), _bound(each.bound), cost)
    return shown


def _in_words(comparison: Comparison, found: CaseLeastOutlay) -> str:
    money = comparison.cases[found.case].money
    if found.outlay is None and found.status == "stopped":
        least = f"{_bound(found.bound)} {money}"
        return f"The least outlay that survives everything is not known: the search was stopped; it is {least} or more."
    if found.outlay is None:
        return "No outlay is enough: whatever is spent, some floor fails in some shock."
    bound = found.bound or 0.0
    proven = "not proven: it may be less"
    if found.status == "optimal":
        proven = "proven: no plan keeps every floor for less than " + f"{_bound(bound)} {money}"
    text = f"The least outlay that survives everything is {_amount(found.outlay)} {money} ({proven})."
    if found.result is not None:
        text += f" The cheapest plan with it costs {si(found.result.total_cost, money, 4)} in all, present value."
    return text


def _amount(value: float | None) -> str:
    """An exact amount has more digits than others; what is shown suffices."""
    return "–" if value is None else si_up(value, digits=6)


def _bound(value: float | None) -> str:
    """What is shown is proven."""
    return "–" if value is None else si_down(value, digits=6)


def alone(comparison: Comparison, width: int, *, every: bool = False) -> Table | None:
    """What each shock takes alone, a column a case, the dearest first; of a family or an ensemble the dearest."""
    if not any(comparison.alone.values()):
        return None
    cases = list(comparison.alone)
    money = comparison.cases[cases[0]].money
    by_case: dict[str, dict[str, LoneShock]] = {
        case: {each.shock: each for each in some} for case, some in comparison.alone.items()
    }
    order = list(dict.fromkeys(shock for some in comparison.alone.values() for shock in (each.shock for each in some)))
    rows = folds(comparison.cases[cases[0]], order, every=every)
    shown = table(f"Least outlay for each shock alone, {money}", caption=_of_alone(rows))
    shown.add_column("Shock", overflow="fold", max_width=36)
    for case in cases:
        shown.add_column("Least outlay" if len(cases) == 1 else case, justify="right", overflow="fold", max_width=16)
    is_drawn = len(cases) == 1 and width >= 60
    if is_drawn:
        shown.add_column("", no_wrap=True)
    most = max((each.outlay or 0.0 for each in by_case[cases[0]].values()), default=0.0)
    together = {each.case: each for each in comparison.least if each.outlay is not None}
    if len(cases) == 1 and cases[0] in together:
        most = max(most, together[cases[0]].outlay or 0.0)
    for row in rows[:MOST]:
        dearest = [_dearest(row, by_case[case]) for case in cases]
        first = dearest[0]
        bar = _bar((first.outlay or 0.0) if first else 0.0, most)
        # Members are in the order of their outlays.
        title = row.members[0] + (f"\ndearest of {len(row.members)}" if row.is_many else "")
        shown.add_row(title, *(_cell(each) for each in dearest), *([bar] if is_drawn else []))
    if together:
        shown.add_section()
        cells = [Text(_amount(together[case].outlay) if case in together else "–", style="bold") for case in cases]
        bar = _bar(together[cases[0]].outlay or 0.0, most) if cases[0] in together else Text("")
        shown.add_row(Text("all of them", style="bold"), *cells, *([bar] if is_drawn else []))
    return shown


def _dearest(row: Fold, known: Mapping[str, LoneShock]) -> LoneShock | None:
    """Of the shocks of a row the one that takes most; one for which no outlay is enough takes more than any."""
    found = [known[name] for name in row.members if name in known]
    return max(found, key=lambda each: inf if each.outlay is None else each.outlay, default=None)


def _of_alone(rows: Sequence[Fold]) -> str:
    said = "Were it the only shock that may come, whatever the budget; money serves several at a time."
    if any(row.is_many for row in rows):
        said += " A family or an ensemble is one row; --all lists each shock."
    left = sum(len(row.members) for row in rows[MOST:])
    return said + (f" {plural(left, 'more shock')} cost less and are not shown." if left > 0 else "")


def _cell(found: LoneShock | None) -> Text:
    if found is None:
        return Text("–", style="dim")
    if found.outlay is None:
        return Text("none is enough", style="bold red")
    mark = " ?" if found.status == "stopped" else ""
    return Text(("0" if found.outlay < 0.5 else si_up(found.outlay, digits=4)) + mark)


def _bar(value: float, most: float) -> Text:
    return Text("█" * round(BAR * value / most) if most > 0 else "", style="cyan")


def steps(comparison: Comparison, width: int) -> Table | None:
    """What some more money buys at each budget."""
    if not comparison.steps:
        return None
    several, money = len(comparison.cases) > 1, next(iter(comparison.cases.values())).money
    more = si(comparison.steps[0].more, money, 4)
    text = f"Gap and total cost: change from the plan of the budget to that of {more} more; {NOTHING} is no change "
    text += f"that is proven. {sure(comparison)}"
    shown = table(f"What the next {more} buys", caption=text, expand=True)
    if several:
        shown.add_column("", overflow="fold", min_width=13, ratio=1)
    shown.add_column(f"Budget\n{money}", justify="right", no_wrap=True)
    shown.add_column(f"Gap\n{money}", justify="right", no_wrap=True)
    shown.add_column("Survives", justify="right", no_wrap=True)
    shown.add_column(f"Total cost\n{money}", justify="right", no_wrap=True)
    shown.add_column("Builds", overflow="fold", ratio=3)
    for step in comparison.steps:
        cells: list[str | Text] = [step.case] if several else []
        cells.append(si(step.budget, digits=4))
        if not step.is_known:
            shown.add_row(*cells, "?", "?", "?", Text("not known: the search was stopped", style="yellow"))
            continue
        if step.is_nothing:
            kept = _survives(step) if shocks_survived(step.before) == shocks_survived(step.after) else NOTHING
            shown.add_row(*cells, NOTHING, kept, NOTHING, Text("nothing", style="dim"))
            continue
        builds = _builds(comparison.cases[step.case], step)
        lost = given_up(step.before, step.after)
        builds += f"; no longer survives {listed(list(lost), 3)}, for a smaller sum of gaps" if lost else ""
        shown.add_row(*cells, changed(step.gap), _survives(step), changed(step.cost), builds)
    return shown


def sure(comparison: Comparison, columns: Sequence[ComparisonColumn] = ()) -> str:
    """To what costs and gaps are proven, as a sentence; of some columns, or of all."""
    money, some = next(iter(comparison.cases.values())).money, columns or comparison.columns
    cases = {column.case for column in some}
    costs = in_tolerance((measure for case, measure in comparison.measures.items() if case in cases), money)
    fails = any(column.result.survival_gap > 0 for column in some)
    gaps = f"survival gaps to {of_gaps(comparison.gap)}" if fails else ""
    said = " and ".join(each for each in (f"costs to {costs}" if costs else "", gaps) if each)
    return f"Proven: {said}." if said else ""


def _survives(step: BudgetStep) -> str:
    before, after, count = len(shocks_survived(step.before)), len(shocks_survived(step.after)), len(step.after.shocks)
    return f"{before} → {after}" if after != before else f"{after} of {count}"


def _builds(instance: Instance, step: BudgetStep) -> str:
    """The changes that are noticeable, in words."""
    before, after = sizes_bought(step.before), sizes_bought(step.after)
    parts = [
        f"{display_name(instance, o)} {'+' if more > 0 else '−'}{sized(instance, o, abs(more))}"
        for o, more in step.changes.items()
        if abs(more) > NOTICEABLE * max(before.get(o, 0.0), after.get(o, 0.0))
    ]
    return listed(parts, 6) if parts else "the same, at other times"


def breakpoints(comparison: Comparison, width: int) -> Table | Text:
    """The budgets at which the plan becomes another in kind."""
    money = next(iter(comparison.cases.values())).money
    if not comparison.changes:
        return Text("Whatever the budget, the same options are bought and the same shocks are survived.")
    several = len(comparison.cases) > 1
    text = f"Found by bisection to {si(comparison.resolution or 0.0, money)}"
    text += "" if comparison.is_whole else ", where the two budgets are no further apart"
    text += "; what comes and goes between two budgets that were asked is not seen. "
    text += f"Plans that are as good as each other may buy other options. {sure(comparison)}"
    shown = table("Where the plan changes", caption=text, expand=True)
    if several:
        shown.add_column("", overflow="fold", ratio=1)
    shown.add_column(f"Budget, {money}", no_wrap=True)
    shown.add_column("Builds", overflow="fold", ratio=3)
    shown.add_column("Shocks", overflow="fold", ratio=3)
    for change in comparison.changes:
        instance, parts = comparison.cases[change.case], change.parts
        builds = [f"+ {display_name(instance, o)}" for o in parts["added"]]
        builds += [f"− {display_name(instance, o)}" for o in parts["dropped"]]
        shocks = [f"✓ {name}" for name in parts["survived"]] + [f"✗ {name}" for name in parts["lost"]]
        if parts["lost"]:
            shocks[-1] += f" ({why_given_up(change.before, change.after, money)})"
        between = f"{si_down(change.above, digits=4)} – {si_up(change.at, digits=4)}"
        shown.add_row(*([change.case] if several else []), between, ", ".join(builds) or "–", ", ".join(shocks) or "–")
    return shown
