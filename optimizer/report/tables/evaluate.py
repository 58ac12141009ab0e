"""Tables of given plans: the answer, each plan beside the optimum, missing purchases, and waste."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from optimizer.errors import Finding
from optimizer.instance.derived import but_samples, display_name, rules_in_force, size_text
from optimizer.instance.schema import Instance
from optimizer.report.format import DASH, list_names, plural, proven_cost
from optimizer.report.narrative import MOST_RULES, money_terms, outcome_headline
from optimizer.report.tables.compare import column_tables
from optimizer.report.tables.futures import (
    futures_caveats,
    futures_headline,
    futures_with_gaps,
    spread_facts,
    stage_table,
)
from optimizer.report.tables.plan import answer_panel, builds_table, facts_in_tables, survival_tables
from optimizer.report.tables.render import CellRenderer, closing_lines, screen_table
from optimizer.results.frames import Frame
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.studies.evaluation import (
    BranchChange,
    EvaluatedPlan,
    FuturesEvaluation,
    FuturesPlan,
    PlanChange,
    PlanEvaluation,
)
from optimizer.studies.evaluation_frames import purchase_uses_frame
from optimizer.studies.futures.stages import ALL_BRANCHES, branches_in_words, find_stages
from optimizer.tolerances import NEGLIGIBLE, SAME_VALUE
from optimizer.units import rounded_up, si

_Evaluation = PlanEvaluation | FuturesEvaluation
_Plan = EvaluatedPlan | FuturesPlan


def evaluation_parts(found: _Evaluation, width: int, *, every: bool = False) -> Iterator[RenderableType | None]:
    """Return the parts of an answer on given plans, with `every` shock in its own row or with families folded."""
    if isinstance(found, FuturesEvaluation):
        return _futures_parts(found, every=every)
    return _plan_parts(found, width, every=every)


def _futures_parts(found: FuturesEvaluation, *, every: bool) -> Iterator[RenderableType]:
    yield _futures_panel(found)
    hidden = ("plan",) if len(found.plans) == 1 else ()
    if len(found.plans) == 1:
        (plan,) = found.plans
        stages = find_stages(plan.result, folded=not every)
        yield from (stage_table(plan.instance, plan.result, stage) for stage in stages)
    else:
        yield screen_table(found.instance, found.frames.frame("plans"))
    yield screen_table(found.instance, found.frames.frame("futures"), hidden=hidden)
    partly_needed = purchase_uses_frame((plan, each) for plan in found.plans for each in plan.partly_needed)
    yield from _changes_tables(found, partly_needed)
    yield from closing_lines(found.notes, stopped=found.stopped, seconds=found.seconds)


def _futures_panel(found: FuturesEvaluation) -> Panel:
    style = "red" if not found.survives else "yellow" if found.broken_rules else "green"
    if len(found.plans) == 1:
        (plan,) = found.plans
        headline = f"{plan.name}: {futures_headline(plan.result)}{_breaks_text(found.broken_rules)}"
        return answer_panel(found.instance.title, headline, list(_facts_of_futures(found, plan)), style)
    count = len(found.futures)
    survived = sum(plan.result.survives for plan in found.plans)
    headline = f"{survived} of {len(found.plans)} plans survive in all of {plural(count, 'future')}"
    lines = [(plan.name, _futures_summary(found, number)) for number, plan in enumerate(found.plans)]
    lines += _adaptive_optimum_facts(found)
    lines += [fact for fact in futures_caveats(found.plans[0].result) if fact[0] == "Probabilities"]
    return answer_panel(found.instance.title, headline, lines, style)


def _facts_of_futures(found: FuturesEvaluation, plan: FuturesPlan) -> Iterator[tuple[str, str]]:
    """Yield the facts about a plan over all futures, a label and a text each."""
    result, money = plan.result, found.instance.money
    terms = f"{money_terms(found.instance)} (the cheapest operation of the plan as given)"
    if result.measure != "expected cost" and not math.isnan(result.total_cost):
        yield result.measure[:1].upper() + result.measure[1:], si(result.total_cost, money, 4)
    yield "Expected cost", f"{si(result.expected_cost, money, 4)}, {terms}"
    yield from spread_facts(result)
    yield "Outlay", f"expected {si(result.outlay, money, 4)}, undiscounted"
    yield from futures_caveats(result)
    yield from _broken_rule_facts(found.broken_rules)
    yield from _missing_facts(plan, found.broken_rules, found)
    yield from _waste_facts(plan, found)
    yield from _partly_used_facts(plan, found.instance)
    yield from _adaptive_optimum_facts(found)


def _futures_summary(found: FuturesEvaluation, number: int) -> str:
    """Summarise one of several plans over all futures in one line."""
    plan, each, money = found.plans[number], found.summary(number), found.instance.money
    text = f"survives in {each['survived']} of {len(found.futures)}; "
    text += f"expected cost {si(each['expected_cost'], money, 4)}, "
    text += f"largest {si(each['worst_cost'], money, 4)} in {each['worst_future']}"
    text += f"; expected gap {si(each['expected_gap'], money)}" if each["expected_gap"] > 0 else ""
    text += f"; largest regret {si(each['largest_regret'], money, 4)}" if each["largest_regret"] is not None else ""
    rules = [rule for future in found.futures for rule in future.evaluation.plans[number].broken_rules]
    return "; ".join([text, *_verdict_texts(found, plan, rules)])


def _verdict_texts(found: _Evaluation, plan: _Plan, rules: Sequence[Finding]) -> Iterator[str]:
    """Yield texts on one of several plans: the rules that it breaks, its missing purchases, and its waste."""
    waste = _waste_facts(plan, found) if plan.waste is not None and plan.waste.changes else ()
    for label, words in (*_broken_rule_facts(rules), *_missing_facts(plan, rules, found), *waste):
        yield f"{label.lower()}: {words}"


def _partly_used_facts(plan: FuturesPlan, instance: Instance) -> Iterator[tuple[str, str]]:
    """Yield the purchases that only some futures need, which are no waste."""
    if plan.partly_needed:
        said = [
            f"{display_name(instance, each.option)} in {branches_in_words(plan.result, each.needed_in)} only"
            for each in plan.partly_needed
        ]
        named = list_names(list(dict.fromkeys(said)), MOST_RULES)
        yield "Of use", f"{named}: bought before the answer is known, so no waste"


def _adaptive_optimum_facts(found: FuturesEvaluation) -> Iterator[tuple[str, str]]:
    best = found.optimum
    if best is None:
        return
    if not best.futures:
        yield "Optimum", futures_headline(best)
        return
    cost = f"{futures_headline(best)}; {best.measure} {proven_cost(best, futures_with_gaps(found.instance, best))}"
    more = found.more(0) if len(found.plans) == 1 else None
    yield "Optimum", cost + ("" if more is None else _cost_difference_text(more, best, survives=found.survives))


def _cost_difference_text(more: float, best: Result | FuturesResult, *, survives: bool) -> str:
    """Return the cost of a plan relative to the optimum, and whether only the plan fails, as the end of a sentence."""
    if abs(more) <= SAME_VALUE * abs(best.total_cost):
        return "; the plan costs the same"
    fails = ", and does not survive" if best.survives and not survives else ""
    return f"; the plan costs {si(abs(more), best.money, 4)} {'more' if more > 0 else 'less'}{fails}"


def _plan_parts(found: PlanEvaluation, width: int, *, every: bool) -> Iterator[RenderableType | None]:
    yield _plans_panel(found)
    if len(found.plans) == 1:
        (plan,) = found.plans
        yield builds_table(plan.instance, plan.result, width) or Text("Plan: nothing is bought.", style="bold")
        yield from survival_tables(plan.instance, plan.result, width, every=every)
    comparison = found.comparison
    if len(comparison.columns) > 1:
        yield from (part for part in column_tables(comparison, comparison.columns, width, "Side by side") if part)
    yield from _changes_tables(found)
    yield from closing_lines(found.notes, stopped=found.stopped, seconds=found.seconds)


def _changes_tables(found: _Evaluation, *more: Frame) -> Iterator[RenderableType]:
    """Yield the tables of missing purchases, of waste, of the frames in `more`, and of broken rules, if not empty."""
    hidden = ("plan",) if len(found.plans) == 1 else ()
    for frame in (*(found.frames.frame(name) for name in ("missing", "waste")), *more):
        if len(frame):
            cells = {part: _size_writer(found, part, frame.name) for part in ("size", "enough")}
            yield screen_table(found.instance, frame, cells=cells, hidden=hidden)
    rules = found.frames.frame("rules")
    if len(rules):
        yield screen_table(found.instance, rules, hidden=hidden, wide={"what": 1}, expand=True)


def _size_writer(found: _Evaluation, part: str, name: str) -> CellRenderer:
    # What is enough is rounded up: entered as printed, it still is.
    shown = (lambda size: rounded_up(size, 3)) if part == "enough" else float

    def text(row: Mapping[str, Any]) -> str:
        is_larger = part == ("enough" if name == "missing" else "size")
        is_open = is_larger or _stays_open(found, row["option"], row["period"], row["size"], row["money"])
        return size_text(found.instance, row["option"], shown(row[part])) if row[part] or is_open else DASH

    return text


def _stays_open(found: _Evaluation, o: str, period: str, size: float, saved: float) -> bool:
    """Check whether less is saved than the whole purchase costs: opened at size 0, for another that requires it."""
    option, horizon = found.instance.sized.get(o), found.instance.horizon
    if option is None or not option.is_fixed_charge:
        return False
    paid = math.fsum(option.payments(horizon, horizon.period(period), size, opened=True).values())
    return saved < paid * (1.0 - SAME_VALUE)


def _plans_panel(found: PlanEvaluation) -> Panel:
    broken = any(plan.broken_rules for plan in found.plans)
    style = "red" if not found.survives else "yellow" if broken else "green"
    if len(found.plans) > 1:
        survived = sum(plan.result.survives for plan in found.plans)
        headline = f"{survived} of {len(found.plans)} plans survive every shock{but_samples(found.instance)}"
        lines = [(plan.name, _plan_summary(found, plan)) for plan in found.plans]
        return answer_panel(found.instance.title, headline, [*lines, *_optimum_facts(found, None)], style)
    (plan,) = found.plans
    headline = f"{plan.name}: {outcome_headline(plan.result, found.instance)}{_breaks_text(plan.broken_rules)}"
    # With `found.instance`: that of the plan has no budget if the plan exceeds it.
    rules = plan.broken_rules
    judged = [*_broken_rule_facts(rules), *_missing_facts(plan, rules, found), *_waste_facts(plan, found)]
    lines = [*facts_in_tables(found.instance, plan.result), *judged, *_optimum_facts(found, plan.result)]
    return answer_panel(found.instance.title, headline, lines, style)


def _plan_summary(found: PlanEvaluation, plan: EvaluatedPlan) -> str:
    """Summarise one of several plans in one line."""
    cost = f"total cost {si(plan.result.total_cost, plan.result.money, 4)}"
    verdicts = _verdict_texts(found, plan, plan.broken_rules)
    return "; ".join([outcome_headline(plan.result, found.instance), cost, *verdicts])


def _breaks_text(rules: Sequence[Finding]) -> str:
    return f"; it breaks {plural(len(rules), 'rule')}" if rules else ""


def _broken_rule_facts(rules: Sequence[Finding]) -> Iterator[tuple[str, str]]:
    if rules:
        named = list_names(list(dict.fromkeys(rule.where for rule in rules)), MOST_RULES)
        yield "Rules broken", f"{len(rules)}, not enforced, at {named}"


def _missing_facts(plan: _Plan, rules: Sequence[Finding], found: _Evaluation) -> Iterator[tuple[str, str]]:
    """Yield the fact about what is missing; the search for it enforces no rule that the plan breaks, and no budget."""
    need = plan.need
    if need is None:
        return
    if need.is_possible is None:
        yield "Missing", "not known: the time ran out"
    elif not need.is_possible:
        none = "no purchase beside those of the plan keeps every floor"
        lifted = ", even with the broken rules not enforced" if rules else ""
        yield "Missing", f"{none}{but_samples(found.instance)}, whatever the budget{lifted}"
    else:
        expected, cost = ("expected ", "expected") if isinstance(found, FuturesEvaluation) else ("", "total")
        more = f"{si(need.outlay, found.instance.money, 4)} more {expected}outlay{_over_budget_text(plan, found)}"
        kept = f"every floor is kept{but_samples(found.instance)}, at the least {cost} cost"
        lifted = ", with the broken rules still not enforced" if rules else ""
        yield "Missing", f"{_changed_options(found, need.changes)}: for {more} {kept}{lifted}"


def _over_budget_text(plan: _Plan, found: _Evaluation) -> str:
    """Return how far a plan with what it lacks exceeds the budget, as a parenthesis; empty if not, or with futures."""
    budget = found.instance.policy.budget
    if budget is None or plan.need is None or isinstance(found, FuturesEvaluation):
        return ""
    over = plan.result.outlay + plan.need.outlay - budget
    return f", in all {si(over, found.instance.money)} above the budget," if over > SAME_VALUE * budget else ""


def _changed_options(found: _Evaluation, changes: Sequence[PlanChange]) -> str:
    """Return the names of the options that change, with their branches if these are not all."""
    names = dict.fromkeys(display_name(found.instance, each.option) + _branch_phrase(found, each) for each in changes)
    return list_names(list(names), MOST_RULES)


def _reduction_texts(found: _Evaluation, changes: Sequence[PlanChange]) -> str:
    """Return the purchases that can be smaller, each with both sizes, as a list in words."""
    said = []
    for each in changes:
        # A part of a year that changes elsewhere.
        if each.before > 0 and math.isclose(each.before, each.after, rel_tol=NEGLIGIBLE):
            continue
        sizes = (each.before, rounded_up(each.after, 3))
        before, after = (size_text(found.instance, each.option, size) for size in sizes)
        named = f"{display_name(found.instance, each.option)}, {each.period}{_branch_phrase(found, each)}"
        is_open = each.after > 0 or _stays_open(found, each.option, each.period, each.before, -each.money)
        said.append(f"{named}: {after if is_open else 'none'} instead of {before}")
    tail = f"; {plural(len(said) - MOST_RULES, 'more purchase')}" if len(said) > MOST_RULES else ""
    return "; ".join(said[:MOST_RULES]) + tail


def _branch_phrase(found: _Evaluation, change: PlanChange) -> str:
    """Return the branches of a change, as the end of a phrase; empty if these are all."""
    if not isinstance(change, BranchChange) or not isinstance(found, FuturesEvaluation):
        return ""
    where = branches_in_words(found.plans[0].result, change.futures)
    return "" if where == ALL_BRANCHES else f" in {where}"


def _waste_facts(plan: _Plan, found: _Evaluation) -> Iterator[tuple[str, str]]:
    money, waste = found.instance.money, plan.waste
    if waste is None:
        return
    if not waste.changes:
        where = " in some future" if isinstance(found, FuturesEvaluation) else ""
        kept = rules_in_force(plan.instance)
        rule = f" or breaking a rule of the file ({', '.join(kept)})" if kept else ""
        worse = f"{',' if rule else ' or'} a worse shock{where}{rule}"
        yield "Waste", f"none: nothing can be left out without a higher cost{worse}"
        return
    expected = "expected " if isinstance(found, FuturesEvaluation) else ""
    saved = f"{expected}outlay {si(waste.outlay, money, 4)}, {expected or 'total '}cost {si(waste.cost, money, 4)}"
    yield "Waste", f"{_reduction_texts(found, waste.changes)}; no shock fares worse; saves {saved}"


def _optimum_facts(found: PlanEvaluation, result: Result | None) -> Iterator[tuple[str, str]]:
    best = found.optimum
    if best is None:
        return
    if best.baseline is None:
        yield "Optimum", outcome_headline(best, found.instance)
        return
    cost = f"{outcome_headline(best, found.instance)}; total cost {si(best.total_cost, best.money, 4)}"
    if result is not None:
        cost += _cost_difference_text(result.total_cost - best.total_cost, best, survives=result.survives)
    yield "Optimum", cost
