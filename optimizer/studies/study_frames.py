"""Frames of studies: comparisons, alternatives, sensitivity, attacks, explanations, and futures.

The modules of study results import this one, so that it imports them for type checking only.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from optimizer.horizon import windowed
from optimizer.instance.derived import display_name, size_unit
from optimizer.results.frames import Form, Frame, FrameColumn
from optimizer.results.result import Result

if TYPE_CHECKING:
    from optimizer.studies.alternatives_result import Alternatives
    from optimizer.studies.attack_result import AttackDamage, AttackResult
    from optimizer.studies.comparison import Comparison
    from optimizer.studies.explanation import Explanation
    from optimizer.studies.futures.study_result import FuturesStudy
    from optimizer.studies.sensitivity_result import Sensitivity

# The order in which options are listed, by verdict.
OPTION_VERDICTS = ("must-have", "real choice", "not settled", "never worth it")
# How each is printed: a plan may leave out what is worth it for want of room, and may buy what it does not need.
VERDICT_WORDS = dict(zip(OPTION_VERDICTS, ("in every plan", "in some plans", "not settled", "in no plan"), strict=True))


def _columns(form: Form, unit: str, *names: str) -> tuple[FrameColumn, ...]:
    """Return columns of one form and unit."""
    return tuple(FrameColumn(name, unit=unit, form=form) for name in names)


def _part(name: str, *, of: Callable[[Any], Any], **how: Any) -> FrameColumn:
    """Return a column with the attribute `name` of the part `of(row)`, None if the row lacks that part."""
    return FrameColumn(name, of=lambda each: None if of(each) is None else getattr(of(each), name), **how)


def _index(*names: str, form: Form = "text") -> tuple[FrameColumn, ...]:
    return tuple(FrameColumn(name, form=form, is_index=True) for name in names)


def comparison_columns(comparison: "Comparison", money: str) -> Frame:
    """Return a frame with a row per case and budget: figures, worst services by segment, sizes of options bought."""
    found = comparison.figures()
    segments, options = union(each["services"] for each in found), union(each["sizes"] for each in found)
    names = {key: _name_in_cases(comparison, key) for key in (*segments, *options)}
    columns = [
        FrameColumn("case", is_index=True),
        FrameColumn("budget", unit=money, form="exact", is_index=True),
        FrameColumn("status"),
        *_columns("count", "", "survived", "shocks"),
        FrameColumn("survival_gap", unit=money, form="amount"),
        *_columns("exact", money, "total_cost", "price_of_survival", "outlay"),
        *(FrameColumn(f"{d} worst_service", f"{names[d]}: worst service", "share", "percent") for d in segments),
        *(FrameColumn(f"{o} size", f"{names[o]}: size", "t/yr, t or level", "amount") for o in options),
    ]
    rows = (
        (each["case"], each["budget"], each["status"], len(each["survived"]), each["shocks"],
         *(each[name] for name in ("survival_gap", "total_cost", "price_of_survival", "outlay")),
         *(each["services"].get(d, {}).get("worst_service") for d in segments),
         *(each["sizes"].get(o, 0.0) for o in options)) for each in found
    )  # fmt: skip
    return Frame.of_rows("columns", "Side by side", columns, rows)


def _name_in_cases(comparison: "Comparison", key: str) -> str:
    """Return the display name of a segment or an option in the first case that names it."""
    names = (display_name(case, key) for case in comparison.cases.values())
    return next((name for name in names if name != key), key)


def union(parts: Iterable[Iterable[str]]) -> list[str]:
    """Return the distinct names of all parts, in order of first occurrence."""
    return list(dict.fromkeys(name for names in parts for name in names))


def least_outlays_frame(comparison: "Comparison", money: str) -> Frame:
    """Return a frame with a row per case: the least outlay that survives all shocks, its bound, its total cost."""
    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("status", is_shown=False),
        FrameColumn("outlay", "Least outlay", money, "exact"),
        FrameColumn("bound", "Proven: none below", money, "exact"),
        _part("total_cost", of=lambda each: each.result, label="Total cost of its\ncheapest plan", unit=money,
              form="exact"),
    )  # fmt: skip
    return Frame.of_items("least_outlay", "The least outlay that survives everything", comparison.least, columns)


def lone_shocks(comparison: "Comparison", money: str) -> Frame:
    """Return a frame with a row per case and shock: the least outlay that survives this shock alone."""
    columns = (
        FrameColumn("case", is_index=True, of=lambda pair: pair[0]),
        FrameColumn("shock", form="shock", is_index=True, of=lambda pair: pair[1].shock),
        FrameColumn("status", of=lambda pair: pair[1].status),
        FrameColumn("outlay", "Least outlay", money, "exact", of=lambda pair: pair[1].outlay),
        FrameColumn("bound", unit=money, form="exact", of=lambda pair: pair[1].bound),
    )
    pairs = ((case, each) for case, some in comparison.alone.items() for each in some)
    return Frame.of_items("lone_shocks", "Least outlay for each shock alone", pairs, columns)


def budget_steps(comparison: "Comparison", money: str) -> Frame:
    """Return a frame with a row per budget: the changes with `more` money than it, with proven lower and upper ends."""

    def ends(name: str, label: str) -> tuple[FrameColumn, ...]:
        """Return columns for a difference and its proven lower and upper ends."""
        return (
            FrameColumn(name, label, money, "amount", of=lambda step: getattr(step, name).value),
            FrameColumn(f"{name}_low", "", money, "amount", is_shown=False, of=lambda step: getattr(step, name).low),
            FrameColumn(f"{name}_high", "", money, "amount", is_shown=False, of=lambda step: getattr(step, name).high),
        )

    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("budget", unit=money, form="exact", is_index=True),
        FrameColumn("more", unit=money, form="exact", is_shown=False),
        *ends("gap", "Gap"),
        FrameColumn("survived_before", "Survives", form="count", of=lambda step: _count_survived(step.before)),
        FrameColumn("survived_after", form="count", is_shown=False, of=lambda step: _count_survived(step.after)),
        *ends("cost", "Total cost"),
    )
    return Frame.of_items("steps", "What more money buys", comparison.steps, columns)


def _count_survived(result: Result) -> int:
    return sum(outcome.survives for outcome in result.shocks)


def breakpoints_frame(comparison: "Comparison", money: str) -> Frame:
    """Return a frame with a row per change of the plan: the budgets between which it is, and what it adds and drops."""

    def names(part: str, **how: Any) -> FrameColumn:
        return FrameColumn(part, of=lambda change: ", ".join(change.parts[part]), **how)

    columns = (
        FrameColumn("case", is_index=True),
        FrameColumn("above", "Budget", money, "exact", is_index=True),
        FrameColumn("at", unit=money, form="exact", is_shown=False),
        names("added", label="Builds"),
        names("dropped", is_shown=False),
        names("survived", label="Shocks"),
        names("lost", is_shown=False),
    )
    return Frame.of_items("breakpoints", "Where the plan changes", comparison.changes, columns)


def size_ranges(found: "Alternatives") -> Frame:
    """Return a frame with a row per option: the least and the greatest size in any plan within the tolerance."""
    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("kind", "Lever"),
        FrameColumn("verdict", form="verdict"),
        FrameColumn("least", form="amount", of=lambda each: each.least.size),
        FrameColumn("cheapest", "Cheapest\nplan", form="amount"),
        FrameColumn("greatest", form="amount", of=lambda each: each.greatest.size),
        FrameColumn("least_bound", form="amount", is_shown=False, of=lambda each: each.least.bound),
        FrameColumn("greatest_bound", form="amount", is_shown=False, of=lambda each: each.greatest.bound),
        FrameColumn("proven", form="yes", is_shown=False),
    )
    ordered = sorted(found.ranges, key=lambda each: OPTION_VERDICTS.index(each.verdict))
    return Frame.of_items("ranges", "What they buy", ordered, columns)


def alternative_plans(found: "Alternatives") -> Frame:
    """Return a frame with a row per plan, the cheapest first."""
    money, cheapest = found.cheapest.money, found.cheapest.total_cost
    columns = (
        FrameColumn("plan", is_index=True),
        FrameColumn("total_cost", unit=money, form="exact"),
        *_columns("amount", money, "more", "outlay"),
        *_columns("count", "", "survived", "shocks"),
        FrameColumn("survival_gap", unit=money, form="amount"),
        FrameColumn("distance", form="amount"),
    )
    others = [(chr(ord("A") + i), each.result, each.distance) for i, each in enumerate(found.plans)]
    rows = (
        (name, each.total_cost, each.total_cost - cheapest, each.outlay, _count_survived(each), len(each.shocks),
         each.survival_gap, distance)
        for name, each, distance in [("cheapest", found.cheapest, None), *others]
    )  # fmt: skip
    return Frame.of_rows("plans", "Plans that differ", columns, rows)


def tornado_ends(found: "Sensitivity") -> Frame:
    """Return a frame with a row per uncertain number and end: the outcome of the plan with the number at that end."""
    money = found.instance.money
    columns = (
        *_index("number", "end"),
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


def switching_values(found: "Sensitivity") -> Frame:
    """Return a frame with a row per switching value: the values of a number between which the plan changes."""
    columns = (
        FrameColumn("number", "Uncertain number", is_index=True, of=lambda pair: pair[0].number.name),
        FrameColumn("end", is_index=True, is_shown=False, of=lambda pair: pair[1].end),
        FrameColumn("value", form="exact", of=lambda pair: pair[0].number.moving_to(pair[1].end).value),
        FrameColumn("same", "Changes\nbetween", form="exact", of=lambda pair: pair[1].same),
        FrameColumn("other", form="exact", is_shown=False, of=lambda pair: pair[1].other),
        FrameColumn("status", of=lambda pair: pair[1].outcome.status),
    )
    pairs = ((bar, flip) for bar in found.bars for flip in bar.flips)
    return Frame.of_items("switching", "Where the plan changes", pairs, columns)


def importance_frame(found: "Sensitivity") -> Frame:
    """Return a frame with a row per uncertain number: first-order indices of cost and gap, and their half widths."""
    sampled = found.sampled
    columns = (
        FrameColumn("number", "Uncertain number", is_index=True),
        FrameColumn("s1_cost", "S1 of the cost", "share", "amount"),
        FrameColumn("margin_cost", unit="share", form="amount", is_shown=False),
        FrameColumn("s1_gap", "S1 of the gap", "share", "amount"),
        FrameColumn("margin_gap", unit="share", form="amount", is_shown=False),
    )
    of_cost = {} if sampled is None else {each.number: (each.s1, each.margin) for each in sampled.of_cost}
    of_gap = {} if sampled is None else {each.number: (each.s1, each.margin) for each in sampled.of_gap}
    none = (None, None)
    rows = ((name, *of_cost.get(name, none), *of_gap.get(name, none)) for name in union([of_cost, of_gap]))
    return Frame.of_rows("importance", "What the outcome depends on", columns, rows)


def targets_struck(found: "AttackResult", damage: "AttackDamage") -> str:
    """Return the names of the targets of an attack."""
    targets = found.adversary.targets
    return " + ".join(targets[name].name or name for name in damage.targets) or "nothing struck"


def shaping_attacks(found: "AttackResult") -> Frame:
    """Return a frame with a row per attack that shaped the plan: its gap under the do-nothing plan and the plan."""
    money, is_deterrable = found.instance.money, bool(found.adversary.deterrents)

    def of_attack(name: str, **how: Any) -> FrameColumn:
        return FrameColumn(name, of=lambda each: getattr(each.with_plan, name), **how)

    columns = (
        FrameColumn("targets", is_index=True, of=lambda each: targets_struck(found, each.with_plan)),
        of_attack("first", form="period", is_index=True, is_shown=False),
        of_attack("last", form="period", is_shown=False),
        FrameColumn("window", of=lambda each: windowed(each.with_plan.first, each.with_plan.last, "–")),
        of_attack("price", unit=money, form="amount"),
        of_attack("cost", label="Costs it", unit=money, form="enough", is_shown=is_deterrable),
        FrameColumn("without", "Nothing bought", money, "amount", of=lambda each: each.without.gap),
        FrameColumn("with_plan", "With the plan", money, "amount", of=lambda each: each.with_plan.gap),
        of_attack("breaks", form="yes", is_shown=False),
    )
    note = "What each leaves below the floors, at shortage cost: with nothing bought, and with the plan.\n"
    note += "Each was listed to find the plan; without it the plan may be the same."
    return Frame.of_items("shaping", "Attacks among the shocks of the plan", found.shaping, columns, note)


def attacks_not_made(found: "AttackResult") -> Frame:
    """Return a frame with a row per attack that the plan deters: its cost to the adversary, the gap it would cause."""
    money, budget = found.instance.money, found.adversary.attack_budget
    columns = (
        FrameColumn("targets", is_index=True, of=lambda each: targets_struck(found, each)),
        FrameColumn("first", form="period", is_index=True, is_shown=False),
        FrameColumn("last", form="period", is_shown=False),
        FrameColumn("window", of=lambda each: windowed(each.first, each.last, "–")),
        FrameColumn("price", unit=money, form="amount"),
        FrameColumn("cost", "Costs it", money, "enough"),
        FrameColumn("margin", "Margin", money, "amount", of=lambda each: each.cost - budget),
        FrameColumn("gap", "Would leave", money, "amount"),
    )
    note = "Costs it: prices and what leverage adds when it begins. Margin: above the attack budget.\n"
    note += "Would leave: below the floors, at shortage cost, were it made all the same."
    return Frame.of_items("deterred", "Attacks that the plan deters", found.deterred, columns, note)


def attacked_segments(found: "AttackResult") -> Frame:
    """Return a frame with a row per segment with a shortage in the worst attack."""
    money, worst = found.instance.money, found.worst
    columns = (
        FrameColumn("segment", form="name", is_index=True),
        FrameColumn("service", "Served/floor", "share", "percent"),
        FrameColumn("floor", unit="share", form="percent", is_shown=False),
        FrameColumn("unserved", "Unserved", "t", "amount"),
        FrameColumn("below_floor", "Below floor", "t", "amount"),
        FrameColumn("gap", "Survival gap", money, "amount"),
        FrameColumn("damage", "Loss", money, "amount"),
    )
    rows = (
        (d, each.service, each.floor, each.unserved, each.below_floor, each.gap, each.damage)
        for d, each in (worst.segments.items() if worst is not None else ())
    )
    note = "Over the window; served: in the weakest period, % of demand. Survival gap: what is below the "
    note += "floor, loss: all that is unserved, at shortage cost. Segments served in full: not shown."
    return Frame.of_rows("segments", "The worst attack", columns, rows, note)


def attack_starts(found: "AttackResult") -> Frame:
    """Return a frame with a row per start: the worst attack, and the least attack budget that breaks the plan."""
    money = found.instance.money
    columns = (
        FrameColumn("start", form="period", is_index=True),
        FrameColumn("worst", "Worst attack", of=lambda each: each.worst and targets_struck(found, each.worst)),
        _part("gap", of=lambda each: each.worst, unit=money, form="amount"),
        FrameColumn("breaks_at", unit=money, form="enough", of=lambda each: found.least_attack_budget(each.cheapest)),
        FrameColumn("by", "By striking", of=lambda each: each.cheapest and targets_struck(found, each.cheapest)),
    )
    note = "Worst: of what the adversary can afford, what leaves most below the floors; none where no floor breaks. "
    note += "Breaks at: the least attack budget that does."
    return Frame.of_items("starts", "Every start", found.starts, columns, note)


def part_values_frame(found: "Explanation") -> Frame:
    """Return a frame with a row per shock, lever, floor or delay: the change of cost without it, or with the delay."""
    columns = [*_index("kind"), *_index("of", form="object"), FrameColumn("survives", form="yes")]
    columns += _columns("amount", found.result.money, "change", "low", "high", "outlay", "needed")
    columns += [FrameColumn("is_money", "Money helps", form="yes"), FrameColumn("months", "By", "months", "amount")]
    return Frame.of_items("worths", "What each part is worth", found.part_values, columns)


def deadlines_frame(found: "Explanation") -> Frame:
    """Return a frame with a row per option that is bought: when it is ordered, and its latest order."""
    columns = [*_index("option", form="object"), *_columns("period", "", "ordered", "as_planned", "anyhow")]
    columns.append(FrameColumn("can_be_left_out", form="yes"))
    return Frame.of_items("deadlines", "When each is ordered, and the latest order", found.deadlines, columns)


def repairs_frame(found: "Explanation") -> Frame:
    """Return a frame with a row per repair: the smallest change that works, what is proven beyond it, the cost."""
    columns = (
        *_index("kind"),
        *_index("of", form="object"),
        FrameColumn("works", form="yes"),
        *_columns("exact", "", "amount", "beyond"),
        *_columns("exact", found.result.money, "cost", "outlay"),
    )
    return Frame.of_items("repairs", "Repairs, each tried by itself", found.repairs, columns)


def values_frame(found: "FuturesStudy") -> Frame:
    """Build the frame of values, a row for each cost and each value of information or flexibility, with its bounds."""
    columns = (
        FrameColumn("what", is_index=True),
        *_columns("exact", found.instance.money, "low", "high"),
        FrameColumn("status"),
    )
    rows: list[tuple[Any, ...]] = [(kind, each.bound, each.cost, each.status) for kind, each in found.costs.items()]
    for name in ("flexibility", "information"):
        value = getattr(found, name)
        if value is not None:
            rows.append((name, value.low, value.high, ""))
    note = "Perfect: the informed plans, which know every answer from the start."
    return Frame.of_rows("values", "Costs and values", columns, rows, note)


def question_timings(found: "FuturesStudy") -> Frame:
    """Build the frame of questions, a row for each question and alternative date of its answer."""
    money = found.instance.money
    columns = (
        FrameColumn("question", is_index=True),
        FrameColumn("asked", "Answer in", form="period"),
        FrameColumn("timing", is_index=True),
        FrameColumn("known", "Known in", form="period"),
        *_columns("exact", money, "cost", "bound"),
        FrameColumn("gap", unit=money, form="amount"),
        *_columns("exact", money, "difference", "low", "high"),
        FrameColumn("status"),
    )
    rows = []
    for each in found.questions:
        value, band = each.value, each.difference
        cost = (None, None, None) if value is None else (value.cost, value.bound, value.gap)
        proven = (None, None, None) if band is None else (band.value, band.low, band.high)
        status = "stopped" if value is None else value.status
        rows.append((each.question, each.asked, each.timing, each.known, *cost, *proven, status))
    return Frame.of_rows("questions", "Each question at another date", columns, rows)


def futures_informed(found: "FuturesStudy") -> Frame:
    """Build the frame of futures, a row for each: under the adaptive plan, and under its informed plan."""
    money = found.instance.money
    columns = (
        FrameColumn("future", is_index=True),
        FrameColumn("probability", unit="share", form="tenth"),
        *_columns("exact", money, "adaptive_cost", "least_cost", "least_bound", "outlay"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("survives", form="yes"),
    )
    names = ("name", "probability", "adaptive_cost", "least_cost", "least_bound", "outlay", "gap", "survives")
    rows = ([row[name] for name in names] for row in map(found.figures_in, range(len(found.instance.tree.futures))))
    return Frame.of_rows("futures", "Each future", columns, rows)


def plans_followed(found: "FuturesStudy") -> Frame:
    """Build the frame of regret, a row for each future's informed plan and each future in which it is followed."""
    money = found.instance.money
    columns = (
        FrameColumn("plan", "Plan of", is_index=True),
        FrameColumn("future", "Followed in", is_index=True),
        FrameColumn("survives", form="yes"),
        *_columns("exact", money, "cost", "regret"),
        FrameColumn("gap", unit=money, form="amount"),
        FrameColumn("rules", "Rules broken", of=lambda row: "; ".join(rule.where for rule in row.broken_rules)),
    )
    return Frame.of_items("regret", "The informed plan of each future, followed in all", found.followed, columns)


def informed_orders_frame(found: "FuturesStudy") -> Frame:
    """Build the frame of orders, a row for each option that any informed plan buys."""
    instance = found.instance
    columns = (
        FrameColumn("option", form="object", is_index=True),
        FrameColumn("hangs", "Depends on", of=lambda order: order.depends_on),
        FrameColumn("is_urgent", "Before the first answer", form="yes"),
        *(FrameColumn(name, form="period") for name in ("first", "last")),
        *(FrameColumn(name, form="amount") for name in ("common", "smallest", "largest")),
        FrameColumn("unit", of=lambda order: size_unit(instance, order.option)),
        FrameColumn("questions", of=lambda order: ", ".join(order.questions)),
        FrameColumn("branches", of=lambda order: ", ".join(order.branches)),
        FrameColumn("open", of=lambda order: ", ".join(f"{name} ({period})" for name, period in order.open)),
        FrameColumn("futures", of=lambda order: ", ".join(order.futures)),
        FrameColumn("later", "Later in", of=lambda order: ", ".join(order.later)),
    )
    return Frame.of_items("orders", "Orders in the informed plans", found.orders or (), columns)
