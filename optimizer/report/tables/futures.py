"""Tables of a plan for several futures: the orders now, the orders after each answer, and the costs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from optimizer.audit.figures import measure_of_futures
from optimizer.instance.derived import display_name, has_floors, size_range_text
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.format import (
    all_of,
    between,
    committed_words,
    list_names,
    outlay_words,
    percent,
    plural,
    share_text,
    under_same_rules,
)
from optimizer.report.narrative import GAP_OF_ALL, contradiction, cost_facts, headline_of_search, survived_words
from optimizer.report.tables.plan import answer_panel, answer_style, plan_tables, run_line, run_remarks
from optimizer.report.tables.render import cross_table, screen_table
from optimizer.results.frames import Frame, FrameRow
from optimizer.results.futures import FutureResult, FuturesResult
from optimizer.studies.frames import decisions_frame, futures_frame
from optimizer.studies.futures.stages import ALL_BRANCHES, Stage, StageOrder, branch_titles, find_stages
from optimizer.tolerances import SAME_VALUE
from optimizer.units import si

# Most futures in a table; of more, the most expensive ones are listed.
MOST_LISTED_FUTURES = 40
# At most this many futures are named in a sentence.
NAMED_FUTURES = 3
ASSUMED_PROBABILITIES = (
    "Probabilities",
    "assumed: where the file gives none, the branches of a question are equally likely",
)
_FOLDED = "Rows with several sizes stand for orders that differ from branch to branch; --all lists each."


def futures_tables(result: FuturesResult, width: int, *, every: bool = False) -> list[RenderableType]:
    """Return the printed parts for a terminal of the given width, with `every` order in its own row or folded."""
    instance, stages = instance_of(result), find_stages(result, folded=not every)
    facts = list(futures_facts(instance, result, stages))
    panel = answer_panel(result.title, futures_headline(result), facts, answer_style(result))
    if len(result.futures) == 1:
        # A file without questions has a single plan, printed like the plan of any other file.
        only = replace(result.futures[0].result, notes=result.notes, changes=result.changes)
        return [panel, *plan_tables(only, width, every=every)[1:-1], run_line(result)]
    shown: list[RenderableType | None] = [panel]
    shown += [stage_table(instance, result, stage) for stage in stages]
    shown += [future_table(instance, result, every=every)] if result.futures else []
    shown += run_remarks(result)
    return [part for part in [*shown, run_line(result)] if part is not None]


def futures_headline(result: FuturesResult) -> str:
    """Return the outcome in one line."""
    return headline_of_search(result, _outcome(result) if result.futures else "")


def _outcome(result: FuturesResult) -> str:
    """Return the outcome of a plan in its futures."""
    failed, count = [each for each in result.futures if not each.result.survives], len(result.futures)
    if failed:
        where = f" in {len(failed)} of {count} futures" if count > 1 else ""
        return f"FAILS{where}: {_failing_text(result, failed)}"
    if any(each.result.shocks for each in result.futures) and not has_floors(instance_of(result)):
        return "HAS NO FLOORS TO KEEP, so no shock can fail"
    where = f"in {all_of(count, 'futures')}" if count > 1 else survived_words(result.futures[0].result)
    return f"SURVIVES {where}"


def _failing_text(result: FuturesResult, failed: Sequence[FutureResult]) -> str:
    """Describe the failing futures with the largest gap, with failed shocks and gap of each, and name the others."""

    def extent(each: FutureResult) -> str:
        shocks, gap = each.result.shocks, each.result.survival_gap
        words = f"{sum(shock.fails for shock in shocks):,} of {plural(len(shocks), 'shock')}"
        return f"{words}, a survival gap of {si(gap, result.money, 4)}" if gap > 0 else words

    ranked = sorted(failed, key=lambda each: -each.result.survival_gap)
    worst = [each.name for each in ranked if extent(each) == extent(ranked[0])]
    others = [each.name for each in ranked if each.name not in worst]
    words = f"{list_names(worst, NAMED_FUTURES)}, {'each ' * (len(worst) > 1)}" if worst[0] else ""
    return f"{words}{extent(ranked[0])}{f'; then {list_names(others, NAMED_FUTURES)}' if others else ''}"


def futures_facts(instance: Instance, result: FuturesResult, stages: Sequence[Stage] = ()) -> Iterator[tuple[str, str]]:
    """Yield the facts behind an answer, a label and a text each."""
    if result.status == "none":
        yield from contradiction(result.clash)
    if result.futures:
        yield from _money_facts(instance, result, stages)
        yield from futures_caveats(result)


def futures_with_gaps(instance: Instance, result: FuturesResult) -> float | None:
    """Return the measure with the remaining gaps at their price; None if no gap is left or gaps have no price."""
    price = instance.policy.gap_price
    is_left = price is not None and result.survival_gap > 0
    return measure_of_futures(instance, result.futures, price or 0.0) if is_left else None


def _money_facts(instance: Instance, result: FuturesResult, stages: Sequence[Stage]) -> Iterator[tuple[str, str]]:
    money = result.money
    if len(stages) > 1:
        yield "Order now", _first_orders(instance, result, stages[0])
    yield from cost_facts(instance, result, futures_with_gaps(instance, result))
    if result.measure != "expected cost":
        yield "Expected cost", si(result.expected_cost, money, 4)
    yield from _tail_facts(instance, result)
    if len(result.futures) > 1:
        yield from spread_facts(result)
    yield "Outlay", _outlay_text(instance, result)
    yield from committed_words(instance, result.data)
    if (price := result.price_of_survival) is not None:
        yield "Price of survival" if result.survives else "Price of the plan", _price_text(result, price)


def _tail_facts(instance: Instance, result: FuturesResult) -> Iterator[tuple[str, str]]:
    """Yield CVaR unless it is the measure, and value at risk; nothing where all outcomes cost the same."""
    measure, cvar, at_risk = instance.policy.objective, result.cvar, result.value_at_risk
    if cvar is None or at_risk is None or cvar - result.expected_cost <= SAME_VALUE * abs(cvar):
        return
    tail, of_what = share_text(1 - measure.alpha), " before survival gaps" * result.has_priced_gaps
    if measure.weight < 1:
        yield (
            f"CVaR at {measure.alpha:g}",
            f"{si(cvar, result.money, 4)}, the mean cost{of_what} of the dearest {tail} of outcomes",
        )
    level = f"{si(at_risk, result.money, 4)} at {measure.alpha:g}"
    yield "Value at risk", f"{level}: the least cost{of_what} that at most {tail} of outcomes exceed"


def futures_caveats(result: FuturesResult) -> Iterator[tuple[str, str]]:
    """Yield the remaining survival gap, and the note on probabilities that the file does not give."""
    money, are_several = result.money, len(result.futures) > 1
    if not result.survives:
        gap, worst = si(result.survival_gap, money, 4), si(result.worst_gap, money, 4)
        of_all = f"{'expected ' * are_several}{gap}, summed over shocks"
        yield GAP_OF_ALL, f"{of_all}; of the worst shock in any future {worst}"
    if are_several and not result.are_probabilities_given:
        yield ASSUMED_PROBABILITIES


def spread_facts(result: FuturesResult) -> Iterator[tuple[str, str]]:
    """Yield the most expensive and the cheapest future, and the largest regret if it is known."""
    worst, best, money = result.worst, result.best, result.money
    if worst.cost - best.cost <= SAME_VALUE * abs(worst.cost):
        yield "Worst and best", f"all futures cost the same, {si(worst.cost, money, 4)}"
    else:
        yield "Worst future", f"{worst.name}: {si(worst.cost, money, 4)}"
        yield "Best future", f"{best.name}: {si(best.cost, money, 4)}"
    regrets = [(each.regret, each.name) for each in result.futures if each.regret is not None]
    if len(regrets) == len(result.futures) and result.measure != "largest regret":
        most, name = max(regrets)
        is_none = most <= SAME_VALUE * abs(worst.cost)
        of_one = f"{si(most, money)}, in {name}, whose informed plan would cost that much less"
        yield "Largest regret", "none: in no future would the informed plan cost less" if is_none else of_one


def _outlay_text(instance: Instance, result: FuturesResult) -> str:
    """Return the expected outlay with its range over the futures, and the budget if all futures have the same one."""
    each = [future.result.outlay for future in result.futures]
    budgets = {future.result.data.get("policy", {}).get("budget") for future in result.futures}
    if len(each) == 1 or (max(each) - min(each) <= SAME_VALUE * max(each) and len(budgets) == 1):
        return outlay_words(instance, result.futures[0].result)
    spread = between(min(each), max(each), result.money, 4)
    words = f"expected {si(result.outlay, result.money, 4)}, undiscounted; {spread}"
    if len(budgets) > 1:
        return f"{words}, under a budget that differs between the futures"
    budget = instance.policy.budget
    return words if budget is None else f"{words}, under a budget of {si(budget, result.money, 4)}"


def _first_orders(instance: Instance, result: FuturesResult, first: Stage) -> str:
    if first.questions:
        return f"nothing: the first answer is known at the start of {instance.horizon.label(0)}"
    when = f"before {instance.horizon.label(first.end)}"
    if not first.orders:
        later = ": all purchases wait for an answer" if result.decisions else ", nor later in any future"
        return f"nothing {when}{later}"
    costliest = sorted(first.orders, key=lambda each: -each.paid[1])
    options = dict.fromkeys(each.option for each in costliest)  # An option may be ordered in several periods.
    names = list_names([display_name(instance, option) for option in options], NAMED_FUTURES)
    return f"{between(*first.spent_range, result.money, 4)} {when}: {names}"


def _price_text(result: FuturesResult, price: float) -> str:
    money, without = result.money, si(result.expected_cost - price, result.money, 4)
    whose = "the same futures cost" if len(result.futures) > 1 else "the same instance costs"
    rules = under_same_rules(result.data)
    if price <= 0:
        return f"nothing: without shocks {whose} no less{rules}"
    return f"{si(price, money, 4)} of the expected cost; without shocks {whose} {without}{rules}"


# Tables.


def stage_table(instance: Instance, result: FuturesResult, stage: Stage) -> RenderableType:
    """Build the table of purchases in a stage: those in all branches first, then those in some branches."""
    title = stage_headline(instance, result, stage)
    if not stage.orders:
        return Text.assemble((title, "bold"), f"\nNothing is bought {_stage_span(instance, stage)}.")
    frame = decisions_frame(instance, result, [stage])
    has_branches = any(each.branch != ALL_BRANCHES for each in stage.orders)
    rows = list(_order_rows(instance, frame, has_branches=has_branches))
    if not has_branches:
        rows += [None, (Text("total", style="bold"), ["", "", Text(between(*stage.spent_range), style="bold")])]
    heads, whole = ["Decided", "Size", f"Spent\n{result.money}"], {"no_wrap": True}
    corner, layouts = "Branch, option" if has_branches else "Option, lever", {"Decided": {"justify": "left"} | whole}
    shown = cross_table("", corner, heads, rows, layout={"justify": "right"} | whole, layouts=layouts)
    return _with_title(title, shown, stage_caption(instance, stage))


def _order_rows(
    instance: Instance, frame: Frame, *, has_branches: bool
) -> Iterator[tuple[str | Text, Sequence[str | Text]] | None]:
    """Yield each branch with its probability, and below it the purchases in this branch; None begins a section."""
    above = None
    for row in frame.rows():
        if has_branches and row["branch"] != above:
            above = row["branch"]
            yield Text(f"{above}  {percent(row['probability'])}", style="bold"), ["", "", ""]
        order: StageOrder = row.item[1]
        name = display_name(instance, order.option)
        option = Text(f"  {name}") if has_branches else Text.assemble(name, (f" · {order.kind}", "dim"))
        yield option, [order_time(row), order_size(instance, order), between(*order.paid)]


def _with_title(title: str, shown: Table, caption: str) -> RenderableType:
    """Return a table between its title and its caption, which may be wider than the table."""
    return Group(Text(title, style="bold"), shown, *([Text(caption, style="dim")] if caption else []))


def stage_headline(instance: Instance, result: FuturesResult, stage: Stage) -> str:
    """Return the first period of a stage, and the questions answered then, with the probability of each branch."""
    label = instance.horizon.label
    if not result.first_question:
        return "Plan"
    if not stage.questions:
        return f"Order now: before {label(stage.end)}, the same in {all_of(len(result.futures), 'futures')}"
    asked = [
        f"{each.question} ({', '.join(f'{branch} {percent(share)}' for branch, share in each.branches)})"
        for each in stage.questions
    ]
    return f"From {label(stage.t)}, when {' and '.join(asked)} {'are' if len(asked) > 1 else 'is'} known"


def _stage_span(instance: Instance, stage: Stage) -> str:
    first, last = instance.horizon.label(stage.t), instance.horizon.label(stage.end - 1)
    return f"in {first}" if first == last else f"from {first} to {last}"


def stage_caption(instance: Instance, stage: Stage) -> str:
    """Return the names of questions and branches, and the branches in which nothing is bought."""
    titles = branch_titles(instance)
    keys = [key for each in stage.questions for key in (each.question, *(branch for branch, _ in each.branches))]
    lines = ["; ".join(f"{key}: {titles[key]}" for key in keys if key in titles)]
    lines.append(
        f"Nothing is bought {_stage_span(instance, stage)} in: {stage.without_orders}." if stage.without_orders else ""
    )
    lines.append(_FOLDED if any(each.merged > 1 for each in stage.orders) else "")
    return "\n".join(filter(None, lines))


def order_time(row: FrameRow) -> str:
    """Return the period of an order, or the first and the last period of purchases of a stockpile."""
    return str(row["period"]) if row["period"] == row["until"] else f"{row['period']}–{row['until']}"


def order_size(instance: Instance, order: StageOrder) -> str:
    """Return the size of an order with its unit, or the range of sizes over the branches."""
    return size_range_text(instance, order.option, *order.size)


def future_table(instance: Instance, result: FuturesResult, *, every: bool = False) -> RenderableType:
    """Build the table of futures; of too many, unless `every` is set, the failing ones and then the most expensive."""
    futures, left = result.futures, max(0, len(result.futures) - MOST_LISTED_FUTURES)
    shown, caption = result, ""
    if left and not every:
        costliest = sorted(futures, key=lambda each: (each.result.survives, -each.cost))[:MOST_LISTED_FUTURES]
        shown = replace(result, futures=tuple(costliest))
        verb = "is" if left == 1 else "are"
        caption = f" {plural(left, 'more future')} {verb} not shown: first come those that fail, then the costliest;"
        caption += " --all lists each."
    frame = futures_frame(shown)
    hidden = [name for name in ("gap", "least_cost", "regret") if not any(frame[name])]
    if instance.policy.gap_price is not None:
        # There is room for one of the two: without a gap, the minimised cost is the cost itself, else it matters more.
        hidden.append("priced_cost" if "gap" in hidden else "outlay")
    made = screen_table(
        instance,
        frame,
        title="",
        caption="",
        heads={"survives": "Shocks\nsurvived"},
        cells={"survives": _survived_cell},
        hidden=hidden,
    )
    seen = frame.select({column.name for column in frame.columns} - {*hidden})
    return _with_title(frame.title, made, seen.whole_note + caption)


def _survived_cell(row: FrameRow) -> Text:
    """Return the number of shocks survived, as ``✓ 17 of 17``."""
    shocks = row.item.result.shocks
    mark, style = ("✓", "green") if row["survives"] else ("✗", "bold red")
    return Text(f"{mark} {sum(each.survives for each in shocks):,} of {len(shocks):,}", style=style)
