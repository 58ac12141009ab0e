"""Frames of evaluations of given plans: the only definition of the columns of their tables."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from optimizer.instance.derived import size_unit
from optimizer.results.frames import Frame, FrameColumn
from optimizer.results.futures import FuturesResult
from optimizer.results.result import Result
from optimizer.studies.futures.stages import branches_in_words
from optimizer.tolerances import NEGLIGIBLE, SAME_VALUE

if TYPE_CHECKING:
    from optimizer.studies.evaluation import FuturesEvaluation, PlanEvaluation, PlanNeed, PlanWaste


# Names and titles of the frames of missing and unneeded purchases, by part of a plan.
CHANGE_TITLES = {"need": ("missing", "What is missing"), "waste": ("waste", "What the plan could do without")}


def lacks_frame(found: "PlanEvaluation") -> Frame:
    """Build the frame of shortages, a row for each plan, shock and segment below its floor."""
    money = found.instance.money
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("shock", form="shock", is_index=True),
        FrameColumn("segment", form="name", is_index=True),
        FrameColumn("from", form="period"),
        FrameColumn("worst_period", "Worst", form="period"),
        FrameColumn("worst_service", "Served", "share", "percent"),
        FrameColumn("floor", "Floor", "share", "percent"),
        FrameColumn("below_floor", "Below the floor", "t", "amount"),
        FrameColumn("gap", "Gap", money, "amount"),
    )
    rows = ((plan.name, *row.values()) for plan in found.plans for row in plan.lacks)
    note = "From: the first period below the floor. Tonnes over the window; gap at shortage cost."
    return Frame.of_rows("lacks", "What the plan lacks", columns, rows, note)


def _change_columns(part: str, money: str) -> tuple[FrameColumn, ...]:
    """Return the columns of a missing or unneeded purchase: option, period, sizes and money."""
    return (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("period", "When", form="period", is_index=True),
        FrameColumn("size", "In the plan", form="amount"),
        FrameColumn("enough", "With it" if part == "need" else "Without", form="amount"),
        FrameColumn("unit", is_shown=False),
        FrameColumn("money", "Spent more" if part == "need" else "Saved", money, "amount"),
    )


def plan_changes_frame(found: "PlanEvaluation", part: str) -> Frame:
    """Build the frame of missing or unneeded purchases (`part`), a row for each plan and purchase."""
    columns = (FrameColumn("plan", is_index=True), *_change_columns(part, found.instance.money))
    rows = ((plan.name, *values) for plan, _, values in _changes_of(found, part))
    made = [getattr(plan, part) for plan in found.plans]
    add_up = all(_is_all_outlay(each) for each in made if each is not None and each.changes)
    said = "Money: capex, one-off fixed cost and stock; outlay: the budget_share of that, and price support."
    note = " ".join([*([] if add_up else [said]), *_uneven_purchase_notes(found, made)])
    return Frame.of_rows(*CHANGE_TITLES[part], columns, rows, note)


def _uneven_purchase_notes(
    found: "PlanEvaluation | FuturesEvaluation", made: "Iterable[PlanNeed | PlanWaste | None]"
) -> list[str]:
    """Return a note if a change names a part of a year, as uneven purchases of a stockpile do."""
    stocks, years = found.instance.stocks, set(map(str, found.instance.horizon.years))
    changes = (each for part in made if part is not None for each in part.changes)
    if any(each.option in stocks and each.period not in years for each in changes):
        return [
            "Where a stock is not bought evenly over a year, all its parts are listed: enter them in place of the year."
        ]
    return []


def _is_all_outlay(made: "PlanNeed | PlanWaste") -> bool:
    """Check whether the money of the changes adds up to the outlay."""
    money = abs(math.fsum(each.money for each in made.changes))
    return math.isclose(money, abs(made.outlay), rel_tol=SAME_VALUE, abs_tol=NEGLIGIBLE)


def _changes_of(found: "PlanEvaluation | FuturesEvaluation", part: str) -> Iterator[tuple[Any, Any, tuple[Any, ...]]]:
    """Yield each plan and change with the values of `_change_columns`."""
    sign = 1.0 if part == "need" else -1.0
    for plan in found.plans:
        made = getattr(plan, part)
        for each in () if made is None else made.changes:
            unit = size_unit(plan.instance, each.option)
            yield plan, each, (each.option, each.period, each.before, each.after, unit, sign * each.money)


def broken_rules_frame(found: "PlanEvaluation") -> Frame:
    """Build the frame of broken rules, a row for each plan and rule."""
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("rule", "Where", is_index=True),
        FrameColumn("what", "Rule broken"),
        FrameColumn("cure", is_shown=False),
        FrameColumn("file", is_shown=False),
        FrameColumn("line", form="count", is_shown=False),
    )
    rows = (
        (plan.name, rule.where, rule.what, rule.cure, rule.file, rule.line)
        for plan in found.plans
        for rule in plan.broken_rules
    )
    return Frame.of_rows("rules", "Rules broken, not enforced", columns, rows)


def evaluated_plans_frame(found: "FuturesEvaluation") -> Frame:
    """Build the frame of plans over all futures, a row for each plan and one for the adaptive optimum."""
    money, measure = found.instance.money, str(found.instance.policy.objective)
    is_expected = measure == "expected cost"
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("survived", form="count"),
        FrameColumn("total_cost", measure[:1].upper() + measure[1:], money, "exact", is_shown=not is_expected),
        FrameColumn("expected_cost", "Expected\ncost", money, "exact"),
        FrameColumn("worst_cost", "Largest\ncost", money, "exact"),
        FrameColumn("gap", "Expected\ngap", money, "amount"),
        FrameColumn("outlay", "Expected\noutlay", money, "exact"),
        FrameColumn("more", "More than\nthe optimum", money, "amount"),
    )
    rows = [(plan.name, *_over_futures(plan.result), found.more(number)) for number, plan in enumerate(found.plans)]
    if found.optimum is not None and found.optimum.futures:
        rows.append(("optimum", *_over_futures(found.optimum), 0.0))
    note = f"Survived: of {len(found.futures)} futures. Optimum: the adaptive plan of `solve`."
    return Frame.of_rows("plans", "Side by side", columns, rows, note)


def _over_futures(result: FuturesResult) -> tuple[Any, ...]:
    survived = sum(each.result.survives for each in result.futures)
    costs = result.total_cost, result.expected_cost, result.worst_cost
    return survived, *costs, result.survival_gap, result.outlay


def branch_changes_frame(found: "FuturesEvaluation", part: str) -> Frame:
    """Build the frame of missing or unneeded purchases (`part`), a row for each, with its branches."""
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("branch", "In", is_index=True),
        *_change_columns(part, found.instance.money),
        FrameColumn("futures", is_shown=False),
    )
    rows = (
        (plan.name, branches_in_words(plan.result, each.futures), *values, " ".join(each.futures))
        for plan, each, values in _changes_of(found, part)
    )
    note = "Money of one future, undiscounted; the mean where prices differ."
    note = " ".join([note, *_uneven_purchase_notes(found, [getattr(plan, part) for plan in found.plans])])
    return Frame.of_rows(*CHANGE_TITLES[part], columns, rows, note)


def purchase_uses_frame(uses: Iterable[tuple[Any, Any]]) -> Frame:
    """Build the frame of uses, pairs of plan and `PurchaseUse`: a row for each, with the branches that need it."""
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("branch", "Bought in", is_index=True),
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("period", "When", form="period", is_index=True),
        FrameColumn("size", form="amount"),
        FrameColumn("unit", is_shown=False),
        FrameColumn("needed", "Of use in"),
        FrameColumn("futures", is_shown=False),
        FrameColumn("needed_in", is_shown=False),
    )
    rows = (
        (plan.name, branches_in_words(plan.result, each.futures), each.option, each.period, each.size,
         size_unit(plan.instance, each.option), branches_in_words(plan.result, each.needed_in),
         " ".join(each.futures), " ".join(each.needed_in))
        for plan, each in uses
    )  # fmt: skip
    note = "Of use in a future: kept by the cheapest plan within this one that does as well in that future alone."
    return Frame.of_rows("uses", "Of use in some futures only", columns, rows, note)


def plans_by_future_frame(found: "FuturesEvaluation") -> Frame:
    """Build the frame of futures, a row for each plan and future."""
    money = found.instance.money
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("future", is_index=True),
        FrameColumn("probability", "Prob.", "share", "percent"),
        FrameColumn("survived", form="count", is_shown=False),
        FrameColumn("shocks", form="count", is_shown=False),
        FrameColumn("survives", form="yes"),
        FrameColumn("gap", "Gap", money, "amount"),
        FrameColumn("total_cost", "Total cost", money, "exact"),
        FrameColumn("outlay", "Outlay", money, "exact", is_shown=False),
        FrameColumn("least_cost", "Optimum", money, "exact"),
        FrameColumn("regret", "Regret", money, "amount"),
        FrameColumn("rules", "Rules\nbroken", form="count"),
    )
    rows = (
        (name, future.name, future.probability, sum(each.survives for each in plan.result.shocks),
         len(plan.result.shocks), plan.result.survives, plan.result.survival_gap, plan.result.total_cost,
         plan.result.outlay, _cost(future.evaluation.optimum), future.regret(number), len(plan.broken_rules))
        for number, name in enumerate(found.names)
        for future in found.futures
        for plan in (future.evaluation.plans[number],)
    )  # fmt: skip
    note = "Optimum: of that future alone, known from the start; regret: what the plan costs more."
    return Frame.of_rows("futures", "Future by future", columns, rows, note)


def _cost(result: Result | None) -> float | None:
    return None if result is None or result.baseline is None else float(result.total_cost)


def stack_evaluations(found: "FuturesEvaluation", of_one: "Callable[[PlanEvaluation], Frame]") -> Frame:
    """Stack the frames of all futures, with the future as the first column."""
    each = ((future.name, of_one(future.evaluation)) for future in found.futures)
    return Frame.stacked(FrameColumn("future", is_index=True), each)
