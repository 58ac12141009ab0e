"""The frames of comparisons and other studies: the only place that says which columns their tables have.

Every study gives its frames by what stands here, so none of them is imported: they come as ``Any``.
"""

from collections.abc import Iterable
from typing import Any

from optimizer.horizon import windowed
from optimizer.results.frames import Form, Frame, FrameColumn, Frames
from optimizer.results.result import Result

# The order in which the classes of options are listed.
OPTION_CLASSES = ("must-have", "real choice", "not settled", "never worth it")


def _columns(form: Form, unit: str, *names: str) -> tuple[FrameColumn, ...]:
    """Columns of one form and unit."""
    return tuple(FrameColumn(name, unit=unit, form=form) for name in names)


def of_comparison(comparison: Any) -> Frames:
    """All tables as pandas frames: columns, least_outlay, lone_shocks, steps, breakpoints."""
    money = next(iter(comparison.cases.values())).money
    return Frames(
        {
            "columns": comparison_columns,
            "least_outlay": least_outlays,
            "lone_shocks": lone_shocks,
            "steps": budget_steps,
            "breakpoints": breakpoints_frame,
        },
        comparison,
        money,
    )


def comparison_columns(comparison: Any, money: str) -> Frame:
    """One row a column: figures, the worst service of each segment, the size of each option that some plan buys."""
    found = comparison.to_dict()["columns"]
    segments, options = _union(each["services"] for each in found), _union(each["sizes"] for each in found)
    columns = [
        FrameColumn("case", is_index=True),
        FrameColumn("budget", unit=money, form="exact", is_index=True),
        FrameColumn("status"),
        *_columns("count", "", "survived", "shocks"),
        FrameColumn("survival_gap", unit=money, form="amount"),
        *_columns("exact", money, "total_cost", "outlay"),
        *(FrameColumn(f"{d} worst_service", unit="share", form="percent") for d in segments),
        *(FrameColumn(f"{o} size", unit="t/yr, t or level", form="amount") for o in options),
    ]
    rows = (
        (each["case"], each["budget"], each["status"], len(each["survived"]), each["shocks"], each["survival_gap"],
         each["total_cost"], each["outlay"], *(each["services"].get(d, {}).get("worst_service") for d in segments),
         *(each["sizes"].get(o, 0.0) for o in options))
        for each in found
    )  # fmt: skip
    return Frame.of_rows("columns", "Side by side", columns, rows)


def _union(parts: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in parts for name in names))


def least_outlays(comparison: Any, money: str) -> Frame:
    """One row a case: the least outlay that survives everything, its bound, and the cost of its cheapest plan."""
    columns = (
        FrameColumn("case", "", is_index=True),
        FrameColumn("status", is_shown=False),
        FrameColumn("outlay", "Least outlay", money, "exact"),
        FrameColumn("bound", "Proven: none below", money, "exact"),
        FrameColumn("total_cost", "Total cost of its\ncheapest plan", money, "exact"),
    )
    rows = (
        (each.case, each.status, each.outlay, each.bound, each.result.total_cost if each.result else None)
        for each in comparison.least
    )
    return Frame.of_rows("least_outlay", "The least outlay that survives everything", columns, rows)


def lone_shocks(comparison: Any, money: str) -> Frame:
    """One row a case and shock: the least outlay were it the only shock that may come."""
    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("shock", form="shock", is_index=True),
        FrameColumn("status"),
        FrameColumn("outlay", "Least outlay", money, "exact"),
        FrameColumn("bound", "Bound", money, "exact"),
    )
    rows = (
        (case, each.shock, each.status, each.outlay, each.bound)
        for case, some in comparison.alone.items()
        for each in some
    )
    return Frame.of_rows("lone_shocks", "Least outlay for each shock alone", columns, rows)


def budget_steps(comparison: Any, money: str) -> Frame:
    """One row a budget: what some more money changes. Low and high ends are proven."""
    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("budget", unit=money, form="exact", is_index=True),
        FrameColumn("more", unit=money, form="exact"),
        *_columns("amount", money, "gap", "gap_low", "gap_high", "cost", "cost_low", "cost_high"),
        *_columns("count", "", "survived_before", "survived_after"),
    )
    rows = (
        (each.case, each.budget, each.more, *(x for d in (each.gap, each.cost) for x in (d.value, d.low, d.high)),
         _count_survived(each.before), _count_survived(each.after))
        for each in comparison.steps
    )  # fmt: skip
    return Frame.of_rows("steps", "What more money buys", columns, rows)


def _count_survived(result: Result) -> int:
    return sum(outcome.survives for outcome in result.shocks)


def breakpoints_frame(comparison: Any, money: str) -> Frame:
    """One row a change of the plan: between which budgets, and what comes and goes."""
    parts = ("added", "dropped", "survived", "lost")
    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("above", unit=money, form="exact", is_index=True),
        FrameColumn("at", unit=money, form="exact"),
        *(FrameColumn(part) for part in parts),
    )
    rows = (
        (each.case, each.above, each.at, *(", ".join(each.parts[part]) for part in parts))
        for each in comparison.changes
    )
    return Frame.of_rows("breakpoints", "Where the plan changes", columns, rows)


def of_alternatives(found: Any) -> Frames:
    """All tables as pandas frames: ranges, plans."""
    return Frames({"ranges": size_ranges, "plans": alternative_plans}, found)


def size_ranges(found: Any) -> Frame:
    """One row an option: the least and the greatest size of any plan within the tolerance."""
    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("kind", "Lever"),
        FrameColumn("verdict", form="word"),
        FrameColumn("least", form="amount"),
        FrameColumn("cheapest", "Cheapest\nplan", form="amount"),
        FrameColumn("greatest", form="amount"),
        *(FrameColumn(name, form="amount", is_shown=False) for name in ("least_bound", "greatest_bound")),
        FrameColumn("proven", form="yes", is_shown=False),
    )
    rows = (
        (each.option, each.kind, each.verdict, each.least.size, each.cheapest, each.greatest.size, each.least.bound,
         each.greatest.bound, each.proven)
        for each in sorted(found.ranges, key=lambda each: OPTION_CLASSES.index(each.verdict))
    )  # fmt: skip
    return Frame.of_rows("ranges", "What they buy", columns, rows)


def alternative_plans(found: Any) -> Frame:
    """One row a plan, the cheapest first."""
    money, cheapest = found.cheapest.money, found.cheapest.total_cost
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("total_cost", unit=money, form="exact"),
        *_columns("amount", money, "more", "outlay"),
        *_columns("count", "", "survived", "shocks"),
        FrameColumn("survival_gap", unit=money, form="amount"),
        FrameColumn("distance", form="amount"),
    )
    plans = [("cheapest", found.cheapest, None)]
    plans += [(chr(ord("A") + i), each.result, each.distance) for i, each in enumerate(found.plans)]
    rows = (
        (name, each.total_cost, each.total_cost - cheapest, each.outlay, _count_survived(each), len(each.shocks),
         each.survival_gap, distance)
        for name, each, distance in plans
    )  # fmt: skip
    return Frame.of_rows("plans", "Plans that differ", columns, rows)


def of_sensitivity(found: Any) -> Frames:
    """All tables as pandas frames: ends, switching, importance."""
    return Frames({"ends": tornado_ends, "switching": switching_values, "importance": importance_frame}, found)


def tornado_ends(found: Any) -> Frame:
    """One row an uncertain number and end: what becomes of the plan with the number there."""
    money = found.instance.money
    columns = (
        FrameColumn("number", is_index=True),
        FrameColumn("end", is_index=True),
        FrameColumn("value", form="amount"),
        FrameColumn("status"),
        FrameColumn("cost", unit=money, form="exact"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("shocks_failed", form="count"),
    )
    rows = (
        (bar.number.name, name, value, end.status, *((end.cost, end.gap, end.failed) if end.has_plan else (None,) * 3))
        for bar in found.bars
        for name, value, end in (("low", bar.number.first.low, bar.low), ("high", bar.number.first.high, bar.high))
    )
    return Frame.of_rows("ends", "Each number alone", columns, rows)


def switching_values(found: Any) -> Frame:
    """One row a switching value: between which values of a number the plan becomes another."""
    columns = (
        FrameColumn("number", is_index=True),
        FrameColumn("end", is_index=True),
        *_columns("exact", "", "same", "other"),
        FrameColumn("status"),
    )
    rows = (
        (bar.number.name, each.end, each.same, each.other, each.outcome.status)
        for bar in found.bars
        for each in bar.flips
    )
    return Frame.of_rows("switching", "Where the plan changes", columns, rows)


def importance_frame(found: Any) -> Frame:
    """One row an uncertain number: first-order indices of the cost and of the gap, with half widths of intervals."""
    sampled = found.sampled
    indices = _columns("amount", "share", "s1_cost", "margin_cost", "s1_gap", "margin_gap")
    columns = (FrameColumn("number", is_index=True), *indices)
    of_cost = {} if sampled is None else {each.number: (each.s1, each.margin) for each in sampled.of_cost}
    of_gap = {} if sampled is None else {each.number: (each.s1, each.margin) for each in sampled.of_gap}
    none = (None, None)
    rows = ((name, *of_cost.get(name, none), *of_gap.get(name, none)) for name in _union([of_cost, of_gap]))
    return Frame.of_rows("importance", "What the outcome depends on", columns, rows)


def of_stress(stress: Any) -> Frames:
    """All tables as pandas frames: samples, services, groups, worst, reinforcements."""
    return Frames(
        {
            "samples": stress_samples,
            "services": stress_services,
            "groups": sample_groups,
            "worst": broken_shocks,
            "reinforcements": reinforcements,
        },
        stress,
    )


def stress_samples(stress: Any) -> Frame:
    """One row a sample."""
    rows, horizon, demands = stress.rows, stress.against.horizon, list(stress.against.demands)
    columns = (
        FrameColumn("sample", is_index=True),
        FrameColumn("event"),
        FrameColumn("start", form="period"),
        FrameColumn("months", form="amount"),
        FrameColumn("max_severity", unit="share", form="percent"),
        FrameColumn("survived", form="yes"),
        FrameColumn("gap", unit=stress.money, form="amount"),
        FrameColumn("worst_segment", form="name"),
        *_columns("percent", "share", "service", "floor"),
        FrameColumn("first_failure", form="period"),
        FrameColumn("probability", form="amount"),
    )
    values = (
        list(rows.name),
        list(rows.entry),
        [horizon.label(t) for t in rows.start.tolist()],
        rows.months.tolist(),
        rows.severity.tolist(),
        rows.survived.tolist(),
        rows.gap.tolist(),
        [demands[i] if i >= 0 else None for i in rows.segment.tolist()],
        rows.service.tolist(),
        rows.floor.tolist(),
        [horizon.label(t) if t >= 0 else None for t in rows.failure.tolist()],
        rows.probability.tolist(),
    )
    return Frame("samples", "Samples", columns, values)


def stress_services(stress: Any) -> Frame:
    """One row a segment, those that fall below their floors most often first."""
    percent = [("mean", "Mean"), ("p5", "p5"), ("p50", "p50"), ("p95", "p95")]
    columns = (
        FrameColumn("segment", form="name", is_index=True),
        FrameColumn("floor_low", unit="share", form="percent", is_shown=False),
        FrameColumn("floor", unit="share", form="percent"),
        *(FrameColumn(name, label, "share", "percent") for name, label in percent),
        FrameColumn("below_floor", "Below floor", "share", "tenth"),
    )
    ordered = sorted(stress.services.items(), key=lambda item: -item[1].below)
    rows = ((d, *each.floor, each.mean, each.p5, each.p50, each.p95, each.below) for d, each in ordered)
    return Frame.of_rows("services", "Service", columns, rows)


def sample_groups(stress: Any) -> Frame:
    """One row a group of samples: by event, start, months and severity."""
    columns = (
        FrameColumn("by", is_index=True),
        FrameColumn("group", is_index=True),
        FrameColumn("samples", form="count"),
        *_columns("tenth", "share", "survived", "low", "high"),
        FrameColumn("mean_gap", "Mean gap", stress.money, "amount"),
    )
    rows = ((each.by, each.name, each.samples, each.share, *each.interval, each.mean_gap) for each in stress.groups)
    return Frame.of_rows("groups", "Where it is weak", columns, rows)


def broken_shocks(stress: Any) -> Frame:
    """One row a shock that breaks the plan, the worst first."""
    columns = (
        FrameColumn("shock", is_index=True),
        FrameColumn("event"),
        FrameColumn("first", form="period"),
        FrameColumn("last", form="period"),
        FrameColumn("gap", unit=stress.money, form="amount"),
        FrameColumn("segment", form="name"),
        FrameColumn("period", form="period"),
        *_columns("percent", "share", "service", "floor"),
        FrameColumn("short_of", form="name"),
    )
    rows = (
        (each.name, each.entry, each.first, each.last, each.gap, each.segment, each.period, each.service, each.floor,
         each.short)
        for each in stress.worst
    )  # fmt: skip
    return Frame.of_rows("worst", "The worst shocks", columns, rows)


def reinforcements(stress: Any) -> Frame:
    """One row an addition to the plan, checked on the shocks that break it."""
    found = stress.mending
    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("kind", "Lever"),
        FrameColumn("period", "When", form="period"),
        FrameColumn("size", form="amount"),
        FrameColumn("mended", "Survived\nthen", form="count"),
        FrameColumn("gap_removed", "Gap", stress.money, "amount"),
        FrameColumn("outlay", "Outlay", stress.money, "amount"),
        FrameColumn("per_shock", "A shock\nsurvived", stress.money, "amount"),
    )
    rows = (
        (each.option, each.kind, each.period, each.best.size, each.best.mended, each.best.gap_removed, each.best.outlay,
         each.best.per_mended)
        for each in (found.mends if found is not None else ())
    )  # fmt: skip
    return Frame.of_rows("reinforcements", "Reinforcement", columns, rows)


def of_attack(found: Any) -> Frames:
    """All tables as pandas frames: shaping, segments, starts."""
    return Frames({"shaping": shaping_attacks, "segments": attacked_segments, "starts": attack_starts}, found)


def _targets(found: Any, damage: Any) -> str | None:
    """The targets of an attack by their names."""
    if damage is None:
        return None
    targets = found.instance.adversary.targets
    return " + ".join(targets[name].name or name for name in damage.targets) or "nothing struck"


def shaping_attacks(found: Any) -> Frame:
    """One row an attack that shaped the plan: what it leaves below the floors, with nothing built and with the plan."""
    money = found.instance.money
    columns = (
        FrameColumn("targets", is_index=True),
        FrameColumn("first", form="period", is_index=True, is_shown=False),
        FrameColumn("last", form="period", is_shown=False),
        FrameColumn("window"),
        FrameColumn("price", unit=money, form="amount"),
        FrameColumn("without", "Nothing built", money, "amount"),
        FrameColumn("with_plan", "With the plan", money, "amount"),
        FrameColumn("breaks", form="yes", is_shown=False),
    )
    rows = (
        (_targets(found, each.with_plan), each.with_plan.first, each.with_plan.last,
         windowed(each.with_plan.first, each.with_plan.last, "–"), each.with_plan.price, each.without.gap,
         each.with_plan.gap, each.with_plan.breaks)
        for each in found.shaping
    )  # fmt: skip
    note = "What each leaves below the floors, at shortage cost: with nothing built, and with the plan."
    return Frame.of_rows("shaping", "Attacks that shaped the plan", columns, rows, note)


def attacked_segments(found: Any) -> Frame:
    """One row a segment that the worst attack leaves short."""
    money, worst = found.instance.money, found.worst
    columns = (
        FrameColumn("segment", form="name", is_index=True),
        FrameColumn("service", "Served/floor", "share", "percent"),
        FrameColumn("floor", unit="share", form="percent", is_shown=False),
        FrameColumn("unserved", "Unserved", "t", "amount"),
        FrameColumn("below_floor", "Below floor", "t", "amount"),
        FrameColumn("damage", unit=money, form="amount"),
        FrameColumn("gap", unit=money, form="amount", is_shown=False),
    )
    rows = (
        (d, each.service, each.floor, each.unserved, each.below_floor, each.damage, each.gap)
        for d, each in (worst.segments.items() if worst is not None else ())
    )
    note = "Over the window; served: in the weakest period, % of demand. Segments served in full: not shown."
    return Frame.of_rows("segments", "The worst attack", columns, rows, note)


def attack_starts(found: Any) -> Frame:
    """One row a start: the worst attack then, and the least attack budget that breaks the plan."""
    money = found.instance.money
    columns = (
        FrameColumn("start", form="period", is_index=True),
        FrameColumn("worst", "Worst attack"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("breaks_at", unit=money, form="amount"),
        FrameColumn("by", "By striking"),
    )
    rows = (
        (each.start, _targets(found, each.worst), each.worst.gap if each.worst else None,
         each.cheapest.price if each.cheapest else None, _targets(found, each.cheapest))
        for each in found.starts
    )  # fmt: skip
    note = "Worst: of what the adversary can afford, what leaves most below the floors. "
    note += "Breaks at: the least attack budget that does."
    return Frame.of_rows("starts", "Every start", columns, rows, note)


def of_explanation(found: Any) -> Frames:
    """All tables as pandas frames: values of parts, deadlines, repairs."""
    return Frames({"worths": part_values, "deadlines": deadlines, "repairs": repairs}, found)


def part_values(found: Any) -> Frame:
    """One row a shock, lever, floor or delay: what the plan costs without it, or with it."""
    money = found.result.money
    columns = (
        FrameColumn("kind", is_index=True),
        FrameColumn("of", is_index=True),
        FrameColumn("survives", form="yes"),
        *_columns("amount", money, "change", "low", "high", "outlay", "needed"),
        FrameColumn("months", unit="months", form="amount"),
    )
    rows = (
        (each.kind, each.of, each.survives, each.change, each.low, each.high, each.outlay, each.needed, each.months)
        for each in found.worths
    )
    return Frame.of_rows("worths", "What each part is worth", columns, rows)


def deadlines(found: Any) -> Frame:
    """One row a build: by when it has to be ordered."""
    columns = (
        FrameColumn("option", form="object", is_index=True),
        *_columns("period", "", "ordered", "as_planned", "anyhow"),
        FrameColumn("can_be_left_out", form="yes"),
    )
    rows = ((each.option, each.ordered, each.as_planned, each.anyhow, each.can_be_left_out) for each in found.deadlines)
    return Frame.of_rows("deadlines", "By when each has to be ordered", columns, rows)


def repairs(found: Any) -> Frame:
    """One row a repair: its least size, what is proven not to do, and what the plan costs with it."""
    money = found.result.money
    columns = (
        FrameColumn("kind", is_index=True),
        FrameColumn("of", is_index=True),
        FrameColumn("works", form="yes"),
        *_columns("exact", "", "amount", "beyond"),
        *_columns("exact", money, "cost", "outlay"),
    )
    rows = (
        (each.kind, each.of, each.works, each.amount, each.beyond, each.cost, each.outlay) for each in found.repairs
    )
    return Frame.of_rows("repairs", "Repairs, each enough by itself", columns, rows)


def of_time_to_survive(found: Any) -> Frames:
    """All tables as pandas frames: months."""
    return Frames({"months": months_survived}, found)


def months_survived(found: Any) -> Frame:
    """One row a chokepoint and year: months are infinite where it is for ever, and None where there is no plan."""
    columns = (
        FrameColumn("chokepoint", is_index=True),
        FrameColumn("kind"),
        FrameColumn("deliberate"),
        FrameColumn("cuts"),
        FrameColumn("year", form="year", is_index=True),
        FrameColumn("before", unit="months", form="amount"),
        FrameColumn("gives_out_before", form="name"),
        FrameColumn("after", unit="months", form="amount"),
        FrameColumn("gives_out_after", form="name"),
    )
    rows = (
        (each.name, each.kind, str(each.deliberate).lower(), " and ".join(each.cuts), before.year, before.months,
         before.segment or "", *((each.after[i].months, each.after[i].segment or "") if each.after else ("", "")))
        for each in found.exposures
        for i, before in enumerate(each.before)
    )  # fmt: skip
    return Frame.of_rows("months", "Time to survive", columns, rows)
