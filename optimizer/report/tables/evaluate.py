"""How plans that were given look: the answer first, then each beside the optimum, what is missing, what is wasted."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.text import Text

from optimizer.files import write_whole
from optimizer.report.format import list_names, plural, size_text
from optimizer.report.narrative import facts, outcome_headline
from optimizer.report.screen import Screen
from optimizer.report.tables.compare import column_tables
from optimizer.report.tables.plan import answer_panel, builds_table, survival_tables
from optimizer.report.tables.render import CellRenderer, frame_csv, print_parts, screen_table
from optimizer.results.result import Result
from optimizer.studies.evaluate import FuturesEvaluation, PlanEvaluation
from optimizer.studies.given_plan import EvaluatedPlan
from optimizer.tolerances import SAME_VALUE
from optimizer.units import si

# So many rules are named in the answer; all of them stand in their table.
MOST_RULES = 3


def show_evaluation(
    found: PlanEvaluation | FuturesEvaluation, console: Console | None = None, *, every: bool = False
) -> None:
    """Print plans to stdout, or to the console given; `every` shock in a row of its own, or families folded."""
    console = console or Screen()
    if isinstance(found, FuturesEvaluation):
        print_parts(list(_parts_of_futures(found)), console)
    else:
        print_parts(list(_parts(found, console.width, every=every)), console)


def _parts_of_futures(found: FuturesEvaluation) -> Iterator[RenderableType]:
    yield _answer_of_futures(found)
    hidden = ("plan",) if len(found.names) == 1 else ()
    yield screen_table(found.instance, found.frames.frame("futures"), hidden=hidden)
    missing = found.frames.frame("missing")
    if len(missing):
        cells = {part: _size(found, part) for part in ("size", "enough")}
        yield screen_table(found.instance, missing, cells=cells, hidden=hidden)
    rules = found.frames.frame("rules")
    if len(rules):
        yield screen_table(found.instance, rules, hidden=hidden, wide={"what": 1}, expand=True)
    yield from (Text(f"Note: {note}") for note in found.notes)
    yield Text(f"Seconds: {si(found.seconds, 's')}.", style="dim")


def _answer_of_futures(found: FuturesEvaluation) -> Panel:
    summaries, money, count = (
        [found.summary(i) for i in range(len(found.names))],
        found.instance.money,
        len(found.futures),
    )
    style = "red" if not found.survives else "yellow" if found.rules else "green"
    headline = f"{found.names[0]}: SURVIVES in {summaries[0]['survived']} of {plural(count, 'future')}"
    if len(found.names) > 1:
        survived = sum(each["survived"] == count for each in summaries)
        headline = f"{survived} of {len(found.names)} plans survive in all of {plural(count, 'future')}"
    lines = list[tuple[str, str]]()
    for name, each in zip(found.names, summaries, strict=True):
        regret = each["largest_regret"]
        text = f"survives in {each['survived']} of {count}; expected cost {si(each['expected_cost'], money, 4)}, "
        text += f"largest {si(each['worst_cost'], money, 4)} in {each['worst_future']}"
        text += f"; expected gap {si(each['expected_gap'], money)}" if each["expected_gap"] > 0 else ""
        text += f"; largest regret {si(regret, money, 4)}" if regret is not None else ""
        lines.append((name, text))
    if not found.are_probabilities_given:
        lines.append(
            ("Probabilities", "made up: the file gives none, so all branches of a question are equally likely")
        )
    return answer_panel(found.instance.title, headline, lines, style)


def _parts(found: PlanEvaluation, width: int, *, every: bool) -> Iterator[RenderableType | None]:
    yield _answer(found)
    if len(found.plans) == 1:
        (plan,) = found.plans
        yield builds_table(plan.instance, plan.result, width) or Text("Plan: nothing is bought.", style="bold")
        yield from survival_tables(plan.instance, plan.result, width, every=every)
    comparison = found.comparison
    if len(comparison.columns) > 1:
        yield from (part for part in column_tables(comparison, comparison.columns, width, "Side by side") if part)
    yield from _changes_tables(found)
    yield from (Text(f"Note: {note}") for note in found.notes)
    yield Text(f"Seconds: {si(found.seconds, 's')}.", style="dim")


def _changes_tables(found: PlanEvaluation) -> Iterator[RenderableType]:
    """What is missing, what is wasted, and the rules broken, where there are any."""
    hidden = ("plan",) if len(found.plans) == 1 else ()
    cells = {part: _size(found, part) for part in ("size", "enough")}
    for name in ("missing", "waste"):
        frame = found.frames.frame(name)
        if len(frame):
            yield screen_table(found.instance, frame, cells=cells, hidden=hidden)
    rules = found.frames.frame("rules")
    if len(rules):
        yield screen_table(found.instance, rules, hidden=hidden, wide={"what": 1}, expand=True)


def _size(found: PlanEvaluation | FuturesEvaluation, part: str) -> CellRenderer:
    return lambda row: size_text(found.instance, row["option"], row[part]) if row[part] else "–"


def _answer(found: PlanEvaluation) -> Panel:
    broken = any(plan.rules for plan in found.plans)
    style = "red" if not found.survives else "yellow" if broken else "green"
    if len(found.plans) > 1:
        survived = sum(plan.result.survives for plan in found.plans)
        headline = f"{survived} of {len(found.plans)} plans survive every shock"
        lines = [(plan.name, _in_a_line(found, plan)) for plan in found.plans]
        return answer_panel(found.instance.title, headline, [*lines, *_optimum(found, None)], style)
    (plan,) = found.plans
    rules = f"; it breaks {plural(len(plan.rules), 'rule')}" if plan.rules else ""
    headline = f"{plan.name}: {outcome_headline(plan.result, found.instance)}{rules}"
    # A budget that the plan exceeds is no limit of its own instance.
    lines = [*facts(found.instance, plan.result), *_rules(plan), *_need(plan), *_waste(plan)]
    return answer_panel(found.instance.title, headline, [*lines, *_optimum(found, plan.result)], style)


def _in_a_line(found: PlanEvaluation, plan: EvaluatedPlan) -> str:
    """What became of one plan of several."""
    parts = [
        outcome_headline(plan.result, found.instance),
        f"total cost {si(plan.result.total_cost, plan.result.money, 4)}",
    ]
    waste = [line for line in _waste(plan) if plan.waste is not None and plan.waste.changes]
    parts += [f"{label.lower()}: {text}" for label, text in (*_rules(plan), *_need(plan), *waste)]
    return "; ".join(parts)


def _rules(plan: EvaluatedPlan) -> Iterator[tuple[str, str]]:
    if plan.rules:
        named = list_names([rule.where for rule in plan.rules], MOST_RULES)
        yield "Rules broken", f"{named}; named, and not enforced"


def _need(plan: EvaluatedPlan) -> Iterator[tuple[str, str]]:
    need, money = plan.need, plan.result.money
    if need is None:
        return
    if need.is_possible is None:
        yield "Missing", "not known: the time ran out"
    elif not need.is_possible:
        yield "Missing", "no purchase beside those of the plan keeps every floor, whatever the budget"
    else:
        options = list_names(list(dict.fromkeys(each.option for each in need.changes)), MOST_RULES)
        yield (
            "Missing",
            f"{options}: for {si(need.outlay, money, 4)} more outlay every floor is kept; no addition costs less",
        )


def _waste(plan: EvaluatedPlan) -> Iterator[tuple[str, str]]:
    waste, money = plan.waste, plan.result.money
    if waste is None:
        return
    if not waste.changes:
        yield "Waste", "none: whatever is left out costs more, or lets a shock fare worse"
        return
    options = list_names(list(dict.fromkeys(each.option for each in waste.changes)), MOST_RULES)
    saved = f"outlay {si(waste.outlay, money, 4)}, total cost {si(waste.cost, money, 4)}"
    yield "Waste", f"{options}: smaller or left out, no shock fares worse; saves {saved}"


def _optimum(found: PlanEvaluation, result: Result | None) -> Iterator[tuple[str, str]]:
    best = found.optimum
    if best is None:
        return
    if best.baseline is None:
        yield "Optimum", outcome_headline(best, found.instance)
        return
    cost = f"{outcome_headline(best, found.instance)}; total cost {si(best.total_cost, best.money, 4)}"
    more = 0.0 if result is None else result.total_cost - best.total_cost
    if result is not None and abs(more) > SAME_VALUE * abs(best.total_cost):
        cost += f"; the plan costs {si(abs(more), best.money, 4)} {'more' if more > 0 else 'less'}"
    yield "Optimum", cost


def write_evaluation_csv(found: PlanEvaluation | FuturesEvaluation, folder: Path) -> Sequence[Path]:
    """The frames of an evaluation as CSV files, each whole or not at all."""
    for name in found.frames:
        write_whole(folder / f"{name}.csv", frame_csv(found.frames.frame(name)))
    return [folder / f"{name}.csv" for name in found.frames]
