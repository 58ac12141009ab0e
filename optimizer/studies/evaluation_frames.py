"""The frames of plans that were given: the only place that says which columns their tables have."""

from collections.abc import Callable, Sequence
from typing import Any

from optimizer.instance.derived import size_unit
from optimizer.results.frames import Frame, FrameColumn, Frames
from optimizer.studies.study_frames import comparison_columns


def of_evaluation(found: Any) -> Frames:
    """All tables as pandas frames: columns (side by side), lacks, missing, waste, rules."""
    return Frames(
        {
            "columns": lambda: comparison_columns(found.comparison, found.instance.money),
            "lacks": lambda: lacks(found),
            "missing": lambda: plan_changes_frame(found, "need", "missing", "What is missing"),
            "waste": lambda: plan_changes_frame(found, "waste", "waste", "What the plan could do without"),
            "rules": lambda: rules_broken(found),
        }
    )


def lacks(found: Any) -> Frame:
    """One row a plan, shock and segment below its floor."""
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


def plan_changes_frame(found: Any, part: str, name: str, title: str) -> Frame:
    """One row a plan and purchase that is missing, or that could be left out or made smaller."""
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("period", "When", form="period", is_index=True),
        FrameColumn("size", "In the plan", form="amount"),
        FrameColumn("enough", "Needed", form="amount"),
        FrameColumn("unit", is_shown=False),
        FrameColumn("money", "Spent more" if part == "need" else "Saved", found.instance.money, "amount"),
    )
    sign = 1.0 if part == "need" else -1.0
    rows = (
        (plan.name, each.option, each.period, each.before, each.after, size_unit(plan.instance, each.option),
         sign * each.money)
        for plan in found.plans
        for each in _changes_of(plan, part)
    )  # fmt: skip
    return Frame.of_rows(name, title, columns, rows)


def _changes_of(plan: Any, part: str) -> Sequence[Any]:
    made = getattr(plan, part)
    return () if made is None else tuple(made.changes)


def rules_broken(found: Any) -> Frame:
    """One row a plan and rule that it breaks."""
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("rule", is_index=True),
        FrameColumn("what"),
        FrameColumn("cure", is_shown=False),
        FrameColumn("file", is_shown=False),
        FrameColumn("line", form="count", is_shown=False),
    )
    rows = (
        (plan.name, rule.where, rule.what, rule.cure, rule.file, rule.line)
        for plan in found.plans
        for rule in plan.rules
    )
    return Frame.of_rows("rules", "Rules broken, not enforced", columns, rows)


def of_futures_evaluation(found: Any) -> Frames:
    """All tables as pandas frames: futures, lacks, missing, rules."""
    return Frames(
        {
            "futures": lambda: plans_by_future(found),
            "lacks": lambda: _of_all_futures(found, lacks),
            "missing": lambda: _of_all_futures(found, lambda one: one.frames.frame("missing")),
            "rules": lambda: _of_all_futures(found, rules_broken),
        }
    )


def plans_by_future(found: Any) -> Frame:
    """One row a plan and future."""
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
         plan.result.outlay, _cost(future.evaluation.optimum), future.regret(number), len(plan.rules))
        for number, name in enumerate(found.names)
        for future in found.futures
        for plan in (future.evaluation.plans[number],)
    )  # fmt: skip
    note = "Each plan is followed unchanged. Optimum: of that future alone; regret: what the plan costs more."
    return Frame.of_rows("futures", "Future by future", columns, rows, note)


def _cost(result: Any) -> float | None:
    return None if result is None or result.baseline is None else float(result.total_cost)


def _of_all_futures(found: Any, of_one: Callable[[Any], Frame]) -> Frame:
    """The frames of all futures below each other, with the future as their first column."""
    frames = [(future.name, of_one(future.evaluation)) for future in found.futures]
    first = frames[0][1]
    rows = [(name, *row.values()) for name, frame in frames for row in frame.rows()]
    columns = (FrameColumn("future", is_index=True), *first.columns)
    return Frame.of_rows(first.name, first.title, columns, rows, first.note)
