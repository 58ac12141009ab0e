"""The frames of plans that were given: the only place that says which columns their tables have."""

from collections.abc import Sequence
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
