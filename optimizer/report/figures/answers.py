"""The figure of each study as rows of bars: costs, failures, and ranges.

All studies share one chart: a row has a label, parts of a bar, and the amount in words. Rows that do not survive are
vermilion, with a mark or a pattern for readers without colour; studies that rank their rows put them first.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from optimizer.disruptions.adversary import attack_budget_text
from optimizer.instance.derived import but_samples, display_name, has_floors
from optimizer.instance.reading import instance_of
from optimizer.instance.schema import Instance
from optimizer.report.figures.canvas import LABEL_LENGTH, AnswerChart, BarPart, ChartRow, Tone
from optimizer.report.format import DASH, number_name, percent, plural, repair_words, shortened
from optimizer.report.narrative import difference_text
from optimizer.report.tables.compare import column_title
from optimizer.report.tables.explain import heading, value_cells
from optimizer.report.tables.futures_study import timing_text, worth_text
from optimizer.report.tables.render import VERDICT_WORDS
from optimizer.report.tables.sensitivity import price_text, ranked_name
from optimizer.report.tables.share import SOLUTION_NAMES, range_text
from optimizer.report.tables.stress import varied_name
from optimizer.studies.alternatives_result import OPTION_VERDICTS, Alternatives
from optimizer.studies.attack_result import AttackResult
from optimizer.studies.comparison import Comparison
from optimizer.studies.cost_shares import CostShares, coalition_name, member_name
from optimizer.studies.cost_tolerance import ProvenDifference
from optimizer.studies.explanation import Explanation, PartValue, Repair, ValueRow, ValueRows
from optimizer.studies.futures.study_result import FuturesStudy, QuestionTiming
from optimizer.studies.sensitivity_result import Sensitivity, VariantOutcome
from optimizer.studies.stress_result import SampleGroup, Stress
from optimizer.tolerances import SHOWN_SHARE
from optimizer.units import si

# The studies that are drawn as rows of bars.
ChartedStudy = Explanation | AttackResult | Alternatives | Sensitivity | Stress | Comparison | CostShares | FuturesStudy
# Largest number of rows of a figure, and of rows of a group.
_ROWS, _OF_GROUP = 26, 6


def chart_of(found: ChartedStudy) -> AnswerChart:
    """Return the chart of a study.

    Raises:
        ValueError: there is nothing to draw; the message says why.
    """
    makers: Mapping[type, Callable[[Any], AnswerChart]] = {
        Explanation: _explanation,
        AttackResult: _attack,
        Alternatives: _alternatives,
        Sensitivity: _sensitivity,
        Stress: _stress,
        Comparison: _comparison,
        CostShares: _cost_shares,
        FuturesStudy: _worth,
    }
    chart = makers[type(found)](found)
    if not chart.rows:
        raise ValueError("the study found nothing to draw")
    return chart


def _limited(rows: Iterable[ChartRow]) -> tuple[tuple[ChartRow, ...], int]:
    """Return the first `_ROWS` rows, and the number of rows left out."""
    every = tuple(rows)
    return every[:_ROWS], max(0, len(every) - _ROWS)


# Why this plan.


def _explanation(found: Explanation) -> AnswerChart:
    instance, result = instance_of(found.result), found.result
    if found.result.status == "survives":
        rows, left = _values(found)
        about = f"Change of the total cost ({si(result.total_cost, instance.money, 4)}), present value, "
        about += f"{instance.currency}."
        about += f" {DASH}: no proven change." if any(row.words == DASH for row in rows) else ""
        has_range = any(" to " in row.words for row in rows)
        about += " A range is what is proven; its bar is the best known." * has_range
        return AnswerChart(
            f"{instance.title}: what each part of the plan is worth",
            rows,
            {
                "broken": "some floor fails: no amount, as long as the longest",
                "dearer": "dearer",
                "cheaper": "cheaper",
                "unknown": "not known",
            },
            about,
            left=left,
        )
    shown, left = _limited(_repair_row(instance, each) for each in found.repairs)
    return AnswerChart(
        f"{instance.title}: what would make everything survivable{but_samples(instance)}",
        shown,
        {"own": "so much is enough", "broken": "cannot work", "unknown": "not known"},
        "Each repair alone; bars: the share of the floors or of demand that has to go.",
        "share",
        left=left,
    )


def _repair_row(instance: Instance, repair: Repair) -> ChartRow:
    label, words, share = repair_words(instance, repair)
    if repair.works is None:
        return ChartRow(label, f"? {words}", ((0.0, 1.0, "unknown"),))
    if not repair.works:
        return ChartRow(label, f"✗ {words}", ((0.0, 1.0, "broken"),))
    return ChartRow(label, f"✓ {words}", () if share is None else ((0.0, share, "own"),))


def _values(found: Explanation) -> tuple[tuple[ChartRow, ...], int]:
    """Return the rows with the values of a plan's parts by heading, the largest first, and the number left out."""
    instance = instance_of(found.result)
    collector, made = ValueRows(instance), list[ValueRow]()
    for value in found.part_values:
        made += collector.add(value)
    made += collector.rest()
    by_heading = dict[str, list[ValueRow]]()
    for each in made:
        by_heading.setdefault(heading(each.value), []).append(each)
    rows = [row for title, some in by_heading.items() for row in _value_rows(found, instance, title, some, made)]
    return tuple(rows), len(made) - len(rows)


def _value_rows(
    found: Explanation, instance: Instance, title: str, some: Sequence[ValueRow], made: Sequence[ValueRow]
) -> Iterator[ChartRow]:
    """Yield the rows of a heading: first parts without which no plan survives, then the largest changes."""
    largest = max(abs(each.value.change or 0.0) for each in made) or 1.0
    releases = any(max(row, default=0.0) > 0 for row in found.result.plan.stocks.values())
    ordered = sorted(some, key=lambda each: (each.value.survives is not False, -abs(each.value.change or 0.0)))
    for each in ordered[:_OF_GROUP]:
        label, figure = _value_words(instance, each, releases=releases)
        yield ChartRow(label, figure, _value_part(each.value, largest) if figure != DASH else (), title)


def _value_words(instance: Instance, row: ValueRow, *, releases: bool) -> tuple[str, str]:
    """Return the title of a value, and the change or the range that is proven; a dash if no change is."""
    value, (title, figure, _) = row.value, value_cells(instance, row, releases=releases)
    if value.is_proven:
        return title, f"{difference_text(value.difference, SHOWN_SHARE)} {instance.money}"
    if value.survives is False:
        return title, figure.lower()
    return title, DASH if value.change is not None and value.low is None else figure


def _value_part(value: PartValue, largest: float) -> tuple[BarPart, ...]:
    """Return the bar of a value; if no plan survives without the part, it is as long as the longest."""
    if value.survives is False:
        return ((0.0, largest, "broken"),)
    change = value.change or 0.0
    return ((0.0, change, "dearer" if change > 0 else "cheaper"),) if change else ()


# Under attack.


def _attack(found: AttackResult) -> AnswerChart:
    """Return the chart of the least attack budget that breaks the plan, by start."""
    instance, adversary = found.instance, found.instance.adversary
    assert adversary is not None
    rows = list[ChartRow]()
    for each in found.starts:
        cheapest = each.cheapest
        if cheapest is None:
            rows.append(ChartRow(each.start, "not known" if found.attacks_stopped else "nothing breaks it"))
            continue
        targets = ", ".join(adversary.targets[name].name or name for name in cheapest.targets)
        tone: Tone = "broken" if cheapest.cost <= adversary.attack_budget else "own"
        words = shortened(f"{si(cheapest.cost, instance.money)}: {targets}", LABEL_LENGTH)
        rows.append(ChartRow(each.start, words, ((0.0, cheapest.cost, tone),)))
    budget = adversary.attack_budget
    return AnswerChart(
        f"{instance.title}: what it costs an adversary to break the plan",
        tuple(rows),
        {"broken": "affordable: the plan breaks", "own": "more than the adversary has"},
        f"The least attack budget that breaks a floor, by the start of the attack, {instance.currency}.",
        line=(budget, f"the attack budget, {attack_budget_text(budget, instance.money)}"),
    )


# Near-optimal alternatives.


def _alternatives(found: Alternatives) -> AnswerChart:
    instance = instance_of(found.cheapest)
    ordered = sorted(found.ranges, key=lambda each: OPTION_VERDICTS.index(each.verdict))
    shown = [
        each
        for each in ordered
        if each.verdict in ("must-have", "real choice") or (each.verdict == "not settled" and each.greatest.size > 0)
    ]
    tones: Mapping[str, Tone] = {"must-have": "own", "real choice": "range", "not settled": "unknown"}

    def row(each: Any) -> ChartRow:
        most = each.greatest.size
        unit = instance.options[each.option].labels.size_unit
        words = f"{si(each.least.size)} to {si(most, unit)}, cheapest plan {si(each.cheapest)}"
        # An option that is only opened at size 0 has no larger size to be a share of.
        is_bought = each.option in found.cheapest.plan.bought
        sizes = ((each.least.size, each.verdict == "must-have"), (each.cheapest, is_bought))
        least, cheapest = (size / most if most > 0 else float(buys) for size, buys in sizes)
        part = (least, 1.0, tones[each.verdict])
        return ChartRow(display_name(instance, each.option), words, (part,), VERDICT_WORDS[each.verdict], cheapest)

    rows, left = _limited(map(row, shown))
    return AnswerChart(
        f"{instance.title}: how much plans near the least cost buy of each option",
        rows,
        {"own": "in every plan", "range": "in some plans", "unknown": "not settled"},
        f"From the least to the greatest size of any plan that costs up to {si(found.extra_cost, instance.money)} more "
        "than the cheapest, as a share of the greatest. Diamond: the cheapest plan. Options that none buys are left "
        "out.",
        "share",
        left=left + len(found.ranges) - len(shown),
    )


# Uncertain numbers.


def _sensitivity(found: Sensitivity) -> AnswerChart:
    instance, base = found.instance, found.base

    def row(bar: Any) -> ChartRow:
        ends, parts = list[str](), list[BarPart]()
        for name, end in (("low", bar.low), ("high", bar.high)):
            text, change, tone = _of_end(end, base)
            ends.append(f"{name} {text}")
            parts += [(0.0, change, tone)] if change else []
        return ChartRow(number_name(instance, bar.number), ", ".join(ends), tuple(parts))

    rows, left = _limited(map(row, found.bars))
    is_priced = base.no_shock is not None
    as_is = price_text(found) if is_priced else si(base.cost, instance.money, 4)
    said = "It is the total cost less that of the cheapest plan without shocks, with the same numbers. " * is_priced
    return AnswerChart(
        f"{instance.title}: what each uncertain number does to the {ranked_name(found)}",
        rows,
        {"broken": "a floor fails there", "dearer": "dearer", "cheaper": "cheaper", "unknown": "not known"},
        f"Change of the {ranked_name(found)} ({as_is}) at either end of each number's range, all others at their "
        f"values; present value, {instance.currency}. {said}✗: a floor fails there that holds as it is.",
        left=left,
    )


def _of_end(end: VariantOutcome, base: VariantOutcome) -> tuple[str, float, Tone]:
    """Return the change at an end of a range: in words, as an amount, and its tone."""
    if not end.has_plan or not end.is_settled:
        return ("no plan" if end.status in ("infeasible", "unusable") else "not known"), 0.0, "unknown"
    change = end.leading_change(base)
    breaks = end.gap > 0 >= base.gap
    size = change.value if change.is_proven else 0.0
    tone: Tone = "broken" if breaks else "dearer" if size > 0 else "cheaper"
    return f"{difference_text(change)}{' ✗' if breaks else ''}", size, tone


# Sampled shocks.


def _stress(found: Stress) -> AnswerChart:
    heads = {"event": "By event", "start": "By year of the start", "months": "By length, months",
             "severity": "By the largest cut"}  # fmt: skip
    by = dict[str, list[SampleGroup]]()
    for each in found.groups:
        by.setdefault(each.by, []).append(each)
    rows, left = list[ChartRow](), 0
    for name, some in by.items():
        shown = sorted(some, key=lambda each: each.share)[: 2 * _OF_GROUP] if name == "event" else some
        left += len(some) - len(shown)
        for each in shown:
            broken = 1.0 - each.share
            words = f"{percent(each.share, 1)} of {each.samples:,} survived"
            parts: tuple[BarPart, ...] = ((0.0, broken, "broken"), (broken, 1.0, "own"))
            label = varied_name(found, each.name) if name == "event" else each.name
            rows.append(ChartRow(label, words, parts, heads[name]))
    return AnswerChart(
        f"{found.plan_title}: which sampled shocks break the plan",
        tuple(rows),
        {"broken": "a floor fails", "own": "every floor holds"},
        f"{plural(found.samples, 'sample')}, seed {found.seed}: {found.sampler}. Money in {found.currency}.",
        "share",
        left=left,
    )


# Who pays.


def _cost_shares(found: CostShares) -> AnswerChart:
    """Return the chart of each member's payment with its proven range, and the cost of each coalition alone."""
    instance, money, by = found.instance, found.instance.money, found.leading
    rows = [
        ChartRow(
            member_name(found, each.member),
            f"pays {range_text(each.paid(by))}, alone {range_text(each.alone)}, saves {range_text(each.saved(by))}",
            ((0.0, each.paid(by).value, "own"), *_range_part(each.paid(by).low, each.paid(by).high)),
            f"Who pays, by the {SOLUTION_NAMES[by]}",
            each.alone.value,
        )
        for each in found.shares
    ]
    leaving = {each.key for each, _ in found.objections(by)}
    for each in found.coalitions if found.shares else ():
        cost = found.alone(each)
        more = f", would save {range_text(-found.saved_by(by, each))} by leaving" if each.key in leaving else ""
        tone: Tone = "broken" if more else "dearer"
        group = "What each coalition costs alone"
        value = f"{range_text(cost)}{more}"
        rows.append(ChartRow(coalition_name(found, each), value, ((0.0, cost.value, tone),), group))
    shown, left = _limited(rows)
    return AnswerChart(
        f"{instance.title}: who pays what",
        shown,
        {
            "own": "pays",
            "range": "between these ends, as costs are proven",
            "dearer": "costs alone",
            "broken": "pays more than it costs alone",
        },
        f"Present value, {money} ({instance.currency}), beyond what each costs alone without shocks. Diamond: alone.",
        left=left,
    )


def _range_part(low: float, high: float) -> tuple[BarPart, ...]:
    """Return the bar from the proven lower to the upper end of an amount; nothing if both print alike."""
    return ((low, high, "range"),) if math.isfinite(high - low) and si(low) != si(high) else ()


# What later decisions and earlier answers are worth.

_TIMINGS = {
    "start": "known at the start",
    "earlier": "known a year earlier",
    "later": "known a year later",
    "never": "never known",
}


def _worth(found: FuturesStudy) -> AnswerChart:
    """Return the chart of flexibility and perfect information, then of each question at each other date."""
    names = {"flexibility": "deciding later", "information": "knowing every answer at the start"}
    rows = [
        ChartRow(label, worth_text(found, name), _amount(getattr(found, name)), "all questions")
        for name, label in names.items()
    ]
    return AnswerChart(
        f"{found.instance.title}: what it is worth to decide later and to know earlier",
        (*rows, *(_timing_row(found, each) for each in found.questions)),
        {"cheaper": "saved by it, proven", "dearer": "cost of it, proven", "range": "at most, not proven"},
        f"Difference in {found.measure_with_gaps}, present value, {found.instance.currency}."
        f"{'' if found.has_priced_gaps else ' ✗: floors fail.'}",
    )


def _timing_row(found: FuturesStudy, each: QuestionTiming) -> ChartRow:
    parts = _amount(each.difference, "cheaper" if each.is_earlier else "dearer")
    return ChartRow(_TIMINGS[each.timing], timing_text(found, each), parts, each.question)


def _amount(gain: ProvenDifference | None, tone: Tone = "cheaper") -> tuple[BarPart, ...]:
    """Return the bar of an amount of 0 or more: what is proven, then what is possible; nothing if it is unknown."""
    if gain is None:
        return ()
    proven: tuple[BarPart, ...] = ((0.0, gain.low, tone),) if gain.low else ()
    return (*proven, *_range_part(gain.low, gain.high))


# Scenarios side by side.


def _comparison(found: Comparison) -> AnswerChart:
    instance = next(iter(found.cases.values()))
    fails = any(each.fails for column in found.columns for each in column.result.shocks)
    worst = " ✗: shocks in which a floor fails. Worst gap: the largest survival gap of one shock, at shortage cost."
    return AnswerChart(
        f"{instance.title}: the plan of each case",
        tuple(_columns(found, instance.money)),
        {"broken": "some floor fails", "own": f"every floor holds{but_samples(*found.cases.values())}"},
        f"Bar: outlay, undiscounted, {instance.currency}. Cost: total cost, present value.{worst * fails}",
    )


def _columns(found: Comparison, money: str) -> Iterator[ChartRow]:
    for column in found.columns:
        result, name = column.result, column_title(found, column)
        if result.baseline is None:
            yield ChartRow(name, "not known" if result.status == "stopped" else "✗ no plan")
            continue
        failed, count = sum(each.fails for each in result.shocks), len(result.shocks)
        worst = f", worst gap {si(result.worst_gap, money)}" if result.worst_gap > 0 else ""
        fails = f"✗ {failed:,} of {count:,}{worst}; " if failed else ""
        fails = fails if has_floors(found.cases[column.case]) else "no floors; "
        words = f"{fails}outlay {si(result.outlay, money)}, cost {si(result.total_cost, money, 4)}"
        yield ChartRow(name, words, ((0.0, result.outlay, "broken" if failed else "own"),))
